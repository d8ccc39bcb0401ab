//! Words for a shell, in lines that somebody may paste: what comes from a disk must not
//! become a command there.

use std::borrow::Cow;

/// The text as one word of a POSIX shell.
pub(super) fn word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./+:@=%,".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("'{}'", text.replace('\'', r"'\''"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_obey_is_put_in_quotes() {
        for (text, expected) in [
            ("6.12.90+deb13-amd64", "6.12.90+deb13-amd64"),
            ("/srv/a", "/srv/a"),
            ("", "''"),
            ("a b", "'a b'"),
            ("x;reboot", "'x;reboot'"),
            ("$(reboot)'", r"'$(reboot)'\'''"),
            ("~", "'~'"),
        ] {
            assert_eq!(word(text), expected);
        }
    }
}
