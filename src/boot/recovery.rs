//! The plain prompt of an open image that has booted nothing. It offers no
//! shell and runs nothing: there is nothing else in the image.

use crate::base::text::printable;
use crate::sys::console::Console;
use crate::sys::signal::Signals;
use crate::sys::{AsFd as _, vigil};

/// What somebody wants after reading why nothing booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Retry,
    Recover,
    Reset,
    PowerOff,
}

const HELP: &str =
    "retry (look for the boot partition again), recover (boot a recovery entry), reset, poweroff";
/// Longest line that is kept, in bytes; the rest of it is dropped.
const MAX_LINE: usize = 128;

/// Asks until one of the words comes. Where nobody can type, the machine is to
/// be reset.
pub(super) fn ask(console: &Console, signals: &Signals) -> Reply {
    loop {
        if console.is_deaf() {
            return Reply::Reset;
        }
        console.write(b"recovery> ");
        let line = read_line(console, signals);
        match parse(&line) {
            Some(reply) => return reply,
            None if line.trim().is_empty() => {}
            None => console.line(&format!("\"{}\" is not one of: {HELP}", printable(line.trim()))),
        }
    }
}

fn parse(line: &str) -> Option<Reply> {
    match line.trim() {
        "retry" => Some(Reply::Retry),
        "recover" => Some(Reply::Recover),
        "reset" | "reboot" => Some(Reply::Reset),
        "poweroff" => Some(Reply::PowerOff),
        _ => None,
    }
}

/// A line of printable ASCII, echoed, with backspace.
fn read_line(console: &Console, signals: &Signals) -> String {
    let mut line = String::new();
    loop {
        let (typed, others) = vigil::attend(|| console.wait(&[signals.as_fd()], Some(vigil::TURN)));
        if others.contains(&true) {
            let _ = signals.take();
        }
        let keys = if typed { console.read() } else { Vec::new() };
        if console.is_deaf() {
            return line;
        }
        for byte in keys {
            match byte {
                b'\r' | b'\n' => {
                    console.line("");
                    vigil::somebody_is_there();
                    return line;
                }
                0x08 | 0x7f if line.pop().is_some() => console.write(b"\x08 \x08"),
                b' '..=b'~' if line.len() < MAX_LINE => {
                    line.push(char::from(byte));
                    console.write(&[byte]);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_offered_words_are_replies() {
        assert_eq!(parse(" retry "), Some(Reply::Retry));
        assert_eq!(parse("recover"), Some(Reply::Recover));
        assert_eq!(parse("reset"), Some(Reply::Reset));
        assert_eq!(parse("poweroff"), Some(Reply::PowerOff));
        assert_eq!(parse("sh"), None);
    }
}
