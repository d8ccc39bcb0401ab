//! GRUB itself: Debian's grub-emu, as `qemu/setup` has unpacked it, which runs scripts
//! as GRUB does on a machine.
//!
//! It can start `kexec` and `systemctl` of the machine that it runs on. So it is only
//! ever started in a user and mount namespace of its own, where it has no power over
//! the machine, with a directory of stand-ins for both as the whole PATH.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

use super::made_up::{NAMES, Printed, ROOT};

/// What separates one script's output from the next one's.
const MARK: &str = "@@@";
/// Names beside [`NAMES`] that scripts give a value without saying what it was before.
const OTHER_NAMES: [&str; 6] = ["d", "i", "n", "foo", "xa", "echo"];
/// Room for a line of a script, which GRUB would part otherwise.
const WIDE: Winsize = Winsize { ws_row: 500, ws_col: 500, ws_xpixel: 0, ws_ypixel: 0 };
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The emulator, with a directory of its own that is removed at the end.
pub(super) struct Emulator {
    unit: PathBuf,
    pub(super) folder: PathBuf,
}

impl Emulator {
    /// `None` where there is none ([`unit`]).
    pub(super) fn new(test: &str) -> Option<Self> {
        let unit = unit()?;
        let folder = std::env::temp_dir().join(format!("turnout-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let emulator = Self { unit, folder };
        emulator.make_stand_ins();
        Some(emulator)
    }

    /// In the place of what it could start: programs that write down how.
    fn make_stand_ins(&self) {
        let bin = self.folder.join("bin");
        fs::create_dir_all(&bin).unwrap();
        for name in ["kexec", "systemctl"] {
            let program = bin.join(name);
            let record = self.folder.join("started");
            let script =
                format!("#!/bin/sh\nprintf '%s\\n' {name} \"$@\" . >>'{}'\n", record.display());
            fs::write(&program, script).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// What each of these scripts prints, and `$?` after it.
    pub(super) fn run(&self, scripts: &[String], files: &[(&str, &str)]) -> Vec<Printed> {
        let root = self.folder.join("root");
        let _ = fs::remove_dir_all(&root);
        for (path, text) in files {
            write_below(&root, path, text);
        }
        for (number, script) in scripts.iter().enumerate() {
            write_below(&root, &format!("/s/{number}"), script);
        }
        fs::create_dir_all(self.folder.join("grub")).unwrap();
        fs::write(self.folder.join("grub/grub.cfg"), all_of(scripts.len())).unwrap();
        fs::write(self.folder.join("map"), "").unwrap();
        let output = self.start(&root);
        let printed = parts(&output);
        assert_eq!(printed.len(), scripts.len(), "GRUB printed this:\n{output}");
        printed
    }

    /// Has GRUB read its configuration; gives what it prints.
    fn start(&self, root: &Path) -> String {
        let terminal = openpty(&WIDE, None).unwrap();
        let side = || Stdio::from(terminal.slave.try_clone().unwrap());
        // The host's programs are gone from PATH before GRUB begins.
        let inside = "mount --bind \"$1\" \"$2\" && shift 2 && exec env -i TERM=dumb \"$@\"";
        let child = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", inside, "sh"])
            .arg(root)
            .arg(ROOT)
            .arg(format!("PATH={}", self.folder.join("bin").display()))
            .arg(self.unit.join("bin/ld.so"))
            .args(["--inhibit-cache", "--library-path"])
            .arg(self.unit.join("lib"))
            .arg(self.unit.join("bin/grub-emu"))
            .arg("-d")
            .arg(self.folder.join("grub"))
            .arg("-m")
            .arg(self.folder.join("map"))
            .args(["-r", "host"])
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap();
        drop(terminal.slave);
        read_all(terminal.master.into(), child)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Debian's GRUB: `None`, and a word about it, where there is none; a failure where
/// tests/run has set all tools up.
pub(super) fn unit() -> Option<PathBuf> {
    let unit = cache()?.join("tools/grub");
    if unit.join("bin/grub-emu").exists() {
        return Some(unit);
    }
    let is_set_up = std::env::var_os("TURNOUT_TOOLS").is_some() && cfg!(target_arch = "x86_64");
    assert!(!is_set_up, "qemu/setup ran, and there is no {}", unit.display());
    println!("skipped: there is no grub-emu (qemu/setup brings it)");
    None
}

/// The directory of what `qemu/setup` has unpacked.
pub(super) fn cache() -> Option<PathBuf> {
    let place =
        |variable, below: &str| Some(PathBuf::from(std::env::var_os(variable)?).join(below));
    place("TURNOUT_CACHE", "")
        .or_else(|| place("XDG_CACHE_HOME", "turnout"))
        .or_else(|| place("HOME", ".cache/turnout"))
}

fn write_below(root: &Path, path: &str, text: &str) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A script that runs so many scripts, each with the same variables.
fn all_of(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        for name in NAMES.iter().chain(&OTHER_NAMES) {
            let _ = writeln!(text, "unset {name}");
        }
        let _ = writeln!(text, "echo {MARK}\ntrue\nsource {ROOT}/s/{number}\necho \"{MARK}$?\"");
    }
    text + "exit\n"
}

/// All that comes from a terminal until its program ends.
fn read_all(mut terminal: fs::File, mut child: Child) -> String {
    let end = Instant::now() + PATIENCE;
    let watch = std::thread::spawn(move || {
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                let _ = child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let mut bytes = Vec::new();
    let mut piece = [0; 65536];
    // Reading fails when nobody has the other side open any more.
    while let Ok(count @ 1..) = terminal.read(&mut piece) {
        bytes.extend_from_slice(&piece[..count]);
    }
    watch.join().unwrap();
    String::from_utf8_lossy(&bytes).replace('\r', "")
}

/// What is between the marks.
fn parts(output: &str) -> Vec<Printed> {
    let (_, rest) = output.split_once(MARK).unwrap_or_default();
    let mut rest = rest;
    let mut printed = Vec::new();
    while let Some((text, after)) = rest.split_once(MARK) {
        let (status, after) = after.split_once('\n').unwrap_or((after, ""));
        printed.push(printed_of(text.strip_prefix('\n').unwrap_or(text), status));
        rest = after.split_once(MARK).map_or("", |(_, rest)| rest);
    }
    printed
}

/// Without what moves the cursor, and without messages, which count only as such.
fn printed_of(text: &str, status: &str) -> Printed {
    let mut printed = Printed { status: status.to_owned(), ..Printed::default() };
    for line in without_controls(text).split_inclusive('\n') {
        match line.split_once("error: ") {
            // "false" is what GRUB calls any status of a function.
            Some((before, message)) => {
                printed.output.push_str(before);
                printed.has_messages |= message.trim_end() != "false.";
            }
            None => printed.output.push_str(line),
        }
    }
    printed
}

/// Without the sequences that a terminal takes for commands (ECMA-48).
fn without_controls(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            let _ = chars.find(char::is_ascii_alphabetic);
        } else {
            plain.push(c);
        }
    }
    plain
}
