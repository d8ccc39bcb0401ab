//! Whether what this system would start by itself may be loaded, and has been proven
//! before.
//!
//! Specification: docs/policy.md, docs/manifest.md, docs/fast-reboot.md.

use crate::check::facts::{Entry, Offer, Refusal, Ring};
use crate::check::{Facts, Row, Said, shell};

pub(super) const ROWS: &[Row] = &[
    Row::one("RING_BROKEN", ring_broken),
    Row::one("NO_RING", no_ring),
    Row::one("NO_ENTRY", no_entry),
    Row::one("ENTRY_REFUSED", entry_refused),
    Row::one("ENTRY_MEMORY", entry_memory),
    Row::one("ENTRY_NO_CRASHKERNEL", no_crashkernel),
    Row::one("ENTRY_NO_TOKEN", no_token),
    Row::one("PAIR_FAILED", pair_failed),
];

/// Where a signed command line leaves room for a token (docs/manifest.md, Slots).
const TOKEN: &str = "${boot}";

fn ring_broken(facts: &Facts) -> Option<Said> {
    let Ring::Broken(why) = &facts.trust.ring else { return None };
    let sentence = format!("nothing is loaded, because the keys cannot be used: {why}");
    Said::stops(sentence, "mend the file in /etc/turnout; turnout verify says when it is well")
}

fn no_ring(facts: &Facts) -> Option<Said> {
    if facts.trust.ring != Ring::Absent {
        return None;
    }
    Said::notes(
        "nothing is verified before it is loaded: there is no /etc/turnout/allowed_signers",
        "put the ring there that the machine's image has, and its policy beside it",
    )
}

fn no_entry(facts: &Facts) -> Option<Said> {
    let Offer::Nothing(why) = &facts.trust.offer else { return None };
    let sentence = format!("turnout boot has nothing to start by itself: {why}");
    Said::warns(sentence, "turnout list shows what there is; turnout boot ENTRY takes one of it")
}

fn entry(facts: &Facts) -> Option<&Entry> {
    match &facts.trust.offer {
        Offer::Entry(entry) => Some(entry),
        Offer::Unknown | Offer::Nothing(_) => None,
    }
}

/// Memory comes and goes; whatever else is refused stays so.
fn refusal(facts: &Facts, of_memory: bool) -> Option<(&Entry, &Refusal)> {
    let entry = entry(facts)?;
    let refusal = entry.refusal.as_ref()?;
    (refusal.lacks_memory == of_memory).then_some((entry, refusal))
}

fn entry_refused(facts: &Facts) -> Option<Said> {
    let (entry, Refusal { code, sentence, .. }) = refusal(facts, false)?;
    let sentence = format!("the default entry {} is not loaded: {sentence} ({code})", entry.id);
    let id = shell::word(&entry.id);
    Said::stops(sentence, format!("turnout explain {id}; turnout boot ENTRY takes another"))
}

fn entry_memory(facts: &Facts) -> Option<Said> {
    let (entry, Refusal { sentence, .. }) = refusal(facts, true)?;
    let sentence =
        format!("there is too little memory for the default entry {}: {sentence}", entry.id);
    Said::warns(sentence, "turnout boot --defer loads it when services have given theirs back")
}

/// Whether the words of the next kernel's command line are known and none begins so.
fn lacks(entry: &Entry, start: &str) -> bool {
    let options = entry.options.as_deref();
    options.is_some_and(|line| !line.split_ascii_whitespace().any(|word| word.starts_with(start)))
}

fn no_crashkernel(facts: &Facts) -> Option<Said> {
    let asked = facts.crash.asked.last()?;
    let entry = entry(facts).filter(|entry| lacks(entry, "crashkernel="))?;
    let sentence = format!(
        "this kernel was started with {asked} and the default entry {} has no crashkernel=: after \
         the jump a crash leaves no dump",
        entry.id
    );
    Said::warns(sentence, format!("add {asked} to the entry's command line"))
}

/// Only a signed command line is filled in, and only with keys anything is signed.
fn no_token(facts: &Facts) -> Option<Said> {
    let entry = entry(facts).filter(|_| facts.trust.ring == Ring::InForce)?;
    if entry.options.as_ref()?.contains(TOKEN) {
        return None;
    }
    let sentence = format!(
        "the command line of the default entry {} has no room for a token: that the next system \
         came up by this jump is not proven then",
        entry.id
    );
    Said::notes(sentence, format!("sign it with the word turnout.boot={TOKEN} in its options"))
}

fn pair_failed(facts: &Facts) -> Option<Said> {
    let from = &facts.kernel.release;
    let to = facts.target.as_ref()?.release.as_ref()?;
    let mut failed = facts.trust.failed.iter();
    failed.find(|pair| pair.from == *from && pair.to == *to)?;
    let sentence = format!(
        "a kexec from {from} to {to} has failed on this machine: turnout boot takes the firmware's \
         way instead"
    );
    Said::warns(sentence, "to try it again: turnout boot --retry")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{said, sentence};
    use crate::check::facts::{Crash, Entry, Kernel, Offer, Refusal, Ring, Target, Trust};
    use crate::check::{Facts, Weight};
    use crate::host::record::Pair;

    fn with(ring: Ring, entry: Entry) -> Facts {
        let offer = Offer::Entry(Entry { id: "debian".to_owned(), ..entry });
        Facts { trust: Trust { ring, offer, failed: Vec::new() }, ..Facts::default() }
    }

    fn options(options: &str) -> Entry {
        Entry { options: Some(options.to_owned()), ..Entry::default() }
    }

    fn refused(code: &'static str) -> Facts {
        let refusal =
            Some(Refusal { code, lacks_memory: code == "MEMORY", sentence: "it is so".to_owned() });
        with(Ring::InForce, Entry { refusal, ..Entry::default() })
    }

    #[test]
    fn keys_that_cannot_be_used_stop_everything_and_none_is_a_note() {
        let of = |ring| Facts { trust: Trust { ring, ..Trust::default() }, ..Facts::default() };
        let broken = said("RING_BROKEN", &of(Ring::Broken("policy: line 3".to_owned())));
        assert_eq!(broken[0].weight, Weight::Stops);
        assert!(broken[0].sentence.ends_with("policy: line 3"));
        assert_eq!(said("NO_RING", &of(Ring::Absent))[0].weight, Weight::Notes);
        for ring in [Ring::Unknown, Ring::InForce] {
            assert_eq!(said("NO_RING", &of(ring.clone())), []);
            assert_eq!(said("RING_BROKEN", &of(ring)), []);
        }
    }

    #[test]
    fn an_entry_that_is_refused_stops_and_one_that_lacks_memory_warns() {
        let found = said("ENTRY_REFUSED", &refused("SIGNATURE"));
        assert_eq!(found[0].weight, Weight::Stops);
        assert!(found[0].sentence.ends_with("entry debian is not loaded: it is so (SIGNATURE)"));
        assert_eq!(said("ENTRY_MEMORY", &refused("SIGNATURE")), []);
        let found = said("ENTRY_MEMORY", &refused("MEMORY"));
        assert_eq!(found[0].weight, Weight::Warns);
        assert!(found[0].remedy.contains("--defer"));
        assert_eq!(said("ENTRY_REFUSED", &refused("MEMORY")), []);
        assert_eq!(said("ENTRY_REFUSED", &with(Ring::InForce, Entry::default())), []);
        let mut facts = refused("SIGNATURE");
        if let Offer::Entry(entry) = &mut facts.trust.offer {
            entry.id = "a;reboot".to_owned();
        }
        let remedy = &said("ENTRY_REFUSED", &facts)[0].remedy;
        assert!(remedy.starts_with("turnout explain 'a;reboot'; "), "{remedy}");
    }

    #[test]
    fn a_menu_without_a_default_is_said_with_why() {
        let offer = Offer::Nothing("there is no menu".to_owned());
        let mut facts = Facts { trust: Trust { offer, ..Trust::default() }, ..Facts::default() };
        assert!(sentence("NO_ENTRY", &facts).ends_with("there is no menu"));
        facts.trust.offer = Offer::Unknown;
        assert_eq!(said("NO_ENTRY", &facts), []);
    }

    #[test]
    fn memory_for_dumps_is_missed_in_the_next_kernels_command_line() {
        let asked = vec!["crashkernel=256M".to_owned()];
        let of = |entry| Facts {
            crash: Crash { asked: asked.clone(), ..Crash::default() },
            ..with(Ring::Absent, entry)
        };
        assert!(sentence("ENTRY_NO_CRASHKERNEL", &of(options("ro quiet"))).contains("=256M"));
        assert_eq!(said("ENTRY_NO_CRASHKERNEL", &of(options("ro crashkernel=1G"))), []);
        assert_eq!(said("ENTRY_NO_CRASHKERNEL", &of(Entry::default())), [], "not known");
        let none = with(Ring::Absent, options("ro quiet"));
        assert_eq!(said("ENTRY_NO_CRASHKERNEL", &none), [], "nor did this kernel have any");
    }

    #[test]
    fn room_for_a_token_is_missed_only_where_something_is_signed() {
        let of = |ring, line| said("ENTRY_NO_TOKEN", &with(ring, options(line)));
        assert_eq!(of(Ring::InForce, "ro quiet")[0].weight, Weight::Notes);
        assert_eq!(of(Ring::InForce, "ro turnout.boot=${boot}"), []);
        assert_eq!(of(Ring::Absent, "ro quiet"), []);
    }

    #[test]
    fn two_kernels_that_failed_are_said_in_their_order() {
        let of = |from: &str, to: &str| {
            let target = Target { release: Some("6.12".to_owned()), ..Target::unknown("debian") };
            let failed = vec![Pair { from: from.to_owned(), to: to.to_owned() }];
            let facts = Facts {
                kernel: Kernel { release: "6.1".to_owned(), ..Kernel::default() },
                trust: Trust { failed, ..Trust::default() },
                target: Some(target),
                ..Facts::default()
            };
            said("PAIR_FAILED", &facts)
        };
        let found = &of("6.1", "6.12")[0];
        assert!(found.sentence.contains("from 6.1 to 6.12"));
        assert_eq!(found.remedy, "to try it again: turnout boot --retry");
        assert_eq!(of("6.12", "6.1"), []);
        assert_eq!(of("6.1", "6.1"), []);
    }
}
