//! Whether a crash, also one during the jump, leaves a dump.
//!
//! Specification: Linux, admin-guide/kdump/kdump.rst; Debian's kdump-tools.

use crate::check::{Facts, Row, Said};

pub(super) const ROWS: &[Row] = &[
    Row::one("CRASHKERNEL_NOT_RESERVED", not_reserved),
    Row::one("CRASH_OVERLAP", overlap),
    Row::one("CRASH_SMALL", small),
    Row::one("CRASH_NOT_LOADED", not_loaded),
    Row::one("KDUMP_WITHOUT_MEMORY", without_memory),
    Row::one("KDUMP_OFF", off),
];

const MIB: u64 = 1 << 20;
/// What a capture kernel takes beside its files: itself, its page tables, and the
/// processes that write the dump.
const BESIDE_FILES: u64 = 64 * MIB;
/// An initrd lies in memory packed and unpacked.
const COPIES: u64 = 3;

fn not_reserved(facts: &Facts) -> Option<Said> {
    let asked = facts.crash.asked.last()?;
    if facts.crash.reserved? != 0 {
        return None;
    }
    let sentence = format!("{asked} is on the command line, and the kernel has reserved nothing");
    Said::warns(sentence, "see why: dmesg | grep -i crashkernel; ask for less, or at another place")
}

fn overlap(facts: &Facts) -> Option<Said> {
    let other = facts.crash.overlaps.first()?;
    let sentence = format!(
        "the crash kernel's memory is not its own: in it lies {other}, which a crash kernel would \
         overwrite"
    );
    Said::warns(sentence, "reserve it elsewhere: crashkernel=SIZE@ADDRESS")
}

fn small(facts: &Facts) -> Option<Said> {
    let reserved = facts.crash.reserved.filter(|reserved| *reserved > 0)?;
    let files = facts.crash.kdump.as_ref()?.files?;
    let needed = files.saturating_mul(COPIES).saturating_add(BESIDE_FILES);
    if needed <= reserved {
        return None;
    }
    let sentence = format!(
        "{} MiB are reserved for a crash kernel, and one with these files ({} MiB) wants about {}",
        reserved / MIB,
        files.div_ceil(MIB),
        needed.div_ceil(MIB)
    );
    let remedy = format!("on the kernel's command line: crashkernel={}M", rounded(needed));
    Said::warns(sentence, remedy)
}

/// In MiB, up to a multiple of 64.
const fn rounded(bytes: u64) -> u64 {
    bytes.div_ceil(64 * MIB).saturating_mul(64)
}

fn not_loaded(facts: &Facts) -> Option<Said> {
    let crash = &facts.crash;
    let reserved = crash.reserved.filter(|reserved| *reserved > 0)?;
    if crash.is_loaded? {
        return None;
    }
    let sentence = format!(
        "{} MiB are reserved for a crash kernel and none is loaded: a crash, also one on the way \
         out, leaves no dump",
        reserved / MIB
    );
    let kdump = crash.kdump.as_ref();
    let remedy =
        kdump.map_or("apt install kdump-tools, or turnout load --crash", |one| one.command);
    Said::warns(sentence, remedy)
}

fn without_memory(facts: &Facts) -> Option<Said> {
    let kdump = facts.crash.kdump.as_ref().filter(|kdump| kdump.is_on)?;
    if !facts.crash.asked.is_empty() || facts.crash.reserved? != 0 {
        return None;
    }
    let sentence = format!(
        "{} is installed and no memory is reserved for its kernel: a crash leaves no dump",
        kdump.tool
    );
    Said::warns(sentence, "on the kernel's command line: crashkernel=256M; then restart")
}

fn off(facts: &Facts) -> Option<Said> {
    let kdump = facts.crash.kdump.as_ref().filter(|kdump| !kdump.is_on)?;
    let sentence = format!("{} is installed and turned off", kdump.tool);
    let remedy = match kdump.tool {
        "kdump-tools" => "in /etc/default/kdump-tools: USE_KDUMP=1",
        _ => "systemctl enable --now kdump",
    };
    Said::notes(sentence, remedy)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{said, sentence};
    use super::MIB;
    use crate::check::Facts;
    use crate::check::facts::{Crash, Kdump};

    fn with(crash: Crash) -> Facts {
        Facts { crash, ..Facts::default() }
    }

    fn kdump(is_on: bool, files: Option<u64>) -> Option<Kdump> {
        Some(Kdump { tool: "kdump-tools", is_on, command: "kdump-config load", files })
    }

    #[test]
    fn memory_that_was_asked_for_and_is_not_there_is_said() {
        let asked = vec!["crashkernel=256M".to_owned()];
        let mut facts = with(Crash { asked, reserved: Some(0), ..Crash::default() });
        assert!(sentence("CRASHKERNEL_NOT_RESERVED", &facts).contains("crashkernel=256M"));
        facts.crash.reserved = Some(256 * MIB);
        assert_eq!(said("CRASHKERNEL_NOT_RESERVED", &facts), []);
        facts.crash.reserved = None;
        assert_eq!(said("CRASHKERNEL_NOT_RESERVED", &facts), [], "not known");
    }

    #[test]
    fn memory_that_nobody_fills_is_said_with_the_command_that_fills_it() {
        let mut facts = with(Crash {
            reserved: Some(192 * MIB),
            is_loaded: Some(false),
            kdump: kdump(true, None),
            ..Crash::default()
        });
        let found = said("CRASH_NOT_LOADED", &facts);
        assert!(found[0].sentence.starts_with("192 MiB"));
        assert_eq!(found[0].remedy, "kdump-config load");
        facts.crash.is_loaded = Some(true);
        assert_eq!(said("CRASH_NOT_LOADED", &facts), []);
    }

    #[test]
    fn memory_that_the_files_do_not_fit_is_said_with_what_would() {
        let of = |reserved, files| {
            let crash = Crash {
                reserved: Some(reserved),
                kdump: kdump(true, Some(files)),
                ..Crash::default()
            };
            said("CRASH_SMALL", &with(crash))
        };
        let found = of(128 * MIB, 30 * MIB);
        assert!(found[0].sentence.contains("30 MiB) wants about 154"), "{found:?}");
        assert_eq!(found[0].remedy, "on the kernel's command line: crashkernel=192M");
        assert_eq!(of(154 * MIB, 30 * MIB), []);
        assert_eq!(of(0, 30 * MIB), [], "nothing is reserved, which is said elsewhere");
    }

    #[test]
    fn kdump_is_asked_for_its_switch_and_its_memory() {
        let mut facts =
            with(Crash { reserved: Some(0), kdump: kdump(true, None), ..Crash::default() });
        assert!(sentence("KDUMP_WITHOUT_MEMORY", &facts).contains("kdump-tools"));
        assert_eq!(said("KDUMP_OFF", &facts), []);
        facts.crash.kdump = kdump(false, None);
        assert_eq!(said("KDUMP_WITHOUT_MEMORY", &facts), []);
        assert!(said("KDUMP_OFF", &facts)[0].remedy.contains("USE_KDUMP=1"));
    }
}
