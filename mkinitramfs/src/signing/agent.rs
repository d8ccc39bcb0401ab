//! Asks an ssh-agent which keys it holds, and to sign with one of them. The
//! private key never comes here: it may be on a token, or on another machine.
//!
//! What an agent answers is not believed: every answer is bounded, and whoever
//! gets a signature from here checks it. Specification: the SSH agent protocol,
//! draft-miller-ssh-agent, sections 3 and 5.

use std::env;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use ssh_key::encoding::{Decode as _, Encode as _};
use ssh_key::public::KeyData;
use ssh_key::{PublicKey, Signature};

/// Where the agent listens.
const SOCKET: &str = "SSH_AUTH_SOCK";
/// Longest message in bytes, as OpenSSH's agent has it.
const MAX_MESSAGE: usize = 256 * 1024;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// A connection to an agent.
#[derive(Debug)]
pub struct Agent<S = UnixStream>(S);

impl Agent {
    /// Connects to the agent of this session.
    ///
    /// # Errors
    /// There is none, or it does not answer.
    pub fn connect() -> Result<Self> {
        let path = env::var_os(SOCKET).filter(|path| !path.is_empty()).with_context(|| {
            format!(
                "{SOCKET} is not set, so there is no ssh-agent; start one with: eval \
                 \"$(ssh-agent)\", then: ssh-add KEY"
            )
        })?;
        let stream = UnixStream::connect(&path).with_context(|| {
            format!(
                "there is no ssh-agent at {}, where {SOCKET} points; start one with: eval \
                 \"$(ssh-agent)\"",
                path.display()
            )
        })?;
        Ok(Self(stream))
    }

    /// Connects to the agent that listens at `socket`, for a program that nobody watches:
    /// an answer that takes longer than `patience` is none.
    ///
    /// # Errors
    /// Nothing listens there.
    pub fn at(socket: &Path, patience: Duration) -> Result<Self> {
        let stream = UnixStream::connect(socket).with_context(|| {
            format!(
                "there is no ssh-agent at {}: start it, or correct sign-agent",
                socket.display()
            )
        })?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self(stream))
    }
}

impl<S: Read + Write> Agent<S> {
    /// The keys that the agent holds and that Turnout understands: Ed25519 keys,
    /// in software or on a token, with their comments.
    ///
    /// # Errors
    /// The agent does not answer as it should.
    pub fn keys(&mut self) -> Result<Vec<PublicKey>> {
        let answer = self.ask(&[REQUEST_IDENTITIES], IDENTITIES_ANSWER)?;
        let keys = identities(&answer).context("the ssh-agent's list of keys cannot be read")?;
        Ok(keys)
    }

    /// Has `data` signed with `key`.
    ///
    /// # Errors
    /// The agent refuses, or its answer is no signature.
    pub fn sign(&mut self, key: &KeyData, data: &[u8]) -> Result<Signature> {
        let mut request = vec![SIGN_REQUEST];
        key.encode_prefixed(&mut request)?;
        data.encode(&mut request)?;
        0_u32.encode(&mut request)?;
        let answer = self.ask(&request, SIGN_RESPONSE)?;
        signature(&answer).context("the ssh-agent's signature cannot be read")
    }

    /// Sends a message and gives what follows the type of the answer.
    fn ask(&mut self, request: &[u8], expected: u8) -> Result<Vec<u8>> {
        let mut message = Vec::new();
        request.encode(&mut message)?;
        self.0.write_all(&message).context("the ssh-agent does not listen")?;
        let answer = self.receive().context("the ssh-agent does not answer")?;
        match answer.split_first() {
            Some((kind, rest)) if *kind == expected => Ok(rest.to_vec()),
            Some((&FAILURE, _)) => bail!(
                "the ssh-agent refuses; it may be locked (ssh-add -X), the key may want to be \
                 confirmed, or its token may not be plugged in"
            ),
            Some((kind, _)) => bail!("the ssh-agent answers with a message of type {kind}"),
            None => bail!("the ssh-agent answers with an empty message"),
        }
    }

    fn receive(&mut self) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length))?;
        ensure!(length <= MAX_MESSAGE, "it announces {length} bytes, {MAX_MESSAGE} are allowed");
        let mut message = vec![0; length];
        self.0.read_exact(&mut message)?;
        Ok(message)
    }
}

/// Reads `uint32 count`, then `string key, string comment` as often. Keys of
/// other types, certificates among them, are passed over: an agent may hold
/// whatever its owner needs elsewhere.
fn identities(mut rest: &[u8]) -> Result<Vec<PublicKey>> {
    let count = u32::decode(&mut rest)?;
    let mut keys = Vec::new();
    for _ in 0..count {
        let blob = Vec::<u8>::decode(&mut rest)?;
        let comment = Vec::<u8>::decode(&mut rest)?;
        let Ok(mut key) = PublicKey::from_bytes(&blob) else { continue };
        if is_ours(key.key_data()) {
            key.set_comment(String::from_utf8_lossy(&comment).into_owned());
            keys.push(key);
        }
    }
    ensure!(rest.is_empty(), "{} bytes follow the last key", rest.len());
    Ok(keys)
}

/// Whether a key of this type can sign what Turnout boots.
#[must_use]
pub fn is_ours(key: &KeyData) -> bool {
    key.is_ed25519() || key.is_sk_ed25519()
}

/// Reads `string signature`.
fn signature(mut rest: &[u8]) -> Result<Signature> {
    let blob = Vec::<u8>::decode(&mut rest)?;
    ensure!(rest.is_empty(), "{} bytes follow the signature", rest.len());
    let mut blob = blob.as_slice();
    let signature = Signature::decode(&mut blob)?;
    ensure!(blob.is_empty(), "{} bytes follow inside the signature", blob.len());
    Ok(signature)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor};

    use ssh_key::Algorithm;

    use super::*;

    /// An agent whose answers are known, and what it was asked.
    struct Script {
        answers: Cursor<Vec<u8>>,
        asked: Vec<u8>,
    }

    impl Read for Script {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.answers.read(buffer)
        }
    }

    impl Write for Script {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.asked.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// An agent that answers with one message.
    fn agent(message: &[u8]) -> Agent<Script> {
        let mut bytes = Vec::new();
        message.encode(&mut bytes).unwrap();
        raw(bytes)
    }

    fn raw(answer: Vec<u8>) -> Agent<Script> {
        Agent(Script { answers: Cursor::new(answer), asked: Vec::new() })
    }

    fn string(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        bytes.encode(&mut out).unwrap();
        out
    }

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIClhfTVR2/pqqQmnaR2IwDFSl+JiHjupyLIpSzN7upBY";

    fn key() -> PublicKey {
        PublicKey::from_openssh(KEY).unwrap()
    }

    fn reason<T>(result: Result<T>) -> String {
        match result {
            Ok(_) => panic!("this must fail"),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn keys_are_listed_with_comments_and_others_are_passed_over() {
        let unknown = string(b"ssh-unknown");
        let list = [
            vec![IDENTITIES_ANSWER, 0, 0, 0, 2],
            string(&unknown),
            string(b"old"),
            string(&key().to_bytes().unwrap()),
            string(b"mine"),
        ];
        let mut agent = agent(&list.concat());
        let keys = agent.keys().unwrap();
        assert_eq!(agent.0.asked, [0, 0, 0, 1, REQUEST_IDENTITIES]);
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].key_data(), key().key_data());
        assert_eq!(keys[0].comment().as_str_lossy(), "mine");
    }

    #[test]
    fn a_sign_request_is_the_drafts_and_the_signature_comes_back() {
        let blob = [string(b"ssh-ed25519"), string(&[7; 64])].concat();
        let mut agent = agent(&[vec![SIGN_RESPONSE], string(&blob)].concat());
        let signature = agent.sign(key().key_data(), b"data").unwrap();
        assert_eq!(
            (signature.algorithm(), signature.as_bytes()),
            (Algorithm::Ed25519, &[7; 64][..])
        );
        let request = [
            vec![SIGN_REQUEST],
            string(&key().to_bytes().unwrap()),
            string(b"data"),
            vec![0, 0, 0, 0],
        ];
        assert_eq!(agent.0.asked, string(&request.concat()));
    }

    #[test]
    fn a_token_s_signature_keeps_flags_and_counter() {
        let kind = string(b"sk-ssh-ed25519@openssh.com");
        let blob = [kind, string(&[7; 64]), vec![1, 0, 0, 0, 9]].concat();
        let mut agent = agent(&[vec![SIGN_RESPONSE], string(&blob)].concat());
        let signature = agent.sign(key().key_data(), b"data").unwrap();
        assert_eq!(signature.as_bytes()[64..], [1, 0, 0, 0, 9]);
    }

    #[test]
    fn an_agent_that_refuses_or_answers_nonsense_is_told() {
        let sign = |message: &[u8]| reason(agent(message).sign(key().key_data(), b"x"));
        assert!(sign(&[FAILURE]).contains("the ssh-agent refuses; it may be locked"));
        assert!(sign(&[99]).contains("message of type 99"));
        assert!(sign(&[]).contains("empty message"));
        assert!(sign(&[SIGN_RESPONSE, 0]).contains("signature cannot be read"));
        let long = [vec![SIGN_RESPONSE], string(&[]), vec![1]].concat();
        assert!(sign(&long).contains("1 bytes follow the signature"), "{}", sign(&long));
        assert!(reason(agent(&[IDENTITIES_ANSWER, 0, 0, 0, 1]).keys()).contains("list of keys"));
        assert!(reason(agent(&[IDENTITIES_ANSWER, 0, 0, 0, 0, 1]).keys()).contains("1 bytes"));
    }

    #[test]
    fn a_message_is_never_longer_than_allowed_nor_cut_short() {
        let huge = reason(raw(vec![0xff; 4]).keys());
        assert!(huge.contains("announces 4294967295 bytes"), "{huge}");
        assert!(reason(raw(vec![0, 0, 0, 9, 12]).keys()).contains("does not answer"));
        assert!(reason(raw(Vec::new()).keys()).contains("does not answer"));
    }
}
