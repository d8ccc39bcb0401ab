//! Reads one entry of a boot partition that is mounted, or being built, at a
//! directory: what its menu says, as the device reads it, and every file that it
//! names. Other directories stand for devices that the menu may name.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use turnout::base::arch::Arch;
use turnout::bundle::{Blob, Bundle};
use turnout::menu::bls;
use turnout::menu::{
    self, Budget, Code, Device, Diagnostic, Entry, Group, Identity, Menu, Metered, Sight, Target,
};
use turnout::source::directory::{self, Directory};
use turnout::sys::machine;
use turnout::sys::mounted::{self, Mounted};
use turnout::sys::read::Root;
use turnout::trust::slots::SlotValues;

use crate::signing::progress::Progress;
use turnout::base::similar::similar;

/// Name of the format of GRUB's menus.
const GRUB: &str = "grub";

/// How much is read between two looks at the progress, in bytes.
const CHUNK: usize = 1 << 20;

/// Those of machines that have menus.
const ARCHITECTURES: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

/// The boot partition, and other devices that its menus may name.
#[derive(Debug)]
pub struct Roots(Vec<Opened>);

/// A directory, and what it stands for.
#[derive(Debug)]
struct Opened {
    identity: Identity,
    path: PathBuf,
    files: Root,
    /// Whether a device is mounted on this very directory.
    is_mounted: bool,
    /// Whether its menus may lie in its subvolumes.
    is_btrfs_top: bool,
}

impl Opened {
    fn open(directory: &Directory) -> Result<Self> {
        let mounted = mounted::at(&directory.path);
        let is_mounted = mounted.is_some();
        let Mounted { identity, subvolume, is_btrfs_top } = mounted.unwrap_or_default();
        let files = open(&directory.path)?.of_subvolume(subvolume);
        let identity = directory.known(identity);
        Ok(Self { identity, path: directory.path.clone(), files, is_mounted, is_btrfs_top })
    }
}

impl Roots {
    /// Each as `--root` takes it; the boot partition first.
    ///
    /// # Errors
    /// A value that is none, or there is none at all.
    pub fn parse(values: &[String]) -> Result<Self> {
        let mut all = Vec::new();
        for value in values {
            directory::add(&mut all, OsStr::new(value)).map_err(|why| anyhow!(why))?;
        }
        ensure!(!all.is_empty(), "--root names no boot partition");
        Ok(Self(all.iter().map(Opened::open).collect::<Result<_>>()?))
    }

    /// The boot partition's directory.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.0.first().map_or(Path::new("."), |first| &first.path)
    }

    /// The device that a path of an entry is on.
    fn of(&self, path: &str) -> Option<&Opened> {
        let named = menu::split(path);
        let named =
            named.and_then(|(name, _)| self.0.iter().find(|one| one.identity.name() == name));
        named.or(self.0.first())
    }

    /// The directory that a path of an entry is below.
    fn directory(&self, path: &str) -> &Path {
        self.of(path).map_or(self.home(), |one| &one.path)
    }

    /// The file that a path of an entry means.
    #[must_use]
    pub fn place(&self, path: &str) -> Option<PathBuf> {
        let root = self.of(path)?;
        let inside = root.files.inside(menu::on_device(path));
        Some(root.path.join(inside.trim_start_matches('/')))
    }

    /// Whether a file that a manifest names, which names no device, is on any of them.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        let mut places = self
            .0
            .iter()
            .map(|root| root.path.join(root.files.inside(path).trim_start_matches('/')));
        places.any(|place| place.exists())
    }

    /// The file that a path of an entry means, if it is one of that device, as PID 1 reads
    /// it: what is linked from elsewhere is none.
    ///
    /// # Errors
    /// It cannot be opened, or is no such file.
    pub fn open(&self, path: &str) -> Result<File> {
        let root = self.of(path).context("there is no root")?;
        let opened = root.files.file(menu::on_device(path));
        let shown = self.place(path).unwrap_or_default();
        opened
            .map_err(|error| anyhow!(error.source))
            .with_context(|| format!("cannot read {}", shown.display()))
    }

    /// The menus of the boot partition, for machines of each architecture.
    fn menus(&self, boards: &[String]) -> Result<[Menu; 2]> {
        let (home, others) = self.0.split_first().context("there is no root")?;
        let others = others.iter().map(|one| Device { identity: &one.identity, files: &one.files });
        let others: Vec<_> = others.collect();
        let sight = Sight { others: &others, ..Sight::alone(&home.identity) };
        Ok(ARCHITECTURES.map(|arch| {
            let budget = Budget::default();
            let files = Metered::menus(&home.files, &budget).seeing(sight);
            let target = Target::new(arch, boards);
            match home.is_btrfs_top {
                true => menu::read_subvolumes(&files, &target),
                false => menu::read_below(&files, &target, ""),
            }
        }))
    }

    /// What to do about an entry of a menu of GRUB that cannot boot, or names a file
    /// that is not there, to follow on the reason.
    fn advice(&self, entry: &Entry) -> String {
        let home = self.home().display();
        let is_of_root = entry.files().any(|path| menu::on_device(path).starts_with("/boot/"));
        let is_boot = self.home().ends_with("boot");
        let is_mounted = self.0.first().is_some_and(|home| home.is_mounted);
        if entry.format.name() != GRUB {
            String::new()
        } else if is_boot && is_of_root && !is_mounted {
            format!("; its paths begin above {home}: name the directory above it with --root")
        } else if entry.problems.iter().any(|problem| problem.code == Code::Device) {
            format!(
                "; say by what its menu knows the device of {home}: --root NAME={home},uuid=U; \
                 and give one more --root for each other device"
            )
        } else {
            String::new()
        }
    }
}

/// An entry and its files.
#[derive(Debug, Clone)]
pub struct BootEntry {
    /// The directory that its manifest is below: that of the file which gives it.
    pub root: PathBuf,
    /// The menu entry.
    pub entry: Entry,
    /// Its files, each read once.
    pub bundle: Bundle<Vec<u8>>,
    /// What is filled into its signed command line.
    pub values: SlotValues,
}

/// The ids of all entries of the boot partition, sorted; without rows that load nothing
/// (`fwsetup` in a menu of GRUB): there is nothing to sign.
///
/// # Errors
/// There is no menu, or nothing in it.
pub fn all(roots: &Roots) -> Result<Vec<String>> {
    let menus = roots.menus(&[])?;
    let loading = entries(&menus).filter(|entry| !loads_nothing(entry));
    let mut ids: Vec<_> = loading.map(|entry| entry.id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    let home = roots.home().display();
    ensure!(!ids.is_empty(), "there is no entry in {home}{}", why(&menus));
    Ok(ids)
}

/// The menu of the boot partition as a machine reads it.
#[derive(Debug)]
pub struct Order {
    /// What may boot, in the order in which it is tried: the default first.
    pub entries: Vec<Entry>,
    /// Id of the default.
    pub default: Option<String>,
}

impl Order {
    /// Whether there is an entry of this id.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.entries.iter().any(|entry| entry.id == id)
    }
}

/// What a machine of this architecture tries, without rows that load nothing.
///
/// # Errors
/// There is no menu, or nothing in it.
pub fn in_order(roots: &Roots, arch: Arch) -> Result<Order> {
    let menus = roots.menus(&[])?;
    let home = roots.home().display();
    let why = why(&menus);
    let menu = menus.into_iter().zip(ARCHITECTURES).find(|(_, of)| *of == arch);
    let menu = menu.map(|(menu, _)| menu::merge(vec![(Group::default(), menu)]));
    let menu = menu.unwrap_or_default();
    let at = menu.default.unwrap_or_default();
    let count = menu.entries.len();
    let tried = menu.fallback.iter().copied().chain(at..count).chain(0..at);
    let tried = menu.default.into_iter().chain(tried);
    let tried = tried.filter_map(|index| menu.entries.get(index));
    let default = menu.default.and_then(|index| menu.entries.get(index));
    let default = default.map(|entry| entry.id.clone());
    let mut order = Order { entries: Vec::new(), default };
    for entry in tried.filter(|entry| !loads_nothing(entry)) {
        if !order.has(&entry.id) {
            order.entries.push(entry.clone());
        }
    }
    ensure!(!order.entries.is_empty(), "there is no entry in {home}{why}");
    Ok(order)
}

/// Of GRUB also what switches off, restarts or leads to another menu.
fn loads_nothing(entry: &Entry) -> bool {
    let is_grub = entry.format.name() == GRUB;
    entry.files().next().is_none()
        && entry.problems.iter().any(|problem| {
            problem.code == Code::UnsupportedKey || (is_grub && problem.code == Code::NoKernel)
        })
}

/// Words that may have the system give a shell without asking for a password
/// (kernel-command-line(7), systemd-debug-generator(8), sulogin(8), initramfs-tools(7),
/// dracut.cmdline(7), friendly-recovery).
const SHELLS: [&str; 15] = [
    "single",
    "recovery",
    "rescue",
    "emergency",
    "S",
    "s",
    "-S",
    "-s",
    "-b",
    "1",
    "break",
    "rd.break",
    "rd.shell",
    "systemd.debug_shell",
    "rd.systemd.debug_shell",
];
/// How further ones begin.
const SHELL_STARTS: [&str; 14] = [
    "init=",
    "rdinit=",
    "break=",
    "rd.break=",
    "rd.shell=",
    "systemd.unit=rescue",
    "systemd.unit=emergency",
    "rd.systemd.unit=rescue",
    "rd.systemd.unit=emergency",
    "systemd.debug_shell=",
    "rd.systemd.debug_shell=",
    "systemd.wants=debug-shell",
    "systemd.run=",
    "SYSTEMD_SULOGIN_FORCE=",
];

/// The word of a command line that may have the system give a shell without asking for
/// a password. Quotes are left out, as the kernel does, which takes `-` for `_` too.
#[must_use]
pub fn shell(options: &str) -> Option<&str> {
    options.split_ascii_whitespace().find(|word| {
        let word = word.replace('"', "");
        let (name, value) = word.split_at(word.find('=').unwrap_or(word.len()));
        let plain = format!("{}{value}", name.replace("debug-shell", "debug_shell"));
        let is_off = ["=0", "=no", "=off", "=false"].contains(&value);
        let begins = |start: &&str| plain.starts_with(*start);
        !is_off && (SHELLS.contains(&plain.as_str()) || SHELL_STARTS.iter().any(begins))
    })
}

/// Reads the entry `id` of the boot partition. `boards` are what the machine is
/// compatible with, for a menu that names a directory of device trees.
///
/// # Errors
/// No such entry, more than one, one that cannot boot, or a file that cannot
/// be read.
pub fn read(roots: &Roots, id: &str, boards: &[String]) -> Result<BootEntry> {
    let menus = roots.menus(boards)?;
    if let Some(end) = diagnostics(&menus).find(|one| one.code == Code::Budget) {
        bail!("{end}; sign on a partition that has less beside its menus");
    }
    let Some(entry) = entries(&menus).find(|entry| entry.id == id) else {
        return Err(not_found(roots.home(), id, &menus));
    };
    if let Some(twice) = diagnostics(&menus).find(|one| is_another(one, id)) {
        bail!("two files give the entry {id}: {} and {}; remove one", entry.file, twice.file);
    }
    if let Some(problem) = entry.problems.first() {
        bail!("the entry cannot boot: {problem}{}", roots.advice(entry));
    }
    let bundle =
        bundle(roots, entry).with_context(|| format!("{}{}", entry.file, roots.advice(entry)))?;
    let root = roots.directory(&entry.file).to_owned();
    Ok(BootEntry { root, values: menus_values(entry), entry: entry.clone(), bundle })
}

/// What the menu says of the slots in the command line.
fn menus_values(entry: &Entry) -> SlotValues {
    let tries = entry.counter.map(|counter| counter.left);
    SlotValues { tries, name: entry.slot.clone(), token: None }
}

fn open(directory: &Path) -> Result<Root> {
    let path = directory.to_str();
    let path = path.with_context(|| format!("{}: not UTF-8", directory.display()))?;
    Root::open(path).map_err(|error| {
        anyhow!("cannot read {error}; --root takes the root of the boot partition")
    })
}

fn entries(menus: &[Menu]) -> impl Iterator<Item = &Entry> {
    menus.iter().flat_map(|menu| &menu.entries)
}

/// What was left out, but for what is only in the other menu.
fn diagnostics(menus: &[Menu]) -> impl Iterator<Item = &Diagnostic> {
    let all = menus.iter().flat_map(|menu| &menu.diagnostics);
    all.filter(|diagnostic| diagnostic.code != Code::Architecture)
}

/// Whether a file was left out because another gives the same entry.
fn is_another(diagnostic: &Diagnostic, id: &str) -> bool {
    diagnostic.code == Code::DuplicateId && diagnostic.detail.contains(&format!("\"{id}\""))
}

fn not_found(root: &Path, id: &str, menus: &[Menu]) -> anyhow::Error {
    let ids: Vec<_> =
        entries(menus.get(..1).unwrap_or_default()).map(|entry| entry.id.as_str()).collect();
    let mut near = similar(id, ids.iter().copied());
    if near.is_empty() {
        near = ids.into_iter().take(8).collect();
    }
    let there = if near.is_empty() { "nothing".to_owned() } else { near.join(", ") };
    anyhow!("there is no entry {id} in {}; there is {there}{}", root.display(), why(menus))
}

/// What was left out of the menu, to follow on a sentence.
fn why(menus: &[Menu]) -> String {
    diagnostics(menus.get(..1).unwrap_or_default()).map(|one| format!("; {one}")).collect()
}

fn bundle(roots: &Roots, entry: &Entry) -> Result<Bundle<Vec<u8>>> {
    Ok(Bundle {
        entry: entry.id.clone(),
        linux: blob(roots, entry.kernel().context("the entry names no kernel")?)?,
        profile: entry.uki.as_ref().map(|_| entry.profile.unwrap_or_default()),
        addons: blobs(roots, &entry.addons)?,
        initrds: blobs(roots, &entry.initrds)?,
        devicetree: entry.devicetree.as_ref().map(|path| blob(roots, path)).transpose()?,
        overlays: blobs(roots, &entry.overlays)?,
        options: entry.options.clone(),
    })
}

fn blobs(roots: &Roots, paths: &[String]) -> Result<Vec<Blob<Vec<u8>>>> {
    paths.iter().map(|path| blob(roots, path)).collect()
}

/// Reads a file once; the digest is of the bytes that were read. It is called as on
/// its own device: a manifest is the same on every machine.
fn blob(roots: &Roots, path: &str) -> Result<Blob<Vec<u8>>> {
    let file = roots.open(path)?;
    let from = roots.place(path).unwrap_or_default();
    let path = menu::on_device(path);
    let bytes = read_large(file, path);
    let bytes = bytes.with_context(|| format!("cannot read {}", from.display()))?;
    Ok(Blob::hash(path, bytes))
}

fn read_large(mut file: File, name: &str) -> Result<Vec<u8>> {
    let size = file.metadata()?.len();
    let available = machine::room().available;
    ensure!(size <= available, "it has {size} bytes, and there is memory for {available}");
    let mut progress = Progress::new(name, size);
    let mut bytes = Vec::new();
    while file.by_ref().take(CHUNK as u64).read_to_end(&mut bytes)? > 0 {
        progress.at(bytes.len() as u64);
    }
    Ok(bytes)
}

impl BootEntry {
    /// Lets go of the files' bytes; what was found of them stays.
    #[must_use]
    pub fn without_bytes(mut self) -> Self {
        let bundle = &mut self.bundle;
        let lists = [&mut bundle.initrds, &mut bundle.overlays, &mut bundle.addons];
        let blobs = lists.into_iter().flatten().chain(&mut bundle.devicetree);
        blobs.chain([&mut bundle.linux]).for_each(|blob| blob.bytes = Vec::new());
        self
    }

    /// The architecture that the entry is for: `asked`, what the kernel image
    /// looks like, and the entry's own `architecture` must agree as far as they
    /// say anything. `None` if none does.
    ///
    /// # Errors
    /// Two of them differ.
    pub fn architecture(&self, asked: Option<Arch>) -> Result<Option<Arch>> {
        let linux = &self.bundle.linux;
        let image = kernel_architecture(&linux.bytes);
        let Some(arch) = asked.or(image).or_else(|| self.named_architecture()) else {
            return Ok(None);
        };
        if let Some(image) = image {
            ensure!(image == arch, "{} is a kernel for {image}, not for {arch}", linux.path);
        }
        bls::entry::check_architecture(self.entry.clone(), arch)
            .map_err(|problem| anyhow::anyhow!("{problem}"))?;
        Ok(Some(arch))
    }

    /// The same, for a manifest, which must name one.
    ///
    /// # Errors
    /// Two of them differ, or none says anything.
    pub fn plain_architecture(&self, asked: Option<Arch>) -> Result<Arch> {
        self.architecture(asked)?.with_context(|| {
            format!(
                "{} is no kernel image that tells its architecture; give --architecture x86_64 or \
                 aarch64",
                self.bundle.linux.path
            )
        })
    }

    fn named_architecture(&self) -> Option<Arch> {
        self.entry.architecture.as_ref()?;
        [Arch::X86_64, Arch::Aarch64]
            .into_iter()
            .find(|arch| bls::entry::check_architecture(self.entry.clone(), *arch).is_ok())
    }
}

/// The architecture of a kernel image with the header of x86's boot protocol
/// ("HdrS" at 0x202) or arm64's ("ARM\x64" at 0x38), or of an EFI program.
fn kernel_architecture(image: &[u8]) -> Option<Arch> {
    if image.get(0x202..0x206) == Some(b"HdrS") {
        Some(Arch::X86_64)
    } else if image.get(0x38..0x3c) == Some(b"ARM\x64") {
        Some(Arch::Aarch64)
    } else {
        efi_architecture(image)
    }
}

/// The machine of a PE file (PE format, section 3.3.1), as unified kernel images
/// and zboot images are.
fn efi_architecture(image: &[u8]) -> Option<Arch> {
    let header = image.get(0x3c..0x40).filter(|_| image.starts_with(b"MZ"))?;
    let header = usize::try_from(u32::from_le_bytes(header.try_into().ok()?)).ok()?;
    let header = image.get(header..)?;
    match header.get(..6)? {
        b"PE\0\0\x64\x86" => Some(Arch::X86_64),
        b"PE\0\0\x64\xaa" => Some(Arch::Aarch64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(arch: Arch) -> Vec<u8> {
        let mut image = vec![0; 0x400];
        match arch {
            Arch::X86_64 => image[0x202..0x206].copy_from_slice(b"HdrS"),
            Arch::Aarch64 => image[0x38..0x3c].copy_from_slice(b"ARM\x64"),
        }
        image
    }

    fn entry(conf: &str, linux: Vec<u8>) -> BootEntry {
        let files = menu::Memory::default();
        let budget = menu::Budget::default();
        let budget = &menu::Metered::menus(&files, &budget);
        let known = bls::entry::Known { variables: &menu::Variables::default(), budget };
        let entry = bls::entry::parse("x.conf", conf.as_bytes(), &known).unwrap();
        let bundle = Bundle {
            entry: "x".to_owned(),
            linux: Blob::hash("/k", linux),
            profile: None,
            addons: Vec::new(),
            initrds: Vec::new(),
            devicetree: None,
            overlays: Vec::new(),
            options: String::new(),
        };
        BootEntry { root: PathBuf::from("."), entry, bundle, values: SlotValues::default() }
    }

    #[test]
    fn what_may_give_a_shell_is_told_by_its_word() {
        for word in [
            "single",
            "\"single\"",
            "\"init=/bin/sh\"",
            "init=\"/bin/sh\"",
            "-b",
            "s",
            "break",
            "break=top",
            "rd.break",
            "rd.shell",
            "systemd.debug-shell",
            "systemd.debug_shell=ttyS0",
            "rd.systemd.debug-shell=1",
            "systemd.wants=debug-shell.service",
            "systemd.run=/bin/sh",
            "SYSTEMD_SULOGIN_FORCE=1",
        ] {
            let options = format!("root=/dev/vda ro {word} quiet");
            assert_eq!(shell(&options), Some(word));
        }
        assert_eq!(
            shell("root=/dev/vda ro quiet breakfast rd.shell=0 systemd.debug_shell=no"),
            None
        );
    }

    #[test]
    fn the_kernel_image_tells_its_architecture() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            assert_eq!(entry("linux /k", image(arch)).plain_architecture(None).unwrap(), arch);
        }
    }

    #[test]
    fn an_efi_program_tells_its_architecture_too() {
        for (machine, arch) in [(0x8664_u16, Arch::X86_64), (0xaa64, Arch::Aarch64)] {
            let mut image = vec![0; 0x80];
            image[..2].copy_from_slice(b"MZ");
            image[0x3c] = 0x40;
            image[0x40..0x44].copy_from_slice(b"PE\0\0");
            image[0x44..0x46].copy_from_slice(&machine.to_le_bytes());
            assert_eq!(kernel_architecture(&image), Some(arch));
            image[0x3c] = 0x7f;
            assert_eq!(kernel_architecture(&image), None, "the header is outside");
        }
    }

    #[test]
    fn an_unknown_image_needs_the_entry_or_the_command_line_to_say_it() {
        let error = entry("linux /k", vec![0; 9]).plain_architecture(None).unwrap_err().to_string();
        assert!(error.contains("--architecture"), "{error}");
        let named = entry("linux /k\narchitecture AA64", vec![0; 9]);
        assert_eq!(named.plain_architecture(None).unwrap(), Arch::Aarch64);
        let plain = entry("linux /k", vec![0; 9]);
        assert_eq!(plain.plain_architecture(Some(Arch::X86_64)).unwrap(), Arch::X86_64);
    }

    #[test]
    fn what_is_said_twice_must_agree() {
        let error = |conf, asked| {
            entry(conf, image(Arch::X86_64)).plain_architecture(asked).unwrap_err().to_string()
        };
        let asked = error("linux /k", Some(Arch::Aarch64));
        assert_eq!(asked, "/k is a kernel for x86_64, not for aarch64");
        let named = error("linux /k\narchitecture aa64", None);
        assert!(named.contains("the entry is for \"aa64\""), "{named}");
    }
}
