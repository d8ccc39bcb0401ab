//! Every command line of ours in the documents for whoever runs a machine is one that the programs
//! take: each is read by the very tables that the programs read by.

#![allow(clippy::unwrap_used, clippy::panic)]

use ::mkinitramfs::programs::{mkinitramfs, turnout_sign};

const DOCUMENTS: [&str; 2] =
    [include_str!("../../docs/day-2.md"), include_str!("../../docs/distributions.md")];

/// Lines of blocks that begin with ```` ```sh ````; one that ends with a backslash goes on.
fn lines(document: &str) -> Vec<String> {
    let blocks = document.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    blocks
        .flat_map(|block| block.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// The words of a command, up to where its output goes; quotes hold a word together.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next().filter(|first| !"#>|".contains(*first)) {
        let (word, more) = match first {
            '"' => rest.strip_prefix('"').and_then(|rest| rest.split_once('"')).unwrap(),
            _ => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = more.trim_start();
    }
    words
}

/// Every command of this name that the documents have.
fn commands(name: &str) -> Vec<Vec<String>> {
    let lines = DOCUMENTS.iter().flat_map(|document| lines(document));
    lines
        .map(|line| words(&line))
        .filter(|words| words.first().is_some_and(|word| word == name))
        .collect()
}

fn taken(name: &str, table: fn() -> clap::Command, least: usize) {
    let commands = commands(name);
    assert!(commands.len() >= least, "{commands:?}");
    for words in commands {
        if let Err(why) = table().try_get_matches_from(&words) {
            panic!("{words:?}: {why}");
        }
    }
}

#[test]
fn what_documents_have_turnout_sign_do_it_takes() {
    taken("turnout-sign", turnout_sign::command, 7);
}

#[test]
fn what_documents_have_mkinitramfs_do_it_takes() {
    taken("turnout-mkinitramfs", mkinitramfs::command, 1);
}

#[test]
fn words_are_told_apart_as_a_shell_does() {
    let line = "turnout-sign keygen -f /k -N \"\" -C \"a b\" > /ring";
    assert_eq!(words(line), ["turnout-sign", "keygen", "-f", "/k", "-N", "", "-C", "a b"]);
    assert_eq!(words("turnout boot # go"), ["turnout", "boot"]);
}

#[test]
fn a_line_that_no_program_takes_is_seen() {
    let refused =
        turnout_sign::command().try_get_matches_from(["turnout-sign", "upkeep", "--frob"]);
    assert!(refused.unwrap_err().to_string().contains("--frob"));
}
