//! `turnout list` and `turnout explain` as they are called: their JSON, their
//! text, and with which status they end. Nothing here loads anything.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

const DOCUMENT: &str = include_str!("../../docs/cli.md");

/// A directory that stands for a boot partition.
struct Tree(PathBuf);

impl Tree {
    fn new(test: &str, files: &[(&str, &str)]) -> Self {
        let tree = std::env::temp_dir().join(format!("turnout-{test}-{}", std::process::id()));
        let tree = Self(tree);
        files.iter().for_each(|(path, text)| tree.write(path, text.as_bytes()));
        tree
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.0.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn kernel(&self, path: &str) {
        let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/image/Image.gz");
        self.write(path, &fs::read(packed).unwrap());
    }

    /// Runs the program in it.
    fn turnout(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_turnout"));
        command.current_dir(&self.0).args(line.split(' ')).output().unwrap()
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_slice(&self.turnout(line).stdout).unwrap()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn printed(output: &Output) -> (Option<i32>, &str, &str) {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| str::from_utf8(bytes).unwrap());
    (output.status.code(), out, err)
}

/// One text of each object in a list.
fn of_each<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap()).collect()
}

/// Entries of every state, as the examples of the document have them.
fn example(test: &str) -> Tree {
    let tree = Tree::new(
        test,
        &[
            ("/loader/loader.conf", "timeout 3\ndefault debian-*\n"),
            (
                "/loader/entries/debian-6.1.conf",
                "title Debian GNU/Linux 12 (bookworm)\nversion 6.1.0-50\nlinux /vmlinuz-6.1\n\
                 initrd /initrd-6.1\noptions root=LABEL=root ro quiet\n",
            ),
            (
                "/loader/entries/debian-5.10+0-3.conf",
                "title Debian GNU/Linux 11 (bullseye)\nversion 5.10.0-30\nlinux /vmlinuz-5.10\n\
                 initrd /initrd-5.10\noptions root=LABEL=root ro quiet\n",
            ),
            ("/loader/entries/notes.conf", "title Notes\nlinux /notes.txt\noptions $opts\n"),
            ("/loader/entries/empty.conf", ""),
            ("/initrd-6.1", "initrd"),
            ("/notes.txt", "notes"),
        ],
    );
    tree.kernel("/vmlinuz-6.1");
    tree
}

#[test]
fn an_entry_has_the_fields_that_others_rely_on() {
    let tree = example("fields");
    let listed = tree.json("list --root . --arch aarch64 --json");
    let [notes, newer, older] = listed["entries"].as_array().unwrap().as_slice() else {
        panic!("{listed}");
    };
    let expected = json!({
        "id": "debian-6.1",
        "source": "/loader/entries/debian-6.1.conf",
        "title": "Debian GNU/Linux 12 (bookworm)",
        "version": "6.1.0-50",
        "linux": "/vmlinuz-6.1",
        "initrd": ["/initrd-6.1"],
        "devicetree": null,
        "options": "root=LABEL=root ro quiet",
        "default": true,
        "tries_left": null,
        "bootable": true,
        "reasons": [],
        "trust": "unsigned",
        "state": "unsigned",
        "notes": [],
        "format": "bls",
        "line": null,
        "submenu": [],
        "hotkey": null,
        "profile": null,
        "addons": [],
        "overlays": [],
    });
    assert_eq!(*newer, expected);
    assert_eq!((&older["tries_left"], &older["bootable"]), (&json!(0), &json!(false)));
    let missing = ["/vmlinuz-5.10", "/initrd-5.10"].map(|path| {
        let detail = format!("{path}: No such file or directory (os error 2)");
        json!({"code": "FILE", "detail": detail})
    });
    assert_eq!(older["reasons"], json!(missing));
    assert_eq!((&notes["version"], &notes["state"]), (&Value::Null, &json!("broken")));
    assert_eq!(notes["reasons"][0]["code"], "VARIABLE");
    assert_eq!(listed["mode"], "open");
    assert_eq!(listed["diagnostics"][0]["file"], "/loader/entries/empty.conf");
    assert_eq!(listed["diagnostics"][0]["code"], "NO_KERNEL");
}

#[test]
fn the_examples_of_the_document_are_what_is_printed() {
    let tree = example("document");
    let inputs =
        concat!(" --iomem ", env!("CARGO_MANIFEST_DIR"), "/tests/data/virt/iomem --fdt virt.fdt");
    // Every /sys/firmware/fdt of QEMU has zeros behind the tree.
    let fdt = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/virt/fdt");
    let mut fdt = fs::read(fdt).unwrap();
    fdt.resize(1 << 20, 0);
    tree.write("/virt.fdt", &fdt);
    for line in [
        "list --root . --arch aarch64".to_owned(),
        "explain --root . --arch aarch64".to_owned(),
        format!("explain debian-6.1 --root . --arch aarch64{inputs}"),
    ] {
        let output = tree.turnout(&line);
        let (status, text, faults) = printed(&output);
        assert_eq!((status, faults), (Some(0), ""), "{line}");
        // Of what was looked at the document has only what was there.
        let shown = text.split("\nsegment ").next().unwrap();
        let shown: Vec<_> = shown.lines().filter(|line| !line.ends_with(": not there")).collect();
        assert!(DOCUMENT.contains(&shown.join("\n")), "{line} prints\n{text}");
        let lines = text.split("\nplan\n").next().unwrap().lines();
        // A digest is not broken, so that it can be copied.
        let long = lines.filter(|line| line.len() > 80 && !line.contains("sha256:"));
        assert_eq!(long.collect::<Vec<_>>(), [""; 0]);
    }
}

#[test]
fn a_plan_for_a_described_machine_is_in_the_json() {
    let tree = example("plan");
    let none = tree.json("explain debian-6.1 --root . --arch aarch64 --json");
    let said = "nothing is known of the aarch64 machine; --iomem and --fdt describe it";
    assert_eq!(
        (&none["entry"]["plan"], &none["entry"]["plan_fault"]),
        (&Value::Null, &json!(said))
    );
    assert_eq!(none["entry"]["files"][1]["path"], "/initrd-6.1");
    assert_eq!(none["entry"]["image"], "arm64 Image");
    assert_eq!(none["default"], "debian-6.1");
    assert_eq!(none["sources"][0]["read"][0]["found"], "settings");
    let other = tree.json("explain debian-5.10 --root . --arch aarch64 --json");
    assert_eq!(other["entry"]["plan_fault"], "it does not boot");
    assert_eq!(other["entries"][0]["reasons"][0]["code"], "FILE");
}

#[test]
fn what_is_not_signed_is_refused_where_there_is_a_ring() {
    let tree = example("locked");
    let ring = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/trust/allowed_signers");
    let listed = tree.json(&format!("list --root . --arch aarch64 --keys {ring} --json"));
    assert_eq!(listed["mode"], "locked");
    let newer = &listed["entries"][1];
    assert_eq!((&newer["bootable"], &newer["trust"]), (&json!(false), &json!("refused")));
    assert_eq!(newer["reasons"][0]["code"], "UNSIGNED");
    // What is broken comes first: no signature mends it.
    assert_eq!(of_each(&listed["entries"][2]["reasons"], "code"), ["FILE", "FILE", "UNSIGNED"]);
    let output = tree.turnout(&format!("list --root . --arch aarch64 --keys {ring}"));
    let (status, text, _) = printed(&output);
    assert_eq!(status, Some(0));
    assert!(text.contains("* refused(UNSIGNED)  debian-6.1\n"), "{text}");
    assert!(text.contains("* is the default. No entry boots by itself.\n"), "{text}");
    let broken = tree.turnout("list --root . --keys ./notes.txt");
    assert_eq!(broken.status.code(), Some(3));
}

#[test]
fn a_kernel_for_another_machine_is_broken_by_name() {
    let tree = example("arch");
    let listed = tree.json("list --root . --arch x86_64 --json");
    let reason = json!({
        "code": "ARCHITECTURE",
        "detail": "/vmlinuz-6.1 is a kernel for aarch64, and the machine is x86_64; --arch names \
                   another",
    });
    assert_eq!(listed["entries"][1]["reasons"], json!([reason]));
    tree.write("/vmlinuz-6.1", b"no kernel");
    let listed = tree.json("list --root . --arch x86_64 --json");
    assert_eq!(listed["entries"][1]["reasons"][0]["code"], "IMAGE");
}

#[test]
fn paths_on_another_volume_carry_its_name() {
    let tree = example("volumes");
    let other = Tree::new(
        "volumes-other",
        &[
            ("/loader/entries/zz.conf", "title Z\nlinux /z\ninitrd /i\n"),
            ("/loader/entries/x.conf", ""),
        ],
    );
    let line = format!("--root main=. --root sdb1={},uuid=1-2 --arch aarch64", other.0.display());
    let listed = tree.json(&format!("list {line} --json"));
    let z = listed["entries"].as_array().unwrap().iter().find(|entry| entry["id"] == "zz").unwrap();
    assert_eq!(z["source"], "(sdb1)/loader/entries/zz.conf");
    assert_eq!((&z["linux"], &z["initrd"]), (&json!("(sdb1)/z"), &json!(["(sdb1)/i"])));
    let files = of_each(&listed["diagnostics"], "file");
    assert_eq!(files, ["/loader/entries/empty.conf", "(sdb1)/loader/entries/x.conf"]);
    let output = tree.turnout(&format!("list {line}"));
    assert!(printed(&output).1.contains("  (sdb1)zz\n"), "{}", printed(&output).1);
}

#[test]
fn variables_are_shown_with_their_values_and_put_in_their_places() {
    let tree = Tree::new(
        "variables",
        &[
            ("/grub2/grubenv", "# GRUB Environment Block\nkernelopts=root=/dev/vda ro\n#######"),
            ("/loader/entries/rhel.conf", "linux /vmlinuz\noptions $kernelopts quiet\n"),
        ],
    );
    tree.kernel("/vmlinuz");
    let explained = tree.json("explain rhel.conf --root m=.,label=BOOT --arch aarch64 --json");
    assert_eq!(explained["entry"]["options"], "root=/dev/vda ro quiet");
    let source = &explained["sources"][0];
    assert_eq!(source["variables"], json!({"kernelopts": "root=/dev/vda ro"}));
    assert_eq!(source["place"], ". (m, LABEL=BOOT)");
    let output = tree.turnout("explain --root . --arch aarch64");
    assert!(printed(&output).1.contains("\n            kernelopts=root=/dev/vda ro\n"));
}

#[test]
fn one_menu_file_can_be_all_that_is_read() {
    let tree = example("config");
    let listed = tree.json("list --root . --config /loader/entries/notes.conf --format bls --json");
    assert_eq!(of_each(&listed["entries"], "id"), ["notes"]);
}

#[test]
fn what_is_not_there_is_said_with_its_name() {
    let tree = example("absent");
    fs::create_dir(tree.0.join("empty")).unwrap();
    for (line, status, expected) in [
        ("list --root empty", 3, "there is no menu entry in empty; \"turnout explain\" shows what"),
        ("list --root gone", 4, "gone: No such file or directory"),
        ("list --root notes.txt", 4, "notes.txt: Not a directory"),
        ("list --root . --config /no.conf", 3, "in .; /no.conf: there is no such file; \"turnout"),
        ("explain debian-61 --root .", 3, ": did you mean debian-6.1 or debian-5.10?"),
        (
            "explain windows --root .",
            3,
            "no entry windows; there is notes, debian-6.1, debian-5.10\n",
        ),
        ("verify windows --root . --keys k", 4, "k: No such file"),
        (
            "list --root . --config /x --format lilo",
            2,
            "there is no format \"lilo\"; there is bls,",
        ),
        ("list --root . --config /x --format grub", 3, "there is no menu entry in ."),
        ("list --config /a --config /b", 2, "--config is there twice"),
        ("list --root . --policy p", 3, "a policy needs a key ring, and there is none"),
        ("list --root . --root .", 2, "a second root needs a name: --root NAME=DIR, not \".\""),
    ] {
        let output = tree.turnout(line);
        let (found, _, said) = printed(&output);
        assert_eq!(found, Some(status), "{line}: {said}");
        assert!(said.contains(expected), "{line}: {said}");
    }
    let none = tree.json("list --root . --config /no.conf --json");
    assert_eq!(none["entries"], json!([]));
    let detail = "/no.conf: there is no such file";
    assert_eq!(
        none["diagnostics"],
        json!([{"file": "/no.conf", "line": null, "code": "UNREADABLE", "detail": detail}])
    );
}

/// Every upper-case word that stands in quotes in a file's code, not its tests.
fn codes_in(source: &str) -> Vec<&str> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    code.split('"').skip(1).step_by(2).filter(|word| is_code(word)).collect()
}

fn is_code(word: &str) -> bool {
    word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

#[test]
fn every_code_of_menus_and_preflight_is_in_the_document() {
    let document = include_str!("../../docs/reason-codes.md");
    for (source, least) in [
        (include_str!("../../src/menu/diagnostic.rs"), 14),
        (include_str!("../../src/preflight.rs"), 4),
        (include_str!("../../src/cli/judge.rs"), 3),
    ] {
        let codes = codes_in(source);
        assert!(codes.len() >= least, "only {codes:?}");
        for code in codes {
            assert!(document.contains(&format!("| `{code}` |")), "{code} is not documented");
        }
    }
}
