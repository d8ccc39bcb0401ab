//! Debian's files for the guests, as `qemu/setup` unpacked them.

use crate::command;
use crate::place;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use turnout::base::arch::Arch;

/// Which of Debian's kernel packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Debian 12's linux-image-cloud-*: NVMe and ext4 built in.
    Cloud,
    /// Debian 12's linux-image-amd64 and -arm64: nearly everything is a module.
    Generic,
    /// Debian 13's linux-image-cloud-*.
    Newer,
}

impl Flavour {
    /// The name of its directory in the cache.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Generic => "generic",
            Self::Newer => "cloud-13",
        }
    }

    /// What `qemu/setup` wrote down where the release has no such kernel.
    ///
    /// # Errors
    ///
    /// If `qemu/setup` has not looked for it yet.
    pub fn missing(self, arch: Arch) -> Result<Option<String>> {
        let note = place::cache()?.join(arch.name()).join(self.name()).join(".complete");
        let text = fs::read_to_string(&note)
            .with_context(|| format!("{} (run qemu/setup)", note.display()))?;
        Ok(text.trim().strip_prefix("no ").map(|what| format!("the release has no {what}")))
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

    /// Where a module lies, by its path below `lib/modules/RELEASE`.
    pub fn module(&self, path: &str) -> PathBuf {
        self.root.join("lib/modules").join(&self.release).join(path)
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
    let find = |name: &str| first_existing(&root, &[name]);
    match arch {
        Arch::X86_64 => Ok((find("OVMF/OVMF_CODE_4M.fd")?, find("OVMF/OVMF_VARS_4M.fd")?)),
        Arch::Aarch64 => Ok((find("AAVMF/AAVMF_CODE.fd")?, find("AAVMF/AAVMF_VARS.fd")?)),
    }
}

/// The same with Microsoft's keys in its variables, and Secure Boot on.
///
/// # Errors
///
/// If the cache holds none; Debian has none for aarch64.
pub fn secure_firmware(arch: Arch) -> Result<(PathBuf, PathBuf)> {
    let root = place::cache()?.join(arch.name()).join("firmware/usr/share/OVMF");
    let find = |name: &str| first_existing(&root, &[name]);
    Ok((find("OVMF_CODE_4M.secboot.fd")?, find("OVMF_VARS_4M.ms.fd")?))
}

/// shim, which Microsoft signed, and GRUB, which Debian signed.
///
/// # Errors
///
/// If the cache holds none; `qemu/setup` fetches them for x86_64.
pub fn signed_loaders(arch: Arch) -> Result<(PathBuf, PathBuf)> {
    let root = place::cache()?.join(arch.name()).join("shim/usr/lib");
    let find = |name: &str| first_existing(&root, &[name]);
    Ok((find("shim/shimx64.efi.signed")?, find("grub/x86_64-efi-signed/grubx64.efi.signed")?))
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
    let mut wanted = vec![kexec];
    let mut seen = BTreeSet::new();
    while let Some(file) = wanted.pop() {
        for library in needed(&file)? {
            if seen.insert(library.clone()) {
                let path = find_library(&root, arch, &library)?;
                files.push((guest_path(&library, loader), path.clone()));
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
