//! Scripts of GRUB, made up from its grammar: a number stands for the same script at
//! every run. They print what they do, and `$?`.
//!
//! Nothing in them depends on a device, the time or the order of a directory; they
//! always end, and print little. What is wrong in their grammar is wrong in a line of
//! its own, for what GRUB makes of the rest of a longer construct is not what Turnout
//! makes of it (docs/menus.md, "Where Turnout differs").

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

pub(crate) mod dice;
pub(crate) mod frozen;
mod traps;

use std::fmt::Write as _;

use dice::Dice;

/// How many scripts there are.
pub(crate) const COUNT: usize = 10_000;
/// Where [`FILES`] are: a directory that every machine has, and that is covered where
/// GRUB runs.
pub(crate) const ROOT: &str = "/mnt";
/// What scripts may read, below [`ROOT`].
pub(crate) const FILES: [(&str, &str); 5] = [
    ("/t/one", "1\n"),
    ("/t/two", ""),
    ("/t/three", "3\n"),
    ("/t/context", "echo \"in:$a|$b\"\nb=new\nc=new\n"),
    ("/t/returns", "echo before\nreturn 4\necho after\n"),
];

/// What a script printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Printed {
    /// Without messages.
    pub(crate) output: String,
    /// `$?` at its end.
    pub(crate) status: String,
    /// Whether there were messages of errors.
    pub(crate) has_messages: bool,
}

/// What scripts set and read. The first ones are forgotten between scripts.
pub(crate) const NAMES: [&str; 6] = ["a", "b", "c", "x", "y", "u"];
/// How deep statements nest.
const MAX_DEPTH: usize = 3;
/// Every so many scripts one is about a trap.
const TRAP_EVERY: usize = 8;

/// The script of a number.
pub(crate) fn script(number: usize) -> String {
    let mut writer = Writer::new(number);
    if number.is_multiple_of(TRAP_EVERY) {
        traps::write(&mut writer, number / TRAP_EVERY);
    } else {
        writer.whole();
    }
    writer.line(r#"echo "$?|$a|$b|$c|$x|$y|$u""#);
    if number % 5 == 4 {
        writer.unfinished();
    }
    writer.text
}

/// A script that is being written.
pub(crate) struct Writer {
    pub(crate) dice: Dice,
    pub(crate) text: String,
    number: usize,
    /// How many functions there are until now.
    functions: usize,
    /// How many loops with a counter.
    counters: usize,
    is_in_function: bool,
    loops: usize,
}

impl Writer {
    fn new(number: usize) -> Self {
        Self {
            dice: Dice::of(number as u64),
            text: String::new(),
            number,
            functions: 0,
            counters: 0,
            is_in_function: false,
            loops: 0,
        }
    }

    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn whole(&mut self) {
        for _ in 0..self.dice.below(6) + 2 {
            match self.dice.below(12) {
                0 => self.function(),
                1 => self.broken(),
                2 => self.comment(),
                _ => self.statement(0),
            }
            self.text.push('\n');
            if self.dice.one_in(3) {
                self.line(r#"echo "$?""#);
            }
        }
    }

    /// Names of functions are the script's own: GRUB cannot forget them.
    fn function_name(&self, function: usize) -> String {
        format!("f{}_{function}", self.number)
    }

    fn function(&mut self) {
        let name = self.function_name(self.functions);
        self.is_in_function = true;
        let open = self.dice.one_of(&[" {\n", " { ", "\n{\n"]);
        let _ = write!(self.text, "function {name}{open}");
        self.body(1);
        self.text.push('}');
        self.is_in_function = false;
        self.functions += 1;
        self.text.push('\n');
        self.call();
    }

    /// One or two statements, each with what ends it.
    fn body(&mut self, depth: usize) {
        for _ in 0..self.dice.below(2) + 1 {
            self.statement(depth);
            self.end();
        }
    }

    fn end(&mut self) {
        let end = self.dice.one_of(&["; ", "\n", ";\n", "\n\n", " ; ", "\n  # note\n"]);
        self.text.push_str(end);
    }

    fn statement(&mut self, depth: usize) {
        let kinds = if depth < MAX_DEPTH { 30 } else { 20 };
        match self.dice.below(kinds) {
            0..=5 => self.command("echo", 4),
            6..=8 => self.assignment(),
            9 => self.variable(),
            10..=12 => self.test(),
            13 => self.simple(),
            14 => self.regexp(),
            15 => self.eval(),
            16 => self.jump(),
            17 => self.unknown(),
            18 => self.call(),
            19 => self.negation(depth),
            20..=24 => self.condition(depth),
            25..=27 => self.for_loop(depth),
            _ => self.counted_loop(depth),
        }
    }

    fn command(&mut self, name: &str, most: usize) {
        self.text.push_str(name);
        for _ in 0..self.dice.below(most + 1) {
            self.gap();
            self.word();
        }
    }

    fn gap(&mut self) {
        let gap = self.dice.one_of(&[" ", " ", " ", " ", " ", "  ", "\t", " \\\n "]);
        self.text.push_str(gap);
    }

    fn name(&mut self) -> &'static str {
        self.dice.one_of(&NAMES)
    }

    fn assignment(&mut self) {
        let name = self.name();
        let set = self.dice.one_of(&["set ", "", ""]);
        let _ = write!(self.text, "{set}{name}=");
        match self.dice.below(8) {
            0 => {}
            1 => {
                self.word();
                self.text.push_str(" y=lost");
            }
            _ => self.word(),
        }
    }

    fn variable(&mut self) {
        let name = self.name();
        let command = self.dice.one_of(&["unset", "unset", "export", "set"]);
        let _ = write!(self.text, "{command} {name}");
    }

    fn simple(&mut self) {
        let simple = self.dice.one_of(&[
            "true",
            "false",
            "true a b",
            "false x",
            "echo -n pre",
            "echo -e 'a\\nb' \"c\\\\d\"",
            "echo -e a\\\\nb",
            "echo -n",
            "echo -x",
            "echo if then else fi for do done",
            "echo a#b",
            "set =x",
            "unset",
            "export",
            "true",
            "eval",
            "regexp a",
            "set a-b=1",
            "insmod nosuch",
        ]);
        self.text.push_str(simple);
    }

    /// `[ ... ]` or `test ...`, with and without its end.
    fn test(&mut self) {
        let is_bracket = self.dice.below(5) > 0;
        self.text.push_str(if is_bracket { "[" } else { "test" });
        self.expression(0);
        if is_bracket && !self.dice.one_in(20) {
            self.text.push_str(" ]");
        }
    }

    fn expression(&mut self, depth: usize) {
        match self.dice.below(if depth < 2 { 14 } else { 8 }) {
            0 => self.words(2),
            1 | 2 => self.operator(&["-n", "-z"]),
            3..=5 => self.comparison(&["=", "==", "!=", "<", "<=", ">", ">="]),
            6 | 7 => self.numbers(),
            8 | 9 => self.joined(depth, " -a"),
            10 | 11 => self.joined(depth, " -o"),
            12 => {
                self.text.push_str(" !");
                self.expression(depth + 1);
            }
            _ => {
                self.text.push_str(" (");
                self.expression(depth + 1);
                self.text.push_str(" )");
            }
        }
    }

    fn words(&mut self, most: usize) {
        for _ in 0..self.dice.below(most + 1) {
            self.text.push(' ');
            self.word();
        }
    }

    fn joined(&mut self, depth: usize, by: &str) {
        self.expression(depth + 1);
        self.text.push_str(by);
        self.expression(depth + 1);
    }

    fn operator(&mut self, operators: &[&str]) {
        let operator = self.dice.one_of(operators);
        let _ = write!(self.text, " {operator} ");
        self.word();
    }

    /// `<` and `>` end a word, so they stand in quotes.
    fn comparison(&mut self, operators: &[&str]) {
        self.text.push(' ');
        self.word();
        let operator = self.dice.one_of(operators);
        let quote = if operator.contains(['<', '>']) { "'" } else { "" };
        let _ = write!(self.text, " {quote}{operator}{quote} ");
        self.word();
    }

    fn numbers(&mut self) {
        const NUMBERS: [&str; 14] =
            ["0", "1", "7", "8", "10", "010", "0x10", "16", "-3", "-1", "abc", "\"\"", "3x", "$#"];
        const OPERATORS: [&str; 8] = ["-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-pgt", "-plt"];
        let operator = self.dice.one_of(&OPERATORS);
        let first = self.dice.one_of(&NUMBERS);
        let _ = write!(self.text, " {first} {operator} ");
        match self.dice.below(4) {
            0 => self.word(),
            _ => {
                let second = self.dice.one_of(&NUMBERS);
                self.text.push_str(second);
            }
        }
    }

    fn regexp(&mut self) {
        const EXPRESSIONS: [&str; 16] = [
            "a",
            "^a",
            "b$",
            "(.*)-(.*)",
            "(a|b)+",
            "[a-c]+",
            "[^a]*",
            "a{2}",
            "a?b",
            "(a)(b)?",
            "x*",
            ".",
            "()",
            "([0-9]+)",
            "(a*)(ab)*",
            "(",
        ];
        const SUBJECTS: [&str; 10] =
            ["a", "ab", "aab", "ba-ab", "x-y-z", "abc", "12", "hd0,gpt2", "\"\"", "$a"];
        let name = self.name();
        let set = match self.dice.below(5) {
            0 => String::new(),
            1 => format!(" -s {name}"),
            2 => format!(" --set 1:{name}"),
            3 => format!(" --set={name}"),
            _ => format!(" --set=1:{name} --set=2:y"),
        };
        let expression = self.dice.one_of(&EXPRESSIONS);
        let subject = self.dice.one_of(&SUBJECTS);
        let _ = write!(self.text, "regexp{set} '{expression}' {subject}");
    }

    fn eval(&mut self) {
        let eval = self.dice.one_of(&[
            "eval \"echo \\\"$a\\\" $b\"",
            "eval echo '$x' $x",
            "eval 'x=5; echo $x'",
            "eval \"c=\\$a\"",
            "eval \"\"",
            "eval 'false'",
            "eval 'nosuch1; echo on'",
            "eval 'echo a; echo b' ';' echo c",
        ]);
        self.text.push_str(eval);
    }

    /// `break`, `continue`, `return`, `shift`, `setparams`: where they mean something,
    /// and now and then where they do not.
    fn jump(&mut self) {
        let is_at_home = self.is_in_function || self.dice.one_in(4);
        let jumps: &[&str] = match (is_at_home, self.loops) {
            (true, 0) => {
                &["return", "return 0", "return 3", "shift", "shift 2", "setparams p 'q r'"]
            }
            (false, 0) => &["true"],
            (false, _) => &["break", "continue", "break 2", "continue 2", "break 0", "break x"],
            (true, _) => &["return 1", "break", "continue", "shift", "break 1", "return x"],
        };
        let jump = self.dice.one_of(jumps);
        self.text.push_str(jump);
    }

    fn unknown(&mut self) {
        let name = self.dice.one_of(&["nosuch", "nosuch1", "no.such", "\"no such\"", "''", "$u"]);
        self.command(name, 2);
    }

    fn call(&mut self) {
        if self.functions == 0 || self.loops > 1 || (self.is_in_function && self.loops > 0) {
            self.text.push_str("true");
            return;
        }
        let function = self.dice.below(self.functions);
        let name = self.function_name(function);
        self.command(&name, 4);
    }

    fn negation(&mut self, depth: usize) {
        self.text.push_str("! ");
        match self.dice.below(5) {
            0 => self.unknown(),
            1 => self.call(),
            2 => self.text.push_str("true"),
            3 => self.text.push_str("false"),
            _ if depth < MAX_DEPTH => self.test(),
            _ => self.text.push_str("! false"),
        }
    }

    /// What decides: a test, or any command.
    fn decision(&mut self) {
        match self.dice.below(10) {
            0 => self.text.push_str("true"),
            1 => self.text.push_str("false"),
            2 => self.unknown(),
            3 => self.call(),
            4 => self.negation(MAX_DEPTH),
            5 => {
                self.text.push_str("false; ");
                self.test();
            }
            _ => self.test(),
        }
    }

    fn condition(&mut self, depth: usize) {
        self.text.push_str("if ");
        self.decision();
        self.branch("then", depth);
        while self.dice.one_in(4) {
            self.text.push_str("elif ");
            self.decision();
            self.branch("then", depth);
        }
        if self.dice.one_in(2) {
            let after = self.dice.one_of(&["else ", "else\n"]);
            self.text.push_str(after);
            self.body(depth + 1);
        }
        self.text.push_str("fi");
    }

    /// `; then ...` and `; do ...`.
    fn branch(&mut self, keyword: &str, depth: usize) {
        let before = self.dice.one_of(&["; ", "\n", " ;  "]);
        let after = self.dice.one_of(&[" ", "\n", "\n\n  "]);
        let _ = write!(self.text, "{before}{keyword}{after}");
        self.body(depth + 1);
    }

    fn for_loop(&mut self, depth: usize) {
        let name = self.name();
        let _ = write!(self.text, "for {name} in");
        self.words(3);
        self.loops += 1;
        self.branch("do", depth);
        self.loops -= 1;
        self.text.push_str("done");
    }

    /// A loop whose counter is its own, so that it ends.
    fn counted_loop(&mut self, depth: usize) {
        let counter = format!("n{}", self.counters);
        self.counters += 1;
        let times = self.dice.one_of(&["o", "oo", "ooo"]);
        let (keyword, operator) =
            if self.dice.one_in(2) { ("while", "!=") } else { ("until", "=") };
        let _ = write!(self.text, "{counter}=; {keyword} [ x${counter} {operator} x{times} ]; do ");
        let _ = write!(self.text, "{counter}=o${counter}; ");
        self.loops += 1;
        self.body(depth + 1);
        self.loops -= 1;
        self.text.push_str("done");
    }

    fn comment(&mut self) {
        let comment = self.dice.one_of(&[
            "# a comment 'open",
            "",
            "  # \\",
            "#",
            "echo x # \"y",
            "  \t",
            "echo a#b #c",
            "echo # a",
        ]);
        self.text.push_str(comment);
    }

    /// A line that GRUB's grammar refuses.
    fn broken(&mut self) {
        let broken = self.dice.one_of(&[
            "echo a && echo b",
            "echo a | echo b",
            "echo a{b}c",
            "fi",
            "done",
            "}",
            "echo a; }",
            "if; then echo a; fi",
            "if true; then fi",
            "for a do echo a; done",
            "function e { }",
            "{ echo a; }",
            "echo a {b} c",
            "echo a > b",
            "echo a < b",
            "echo a & echo b",
            "if true; then echo a && echo b; fi",
            "then",
            "else echo a",
            "for in b; do echo; done",
            "function 1a { echo a; }",
            "while; do echo a; done",
        ]);
        self.text.push_str(broken);
    }

    /// What is still open where the file ends.
    fn unfinished(&mut self) {
        let unfinished = self.dice.one_of(&[
            "if true; then echo a",
            "if true; then\necho a\n",
            "echo \"open",
            "echo 'open\n",
            "for a in b; do echo $a",
            "while false; do",
            "function e {\necho a",
            "echo last",
            "echo last\\",
            "echo {",
            "echo ${a",
            "echo $",
        ]);
        self.text.push_str(unfinished);
    }

    pub(crate) fn word(&mut self) {
        for _ in 0..self.dice.one_of(&["1", "1", "1", "2", "3"]).len() {
            self.piece();
        }
        if self.dice.one_in(4) {
            self.piece();
        }
    }

    fn piece(&mut self) {
        match self.dice.below(14) {
            0..=3 => self.bare(),
            4 | 5 => self.single_quoted(),
            6..=8 => self.double_quoted(),
            9..=11 => self.unquoted_variable(),
            12 => self.positional(),
            _ => self.escaped(),
        }
    }

    fn bare(&mut self) {
        let bare = self.dice.one_of(&[
            "a", "b", "foo", "-n", "-z", "7", "010", "a=b", "x.y", "/p/q", "then", "!", "=", "a#b",
            "(", "1:2", "%d", "a,b", "~", "[", "]-", "@", "^",
        ]);
        self.text.push_str(bare);
    }

    fn single_quoted(&mut self) {
        let quoted = self.dice.one_of(&[
            "''", "'a b'", "' a'", "'b '", "'$a'", "'\"'", "'a\\nb'", "'x\\'", "'#'", "'{'",
            "'a;b'",
        ]);
        self.text.push_str(quoted);
    }

    fn double_quoted(&mut self) {
        self.text.push('"');
        for _ in 0..self.dice.below(4) {
            match self.dice.below(6) {
                0 => self.unquoted_variable(),
                1 => self.positional(),
                _ => self.quoted_text(),
            }
        }
        self.text.push('"');
    }

    fn quoted_text(&mut self) {
        let text = self.dice.one_of(&[
            "a", "b c", " ", "  ", "\\n", "\\\"", "\\\\", "\\$a", "\\x41", "'", "#", "{", ";",
            "\\\nq", "\\t", "=",
        ]);
        self.text.push_str(text);
    }

    fn unquoted_variable(&mut self) {
        let name = self.name();
        let _ = match self.dice.below(2) {
            0 => write!(self.text, "${name}"),
            _ => write!(self.text, "${{{name}}}"),
        };
    }

    fn positional(&mut self) {
        let positional =
            self.dice.one_of(&["$1", "${2}", "$3", "$#", "$@", "$*", "$?", "${12}", "${#}", "$0"]);
        self.text.push_str(positional);
    }

    fn escaped(&mut self) {
        let escaped = self
            .dice
            .one_of(&["\\n", "\\x41", "\\ ", "\\\"", "\\'", "\\$", "\\\\", "\\;", "\\{", "\\a"]);
        self.text.push_str(escaped);
    }
}
