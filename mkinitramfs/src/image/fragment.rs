//! A part of a kernel's configuration, from which and `make allnoconfig` Linux makes
//! a first kernel: what `hardening` requires and what `needs` lists for some classes,
//! all of it built in.
//!
//! Specification: Documentation/kbuild/kconfig-language.rst and what
//! scripts/kconfig/merge_config.sh reads. No option is set twice.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::{Result, ensure};
use turnout::base::arch::Arch;

use super::hardening::{Config, RULES, Rule, Value};
use super::needs::{Class, rules};

/// Seconds until a panic resets the machine: long enough to read it.
const PANIC_TIMEOUT: &str = "10";

/// What a fragment is made of.
#[derive(Debug)]
pub struct Fragment<'a> {
    /// The architecture of the kernel.
    pub arch: Arch,
    /// What it runs on.
    pub classes: Vec<&'static Class>,
    /// The kernel's own command line.
    pub cmdline: &'a str,
    /// The image that becomes part of the kernel, as Linux's make is to find it.
    pub initramfs: Option<&'a str>,
}

impl Fragment<'_> {
    /// The command line that is built in unless another one is named: consoles and nothing else;
    /// and where no EFI keeps the tables of a GICv3 from the next kernel, no such tables.
    #[must_use]
    pub fn usual_cmdline(arch: Arch, classes: &[&Class]) -> &'static str {
        let has_efi = classes.iter().any(|class| class.name == Class::EFI);
        match arch {
            Arch::X86_64 => "console=ttyS0,115200 console=tty0 quiet",
            Arch::Aarch64 if has_efi => "console=ttyAMA0,115200 console=tty0 quiet",
            Arch::Aarch64 => "console=ttyAMA0,115200 console=tty0 irqchip.gicv3_nolpi=1 quiet",
        }
    }

    /// The text of it.
    ///
    /// # Errors
    /// A command line or the name of an image with which the kernel would not meet what
    /// `hardening` requires, or that no configuration can hold.
    pub fn write(&self) -> Result<String> {
        for text in [Some(self.cmdline), self.initramfs].into_iter().flatten() {
            let is_plain = !text.chars().any(|one| one.is_control() || "\"\\".contains(one));
            ensure!(is_plain, "{text:?} has characters that a configuration cannot hold");
        }
        let mut lines = Lines { text: self.head(), set: BTreeSet::new(), why: "" };
        for class in &self.classes {
            lines.section(&format!("{}: {}", class.name, class.about));
            for rule in class.rules(self.arch) {
                self.add(&mut lines, &rule);
            }
        }
        lines.section("what every boot environment requires");
        for rule in RULES.iter().filter(|rule| rule.is_for(self.arch)) {
            self.add(&mut lines, rule);
        }
        self.image(&mut lines);
        self.refuse_efi(&mut lines);
        self.fits(&lines.text)?;
        Ok(lines.text)
    }

    /// How it was made, and what is done with it.
    fn head(&self) -> String {
        let names: Vec<&str> = self.classes.iter().map(|class| class.name).collect();
        format!(
            "# A first kernel for Turnout, {}: everything is built in.\n\
             # Classes: {}\n\
             #\n\
             # In Linux's source: KCONFIG_ALLCONFIG=THIS-FILE make ARCH={} allnoconfig\n\
             # then: mkinitramfs check --config .config --class {}\n",
            self.arch,
            names.join(" "),
            match self.arch {
                Arch::X86_64 => "x86",
                Arch::Aarch64 => "arm64",
            },
            names.join(" ")
        )
    }

    /// The first of a rule's alternatives, unless a class has set another one.
    fn add(&self, lines: &mut Lines, rule: &Rule) {
        if rule.wanted.iter().any(|(name, _)| lines.set.contains(name)) {
            return;
        }
        let Some((name, value)) = rule.wanted.first() else { return };
        let setting = match value {
            Value::Yes => format!("CONFIG_{name}=y"),
            Value::No => format!("# CONFIG_{name} is not set"),
            Value::NotZero => format!("CONFIG_{name}={PANIC_TIMEOUT}"),
            Value::Text => format!("CONFIG_{name}=\"{}\"", self.text(name)),
            // Says something of a setting that another rule makes.
            Value::Without(_) => return,
        };
        lines.setting(rule.why, name, &setting);
    }

    fn text(&self, name: &str) -> &str {
        match name {
            "INITRAMFS_SOURCE" => self.initramfs.unwrap_or("turnout.cpio"),
            _ => self.cmdline,
        }
    }

    /// One that is built in on x86_64 too; as it is, for the kernel is packed as a whole.
    fn image(&self, lines: &mut Lines) {
        let Some(path) = self.initramfs else { return };
        let name = "INITRAMFS_SOURCE";
        if lines.set.contains(name) {
            return;
        }
        lines.setting(
            "the image is part of the kernel",
            name,
            &format!("CONFIG_{name}=\"{path}\""),
        );
    }

    /// Some architectures have EFI unless it is refused.
    fn refuse_efi(&self, lines: &mut Lines) {
        if !lines.set.contains("EFI") {
            lines.setting("no firmware of this kernel is EFI", "EFI", "# CONFIG_EFI is not set");
        }
    }

    /// Held against the rules that it was made from: what somebody has named may break one.
    fn fits(&self, text: &str) -> Result<()> {
        let (_, findings) = Config::read(text.as_bytes())?.check(&rules(self.arch, &self.classes));
        match findings.first() {
            Some(finding) => anyhow::bail!("{finding}"),
            None => Ok(()),
        }
    }
}

/// The lines so far, and the options that they set.
struct Lines {
    text: String,
    set: BTreeSet<&'static str>,
    why: &'static str,
}

impl Lines {
    fn section(&mut self, title: &str) {
        self.why = "";
        let _ = write!(self.text, "\n#\n# {title}\n#\n");
    }

    /// Its reason stands above the first option that it is for.
    fn setting(&mut self, why: &'static str, name: &'static str, setting: &str) {
        if why != self.why {
            let _ = writeln!(self.text, "# {why}");
            self.why = why;
        }
        let _ = writeln!(self.text, "{setting}");
        self.set.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::needs::{CLASSES, chosen};

    const ARCHS: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

    fn fragment(arch: Arch, named: &[&str]) -> Fragment<'static> {
        let named: Vec<String> = named.iter().map(|word| (*word).to_owned()).collect();
        let classes = chosen(arch, &named, &[]).unwrap();
        let cmdline = Fragment::usual_cmdline(arch, &classes);
        Fragment { arch, classes, cmdline, initramfs: None }
    }

    #[test]
    fn each_class_alone_and_all_together_meet_what_they_are_checked_against() {
        for arch in ARCHS {
            let all: Vec<&str> = Class::all(arch).map(|class| class.name).collect();
            let alone = all.iter().map(std::slice::from_ref);
            for named in alone.chain([all.as_slice(), &[]]) {
                let fragment = fragment(arch, named);
                let config = Config::read(fragment.write().unwrap().as_bytes()).unwrap();
                assert_eq!(config.arch, arch);
                let (count, findings) = config.check(&rules(arch, &fragment.classes));
                assert_eq!(findings, [], "{named:?}");
                assert!(count > RULES.len() / 2 + 10, "{count}");
            }
        }
    }

    #[test]
    fn every_option_of_a_class_is_missed_where_it_is_not_set() {
        for arch in ARCHS {
            for class in Class::all(arch) {
                let fragment = fragment(arch, &[class.name]);
                let text = fragment.write().unwrap();
                for rule in class.rules(arch) {
                    let (name, _) = rule.wanted[0];
                    if ["X86_64", "ARM64"].contains(&name) {
                        continue;
                    }
                    let broken = text.replace(&format!("CONFIG_{name}=y\n"), "");
                    let (_, findings) = Config::read(broken.as_bytes())
                        .unwrap()
                        .check(&rules(arch, &fragment.classes));
                    assert!(findings.contains(&super::super::hardening::Finding {
                        rule,
                        found: format!("CONFIG_{name}=n")
                    }));
                }
            }
        }
    }

    #[test]
    fn reasons_stand_above_their_options_and_classes_above_their_reasons() {
        let text = fragment(Arch::X86_64, &["nvme"]).write().unwrap();
        assert!(text.contains("#\n# nvme: NVMe\n#\n# disks on NVMe\nCONFIG_BLK_DEV_NVME=y\n"));
        assert!(
            text.contains("# the kernel starts no programs\n# CONFIG_UEVENT_HELPER is not set\n")
        );
        assert!(text.contains("\n# Classes: base nvme\n"), "{text}");
    }

    #[test]
    fn without_its_class_efi_is_refused() {
        for arch in ARCHS {
            assert!(!fragment(arch, &[]).write().unwrap().contains("# CONFIG_EFI is not set\n"));
            assert!(
                fragment(arch, &["nvme"]).write().unwrap().contains("# CONFIG_EFI is not set\n")
            );
        }
    }

    #[test]
    fn without_efi_no_table_of_interrupts_outlives_the_jump() {
        for (arch, named, has) in [
            (Arch::Aarch64, ["base", "nvme"], true),
            (Arch::Aarch64, ["efi", "nvme"], false),
            (Arch::X86_64, ["base", "nvme"], false),
        ] {
            let text = fragment(arch, &named).write().unwrap();
            assert_eq!(text.contains("gicv3_nolpi=1"), has, "{named:?}");
        }
    }

    #[test]
    fn a_class_chooses_among_alternatives() {
        let text = fragment(Arch::X86_64, &["nvme", "vfat"]).write().unwrap();
        assert!(text.contains("CONFIG_VFAT_FS=y\n") && !text.contains("EXT4_FS"), "{text}");
        assert!(fragment(Arch::X86_64, &["nvme"]).write().unwrap().contains("CONFIG_EXT4_FS=y\n"));
    }

    #[test]
    fn a_command_line_that_starts_something_else_is_refused() {
        for (cmdline, why) in [
            ("quiet init=/bin/sh", "without init=: no system is ever started"),
            (" ", "CONFIG_CMDLINE not empty"),
            ("a\"\nCONFIG_MODULES=y", "characters"),
        ] {
            let fragment = Fragment { cmdline, ..fragment(Arch::X86_64, &[]) };
            let error = format!("{:#}", fragment.write().unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn an_image_that_is_named_is_built_in() {
        for arch in ARCHS {
            let fragment = Fragment { initramfs: Some("/tmp/t.cpio"), ..fragment(arch, &[]) };
            assert!(
                fragment.write().unwrap().contains("CONFIG_INITRAMFS_SOURCE=\"/tmp/t.cpio\"\n")
            );
        }
        assert!(!fragment(Arch::X86_64, &[]).write().unwrap().contains("INITRAMFS_SOURCE"));
    }

    #[test]
    fn words_that_are_no_class_are_refused_with_those_that_are() {
        for (arch, named, without, why) in [
            (Arch::X86_64, "nvmee", "usb", "no class nvmee for x86_64; there are base, efi, "),
            (Arch::Aarch64, "vmware", "usb", "no class vmware for aarch64"),
            (Arch::X86_64, "nvme", "base", "has the class base"),
        ] {
            let words = [named, without].map(str::to_owned);
            let error = format!("{:#}", chosen(arch, &words[..1], &words[1..]).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
        let without = chosen(Arch::X86_64, &[], &["efi".to_owned()]).unwrap();
        assert!(without.iter().all(|class| class.name != "efi") && without.len() > 8);
    }

    #[test]
    fn no_class_asks_for_what_is_forbidden() {
        for arch in ARCHS {
            for rule in CLASSES.iter().flat_map(|class| class.rules(arch)) {
                let (name, _) = rule.wanted[0];
                assert!(!RULES.iter().any(|rule| rule.wanted == [(name, Value::No)]), "{name}");
            }
        }
    }
}
