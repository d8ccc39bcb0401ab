//! One shape for everything that can go wrong on the way to the jump, and the
//! one place where it is put into words.

use core::error::Error;
use core::fmt;
use std::sync::Arc;

use crate::plan;
use crate::trust::Role;
use crate::trust::verify::Refusal;

/// The step of the sentence in which it went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Mounts, console, configuration, key ring.
    Start,
    /// Finding the boot partition.
    Discover,
    /// Mounting it and reading its menu.
    Menu,
    /// Reading an entry's files.
    Read,
    /// Proving that they were signed together.
    Verify,
    /// Finding out what kind of kernel it is.
    Identify,
    /// Placing it in memory.
    Plan,
    /// Handing it to the running kernel.
    Load,
    /// Making the machine still.
    Quiesce,
    /// Starting it.
    Jump,
}

impl Stage {
    /// Whether another entry can still be loaded after a failure here: the
    /// kernel takes no second one once `quiesce` has begun.
    #[must_use]
    pub const fn leaves_a_choice(self) -> bool {
        !matches!(self, Self::Quiesce | Self::Jump)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Discover => "discover",
            Self::Menu => "menu",
            Self::Read => "read",
            Self::Verify => "verify",
            Self::Identify => "identify",
            Self::Plan => "plan",
            Self::Load => "load",
            Self::Quiesce => "quiesce",
            Self::Jump => "jump",
        })
    }
}

/// Why.
#[derive(Debug, Clone)]
pub enum Cause {
    /// Trust said no; the code is stable.
    Refused(Arc<Refusal>),
    /// The state of the machine said no: a stable code and the sentence.
    Barred(&'static str, String),
    /// The entry itself cannot boot: a stable code and the sentence.
    Broken(&'static str, String),
    /// Everything else: the error of the module, with the offending value.
    Other(Arc<dyn Error + Send + Sync>),
}

/// A step that failed, for which entry, and why.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Where.
    pub stage: Stage,
    /// Id of the entry; none before one was chosen.
    pub entry: Option<String>,
    /// Why.
    pub cause: Cause,
}

impl Failure {
    /// A failure before an entry was chosen.
    pub fn new(stage: Stage, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { stage, entry: None, cause: Cause::Other(source.into().into()) }
    }

    /// An entry that cannot boot, found before it was chosen.
    #[must_use]
    pub const fn broken(code: &'static str, detail: String) -> Self {
        Self { stage: Stage::Menu, entry: None, cause: Cause::Broken(code, detail) }
    }

    /// A refusal by trust.
    #[must_use]
    pub fn refused(refusal: Refusal) -> Self {
        Self { stage: Stage::Verify, entry: None, cause: Cause::Refused(Arc::new(refusal)) }
    }

    /// Something about the machine that keeps operating systems from booting.
    #[must_use]
    pub const fn barred(code: &'static str, sentence: String) -> Self {
        Self { stage: Stage::Verify, entry: None, cause: Cause::Barred(code, sentence) }
    }

    /// The same, with the entry that it happened to.
    #[must_use]
    pub fn of(self, entry: &str) -> Self {
        Self { entry: Some(entry.to_owned()), ..self }
    }

    /// The short word beside the entry in the menu.
    #[must_use]
    pub fn mark(&self) -> String {
        match &self.cause {
            Cause::Refused(refusal) => format!("refused({})", refusal.code()),
            Cause::Barred(code, _) => format!("refused({code})"),
            Cause::Broken(code, _) => format!("broken({code})"),
            Cause::Other(_) => format!("failed({})", self.stage),
        }
    }

    /// Whether a floor for systems of this role is what said no.
    #[must_use]
    pub fn is_below_floor(&self, of: Role) -> bool {
        let Cause::Refused(refusal) = &self.cause else { return false };
        matches!(**refusal, Refusal::Floor { role, .. } if role == of)
    }

    /// The stable code; of a fault that has none `FILE`, for it is a file that
    /// could not be used.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match &self.cause {
            Cause::Refused(refusal) => refusal.code(),
            Cause::Barred(code, _) | Cause::Broken(code, _) => code,
            Cause::Other(_) => "FILE",
        }
    }

    /// The stable code, or the step's name where there is none: short enough to be
    /// kept.
    #[must_use]
    pub fn short_code(&self) -> String {
        match &self.cause {
            Cause::Other(_) => self.stage.to_string(),
            _ => self.code().to_owned(),
        }
    }

    /// The exit status of a command that ends with it: 1 refused by trust, 3
    /// nothing found or configuration, 4 device or I/O, 5 not bootable, 6 the
    /// kernel refused.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match (self.stage, &self.cause) {
            (_, Cause::Refused(_) | Cause::Barred(..)) => 1,
            (Stage::Plan, Cause::Other(error)) if is_locked(&**error) => 6,
            (Stage::Start | Stage::Discover | Stage::Menu, _) => 3,
            (Stage::Read | Stage::Verify, _) => 4,
            (Stage::Identify | Stage::Plan, _) => 5,
            (Stage::Load | Stage::Quiesce | Stage::Jump, _) => 6,
        }
    }

    /// The sentence without the entry and the stage.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.cause {
            Cause::Refused(refusal) => refusal.to_string(),
            Cause::Barred(_, sentence) | Cause::Broken(_, sentence) => sentence.clone(),
            Cause::Other(error) => error.to_string(),
        }
    }
}

/// Whether it is the running kernel that loads nothing, whatever the image.
fn is_locked(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(plan::Error::Engine(_)))
}

/// `refused ENTRY: CODE: sentence`, or `failed ENTRY: STAGE: [CODE: ]sentence`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry.as_deref().unwrap_or("boot");
        match &self.cause {
            Cause::Refused(refusal) => {
                write!(f, "refused {entry}: {}: {refusal}", refusal.code())
            }
            Cause::Barred(code, sentence) => write!(f, "refused {entry}: {code}: {sentence}"),
            Cause::Broken(code, detail) => {
                write!(f, "failed {entry}: {}: {code}: {detail}", self.stage)
            }
            Cause::Other(error) => write!(f, "failed {entry}: {}: {error}", self.stage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_entry_stage_and_reason() {
        let failure = Failure::new(Stage::Load, "kexec_load: no").of("good");
        assert_eq!(failure.to_string(), "failed good: load: kexec_load: no");
        assert_eq!(failure.mark(), "failed(load)");
    }

    #[test]
    fn after_quiesce_no_other_entry_can_be_tried() {
        assert!(Stage::Load.leaves_a_choice());
        assert!(!Stage::Quiesce.leaves_a_choice());
        assert!(!Stage::Jump.leaves_a_choice());
    }

    #[test]
    fn the_exit_status_tells_a_refusal_from_a_fault_and_from_a_lock() {
        let lock = plan::Error::Engine(plan::EngineError::Disabled);
        assert_eq!(Failure::new(Stage::Plan, lock).exit_status(), 6);
        assert_eq!(Failure::new(Stage::Plan, plan::Error::CmdlineNul).exit_status(), 5);
        assert_eq!(Failure::new(Stage::Identify, "no kernel").exit_status(), 5);
        assert_eq!(Failure::new(Stage::Read, "/vmlinuz: no").exit_status(), 4);
        assert_eq!(Failure::new(Stage::Load, "kexec_load: no").exit_status(), 6);
        assert_eq!(Failure::new(Stage::Menu, "no entry").exit_status(), 3);
        let refusal = Refusal::Unsigned { entry: "good".to_owned() };
        assert_eq!(Failure::refused(refusal).exit_status(), 1);
    }

    #[test]
    fn what_the_machine_forbids_is_a_refusal() {
        let failure = Failure::barred("STORE", "the record is torn".to_owned()).of("good");
        assert_eq!(failure.to_string(), "refused good: STORE: the record is torn");
        assert_eq!((failure.mark().as_str(), failure.exit_status()), ("refused(STORE)", 1));
    }
}
