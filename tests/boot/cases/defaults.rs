//! What boots if nobody chooses, where it is not the menu that says so: EFI
//! variables, as systemd's tools write and read them.

use super::trust::add_tampered_entry;
use super::{Boot, Case, Expect, PLAIN, Start, case};
use crate::world::World;
use anyhow::Result;
use std::fs;
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::machine::{Firmware, Shape};

pub(super) const CASES: &[Case] = &[STALE];

const STALE: Case = case(
    "stale_default_and_a_one_shot_that_is_consumed_before_it_fails",
    Boot {
        shape: Shape { firmware: Firmware::Efi, ..Shape::USUAL },
        modules: &["efivarfs"],
        loader_conf: "timeout 0\ndefault nix*\n",
        next_script: Some(SCRIPT),
        ..PLAIN
    },
    add_tampered_entry_behind_good,
    Expect::Starts(&[
        Start {
            says: &[
                "/loader/loader.conf:2: SETTING: default \"nix*\" matches no entry",
                "turnout: jumping to good",
                "LoaderInfo: turnout ",
                "LoaderEntrySelected: good.conf\n",
                "LoaderEntries: good.confbad.conf\n",
                "LoaderFeatures: 2f 67 01 00 00 00 00 00\n",
                "LoaderEntryOneShot: none\n",
            ],
            ..START
        },
        Start {
            says: &[
                "turnout: LoaderEntryOneShot \"bad.conf\" is for this boot, and is deleted",
                "turnout: refused bad: LINUX_DIGEST: ",
                "turnout: jumping to good",
                "LoaderEntryOneShot: none\n",
            ],
            ..START
        },
    ]),
);

const START: Start = Start::PLAIN;

/// What has a sort-key comes first.
fn add_tampered_entry_behind_good(world: &World, tree: &BootTree) -> Result<()> {
    let good = tree.host_path("loader/entries/good.conf");
    let text = fs::read_to_string(&good)?;
    fs::write(&good, text + "sort-key a\n")?;
    add_tampered_entry(world, tree)
}

/// Prints what Turnout has set, and wishes for an entry that cannot boot.
const SCRIPT: &str = r#"
insmod /efivarfs.ko
mount -t efivarfs efivarfs /sys/firmware/efi/efivars
cd /sys/firmware/efi/efivars
vendor=4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
for name in LoaderInfo LoaderEntrySelected LoaderEntries; do
    echo "$name: $(tail -c +5 $name-$vendor | tr -d '\0')"
done
echo "LoaderFeatures: $(tail -c +5 LoaderFeatures-$vendor | od -An -v -tx1 | sed 's/^ //')"
ls | grep -q LoaderEntryOneShot || echo "LoaderEntryOneShot: none"
printf '\007\0\0\0b\0a\0d\0.\0c\0o\0n\0f\0\0\0' >LoaderEntryOneShot-$vendor
"#;
