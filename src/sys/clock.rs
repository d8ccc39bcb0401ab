//! Time since PID 1 began, the processor's own counter, and what a boot spends
//! its time on.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

static START: OnceLock<(Instant, u64)> = OnceLock::new();

/// Marks the start. Later calls change nothing.
pub fn start() {
    START.get_or_init(|| (Instant::now(), counter()));
}

/// `clock_gettime(2)`: time since [`start`].
#[must_use]
pub fn elapsed() -> Duration {
    START.get().map_or(Duration::ZERO, |(instant, _)| instant.elapsed())
}

/// `clock_gettime(2)`: seconds since 1970, by the machine's clock; 0 where that is before.
#[must_use]
pub fn since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What part of the time in which a thread only waits is counted as work: five seconds
/// of work are two minutes of waiting.
const OF_WAITING: u32 = 24;

/// `clock_gettime(2)`: what has been spent in this thread: the processor's time, and a
/// little of the time since [`start`], so that a device which answers ever more slowly has
/// an end too. Of use for differences within one thread only.
#[must_use]
pub fn spent() -> Duration {
    busy().saturating_add(elapsed() / OF_WAITING)
}

/// How long a processor has worked for this thread.
fn busy() -> Duration {
    // It fails only for a clock that the kernel does not know.
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// The counter at [`start`].
#[must_use]
pub fn counter_at_start() -> u64 {
    START.get().map_or(0, |(_, counter)| *counter)
}

/// Taking the digests of what is read.
pub static HASHING: Meter = Meter::new();

/// Everything else of verification: key ring, policy, manifests, signatures, and
/// the comparison of digests.
pub static TRUST: Meter = Meter::new();

/// Ticks of [`counter`] that were spent on one kind of work, for the benchmark.
#[derive(Debug)]
pub struct Meter(AtomicU64);

impl Meter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Does the work, and counts it.
    pub fn spend<T>(&self, work: impl FnOnce() -> T) -> T {
        let start = counter();
        let result = work();
        self.0.fetch_add(counter().saturating_sub(start), Ordering::Relaxed);
        result
    }

    /// All ticks until now.
    #[must_use]
    pub fn ticks(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_waits_spends_little_but_not_nothing() {
        start();
        let before = spent();
        std::thread::sleep(Duration::from_millis(300));
        let waiting = spent().saturating_sub(before);
        assert!(waiting >= Duration::from_millis(12), "two minutes of it are too much");
        assert!(waiting < Duration::from_millis(200));
        let begin = busy();
        let time = Instant::now();
        while busy() < begin + Duration::from_millis(100) {
            assert!(time.elapsed() < Duration::from_secs(60), "it works, and that counts");
        }
    }

    #[test]
    fn a_meter_counts_what_was_spent_and_gives_the_result() {
        let meter = Meter::new();
        assert_eq!((meter.spend(|| 7), meter.spend(|| 8)), (7, 8));
        let before = meter.ticks();
        meter.spend(|| std::thread::sleep(Duration::from_millis(2)));
        assert!(meter.ticks() > before.saturating_add(10_000));
    }
}
