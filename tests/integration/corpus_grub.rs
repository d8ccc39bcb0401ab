//! GRUB's menus against independent ones: what its scripts make of them, as GRUB itself
//! reads them.
//!
//! The menus are not part of this project: they are read from the directory that the
//! environment variable TURNOUT_CORPUS names, and without it these tests say so and pass.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use turnout::base::arch::Arch;
use turnout::menu::{
    self, Budget, Device, Entry, Format, Group, Identity, Memory, Menu, Metered, Sight, Target,
};

/// Configuration that leads to that of a live system as a script on a disk does.
const LOOPBACK: &str = "/loopback-of-the-test.cfg";

fn corpus() -> Option<PathBuf> {
    let Some(dir) = std::env::var_os("TURNOUT_CORPUS") else {
        println!("skipped: TURNOUT_CORPUS is not set, no menu of GRUB is read");
        return None;
    };
    Some(Path::new(&dir).join("menus"))
}

/// All of GRUB, by the names of their files.
fn cases() -> Option<Vec<(String, Value)>> {
    let mut cases = Vec::new();
    for file in fs::read_dir(corpus()?).unwrap() {
        let path = file.unwrap().path();
        let case: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        if ["grub2", "grub2-loopback-iso"].contains(&case["format"].as_str().unwrap()) {
            cases.push((path.file_stem().unwrap().to_str().unwrap().to_owned(), case));
        }
    }
    cases.sort_by(|(a, _), (b, _)| a.cmp(b));
    Some(cases)
}

fn files(value: &Value) -> Memory {
    let files = value.as_object().into_iter().flatten();
    files.map(|(path, text)| (path.as_str(), text.as_str().unwrap_or_default())).collect()
}

fn identity(device: &Value) -> Identity {
    let text = |key: &str| device[key].as_str().map(str::to_owned);
    Identity {
        name: text("id").unwrap_or_default(),
        uuid: text("uuid"),
        label: text("label"),
        partlabel: text("partlabel"),
        ..Identity::default()
    }
}

/// The path of the configuration, and the files with it.
fn configuration(case: &Value) -> (String, Memory) {
    let mut files = files(&case["files"]);
    for directory in case["dirs"].as_array().into_iter().flatten() {
        let path = format!("{}/.of-the-test", directory[1].as_str().unwrap());
        files.0.insert(path, Vec::new());
    }
    let config = case["grub_semantics"]["config"].as_str().or(case["config"].as_str()).unwrap();
    let Some(iso) = case["iso"]["path_on_device"].as_str() else {
        return (config.to_owned(), files);
    };
    let script = format!("set iso_path={iso}\nexport iso_path\nconfigfile {config}\n");
    files.0.insert(LOOPBACK.to_owned(), script.into_bytes());
    (LOOPBACK.to_owned(), files)
}

/// The menu of a case; `plugged_in` has the devices that come later too.
fn menu_of(case: &Value, is_bios: bool, plugged_in: bool) -> Menu {
    let (config, main) = configuration(case);
    let home = identity(&case["main_device"]);
    let devices = case["devices"].as_array().map_or(&[][..], Vec::as_slice);
    let devices = devices.iter().filter(|device| plugged_in || device["when"] == "initial");
    let others: Vec<_> = devices
        .map(|device| {
            let files = files(&case["other_files"][device["id"].as_str().unwrap()]);
            (identity(device), files)
        })
        .collect();
    let others: Vec<_> =
        others.iter().map(|(identity, files)| Device { identity, files }).collect();
    let sight = Sight { others: &others, is_bios, ..Sight::alone(&home) };
    let budget = Budget::default();
    let files = Metered::menus(&main, &budget).seeing(sight);
    let target = Target::new(Arch::X86_64, &[]);
    let menu = menu::read_config(&files, &config, Format::named("grub"), &target);
    let menu = menu.unwrap_or_default();
    menu::merge(vec![(Group::default(), menu)])
}

/// What an entry differs in from what is asserted of it.
fn difference(entry: &Entry, expected: &Value) -> Option<String> {
    let initrds = (!entry.initrds.is_empty()).then(|| entry.initrds.join(" "));
    for (key, found) in [
        ("name", entry.title.as_deref()),
        ("image", entry.kernel()),
        ("initrd", initrds.as_deref()),
        ("args", Some(entry.options.as_str())),
    ] {
        let wanted = expected.get(key).filter(|wanted| wanted.as_str() != found);
        let is_empty = found == Some("") && wanted.is_some_and(Value::is_null);
        if let Some(wanted) = wanted.filter(|_| !is_empty) {
            return Some(format!("{key}: {wanted} and not {found:?}"));
        }
    }
    None
}

/// What a menu differs in from the entries that are asserted of it, of those that have a
/// kernel.
fn differences(menu: &Menu, expected: &[Value]) -> Vec<String> {
    let entries: Vec<_> = menu.entries.iter().filter(|entry| entry.linux.is_some()).collect();
    let mut found: Vec<_> = entries
        .iter()
        .zip(expected)
        .filter_map(|(entry, expected)| difference(entry, expected))
        .collect();
    if entries.len() < expected.len() {
        found.push(format!("{} entries and not {}", entries.len(), expected.len()));
    }
    found
}

/// Menus of which entries differ from what is asserted.
struct Different {
    name: &'static str,
    /// How many, with a BIOS and with EFI.
    count: (usize, usize),
    /// What GRUB does there.
    because: &'static str,
    /// What the command lines that are asserted have of a variable that is not exported:
    /// without it nothing differs. None where the difference is another one.
    unexported: &'static [&'static str],
}

const DIFFERENT: [Different; 6] = [
    Different {
        name: "petitboot.test-grub2-blscfg-opts-config",
        count: (1, 1),
        because: "a value that is not quoted ends at the first blank",
        unexported: &[],
    },
    Different {
        name: "petitboot.test-grub2-search-args",
        count: (1, 1),
        because: "a search that finds nothing, or does not say for what, changes no variable",
        unexported: &[],
    },
    Different {
        name: "petitboot.test-grub2-search-uuid",
        count: (1, 1),
        because: "a search that finds nothing leaves a variable unset, and a row without a title \
                  is none",
        unexported: &[],
    },
    Different {
        name: "petitboot.test-grub2-source-functions",
        count: (1, 1),
        because: "$2 in the body of an entry is the entry's argument, not the function's",
        unexported: &[],
    },
    Different {
        name: "u-root.iso.Fedora-Workstation-Live-43-1.6.x86_64",
        count: (1, 1),
        because: "a submenu does not see basicgfx, which is not exported",
        unexported: &[" vga=791", " nomodeset"],
    },
    Different {
        name: "u-root.iso.nixos-graphical-25.11.8801.36a601196c4e-x86_64-linux",
        count: (32, 32),
        because: "a submenu does not see isoboot, which is not exported",
        unexported: &["findiso=/nixos-graphical-25.11.8801.36a601196c4e-x86_64-linux.iso "],
    },
];

/// How many entries with a kernel there are, where that is not asserted, or is another
/// number than is asserted for a reason above or for a limit.
const COUNTS: [(&str, u64); 14] = [
    ("petitboot.test-grub2-search-uuid", 1),
    ("petitboot.test-grub2-source-functions", 0),
    // A script that sources itself does so as deep as GRUB lets it.
    ("petitboot.test-grub2-source-recursion-infinite", 31),
    // Nothing is asserted of these: so many entries are written in their files.
    ("petitboot.test-grub2-blscfg-default-filename", 1),
    ("petitboot.test-grub2-blscfg-default-index", 4),
    ("petitboot.test-grub2-blscfg-opts-config", 1),
    ("petitboot.test-grub2-blscfg-opts-grubenv", 1),
    // These only write their environment block, which nothing here does.
    ("petitboot.test-grub2-noeol", 0),
    ("petitboot.test-grub2-save-env.expand", 0),
    ("petitboot.test-grub2-save-env.init", 0),
    ("petitboot.test-grub2-save-env.invalid-insert", 0),
    ("petitboot.test-grub2-save-env.nospace-replace", 0),
    ("petitboot.test-grub2-save-env.reduce", 0),
    ("petitboot.test-grub2-save-env.unset-var", 0),
];

/// What entries differ in from what is asserted of them, even if their command lines have
/// nothing of what is not exported.
fn other_differences(menu: &Menu, expected: &[Value], unexported: &[&str]) -> Vec<String> {
    let entries = menu.entries.iter().filter(|entry| entry.linux.is_some());
    let differing =
        entries.zip(expected).filter(|(entry, expected)| difference(entry, expected).is_some());
    differing
        .filter_map(|(entry, expected)| difference(entry, &without(expected, unexported)))
        .collect()
}

fn without(entry: &Value, unexported: &[&str]) -> Value {
    let mut entry = entry.clone();
    let options = entry["args"].as_str().unwrap().to_owned();
    let cut = |options: String, part: &&str| options.replacen(*part, "", 1);
    entry["args"] = unexported.iter().fold(options, cut).into();
    entry
}

/// Index of the entry that is to boot by itself, among those with a kernel, where that
/// is asserted.
fn default_of(case: &Value, platform: &str, expected: &[Value]) -> Option<usize> {
    let semantics = &case["grub_semantics"][platform];
    if semantics.is_null() {
        return expected.iter().position(|entry| entry["default"] == true);
    }
    match semantics["default"].as_str().filter(|default| !default.is_empty())? {
        // The only one that is an id, of the first entry.
        "archlinux" => Some(0),
        number => Some(number.parse().unwrap()),
    }
}

#[test]
fn every_menu_of_grub_gives_the_entries_that_grub_would_show() {
    let cases = cases().unwrap_or_default();
    for (name, case) in &cases {
        for platform in ["pc", "efi"] {
            let menu = menu_of(case, platform == "pc", true);
            let semantics = &case["grub_semantics"][platform]["entries"];
            let expected = semantics.as_array().or(case["expected"].as_array()).unwrap();
            let found = differences(&menu, expected);
            let known = DIFFERENT.iter().find(|different| different.name == name);
            let (pc, efi) = known.map_or((0, 0), |different| different.count);
            let count = if platform == "pc" { pc } else { efi };
            let because = known.map_or("", |different| different.because);
            assert_eq!(found.len(), count, "{name} {platform} ({because}): {found:#?}");
            if let Some(known) = known.filter(|known| !known.unexported.is_empty()) {
                let found = other_differences(&menu, expected, known.unexported);
                assert!(found.is_empty(), "{name} {platform}: {found:#?}");
            }
            let kernels =
                menu.entries.iter().enumerate().filter(|(_, entry)| entry.linux.is_some());
            if let Some(default) = default_of(case, platform, expected) {
                let default = kernels.clone().nth(default).map(|(index, _)| index);
                assert_eq!(menu.default, default, "{name} {platform}");
                assert!(default.is_some(), "{name} {platform} has no such entry");
            }
            let count = if semantics.is_array() {
                Some(expected.len() as u64)
            } else {
                case["count"].as_u64()
            };
            let known = COUNTS.iter().find(|(of, _)| of == name).map(|(_, count)| *count);
            assert_eq!(Some(kernels.count() as u64), known.or(count), "{name} {platform}");
        }
    }
    assert!(cases.is_empty() || cases.len() > 45, "only {} menus", cases.len());
}

#[test]
fn an_entry_says_that_its_device_is_not_there_until_it_is() {
    let Some(cases) = cases() else { return };
    let name = "petitboot.test-grub2-ubuntu-13_04-x86";
    let (_, case) = cases.iter().find(|(found, _)| found == name).unwrap();
    for entry in &menu_of(case, true, false).entries {
        let said = entry.problems[0].to_string();
        assert!(said.contains(": DEVICE: root unresolved: \"hd0,msdos1\""), "{said}");
        assert!(entry.linux.as_deref().unwrap().starts_with("/boot/"));
    }
    let menu = menu_of(case, true, true);
    assert!(menu.entries.iter().all(Entry::is_bootable) && menu.missed.is_empty());
}
