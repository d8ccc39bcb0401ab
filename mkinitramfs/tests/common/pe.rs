//! The smallest files that can be mistaken for systemd's stub and for a first kernel.

pub(crate) const PE_X86_64: u16 = 0x8664;
pub(crate) const PE_AARCH64: u16 = 0xaa64;

/// Where the PE signature is.
const COFF: usize = 0x40;
const OPTIONAL: usize = COFF + 24;
/// Room for ten section headers behind the optional header.
const HEADERS: usize = 0x400;

/// An EFI program with one section of 16 bytes.
pub(crate) fn stub(machine: u16) -> Vec<u8> {
    let mut file = vec![0; HEADERS];
    put(&mut file, 0, b"MZ");
    headers(&mut file, machine);
    file.extend([0xcc; 16]);
    file.resize(HEADERS + 0x200, 0);
    file
}

/// An arm64 `Image` of this release, with an EFI part.
pub(crate) fn arm64_kernel(release: &str) -> Vec<u8> {
    let mut file = stub(PE_AARCH64);
    put(&mut file, 0x10, &0x10_0000_u64.to_le_bytes());
    put(&mut file, 0x38, b"ARM\x64");
    // As older kernels have them.
    put(&mut file, OPTIONAL + 32, &0x20_0000_u32.to_le_bytes());
    put(&mut file, OPTIONAL + 36, &0x20_u32.to_le_bytes());
    file.extend(format!("Linux version {release} (somebody)\0").as_bytes());
    file
}

fn headers(file: &mut [u8], machine: u16) {
    put(file, 0x3c, &u32::try_from(COFF).unwrap().to_le_bytes());
    put(file, COFF, b"PE\0\0");
    put(file, COFF + 4, &machine.to_le_bytes());
    put(file, COFF + 6, &1_u16.to_le_bytes());
    put(file, COFF + 20, &240_u16.to_le_bytes());
    put(file, OPTIONAL, &0x20b_u16.to_le_bytes());
    let fields = [(32, 0x1000), (36, 0x200), (56, 0x2000), (60, 0x400), (108, 16)];
    for (at, value) in fields {
        put(file, OPTIONAL + at, &u32::to_le_bytes(value));
    }
    put(file, OPTIONAL + 68, &10_u16.to_le_bytes());
    put(file, OPTIONAL + 240, b".text");
    for (at, value) in [(8, 16_u32), (12, 0x1000), (16, 0x200), (20, 0x400)] {
        put(file, OPTIONAL + 240 + at, &value.to_le_bytes());
    }
}

/// Puts a signature where the program has none.
pub(crate) fn pretend_signed(file: &mut [u8]) {
    put(file, OPTIONAL + 112 + 4 * 8, &[1; 8]);
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}
