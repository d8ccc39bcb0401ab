//! Trees that somebody made to cost memory or time: what `turnout list` takes for
//! each, and what it says of it. Every one is real files, read by the program
//! itself in a process that may not have more than so much memory.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::libc;

/// What the design allows for a device, in KiB.
const MEMORY: i64 = 64 << 10;
/// What the process may map, in KiB: enough to see by how much it was exceeded.
const MAPPED: u64 = 512 << 10;
/// Most processor seconds. A device has five; a build without optimisation, and
/// whatever else the machine does, are given the rest.
const SECONDS: f64 = 40.0;

struct Tree {
    name: &'static str,
    make: fn(&Folder),
    /// A code that has to be among the diagnostics and reasons.
    said: &'static str,
    /// An entry that has to be there.
    entry: Option<&'static str>,
}

#[test]
fn two_small_files_of_a_menu_cost_little_memory() {
    check(&[
        Tree {
            name: "two small files",
            make: two_small_files,
            said: "VALUE_SIZE",
            entry: Some("a"),
        },
        Tree { name: "21,000 variables", make: many_variables, said: "VALUE_SIZE", entry: None },
        Tree { name: "braces left open", make: braces, said: "VARIABLE", entry: None },
    ]);
}

#[test]
fn a_thousand_images_do_not_read_four_thousand_addons_each() {
    check(&[
        Tree { name: "4,090 addons", make: many_addons, said: "VALUE_SIZE", entry: Some("e0000") },
        Tree { name: "addons of each image", make: own_addons, said: "BUDGET", entry: None },
    ]);
}

#[test]
fn names_beyond_the_limit_do_not_hide_an_entry() {
    check(&[
        Tree { name: "20,000 names", make: junk_names, said: "UNSIGNED", entry: Some("good") },
        Tree {
            name: "20,000 entries",
            make: many_names,
            said: "ENTRY_COUNT",
            entry: Some("e00000"),
        },
    ]);
}

#[test]
fn a_thousand_entries_with_long_paths_cost_what_a_device_may() {
    check(&[
        Tree { name: "15 long paths each", make: long_paths, said: "BUDGET", entry: Some("e0000") },
        Tree { name: "16 far addons each", make: far_addons, said: "BUDGET", entry: Some("e0000") },
        Tree { name: "labels that inherit", make: inheriting, said: "BUDGET", entry: None },
        Tree { name: "submenus that inherit", make: submenus, said: "VALUE_SIZE", entry: None },
    ]);
}

#[test]
fn other_hostile_trees_cost_what_a_device_may() {
    check(&[
        Tree { name: "64 profiles each", make: many_profiles, said: "ENTRY_COUNT", entry: None },
        Tree { name: "stars in a default", make: stars, said: "SETTING", entry: None },
        Tree {
            name: "faults in loader.conf",
            make: loader_conf,
            said: "SETTING",
            entry: Some("good"),
        },
        Tree { name: "long loader.conf", make: long_conf, said: "UNREADABLE", entry: Some("good") },
        Tree { name: "manifests of 64 KiB", make: manifests, said: "BUDGET", entry: Some("e0000") },
        Tree { name: "texts of 4 GiB", make: long_texts, said: "VALUE_SIZE", entry: None },
        Tree { name: "files of 10 GiB", make: sparse, said: "UNREADABLE", entry: None },
        Tree {
            name: "keywords of 64 KiB",
            make: long_keywords,
            said: "UNSUPPORTED_KEY",
            entry: Some("good"),
        },
        Tree { name: "links in a circle", make: circle, said: "UNREADABLE", entry: Some("good") },
    ]);
}

#[test]
fn scripts_of_grub_without_an_end_are_ended() {
    check(&[
        script("a loop without an end", endless_loop, "SCRIPT_LIMIT"),
        script("loops within loops", nested_loops, "SCRIPT_LIMIT"),
        script("functions that call themselves", recursion, "SCRIPT_LIMIT"),
        script("a file that reads itself", own_source, "SCRIPT_LIMIT"),
        script("100 files in a row", many_sources, "SCRIPT_LIMIT"),
        script("menus that lead to one another", configfiles, "SCRIPT_LIMIT"),
        script("an eval of an eval", evals, "SCRIPT_LIMIT"),
    ]);
}

#[test]
fn scripts_of_grub_that_grow_cost_what_a_device_may() {
    check(&[
        script("a variable that doubles", doubling, "SCRIPT_LIMIT"),
        script("2,000 variables of 60 KiB", large_variables, "BUDGET"),
        script("arguments of arguments", arguments, "SCRIPT_LIMIT"),
        script("2,000 entries", many_items, "SCRIPT_LIMIT"),
        script("submenus in submenus", submenu_bomb, "SCRIPT_LIMIT"),
        script("600 entries of 60 KiB a word", long_words, "BUDGET"),
        script("5,000 functions", many_functions, "UNSIGNED"),
    ]);
}

#[test]
fn scripts_of_grub_that_are_hard_to_read_cost_little() {
    check(&[
        script("100,000 braces", deep_braces, "SYNTAX"),
        script("10,000 ifs within ifs", deep_ifs, "SYNTAX"),
        script("quotes left open", open_quotes, "SYNTAX"),
        script("an expression that backtracks", backtracking, "UNSIGNED"),
        script("stars over 20,000 names", stars_of_names, "UNSIGNED"),
        script("a test of 20,000 words", long_test, "UNSIGNED"),
        script("a grub.cfg of 10 GiB", sparse_script, "UNREADABLE"),
    ]);
}

const fn script(name: &'static str, make: fn(&Folder), said: &'static str) -> Tree {
    Tree { name, make, said, entry: Some("good") }
}

/// Measures each, and prints what it came to.
fn check(trees: &[Tree]) {
    println!("{:24} {:>7} {:>6} {:>9} {:>8}", "tree", "entries", "said", "KiB", "seconds");
    let faults: Vec<String> = trees.iter().flat_map(Tree::faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// What a run has taken and given.
struct Run {
    kib: i64,
    seconds: f64,
    status: i32,
    text: String,
}

impl Tree {
    /// What is wrong with what it costs, or with what is said of it.
    fn faults(&self) -> Vec<String> {
        let folder = Folder::new(self.name);
        (self.make)(&folder);
        let run = list(&folder.0);
        let json: serde_json::Value = serde_json::from_str(&run.text).unwrap_or_default();
        let entries = json["entries"].as_array().cloned().unwrap_or_default();
        let said = json["diagnostics"].as_array().map_or(0, Vec::len);
        let Run { kib, seconds, status, ref text } = run;
        println!("{:24} {:>7} {said:>6} {kib:>9} {seconds:>8.2}", self.name, entries.len());
        let code = format!("\"code\":\"{}\"", self.said);
        let is_there = |id| entries.iter().any(|entry| entry["id"] == id);
        let faults = [
            (kib > MEMORY, format!("{kib} KiB of memory")),
            (seconds > SECONDS, format!("{seconds} s")),
            (json.is_null(), format!("status {status}, and no answer")),
            (!text.contains(&code), format!("does not say {}", self.said)),
            (!self.entry.is_none_or(is_there), format!("no entry {:?}", self.entry)),
        ];
        let faults = faults.into_iter().filter(|(is_fault, _)| *is_fault);
        faults.map(|(_, what)| format!("{}: {what}", self.name)).collect()
    }
}

/// `turnout list --json` of a locked machine. Measured by a process of its own: what
/// is said to be a child's most memory includes that of whoever started it.
fn list(root: &Path) -> Run {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "hostile::one_tree_is_measured", "--ignored", "--nocapture"]);
    let output = command.env(ROOT, root).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let measured = output.lines().find_map(|line| line.strip_prefix(MEASURED)).unwrap();
    let figures: Vec<&str> = measured.split(' ').collect();
    let answer = answer(root);
    let text = fs::read_to_string(&answer).unwrap();
    fs::remove_file(answer).unwrap();
    Run {
        kib: figures[0].parse().unwrap(),
        seconds: figures[1].parse().unwrap(),
        status: figures[2].parse().unwrap(),
        text,
    }
}

/// Names the tree to the process that measures.
const ROOT: &str = "TURNOUT_HOSTILE_ROOT";
/// Before what it prints.
const MEASURED: &str = "measured: ";

fn answer(root: &Path) -> PathBuf {
    root.with_extension("json")
}

#[test]
#[ignore = "started by the other tests, once a tree"]
fn one_tree_is_measured() {
    let root = PathBuf::from(std::env::var_os(ROOT).unwrap());
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("ulimit -v {MAPPED}; exec \"$@\""));
    command.arg("sh").arg(env!("CARGO_BIN_EXE_turnout")).args(["list", "--json"]);
    command.arg("--keys").arg(home.join("tests/data/trust/allowed_signers"));
    command.args(["--arch", "aarch64", "--root"]).arg(&root);
    command.stdout(File::create(answer(&root)).unwrap()).stderr(Stdio::null());
    let (status, usage) = wait(command.spawn().unwrap().id());
    let seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    println!("\n{MEASURED}{} {seconds} {status}", usage.ru_maxrss);
}

/// Waits for one child; what it has used.
#[expect(unsafe_code, reason = "the standard library does not tell what a child has used")]
fn wait(child: u32) -> (i32, libc::rusage) {
    let mut status = 0;
    // SAFETY: a structure of numbers, for which zeros are values.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to values that live as long as the call.
    let waited = unsafe {
        libc::wait4(libc::pid_t::try_from(child).unwrap(), &raw mut status, 0, &raw mut usage)
    };
    assert_eq!(waited.cast_unsigned(), child);
    (status, usage)
}

fn seconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 + time.tv_usec as f64 / 1e6
}

/// A directory that stands for a boot partition.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = name.replace([' ', ','], "-");
        let path =
            std::env::temp_dir().join(format!("turnout-hostile-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// As many files of the same bytes as entries are read: names of one file.
    fn files(&self, name: impl Fn(u32) -> String, bytes: impl AsRef<[u8]>) {
        self.file(name(0), bytes);
        let first = self.0.join(name(0));
        (1..1024).for_each(|n| fs::hard_link(&first, self.0.join(name(n))).unwrap());
    }

    fn entries(&self, text: impl AsRef<[u8]>) {
        self.files(|n| format!("loader/entries/e{n:04}.conf"), text);
    }

    fn images(&self, image: impl AsRef<[u8]>) {
        self.files(|n| format!("EFI/Linux/e{n:04}.efi"), image);
    }

    fn good(&self) {
        self.file("loader/entries/good.conf", "linux /vmlinuz\n");
        self.file("vmlinuz", "kernel");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// What is left of 64 KiB beside a few short lines.
const ALMOST: usize = (64 << 10) - 256;

/// As much of a text as a file may have.
fn start(text: &str) -> &str {
    text.get(..ALMOST).unwrap_or(text)
}

fn two_small_files(folder: &Folder) {
    folder.file("grub2/grubenv", format!("a={}", "x".repeat(ALMOST)));
    folder.file("loader/entries/a.conf", format!("linux /k\noptions {}", "$a".repeat(ALMOST / 2)));
}

fn many_variables(folder: &Folder) {
    let block: String = (0..21_000).map(|n| format!("{}=\n", letters(n))).collect();
    folder.file("grub2/grubenv", start(&block));
    let names: String = (0..21_000).rev().map(|n| format!("${}.", letters(n))).collect();
    folder.entries(format!("linux /k\noptions {}", start(&names)));
}

/// A number as a short name.
fn letters(number: u32) -> String {
    let digits = [number / 676 % 26, number / 26 % 26, number % 26];
    digits.iter().map(|digit| char::from(b'a' + u8::try_from(*digit).unwrap())).collect()
}

fn addon() -> Vec<u8> {
    program(&[(".cmdline", b"quiet"), (".uname", b"6.1")])
}

fn many_addons(folder: &Folder) {
    folder.images(program(&[(".linux", b"kernel"), (".uname", b"6.1")]));
    (0..4090).for_each(|n| folder.file(format!("loader/addons/{n:04}.addon.efi"), addon()));
}

/// Links to one directory of addons: each is looked into by itself.
fn own_addons(folder: &Folder) {
    let uname = [b"6.1".as_slice(), &[b'x'; 16_000]].concat();
    folder.images(program(&[(".linux", b"kernel"), (".uname", &uname)]));
    let addon = program(&[(".cmdline", b"quiet"), (".uname", &uname)]);
    (0..64).for_each(|image| {
        (0..32).for_each(|n| {
            let path = format!("EFI/Linux/e{image:04}.efi.extra.d/{n:03}.addon.efi");
            folder.file(path, &addon);
        });
    });
}

fn many_profiles(folder: &Folder) {
    let profiles: Vec<String> = (0..64).map(|n| format!("ID=p{n}\nTITLE=Profile")).collect();
    let profiles = profiles.iter().map(|profile| (".profile", profile.as_bytes()));
    let sections: Vec<_> = [(".linux", b"kernel".as_slice())].into_iter().chain(profiles).collect();
    folder.images(program(&sections));
}

fn junk_names(folder: &Folder) {
    (0..20_000).for_each(|n| folder.file(format!("loader/entries/{n:05}.junk"), ""));
    folder.good();
}

fn many_names(folder: &Folder) {
    let text = "linux /vmlinuz\n";
    (0..20_000).rev().for_each(|n| folder.file(format!("loader/entries/e{n:05}.conf"), text));
}

fn long_paths(folder: &Folder) {
    let path = format!("/{}", "d/".repeat(2000));
    folder.entries(format!("linux /k\n{}", format!("initrd {path}i\n").repeat(15)));
}

/// Addons with paths of almost 4096 bytes, of an image that every entry names.
fn far_addons(folder: &Folder) {
    let image = format!("{}a.efi", format!("{}/", "d".repeat(250)).repeat(15));
    folder.file(&image, program(&[(".linux", b"kernel")]));
    for n in 10..26 {
        folder.file(format!("{image}.extra.d/{}{n}.addon.efi", "a".repeat(180)), addon());
    }
    folder.entries(format!("linux /{image}\n"));
}

fn inheriting(folder: &Folder) {
    let initrds: String = (0..15).map(|n| format!("/{}{n},", "d/".repeat(2000))).collect();
    let append = format!("append initrd={initrds}\n");
    let include: String = (0..127).map(|n| format!("include {n}\n")).collect();
    folder.file("extlinux/extlinux.conf", append + &include);
    for n in 0..127 {
        let labels: String = (0..4000).map(|label| format!("label {n}-{label}\n")).collect();
        folder.file(format!("extlinux/{n}"), start(&labels));
    }
}

fn submenus(folder: &Folder) {
    let append = format!("append {}\n", "x".repeat(60_000));
    folder.file("extlinux/extlinux.conf", append + "include a\ninclude b\n");
    for name in ["a", "b"] {
        let one = format!("menu begin {name}\nlabel {name}\nkernel /k\nmenu end\n");
        folder.file(format!("extlinux/{name}"), one.repeat(1200));
    }
}

fn long_keywords(folder: &Folder) {
    folder.file("extlinux/long", "\u{1}".repeat(ALMOST));
    folder.file("extlinux/extlinux.conf", "include long\n".repeat(64) + "label good\nkernel /k\n");
}

fn stars(folder: &Folder) {
    let id = "a".repeat(245);
    (0..1024).for_each(|n| folder.file(format!("loader/entries/{id}{n:04}.conf"), "linux /k\n"));
    folder.file("loader/loader.conf", format!("default *{}b*\n", "a*".repeat(250)));
}

fn loader_conf(folder: &Folder) {
    folder.good();
    folder.file("loader/loader.conf", format!("timeout {}\n", "x".repeat(50)).repeat(1024));
}

fn long_conf(folder: &Folder) {
    folder.good();
    folder.file("loader/loader.conf", "timeout 3\n".repeat(1 << 20));
}

fn manifests(folder: &Folder) {
    let signature = fs::read("tests/data/trust/message.file.sig").unwrap();
    folder.files(|n| format!("turnout/e{n:04}.manifest"), "x".repeat(64 << 10));
    folder.files(|n| format!("turnout/e{n:04}.manifest.sig"), signature.repeat(8));
    folder.entries("linux /k\n");
}

fn long_texts(folder: &Folder) {
    let mut image = program(&[(".linux", b"kernel"), (".osrel", b"ID=x")]);
    // Both sizes of the second section.
    for at in [0x58 + 40 + 8, 0x58 + 40 + 16] {
        image[at..at + 4].copy_from_slice(&[0xff; 4]);
    }
    folder.images(image);
}

fn sparse(folder: &Folder) {
    for name in ["loader/entries/a.conf", "loader/loader.conf", "EFI/Linux/b.efi", "grub2/grubenv"]
    {
        folder.file(name, "");
        File::options().write(true).open(folder.0.join(name)).unwrap().set_len(10 << 30).unwrap();
    }
}

fn circle(folder: &Folder) {
    folder.good();
    symlink("../EFI", folder.0.join("loader/EFI")).unwrap();
    symlink("loader/EFI", folder.0.join("EFI")).unwrap();
    symlink(".", folder.0.join("boot")).unwrap();
}

fn braces(folder: &Folder) {
    folder.file("grub2/grubenv", "a=1\n");
    folder.entries(format!("linux /k\noptions {}", "${".repeat(ALMOST / 2)));
}

/// A script, and after it an entry that is to be there all the same; beside them one that
/// no script can take away.
fn grub(folder: &Folder, text: impl AsRef<str>) {
    folder.good();
    let last = "menuentry Last --id last {\n linux /vmlinuz\n}\n";
    folder.file("boot/grub/grub.cfg", format!("{}\n{last}", text.as_ref()));
}

fn endless_loop(folder: &Folder) {
    grub(folder, "while true; do set a=b; done");
}

fn nested_loops(folder: &Folder) {
    let words = "1 2 3 4 5 6 7 8 9 10 ".repeat(10);
    let open: String = (0..8).map(|n| format!("for v{n} in {words}; do\n")).collect();
    grub(folder, format!("{open} set a=$v0\n{}", "done\n".repeat(8)));
}

fn recursion(folder: &Folder) {
    grub(
        folder,
        "function f {\n f\n f\n f\n}\nf\nfunction g {\n h; h\n}\nfunction h {\n g; g\n}\ng",
    );
}

fn own_source(folder: &Folder) {
    grub(folder, "source $prefix/grub.cfg\nsource $prefix/grub.cfg");
}

fn many_sources(folder: &Folder) {
    let all: String = (0..100).map(|n| format!("source $prefix/{n}.cfg\n")).collect();
    grub(folder, all);
    (0..100).for_each(|n| folder.file(format!("boot/grub/{n}.cfg"), "set a=b\n".repeat(8000)));
}

fn configfiles(folder: &Folder) {
    grub(
        folder,
        "submenu A {\n configfile $prefix/b.cfg\n}\nmenuentry B {\n configfile $prefix/b.cfg\n}",
    );
    folder.file("boot/grub/b.cfg", "submenu C {\n configfile $prefix/grub.cfg\n}\n".repeat(20));
}

fn evals(folder: &Folder) {
    grub(folder, "set a='eval \"$a\"; eval \"$a\"'\neval \"$a\"");
}

fn doubling(folder: &Folder) {
    grub(folder, "set a=aaaaaaaaaaaaaaaa\nwhile true; do set a=$a$a; done");
}

/// Each within what a variable may have.
fn large_variables(folder: &Folder) {
    let names: String = (0..2000).map(|n| format!("set {}=$a\n", letters(n))).collect();
    grub(folder, format!("set a={}\n{names}", "x".repeat(60_000)));
}

/// Words that are copied at each of many calls.
fn arguments(folder: &Folder) {
    let words = "x ".repeat(30_000);
    grub(folder, format!("set a='{words}'\nfunction f {{\n f $@ $a\n}}\nf $a"));
}

fn many_items(folder: &Folder) {
    let entries: String =
        (0..2000).map(|n| format!("menuentry {n} {{\n linux /vmlinuz\n}}\n")).collect();
    grub(folder, entries);
}

/// Every menu has its own two, until something ends it.
fn submenu_bomb(folder: &Folder) {
    grub(
        folder,
        "set a='submenu X { eval \"$a\" }; submenu Y { eval \"$a\" }'\nexport a\neval \"$a\"",
    );
}

fn long_words(folder: &Folder) {
    let one = "menuentry $a --id $b {\n linux /vmlinuz $a $a $a $a\n initrd $a\n}\n";
    let entries: String = (0..600).map(|n| one.replace("$b", &letters(n))).collect();
    grub(folder, format!("set a={}\n{entries}", "x".repeat(60_000)));
}

fn many_functions(folder: &Folder) {
    grub(folder, (0..5000).map(|n| format!("function f{n} {{\n true\n}}\n")).collect::<String>());
}

fn deep_braces(folder: &Folder) {
    grub(folder, format!("menuentry A {}", "{ a ".repeat(100_000)));
}

fn deep_ifs(folder: &Folder) {
    grub(folder, "if true; then\n".repeat(10_000));
}

fn open_quotes(folder: &Folder) {
    grub(folder, format!("set a=\"{}", "$(\\\"${ '".repeat(50_000)));
}

fn backtracking(folder: &Folder) {
    let text = "a".repeat(30_000);
    let patterns = ["(a*)*b", "(a|a)*b", "(a?){200}a{200}b", "((a+)+)+b", ".*.*.*.*.*.*b"];
    let all: String = patterns.map(|it| format!("regexp \"{it}\" \"$a\"\n")).concat();
    grub(folder, format!("set a={text}\n{}", all.repeat(20)));
}

fn stars_of_names(folder: &Folder) {
    (0..20_000).for_each(|n| folder.file(format!("many/a{n:05}"), ""));
    grub(folder, "for f in /many/*a*a*a*a*a*a*b /many/*; do set a=$f; done\n".repeat(50));
}

fn long_test(folder: &Folder) {
    let words = "( ! ".repeat(10_000);
    grub(
        folder,
        format!(
            "if [ {words} a ]; then true; fi\nif [ {} ]; then true; fi",
            "a -a ".repeat(10_000)
        ),
    );
}

fn sparse_script(folder: &Folder) {
    folder.good();
    folder.file("boot/grub/grub.cfg", "set a=b\n");
    let path = folder.0.join("boot/grub/grub.cfg");
    File::options().write(true).open(path).unwrap().set_len(10 << 30).unwrap();
}

/// An EFI program for aarch64 with these sections.
fn program(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = b"MZ".to_vec();
    file.resize(0x40, 0);
    file[0x3c] = 0x40;
    file.extend(b"PE\0\0\x64\xaa");
    file.extend(u16::try_from(sections.len()).unwrap().to_le_bytes());
    file.resize(0x58, 0);
    let mut at = file.len() + 40 * sections.len();
    for (name, bytes) in sections {
        let mut padded = name.as_bytes().to_vec();
        padded.resize(8, 0);
        file.extend(padded);
        let fields = [bytes.len(), at, bytes.len(), at];
        file.extend(fields.iter().flat_map(|field| u32::try_from(*field).unwrap().to_le_bytes()));
        file.extend([0; 16]);
        at += bytes.len();
    }
    file.extend(sections.iter().flat_map(|(_, bytes)| *bytes));
    file
}
