//! Private keys in OpenSSH's own file format, so that `ssh-keygen` and agents
//! can use them too.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use ssh_key::getrandom::SysRng;
use ssh_key::rand_core::UnwrapErr;
use ssh_key::{Algorithm, LineEnding, PrivateKey, PublicKey};

use crate::output;

/// Makes a key and writes it to `path` (0600) and `path.pub`. Gives the text
/// of the latter.
///
/// # Errors
/// One of the two files is there already, or cannot be written.
pub fn generate(path: &Path, comment: &str, passphrase: Option<&str>) -> Result<String> {
    let public_path = public_path(path);
    for path in [path, &public_path] {
        let there = path.symlink_metadata().is_ok();
        ensure!(!there, "{} is there already and is not replaced", path.display());
    }
    let mut key = PrivateKey::random(&mut UnwrapErr(SysRng), Algorithm::Ed25519)?;
    key.set_comment(comment);
    let public = format!("{}\n", key.public_key().to_openssh()?);
    if let Some(passphrase) = passphrase {
        key = key.encrypt(&mut SysRng, passphrase)?;
    }
    output::create(path, 0o600, key.to_openssh(LineEnding::LF)?.as_bytes())?;
    output::create(&public_path, 0o644, public.as_bytes())?;
    Ok(public)
}

fn public_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    PathBuf::from(name)
}

/// Reads a private key; `ask` is called for the passphrase of an encrypted one.
///
/// # Errors
/// Others may read the file, it is not an Ed25519 key in a file, or the
/// passphrase is wrong.
pub fn load(path: &Path, ask: impl FnOnce() -> Result<String>) -> Result<PrivateKey> {
    let name = path.display();
    let (text, mode) = read(path).with_context(|| format!("cannot read {name}"))?;
    refuse_public(path, &text)?;
    ensure!(
        mode & 0o077 == 0,
        "{name} has mode {mode:04o}, so others may read the private key; run: chmod 600 {name}"
    );
    let key = PrivateKey::from_openssh(&text).with_context(|| {
        format!(
            "{name} is not an OpenSSH private key of type ssh-ed25519; make one with turnout-sign \
             keygen"
        )
    })?;
    check_type(path, &key)?;
    if !key.is_encrypted() {
        return Ok(key);
    }
    key.decrypt(ask()?).with_context(|| format!("this is not the passphrase of {name}"))
}

/// The content and the permissions of one and the same file.
fn read(path: &Path) -> Result<(Vec<u8>, u32)> {
    let mut file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok((text, mode))
}

/// Whoever names the public half most likely has the other one in an agent.
fn refuse_public(path: &Path, text: &[u8]) -> Result<()> {
    let text = core::str::from_utf8(text).unwrap_or_default();
    let name = path.display();
    ensure!(
        PublicKey::from_openssh(text.trim()).is_err(),
        "{name} is the public key; give --key the private one, or sign with an ssh-agent that \
         holds it: --agent={name}"
    );
    Ok(())
}

fn check_type(path: &Path, key: &PrivateKey) -> Result<()> {
    let name = path.display();
    match key.algorithm() {
        Algorithm::Ed25519 => Ok(()),
        Algorithm::SkEd25519 => bail!(
            "the key of {name} is on a token; run: ssh-add {name}, and sign with --agent={name}.pub"
        ),
        other => bail!(
            "{name} is a key of type {other}; only ssh-ed25519 is understood, make one with \
             turnout-sign keygen"
        ),
    }
}
