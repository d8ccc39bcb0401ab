//! From a kernel that is loaded to the jump into it: what is written down, told and armed,
//! and undone again if this system is not left after all.

use super::next_start::{self, Next};
use super::report::Report;
use super::{check_inhibited, is_inhibited, refused};
use crate::base::digest::Digest;
use crate::cli::allow::Ready;
use crate::cli::arguments::{Leave, Load};
use crate::cli::judge::describe;
use crate::cli::loading;
use crate::cli::settings;
use crate::config::Watchdog;
use crate::failure::{Failure, Stage};
use crate::host::deferred::Deferred;
use crate::host::event::{Event, What};
use crate::host::leaving::{Cover, Watchdogs};
use crate::host::record::{Asked, Loaded, NO_KERNEL, Pair, Way};
use crate::host::token;
use crate::plan::{self, Slot};
use crate::steps::load::jump;
use crate::sys::systemd::{self, Setting};
use crate::sys::{self, clock, journal, kexec, leave, quiesce, records, watchdog};

const WRITTEN: &str = "written down, for the next system to compare";

/// What is said where this system goes on although it was sealed.
const STAYS: &str = "what is loaded can no longer be taken out, and every \"systemctl kexec\" of this \
                     system starts it (systemd 255 and newer: every reboot); \
                     \"turnout boot --firmware\" goes through the firmware";

/// What is to be started, as the record of the jump has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) entry: Option<String>,
    pub(super) release: Option<String>,
    kernel: Digest,
    initrds: Vec<Digest>,
    cmdline: String,
    token: Option<String>,
}

impl Target {
    /// Of an entry that is verified and not loaded yet.
    ///
    /// # Errors
    /// It has no kernel that can be started.
    pub(super) fn of_ready(ready: &Ready) -> Result<Self, Failure> {
        let bundle = ready.proven.get();
        Ok(Self {
            entry: ready.entry.clone(),
            release: describe(&ready.proven)?.version,
            kernel: bundle.linux.digest,
            initrds: bundle.initrds.iter().map(|initrd| initrd.digest).collect(),
            cmdline: plan::cmdline(bundle).unwrap_or_default(),
            token: ready.token.clone(),
        })
    }

    pub(super) fn of_loaded(loaded: &Loaded) -> Self {
        Self {
            entry: loaded.entry.clone(),
            release: loaded.release.clone(),
            kernel: loaded.kernel.digest,
            initrds: loaded.initrds.iter().map(|initrd| initrd.digest).collect(),
            cmdline: loaded.cmdline.clone(),
            token: loaded.token.clone(),
        }
    }

    /// Whatever the firmware starts by itself.
    pub(super) fn unknown() -> Self {
        Self {
            entry: None,
            release: None,
            kernel: NO_KERNEL,
            initrds: Vec::new(),
            cmdline: String::new(),
            token: None,
        }
    }

    /// The kernel that runs, and this one.
    pub(super) fn pair(&self) -> Pair {
        self.asked(Way::Kexec, None, false).pair()
    }

    /// What is written down before this system is left for it.
    pub(super) fn asked(&self, way: Way, fallback: Option<String>, watchdog: bool) -> Asked {
        let Self { entry, release, kernel, initrds, cmdline, token } = self.clone();
        Asked {
            way,
            when: clock::since_1970(),
            boot_id: records::boot_id(),
            from: records::release(),
            entry,
            to: release,
            kernel,
            initrds,
            cmdline,
            token,
            fallback,
            watchdog,
            was_reset: watchdog::that_reset().is_some(),
        }
    }

    /// For what was deferred, before it is loaded: with the token of this very load, in
    /// place of what was written down before. This system goes down in any case.
    pub(super) fn write_down(&self, deferred: &Deferred, report: &mut Report) {
        let Deferred { fallback, watchdog, .. } = deferred.clone();
        match records::ask(&self.asked(Way::Kexec, fallback, watchdog)) {
            Ok(()) => report.line(WRITTEN),
            Err(error) => {
                report.warn(&format!("not written down, so nothing will be proven: {error}"));
                // With the token of another load it would pass for a jump that has failed.
                let forgotten = records::forget_asked().err();
                forgotten.iter().for_each(|error| report.warn(&error.to_string()));
            }
        }
    }

    /// What was loaded late stays loaded.
    ///
    /// # Errors
    /// It can still be replaced.
    pub(super) fn seal_late(&self, report: &mut Report) -> Result<(), Failure> {
        tell_journal(self, "what was deferred");
        let sealed = leave::seal().map_err(|error| Failure::new(Stage::Quiesce, error))?;
        say_sealed(sealed, report);
        report.facts.result = "leaving";
        report.facts.way = Some(Way::Kexec.name());
        Ok(())
    }

    fn in_words(&self) -> String {
        match (&self.release, &self.entry) {
            (Some(release), Some(entry)) => format!("{release} ({entry})"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => "the next system".to_owned(),
        }
    }
}

/// What somebody has signed, still in memory.
#[derive(Clone, Copy)]
pub(super) struct Signed<'a> {
    pub(super) ready: &'a Ready,
    pub(super) load: &'a Load,
}

/// A system that is being left by kexec, up to what cannot be undone.
pub(super) struct Departure<'a> {
    target: Target,
    /// Is loaded once more right before the seal: nothing that was slipped in meanwhile is
    /// sealed in its place.
    signed: Option<Signed<'a>>,
    force: bool,
    fallback: Next,
    watchdogs: Watchdogs,
    /// What was changed of systemd, and has to be changed back.
    changed: Option<Changed>,
    is_asked: bool,
    /// Whether it was loaded for this departure, and is taken out again without it.
    is_own: bool,
}

/// A setting of systemd, as it was before.
#[derive(Debug, Clone, Copy)]
struct Changed {
    setting: Setting,
    micros: u64,
}

impl<'a> Departure<'a> {
    /// `is_own`: it was loaded for this departure.
    pub(super) fn new(target: Target, is_own: bool, force: bool) -> Self {
        Self {
            target,
            signed: None,
            is_own,
            force,
            fallback: Next::Unknown(String::new()),
            watchdogs: Watchdogs::default(),
            changed: None,
            is_asked: false,
        }
    }

    /// With what is loaded once more at the end.
    pub(super) fn with(self, signed: Option<Signed<'a>>) -> Self {
        Self { signed, ..self }
    }

    /// Leaves; comes back once the services are being stopped, or with the reason why
    /// this system goes on.
    pub(super) fn leave(mut self, how: Leave, report: &mut Report) -> Result<(), Failure> {
        report.facts.entry.clone_from(&self.target.entry);
        report.facts.release.clone_from(&self.target.release);
        report.facts.token.clone_from(&self.target.token);
        if self.target.token.is_none() {
            report.warn(
                "the next system cannot prove that it came by kexec: its command line has no \
                 ${boot} that was signed",
            );
        }
        let prepared = self.prepare(how, report).and_then(|()| self.check_loaded());
        if let Err(failure) =
            prepared.and_then(|()| self.load_again()).and_then(|()| self.check_way(how))
        {
            self.undo(report);
            return Err(refused(failure));
        }
        match how {
            Leave::Now => self.jump(report),
            _ => self.hand_over(report),
        }
        .map_err(refused)
    }

    /// The same, but it is loaded once the services have stopped.
    pub(super) fn defer(mut self, entry: &str, report: &mut Report) -> Result<(), Failure> {
        let outcome = self.prepare_later(entry, report).and_then(|()| {
            systemd::kexec_later().map_err(|error| Failure::new(Stage::Quiesce, error))
        });
        if let Err(failure) = outcome {
            self.undo(report);
            let forgotten = records::forget_deferred().err();
            forgotten.iter().for_each(|error| report.warn(&error.to_string()));
            return Err(refused(failure));
        }
        report.facts.result = "leaving";
        report.facts.way = Some(Way::Kexec.name());
        report.line(&format!(
            "leaving for {}: systemd stops the services, and it is loaded after that",
            self.target.in_words()
        ));
        Ok(())
    }

    fn prepare_later(&mut self, entry: &str, report: &mut Report) -> Result<(), Failure> {
        self.tell_firmware(report);
        self.look_at_watchdogs(report)?;
        // The token in it is that of no jump: whatever keeps the late load from replacing
        // it, the next system finds out that it came by the firmware.
        self.write_down(report)?;
        self.arm(Leave::Defer, report)?;
        let deferred = Deferred {
            boot_id: records::boot_id(),
            entry: entry.to_owned(),
            fallback: self.fallback.to_line(),
            watchdog: report.facts.watchdog.is_some(),
        };
        records::defer(&deferred).map_err(|error| Failure::new(Stage::Quiesce, error))
    }

    /// Everything that can be undone.
    fn prepare(&mut self, how: Leave, report: &mut Report) -> Result<(), Failure> {
        self.tell_firmware(report);
        self.look_at_watchdogs(report)?;
        self.write_down(report)?;
        self.arm(how, report)
    }

    /// Nobody has loaded something else meanwhile, as far as it is written down: that is
    /// somebody else's then, and stays.
    fn check_loaded(&mut self) -> Result<(), Failure> {
        if kexec::is_loaded(Slot::Normal) != Some(true) {
            return Err(Failure::new(Stage::Quiesce, "what was loaded is there no more"));
        }
        let loaded = records::loaded(Slot::Normal).ok().flatten();
        if loaded.is_none_or(|loaded| Target::of_loaded(&loaded) == self.target) {
            return Ok(());
        }
        self.is_own = false;
        Err(Failure::new(Stage::Quiesce, "somebody has loaded another kernel meanwhile"))
    }

    /// Somebody may have asked for no shutdown while it was loaded.
    fn check_way(&self, how: Leave) -> Result<(), Failure> {
        match how {
            Leave::Now => Ok(()),
            _ => check_inhibited(self.force),
        }
    }

    fn load_again(&self) -> Result<(), Failure> {
        self.signed.map_or(Ok(()), |signed| signed.ready.load_again(signed.load))
    }

    fn tell_firmware(&mut self, report: &mut Report) {
        self.fallback = next_start::keep_running(self.target.entry.as_deref());
        match &self.fallback {
            Next::AnyWay(id) => {
                report.line(&format!("the firmware starts {id} if the jump fails, by itself"));
            }
            Next::Told(told) => {
                report.line(&format!("the firmware starts {told} if the jump fails"));
            }
            Next::Unknown(why) => report.warn(&format!(
                "what the firmware starts if the jump fails is left as it is: {why}"
            )),
        }
        report.facts.fallback = self.fallback.to_line();
    }

    fn look_at_watchdogs(&mut self, report: &mut Report) -> Result<(), Failure> {
        self.watchdogs = Watchdogs { wish: settings::watchdog()?, ..leave::watchdogs() };
        if self.watchdogs.may_stop && self.seconds().is_some() {
            report.warn(
                "the watchdog's driver may stop it at the jump: watchdog.stop_on_reboot=0 on the \
                 command line of this system keeps it",
            );
        }
        if let (Some(seconds), false) = (self.seconds(), self.watchdogs.is_served()) {
            report.warn(&format!(
                "systemd serves no watchdog here (RuntimeWatchdogSec=): the next system is reset \
                 after {seconds} s unless it loads the watchdog's driver before"
            ));
        }
        Ok(())
    }

    /// For how long a watchdog is armed over the jump.
    fn seconds(&self) -> Option<u64> {
        match self.watchdogs.cover() {
            Cover::Arm(seconds) | Cover::Armed(seconds) => Some(seconds),
            Cover::Nothing(_) => None,
        }
    }

    /// Flushed, because nothing after it may be.
    fn write_down(&mut self, report: &mut Report) -> Result<(), Failure> {
        let fallback = self.fallback.to_line();
        let asked = self.target.asked(Way::Kexec, fallback, self.seconds().is_some());
        match records::ask(&asked) {
            Ok(()) => {
                self.is_asked = true;
                report.line(WRITTEN);
                Ok(())
            }
            Err(error) if self.force => {
                report.warn(&format!("not written down, so nothing will be proven: {error}"));
                Ok(())
            }
            Err(error) => {
                let why = format!(
                    "{error}: without that the next system cannot tell how it came up (--force \
                     leaves all the same)"
                );
                Err(Failure::new(Stage::Quiesce, why))
            }
        }
    }

    /// The watchdog, over the jump: by systemd, which holds it, or for `--now` by what
    /// jumps.
    fn arm(&mut self, how: Leave, report: &mut Report) -> Result<(), Failure> {
        report.facts.watchdog = self.seconds();
        match self.watchdogs.cover() {
            Cover::Nothing(why) => report.warn(&format!("no watchdog is armed: {why}")),
            Cover::Armed(seconds) if how != Leave::Now => report.line(&said_of_watchdog(seconds)),
            Cover::Arm(seconds) | Cover::Armed(seconds) => self.set(how, seconds, report),
        }
        if self.seconds().is_some() && report.facts.watchdog.is_none() && self.is_asked {
            let asked = self.target.asked(Way::Kexec, self.fallback.to_line(), false);
            records::ask(&asked).map_err(|error| Failure::new(Stage::Quiesce, error))?;
        }
        Ok(())
    }

    /// What cannot be armed is said, and does not keep this system from being left.
    fn set(&mut self, how: Leave, seconds: u64, report: &mut Report) {
        let setting = match how {
            Leave::Now if !self.watchdogs.is_served() => return,
            Leave::Now => Setting::RuntimeWatchdog,
            _ => Setting::KexecWatchdog,
        };
        match systemd::set(setting, seconds.saturating_mul(1_000_000)) {
            Ok(()) => {
                let before = match setting {
                    Setting::KexecWatchdog => self.watchdogs.kexec,
                    Setting::RuntimeWatchdog => self.watchdogs.runtime,
                };
                self.changed = before.map(|micros| Changed { setting, micros });
                report.line(&said_of_watchdog(seconds));
            }
            Err(error) => {
                report.warn(&format!("no watchdog is armed over the jump: {error}"));
                report.facts.watchdog = None;
            }
        }
    }

    /// Has systemd stop everything, and jump. Nothing else may be loaded from here on, and
    /// what is loaded cannot be taken out.
    fn hand_over(self, report: &mut Report) -> Result<(), Failure> {
        self.seal(report)?;
        self.stop_services(report)
    }

    fn stop_services(self, report: &mut Report) -> Result<(), Failure> {
        tell_journal(&self.target, "systemctl kexec");
        if let Err(error) = self.start_kexec() {
            self.undo(report);
            return Err(Failure::new(Stage::Quiesce, error));
        }
        report.facts.result = "leaving";
        report.facts.way = Some(Way::Kexec.name());
        report.line(&format!("leaving for {}: systemd stops the services", self.target.in_words()));
        Ok(())
    }

    /// logind refuses a plain `systemctl kexec` while somebody blocks shutdowns, to root too
    /// (systemd 257); the job is systemd's own, which asks nobody.
    fn start_kexec(&self) -> Result<(), sys::Error> {
        match self.force && is_inhibited() {
            true => systemd::kexec_later(),
            false => systemd::kexec(),
        }
    }

    /// Without stopping a service. Comes back only with the reason why not.
    fn jump(self, report: &mut Report) -> Result<(), Failure> {
        self.seal(report)?;
        self.jump_now(report)
    }

    fn jump_now(self, report: &mut Report) -> Result<(), Failure> {
        tell_journal(&self.target, "reboot(2)");
        report.line(&format!(
            "jumping to {} at once: no service is stopped, nothing is unmounted, no swap, array or \
             mapping is taken down; what is in memory is written back",
            self.target.in_words()
        ));
        // Programs hear only of a jump that was refused: one object, not two.
        let Some(staged) = kexec::staged(Slot::Normal) else {
            self.undo(report);
            return Err(Failure::new(Stage::Jump, "the loaded kernel is gone"));
        };
        let (quiet, said) = quiesce::of_running(staged, self.own_watchdog());
        said.iter().for_each(|line| report.warn(line));
        let failure = jump(quiet);
        self.disarm(report);
        self.undo(report);
        Err(failure)
    }

    /// What this process arms itself, where systemd holds no watchdog.
    fn own_watchdog(&self) -> Watchdog {
        let seconds = self.seconds().filter(|_| !self.watchdogs.is_served());
        seconds.map_or(Watchdog::Off, |seconds| {
            Watchdog::Seconds(u32::try_from(seconds).unwrap_or(u32::MAX))
        })
    }

    /// The kernel has refused the jump: nobody serves what was armed here.
    fn disarm(&self, report: &mut Report) {
        if self.own_watchdog() != Watchdog::Off {
            watchdog::stop_all().iter().for_each(|line| report.warn(line));
        }
    }

    /// From here on nothing can be undone, where the running kernel can be sealed.
    fn seal(&self, report: &mut Report) -> Result<(), Failure> {
        match leave::seal() {
            Ok(sealed) => {
                say_sealed(sealed, report);
                Ok(())
            }
            Err(error) => {
                self.undo(report);
                Err(Failure::new(Stage::Quiesce, error))
            }
        }
    }

    /// This system stays: nothing of what was to happen may happen later. Once it is
    /// sealed only the loaded kernel cannot be taken out; a reboot by the firmware is no
    /// failed jump all the same.
    fn undo(&self, report: &mut Report) {
        for what in self.undone(report.facts.sealed) {
            report.warn(&what);
        }
    }

    /// What was undone, or could not be.
    fn undone(&self, is_sealed: bool) -> Vec<String> {
        let mut said = Vec::new();
        if let Some(told) = self.fallback.told() {
            said.push(match next_start::take_back(told) {
                Ok(_) => "the firmware's next start is as it was before".to_owned(),
                Err(failure) => format!("the firmware still starts {told} next: {failure}"),
            });
        }
        said.extend(self.watchdog_back());
        if self.is_asked {
            said.extend(records::forget_asked().err().map(|error| error.to_string()));
        }
        if is_sealed {
            said.push(STAYS.to_owned());
        } else if self.is_own {
            said.push(match loading::unload(Slot::Normal) {
                Ok(()) => "the kernel was taken out again; this system goes on".to_owned(),
                Err(failure) => format!("the kernel is still loaded: {}", failure.sentence()),
            });
        }
        said
    }

    /// Why the watchdog is not as it was.
    fn watchdog_back(&self) -> Option<String> {
        let Changed { setting, micros } = self.changed?;
        let error = systemd::set(setting, micros).err()?;
        Some(format!("systemd's {} stays changed: {error}", setting.name()))
    }
}

fn said_of_watchdog(seconds: u64) -> String {
    format!(
        "the watchdog resets the machine {seconds} s after the jump unless the next system serves it"
    )
}

fn say_sealed(sealed: bool, report: &mut Report) {
    report.facts.sealed = sealed;
    if sealed {
        report.line("sealed: nothing else can be loaded or unloaded any more");
    }
}

fn tell_journal(target: &Target, by: &str) {
    let sentence = format!("leaving by kexec for {}, by {by}", target.in_words());
    let mut event = Event::new(What::Jump, sentence)
        .with("WAY", Way::Kexec.name())
        .with("KERNEL_SHA256", target.kernel.to_string())
        .with("CMDLINE", token::hidden(&target.cmdline));
    for (name, value) in [("ENTRY", &target.entry), ("RELEASE", &target.release)] {
        if let Some(value) = value {
            event = event.with(name, value.clone());
        }
    }
    journal::tell(&event);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::{Blob, Bundle};
    use crate::cli::planning;
    use crate::host::next_start::{Keeper, Told};
    use crate::sys::read::Sealed;

    fn target() -> Target {
        Target {
            entry: Some("debian".to_owned()),
            release: Some("6.12".to_owned()),
            token: Some("kexec-00".to_owned()),
            ..Target::unknown()
        }
    }

    /// Why this system goes on, where the departure is that of a test, in which every call
    /// to the machine is refused; and what was said besides.
    fn left(is_own: bool, force: bool) -> (String, String) {
        let mut report = Report::new(true);
        let departure = Departure::new(target(), is_own, force);
        let failure = departure.leave(Leave::Orderly, &mut report).unwrap_err();
        (failure.sentence(), report.answer().text)
    }

    #[test]
    fn nobody_leaves_without_a_record_and_what_was_loaded_is_taken_out() {
        let (why, said) = left(true, false);
        assert!(why.starts_with("writing a record: not asked of the kernel"), "{why}");
        assert!(why.contains("the next system cannot tell how it came up (--force"), "{why}");
        assert!(said.contains("the kernel is still loaded: "), "the test may not unload: {said}");
        assert!(said.contains("\"sealed\":false"), "{said}");
    }

    #[test]
    fn what_was_staged_before_stays() {
        let (_, said) = left(false, false);
        assert!(!said.contains("the kernel is still loaded"), "{said}");
    }

    #[test]
    fn whoever_insists_leaves_without_a_record_but_not_with_nothing_loaded() {
        let (why, said) = left(true, true);
        assert_eq!(why, "what was loaded is there no more");
        assert!(said.contains("not written down, so nothing will be proven"), "{said}");
    }

    /// A departure in which everything was done that can be undone.
    fn prepared() -> Departure<'static> {
        let told = Told {
            keeper: Keeper::Grub("/nonexistent/grubenv".to_owned()),
            id: "old".to_owned(),
            before: None,
        };
        Departure {
            fallback: Next::Told(told),
            is_asked: true,
            changed: Some(Changed { setting: Setting::KexecWatchdog, micros: 0 }),
            ..Departure::new(target(), true, false)
        }
    }

    #[test]
    fn what_is_signed_is_loaded_once_more() {
        let bundle = Bundle {
            entry: "debian".to_owned(),
            linux: Blob::hash("/vmlinuz", Sealed::copy("kernel", b"none").unwrap()),
            profile: None,
            initrds: Vec::new(),
            devicetree: None,
            overlays: Vec::new(),
            addons: Vec::new(),
            options: String::new(),
        };
        let ready = Ready {
            proven: planning::by_the_administrator(bundle).unwrap(),
            entry: None,
            trust: "signed by alice".to_owned(),
            token: None,
            said: Vec::new(),
        };
        let load = Load::default();
        let signed = Signed { ready: &ready, load: &load };
        let departure = |signed| Departure::new(target(), true, false).with(signed);
        assert_eq!(departure(None).load_again().map_err(|failure| failure.sentence()), Ok(()));
        let failure = departure(Some(signed)).load_again().unwrap_err();
        assert!(failure.sentence().contains("no kernel image"), "{failure}");
    }

    /// Each is tried; a test may not do it.
    const UNDONE: [&str; 3] = [
        "the firmware's next start is as it was before",
        "systemd's KExecWatchdogSec stays changed",
        "writing a record: not asked",
    ];

    #[test]
    fn a_refused_jump_or_handover_is_undone_whole_where_nothing_is_sealed() {
        for leave in [Departure::stop_services, Departure::jump_now] {
            let mut report = Report::new(true);
            leave(prepared(), &mut report).unwrap_err();
            let said = report.answer().text;
            UNDONE.iter().for_each(|what| assert!(said.contains(what), "{what}: {said}"));
            assert!(said.contains("the kernel is still loaded: "), "{said}");
        }
    }

    #[test]
    fn behind_the_seal_only_the_loaded_kernel_stays() {
        for leave in [Departure::stop_services, Departure::jump_now] {
            let mut report = Report::new(true);
            report.facts.sealed = true;
            leave(prepared(), &mut report).unwrap_err();
            let said = report.answer().text;
            UNDONE.iter().for_each(|what| assert!(said.contains(what), "{what}: {said}"));
            assert!(!said.contains("the kernel is still loaded: "), "{said}");
            assert!(said.contains("boot --firmware"), "{said}");
        }
    }

    #[test]
    fn what_is_deferred_is_written_down_before_the_services_stop() {
        let mut report = Report::new(true);
        let departure = Departure::new(target(), false, false);
        let why = departure.defer("debian", &mut report).unwrap_err().sentence();
        assert!(why.contains("the next system cannot tell how it came up (--force"), "{why}");
    }

    #[test]
    fn what_is_asked_for_names_both_kernels_and_the_token() {
        let asked = target().asked(Way::Kexec, Some("fallback".to_owned()), true);
        assert_eq!(asked.pair().to, "6.12");
        assert_eq!(asked.entry.as_deref(), Some("debian"));
        assert_eq!(asked.token.as_deref(), Some("kexec-00"));
        assert_eq!((asked.fallback.as_deref(), asked.watchdog), (Some("fallback"), true));
    }
}
