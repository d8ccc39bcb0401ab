//! What the running kernel can do, and lets be done.

use super::Tree;
use crate::check::facts::{Config, Kernel};
use crate::image::compression::Compressor;

/// Bytes of a configuration, packed or not: Debian's has 270 KiB.
const MAX_CONFIG: u64 = 4 << 20;

/// What matters here of a configuration.
const NAMES: &[&str] = &[
    "KEXEC",
    "KEXEC_FILE",
    "KEXEC_SIG",
    "KEXEC_SIG_FORCE",
    "CRASH_DUMP",
    "HOTPLUG_CPU",
    "SMP",
    "ARM64",
];

pub(super) fn read(tree: &Tree) -> Kernel {
    let release = tree.line("proc/sys/kernel/osrelease").unwrap_or_default();
    let load_disabled = tree.number("proc/sys/kernel/kexec_load_disabled");
    Kernel {
        config: config(tree, &release),
        has_kexec: tree.has("sys/kernel").then(|| tree.has("sys/kernel/kexec_loaded")),
        load_disabled: load_disabled.map(|number| number != 0),
        limit_reboot: tree.signed("proc/sys/kernel/kexec_load_limit_reboot"),
        limit_panic: tree.signed("proc/sys/kernel/kexec_load_limit_panic"),
        release,
    }
}

fn config(tree: &Tree, release: &str) -> Option<Config> {
    let beside = format!("boot/config-{release}");
    let of_kernel = "proc/config.gz";
    if let Some(text) = tree.bytes(of_kernel, MAX_CONFIG).and_then(|bytes| gunzip(&bytes)) {
        return Some(parse(of_kernel, &text));
    }
    Some(parse(&beside, &tree.bytes(&beside, MAX_CONFIG)?))
}

fn gunzip(bytes: &[u8]) -> Option<Vec<u8>> {
    Compressor::Gzip.decode(bytes, MAX_CONFIG).ok()
}

fn parse(path: &str, text: &[u8]) -> Config {
    let text = String::from_utf8_lossy(text);
    let set = text.lines().filter_map(set_name).filter(|name| NAMES.contains(name));
    Config { path: format!("/{path}"), set: set.map(str::to_owned).collect() }
}

fn set_name(line: &str) -> Option<&str> {
    let (name, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
    matches!(value, "y" | "m").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_left_out() {
        let text = b"CONFIG_KEXEC=y\n# CONFIG_KEXEC_FILE is not set\nCONFIG_SMP=n\nCONFIG_X=y\n";
        let config = parse("boot/config-1", text);
        assert_eq!(config.path, "/boot/config-1");
        assert_eq!(config.set, ["KEXEC"]);
    }
}
