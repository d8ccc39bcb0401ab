//! The files that command lines name, and how a program is seen to have handed one over.
//!
//! Kernels are the beginning of Debian's: enough for both programs and for the kernel
//! to load, and short, for the guest hashes what it loads. None of them can start.

use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use turnout::base::arch::Arch;
use turnout::base::digest::Digest;
use turnout_qemu::command;
use turnout_qemu::guest::{Flavour, Kernel};

/// Bytes of the kernel proper, in paragraphs of a bzImage: 16 bytes each.
const LENGTH: usize = 1 << 14;
/// What it says to need in memory. All of that is hashed at every load, the zeros too.
const NEEDED: u32 = 1 << 16;
const PARAGRAPH: usize = 16;
/// Of a bzImage: how many sectors the setup takes besides the first, and the length of
/// the rest in paragraphs (Documentation/arch/x86/boot.rst).
const SETUP_SECTORS: usize = 0x1f1;
const SYSTEM_SIZE: usize = 0x1f4;
const INIT_SIZE: usize = 0x260;
const SECTOR: usize = 512;
/// Of an arm64 Image: how much memory it needs (Documentation/arch/arm64/booting.rst).
const IMAGE_SIZE: usize = 16;
const EMPTY: &str = "empty";
/// So many digits the recorder gives.
const DIGITS: usize = 16;

/// All files of one architecture, below `/k` of the guest.
pub(super) struct Blobs {
    files: BTreeMap<&'static str, Vec<u8>>,
    /// By digest, of the file or of what of it becomes the kernel.
    kernels: BTreeMap<String, &'static str>,
    initrds: BTreeMap<String, &'static str>,
}

impl Blobs {
    /// The same for every machine of an architecture.
    pub(super) fn of(arch: Arch) -> Result<Self> {
        let kernel = fs::read(Kernel::find(arch, Flavour::Cloud13)?.image)?;
        let setup = setup_length(arch, &kernel)?;
        let short = shortened(arch, &kernel, setup)?;
        let mut other = short.clone();
        *other.last_mut().context("an empty kernel")? = 1;
        let initrd = b"an initrd ".repeat(1000);
        let kernels = BTreeMap::from([(digest(&short), "vmlinuz"), (digest(&other), "other")]);
        let mut blobs = Self { files: BTreeMap::new(), kernels, initrds: BTreeMap::new() };
        for (name, file) in [("vmlinuz", &short), ("other", &other)] {
            let system = file.get(setup..).context("no kernel behind the setup")?;
            blobs.kernels.insert(digest(system), name);
        }
        blobs.add_kernel("vmlinuz.gz", packed(&short)?);
        blobs.add_kernel("garbage", b"no kernel at all\n".repeat(4096));
        blobs.add_initrd("initrd.gz", packed(&initrd)?);
        blobs.add_initrd("initrd2", b"another one".repeat(500));
        blobs.add_initrd("initrd", initrd);
        blobs.add_initrd(EMPTY, Vec::new());
        blobs.files.extend([("vmlinuz", short), ("other", other), ("tree", b"no tree".to_vec())]);
        Ok(blobs)
    }

    /// A kernel and an initrd of these digests.
    #[cfg(test)]
    pub(super) fn named(kernel: &str, initrd: &str) -> Self {
        Self {
            files: BTreeMap::new(),
            kernels: BTreeMap::from([(kernel.to_owned(), "kernel")]),
            initrds: BTreeMap::from([(initrd.to_owned(), "initrd")]),
        }
    }

    fn add_kernel(&mut self, name: &'static str, file: Vec<u8>) {
        self.kernels.insert(digest(&file), name);
        self.files.insert(name, file);
    }

    fn add_initrd(&mut self, name: &'static str, file: Vec<u8>) {
        self.initrds.insert(digest(&file), name);
        self.files.insert(name, file);
    }

    pub(super) fn write(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory)?;
        for (name, bytes) in &self.files {
            fs::write(directory.join(name), bytes)?;
        }
        Ok(())
    }

    /// Which kernel is among the pieces that were handed over.
    pub(super) fn kernel(&self, pieces: &[&str]) -> String {
        known(&self.kernels, pieces).unwrap_or_else(|| format!("unknown: {}", pieces.join(" ")))
    }

    /// Which initrd is among them.
    pub(super) fn initrd(&self, pieces: &[&str]) -> String {
        known(&self.initrds, pieces).unwrap_or_else(|| "none".to_owned())
    }
}

fn known(table: &BTreeMap<String, &'static str>, pieces: &[&str]) -> Option<String> {
    let mut names: Vec<&str> =
        pieces.iter().filter_map(|piece| table.get(*piece).copied()).collect();
    // Memory that only has to be there is an empty piece as well.
    if names.len() > 1 {
        names.retain(|name| *name != EMPTY);
    }
    (!names.is_empty()).then(|| names.join(" "))
}

/// As the recorder does it: zeros at the end stand for the rest of a page.
fn digest(bytes: &[u8]) -> String {
    let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let text = Digest::of(bytes.get(..length).unwrap_or_default()).to_string();
    text.chars().take(DIGITS).collect()
}

fn setup_length(arch: Arch, kernel: &[u8]) -> Result<usize> {
    match arch {
        Arch::Aarch64 => Ok(0),
        Arch::X86_64 => {
            let sectors = *kernel.get(SETUP_SECTORS).context("no setup")?;
            Ok((usize::from(sectors) + 1) * SECTOR)
        }
    }
}

fn shortened(arch: Arch, kernel: &[u8], setup: usize) -> Result<Vec<u8>> {
    let mut short = kernel.get(..setup + LENGTH).context("a short kernel")?.to_vec();
    *short.last_mut().context("an empty kernel")? = 2;
    match arch {
        Arch::Aarch64 => put(&mut short, IMAGE_SIZE, NEEDED)?,
        Arch::X86_64 => {
            put(&mut short, SYSTEM_SIZE, u32::try_from(LENGTH / PARAGRAPH)?)?;
            put(&mut short, INIT_SIZE, NEEDED)?;
        }
    }
    Ok(short)
}

fn put(bytes: &mut [u8], at: usize, value: u32) -> Result<()> {
    let place = bytes.get_mut(at..at + 4).context("no header")?;
    place.copy_from_slice(&value.to_le_bytes());
    Ok(())
}

/// By gzip, without time and name.
fn packed(bytes: &[u8]) -> Result<Vec<u8>> {
    let scratch = turnout_qemu::place::Scratch::new("conform")?;
    let file = scratch.path().join("packed");
    fs::write(&file, bytes)?;
    command::bytes(Command::new("gzip").args(["-c", "-n", "-9"]).arg(file))
}
