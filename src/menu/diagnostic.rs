//! What is wrong with menu files, by stable names.

use core::fmt;

use crate::base::text::{printable, shown};

/// Longest detail, in columns: whatever a reader quotes, it cannot go beyond.
const DETAIL_COLUMNS: usize = 512;

/// Something wrong with a menu file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Path of the file on its volume.
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
    /// More entries than [`super::MAX_ENTRIES`].
    EntryCount,
    /// A second file with the same id.
    DuplicateId,
    /// The file or directory cannot be read.
    Unreadable,
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
    /// A construct of a script that cannot be read and is left out.
    Syntax,
    /// A script has a command that is not known where the answer decides something.
    UnknownCommand,
    /// A device that a script names is none that is seen.
    Device,
    /// A script takes more steps, memory or files than it may.
    ScriptLimit,
    /// The device has cost what it may before it is verified, and the rest of it
    /// is left out ([`super::budget`]).
    Budget,
}

impl Diagnostic {
    pub(crate) fn new(file: &str, line: Option<usize>, code: Code, detail: String) -> Self {
        // Keys and reasons that a parser quotes come from outside too.
        let detail = shown(&detail, DETAIL_COLUMNS);
        Self { file: file.to_owned(), line, code, detail }
    }

    /// About how many bytes of memory it takes.
    pub(super) const fn weight(&self) -> usize {
        size_of::<Self>().saturating_add(self.file.len()).saturating_add(self.detail.len())
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
            Self::Unreadable => "UNREADABLE",
            Self::Architecture => "ARCHITECTURE",
            Self::NoKernel => "NO_KERNEL",
            Self::ValueSize => "VALUE_SIZE",
            Self::Combination => "COMBINATION",
            Self::Path => "PATH",
            Self::UnsupportedKey => "UNSUPPORTED_KEY",
            Self::Variable => "VARIABLE",
            Self::Setting => "SETTING",
            Self::Syntax => "SYNTAX",
            Self::UnknownCommand => "UNKNOWN_COMMAND",
            Self::Device => "DEVICE",
            Self::ScriptLimit => "SCRIPT_LIMIT",
            Self::Budget => "BUDGET",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_cut_however_long_what_it_quotes_is() {
        for long in ["\u{1}", "x", "\u{4e00}"] {
            let shown = Diagnostic::new("/a", None, Code::Setting, long.repeat(64 << 10));
            assert!(shown.detail.len() <= 768 && shown.detail.ends_with("..."), "{shown}");
        }
    }

    #[test]
    fn a_diagnostic_never_shows_a_control_character_of_its_file() {
        let detail = "the key \u{1b}[2J means nothing".to_owned();
        let shown = Diagnostic::new("/a\u{7}.conf", Some(3), Code::Setting, detail).to_string();
        assert_eq!(shown, "/a\\u{7}.conf:3: SETTING: the key \\u{1b}[2J means nothing");
    }
}
