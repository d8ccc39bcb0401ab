//! What a restart of this system really does, once a kernel is loaded.
//!
//! Specification: systemctl(1), systemd-shutdown(8) and the releases' news; Debian's
//! kexec-tools; dracut's shutdown. Measured figures: docs/fast-reboot.md.

use crate::check::{Facts, Row, Said};

pub(super) const ROWS: &[Row] = &[
    Row::one("NO_SYSTEMD", no_systemd),
    Row::one("REBOOT_IS_KEXEC", reboot_is_kexec),
    Row::one("REBOOT_IS_COLD", reboot_is_cold),
    Row::one("SKIP_AUTO_KEXEC", skip),
    Row::one("LOAD_KEXEC", load_kexec),
    Row::one("NO_KEXEC_PROGRAM", no_program),
];

/// From this version on `systemctl reboot` is a kexec where a kernel is loaded.
const AUTOMATIC: u32 = 255;
/// The last that asks a program called kexec for the jump.
const LAST_WITH_PROGRAM: u32 = 259;

fn no_systemd(facts: &Facts) -> Option<Said> {
    let init = facts.systemd.init.as_deref()?;
    if facts.systemd.is_running || init == "systemd" {
        return None;
    }
    let sentence = format!(
        "PID 1 is {init} and not systemd: turnout boot has nobody who stops services and unmounts \
         file systems before the jump"
    );
    Said::notes(sentence, "stop services by hand, then: turnout boot --now")
}

/// The version of a systemd that runs.
fn running(facts: &Facts) -> Option<u32> {
    facts.systemd.version.filter(|_| facts.systemd.is_running)
}

fn reboot_is_kexec(facts: &Facts) -> Option<Said> {
    let version = running(facts).filter(|version| *version >= AUTOMATIC)?;
    if facts.systemd.skip_auto_kexec.is_some() {
        return None;
    }
    let sentence = format!(
        "systemd is {version}: with a kernel loaded, every reboot is a kexec (\"systemctl \
         reboot\", \"reboot\", \"shutdown -r\")"
    );
    Said::notes(sentence, "for the firmware's way once: turnout boot --firmware")
}

fn reboot_is_cold(facts: &Facts) -> Option<Said> {
    let version = running(facts).filter(|version| *version < AUTOMATIC)?;
    let sentence = format!(
        "systemd is {version}: with a kernel loaded, \"systemctl reboot\" still goes through the \
         firmware; \"systemctl kexec\", \"reboot\" and \"shutdown -r\" do not"
    );
    Said::notes(sentence, "")
}

fn skip(facts: &Facts) -> Option<Said> {
    let path = facts.systemd.skip_auto_kexec.as_deref()?;
    let sentence = format!(
        "SYSTEMCTL_SKIP_AUTO_KEXEC is set in {path}: a reboot goes through the firmware though a \
         kernel is loaded; only \"systemctl kexec\" and turnout boot do not"
    );
    Said::notes(sentence, "")
}

/// The script loads when the reboot has long been one by the firmware, and what would
/// jump is masked by its own package.
fn load_kexec(facts: &Facts) -> Option<Said> {
    if !facts.systemd.load_kexec {
        return None;
    }
    Said::warns(
        "LOAD_KEXEC is true in /etc/default/kexec: each reboot loads a kernel that nobody has \
         verified and then goes through the firmware all the same, which is the slowest of all",
        "in /etc/default/kexec: LOAD_KEXEC=false",
    )
}

fn no_program(facts: &Facts) -> Option<Said> {
    let systemd = &facts.systemd;
    if !systemd.is_running || systemd.kexec.is_some() {
        return None;
    }
    let remedy = "ln -s /usr/sbin/turnout /usr/sbin/kexec";
    if systemd.dracut_shutdown {
        return Said::warns(
            "there is no program called kexec: dracut's shutdown, which runs last here, needs one \
             for the jump, and restarts by the firmware without it",
            remedy,
        );
    }
    let version = systemd.version.filter(|version| *version <= LAST_WITH_PROGRAM)?;
    let sentence = format!(
        "there is no program called kexec: systemd {version} needs one where \"systemctl kexec\" \
         is to load a kernel by itself"
    );
    Said::notes(sentence, remedy)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{said, sentence};
    use crate::check::facts::Systemd;
    use crate::check::{Facts, Weight};

    fn with(systemd: Systemd) -> Facts {
        Facts { systemd: Systemd { is_running: true, ..systemd }, ..Facts::default() }
    }

    #[test]
    fn what_a_reboot_does_is_the_versions_to_say() {
        let of = |version| with(Systemd { version: Some(version), ..Systemd::default() });
        assert!(sentence("REBOOT_IS_COLD", &of(254)).contains("systemd is 254"));
        assert_eq!(said("REBOOT_IS_KEXEC", &of(254)), []);
        assert!(sentence("REBOOT_IS_KEXEC", &of(255)).contains("systemd is 255"));
        assert_eq!(said("REBOOT_IS_COLD", &of(255)), []);
        let mut opted_out = of(257);
        opted_out.systemd.skip_auto_kexec = Some("/etc/environment".to_owned());
        assert_eq!(said("REBOOT_IS_KEXEC", &opted_out), []);
        assert!(sentence("SKIP_AUTO_KEXEC", &opted_out).contains("/etc/environment"));
    }

    #[test]
    fn a_program_called_kexec_is_missed_where_something_calls_it() {
        let of = |version, dracut_shutdown| {
            let systemd = Systemd { version: Some(version), dracut_shutdown, ..Systemd::default() };
            said("NO_KEXEC_PROGRAM", &with(systemd))
        };
        assert_eq!(of(262, true)[0].weight, Weight::Warns);
        assert_eq!(of(259, false)[0].weight, Weight::Notes);
        assert_eq!(of(260, false), []);
        let there = Systemd { kexec: Some("/usr/sbin/kexec".to_owned()), ..Systemd::default() };
        assert_eq!(said("NO_KEXEC_PROGRAM", &with(there)), []);
    }

    #[test]
    fn another_init_is_named() {
        let init = Some("runit".to_owned());
        let facts = Facts { systemd: Systemd { init, ..Systemd::default() }, ..Facts::default() };
        assert!(sentence("NO_SYSTEMD", &facts).starts_with("PID 1 is runit"));
        assert_eq!(said("NO_SYSTEMD", &with(Systemd::default())), []);
    }
}
