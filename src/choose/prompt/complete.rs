//! What Tab means: which part of the line is to be completed, as what, and what the
//! names that could stand there have in common. It must never look anywhere itself: the
//! names are given to it, from outside, and are not yet printable.

use crate::base::sort;

use super::words::{Kind, row, told};

/// The part of a line that is to be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stem<'a> {
    /// What it names.
    pub kind: Kind,
    /// As far as it is typed.
    pub text: &'a str,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completed {
    /// Nothing could stand there.
    Nothing,
    /// This goes on from what is typed.
    More(String),
    /// Several could, and have no more in common.
    Several(Vec<String>),
}

/// What is to be completed at the end of a line; none where there is nothing to choose
/// from.
#[must_use]
pub fn stem(line: &str) -> Option<Stem<'_>> {
    let line = line.trim_start();
    let Some((name, argument)) = line.split_once(' ') else {
        return Some(Stem { kind: Kind::Word, text: line });
    };
    let kind = row(name)?.argument.filter(|kind| *kind != Kind::Text)?;
    Some(Stem { kind, text: argument.trim_start() })
}

/// The words that could stand at the start of a line: with a blank where something
/// follows.
#[must_use]
pub fn words() -> Vec<String> {
    let blank = |argument: Option<Kind>| if argument.is_some() { " " } else { "" };
    told().map(|row| [row.name, blank(row.argument)].concat()).collect()
}

/// A path that is being typed: the directory, which ends with a slash, and the part of a
/// name in it.
#[must_use]
pub fn split_path(text: &str) -> (&str, &str) {
    let at = text.rfind('/').map_or(0, |slash| slash.saturating_add(1));
    text.split_at_checked(at).unwrap_or(("", text))
}

/// Completes what is typed to one of the names, as far as they have it in common.
#[must_use]
pub fn complete(typed: &str, names: Vec<String>) -> Completed {
    let mut fitting: Vec<String> =
        names.into_iter().filter(|name| name.starts_with(typed)).collect();
    sort::sort_by(&mut fitting, Ord::cmp);
    fitting.dedup();
    let Some((first, others)) = fitting.split_first() else { return Completed::Nothing };
    let shared = others.iter().fold(first.as_str(), |shared, other| common(shared, other));
    match shared.get(typed.len()..) {
        Some(more) if !more.is_empty() => Completed::More(more.to_owned()),
        _ if others.is_empty() => Completed::Nothing,
        _ => Completed::Several(fitting),
    }
}

/// What both begin with.
fn common<'a>(one: &'a str, other: &str) -> &'a str {
    let both = one.char_indices().zip(other.chars());
    let end = both.take_while(|((_, a), b)| a == b).last();
    let end = end.map_or(0, |((at, character), _)| at.saturating_add(character.len_utf8()));
    one.get(..end).unwrap_or_default()
}

/// Names in lines of at most `columns`, at most `rows` of them: of the rest only how many
/// there are.
#[must_use]
pub fn in_lines(names: &[String], columns: usize, rows: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let is_full = lines.len() >= rows;
        match lines.last_mut().filter(|line| is_room(line, name, columns)) {
            Some(line) => {
                line.push_str("  ");
                line.push_str(name);
            }
            None if is_full => {
                let left = names.len().saturating_sub(at);
                lines.push(format!("... and {left} more: type a little more, then Tab"));
                break;
            }
            None => lines.push(name.clone()),
        }
    }
    lines
}

const fn is_room(line: &str, name: &str, columns: usize) -> bool {
    line.len().saturating_add(name.len()).saturating_add(2) < columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_line_says_what_its_end_is() {
        for (line, expected) in [
            ("", Some((Kind::Word, ""))),
            ("  li", Some((Kind::Word, "li"))),
            ("linux ", Some((Kind::File, ""))),
            ("linux  /a b", Some((Kind::File, "/a b"))),
            ("ls /boot/", Some((Kind::Directory, "/boot/"))),
            ("boot deb", Some((Kind::Entry, "deb"))),
            ("from LABEL=", Some((Kind::Device, "LABEL="))),
            ("options qui", None),
            ("go ", None),
            ("nonsense x", None),
        ] {
            assert_eq!(stem(line).map(|stem| (stem.kind, stem.text)), expected, "{line}");
        }
        assert!(words().contains(&"linux ".to_owned()) && words().contains(&"go".to_owned()));
    }

    #[test]
    fn what_names_have_in_common_is_completed_and_no_more() {
        let kernels = ["/vmlinuz-5", "/vmlinuz-6", "/initrd"];
        for (typed, expected) in [
            ("/v", Completed::More("mlinuz-".to_owned())),
            ("/vmlinuz-", Completed::Several(names(&["/vmlinuz-5", "/vmlinuz-6"]))),
            ("/i", Completed::More("nitrd".to_owned())),
            ("/initrd", Completed::Nothing),
            ("/x", Completed::Nothing),
        ] {
            assert_eq!(complete(typed, names(&kernels)), expected, "{typed}");
        }
        let umlauts = complete("", names(&["é1", "è2"]));
        assert_eq!(umlauts, Completed::Several(names(&["è2", "é1"])), "no half characters");
    }

    #[test]
    fn a_path_is_completed_in_its_directory() {
        for (path, expected) in [
            ("", ("", "")),
            ("vm", ("", "vm")),
            ("/", ("/", "")),
            ("/boot/vm", ("/boot/", "vm")),
            ("/boot/", ("/boot/", "")),
        ] {
            assert_eq!(split_path(path), expected);
        }
    }

    #[test]
    fn many_names_take_no_more_than_a_screen() {
        let many: Vec<String> = (0..100).map(|n| format!("file-{n:02}")).collect();
        let lines = in_lines(&many, 40, 3);
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[0], "file-00  file-01  file-02  file-03");
        assert_eq!(lines[3], "... and 88 more: type a little more, then Tab");
        assert_eq!(in_lines(&names(&["a", "b"]), 40, 3), ["a  b"]);
        assert_eq!(in_lines(&[], 40, 3), [""; 0]);
    }
}
