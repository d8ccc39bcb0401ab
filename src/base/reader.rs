//! Takes numbers and texts from the front of bytes that came from outside.
//!
//! Every read may find too few bytes; nothing is ever looked at behind the end.

use super::digest::Digest;

/// What is left of the bytes. Numbers are in little endian.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// So many bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A number of two bytes.
    pub fn short(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// A number of four bytes.
    pub fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A SHA-256.
    pub fn digest(&mut self) -> Option<Digest> {
        self.array().map(Digest)
    }

    /// So many bytes, as they are.
    pub fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    /// A text behind its length, which is one byte.
    pub fn text(&mut self) -> Option<String> {
        let len = usize::from(self.byte()?);
        text(self.bytes(len)?)
    }

    /// All that is left, as a text.
    pub fn rest(&mut self) -> Option<String> {
        text(self.bytes(self.0.len())?)
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Bytes that are UTF-8, as a text.
#[must_use]
pub fn text(bytes: &[u8]) -> Option<String> {
    core::str::from_utf8(bytes).ok().map(str::to_owned)
}
