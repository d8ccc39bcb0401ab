//! Which of the members of a mirror is read: members of one array are one device.
//!
//! The one that is newest of those that are there, at once: the others are not waited
//! for. One that comes later and is newer takes its place, unless it can be taken out and
//! that one is built in: whoever plugs in a stick does not choose what is read.

use core::cmp::Reverse;
use core::mem;

use crate::source::Candidate;

/// The members that are there of arrays that can be read from one of them.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    all: Vec<Half>,
}

#[derive(Debug)]
struct Half {
    candidate: Candidate,
    worth: u8,
    has_failed: bool,
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
        worth: impl Fn(&Candidate) -> u8,
    ) -> Turn {
        self.all.retain(|half| !gone.contains(&half.candidate.name));
        let known = self.all.len();
        self.all.extend(fresh.into_iter().map(|candidate| Half {
            worth: worth(&candidate),
            candidate,
            has_failed: false,
            is_read: false,
        }));
        self.settle(known)
    }

    /// Takes note of one that could not be read; what is to be read in its place, if
    /// there is another one.
    pub(super) fn fail(&mut self, name: &str) -> Option<Candidate> {
        let mut failed = self.all.iter_mut().filter(|half| half.candidate.name == name);
        failed.next()?.has_failed = true;
        self.settle(self.all.len()).read.pop()
    }

    /// What comes of what is known now, of which the first ones were known before.
    fn settle(&mut self, known: usize) -> Turn {
        let are_read: Vec<bool> = self.all.iter().map(|half| self.is_best(half)).collect();
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
        let is_built_in = !self.candidate.removable;
        (!self.has_failed, self.worth, is_built_in, events, self.is_read, has_all, number)
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
        names(&mirrors.turn(&gone, fresh.to_vec(), |one| u8::from(one.name.starts_with("slot"))))
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
        assert_eq!(mirrors.fail("vda").map(|other| other.name), Some("vdb".to_owned()));
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
    fn a_member_that_a_slot_names_is_the_one_that_is_read() {
        let mut mirrors = Mirrors::default();
        let came = come(&mut mirrors, &[], &[half("vdb", FRESH), half("slot", STALE)]);
        assert_eq!(came, expected([&[], &["slot"], &["vdb"]]));
    }
}
