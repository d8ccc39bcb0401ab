//! The file of settings that packages install is what the table of keys says, and each of
//! its lines is one that the parser takes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::PathBuf;

use turnout::settings::{KEYS, PROSE, Prose, Settings, parse};

const HEAD: &str = "\
# /etc/turnout/turnout.conf: what Turnout's programs take on this system where no option says
# it. Each line here is commented out: nothing is set. turnout.conf(5) says the same.
";

/// Columns of a comment, without \"# \".
const WIDTH: usize = 90;

/// The file, made of the table. `TURNOUT_UPDATE=1` writes it.
#[test]
fn the_packaged_file_has_every_key_and_sets_nothing() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dist/turnout.conf");
    let made: String = [HEAD.to_owned()].into_iter().chain(PROSE.iter().map(part)).collect();
    if std::env::var_os("TURNOUT_UPDATE").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text, made, "TURNOUT_UPDATE=1 cargo test turnout_conf writes it anew");
    assert_eq!(parse(&text).unwrap(), Settings::default());
}

#[test]
fn each_line_holds_once_it_is_uncommented() {
    let text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/dist/turnout.conf")).unwrap();
    let lines: Vec<_> = text.lines().filter_map(setting).collect();
    assert_eq!(lines.len(), KEYS.len());
    for (line, key) in lines.iter().zip(KEYS) {
        assert!(line.starts_with(&format!("{} ", key.name)), "{line}");
        assert_ne!(parse(line).unwrap(), Settings::default(), "{line}");
    }
}

/// A line that is commented out; one of prose has a blank behind its mark.
fn setting(line: &str) -> Option<&str> {
    line.strip_prefix('#').filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
}

fn part(key: &Prose) -> String {
    let again = if key.repeats { " May stand here more than once." } else { "" };
    let prose = folded(&format!("{}{again}", key.about));
    format!("\n# {} {}\n{prose}#{} {}\n", key.name, key.value, key.name, key.example)
}

/// As lines of a comment.
fn folded(prose: &str) -> String {
    let mut lines = vec![String::new()];
    for word in prose.split_whitespace() {
        let line = lines.last_mut().unwrap();
        match line.len() {
            0 => line.push_str(word),
            length if length + 1 + word.len() <= WIDTH => line.extend([" ", word]),
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter().map(|line| format!("#   {line}\n")).collect()
}
