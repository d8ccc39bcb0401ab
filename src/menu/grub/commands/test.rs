//! `test` and `[`: what a condition asks for.
//!
//! Follows GRUB where it is not POSIX: words beside one another are all to be true,
//! `-o` parts such groups, comparisons of three words are seen before anything else,
//! and no words at all are true.

use super::{Call, Evaluator, Flow, Row, Status, number};
use crate::menu::grub::rules::Trap;
use crate::menu::grub::world::Found;

/// Deepest nesting of parentheses.
const MAX_PARENTHESES: usize = 100;

pub(super) const ROWS: &[Row] = &[Row { name: "[", run: bracket }, Row { name: "test", run: test }];

/// `[ ... ]`; the last bracket may be missing.
fn bracket(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    match call.words.last() {
        Some(last) if last == "]" => test(evaluator, call),
        _ if evaluator.holds(Trap::BracketMayBeMissing) => test(evaluator, call),
        _ => evaluator.fail(call, Status::BAD_ARGUMENT, "\"]\" is missing"),
    }
}

/// `test ...`, with a bracket at its end or without one.
fn test(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let words = match call.words.split_last() {
        Some((last, words)) if last == "]" => words,
        _ => call.words,
    };
    let mut condition = Condition { evaluator, line: call.line, words, nesting: 0 };
    let is_true = condition.group();
    Flow::Next(Status::of(is_true))
}

/// What is to be decided.
struct Condition<'a, 'e, 'w> {
    evaluator: &'e mut Evaluator<'w>,
    line: usize,
    /// What is not decided yet.
    words: &'a [String],
    nesting: usize,
}

/// What is known of a group until now.
struct Group {
    /// Whether one of the alternatives before holds.
    or: bool,
    /// Whether all words of this alternative hold.
    and: bool,
    is_inverted: bool,
}

impl Group {
    fn take(&mut self, is_true: bool) {
        self.and &= is_true != self.is_inverted;
        self.is_inverted = false;
    }
}

impl<'a> Condition<'a, '_, '_> {
    /// All up to the parenthesis that ends it.
    fn group(&mut self) -> bool {
        let mut group = Group { or: false, and: true, is_inverted: false };
        if self.words.is_empty() && !self.evaluator.holds(Trap::EmptyTestIsTrue) {
            return false;
        }
        while let Some(word) = self.words.first() {
            let decided = if self.evaluator.holds(Trap::ThreeWordsFirst) || word != "!" {
                self.comparison().or_else(|| self.property())
            } else {
                None
            };
            match decided {
                Some(is_true) => group.take(is_true),
                None if word == ")" => break,
                None => self.word(word, &mut group),
            }
        }
        group.or || group.and
    }

    fn skip(&mut self, words: usize) {
        self.words = self.words.get(words..).unwrap_or_default();
    }

    /// Three words with an operator between.
    fn comparison(&mut self) -> Option<bool> {
        let [left, operator, right, ..] = self.words else { return None };
        let is_true = self.compare(left, operator, right)?;
        self.skip(3);
        Some(is_true)
    }

    fn compare(&mut self, left: &str, operator: &str, right: &str) -> Option<bool> {
        Some(match operator {
            "=" | "==" => left == right,
            "!=" => left != right,
            "<" => left < right,
            "<=" => left <= right,
            ">" => left > right,
            ">=" => left >= right,
            "-eq" => self.number(left) == self.number(right),
            "-ge" => self.number(left) >= self.number(right),
            "-gt" => self.number(left) > self.number(right),
            "-le" => self.number(left) <= self.number(right),
            "-lt" => self.number(left) < self.number(right),
            "-ne" => self.number(left) != self.number(right),
            "-pgt" | "-plt" => self.compare_rest(left, operator, right),
            _ => return self.compare_times(left, operator, right),
        })
    }

    /// Numbers behind the beginning that both have; they have no signs.
    fn compare_rest(&mut self, left: &str, operator: &str, right: &str) -> bool {
        let pairs = left.char_indices().zip(right.chars());
        let differs = |((_, left), right): &((usize, char), char)| left != right;
        let common =
            pairs.clone().find(differs).map_or(left.len().min(right.len()), |((at, _), _)| at);
        let left = self.number_without_sign(left.get(common..).unwrap_or_default());
        let right = self.number_without_sign(right.get(common..).unwrap_or_default());
        if operator == "-pgt" { left > right } else { left < right }
    }

    /// `-nt` and `-ot`: times of files are not known here; one that is there counts as
    /// newer than one that is not. What follows the operator is a difference.
    fn compare_times(&mut self, left: &str, operator: &str, right: &str) -> Option<bool> {
        let is_newer = operator.starts_with("-nt");
        if !is_newer && !operator.starts_with("-ot") {
            return None;
        }
        self.evaluator.undecided(self.line, operator);
        let left = self.look(left) != Found::Nothing;
        let right = self.look(right) != Found::Nothing;
        Some(if is_newer { left && !right } else { right && !left })
    }

    /// The number that a word is; what is none counts as 0, and is said.
    fn number(&mut self, word: &str) -> i32 {
        let found = if self.evaluator.holds(Trap::NumbersHaveBases) {
            number(word)
        } else {
            word.parse().ok()
        };
        found.unwrap_or_else(|| {
            let why = ["\"", word, "\" is no number, and counts as 0"].concat();
            self.evaluator.complain(self.line, crate::menu::Code::Setting, why);
            if self.evaluator.holds(Trap::NoNumberIsZero) { 0 } else { i32::MIN }
        })
    }

    fn number_without_sign(&mut self, word: &str) -> i32 {
        self.number(if word.starts_with('-') { "" } else { word })
    }

    /// Two words: what is asked for, and of what.
    fn property(&mut self) -> Option<bool> {
        let is_lenient = self.evaluator.holds(Trap::OperatorAloneIsAWord);
        let (operator, of) = match self.words {
            [operator, of, ..] => (operator, of.as_str()),
            [operator] if !is_lenient => (operator, ""),
            _ => return None,
        };
        let is_true = match operator.as_str() {
            "-d" => self.look(of) == Found::Directory,
            "-e" => self.look(of) != Found::Nothing,
            "-f" => matches!(self.look(of), Found::File(_)),
            "-s" => matches!(self.look(of), Found::File(1..)),
            "-n" => !of.is_empty(),
            "-z" => of.is_empty(),
            _ => return None,
        };
        self.skip(2);
        Some(is_true)
    }

    fn look(&mut self, path: &str) -> Found {
        match self.evaluator.place(path) {
            Ok(place) => self.evaluator.world.look(&place),
            Err(_) => Found::Nothing,
        }
    }

    /// One word: an operator of its own, or one that is true unless it is empty.
    fn word(&mut self, word: &'a str, group: &mut Group) {
        self.skip(1);
        match word {
            "(" => {
                let is_true = self.parenthesis();
                group.take(is_true);
            }
            "-a" => {}
            "-o" if self.evaluator.holds(Trap::WordsAreAnded) => {
                group.or |= group.and;
                group.and = true;
            }
            "-o" => group.or |= group.and,
            "!" => group.is_inverted = !group.is_inverted,
            _ => {
                let is_true = !word.is_empty() || !self.evaluator.holds(Trap::OneWordIsItsLength);
                group.take(is_true);
            }
        }
    }

    fn parenthesis(&mut self) -> bool {
        if self.nesting >= MAX_PARENTHESES {
            self.words = &[];
            return false;
        }
        self.nesting = self.nesting.saturating_add(1);
        let is_true = self.group();
        self.nesting = self.nesting.saturating_sub(1);
        self.skip(1);
        is_true
    }
}
