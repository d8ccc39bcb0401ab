//! What exactly will be loaded where: a value that can be printed, compared and
//! checked before any system call is made with it.
//!
//! Takes a verified bundle, an identified kernel and a description of the
//! machine. Never reads anything itself, never copies a kernel or an initrd
//! (except where there are more of them than segments), and never hashes a file
//! again: the digests that the purgatory checks are those that the signature covers,
//! and what comes out of a file is hashed as it is loaded. The kernel checks next to nothing that
//! kexec_load is given, so [`Placement::validate`] does.

mod aarch64;
mod boot_params;
mod crash;
mod engine;
mod errno;
mod error;
mod files;
mod guards;
mod initrd;
mod layout;
mod machine;
mod need;
pub mod paging;
mod purgatory_segment;
mod show;
mod space;
mod system;
mod validate;
mod vmlinux;
mod x86_64;

use crate::base::addr::Range;
use crate::base::arch::Arch;
use crate::base::digest::Digest;
use crate::bundle::Bundle;
use crate::fdt::Fdt;
use crate::image::Kernel;
use crate::trust::verify::Verified;

pub(crate) use aarch64::leaves_lpis_off;
pub use crash::{Crash, View};
pub use engine::{
    Engine, Error as EngineError, Facts, Lockdown, Request, Slot, choose_engine, falls_back,
};
pub use errno::{is_inability, is_missing, meaning_of_load, meaning_of_reboot};
pub use error::Error;
pub use files::{Content, Files};
pub use guards::{FileRule, LiveUpdate, ima_appraises, is_xen_dom0, secure_boot};
pub use initrd::initrds;
pub use layout::{Check, Segment};
pub use machine::{Board, Machine, Pc, Platform};
pub use need::{Need, Room, Shortage};
pub use space::NoRoom;
pub use system::cmdline;
pub use validate::Invalid;
pub use vmlinux::{Decompress, Direct, Prepared, Unpacking};

use crash::ElfHeader;
use initrd::{Grid, Initrd, join};
use layout::Layout;
use space::Space;
use system::whole;

/// How many segments kexec_load takes.
pub const MAX_SEGMENTS: usize = 16;

/// Longest command line of an arm64 kernel, without the terminating NUL. No
/// header says it; it is COMMAND_LINE_SIZE in the kernel's source.
const ARM64_CMDLINE_SIZE: u64 = 2047;

/// The same of an x86_64 kernel that has lost its setup header.
const X86_CMDLINE_SIZE: u64 = 2047;

/// Longest command line, without the terminating NUL, of a kernel that has not
/// been looked at yet.
#[must_use]
pub const fn longest_cmdline(arch: Arch) -> u64 {
    match arch {
        Arch::X86_64 => X86_CMDLINE_SIZE,
        Arch::Aarch64 => ARM64_CMDLINE_SIZE,
    }
}

/// Bytes of the command line that kexec_file_load keeps for `elfcorehdr=`, even
/// when it loads no crash kernel, and the terminating NUL.
const FILE_CMDLINE_RESERVE: u64 = 30 + 1;

/// Everything about one boot that is decided before it is loaded. `B` holds the
/// bytes of a file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan<'a, B = Vec<u8>> {
    /// How it is loaded, and what.
    pub loading: Loading<'a, B>,
    /// Why so, for people.
    pub reason: &'static str,
    /// The next kernel's architecture.
    pub arch: Arch,
    /// What the next kernel is loaded as.
    pub kernel: KernelForm,
    /// The next kernel's command line.
    pub cmdline: String,
    /// Doubts that do not keep it from booting; one sentence each.
    pub warnings: Vec<String>,
}

/// What the engine of a plan is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loading<'a, B> {
    /// kexec_file_load: files.
    Files(Files<'a, B>),
    /// kexec_load: segments.
    Segments(Placement<'a>),
}

/// What is loaded and why that, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelForm {
    /// `bzImage`, `Image` or `vmlinux`.
    pub name: &'static str,
    /// Why not another.
    pub why: &'static str,
}

/// Everything that has a place in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement<'a> {
    /// Where kexec_load enters: the purgatory.
    pub entry: u64,
    /// Where the purgatory enters the next kernel.
    pub kernel_entry: u64,
    /// What it hands over: the address of boot_params or of the device tree.
    pub argument: u64,
    /// What kexec_load is given.
    pub segments: Vec<Segment<'a>>,
    /// Memory that the next kernel takes for itself before it reads any map:
    /// nothing else may lie there, whether it is declared or not.
    pub windows: Vec<Range>,
    /// What the purgatory checks.
    pub checks: Vec<Check>,
}

impl<'a, B> Plan<'a, B> {
    /// Which system call loads it.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        match self.loading {
            Loading::Files(_) => Engine::File,
            Loading::Segments(_) => Engine::Segments,
        }
    }

    /// Where everything lies; `None` where the running kernel places it.
    #[must_use]
    pub const fn placement(&self) -> Option<&Placement<'a>> {
        match &self.loading {
            Loading::Files(_) => None,
            Loading::Segments(placement) => Some(placement),
        }
    }
}

/// What a planner needs from the bundle.
struct Handover<'a, 'b> {
    cmdline: &'b str,
    linux: Digest,
    initrd: Option<Initrd<'a>>,
    devicetree: Option<&'a [u8]>,
    /// Path and bytes, in order.
    overlays: Vec<(&'b str, &'a [u8])>,
    /// For a crash kernel: what it must be told, and where the ELF header lies.
    crash: Option<(&'b Crash, Range)>,
}

/// Plans one boot of a bundle that has been verified. `prepared` must have been
/// made of its kernel; `blob` is the purgatory for the machine's architecture.
///
/// # Errors
/// Why this bundle cannot be booted on this machine.
pub fn make<'a, B: AsRef<[u8]>>(
    request: Request,
    facts: &Facts,
    prepared: &'a Prepared<'_>,
    bundle: &'a Verified<Bundle<B>>,
    machine: &Machine,
    blob: &[u8],
) -> Result<Plan<'a, B>, Error> {
    let machine = On { arch: machine.arch(), machine };
    make_behind::<_, WITH_CRASH>(None, request, facts, prepared, bundle, machine, blob)
}

/// The machine that is planned for.
#[derive(Debug, Clone, Copy)]
pub struct On<'m> {
    /// Its architecture, once more: a program that plans for its own alone gives that as a
    /// constant, and so has no code for the others.
    pub arch: Arch,
    /// What it is.
    pub machine: &'m Machine,
}

/// [`make_behind`] of a program that plans kernels for a crash too.
pub const WITH_CRASH: bool = true;
/// That of one that plans none ever, and so has no code for them.
pub const WITHOUT_CRASH: bool = false;

/// The same with an archive of Turnout's own before every initrd. `CRASH` is [`WITH_CRASH`]
/// or [`WITHOUT_CRASH`].
///
/// # Errors
/// As [`make`].
pub fn make_behind<'a, B: AsRef<[u8]>, const CRASH: bool>(
    front: Option<&'a [u8]>,
    request: Request,
    facts: &Facts,
    prepared: &'a Prepared<'_>,
    bundle: &'a Verified<Bundle<B>>,
    on: On<'_>,
    blob: &[u8],
) -> Result<Plan<'a, B>, Error> {
    let machine = on.machine;
    let bundle = bundle.get();
    let kernel = &prepared.kernel();
    if !prepared.is_of(bundle) {
        return Err(Error::OtherKernel);
    }
    let own_tree =
        devicetree(bundle, kernel.arch(), machine)?.is_some() || !bundle.overlays.is_empty();
    let devicetree = facts.devicetree || own_tree;
    let (engine, reason) = choose_engine(request, &Facts { devicetree, ..*facts })?;
    let mut cmdline = cmdline(bundle)?;
    check(engine, kernel, &cmdline, machine)?;
    let loading = match engine {
        Engine::File => Loading::Files(Files::new(prepared, bundle, front)?),
        Engine::Segments => {
            let mut space = Space::new(machine.available(), machine.page_size);
            let header = match CRASH {
                WITH_CRASH => crash_header(kernel, machine, &mut space, &mut cmdline)?,
                WITHOUT_CRASH => None,
            };
            let parts = Parts { prepared, bundle, front, cmdline: &cmdline, header };
            Loading::Segments(Placement::new(parts, on, blob, &mut space)?)
        }
    };
    Ok(Plan {
        loading,
        reason,
        arch: kernel.arch(),
        kernel: prepared.form(),
        cmdline,
        warnings: warnings(kernel, machine),
    })
}

/// For a crash kernel, what it must be told; its command line says where that
/// lies.
fn crash_header(
    kernel: &Kernel<'_>,
    machine: &Machine,
    space: &mut Space,
    cmdline: &mut String,
) -> Result<Option<ElfHeader>, Error> {
    let Some(crash) = &machine.crash else { return Ok(None) };
    let header = ElfHeader::place(crash, kernel.arch(), space)?;
    *cmdline = header.tell(cmdline, kernel.arch());
    check_cmdline(Engine::Segments, kernel, cmdline)?;
    Ok(Some(header))
}

/// The entry's own device tree, or else the one in its unified kernel image: such
/// an image has one for a board, nothing on a PC asks for it.
fn devicetree<'a, B: AsRef<[u8]>>(
    bundle: &'a Bundle<B>,
    arch: Arch,
    machine: &Machine,
) -> Result<Option<&'a [u8]>, Error> {
    let own = bundle.devicetree.as_ref().map(|blob| blob.bytes.as_ref());
    if own.is_some() || arch != Arch::Aarch64 {
        return Ok(own);
    }
    let Some(whole) = whole(bundle)? else { return Ok(None) };
    let running = match &machine.platform {
        Platform::Board(board) => Fdt::parse(&board.fdt).ok(),
        Platform::Pc(_) => None,
    };
    Ok(whole.dtb(running.as_ref().and_then(Fdt::board)))
}

fn overlays<B: AsRef<[u8]>>(bundle: &Bundle<B>) -> Vec<(&str, &[u8])> {
    bundle.overlays.iter().map(|blob| (blob.path.as_str(), blob.bytes.as_ref())).collect()
}

fn check(
    engine: Engine,
    kernel: &Kernel<'_>,
    cmdline: &str,
    machine: &Machine,
) -> Result<(), Error> {
    if machine.crash.as_ref().is_some_and(|crash| crash.region().is_none()) {
        return Err(Error::NoCrashMemory);
    }
    if kernel.arch() != machine.arch() {
        return Err(Error::Arch { kernel: kernel.arch(), machine: machine.arch() });
    }
    if matches!((engine, kernel), (Engine::File, Kernel::Vmlinux(_))) {
        return Err(Error::Vmlinux);
    }
    if cmdline.contains('\0') {
        return Err(Error::CmdlineNul);
    }
    check_cmdline(engine, kernel, cmdline)
}

fn check_cmdline(engine: Engine, kernel: &Kernel<'_>, cmdline: &str) -> Result<(), Error> {
    let size = cmdline.len() as u64;
    let limit = cmdline_limit(engine, kernel);
    if size > limit { Err(Error::Cmdline { size, limit, engine }) } else { Ok(()) }
}

/// Longest command line, without the terminating NUL.
fn cmdline_limit(engine: Engine, kernel: &Kernel<'_>) -> u64 {
    match (kernel, engine) {
        (Kernel::Arm64Image(_), _) => ARM64_CMDLINE_SIZE,
        (Kernel::Vmlinux(image), _) => image.cmdline_size().map_or(X86_CMDLINE_SIZE, u64::from),
        (Kernel::Bzimage(image), Engine::Segments) => u64::from(image.cmdline_size()),
        (Kernel::Bzimage(image), Engine::File) => {
            u64::from(image.cmdline_size()).saturating_sub(FILE_CMDLINE_RESERVE)
        }
    }
}

fn warnings(kernel: &Kernel<'_>, machine: &Machine) -> Vec<String> {
    let crash = machine.crash.as_ref().and_then(Crash::warning).map(str::to_owned);
    let list = [other_page_size(kernel, machine), rebuilt_tree(machine), crash];
    list.into_iter().flatten().collect()
}

fn other_page_size(kernel: &Kernel<'_>, machine: &Machine) -> Option<String> {
    let Kernel::Arm64Image(image) = kernel else { return None };
    let size = image.page_size().filter(|size| *size != machine.page_size)?;
    Some(format!(
        "the kernel wants pages of {} KiB; this machine is only known to have {} KiB",
        size >> 10,
        machine.page_size >> 10
    ))
}

fn rebuilt_tree(machine: &Machine) -> Option<String> {
    let Platform::Board(Board { rebuilt: true, .. }) = machine.platform else { return None };
    let text = "/sys/firmware/fdt is missing, so the device tree is made from /proc/device-tree: \
                memory that the firmware's blob reserved is not known";
    Some(text.to_owned())
}

/// What is placed in memory.
struct Parts<'a, 'b, B> {
    prepared: &'a Prepared<'a>,
    bundle: &'a Bundle<B>,
    front: Option<&'a [u8]>,
    cmdline: &'b str,
    header: Option<ElfHeader>,
}

impl<'a> Placement<'a> {
    /// Finds a place for everything, and makes sure that it can be loaded there.
    fn new<B: AsRef<[u8]>>(
        parts: Parts<'a, '_, B>,
        on: On<'_>,
        blob: &[u8],
        space: &mut Space,
    ) -> Result<Self, Error> {
        let machine = on.machine;
        let Parts { prepared, bundle, front, cmdline, header } = parts;
        let arch = prepared.kernel().arch();
        let handover = Handover {
            cmdline,
            linux: prepared.digest(bundle),
            initrd: join(bundle, front, Grid::new(prepared, machine))?,
            devicetree: devicetree(bundle, arch, machine)?,
            overlays: overlays(bundle),
            crash: machine.crash.as_ref().zip(header.as_ref().map(ElfHeader::range)),
        };
        let mut layout = lay_out(prepared, on, handover, space)?;
        layout.checks.extend(header.as_ref().map(ElfHeader::check));
        layout.segments.extend(header.map(ElfHeader::into_segment));
        let purgatory = purgatory_segment::place(&mut layout, on, blob, space)?;
        let entry = purgatory.range.start();
        layout.segments.push(purgatory);
        let placement = Self {
            entry,
            kernel_entry: layout.entry,
            argument: layout.argument,
            segments: layout.segments,
            windows: layout.windows,
            checks: layout.checks,
        };
        placement.validate(machine)?;
        Ok(placement)
    }
}

fn lay_out<'a>(
    prepared: &'a Prepared<'_>,
    on: On<'_>,
    handover: Handover<'a, '_>,
    space: &mut Space,
) -> Result<Layout<'a>, Error> {
    let On { arch, machine } = on;
    match (prepared.direct(), prepared.kernel(), &machine.platform) {
        (Some(_), ..) if machine.keep_page_tables => Err(Error::Encrypted),
        (Some(direct), _, Platform::Pc(pc)) if arch == Arch::X86_64 => {
            let told = pc.as_told(handover.crash);
            x86_64::lay_out(direct.image(), machine, &told, handover, space)
        }
        (_, Kernel::Bzimage(image), Platform::Pc(pc)) if arch == Arch::X86_64 => {
            let image = x86_64::Image::of_bzimage(&image, handover.linux, pc);
            let told = pc.as_told(handover.crash);
            x86_64::lay_out(image, machine, &told, handover, space)
        }
        (_, Kernel::Arm64Image(image), Platform::Board(board)) if arch == Arch::Aarch64 => {
            aarch64::lay_out(&image, machine, board, handover, space)
        }
        (_, kernel, _) => Err(Error::Arch { kernel: kernel.arch(), machine: machine.arch() }),
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
