//! The processor architectures that Turnout boots, as a value.
//!
//! Planners and image parsers take an [`Arch`]; they are never compiled for
//! one machine only, so that both are tested on every host.

use core::fmt;

/// A processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 64-bit Arm, little endian.
    Aarch64,
}

impl Arch {
    /// The name that `uname -m`, the manifest and the command line use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Reads the name that [`Arch::name`] writes; anything else is `None`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::X86_64, Self::Aarch64].into_iter().find(|arch| arch.name() == name)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
