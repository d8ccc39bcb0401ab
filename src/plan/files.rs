//! What kexec_file_load is given: a bare kernel and one initrd.
//!
//! Where a file of the entry is just that, it is given as it was read. Where the
//! kernel came wrapped, or the initrd in parts, its bytes have to become a file
//! first, which is for whoever loads it.

use std::borrow::Cow;

use super::{Error, Prepared, join};
use crate::bundle::Bundle;

/// The files that kexec_file_load takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files<'a, B> {
    /// The kernel, without any wrapping.
    pub kernel: Content<'a, B>,
    /// All initrds as one, unless there is not a byte in them.
    pub initrd: Option<Content<'a, B>>,
}

/// Bytes that are loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content<'a, B> {
    /// A file of the entry, whole.
    File(&'a B),
    /// A part of one, or several together.
    Bytes(Cow<'a, [u8]>),
}

impl<'a, B: AsRef<[u8]>> Files<'a, B> {
    /// # Errors
    /// A unified kernel image or an addon that cannot be read.
    pub(super) fn new(
        prepared: &'a Prepared<'_>,
        bundle: &'a Bundle<B>,
        front: Option<&'a [u8]>,
    ) -> Result<Self, Error> {
        let kernel = if prepared.is_whole() {
            Content::File(&bundle.linux.bytes)
        } else {
            Content::Bytes(Cow::Borrowed(prepared.kernel().file()))
        };
        let joined = join(bundle, front)?;
        let initrd = joined.map(|initrd| content(bundle, initrd.bytes));
        Ok(Self { kernel, initrd })
    }
}

/// The bytes as the entry's one initrd, if they are that.
fn content<'a, B: AsRef<[u8]>>(bundle: &'a Bundle<B>, bytes: Cow<'a, [u8]>) -> Content<'a, B> {
    match bundle.initrds.first() {
        Some(one) if core::ptr::eq(one.bytes.as_ref(), &*bytes) => Content::File(&one.bytes),
        _ => Content::Bytes(bytes),
    }
}
