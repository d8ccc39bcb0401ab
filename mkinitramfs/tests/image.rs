//! `mkinitramfs` from outside: what is in an image, in which order, and what
//! is refused.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/elf.rs"]
mod elf;

use std::collections::BTreeMap;
use std::fs;

use mkinitramfs::image::compress::Compress;
use turnout::boot::NOT_PID_1;
use turnout::drivers::table;

use common::{Done, Scratch, run, text};
use elf::{AARCH64, ET_EXEC, ET_REL, X86_64, elf, init};

const MKINITRAMFS: &str = env!("CARGO_BIN_EXE_mkinitramfs");
const RELEASE: &str = "6.1.0-test";
const RING: &str = "release@example.org namespaces=\"turnout-boot\" ssh-ed25519 \
    AAAAC3NzaC1lZDI1NTE5AAAAIClhfTVR2/pqqQmnaR2IwDFSl+JiHjupyLIpSzN7upBY\n";

fn module(info: &str) -> Vec<u8> {
    let info = format!("{info}\0vermagic={RELEASE} SMP mod_unload \0").replace('|', "\0");
    elf(ET_REL, X86_64, (".modinfo", info.as_bytes()), None)
}

/// `turnout-init`, `ring` and a module tree in which `fs` needs `journal`, `pages`,
/// and softly `crypto-sum` and `nothing`.
fn inputs() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("turnout-init", init(X86_64));
    scratch.write("ring", RING);
    let modules = [
        ("fs/fs.ko", "softdep=pre: crypto-sum nothing builtin-alias|depends=journal,pages"),
        ("fs/journal.ko", "depends=pages,built_in"),
        ("mm/pages.ko", "depends="),
        ("arch/sum_fast.ko", "alias=sum|alias=crypto-sum|depends="),
        ("crypto/sum_generic.ko", "alias=sum|alias=crypto-sum|depends=pages"),
        ("drivers/two-words.ko", "depends="),
        ("drivers/hard.ko", "depends=missing"),
        ("fs/vfat.ko", "depends="),
        ("fs/nls/nls_cp437.ko", "depends="),
        ("fs/nls/nls_ascii.ko", "depends="),
    ];
    for (path, info) in modules {
        scratch.write(&format!("tree/kernel/{path}"), module(info));
    }
    scratch.write("tree/modules.builtin", "kernel/x/built-in.ko\n");
    scratch.write("tree/modules.builtin.modinfo", "y.license=GPL\0y.alias=builtin-alias\0");
    scratch
}

fn build(inputs: &Scratch, more: &[&str]) -> Done {
    let (binary, out) = (text(&inputs.path("turnout-init")), text(&inputs.path("out")));
    run(MKINITRAMFS, &[&["--binary", &binary, "-o", &out], more].concat())
}

#[test]
fn slots_without_a_watchdog_over_the_jump_are_told_of() {
    let inputs = inputs();
    for (config, is_told) in [
        ("slot A PARTLABEL=a\n", true),
        ("slot A PARTLABEL=a\nwatchdog 120\n", false),
        ("wait 5\n", false),
    ] {
        inputs.write("config", config);
        let done = build(&inputs, &["--mode", "open", "--config", &text(&inputs.path("config"))]);
        assert_eq!(done.code, 0, "{}", done.text);
        let told = done.text.contains("a system that hangs is never reset");
        assert_eq!(told, is_told, "{config}");
    }
}

/// The same with a key ring, the module tree and uncompressed.
fn build_with(inputs: &Scratch, modules: &[&str]) -> Done {
    let (ring, tree) = (text(&inputs.path("ring")), text(&inputs.path("tree")));
    let fixed =
        ["--keys", &ring, "--compress", "none", "--modules-dir", &tree, "--release", RELEASE];
    let modules = modules.iter().flat_map(|name| ["--module", name]);
    build(inputs, &fixed.into_iter().chain(modules).collect::<Vec<_>>())
}

/// The files of the uncompressed image that was built last.
fn files(inputs: &Scratch) -> BTreeMap<String, String> {
    let image = inputs.read("out");
    let mut rest = image.as_slice();
    let mut files = BTreeMap::new();
    loop {
        let mut reader = cpio::newc::Reader::new(rest).unwrap();
        if reader.entry().is_trailer() {
            return files;
        }
        let name = reader.entry().name().to_owned();
        let mut content = Vec::new();
        std::io::copy(&mut reader, &mut content).unwrap();
        rest = reader.finish().unwrap();
        files.insert(name, String::from_utf8_lossy(&content).into_owned());
    }
}

/// Names of the drivers in `/etc/turnout/drivers`.
fn load_order(inputs: &Scratch) -> Vec<String> {
    let Some(table) = files(inputs).remove("etc/turnout/drivers") else { return Vec::new() };
    table::parse(&table).unwrap().into_iter().map(|driver| driver.name).collect()
}

#[test]
fn modules_come_after_what_they_need_and_the_portable_one_of_an_alias_is_taken() {
    let inputs = inputs();
    build_with(&inputs, &["fs"]).expect(0, &["nothing: not there", "kernel/fs/fs.ko"]);
    assert_eq!(load_order(&inputs), ["pages", "sum_generic", "journal", "fs"]);
    let files = files(&inputs);
    let drivers = table::parse(&files["etc/turnout/drivers"]).unwrap();
    assert_eq!(drivers[0].path, Some("kernel/mm/pages.ko"));
    let mut paths = drivers.iter().filter_map(|driver| driver.path);
    assert!(paths.all(|path| files.contains_key(&format!("lib/modules/6.1.0-test/{path}"))));
    assert_eq!(files["etc/turnout/release"], "6.1.0-test\n");
}

#[test]
fn a_module_is_packed_once_and_dashes_are_underscores() {
    let inputs = inputs();
    build_with(&inputs, &["two_words", "pages", "two-words", "journal"]).expect(0, &[]);
    assert_eq!(load_order(&inputs), ["two_words", "pages", "journal"]);
}

#[test]
fn fat_brings_the_character_sets_that_it_would_ask_a_running_system_for() {
    let inputs = inputs();
    build_with(&inputs, &["vfat"]).expect(0, &["nls_iso8859_1: not there"]);
    assert_eq!(load_order(&inputs), ["nls_cp437", "nls_ascii", "vfat"]);
}

#[test]
fn what_is_built_in_needs_no_module() {
    let inputs = inputs();
    build_with(&inputs, &["built_in"]).expect(0, &["built_in: built into the kernel"]);
    assert_eq!(load_order(&inputs), [""; 0]);
}

#[test]
fn a_name_found_nowhere_is_an_error_that_suggests_others() {
    let inputs = inputs();
    build_with(&inputs, &["jurnal"]).expect(1, &["needs jurnal", "there is journal"]);
    build_with(&inputs, &["hard"]).expect(1, &["kernel/drivers/hard.ko needs missing"]);
    assert!(!inputs.path("out").exists());
}

#[test]
fn a_module_for_another_kernel_or_machine_is_refused() {
    let inputs = inputs();
    let other = elf(ET_REL, X86_64, (".modinfo", b"vermagic=6.2.0 SMP\0"), None);
    inputs.write("tree/kernel/mm/pages.ko", other);
    build_with(&inputs, &["pages"])
        .expect(1, &["pages.ko is for kernel 6.2.0, not for 6.1.0-test"]);
    let info = format!("vermagic={RELEASE} SMP\0");
    let other = elf(ET_REL, AARCH64, (".modinfo", info.as_bytes()), None);
    inputs.write("tree/kernel/mm/pages.ko", other);
    build_with(&inputs, &["pages"]).expect(1, &["pages.ko is for another architecture"]);
}

#[test]
fn the_layout_is_what_pid_1_reads() {
    let inputs = inputs();
    inputs.write("config", "# ours\nwait 5");
    let config = text(&inputs.path("config"));
    let ring = text(&inputs.path("ring"));
    build(&inputs, &["--keys", &ring, "--config", &config, "--compress", "none"]).expect(0, &[]);
    let files = files(&inputs);
    let paths: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "boot",
            "dev",
            "dev/console",
            "dev/null",
            "etc",
            "etc/turnout",
            "etc/turnout/allowed_signers",
            "etc/turnout/config",
            "init",
            "proc",
            "run",
            "sys",
            "tmp"
        ]
    );
    assert_eq!(files["etc/turnout/config"], "# ours\nwait 5\nmode locked\n");
    assert_eq!(files["etc/turnout/allowed_signers"], RING);
    assert!(files["init"].starts_with("\u{7f}ELF"));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let inputs = inputs();
    for compress in ["zstd", "gzip", "none"] {
        let build = || {
            build(&inputs, &["--mode", "open", "--compress", compress]).expect(0, &[compress]);
            inputs.read("out")
        };
        assert_eq!(build(), build(), "{compress}");
    }
    let zstd_by_default = build(&inputs, &["--mode", "open"]);
    zstd_by_default.expect(0, &["zstd"]);
    assert_eq!(inputs.read("out")[..4], [0x28, 0xb5, 0x2f, 0xfd]);
}

#[test]
fn an_image_is_locked_or_opened_by_name() {
    let inputs = inputs();
    let ring = text(&inputs.path("ring"));
    build(&inputs, &[]).expect(1, &["--keys ALLOWED_SIGNERS", "--mode open"]);
    build(&inputs, &["--mode", "locked"]).expect(1, &["a locked image needs a key ring"]);
    build(&inputs, &["--mode", "open", "--compress", "none"]).expect(0, &[]);
    assert_eq!(files(&inputs)["etc/turnout/config"], "mode open\n");
    assert!(!files(&inputs).contains_key("etc/turnout/allowed_signers"));
    let keys_and_open = ["--keys", &ring, "--mode", "open", "--compress", "none"];
    build(&inputs, &keys_and_open).expect(0, &[]);
    assert_eq!(files(&inputs)["etc/turnout/config"], "mode open\n");
    assert!(files(&inputs).contains_key("etc/turnout/allowed_signers"));
}

#[test]
fn a_configuration_cannot_set_the_mode() {
    let inputs = inputs();
    let (ring, config) =
        (text(&inputs.path("ring")), inputs.write("config", "wait 3\n\tmode  open\n"));
    let done = build(&inputs, &["--keys", &ring, "--config", &text(&config)]);
    done.expect(1, &["config: line 2", "fixed with --mode"]);
}

#[test]
fn a_broken_or_weak_key_ring_is_refused() {
    let inputs = inputs();
    let zero = "a namespaces=\"turnout-boot\" ssh-ed25519 \
        AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    let cases = [
        (String::new(), "no key"),
        (RING.replace("namespaces=\"turnout-boot\" ", ""), "no namespaces option"),
        (format!("{RING}{zero}"), "line 2: the key is weak"),
    ];
    for (ring, reason) in cases {
        let ring = text(&inputs.write("ring", ring));
        build(&inputs, &["--keys", &ring]).expect(1, &["ring: line ", reason]);
        build(&inputs, &["--keys", &ring, "--mode", "open"]).expect(1, &[reason]);
    }
}

#[test]
fn a_policy_is_read_as_the_device_reads_it_and_goes_in_as_it_is() {
    let inputs = inputs();
    let ring = text(&inputs.path("ring"));
    let policy = "turnout-policy 1\nversion 3\nminimum-security-version boot 7\n";
    let file = text(&inputs.write("policy", policy));
    let keys = ["--keys", &ring, "--policy", &file];
    build(&inputs, &[&keys[..], &["--compress", "none"]].concat())
        .expect(0, &["/etc/turnout/policy"]);
    assert_eq!(files(&inputs)["etc/turnout/policy"], policy);
    build(&inputs, &["--mode", "open", "--policy", &file]).expect(1, &["policy", "give --keys"]);
    let cases = [
        ("turnout-policy 1\nversion 03\n", "policy: line 2: "),
        ("turnout-policy 1\n", "policy: line 2: "),
        (
            "turnout-policy 1\nversion 1\nthreshold turnout-boot 2\n",
            "2 keys must sign for turnout-boot, and the key ring has 1",
        ),
    ];
    for (policy, reason) in cases {
        inputs.write("policy", policy);
        build(&inputs, &keys).expect(1, &[reason]);
    }
}

#[test]
fn a_private_key_in_any_input_is_refused_by_file_name() {
    let key = b"-----BEGIN OPENSSH PRIVATE KEY-----\nnot really\n";
    for file in ["turnout-init", "ring", "policy", "config", "tree/kernel/mm/pages.ko"] {
        let inputs = inputs();
        inputs.write("config", "");
        inputs.write("policy", "turnout-policy 1\nversion 1\n");
        inputs.write(file, [inputs.read(file).as_slice(), key].concat());
        let (ring, config) = (text(&inputs.path("ring")), text(&inputs.path("config")));
        let (tree, policy) = (text(&inputs.path("tree")), text(&inputs.path("policy")));
        let done = build(
            &inputs,
            &[
                "--keys",
                &ring,
                "--policy",
                &policy,
                "--config",
                &config,
                "--modules-dir",
                &tree,
                "--release",
                RELEASE,
                "--module",
                "pages",
            ],
        );
        let name = file.trim_start_matches("tree/");
        done.expect(1, &[&format!("{name} contains a private key")]);
        assert!(!inputs.path("out").exists());
    }
}

#[test]
fn only_a_static_program_without_test_hooks_becomes_init() {
    let inputs = inputs();
    let open = ["--mode", "open"];
    inputs.write("turnout-init", "#!/bin/sh\n");
    build(&inputs, &open).expect(1, &["turnout-init: not an ELF program"]);
    let dynamic = elf(ET_EXEC, X86_64, (".text", b""), Some("/lib64/ld-linux-x86-64.so.2"));
    inputs.write("turnout-init", dynamic);
    build(&inputs, &open).expect(1, &["not static, it needs /lib64/ld-linux-x86-64.so.2"]);
    inputs.write("turnout-init", elf(ET_REL, X86_64, (".text", b""), None));
    build(&inputs, &open).expect(1, &["but not a program"]);
    inputs.write("turnout-init", init(40));
    build(&inputs, &open).expect(1, &["ELF machine 40"]);
    inputs.write("turnout-init", init(AARCH64));
    build(&inputs, &open).expect(0, &[]);
    let hooked = [NOT_PID_1, "--turnout-test-hooks-enabled--"].concat();
    inputs.write("turnout-init", elf(ET_EXEC, X86_64, (".text", hooked.as_bytes()), None));
    build(&inputs, &open).expect(1, &["test-hooks", "--allow-test-hooks"]);
    build(&inputs, &["--mode", "open", "--allow-test-hooks"]).expect(0, &[]);
}

#[test]
fn the_commands_do_not_become_init() {
    let inputs = inputs();
    let commands = elf(ET_EXEC, X86_64, (".text", b"turnout load KERNEL"), None);
    inputs.write("turnout-init", commands);
    build(&inputs, &["--mode", "open"])
        .expect(1, &["not turnout-init", "turnout has the commands"]);
    assert!(!inputs.path("out").exists());
}

#[test]
fn without_a_name_the_program_beside_mkinitramfs_becomes_init() {
    let inputs = inputs();
    let (here, out) = (text(&inputs.path("mkinitramfs")), text(&inputs.path("out")));
    fs::copy(MKINITRAMFS, &here).unwrap();
    let arguments = ["--mode", "open", "--compress", "none", "-o", &out];
    run(&here, &arguments).expect(0, &[]);
    assert!(files(&inputs)["init"].contains(NOT_PID_1));
    fs::remove_file(inputs.path("turnout-init")).unwrap();
    let missing =
        format!("no --binary is given: cannot read {}", text(&inputs.path("turnout-init")));
    run(&here, &arguments).expect(1, &[&missing]);
}

/// As packages have it, where another program has the name.
#[test]
fn called_by_a_link_it_takes_the_name_of_that_and_what_is_beside_itself() {
    let inputs = inputs();
    fs::copy(MKINITRAMFS, inputs.path("mkinitramfs")).unwrap();
    fs::create_dir(inputs.path("sbin")).unwrap();
    let link = text(&inputs.path("sbin/turnout-mkinitramfs"));
    std::os::unix::fs::symlink("../mkinitramfs", &link).unwrap();
    let out = text(&inputs.path("out"));
    run(&link, &["--mode", "open", "--compress", "none", "-o", &out]).expect(0, &[]);
    assert!(files(&inputs)["init"].contains(NOT_PID_1));
    run(&link, &["--help"]).expect(0, &["Usage: turnout-mkinitramfs "]);
    run(&link, &["--frob"]).expect(2, &["turnout-mkinitramfs: unexpected argument '--frob'"]);
    run(&link, &["check", "--frob"]).expect(2, &["turnout-mkinitramfs check: unexpected"]);
    fs::remove_file(inputs.path("turnout-init")).unwrap();
    run(&link, &["--mode", "open", "-o", &out])
        .expect(1, &["turnout-mkinitramfs: no --binary is given: cannot read "]);
}

/// What the suffix says, at its fastest.
fn compress(suffix: &str, bytes: &[u8]) -> Vec<u8> {
    match suffix {
        "xz" => Compress::Xz.apply(bytes.to_vec(), None).unwrap(),
        "zst" => zstd::encode_all(bytes, 1).unwrap(),
        "gz" => Compress::Gzip.apply(bytes.to_vec(), None).unwrap(),
        other => panic!("{other}"),
    }
}

/// Replaces a module of the tree by what it is when compressed.
fn compress_module(inputs: &Scratch, path: &str, suffix: &str) -> Vec<u8> {
    let path = format!("tree/kernel/{path}");
    let packed = compress(suffix, &inputs.read(&path));
    fs::remove_file(inputs.path(&path)).unwrap();
    inputs.write(&format!("{path}.{suffix}"), &packed);
    packed
}

#[test]
fn compressed_modules_are_packed_as_the_kernel_takes_them() {
    let inputs = inputs();
    build_with(&inputs, &["fs"]).expect(0, &[]);
    let plain = files(&inputs);
    compress_module(&inputs, "fs/fs.ko", "xz");
    compress_module(&inputs, "fs/journal.ko", "zst");
    compress_module(&inputs, "crypto/sum_generic.ko", "gz");
    build_with(&inputs, &["fs"]).expect(0, &["kernel/fs/journal.ko\n"]);
    assert_eq!(files(&inputs), plain);
}

#[test]
fn a_compressed_module_that_is_cut_off_or_damaged_is_named() {
    for (suffix, reason) in [
        ("xz", "its xz stream is cut off"),
        ("zst", "its zstd stream is damaged"),
        ("gz", "its gzip stream is cut off"),
    ] {
        let inputs = inputs();
        let packed = compress_module(&inputs, "mm/pages.ko", suffix);
        let file = format!("tree/kernel/mm/pages.ko.{suffix}");
        inputs.write(&file, &packed[..packed.len() - 5]);
        build_with(&inputs, &["pages"]).expect(1, &["cannot unpack", &format!("{file}: {reason}")]);
        inputs.write(&file, b"no such stream");
        build_with(&inputs, &["pages"]).expect(1, &["cannot unpack", &file]);
    }
}

#[test]
fn a_module_that_would_fill_the_memory_is_named() {
    let inputs = inputs();
    let bomb = vec![0; (256 << 20) + 1];
    inputs.write("tree/kernel/mm/bomb.ko.zst", compress("zst", &bomb));
    build_with(&inputs, &["bomb"])
        .expect(1, &["mm/bomb.ko.zst: it unpacks (zstd) to more than the 268435456 bytes"]);
}

#[test]
fn other_names_are_those_that_depmod_has_written_down() {
    let inputs = inputs();
    inputs.write("tree/modules.alias", "alias crypto-sum two_words\n");
    build_with(&inputs, &["fs"]).expect(0, &["nothing: not there"]);
    assert_eq!(load_order(&inputs), ["two_words", "pages", "journal", "fs"]);
}

#[test]
fn an_xz_image_says_whether_it_could_be_smaller() {
    let inputs = inputs();
    let open = ["--mode", "open", "--compress", "xz"];
    let note = "without the filter for arm64's branches";
    assert!(!build(&inputs, &open).text.contains(note));
    inputs.write("turnout-init", init(AARCH64));
    build(&inputs, &open).expect(0, &[note, "--release"]);
    build(&inputs, &[&open[..], &["--release", "6.1.0"]].concat()).expect(0, &[note]);
    let done = build(&inputs, &[&open[..], &["--release", "6.12.1"]].concat());
    assert!(!done.text.contains(note), "{}", done.text);
}

#[test]
fn a_failed_build_leaves_the_last_image_alone() {
    let inputs = inputs();
    build(&inputs, &["--mode", "open"]).expect(0, &[]);
    let before = inputs.read("out");
    build_with(&inputs, &["missing"]).expect(1, &[]);
    assert_eq!(inputs.read("out"), before);
}

#[test]
fn usage_errors_are_told_from_failures() {
    let inputs = inputs();
    build(&inputs, &["--module", "x"]).expect(2, &["--modules-dir", "--release"]);
    let done = build(&inputs, &["--modul", "x"]);
    assert_eq!(done.code, 2);
    let said = "mkinitramfs: unexpected argument '--modul' found; tip: a similar argument exists: \
                '--module'; see --help\n";
    assert_eq!(done.text, said);
    run(MKINITRAMFS, &["--help"]).expect(0, &["Usage: mkinitramfs", "--compress"]);
    let tree = text(&inputs.path("tree/kernel/fs"));
    let done = build(&inputs, &["--mode", "open", "--modules-dir", &tree, "--release", RELEASE]);
    done.expect(1, &["has no kernel directory", ".../lib/modules/RELEASE"]);
}
