//! What a plan must know about the machine it is made on.

use std::borrow::Cow;

use purgatory::{Conduit, Uart};

use crate::base::addr::Range;
use crate::base::arch::Arch;
use crate::efi::runtime::Runtime;
use crate::fdt::Seeds;
use crate::memmap::{self, E820_ACPI, E820_NVS, E820_RAM, E820Entry};

use super::crash::Crash;
use super::layout::span;

/// x86 firmware, bootloaders and the kernel's own trampolines live below here.
pub(super) const LOW_MEMORY: Range = span(0, 1 << 20);

/// Much longer than EFI's list of configuration tables ever is.
const TABLE: u64 = 64 << 10;

/// The running machine, as far as a plan depends on it. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Page size of the running kernel.
    pub page_size: u64,
    /// All memory that the running kernel manages (`MemTotal`).
    pub total_ram: u64,
    /// Memory that may be overwritten: [`memmap::Iomem::free`].
    pub free: Vec<Range>,
    /// Randomness for the next kernel, if there is any yet.
    pub seeds: Option<Seeds>,
    /// Where the purgatory prints.
    pub uart: Uart,
    /// Whether the CPU has what [`purgatory::Block::set_sha_instructions`] means.
    pub sha_instructions: bool,
    /// Whether the running kernel's page tables must stay in force until the next
    /// kernel has its own: with memory encryption only they know its key bits.
    pub keep_page_tables: bool,
    /// What depends on the architecture.
    pub platform: Platform,
    /// Only where a crash kernel is planned: what it must be told.
    pub crash: Option<Crash>,
}

/// What is handed from kernel to kernel, by architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platform {
    /// x86_64.
    Pc(Pc),
    /// aarch64.
    Board(Board),
}

/// An x86_64 machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pc {
    /// The map that the next kernel is told: [`memmap::firmware_map`].
    pub firmware_map: Vec<E820Entry>,
    /// /sys/kernel/boot_params/data.
    pub boot_params: Vec<u8>,
    /// The ACPI root pointer that /sys/firmware/efi/systab names, for machines
    /// whose boot_params have none.
    pub acpi_rsdp: Option<u64>,
    /// What the next kernel must know of EFI; all of it or nothing.
    pub efi: Option<Runtime>,
    /// Whether 5-level paging is on (flag `la57` in /proc/cpuinfo).
    pub five_level_paging: bool,
    /// Whether the display is still as boot_params describe it: nothing but a
    /// driver of the firmware's framebuffer uses it.
    pub display_untouched: bool,
}

/// An aarch64 machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// /sys/firmware/fdt, or what /proc/device-tree says.
    pub fdt: Vec<u8>,
    /// Whether it is from /proc/device-tree, which shows no reserved memory.
    pub rebuilt: bool,
    /// /proc/cmdline; without it, the tree's word counts.
    pub cmdline: Option<String>,
    /// How PSCI is called if the device tree does not say: ACPI's word for it.
    pub acpi_conduit: Option<Conduit>,
}

impl Machine {
    /// The architecture.
    #[must_use]
    pub const fn arch(&self) -> Arch {
        match self.platform {
            Platform::Pc(_) => Arch::X86_64,
            Platform::Board(_) => Arch::Aarch64,
        }
    }

    /// Memory that segments may lie in: free, and known to the next kernel. A
    /// crash kernel's lie in what was set aside for it.
    #[must_use]
    pub fn available(&self) -> Vec<Range> {
        if let Some(crash) = &self.crash {
            return self.in_pages(&Vec::from_iter(crash.region()));
        }
        match &self.platform {
            Platform::Board(_) => self.free.clone(),
            Platform::Pc(pc) => self.in_pages(&memmap::intersect(&self.free, &pc.ram())),
        }
    }

    fn in_pages(&self, ranges: &[Range]) -> Vec<Range> {
        let above = ranges.iter().flat_map(|range| range.minus(LOW_MEMORY));
        let in_pages = above.filter_map(|range| range.shrink_to(self.page_size));
        in_pages.filter(|range| !range.is_empty()).collect()
    }
}

impl Pc {
    /// The same machine as a crash kernel is told of it, if it is for one.
    pub(super) fn as_told(&self, crash: Option<(&Crash, Range)>) -> Cow<'_, Self> {
        match crash {
            None => Cow::Borrowed(self),
            Some((crash, header)) => {
                let firmware_map = crash.memory_map(&self.firmware_map, header);
                Cow::Owned(Self { firmware_map, ..self.clone() })
            }
        }
    }

    /// What the firmware left for kernels to read: ACPI's memory, and as much as
    /// anybody looks at where these tables start, within what the map says is
    /// memory of one kind.
    pub(super) fn firmware_tables(&self, starts: &[u64]) -> Vec<Range> {
        let map = self.firmware_map.iter();
        let acpi = map.filter(|entry| matches!(entry.kind, E820_ACPI | E820_NVS));
        let mut tables: Vec<Range> = acpi.map(|entry| entry.range).collect();
        tables.extend(starts.iter().filter_map(|start| self.firmware_table(*start)));
        tables
    }

    /// What a table that starts here may take.
    fn firmware_table(&self, start: u64) -> Option<Range> {
        let first = Range::with_len(start, 1)?;
        let entry = self.firmware_map.iter().find(|entry| entry.range.contains(first))?;
        Range::new(start, entry.range.end().min(start.saturating_add(TABLE)))
    }

    pub(super) fn ram(&self) -> Vec<Range> {
        let ram = self.firmware_map.iter().filter(|entry| entry.kind == E820_RAM);
        ram.map(|entry| entry.range).collect()
    }
}

/// Machines for tests: the ones of `tests/data`.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::memmap::testing::{Q35, Q35_6G, Q35_6G_MEMMAP, Q35_MEMMAP, VIRT, iomem, memmap};

    pub(crate) const SEEDS: Seeds = Seeds { kaslr: [0xa5; 8], rng: [0x5a; 128] };

    pub(crate) fn pc(map: &str, firmware_map: &str) -> Machine {
        let boot_params = include_bytes!("../../tests/data/q35/boot_params").to_vec();
        Machine {
            page_size: 4096,
            total_ram: iomem(map).ram().iter().map(|range| range.len()).sum(),
            free: iomem(map).free(4096),
            seeds: Some(SEEDS),
            uart: Uart::Port8250 { port: 0x3f8 },
            sha_instructions: true,
            keep_page_tables: false,
            crash: None,
            platform: Platform::Pc(Pc {
                firmware_map: memmap(firmware_map),
                boot_params,
                acpi_rsdp: None,
                efi: None,
                five_level_paging: false,
                display_untouched: false,
            }),
        }
    }

    pub(crate) fn q35() -> Machine {
        pc(Q35, Q35_MEMMAP)
    }

    pub(crate) fn q35_6g() -> Machine {
        pc(Q35_6G, Q35_6G_MEMMAP)
    }

    pub(crate) fn board(map: &str, fdt: Vec<u8>) -> Machine {
        Machine {
            page_size: 4096,
            total_ram: iomem(map).ram().iter().map(|range| range.len()).sum(),
            free: iomem(map).free(4096),
            seeds: Some(SEEDS),
            uart: Uart::Pl011 { address: 0x900_0000 },
            sha_instructions: true,
            keep_page_tables: false,
            crash: None,
            platform: Platform::Board(Board {
                fdt,
                rebuilt: false,
                cmdline: None,
                acpi_conduit: None,
            }),
        }
    }

    pub(crate) fn virt() -> Machine {
        board(VIRT, crate::fdt::testing::virt())
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{q35, q35_6g, virt};
    use super::*;

    fn ranges(pairs: &[(u64, u64)]) -> Vec<Range> {
        pairs.iter().map(|&(start, end)| Range::new(start, end).unwrap()).collect()
    }

    #[test]
    fn a_pc_offers_nothing_below_1_mib_nor_in_its_crash_kernel() {
        assert_eq!(q35().available(), ranges(&[(0x10_0000, 0x3ffe_0000)]));
        let expected =
            [(0x10_0000, 0x6f00_0000), (0x7f00_0000, 0x7ffe_0000), (0x1_0000_0000, 0x2_0000_0000)];
        assert_eq!(q35_6g().available(), ranges(&expected));
    }

    #[test]
    fn memory_that_the_next_kernel_is_not_told_of_is_not_offered() {
        let mut machine = q35();
        let Platform::Pc(pc) = &mut machine.platform else { unreachable!() };
        pc.firmware_map =
            vec![E820Entry { range: Range::new(0x8_0000, 0x20_0800).unwrap(), kind: E820_RAM }];
        assert_eq!(machine.available(), ranges(&[(0x10_0000, 0x20_0000)]));
    }

    #[test]
    fn firmware_tables_are_acpis_memory_and_the_start_of_others_in_theirs() {
        let mut machine = q35();
        let Platform::Pc(pc) = &mut machine.platform else { unreachable!() };
        let map = [(0x1000, 0x2000, 3), (0x2000, 0x3000, 4), (0x10_0000, 0x20_0000, 2)];
        pc.firmware_map = map
            .map(|(start, end, kind)| E820Entry { range: Range::new(start, end).unwrap(), kind })
            .to_vec();
        let tables = pc.firmware_tables(&[0x18_0000, 0x1f_f000, 0x20_0000]);
        let expected =
            [(0x1000, 0x2000), (0x2000, 0x3000), (0x18_0000, 0x19_0000), (0x1f_f000, 0x20_0000)];
        assert_eq!(tables, ranges(&expected));
    }

    #[test]
    fn a_board_offers_all_that_is_free() {
        assert_eq!(virt().available(), virt().free);
    }
}
