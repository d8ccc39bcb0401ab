//! aarch64: entered with MMU and caches off, at EL1 or EL2, on a stack pointer
//! of the old kernel's.
//!
//! While it checks, MMU and caches are on, over the loader's page tables; the
//! boot protocol wants them off again, and nothing of what was read or written
//! left in a data cache. Without tables, or on a CPU without a 4 KiB granule,
//! they stay off: then data accesses are Device-nGnRnE, and every one must be
//! aligned (the build says `+strict-align`). No exclusive access may be used.
//!
//! Follows Linux Documentation/arch/arm64/booting.rst and Arm DDI 0487 (D8 for
//! the translation, D7.5 for caches).

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU32, Ordering};

use purgatory::{Block, Conduit, REGION_COUNT_OFFSET, REGIONS_OFFSET, ROOTS_OFFSET, Uart};

use crate::uart::{Line, Registers};

// Three regimes, two sets of names: EL2 without HCR_EL2.E2H has registers of its
// own, in another format; with E2H the names of EL1 mean those of EL2. x21 says
// which set it is.

macro_rules! by_regime {
    ($el1:expr, $el2:expr) => {
        concat!("cbnz x21, 8f\n", $el1, "\nb 9f\n8: ", $el2, "\n9:")
    };
}

macro_rules! read_el {
    ($to:literal, $el1:literal, $el2:literal) => {
        by_regime!(concat!("mrs ", $to, ", ", $el1), concat!("mrs ", $to, ", ", $el2))
    };
}

macro_rules! write_el {
    ($el1:literal, $el2:literal, $from:literal) => {
        by_regime!(concat!("msr ", $el1, ", ", $from), concat!("msr ", $el2, ", ", $from))
    };
}

/// Forgets translations and instructions.
macro_rules! forget {
    () => {
        "cmp x20, #8
         b.eq 8f
         tlbi vmalle1
         b 9f
         8: tlbi alle2
         9: ic iallu
         dsb sy
         isb"
    };
}

/// Keeps the registers of the entry for [`probe`], in a place that is cleaned at
/// once: it was written past the caches. Uses x0 to x3.
#[cfg(feature = "test-hooks")]
macro_rules! capture {
    () => {
        "adrp x0, purgatory_captured
         add x0, x0, :lo12:purgatory_captured
         mrs x1, CurrentEL
         mrs x2, daif
         stp x1, x2, [x0]
         mov x1, sp
         mrs x2, spsel
         stp x1, x2, [x0, #16]
         mrs x3, CurrentEL
         cmp x3, #8
         mrs x1, mpidr_el1
         mrs x2, sctlr_el1
         b.ne 7f
         mrs x2, sctlr_el2
         7: stp x1, x2, [x0, #32]
         mov x1, xzr
         mrs x2, cpacr_el1
         b.ne 7f
         mrs x1, hcr_el2
         mrs x2, cptr_el2
         7: stp x1, x2, [x0, #48]
         dsb sy
         dc civac, x0
         add x0, x0, #32
         dc civac, x0
         dsb sy"
    };
}

#[cfg(feature = "test-hooks")]
global_asm!(
    ".pushsection .bss.purgatory_captured, \"aw\", %nobits",
    "    .balign 64",
    "purgatory_captured:",
    "    .zero 64",
    ".popsection",
);

/// Prints the registers of the entry, a line for each group.
#[cfg(feature = "test-hooks")]
pub(crate) fn probe(uart: Uart) {
    let captured: *const [u64; 8];
    // SAFETY: takes an address.
    unsafe {
        asm!("adrp {0}, purgatory_captured", "add {0}, {0}, :lo12:purgatory_captured",
             out(reg) captured, options(pure, nomem, nostack, preserves_flags));
    }
    // SAFETY: the entry code filled it in, and nothing else writes there.
    let [level, daif, sp, spsel, mpidr, sctlr, hcr, cptr] = unsafe { *captured };
    let mut line = begin_line(uart);
    line.put_value(b"CurrentEL", level >> 2);
    line.put_value(b"SCTLR", sctlr);
    line.put_value(b"HCR_EL2", hcr);
    line.put_value(if level == 4 { b"CPACR".as_slice() } else { b"CPTR" }, cptr);
    line.end(b"");
    let mut line = begin_line(uart);
    line.put_value(b"DAIF", daif);
    line.put_value(b"SPSel", spsel);
    line.put_value(b"SP", sp);
    line.put_value(b"MPIDR", mpidr);
    line.end(b"");
}

#[cfg(not(feature = "test-hooks"))]
macro_rules! capture {
    () => {
        ""
    };
}

// The entry code. Sets a stack, own vectors and FP access (for SHA-256, and
// compilers use it to copy), turns MMU and caches on, checks, puts every
// register back, and enters the kernel as booting.rst wants it: x0 = device
// tree, x1 = x2 = x3 = 0, at the exception level that it came in at. Kept in
// registers that a call preserves:
//
//   x19 SCTLR   x20 CurrentEL   x21 1 at EL2 without E2H, else 0
//   x22 MAIR    x23 TCR         x24 TTBR0   x25 VBAR   x26 CPACR or CPTR
//   x27 TCR2    x28 the root of the page tables, 0 if the MMU stays off
global_asm!(
    ".pushsection .purgatory.entry, \"ax\"",
    ".globl purgatory_entry",
    "purgatory_entry:",
    "    b 1f",
    ".popsection",
    ".pushsection .text.purgatory_start, \"ax\"",
    "1:",
    capture!(),
    "    msr daifset, #15",
    "    adrp x0, purgatory_stack_top",
    "    add x0, x0, :lo12:purgatory_stack_top",
    "    mov sp, x0",
    "    mrs x20, CurrentEL",
    "    mov x21, xzr",
    "    cmp x20, #8",
    "    b.ne 2f",
    "    mrs x0, hcr_el2",
    "    tbnz x0, #34, 2f",
    "    mov x21, #1",
    "2:",
    read_el!("x25", "vbar_el1", "vbar_el2"),
    "    adrp x0, purgatory_vectors",
    "    add x0, x0, :lo12:purgatory_vectors",
    write_el!("vbar_el1", "vbar_el2", "x0"),
    // CPACR_EL1.FPEN, which is CPTR_EL2.FPEN with E2H; CPTR_EL2.TFP without.
    read_el!("x26", "cpacr_el1", "cptr_el2"),
    "    orr x0, x26, #0x300000",
    "    bic x1, x26, #0x400",
    "    cmp x21, #0",
    "    csel x0, x0, x1, eq",
    write_el!("cpacr_el1", "cptr_el2", "x0"),
    read_el!("x19", "sctlr_el1", "sctlr_el2"),
    "    isb",
    "    bl purgatory_caches_on",
    "    bl {check}",
    "    bl purgatory_caches_off",
    write_el!("cpacr_el1", "cptr_el2", "x26"),
    write_el!("vbar_el1", "vbar_el2", "x25"),
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

// Turns on the instruction cache, and with page tables MMU and data cache.
//
// The old kernel cleaned all that it loaded, and the tables with it, to the
// point of coherency and invalidated it, and nothing has been written since: what
// a table walk or a cached read finds, in a cache or behind it, is what was
// loaded. What has to go are translations and instructions of the old kernel's.
//
// MAIR: 0 is Normal write-back, 1 is Device-nGnRE, as the tables have it. TCR:
// 48-bit addresses from a 4 KiB granule, walks cached and inner shareable; the
// size of physical addresses as the CPU has it, up to the 48 bits that this
// format can say; upper half, where there is one, off (EPD1); in TCR_EL2 bits 23
// and 31 are RES1. TCR2, where there is one, could give permission bits another
// meaning. SCTLR: M, C and I set, WXN clear, the rest as it was.
global_asm!(
    ".pushsection .text.purgatory_caches_on, \"ax\"",
    "purgatory_caches_on:",
    "    orr x0, x19, #0x1000",
    "    adrp x1, {block}",
    "    add x1, x1, :lo12:{block}",
    "    ldr x28, [x1, #{roots}]",
    "    cbz x28, 3f",
    "    mrs x1, id_aa64mmfr0_el1",
    "    ubfx x2, x1, #28, #4",
    "    cmp x2, #15",
    "    csel x28, xzr, x28, eq",
    "    b.eq 3f",
    "    and x1, x1, #15",
    "    mov x2, #5",
    "    cmp x1, x2",
    "    csel x1, x1, x2, lo",
    read_el!("x22", "mair_el1", "mair_el2"),
    read_el!("x23", "tcr_el1", "tcr_el2"),
    read_el!("x24", "ttbr0_el1", "ttbr0_el2"),
    "    mov x2, #0x04ff",
    write_el!("mair_el1", "mair_el2", "x2"),
    write_el!("ttbr0_el1", "ttbr0_el2", "x28"),
    "    movz x2, #0x3510",
    "    cbnz x21, 1f",
    "    movk x2, #0x8090, lsl #16",
    "    orr x2, x2, x1, lsl #32",
    "    msr tcr_el1, x2",
    "    b 2f",
    "1:  movk x2, #0x8080, lsl #16",
    "    orr x2, x2, x1, lsl #16",
    "    msr tcr_el2, x2",
    // ID_AA64MMFR3_EL1.TCRX; TCR2_EL1 and TCR2_EL2.
    "2:  mrs x2, S3_0_C0_C7_3",
    "    tst x2, #15",
    "    b.eq 4f",
    read_el!("x27", "S3_0_C2_C0_3", "S3_4_C2_C0_3"),
    write_el!("S3_0_C2_C0_3", "S3_4_C2_C0_3", "xzr"),
    "4:  orr x0, x0, #0x1",
    "    orr x0, x0, #0x4",
    "    bic x0, x0, #0x80000",
    "3:  isb",
    forget!(),
    write_el!("sctlr_el1", "sctlr_el2", "x0"),
    "    isb",
    "    ret",
    ".popsection",
    block = sym crate::BLOCK,
    roots = const ROOTS_OFFSET,
);

// Turns caches and MMU off, and leaves no line of what was read or written in a
// cache. Uses no memory but the block, which nothing has written to, and keeps
// x0 and x1.
//
// First off, then clean: with the MMU off no read is speculative, so that no
// line comes back behind the cleaning. A dirty line of the stack is not missed
// meanwhile, because nothing reads it. The next kernel writes to its image and
// its page tables before it turns its own caches on; a line that was left,
// dirty or clean, would then hide or undo what it wrote. The instruction cache
// and the translations go last, when there is nothing left to fill them from.
global_asm!(
    ".pushsection .text.purgatory_caches_off, \"ax\"",
    "purgatory_caches_off:",
    "    mov x9, x30",
    "    dsb sy",
    "    isb",
    write_el!("sctlr_el1", "sctlr_el2", "x19"),
    "    isb",
    "    cbz x28, 4f",
    "    adrp x2, purgatory_entry",
    "    add x2, x2, :lo12:purgatory_entry",
    "    adrp x3, purgatory_stack_top",
    "    add x3, x3, :lo12:purgatory_stack_top",
    "    bl 5f",
    "    adrp x4, {block}",
    "    add x4, x4, :lo12:{block}",
    "    ldr w5, [x4, #{region_count}]",
    "    add x4, x4, #{regions}",
    "1:  cbz w5, 2f",
    "    ldp x2, x3, [x4], #16",
    "    add x3, x2, x3",
    "    bl 5f",
    "    sub w5, w5, #1",
    "    b 1b",
    "2:  dsb sy",
    write_el!("ttbr0_el1", "ttbr0_el2", "x24"),
    write_el!("tcr_el1", "tcr_el2", "x23"),
    write_el!("mair_el1", "mair_el2", "x22"),
    "    mrs x2, S3_0_C0_C7_3",
    "    tst x2, #15",
    "    b.eq 3f",
    write_el!("S3_0_C2_C0_3", "S3_4_C2_C0_3", "x27"),
    "3:  isb",
    "4:",
    forget!(),
    "    ret x9",
    // From x2 to x3, by lines of 4 << CTR_EL0.DminLine bytes.
    "5:  mrs x6, ctr_el0",
    "    ubfx x6, x6, #16, #4",
    "    mov x7, #4",
    "    lsl x7, x7, x6",
    "    sub x6, x7, #1",
    "    bic x2, x2, x6",
    "6:  cmp x2, x3",
    "    b.hs 7f",
    "    dc civac, x2",
    "    add x2, x2, x7",
    "    b 6b",
    "7:  ret",
    ".popsection",
    block = sym crate::BLOCK,
    regions = const REGIONS_OFFSET,
    region_count = const REGION_COUNT_OFFSET,
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

/// How many exceptions there have been.
static EXCEPTIONS: AtomicU32 = AtomicU32::new(0);

/// Every exception ends here. The first is reported; one inside the report, such
/// as a UART that does not answer, resets; one inside the reset, such as an SMC
/// where no firmware takes it, halts.
extern "C" fn exception() -> ! {
    let before = EXCEPTIONS.load(Ordering::Relaxed);
    EXCEPTIONS.store(before.saturating_add(1), Ordering::Relaxed);
    let block = block();
    match before {
        0 => report(&Syndrome::read(), block.uart()),
        1 => {}
        _ => halt(),
    }
    reset(block.conduit())
}

fn report(syndrome: &Syndrome, uart: Uart) {
    let mut line = begin_line(uart);
    line.put(b" exception");
    line.put_value(b"ESR", syndrome.esr);
    line.put_value(b"ELR", syndrome.elr);
    line.put_value(b"FAR", syndrome.far);
    line.end(b"; resetting");
}

/// What an exception leaves behind.
struct Syndrome {
    esr: u64,
    elr: u64,
    far: u64,
}

impl Syndrome {
    fn read() -> Self {
        let (esr, elr, far);
        if at_el2() {
            // SAFETY: reads registers of this level.
            unsafe {
                asm!("mrs {}, esr_el2", "mrs {}, elr_el2", "mrs {}, far_el2",
                     out(reg) esr, out(reg) elr, out(reg) far, options(nomem, nostack));
            }
        } else {
            // SAFETY: reads registers of this level.
            unsafe {
                asm!("mrs {}, esr_el1", "mrs {}, elr_el1", "mrs {}, far_el1",
                     out(reg) esr, out(reg) elr, out(reg) far, options(nomem, nostack));
            }
        }
        Self { esr, elr, far }
    }
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

/// Starts a line on the UART that the loader named.
pub(crate) fn begin_line(uart: Uart) -> Line<UartRegisters> {
    Line::begin(uart, UartRegisters::of(uart))
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
    fn of(uart: Uart) -> Option<Self> {
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
