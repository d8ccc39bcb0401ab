//! What `turnout boot` would start by itself, looked into: the kernel's version, and
//! what lies in its initrds.

use core::time::Duration;

use crate::base::patience::Patience;
use crate::check::facts::Target;
use crate::failure::Failure;
use crate::image::initramfs::{self, Release};
use crate::image::{self, Limits};
use crate::plan;
use crate::steps::prepare::{self, Proven};
use crate::sys::survey::{Tree, installed};
use crate::sys::{clock, machine};

/// Bytes that the initrds of an entry may unpack to: those of Debian have half of it.
const MAX_UNPACKED: u64 = 256 << 20;
/// How long they may take. Without a key ring nobody has signed them.
const LOOK: Duration = Duration::from_secs(5);

/// What the files of an entry say; they are proven, so that they can be looked into.
pub(super) fn of(id: &str, proven: &Proven, tree: &Tree) -> Target {
    let (release, initrd) = match look_into(proven) {
        Ok(Inside { release, initrd }) => (release, initrd),
        Err(failure) => (None, Err(failure.sentence())),
    };
    let there = release.as_deref().map(|release| installed(tree, release)).unwrap_or_default();
    Target {
        id: id.to_owned(),
        release,
        initrd,
        builtin: there.builtin,
        has_modules: there.is_there,
    }
}

/// What an entry's files say.
struct Inside {
    release: Option<String>,
    initrd: Result<Vec<Release>, String>,
}

fn look_into(proven: &Proven) -> Result<Inside, Failure> {
    let limits = Limits { output: machine::memory_for_files() };
    let unpacked = prepare::identify(proven, &limits).map_err(|error| {
        let path = &proven.get().linux.path;
        Failure::broken("IMAGE", format!("{path}: {error}"))
    })?;
    let release = image::describe(&unpacked).version;
    let initrds = plan::initrds(proven.get());
    let initrds = initrds.map_err(|error| Failure::broken("IMAGE", error.to_string()))?;
    let initrd = inside(&initrds, Patience::new(clock::spent, LOOK));
    Ok(Inside { release, initrd })
}

/// In a quarter of the memory that is free: the decoder may hold the same once more.
fn inside(initrds: &[&[u8]], patience: Patience) -> Result<Vec<Release>, String> {
    let limit = (machine::memory_for_files() / 2).min(MAX_UNPACKED);
    initramfs::releases(initrds, limit, patience).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::arguments::Asked;
    use super::super::judge::Judge;
    use super::*;
    use crate::base::arch::Arch;
    use crate::base::cpio::{Member, TRAILER, put};
    use crate::image::bzimage;

    const RELEASE: &str = "6.1.0";

    /// A directory that is a boot partition and the root of a machine.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("turnout-{name}-{}", std::process::id()));
            let scratch = Self(root);
            scratch.write("vmlinuz", &bzimage::testing::debian());
            let entry = "title a\nlinux /vmlinuz\ninitrd /initrd\noptions root=LABEL=a\n";
            scratch.write("loader/entries/a.conf", entry.as_bytes());
            scratch
        }

        fn write(&self, path: &str, content: &[u8]) {
            let path = self.0.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }

        fn target(&self) -> Target {
            let mut asked = Asked { arch: Some(Arch::X86_64), ..Asked::default() };
            asked.source.take("root", self.0.as_os_str()).unwrap();
            let (judge, _) = Judge::new(&asked).unwrap();
            let entry = &judge.menus.menu.entries[0];
            let found = judge.examine(entry).unwrap();
            let proven = judge.prove(entry, found.verdict().unwrap()).unwrap();
            of(&entry.id, &proven, &Tree::at(&self.0))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn initrd(path: &str) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, &Member { path, ..Member::default() });
        put(&mut out, &Member { path: TRAILER, ..Member::default() });
        out
    }

    #[test]
    fn an_entry_is_looked_into() {
        let scratch = Scratch::new("target");
        scratch.write("initrd", &initrd("lib/modules/6.1.0/kernel/fs/ext4.ko"));
        scratch.write("lib/modules/6.1.0/modules.builtin", b"kernel/drivers/nvme.ko\n");
        let target = scratch.target();
        assert_eq!(target.release.as_deref(), Some(RELEASE));
        let inside = target.initrd.unwrap();
        assert_eq!((inside[0].name.as_str(), inside.len()), (RELEASE, 1));
        assert_eq!(inside[0].modules, ["ext4"]);
        assert_eq!(target.builtin, Some(vec!["nvme".to_owned()]));
        assert!(target.has_modules && target.id.starts_with('a'));
    }

    /// A Zstandard frame of 4 bytes for each 128 KiB that it unpacks to (RFC 8878).
    fn bomb(megabytes: u32) -> Vec<u8> {
        const BLOCK: u32 = 128 << 10;
        // No size, no checksum; a window of 8 MiB.
        let mut frame = b"\x28\xb5\x2f\xfd\0\x68".to_vec();
        for left in (0..megabytes * 8).rev() {
            let [low, middle, high, _] = (BLOCK << 3 | 1 << 1 | u32::from(left == 0)).to_le_bytes();
            frame.extend([low, middle, high, 0]);
        }
        frame
    }

    fn peak() -> String {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        status.lines().find(|line| line.starts_with("VmHWM")).unwrap().to_owned()
    }

    /// Printed with --nocapture: what looking into hostile initrds takes.
    #[test]
    fn an_initrd_that_unpacks_to_all_memory_is_left_in_time() {
        let (start, before) = (clock::spent(), peak());
        let bomb = bomb(4096);
        let why = inside(&[&bomb], Patience::new(clock::spent, LOOK)).unwrap_err();
        let took = clock::spent().saturating_sub(start);
        println!("{} bytes: {took:?}, {before} before, {} after: {why}", bomb.len(), peak());
        let is_left = why.contains("more than the") || why.contains("than there is time for");
        assert!(is_left && took < 2 * LOOK, "{why}: {took:?}");
    }

    #[test]
    fn an_initrd_of_a_million_streams_is_left_in_time() {
        let start = clock::spent();
        let empty = crate::image::testing::gzip(&[0]).repeat(1_000_000);
        let patience = Patience::new(clock::spent, Duration::from_millis(200));
        let why = inside(&[&empty], patience).unwrap_err();
        let took = clock::spent().saturating_sub(start);
        println!("{} bytes: {took:?}: {why}", empty.len());
        assert!(why.contains("than there is time for") && took < LOOK, "{why}: {took:?}");
    }

    #[test]
    fn what_cannot_be_looked_into_says_why() {
        let scratch = Scratch::new("target-damaged");
        scratch.write("initrd", b"no archive");
        let target = scratch.target();
        assert_eq!(target.release.as_deref(), Some(RELEASE));
        assert_eq!(target.initrd, Err("no archive begins at byte 0".to_owned()));
        assert!(!target.has_modules);
    }
}
