//! What a boot partition holds: kernels, initrds, menu entries (BLS type 1) and
//! what `turnout-sign` makes of them; and the image that boots from it.

use crate::build::Tools;
use crate::command;
use crate::guest::{self, Kernel};
use crate::machine::Machine;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use turnout::base::arch::Arch;

/// A directory that becomes a boot partition.
#[derive(Debug)]
pub struct BootTree(PathBuf);

/// One menu entry.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Its id: the file name without .conf.
    pub id: &'a str,
    /// What the menu shows.
    pub title: &'a str,
    /// The kernel's path in the tree.
    pub linux: &'a str,
    /// The initrds' paths, in order.
    pub initrds: &'a [&'a str],
    /// The command line.
    pub options: &'a str,
}

impl BootTree {
    /// An empty tree.
    pub fn new(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(root.join("loader/entries"))?;
        Ok(Self(root))
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Where a path of the boot partition lies on the host.
    pub fn host_path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// What lies at `path`.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let path = self.host_path(path);
        fs::read(&path).with_context(|| path.display().to_string())
    }

    /// Copies a host file to `path`.
    pub fn add_file(&self, path: &str, file: &Path) -> Result<()> {
        fs::copy(file, self.host_path(path)).with_context(|| file.display().to_string())?;
        Ok(())
    }

    /// Writes loader.conf.
    pub fn set_loader_conf(&self, text: &str) -> Result<()> {
        Ok(fs::write(self.host_path("loader/loader.conf"), text)?)
    }

    /// Writes an entry's .conf file; the menu is in the order of the ids.
    pub fn add_entry(&self, entry: &Entry<'_>) -> Result<()> {
        let initrds: String = entry.initrds.iter().map(|i| format!("initrd {i}\n")).collect();
        let text = format!(
            "title {}\nsort-key {}\nlinux {}\n{initrds}options {}\n",
            entry.title, entry.id, entry.linux, entry.options
        );
        Ok(fs::write(self.host_path(&format!("loader/entries/{}.conf", entry.id)), text)?)
    }

    /// Changes a file in place.
    pub fn edit(&self, path: &str, change: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let mut bytes = self.read(path)?;
        change(&mut bytes)?;
        Ok(fs::write(self.host_path(path), bytes)?)
    }
}

/// Flips the lowest bit of the byte at `offset`.
pub fn flip(bytes: &mut [u8], offset: usize) -> Result<()> {
    let byte = bytes.get_mut(offset).context("the file is shorter than the byte to flip")?;
    *byte ^= 1;
    Ok(())
}

/// Where `needle` begins.
pub fn position(bytes: &[u8], needle: &str) -> Result<usize> {
    let mut windows = bytes.windows(needle.len().max(1));
    windows.position(|w| w == needle.as_bytes()).with_context(|| format!("no \"{needle}\""))
}

/// An Ed25519 key pair on disk, and the key ring that trusts it.
#[derive(Debug, Clone)]
pub struct Key {
    /// The private key, in OpenSSH's format.
    pub private: PathBuf,
    /// An allowed_signers file with this key for the namespace turnout-boot.
    pub ring: PathBuf,
}

impl Key {
    /// Makes a key with `turnout-sign keygen`.
    pub fn generate(tools: &Tools, directory: &Path, name: &str) -> Result<Self> {
        let private = directory.join(name);
        let mut keygen = Command::new(&tools.sign);
        keygen.args(["keygen", "-C", name, "-N", "", "-f"]).arg(&private);
        let ring = directory.join(format!("{name}.allowed_signers"));
        fs::write(&ring, command::output(&mut keygen)?)?;
        Ok(Self { private, ring })
    }

    /// Signs an entry of a tree with `turnout-sign sign` and more arguments.
    pub fn sign(&self, tools: &Tools, tree: &BootTree, entry: &str, more: &[&str]) -> Result<()> {
        let mut sign = Command::new(&tools.sign);
        sign.arg("sign").arg("--key").arg(&self.private).arg("--root").arg(tree.root());
        command::output(sign.args(more).arg(entry))?;
        Ok(())
    }
}

/// What goes into an image besides the binary.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// The static `turnout-init`.
    pub binary: &'a Path,
    /// The key ring; none makes an image in open mode.
    pub ring: Option<&'a Path>,
    /// The policy, if it has one.
    pub policy: Option<&'a Path>,
    /// The kernel whose modules to take, and their names.
    pub modules: Option<(&'a Kernel, &'a [&'a str])>,
    /// Whether the drivers of nearly every machine are in it, too.
    pub universal: bool,
    /// Text of the configuration file.
    pub config: &'a str,
    /// How it is compressed: zstd, xz, gzip or none.
    pub compress: &'a str,
    /// Whether the binary has faults to inject, for tests.
    pub hooks: bool,
    /// More arguments for mkinitramfs.
    pub more: &'a [String],
}

impl<'a> Image<'a> {
    /// An image in open mode, without modules, with the default configuration.
    pub const fn new(binary: &'a Path) -> Self {
        Self {
            binary,
            ring: None,
            policy: None,
            modules: None,
            universal: false,
            config: "",
            compress: "zstd",
            hooks: false,
            more: &[],
        }
    }

    /// Writes the initramfs with `mkinitramfs`.
    pub fn write(&self, tools: &Tools, out: &Path) -> Result<()> {
        let config = out.with_extension("config");
        fs::write(&config, self.config)?;
        let mut mkinitramfs = Command::new(&tools.mkinitramfs);
        mkinitramfs.arg("--binary").arg(self.binary).arg("--config").arg(&config);
        match self.ring {
            Some(ring) => mkinitramfs.args(["--mode", "locked", "--keys"]).arg(ring),
            None => mkinitramfs.args(["--mode", "open"]),
        };
        if let Some(policy) = self.policy {
            mkinitramfs.arg("--policy").arg(policy);
        }
        if let Some((kernel, names)) = self.modules {
            mkinitramfs.arg("--modules-dir").arg(kernel.modules());
            mkinitramfs.args(["--release", &kernel.release]);
            names.iter().for_each(|name| {
                mkinitramfs.args(["--module", name]);
            });
        }
        if self.universal {
            mkinitramfs.arg("--universal");
        }
        if self.hooks {
            mkinitramfs.arg("--allow-test-hooks");
        }
        mkinitramfs.args(self.more);
        command::output(mkinitramfs.args(["--compress", self.compress, "-o"]).arg(out))?;
        Ok(())
    }
}

/// Fills an EFI system partition with what starts a machine with Secure Boot:
/// shim, GRUB, and the first kernel with its initramfs.
pub fn secure_esp(esp: &Path, machine: &Machine) -> Result<()> {
    let (shim, grub) = guest::signed_loaders(machine.arch)?;
    // GRUB reads its configuration where Debian has told it when it was signed.
    let config = format!("linux /linux {}\ninitrd /initrd\nboot\n", machine.first_command_line());
    fs::create_dir_all(esp.join("EFI/BOOT"))?;
    fs::create_dir_all(esp.join("EFI/debian"))?;
    fs::copy(shim, esp.join("EFI/BOOT/BOOTX64.EFI"))?;
    fs::copy(grub, esp.join("EFI/BOOT/grubx64.efi"))?;
    fs::copy(&machine.kernel, esp.join("linux"))?;
    fs::copy(&machine.initramfs, esp.join("initrd"))?;
    Ok(fs::write(esp.join("EFI/debian/grub.cfg"), config)?)
}

/// Fills an EFI system partition with two copies of the first kernel and its initramfs,
/// which the firmware starts by boot options of its own.
///
/// # Errors
///
/// If one cannot be copied.
pub fn doubled_esp(esp: &Path, machine: &Machine) -> Result<()> {
    for copy in ["a", "b"] {
        let directory = esp.join("EFI/turnout").join(copy);
        fs::create_dir_all(&directory)?;
        fs::copy(&machine.kernel, directory.join("linux.efi"))?;
        fs::copy(&machine.initramfs, directory.join("initrd.img"))?;
    }
    Ok(())
}

/// The modules with which Debian's generic kernel reaches a virtio disk with
/// ext4 on it.
pub const VIRTIO_MODULES: [&str; 3] = ["virtio_pci", "virtio_blk", "ext4"];

/// The console of the next kernel.
pub const fn console(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "console=ttyS0",
        Arch::Aarch64 => "console=ttyAMA0",
    }
}
