//! A device that is mounted for its menu, read-only and without journal replay,
//! as long as this value is held.
//!
//! A device that does not answer keeps whoever mounts it waiting for as long as
//! the kernel's own driver does; no other bound can be set from here. So a thread
//! of its own mounts and reads each ([`Opening`]), for which nobody has to wait.

use std::sync::Arc;

use super::drivers::Drivers;
use crate::base::arch::Arch;
use crate::base::used::Used;
use crate::menu::{
    self, Allowance, Budget, By, Device, Entry, Group, Identity, Limits, Menu, Metered, Missed,
    Sight, Target,
};
use crate::source::filesystem::{FileSystem, Kind};
use crate::source::report::{Looked, Outcome};
use crate::source::{self, Candidate, Tier};
use crate::sys::read::Root;
use crate::sys::thread::{Shelf, Work};
use crate::sys::{clock, efivars, mount};

/// The top of a btrfs, whatever its default subvolume is (btrfs(5)).
pub(super) const BTRFS_TOP: &str = "subvolid=5";

/// Most kernels of a menu that are looked for, to tell whether it is read where it was
/// written for.
const MAX_LOOKED_FOR: usize = 16;

/// A good disk that stalls once is not to be left out: what it may cost is the
/// processor's time, and a small part of that in which it is waited for.
const CLOCK: menu::Clock = clock::spent;

/// What it takes to mount a device and to read its menu.
#[derive(Clone)]
pub(super) struct Opening {
    pub(super) candidate: Candidate,
    pub(super) tier: Tier,
    pub(super) arch: Arch,
    pub(super) boards: Vec<String>,
    pub(super) used: Vec<Used>,
    pub(super) limits: Limits,
    pub(super) allowance: Arc<Allowance>,
    pub(super) drivers: Drivers,
}

impl Opening {
    /// Does it here and now.
    pub(super) fn open(self) -> Opened {
        #[cfg(feature = "test-hooks")]
        crate::sys::hooks::at_mounting(&self.candidate.name);
        self.drivers.load_for(&self.candidate).map_err(Outcome::Unmounted)?;
        let target = Target { used: &self.used, ..Target::new(self.arch, &self.boards) };
        let budget = Budget::of_several(self.limits, CLOCK, self.allowance);
        Volume::open(&self.candidate, self.tier, &target, budget)
    }
}

impl Work for Opening {
    type Place = ();
    type Product<'p> = Opened;

    fn run(self, _: &(), shelf: &Shelf<Opened>) {
        shelf.put(self.open());
    }
}

/// A device with its menu, or what is to be reported of it.
pub(super) type Opened = Result<(Volume, Menu), Outcome>;

/// A mounted device.
pub(super) struct Volume {
    pub(super) candidate: Candidate,
    pub(super) tier: Tier,
    pub(super) root: Arc<Root>,
    /// What the device may cost before it is verified.
    pub(super) budget: Budget,
    /// Whether the device is still there, and answers.
    pub(super) is_here: bool,
    /// What menus may call it and know it by.
    pub(super) identity: Identity,
    /// What its menus have looked for, and no device was it.
    pub(super) missed: Vec<Missed>,
    /// Whether the top of a btrfs is mounted, and not what its owner chose.
    is_top: bool,
    mounted: Option<mount::Volume>,
}

impl Volume {
    /// Mounts a device and reads its menu, within its budget.
    ///
    /// # Errors
    /// What is to be reported of it.
    fn open(candidate: &Candidate, tier: Tier, target: &Target<'_>, budget: Budget) -> Opened {
        let found: Option<&FileSystem> = candidate.filesystem.as_ref();
        let found = found.filter(|found| found.kind.is_mountable());
        let kind = found.ok_or(Outcome::NoFileSystem)?.kind;
        let volume = Self::mount(candidate, tier, kind.name(), None, budget)?;
        let menu = volume.read(target, &[]);
        if kind != Kind::Btrfs || volume.has_kernel(&menu) {
            return Ok((volume, menu));
        }
        // The paths of GRUB's scripts begin at the top.
        let budget = volume.into_budget();
        let volume = Self::mount(candidate, tier, kind.name(), Some(BTRFS_TOP), budget)?;
        let found = volume.read(target, &[]);
        let menu = if found.entries.is_empty() { menu } else { found.behind(menu) };
        Ok((volume, menu))
    }

    /// Reads the menus with other devices in sight.
    pub(super) fn read(&self, target: &Target<'_>, others: &[Device<'_>]) -> Menu {
        let files = Metered::menus(&*self.root, &self.budget).seeing(self.sight(others));
        match self.is_top {
            false => menu::read_below(&files, target, ""),
            true => menu::read_subvolumes(&files, target),
        }
    }

    /// Whether a menu has an entry whose kernel is there.
    fn has_kernel(&self, menu: &Menu) -> bool {
        let kernels = menu.entries.iter().filter_map(Entry::kernel);
        kernels.take(MAX_LOOKED_FOR).any(|kernel| self.root.size(kernel).is_ok())
    }

    /// The files, to judge entries and updates.
    pub(super) fn judging(&self) -> Metered<'_> {
        Metered::judging(&*self.root, &self.budget)
    }

    /// What its menus see beside it.
    pub(super) fn sight<'a>(&'a self, others: &'a [Device<'a>]) -> Sight<'a> {
        Sight { others, is_bios: !efivars::has_efi(), ..Sight::alone(&self.identity) }
    }

    /// Has its menu read again when a device is there that it needs.
    pub(super) fn misses(&mut self, by: By, value: &str) {
        let missed = Missed { by, value: value.to_owned() };
        if !self.missed.contains(&missed) {
            self.missed.push(missed);
        }
    }

    /// Whether another device is one that its menus have looked for in vain. Looking for
    /// a file there is paid for by this one.
    pub(super) fn wants(&self, other: &Self) -> bool {
        let files = Metered::menus(&*other.root, &self.budget);
        self.missed.iter().any(|missed| {
            let is_there = || missed.by == By::File && files.has(&missed.value);
            missed.is_meant(&other.identity) || is_there()
        })
    }

    /// How far another device is for its menus: first those of one disk, at last what
    /// anybody can put in.
    pub(super) fn distance(&self, other: &Self) -> u8 {
        match other.candidate.disk == self.candidate.disk {
            true => 0,
            false => 1_u8.saturating_add(other.tier.removable.into()),
        }
    }

    /// It as the menus of others see it.
    pub(super) fn device(&self) -> Device<'_> {
        Device { identity: &self.identity, files: &*self.root }
    }

    /// Lets go of the device, which goes on with the same budget.
    fn into_budget(self) -> Budget {
        self.budget
    }

    fn mount(
        candidate: &Candidate,
        tier: Tier,
        kind: &str,
        subvolume: Option<&str>,
        budget: Budget,
    ) -> Result<Self, Outcome> {
        let name = &candidate.name;
        let place = format!("{}/{name}", mount::VOLUMES);
        let device = mount::Device { name: &format!("/dev/{name}"), window: candidate.window() };
        let mounted = mount::Volume::mount(&device, place, kind, subvolume)
            .map_err(|error| Outcome::Unmounted(error.to_string()))?;
        let root = Root::open(mounted.place());
        let root = Arc::new(root.map_err(|error| Outcome::Unmounted(error.to_string()))?);
        Ok(Self {
            identity: candidate.identity(),
            candidate: candidate.clone(),
            tier,
            root,
            budget,
            is_here: true,
            missed: Vec::new(),
            is_top: subvolume.is_some(),
            mounted: Some(mounted),
        })
    }

    /// A directory as if a device were mounted there.
    #[cfg(test)]
    pub(super) fn at(candidate: &Candidate, tier: Tier, place: &str) -> Self {
        Self {
            identity: candidate.identity(),
            candidate: candidate.clone(),
            tier,
            root: Arc::new(Root::open(place).unwrap()),
            budget: Budget::default(),
            is_here: true,
            missed: Vec::new(),
            is_top: false,
            mounted: None,
        }
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

/// What is to be reported of a device and its menu.
pub(super) fn looked(candidate: &Candidate, outcome: Outcome) -> Looked {
    let found = candidate.filesystem.as_ref();
    let is_mountable = found.is_some_and(|found| found.kind.is_mountable());
    let selector = source::selector(candidate).filter(|_| is_mountable);
    Looked {
        name: candidate.name.clone(),
        description: source::describe(candidate),
        selector: selector.map(|selector| selector.to_string()),
        shut: candidate.shut(),
        outcome,
    }
}

/// What came of reading a menu.
pub(super) fn outcome(menu: &Menu) -> Outcome {
    let faults = match menu.entries.is_empty() {
        true => menu.diagnostics.iter().map(ToString::to_string).collect(),
        false => Vec::new(),
    };
    Outcome::Read { files: menu.read.clone(), faults, entries: menu.entries.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_disk_that_stalls_once_costs_no_budget() {
        let files: menu::Memory = [("/a", b"text".to_vec())].into_iter().collect();
        let budget = Budget::new(Limits::new(1 << 20, Duration::from_millis(400)), CLOCK);
        let metered = Metered::menus(&files, &budget);
        std::thread::sleep(Duration::from_millis(500));
        assert_eq!(metered.read("/a", 9), Ok(Some(b"text".to_vec())));
        drop(metered);
        assert_eq!(Metered::judging(&files, &budget).size("/a"), Ok(4));
    }
}
