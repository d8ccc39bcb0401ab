//! What a kernel module says about itself: the `.modinfo` section of its ELF
//! file, NUL-separated `key=value`, and the symbols that it imports. Specification:
//! Linux, `include/linux/module.h`.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use goblin::elf::Elf;
use goblin::elf::section_header::SHN_UNDEF;

use super::shutdown;

/// The parts of a module that decide what is loaded, in which order and for what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modinfo {
    /// `depends=`: must be loaded before.
    pub depends: Vec<String>,
    /// `softdep=pre:`: should be loaded before, if there.
    pub soft_before: Vec<String>,
    /// `alias=`: other names, patterns included.
    pub aliases: Vec<String>,
    /// `firmware=`: files below /lib/firmware that it asks for.
    pub firmware: Vec<String>,
    /// First word of `vermagic=`: the release of the kernel that it fits.
    pub release: String,
    /// ELF machine number (`e_machine`).
    pub machine: u16,
    /// Symbols of the kernel and of other modules that it uses.
    pub imports: BTreeSet<String>,
    /// Whether it drives PCI devices, and none of its drivers has a `.shutdown`.
    pub no_shutdown: bool,
}

/// Reads a module file.
///
/// # Errors
/// The file is not an ELF file with a `.modinfo` section.
pub fn read(module: &[u8]) -> Result<Modinfo> {
    let elf = Elf::parse(module).context("not an ELF file")?;
    let section = elf
        .section_headers
        .iter()
        .find(|header| elf.shdr_strtab.get_at(header.sh_name) == Some(".modinfo"))
        .and_then(|header| module.get(header.file_range()?))
        .context("no .modinfo section: not a kernel module")?;
    let imports = imports(&elf);
    let no_shutdown =
        imports.contains(shutdown::REGISTER) && shutdown::of_pci_drivers(&elf) == Some(false);
    Ok(Modinfo { machine: elf.header.e_machine, imports, no_shutdown, ..fields(section) })
}

fn imports(elf: &Elf<'_>) -> BTreeSet<String> {
    let undefined = elf.syms.iter().filter(|symbol| symbol.st_shndx == SHN_UNDEF as usize);
    let names = undefined.filter_map(|symbol| elf.strtab.get_at(symbol.st_name));
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Reads the section's text.
fn fields(section: &[u8]) -> Modinfo {
    let mut info = Modinfo::default();
    for field in section.split(|byte| *byte == 0) {
        let field = String::from_utf8_lossy(field);
        // A control character would end a line of the image's table.
        match field.split_once('=').filter(|_| !field.contains(char::is_control)) {
            Some(("depends", list)) => info.depends.extend(words(list, ',')),
            Some(("softdep", list)) => info.soft_before.extend(before(list)),
            Some(("alias", name)) => info.aliases.push(name.to_owned()),
            Some(("firmware", file)) => info.firmware.push(file.to_owned()),
            Some(("vermagic", text)) => info.release.extend(words(text, ' ').next()),
            _ => {}
        }
    }
    info
}

/// The names after `pre:`, up to `post:`.
fn before(list: &str) -> impl Iterator<Item = String> {
    words(list, ' ')
        .skip_while(|word| word != "pre:")
        .skip(1)
        .take_while(|word| !word.ends_with(':'))
}

fn words(list: &str, separator: char) -> impl Iterator<Item = String> {
    list.split(separator).filter(|word| !word.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_soft_ones_before_aliases_and_release_are_read() {
        let info = fields(
            b"softdep=pre: crypto-crc32c  x post: y\0license=GPL\0alias=fs-ext4\0alias=ext3\0\
              \0depends=jbd2,mbcache,crc16\0vermagic=6.1.0-56-amd64 SMP preempt \0\
              firmware=a/b.bin\0alias=a\nalways\0",
        );
        assert_eq!(info.depends, ["jbd2", "mbcache", "crc16"]);
        assert_eq!(info.soft_before, ["crypto-crc32c", "x"]);
        assert_eq!(info.aliases, ["fs-ext4", "ext3"]);
        assert_eq!(info.firmware, ["a/b.bin"]);
        assert_eq!(info.release, "6.1.0-56-amd64");
    }

    #[test]
    fn a_module_without_dependencies_has_none() {
        let info = fields(b"depends=\0softdep=post: y\0");
        assert_eq!(info, Modinfo::default());
    }

    #[test]
    fn other_files_are_no_modules() {
        assert_eq!(read(b"text").unwrap_err().to_string(), "not an ELF file");
    }
}
