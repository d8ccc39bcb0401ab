//! Holds the line that the design draws: system calls, files and `unsafe` in
//! `src/sys` and the purgatory only, architecture as data everywhere else.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// What no file outside `src/sys` may name.
const EDGE_WORDS: [&str; 11] = [
    "nix::",
    "libc::",
    "linux_raw_sys",
    "std::fs",
    "std::env",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "unsafe ",
    "target_arch",
];

/// The files that join the edge and the pure modules, and so may name the edge
/// (`crate::sys`), though not do its work.
const JOINTS: [&str; 4] = ["src/boot", "src/cli", "src/steps", "src/main.rs"];

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string()
}

/// Lines of code, with their numbers: no comments, no documentation.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines().map(str::trim_start)).filter(|(_, line)| !line.starts_with("//"))
}

/// Whether the line has the word, and not only at the start of a longer one.
fn names(line: &str, word: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let ends_itself = !word.ends_with(|c: char| c.is_alphanumeric());
    line.match_indices(word).any(|(at, _)| {
        ends_itself || line.get(at + word.len()..).is_some_and(|rest| !goes_on(rest))
    })
}

fn breaches(name: &str, text: &str) -> Vec<String> {
    let is_program = name == "src/main.rs" || name.starts_with("src/bin/");
    let words = EDGE_WORDS.iter().filter(|_| !name.starts_with("src/sys/"));
    let words = words.filter(|word| !(is_program && ["std::env", "std::process"].contains(word)));
    let edge = ["crate::sys", "super::sys", "turnout::sys"];
    let edge = edge.iter().filter(|_| {
        !name.starts_with("src/sys/") && !JOINTS.iter().any(|joint| name.starts_with(joint))
    });
    let words: Vec<&str> = words.chain(edge).copied().collect();
    code(text)
        .filter_map(|(number, line)| {
            let word = words.iter().find(|word| names(line, word))?;
            Some(format!("{name}:{number}: names \"{word}\""))
        })
        .collect()
}

#[test]
fn only_the_edge_touches_the_machine() {
    let found: Vec<String> = sources("src")
        .iter()
        .flat_map(|path| breaches(&relative(path), &fs::read_to_string(path).unwrap()))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_rule_sees_a_breach() {
    let text = "use std::fs::File;\n// nix:: in a comment is fine\n";
    assert_eq!(
        breaches("src/menu/bls/entry.rs", text),
        ["src/menu/bls/entry.rs:1: names \"std::fs\""]
    );
    let call = "crate::sys::mount::boot_partition(device, kind)?;\n";
    assert_eq!(breaches("src/plan/mod.rs", call), ["src/plan/mod.rs:1: names \"crate::sys\""]);
    assert!(breaches("src/boot/mod.rs", call).is_empty());
    assert!(breaches("src/plan/mod.rs", "use super::system::opened;\n").is_empty());
    assert!(breaches("src/sys/file.rs", text).is_empty());
}

#[test]
fn architecture_is_data_outside_the_edge_and_the_purgatory() {
    let allowed = |name: &str| name.starts_with("purgatory/src/arch/");
    let found: Vec<String> = sources("purgatory/src")
        .iter()
        .map(|path| (relative(path), fs::read_to_string(path).unwrap()))
        .filter(|(name, _)| !allowed(name))
        .flat_map(|(name, text)| {
            let lines: Vec<String> = code(&text)
                .filter(|(_, line)| line.contains("target_arch"))
                .map(|(number, _)| format!("{name}:{number}: names \"target_arch\""))
                .collect();
            lines
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_module_says_what_it_is_for() {
    for path in ["src", "purgatory/src", "mkinitramfs/src", "qemu/src"]
        .iter()
        .flat_map(|folder| sources(folder))
    {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().find(|line| !line.starts_with("#!["));
        let opens = first.is_some_and(|line| line.starts_with("//!"));
        assert!(opens, "{} opens without //!", relative(&path));
    }
}
