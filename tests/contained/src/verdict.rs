//! How a start has ended, and whether it may.

use std::time::Duration;

/// The ends that there are. The first three are those that a start may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The loaded kernel was to be started.
    Jump,
    /// The machine was to be reset.
    Reset,
    /// A menu or a prompt has answered a key.
    Waits,
    /// The machine was to be switched off, stopped, or reset in another way.
    Other,
    /// PID 1 is gone, which would be a panic of the kernel.
    Gone,
    /// Nothing of this in time.
    Hang,
}

/// What was seen of a start.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) end: End,
    /// What PID 1 has printed.
    pub(crate) said: String,
    /// Whether a kernel was loaded when it ended.
    pub(crate) is_loaded: bool,
    /// Calls that nothing of a start should make, by name.
    pub(crate) strange: Vec<String>,
    /// How PID 1 went, if it did.
    pub(crate) status: Option<String>,
    pub(crate) time: Duration,
}

impl Seen {
    /// Why the start may not end so; nothing if it may.
    pub(crate) fn fault(&self) -> Option<String> {
        let words = self.said.as_str();
        match self.end {
            _ if words.contains("panic at ") || words.contains("panicked at ") => {
                Some("it panicked".to_owned())
            }
            _ if !self.strange.is_empty() => Some(format!("it called {}", self.strange.join(", "))),
            End::Jump if !self.is_loaded => Some("it jumped, and nothing is loaded".to_owned()),
            End::Reset if !words.contains("turnout: reset in ") => {
                Some("it reset the machine, and has not said why".to_owned())
            }
            End::Jump | End::Reset | End::Waits => None,
            End::Other => Some("it stopped the machine in another way".to_owned()),
            End::Gone => Some(format!("PID 1 is gone: {}", self.status.as_deref().unwrap_or("?"))),
            End::Hang => Some(format!("no end within {} s", self.time.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(end: End, said: &str) -> Seen {
        Seen {
            end,
            said: said.to_owned(),
            is_loaded: false,
            strange: Vec::new(),
            status: None,
            time: Duration::from_secs(40),
        }
    }

    #[test]
    fn only_the_three_ends_of_a_start_pass() {
        assert_eq!(seen(End::Waits, "").fault(), None);
        assert_eq!(seen(End::Reset, "turnout: reset in 0 s: nothing has booted").fault(), None);
        assert_eq!(Seen { is_loaded: true, ..seen(End::Jump, "") }.fault(), None);
        for (end, said, why) in [
            (End::Reset, "", "it reset the machine, and has not said why"),
            (End::Jump, "", "it jumped, and nothing is loaded"),
            (End::Other, "", "it stopped the machine in another way"),
            (End::Gone, "", "PID 1 is gone: ?"),
            (End::Hang, "", "no end within 40 s"),
            (End::Reset, "turnout: reset in 0 s: panic at src/a.rs:1:1: no", "it panicked"),
        ] {
            assert_eq!(seen(end, said).fault().as_deref(), Some(why));
        }
        let strange = Seen { strange: vec!["swapon".to_owned()], ..seen(End::Waits, "") };
        assert_eq!(strange.fault().as_deref(), Some("it called swapon"));
    }
}
