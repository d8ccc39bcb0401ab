//! What a signed file says, in words: manifests, policies, key rings, signature
//! files and public keys. Nothing here decides what may boot.

use anyhow::{Context as _, Result};
use ssh_key::PublicKey;
use turnout::base::digest::Digest;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::key::Holder;
use turnout::trust::manifest::{self, Manifest, System};
use turnout::trust::policy::{self, Policy};
use turnout::trust::sshsig::{self, Signature};

use crate::signing::{ring, signer};

/// What kind of file this is, and what is in it, line by line. `signatures` is
/// the file beside it, if there is one; `ring` gives keys their names.
///
/// # Errors
/// It looks like a manifest, policy, signature or key ring, and is a broken one.
pub fn file(
    bytes: &[u8],
    signatures: Option<&[u8]>,
    ring: Option<&KeyRing>,
) -> Result<Vec<String>> {
    let mut lines = content(bytes, ring)?;
    if let Some(signatures) = signatures {
        let parsed = sshsig::parse(signatures).context("the signatures beside it")?;
        lines.extend(parsed.iter().map(|one| signed_by(one, bytes, ring)));
    }
    Ok(lines)
}

fn content(bytes: &[u8], ring: Option<&KeyRing>) -> Result<Vec<String>> {
    if bytes.starts_with(b"turnout-manifest ") {
        return Ok(manifest(&manifest::parse(bytes)?, Digest::of(bytes)));
    }
    if bytes.starts_with(b"turnout-policy ") {
        return Ok(policy(&policy::parse(bytes)?));
    }
    if bytes.starts_with(b"-----BEGIN SSH SIGNATURE-----") {
        return Ok(sshsig::parse(bytes)?.iter().map(|one| signature(one, ring)).collect());
    }
    let text = core::str::from_utf8(bytes).context("this is not text")?;
    if let Ok(key) = PublicKey::from_openssh(text.trim()) {
        return public_key(&key);
    }
    let parsed = KeyRing::parse(bytes)
        .context("this is no manifest, policy, signature file or public key, and as a key ring")?;
    let mut lines = vec![format!("key ring, version {}", parsed.version())];
    lines.extend(ring::keys(&parsed));
    lines.extend(ring::roles(&parsed));
    Ok(lines)
}

fn manifest(manifest: &Manifest, digest: Digest) -> Vec<String> {
    let mut lines = vec![
        format!("manifest of the entry {}, sha256:{digest}", manifest.entry),
        format!("role {}, security version {}", manifest.role, manifest.security_version),
        format!("for {}", manifest.architecture),
    ];
    lines.extend(manifest.title.as_ref().map(|title| format!("title {title}")));
    let limits = [("boards", &manifest.boards), ("devices", &manifest.devices)];
    for (what, names) in limits.into_iter().filter(|(_, names)| !names.is_empty()) {
        lines.push(format!("only for the {what} {}", names.join(", ")));
    }
    for file in manifest.files() {
        lines.push(format!("binds {}, {} bytes, sha256:{}", file.path, file.size, file.digest));
    }
    match &manifest.system {
        System::Linux(linux) => {
            lines.push(format!("options {}", linux.options));
            let slots: Vec<_> = linux.slots.iter().map(|slot| slot.placeholder()).collect();
            if !slots.is_empty() {
                lines.push(format!("the loader fills in {}", slots.join(", ")));
            }
        }
        System::Uki(uki) => {
            lines.push(format!(
                "a unified kernel image with its own options, profile {}",
                uki.profile
            ));
        }
    }
    lines
}

/// What a policy demands.
#[must_use]
pub fn policy(policy: &Policy) -> Vec<String> {
    let thresholds = policy.thresholds;
    let mut lines = vec![format!("policy, version {}", policy.version)];
    let counts = [
        ("an operating system", thresholds.boot),
        ("a recovery system", thresholds.recovery),
        ("a policy or key ring", thresholds.policy),
    ];
    for (what, count) in counts {
        lines.push(format!("different keys that must sign {what}: {count}"));
    }
    lines.push(format!("at most {} signatures are tried", policy.signatures));
    let minimum = policy.minimum;
    lines.push(format!(
        "security versions below {} (boot) and {} (recovery) do not boot",
        minimum.boot, minimum.recovery
    ));
    lines.push(format!("a floor rises by at most {} at once", policy.step));
    lines.extend(policy.revoked_keys.iter().map(|key| format!("revoked: the key {key}")));
    let digests = policy.revoked_digests.iter();
    lines.extend(digests.map(|digest| format!("revoked: what has sha256:{digest}")));
    lines
}

fn signature(one: &Signature, ring: Option<&KeyRing>) -> String {
    format!("signature for {} by {}", one.namespace, who(one, ring))
}

fn signed_by(one: &Signature, text: &[u8], ring: Option<&KeyRing>) -> String {
    let belongs = one.verifies(text);
    let verdict = if belongs { "good" } else { "BAD (made for other bytes)" };
    format!("{verdict} {}", signature(one, ring))
}

/// Fingerprint, the ring's name for it, and where the key is.
fn who(one: &Signature, ring: Option<&KeyRing>) -> String {
    let mut text = one.key.fingerprint().to_string();
    match ring.map(|ring| ring.find(&one.key)) {
        Some(Some(key)) => text.push_str(&format!(" ({})", key.signer)),
        Some(None) => text.push_str(" (not in the key ring)"),
        None => {}
    }
    if let Holder::Token(application) = &one.key.holder {
        text.push_str(&format!(", on a token, for {application}"));
    }
    text
}

fn public_key(key: &PublicKey) -> Result<Vec<String>> {
    let device_key = signer::device_key(key)?;
    let mut lines =
        vec![format!("public key of type {}, {}", device_key.kind(), device_key.fingerprint())];
    if let Some(weakness) = device_key.weakness() {
        lines.push(format!("WEAK: {weakness}; no ring may hold it"));
    }
    Ok(lines)
}

/// 64 hexadecimal digits.
#[must_use]
pub fn digest(hex: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    let digits = hex.len() == 64 && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
    for (index, byte) in bytes.iter_mut().enumerate().filter(|_| digits) {
        let start = index.checked_mul(2)?;
        *byte = u8::from_str_radix(hex.get(start..start.checked_add(2)?)?, 16).ok()?;
    }
    digits.then_some(Digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_64_hexadecimal_digits() {
        let digest_of = digest(&"0fA1".repeat(16)).unwrap();
        assert_eq!(digest_of.to_string(), "0fa1".repeat(16));
        for bad in ["", "0", &"g".repeat(64), &"+f".repeat(32), &"0".repeat(66)] {
            assert_eq!(digest(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_nothing_of_ours_says_so() {
        let said = |bytes: &[u8]| format!("{:#}", file(bytes, None, None).unwrap_err());
        assert!(said(b"hello\n").starts_with("this is no manifest, policy, signature file"));
        assert!(said(b"turnout-manifest 2\n").contains("line 1"));
        assert!(said(b"turnout-policy 1\n").contains("line 2"));
        assert!(said(b"-----BEGIN SSH SIGNATURE-----\n").contains("line 1"));
        assert!(said(&[0xff]).contains("not text"));
    }
}
