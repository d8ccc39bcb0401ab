//! What all cases of one architecture share: programs, keys and kernels; and
//! how a case turns them into a disk and a machine.

use crate::cases::{Anchor, Boot, Case, Expect, Further, Partitions};
use crate::described;
use crate::recipe::Recipe;
use crate::signing::Signers;
use crate::stick;
use anyhow::{Context, Result};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use turnout::base::arch::Arch;
use turnout::base::digest::Digest;
use turnout_qemu::boot_tree::{
    BootTree, Entry, Image, Key, VIRTIO_MODULES, console, doubled_esp, secure_esp,
};
use turnout_qemu::build::{self, Tools};
use turnout_qemu::command;
use turnout_qemu::disk::{self, Content, Layout, Partition, Table, Type};
use turnout_qemu::guest::{self, Flavour, Kernel};
use turnout_qemu::initrd;
use turnout_qemu::machine::{Accelerator, Bus, Firmware, Machine};
use turnout_qemu::nbd::{Answer, Fault, Server};
use turnout_qemu::place::{Scratch, cargo_target};
use turnout_qemu::tpm::{ARM64_MODULES, SoftTpm};

pub(crate) const LINUX: &str = "/vmlinuz";
pub(crate) const INITRD: &str = "/initrd.img";
pub(crate) const SECOND: &str = "/second.img";
/// How often the name of a further disk is its kernel: some 100 KiB of it.
const NO_KERNEL: usize = 16 << 10;
/// Number of the boot partition of [`Partitions::Boot`].
pub(crate) const BOOT_PARTITION: usize = 2;
/// Number of the state area of [`Partitions::State`].
pub(crate) const STATE_PARTITION: usize = 3;

pub(crate) struct World {
    pub(crate) arch: Arch,
    pub(crate) tools: Tools,
    pub(crate) key: Key,
    pub(crate) signers: Signers,
    scratch: Scratch,
    transcripts: PathBuf,
    binary: PathBuf,
    /// Built by the first case that needs it, as is what follows.
    hooked_binary: Mutex<Option<PathBuf>>,
    commands: Mutex<Option<PathBuf>>,
    /// Held while an image is made that several cases share.
    universal: Mutex<()>,
    initrd: Vec<u8>,
}

/// A case's boot partition and machine, ready to start.
pub(crate) struct Prepared {
    pub(crate) tree: BootTree,
    pub(crate) machine: Machine,
    pub(crate) transcript: PathBuf,
    pub(crate) disk: PathBuf,
    /// The disk's server, where it lies.
    pub(crate) liar: Option<Liar>,
    /// Ended with the case.
    _tpm: Option<SoftTpm>,
    directory: PathBuf,
}

/// What serves a disk that lies, and where that must be read only once.
pub(crate) struct Liar {
    pub(crate) server: Server,
    pub(crate) true_once: Vec<(&'static str, Range<u64>)>,
}

impl Prepared {
    /// A TPM that has kept what the one before it was told to keep.
    pub(crate) fn start_tpm(&self) -> Result<SoftTpm> {
        SoftTpm::start(&self.directory.join("tpm"))
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.directory));
    }
}

impl World {
    pub(crate) fn build(arch: Arch, tools: Tools) -> Result<Self> {
        let scratch = Scratch::new(&format!("boot-tests-{arch}"))?;
        let ticks = build::guest_program(arch, "ticks", "ticks", &[])?;
        let transcripts = cargo_target().join("boot-tests");
        fs::create_dir_all(&transcripts)?;
        Ok(Self {
            arch,
            key: Key::generate(&tools, scratch.path(), "trusted")?,
            signers: Signers::new()?,
            binary: build::init(arch, &[], scratch.path())?,
            hooked_binary: Mutex::default(),
            commands: Mutex::default(),
            universal: Mutex::default(),
            initrd: initrd::next_system(arch, Some(&ticks))?,
            tools,
            scratch,
            transcripts,
        })
    }

    pub(crate) fn prepare(&self, case: &Case) -> Result<Prepared> {
        let directory = self.scratch.subdirectory(case.name)?;
        let kernel = Kernel::find(self.arch, case.boot.flavour)?;
        let next = Kernel::find(self.arch, case.boot.next.unwrap_or(case.boot.flavour))?;
        let tree = self.boot_tree(case, &next, &directory)?;
        (case.change)(self, &tree).context("preparing the boot partition")?;
        let initramfs = directory.join("initramfs.img");
        let mut machine = self.machine(case, kernel.image.clone(), initramfs.clone(), &directory);
        match case.boot.script {
            Some(_) => fs::copy(tree.host_path(INITRD), &initramfs).map(drop)?,
            None if case.boot.recipe => {
                let made = self.recipe(&kernel, &tree, &directory)?.follow()?;
                fs::rename(made, &initramfs)?;
            }
            None => self.write_images(case, &kernel, &tree, &machine)?,
        }
        let disk = directory.join("disk.img");
        let partitions = partitions(&case.boot, &tree, &machine, &directory)?;
        let table = match case.boot.partitions {
            Partitions::StateOfMbr => Table::Mbr,
            _ => Table::Gpt,
        };
        let bus = case.boot.bus.unwrap_or(bus(case.boot.flavour));
        disk::build_as(&layout(table, bus, 0), &partitions, &directory, &disk)?;
        let socket = directory.join("nbd");
        let liar = liar(case, &disk, &socket)?;
        let attached = if liar.is_some() {
            format!("nbd:unix:{}", socket.display()).into()
        } else {
            disk.clone()
        };
        machine.disks.push((bus, attached));
        for (further, number) in case.boot.further.iter().zip(1..) {
            let image = self.further_disk(further, number, &directory)?;
            machine.disks.push((further.bus, image));
        }
        if case.boot.stick {
            stick::add(&self.tools, &tree, &mut machine)?;
        }
        (case.boot.more_disks)(&disk, &mut machine).context("building further disks")?;
        // One that ends with its machine would be of no use to the next start.
        let once = case.boot.tpm && !matches!(case.expect, Expect::Starts(_));
        let tpm = once.then(|| SoftTpm::start(&directory.join("tpm"))).transpose()?;
        machine.tpm = tpm.as_ref().map(|tpm| tpm.socket().to_owned());
        if machine.shape.firmware == Firmware::Efi && matches!(case.expect, Expect::Starts(_)) {
            let kept = directory.join("variables.fd");
            fs::copy(guest::efi_firmware(self.arch)?.1, &kept)?;
            machine.variables = Some(kept);
        }
        let transcript = self.transcripts.join(format!("{}-{}.log", self.arch, case.name));
        Ok(Prepared { tree, machine, transcript, disk, liar, _tpm: tpm, directory })
    }

    fn recipe<'a>(
        &'a self,
        kernel: &'a Kernel,
        tree: &'a BootTree,
        directory: &Path,
    ) -> Result<Recipe<'a>> {
        let directory = directory.join("recipe");
        fs::create_dir_all(&directory)?;
        Ok(Recipe { tools: &self.tools, init: &self.binary, kernel, tree, directory })
    }

    /// The machine of a case, still without its disk.
    fn machine(
        &self,
        case: &Case,
        kernel: PathBuf,
        initramfs: PathBuf,
        directory: &Path,
    ) -> Machine {
        let mut machine = Machine::new(self.arch, kernel, initramfs);
        let options = format!("quiet turnout.ticks {}", case.boot.first_options);
        options.trim_end().clone_into(&mut machine.options);
        if case.boot.script.is_some() {
            // PID 1 is a shell, which sets nothing.
            machine.options.push_str(" panic=-1");
        }
        machine.keeps_writes = true;
        machine.shape = case.boot.shape;
        if case.boot.counted {
            machine.accelerator = Accelerator::Counted;
        }
        if case.boot.keyboard {
            machine.monitor = Some(directory.join("monitor"));
        }
        if case.boot.second_line {
            machine.second_line = Some(directory.join("second-line"));
        }
        machine
    }

    /// One signed entry, "good", with two initrds.
    fn boot_tree(&self, case: &Case, kernel: &Kernel, directory: &Path) -> Result<BootTree> {
        let tree = BootTree::new(directory.join("boot"))?;
        tree.add_file(LINUX, &kernel.image)?;
        match case.boot.script.or(case.boot.next_script) {
            Some(script) => {
                let running = initrd::running(kernel, &self.commands()?, script)?;
                fs::write(tree.host_path(INITRD), running)?;
            }
            None => fs::write(tree.host_path(INITRD), &self.initrd)?,
        }
        let second = match case.expect {
            Expect::Finds { .. } => initrd::second_with_facts("as signed", kernel)?,
            _ => initrd::second("as signed")?,
        };
        fs::write(tree.host_path(SECOND), second)?;
        tree.set_loader_conf(case.boot.loader_conf)?;
        self.add_entry_with(&tree, "good", case.boot.next_options)?;
        self.key.sign(&self.tools, &tree, "good", &[])?;
        Ok(tree)
    }

    /// Builds a disk that does not boot.
    fn further_disk(&self, further: &Further, number: u16, directory: &Path) -> Result<PathBuf> {
        let directory = directory.join(further.id);
        let tree = BootTree::new(directory.join("boot"))?;
        fs::write(tree.host_path(LINUX), further.id.repeat(NO_KERNEL))?;
        tree.set_loader_conf("timeout menu-force\n")?;
        let Further { id, .. } = *further;
        tree.add_entry(&Entry { id, title: id, linux: LINUX, initrds: &[], options: "quiet" })?;
        self.key.sign(&self.tools, &tree, id, &["--architecture", self.arch.name()])?;
        let image = directory.join("disk.img");
        let partition = boot_of((further.holds)(tree.root().to_owned()));
        let layout = layout(Table::Gpt, further.bus, number);
        disk::build_as(&layout, &[partition], &directory, &image)?;
        Ok(image)
    }

    /// Adds an entry like "good", not signed.
    pub(crate) fn add_entry(&self, tree: &BootTree, id: &str) -> Result<()> {
        self.add_entry_with(tree, id, "")
    }

    pub(crate) fn add_entry_with(&self, tree: &BootTree, id: &str, more: &str) -> Result<()> {
        let options = format!("{} quiet demo.name={id} spaced=\"a  b\" {more}", console(self.arch));
        let options = options.trim_end();
        let initrds = [INITRD, SECOND];
        let title = format!("Entry {id}");
        tree.add_entry(&Entry { id, title: &title, linux: LINUX, initrds: &initrds, options })
    }

    /// What `turnout-sign predict` says of an entry.
    pub(crate) fn predict(&self, tree: &BootTree, entry: &str) -> Result<String> {
        let mut predict = Command::new(&self.tools.sign);
        predict.args(["predict", "--measure-uki", "--keys"]).arg(&self.key.ring);
        command::output(predict.arg("--root").arg(tree.root()).arg(entry))
    }

    fn binary(&self, case: &Case) -> Result<PathBuf> {
        if !case.boot.hooks {
            return Ok(self.binary.clone());
        }
        once(&self.hooked_binary, || build::init(self.arch, &["test-hooks"], self.scratch.path()))
    }

    /// What the scripts of a running system call.
    pub(crate) fn commands(&self) -> Result<PathBuf> {
        once(&self.commands, || build::commands(self.arch))
    }

    /// The image, and beside it the factory's where a case has use for one.
    fn write_images(
        &self,
        case: &Case,
        kernel: &Kernel,
        tree: &BootTree,
        machine: &Machine,
    ) -> Result<()> {
        let out = &machine.initramfs;
        let config = case.boot.config;
        let anchor = case.boot.anchor.map(|anchor| anchor(self, tree)).transpose()?;
        let anchor = anchor.as_ref();
        if let Expect::Starts(_) = case.expect {
            let config = format!("{config}provision yes\n");
            self.write_image(case, kernel, &config, anchor, &factory_image(out), &[])?;
        }
        if case.boot.universal {
            return self.copy_universal(case, kernel, out);
        }
        let more = if case.boot.stick { stick::arguments(machine)? } else { Vec::new() };
        self.write_image(case, kernel, config, anchor, out, &more)
    }

    /// The image that all such cases of a kernel share, made by the first of them.
    fn copy_universal(&self, case: &Case, kernel: &Kernel, out: &Path) -> Result<()> {
        let kept =
            format!("universal-{}-{}", kernel.release, Digest::of(case.boot.config.as_bytes()));
        let kept = self.scratch.path().join(kept);
        let _alone = self.universal.lock().unwrap_or_else(PoisonError::into_inner);
        if !kept.exists() {
            let start = Instant::now();
            self.write_image(case, kernel, case.boot.config, None, &kept, &[])?;
            let took = start.elapsed().as_secs_f32();
            let image = fs::read(&kept)?;
            let Kernel { release, .. } = kernel;
            println!("time   the universal image of {release}: {took:.1} s, {} bytes", image.len());
            described::check(&image, self.arch).with_context(|| release.clone())?;
        }
        fs::copy(&kept, out).map(drop).context("copying the universal image")
    }

    fn write_image(
        &self,
        case: &Case,
        kernel: &Kernel,
        config: &str,
        anchor: Option<&Anchor>,
        out: &Path,
        more: &[String],
    ) -> Result<()> {
        let modules = modules(self.arch, case);
        // xz sees through as much as the kernel does.
        let names_kernel = !modules.is_empty() || case.boot.universal || case.boot.compress == "xz";
        let [ring, policy] = ["ring", "policy"].map(|extension| out.with_extension(extension));
        if let Some(anchor) = anchor {
            fs::write(&ring, &anchor.ring)?;
            fs::write(&policy, &anchor.policy)?;
        }
        let ring = if anchor.is_some() { &ring } else { &self.key.ring };
        let binary = self.binary(case)?;
        let image = Image {
            ring: (!case.boot.open).then_some(ring.as_path()),
            policy: anchor.map(|_| policy.as_path()),
            modules: names_kernel.then_some((kernel, modules.as_slice())),
            universal: case.boot.universal,
            config,
            compress: case.boot.compress,
            hooks: case.boot.hooks,
            more,
            ..Image::new(&binary)
        };
        image.write(&self.tools, out)
    }
}

/// What was built before, or is now.
fn once(made: &Mutex<Option<PathBuf>>, make: impl FnOnce() -> Result<PathBuf>) -> Result<PathBuf> {
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = made.as_ref() {
        return Ok(path.clone());
    }
    Ok(made.insert(make()?).clone())
}

/// Where the factory's image lies beside the other one.
pub(crate) fn factory_image(image: &Path) -> PathBuf {
    image.with_extension("factory.img")
}

/// Starts to serve the disk of a case that has it lie about some files.
fn liar(case: &Case, disk: &Path, socket: &Path) -> Result<Option<Liar>> {
    if case.boot.lies.is_empty() {
        return Ok(None);
    }
    let (mut faults, mut true_once) = (Vec::new(), Vec::new());
    for (path, answer) in case.boot.lies {
        for place in disk::places(disk, BOOT_PARTITION, path)? {
            if *answer == Answer::TrueOnce {
                true_once.push((*path, place.clone()));
            }
            faults.push(Fault { place, answer: *answer });
        }
    }
    let server = Server::start(disk, socket, faults)?;
    Ok(Some(Liar { server, true_once }))
}

/// Cards have a power of two bytes, and UFS has long blocks.
const fn layout(table: Table, bus: Bus, number: u16) -> Layout {
    let sector = if matches!(bus, Bus::Ufs) { 4096 } else { 512 };
    Layout { sector, number, power_of_two: matches!(bus, Bus::SdCard), ..Layout::first(table) }
}

/// The cloud kernels have NVMe and ext4 built in, the generic ones nothing.
const fn bus(flavour: Flavour) -> Bus {
    if flavour.is_generic() { Bus::Virtio } else { Bus::Nvme }
}

fn modules(arch: Arch, case: &Case) -> Vec<&'static str> {
    let mut modules = Vec::new();
    if case.boot.universal {
        return case.boot.modules.to_vec();
    }
    if case.boot.flavour.is_generic() {
        modules.extend(VIRTIO_MODULES);
    }
    if case.boot.keyboard && arch == Arch::Aarch64 {
        modules.extend(["virtio_pci", "virtio_input"]);
    }
    if case.boot.tpm && arch == Arch::Aarch64 {
        modules.extend(ARM64_MODULES);
    }
    modules.extend(case.boot.modules);
    modules
}

fn partitions(
    boot: &Boot,
    tree: &BootTree,
    machine: &Machine,
    directory: &Path,
) -> Result<Vec<Partition>> {
    let [empty, esp] = ["empty", "esp"].map(|name| directory.join(name));
    fs::create_dir_all(&empty)?;
    fs::create_dir_all(&esp)?;
    if machine.shape.firmware == Firmware::SecureBoot && !boot.stick {
        secure_esp(&esp, machine)?;
    }
    Ok(match boot.partitions {
        Partitions::Boot => disk::boot_partitions(esp, tree.root()).into(),
        Partitions::Empty => disk::boot_partitions(esp, &empty).into(),
        Partitions::State | Partitions::StateOfMbr => disk::boot_partitions(esp, tree.root())
            .into_iter()
            .chain([disk::state_area()])
            .collect(),
        Partitions::Slots => {
            let a = system("system-a", tree.root().to_owned());
            let b = system("system-b", directory.join("b"));
            vec![esp_of(esp), a, b, system("rescue", directory.join("rescue")), disk::state_area()]
        }
        Partitions::Holding(file_system) => {
            vec![esp_of(esp), boot_of(file_system(tree.root().to_owned()))]
        }
        Partitions::Only(file_system) => vec![boot_of(file_system(tree.root().to_owned()))],
        Partitions::Root => vec![esp_of(esp), linux("debian", tree.root())],
        Partitions::WholeDebian => {
            let content = Content::Image(directory.join("debian.img"));
            let root = Partition { kind: Type::Linux, label: "debian", content };
            vec![esp_of(esp), root]
        }
        Partitions::RootAndState => {
            vec![esp_of(esp), linux("debian", tree.root()), disk::state_area()]
        }
        Partitions::BootApart => {
            vec![esp_of(esp), linux("boot", tree.root()), linux("root", &empty)]
        }
        Partitions::DoubledEsp => {
            doubled_esp(&esp, machine)?;
            let [esp, boot] = disk::boot_partitions(esp, tree.root());
            vec![esp, boot, disk::state_area()]
        }
        Partitions::Updated => {
            let [a, b] = ["a", "b"].map(|name| directory.join(format!("{name}.img")));
            let [a, b] = [("system-a", a), ("system-b", b)].map(|(label, image)| Partition {
                kind: Type::Xbootldr,
                label,
                content: Content::Image(image),
            });
            let data = linux("data", &directory.join("data"));
            vec![esp_of(esp), a, b, disk::state_area(), data]
        }
        Partitions::Releases => vec![
            esp_of(esp),
            linux("releases", tree.root()),
            system("slot-a", tree.root().with_file_name("slot-a")),
            system("slot-b", partition_b(tree)),
            disk::state_area(),
        ],
        Partitions::Other => {
            vec![linux("data", tree.root())]
        }
    })
}

const fn esp_of(files: PathBuf) -> Partition {
    Partition { kind: Type::Esp, label: "ESP", content: Content::Fat(files) }
}

const fn boot_of(content: Content) -> Partition {
    Partition { kind: Type::Xbootldr, label: "XBOOTLDR", content }
}

/// A boot partition, of one of several systems.
const fn system(label: &'static str, files: PathBuf) -> Partition {
    Partition { kind: Type::Xbootldr, label, content: Content::Ext4(files) }
}

/// What the second slot of [`Partitions::Releases`] begins with.
pub(crate) fn partition_b(tree: &BootTree) -> PathBuf {
    tree.root().with_file_name("slot-b")
}

/// Where the state area of [`Partitions::Releases`] begins, in bytes.
pub(crate) fn area_of(disk: &Path) -> Result<u64> {
    const STATE_BEHIND_SLOTS: usize = 5;
    disk::start_of(disk, STATE_BEHIND_SLOTS)
}

/// A partition of no boot loader.
fn linux(label: &'static str, files: &Path) -> Partition {
    Partition { kind: Type::Linux, label, content: Content::Ext4(files.to_owned()) }
}
