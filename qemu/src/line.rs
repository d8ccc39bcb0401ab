//! A second serial line, read no faster than some baud rate allows: QEMU's own
//! serial ports send as fast as the host reads.
//!
//! QEMU hands over one byte at a time and stops sending when its socket is full:
//! some hundred bytes, less than half a second at 9600 baud.

use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often it is read.
const STEP: Duration = Duration::from_millis(10);

/// The other end of a serial line.
#[derive(Debug)]
pub struct SlowLine {
    stream: UnixStream,
    /// Bytes that come in one step.
    step: usize,
    text: String,
}

impl SlowLine {
    /// Connects to a machine's second line, with eight bits, a start and a stop bit
    /// a character.
    ///
    /// # Errors
    ///
    /// If the machine has none, or does not start.
    pub fn connect(socket: &Path, baud: usize) -> Result<Self> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let stream = loop {
            match UnixStream::connect(socket) {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < deadline => sleep(STEP),
                Err(error) => return Err(error).context("cannot reach the second serial line"),
            }
        };
        stream.set_nonblocking(true)?;
        Ok(Self { stream, step: baud / 1000, text: String::new() })
    }

    /// Types bytes.
    pub fn send(&mut self, keys: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(keys)?)
    }

    /// All that came until now, escape sequences included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads until this text has come, at the line's own speed.
    pub fn wait_for(&mut self, wanted: &str, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !self.text.contains(wanted) {
            if Instant::now() > deadline {
                bail!("no \"{wanted}\" on the second line: {}", self.text.escape_default());
            }
            self.step()?;
        }
        Ok(())
    }

    /// Reads what comes in this time, at the line's own speed.
    pub fn read_for(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.step()?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<()> {
        sleep(STEP);
        let mut bytes = vec![0; self.step.max(1)];
        match self.stream.read(&mut bytes) {
            Ok(count) => {
                let bytes = bytes.get(..count).unwrap_or_default();
                self.text.push_str(&String::from_utf8_lossy(bytes));
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
