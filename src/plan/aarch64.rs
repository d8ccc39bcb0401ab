//! Where things go on aarch64: an `Image` and a device tree.
//!
//! Follows Linux Documentation/arch/arm64/booting.rst.

use std::borrow::Cow;

use crate::base::addr::{Range, align_down, align_up};
use crate::fdt::{Chosen, CrashMemory, Fdt};
use crate::image::Arm64Image;

use super::initrd::{Initrd, Placed};
use super::layout::{Check, Layout, Segment, span};
use super::machine::{Board, Machine};
use super::space::{NoRoom, Space, Want};
use super::{Error, Handover};

/// Images start `text_offset` behind a multiple of this, and a device tree may
/// not cross one.
const BLOCK: u64 = 2 << 20;
const GIB: u64 = 1 << 30;
/// How much the kernel maps to find its initrd: from the GiB that it lies in.
const INITRD_WINDOW: u64 = 32 * GIB;
/// What keeps a kernel from using LPIs.
pub(super) const NO_LPI: &str = "irqchip.gicv3_nolpi";
/// The purgatory cannot look at address zero.
const ANYWHERE: Range = span(1, u64::MAX);

pub(super) fn lay_out<'a>(
    image: &Arm64Image<'a>,
    machine: &Machine,
    board: &Board,
    handover: Handover<'a, '_>,
    space: &mut Space,
) -> Result<Layout<'a>, Error> {
    if image.text_offset().checked_rem(machine.page_size) != Some(0) {
        return Err(Error::TextOffset(image.text_offset()));
    }
    let running = Fdt::parse(&board.fdt)?;
    let conduit = running.psci_conduit().or(board.acpi_conduit);
    // A crash kernel does not use the memory that the tables lie in.
    if handover.crash.is_none() {
        check_lpi_tables(&running, board.cmdline.as_deref(), handover.cmdline)?;
    }
    let tree = device_tree(running, &handover)?;

    let window = place_kernel(image, space)?;
    let kernel = declared(image, machine, window);
    let initrd = handover.initrd.map(|initrd| place_initrd(initrd, kernel, space)).transpose()?;
    let initrd_bytes = initrd.as_ref().map(Placed::bytes);
    let seeds = machine.seeds.as_ref();
    let usable = handover.crash.map(|(crash, _)| crash.usable()).unwrap_or_default();
    let crash = handover.crash.map(|(_, elfcorehdr)| CrashMemory { elfcorehdr, usable: &usable });
    let chosen = Chosen { bootargs: handover.cmdline, initrd: initrd_bytes, seeds, crash };
    let fdt = tree.hand_over(&chosen)?;
    let params = place_fdt(&fdt, space)?;

    let linux = Range::with_len(kernel.start(), image.file().len() as u64);
    let linux = linux.into_iter().collect();
    let mut checks =
        vec![Check { name: "linux".to_owned(), digest: handover.linux, regions: linux }];
    checks.extend(initrd.iter().flat_map(Placed::checks));
    checks.push(Check::of("params", params.start(), &fdt));

    let bytes = Cow::Borrowed(image.file());
    let mut segments = vec![Segment { name: "kernel", bytes, range: kernel }];
    segments.extend(initrd.into_iter().flat_map(Placed::into_segments));
    segments.push(Segment { name: "params", bytes: Cow::Owned(fdt), range: params });
    Ok(Layout {
        entry: kernel.start(),
        argument: params.start(),
        conduit: conduit.unwrap_or(purgatory::Conduit::None),
        segments,
        checks,
        windows: vec![window],
        maps: Vec::new(),
    })
}

/// The interrupt controller keeps what it must know of LPIs in memory, and once
/// it was told where, there is no taking back. UEFI passes the place on. Without
/// it the next kernel believes whatever part of itself or its initrd happens to
/// lie there to be that table, and clears it; nothing in user space says where
/// it is (drivers/irqchip/irq-gic-v3-its.c, `enabled_lpis_allowed`).
fn check_lpi_tables(running: &Fdt<'_>, cmdline: Option<&str>, next: &str) -> Result<(), Error> {
    let cmdline = cmdline.or_else(|| running.bootargs()).unwrap_or_default();
    let on = running.has_its() && !leaves_lpis_off(cmdline);
    if on && !running.has_uefi() && !leaves_lpis_off(next) { Err(Error::LpiTables) } else { Ok(()) }
}

/// Whether a kernel with this command line uses no LPIs. The last word counts, as in the
/// kernel.
pub(crate) fn leaves_lpis_off(cmdline: &str) -> bool {
    let words = cmdline.split_ascii_whitespace().rev();
    let mut values = words.filter_map(|word| word.strip_prefix(NO_LPI)?.strip_prefix('='));
    let value = values.next();
    value.is_some_and(|value| value.starts_with(['1', 'y', 'Y', 't', 'T']) || value == "on")
}

/// The entry's own tree with this machine's memory in it, or this machine's; in
/// both, the entry's overlays.
fn device_tree<'a>(running: Fdt<'a>, handover: &Handover<'a, '_>) -> Result<Fdt<'a>, Error> {
    let Some(own) = handover.devicetree else { return with_overlays(running, handover) };
    let mut own = with_overlays(Fdt::parse(own)?, handover)?;
    own.fill_in(&running)?;
    Ok(own)
}

fn with_overlays<'a>(mut tree: Fdt<'a>, handover: &Handover<'a, '_>) -> Result<Fdt<'a>, Error> {
    for (path, bytes) in &handover.overlays {
        let applied = Fdt::parse(bytes).and_then(|overlay| tree.apply(overlay));
        applied.map_err(|error| Error::Overlay { path: (*path).to_owned(), error })?;
    }
    Ok(tree)
}

/// As low as possible: an image may ask to be near the start of memory.
fn place_kernel(image: &Arm64Image<'_>, space: &mut Space) -> Result<Range, NoRoom> {
    space.take_lowest(&Want {
        name: "kernel",
        size: image.memory_size(),
        align: BLOCK,
        offset: image.text_offset(),
        within: ANYWHERE,
    })
}

/// What is declared of the image's memory: whole pages over the file's bytes.
/// The kernel clears the rest itself.
fn declared(image: &Arm64Image<'_>, machine: &Machine, window: Range) -> Range {
    let size = align_up(image.file().len() as u64, machine.page_size);
    let bytes = size.and_then(|size| Range::with_len(window.start(), size));
    bytes.filter(|bytes| window.contains(*bytes)).unwrap_or(window)
}

fn place_initrd<'a>(
    initrd: Initrd<'a>,
    kernel: Range,
    space: &mut Space,
) -> Result<Placed<'a>, NoRoom> {
    let start = align_down(kernel.start(), GIB).unwrap_or(0);
    let within = span(start, start.saturating_add(INITRD_WINDOW));
    let size = initrd.size() as u64;
    let want = Want { name: "initrd", size, align: 1, offset: 0, within };
    Ok(Placed { range: space.take_highest(&want)?, initrd })
}

/// At the start of a block, which it is never larger than.
fn place_fdt(fdt: &[u8], space: &mut Space) -> Result<Range, NoRoom> {
    let size = fdt.len() as u64;
    space.take_highest(&Want { name: "params", size, align: BLOCK, offset: 0, within: ANYWHERE })
}
