//! Programs that read their arguments by a table of ours: `turnout` and `kexec`.

use turnout::cli::words;

use crate::model::{Command, Group, Operand, Opt, Program, Value};

/// A program of the table.
pub(crate) fn program(table: &words::Program) -> Program {
    let commands = std::iter::once(alone(table)).chain(table.commands.iter().map(command));
    let groups = table
        .groups
        .iter()
        .map(|group| Group { name: group.name.to_owned(), about: group.about.to_owned() });
    Program { name: table.name.to_owned(), commands: commands.collect(), groups: groups.collect() }
}

/// What can be said without a command.
fn alone(table: &words::Program) -> Command {
    let usage = if table.commands.is_empty() { "[OPTION]... [KERNEL]" } else { "COMMAND" };
    Command {
        usage: usage.to_owned(),
        operands: operands(&table.takes),
        options: table.options.iter().map(option).collect(),
        ..Command::default()
    }
}

fn command(row: &words::Command) -> Command {
    Command {
        words: vec![row.name.to_owned()],
        about: row.about.to_owned(),
        usage: row.usage.clone(),
        operands: operands(&row.takes),
        options: row.options.iter().map(option).collect(),
    }
}

fn operands(kinds: &[words::Kind]) -> Vec<Operand> {
    kinds.iter().map(|kind| Operand { kind: kind.into(), repeats: false }).collect()
}

fn option(row: &words::Opt) -> Opt {
    let long = row.names.iter().map(|name| format!("--{name}"));
    let short = row.short.iter().map(|letter| format!("-{letter}"));
    let value = row.value.map(|name| Value {
        name: name.to_owned(),
        kind: (&row.kind).into(),
        is_optional: false,
    });
    Opt {
        spellings: long.chain(short).collect(),
        value,
        repeats: row.repeats,
        group: row.group.map(str::to_owned),
        about: row.about.to_owned(),
    }
}
