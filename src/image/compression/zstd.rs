//! Zstandard (RFC 8878): one frame.

use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{Output, Reason};
use crate::base::progress;

/// How much is decoded before it is collected.
const CHUNK: usize = 1 << 20;

/// Decodes a frame; gives what follows it.
pub(super) fn decode<'a>(bytes: &'a [u8], output: &mut Output) -> Result<&'a [u8], Reason> {
    let mut rest = bytes;
    let mut decoder = FrameDecoder::new();
    decoder.init(&mut rest).map_err(reason)?;
    while !decoder.is_finished() {
        progress::step();
        let some = BlockDecodingStrategy::UptoBytes(CHUNK);
        decoder.decode_blocks(&mut rest, some).map_err(reason)?;
        if let Some(bytes) = decoder.collect() {
            output.extend(&bytes)?;
        }
    }
    let stated = decoder.get_checksum_from_data();
    if stated.is_some() && stated != decoder.get_calculated_checksum() {
        return Err(Reason::Checksum);
    }
    Ok(rest)
}

/// The decoder's errors name a part of the frame; of interest here is only
/// whether the frame is sound.
fn reason(error: FrameDecoderError) -> Reason {
    match error {
        FrameDecoderError::WindowSizeTooBig { requested, .. } => {
            Reason::Memory(usize::try_from(requested).unwrap_or(usize::MAX))
        }
        FrameDecoderError::DictNotProvided { .. } => Reason::Feature,
        FrameDecoderError::FailedToReadChecksum(_)
        | FrameDecoderError::FailedToReadBlockHeader(_) => Reason::Cut,
        _ => Reason::Damaged,
    }
}
