//! What the tests take from outside before they are in the container: PID 1 as it is
//! released, and a key that OpenSSH signs with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Who signs what boots.
const NAMESPACE: &str = "turnout-boot";

/// The root of the source tree.
pub(crate) fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Builds the program that is released, and reads it.
pub(crate) fn program() -> Result<Vec<u8>> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let mut cargo = Command::new("cargo");
    cargo.current_dir(tree()).args(["build", "--quiet", "--release", "--bin", "turnout-init"]);
    run(cargo.args(["--target", &target]))?;
    let directory = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let program = tree().join(directory).join(target).join("release/turnout-init");
    fs::read(&program).with_context(|| program.display().to_string())
}

/// A key of this run, which nobody keeps.
#[derive(Debug)]
pub(crate) struct Key {
    scratch: PathBuf,
    /// The key ring of an image that trusts it.
    pub(crate) ring: String,
}

impl Key {
    /// Makes it with ssh-keygen.
    pub(crate) fn make() -> Result<Self> {
        let scratch = std::env::temp_dir().join(format!("contained-{}", std::process::id()));
        fs::create_dir(&scratch).with_context(|| scratch.display().to_string())?;
        let mut key = Self { scratch, ring: String::new() };
        let words = ["-q", "-t", "ed25519", "-N", "", "-C", "release", "-f"];
        run(ssh_keygen().args(words).arg(key.path("key")))?;
        let public = fs::read_to_string(key.path("key.pub"))?;
        key.ring = format!("release namespaces=\"{NAMESPACE}\" {public}");
        Ok(key)
    }

    /// An armored signature of a text.
    pub(crate) fn sign(&self, text: &str) -> Result<String> {
        fs::write(self.path("text"), text)?;
        let _ = fs::remove_file(self.path("text.sig"));
        let mut sign = ssh_keygen();
        sign.args(["-q", "-Y", "sign", "-n", NAMESPACE, "-f"]).arg(self.path("key"));
        run(sign.arg(self.path("text")))?;
        Ok(fs::read_to_string(self.path("text.sig"))?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// That which qemu/setup has unpacked, if it has; else this machine's.
fn ssh_keygen() -> Command {
    let cache = std::env::var_os("TURNOUT_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/turnout"));
    let unpacked = cache.or(home).map(|cache| cache.join("tools/bin/ssh-keygen"));
    Command::new(unpacked.filter(|tool| tool.is_file()).unwrap_or_else(|| "ssh-keygen".into()))
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| program.clone())?;
    ensure!(status.success(), "{program}: {status}");
    Ok(())
}
