//! The token: a word in the next system's command line that nobody else can have
//! put there.
//!
//! It stands where the signed command line has `${boot}` (docs/manifest.md, Slots).
//! PID 1 of an image fills in [`BY_TURNOUT`]; another boot loader leaves the
//! placeholder as it is, or empties it.

/// What PID 1 fills in: the menu was reached by the firmware.
pub use crate::trust::slots::BY_MENU as BY_TURNOUT;

/// How a token for a jump from a running system begins; 32 hex digits follow.
pub const BY_KEXEC: &str = "kexec-";

const DIGITS: usize = 32;

/// A token from 16 random bytes.
#[must_use]
pub fn of(random: [u8; 16]) -> String {
    let mut token = BY_KEXEC.to_owned();
    for byte in random {
        for half in [byte >> 4, byte & 15] {
            token.extend(char::from_digit(half.into(), 16));
        }
    }
    token
}

/// Whether a command line has this token, as a word's value or as a word.
#[must_use]
pub fn is_in(token: &str, cmdline: &str) -> bool {
    cmdline.split_ascii_whitespace().any(|word| {
        let value = word.split_once('=').map_or(word, |(_, value)| value);
        value == token
    })
}

/// The command line with every token's digits left out: whoever reads of a jump before it
/// happens learns none.
#[must_use]
pub fn hidden(cmdline: &str) -> String {
    let mut parts = cmdline.split(BY_KEXEC);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(BY_KEXEC);
        match part.split_at_checked(DIGITS) {
            Some((digits, rest)) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                out.push_str("...");
                out.push_str(rest);
            }
            _ => out.push_str(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_hidden_and_everything_else_stays() {
        let token = of([0xa5; 16]);
        let shown = hidden(&format!("{token} turnout.boot={token} ro kexec-tools=1"));
        assert_eq!(shown, "kexec-... turnout.boot=kexec-... ro kexec-tools=1");
        for same in ["", "quiet", "kexec-", "turnout.boot=menu kexec-a5"] {
            assert_eq!(hidden(same), same);
        }
    }

    #[test]
    fn a_token_is_found_as_a_whole_value_only() {
        let token = of([0xa5; 16]);
        assert_eq!(token, format!("kexec-{}", "a5".repeat(16)));
        assert!(is_in(&token, &format!("quiet turnout.boot={token} ro")));
        assert!(!is_in(&token, &format!("turnout.boot={token}0")));
    }
}
