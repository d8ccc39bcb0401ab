//! Which entry a menu of GRUB boots by itself, in GRUB's own words (GRUB manual,
//! "Simple configuration handling" and "Special environment variables"): a number, an
//! id or a title, and behind `>` the same in a submenu; `>>` is a `>` of a title.

use std::borrow::Cow;

/// Most words of `fallback` that are looked at.
const MAX_FALLBACK: usize = 64;

/// A row of a menu as GRUB counts them: what is shown, bootable or not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// `--id`, or else the title.
    pub(super) id: String,
    pub(super) title: String,
    /// The id of the entry that it has become; `None` for a submenu.
    pub(super) entry: Option<String>,
    /// What a submenu itself says of its default.
    pub(super) default: String,
    /// Those of a submenu.
    pub(super) rows: Vec<Self>,
}

/// The row that `default` means; the first where it means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chosen<'a> {
    /// The entry's id; `None` if the menu, or a submenu that is meant, has no rows.
    pub(super) entry: Option<&'a str>,
    /// Whether every part of `default` meant a row.
    pub(super) is_exact: bool,
}

/// What boots by itself. A submenu stands for what boots by itself in it.
pub(super) fn chosen<'a>(rows: &'a [Row], default: &str) -> Chosen<'a> {
    let (name, rest) = split(default);
    let found = find(rows, name);
    let is_exact = default.is_empty() || found.is_some();
    let Some(row) = found.or_else(|| rows.first()) else {
        return Chosen { entry: None, is_exact };
    };
    if let Some(entry) = &row.entry {
        return Chosen { entry: Some(entry), is_exact: is_exact && rest.is_empty() };
    }
    let inner = chosen(&row.rows, if row.default.is_empty() { rest } else { &row.default });
    Chosen { is_exact: is_exact && inner.is_exact, ..inner }
}

/// What `fallback` names, in its order: numbers with blanks between, or one id or
/// title. What is none is left out.
pub(super) fn fallback<'a>(rows: &'a [Row], fallback: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = fallback.trim();
    for _ in 0..MAX_FALLBACK {
        if rest.is_empty() {
            break;
        }
        let (word, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let is_list = word.starts_with(|c: char| c.is_ascii_digit());
        let one = chosen(rows, if is_list { word } else { rest });
        found.extend(one.entry.filter(|_| one.is_exact));
        rest = if is_list || !one.is_exact { behind.trim_start() } else { "" };
    }
    found
}

/// The id of a row within those of its submenus, as `chosen` has it.
pub(super) fn path(above: &str, id: &str) -> String {
    let id = id.replace('>', ">>");
    if above.is_empty() { id } else { [above, ">", &id].concat() }
}

/// What stands before the first single `>`, and what stands behind it.
fn split(spec: &str) -> (&str, &str) {
    let mut from = 0_usize;
    while let Some(at) = spec.get(from..).and_then(|rest| rest.find('>')) {
        let at = from.saturating_add(at);
        let behind = at.saturating_add(1);
        let rest = spec.get(behind..).unwrap_or_default();
        if !rest.starts_with('>') {
            return (spec.get(..at).unwrap_or_default(), rest);
        }
        from = behind.saturating_add(1);
    }
    (spec, "")
}

/// A number counts before an id and an id before a title; but what only begins with
/// digits is an id or a title first, as with GRUB of Fedora and RHEL: those of the Boot
/// Loader Specification do.
fn find<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    let number = number(name);
    if let Some((row, "")) = number {
        return rows.get(row);
    }
    let name: Cow<'_, str> =
        if name.contains(">>") { name.replace(">>", ">").into() } else { name.into() };
    let by_id = rows.iter().find(|row| row.id == name);
    let by_title = || rows.iter().find(|row| row.title == name);
    by_id.or_else(by_title).or_else(|| rows.get(number?.0))
}

/// The number that a text begins with, and what is behind it and blanks: decimal, `0x`
/// hexadecimal, or octal after a `0`.
fn number(text: &str) -> Option<(usize, &str)> {
    let text = text.trim_start();
    let (radix, digits) = match text.strip_prefix("0x") {
        Some(digits) => (16, digits),
        None if text.starts_with('0') => (8, text),
        None => (10, text),
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let number = usize::from_str_radix(digits.get(..end)?, radix).ok()?;
    Some((number, digits.get(end..)?.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, title: &str) -> Row {
        let entry = Some(format!("e-{id}"));
        Row { id: id.to_owned(), title: title.to_owned(), entry, ..Row::default() }
    }

    fn submenu(id: &str, title: &str, default: &str, rows: Vec<Row>) -> Row {
        let (id, title, default) = (id.to_owned(), title.to_owned(), default.to_owned());
        Row { id, title, entry: None, default, rows }
    }

    /// As grub-mkconfig makes it of two kernels, with more behind.
    fn rows() -> Vec<Row> {
        let advanced =
            vec![row("new", "with 6.12"), row("new-rescue", "(recovery)"), row("old", "O")];
        let deeper = submenu("deeper", "Deeper", "", vec![row("d0", "D0"), row("d1", "D1")]);
        vec![
            row("simple", "Debian"),
            submenu("advanced", "Advanced options", "", advanced),
            row("6c0-4.15", "Fedora"),
            submenu("2nd", "A > B", "1", vec![row("x", "X"), row("y", "Y"), deeper]),
            submenu("empty", "Empty", "", Vec::new()),
        ]
    }

    #[test]
    fn a_default_is_an_id_a_title_or_a_number_in_each_of_its_parts() {
        let exact = [
            ("0", "e-simple"),
            ("simple", "e-simple"),
            ("Debian", "e-simple"),
            ("2", "e-6c0-4.15"),
            ("6c0-4.15", "e-6c0-4.15"),
            ("0x2", "e-6c0-4.15"),
            ("02 ", "e-6c0-4.15"),
            ("2 or so", "e-6c0-4.15"),
            ("1>2", "e-old"),
            ("advanced>old", "e-old"),
            ("Advanced options>(recovery)", "e-new-rescue"),
            ("1>old", "e-old"),
            ("advanced>1", "e-new-rescue"),
            ("2nd>deeper>1", "e-y"),
            ("A >> B", "e-y"),
            ("", "e-simple"),
            ("advanced", "e-new"),
            ("1>", "e-new"),
        ];
        for (default, expected) in exact {
            let rows = rows();
            let expected = Chosen { entry: Some(expected), is_exact: true };
            assert_eq!(chosen(&rows, default), expected, "{default}");
        }
    }

    #[test]
    fn what_names_nothing_means_the_first_and_is_told() {
        for (default, expected) in [
            ("nonsense", Some("e-simple")),
            ("5", Some("e-simple")),
            ("-1", Some("e-simple")),
            ("1>9", Some("e-new")),
            ("simple>1", Some("e-simple")),
            ("9 lives", Some("e-simple")),
            ("99999999999999999999", Some("e-simple")),
            ("A > B", Some("e-simple")),
        ] {
            let rows = rows();
            let expected = Chosen { entry: expected, is_exact: false };
            assert_eq!(chosen(&rows, default), expected, "{default}");
        }
        assert_eq!(chosen(&rows(), "empty"), Chosen { entry: None, is_exact: true });
        assert_eq!(chosen(&[], "0"), Chosen { entry: None, is_exact: false });
    }

    #[test]
    fn fallback_is_a_list_of_numbers_or_one_name() {
        for (text, expected) in [
            ("", vec![]),
            ("2", vec!["e-6c0-4.15"]),
            ("1>2  0 9 x 2", vec!["e-old", "e-simple", "e-6c0-4.15"]),
            ("Advanced options>(recovery)", vec!["e-new-rescue"]),
            ("nonsense", vec![]),
        ] {
            assert_eq!(fallback(&rows(), text), expected, "{text}");
        }
        let many = ["9 ".repeat(64), "0".to_owned()].concat();
        assert_eq!(fallback(&rows(), &many), [""; 0], "no more words are looked at");
    }

    #[test]
    fn the_path_of_a_row_means_that_row() {
        let rows = rows();
        let above = path("", "2nd");
        assert_eq!(path(&above, "x"), "2nd>x");
        assert_eq!(path("", "a>b"), "a>>b");
        assert_eq!(split("a>>b>c"), ("a>>b", "c"));
        assert_eq!(split("a>>>b"), ("a>>", "b"));
        assert_eq!(chosen(&rows, "2nd>x").entry, Some("e-y"), "the submenu's own default counts");
    }
}
