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
use crate::menu::paths::MAX_PATH;
use crate::menu::text::glob;

/// Most bytes of a command with its variables replaced.
const MAX_WORDS: usize = 256 << 10;
/// Most names of a directory that a wildcard is compared with, and most that match.
const MAX_NAMES: usize = 512;

/// A word that is being made.
#[derive(Debug, Clone, Default)]
struct Field {
    text: String,
    /// Where wildcards are in it.
    wild: Vec<usize>,
}

/// The words of a command, as far as they are made.
#[derive(Default)]
struct Fields {
    done: Vec<Field>,
    /// `None` until there is anything of the word, be it a pair of quotes.
    current: Option<Field>,
    size: usize,
}

impl Fields {
    fn push(&mut self, text: &str, has_wildcards: bool) {
        self.size = self.size.saturating_add(text.len()).saturating_add(size_of::<Field>());
        if self.size > MAX_WORDS {
            return;
        }
        let field = self.current.get_or_insert_default();
        if has_wildcards {
            let wild =
                text.match_indices(['*', '?']).map(|(at, _)| field.text.len().saturating_add(at));
            field.wild.extend(wild);
        }
        field.text.push_str(text);
    }

    fn end_word(&mut self) {
        self.done.extend(self.current.take());
    }

    /// A value that is not quoted: each run of what is no blank is a word, the first
    /// and the last joined with what is beside them.
    fn split(&mut self, value: &str, is_first: bool) {
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
        for word in words {
            word.0.iter().for_each(|part| self.expand_part(part, &mut fields));
            fields.end_word();
        }
        if fields.size > MAX_WORDS {
            self.stop(line, "a command is longer than 262144 bytes");
            return None;
        }
        self.step(line, fields.size >> 10)?;
        let mut expanded = Vec::with_capacity(fields.done.len());
        for field in fields.done {
            self.expand_wildcards(field, &mut expanded);
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

    fn expand_wildcards(&mut self, field: Field, expanded: &mut Vec<String>) {
        if !field.wild.is_empty()
            && field.text.len() <= MAX_PATH
            && self.holds(Trap::WildcardsFromVariables)
        {
            let matches = self.matches(&field);
            if !matches.is_empty() {
                expanded.extend(matches);
                return;
            }
        }
        expanded.push(field.text);
    }

    /// What there is that a pattern stands for: `(device)/names`, `/names`, or devices.
    fn matches(&mut self, field: &Field) -> Vec<String> {
        let pieces = pieces(field);
        let mut pieces = pieces.iter();
        let Some(first) = pieces.next() else { return Vec::new() };
        let mut found = if first.text.is_empty() {
            vec![String::new()]
        } else if first.text.starts_with('(') || !field.text.contains('/') {
            self.matching_devices(first)
        } else {
            return Vec::new();
        };
        for piece in pieces {
            found = found.iter().flat_map(|place| self.matching_names(place, piece)).collect();
            found.truncate(MAX_NAMES);
        }
        found.retain(|path| self.is_there(path));
        found
    }

    fn matching_devices(&self, piece: &Field) -> Vec<String> {
        let names = (0..self.world.count()).map(|device| {
            let name = self.world.name(device);
            ["(", name, ")"].concat()
        });
        let pattern = pattern(piece);
        names.filter(|name| glob::matches(&pattern, name)).collect()
    }

    fn matching_names(&mut self, directory: &str, piece: &Field) -> Vec<String> {
        let join = |name: &str| [directory, "/", name].concat();
        if piece.wild.is_empty() {
            return vec![join(&piece.text)];
        }
        let Ok(place) = self.place(&join("")) else { return Vec::new() };
        let names = self.world.names(&place, MAX_NAMES);
        self.steps = self.steps.saturating_add(u32::try_from(names.len()).unwrap_or(u32::MAX));
        let pattern = pattern(piece);
        let names = names.iter().filter(|name| glob::matches(&pattern, name));
        names.map(|name| join(name)).collect()
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
    let mut start = 0_usize;
    let piece = |text: &str| {
        let end = start.saturating_add(text.len());
        let before = field.wild.partition_point(|at| *at < start);
        let until = field.wild.partition_point(|at| *at < end);
        let wild = field.wild.get(before..until).unwrap_or_default().iter();
        let wild = wild.map(|at| at.saturating_sub(start)).collect();
        start = end.saturating_add(1);
        Field { text: text.to_owned(), wild }
    };
    field.text.split('/').map(piece).collect()
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
