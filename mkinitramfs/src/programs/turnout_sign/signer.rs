//! Which key signs, as it is said on the command line.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use crate::signing::key_file;
use crate::signing::signer::Signer;
use anyhow::{Result, bail};
use clap::Args;

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct SignerArgs {
    /// OpenSSH private key, type ssh-ed25519
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Sign with the ssh-agent's key; if it holds several, the one with this
    /// fingerprint (SHA256:...) or public key file. For keys on a token too
    #[arg(long, value_name = "KEY", num_args = 0..=1, require_equals = true,
        default_missing_value = "")]
    agent: Option<String>,
}

impl SignerArgs {
    pub(super) fn open(&self) -> Result<Signer> {
        let signer = match (&self.key, &self.agent) {
            (Some(path), _) => Signer::file(key_file::load(path, || ask_passphrase(path))?)?,
            (None, Some(wanted)) => {
                Signer::agent(Some(wanted.as_str()).filter(|wanted| !wanted.is_empty()))?
            }
            (None, None) => bail!("give --key FILE or --agent"),
        };
        if signer.is_token() && io::stderr().is_terminal() {
            eprintln!("Touch the token when it blinks, once for each signature.");
        }
        Ok(signer)
    }
}

fn ask_passphrase(key: &Path) -> Result<String> {
    if !io::stdin().is_terminal() {
        bail!(
            "{} has a passphrase and there is no terminal to ask for it; add the key to an \
             ssh-agent and sign with --agent",
            key.display()
        );
    }
    Ok(rpassword::prompt_password(format!("Passphrase of {}: ", key.display()))?)
}
