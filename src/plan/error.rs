//! Why a bundle cannot be booted, in words for people.

use core::fmt;

use super::paging::Beyond;
use super::{Engine, EngineError, Invalid, NoRoom};
use crate::base::arch::Arch;
use crate::{fdt, image};

/// Why a bundle cannot be booted on a machine.
#[derive(Clone, PartialEq, Eq)]
pub enum Error {
    /// No engine can load it.
    Engine(EngineError),
    /// The kernel was identified from other bytes than the bundle's.
    OtherKernel,
    /// The kernel is for another architecture.
    Arch {
        /// The kernel's.
        kernel: Arch,
        /// The machine's.
        machine: Arch,
    },
    /// The kernel is a vmlinux, which kexec_file_load does not take.
    Vmlinux,
    /// The kernel is no vmlinux and no bzImage with one.
    NoVmlinux,
    /// The unified kernel image or an addon of it cannot be read.
    Uki {
        /// Path of the file.
        path: String,
        /// What is wrong.
        error: image::UkiError,
    },
    /// What the bzImage carries cannot be unpacked.
    Payload(image::Error),
    /// The kernel would have to start without the code that knows how memory is
    /// encrypted.
    Encrypted,
    /// The command line has a NUL in it.
    CmdlineNul,
    /// The command line is too long.
    Cmdline {
        /// Its length in bytes.
        size: u64,
        /// What the kernel takes.
        limit: u64,
        /// By way of this engine.
        engine: Engine,
    },
    /// There is no place for a segment.
    NoRoom(NoRoom),
    /// x86_64 entries cannot bring a device tree.
    Devicetree,
    /// The kernel cannot start while 5-level paging is on.
    FiveLevelPaging,
    /// The running kernel's boot_params have only this many bytes.
    BootParams(usize),
    /// An arm64 image whose `text_offset` is no multiple of the page size.
    TextOffset(u64),
    /// A crash kernel is wanted, and there is nowhere to put it.
    NoCrashMemory,
    /// The interrupt controller has tables in memory, nobody knows where.
    LpiTables,
    /// The device tree cannot be handed over.
    Fdt(fdt::Error),
    /// An overlay cannot be merged into the device tree.
    Overlay {
        /// Path of the overlay.
        path: String,
        /// What is wrong.
        error: fdt::Error,
    },
    /// The purgatory's page tables do not reach all memory.
    Paging(Beyond),
    /// The purgatory does not take its parameters.
    Purgatory(purgatory::Error),
    /// There is no segment of this name to corrupt.
    #[cfg(feature = "test-hooks")]
    NoSegment(String),
    /// The finished plan breaks a rule.
    Invalid(Invalid),
}

/// The sentence. What would be derived, of all errors in it, is 7 KB of the program that
/// boots, which never shows it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<NoRoom> for Error {
    fn from(error: NoRoom) -> Self {
        Self::NoRoom(error)
    }
}

impl From<fdt::Error> for Error {
    fn from(error: fdt::Error) -> Self {
        Self::Fdt(error)
    }
}

impl From<Beyond> for Error {
    fn from(error: Beyond) -> Self {
        Self::Paging(error)
    }
}

impl From<purgatory::Error> for Error {
    fn from(error: purgatory::Error) -> Self {
        Self::Purgatory(error)
    }
}

impl From<Invalid> for Error {
    fn from(error: Invalid) -> Self {
        Self::Invalid(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(error) => error.fmt(f),
            Self::OtherKernel => f.write_str("the kernel is not the bundle's"),
            Self::Arch { kernel, machine } => {
                write!(f, "the kernel is for {kernel}, but this machine is {machine}")
            }
            Self::Vmlinux => f.write_str(
                "the kernel is an ELF vmlinux; kexec_file_load takes none, only kexec_load does",
            ),
            Self::NoVmlinux => f.write_str("the kernel is neither a vmlinux nor a bzImage"),
            Self::Payload(error) => write!(f, "the bzImage cannot be unpacked: {error}"),
            Self::Encrypted => f.write_str(
                "this machine's memory is encrypted; a vmlinux cannot start there without the \
                 decompressor of its bzImage",
            ),
            Self::CmdlineNul => f.write_str("the command line has a NUL character in it"),
            Self::Cmdline { size, limit, engine } => write!(
                f,
                "the command line has {size} bytes; by {engine} this kernel takes at most {limit}"
            ),
            Self::NoRoom(error) => error.fmt(f),
            Self::Devicetree => f.write_str(
                "the entry has a device tree or overlays, which x86_64 kernels do not take",
            ),
            Self::FiveLevelPaging => {
                f.write_str("5-level paging is on, and the kernel cannot start with it")
            }
            Self::BootParams(size) => {
                write!(f, "/sys/kernel/boot_params/data has {size} bytes instead of 4096")
            }
            Self::TextOffset(offset) => {
                write!(
                    f,
                    "the arm64 Image wants to lie {offset:#x} bytes into a block, not at a page"
                )
            }
            Self::NoCrashMemory => f.write_str(
                "no memory is set aside for a crash kernel: start the running kernel with \
                 crashkernel=256M or more",
            ),
            Self::LpiTables => write!(
                f,
                "the interrupt controller uses tables in memory (GICv3 LPIs) that the next kernel \
                 would clear wherever they lie: start the running kernel with {}=1",
                super::aarch64::NO_LPI
            ),
            Self::Fdt(error) => error.fmt(f),
            Self::Uki { path, error } => write!(f, "{path}: {error}"),
            Self::Overlay { path, error } => write!(f, "{path}: {error}"),
            Self::Paging(error) => error.fmt(f),
            Self::Purgatory(error) => error.fmt(f),
            #[cfg(feature = "test-hooks")]
            Self::NoSegment(name) => write!(f, "there is no segment {name:?} to corrupt"),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Error {}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, size, longest } = self;
        write!(f, "there is no room for the {name}: it needs {size} bytes, ")?;
        write!(f, "the longest free range where it may lie has {longest}")
    }
}
