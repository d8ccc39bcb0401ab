//! Debian's files for the guests, as `qemu/setup` unpacked them.

use crate::command;
use crate::place;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use turnout::base::arch::Arch;

/// Which of Debian's kernel packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// linux-image-cloud-* of Debian 12, Linux 6.1: NVMe and ext4 built in.
    Cloud,
    /// linux-image-amd64 and -arm64 of Debian 12: nearly everything is a module.
    Generic,
    /// [`Flavour::Cloud`] of Debian 13, Linux 6.12.
    Cloud13,
    /// [`Flavour::Generic`] of Debian 13, whose modules are in xz.
    Generic13,
}

impl Flavour {
    /// The name of its directory in the cache.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Generic => "generic",
            Self::Cloud13 => "cloud-13",
            Self::Generic13 => "generic-13",
        }
    }

    /// Whether it reaches a disk, and the files on it, by modules only.
    pub const fn is_generic(self) -> bool {
        matches!(self, Self::Generic | Self::Generic13)
    }
}

/// An unpacked kernel package.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// The architecture that it runs on.
    pub arch: Arch,
    /// The kernel image.
    pub image: PathBuf,
    /// What `uname -r` prints.
    pub release: String,
    /// The directory that holds `lib/modules/RELEASE`.
    pub root: PathBuf,
}

impl Kernel {
    /// Finds the kernel in the cache.
    pub fn find(arch: Arch, flavour: Flavour) -> Result<Self> {
        let root = place::cache()?.join(arch.name()).join(flavour.name());
        let image = only_entry(&root.join("boot"), "vmlinuz-")?;
        let name = image.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let release = name.trim_start_matches("vmlinuz-").to_owned();
        let root = if root.join("lib/modules").is_dir() { root } else { root.join("usr") };
        Ok(Self { arch, image, release, root })
    }

    /// The directory of its modules.
    pub fn modules(&self) -> PathBuf {
        self.root.join("lib/modules").join(&self.release)
    }

    /// A module as the kernel loads it, by its path below [`Kernel::modules`]
    /// without what the release compresses it with.
    ///
    /// # Errors
    ///
    /// If the kernel has no such module.
    pub fn module(&self, path: &str) -> Result<Vec<u8>> {
        let plain = self.modules().join(path);
        if plain.is_file() {
            return fs::read(&plain).with_context(|| plain.display().to_string());
        }
        let mut xz = command::tool("xz");
        command::bytes(xz.args(["--decompress", "--stdout"]).arg(plain.with_added_extension("xz")))
    }
}

fn only_entry(directory: &Path, prefix: &str) -> Result<PathBuf> {
    fs::read_dir(directory)
        .with_context(|| format!("{} (run qemu/setup)", directory.display()))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(prefix)))
        .with_context(|| format!("no {prefix}* in {}", directory.display()))
}

fn tools(arch: Arch) -> Result<PathBuf> {
    Ok(place::cache()?.join(arch.name()).join("tools"))
}

fn first_existing(root: &Path, names: &[&str]) -> Result<PathBuf> {
    let found = names.iter().map(|name| root.join(name)).find(|path| path.exists());
    found.with_context(|| format!("none of {names:?} in {} (run qemu/setup)", root.display()))
}

/// EDK2 for a machine: its code, and its variables as they are delivered.
///
/// # Errors
///
/// If the cache holds none.
pub fn efi_firmware(arch: Arch) -> Result<(PathBuf, PathBuf)> {
    let root = place::cache()?.join(arch.name()).join("firmware/usr/share");
    let [code, variables] = match arch {
        Arch::X86_64 => ["OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"],
        Arch::Aarch64 => ["AAVMF/AAVMF_CODE.fd", "AAVMF/AAVMF_VARS.fd"],
    };
    Ok((first_existing(&root, &[code])?, first_existing(&root, &[variables])?))
}

/// What the board `microvm` starts with: it describes the board by ACPI.
///
/// # Errors
///
/// If the cache holds none.
pub fn microvm_firmware() -> Result<PathBuf> {
    let root = place::cache()?.join("x86_64/microvm/usr/share/seabios");
    first_existing(&root, &["bios-microvm.bin"])
}

/// The same with Microsoft's keys in its variables, and Secure Boot on.
///
/// # Errors
///
/// If the cache holds none; Debian has none for aarch64.
pub fn secure_firmware(arch: Arch) -> Result<(PathBuf, PathBuf)> {
    let root = place::cache()?.join(arch.name()).join("firmware/usr/share/OVMF");
    let code = first_existing(&root, &["OVMF_CODE_4M.secboot.fd"])?;
    Ok((code, first_existing(&root, &["OVMF_VARS_4M.ms.fd"])?))
}

/// systemd's stub, which a kernel and an image are put behind.
///
/// # Errors
///
/// If the cache holds none.
pub fn efi_stub(arch: Arch) -> Result<PathBuf> {
    let root = place::cache()?.join(arch.name()).join("stub/usr/lib/systemd/boot/efi");
    first_existing(&root, &["linuxx64.efi.stub", "linuxaa64.efi.stub"])
}

/// shim, which Microsoft signed, and GRUB, which Debian signed.
///
/// # Errors
///
/// If the cache holds none; `qemu/setup` fetches them for x86_64.
pub fn signed_loaders(arch: Arch) -> Result<(PathBuf, PathBuf)> {
    let root = place::cache()?.join(arch.name()).join("shim/usr/lib");
    let shim = first_existing(&root, &["shim/shimx64.efi.signed"])?;
    Ok((shim, first_existing(&root, &["grub/x86_64-efi-signed/grubx64.efi.signed"])?))
}

/// Debian's static busybox.
pub fn busybox(arch: Arch) -> Result<PathBuf> {
    first_existing(&tools(arch)?, &["bin/busybox", "usr/bin/busybox"])
}

/// Debian's kexec and every library that it loads: path in the guest and file
/// on the host.
pub fn kexec_tools(arch: Arch) -> Result<Vec<(String, PathBuf)>> {
    let root = tools(arch)?;
    let kexec = first_existing(&root, &["sbin/kexec", "usr/sbin/kexec"])?;
    let loader = match arch {
        Arch::X86_64 => "lib64/ld-linux-x86-64.so.2",
        Arch::Aarch64 => "lib/ld-linux-aarch64.so.1",
    };
    let mut files = vec![("sbin/kexec".to_owned(), kexec.clone())];
    for (library, path) in libraries(&root, arch, kexec)? {
        files.push((guest_path(&library, loader), path));
    }
    Ok(files)
}

/// Debian's RAUC and the message bus that it talks by: path below one directory of a
/// guest and file on the host. Everything that they load is in "lib", the loader too.
///
/// # Errors
///
/// If the cache does not hold them.
pub fn rauc_tools(arch: Arch) -> Result<BTreeMap<String, PathBuf>> {
    in_one_directory(arch, "rauc", &["rauc", "dbus-daemon"])
}

/// Debian's efibootmgr, likewise.
///
/// # Errors
///
/// If the cache does not hold it.
pub fn efibootmgr(arch: Arch) -> Result<BTreeMap<String, PathBuf>> {
    in_one_directory(arch, "efibootmgr", &["efibootmgr"])
}

fn in_one_directory(
    arch: Arch,
    unit: &str,
    programs: &[&str],
) -> Result<BTreeMap<String, PathBuf>> {
    let root = place::cache()?.join(arch.name()).join(unit);
    let mut files = BTreeMap::new();
    for name in programs {
        let program = first_existing(&root, &[&format!("usr/bin/{name}")])?;
        let loaded = libraries(&root, arch, program.clone())?;
        files.extend(loaded.into_iter().map(|(library, path)| (format!("lib/{library}"), path)));
        files.insert(format!("bin/{name}"), program);
    }
    Ok(files)
}

/// Puts such files where they belong below a directory.
///
/// # Errors
///
/// If one cannot be copied.
pub fn put_below(directory: &Path, files: &BTreeMap<String, PathBuf>) -> Result<()> {
    for (path, file) in files {
        let to = directory.join(path);
        fs::create_dir_all(to.parent().context("a path without a directory")?)?;
        fs::copy(file, &to).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// Every library that a program loads, and its loader: name and file on the host.
fn libraries(root: &Path, arch: Arch, program: PathBuf) -> Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    let mut wanted = vec![program];
    let mut seen = BTreeSet::new();
    while let Some(file) = wanted.pop() {
        for library in needed(&file)? {
            if seen.insert(library.clone()) {
                let path = find_library(root, arch, &library)?;
                files.push((library, path.clone()));
                wanted.push(path);
            }
        }
    }
    Ok(files)
}

/// The dynamic loader is found by its full path, a library in /lib.
fn guest_path(library: &str, loader: &str) -> String {
    if loader.ends_with(library) { loader.to_owned() } else { format!("lib/{library}") }
}

fn find_library(root: &Path, arch: Arch, library: &str) -> Result<PathBuf> {
    let directories = ["lib", "usr/lib"].map(|d| format!("{d}/{arch}-linux-gnu/{library}"));
    first_existing(root, &directories.each_ref().map(String::as_str))
}

/// The NEEDED entries of an ELF file, and the interpreter of a program.
fn needed(file: &Path) -> Result<Vec<String>> {
    let text = command::output(Command::new("readelf").arg("-d").arg("-l").arg(file))?;
    Ok(text.lines().filter_map(library_name).collect())
}

fn library_name(line: &str) -> Option<String> {
    if let Some((_, rest)) = line.split_once("(NEEDED)") {
        return Some(rest.split_once('[')?.1.trim_end_matches(']').to_owned());
    }
    let (_, interpreter) = line.split_once("program interpreter: ")?;
    Some(interpreter.trim_end_matches(']').rsplit('/').next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readelf_names_the_libraries_and_the_loader() {
        let needed = " 0x01 (NEEDED)             Shared library: [libz.so.1]";
        assert_eq!(library_name(needed).as_deref(), Some("libz.so.1"));
        let loader = "      [Requesting program interpreter: /lib64/ld-linux-x86-64.so.2]";
        assert_eq!(library_name(loader).as_deref(), Some("ld-linux-x86-64.so.2"));
        assert_eq!(library_name(" 0x0e (SONAME) Library soname: [libz.so.1]"), None);
    }
}
