//! Variables in boot entries, as GRUB's `blscfg` of Fedora and RHEL replaces
//! them from the environment block (`grubenv`).
//!
//! Values are put in once and as they stand: no shell, no second round. A name
//! that nobody has a value for stays, and keeps the entry from booting; only
//! those that their distributions leave undefined where they have nothing to say
//! become nothing. The slots of a signed command line (docs/manifest.md) are not
//! variables of this kind and stay.

use std::borrow::Cow;

use crate::menu::entry::SLOTS;
use crate::menu::settings::{Wanted, What};
use crate::menu::{Files, Found, MAX_FILE_SIZE, Menu, Read};

/// Where the environment block is, below the root of a volume, the best first.
const PLACES: [&str; 4] =
    ["/grub2/grubenv", "/grub/grubenv", "/boot/grub2/grubenv", "/boot/grub/grubenv"];
/// What each directory in here may hold too.
const EFI: &str = "/EFI";
/// What is nothing where nobody has set it: RHEL's tuned, and GRUB's microcode.
const OPTIONAL: [&str; 3] = ["tuned_params", "tuned_initrd", "early_initrd"];

/// Names and their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    /// The file that they are from.
    file: String,
    values: Vec<(String, String)>,
}

impl Variables {
    /// Those of an environment block (GRUB manual, "Environment block"): one
    /// `name=value` a line, in which `\` makes the next character plain; filled
    /// up with `#`. What is no such line is passed over.
    #[must_use]
    pub fn parse(file: &str, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut values = Vec::new();
        let mut rest: &str = &text;
        while !rest.is_empty() {
            let (line, after) = logical_line(rest);
            rest = after;
            if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
                values.push((name.to_owned(), value.to_owned()));
            }
        }
        Self { file: file.to_owned(), values }
    }

    /// All of them, as they stand in the file.
    #[must_use]
    pub fn all(&self) -> &[(String, String)] {
        &self.values
    }

    /// The value of a name, the last one that is given.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.values.iter().rev().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The entry that GRUB would take, where entries are its menu.
    pub(crate) fn saved_entry(&self) -> Option<Wanted> {
        let saved = self.get("saved_entry").filter(|name| !name.is_empty())?;
        Some(Wanted { what: What::Named(saved.to_owned()), file: self.file.clone(), line: None })
    }

    /// The text with the value of every variable that has one in its place, and
    /// without blanks around it.
    pub(crate) fn expand<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut out = String::new();
        let mut end = 0_usize;
        for (at, variable) in variables(text) {
            let name = variable.trim_start_matches(['$', '{']).trim_end_matches('}');
            let optional = OPTIONAL.contains(&name).then_some("");
            let Some(value) = self.get(name).or(optional).filter(|_| !SLOTS.contains(&variable))
            else {
                continue;
            };
            out.push_str(text.get(end..at).unwrap_or_default());
            out.push_str(value);
            end = at.saturating_add(variable.len());
        }
        if end == 0 {
            return Cow::Borrowed(text);
        }
        out.push_str(text.get(end..).unwrap_or_default());
        Cow::Owned(out.trim().to_owned())
    }
}

/// The environment block of a volume whose system has its root at `root`, and
/// what came of looking for it.
pub(crate) fn read(files: &dyn Files, root: &str, menu: &mut Menu) -> Variables {
    let in_efi = files.names(&format!("{root}{EFI}")).unwrap_or_default();
    let in_efi = in_efi.into_iter().map(|name| format!("{EFI}/{name}/grubenv"));
    let places = PLACES.into_iter().map(str::to_owned).chain(in_efi);
    for path in places.map(|place| format!("{root}{place}")) {
        let found = match files.read(&path, MAX_FILE_SIZE) {
            Ok(None) => continue,
            Ok(Some(bytes)) => {
                menu.read.push(Read { path: path.clone(), found: Found::Settings });
                return Variables::parse(&path, &bytes);
            }
            Err(why) => menu.unreadable(&path, why),
        };
        menu.read.push(Read { path, found });
    }
    Variables::default()
}

/// Everything up to a line end that no `\` precedes, without the `\`s, and what
/// is after it.
fn logical_line(text: &str) -> (String, &str) {
    let mut line = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\n' => return (line, text.get(at.saturating_add(1)..).unwrap_or_default()),
            '\\' => line.extend(chars.next().map(|(_, c)| c)),
            '\r' => {}
            c => line.push(c),
        }
    }
    (line, "")
}

/// Every `$name` and `${name}` in a text, and where it is. `memmap=64M$0x1000000`
/// holds none, because a name does not start with a digit.
pub(crate) fn variables(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('$').filter_map(|(start, _)| {
        let rest = text.get(start..)?;
        let mut chars = rest.chars().skip(1);
        let first = chars.next().filter(|c| *c == '{' || *c == '_' || c.is_ascii_alphabetic())?;
        let end = if first == '{' {
            rest.find('}').map_or(rest.len(), |brace| brace.saturating_add(1))
        } else {
            rest.match_indices(|c: char| !is_name(c))
                .map(|(at, _)| at)
                .find(|at| *at > 0)
                .unwrap_or(rest.len())
        };
        Some((start, rest.get(..end)?))
    })
}

const fn is_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::menu::Memory;

    const BLOCK: &str = "# GRUB Environment Block\nsaved_entry=a-1\n\
                         kernelopts=root=/dev/x ro \\\\ \\\nquiet\nempty=\n###########";

    #[test]
    fn an_environment_block_gives_names_and_values() {
        let variables = Variables::parse("/grubenv", BLOCK.as_bytes());
        assert_eq!(variables.get("saved_entry"), Some("a-1"));
        assert_eq!(variables.get("kernelopts"), Some("root=/dev/x ro \\ \nquiet"));
        assert_eq!((variables.get("empty"), variables.get("# GRUB")), (Some(""), None));
    }

    #[test]
    fn values_are_put_in_once_and_blanks_around_them_are_dropped() {
        let block = b"a=1 2\nb=$a\nname=x\ntuned_initrd=/t.img";
        let variables = Variables::parse("/grubenv", block);
        let cases = [
            ("$a", "1 2"),
            ("x ${a}y $tuned_params", "x 1 2y"),
            ("$b", "$a"),
            ("/i $tuned_initrd", "/i /t.img"),
            ("$early_initrd /i", "/i"),
            ("n=${name} $name", "n=${name} x"),
            ("$kernelopts $a", "$kernelopts 1 2"),
            ("  as it stands ", "  as it stands "),
            ("64M$0x1 ${a", "64M$0x1 1 2"),
        ];
        for (text, expected) in cases {
            assert_eq!(variables.expand(text), expected, "{text}");
        }
    }

    #[test]
    fn the_block_is_looked_for_where_distributions_have_it() {
        let places = [
            "/grub2/grubenv",
            "/grub/grubenv",
            "/boot/grub2/grubenv",
            "/boot/grub/grubenv",
            "/EFI/fedora/grubenv",
        ];
        for place in places {
            for root in ["", "/@"] {
                let files: Memory = [(format!("{root}{place}"), "a=1")].into_iter().collect();
                let mut menu = Menu::default();
                assert_eq!(read(&files, root, &mut menu).get("a"), Some("1"), "{place}");
                let found = Found::Settings;
                assert_eq!(menu.read, [Read { path: format!("{root}{place}"), found }]);
            }
        }
    }
}
