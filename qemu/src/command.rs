//! Host commands: run to the end, with their error output in the error.
//! Tools are those that `qemu/setup` brought, whatever this machine has.

use crate::place;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::io::Write;
use std::process::{Command, Output, Stdio};

/// A tool that `qemu/setup` brings, by its name.
pub fn tool(name: &str) -> Command {
    Command::new(place::tool(name))
}

/// Runs a command and gives its standard output; anything but exit status 0 is
/// an error that carries what the command printed.
pub fn output(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8_lossy(&bytes(command)?).into_owned())
}

/// Runs a command and gives the bytes of its standard output.
pub fn bytes(command: &mut Command) -> Result<Vec<u8>> {
    let result = command.stdin(Stdio::null()).output().with_context(|| shown(command))?;
    check(command, &result)?;
    Ok(result.stdout)
}

/// Runs a command that says itself, on our terminal, how it is getting on.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| shown(command))?;
    if !status.success() {
        bail!("{}: {status}", shown(command));
    }
    Ok(())
}

/// Runs a command whose standard input is `text`.
pub fn feed(command: &mut Command, text: &str) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| shown(command))?;
    child.stdin.take().context("no standard input")?.write_all(text.as_bytes())?;
    check(command, &child.wait_with_output()?)
}

fn check(command: &Command, result: &Output) -> Result<()> {
    if result.status.success() {
        return Ok(());
    }
    bail!(
        "{}: {}\n{}{}",
        shown(command),
        result.status,
        String::from_utf8_lossy(&result.stdout),
        String::from_utf8_lossy(&result.stderr)
    )
}

/// The command as one could type it into a shell.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if !word.is_empty() && word.chars().all(is_plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Whether a shell takes a character as it is.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-_./=,:+@%".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_typed_again() {
        let mut command = Command::new("qemu");
        command.args(["-append", "console=ttyS0 it's", "-m", "1G"]);
        assert_eq!(shown(&command), r"qemu -append 'console=ttyS0 it'\''s' -m 1G");
    }

    #[test]
    fn a_failing_command_says_what_it_printed() {
        let error = output(Command::new("sh").args(["-c", "echo no such disk >&2; exit 3"]));
        let text = format!("{:#}", error.unwrap_err());
        assert!(text.contains("exit status: 3") && text.contains("no such disk"), "{text}");
    }
}
