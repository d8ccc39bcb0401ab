//! `echo`.

use super::{Call, Evaluator, Flow, Row};

pub(super) const ROWS: &[Row] = &[Row { name: "echo", run: echo }];

/// `echo [-n] [-e] [--] WORD...`. A word that looks like an option and is none is
/// printed.
fn echo(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let mut words = call.words;
    let mut has_line_end = true;
    let mut has_escapes = false;
    while let Some((word, rest)) = words.split_first()
        && is_option(word)
    {
        words = rest;
        has_line_end &= !word.contains('n');
        has_escapes |= word.contains('e');
        if word == "--" {
            break;
        }
    }
    let mut text = words.join(" ");
    if has_escapes {
        has_line_end &= !text.contains("\\c");
        let plain: Vec<_> = words.iter().map(|word| unescaped(word)).collect();
        text = plain.join(" ");
    }
    if has_line_end {
        text.push('\n');
    }
    evaluator.print(&text);
    Flow::SUCCESS
}

fn is_option(word: &str) -> bool {
    let letters = word.strip_prefix('-').unwrap_or_default();
    letters == "-" || !letters.is_empty() && letters.bytes().all(|letter| b"ne".contains(&letter))
}

/// The text with what `-e` replaces; an escape that means nothing is left out.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('\\') => plain.push('\\'),
            Some('a') => plain.push('\u{7}'),
            Some('f') => plain.push('\u{c}'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('t') => plain.push('\t'),
            Some('v') => plain.push('\u{b}'),
            _ => {}
        }
    }
    plain
}
