//! The hooks of `dist/hooks` as dpkg, apt and run-parts run them, in a Debian of their own
//! (`tests/hooks/enter`): whatever happens, the kernel's package is installed, and what is
//! wrong with the next start is in the last lines of apt's output.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code)]
mod common;
#[path = "common/programs.rs"]
mod programs;

use std::process::Command;

use common::{Scratch, finish};
use programs::programs;

/// The tree, which has the hooks.
const TREE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Runs a case, which ends with 0 and says so in its last line.
#[track_caller]
fn case(name: &str) {
    let place = Scratch::new();
    let mut command = Command::new("unshare");
    command.args(["-Urmpf", "bash", &format!("{TREE}/mkinitramfs/tests/hooks/enter")]);
    command.arg(std::fs::canonicalize(TREE).unwrap()).arg(programs());
    command.arg(place.path("")).arg(name);
    let done = finish(&mut command);
    assert!(done.code == 0 && done.text.ends_with(&format!("passed {name}\n")), "{}", done.text);
}

macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            case(stringify!($name));
        })*
    };
}

cases! {
    by_kernel_install_too_the_newest_boots
    nothing_is_said_where_nothing_is_configured
    a_signer_that_fails_leaves_the_kernel_installed
    hooks_without_their_programs_do_nothing
    an_image_that_is_built_is_no_machine
    what_nobody_signs_is_in_the_last_lines_of_apt_and_in_the_motd
    kernels_come_and_go_and_the_newest_boots
    a_full_boot_is_said_and_mended_by_the_next_run_of_apt
    a_signer_that_is_not_there_or_refuses_is_said
    who_does_not_answer_is_asked_once_by_hooks_and_once_by_apt
    a_signer_that_comes_back_is_asked_again
    what_is_staged_is_staged_anew_wherever_its_unit_runs
    what_no_longer_boots_is_said_as_turnout_goes
    after_a_start_the_words_are_written_again
    needrestart_says_which_way_to_restart
}
