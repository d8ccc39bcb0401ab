//! Time since PID 1 began, and the processor's own counter.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

static START: OnceLock<(Instant, u64)> = OnceLock::new();

/// Marks the start. Later calls change nothing.
pub fn start() {
    START.get_or_init(|| (Instant::now(), ticks()));
}

/// Time since [`start`].
#[must_use]
pub fn elapsed() -> Duration {
    START.get().map_or(Duration::ZERO, |(instant, _)| instant.elapsed())
}

/// The counter at [`start`].
#[must_use]
pub fn start_ticks() -> u64 {
    START.get().map_or(0, |(_, ticks)| *ticks)
}

/// The counter that runs on through a kexec: TSC on x86_64 (CPU cycles),
/// CNTVCT_EL0 on aarch64 (at the frequency in CNTFRQ_EL0). The benchmark
/// compares it with the next system's.
#[must_use]
pub fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: RDTSC reads a register and touches no memory; Linux leaves it
    // open to user space.
    let ticks = unsafe { core::arch::x86_64::_rdtsc() };
    #[cfg(target_arch = "aarch64")]
    let ticks = {
        let ticks: u64;
        // SAFETY: reads a register that Linux opens to user space (it serves
        // the vDSO); touches neither memory nor flags.
        unsafe {
            core::arch::asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags));
        }
        ticks
    };
    ticks
}
