//! The demonstration: a disk with one good entry and two that must not boot,
//! on the terminal or chosen by a program.

use crate::accelerator;
use crate::arguments;
use crate::boot_tree::{BootTree, Entry, Image, Key, console, flip, position};
use crate::build::{self, Tools};
use crate::disk;
use crate::guest::{Flavour, Kernel};
use crate::initrd::{self, REACHED, READY, SPARE_LINE};
use crate::machine::{Bus, Machine, Serial, announce};
use crate::menu;
use crate::place::Scratch;
use crate::serial::{Console, Event, run_on_terminal};
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;
use turnout::base::arch::Arch;
use turnout::base::digest::Digest;
use turnout::choose::Item;

/// Id, what the menu shows, and the initrd of each entry.
const ENTRIES: [(&str, &str, &str); 3] = [
    ("good", "Debian GNU/Linux 12", "/initrd.img"),
    ("tampered", "Debian GNU/Linux 12, initrd changed", "/initrd-tampered.img"),
    ("unsigned", "Debian GNU/Linux 12, not signed", "/initrd.img"),
];
const DEADLINE: Duration = Duration::from_secs(180);
/// How long the menu waits for somebody who reads it for the first time.
pub const FOR_A_PERSON: Duration = Duration::from_secs(60);
/// How long it waits for a program.
pub const FOR_A_PROGRAM: Duration = Duration::from_secs(10);
/// What there is to try, said before the menu is there.
const TO_TRY: [&str; 3] = [
    "Enter boots entry 1, which ends in a shell; \"poweroff -f\" there ends the machine.",
    "Choose 2 or 3 to see a refusal, and its reason; p shows an entry's details, h all keys.",
    "Entry 1 boots by itself after 60 s. Ctrl-A X ends the machine; Ctrl-C goes to the guest.",
];

/// A machine that is ready to start, and the directory that it lives in.
#[derive(Debug)]
pub struct Demo {
    machine: Machine,
    scratch: Scratch,
}

/// How a demonstration without a person ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The next system gave its prompt and powered off.
    Reached(String),
    /// It did not; the line that says why.
    NotReached(String),
}

impl Demo {
    /// Builds everything: programs, keys, the disk and the initramfs; the menu
    /// will wait for `patience`.
    pub fn prepare(arch: Arch, patience: Duration) -> Result<Self> {
        let scratch = Scratch::new(&format!("demo-{arch}"))?;
        say("building turnout-init, mkinitramfs and turnout-sign");
        let binary = build::init(arch, &[], scratch.path())?;
        let tools = Tools::build()?;
        let kernel = Kernel::find(arch, Flavour::Cloud)?;
        say("making a key, signing the entries, building the disk");
        let key = Key::generate(&tools, scratch.path(), "demo")?;
        let tree = boot_tree(arch, &scratch, &kernel)?;
        tree.set_loader_conf(&format!("timeout {}\ndefault good\n", patience.as_secs()))?;
        sign(&tools, &key, &tree)?;
        let disk = scratch.path().join("disk.img");
        build_disk(&scratch, &tree, &disk)?;
        let initramfs = scratch.path().join("initramfs.img");
        let image = Image { ring: Some(&key.ring), ..Image::new(&binary) };
        image.write(&tools, &initramfs)?;
        let mut machine = Machine::new(arch, kernel.image, initramfs);
        machine.options = "quiet".to_owned();
        machine.disks.push((Bus::Nvme, disk));
        machine.accelerator = accelerator::choose(arch)?;
        Ok(Self { machine, scratch })
    }

    /// Runs on the terminal; gives whether QEMU ended well.
    pub fn interactive(mut self) -> Result<bool> {
        self.machine.reboot = true;
        announce(&self.machine.command(Serial::Terminal)?);
        TO_TRY.iter().for_each(|line| println!("{line}"));
        Ok(run_on_terminal(&self.machine)?.success())
    }

    /// Chooses an entry by id and waits for the next system.
    pub fn batch(self, entry: &str) -> Result<Outcome> {
        announce(&self.machine.command(Serial::Pipe)?);
        let mut console = Console::start(&self.machine, &self.scratch.path().join("transcript"))?;
        console.echo();
        let outcome = choose_and_wait(&mut console, entry);
        println!();
        outcome
    }
}

/// The demonstration's menu, once every entry has been read. Which digests the changed
/// initrd has hangs on the kernel packages: here they are stand-ins.
#[must_use]
pub fn items() -> Vec<Item> {
    let [found, signed] = ["changed", "signed"].map(|bytes| Digest::of(bytes.as_bytes()));
    let told = [
        ("ready", "signed by demo".to_owned()),
        (
            "refused(INITRD_DIGEST)",
            format!(
                "\"{}\" is not the signed file: its SHA-256 is {found}, {signed} was signed",
                ENTRIES[1].2
            ),
        ),
        (
            "refused(UNSIGNED)",
            "there is no /turnout/unsigned.manifest, and only signed entries may boot".to_owned(),
        ),
    ];
    let rows = ENTRIES.into_iter().zip(told);
    let items = rows.map(|((id, title, _), (mark, detail))| Item {
        id: id.to_owned(),
        title: title.to_owned(),
        mark: mark.to_owned(),
        detail,
        bootable: mark == "ready",
        ..Item::default()
    });
    items.collect()
}

/// The id of an entry, as somebody gave it.
///
/// # Errors
///
/// If there is no such entry.
pub fn entry(id: &OsStr) -> Result<&'static str> {
    ENTRIES.iter().map(|(known, ..)| *known).find(|known| id == *known).with_context(|| {
        let id = arguments::quoted(id);
        format!("--batch: {id} is no entry of the demo; say good, tampered or unsigned")
    })
}

fn say(what: &str) {
    println!("demo: {what}");
}

fn boot_tree(arch: Arch, scratch: &Scratch, kernel: &Kernel) -> Result<BootTree> {
    let tree = BootTree::new(scratch.subdirectory("boot")?)?;
    let linux = format!("/vmlinuz-{}", kernel.release);
    tree.add_file(&linux, &kernel.image)?;
    fs::write(tree.host_path("/initrd.img"), initrd::next_system(arch, None)?)?;
    fs::copy(tree.host_path("/initrd.img"), tree.host_path("/initrd-tampered.img"))?;
    for (id, title, initrd) in ENTRIES {
        let options = format!("{} quiet demo.name={id}", console(arch));
        tree.add_entry(&Entry { id, title, linux: &linux, initrds: &[initrd], options: &options })?;
    }
    Ok(tree)
}

/// The tampered entry is signed first and changed afterwards.
fn sign(tools: &Tools, key: &Key, tree: &BootTree) -> Result<()> {
    key.sign(tools, tree, "good", &[])?;
    key.sign(tools, tree, "tampered", &[])?;
    tree.edit("/initrd-tampered.img", |bytes| {
        let at = position(bytes, SPARE_LINE)?;
        flip(bytes, at + SPARE_LINE.len() - 1)
    })
}

fn build_disk(scratch: &Scratch, tree: &BootTree, disk: &Path) -> Result<()> {
    let esp = scratch.subdirectory("esp")?;
    disk::build(&disk::boot_partitions(esp, tree.root()), scratch.path(), disk)
}

fn choose_and_wait(console: &mut Console, entry: &str) -> Result<Outcome> {
    if let Err(error) = menu::choose(console, entry, DEADLINE) {
        return Ok(Outcome::NotReached(format!("{error:#}")));
    }
    let reached =
        match console.wait_for(&[REACHED, "turnout: refused ", "turnout: failed "], DEADLINE)? {
            Event::Seen { index: 0, line } => line,
            Event::Seen { line, .. } => return Ok(Outcome::NotReached(line)),
            other => return Ok(Outcome::NotReached(not_reached(&other, console))),
        };
    match console.wait_for(&[READY], DEADLINE)? {
        Event::Seen { .. } => {}
        other => return Ok(Outcome::NotReached(not_reached(&other, console))),
    }
    console.send(b"poweroff -f\r")?;
    let ended = console.wait_for_end(DEADLINE).context("waiting for power-off")?;
    Ok(if ended {
        Outcome::Reached(reached)
    } else {
        Outcome::NotReached("no power-off".to_owned())
    })
}

fn not_reached(event: &Event, console: &Console) -> String {
    let how = if *event == Event::Ended { "the machine ended" } else { "the deadline passed" };
    let last = console.text().lines().rev().find(|line| !line.trim().is_empty());
    format!("{how}; the last line was: {}", last.unwrap_or("(nothing)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_before_the_menu_fits_a_terminal_and_is_true() {
        assert!(TO_TRY.iter().all(|line| line.len() <= 90), "{TO_TRY:?}");
        assert!(TO_TRY.concat().contains(&format!("after {} s", FOR_A_PERSON.as_secs())));
        let error = entry(OsStr::new("best")).unwrap_err().to_string();
        assert!(ENTRIES.iter().all(|(id, ..)| error.contains(id)), "{error}");
    }
}
