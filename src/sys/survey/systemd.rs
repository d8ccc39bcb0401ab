//! systemd's version and settings, and what else loads or starts kernels beside it.

use super::Tree;
use crate::base::sort;
use crate::check::facts::{Feeding, Systemd};
use crate::check::settings::{self, assigned, span};

/// Highest precedence first (systemd-system.conf(5)).
const FOLDERS: [&str; 4] =
    ["etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd"];
/// Where distributions keep the library whose name has the version.
const LIBRARIES: [&str; 4] = [
    "usr/lib/systemd",
    "usr/lib/x86_64-linux-gnu/systemd",
    "usr/lib/aarch64-linux-gnu/systemd",
    "usr/lib64/systemd",
];
/// Where dracut's shutdown looks.
const KEXEC: [&str; 4] = ["usr/sbin/kexec", "usr/bin/kexec", "sbin/kexec", "bin/kexec"];
const ENVIRONMENT: &str = "etc/environment";
const SKIP: &str = "SYSTEMCTL_SKIP_AUTO_KEXEC";

pub(super) fn read(tree: &Tree) -> Systemd {
    let settings = manager(tree);
    Systemd {
        init: tree.line("proc/1/comm"),
        is_running: tree.has("run/systemd/system"),
        version: LIBRARIES.iter().find_map(|folder| version(&tree.names(folder))),
        runtime_watchdog: feeding(&settings, "RuntimeWatchdogSec"),
        kexec_watchdog: feeding(&settings, "KExecWatchdogSec"),
        default_stop: last(&settings, "DefaultTimeoutStopSec").and_then(span),
        skip_auto_kexec: skip(tree),
        load_kexec: tree.has("etc/init.d/kexec-load") && loads(tree),
        kexec: KEXEC.iter().find(|path| tree.has(path)).map(|path| format!("/{path}")),
        dracut_shutdown: tree.has("run/initramfs/shutdown") || tree.has("usr/lib/dracut"),
    }
}

fn version(names: &[String]) -> Option<u32> {
    let mut libraries = names.iter().filter_map(|name| name.strip_prefix("libsystemd-shared-"));
    libraries.find_map(|rest| rest.split(['.', '-', '~']).next()?.parse().ok())
}

/// The settings of the manager in the order in which they are read: the last one of a
/// name counts.
fn manager(tree: &Tree) -> Vec<settings::Setting> {
    let main = FOLDERS.iter().find_map(|folder| tree.text(&format!("{folder}/system.conf")));
    let texts = main.into_iter().chain(drop_ins(tree, "system.conf.d", &FOLDERS));
    texts.flat_map(|text| settings::settings(&text, "Manager")).collect()
}

/// The files of a folder that may be below any of these, by name: of the same name the
/// first one counts, and by an empty one, such as /dev/null, none.
pub(super) fn drop_ins(tree: &Tree, name: &str, folders: &[&str]) -> Vec<String> {
    let mut files: Vec<(String, String)> = Vec::new();
    for folder in folders {
        for file in tree.names(&format!("{folder}/{name}")) {
            let is_new = file.ends_with(".conf") && !files.iter().any(|(known, _)| *known == file);
            if is_new {
                let path = format!("{folder}/{name}/{file}");
                files.push((file, path));
            }
        }
    }
    sort::sort(&mut files);
    files.iter().filter_map(|(_, path)| tree.text(path)).collect()
}

fn last<'s>(settings: &'s [settings::Setting], name: &str) -> Option<&'s str> {
    settings.iter().rfind(|setting| setting.name == name).map(|setting| setting.value.as_str())
}

fn feeding(settings: &[settings::Setting], name: &str) -> Feeding {
    match last(settings, name) {
        Some("default") => Feeding::Default,
        Some(value) => match span(value) {
            None | Some(settings::Span::Seconds(0)) => Feeding::Off,
            Some(span) => Feeding::For(span),
        },
        None => Feeding::Off,
    }
}

fn skip(tree: &Tree) -> Option<String> {
    let text = tree.text(ENVIRONMENT)?;
    assigned(&text, SKIP).filter(|value| is_yes(value)).map(|_| format!("/{ENVIRONMENT}"))
}

fn is_yes(value: &str) -> bool {
    matches!(value, "1" | "yes" | "y" | "true" | "t" | "on")
}

fn loads(tree: &Tree) -> bool {
    let text = tree.text("etc/default/kexec").unwrap_or_default();
    assigned(&text, "LOAD_KEXEC") == Some("true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_in_the_librarys_name() {
        let of = |name: &str| version(&[name.to_owned()]);
        assert_eq!(of("libsystemd-shared-252.so"), Some(252));
        assert_eq!(of("libsystemd-shared-257.13-1~deb13u1.so"), Some(257));
        assert_eq!(of("libsystemd-core-252.so"), None);
    }
}
