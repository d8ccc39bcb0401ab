//! What this machine trusts, as far as the running system knows: the ring and the policy
//! in `/etc/turnout` that its image was made with, and their updates on the boot
//! partition. Says what PID 1 would say.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use base64ct::{Base64, Encoding as _};
use turnout::base::arch::Arch;
use turnout::sys::read::Root;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::manifest::{self, Manifest};
use turnout::trust::policy::{self, Policy};
use turnout::trust::sshsig::{self, Signature};
use turnout::trust::update::{take_policy, take_ring};
use turnout::trust::verify::{self, Attested, Context, Evidence, Identity, Mode, Refusal};
use turnout::trust::{
    MAX_FILE, Namespace, POLICY_PATH, RING_PATH, Role, manifest_path, signature_path, signatures_of,
};

use crate::signing::entry::BootEntry;
use crate::signing::sign::read_if_there;

/// The last line of a signature in its file.
const ARMOR_END: &str = "-----END SSH SIGNATURE-----";

/// Ring and policy.
#[derive(Debug, Default, Clone)]
pub struct Trust {
    ring: Option<KeyRing>,
    /// Whether the ring is this machine's, and not only of who signs here.
    has_ring: bool,
    policy: Policy,
}

/// A manifest and the signatures over it, where there are any.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Papers {
    /// The manifest.
    pub manifest: Option<Vec<u8>>,
    /// Its signatures.
    pub signatures: Option<Vec<u8>>,
}

impl Papers {
    /// A manifest's text, and the text of its signature file.
    #[must_use]
    pub fn new(manifest: &str, signatures: &str) -> Self {
        let [manifest, signatures] =
            [manifest, signatures].map(|text| Some(text.as_bytes().to_vec()));
        Self { manifest, signatures }
    }

    /// The signatures that are good for `text` and for booting, one of each key, and how
    /// each stands in the file.
    #[must_use]
    pub fn good(&self, text: &str) -> Vec<(Signature, String)> {
        let file = self.signatures.as_deref().unwrap_or_default();
        let mut good: Vec<(Signature, String)> = Vec::new();
        for armored in String::from_utf8_lossy(file).split_inclusive(ARMOR_END) {
            let armored = format!("{}\n", armored.trim());
            let one = sshsig::parse(armored.as_bytes()).ok().and_then(|mut one| one.pop());
            let one = one.filter(|one| one.namespace == Namespace::Boot.name());
            let Some(one) = one.filter(|one| one.verifies(text.as_bytes())) else { continue };
            if !good.iter().any(|(earlier, _)| earlier.key == one.key) {
                good.push((one, armored));
            }
        }
        good
    }

    /// Fingerprints of the keys whose signatures are good for this manifest.
    #[must_use]
    pub fn signers(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(self.manifest.as_deref().unwrap_or_default());
        let good = self.good(&text).into_iter();
        good.map(|(one, _)| one.key.fingerprint().to_string()).collect()
    }

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
        let has_ring = keys.is_some();
        Ok(Self { ring: keys, has_ring, policy: demands.unwrap_or_default() })
    }

    /// Whether this machine has a ring.
    #[must_use]
    pub const fn has_ring(&self) -> bool {
        self.has_ring
    }

    /// Where this machine has no ring, only what its own signer has signed counts: what
    /// anybody else has signed is a change like any other.
    #[must_use]
    pub fn or_own(self, own: Option<KeyRing>) -> Self {
        let ring = if self.has_ring { self.ring } else { own };
        Self { ring, ..self }
    }

    /// With the newer ring and policy of a boot partition, where PID 1 would take them.
    ///
    /// # Errors
    /// One is there and cannot be read.
    pub fn updated(&self, home: &Path) -> Result<Self> {
        let Some(ring) = self.ring.as_ref().filter(|_| self.has_ring) else {
            return Ok(self.clone());
        };
        let file = Update::read(home, RING_PATH)?;
        let newer = file.and_then(|file| {
            take_ring(ring, &self.policy, &file.text, file.signatures.as_deref()).ok()
        });
        let ring = newer.unwrap_or_else(|| ring.clone());
        let file = Update::read(home, POLICY_PATH)?;
        let newer = file.and_then(|file| {
            take_policy(&self.policy, &ring, &file.text, file.signatures.as_deref()).ok()
        });
        let policy = newer.unwrap_or_else(|| self.policy.clone());
        Ok(Self { ring: Some(ring), has_ring: true, policy })
    }

    /// Whether one signer alone cannot have anything boot.
    #[must_use]
    pub const fn wants_others(&self) -> bool {
        self.policy.threshold(Namespace::Boot) > 1
    }

    /// Whether the ring or the policy has anything against a key, so that its signature
    /// need not be kept.
    #[must_use]
    pub fn revokes(&self, signature: &Signature) -> bool {
        self.policy.revokes_key(&signature.key.fingerprint())
    }

    /// Whether the ring knows a key.
    #[must_use]
    pub fn knows(&self, signature: &Signature) -> bool {
        self.ring.as_ref().is_some_and(|ring| ring.find(&signature.key).is_some())
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
            // The signatures that are there count; others are still to come.
            Err(refusal) if matches!(*refusal, Refusal::Threshold { .. }) => Some(manifest),
            Err(refusal) => is_meant(&refusal).then_some(manifest),
        }
    }

    /// Whether the manifest says by a signature that counts that the entry is a recovery
    /// system, which other keys sign. Without a ring nobody here knows those keys.
    #[must_use]
    pub fn is_recovery(&self, papers: &Papers) -> bool {
        let manifest = if self.has_ring { self.vouched(papers) } else { alone(papers) };
        manifest.is_some_and(|manifest| manifest.role == Role::Recovery)
    }

    /// What PID 1 says about an entry; without a ring, as if the keys of who signs here
    /// were in one.
    ///
    /// # Errors
    /// Why it does not boot.
    pub fn judge(&self, boot: BootEntry, arch: Arch, papers: &Papers) -> Result<(), Box<Refusal>> {
        let attested = self.attest(arch, &boot.bundle.entry, papers)?;
        verify::verify(&attested, boot.bundle, &boot.values)?;
        Ok(())
    }

    fn attest(&self, arch: Arch, id: &str, papers: &Papers) -> Result<Attested, Box<Refusal>> {
        let named = papers.read();
        let identity = named.map(|named| Identity { boards: named.boards, devices: named.devices });
        let context = Context {
            mode: Mode::Locked,
            ring: self.ring.as_ref(),
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

/// What a ring of all those who signed would say: whether an entry is as it was signed,
/// whoever that was.
///
/// # Errors
/// It is not.
pub fn judge_alone(boot: BootEntry, arch: Arch, papers: &Papers) -> Result<(), Box<Refusal>> {
    trusting_all(papers).judge(boot, arch, papers)
}

fn alone(papers: &Papers) -> Option<Manifest> {
    trusting_all(papers).vouched(papers)
}

fn trusting_all(papers: &Papers) -> Trust {
    Trust { ring: ring_of(papers), ..Trust::default() }
}

/// A newer ring or policy as it lies on a boot partition.
struct Update {
    text: Vec<u8>,
    signatures: Option<Vec<u8>>,
}

impl Update {
    fn read(home: &Path, path: &str) -> Result<Option<Self>> {
        let Some(text) = paper(home, path)? else { return Ok(None) };
        let signatures = paper(home, &signatures_of(path))?;
        Ok(Some(Self { text, signatures }))
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

/// The papers of an entry.
///
/// # Errors
/// They are there and cannot be read.
pub fn papers(root: &Path, id: &str) -> Result<Papers> {
    Ok(Papers {
        manifest: paper(root, &manifest_path(id))?,
        signatures: paper(root, &signature_path(id))?,
    })
}

/// One of them, as PID 1 reads it: a small regular file that no link leads to.
fn paper(root: &Path, path: &str) -> Result<Option<Vec<u8>>> {
    let shown = below(root, path);
    let files = root.to_str().context("the boot partition's path is not UTF-8")?;
    let read = Root::open(files).and_then(|files| files.small(path, MAX_FILE as u64));
    read.map_err(|error| anyhow!(error.source))
        .with_context(|| format!("cannot read {}", shown.display()))
}

/// A path of the boot partition in the directory where that is mounted.
#[must_use]
pub fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}
