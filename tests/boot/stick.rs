//! The first kernel and its image on a disk of their own, as mkinitramfs makes it, for
//! the firmware to start; signed by a key that the firmware knows, with Secure Boot.

use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::build::Tools;
use turnout_qemu::command;
use turnout_qemu::guest;
use turnout_qemu::machine::{Bus, Firmware, Machine};
use turnout_qemu::secure::Key;

/// The disk's name, beside the other one.
pub(crate) const NAME: &str = "stick.img";

/// What makes mkinitramfs put the image behind the first kernel, too.
pub(crate) fn arguments(machine: &Machine) -> Result<Vec<String>> {
    let files = [
        ("--kernel", machine.kernel.clone()),
        ("--stub", guest::efi_stub(machine.arch)?),
        ("--uki", program_of(&machine.initramfs)),
    ];
    let words = files.into_iter().flat_map(|(flag, file)| [flag.into(), shown(&file)]);
    Ok(words.chain(["--cmdline".to_owned(), machine.first_command_line()]).collect())
}

/// Puts the program that came with the image on the first disk of the machine.
pub(crate) fn add(tools: &Tools, tree: &BootTree, machine: &mut Machine) -> Result<()> {
    let program = program_of(&machine.initramfs);
    if machine.shape.firmware == Firmware::SecureBoot {
        let key = Key::at(own_key(tree));
        key.sign(&program)?;
        let variables = machine.initramfs.with_file_name("variables.fd");
        key.enrol(&guest::efi_firmware(machine.arch)?.1, &variables)?;
        machine.variables = Some(variables);
    }
    let stick = machine.initramfs.with_file_name(NAME);
    let mut mkinitramfs = Command::new(&tools.mkinitramfs);
    mkinitramfs.args(["disk", "--uki"]).arg(program).arg("-o").arg(&stick);
    command::output(&mut mkinitramfs)?;
    machine.disks.insert(0, (Bus::Nvme, stick));
    machine.from_disk = true;
    Ok(())
}

/// Where the key lies that decides with Secure Boot on.
pub(crate) fn own_key(tree: &BootTree) -> PathBuf {
    tree.root().with_file_name("own-key")
}

fn program_of(image: &Path) -> PathBuf {
    image.with_extension("efi")
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}
