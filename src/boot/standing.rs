//! What the machine remembers and what it lacks: the versions below which
//! nothing boots, and reasons why nothing but a recovery system may boot.

use crate::config::{Config, Rollback};
use crate::failure::Failure;
use crate::trust::policy::Floors;

/// How the machine stands before anything is chosen.
pub(super) struct Standing {
    /// The highest of what the image and the machine's store say.
    pub(super) floors: Floors,
    /// Why only recovery systems may boot; none if others may.
    only_recovery: Option<Failure>,
}

impl Standing {
    /// A store that the image counts on and that cannot be read never means a
    /// floor of zero.
    pub(super) fn find(config: &Config) -> Self {
        let floors = Floors { boot: config.floor, recovery: config.recovery_floor };
        let only_recovery = (config.rollback == Rollback::Enforced).then(|| {
            let why = "the image counts on a record in the TPM, and there is none";
            Failure::barred("STORE", why.to_owned())
        });
        Self { floors, only_recovery }
    }

    /// Whether operating systems may boot.
    ///
    /// # Errors
    /// Why only recovery systems may.
    pub(super) fn admits_boot(&self) -> Result<(), Failure> {
        self.only_recovery.clone().map_or(Ok(()), Err)
    }
}
