//! Has a program sign: `sign-command`. It gets the message on its standard input and
//! writes an armored signature to its standard output, as `ssh-keygen -Y sign` does.
//!
//! No shell reads its words, nothing of this program's environment reaches it, and what
//! it writes is bounded and not believed. One that does not end in time is killed.

use std::io::{Read, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use turnout::base::text::printable_bytes;
use turnout::trust::sshsig;

/// Where it finds other programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// As much of its complaints is kept, in bytes.
const MAX_COMPLAINT: u64 = 4096;
/// How often it is looked whether it has ended.
const TURN: Duration = Duration::from_millis(20);

/// A program, and how long it may take.
#[derive(Debug)]
pub struct Program {
    words: Vec<String>,
    deadline: Duration,
}

impl Program {
    /// `words` are the program's path and its arguments.
    #[must_use]
    pub fn new(words: &[String], deadline: Duration) -> Self {
        Self { words: words.to_vec(), deadline }
    }

    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// What it answers to `message`, which is about `entry`.
    ///
    /// # Errors
    /// It cannot be started, refuses, says too much, or takes too long.
    pub fn sign(&self, entry: &str, namespace: &str, message: &[u8]) -> Result<Vec<u8>> {
        let mut child = self.start(entry, namespace)?;
        let written = feed(&mut child, message);
        let most = u64::try_from(sshsig::MAX_FILE)?.saturating_add(1);
        let answer = child.stdout.take().map(|out| drain(out, most));
        let complaint = child.stderr.take().map(|out| drain(out, MAX_COMPLAINT));
        let status = self.wait(&mut child)?;
        drop(written);
        let answer = collect(answer);
        self.check(status, &collect(complaint))?;
        let name = self.name();
        ensure!(!answer.is_empty(), "{name} ended with 0 and wrote no signature");
        ensure!(answer.len() <= sshsig::MAX_FILE, "{name} wrote more than a signature file holds");
        Ok(answer)
    }

    fn start(&self, entry: &str, namespace: &str) -> Result<Child> {
        let mut command = Command::new(self.name());
        command.args(self.words.get(1..).unwrap_or_default());
        command.env_clear().env("PATH", PATH).env("LC_ALL", "C");
        command.env("TURNOUT_ENTRY", entry).env("TURNOUT_NAMESPACE", namespace);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.current_dir("/").spawn().with_context(|| format!("cannot start {}", self.name()))
    }

    fn wait(&self, child: &mut Child) -> Result<ExitStatus> {
        let begin = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if begin.elapsed() >= self.deadline {
                child.kill()?;
                child.wait()?;
                bail!("{} has not ended in {} s and was killed", self.name(), self.seconds());
            }
            thread::sleep(TURN);
        }
    }

    fn seconds(&self) -> u64 {
        self.deadline.as_secs()
    }

    fn check(&self, status: ExitStatus, complaint: &[u8]) -> Result<()> {
        if status.success() {
            return Ok(());
        }
        let said = printable_bytes(complaint.trim_ascii());
        let said = if said.is_empty() { "it says nothing".to_owned() } else { said };
        bail!("{} refuses ({status}): {said}", self.name())
    }
}

/// One that does not read its input must not hold this up.
fn feed(child: &mut Child, message: &[u8]) -> Option<thread::JoinHandle<()>> {
    let mut input = child.stdin.take()?;
    let message = message.to_vec();
    // Whether it has read everything is for what it signs to show.
    Some(thread::spawn(move || drop(input.write_all(&message))))
}

/// Reads `most` bytes at most, and the rest away.
fn drain(mut out: impl Read + Send + 'static, most: u64) -> Receiver<Vec<u8>> {
    let (done, whole) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = out.by_ref().take(most).read_to_end(&mut bytes);
        let _ = done.send(bytes);
        let _ = std::io::copy(&mut out, &mut std::io::sink());
    });
    whole
}

/// A child of the program that still has the pipe open is not waited for.
fn collect(whole: Option<Receiver<Vec<u8>>>) -> Vec<u8> {
    let whole = whole.and_then(|whole| whole.recv_timeout(Duration::from_secs(1)).ok());
    whole.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(script: &str, deadline: Duration) -> Result<String> {
        let words = ["/bin/sh", "-c", script].map(str::to_owned);
        let answer = Program::new(&words, deadline).sign("debian", "turnout-boot", b"message\n")?;
        Ok(String::from_utf8(answer).unwrap())
    }

    fn refused(script: &str) -> String {
        format!("{:#}", said(script, Duration::from_secs(20)).unwrap_err())
    }

    #[test]
    fn it_gets_the_message_and_what_it_is_about_and_no_more() {
        let script = "cat; echo $TURNOUT_ENTRY $TURNOUT_NAMESPACE; env | sort | cut -d= -f1";
        let got = said(script, Duration::from_secs(20)).unwrap();
        let mut lines = got.lines();
        assert_eq!(lines.next(), Some("message"));
        assert_eq!(lines.next(), Some("debian turnout-boot"));
        // PWD, OLDPWD, SHLVL and _ are the shell's own.
        let own = ["PWD", "OLDPWD", "SHLVL", "_"];
        let given: Vec<_> = lines.filter(|name| !own.contains(name)).collect();
        assert_eq!(given, ["LC_ALL", "PATH", "TURNOUT_ENTRY", "TURNOUT_NAMESPACE"]);
    }

    #[test]
    fn a_refusal_comes_with_what_was_said() {
        let said = refused("echo 'no such key' >&2; exit 7");
        assert_eq!(said, "/bin/sh refuses (exit status: 7): no such key");
        assert!(refused("exit 1").ends_with("it says nothing"));
        assert_eq!(refused("true"), "/bin/sh ended with 0 and wrote no signature");
        let endless = refused("head -c 99999 /dev/zero");
        assert_eq!(endless, "/bin/sh wrote more than a signature file holds");
        let words = ["/nowhere/signer".to_owned()];
        let absent = Program::new(&words, TURN).sign("a", "n", b"").unwrap_err();
        assert_eq!(absent.to_string(), "cannot start /nowhere/signer");
    }

    #[test]
    fn one_that_hangs_is_killed() {
        let begin = Instant::now();
        let said = said("exec sleep 60", Duration::from_secs(1)).unwrap_err().to_string();
        assert_eq!(said, "/bin/sh has not ended in 1 s and was killed");
        assert!(begin.elapsed() < Duration::from_secs(30));
    }
}
