//! A TPM 2.0 for a machine: swtpm with a directory of its own, so that what is in
//! its NV memory outlives a machine and nothing else does.
//!
//! It needs no root and touches no TPM of the host.

use crate::{command, place};
use anyhow::{Context, Result, bail, ensure};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// How long swtpm may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);

/// The kernel modules with which Debian's cloud kernel for arm64 has this TPM; the
/// kernels for amd64 have the driver built in.
pub const ARM64_MODULES: [&str; 1] = ["tpm_tis"];

/// A running swtpm, for one machine: it ends with it, or when this is dropped.
/// What it keeps is in the directory, for the next one.
#[derive(Debug)]
pub struct SoftTpm {
    child: Child,
    socket: PathBuf,
}

impl SoftTpm {
    /// Starts swtpm on a directory, which it is made in or left as it was.
    ///
    /// # Errors
    ///
    /// If there is no swtpm, or it does not come up.
    pub fn start(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        Self::spawn(directory, "--ctrl", &[])
    }

    fn spawn(directory: &Path, listens: &str, more: &[&str]) -> Result<Self> {
        let socket = directory.join("control");
        drop(fs::remove_file(&socket));
        let mut swtpm = Command::new("setpriv");
        swtpm.args(["--pdeathsig", "TERM", "--"]).arg(place::tool("swtpm"));
        swtpm.args(["socket", "--tpm2", "--tpmstate"]);
        swtpm.arg(format!("dir={}", directory.display()));
        swtpm.arg(listens).arg(format!("type=unixio,path={}", socket.display()));
        swtpm.arg("--log").arg(format!("file={}", directory.join("log").display()));
        swtpm.args(more);
        let child = swtpm.stdin(Stdio::null()).spawn().context("cannot start swtpm")?;
        let mut tpm = Self { child, socket };
        tpm.wait_until_there()?;
        Ok(tpm)
    }

    /// Has the TPM of a directory carry out commands, as firmware could before a
    /// machine starts. What they change counts from its next start on.
    ///
    /// # Errors
    ///
    /// If it refuses one of them.
    pub fn obey(directory: &Path, commands: &[Vec<u8>]) -> Result<()> {
        let started = ["--flags", "not-need-init,startup-clear"];
        let tpm = Self::spawn(directory, "--server", &started)?;
        let mut stream = tpm.connect()?;
        commands.iter().try_for_each(|command| carry_out(&mut stream, command))
    }

    /// It answers nothing for so long.
    ///
    /// # Errors
    ///
    /// If it cannot be stopped, or started again.
    pub fn stall(&self, time: Duration) -> Result<()> {
        self.signal("STOP")?;
        thread::sleep(time);
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Result<()> {
        let mut kill = Command::new("sh");
        kill.args(["-c", "kill -s \"$0\" \"$1\"", name, &self.child.id().to_string()]);
        command::output(&mut kill).map(drop)
    }

    /// Where QEMU reaches it: [`crate::machine::Machine::tpm`].
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// It may not listen yet where its socket lies already.
    fn connect(&self) -> Result<UnixStream> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match UnixStream::connect(&self.socket) {
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(_) => thread::sleep(Duration::from_millis(5)),
                Ok(stream) => return Ok(stream),
            }
        }
    }

    fn wait_until_there(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.socket.exists() {
            if let Some(status) = self.child.try_wait()? {
                bail!("swtpm has ended: {status} (qemu/setup brings it)");
            }
            if Instant::now() > deadline {
                bail!("swtpm is not there after {} s", PATIENCE.as_secs());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

fn carry_out(stream: &mut UnixStream, command: &[u8]) -> Result<()> {
    stream.write_all(command)?;
    let mut header = [0; 10];
    stream.read_exact(&mut header)?;
    let [_, _, size @ .., a, b, c, d] = header;
    let rest = u32::from_be_bytes(size).saturating_sub(10);
    stream.read_exact(&mut vec![0; usize::try_from(rest)?])?;
    let code = u32::from_be_bytes([a, b, c, d]);
    ensure!(code == 0, "swtpm refuses a command: {code:#x}");
    Ok(())
}

/// TPM2_PCR_Allocate: the bank of SHA-256 gets these PCRs, and that of SHA-1 all.
/// Bit n stands for PCR n.
pub fn pcr_allocate(sha256: u32) -> Vec<u8> {
    const HEAD: [u8; 27] = [
        0x80, 2, 0, 0, 0, 43, 0, 0, 1, 0x2b, 0x40, 0, 0, 0x0c, 0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0,
        0, 0,
    ];
    let [first, second, third, _] = sha256.to_le_bytes();
    let banks = [0, 0, 0, 2, 0, 0x0b, 3, first, second, third, 0, 4, 3, 0xff, 0xff, 0xff];
    [&HEAD[..], &banks].concat()
}

impl Drop for SoftTpm {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
