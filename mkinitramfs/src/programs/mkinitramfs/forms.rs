//! Where the image goes, and in which form: alone, with a kernel in one EFI program, or
//! on a disk that starts; and `mkinitramfs disk`, for a program that was signed since.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Parser};
use turnout::base::arch::Arch;

use crate::forms::{disk, uki};
use crate::image::initramfs::Input;
use crate::output;

use super::files::input;

#[derive(Args)]
pub(super) struct Forms {
    /// Where to write the image; - is the standard output
    #[arg(short, long, value_name = "OUT", required_unless_present_any = ["uki", "disk"])]
    output: Option<PathBuf>,
    /// Where to write kernel and image as one EFI program, to be signed by sbsign
    #[arg(long, value_name = "OUT", requires = "vmlinuz")]
    uki: Option<PathBuf>,
    /// Where to write a disk that starts that program on UEFI machines: for a stick, or
    /// a virtual machine
    #[arg(long, value_name = "OUT", requires = "vmlinuz")]
    disk: Option<PathBuf>,
    /// The first kernel: vmlinuz
    #[arg(long = "kernel", value_name = "FILE", help_heading = FORMS)]
    vmlinuz: Option<PathBuf>,
    /// Command line of the first kernel
    #[arg(long, value_name = "WORDS", requires = "vmlinuz", help_heading = FORMS)]
    cmdline: Option<String>,
    /// systemd's stub; without it the one of the package systemd-boot-efi
    #[arg(long, value_name = "FILE", requires = "vmlinuz", help_heading = FORMS)]
    stub: Option<PathBuf>,
    /// Device tree that the first kernel gets in place of the firmware's
    #[arg(long, value_name = "FILE", requires = "vmlinuz", help_heading = FORMS)]
    uki_dtb: Option<PathBuf>,
    /// Size of the disk in MiB; without it twice the program's and 16, at least 64
    #[arg(long, value_name = "MIB", requires = "disk", help_heading = FORMS)]
    disk_size: Option<u64>,
}

const FORMS: &str = "With --uki and --disk";

/// Makes a disk that starts an EFI program which --uki has made and somebody has signed
///
/// UEFI firmware starts it by itself, on removable media too.
#[derive(Parser)]
#[command(name = "mkinitramfs disk", after_help = "Exit codes: 0 done, 1 no disk, 2 usage.")]
pub(super) struct Disk {
    /// The program
    #[arg(long, value_name = "FILE")]
    uki: PathBuf,
    /// Where to write the disk; - is the standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Its size in MiB; without it twice the program's and 16, at least 64
    #[arg(long, value_name = "MIB")]
    disk_size: Option<u64>,
}

/// What a form is made of besides the image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) arch: Arch,
    /// The kernel that the modules are for.
    pub(super) release: Option<&'a str>,
}

/// A file to be written.
pub(super) struct Written {
    path: PathBuf,
    bytes: Vec<u8>,
    what: &'static str,
}

/// `mkinitramfs disk`.
pub(super) fn make_disk(cli: &Disk) -> Result<()> {
    let uki = input(&cli.uki)?;
    check_distinct(&[&cli.output], &[&cli.uki])?;
    let bytes = disk::build(&uki.bytes, cli.disk_size).with_context(|| uki.name.clone())?;
    let disk = Written { path: cli.output.clone(), bytes, what: "disk" };
    tell(&write(&[disk])?, output::is_standard_output(&cli.output));
    Ok(())
}

/// Writes what was made, and gives a line for each.
pub(super) fn write(made: &[Written]) -> Result<String> {
    let mut lines = String::new();
    for one in made {
        output::write(&one.path, &one.bytes)?;
        lines.push_str(&format!("{:>10}  {}, {}\n", one.bytes.len(), one.path.display(), one.what));
    }
    Ok(lines)
}

/// Where it is in nobody's way: the standard output may be what was made.
pub(super) fn tell(lines: &str, taken: bool) {
    if taken {
        eprint!("{lines}");
    } else {
        print!("{lines}");
    }
}

impl Forms {
    /// Refuses what would be overwritten by what is made of it.
    ///
    /// # Errors
    /// Two of the files are one.
    pub(super) fn check(&self) -> Result<()> {
        let inputs = [&self.vmlinuz, &self.stub, &self.uki_dtb].into_iter().flatten();
        check_distinct(&self.outputs(), &inputs.collect::<Vec<_>>())
    }

    /// Where the image itself goes.
    pub(super) fn image(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    /// Whether one of them goes to the standard output.
    pub(super) fn take_standard_output(&self) -> bool {
        self.outputs().iter().any(|path| output::is_standard_output(path))
    }

    /// The image in every form that was asked for; `packed` says how it is compressed.
    ///
    /// # Errors
    /// What does not go together.
    pub(super) fn make(
        &self,
        image: Vec<u8>,
        packed: &'static str,
        target: Target<'_>,
    ) -> Result<Vec<Written>> {
        let mut made = Vec::new();
        if let Some(kernel) = &self.vmlinuz {
            ensure!(
                self.uki.is_some() || self.disk.is_some(),
                "--kernel is for --uki and --disk: an image alone has none"
            );
            let program = self.program(&input(kernel)?, &image, target)?;
            if let Some(path) = &self.disk {
                let bytes = disk::build(&program, self.disk_size)?;
                made.push(Written { path: path.clone(), bytes, what: "disk" });
            }
            let uki = self.uki.clone().map(|path| (path, program));
            made.extend(uki.map(|(path, bytes)| Written { path, bytes, what: "EFI program" }));
        }
        let output = self.output.clone();
        made.extend(output.map(|path| Written { path, bytes: image, what: packed }));
        Ok(made)
    }

    fn program(&self, kernel: &Input, image: &[u8], target: Target<'_>) -> Result<Vec<u8>> {
        let stub = self.stub(target.arch)?;
        let dtb = self.uki_dtb.as_deref().map(input).transpose()?;
        let parts = uki::Parts {
            arch: target.arch,
            release: target.release,
            stub: &stub,
            kernel,
            initrd: image,
            cmdline: self.cmdline.as_deref(),
            dtb: dtb.as_ref(),
        };
        parts.build()
    }

    fn stub(&self, arch: Arch) -> Result<Input> {
        if let Some(path) = &self.stub {
            return input(path);
        }
        input(&uki::stub_path(arch)).context(
            "no --stub is given (Debian and Ubuntu have it in systemd-boot-efi, for another \
             architecture than this machine's in its package for that; Fedora in \
             systemd-boot-unsigned, Arch in systemd)",
        )
    }

    fn outputs(&self) -> Vec<&PathBuf> {
        [&self.output, &self.uki, &self.disk].into_iter().flatten().collect()
    }
}

fn check_distinct(outputs: &[&PathBuf], inputs: &[&PathBuf]) -> Result<()> {
    for (index, output) in outputs.iter().enumerate() {
        let others = outputs.iter().skip(index.saturating_add(1)).chain(inputs);
        for other in others {
            let same = output == other || place(output).is_some_and(|it| Some(it) == place(other));
            ensure!(
                !same,
                "{} would be written over by another file of this call",
                other.display()
            );
        }
    }
    Ok(())
}

/// Where a file really is, or will be.
fn place(path: &Path) -> Option<PathBuf> {
    if let Ok(place) = fs::canonicalize(path) {
        // Devices take what they are given, more than once too.
        return place.is_file().then_some(place);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = fs::canonicalize(parent.unwrap_or(Path::new("."))).ok()?;
    Some(parent.join(path.file_name()?))
}
