//! Whether a machine that hangs in the jump is reset.
//!
//! Specification: Linux, watchdog/watchdog-kernel-api.rst and watchdog-parameters.rst;
//! systemd-system.conf(5).

use crate::check::facts::{Entry, Feeding, Offer, Watchdog};
use crate::check::{Facts, Row, Said};

pub(super) const ROWS: &[Row] = &[
    Row::one("NO_WATCHDOG", none),
    Row::one("WATCHDOG_SOFT", soft),
    Row::one("WATCHDOG_HELD", held),
    Row::one("WATCHDOG_DISARMED", disarmed),
    Row::one("WATCHDOG_NOT_FED", not_fed),
    Row::one("WATCHDOG_STOPS_ON_REBOOT", stops),
    Row::one("WATCHDOG_FED_FOR_EVER", fed_for_ever),
    Row::one("WATCHDOG_NOWAYOUT", nowayout),
];

/// Installed with Turnout, and off until somebody links it.
const DROP_IN: &str = "mkdir -p /etc/systemd/system.conf.d\n\
                       ln -s /usr/share/turnout/system.conf.d/watchdog.conf \
                       /etc/systemd/system.conf.d/turnout-watchdog.conf\n\
                       which says, below [Manager]: RuntimeWatchdogSec=60 and KExecWatchdogSec=180\n\
                       then: systemctl daemon-reexec";

/// A machine with a watchdog as it comes is no worse than one without: only where
/// somebody asked for cover, what keeps it from working is a warning.
fn uncovered(facts: &Facts, sentence: String, remedy: &str) -> Option<Said> {
    match facts.systemd.kexec_watchdog {
        Feeding::Off => Said::notes(sentence, remedy),
        Feeding::Default | Feeding::For(_) => Said::warns(sentence, remedy),
    }
}

/// One that outlives the kernel.
fn hardware(facts: &Facts) -> Option<&Watchdog> {
    facts.watchdogs.devices.iter().find(|watchdog| watchdog.is_hardware())
}

fn name(watchdog: &Watchdog) -> String {
    let Watchdog { name, identity, driver, .. } = watchdog;
    match driver {
        Some(driver) => format!("{name} ({identity}, driver {driver})"),
        None => format!("{name} ({identity})"),
    }
}

fn none(facts: &Facts) -> Option<Said> {
    if !facts.watchdogs.are_shown || !facts.watchdogs.devices.is_empty() {
        return None;
    }
    Said::notes(
        "there is no watchdog: a jump that hangs stays so until somebody resets the machine",
        "load the driver of the board's own, such as iTCO_wdt, sp5100_tco, ipmi_watchdog or \
         i6300esb, by /etc/modules-load.d",
    )
}

fn soft(facts: &Facts) -> Option<Said> {
    if facts.watchdogs.devices.is_empty() || hardware(facts).is_some() {
        return None;
    }
    Said::notes(
        "the only watchdog is the kernel's own (softdog): it ends with this kernel, and covers no \
         jump",
        "load the driver of the board's own, such as iTCO_wdt, sp5100_tco, ipmi_watchdog or \
         i6300esb, by /etc/modules-load.d",
    )
}

/// Most daemons stop it when they are stopped, and systemd cannot open it meanwhile.
fn held(facts: &Facts) -> Option<Said> {
    let watchdog = hardware(facts)?;
    let holder = watchdog.holders.iter().find(|holder| holder.pid != 1)?;
    let sentence = format!(
        "{} is held by {} (process {}), which ends before the jump: nobody keeps it armed then",
        name(watchdog),
        holder.name,
        holder.pid
    );
    Said::warns(
        sentence,
        format!("take {} out of use, and let systemd do it\n{DROP_IN}", holder.name),
    )
}

fn disarmed(facts: &Facts) -> Option<Said> {
    let watchdog = hardware(facts)?;
    if !facts.systemd.is_running || facts.systemd.kexec_watchdog != Feeding::Off {
        return None;
    }
    let sentence = format!(
        "systemd stops {} before a kexec (KExecWatchdogSec is 0): a jump that hangs stays so; \
         turnout boot arms it for its own jumps only",
        name(watchdog)
    );
    Said::notes(sentence, DROP_IN)
}

fn not_fed(facts: &Facts) -> Option<Said> {
    let watchdog = hardware(facts)?;
    let is_fed = facts.systemd.runtime_watchdog != Feeding::Off;
    if !facts.systemd.is_running || is_fed || facts.systemd.kexec_watchdog == Feeding::Off {
        return None;
    }
    let sentence = format!(
        "KExecWatchdogSec is set and RuntimeWatchdogSec is not: {} stays armed over the jump, and \
         the next system resets if it is set up like this one",
        name(watchdog)
    );
    Said::warns(sentence, DROP_IN)
}

fn stops(facts: &Facts) -> Option<Said> {
    let watchdog = hardware(facts)?;
    let who = match facts.watchdogs.stop_on_reboot? {
        0 => return None,
        1 => "the kernel stops it",
        _ => "its driver may stop it, as most do,",
    };
    let sentence = format!(
        "{} does not stay armed over a kexec: {who} when the system is left \
         (watchdog.stop_on_reboot is {})",
        name(watchdog),
        facts.watchdogs.stop_on_reboot?
    );
    let remedy = "on this kernel's command line: watchdog.stop_on_reboot=0";
    uncovered(facts, sentence, remedy)
}

fn fed_for_ever(facts: &Facts) -> Option<Said> {
    let watchdog = hardware(facts)?;
    let whose = unlimited(facts)?;
    let sentence = format!(
        "a kernel that hangs before its first process is not reset: it feeds {} itself until one \
         opens it (watchdog.open_timeout is not set for {whose})",
        name(watchdog)
    );
    uncovered(
        facts,
        sentence,
        "on every kernel's command line: watchdog.open_timeout=180 panic=30\n\
         stricter, for a system that starts within the watchdog's own timeout: \
         watchdog.handle_boot_enabled=0",
    )
}

/// Which kernel has no limit: the next one, where its command line is known, or else this
/// one, which was started as the next one will be.
fn unlimited(facts: &Facts) -> Option<String> {
    let Offer::Entry(Entry { id, options: Some(options), .. }) = &facts.trust.offer else {
        return (facts.watchdogs.open_timeout? == 0).then(|| "this kernel".to_owned());
    };
    let mut words = options.split_ascii_whitespace();
    let is_set = words.any(|word| word.starts_with("watchdog.open_timeout="));
    (!is_set).then(|| format!("the default entry {id}"))
}

fn nowayout(facts: &Facts) -> Option<Said> {
    let watchdog = hardware(facts).filter(|watchdog| watchdog.nowayout)?;
    let timeout = watchdog.timeout.map_or_else(String::new, |seconds| format!(" of {seconds} s"));
    let sentence = format!(
        "{} cannot be stopped once it runs (nowayout): the way out and the next start have to \
         take less than its timeout{timeout}",
        name(watchdog)
    );
    Said::notes(sentence, "")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{said, sentence};
    use crate::check::facts::{Entry, Feeding, Holder, Offer, Systemd, Watchdog, Watchdogs};
    use crate::check::settings::Span;
    use crate::check::{Facts, Weight};

    fn with(watchdog: Watchdog) -> Facts {
        let watchdogs = Watchdogs {
            are_shown: true,
            devices: vec![Watchdog { name: "watchdog0".to_owned(), ..watchdog }],
            stop_on_reboot: Some(-1),
            open_timeout: Some(0),
        };
        let systemd = Systemd { is_running: true, ..Systemd::default() };
        Facts { watchdogs, systemd, ..Facts::default() }
    }

    fn board() -> Watchdog {
        Watchdog {
            identity: "iTCO_wdt".to_owned(),
            driver: Some("iTCO_wdt".to_owned()),
            ..Watchdog::default()
        }
    }

    #[test]
    fn a_machine_as_it_is_installed_lacks_three_settings() {
        let facts = with(board());
        for code in ["WATCHDOG_DISARMED", "WATCHDOG_STOPS_ON_REBOOT", "WATCHDOG_FED_FOR_EVER"] {
            let said = sentence(code, &facts);
            assert!(said.contains("watchdog0 (iTCO_wdt, driver iTCO_wdt)"), "{said}");
        }
        for code in ["NO_WATCHDOG", "WATCHDOG_SOFT", "WATCHDOG_NOT_FED", "WATCHDOG_NOWAYOUT"] {
            assert_eq!(said(code, &facts), [], "{code}");
        }
    }

    #[test]
    fn a_machine_with_the_lines_that_are_named_lacks_none() {
        let mut facts = with(board());
        facts.watchdogs.stop_on_reboot = Some(0);
        facts.watchdogs.open_timeout = Some(180);
        facts.systemd.runtime_watchdog = Feeding::For(Span::Seconds(60));
        facts.systemd.kexec_watchdog = Feeding::For(Span::Seconds(180));
        for (code, _) in super::ROWS.iter().map(|row| (row.code, ())) {
            assert_eq!(said(code, &facts), [], "{code}");
        }
        facts.systemd.runtime_watchdog = Feeding::Off;
        assert_eq!(said("WATCHDOG_NOT_FED", &facts).len(), 1);
    }

    #[test]
    fn the_next_kernels_own_words_count_where_they_are_known() {
        let of = |options: &str| {
            let options = Some(options.to_owned());
            let entry = Entry { id: "new".to_owned(), options, ..Entry::default() };
            let mut facts = with(board());
            facts.trust.offer = Offer::Entry(entry);
            facts
        };
        assert_eq!(said("WATCHDOG_FED_FOR_EVER", &of("ro watchdog.open_timeout=60")), []);
        let mut facts = of("ro");
        facts.watchdogs.open_timeout = Some(60);
        let said = sentence("WATCHDOG_FED_FOR_EVER", &facts);
        assert!(said.ends_with("not set for the default entry new)"), "{said}");
    }

    #[test]
    fn a_watchdog_as_it_comes_is_no_warning_and_cover_that_fails_is() {
        let mut facts = with(board());
        for code in ["WATCHDOG_DISARMED", "WATCHDOG_STOPS_ON_REBOOT", "WATCHDOG_FED_FOR_EVER"] {
            assert_eq!(said(code, &facts)[0].weight, Weight::Notes, "{code}");
        }
        facts.systemd.kexec_watchdog = Feeding::For(Span::Seconds(180));
        for code in ["WATCHDOG_NOT_FED", "WATCHDOG_STOPS_ON_REBOOT", "WATCHDOG_FED_FOR_EVER"] {
            assert_eq!(said(code, &facts)[0].weight, Weight::Warns, "{code}");
        }
    }

    #[test]
    fn the_kernels_own_covers_nothing() {
        let soft = Watchdog { identity: "Software Watchdog".to_owned(), ..Watchdog::default() };
        let facts = with(soft);
        assert_eq!(said("WATCHDOG_SOFT", &facts).len(), 1);
        assert_eq!(said("WATCHDOG_DISARMED", &facts), []);
        let none = Facts {
            watchdogs: Watchdogs { are_shown: true, ..Watchdogs::default() },
            ..Facts::default()
        };
        assert_eq!(said("NO_WATCHDOG", &none).len(), 1);
        assert_eq!(said("NO_WATCHDOG", &Facts::default()), [], "nothing is shown");
    }

    #[test]
    fn who_holds_it_is_named_unless_it_is_systemd() {
        let by = |pid, name: &str| Watchdog {
            holders: vec![Holder { pid, name: name.to_owned() }],
            ..board()
        };
        assert_eq!(said("WATCHDOG_HELD", &with(by(1, "systemd"))), []);
        let found = said("WATCHDOG_HELD", &with(by(812, "wd_keepalive")));
        assert!(found[0].sentence.contains("wd_keepalive (process 812)"));
        assert!(found[0].remedy.contains("KExecWatchdogSec=180"));
    }

    #[test]
    fn one_that_cannot_be_stopped_is_said_with_its_timeout() {
        let facts = with(Watchdog { nowayout: true, timeout: Some(30), ..board() });
        assert!(sentence("WATCHDOG_NOWAYOUT", &facts).ends_with("timeout of 30 s"));
    }
}
