//! Unified kernel images, taken apart and started whole: by the administrator's
//! command, and as an entry that somebody signed.

use super::commands::{ends, says, script};
use super::trust::remove_both;
use super::{AT_ONCE, Case, Expect, PLAIN, case};
use crate::world::{INITRD, LINUX, SECOND, World};
use anyhow::{Context, Result, ensure};
use std::fs;
use turnout_qemu::boot_tree::{BootTree, Entry, console};
use turnout_qemu::facts::Stage;
use turnout_qemu::{initrd, uki};

const UKI: &str = "/linux.efi";

pub(super) const CASES: &[Case] = &[
    case("uki_by_command", script(BY_COMMAND), add_uki, Expect::Tells(came_whole)),
    case("uki_as_an_entry", PLAIN, sign_uki, AT_ONCE),
];

/// The third system comes by kexec_file_load, where the kernel has that.
const BY_COMMAND: &str = r#"
echo "cmdline: $(cat /proc/cmdline)"
echo "from .ucode: $(cat /microcode 2>/dev/null), from a file: $(cat /second 2>/dev/null)"
engine=segments
[ "$stage" = 2 ] && [ "$(uname -m)" = x86_64 ] && engine=file
append=
[ "$stage" = 2 ] && append="--append stage=3"
if [ "$stage" != 3 ]; then
    run turnout load /boot/linux.efi --engine $engine --initrd /boot/second.img $append
    umount /boot
    ends
    turnout exec
fi
"#;

fn came_whole(stages: &[Stage]) -> Result<()> {
    let [first, second, third] = stages else {
        anyhow::bail!("{} systems ran, not 3", stages.len())
    };
    says(first, "from .ucode: , from a file: ")?;
    ends(first, "turnout load", 0)?;
    ends(second, "turnout load", 0)?;
    for stage in [second, third] {
        says(stage, "from .ucode: as packed, from a file: as signed")?;
    }
    let own = second.text.lines().find_map(|line| line.strip_prefix("cmdline: "));
    let own = own.context("the second system has no command line")?;
    ensure!(own.ends_with("quiet stage=2 spaced=\"a  b\""), "not the UKI's: {own}");
    says(third, &format!("cmdline: {own} stage=3"))
}

/// A file of everything that the entry "good" has, and more.
fn add_uki(world: &World, tree: &BootTree) -> Result<()> {
    let read = |path| fs::read(tree.host_path(path));
    let console = console(world.arch);
    // No LPIs: on a board with them the second system could load no third.
    let words = "irqchip.gicv3_nolpi=1 quiet stage=2 spaced=\"a  b\"";
    let cmdline = format!("{console} {words}\n\0");
    let sections: [(&str, &[u8]); 4] = [
        (".initrd", &read(INITRD)?),
        (".cmdline", cmdline.as_bytes()),
        (".ucode", &initrd::note("/microcode", "as packed")?),
        (".linux", &read(LINUX)?),
    ];
    let file = uki::build(world.arch, &sections)?;
    Ok(fs::write(tree.host_path(UKI), file)?)
}

/// The entry "good", with its kernel and first initrd in one file. The tool that
/// signs does not look into it for the architecture.
fn sign_uki(world: &World, tree: &BootTree) -> Result<()> {
    add_uki(world, tree)?;
    let options = format!("{} quiet demo.name=good", console(world.arch));
    let initrds = [SECOND];
    let entry =
        Entry { id: "good", title: "Good", linux: UKI, initrds: &initrds, options: &options };
    tree.add_entry(&entry)?;
    remove_both(world, tree)?;
    let architecture = ["--architecture", world.arch.name()];
    world.key.sign(&world.tools, tree, "good", &architecture)
}
