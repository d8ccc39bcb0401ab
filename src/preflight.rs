//! Whether an entry will boot, as far as can be told before it is chosen: its
//! files, its command line, the machine's memory and consoles, and what trust
//! says.
//!
//! Takes values that are known without reading a big file. It adds to what
//! trust says and never takes anything back: what was refused stays so. Kernel
//! images are not looked at here; that comes after verification. Codes:
//! `docs/reason-codes.md`.

use crate::base::text::{printable, quoted};
use crate::failure::{Cause, Failure};
use crate::menu::{self, Entry};
use crate::plan::{Need, Room};
use crate::trust::Role;
use crate::trust::manifest::System;
use crate::trust::verify::Attested;

/// There is not enough of it for an entry.
pub const MEMORY: &str = "MEMORY";

/// What the machine has for an entry.
#[derive(Debug, Clone, Copy)]
pub struct Limits<'a> {
    /// The memory that there is for an entry.
    pub memory: Room,
    /// Longest command line in bytes, without the terminating NUL.
    pub cmdline: u64,
    /// Consoles that somebody may look at, such as `ttyS0` or `tty0`; empty where
    /// nobody knows.
    pub consoles: &'a [String],
}

/// A stable code and a sentence that names file and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// One upper-case word.
    pub code: &'static str,
    /// For people; it may change.
    pub detail: String,
}

/// What is known of an entry before it is chosen.
#[derive(Debug, Clone)]
pub struct Preflight {
    /// What trust says, for itself.
    pub trust: Result<Attested, Failure>,
    /// The first of what keeps it from booting whoever signed it.
    broken: Option<Failure>,
    /// All that keeps it from booting: first what is broken, which no signature
    /// mends, then what trust says.
    pub reasons: Vec<Reason>,
    /// What does not keep it from booting and should be known.
    pub notes: Vec<Reason>,
}

/// Judges an entry. `sizes` has for every one of [`Entry::files`], in that
/// order, its length in bytes or why it cannot be read.
#[must_use]
pub fn check(
    entry: &Entry,
    sizes: &[Result<u64, String>],
    trust: Result<Attested, Failure>,
    limits: &Limits<'_>,
) -> Preflight {
    let mut found = of_menu(entry);
    found.extend(of_files(sizes));
    found.extend(memory(sizes, limits.memory));
    let cmdline = cmdline(entry, trust.as_ref().ok());
    found.extend(length(cmdline, limits.cmdline));
    found.extend(open_slot(entry, &trust));
    let notes = notes(entry, trust.as_ref().ok(), limits.consoles);
    let broken = found.first().map(|one| Failure::broken(one.code, one.detail.clone()));
    found.extend(trust.as_ref().err().map(Reason::of));
    Preflight { trust, broken, reasons: found, notes }
}

impl Preflight {
    /// An entry of a device that has cost what it may.
    #[must_use]
    pub fn left_out(why: String) -> Self {
        let failure = Failure::broken(menu::Code::Budget.name(), why);
        let reasons = vec![Reason::of(&failure)];
        Self { trust: Err(failure.clone()), broken: Some(failure), reasons, notes: Vec::new() }
    }

    /// Leave to boot the entry, or the first of [`Self::reasons`].
    ///
    /// # Errors
    /// The reason.
    pub fn verdict(&self) -> Result<&Attested, &Failure> {
        self.broken.as_ref().map_or(self.trust.as_ref(), Err)
    }

    /// The same, to be kept.
    ///
    /// # Errors
    /// The reason.
    pub fn into_verdict(self) -> Result<Attested, Failure> {
        self.broken.map_or(self.trust, Err)
    }

    /// Takes over what was found out once the files were read.
    pub fn fail(&mut self, failure: Failure) {
        self.reasons.push(Reason::of(&failure));
        match &failure.cause {
            Cause::Refused(_) | Cause::Barred(..) => self.trust = Err(failure),
            Cause::Broken(..) | Cause::Other(_) => {
                self.broken.get_or_insert(failure);
            }
        }
    }
}

/// The word beside an entry: `ready`, `recovery`, `unsigned`, or `refused`,
/// `broken` and `failed` with what in parentheses.
#[must_use]
pub fn mark(verdict: Result<&Attested, &Failure>) -> String {
    match verdict {
        Ok(Attested::Signed(signed)) if signed.role() == Role::Recovery => "recovery".to_owned(),
        Ok(Attested::Signed(_)) => "ready".to_owned(),
        Ok(Attested::Unsigned(_)) => "unsigned".to_owned(),
        Err(failure) => failure.mark(),
    }
}

impl Reason {
    /// The reason of a failure.
    #[must_use]
    pub fn of(failure: &Failure) -> Self {
        Self { code: failure.code(), detail: failure.sentence() }
    }
}

/// What should be known of an entry and does not keep it from booting;
/// `consoles` as in [`Limits`].
#[must_use]
pub fn notes(entry: &Entry, attested: Option<&Attested>, consoles: &[String]) -> Vec<Reason> {
    console(cmdline(entry, attested), consoles).into_iter().collect()
}

fn of_menu(entry: &Entry) -> Vec<Reason> {
    entry.problems.iter().map(of_problem).collect()
}

fn of_problem(problem: &menu::Diagnostic) -> Reason {
    let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
    let detail = format!("{}{line}: {}", printable(&problem.file), problem.detail);
    Reason { code: problem.code.name(), detail }
}

fn of_files(sizes: &[Result<u64, String>]) -> impl Iterator<Item = Reason> {
    let faults = sizes.iter().filter_map(|size| size.as_ref().err());
    faults.map(|fault| Reason { code: "FILE", detail: fault.clone() })
}

fn memory(sizes: &[Result<u64, String>], room: Room) -> Option<Reason> {
    let known = sizes.iter().filter_map(|size| size.as_ref().ok());
    let shortage = Need::of_files(known.copied()).check(room).err()?;
    Some(Reason { code: MEMORY, detail: shortage.to_string() })
}

/// The command line that counts, as far as it is known: the signed one, or the
/// menu's. That of a unified kernel image is inside of it.
#[must_use]
pub fn cmdline<'a>(entry: &'a Entry, attested: Option<&'a Attested>) -> &'a str {
    match attested {
        Some(Attested::Signed(signed)) => match &signed.manifest().system {
            System::Linux(linux) => &linux.options,
            System::Uki(_) => "",
        },
        _ => &entry.options,
    }
}

fn length(cmdline: &str, limit: u64) -> Option<Reason> {
    let size = cmdline.len() as u64;
    (size > limit).then(|| Reason {
        code: "CMDLINE",
        detail: format!(
            "its command line has {size} bytes, and the kernel keeps {limit}; the rest would be \
             lost"
        ),
    })
}

fn open_slot(entry: &Entry, trust: &Result<Attested, Failure>) -> Option<Reason> {
    let slot = entry.open_slot().filter(|_| matches!(trust, Ok(Attested::Unsigned(_))))?;
    let detail = format!("{slot} in options has a value in a signed entry only");
    Some(Reason { code: menu::Code::Variable.name(), detail })
}

/// Whether the command line sends the next system's messages to nothing but
/// consoles that nobody looks at.
fn console(cmdline: &str, watched: &[String]) -> Option<Reason> {
    let named: Vec<_> = named_consoles(cmdline).collect();
    let mut seen = named.iter().filter(|name| watched.iter().any(|console| is_same(name, console)));
    if watched.is_empty() || named.is_empty() || seen.next().is_some() {
        return None;
    }
    let named = quoted(&named.join(" and "));
    let here = watched.join(" and ");
    let detail = format!(
        "its messages go to {named}, and the consoles here are {here}: nobody will see it start"
    );
    Some(Reason { code: "CONSOLE", detail })
}

/// The devices of `console=` (Linux, Documentation/admin-guide/serial-console.rst).
/// What comes behind `--` is for init.
pub fn named_consoles(cmdline: &str) -> impl Iterator<Item = &str> {
    let words = cmdline.split_ascii_whitespace().take_while(|word| *word != "--");
    let values = words.filter_map(|word| word.strip_prefix("console="));
    values.map(|value| value.split(',').next().unwrap_or_default())
}

/// All virtual terminals are one screen. A serial port that is named by its
/// address may be any.
fn is_same(named: &str, watched: &str) -> bool {
    named == watched
        || (is_screen(named) && is_screen(watched))
        || named.starts_with("uart")
        || named.contains(':')
}

/// Whether it is a virtual terminal.
fn is_screen(name: &str) -> bool {
    let number = name.strip_prefix("tty");
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::arch::Arch;
    use crate::trust::policy::{Floors, Policy};
    use crate::trust::verify::{Context, Evidence, Identity, Mode, check_manifest};

    const PLENTY: Limits<'_> = Limits { memory: Room::UNKNOWN, cmdline: 2047, consoles: &[] };

    fn entry(options: &str) -> Entry {
        Entry {
            id: "good".to_owned(),
            linux: Some("/vmlinuz".to_owned()),
            initrds: vec!["/initrd".to_owned()],
            options: options.to_owned(),
            ..Entry::default()
        }
    }

    fn trust(mode: Mode) -> Result<Attested, Failure> {
        let policy = Policy::default();
        let identity = Identity::default();
        let arch = Arch::X86_64;
        let floors = Floors::default();
        let context =
            Context { mode, ring: None, policy: &policy, arch, identity: &identity, floors };
        let evidence = Evidence { manifest: None, signature: None };
        check_manifest(&context, "good", evidence).map_err(Failure::refused)
    }

    fn judged(options: &str, sizes: &[Result<u64, String>], limits: &Limits<'_>) -> Preflight {
        check(&entry(options), sizes, trust(Mode::Open), limits)
    }

    fn codes(reasons: &[Reason]) -> Vec<&str> {
        reasons.iter().map(|reason| reason.code).collect()
    }

    #[test]
    fn an_entry_with_its_files_is_what_trust_says() {
        let open = judged("root=/dev/vda quiet", &[Ok(1), Ok(2)], &PLENTY);
        assert_eq!((mark(open.verdict()).as_str(), open.reasons.len()), ("unsigned", 0));
        let locked = check(&entry(""), &[Ok(1), Ok(2)], trust(Mode::Locked), &PLENTY);
        assert_eq!(mark(locked.verdict()), "refused(UNSIGNED)");
        assert_eq!(codes(&locked.reasons), ["UNSIGNED"]);
    }

    #[test]
    fn a_file_that_is_missing_breaks_an_entry_whatever_trust_says() {
        let sizes = [Err("/vmlinuz: not there".to_owned()), Err("/initrd: no".to_owned())];
        let found = check(&entry(""), &sizes, trust(Mode::Locked), &PLENTY);
        assert_eq!(mark(found.verdict()), "broken(FILE)");
        assert_eq!(found.verdict().unwrap_err().sentence(), "/vmlinuz: not there");
        assert_eq!(codes(&found.reasons), ["FILE", "FILE", "UNSIGNED"]);
    }

    #[test]
    fn what_is_found_later_is_one_more_reason() {
        let mut found = judged("", &[Ok(1)], &PLENTY);
        found.fail(Failure::broken("IMAGE", "/vmlinuz: no kernel".to_owned()));
        assert_eq!(mark(found.verdict()), "broken(IMAGE)");
        found.fail(Failure::broken("FILE", "/initrd: gone".to_owned()));
        assert_eq!(codes(&found.reasons), ["IMAGE", "FILE"]);
        assert_eq!(mark(found.into_verdict().as_ref()), "broken(IMAGE)");
    }

    #[test]
    fn files_that_do_not_fit_into_memory_together_are_counted() {
        let guest = Room { available: 190 << 20, for_kernel: 190 << 20, total: 220 << 20 };
        let limits = Limits { memory: guest, ..PLENTY };
        let large = [Ok(8 << 20), Err("/initrd: no".to_owned()), Ok(90 << 20)];
        let found = judged("", &large, &limits);
        assert_eq!(codes(&found.reasons), ["FILE", "MEMORY"]);
        let said = "it needs 199 MiB: 98 MiB of files, 101 MiB in the kernel's own copy; 190 MiB \
                    are available: a smaller initrd helps, or more memory";
        assert_eq!(found.reasons[1].detail, said);
        assert!(judged("", &[Ok(8 << 20), Ok(70 << 20)], &limits).verdict().is_ok());
        let found = judged("", &[Ok(u64::MAX), Ok(u64::MAX)], &limits);
        assert_eq!(codes(&found.reasons), ["MEMORY"]);
    }

    #[test]
    fn a_command_line_that_the_kernel_would_cut_is_not_booted() {
        let fits = judged(&"x".repeat(2047), &[], &PLENTY);
        assert!(fits.verdict().is_ok());
        let found = judged(&"x".repeat(2048), &[], &PLENTY);
        assert_eq!(mark(found.verdict()), "broken(CMDLINE)");
        let said =
            "its command line has 2048 bytes, and the kernel keeps 2047; the rest would be lost";
        assert_eq!(found.reasons[0].detail, said);
    }

    #[test]
    fn a_slot_that_nobody_fills_is_a_variable_without_a_value() {
        let found = judged("root=/dev/vda name=${name}", &[], &PLENTY);
        assert_eq!(mark(found.verdict()), "broken(VARIABLE)");
        let said = "${name} in options has a value in a signed entry only";
        assert_eq!(found.reasons[0].detail, said);
        let locked = check(&entry("${name}"), &[], trust(Mode::Locked), &PLENTY);
        assert_eq!(codes(&locked.reasons), ["UNSIGNED"]);
    }

    #[test]
    fn a_console_that_nobody_looks_at_is_said_and_does_not_keep_it_from_booting() {
        let here = ["ttyS0".to_owned(), "tty0".to_owned()];
        let limits = Limits { consoles: &here, ..PLENTY };
        for seen in [
            "",
            "quiet",
            "console=ttyS0,115200n8",
            "console=tty1",
            "console=ttyAMA0 console=ttyS0",
            "console=uart8250,io,0x3f8",
            "console=00:00:0.0",
            "quiet -- console=ttyAMA0",
        ] {
            assert_eq!(judged(seen, &[], &limits).notes, [], "{seen}");
        }
        let found = judged("console=ttyAMA0,9600 console=ttyS", &[], &limits);
        assert!(found.verdict().is_ok());
        assert_eq!(codes(&found.notes), ["CONSOLE"]);
        let said = "its messages go to \"ttyAMA0 and ttyS\", and the consoles here are ttyS0 and \
                    tty0: nobody will see it start";
        assert_eq!(found.notes[0].detail, said);
        for unseen in ["console=", "console=ttynull"] {
            assert_eq!(codes(&judged(unseen, &[], &limits).notes), ["CONSOLE"], "{unseen}");
        }
        assert_eq!(judged("console=ttyAMA0", &[], &PLENTY).notes, []);
    }
}
