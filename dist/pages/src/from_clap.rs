//! Programs that read their arguments by clap.

use clap::{Arg, ArgAction, Command as Clap, ValueHint};

use crate::model::{Command, Kind, Operand, Opt, Program, Value};

/// A program of clap's, under the name that packages install it by.
pub(crate) fn program(mut clap: Clap, name: &str) -> Program {
    clap.build();
    let mut commands = Vec::new();
    add(&clap, &[], &mut commands);
    Program { name: name.to_owned(), commands, groups: Vec::new() }
}

/// Adds a command, and those that begin with its words.
fn add(clap: &Clap, words: &[String], commands: &mut Vec<Command>) {
    commands.push(command(clap, words));
    for below in clap.get_subcommands().filter(|below| below.get_name() != "help") {
        let mut words = words.to_vec();
        words.push(below.get_name().to_owned());
        add(below, &words, commands);
    }
}

fn command(clap: &Clap, words: &[String]) -> Command {
    let options: Vec<_> = clap.get_arguments().filter(|arg| is_shown_option(arg)).collect();
    let positionals: Vec<_> = clap.get_positionals().collect();
    Command {
        words: words.to_vec(),
        about: clap.get_about().map(ToString::to_string).unwrap_or_default(),
        usage: usage(clap, words, &options, &positionals),
        operands: positionals.iter().map(|arg| operand(arg)).collect(),
        options: options.into_iter().map(option).collect(),
    }
}

fn is_shown_option(arg: &Arg) -> bool {
    !arg.is_positional() && !arg.is_hide_set()
}

/// Options that must be there, that others may, and the words.
fn usage(clap: &Clap, words: &[String], options: &[&Arg], positionals: &[&Arg]) -> String {
    if clap.is_subcommand_required_set() {
        return String::new();
    }
    let needed = options.iter().filter(|arg| arg.is_required_set());
    let needed = needed.map(|arg| shown(&option(arg)));
    let words = words.iter().cloned().chain(needed).chain(["[OPTION]...".to_owned()]);
    words.chain(positionals.iter().map(|arg| as_usage(arg))).collect::<Vec<_>>().join(" ")
}

fn shown(option: &Opt) -> String {
    let spelling = option.spellings.first().map_or("", String::as_str);
    match &option.value {
        Some(value) => format!("{spelling} {}", value.name),
        None => spelling.to_owned(),
    }
}

fn as_usage(arg: &Arg) -> String {
    let dots = if repeats(arg) { "..." } else { "" };
    let name = value_name(arg);
    if arg.is_required_set() { format!("{name}{dots}") } else { format!("[{name}]{dots}") }
}

fn operand(arg: &Arg) -> Operand {
    Operand { kind: kind(arg), repeats: repeats(arg) }
}

fn repeats(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
        || arg.get_num_args().is_some_and(|range| range.max_values() > 1)
}

fn option(arg: &Arg) -> Opt {
    let long = arg.get_long_and_visible_aliases().unwrap_or_default();
    let long = long.into_iter().map(|name| format!("--{name}"));
    let short = arg.get_short_and_visible_aliases().unwrap_or_default();
    let short = short.into_iter().map(|letter| format!("-{letter}"));
    Opt {
        spellings: long.chain(short).collect(),
        value: arg.get_action().takes_values().then(|| value(arg)),
        repeats: repeats(arg),
        group: None,
        about: about(arg),
    }
}

/// Its help, and what holds without it.
fn about(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let defaults: Vec<_> =
        arg.get_default_values().iter().map(|text| text.to_string_lossy()).collect();
    match defaults.join(",") {
        default if default.is_empty() || !arg.get_action().takes_values() => help,
        default => format!("{help}; without it {default}"),
    }
}

fn value(arg: &Arg) -> Value {
    let is_optional = arg.get_num_args().is_some_and(|range| range.min_values() == 0);
    Value { name: value_name(arg), kind: kind(arg), is_optional }
}

fn value_name(arg: &Arg) -> String {
    let possible = arg.get_possible_values();
    if arg.get_action().takes_values() && !possible.is_empty() {
        return possible
            .iter()
            .map(clap::builder::PossibleValue::get_name)
            .collect::<Vec<_>>()
            .join("|");
    }
    match arg.get_value_names() {
        Some(names) => names.iter().map(clap::builder::Str::as_str).collect::<Vec<_>>().join(" "),
        None => arg.get_id().as_str().to_uppercase(),
    }
}

/// By what it is called, and by what it is read as.
fn kind(arg: &Arg) -> Kind {
    let name = value_name(arg);
    match name.as_str() {
        _ if ["entry", "except"].contains(&arg.get_id().as_str()) => Kind::Entry,
        _ if name.contains('|') => Kind::Words(name.split('|').map(str::to_owned).collect()),
        "DIR" => Kind::Directory,
        "FILE" => Kind::File,
        _ if arg.get_value_hint() == ValueHint::AnyPath => Kind::File,
        _ => Kind::Free,
    }
}
