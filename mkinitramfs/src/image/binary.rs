//! Checks that a file can be `/init`: `turnout-init` as a static ELF program, built
//! for use.

use anyhow::{Context as _, Result, bail, ensure};
use goblin::elf::{Elf, header};
use turnout::base::arch::Arch;
use turnout::boot::NOT_PID_1;

/// What the binary contains exactly if it was built with the `test-hooks`
/// feature.
pub const TEST_HOOKS: &[u8] = b"turnout-test-hooks-enabled";

/// Checks the binary and gives its architecture.
///
/// # Errors
/// Not an ELF program for x86_64 or aarch64, not static, another program than
/// `turnout-init`, or built with test hooks that were not asked for.
pub fn check(bytes: &[u8], allow_test_hooks: bool) -> Result<Arch> {
    let elf = Elf::parse(bytes).context("not an ELF program")?;
    ensure!(
        matches!(elf.header.e_type, header::ET_EXEC | header::ET_DYN),
        "an ELF file, but not a program"
    );
    if let Some(interpreter) = elf.interpreter {
        bail!("not static, it needs {interpreter}; build it for a musl target");
    }
    if let Some(library) = elf.libraries.first() {
        bail!("not static, it needs {library}; build it for a musl target");
    }
    ensure!(
        contains(bytes, NOT_PID_1.as_bytes()),
        "not turnout-init, which is what an image boots with; turnout has the commands of a \
         running system, and boots nothing"
    );
    ensure!(
        allow_test_hooks || !contains(bytes, TEST_HOOKS),
        "built with the feature test-hooks, which lets a test break the boot on purpose; build \
         it without, or give --allow-test-hooks for a test image"
    );
    arch(elf.header.e_machine).with_context(|| {
        format!("for ELF machine {}, neither x86_64 nor aarch64", elf.header.e_machine)
    })
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// The architecture with an ELF machine number.
#[must_use]
pub fn arch(machine: u16) -> Option<Arch> {
    match machine {
        header::EM_X86_64 => Some(Arch::X86_64),
        header::EM_AARCH64 => Some(Arch::Aarch64),
        _ => None,
    }
}
