//! Whether the running kernel loads another one at all.

use crate::check::{Facts, Finding, Weight};

/// `kernel.kexec_load_disabled` (Linux, Documentation/admin-guide/sysctl/kernel.rst).
pub(super) fn load_disabled(facts: &Facts, found: &mut Vec<Finding>) {
    if facts.kernel.load_disabled == Some(true) {
        found.push(Finding {
            code: "LOAD_DISABLED",
            weight: Weight::Stops,
            sentence:
                "kernel.kexec_load_disabled is 1: nothing can be loaded before the next start"
                    .to_owned(),
            remedy: "take kernel.kexec_load_disabled out of /etc/sysctl.d, and restart once"
                .to_owned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::check::facts::Kernel;
    use crate::check::{Facts, findings};

    fn with(load_disabled: bool) -> Facts {
        Facts { kernel: Kernel { load_disabled: Some(load_disabled) } }
    }

    #[test]
    fn a_kernel_that_loads_nothing_is_found() {
        assert_eq!(findings(&with(true))[0].code, "LOAD_DISABLED");
        assert_eq!(findings(&with(false)), []);
    }
}
