//! What the running kernel allows.

use super::Tree;
use crate::check::facts::Kernel;

pub(super) fn read(tree: &Tree) -> Kernel {
    let load_disabled = tree.number("proc/sys/kernel/kexec_load_disabled");
    Kernel { load_disabled: load_disabled.map(|number| number != 0) }
}
