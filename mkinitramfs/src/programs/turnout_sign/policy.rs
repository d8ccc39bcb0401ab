//! `turnout-sign policy`.

use std::path::{Path, PathBuf};

use crate::output;
use crate::signing::{ring, sign, signer, words};
use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use turnout::base::digest::Digest;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::key::Fingerprint;
use turnout::trust::policy::{self, Policy};
use turnout::trust::{Namespace, Role, update};

use super::Verdict;
use super::files::{self, sign_file, signatures_of, tell_update};
use super::select::{namespace, role};
use super::signer::SignerArgs;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Writes a policy, for mkinitramfs --policy or for the boot partition
    Write(Box<Write>),
    /// Says what a policy demands; with --in-force whether devices would take it
    Check(Check),
    /// Signs a policy that devices take from the boot partition: writes FILE.sig
    Sign(Sign),
}

#[derive(Args)]
pub(super) struct Write {
    /// Policy to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Begin with this policy; its version grows by one
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Version; must be above the one that devices have
    #[arg(long, value_name = "N", required_unless_present = "from")]
    version: Option<u32>,
    /// How many different keys must sign for a role: boot, recovery or policy
    #[arg(long, value_name = "ROLE=N", value_parser = threshold)]
    threshold: Vec<(Namespace, u8)>,
    /// Most signatures that are tried, 1 to 8
    #[arg(long, value_name = "N")]
    signatures: Option<u8>,
    /// The lowest security version that boots, for a role: boot or recovery
    #[arg(long, value_name = "ROLE=N", value_parser = minimum)]
    minimum: Vec<(Role, u32)>,
    /// The most that a floor rises at once
    #[arg(long, value_name = "N")]
    step: Option<u32>,
    /// A key whose signatures no longer count: SHA256:... or its public key file
    #[arg(long, value_name = "KEY", value_parser = fingerprint)]
    revoke_key: Vec<Fingerprint>,
    /// What no longer boots: sha256:... of a manifest or of a file in one, or
    /// the file itself
    #[arg(long, value_name = "FILE", value_parser = digest)]
    revoke_digest: Vec<Digest>,
}

#[derive(Args)]
pub(super) struct Check {
    /// The policy
    file: PathBuf,
    /// The key ring that devices have: also check whether enough of its keys are
    /// left to sign
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// The policy that devices have, "none" where they have none: also check
    /// whether they would take FILE with FILE.sig
    #[arg(long, value_name = "POLICY", requires = "keys")]
    in_force: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Sign {
    /// The policy
    file: PathBuf,
    #[command(flatten)]
    signer: SignerArgs,
    /// Add a signature to the ones that are there
    #[arg(long)]
    add: bool,
}

impl Command {
    pub(super) fn run(&self) -> Result<Verdict> {
        match self {
            Self::Write(args) => args.run(),
            Self::Check(args) => args.run(),
            Self::Sign(args) => args.run(),
        }
    }
}

impl Write {
    fn run(&self) -> Result<Verdict> {
        let policy = self.policy()?;
        let text = policy.write();
        let read_back = policy::parse(text.as_bytes()).context("this is no policy")?;
        ensure!(read_back == policy, "a value changes when it is written");
        output::write(&self.output, text.as_bytes())?;
        if !output::is_standard_output(&self.output) {
            print!("{text}");
        }
        Ok(Verdict::Good)
    }

    fn policy(&self) -> Result<Policy> {
        let mut policy = files::policy(self.from.as_deref())?;
        let next = policy.version.checked_add(1);
        policy.version = self.version.or(next).context("there is no version after this one")?;
        for (namespace, count) in &self.threshold {
            match namespace {
                Namespace::Boot => policy.thresholds.boot = *count,
                Namespace::Recovery => policy.thresholds.recovery = *count,
                Namespace::Policy => policy.thresholds.policy = *count,
                Namespace::Unlock => anyhow::bail!("turnout-unlock has no threshold"),
            }
        }
        for (role, version) in &self.minimum {
            match role {
                Role::Boot => policy.minimum.boot = *version,
                Role::Recovery => policy.minimum.recovery = *version,
            }
        }
        policy.signatures = self.signatures.unwrap_or(policy.signatures);
        policy.step = self.step.unwrap_or(policy.step);
        extend(&mut policy.revoked_keys, &self.revoke_key);
        extend(&mut policy.revoked_digests, &self.revoke_digest);
        Ok(policy)
    }
}

/// Each once.
fn extend<T: Copy + PartialEq>(list: &mut Vec<T>, more: &[T]) {
    for value in more {
        if !list.contains(value) {
            list.push(*value);
        }
    }
}

impl Check {
    fn run(&self) -> Result<Verdict> {
        let bytes = files::read(&self.file)?;
        let name = self.file.display();
        let policy = match policy::parse(&bytes) {
            Ok(policy) => policy,
            Err(error) => {
                println!("refused {name}: {error}");
                return Ok(Verdict::Refused);
            }
        };
        words::policy(&policy).iter().for_each(|line| println!("{line}"));
        let Some(keys) = &self.keys else { return Ok(Verdict::Good) };
        let ring = files::ring(keys)?;
        if let Err(error) = ring::check_reachable(&ring, &policy) {
            println!("refused {name}: {error}");
            return Ok(Verdict::Refused);
        }
        match &self.in_force {
            Some(old) => self.check_update(&bytes, old, &ring),
            None => Ok(Verdict::Good),
        }
    }

    fn check_update(&self, bytes: &[u8], old: &Path, ring: &KeyRing) -> Result<Verdict> {
        let current = files::policy(Some(old).filter(|old| *old != Path::new("none")))?;
        let signatures = sign::read_if_there(&signatures_of(&self.file))?;
        let taken = update::take_policy(&current, ring, bytes, signatures.as_deref());
        let follows =
            |new: Policy| format!("version {} follows on {}", new.version, current.version);
        Ok(tell_update(&self.file, taken.map(follows)))
    }
}

impl Sign {
    fn run(&self) -> Result<Verdict> {
        let bytes = files::read(&self.file)?;
        policy::parse(&bytes).with_context(|| self.file.display().to_string())?;
        sign_file(&self.file, &bytes, &mut self.signer.open()?, self.add)?;
        Ok(Verdict::Good)
    }
}

fn threshold(text: &str) -> Result<(Namespace, u8)> {
    let (name, count) = text.split_once('=').context("write ROLE=N, such as boot=2")?;
    Ok((namespace(name)?, count.parse().context("N is 1 to 8")?))
}

fn minimum(text: &str) -> Result<(Role, u32)> {
    let (name, version) = text.split_once('=').context("write ROLE=N, such as boot=7")?;
    Ok((role(name)?, version.parse().context("N is 0 to 4294967295")?))
}

fn fingerprint(text: &str) -> Result<Fingerprint> {
    if text.starts_with("SHA256:") {
        return Fingerprint::parse(text).context("this is no fingerprint; ssh-keygen -l prints it");
    }
    Ok(signer::device_key(&signer::public_file(Path::new(text))?)?.fingerprint())
}

fn digest(text: &str) -> Result<Digest> {
    if let Some(hex) = text.strip_prefix("sha256:") {
        return words::digest(hex).context("sha256: is followed by 64 hexadecimal digits");
    }
    Ok(Digest::of(&files::read(Path::new(text))?))
}
