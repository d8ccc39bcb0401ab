//! Processors that have to be stopped before the jump, and started again behind it.
//!
//! Specification: Linux, arch/arm64/kernel/smp.c (`cpus_are_stuck_in_kernel`),
//! arch/x86/kernel/smpboot.c (`mwait_play_dead`), drivers/irqchip/irq-gic-v3-its.c.

use crate::base::arch::Arch;
use crate::check::versions::Version;
use crate::check::{Facts, Row, Said};
use crate::plan::leaves_lpis_off;

pub(super) const ROWS: &[Row] = &[
    Row::one("SPIN_TABLE", spin_table),
    Row::one("NO_PSCI", no_psci),
    Row::one("CPUS_OFFLINE", cpus_offline),
    Row::one("CPU_STOP_TIME", stop_time),
    Row::one("GIC_LPIS", gic_lpis),
];

/// Milliseconds that an arm64 kernel takes to stop one CPU: 15 s were measured for 80 of
/// them, one after the other (linux-ia64 list, message 21419).
const STOP_MILLISECONDS: u64 = 190;
/// What is not worth a word.
const SHORT_MILLISECONDS: u64 = 3000;

/// Only with several can one be left behind.
fn is_arm_with_several(facts: &Facts) -> bool {
    facts.platform.arch == Some(Arch::Aarch64) && facts.cpus.possible > 1
}

fn spin_table(facts: &Facts) -> Option<Said> {
    let spins = facts.cpus.methods.iter().any(|method| method == "spin-table");
    if !spins || !is_arm_with_several(facts) {
        return None;
    }
    let sentence = format!(
        "the {} CPUs are started by spin tables: they cannot be given back, so Linux refuses \
         every kexec",
        facts.cpus.possible
    );
    Said::stops(
        sentence,
        "use a firmware with PSCI (TF-A), or start this kernel with nr_cpus=1 on its command line",
    )
}

fn no_psci(facts: &Facts) -> Option<Said> {
    let is_missing = facts.cpus.without_method || facts.cpus.acpi_psci == Some(false);
    if !is_missing || !is_arm_with_several(facts) {
        return None;
    }
    Said::stops(
        "the firmware has no PSCI: CPUs that run cannot be given back, so Linux refuses every kexec",
        "use a firmware with PSCI, or start this kernel with nr_cpus=1 on its command line",
    )
}

/// Kernels before leave such CPUs waiting on memory that the next kernel writes to
/// (Linux d7893093a741, "Cure kexec() vs. mwait_play_dead() breakage").
fn cpus_offline(facts: &Facts) -> Option<Said> {
    let is_cured = Version::of_running(facts).is_none_or(parks_offline_cpus);
    if facts.platform.arch != Some(Arch::X86_64) || facts.cpus.offline.is_empty() || is_cured {
        return None;
    }
    let sentence = format!(
        "CPUs {} are offline, and this kernel leaves them waiting on memory that the next kernel \
         writes to: it may crash long after the jump",
        facts.cpus.offline
    );
    let online = "for cpu in /sys/devices/system/cpu/cpu*/online; do echo 1 > $cpu; done";
    let remedy = match facts.cpus.smt_off {
        true => format!("echo on > /sys/devices/system/cpu/smt/control\n{online}"),
        false => online.to_owned(),
    };
    Said::warns(sentence, remedy)
}

/// 6.5, and the stable kernels of July 2023.
fn parks_offline_cpus(version: Version) -> bool {
    const CURED: [Version; 3] =
        [Version::new(6, 1, 37), Version::new(6, 3, 11), Version::new(6, 4, 1)];
    let in_series = CURED.iter().any(|cured| cured.is_same_series(version) && version >= *cured);
    in_series || version >= Version::new(6, 5, 0)
}

fn stop_time(facts: &Facts) -> Option<Said> {
    let milliseconds = facts.cpus.online.saturating_sub(1).saturating_mul(STOP_MILLISECONDS);
    if facts.platform.arch != Some(Arch::Aarch64) || milliseconds < SHORT_MILLISECONDS {
        return None;
    }
    let seconds = milliseconds.div_ceil(1000);
    let sentence = format!(
        "{} CPUs run: an arm64 kernel stops them one after the other right before the jump, about \
         {seconds} s in all",
        facts.cpus.online
    );
    let remedy = "stop them earlier, while services still stop, from a unit of your own:\n\
                  for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do echo 0 > $cpu & done; wait";
    Said::notes(sentence, remedy)
}

/// EFI passes on where the tables are (LINUX_EFI_MEMRESERVE_TABLE_GUID).
fn gic_lpis(facts: &Facts) -> Option<Said> {
    let platform = &facts.platform;
    let is_risky = platform.arch == Some(Arch::Aarch64) && platform.has_its && !platform.has_efi;
    if !is_risky || leaves_lpis_off(&platform.cmdline) {
        return None;
    }
    Said::warns(
        "the interrupt controller uses tables in memory (GICv3 LPIs) that the next kernel does not \
         know of without EFI, and writes over itself with; Turnout refuses such a jump",
        "put irqchip.gicv3_nolpi=1 on this kernel's command line and start it once, or on the next \
         kernel's",
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{said, sentence};
    use super::*;
    use crate::check::Weight;
    use crate::check::facts::{Cpus, Platform};

    fn with(arch: Arch, cpus: Cpus) -> Facts {
        let platform = Platform { arch: Some(arch), ..Platform::default() };
        Facts { cpus, platform, ..Facts::default() }
    }

    #[test]
    fn cpus_that_cannot_be_given_back_stop_a_kexec() {
        let spins =
            |possible| Cpus { possible, methods: vec!["spin-table".to_owned()], ..Cpus::default() };
        let found = said("SPIN_TABLE", &with(Arch::Aarch64, spins(4)));
        assert_eq!(found[0].weight, Weight::Stops);
        assert!(found[0].sentence.starts_with("the 4 CPUs are started by spin tables"));
        assert_eq!(said("SPIN_TABLE", &with(Arch::Aarch64, spins(1))), []);
        let psci = Cpus { methods: vec!["psci".to_owned()], ..spins(4) };
        assert_eq!(said("SPIN_TABLE", &with(Arch::Aarch64, psci)), []);
    }

    #[test]
    fn a_firmware_without_psci_is_found_by_either_of_its_tables() {
        let acpi = |acpi_psci| Cpus { possible: 4, acpi_psci, ..Cpus::default() };
        assert_eq!(said("NO_PSCI", &with(Arch::Aarch64, acpi(Some(false)))).len(), 1);
        assert_eq!(said("NO_PSCI", &with(Arch::Aarch64, acpi(Some(true)))), []);
        assert_eq!(said("NO_PSCI", &with(Arch::Aarch64, acpi(None))), []);
        assert_eq!(said("NO_PSCI", &with(Arch::X86_64, acpi(Some(false)))), []);
        let tree = Cpus { possible: 2, without_method: true, ..Cpus::default() };
        assert_eq!(said("NO_PSCI", &with(Arch::Aarch64, tree)).len(), 1);
    }

    #[test]
    fn offline_cpus_matter_to_kernels_that_let_them_wait_on_memory() {
        let of = |release: &str, offline: &str| {
            let cpus = Cpus { offline: offline.to_owned(), ..Cpus::default() };
            let mut facts = with(Arch::X86_64, cpus);
            facts.kernel.release = release.to_owned();
            facts
        };
        assert!(sentence("CPUS_OFFLINE", &of("6.1.36", "2-3")).starts_with("CPUs 2-3 are offline"));
        assert_eq!(said("CPUS_OFFLINE", &of("5.15.1", "2")).len(), 1);
        assert_eq!(said("CPUS_OFFLINE", &of("6.2.16", "2")).len(), 1);
        for cured in ["6.1.37", "6.4.1-x", "6.5.0", "6.12.90+deb13-amd64", "unknown"] {
            assert_eq!(said("CPUS_OFFLINE", &of(cured, "2-3")), [], "{cured}");
        }
        assert_eq!(said("CPUS_OFFLINE", &of("6.1.36", "")), []);
        let mut debian = of("6.1.0-50-amd64", "2");
        debian.platform.build = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-1 (2026-05-01)".to_owned();
        assert_eq!(said("CPUS_OFFLINE", &debian), []);
    }

    #[test]
    fn threads_that_were_switched_off_are_switched_on_first() {
        let cpus = Cpus { offline: "4-7".to_owned(), smt_off: true, ..Cpus::default() };
        let mut facts = with(Arch::X86_64, cpus);
        facts.kernel.release = "6.1.36".to_owned();
        let remedy = &said("CPUS_OFFLINE", &facts)[0].remedy;
        assert!(remedy.starts_with("echo on > /sys/devices/system/cpu/smt/control\n"), "{remedy}");
    }

    #[test]
    fn the_time_to_stop_many_cpus_is_told_for_the_machine_that_takes_it() {
        let cpus = |online| Cpus { online, ..Cpus::default() };
        let found = sentence("CPU_STOP_TIME", &with(Arch::Aarch64, cpus(80)));
        assert!(
            found.starts_with("80 CPUs run") && found.ends_with("about 16 s in all"),
            "{found}"
        );
        assert_eq!(said("CPU_STOP_TIME", &with(Arch::Aarch64, cpus(16))), []);
        assert_eq!(said("CPU_STOP_TIME", &with(Arch::X86_64, cpus(80))), []);
    }

    #[test]
    fn tables_of_interrupts_that_nobody_passes_on_are_warned_of() {
        let of = |has_efi, cmdline: &str| {
            let mut facts = with(Arch::Aarch64, Cpus::default());
            facts.platform.has_its = true;
            facts.platform.has_efi = has_efi;
            facts.platform.cmdline = cmdline.to_owned();
            facts
        };
        assert_eq!(said("GIC_LPIS", &of(false, "quiet"))[0].weight, Weight::Warns);
        assert_eq!(
            said("GIC_LPIS", &of(false, "irqchip.gicv3_nolpi=1 irqchip.gicv3_nolpi=0")).len(),
            1
        );
        for safe in ["irqchip.gicv3_nolpi=1", "a irqchip.gicv3_nolpi=y b", "irqchip.gicv3_nolpi=on"]
        {
            assert_eq!(said("GIC_LPIS", &of(false, safe)), [], "{safe}");
        }
        assert_eq!(said("GIC_LPIS", &of(true, "")), []);
    }
}
