//! What a script of GRUB may see of the machine: devices and their files, read-only
//! and within their budgets.
//!
//! A device is called as Linux calls it, in GRUB's form: `vda,gpt2` for `/dev/vda2`, or
//! as the command line named it. GRUB's own names (`hd0,gpt2`) depend on an order of
//! disks that only the firmware knows: nothing here ever guesses what they mean.

pub(super) use crate::menu::sight::{By, Missed};

use crate::menu::sight;

/// Number of a device among those that are seen; 0 is the one that the first script
/// lies on.
pub(super) type Device = usize;

/// A place on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) device: Device,
    /// Absolute and normalised ([`crate::menu::paths::normalise`]); `/` is the root.
    pub(super) path: String,
}

/// What there is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    /// A regular file of so many bytes.
    File(u64),
    Directory,
}

/// The machine as a script sees it.
pub(super) trait World {
    /// GRUB's name of the processor that it was built for: `x86_64`, `i386` (with a
    /// BIOS) or `arm64` (`grub_cpu`).
    fn cpu(&self) -> &str;

    /// GRUB's name of the platform: `efi` or `pc` (`grub_platform`).
    fn platform(&self) -> &str;

    /// Whether the menus of the other devices are read by themselves, too.
    fn has_menus_of_others(&self) -> bool {
        true
    }

    /// What a device is called.
    fn name(&self, device: Device) -> &str;

    /// A place as an entry has it ([`crate::menu::Entry::files`]): `/path` on the device
    /// of its menu, `(name)/path` on any other.
    fn path(&self, place: &Place) -> String {
        match place.device {
            0 => place.path.clone(),
            device => sight::join(self.name(device), &place.path),
        }
    }

    /// How many devices are seen.
    fn count(&self) -> usize;

    /// The device of this name (without parentheses), or of this UUID.
    ///
    /// # Errors
    /// Why it is none that is seen: a sentence without a full stop that begins with
    /// what was looked for.
    fn device(&self, name: &str) -> Result<Device, String>;

    /// The first device that answers, the hinted ones first, then the one that the
    /// first script lies on; a hint that names none that is seen means nothing.
    fn search(&self, by: By, value: &str, hints: &[&str]) -> Option<Device>;

    /// What one property of a device is (`probe`): `None` if it has none.
    fn property(&self, device: Device, by: By) -> Option<&str>;

    /// The name of its file system in GRUB's words (`probe --fs`): `ext2`, `fat`, ...
    fn file_system(&self, device: Device) -> Option<&str>;

    /// A whole file of at most `limit` bytes; `None` if there is none.
    ///
    /// # Errors
    /// A sentence that names the file and says why it cannot be read.
    fn read(&self, place: &Place, limit: usize) -> Result<Option<Vec<u8>>, String>;

    /// What is there; nothing, once the budget of the device has ended.
    fn look(&self, place: &Place) -> Found;

    /// The names in a directory, sorted: at most `most`.
    fn names(&self, directory: &Place, most: usize) -> Vec<String>;

    /// Whether the device's budget lets so many bytes more be kept, and has time left.
    /// A script that gets no for an answer ends.
    fn keep(&self, device: Device, bytes: usize) -> bool;

    /// Whether this value of `next_entry` on this device was used before.
    fn is_used(&self, device: Device, next_entry: &str) -> bool;

    /// What was looked for until now and was not there, each once.
    fn missed(&self) -> Vec<Missed>;
}
