//! What the kernel of a boot environment must be configured for, and the check
//! of a kernel's configuration against it.
//!
//! [`RULES`] is the only list: `docs/hardening.md` shows it, and a test holds the
//! two together. The check reads what Kconfig writes (`.config`,
//! /boot/config-RELEASE, /proc/config.gz); it says nothing of patches, of the
//! command line of a boot loader, or of how kernel and image are kept together. What
//! some hardware needs besides is in `needs`, and a configuration is made of both by
//! `fragment`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;

use anyhow::{Context as _, Result, bail, ensure};
use flate2::read::GzDecoder;
use turnout::base::arch::Arch;

/// Longest configuration that is read, in bytes: real ones have 300 KiB.
const MAX_CONFIG: u64 = 16 << 20;

/// What an option has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Built in.
    Yes,
    /// Neither built in nor a module.
    No,
    /// A text that is not empty.
    Text,
    /// A number that is not 0.
    NotZero,
    /// A command line without a parameter that begins so.
    Without(&'static str),
}

/// One requirement: at least one of its options is as wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Options, without `CONFIG_`, and what they have to be.
    pub wanted: &'static [(&'static str, Value)],
    /// The architecture that it is for, if not for both.
    pub arch: Option<Arch>,
    /// What goes wrong otherwise.
    pub why: &'static str,
}

const fn both(wanted: &'static [(&'static str, Value)], why: &'static str) -> Rule {
    Rule { wanted, arch: None, why }
}

const fn x86_64(wanted: &'static [(&'static str, Value)], why: &'static str) -> Rule {
    Rule { wanted, arch: Some(Arch::X86_64), why }
}

const fn aarch64(wanted: &'static [(&'static str, Value)], why: &'static str) -> Rule {
    Rule { wanted, arch: Some(Arch::Aarch64), why }
}

use Value::{No, NotZero, Text, Without, Yes};

/// Every requirement, in the order of the document.
pub const RULES: &[Rule] = &[
    both(&[("BLK_DEV_INITRD", Yes)], "PID 1 comes in an initramfs"),
    both(&[("PROC_FS", Yes)], "PID 1 reads the machine from /proc"),
    both(&[("SYSFS", Yes)], "PID 1 finds disks in /sys"),
    both(&[("DEVTMPFS", Yes)], "PID 1 opens disks and consoles in /dev"),
    both(&[("TMPFS", Yes)], "PID 1 keeps state in /run"),
    both(&[("MEMFD_CREATE", Yes)], "what was verified is kept in sealed memory"),
    both(&[("SYSCTL", Yes)], "after loading, kernel.kexec_load_disabled shuts the door"),
    both(&[("EFI_PARTITION", Yes)], "boot partitions are found by their GPT types"),
    both(&[("KEXEC", Yes), ("KEXEC_FILE", Yes)], "without either call nothing is ever started"),
    both(
        &[("EXT4_FS", Yes), ("VFAT_FS", Yes), ("SQUASHFS", Yes), ("EROFS_FS", Yes)],
        "one file system for the boot partition; better no second one besides vfat",
    ),
    x86_64(&[("CMDLINE_BOOL", Yes)], "the kernel's own command line"),
    x86_64(
        &[("CMDLINE_OVERRIDE", Yes)],
        "else a boot loader adds rdinit=, init= or a debugger to the command line",
    ),
    aarch64(
        &[("CMDLINE_FORCE", Yes)],
        "else a boot loader adds rdinit=, init= or a debugger to the command line",
    ),
    both(&[("CMDLINE", Text)], "with an empty one the boot loader's counts"),
    both(&[("CMDLINE", Without("rdinit="))], "/init is Turnout, anything else is not"),
    both(&[("CMDLINE", Without("init="))], "no system is ever started without kexec"),
    aarch64(&[("INITRAMFS_SOURCE", Text)], "mkinitramfs's image is part of the kernel"),
    aarch64(
        &[("INITRAMFS_FORCE", Yes)],
        "else a boot loader's initrd is unpacked over the kernel's own, /init too",
    ),
    both(
        &[("EFI_GENERIC_STUB_INITRD_CMDLINE_LOADER", No)],
        "else EFI's boot options name an initrd that is unpacked over the image",
    ),
    aarch64(&[("EFI_ARMSTUB_DTB_LOADER", No)], "else EFI's boot options name another device tree"),
    both(&[("BOOT_CONFIG", No)], "else whoever appends to an initrd adds kernel parameters"),
    both(
        &[("ACPI_TABLE_UPGRADE", No)],
        "else an initrd brings ACPI tables, which are code for the kernel",
    ),
    both(&[("ACPI_CUSTOM_METHOD", No)], "else ACPI code is changed at run time"),
    both(
        &[("EFI_CUSTOM_SSDT_OVERLAYS", No)],
        "else an EFI variable brings ACPI tables, which are code for the kernel",
    ),
    both(
        &[("MODULES", No), ("MODULE_SIG_FORCE", Yes)],
        "no code gets into the kernel that its builder has not signed",
    ),
    both(&[("HIBERNATION", No)], "else a memory image from a disk is started unverified"),
    both(&[("CRASH_DUMP", No)], "a second kernel in reserve is one more thing to verify"),
    both(&[("UEVENT_HELPER", No)], "the kernel starts no programs"),
    both(&[("FW_LOADER_USER_HELPER", No)], "the kernel starts no programs"),
    both(&[("COREDUMP", No)], "the kernel starts no programs, and dumps no secrets"),
    both(&[("BINFMT_MISC", No)], "nothing is ever executed"),
    both(&[("BINFMT_SCRIPT", No)], "nothing is ever executed"),
    both(&[("DEVMEM", No)], "/dev/mem reads and writes all memory"),
    both(&[("DEVPORT", No)], "/dev/port reaches every device"),
    both(&[("PROC_KCORE", No)], "/proc/kcore reads all memory"),
    both(&[("DEBUG_FS", No)], "its files are for developers, and look at memory"),
    both(&[("KPROBES", No)], "kernel code is not to be changed while it runs"),
    x86_64(&[("X86_MSR", No)], "/dev/cpu/*/msr changes how the processor runs"),
    x86_64(&[("X86_IOPL_IOPERM", No)], "programs are not to reach devices"),
    both(&[("MAGIC_SYSRQ", No)], "a key, or BREAK on the serial line, kills or dumps PID 1"),
    both(&[("KGDB", No)], "a debugger on the serial line does anything"),
    both(&[("BPF_SYSCALL", No)], "a compiler in the kernel that nothing here needs"),
    both(&[("USER_NS", No)], "more of the kernel in reach of a program, for nothing"),
    both(&[("IO_URING", No)], "more of the kernel in reach of a program, for nothing"),
    both(&[("PANIC_ON_OOPS", Yes)], "a kernel that is damaged goes no further"),
    both(&[("PANIC_TIMEOUT", NotZero)], "a panic resets the machine instead of holding it"),
    both(&[("BUG_ON_DATA_CORRUPTION", Yes)], "a kernel that is damaged goes no further"),
    both(&[("STRICT_KERNEL_RWX", Yes)], "code is not written, data is not executed"),
    both(&[("RANDOMIZE_BASE", Yes)], "attacks do not know addresses beforehand"),
    both(&[("STACKPROTECTOR_STRONG", Yes)], "an overflow on the stack is noticed"),
    both(&[("VMAP_STACK", Yes)], "a stack that is too deep is noticed"),
    both(&[("HARDENED_USERCOPY", Yes)], "copies to and from programs keep their bounds"),
    both(&[("SLAB_FREELIST_HARDENED", Yes)], "damage in the heap is noticed"),
    both(&[("INIT_ON_ALLOC_DEFAULT_ON", Yes)], "memory does not show what it held before"),
    both(&[("INIT_ON_FREE_DEFAULT_ON", Yes)], "no secret is left for the next system to find"),
    both(&[("IOMMU_SUPPORT", Yes)], "devices reach only memory that they are given"),
    x86_64(&[("INTEL_IOMMU_DEFAULT_ON", Yes)], "devices reach only memory that they are given"),
    x86_64(&[("AMD_IOMMU", Yes)], "devices reach only memory that they are given"),
    both(&[("IOMMU_DEFAULT_DMA_STRICT", Yes)], "and not for a while longer"),
    both(&[("NTFS_FS", No)], "a file system that nobody boots from is only an attack"),
    both(&[("NTFS3_FS", No)], "a file system that nobody boots from is only an attack"),
    both(&[("HFS_FS", No)], "a file system that nobody boots from is only an attack"),
    both(&[("HFSPLUS_FS", No)], "a file system that nobody boots from is only an attack"),
    both(&[("UDF_FS", No)], "a file system that nobody boots from is only an attack"),
    both(&[("UFS_FS", No)], "a file system that nobody boots from is only an attack"),
    both(&[("JFS_FS", No)], "a file system that nobody boots from is only an attack"),
    both(&[("REISERFS_FS", No)], "a file system that nobody boots from is only an attack"),
    both(&[("MINIX_FS", No)], "a file system that nobody boots from is only an attack"),
    both(&[("ROMFS_FS", No)], "a file system that nobody boots from is only an attack"),
    both(&[("AFFS_FS", No)], "a file system that nobody boots from is only an attack"),
    both(&[("NILFS2_FS", No)], "a file system that nobody boots from is only an attack"),
    both(&[("GFS2_FS", No)], "a file system that nobody boots from is only an attack"),
    both(&[("OCFS2_FS", No)], "a file system that nobody boots from is only an attack"),
];

impl Rule {
    /// The requirement, as a configuration would say it.
    #[must_use]
    pub fn requirement(&self) -> String {
        let wanted: Vec<String> =
            self.wanted.iter().map(|(name, value)| value.wanted(name)).collect();
        wanted.join(" or ")
    }

    pub(super) fn is_for(&self, arch: Arch) -> bool {
        self.arch.is_none_or(|own| own == arch)
    }

    fn is_met(&self, config: &Config) -> bool {
        self.wanted.iter().any(|(name, value)| value.is_met(config.get(name)))
    }

    /// What the configuration has instead.
    fn found(&self, config: &Config) -> String {
        let settings = self.wanted.iter().map(|(name, _)| config.setting(name));
        settings.collect::<Vec<_>>().join(", ")
    }
}

impl Value {
    fn wanted(self, name: &str) -> String {
        match self {
            Self::Yes => format!("CONFIG_{name}=y"),
            Self::No => format!("CONFIG_{name}=n"),
            Self::Text => format!("CONFIG_{name} not empty"),
            Self::NotZero => format!("CONFIG_{name} not 0"),
            Self::Without(word) => format!("CONFIG_{name} without {word}"),
        }
    }

    /// `value` is as in a configuration, `n` if it is not there.
    fn is_met(self, value: &str) -> bool {
        let text = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match self {
            Self::Yes => value == "y",
            Self::No => value == "n",
            Self::Text => text.is_some_and(|text| !text.trim().is_empty()),
            Self::NotZero => value.parse().is_ok_and(|number: i64| number != 0),
            Self::Without(word) => {
                let words = text.unwrap_or_default().split_ascii_whitespace();
                !words.into_iter().any(|one| one.trim_start_matches('"').starts_with(word))
            }
        }
    }
}

/// A kernel's configuration.
#[derive(Debug)]
pub struct Config {
    values: BTreeMap<String, String>,
    /// The architecture that the kernel is for.
    pub arch: Arch,
}

impl Config {
    /// Reads a configuration, plain or in gzip.
    ///
    /// # Errors
    /// What is no configuration, with the number of the line; one that sets an
    /// option twice; one for an architecture that Turnout does not know.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let text = if bytes.starts_with(b"\x1f\x8b") { unpack(bytes)? } else { bytes.to_vec() };
        ensure!(text.len() as u64 <= MAX_CONFIG, "it is longer than {MAX_CONFIG} bytes");
        let text = String::from_utf8(text).context("it is no text")?;
        let mut values = BTreeMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let Some((name, value)) = setting(line).with_context(|| format!("line {number}"))?
            else {
                continue;
            };
            let earlier = values.insert(name.to_owned(), value.to_owned());
            ensure!(earlier.is_none(), "line {number}: CONFIG_{name} is set a second time");
        }
        let arch = match ["X86_64", "ARM64"]
            .map(|name| values.get(name).is_some_and(|on| on == "y"))
        {
            [true, false] => Arch::X86_64,
            [false, true] => Arch::Aarch64,
            _ => bail!("it is for neither x86_64 (CONFIG_X86_64=y) nor aarch64 (CONFIG_ARM64=y)"),
        };
        Ok(Self { values, arch })
    }

    /// An option that Kconfig leaves out is off.
    fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("n", String::as_str)
    }

    /// An option as a configuration has it.
    fn setting(&self, name: &str) -> String {
        format!("CONFIG_{name}={}", self.get(name))
    }

    /// How many requirements there are for this kernel, and which are not met: those of every
    /// boot environment, and `needed`, which its hardware needs.
    #[must_use]
    pub fn check(&self, needed: &[Rule]) -> (usize, Vec<Finding>) {
        let required = RULES.iter().filter(|rule| rule.is_for(self.arch));
        let rules: Vec<&Rule> = required.chain(needed).collect();
        let broken = rules.iter().filter(|rule| !rule.is_met(self));
        let findings = broken.map(|rule| Finding { rule: **rule, found: rule.found(self) });
        (rules.len(), findings.collect())
    }
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut decoder = GzDecoder::new(bytes).take(MAX_CONFIG.saturating_add(1));
    decoder.read_to_end(&mut text).context("it is no gzip file, or a damaged one")?;
    Ok(text)
}

/// The option and its value, if the line is one of an option.
fn setting(line: &str) -> Result<Option<(&str, &str)>> {
    let line = line.trim_end();
    if let Some(rest) = line.strip_prefix("CONFIG_") {
        let pair = rest.split_once('=').filter(|(name, value)| is_name(name) && !value.is_empty());
        return pair.map(Some).with_context(|| format!("{line:?} sets no option"));
    }
    let unset = line.strip_prefix("# CONFIG_").and_then(|rest| rest.strip_suffix(" is not set"));
    match unset {
        Some(name) if is_name(name) => Ok(Some((name, "n"))),
        _ if line.is_empty() || line.starts_with('#') => Ok(None),
        _ => bail!("{line:?} is no line of a kernel's configuration"),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A requirement that is not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which.
    pub rule: Rule,
    /// What is there instead.
    pub found: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, found } = self;
        write!(f, "{found}; wanted {}: {}", rule.requirement(), rule.why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/hardening.md");
    const HARDENED: [&str; 2] = [
        include_str!("../../tests/data/hardened-x86_64.config"),
        include_str!("../../tests/data/hardened-aarch64.config"),
    ];

    fn findings(text: &str) -> Vec<Finding> {
        Config::read(text.as_bytes()).unwrap().check(&[]).1
    }

    /// The text with another value for an option.
    fn with(text: &str, name: &str, value: &str) -> String {
        let sets = |line: &&str| {
            line.starts_with(&format!("CONFIG_{name}="))
                || **line == format!("# CONFIG_{name} is not set")
        };
        let kept: Vec<&str> = text.lines().filter(|line| !sets(line)).collect();
        format!("{}\nCONFIG_{name}={value}\n", kept.join("\n"))
    }

    #[test]
    fn the_document_shows_every_rule_in_order_and_no_other() {
        let rows: Vec<String> = RULES
            .iter()
            .map(|rule| {
                let arch = rule.arch.map_or("both", Arch::name);
                format!("| `{}` | {arch} | {} |", rule.requirement(), rule.why)
            })
            .collect();
        let shown: Vec<&str> =
            DOCUMENT.lines().filter(|line| line.starts_with("| `CONFIG_")).collect();
        assert_eq!(shown, rows);
    }

    #[test]
    fn hardened_configurations_meet_every_rule() {
        let archs = HARDENED.map(|text| {
            assert_eq!(findings(text), []);
            Config::read(text.as_bytes()).unwrap().arch
        });
        assert_eq!(archs, [Arch::X86_64, Arch::Aarch64]);
    }

    #[test]
    fn each_rule_that_is_broken_is_found_alone() {
        for text in HARDENED {
            let arch = Config::read(text.as_bytes()).unwrap().arch;
            for rule in RULES.iter().filter(|rule| rule.is_for(arch)) {
                let broken = rule.wanted.iter().fold(text.to_owned(), |text, (name, value)| {
                    let bad: &str = match value {
                        Yes => "m",
                        No => "y",
                        Text => "\"\"",
                        NotZero => "0",
                        Without(word) => &format!("\"quiet {word}/bin/sh\""),
                    };
                    with(&text, name, bad)
                });
                let found = findings(&broken);
                assert_eq!(found.iter().map(|one| one.rule).collect::<Vec<_>>(), [*rule]);
            }
        }
    }

    #[test]
    fn a_finding_says_what_is_there_what_is_wanted_and_why() {
        let text = with(&with(HARDENED[0], "MODULES", "y"), "MODULE_SIG_FORCE", "n");
        assert_eq!(
            findings(&text)[0].to_string(),
            "CONFIG_MODULES=y, CONFIG_MODULE_SIG_FORCE=n; wanted CONFIG_MODULES=n or \
             CONFIG_MODULE_SIG_FORCE=y: no code gets into the kernel that its builder has not \
             signed"
        );
    }

    #[test]
    fn only_a_word_that_begins_so_is_on_the_command_line() {
        assert!(Without("init=").is_met("\"console=ttyS0 quiet\""));
        assert!(Without("init=").is_met("\"rdinit=/init\""));
        assert!(!Without("init=").is_met("\"quiet init=/bin/sh\""));
        assert!(Without("init=").is_met("n"));
    }

    #[test]
    fn what_is_no_configuration_is_refused_with_its_line() {
        let refused = |text: &str| format!("{:#}", Config::read(text.as_bytes()).unwrap_err());
        let start = "#\n# Linux/x86 6.1.0 Kernel Configuration\n#\n\nCONFIG_X86_64=y\n";
        assert!(refused("").contains("neither x86_64"), "{}", refused(""));
        assert!(refused("CONFIG_X86_64=y\nCONFIG_ARM64=y\n").contains("neither"));
        let twice = refused(&format!("{start}# CONFIG_X86_64 is not set\n"));
        assert_eq!(twice, "line 6: CONFIG_X86_64 is set a second time");
        let odd = refused(&format!("{start}PID=1\n"));
        assert_eq!(odd, "line 6: \"PID=1\" is no line of a kernel's configuration");
        assert!(refused(&format!("{start}CONFIG_=y\n")).starts_with("line 6: "));
        assert!(Config::read(b"\x1f\x8bnot").is_err());
        assert!(Config::read(b"CONFIG_X86_64=y\n\xff").is_err());
    }
}
