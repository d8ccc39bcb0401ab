//! A first kernel with Turnout built in: the image that goes into it, and the
//! machines in which it starts Debian's kernel, with and without EFI, from disks on
//! every bus that its classes name.

use crate::accelerator;
use crate::boot_tree::{BootTree, Entry, Image, Key, console};
use crate::build::{self, Tools};
use crate::disk;
use crate::facts::Facts;
use crate::guest::{Flavour, Kernel};
use crate::initrd::{self, REACHED};
use crate::machine::{Bus, Firmware, Machine};
use crate::place::Scratch;
use crate::serial::{Console, Event};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use turnout::base::arch::Arch;

const DEADLINE: Duration = Duration::from_secs(400);
const KEY: &str = "first-kernel";
const ENTRY: &str = "next";

/// What the next system tells of what firmware is handed on to it.
const FACTS: &str = r#"
facts() {
    echo "fact acpi $(ls /sys/firmware/acpi/tables 2>/dev/null | wc -l)"
    echo "fact smbios $(cat /sys/class/dmi/id/sys_vendor 2>/dev/null)"
    echo "fact screen $(cat /proc/fb 2>/dev/null)"
    echo "fact efi $(ls -d /sys/firmware/efi 2>/dev/null)"
}
"#;

/// The bus of the only disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Nvme,
    Virtio,
    Sata,
}

/// One machine, and what its next system must have of the firmware.
#[derive(Debug, Clone, Copy)]
struct Start {
    arch: Arch,
    firmware: Firmware,
    disk: On,
    /// For QEMU, which sets up the screen for Linux as a boot loader does.
    options: &'static str,
    devices: &'static [&'static str],
    /// Facts that are not empty, and not 0.
    has: &'static [&'static str],
}

/// With `vga=`, SeaBIOS sets a picture up; coreboot hands one over in the same way.
const STARTS: [Start; 5] = [
    Start {
        arch: Arch::X86_64,
        firmware: Firmware::Usual,
        disk: On::Nvme,
        options: "vga=0x317",
        devices: &[],
        has: &["acpi", "smbios", "screen"],
    },
    Start {
        arch: Arch::X86_64,
        firmware: Firmware::Usual,
        disk: On::Virtio,
        options: "",
        devices: &[],
        has: &["acpi", "smbios"],
    },
    Start {
        arch: Arch::X86_64,
        firmware: Firmware::Efi,
        disk: On::Sata,
        options: "",
        devices: &[],
        has: &["acpi", "smbios", "screen", "efi"],
    },
    Start {
        arch: Arch::Aarch64,
        firmware: Firmware::Usual,
        disk: On::Virtio,
        options: "",
        devices: &[],
        has: &[],
    },
    Start {
        arch: Arch::Aarch64,
        firmware: Firmware::Efi,
        disk: On::Nvme,
        options: "",
        devices: &["-device", "ramfb"],
        has: &["acpi", "smbios", "efi"],
    },
];

/// Writes the image for the kernel to `home`, locked to a key that is kept there. One
/// that has not changed is left alone: make builds the kernel anew for a newer file.
///
/// # Errors
///
/// If a program cannot be built or a file not written.
pub fn write_image(arch: Arch, home: &Path) -> Result<()> {
    let scratch = Scratch::new(&format!("first-kernel-{arch}"))?;
    let binary = build::init(arch, &[], scratch.path())?;
    let tools = Tools::build()?;
    let key = match kept_key(home) {
        Some(key) => key,
        None => Key::generate(&tools, home, KEY)?,
    };
    let made = scratch.path().join("turnout.cpio");
    let image = Image { ring: Some(&key.ring), compress: "none", ..Image::new(&binary) };
    image.write(&tools, &made)?;
    let kept = home.join("turnout.cpio");
    if fs::read(&kept).ok() != Some(fs::read(&made)?) {
        fs::copy(&made, &kept)?;
    }
    Ok(())
}

fn kept_key(home: &Path) -> Option<Key> {
    let key = Key { private: home.join(KEY), ring: home.join(format!("{KEY}.allowed_signers")) };
    (key.private.is_file() && key.ring.is_file()).then_some(key)
}

/// Starts the kernel that was built in `home` in each machine that it is for, and the next
/// system from there; prints a line for each.
///
/// # Errors
///
/// The first machine in which the next system was not reached, or misses something.
pub fn boot(arch: Arch, home: &Path, efi: bool) -> Result<()> {
    let scratch = Scratch::new(&format!("first-kernel-{arch}"))?;
    let key = kept_key(home).context("there is no image: build the kernel first")?;
    let boot = boot_tree(arch, &scratch, &key)?;
    let starts = STARTS.iter().filter(|start| start.arch == arch);
    for start in starts.filter(|start| start.is_for(efi)) {
        let facts = start.run(home, &scratch, &boot).with_context(|| start.name())?;
        println!("{}: reached; of the firmware it has {}", start.name(), shown(&facts));
        start.check(&facts)?;
    }
    Ok(())
}

fn shown(facts: &Facts) -> String {
    let each = ["acpi", "smbios", "screen", "efi"].map(|name| {
        let value = facts.get(name).unwrap_or_default();
        format!("{name} {}", if value.is_empty() { "none" } else { value })
    });
    each.join(", ")
}

/// One entry, signed: Debian's kernel, whose drivers none of the buses is in need of.
fn boot_tree(arch: Arch, scratch: &Scratch, key: &Key) -> Result<BootTree> {
    let next = Kernel::find(arch, Flavour::Generic13)?;
    let tree = BootTree::new(scratch.subdirectory("boot")?)?;
    tree.add_file("/vmlinuz", &next.image)?;
    fs::write(tree.host_path("/initrd.img"), initrd::next_system(arch, None)?)?;
    fs::write(tree.host_path("/facts.img"), initrd::note("/facts", FACTS)?)?;
    tree.add_entry(&Entry {
        id: ENTRY,
        title: "Debian GNU/Linux 13",
        linux: "/vmlinuz",
        initrds: &["/initrd.img", "/facts.img"],
        options: &format!("{} quiet demo.name={ENTRY}", console(arch)),
    })?;
    tree.set_loader_conf("timeout 1\n")?;
    key.sign(&Tools::build()?, &tree, ENTRY, &[])?;
    Ok(tree)
}

impl Start {
    /// Whether it is for the kernel with EFI, or for that without. The one with EFI leaves out
    /// what a GICv3 needs without it, so that on aarch64 it is started by EFI only.
    fn is_for(&self, efi: bool) -> bool {
        match (self.arch, self.firmware) {
            (Arch::X86_64, Firmware::Usual) => true,
            (_, firmware) => efi == (firmware == Firmware::Efi),
        }
    }

    fn name(&self) -> String {
        let firmware = if self.firmware == Firmware::Efi { "EFI" } else { "no EFI" };
        format!("{}, {firmware}, {:?}", self.arch, self.disk)
    }

    /// What the next system says of its firmware.
    fn run(&self, home: &Path, scratch: &Scratch, boot: &BootTree) -> Result<Facts> {
        let machine = self.machine(home, scratch, boot)?;
        let mut console = Console::start(&machine, &home.join("transcript"))?;
        let ends = [REACHED, "turnout: refused ", "turnout: failed ", "turnout: no boot partition"];
        match console.wait_for(&ends, DEADLINE)? {
            Event::Seen { index: 0, .. } => Ok(Facts::parse(console.text())),
            Event::Seen { line, .. } => bail!("{line}"),
            Event::Ended => bail!("the machine ended; see {}", home.join("transcript").display()),
            Event::TimedOut => bail!("nothing was reached within {} s", DEADLINE.as_secs()),
        }
    }

    fn machine(&self, home: &Path, scratch: &Scratch, boot: &BootTree) -> Result<Machine> {
        let mut machine = Machine::new(self.arch, self.kernel(home)?, PathBuf::new());
        machine.accelerator = accelerator::choose(self.arch)?;
        machine.options = self.options.to_owned();
        machine.shape.firmware = self.firmware;
        machine.shape.devices = self.devices;
        machine.from_disk = self.firmware == Firmware::Efi;
        let esp = scratch.subdirectory("esp")?;
        if machine.from_disk {
            fs::create_dir_all(esp.join("EFI/BOOT"))?;
            fs::copy(&machine.kernel, esp.join("EFI/BOOT").join(self.default_program()))?;
        }
        let disk = scratch.path().join("disk.img");
        disk::build(&disk::boot_partitions(esp, boot.root()), scratch.path(), &disk)?;
        match self.disk {
            On::Nvme => machine.disks.push((Bus::Nvme, disk)),
            On::Virtio => machine.disks.push((Bus::Virtio, disk)),
            On::Sata => machine.extra = sata(&disk),
        }
        Ok(machine)
    }

    /// What the firmware looks for on a disk that it knows nothing of.
    const fn default_program(&self) -> &'static str {
        match self.arch {
            Arch::X86_64 => "BOOTX64.EFI",
            Arch::Aarch64 => "BOOTAA64.EFI",
        }
    }

    /// In the form that this firmware takes: QEMU unpacks no xz for aarch64.
    fn kernel(&self, home: &Path) -> Result<PathBuf> {
        let path = home.join(match (self.arch, self.firmware) {
            (Arch::X86_64, _) => "arch/x86/boot/bzImage",
            (Arch::Aarch64, Firmware::Usual) => "arch/arm64/boot/Image",
            (Arch::Aarch64, _) => "arch/arm64/boot/vmlinuz.efi",
        });
        ensure!(path.is_file(), "{} is not there: build it first", path.display());
        Ok(path)
    }

    fn check(&self, facts: &Facts) -> Result<()> {
        let mut has = self.has.iter();
        match has.find(|name| matches!(facts.get(name), None | Some("" | "0"))) {
            Some(name) => bail!("{}: the next system has no {name} of the firmware", self.name()),
            None => Ok(()),
        }
    }
}

/// A disk of the board's own controller.
fn sata(disk: &Path) -> Vec<String> {
    let path = disk.display().to_string().replace(',', ",,");
    let drive = format!("file={path},format=raw,if=none,id=sata,snapshot=on");
    ["-drive", &drive, "-device", "ide-hd,drive=sata"].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kernel_is_started_on_each_architecture() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            for efi in [true, false] {
                let starts = STARTS.iter().filter(|start| start.arch == arch && start.is_for(efi));
                assert!(starts.clone().count() > 0, "{arch} {efi}");
                assert!(efi || starts.clone().all(|start| start.firmware == Firmware::Usual));
            }
        }
    }

    #[test]
    fn what_the_next_system_lacks_is_named() {
        let [start, ..] = STARTS;
        let facts = Facts::parse("fact acpi 12\nfact smbios QEMU\nfact screen 0 VESA VGA\n");
        start.check(&facts).unwrap();
        for (text, lacks) in [("fact acpi 0\n", "acpi"), ("fact acpi 9\nfact smbios \n", "smbios")]
        {
            let error = start.check(&Facts::parse(text)).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("x86_64, no EFI, Nvme: the next system has no {lacks} of the firmware")
            );
        }
    }
}
