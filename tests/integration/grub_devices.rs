//! Menus of GRUB that name other devices, as `turnout list` shows them: each directory
//! stands for a device.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// Directories that stand for devices, below one of the test's own.
struct Devices(PathBuf);

impl Devices {
    fn new(test: &str, files: &[(&str, &str)]) -> Self {
        let name = format!("turnout-grub-{test}-{}", std::process::id());
        let devices = Self(std::env::temp_dir().join(name));
        files.iter().for_each(|(path, text)| devices.write(path, text.as_bytes()));
        devices
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn kernel(&self, path: &str) {
        let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/image/Image.gz");
        self.write(path, &fs::read(packed).unwrap());
    }

    /// What `turnout list` says with these roots.
    fn list(&self, roots: &[&str]) -> Value {
        self.list_with(roots, &[])
    }

    fn list_with(&self, roots: &[&str], more: &[&str]) -> Value {
        let mut list = Command::new(env!("CARGO_BIN_EXE_turnout"));
        list.current_dir(&self.0).args(["list", "--json", "--arch", "aarch64"]).args(more);
        for root in roots {
            list.args(["--root", root]);
        }
        serde_json::from_slice(&list.output().unwrap().stdout).unwrap()
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Code and sentence of all reasons of an entry.
fn reasons(entry: &Value) -> Vec<String> {
    let all = entry["reasons"].as_array().unwrap().iter();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    all.map(|one| format!("{}: {}", text(one, "code"), text(one, "detail"))).collect()
}

/// A root that has its kernels on the EFI system partition, as NixOS and others do.
const KERNELS_ELSEWHERE: &str = "search --set=drive1 --fs-uuid 4f2a-11cc\n\
     menuentry 'One' --id one {\n\
       linux ($drive1)//kernels/vmlinuz quiet\n\
       initrd /boot/initrd\n\
     }\n\
     regexp --set=1:disk '(.*),(.*)' $root\n\
     menuentry 'Two' --id two { linux ($disk,gpt1)/kernels/vmlinuz; }\n\
     menuentry 'Three' --id three { set root='hd0,gpt1'; linux /kernels/vmlinuz; }\n";

const ROOT: &str = "vda,gpt2=root";

#[test]
fn files_on_another_device_are_found_by_every_name_that_linux_knows() {
    let devices = Devices::new(
        "elsewhere",
        &[("root/boot/grub/grub.cfg", KERNELS_ELSEWHERE), ("root/boot/initrd", "x")],
    );
    devices.kernel("esp/kernels/vmlinuz");
    // A comma parts what is known of a directory, so the name stands before the `=`.
    let listed = devices.list(&[ROOT, "vda,gpt1=esp,uuid=4F2A-11CC"]);
    let entries = listed["entries"].as_array().unwrap();
    let kernel = json!("(vda,gpt1)/kernels/vmlinuz");
    for entry in &entries[..2] {
        assert_eq!((&entry["linux"], &entry["bootable"]), (&kernel, &json!(true)), "{entry}");
    }
    assert_eq!(entries[0]["initrd"], json!(["/boot/initrd"]), "on its own device");
    let unresolved = reasons(&entries[2]).join("; ");
    assert_eq!(entries[2]["bootable"], json!(false));
    let why = "\"hd0,gpt1\" is GRUB's name and depends on the firmware's order of disks";
    assert!(unresolved.contains("DEVICE") && unresolved.contains(why), "{unresolved}");
}

#[test]
fn without_the_other_device_each_entry_says_what_it_misses() {
    let files = [("root/boot/grub/grub.cfg", KERNELS_ELSEWHERE), ("root/boot/initrd", "x")];
    let listed = Devices::new("missing", &files).list(&[ROOT]);
    let entries = listed["entries"].as_array().unwrap();
    assert!(entries.iter().all(|entry| entry["bootable"] == json!(false)), "{listed}");
    let said = listed["diagnostics"].to_string();
    assert!(said.contains("no device is seen that has the UUID"), "{said}");
    let second = reasons(&entries[1]).join("; ");
    assert!(second.contains("\"vda,gpt1\" is no device that is seen"), "{second}");
}

const STUB: &str = "search.fs_uuid 5d2f-9c root hd0,gpt2\n\
     set prefix=($root)'/boot/grub'\n\
     configfile $prefix/grub.cfg\n";
const MENU: &str = "menuentry 'Debian' --id debian { linux /boot/vmlinuz ro; }\n";

#[test]
fn a_stub_that_leads_to_a_menu_that_is_read_anyway_adds_nothing() {
    let devices = Devices::new(
        "stub",
        &[("esp/EFI/debian/grub.cfg", STUB), ("root/boot/grub/grub.cfg", MENU)],
    );
    devices.kernel("root/boot/vmlinuz");
    let listed = devices.list(&["esp=esp", "vda,gpt2=root,uuid=5D2F-9C"]);
    let entries = listed["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{listed}");
    assert_eq!(entries[0]["source"], json!("(vda,gpt2)/boot/grub/grub.cfg"));
    assert_eq!((&entries[0]["id"], &entries[0]["bootable"]), (&json!("debian"), &json!(true)));
}

#[test]
fn a_stub_that_is_the_only_file_to_be_read_is_followed() {
    let devices = Devices::new(
        "only-stub",
        &[("esp/EFI/debian/grub.cfg", STUB), ("root/boot/grub/grub.cfg", MENU)],
    );
    devices.kernel("root/boot/vmlinuz");
    let roots = ["esp=esp", "vda,gpt2=root,uuid=5D2F-9C"];
    let listed = devices.list_with(&roots, &["--config", "/EFI/debian/grub.cfg"]);
    let entry = &listed["entries"][0];
    assert_eq!(entry["linux"], json!("(vda,gpt2)/boot/vmlinuz"), "{listed}");
    assert_eq!((&entry["id"], &entry["bootable"]), (&json!("debian"), &json!(true)));
}

#[test]
fn a_stub_that_leads_where_nobody_looks_has_the_entries_of_that_place() {
    let stub = STUB.replace("/boot/grub'", "/custom/menu'");
    let menu = MENU.replace("/boot/vmlinuz", "/@/boot/vmlinuz");
    let devices = Devices::new(
        "subvolume",
        &[("esp/EFI/debian/grub.cfg", &stub), ("root/custom/menu/grub.cfg", &menu)],
    );
    devices.kernel("root/@/boot/vmlinuz");
    let listed = devices.list(&["esp=esp", "vda,gpt2=root,uuid=5D2F-9C"]);
    let entries = listed["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{listed}");
    assert_eq!(entries[0]["source"], json!("(vda,gpt2)/custom/menu/grub.cfg"));
    assert_eq!(entries[0]["linux"], json!("(vda,gpt2)/@/boot/vmlinuz"));
    assert_eq!(entries[0]["bootable"], json!(true));
}

/// `($root)` of the main directory is no other device, whatever it is called.
#[test]
fn the_menu_s_own_device_may_be_named_too() {
    let menu = "menuentry 'A' --id a { linux ($root)/vmlinuz; initrd (UUID=aa-1)/initrd; }\n";
    let devices = Devices::new("own", &[("root/boot/grub/grub.cfg", menu), ("root/initrd", "x")]);
    devices.kernel("root/vmlinuz");
    let listed = devices.list(&["main=root,uuid=AA-1"]);
    let entry = &listed["entries"][0];
    assert_eq!((&entry["linux"], &entry["initrd"]), (&json!("/vmlinuz"), &json!(["/initrd"])));
    assert_eq!(entry["bootable"], json!(true), "{entry}");
}
