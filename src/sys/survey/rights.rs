//! Who asks, and from where.

use super::Tree;
use crate::check::facts::Rights;

/// The number of the kernel's first namespace of processes (include/linux/proc_ns.h).
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

pub(super) fn read(tree: &Tree) -> Rights {
    let status = tree.text("proc/self/status").unwrap_or_default();
    let namespace = tree.link("proc/self/ns/pid");
    Rights {
        is_root: effective_user(&status).map(|user| user == 0),
        capabilities: field(&status, "CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok()),
        is_in_pid_namespace: namespace.map(|name| name != FIRST_PID_NAMESPACE),
        container: tree.line("run/systemd/container").filter(|name| !name.is_empty()),
    }
}

/// The second of four.
fn effective_user(status: &str) -> Option<u32> {
    field(status, "Uid:")?.split_whitespace().nth(1)?.parse().ok()
}

fn field<'t>(status: &'t str, name: &str) -> Option<&'t str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
