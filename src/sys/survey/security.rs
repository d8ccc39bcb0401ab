//! What the running kernel and its firmware enforce. What it means is decided where the
//! choice of a system call is too: [`crate::plan`].

use super::Tree;
use crate::check::facts::Security;
use crate::plan::{self, LiveUpdate, Lockdown};

const SECURE_BOOT: &str =
    "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
const BOOT_PARAMS: &str = "sys/kernel/boot_params/data";
/// Of either; the longest is a page.
const MAX_BYTES: u64 = 4096;

pub(super) fn read(tree: &Tree) -> Security {
    let cmdline = tree.line("proc/cmdline").unwrap_or_default();
    let policy = tree.text("sys/kernel/security/ima/policy");
    Security {
        lockdown: tree.line("sys/kernel/security/lockdown").as_deref().and_then(Lockdown::parse),
        secure_boot: secure_boot(tree),
        selinux: tree.number("sys/fs/selinux/enforce").map(|on| on == 1),
        ima: plan::ima_appraises(policy.as_deref(), &cmdline),
        handover: handover(tree, &cmdline),
        xen_dom0: is_xen_dom0(tree),
    }
}

fn secure_boot(tree: &Tree) -> Option<bool> {
    let variable = tree.bytes(SECURE_BOOT, MAX_BYTES);
    let told = tree.bytes(BOOT_PARAMS, MAX_BYTES).filter(|_| tree.has("sys/firmware/efi"));
    plan::secure_boot(variable.as_deref(), told.as_deref())
}

fn handover(tree: &Tree, cmdline: &str) -> bool {
    let handover = LiveUpdate {
        cmdline,
        has_debug_folder: tree.has("sys/kernel/debug/kho"),
        has_device: tree.has("dev/liveupdate"),
    };
    handover.is_on()
}

fn is_xen_dom0(tree: &Tree) -> bool {
    let kind = tree.line("sys/hypervisor/type").unwrap_or_default();
    plan::is_xen_dom0(&kind, &tree.line("sys/hypervisor/uuid").unwrap_or_default())
}
