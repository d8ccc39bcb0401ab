//! `regexp`: extended regular expressions of POSIX, with groups.
//!
//! A pattern becomes a short program, and every pair of an instruction and a place in
//! the text is tried at most once: time and memory are their product, which is bounded.
//! Like GRUB it works on bytes. Of several matches the first counts, and of those the
//! longest; what a group has is what greedy repetitions leave it.

use super::{Call, Evaluator, Flow, Given, Options, Row, Status, count, wants};
use crate::menu::Code;

/// Longest program.
const MAX_PROGRAM: usize = 1024;
/// Most pairs of instruction and place.
const MAX_STATES: usize = 1 << 20;
/// Most ways that wait to be tried.
const MAX_WAYS: usize = 4096;
/// Most groups that are remembered; `0` is the whole match.
const GROUPS: usize = 10;

pub(super) const ROWS: &[Row] = &[Row { name: "regexp", run: regexp }];

/// `regexp [--set [GROUP:]NAME]... PATTERN TEXT`
fn regexp(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let mut options = Options::new(call.words);
    let mut words = Vec::new();
    let mut wanted = Vec::new();
    loop {
        match options.next(&["--set", "-s"]) {
            Some(Given { name: "--set" | "-s", value: Some(value) }) => wanted.push(value),
            Some(_) => return wants(evaluator, call, "no option but --set"),
            None => match options.word() {
                Some(word) => words.push(word),
                None => break,
            },
        }
    }
    let [pattern, text] = *words.as_slice() else { return wants(evaluator, call, "two words") };
    if evaluator.step(call.line, pattern.len() >> 2).is_none() {
        return Flow::Stop;
    }
    let Some(program) = Compiler::compile(pattern) else {
        let why = ["nothing can be made of the pattern \"", pattern, "\""].concat();
        return evaluator.fail(call, Status::FALSE, &why);
    };
    let states = program.len().saturating_mul(text.len().saturating_add(1));
    if evaluator.step(call.line, states >> 6).is_none() {
        return Flow::Stop;
    }
    if states > MAX_STATES {
        return too_long(evaluator, call);
    }
    let mut search = Search::new(&program, text.as_bytes());
    match search.first() {
        _ if search.is_too_long => too_long(evaluator, call),
        Some(groups) => give(evaluator, call, &wanted, text, &groups),
        None => Flow::Next(Status::FALSE),
    }
}

fn too_long(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let detail = "regexp: pattern and text are too long to be compared".to_owned();
    evaluator.complain(call.line, Code::ScriptLimit, detail);
    Flow::Next(Status::FALSE)
}

/// Gives the variables what their groups have matched.
fn give(
    evaluator: &mut Evaluator<'_>,
    call: &Call<'_>,
    wanted: &[&str],
    text: &str,
    groups: &Groups,
) -> Flow {
    for wanted in wanted {
        let (group, name) = match wanted.split_once(':') {
            Some(("", name)) => (Some(0), name),
            Some((group, name)) => (count(group).ok(), name),
            None => (Some(1), *wanted),
        };
        let Some(group) = group.and_then(|group| usize::try_from(group).ok()) else {
            let why = ["\"", wanted, "\" is not NUMBER:NAME"].concat();
            return evaluator.fail(call, Status::BAD_ARGUMENT, &why);
        };
        let bytes = groups.get(group).and_then(|(start, end)| text.as_bytes().get(*start..*end));
        let value = String::from_utf8_lossy(bytes.unwrap_or_default());
        if evaluator.set(call.line, name, &value).is_none() {
            return Flow::Stop;
        }
    }
    Flow::SUCCESS
}

/// One step of a program; ways are counted from the step itself.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A byte of this set.
    One(Set),
    /// The beginning or the end of the text.
    Start,
    End,
    /// Both ways, the first one first.
    Split(isize, isize),
    Jump(isize),
    /// Here a group begins, or ends.
    Mark(usize),
}

/// Bytes, a bit for each.
type Set = [u64; 4];
/// What stands for a class behind `[`, and which bytes it has.
type Class = (&'static [u8], fn(&u8) -> bool);

/// Where groups are in the text.
type Groups = [(usize, usize); GROUPS];

fn add(set: &mut Set, byte: u8) {
    if let Some(word) = set.get_mut(usize::from(byte >> 6)) {
        *word |= 1 << (byte & 63);
    }
}

fn has(set: &Set, byte: u8) -> bool {
    set.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
}

/// Makes a program of a pattern.
struct Compiler<'p> {
    rest: &'p [u8],
    groups: usize,
    nesting: usize,
}

impl<'p> Compiler<'p> {
    /// The program; `None` if the pattern is none, or too long.
    fn compile(pattern: &'p str) -> Option<Vec<Step>> {
        let mut compiler = Self { rest: pattern.as_bytes(), groups: 0, nesting: 0 };
        let program = compiler.alternatives()?;
        (compiler.rest.is_empty() && program.len() <= MAX_PROGRAM).then_some(program)
    }

    fn take(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn take_if(&mut self, byte: u8) -> bool {
        let is_next = self.rest.first() == Some(&byte);
        if is_next {
            let _ = self.take();
        }
        is_next
    }

    fn alternatives(&mut self) -> Option<Vec<Step>> {
        let mut program = self.sequence()?;
        while self.take_if(b'|') {
            let other = self.sequence()?;
            let first = length(&program)?;
            program.insert(0, Step::Split(1, first.checked_add(2)?));
            program.push(Step::Jump(length(&other)?.checked_add(1)?));
            program.extend(other);
            if program.len() > MAX_PROGRAM {
                return None;
            }
        }
        Some(program)
    }

    fn sequence(&mut self) -> Option<Vec<Step>> {
        let mut program = Vec::new();
        while let Some(byte) = self.rest.first()
            && *byte != b'|'
            && (*byte != b')' || self.nesting == 0)
        {
            let piece = self.piece()?;
            program.extend(self.repeated(piece)?);
            if program.len() > MAX_PROGRAM {
                return None;
            }
        }
        Some(program)
    }

    fn piece(&mut self) -> Option<Vec<Step>> {
        let byte = self.take()?;
        Some(match byte {
            b'^' => vec![Step::Start],
            b'$' => vec![Step::End],
            b'.' => vec![Step::One([u64::MAX; 4])],
            b'[' => vec![Step::One(self.set()?)],
            b'(' => self.group()?,
            b'*' | b'+' | b'?' => return None,
            b'\\' => {
                vec![Step::One(only(self.take().filter(|byte| !byte.is_ascii_alphanumeric())?))]
            }
            byte => vec![Step::One(only(byte))],
        })
    }

    fn group(&mut self) -> Option<Vec<Step>> {
        self.nesting = self.nesting.checked_add(1).filter(|nesting| *nesting <= 32)?;
        self.groups = self.groups.checked_add(1)?;
        let mark = self.groups.checked_mul(2)?;
        let mut program = vec![Step::Mark(mark)];
        program.extend(self.alternatives()?);
        program.push(Step::Mark(mark.checked_add(1)?));
        self.nesting = self.nesting.saturating_sub(1);
        self.take_if(b')').then_some(program)
    }

    /// A piece with what `*`, `+`, `?` and `{...}` behind it make of it.
    fn repeated(&mut self, piece: Vec<Step>) -> Option<Vec<Step>> {
        let mut piece = piece;
        loop {
            piece = match self.rest.first() {
                Some(b'*') => times(&piece, 0, None)?,
                Some(b'+') => times(&piece, 1, None)?,
                Some(b'?') => times(&piece, 0, Some(1))?,
                Some(b'{') => {
                    let (least, most) = self.bounds()?;
                    times(&piece, least, most)?
                }
                _ => return Some(piece),
            };
            self.take()?;
        }
    }

    /// `{n}`, `{n,}` or `{n,m}`, all but the last byte.
    fn bounds(&mut self) -> Option<(usize, Option<usize>)> {
        self.take()?;
        let least = self.bound()?;
        let most = if self.take_if(b',') { self.bound() } else { Some(least) };
        let is_valid = self.rest.first() == Some(&b'}') && most.is_none_or(|most| most >= least);
        is_valid.then_some((least, most))
    }

    fn bound(&mut self) -> Option<usize> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at_checked(digits)?;
        self.rest = rest;
        core::str::from_utf8(digits).ok()?.parse().ok().filter(|bound| *bound <= 255)
    }

    /// What is between brackets.
    fn set(&mut self) -> Option<Set> {
        let mut set = Set::default();
        let is_negated = self.take_if(b'^');
        let mut is_first = true;
        loop {
            let byte = self.take()?;
            if byte == b']' && !is_first {
                break;
            }
            is_first = false;
            match self.rest.first() {
                Some(b':') if byte == b'[' => self.class(&mut set)?,
                Some(b'-') if self.rest.get(1).is_some_and(|next| *next != b']') => {
                    self.take()?;
                    let last = self.take()?;
                    (byte..=last).for_each(|byte| add(&mut set, byte));
                }
                _ => add(&mut set, byte),
            }
        }
        if is_negated {
            set.iter_mut().for_each(|word| *word = !*word);
        }
        Some(set)
    }

    /// `:alpha:]` and its like.
    fn class(&mut self, set: &mut Set) -> Option<()> {
        let names: [Class; 9] = [
            (b":alpha:]", u8::is_ascii_alphabetic),
            (b":digit:]", u8::is_ascii_digit),
            (b":alnum:]", u8::is_ascii_alphanumeric),
            (b":upper:]", u8::is_ascii_uppercase),
            (b":lower:]", u8::is_ascii_lowercase),
            (b":space:]", |byte| byte.is_ascii_whitespace() || *byte == 0xb),
            (b":blank:]", |byte| matches!(byte, b' ' | b'\t')),
            (b":punct:]", u8::is_ascii_punctuation),
            (b":xdigit:]", u8::is_ascii_hexdigit),
        ];
        let (name, is_in) = names.into_iter().find(|(name, _)| self.rest.starts_with(name))?;
        self.rest = self.rest.get(name.len()..)?;
        (0..=u8::MAX).filter(is_in).for_each(|byte| add(set, byte));
        Some(())
    }
}

fn only(byte: u8) -> Set {
    let mut set = Set::default();
    add(&mut set, byte);
    set
}

fn length(program: &[Step]) -> Option<isize> {
    isize::try_from(program.len()).ok()
}

/// A piece so many times.
fn times(piece: &[Step], least: usize, most: Option<usize>) -> Option<Vec<Step>> {
    let copies = most.unwrap_or(least).max(1);
    if piece.len().checked_mul(copies.checked_add(2)?)? > MAX_PROGRAM {
        return None;
    }
    let one = length(piece)?;
    let mut program = piece.repeat(least);
    match most {
        None => {
            program.push(Step::Split(1, one.checked_add(2)?));
            program.extend(piece);
            program.push(Step::Jump(one.checked_add(1)?.checked_neg()?));
        }
        Some(most) => {
            for _ in least..most {
                program.push(Step::Split(1, one.checked_add(1)?));
                program.extend(piece);
            }
        }
    }
    Some(program)
}

/// A way that has not been tried yet.
#[derive(Clone)]
struct Way {
    step: usize,
    at: usize,
    marks: Groups,
}

/// A search for what a program matches.
struct Search<'a> {
    program: &'a [Step],
    text: &'a [u8],
    /// A bit for each pair of step and place that was tried.
    tried: Vec<u64>,
    /// Whether there were more ways than may wait.
    is_too_long: bool,
}

impl<'a> Search<'a> {
    fn new(program: &'a [Step], text: &'a [u8]) -> Self {
        let steps = program.len().saturating_add(1);
        let states = steps.saturating_mul(text.len().saturating_add(1));
        Self { program, text, tried: vec![0; states.div_ceil(64)], is_too_long: false }
    }

    /// The first match, and of those that begin there the longest.
    fn first(&mut self) -> Option<Groups> {
        (0..=self.text.len()).find_map(|start| self.longest(start))
    }

    fn longest(&mut self, start: usize) -> Option<Groups> {
        let mut best: Option<Groups> = None;
        let mut ways = vec![Way { step: 0, at: start, marks: [(start, start); GROUPS] }];
        while let Some(way) = ways.pop() {
            self.is_too_long |= ways.len() > MAX_WAYS;
            if self.is_too_long {
                return None;
            }
            if !self.is_new(&way) {
                continue;
            }
            if let Some(step) = self.program.get(way.step) {
                self.follow(*step, way, &mut ways);
                continue;
            }
            let mut groups = way.marks;
            groups[0] = (start, way.at);
            if best.is_none_or(|best| best[0].1 < way.at) {
                best = Some(groups);
            }
        }
        best
    }

    fn is_new(&mut self, way: &Way) -> bool {
        let width = self.text.len().saturating_add(1);
        let state = way.step.saturating_mul(width).saturating_add(way.at);
        let Some(word) = self.tried.get_mut(state >> 6) else { return false };
        let bit = 1 << (state & 63);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Adds where a step leads; what is to be tried first comes last.
    fn follow(&self, step: Step, mut way: Way, ways: &mut Vec<Way>) {
        let here = way.step;
        let to = |way: Way, by: isize| Way { step: here.saturating_add_signed(by), ..way };
        let goes_on = match step {
            Step::One(set) => {
                let is_in = self.text.get(way.at).is_some_and(|byte| has(&set, *byte));
                way.at = way.at.saturating_add(1);
                is_in
            }
            Step::Start => way.at == 0,
            Step::End => way.at == self.text.len(),
            Step::Split(first, second) => {
                ways.push(to(way.clone(), second));
                ways.push(to(way, first));
                return;
            }
            Step::Jump(by) => {
                ways.push(to(way, by));
                return;
            }
            Step::Mark(mark) => {
                if let Some(group) = way.marks.get_mut(mark >> 1) {
                    if mark & 1 == 0 { *group = (way.at, way.at) } else { group.1 = way.at }
                }
                true
            }
        };
        if goes_on {
            ways.push(to(way, 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The groups that take part in a match, joined with `|`.
    fn matched(pattern: &str, text: &str) -> Option<String> {
        let program = Compiler::compile(pattern)?;
        let groups = Search::new(&program, text.as_bytes()).first()?;
        let shown: Vec<_> =
            groups.iter().filter_map(|(start, end)| text.get(*start..*end)).collect();
        Some(shown.join("|").trim_end_matches('|').to_owned())
    }

    #[test]
    fn patterns_match_as_in_posix() {
        let cases = [
            ("(.*),(.*)", "hd0,gpt2", Some("hd0,gpt2|hd0|gpt2")),
            ("^(hd[0-9]+),?(.*)$", "hd12", Some("hd12|hd12")),
            ("a|ab", "xab", Some("ab")),
            ("(a|ab)(c|bcd)(d*)", "abcd", Some("abcd|a|bcd")),
            ("x{2,3}", "axxxx", Some("xxx")),
            ("^x{2}$", "xxx", None),
            ("[^a-c]+", "abcde", Some("de")),
            ("[]x]+", "a]x", Some("]x")),
            ("[[:digit:]]+\\.", "v10.2", Some("10.")),
            ("(a*)*b", "aaab", Some("aaab|aaa")),
            ("(a*)+", "b", Some("")),
            ("", "abc", Some("")),
            ("a?b+", "bb", Some("bb")),
            ("a)", "(a)", Some("a)")),
            ("a||b", "b", Some("b")),
            ("(a*)*", "aab", Some("aa|aa")),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(matched(pattern, text).as_deref(), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["(a", "[a", "(a)\\1", "*a", "a{2", "a{3,2}", "a{300}", "\\", "[[:no:]]"] {
            assert!(Compiler::compile(pattern).is_none(), "{pattern}");
        }
        for long in ["(".repeat(100), "a{255}{255}".to_owned(), "x".repeat(2000)] {
            assert!(Compiler::compile(&long).is_none(), "{long}");
        }
    }

    #[test]
    fn what_would_take_for_ever_ends_soon() {
        let text = "a".repeat(1000);
        assert_eq!(matched("(a*)*(a*)*(a*)*b", &text), None);
        assert_eq!(matched("(a|a)*(aa|a)*b", &text), None);
    }
}
