//! What kexec_file_load is given: a bare kernel and one initrd.
//!
//! Where a file of the entry is just that, it is given as it was read. Where the
//! kernel came wrapped, or the initrd in parts, its bytes have to become a file
//! first, which is for whoever loads it.

use super::initrd::{Source, in_one_file, sources};
use super::{Error, Prepared};
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
    /// A part of one, or several, one after the other.
    Parts(Vec<&'a [u8]>),
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
            Content::Parts(vec![prepared.kernel().file()])
        };
        let sources = sources(bundle, front)?;
        let initrd = (!sources.is_empty()).then(|| content(bundle, &sources));
        Ok(Self { kernel, initrd })
    }
}

fn content<'a, B: AsRef<[u8]>>(bundle: &'a Bundle<B>, sources: &[Source<'a>]) -> Content<'a, B> {
    one_file(bundle, sources).map_or_else(|| Content::Parts(in_one_file(sources)), Content::File)
}

/// The entry's one initrd as it was read, if there is no other.
pub(super) fn one_file<'a, B: AsRef<[u8]>>(
    bundle: &'a Bundle<B>,
    sources: &[Source<'a>],
) -> Option<&'a B> {
    let [one] = sources else { return None };
    let mut blobs = bundle.initrds.iter().map(|blob| &blob.bytes);
    blobs.find(|blob| core::ptr::eq(blob.as_ref(), one.bytes))
}
