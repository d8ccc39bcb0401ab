//! What `turnout status` says of the TPM: whether its platform hierarchy is open,
//! and whether it was when Turnout started this system.
//!
//! The TPM is asked, and nothing in it changes. What was before is in the log of
//! measurements, as long as that is there.

use core::time::Duration;
use std::path::Path;

use crate::base::json::Object;
use crate::measure::{LOG_PATH, says_platform_was_open};
use crate::sys::tpm::Tpm;
use crate::sys::{self, file};
use crate::tpm::log::{self, MAX_LOG};
use crate::tpm::platform::{self, Platform};

/// Longest wait for the TPM.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the platform hierarchy stands.
pub(super) struct Hierarchy {
    /// None: there is no TPM. Or why it is not known.
    now: Result<Option<Platform>, String>,
    /// As the log has it; none where there is no log.
    was_open: Option<bool>,
}

impl Hierarchy {
    pub(super) fn read() -> Self {
        Self { now: ask(), was_open: read_log() }
    }

    pub(super) fn line(&self) -> String {
        format!("tpm platform      {}\n", self.text())
    }

    fn text(&self) -> String {
        let now = match &self.now {
            Ok(None) => "no TPM".to_owned(),
            Ok(Some(platform)) => platform.name().to_owned(),
            Err(why) => format!("unknown: {why}"),
        };
        match self.was_open {
            Some(true) => format!("{now}; it was open until Turnout closed it"),
            _ => now,
        }
    }

    pub(super) fn write_json(&self, out: &mut Object<'_>) {
        let word = match &self.now {
            Ok(None) => "none",
            Ok(Some(platform)) => platform.name(),
            Err(_) => "unknown",
        };
        out.text("platform", word);
        out.maybe_text("fault", self.now.as_ref().err().map(String::as_str));
        out.maybe_flag("platform_was_open", self.was_open);
    }
}

fn ask() -> Result<Option<Platform>, String> {
    if !sys::is_root() {
        return Err("only root can ask the TPM".to_owned());
    }
    let Some(mut tpm) = Tpm::open(PATIENCE).map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    platform::ask(|command| tpm.call(command).map_err(|error| error.to_string())).map(Some)
}

fn read_log() -> Option<bool> {
    let limit = u64::try_from(MAX_LOG).unwrap_or(u64::MAX);
    let bytes = file::read_bytes(Path::new(LOG_PATH), limit).ok()?;
    Some(says_platform_was_open(&log::read(&bytes).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::json;

    fn said(now: Result<Option<Platform>, String>, was_open: Option<bool>) -> (String, String) {
        let hierarchy = Hierarchy { now, was_open };
        (hierarchy.line(), json::object(|out| hierarchy.write_json(out)))
    }

    #[test]
    fn the_platform_hierarchy_is_told_as_it_is_and_as_it_was() {
        for (now, was_open, text, word) in [
            (Platform::Closed, Some(true), "closed; it was open until Turnout closed it", "closed"),
            (Platform::Closed, Some(false), "closed", "closed"),
            (Platform::Open, None, "open", "open"),
            (Platform::Locked, None, "locked", "locked"),
        ] {
            let said = said(Ok(Some(now)), was_open);
            assert_eq!(said.0, format!("tpm platform      {text}\n"));
            let read: serde_json::Value = serde_json::from_str(&said.1).unwrap();
            let expected = serde_json::json!(
                {"platform": word, "fault": null, "platform_was_open": was_open}
            );
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_tpm_that_cannot_be_asked_is_not_called_closed() {
        let said_of_none = said(Ok(None), None);
        assert_eq!(said_of_none.0, "tpm platform      no TPM\n");
        assert!(said_of_none.1.contains("\"none\""), "{}", said_of_none.1);
        let unknown = said(Err("only root can ask the TPM".to_owned()), None);
        assert_eq!(unknown.0, "tpm platform      unknown: only root can ask the TPM\n");
        assert!(unknown.1.contains("\"unknown\""), "{}", unknown.1);
    }
}
