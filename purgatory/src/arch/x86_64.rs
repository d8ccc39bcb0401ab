//! x86_64: entered by the kernel's relocate_kernel in 64-bit mode, on the
//! kernel's identity map of RAM, without a GDT, an IDT or SSE.
//!
//! Goes over to the loader's page tables, if there are any; the old map has no
//! devices in it. Any exception is a triple fault, which resets; CPUID is never
//! used, because under SEV-ES it is one.

use core::arch::{asm, global_asm};

use purgatory::{Block, Conduit, ROOTS_OFFSET, Uart};

use crate::uart::{Line, Registers};

/// Keeps the registers of the entry for [`probe`]. The limits of GDT and IDT lie
/// in the upper bits of the word before their base.
#[cfg(feature = "test-hooks")]
macro_rules! capture {
    () => {
        "lea r8, [rip + purgatory_captured]
         mov [r8 + 56], rsp
         lea rsp, [rip + purgatory_stack_top]
         pushfq
         pop qword ptr [r8 + 48]
         mov rax, cr0
         mov [r8], rax
         mov rax, cr3
         mov [r8 + 8], rax
         mov rax, cr4
         mov [r8 + 16], rax
         mov ecx, 0xc0000080
         rdmsr
         mov [r8 + 24], eax
         mov [r8 + 28], edx
         mov eax, cs
         mov [r8 + 32], rax
         mov eax, ss
         mov [r8 + 40], rax
         sgdt [r8 + 70]
         sidt [r8 + 86]"
    };
}

#[cfg(not(feature = "test-hooks"))]
macro_rules! capture {
    () => {
        ""
    };
}

#[cfg(feature = "test-hooks")]
global_asm!(
    ".pushsection .bss.purgatory_captured, \"aw\", @nobits",
    "    .balign 16",
    "purgatory_captured:",
    "    .zero 96",
    ".popsection",
);

/// Prints the registers of the entry, a line for each group.
#[cfg(feature = "test-hooks")]
pub(crate) fn probe(uart: Uart) {
    let captured: *const [u64; 12];
    // SAFETY: takes an address.
    unsafe {
        asm!("lea {}, [rip + purgatory_captured]", out(reg) captured,
             options(pure, nomem, nostack, preserves_flags));
    }
    // SAFETY: the entry code filled it in, and nothing else writes there.
    let [cr0, cr3, cr4, efer, cs, ss, rflags, rsp, gdt_limit, gdt, idt_limit, idt] =
        unsafe { *captured };
    let mut line = begin_line(uart);
    line.put_value(b"CR0", cr0);
    line.put_value(b"CR3", cr3);
    line.put_value(b"CR4", cr4);
    line.put_value(b"EFER", efer);
    line.end(b"");
    let mut line = begin_line(uart);
    line.put_value(b"GDT", gdt);
    line.put_value(b"limit", gdt_limit >> 48);
    line.put_value(b"IDT", idt);
    line.put_value(b"limit", idt_limit >> 48);
    line.put_value(b"CS", cs);
    line.put_value(b"SS", ss);
    line.end(b"");
    let mut line = begin_line(uart);
    line.put_value(b"RFLAGS", rflags);
    line.put_value(b"RSP", rsp);
    line.end(b"");
}

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
    "    jmp 1f",
    ".popsection",
    ".pushsection .text.purgatory_start, \"ax\"",
    "1:",
    capture!(),
    "    cli",
    "    cld",
    "    lea rsp, [rip + purgatory_stack_top]",
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

/// Starts a line on the UART that the loader named.
pub(crate) fn begin_line(uart: Uart) -> Line<UartRegisters> {
    Line::begin(uart, UartRegisters::of(uart))
}

/// An 8250.
pub(crate) enum UartRegisters {
    Port(u16),
    /// In memory, `1 << shift` bytes apart: as 32 bits, if that is 2 or more.
    Memory {
        address: u64,
        shift: u32,
    },
}

impl UartRegisters {
    /// What is in memory can be reached on the loader's page tables only: those
    /// that an x86_64 kernel leaves behind have no devices in them.
    fn of(uart: Uart) -> Option<Self> {
        match uart {
            Uart::Port8250 { port } => Some(Self::Port(port)),
            Uart::Mmio8250 { address, shift } if block().page_tables().four_level != 0 => {
                Some(Self::Memory { address, shift: u32::from(shift) })
            }
            _ => None,
        }
    }
}

// Inline assembly, because a device must see exactly this access.
impl Registers for UartRegisters {
    fn read(&self, offset: u64) -> u32 {
        match *self {
            Self::Port(port) => u32::from(read_port(port_at(port, offset))),
            Self::Memory { address, shift: shift @ 2.. } => {
                let value: u32;
                // SAFETY: a register of the UART that the loader named and mapped.
                unsafe {
                    asm!("mov {:e}, [{}]", out(reg) value,
                         in(reg) address_at(address, offset, shift), options(nostack));
                }
                value
            }
            Self::Memory { address, shift } => {
                let value: u8;
                // SAFETY: a register of the UART that the loader named and mapped.
                unsafe {
                    asm!("mov {}, [{}]", out(reg_byte) value,
                         in(reg) address_at(address, offset, shift), options(nostack));
                }
                u32::from(value)
            }
        }
    }

    fn write(&self, offset: u64, value: u32) {
        let [byte, ..] = value.to_le_bytes();
        match *self {
            Self::Port(port) => write_port(port_at(port, offset), byte),
            // SAFETY: a register of the UART that the loader named and mapped.
            Self::Memory { address, shift: shift @ 2.. } => unsafe {
                asm!("mov [{}], {:e}", in(reg) address_at(address, offset, shift),
                     in(reg) value, options(nostack));
            },
            // SAFETY: a register of the UART that the loader named and mapped.
            Self::Memory { address, shift } => unsafe {
                asm!("mov [{}], {}", in(reg) address_at(address, offset, shift),
                     in(reg_byte) byte, options(nostack));
            },
        }
    }
}

fn address_at(address: u64, offset: u64, shift: u32) -> u64 {
    address.wrapping_add(offset.wrapping_shl(shift))
}

fn port_at(port: u16, offset: u64) -> u16 {
    port.wrapping_add(u16::try_from(offset).unwrap_or(0))
}

fn read_port(port: u16) -> u8 {
    let value;
    // SAFETY: the status of a UART; no device is told of memory.
    unsafe {
        asm!("in al, dx", in("dx") port, out("al") value,
             options(nomem, nostack, preserves_flags));
    }
    value
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
