//! What this machine trusts, as far as the running system knows: the ring and the policy
//! in `/etc/turnout` that its image was made with. Says what PID 1 would say.

use std::path::Path;

use anyhow::{Context as _, Result};
use base64ct::{Base64, Encoding as _};
use turnout::base::arch::Arch;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::manifest::{self, Manifest};
use turnout::trust::policy::{self, Policy};
use turnout::trust::sshsig::{self, Signature};
use turnout::trust::verify::{self, Attested, Context, Evidence, Identity, Mode, Refusal};

use crate::signing::entry::BootEntry;
use crate::signing::sign::read_if_there;

/// Ring and policy.
#[derive(Debug, Default)]
pub struct Trust {
    ring: Option<KeyRing>,
    policy: Policy,
}

/// A manifest and the signatures over it, where there are any.
#[derive(Debug, Default)]
pub struct Papers {
    /// The manifest.
    pub manifest: Option<Vec<u8>>,
    /// Its signatures.
    pub signatures: Option<Vec<u8>>,
}

impl Papers {
    /// The manifest, read; none where it is none.
    #[must_use]
    pub fn read(&self) -> Option<Manifest> {
        manifest::parse(self.manifest.as_deref()?).ok()
    }
}

impl Trust {
    /// Reads both; a file that is not there means that there is none.
    ///
    /// # Errors
    /// One is there and no machine would take it.
    pub fn read(ring: &Path, policy: &Path) -> Result<Self> {
        let text = read_if_there(ring)?;
        let keys = text.map(|text| KeyRing::parse(&text)).transpose();
        let keys = keys.with_context(|| ring.display().to_string())?;
        let text = read_if_there(policy)?;
        let demands = text.map(|text| policy::parse(&text)).transpose();
        let demands = demands.with_context(|| policy.display().to_string())?;
        Ok(Self { ring: keys, policy: demands.unwrap_or_default() })
    }

    /// How many signatures a file may hold.
    #[must_use]
    pub fn most_signatures(&self) -> usize {
        self.policy.signatures.into()
    }

    /// The manifest, if its signatures count: what anybody may have written next to a menu
    /// says nothing.
    #[must_use]
    pub fn vouched(&self, papers: &Papers) -> Option<Manifest> {
        let manifest = papers.read()?;
        match self.attest(manifest.architecture, &manifest.entry, papers) {
            Ok(_) => Some(manifest),
            Err(refusal) => is_meant(&refusal).then_some(manifest),
        }
    }

    /// What PID 1 says about an entry; without a ring, as if every key that signed were in
    /// one.
    ///
    /// # Errors
    /// Why it does not boot.
    pub fn judge(&self, boot: BootEntry, arch: Arch, papers: &Papers) -> Result<(), Box<Refusal>> {
        let attested = self.attest(arch, &boot.bundle.entry, papers)?;
        verify::verify(&attested, boot.bundle, &boot.values)?;
        Ok(())
    }

    fn attest(&self, arch: Arch, id: &str, papers: &Papers) -> Result<Attested, Box<Refusal>> {
        let assumed;
        let ring = match &self.ring {
            Some(ring) => Some(ring),
            None => {
                assumed = ring_of(papers);
                assumed.as_ref()
            }
        };
        let named = papers.read();
        let identity = named.map(|named| Identity { boards: named.boards, devices: named.devices });
        let context = Context {
            mode: Mode::Locked,
            ring,
            policy: &self.policy,
            arch,
            identity: &identity.unwrap_or_default(),
            floors: self.policy.minimum,
        };
        let evidence = Evidence {
            manifest: papers.manifest.as_deref(),
            signature: papers.signatures.as_deref(),
        };
        Ok(verify::check_manifest(&context, id, evidence)?)
    }
}

/// A ring of those who signed, each for what they signed for.
fn ring_of(papers: &Papers) -> Option<KeyRing> {
    let signatures = sshsig::parse(papers.signatures.as_deref()?).ok()?;
    let mut lines: Vec<_> = signatures.iter().map(line).collect();
    lines.sort_unstable();
    lines.dedup();
    KeyRing::parse(lines.concat().as_bytes()).ok()
}

fn line(signature: &Signature) -> String {
    let key = &signature.key;
    let blob = Base64::encode_string(&key.to_blob());
    format!("signer namespaces=\"{}\" {} {blob}\n", signature.namespace, key.kind())
}

/// Refusals of what is signed that somebody has decided on: to sign anew would undo that.
#[must_use]
pub const fn is_meant(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Floor { .. }
            | Refusal::DigestRevoked { .. }
            | Refusal::Board { .. }
            | Refusal::Device { .. }
    )
}
