//! Makes an entry's manifest and signature, and checks them as the device will.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use ssh_key::{HashAlg, LineEnding, PrivateKey};
use turnout::arch::Arch;
use turnout::bundle::Blob;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::manifest::{self, File, Linux, Manifest, System};
use turnout::trust::policy::{Floors, Policy};
use turnout::trust::slots::SlotValues;
use turnout::trust::verify::{self, Attested, Context, Evidence, Identity, Mode, Refusal};
use turnout::trust::{Role, manifest_path, signature_path};

use crate::entry::BootEntry;
use crate::output;

/// Signs `entry` and writes both files below `root`.
///
/// # Errors
/// Something in the entry cannot stand in a manifest, or a file cannot be
/// written. Nothing is written unless the result has been verified.
pub fn sign(
    root: &Path,
    boot: BootEntry,
    arch: Arch,
    security_version: u32,
    role: Role,
    key: &PrivateKey,
) -> Result<()> {
    let id = boot.entry.id.clone();
    let manifest = manifest(&boot, arch, role, security_version);
    refuse_blanks(&manifest).with_context(|| format!("{id} cannot be signed"))?;
    let text = manifest.write();
    let read_back = manifest::parse(text.as_bytes())
        .with_context(|| format!("{id} cannot be signed, the manifest would be wrong"))?;
    ensure!(read_back == manifest, "{id} cannot be signed, a value changes when it is written");
    let signature = key.sign(role.namespace().name(), HashAlg::Sha512, text.as_bytes())?;
    let signature = signature.to_pem(LineEnding::LF)?;
    let ring = own_ring(key, role)?;
    let evidence =
        Evidence { manifest: Some(text.as_bytes()), signature: Some(signature.as_bytes()) };
    let verdict = verdict(&ring, arch, role, evidence, boot);
    verdict.context("what was signed does not verify, and nothing was written")?;
    write(root, &manifest_path(&id), text.as_bytes())?;
    write(root, &signature_path(&id), signature.as_bytes())
}

/// Says what a device of architecture `arch` would say about the entry; gives
/// who signed it. Without `arch` the device is one that the manifest is for.
///
/// # Errors
/// The outer one if the files beside the entry cannot be read, the inner one if
/// the entry is refused.
pub fn check(
    root: &Path,
    boot: BootEntry,
    arch: Option<Arch>,
    role: Role,
    ring: &KeyRing,
) -> Result<Result<String, Refusal>> {
    let id = &boot.entry.id;
    let manifest = read(root, &manifest_path(id))?;
    let signature = read(root, &signature_path(id))?;
    let evidence = Evidence { manifest: manifest.as_deref(), signature: signature.as_deref() };
    let signed_for = || Some(manifest::parse(manifest.as_deref()?).ok()?.architecture);
    // Where there is neither, the refusal comes before the architecture counts.
    let arch = arch.or_else(signed_for).unwrap_or(Arch::X86_64);
    Ok(verdict(ring, arch, role, evidence, boot))
}

fn verdict(
    ring: &KeyRing,
    arch: Arch,
    role: Role,
    evidence: Evidence<'_>,
    boot: BootEntry,
) -> Result<String, Refusal> {
    let (policy, identity) = (Policy::default(), Identity::default());
    let context = Context {
        mode: Mode::Locked,
        ring: Some(ring),
        policy: &policy,
        arch,
        identity: &identity,
        floors: Floors::default(),
    };
    let attested = verify::check_manifest(&context, &boot.entry.id, evidence)?;
    if let Attested::Signed(signed) = &attested
        && signed.role() != role
    {
        return Err(Refusal::Role {
            file: manifest_path(&boot.entry.id),
            signer: signed.signers().join(", "),
            needed: role.namespace(),
            found: signed.role().namespace(),
        });
    }
    verify::verify(&attested, boot.bundle, &SlotValues::default())?;
    Ok(match attested {
        Attested::Signed(signed) => signed.signers().join(", "),
        Attested::Unsigned(_) => String::new(),
    })
}

fn manifest(boot: &BootEntry, architecture: Arch, role: Role, security_version: u32) -> Manifest {
    let bundle = &boot.bundle;
    Manifest {
        entry: boot.entry.id.clone(),
        title: boot.entry.title.clone(),
        role,
        security_version,
        architecture,
        boards: Vec::new(),
        devices: Vec::new(),
        system: System::Linux(Linux {
            kernel: file(&bundle.linux),
            initrds: bundle.initrds.iter().map(file).collect(),
            devicetree: bundle.devicetree.as_ref().map(file),
            overlays: bundle.overlays.iter().map(file).collect(),
            slots: Vec::new(),
            options: bundle.options.clone(),
        }),
    }
}

/// The commonest value that a manifest cannot hold gets advice of its own.
fn refuse_blanks(manifest: &Manifest) -> Result<()> {
    match manifest.files().map(|file| &file.path).find(|path| path.contains(char::is_whitespace)) {
        Some(path) => bail!("the path {path:?} contains a blank; rename the file"),
        None => Ok(()),
    }
}

fn file(blob: &Blob<Vec<u8>>) -> File {
    File { path: blob.path.clone(), size: blob.size(), digest: blob.digest }
}

/// A ring that holds only the key that just signed, for this role.
fn own_ring(key: &PrivateKey, role: Role) -> Result<KeyRing> {
    Ok(KeyRing::parse(ring_line(&key.public_key().to_openssh()?, role).as_bytes())?)
}

/// The line of a key ring for a public key line: named after its comment, or
/// "owner" where that cannot be a principal.
#[must_use]
pub fn ring_line(public: &str, role: Role) -> String {
    let public = public.trim_end();
    let comment = public.splitn(3, ' ').nth(2).unwrap_or_default();
    let word = |comment: &&str| {
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#');
        !comment.is_empty() && comment.bytes().all(plain)
    };
    let signer = Some(comment).filter(word).unwrap_or("owner");
    format!("{signer} namespaces=\"{}\" {public}\n", role.namespace())
}

fn write(root: &Path, path: &str, bytes: &[u8]) -> Result<()> {
    let path = root.join(path.trim_start_matches('/'));
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot create {}", directory.display()))?;
    }
    output::replace(&path, bytes)
}

/// The bytes of a file, `None` if there is none.
fn read(root: &Path, path: &str) -> Result<Option<Vec<u8>>> {
    let path = root.join(path.trim_start_matches('/'));
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIClhfTVR2/pqqQmnaR2IwDFSl+JiHjupyLIpSzN7upBY";

    #[test]
    fn a_key_is_named_after_its_comment_if_that_is_one_word() {
        let cases = [
            (" release@example.org\n", "release@example.org"),
            (" two words", "owner"),
            ("", "owner"),
            (" #no", "owner"),
        ];
        for (comment, signer) in cases {
            let line = ring_line(&format!("{KEY}{comment}"), Role::Boot);
            let ring = KeyRing::parse(line.as_bytes()).unwrap();
            assert_eq!(ring.keys()[0].signer, signer);
            assert_eq!(ring.keys()[0].namespaces, ["turnout-boot"]);
        }
    }
}
