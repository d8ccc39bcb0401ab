//! Updaters as docs/updaters.md has them: RAUC itself, and for the others scripts that
//! do what they would. Every command of that page is taken from it.

use super::{AARCH64, Boot, Case, Expect, PLAIN, Partitions, Start, X86_64, case};
use crate::world::{INITRD, LINUX, SECOND, World};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::guest::{Flavour, Kernel};
use turnout_qemu::{initrd, place, rauc};

const PAGE: &str = include_str!("../../../docs/updaters.md");

/// The page's blocks that are run in the guest of RAUC, on the machine that makes its
/// bundles, and in the other guests. No block may be in none of them.
const OF_RAUC: &[&str] = &["links", "rauc-install", "rauc-mark-good"];
const OF_BUNDLES: &[&str] = &["rauc-bundle"];
const OF_PARTITIONS: &[&str] = &[
    "links",
    "mender-first",
    "mender-download",
    "mender-install",
    "mender-verify",
    "mender-rollback",
    "mender-commit",
    "swupdate-select",
    "swupdate-preinst",
    "swupdate-postinst",
    "swupdate-confirm",
];
const OF_ENTRIES: &[&str] = &["sysupdate-update", "sysupdate-confirm"];

const UPDATED: Boot = Boot {
    partitions: Partitions::Updated,
    loader_conf: "timeout 0\n",
    config: "wait 10\nreset-delay 1\nattempts 1\ntries 1\n\
             slot A PARTLABEL=system-a\nslot B PARTLABEL=system-b\n",
    next_options: "panic=-1",
    ..PLAIN
};

const BY_NUMBER: Boot = Boot {
    config: "wait 10\nreset-delay 1\nattempts 1\ntries 1\ncount unconfirmed\n\
             slot 2 PARTLABEL=system-a\nslot 3 PARTLABEL=system-b\n",
    ..UPDATED
};

const BY_NAME: Boot = Boot {
    partitions: Partitions::State,
    config: "wait 10\nreset-delay 1\nattempts 1\n",
    ..UPDATED
};

const RAUC: &str = "rauc_installs_and_what_it_installs_falls_back_or_is_blessed";
const OTHERS: &str = "mender_and_swupdate_by_their_own_calls";
const NAMES: &str = "sysupdate_by_the_names_of_its_files";

pub(super) const CASES: &[Case] = &[
    Case { archs: X86_64, ..case(RAUC, UPDATED, add_bundles, Expect::Starts(INSTALLS)) },
    Case {
        archs: AARCH64,
        ..case(RAUC, Boot { long: true, ..UPDATED }, add_bundles, Expect::Starts(INSTALLS))
    },
    Case {
        archs: X86_64,
        ..case(OTHERS, Boot { long: true, ..BY_NUMBER }, add_both, Expect::Starts(CALLS))
    },
    Case { archs: X86_64, ..case(NAMES, BY_NAME, add_update, Expect::Starts(COUNTER)) },
];

const START: Start = Start { factory: true, resets: true, ..Start::PLAIN };

/// One machine: a bundle that brings no system up, and then one that does.
const INSTALLS: &[Start] = &[Start {
    says: &[
        "turnout: jumping to good",
        "runs good",
        "Booted from: system.0 (A)",
        "marked slot system.0 as good",
        "Installing `/update.raucb` succeeded",
        "runs bad",
        "Kernel panic",
        "the last start of B was not confirmed (not-confirmed): B exhausted, 0 of 1 tries left",
        "turnout: jumping to good",
        "runs good",
        "Activated: system.0 (A)",
        "boot status: bad",
        "Installing `/update.raucb` succeeded",
        "turnout: jumping to new",
        "runs new",
        "Booted from: system.1 (B)",
        "turnout: \"A\" is the only slot that was ever good",
        "refused: 3",
        "marked slot system.1 as good",
        "get-primary: B",
        "get-state A: good",
        "get-state B: good",
        "get-current: B",
        "ends, up ",
    ],
    ..START
}];

/// An update by Mender that is taken back, one that stays, and one by SWUpdate.
const CALLS: &[Start] = &[Start {
    says: &[
        "runs good",
        "before: bootcount=0 mender_boot_part=2 mender_boot_part_hex=2 mender_saveenv_canary=1 \
         upgrade_available=0",
        "## Error: \"bootdelay\" not defined",
        "unknown: 1",
        "turnout: \"bootdelay\" is not kept: there are only bootcount, ",
        "runs new",
        "verified: upgrade_available=1 3",
        "runs good",
        "verified: upgrade_available=0 2",
        "runs new",
        "verified: upgrade_available=1 3",
        "committed: bootcount=0 mender_boot_part=3 mender_boot_part_hex=3 \
         mender_saveenv_canary=1 upgrade_available=0",
        "runs good",
        "slot 2 is good",
        "after: bootcount=0 mender_boot_part=2 mender_boot_part_hex=2 mender_saveenv_canary=1 \
         upgrade_available=0",
        "ends, up ",
    ],
    ..START
}];

/// An entry that came with three tries, and has used one of them.
const COUNTER: &[Start] = &[Start {
    says: &[
        "runs good",
        "runs os",
        "unconfirmed, 2 of 3 tries left",
        "slot os_2 is good",
        "  good ",
        "os_2+3-0.conf",
        "ends, up ",
    ],
    ..START
}];

/// What every one of the systems does first.
const FIRST: &str = r#"
name="$(sed 's/.*demo.name=\([a-z]*\).*/\1/' /proc/cmdline)"
echo "runs $name"
mkdir -p /usr /data /etc/rauc /dev/disk/by-partlabel
ln -s /bin /usr/bin
until [ -b /dev/nvme0n1p3 ]; do usleep 10000; done
ln -s /dev/nvme0n1p2 /dev/disk/by-partlabel/system-a
ln -s /dev/nvme0n1p3 /dev/disk/by-partlabel/system-b
reboot() { sync; umount /data; umount /boot; busybox reboot -f; sleep 60; }
once() { [ ! -e "/data/$1" ] && : >"/data/$1"; }
"#;

/// "bad" panics before anybody could confirm it.
const RAUC_SYSTEMS: &str = r#"
if [ "$name" = bad ]; then echo c >/proc/sysrq-trigger; fi
mount -t ext4 /dev/nvme0n1p5 /data
cp /data/system.conf /etc/rauc
cp /data/cert.pem /etc/rauc/keyring.pem
links
start_rauc
rauc status | sed 's/\x1b\[[0-9;]*m//g'
if [ "$name" = new ]; then turnout-rauc set-state A bad; echo "refused: $?"; fi
rauc_mark_good
if [ "$name" = good ] && once first; then cp /data/bad.raucb update.raucb; rauc_install; fi
if [ "$name" = good ] && once second; then cp /data/new.raucb update.raucb; rauc_install; fi
for words in get-primary "get-state A" "get-state B" get-current; do
    echo "$words: $(turnout-rauc $words)"
done
"#;

/// Who updates copies the partition that runs no system.
const OTHER_SYSTEMS: &str = r#"
mount -t ext4 /dev/nvme0n1p5 /data
umount /boot
links
all() { echo $(fw_printenv); }
verify() { echo "verified: "$(mender_verify); }
if once first; then
    mender_first
    echo "before: $(all)"
    fw_printenv bootdelay; echo "unknown: $?"
    fw_setenv bootdelay 3
    mender_download; cp /data/new.ext4 /dev/nvme0n1p3; mender_install; reboot
elif once second; then
    verify; mender_rollback; reboot
elif once third; then
    verify; mender_download; cp /data/new.ext4 /dev/nvme0n1p3; mender_install; reboot
elif once fourth; then
    verify; mender_commit; echo "committed: $(all)"
    [ "$(swupdate_select)" = 3 ] && slot=2; cd /data
    swupdate_preinst; cp /data/good.ext4 /dev/nvme0n1p2; swupdate_postinst; cd /; reboot
else
    swupdate_confirm; echo "after: $(all)"
fi
"#;

const NAMED_SYSTEMS: &str = r#"
if [ "$name" = good ]; then
    mount -o remount,rw /boot
    systemd_sysupdate() { mv /boot/loader/new.conf "/boot$sysupdate_entry"; }
    sysupdate_update
fi
turnout slot list
sysupdate_confirm
turnout slot list
ls /boot/loader/entries
"#;

/// The commands of a block of a page.
fn block(page: &'static str, name: &str) -> Result<&'static str> {
    let start = format!("```sh {name}\n");
    let (_, rest) = page.split_once(&start).with_context(|| format!("no block {name}"))?;
    let (commands, _) = rest.split_once("```").context("a block without an end")?;
    Ok(commands)
}

/// Blocks as functions of a shell, called as they are with "_" for "-".
pub(super) fn functions_of(page: &'static str, names: &[&str]) -> Result<String> {
    let mut text = String::new();
    for name in names {
        text += &format!("{}() {{\n{}}}\n", name.replace('-', "_"), block(page, name)?);
    }
    Ok(text)
}

/// The names of a page's blocks of commands; empty for one that has none.
#[cfg(test)]
pub(super) fn page_blocks(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter_map(|line| line.strip_prefix("```sh")).map(str::trim)
}

fn beside(tree: &BootTree, name: &str) -> Result<PathBuf> {
    let directory = tree.root().parent().context("a boot partition without a parent")?.join(name);
    Ok(directory)
}

/// A boot partition with one signed entry that runs a script.
fn system(world: &World, directory: PathBuf, name: &str, script: &str) -> Result<BootTree> {
    let kernel = Kernel::find(world.arch, Flavour::Cloud)?;
    let tree = BootTree::new(directory)?;
    tree.add_file(LINUX, &kernel.image)?;
    write_systems(world, &tree, &[name], script)?;
    Ok(tree)
}

/// Makes the script what these entries of a boot partition run, and signs them.
fn write_systems(world: &World, tree: &BootTree, names: &[&str], script: &str) -> Result<()> {
    let kernel = Kernel::find(world.arch, Flavour::Cloud)?;
    let running = initrd::running(&kernel, &world.commands()?, script)?;
    fs::write(tree.host_path(INITRD), running)?;
    fs::write(tree.host_path(SECOND), initrd::second("as signed")?)?;
    tree.set_loader_conf(UPDATED.loader_conf)?;
    for name in names {
        world.add_entry_with(tree, name, UPDATED.next_options)?;
        world.key.sign(&world.tools, tree, name, &[])?;
    }
    Ok(())
}

/// The image of a boot partition as the page has it made.
fn image(from: &Path, to: &Path) -> Result<()> {
    let [from, to] = [from, to].map(|path| path.display().to_string());
    rauc::follow(&format!("mke2fs -q -t ext4 -d {from} {to} 64M"), Path::new("/")).map(drop)
}

/// "good" on A, and nothing that boots on B.
fn write_images(tree: &BootTree) -> Result<()> {
    image(tree.root(), &beside(tree, "a.img")?)?;
    let empty = beside(tree, "nothing")?;
    fs::create_dir_all(&empty)?;
    image(&empty, &beside(tree, "b.img")?)
}

fn add_bundles(world: &World, tree: &BootTree) -> Result<()> {
    let data = beside(tree, "data")?;
    fs::create_dir_all(&data)?;
    rauc::install(&Kernel::find(world.arch, Flavour::Cloud)?, &data)?;
    rauc::make_certificate(&data)?;
    fs::copy(place::tree().join("dist/rauc/system.conf"), data.join("system.conf"))?;
    let start = format!("start_rauc() {{\n{}}}\n", rauc::START);
    let script = [FIRST, &functions_of(PAGE, OF_RAUC)?, &start, RAUC_SYSTEMS].concat();
    write_systems(world, tree, &["good"], &script)?;
    write_images(tree)?;
    for name in ["bad", "new"] {
        let directory = beside(tree, &format!("release-{name}"))?;
        system(world, directory.join("system"), name, &script)?;
        for file in ["cert.pem", "key.pem"] {
            fs::copy(data.join(file), directory.join(file))?;
        }
        for commands in OF_BUNDLES {
            rauc::follow(block(PAGE, commands)?, &directory)?;
        }
        fs::rename(directory.join("update.raucb"), data.join(format!("{name}.raucb")))?;
        fs::remove_dir_all(directory)?;
    }
    Ok(())
}

fn add_both(world: &World, tree: &BootTree) -> Result<()> {
    let data = beside(tree, "data")?;
    fs::create_dir_all(&data)?;
    let script = [FIRST, &functions_of(PAGE, OF_PARTITIONS)?, OTHER_SYSTEMS].concat();
    write_systems(world, tree, &["good"], &script)?;
    write_images(tree)?;
    let new = beside(tree, "release")?;
    system(world, new.clone(), "new", &script)?;
    image(&new, &data.join("new.ext4"))?;
    image(tree.root(), &data.join("good.ext4"))?;
    fs::copy(place::tree().join("dist/swupdate/turnout.sh"), data.join("turnout.sh"))?;
    Ok(())
}

/// The entry that comes is on the partition already, where no menu sees it.
fn add_update(world: &World, tree: &BootTree) -> Result<()> {
    let update = functions_of(PAGE, OF_ENTRIES)?
        .replace("/usr/lib/systemd/systemd-sysupdate", "systemd_sysupdate");
    let entry = format!("sysupdate_entry='{}'\n", written_by("90-entry.conf")?);
    let script = [FIRST, &entry, &update, NAMED_SYSTEMS].concat();
    write_systems(world, tree, &["good", "os_2"], &script)?;
    tree.set_loader_conf("timeout 0\ndefault os_*\n")?;
    fs::rename(tree.host_path("loader/entries/os_2.conf"), tree.host_path("loader/new.conf"))?;
    Ok(())
}

/// Which file of the boot partition a transfer of dist/sysupdate writes for version 2:
/// systemd-sysupdate takes the first pattern of a target (sysupdate.d(5)).
fn written_by(transfer: &str) -> Result<String> {
    let file = place::tree().join("dist/sysupdate").join(transfer);
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let (_, target) = text.split_once("[Target]").context("no target")?;
    let pattern = value_of("MatchPattern", target).and_then(|line| line.split_whitespace().next());
    let name = pattern.context("no pattern")?.replace("@v", "2");
    let name = name.replace("@l", value_of("TriesLeft", target).unwrap_or("@l"));
    let name = name.replace("@d", value_of("TriesDone", target).unwrap_or("@d"));
    let directory = value_of("Path", target).context("no path")?.trim_end_matches('/');
    Ok(format!("{directory}/{name}"))
}

/// The value of a key in a section of a unit.
fn value_of<'a>(key: &str, section: &'a str) -> Option<&'a str> {
    section.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;
    use turnout::menu::bls::file_name;

    #[test]
    fn transfers_of_sysupdate_write_what_one_entry_with_three_tries_is_made_of() {
        for (transfer, expected) in [
            ("10-linux.conf", "/os_2.linux"),
            ("20-initrd.conf", "/os_2.initrd"),
            ("50-manifest.conf", "/turnout/os_2.manifest"),
            ("51-signature.conf", "/turnout/os_2.manifest.sig"),
            ("90-entry.conf", "/loader/entries/os_2+3-0.conf"),
        ] {
            assert_eq!(written_by(transfer).unwrap(), expected, "{transfer}");
        }
        let directory = place::tree().join("dist/sysupdate");
        assert_eq!(fs::read_dir(directory).unwrap().count(), 5, "one that nobody reads");
        let name = file_name::parse("os_2+3-0.conf").unwrap();
        assert_eq!(name.id, "os_2");
        assert_eq!(name.counter.map(|counter| counter.left), Some(3));
    }

    fn quoted_behind<'a>(key: &str, block: &'a str) -> Option<&'a str> {
        block.split_once(&format!("{key} = \""))?.1.split('"').next()
    }

    /// The devices are those of the slots of these tests.
    #[test]
    fn the_description_for_swupdate_writes_each_slot_to_its_device() {
        let directory = place::tree().join("dist/swupdate");
        let text = fs::read_to_string(directory.join("sw-description")).unwrap();
        let mut found = Vec::new();
        for block in text.split("slot-").skip(1) {
            let device = quoted_behind("device", block).unwrap();
            let label = device.strip_prefix("/dev/disk/by-partlabel/").unwrap();
            let slot = quoted_behind("data", block).unwrap();
            found.push(format!("slot {slot} PARTLABEL={label}\n"));
            assert!(block.contains("{ filename = \"turnout.sh\"; type = \"shellscript\";"));
        }
        assert!(directory.join("turnout.sh").is_file());
        assert_eq!(found.len(), 2, "{text}");
        assert!(UPDATED.config.ends_with(&found.concat()), "{found:?}");
    }

    #[test]
    fn every_command_of_the_page_is_run() {
        let all = [OF_RAUC, OF_BUNDLES, OF_PARTITIONS, OF_ENTRIES].concat();
        for name in page_blocks(PAGE) {
            assert!(all.contains(&name), "nobody runs the block \"{name}\"");
        }
        let scripts = [RAUC_SYSTEMS, OTHER_SYSTEMS, NAMED_SYSTEMS].concat();
        for name in [OF_RAUC, OF_PARTITIONS, OF_ENTRIES].concat() {
            assert!(block(PAGE, name).is_ok(), "{name}");
            assert!(scripts.contains(&name.replace('-', "_")), "no script calls {name}");
        }
    }
}
