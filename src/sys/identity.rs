//! Which board this is: what the firmware says of it, in words that a manifest
//! can hold.
//!
//! Boards are the strings of the device tree's root `compatible` (Devicetree
//! Specification v0.4, section 2.3.1) and DMI's manufacturer and product, joined
//! by a comma (SMBIOS 3.6, section 7.2). Device ids are the tree's
//! `serial-number` and DMI's UUID and serial number. A source that is not there
//! names nothing: an entry for certain boards then does not boot.

use super::sources::Sources;
use crate::trust::manifest::MAX_NAME;
use crate::trust::verify::Identity;

const DEVICE_TREE: &str = "/proc/device-tree";
const DMI: &str = "/sys/class/dmi/id";
/// Longest property or attribute that is read, in bytes.
const MAX_VALUE: u64 = 4096;
/// Most names of one kind: as many as a manifest may list boards.
const MAX_NAMES: usize = 32;

/// `/sys/class/dmi/id`, `/proc/device-tree`: asks the firmware's tables.
#[must_use]
pub fn read(sources: &Sources) -> Identity {
    let product = dmi(sources, "sys_vendor").zip(dmi(sources, "product_name"));
    let product = product.map(|(vendor, product)| format!("{vendor},{product}"));
    let uuid = dmi(sources, "product_uuid").filter(|uuid| is_set(uuid));
    let boards = tree(sources, "compatible").into_iter().chain(product);
    let serials = tree(sources, "serial-number").into_iter();
    let devices = serials.chain(uuid).chain(dmi(sources, "product_serial"));
    Identity { boards: names(boards), devices: names(devices) }
}

/// What the device tree says of the board.
fn tree(sources: &Sources, property: &str) -> Vec<String> {
    strings(sources, &format!("{DEVICE_TREE}/{property}"))
}

/// What SMBIOS says of the machine.
fn dmi(sources: &Sources, attribute: &str) -> Option<String> {
    strings(sources, &format!("{DMI}/{attribute}")).into_iter().next()
}

/// The strings of a property or an attribute, each of which ends with a NUL or,
/// in sysfs, with a line feed.
fn strings(sources: &Sources, path: &str) -> Vec<String> {
    let bytes = sources.read_bytes(path, MAX_VALUE).unwrap_or_default();
    let strings = bytes.split(|byte| matches!(byte, 0 | b'\n')).map(<[u8]>::trim_ascii);
    strings.filter(|string| !string.is_empty()).map(name).collect()
}

/// A word that a manifest can hold: every other character becomes a dash.
fn name(string: &[u8]) -> String {
    let mut word: String = string.iter().map(|byte| character(*byte)).collect();
    if word.starts_with('.') {
        word.replace_range(..1, "-");
    }
    word
}

fn character(byte: u8) -> char {
    if byte.is_ascii_graphic() && byte != b'/' { char::from(byte) } else { '-' }
}

/// All zeros and all ones mean that the maker has set none (SMBIOS 3.6, section
/// 7.2.1).
fn is_set(uuid: &str) -> bool {
    let mut digits = uuid.chars().filter(|c| *c != '-');
    let first = digits.next().unwrap_or('0');
    !matches!(first, '0' | 'f' | 'F') || digits.any(|digit| digit != first)
}

/// Each once. One that is too long for a manifest can be in none.
fn names(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut names = Vec::new();
    for name in all.filter(|name| name.len() <= MAX_NAME) {
        if names.len() < MAX_NAMES && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::base::arch::Arch;

    /// A machine with these files below its device tree and its DMI directory.
    fn identity(test: &str, files: &[(&'static str, &str, &[u8])]) -> Identity {
        let place = std::env::temp_dir().join(format!("turnout-{test}-{}", std::process::id()));
        let stand_in = |root: &str| place.join(root.trim_start_matches('/'));
        for (root, name, bytes) in files {
            std::fs::create_dir_all(stand_in(root)).unwrap();
            std::fs::write(stand_in(root).join(name), bytes).unwrap();
        }
        let stand_ins: Vec<(&'static str, PathBuf)> =
            [DEVICE_TREE, DMI].map(|root| (root, stand_in(root))).into();
        let found = read(&Sources::described(Arch::Aarch64, None, stand_ins));
        let _ = std::fs::remove_dir_all(place);
        found
    }

    #[test]
    fn a_device_tree_names_the_board_and_its_predecessors() {
        let found = identity(
            "tree",
            &[
                (DEVICE_TREE, "compatible", b"acme,rtu-5\0acme,rtu\0acme,rtu\0"),
                (DEVICE_TREE, "serial-number", b"A 1/7\0"),
            ],
        );
        assert_eq!(found.boards, ["acme,rtu-5", "acme,rtu"]);
        assert_eq!(found.devices, ["A-1-7"]);
    }

    #[test]
    fn dmi_gives_manufacturer_and_product_in_one_word() {
        let found = identity(
            "dmi",
            &[
                (DMI, "sys_vendor", b"QEMU\n"),
                (DMI, "product_name", b"Standard PC (Q35 + ICH9, 2009)\n"),
                (DMI, "product_uuid", b"5b1a0a5e-0000-4000-8000-00000000abcd\n"),
                (DMI, "product_serial", b"\n"),
            ],
        );
        assert_eq!(found.boards, ["QEMU,Standard-PC-(Q35-+-ICH9,-2009)"]);
        assert_eq!(found.devices, ["5b1a0a5e-0000-4000-8000-00000000abcd"]);
    }

    #[test]
    fn a_machine_that_says_nothing_is_no_board_and_no_device() {
        let nothing = Identity { boards: vec![], devices: vec![] };
        assert_eq!(identity("silent", &[]), nothing);
        let half = [(DMI, "product_name", b"Half\n".as_slice())];
        assert_eq!(identity("half", &half), nothing);
    }

    #[test]
    fn a_uuid_that_nobody_has_set_is_no_device_id() {
        for uuid in ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]
        {
            assert_eq!(
                identity("unset", &[(DMI, "product_uuid", uuid.as_bytes())]).devices,
                [""; 0]
            );
        }
        assert!(is_set("00000000-0000-0000-0000-000000000001"));
    }

    #[test]
    fn every_name_is_one_that_a_manifest_can_hold() {
        let long = [b"x".repeat(MAX_NAME + 1), b"\0.hidden\0\xc3\xa9\x1b[2J\0".to_vec()].concat();
        let found = identity("odd", &[(DEVICE_TREE, "compatible", &long)]);
        assert_eq!(found.boards, ["-hidden", "---[2J"]);
    }
}
