//! Which entry of the menu has started the kernel that runs.
//!
//! No boot loader says so in a way that outlasts a kexec: `BOOT_IMAGE=` is often handed on
//! to another kernel. So it is the entry with this kernel's release in its file's name, or
//! else with the file that the loader has told, and of several the one whose command line
//! the running one is made of. Where several are left that start different things, it is
//! not known: a guess might be the very entry that is about to fail.

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

/// What is known besides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// Id of the entry of which a token proves that it has started the running kernel.
    pub started: Option<&'a str>,
    /// The entry that is about to be started, of whatever format.
    pub target: Option<&'a Entry>,
}

/// Why no entry is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotFound {
    /// None has this kernel.
    Nothing,
    /// These have it, fit alike and start different things.
    Several(Vec<String>),
}

/// The entry that starts the running kernel as it was started; of several that start one
/// thing the first.
///
/// # Errors
/// Why it is not known.
pub fn entry_of<'a>(
    entries: &[&'a Entry],
    running: Running<'_>,
    known: Known<'_>,
) -> Result<&'a Entry, NotFound> {
    let of_kernel = running.of_kernel(entries);
    if let Some(started) = of_kernel.iter().find(|entry| Some(entry.id.as_str()) == known.started) {
        return Ok(started);
    }
    let best = of_kernel.iter().map(|entry| running.fit(entry)).max();
    let fitting = of_kernel.into_iter().filter(|entry| Some(running.fit(entry)) == best);
    one_of(&starts(fitting), known.target, best == Some(Fit::Kernel))
}

/// The only one, or the only one beside what is about to be started. That one by itself
/// counts only where more than the kernel's release speaks for it.
fn one_of<'a>(
    starts: &[&'a Entry],
    target: Option<&Entry>,
    is_vague: bool,
) -> Result<&'a Entry, NotFound> {
    let is_target = |entry: &Entry| target.is_some_and(|target| is_same_start(target, entry));
    let others: Vec<_> = starts.iter().copied().filter(|entry| !is_target(entry)).collect();
    match (starts, others.as_slice()) {
        ([one], _) if !(is_vague && is_target(one)) => Ok(one),
        (_, [other]) => Ok(other),
        (_, []) => Err(NotFound::Nothing),
        _ => Err(NotFound::Several(starts.iter().map(|entry| entry.id.clone()).collect())),
    }
}

/// The first of those that start one thing.
fn starts<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<&'a Entry> {
    let mut starts: Vec<&Entry> = Vec::new();
    for entry in entries {
        if !starts.iter().any(|known| is_same_start(known, entry)) {
            starts.push(entry);
        }
    }
    starts
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
    /// The entries with this kernel: by its release, if any has that.
    fn of_kernel<'a>(&self, entries: &[&'a Entry]) -> Vec<&'a Entry> {
        let mut found = entries.to_vec();
        found.retain(|entry| self.is_release_of(entry));
        if found.is_empty() {
            found = entries.to_vec();
            found.retain(|entry| self.is_image_of(entry));
        }
        found
    }

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

/// Without the boot counter of a unified kernel image, `+LEFT` or `+LEFT-DONE`; a release may
/// have a `+` itself, so only digits count.
fn without_counter(path: &str) -> &str {
    let Some((name, counter)) = path.rsplit_once('+') else { return path };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    let (left, done) = counter.split_once('-').unwrap_or((counter, "0"));
    if is_number(left) && is_number(done) { name } else { path }
}

/// `/vmlinuz-RELEASE`, `/ID/RELEASE/linux`, `/EFI/Linux/ID-RELEASE.efi`.
fn is_of_release(path: &str, release: &str) -> bool {
    if release.is_empty() {
        return false;
    }
    let path = without_counter(path.strip_suffix(".efi").unwrap_or(path));
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

    /// The id, or how many it may be.
    fn found_by(menu: &[Entry], running: Running<'_>, known: Known<'_>) -> Result<String, usize> {
        let entries: Vec<_> = menu.iter().collect();
        match entry_of(&entries, running, known) {
            Ok(entry) => Ok(entry.id.clone()),
            Err(NotFound::Nothing) => Err(0),
            Err(NotFound::Several(ids)) => Err(ids.len()),
        }
    }

    fn found(menu: &[Entry], cmdline: &str, release: &str) -> Result<String, usize> {
        found_by(menu, Running { cmdline, release }, Known::default())
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
            ("BOOT_IMAGE=/boot/vmlinuz-6.1 root=UUID=a ro quiet", "6.12", "simple"),
            ("BOOT_IMAGE=/boot/vmlinuz-6.1 root=UUID=a ro quiet", "6.1-own", "old"),
        ] {
            assert_eq!(found(&menu, cmdline, release).as_deref(), Ok(id), "{cmdline}");
        }
    }

    #[test]
    fn a_kernel_that_no_entry_has_is_not_guessed() {
        let menu = menu();
        assert_eq!(found(&menu, "BOOT_IMAGE=/boot/vmlinuz-5.10 root=UUID=a ro quiet", "5"), Err(0));
        assert_eq!(found(&menu, "root=UUID=a ro quiet", "6"), Err(0));
        assert_eq!(found(&menu, "root=UUID=a ro quiet", "2"), Err(0), "of vmlinuz-6.12");
        assert_eq!(found(&menu, "root=UUID=a ro quiet", ""), Err(0));
    }

    #[test]
    fn what_a_loader_fills_in_makes_no_difference() {
        let options = "root=a turnout.boot=${boot}";
        let menu = [entry("a", "/b/6.1/linux", "root=a x"), entry("b", "/b/6.1/linux", options)];
        for cmdline in ["root=a turnout.boot=kexec-00", "root=a turnout.boot=${boot}"] {
            assert_eq!(found(&menu, cmdline, "6.1").as_deref(), Ok("b"), "{cmdline}");
        }
    }

    #[test]
    fn a_unified_kernel_image_and_a_path_on_another_volume_are_known_too() {
        for name in ["debian-6.1", "debian-6.1+3", "debian-6.1+2-1", "6.1"] {
            let uki = Some(format!("/EFI/Linux/{name}.efi"));
            let uki = [Entry { id: "uki".to_owned(), uki, ..Entry::default() }];
            assert_eq!(found(&uki, "quiet", "6.1").as_deref(), Ok("uki"), "{name}");
        }
        let of_git = [entry("git", "/b/vmlinuz-6.1+", "ro")];
        assert_eq!(found(&of_git, "ro", "6.1+").as_deref(), Ok("git"));
        assert_eq!(found(&of_git, "ro", "6.1"), Err(0));
        let menu = [entry("a", "(boot)/vmlinuz-6.1", "ro")];
        assert_eq!(found(&menu, "BOOT_IMAGE=/vmlinuz-6.1 ro", "6.1").as_deref(), Ok("a"));
    }

    /// Two that differ in their initrd alone, as after a new initrd was made.
    fn alike() -> [Entry; 2] {
        let of = |id, initrd: &str| Entry {
            initrds: vec![initrd.to_owned()],
            ..entry(id, "/boot/vmlinuz-6.1", "root=a ro")
        };
        [of("next", "/boot/initrd-new"), of("now", "/boot/initrd-old")]
    }

    #[test]
    fn what_is_about_to_be_started_is_no_way_back_where_another_may_run() {
        let menu = alike();
        let running = Running { cmdline: "root=a ro", release: "6.1" };
        let target = |entry| Known { target: Some(entry), ..Known::default() };
        assert_eq!(found_by(&menu, running, target(&menu[0])).as_deref(), Ok("now"));
        assert_eq!(found_by(&menu, running, target(&menu[1])).as_deref(), Ok("next"));
        let of_no_script = Entry { id: "signed".to_owned(), ..menu[0].clone() };
        assert_eq!(found_by(&menu, running, target(&of_no_script)).as_deref(), Ok("now"));
        assert_eq!(found_by(&menu, running, Known::default()), Err(2), "not guessed");
        let another = entry("another", "/boot/vmlinuz-6.12", "root=a ro");
        assert_eq!(found_by(&menu, running, target(&another)), Err(2), "not guessed");
    }

    #[test]
    fn the_running_entry_may_be_started_again_but_not_with_other_words() {
        let menu = [entry("a", "/boot/vmlinuz-6.1", "root=a ro")];
        let known = Known { target: Some(&menu[0]), ..Known::default() };
        let running = |cmdline| Running { cmdline, release: "6.1" };
        assert_eq!(found_by(&menu, running("root=a ro x"), known).as_deref(), Ok("a"));
        assert_eq!(found_by(&menu, running("root=b ro"), known), Err(0));
        assert_eq!(found(&menu, "root=b ro", "6.1").as_deref(), Ok("a"), "it is nothing else's");
    }

    #[test]
    fn what_a_token_proves_comes_first_if_it_has_this_kernel() {
        let menu = alike();
        let known = Known { started: Some("next"), target: Some(&menu[0]) };
        let running = |release| Running { cmdline: "root=a ro", release };
        assert_eq!(found_by(&menu, running("6.1"), known).as_deref(), Ok("next"));
        assert_eq!(found_by(&menu, running("6.12"), known), Err(0));
    }

    #[test]
    fn two_entries_of_one_start_are_one() {
        let menu = menu();
        assert!(is_same_start(&menu[0], &menu[1]));
        assert!(!is_same_start(&menu[0], &menu[2]));
    }
}
