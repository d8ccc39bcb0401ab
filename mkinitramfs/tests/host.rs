//! `mkinitramfs --host` on machines that were made up: their sysfs, mounts and modules.

#![allow(clippy::unwrap_used, clippy::panic)]

// Nothing is read back here.
#[allow(dead_code)]
mod common;
// Only a few of its kinds are made here.
#[allow(dead_code)]
#[path = "common/elf.rs"]
mod elf;

use std::fs;
use std::os::unix::fs::symlink;

use common::{Done, Scratch, run, text};
use elf::{ET_REL, X86_64, elf as elf_file, init};

const RELEASE: &str = "6.1.0-test";

const MOUNTS: &str = "25 1 8:2 / / rw - xfs /dev/sda2 rw\n\
                      26 25 8:1 / /boot rw - ext4 /dev/sda1 rw\n";

fn module(machine: &Scratch, path: &str, aliases: &[&str]) {
    let aliases: String = aliases.iter().map(|alias| format!("alias={alias}\0")).collect();
    let info = format!("{aliases}vermagic={RELEASE} SMP\0");
    let path = format!("lib/modules/{RELEASE}/kernel/{path}.ko");
    machine.write(&path, elf_file(ET_REL, X86_64, (".modinfo", info.as_bytes()), None));
}

/// A device that a module's driver has.
fn bound(machine: &Scratch, path: &str, modalias: &str, module: &str) {
    device(machine, path, &format!("DRIVER={module}\nMODALIAS={modalias}\n"));
    let driver = machine.path(&format!("sys/devices/{path}/driver"));
    fs::create_dir_all(&driver).unwrap();
    symlink(format!("/sys/module/{module}"), driver.join("module")).unwrap();
}

fn device(machine: &Scratch, path: &str, uevent: &str) {
    machine.write(&format!("sys/devices/{path}/uevent"), uevent);
}

fn machine() -> Scratch {
    let machine = Scratch::new();
    module(&machine, "drivers/ata/ahci", &["pci:v00008086d00002922*"]);
    module(&machine, "drivers/ata/other", &["pci:v00008086d00002922*"]);
    module(&machine, "drivers/scsi/unbound", &["pci:v00001000d00000097*"]);
    module(&machine, "drivers/scsi/elsewhere", &["pci:v00001077*"]);
    module(&machine, "drivers/net/card", &["pci:v00008086d000010d3*"]);
    module(&machine, "drivers/block/loop", &[]);
    module(&machine, "drivers/hid/usbhid/usbhid", &[]);
    for kind in ["ext4", "xfs"] {
        module(&machine, &format!("fs/{kind}/{kind}"), &[]);
    }
    device(&machine, "pci/0000:00:1f.2", "DRIVER=ahci\nMODALIAS=pci:v00008086d00002922sv\n");
    machine.write("sys/module/ahci/initstate", "live");
    machine.write("sys/bus/pci/drivers/ahci/uevent", "");
    symlink("../../../../module/ahci", machine.path("sys/bus/pci/drivers/ahci/module")).unwrap();
    symlink("../../../bus/pci/drivers/ahci", machine.path("sys/devices/pci/0000:00:1f.2/driver"))
        .unwrap();
    device(&machine, "pci/0000:01:00.0", "MODALIAS=pci:v00001000d00000097sv\n");
    device(&machine, "pci/0000:02:00.0", "MODALIAS=pci:v00008086d000010d3sv\n");
    machine.write("proc/self/mountinfo", MOUNTS);
    machine.write("proc/sys/kernel/osrelease", format!("{RELEASE}\n"));
    machine.write("init", init(X86_64));
    machine
}

fn host(machine: &Scratch) -> Done {
    run_with(machine, &["--host", "--sysroot", &text(&machine.path(""))])
}

fn run_with(machine: &Scratch, more: &[&str]) -> Done {
    let (binary, out) = (text(&machine.path("init")), text(&machine.path("image")));
    let fixed = ["--binary", &binary, "--mode", "open", "-o", &out];
    run(env!("CARGO_BIN_EXE_mkinitramfs"), &[&fixed, more].concat())
}

#[track_caller]
fn build(machine: &Scratch, more: &[&str]) {
    run_with(machine, more).expect(0, &[]);
}

#[test]
fn devices_and_the_menus_file_system_decide_what_is_packed_and_why() {
    let done = host(&machine());
    done.expect(
        0,
        &[
            "  ahci: device 0000:00:1f.2\n",
            "  unbound: device 0000:01:00.0\n",
            "  ext4: file system of /boot\n",
            "  usbhid: keyboards\n",
            "  built for this machine: on another one it may find no disk\n",
            "kernel/drivers/ata/ahci.ko\n",
        ],
    );
    for absent in ["other.ko", "elsewhere.ko", "card.ko", "xfs.ko", "loop.ko"] {
        assert!(!done.text.contains(absent), "{absent} is in {}", done.text);
    }
}

/// A disk hung on what no folder tells the use of, and was not found.
#[test]
fn a_driver_that_a_device_has_is_packed_wherever_it_lies_and_what_is_left_out_is_said() {
    let machine = machine();
    module(&machine, "drivers/platform/surface/surface_hub", &[]);
    module(&machine, "drivers/net/bound_card", &[]);
    module(&machine, "drivers/misc/nv", &[]);
    module(&machine, "sound/pci/speaker", &[]);
    module(&machine, "drivers/virtio/virtio_pci", &[]);
    bound(&machine, "acpi/MSHW0084:00", "acpi:MSHW0084:", "surface_hub");
    bound(&machine, "pci/0000:03:00.0", "pci:v1d2sv3sd4bc02sc00i00", "bound_card");
    bound(&machine, "pci/0000:04:00.0", "pci:v1d2sv3sd4bc03sc00i00", "nv");
    bound(&machine, "pci/0000:05:00.0", "pci:v1d2sv3sd4bc04sc03i00", "speaker");
    bound(&machine, "pci/0000:06:00.0", "pci:v1AF4d1sv3sd4bc02sc00i00", "virtio_pci");
    bound(&machine, "pci/0000:07:00.0", "pci:v1d2sv3sd4bc01sc06i01", "elsewhere-raid");
    let done = host(&machine);
    done.expect(
        0,
        &[
            "  surface_hub: device MSHW0084:00\n",
            "kernel/drivers/platform/surface/surface_hub.ko\n",
            "  bound_card: left out, it is for network\n",
            "  nv: left out, it is for graphics\n",
            "  speaker: left out, it is for sound and video\n",
            "  virtio_pci: device 0000:06:00.0\n",
            "  elsewhere_raid: this kernel does not have it, for device 0000:07:00.0\n",
        ],
    );
    for absent in ["bound_card.ko", "nv.ko", "speaker.ko"] {
        assert!(!done.text.contains(absent), "{absent} is in {}", done.text);
    }
}

#[test]
fn a_mirror_takes_what_reads_it_and_lvm_is_said() {
    let machine = machine();
    machine.write("proc/self/mountinfo", MOUNTS.replace("8:1", "9:0"));
    fs::create_dir_all(machine.path("sys/dev/block")).unwrap();
    symlink("../../devices/virtual/block/md0", machine.path("sys/dev/block/9:0")).unwrap();
    machine.write("sys/class/block/md0/md/level", "raid1\n");
    machine.write("sys/class/block/md0/slaves/dm-1/size", "8\n");
    machine.write("sys/class/block/dm-1/dm/name", "vg-boot\n");
    host(&machine).expect(
        0,
        &[
            "  loop: /boot is on the mirror md0\n",
            "  /boot is on dm-1, of LVM or LUKS, which is not opened\n",
        ],
    );
}

#[test]
fn old_names_of_file_systems_stand_for_their_driver_and_a_menu_without_one_is_refused() {
    let machine = machine();
    for old in ["ext2", "ext3"] {
        machine.write("proc/self/mountinfo", MOUNTS.replace("ext4", old));
        let done = host(&machine);
        done.expect(0, &["  ext4: file system of /boot\n", "kernel/fs/ext4/ext4.ko\n"]);
    }
    let with_esp = format!("{MOUNTS}27 26 8:3 / /boot/efi rw - vfat /dev/sda3 rw\n");
    machine.write("proc/self/mountinfo", &with_esp);
    let lack = format!(
        "is neither a module in {} nor built in",
        text(&machine.path(&format!("lib/modules/{RELEASE}")))
    );
    host(&machine).expect(0, &[&format!("  /boot/efi is vfat, and vfat {lack}\n")]);
    let of_a_board = with_esp.replace("/boot/efi", "/boot/firmware");
    machine.write("proc/self/mountinfo", of_a_board);
    host(&machine).expect(0, &[&format!("  /boot/firmware is vfat, and vfat {lack}\n")]);
    machine.write("proc/self/mountinfo", MOUNTS.replace("ext4", "btrfs"));
    host(&machine).expect(1, &[&format!("/boot is btrfs, and btrfs {lack}\n")]);
    let builtin = format!("lib/modules/{RELEASE}/modules.builtin");
    machine.write(&builtin, "kernel/fs/btrfs/btrfs.ko\n");
    host(&machine).expect(0, &["  btrfs: built in, file system of /boot\n"]);
}

#[test]
fn what_only_the_running_kernel_has_is_looked_for_by_the_device() {
    let machine = machine();
    bound(&machine, "pci/0000:03:00.0", "pci:v00001000d00000097sv", "old_name");
    device(&machine, "pci/0000:04:00.0", "DRIVER=x\nMODALIAS=pci:v00001000d00000097sv\n");
    fs::create_dir_all(machine.path("sys/devices/pci/0000:04:00.0/driver")).unwrap();
    let done = host(&machine);
    done.expect(0, &["  unbound: device 0000:03:00.0\n", "  unbound: device 0000:04:00.0\n"]);
    assert!(!done.text.contains("old_name"), "{}", done.text);
    bound(&machine, "pci/0000:05:00.0", "pci:v00001af4d00009999sv", "old_name");
    let lack = "  old_name: this kernel does not have it, for device 0000:05:00.0\n";
    host(&machine).expect(0, &[lack]);
}

/// The table of drivers of the image that was built last, which is not compressed.
fn table(machine: &Scratch) -> String {
    let image = machine.read("image");
    let mut rest = image.as_slice();
    loop {
        let member = turnout::base::cpio::take(&mut rest).unwrap();
        if member.path == b"etc/turnout/drivers" {
            return String::from_utf8(member.content.to_vec()).unwrap();
        }
    }
}

/// Where such a disk is put in later, its driver can be named.
#[test]
fn drivers_of_disks_that_are_not_packed_are_in_the_table_by_name() {
    let machine = machine();
    module(&machine, "drivers/usb/host/xhci-pci", &["pci:v*d*sv*sd*bc0Csc03i30*"]);
    module(&machine, "drivers/usb/serial/line", &["usb:v0403p6001*"]);
    build(&machine, &["--host", "--sysroot", &text(&machine.path("")), "--compress", "none"]);
    let by_reading = table(&machine);
    let known = "known elsewhere\nclass storage\nalias pci:v00001077*\n";
    assert!(by_reading.contains(known), "{by_reading}");
    assert!(!by_reading.contains("known ahci") && !by_reading.contains("known card"));
    let listed = "alias pci:v00001077* elsewhere\nalias pci:v*d*sv*sd*bc0Csc03i30* xhci_pci\n\
                  alias usb:v0403p6001* line\nalias pci:v00008086d00002922* ahci\n\
                  alias pci:v00008086d000010d3* card\nalias fs-xfs xfs\n";
    let tree = format!("lib/modules/{RELEASE}");
    machine.write(&format!("{tree}/modules.alias"), listed);
    let tree = text(&machine.path(&tree));
    build(&machine, &["--modules-dir", &tree, "--module", "ahci", "--compress", "none"]);
    let by_list = table(&machine);
    let hosts = "known xhci_pci\nclass usb\nalias pci:v*d*sv*sd*bc0Csc03i30*\n";
    assert!(by_list.ends_with(&format!("{known}{hosts}")), "{by_list}");
}

#[test]
fn a_machine_is_this_one_or_any_and_not_both() {
    let done = run(env!("CARGO_BIN_EXE_mkinitramfs"), &["--host", "--universal", "-o", "x"]);
    done.expect(2, &["the argument '--host' cannot be used with '--universal'"]);
}
