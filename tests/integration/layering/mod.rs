//! Holds the lines that docs/architecture.md draws: system calls, files and
//! `unsafe` in `src/sys` and the purgatory only; architecture as data everywhere
//! else; no circle of files, and no import that runs back up; one dialect.
//!
//! A rule here must see its own breach: each has a test that shows it one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod house;
mod tokens;

use std::fs;

use house::{File, House, Import, relative, room, sources};
use tokens::Named;

/// The rooms of `src`, from the ground up. A file imports from its own room and
/// from floors below its own.
const FLOORS: [&[&str]; 11] = [
    &["base", "efi"],
    &["bundle.rs", "drivers", "fdt", "memmap.rs", "slots", "tpm"],
    &["image", "trust"],
    &["menu", "plan", "rollback"],
    &["choose", "failure.rs", "host", "measure", "source"],
    &["check", "config.rs", "preflight.rs"],
    &["settings.rs"],
    &["sys"],
    &["steps"],
    &["boot", "cli"],
    &["bin", "main.rs", "lib.rs"],
];

/// What touches the machine: the beginnings of paths that no file outside
/// `src/sys` may name.
const EDGE_PATHS: [&str; 9] = [
    "nix",
    "libc",
    "linux_raw_sys",
    "std::fs",
    "std::env",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
];

/// Methods of the standard library's paths that ask the disk.
const EDGE_METHODS: [&str; 10] = [
    "exists",
    "try_exists",
    "is_file",
    "is_dir",
    "is_symlink",
    "metadata",
    "symlink_metadata",
    "read_dir",
    "read_link",
    "canonicalize",
];

/// Words that only the edge may use.
const EDGE_WORDS: [&str; 2] = ["unsafe", "target_arch"];

/// What a program may name: its arguments and its exit status.
const PROGRAM_PATHS: [&str; 2] = ["std::env", "std::process"];

/// What a function of `src/sys` that calls one of these has to begin with. As their crates
/// and the standard library name them.
const SYSTEM_CALLS: [&str; 28] = [
    "mount",
    "umount2",
    "finit_module",
    "reboot",
    "poll",
    "openat2",
    "fstatfs",
    "fcntl",
    "mmap",
    "memfd_create",
    "socket",
    "bind",
    "recv",
    "waitpid",
    "unshare",
    "tcgetattr",
    "tcsetattr",
    "tcdrain",
    "syscall",
    "ioctl",
    "clock_gettime",
    "setrlimit",
    "sigaction",
    "sync",
    "uname",
    "sysconf",
    "read_dir",
    "remove_file",
];

/// Closures bound to a name, and tuples taken apart where they are made, that a
/// thousand lines may have: a few are clearer that way.
const MOST_NAMED_CLOSURES: f64 = 1.0;
const MOST_TUPLE_LETS: f64 = 0.5;

/// Every folder of code that is ours.
const TREES: [&str; 4] = ["src", "purgatory/src", "mkinitramfs/src", "qemu/src"];

fn is_edge(file: &File) -> bool {
    room(&file.name) == "sys"
}

fn is_program(file: &File) -> bool {
    ["main.rs", "bin"].contains(&room(&file.name))
}

/// Whether a path is `stem`, or goes on from there.
fn begins(named: &Named, stem: &str) -> bool {
    let mut words = named.words.iter();
    stem.split("::").all(|word| words.next().is_some_and(|named| named == word))
}

fn breach(file: &File, named: &Named, word: &str) -> String {
    format!("{}:{}: names \"{word}\"", file.name, named.line)
}

/// Where a file outside the edge does the edge's work.
fn edge_breaches(file: &File) -> Vec<String> {
    if is_edge(file) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for named in file.code.paths() {
        let stem = EDGE_PATHS.iter().find(|stem| begins(&named, stem));
        let stem = stem.filter(|stem| !(is_program(file) && PROGRAM_PATHS.contains(stem)));
        found.extend(stem.map(|stem| breach(file, &named, stem)));
    }
    for named in file.code.methods() {
        let method = EDGE_METHODS.iter().find(|method| named.words[0] == **method);
        found.extend(method.map(|method| breach(file, &named, method)));
    }
    found.extend(word_breaches(file, &EDGE_WORDS));
    found
}

fn word_breaches(file: &File, words: &[&str]) -> Vec<String> {
    let named = file.code.words().into_iter().filter(|named| words.contains(&&*named.words[0]));
    named.map(|named| breach(file, &named, &named.words[0])).collect()
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room(name)))
}

/// Why an import is none that the floors allow.
fn climbs(import: &Import) -> Option<String> {
    let Import { from, to, line } = import;
    let (Some(here), Some(there)) = (floor(from), floor(to)) else {
        return Some(format!("{from}:{line}: {from} or {to} has no floor"));
    };
    let is_allowed = room(from) == room(to) || there < here;
    (!is_allowed).then(|| format!("{from}:{line}: imports {to}, which is not below it"))
}

/// Public functions that make a system call themselves and do not begin with it, such as
/// `finit_module(2)`, or with the file of the kernel that they ask.
fn unsaid_calls(file: &File) -> Vec<String> {
    let functions = file.code.public_functions().into_iter();
    let unsaid = functions.filter(|function| {
        let makes_one = function.calls.iter().any(|call| SYSTEM_CALLS.contains(&&**call));
        makes_one && !(function.opens.starts_with('`') && function.opens.contains("`: "))
    });
    let said = unsaid.map(|function| {
        let Named { words, line } = function.named;
        format!("{}:{line}: {} does not begin with the call that it makes", file.name, words[0])
    });
    said.collect()
}

fn none(found: &[String]) {
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn only_the_edge_touches_the_machine() {
    let house = House::read("src");
    none(&house.files.iter().flat_map(edge_breaches).collect::<Vec<_>>());
}

#[test]
fn a_breach_of_the_edge_is_seen_however_it_is_written() {
    let cases = [
        ("use std::{fs, fmt};", "std::fs"),
        ("use nix::{sys};", "nix"),
        ("fn f() { g!(std::env::args()) }", "std::env"),
        ("fn f() { path.exists() }", "exists"),
        ("fn f() { unsafe { g() } }", "unsafe"),
        ("#[cfg(target_arch = \"x86_64\")] fn f() {}", "target_arch"),
    ];
    for (text, word) in cases {
        let expected = format!("src/menu/bls.rs:1: names \"{word}\"");
        assert_eq!(edge_breaches(&File::new("src/menu/bls.rs", text)), [expected]);
    }
    let program = edge_breaches(&File::new("src/main.rs", "use std::fs;"));
    assert_eq!(program, ["src/main.rs:1: names \"std::fs\""], "a program is no edge");
}

#[test]
fn what_is_no_breach_of_the_edge_is_let_pass() {
    let pure = "// std::fs\nuse std::fmt;\n#[cfg(test)] use std::fs;";
    none(&edge_breaches(&File::new("src/menu/bls.rs", pure)));
    none(&edge_breaches(&File::new("src/sys/file.rs", "use std::fs;")));
    none(&edge_breaches(&File::new("src/bin/turnout-init.rs", "use std::env;")));
}

#[test]
fn what_makes_a_system_call_begins_with_it() {
    let house = House::read("src/sys");
    none(&house.files.iter().flat_map(unsaid_calls).collect::<Vec<_>>());
}

#[test]
fn a_system_call_that_is_not_said_is_seen() {
    let text = "/// `mount(2)`: mounts it.\n///\n/// # Errors\npub fn a() { nix::mount(b) }\n\
                impl X {\n/// Mounts it.\n#[must_use]\npub fn b(&self) { if c { mount(d) } }\n\
                pub(super) fn e() { mount(f) }\n/// Says so.\npub fn g() { e() }\n}";
    let found = unsaid_calls(&File::new("src/sys/mount.rs", text));
    assert_eq!(found, ["src/sys/mount.rs:8: b does not begin with the call that it makes"]);
}

#[test]
fn nothing_imports_upwards() {
    none(&House::read("src").imports().iter().filter_map(climbs).collect::<Vec<_>>());
}

#[test]
fn an_import_that_runs_back_up_is_seen() {
    let house = House {
        files: vec![
            File::new("src/menu/mod.rs", "use crate::{base::text, sys::clock};"),
            File::new("src/base/text.rs", ""),
            File::new("src/sys/clock.rs", "fn f() { crate::cli::run() }"),
            File::new("src/cli/mod.rs", "use super::boot;"),
            File::new("src/boot/mod.rs", "use crate::menu;"),
            File::new("src/attic/mod.rs", "use crate::menu;"),
        ],
    };
    let found: Vec<String> = house.imports().iter().filter_map(climbs).collect();
    assert_eq!(
        found,
        [
            "src/menu/mod.rs:1: imports src/sys/clock.rs, which is not below it",
            "src/sys/clock.rs:1: imports src/cli/mod.rs, which is not below it",
            "src/cli/mod.rs:1: imports src/boot/mod.rs, which is not below it",
            "src/attic/mod.rs:1: src/attic/mod.rs or src/menu/mod.rs has no floor",
        ]
    );
}

#[test]
fn no_files_go_round_in_a_circle() {
    let circles: Vec<String> = TREES
        .iter()
        .flat_map(|tree| House::read(tree).circles())
        .map(|circle| circle.into_iter().collect::<Vec<_>>().join(" <-> "))
        .collect();
    none(&circles);
}

#[test]
fn a_circle_is_seen() {
    let house = House {
        files: vec![
            File::new("src/menu/mod.rs", "mod a; pub use a::A;"),
            File::new("src/menu/a.rs", "use super::b::B;"),
            File::new("src/menu/b.rs", "use crate::menu::c;"),
            File::new("src/menu/c.rs", "use super::a;"),
            File::new("src/menu/d.rs", "use super::{a, Front};"),
        ],
    };
    let circles: Vec<Vec<String>> =
        house.circles().into_iter().map(|circle| circle.into_iter().collect()).collect();
    assert_eq!(circles, [["src/menu/a.rs", "src/menu/b.rs", "src/menu/c.rs"]]);
}

#[test]
fn architecture_is_data_outside_the_edge_and_the_purgatory() {
    let house = House::read("purgatory/src");
    let others = house.files.iter().filter(|file| !file.name.starts_with("purgatory/src/arch/"));
    none(&others.flat_map(|file| word_breaches(file, &["target_arch"])).collect::<Vec<_>>());
}

#[test]
fn names_are_bound_in_one_dialect() {
    let files: Vec<File> = TREES.iter().flat_map(|tree| House::read(tree).files).collect();
    let lines: usize = files.iter().map(|file| file.text.lines().count()).sum();
    let closures = every(&files, |file| file.code.named_closures());
    let tuples = every(&files, |file| file.code.tuple_lets());
    let thousands = lines as f64 / 1000.0;
    println!("{} closures with a name, {} tuples in {lines} lines", closures.len(), tuples.len());
    assert!(closures.len() as f64 <= MOST_NAMED_CLOSURES * thousands, "{}", closures.join("\n"));
    assert!(tuples.len() as f64 <= MOST_TUPLE_LETS * thousands, "{}", tuples.join("\n"));
}

fn every(files: &[File], find: fn(&File) -> Vec<Named>) -> Vec<String> {
    let places = files.iter().flat_map(|file| {
        find(file).into_iter().map(move |named| format!("{}:{}", file.name, named.line))
    });
    places.collect()
}

#[test]
fn every_module_says_what_it_is_for() {
    for path in TREES.iter().flat_map(|tree| sources(tree)) {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().find(|line| !line.starts_with("#!["));
        let opens = first.is_some_and(|line| line.starts_with("//!"));
        assert!(opens, "{} opens without //!", relative(&path));
    }
}
