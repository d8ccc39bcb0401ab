//! What a kernel's file has to be, where somebody says so: checked against what its
//! bytes are, never believed in their place.

use core::fmt;

use crate::image::{Kernel, Layer, Unpacked};

/// A kind of file with a kernel in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// bzImage (x86).
    Bzimage,
    /// An x86_64 ELF kernel.
    Vmlinux,
    /// A unified kernel image.
    Uki,
    /// An arm64 `Image`.
    Image,
    /// An arm64 kernel in an EFI program that unpacks it.
    Zboot,
    /// An arm64 ELF kernel.
    Elf,
}

impl Kind {
    /// What it is; compression around it does not matter.
    fn of(unpacked: &Unpacked<'_>) -> Self {
        let layers = unpacked.layers();
        match unpacked.kernel() {
            _ if layers.contains(&Layer::Uki) => Self::Uki,
            Kernel::Bzimage(_) => Self::Bzimage,
            Kernel::Vmlinux(_) => Self::Vmlinux,
            Kernel::Arm64Image(_) if layers.contains(&Layer::Zboot) => Self::Zboot,
            Kernel::Arm64Image(_) if layers.contains(&Layer::Elf) => Self::Elf,
            Kernel::Arm64Image(_) => Self::Image,
        }
    }

    /// Whether the file is of this kind.
    ///
    /// # Errors
    /// A sentence with what it is instead.
    pub(super) fn check(self, unpacked: &Unpacked<'_>) -> Result<(), String> {
        let is = Self::of(unpacked);
        if is == self { Ok(()) } else { Err(format!("this is {is}, not {self}")) }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bzimage => "a bzImage",
            Self::Vmlinux => "an ELF kernel for x86_64",
            Self::Uki => "a unified kernel image",
            Self::Image => "an arm64 Image",
            Self::Zboot => "an arm64 kernel in an EFI program",
            Self::Elf => "an ELF kernel for arm64",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::{gzip, uki, unpacked, vmlinux};
    use crate::image::{arm64, bzimage};

    #[test]
    fn a_file_is_what_its_bytes_are() {
        let bzimage = bzimage::testing::small();
        let packed = gzip(&bzimage);
        let whole = uki(&[(".linux", &arm64::testing::small())]);
        let cases = [
            (bzimage.as_slice(), Kind::Bzimage),
            (&packed, Kind::Bzimage),
            (&whole, Kind::Uki),
            (&vmlinux(), Kind::Vmlinux),
            (&arm64::testing::small(), Kind::Image),
        ];
        for (file, kind) in cases {
            assert_eq!(kind.check(&unpacked(file)), Ok(()), "{kind}");
        }
        let said = Kind::Vmlinux.check(&unpacked(&bzimage)).unwrap_err();
        assert_eq!(said, "this is a bzImage, not an ELF kernel for x86_64");
    }
}
