//! The ten rules that `docs/survive.md` is made of, by one test each; all that follows from
//! them is the simulator's.

use super::rules::{Count, PAUSES, Rules, Target, Turn};
use super::verbs::Refusal;
use super::{Cause, Outcome, Slots, Stage, record};
use crate::base::digest::Digest;

const DECLARED: Rules = Rules { count: Count::All, tries: 3, is_declared: true };

fn two() -> Slots {
    let mut slots = Slots::default();
    slots.declare(["A", "B"].into_iter(), 3);
    slots
}

const fn target(slot: &str, cause: Cause) -> Target<'_> {
    Target { slot: Some(slot), entry: "", named_tries: None, cause, stage: Stage::Mounting }
}

fn begin(slots: &mut Slots, slot: &str) {
    slots.begin(&target(slot, Cause::Order), &DECLARED);
}

fn left(slots: &Slots, name: &str) -> u8 {
    slots.get(name).unwrap().left
}

/// A is good.
fn good() -> Slots {
    let mut slots = two();
    begin(&mut slots, "A");
    slots.bless().unwrap();
    slots
}

#[test]
fn rule_1_an_attempt_is_spent_before_the_mount_and_moves_with_a_hand() {
    let mut slots = Slots { once: Some("A".to_owned()), ..two() };
    begin(&mut slots, "A");
    assert_eq!((left(&slots, "A"), slots.once.as_ref()), (2, None));
    assert_eq!(slots.attempt.as_ref().unwrap().stage, Stage::Mounting);
    slots.begin(&target("B", Cause::Hand), &DECLARED);
    assert_eq!((left(&slots, "A"), left(&slots, "B")), (3, 2));
    slots.reach(Stage::Mounting, Some("UUID=stick"));
    assert!(slots.settle(false).unwrap().died_at_mount());
    assert_eq!(left(&slots, "B"), 3, "another device's mount costs none");
}

#[test]
fn rule_2_an_unconfirmed_slot_counts_down_and_a_good_one_once_nobody_confirms_it() {
    let mut slots = good();
    begin(&mut slots, "A");
    assert_eq!(left(&slots, "A"), 3);
    slots.settle(false);
    assert_eq!(slots.get("A").unwrap().standing(), "doubtful");
    begin(&mut slots, "A");
    assert_eq!(left(&slots, "A"), 2);
}

#[test]
fn rule_3_the_last_good_slot_is_not_lost_unless_somebody_says_so_twice() {
    let mut slots = good();
    let refused = Err(Refusal::LastGood("A".to_owned()));
    assert_eq!(slots.install("A", false), refused);
    assert_eq!(slots.mark_bad("A", false), refused);
    assert_eq!(slots.may_rise(&DECLARED, |_| false), Err("A".to_owned()));
    assert_eq!(slots.install("A", true), Ok(()));
}

#[test]
fn rule_4_the_order_is_what_is_for_once_then_tries_by_priority_then_what_was_good() {
    let mut slots = good();
    assert_eq!(slots.order(&DECLARED), ["A", "B"]);
    slots.set_primary("B").unwrap();
    assert_eq!(slots.order(&DECLARED), ["B", "A"]);
    slots.mark_bad("A", true).unwrap();
    assert_eq!(slots.turn_of("A", None, &DECLARED), Turn::LastResort);
    slots.set_once(Some("A")).unwrap();
    assert_eq!(slots.order(&DECLARED), ["A", "B"]);
}

#[test]
fn rule_5_pauses_grow_and_the_tries_come_back_after_a_long_one() {
    let mut slots = two();
    slots.list[0].left = 0;
    for (number, time) in PAUSES.into_iter().chain([PAUSES[3]]).enumerate() {
        let pause = slots.rest();
        assert_eq!((pause.time, pause.is_long), (time, number >= 3));
        assert_eq!(left(&slots, "A"), if number > 3 { 3 } else { 0 });
        slots.rested(pause);
    }
}

#[test]
fn rule_5_what_was_good_once_is_tried_again_after_any_pause_and_not_before() {
    let mut slots = good();
    slots.list[0].confirmed = false;
    slots.list[0].left = 0;
    slots.begin(&target("A", Cause::LastResort), &DECLARED);
    slots.fail(Outcome::Failed);
    assert_eq!(slots.turn_of("A", None, &DECLARED), Turn::Never);
    let pause = slots.rest();
    assert_eq!(slots.turn_of("A", None, &DECLARED), Turn::Never);
    slots.rested(pause);
    assert_eq!(slots.turn_of("A", None, &DECLARED), Turn::LastResort);
    assert_eq!(left(&slots, "A"), 0);
}

#[test]
fn rule_6_tries_come_from_a_confirmation_or_set_primary_and_from_no_hand() {
    let mut slots = two();
    for number in 0..2 {
        slots.list[number].left = 0;
    }
    slots.begin(&target("B", Cause::Hand), &DECLARED);
    slots.begin(&target("A", Cause::Hand), &DECLARED);
    assert_eq!((left(&slots, "A"), left(&slots, "B")), (0, 0));
    slots.bless().unwrap();
    slots.set_primary("B").unwrap();
    assert_eq!((left(&slots, "A"), left(&slots, "B")), (3, 3));
}

#[test]
fn rule_7_what_a_watchdog_has_reset_is_written_down_as_that() {
    let mut slots = two();
    begin(&mut slots, "A");
    assert_eq!(slots.settle(true).unwrap().outcome, Outcome::Watchdog);
    assert_eq!(slots.history[0].outcome, Outcome::Watchdog);
    assert_eq!(slots.get("A").unwrap().last, Outcome::Watchdog);
}

#[test]
fn rule_8_a_lost_state_shuts_nothing_out_and_one_that_no_rule_comes_to_is_damage() {
    assert_eq!(two().order(&DECLARED), ["A", "B"]);
    let mut forged = two();
    forged.list[0].left = 99;
    assert_eq!(record::write(&forged), None);
}

#[test]
fn rule_9_no_rule_knows_the_time_of_day() {
    let rules = [include_str!("rules.rs"), include_str!("verbs.rs"), include_str!("told.rs")];
    for clock in ["SystemTime", "Instant", "clock::"] {
        assert!(rules.iter().all(|text| !text.contains(clock)), "{clock}");
    }
}

#[test]
fn rule_10_the_countdown_is_left_out_after_so_many_confirmed_starts_by_nobodys_hand() {
    let mut slots = good();
    for number in 1..3 {
        let target = target("A", Cause::Order);
        slots.begin(&target, &DECLARED);
        slots.jump(&Target { entry: "a", ..target }, Some(Digest([1; 32])), &DECLARED);
        slots.bless().unwrap();
        assert_eq!(slots.is_instant("a", 2), number == 2);
    }
    slots.begin(&target("A", Cause::Hand), &DECLARED);
    slots.bless().unwrap();
    assert!(!slots.is_instant("a", 2));
}
