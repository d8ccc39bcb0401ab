//! A guest's serial line: waits for texts with a deadline, types, and keeps a
//! transcript.
//!
//! Escape sequences are taken out before anything is compared, so a text is
//! found whether or not the guest colours it.

use crate::machine::{Machine, Serial};
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What ended a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A text appeared.
    Seen {
        /// Which of the texts waited for.
        index: usize,
        /// The whole line that it appeared in, as far as it was printed.
        line: String,
    },
    /// QEMU ended: the guest powered off, or reset (see [`Machine::reboot`]).
    Ended,
    /// The deadline passed.
    TimedOut,
}

/// A running machine whose serial line is a pipe. Dropping it ends QEMU.
#[derive(Debug)]
pub struct Console {
    qemu: Child,
    keys: ChildStdin,
    output: Receiver<Vec<u8>>,
    screen: Screen,
    transcript: File,
    echo: bool,
    read_to: usize,
}

impl Console {
    /// Starts the machine; everything that it prints also goes to `transcript`.
    pub fn start(machine: &Machine, transcript: &Path) -> Result<Self> {
        let transcript = File::create(transcript).context("cannot write the transcript")?;
        let mut qemu = under_parent(&machine.command(Serial::Pipe)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(transcript.try_clone()?)
            .spawn()
            .context("cannot start QEMU")?;
        let keys = qemu.stdin.take().context("QEMU has no standard input")?;
        let stdout = qemu.stdout.take().context("QEMU has no standard output")?;
        let (sender, output) = channel();
        thread::spawn(move || forward(stdout, &sender));
        Ok(Self {
            qemu,
            keys,
            output,
            screen: Screen::default(),
            transcript,
            echo: false,
            read_to: 0,
        })
    }

    /// Shows what the guest prints on standard output as well.
    pub const fn echo(&mut self) {
        self.echo = true;
    }

    /// Types bytes at the guest.
    pub fn send(&mut self, keys: &[u8]) -> Result<()> {
        self.keys.write_all(keys)?;
        Ok(self.keys.flush()?)
    }

    /// Waits until one of the texts appears after what earlier waits found.
    pub fn wait_for(&mut self, texts: &[&str], limit: Duration) -> Result<Event> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some((index, end)) = self.screen.find(texts, self.read_to) {
                self.finish_line(end)?;
                let line = self.screen.line_at(end);
                self.read_to = end;
                return Ok(Event::Seen { index, line });
            }
            if let Some(event) = self.receive(deadline)? {
                return Ok(event);
            }
        }
    }

    /// Waits until the guest ends, whatever it prints.
    pub fn wait_for_end(&mut self, limit: Duration) -> Result<bool> {
        let event = self.wait_for(&[], limit)?;
        Ok(event == Event::Ended)
    }

    /// How QEMU ended; ends it if it still runs after a second.
    pub fn exit_status(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + Duration::from_secs(1);
        while Instant::now() < deadline {
            if let Some(status) = self.qemu.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        self.qemu.kill()?;
        Ok(self.qemu.wait()?)
    }

    /// All that the guest printed, without escape sequences.
    pub fn text(&self) -> &str {
        &self.screen.text
    }

    /// A match in the middle of a line: gives the guest a moment to end it.
    fn finish_line(&mut self, from: usize) -> Result<()> {
        let deadline = Instant::now() + Duration::from_millis(500);
        while self.screen.find(&["\n"], from).is_none() {
            if self.receive(deadline)?.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn receive(&mut self, deadline: Instant) -> Result<Option<Event>> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.output.recv_timeout(left) {
            Ok(bytes) => {
                self.transcript.write_all(&bytes)?;
                if self.echo {
                    let mut stdout = std::io::stdout();
                    stdout.write_all(&bytes)?;
                    stdout.flush()?;
                }
                self.screen.feed(&bytes);
                Ok(None)
            }
            Err(RecvTimeoutError::Timeout) => Ok(Some(Event::TimedOut)),
            Err(RecvTimeoutError::Disconnected) => Ok(Some(Event::Ended)),
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        drop(self.qemu.kill());
        drop(self.qemu.wait());
    }
}

fn forward(mut stdout: ChildStdout, sender: &Sender<Vec<u8>>) {
    let mut buffer = [0_u8; 4096];
    while let Ok(count) = stdout.read(&mut buffer) {
        match buffer.get(..count).filter(|bytes| !bytes.is_empty()) {
            Some(bytes) if sender.send(bytes.to_vec()).is_ok() => {}
            _ => return,
        }
    }
}

/// Runs a machine on this process's terminal until it ends. QEMU makes the
/// terminal raw and restores it.
pub fn run_on_terminal(machine: &Machine) -> Result<ExitStatus> {
    let mut qemu = under_parent(&machine.command(Serial::Terminal)?);
    qemu.status().context("cannot start QEMU")
}

/// The same command such that QEMU ends, and restores the terminal, when this
/// process is killed.
pub fn under_parent(command: &Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--pdeathsig", "TERM", "--"]);
    wrapped.arg(command.get_program()).args(command.get_args());
    wrapped
}

/// Has QEMU's monitor carry out one command, for example `sendkey ctrl-alt-delete`.
pub fn monitor(socket: &Path, command: &str) -> Result<()> {
    ask_monitor(socket, command).map(drop)
}

/// The same, with what the monitor answers.
///
/// # Errors
///
/// If nobody answers, or the answer is an error.
pub fn ask_monitor(socket: &Path, command: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket).context("cannot reach QEMU's monitor")?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    wait_for_monitor_prompt(&mut stream)?;
    stream.write_all(format!("{command}\n").as_bytes())?;
    let answer = wait_for_monitor_prompt(&mut stream)?;
    ensure!(!answer.contains("Error"), "QEMU's monitor: {answer}");
    Ok(answer)
}

/// Gives what stands before the prompt.
fn wait_for_monitor_prompt(stream: &mut UnixStream) -> Result<String> {
    let mut seen = Vec::new();
    let mut byte = [0_u8];
    while !seen.ends_with(b"(qemu) ") {
        if stream.read(&mut byte)? == 0 {
            bail!("QEMU's monitor closed the connection");
        }
        seen.extend_from_slice(&byte);
    }
    Ok(String::from_utf8_lossy(&seen).into_owned())
}

/// Printed text without escape sequences and carriage returns.
#[derive(Debug, Default)]
struct Screen {
    text: String,
    state: Escape,
}

/// Where in an escape sequence (ECMA-48) the last byte left us.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    Started,
    Control,
    String,
}

impl Screen {
    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.feed_byte(*byte);
        }
    }

    fn feed_byte(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (_, 0x1b) => Escape::Started,
            (Escape::Started, 0x20..=0x2f) => Escape::Started,
            (Escape::Started, b'[') => Escape::Control,
            (Escape::Started, b']' | b'P' | b'_') => Escape::String,
            (Escape::Control, 0x40..=0x7e) | (Escape::String, 0x07) | (Escape::Started, _) => {
                Escape::None
            }
            (Escape::None, byte) => {
                self.print(byte);
                Escape::None
            }
            (state, _) => state,
        };
    }

    fn print(&mut self, byte: u8) {
        match byte {
            b'\n' | b'\t' | 0x20..=0x7e => self.text.push(char::from(byte)),
            b'\r' | 0x07 => {}
            _ => self.text.push('?'),
        }
    }

    /// The first of the texts at or after `from`: its index, and where it ends.
    fn find(&self, texts: &[&str], from: usize) -> Option<(usize, usize)> {
        let rest = self.text.get(from..)?;
        let found = texts.iter().enumerate().filter_map(|(index, text)| {
            let at = rest.find(text)?;
            Some((at, index, from + at + text.len()))
        });
        found.min().map(|(_, index, end)| (index, end))
    }

    fn line_at(&self, position: usize) -> String {
        let (before, after) = self.text.split_at_checked(position).unwrap_or((&self.text, ""));
        let before = before.strip_suffix('\n').unwrap_or(before);
        let start = before.rsplit('\n').next().unwrap_or_default();
        format!("{start}{}", after.lines().next().unwrap_or_default()).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(parts: &[&str]) -> Screen {
        let mut screen = Screen::default();
        parts.iter().for_each(|part| screen.feed(part.as_bytes()));
        screen
    }

    #[test]
    fn escape_sequences_vanish_even_when_cut_in_two() {
        assert_eq!(
            screen(&["a\x1b[1;3", "1mred\x1b[0m\r\n\x1b]0;title\x07b\x1bc\x1b%Gd"]).text,
            "ared\nbd"
        );
    }

    #[test]
    fn the_first_of_several_texts_wins_and_its_whole_line_is_given() {
        let screen =
            screen(&["one\nturnout: refused tampered: INITRD_DIGEST: x\nturnout: reset\n"]);
        let (index, end) = screen.find(&["reset", "refused"], 0).unwrap();
        assert_eq!(index, 1);
        assert_eq!(screen.line_at(end), "turnout: refused tampered: INITRD_DIGEST: x");
        assert_eq!(screen.find(&["one"], end), None);
    }
}
