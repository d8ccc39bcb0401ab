//! Unified kernel images without the EFI program that firmware would start: what
//! is left are the sections (UAPI.5), in the padding that real ones have.

use anyhow::{Context, Result};
use turnout::base::arch::Arch;

const PE_HEADER: usize = 0x80;
const FILE_ALIGNMENT: usize = 0x200;
const SECTION_HEADER: usize = 40;

/// An image of these sections, in this order.
///
/// # Errors
///
/// If a name or the whole is too long for the format.
pub fn build(arch: Arch, sections: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut file = headers(arch, sections.len())?;
    let mut at = (file.len() + SECTION_HEADER * sections.len()).next_multiple_of(FILE_ALIGNMENT);
    for (name, bytes) in sections {
        file.extend(section_header(name, bytes.len(), at)?);
        at += bytes.len().next_multiple_of(FILE_ALIGNMENT);
    }
    for (_, bytes) in sections {
        file.resize(file.len().next_multiple_of(FILE_ALIGNMENT), 0);
        file.extend(*bytes);
    }
    file.resize(file.len().next_multiple_of(FILE_ALIGNMENT), 0);
    Ok(file)
}

/// The MS-DOS header and the COFF header, without an optional header.
fn headers(arch: Arch, sections: usize) -> Result<Vec<u8>> {
    let machine: u16 = match arch {
        Arch::X86_64 => 0x8664,
        Arch::Aarch64 => 0xaa64,
    };
    let mut file = b"MZ".to_vec();
    file.resize(0x3c, 0);
    file.extend(u32::try_from(PE_HEADER)?.to_le_bytes());
    file.resize(PE_HEADER, 0);
    file.extend(b"PE\0\0");
    file.extend(machine.to_le_bytes());
    file.extend(u16::try_from(sections)?.to_le_bytes());
    file.extend([0; 16]);
    Ok(file)
}

/// The bytes are as many as in memory: those behind them are padding.
fn section_header(name: &str, size: usize, at: usize) -> Result<Vec<u8>> {
    let mut header = name.as_bytes().to_vec();
    (header.len() <= 8).then_some(()).with_context(|| format!("{name}: a longer name than 8"))?;
    header.resize(8, 0);
    for field in [size, at, size.next_multiple_of(FILE_ALIGNMENT), at] {
        header.extend(u32::try_from(field)?.to_le_bytes());
    }
    header.resize(SECTION_HEADER, 0);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use turnout::image::find_uki;

    #[test]
    fn what_was_put_in_is_found_to_the_byte() {
        let sections: [(&str, &[u8]); 3] =
            [(".cmdline", b"quiet"), (".linux", &[7; 513]), (".initrd", b"initrd")];
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let file = build(arch, &sections).unwrap();
            let uki = find_uki(&file).unwrap();
            assert_eq!(uki.arch(), arch);
            let found: Vec<_> = uki.sections().iter().map(|one| (one.name, one.bytes)).collect();
            assert_eq!(found, sections);
        }
    }

    #[test]
    fn a_name_that_the_format_has_no_room_for_is_refused() {
        assert!(build(Arch::X86_64, &[(".toolong9", b"")]).is_err());
    }
}
