//! Who signs for a machine that nobody watches: a key file, an agent or a program, as
//! `turnout.conf` names it. What comes back was read and checked by the boot binary's own
//! code before anybody gets it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use turnout::settings;
use turnout::trust::key::PublicKey;
use turnout::trust::sshsig::{self, Signature};

use crate::signing::agent::Agent;
use crate::signing::signer::{Signer, device_key};
use crate::signing::{key_file, seal};
use crate::upkeep::program::Program;
use crate::upkeep::waiting::Waiting;

/// How long a program or an agent may take for one signature.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// Somebody who signs.
#[derive(Debug)]
pub enum Sealer {
    /// A key in a file, or in an agent.
    Key(Box<Signer>),
    /// A program.
    Program(Program),
}

/// A signature.
#[derive(Debug)]
pub struct Sealed {
    /// As it stands in a file.
    pub armored: String,
    /// The same, read.
    pub signature: Signature,
}

impl Sealer {
    /// Who `turnout.conf` says.
    ///
    /// # Errors
    /// The key cannot be read or used, or the agent is not there or does not hold it.
    pub fn open(by: &settings::Signer) -> Result<Self> {
        Ok(match by {
            settings::Signer::Key(file) => {
                let file = Path::new(file);
                let key = key_file::load(file, || bail!("nobody is there to be asked for it"));
                let key = key.with_context(|| format!("sign-key {}", file.display()))?;
                Self::Key(Box::new(Signer::file(key)?))
            }
            settings::Signer::Agent { socket, key } => {
                let agent = Agent::at(Path::new(socket), DEADLINE)?;
                Self::Key(Box::new(Signer::of_agent(agent, key.as_deref())?))
            }
            settings::Signer::Command(words) => Self::Program(Program::new(words, DEADLINE)),
        })
    }

    /// Signs `text`, the manifest of `entry`.
    ///
    /// # Errors
    /// The signer refuses, or signs something else than it was given.
    pub fn seal(&mut self, entry: &str, namespace: &str, text: &[u8]) -> Result<Sealed> {
        let _waiting = Waiting::begin(format!(
            "waiting for {} to sign {entry}, {} s at most",
            self.name(),
            DEADLINE.as_secs()
        ));
        match self {
            Self::Key(signer) => checked(seal::seal(signer, namespace, text)?, namespace, text),
            Self::Program(program) => {
                let answer = program.sign(entry, namespace, text)?;
                let name = program.name();
                let answer = String::from_utf8(answer)
                    .with_context(|| format!("{name} wrote something else than a signature"))?;
                checked(answer, namespace, text).with_context(|| name.to_owned())
            }
        }
    }

    /// The key that it signs with, where that is known without asking.
    ///
    /// # Errors
    /// No machine would take such a key.
    pub fn key(&self) -> Result<Option<PublicKey>> {
        match self {
            Self::Key(signer) => device_key(signer.public()).map(Some),
            Self::Program(_) => Ok(None),
        }
    }

    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Key(signer) => format!("the key {}", signer.fingerprint()),
            Self::Program(program) => program.name().to_owned(),
        }
    }
}

/// One signature, over exactly this text and for exactly this purpose.
fn checked(armored: String, namespace: &str, text: &[u8]) -> Result<Sealed> {
    let made = sshsig::parse(armored.as_bytes()).context("its signature cannot be read")?;
    let [signature] = made.as_slice() else {
        bail!("it made {} signatures, and one was asked for", made.len())
    };
    ensure!(
        signature.namespace == namespace,
        "its signature is for {}, and was asked for {namespace}",
        signature.namespace
    );
    ensure!(signature.verifies(text), "its signature does not verify");
    Ok(Sealed { signature: signature.clone(), armored })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_not_believed() {
        let program = |script: &str| {
            let words = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
            let mut sealer = Sealer::open(&settings::Signer::Command(words)).unwrap();
            format!("{:#}", sealer.seal("a", "turnout-boot", b"text").unwrap_err())
        };
        assert!(
            program("echo signed").starts_with("/bin/sh: its signature cannot be read: line 1")
        );
        assert!(program("printf '\\377'").starts_with("/bin/sh wrote something else"));
    }

    #[test]
    fn an_agent_that_is_not_there_is_named() {
        let by = settings::Signer::Agent { socket: "/nowhere/agent".to_owned(), key: None };
        let said = format!("{:#}", Sealer::open(&by).unwrap_err());
        assert!(said.starts_with("there is no ssh-agent at /nowhere/agent: start it"), "{said}");
    }
}
