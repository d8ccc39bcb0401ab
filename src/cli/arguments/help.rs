//! What `--help` prints: an overview, and a page for each command, made of the table.

use super::flags::{Flag, Group, Shown};
use super::table::{COMMANDS, Row};

/// Columns of a terminal.
const WIDTH: usize = 80;

/// Of those, what an option or command takes of its line at least.
const ABOUT: usize = 30;

const OPENING: &str = "\
turnout is a kexec, and shows what Turnout makes of boot menus and signatures.
(What boots machines is turnout-init, PID 1 of an initramfs by mkinitramfs.)

";

const CLOSING: &str = "
\"turnout COMMAND --help\" shows what it takes, \"turnout --version\" what this is.";

/// The page of this command, or the overview.
pub(in crate::cli) fn help(command: Option<&str>) -> String {
    let row = COMMANDS.iter().find(|row| Some(row.name) == command);
    row.map_or_else(overview, Row::page)
}

fn overview() -> String {
    let mut text = OPENING.to_owned();
    for row in &COMMANDS {
        line(&mut text, &["turnout ", row.name], row.about);
    }
    text.push_str(CLOSING);
    text
}

fn say(text: &mut String, parts: &[&str]) {
    parts.iter().for_each(|part| text.push_str(part));
}

/// What is said of an option or a command.
fn line(text: &mut String, what: &[&str], about: &str) {
    let end = text.len().saturating_add(ABOUT);
    text.push_str("  ");
    say(text, what);
    while text.len() < end {
        text.push(' ');
    }
    say(text, &["  ", about, "\n"]);
}

impl Row {
    /// How it is called, from its name on.
    pub(super) fn usage(&self) -> String {
        let mut text = self.name.to_owned();
        if !self.operands.shown.is_empty() {
            say(&mut text, &[" ", self.operands.shown]);
        }
        self.options.iter().for_each(|group| group.say_usage(&mut text));
        text
    }

    fn page(&self) -> String {
        let mut text = "turnout ".to_owned();
        wrap(&mut text, &self.usage());
        say(&mut text, &["\n\n", self.about, "\n\n"]);
        self.describe(&mut text, false);
        line(&mut text, &["--help"], "this text");
        self.describe(&mut text, true);
        text.pop();
        text
    }

    /// Its groups of options that are families, or those that are none.
    fn describe(&self, text: &mut String, families: bool) {
        let groups = self.options.iter().filter(|group| group.is_family() == families);
        groups.for_each(|group| group.describe(text));
    }
}

impl Group {
    fn say_usage(&self, text: &mut String) {
        match self.shown {
            Shown::InOperands => {}
            Shown::Family(name, _) => say(text, &[" [", name, "]"]),
            Shown::Each => self.flags.iter().for_each(|flag| {
                say(text, &[" ["]);
                say(text, &flag.spelled());
                say(text, &["]", flag.more()]);
            }),
            Shown::OneOf => {
                let mut before = " [";
                for flag in self.flags {
                    say(text, &[before]);
                    say(text, &flag.spelled());
                    before = " | ";
                }
                text.push(']');
            }
        }
    }

    fn is_family(&self) -> bool {
        matches!(self.shown, Shown::Family(..))
    }

    /// A line for each option.
    fn describe(&self, text: &mut String) {
        if let Shown::Family(name, about) = self.shown {
            say(text, &["\n", name, ": ", about, "\n"]);
        }
        for flag in self.flags {
            let [dashes, name, blank, value] = flag.spelled();
            line(text, &[dashes, name, blank, value, flag.more()], flag.about);
        }
    }
}

impl Flag {
    /// With what it takes, in parts.
    fn spelled(&self) -> [&'static str; 4] {
        let value = self.value();
        ["--", self.name, value.map_or("", |_| " "), value.unwrap_or_default()]
    }

    fn more(&self) -> &'static str {
        if self.repeats { "..." } else { "" }
    }
}

/// In lines that fit a terminal, broken before what need not be there.
fn wrap(text: &mut String, usage: &str) {
    let mut column = text.len();
    let mut open = "";
    for piece in usage.split(" [") {
        let end = column.saturating_add(piece.len()).saturating_add(2);
        if end > WIDTH {
            open = "\n    [";
            column = 4;
        }
        say(text, &[open, piece]);
        column = column.saturating_add(piece.len()).saturating_add(2);
        open = " [";
    }
}
