//! How much of the code is `unsafe`: lines, as the compiler's words stand on them.
//!
//! A line counts if a word or a sign of code stands on it: comments, attributes, empty lines
//! and what only tests are made of do not. It is unsafe if it belongs to a block, a function, an
//! implementation or a foreign block that says `unsafe`, from that word to the closing
//! brace; assembly stands in such a block. What is behind a function's SAFETY promise but
//! in a block of its own is not counted twice.

use crate::place;
use anyhow::{Context, Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::iter::Peekable;
use std::path::{Path, PathBuf};

/// The folders that are told apart, the innermost first.
const PARTS: [&str; 5] = ["src/sys", "src", "purgatory/src", "mkinitramfs/src", "qemu/src"];

/// Lines of one part of the tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lines {
    /// All that have code on them.
    pub all: usize,
    /// Those of them that are unsafe.
    pub unsafe_ones: usize,
}

/// A part of the tree and its lines.
#[derive(Debug, Clone)]
pub struct Part {
    /// The folder, from the root of the tree.
    pub folder: &'static str,
    /// What is in it, but for folders that are parts of their own.
    pub lines: Lines,
}

/// Counts the whole tree.
///
/// # Errors
///
/// If a file cannot be read, or is no Rust.
pub fn count() -> Result<Vec<Part>> {
    PARTS.into_iter().map(|folder| Ok(Part { folder, lines: of_folder(folder)? })).collect()
}

/// The sum of some parts.
#[must_use]
pub fn sum(parts: &[Part]) -> Lines {
    parts.iter().fold(Lines::default(), |sum, part| sum.and(part.lines))
}

impl Lines {
    const fn and(self, other: Self) -> Self {
        Self { all: self.all + other.all, unsafe_ones: self.unsafe_ones + other.unsafe_ones }
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousandths = self.unsafe_ones * 1000 / self.all.max(1);
        let Self { all, unsafe_ones } = self;
        write!(f, "{unsafe_ones} of {all} lines, {}.{} %", thousandths / 10, thousandths % 10)
    }
}

fn of_folder(folder: &'static str) -> Result<Lines> {
    let mut lines = Lines::default();
    for file in files(&place::tree().join(folder), folder)? {
        let text = fs::read_to_string(&file)?;
        let counted = of_text(&text).with_context(|| file.display().to_string())?;
        lines = lines.and(counted);
    }
    Ok(lines)
}

/// Rust files below a folder, but for those of other parts and of tests.
fn files(folder: &Path, part: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let is_other = PARTS.iter().any(|other| *other != part && path.ends_with(other));
        if is_other || is_for_tests(&path) {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, part)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(found)
}

fn is_for_tests(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default();
    ["tests", "testing", "properties", "fixtures"].iter().any(|name| stem == *name)
}

fn of_text(text: &str) -> Result<Lines> {
    let stream: TokenStream = text.parse().map_err(|error| anyhow!("no Rust: {error}"))?;
    let mut found = Found::default();
    found.walk(stream, false);
    Ok(Lines { all: found.all.len(), unsafe_ones: found.unsafe_ones.len() })
}

/// Numbers of lines.
#[derive(Default)]
struct Found {
    all: BTreeSet<usize>,
    unsafe_ones: BTreeSet<usize>,
}

impl Found {
    /// `is_unsafe` is whether all of this is inside of something that is.
    fn walk(&mut self, stream: TokenStream, is_unsafe: bool) {
        let mut tokens = stream.into_iter().peekable();
        // From the word to the braces that it is about.
        let mut is_begun = false;
        while let Some(token) = tokens.next() {
            if is_punct(&token, '#')
                && let Some(attribute) = next_attribute(&mut tokens)
            {
                if is_of_tests(&attribute) {
                    skip_item(&mut tokens);
                }
                continue;
            }
            is_begun |= is_word(&token, "unsafe");
            let is_type = is_word(&token, "fn") && tokens.peek().is_some_and(is_parenthesis);
            self.take(&token, is_unsafe || is_begun);
            is_begun &= !is_type && !ends(&token);
        }
    }

    fn take(&mut self, token: &TokenTree, is_unsafe: bool) {
        match token {
            TokenTree::Group(group) => {
                self.note(group.span_open().start().line, is_unsafe);
                self.walk(group.stream(), is_unsafe);
                self.note(group.span_close().end().line, is_unsafe);
            }
            // A text may go over several lines.
            other => (other.span().start().line..=other.span().end().line)
                .for_each(|line| self.note(line, is_unsafe)),
        }
    }

    fn note(&mut self, line: usize, is_unsafe: bool) {
        self.all.insert(line);
        if is_unsafe {
            self.unsafe_ones.insert(line);
        }
    }
}

/// What the word `unsafe` is about ends with its braces, a declaration with its sign.
fn ends(token: &TokenTree) -> bool {
    is_punct(token, ';') || is_group(token, Delimiter::Brace)
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(found) if found == word)
}

fn is_group(token: &TokenTree, delimiter: Delimiter) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == delimiter)
}

/// Behind `fn` without a name: it is a type.
fn is_parenthesis(token: &TokenTree) -> bool {
    is_group(token, Delimiter::Parenthesis)
}

fn is_punct(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == sign)
}

/// Behind its `#`; a comment that documents is one too.
fn next_attribute(tokens: &mut Peekable<impl Iterator<Item = TokenTree>>) -> Option<TokenTree> {
    tokens.next_if(|token| is_punct(token, '!'));
    tokens.next_if(|token| is_group(token, Delimiter::Bracket))
}

fn is_of_tests(attribute: &TokenTree) -> bool {
    let text = attribute.to_string().replace(' ', "");
    text == "[cfg(test)]" || text.starts_with("[cfg(all(test,")
}

/// To the end of an item's braces, or to the semicolon of one without.
fn skip_item(tokens: &mut impl Iterator<Item = TokenTree>) {
    tokens.find(ends);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> (usize, usize) {
        let lines = of_text(text).unwrap();
        (lines.unsafe_ones, lines.all)
    }

    #[test]
    fn lines_from_the_word_to_the_closing_brace_are_unsafe() {
        assert_eq!(
            lines("fn f() {\n    // SAFETY: none.\n    unsafe {\n        g()\n    }\n}"),
            (3, 5)
        );
        assert_eq!(lines("unsafe fn f() -> u8 {\n    1\n}\nfn g() {}"), (3, 4));
        assert_eq!(
            lines("unsafe impl A for B {}\nunsafe extern \"C\" {\n fn f();\n}\nfn h() {}"),
            (4, 5)
        );
    }

    #[test]
    fn a_type_that_says_the_word_is_no_beginning_of_something_unsafe() {
        assert_eq!(lines("struct A {\n f: unsafe fn(),\n g: u8,\n}\nfn f() {}"), (1, 5));
        assert_eq!(lines("unsafe fn f<A, B>() {\n    1\n}"), (3, 3));
    }

    #[test]
    fn comments_empty_lines_and_tests_do_not_count() {
        assert_eq!(
            lines("//! a\n\n/// b\nfn f() {}\n#[cfg(test)]\nmod tests { unsafe fn g() {} }"),
            (0, 1)
        );
    }

    #[test]
    fn there_is_unsafe_code_in_the_edge_and_the_purgatory_alone() {
        let parts = count().unwrap();
        let with: Vec<&str> = parts
            .iter()
            .filter(|part| part.lines.unsafe_ones > 0)
            .map(|part| part.folder)
            .collect();
        assert_eq!(with, ["src/sys", "purgatory/src"]);
    }
}
