//! One boot on every kind of machine that QEMU can be: firmware, paging depth,
//! exception level, memory, processors. The next system says what it finds.

use super::trust::flip_unused_byte;
use super::{AARCH64, BOTH, Boot, Case, Expect, PLAIN, X86_64, nothing};
use crate::world::{LINUX, World};
use anyhow::{Context, Result, ensure};
use turnout::base::arch::Arch;
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::facts::Facts;
use turnout_qemu::guest::Flavour;
use turnout_qemu::machine::{Firmware, Shape};

const SEGMENTS: Boot = Boot { config: "engine segments\nreset-delay 1\nattempts 1\n", ..PLAIN };
const FILE: Boot = Boot { config: "engine file\nreset-delay 1\nattempts 1\n", ..PLAIN };
const EFI: Shape = Shape { firmware: Firmware::Efi, ..Shape::USUAL };

const fn machine(
    name: &'static str,
    archs: &'static [Arch],
    boot: Boot,
    facts: fn(&Facts) -> Result<()>,
) -> Case {
    Case { name, archs, boot, change: nothing, expect: Expect::Finds { after: &[], facts } }
}

const fn board(board: &'static str, cpu: &'static str) -> Shape {
    Shape { board: Some(board), cpu: Some(cpu), ..Shape::USUAL }
}

pub(super) const CASES: &[Case] = &[
    machine("five_level_paging_by_kexec_load", X86_64, SEGMENTS, has_la57),
    machine("five_level_paging_by_kexec_file_load", X86_64, FILE, has_la57),
    machine(
        "four_level_paging_by_kexec_load",
        X86_64,
        Boot { shape: board("q35", "max,-la57"), ..SEGMENTS },
        has_no_la57,
    ),
    machine(
        "four_level_paging_by_kexec_file_load",
        X86_64,
        Boot { shape: board("q35", "max,-la57"), ..FILE },
        has_no_la57,
    ),
    machine(
        "from_five_levels_to_four",
        X86_64,
        Boot { next_options: "no5lvl", ..SEGMENTS },
        has_no_la57,
    ),
    machine(
        "from_four_levels_to_five",
        X86_64,
        Boot { first_options: "no5lvl", ..SEGMENTS },
        has_la57,
    ),
    machine(
        "six_gib_by_kexec_load",
        X86_64,
        Boot { shape: Shape { memory: "6G", ..Shape::USUAL }, ..SEGMENTS },
        has_six_gib,
    ),
    machine(
        "six_gib_by_kexec_file_load",
        X86_64,
        Boot { shape: Shape { memory: "6G", ..Shape::USUAL }, ..FILE },
        has_six_gib,
    ),
    machine(
        "bios_on_an_old_board",
        X86_64,
        Boot { shape: board("pc", "qemu64"), ..SEGMENTS },
        has_acpi_from_bios,
    ),
    machine("ovmf_by_kexec_load", X86_64, Boot { shape: EFI, ..SEGMENTS }, has_efi_and_acpi),
    machine("ovmf_by_kexec_file_load", X86_64, Boot { shape: EFI, ..FILE }, has_efi_and_acpi),
    machine(
        "ovmf_to_a_kernel_without_efi",
        X86_64,
        Boot { shape: EFI, next_options: "noefi", ..SEGMENTS },
        has_acpi_without_efi,
    ),
    // Debian's keys are in the platform keyring only below shim: an image that
    // Debian signed is refused as well, and nothing else is tried.
    Case {
        name: "lockdown_refuses_what_it_cannot_check",
        archs: X86_64,
        boot: Boot { first_options: "lockdown=integrity", ..PLAIN },
        change: nothing,
        expect: Expect::Ends(&[
            "loading good by kexec_file_load: the running kernel is locked down",
            "failed good: load: kexec_file_load: Operation not permitted",
        ]),
    },
    Case {
        name: "secure_boot_takes_a_signed_kernel_by_kexec_file_load",
        archs: X86_64,
        boot: Boot { shape: SECURE_BOOT, ..PLAIN },
        change: nothing,
        expect: Expect::Finds {
            after: &["loading good by kexec_file_load: the running kernel is locked down"],
            facts: has_efi_and_acpi,
        },
    },
    Case {
        name: "secure_boot_refuses_a_kernel_that_was_changed",
        archs: X86_64,
        boot: Boot { shape: SECURE_BOOT, ..PLAIN },
        change: change_the_kernel_and_sign_the_entry,
        expect: Expect::Ends(&[
            "loading good by kexec_file_load: the running kernel is locked down",
            "failed good: load: kexec_file_load: ",
        ]),
    },
    machine(
        "four_processors_on_two_nodes",
        X86_64,
        Boot { shape: Shape { devices: TWO_NODES, memory: "2G", ..Shape::USUAL }, ..SEGMENTS },
        has_four_processors_on_two_nodes,
    ),
    machine(
        "four_processors",
        AARCH64,
        Boot { shape: Shape { devices: &["-smp", "4"], ..Shape::USUAL }, ..PLAIN },
        |facts| is(facts, "processors", "4"),
    ),
    machine("gic_version_2", AARCH64, arm("virt,gic-version=2", "cortex-a57"), at_el1),
    machine("exception_level_1", AARCH64, arm("virt,gic-version=3", "cortex-a72"), at_el1),
    machine(
        "exception_level_2_without_vhe",
        AARCH64,
        arm("virt,gic-version=3,virtualization=on", "cortex-a57"),
        at_el2,
    ),
    machine(
        "exception_level_2_with_vhe",
        AARCH64,
        arm("virt,gic-version=3,virtualization=on", "max,pauth-impdef=on"),
        at_el2,
    ),
    machine(
        "below_a_secure_monitor",
        AARCH64,
        arm("virt,gic-version=3,secure=on,virtualization=on", "cortex-a57"),
        at_el2,
    ),
    machine("edk2_with_acpi", AARCH64, Boot { shape: EFI, ..PLAIN }, has_efi_and_acpi),
    machine(
        "edk2_with_a_device_tree",
        AARCH64,
        Boot { shape: Shape { board: Some("virt,gic-version=3,acpi=off"), ..EFI }, ..PLAIN },
        has_efi_and_device_tree,
    ),
    machine(
        "eight_gib",
        AARCH64,
        Boot { shape: Shape { memory: "8G", ..Shape::USUAL }, ..PLAIN },
        |facts| has_memory(facts, 8),
    ),
    machine(
        "a_source_without_seeds",
        AARCH64,
        arm("virt,gic-version=3,dtb-randomness=off", "max,pauth-impdef=on"),
        has_seeds,
    ),
    machine("from_linux_6_1_to_6_12", BOTH, between(Flavour::Cloud, Flavour::Cloud13), is_6_12),
    machine("from_linux_6_12_to_6_1", BOTH, between(Flavour::Cloud13, Flavour::Cloud), is_6_1),
    machine("from_linux_6_12_to_6_12", BOTH, between(Flavour::Cloud13, Flavour::Cloud13), is_6_12),
    machine(
        "from_linux_6_12_by_kexec_file_load",
        X86_64,
        Boot { flavour: Flavour::Cloud13, ..FILE },
        is_6_12,
    ),
    machine(
        "from_generic_6_1_to_generic_6_1",
        BOTH,
        long(Flavour::Generic, Flavour::Generic),
        is_6_1,
    ),
    machine(
        "from_generic_6_1_to_generic_6_12",
        BOTH,
        long(Flavour::Generic, Flavour::Generic13),
        is_6_12,
    ),
    machine(
        "from_generic_6_12_to_generic_6_1",
        BOTH,
        long(Flavour::Generic13, Flavour::Generic),
        is_6_1,
    ),
    machine(
        "from_generic_6_12_to_generic_6_12",
        BOTH,
        long(Flavour::Generic13, Flavour::Generic13),
        is_6_12,
    ),
    machine(
        "from_generic_6_1_to_6_12_by_kexec_file_load",
        X86_64,
        Boot { config: FILE.config, ..long(Flavour::Generic, Flavour::Generic13) },
        is_6_12,
    ),
    machine(
        "from_generic_6_12_to_6_1_by_kexec_file_load",
        X86_64,
        Boot { config: FILE.config, ..long(Flavour::Generic13, Flavour::Generic) },
        is_6_1,
    ),
];

const fn between(first: Flavour, next: Flavour) -> Boot {
    Boot { flavour: first, next: Some(next), ..SEGMENTS }
}

const fn long(first: Flavour, next: Flavour) -> Boot {
    Boot { long: true, ..between(first, next) }
}

const SECURE_BOOT: Shape =
    Shape { firmware: Firmware::SecureBoot, board: Some("q35,smm=on"), ..Shape::USUAL };

const TWO_NODES: &[&str] = &[
    "-smp",
    "4,sockets=2",
    "-object",
    "memory-backend-ram,id=a,size=1G",
    "-object",
    "memory-backend-ram,id=b,size=1G",
    "-numa",
    "node,memdev=a,cpus=0-1",
    "-numa",
    "node,memdev=b,cpus=2-3",
];

const fn arm(machine: &'static str, cpu: &'static str) -> Boot {
    Boot { shape: board(machine, cpu), ..PLAIN }
}

/// Signed by our key, and no longer by Debian's.
fn change_the_kernel_and_sign_the_entry(world: &World, tree: &BootTree) -> Result<()> {
    flip_unused_byte(world.arch, tree, LINUX)?;
    world.key.sign(&world.tools, tree, "good", &[])
}

fn is(facts: &Facts, name: &str, expected: &str) -> Result<()> {
    let found = facts.get(name);
    ensure!(found == Some(expected), "{name} is {found:?}, not {expected:?}");
    Ok(())
}

fn begins(facts: &Facts, name: &str, expected: &str) -> Result<()> {
    let found = facts.get(name).unwrap_or_default();
    ensure!(found.starts_with(expected), "{name} is {found:?}, not {expected}*");
    Ok(())
}

fn is_6_1(facts: &Facts) -> Result<()> {
    begins(facts, "kernel", "6.1.")
}

fn is_6_12(facts: &Facts) -> Result<()> {
    begins(facts, "kernel", "6.12.")
}

fn has_la57(facts: &Facts) -> Result<()> {
    is(facts, "la57", "yes")
}

fn has_no_la57(facts: &Facts) -> Result<()> {
    ensure!(facts.get("la57").is_none(), "paging has five levels");
    Ok(())
}

/// Within a tenth: the kernel keeps some for itself.
fn has_memory(facts: &Facts, gib: u64) -> Result<()> {
    let found: u64 = facts.get("memory").context("no memory")?.parse()?;
    let all = gib * 1024 * 1024;
    ensure!(found > all / 10 * 9 && found <= all, "{found} KiB of {all} KiB");
    Ok(())
}

fn has_six_gib(facts: &Facts) -> Result<()> {
    has_memory(facts, 6)
}

fn has_acpi(facts: &Facts) -> Result<()> {
    let tables: u32 = facts.get("acpi").context("no ACPI")?.parse()?;
    ensure!(tables >= 3, "{tables} ACPI tables");
    Ok(())
}

fn has_acpi_from_bios(facts: &Facts) -> Result<()> {
    ensure!(facts.get("efivars").is_none(), "there is EFI");
    has_acpi(facts)
}

fn has_efi(facts: &Facts) -> Result<()> {
    let variables: u32 = facts.get("efivars").context("no EFI")?.parse()?;
    ensure!(variables > 3, "{variables} EFI variables");
    Ok(())
}

pub(super) fn has_efi_and_acpi(facts: &Facts) -> Result<()> {
    has_efi(facts).and_then(|()| has_acpi(facts))
}

/// A kernel that is told `noefi` shows that there is EFI, and uses none of it.
fn has_acpi_without_efi(facts: &Facts) -> Result<()> {
    let variables = facts.get("efivars").unwrap_or("0");
    ensure!(variables == "0", "{variables} EFI variables");
    has_acpi(facts)
}

fn has_efi_and_device_tree(facts: &Facts) -> Result<()> {
    ensure!(facts.get("acpi").is_none(), "there is ACPI");
    has_efi(facts).and_then(|()| has_seeds(facts))
}

fn has_four_processors_on_two_nodes(facts: &Facts) -> Result<()> {
    is(facts, "processors", "4").and_then(|()| is(facts, "nodes", "2"))
}

fn at_el1(facts: &Facts) -> Result<()> {
    is(facts, "level", "EL1")
}

fn at_el2(facts: &Facts) -> Result<()> {
    is(facts, "level", "EL2")
}

/// The kernel wipes kaslr-seed and takes rng-seed away; that it had one shows
/// in when its random numbers were ready.
fn has_seeds(facts: &Facts) -> Result<()> {
    let chosen = facts.all("chosen");
    ensure!(chosen.contains(&"kaslr-seed 8"), "/chosen holds {chosen:?}");
    is(facts, "seeded", "0.000000")
}
