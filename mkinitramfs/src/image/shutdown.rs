//! Whether the PCI drivers of a module have a `.shutdown`, which Linux calls before a
//! kexec; devices of the others go on.
//!
//! It is a member of `struct pci_driver` (Linux, include/linux/pci.h), which a module
//! fills with relocations. Where that begins and how long it is has changed (the list
//! node before `name` went away in 6.2); but since 2.6 its `id_table` has been followed by
//! probe, remove, suspend, resume and shutdown. So a driver is found by what points to
//! the module's table of ids with a function behind it, whatever kernel it is for.

use std::collections::{BTreeMap, BTreeSet};

use goblin::elf::Elf;
use goblin::elf::reloc::{R_AARCH64_ABS64, R_X86_64_64};
use goblin::elf::section_header::{SHF_EXECINSTR, SHN_UNDEF};

/// What a module with PCI drivers imports.
pub(super) const REGISTER: &str = "__pci_register_driver";

/// What MODULE_DEVICE_TABLE calls a table: the second since 6.14.
const TABLES: [&str; 2] = ["__mod_pci__", "__mod_device_table__pci__"];

/// Bytes from `id_table` to members behind it, where pointers have 8.
const PROBE: u64 = 8;
const SHUTDOWN: u64 = 40;

/// A place: number of the section, and bytes into it.
type Place = (usize, u64);

/// Whether any of the drivers has one; `None` if no driver is found.
pub(super) fn of_pci_drivers(elf: &Elf<'_>) -> Option<bool> {
    let tables = tables(elf);
    let pointers = pointers(elf);
    let points_to_table = pointers.iter().filter(|(_, to)| tables.contains(to));
    let drivers = points_to_table.filter(|(place, _)| {
        behind(&pointers, **place, PROBE).is_some_and(|(section, _)| may_be_code(elf, section))
    });
    let with_shutdown = drivers.map(|(place, _)| behind(&pointers, *place, SHUTDOWN).is_some());
    with_shutdown.reduce(|one, other| one || other)
}

/// What the pointer leads to that lies so many bytes behind another one.
fn behind(pointers: &BTreeMap<Place, Place>, place: Place, bytes: u64) -> Option<Place> {
    pointers.get(&(place.0, place.1.checked_add(bytes)?)).copied()
}

fn tables(elf: &Elf<'_>) -> BTreeSet<Place> {
    let mut tables = BTreeSet::new();
    for symbol in elf.syms.iter() {
        let name = elf.strtab.get_at(symbol.st_name).unwrap_or_default();
        if TABLES.iter().any(|prefix| name.starts_with(prefix)) {
            tables.insert((symbol.st_shndx, symbol.st_value));
        }
    }
    tables
}

/// What each pointer of the module's data leads to.
fn pointers(elf: &Elf<'_>) -> BTreeMap<Place, Place> {
    let mut pointers = BTreeMap::new();
    for (index, relocations) in &elf.shdr_relocs {
        let Some(header) = elf.section_headers.get(*index) else { continue };
        let section = header.sh_info as usize;
        let absolute =
            relocations.iter().filter(|one| matches!(one.r_type, R_X86_64_64 | R_AARCH64_ABS64));
        for relocation in absolute {
            let Some(symbol) = elf.syms.get(relocation.r_sym) else { continue };
            let to = symbol.st_value.wrapping_add_signed(relocation.r_addend.unwrap_or(0));
            pointers.insert((section, relocation.r_offset), (symbol.st_shndx, to));
        }
    }
    pointers
}

/// Another module's function is in no section.
fn may_be_code(elf: &Elf<'_>, section: usize) -> bool {
    let header = elf.section_headers.get(section);
    let is_code = header.is_some_and(|header| header.sh_flags & u64::from(SHF_EXECINSTR) != 0);
    section == SHN_UNDEF as usize || is_code
}
