//! A `vmlinux` that is started without the decompressor that usually runs before
//! it.
//!
//! What the decompressor would have done besides unpacking is done here: the
//! kernel gets a random virtual address, unless its command line says otherwise,
//! and boot_params say that it has one. Its physical address is chosen with all
//! others, when memory is known. Nothing here depends on the machine, so it can
//! be done long before the kernel is loaded. Follows Linux
//! `Documentation/arch/x86/{boot,x86_64/mm}.rst`.

use std::borrow::Cow;

use crate::base::bytes::field;
use crate::base::digest::Digest;
use crate::bundle::Bundle;
use crate::fdt::Seeds;
use crate::image::compression::Compressor;
use crate::image::{Kernel, Limits, OwnedVmlinux, Unpacked, Vmlinux};
use crate::trust::verify::Verified;

use super::boot_params::SetupHeader;
use super::layout::span;
use super::space::Want;
use super::x86_64::{ABOVE_DMA, Image, Piece, WORK_AREA, has_nokaslr};
use super::{Engine, Error, KernelForm, cmdline};

/// What the kernel's own mapping has room for, where it can be moved at all.
const KERNEL_IMAGE_SIZE: u64 = 1 << 30;
/// The least alignment: the kernel's first page tables map large pages.
const LARGE_PAGE: u32 = 2 << 20;
const KERNEL_ALIGNMENT: usize = 0x230 - SetupHeader::START;
const RELOCATABLE_KERNEL: usize = 0x234 - SetupHeader::START;

/// The setup header for a kernel that came without one: that there is a header,
/// of protocol 2.15, and an entry point of 64 bits that may lie above 4 GiB.
const BARE_HEADER: [u8; 0x26c - SetupHeader::START] = {
    let mut header = [0; 0x26c - SetupHeader::START];
    let (parts, _) = header.split_at_mut(0x238 - SetupHeader::START);
    put(parts, 0x1fe, [0x55, 0xaa, 0xeb, 0x6a]);
    put(parts, 0x202, *b"HdrS");
    put(parts, 0x206, [0x0f, 0x02, 0, 0]);
    put(parts, 0x230, [0, 0, 0x20, 0]);
    put(parts, 0x234, [1, 21, 3, 0]);
    header
};

const fn put(header: &mut [u8], at: usize, value: [u8; 4]) {
    let (_, rest) = header.split_at_mut(at.saturating_sub(SetupHeader::START));
    if let Some(place) = rest.first_chunk_mut() {
        *place = value;
    }
}

/// A kernel of a verified bundle, ready to be placed.
#[derive(Debug)]
pub struct Prepared<'a> {
    form: Form<'a>,
    /// Why it has this form, for people.
    why: &'static str,
    /// Of the kernel's bytes, where it is not the signed one and was wanted.
    digest: Option<Digest>,
}

/// What is loaded.
#[derive(Debug)]
pub(super) enum Form<'a> {
    /// As the file has it: a bzImage unpacks itself.
    Unpacked(Unpacked<'a>),
    /// A `vmlinux`.
    Direct(Direct),
}

/// When a bzImage is unpacked before it is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decompress {
    /// If something is gained by it, and nothing speaks against it
    /// ([`Unpacking::against`]).
    Auto,
    /// Always, or the kernel is refused.
    Always,
    /// It unpacks itself.
    Never,
}

impl Decompress {
    /// Reads `auto`, `always` or `never`; anything else is `None`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "auto" => Some(Self::Auto),
            "always" => Some(Self::Always),
            "never" => Some(Self::Never),
            _ => None,
        }
    }
}

/// How a kernel is to be made ready.
#[derive(Debug, Clone, Copy)]
pub struct Unpacking<'a> {
    /// How it will be loaded.
    pub engine: Engine,
    /// Whether a bzImage is unpacked.
    pub decompress: Decompress,
    /// What speaks against it where that is left open.
    pub against: Option<&'static str>,
    /// How much it may unpack to.
    pub limits: &'a Limits,
}

impl Unpacking<'_> {
    /// What speaks against it where somebody waits for the jump.
    pub const NO_TIME: &'static str = "unpacking it first would delay the jump";
    /// What speaks against it where there is not four times its size.
    pub const NO_MEMORY: &'static str = "there is little memory";
    /// What speaks against it where a `vmlinux` cannot be started.
    pub const ENCRYPTED: &'static str = "the memory is encrypted";

    /// The `vmlinux` that is in a bzImage, if it is to be started, and why it is
    /// or is not.
    fn apply<'a>(
        &self,
        unpacked: &Unpacked<'a>,
    ) -> Result<(Option<Unpacked<'a>>, &'static str), Error> {
        let image = match unpacked.kernel() {
            Kernel::Bzimage(image) => image,
            Kernel::Vmlinux(_) | Kernel::Arm64Image(_) => {
                return Ok((None, "that is what the file holds"));
            }
        };
        let why_not = match (self.engine, self.decompress, self.against) {
            (Engine::File, ..) => "kexec_file_load takes nothing else",
            (_, Decompress::Never, _) => "it was asked for",
            (_, Decompress::Always, _) => {
                let vmlinux = unpacked.decompress_payload(self.limits).map_err(Error::Payload)?;
                return Ok((Some(vmlinux), "it was asked for"));
            }
            (_, Decompress::Auto, Some(against)) => against,
            (_, Decompress::Auto, None) if !image.compressor().is_some_and(is_slow) => {
                "it unpacks itself fast"
            }
            (_, Decompress::Auto, None) => match unpacked.decompress_payload(self.limits) {
                Ok(vmlinux) if loses_nothing(&vmlinux) => {
                    return Ok((Some(vmlinux), "there was time to unpack it"));
                }
                Ok(_) => "unpacked here it would have no random address",
                Err(_) => "it cannot be unpacked here",
            },
        };
        Ok((None, why_not))
    }
}

impl<'a> Prepared<'a> {
    /// Unpacks a bzImage, if that is wanted and the engine can load what comes
    /// out. A `vmlinux` is made ready in any case.
    ///
    /// # Errors
    /// The file was unpacked from something else than the bundle's kernel, or the
    /// payload must be unpacked and cannot be.
    pub fn new<B: AsRef<[u8]>>(
        unpacked: Unpacked<'a>,
        bundle: &Verified<Bundle<B>>,
        how: &Unpacking<'_>,
        seeds: Option<&Seeds>,
    ) -> Result<Self, Error> {
        let (vmlinux, why) = how.apply(&unpacked)?;
        let unpacked = vmlinux.unwrap_or(unpacked);
        if let Kernel::Vmlinux(_) = unpacked.kernel() {
            let form = Direct::new(unpacked, bundle, seeds).map(Form::Direct)?;
            return Ok(Self { form, why, digest: None });
        }
        let is_checked = how.engine == Engine::Segments && !unpacked.is_whole();
        let digest = is_checked.then(|| Digest::of(unpacked.kernel().file()));
        Ok(Self { form: Form::Unpacked(unpacked), why, digest })
    }

    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> Kernel<'_> {
        match &self.form {
            Form::Unpacked(unpacked) => unpacked.kernel(),
            Form::Direct(direct) => Kernel::Vmlinux(direct.kernel.kernel()),
        }
    }

    /// What is loaded and why, for people.
    #[must_use]
    pub fn form(&self) -> KernelForm {
        let name = match self.kernel() {
            Kernel::Bzimage(_) => "bzImage",
            Kernel::Arm64Image(_) => "Image",
            Kernel::Vmlinux(_) => "vmlinux",
        };
        KernelForm { name, why: self.why }
    }

    /// Whether the kernel is the bundle's file as it is, without any wrapping.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(&self.form, Form::Unpacked(unpacked) if unpacked.is_whole())
    }

    /// Bytes of memory that it takes beside the file.
    pub(super) fn unpacked_size(&self) -> u64 {
        match &self.form {
            Form::Unpacked(unpacked) => unpacked.unpacked_size(),
            Form::Direct(direct) => direct.kernel.size(),
        }
    }

    /// How many segments it is loaded as.
    pub(super) fn segments(&self) -> usize {
        self.direct().map_or(1, |direct| direct.kernel.kernel().segments().count())
    }

    pub(super) const fn direct(&self) -> Option<&Direct> {
        match &self.form {
            Form::Direct(direct) => Some(direct),
            Form::Unpacked(_) => None,
        }
    }

    /// The digest of the kernel's bytes: the one that is signed, unless they had
    /// to be unpacked.
    pub(super) fn digest<B: AsRef<[u8]>>(&self, bundle: &Bundle<B>) -> Digest {
        match &self.form {
            Form::Unpacked(unpacked) if unpacked.is_whole() => bundle.linux.digest,
            Form::Unpacked(unpacked) => {
                self.digest.unwrap_or_else(|| Digest::of(unpacked.kernel().file()))
            }
            Form::Direct(direct) => direct.digest,
        }
    }

    /// Whether it was made of the bundle's kernel.
    pub(super) fn is_of<B: AsRef<[u8]>>(&self, bundle: &Bundle<B>) -> bool {
        match &self.form {
            Form::Unpacked(unpacked) => core::ptr::eq(unpacked.file(), bundle.linux.bytes.as_ref()),
            Form::Direct(direct) => direct.file == bundle.linux.digest,
        }
    }
}

/// Whether unpacking takes longer than hashing twice as many bytes at the jump.
const fn is_slow(compressor: Compressor) -> bool {
    match compressor {
        Compressor::Gzip | Compressor::Xz | Compressor::Lzma => true,
        Compressor::Zstd | Compressor::Lz4 | Compressor::Lz4Legacy => false,
        // Nothing here unpacks them.
        Compressor::Bzip2 | Compressor::Lzo => false,
    }
}

/// Whether the kernel can still have a random virtual address.
fn loses_nothing(unpacked: &Unpacked<'_>) -> bool {
    matches!(unpacked.kernel(), Kernel::Vmlinux(kernel) if kernel.relocations().is_some())
}

/// A `vmlinux` at the virtual address that it will run at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direct {
    kernel: OwnedVmlinux,
    /// Of all bytes that are loaded, in the order of the segments.
    digest: Digest,
    /// Of the file that it came out of.
    file: Digest,
    randomised: bool,
}

impl Direct {
    /// Takes the `vmlinux` that was unpacked from the bundle's kernel and gives
    /// it a random virtual address. Without randomness, or relocation lists, it
    /// keeps the one that it was linked for.
    ///
    /// # Errors
    /// It was unpacked from something else, or is no `vmlinux`.
    fn new<B: AsRef<[u8]>>(
        unpacked: Unpacked<'_>,
        bundle: &Verified<Bundle<B>>,
        seeds: Option<&Seeds>,
    ) -> Result<Self, Error> {
        let bundle = bundle.get();
        if !core::ptr::eq(unpacked.file(), bundle.linux.bytes.as_ref()) {
            return Err(Error::OtherKernel);
        }
        let mut kernel = unpacked.into_vmlinux().ok_or(Error::NoVmlinux)?;
        let random =
            seeds.and_then(|seeds| field(&seeds.rng, VIRTUAL_SEED)).map(u64::from_le_bytes);
        let fixed = has_nokaslr(&cmdline(bundle)?);
        let random = random.filter(|_| !fixed);
        let randomised =
            random.is_some_and(|random| kernel.relocate(distance(&kernel.kernel(), random)));
        let digest = Digest::of_all(kernel.kernel().segments().map(|segment| segment.bytes));
        Ok(Self { kernel, digest, file: bundle.linux.digest, randomised })
    }

    pub(super) fn image(&self) -> Image<'_> {
        let kernel = self.kernel.kernel();
        let header = SetupHeader(kernel.setup_header().unwrap_or(&BARE_HEADER));
        let size = kernel.memory_size().saturating_add(WORK_AREA);
        let start = kernel.start();
        let align = alignment(&kernel);
        let within = if is_relocatable(header) {
            span(ABOVE_DMA, u64::MAX)
        } else {
            span(start, start.saturating_add(size))
        };
        let offset = start.checked_rem(align).unwrap_or(0);
        Image {
            window: Want { name: "kernel", size, align, offset, within },
            entry: kernel.entry().saturating_sub(start),
            pieces: pieces(&kernel),
            header,
            setup: &[],
            digest: self.digest,
            five_level_paging: kernel.five_level_paging().unwrap_or(false),
            may_move: true,
            randomised: self.randomised,
        }
    }
}

/// Where in the seeds the number is that chooses the virtual address; the kernel
/// itself is given those before it.
const VIRTUAL_SEED: usize = 32;

/// How far to move the kernel up: any multiple of its alignment that keeps it in
/// its own mapping, as the decompressor chooses.
fn distance(kernel: &Vmlinux<'_>, random: u64) -> u64 {
    let align = alignment(kernel);
    let end = kernel.start().saturating_add(kernel.memory_size());
    let room = KERNEL_IMAGE_SIZE.saturating_sub(end);
    let choices = room.checked_div(align).unwrap_or(0).saturating_add(1);
    random.checked_rem(choices).unwrap_or(0).saturating_mul(align)
}

fn alignment(kernel: &Vmlinux<'_>) -> u64 {
    let header = kernel.setup_header().and_then(|header| field(header, KERNEL_ALIGNMENT));
    header.map_or(0, u32::from_le_bytes).max(LARGE_PAGE).into()
}

fn is_relocatable(header: SetupHeader<'_>) -> bool {
    header.0.get(RELOCATABLE_KERNEL) != Some(&0)
}

/// What is loaded. Zeros are loaded too, except behind the last bytes: those the
/// kernel clears itself.
fn pieces<'a>(kernel: &Vmlinux<'a>) -> Vec<Piece<'a>> {
    let start = kernel.start();
    let last = kernel.segments().map(|segment| segment.phys).max();
    let mut pieces = Vec::new();
    for segment in kernel.segments() {
        let is_last = Some(segment.phys) == last;
        let size = if is_last { segment.bytes.len() as u64 } else { segment.memory_size };
        let at = segment.phys.saturating_sub(start);
        pieces.push(Piece { at, bytes: Cow::Borrowed(segment.bytes), size });
    }
    pieces
}
