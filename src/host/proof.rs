//! How this system came up, proven from what the last one wrote down.
//!
//! The token proves a kexec: it is random, in one command line only, and no firmware and
//! no other loader knows it. That it is missing proves that the kernel which was asked
//! for was not started, or not with its command line. Without a token a kexec can be
//! disproven, by another kernel or command line, by what a boot loader adds to that, or by a
//! reset of the watchdog that was armed, but never proven. What a watchdog said already
//! before the jump says nothing of it.

use crate::host::record::{Asked, Way};
use crate::host::token;

/// What GRUB and the like name the kernel by, and systemd-boot the initrd.
const LOADERS_WORDS: [&str; 2] = ["BOOT_IMAGE=", "initrd="];

/// What is known of the running system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Here {
    /// Its boot id; empty where the kernel does not tell.
    pub boot_id: String,
    /// Its command line.
    pub cmdline: String,
    /// Its kernel's release.
    pub release: String,
    /// Whether a watchdog says that it reset the machine before this start.
    pub was_reset: bool,
}

/// How a system came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameUp {
    /// Nobody asked for anything.
    NotAsked,
    /// By kexec, as asked: the token is in its command line.
    ByKexec,
    /// It was asked, its kernel and command line are those that were asked for, and no
    /// token proves that no firmware was between.
    NotProven,
    /// By the firmware, although kexec was asked for.
    ByFirmware,
    /// By a watchdog, which reset the machine during or after the jump.
    ByWatchdog,
    /// By the firmware, as asked.
    ByFirmwareAsAsked,
    /// Nothing has come up yet: this is the system that asked.
    StillHere,
}

impl CameUp {
    pub(super) const ALL: [Self; 7] = [
        Self::NotAsked,
        Self::ByKexec,
        Self::NotProven,
        Self::ByFirmware,
        Self::ByWatchdog,
        Self::ByFirmwareAsAsked,
        Self::StillHere,
    ];

    /// The word for it in records and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAsked => "not-asked",
            Self::ByKexec => "by-kexec",
            Self::NotProven => "not-proven",
            Self::ByFirmware => "by-firmware",
            Self::ByWatchdog => "by-watchdog",
            Self::ByFirmwareAsAsked => "by-firmware-as-asked",
            Self::StillHere => "still-here",
        }
    }

    /// For people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NotAsked => "not known: no jump to it was written down",
            Self::ByKexec => "by kexec, as asked",
            Self::NotProven => {
                "not proven: kexec was asked for, and this is its kernel and command line, but \
                 there is no token in it"
            }
            Self::ByFirmware => "by the firmware, although kexec was asked for",
            Self::ByWatchdog => "by a watchdog, which reset the machine",
            Self::ByFirmwareAsAsked => "by the firmware, as asked",
            Self::StillHere => "not yet: this is the system that asked",
        }
    }

    /// Whether it is another way than was asked for.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::ByFirmware | Self::ByWatchdog)
    }
}

/// What the record and the running system say together.
#[must_use]
pub fn how(asked: Option<&Asked>, here: &Here) -> CameUp {
    let Some(asked) = asked else { return CameUp::NotAsked };
    if !here.boot_id.is_empty() && asked.boot_id == here.boot_id {
        return CameUp::StillHere;
    }
    let is_reset = here.was_reset && !asked.was_reset;
    match (asked.way, jumped(asked, here)) {
        (Way::Kexec, Jumped::Yes) => CameUp::ByKexec,
        // Of a watchdog that was not armed it may be an old word that nobody had read.
        (Way::Kexec, Jumped::Unknown) if is_reset && asked.watchdog => CameUp::ByWatchdog,
        (Way::Kexec, Jumped::Unknown) => CameUp::NotProven,
        (_, _) if is_reset => CameUp::ByWatchdog,
        (Way::Kexec, Jumped::No) => CameUp::ByFirmware,
        (Way::Firmware, _) => CameUp::ByFirmwareAsAsked,
    }
}

/// Whether the kernel that was asked for was started by the jump to it.
enum Jumped {
    Yes,
    No,
    Unknown,
}

fn jumped(asked: &Asked, here: &Here) -> Jumped {
    let is_other = asked.to.as_ref().is_some_and(|to| *to != here.release)
        || !has_words(&here.cmdline, &asked.cmdline);
    match &asked.token {
        Some(token) if token::is_in(token, &here.cmdline) => Jumped::Yes,
        Some(_) => Jumped::No,
        None if is_other || has_loaders_words(asked, here) => Jumped::No,
        None => Jumped::Unknown,
    }
}

/// Whether a boot loader has added to the command line what was not asked for: no kernel
/// does that itself.
fn has_loaders_words(asked: &Asked, here: &Here) -> bool {
    let mut words = here.cmdline.split_ascii_whitespace();
    words.any(|word| {
        let is_loaders = LOADERS_WORDS.iter().any(|loaders| word.starts_with(loaders));
        is_loaders && !has_words(&asked.cmdline, word)
    })
}

/// Whether all words of `asked` are in `cmdline`, in their order and nothing between: a
/// kernel may have words of its own before and behind (CONFIG_CMDLINE, bootconfig).
fn has_words(cmdline: &str, asked: &str) -> bool {
    let all: Vec<&str> = cmdline.split_ascii_whitespace().collect();
    let asked: Vec<&str> = asked.split_ascii_whitespace().collect();
    asked.is_empty() || all.windows(asked.len()).any(|words| words == asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;

    const TOKEN: &str = "kexec-00112233445566778899aabbccddeeff";
    const OTHER: &str = "kexec-ffeeddccbbaa99887766554433221100";

    fn asked(token: Option<&str>) -> Asked {
        Asked {
            way: Way::Kexec,
            when: 7,
            boot_id: "one".to_owned(),
            from: "6.1".to_owned(),
            entry: Some("debian".to_owned()),
            to: Some("6.12".to_owned()),
            kernel: Digest([0; 32]),
            initrds: Vec::new(),
            cmdline: token.map_or_else(
                || "root=/dev/vda ro".to_owned(),
                |token| format!("root=/dev/vda ro turnout.boot={token}"),
            ),
            token: token.map(str::to_owned),
            fallback: None,
            watchdog: true,
            was_reset: false,
        }
    }

    fn here(release: &str, cmdline: &str) -> Here {
        Here {
            boot_id: "two".to_owned(),
            cmdline: cmdline.to_owned(),
            release: release.to_owned(),
            was_reset: false,
        }
    }

    fn reset(here: Here) -> Here {
        Here { was_reset: true, ..here }
    }

    #[test]
    fn the_token_proves_a_kexec() {
        let asked = asked(Some(TOKEN));
        let line = format!("root=/dev/vda ro turnout.boot={TOKEN}");
        assert_eq!(how(Some(&asked), &here("6.12", &line)), CameUp::ByKexec);
        // A watchdog's word is of an earlier reset then: no reset keeps a command line.
        assert_eq!(how(Some(&asked), &reset(here("6.12", &line))), CameUp::ByKexec);
    }

    #[test]
    fn without_its_token_the_jump_has_failed_however_alike_the_systems_are() {
        let asked = asked(Some(TOKEN));
        for line in [
            "root=/dev/vda ro",
            "root=/dev/vda ro turnout.boot=menu",
            "root=/dev/vda ro turnout.boot=${boot}",
            &format!("root=/dev/vda ro turnout.boot={OTHER}"),
            &format!("root=/dev/vda ro turnout.boot={TOKEN}0"),
            &format!("root=/dev/vda ro turnout.boot={}", TOKEN.replacen('f', "", 1)),
        ] {
            assert_eq!(how(Some(&asked), &here("6.12", line)), CameUp::ByFirmware, "{line}");
            assert_eq!(how(Some(&asked), &reset(here("6.12", line))), CameUp::ByWatchdog, "{line}");
        }
    }

    #[test]
    fn without_a_token_nothing_is_proven_but_that_it_failed() {
        let asked = asked(None);
        for line in ["root=/dev/vda ro", "console=ttyS0  root=/dev/vda ro quiet"] {
            assert_eq!(how(Some(&asked), &here("6.12", line)), CameUp::NotProven, "{line}");
        }
        let others = [
            here("6.1", "root=/dev/vda ro"),
            here("6.12", "root=/dev/vdb ro"),
            here("6.12", "root=/dev/vda quiet ro"),
            here("6.12", "xroot=/dev/vda ro"),
        ];
        for other in others {
            assert_eq!(how(Some(&asked), &other), CameUp::ByFirmware, "{other:?}");
            assert_eq!(how(Some(&asked), &reset(other)), CameUp::ByWatchdog);
        }
        let unknown = Asked { to: None, ..asked };
        assert_eq!(how(Some(&unknown), &here("6.1", "root=/dev/vda ro")), CameUp::NotProven);
    }

    #[test]
    fn a_boot_loader_s_own_words_show_that_the_firmware_was_between() {
        let plain = asked(None);
        for line in ["BOOT_IMAGE=/k root=/dev/vda ro", "initrd=\\i root=/dev/vda ro"] {
            assert_eq!(how(Some(&plain), &here("6.12", line)), CameUp::ByFirmware, "{line}");
            let copied = Asked { cmdline: line.to_owned(), ..plain.clone() };
            assert_eq!(how(Some(&copied), &here("6.12", line)), CameUp::NotProven, "{line}");
        }
    }

    #[test]
    fn a_reset_counts_without_a_token_where_a_watchdog_was_armed() {
        let armed = asked(None);
        let same = reset(here("6.12", "root=/dev/vda ro"));
        assert_eq!(how(Some(&armed), &same), CameUp::ByWatchdog);
        let unarmed = Asked { watchdog: false, ..armed };
        assert_eq!(how(Some(&unarmed), &same), CameUp::NotProven);
    }

    #[test]
    fn a_reset_before_it_was_asked_for_proves_nothing() {
        let old = |asked: Asked| Asked { was_reset: true, ..asked };
        let same = reset(here("6.12", "root=/dev/vda ro"));
        assert_eq!(how(Some(&old(asked(None))), &same), CameUp::NotProven);
        assert_eq!(how(Some(&old(asked(Some(TOKEN)))), &same), CameUp::ByFirmware);
        let slow = Asked { way: Way::Firmware, ..asked(None) };
        assert_eq!(how(Some(&old(slow)), &same), CameUp::ByFirmwareAsAsked);
    }

    #[test]
    fn the_system_that_asked_has_not_been_left() {
        let asked = asked(Some(TOKEN));
        let here = |boot_id: &str| Here {
            boot_id: boot_id.to_owned(),
            ..here("6.12", &format!("turnout.boot={TOKEN}"))
        };
        assert_eq!(how(Some(&asked), &here("one")), CameUp::StillHere);
        let untold = Asked { boot_id: String::new(), ..asked };
        assert_eq!(how(Some(&untold), &here("")), CameUp::ByKexec, "no id is no proof");
    }

    #[test]
    fn the_slow_way_is_no_failure_unless_a_watchdog_had_to_end_it() {
        let asked = Asked { way: Way::Firmware, ..asked(None) };
        let here = here("6.12", "root=/dev/vda ro");
        assert_eq!(how(Some(&asked), &here), CameUp::ByFirmwareAsAsked);
        assert_eq!(how(Some(&asked), &reset(here)), CameUp::ByWatchdog);
    }

    #[test]
    fn what_nobody_asked_for_is_not_explained() {
        assert_eq!(how(None, &reset(here("6.1", TOKEN))), CameUp::NotAsked);
    }

    #[test]
    fn every_way_has_a_word_of_its_own() {
        let names: std::collections::BTreeSet<_> = CameUp::ALL.map(CameUp::name).into();
        assert_eq!(names.len(), CameUp::ALL.len());
    }
}
