//! Which keys the configured signer has signed with here, in `/var/lib/turnout/signers`:
//! whose signatures are upkeep's own where this machine has no key ring to ask.
//!
//! One key a line, `KIND BASE64 SIGNER`; what another signer than the configured one has
//! made does not count.

use std::path::{Path, PathBuf};

use anyhow::Result;
use base64ct::{Base64, Encoding as _};
use turnout::settings::Signer;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::key::PublicKey;

use crate::signing::sign::read_if_there;
use crate::upkeep::disk::Disk;

/// The keys of the configured signer.
#[derive(Debug)]
pub struct Own {
    path: PathBuf,
    signer: String,
    lines: Vec<String>,
}

impl Own {
    /// Reads them from the directory `state`.
    ///
    /// # Errors
    /// They are there and cannot be read.
    pub fn open(state: &Path, by: &Signer) -> Result<Self> {
        let path = state.join("signers");
        let text = read_if_there(&path)?.unwrap_or_default();
        let lines = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        Ok(Self { path, signer: format!("{by:?}"), lines })
    }

    /// A ring of them, which lets them sign what boots and nothing else; none where none
    /// is known.
    #[must_use]
    pub fn ring(&self) -> Option<KeyRing> {
        let keys = self.lines.iter().filter_map(|line| line.strip_suffix(&self.signer));
        let lines: Vec<_> =
            keys.map(|key| format!("own namespaces=\"turnout-boot\" {}\n", key.trim())).collect();
        KeyRing::parse(lines.concat().as_bytes()).ok().filter(|ring| !ring.keys().is_empty())
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn has(&self, key: &PublicKey) -> bool {
        self.lines.contains(&self.line(key))
    }

    /// Takes a key for one of them, in this run.
    pub fn add(&mut self, key: &PublicKey) {
        if !self.has(key) {
            self.lines.push(self.line(key));
        }
    }

    /// The same for good, before anything that it has signed is put into place.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note(&mut self, disk: &Disk, key: &PublicKey) -> Result<()> {
        if self.has(key) && self.path.is_file() {
            return Ok(());
        }
        self.add(key);
        disk.write(&self.path, format!("{}\n", self.lines.join("\n")).as_bytes())
    }

    fn line(&self, key: &PublicKey) -> String {
        format!("{} {} {}", key.kind(), Base64::encode_string(&key.to_blob()), self.signer)
    }
}
