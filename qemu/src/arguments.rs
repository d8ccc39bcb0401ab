//! What the programs' arguments have in common: an architecture, a size, and how
//! what is wrong with one is said, in one line that names it.

use anyhow::{Error, Result, anyhow, ensure};
use std::ffi::OsStr;
use turnout::base::arch::Arch;

/// Exit status for arguments that make no sense.
pub const MISUSED: u8 = 2;

/// An architecture by its name.
///
/// # Errors
///
/// If it is none of ours.
pub fn arch(word: &OsStr) -> Result<Arch> {
    Arch::parse(&word.to_string_lossy())
        .ok_or_else(|| anyhow!("{} is no architecture; say x86_64 or aarch64", quoted(word)))
}

/// A size as QEMU's `-m` takes it, such as `512M` or `2G`.
///
/// # Errors
///
/// If it is none, or so little that no kernel starts.
pub fn memory(word: &OsStr) -> Result<String> {
    let text = word.to_string_lossy();
    let mib = mebibytes(&text)
        .ok_or_else(|| anyhow!("--memory: {} is no size; say 512M or 2G", quoted(word)))?;
    ensure!(mib >= 64, "--memory: {} is too little; say 64M or more", quoted(word));
    Ok(format!("{mib}M"))
}

fn mebibytes(text: &str) -> Option<u64> {
    let unit = match text.chars().last()? {
        'G' => 1024,
        'M' => 1,
        _ => return None,
    };
    let number = text.strip_suffix(['G', 'M'])?;
    let number = number.chars().all(|c| c.is_ascii_digit()).then_some(number)?;
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// An argument that a program does not know.
pub fn unknown(argument: lexopt::Arg<'_>) -> Error {
    match argument {
        lexopt::Arg::Value(value) => anyhow!("{} is one too many; see --help", quoted(&value)),
        option => anyhow!("{}; see --help", option.unexpected()),
    }
}

/// A word as the person wrote it, on one line whatever it holds.
pub fn quoted(word: &OsStr) -> String {
    format!("\"{}\"", word.to_string_lossy().escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_value_is_named_with_what_would_be_right() {
        assert_eq!(
            said(arch(OsStr::new("amd64"))),
            "\"amd64\" is no architecture; say x86_64 or aarch64"
        );
        assert_eq!(
            said(memory(OsStr::new("2 GB"))),
            "--memory: \"2 GB\" is no size; say 512M or 2G"
        );
        assert_eq!(
            said(memory(OsStr::new("1M"))),
            "--memory: \"1M\" is too little; say 64M or more"
        );
    }

    #[test]
    fn a_size_has_a_unit_and_is_a_number() {
        assert_eq!(memory(OsStr::new("2G")).unwrap(), "2048M");
        assert_eq!(memory(OsStr::new("512M")).unwrap(), "512M");
        for wrong in ["", "G", "512", "+1G", "-1G", "1.5G", "18446744073709551615G"] {
            assert!(said(memory(OsStr::new(wrong))).contains("is no size"), "{wrong}");
        }
    }

    #[test]
    fn an_unknown_argument_is_one_line() {
        let mut words = lexopt::Parser::from_args(["--foo", "a\nb"]);
        let option = unknown(words.next().unwrap().unwrap()).to_string();
        assert_eq!(option, "invalid option '--foo'; see --help");
        let value = unknown(words.next().unwrap().unwrap()).to_string();
        assert_eq!(value, "\"a\\nb\" is one too many; see --help");
    }
}
