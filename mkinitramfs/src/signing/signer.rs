//! Who signs: a private key in a file, or a key that an ssh-agent holds, on a
//! token perhaps.
//!
//! Both make the same SSH signature (OpenSSH's PROTOCOL.sshsig, sha512). A weak
//! key signs nothing here, as no device would take what it signed.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use ssh_key::{HashAlg, LineEnding, PrivateKey, PublicKey, SshSig};
use turnout::base::text::printable;
use turnout::trust::key;

use crate::signing::agent::{self, Agent};

/// A key that can sign.
#[derive(Debug)]
pub enum Signer {
    /// The private key itself.
    File(PrivateKey),
    /// A key in an agent.
    Agent(Agent, PublicKey),
}

impl Signer {
    /// A private key that was read from a file.
    ///
    /// # Errors
    /// The key is weak.
    pub fn file(key: PrivateKey) -> Result<Self> {
        refuse_weak(key.public_key())?;
        Ok(Self::File(key))
    }

    /// The key of the session's agent that `wanted` names: a fingerprint as
    /// `ssh-add -l` prints it, or the file of its public key. Without `wanted`
    /// the only one.
    ///
    /// # Errors
    /// There is no agent, it does not hold the key, or it holds several and
    /// none is named.
    pub fn agent(wanted: Option<&str>) -> Result<Self> {
        Self::of_agent(Agent::connect()?, wanted)
    }

    /// The same of an agent that is there.
    ///
    /// # Errors
    /// As [`Signer::agent`].
    pub fn of_agent(mut agent: Agent, wanted: Option<&str>) -> Result<Self> {
        let wanted = wanted.map(fingerprint).transpose()?;
        let key = choose(agent.keys()?, wanted.as_deref())?;
        refuse_weak(&key)?;
        Ok(Self::Agent(agent, key))
    }

    /// The public half, with its comment.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        match self {
            Self::File(key) => key.public_key(),
            Self::Agent(_, key) => key,
        }
    }

    /// `SHA256:...` as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        show(self.public())
    }

    /// Whether a person has to touch a token for every signature.
    #[must_use]
    pub fn is_token(&self) -> bool {
        self.public().key_data().is_sk_ed25519()
    }

    /// An armored signature over `message`, good in `namespace`.
    ///
    /// # Errors
    /// The agent refuses.
    pub fn sign(&mut self, namespace: &str, message: &[u8]) -> Result<String> {
        let signature = match self {
            Self::File(key) => key.sign(namespace, HashAlg::Sha512, message)?,
            Self::Agent(agent, key) => by_agent(agent, key, namespace, message)?,
        };
        Ok(signature.to_pem(LineEnding::LF)?)
    }
}

fn by_agent(agent: &mut Agent, key: &PublicKey, namespace: &str, message: &[u8]) -> Result<SshSig> {
    let data = SshSig::signed_data(namespace, HashAlg::Sha512, message)?;
    let signature = agent.sign(key.key_data(), &data);
    let signature = signature.with_context(|| format!("cannot sign with {}", describe(key)))?;
    Ok(SshSig::new(key.key_data().clone(), namespace, HashAlg::Sha512, signature)?)
}

/// The fingerprint of the key that `wanted` names.
fn fingerprint(wanted: &str) -> Result<String> {
    if wanted.starts_with("SHA256:") {
        return Ok(wanted.to_owned());
    }
    public_file(Path::new(wanted)).map(|key| show(&key))
}

/// Reads a public key file.
///
/// # Errors
/// It cannot be read, or holds no key that can sign what Turnout boots.
pub fn public_file(path: &Path) -> Result<PublicKey> {
    let name = path.display();
    let text = fs::read_to_string(path).with_context(|| {
        format!("cannot read {name}; name a key by SHA256:... or by its public key file")
    })?;
    let key = PublicKey::from_openssh(text.trim())
        .with_context(|| format!("{name} is not an OpenSSH public key file (KEY.pub)"))?;
    ensure!(
        agent::is_ours(key.key_data()),
        "{name} is a key of type {}; Turnout understands ssh-ed25519 and \
         sk-ssh-ed25519@openssh.com",
        key.algorithm()
    );
    Ok(key)
}

/// The one key that is wanted.
fn choose(keys: Vec<PublicKey>, wanted: Option<&str>) -> Result<PublicKey> {
    let list = keys.iter().map(|key| format!("\n  {}", describe(key))).collect::<String>();
    let mut found = keys.into_iter().filter(|key| wanted.is_none_or(|wanted| show(key) == wanted));
    match (found.next(), found.next(), wanted) {
        (Some(key), None, _) => Ok(key),
        (Some(_), Some(_), _) => {
            bail!("the ssh-agent holds several keys; choose one with --agent=SHA256:...{list}")
        }
        (None, _, Some(wanted)) if !list.is_empty() => bail!(
            "the ssh-agent does not hold the key {}; add it with: ssh-add KEY; it holds{list}",
            printable(wanted)
        ),
        (None, ..) => {
            bail!("the ssh-agent holds no Ed25519 key; add one with: ssh-add KEY")
        }
    }
}

/// Fingerprint, comment and type in words.
fn describe(key: &PublicKey) -> String {
    let kind = if key.key_data().is_sk_ed25519() { " (on a token)" } else { "" };
    format!("{} {}{kind}", show(key), printable(key.comment().as_str_lossy()))
}

fn show(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn refuse_weak(key: &PublicKey) -> Result<()> {
    match device_key(key)?.weakness() {
        Some(weakness) => bail!(
            "the key {} is weak: {weakness}; make another with turnout-sign keygen",
            describe(key)
        ),
        None => Ok(()),
    }
}

/// The key as the boot binary reads it.
///
/// # Errors
/// Not a key that the boot binary understands.
pub fn device_key(key: &PublicKey) -> Result<key::PublicKey> {
    Ok(key::PublicKey::from_blob(&key.to_bytes()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIClhfTVR2/pqqQmnaR2IwDFSl+JiHjupyLIpSzN7upBY one";
    const ZERO: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA zero";

    fn key(line: &str) -> PublicKey {
        PublicKey::from_openssh(line).unwrap()
    }

    fn reason(result: Result<PublicKey>) -> String {
        format!("{:#}", result.unwrap_err())
    }

    #[test]
    fn a_fingerprint_is_the_one_that_the_device_shows() {
        assert_eq!(show(&key(ONE)), device_key(&key(ONE)).unwrap().fingerprint().to_string());
    }

    #[test]
    fn the_only_key_is_taken_and_of_several_the_named_one() {
        assert_eq!(choose(vec![key(ONE)], None).unwrap(), key(ONE));
        let several = vec![key(ONE), key(ZERO)];
        assert_eq!(choose(several.clone(), Some(&show(&key(ZERO)))).unwrap(), key(ZERO));
        let said = reason(choose(several, None));
        assert!(said.contains("several keys; choose one with --agent=SHA256:"), "{said}");
        assert!(said.contains(" one\n") && said.contains(" zero"), "{said}");
    }

    #[test]
    fn an_agent_without_the_key_says_what_it_holds() {
        let said = reason(choose(vec![key(ONE)], Some("SHA256:x")));
        assert!(said.contains("does not hold the key SHA256:x") && said.contains("one"), "{said}");
        for wanted in [None, Some("SHA256:x")] {
            let said = reason(choose(Vec::new(), wanted));
            assert!(said.contains("no Ed25519 key; add one with: ssh-add KEY"), "{said}");
        }
    }

    #[test]
    fn a_weak_key_signs_nothing() {
        let said = refuse_weak(&key(ZERO)).unwrap_err().to_string();
        assert!(said.contains("is weak: all its bytes are zero"), "{said}");
        refuse_weak(&key(ONE)).unwrap();
    }
}
