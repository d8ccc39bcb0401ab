//! GRUB's own tests of its language.
//!
//! They are not part of this project: they are read from the directory that the
//! environment variable TURNOUT_CORPUS names, and without it this says so and passes.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use turnout::menu::{Memory, script_output};

/// Each case of the corpus; `None`, said once, if there is no corpus.
fn cases() -> Option<Vec<Value>> {
    let Some(dir) = std::env::var_os("TURNOUT_CORPUS") else {
        println!("skipped: TURNOUT_CORPUS is not set, grub-script is not read");
        return None;
    };
    let files = fs::read_dir(PathBuf::from(dir).join("grub-script")).unwrap();
    let texts = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    Some(texts.map(|text| serde_json::from_str(&text).unwrap()).collect())
}

#[test]
fn the_scripts_of_grubs_own_tests_print_what_they_have_to() {
    let Some(cases) = cases() else { return };
    for case in &cases {
        let script = case["files"]["/script"].as_str().unwrap();
        let files: Memory = [("/script", script)].into_iter().collect();
        let printed = script_output(&files, "/script");
        let expected = case["expected_output"].as_str().unwrap();
        assert_eq!(printed.output, expected, "{}", case["name"]);
        assert_eq!(printed.diagnostics, [], "{}", case["name"]);
    }
    assert_eq!(cases.len(), 13);
}
