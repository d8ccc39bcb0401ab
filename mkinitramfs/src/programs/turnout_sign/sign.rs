//! `turnout-sign sign`.

use crate::signing::entry;
use crate::signing::sign::{self, Claims, Outcome};
use crate::signing::signer::Signer;
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use turnout::base::arch::Arch;
use turnout::trust::Role;
use turnout::trust::slots::Slot;

use super::Verdict;
use super::select::{Entries, role};
use super::signer::SignerArgs;

#[derive(Args)]
pub(super) struct Sign {
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    entries: Entries,
    /// Add a signature to the ones that are there, for a threshold; the
    /// manifest stays as it is
    #[arg(long, conflicts_with_all = ["role", "security_version", "title", "board", "device", "slot"])]
    add: bool,
    /// What the system is for: boot or recovery
    #[arg(long, alias = "namespace", default_value = "boot", value_name = "boot|recovery",
        value_parser = role)]
    role: Role,
    /// Grows when older entries must no longer boot
    #[arg(long, default_value_t = 0, value_name = "N")]
    security_version: u32,
    /// Title in the manifest; without it the menu's
    #[arg(long)]
    title: Option<String>,
    /// Limits the entry to this board: a name of the device tree's "compatible",
    /// or DMI's VENDOR,PRODUCT; repeatable
    #[arg(long, value_name = "NAME")]
    board: Vec<String>,
    /// Limits the entry to the device with this id: serial number or DMI UUID;
    /// repeatable
    #[arg(long, value_name = "ID")]
    device: Vec<String>,
    /// What the loader may fill into the options: entry, tries, name or boot,
    /// where ${entry}, ${tries}, ${name} or ${boot} stands; repeatable
    #[arg(long, value_name = "entry|tries|name|boot", value_parser = slot)]
    slot: Vec<Slot>,
}

fn slot(name: &str) -> Result<Slot> {
    Slot::parse(name).context("choose entry, tries or name")
}

/// Nobody looks at each of all entries: what asks for no password is said.
fn warn_of_shell(id: &str, options: &str) {
    if let Some(word) = entry::shell(options) {
        eprintln!(
            "warning: {id}: \"{word}\" in its command line may give a root shell to whoever is at \
             the console; --except {id} leaves it out"
        );
    }
}

impl Sign {
    /// With `--all`, an entry that cannot be signed does not keep the others
    /// from it.
    pub(super) fn run(&self) -> Result<Verdict> {
        let mut signer = self.signer.open()?;
        let ids = self.entries.ids()?;
        let mut failed = Vec::new();
        for id in &ids {
            match self.sign(id, &mut signer) {
                Err(error) if self.entries.all => {
                    eprintln!("turnout-sign: {id}: {error:#}");
                    failed.push(id.as_str());
                }
                done => done?,
            }
        }
        ensure!(failed.is_empty(), "not signed: {}", failed.join(", "));
        Ok(Verdict::Good)
    }

    fn sign(&self, id: &str, signer: &mut Signer) -> Result<()> {
        let boot = self.entries.read(id, &self.board)?;
        let root = &boot.root.clone();
        if self.entries.all {
            warn_of_shell(id, &boot.entry.options);
        }
        if self.add {
            sign::add(root, boot, signer)?;
            println!("added a signature to {id}: key {}", signer.fingerprint());
            return Ok(());
        }
        let arch = boot.plain_architecture(self.entries.architecture);
        let arch = arch.with_context(|| id.to_owned())?;
        let before = sign::security_version(root, id)?;
        let outcome = sign::sign(root, boot, arch, &self.claims(), signer)?;
        self.report(id, arch, &outcome, signer);
        if let Some(before) = before.filter(|before| *before > self.security_version) {
            eprintln!(
                "note: {id} had security version {before} and now has {}; devices whose floor has \
                 risen will not boot it (--security-version)",
                self.security_version
            );
        }
        Ok(())
    }

    fn report(&self, id: &str, arch: Arch, outcome: &Outcome, signer: &Signer) {
        let key = signer.fingerprint();
        let how = format!("{arch}, {}, key {key}", self.role.namespace());
        match outcome {
            Outcome::Signed => println!("signed {id}: {how}"),
            Outcome::Unchanged => println!("unchanged {id}: {how} has signed exactly this"),
            Outcome::Replaced(keys) => println!(
                "signed {id}: {how}, in place of {} (to keep theirs, sign with --add)",
                keys.join(", ")
            ),
        }
    }

    fn claims(&self) -> Claims {
        Claims {
            title: self.title.clone(),
            role: self.role,
            security_version: self.security_version,
            boards: self.board.clone(),
            devices: self.device.clone(),
            slots: self.slot.clone(),
        }
    }
}
