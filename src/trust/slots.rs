//! What the loader may fill into a signed command line: at most four words,
//! declared in the manifest, each of a strict grammar.
//!
//! Nothing that was not declared is replaced, and nothing that is filled in can
//! end a word of the command line, start another, or quote. Specification:
//! `docs/manifest.md`, Slots.

use core::fmt;

use crate::base::text::quoted;
use crate::slots;

/// A place in the command line that is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    /// The entry's id.
    Entry,
    /// How often the entry's slot may still be tried.
    Tries,
    /// What the menu entry, or the image, calls its set of partitions.
    Name,
    /// What started it: [`BY_MENU`], or the token of a jump from a running system.
    Boot,
}

/// What stands for [`Slot::Boot`] where a menu, reached by the firmware, starts it.
pub const BY_MENU: &str = "menu";
/// Longest token of a jump: `kexec-` and 32 digits.
const LONGEST_TOKEN: usize = 38;

/// What the menu says; the entry's id is the manifest's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotValues {
    /// Tries left of the entry's slot, or of its boot counter.
    pub tries: Option<u32>,
    /// The menu entry's key `turnout-slot`, or the name of the slot that it is of.
    pub name: Option<String>,
    /// The token of a jump from a running system; none for a start from a menu.
    pub token: Option<String>,
}

/// A slot that cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The slot.
    pub slot: Slot,
    /// The value it was to have; `None` if there is none.
    pub value: Option<String>,
}

impl Slot {
    /// Every slot, in the order of a manifest's lines.
    pub const ALL: [Self; 4] = [Self::Entry, Self::Tries, Self::Name, Self::Boot];

    /// The slot of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|slot| slot.name() == name)
    }

    /// The word in a `slot` line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Tries => "tries",
            Self::Name => "name",
            Self::Boot => "boot",
        }
    }

    /// What stands for it in the command line.
    #[must_use]
    pub const fn placeholder(self) -> &'static str {
        match self {
            Self::Entry => "${entry}",
            Self::Tries => "${tries}",
            Self::Name => "${name}",
            Self::Boot => "${boot}",
        }
    }

    /// Whether `value` may be filled in.
    #[must_use]
    pub fn accepts(self, value: &str) -> bool {
        let takes = |most: usize, takes: fn(u8) -> bool| {
            (1..=most).contains(&value.len()) && value.bytes().all(takes)
        };
        match self {
            Self::Entry => takes(64, |byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-')
            }),
            Self::Tries => takes(2, |byte| byte.is_ascii_digit()),
            Self::Name => slots::is_name(value),
            Self::Boot => {
                takes(LONGEST_TOKEN, |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            }
        }
    }
}

/// Whether each declared slot stands in `options` exactly once; the first that
/// does not, and how often it does.
pub(super) fn check(slots: &[Slot], options: &str) -> Result<(), (Slot, usize)> {
    for slot in slots {
        let found = options.matches(slot.placeholder()).count();
        if found != 1 {
            return Err((*slot, found));
        }
    }
    Ok(())
}

/// The command line with every declared slot filled in.
///
/// # Errors
/// The first slot without a value of its grammar.
pub(super) fn fill(
    slots: &[Slot],
    options: &str,
    entry: &str,
    values: &SlotValues,
) -> Result<String, Error> {
    let mut filled = options.to_owned();
    for slot in slots {
        let value = match slot {
            Slot::Entry => Some(entry.to_owned()),
            Slot::Tries => values.tries.map(|tries| tries.to_string()),
            Slot::Name => values.name.clone(),
            Slot::Boot => Some(values.token.as_deref().unwrap_or(BY_MENU).to_owned()),
        };
        match value {
            // No value can hold a placeholder, so the order does not matter.
            Some(value) if slot.accepts(&value) => {
                filled = filled.replacen(slot.placeholder(), &value, 1);
            }
            value => return Err(Error { slot: *slot, value }),
        }
    }
    Ok(filled)
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slot = self.slot.placeholder();
        match (&self.value, self.slot) {
            (Some(value), _) => {
                let value = quoted(value);
                write!(f, "{value} cannot be filled in for {slot} in the signed command line")
            }
            (None, Slot::Entry | Slot::Boot) => write!(f, "the entry has no id for {slot}"),
            (None, Slot::Tries) => write!(
                f,
                "the signed command line wants {slot}, and the name of the entry's file has no \
                 boot counter, nor is its slot counted"
            ),
            (None, Slot::Name) => write!(
                f,
                "the signed command line wants {slot}, and the menu entry has no \"turnout-slot\", \
                 nor does it lie on the device of a slot"
            ),
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tries: u32, name: &str) -> SlotValues {
        SlotValues { tries: Some(tries), name: Some(name.to_owned()), token: None }
    }

    #[test]
    fn declared_slots_are_filled_and_everything_else_is_text() {
        let options = "id=${entry} t=${tries},root=LABEL=root-${name} b=${boot} ${other} $entry ${";
        let filled = fill(&Slot::ALL, options, "a-1", &values(3, "b")).unwrap();
        assert_eq!(filled, "id=a-1 t=3,root=LABEL=root-b b=menu ${other} $entry ${");
        let some = fill(&[Slot::Tries], options, "a-1", &values(3, "b")).unwrap();
        assert_eq!(some, "id=${entry} t=3,root=LABEL=root-${name} b=${boot} ${other} $entry ${");
    }

    #[test]
    fn a_jump_puts_its_token_where_a_menu_says_that_it_was_one() {
        let token = format!("kexec-{}", "0f".repeat(16));
        let filled = |token: Option<&str>| {
            let jump = SlotValues { token: token.map(str::to_owned), ..SlotValues::default() };
            fill(&[Slot::Boot], "turnout.boot=${boot} ro", "e", &jump)
        };
        assert_eq!(filled(Some(&token)).unwrap(), format!("turnout.boot={token} ro"));
        assert_eq!(filled(None).unwrap(), "turnout.boot=menu ro");
        for wrong in ["", "kexec a", "A", "a=b", "${boot}", &format!("{token}0")] {
            let said = filled(Some(wrong)).unwrap_err().to_string();
            assert!(said.contains(" cannot be filled in for ${boot} in the signed"), "{said}");
        }
    }

    #[test]
    fn a_declared_slot_stands_exactly_once() {
        assert_eq!(check(&Slot::ALL, "${boot}${name}${tries}${entry}"), Ok(()));
        assert_eq!(check(&[], "${name}${name}"), Ok(()));
        assert_eq!(check(&Slot::ALL, "${entry} ${tries}"), Err((Slot::Name, 0)));
        let twice = "${entry} ${tries} ${name} ${tries}";
        assert_eq!(check(&Slot::ALL, twice), Err((Slot::Tries, 2)));
    }

    #[test]
    fn a_value_out_of_its_grammar_or_missing_is_refused() {
        let long = "x".repeat(65);
        for entry in ["", "a b", "a\nb", "a\"", "a=b", "ä", "a/b", "${name}", &long] {
            assert!(!Slot::Entry.accepts(entry), "{entry:?}");
        }
        for name in ["A", "system0", "rootfs.0", "a-b_c", &"x".repeat(32)] {
            assert!(Slot::Name.accepts(name), "{name:?}");
        }
        for name in ["", ".", "..", "-a", "_a", "a b", "a/b", "a,b", "ä", &"x".repeat(33)] {
            let error = fill(&[Slot::Name], "${name}", "e", &values(0, name)).unwrap_err();
            assert_eq!(error, Error { slot: Slot::Name, value: Some(name.to_owned()) });
        }
        let error = fill(&[Slot::Tries], "${tries}", "e", &values(100, "a")).unwrap_err();
        assert!(error.to_string().contains("\"100\" cannot be filled in for ${tries}"), "{error}");
        let error = fill(&[Slot::Tries], "${tries}", "e", &SlotValues::default()).unwrap_err();
        assert!(error.to_string().contains("no boot counter"), "{error}");
        let error = fill(&[Slot::Name], "${name}", "e", &SlotValues::default()).unwrap_err();
        assert!(error.to_string().contains("\"turnout-slot\""), "{error}");
    }
}
