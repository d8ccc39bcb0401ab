//! The boot menu: what the files of volumes say can be booted.
//!
//! Follows the Boot Loader Specification (UAPI.1) and systemd-boot's
//! `loader.conf`. Everything here is read before anything is verified, so every
//! size is bounded, and a bad file costs at most its own entry: a menu never
//! fails as a whole. Nothing is dropped without a [`Diagnostic`], and an entry
//! that cannot boot stays in the menu with its reasons.
//!
//! [`read_volume`] reads what one volume has, by every format; [`merge()`] makes
//! one menu of those of all volumes, or of the only one; [`resolve_default`]
//! hears what firmware variables wish for.

pub mod bls;
mod budget;
mod default;
mod diagnostic;
mod entry;
mod fdtdir;
mod files;
mod format;
mod gather;
mod grub;
mod merge;
mod metered;
mod paths;
mod petitboot;
mod readers;
mod settings;
mod sight;
mod syslinux;
pub mod text;
mod uki;
mod volume;

pub use budget::{Allowance, Budget, Clock, Exceeded, Limits};
pub use default::{From, Wish, resolve_default};
pub use diagnostic::{Code, Diagnostic};
pub use entry::{Entry, MAX_INITRDS, safe_id};
pub use files::{Files, Memory, Visit};
pub use format::Format;
pub use grub::environment::Variables;
pub use grub::{Printed, script_output};
pub use merge::{Group, merge};
pub use metered::Metered;
pub(crate) use metered::Sieve;
pub use readers::formats;
pub use settings::{NextEntry, Settings, Timeout, Wanted, What};
pub use sight::{By, Device, Identity, MAIN, Missed, Sight, beside, join, on_device, split};
pub use volume::{read_below, read_config, read_subvolumes, read_volume};

use crate::base::arch::Arch;
use crate::base::used::Used;

/// Largest menu file, in bytes. A caller reads one byte more than this at
/// most; longer files are refused by their length.
pub const MAX_FILE_SIZE: usize = 64 * 1024;

/// Most entries of a volume, and most entry files of a directory that are looked
/// at.
pub const MAX_ENTRIES: usize = 1024;

/// The machine that a menu is for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Entries for another architecture are left out.
    pub arch: Arch,
    /// What its device tree is compatible with, the most specific name first.
    pub boards: &'a [String],
    /// Choices for one boot that were used up and could not be deleted.
    pub used: &'a [Used],
}

impl<'a> Target<'a> {
    /// A machine that remembers nothing.
    #[must_use]
    pub const fn new(arch: Arch, boards: &'a [String]) -> Self {
        Self { arch, boards, used: &[] }
    }
}

/// Everything that one or more volumes offer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Menu {
    /// What the volume that it was read of is called; empty after [`merge()`].
    pub name: String,
    /// In the order in which they are shown.
    pub entries: Vec<Entry>,
    /// What the menus say of themselves.
    pub settings: Settings,
    /// How long a person has to choose; see [`merge()`].
    pub timeout: Timeout,
    /// Index of the entry that boots if nobody chooses: the configured one,
    /// even if it cannot boot; else the first that can. `None` if there is
    /// neither, and before [`merge()`].
    pub default: Option<usize>,
    /// Indices of the entries that are tried after the default, as its menu says.
    pub fallback: Vec<usize>,
    /// What was left out or ignored, and why.
    pub diagnostics: Vec<Diagnostic>,
    /// What was looked at, in that order.
    pub read: Vec<Read>,
    /// Devices that were looked for and were not there, each once: where one comes, the
    /// menu is to be read again.
    pub missed: Vec<Missed>,
    /// Names of the devices of which scripts have loaded an environment block, and none
    /// that chooses for one boot only.
    pub cleared: Vec<String>,
}

/// A file or directory that may hold a menu or settings, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Its absolute path on its volume.
    pub path: String,
    /// What came of it.
    pub found: Found,
}

/// What came of looking at a file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is not there.
    Absent,
    /// It holds settings or variables.
    Settings,
    /// It gave so many entries.
    Entries(usize),
    /// It leads to this menu of another device, which is read there.
    Elsewhere(String),
    /// It cannot be read, for this reason.
    Unreadable(String),
}

impl Menu {
    /// Index of the first entry with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(loader_conf: &str, texts: &[(&str, &str)], arch: Arch) -> Menu {
        let entries = texts.iter().map(|(name, text)| (format!("/loader/entries/{name}"), *text));
        let settings = ("/loader/loader.conf".to_owned(), loader_conf);
        let files: Memory = entries.chain([settings]).collect();
        let menu = read_volume(&files, &Target::new(arch, &[]));
        merge(vec![(Group::default(), menu)])
    }

    fn menu(loader_conf: &str, texts: &[(&str, &str)]) -> Menu {
        read(loader_conf, texts, Arch::X86_64)
    }

    fn ids(menu: &Menu) -> Vec<&str> {
        menu.entries.iter().map(|entry| entry.id.as_str()).collect()
    }

    fn messages(menu: &Menu) -> Vec<String> {
        menu.diagnostics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_bad_file_costs_one_entry_and_leaves_its_reason() {
        let menu = menu(
            "",
            &[
                ("bad.conf", "linux /a\0"),
                ("good.conf", "linux /a"),
                ("none.conf", "title x"),
                ("README", ""),
            ],
        );
        assert_eq!(ids(&menu), ["good"]);
        assert_eq!(
            messages(&menu),
            [
                "/loader/entries/bad.conf:1: ENCODING: the line contains a NUL byte",
                "/loader/entries/none.conf: NO_KERNEL: the entry has no linux line, so there is nothing to boot",
            ]
        );
    }

    #[test]
    fn an_entry_for_another_architecture_is_left_out_with_a_reason() {
        let texts = [
            ("any.conf", "linux /a"),
            ("arm.conf", "linux /a\narchitecture aa64"),
            ("x86.conf", "linux /a\narchitecture X64"),
        ];
        let menu = menu("", &texts);
        assert_eq!(ids(&menu), ["x86", "any"]);
        assert_eq!(
            messages(&menu),
            [
                "/loader/entries/arm.conf: ARCHITECTURE: the entry is for \"aa64\" and this machine is x86_64"
            ]
        );
        assert_eq!(ids(&read("", &texts, Arch::Aarch64)), ["arm", "any"]);
    }

    #[test]
    fn two_files_with_one_id_give_one_entry() {
        let menu = menu("", &[("a+2-1.conf", "linux /new"), ("a+1-2.conf", "linux /old")]);
        assert_eq!(menu.entries.len(), 1);
        assert_eq!(menu.entries[0].linux.as_deref(), Some("/new"));
        assert_eq!(
            messages(&menu),
            [
                "/loader/entries/a+1-2.conf: DUPLICATE_ID: another file already gives the entry \"a\""
            ]
        );
    }

    #[test]
    fn the_default_is_a_pattern_over_ids_with_or_without_suffix() {
        let texts = [
            ("Debian-6.1.conf", "linux /a"),
            ("debian-5.10.conf", "linux /b"),
            ("x.conf", "linux /c"),
        ];
        for (pattern, expected) in [
            ("debian-*", "debian-5.10"),
            ("debian-6*", "Debian-6.1"),
            ("DEBIAN-5.10", "debian-5.10"),
            ("debian-5.10.conf", "debian-5.10"),
            ("*.1.conf", "Debian-6.1"),
        ] {
            let menu = menu(&format!("default {pattern}"), &texts);
            assert_eq!(
                menu.default.map(|index| menu.entries[index].id.as_str()),
                Some(expected),
                "{pattern}"
            );
            assert_eq!(messages(&menu), [""; 0]);
        }
    }

    #[test]
    fn a_default_that_matches_nothing_is_said_and_the_first_bootable_entry_stands_in() {
        let menu =
            menu("default nix*", &[("b.conf", "uki-url http:b.efi"), ("a.conf", "linux /a")]);
        assert_eq!(ids(&menu), ["b", "a"]);
        assert_eq!(menu.default, Some(1));
        assert_eq!(
            messages(&menu),
            ["/loader/loader.conf:1: SETTING: default \"nix*\" matches no entry"]
        );
    }

    #[test]
    fn a_configured_default_that_cannot_boot_stays_the_default() {
        let menu = menu("default b", &[("b.conf", "uki-url http:b.efi"), ("a.conf", "linux /a")]);
        assert_eq!(menu.default, Some(0));
    }

    #[test]
    fn without_any_file_there_is_an_empty_menu() {
        let target = Target::new(Arch::X86_64, &[]);
        let menu = merge(vec![(Group::default(), read_volume(&Memory::default(), &target))]);
        assert_eq!((ids(&menu), menu.default, menu.timeout), (vec![], None, Timeout::Seconds(5)));
        assert_eq!(messages(&menu), [""; 0]);
    }

    #[test]
    fn entries_beyond_the_limit_are_not_read() {
        let names: Vec<_> = (0..=MAX_ENTRIES).map(|n| format!("e{n:04}.conf")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), "linux /a")).collect();
        let menu = menu("", &many);
        assert_eq!(menu.entries.len(), MAX_ENTRIES);
        assert_eq!(
            messages(&menu),
            ["/loader/entries: ENTRY_COUNT: only the first 1024 entries are read; 1 are not"]
        );
    }
}
