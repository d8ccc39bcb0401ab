//! Menus of GRUB as installers leave them, and those of A/B systems with what their
//! environment block may hold: each through `turnout list --json`, every entry as it
//! has to be. How the files are written: `tests/data/README.md`. And what is left of
//! them, and of those of a corpus that others have written (TURNOUT_CORPUS), when they
//! are cut off: it is read without a panic, and soon.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use turnout::base::arch::Arch;
use turnout::menu::{self, Budget, Group, Identity, Memory, Metered, Sight, Target};

/// Longest that a menu may take that was cut off.
const LIMIT: Duration = Duration::from_millis(50);
/// How often one is read again that may have waited for a busy machine.
const TRIES: usize = 10;
/// How many bytes lie between two cuts in every run.
const STRIDE: usize = 211;

/// What stands in one file of `tests/data/menus/grub`.
#[derive(Default)]
struct Case {
    name: String,
    devices: Vec<Device>,
    /// Device and path of the environment block.
    block: Option<(usize, String)>,
    states: Vec<State>,
}

#[derive(Default)]
struct Device {
    /// As `--root` takes it, without the directory: `main` and `uuid=...`.
    name: String,
    identity: String,
    files: Vec<(String, String)>,
}

#[derive(Default)]
struct State {
    name: String,
    variables: String,
    /// Of all entries, or none.
    entries: Vec<Wanted>,
    default: Option<String>,
}

#[derive(Default)]
struct Wanted {
    is_default: bool,
    is_bootable: bool,
    id: String,
    title: String,
    /// Key and value of the lines below it.
    fields: Vec<(String, String)>,
}

/// What stands for the bytes of a kernel, which every file that is only named has.
const KERNEL: &str = "kernel";

fn kernel() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/image/Image.gz")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/menus/grub")
}

impl Case {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut case = Self { name, ..Self::default() };
        let sections = text.split("\n=== ").skip(1);
        sections.for_each(|section| {
            let (head, body) = section.split_once('\n').unwrap_or((section, ""));
            let (word, rest) = head.split_once(' ').unwrap_or((head, ""));
            case.add(word, rest, body);
        });
        case
    }

    fn add(&mut self, word: &str, rest: &str, body: &str) {
        match word {
            "device" => self.devices.push(Device::new(rest)),
            "file" => self.last_device().files.push((rest.to_owned(), expanded(body))),
            "files" => {
                let files = body.lines().map(|path| (path.to_owned(), KERNEL.to_owned()));
                self.last_device().files.extend(files);
            }
            "grubenv" => self.block = Some((self.device_below(rest), rest.to_owned())),
            "state" => self.states.push(State {
                name: rest.to_owned(),
                variables: body.to_owned(),
                ..State::default()
            }),
            "menu" => self.last_state().entries = entries(body),
            "default" => self.last_state().default = Some(rest.to_owned()),
            other => panic!("{}: {other}", self.name),
        }
    }

    /// The device that has a file beside the environment block.
    fn device_below(&self, block: &str) -> usize {
        let folder = block.trim_end_matches("grubenv");
        let is_beside = |(path, _): &(String, String)| path.starts_with(folder);
        self.devices.iter().position(|device| device.files.iter().any(is_beside)).unwrap()
    }

    fn last_device(&mut self) -> &mut Device {
        self.devices.last_mut().unwrap()
    }

    /// A menu without an environment block has one state.
    fn last_state(&mut self) -> &mut State {
        if self.states.is_empty() {
            self.states.push(State::default());
        }
        self.states.last_mut().unwrap()
    }
}

impl Device {
    fn new(words: &str) -> Self {
        let (name, identity) = words.split_once(' ').unwrap();
        Self { name: name.to_owned(), identity: identity.replace(' ', ","), files: Vec::new() }
    }
}

/// The text with what it includes.
fn expanded(body: &str) -> String {
    let mut text = String::new();
    let mut define = ("", "");
    for line in body.lines() {
        if let Some(words) = line.strip_prefix("%define ") {
            define = words.split_once(' ').unwrap();
        } else if let Some(name) = line.strip_prefix("%include ") {
            let part = fs::read_to_string(folder().join(format!("{name}.part"))).unwrap();
            text.push_str(&part.replace(&format!("${{{}}}", define.0), define.1));
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

fn entries(body: &str) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = Vec::new();
    for line in body.lines() {
        if let Some(field) = line.strip_prefix("  ") {
            let (key, value) = field.split_once(' ').unwrap();
            all.last_mut().unwrap().fields.push((key.to_owned(), value.to_owned()));
            continue;
        }
        let (mark, rest) = line.split_once(' ').unwrap();
        let (id, title) = rest.split_once(" | ").unwrap();
        all.push(Wanted {
            is_default: mark.contains('*'),
            is_bootable: !mark.contains('!'),
            id: id.to_owned(),
            title: title.to_owned(),
            fields: Vec::new(),
        });
    }
    all
}

/// The devices as directories. What is in one is removed with it.
struct Trees(PathBuf);

impl Trees {
    fn new(case: &Case) -> Self {
        let trees = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grub-menus").join(&case.name);
        drop(fs::remove_dir_all(&trees));
        let trees = Self(trees);
        for (number, device) in case.devices.iter().enumerate() {
            fs::create_dir_all(trees.of(number)).unwrap();
            device.files.iter().for_each(|(path, text)| trees.write(number, path, text));
        }
        trees
    }

    fn of(&self, device: usize) -> PathBuf {
        self.0.join(device.to_string())
    }

    fn write(&self, device: usize, path: &str, text: &str) {
        let path = self.of(device).join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text {
            KERNEL => fs::copy(kernel(), path).map(drop).unwrap(),
            text => fs::write(path, text).unwrap(),
        }
    }

    fn list(&self, case: &Case) -> Value {
        let mut list = Command::new(env!("CARGO_BIN_EXE_turnout"));
        list.args(["list", "--json", "--arch", "aarch64"]);
        for (number, device) in case.devices.iter().enumerate() {
            let place = self.of(number).display().to_string();
            list.args(["--root", &format!("{}={place},{}", device.name, device.identity)]);
        }
        let output = list.output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }
}

/// As GRUB writes it: 1024 bytes with `#` at the end.
fn block(variables: &str) -> String {
    let mut text = "# GRUB Environment Block\n".to_owned() + variables;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&"#".repeat(1024 - text.len()));
    text
}

/// What of an entry is not as it has to be.
fn faults(found: &Value, wanted: &Wanted) -> Vec<String> {
    let text = |key: &str| found[key].as_str().unwrap_or_default().trim().to_owned();
    let list = |key: &str| -> Vec<String> {
        let all = found[key].as_array().unwrap();
        all.iter().map(|one| one.as_str().unwrap_or_default().trim().to_owned()).collect()
    };
    let mut title = list("submenu");
    title.push(text("title"));
    let mut pairs = vec![
        ("title", title.join(" > "), wanted.title.clone()),
        ("default", found["default"].to_string(), wanted.is_default.to_string()),
        ("bootable", found["bootable"].to_string(), wanted.is_bootable.to_string()),
    ];
    if wanted.id != "?" {
        pairs.push(("id", text("id"), wanted.id.clone()));
    }
    if wanted.is_bootable {
        pairs.push(("initrd", list("initrd").join(" "), wanted.field("initrd").to_owned()));
        pairs.push(("options", text("options"), wanted.field("options").to_owned()));
        pairs.push(("linux", text("linux"), wanted.field("linux").to_owned()));
    }
    let mut faults: Vec<String> = pairs
        .into_iter()
        .filter(|(_, found, wanted)| found != wanted)
        .map(|(what, found, wanted)| format!("{what}: {found:?}, not {wanted:?}"))
        .collect();
    let code = wanted.field("code");
    if !found["reasons"].to_string().contains(code) {
        faults.push(format!("{} does not say {code}", found["reasons"]));
    }
    faults
}

impl Wanted {
    fn field(&self, key: &str) -> &str {
        self.fields.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }
}

fn faults_of_state(list: &Value, state: &State) -> Vec<String> {
    let found = list["entries"].as_array().unwrap();
    let mut all: Vec<String> = Vec::new();
    if let Some(id) = &state.default {
        let default = found.iter().find(|entry| entry["default"] == true);
        if default.is_none_or(|entry| entry["id"] != **id) {
            all.push(format!("the default is {:?}, not {id}", default.map(|entry| &entry["id"])));
        }
        return all;
    }
    if found.len() != state.entries.len() {
        all.push(format!("{} entries, not {}", found.len(), state.entries.len()));
    }
    for (found, wanted) in found.iter().zip(&state.entries) {
        let faults = faults(found, wanted);
        all.extend(faults.into_iter().map(|fault| format!("{}: {fault}", wanted.title)));
    }
    all
}

/// What is wrong, each with its case and state.
fn check(case: &Case) -> Vec<String> {
    let trees = Trees::new(case);
    let mut all = Vec::new();
    for state in &case.states {
        if let Some((device, path)) = &case.block {
            trees.write(*device, path, &block(&state.variables));
        }
        let list = trees.list(case);
        let faults = faults_of_state(&list, state);
        if !faults.is_empty() {
            println!("{} {}: {list:#}", case.name, state.name);
        }
        all.extend(
            faults.into_iter().map(|fault| format!("{}, {}: {fault}", case.name, state.name)),
        );
    }
    fs::remove_dir_all(&trees.0).unwrap();
    all
}

fn cases() -> Vec<Case> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "menu"));
    paths.sort();
    paths.iter().map(|path| Case::read(path)).collect()
}

#[test]
fn what_installers_leave_is_listed_as_grub_would_have_it() {
    let cases = cases();
    let states: usize = cases.iter().map(|case| case.states.len()).sum();
    assert!(cases.len() >= 15 && states >= 35, "{} menus, {states} states", cases.len());
    let faults: Vec<String> = cases.iter().flat_map(check).collect();
    println!("{} menus with {states} states", cases.len());
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The files of a menu, and the UUID by which it looks for them.
struct Volume {
    uuid: String,
    files: Memory,
}

/// Of every menu, a device each.
fn volumes() -> Vec<Volume> {
    let own = cases().into_iter().flat_map(|case| case.devices);
    let own = own.map(|device| {
        let words = device.identity.split(',').find_map(|word| word.strip_prefix("uuid="));
        Volume { uuid: words.unwrap().to_owned(), files: device.files.into_iter().collect() }
    });
    own.chain(volumes_of_corpus()).collect()
}

fn volumes_of_corpus() -> Vec<Volume> {
    let Some(directory) = std::env::var_os("TURNOUT_CORPUS") else {
        println!("TURNOUT_CORPUS is not set: only menus of this project are cut");
        return Vec::new();
    };
    let paths = fs::read_dir(PathBuf::from(directory).join("menus")).unwrap();
    let cases = paths.map(|entry| -> Value {
        serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap()
    });
    let of_grub = cases.filter(|case| case["format"].as_str().unwrap().starts_with("grub2"));
    of_grub.map(|case| volume_of(&case)).collect()
}

fn volume_of(case: &Value) -> Volume {
    let uuid = case["main_device"]["uuid"].as_str().unwrap_or_default().to_owned();
    let files = case["files"].as_object().unwrap().iter();
    let texts = files.filter_map(|(path, text)| Some((path.clone(), text.as_str()?.to_owned())));
    Volume { uuid, files: texts.collect() }
}

/// The least time that reading takes.
fn time(volume: &Volume) -> Duration {
    let identity = Identity { uuid: Some(volume.uuid.clone()), ..Identity::default() };
    let target = Target { arch: Arch::X86_64, boards: &[], used: &[] };
    let mut least = Duration::MAX;
    for _ in 0..TRIES {
        let start = Instant::now();
        let budget = Budget::default();
        let files = Metered::menus(&volume.files, &budget).seeing(Sight::alone(&identity));
        let menu = menu::merge(vec![(Group::default(), menu::read_below(&files, &target, ""))]);
        least = least.min(start.elapsed());
        assert!(menu.entries.len() <= menu::MAX_ENTRIES);
        if least < LIMIT / 4 {
            break;
        }
    }
    least
}

/// Cuts every file of every menu each so many bytes.
fn cut(step: usize) {
    let mut worst = (Duration::ZERO, String::new());
    let mut count = 0_usize;
    for mut volume in volumes() {
        for (path, whole) in volume.files.clone().0 {
            for at in (0..whole.len()).step_by(step) {
                volume.files.0.insert(path.clone(), whole.iter().take(at).copied().collect());
                worst = worst.max((time(&volume), format!("{path} cut at {at}")));
                count += 1;
            }
            volume.files.0.insert(path, whole);
        }
    }
    println!("{count} cuts; the slowest took {} us: {}", worst.0.as_micros(), worst.1);
    assert!(count > 100 && worst.0 < LIMIT, "{worst:?}");
}

#[test]
fn a_script_that_was_cut_off_is_read_and_soon() {
    cut(STRIDE);
}

#[test]
#[ignore = "cuts every menu at every byte: minutes; the long run does it"]
fn a_script_that_was_cut_off_at_any_byte_is_read_and_soon() {
    cut(1);
}
