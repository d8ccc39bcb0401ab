//! CRC-32 as gzip uses it (RFC 1952 section 8), eight bytes at a time.

const POLYNOMIAL: u32 = 0xedb8_8320;

/// The tables cost less time to compute than to carry along.
fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut previous = [0_u32; 256];
    for (byte, entry) in (0_u32..).zip(previous.iter_mut()) {
        *entry = (0..8).fold(byte, |crc, _| (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg()));
    }
    let first = previous;
    for table in &mut tables {
        *table = previous;
        for entry in &mut previous {
            *entry = (*entry >> 8) ^ look_up(&first, *entry);
        }
    }
    tables
}

fn look_up(table: &[u32; 256], value: u32) -> u32 {
    let [low, ..] = value.to_le_bytes();
    table.get(usize::from(low)).copied().unwrap_or(0)
}

/// The CRC-32 of all the bytes.
pub(in crate::image) fn crc32(bytes: &[u8]) -> u32 {
    let tables = tables();
    let [first, ..] = &tables;
    let (blocks, rest) = bytes.as_chunks::<8>();
    let crc =
        blocks.iter().fold(u32::MAX, |crc, block| {
            let word = u64::from_le_bytes(*block) ^ u64::from(crc);
            let bytes = word.to_le_bytes();
            tables.iter().rev().zip(bytes).fold(0, |crc, (table, byte)| {
                crc ^ table.get(usize::from(byte)).copied().unwrap_or(0)
            })
        });
    !rest.iter().fold(crc, |crc, byte| (crc >> 8) ^ look_up(first, crc ^ u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn known_checksums_are_computed() {
        assert_eq!(crc32(b""), 0);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b"The quick brown fox jumps over the lazy dog"), 0x414f_a339);
    }
}
