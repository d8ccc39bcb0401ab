//! Whether the running kernel loads another one at all.
//!
//! Specification: Linux, Documentation/admin-guide/sysctl/kernel.rst and
//! kernel/Kconfig.kexec.

use crate::check::{Facts, Row, Said};

pub(super) const ROWS: &[Row] = &[
    Row::one("NO_KEXEC", no_kexec),
    Row::one("CONFIG_UNKNOWN", config_unknown),
    Row::one("NO_FILE_LOAD", no_file_load),
    Row::one("ONLY_FILE_LOAD", only_file_load),
    Row::one("NO_KEXEC_SIG", no_sig),
    Row::one("KEXEC_SIG_FORCE", sig_force),
    Row::one("NO_CRASH_DUMP", no_crash_dump),
    Row::one("NO_HOTPLUG_CPU", no_hotplug_cpu),
    Row::one("LOAD_DISABLED", load_disabled),
    Row::one("LOAD_LIMIT", load_limit),
    Row::one("CRASH_LOAD_LIMIT", crash_load_limit),
];

const OTHER_KERNEL: &str = "start a kernel that is built with it";

fn no_kexec(facts: &Facts) -> Option<Said> {
    let kernel = &facts.kernel;
    let config = kernel.config.as_ref();
    let is_built = config.map(|config| config.has("KEXEC") || config.has("KEXEC_FILE"));
    if kernel.has_kexec.or(is_built)? {
        return None;
    }
    let sentence = format!(
        "the running kernel, {}, is built without CONFIG_KEXEC and CONFIG_KEXEC_FILE: it starts \
         no other",
        kernel.release
    );
    Said::stops(sentence, OTHER_KERNEL)
}

fn config_unknown(facts: &Facts) -> Option<Said> {
    let Facts { kernel, .. } = facts;
    if kernel.config.is_some() || kernel.release.is_empty() {
        return None;
    }
    let sentence = format!(
        "how the running kernel was built is not known: there is neither /boot/config-{} nor \
         /proc/config.gz",
        kernel.release
    );
    Said::notes(sentence, "")
}

fn no_file_load(facts: &Facts) -> Option<Said> {
    let config = facts.kernel.config.as_ref()?;
    if config.has("KEXEC_FILE") || !config.has("KEXEC") {
        return None;
    }
    let sentence = format!(
        "the running kernel has no CONFIG_KEXEC_FILE ({}): only kexec_load is left, which Secure \
         Boot and lockdown forbid",
        config.path
    );
    Said::notes(sentence, "")
}

fn only_file_load(facts: &Facts) -> Option<Said> {
    let config = facts.kernel.config.as_ref()?;
    if config.has("KEXEC") || !config.has("KEXEC_FILE") {
        return None;
    }
    let sentence = format!(
        "the running kernel has no CONFIG_KEXEC ({}): only kexec_file_load is left, which takes \
         fewer kinds of kernels, and no device tree",
        config.path
    );
    Said::notes(sentence, "")
}

fn no_sig(facts: &Facts) -> Option<Said> {
    let config = facts.kernel.config.as_ref()?;
    if config.has("KEXEC_SIG") || !config.has("KEXEC_FILE") {
        return None;
    }
    let sentence = format!(
        "the running kernel has no CONFIG_KEXEC_SIG ({}): it checks no signature of a kernel that \
         it loads; Turnout's own key ring does",
        config.path
    );
    Said::notes(sentence, "")
}

fn sig_force(facts: &Facts) -> Option<Said> {
    let config = facts.kernel.config.as_ref()?;
    if !config.has("KEXEC_SIG_FORCE") {
        return None;
    }
    let sentence = format!(
        "the running kernel loads only kernels that are signed by a key that it trusts \
         (CONFIG_KEXEC_SIG_FORCE in {})",
        config.path
    );
    Said::notes(sentence, "sign the next kernel's image, as for Secure Boot (sbsign)")
}

fn no_crash_dump(facts: &Facts) -> Option<Said> {
    let config = facts.kernel.config.as_ref()?;
    if config.has("CRASH_DUMP") {
        return None;
    }
    let sentence = format!(
        "the running kernel has no CONFIG_CRASH_DUMP ({}): it takes no crash kernel, so a crash \
         leaves no dump",
        config.path
    );
    Said::notes(sentence, "")
}

/// Without it an arm64 kernel cannot stop its other CPUs (arch/arm64/kernel/smp.c).
fn no_hotplug_cpu(facts: &Facts) -> Option<Said> {
    let config = facts.kernel.config.as_ref()?;
    if config.has("HOTPLUG_CPU") || !config.has("SMP") || !config.has("ARM64") {
        return None;
    }
    let sentence = format!(
        "the running kernel has no CONFIG_HOTPLUG_CPU ({}): it cannot stop its other CPUs, and \
         refuses to kexec",
        config.path
    );
    Said::stops(sentence, OTHER_KERNEL)
}

fn load_disabled(facts: &Facts) -> Option<Said> {
    if facts.kernel.load_disabled != Some(true) {
        return None;
    }
    Said::stops(
        "kernel.kexec_load_disabled is 1: nothing can be loaded before the next start",
        "take kernel.kexec_load_disabled out of /etc/sysctl.d, and restart once",
    )
}

fn load_limit(facts: &Facts) -> Option<Said> {
    let left = facts.kernel.limit_reboot?;
    if left < 0 {
        return None;
    }
    let sentence = format!(
        "kernel.kexec_load_limit_reboot is {left}: so many loads are left, unloads and failures \
         counted"
    );
    let remedy = "it cannot be raised: restart once, without it in /etc/sysctl.d";
    if left == 0 { Said::stops(sentence, remedy) } else { Said::notes(sentence, remedy) }
}

fn crash_load_limit(facts: &Facts) -> Option<Said> {
    let left = facts.kernel.limit_panic?;
    if left < 0 {
        return None;
    }
    let sentence = format!(
        "kernel.kexec_load_limit_panic is {left}: so many loads of a crash kernel are left, \
         unloads and failures counted"
    );
    Said::notes(sentence, "")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{said, sentence};
    use crate::check::facts::{Config, Kernel};
    use crate::check::{Facts, Weight};

    fn with(kernel: Kernel) -> Facts {
        Facts { kernel: Kernel { release: "6.1.0-50".to_owned(), ..kernel }, ..Facts::default() }
    }

    fn built(names: &[&str]) -> Facts {
        let set = names.iter().map(|name| (*name).to_owned()).collect();
        let config = Config { path: "/boot/config-6.1.0-50".to_owned(), set };
        with(Kernel { config: Some(config), ..Kernel::default() })
    }

    #[test]
    fn a_kernel_that_loads_nothing_is_found() {
        let of = |load_disabled| with(Kernel { load_disabled, ..Kernel::default() });
        assert_eq!(said("LOAD_DISABLED", &of(Some(true)))[0].weight, Weight::Stops);
        assert_eq!(said("LOAD_DISABLED", &of(Some(false))), []);
        assert_eq!(said("LOAD_DISABLED", &of(None)), []);
    }

    #[test]
    fn a_limit_stops_only_where_no_load_is_left() {
        let of = |left| with(Kernel { limit_reboot: Some(left), ..Kernel::default() });
        assert_eq!(said("LOAD_LIMIT", &of(-1)), []);
        assert_eq!(said("LOAD_LIMIT", &of(3))[0].weight, Weight::Notes);
        assert_eq!(said("LOAD_LIMIT", &of(0))[0].weight, Weight::Stops);
        let of = |left| with(Kernel { limit_panic: Some(left), ..Kernel::default() });
        assert_eq!(said("CRASH_LOAD_LIMIT", &of(0))[0].weight, Weight::Notes);
        assert_eq!(said("CRASH_LOAD_LIMIT", &of(-1)), []);
    }

    #[test]
    fn what_runs_counts_for_more_than_what_a_file_says() {
        let mut facts = built(&["CRASH_DUMP"]);
        assert_eq!(said("NO_KEXEC", &facts)[0].weight, Weight::Stops);
        facts.kernel.has_kexec = Some(true);
        assert_eq!(said("NO_KEXEC", &facts), []);
        assert_eq!(said("NO_KEXEC", &Facts::default()), [], "nothing is known");
    }

    #[test]
    fn what_a_kernel_is_built_without_is_named_with_the_file_that_says_so() {
        let facts = built(&["KEXEC", "KEXEC_SIG_FORCE", "SMP", "ARM64"]);
        for code in ["NO_FILE_LOAD", "KEXEC_SIG_FORCE", "NO_CRASH_DUMP", "NO_HOTPLUG_CPU"] {
            let said = sentence(code, &facts);
            assert!(said.contains("/boot/config-6.1.0-50"), "{said}");
        }
        for code in ["ONLY_FILE_LOAD", "NO_KEXEC_SIG"] {
            assert_eq!(said(code, &facts), [], "{code}: there is no kexec_file_load");
            let found = said(code, &built(&["KEXEC_FILE"]));
            assert_eq!(found[0].weight, Weight::Notes);
            assert!(found[0].sentence.contains("/boot/config-6.1.0-50"), "{found:?}");
            assert_eq!(said(code, &built(&["KEXEC", "KEXEC_FILE", "KEXEC_SIG"])), [], "{code}");
        }
        let facts = built(&["KEXEC", "KEXEC_FILE", "CRASH_DUMP", "HOTPLUG_CPU", "SMP", "ARM64"]);
        for code in ["NO_FILE_LOAD", "KEXEC_SIG_FORCE", "NO_CRASH_DUMP", "NO_HOTPLUG_CPU"] {
            assert_eq!(said(code, &facts), [], "{code}");
        }
    }

    #[test]
    fn a_configuration_that_nobody_shows_is_said() {
        assert!(sentence("CONFIG_UNKNOWN", &with(Kernel::default())).contains("config-6.1.0-50"));
        assert_eq!(said("CONFIG_UNKNOWN", &built(&[])), []);
    }
}
