//! aarch64: entered with MMU and caches off, at EL1 or EL2, on a stack pointer
//! of the old kernel's.
//!
//! Data accesses are Device-nGnRnE all the time: every one must be aligned (the
//! build says `+strict-align`), and no exclusive access may be used. The boot
//! protocol wants the MMU off, so it stays off; only the instruction cache is
//! turned on.

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicBool, Ordering};

use purgatory::{Block, Conduit, Uart};

use crate::uart::{Line, Registers};

// The entry code. Sets a stack, own vectors, FP access (compilers use it to
// copy) and SCTLR.I; checks; puts SCTLR back; and enters the kernel as
// booting.rst wants it: x0 = device tree, x1 = x2 = x3 = 0, at the exception
// level that it came in at. With HCR_EL2.E2H the name CPACR_EL1 means CPTR_EL2,
// in the format of CPACR_EL1.
global_asm!(
    ".pushsection .purgatory.entry, \"ax\"",
    ".globl purgatory_entry",
    "purgatory_entry:",
    "    msr daifset, #15",
    "    b 1f",
    ".popsection",
    ".pushsection .text.purgatory_start, \"ax\"",
    "1:  adrp x0, purgatory_stack_top",
    "    add x0, x0, :lo12:purgatory_stack_top",
    "    mov sp, x0",
    "    adrp x0, purgatory_vectors",
    "    add x0, x0, :lo12:purgatory_vectors",
    "    mrs x20, CurrentEL",
    "    cmp x20, #8",
    "    b.eq 2f",
    "    msr vbar_el1, x0",
    "    mrs x19, sctlr_el1",
    "    orr x0, x19, #0x1000",
    "    msr sctlr_el1, x0",
    "    b 3f",
    "2:  msr vbar_el2, x0",
    "    mrs x19, sctlr_el2",
    "    orr x0, x19, #0x1000",
    "    msr sctlr_el2, x0",
    "    mrs x0, hcr_el2",
    "    tbnz x0, #34, 3f",
    "    mrs x0, cptr_el2",
    "    bic x0, x0, #0x400",
    "    msr cptr_el2, x0",
    "    b 4f",
    "3:  mrs x0, cpacr_el1",
    "    orr x0, x0, #0x300000",
    "    msr cpacr_el1, x0",
    "4:  isb",
    "    bl {check}",
    "    cmp x20, #8",
    "    b.eq 5f",
    "    msr sctlr_el1, x19",
    "    b 6f",
    "5:  msr sctlr_el2, x19",
    "6:  isb",
    "    ic iallu",
    "    dsb sy",
    "    isb",
    "    mov x4, x0",
    "    mov x0, x1",
    "    mov x1, xzr",
    "    mov x2, xzr",
    "    mov x3, xzr",
    "    br x4",
    ".popsection",
    check = sym crate::check,
);

// The vectors: every exception is the end, so all sixteen are the same, and
// start again at the top of the stack.
global_asm!(
    ".pushsection .text.purgatory_vectors, \"ax\"",
    "    .balign 2048",
    "purgatory_vectors:",
    ".rept 16",
    "    .balign 128",
    "    adrp x0, purgatory_stack_top",
    "    add x0, x0, :lo12:purgatory_stack_top",
    "    mov sp, x0",
    "    b {exception}",
    ".endr",
    ".popsection",
    exception = sym exception,
);

/// Whether a reset has been asked for already.
static RESETTING: AtomicBool = AtomicBool::new(false);

/// Every exception ends here. One inside a reset, such as an SMC where no
/// firmware takes it, must not come around again.
extern "C" fn exception() -> ! {
    if RESETTING.load(Ordering::Relaxed) {
        halt();
    }
    let block = block();
    let mut line = Line::begin(block.uart());
    line.put(b"exception");
    line.end_with_reset();
    reset(block.conduit())
}

/// The parameter block of this blob.
pub(crate) fn block() -> &'static Block {
    let block: *const Block;
    // SAFETY: takes an address, which the compiler must not connect with the
    // initial value of the static.
    unsafe {
        asm!("adrp {0}, {1}", "add {0}, {0}, :lo12:{1}", out(reg) block, sym crate::BLOCK,
             options(pure, nomem, nostack, preserves_flags));
    }
    // SAFETY: the address of a static of this type, written to only before the
    // blob runs; every bit pattern is a Block.
    unsafe { &*block }
}

/// A UART in memory.
pub(crate) struct UartRegisters {
    address: u64,
    /// Registers are `1 << shift` bytes apart.
    shift: u32,
    /// Registers are accessed as 32 bits, not as bytes.
    wide: bool,
}

impl UartRegisters {
    pub(crate) fn of(uart: Uart) -> Option<Self> {
        match uart {
            Uart::Mmio8250 { address, shift } => {
                Some(Self { address, shift: u32::from(shift), wide: shift >= 2 })
            }
            Uart::Pl011 { address } => Some(Self { address, shift: 0, wide: true }),
            Uart::None | Uart::Port8250 { .. } => None,
        }
    }

    fn address(&self, offset: u64) -> u64 {
        self.address.wrapping_add(offset.wrapping_shl(self.shift))
    }
}

// Inline assembly, because a device must see exactly this access: compilers may
// choose addressing modes that a hypervisor cannot emulate.
impl Registers for UartRegisters {
    fn read(&self, offset: u64) -> u32 {
        let value: u32;
        let address = self.address(offset);
        if self.wide {
            // SAFETY: a register of the UART that the loader named.
            unsafe { asm!("ldr {:w}, [{}]", out(reg) value, in(reg) address, options(nostack)) }
        } else {
            // SAFETY: a register of the UART that the loader named.
            unsafe { asm!("ldrb {:w}, [{}]", out(reg) value, in(reg) address, options(nostack)) }
        }
        value
    }

    fn write(&self, offset: u64, value: u32) {
        let address = self.address(offset);
        if self.wide {
            // SAFETY: a register of the UART that the loader named.
            unsafe { asm!("str {:w}, [{}]", in(reg) value, in(reg) address, options(nostack)) }
        } else {
            // SAFETY: a register of the UART that the loader named.
            unsafe { asm!("strb {:w}, [{}]", in(reg) value, in(reg) address, options(nostack)) }
        }
    }
}

/// Resets by PSCI SYSTEM_RESET. At EL2 there is nobody to take an HVC, so it is
/// an SMC there.
pub(crate) fn reset(conduit: Conduit) -> ! {
    const SYSTEM_RESET: u64 = 0x8400_0009;
    RESETTING.store(true, Ordering::Relaxed);
    match if at_el2() { Conduit::Smc } else { conduit } {
        Conduit::None => halt(),
        // SAFETY: PSCI takes no memory; if it returns, there is a halt.
        Conduit::Hvc => unsafe {
            asm!("hvc #0", "2: wfe", "b 2b", in("x0") SYSTEM_RESET, options(noreturn))
        },
        // SAFETY: as above.
        Conduit::Smc => unsafe {
            asm!("smc #0", "2: wfe", "b 2b", in("x0") SYSTEM_RESET, options(noreturn))
        },
    }
}

fn at_el2() -> bool {
    let level: u64;
    // SAFETY: reads a register that every level may read.
    unsafe { asm!("mrs {}, CurrentEL", out(reg) level, options(nomem, nostack, preserves_flags)) }
    level == 2 << 2
}

/// The end, where no firmware resets: a watchdog's turn.
fn halt() -> ! {
    // SAFETY: waits, for ever.
    unsafe { asm!("2: wfe", "b 2b", options(noreturn, nomem, nostack)) }
}

// What the compiler calls when it copies what may be unaligned. By bytes,
// because the MMU is off.
global_asm!(
    ".pushsection .text.purgatory_memcpy, \"ax\"",
    ".globl memcpy",
    "memcpy:",
    "    mov x3, x0",
    "1:  cbz x2, 2f",
    "    ldrb w4, [x1], #1",
    "    strb w4, [x3], #1",
    "    sub x2, x2, #1",
    "    b 1b",
    "2:  ret",
    ".popsection",
    ".pushsection .text.purgatory_memset, \"ax\"",
    ".globl memset",
    "memset:",
    "    mov x3, x0",
    "1:  cbz x2, 2f",
    "    strb w1, [x3], #1",
    "    sub x2, x2, #1",
    "    b 1b",
    "2:  ret",
    ".popsection",
    ".pushsection .text.purgatory_bcmp, \"ax\"",
    ".globl bcmp",
    "bcmp:",
    "    mov x3, x0",
    "    mov w0, wzr",
    "1:  cbz x2, 2f",
    "    ldrb w4, [x3], #1",
    "    ldrb w5, [x1], #1",
    "    eor w4, w4, w5",
    "    orr w0, w0, w4",
    "    sub x2, x2, #1",
    "    b 1b",
    "2:  ret",
    ".popsection",
);
