//! GRUB's menus as installers leave them: a root with `/boot` inside and a `/boot` apart
//! with what grub-mkconfig writes for them, Fedora's layout, and what is to boot once.

use super::rollback::START;
use super::trust::remove_both;
use super::{AARCH64, AT_ONCE, Boot, Case, Expect, PLAIN, Partitions, Start, X86_64, case};
use crate::expect::OWN_CMDLINE;
use crate::world::{INITRD, LINUX, SECOND, World};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use turnout_qemu::boot_tree::{BootTree, console};
use turnout_qemu::grub::{FileSystem, System, environment, stub};
use turnout_qemu::guest::Flavour;
use turnout_qemu::place::cache;
use turnout_qemu::{command, disk};

/// Of the second partition's file system, and of the third's.
const SECOND_UUID: &str = "5455524e-4f55-5400-0000-000000000002";
const THIRD_UUID: &str = "5455524e-4f55-5400-0000-000000000003";
/// What the kernel's package calls its files.
const RELEASE: &str = "6.12.73+deb13-amd64";
/// One before it, which nobody boots.
const OLDER: &str = "6.12.63+deb13-amd64";

const OPEN: Boot = Boot { open: true, modules: &["vfat"], ..PLAIN };

/// A root with everything on it, found in an open image.
const DEBIAN: Case = case(
    "debian_with_boot_on_its_root",
    Boot { partitions: Partitions::Root, ..OPEN },
    debian,
    Expect::Boots { after: &["turnout: jumping to gnulinux-simple-5455524e-"] },
);

/// The named device of a locked image.
const APART: Case = case(
    "debian_with_boot_apart_locked",
    Boot {
        partitions: Partitions::BootApart,
        config: "device UUID=5455524e-4f55-5400-0000-000000000002\n\
                 wait 10\nreset-delay 1\nattempts 1\n",
        ..PLAIN
    },
    debian_with_boot_apart,
    AT_ONCE,
);

const FEDORA_SAVED: Case = case(
    "fedora_with_a_saved_entry",
    Boot { partitions: Partitions::BootApart, ..OPEN },
    fedora,
    Expect::Boots { after: &["turnout: jumping to 4f1c-6.11.4-301.fc41"] },
);

/// On one architecture of every run, on the other of the long one.
const fn in_every_run(case: Case) -> Case {
    Case { archs: X86_64, ..case }
}

const fn in_the_long_run(case: Case) -> Case {
    Case { archs: AARCH64, boot: Boot { long: true, ..case.boot }, ..case }
}

pub(super) const CASES: &[Case] = &[
    in_every_run(DEBIAN),
    in_the_long_run(DEBIAN),
    APART,
    in_every_run(FEDORA_SAVED),
    in_the_long_run(FEDORA_SAVED),
    Case {
        archs: X86_64,
        ..case(
            "next_entry_is_used_once_over_two_starts",
            Boot {
                partitions: Partitions::RootAndState,
                config: "wait 10\nreset-delay 1\nattempts 1\nrollback advisory\n",
                next_script: Some(SCRIPT),
                long: true,
                ..OPEN
            },
            debian_that_is_to_boot_once,
            Expect::Starts(ONCE),
        )
    },
    case(
        "whole_debian_13_by_its_own_menu",
        Boot { flavour: Flavour::Cloud13, partitions: Partitions::WholeDebian, long: true, ..OPEN },
        whole_debian,
        Expect::Starts(WHOLE),
    ),
];

/// systemd runs what the command line says, and turns the machine off.
const WHOLE: &[Start] =
    &[Start { says: &["turnout: jumping to gnulinux-simple-", "whole Debian 13"], ..START }];

/// A root with everything that a Debian has, as debootstrap made it, and the menu that
/// its grub-mkconfig would write for what is in its `/boot`.
fn whole_debian(world: &World, tree: &BootTree) -> Result<()> {
    remove_menu(world, tree)?;
    turnout_qemu::setup(&["--debian", "trixie", world.arch.name()])?;
    let made = cache()?.join("debian").join(world.arch.name()).join("trixie/disk.img");
    let image = beside(tree, "debian.img")?;
    let mut copy = Command::new("cp");
    command::output(copy.arg("--sparse=always").arg(made).arg(&image))?;
    let system = beside(tree, "system")?;
    fs::create_dir_all(system.join("boot"))?;
    for name in disk::names(&image, "/boot")? {
        if name.starts_with("vmlinuz-") || name.starts_with("initrd.img-") {
            fs::write(system.join("boot").join(name), "")?;
        }
    }
    let uuid = disk::uuid_of(&image)?;
    let words = format!(
        "{} systemd.run=\"/bin/echo whole Debian 13\" systemd.run_success_action=poweroff",
        console(world.arch)
    );
    let menu = System {
        directory: &system,
        root: FileSystem { uuid: &uuid, partition: 2 },
        boot: None,
        settings: &settings(&words, "0"),
    };
    menu.make_menu()?;
    disk::put(&image, &system.join("boot/grub/grub.cfg"), "/boot/grub/grub.cfg")?;
    // The guest's own names the disk that it has there.
    fs::write(system.join("fstab"), "")?;
    disk::put(&image, &system.join("fstab"), "/etc/fstab")?;
    put_stub(tree, "EFI/debian/grub.cfg", &stub(&uuid, "/boot/grub"))
}

/// What the systems do: each says which it is.
const SCRIPT: &str = r#"
echo "runs $(cat /proc/cmdline)"
turnout status | grep 'used once'
"#;

const ONCE: &[Start] = &[
    Start {
        factory: true,
        says: &["turnout: jumping to gnulinux-6.12.63+deb13-amd64-advanced-", "used once"],
        ..START
    },
    Start { says: &["turnout: jumping to gnulinux-simple-", "used once"], ..START },
];

/// A menu whose environment block nobody cleans.
fn debian_that_is_to_boot_once(world: &World, tree: &BootTree) -> Result<()> {
    debian(world, tree)?;
    let path = format!("gnulinux-advanced-{SECOND_UUID}>gnulinux-{OLDER}-advanced-{SECOND_UUID}");
    let block = environment(&format!("next_entry={path}\n"));
    Ok(fs::write(tree.host_path("boot/grub/grubenv"), block)?)
}

/// A root with everything on it; the menu is by number, and boots at once.
fn debian(world: &World, tree: &BootTree) -> Result<()> {
    remove_menu(world, tree)?;
    move_files(tree, "boot/")?;
    let words = words(world);
    let menu = System {
        directory: tree.root(),
        root: FileSystem { uuid: SECOND_UUID, partition: 2 },
        boot: None,
        settings: &settings(&words, "0"),
    };
    menu.make_menu()?;
    put_stub(tree, "EFI/debian/grub.cfg", &stub(SECOND_UUID, "/boot/grub"))?;
    expect(tree, &format!("root=UUID={SECOND_UUID} ro {}", requoted(&words)))
}

/// The same with a `/boot` that is a file system of its own, every entry of which is
/// signed.
fn debian_with_boot_apart(world: &World, tree: &BootTree) -> Result<()> {
    remove_menu(world, tree)?;
    move_files(tree, "")?;
    let system = beside(tree, "system")?;
    fs::create_dir_all(&system)?;
    symlink(tree.root(), system.join("boot"))?;
    let words = words(world);
    let menu = System {
        directory: &system,
        root: FileSystem { uuid: THIRD_UUID, partition: 3 },
        boot: Some(FileSystem { uuid: SECOND_UUID, partition: 2 }),
        settings: &settings(&words, "0"),
    };
    menu.make_menu()?;
    put_stub(tree, "EFI/debian/grub.cfg", &stub(SECOND_UUID, "/grub"))?;
    sign_all(world, tree)?;
    expect(tree, &format!("root=UUID={THIRD_UUID} ro {}", requoted(&words)))
}

/// A script looks for its device by the UUID that the directory has been given.
fn sign_all(world: &World, tree: &BootTree) -> Result<()> {
    let root = format!("boot={},uuid={SECOND_UUID}", tree.root().display());
    let mut sign = Command::new(&world.tools.sign);
    sign.arg("sign").arg("--key").arg(&world.key.private).args(["--all", "--root", &root]);
    command::output(&mut sign).map(drop)
}

/// What is to be done to the tree that every case begins with: no other menu is there.
fn remove_menu(world: &World, tree: &BootTree) -> Result<()> {
    remove_both(world, tree)?;
    Ok(fs::remove_dir_all(tree.host_path("loader"))?)
}

/// Kernel and initrd as packages call them, and another kernel.
fn move_files(tree: &BootTree, folder: &str) -> Result<()> {
    fs::create_dir_all(tree.host_path(folder))?;
    fs::rename(tree.host_path(LINUX), tree.host_path(&format!("{folder}vmlinuz-{RELEASE}")))?;
    fs::rename(tree.host_path(INITRD), tree.host_path(&format!("{folder}initrd.img-{RELEASE}")))?;
    if !folder.is_empty() {
        fs::rename(tree.host_path(SECOND), tree.host_path(&format!("{folder}{SECOND}")))?;
    }
    for name in ["vmlinuz", "initrd.img"] {
        let [new, old] = [RELEASE, OLDER].map(|it| format!("{folder}{name}-{it}"));
        fs::hard_link(tree.host_path(&new), tree.host_path(&old))?;
    }
    Ok(())
}

/// The command line that somebody wants, as a shell has it.
fn words(world: &World) -> String {
    format!("{} demo.name=good spaced=\"a  b\"", console(world.arch))
}

/// The same as GRUB's loader hands it on: the whole word is quoted.
fn requoted(words: &str) -> String {
    words.replace("spaced=\"a", "\"spaced=a")
}

/// `/etc/default/grub`. Besides the kernel's own initrd there is one more.
fn settings(words: &str, default: &str) -> String {
    let words = words.replace('"', "\\\"");
    format!(
        "GRUB_DEFAULT={default}\nGRUB_TIMEOUT=0\nGRUB_DISTRIBUTOR=Debian\n\
         GRUB_CMDLINE_LINUX=\"{words}\"\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n\
         GRUB_EARLY_INITRD_LINUX_CUSTOM=\"second.img\"\nGRUB_DISABLE_OS_PROBER=true\n"
    )
}

fn expect(tree: &BootTree, words: &str) -> Result<()> {
    Ok(fs::write(tree.host_path(OWN_CMDLINE), format!("{words} quiet"))?)
}

/// A directory beside the tree; "esp" becomes the EFI system partition.
fn beside(tree: &BootTree, name: &str) -> Result<PathBuf> {
    Ok(tree.root().parent().context("a tree without a directory")?.join(name))
}

fn put_stub(tree: &BootTree, path: &str, text: &str) -> Result<()> {
    let path = beside(tree, "esp")?.join(path);
    fs::create_dir_all(path.parent().context("a file without a directory")?)?;
    Ok(fs::write(path, text)?)
}

/// In the shape of Fedora's: entries by blscfg, with a command line that only the
/// environment block has; the saved one is not the first.
const FEDORA: &str = "\
if [ -f ${config_directory}/grubenv ]; then
  load_env -f ${config_directory}/grubenv
elif [ -s $prefix/grubenv ]; then
  load_env
fi
if [ \"${next_entry}\" ]; then
  set default=\"${next_entry}\"
  set next_entry=
  save_env next_entry
else
  set default=\"${saved_entry}\"
fi
if [ -z \"${kernelopts}\" ]; then set kernelopts=\"root=none\"; fi
insmod blscfg
blscfg
set timeout=0
";

fn fedora(world: &World, tree: &BootTree) -> Result<()> {
    remove_both(world, tree)?;
    fs::remove_dir_all(tree.host_path("loader"))?;
    fs::create_dir_all(tree.host_path("loader/entries"))?;
    fs::create_dir_all(tree.host_path("grub2"))?;
    let words = format!("{} demo.name=good quiet", console(world.arch));
    for (release, kernel) in [("6.11.4-301.fc41", LINUX), ("6.12.9-200.fc41", "/none")] {
        let text = format!(
            "title Fedora Linux ({release}) 41\nversion {release}\nlinux {kernel}\n\
             initrd {INITRD} {SECOND}\noptions $kernelopts\ngrub_users $grub_users\n\
             grub_arg --unrestricted\ngrub_class fedora\n"
        );
        fs::write(tree.host_path(&format!("loader/entries/4f1c-{release}.conf")), text)?;
    }
    fs::write(tree.host_path("grub2/grub.cfg"), FEDORA)?;
    let block = format!("saved_entry=4f1c-6.11.4-301.fc41\nkernelopts={words}\n");
    fs::write(tree.host_path("grub2/grubenv"), environment(&block))?;
    let stub = format!(
        "search --no-floppy --root-dev-only --fs-uuid --set=dev {SECOND_UUID}\n\
         set prefix=($dev)/grub2\nexport $prefix\nconfigfile $prefix/grub.cfg\n"
    );
    put_stub(tree, "EFI/fedora/grub.cfg", &stub)?;
    Ok(fs::write(tree.host_path(OWN_CMDLINE), words)?)
}
