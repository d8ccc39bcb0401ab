//! The platform hierarchy: who has it changes the TPM's banks, and clears what the
//! owner has made. Its password is empty until somebody sets one, which firmware
//! should do, or switch it off, before it starts anything.
//!
//! Only the empty password is ever tried. Trying it costs nothing: the platform is
//! not protected by the counter of wrong authorizations (Part 1, 19.8).

use super::wire::Error;
use super::{command, response};

/// TPM_RC_HIERARCHY, TPM_RC_AUTH_FAIL and TPM_RC_BAD_AUTH (Part 2, 6.6.3).
const SWITCHED_OFF: u32 = 0x085;
const WRONG_PASSWORD: [u32; 2] = [0x08e, 0x0a2];

/// How the platform hierarchy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Whoever can give the TPM a command can use it.
    Open,
    /// Somebody has set a password, which nobody else needs to know.
    Locked,
    /// It is switched off until the TPM is started again.
    Closed,
}

impl Platform {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Locked => "locked",
            Self::Closed => "closed",
        }
    }
}

/// Switches it off if it is open; gives how it stood before.
///
/// # Errors
/// The TPM does not answer, or refuses for another reason than how it stands.
pub fn close(call: impl FnOnce(&[u8]) -> Result<Vec<u8>, String>) -> Result<Platform, String> {
    judge(&call(&command::hierarchy_control_platform(false))?)
}

/// Asks how it stands, and changes nothing: what is on is switched on.
///
/// # Errors
/// As [`close`].
pub fn ask(call: impl FnOnce(&[u8]) -> Result<Vec<u8>, String>) -> Result<Platform, String> {
    judge(&call(&command::hierarchy_control_platform(true))?)
}

fn judge(answer: &[u8]) -> Result<Platform, String> {
    match response::done(answer) {
        Ok(()) => Ok(Platform::Open),
        Err(error) => stands(error).ok_or_else(|| error.to_string()),
    }
}

fn stands(error: Error) -> Option<Platform> {
    match error.general()? {
        SWITCHED_OFF => Some(Platform::Closed),
        code if WRONG_PASSWORD.contains(&code) => Some(Platform::Locked),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u32) -> Result<Platform, String> {
        let head = [0x80, 1, 0, 0, 0, 10];
        close(|_| Ok([&head[..], &code.to_be_bytes()].concat()))
    }

    #[test]
    fn how_it_stood_is_told_by_how_the_tpm_refuses() {
        assert_eq!(answer(0), Ok(Platform::Open));
        for (code, stands) in [
            (0x185, Platform::Closed),
            (0x085, Platform::Closed),
            (0x9a2, Platform::Locked),
            (0x98e, Platform::Locked),
        ] {
            assert_eq!(answer(code), Ok(stands), "{code:#x}");
        }
    }

    #[test]
    fn another_refusal_says_nothing_about_it() {
        assert_eq!(
            answer(0x143).unwrap_err(),
            "the TPM refuses (0x143): it does not know the command"
        );
        assert!(answer(0x101).is_err(), "a TPM that has failed has closed nothing");
        assert_eq!(ask(|_| Err("no answer".to_owned())).unwrap_err(), "no answer");
    }
}
