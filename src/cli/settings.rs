//! Reads `/etc/turnout/turnout.conf` where no option says it: [`crate::settings`] has
//! what it may say.

use std::path::Path;

use crate::failure::{Failure, Stage};
use crate::host::leaving::Wish;
use crate::settings::{Settings, parse};
use crate::source::StateDevice;
use crate::sys::file;

pub(super) use crate::settings::PATH;

/// Where the state area is: what was typed counts before what the file says.
///
/// # Errors
/// The file cannot be read or understood.
pub(super) fn state_device(typed: Option<StateDevice>) -> Result<StateDevice, Failure> {
    match typed {
        Some(typed) => Ok(typed),
        None => Ok(read(Path::new(PATH))?.state_device.unwrap_or_default()),
    }
}

/// Whether a crash kernel may have an initrd and a command line that nobody signed.
///
/// # Errors
/// The file cannot be read or understood.
pub(super) fn allows_unsigned_crash() -> Result<bool, Failure> {
    Ok(read(Path::new(PATH))?.crash_unsigned)
}

/// What becomes of the watchdog over a jump.
///
/// # Errors
/// The file cannot be read or understood.
pub(super) fn watchdog() -> Result<Wish, Failure> {
    Ok(read(Path::new(PATH))?.watchdog.unwrap_or_default())
}

/// Codes of a check's findings that are taken as they are.
///
/// # Errors
/// The file cannot be read or understood.
pub(super) fn accepted() -> Result<Vec<String>, Failure> {
    Ok(read(Path::new(PATH))?.accepted)
}

fn read(path: &Path) -> Result<Settings, Failure> {
    let text = file::read_text_if_there(path);
    let text = text.map_err(|error| Failure::new(Stage::Read, error))?.unwrap_or_default();
    let name = path.display();
    parse(&text).map_err(|what| Failure::new(Stage::Discover, format!("{name}:{what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_counts_before_it() {
        let typed = StateDevice::Named("sda3".to_owned());
        assert_eq!(state_device(Some(typed.clone())).unwrap(), typed);
    }

    #[test]
    fn a_file_is_named_and_one_that_is_not_there_says_nothing() {
        let path = std::env::temp_dir().join(format!("turnout-conf-{}", std::process::id()));
        assert_eq!(read(&path).unwrap(), Settings::default());
        std::fs::write(&path, "state-device auto\ncount all\n").unwrap();
        let failure = read(&path).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        let expected = format!("{}:2: \"count\" is no key: ", path.display());
        assert!(failure.sentence().starts_with(&expected), "{failure}");
        assert_eq!(failure.exit_status(), 3);
    }
}
