//! Menus of extlinux, syslinux, isolinux and pxelinux, and U-Boot's extlinux.conf.
//!
//! Follows syslinux's `doc/syslinux.txt`, `doc/menu.txt` and the wiki's
//! `Config`, and for the keys that only U-Boot has its `doc/README.pxe`. A
//! label's APPEND takes the place of the one before all labels, `-` means none;
//! a label without KERNEL is the name of one. What starts no Linux (modules, boot
//! sectors, other configurations) is left out with a diagnostic, what only leads
//! from one submenu to another without. An unknown keyword costs nothing else.
//! Nothing is run, no variable is filled in, and no password is asked for: an
//! entry behind one cannot boot.

mod configuration;
mod label;
mod place;

use crate::menu::metered::Metered;
use crate::menu::{Format, Menu, Target};
use configuration::Configuration;

pub(super) const FORMAT: Format = Format::other("extlinux");

/// Where configurations are looked for below the root of a volume and below its
/// `/boot`, in this order: where U-Boot does, then where distributions and their
/// installation media have them.
pub(super) const PLACES: [&str; 10] = [
    "/extlinux/extlinux.conf",
    "/isolinux/isolinux.cfg",
    "/isolinux.cfg",
    "/isolinux/syslinux.cfg",
    "/syslinux/syslinux.cfg",
    "/syslinux/isolinux.cfg",
    "/syslinux/extlinux.conf",
    "/syslinux.cfg",
    "/extlinux.conf",
    "/pxelinux.cfg/default",
];

/// Whether a path is that of a configuration.
pub(super) fn is_path(path: &str) -> bool {
    let directory = path.rsplit_once('/').unwrap_or_default().0;
    path.ends_with("/extlinux.conf")
        || path.ends_with(".cfg")
        || directory.ends_with("pxelinux.cfg")
}

/// Reads the configuration at `path` and all that it includes.
pub(super) fn parse(files: &Metered<'_>, path: &str, target: &Target<'_>) -> Menu {
    Configuration::new(files, path, target).parse()
}

#[cfg(test)]
mod tests;
