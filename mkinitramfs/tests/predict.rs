//! `turnout-sign predict` from outside: values that a verifier can parse, and
//! none for what would not boot.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/boot_tree.rs"]
mod boot_tree;
mod common;

use boot_tree::{TURNOUT_SIGN, boot_tree, sign, verify};
use common::{Done, Scratch, run};
use turnout::base::digest::Digest;
use turnout::tpm::pcr::Pcr;

fn predict(tree: &Scratch, more: &[&str]) -> Done {
    let (keys, root) = (tree.path("ring"), tree.path("root"));
    let mut args = vec!["predict", "--keys", keys.to_str().unwrap()];
    args.extend(["--root", root.to_str().unwrap(), "good"]);
    args.extend(more);
    run(TURNOUT_SIGN, &args)
}

#[test]
fn pcr_9_is_what_extending_the_files_digests_by_hand_gives() {
    let tree = boot_tree();
    sign(&tree, &[]).expect(0, &[]);
    verify(&tree).expect(0, &[]);
    let done = predict(&tree, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(done.text.trim()).unwrap();
    let files =
        ["vmlinuz", "initrd.img", "extra.img"].map(|name| tree.read(&format!("root/{name}")));
    let digests = files.iter().map(|bytes| Digest::of(bytes)).chain([Digest::of(&[0; 4])]);
    let expected = digests.fold(Pcr::ZERO, |pcr, digest| pcr.extended(&digest)).0.to_string();
    assert_eq!(json["pcrs"][1]["pcr"], 9);
    assert_eq!(json["pcrs"][1]["value"], expected);
    assert_eq!(json["events"].as_array().unwrap().len(), 6);
    predict(&tree, &[])
        .expect(0, &["good: PCR 8 sha256 ", &format!("good: PCR 9 sha256 {expected}")]);
}

#[test]
fn the_image_s_mode_is_in_pcr_8_and_not_in_pcr_9() {
    let tree = boot_tree();
    sign(&tree, &[]).expect(0, &[]);
    let lines = |done: &Done| done.text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (locked, open) = (lines(&predict(&tree, &[])), lines(&predict(&tree, &["--open"])));
    assert_ne!(locked[0], open[0]);
    assert_eq!(locked[1], open[1]);
}

#[test]
fn nothing_is_predicted_of_what_would_be_refused() {
    let tree = boot_tree();
    sign(&tree, &[]).expect(0, &[]);
    tree.write("root/initrd.img", b"other");
    predict(&tree, &[]).expect(1, &["refused good: INITRD_DIGEST: "]);
}

/// The values that are told of, each with its PCR 8.
fn told(done: &Done) -> Vec<(String, String)> {
    let lines = done.text.lines().filter_map(|line| line.split_once(": PCR 8 sha256 "));
    lines.map(|(values, pcr)| (values.to_owned(), pcr.to_owned())).collect()
}

#[test]
fn every_value_that_a_slot_can_take_has_its_own_pcr_8() {
    let tree = boot_tree();
    let conf = "root/loader/entries/good+3.conf";
    tree.write(conf, "linux /vmlinuz\noptions root=LABEL=${name} tries=${tries}\n");
    let slots = ["--slot", "name", "--slot", "tries"];
    sign(&tree, &slots).expect(2, &["nothing was written", "no \"turnout-slot\""]);
    sign(&tree, &[&slots[..], &["--slot-name", "A"]].concat()).expect(0, &[]);
    predict(&tree, &[]).expect(1, &["refused good: SLOT_VALUE: "]);
    let both = told(&predict(&tree, &["--slot-name", "A", "--slot-name", "system0"]));
    let values: Vec<_> = both.iter().map(|(values, _)| values.as_str()).collect();
    let expected = ["A", "system0"]
        .map(|name| (0..=3).map(move |tries| format!("good tries={tries} name={name}")))
        .into_iter()
        .flatten();
    assert_eq!(values, expected.collect::<Vec<_>>());
    let mut pcrs: Vec<_> = both.iter().map(|(_, pcr)| pcr).collect();
    pcrs.sort();
    pcrs.dedup();
    assert_eq!(pcrs.len(), 8, "each value gives another PCR 8");
    let more = predict(&tree, &["--slot-name", "A", "--tries", "5", "--json"]);
    let lines: Vec<serde_json::Value> =
        more.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[5]["slots"], serde_json::json!({"tries": "5", "name": "A"}));
    predict(&tree, &["--slot-name", "../b"]).expect(2, &["choose 1 to 32 letters"]);
    tree.write(conf, "linux /vmlinuz\nturnout-slot B\noptions x\n");
    let own = told(&predict(&tree, &["--slot-name", "A"]));
    assert_eq!(own[0].0, "good tries=0 name=B", "what the menu says is the only one");
    assert_eq!(own.len(), 4);
}
