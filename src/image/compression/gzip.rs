//! gzip (RFC 1952): one member.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::crc32::crc32;
use super::{Output, Reason};
use crate::base::bytes::field;
use crate::base::progress;

const DEFLATE: u8 = 8;
const HEADER_CRC: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;
/// How much more room the decoder gets when it asks, as a share of the stream; and at
/// most, since a small stream may have a long rest.
const GROWTH: usize = 4;
const MOST: usize = 4 << 20;

/// Decodes a member; gives what follows it.
pub(super) fn decode<'a>(bytes: &'a [u8], output: &mut Output) -> Result<&'a [u8], Reason> {
    let rest = inflate(after_header(bytes)?, output)?;
    let (checksum, rest) = rest.split_first_chunk().ok_or(Reason::Cut)?;
    let (size, rest) = rest.split_first_chunk().ok_or(Reason::Cut)?;
    let low = output.len() as u64 & u64::from(u32::MAX);
    let sound = u64::from(u32::from_le_bytes(*size)) == low
        && u32::from_le_bytes(*checksum) == crc32(output.bytes());
    if sound { Ok(rest) } else { Err(Reason::Checksum) }
}

fn after_header(bytes: &[u8]) -> Result<&[u8], Reason> {
    let [_, _, method, flags, ..] = *bytes else { return Err(Reason::Cut) };
    if method != DEFLATE || flags & RESERVED != 0 {
        return Err(Reason::Feature);
    }
    let mut rest = bytes.get(10..).ok_or(Reason::Cut)?;
    if flags & EXTRA != 0 {
        let size = u16::from_le_bytes(field(rest, 0).ok_or(Reason::Cut)?);
        rest = rest.get(usize::from(size).saturating_add(2)..).ok_or(Reason::Cut)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|&byte| byte == 0).ok_or(Reason::Cut)?;
            rest = rest.get(end.saturating_add(1)..).ok_or(Reason::Cut)?;
        }
    }
    let checksum = if flags & HEADER_CRC == 0 { 0 } else { 2 };
    rest.get(checksum..).ok_or(Reason::Cut)
}

fn inflate<'a>(mut input: &'a [u8], output: &mut Output) -> Result<&'a [u8], Reason> {
    let mut decoder = Box::<DecompressorOxide>::default();
    let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let step = input.len().saturating_mul(GROWTH).min(MOST);
    let mut written: usize = 0;
    loop {
        let room = output.grow(step)?;
        progress::step();
        let (status, read, wrote) = decompress(&mut decoder, input, room, written, flags);
        input = input.get(read..).unwrap_or_default();
        written = written.saturating_add(wrote);
        match status {
            TINFLStatus::Done => break,
            TINFLStatus::HasMoreOutput => {}
            TINFLStatus::NeedsMoreInput | TINFLStatus::FailedCannotMakeProgress => {
                return Err(Reason::Cut);
            }
            _ => return Err(Reason::Damaged),
        }
    }
    output.truncate(written);
    Ok(input)
}
