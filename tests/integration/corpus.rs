//! The menu parsers against independent vectors and menus.
//!
//! The vectors are not part of this project: they are read from the directory
//! that the environment variable TURNOUT_CORPUS names, and without it these
//! tests say so and pass.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::cmp::Ordering;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use turnout::base::arch::Arch;
use turnout::base::glob;
use turnout::menu::text::{line, version};
use turnout::menu::{self, Entry, Group, Memory, Menu, Target};

/// The JSON file at `path` in the corpus; `None`, said once per test, if there
/// is no corpus.
fn corpus(path: &str) -> Option<Value> {
    let Some(dir) = std::env::var_os("TURNOUT_CORPUS") else {
        println!("skipped: TURNOUT_CORPUS is not set, {path} is not read");
        return None;
    };
    let path = PathBuf::from(dir).join(path);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(serde_json::from_str(&text).unwrap())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// The menu of the one partition that a corpus file describes.
fn menu_of(case: &Value) -> Menu {
    let files = case["files"].as_object().unwrap();
    read(&files.iter().map(|(path, content)| (path.as_str(), text(content))).collect())
}

fn read(files: &Memory) -> Menu {
    let target = Target::new(Arch::X86_64, &[]);
    menu::merge(vec![(Group::default(), menu::read_volume(files, &target))])
}

#[test]
fn versions_compare_as_in_all_vectors() {
    let Some(vectors) = corpus("vectors/version-compare.json") else { return };
    for vector in array(&vectors) {
        let a = text(&vector["a"]);
        let b = text(&vector["b"]);
        let expected = vector["cmp"].as_i64().unwrap().cmp(&0);
        assert_eq!(version::compare(a, b), expected, "{a:?} {b:?}");
    }
    assert_eq!(array(&vectors).len(), 532);
}

/// What a sort relies on: for any three versions, "not newer" carries over.
#[test]
fn the_order_of_versions_is_total() {
    let Some(vectors) = corpus("vectors/version-compare.json") else { return };
    let mut all: Vec<_> = array(&vectors).iter().map(|vector| text(&vector["a"])).collect();
    all.sort_by(|a, b| version::compare(a, b));
    for (index, a) in all.iter().enumerate() {
        assert!(all[index..].iter().all(|b| version::compare(a, b) != Ordering::Greater), "{a}");
    }
}

#[test]
fn patterns_match_as_in_all_vectors() {
    let Some(vectors) = corpus("vectors/glob.json") else { return };
    for vector in array(&vectors) {
        let pattern = text(&vector[0]);
        let name = text(&vector[1]);
        assert_eq!(glob::matches(pattern, name), vector[2] == 1, "{pattern:?} {name:?}");
    }
    assert_eq!(array(&vectors).len(), 44);
}

#[test]
fn lines_are_split_as_in_all_vectors() {
    let Some(vectors) = corpus("vectors/line-parser.json") else { return };
    for case in array(&vectors["line_cases"]) {
        let separators: &[char] = if case["sep"] == "=" { &['='] } else { line::BLANKS };
        let pairs = line::pairs(text(&case["input"]), separators);
        let found: Vec<_> = pairs.map(|line| [line.key, line.value]).collect();
        let expected: Vec<_> =
            array(&case["pairs"]).iter().map(|pair| [text(&pair[0]), text(&pair[1])]).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn numbers_outside_the_vectors_are_no_timeout() {
    let Some(vectors) = corpus("vectors/line-parser.json") else { return };
    for number in
        array(&vectors["parse_number_bad"]).iter().map(text).filter(|text| !text.is_empty())
    {
        let settings = format!("timeout {number}");
        let menu = read(&[("/loader/loader.conf", settings)].into_iter().collect());
        assert_eq!(menu.timeout, menu::Timeout::default(), "{number}");
        assert_eq!(menu.diagnostics[0].code, menu::Code::Setting, "{number}");
    }
}

/// The vector's entries name no kernel, which is not what it is about.
#[test]
fn entries_sort_as_in_the_vector() {
    let Some(mut case) = corpus("vectors/sort.json") else { return };
    for content in case["files"].as_object_mut().unwrap().values_mut() {
        *content = format!("{}linux /linux\n", text(content)).into();
    }
    let found: Vec<_> = menu_of(&case).entries.into_iter().map(|entry| entry.file).collect();
    let expected = array(&case["order"]).iter().map(text);
    let expected: Vec<_> = expected.map(|name| format!("/loader/entries/{name}")).collect();
    assert_eq!(found, expected);
}

/// Compares what a corpus entry asserts, and nothing else.
fn assert_entry(entry: &Entry, expected: &Value) {
    let version = entry.version.as_deref().unwrap_or_default();
    assert_eq!(format!("{} {version}", entry.name()), expected["name"]);
    assert_eq!(entry.linux.as_deref().unwrap(), expected["image"]);
    assert_eq!(entry.initrds, [text(&expected["initrd"])]);
    assert_eq!(entry.options, expected["args"]);
    assert!(entry.is_bootable(), "{:?}", entry.problems);
}

#[test]
fn fedora_32_gives_its_two_entries_and_its_default() {
    let Some(case) = corpus("menus/u-root.bls.fedora_32.json") else { return };
    let menu = menu_of(&case);
    assert_eq!(menu.entries.len() as u64, case["count"]);
    for (entry, expected) in menu.entries.iter().zip(array(&case["expected"])) {
        assert_entry(entry, expected);
    }
    let default = array(&case["expected"]).iter().position(|entry| entry["default"] == true);
    assert_eq!(menu.default, default);
    assert_eq!(menu.diagnostics, []);
}

/// Where the origin's expectation contradicts the specification, the latter
/// wins: all `options` lines count, and a path without leading slash starts at
/// the root of the partition, not in /loader.
#[test]
fn the_made_up_entry_is_read_as_the_specification_says() {
    let Some(mut case) = corpus("menus/u-root.bls.madeup.json") else { return };
    let menu = menu_of(&case);
    assert_eq!(menu.entries.len() as u64, case["count"]);
    let expected = &mut case["expected"][0];
    expected["args"] = "root=UUID=6d3376e4-fc93-4509-95ec-a21d68011da2 earlyprintk=ttyS0".into();
    expected["image"] = "/fakefile".into();
    expected["initrd"] = "/fakefile".into();
    assert_entry(&menu.entries[0], expected);
    assert_eq!(menu.default, Some(0));
    assert_eq!(menu.diagnostics[0].code, menu::Code::NoKernel);
    assert_eq!(menu.diagnostics[0].file, "/loader/entries/entry-2.conf");
}
