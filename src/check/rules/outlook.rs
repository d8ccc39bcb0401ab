//! What the next start of this machine finds: something that boots, and the newest kernel?
//!
//! Specification: docs/boot.md, "What boots if nobody chooses"; docs/check.md.

use std::borrow::Cow;

use crate::check::facts::{Outlook, Prospect, Verdict};
use crate::check::{Facts, Row, Said, releases, shell};

pub(super) const ROWS: &[Row] = &[
    Row::one("NOTHING_SIGNED", nothing_signed),
    Row::one("NOTHING_BOOTS", nothing_boots),
    Row::one("KEPT_ONLY", kept_only),
    Row::one("NEWEST_UNSIGNED", newest_unsigned),
    Row::one("NEWEST_NO_ENTRY", newest_no_entry),
    Row::one("OLDER_DEFAULT", older_default),
    Row::one("FIRMWARE_WAITS", firmware_waits),
];

/// How the id of what is kept for the case that nothing else boots begins
/// (docs/upkeep.md).
const KEPT: &str = "turnout-kept";

/// What signs, and says why of what it does not sign.
fn sign(entry: Option<&Prospect>) -> String {
    let id = entry.map_or(Cow::Borrowed("--all"), |entry| shell::word(&entry.id));
    format!("turnout-sign upkeep\nby hand: turnout-sign sign --key FILE --root DIR {id}")
}

/// The menus, where nothing of them boots.
fn nothing(facts: &Facts, is_locked: bool) -> Option<&Outlook> {
    let outlook = facts.outlook.as_ref()?;
    let is_meant = outlook.is_locked == is_locked && !outlook.entries.is_empty();
    (is_meant && outlook.starts().is_none()).then_some(outlook)
}

fn nothing_signed(facts: &Facts) -> Option<Said> {
    let outlook = nothing(facts, true)?;
    let what = match outlook.recovers() {
        Some(entry) => format!("only the recovery entry {}", entry.id),
        None => "nothing and is reset, again and again".to_owned(),
    };
    let sentence = format!("a start by Turnout boots {what}: {}", why_first(outlook));
    Said::stops(sentence, sign(first_refused(outlook)))
}

fn nothing_boots(facts: &Facts) -> Option<Said> {
    let outlook = nothing(facts, false)?;
    let sentence = format!("a start by Turnout finds nothing that boots: {}", why_first(outlook));
    Said::stops(sentence, "turnout list shows what the entries lack")
}

/// The first that is tried and does not boot.
fn first_refused(outlook: &Outlook) -> Option<&Prospect> {
    outlook.entries.iter().find(|one| one.refusal().is_some())
}

fn why_first(outlook: &Outlook) -> String {
    first_refused(outlook).map_or_else(|| "its menus are for recovery".to_owned(), why)
}

fn why(entry: &Prospect) -> String {
    let code = entry.refusal().map_or("not looked at", |refusal| refusal.code);
    format!("{} is refused ({code})", entry.id)
}

fn is_kept(entry: &Prospect) -> bool {
    entry.id.starts_with(KEPT)
}

fn kept_only(facts: &Facts) -> Option<Said> {
    let outlook = facts.outlook.as_ref()?;
    let kept = outlook.starts().filter(|entry| is_kept(entry))?;
    let sentence = format!(
        "the next start has only what was kept of before, {}{}: {}",
        kept.id,
        kernel(kept),
        why_first(outlook)
    );
    Said::warns(sentence, sign(first_refused(outlook)))
}

fn kernel(entry: &Prospect) -> String {
    entry.release.as_ref().map_or_else(String::new, |release| format!(" (kernel {release})"))
}

/// An older kernel that starts, and the newest that is installed.
struct Older<'a> {
    outlook: &'a Outlook,
    starts: &'a Prospect,
    release: &'a str,
    newest: &'a str,
}

impl<'a> Older<'a> {
    fn of(facts: &'a Facts) -> Option<Self> {
        let outlook = facts.outlook.as_ref()?;
        let starts = outlook.starts().filter(|entry| !is_kept(entry))?;
        let release = starts.release.as_deref()?;
        let newest = releases::newest(&outlook.installed, release)?;
        Some(Self { outlook, starts, release, newest })
    }

    fn may_boot(&self) -> Option<&'a Prospect> {
        let mut entries = self.outlook.of_release(self.newest);
        entries.find(|entry| entry.verdict == Verdict::Boots)
    }

    /// An entry of the newest kernel that does not boot.
    fn refused(&self) -> Option<&'a Prospect> {
        self.outlook.of_release(self.newest).find(|entry| entry.refusal().is_some())
    }

    fn sentence(&self, why: &str) -> String {
        let Self { starts, release, newest, .. } = self;
        format!(
            "the next start has kernel {release} ({}), and {newest} is installed: {why}",
            starts.id
        )
    }
}

fn newest_unsigned(facts: &Facts) -> Option<Said> {
    let older = Older::of(facts).filter(|older| older.outlook.is_locked)?;
    let refused = older.refused().filter(|_| older.may_boot().is_none())?;
    Said::warns(older.sentence(&why(refused)), sign(Some(refused)))
}

fn newest_no_entry(facts: &Facts) -> Option<Said> {
    let older = Older::of(facts).filter(|older| older.may_boot().is_none())?;
    match older.refused() {
        Some(_) if older.outlook.is_locked => None,
        Some(refused) => {
            let remedy = format!("turnout explain {}", shell::word(&refused.id));
            Said::warns(older.sentence(&why(refused)), remedy)
        }
        None => Said::warns(older.sentence("no menu has it"), "update-grub, or kernel-install add"),
    }
}

fn older_default(facts: &Facts) -> Option<Said> {
    let older = Older::of(facts)?;
    let entry = older.may_boot()?;
    let why = format!("its entry {} may boot and is not the default", entry.id);
    let id = shell::word(&entry.id);
    let remedy = format!(
        "turnout boot {id}; for good: turnout set-default {id}, or GRUB_DEFAULT= and so on"
    );
    Said::warns(older.sentence(&why), remedy)
}

/// A kexec leaves the firmware out.
fn firmware_waits(facts: &Facts) -> Option<Said> {
    let firmware = &facts.firmware;
    let what = match firmware.staged.as_slice() {
        [] if firmware.looks_for_capsules => "capsules on the EFI system partition".to_owned(),
        [] => return None,
        staged => format!("fwupd's update of {}", staged.join(", ")),
    };
    let sentence = format!("the firmware is to install {what}, and a kexec leaves it out");
    Said::warns(sentence, "turnout boot --firmware")
}

#[cfg(test)]
mod tests {
    use super::super::testing::said;
    use super::*;
    use crate::check::facts::{Firmware, Refusal};
    use crate::check::{Weight, of_next_start};

    const OLD: &str = "6.1.0-49-amd64";
    const NEW: &str = "6.1.0-50-amd64";

    fn refused(code: &'static str) -> Verdict {
        Verdict::Refused(Refusal { code, lacks_memory: false, sentence: "it is so".to_owned() })
    }

    fn entry(id: &str, release: &str, verdict: Verdict) -> Prospect {
        Prospect { id: id.to_owned(), release: Some(release.to_owned()), verdict }
    }

    fn with(is_locked: bool, entries: Vec<Prospect>) -> Facts {
        let installed = [OLD, NEW].map(str::to_owned).to_vec();
        let default = entries.first().map(|entry| entry.id.clone());
        let outlook = Outlook { is_locked, entries, default, installed };
        Facts { outlook: Some(outlook), ..Facts::default() }
    }

    fn codes(facts: &Facts) -> Vec<&'static str> {
        of_next_start(facts).iter().map(|one| one.code).collect()
    }

    #[test]
    fn a_machine_that_starts_its_newest_kernel_is_well() {
        let entries =
            || vec![entry("new", NEW, Verdict::Boots), entry("old", OLD, Verdict::Unseen)];
        assert_eq!(codes(&with(true, entries())), [""; 0]);
        assert_eq!(codes(&with(false, entries())), [""; 0]);
        assert_eq!(codes(&Facts::default()), [""; 0], "nobody has looked");
        assert_eq!(codes(&with(true, Vec::new())), [""; 0], "another row says that");
    }

    #[test]
    fn menus_of_which_nothing_boots_stop_and_say_why_the_first_does_not() {
        let entries = || {
            vec![entry("new", NEW, refused("INITRD_SIZE")), entry("old", OLD, refused("UNSIGNED"))]
        };
        let found = said("NOTHING_SIGNED", &with(true, entries()));
        assert_eq!(found[0].weight, Weight::Stops);
        assert_eq!(
            found[0].sentence,
            "a start by Turnout boots nothing and is reset, again and again: new is refused \
             (INITRD_SIZE)"
        );
        assert!(found[0].remedy.starts_with("turnout-sign upkeep\n"));
        assert_eq!(codes(&with(true, entries())), ["NOTHING_SIGNED"]);
        let found = said("NOTHING_BOOTS", &with(false, entries()));
        assert!(
            found[0]
                .sentence
                .ends_with("by Turnout finds nothing that boots: new is refused (INITRD_SIZE)")
        );
        assert_eq!(codes(&with(false, entries())), ["NOTHING_BOOTS"]);
    }

    #[test]
    fn a_recovery_entry_is_no_system_that_boots() {
        let entries =
            vec![entry("rescue", OLD, Verdict::Recovers), entry("new", NEW, refused("UNSIGNED"))];
        let found = said("NOTHING_SIGNED", &with(true, entries));
        let expected =
            "a start by Turnout boots only the recovery entry rescue: new is refused (UNSIGNED)";
        assert_eq!(found[0].sentence, expected);
    }

    #[test]
    fn an_older_kernel_is_said_with_why_the_newest_does_not_start() {
        let facts = |verdict, is_locked| {
            with(is_locked, vec![entry("new", NEW, verdict), entry("old", OLD, Verdict::Boots)])
        };
        let unsigned = facts(refused("UNSIGNED"), true);
        assert_eq!(codes(&unsigned), ["NEWEST_UNSIGNED"]);
        let found = said("NEWEST_UNSIGNED", &unsigned);
        assert_eq!(found[0].weight, Weight::Warns);
        assert_eq!(
            found[0].sentence,
            "the next start has kernel 6.1.0-49-amd64 (old), and 6.1.0-50-amd64 is installed: new \
             is refused (UNSIGNED)"
        );
        let broken = facts(refused("FILE"), false);
        assert_eq!(codes(&broken), ["NEWEST_NO_ENTRY"]);
        assert_eq!(said("NEWEST_NO_ENTRY", &broken)[0].remedy, "turnout explain new");
        for is_locked in [true, false] {
            let none = with(is_locked, vec![entry("old", OLD, Verdict::Boots)]);
            assert_eq!(codes(&none), ["NEWEST_NO_ENTRY"]);
            assert!(said("NEWEST_NO_ENTRY", &none)[0].sentence.ends_with("no menu has it"));
        }
    }

    #[test]
    fn an_older_default_is_said_with_the_entry_that_could_be() {
        let entries = || {
            vec![
                entry("old", OLD, Verdict::Boots),
                entry("bad", NEW, refused("UNSIGNED")),
                entry("a;b", NEW, Verdict::Boots),
            ]
        };
        for is_locked in [true, false] {
            let facts = with(is_locked, entries());
            assert_eq!(codes(&facts), ["OLDER_DEFAULT"]);
            let found = &said("OLDER_DEFAULT", &facts)[0];
            assert!(found.sentence.ends_with("its entry a;b may boot and is not the default"));
            assert!(
                found.remedy.starts_with("turnout boot 'a;b'; for good: turnout set-default 'a;b'")
            );
        }
    }

    #[test]
    fn what_waits_for_the_firmware_is_said() {
        let of = |looks_for_capsules, staged: &[&str]| {
            let staged = staged.iter().map(|&guid| guid.to_owned()).collect();
            let firmware = Firmware { looks_for_capsules, staged };
            said("FIRMWARE_WAITS", &Facts { firmware, ..Facts::default() })
        };
        assert_eq!(of(false, &[]), []);
        let found = &of(true, &[])[0];
        assert_eq!(
            (found.weight, found.remedy.as_str()),
            (Weight::Warns, "turnout boot --firmware")
        );
        assert!(found.sentence.contains("capsules on the EFI system partition"));
        for looks in [true, false] {
            let found = of(looks, &["61b65ccc", "a"]);
            let expected = "the firmware is to install fwupd's update of 61b65ccc, a, and a kexec \
                            leaves it out";
            assert_eq!(found[0].sentence, expected);
        }
    }

    #[test]
    fn what_was_kept_is_said_once_whatever_its_kernel() {
        for release in [OLD, NEW] {
            let entries = vec![
                entry("new", NEW, refused("INITRD_DIGEST")),
                entry("turnout-kept", release, Verdict::Boots),
            ];
            let facts = with(true, entries);
            assert_eq!(codes(&facts), ["KEPT_ONLY"]);
            let expected = format!(
                "the next start has only what was kept of before, turnout-kept (kernel {release}): \
                 new is refused (INITRD_DIGEST)"
            );
            assert_eq!(said("KEPT_ONLY", &facts)[0].sentence, expected);
        }
    }
}
