//! The words of the prompt: one table for what is understood, completed and explained.
//! A word must never run a program or write to a disk, and none may lose its meaning.

use crate::base::text::quoted;

/// Longest word that an error repeats, in characters.
const MAX_QUOTED: usize = 40;

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Boot an entry of the menu.
    Boot,
    /// Tell the entries.
    List,
    /// Take files from a device.
    From,
    /// Tell what a directory holds.
    Ls,
    /// Take a kernel.
    Linux,
    /// Take one more initrd.
    Initrd,
    /// Take a command line.
    Options,
    /// Tell what was put together.
    Show,
    /// Boot that.
    Go,
    /// Look for a menu again.
    Retry,
    /// Boot a recovery entry.
    Recover,
    /// Reset the machine.
    Reset,
    /// Turn it off.
    PowerOff,
    /// Tell the words.
    Help,
}

/// What an argument names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of the words.
    Word,
    /// An entry of the menu.
    Entry,
    /// A block device.
    Device,
    /// A file of the device.
    File,
    /// A directory of the device.
    Directory,
    /// Text for the next kernel.
    Text,
}

/// A word and its argument, which is empty where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// The word.
    pub word: Word,
    /// The rest of the line, without blanks around it.
    pub argument: &'a str,
}

/// How a word is used.
pub(super) struct Row {
    pub(super) name: &'static str,
    word: Word,
    pub(super) argument: Option<Kind>,
    /// Whether it means nothing without the argument.
    is_needed: bool,
    help: &'static str,
}

const fn plain(name: &'static str, word: Word, help: &'static str) -> Row {
    Row { name, word, argument: None, is_needed: false, help }
}

const fn with(name: &'static str, word: Word, argument: Kind, help: &'static str) -> Row {
    Row { name, word, argument: Some(argument), is_needed: true, help }
}

const fn perhaps(name: &'static str, word: Word, argument: Kind, help: &'static str) -> Row {
    Row { name, word, argument: Some(argument), is_needed: false, help }
}

/// In the order in which they are told.
pub(super) const ROWS: [Row; 16] = [
    with("boot", Word::Boot, Kind::Entry, "boot an entry of the menu"),
    plain("list", Word::List, "the entries, and whether they can boot"),
    perhaps(
        "from",
        Word::From,
        Kind::Device,
        "take files from it, read-only; alone: what there is",
    ),
    perhaps("ls", Word::Ls, Kind::Directory, "what lies there"),
    with("linux", Word::Linux, Kind::File, "the kernel"),
    perhaps("initrd", Word::Initrd, Kind::File, "one more initrd; alone: none"),
    perhaps("options", Word::Options, Kind::Text, "the command line; alone: none"),
    plain("show", Word::Show, "what was put together so far"),
    plain("go", Word::Go, "boot that, unsigned"),
    plain("retry", Word::Retry, "look for a menu again"),
    plain("recover", Word::Recover, "boot a recovery entry"),
    plain("reset", Word::Reset, "reset the machine"),
    plain("poweroff", Word::PowerOff, "turn it off"),
    plain("help", Word::Help, "this"),
    plain("status", Word::Show, ""),
    plain("reboot", Word::Reset, ""),
];

/// Reads a line; nothing where it is empty.
///
/// # Errors
/// A sentence that names the word and what could stand there.
pub fn parse(line: &str) -> Result<Option<Command<'_>>, String> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(None);
    }
    let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
    let argument = argument.trim_start();
    let row = row(name).ok_or_else(|| unknown(name))?;
    match row.argument {
        None if !argument.is_empty() => {
            Err([row.name, " takes nothing after it: ", &short(argument)].concat())
        }
        Some(kind) if argument.is_empty() && row.is_needed => {
            Err([row.name, " needs ", kind.name(), ": ", kind.next()].concat())
        }
        _ => Ok(Some(Command { word: row.word, argument })),
    }
}

pub(super) fn row(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

fn short(text: &str) -> String {
    quoted(&text.chars().take(MAX_QUOTED).collect::<String>())
}

fn unknown(name: &str) -> String {
    let mut text = short(name);
    text.push_str(" is not one of:");
    for row in told() {
        text.push(' ');
        text.push_str(row.name);
    }
    text.push_str("; \"help\" tells what they do");
    text
}

/// Those that are told; another name for one of them is only understood.
pub(super) fn told() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().filter(|row| !row.help.is_empty())
}

/// What the words do, one line each.
#[must_use]
pub fn help() -> Vec<String> {
    told().map(Row::line).collect()
}

impl Row {
    fn line(&self) -> String {
        let name = self.argument.map_or("", Kind::name);
        let (open, close) = if self.is_needed || name.is_empty() { ("", "") } else { ("[", "]") };
        let usage = [self.name, " ", open, name, close].concat();
        format!("{usage:<20}{}", self.help)
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Word => "WORD",
            Self::Entry => "ENTRY",
            Self::Device => "DEVICE",
            Self::File => "FILE",
            Self::Directory => "DIRECTORY",
            Self::Text => "TEXT",
        }
    }

    /// How to find out what could stand there.
    const fn next(self) -> &'static str {
        match self {
            Self::Entry => "\"list\" names them",
            Self::Device => "\"from\" alone names them",
            Self::File | Self::Directory => "Tab and \"ls\" name them",
            Self::Word | Self::Text => "\"help\" tells more",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<(Word, &str)> {
        parse(line).unwrap().map(|command| (command.word, command.argument))
    }

    #[test]
    fn a_line_is_a_word_and_the_rest_of_it() {
        for (line, expected) in [
            ("", None),
            ("   ", None),
            (" retry ", Some((Word::Retry, ""))),
            ("recover", Some((Word::Recover, ""))),
            ("reset", Some((Word::Reset, ""))),
            ("reboot", Some((Word::Reset, ""))),
            ("poweroff", Some((Word::PowerOff, ""))),
            ("status", Some((Word::Show, ""))),
            ("boot  debian 12 ", Some((Word::Boot, "debian 12"))),
            ("from", Some((Word::From, ""))),
            ("from vda,gpt2", Some((Word::From, "vda,gpt2"))),
            ("linux /a b/vmlinuz", Some((Word::Linux, "/a b/vmlinuz"))),
            ("initrd", Some((Word::Initrd, ""))),
            ("options root=LABEL=\"a b\"  ro", Some((Word::Options, "root=LABEL=\"a b\"  ro"))),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named_with_what_could_stand_there() {
        let words = "boot list from ls linux initrd options show go retry recover reset poweroff \
                     help; \"help\" tells what they do";
        for (line, expected) in [
            ("sh", format!("\"sh\" is not one of: {words}")),
            ("Boot x", format!("\"Boot\" is not one of: {words}")),
            ("\u{1b}[A", format!("\"\\u{{1b}}[A\" is not one of: {words}")),
            ("boot", "boot needs ENTRY: \"list\" names them".to_owned()),
            ("linux ", "linux needs FILE: Tab and \"ls\" name them".to_owned()),
            ("go now", "go takes nothing after it: \"now\"".to_owned()),
        ] {
            assert_eq!(parse(line), Err(expected));
        }
        let long = parse(&"x".repeat(5000)).unwrap_err();
        assert!(long.starts_with(&format!("\"{}\" is not", "x".repeat(MAX_QUOTED))), "{long}");
    }

    #[test]
    fn help_has_a_line_for_every_word_that_fits_a_screen() {
        let help = help();
        assert_eq!(help.len(), 14);
        assert_eq!(help[0], "boot ENTRY          boot an entry of the menu");
        assert_eq!(help[5], "initrd [FILE]       one more initrd; alone: none");
        assert!(help.iter().all(|line| line.len() < 80), "{help:?}");
        for (at, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..at].iter().all(|other| other.name != row.name), "{}", row.name);
        }
    }
}
