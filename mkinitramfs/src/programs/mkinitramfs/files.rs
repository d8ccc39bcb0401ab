//! Reads the files that the arguments name.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::image::initramfs::Input;

/// A file that goes into the image, or is checked.
pub(super) fn input(path: &Path) -> Result<Input> {
    let name = path.display().to_string();
    let bytes = fs::read(path).with_context(|| format!("cannot read {name}"))?;
    Ok(Input { name, bytes })
}
