//! The crash kernel's memory, and who fills it.

use super::Tree;
use crate::check::facts::{Crash, Kdump};
use crate::check::settings::assigned;
use crate::memmap::Iomem;

pub(super) fn read(tree: &Tree) -> Crash {
    let cmdline = tree.line("proc/cmdline").unwrap_or_default();
    let words = cmdline.split_ascii_whitespace();
    let iomem = tree.text("proc/iomem").and_then(|text| Iomem::parse(&text).ok());
    Crash {
        reserved: tree.number("sys/kernel/kexec_crash_size"),
        is_loaded: tree.number("sys/kernel/kexec_crash_loaded").map(|loaded| loaded == 1),
        asked: words.filter(|word| word.starts_with("crashkernel=")).map(str::to_owned).collect(),
        overlaps: iomem.map(|iomem| iomem.in_crash_kernel()).unwrap_or_default(),
        kdump: debian(tree).or_else(|| fedora(tree)),
    }
}

fn debian(tree: &Tree) -> Option<Kdump> {
    if !tree.has("usr/sbin/kdump-config") {
        return None;
    }
    let text = tree.text("etc/default/kdump-tools").unwrap_or_default();
    let files = ["var/lib/kdump/vmlinuz", "var/lib/kdump/initrd.img"];
    Some(Kdump {
        tool: "kdump-tools",
        is_on: assigned(&text, "USE_KDUMP").is_none_or(|value| value == "1"),
        command: "kdump-config load",
        files: files.iter().try_fold(0_u64, |sum, path| sum.checked_add(tree.size(path)?)),
    })
}

fn fedora(tree: &Tree) -> Option<Kdump> {
    if !tree.has("usr/bin/kdumpctl") {
        return None;
    }
    Some(Kdump {
        tool: "kdump-utils",
        is_on: tree.has("etc/systemd/system/multi-user.target.wants/kdump.service"),
        command: "kdumpctl start",
        files: None,
    })
}
