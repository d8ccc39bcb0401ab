//! Time since PID 1 began, and the processor's own counter.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

static START: OnceLock<(Instant, u64)> = OnceLock::new();

/// Marks the start. Later calls change nothing.
pub fn start() {
    START.get_or_init(|| (Instant::now(), counter()));
}

/// Time since [`start`].
#[must_use]
pub fn elapsed() -> Duration {
    START.get().map_or(Duration::ZERO, |(instant, _)| instant.elapsed())
}

/// The counter at [`start`].
#[must_use]
pub fn counter_at_start() -> u64 {
    START.get().map_or(0, |(_, counter)| *counter)
}

/// The counter that runs on through a kexec, for the benchmark: the TSC in CPU
/// cycles, which are nanoseconds on QEMU's counted clock.
#[cfg(target_arch = "x86_64")]
#[must_use]
pub fn counter() -> u64 {
    // SAFETY: RDTSC reads a register and touches no memory; Linux leaves it
    // open to user space.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The counter that runs on through a kexec, for the benchmark: the virtual
/// counter, in nanoseconds by the frequency that CNTFRQ_EL0 states.
#[cfg(target_arch = "aarch64")]
#[must_use]
pub fn counter() -> u64 {
    let (count, frequency): (u64, u64);
    // SAFETY: reads two registers that Linux opens to user space (they serve
    // the vDSO); touches neither memory nor flags.
    unsafe {
        core::arch::asm!(
            "isb",
            "mrs {count}, cntvct_el0",
            "mrs {frequency}, cntfrq_el0",
            count = out(reg) count,
            frequency = out(reg) frequency,
            options(nomem, nostack, preserves_flags)
        );
    }
    let nanos = u128::from(count).saturating_mul(1_000_000_000) / u128::from(frequency.max(1));
    u64::try_from(nanos).unwrap_or(u64::MAX)
}
