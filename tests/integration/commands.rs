//! The programs as they are called: what `turnout` prints for a machine that files
//! describe, and with which status it ends. Nothing here loads anything.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const KERNEL: &str = "tests/data/image/Image.xz";
const IOMEM: &str = "tests/data/virt/iomem";

fn turnout(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnout"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().unwrap()
}

fn turnout_init(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_turnout-init")).args(arguments).output().unwrap()
}

/// The program by the name that kexec-tools' callers have for it.
fn kexec(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnout"));
    command.arg0("/sbin/kexec").args(arguments).output().unwrap()
}

fn printed(output: &Output) -> (Option<i32>, &str, &str) {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| str::from_utf8(bytes).unwrap());
    (output.status.code(), out, err)
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The device tree of the machine in `tests/data/virt` with the zeros behind it
/// that every /sys/firmware/fdt of QEMU has.
struct DeviceTree(PathBuf);

impl DeviceTree {
    fn new(test: &str) -> Self {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/virt/fdt");
        let mut bytes = std::fs::read(data).unwrap();
        bytes.resize(1 << 20, 0);
        let path = std::env::temp_dir().join(format!("turnout-{test}-{}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for DeviceTree {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// A program that anybody may start.
struct Anybody(PathBuf);

impl Anybody {
    fn new(program: &str) -> Self {
        let path = std::env::temp_dir().join(format!("turnout-anybody-{}", std::process::id()));
        std::fs::copy(program, &path).unwrap();
        Self(path)
    }

    /// Runs it as nobody, whoever runs the tests.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.0);
        let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        if is_root {
            command.uid(65534).gid(65534);
        }
        // Counting what is covered, it would say that it cannot write where root does.
        command.env("LLVM_PROFILE_FILE", "/dev/null");
        command.args(arguments).output().unwrap()
    }
}

impl Drop for Anybody {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

#[test]
fn root_is_asked_for_before_anything_is_read() {
    let turnout = Anybody::new(env!("CARGO_BIN_EXE_turnout"));
    for (arguments, what) in [
        (&["load", "/gone"][..], "load a kernel"),
        (&["load", "gone"], "load a kernel"),
        (&["load", "--crash", "/gone"], "load a kernel"),
        (&["unload"], "unload a kernel"),
        (&["exec"], "start a kernel"),
    ] {
        let output = turnout.run(arguments);
        let (status, text, faults) = printed(&output);
        assert_eq!((status, text), (Some(6), ""), "{faults}");
        let said = format!("only root can {what}: run it as root, by sudo for example\n");
        assert!(faults.ends_with(&said) && faults.lines().count() == 1, "{faults}");
    }
    let output = turnout.run(&["load", "/gone", "--dry-run"]);
    assert_eq!(output.status.code(), Some(4), "a plan needs no rights");
}

#[test]
fn what_boots_a_machine_only_says_so_on_a_running_system() {
    let output = turnout_init(&["load", KERNEL]);
    let (status, text, faults) = printed(&output);
    assert_eq!((status, text), (Some(2), ""));
    assert!(faults.starts_with("turnout-init: this is PID 1 of a boot environment"), "{faults}");
    let output = turnout_init(&["--version"]);
    let version = turnout::base::switches::version("turnout-init");
    assert_eq!(printed(&output), (Some(0), &*format!("{version}\n"), ""));
}

#[test]
fn called_kexec_it_answers_as_kexec_tools_does() {
    let version = concat!("kexec-tools 2.0.32 (turnout ", env!("CARGO_PKG_VERSION"), ")\n");
    assert_eq!(printed(&kexec(&["-v"])), (Some(0), version, ""));
    let help = kexec(&["--help"]);
    let (status, text, faults) = printed(&help);
    assert_eq!((status, faults), (Some(0), ""));
    assert!(text.contains("-p, --load-panic "), "{text}");
    for (line, expected, said) in [
        (&["--bogus"][..], 1, "kexec: \"--bogus\" is no option of kexec (\"kexec --help\" lists"),
        (&["-l", "--mem-min=0", "K"], 1, "kexec: --mem-min is not done: where things lie in"),
        (&["-l"], 255, "kexec: No kernel specified: name the file of one"),
        (&["--load", "K", "-t", "nbi-x86"], 255, "kexec: kernels of type \"nbi-x86\" are not"),
    ] {
        let output = kexec(line);
        let (status, text, faults) = printed(&output);
        assert_eq!((status, text), (Some(expected), ""), "{line:?}: {faults}");
        assert!(faults.starts_with(said) && faults.lines().count() == 1, "{line:?}: {faults}");
    }
}

#[test]
fn a_board_is_planned_for_on_any_host() {
    let fdt = DeviceTree::new("plan");
    let inputs = ["--arch", "aarch64", "--iomem", IOMEM, "--fdt", fdt.path()];
    let load =
        ["load", KERNEL, "--dry-run", "--cmdline", "root=/dev/vda \"a  b\"", "--initrd", IOMEM];
    let arguments = [&load[..], &inputs[..]].concat();
    let text = turnout(&arguments);
    let (status, plan, faults) = printed(&text);
    assert_eq!((status, faults), (Some(0), ""));
    assert!(plan.starts_with("kexec_load on aarch64, because it is faster"), "{plan}");
    assert!(plan.ends_with("options \"root=/dev/vda \"a  b\"\"\n"), "{plan}");

    let json = json(&turnout(&[&arguments[..], &["--json"]].concat()));
    assert_eq!((&json["loaded"], &json["plan"]["arch"]), (&false.into(), &"aarch64".into()));
    assert_eq!(json["plan"]["options"], "root=/dev/vda \"a  b\"");
    for segment in json["plan"]["segments"].as_array().unwrap() {
        let start = segment["start"].as_u64().unwrap();
        let end = start + segment["size"].as_u64().unwrap();
        assert!(plan.contains(&format!("{start:#x}..{end:#x}")), "{segment}");
        assert!(plan.contains(segment["sha256"].as_str().unwrap()), "{segment}");
    }
}

#[test]
fn a_plan_for_another_machine_is_the_same_every_time() {
    let fdt = DeviceTree::new("repeat");
    let plan = || {
        let inputs = ["--arch", "aarch64", "--iomem", IOMEM, "--fdt", fdt.path()];
        let output = turnout(&[&["load", KERNEL, "--dry-run"], &inputs[..]].concat());
        assert!(output.status.success());
        output.stdout
    };
    assert_eq!(plan(), plan());
}

#[test]
fn each_fault_has_its_status_and_its_sentence() {
    let cases: [(&[&str], i32, &str); 6] = [
        (&["frobnicate"], 2, "\"frobnicate\" is no command"),
        (&["load", KERNEL, "--dry-run", "--memmap", "none"], 2, "needs --iomem"),
        (
            &["image", "tests/data/none"],
            4,
            "failed tests/data/none: read: tests/data/none: No such",
        ),
        (&["image", "Cargo.toml"], 5, "failed Cargo.toml: identify: this is no kernel image"),
        (&["load", "./Cargo.toml", "--dry-run"], 5, "failed ./Cargo.toml: identify: "),
        (
            &["load", KERNEL, "--dry-run", "--arch", "x86_64", "--iomem", "tests/data/q35/iomem"],
            5,
            "plan: the kernel is for aarch64, but this machine is x86_64",
        ),
    ];
    for (arguments, expected, sentence) in cases {
        let output = turnout(arguments);
        let (status, printed, faults) = printed(&output);
        assert_eq!((status, printed), (Some(expected), ""), "{arguments:?}");
        assert!(faults.contains(sentence), "{arguments:?}: {faults}");
    }
}

#[test]
fn what_is_wrong_with_a_command_line_is_said_first_and_alone() {
    for (arguments, sentence, help) in [
        (&["lod", KERNEL][..], "\"lod\" is no command; did you mean \"load\"?", "turnout"),
        (&["load", KERNEL, "--dryrun"], "did you mean \"--dry-run\"?", "turnout load"),
        (&["image"], "\"turnout image\" needs a file", "turnout image"),
        (&[], "no command says what to do", "turnout"),
    ] {
        let output = turnout(arguments);
        let (status, printed, faults) = printed(&output);
        assert_eq!((status, printed), (Some(2), ""), "{arguments:?}");
        assert!(faults.starts_with("turnout: "), "{arguments:?}: {faults}");
        assert!(faults.contains(sentence), "{arguments:?}: {faults}");
        assert!(faults.contains(&format!("(\"{help} --help\" ")), "{arguments:?}: {faults}");
        assert_eq!(faults.lines().count(), 1, "{arguments:?}: {faults}");
    }
}

#[test]
fn a_fault_is_json_too() {
    let output = turnout(&["image", "Cargo.toml", "--json"]);
    let fault = &json(&output)["error"];
    assert_eq!((&fault["stage"], &fault["status"]), (&"identify".into(), &5.into()));
    assert_eq!((&fault["entry"], output.status.code()), (&"Cargo.toml".into(), Some(5)));
}

#[test]
fn a_wrapped_kernel_is_described_from_the_outside_in() {
    let json = json(&turnout(&["image", KERNEL, "--json"]));
    assert_eq!(json["format"], "arm64 Image");
    assert_eq!(json["layers"], serde_json::json!(["xz"]));
    assert!(json["kernel_size"].as_u64() > json["file_size"].as_u64());
}
