//! What one system has found out about how it came up, and the list of the last of
//! these: `/var/lib/turnout/history`.
//!
//! Each jump that was asked for is answered once, by the first system after it: what
//! comes up later has come up by itself.

use super::Problem;
use super::lines::{Reader, Writer};
use super::proof::{CameUp, Here, how};
use super::record::{Asked, MAX_TEXT, Pair, Way};

/// How many are kept; the oldest are forgotten first.
const MAX_ARRIVALS: usize = 64;
/// What a kernel says as it ends for good.
const PANIC: &str = "Kernel panic";
/// How much is kept of the name of an entry, in characters.
const MAX_NAME: usize = 200;

/// How a system came up that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// How.
    pub how: CameUp,
    /// The way that was asked for.
    pub way: Way,
    /// Why the jump failed, where that is known.
    pub reason: Option<String>,
    /// When that was found out, in seconds since 1970.
    pub when: u64,
    /// The boot id of the system that came up.
    pub boot_id: String,
    /// Its kernel's release.
    pub release: String,
    /// When it was asked for, in seconds since 1970.
    pub asked_when: u64,
    /// The boot id of the system that asked.
    pub asked_by: String,
    /// From which kernel to which.
    pub pair: Pair,
    /// The entry that was asked for; none for files that were named.
    pub entry: Option<String>,
}

/// What is known of how the running system came up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing was asked for, or an earlier system has answered it.
    Unasked,
    /// This is the system that asked.
    StillHere,
    /// It was found out, and written down.
    Known(Arrival),
    /// It is found out now.
    New(Arrival),
}

impl Found {
    /// The word for it.
    #[must_use]
    pub const fn how(&self) -> CameUp {
        match self {
            Self::Unasked => CameUp::NotAsked,
            Self::StillHere => CameUp::StillHere,
            Self::Known(arrival) | Self::New(arrival) => arrival.how,
        }
    }

    /// What there is to tell of it.
    #[must_use]
    pub const fn arrival(&self) -> Option<&Arrival> {
        match self {
            Self::Unasked | Self::StillHere => None,
            Self::Known(arrival) | Self::New(arrival) => Some(arrival),
        }
    }
}

/// Finds out how the running system came up, at this time in seconds since 1970.
#[must_use]
pub fn find(asked: Option<&Asked>, history: &[Arrival], here: &Here, now: u64) -> Found {
    let is_here = |one: &&Arrival| !here.boot_id.is_empty() && one.boot_id == here.boot_id;
    if let Some(known) = history.iter().rev().find(is_here) {
        return Found::Known(known.clone());
    }
    let Some(asked) = asked else { return Found::Unasked };
    if history.iter().any(|one| one.answers(asked)) {
        return Found::Unasked;
    }
    match how(Some(asked), here) {
        CameUp::StillHere => Found::StillHere,
        how => Found::New(Arrival::of(asked, how, here, now)),
    }
}

impl Arrival {
    fn of(asked: &Asked, how: CameUp, here: &Here, now: u64) -> Self {
        Self {
            how,
            way: asked.way,
            reason: None,
            when: now,
            boot_id: here.boot_id.clone(),
            release: here.release.clone(),
            asked_when: asked.when,
            asked_by: asked.boot_id.clone(),
            pair: asked.pair(),
            entry: asked.entry.as_ref().map(|entry| entry.chars().take(MAX_NAME).collect()),
        }
    }

    fn answers(&self, asked: &Asked) -> bool {
        self.asked_by == asked.boot_id && self.asked_when == asked.when
    }

    /// Whether the kernel before it may have left word of why it ended.
    #[must_use]
    pub const fn may_have_reason(&self) -> bool {
        self.how.is_failure() || matches!(self.how, CameUp::NotProven)
    }

    /// The same with what a kernel has left since it was asked for. A panic ends in the
    /// firmware: then nothing has to prove any more that a kexec came to nothing.
    #[must_use]
    pub fn with_reason(self, reason: Option<String>) -> Self {
        let is_panic = reason.as_ref().is_some_and(|reason| reason.contains(PANIC));
        match (self.how, is_panic) {
            (CameUp::NotProven, false) => self,
            (CameUp::NotProven, true) => Self { how: CameUp::ByFirmware, reason, ..self },
            _ => Self { reason, ..self },
        }
    }

    /// For people: how, of what, and why.
    #[must_use]
    pub fn sentence(&self) -> String {
        let entry = self.entry.as_ref().map(|entry| format!("{entry}, ")).unwrap_or_default();
        let Pair { from, to } = &self.pair;
        let sentence = format!("{} ({entry}{from} to {to})", self.how.sentence());
        match &self.reason {
            Some(reason) => format!("{sentence}: {reason}"),
            None => sentence,
        }
    }

    /// What has failed on this machine, after this; none where that has not changed. Only
    /// a kexec can fail so: the firmware's way says nothing of it.
    #[must_use]
    pub fn failed(&self, failed: &[Pair]) -> Option<Vec<Pair>> {
        match self.how {
            _ if self.way == Way::Firmware => None,
            CameUp::ByFirmware | CameUp::ByWatchdog => Some(Pair::with(failed, self.pair.clone())),
            CameUp::ByKexec if failed.contains(&self.pair) => {
                Some(Pair::without(failed, &self.pair))
            }
            _ => None,
        }
    }

    /// The last of these with this one, which becomes the newest, as they are written
    /// down.
    #[must_use]
    pub fn text_with(self, mut history: Vec<Self>) -> String {
        history.push(self);
        let mut first = history.len().saturating_sub(MAX_ARRIVALS);
        loop {
            let text = Self::text(history.get(first..).unwrap_or_default());
            if text.len() <= MAX_TEXT || first >= history.len() {
                return text;
            }
            first = first.saturating_add(1);
        }
    }

    fn text(history: &[Self]) -> String {
        let mut out = Writer::new("history");
        history.iter().for_each(|one| one.write(&mut out));
        out.end()
    }

    fn write(&self, out: &mut Writer) {
        out.line("how", self.how.name());
        out.maybe("reason", self.reason.as_deref());
        out.line("when", &self.when.to_string());
        out.line("boot-id", &self.boot_id);
        out.line("release", &self.release);
        out.line("asked-when", &self.asked_when.to_string());
        out.line("asked-by", &self.asked_by);
        out.line("from", &self.pair.from);
        out.line("to", &self.pair.to);
        out.maybe("entry", self.entry.as_deref());
        out.maybe("way", (self.way == Way::Firmware).then_some(self.way.name()));
    }

    /// All that a text has, the newest last.
    ///
    /// # Errors
    /// The line that is none of a record, and what is wrong with it.
    pub fn read(text: &str) -> Result<Vec<Self>, Problem> {
        let mut lines = Reader::new(text);
        lines.begin("history")?;
        let mut history = Vec::new();
        while let Some(how) = lines.maybe_as("how", how_named)? {
            history.push(Self::read_one(how, &mut lines)?);
        }
        lines.finish().map(|()| history)
    }

    fn read_one(how: CameUp, lines: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self {
            how,
            reason: lines.maybe("reason")?,
            when: lines.take_as("when", |word| word.parse().ok())?,
            boot_id: lines.take("boot-id")?,
            release: lines.take("release")?,
            asked_when: lines.take_as("asked-when", |word| word.parse().ok())?,
            asked_by: lines.take("asked-by")?,
            pair: Pair { from: lines.take("from")?, to: lines.take("to")? },
            entry: lines.maybe("entry")?,
            way: lines.maybe_as("way", way)?.unwrap_or(Way::Kexec),
        })
    }
}

fn how_named(word: &str) -> Option<CameUp> {
    CameUp::ALL.into_iter().find(|how| how.name() == word)
}

fn way(word: &str) -> Option<Way> {
    Way::ALL.into_iter().find(|way| way.name() == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;

    const TOKEN: &str = "kexec-00112233445566778899aabbccddeeff";

    fn asked() -> Asked {
        Asked {
            way: Way::Kexec,
            when: 7,
            boot_id: "one".to_owned(),
            from: "6.1".to_owned(),
            entry: Some("debian".to_owned()),
            to: Some("6.12".to_owned()),
            kernel: Digest([0; 32]),
            initrds: Vec::new(),
            cmdline: format!("turnout.boot={TOKEN}"),
            token: Some(TOKEN.to_owned()),
            fallback: None,
            watchdog: true,
            was_reset: false,
        }
    }

    fn here(boot_id: &str, cmdline: &str) -> Here {
        Here {
            boot_id: boot_id.to_owned(),
            cmdline: cmdline.to_owned(),
            release: "6.1".to_owned(),
            was_reset: false,
        }
    }

    fn found(history: &[Arrival], here: &Here) -> Arrival {
        match find(Some(&asked()), history, here, 9) {
            Found::New(arrival) => arrival,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_jump_is_answered_once_by_the_first_system_after_it() {
        let jumped = here("two", &asked().cmdline);
        let first = found(&[], &jumped);
        assert_eq!(
            (first.how, first.when, first.asked_when, &*first.asked_by),
            (CameUp::ByKexec, 9, 7, "one")
        );
        let history = [first.clone()];
        let again = |boot_id: &str| find(Some(&asked()), &history, &here(boot_id, "ro"), 10);
        assert_eq!(again("two"), Found::Known(first), "whatever it would find out now");
        assert_eq!(again("three"), Found::Unasked, "a start that nobody asked for");
        assert_eq!(find(None, &history, &here("three", "ro"), 10), Found::Unasked);
        assert_eq!(again("one"), Found::Unasked);
        let next = Asked { boot_id: "two".to_owned(), when: 11, ..asked() };
        let found = find(Some(&next), &history, &here("three", "ro"), 12);
        assert_eq!(found.how(), CameUp::ByFirmware, "the next jump has an answer of its own");
    }

    #[test]
    fn the_system_that_asks_keeps_what_it_has_found_out_of_itself() {
        let first = found(&[], &here("two", &asked().cmdline));
        let next = Asked { boot_id: "two".to_owned(), when: 11, ..asked() };
        let here = here("two", "ro");
        let found = find(Some(&next), std::slice::from_ref(&first), &here, 12);
        assert_eq!(found, Found::Known(first));
        assert_eq!(find(Some(&next), &[], &here, 12), Found::StillHere);
    }

    #[test]
    fn a_kernel_that_tells_no_boot_id_takes_no_other_system_for_itself() {
        let first = found(&[], &here("", &asked().cmdline));
        assert_eq!(find(Some(&asked()), &[first], &here("", "ro"), 10), Found::Unasked);
    }

    #[test]
    fn what_has_failed_is_remembered_until_that_very_pair_succeeds() {
        let arrival = found(&[], &here("two", "ro"));
        let failed = arrival.failed(&[]).unwrap();
        assert_eq!(failed, [asked().pair()]);
        assert_eq!(arrival.failed(&failed), Some(failed.clone()));
        let other = Pair { from: "6.1".to_owned(), to: "6.13".to_owned() };
        let both = Pair::with(&failed, other.clone());
        let success = found(&[], &here("two", &asked().cmdline));
        assert_eq!(success.failed(&both), Some(vec![other.clone()]));
        assert_eq!(success.failed(&[other]), None);
        let unproven = Arrival { how: CameUp::NotProven, ..success };
        assert_eq!(unproven.failed(&failed), None, "that is neither");
    }

    #[test]
    fn what_was_reset_on_the_firmware_s_way_says_nothing_of_a_kexec() {
        let by_firmware = Asked { way: Way::Firmware, ..asked() };
        let here = Here { was_reset: true, ..here("two", "ro") };
        let found = find(Some(&by_firmware), &[], &here, 9);
        let arrival = found.arrival().unwrap();
        assert_eq!((arrival.how, arrival.way), (CameUp::ByWatchdog, Way::Firmware));
        assert_eq!(arrival.failed(&[]), None);
        assert_eq!(arrival.failed(&[asked().pair()]), None);
    }

    #[test]
    fn a_panic_since_then_ends_in_the_firmware_without_any_token() {
        let unproven = Arrival { how: CameUp::NotProven, ..found(&[], &here("two", "ro")) };
        assert!(unproven.may_have_reason());
        let panic = Some("Kernel panic - not syncing: no".to_owned());
        let failed = unproven.clone().with_reason(panic.clone());
        assert_eq!((failed.how, &failed.reason), (CameUp::ByFirmware, &panic));
        assert!(failed.failed(&[]).is_some());
        for other in [None, Some("BUG: scheduling while atomic".to_owned())] {
            assert_eq!(unproven.clone().with_reason(other), unproven);
        }
    }

    #[test]
    fn it_is_told_with_what_was_asked_for_and_why_it_failed() {
        let arrival = found(&[], &here("two", "ro"));
        let said = "by the firmware, although kexec was asked for (debian, 6.1 to 6.12)";
        assert_eq!(arrival.sentence(), said);
        let reason = Some("Kernel panic - not syncing: no".to_owned());
        let arrival = Arrival { reason, entry: None, ..arrival };
        let said = "by the firmware, although kexec was asked for (6.1 to 6.12): \
                    Kernel panic - not syncing: no";
        assert_eq!(arrival.sentence(), said);
    }

    #[test]
    fn the_last_ones_are_kept_and_read_as_they_were_written() {
        let mut all = Vec::new();
        for number in 0..MAX_ARRIVALS + 3 {
            let mut arrival = found(&[], &here(&number.to_string(), "ro"));
            arrival.how = CameUp::ALL[number % CameUp::ALL.len()];
            arrival.way = Way::ALL[number % 2];
            arrival.reason = (number % 2 == 0).then(|| "a\nhow by-kexec\nend".to_owned());
            all = Arrival::read(&arrival.clone().text_with(all)).unwrap();
            assert_eq!(all.last(), Some(&arrival));
        }
        assert_eq!((all.len(), &*all[0].boot_id), (MAX_ARRIVALS, "3"));
    }

    #[test]
    fn a_history_that_would_be_too_long_loses_its_oldest() {
        let long = Arrival { release: "x".repeat(MAX_TEXT / 3), ..found(&[], &here("two", "ro")) };
        let history = vec![long.clone(), long.clone()];
        let text = Arrival { when: 99, ..long.clone() }.text_with(history);
        let read = Arrival::read(&text).unwrap();
        assert_eq!((read.len(), read[1].when), (2, 99));
        let monster = Arrival { release: "x".repeat(MAX_TEXT), ..long };
        assert_eq!(Arrival::read(&monster.text_with(Vec::new())), Ok(Vec::new()));
    }

    #[test]
    fn a_damaged_history_is_refused_with_its_line() {
        let text = found(&[], &here("two", "ro")).text_with(Vec::new());
        for (line, wrong, number) in [
            ("how by-firmware", "how by-magic", 2),
            ("when 9", "when nine", 3),
            ("asked-by one\n", "", 7),
            ("entry debian\nend\n", "entry debian\n", 11),
        ] {
            let problem = Arrival::read(&text.replace(line, wrong)).unwrap_err().to_string();
            assert!(problem.starts_with(&format!("line {number}: ")), "{wrong}: {problem}");
        }
    }
}
