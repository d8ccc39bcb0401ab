//! Programs that read their arguments by a table of ours: `turnout` and `kexec`.

use turnout::cli::words;

use crate::model::{Command, Kind, Operand, Opt, Program, Value};

/// A program of the table.
pub(crate) fn program(table: &words::Program) -> Program {
    let alone = Command {
        usages: usages(if table.commands.is_empty() { "[KERNEL]" } else { "" }),
        operands: operands(if table.commands.is_empty() { "[KERNEL]" } else { "" }),
        options: options(&table.options),
        ..Command::default()
    };
    let commands = table.commands.iter().map(command);
    let commands = std::iter::once(alone).chain(commands).collect();
    Program { name: table.name.to_owned(), commands }
}

fn command(row: &words::Command) -> Command {
    Command {
        words: vec![row.name.to_owned()],
        about: row.about.to_owned(),
        usages: usages(row.operands),
        operands: operands(row.operands),
        options: options(&row.options),
    }
}

fn usages(operands: &str) -> Vec<String> {
    operands.lines().map(str::to_owned).collect()
}

fn operands(usage: &str) -> Vec<Operand> {
    let names = usage.split_whitespace().map(|word| word.trim_matches(['[', ']']));
    names.map(|name| Operand { kind: Kind::of(name), repeats: false }).collect()
}

fn options(rows: &[words::Opt]) -> Vec<Opt> {
    rows.iter().map(option).collect()
}

fn option(row: &words::Opt) -> Opt {
    let long = row.names.iter().map(|name| format!("--{name}"));
    let short = row.short.iter().map(|letter| format!("-{letter}"));
    let value = row.value.map(|name| Value { name: name.to_owned(), kind: Kind::of(name), is_optional: false });
    Opt { spellings: long.chain(short).collect(), value, about: row.about.to_owned() }
}
