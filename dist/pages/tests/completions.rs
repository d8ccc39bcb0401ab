//! What the three shells offer, each asked itself.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::{Scratch, errors, said, tool, tools, unpacked};

const TRIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shells");

/// A line, some of what has to be offered, and some of what must not be.
struct Case {
    line: &'static str,
    offered: &'static [&'static str],
    others: &'static [&'static str],
}

const fn case(
    line: &'static str,
    offered: &'static [&'static str],
    others: &'static [&'static str],
) -> Case {
    Case { line, offered, others }
}

/// DIR stands for a directory with the menu, a kernel and a key ring.
const CASES: &[Case] = &[
    // Commands, and the words that go on with one.
    case("turnout bo", &["boot"], &["list"]),
    case("turnout set-", &["set-default", "set-oneshot"], &["status"]),
    case("turnout-sign ", &["sign", "ring", "policy"], &["check"]),
    case("turnout-sign ring ", &["line", "check", "sign"], &["write"]),
    case("turnout-mkinitramfs c", &["check"], &[]),
    // Options of the command at hand.
    case("turnout boot --no", &["--now"], &["--dry-run"]),
    case("turnout load --d", &["--dry-run", "--dtb", "--device"], &["--now"]),
    case("turnout-sign ring check --", &["--in-force", "--policy"], &["--root"]),
    case("turnout-mkinitramfs --mod", &["--modules-dir", "--module", "--mode"], &["--keys"]),
    case("kexec --ini", &["--initrd"], &["--load"]),
    case("kexec -l k --comm", &["--command-line"], &["--load"]),
    // Words of a value.
    case("turnout load --engine ", &["auto", "file", "segments"], &["--crash", "always"]),
    case("turnout load --crash --vmlinux a", &["auto", "always"], &["never", "file"]),
    case("turnout slot ", &["list", "set-primary", "set-state", "install"], &["good"]),
    case("turnout slot set-state A ", &["good", "bad"], &["list"]),
    case("turnout boot --root DIR/boot ", &["debian-6.1", "debian-6.12"], &["list"]),
    case("turnout explain --root=DIR/boot debian-6.12", &["debian-6.12"], &["debian-6.1"]),
    case("turnout boot d", &["debian-6.1", "debian-6.12"], &["--now"]),
    case("turnout boot --root DIR/none ", &[], &["debian-6.1"]),
    case("turnout slot set-primary ", &[], &["debian-6.1", "A"]),
    case("turnout-mkinitramfs --compress ", &["zstd", "xz", "gzip", "none"], &["check"]),
    case("turnout-sign sign --role ", &["boot", "recovery"], &["policy"]),
    // Entries of the menu.
    case("turnout-sign verify --root DIR/boot debian-6.1 d", &["debian-6.12"], &[]),
    case("turnout-sign verify --root DIR/boot --all --except d", &["debian-6.1"], &[]),
];

/// The same, of which shells write files each in their own way.
const FILES: &[Case] = &[
    case("turnout load --initrd DIR/boot/vm", &["vmlinuz"], &["loader"]),
    case("turnout boot --keys DIR/boot/lo", &["loader"], &["vmlinuz"]),
    case("turnout boot --root DIR/bo", &["boot"], &["ring"]),
    case("turnout image DIR/ri", &["ring"], &["boot"]),
    case("turnout load DIR/boot/v", &["vmlinuz"], &["loader"]),
    case("kexec -l DIR/boot/v", &["vmlinuz"], &["loader"]),
    case("turnout-sign show DIR/ring DIR/r", &["ring"], &["boot"]),
    case("turnout-mkinitramfs --keys DIR/r", &["ring"], &["boot"]),
];

/// Pages, a boot partition, and a `turnout` that knows no other one.
struct World {
    scratch: Scratch,
}

impl World {
    fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        for version in ["6.1", "6.12"] {
            let path = format!("boot/loader/entries/debian-{version}.conf");
            scratch.write(&path, "title Debian\nlinux /vmlinuz\noptions root=LABEL=root\n");
        }
        scratch.write("boot/vmlinuz", "kernel");
        scratch.write("ring", "keys");
        let world = Self { scratch };
        world.write_turnout(&format!(
            "case \"$*\" in list*--root=*) ;; list*) set -- \"$@\" --root {} ;; esac\n\
             exec {} \"$@\"\n",
            world.scratch.join("boot").display(),
            turnout().display()
        ));
        world
    }

    fn write_turnout(&self, script: &str) {
        let path = self.scratch.write("bin/turnout", &format!("#!/bin/sh\n{script}"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// With its own `turnout` before any other.
    fn prepare<'a>(&self, shell: &'a mut Command) -> &'a mut Command {
        let path = std::env::var("PATH").unwrap();
        let [own, tools] = [self.scratch.join("bin"), tools()];
        let path = format!("{}:{}:{path}", own.display(), tools.display());
        shell.env("PATH", path).env("TERM", "dumb").env("HOME", self.scratch.path())
    }

    fn line(&self, case: &Case) -> String {
        case.line.replace("DIR", self.scratch.path().to_str().unwrap())
    }

    fn lines(&self) -> String {
        let cases = CASES.iter().chain(FILES);
        cases.map(|case| format!("{}\n", self.line(case))).collect()
    }

    /// Holds what a shell answered against every case.
    fn judge(&self, shell: &str, answers: &str) {
        for case in CASES {
            let found = found(answers, &self.line(case), |word| word.to_owned());
            hold(shell, case, &found);
        }
        for case in FILES {
            let found = found(answers, &self.line(case), last_part);
            hold(shell, case, &found);
        }
    }
}

/// The words that a line is answered by.
fn found(answers: &str, line: &str, shown: fn(&str) -> String) -> BTreeSet<String> {
    let answers = answers.lines().filter_map(|answer| answer.split_once('\t'));
    answers.filter(|(asked, _)| *asked == line).map(|(_, word)| shown(word)).collect()
}

/// Of a path, with or without a slash at its end.
fn last_part(path: &str) -> String {
    path.trim_end_matches('/').rsplit('/').next().unwrap().to_owned()
}

fn hold(shell: &str, case: &Case, found: &BTreeSet<String>) {
    let line = case.line;
    for word in case.offered {
        assert!(found.contains(*word), "{shell}: {line:?} has no {word}: {found:?}");
    }
    for word in case.others {
        assert!(!found.contains(*word), "{shell}: {line:?} has {word}: {found:?}");
    }
    let is_empty = case.offered.is_empty();
    assert!(!is_empty || found.is_empty(), "{shell}: {line:?} has {found:?}");
}

/// The program of this build, which cargo builds for no test of this package. The same
/// selection and profile as the whole workspace's tests have.
fn turnout() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let directory = Path::new(env!("CARGO_BIN_EXE_turnout-pages")).parent().unwrap();
        let profile = match directory.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            profile => profile,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--workspace", "--profile", profile]);
        let built = cargo.args(["--bin", "turnout"]).output().unwrap();
        assert!(built.status.success(), "{}", errors(&built));
        directory.join("turnout")
    })
}

/// What a program says that reads this; it must complain of nothing.
fn answers(command: &mut Command, input: &str) -> String {
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", errors(&output));
    said(&output)
}

/// bash is on every machine that builds Turnout: its set-up is written in it.
fn bash(world: &World, input: &str) -> String {
    let mut bash = Command::new("timeout");
    bash.args(["60", "bash", "--norc"]).arg(format!("{TRIES}/try.bash"));
    answers(world.prepare(&mut bash).arg(world.scratch.join("completions/bash")), input)
}

#[test]
fn bash_completes_each_line() {
    let world = World::new("bash");
    world.judge("bash", &bash(&world, &world.lines()));
}

#[test]
fn fish_completes_each_line() {
    let Some(unpacked) = unpacked() else { return };
    let world = World::new("fish");
    let mut fish = tool("fish");
    world.prepare(&mut fish).args(["--no-config", &format!("{TRIES}/try.fish")]);
    fish.arg(world.scratch.join("completions/fish")).arg(unpacked.join("share/fish/functions"));
    world.judge("fish", &answers(&mut fish, &world.lines()));
}

#[test]
fn zsh_completes_each_line() {
    let Some(unpacked) = unpacked() else { return };
    let world = World::new("zsh");
    let lines = world.scratch.write("lines", &world.lines());
    let mut zsh = Command::new("timeout");
    zsh.arg("60").arg(tool("zsh").get_program()).args(["-f", &format!("{TRIES}/try.zsh")]);
    world.prepare(&mut zsh).arg(world.scratch.join("completions/zsh")).arg(unpacked).arg(lines);
    world.judge("zsh", &answers(&mut zsh, ""));
}

/// Menus give no such ids today but the one with a profile; a boot partition is whoever's.
#[test]
fn bash_quotes_an_id_and_leaves_out_what_is_typed() {
    let world = World::new("bash-ids");
    world.write_turnout("echo '{\"entries\":[{\"id\":\"we$(ird)\"},{\"id\":\"fedora@2\"}]}'\n");
    let answers = bash(&world, "turnout-sign verify we\nturnout-sign verify fedora@\n");
    let expected = "turnout-sign verify we\twe\\$\\(ird\\)\nturnout-sign verify fedora@\t2\n";
    assert_eq!(answers, expected);
}

#[test]
fn a_program_that_is_slow_or_fails_is_not_waited_for() {
    let world = World::new("bash-slow");
    world.write_turnout("echo broken >&2; exit 3\n");
    assert_eq!(bash(&world, "turnout-sign verify \n"), "");
    let asked = world.scratch.join("asked");
    world.write_turnout(&format!("touch {}\nexec sleep 20\n", asked.display()));
    let begin = Instant::now();
    assert_eq!(bash(&world, "turnout-sign verify \n"), "");
    assert!(asked.exists() && begin.elapsed() < Duration::from_secs(10));
}
