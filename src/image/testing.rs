//! Small images of every format, made here: what the tests of this and of other
//! modules unpack.

use super::*;

/// Unpacks what has to be a kernel.
pub(crate) fn unpacked(file: &[u8]) -> Unpacked<'_> {
    unpack(file, &Limits { output: 1 << 30 }).unwrap()
}

/// Why there is no kernel in the file, if a MiB may be unpacked.
pub(super) fn refusal(file: &[u8]) -> Error {
    unpack(file, &Limits { output: 1 << 20 }).unwrap_err()
}

fn u32_of(size: usize) -> [u8; 4] {
    u32::try_from(size).unwrap().to_le_bytes()
}

/// A gzip member of stored blocks.
pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut file = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let mut chunks = content.chunks(0xffff).peekable();
    while let Some(chunk) = chunks.next() {
        let size = u16::try_from(chunk.len()).unwrap();
        file.push(u8::from(chunks.peek().is_none()));
        file.extend([size.to_le_bytes(), (!size).to_le_bytes()].concat());
        file.extend(chunk);
    }
    file.extend(compression::crc32(content).to_le_bytes());
    file.extend(u32_of(content.len()));
    file
}

/// An ELF kernel with segments at these addresses, and words behind it.
pub(super) fn elf(machine: u16, entry: u64, segments: &[(u64, &[u8])], words: &[u32]) -> Vec<u8> {
    let start = 64 + 56 * segments.len();
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(64, 0);
    file[0x10] = 2;
    file[0x12..0x14].copy_from_slice(&machine.to_le_bytes());
    file[0x18..0x20].copy_from_slice(&entry.to_le_bytes());
    file[0x20] = 64;
    file[0x36] = 56;
    file[0x38] = u8::try_from(segments.len()).unwrap();
    let mut content: Vec<u8> = Vec::new();
    for (address, bytes) in segments {
        let map = if machine == 62 { vmlinux::START_KERNEL_MAP } else { 0 };
        let at = (start + content.len()) as u64;
        let size = bytes.len() as u64;
        file.extend([1, 0, 0, 0, 7, 0, 0, 0]);
        for field in [at, address + map, *address, size, size, 0] {
            file.extend(field.to_le_bytes());
        }
        content.extend(*bytes);
    }
    file.extend(content);
    file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    file
}

/// An x86_64 kernel of two segments, the second with 20 zeros at its end, all but
/// four of them bss, and relocations of each kind.
pub(crate) fn vmlinux() -> Vec<u8> {
    let data = [[2; 12].as_slice(), &[0; 20]].concat();
    let mut file = elf(62, 0x100_0000, &[(0x100_0000, &[1; 32]), (0x110_0000, &data)], &[]);
    let sections = file.len() as u64;
    file[0x28..0x30].copy_from_slice(&sections.to_le_bytes());
    file[0x3a] = 64;
    file[0x3c] = 1;
    // Type NOBITS, flags WRITE and ALLOC.
    file.extend([0, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    for field in [0xffff_ffff_8110_0010, 0, 16, 0, 4, 0_u64] {
        file.extend(field.to_le_bytes());
    }
    let words = [0_u32, 0x8100_0000, 0, 0x8100_0008, 0, 0x8110_0000, 0x8110_0008];
    file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    file
}

/// A bzImage with these bytes as its payload.
pub(crate) fn payload_of(payload: &[u8]) -> Vec<u8> {
    let mut file = bzimage::testing::small();
    file.truncate(1024 + 0x100);
    file.extend(payload);
    file.resize(file.len().next_multiple_of(16), 0);
    let paragraphs = u32_of((file.len() - 1024) / 16);
    file[0x1f4..0x1f8].copy_from_slice(&paragraphs);
    file[0x248..0x24c].copy_from_slice(&u32_of(0x100));
    file[0x24c..0x250].copy_from_slice(&u32_of(payload.len()));
    file
}

/// An EFI zboot image around these bytes.
pub(super) fn zboot(payload: &[u8]) -> Vec<u8> {
    let mut file = b"MZ\0\0zimg".to_vec();
    file.extend([u32_of(64), u32_of(payload.len())].concat());
    file.resize(64, 0);
    file.extend(payload);
    file
}

/// An EFI program for aarch64 with these sections, each padded by two bytes.
pub(crate) fn uki(sections: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = b"MZ".to_vec();
    file.resize(0x40, 0);
    file[0x3c] = 0x40;
    file.extend(b"PE\0\0\x64\xaa");
    file.extend(u16::try_from(sections.len()).unwrap().to_le_bytes());
    file.resize(0x58, 0);
    let mut at = file.len() + 40 * sections.len();
    for (name, bytes) in sections {
        let mut padded = name.as_bytes().to_vec();
        padded.resize(8, 0);
        file.extend(padded);
        let raw = bytes.len() + 2;
        file.extend([u32_of(bytes.len()), u32_of(at), u32_of(raw), u32_of(at)].concat());
        file.extend([0; 16]);
        at += raw;
    }
    file.extend(sections.iter().flat_map(|(_, bytes)| [bytes, b"!!".as_slice()].concat()));
    file
}
