//! Menus of GRUB, made by Debian's own grub-mkconfig for a system in a directory.
//! `qemu/mkconfig` runs it where it sees neither this machine's /boot nor a device.

use crate::{command, place};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A file system that grub-mkconfig is told of.
#[derive(Debug, Clone, Copy)]
pub struct FileSystem<'a> {
    /// Its UUID.
    pub uuid: &'a str,
    /// The number of its partition, from 1.
    pub partition: u32,
}

/// A Debian, as far as grub-mkconfig looks at it.
#[derive(Debug, Clone, Copy)]
pub struct System<'a> {
    /// The directory that holds `boot`.
    pub directory: &'a Path,
    /// Its root file system.
    pub root: FileSystem<'a>,
    /// That of `/boot`, where it is one of its own.
    pub boot: Option<FileSystem<'a>>,
    /// The text of `/etc/default/grub`.
    pub settings: &'a str,
}

impl System<'_> {
    /// Makes `boot/grub/grub.cfg`, and gives its text.
    ///
    /// # Errors
    ///
    /// If the cache has no grub-mkconfig, which Debian's archive for this machine may not
    /// have been asked for; if it fails, or GRUB's own check of the result does.
    pub fn make_menu(&self) -> Result<String> {
        let unit = place::cache()?.join("tools/grub");
        ensure!(unit.is_dir(), "{} is not there: qemu/setup makes it on amd64", unit.display());
        fs::create_dir_all(self.directory.join("boot/grub"))?;
        fs::create_dir_all(self.directory.join("etc/default"))?;
        fs::write(self.directory.join("etc/default/grub"), self.settings)?;
        let mut mkconfig = Command::new(place::tree().join("qemu/mkconfig"));
        mkconfig.arg(unit).arg(self.directory);
        mkconfig.env("ROOT_UUID", self.root.uuid);
        mkconfig.env("ROOT_PART", self.root.partition.to_string());
        if let Some(boot) = self.boot {
            mkconfig.env("BOOT_UUID", boot.uuid).env("BOOT_PART", boot.partition.to_string());
        }
        command::output(&mut mkconfig)?;
        let menu = self.directory.join("boot/grub/grub.cfg");
        command::output(command::tool("grub-script-check").arg(&menu))?;
        fs::read_to_string(&menu).with_context(|| menu.display().to_string())
    }
}

/// What grub-install leaves on an EFI system partition: where the menu is.
#[must_use]
pub fn stub(uuid: &str, path: &str) -> String {
    format!(
        "search.fs_uuid {uuid} root hd0,gpt2\nset prefix=($root)'{path}'\n\
         configfile $prefix/grub.cfg\n"
    )
}

/// An environment block with these lines, as grub-editenv writes it.
#[must_use]
pub fn environment(lines: &str) -> String {
    let text = format!("# GRUB Environment Block\n{lines}");
    format!("{text}{}", "#".repeat(1024_usize.saturating_sub(text.len())))
}
