//! A TPM 2.0 for a machine: swtpm with a directory of its own, so that what is in
//! its NV memory outlives a machine and nothing else does.
//!
//! It needs no root and touches no TPM of the host.

use crate::place;
use anyhow::{Context, Result, bail};
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
        let socket = directory.join("control");
        drop(fs::remove_file(&socket));
        let mut swtpm = Command::new("setpriv");
        swtpm.args(["--pdeathsig", "TERM", "--"]).arg(place::tool("swtpm"));
        swtpm.args(["socket", "--tpm2", "--tpmstate"]);
        swtpm.arg(format!("dir={}", directory.display()));
        swtpm.arg("--ctrl").arg(format!("type=unixio,path={}", socket.display()));
        swtpm.arg("--log").arg(format!("file={}", directory.join("log").display()));
        let child = swtpm.stdin(Stdio::null()).spawn().context("cannot start swtpm")?;
        let mut tpm = Self { child, socket };
        tpm.wait_until_there()?;
        Ok(tpm)
    }

    /// Where QEMU reaches it: [`crate::machine::Machine::tpm`].
    pub fn socket(&self) -> &Path {
        &self.socket
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

impl Drop for SoftTpm {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
