//! What scripts of GRUB see of devices: the one that their menu lies on and those in
//! sight beside it, all within the budget of the first.
//!
//! A name that only GRUB, its firmware or a file can give a meaning to is never
//! guessed; what it would have been is said.

use core::cell::RefCell;

use super::world::{By, Device, Found, Missed, Place, World};
use crate::base::arch::Arch;
use crate::base::text::quoted;
use crate::base::used;
use crate::menu::Target;
use crate::menu::metered::{Metered, Sieve};
use crate::menu::sight::{Identity, MAIN};

/// Most things that were looked for in vain that are remembered.
const MAX_MISSED: usize = 64;

/// How names begin that no device of Linux has, and what those are.
const FOREIGN: [(&str, &str); 16] = [
    ("lvm/", "is a logical volume of LVM, and none is opened"),
    ("lvmid/", "is a logical volume of LVM, and none is opened"),
    ("md/", "is a RAID, and none is put together"),
    ("mduuid/", "is a RAID, and none is put together"),
    ("ldm/", "is a dynamic disk of Windows, and none is opened"),
    ("crypto", "is encrypted, and nobody is asked for its key"),
    ("loop", "is a file on a device, and none is opened as a device"),
    ("memdisk", "is a part of GRUB itself"),
    ("proc", "is a part of GRUB itself"),
    ("cbfsdisk", "is a part of the firmware"),
    ("tftp", "is on the network, and nothing is read from there"),
    ("http", "is on the network, and nothing is read from there"),
    ("pxe", "is on the network, and nothing is read from there"),
    ("hd", FIRMWARE),
    ("fd", FIRMWARE),
    ("cd", FIRMWARE),
];

/// What depends on what Linux cannot know.
const FIRMWARE: &str = "is GRUB's name and depends on the firmware's order of disks";

/// The devices, by number.
pub(super) struct Devices<'a> {
    files: &'a Metered<'a>,
    target: &'a Target<'a>,
    missed: RefCell<Vec<Missed>>,
}

impl<'a> Devices<'a> {
    /// The device that `files` is of, and all that it sees.
    pub(super) const fn new(files: &'a Metered<'a>, target: &'a Target<'a>) -> Self {
        Self { files, target, missed: RefCell::new(Vec::new()) }
    }

    fn identity(&self, device: Device) -> Option<&'a Identity> {
        let sight = self.files.sight();
        match device.checked_sub(1) {
            None => sight.home,
            Some(other) => Some(sight.others.get(other)?.identity),
        }
    }

    fn all(&self) -> core::ops::Range<Device> {
        0..self.count()
    }

    /// Whether a device is what is looked for.
    fn is(&self, device: Device, by: By, value: &str) -> bool {
        match by {
            By::File => {
                let path = value.to_owned();
                self.files.look(&self.path(&Place { device, path })).is_some()
            }
            By::Name => self.identity(device).is_some_and(|one| one.is_called(value)),
            by => self.identity(device).is_some_and(|one| one.is(by, value)),
        }
    }

    fn miss(&self, by: By, value: &str) {
        let missed = Missed { by, value: value.to_owned() };
        let mut all = self.missed.borrow_mut();
        if all.len() < MAX_MISSED && !all.contains(&missed) && self.files.keep(value.len()) {
            all.push(missed);
        }
    }
}

impl World for Devices<'_> {
    fn cpu(&self) -> &str {
        match self.target.arch {
            Arch::X86_64 if self.files.sight().is_bios => "i386",
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "arm64",
        }
    }

    fn platform(&self) -> &str {
        if self.files.sight().is_bios { "pc" } else { "efi" }
    }

    fn has_menus_of_others(&self) -> bool {
        !self.files.sight().is_one_file
    }

    fn name(&self, device: Device) -> &str {
        self.identity(device).map_or(MAIN, Identity::name)
    }

    fn count(&self) -> usize {
        self.files.sight().others.len().saturating_add(1)
    }

    fn device(&self, name: &str) -> Result<Device, String> {
        let by_name = self.all().find(|device| self.name(*device) == name);
        let found = by_name.or_else(|| self.all().find(|device| self.is(*device, By::Name, name)));
        let Some(device) = found else { return Err(self.no_device(name)) };
        Ok(device)
    }

    fn search(&self, by: By, value: &str, hints: &[&str]) -> Option<Device> {
        let hinted = hints.iter().filter_map(|hint| {
            let name = hint.trim_matches(['(', ')']).trim_end_matches(',');
            self.all().find(|device| self.name(*device) == name)
        });
        let found = hinted.chain(self.all()).find(|device| self.is(*device, by, value));
        if found.is_none() {
            self.miss(by, value);
        }
        found
    }

    fn property(&self, device: Device, by: By) -> Option<&str> {
        self.identity(device)?.property(by)
    }

    fn file_system(&self, device: Device) -> Option<&str> {
        self.identity(device)?.file_system.map(in_grubs_words)
    }

    fn read(&self, place: &Place, limit: usize) -> Result<Option<Vec<u8>>, String> {
        self.files.read(&self.path(place), limit)
    }

    fn look(&self, place: &Place) -> Found {
        let path = self.path(place);
        match self.files.look(&path) {
            Some(size) => Found::File(size),
            None if self.files.has_directory(&path) => Found::Directory,
            None => Found::Nothing,
        }
    }

    fn names(&self, directory: &Place, most: usize) -> Vec<String> {
        let sieve = Sieve { wanted: |_| true, most };
        self.files.names(&self.path(directory), sieve).unwrap_or_default().names
    }

    fn keep(&self, _: Device, bytes: usize) -> bool {
        self.files.keep(bytes)
    }

    fn is_used(&self, device: Device, next_entry: &str) -> bool {
        let Some(one) = self.identity(device) else { return false };
        let key = used::key(one.partuuid.as_deref(), one.uuid.as_deref());
        used::is_used(self.target.used, key, next_entry)
    }

    fn missed(&self) -> Vec<Missed> {
        self.missed.borrow().clone()
    }
}

impl Devices<'_> {
    /// Why a name is none of a device that is seen. What may come yet is remembered.
    fn no_device(&self, name: &str) -> String {
        if name.is_empty() {
            return "no device is named".to_owned();
        }
        let mut said = quoted(name);
        let foreign = FOREIGN.iter().find(|(start, _)| begins(name, start));
        said.push(' ');
        said.push_str(foreign.map_or("is no device that is seen", |(_, what)| what));
        if foreign.is_none() {
            self.miss(By::Name, name);
        }
        said
    }
}

/// Whether a name begins so; numbers follow where it is of the firmware's.
fn begins(name: &str, start: &str) -> bool {
    let rest = name.strip_prefix(start);
    rest.is_some_and(|rest| start.len() > 2 || rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// What GRUB calls a file system of Linux.
fn in_grubs_words(kind: &str) -> &str {
    match kind {
        "ext4" => "ext2",
        "vfat" => "fat",
        "squashfs" => "squash4",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::menu::{Budget, Device as Other, Limits, Memory, Sight};
    use core::time::Duration;

    fn identity(name: &str, uuid: &str, label: &str) -> Identity {
        Identity {
            name: name.to_owned(),
            uuid: Some(uuid.to_owned()),
            label: Some(label.to_owned()),
            partuuid: Some(format!("part-{uuid}")),
            file_system: Some("ext4"),
            ..Identity::default()
        }
    }

    /// What a script on the second of three devices sees.
    fn with<T>(limits: Limits, sees: impl FnOnce(&Devices<'_>) -> T) -> T {
        let used = [used::Used::new(Some("part-aaaa-0001"), "1>2").unwrap()];
        let esp: Memory = [("/EFI/a", "text"), ("/both", "")].into_iter().collect();
        let root: Memory = [("/boot/grub/a", "xy"), ("/both", "1")].into_iter().collect();
        let iso: Memory = [("/both", "22")].into_iter().collect();
        let names = [
            identity("vda,gpt1", "AAAA-0001", "ESP"),
            identity("vda,gpt2", "bb-2", "root"),
            identity("hd0,msdos1", "cc-3", "root"),
        ];
        let others = [
            Other { identity: &names[0], files: &esp },
            Other { identity: &names[2], files: &iso },
        ];
        let budget = Budget::new(limits, || Duration::ZERO);
        let sight = Sight { others: &others, ..Sight::alone(&names[1]) };
        let files = Metered::menus(&root, &budget).seeing(sight);
        sees(&Devices::new(&files, &Target { used: &used, ..Target::new(Arch::X86_64, &[]) }))
    }

    fn at(device: Device, path: &str) -> Place {
        Place { device, path: path.to_owned() }
    }

    #[test]
    fn a_device_is_found_by_its_name_then_by_its_uuid() {
        with(Limits::DEFAULT, |world| {
            for (name, expected) in [
                ("vda,gpt2", 0),
                ("vda,gpt1", 1),
                ("aaaa-0001", 1),
                ("UUID=BB-2", 0),
                ("LABEL=ESP", 1),
                // Somebody has called it so.
                ("hd0,msdos1", 2),
            ] {
                assert_eq!(world.device(name), Ok(expected), "{name}");
            }
            assert_eq!(world.missed(), []);
        });
    }

    #[test]
    fn a_name_that_linux_cannot_know_is_never_guessed() {
        let firmware = "is GRUB's name and depends on the firmware's order of disks";
        with(Limits::DEFAULT, |world| {
            for (name, said) in [
                ("hd0,gpt2", firmware),
                ("hd0", firmware),
                ("cd0", firmware),
                ("lvm/vg-root", "is a logical volume of LVM, and none is opened"),
                ("md/0", "is a RAID, and none is put together"),
                ("cryptouuid/12", "is encrypted, and nobody is asked for its key"),
                ("memdisk", "is a part of GRUB itself"),
                ("loop", "is a file on a device, and none is opened as a device"),
                ("tftp,10.0.0.1", "is on the network, and nothing is read from there"),
                ("hda,gpt1", "is no device that is seen"),
                ("vdb,gpt1", "is no device that is seen"),
            ] {
                assert_eq!(world.device(name), Err(format!("\"{name}\" {said}")));
            }
            assert_eq!(world.device(""), Err("no device is named".to_owned()));
            let missed = ["hda,gpt1", "vdb,gpt1"];
            let missed = missed.map(|name| Missed { by: By::Name, value: name.to_owned() });
            assert_eq!(world.missed(), missed, "only what may come yet");
        });
    }

    #[test]
    fn a_search_takes_hinted_devices_first_and_then_its_own() {
        with(Limits::DEFAULT, |world| {
            for (by, value, hints, expected) in [
                (By::File, "/both", &[][..], Some(0)),
                (By::File, "/both", &["hd9,gpt1", "vda,gpt1"], Some(1)),
                (By::File, "/EFI/a", &["vda,gpt2"], Some(1)),
                (By::File, "/boot/grub", &[], None),
                (By::Label, "root", &[], Some(0)),
                (By::Label, "root", &["(hd0,msdos1)"], Some(2)),
                (By::Label, "Root", &[], None),
                (By::Uuid, "BB-2", &[], Some(0)),
                (By::PartUuid, "PART-cc-3", &[], Some(2)),
                (By::PartLabel, "", &[], None),
            ] {
                assert_eq!(world.search(by, value, hints), expected, "{by:?} {value}");
            }
            let missed: Vec<_> = world.missed().into_iter().map(|one| one.value).collect();
            assert_eq!(missed, ["/boot/grub", "Root", ""]);
            assert_eq!(world.search(By::Label, "Root", &[]), None);
            assert_eq!(world.missed().len(), 3, "each once");
        });
    }

    #[test]
    fn files_and_directories_of_every_device_are_seen() {
        with(Limits::DEFAULT, |world| {
            assert_eq!(world.look(&at(0, "/boot/grub/a")), Found::File(2));
            assert_eq!(world.look(&at(0, "/boot")), Found::Directory);
            assert_eq!(world.look(&at(1, "/")), Found::Directory);
            assert_eq!(world.look(&at(1, "/boot")), Found::Nothing);
            assert_eq!(world.look(&at(9, "/both")), Found::Nothing);
            assert_eq!(world.read(&at(1, "/EFI/a"), 9), Ok(Some(b"text".to_vec())));
            assert_eq!(world.names(&at(1, "/"), 9), ["EFI", "both"]);
            assert_eq!(world.path(&at(0, "/a")), "/a");
            assert_eq!(world.path(&at(1, "/a")), "(vda,gpt1)/a");
            let long = "(vda,gpt1)/EFI/a: 4 bytes long, at most 3 are read";
            assert_eq!(world.read(&at(1, "/EFI/a"), 3), Err(long.to_owned()));
        });
    }

    #[test]
    fn what_probe_tells_is_in_grubs_words() {
        with(Limits::DEFAULT, |world| {
            assert_eq!((world.cpu(), world.platform()), ("x86_64", "efi"));
            assert_eq!((world.count(), world.name(2)), (3, "hd0,msdos1"));
            assert_eq!(world.file_system(1), Some("ext2"));
            assert_eq!(world.property(1, By::Label), Some("ESP"));
            assert_eq!(
                (world.property(1, By::PartLabel), world.property(9, By::Uuid)),
                (None, None)
            );
        });
    }

    #[test]
    fn a_choice_for_one_boot_is_known_by_its_device() {
        with(Limits::DEFAULT, |world| {
            let used = [(1, "1>2"), (1, "1>3"), (0, "1>2"), (9, "1>2")];
            assert_eq!(
                used.map(|(device, it)| world.is_used(device, it)),
                [true, false, false, false]
            );
        });
    }

    #[test]
    fn all_devices_are_read_at_the_cost_of_the_one_with_the_menu() {
        with(Limits::new(1 << 10, Duration::from_secs(1)), |world| {
            assert!(world.keep(0, 100) && !world.keep(1, 1000));
            assert_eq!(world.look(&at(1, "/both")), Found::Nothing);
            assert_eq!(world.search(By::Label, "none", &[]), None);
            assert_eq!(world.missed(), [], "nothing more is kept");
        });
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        with(Limits::DEFAULT, |world| {
            for number in 0..100 {
                assert_eq!(world.search(By::Uuid, &number.to_string(), &[]), None);
            }
            assert_eq!(world.missed().len(), MAX_MISSED);
        });
    }
}
