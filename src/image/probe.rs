//! What the first bytes of a kernel file say that it is.
//!
//! For an entry that nobody has chosen yet: a look that needs the whole file is
//! [`super::unpack()`]'s, which sees more that may be wrong.

use super::compression::Compressor;
use super::unpack::EFI_PROGRAM;
use super::{Error, arm64, bzimage, elf, uki};
use crate::base::arch::Arch;

/// As many bytes as [`probe`] has use for: the headers of all formats, with room.
pub const HEAD: usize = 16 << 10;

/// The architecture that a file is for; `None` where only unpacking tells.
///
/// # Errors
/// It begins like no kernel that can be booted.
pub fn probe(head: &[u8]) -> Result<Option<Arch>, Error> {
    // Both may be EFI programs too.
    if bzimage::has_magic(head) {
        return Ok(Some(Arch::X86_64));
    }
    if arm64::has_magic(head) {
        return arm64::Header::parse(head).map(|_| Some(Arch::Aarch64)).map_err(Error::Arm64);
    }
    if elf::has_magic(head) {
        return elf::arch(head).map(Some).map_err(Error::Elf);
    }
    if Compressor::recognise(head).is_some() {
        return Ok(None);
    }
    if head.starts_with(EFI_PROGRAM) {
        return uki::arch(head).map(Some).map_err(Error::Uki);
    }
    Err(Error::Unknown(head.iter().take(8).copied().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(head: &[u8]) -> String {
        probe(head).unwrap_err().to_string()
    }

    #[test]
    fn the_start_of_a_kernel_tells_its_architecture() {
        for (file, arch) in [
            (bzimage::testing::debian(), Some(Arch::X86_64)),
            (arm64::testing::small(), Some(Arch::Aarch64)),
            (vec![0x1f, 0x8b, 8, 0], None),
        ] {
            assert_eq!(probe(file.get(..HEAD).unwrap_or(&file)), Ok(arch));
        }
    }

    #[test]
    fn what_is_no_kernel_is_refused_by_its_first_bytes() {
        assert_eq!(message(b""), "the file is empty");
        assert_eq!(
            message(b"#!/bin/sh"),
            "this is no kernel image that Turnout knows; it begins with 23 21 2f 62 69 6e 2f 73"
        );
    }
}
