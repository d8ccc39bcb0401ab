#![no_std]
#![allow(unsafe_code)]
//! The blob: runs between two kernels, with nothing underneath.
//!
//! Entered at its first byte (`arch`), it checks what the loader loaded, in
//! place, and hands over to the next kernel; or it prints one line and resets.
//! It must never hang, never jump on a fault, and never need a relocation: the
//! root build.rs refuses a blob that has one.
//!
//! It runs once, on one CPU, with interrupts off, in physical addresses. What
//! it may rely on is in the documentation of the library, "What the loader must
//! provide".

mod arch;
mod uart;

use core::panic::PanicInfo;

use purgatory::{Block, Compressor, Fault, Region, verify};

/// The block inside the blob. The entry code and [`arch::block`] take its
/// address; nothing may read it by name, because the compiler would take the
/// values that are written here for the values that [`purgatory::install`] wrote.
#[used]
#[unsafe(link_section = ".purgatory.block")]
static BLOCK: Block = Block::TEMPLATE;

/// What the entry code needs to enter the next kernel.
#[repr(C)]
struct Handover {
    entry: u64,
    arg: u64,
}

/// Called by the entry code, once it can run Rust. Returns only if every check
/// holds.
extern "C" fn check() -> Handover {
    let block = arch::block();
    #[cfg(feature = "test-hooks")]
    if block.probe() {
        arch::probe(block.uart());
    }
    #[cfg(feature = "test-hooks")]
    corrupt(block.corrupt());
    match verify(block, compressor(block), memory) {
        Ok(()) => Handover { entry: block.entry(), arg: block.arg() },
        Err(fault) => refuse(block, fault),
    }
}

/// By what to compress: what the loader saw that the CPU has.
const fn compressor(block: &Block) -> Compressor {
    if block.sha_instructions() {
        // SAFETY: the loader says so, and the entry code turned on what they need.
        unsafe { Compressor::instructions() }
    } else {
        Compressor::PORTABLE
    }
}

/// The bytes of a region, where there can be any.
fn memory(region: Region) -> Option<&'static [u8]> {
    let len = usize::try_from(region.len).ok()?;
    if len == 0 {
        return Some(&[]);
    }
    region.start.checked_add(region.len).filter(|_| region.start != 0)?;
    isize::try_from(len).ok()?;
    let start = core::ptr::with_exposed_provenance(usize::try_from(region.start).ok()?);
    // SAFETY: not null, does not wrap, not longer than isize::MAX (above). The
    // loader answers for the region being memory that it loaded, outside of the
    // blob; and nothing runs that could write there until the jump.
    Some(unsafe { core::slice::from_raw_parts(start, len) })
}

fn refuse(block: &Block, fault: Fault) -> ! {
    let mut line = arch::begin_line(block.uart());
    match fault {
        Fault::Mismatch(name) => {
            line.put(b" SHA-256 of ");
            line.put(name.as_bytes());
            line.put(b" does not match what was loaded");
        }
        Fault::Block => line.put(b" parameter block is not valid"),
    }
    line.end(b"; resetting");
    arch::reset(block.conduit())
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    let block = arch::block();
    let mut line = arch::begin_line(block.uart());
    line.put(b" panic");
    line.end(b"; resetting");
    arch::reset(block.conduit())
}

/// The fault that a boot test asks for: one bit of one byte.
#[cfg(feature = "test-hooks")]
fn corrupt(address: u64) {
    let Ok(address @ 1..) = usize::try_from(address) else { return };
    let byte = core::ptr::with_exposed_provenance_mut::<u8>(address);
    // SAFETY: the test that set the address answers for it being loaded memory.
    let old = unsafe { byte.read_volatile() };
    // SAFETY: as above; no reference to memory outside of the blob exists yet.
    unsafe { byte.write_volatile(old ^ 1) };
}
