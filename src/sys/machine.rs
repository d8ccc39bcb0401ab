//! What the running kernel tells about the machine: architecture, memory,
//! firmware tables, the console's UART.
//!
//! Gathered once, right before a plan is made. What these texts mean is
//! decided in [`crate::memmap`], [`crate::fdt`] and [`crate::plan`].

use std::io;

use linux_raw_sys::general::__NR_getrandom;
use nix::libc;
use purgatory::{Conduit, Uart};

use super::{Error, file};
use crate::arch::Arch;
use crate::fdt::Seeds;
use crate::memmap::{self, E820Entry, Iomem};
use crate::plan::{Board, Machine, Pc, Platform};
use crate::plan::{Facts, Lockdown};

/// The blob that build.rs made for this architecture.
pub const PURGATORY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/purgatory.bin"));

const FIRMWARE_MAP: &str = "/sys/firmware/memmap";
const SYSTAB: &str = "/sys/firmware/efi/systab";
const ACTIVE_CONSOLES: &str = "/sys/class/tty/console/active";
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";
/// Bytes of /proc/cpuinfo that surely hold the first CPU's flags. The whole file
/// grows with the CPUs, beyond any limit that a text file should have.
const FIRST_CPU: u64 = 16 << 10;
/// The largest device tree blob that arm64 accepts is 2 MiB.
const MAX_FDT: u64 = 2 << 20;

/// What this program was compiled for, and therefore runs on.
#[must_use]
pub const fn arch() -> Arch {
    if cfg!(target_arch = "aarch64") { Arch::Aarch64 } else { Arch::X86_64 }
}

/// Release of the running kernel, as `uname -r` gives it.
#[must_use]
pub fn release() -> String {
    let name = nix::sys::utsname::uname();
    name.map_or_else(|_| String::new(), |name| name.release().to_string_lossy().into_owned())
}

/// How long one file of an entry may be, in bytes: half of what is available,
/// because the kernel makes a copy when it loads.
#[must_use]
pub fn memory_for_files() -> u64 {
    meminfo("MemAvailable:").map_or(0, |bytes| bytes / 2)
}

/// A line of /proc/meminfo, in bytes.
fn meminfo(key: &str) -> Option<u64> {
    kilobytes("/proc/meminfo", key)
}

/// Most memory that this process ever had resident, in bytes.
#[must_use]
pub fn peak_memory() -> u64 {
    kilobytes("/proc/self/status", "VmHWM:").unwrap_or(0)
}

fn kilobytes(path: &str, key: &str) -> Option<u64> {
    let text = file::read_text(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    value.trim().trim_end_matches(" kB").parse::<u64>().ok()?.checked_mul(1024)
}

/// What bears on the choice between the two system calls.
#[must_use]
pub fn facts(devicetree: bool) -> Facts {
    super::mount::security_file_system();
    let lockdown = file::read_text(LOCKDOWN).ok();
    Facts {
        arch: arch(),
        kexec_file_load: super::kexec::has_file_load(),
        kexec_load: super::kexec::has_load(),
        lockdown: lockdown.as_deref().and_then(Lockdown::parse),
        devicetree,
    }
}

/// All that a plan needs to know.
///
/// # Errors
/// A source that is missing or cannot be understood, with its name.
pub fn survey() -> Result<Machine, Error> {
    let iomem = iomem()?;
    let page_size = page_size();
    Ok(Machine {
        page_size,
        total_ram: meminfo("MemTotal:").unwrap_or(0),
        free: iomem.free(page_size),
        seeds: seeds(),
        uart: uart(),
        platform: match arch() {
            Arch::X86_64 => Platform::Pc(pc(&iomem)?),
            Arch::Aarch64 => Platform::Board(board()?),
        },
    })
}

fn unreadable(path: &str, error: impl core::error::Error) -> Error {
    Error::new(path, io::Error::other(error.to_string()))
}

fn iomem() -> Result<Iomem, Error> {
    const PATH: &str = "/proc/iomem";
    Iomem::parse(&file::read_text(PATH)?).map_err(|error| unreadable(PATH, error))
}

fn page_size() -> u64 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(4096)
}

/// Random bytes, if the kernel has any yet; a boot never waits for them.
fn seeds() -> Option<Seeds> {
    let (mut kaslr, mut rng) = ([0; 8], [0; 128]);
    (random(&mut kaslr) && random(&mut rng)).then_some(Seeds { kaslr, rng })
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

fn pc(iomem: &Iomem) -> Result<Pc, Error> {
    let cpu = file::read_start("/proc/cpuinfo", FIRST_CPU)?;
    Ok(Pc {
        firmware_map: firmware_map(iomem)?,
        boot_params: file::read_bytes("/sys/kernel/boot_params/data".as_ref(), file::MAX_TEXT)?,
        acpi_rsdp: file::read_text(SYSTAB).ok().as_deref().and_then(rsdp),
        five_level_paging: cpu.split_ascii_whitespace().any(|flag| flag == "la57"),
        display_untouched: file::names("/sys/class/drm").map_or(true, |names| names.is_empty()),
    })
}

/// The firmware's own map; where the kernel does not show it, what /proc/iomem
/// says of it.
fn firmware_map(iomem: &Iomem) -> Result<Vec<E820Entry>, Error> {
    let Ok(names) = file::names(FIRMWARE_MAP) else { return Ok(iomem.firmware_map()) };
    let entries: Vec<(u64, u64, String)> =
        names.iter().map(|name| firmware_entry(name)).collect::<Result<_, _>>()?;
    memmap::firmware_map(entries.iter().map(|(start, end, kind)| (*start, *end, kind.as_str())))
        .map_err(|error| unreadable(FIRMWARE_MAP, error))
}

fn firmware_entry(name: &str) -> Result<(u64, u64, String), Error> {
    let at = |attribute: &str| format!("{FIRMWARE_MAP}/{name}/{attribute}");
    let number = |attribute: &str| {
        file::read_number(at(attribute))
            .ok_or_else(|| Error::new(at(attribute), io::Error::other("not a number")))
    };
    Ok((number("start")?, number("end")?, file::read_line(at("type"))?))
}

/// The ACPI root pointer in the firmware's system table: `ACPI20=` or else
/// `ACPI=`, in hexadecimal.
fn rsdp(systab: &str) -> Option<u64> {
    let value = |key| systab.lines().find_map(|line| line.strip_prefix(key));
    let text = value("ACPI20=").or_else(|| value("ACPI="))?;
    u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
}

fn board() -> Result<Board, Error> {
    Ok(Board {
        fdt: file::read_bytes("/sys/firmware/fdt".as_ref(), MAX_FDT)?,
        acpi_conduit: acpi_conduit(),
    })
}

/// FADT, field ARM_BOOT_ARCH: bit 0 says PSCI, bit 1 says HVC (ACPI 6.5,
/// section 5.2.9).
fn acpi_conduit() -> Option<Conduit> {
    let fadt = file::read_bytes("/sys/firmware/acpi/tables/FACP".as_ref(), file::MAX_TEXT).ok()?;
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
    let at = |attribute: &str| file::read_number(format!("/sys/class/tty/{tty}/{attribute}"));
    let hex = |attribute: &str| {
        let text = file::read_line(format!("/sys/class/tty/{tty}/{attribute}")).ok()?;
        u64::from_str_radix(text.trim_start_matches("0x").trim_start_matches("0X"), 16).ok()
    };
    match (tty, hex("port"), hex("iomem_base")) {
        (name, Some(port @ 1..), _) if name.starts_with("ttyS") => {
            u16::try_from(port).ok().map(|port| Uart::Port8250 { port })
        }
        (name, _, Some(address @ 1..)) if name.starts_with("ttyAMA") => {
            Some(Uart::Pl011 { address })
        }
        (name, _, Some(address @ 1..)) if name.starts_with("ttyS") => {
            let shift = at("iomem_reg_shift").and_then(|shift| u8::try_from(shift).ok())?;
            Some(Uart::Mmio8250 { address, shift })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_how_much_memory_there_is() {
        assert!(memory_for_files() > 0);
        assert!(peak_memory() > 0);
        assert_eq!(kilobytes("/proc/meminfo", "NoSuchKey:"), None);
    }

    #[test]
    fn the_start_of_a_long_file_is_enough() {
        let start = file::read_start("/proc/cpuinfo", 16).unwrap();
        assert_eq!(start.len(), 16);
    }

    #[test]
    fn there_is_randomness_on_a_machine_that_has_been_up() {
        let seeds = seeds().unwrap();
        assert_ne!(seeds.rng, [0; 128]);
    }

    #[test]
    fn the_newer_acpi_pointer_wins() {
        assert_eq!(rsdp("ACPI20=0x7fe14\nACPI=0x1000\n"), Some(0x7fe14));
        assert_eq!(rsdp("SMBIOS=0x1\nACPI=0x1000\n"), Some(0x1000));
        assert_eq!(rsdp("SMBIOS=0x1\n"), None);
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
