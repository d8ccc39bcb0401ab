//! The README's recipe, run as it stands there: a key, an image, a signed entry.
//! Put in its place is only what the machine that will boot has: the name and the
//! modules of its kernel, its boot partition, an entry.

use anyhow::{Context, Result, ensure};
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::build::Tools;
use turnout_qemu::command;
use turnout_qemu::guest::Kernel;

const README: &str = include_str!("../../README.md");

/// What somebody has who follows the README.
pub(crate) struct Recipe<'a> {
    pub(crate) tools: &'a Tools,
    /// The turnout-init of the machine that will boot.
    pub(crate) init: &'a Path,
    /// The first kernel of that machine.
    pub(crate) kernel: &'a Kernel,
    /// Its boot partition, with the entry "good".
    pub(crate) tree: &'a BootTree,
    /// Where all this happens.
    pub(crate) directory: PathBuf,
}

impl Recipe<'_> {
    /// Makes the image and signs the entry with the key that the image trusts; gives
    /// where the image lies.
    pub(crate) fn follow(&self) -> Result<PathBuf> {
        self.add_commands()?;
        for command in ["mkinitramfs --", "turnout-sign sign "] {
            self.run(&self.put_in_place(block(command)?))?;
        }
        Ok(self.directory.join("turnout.initramfs"))
    }

    /// The programs lie in one directory, as after the README's `install`.
    fn add_commands(&self) -> Result<()> {
        let commands = self.commands();
        fs::create_dir_all(&commands)?;
        fs::copy(&self.tools.mkinitramfs, commands.join("mkinitramfs"))?;
        fs::copy(&self.tools.sign, commands.join("turnout-sign"))?;
        fs::copy(self.init, commands.join("turnout-init"))?;
        let uname = commands.join("uname");
        fs::write(&uname, format!("#!/bin/sh\necho {}\n", self.kernel.release))?;
        Ok(fs::set_permissions(uname, fs::Permissions::from_mode(0o755))?)
    }

    fn commands(&self) -> PathBuf {
        self.directory.join("commands")
    }

    fn put_in_place(&self, block: &str) -> String {
        let modules = self.kernel.root.join("lib/modules");
        block
            .replace("\"/lib/modules/", &format!("\"{}/", modules.display()))
            .replace("--root /boot ", &format!("--root {} ", self.tree.root().display()))
            .replace(" ID", " good")
    }

    fn run(&self, script: &str) -> Result<()> {
        let path = env::var_os("PATH").unwrap_or_default();
        let directories = [self.commands()].into_iter().chain(env::split_paths(&path));
        let mut shell = Command::new("bash");
        shell.args(["-e", "-u", "-o", "pipefail", "-c", script]).current_dir(&self.directory);
        command::output(shell.env("PATH", env::join_paths(directories)?))?;
        Ok(())
    }
}

/// The only block of the README with a command that begins so.
fn block(command: &str) -> Result<&'static str> {
    let blocks = README.split("\n```").skip(1).step_by(2);
    let mut found = blocks.filter(|block| block.lines().any(|line| line.starts_with(command)));
    let block = found.next();
    let block = block.with_context(|| format!("no block of the README has \"{command}\""))?;
    ensure!(found.next().is_none(), "several blocks of the README have \"{command}\"");
    Ok(block)
}
