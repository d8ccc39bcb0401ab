//! `mkinitramfs --dtb` as it is called, with the device tree of QEMU's `virt` and modules
//! that were made up; boards.rs has those of real boards.

#![allow(clippy::unwrap_used, clippy::panic)]

// Nothing is read back here.
#[allow(dead_code)]
mod common;
// Only a few of its kinds are made here.
#[allow(dead_code)]
#[path = "common/elf.rs"]
mod elf;

use common::{Done, Scratch, run, text};
use elf::{AARCH64, ET_REL, X86_64, elf as elf_file, init};

const RELEASE: &str = "6.12.0-test";

const VIRT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/virt/fdt");

/// Bytes of it, with the zeros behind it that every device tree of QEMU has.
const VIRT_SIZE: usize = 1 << 20;

/// What makes another board of it: names of the same length.
const OTHER: [(&str, &str); 2] =
    [("linux,dummy-virt", "linux,other-virt"), ("virtio,mmio", "other,mmio0")];

fn module(scratch: &Scratch, machine: u16, path: &str, alias: &str) {
    let info = format!("alias={alias}\0vermagic={RELEASE} SMP\0");
    let path = format!("lib/modules/{RELEASE}/kernel/drivers/{path}.ko");
    scratch.write(&path, elf_file(ET_REL, machine, (".modinfo", info.as_bytes()), None));
}

/// Modules for two boards, and both boards' device trees.
fn boards(machine: u16) -> Scratch {
    let scratch = Scratch::new();
    module(&scratch, machine, "virtio/virtio_mmio", "of:N*T*Cvirtio,mmio*");
    module(&scratch, machine, "soc/other_mmio", "of:N*T*Cother,mmio0*");
    module(&scratch, machine, "soc/elsewhere", "of:N*T*Celsewhere,mmio*");
    module(&scratch, machine, "regulator/part", "platform:part-regulator");
    let mut virt = std::fs::read(VIRT).unwrap();
    virt.resize(VIRT_SIZE, 0);
    scratch.write("virt.dtb", &virt);
    scratch.write("other.dtb", OTHER.iter().fold(virt, renamed));
    scratch.write("init", init(machine));
    scratch
}

fn renamed(mut dtb: Vec<u8>, (old, new): &(&str, &str)) -> Vec<u8> {
    while let Some(at) = dtb.windows(old.len()).position(|found| found == old.as_bytes()) {
        dtb.splice(at..at + old.len(), new.bytes());
    }
    dtb
}

fn mkinitramfs(scratch: &Scratch, dtbs: &[&str]) -> Done {
    let [init, out] = ["init", "image"].map(|name| text(&scratch.path(name)));
    let tree = text(&scratch.path(""));
    let mut words = vec!["--binary", &init, "--mode", "open", "-o", &out, "--modules-dir", &tree];
    dtbs.iter().for_each(|dtb| words.extend(["--dtb", dtb]));
    run(env!("CARGO_BIN_EXE_mkinitramfs"), &words)
}

#[test]
fn one_image_is_for_all_boards_that_are_named_and_says_what_each_has_once() {
    let scratch = boards(AARCH64);
    let [virt, other] = ["virt.dtb", "other.dtb"].map(|name| text(&scratch.path(name)));
    let has = |board: &str, what: &str| format!("{board} has of:Nvirtio_mmioT(null)C{what}\n");
    let of_virt = format!("  virtio_mmio: {}", has("linux,dummy-virt", "virtio,mmio"));
    let of_other = format!("  other_mmio: {}", has("linux,other-virt", "other,mmio0"));
    let part = "  part: parts of power controllers\n";
    let both = mkinitramfs(&scratch, &[&virt, &other]);
    both.expect(0, &[&of_virt, &of_other, part, "virtio_mmio.ko\n", "other_mmio.ko\n"]);
    for said in [of_virt.as_str(), &of_other, part] {
        assert_eq!(both.text.matches(said).count(), 1, "{said} in {}", both.text);
    }
    assert!(!both.text.contains("elsewhere"), "{}", both.text);
    let one = mkinitramfs(&scratch, &[&other]);
    one.expect(0, &[&of_other, part]);
    assert!(!one.text.contains("virtio_mmio.ko"), "{}", one.text);
}

#[test]
fn modules_of_a_pc_are_refused_by_the_names_of_board_and_tree() {
    let scratch = boards(X86_64);
    let tree = text(&scratch.path(&format!("lib/modules/{RELEASE}")));
    let virt = text(&scratch.path("virt.dtb"));
    let reason = format!("{virt} is for a board, and {tree} is not for arm64");
    mkinitramfs(&scratch, &[&virt]).expect(1, &[&reason]);
    assert!(!scratch.path("image").exists());
}

#[test]
fn what_is_no_device_tree_is_refused_by_its_name_though_others_are() {
    let scratch = boards(AARCH64);
    let [virt, file] = ["virt.dtb", "init"].map(|name| text(&scratch.path(name)));
    mkinitramfs(&scratch, &[&virt, &file])
        .expect(1, &[&format!("{file}: this is no device tree blob")]);
    assert!(!scratch.path("image").exists());
}

#[test]
fn a_board_is_not_looked_for_where_another_choice_is_named() {
    for other in ["--host", "--universal"] {
        let done = run(env!("CARGO_BIN_EXE_mkinitramfs"), &["--dtb", VIRT, other, "-o", "x"]);
        let both = format!("the argument '--dtb <FILE>' cannot be used with '{other}'");
        done.expect(2, &[&both]);
    }
}
