//! Ten thousand scripts that are made up print what GRUB prints of them.
//!
//! The scripts and what GRUB printed are the integration tests' (`tests/integration/grub`),
//! which ask GRUB itself where it is there.

use super::made_up::{self, FILES, ROOT, frozen};
use super::printed::{Printed, printed_without, script_output};
use super::rules::Trap;
use crate::menu::Memory;

/// As deep in files as where GRUB runs scripts.
const MAIN: (&str, &str) = ("/mnt/s/main", "source /mnt/s/script\n");
const SCRIPT: &str = "/mnt/s/script";
/// Messages that GRUB does not have, or forgets where a test or a loop fails then.
const ONLY_HERE: [&str; 3] =
    ["is no number, and counts as 0", "nothing can be made of the pattern", "it wants a command"];

/// What misses without a message here: an entry that it matters to says so.
const SILENT: [&str; 2] = ["load_env", "search"];

/// A script that does not do what it does in GRUB, on purpose.
struct Difference {
    script: &'static str,
    ours: &'static str,
    grubs: &'static str,
}

/// docs/menus.md says why, under "Where Turnout differs".
const DIFFERENCES: [Difference; 6] = [
    Difference { script: "echo a;; echo b", ours: "a\nb\n", grubs: "" },
    Difference { script: "if true; then\nfunction f { echo a; }\nfi\nf", ours: "a\n", grubs: "" },
    Difference {
        script: "if false; then\necho a && echo b\necho c\nfi\necho d",
        ours: "d\n",
        grubs: "c\nd\n",
    },
    Difference { script: "echo \"a\\\n#b\"\necho c", ours: "a#b\nc\n", grubs: "" },
    Difference { script: "echo ]]\necho c", ours: "]]\nc\n", grubs: "c\n" },
    Difference { script: "for a in 1 2; do !; break 1; done\necho $a", ours: "1\n", grubs: "2\n" },
];

fn files(script: String) -> Memory {
    let files = FILES.iter().map(|(path, text)| ([ROOT, path].concat(), (*text).to_owned()));
    let main = (MAIN.0.to_owned(), MAIN.1.to_owned());
    files.chain([main, (SCRIPT.to_owned(), script)]).collect()
}

/// Whether what is printed here is what GRUB printed, messages as such included.
fn agrees(script: &str, ours: &Printed, grub: &made_up::Printed) -> bool {
    let mut messages = ours.diagnostics.iter();
    let has_those_of_grub = if grub.has_messages {
        !ours.diagnostics.is_empty() || SILENT.iter().any(|command| script.contains(command))
    } else {
        messages.all(|message| ONLY_HERE.iter().any(|text| message.detail.contains(text)))
    };
    ours.output == grub.output && ours.status.to_string() == grub.status && has_those_of_grub
}

#[test]
fn scripts_print_what_grub_printed() {
    for (number, grub) in frozen::results().iter().enumerate() {
        let script = made_up::script(number);
        let ours = script_output(&files(script.clone()), MAIN.0);
        assert!(
            agrees(&script, &ours, grub),
            "{number}:\n{script}\nhere: {ours:?}\nGRUB: {grub:?}"
        );
    }
}

#[test]
fn a_rule_that_is_switched_off_is_missed() {
    let results = frozen::results();
    for rule in Trap::ALL {
        let is_missed = results.iter().enumerate().any(|(number, grub)| {
            let files = files(made_up::script(number));
            printed_without(&files, MAIN.0, rule).output != grub.output
        });
        assert!(is_missed, "{rule:?}");
    }
}

#[test]
fn what_differs_from_grub_is_known() {
    for Difference { script, ours, grubs } in DIFFERENCES {
        let printed = script_output(&files(script.to_owned()), MAIN.0);
        assert_eq!(printed.output, ours, "{script}");
        assert_ne!(ours, grubs, "{script}");
    }
}
