//! Armored SSH signatures, as `ssh-keygen -Y sign` and `turnout-sign` write.
//!
//! Reads the envelope only; whether a signature is good, and by whom, is
//! [`super::verify`]'s business. Specification: OpenSSH's PROTOCOL.sshsig.

use core::fmt;

use base64ct::{Base64, Encoding as _};
use sha2::{Digest as _, Sha256, Sha512};

use super::key::{self, Holder, PublicKey};
use super::wire::{Wire, put_string};
use super::{AtLine, MAX_SIGNATURES, Shown, line_of};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
/// Longest signature file, in bytes.
pub const MAX_FILE: usize = 16 * 1024;

/// The hash that is applied to the message before Ed25519 signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashAlgorithm {
    /// `sha256`
    Sha256,
    /// `sha512`, what ssh-keygen uses by default.
    Sha512,
}

/// One signature, well-formed but not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The key that it claims to be made with.
    pub key: PublicKey,
    /// What it is for; never empty.
    pub namespace: String,
    /// How the message is hashed.
    pub hash: HashAlgorithm,
    /// R and S.
    pub signature: [u8; 64],
    /// What a token added; signed too. Zero for a key in a file.
    pub token: Token,
}

/// What a FIDO token says in a signature (PROTOCOL.u2f, SSH U2F signatures).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Token {
    /// The authenticator's flags; [`Token::USER_PRESENT`] is one.
    pub flags: u8,
    /// How many signatures it has made; recorded, not compared with anything.
    pub counter: u32,
}

/// Why a file is not a list of signatures. What is wrong inside the base64 is
/// said of the first line of that signature.
pub type Error = AtLine<Problem>;

/// What is wrong in a signature file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Longer than 16 KiB; the length in bytes.
    TooLong(usize),
    /// Not UTF-8.
    NotUtf8,
    /// No signature at all.
    Empty,
    /// More signatures than may be tried.
    TooMany {
        /// How many may be.
        most: usize,
    },
    /// A line outside a signature.
    Outside(Shown),
    /// The file ends inside a signature.
    Unterminated,
    /// Not base64 with padding, without blanks.
    Base64,
    /// Does not start with `SSHSIG`.
    Magic,
    /// A version other than 1.
    Version(u32),
    /// Ends inside this field.
    Truncated(&'static str),
    /// The public key.
    Key(key::Error),
    /// Empty, or not printable ASCII.
    Namespace(Shown),
    /// The reserved field is not empty.
    Reserved,
    /// Neither sha256 nor sha512.
    Hash(Shown),
    /// The signature is of another type than the key.
    SignatureType(Shown),
    /// Ed25519 signatures have 64 bytes; this one's length.
    SignatureLength(usize),
    /// Bytes after the last field; how many.
    Trailing(usize),
}

/// Reads one or more armored signatures, with nothing around or between them.
///
/// # Errors
/// The first thing that is wrong; there are no partial results.
pub fn parse(armored: &[u8]) -> Result<Vec<Signature>, Error> {
    parse_at_most(armored, MAX_SIGNATURES)
}

/// The same where fewer signatures are allowed.
///
/// # Errors
/// Like [`parse`].
pub fn parse_at_most(armored: &[u8], most: usize) -> Result<Vec<Signature>, Error> {
    let most = most.min(MAX_SIGNATURES);
    if armored.len() > MAX_FILE {
        return Err(Error { line: 1, problem: Problem::TooLong(armored.len()) });
    }
    let text = match core::str::from_utf8(armored) {
        Ok(text) => text,
        Err(error) => {
            let line = line_of(armored, error.valid_up_to());
            return Err(Error { line, problem: Problem::NotUtf8 });
        }
    };
    let mut lines = (1..).zip(text.split_inclusive('\n'));
    let mut signatures = Vec::new();
    while let Some((line, first)) = lines.next() {
        if signatures.len() == most {
            return Err(Error { line, problem: Problem::TooMany { most } });
        }
        let signature = block(first, &mut lines);
        signatures.push(signature.map_err(|problem| Error { line, problem })?);
    }
    if signatures.is_empty() {
        return Err(Error { line: 1, problem: Problem::Empty });
    }
    Ok(signatures)
}

/// Reads one armored signature whose first line is `first`.
fn block<'a>(
    first: &str,
    lines: &mut impl Iterator<Item = (u32, &'a str)>,
) -> Result<Signature, Problem> {
    if first.strip_suffix('\n') != Some(BEGIN) {
        return Err(Problem::Outside(Shown::text(first)));
    }
    let mut base64 = String::new();
    for (_, line) in lines {
        let line = line.strip_suffix('\n').ok_or(Problem::Unterminated)?;
        if line == END {
            let blob = Base64::decode_vec(&base64).ok().ok_or(Problem::Base64)?;
            return envelope(&blob);
        }
        base64.push_str(line);
    }
    Err(Problem::Unterminated)
}

/// Reads the binary form.
fn envelope(blob: &[u8]) -> Result<Signature, Problem> {
    let mut wire = Wire(blob);
    if wire.bytes(MAGIC.len()) != Some(MAGIC) {
        return Err(Problem::Magic);
    }
    match wire.u32().ok_or(Problem::Truncated("version"))? {
        VERSION => {}
        other => return Err(Problem::Version(other)),
    }
    let key = field(&mut wire, "public key")?;
    let key = PublicKey::from_blob(key).map_err(Problem::Key)?;
    let namespace = namespace(field(&mut wire, "namespace")?)?;
    if !field(&mut wire, "reserved field")?.is_empty() {
        return Err(Problem::Reserved);
    }
    let hash = hash_algorithm(field(&mut wire, "hash algorithm")?)?;
    let (signature, token) = signature(&key, field(&mut wire, "signature")?)?;
    no_more(&wire)?;
    Ok(Signature { key, namespace, hash, signature, token })
}

fn field<'a>(wire: &mut Wire<'a>, name: &'static str) -> Result<&'a [u8], Problem> {
    wire.string().ok_or(Problem::Truncated(name))
}

fn no_more(wire: &Wire<'_>) -> Result<(), Problem> {
    if wire.0.is_empty() { Ok(()) } else { Err(Problem::Trailing(wire.0.len())) }
}

fn namespace(bytes: &[u8]) -> Result<String, Problem> {
    let text = core::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()));
    text.map(str::to_owned).ok_or_else(|| Problem::Namespace(Shown::bytes(bytes)))
}

fn hash_algorithm(name: &[u8]) -> Result<HashAlgorithm, Problem> {
    [HashAlgorithm::Sha256, HashAlgorithm::Sha512]
        .into_iter()
        .find(|hash| hash.name().as_bytes() == name)
        .ok_or_else(|| Problem::Hash(Shown::bytes(name)))
}

fn signature(key: &PublicKey, blob: &[u8]) -> Result<([u8; 64], Token), Problem> {
    let mut wire = Wire(blob);
    let kind = field(&mut wire, "signature type")?;
    if kind != key.kind().as_bytes() {
        return Err(Problem::SignatureType(Shown::bytes(kind)));
    }
    let bytes = field(&mut wire, "signature bytes")?;
    let token = match key.holder {
        Holder::File => Token::default(),
        Holder::Token(_) => token(&mut wire).ok_or(Problem::Truncated("flags and counter"))?,
    };
    no_more(&wire)?;
    let bytes = bytes.try_into().ok().ok_or(Problem::SignatureLength(bytes.len()))?;
    Ok((bytes, token))
}

fn token(wire: &mut Wire<'_>) -> Option<Token> {
    let [flags] = wire.bytes(1)?.try_into().ok()?;
    Some(Token { flags, counter: wire.u32()? })
}

/// What is signed for `message`: by a key in a file, these very bytes; by a token,
/// what [`token_data`] makes of them.
#[must_use]
pub fn signed_data(namespace: &str, hash: HashAlgorithm, message: &[u8]) -> Vec<u8> {
    let mut data = MAGIC.to_vec();
    put_string(&mut data, namespace.as_bytes());
    put_string(&mut data, b"");
    put_string(&mut data, hash.name().as_bytes());
    match hash {
        HashAlgorithm::Sha256 => put_string(&mut data, &Sha256::digest(message)),
        HashAlgorithm::Sha512 => put_string(&mut data, &Sha512::digest(message)),
    }
    data
}

/// The bytes that a token signs for `data` (PROTOCOL.u2f, SSH U2F signatures):
/// SHA-256 of the application, flags, counter, SHA-256 of the data.
#[must_use]
pub fn token_data(application: &str, token: Token, data: &[u8]) -> Vec<u8> {
    let mut signed = Sha256::digest(application).to_vec();
    signed.push(token.flags);
    signed.extend_from_slice(&token.counter.to_be_bytes());
    signed.extend_from_slice(&Sha256::digest(data));
    signed
}

impl Token {
    /// The flag that somebody touched the token.
    pub const USER_PRESENT: u8 = 1;
}

impl HashAlgorithm {
    /// The name in the envelope.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

impl Signature {
    /// Whether [`Signature::key`] made this over `message`, in the namespace
    /// that the signature itself names.
    #[must_use]
    pub fn verifies(&self, message: &[u8]) -> bool {
        let data = signed_data(&self.namespace, self.hash, message);
        let data = match &self.key.holder {
            Holder::File => data,
            Holder::Token(application) => token_data(application, self.token, &data),
        };
        self.key.verify(&data, &self.signature)
    }

    /// Whether somebody was there when it was made, as far as it can be known:
    /// a key in a file cannot tell.
    #[must_use]
    pub const fn is_by_somebody_present(&self) -> bool {
        match self.key.holder {
            Holder::File => true,
            Holder::Token(_) => self.token.flags & Token::USER_PRESENT != 0,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(len) => {
                write!(f, "the signatures are {len} bytes long, {MAX_FILE} are allowed")
            }
            Self::NotUtf8 => f.write_str("this is not text"),
            Self::Empty => f.write_str("there is no signature"),
            Self::TooMany { most } => write!(f, "there are more than {most} signatures"),
            Self::Outside(line) => write!(f, "{line} stands where \"{BEGIN}\" should"),
            Self::Unterminated => write!(f, "the signature ends without \"{END}\""),
            Self::Base64 => f.write_str("the signature is not base64"),
            Self::Magic => f.write_str("the signature does not start with SSHSIG"),
            Self::Version(version) => {
                write!(f, "signature version {version} is not understood, only 1 is")
            }
            Self::Truncated(field) => write!(f, "the signature ends inside its {field}"),
            Self::Key(error) => fmt::Display::fmt(error, f),
            Self::Namespace(value) => {
                write!(f, "the namespace {value} is not a word of printable ASCII")
            }
            Self::Reserved => f.write_str("the reserved field is not empty"),
            Self::Hash(name) => write!(f, "the hash {name} is neither sha256 nor sha512"),
            Self::SignatureType(kind) => {
                write!(f, "the signature is of type {kind}, and its key is of another")
            }
            Self::SignatureLength(len) => {
                write!(f, "the signature has {len} bytes, Ed25519 signatures have 64")
            }
            Self::Trailing(len) => write!(f, "{len} bytes follow the signature's last field"),
        }
    }
}

/// Makes signatures for the tests of this module and of [`super::verify`].
#[cfg(test)]
pub(crate) mod make {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;

    /// A key that every run of the tests has.
    pub(crate) fn secret(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    pub(crate) fn public(seed: u8) -> PublicKey {
        PublicKey::in_file(secret(seed).verifying_key().to_bytes())
    }

    fn typed(bytes: &[u8]) -> Vec<u8> {
        let mut blob = Vec::new();
        put_string(&mut blob, b"ssh-ed25519");
        put_string(&mut blob, bytes);
        blob
    }

    /// The base64 word of a public key line.
    pub(crate) fn public_base64(key: &PublicKey) -> String {
        Base64::encode_string(&key.to_blob())
    }

    /// The binary form of a signature.
    pub(crate) fn blob(seed: u8, namespace: &str, hash: HashAlgorithm, message: &[u8]) -> Vec<u8> {
        let signature = secret(seed).sign(&signed_data(namespace, hash, message));
        envelope(&public(seed), namespace, hash, &typed(&signature.to_bytes()))
    }

    fn envelope(
        key: &PublicKey,
        namespace: &str,
        hash: HashAlgorithm,
        signature: &[u8],
    ) -> Vec<u8> {
        let mut blob = MAGIC.to_vec();
        blob.extend_from_slice(&VERSION.to_be_bytes());
        put_string(&mut blob, &key.to_blob());
        put_string(&mut blob, namespace.as_bytes());
        put_string(&mut blob, b"");
        put_string(&mut blob, hash.name().as_bytes());
        put_string(&mut blob, signature);
        blob
    }

    /// The key of a token that a file stands for.
    pub(crate) fn on_token(seed: u8) -> PublicKey {
        PublicKey { holder: Holder::Token("ssh:".to_owned()), ..public(seed) }
    }

    /// What such a token signs with these flags.
    pub(crate) fn by_token(seed: u8, namespace: &str, flags: u8, message: &[u8]) -> String {
        let token = Token { flags, counter: 7 };
        let hash = HashAlgorithm::Sha512;
        let data = token_data("ssh:", token, &signed_data(namespace, hash, message));
        let mut signature = Vec::new();
        put_string(&mut signature, key::SK_KEY_TYPE.as_bytes());
        put_string(&mut signature, &secret(seed).sign(&data).to_bytes());
        signature.push(flags);
        signature.extend_from_slice(&token.counter.to_be_bytes());
        armor(&envelope(&on_token(seed), namespace, hash, &signature))
    }

    pub(crate) fn armor(blob: &[u8]) -> String {
        let base64 = Base64::encode_string(blob);
        let lines: Vec<_> = base64.as_bytes().chunks(70).map(String::from_utf8_lossy).collect();
        format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
    }

    pub(crate) fn armored(seed: u8, namespace: &str, message: &[u8]) -> String {
        armor(&blob(seed, namespace, HashAlgorithm::Sha512, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = include_bytes!("../../tests/data/trust/message");
    const SHA512: &[u8] = include_bytes!("../../tests/data/trust/message.sha512.sig");
    const SHA256: &[u8] = include_bytes!("../../tests/data/trust/message.sha256.sig");
    const SK: &[u8] = include_bytes!("../../tests/data/trust/sk-key.sig");
    const ECDSA: &[u8] = include_bytes!("../../tests/data/trust/message.ecdsa.sig");

    fn problem(armored: impl AsRef<[u8]>) -> (u32, Problem) {
        let error = parse(armored.as_ref()).unwrap_err();
        (error.line, error.problem)
    }

    /// The problem of a good signature whose bytes were changed.
    fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Problem {
        let mut blob = make::blob(1, "turnout-boot", HashAlgorithm::Sha512, b"x");
        change(&mut blob);
        let (line, problem) = problem(make::armor(&blob));
        assert_eq!(line, 1);
        problem
    }

    #[test]
    fn signatures_by_ssh_keygen_verify_with_either_hash() {
        for (armored, hash) in [(SHA512, HashAlgorithm::Sha512), (SHA256, HashAlgorithm::Sha256)] {
            let signatures = parse(armored).unwrap();
            assert_eq!(signatures.len(), 1);
            assert_eq!(signatures[0].hash, hash);
            assert_eq!(signatures[0].namespace, "turnout-boot");
            assert!(signatures[0].verifies(MESSAGE));
            assert!(!signatures[0].verifies(b"another message"));
        }
    }

    #[test]
    fn another_namespace_or_hash_makes_the_signature_invalid() {
        let signature = parse(SHA512).unwrap().remove(0);
        let renamed = Signature { namespace: "file".to_owned(), ..signature.clone() };
        assert!(!renamed.verifies(MESSAGE));
        assert!(!Signature { hash: HashAlgorithm::Sha256, ..signature }.verifies(MESSAGE));
    }

    #[test]
    fn several_signatures_are_read_in_file_order_up_to_eight() {
        let one = String::from_utf8(SHA512.to_vec()).unwrap();
        let two = [SHA512, SHA256].concat();
        let hashes: Vec<_> = parse(&two).unwrap().iter().map(|found| found.hash).collect();
        assert_eq!(hashes, [HashAlgorithm::Sha512, HashAlgorithm::Sha256]);
        assert_eq!(parse(one.repeat(8).as_bytes()).unwrap().len(), 8);
        let lines = u32::try_from(one.lines().count() * 8 + 1).unwrap();
        assert_eq!(problem(one.repeat(9)), (lines, Problem::TooMany { most: MAX_SIGNATURES }));
    }

    fn outside(text: &str) -> Problem {
        Problem::Outside(Shown::text(text))
    }

    #[test]
    fn nothing_may_stand_around_a_signature() {
        let good = String::from_utf8(SHA512.to_vec()).unwrap();
        let lines = u32::try_from(good.lines().count()).unwrap();
        assert_eq!(problem(""), (1, Problem::Empty));
        assert_eq!(problem(format!("\n{good}")), (1, outside("\n")));
        assert_eq!(problem(format!("{good}\n")), (lines + 1, outside("\n")));
        assert_eq!(problem(format!("{good}x")), (lines + 1, outside("x")));
        assert_eq!(problem(good.trim_end()), (1, Problem::Unterminated));
        assert_eq!(problem(format!("{BEGIN}\n")), (1, Problem::Unterminated));
        assert_eq!(problem(good.replace('\n', "\r\n")), (1, outside(&format!("{BEGIN}\r\n"))));
        assert_eq!(problem([SHA512, b"\xff"].concat()), (lines + 1, Problem::NotUtf8));
        let long = "x".repeat(MAX_FILE + 1);
        assert_eq!(problem(long), (1, Problem::TooLong(MAX_FILE + 1)));
    }

    #[test]
    fn base64_has_one_spelling() {
        let good = String::from_utf8(SHA512.to_vec()).unwrap();
        assert!(good.contains("==\n") || good.contains("=\n"), "the fixture has padding");
        for bad in [good.replace('=', ""), good.replace("U1", "U 1"), good.replace("U1", "U1=")] {
            assert_eq!(problem(bad), (1, Problem::Base64));
        }
        // "QQ==" and "QR==" would both be "A" to a decoder that ignores spare bits.
        assert_eq!(problem(format!("{BEGIN}\nQR==\n{END}\n")), (1, Problem::Base64));
        assert_eq!(problem(format!("{BEGIN}\nQQ==\n{END}\n")), (1, Problem::Magic));
    }

    #[test]
    fn every_field_has_one_value_that_is_understood() {
        let namespace = 6 + 4 + 4 + 51;
        assert_eq!(changed(|blob| blob[0] = b'T'), Problem::Magic);
        assert_eq!(changed(|blob| blob[9] = 2), Problem::Version(2));
        assert_eq!(changed(|blob| blob[namespace + 4] = b' '), {
            Problem::Namespace(Shown::text(" urnout-boot"))
        });
        assert_eq!(changed(|blob| blob.push(0)), Problem::Trailing(1));
        assert_eq!(changed(|blob| blob.truncate(8)), Problem::Truncated("version"));
        assert_eq!(changed(|blob| blob.truncate(namespace)), Problem::Truncated("namespace"));
        let reserved = namespace + 4 + "turnout-boot".len();
        assert_eq!(changed(|blob| drop(blob.splice(reserved + 3..=reserved + 3, [1, 7]))), {
            Problem::Reserved
        });
        assert_eq!(changed(|blob| blob[reserved + 8] = b'S'), Problem::Hash(Shown::text("Sha512")));
        let signature = reserved + 4 + 4 + "sha512".len();
        assert_eq!(changed(|blob| blob[signature + 18] = b'8'), {
            Problem::SignatureType(Shown::text("ssh-ed25518"))
        });
        assert_eq!(changed(|blob| shorten_signature(blob, signature)), {
            Problem::SignatureLength(63)
        });
    }

    /// Takes one byte off the signature and corrects both lengths.
    fn shorten_signature(blob: &mut Vec<u8>, signature: usize) {
        blob.pop();
        blob[signature + 3] -= 1;
        blob[signature + 4 + 15 + 3] -= 1;
    }

    #[test]
    fn other_key_types_are_refused_by_name() {
        let kind = key::Error::Type(Shown::text("ecdsa-sha2-nistp256"));
        assert_eq!(problem(ECDSA), (1, Problem::Key(kind)));
    }

    #[test]
    fn a_token_signs_its_application_its_flags_and_its_counter_too() {
        let armored = make::by_token(1, "turnout-boot", Token::USER_PRESENT, b"x");
        let good = parse(armored.as_bytes()).unwrap().remove(0);
        assert_eq!(good.key, make::on_token(1));
        assert_eq!(good.token, Token { flags: Token::USER_PRESENT, counter: 7 });
        assert!(good.verifies(b"x") && good.is_by_somebody_present());
        assert!(!good.verifies(b"y"));
        let holder = Holder::Token("ssh:other".to_owned());
        let changed = [
            Signature { key: PublicKey { holder, ..good.key.clone() }, ..good.clone() },
            Signature { key: make::public(1), ..good.clone() },
            Signature { token: Token { flags: 5, ..good.token }, ..good.clone() },
            Signature { token: Token { counter: 8, ..good.token }, ..good.clone() },
        ];
        assert!(changed.iter().all(|signature| !signature.verifies(b"x")));
        let absent = parse(make::by_token(1, "turnout-boot", 4, b"x").as_bytes()).unwrap();
        assert!(absent[0].verifies(b"x") && !absent[0].is_by_somebody_present());
    }

    #[test]
    fn a_token_s_signature_that_is_only_right_in_form_is_read_and_does_not_verify() {
        let signature = parse(SK).unwrap().remove(0);
        assert_eq!(signature.token, Token { flags: 1, counter: 5 });
        assert!(!signature.verifies(MESSAGE));
    }

    #[test]
    fn the_empty_namespace_is_refused() {
        let armored = make::armored(1, "", b"x");
        assert_eq!(problem(armored), (1, Problem::Namespace(Shown::text(""))));
    }
}
