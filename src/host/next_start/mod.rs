//! What the firmware starts next if a jump fails: the kernel that runs now.
//!
//! Which entry of the menu that is, who on this machine can be told so, and how what was
//! told is written down, so that the next system takes it back. Values in, values out:
//! nothing is read or written here. Specification: docs/fast-reboot.md.

pub mod block;
pub mod running;

use core::fmt;

use crate::base::text::quoted;
use crate::menu::Format;

/// Whoever is told, and by which name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeper {
    /// `next_entry` of this environment block of GRUB.
    Grub(String),
    /// The firmware's `LoaderEntryOneShot`.
    OneShot,
    /// The firmware's `LoaderEntryDefault`, until it is taken back: the running kernel
    /// itself writes the one-shot entry when it is left.
    Default,
    /// The choice for one start in the state area on this device.
    Area(String),
}

/// What a machine has that can be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Here {
    /// Path of GRUB's environment block, where GRUB's script looks at `next_entry`.
    pub grub: Option<String>,
    /// Whether what boots it reads `LoaderEntryOneShot` and `LoaderEntryDefault`.
    pub loader: bool,
    /// Whether the running kernel writes `LoaderEntryOneShot` itself when it is left
    /// (CONFIG_EFI_BOOTLOADER_CONTROL).
    pub kernel_writes_one_shot: bool,
    /// The device of a sound state area.
    pub area: Option<String>,
}

impl Here {
    /// Who is to be told: Turnout's own area before what loaders share, and those before
    /// GRUB. None where there is nobody.
    #[must_use]
    pub fn keeper(&self) -> Option<Keeper> {
        if let Some(device) = &self.area {
            return Some(Keeper::Area(device.clone()));
        }
        match (self.loader, self.kernel_writes_one_shot) {
            (true, false) => Some(Keeper::OneShot),
            (true, true) => Some(Keeper::Default),
            (false, _) => self.grub.clone().map(Keeper::Grub),
        }
    }
}

/// What whoever is told can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Startable {
    /// Whatever Turnout finds.
    All,
    /// Entries of the Boot Loader Specification.
    Specified,
    /// Those of GRUB's script.
    OfScript,
    /// Both: the script has them read (`blscfg`).
    OfScriptAndSpecified,
}

impl Startable {
    /// Of a script of GRUB.
    #[must_use]
    pub fn by_script(script: &str) -> Self {
        let mut words = script.split_ascii_whitespace();
        let reads = words.any(|word| ["blscfg", "blsuki"].contains(&word));
        if reads { Self::OfScriptAndSpecified } else { Self::OfScript }
    }

    /// Whether an entry of this format is among them.
    #[must_use]
    pub fn has(self, format: Format) -> bool {
        match self {
            Self::All => true,
            Self::Specified => format.is_specified(),
            Self::OfScript => format.name() == GRUB,
            Self::OfScriptAndSpecified => format.name() == GRUB || format.is_specified(),
        }
    }
}

impl Keeper {
    /// The place, without a blank.
    fn place(&self) -> &str {
        match self {
            Self::Grub(place) | Self::Area(place) => place,
            Self::OneShot | Self::Default => FIRMWARE,
        }
    }

    /// What is set there.
    const fn key(&self) -> &'static str {
        match self {
            Self::Grub(_) => NEXT_ENTRY,
            Self::OneShot => "LoaderEntryOneShot",
            Self::Default => "LoaderEntryDefault",
            Self::Area(_) => AREA,
        }
    }

    fn named(place: String, key: &str) -> Option<Self> {
        [Self::Grub(place.clone()), Self::OneShot, Self::Default, Self::Area(place)]
            .into_iter()
            .find(|keeper| keeper.key() == key)
    }
}

/// The variable of GRUB.
pub const NEXT_ENTRY: &str = "next_entry";
/// The format whose entries have GRUB's own names.
pub const GRUB: &str = "grub";
const FIRMWARE: &str = "firmware";
const AREA: &str = "one-shot";
const BEFORE: &str = "before";

/// What was told to whom, and what stood there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// To whom.
    pub keeper: Keeper,
    /// The entry, by the keeper's own name for it.
    pub id: String,
    /// What somebody else had told before.
    pub before: Option<String>,
}

impl Told {
    /// One line of three words, `PLACE KEY=ID before=ID`, in which `%` and two digits
    /// stand for what would end a word.
    #[must_use]
    pub fn to_line(&self) -> String {
        let place = escaped(self.keeper.place());
        let key = self.keeper.key();
        let before = self.before.as_deref().map(escaped).unwrap_or_default();
        format!("{place} {key}={} {BEFORE}={before}", escaped(&self.id))
    }

    /// What such a line says; none where it is none.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let place = plain(words.next()?)?;
        let (key, id) = words.next()?.split_once('=')?;
        let (before, old) = words.next()?.split_once('=')?;
        if before != BEFORE || words.next().is_some() {
            return None;
        }
        let keeper = Keeper::named(place, key)?;
        let before = Some(plain(old)?).filter(|old| !old.is_empty());
        Some(Self { keeper, id: plain(id)?, before })
    }

    /// What is to stand there again, by what stands there now: none of it where somebody
    /// else has told something since, or where it was used up.
    #[must_use]
    pub fn to_restore(&self, now: Option<&str>) -> Option<Option<&str>> {
        (now == Some(self.id.as_str())).then_some(self.before.as_deref())
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = quoted(&self.id);
        match &self.keeper {
            Keeper::Grub(path) => write!(f, "{id}, by {NEXT_ENTRY} in {path}"),
            Keeper::Area(device) => write!(f, "{id}, by the state area {device}"),
            keeper => write!(f, "{id}, by the firmware's {}", keeper.key()),
        }
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_graphic() && c != '%' {
            out.push(c);
        } else {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes)
                .bytes()
                .for_each(|byte| out.push_str(&format!("%{byte:02x}")));
        }
    }
    out
}

fn plain(word: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => bytes.push(from_hex([rest.next()?, rest.next()?])?),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

fn from_hex(digits: [u8; 2]) -> Option<u8> {
    let digits = core::str::from_utf8(&digits).ok()?;
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(keeper: Keeper, id: &str, before: Option<&str>) -> Told {
        Told { keeper, id: id.to_owned(), before: before.map(str::to_owned) }
    }

    #[test]
    fn what_was_told_is_one_line_and_comes_back() {
        let block = || "/boot/grub/grubenv".to_owned();
        for (told, line) in [
            (
                told(Keeper::Grub(block()), "Advanced options>Debian, 100%\n", Some("memtest")),
                "/boot/grub/grubenv next_entry=Advanced%20options>Debian,%20100%25%0a \
                 before=memtest",
            ),
            (told(Keeper::OneShot, "ä", None), "firmware LoaderEntryOneShot=%c3%a4 before="),
            (
                told(Keeper::Default, "a=b", Some("@saved")),
                "firmware LoaderEntryDefault=a=b before=@saved",
            ),
            (told(Keeper::Area("/dev/sda3".to_owned()), "A", None), "/dev/sda3 one-shot=A before="),
        ] {
            assert_eq!(told.to_line(), line);
            assert_eq!(Told::parse(line), Some(told));
        }
    }

    #[test]
    fn any_other_line_was_told_to_nobody() {
        for line in [
            "",
            "the old kernel",
            "/b next_entry=a",
            "/b next_entry=a after=",
            "/b next_entry=a before= x",
            "/b saved_entry=a before=",
            "/b next_entry=%f before=",
            "/b next_entry=%+f before=",
            "/b next_entry=%ff before=",
        ] {
            assert_eq!(Told::parse(line), None, "{line}");
        }
    }

    #[test]
    fn only_what_is_still_there_is_taken_back() {
        let told = told(Keeper::OneShot, "old", Some("memtest"));
        assert_eq!(told.to_restore(Some("old")), Some(Some("memtest")));
        assert_eq!(told.to_restore(Some("another")), None, "somebody else's");
        assert_eq!(told.to_restore(None), None, "used up");
    }

    #[test]
    fn turnouts_own_area_comes_before_what_loaders_share_and_that_before_grub() {
        let mut here = Here { grub: Some("/g".to_owned()), ..Here::default() };
        assert_eq!(here.keeper(), Some(Keeper::Grub("/g".to_owned())));
        here.loader = true;
        assert_eq!(here.keeper(), Some(Keeper::OneShot));
        here.kernel_writes_one_shot = true;
        assert_eq!(here.keeper(), Some(Keeper::Default));
        here.area = Some("/dev/sda3".to_owned());
        assert_eq!(here.keeper(), Some(Keeper::Area("/dev/sda3".to_owned())));
        assert_eq!(Here::default().keeper(), None);
    }

    #[test]
    fn whoever_is_told_can_start_only_what_it_reads() {
        let formats = ["grub", "bls", "uki", "extlinux"].map(|name| Format::named(name).unwrap());
        let has = |startable: Startable| formats.map(|format| startable.has(format));
        let debian =
            Startable::by_script("set default=0\n# no blscfg-like command\nmenuentry x {}");
        assert_eq!(has(debian), [true, false, false, false]);
        let fedora = Startable::by_script("insmod blscfg\nblscfg\n");
        assert_eq!(has(fedora), [true, true, true, false]);
        assert_eq!(has(Startable::Specified), [false, true, true, false]);
        assert_eq!(has(Startable::All), [true; 4]);
    }
}
