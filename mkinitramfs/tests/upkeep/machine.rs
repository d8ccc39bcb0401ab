//! A machine as Debian leaves it: /boot on the root file system, GRUB's menu, two kernels.

use std::fs;
use std::path::PathBuf;

use mkinitramfs::upkeep::disk::Disk;
use mkinitramfs::upkeep::{Report, Request, run};

use super::common::{Done, Scratch, run as execute, text};
use super::programs::programs;

pub(crate) const TURNOUT_SIGN: &str = env!("CARGO_BIN_EXE_turnout-sign");
pub(crate) const SIMPLE: &str = "gnulinux-simple-5d2f";
pub(crate) const NEW: &str = "6.1.0-50-amd64";
pub(crate) const OLD: &str = "6.1.0-49-amd64";

/// What the boot protocol of x86 (2.15) wants to see of a kernel, and no code; each
/// release has other bytes.
pub(crate) fn kernel(release: &str) -> Vec<u8> {
    let mut file = vec![0; 1024 + 4096];
    for (at, bytes) in [
        (0x1f1, &b"\x01"[..]),
        (0x1f4, &256_u32.to_le_bytes()),
        (0x1fe, b"\x55\xaa\xeb\x6aHdrS\x0f\x02"),
        (0x211, b"\x01"),
        (0x230, &0x20_0000_u32.to_le_bytes()),
        (0x234, b"\x01\x15\x7f"),
        (0x238, &2047_u32.to_le_bytes()),
        (0x258, &0x100_0000_u64.to_le_bytes()),
        (0x260, &0x10_0000_u32.to_le_bytes()),
        (0x800, release.as_bytes()),
    ] {
        file[at..at + bytes.len()].copy_from_slice(bytes);
    }
    file
}

fn entry(title: &str, id: &str, release: &str, word: &str) -> String {
    format!(
        "menuentry '{title}' --class debian --class gnu-linux --class os \
         $menuentry_id_option '{id}' {{\n\
         \tinsmod ext2\n\
         \tsearch --no-floppy --fs-uuid --set=root 5d2f\n\
         \techo\t'Loading Linux {release} ...'\n\
         \tlinux\t/boot/vmlinuz-{release} root=UUID=5d2f ro {word}quiet\n\
         \techo\t'Loading initial ramdisk ...'\n\
         \tinitrd\t/boot/initrd.img-{release}\n}}\n"
    )
}

/// As grub-mkconfig 2.12 writes it, with kernels the newest first.
pub(crate) fn menu(releases: &[&str]) -> String {
    let mut text = String::from(
        "if [ -s $prefix/grubenv ]; then\n  set have_grubenv=true\n  load_env\nfi\n\
         if [ \"${next_entry}\" ] ; then\n   set default=\"${next_entry}\"\n   set next_entry=\n   \
         save_env next_entry\n   set boot_once=true\nelse\n   set default=\"0\"\nfi\n\
         if [ x\"${feature_menuentry_id}\" = xy ]; then\n  menuentry_id_option=\"--id\"\nelse\n  \
         menuentry_id_option=\"\"\nfi\nexport menuentry_id_option\nset timeout=5\n",
    );
    if let Some(first) = releases.first() {
        text.push_str(&entry("Debian GNU/Linux", SIMPLE, first, ""));
    }
    text.push_str("submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-5d2f' {\n");
    for release in releases {
        let title = format!("Debian GNU/Linux, with Linux {release}");
        text.push_str(&entry(&title, &advanced(release), release, ""));
        let title = format!("{title} (recovery mode)");
        text.push_str(&entry(
            &title,
            &format!("gnulinux-{release}-recovery-5d2f"),
            release,
            "single ",
        ));
    }
    text.push_str("}\nmenuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {\n\tfwsetup\n}\n");
    text
}

pub(crate) fn advanced(release: &str) -> String {
    format!("gnulinux-{release}-advanced-5d2f")
}

pub(crate) struct Machine {
    pub(crate) files: Scratch,
}

impl Machine {
    /// With these kernels, a key that signs and its ring; nothing is signed.
    pub(crate) fn new(releases: &[&str]) -> Self {
        let machine = Self { files: Scratch::new() };
        for release in releases {
            machine.install(release);
        }
        machine.write("root/boot/grub/grub.cfg", menu(releases));
        machine.key("key", "boot");
        let key = machine.path("key");
        machine.write("conf", format!("sign-key {key}\n"));
        machine
    }

    pub(crate) fn write(&self, below: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        self.files.write(below, bytes)
    }

    pub(crate) fn path(&self, below: &str) -> String {
        text(&self.files.path(below))
    }

    pub(crate) fn has(&self, below: &str) -> bool {
        self.files.path(below).exists()
    }

    /// A key, and its line at the end of the ring.
    pub(crate) fn key(&self, name: &str, role: &str) {
        let made =
            execute(TURNOUT_SIGN, &["keygen", "-f", &self.path(name), "-C", name, "--role", role]);
        made.expect(0, &[]);
        let line = made.text.lines().find(|line| line.starts_with(name)).unwrap();
        let ring = fs::read_to_string(self.files.path("ring")).unwrap_or_default();
        self.write("ring", format!("{ring}{line}\n"));
    }

    pub(crate) fn install(&self, release: &str) {
        self.replace(&format!("root/boot/vmlinuz-{release}"), &kernel(release));
        self.rebuild(release, "first");
    }

    /// As update-initramfs does it: another file takes the name.
    pub(crate) fn rebuild(&self, release: &str, what: &str) {
        let bytes = format!("initrd of {release}, {what}");
        self.replace(&format!("root/boot/initrd.img-{release}"), bytes.as_bytes());
    }

    fn replace(&self, below: &str, bytes: &[u8]) {
        let new = self.write(&format!("{below}.new"), bytes);
        fs::rename(new, self.files.path(below)).unwrap();
    }

    pub(crate) fn remove(&self, release: &str) {
        for name in ["vmlinuz", "initrd.img"] {
            fs::remove_file(self.files.path(&format!("root/boot/{name}-{release}"))).unwrap();
        }
    }

    pub(crate) fn root(&self) -> String {
        format!("vda2={},uuid=5D2F", self.path("root"))
    }

    pub(crate) fn request(&self) -> Request {
        Request {
            conf: self.files.path("conf"),
            roots: vec![self.root()],
            removed: None,
            ring: self.files.path("ring"),
            policy: self.files.path("policy"),
            state: self.files.path("state"),
            system: self.files.path("no-system"),
            note: self.files.path("note"),
            accepted: Vec::new(),
        }
    }

    /// Runs upkeep until it is done, or the power goes out.
    pub(crate) fn upkeep_on(&self, disk: &Disk) -> Option<Report> {
        run(&self.request(), disk).ok()
    }

    /// Runs it as hooks do.
    pub(crate) fn upkeep(&self, more: &[&str]) -> Done {
        let root = self.root();
        let (conf, ring, policy, state) =
            (self.path("conf"), self.path("ring"), self.path("policy"), self.path("state"));
        let args = ["upkeep", "--conf", &conf, "--root", &root, "--keys", &ring];
        let note = self.path("note");
        let rest = ["--policy", &policy, "--state", &state, "--note", &note];
        let args = [&args[..], &rest, more].concat();
        execute(TURNOUT_SIGN, &args)
    }

    /// What `turnout` says of the tree, as PID 1 with this ring.
    pub(crate) fn turnout(&self, words: &[&str]) -> Done {
        let (root, ring) = (self.root(), self.path("ring"));
        let args = [words, &["--root", &root, "--keys", &ring]].concat();
        execute(&text(&programs().join("turnout")), &args)
    }

    /// The entry that would boot if nobody chooses, and its kernel's and initrd's bytes.
    pub(crate) fn boots(&self) -> Option<String> {
        let listed = self.turnout(&["list", "--json"]);
        let listed: serde_json::Value = serde_json::from_str(&listed.text)
            .unwrap_or_else(|error| panic!("{error}: {}", listed.text));
        let entries = listed["entries"].as_array().unwrap().clone();
        let at = entries.iter().position(|entry| entry["default"] == true).unwrap_or_default();
        let count = entries.len();
        let order = (at..count).chain(0..at);
        let mut bootable = order.filter(|index| entries[*index]["state"] == "ready");
        bootable.next().map(|index| entries[index]["id"].as_str().unwrap().to_owned())
    }

    pub(crate) fn spares(&self) -> Vec<String> {
        let names = fs::read_dir(self.files.path("root/boot/loader/entries"));
        let names = names.into_iter().flatten().map(|name| name.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }
}

/// The machine's files as they were, hard links included.
pub(crate) struct Snapshot<'a> {
    machine: &'a Machine,
    copy: Scratch,
}

impl<'a> Snapshot<'a> {
    pub(crate) fn of(machine: &'a Machine) -> Self {
        let copy = Scratch::new();
        let (from, to) = (text(&machine.files.path(".")), text(&copy.path(".")));
        execute("cp", &["-a", &from, &to]).expect(0, &[]);
        Self { machine, copy }
    }

    pub(crate) fn restore(&self) {
        for name in ["root", "state"] {
            let _ = fs::remove_dir_all(self.machine.files.path(name));
        }
        let (from, to) = (text(&self.copy.path(".")), text(&self.machine.files.path(".")));
        execute("cp", &["-a", &from, &to]).expect(0, &[]);
    }
}
