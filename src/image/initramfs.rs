//! Which kernel modules lie in an initramfs, and for which kernel.
//!
//! An initramfs is archives behind one another, each plain or compressed, with zeros
//! between them. Nothing here decides what is started: a look that fails says only that
//! nothing is known. Never unpacks more than it is allowed, nor longer: nobody may have
//! signed it. Specification: Linux,
//! Documentation/driver-api/early-userspace/buffer-format.rst; kmod's modules.builtin.

use core::fmt;

use super::compression::{self, Compressor};
use crate::base::cpio;
use crate::base::patience::Patience;

/// Where modules lie, below a folder for each kernel.
const FOLDERS: [&str; 2] = ["lib/modules/", "usr/lib/modules/"];
/// How dracut calls a file system with all the others in it, of which nothing is known.
const PACKED: [&str; 3] = ["squashfs-root.img", "squash-root.img", "erofs-root.img"];
/// Kernels that are told apart, and modules that are kept of each: Debian's have 4500.
/// What is beyond is passed over, so that no archive takes all memory for names.
const MAX_RELEASES: usize = 64;
const MAX_MODULES: usize = 1 << 15;
/// The list of what is built in, in such a folder.
const BUILTIN: &str = "modules.builtin";

/// What lies there for one kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// As `uname -r` gives it.
    pub name: String,
    /// Names of the modules whose files are there, as [`module`] writes them.
    pub modules: Vec<String>,
    /// Names of what is built into that kernel; none where no list says it.
    pub builtin: Option<Vec<String>>,
}

/// Why nothing is known of an initramfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Neither an archive nor a stream begins at this byte.
    Unknown(usize),
    /// A member of an archive is damaged or cut off.
    Member,
    /// The files lie in this one, which is a file system of its own.
    Packed(&'static str),
    /// The time that there was for it is over.
    Late,
    /// A stream cannot be unpacked.
    Stream(compression::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(at) => write!(f, "no archive begins at byte {at}"),
            Self::Member => f.write_str("an archive in it is damaged or cut off"),
            Self::Packed(name) => write!(f, "its files lie in {name}, a file system of its own"),
            Self::Late => f.write_str("it takes longer to unpack than there is time for a look"),
            Self::Stream(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {}

/// What lies in these initramfs, in their order, whose streams may unpack to `limit`
/// bytes together, in so much time.
///
/// # Errors
/// [`Error`] of the first that cannot be looked through.
pub fn releases(initrds: &[&[u8]], limit: u64, patience: Patience) -> Result<Vec<Release>, Error> {
    let mut look = Look { left: limit, patience, found: Vec::new() };
    for initrd in initrds {
        look.through(initrd)?;
    }
    Ok(look.found)
}

/// The name of the module in this file: Linux takes both kinds of dashes for one.
#[must_use]
pub fn module(path: &str) -> Option<String> {
    let (name, ending) = path.rsplit('/').next()?.split_once('.')?;
    let is_module = ending == "ko" || ending.starts_with("ko.");
    is_module.then(|| name.replace('-', "_"))
}

/// The names in a list of modules' paths, such as modules.builtin.
#[must_use]
pub fn listed(text: &str) -> Vec<String> {
    text.lines().filter_map(|line| module(line.trim())).collect()
}

struct Look {
    /// Bytes that may still be unpacked.
    left: u64,
    /// Until when.
    patience: Patience,
    found: Vec<Release>,
}

impl Look {
    fn through(&mut self, initrd: &[u8]) -> Result<(), Error> {
        let mut rest = without_zeros(initrd);
        while !rest.is_empty() {
            // A stream may hold nothing, and there may be millions of them.
            if self.patience.is_over() {
                return Err(Error::Late);
            }
            let behind = match Compressor::recognise(rest) {
                _ if cpio::begins(rest) => self.archive(rest)?,
                Some(compressor) => self.stream(compressor, rest)?,
                None => return Err(Error::Unknown(initrd.len().saturating_sub(rest.len()))),
            };
            rest = without_zeros(behind);
        }
        Ok(())
    }

    fn stream<'a>(&mut self, compressor: Compressor, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        let first =
            compressor.decode_first(bytes, self.left, self.patience).map_err(Error::Stream)?;
        self.left = self.left.saturating_sub(first.output.len() as u64);
        let mut inner = without_zeros(&first.output);
        while !inner.is_empty() {
            inner = without_zeros(self.archive(inner)?);
        }
        Ok(first.rest)
    }

    /// Gives what follows the archive.
    fn archive<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let member = cpio::take(&mut rest).ok_or(Error::Member)?;
            if member.path == cpio::TRAILER.as_bytes() {
                break;
            }
            self.member(&member)?;
        }
        Ok(rest)
    }

    fn member(&mut self, member: &cpio::Found<'_>) -> Result<(), Error> {
        let Ok(path) = core::str::from_utf8(member.path) else { return Ok(()) };
        let path = path.trim_start_matches("./").trim_start_matches('/');
        if let Some(name) = PACKED.iter().find(|name| **name == path) {
            return Err(Error::Packed(name));
        }
        let below = FOLDERS.iter().find_map(|folder| path.strip_prefix(folder));
        if let Some((release, file)) = below.and_then(|below| below.split_once('/')) {
            self.file(release, file, member.content);
        }
        Ok(())
    }

    /// A file in the folder of a kernel's modules.
    fn file(&mut self, release: &str, path: &str, content: &[u8]) {
        let Some(release) = self.release(release) else { return };
        if path == BUILTIN {
            release.builtin = Some(listed(&String::from_utf8_lossy(content)));
        } else if release.modules.len() < MAX_MODULES {
            release.modules.extend(module(path));
        }
    }

    fn release(&mut self, name: &str) -> Option<&mut Release> {
        let is_known = self.found.iter().any(|release| release.name == name);
        if !is_known && self.found.len() < MAX_RELEASES {
            self.found.push(Release { name: name.to_owned(), ..Release::default() });
        }
        self.found.iter_mut().find(|release| release.name == name)
    }
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;
    use core::time::Duration;

    use super::*;
    use crate::base::cpio::{Member, TRAILER, put};
    use crate::image::testing::gzip;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (path, content) in files {
            put(&mut out, &Member { path, content, ..Member::default() });
        }
        put(&mut out, &Member { path: TRAILER, ..Member::default() });
        out
    }

    const LIMIT: u64 = 1 << 20;

    fn look(initrds: &[&[u8]], limit: u64) -> Result<Vec<Release>, Error> {
        releases(initrds, limit, Patience::ENDLESS)
    }

    #[test]
    fn modules_are_found_behind_an_archive_of_microcode() {
        let early = archive(&[("kernel/x86/microcode/GenuineIntel.bin", b"x")]);
        let modules: &[(&str, &[u8])] = &[
            ("usr/lib/modules/6.12.1/kernel/fs/ext4/ext4.ko.xz", b"x"),
            ("./lib/modules/6.12.1/kernel/drivers/ata/sata-x.ko", b"x"),
            ("lib/modules/6.12.1/modules.builtin", b"kernel/fs/xfs/xfs.ko\n"),
            ("lib/modules/6.1.0/kernel/nvme.ko.zst", b""),
            ("lib/firmware/x.ko", b""),
        ];
        let initrd = [early, vec![0; 512], gzip(&archive(modules)), vec![0; 3]].concat();
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let found = look(&[&initrd], LIMIT).unwrap();
        let expected = [
            Release {
                name: "6.12.1".to_owned(),
                modules: names(&["ext4", "sata_x"]),
                builtin: Some(names(&["xfs"])),
            },
            Release { name: "6.1.0".to_owned(), modules: names(&["nvme"]), builtin: None },
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_lies_in_several_initramfs_counts_together() {
        let first = archive(&[("lib/modules/1/a.ko", b"")]);
        let second = gzip(&archive(&[("lib/modules/1/b.ko", b"")]));
        let third = [second.clone(), archive(&[("lib/modules/1/c.ko", b"")])].concat();
        let found = look(&[&first, &third], LIMIT).unwrap();
        assert_eq!(found[0].modules, ["a", "b", "c"]);
        assert_eq!(look(&[], LIMIT).unwrap(), []);
    }

    #[test]
    fn nothing_is_known_of_what_is_damaged_or_too_long() {
        let plain = archive(&[("lib/modules/1/a.ko", &[7; 5000])]);
        let cut = &plain[..plain.len() / 2];
        assert_eq!(look(&[cut], LIMIT), Err(Error::Member));
        assert_eq!(look(&[b"\0\0hello"], LIMIT), Err(Error::Unknown(2)));
        assert_eq!(look(&[&gzip(cut)], LIMIT), Err(Error::Member));
        assert_eq!(look(&[&gzip(b"hello")], LIMIT), Err(Error::Member));
        let packed = gzip(&plain);
        let too_long = look(&[&packed], 4096).unwrap_err();
        let words = "it unpacks (gzip) to more than the 4096 bytes that there is room for";
        assert_eq!(too_long.to_string(), words);
        // Both streams together.
        let length = plain.len() as u64;
        assert_eq!(look(&[&packed], length).unwrap().len(), 1);
        let twice = [packed.clone(), packed].concat();
        assert!(matches!(look(&[&twice], length), Err(Error::Stream(_))));
    }

    #[test]
    fn what_lies_in_a_file_system_of_its_own_is_not_known() {
        let packed = archive(&[("init", b""), ("./squashfs-root.img", b"hsqs")]);
        let error = look(&[&packed], LIMIT).unwrap_err();
        let words = "its files lie in squashfs-root.img, a file system of its own";
        assert_eq!(error.to_string(), words);
    }

    thread_local! {
        static LOOKS: Cell<u64> = const { Cell::new(0) };
    }

    /// A clock that goes on by a second whenever it is looked at.
    fn ticking() -> Duration {
        Duration::from_secs(LOOKS.replace(LOOKS.get() + 1))
    }

    #[test]
    fn a_look_ends_when_its_time_is_over_within_a_stream_and_between_streams() {
        let long = gzip(&vec![1; 16 << 20]);
        let within = |time| {
            let patience = Patience::new(ticking, Duration::from_secs(time));
            releases(&[&long], u64::MAX, patience).unwrap_err()
        };
        let late = within(4);
        let words = "it takes longer to unpack (gzip) than there is time for a look";
        assert_eq!(late.to_string(), words);
        assert_eq!(within(99), Error::Member, "no archive, with time enough");
        let empty = gzip(&[0]).repeat(100);
        let patience = Patience::new(ticking, Duration::from_secs(30));
        let late = releases(&[&empty], LIMIT, patience).unwrap_err().to_string();
        assert!(late.contains("than there is time for a look"), "{late}");
    }

    #[test]
    fn an_archive_of_names_alone_is_kept_in_bounds() {
        let mut names: Vec<u8> = Vec::new();
        for number in 0..100 {
            let path = format!("lib/modules/{number}/a.ko");
            put(&mut names, &Member { path: &path, ..Member::default() });
        }
        for _ in 0..MAX_MODULES + 9 {
            put(&mut names, &Member { path: "lib/modules/0/b.ko", ..Member::default() });
        }
        let found = look(&[&names], 0).unwrap();
        assert_eq!((found.len(), found[0].modules.len()), (MAX_RELEASES, MAX_MODULES));
    }

    #[test]
    fn only_a_module_has_the_name_of_one() {
        for (path, name) in [
            ("kernel/fs/ext4/ext4.ko", Some("ext4")),
            ("virtio-pci.ko.zst", Some("virtio_pci")),
            ("modules.dep", None),
            ("notes.txt", None),
            ("", None),
            ("ko", None),
        ] {
            assert_eq!(module(path).as_deref(), name, "{path}");
        }
    }
}
