//! Volumes that wait for a passphrase at each start.
//!
//! Specification: crypttab(5) of systemd and of Debian. Which tokens a volume has its
//! header says, and that is not read here.

use super::Tree;
use crate::check::facts::Locked;

/// The option by which systemd has the TPM open a volume.
const BY_TPM: &str = "tpm2-device=";
/// That of Debian by which something opens it that is not known here.
const BY_SCRIPT: &str = "keyscript=";

/// Where initramfs-tools opens the root's volume: by itself, without systemd, and without
/// a look at the option for the TPM.
const WITHOUT_SYSTEMD: &str = "usr/share/initramfs-tools/hooks/cryptroot";

/// Files of clevis for the two makers of an initramfs.
const CLEVIS: [&str; 2] =
    ["usr/share/initramfs-tools/hooks/clevis", "usr/lib/dracut/modules.d/60clevis"];

/// Those of crypttab, and those that the root lies on.
pub(super) fn read(tree: &Tree, below_root: &[String]) -> Vec<Locked> {
    let may_open_itself = CLEVIS.iter().any(|path| tree.has(path));
    let text = tree.text("etc/crypttab").unwrap_or_default();
    let lines: Vec<Line<'_>> = text.lines().filter_map(Line::parse).collect();
    let is_root = |name: &str| below_root.iter().any(|known| known == name);
    let is_old = tree.has(WITHOUT_SYSTEMD);
    let asking = lines.iter().filter(|line| match is_root(line.name) {
        true => line.asks(!is_old),
        false => line.asks(true) && line.is_auto(),
    });
    let mut found: Vec<Locked> = asking
        .map(|line| Locked {
            name: line.name.to_owned(),
            device: Some(line.device()),
            is_root: is_root(line.name),
            may_open_itself,
        })
        .collect();
    let others = below_root.iter().filter(|name| lines.iter().all(|line| line.name != **name));
    found.extend(others.map(|name| Locked {
        name: name.clone(),
        device: None,
        is_root: true,
        may_open_itself,
    }));
    found
}

/// A line of crypttab.
struct Line<'a> {
    name: &'a str,
    device: &'a str,
    key: &'a str,
    options: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let name = words.next().filter(|name| !name.starts_with('#'))?;
        let device = words.next()?;
        let key = words.next().unwrap_or("none");
        Some(Self { name, device, key, options: words.next().unwrap_or_default() })
    }

    /// Without a file that has the key, and without something else that gives it: the TPM
    /// only where systemd opens the volume.
    fn asks(&self, by_systemd: bool) -> bool {
        let by_tpm = by_systemd && self.has(BY_TPM);
        ["none", "-"].contains(&self.key) && !self.has(BY_SCRIPT) && !by_tpm
    }

    fn has(&self, start: &str) -> bool {
        self.options.split(',').any(|option| option.starts_with(start))
    }

    fn is_auto(&self) -> bool {
        self.options.split(',').all(|option| option != "noauto")
    }

    /// As a command takes it.
    fn device(&self) -> String {
        match self.device.split_once('=') {
            Some((tag, value)) => {
                let value = value.trim_matches('"');
                format!("/dev/disk/by-{}/{value}", tag.to_ascii_lowercase())
            }
            None => self.device.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_volume_without_a_key_asks() {
        for (line, asks) in [
            ("a UUID=1 none luks,discard", true),
            ("a /dev/sda3", true),
            ("a /dev/sda3 - luks", true),
            ("a /dev/sda3 /etc/key luks", false),
            ("swap /dev/sda4 /dev/urandom swap", false),
            ("a /dev/sda3 none luks,tpm2-device=auto", false),
            ("a /dev/sda3 none luks,keyscript=decrypt_derived", false),
        ] {
            assert_eq!(Line::parse(line).unwrap().asks(true), asks, "{line}");
        }
        assert!(Line::parse("a /dev/sda3 none luks,tpm2-device=auto").unwrap().asks(false));
        assert!(!Line::parse("a /dev/sda3 /key luks").unwrap().asks(false));
        assert!(Line::parse("# a b c").is_none() && Line::parse("").is_none());
        assert!(Line::parse("a").is_none());
    }

    #[test]
    fn a_tag_is_a_path_of_udev() {
        let device = |line: &str| Line::parse(line).unwrap().device();
        assert_eq!(device("a UUID=1-2 none"), "/dev/disk/by-uuid/1-2");
        assert_eq!(device("a PARTLABEL=\"x\" none"), "/dev/disk/by-partlabel/x");
        assert_eq!(device("a /dev/md0 none"), "/dev/md0");
    }
}
