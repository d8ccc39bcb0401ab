//! A device that is mounted for its menu, read-only and without journal replay,
//! as long as this value is held.
//!
//! A device that does not answer keeps whoever mounts it waiting for as long as
//! the kernel's own driver does; no other bound can be set from here.

use std::sync::Arc;

use crate::menu::{self, Group, Menu, Target};
use crate::source::filesystem::{FileSystem, Kind};
use crate::source::report::{Looked, Outcome};
use crate::source::{self, Candidate, Tier};
use crate::sys::mount;
use crate::sys::read::Root;

/// The top of a btrfs, whatever its default subvolume is (btrfs(5)).
const BTRFS_TOP: &str = "subvolid=5";
/// Most directories at the top of a btrfs that are looked into.
const MAX_SUBVOLUMES: usize = 32;

/// A mounted device.
pub(super) struct Volume {
    pub(super) candidate: Candidate,
    pub(super) tier: Tier,
    pub(super) root: Arc<Root>,
    /// Whether the device is still there.
    pub(super) is_here: bool,
    mounted: Option<mount::Volume>,
}

impl Volume {
    /// Mounts a device and reads its menu.
    ///
    /// # Errors
    /// What is to be reported of it.
    pub(super) fn open(
        candidate: &Candidate,
        tier: Tier,
        target: &Target<'_>,
    ) -> Result<(Self, Menu), Outcome> {
        let found: Option<&FileSystem> = candidate.filesystem.as_ref();
        let found = found.filter(|found| found.kind.is_mountable());
        let kind = found.ok_or(Outcome::NoFileSystem)?.kind;
        let volume = Self::mount(candidate, tier, kind.name(), None)?;
        let menu = menu::read_volume(&*volume.root, target);
        if kind != Kind::Btrfs || !menu.entries.is_empty() {
            return Ok((volume, menu));
        }
        drop(volume);
        let volume = Self::mount(candidate, tier, kind.name(), Some(BTRFS_TOP))?;
        let menu = read_subvolumes(&volume.root, target, menu);
        Ok((volume, menu))
    }

    fn mount(
        candidate: &Candidate,
        tier: Tier,
        kind: &str,
        subvolume: Option<&str>,
    ) -> Result<Self, Outcome> {
        let name = &candidate.name;
        let place = format!("{}/{name}", mount::VOLUMES);
        let mounted = mount::Volume::mount(&format!("/dev/{name}"), place, kind, subvolume)
            .map_err(|error| Outcome::Unmounted(error.to_string()))?;
        let root = Root::open(mounted.place());
        let root = Arc::new(root.map_err(|error| Outcome::Unmounted(error.to_string()))?);
        let candidate = candidate.clone();
        Ok(Self { candidate, tier, root, is_here: true, mounted: Some(mounted) })
    }

    /// Kernel name of the device.
    pub(super) fn name(&self) -> &str {
        &self.candidate.name
    }

    /// Lets go of a device that is gone; the directory that it was mounted on is
    /// empty then. A file system that anything holds could not be mounted again
    /// when the device comes back: btrfs refuses a UUID that it has already.
    pub(super) fn leave(&mut self) {
        self.is_here = false;
        let Some(mounted) = self.mounted.take() else { return };
        let place = mounted.place().to_owned();
        drop(mounted);
        if let Ok(nothing) = Root::open(&place) {
            self.root = Arc::new(nothing);
        }
    }

    /// The EFI system partition and the boot partition of one disk belong
    /// together.
    pub(super) fn group(&self, others: &[Self]) -> Group {
        let first = others.iter().position(|other| self.belongs_to(other));
        Group { number: first.unwrap_or(others.len()), is_esp: self.tier.role == source::Role::Esp }
    }

    fn belongs_to(&self, other: &Self) -> bool {
        let both_boot = other.tier.role.is_boot() && self.tier.role.is_boot();
        both_boot && other.candidate.disk == self.candidate.disk
    }
}

/// The menus of the top of a btrfs and of the subvolumes there; `menu` is the one
/// of the default subvolume, without entries.
fn read_subvolumes(root: &Root, target: &Target<'_>, mut menu: Menu) -> Menu {
    let names = menu::Files::names(root, "/").unwrap_or_default();
    let below = names.iter().take(MAX_SUBVOLUMES).map(|name| format!("/{name}"));
    for place in core::iter::once(String::new()).chain(below) {
        let found = menu::read_below(root, target, &place);
        menu.diagnostics.extend(found.diagnostics);
        menu.read.extend(found.read);
        if !found.entries.is_empty() {
            return Menu { diagnostics: menu.diagnostics, read: menu.read, ..found };
        }
    }
    menu
}

/// What is to be reported of a device and its menu.
pub(super) fn looked(candidate: &Candidate, outcome: Outcome) -> Looked {
    Looked { name: candidate.name.clone(), description: source::describe(candidate), outcome }
}

/// What came of reading a menu.
pub(super) fn outcome(menu: &Menu) -> Outcome {
    Outcome::Read { files: menu.read.clone(), entries: menu.entries.len() }
}
