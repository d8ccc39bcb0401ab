//! The files that commands name: rings, policies, and the signatures beside
//! them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::output;
use crate::signing::signer::Signer;
use crate::signing::{seal, sign};
use anyhow::{Context as _, Result};
use clap::Args;
use turnout::trust::Namespace;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::policy::{self, Policy};
use turnout::trust::verify::Refusal;

use super::Verdict;

/// What a device trusts.
#[derive(Args)]
pub(super) struct Anchor {
    /// Key ring of the device, in OpenSSH's allowed_signers format
    #[arg(long, value_name = "FILE")]
    keys: PathBuf,
    /// Policy of the device; without it one good signature is enough
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl Anchor {
    pub(super) fn read(&self) -> Result<(KeyRing, Policy)> {
        Ok((ring(&self.keys)?, policy(self.policy.as_deref())?))
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A key ring that a device would take.
pub(super) fn ring(path: &Path) -> Result<KeyRing> {
    KeyRing::parse(&read(path)?).with_context(|| path.display().to_string())
}

/// A policy; without a file, what holds on a device without one.
pub(super) fn policy(path: Option<&Path>) -> Result<Policy> {
    let Some(path) = path else { return Ok(Policy::default()) };
    policy::parse(&read(path)?).with_context(|| path.display().to_string())
}

/// Where the signatures over a file lie.
pub(super) fn signatures_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".sig");
    PathBuf::from(name)
}

/// Says whether devices would take a file, and on what it follows if they would.
pub(super) fn tell_update(path: &Path, taken: std::result::Result<String, Refusal>) -> Verdict {
    let name = path.display();
    match taken {
        Ok(follows) => {
            println!("verified {name}: {follows}");
            Verdict::Good
        }
        Err(refusal) => {
            println!("refused {name}: {}: {refusal}", refusal.code());
            Verdict::Refused
        }
    }
}

/// Signs a policy or a ring: writes FILE.sig, or with `add` a signature more
/// into it.
pub(super) fn sign_file(path: &Path, text: &[u8], signer: &mut Signer, add: bool) -> Result<()> {
    let namespace = Namespace::Policy.name();
    let to = signatures_of(path);
    let there = sign::read_if_there(&to)?;
    let signatures = match there.filter(|_| add) {
        Some(there) => {
            seal::add(signer, namespace, text, &there).with_context(|| to.display().to_string())?
        }
        None => seal::seal(signer, namespace, text)?,
    };
    output::write(&to, signatures.as_bytes())?;
    println!("signed {}: {namespace}, key {}", path.display(), signer.fingerprint());
    Ok(())
}
