//! What exactly will be loaded where: a value that can be printed, compared and
//! checked before any system call is made with it.
//!
//! Takes a verified bundle, an identified kernel and a description of the
//! machine. Never reads anything itself, never copies a kernel or an initrd
//! (except to join several initrds), and never hashes a file again: the digests
//! that the purgatory checks are those that the signature covers. The kernel
//! checks next to nothing that kexec_load is given, so [`Plan::validate`] does.

mod aarch64;
mod boot_params;
mod engine;
mod initrd;
mod machine;
mod space;
mod x86_64;

use core::fmt;
use std::borrow::Cow;

use purgatory::{Block, Conduit, Region};

use crate::addr::Range;
use crate::arch::Arch;
use crate::bundle::{Bundle, Digest};
use crate::fdt;
use crate::image::Kernel;
use crate::trust::verify::Verified;

pub use engine::{Engine, Error as EngineError, Facts, Lockdown, Request, choose_engine};
pub use initrd::{Initrd, join};
pub use machine::{Board, Machine, Pc, Platform};
pub use space::NoRoom;

use space::{Space, Want};

/// How many segments kexec_load takes.
pub const MAX_SEGMENTS: usize = 16;

/// Longest command line of an arm64 kernel, without the terminating NUL. No
/// header says it; it is COMMAND_LINE_SIZE in the kernel's source.
const ARM64_CMDLINE_SIZE: u64 = 2047;

/// Bytes of the command line that kexec_file_load keeps for `elfcorehdr=`, even
/// when it loads no crash kernel, and the terminating NUL.
const FILE_CMDLINE_RESERVE: u64 = 30 + 1;

const ANYWHERE: Range = span(1 << 20, u64::MAX);

/// The range, or an empty one if it would end before it starts.
const fn span(start: u64, end: u64) -> Range {
    match Range::new(start, end) {
        Some(range) => range,
        None => span(end, end),
    }
}

/// Everything about one boot that is decided before it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<'a> {
    /// How it is loaded.
    pub engine: Engine,
    /// Why so, for people.
    pub reason: &'static str,
    /// The next kernel's architecture.
    pub arch: Arch,
    /// Where kexec_load enters: the purgatory. Zero with [`Engine::File`].
    pub entry: u64,
    /// What kexec_load is given. Empty with [`Engine::File`].
    pub segments: Vec<Segment<'a>>,
    /// What the purgatory checks. Empty with [`Engine::File`].
    pub checks: Vec<Check>,
    /// The next kernel's command line.
    pub cmdline: String,
    /// Doubts that do not keep it from booting; one sentence each.
    pub warnings: Vec<String>,
}

/// Bytes and where they go.
#[derive(Clone, PartialEq, Eq)]
pub struct Segment<'a> {
    /// What it is: `kernel`, `initrd`, `params` or `purgatory`.
    pub name: &'static str,
    /// What is loaded at the start of `range`; the rest becomes zeros.
    pub bytes: Cow<'a, [u8]>,
    /// The memory that it takes, in whole pages.
    pub range: Range,
}

/// Bytes that the purgatory must find unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it prints if they are not; at most 16 ASCII characters.
    pub name: String,
    /// SHA-256 over all regions, one after the other.
    pub digest: Digest,
    /// Where the bytes lie.
    pub regions: Vec<Range>,
}

impl Check {
    fn of(name: &str, start: u64, bytes: &[u8]) -> Self {
        let region = Range::with_len(start, bytes.len() as u64);
        let regions = region.into_iter().collect();
        Self { name: name.to_owned(), digest: Digest::of(bytes), regions }
    }
}

/// What a planner needs from the bundle.
struct Job<'a> {
    cmdline: &'a str,
    linux: Digest,
    initrd: Option<Initrd<'a>>,
    devicetree: Option<&'a [u8]>,
}

/// What a planner decides.
struct Layout<'a> {
    /// Where the kernel is entered, and with what.
    entry: u64,
    argument: u64,
    conduit: Conduit,
    segments: Vec<Segment<'a>>,
    checks: Vec<Check>,
}

/// Plans one boot of a bundle that has been verified. `kernel` must have been
/// identified from its bytes; `blob` is the purgatory for the machine's
/// architecture.
///
/// # Errors
/// Why this bundle cannot be booted on this machine.
pub fn make<'a, B: AsRef<[u8]>>(
    request: Request,
    facts: &Facts,
    kernel: &Kernel<'a>,
    bundle: &'a Verified<Bundle<B>>,
    machine: &Machine,
    blob: &[u8],
) -> Result<Plan<'a>, Error> {
    let bundle = bundle.get();
    let devicetree = facts.devicetree || bundle.devicetree.is_some();
    let (engine, reason) = choose_engine(request, &Facts { devicetree, ..*facts })?;
    check_bundle(engine, kernel, bundle, machine)?;
    let mut plan = Plan {
        engine,
        reason,
        arch: kernel.arch(),
        entry: 0,
        segments: Vec::new(),
        checks: Vec::new(),
        cmdline: bundle.options.clone(),
        warnings: warnings(kernel, machine),
    };
    if engine == Engine::Segments {
        plan.place(kernel, bundle, machine, blob)?;
        plan.validate(machine)?;
    }
    Ok(plan)
}

fn check_bundle<B: AsRef<[u8]>>(
    engine: Engine,
    kernel: &Kernel<'_>,
    bundle: &Bundle<B>,
    machine: &Machine,
) -> Result<(), Error> {
    if !core::ptr::eq(kernel.file(), bundle.linux.bytes.as_ref()) {
        return Err(Error::OtherKernel);
    }
    if kernel.arch() != machine.arch() {
        return Err(Error::Arch { kernel: kernel.arch(), machine: machine.arch() });
    }
    if bundle.options.contains('\0') {
        return Err(Error::CmdlineNul);
    }
    let (size, limit) = (bundle.options.len() as u64, cmdline_limit(engine, kernel));
    if size > limit { Err(Error::Cmdline { size, limit, engine }) } else { Ok(()) }
}

/// Longest command line, without the terminating NUL.
fn cmdline_limit(engine: Engine, kernel: &Kernel<'_>) -> u64 {
    match (kernel, engine) {
        (Kernel::Arm64Image(_), _) => ARM64_CMDLINE_SIZE,
        (Kernel::Bzimage(image), Engine::Segments) => u64::from(image.cmdline_size()),
        (Kernel::Bzimage(image), Engine::File) => {
            u64::from(image.cmdline_size()).saturating_sub(FILE_CMDLINE_RESERVE)
        }
    }
}

fn warnings(kernel: &Kernel<'_>, machine: &Machine) -> Vec<String> {
    match kernel {
        Kernel::Arm64Image(image) => image
            .page_size()
            .filter(|size| *size != machine.page_size)
            .map(|size| {
                format!(
                    "the kernel wants pages of {} KiB; this machine is only known to have {} KiB",
                    size >> 10,
                    machine.page_size >> 10
                )
            })
            .into_iter()
            .collect(),
        Kernel::Bzimage(_) => Vec::new(),
    }
}

impl<'a> Plan<'a> {
    fn place<B: AsRef<[u8]>>(
        &mut self,
        kernel: &Kernel<'a>,
        bundle: &'a Bundle<B>,
        machine: &Machine,
        blob: &[u8],
    ) -> Result<(), Error> {
        let job = Job {
            cmdline: &bundle.options,
            linux: bundle.linux.digest,
            initrd: join(&bundle.initrds),
            devicetree: bundle.devicetree.as_ref().map(|blob| blob.bytes.as_ref()),
        };
        let mut space = Space::new(machine.available(), machine.page_size);
        let layout = match (kernel, &machine.platform) {
            (Kernel::Bzimage(image), Platform::Pc(pc)) => {
                x86_64::lay_out(image, (machine, pc), job, &mut space)
            }
            (Kernel::Arm64Image(image), Platform::Board(board)) => {
                aarch64::lay_out(image, (machine, board), job, &mut space)
            }
            _ => Err(Error::Arch { kernel: kernel.arch(), machine: machine.arch() }),
        }?;
        let purgatory = place_purgatory(&layout, machine, blob, &mut space)?;
        self.entry = purgatory.range.start();
        self.segments = layout.segments;
        self.segments.push(purgatory);
        self.checks = layout.checks;
        Ok(())
    }

    /// Checks what kexec_load does not: that there are 1 to 16 segments of
    /// whole pages, disjoint, in memory that may be overwritten, at most half
    /// of all memory; that the entry is in one, and that every checked region
    /// lies in bytes that are loaded.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self, machine: &Machine) -> Result<(), Invalid> {
        if self.segments.is_empty() || self.segments.len() > MAX_SEGMENTS {
            return Err(Invalid::Count(self.segments.len()));
        }
        let available = machine.available();
        self.segments.iter().try_for_each(|one| one.validate(machine.page_size, &available))?;
        let mut sorted: Vec<_> = self.segments.iter().collect();
        sorted.sort_by_key(|segment| segment.range);
        if let Some(&[low, high]) =
            sorted.array_windows().find(|[low, high]| low.range.overlaps(high.range))
        {
            return Err(Invalid::Overlap(low.name, high.name));
        }
        self.validate_sizes(machine)?;
        self.validate_targets()
    }

    fn validate_sizes(&self, machine: &Machine) -> Result<(), Invalid> {
        let sum = |sum: u64, segment: &Segment<'_>| sum.saturating_add(segment.range.len());
        let (size, limit) = (self.segments.iter().fold(0, sum), machine.total_ram / 2);
        if size > limit { Err(Invalid::TooBig { size, limit }) } else { Ok(()) }
    }

    fn validate_targets(&self) -> Result<(), Invalid> {
        let is_loaded =
            |range: Range| self.segments.iter().any(|segment| segment.loaded().contains(range));
        if !is_loaded(span(self.entry, self.entry.saturating_add(1))) {
            return Err(Invalid::Entry(self.entry));
        }
        for check in &self.checks {
            if let Some(region) = check.regions.iter().find(|region| !is_loaded(**region)) {
                return Err(Invalid::Region(check.name.clone(), *region));
            }
        }
        Ok(())
    }

    /// Makes the purgatory flip a bit in the first byte of a segment before it
    /// checks anything, for tests that it notices.
    ///
    /// # Errors
    /// There is no such segment, or the purgatory was built without the hook.
    #[cfg(feature = "test-hooks")]
    pub fn corrupt(&mut self, name: &str) -> Result<(), Error> {
        let missing = || Error::NoSegment(name.to_owned());
        let target = self.segments.iter().find(|segment| segment.name == name);
        let address = target.ok_or_else(missing)?.range.start();
        let blob = self.segments.iter_mut().find(|segment| segment.name == "purgatory");
        let blob = blob.ok_or_else(missing)?.bytes.to_mut();
        let place = blob.get(purgatory::BLOCK_OFFSET..).and_then(|rest| rest.first_chunk());
        let mut block = Block::from_bytes(place.ok_or(purgatory::Error::Short(blob.len()))?);
        block.set_corrupt(address)?;
        Ok(purgatory::install(blob, &block)?)
    }
}

/// The purgatory with its parameters, wherever there is still room.
fn place_purgatory(
    layout: &Layout<'_>,
    machine: &Machine,
    blob: &[u8],
    space: &mut Space,
) -> Result<Segment<'static>, Error> {
    let size = blob.len() as u64;
    let within = ANYWHERE;
    let range =
        space.take_highest(&Want { name: "purgatory", size, align: 1, offset: 0, within })?;
    let mut block = Block::new(layout.entry, layout.argument);
    block.set_uart(machine.uart)?;
    block.set_conduit(layout.conduit);
    for check in &layout.checks {
        let region = |range: &Range| Region { start: range.start(), len: range.len() };
        let regions: Vec<_> = check.regions.iter().map(region).collect();
        block.add_check(&check.name, check.digest.0, &regions)?;
    }
    let mut bytes = blob.to_vec();
    purgatory::install(&mut bytes, &block)?;
    Ok(Segment { name: "purgatory", bytes: Cow::Owned(bytes), range })
}

impl Segment<'_> {
    /// Where its bytes lie, without the zeros behind them.
    fn loaded(&self) -> Range {
        Range::with_len(self.range.start(), self.bytes.len() as u64).unwrap_or(self.range)
    }

    fn validate(&self, page_size: u64, available: &[Range]) -> Result<(), Invalid> {
        let Self { name, range, .. } = *self;
        if range.is_empty() || range.shrink_to(page_size) != Some(range) {
            return Err(Invalid::Pages(name, range));
        }
        if !range.contains(self.loaded()) {
            return Err(Invalid::Bytes { name, range, size: self.bytes.len() });
        }
        if !available.iter().any(|free| free.contains(range)) {
            return Err(Invalid::NotFree(name, range));
        }
        Ok(())
    }
}

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (loaded, size) = (self.bytes.len(), self.range.len());
        let range = self.range.to_string();
        write!(f, "{:<9} {range:<25} {loaded} of {size} bytes loaded", self.name)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9} sha256:{} of", self.name, self.digest)?;
        self.regions.iter().try_for_each(|range| write!(f, " {range}"))
    }
}

impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}, because {}", self.engine, self.arch, self.reason)?;
        self.segments.iter().try_for_each(|segment| writeln!(f, "segment {segment}"))?;
        self.checks.iter().try_for_each(|check| writeln!(f, "check   {check}"))?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))?;
        if self.engine == Engine::Segments {
            writeln!(f, "entry   {:#x}", self.entry)?;
        }
        write!(f, "options {:?}", self.cmdline)
    }
}

/// Why a bundle cannot be booted on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// The device tree cannot be handed over.
    Fdt(fdt::Error),
    /// The purgatory does not take its parameters.
    Purgatory(purgatory::Error),
    /// There is no segment of this name to corrupt.
    #[cfg(feature = "test-hooks")]
    NoSegment(String),
    /// The finished plan breaks a rule.
    Invalid(Invalid),
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
            Self::CmdlineNul => f.write_str("the command line has a NUL character in it"),
            Self::Cmdline { size, limit, engine } => write!(
                f,
                "the command line has {size} bytes; by {engine} this kernel takes at most {limit}"
            ),
            Self::NoRoom(error) => error.fmt(f),
            Self::Devicetree => f.write_str(
                "the entry has a device tree of its own, which x86_64 kernels do not take",
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
            Self::Fdt(error) => error.fmt(f),
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

/// A rule for segments that a plan breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// This many segments.
    Count(usize),
    /// Not whole pages.
    Pages(&'static str, Range),
    /// More bytes than memory.
    Bytes {
        /// Name of the segment.
        name: &'static str,
        /// Its memory.
        range: Range,
        /// Its bytes.
        size: usize,
    },
    /// Memory that may not be overwritten.
    NotFree(&'static str, Range),
    /// Two segments share memory.
    Overlap(&'static str, &'static str),
    /// More memory than the kernel lets a load have.
    TooBig {
        /// All segments together.
        size: u64,
        /// Half of the memory.
        limit: u64,
    },
    /// The entry lies in no segment.
    Entry(u64),
    /// A checked region is not loaded.
    Region(String, Range),
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count} segments, but kexec_load takes 1 to 16"),
            Self::Pages(name, range) => write!(f, "the {name} at {range} is not in whole pages"),
            Self::Bytes { name, range, size } => {
                write!(f, "the {name} has {size} bytes, more than fit in {range}")
            }
            Self::NotFree(name, range) => {
                write!(f, "the {name} at {range} lies in memory that is not free")
            }
            Self::Overlap(low, high) => write!(f, "the {low} and the {high} overlap"),
            Self::TooBig { size, limit } => {
                write!(f, "the segments need {size} bytes, but the running kernel takes at most ")?;
                write!(f, "{limit}, half of its memory")
            }
            Self::Entry(entry) => write!(f, "the entry {entry:#x} lies in no segment"),
            Self::Region(name, range) => {
                write!(f, "the {name} is checked at {range}, where nothing is loaded")
            }
        }
    }
}

impl core::error::Error for Invalid {}

#[cfg(test)]
mod tests;
