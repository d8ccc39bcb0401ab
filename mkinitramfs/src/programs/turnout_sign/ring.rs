//! `turnout-sign ring`.

use std::path::{Path, PathBuf};

use crate::signing::{ring, sign, signer};
use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use turnout::base::text::printable;
use turnout::trust::Namespace;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::policy::Policy;
use turnout::trust::update;

use super::Verdict;
use super::files::{self, policy, sign_file, signatures_of, tell_update};
use super::select::namespace;
use super::signer::SignerArgs;

#[derive(Subcommand)]
pub(super) enum Ring {
    /// Prints a ring's line for a public key
    Line(Line),
    /// Finds weak keys, duplicates and whatever else a device refuses, and says
    /// who may sign what
    Check(Check),
    /// Signs a ring that devices take from the boot partition: writes FILE.sig
    Sign(Sign),
}

#[derive(Args)]
pub(super) struct Line {
    /// Public key file (KEY.pub)
    key: PathBuf,
    /// What the key may sign: boot, recovery, policy or unlock
    #[arg(long, value_name = "boot|recovery|policy|unlock", value_delimiter = ',',
        default_value = "boot", value_parser = namespace)]
    role: Vec<Namespace>,
}

#[derive(Args)]
pub(super) struct Check {
    /// The ring
    file: PathBuf,
    /// The ring that devices have: also check whether they would take FILE with
    /// FILE.sig
    #[arg(long, value_name = "RING")]
    in_force: Option<PathBuf>,
    /// The policy that devices have: also check whether FILE has keys enough for
    /// it
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Sign {
    /// The ring; its first line is "# turnout-ring N"
    file: PathBuf,
    #[command(flatten)]
    signer: SignerArgs,
    /// Add a signature to the ones that are there
    #[arg(long)]
    add: bool,
}

impl Ring {
    pub(super) fn run(&self) -> Result<Verdict> {
        match self {
            Self::Line(args) => args.run(),
            Self::Check(args) => args.run(),
            Self::Sign(args) => args.run(),
        }
    }
}

impl Line {
    fn run(&self) -> Result<Verdict> {
        let key = signer::public_file(&self.key)?;
        let line = ring::line(&key.to_openssh()?, &self.role);
        KeyRing::parse(line.as_bytes()).with_context(|| self.key.display().to_string())?;
        print!("{line}");
        Ok(Verdict::Good)
    }
}

impl Check {
    fn run(&self) -> Result<Verdict> {
        let bytes = files::read(&self.file)?;
        let problems = ring::problems(&bytes);
        for problem in &problems {
            println!("refused {}: {problem}", self.file.display());
        }
        let Ok(ring) = KeyRing::parse(&bytes) else { return Ok(Verdict::Refused) };
        for line in ring::keys(&ring).into_iter().chain(ring::roles(&ring)) {
            println!("{}", printable(&line));
        }
        let policy = policy(self.policy.as_deref())?;
        if let Err(error) = ring::check_reachable(&ring, &policy) {
            println!("refused {}: {error}", self.file.display());
            return Ok(Verdict::Refused);
        }
        match &self.in_force {
            Some(old) => self.check_update(&bytes, old, &policy),
            None => Ok(Verdict::Good),
        }
    }

    fn check_update(&self, bytes: &[u8], old: &Path, policy: &Policy) -> Result<Verdict> {
        let signatures = sign::read_if_there(&signatures_of(&self.file))?;
        let taken = update::take_ring(&files::ring(old)?, policy, bytes, signatures.as_deref());
        let taken = taken.map(|new| format!("ring {} follows on {}", new.version(), old.display()));
        Ok(tell_update(&self.file, taken))
    }
}

impl Sign {
    fn run(&self) -> Result<Verdict> {
        let bytes = files::read(&self.file)?;
        let name = self.file.display();
        let ring = KeyRing::parse(&bytes).with_context(|| name.to_string())?;
        ensure!(
            ring.version() > 0,
            "{name} has no version, so no device would take it; let its first line be \
             \"# turnout-ring 1\", or a number above the one that devices have"
        );
        sign_file(&self.file, &bytes, &mut self.signer.open()?, self.add)?;
        Ok(Verdict::Good)
    }
}
