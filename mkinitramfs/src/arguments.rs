//! Reads the arguments of both programs. What is wrong with them is one line and
//! stands alone; how a program is called is for `--help`, which people ask for
//! when they want to read so much.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, Error, ErrorKind};

/// Exit code of arguments that cannot be understood.
const MISUSED: u8 = 2;

/// Reads the words of a command line, of which the first is the program's name.
///
/// # Errors
/// How the program is to end: there is nothing left to do after `--help` and
/// `--version`, and nothing can be done if the words make no sense.
pub fn parse<P: Parser>(words: impl IntoIterator<Item = OsString>) -> Result<P, ExitCode> {
    P::try_parse_from(words).map_err(|error| end(&called(P::command().get_name()), error))
}

/// A program's name, as the link has it that it was called by: packages have such links where
/// the name is another program's. What follows the name, as in `mkinitramfs check`, stays.
#[must_use]
pub fn called(name: &str) -> String {
    let (_, command) = name.split_once(' ').unwrap_or_default();
    let word = std::env::args_os().next();
    let word = word.as_deref().and_then(|word| Path::new(word).file_name()).and_then(OsStr::to_str);
    match (word, command) {
        (None, _) => name.to_owned(),
        (Some(word), "") => word.to_owned(),
        (Some(word), command) => format!("{word} {command}"),
    }
}

fn end(program: &str, mut error: Error) -> ExitCode {
    if !error.use_stderr() {
        // A reader that has gone away wants no more; that is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    error.remove(ContextKind::Usage);
    eprintln!("{program}: {}; see --help", sentence(&error));
    ExitCode::from(MISUSED)
}

/// What clap says in several lines.
fn sentence(error: &Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "no command is given".to_owned();
    }
    let text = error.render().to_string();
    let lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("For more"));
    let mut sentence = String::new();
    for line in lines.filter(|line| !line.is_empty()) {
        sentence.push_str(match sentence.chars().last() {
            None => "",
            Some(':') => " ",
            Some(_) => "; ",
        });
        sentence.push_str(line.strip_prefix("error: ").unwrap_or(line));
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Parser, Debug)]
    #[command(name = "program")]
    struct Arguments {
        #[arg(long, value_parser = ["red", "green"])]
        color: String,
        #[arg(long)]
        size: u8,
    }

    fn said(words: &[&str]) -> String {
        let words = ["program"].iter().chain(words);
        let mut error = Arguments::try_parse_from(words).unwrap_err();
        error.remove(ContextKind::Usage);
        sentence(&error)
    }

    #[test]
    fn what_is_wrong_is_one_sentence_without_the_usage() {
        assert_eq!(
            said(&[]),
            "the following required arguments were not provided: --color <COLOR>; --size <SIZE>"
        );
        assert_eq!(
            said(&["--colour", "red"]),
            "unexpected argument '--colour' found; tip: a similar argument exists: '--color'"
        );
        assert_eq!(
            said(&["--color", "gren"]),
            "invalid value 'gren' for '--color <COLOR>'; [possible values: red, green]; \
             tip: a similar value exists: 'green'"
        );
    }
}
