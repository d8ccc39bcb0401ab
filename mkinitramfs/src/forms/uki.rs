//! One EFI program of a kernel and an image: a unified kernel image (UAPI.5).
//!
//! The program part is systemd's stub, which somebody else has built; it hands the
//! image and the command line to the kernel's own EFI part. Signing is left to sbsign
//! and its like: nothing here has a key.

use anyhow::{Context as _, Result, bail, ensure};
use std::path::{Path, PathBuf};
use turnout::base::arch::Arch;
use turnout::fdt::Fdt;
use turnout::image::{Limits, describe, unpack};

use super::pe::{self, Section};
use crate::image::initramfs::Input;
use crate::signing::secret;

/// Where systemd-boot's package puts its stubs.
const STUBS: &str = "/usr/lib/systemd/boot/efi";
/// Below a firmware with Secure Boot a stub takes its command line from whoever
/// starts it, unless it has one: so there always is one, and this says what holds
/// anyway.
const NO_WORDS: &str = "rdinit=/init";
/// One kernel is not larger than this when it is unpacked.
const MAX_KERNEL: u64 = 1 << 30;
/// What the kernel takes on both architectures, with the NUL at its end.
const MAX_CMDLINE: usize = 2048;

/// What becomes one EFI program.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// What the image is for.
    pub arch: Arch,
    /// The release that the modules of the image are for.
    pub release: Option<&'a str>,
    /// systemd's stub.
    pub stub: &'a Input,
    /// The first kernel, with an EFI part of its own.
    pub kernel: &'a Input,
    /// The image.
    pub initrd: &'a [u8],
    /// The kernel's command line.
    pub cmdline: Option<&'a str>,
    /// A device tree in place of the firmware's.
    pub dtb: Option<&'a Input>,
}

/// Where the stub for this architecture is installed.
#[must_use]
pub fn stub_path(arch: Arch) -> PathBuf {
    let name = match arch {
        Arch::X86_64 => "linuxx64.efi.stub",
        Arch::Aarch64 => "linuxaa64.efi.stub",
    };
    Path::new(STUBS).join(name)
}

impl Parts<'_> {
    /// The program.
    ///
    /// # Errors
    /// What does not go together, by the name of its file.
    pub fn build(&self) -> Result<Vec<u8>> {
        let release = self.check_kernel().with_context(|| self.kernel.name.clone())?;
        let cmdline = self.check_cmdline()?;
        self.check_dtb()?;
        let osrel = os_release();
        let mut sections = vec![
            data(".osrel", osrel.as_bytes()),
            data(".cmdline", cmdline.as_bytes()),
            data(".uname", release.as_bytes()),
        ];
        sections.extend(self.dtb.map(|dtb| data(".dtb", &dtb.bytes)));
        sections.push(data(".initrd", self.initrd));
        // Last: a kernel that is unpacked where it lies has nothing behind it.
        sections.push(Section { name: ".linux", bytes: &self.kernel.bytes, code: true });
        self.append(&sections).with_context(|| self.stub.name.clone())
    }

    fn append(&self, sections: &[Section<'_>]) -> Result<Vec<u8>> {
        let arch = pe::arch(&self.stub.bytes)?;
        ensure!(arch == self.arch, "for {arch}, and the image is for {}", self.arch);
        pe::append(&self.stub.bytes, sections)
    }

    /// What `uname -r` will print.
    fn check_kernel(&self) -> Result<String> {
        let file = &self.kernel.bytes;
        let unpacked = unpack(file, &Limits { output: MAX_KERNEL })?;
        if unpacked.uki().is_some() {
            bail!("a unified kernel image already: name the kernel alone");
        }
        let about = describe(&unpacked);
        ensure!(about.arch == self.arch, "for {}, and the image is for {}", about.arch, self.arch);
        ensure!(about.efi_program, "firmware cannot start it as it is compressed: unpack it");
        pe::arch(file).context("firmware cannot start it (CONFIG_EFI_STUB)")?;
        let release = about.version.context("it does not say which release it is")?;
        match self.release {
            Some(wanted) if wanted != release => {
                bail!("Linux {release}, and the modules of the image are for {wanted}")
            }
            _ => Ok(release),
        }
    }

    fn check_cmdline(&self) -> Result<String> {
        let words = self.cmdline.unwrap_or_default().trim();
        let words = if words.is_empty() { NO_WORDS } else { words };
        let plain = !words.chars().any(char::is_control);
        ensure!(plain, "--cmdline {words:?}: no line ends and control characters");
        let length = words.len();
        ensure!(
            length < MAX_CMDLINE,
            "--cmdline of {length} bytes: a kernel takes fewer than {MAX_CMDLINE}"
        );
        Ok(words.to_owned())
    }

    fn check_dtb(&self) -> Result<()> {
        let Some(dtb) = self.dtb else { return Ok(()) };
        Fdt::parse(&dtb.bytes).map(drop).with_context(|| dtb.name.clone())?;
        match secret::private_key(&dtb.bytes) {
            Some(kind) => bail!("{} contains {kind}", dtb.name),
            None => Ok(()),
        }
    }
}

const fn data<'a>(name: &'static str, bytes: &'a [u8]) -> Section<'a> {
    Section { name, bytes, code: false }
}

/// What menus of systemd-boot and of Turnout call it.
fn os_release() -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("ID=turnout\nNAME=Turnout\nPRETTY_NAME=\"Turnout {version}\"\nVERSION_ID={version}\n")
}
