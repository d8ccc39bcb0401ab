//! LZ4: the frame format, and the older one that the kernel's build writes.
//!
//! Follows lz4's `doc/lz4_Frame_format.md` and `doc/lz4_Block_format.md`. The
//! block decoder is our own because it is 60 lines and writes into the one
//! output that all blocks share, which is also their dictionary.

use twox_hash::XxHash32;

use super::{Output, Reason};

/// Magic of both formats, already recognised.
const MAGIC: usize = 4;
const LEGACY_BLOCK: usize = 8 << 20;

const VERSION: u8 = 0b0100_0000;
const VERSION_MASK: u8 = 0b1100_0000;
const INDEPENDENT: u8 = 1 << 5;
const BLOCK_CHECKSUM: u8 = 1 << 4;
const CONTENT_SIZE: u8 = 1 << 3;
const CONTENT_CHECKSUM: u8 = 1 << 2;
const RESERVED: u8 = 1 << 1;
const DICTIONARY: u8 = 1 << 0;
const STORED: u32 = 1 << 31;

/// Decodes what `lz4 -l` writes: blocks of 8 MiB, no header, no checksum, and
/// no end but that of the file.
pub(super) fn decode_legacy<'a>(bytes: &'a [u8], output: &mut Output) -> Result<&'a [u8], Reason> {
    let mut rest = bytes.get(MAGIC..).ok_or(Reason::Cut)?;
    while !rest.is_empty() {
        let (size, after) = u32_and_rest(rest)?;
        if size == 0 {
            break;
        }
        let (block, after) = split(after, size)?;
        let start = output.len();
        decode_block(block, start, start.saturating_add(LEGACY_BLOCK), output)?;
        rest = after;
    }
    Ok(rest)
}

/// Decodes a frame; gives what follows it.
pub(super) fn decode_frame<'a>(bytes: &'a [u8], output: &mut Output) -> Result<&'a [u8], Reason> {
    let (frame, mut rest) = Frame::parse(bytes.get(MAGIC..).ok_or(Reason::Cut)?)?;
    loop {
        let (size, after) = u32_and_rest(rest)?;
        if size == 0 {
            return frame.check_content(after, output);
        }
        let (block, after) = split(after, size & !STORED)?;
        frame.decode_block(block, size & STORED != 0, output)?;
        rest = frame.check_block(block, after)?;
    }
}

/// The frame descriptor.
struct Frame {
    flags: u8,
    block_size: usize,
    content_size: Option<u64>,
}

impl Frame {
    fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Reason> {
        let [flags, block, ..] = *bytes else { return Err(Reason::Cut) };
        if flags & (VERSION_MASK | RESERVED | DICTIONARY) != VERSION {
            return Err(Reason::Feature);
        }
        let block_size = match (block >> 4) & 7 {
            code @ 4..=7 => 1 << (8 + 2 * u32::from(code)),
            _ => return Err(Reason::Damaged),
        };
        let size = if flags & CONTENT_SIZE == 0 { 2 } else { 10 };
        let (descriptor, rest) = bytes.split_at_checked(size).ok_or(Reason::Cut)?;
        let (&[checksum], rest) = rest.split_first_chunk().ok_or(Reason::Cut)?;
        let [_, second, ..] = XxHash32::oneshot(0, descriptor).to_le_bytes();
        if checksum != second {
            return Err(Reason::Checksum);
        }
        let content_size = descriptor.get(2..).and_then(|size| size.first_chunk().copied());
        Ok((Self { flags, block_size, content_size: content_size.map(u64::from_le_bytes) }, rest))
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn decode_block(&self, block: &[u8], stored: bool, output: &mut Output) -> Result<(), Reason> {
        let start = output.len();
        let end = start.saturating_add(self.block_size);
        if !stored {
            let oldest = if self.has(INDEPENDENT) { start } else { 0 };
            return decode_block(block, oldest, end, output);
        }
        if block.len() > self.block_size { Err(Reason::Damaged) } else { output.extend(block) }
    }

    fn check_block<'a>(&self, block: &[u8], rest: &'a [u8]) -> Result<&'a [u8], Reason> {
        if self.has(BLOCK_CHECKSUM) { check(block, rest) } else { Ok(rest) }
    }

    fn check_content<'a>(&self, rest: &'a [u8], output: &Output) -> Result<&'a [u8], Reason> {
        if self.content_size.is_some_and(|size| size != output.len() as u64) {
            return Err(Reason::Damaged);
        }
        if self.has(CONTENT_CHECKSUM) { check(output.bytes(), rest) } else { Ok(rest) }
    }
}

fn check<'a>(bytes: &[u8], rest: &'a [u8]) -> Result<&'a [u8], Reason> {
    let (checksum, rest) = u32_and_rest(rest)?;
    if checksum == XxHash32::oneshot(0, bytes) { Ok(rest) } else { Err(Reason::Checksum) }
}

fn u32_and_rest(bytes: &[u8]) -> Result<(u32, &[u8]), Reason> {
    let (word, rest) = bytes.split_first_chunk().ok_or(Reason::Cut)?;
    Ok((u32::from_le_bytes(*word), rest))
}

fn split(bytes: &[u8], size: u32) -> Result<(&[u8], &[u8]), Reason> {
    let size = usize::try_from(size).ok().ok_or(Reason::Cut)?;
    bytes.split_at_checked(size).ok_or(Reason::Cut)
}

/// Decodes a block. Matches reach back to offset `oldest` of the output, and
/// nothing is written beyond offset `end`.
fn decode_block(
    mut input: &[u8],
    oldest: usize,
    end: usize,
    output: &mut Output,
) -> Result<(), Reason> {
    loop {
        let (&token, rest) = input.split_first().ok_or(Reason::Cut)?;
        let (count, rest) = length(token >> 4, rest)?;
        let (literals, rest) = rest.split_at_checked(count).ok_or(Reason::Cut)?;
        room(output, count, end)?;
        output.extend(literals)?;
        if rest.is_empty() {
            return Ok(());
        }
        let (distance, rest) = rest.split_first_chunk().ok_or(Reason::Cut)?;
        let distance = usize::from(u16::from_le_bytes(*distance));
        let (count, rest) = length(token & 15, rest)?;
        let count = count.saturating_add(4);
        room(output, count, end)?;
        if distance > output.len().saturating_sub(oldest) {
            return Err(Reason::Damaged);
        }
        output.repeat(distance, count)?;
        input = rest;
    }
}

fn room(output: &Output, count: usize, end: usize) -> Result<(), Reason> {
    if count > end.saturating_sub(output.len()) { Err(Reason::Damaged) } else { Ok(()) }
}

/// A length that goes on in further bytes if its four bits are all ones.
#[inline]
fn length(nibble: u8, mut input: &[u8]) -> Result<(usize, &[u8]), Reason> {
    let mut count = usize::from(nibble);
    if nibble == 15 {
        loop {
            let (&byte, rest) = input.split_first().ok_or(Reason::Cut)?;
            (count, input) = (count.saturating_add(usize::from(byte)), rest);
            if byte != u8::MAX {
                break;
            }
        }
    }
    Ok((count, input))
}
