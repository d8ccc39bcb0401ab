//! Turnout itself, updated on an ESP as docs/self-update.md has it: the firmware tries
//! the new copy once, and keeps the old one until the new one has brought a system up.

use super::updaters::functions_of;
use super::{Boot, Case, Expect, PLAIN, Partitions, Start, case};
use crate::world::{INITRD, World};
use anyhow::Result;
use std::fs;
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::guest::{self, Flavour, Kernel};
use turnout_qemu::initrd;
use turnout_qemu::machine::{Firmware, Shape};

const PAGE: &str = include_str!("../../../docs/self-update.md");
const BLOCKS: &[&str] = &["esp-provision", "esp-update", "esp-confirm"];

const DOUBLED: Boot = Boot {
    partitions: Partitions::DoubledEsp,
    shape: Shape { firmware: Firmware::Efi, ..Shape::USUAL },
    loader_conf: "timeout 0\n",
    long: true,
    ..PLAIN
};

pub(super) const CASES: &[Case] =
    &[case("turnout_updates_itself_on_an_esp", DOUBLED, add_script, Expect::Starts(COPIES))];

/// The factory starts the kernel itself; from then on the firmware does.
const COPIES: &[Start] = &[
    Start {
        says: &["turnout: jumping to good", "provisioned: Turnout a, Turnout b", "ends, up "],
        ..Start::PLAIN
    },
    Start {
        from_disk: true,
        resets: true,
        says: &[
            "turnout: jumping to good",
            "copy a of Turnout",
            "Kernel panic",
            "turnout: jumping to good",
            "copy a of Turnout",
            "turnout: jumping to good",
            "copy a of Turnout",
            "turnout: jumping to good",
            "copy b of Turnout",
            "first is now b",
            "turnout: jumping to good",
            "copy b of Turnout",
            "ends, up ",
        ],
        ..Start::PLAIN
    },
];

/// First the copy that panics, then one that is no program, then one that is good.
const SCRIPT: &str = r#"
insmod /efivarfs.ko
mount -t efivarfs efivarfs /sys/firmware/efi/efivars
for module in fat vfat nls_cp437 nls_ascii; do insmod "/boot/$module.ko"; done
mkdir -p /esp /new
ln -s /boot/lib /lib
ln -s /boot/lib /lib64
export PATH="$PATH:/boot/bin"
reboot() { sync; busybox reboot -f; sleep 60; }
field() { efibootmgr | sed -n "s/^$1//p" | cut -c1-40; }
number_of() { efibootmgr | sed -n "s/\$/ /; s/^Boot\([0-9A-F]*\)\** Turnout $1[[:space:]].*/\1/p"; }
label_of() { efibootmgr | sed -n "s/^Boot$1\** Turnout \(.\).*/\1/p"; }
update() { cd /new; esp_update; }
current="$(field 'BootCurrent: ')"
copy="$(label_of "$current")"
if [ -z "$copy" ]; then
    words="$(sed 's/.*\(console=[^ ]*\).*/\1/' /proc/cmdline) quiet"
    esp_provision >/dev/null
    order="$(field 'BootOrder: ' | tr , ' ')"
    set -- $order
    echo "provisioned: Turnout $(label_of "$1"), Turnout $(label_of "$2")"
    return 0
fi
echo "copy $copy of Turnout"
[ "$copy" = a ] && other=b || other=a
number="$(number_of "$other")"
mount -t vfat /dev/nvme0n1p1 /esp
step="$(cat /esp/step 2>/dev/null)"
cp /esp/EFI/turnout/a/linux.efi /esp/EFI/turnout/a/initrd.img /new
echo "x$step" >/esp/step
umount /esp
case "$step" in
"") echo none >/new/initrd.img; update ;;
x) : >/new/linux.efi; update ;;
xx) update ;;
xxx)
    old="$number" number="$current"
    esp_confirm >/dev/null
    echo "first is now $(label_of "$(field 'BootOrder: ' | cut -d, -f1)")"
    reboot
    ;;
esac
"#;

fn add_script(world: &World, tree: &BootTree) -> Result<()> {
    let kernel = Kernel::find(world.arch, Flavour::Cloud)?;
    guest::put_below(tree.root(), &guest::efibootmgr(world.arch)?)?;
    for (module, place) in
        [("fat", "fat"), ("vfat", "fat"), ("nls_cp437", "nls"), ("nls_ascii", "nls")]
    {
        let content = kernel.module(&format!("kernel/fs/{place}/{module}.ko"))?;
        fs::write(tree.host_path(&format!("{module}.ko")), content)?;
    }
    let script = functions_of(PAGE, BLOCKS)? + SCRIPT;
    fs::write(tree.host_path(INITRD), initrd::running(&kernel, &world.commands()?, &script)?)?;
    world.key.sign(&world.tools, tree, "good", &[])
}

#[cfg(test)]
mod tests {
    use super::super::updaters::page_blocks;
    use super::*;

    #[test]
    fn every_command_of_the_page_is_run() {
        for name in page_blocks(PAGE) {
            assert!(BLOCKS.contains(&name), "nobody runs the block \"{name}\"");
            let call = name.replace('-', "_");
            assert!(SCRIPT.contains(&call), "the script does not call {call}");
        }
    }
}
