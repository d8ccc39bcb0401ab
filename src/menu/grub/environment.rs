//! Variables in boot entries, as GRUB's `blscfg` of Fedora and RHEL replaces
//! them from the environment block (`grubenv`).
//!
//! Values are put in once and as they stand: no shell, no second round. A name
//! that nobody has a value for stays, and keeps the entry from booting; only
//! those that their distributions leave undefined where they have nothing to say
//! become nothing. The slots of a signed command line (docs/manifest.md) are not
//! variables of this kind and stay.

use std::borrow::Cow;

use crate::menu::diagnostic::{Code, Diagnostic};
use crate::menu::entry::SLOTS;
use crate::menu::metered::{Metered, Sieve};
use crate::menu::settings::{Wanted, What};
use crate::menu::{Found, MAX_ENTRIES, MAX_FILE_SIZE, Menu, Read};

/// Where the environment block is, below the root of a volume, the best first.
const PLACES: [&str; 4] =
    ["/grub2/grubenv", "/grub/grubenv", "/boot/grub2/grubenv", "/boot/grub/grubenv"];
/// What each directory in here may hold too.
const EFI: &str = "/EFI";
/// Most variables that are kept: GRUB's own block has room for fewer.
const MAX_VARIABLES: usize = 1024;
/// Longest name of a variable, in bytes.
const MAX_NAME: usize = 256;
/// What is nothing where nobody has set it: RHEL's tuned, and GRUB's microcode.
const OPTIONAL: [&str; 3] = ["tuned_params", "tuned_initrd", "early_initrd"];

/// Names and their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    /// The file that they are from.
    file: String,
    /// Sorted by name; each once.
    values: Vec<(String, String)>,
    /// How many names more the file has.
    left_out: usize,
}

/// Why a text has no form with its variables replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unexpanded {
    /// It would have more than so many bytes.
    TooLong(usize),
    /// The budget of the device has come to its end.
    Ended,
}

impl Variables {
    /// Those of an environment block (GRUB manual, "Environment block"): one
    /// `name=value` a line, in which `\` makes the next character plain; filled
    /// up with `#`. What is no such line is passed over.
    #[must_use]
    pub fn parse(file: &str, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut variables = Self { file: file.to_owned(), ..Self::default() };
        let mut rest: &str = &text;
        while !rest.is_empty() {
            let (line, after) = logical_line(rest);
            rest = after;
            if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
                variables.set(name, value);
            }
        }
        variables
    }

    /// The last value that a name is given counts.
    fn set(&mut self, name: &str, value: &str) {
        let is_full = self.values.len() >= MAX_VARIABLES || name.len() > MAX_NAME;
        match self.place(name) {
            Ok(at) => {
                if let Some((_, known)) = self.values.get_mut(at) {
                    value.clone_into(known);
                }
            }
            Err(_) if is_full => self.left_out = self.left_out.saturating_add(1),
            Err(at) => self.values.insert(at, (name.to_owned(), value.to_owned())),
        }
    }

    /// Where a name is, or would be.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.values.binary_search_by(|(known, _)| known.as_str().cmp(name))
    }

    /// All that are kept, by name.
    #[must_use]
    pub fn all(&self) -> &[(String, String)] {
        &self.values
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.values.get(self.place(name).ok()?)?;
        Some(value)
    }

    /// That there are more than are kept.
    fn complaint(&self) -> Option<Diagnostic> {
        let left_out = self.left_out;
        let detail = format!(
            "{MAX_VARIABLES} variables with names of at most {MAX_NAME} bytes are kept; \
             {left_out} more are left out"
        );
        (left_out > 0).then(|| Diagnostic::new(&self.file, None, Code::ValueSize, detail))
    }

    /// The entry that GRUB would take, where entries are its menu.
    pub(crate) fn saved_entry(&self) -> Option<Wanted> {
        let saved = self.get("saved_entry").filter(|name| !name.is_empty())?;
        Some(Wanted { what: What::Named(saved.to_owned()), file: self.file.clone(), line: None })
    }

    /// The text with the value of every variable that has one in its place, and
    /// without blanks around it; at most `limit` bytes.
    ///
    /// # Errors
    /// It would be longer, or the budget has ended.
    pub(crate) fn expand<'a>(
        &self,
        text: &'a str,
        limit: usize,
        budget: &Metered<'_>,
    ) -> Result<Cow<'a, str>, Unexpanded> {
        let mut out = String::new();
        let mut end = 0_usize;
        for (at, variable) in variables(text) {
            let Some(value) = self.value(variable) else { continue };
            let before = text.get(end..at).unwrap_or_default();
            let sum = out.len().saturating_add(before.len()).saturating_add(value.len());
            if sum > limit {
                return Err(Unexpanded::TooLong(limit));
            }
            // Nothing is put in for nothing.
            if !budget.expand(value.len().saturating_add(variable.len())) {
                return Err(Unexpanded::Ended);
            }
            out.push_str(before);
            out.push_str(value);
            end = at.saturating_add(variable.len());
        }
        if end == 0 {
            return Ok(Cow::Borrowed(text));
        }
        out.push_str(text.get(end..).unwrap_or_default());
        let out = out.trim().to_owned();
        if out.len() > limit { Err(Unexpanded::TooLong(limit)) } else { Ok(Cow::Owned(out)) }
    }

    /// What a variable of a text stands for.
    fn value(&self, variable: &str) -> Option<&str> {
        let name = variable.trim_start_matches(['$', '{']).trim_end_matches('}');
        let optional = OPTIONAL.contains(&name).then_some("");
        self.get(name).or(optional).filter(|_| !SLOTS.contains(&variable))
    }
}

/// The environment block of a volume whose system has its root at `root`, and
/// what came of looking for it.
pub(crate) fn read(files: &Metered<'_>, root: &str, menu: &mut Menu) -> Variables {
    let sieve = Sieve { wanted: |_| true, most: MAX_ENTRIES };
    let directory = format!("{root}{EFI}");
    let in_efi = files.names(&directory, sieve).unwrap_or_default();
    menu.say_left_out(&directory, in_efi.left_out);
    let in_efi = in_efi.names.into_iter().map(|name| format!("{EFI}/{name}/grubenv"));
    let places = PLACES.into_iter().map(str::to_owned).chain(in_efi);
    for path in places.map(|place| format!("{root}{place}")) {
        let found = match files.read(&path, MAX_FILE_SIZE) {
            Ok(None) => continue,
            Ok(Some(bytes)) => {
                menu.read.push(Read { path: path.clone(), found: Found::Settings });
                let variables = Variables::parse(&path, &bytes);
                menu.diagnostics.extend(variables.complaint());
                return variables;
            }
            Err(why) => menu.unreadable(files, &path, why),
        };
        menu.read.push(Read { path, found });
        if files.ended().is_some() {
            break;
        }
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
/// holds none, because a name does not start with a digit. Of one that is too
/// long for any that is known the beginning stands for all of it.
pub(crate) fn variables(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices('$').filter_map(|(start, _)| {
        let rest = text.get(start..)?;
        let rest = rest.get(..rest.floor_char_boundary(MAX_NAME.saturating_add(4)))?;
        let mut chars = rest.chars().skip(1);
        let first = chars.next().filter(|c| *c == '{' || *c == '_' || c.is_ascii_alphabetic())?;
        let end = if first == '{' {
            end_in_braces(rest)
        } else {
            rest.match_indices(|c: char| !is_name(c))
                .map(|(at, _)| at)
                .find(|at| *at > 0)
                .unwrap_or(rest.len())
        };
        Some((start, rest.get(..end)?))
    })
}

/// Where a `${name}` ends: behind its brace; before the next one where it has none.
fn end_in_braces(text: &str) -> usize {
    let mut ends = text.match_indices(['}', '$']).filter(|(at, _)| *at > 0);
    ends.next().map_or(text.len(), |(at, end)| if end == "}" { at.saturating_add(1) } else { at })
}

const fn is_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::menu::{Budget, Memory};

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
            let files = Memory::default();
            let budget = Budget::default();
            let found = variables.expand(text, 64, &Metered::menus(&files, &budget));
            assert_eq!(found.as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_text_that_its_variables_make_too_long_is_refused_before_it_is_made() {
        let value = "v".repeat(60_000);
        let variables = Variables::parse("/grubenv", format!("a={value}\nb=\n").as_bytes());
        let files = Memory::default();
        let budget = Budget::default();
        let budget = Metered::menus(&files, &budget);
        let long = "$a".repeat(30_000);
        assert_eq!(variables.expand(&long, 4096, &budget), Err(Unexpanded::TooLong(4096)));
        assert_eq!(variables.expand("$a", 60_000, &budget).as_deref(), Ok(value.as_str()));
        let behind = format!("${{b}}{}", "x".repeat(99));
        assert_eq!(variables.expand(&behind, 98, &budget), Err(Unexpanded::TooLong(98)));
        assert_eq!(variables.expand(&behind, 99, &budget).map(|text| text.len()), Ok(99));
        // What comes to nothing costs something too.
        let nothing = "$b".repeat(30_000);
        let ended = (0..1000).find(|_| variables.expand(&nothing, 4096, &budget).is_err());
        assert!(ended.is_some_and(|times| times > 9), "{ended:?}");
        assert_eq!(variables.expand("$b", 4096, &budget), Err(Unexpanded::Ended));
    }

    #[test]
    fn of_too_many_variables_the_first_are_kept_and_the_others_are_said() {
        let block: String = (0..1500).map(|n| format!("v{n}=x\n")).collect();
        let again = format!("{block}v0=last\n{}=x\n", "n".repeat(257));
        let files: Memory = [("/grub2/grubenv", again)].into_iter().collect();
        let mut menu = Menu::default();
        let budget = Budget::default();
        let found = read(&Metered::menus(&files, &budget), "", &mut menu);
        assert_eq!(
            (found.get("v0"), found.get("v1023"), found.all().len()),
            (Some("last"), Some("x"), 1024)
        );
        assert_eq!(found.get("v1024"), None);
        let said = "/grub2/grubenv: VALUE_SIZE: 1024 variables with names of at most 256 bytes are \
                    kept; 477 more are left out";
        assert_eq!(menu.diagnostics[0].to_string(), said);
    }

    #[test]
    fn a_brace_that_is_never_closed_is_looked_for_nearby_only() {
        let text = "${".repeat(30_000);
        assert!(variables(&text).all(|(_, name)| name == "${"));
        let text = format!("${{{}", "a".repeat(60_000));
        assert_eq!(variables(&text).map(|(_, name)| name.len()).max(), Some(MAX_NAME + 4));
        let found: Vec<_> = variables("${a ${b}$c}").collect();
        assert_eq!(found, [(0, "${a "), (4, "${b}"), (8, "$c")]);
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
                let budget = Budget::default();
                let files = Metered::menus(&files, &budget);
                assert_eq!(read(&files, root, &mut menu).get("a"), Some("1"), "{place}");
                let found = Found::Settings;
                assert_eq!(menu.read, [Read { path: format!("{root}{place}"), found }]);
            }
        }
    }
}
