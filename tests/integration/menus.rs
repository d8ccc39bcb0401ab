//! Whole menus that others have written and what they expect of them, through
//! the program as it is called: `turnout list --json --root`.
//!
//! They are not part of this project: they are read from the directory that the
//! environment variable TURNOUT_CORPUS names, and without it these tests say so
//! and pass. Where an expectation contradicts the reference of its format, the
//! reference wins: [`DEVIATIONS`] lists every such place.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use turnout::base::arch::Arch;
use turnout::menu::{self, Budget, Format, Group, Memory, Metered, Target};

const APPEND: &str = "syslinux.txt: a label's APPEND takes the place of the global one";
const BEGIN: &str = "menu.txt: behind MENU BEGIN, MENU LABEL is the submenu's";
const OPTIONS: &str = "UAPI.1: options may stand more than once and all count";
const ROOT: &str = "UAPI.1: paths count from the root of the partition";

/// Case, number of the entry, what is expected of it, what holds instead, and
/// which reference says so. Besides, in all cases:
/// - the order is the file's; petitboot turns it round, u-root puts the default
///   first (syslinux's menu.txt: the menu is in the order of the labels);
/// - `^` marks a hotkey and is no part of the title (menu.txt, MENU LABEL);
/// - what `mboot.c32` starts is shown, and cannot boot (it is no Linux).
const DEVIATIONS: [(&str, usize, &str, &str, &str); 12] = [
    ("test-syslinux-global-append", 2, "args", "root=/dev/sdb", APPEND),
    ("test-syslinux-global-append", 3, "args", "console=tty0", APPEND),
    ("test-syslinux-nested-config", 0, "args", "root=/dev/sdc", APPEND),
    ("test-syslinux-nested-config", 1, "args", "root=/dev/sda", APPEND),
    ("test-syslinux-nested-config", 2, "args", "root=/dev/sdb", APPEND),
    ("syslinux.debian_10_install", 1, "name", "Install", BEGIN),
    ("syslinux.debian_10_install", 7, "name", "Automated install", BEGIN),
    ("syslinux.debian_10_install", 10, "name", "Automated speech install", BEGIN),
    ("syslinux.debian_10_install", 12, "name", "Install", BEGIN),
    (
        "bls.madeup",
        0,
        "args",
        "root=UUID=6d3376e4-fc93-4509-95ec-a21d68011da2 earlyprintk=ttyS0",
        OPTIONS,
    ),
    ("bls.madeup", 0, "image", "/fakefile", ROOT),
    ("bls.madeup", 0, "initrd", "/fakefile", ROOT),
];

/// Longest that one broken menu may take. Without optimisation the slowest takes
/// a fiftieth of it.
const LIMIT: Duration = Duration::from_millis(50);
/// How often one is read again that may have waited for a busy machine.
const TRIES: usize = 10;

/// The menus of these formats, if there is a corpus.
fn cases(formats: &[&str]) -> Vec<Value> {
    let Some(directory) = std::env::var_os("TURNOUT_CORPUS") else {
        println!("skipped: TURNOUT_CORPUS is not set, no menus are read");
        return Vec::new();
    };
    let mut paths: Vec<_> = fs::read_dir(PathBuf::from(directory).join("menus"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let all = paths.iter().map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
    let cases: Vec<Value> =
        all.filter(|case: &Value| formats.contains(&text(&case["format"]))).collect();
    assert!(!cases.is_empty(), "no menus of {formats:?}");
    cases
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Path and bytes of every file of a case.
fn files(case: &Value) -> Vec<(String, Vec<u8>)> {
    let all = ["files", "server_files"].iter().filter_map(|key| case[key].as_object()).flatten();
    all.map(|(path, content)| (path.clone(), content_of(content))).collect()
}

/// Text, or what is none in hexadecimal digits.
fn content_of(value: &Value) -> Vec<u8> {
    let Some(hex) = value["hex"].as_str() else { return text(value).as_bytes().to_vec() };
    let pairs = hex.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// The case as a directory that stands for its partition.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str, files: &[(String, Vec<u8>)]) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("menus").join(name);
        drop(fs::remove_dir_all(&root));
        fs::create_dir_all(&root).unwrap();
        for (path, bytes) in files {
            let path = root.join(&path[1..]);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self(root)
    }

    /// What a file holds; `None` if it is not there.
    fn content(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.0.join(&path[1..])).ok()
    }

    fn list(&self, more: &[&str]) -> Output {
        let mut list = Command::new(env!("CARGO_BIN_EXE_turnout"));
        let root = format!("main={},uuid=1-2,label=L", self.0.display());
        list.args(["list", "--json", "--arch", "x86_64", "--root", &root]).args(more);
        list.output().unwrap()
    }
}

/// The word of the command line for a corpus's format.
fn format_of(case: &Value) -> &'static str {
    match text(&case["format"]) {
        "syslinux" | "pxelinux" => "extlinux",
        "native" => "native",
        "kboot" => "kboot",
        other => panic!("{other}"),
    }
}

/// The entries that the program lists.
fn listed(case: &Value, tree: &Tree) -> Vec<Value> {
    let config = case["config"].as_str();
    let more = config.map(|path| ["--config", path, "--format", format_of(case)]);
    let output = tree.list(more.as_ref().map_or(&[], |more| &more[..]));
    let status = output.status.code();
    if case["expect_error"] == true {
        assert_eq!(status, Some(3), "{output:?}");
        return Vec::new();
    }
    assert!(matches!(status, Some(0 | 3)), "{output:?}");
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    list["entries"].as_array().unwrap().clone()
}

/// What is expected, with the deviations put in.
fn expected_of(case: &Value) -> Vec<Value> {
    let mut expected = case["expected"].as_array().unwrap().clone();
    for (name, index, field, holds, _) in DEVIATIONS {
        if case["name"] == name {
            let old = expected[index][field].take();
            assert!(old != holds, "{name} {index} {field}: no deviation any more");
            expected[index][field] = holds.into();
        }
    }
    expected
}

fn matches(entry: &Value, expected: &Value, tree: &Tree) -> bool {
    let fields = expected.as_object().unwrap();
    let is_linux = expected["type"] != "multiboot";
    fields.iter().all(|(field, value)| match field.as_str() {
        "name" => is_called(entry, &text(value).replace('^', "")),
        "default" => entry["default"] == *value,
        "args" if is_linux => entry["options"] == *value,
        "image" if is_linux => entry["linux"] == *value,
        "initrd" => is_list(&entry["initrd"], value),
        "dtb" => entry["devicetree"] == *value,
        "image_content" if is_linux => holds(&entry["linux"], value, tree),
        "initrd_content" => holds(&entry["initrd"], value, tree),
        "type" => is_linux || entry["bootable"] == false,
        "args" | "image" | "image_content" | "modules" | "rank" => true,
        other => panic!("{other} is not compared"),
    })
}

/// By label, by title, or by title and version.
fn is_called(entry: &Value, name: &str) -> bool {
    let title = entry["title"].as_str().unwrap_or_default();
    let version = entry["version"].as_str().unwrap_or_default();
    let long = format!("{title} {version}");
    entry["id"] == name || title == name || long == name
}

/// One path or none.
fn is_list(found: &Value, expected: &Value) -> bool {
    let found = found.as_array().unwrap();
    if expected.is_null() { found.is_empty() } else { found[..] == [expected.clone()] }
}

/// Whether the file or files hold what is expected.
fn holds(paths: &Value, expected: &Value, tree: &Tree) -> bool {
    let paths = paths.as_array().cloned().unwrap_or_else(|| vec![paths.clone()]);
    let contents: Option<Vec<_>> = paths.iter().map(|path| tree.content(text(path))).collect();
    match expected {
        Value::Null => paths.is_empty(),
        Value::Array(expected) => contents.is_some_and(|contents| contents == *expected),
        unreadable => unreadable == "UNREADABLE" && contents.is_none(),
    }
}

/// Every expected entry is one of those that are listed, and no two the same.
fn compare(case: &Value) {
    let name = text(&case["name"]);
    let tree = Tree::new(name, &files(case));
    let mut found = listed(case, &tree);
    assert_eq!(found.len() as u64, case["count"], "{name}: {found:#?}");
    let in_order = !matches!(text(&case["format"]), "syslinux" | "pxelinux");
    let all = expected_of(case);
    let names_default = all.iter().any(|expected| expected["default"] == true);
    for mut expected in all {
        if names_default && expected["default"].is_null() {
            expected["default"] = false.into();
        }
        let index = found.iter().position(|entry| matches(entry, &expected, &tree));
        let index = index.unwrap_or_else(|| panic!("{name}: no {expected:#} in {found:#?}"));
        assert!(index == 0 || !in_order, "{name}: {expected:#} is not the next of {found:#?}");
        found.remove(index);
    }
}

#[test]
fn every_menu_of_others_is_listed_as_its_format_says() {
    let cases = cases(&["bls", "syslinux", "pxelinux", "native", "kboot"]);
    cases.iter().for_each(compare);
    println!("{} menus, {} deviations", cases.len(), DEVIATIONS.len());
}

/// The least time that reading takes.
fn time(case: &Value, files: &Memory) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..TRIES {
        least = least.min(read(case, files));
        if least < LIMIT / 25 {
            break;
        }
    }
    least
}

/// The configuration and everything beside it, read from memory.
fn read(case: &Value, files: &Memory) -> Duration {
    let boards = ["a,b".to_owned()];
    let target = Target::new(Arch::X86_64, &boards);
    let start = Instant::now();
    let menu = match case["config"].as_str() {
        Some(path) => menu::read_config(
            &Metered::menus(files, &Budget::default()),
            path,
            Format::named(format_of(case)),
            &target,
        ),
        None => Ok(menu::read_volume(files, &target)),
    };
    if let Ok(menu) = menu {
        let menu = menu::merge(vec![(Group::default(), menu)]);
        assert!(menu.entries.len() <= menu::MAX_ENTRIES);
        assert!(menu.diagnostics.iter().all(|diagnostic| !diagnostic.to_string().contains('\0')));
    }
    start.elapsed()
}

/// The file cut off at every byte, with other line ends, with a NUL in every
/// line, with a byte order mark.
fn broken(bytes: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    let mut all = vec![text.replace('\n', "\r\n").into(), text.replace('\n', "\r").into()];
    all.push([b"\xef\xbb\xbf", bytes].concat());
    all.extend((0..bytes.len()).map(|at| bytes[..at].to_vec()));
    let line_ends = (0..bytes.len()).filter(|at| bytes[*at] == b'\n');
    all.extend(line_ends.map(|at| [&bytes[..at], &[0], &bytes[at..]].concat()));
    all
}

#[test]
fn no_broken_menu_stops_the_reader_or_takes_long() {
    let mut worst = (Duration::ZERO, String::new());
    for case in cases(&["bls", "syslinux", "pxelinux", "native", "kboot"]) {
        let mut files: Memory = files(&case).into_iter().collect();
        let written =
            case["files"].as_object().unwrap().iter().filter(|(_, text)| text.is_string());
        for (path, content) in written {
            for bytes in broken(text(content).as_bytes()) {
                files.0.insert(path.clone(), bytes);
                worst = worst.max((time(&case, &files), path.clone()));
            }
            files.0.insert(path.clone(), content_of(content));
        }
    }
    println!("the slowest took {} us, with {}", worst.0.as_micros(), worst.1);
    assert!(worst.0 < LIMIT, "{worst:?}");
}

/// Written by hand, of what GRUB's converter understands.
const FLAT: &str = "\
DEFAULT second
TIMEOUT 31
LABEL first
  MENU LABEL First ^system
  KERNEL /a/vmlinuz
  APPEND root=/dev/sda1 initrd=/a/initrd quiet
LABEL second
  LINUX vmlinuz.c32
  INITRD one,../two
  APPEND ro
LABEL third
  MENU LABEL ^Third
  KERNEL ./sub/vmlinuz
";

/// What GRUB's converter makes of the same file.
fn converted(tree: &Tree, path: &str) -> Option<String> {
    let root = tree.0.display().to_string();
    let mut convert = Command::new("grub-syslinux2cfg");
    convert.args(["--syslinux", "--root", &root, "--cwd", &format!("{root}/syslinux")]);
    convert.args(["--target-root", "/", "--target-cwd", "/syslinux"]).arg(tree.0.join(&path[1..]));
    let Ok(output) = convert.output() else {
        println!("skipped: grub-syslinux2cfg is not installed");
        return None;
    };
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

/// A path of GRUB's, `'/syslinux'/'../two'`, without quotes and steps.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let path = path.replace('\'', "");
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.iter().map(|part| format!("/{part}")).collect()
}

/// A line of GRUB's script that starts an entry or says what it loads.
fn known(line: &str) -> Option<String> {
    let line = line.trim();
    let (command, rest) = line.split_once(' ')?;
    match command.trim_end_matches("$linux_suffix") {
        "menuentry" => Some(line.to_owned()),
        "linux" => {
            let (path, options) = rest.split_once(' ').unwrap_or((rest, ""));
            Some(format!("linux {} {options}", plain(path)).trim().to_owned())
        }
        "initrd" => {
            Some(format!("initrd {}", rest.split(' ').map(plain).collect::<Vec<_>>().join(" ")))
        }
        _ => None,
    }
}

#[test]
fn grubs_converter_reads_the_same() {
    let path = "/syslinux/syslinux.cfg";
    let tree = Tree::new("flat", &[(path.to_owned(), FLAT.into())]);
    let Some(script) = converted(&tree, path) else { return };
    let files: Memory = [(path, FLAT)].into_iter().collect();
    let target = Target::new(Arch::X86_64, &[]);
    let menu = menu::merge(vec![(Group::default(), menu::read_volume(&files, &target))]);
    let mut lines = Vec::new();
    for entry in &menu.entries {
        let hotkey = entry.hotkey.map(|key| format!(" --hotkey '{key}'")).unwrap_or_default();
        lines.push(format!("menuentry '{}'{hotkey} --id '{}' {{", entry.name(), entry.id));
        let linux = entry.linux.as_deref().unwrap();
        lines.push(format!("linux {linux} {}", entry.options).trim().to_owned());
        if !entry.initrds.is_empty() {
            lines.push(format!("initrd {}", entry.initrds.join(" ")));
        }
    }
    let theirs: Vec<_> = script.lines().filter_map(known).collect();
    assert_eq!(lines, theirs, "{script}");
    assert!(script.contains("set timeout=4\n") && script.contains("default='second'"), "{script}");
    assert_eq!(menu.timeout, menu::Timeout::Seconds(4));
    assert_eq!(menu.default, Some(1));
}
