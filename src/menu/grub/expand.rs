//! What the words of a command become: variables are replaced, what is not quoted is
//! split at blanks, and wildcards stand for the names that they match.
//!
//! Follows what GRUB was measured to do: an unquoted variable without a value makes no
//! word, blanks around a value split nothing off, and a pattern that matches nothing
//! stays as it is. Must never make more than [`MAX_WORDS`] bytes of a command.

use super::evaluator::Evaluator;
use super::rules::Trap;
use super::script::{Part, Word};
use super::world::{Found, Place};
use crate::base::glob;
use crate::menu::paths::MAX_PATH;

/// Most bytes of a command with its variables replaced.
const MAX_WORDS: usize = 256 << 10;
/// Most names of a directory that a wildcard is compared with, and most that match.
const MAX_NAMES: usize = 512;
/// What replacing a variable costs, be it empty, in bytes that are looked through.
const PART: usize = 16;
/// After so many bytes they are charged.
const SCANNED_BETWEEN_CHARGES: usize = 64 << 10;

/// A word, or a piece of one, with its wildcards.
#[derive(Default)]
struct Field {
    text: String,
    /// Where wildcards are in it.
    wild: Vec<usize>,
}

/// The words of a command, as far as they are made.
#[derive(Default)]
struct Fields {
    done: Vec<String>,
    /// Where words have wildcards: the number of the word, and the place in it.
    wild: Vec<(usize, usize)>,
    /// `None` until there is anything of the word, be it a pair of quotes.
    current: Option<String>,
    size: usize,
    /// Bytes of values that were looked through, and are not charged yet.
    scanned: usize,
}

impl Fields {
    fn push(&mut self, text: &str, has_wildcards: bool) {
        self.size = self.size.saturating_add(text.len()).saturating_add(size_of::<Field>());
        if self.size > MAX_WORDS {
            return;
        }
        let word = self.current.get_or_insert_default();
        if has_wildcards {
            for (at, byte) in text.bytes().enumerate() {
                if matches!(byte, b'*' | b'?') {
                    self.wild.push((self.done.len(), word.len().saturating_add(at)));
                }
            }
        }
        word.push_str(text);
    }

    fn end_word(&mut self) {
        if let Some(word) = self.current.take() {
            self.done.push(word);
        }
    }

    /// A value that is not quoted: each run of what is no blank is a word, the first
    /// and the last joined with what is beside them.
    fn split(&mut self, value: &str, is_first: bool) {
        self.scanned = self.scanned.saturating_add(value.len()).saturating_add(PART);
        let mut is_first = is_first;
        for run in value.split([' ', '\t', '\n', '\r']).filter(|run| !run.is_empty()) {
            if !is_first {
                self.end_word();
            }
            is_first = false;
            self.push(run, true);
        }
    }
}

impl Evaluator<'_> {
    /// The words of a command; `None` if the limits do not allow it, which is said.
    pub(super) fn expand(&mut self, words: &[Word], line: usize) -> Option<Vec<String>> {
        let mut fields = Fields::default();
        fields.done.reserve(words.len());
        for word in words {
            for part in word.parts() {
                self.expand_part(part, &mut fields);
                self.charge(&mut fields, line)?;
            }
            fields.end_word();
        }
        self.step(line, (fields.size >> 10).saturating_add(fields.scanned >> 8))?;
        if fields.wild.is_empty() || !self.holds(Trap::WildcardsFromVariables) {
            return Some(fields.done);
        }
        self.expand_all_wildcards(fields, line)
    }

    /// Charges what was looked through, and ends where there is more of a command than
    /// may be.
    fn charge(&mut self, fields: &mut Fields, line: usize) -> Option<()> {
        if fields.size > MAX_WORDS {
            self.stop(line, "a command is longer than 262144 bytes");
            return None;
        }
        if fields.scanned < SCANNED_BETWEEN_CHARGES {
            return Some(());
        }
        self.step(line, core::mem::take(&mut fields.scanned) >> 8)
    }

    fn expand_all_wildcards(&mut self, fields: Fields, line: usize) -> Option<Vec<String>> {
        let mut expanded = Vec::new();
        let mut wild = fields.wild.iter().peekable();
        let mut made = Fields::default();
        for (number, text) in fields.done.into_iter().enumerate() {
            let mut field = Field { text, wild: Vec::new() };
            while let Some((_, at)) = wild.next_if(|(word, _)| *word == number) {
                field.wild.push(*at);
            }
            let known = expanded.len();
            self.expand_wildcards(field, line, &mut expanded);
            let more: usize = expanded.iter().skip(known).map(String::len).sum();
            made.size = made.size.saturating_add(more);
            self.charge(&mut made, line)?;
        }
        Some(expanded)
    }

    fn expand_part(&mut self, part: &Part, fields: &mut Fields) {
        match part {
            Part::Text { text, is_quoted } => fields.push(text, !is_quoted),
            Part::Variable { name, is_quoted: true } if name == "@" => self.each_quoted(fields),
            Part::Variable { name, is_quoted: true } => self.value(name, |value| {
                fields.push(value, false);
            }),
            Part::Variable { name, .. } if name == "@" || name == "*" => {
                self.each_split(fields);
            }
            Part::Variable { name, .. } if self.holds(Trap::UnquotedValueIsSplit) => {
                self.value(name, |value| fields.split(value, true));
            }
            Part::Variable { name, .. } => self.value(name, |value| fields.push(value, false)),
        }
        if let Part::Variable { name, .. } = part
            && name == "?"
        {
            self.doubt_status();
        }
    }

    /// `"$@"`: each argument is a word; where there is none, one empty word.
    fn each_quoted(&self, fields: &mut Fields) {
        let arguments = self.scope.arguments.as_deref().unwrap_or_default();
        if arguments.is_empty() && self.holds(Trap::QuotedNoneIsOneWord) {
            fields.push("", false);
        }
        for (number, argument) in arguments.iter().enumerate() {
            if number > 0 {
                fields.end_word();
            }
            fields.push(argument, false);
        }
    }

    fn each_split(&self, fields: &mut Fields) {
        let mut is_first = true;
        for argument in self.scope.arguments.iter().flatten() {
            let before = fields.size;
            fields.split(argument, is_first);
            is_first &= before == fields.size;
        }
    }

    /// Shows the value of a variable; nothing is the value of one that has none.
    fn value(&self, name: &str, show: impl FnOnce(&str)) {
        let arguments = self.scope.arguments.as_deref();
        match name {
            "?" => show(&self.status.0.to_string()),
            "#" => show(&arguments.map_or_else(String::new, |all| all.len().to_string())),
            "*" | "@" => show(&arguments.unwrap_or_default().join(" ")),
            _ if name.starts_with(|first: char| first.is_ascii_digit()) => {
                let number = name.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
                let argument = number.and_then(|number| arguments.unwrap_or_default().get(number));
                show(argument.map_or("", String::as_str));
            }
            _ => show(self.scope.get(name).unwrap_or_default()),
        }
    }

    fn expand_wildcards(&mut self, field: Field, line: usize, expanded: &mut Vec<String>) {
        let before = expanded.len();
        if !field.wild.is_empty() && field.text.len() <= MAX_PATH {
            expanded.append(&mut self.matches(&field, line));
        }
        if expanded.len() == before {
            expanded.push(field.text);
        }
    }

    /// What there is that a pattern stands for: `(device)/names`, `/names`, or devices.
    fn matches(&mut self, field: &Field, line: usize) -> Vec<String> {
        let pieces = pieces(field);
        let mut pieces = pieces.iter();
        let Some(first) = pieces.next() else { return Vec::new() };
        let mut found = Vec::new();
        if first.text.is_empty() {
            found.push(String::new());
        } else if first.text.starts_with('(') || !field.text.contains('/') {
            self.add_devices(first, &mut found);
        }
        for piece in pieces {
            for directory in core::mem::take(&mut found) {
                if found.len() < MAX_NAMES && self.step(line, 0).is_some() {
                    self.add_names(&directory, piece, line, &mut found);
                }
            }
            found.truncate(MAX_NAMES);
        }
        found.retain(|path| self.is_there(path));
        found
    }

    fn add_devices(&self, piece: &Field, found: &mut Vec<String>) {
        let pattern = pattern(piece);
        for device in 0..self.world.count() {
            let name = ["(", self.world.name(device), ")"].concat();
            if glob::matches(&pattern, &name) {
                found.push(name);
            }
        }
    }

    fn add_names(&mut self, directory: &str, piece: &Field, line: usize, found: &mut Vec<String>) {
        if piece.wild.is_empty() {
            found.push([directory, "/", &piece.text].concat());
            return;
        }
        let Ok(place) = self.place(&[directory, "/"].concat()) else { return };
        let names = self.world.names(&place, MAX_NAMES);
        let _ = self.step(line, names.len());
        let pattern = pattern(piece);
        for name in names {
            if glob::matches(&pattern, &name) {
                found.push([directory, "/", &name].concat());
            }
        }
    }

    /// Whether a path leads to something: a device does, and a directory by a `/` at
    /// its end.
    fn is_there(&self, path: &str) -> bool {
        let is_device = path.starts_with('(') && !path.contains('/');
        is_device
            || self.place(path).is_ok_and(|place: Place| match self.world.look(&place) {
                Found::Nothing => false,
                Found::File(_) => !path.ends_with('/'),
                Found::Directory => true,
            })
    }
}

/// A pattern cut at each `/`.
fn pieces(field: &Field) -> Vec<Field> {
    let mut pieces = Vec::new();
    let mut start = 0_usize;
    let mut wild = field.wild.iter().peekable();
    for text in field.text.split('/') {
        let end = start.saturating_add(text.len());
        let mut piece = Field { text: text.to_owned(), wild: Vec::new() };
        while let Some(at) = wild.next_if(|at| **at < end) {
            piece.wild.push(at.saturating_sub(start));
        }
        pieces.push(piece);
        start = end.saturating_add(1);
    }
    pieces
}

/// The pattern of one piece, with what means itself escaped.
fn pattern(piece: &Field) -> String {
    let mut pattern = String::with_capacity(piece.text.len());
    for (at, character) in piece.text.char_indices() {
        if matches!(character, '*' | '?' | '[' | '\\') && piece.wild.binary_search(&at).is_err() {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}
