//! `turnout-sign verify`.

use crate::signing::sign::{self, Target};
use anyhow::{Context as _, Result};
use clap::Args;
use turnout::trust::Role;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::policy::Policy;
use turnout::trust::verify::{Refusal, Signed};

use super::Verdict;
use super::files::Anchor;
use super::select::{Entries, role};

#[derive(Args)]
pub(super) struct Verify {
    #[command(flatten)]
    anchor: Anchor,
    #[command(flatten)]
    entries: Entries,
    /// Accept only this role: boot or recovery
    #[arg(long, alias = "namespace", value_name = "boot|recovery", value_parser = role)]
    role: Option<Role>,
    /// Name of the device's board; without it the board is the right one
    #[arg(long, value_name = "NAME")]
    board: Vec<String>,
    /// Id of the device; without it the device is the right one
    #[arg(long, value_name = "ID")]
    device: Vec<String>,
}

impl Verify {
    pub(super) fn run(&self) -> Result<Verdict> {
        let (ring, policy) = self.anchor.read()?;
        let mut verdict = Verdict::Good;
        for id in self.entries.ids()? {
            match self.check(&id, &ring, &policy).with_context(|| id.clone())? {
                Ok(signed) if self.role.is_some_and(|role| role != signed.role()) => {
                    println!("refused {id}: ROLE: its manifest is for role {}", signed.role());
                    verdict = Verdict::Refused;
                }
                Ok(signed) => {
                    println!("verified {id}: signed by {}", signed.signers().join(" and "));
                }
                Err(refusal) => {
                    println!("refused {id}: {}: {refusal}", refusal.code());
                    verdict = Verdict::Refused;
                }
            }
        }
        Ok(verdict)
    }

    fn check(&self, id: &str, ring: &KeyRing, policy: &Policy) -> Result<Result<Signed, Refusal>> {
        let boot = self.entries.read(id, &self.board)?;
        let root = &boot.root.clone();
        let target = Target {
            arch: boot.architecture(self.entries.architecture)?,
            boards: self.board.clone(),
            devices: self.device.clone(),
        };
        sign::check(root, boot, &target, ring, policy)
    }
}
