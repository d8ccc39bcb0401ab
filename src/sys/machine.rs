//! What the running kernel tells about the machine: architecture, memory,
//! firmware tables, the console's UART.
//!
//! Gathered once, right before a plan is made. What these texts mean is
//! decided in [`crate::memmap`], [`crate::fdt`] and [`crate::plan`].

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use linux_raw_sys::general::__NR_getrandom;
use nix::libc;
use purgatory::{Conduit, Uart};

use super::sources::Sources;
use super::{Error, file, sealed};
use crate::base::addr::Range;
use crate::base::arch::Arch;
use crate::efi::runtime::{Region, Runtime, Systab};
use crate::fdt::{Live, Seeds};
use crate::memmap::{self, E820Entry, Iomem};
use crate::plan::{Board, Crash, Machine, Pc, Platform, Room, View};

/// The blob that build.rs made for this architecture.
pub const PURGATORY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/purgatory.bin"));

/// The physical address space.
pub const IOMEM: &str = "/proc/iomem";
/// The firmware's memory map on x86_64: a directory for each range.
pub const FIRMWARE_MAP: &str = "/sys/firmware/memmap";
/// What the running x86_64 kernel was told by its boot loader.
pub const BOOT_PARAMS: &str = "/sys/kernel/boot_params/data";
/// The device tree of the running kernel.
pub const FDT: &str = "/sys/firmware/fdt";
const MEMINFO: &str = "/proc/meminfo";
const CPUINFO: &str = "/proc/cpuinfo";
const DRM: &str = "/sys/class/drm";
const CMDLINE: &str = "/proc/cmdline";
const EFI: &str = "/sys/firmware/efi";
const RUNTIME_MAP: &str = "/sys/firmware/efi/runtime-map";
const ACTIVE_CONSOLES: &str = "/sys/class/tty/console/active";
/// Bytes of /proc/cpuinfo that surely hold the first CPU's flags. The whole file
/// grows with the CPUs, beyond any limit that a text file should have.
const FIRST_CPU: u64 = 16 << 10;
/// The largest device tree blob that arm64 accepts is 2 MiB.
const MAX_FDT: u64 = 2 << 20;
/// Of a machine whose boot_params nobody brought: all zeros, so that nothing is
/// handed over from them.
const NO_BOOT_PARAMS: usize = 4096;
/// Zeros in place of randomness: the plan of a machine that is only described
/// comes out the same every time.
const NO_SEEDS: Seeds = Seeds { kaslr: [0; 8], rng: [0; 128] };

const CPUS: &str = "/sys/devices/system/cpu";
const VMCOREINFO: &str = "/sys/kernel/vmcoreinfo";
const KCORE: &str = "/proc/kcore";
/// Bytes of /proc/kcore that surely hold its program headers, on any machine
/// with fewer than 140 pieces of memory. Behind them lies all of memory.
const KCORE_HEADERS: u64 = 8 << 10;
const DEVICE_TREE: &str = "/proc/device-tree";
/// Nodes within nodes, as many as Linux takes.
const MAX_TREE_DEPTH: usize = 64;

/// `uname(2)`: release of the running kernel, as `uname -r` gives it.
#[must_use]
pub fn release() -> String {
    let name = nix::sys::utsname::uname();
    name.map_or_else(|_| String::new(), |name| name.release().to_string_lossy().into_owned())
}

/// `/proc/meminfo`: how long a file may be that is only looked at, in bytes, and how much
/// it may unpack to: half of what is available.
#[must_use]
pub fn memory_for_files() -> u64 {
    room().available / 2
}

/// `/proc/meminfo`: the memory that there is now.
#[must_use]
pub fn room() -> Room {
    room_of(&file::read_text(MEMINFO).unwrap_or_default())
}

/// What /proc/meminfo says. Of the memory that is set aside for devices the kernel
/// has none for itself: neither what is free of it nor what it would get back of
/// what it keeps of files on disks, wherever that lies. Files of a file system in
/// memory (an initramfs, and `Cached`) are not among what is available at all.
fn room_of(text: &str) -> Room {
    let bytes = |key| kilobytes_in(text, key).unwrap_or(0);
    let available = bytes("MemAvailable:");
    let free = bytes("CmaFree:");
    let cached = bytes("Active(file):").saturating_add(bytes("Inactive(file):"));
    let cached = cached.min(bytes("CmaTotal:").saturating_sub(free));
    let for_kernel = available.saturating_sub(free).saturating_sub(cached);
    Room { available, for_kernel, total: bytes("MemTotal:") }
}

/// `/proc/meminfo`: the memory that there would be if nothing of an entry had been read or
/// unpacked: before another entry is read, that is given up. To be asked for before the
/// first one is read too.
#[must_use]
pub fn room_without_files() -> Room {
    static LEAST: AtomicU64 = AtomicU64::new(u64::MAX);
    let unpacked = beyond_least(&LEAST, own_memory());
    without(room(), sealed::held().saturating_add(unpacked))
}

/// By how much this is more than the least that ever was.
fn beyond_least(least: &AtomicU64, now: u64) -> u64 {
    now.saturating_sub(least.fetch_min(now, Ordering::Relaxed))
}

/// Once so many bytes are given up.
const fn without(room: Room, bytes: u64) -> Room {
    Room {
        available: room.available.saturating_add(bytes),
        for_kernel: room.for_kernel.saturating_add(bytes),
        ..room
    }
}

/// What this process has for itself, beside memory files, in bytes.
fn own_memory() -> u64 {
    kilobytes("/proc/self/status", "RssAnon:").unwrap_or(0)
}

/// `/sys/class/tty/console/active`: the consoles that the kernel has, such as `tty0` or
/// `ttyS0`.
#[must_use]
pub fn consoles() -> Vec<String> {
    let active = file::read_line("/sys/class/tty/console/active").unwrap_or_default();
    active.split_ascii_whitespace().map(str::to_owned).collect()
}

/// A line of /proc/meminfo, in bytes.
fn meminfo(key: &str) -> Option<u64> {
    kilobytes(MEMINFO, key)
}

/// `/proc/self/status`: most memory that this process ever had resident, in bytes.
#[must_use]
pub fn peak_memory() -> u64 {
    kilobytes("/proc/self/status", "VmHWM:").unwrap_or(0)
}

fn kilobytes(path: &str, key: &str) -> Option<u64> {
    kilobytes_in(&file::read_text(path).ok()?, key)
}

fn kilobytes_in(text: &str, key: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().trim_end_matches(" kB").parse::<u64>().ok()?.checked_mul(1024)
}

/// `read(2)`, `getrandom(2)`: all that a plan needs to know of a machine of the
/// architecture that its sources are of: whoever gives that as a constant has no code for
/// the others.
///
/// # Errors
/// A source that is missing or cannot be understood, with its name.
pub fn survey(arch: Arch, sources: &Sources) -> Result<Machine, Error> {
    let iomem = iomem(sources)?;
    let page_size = page_size(sources);
    let cpu = optional(sources, sources.read_start(CPUINFO, FIRST_CPU))?.unwrap_or_default();
    Ok(Machine {
        page_size,
        total_ram: total_ram(sources, &iomem),
        free: iomem.free(page_size),
        seeds: if sources.is_live() { seeds() } else { Some(NO_SEEDS) },
        uart: if sources.is_live() { uart() } else { Uart::None },
        sha_instructions: has_sha_instructions(arch, &cpu),
        keep_page_tables: has_encrypted_memory(&cpu),
        crash: None,
        platform: match arch {
            Arch::X86_64 => Platform::Pc(pc(sources, &iomem, &cpu)?),
            Arch::Aarch64 => Platform::Board(board(sources)?),
        },
    })
}

/// What a crash kernel must be told. What the running kernel does not show is
/// missing from a dump, but no reason to have none.
///
/// # Errors
/// /proc/iomem cannot be read.
pub fn crash(sources: &Sources) -> Result<Crash, Error> {
    let iomem = iomem(sources)?;
    let cpus = sources.names(CPUS).unwrap_or_default();
    Ok(Crash {
        reserved: iomem.crash_kernel(),
        ram: iomem.ram(),
        code: iomem.kernel_code(),
        notes: cpus.iter().filter_map(|cpu| crash_notes(sources, cpu)).collect(),
        vmcoreinfo: sources.read_line(VMCOREINFO).ok().as_deref().and_then(vmcoreinfo),
        views: sources
            .read_first(KCORE, KCORE_HEADERS)
            .map_or(vec![], |start| View::of_kcore(&start)),
    })
}

/// Address in hexadecimal, size in decimal.
fn crash_notes(sources: &Sources, cpu: &str) -> Option<Range> {
    let start = sources.read_line(&format!("{CPUS}/{cpu}/crash_notes")).ok()?;
    let size = sources.read_line(&format!("{CPUS}/{cpu}/crash_notes_size")).ok()?;
    Range::with_len(u64::from_str_radix(&start, 16).ok()?, size.parse().ok()?)
}

/// Address with 0x, size in hexadecimal without.
fn vmcoreinfo(line: &str) -> Option<Range> {
    let (start, size) = line.split_once(' ')?;
    let start = u64::from_str_radix(start.strip_prefix("0x")?, 16).ok()?;
    Range::with_len(start, u64::from_str_radix(size, 16).ok()?)
}

fn unreadable(path: &str, error: impl core::error::Error) -> Error {
    Error::new(path, io::Error::other(error.to_string()))
}

fn iomem(sources: &Sources) -> Result<Iomem, Error> {
    Iomem::parse(&sources.read_text(IOMEM)?).map_err(|error| unreadable(IOMEM, error))
}

/// `MemTotal`; of a machine that is only described, all its RAM.
fn total_ram(sources: &Sources, iomem: &Iomem) -> u64 {
    if sources.is_live() {
        return meminfo("MemTotal:").unwrap_or(0);
    }
    iomem.ram().iter().fold(0_u64, |sum, range| sum.saturating_add(range.len()))
}

fn page_size(sources: &Sources) -> u64 {
    let own = if sources.is_live() { own_page_size() } else { None };
    sources.page_size.or(own).unwrap_or(4096)
}

fn own_page_size() -> Option<u64> {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten()?;
    u64::try_from(size).ok()
}

/// Random bytes, if the kernel has any yet; a boot never waits for them.
fn seeds() -> Option<Seeds> {
    let mut kaslr = [0; 8];
    let mut rng = [0; 128];
    (random(&mut kaslr) && random(&mut rng)).then_some(Seeds { kaslr, rng })
}

/// `getrandom(2)`: bytes that nobody can guess; none if the kernel has none yet.
#[must_use]
pub fn unguessable() -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    random(&mut bytes).then_some(bytes)
}

fn random(bytes: &mut [u8]) -> bool {
    // By number: the standard library names the C function as a weak symbol,
    // and link-time optimisation then leaves it at address 0 in a static binary.
    let call = libc::c_long::from(__NR_getrandom);
    // SAFETY: the kernel writes at most `len` bytes to the slice, which is
    // writable for the call.
    let count =
        unsafe { libc::syscall(call, bytes.as_mut_ptr(), bytes.len(), libc::GRND_NONBLOCK) };
    usize::try_from(count) == Ok(bytes.len())
}

/// Whether /proc/cpuinfo lists all that the purgatory's SHA-256 needs.
fn has_sha_instructions(arch: Arch, cpu: &str) -> bool {
    let needed: &[&str] = match arch {
        Arch::X86_64 => &["sha_ni", "ssse3", "sse4_1"],
        Arch::Aarch64 => &["sha2"],
    };
    needed.iter().all(|flag| cpu.split_ascii_whitespace().any(|word| word == *flag))
}

/// Whether memory is encrypted, which only the running kernel's page tables
/// know how to say: AMD SME and SEV, Intel TDX.
fn has_encrypted_memory(cpu: &str) -> bool {
    let mut flags = cpu.split_ascii_whitespace();
    flags.any(|flag| flag == "sme" || flag == "tdx_guest" || flag.starts_with("sev"))
}

fn pc(sources: &Sources, iomem: &Iomem, cpu: &str) -> Result<Pc, Error> {
    let boot_params = optional(sources, sources.read_bytes(BOOT_PARAMS, file::MAX_TEXT))?;
    let systab = sources.read_text(&format!("{EFI}/systab")).unwrap_or_default();
    let systab = Systab::parse(&systab);
    Ok(Pc {
        firmware_map: firmware_map(sources, iomem)?,
        boot_params: boot_params.unwrap_or_else(|| vec![0; NO_BOOT_PARAMS]),
        acpi_rsdp: systab.acpi,
        efi: efi_runtime(sources, systab),
        five_level_paging: cpu.split_ascii_whitespace().any(|flag| flag == "la57"),
        display_untouched: is_display_untouched(sources),
    })
}

fn efi_runtime(sources: &Sources, systab: Systab) -> Option<Runtime> {
    let fw_vendor = sources.read_number(&format!("{EFI}/fw_vendor"));
    let config_table = sources.read_number(&format!("{EFI}/config_table"));
    let names = sources.names(RUNTIME_MAP).ok()?;
    let regions = names.iter().map(|name| efi_region(sources, name)).collect::<Option<_>>()?;
    Runtime::new(fw_vendor, config_table, systab.smbios, regions)
}

fn efi_region(sources: &Sources, name: &str) -> Option<Region> {
    Some(Region {
        kind: u32::try_from(region_number(sources, name, "type")?).ok()?,
        physical: region_number(sources, name, "phys_addr")?,
        mapped_at: region_number(sources, name, "virt_addr")?,
        pages: region_number(sources, name, "num_pages")?,
        attribute: region_number(sources, name, "attribute")?,
    })
}

fn region_number(sources: &Sources, region: &str, attribute: &str) -> Option<u64> {
    sources.read_number(&format!("{RUNTIME_MAP}/{region}/{attribute}"))
}

/// Whether no display has another driver than simpledrm, which leaves the
/// firmware's framebuffer as it is. Connectors are there too: `card0-HDMI-A-1`.
fn is_display_untouched(sources: &Sources) -> bool {
    let names = sources.names(DRM).unwrap_or_default();
    let mut cards = names.iter().filter(|name| name.starts_with("card") && !name.contains('-'));
    cards.all(|card| {
        let device = sources.read_text(&format!("{DRM}/{card}/device/uevent"));
        device.unwrap_or_default().lines().any(|line| line == "DRIVER=simple-framebuffer")
    })
}

/// What a machine that is only described need not have.
fn optional<T>(sources: &Sources, found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Err(error) if !sources.is_live() && error.is_absence() => Ok(None),
        other => other.map(Some),
    }
}

/// The firmware's own map; where the kernel does not show it, or shows it without
/// what EFI had to add, what /proc/iomem says of it.
fn firmware_map(sources: &Sources, iomem: &Iomem) -> Result<Vec<E820Entry>, Error> {
    let cmdline = sources.read_text(CMDLINE).unwrap_or_default();
    if cmdline.split_ascii_whitespace().any(|word| word == "add_efi_memmap") {
        return Ok(iomem.firmware_map());
    }
    let names = match sources.names(FIRMWARE_MAP) {
        Err(error) if error.is_absence() => return Ok(iomem.firmware_map()),
        other => other?,
    };
    let entries: Vec<(u64, u64, String)> =
        names.iter().map(|name| firmware_entry(sources, name)).collect::<Result<_, _>>()?;
    memmap::firmware_map(entries.iter().map(|(start, end, kind)| (*start, *end, kind.as_str())))
        .map_err(|error| unreadable(FIRMWARE_MAP, error))
}

fn firmware_entry(sources: &Sources, name: &str) -> Result<(u64, u64, String), Error> {
    let start = firmware_number(sources, format!("{FIRMWARE_MAP}/{name}/start"))?;
    let end = firmware_number(sources, format!("{FIRMWARE_MAP}/{name}/end"))?;
    Ok((start, end, sources.read_line(&format!("{FIRMWARE_MAP}/{name}/type"))?))
}

fn firmware_number(sources: &Sources, path: String) -> Result<u64, Error> {
    let number = sources.read_number(&path);
    number.ok_or_else(|| Error::new(path, io::Error::other("not a number")))
}

fn board(sources: &Sources) -> Result<Board, Error> {
    let (fdt, rebuilt) = match sources.read_bytes(FDT, MAX_FDT) {
        Err(error) if error.is_absence() => (rebuilt_tree(sources).ok_or(error)?, true),
        other => (other?, false),
    };
    let cmdline = sources.read_text(CMDLINE).ok();
    Ok(Board { fdt, rebuilt, cmdline, acpi_conduit: acpi_conduit(sources) })
}

/// The kernel hides its blob when it has changed since the start. `None` if it
/// shows no tree either.
fn rebuilt_tree(sources: &Sources) -> Option<Vec<u8>> {
    let root = live_node(sources, DEVICE_TREE, String::new(), MAX_TREE_DEPTH)?;
    Some(root.to_blob())
}

fn live_node(sources: &Sources, path: &str, name: String, depth: usize) -> Option<Live> {
    let mut node = Live { name, ..Live::default() };
    for name in sources.names(path).ok()? {
        let path = format!("{path}/{name}");
        match live_node(sources, &path, name.clone(), depth.checked_sub(1)?) {
            Some(child) => node.children.push(child),
            None => node.properties.push((name, sources.read_bytes(&path, MAX_FDT).ok()?)),
        }
    }
    Some(node)
}

/// FADT, field ARM_BOOT_ARCH: bit 0 says PSCI, bit 1 says HVC (ACPI 6.5,
/// section 5.2.9).
fn acpi_conduit(sources: &Sources) -> Option<Conduit> {
    let fadt = sources.read_bytes("/sys/firmware/acpi/tables/FACP", file::MAX_TEXT).ok()?;
    match fadt.get(129).map(|flags| flags & 3) {
        Some(3) => Some(Conduit::Hvc),
        Some(1) => Some(Conduit::Smc),
        _ => None,
    }
}

/// The UART of the console that /dev/console is: the last that is active.
fn uart() -> Uart {
    let active = file::read_line(ACTIVE_CONSOLES).unwrap_or_default();
    active.split_whitespace().rev().find_map(uart_of).unwrap_or(Uart::None)
}

fn uart_of(tty: &str) -> Option<Uart> {
    match (tty, tty_address(tty, "port"), tty_address(tty, "iomem_base")) {
        (name, Some(port @ 1..), _) if name.starts_with("ttyS") => {
            u16::try_from(port).ok().map(|port| Uart::Port8250 { port })
        }
        (name, _, Some(address @ 1..)) if name.starts_with("ttyAMA") => {
            Some(Uart::Pl011 { address })
        }
        (name, _, Some(address @ 1..)) if name.starts_with("ttyS") => {
            let shift = file::read_number(format!("/sys/class/tty/{tty}/iomem_reg_shift"))?;
            let shift = u8::try_from(shift).ok()?;
            Some(Uart::Mmio8250 { address, shift })
        }
        _ => None,
    }
}

/// In hexadecimal.
fn tty_address(tty: &str, attribute: &str) -> Option<u64> {
    let text = file::read_line(format!("/sys/class/tty/{tty}/{attribute}")).ok()?;
    u64::from_str_radix(text.trim_start_matches("0x").trim_start_matches("0X"), 16).ok()
}

/// `sysconf(3)`: how many processors are at work.
#[must_use]
pub fn processors() -> usize {
    let count = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN).ok().flatten();
    count.and_then(|count| usize::try_from(count).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_how_much_memory_there_is() {
        let Room { available, for_kernel, total } = room();
        assert!(for_kernel > 0 && for_kernel <= available && available <= total);
        assert!(memory_for_files() > 0);
        assert!(peak_memory() > 0);
        assert_eq!(kilobytes("/proc/meminfo", "NoSuchKey:"), None);
    }

    #[test]
    fn memory_for_devices_is_not_the_kernels() {
        let text = "MemTotal: 220 kB\nMemAvailable: 200 kB\nActive(file): 5 kB\n\
                    Inactive(file): 20 kB\n";
        let all = Room { available: 200 << 10, for_kernel: 200 << 10, total: 220 << 10 };
        assert_eq!(room_of(text), all);
        let some = format!("{text}CmaTotal: 64 kB\nCmaFree: 50 kB\n");
        assert_eq!(room_of(&some), Room { for_kernel: (200 - 50 - 14) << 10, ..all });
        let more = format!("{text}CmaTotal: 64 kB\nCmaFree: 10 kB\n");
        assert_eq!(room_of(&more), Room { for_kernel: (200 - 10 - 25) << 10, ..all });
    }

    #[test]
    fn what_is_prepared_beside_a_menu_is_given_up_before_another_entry_is_read() {
        let least = AtomicU64::new(u64::MAX);
        assert_eq!([6, 90, 5, 70].map(|now| beyond_least(&least, now)), [0, 84, 0, 65]);
        let room = Room { available: 10, for_kernel: 4, total: 220 };
        let all = Room { available: 75, for_kernel: 69, total: 220 };
        assert_eq!(without(room, 65), all);
        let kernel = vec![1_u8; 48 << 20];
        assert!(own_memory() >= kernel.len() as u64);
    }

    /// The lines that count and those beside them, of a board with 256 MiB whose
    /// initramfs of 24 MiB lies in ramfs.
    const BOARD: &str = "\
MemTotal:         218736 kB
MemFree:          171880 kB
MemAvailable:     160928 kB
Buffers:             312 kB
Cached:            27640 kB
SwapCached:            0 kB
Active:              148 kB
Inactive:           2788 kB
Active(anon):          4 kB
Inactive(anon):      632 kB
Active(file):        144 kB
Inactive(file):     2156 kB
Unevictable:       25024 kB
Mlocked:               0 kB
Shmem:               628 kB
CmaTotal:          65536 kB
CmaFree:           40960 kB
";

    #[test]
    fn an_initramfs_takes_nothing_of_what_is_available() {
        let available = 160_928 << 10;
        let for_kernel = available - ((40_960 + 144 + 2156) << 10);
        assert_eq!(room_of(BOARD), Room { available, for_kernel, total: 218_736 << 10 });
    }

    #[test]
    fn the_start_of_a_long_file_is_enough() {
        let start = file::read_start("/proc/cpuinfo", 16).unwrap();
        assert_eq!(start.len(), 16);
    }

    #[test]
    fn a_tree_of_files_makes_a_blob_where_the_kernel_shows_none() {
        let files = std::env::temp_dir().join(format!("turnout-tree-{}", std::process::id()));
        std::fs::create_dir_all(files.join("psci")).unwrap();
        std::fs::write(files.join("psci/method"), b"smc\0").unwrap();
        std::fs::write(files.join("psci/name"), b"psci\0").unwrap();
        let there = Sources::described(Arch::Aarch64, None, vec![(DEVICE_TREE, files.clone())]);
        let board = super::board(&there).unwrap();
        let fdt = crate::fdt::Fdt::parse(&board.fdt).unwrap();
        assert_eq!((board.rebuilt, fdt.psci_conduit()), (true, Some(Conduit::Smc)));
        let nowhere = Sources::described(Arch::Aarch64, None, vec![("/nowhere", files.clone())]);
        let missing = super::board(&nowhere).unwrap_err();
        assert_eq!(missing.what, FDT);
        std::fs::remove_dir_all(files).unwrap();
    }

    #[test]
    fn the_places_of_a_crashs_notes_are_read_in_the_kernels_own_number_formats() {
        let range = Range::with_len(0x120_2000, 0x1024);
        assert_eq!(vmcoreinfo("0x0000000001202000 1024"), range);
        assert_eq!(["1202000 1024", "0x1202000", "0xg 1"].map(vmcoreinfo), [None; 3]);
        let files = std::env::temp_dir().join(format!("turnout-cpus-{}", std::process::id()));
        std::fs::create_dir_all(files.join("cpu0")).unwrap();
        std::fs::write(files.join("cpu0/crash_notes"), "7fc3a400\n").unwrap();
        std::fs::write(files.join("cpu0/crash_notes_size"), "368\n").unwrap();
        let sources = Sources::described(Arch::X86_64, None, vec![(CPUS, files.clone())]);
        assert_eq!(crash_notes(&sources, "cpu0"), Range::with_len(0x7fc3_a400, 368));
        assert_eq!(crash_notes(&sources, "cpufreq"), None);
        std::fs::remove_dir_all(files).unwrap();
    }

    #[test]
    fn there_is_randomness_on_a_machine_that_has_been_up() {
        let seeds = seeds().unwrap();
        assert_ne!(seeds.rng, [0; 128]);
    }

    #[test]
    fn the_blob_is_one_that_takes_a_block() {
        let mut blob = PURGATORY.to_vec();
        let mut block = purgatory::Block::new(0x100_0000, 0x2000);
        let region = purgatory::Region { start: 0x100_0000, len: 1 };
        assert_eq!(block.add_check("linux", [0; 32], &[region]), Ok(()));
        assert_eq!(purgatory::install(&mut blob, &block), Ok(()));
    }
}
