//! How a running system is left: what is decided, and in which words it is said.
//!
//! Values in, values out. What is asked of systemd is in [`crate::sys::systemd`].
//! Specification: docs/fast-reboot.md.

use core::fmt;

/// How long the next system has to serve the watchdog, in seconds, where nobody says.
pub const WATCHDOG_SECONDS: u64 = 180;

/// What there is of watchdogs, and who holds them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Watchdogs {
    /// Whether the machine has one that outlasts the kernel.
    pub there: bool,
    /// Whether the kernel stops each at a reboot, and so at a jump
    /// (`watchdog.stop_on_reboot=1`).
    pub stops_on_reboot: bool,
    /// Whether its driver may stop it there, as most do (`watchdog.stop_on_reboot=-1`).
    pub may_stop: bool,
    /// systemd's `RuntimeWatchdogSec`, in microseconds; none where it does not tell.
    pub runtime: Option<u64>,
    /// systemd's `KExecWatchdogSec`, likewise.
    pub kexec: Option<u64>,
    /// What turnout.conf says.
    pub wish: Wish,
}

/// What the administrator wants of the watchdog over the jump.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wish {
    /// As systemd has it for a jump, and else for [`WATCHDOG_SECONDS`] where it serves one: the
    /// next system then most likely does so too.
    #[default]
    Auto,
    /// None.
    Off,
    /// For so many seconds.
    Seconds(u64),
}

/// What becomes of the watchdog over the jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// It is to be armed for so many seconds.
    Arm(u64),
    /// systemd has been told already, so many seconds.
    Armed(u64),
    /// Nothing is armed.
    Nothing(Why),
}

/// Why nothing is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// turnout.conf says so.
    Unwanted,
    /// There is none.
    NoDevice,
    /// The running kernel stops it at the jump.
    Stopped,
    /// systemd serves none here, so the next one may not either.
    NotServed,
}

impl Watchdogs {
    /// What is done.
    #[must_use]
    pub fn cover(&self) -> Cover {
        let told = self.kexec.map(|micros| micros / 1_000_000).filter(|seconds| *seconds > 0);
        match (self.wish, told) {
            (Wish::Off, _) => Cover::Nothing(Why::Unwanted),
            _ if !self.there => Cover::Nothing(Why::NoDevice),
            _ if self.stops_on_reboot => Cover::Nothing(Why::Stopped),
            (Wish::Seconds(seconds), Some(told)) if seconds == told => Cover::Armed(told),
            (Wish::Seconds(seconds), _) => Cover::Arm(seconds),
            (Wish::Auto, Some(told)) => Cover::Armed(told),
            (Wish::Auto, None) if !self.is_served() => Cover::Nothing(Why::NotServed),
            (Wish::Auto, None) => Cover::Arm(WATCHDOG_SECONDS),
        }
    }

    /// Whether systemd serves one while the system runs, and so holds it.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.runtime.is_some_and(|micros| micros > 0)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unwanted => "turnout.conf says \"watchdog off\"",
            Self::NoDevice => "this machine has none that outlasts the kernel",
            Self::Stopped => "the running kernel stops it at the jump (watchdog.stop_on_reboot=1)",
            Self::NotServed => {
                "systemd serves none here (RuntimeWatchdogSec=), and a next system that does not \
                 either would be reset; \"watchdog SECONDS\" in turnout.conf arms it all the same"
            }
        })
    }
}

/// What a machine has been told to do about shutdowns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inhibited {
    /// logind's `BlockInhibited`: words with `:` between.
    pub block: String,
}

impl Inhibited {
    /// Whether somebody keeps the system from being shut down.
    #[must_use]
    pub fn is_shutdown(&self) -> bool {
        self.block.split(':').any(|what| what == "shutdown")
    }
}

/// Where a system goes, by what systemd has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// It goes on.
    Stays,
    /// Into another kernel, by kexec or by the firmware.
    Restarts,
    /// It is switched off, or nothing but its user space is started anew.
    Ends,
}

impl Goal {
    /// Of what `systemctl list-jobs --no-legend` prints: a number, a unit and two words a line.
    #[must_use]
    pub fn of_jobs(said: &str) -> Self {
        let mut goal = Self::Stays;
        for unit in said.lines().filter_map(|line| line.split_ascii_whitespace().nth(1)) {
            match unit {
                "reboot.target" | "kexec.target" => return Self::Restarts,
                "shutdown.target" | "umount.target" => goal = Self::Ends,
                _ => {}
            }
        }
        goal
    }
}

/// systemd 255 and newer makes a kexec of every reboot while a kernel is loaded.
#[must_use]
pub const fn reboots_by_kexec(version: u32) -> bool {
    version >= 255
}

/// What has to be known of a kernel that stays loaded under this systemd; none where only
/// a kexec that was asked for starts it.
#[must_use]
pub fn said_of_reboots(version: Option<u32>) -> Option<String> {
    let version = version.filter(|version| reboots_by_kexec(*version))?;
    Some(format!(
        "with systemd {version} every reboot starts what is loaded; \"turnout boot --firmware\" \
         does not"
    ))
}

/// The number that `systemctl --version` begins with.
#[must_use]
pub fn version_of(said: &str) -> Option<u32> {
    let mut words = said.split_ascii_whitespace();
    words.find(|word| *word == "systemd")?;
    let digits: String = words.next()?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The number in what `busctl get-property` says: `t 180000000`.
#[must_use]
pub fn number_of(said: &str) -> Option<u64> {
    let (kind, number) = said.trim().split_once(' ')?;
    number.parse().ok().filter(|_| kind == "t")
}

/// The text in what it says: `s "shutdown:sleep"`.
#[must_use]
pub fn text_of(said: &str) -> Option<&str> {
    said.trim().strip_prefix("s \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVED: Watchdogs = Watchdogs {
        there: true,
        stops_on_reboot: false,
        may_stop: true,
        runtime: Some(30_000_000),
        kexec: Some(0),
        wish: Wish::Auto,
    };

    #[test]
    fn a_watchdog_is_armed_unless_there_is_none_or_nobody_wants_it() {
        for (watchdogs, cover) in [
            (SERVED, Cover::Arm(WATCHDOG_SECONDS)),
            (Watchdogs { kexec: Some(60_000_000), ..SERVED }, Cover::Armed(60)),
            (Watchdogs { runtime: None, kexec: None, ..SERVED }, Cover::Nothing(Why::NotServed)),
            (Watchdogs { runtime: Some(0), ..SERVED }, Cover::Nothing(Why::NotServed)),
            (Watchdogs { runtime: Some(0), kexec: Some(60_000_000), ..SERVED }, Cover::Armed(60)),
            (Watchdogs { runtime: Some(0), wish: Wish::Seconds(90), ..SERVED }, Cover::Arm(90)),
            (Watchdogs { there: false, ..SERVED }, Cover::Nothing(Why::NoDevice)),
            (Watchdogs { stops_on_reboot: true, ..SERVED }, Cover::Nothing(Why::Stopped)),
            (
                Watchdogs { wish: Wish::Off, kexec: Some(60_000_000), ..SERVED },
                Cover::Nothing(Why::Unwanted),
            ),
            (
                Watchdogs { wish: Wish::Seconds(60), kexec: Some(60_000_000), ..SERVED },
                Cover::Armed(60),
            ),
        ] {
            assert_eq!(watchdogs.cover(), cover, "{watchdogs:?}");
        }
        assert!(SERVED.is_served() && !Watchdogs { runtime: Some(0), ..SERVED }.is_served());
    }

    #[test]
    fn what_systemd_s_programs_say_is_read() {
        let debian = "systemd 257 (257.9-1~deb13u1)\n+PAM +AUDIT";
        assert_eq!(version_of(debian), Some(257));
        assert_eq!(version_of("systemd 252.39-1 (x)"), Some(252));
        assert_eq!(version_of("busybox"), None);
        assert!(reboots_by_kexec(257) && !reboots_by_kexec(252));
        assert_eq!(number_of("t 180000000\n"), Some(180_000_000));
        assert_eq!(number_of("s \"1\""), None);
        assert_eq!(text_of("s \"shutdown:sleep\"\n"), Some("shutdown:sleep"));
        assert_eq!(text_of("t 1"), None);
    }

    #[test]
    fn where_a_system_goes_is_told_by_its_jobs() {
        let jobs = |target: &str| {
            Goal::of_jobs(&format!(
                " 1201 turnout-stage.service stop  running\n \
                 1189 {target}             start waiting\n \
                 1190 shutdown.target      start waiting\n"
            ))
        };
        assert_eq!([jobs("reboot.target"), jobs("kexec.target")], [Goal::Restarts; 2]);
        assert_eq!([jobs("poweroff.target"), jobs("soft-reboot.target")], [Goal::Ends; 2]);
        let one = "77 turnout-stage.service stop running\n";
        assert_eq!(
            [Goal::of_jobs(one), Goal::of_jobs(""), Goal::of_jobs("No jobs running.")],
            [Goal::Stays; 3]
        );
    }

    #[test]
    fn a_reboot_that_is_a_kexec_is_said_with_the_version() {
        assert!(said_of_reboots(Some(257)).unwrap().starts_with("with systemd 257 every reboot"));
        assert_eq!((said_of_reboots(Some(254)), said_of_reboots(None)), (None, None));
    }

    #[test]
    fn only_who_blocks_a_shutdown_stands_in_the_way() {
        let of = |block: &str| Inhibited { block: block.to_owned() }.is_shutdown();
        assert!(of("sleep:shutdown"));
        assert!(!of("sleep:handle-power-key") && !of(""));
    }
}
