//! Private keys in OpenSSH's own file format, so that `ssh-keygen` and agents
//! can use them too.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use ssh_key::getrandom::SysRng;
use ssh_key::rand_core::UnwrapErr;
use ssh_key::{Algorithm, LineEnding, PrivateKey};
use turnout::trust::key::PublicKey;

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
/// Others may read the file, it is not an Ed25519 key, or the passphrase is
/// wrong.
pub fn load(path: &Path, ask: impl FnOnce() -> Result<String>) -> Result<PrivateKey> {
    let name = path.display();
    let metadata = fs::metadata(path).with_context(|| format!("cannot read {name}"))?;
    let mode = metadata.permissions().mode() & 0o777;
    ensure!(
        mode & 0o077 == 0,
        "{name} has mode {mode:04o}, so others may read the private key; run: chmod 600 {name}"
    );
    let text = fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let key = PrivateKey::from_openssh(&text).with_context(|| {
        format!(
            "{name} is not an OpenSSH private key of type ssh-ed25519; make one with turnout-sign \
             keygen"
        )
    })?;
    ensure!(
        key.algorithm() == Algorithm::Ed25519,
        "{name} is a key of type {}; only ssh-ed25519 is understood, make one with turnout-sign \
         keygen",
        key.algorithm()
    );
    if !key.is_encrypted() {
        return Ok(key);
    }
    key.decrypt(ask()?).with_context(|| format!("this is not the passphrase of {name}"))
}

/// The public half, as the boot binary sees it.
///
/// # Errors
/// Not an Ed25519 key.
pub fn public(key: &PrivateKey) -> Result<PublicKey> {
    let key = key.public_key().key_data().ed25519().context("not an Ed25519 key")?;
    Ok(PublicKey::in_file(key.0))
}
