//! What a running system has that bears on how the next kernel is loaded: memory that is
//! handed over, and rules about the files that kernels come from.
//!
//! Texts in, facts out. Specifications: Linux, Documentation/core-api/kho and
//! Documentation/ABI/testing/ima_policy; kernel-parameters.txt (`kho=`, `ima_appraise=`,
//! `ima_policy=`).

/// A rule that is about the file of a kernel and not about its bytes: a sealed copy
/// does not meet it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRule {
    /// SELinux is enforcing: the file's label counts.
    Selinux,
    /// IMA appraises kernels: the file's own signature counts.
    Ima,
}

impl FileRule {
    /// Who has it, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Selinux => "SELinux",
            Self::Ima => "IMA",
        }
    }
}

/// What there is to tell whether memory is handed over (KHO).
#[derive(Debug, Clone, Copy)]
pub struct LiveUpdate<'a> {
    /// The running kernel's command line.
    pub cmdline: &'a str,
    /// Whether there is /sys/kernel/debug/kho.
    pub has_debug_folder: bool,
    /// Whether there is /dev/liveupdate.
    pub has_device: bool,
}

impl LiveUpdate<'_> {
    /// Whether the running kernel may have something to hand over. One that was told not
    /// to has nothing.
    #[must_use]
    pub fn is_on(&self) -> bool {
        let said = value(self.cmdline, "kho=").and_then(boolean);
        said.unwrap_or(self.has_debug_folder || self.has_device)
    }
}

/// Where `secure_boot` is in boot_params, and its value for "enabled" (Linux,
/// Documentation/arch/x86/zero-page.rst and include/linux/efi.h).
const SECURE_BOOT_AT: usize = 0x1ec;
const SECURE_BOOT_ENABLED: u8 = 3;

/// Whether the firmware checks signatures: by its variable `SecureBoot`, four bytes of
/// attributes and one of value (UEFI 2.10, section 3.3); where nobody has mounted those, by
/// what the boot loader told an x86_64 kernel.
#[must_use]
pub fn secure_boot(variable: Option<&[u8]>, boot_params: Option<&[u8]>) -> Option<bool> {
    let by_variable = variable.and_then(|bytes| bytes.get(4)).map(|value| *value == 1);
    let told = boot_params.and_then(|bytes| bytes.get(SECURE_BOOT_AT));
    by_variable.or_else(|| told.map(|value| *value == SECURE_BOOT_ENABLED))
}

/// Whether this is the first domain of a Xen hypervisor, by `type` and `uuid` of
/// /sys/hypervisor: it has no UUID of its own.
#[must_use]
pub fn is_xen_dom0(hypervisor: &str, uuid: &str) -> bool {
    hypervisor == "xen" && uuid.chars().all(|c| matches!(c, '0' | '-'))
}

/// Whether IMA demands a signature in the file of a kernel; `policy` is its own text,
/// where the running kernel shows it. What it does not show, its command line tells.
#[must_use]
pub fn ima_appraises(policy: Option<&str>, cmdline: &str) -> bool {
    let mode = value(cmdline, "ima_appraise=");
    if matches!(mode, Some("off" | "log" | "fix")) {
        return false;
    }
    match policy.filter(|policy| !policy.trim().is_empty()) {
        Some(policy) => policy.lines().any(is_about_kernels),
        None => {
            let rules = value(cmdline, "ima_policy=").unwrap_or_default();
            mode == Some("enforce") || rules.split('|').any(|rule| rule == "secure_boot")
        }
    }
}

fn is_about_kernels(rule: &str) -> bool {
    let mut words = rule.split_ascii_whitespace();
    words.next() == Some("appraise") && words.any(|word| word == "func=KEXEC_KERNEL_CHECK")
}

/// The last value of a word of the running kernel's command line.
fn value<'a>(cmdline: &'a str, key: &str) -> Option<&'a str> {
    cmdline.split_ascii_whitespace().filter_map(|word| word.strip_prefix(key)).next_back()
}

/// As the kernel reads one (kstrtobool).
fn boolean(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "on" | "1" | "y" | "yes" | "t" | "true" => Some(true),
        "off" | "0" | "n" | "no" | "f" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_handed_over_where_the_kernel_says_so() {
        let plain = LiveUpdate { cmdline: "ro", has_debug_folder: false, has_device: false };
        assert!(!plain.is_on());
        assert!(LiveUpdate { cmdline: "ro kho=on", ..plain }.is_on());
        assert!(!LiveUpdate { cmdline: "kho=on kho=off", has_debug_folder: true, ..plain }.is_on());
        assert!(LiveUpdate { has_debug_folder: true, ..plain }.is_on());
        assert!(LiveUpdate { cmdline: "kho=what", has_device: true, ..plain }.is_on());
    }

    #[test]
    fn the_firmwares_variable_counts_before_what_a_loader_told() {
        let mut told = [0; 4096];
        assert_eq!(secure_boot(None, None), None);
        assert_eq!(secure_boot(None, Some(&told)), Some(false));
        told[SECURE_BOOT_AT] = SECURE_BOOT_ENABLED;
        assert_eq!(secure_boot(None, Some(&told)), Some(true));
        assert_eq!(secure_boot(Some(&[6, 0, 0, 0, 0]), Some(&told)), Some(false));
        assert_eq!(secure_boot(Some(&[6, 0, 0, 0, 1]), None), Some(true));
        assert_eq!(secure_boot(Some(&[6, 0]), Some(&told[..9])), None);
    }

    #[test]
    fn the_first_domain_has_no_uuid() {
        let none = "00000000-0000-0000-0000-000000000000";
        assert!(is_xen_dom0("xen", none));
        assert!(!is_xen_dom0("xen", "5a1cf0b6-3b0c-4f1d-9d3e-0c7e1f2a3b4c"));
        assert!(!is_xen_dom0("kvm", none));
    }

    #[test]
    fn ima_counts_where_a_rule_of_its_is_about_kernels() {
        let kernels = "measure func=KEXEC_KERNEL_CHECK\nappraise func=KEXEC_KERNEL_CHECK \
                       appraise_type=imasig\n";
        assert!(ima_appraises(Some(kernels), ""));
        assert!(!ima_appraises(Some(kernels), "ima_appraise=log"));
        let others = "measure func=KEXEC_KERNEL_CHECK\nappraise func=MODULE_CHECK\n";
        assert!(!ima_appraises(Some(others), "ima_appraise=enforce"));
        assert!(ima_appraises(None, "ima_appraise=enforce"));
        assert!(ima_appraises(Some("\n"), "ima_policy=tcb|secure_boot"));
        assert!(!ima_appraises(None, "ima_policy=tcb"));
    }
}
