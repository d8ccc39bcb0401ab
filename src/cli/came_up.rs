//! How this system came up: found out from what the last one wrote down, shown by
//! `status` and `history`, and written down once by `status --settle`, `bless` and
//! `boot`.
//!
//! What cannot be read or understood is said, and is as good as not there.

use super::answer::complain;
use crate::base::json::{Array, Object};
use crate::base::text::printable;
use crate::failure::{Failure, Stage};
use crate::host::arrival::{Arrival, Found, find};
use crate::host::date::utc;
use crate::host::event::{Event, What};
use crate::host::proof::CameUp;
use crate::host::pstore::reason;
use crate::host::record::Asked;
use crate::sys::{self, clock, journal, pstore, records};

/// What was written down, and what it says of this system.
pub(super) struct Looked {
    pub(super) found: Found,
    /// What was asked for last.
    pub(super) asked: Option<Asked>,
    /// The newest last.
    history: Vec<Arrival>,
}

/// Reads it; says what cannot be understood.
pub(super) fn look() -> Looked {
    let asked = understood(records::asked());
    let history: Vec<Arrival> = understood(records::history());
    let here = records::here();
    let found = find(asked.as_ref(), &history, &here, clock::since_1970());
    Looked { found: with_reason(found), asked, history }
}

/// The same for whoever may not read it: none.
pub(super) fn look_as_root() -> Option<Looked> {
    sys::is_root().then(look)
}

/// # Errors
/// This is somebody else, who may not write it down.
pub(super) fn only_root() -> Result<(), Failure> {
    match sys::is_root() {
        true => Ok(()),
        false => Err(Failure::new(
            Stage::Read,
            "only root can write down how this system came up: run it as root, by sudo for example",
        )),
    }
}

/// Finds out how this system came up, and writes it down unless somebody has.
///
/// # Errors
/// It cannot be written down.
pub(super) fn settle() -> Result<(), Failure> {
    look().settle()
}

/// The same before another kernel takes this one's place, however that is started: what
/// comes next is no answer to the jump to this system. Nothing fails because of it.
pub(super) fn settle_first() {
    let Some(Err(failure)) = look_as_root().map(|looked| looked.settle()) else { return };
    complain(&format!("how this system came up is not written down: {}", failure.sentence()));
}

fn understood<T: Default>(read: Result<T, sys::Error>) -> T {
    read.unwrap_or_else(|error| {
        complain(&format!("{}; it counts for nothing", printable(&error.to_string())));
        T::default()
    })
}

fn with_reason(found: Found) -> Found {
    match found {
        Found::New(arrival) if arrival.may_have_reason() => {
            let reason = reason(&pstore::left_since(arrival.asked_when));
            Found::New(arrival.with_reason(reason))
        }
        found => found,
    }
}

impl Looked {
    /// Whether the system that asked for a jump last has been left.
    pub(super) fn has_left(&self) -> bool {
        self.asked.as_ref().is_some_and(|asked| asked.boot_id != records::boot_id())
    }

    /// Writes down what is new.
    ///
    /// # Errors
    /// It cannot be written down.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        let Found::New(arrival) = &self.found else { return Ok(()) };
        let kept = keep(arrival, self.history.clone());
        kept.map_err(|error| Failure::new(Stage::Read, error))?;
        journal::tell(&event(arrival));
        Ok(())
    }

    /// A line for people.
    pub(super) fn sentence(&self) -> String {
        sentence(&self.found)
    }

    /// What is asked for and still ahead.
    pub(super) fn ahead(&self) -> Option<String> {
        let asked = self.asked.as_ref().filter(|_| !self.has_left())?;
        let (way, what) = (asked.way.name(), printable(asked.what()));
        Some(format!("{way} to {what} at {}", utc(asked.when)))
    }

    /// Whether a jump has an answer.
    pub(super) fn has_any(&self) -> bool {
        self.newest_first().next().is_some()
    }

    /// A line for each system that was asked for, the newest first.
    pub(super) fn lines(&self) -> Vec<String> {
        self.newest_first().map(line).collect()
    }

    /// The same as objects.
    pub(super) fn write_list(&self, list: &mut Array<'_>) {
        self.newest_first().for_each(|arrival| list.object(|out| write(arrival, out)));
    }

    /// What this system has found out and not written down comes first.
    fn newest_first(&self) -> impl Iterator<Item = &Arrival> {
        let new = match &self.found {
            Found::New(arrival) => Some(arrival),
            _ => None,
        };
        new.into_iter().chain(self.history.iter().rev())
    }

    /// Its members.
    pub(super) fn write_json(&self, out: &mut Object<'_>) {
        out.text("how", self.found.how().name());
        if let Some(arrival) = self.found.arrival() {
            write_rest(arrival, out);
        }
    }
}

/// First what has failed, then the answer, so that one that is interrupted is done again.
fn keep(arrival: &Arrival, history: Vec<Arrival>) -> Result<(), sys::Error> {
    if let Some(failed) = arrival.failed(&understood(records::failed())) {
        records::keep_failed(&failed)?;
    }
    records::keep_arrival(arrival, history)
}

fn sentence(found: &Found) -> String {
    match found.arrival() {
        Some(arrival) => printable(&arrival.sentence()).into_owned(),
        None => CameUp::NotAsked.sentence().to_owned(),
    }
}

fn line(arrival: &Arrival) -> String {
    format!("{}  {}", utc(arrival.when), printable(&arrival.sentence()))
}

fn write(arrival: &Arrival, out: &mut Object<'_>) {
    out.text("how", arrival.how.name());
    write_rest(arrival, out);
}

fn write_rest(arrival: &Arrival, out: &mut Object<'_>) {
    out.maybe_text("reason", arrival.reason.as_deref());
    out.maybe_text("entry", arrival.entry.as_deref());
    out.text("from", &arrival.pair.from);
    out.text("to", &arrival.pair.to);
    out.text("release", &arrival.release);
    out.text("boot_id", &arrival.boot_id);
    out.number("when", arrival.when);
    out.number("asked_when", arrival.asked_when);
    out.text("asked_by", &arrival.asked_by);
}

fn event(arrival: &Arrival) -> Event {
    let what = if arrival.how.is_failure() { What::CameUpOtherwise } else { What::CameUp };
    let event = Event::new(what, format!("this system came up {}", arrival.sentence()))
        .with("HOW", arrival.how.name())
        .with("FROM", &arrival.pair.from)
        .with("TO", &arrival.pair.to);
    let entry = arrival.entry.iter().fold(event, |event, entry| event.with("ENTRY", entry));
    arrival.reason.iter().fold(entry, |event, reason| event.with("REASON", reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;
    use crate::base::json;
    use crate::host::proof::Here;
    use crate::host::record::Way;
    use serde_json::json;

    fn asked(boot_id: &str) -> Asked {
        Asked {
            way: Way::Kexec,
            when: 0,
            boot_id: boot_id.to_owned(),
            from: "6.1".to_owned(),
            entry: Some("deb\u{1b}ian".to_owned()),
            to: Some("6.12".to_owned()),
            kernel: Digest([0; 32]),
            initrds: Vec::new(),
            cmdline: String::new(),
            token: Some("kexec-1".to_owned()),
            fallback: None,
            watchdog: false,
            was_reset: false,
        }
    }

    fn looked(asked: Asked, history: Vec<Arrival>) -> Looked {
        let here = Here { boot_id: "two".to_owned(), ..Here::default() };
        let found = find(Some(&asked), &history, &here, 60);
        Looked { found, asked: Some(asked), history }
    }

    fn in_json(looked: &Looked) -> serde_json::Value {
        let text = json::object(|out| {
            out.object("came_up", |out| looked.write_json(out));
            out.array("jumps", |list| looked.write_list(list));
        });
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_is_found_out_is_told_before_it_is_written_down() {
        let looked = looked(asked("one"), Vec::new());
        let said = "by the firmware, although kexec was asked for (deb\\u{1b}ian, 6.1 to 6.12)";
        assert_eq!(looked.sentence(), said);
        assert_eq!(looked.lines(), [format!("1970-01-01 00:01:00 UTC  {said}")]);
        assert_eq!((looked.has_left(), looked.ahead()), (true, None));
        let expected = json!({
            "how": "by-firmware", "reason": null, "entry": "deb\u{1b}ian", "from": "6.1",
            "to": "6.12", "release": "", "boot_id": "two", "when": 60, "asked_when": 0,
            "asked_by": "one",
        });
        assert_eq!(in_json(&looked), json!({ "came_up": &expected, "jumps": [&expected] }));
    }

    #[test]
    fn what_was_written_down_is_told_once_the_newest_first() {
        let Found::New(first) = looked(asked("one"), Vec::new()).found else { panic!() };
        let older = Arrival { boot_id: "zero".to_owned(), when: 1, ..first.clone() };
        let looked = looked(asked("one"), vec![older, first]);
        let lines = looked.lines();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("1970-01-01 00:01:00 UTC  by the firmware"), "{lines:?}");
        assert!(lines[1].starts_with("1970-01-01 00:00:01 UTC  by the firmware"), "{lines:?}");
    }

    #[test]
    fn a_start_that_nobody_asked_for_is_not_explained() {
        let looked = Looked { found: Found::Unasked, asked: None, history: Vec::new() };
        assert_eq!(looked.sentence(), "not known: no jump to it was written down");
        assert!(!looked.has_any() && !looked.has_left());
        let expected = json!({ "came_up": { "how": "not-asked" }, "jumps": [] });
        assert_eq!(in_json(&looked), expected);
    }

    #[test]
    fn a_failure_is_told_the_journal_as_one() {
        let Found::New(arrival) = looked(asked("one"), Vec::new()).found else { panic!() };
        let told = event(&arrival);
        assert_eq!(told.what, What::CameUpOtherwise);
        assert!(told.sentence.starts_with("this system came up by the firmware, although"));
        let success = Arrival { how: CameUp::ByKexec, ..arrival };
        assert_eq!(event(&success).what, What::CameUp);
    }
}
