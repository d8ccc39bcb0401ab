//! Which kernels the running one takes, and by which system call.
//!
//! Specification: kernel_lockdown(7), docs/hardening.md; Linux, kernel/kexec_file.c and
//! admin-guide/mm/kho.rst.

use crate::check::{Facts, Row, Said};

pub(super) const ROWS: &[Row] = &[
    Row::one("LOCKDOWN", lockdown),
    Row::one("SECURE_BOOT", secure_boot),
    Row::one("SELINUX_ENFORCING", selinux),
    Row::one("IMA_APPRAISES", ima),
    Row::one("KHO_IN_USE", handover),
    Row::one("XEN_DOM0", xen),
];

const FROM_THE_FILE: &str = "the kernel has to read the opened files itself, by kexec_file_load";

/// Outside Secure Boot the keys of the firmware are not trusted, and no distribution
/// signs with a key that is built in.
fn lockdown(facts: &Facts) -> Option<Said> {
    let mode = facts.security.lockdown?.name();
    let takes_files = facts.kernel.config.as_ref().is_none_or(|config| config.has("KEXEC_FILE"));
    if !takes_files {
        let sentence = format!(
            "lockdown is {mode}, which forbids kexec_load, and the running kernel has no \
             kexec_file_load: nothing can be loaded"
        );
        return Said::stops(sentence, "start a kernel with CONFIG_KEXEC_FILE");
    }
    if facts.security.secure_boot == Some(true) {
        let sentence = format!(
            "lockdown is {mode}: only kexec_file_load works, and only for kernels that are signed \
             by a key that the running kernel trusts"
        );
        return Said::notes(sentence, "");
    }
    let sentence = format!(
        "lockdown is {mode} without Secure Boot: the running kernel trusts only keys that were \
         built into it, so that even a distribution's signed kernel is refused"
    );
    Said::warns(sentence, "take lockdown= off the kernel's command line, or turn Secure Boot on")
}

fn secure_boot(facts: &Facts) -> Option<Said> {
    if facts.security.secure_boot != Some(true) {
        return None;
    }
    Said::notes(
        "Secure Boot is on: load takes kexec_file_load, and the next kernel must be signed by a \
         key of the firmware or of the machine's owner (MOK)",
        "",
    )
}

fn selinux(facts: &Facts) -> Option<Said> {
    if facts.security.selinux != Some(true) {
        return None;
    }
    let sentence = format!("SELinux enforces, and judges files by their labels: {FROM_THE_FILE}");
    Said::notes(sentence, "")
}

fn ima(facts: &Facts) -> Option<Said> {
    if !facts.security.ima {
        return None;
    }
    let sentence =
        format!("IMA appraises kernels, and judges files by their signatures: {FROM_THE_FILE}");
    Said::notes(sentence, "")
}

fn handover(facts: &Facts) -> Option<Said> {
    if !facts.security.handover {
        return None;
    }
    Said::notes(
        "state may be handed over at a kexec (KHO), which only kexec_file_load does: an image \
         loaded by kexec_load would lose it",
        "",
    )
}

fn xen(facts: &Facts) -> Option<Said> {
    if !facts.security.xen_dom0 {
        return None;
    }
    Said::stops(
        "this is the first domain of a Xen hypervisor, which a kexec would have to replace; \
         Turnout does not",
        "leave by the firmware: turnout boot --firmware",
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::said;
    use crate::check::facts::{Config, Kernel, Security};
    use crate::check::{Facts, Weight};
    use crate::plan::Lockdown;

    fn with(security: Security) -> Facts {
        Facts { security, ..Facts::default() }
    }

    #[test]
    fn lockdown_weighs_by_what_it_leaves() {
        let lockdown = Some(Lockdown::Integrity);
        let mut facts = with(Security { lockdown, secure_boot: Some(true), ..Security::default() });
        assert_eq!(said("LOCKDOWN", &facts)[0].weight, Weight::Notes);
        facts.security.secure_boot = Some(false);
        let found = said("LOCKDOWN", &facts);
        assert_eq!(found[0].weight, Weight::Warns);
        assert!(found[0].sentence.contains("integrity without Secure Boot"));
        facts.kernel = Kernel { config: Some(Config::default()), ..Kernel::default() };
        assert_eq!(said("LOCKDOWN", &facts)[0].weight, Weight::Stops);
        assert_eq!(said("LOCKDOWN", &Facts::default()), []);
    }

    #[test]
    fn what_asks_for_the_file_engine_is_a_note_of_its_own() {
        let facts = with(Security {
            secure_boot: Some(true),
            selinux: Some(true),
            ima: true,
            handover: true,
            ..Security::default()
        });
        for code in ["SECURE_BOOT", "SELINUX_ENFORCING", "IMA_APPRAISES", "KHO_IN_USE"] {
            let found = said(code, &facts);
            assert_eq!(found[0].weight, Weight::Notes, "{code}");
            assert!(found[0].sentence.contains("kexec_file_load"), "{code}");
        }
        let off =
            with(Security { selinux: Some(false), secure_boot: Some(false), ..facts.security });
        assert_eq!(said("SELINUX_ENFORCING", &off), []);
        assert_eq!(said("SECURE_BOOT", &off), []);
    }
}
