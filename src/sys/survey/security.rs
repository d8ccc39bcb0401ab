//! What the running kernel and its firmware enforce.

use super::Tree;
use crate::check::facts::Security;
use crate::plan::Lockdown;

/// Attributes in four bytes, then the value in one (UEFI, 3.3).
const SECURE_BOOT: &str =
    "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";

pub(super) fn read(tree: &Tree) -> Security {
    let cmdline = tree.line("proc/cmdline").unwrap_or_default();
    Security {
        lockdown: tree.line("sys/kernel/security/lockdown").as_deref().and_then(Lockdown::parse),
        secure_boot: tree.bytes(SECURE_BOOT, 5).and_then(|bytes| bytes.get(4).map(|on| *on == 1)),
        selinux: tree.number("sys/fs/selinux/enforce").map(|on| on == 1),
        ima: appraisal(&cmdline),
        handover: handover(tree, &cmdline),
        xen_dom0: is_xen_dom0(tree),
    }
}

/// Linux, admin-guide/kernel-parameters.txt.
fn appraisal(cmdline: &str) -> Option<String> {
    let mut words = cmdline.split_ascii_whitespace();
    let is_in_force = |word: &&str| {
        let policy = word.strip_prefix("ima_policy=").unwrap_or("");
        word.starts_with("ima_appraise_tcb")
            || policy.split('|').any(|one| matches!(one, "appraise_tcb" | "secure_boot"))
    };
    words.find(is_in_force).filter(|_| !is_only_logged(cmdline)).map(str::to_owned)
}

fn is_only_logged(cmdline: &str) -> bool {
    let modes = ["ima_appraise=off", "ima_appraise=log", "ima_appraise=fix"];
    cmdline.split_ascii_whitespace().any(|word| modes.contains(&word))
}

/// Linux, admin-guide/mm/kho.rst.
fn handover(tree: &Tree, cmdline: &str) -> Option<String> {
    let asked = cmdline.split_ascii_whitespace().rfind(|word| word.starts_with("kho="))?;
    if !matches!(asked, "kho=on" | "kho=1" | "kho=y" | "kho=Y") {
        return None;
    }
    let shown = if tree.has("dev/liveupdate") { ", /dev/liveupdate" } else { "" };
    Some(format!("{asked}{shown}"))
}

fn is_xen_dom0(tree: &Tree) -> bool {
    let capabilities = tree.line("proc/xen/capabilities").unwrap_or_default();
    capabilities.split(',').any(|word| word.trim() == "control_d")
}
