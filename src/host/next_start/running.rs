//! Which entry of the menu has started the kernel that runs.
//!
//! No boot loader says so in a way that outlasts a kexec: `BOOT_IMAGE=` is often handed on
//! to another kernel. So it is the entry with this kernel's release in its file's name, or
//! else with the file that the loader has told, and of several the one whose command line
//! the running one is made of.

use crate::menu::{Entry, split};

/// What the running kernel says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Running<'a> {
    /// /proc/cmdline.
    pub cmdline: &'a str,
    /// `uname -r`.
    pub release: &'a str,
}

/// Words that a loader puts in by itself.
const OF_LOADERS: [&str; 2] = ["BOOT_IMAGE=", "initrd="];

/// How well an entry fits, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It starts this kernel.
    Kernel,
    /// With words that the running command line has.
    Words,
    /// With just these words.
    Exact,
}

/// The index of the entry that starts the running kernel as it was started; of several the
/// first. None where no entry has its kernel.
#[must_use]
pub fn entry_of(entries: &[Entry], running: Running<'_>) -> Option<usize> {
    let mut best: Option<(Fit, usize)> = None;
    let by_release = entries.iter().any(|entry| running.is_release_of(entry));
    for (index, entry) in entries.iter().enumerate() {
        let is_kernel =
            if by_release { running.is_release_of(entry) } else { running.is_image_of(entry) };
        let fit = is_kernel.then(|| running.fit(entry));
        if fit > best.map(|(fit, _)| fit) {
            best = fit.map(|fit| (fit, index));
        }
    }
    best.map(|(_, index)| index)
}

/// Whether two entries start one thing.
#[must_use]
pub fn is_same_start(one: &Entry, other: &Entry) -> bool {
    one.volume == other.volume
        && one.kernel() == other.kernel()
        && one.profile == other.profile
        && one.initrds == other.initrds
        && one.options == other.options
}

impl Running<'_> {
    fn fit(&self, entry: &Entry) -> Fit {
        let wanted: Vec<_> = words(&entry.options).filter(|word| !has_slot(word)).collect();
        let slots = words(&entry.options).filter(|word| has_slot(word)).count();
        let has: Vec<_> = words(self.cmdline).collect();
        let is_part = !wanted.is_empty() && wanted.iter().all(|word| has.contains(word));
        let is_all = has.len() == wanted.len().saturating_add(slots);
        match (is_part, is_all) {
            (true, true) => Fit::Exact,
            (true, false) => Fit::Words,
            (false, _) => Fit::Kernel,
        }
    }

    fn is_release_of(&self, entry: &Entry) -> bool {
        kernel_of(entry).is_some_and(|path| is_of_release(path, self.release))
    }

    fn is_image_of(&self, entry: &Entry) -> bool {
        let both = kernel_of(entry).zip(self.image());
        both.is_some_and(|(path, image)| ends_with(path, image) || ends_with(image, path))
    }

    /// The path in `BOOT_IMAGE=`, without GRUB's name of a device.
    fn image(&self) -> Option<&str> {
        let mut words = self.cmdline.split_ascii_whitespace();
        let image = words.find_map(|word| word.strip_prefix("BOOT_IMAGE="))?;
        let path = if image.starts_with('(') { image.split_once(')')?.1 } else { image };
        path.starts_with('/').then_some(path)
    }
}

/// As its own volume has it.
fn kernel_of(entry: &Entry) -> Option<&str> {
    let kernel = entry.kernel()?;
    Some(split(kernel).map_or(kernel, |(_, path)| path))
}

fn words(options: &str) -> impl Iterator<Item = &str> {
    let words = options.split_ascii_whitespace();
    words.filter(|word| !OF_LOADERS.iter().any(|own| word.starts_with(own)))
}

/// A loader may have filled it in, or not.
fn has_slot(word: &str) -> bool {
    word.contains("${")
}

/// A path as it is on its partition, which may be mounted below another.
fn ends_with(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|_| end.starts_with('/'))
}

/// `/vmlinuz-RELEASE`, `/ID/RELEASE/linux`, `/EFI/Linux/ID-RELEASE.efi`.
fn is_of_release(path: &str, release: &str) -> bool {
    if release.is_empty() {
        return false;
    }
    let path = path.strip_suffix(".efi").unwrap_or(path);
    let is_folder = path.split('/').any(|part| part == release);
    let name = path.strip_suffix(release);
    is_folder || name.is_some_and(|name| name.ends_with(['-', '/', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, linux: &str, options: &str) -> Entry {
        Entry {
            id: id.to_owned(),
            linux: Some(linux.to_owned()),
            options: options.to_owned(),
            ..Entry::default()
        }
    }

    /// As Debian's installer leaves it, with two kernels.
    fn menu() -> Vec<Entry> {
        vec![
            entry("simple", "/boot/vmlinuz-6.12", "root=UUID=a ro quiet"),
            entry("new", "/boot/vmlinuz-6.12", "root=UUID=a ro quiet"),
            entry("new-recovery", "/boot/vmlinuz-6.12", "root=UUID=a ro single"),
            entry("old-recovery", "/boot/vmlinuz-6.1", "root=UUID=a ro single"),
            entry("old", "/boot/vmlinuz-6.1", "root=UUID=a ro quiet"),
        ]
    }

    fn found<'a>(menu: &'a [Entry], cmdline: &str, release: &str) -> Option<&'a str> {
        entry_of(menu, Running { cmdline, release }).map(|index| menu[index].id.as_str())
    }

    #[test]
    fn it_is_the_entry_with_this_kernel_and_these_words() {
        let menu = menu();
        for (cmdline, release, id) in [
            ("BOOT_IMAGE=/boot/vmlinuz-6.1 root=UUID=a ro quiet", "6.1", "old"),
            ("BOOT_IMAGE=(hd0,gpt2)/boot/vmlinuz-6.12 root=UUID=a ro quiet", "6.12", "simple"),
            ("BOOT_IMAGE=/vmlinuz-6.1 root=UUID=a ro single", "6.1", "old-recovery"),
            ("root=UUID=a ro quiet", "6.1", "old"),
            ("root=UUID=a ro quiet crashkernel=1G", "6.12", "simple"),
            ("BOOT_IMAGE=/boot/vmlinuz-6.1 root=UUID=b ro", "6.1", "old-recovery"),
            ("BOOT_IMAGE=/boot/vmlinuz-6.1 root=UUID=a ro quiet", "6.12", "simple"),
            ("BOOT_IMAGE=/boot/vmlinuz-6.1 root=UUID=a ro quiet", "6.1-own", "old"),
        ] {
            assert_eq!(found(&menu, cmdline, release), Some(id), "{cmdline}");
        }
    }

    #[test]
    fn a_kernel_that_no_entry_has_is_not_guessed() {
        let menu = menu();
        assert_eq!(found(&menu, "BOOT_IMAGE=/boot/vmlinuz-5.10 root=UUID=a ro quiet", "5"), None);
        assert_eq!(found(&menu, "root=UUID=a ro quiet", "6"), None);
        assert_eq!(found(&menu, "root=UUID=a ro quiet", "2"), None, "of vmlinuz-6.12");
        assert_eq!(found(&menu, "root=UUID=a ro quiet", ""), None);
    }

    #[test]
    fn what_a_loader_fills_in_makes_no_difference() {
        let options = "root=a turnout.boot=${boot}";
        let menu = [entry("a", "/b/6.1/linux", "root=a x"), entry("b", "/b/6.1/linux", options)];
        for cmdline in ["root=a turnout.boot=kexec-00", "root=a turnout.boot=${boot}"] {
            assert_eq!(found(&menu, cmdline, "6.1"), Some("b"), "{cmdline}");
        }
    }

    #[test]
    fn a_unified_kernel_image_and_a_path_on_another_volume_are_known_too() {
        let uki = Entry { uki: Some("/EFI/Linux/debian-6.1.efi".to_owned()), ..Entry::default() };
        assert_eq!(entry_of(&[uki], Running { cmdline: "quiet", release: "6.1" }), Some(0));
        let menu = [entry("a", "(boot)/vmlinuz-6.1", "ro")];
        assert_eq!(found(&menu, "BOOT_IMAGE=/vmlinuz-6.1 ro", "6.1"), Some("a"));
    }

    #[test]
    fn two_entries_of_one_start_are_one() {
        let menu = menu();
        assert!(is_same_start(&menu[0], &menu[1]));
        assert!(!is_same_start(&menu[0], &menu[2]));
    }
}
