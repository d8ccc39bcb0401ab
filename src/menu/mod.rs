//! The boot menu: what the files of a boot partition say can be booted.
//!
//! Follows the Boot Loader Specification (UAPI.1, type 1 entries) and
//! systemd-boot's `loader.conf`. Everything here is read before anything is
//! verified, so every size is bounded, and a bad file costs at most its own
//! entry: a menu never fails as a whole. Nothing is dropped without a
//! [`Diagnostic`], and an entry that cannot boot stays in the menu with its
//! reasons.

pub mod bls;
pub mod file_name;
pub mod glob;
pub mod line;
pub mod loader_conf;
pub mod sort;
pub mod version;

use core::fmt;
use std::collections::BTreeSet;

pub use bls::Entry;
pub use loader_conf::Timeout;

use crate::arch::Arch;
use crate::order;
use crate::text::{printable, quoted};

/// Largest menu file, in bytes. A caller reads one byte more than this at
/// most; longer files are refused by their length.
pub const MAX_FILE_SIZE: usize = 64 * 1024;

/// Most entry files that are looked at.
pub const MAX_ENTRIES: usize = 1024;

/// How messages name the settings file.
const LOADER_CONF: &str = "loader.conf";

/// Everything a boot partition offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// In the order in which they are shown.
    pub entries: Vec<Entry>,
    /// How long a person has to choose.
    pub timeout: Timeout,
    /// Index of the entry that boots if nobody chooses: the configured one,
    /// even if it cannot boot; else the first that can. `None` if there is
    /// neither.
    pub default: Option<usize>,
    /// What was left out or ignored, and why.
    pub diagnostics: Vec<Diagnostic>,
}

/// Something wrong with a menu file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Name of the file, as it was given to the parser.
    pub file: String,
    /// Line number from 1, if it is about one line.
    pub line: Option<usize>,
    /// What kind of problem.
    pub code: Code,
    /// A sentence without control characters that names the offending value.
    pub detail: String,
}

/// The stable names of problems in menu files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The file's name breaks the specification.
    FileName,
    /// The file is too long.
    FileSize,
    /// The file is not UTF-8 text.
    Encoding,
    /// More entries than [`MAX_ENTRIES`].
    EntryCount,
    /// A second file with the same id.
    DuplicateId,
    /// The entry is for another architecture.
    Architecture,
    /// The entry names nothing to boot.
    NoKernel,
    /// A value is too long, or there are too many of them.
    ValueSize,
    /// Lines that cannot stand in one entry.
    Combination,
    /// A path that cannot be one on the boot partition.
    Path,
    /// A key that asks for something Turnout cannot do.
    UnsupportedKey,
    /// A `$variable` that nothing replaces.
    Variable,
    /// A setting with a value that means nothing, or nothing here.
    Setting,
}

impl Menu {
    /// Index of the entry with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.id == id)
    }
}

impl Diagnostic {
    pub(crate) fn new(file: &str, line: Option<usize>, code: Code, detail: String) -> Self {
        Self { file: file.to_owned(), line, code, detail }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.file))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}: {}", self.code.name(), self.detail)
    }
}

impl Code {
    /// The upper-case word that messages and tests use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FileName => "FILE_NAME",
            Self::FileSize => "FILE_SIZE",
            Self::Encoding => "ENCODING",
            Self::EntryCount => "ENTRY_COUNT",
            Self::DuplicateId => "DUPLICATE_ID",
            Self::Architecture => "ARCHITECTURE",
            Self::NoKernel => "NO_KERNEL",
            Self::ValueSize => "VALUE_SIZE",
            Self::Combination => "COMBINATION",
            Self::Path => "PATH",
            Self::UnsupportedKey => "UNSUPPORTED_KEY",
            Self::Variable => "VARIABLE",
            Self::Setting => "SETTING",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Builds the menu of one boot partition.
///
/// `loader_conf` is `/loader/loader.conf`, if there is one; `files` are name
/// and bytes of what lies in `/loader/entries`, in any order. Entries for an
/// architecture other than `arch` are left out.
#[must_use]
pub fn build(loader_conf: Option<&[u8]>, files: &[(String, Vec<u8>)], arch: Arch) -> Menu {
    let mut diagnostics = Vec::new();
    let settings =
        loader_conf::parse(LOADER_CONF, loader_conf.unwrap_or_default(), &mut diagnostics);
    let mut entries = parse_entries(files, arch, &mut diagnostics);
    order::sort_by(&mut entries, sort::order);
    drop_duplicates(&mut entries, &mut diagnostics);
    let default = find_default(&entries, settings.default.as_deref(), &mut diagnostics);
    Menu { entries, timeout: settings.timeout, default, diagnostics }
}

fn parse_entries(
    files: &[(String, Vec<u8>)],
    arch: Arch,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Entry> {
    let mut files = files.iter().filter(|(name, _)| file_name::is_entry(name));
    let mut entries = Vec::new();
    for (name, bytes) in files.by_ref().take(MAX_ENTRIES) {
        match bls::parse(name, bytes).and_then(|entry| bls::check_architecture(entry, arch)) {
            Ok(entry) => entries.push(entry),
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    if let Some((name, _)) = files.next() {
        let detail =
            format!("only the first {MAX_ENTRIES} entries are read; this and later ones are not");
        diagnostics.push(Diagnostic::new(name, None, Code::EntryCount, detail));
    }
    entries
}

/// Keeps the first of several entries with one id, so that an id, and the
/// manifest that is named after it, always means one entry.
fn drop_duplicates(entries: &mut Vec<Entry>, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen = BTreeSet::new();
    entries.retain(|entry| {
        let first = seen.insert(entry.id.clone());
        if !first {
            let detail = format!("another file already gives the entry {}", quoted(&entry.id));
            diagnostics.push(Diagnostic::new(&entry.file, None, Code::DuplicateId, detail));
        }
        first
    });
}

fn find_default(
    entries: &[Entry],
    pattern: Option<&str>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<usize> {
    let configured = pattern.and_then(|pattern| {
        let found = entries.iter().position(|entry| entry.is_named_by(pattern));
        if found.is_none() {
            let detail = format!("default {} matches no entry", quoted(pattern));
            diagnostics.push(Diagnostic::new(LOADER_CONF, None, Code::Setting, detail));
        }
        found
    });
    configured.or_else(|| entries.iter().position(Entry::is_bootable))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
        texts.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
    }

    fn menu(loader_conf: &str, texts: &[(&str, &str)]) -> Menu {
        build(Some(loader_conf.as_bytes()), &files(texts), Arch::X86_64)
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
                "bad.conf:1: ENCODING: the line contains a NUL byte",
                "none.conf: NO_KERNEL: the entry has no linux line, so there is nothing to boot",
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
            ["arm.conf: ARCHITECTURE: the entry is for \"aa64\" and this machine is x86_64"]
        );
        assert_eq!(ids(&build(None, &files(&texts), Arch::Aarch64)), ["arm", "any"]);
    }

    #[test]
    fn two_files_with_one_id_give_one_entry() {
        let menu = menu("", &[("a+2-1.conf", "linux /new"), ("a+1-2.conf", "linux /old")]);
        assert_eq!(menu.entries.len(), 1);
        assert_eq!(menu.entries[0].linux.as_deref(), Some("/new"));
        assert_eq!(
            messages(&menu),
            ["a+1-2.conf: DUPLICATE_ID: another file already gives the entry \"a\""]
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
        assert_eq!(messages(&menu), ["loader.conf: SETTING: default \"nix*\" matches no entry"]);
    }

    #[test]
    fn a_configured_default_that_cannot_boot_stays_the_default() {
        let menu = menu("default b", &[("b.conf", "uki-url http:b.efi"), ("a.conf", "linux /a")]);
        assert_eq!(menu.default, Some(0));
    }

    #[test]
    fn without_any_file_there_is_an_empty_menu() {
        let menu = build(None, &[], Arch::X86_64);
        assert_eq!((ids(&menu), menu.default, menu.timeout), (vec![], None, Timeout::Seconds(5)));
        assert_eq!(messages(&menu), [""; 0]);
    }

    #[test]
    fn entries_beyond_the_limit_are_not_read() {
        let many: Vec<_> =
            (0..=MAX_ENTRIES).map(|n| (format!("e{n}.conf"), b"linux /a".to_vec())).collect();
        let menu = build(None, &many, Arch::X86_64);
        assert_eq!(menu.entries.len(), MAX_ENTRIES);
        assert_eq!(
            messages(&menu),
            [
                "e1024.conf: ENTRY_COUNT: only the first 1024 entries are read; this and later ones are not"
            ]
        );
    }
}
