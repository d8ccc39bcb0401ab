//! What shells complete command lines by.
//!
//! Each shell has a script that goes through a command line, the same for every program;
//! only its tables are made here.

use std::fmt::Write as _;

use crate::model::{Command, Kind, Opt, Program, first_line};

/// A script for bash.
pub(crate) fn bash(program: &Program) -> String {
    let mut table = String::new();
    for command in &program.commands {
        let next = program.after(&command.words).map(|next| quoted(next.word));
        let options = command.options.iter().flat_map(bash_options).map(|one| quoted(&one));
        let operands = command.operands.iter().map(|operand| {
            let dots = if operand.repeats { "..." } else { "" };
            quoted(&format!("{}{dots}", bash_kind(&operand.kind)))
        });
        let _ = writeln!(table, "    {})", quoted(&command.words.join(" ")));
        let _ = writeln!(table, "        next=({})", joined(next));
        let _ = writeln!(table, "        options=({})", joined(options));
        let _ = writeln!(table, "        operands=({})", joined(operands));
        table.push_str("        ;;\n");
    }
    filled(include_str!("../shells/bash.sh"), program, &[("@TABLE@", &table)])
}

fn bash_options(option: &Opt) -> impl Iterator<Item = String> {
    let value = option.value.as_ref().map(|value| match value.is_optional {
        true => format!("=[{}]", bash_kind(&value.kind)),
        false => format!("={}", bash_kind(&value.kind)),
    });
    let value = value.unwrap_or_default();
    option.spellings.iter().map(move |spelling| format!("{spelling}{value}"))
}

fn bash_kind(kind: &Kind) -> String {
    match kind {
        Kind::Free => "FREE".to_owned(),
        Kind::File => "FILE".to_owned(),
        Kind::Directory => "DIRECTORY".to_owned(),
        Kind::Device => "DEVICE".to_owned(),
        Kind::Entry => "ENTRY".to_owned(),
        Kind::EntryOrFile => "ENTRY-OR-FILE".to_owned(),
        Kind::Slot => "SLOT".to_owned(),
        Kind::Words(words) => words.join("|"),
    }
}

/// A script for zsh.
pub(crate) fn zsh(program: &Program) -> String {
    let (mut table, mut all_next) = (String::new(), String::new());
    for command in &program.commands {
        let next: Vec<_> = program.after(&command.words).collect();
        let options = command.options.iter().flat_map(|option| zsh_options(option, program));
        let mut specs: Vec<_> = options.collect();
        if next.is_empty() {
            specs.extend(zsh_operands(command, program));
        } else {
            specs.push(format!("'1:command:_{}_next'", function(program)));
            let next = next.iter().map(|next| {
                quoted(&format!("{}:{}", next.word, first_line(next.about).replace(':', "\\:")))
            });
            let words = quoted(&command.words.join(" "));
            let _ = writeln!(all_next, "    ({words}) next=({}) ;;", joined(next));
        }
        let _ = writeln!(table, "    ({})", quoted(&command.words.join(" ")));
        let _ = writeln!(
            table,
            "        _arguments -s -S : \\\n            {}",
            specs.join(" \\\n            ")
        );
        table.push_str("        ;;\n");
    }
    let known = known(program).join("|");
    let known = if known.is_empty() { "''" } else { &known };
    let tables = [("@TABLE@", table.as_str()), ("@NEXT@", &all_next), ("@KNOWN@", known)];
    filled(include_str!("../shells/zsh.sh"), program, &tables)
}

/// One of its spellings at a time, and again only where that may be.
fn zsh_options(option: &Opt, program: &Program) -> Vec<String> {
    let head =
        if option.repeats { "*".to_owned() } else { format!("({})", option.spellings.join(" ")) };
    let about = first_line(&option.about).replace('[', "\\[").replace(']', "\\]");
    let spec = |spelling: &String| {
        let (equals, value) = match &option.value {
            None => ("", String::new()),
            Some(value) => {
                let equals = match (spelling.starts_with("--"), value.is_optional) {
                    (true, true) => "=-",
                    (true, false) => "=",
                    (false, _) => "+",
                };
                let colons = if value.is_optional { "::" } else { ":" };
                let action = zsh_kind(&value.kind, program);
                (equals, format!("{colons}{}:{action}", value.name.replace(':', "\\:")))
            }
        };
        quoted(&format!("{head}{spelling}{equals}[{about}]{value}"))
    };
    option.spellings.iter().map(spec).collect()
}

fn zsh_operands(command: &Command, program: &Program) -> Vec<String> {
    let numbered = command.operands.iter().zip(1_usize..);
    let spec = numbered.map(|(operand, number)| {
        let place = if operand.repeats { "*".to_owned() } else { number.to_string() };
        quoted(&format!("{place}: :{}", zsh_kind(&operand.kind, program)))
    });
    spec.collect()
}

fn zsh_kind(kind: &Kind, program: &Program) -> String {
    let function = function(program);
    match kind {
        Kind::Free => " ".to_owned(),
        Kind::File => "_files".to_owned(),
        Kind::Directory => "_files -/".to_owned(),
        Kind::Device => "_files -W /dev".to_owned(),
        Kind::Entry => format!("_{function}_entries"),
        Kind::EntryOrFile => format!("_{function}_entries_or_files"),
        Kind::Slot => format!("_{function}_slots"),
        Kind::Words(words) => format!("({})", words.join(" ")),
    }
}

/// A script for fish.
pub(crate) fn fish(program: &Program) -> String {
    let mut table = String::new();
    for command in &program.commands {
        let path = command.words.join(" ");
        for next in program.after(&command.words) {
            let about = quoted_for_fish(first_line(next.about));
            let condition = fish_condition(program, &path, "0");
            let _ = writeln!(table, "{condition} -a {} -d {about}", next.word);
        }
        let condition = fish_condition(program, &path, "");
        for option in &command.options {
            let _ = writeln!(table, "{condition}{}", fish_option(option, program));
        }
        for (operand, number) in command.operands.iter().zip(0_usize..) {
            let more = if operand.repeats { "+" } else { "" };
            let condition = fish_condition(program, &path, &format!("{number}{more}"));
            let values = fish_kind(&operand.kind, program);
            let _ = writeln!(table, "{condition}{values}");
        }
    }
    let valued = program.spellings_with_value().join(" ");
    let known = known(program).join(" ");
    let tables = [("@TABLE@", table.trim_end()), ("@VALUED@", &valued), ("@KNOWN@", &known)];
    filled(include_str!("../shells/fish.sh"), program, &tables)
}

fn fish_condition(program: &Program, path: &str, number: &str) -> String {
    let condition = format!("__{}_is \"{path}\" {number}", function(program));
    format!("complete -c {} -n {}", program.name, quoted_for_fish(condition.trim_end()))
}

fn fish_option(option: &Opt, program: &Program) -> String {
    let mut words = String::new();
    for spelling in &option.spellings {
        let _ = match spelling.strip_prefix("--") {
            Some(long) => write!(words, " -l {long}"),
            None => write!(words, " -s {}", spelling.trim_start_matches('-')),
        };
    }
    if let Some(value) = &option.value {
        words.push_str(if value.is_optional { "" } else { " -r" });
        words.push_str(&fish_kind(&value.kind, program));
    }
    let _ = write!(words, " -d {}", quoted_for_fish(first_line(&option.about)));
    words
}

fn fish_kind(kind: &Kind, program: &Program) -> String {
    let function = function(program);
    match kind {
        Kind::Free => " -f".to_owned(),
        Kind::File | Kind::Device => " -F".to_owned(),
        Kind::Directory => " -f -a '(__fish_complete_directories (commandline -ct))'".to_owned(),
        Kind::Entry => format!(" -f -a '(__{function}_entries)'"),
        Kind::EntryOrFile => format!(" -f -a '(__{function}_entries_or_files)'"),
        Kind::Slot => format!(" -f -a '(__{function}_slots)'"),
        Kind::Words(words) => format!(" -f -a {}", quoted_for_fish(&words.join(" "))),
    }
}

/// Every command as it is typed, for a shell's list of words.
fn known(program: &Program) -> Vec<String> {
    let commands = program.commands.iter().filter(|command| !command.words.is_empty());
    commands.map(|command| quoted(&command.words.join(" "))).collect()
}

fn filled(script: &str, program: &Program, tables: &[(&str, &str)]) -> String {
    let mut script = script.to_owned();
    for (mark, table) in tables {
        script = script.replace(mark, table.trim_end_matches('\n'));
    }
    script.replace("@NAME@", &function(program)).replace("@PROGRAM@", &program.name)
}

/// The program's name as functions can have it.
fn function(program: &Program) -> String {
    program.name.replace('-', "_")
}

fn joined(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

/// As bash and zsh read it again.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn quoted_for_fish(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}
