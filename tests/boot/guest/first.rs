//! Turnout as PID 1 of a guest's machine: an image with the guest's key ring, started
//! by the machine's firmware, and what it starts from a disk.

use crate::{Programs, guest};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::time::Duration;
use turnout::base::arch::Arch;
use turnout_qemu::boot_tree::{Image, VIRTIO_MODULES};
use turnout_qemu::build;
use turnout_qemu::debian::{First, Release};
use turnout_qemu::guest::{Flavour, Kernel};
use turnout_qemu::machine::Machine;
use turnout_qemu::serial::{Console, Event};

/// From the firmware to the next kernel's first line; measured: 8 s.
const MOST: Duration = Duration::from_secs(240);
/// What a system asks on its console when it is up.
const LOGIN: &str = "debian login:";
/// The guest's disk is one file system, with /boot on it.
const WHOLE_DISK: &str = "scan all\n";
/// How many lines of the console tell why nothing was started.
const LAST: usize = 25;

/// What the firmware starts.
pub(crate) struct Starter {
    kernel: PathBuf,
    image: PathBuf,
}

impl Starter {
    /// An image that trusts a ring.
    pub(crate) fn make(
        release: Release,
        programs: &Programs,
        ring: &Path,
        directory: &Path,
    ) -> Result<Self> {
        let flavour = match release {
            Release::Trixie => Flavour::Cloud13,
            Release::Bookworm => Flavour::Cloud,
        };
        let kernel = Kernel::find(Arch::X86_64, flavour)?;
        let binary = build::init(Arch::X86_64, &[], directory)?;
        let image = directory.join("turnout.initramfs");
        let modules: &[&str] = &VIRTIO_MODULES;
        let image_with = Image {
            ring: Some(ring),
            modules: Some((&kernel, modules)),
            config: WHOLE_DISK,
            ..Image::new(&binary)
        };
        image_with.write(&programs.tools, &image)?;
        Ok(Self::new(kernel.image, image))
    }

    /// A kernel with an image that somebody made for it.
    pub(crate) const fn new(kernel: PathBuf, image: PathBuf) -> Self {
        Self { kernel, image }
    }

    /// For the guest's own machine.
    pub(crate) fn first(&self) -> First {
        First {
            kernel: self.kernel.clone(),
            initrd: self.image.clone(),
            options: "console=ttyS0 quiet".to_owned(),
        }
    }

    /// The release of the kernel that it starts from a disk. A reset, or no kernel, is
    /// an error with the end of the console.
    pub(crate) fn starts(&self, disk: &Path) -> Result<String> {
        next_kernel(&mut self.start(disk)?)
    }

    /// The same, and up to the login of the system that has this kernel.
    pub(crate) fn brings_up(&self, disk: &Path) -> Result<String> {
        let mut console = self.start(disk)?;
        let release = next_kernel(&mut console)?;
        match console.wait_for(&[LOGIN], guest::MOST)? {
            Event::Seen { .. } => Ok(release),
            other => bail!("{release} came to no login ({other:?}):\n{}", end_of(console.text())),
        }
    }

    fn start(&self, disk: &Path) -> Result<Console> {
        let mut machine = Machine::new(Arch::X86_64, self.kernel.clone(), self.image.clone());
        "quiet".clone_into(&mut machine.options);
        let drive = format!("file={},format=qcow2,if=virtio", disk.display());
        machine.extra = vec!["-drive".to_owned(), drive];
        Console::start(&machine, &disk.with_extension("log"))
    }
}

/// PID 1's own kernel is quiet, so the first that tells its version is the next one.
fn next_kernel(console: &mut Console) -> Result<String> {
    match console.wait_for(&["Linux version "], MOST)? {
        Event::Seen { line, .. } => release_of(&line),
        other => bail!("PID 1 started no kernel ({other:?}):\n{}", end_of(console.text())),
    }
}

fn release_of(line: &str) -> Result<String> {
    let (_, rest) = line.split_once("Linux version ").context("not a kernel's first line")?;
    rest.split_whitespace().next().map(str::to_owned).with_context(|| line.to_owned())
}

fn end_of(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LAST)..).unwrap_or_default().join("\n")
}
