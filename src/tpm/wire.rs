//! Reads and writes the big-endian numbers and the sized buffers (TPM2B) of
//! which TPM messages are made (Part 2, 5.2 and 10.4).

use super::response::Error;

/// What is left of an answer; every read takes from its front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (head, rest) =
            self.0.split_at_checked(len).ok_or(Error::Short { wanted: len, left: self.0.len() })?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let left = self.0.len();
        let (head, rest) = self.0.split_first_chunk().ok_or(Error::Short { wanted: N, left })?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    /// The contents of a TPM2B.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], Error> {
        let len = self.u16()?;
        self.bytes(len.into())
    }

    pub(super) const fn end(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Long { left: self.0.len() }) }
    }
}

/// Appends a TPM2B.
pub(super) fn put_sized(out: &mut Vec<u8>, value: &[u8]) {
    // A TPM refuses a command whose sizes do not add up, as it would refuse one
    // of this length.
    let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(value);
}
