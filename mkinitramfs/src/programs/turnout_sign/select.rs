//! Which entries a command is about, and for which machine.

use crate::signing::entry::{self, BootEntry, Roots};
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use turnout::base::arch::Arch;
use turnout::slots;
use turnout::trust::slots::{Slot, SlotValues};
use turnout::trust::{Namespace, Role};

#[derive(Args)]
pub(super) struct Entries {
    /// Root of the boot partition, as a directory. Again with NAME=DIR, and
    /// ,uuid=U, ,label=L or ,partlabel=P behind it, for each other device that
    /// its menu names
    #[arg(long, value_name = "DIR", required = true)]
    root: Vec<String>,
    /// x86_64 or aarch64, where the kernel image does not tell
    #[arg(long, value_name = "x86_64|aarch64", value_parser = architecture)]
    pub(super) architecture: Option<Arch>,
    /// Every entry of the menu in DIR
    #[arg(long, conflicts_with = "entry")]
    pub(super) all: bool,
    /// But this one; repeatable
    #[arg(long, value_name = "ID", requires = "all")]
    except: Vec<String>,
    /// Ids: names in DIR/loader/entries without .conf and boot counter, or in
    /// DIR/EFI/Linux without .efi and with @PROFILE
    #[arg(required_unless_present = "all")]
    entry: Vec<String>,
    /// A slot that the device's image declares, for ${name} in an entry whose
    /// menu has no turnout-slot; repeatable
    #[arg(long, value_name = "NAME", value_parser = slot_name)]
    slot_name: Vec<String>,
    /// Tries that the device's image gives a slot, for ${tries} in an entry
    /// whose file's name has no boot counter
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=99))]
    tries: Option<u32>,
}

impl Entries {
    fn roots(&self) -> Result<Roots> {
        Roots::parse(&self.root)
    }

    /// The entry, with one of the values that its command line can be given.
    pub(super) fn read(&self, id: &str, boards: &[String]) -> Result<BootEntry> {
        let mut boot = entry::read(&self.roots()?, id, boards)?;
        let values = &mut boot.values;
        values.name = values.name.take().or_else(|| self.slot_name.first().cloned());
        values.tries = values.tries.or_else(|| self.most_tries());
        Ok(boot)
    }

    /// Every value that slots which are declared in a manifest can have on a device.
    pub(super) fn values(&self, boot: &BootEntry, slots: &[Slot]) -> Vec<SlotValues> {
        let names = match &boot.entry.slot {
            Some(name) => vec![name.clone()],
            None => self.slot_name.clone(),
        };
        let counter = boot.entry.counter.map(|counter| counter.left);
        let most = counter.max(self.most_tries()).unwrap_or_default();
        let named: Vec<SlotValues> = if slots.contains(&Slot::Name) {
            names
                .into_iter()
                .map(|name| SlotValues { name: Some(name), ..boot.values.clone() })
                .collect()
        } else {
            vec![boot.values.clone()]
        };
        if !slots.contains(&Slot::Tries) {
            return named;
        }
        let each = |values: SlotValues| {
            (0..=most).map(move |tries| SlotValues { tries: Some(tries), ..values.clone() })
        };
        named.into_iter().flat_map(each).collect()
    }

    /// An image that declares slots counts their tries.
    fn most_tries(&self) -> Option<u32> {
        let by_slots = (!self.slot_name.is_empty()).then_some(u32::from(slots::TRIES));
        self.tries.or(by_slots)
    }

    pub(super) fn ids(&self) -> Result<Vec<String>> {
        if !self.all {
            return Ok(self.entry.clone());
        }
        let mut ids = entry::all(&self.roots()?)?;
        for except in &self.except {
            ensure!(ids.contains(except), "--except {except}: there is no such entry");
        }
        ids.retain(|id| !self.except.contains(id));
        Ok(ids)
    }
}

fn slot_name(name: &str) -> Result<String> {
    ensure!(slots::is_name(name), "choose 1 to 32 letters, digits and ._-, no . or - first");
    Ok(name.to_owned())
}

fn architecture(name: &str) -> Result<Arch> {
    Arch::parse(name).context("choose x86_64 or aarch64")
}

/// A role, by its name or its namespace's.
pub(super) fn role(name: &str) -> Result<Role> {
    Role::ALL
        .into_iter()
        .find(|role| name == role.name() || name == role.namespace().name())
        .context("choose boot or recovery")
}

/// What a key may sign, by its full name or without "turnout-".
pub(super) fn namespace(name: &str) -> Result<Namespace> {
    let found = Namespace::parse(name).or_else(|| Namespace::parse(&format!("turnout-{name}")));
    found.context("choose boot, recovery, policy or unlock")
}
