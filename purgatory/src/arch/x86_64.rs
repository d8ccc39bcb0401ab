//! x86_64: entered by the kernel's relocate_kernel in 64-bit mode, on the
//! kernel's identity map of RAM, without a GDT, an IDT or SSE.
//!
//! The map has no devices in it, so nothing but ports may be used. Any exception
//! is a triple fault, which resets; CPUID is never used, because under SEV-ES it
//! is one.

use core::arch::{asm, global_asm};

use purgatory::{Block, Conduit, ROOTS_OFFSET, Uart};

use crate::uart::Registers;

// The entry code. Gives the boot protocol its GDT; goes over to the block's page
// tables, if there are any, of as many levels as CR4.LA57 (bit 12) says; sets
// CR4.OSFXSR and OSXMMEXCPT for the SSE2 that the compiler takes for granted,
// checks, undoes that, and enters the kernel as boot.rst wants it: RSI =
// boot_params, CS = 0x10, DS = ES = SS = 0x18, interrupts off. The segments have
// their accessed bit set already, so that loading them writes nothing. No global
// page and no PCID is in use: loading CR3 forgets all of the old map.
global_asm!(
    ".pushsection .purgatory.entry, \"ax\"",
    ".globl purgatory_entry",
    "purgatory_entry:",
    "    cli",
    "    cld",
    "    jmp 1f",
    ".popsection",
    ".pushsection .text.purgatory_start, \"ax\"",
    "1:  lea rsp, [rip + purgatory_stack_top]",
    "    lea rax, [rip + purgatory_gdt]",
    "    mov [rsp - 8], rax",
    "    mov word ptr [rsp - 10], 0x1f",
    "    lgdt [rsp - 10]",
    "    mov eax, 0x18",
    "    mov ds, eax",
    "    mov es, eax",
    "    mov ss, eax",
    "    mov fs, eax",
    "    mov gs, eax",
    "    push 0x10",
    "    lea rax, [rip + 2f]",
    "    push rax",
    "    retfq",
    "2:  mov rbx, cr4",
    "    lea rcx, [rip + {block}]",
    "    mov rax, [rcx + {roots}]",
    "    bt ebx, 12",
    "    cmovc rax, [rcx + {roots} + 8]",
    "    test rax, rax",
    "    jz 3f",
    "    mov cr3, rax",
    "3:  mov rax, rbx",
    "    or eax, 0x600",
    "    mov cr4, rax",
    "    call {check}",
    "    mov cr4, rbx",
    "    mov rsi, rdx",
    "    xor ebx, ebx",
    "    xor ebp, ebp",
    "    xor edi, edi",
    "    jmp rax",
    ".popsection",
    ".pushsection .rodata.purgatory_gdt, \"a\"",
    "    .balign 8",
    "purgatory_gdt:",
    "    .quad 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff",
    ".popsection",
    block = sym crate::BLOCK,
    roots = const ROOTS_OFFSET,
    check = sym crate::check,
);

/// The parameter block of this blob.
pub(crate) fn block() -> &'static Block {
    let block: *const Block;
    // SAFETY: takes an address, which the compiler must not connect with the
    // initial value of the static.
    unsafe {
        asm!("lea {}, [rip + {}]", out(reg) block, sym crate::BLOCK,
             options(pure, nomem, nostack, preserves_flags));
    }
    // SAFETY: the address of a static of this type, written to only before the
    // blob runs; every bit pattern is a Block.
    unsafe { &*block }
}

/// An 8250 behind ports.
pub(crate) struct UartRegisters {
    port: u16,
}

impl UartRegisters {
    pub(crate) const fn of(uart: Uart) -> Option<Self> {
        match uart {
            Uart::Port8250 { port } => Some(Self { port }),
            Uart::None | Uart::Mmio8250 { .. } | Uart::Pl011 { .. } => None,
        }
    }

    fn port(&self, offset: u64) -> u16 {
        self.port.wrapping_add(u16::try_from(offset).unwrap_or(0))
    }
}

impl Registers for UartRegisters {
    fn read(&self, offset: u64) -> u32 {
        let value: u8;
        // SAFETY: reads a port of the UART that the loader named; touches no
        // memory.
        unsafe {
            asm!("in al, dx", in("dx") self.port(offset), out("al") value,
                 options(nomem, nostack, preserves_flags));
        }
        u32::from(value)
    }

    fn write(&self, offset: u64, value: u32) {
        let [byte, ..] = value.to_le_bytes();
        write_port(self.port(offset), byte);
    }
}

fn write_port(port: u16, value: u8) {
    // SAFETY: the ports of a UART or of a reset; no device is told of memory.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") value,
             options(nomem, nostack, preserves_flags));
    }
}

/// Resets by the chipset, then by the keyboard controller, then by a triple
/// fault.
pub(crate) fn reset(_: Conduit) -> ! {
    write_port(0xcf9, 0x06);
    write_port(0x64, 0xfe);
    // SAFETY: an empty IDT makes the breakpoint a triple fault; no return.
    unsafe { asm!("push 0", "push 0", "lidt [rsp]", "int3", "2: jmp 2b", options(noreturn)) }
}
