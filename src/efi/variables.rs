//! The Boot Loader Interface: EFI variables by which a system and what boots it
//! tell each other what there is to boot, what has been booted, and what is to
//! be booted next.
//!
//! Bytes in, values out; whoever can write the firmware's variables writes these
//! too, so every value is bounded and none is shown as it is. Follows
//! <https://systemd.io/BOOT_LOADER_INTERFACE>, and the kernel's
//! Documentation/filesystems/efivarfs.rst for the file of a variable: four bytes
//! of attributes, then the value.

use core::fmt;

/// Whose variables these are.
pub const VENDOR: &str = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f";

/// Largest value that is read or written, in bytes. Firmware has room for 32 KiB
/// or so, of all variables together.
pub const MAX_VALUE: usize = 4096;

/// Bytes before the value in the variable's file.
pub const ATTRIBUTES: usize = 4;

/// Kept over a reset, seen by firmware and by systems: after the firmware has
/// handed the machine over, it takes no others (UEFI 2.10, section 8.2.2).
const KEPT: [u8; ATTRIBUTES] = [7, 0, 0, 0];

/// A variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variable {
    /// Where the file lies whose name counts the boots of what is booted.
    BootCountPath,
    /// How long the menu waits.
    ConfigTimeout,
    /// The same, for the next time only.
    ConfigTimeoutOneShot,
    /// Ids of all entries.
    Entries,
    /// A pattern of the entry that boots by itself.
    EntryDefault,
    /// The entry that was booted last, where it is to be booted again.
    EntryLastBooted,
    /// The entry that boots by itself the next time only.
    EntryOneShot,
    /// The entry that is booted.
    EntrySelected,
    /// What of the interface there is, [`FEATURES`].
    Features,
    /// Name and version of what boots.
    Info,
}

impl Variable {
    /// The name, which its file has too, with [`VENDOR`] after a dash.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BootCountPath => "LoaderBootCountPath",
            Self::ConfigTimeout => "LoaderConfigTimeout",
            Self::ConfigTimeoutOneShot => "LoaderConfigTimeoutOneShot",
            Self::Entries => "LoaderEntries",
            Self::EntryDefault => "LoaderEntryDefault",
            Self::EntryLastBooted => "LoaderEntryLastBooted",
            Self::EntryOneShot => "LoaderEntryOneShot",
            Self::EntrySelected => "LoaderEntrySelected",
            Self::Features => "LoaderFeatures",
            Self::Info => "LoaderInfo",
        }
    }
}

/// What Turnout does of the interface: both timeouts (bits 0 and 1), default and
/// one-shot entry (2 and 3), XBOOTLDR (5), sort-key (8), `@saved` (9), devicetree
/// (10), `menu-disabled` (13), profiles of UKIs (14), UKIs in type 1 entries
/// (16). Boots are counted,
/// but by no renaming (4).
pub const FEATURES: u64 = 0b1_0110_0111_0010_1111;

/// A value that is not what the variable should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// Bytes in a file that has not even the attributes.
    Short(usize),
    /// Bytes in a value that is longer than [`MAX_VALUE`].
    Long(usize),
    /// The value is no UTF-16 text that ends in a NUL.
    Text,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(size) => write!(f, "its {size} bytes end before its value"),
            Self::Long(size) => write!(f, "its value has {size} bytes, at most 4096 are read"),
            Self::Text => f.write_str("its value is no UTF-16 text with a NUL at its end"),
        }
    }
}

impl core::error::Error for Error {}

/// What the kernel itself leaves in [`Variable::EntryOneShot`] at every kexec, so that
/// nothing for the firmware's own boot outlives it: no entry.
pub const OF_KEXEC: &str = "kexec reboot";

/// The value of [`Variable::BootCountPath`] for a file with this path on its partition.
#[must_use]
pub fn boot_count_path(path: &str) -> String {
    path.replace('/', "\\")
}

/// Whether a variable outlasts a reset, by its file: one that does not was set for this
/// boot, by a boot loader before.
#[must_use]
pub fn is_kept(file: &[u8]) -> bool {
    file.first().is_some_and(|attributes| attributes & 1 != 0)
}

/// The value in a variable's file.
///
/// # Errors
/// It is too short to have one, or too long.
pub fn value(file: &[u8]) -> Result<&[u8], Error> {
    let value = file.get(ATTRIBUTES..).ok_or(Error::Short(file.len()))?;
    if value.len() > MAX_VALUE { Err(Error::Long(value.len())) } else { Ok(value) }
}

/// The file of a variable with this value.
#[must_use]
pub fn file(value: &[u8]) -> Vec<u8> {
    [&KEPT, value].concat()
}

/// The text of a value: UTF-16, little endian, up to its first NUL.
///
/// # Errors
/// It is something else.
pub fn text(value: &[u8]) -> Result<String, Error> {
    let (pairs, rest) = value.as_chunks();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let end = units.iter().position(|unit| *unit == 0).filter(|_| rest.is_empty());
    let text = end.and_then(|end| units.get(..end)).ok_or(Error::Text)?;
    String::from_utf16(text).ok().ok_or(Error::Text)
}

/// The value for a text.
#[must_use]
pub fn from_text(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().chain([0]);
    units.flat_map(u16::to_le_bytes).collect()
}

/// The value of [`Variable::Entries`], as many ids as there is room for, and how
/// many that are.
#[must_use]
pub fn from_ids(ids: impl Iterator<Item = String>) -> (Vec<u8>, usize) {
    let mut all = Vec::new();
    let mut count: usize = 0;
    for id in ids.map(|id| from_text(&id)) {
        if all.len().saturating_add(id.len()) > MAX_VALUE {
            break;
        }
        all.extend(id);
        count = count.saturating_add(1);
    }
    (all, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_four_bytes_of_attributes_and_the_value() {
        assert_eq!(file(b"ab"), [7, 0, 0, 0, b'a', b'b']);
        assert_eq!(value(&file(b"ab")), Ok(b"ab".as_slice()));
        assert_eq!(value(&[7, 0, 0, 0]), Ok([].as_slice()));
    }

    #[test]
    fn a_file_that_is_too_short_or_too_long_is_refused() {
        let error = value(&[7, 0, 0]).unwrap_err();
        assert_eq!(error.to_string(), "its 3 bytes end before its value");
        assert!(value(&[0; 4100]).is_ok());
        let error = value(&[0; 4101]).unwrap_err();
        assert_eq!(error.to_string(), "its value has 4097 bytes, at most 4096 are read");
    }

    #[test]
    fn text_is_little_endian_with_a_nul_at_its_end() {
        assert_eq!(from_text("aé"), [b'a', 0, 0xe9, 0, 0, 0]);
        for id in ["debian-6.1.conf", "", "日本.efi@1", "\u{1f600}"] {
            assert_eq!(text(&from_text(id)).as_deref(), Ok(id));
        }
        assert_eq!(text(&[b'a', 0, 0, 0, b'b', 0]).as_deref(), Ok("a"));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let halves: [&[u8]; 4] = [&[], b"a\0", b"a\0\0", &[0x3d, 0xd8, 0, 0]];
        for value in halves {
            assert_eq!(text(value), Err(Error::Text), "{value:?}");
        }
        let message = Error::Text.to_string();
        assert_eq!(message, "its value is no UTF-16 text with a NUL at its end");
    }

    #[test]
    fn what_counts_boots_is_named_from_the_root_of_its_partition() {
        let path = boot_count_path("/loader/entries/debian-6.1+3-0.conf");
        assert_eq!(path, "\\loader\\entries\\debian-6.1+3-0.conf");
    }

    #[test]
    fn only_what_outlasts_a_reset_is_kept() {
        assert!(is_kept(&file(b"")));
        for file in [[].as_slice(), &[6, 0, 0, 0], &[0, 7, 0, 0]] {
            assert!(!is_kept(file), "{file:?}");
        }
    }

    #[test]
    fn ids_follow_each_other_each_with_its_nul_as_long_as_there_is_room() {
        let (value, count) = from_ids(["a", "bc"].into_iter().map(str::to_owned));
        assert_eq!((value.as_slice(), count), (b"a\0\0\0b\0c\0\0\0".as_slice(), 2));
        let (value, count) = from_ids((0..1000).map(|_| "x".repeat(99)));
        assert_eq!((value.len(), count), (4000, 20));
    }

    #[test]
    fn features_that_are_not_there_are_not_claimed() {
        let bits: Vec<u32> = (0..64).filter(|bit| FEATURES >> bit & 1 == 1).collect();
        assert_eq!(bits, [0, 1, 2, 3, 5, 8, 9, 10, 13, 14, 16]);
    }
}
