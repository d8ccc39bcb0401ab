//! Which of the members of a mirror is read: members of one array are one device.
//!
//! The one that is newest of those that are there, at once: the others are not waited
//! for. One that comes later and is newer takes its place, unless it can be taken out and
//! that one is built in, or comes long after: whoever plugs something in does not choose
//! what is read.

use core::cmp::Reverse;
use core::mem;
use core::time::Duration;

use crate::source::Candidate;

/// One that comes so long after another one of its array was plugged in by somebody,
/// whatever its disk says.
const LATE: Duration = Duration::from_secs(20);

/// The members that are there of arrays that can be read from one of them.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    all: Vec<Half>,
}

#[derive(Debug)]
struct Half {
    candidate: Candidate,
    worth: u8,
    /// When it came, after the start.
    came: Duration,
    is_plugged_in: bool,
    has_failed: bool,
    /// Whether it was let go again without an entry, or was read and has none.
    is_empty: bool,
    is_read: bool,
}

/// What comes of members that came and went.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Names of those that are read no more, another one being better.
    pub(super) replaced: Vec<String>,
    /// Those that are to be read now.
    pub(super) read: Vec<Candidate>,
    /// Those that are not, another one being as good.
    pub(super) passed: Vec<Candidate>,
}

impl Mirrors {
    /// Takes note of devices that are gone, and of members that are new. How much a
    /// member is wanted is said by `worth`: the more, the better.
    pub(super) fn turn(
        &mut self,
        gone: &[String],
        fresh: Vec<Candidate>,
        now: Duration,
        worth: impl Fn(&Candidate) -> u8,
    ) -> Turn {
        self.all.retain(|half| !gone.contains(&half.candidate.name));
        let known = self.all.len();
        for candidate in fresh {
            let half = Half {
                worth: worth(&candidate),
                came: now,
                is_plugged_in: self.can_be_taken_out(&candidate, now),
                candidate,
                has_failed: false,
                is_empty: false,
                is_read: false,
            };
            self.all.push(half);
        }
        self.settle(known)
    }

    /// Cards do not say that they are removable.
    fn can_be_taken_out(&self, candidate: &Candidate, now: Duration) -> bool {
        let mut others = self.all.iter();
        candidate.removable
            || candidate.disk.starts_with("mmcblk")
            || others.any(|other| {
                let end = other.came.saturating_add(LATE);
                end <= now && other.candidate.is_mirror_of(candidate)
            })
    }

    /// Whether another one of its array is read, and well.
    pub(super) fn is_spare(&self, candidate: &Candidate) -> bool {
        let mut others = self.all.iter().filter(|half| half.candidate.name != candidate.name);
        others
            .any(|half| half.is_read && !half.has_failed && half.candidate.is_mirror_of(candidate))
    }

    /// Takes note of one without an entry: it is read all the same where no other is as
    /// good, for its files.
    pub(super) fn set_empty(&mut self, name: &str, is_empty: bool) {
        let mut all = self.all.iter_mut();
        if let Some(half) = all.find(|half| half.candidate.name == name) {
            half.is_empty = is_empty;
        }
    }

    /// What is to be read in the place of one that has no entry.
    pub(super) fn lack(&mut self, name: &str) -> Option<Candidate> {
        self.set_empty(name, true);
        let other = self.settle(self.all.len()).read.pop();
        self.set_empty(name, other.is_some());
        other
    }

    /// Takes note of one that could not be read; what is to be read in its place, if
    /// there is another one that has not failed too.
    pub(super) fn fail(&mut self, name: &str) -> Option<Candidate> {
        let mut failed = self.all.iter_mut().filter(|half| half.candidate.name == name);
        failed.next()?.has_failed = true;
        self.settle(self.all.len()).read.pop()
    }

    /// What comes of what is known now, of which the first ones were known before.
    fn settle(&mut self, known: usize) -> Turn {
        let is_read = |half: &Half| (half.is_read || !half.has_failed) && self.is_best(half);
        let are_read: Vec<bool> = self.all.iter().map(is_read).collect();
        let mut turn = Turn::default();
        for (at, (half, is_read)) in self.all.iter_mut().zip(are_read).enumerate() {
            let was_read = mem::replace(&mut half.is_read, is_read);
            match (was_read, is_read) {
                (false, true) => turn.read.push(half.candidate.clone()),
                (true, false) => turn.replaced.push(half.candidate.name.clone()),
                _ => {}
            }
            if !is_read && (was_read || at >= known) {
                turn.passed.push(half.candidate.clone());
            }
        }
        turn
    }

    /// Of those that are alike in everything the first.
    fn is_best(&self, half: &Half) -> bool {
        let others = self.all.iter().filter(|other| other.candidate.is_mirror_of(&half.candidate));
        let best = others.rev().max_by_key(|other| other.merit());
        best.is_some_and(|best| core::ptr::eq(best, half))
    }

    /// How many members of its array are there.
    pub(super) fn count(&self, candidate: &Candidate) -> usize {
        self.all.iter().filter(|half| half.candidate.is_mirror_of(candidate)).count()
    }
}

impl Half {
    fn merit(&self) -> impl Ord + use<> {
        let member = self.candidate.read_member();
        let (events, has_all, number) =
            member.map_or((0, false, Reverse(0)), |member| member.freshness());
        // What is read already is not given up for one that has no more to tell.
        let is_last = self.has_failed && self.is_read;
        let place = (!self.has_failed, is_last, self.worth, !self.is_plugged_in);
        let has_files = (!self.is_empty, self.is_read && self.is_empty);
        (place, has_files, events, self.is_read, has_all, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::raid::Place;
    use crate::source::{FileSystem, Member, filesystem::Kind};

    const FRESH: &[u8] = include_bytes!("../../tests/data/raid/fresh");
    const STALE: &[u8] = include_bytes!("../../tests/data/raid/stale");
    const OTHER: &[u8] = include_bytes!("../../tests/data/raid/1.2-first");
    const SECOND: &[u8] = include_bytes!("../../tests/data/raid/1.2-second");

    fn half(name: &str, superblock: &[u8]) -> Candidate {
        let filesystem = Some(FileSystem { kind: Kind::Ext4, uuid: None, label: None });
        Candidate {
            name: name.to_owned(),
            disk: name.to_owned(),
            kind: None,
            is_partitioned: false,
            no_auto: false,
            partuuid: None,
            partlabel: None,
            filesystem,
            member: Some(Member::parse(superblock, Place::V1_2, 24 << 20).unwrap()),
            removable: false,
            size: 24 << 20,
            fault: None,
        }
    }

    fn stick(name: &str, superblock: &[u8]) -> Candidate {
        Candidate { removable: true, ..half(name, superblock) }
    }

    /// Names of what is replaced, read and passed over.
    type Names = [Vec<String>; 3];

    fn names(turn: &Turn) -> Names {
        let names = |all: &[Candidate]| all.iter().map(|one| one.name.clone()).collect();
        [turn.replaced.clone(), names(&turn.read), names(&turn.passed)]
    }

    fn come(mirrors: &mut Mirrors, gone: &[&str], fresh: &[Candidate]) -> Names {
        let gone: Vec<String> = gone.iter().map(|name| (*name).to_owned()).collect();
        names(&mirrors.turn(&gone, fresh.to_vec(), Duration::ZERO, worth))
    }

    fn worth(candidate: &Candidate) -> u8 {
        candidate.name.starts_with("slot").into()
    }

    fn expected(words: [&[&str]; 3]) -> Names {
        words.map(|names| names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn of_what_is_there_the_newest_is_read_and_of_equals_the_first() {
        let mut mirrors = Mirrors::default();
        let all = [half("vda", STALE), half("vdb", FRESH), half("vdc", SECOND), half("vdd", OTHER)];
        let came = come(&mut mirrors, &[], &all);
        assert_eq!(came, expected([&[], &["vdb", "vdd"], &["vda", "vdc"]]));
        assert_eq!(mirrors.count(&all[0]), 2);
        assert_eq!(come(&mut mirrors, &[], &[]), expected([&[], &[], &[]]));
    }

    #[test]
    fn one_that_comes_later_replaces_an_older_and_no_equal_one() {
        let mut mirrors = Mirrors::default();
        let early = [half("vda", STALE), half("vdc", SECOND)];
        assert_eq!(come(&mut mirrors, &[], &early), expected([&[], &["vda", "vdc"], &[]]));
        let late = [half("vdb", FRESH), half("vdd", OTHER)];
        let came = come(&mut mirrors, &[], &late);
        assert_eq!(came, expected([&["vda"], &["vdb"], &["vda", "vdd"]]));
    }

    #[test]
    fn what_is_left_is_read_where_another_is_gone_or_cannot_be() {
        let mut mirrors = Mirrors::default();
        let all = [half("vda", STALE), half("vdb", FRESH), half("vdc", OTHER)];
        come(&mut mirrors, &[], &all);
        assert_eq!(come(&mut mirrors, &["vdb"], &[]), expected([&[], &["vda"], &[]]));
        let back = come(&mut mirrors, &[], &all[1..2]);
        assert_eq!(back, expected([&["vda"], &["vdb"], &["vda"]]));
        assert_eq!(mirrors.fail("vdb").map(|other| other.name), Some("vda".to_owned()));
        assert!(!mirrors.is_spare(&all[0]) && mirrors.is_spare(&all[1]));
        // What failed is not tried again, not even where the other one fails too or goes.
        assert_eq!(mirrors.fail("vda"), None);
        assert!(!mirrors.is_spare(&all[1]));
        assert_eq!(come(&mut mirrors, &["vda"], &[]), expected([&[], &[], &[]]));
        assert_eq!(mirrors.fail("vdc"), None);
        assert_eq!(mirrors.fail("vdx"), None);
    }

    #[test]
    fn what_can_be_taken_out_never_comes_before_what_is_built_in() {
        let mut mirrors = Mirrors::default();
        let came = come(&mut mirrors, &[], &[stick("sda", FRESH)]);
        assert_eq!(came, expected([&[], &["sda"], &[]]));
        let came = come(&mut mirrors, &[], &[half("vda", STALE)]);
        assert_eq!(came, expected([&["sda"], &["vda"], &["sda"]]));
        let came = come(&mut mirrors, &["sda"], &[stick("sdb", FRESH)]);
        assert_eq!(came, expected([&[], &[], &["sdb"]]));
    }

    #[test]
    fn what_looks_built_in_and_was_plugged_in_does_not_come_before_what_is() {
        let card = Candidate { disk: "mmcblk0".to_owned(), ..half("mmcblk0p1", FRESH) };
        let other = [half("vda", STALE)];
        let mut mirrors = Mirrors::default();
        come(&mut mirrors, &[], &other);
        assert_eq!(come(&mut mirrors, &[], &[card]), expected([&[], &[], &["mmcblk0p1"]]));
        for (seconds, read) in [(19, vec!["vdb"]), (20, Vec::new())] {
            let mut mirrors = Mirrors::default();
            come(&mut mirrors, &[], &other);
            let now = Duration::from_secs(seconds);
            let turn = mirrors.turn(&[], vec![half("vdb", FRESH)], now, worth);
            assert_eq!(names(&turn)[1], read, "{seconds}");
        }
    }

    #[test]
    fn one_without_an_entry_gives_way_to_another_but_not_to_what_was_plugged_in() {
        let mut mirrors = Mirrors::default();
        come(&mut mirrors, &[], &[half("vdb", FRESH), half("vda", STALE)]);
        assert_eq!(mirrors.lack("vdb").map(|other| other.name), Some("vda".to_owned()));
        // Neither has one: what is there stays, also where another one comes.
        assert_eq!(mirrors.lack("vda"), None);
        assert_eq!(come(&mut mirrors, &[], &[half("vdc", STALE)])[1], [""; 0]);
        // It was let go.
        mirrors.set_empty("vda", true);
        assert_eq!(come(&mut mirrors, &["vdc"], &[stick("sda", FRESH)])[1], [""; 0]);
        assert_eq!(come(&mut mirrors, &[], &[half("vdd", STALE)])[1], ["vdd"]);
        assert_eq!(come(&mut mirrors, &["vda", "vdd"], &[])[1], ["vdb"]);
        assert_eq!(mirrors.lack("vdx"), None);
    }

    #[test]
    fn a_member_that_a_slot_names_is_the_one_that_is_read() {
        let mut mirrors = Mirrors::default();
        let came = come(&mut mirrors, &[], &[half("vdb", FRESH), half("slot", STALE)]);
        assert_eq!(came, expected([&[], &["slot"], &["vdb"]]));
    }
}
