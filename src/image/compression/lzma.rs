//! xz, and the older format that xz-utils call `lzma`.

use lzma_rust2::{Error, LzmaReader, Read, XzReader};

use super::{Output, Reason};
use crate::base::progress;

const CHUNK: usize = 64 << 10;
/// On the dictionary, in KiB. It grows with what is decoded, whatever size the
/// header claims, and so stays below the limit on the output.
const NO_LIMIT: u32 = u32::MAX;

/// Decodes a stream; gives what follows it.
pub(super) fn decode_xz<'a>(bytes: &'a [u8], output: &mut Output) -> Result<&'a [u8], Reason> {
    let mut reader = XzReader::new_mem_limit(bytes, false, NO_LIMIT);
    drain(&mut reader, output)?;
    Ok(reader.into_inner())
}

/// Decodes a stream; gives what follows it.
pub(super) fn decode_alone<'a>(bytes: &'a [u8], output: &mut Output) -> Result<&'a [u8], Reason> {
    let mut reader = LzmaReader::new_mem_limit(bytes, NO_LIMIT, None).map_err(reason)?;
    drain(&mut reader, output)?;
    let (rest, unused) = reader.into_parts();
    let used = bytes.len().saturating_sub(rest.len()).saturating_sub(unused.len());
    bytes.get(used..).ok_or(Reason::Cut)
}

fn drain<R: Read>(reader: &mut R, output: &mut Output) -> Result<(), Reason> {
    let mut chunk = vec![0; CHUNK];
    loop {
        progress::step();
        match reader.read(&mut chunk).map_err(reason)? {
            0 => return Ok(()),
            count => output.extend(chunk.get(..count).unwrap_or_default())?,
        }
    }
}

const fn reason(error: Error) -> Reason {
    match error {
        Error::Eof => Reason::Cut,
        Error::Unsupported(_) => Reason::Feature,
        Error::OutOfMemory(_) => Reason::Memory(CHUNK),
        _ => Reason::Damaged,
    }
}
