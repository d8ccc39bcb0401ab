//! Where things go on x86_64: a bzImage, started at its 64-bit entry point.
//!
//! Of the window that the kernel unpacks itself into, only the pages with bytes
//! of the file are loaded; the rest is kept free of other segments, and the
//! purgatory's page tables map all of it. Where those of the running kernel stay
//! in force, the whole window is declared, so that none of them lies in it.
//! Follows Linux Documentation/arch/x86/boot.rst.

use std::borrow::Cow;

use crate::addr::{Range, align_up};
use crate::image::Bzimage;
use crate::image::bzimage::ENTRY_64;

use super::boot_params::{self, Contents, SetupHeader};
use super::initrd::{Initrd, Placed};
use super::machine::{LOW_MEMORY, Machine, Pc};
use super::paging::{Kind, Mapping};
use super::space::{NoRoom, Space, Want};
use super::{Check, Error, Job, Layout, Segment, span};

/// Older devices do DMA below here, and the kernel unpacks itself above.
const ABOVE_DMA: u64 = 16 << 20;
const BELOW_4G: Range = span(ABOVE_DMA, 1 << 32);
const ANYWHERE: Range = span(ABOVE_DMA, u64::MAX);

pub(super) fn lay_out<'a>(
    image: &Bzimage<'a>,
    (machine, pc): (&Machine, &Pc),
    job: Job<'a>,
    space: &mut Space,
) -> Result<Layout<'a>, Error> {
    check(image, pc, &job)?;
    let window = place_kernel(image, space)?;
    let kernel = declared(image, machine, window);
    let initrd = job.initrd.map(|initrd| place_initrd(initrd, space)).transpose()?;
    let initrd_bytes = initrd.as_ref().map(Placed::bytes);
    let (_, header) = image.header();
    let contents = Contents {
        header: SetupHeader(header),
        machine,
        pc,
        cmdline: job.cmdline,
        initrd: initrd_bytes,
        randomised: false,
    };
    let params = Params::place(&contents, image.setup(), space)?;

    let loaded = Range::with_len(kernel.start(), image.protected_mode().len() as u64);
    let linux = [params.setup(), loaded].into_iter().flatten().collect();
    let mut checks = vec![Check { name: "linux".to_owned(), digest: job.linux, regions: linux }];
    checks.extend(initrd.iter().flat_map(Placed::checks));
    checks.push(Check::of("params", params.range.start(), params.checked()));

    let entry = kernel.start().saturating_add(ENTRY_64);
    let argument = params.range.start();
    let bytes = Cow::Borrowed(image.protected_mode());
    let mut segments = vec![Segment { name: "kernel", bytes, range: kernel }];
    segments.extend(initrd.map(Placed::into_segment));
    segments.push(params.into_segment());
    let maps = maps(window, pc, SetupHeader(header));
    Ok(Layout { entry, argument, conduit: purgatory::Conduit::None, segments, checks, maps })
}

/// What the kernel touches before it handles page faults: its trampoline and
/// the BIOS's data, its window, and, looking for memory encryption, the tables
/// of EFI and ACPI.
fn maps(window: Range, pc: &Pc, header: SetupHeader<'_>) -> Vec<Mapping> {
    let config_table = pc.efi.as_ref().map(|efi| efi.config_table);
    let efi = header.efi_systab(pc).into_iter().chain(config_table);
    let starts: Vec<u64> = efi.chain([boot_params::acpi_rsdp(pc)]).collect();
    let ranges = [LOW_MEMORY, window].into_iter().chain(pc.firmware_tables(&starts));
    ranges.map(|range| Mapping { range, kind: Kind::Normal }).collect()
}

fn check(image: &Bzimage<'_>, pc: &Pc, job: &Job<'_>) -> Result<(), Error> {
    if job.devicetree.is_some() {
        return Err(Error::Devicetree);
    }
    if pc.five_level_paging && !image.five_level_paging() {
        return Err(Error::FiveLevelPaging);
    }
    let size = pc.boot_params.len();
    if size < super::boot_params::SIZE { Err(Error::BootParams(size)) } else { Ok(()) }
}

/// At or above the address that the kernel prefers: one that is loaded below
/// unpacks itself there anyway, over whatever it finds.
fn place_kernel(image: &Bzimage<'_>, space: &mut Space) -> Result<Range, NoRoom> {
    let (size, align, preferred) = (image.memory_size(), image.alignment(), image.pref_address());
    let end = if image.relocatable() {
        Some(u64::MAX)
    } else {
        // Too close for the next multiple of `align`: there or nowhere.
        preferred.checked_add(size).and_then(|end| align_up(end, align))
    };
    let within = span(preferred.max(ABOVE_DMA), end.unwrap_or(0));
    space.take_lowest(&Want { name: "kernel", size, align, offset: 0, within })
}

/// What is declared of the kernel's window: whole pages over the file's bytes.
fn declared(image: &Bzimage<'_>, machine: &Machine, window: Range) -> Range {
    let size = align_up(image.protected_mode().len() as u64, machine.page_size);
    let bytes = size.and_then(|size| Range::with_len(window.start(), size));
    bytes.filter(|_| !machine.keep_page_tables).unwrap_or(window)
}

fn place_initrd<'a>(initrd: Initrd<'a>, space: &mut Space) -> Result<Placed<'a>, NoRoom> {
    let range = place("initrd", initrd.bytes.len() as u64, space)?;
    Ok(Placed { initrd, range })
}

/// As high as possible below 4 GiB, or else above: the kernel takes both.
fn place(name: &'static str, size: u64, space: &mut Space) -> Result<Range, NoRoom> {
    let want = Want { name, size, align: 1, offset: 0, within: BELOW_4G };
    space.take_highest(&want).or_else(|_| space.take_highest(&Want { within: ANYWHERE, ..want }))
}

/// The segment of everything small. Behind boot_params and its kin lies the
/// file's real-mode part: nothing runs it, but without it the file's digest
/// could not be checked.
struct Params {
    bytes: Vec<u8>,
    setup_at: usize,
    range: Range,
}

impl Params {
    fn place(contents: &Contents<'_>, setup: &[u8], space: &mut Space) -> Result<Self, NoRoom> {
        let size = contents.lay_out(0).len().saturating_add(setup.len());
        let range = place("params", size as u64, space)?;
        let mut bytes = contents.lay_out(range.start());
        let setup_at = bytes.len();
        bytes.extend_from_slice(setup);
        Ok(Self { bytes, setup_at, range })
    }

    fn checked(&self) -> &[u8] {
        self.bytes.get(..self.setup_at).unwrap_or_default()
    }

    /// Where the file's real-mode part lies.
    fn setup(&self) -> Option<Range> {
        let setup = self.bytes.len().checked_sub(self.setup_at)?;
        Range::with_len(self.range.start().checked_add(self.setup_at as u64)?, setup as u64)
    }

    fn into_segment(self) -> Segment<'static> {
        Segment { name: "params", bytes: Cow::Owned(self.bytes), range: self.range }
    }
}
