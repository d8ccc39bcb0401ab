//! The units and drop-ins of `dist/systemd`, as systemd itself reads them: without a warning,
//! in an order that is possible, and shut off from what they do not need.
//!
//! The tool is the one that `qemu/setup` has unpacked, or else this machine's; without it
//! these tests say so and pass, unless TURNOUT_TOOLS says that it should be there.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::oracles;

/// The most that systemd-analyze may say of a unit's exposure, in tenths: 100 is a unit that says
/// nothing of the kind.
const MOST_EXPOSED: &str = "25";

/// Those that a unit depends on by itself, and those of a start.
const TARGETS: [(&str, &str); 8] = [
    ("sysinit.target", "DefaultDependencies=no\nRequires=local-fs.target\nAfter=local-fs.target\n"),
    ("local-fs.target", "DefaultDependencies=no\n"),
    ("paths.target", "DefaultDependencies=no\n"),
    ("shutdown.target", "DefaultDependencies=no\n"),
    ("basic.target", "Requires=sysinit.target\nAfter=sysinit.target\n"),
    ("multi-user.target", "Requires=basic.target\nAfter=basic.target\n"),
    ("default.target", "Requires=multi-user.target\nAfter=multi-user.target\n"),
    ("boot-complete.target", "Requires=sysinit.target\nAfter=sysinit.target\n"),
];

fn systemd() -> Option<PathBuf> {
    let found = oracles::tool("systemd-analyze");
    assert!(
        found.is_some() || std::env::var_os("TURNOUT_TOOLS").is_none(),
        "the set-up has brought no systemd-analyze"
    );
    found
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/systemd")
}

/// Name and text of each unit.
fn units() -> Vec<(String, String)> {
    let mut units: Vec<(String, String)> = fs::read_dir(folder())
        .unwrap()
        .map(|item| item.unwrap())
        .filter(|item| item.file_type().unwrap().is_file())
        .map(|item| {
            (item.file_name().into_string().unwrap(), fs::read_to_string(item.path()).unwrap())
        })
        .collect();
    units.sort();
    units
}

/// A system that is started with all of them.
struct System(PathBuf);

impl System {
    fn new(test: &str) -> Self {
        let root = std::env::temp_dir().join(format!("turnout-{test}-{}", std::process::id()));
        for program in ["usr/sbin/turnout", "usr/lib/turnout/upkeep"] {
            let path = root.join(program);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy("/bin/true", path).unwrap();
        }
        let system = Self(root);
        fs::create_dir_all(system.folder().join("default.target.wants")).unwrap();
        for (name, text) in TARGETS {
            system.write(name, &format!("[Unit]\nDescription={name}\n{text}"));
        }
        for (name, text) in units() {
            system.write(&name, &text);
            let wants = system.folder().join("default.target.wants").join(&name);
            std::os::unix::fs::symlink(format!("../{name}"), wants).unwrap();
        }
        system
    }

    fn folder(&self) -> PathBuf {
        self.0.join("etc/systemd/system")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder().join(name), text).unwrap();
    }

    /// What systemd says of its start.
    fn said(&self, systemd: &Path) -> String {
        let mut command = Command::new(systemd);
        command.arg("verify").arg(format!("--root={}", self.0.display()));
        let output = command.args(["--man=no", "default.target"]).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn systemd_takes_all_units_at_once() {
    let Some(systemd) = systemd() else { return };
    let system = System::new("units");
    assert_eq!(system.said(&systemd), "");
    // Whatever is wrong with one would be said.
    let (name, text) =
        units().into_iter().find(|(name, _)| name == "turnout-stage.service").unwrap();
    system.write(
        &name,
        &text.replace("Before=basic.target", "After=basic.target\nBefore=basic.target"),
    );
    assert!(system.said(&systemd).contains("ordering cycle"), "{}", system.said(&systemd));
    system.write(&name, &text.replace("LockPersonality=", "LockPersonalities="));
    assert!(system.said(&systemd).contains("Unknown key"), "{}", system.said(&systemd));
}

#[test]
fn no_unit_may_do_more_than_it_needs() {
    let Some(systemd) = systemd() else { return };
    let judge = |path: &Path| {
        let mut command = Command::new(&systemd);
        command.args(["security", "--offline=true", "--no-pager", "--threshold", MOST_EXPOSED]);
        command.arg(path).env("LC_ALL", "C").output().unwrap()
    };
    for (name, text) in units().iter().filter(|(name, _)| name.ends_with(".service")) {
        let output = judge(&folder().join(name));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let score = said.lines().find(|line| line.contains("Overall exposure level"));
        println!("{}", score.unwrap_or("systemd says nothing of it"));
        assert!(output.status.success(), "{name}: {said}");
        for never in [
            "RestrictSUIDSGID=",
            "PrivateUsers=",
            "PrivateDevices=",
            "DynamicUser=",
            "ProtectSystem=full",
        ] {
            assert!(!text.lines().any(|line| line.starts_with(never)), "{name} has {never}");
        }
    }
    let open = std::env::temp_dir().join(format!("turnout-open-{}.service", std::process::id()));
    fs::write(&open, "[Service]\nType=oneshot\nExecStart=/bin/true\n").unwrap();
    let output = judge(&open);
    fs::remove_file(&open).unwrap();
    assert!(!output.status.success(), "a unit that says nothing is above the limit");
}

/// Whoever enables nothing has nothing of it: no unit is wanted by another package's.
#[test]
fn what_is_off_by_default_says_how_it_is_put_in_force() {
    for name in ["watchdog.conf", "shutdown.conf"] {
        let text = fs::read_to_string(folder().join("system.conf.d").join(name)).unwrap();
        let installed = format!("ln -s /usr/share/turnout/system.conf.d/{name} ");
        assert!(text.contains(&installed), "{name} does not say how it is linked");
        let settings: Vec<&str> =
            text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert_eq!(settings.first(), Some(&"[Manager]"), "{name}");
        assert!(settings.iter().skip(1).all(|line| line.contains("Sec=")), "{name}: {settings:?}");
    }
}
