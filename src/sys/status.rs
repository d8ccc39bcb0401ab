//! What the running kernel says about kexec: what is loaded, what it allows.
//!
//! Reads small files and asks for the two system calls; changes nothing. What
//! it means is decided in [`crate::plan::choose_engine`].

use std::path::Path;

use super::mount::{self, Access};
use super::{file, is_pid_1, kexec, running_cmdline};
use crate::base::arch::Arch;
use crate::plan::{self, Facts, FileRule, LiveUpdate, Lockdown, Slot, ima_appraises};

use super::arch;
use super::machine::BOOT_PARAMS;

const LOCKDOWN: &str = "/sys/kernel/security/lockdown";
const LIMIT_REBOOT: &str = "/proc/sys/kernel/kexec_load_limit_reboot";
const LIMIT_PANIC: &str = "/proc/sys/kernel/kexec_load_limit_panic";
const EFI: &str = "/sys/firmware/efi";
const KHO: &str = "/sys/kernel/debug/kho";
const LIVE_UPDATE: &str = "/dev/liveupdate";
const SELINUX: &str = "/sys/fs/selinux/enforce";
const IMA_POLICY: &str = "/sys/kernel/security/ima/policy";
const SECURE_BOOT: &str =
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

/// The running kernel and kexec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Whether a kernel is loaded for the next kexec; `None` without kexec.
    pub loaded: Option<bool>,
    /// Whether one is loaded for the next panic.
    pub crash_loaded: Option<bool>,
    /// Memory that is reserved for it, in bytes.
    pub crash_size: Option<u64>,
    /// Lockdown, if it is on.
    pub lockdown: Option<Lockdown>,
    /// Secure Boot; `None` where there is no EFI or it does not tell.
    pub secure_boot: Option<bool>,
    /// `kernel.kexec_load_disabled`.
    pub load_disabled: Option<bool>,
    /// How many more normal loads are allowed; `None` for any number.
    pub loads_left: Option<u64>,
    /// How many more loads of a crash kernel are allowed; `None` for any number.
    pub crash_loads_left: Option<u64>,
    /// Whether there is kexec_file_load; `None` if nobody asked.
    pub kexec_file_load: Option<bool>,
    /// Whether there is kexec_load; `None` if nobody asked.
    pub kexec_load: Option<bool>,
    /// Whether this is the first domain of a Xen hypervisor.
    pub xen_dom0: bool,
    /// Whether EFI left an interface for run time.
    pub efi: bool,
}

impl Status {
    /// `read(2)`: asks the running kernel.
    #[must_use]
    pub fn read() -> Self {
        // In a running system that is somebody else's business.
        if is_pid_1() {
            mount::security_file_system();
        }
        let loads_left = file::read_number(LIMIT_REBOOT);
        let crash_loads_left = file::read_number(LIMIT_PANIC);
        // Every call counts, also one that only asks.
        let unlimited = loads_left.is_none() && crash_loads_left.is_none();
        Self {
            loaded: kexec::is_loaded(Slot::Normal),
            crash_loaded: kexec::is_loaded(Slot::Crash),
            crash_size: kexec::crash_size(),
            lockdown: file::read_text(LOCKDOWN).ok().as_deref().and_then(Lockdown::parse),
            secure_boot: secure_boot(),
            load_disabled: file::read_number(kexec::LOAD_DISABLED).map(|number| number != 0),
            loads_left,
            crash_loads_left,
            kexec_file_load: if unlimited { kexec::has_file_load() } else { None },
            kexec_load: if unlimited { kexec::has_load() } else { None },
            xen_dom0: is_xen_dom0(),
            efi: file::names(EFI).is_ok(),
        }
    }

    /// `read(2)`: what bears on the choice between the two system calls. One that nobody
    /// could ask for is taken to be there.
    #[must_use]
    pub fn facts(&self, slot: Slot) -> Facts {
        let left = match slot {
            Slot::Normal => self.loads_left,
            Slot::Crash => self.crash_loads_left,
        };
        Facts {
            kexec_file_load: self.kexec_file_load.unwrap_or(true),
            kexec_load: self.kexec_load.unwrap_or(true),
            lockdown: self.lockdown,
            secure_boot: self.secure_boot == Some(true),
            load_disabled: self.load_disabled == Some(true) || left == Some(0),
            xen_dom0: self.xen_dom0,
            ..Facts::plain()
        }
    }
}

/// `readdir(3)`: the same of a system that other things run on: what is handed over to the
/// next kernel, and which rules there are about files.
#[must_use]
pub fn facts_of_system(status: &Status, slot: Slot) -> Facts {
    let cmdline = running_cmdline().unwrap_or_default();
    Facts {
        handover: slot == Slot::Normal && hands_over(&cmdline),
        file_rule: file_rule(),
        ..status.facts(slot)
    }
}

fn hands_over(cmdline: &str) -> bool {
    let handover = LiveUpdate {
        cmdline,
        has_debug_folder: file::names(KHO).is_ok(),
        has_device: Path::new(LIVE_UPDATE).exists(),
    };
    handover.is_on()
}

/// `read(2)`: what counts here of the file of a kernel besides its bytes.
#[must_use]
pub fn file_rule() -> Option<FileRule> {
    if file::read_number(SELINUX) == Some(1) {
        return Some(FileRule::Selinux);
    }
    let policy = file::read_text(IMA_POLICY).ok();
    let cmdline = running_cmdline().unwrap_or_default();
    ima_appraises(policy.as_deref(), &cmdline).then_some(FileRule::Ima)
}

/// The firmware's variable; where nobody has mounted those, what the boot loader
/// told the running kernel, or on other architectures the variable after all.
fn secure_boot() -> Option<bool> {
    let has_efi = file::names(EFI).is_ok();
    let told = if has_efi { read_firmware(BOOT_PARAMS) } else { None };
    let known = plan::secure_boot(read_firmware(SECURE_BOOT).as_deref(), told.as_deref());
    if known.is_none() && has_efi && is_pid_1() && arch::native() == Arch::Aarch64 {
        let _mounted = mount::EfiVariables::mount(Access::Read);
        return plan::secure_boot(read_firmware(SECURE_BOOT).as_deref(), None);
    }
    known
}

fn read_firmware(path: &str) -> Option<Vec<u8>> {
    file::read_bytes(path.as_ref(), file::MAX_TEXT).ok()
}

fn is_xen_dom0() -> bool {
    let kind = file::read_line("/sys/hypervisor/type").unwrap_or_default();
    plan::is_xen_dom0(&kind, &file::read_line("/sys/hypervisor/uuid").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Status = Status {
        loaded: None,
        crash_loaded: None,
        crash_size: None,
        lockdown: None,
        secure_boot: None,
        load_disabled: None,
        loads_left: None,
        crash_loads_left: None,
        kexec_file_load: None,
        kexec_load: None,
        xen_dom0: false,
        efi: false,
    };

    #[test]
    fn a_call_that_nobody_could_ask_for_is_taken_to_be_there() {
        assert_eq!(NOTHING.facts(Slot::Normal), Facts::plain());
        let missing = Status { kexec_load: Some(false), ..NOTHING };
        assert!(!missing.facts(Slot::Normal).kexec_load);
    }

    #[test]
    fn a_used_up_limit_counts_for_its_own_slot_only() {
        let used_up = Status { loads_left: Some(0), crash_loads_left: Some(1), ..NOTHING };
        assert!(used_up.facts(Slot::Normal).load_disabled);
        assert!(!used_up.facts(Slot::Crash).load_disabled);
    }

    #[test]
    fn reading_it_changes_nothing_and_needs_no_rights() {
        assert_eq!(Status::read().kexec_load, None);
    }
}
