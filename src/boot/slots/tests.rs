//! What a start does with slots, devices and entries.

use super::*;
use crate::failure::Stage as Step;
use crate::menu::bls::file_name::Counter;
use crate::source::{Guid, PartitionType};
use crate::trust::verify::Mode;

fn config(text: &str) -> Config {
    crate::config::read("config", &["mode open\n", text].concat()).unwrap()
}

fn two() -> Config {
    config("slot A PARTUUID=aa\nslot B PARTUUID=bb\n")
}

fn device(partuuid: &str) -> Candidate {
    Candidate {
        name: ["vd", partuuid].concat(),
        disk: "vda".to_owned(),
        kind: Some(PartitionType::Gpt(Guid::LINUX_FILE_SYSTEM)),
        is_partitioned: false,
        no_auto: false,
        partuuid: Some(partuuid.to_owned()),
        partlabel: None,
        filesystem: None,
        member: None,
        removable: false,
        size: 1 << 30,
        fault: None,
    }
}

fn entry(id: &str, left: Option<u32>) -> Entry {
    let counter = left.map(|left| Counter { left, done: 0 });
    Entry { id: id.to_owned(), counter, ..Entry::default() }
}

/// A start with what is in the state area.
fn start(config: &Config, stored: Slots) -> Starts {
    let mut starts = Starts::new(config);
    starts.open(config, Some(stored), false);
    starts.plan(config);
    starts
}

fn taking<'a>(slot: Option<&'a str>, entry: &'a Entry, by_hand: bool) -> Taking<'a> {
    Taking { slot, entry, role: Role::Boot, is_once: false, by_hand }
}

fn left(starts: &Starts, name: &str) -> u8 {
    starts.slots.get(name).unwrap().left
}

/// Both slots as they are once A is blessed.
fn good(config: &Config) -> Slots {
    let mut starts = start(config, Slots::default());
    starts.mounts(&device("aa"));
    starts.takes(&taking(Some("A"), &entry("a", None), false));
    starts.jumps("a", None);
    starts.slots.bless().unwrap();
    starts.slots
}

#[test]
fn the_lowest_rank_is_first_and_within_one_the_order_stays() {
    let same = Some((Turn::Tries, 0, 0));
    let ranks = [Some((Turn::Tries, 1, 0)), None, same, same];
    let first = |order: &[usize]| first(order.iter().copied(), |index| ranks[index]);
    assert_eq!(first(&[0, 1, 2, 3]), Some(2));
    assert_eq!(first(&[3, 0, 1, 2]), Some(3));
    assert_eq!(first(&[1]), None);
}

#[test]
fn the_try_is_spent_at_the_mount_of_the_slot_s_own_device_and_no_other_is_wanted_before() {
    let config = two();
    let mut starts = start(&config, Slots::default());
    assert_eq!(starts.target(), Some(Selector::PartUuid("aa".to_owned())));
    starts.mounts(&device("aa"));
    starts.sees(&device("aa"));
    assert_eq!((left(&starts, "A"), left(&starts, "B")), (2, 3));
    assert_eq!(starts.target(), None, "others may be read now");
    starts.mounts(&device("bb"));
    starts.sees(&device("bb"));
    let attempt = starts.slots.attempt.clone().unwrap();
    assert_eq!((attempt.slot, attempt.device.as_deref()), (Some(0), Some("PARTUUID=bb")));
    starts.gives_up("A", Outcome::Refused);
    assert_eq!(starts.target(), None, "the menu of B is there already");
    assert_eq!((starts.current(), left(&starts, "B")), (vec!["B".to_owned()], 3));
}

#[test]
fn a_device_that_never_comes_costs_its_slot_a_try() {
    let mut starts = start(&two(), Slots::default());
    let said = starts.lacks_device().unwrap();
    assert_eq!(said, "slot A is not there: no device is PARTUUID=aa");
    assert_eq!((left(&starts, "A"), starts.slots.history[0].outcome), (2, Outcome::Failed));
    assert_eq!(starts.target(), Some(Selector::PartUuid("bb".to_owned())));
}

#[test]
fn however_often_a_start_searches_a_slot_pays_once() {
    let config = two();
    let mut starts = start(&config, Slots::default());
    for _ in 0..3 {
        starts.plan(&config);
        starts.lacks_device();
        starts.lacks_device();
        starts.ends(&Failure::new(Step::Discover, "nothing"));
    }
    assert_eq!((left(&starts, "A"), left(&starts, "B")), (2, 2));
    let next = start(&config, starts.slots);
    let mut next = Starts { paid: Vec::new(), ..next };
    next.lacks_device();
    assert_eq!(left(&next, "A"), 1, "the next start pays again");
}

#[test]
fn however_often_a_start_searches_it_is_one_start_of_each_slot() {
    let config = two();
    let mut starts = start(&config, good(&config));
    for _ in 0..3 {
        starts.plan(&config);
        for (slot, own) in [("A", "aa"), ("B", "bb")] {
            starts.mounts(&device(own));
            starts.sees(&device(own));
            starts.gives_up(slot, Outcome::Refused);
        }
        starts.ends(&Failure::new(Step::Discover, "nothing"));
    }
    let slots = &starts.slots;
    let history: Vec<_> = slots.history.iter().map(|start| (start.slot, start.outcome)).collect();
    let refused = |slot| (Some(slot), Outcome::Refused);
    assert_eq!(history, [refused(1), refused(0), (Some(0), Outcome::Confirmed)]);
    assert_eq!(slots.counters.starts, 3);
    let next = start(&config, starts.slots.clone());
    let mut next = Starts { over: 0, ..next };
    next.mounts(&device("aa"));
    assert_eq!(next.slots.counters.starts, 4, "the next start is another one");
}

#[test]
fn resets_by_a_watchdog_are_counted_though_the_last_start_was_confirmed() {
    let config = two();
    let stored = good(&config);
    let mut starts = Starts::new(&config);
    assert_eq!(starts.open(&config, Some(stored.clone()), true), [""; 0]);
    assert_eq!(starts.slots.counters.watchdogs, 1);
    assert_eq!(start(&config, stored).slots.counters.watchdogs, 0);
    let config = self::config("");
    let mut starts = Starts::new(&config);
    starts.open(&config, Some(Slots::default()), true);
    assert_eq!(starts.slots, Slots::default(), "where nothing is counted nothing is written");
}

#[test]
fn that_names_are_not_counted_without_a_store_is_said_once() {
    let entries = [entry("a", Some(3)), entry("b", Some(3))];
    let said = |text: &str, stored: Option<Slots>| {
        let config = config(text);
        let mut starts = Starts::new(&config);
        starts.open(&config, stored, false);
        let said = starts.hears(&entries[0], None);
        assert_eq!(starts.hears(&entries[1], None), None);
        said.unwrap_or_default()
    };
    let expected = "boot counters are not counted: there is no state area";
    assert_eq!(said("", None), expected);
    assert_eq!(said("", Some(Slots::default())), "");
    assert_eq!(said("count off\n", None), "");
    assert_eq!(said("slot A PARTUUID=aa\n", None), "");
}

#[test]
fn two_devices_that_kill_in_turn_let_the_slots_boot_at_the_third_start() {
    let config = two();
    let mut slots = Slots::default();
    for killer in ["cc", "dd"] {
        let mut starts = start(&config, slots);
        starts.mounts(&device("aa"));
        starts.mounts(&device(killer));
        slots = starts.slots;
    }
    let third = start(&config, slots);
    let passed = ["aa", "bb", "cc", "dd"].map(|it| third.is_killer(&config, &device(it)));
    assert_eq!(passed, [false, true, true, true], "only what is tried");
}

#[test]
fn of_two_that_kill_in_turn_the_second_is_paid_for_and_only_the_slot_s_own_is_mounted_then() {
    let config = two();
    let mut slots = Slots::default();
    for killer in ["bb", "cc"] {
        let mut starts = start(&config, slots);
        starts.mounts(&device("aa"));
        starts.sees(&device("aa"));
        starts.mounts(&device(killer));
        slots = starts.slots;
    }
    let third = start(&config, slots);
    let passed = ["aa", "bb", "cc", "dd"].map(|it| third.is_killer(&config, &device(it)));
    assert_eq!(passed, [false, true, true, true]);
    assert_eq!(left(&third, "A"), 2, "the first end cost nothing, the second did");
}

#[test]
fn a_start_of_a_good_slot_is_written_once_before_the_jump() {
    let config = two();
    let mut starts = start(&config, good(&config));
    starts.mounts(&device("aa"));
    let written = starts.slots.clone();
    starts.sees(&device("aa"));
    starts.mounts(&device("bb"));
    starts.takes(&taking(Some("A"), &entry("a", None), false));
    starts.jumps("a", None);
    assert_eq!(starts.slots, written);
}

#[test]
fn where_good_starts_are_not_counted_they_change_nothing() {
    let config = config("slot A PARTUUID=aa\nslot B PARTUUID=bb\ncount unconfirmed\n");
    let stored = good(&config);
    let mut starts = start(&config, stored.clone());
    starts.mounts(&device("aa"));
    starts.takes(&taking(Some("A"), &entry("a", None), false));
    starts.jumps("a", None);
    assert_eq!(starts.slots, stored);
}

#[test]
fn a_machine_without_slots_and_counters_writes_nothing_whatever_boots() {
    let config = config("");
    let mut starts = start(&config, Slots::default());
    starts.mounts(&device("aa"));
    starts.takes(&taking(Some("a"), &entry("a", None), false));
    starts.takes(&taking(Some("b"), &entry("b", None), true));
    starts.jumps("b", None);
    starts.takes(&Taking { role: Role::Recovery, ..taking(Some("r"), &entry("r", None), false) });
    starts.ends(&Failure::new(Step::Read, "gone"));
    assert_eq!(starts.slots, Slots::default());
    assert!(!starts.counts());
}

#[test]
fn whoever_chooses_another_slot_moves_the_try_there() {
    let mut starts = start(&two(), Slots::default());
    starts.mounts(&device("aa"));
    starts.takes(&taking(Some("B"), &entry("b", None), true));
    assert_eq!((left(&starts, "A"), left(&starts, "B")), (3, 2));
    let attempt = starts.slots.attempt.clone().unwrap();
    assert_eq!((attempt.cause, attempt.stage), (Cause::Hand, Stage::Reading));
    starts.leaves();
    assert_eq!((left(&starts, "B"), &starts.slots.attempt), (3, &None));
}

#[test]
fn the_device_whose_mount_ended_the_last_start_is_passed_over_and_its_slot_pays() {
    let config = two();
    let mut starts = start(&config, Slots::default());
    starts.mounts(&device("aa"));
    let mut next = start(&config, starts.slots.clone());
    assert!(next.is_killer(&config, &device("aa")) && !next.is_killer(&config, &device("bb")));
    assert_eq!(left(&next, "A"), 2);
    next.sees(&device("aa"));
    next.gives_up("A", Outcome::Failed);
    assert_eq!(left(&next, "A"), 2, "what is passed over costs nothing more");
    starts.mounts(&device("cc"));
    let next = start(&config, starts.slots);
    assert!(next.is_killer(&config, &device("cc")) && !next.is_killer(&config, &device("aa")));
    assert_eq!(left(&next, "A"), 3, "it was another one's mount");
}

#[test]
fn where_no_write_is_taken_nothing_is_done_for_one_start_as_it_would_be_at_each() {
    let config = two();
    let mut starts = start(&config, Slots::default());
    starts.mounts(&device("aa"));
    starts.slots.once = Some("B".to_owned());
    let mut next = start(&config, starts.slots.clone());
    assert!(next.is_killer(&config, &device("aa")));
    assert_eq!(next.target(), Some(Selector::PartUuid("bb".to_owned())), "once");
    assert_eq!(next.slots.once, None, "what is written next uses it up");
    assert!(next.are_untaken() && !next.are_untaken(), "it is said once");
    next.plan(&config);
    assert!(!next.is_killer(&config, &device("aa")));
    assert_eq!(next.target(), Some(Selector::PartUuid("aa".to_owned())));
    let rescue = entry("rescue", None);
    starts.takes(&Taking { role: Role::Recovery, ..taking(None, &rescue, false) });
    let mut next = start(&config, starts.slots);
    assert!(next.rests_before_recovery());
    next.are_untaken();
    assert!(!next.rests_before_recovery(), "it would never be started");
}

#[test]
fn a_foreign_device_that_kills_is_counted_and_passed_over_though_no_slot_is_left() {
    let config = two();
    let mut exhausted = Slots::default();
    exhausted.declare(["A", "B"].into_iter(), 3);
    exhausted.list.iter_mut().for_each(|slot| slot.left = 0);
    let mut starts = start(&config, exhausted);
    starts.mounts(&device("cc"));
    let attempt = starts.slots.attempt.clone().unwrap();
    assert_eq!((attempt.slot, attempt.device.as_deref()), (None, Some("PARTUUID=cc")));
    let mut next = start(&config, starts.slots);
    assert!(next.is_killer(&config, &device("cc")));
    next.mounts(&device("dd"));
    next.ends(&Failure::new(Step::Discover, "nothing"));
    assert_eq!(next.slots.counters.starts, 2);
    next.mounts(&device("dd"));
    let rescue = entry("rescue", None);
    next.takes(&Taking { role: Role::Recovery, ..taking(None, &rescue, false) });
    let attempt = next.slots.attempt.as_ref().unwrap();
    assert_eq!((attempt.cause, next.slots.counters.recoveries), (Cause::Recovery, 1));
}

#[test]
fn without_declared_slots_the_last_start_s_entry_pays_for_what_is_read_before_the_menu() {
    let config = config("");
    let mut starts = start(&config, Slots::default());
    let debian = entry("debian", Some(3));
    starts.mounts(&device("aa"));
    assert_eq!(starts.slots.attempt, None, "nothing is known yet");
    starts.takes(&taking(Some("debian"), &debian, false));
    assert_eq!(left(&starts, "debian"), 2);
    let mut next = start(&config, starts.slots);
    next.mounts(&device("aa"));
    assert_eq!(left(&next, "debian"), 1);
    assert_eq!(next.rank(Some("debian"), &debian), Some((Turn::Tries, 0)));
    next.takes(&taking(Some("other"), &entry("other", None), true));
    assert_eq!(left(&next, "debian"), 2);
    let said = next.hears(&entry("debian", None), None).unwrap();
    assert_eq!(said, "debian has no counter in its name any more: that confirms it");
}

#[test]
fn a_name_without_its_counter_confirms_only_what_was_started() {
    let config = config("");
    let [started, other] = [b"a", b"b"].map(|it| Some(Digest::of(it)));
    let mut starts = start(&config, Slots::default());
    starts.takes(&taking(Some("debian"), &entry("debian", Some(3)), false));
    starts.jumps("debian", started);
    let mut next = start(&config, starts.slots);
    next.mounts(&device("aa"));
    assert!(next.slots.attempt.is_some(), "it is not known yet");
    for manifest in [None, other] {
        assert_eq!(next.hears(&entry("debian", None), manifest), None);
        assert!(!next.slots.get("debian").unwrap().confirmed);
    }
    assert!(next.hears(&entry("debian", None), started).is_some());
    assert!(next.slots.get("debian").unwrap().confirmed);
    next.takes(&taking(Some("debian"), &entry("debian", None), false));
    next.jumps("debian", started);
    assert_eq!(next.slots.attempt, None, "a good one is not counted here");
}

#[test]
fn a_try_that_was_paid_before_the_state_area_came_is_paid_again_in_it() {
    let config = two();
    let mut starts = Starts::new(&config);
    starts.open(&config, None, false);
    starts.plan(&config);
    starts.mounts(&device("aa"));
    starts.gives_up("A", Outcome::Failed);
    starts.ends(&Failure::new(Step::Discover, "nothing"));
    starts.open(&config, Some(Slots::default()), false);
    starts.plan(&config);
    starts.mounts(&device("aa"));
    assert_eq!(left(&starts, "A"), 2);
}

#[test]
fn without_a_store_nothing_is_counted_within_a_start_either() {
    let config = config("");
    let mut starts = Starts::new(&config);
    starts.open(&config, None, false);
    for left in [0, 1] {
        let entry = entry("debian", Some(left));
        for _ in 0..3 {
            starts.plan(&config);
            assert_eq!(starts.rank(Some("debian"), &entry), Some((Turn::Tries, 0)), "{left}");
            starts.takes(&taking(Some("debian"), &entry, false));
            starts.ends(&Failure::new(Step::Read, "gone"));
        }
    }
    starts.open(&config, Some(Slots::default()), false);
    assert_eq!(starts.rules.count, Count::Unconfirmed);
}

#[test]
fn what_is_to_be_tried_once_comes_first_and_is_used_up() {
    let config = two();
    let stored = Slots { once: Some("b".to_owned()), ..good(&config) };
    let mut starts = start(&config, stored);
    assert!(starts.wants_entry());
    starts.mounts(&device("aa"));
    assert_eq!(starts.slots.once, None);
    let b = entry("b", None);
    assert_eq!(starts.rank(Some("B"), &b), Some((Turn::Once, 0)));
    starts.takes(&Taking { is_once: true, ..taking(Some("B"), &b, false) });
    assert_eq!(starts.slots.attempt.as_ref().unwrap().cause, Cause::Once);
    assert!(starts.slots.get("A").unwrap().confirmed);
}

#[test]
fn a_recovery_system_is_counted_only_where_starts_are() {
    let mut starts = start(&two(), Slots::default());
    let rescue = entry("rescue", None);
    starts.takes(&Taking { role: Role::Recovery, ..taking(None, &rescue, false) });
    assert_eq!(starts.slots.counters.recoveries, 1);
    assert_eq!(starts.slots.attempt.as_ref().unwrap().cause, Cause::Recovery);
}

#[test]
fn an_entry_is_of_the_slot_whose_device_it_is_on_or_that_it_names() {
    let config = config("slot A PARTUUID=aa\nslot system0\n");
    let named = Entry { slot: Some("system0".to_owned()), ..entry("x", None) };
    let of = |device: &Candidate, entry: &Entry| slot_of(&config, Some(device), entry);
    assert_eq!(of(&device("aa"), &named).as_deref(), Some("A"));
    assert_eq!(of(&device("cc"), &named).as_deref(), Some("system0"));
    assert_eq!(of(&device("cc"), &entry("x", None)), None);
    let none = Config::new(Mode::Locked);
    assert_eq!(slot_of(&none, None, &named).as_deref(), Some("x"));
}

#[test]
fn the_last_start_is_told_in_a_sentence() {
    let config = two();
    let mut starts = start(&config, Slots::default());
    starts.mounts(&device("cc"));
    starts.mounts(&device("aa"));
    starts.takes(&taking(Some("A"), &entry("a", None), false));
    starts.jumps("a", None);
    let said = Starts::new(&config).open(&config, Some(starts.slots), true);
    let expected = "the last start of A was not confirmed (watchdog): A unconfirmed, 2 of 3 \
                    tries left";
    assert_eq!(said, [expected]);
}
