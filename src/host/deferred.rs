//! What is to be loaded as this system goes down: `/run/turnout/deferred`.

use super::lines::{Problem, Reader, Writer};

/// A departure that was asked for and waits for the services to be stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferred {
    /// The boot id of the system that is left.
    pub boot_id: String,
    /// Id of the entry.
    pub entry: String,
    /// As [`crate::host::record::Asked::fallback`].
    pub fallback: Option<String>,
    /// As [`crate::host::record::Asked::watchdog`].
    pub watchdog: bool,
}

impl Deferred {
    /// As it is written down.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = Writer::new("deferred");
        out.line("boot-id", &self.boot_id);
        out.line("entry", &self.entry);
        out.maybe("fallback", self.fallback.as_deref());
        out.line("watchdog", if self.watchdog { "yes" } else { "no" });
        out.end()
    }

    /// Undoes [`Deferred::text`].
    ///
    /// # Errors
    /// The line that is none of a record, and what is wrong with it.
    pub fn read(text: &str) -> Result<Self, Problem> {
        let mut lines = Reader::new(text);
        lines.begin("deferred")?;
        let deferred = Self {
            boot_id: lines.take("boot-id")?,
            entry: lines.take("entry")?,
            fallback: lines.maybe("fallback")?,
            watchdog: lines.take_as("watchdog", |word| match word {
                "yes" => Some(true),
                "no" => Some(false),
                _ => None,
            })?,
        };
        lines.finish()?;
        Ok(deferred)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_deferred_is_written_down_and_read_again() {
        let deferred = Deferred {
            boot_id: "one".to_owned(),
            entry: "debian 13\n".to_owned(),
            fallback: Some("/boot/grub/grubenv next_entry=old before=".to_owned()),
            watchdog: true,
        };
        assert_eq!(Deferred::read(&deferred.text()), Ok(deferred.clone()));
        let none = Deferred { fallback: None, watchdog: false, ..deferred };
        assert_eq!(Deferred::read(&none.text()), Ok(none.clone()));
        assert!(Deferred::read(&none.text().replace("watchdog no", "watchdog 0")).is_err());
        assert!(Deferred::read("").is_err());
    }
}
