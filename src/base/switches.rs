//! What a build can leave out, as features of the package: each is a row here and
//! the row of a table where it belongs, which the linker then has no use for.
//! Nothing that decides about trust, floors or measurement has a switch.

/// A feature of the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// The feature's name.
    pub name: &'static str,
    /// Whether this build has it.
    pub on: bool,
}

/// LZ4, in frames and as the kernel's build writes it.
pub const LZ4: Switch = Switch { name: "decoder-lz4", on: cfg!(feature = "decoder-lz4") };
/// The older format of LZMA.
pub const LZMA: Switch = Switch { name: "decoder-lzma", on: cfg!(feature = "decoder-lzma") };

/// Menus of syslinux, extlinux, isolinux and pxelinux.
pub const SYSLINUX: Switch = Switch { name: "menu-syslinux", on: cfg!(feature = "menu-syslinux") };
/// Menus of GRUB: its scripts.
pub const GRUB: Switch = Switch { name: "menu-grub", on: cfg!(feature = "menu-grub") };
/// Petitboot's own menus.
pub const PETITBOOT: Switch =
    Switch { name: "menu-petitboot", on: cfg!(feature = "menu-petitboot") };
/// Menus of kboot.
pub const KBOOT: Switch = Switch { name: "menu-kboot", on: cfg!(feature = "menu-kboot") };

/// All of them.
pub const ALL: [Switch; 6] = [LZ4, LZMA, SYSLINUX, GRUB, PETITBOOT, KBOOT];

/// What `--version` prints: name and version, and what was built in or left out.
#[must_use]
pub fn version(program: &str) -> String {
    let mut text = format!("{program} {}", env!("CARGO_PKG_VERSION"));
    for (word, on) in [("with", true), ("without", false)] {
        let names: Vec<_> =
            ALL.iter().filter(|switch| switch.on == on).map(|switch| switch.name).collect();
        if !names.is_empty() {
            text.push_str(&format!("\n{word} {}", names.join(" ")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_is_listed_once() {
        let text = version("x");
        for switch in ALL {
            assert_eq!(text.split_whitespace().filter(|word| *word == switch.name).count(), 1);
            let line = text.lines().find(|line| line.contains(switch.name)).unwrap();
            assert_eq!(line.starts_with("with "), switch.on, "{line}");
        }
    }
}
