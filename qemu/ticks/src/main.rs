//! A guest program: prints the CPU's time counter and the time since this
//! kernel started keeping time, both in nanoseconds.
//!
//! Under QEMU's `-icount shift=0,sleep=off` both counters run on QEMU's virtual
//! clock, start at zero with the machine and survive kexec, so the difference
//! of two prints is the guest time between them even across a switch. Outside
//! such a machine the first number means nothing.
//!
//! With the argument `jump` it then starts the kernel that is loaded, as
//! `kexec -e` does once it has started itself: what is measured from there is
//! the kernel and no program.
//!
//! With the argument `sha256` it prints instead how many bytes it hashed in one
//! call of the sha2 crate, and how many nanoseconds that took: nothing of that
//! crate's is faster on the processor.
//!
//! With the argument `menu` it prints how many nanoseconds it took to read and to
//! sort a menu of 1000 entries that are in memory.

use std::hint::black_box;

use nix::sys::reboot::{RebootMode, reboot};
use nix::time::{ClockId, clock_gettime};

use sha2::{Digest, Sha256};
use turnout::base::arch::Arch;
use turnout::menu::{self, Group, Memory, Target};

const HASHED: usize = 4 << 20;
const ENTRIES: u32 = 1000;

fn main() -> Result<(), nix::Error> {
    match std::env::args().nth(1).as_deref() {
        Some("sha256") => {
            println!("{HASHED} {}", time_of_hashing());
            return Ok(());
        }
        Some("menu") => {
            println!("{}", time_of_menu());
            return Ok(());
        }
        _ => {}
    }
    let ticks = counter_ns();
    let up = clock_gettime(ClockId::CLOCK_BOOTTIME)?;
    println!("{ticks} {}", up.tv_sec() * 1_000_000_000 + up.tv_nsec());
    if std::env::args().nth(1).as_deref() == Some("jump") {
        reboot(RebootMode::RB_KEXEC)?;
    }
    Ok(())
}

/// The memory is there and the processor is known when the time begins.
fn time_of_hashing() -> u64 {
    let bytes = vec![7; HASHED];
    black_box(Sha256::digest(b"warm"));
    let start = counter_ns();
    black_box(Sha256::digest(black_box(&bytes)));
    counter_ns().saturating_sub(start)
}

/// The entries are as kernel-install writes them, of two installations that have
/// their versions in no order.
fn time_of_menu() -> u64 {
    let files: Memory = (0..ENTRIES).map(entry).collect();
    let target = Target::new(Arch::X86_64, &[]);
    let start = counter_ns();
    let menu = menu::merge(vec![(Group::default(), menu::read_volume(&files, &target))]);
    let time = counter_ns().saturating_sub(start);
    assert_eq!(menu.entries.len(), 1000, "{:?}", menu.diagnostics.first());
    time
}

fn entry(number: u32) -> (String, String) {
    let version = format!("6.{}.{}-{number}-amd64", number * 7 % 19, number * 31 % 101);
    let machine = number % 2;
    let path = format!("/loader/entries/{machine:032x}-{version}+3-0.conf");
    let text = format!(
        "title Debian GNU/Linux 13 (trixie)\nversion {version}\nmachine-id {machine:032x}\n\
         sort-key debian\noptions root=UUID=0d9c0a4e-8f5d-4bd4-a5cc-8b1e5c0a1a5e ro quiet \
         console=ttyS0\nlinux /{machine:032x}/{version}/linux\n\
         initrd /{machine:032x}/{version}/initrd.img\n"
    );
    (path, text)
}

/// The time stamp counter: QEMU's virtual clock at one tick a nanosecond.
#[cfg(target_arch = "x86_64")]
fn counter_ns() -> u64 {
    // SAFETY: rdtsc reads a register that Linux leaves readable to programs.
    #[expect(unsafe_code, reason = "the counter has no system call")]
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
}

/// The virtual counter, scaled by the frequency it states.
#[cfg(target_arch = "aarch64")]
#[expect(unsafe_code, reason = "the counter has no system call")]
fn counter_ns() -> u64 {
    let count: u64;
    let frequency: u64;
    // SAFETY: reads a register that Linux leaves readable to programs.
    unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
    // SAFETY: as above.
    unsafe { core::arch::asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack)) };
    let scaled = u128::from(count) * 1_000_000_000 / u128::from(frequency.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}
