//! Faults that a boot test asks for with `turnout.test=` on the kernel command
//! line. Compiled only with the feature `test-hooks`; mkinitramfs finds the
//! marker and refuses such a binary for a real image.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::file;

/// What mkinitramfs looks for in a binary.
pub const MARKER: &str = "turnout-test-hooks-enabled";

/// The value of `turnout.test=`, if any.
#[must_use]
pub fn requested() -> Option<String> {
    let cmdline = file::read_line("/proc/cmdline").ok()?;
    cmdline
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("turnout.test="))
        .map(str::to_owned)
}

/// Does the fault, if it is one that happens at the start.
#[expect(clippy::panic, reason = "the test wants to see how a panic ends")]
pub fn at_start(console: &super::console::Console) {
    console.line(&format!("turnout: {MARKER}"));
    match requested().as_deref() {
        Some("panic") => panic!("asked for by turnout.test=panic"),
        Some("signals") => send_signals(),
        Some("memory") => take_all_memory(),
        Some("fault") => fault(),
        Some("crash") => crash(),
        _ => {}
    }
}

/// Dies of SIGSEGV, as PID 1 would of a bug in unsafe code.
fn fault() {
    // SAFETY: there is none: nothing is mapped there, and the kernel ends this process.
    let _ = unsafe { core::ptr::without_provenance::<u8>(1).read_volatile() };
}

/// Has the kernel itself panic; its file works though the keys are off.
fn crash() {
    let _ = file::write_text("/proc/sysrq-trigger", "c");
}

/// Does the fault, if it is one that happens while an entry is prepared.
#[expect(clippy::panic, reason = "the test wants to see how a panic in a thread ends")]
pub fn at_preparing() {
    if requested().as_deref() == Some("panic-while-preparing") {
        panic!("asked for by turnout.test=panic-while-preparing");
    }
}

/// Does the fault, if it is one that happens while this device is mounted.
pub fn at_mounting(name: &str) {
    let Some(requested) = requested() else { return };
    match requested.split_once('=') {
        Some(("crash-at-mount", device)) if device == name => crash(),
        Some(("hang-at-mount", device)) if device == name => hang(),
        _ => {}
    }
}

/// Does the fault, if it is one that happens while this module is loaded.
pub fn at_module(name: &str) {
    if requested().and_then(|asked| Some(asked.strip_prefix("hang-at-module=")? == name))
        == Some(true)
    {
        hang();
    }
}

/// Does the fault, if it is one that happens on the main thread before an entry is
/// loaded.
pub fn at_loading() {
    if requested().as_deref() == Some("hang-before-loading") {
        super::console::everywhere("turnout: prepared, hanging");
        hang();
    }
}

/// As a call does that never comes back.
fn hang() {
    loop {
        std::thread::park();
    }
}

fn take_all_memory() {
    loop {
        core::mem::forget(vec![1_u8; 1 << 20]);
    }
}

fn send_signals() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP] {
        let _ = kill(Pid::this(), signal);
    }
}

/// Whether what is written to the state area is left in the disk's own cache, for a test
/// that must notice.
#[must_use]
pub fn forgets_to_flush() -> bool {
    requested().as_deref() == Some("no-flush")
}

/// Name of the segment that the purgatory is to damage before it checks it.
#[must_use]
pub fn corrupt_segment() -> Option<String> {
    requested()?.strip_prefix("corrupt=").map(str::to_owned)
}

/// Whether the purgatory is to print the registers that it is entered with.
#[must_use]
pub fn probes() -> bool {
    requested().as_deref() == Some("probe")
}
