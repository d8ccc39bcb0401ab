//! The words and signs of a script: where one ends, what is quoted in it, and which
//! variables it has (GRUB manual, "Shell-like scripting").
//!
//! Reserved words are none of its business: whether `if` is one depends on where it
//! stands. Must never take longer than one look at each byte.

use super::script::{Part, Word};

/// Most pieces of a word.
const MAX_PARTS: usize = 8192;

/// What a script is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    Newline,
    Semicolon,
    /// `{`
    Open,
    /// `}`
    Close,
    End,
    /// What no statement can have, and what is wrong.
    Bad(&'static str),
}

/// A token and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) token: Token,
    /// The line at which it begins, from 1.
    pub(super) line: usize,
    /// Its bytes.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Reads tokens one after another.
#[derive(Debug)]
pub(super) struct Lexer<'s> {
    text: &'s str,
    at: usize,
    line: usize,
    /// Whether `\` stays in quotes where it escapes nothing: always, but in tests of
    /// the tests.
    is_backslash_kept: bool,
    /// What is wrong with the word that is being read.
    error: Option<&'static str>,
}

impl<'s> Lexer<'s> {
    /// Of a text whose first line is called by this number.
    pub(super) const fn new(text: &'s str, line: usize, is_backslash_kept: bool) -> Self {
        Self { text, at: 0, line, is_backslash_kept, error: None }
    }

    /// Goes on at the beginning of the line after this place.
    pub(super) fn resume_after(&mut self, start: usize, line: usize) {
        let rest = self.text.get(start..).unwrap_or_default();
        let skipped = rest.find('\n').map_or(rest.len(), |newline| newline.saturating_add(1));
        self.at = start.saturating_add(skipped);
        self.line = line.saturating_add(1);
    }

    /// Passes over all that is left.
    pub(super) fn skip_all(&mut self) {
        let _ = self.run(|_| false);
    }

    /// The next token.
    pub(super) fn next(&mut self) -> Placed {
        self.skip_blanks();
        let line = self.line;
        let start = self.at;
        let token = match self.peek() {
            None => Token::End,
            Some(b'\n') => self.sign(Token::Newline),
            Some(b';') => self.sign(Token::Semicolon),
            Some(b'{') => self.sign(Token::Open),
            Some(b'}') => self.sign(Token::Close),
            Some(b'|' | b'&' | b'<' | b'>') => {
                self.sign(Token::Bad("there are no pipes, jobs or redirections"))
            }
            Some(_) => self.word(),
        };
        Placed { token, line, start, end: self.at }
    }

    fn sign(&mut self, token: Token) -> Token {
        self.step();
        token
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes beyond one byte, and counts lines.
    fn step(&mut self) {
        if self.peek() == Some(b'\n') {
            self.line = self.line.saturating_add(1);
        }
        self.at = self.at.saturating_add(1);
    }

    /// Blanks, joined lines, and a comment.
    fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.step(),
                Some(b'\\') if self.is_followed_by(b'\n') => {
                    self.step();
                    self.step();
                }
                Some(b'#') => {
                    let _ = self.run(|byte| byte == b'\n');
                    return;
                }
                _ => return,
            }
        }
    }

    fn is_followed_by(&self, byte: u8) -> bool {
        self.text.as_bytes().get(self.at.saturating_add(1)) == Some(&byte)
    }

    /// All up to a byte that ends it, or the end. Only ASCII characters may end it.
    fn run(&mut self, ends: fn(u8) -> bool) -> &'s str {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| ends(*byte)).unwrap_or(rest.len());
        let start = self.at;
        self.at = start.saturating_add(length);
        let text = self.text.get(start..self.at).unwrap_or_default();
        if !ends(b'\n') {
            let newlines = text.bytes().filter(|byte| *byte == b'\n').count();
            self.line = self.line.saturating_add(newlines);
        }
        text
    }

    /// A whole character, whatever it is.
    fn character(&mut self) -> &'s str {
        let start = self.at;
        let rest = self.text.get(start..).unwrap_or_default();
        let length = rest.chars().next().map_or(0, char::len_utf8);
        if length == 1 {
            self.step();
        } else {
            self.at = start.saturating_add(length);
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// A word, to its end even where something is wrong with it.
    fn word(&mut self) -> Token {
        let mut word = Word::default();
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => self.escaped(&mut word),
                b'\'' => self.single_quoted(&mut word),
                b'"' => self.double_quoted(&mut word),
                b'$' if self.is_followed_by(b'"') => {
                    self.step();
                    self.double_quoted(&mut word);
                }
                b'$' => self.variable(&mut word, false),
                byte if ends_word(byte) => break,
                _ => word.push(self.run(is_special), false),
            }
            if word.parts().len() > MAX_PARTS {
                word = Word::default();
                self.error = Some("the word has more than 8192 parts");
            }
        }
        self.error.take().map_or(Token::Word(word), Token::Bad)
    }

    /// `\x` outside quotes: x itself; nothing at all before a line's end.
    fn escaped(&mut self, word: &mut Word) {
        self.step();
        match self.character() {
            "\n" => {}
            "" => self.error = Some("the file ends with \"\\\""),
            character => word.push(character, true),
        }
    }

    fn single_quoted(&mut self, word: &mut Word) {
        self.step();
        word.push(self.run(|byte| byte == b'\''), true);
        self.close_quotes();
    }

    fn close_quotes(&mut self) {
        if self.peek().is_none() {
            self.error = Some("the quotes are never closed");
            return;
        }
        self.step();
    }

    fn double_quoted(&mut self, word: &mut Word) {
        self.step();
        let before = word.parts().len();
        loop {
            match self.peek() {
                None | Some(b'"') => break,
                Some(b'\\') => self.escaped_in_quotes(word),
                Some(b'$') => self.variable(word, true),
                Some(_) => {
                    word.push(self.run(|byte| matches!(byte, b'"' | b'\\' | b'$')), true);
                }
            }
        }
        if word.parts().len() == before {
            word.push("", true);
        }
        self.close_quotes();
    }

    /// In quotes only a few characters can be escaped; before others `\` stays.
    fn escaped_in_quotes(&mut self, word: &mut Word) {
        self.step();
        match self.peek() {
            Some(b'"' | b'\\' | b'$') => word.push(self.character(), true),
            Some(b'\n') => self.step(),
            _ if self.is_backslash_kept => word.push("\\", true),
            _ => {}
        }
    }

    fn variable(&mut self, word: &mut Word, is_quoted: bool) {
        let rest = self.text.get(self.at.saturating_add(1)..).unwrap_or_default();
        let in_braces = rest.strip_prefix('{');
        let name = name_at(in_braces.unwrap_or(rest));
        let braces = usize::from(in_braces.is_some()).saturating_mul(2);
        let is_closed = in_braces
            .is_none_or(|rest| rest.get(name.len()..).is_some_and(|rest| rest.starts_with('}')));
        if name.is_empty() || !is_closed {
            self.error = Some("no name of a variable follows \"$\"");
            self.step();
            return;
        }
        self.at = self.at.saturating_add(1).saturating_add(name.len()).saturating_add(braces);
        if word.parts().len() <= MAX_PARTS {
            word.add(Part::Variable { name: name.to_owned(), is_quoted });
        }
    }
}

/// The name of a variable that a text begins with: a word, a number, or one sign.
fn name_at(text: &str) -> &str {
    let first = text.bytes().next().unwrap_or_default();
    let length = match first {
        b'?' | b'#' | b'*' | b'@' => 1,
        b'0'..=b'9' => text.bytes().take_while(u8::is_ascii_digit).count(),
        _ => text.bytes().take_while(|byte| is_name_byte(*byte)).count(),
    };
    text.get(..length).unwrap_or_default()
}

/// Whether a text can name a function or the variable of a loop.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(is_name_byte)
}

const fn is_name_byte(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric()
}

const fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'{' | b'}' | b'|' | b'&' | b'<' | b'>')
}

/// What is no ordinary character of a word: what ends it, and what quotes. In one
/// piece, for nearly every byte is asked about.
const fn is_special(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'\n'
            | b';'
            | b'{'
            | b'}'
            | b'|'
            | b'&'
            | b'<'
            | b'>'
            | b'\\'
            | b'\''
            | b'"'
            | b'$'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens of a text, words as they are written with `'` around what is quoted.
    fn tokens(text: &str) -> Vec<String> {
        let mut lexer = Lexer::new(text, 1, true);
        let tokens = std::iter::from_fn(|| Some(lexer.next().token)).take(100);
        tokens.take_while(|token| *token != Token::End).map(shown).collect()
    }

    fn shown(token: Token) -> String {
        match token {
            Token::Word(word) => word.parts().iter().map(shown_part).collect(),
            Token::Bad(why) => format!("bad: {why}"),
            sign => format!("{sign:?}"),
        }
    }

    fn shown_part(part: &Part) -> String {
        match part {
            Part::Text { text, is_quoted: true } => format!("'{text}'"),
            Part::Text { text, .. } => text.clone(),
            Part::Variable { name, is_quoted: true } => format!("'${name}'"),
            Part::Variable { name, .. } => format!("${name}"),
        }
    }

    #[test]
    fn words_end_at_blanks_and_signs() {
        assert_eq!(tokens("a  b\tc;d\n"), ["a", "b", "c", "Semicolon", "d", "Newline"]);
        assert_eq!(tokens("a{b}c"), ["a", "Open", "b", "Close", "c"]);
        assert_eq!(tokens("a|b"), ["a", "bad: there are no pipes, jobs or redirections", "b"]);
    }

    #[test]
    fn quotes_and_escapes() {
        let cases = [
            (r#"a"b c"d"#, "a'b c'd"),
            (r"'a\b$x'", r"'a\b$x'"),
            (r"a\ b\$x", "a' 'b'$'x"),
            (r#""a\nb\x41\"\$\\""#, r#"'a\nb\x41"$\'"#),
            ("\"a\\\nb\"", "'ab'"),
            ("'a\\\nb'", "'a\\\nb'"),
            ("a\\\nb", "ab"),
            (r#"$"text""#, "'text'"),
            (r#""""#, "''"),
            ("a\\é", "a'é'"),
        ];
        for (text, expected) in cases {
            assert_eq!(tokens(text), [expected], "{text}");
        }
        for open in ["'a", "\"a", "\"a\\"] {
            assert_eq!(tokens(open), ["bad: the quotes are never closed"], "{open}");
        }
        assert_eq!(tokens("\\"), ["bad: the file ends with \"\\\""]);
    }

    #[test]
    fn variables_have_names_numbers_and_signs() {
        let cases =
            [("$a-$b_1", "$a-$b_1"), ("${a}b$12c", "$ab$12c"), ("\"$?\"$#$*${@}", "'$?'$#$*$@")];
        for (text, expected) in cases {
            assert_eq!(tokens(text), [expected], "{text}");
        }
        for bad in ["$", "a$-", "\"a $ b\"", "${a", "${}", "${a-b}"] {
            assert_eq!(tokens(bad)[0], "bad: no name of a variable follows \"$\"", "{bad}");
        }
    }

    #[test]
    fn a_comment_begins_only_where_a_token_does() {
        assert_eq!(tokens("a#b #c\n#d\ne"), ["a#b", "Newline", "Newline", "e"]);
        assert_eq!(tokens("a \\\n  b"), ["a", "b"]);
    }

    #[test]
    fn lines_are_counted_whatever_they_are_in() {
        let mut lexer = Lexer::new("a\n'b\n\nc' \"\n\" \\\n d\\\ne", 1, true);
        let lines: Vec<_> = std::iter::from_fn(|| {
            let placed = lexer.next();
            (placed.token != Token::End).then_some(placed.line)
        })
        .collect();
        assert_eq!(lines, [1, 1, 2, 4, 6]);
    }
}
