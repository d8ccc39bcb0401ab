//! Manifests, policies and key rings as the tests want them, wrong ones too:
//! written with the library and signed with the ssh-key crate, because the tool
//! that people sign with makes no wrong ones.

use anyhow::{Context, Result, anyhow};
use ssh_key::getrandom::SysRng;
use ssh_key::rand_core::UnwrapErr;
use ssh_key::{Algorithm, HashAlg, LineEnding, PrivateKey};
use std::fs;
use turnout::base::arch::Arch;
use turnout::base::digest::Digest;
use turnout::menu::{self, Target};
use turnout::sys::read::Root;
use turnout::trust::manifest::{File, Linux, Manifest, System, Uki};
use turnout::trust::{Role, manifest_path, signatures_of};
use turnout_qemu::boot_tree::BootTree;

/// Somebody who signs.
pub(crate) struct Signer(PrivateKey);

impl Signer {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(PrivateKey::random(&mut UnwrapErr(SysRng), Algorithm::Ed25519)?))
    }

    /// The line of a key ring that lets this key sign for these namespaces.
    pub(crate) fn line(&self, name: &str, namespaces: &str) -> Result<String> {
        let public = self.0.public_key().to_openssh()?;
        Ok(format!("{name} namespaces=\"{namespaces}\" {public}\n"))
    }

    /// As `ssh-keygen -l` prints it.
    pub(crate) fn fingerprint(&self) -> String {
        self.0.public_key().fingerprint(HashAlg::Sha256).to_string()
    }

    fn sign(&self, namespace: &str, text: &str) -> Result<String> {
        Ok(self.0.sign(namespace, HashAlg::Sha512, text.as_bytes())?.to_pem(LineEnding::LF)?)
    }
}

/// Everybody who signs in the tests.
pub(crate) struct Signers {
    /// The two that sign what boots.
    pub(crate) release: Signer,
    pub(crate) deputy: Signer,
    /// For recovery systems.
    pub(crate) rescue: Signer,
    /// For policies and rings; and the one that takes its place.
    pub(crate) owner: Signer,
    pub(crate) heir: Signer,
    /// Revoked by every policy.
    pub(crate) thief: Signer,
    /// In no ring.
    pub(crate) stranger: Signer,
}

impl Signers {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            release: Signer::new()?,
            deputy: Signer::new()?,
            rescue: Signer::new()?,
            owner: Signer::new()?,
            heir: Signer::new()?,
            thief: Signer::new()?,
            stranger: Signer::new()?,
        })
    }

    /// The ring of the image.
    pub(crate) fn ring(&self) -> Result<String> {
        Ok([
            self.release.line("release", BOOT)?,
            self.deputy.line("deputy", BOOT)?,
            self.rescue.line("rescue", RECOVERY)?,
            self.owner.line("owner", POLICY)?,
            self.thief.line("thief", BOOT)?,
        ]
        .concat())
    }
}

pub(crate) const BOOT: &str = "turnout-boot";
pub(crate) const RECOVERY: &str = "turnout-recovery";
pub(crate) const POLICY: &str = "turnout-policy";

/// Writes a text to the boot partition with one signature by each of `signers`.
pub(crate) fn sign(
    tree: &BootTree,
    path: &str,
    text: &str,
    signers: &[(&Signer, &str)],
) -> Result<()> {
    fs::create_dir_all(tree.host_path("turnout"))?;
    fs::write(tree.host_path(path), text)?;
    let signatures = signers.iter().map(|(signer, namespace)| signer.sign(namespace, text));
    let signatures: String = signatures.collect::<Result<_>>()?;
    Ok(fs::write(tree.host_path(&signatures_of(path)), signatures)?)
}

/// What somebody signs who signs the entry as it is.
pub(crate) fn manifest(tree: &BootTree, entry: &str, architecture: Arch) -> Result<Manifest> {
    let root =
        Root::open(&tree.root().display().to_string()).map_err(|error| anyhow!("{error}"))?;
    let target = Target::new(architecture, &[]);
    let mut menu = menu::read_volume(&root, &target);
    let index = menu.find(entry).with_context(|| format!("no {entry}: {:?}", menu.diagnostics))?;
    let menu = menu.entries.swap_remove(index);
    Ok(Manifest {
        entry: entry.to_owned(),
        title: None,
        role: Role::Boot,
        security_version: 5,
        architecture,
        boards: Vec::new(),
        devices: Vec::new(),
        system: match &menu.uki {
            Some(path) => System::Uki(Uki {
                image: bound(tree, path)?,
                profile: menu.profile.unwrap_or(0),
                addons: all(tree, &menu.addons)?,
            }),
            None => System::Linux(Linux {
                kernel: bound(tree, menu.kernel().context("no kernel")?)?,
                initrds: all(tree, &menu.initrds)?,
                devicetree: menu.devicetree.as_ref().map(|path| bound(tree, path)).transpose()?,
                overlays: all(tree, &menu.overlays)?,
                slots: Vec::new(),
                options: menu.options,
            }),
        },
    })
}

fn all(tree: &BootTree, paths: &[String]) -> Result<Vec<File>> {
    paths.iter().map(|path| bound(tree, path)).collect()
}

fn bound(tree: &BootTree, path: &str) -> Result<File> {
    let bytes = fs::read(tree.host_path(path)).with_context(|| path.to_owned())?;
    Ok(File { path: path.to_owned(), size: bytes.len() as u64, digest: Digest::of(&bytes) })
}

/// The part of a manifest that is for a kernel.
pub(crate) fn linux(manifest: &mut Manifest) -> &mut Linux {
    match &mut manifest.system {
        System::Linux(linux) => linux,
        System::Uki(_) => unreachable!("the tests sign kernels"),
    }
}

/// Where the manifest of an entry lies.
pub(crate) fn path(entry: &str) -> String {
    manifest_path(entry)
}
