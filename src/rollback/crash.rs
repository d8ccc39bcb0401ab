//! Every write of slots that the simulator of [`crate::slots`] has come to, cut off in every
//! way: after each sector, inside of each, with the sectors in either order or any of them
//! missing, and refused by the disk. Whatever is left, the next start finds the floors as
//! they were, and the slots as they were before the write or after it; and can write.

use std::collections::HashSet;

use super::generations::{Place, Write};
use super::store::{Fault, Media, Medium, Missing, Store};
use super::{Floors, Strength};
use crate::slots::{Slots, simulator};

const SECTOR: usize = 512;
const PAGE: usize = 4096;
const FLOORS: Floors = Floors { boot: 7, recovery: 3 };

/// The area: what it has, and what it is told to write.
#[derive(Clone)]
struct Disk {
    places: [Vec<u8>; 2],
    told: Vec<(usize, Vec<u8>)>,
    /// Whether it takes nothing, and what it says.
    refuses: Option<&'static str>,
}

impl Medium for Disk {
    fn read(&mut self) -> Result<[Result<Vec<u8>, String>; 2], Fault> {
        Ok(self.places.clone().map(Ok))
    }

    fn write(&mut self, write: &Write) -> Result<(), Fault> {
        if let Some(why) = self.refuses {
            return Err(Fault::Medium(why.to_owned()));
        }
        let place = usize::from(write.place.index());
        self.places[place].clone_from(&write.bytes);
        self.told.push((place, write.bytes.clone()));
        Ok(())
    }

    fn create(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

impl Disk {
    fn act<T>(&mut self, factory: bool, act: impl FnOnce(&mut Store, &mut Media<'_>) -> T) -> T {
        let mut index = Missing(Fault::NoTpm);
        let mut media = Media { area: self, index: &mut index };
        let floors = Some(FLOORS).filter(|_| factory);
        let mut store = Store::open(Strength::Advisory, floors, &mut media);
        act(&mut store, &mut media)
    }

    fn with(slots: &Slots) -> Self {
        let places = [vec![0; PAGE], vec![0; PAGE]];
        let mut disk = Self { places, told: Vec::new(), refuses: None };
        disk.act(true, |store, media| store.keep_slots(slots, media)).unwrap();
        disk.told.clear();
        disk
    }

    fn keep(&mut self, slots: &Slots) -> Result<(), Fault> {
        self.act(false, |store, media| store.keep_slots(slots, media))
    }

    /// Slots and floors, if there is no fault.
    fn found(&mut self) -> Result<Slots, String> {
        self.act(false, |store, _| match store.fault() {
            Some(fault) => Err(fault.to_string()),
            None if store.floors() != FLOORS => Err("the floors are others".to_owned()),
            None => Ok(store.slots()),
        })
    }
}

/// A place while it is written: the sectors that this number has a bit for are new, and of
/// the first one that is not, so many bytes.
fn torn(old: &[u8], new: &[u8], landed: u32, bytes: usize) -> Vec<u8> {
    let mut place = old.to_vec();
    let mut rest = bytes;
    for (number, at) in (0..PAGE).step_by(SECTOR).enumerate() {
        let is_new = landed & (1 << number) != 0;
        let length = if is_new { SECTOR } else { core::mem::take(&mut rest) };
        place[at..at + length].copy_from_slice(&new[at..at + length]);
    }
    place
}

/// All that a place can be while it is written, each once: the sectors may land in any
/// order, and one of them may be torn: at its first byte, before its last, or between.
fn images(old: &[u8], new: &[u8]) -> HashSet<Vec<u8>> {
    let landed = 0..1_u32 << (PAGE / SECTOR);
    // What does not change makes no image of its own.
    let changes = |number: usize| {
        let at = number * SECTOR;
        old[at..at + SECTOR] != new[at..at + SECTOR]
    };
    let same: u32 = (0..PAGE / SECTOR).filter(|it| !changes(*it)).map(|it| 1 << it).sum();
    let landed = landed.filter(|landed| landed & same == same);
    let torn_at = [0, 1, 11, 30, 57, 100, 200, 300, 400, 511];
    landed.flat_map(|landed| torn_at.map(|bytes| torn(old, new, landed, bytes))).collect()
}

/// Tries every image of a write; gives how many there are.
fn cut_everywhere(before: &Slots, after: &Slots) -> usize {
    let whole = Disk::with(before);
    let mut written = whole.clone();
    written.keep(after).unwrap();
    assert_eq!(written.told.len(), 1, "one write");
    let (place, new) = written.told.remove(0);
    let images = images(&whole.places[place], &new);
    for image in &images {
        let mut cut = whole.clone();
        cut.places[place].clone_from(image);
        let found = cut.found().unwrap();
        let is_new = *image == new;
        assert_eq!(&found, if is_new { after } else { before }, "{before:?} {after:?}");
        cut.keep(after).unwrap();
        assert_eq!(cut.found().as_ref(), Ok(after));
    }
    images.len()
}

/// A disk that refuses changes nothing, and the next start can write if it does not.
fn refused(before: &Slots, after: &Slots) {
    for why in ["Input/output error", "No space left on device", "Read-only file system"] {
        let mut disk = Disk { refuses: Some(why), ..Disk::with(before) };
        assert_eq!(disk.keep(after), Err(Fault::Medium(why.to_owned())));
        assert_eq!(disk.found().as_ref(), Ok(before));
        disk.refuses = None;
        disk.keep(after).unwrap();
        assert_eq!(disk.found().as_ref(), Ok(after));
    }
}

fn all_writes_of(length: usize) {
    let mut images = 0;
    let mut writes = 0;
    for (before, after) in simulator::writes(length) {
        if before != after {
            images += cut_everywhere(&before, &after);
            refused(&before, &after);
            writes += 1;
        }
    }
    println!("{writes} writes of sequences of up to {length}: {images} images after a cut");
    assert!(images > 8 * writes, "{images} of {writes}");
}

#[test]
fn a_cut_anywhere_in_a_write_leaves_the_slots_as_before_it_or_after_it() {
    all_writes_of(1);
}

#[test]
#[ignore = "for the long run, in release: minutes"]
fn a_cut_anywhere_in_a_write_of_longer_sequences_leaves_them_so_too() {
    all_writes_of(3);
}

/// Two writes of a start, one after the other.
fn two_writes() -> [Slots; 3] {
    let mut slots = Slots::default();
    slots.declare(["A", "B"].into_iter(), 3);
    let first = Slots { once: Some("A".to_owned()), ..slots.clone() };
    let second = Slots { once: Some("B".to_owned()), ..slots.clone() };
    [slots, first, second]
}

#[test]
fn without_the_flush_between_two_writes_this_test_would_fail() {
    let [before, first, second] = two_writes();
    let whole = Disk::with(&before);
    let mut written = whole.clone();
    written.keep(&first).unwrap();
    written.keep(&second).unwrap();
    let [(one, new_one), (other, new_other)] = <[_; 2]>::try_from(written.told).unwrap();
    let mut is_lost = false;
    for image in images(&whole.places[one], &new_one) {
        for other_image in images(&whole.places[other], &new_other) {
            let mut cut = whole.clone();
            cut.places[one].clone_from(&image);
            cut.places[other] = other_image;
            is_lost |= cut.found().is_err();
        }
    }
    assert!(is_lost, "both writes may be torn");
}

#[test]
fn a_writer_that_goes_over_the_newest_place_is_found_out() {
    let [before, after, _] = two_writes();
    let whole = Disk::with(&before);
    let mut written = whole.clone();
    written.keep(&after).unwrap();
    let (place, _) = written.told.remove(0);
    let newest = 1 - place;
    let old = &whole.places[newest];
    let is_lost = images(old, &written.places[place]).into_iter().any(|image| {
        let mut cut = whole.clone();
        cut.places[newest] = image;
        let found = cut.found();
        found.as_ref() != Ok(&before) && found.as_ref() != Ok(&after)
    });
    assert!(is_lost);
    assert_eq!([Place::First, Place::Second].map(Place::index), [0, 1]);
}
