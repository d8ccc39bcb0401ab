//! What kdump-tools loads for a panic is signed, and comes into the crash slot of a machine
//! with a key ring by the line that kdump-config hands over: without "crash unsigned".

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/boot_tree.rs"]
#[allow(dead_code)]
mod boot_tree;
mod common;
#[path = "common/programs.rs"]
mod programs;

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use boot_tree::boot_tree;
use common::{Done, Scratch, finish, text};
use mkinitramfs::signing::entry::BootEntry;
use mkinitramfs::signing::key_file;
use mkinitramfs::signing::sign::{Claims, sign};
use mkinitramfs::signing::signer::Signer;
use mkinitramfs::upkeep::kdump;
use programs::programs;
use turnout::trust::Role;

/// An arm64 kernel, and a machine that keeps memory for a crash kernel.
const KERNEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/image/Image.gz");
const MACHINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/virt-crash");
/// What a start adds stands in it, as /proc/cmdline has it.
const LINE: &str =
    "BOOT_IMAGE=/vmlinuz-1 root=/dev/vda rw turnout.boot=kexec-0f  reset_devices nr_cpus=1";

/// What is loaded is the signed line.
const SIGNED: &str = "\"options\":\"root=/dev/vda rw reset_devices nr_cpus=1\"";

/// `system/` with kdump-tools and kernels of two releases, and the boot tree beside it.
fn system() -> Scratch {
    let tree = boot_tree();
    for release in ["1", "2"] {
        tree.write(&format!("system/boot/vmlinuz-{release}"), std::fs::read(KERNEL).unwrap());
        tree.write(&format!("system/var/lib/kdump/initrd.img-{release}"), release);
    }
    // One whose kernel is gone, and one that is being written.
    tree.write("system/var/lib/kdump/initrd.img-0", "old");
    tree.write("system/var/lib/kdump/initrd.img-2.new", "half");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = test ] || exit 1\nprintf 'USE_KDUMP:\\t\\t1\\n'\n\
         echo 'kexec command to be used:'\n\
         echo '  /sbin/kexec -p --command-line=\"{LINE}\" --initrd=/var/lib/kdump/initrd.img \
         /var/lib/kdump/vmlinuz'\n"
    );
    // With the zeros behind it that every /sys/firmware/fdt of QEMU has.
    let mut fdt = std::fs::read(Path::new(MACHINE).join("fdt")).unwrap();
    fdt.resize(1 << 20, 0);
    tree.write("fdt", fdt);
    let program = tree.write("system/usr/sbin/kdump-config", script);
    std::fs::set_permissions(program, Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir_all(tree.path("system/proc/1")).unwrap();
    symlink("../..", tree.path("system/proc/1/root")).unwrap();
    tree
}

fn entries(tree: &Scratch) -> Vec<BootEntry> {
    kdump::entries(&tree.path("system"), &tree.path("root")).unwrap()
}

fn sign_all(tree: &Scratch) {
    let key = key_file::load(&tree.path("key"), || panic!("it has no passphrase")).unwrap();
    let mut signer = Signer::file(key).unwrap();
    for boot in entries(tree) {
        let claims = Claims {
            title: None,
            role: Role::Boot,
            security_version: 0,
            boards: Vec::new(),
            devices: Vec::new(),
            slots: Vec::new(),
        };
        let arch = turnout::base::arch::Arch::Aarch64;
        sign(&tree.path("root"), boot, arch, &claims, &mut signer).unwrap();
    }
}

/// Loads a release as kdump-config does, but for what must not happen here.
fn load(tree: &Scratch, release: &str, line: &str) -> Done {
    let mut command = Command::new(programs().join("turnout"));
    let system = tree.path("system");
    command.arg("load").arg(system.join(format!("boot/vmlinuz-{release}")));
    command.arg("--initrd").arg(system.join(format!("var/lib/kdump/initrd.img-{release}")));
    command.args(["--crash", "--dry-run", "--arch", "aarch64", "--cmdline", line, "--json"]);
    command.args(["--root", &text(&tree.path("root")), "--keys", &text(&tree.path("ring"))]);
    command.arg("--iomem").arg(Path::new(MACHINE).join("iomem"));
    command.arg("--fdt").arg(tree.path("fdt"));
    finish(&mut command)
}

#[test]
fn of_each_release_kernel_and_initrd_are_signed_under_their_paths() {
    let tree = system();
    let all = entries(&tree);
    let ids: Vec<_> = all.iter().map(|one| one.entry.id.as_str()).collect();
    assert_eq!(ids, ["kdump-1", "kdump-2"]);
    sign_all(&tree);
    let manifest = String::from_utf8(tree.read("root/turnout/kdump-2.manifest")).unwrap();
    for line in [
        "\ntitle Crash kernel 2\n",
        "\nlinux /boot/vmlinuz-2 ",
        "\ninitrd /var/lib/kdump/initrd.img-2 1 sha256:",
        "\noptions root=/dev/vda rw reset_devices nr_cpus=1\n",
    ] {
        assert!(manifest.contains(line), "{line:?} is not in {manifest}");
    }
}

#[test]
fn what_was_signed_comes_into_the_crash_slot_and_nothing_else() {
    let tree = system();
    load(&tree, "2", LINE).expect(1, &["UNSIGNED: no manifest in "]);
    sign_all(&tree);
    load(&tree, "2", LINE).expect(0, &["\"entry\":\"kdump-2\"", SIGNED]);
    load(&tree, "1", "root=/dev/vda rw reset_devices nr_cpus=1")
        .expect(0, &["\"entry\":\"kdump-1\""]);
    load(&tree, "2", "root=/dev/vda rw init=/bin/sh").expect(1, &["EDITED", "kdump-2"]);
    tree.write("system/var/lib/kdump/initrd.img-2", "3");
    load(&tree, "2", LINE).expect(1, &["INITRD_DIGEST: the manifest of kdump-"]);
    sign_all(&tree);
    load(&tree, "2", LINE).expect(0, &["\"entry\":\"kdump-2\"", SIGNED]);
}

#[test]
fn where_it_cannot_be_asked_nothing_is_signed() {
    let tree = system();
    std::fs::remove_file(tree.path("system/proc/1/root")).unwrap();
    assert!(entries(&tree).is_empty(), "a chroot has the command line of another machine");
    symlink("../..", tree.path("system/proc/1/root")).unwrap();
    assert!(!entries(&tree).is_empty());
    tree.write("system/usr/sbin/kdump-config", "#!/bin/sh\nprintf 'USE_KDUMP:\\t\\t0\\n'\n");
    assert!(entries(&tree).is_empty(), "it is switched off");
    tree.write("system/usr/sbin/kdump-config", "#!/bin/sh\necho USE_KDUMP: 1\n");
    let said = kdump::entries(&tree.path("system"), &tree.path("root")).unwrap_err();
    assert_eq!(format!("{said:#}"), "kdump-config test: it prints no command");
}
