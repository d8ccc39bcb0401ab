//! `turnout-sign keygen`.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use crate::signing::{key_file, ring};
use anyhow::{Result, ensure};
use clap::Args;
use turnout::trust::Namespace;

use super::Verdict;
use super::select::namespace;

#[derive(Args)]
pub(super) struct Keygen {
    /// Private key to create; never overwritten
    #[arg(short, long)]
    file: PathBuf,
    /// Comment in the public key, such as release@example.org
    #[arg(short = 'C', long, default_value = "turnout")]
    comment: String,
    /// Passphrase; asked for on a terminal if not given, empty for none
    #[arg(short = 'N', long)]
    passphrase: Option<String>,
    /// What the key may sign, for the printed line: boot, recovery, policy or
    /// unlock
    #[arg(long, value_name = "boot|recovery|policy|unlock", value_delimiter = ',',
        default_value = "boot", value_parser = namespace)]
    role: Vec<Namespace>,
}

impl Keygen {
    pub(super) fn run(&self) -> Result<Verdict> {
        let passphrase = match &self.passphrase {
            Some(passphrase) => passphrase.clone(),
            None if io::stdin().is_terminal() => ask_twice()?,
            None => String::new(),
        };
        let passphrase = Some(passphrase.as_str()).filter(|passphrase| !passphrase.is_empty());
        let public = key_file::generate(&self.file, &self.comment, passphrase)?;
        let name = self.file.display();
        eprintln!("{name} holds the private key; keep it off the boot partition.");
        eprintln!("For the key ring (mkinitramfs --keys):");
        print!("{}", ring::line(&public, &self.role));
        Ok(Verdict::Good)
    }
}

fn ask_twice() -> Result<String> {
    let passphrase = rpassword::prompt_password("Passphrase (empty for none): ")?;
    let again = rpassword::prompt_password("The same again: ")?;
    ensure!(passphrase == again, "the passphrases differ");
    Ok(passphrase)
}
