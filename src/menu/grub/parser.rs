//! Makes the tree of a script: the grammar of `grub.cfg`.
//!
//! As GRUB does, it gives up a whole line with an error in it, with all that the line
//! begins and later ones end. Unlike GRUB it then goes on behind the end of that, and
//! not in the middle: what a condition had to decide is never evaluated without it.
//! It reads more than GRUB does where two menus of distributions need it: functions
//! within other statements, `;` after `;`, and no separator before the `}` of a
//! function. Must never nest deeper, or make more of a file, than there are limits for.

use std::rc::Rc;

use super::lexer::{Lexer, Placed, Token, is_name};
use super::script::{Arm, Block, Kind, Part, Script, Statement, Word};

/// Deepest nesting of statements.
const MAX_NESTING: usize = 64;
/// Most bytes that the tree of one file takes in memory, about.
const MAX_WEIGHT: usize = 8 << 20;
/// How often a file is read on in the middle of something that has no end.
const MAX_RESUMED: usize = 16;
/// Most that is told of lines that were given up.
const MAX_DROPPED: usize = 256;
/// Reserved in the place of a command, and the beginning of nothing that there is.
const RESERVED: [&str; 12] =
    ["case", "do", "done", "elif", "else", "esac", "fi", "in", "select", "then", "[[", "]]"];

/// What came of a file.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) script: Script,
    pub(super) dropped: Vec<Dropped>,
    /// How many bytes the tree takes, about.
    pub(super) weight: usize,
}

/// Lines that were given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) first: usize,
    pub(super) last: usize,
    /// The line at which the error was found.
    pub(super) line: usize,
    pub(super) why: String,
}

impl core::fmt::Display for Dropped {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.why)?;
        if self.first == self.last {
            return f.write_str("; the line is left out");
        }
        write!(f, "; lines {} to {} are left out", self.first, self.last)
    }
}

/// Reads a whole file.
pub(super) fn parse<'s>(source: &'s Rc<str>, mut lexer: Lexer<'s>) -> Parsed {
    let next = lexer.next();
    let parser =
        Parser { source, lexer, next, open: Vec::new(), is_command: true, weight: 0, resumed: 0 };
    parser.file()
}

/// What ends with a reserved word or sign of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    If,
    Loop,
    Brace,
}

struct Parser<'s> {
    source: &'s Rc<str>,
    lexer: Lexer<'s>,
    /// What is not used yet.
    next: Placed,
    /// What has begun and not ended.
    open: Vec<Open>,
    /// Whether a reserved word is one where `next` stands.
    is_command: bool,
    weight: usize,
    resumed: usize,
}

type Result<T> = core::result::Result<T, String>;

impl Parser<'_> {
    fn file(mut self) -> Parsed {
        let mut parsed = Parsed::default();
        loop {
            self.skip_newlines();
            if self.next.token == Token::End || self.weight > MAX_WEIGHT {
                break;
            }
            let first = self.next.line;
            match self.line() {
                Ok(statements) => parsed.script.0.extend(statements),
                Err(why) => {
                    let dropped = self.drop_from(first, why);
                    if parsed.dropped.len() < MAX_DROPPED {
                        parsed.dropped.push(dropped);
                    }
                }
            }
        }
        parsed.weight = self.weight;
        parsed
    }

    /// What GRUB reads at once: all statements up to the end of a line.
    fn line(&mut self) -> Result<Vec<Statement>> {
        let mut statements = Vec::new();
        loop {
            statements.push(self.statement()?);
            match self.next.token {
                Token::Semicolon => self.advance(),
                Token::Newline | Token::End => return Ok(statements),
                _ => return Err(self.unexpected()),
            }
            while self.next.token == Token::Semicolon {
                self.advance();
            }
            if matches!(self.next.token, Token::Newline | Token::End) {
                return Ok(statements);
            }
        }
    }

    fn advance(&mut self) {
        self.next = self.lexer.next();
        self.is_command = false;
    }

    fn skip_separators(&mut self) {
        while matches!(self.next.token, Token::Newline | Token::Semicolon) {
            self.advance();
        }
        self.is_command = true;
    }

    fn skip_newlines(&mut self) {
        while self.next.token == Token::Newline {
            self.advance();
        }
        self.is_command = true;
    }

    /// The reserved word that is next, if it is one where it stands.
    fn keyword(&self) -> Option<&str> {
        match &self.next.token {
            Token::Word(word) if self.is_command => word.bare(),
            _ => None,
        }
    }

    fn unexpected(&self) -> String {
        let what = match &self.next.token {
            Token::Bad(why) => return (*why).to_owned(),
            Token::Newline => "the end of the line",
            Token::Semicolon => "\";\"",
            Token::Open => "\"{\"",
            Token::Close => "\"}\"",
            Token::End => "the end of the file",
            Token::Word(word) => word.bare().unwrap_or("a word"),
        };
        ["nothing can be made of ", what, " here"].concat()
    }

    /// Charges what a node of the tree takes.
    fn weigh(&mut self, bytes: usize) -> Result<()> {
        self.weight = self.weight.saturating_add(bytes);
        if self.weight > MAX_WEIGHT {
            return Err("the file is too long: what comes after this is not read".to_owned());
        }
        Ok(())
    }

    fn begin(&mut self, open: Open) -> Result<()> {
        self.open.push(open);
        if self.open.len() > MAX_NESTING {
            return Err("it is nested deeper than 64 times".to_owned());
        }
        Ok(())
    }

    fn statement(&mut self) -> Result<Statement> {
        self.is_command = true;
        self.weigh(size_of::<Statement>())?;
        let line = self.next.line;
        let kind = match self.keyword() {
            Some("if") => self.conditional()?,
            Some("for") => self.for_loop()?,
            Some("while") => self.while_loop(false)?,
            Some("until") => self.while_loop(true)?,
            Some("function") => self.function()?,
            Some(word) if RESERVED.contains(&word) => return Err(self.unexpected()),
            _ => self.command()?,
        };
        Ok(Statement { line, kind })
    }

    /// Statements up to one of these reserved words, or a `}`: at least one.
    fn statements(&mut self, ends: &[&str]) -> Result<Script> {
        let mut script = Script::default();
        self.skip_newlines();
        loop {
            let is_end = match self.keyword() {
                Some(word) => ends.contains(&word),
                None => self.next.token == Token::Close && ends.is_empty(),
            };
            if is_end && !script.0.is_empty() {
                return Ok(script);
            }
            if is_end {
                return Err(self.unexpected());
            }
            script.0.push(self.statement()?);
            match self.next.token {
                Token::Newline | Token::Semicolon => self.skip_separators(),
                Token::Close if ends.is_empty() => return Ok(script),
                _ => return Err(self.unexpected()),
            }
        }
    }

    fn expect(&mut self, word: &str) -> Result<()> {
        if self.keyword() != Some(word) {
            let unexpected = self.unexpected();
            return Err([&unexpected, ": \"", word, "\" is missing"].concat());
        }
        self.advance();
        Ok(())
    }

    fn conditional(&mut self) -> Result<Kind> {
        self.begin(Open::If)?;
        let mut arms = vec![self.arm()?];
        while self.keyword() == Some("elif") {
            arms.push(self.arm()?);
        }
        let mut otherwise = Script::default();
        if self.keyword() == Some("else") {
            self.advance();
            otherwise = self.statements(&["fi"])?;
        }
        self.expect("fi")?;
        self.open.pop();
        Ok(Kind::If { arms, otherwise })
    }

    /// From `if` or `elif` on.
    fn arm(&mut self) -> Result<Arm> {
        self.advance();
        self.weigh(size_of::<Arm>())?;
        let condition = self.statements(&["then"])?;
        self.expect("then")?;
        let body = self.statements(&["elif", "else", "fi"])?;
        Ok(Arm { condition, body })
    }

    fn for_loop(&mut self) -> Result<Kind> {
        self.begin(Open::Loop)?;
        self.advance();
        let name = self.name()?;
        self.is_command = true;
        self.expect("in")?;
        let words = self.words()?;
        let body = self.body()?;
        Ok(Kind::For { name, words, body })
    }

    fn while_loop(&mut self, is_until: bool) -> Result<Kind> {
        self.begin(Open::Loop)?;
        self.advance();
        let condition = self.statements(&["do"])?;
        let body = self.body()?;
        Ok(Kind::While { is_until, condition, body })
    }

    /// From what separates it from `do` on.
    fn body(&mut self) -> Result<Script> {
        self.skip_separators();
        self.expect("do")?;
        let body = self.statements(&["done"])?;
        self.expect("done")?;
        self.open.pop();
        Ok(body)
    }

    fn name(&mut self) -> Result<String> {
        let Token::Word(word) = &self.next.token else { return Err(self.unexpected()) };
        let Some(name) = word.bare().filter(|name| is_name(name)) else {
            return Err("a name of letters, digits and \"_\" is missing".to_owned());
        };
        let name = name.to_owned();
        self.advance();
        Ok(name)
    }

    fn function(&mut self) -> Result<Kind> {
        self.advance();
        let name = self.name()?;
        self.skip_newlines();
        if self.next.token != Token::Open {
            return Err(self.unexpected());
        }
        let body = Rc::new(self.braces()?.script);
        Ok(Kind::Function { name, body })
    }

    fn braces(&mut self) -> Result<Block> {
        let start = self.next.start;
        self.begin(Open::Brace)?;
        self.advance();
        self.weigh(size_of::<Block>())?;
        let script = self.statements(&[])?;
        let end = self.next.end;
        self.open.pop();
        self.advance();
        Ok(Block::new(Rc::clone(self.source), start, end, script))
    }

    fn command(&mut self) -> Result<Kind> {
        let words = self.words()?;
        if words.is_empty() {
            return Err(self.unexpected());
        }
        let block = match self.next.token {
            Token::Open => Some(Rc::new(self.braces()?)),
            _ => None,
        };
        Ok(Kind::Command { words, block })
    }

    fn words(&mut self) -> Result<Vec<Word>> {
        let mut words = Vec::new();
        while let Token::Word(word) = &mut self.next.token {
            let word = core::mem::take(word);
            self.advance();
            self.weigh(weight(&word))?;
            words.push(word);
        }
        Ok(words)
    }

    /// Gives up a line and what it began, for the reason found at `next`.
    fn drop_from(&mut self, first: usize, why: String) -> Dropped {
        let line = self.next.line;
        let start = self.next.start;
        let mut last = self.skip_open();
        let is_open = !self.open.is_empty();
        self.open.clear();
        if is_open && self.resumed < MAX_RESUMED {
            self.resumed = self.resumed.saturating_add(1);
            self.lexer.resume_after(start, line);
            self.advance();
            return Dropped { first, last: line, line, why };
        }
        if is_open {
            self.lexer.skip_all();
            self.advance();
            last = self.next.line;
        }
        Dropped { first, last, line, why }
    }

    /// Goes to the end of the line at which all that is open has ended; returns it. What
    /// is nested too deep for that has no end.
    fn skip_open(&mut self) -> usize {
        loop {
            let line = self.next.line;
            let keyword = self.keyword().map(Open::of);
            match (&self.next.token, keyword) {
                (Token::End, _) => return line,
                _ if self.open.len() > MAX_NESTING => return line,
                (Token::Newline, _) if self.open.is_empty() => return line,
                (Token::Open, _) => self.open.push(Open::Brace),
                (Token::Close, _) => self.close(Open::Brace),
                (_, Some(Some((open, true)))) => self.open.push(open),
                (_, Some(Some((open, false)))) => self.close(open),
                _ => {}
            }
            self.skip_one(keyword.is_some());
        }
    }

    /// Goes one token on, and knows whether a command may begin there.
    fn skip_one(&mut self, is_keyword: bool) {
        let begins = match &self.next.token {
            Token::Newline | Token::Semicolon | Token::Open => true,
            Token::Word(word) if is_keyword => word.bare().is_some_and(is_followed_by_command),
            _ => false,
        };
        self.advance();
        self.is_command = begins;
    }

    /// Ends what is open, and what was begun within it.
    fn close(&mut self, open: Open) {
        if let Some(at) = self.open.iter().rposition(|other| *other == open)
            && (open == Open::Brace || at.saturating_add(1) == self.open.len())
        {
            self.open.truncate(at);
        }
    }
}

impl Open {
    /// What a reserved word begins, or ends.
    fn of(word: &str) -> Option<(Self, bool)> {
        Some(match word {
            "if" => (Self::If, true),
            "fi" => (Self::If, false),
            "for" | "while" | "until" => (Self::Loop, true),
            "done" => (Self::Loop, false),
            _ => return None,
        })
    }
}

fn is_followed_by_command(word: &str) -> bool {
    ["if", "then", "elif", "else", "do", "while", "until"].contains(&word)
}

/// How many bytes a word takes in the tree, about.
fn weight(word: &Word) -> usize {
    let parts = word.parts().iter().map(|part| match part {
        Part::Text { text: held, .. } | Part::Variable { name: held, .. } => {
            size_of::<Part>().saturating_add(held.len()).saturating_add(size_of::<usize>())
        }
    });
    size_of::<Word>().saturating_add(parts.sum())
}
