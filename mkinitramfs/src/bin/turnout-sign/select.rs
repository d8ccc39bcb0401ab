//! Which entries a command is about, and for which machine.

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use mkinitramfs::signing::entry::{self, Roots};
use turnout::base::arch::Arch;
use turnout::trust::{Namespace, Role};

#[derive(Args)]
pub(crate) struct Entries {
    /// Root of the boot partition, as a directory. Again with NAME=DIR, and
    /// ,uuid=U, ,label=L or ,partlabel=P behind it, for each other device that
    /// its menu names
    #[arg(long, value_name = "DIR", required = true)]
    root: Vec<String>,
    /// x86_64 or aarch64, where the kernel image does not tell
    #[arg(long, value_name = "ARCH", value_parser = architecture)]
    pub(crate) architecture: Option<Arch>,
    /// Every entry of the menu in DIR
    #[arg(long, conflicts_with = "entry")]
    pub(crate) all: bool,
    /// But this one; repeatable
    #[arg(long, value_name = "ID", requires = "all")]
    except: Vec<String>,
    /// Ids: names in DIR/loader/entries without .conf and boot counter, or in
    /// DIR/EFI/Linux without .efi and with @PROFILE
    #[arg(required_unless_present = "all")]
    entry: Vec<String>,
}

impl Entries {
    pub(crate) fn roots(&self) -> Result<Roots> {
        Roots::parse(&self.root)
    }

    pub(crate) fn ids(&self) -> Result<Vec<String>> {
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

fn architecture(name: &str) -> Result<Arch> {
    Arch::parse(name).context("choose x86_64 or aarch64")
}

/// A role, by its name or its namespace's.
pub(crate) fn role(name: &str) -> Result<Role> {
    Role::ALL
        .into_iter()
        .find(|role| name == role.name() || name == role.namespace().name())
        .context("choose boot or recovery")
}

/// What a key may sign, by its full name or without "turnout-".
pub(crate) fn namespace(name: &str) -> Result<Namespace> {
    let found = Namespace::parse(name).or_else(|| Namespace::parse(&format!("turnout-{name}")));
    found.context("choose boot, recovery, policy or unlock")
}
