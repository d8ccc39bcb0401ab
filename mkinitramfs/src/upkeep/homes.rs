//! Finds the boot partitions of the running system, where nobody names them.

use std::path::{Path, PathBuf};

use turnout::sys::mounted;

/// Where an EFI system partition is mounted besides `/boot`.
const ESPS: [&str; 2] = ["/efi", "/boot/efi"];
/// What of one is worth a look: entries of the Boot Loader Specification. A stub of GRUB
/// leads to the menu that is read anyway.
const OWN: [&str; 2] = ["loader/entries", "EFI/Linux"];

/// One list of values of `--root` for each boot partition, itself first.
#[must_use]
pub fn homes() -> Vec<Vec<String>> {
    let is_boot = is_mounted(Path::new("/boot"));
    let boot = if is_boot { "/boot" } else { "/" };
    let esps: Vec<_> = ESPS.iter().filter(|esp| is_mounted(Path::new(esp))).collect();
    let mut first = vec![boot.to_owned()];
    if is_boot {
        first.push("root=/".to_owned());
    }
    first.extend(esps.iter().take(1).map(|esp| format!("esp={esp}")));
    let own = esps.iter().take(1).filter(|esp| has_own(Path::new(esp)));
    let own = own.map(|esp| vec![(**esp).to_owned(), format!("boot={boot}")]);
    core::iter::once(first).chain(own).collect()
}

fn is_mounted(path: &Path) -> bool {
    mounted::at(path).is_some()
}

fn has_own(esp: &Path) -> bool {
    OWN.iter().map(|own| esp.join(own)).any(|own| has_files(&own))
}

fn has_files(directory: &PathBuf) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}
