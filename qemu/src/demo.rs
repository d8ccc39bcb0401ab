//! The demonstration: a disk with one good entry and two that must not boot,
//! on the terminal or chosen by a program.

use crate::accelerator;
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
use std::fs;
use std::path::Path;
use std::time::Duration;
use turnout::arch::Arch;

/// Id, what the menu shows, and the initrd of each entry.
const ENTRIES: [(&str, &str, &str); 3] = [
    ("good", "Debian GNU/Linux 12", "/initrd.img"),
    ("tampered", "Debian GNU/Linux 12, initrd changed", "/initrd-tampered.img"),
    ("unsigned", "Debian GNU/Linux 12, not signed", "/initrd.img"),
];
const DEADLINE: Duration = Duration::from_secs(180);

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
    /// Builds everything: programs, keys, the disk and the initramfs.
    pub fn prepare(arch: Arch) -> Result<Self> {
        let scratch = Scratch::new(&format!("demo-{arch}"))?;
        say("building turnout-init, mkinitramfs and turnout-sign");
        let binary = build::init(arch, &[], scratch.path())?;
        let tools = Tools::build()?;
        let kernel = Kernel::find(arch, Flavour::Cloud)?;
        say("making a key, signing the entries, building the disk");
        let key = Key::generate(&tools, scratch.path(), "demo")?;
        let tree = boot_tree(arch, &scratch, &kernel)?;
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
        println!("Ctrl-A X ends the machine; Ctrl-C goes to the guest.");
        announce(&self.machine.command(Serial::Terminal)?);
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

fn say(what: &str) {
    println!("demo: {what}");
}

fn boot_tree(arch: Arch, scratch: &Scratch, kernel: &Kernel) -> Result<BootTree> {
    let tree = BootTree::new(scratch.subdirectory("boot")?)?;
    let linux = format!("/vmlinuz-{}", kernel.release);
    tree.add_file(&linux, &kernel.image)?;
    fs::write(tree.host_path("/initrd.img"), initrd::next_system(arch, None)?)?;
    fs::copy(tree.host_path("/initrd.img"), tree.host_path("/initrd-tampered.img"))?;
    tree.set_loader_conf("timeout 10\ndefault good\n")?;
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
