//! `mkinitramfs check`: whether a kernel was configured for what a boot environment does.

use anyhow::{Context as _, Result};

use crate::image::hardening::Config;
use crate::image::initramfs::Input;

use super::arguments::Check;
use super::build::input;

/// Whether the configuration has all that is required; prints what it has not.
pub(super) fn check(cli: &Check) -> Result<bool> {
    let Input { name, bytes } = input(&cli.config)?;
    let config = Config::read(&bytes).with_context(|| name.clone())?;
    let (required, findings) = config.check();
    for finding in &findings {
        println!("{finding}");
    }
    let met = required.saturating_sub(findings.len());
    println!("{name}: {met} of {required} requirements for {} are met", config.arch);
    Ok(findings.is_empty())
}
