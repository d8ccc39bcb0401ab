//! The table as values for those who write about it: [`crate::cli::words`].
//!
//! No program of ours reaches it.

use super::super::words::{self, Kind, Opt};
use super::flags::{Flag, Group, MACHINE, SOURCE, Shown, TRUST};
use super::table::{COMMANDS, Row};

/// Every command.
pub(in crate::cli) fn commands() -> Vec<words::Command> {
    COMMANDS.iter().map(Row::described).collect()
}

/// What is said of a family of options once.
pub(in crate::cli) fn groups() -> Vec<words::Group> {
    [&SOURCE, &TRUST, &MACHINE].into_iter().filter_map(Group::family).collect()
}

/// What can be said without a command.
pub(in crate::cli) fn options() -> Vec<Opt> {
    let version = Opt { names: vec!["version"], short: Some('V'), about: "the version", ..help() };
    vec![Opt { about: "every command", ..help() }, version]
}

/// What every command takes.
fn help() -> Opt {
    Opt {
        names: vec!["help"],
        short: Some('h'),
        value: None,
        kind: Kind::Free,
        repeats: false,
        group: None,
        about: "all that the command takes",
    }
}

impl Row {
    fn described(&self) -> words::Command {
        let options = self.options.iter().flat_map(|group| group.described_options());
        words::Command {
            name: self.name,
            operands: self.operands.shown,
            takes: self.operands.takes.iter().copied().map(Kind::of).collect(),
            about: self.about,
            usage: self.usage(),
            options: options.chain([help()]).collect(),
        }
    }
}

impl Group {
    fn family(&self) -> Option<words::Group> {
        match self.shown {
            Shown::Family(name, about) => Some(words::Group { name, about }),
            _ => None,
        }
    }

    fn described_options(&self) -> Vec<Opt> {
        let group = self.family().map(|family| family.name);
        self.flags.iter().map(|flag| Opt { group, ..flag.described() }).collect()
    }
}

impl Flag {
    fn described(&self) -> Opt {
        Opt {
            names: vec![self.name],
            short: None,
            value: self.value(),
            kind: self.value().map_or(Kind::Free, Kind::of),
            repeats: self.repeats,
            group: None,
            about: self.about,
        }
    }
}
