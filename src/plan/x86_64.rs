//! Where things go on x86_64: a kernel that is started at a 64-bit entry point,
//! a bzImage's or its own.
//!
//! Of the window that the kernel needs, only the pages with real bytes are
//! loaded; the rest is kept free of other segments, and the purgatory's page
//! tables map all of it. Where those of the running kernel stay in force, the
//! whole window is declared, so that none of them lies in it. Follows Linux
//! Documentation/arch/x86/boot.rst.

use std::borrow::Cow;

use crate::base::addr::{Range, align_up};
use crate::base::digest::Digest;
use crate::image::Bzimage;
use crate::image::bzimage::ENTRY_64;

use super::boot_params::{self, Contents, SetupHeader};
use super::initrd::{Initrd, Placed};
use super::layout::{Check, Layout, Segment, span};
use super::machine::{LOW_MEMORY, Machine, Pc};
use super::paging::{Kind, Mapping};
use super::space::{NoRoom, Space, Want};
use super::{Error, Handover};

/// Older devices do DMA below here, and the kernel unpacks itself above.
pub(super) const ABOVE_DMA: u64 = 16 << 20;
const BELOW_4G: Range = span(ABOVE_DMA, 1 << 32);
const ANYWHERE: Range = span(ABOVE_DMA, u64::MAX);
/// The end of the window: there a kernel works while it encrypts itself (AMD
/// SME).
pub(super) const WORK_AREA: u64 = 2 << 20;

/// A kernel as it is loaded, whichever file it came in.
pub(super) struct Image<'a> {
    /// The window that is the kernel's alone before it knows of any other memory.
    pub(super) window: Want,
    /// Where in its window it is entered.
    pub(super) entry: u64,
    /// Its bytes.
    pub(super) pieces: Vec<Piece<'a>>,
    pub(super) header: SetupHeader<'a>,
    /// The file's real-mode part. Nothing runs it, but without it the file's
    /// digest could not be checked.
    pub(super) setup: &'a [u8],
    /// Of the real-mode part and all pieces, one after the other.
    pub(super) digest: Digest,
    /// Whether the kernel starts while 5-level paging is on.
    pub(super) five_level_paging: bool,
    /// Whether a random place is as good as the lowest one, and the kernel does
    /// not choose one for itself.
    pub(super) may_move: bool,
    /// Whether its virtual addresses are random already.
    pub(super) randomised: bool,
}

/// Bytes of a kernel that lie together.
pub(super) struct Piece<'a> {
    /// Where in the window.
    pub(super) at: u64,
    pub(super) bytes: Cow<'a, [u8]>,
    /// Bytes of memory that are loaded: what there are no bytes for is zeros.
    pub(super) size: u64,
}

impl<'a> Image<'a> {
    /// A bzImage, which unpacks itself at or above the address that it prefers:
    /// loaded below, it would do so over whatever it found there. A kernel that
    /// is told of EFI sees no free memory where it could move to.
    pub(super) fn of_bzimage(image: &Bzimage<'a>, digest: Digest, pc: &Pc) -> Self {
        let size = image.memory_size();
        let align = image.alignment();
        let preferred = image.pref_address();
        let (size, end) = if image.relocatable() {
            (size.saturating_add(WORK_AREA), Some(u64::MAX))
        } else {
            // Too close for the next multiple of `align`: there or nowhere.
            (size, preferred.checked_add(size).and_then(|end| align_up(end, align)))
        };
        let within = span(preferred.max(ABOVE_DMA), end.unwrap_or(0));
        let bytes = Cow::Borrowed(image.protected_mode());
        let header = SetupHeader(image.header().1);
        Self {
            window: Want { name: "kernel", size, align, offset: 0, within },
            entry: ENTRY_64,
            pieces: vec![Piece { at: 0, size: bytes.len() as u64, bytes }],
            header,
            setup: image.setup(),
            digest,
            five_level_paging: image.five_level_paging(),
            may_move: image.relocatable() && header.efi_systab(pc).is_some(),
            randomised: false,
        }
    }

    fn check(&self, pc: &Pc, handover: &Handover<'_, '_>) -> Result<(), Error> {
        if handover.devicetree.is_some() || !handover.overlays.is_empty() {
            return Err(Error::Devicetree);
        }
        if pc.five_level_paging && !self.five_level_paging {
            return Err(Error::FiveLevelPaging);
        }
        let size = pc.boot_params.len();
        if size < super::boot_params::SIZE { Err(Error::BootParams(size)) } else { Ok(()) }
    }

    /// The window for now: the lowest. What is placed after it finds room
    /// wherever the kernel may move to.
    fn take_window(&self, space: &mut Space) -> Result<Range, NoRoom> {
        space.take_lowest(&self.window)
    }

    /// A random window in place of the first one, where that is the loader's
    /// business.
    fn move_window(
        &self,
        window: Range,
        random: Option<u64>,
        space: &mut Space,
    ) -> Result<Range, NoRoom> {
        match random.filter(|_| self.may_move) {
            Some(random) => {
                space.give_back(window);
                space.take_random(&self.window, random)
            }
            None => Ok(window),
        }
    }

    fn into_segments(self, window: Range, machine: &Machine) -> Vec<Segment<'a>> {
        self.pieces.into_iter().map(|piece| piece.into_segment(window, machine)).collect()
    }

    /// Where its bytes lie.
    fn regions(&self, window: Range) -> impl Iterator<Item = Range> {
        self.pieces.iter().filter_map(move |piece| {
            let start = window.start().checked_add(piece.at)?;
            Range::with_len(start, piece.bytes.len() as u64)
        })
    }
}

impl<'a> Piece<'a> {
    fn into_segment(self, window: Range, machine: &Machine) -> Segment<'a> {
        let start = window.start().saturating_add(self.at);
        let size = align_up(self.size, machine.page_size);
        let pages = size.and_then(|size| Range::with_len(start, size));
        let range = pages.filter(|_| !machine.keep_page_tables).unwrap_or(window);
        Segment { name: "kernel", bytes: self.bytes, range }
    }
}

pub(super) fn lay_out<'a>(
    image: Image<'a>,
    machine: &Machine,
    pc: &Pc,
    handover: Handover<'a, '_>,
    space: &mut Space,
) -> Result<Layout<'a>, Error> {
    image.check(pc, &handover)?;
    let window = image.take_window(space)?;
    let initrd = handover.initrd.map(|initrd| place_initrd(initrd, space)).transpose()?;
    let contents = Contents {
        header: image.header,
        machine,
        pc,
        cmdline: handover.cmdline,
        initrd: initrd.as_ref().map(Placed::bytes),
        randomised: image.randomised,
    };
    let params = Params::place(&contents, image.setup, space)?;
    let window = image.move_window(window, random_place(machine, handover.cmdline), space)?;

    let linux = params.setup().into_iter().chain(image.regions(window)).collect();
    let mut checks = vec![Check { name: "linux".to_owned(), digest: image.digest, regions: linux }];
    checks.extend(initrd.iter().flat_map(Placed::checks));
    checks.push(Check::of("params", params.range.start(), params.checked()));

    let entry = window.start().saturating_add(image.entry);
    let argument = params.range.start();
    let maps = maps(window, pc, image.header);
    let mut segments = image.into_segments(window, machine);
    segments.extend(initrd.into_iter().flat_map(Placed::into_segments));
    segments.push(params.into_segment());
    Ok(Layout {
        entry,
        argument,
        conduit: purgatory::Conduit::None,
        segments,
        checks,
        windows: vec![window],
        maps,
    })
}

/// What to choose the kernel's place by; `None` if the kernel is to stay where it
/// is by default: somebody says so, or says which memory it may not use, or there
/// is no randomness yet.
fn random_place(machine: &Machine, cmdline: &str) -> Option<u64> {
    let mut words = cmdline.split_ascii_whitespace();
    let limits_memory = words.any(|word| word.starts_with("mem=") || word.starts_with("memmap="));
    if has_nokaslr(cmdline) || limits_memory {
        return None;
    }
    machine.seeds.as_ref().map(|seeds| u64::from_le_bytes(seeds.kaslr))
}

/// Whether the kernel is told to stay where it was linked.
pub(super) fn has_nokaslr(cmdline: &str) -> bool {
    cmdline.split_ascii_whitespace().any(|word| word == "nokaslr")
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

fn place_initrd<'a>(initrd: Initrd<'a>, space: &mut Space) -> Result<Placed<'a>, NoRoom> {
    let range = place("initrd", initrd.size() as u64, space)?;
    Ok(Placed { initrd, range })
}

/// As high as possible below 4 GiB, or else above: the kernel takes both.
fn place(name: &'static str, size: u64, space: &mut Space) -> Result<Range, NoRoom> {
    let want = Want { name, size, align: 1, offset: 0, within: BELOW_4G };
    space.take_highest(&want).or_else(|_| space.take_highest(&Want { within: ANYWHERE, ..want }))
}

/// The segment of everything small: boot_params and its kin, and behind them the
/// file's real-mode part, if it has one.
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
        let size = self.bytes.len().checked_sub(self.setup_at)?;
        let setup =
            Range::with_len(self.range.start().checked_add(self.setup_at as u64)?, size as u64);
        setup.filter(|range| !range.is_empty())
    }

    fn into_segment(self) -> Segment<'static> {
        Segment { name: "params", bytes: Cow::Owned(self.bytes), range: self.range }
    }
}
