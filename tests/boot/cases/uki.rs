//! Unified kernel images, taken apart and started whole: by the administrator's
//! command, and as an entry that somebody signed; and device tree overlays.

use super::commands::{ends, says, script};
use super::policy::version_1;
use super::trust::{remove_both, replace};
use super::{AARCH64, AT_ONCE, Boot, Case, Expect, PLAIN, case};
use crate::expect::OWN_CMDLINE;
use crate::signing::{self, BOOT};
use crate::world::{INITRD, LINUX, SECOND, World};
use anyhow::{Context, Result, ensure};
use std::fs;
use turnout::fdt::Live;
use turnout_qemu::boot_tree::{BootTree, Entry, console};
use turnout_qemu::facts::{Facts, Stage};
use turnout_qemu::{initrd, uki};

const UKI: &str = "/linux.efi";

pub(super) const CASES: &[Case] = &[
    case("uki_by_command", script(BY_COMMAND), add_uki, Expect::Tells(came_whole)),
    case("uki_as_an_entry", PLAIN, sign_uki, AT_ONCE),
    case(
        "uki_in_its_directory_boots_whole_by_profile_and_with_the_signed_addon_only",
        Boot { anchor: Some(version_1), ..PLAIN },
        sign_images,
        Expect::Boots {
            after: &[
                "refused good: ADDON_COUNT: the entry has 1 addon files, 0 were signed",
                "good@rescue",
            ],
        },
    ),
    Case {
        name: "overlay_in_the_machines_device_tree",
        archs: AARCH64,
        boot: Boot { anchor: Some(version_1), ..PLAIN },
        change: sign_overlay,
        expect: Expect::Finds { after: &[], facts: has_the_overlay },
    },
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
    let console = console(world.arch);
    // No LPIs: on a board with them the second system could load no third.
    let words = "irqchip.gicv3_nolpi=1 quiet stage=2 spaced=\"a  b\"";
    let cmdline = format!("{console} {words}\n\0");
    let sections: [(&str, &[u8]); 4] = [
        (".initrd", &tree.read(INITRD)?),
        (".cmdline", cmdline.as_bytes()),
        (".ucode", &initrd::note("/microcode", "as packed")?),
        (".linux", &tree.read(LINUX)?),
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

/// No entry file, but an image of two profiles and an addon beside it. Of the
/// first profile the image alone was signed, of the second the addon too.
fn sign_images(world: &World, tree: &BootTree) -> Result<()> {
    add_whole_uki(world, tree, &initrd::second("as signed")?)?;
    fs::remove_file(tree.host_path("loader/entries/good.conf"))?;
    let addons = "EFI/Linux/good.efi.extra.d";
    fs::create_dir_all(tree.host_path(addons))?;
    fs::rename(tree.host_path(UKI), tree.host_path("EFI/Linux/good.efi"))?;
    sign_as_it_is(world, tree, "good")?;
    let addon = format!("{addons}/more.addon.efi");
    fs::rename(tree.host_path("/more.addon.efi"), tree.host_path(&addon))?;
    sign_as_it_is(world, tree, "good@rescue")
}

/// An entry that is nothing but an image, its second profile and one addon; the
/// menu's options do not count. `second` is the addon's initrd.
pub(super) fn add_whole_uki(world: &World, tree: &BootTree, second: &[u8]) -> Result<()> {
    let own = format!("{} quiet demo.name=good", console(world.arch));
    let sections: [(&str, &[u8]); 6] = [
        (".cmdline", b"panic=1"),
        (".linux", &tree.read(LINUX)?),
        (".initrd", &tree.read(INITRD)?),
        (".profile", b"ID=first\n"),
        (".profile", b"ID=rescue\n"),
        (".cmdline", own.as_bytes()),
    ];
    fs::write(tree.host_path(UKI), uki::build(world.arch, &sections)?)?;
    let more: [(&str, &[u8]); 2] = [(".cmdline", b"addon=1\n"), (".initrd", second)];
    fs::write(tree.host_path("/more.addon.efi"), uki::build(world.arch, &more)?)?;
    fs::write(tree.host_path(OWN_CMDLINE), format!("{own} addon=1"))?;
    let entry = format!("uki {UKI}\nprofile 1\nextra /more.addon.efi\noptions init=/bin/sh\n");
    Ok(fs::write(tree.host_path("loader/entries/good.conf"), entry)?)
}

fn sign_as_it_is(world: &World, tree: &BootTree, id: &str) -> Result<()> {
    let manifest = signing::manifest(tree, id, world.arch)?.write();
    let signers = [(&world.signers.release, BOOT)];
    signing::sign(tree, &signing::path(id), &manifest, &signers)
}

fn node(name: &str, properties: &[(&str, &[u8])], children: Vec<Live>) -> Live {
    let properties =
        properties.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
    Live { name: name.to_owned(), properties, children }
}

/// An overlay that gives the root a property.
fn sign_overlay(world: &World, tree: &BootTree) -> Result<()> {
    let content = node("__overlay__", &[("turnout-overlay", b"as signed\0")], vec![]);
    let fragment = node("fragment@0", &[("target-path", b"/\0")], vec![content]);
    fs::write(tree.host_path("/a.dtbo"), node("", &[], vec![fragment]).to_blob())?;
    replace(tree, "loader/entries/good.conf", "options ", "devicetree-overlay /a.dtbo\noptions ")?;
    sign_as_it_is(world, tree, "good")
}

fn has_the_overlay(facts: &Facts) -> Result<()> {
    let found = facts.get("overlay");
    ensure!(found == Some("as signed"), "the overlay is {found:?}");
    Ok(())
}
