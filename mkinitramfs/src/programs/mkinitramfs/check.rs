//! `mkinitramfs check`: whether a kernel was configured for what a boot environment does;
//! and the configuration of one that is (`--fragment`).

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use turnout::base::arch::Arch;

use crate::image::fragment::Fragment;
use crate::image::hardening::Config;
use crate::image::initramfs::Input;
use crate::image::needs;

use super::arguments::Check;
use super::files::input;

/// Whether the configuration has all that is required; prints what it has not. A fragment
/// has it always.
pub(super) fn check(cli: &Check) -> Result<bool> {
    match &cli.config {
        Some(path) => check_config(cli, path),
        None => print_fragment(cli).map(|()| true),
    }
}

fn check_config(cli: &Check, path: &Path) -> Result<bool> {
    let Input { name, bytes } = input(path)?;
    let config = Config::read(&bytes).with_context(|| name.clone())?;
    let classes = match cli.class.as_slice() {
        [] => Vec::new(),
        named => needs::chosen(config.arch, named, &[])?,
    };
    let (required, findings) = config.check(&needs::rules(config.arch, &classes));
    for finding in &findings {
        println!("{finding}");
    }
    let met = required.saturating_sub(findings.len());
    println!("{name}: {met} of {required} requirements for {} are met", config.arch);
    Ok(findings.is_empty())
}

fn print_fragment(cli: &Check) -> Result<()> {
    let arch = match cli.arch {
        Some(arch) => arch,
        None => own_arch()?,
    };
    let classes = needs::chosen(arch, &cli.class, &cli.without)?;
    let usual = Fragment::usual_cmdline(arch, &classes);
    let cmdline = cli.cmdline.as_deref().unwrap_or(usual);
    let fragment = Fragment { arch, classes, cmdline, initramfs: cli.initramfs.as_deref() };
    print!("{}", fragment.write()?);
    Ok(())
}

fn own_arch() -> Result<Arch> {
    match Arch::parse(std::env::consts::ARCH) {
        Some(arch) => Ok(arch),
        None => bail!("name the kernel's architecture with --arch: this machine's is none of ours"),
    }
}
