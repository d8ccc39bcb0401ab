//! The key ring: OpenSSH's `allowed_signers` file, read strictly.
//!
//! A ring is good or it is no ring: one weak key, unknown option or broken line
//! refuses all of it, so that a mistake shows when the image is built and never
//! as a key that silently counts for less or more than its owner meant. There
//! is no empty ring. Specification: ssh-keygen(1), ALLOWED SIGNERS; where this
//! is narrower, `docs/manifest.md` says so.

use core::fmt;

use super::key::{self, KEY_TYPE, PublicKey, SK_KEY_TYPE, Weakness};
use super::{AtLine, MAX_FILE, Shown, line_of, lines};
use crate::base::digest::Digest;

/// Most keys in a ring.
pub const MAX_KEYS: usize = 64;
/// How the first line of a ring starts that has a version.
const VERSION: &str = "# turnout-ring";

/// Keys that may sign; at least one, all different, none weak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRing {
    version: u32,
    digest: Digest,
    keys: Vec<Key>,
}

/// One line of the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Line, from 1.
    pub line: u32,
    /// The principals, as they are written; for messages only.
    pub signer: String,
    /// What the key may sign; never empty.
    pub namespaces: Vec<String>,
    /// `valid-after`, for display: the device has no clock that it can trust.
    pub valid_after: Option<String>,
    /// `valid-before`, likewise not enforced.
    pub valid_before: Option<String>,
    /// The key.
    pub public: PublicKey,
}

/// Why a file is not a key ring.
pub type Error = AtLine<Problem>;

/// What is wrong in a line of a key ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Longer than 64 KiB; the length in bytes.
    TooLong(usize),
    /// Not UTF-8.
    NotUtf8,
    /// No key in the whole file.
    NoKey,
    /// More than 64 keys.
    TooManyKeys,
    /// A control character, carriage return included.
    Control(char),
    /// A quotation mark in the principals, or one that is not closed.
    Quote(Shown),
    /// The line ends before this.
    Missing(&'static str),
    /// `cert-authority`.
    CertAuthority,
    /// An option that is not understood.
    Option(Shown),
    /// An option's value is not a word in quotation marks, or not one that the
    /// option can have.
    Value {
        /// Name of the option.
        option: &'static str,
        /// The option as it stands in the file.
        found: Shown,
    },
    /// An option stands twice.
    Twice(&'static str),
    /// A pattern where a namespace must be named.
    Pattern(Shown),
    /// No `namespaces` option.
    NoNamespaces,
    /// A first line that starts like a version and is none.
    Version(Shown),
    /// A key type other than ssh-ed25519 and sk-ssh-ed25519@openssh.com.
    KeyType(Shown),
    /// The key inside is of another type than the word before it.
    KeyTypeInside(&'static str),
    /// The key itself.
    Key(key::Error),
    /// A key that must not be trusted.
    Weak(Weakness),
    /// The key stands already in this line.
    Duplicate(u32),
}

impl KeyRing {
    /// Reads a ring.
    ///
    /// # Errors
    /// The first line that is not understood; a ring without a key.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let mut keys: Vec<Key> = Vec::new();
        let mut last = 1;
        let text = text(bytes)?;
        let version = version(text).map_err(|problem| Error { line: 1, problem })?;
        for (number, line) in (1..).zip(text.split('\n')) {
            last = number;
            let key = key_line(number, line).map_err(|problem| Error { line: number, problem })?;
            let Some(key) = key else { continue };
            admit(&keys, &key).map_err(|problem| Error { line: number, problem })?;
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(Error { line: last, problem: Problem::NoKey });
        }
        Ok(Self { version, digest: Digest::of(bytes), keys })
    }

    /// The number in the ring's first line, `# turnout-ring N`; 0 without it.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// SHA-256 of the file.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The keys, in file order.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The ring's line for `public`.
    #[must_use]
    pub fn find(&self, public: &PublicKey) -> Option<&Key> {
        self.keys.iter().find(|key| key.public == *public)
    }
}

impl Key {
    /// Whether the key may sign in `namespace`.
    #[must_use]
    pub fn allows(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|allowed| allowed == namespace)
    }
}

fn text(bytes: &[u8]) -> Result<&str, Error> {
    if bytes.len() > MAX_FILE {
        return Err(Error { line: 1, problem: Problem::TooLong(bytes.len()) });
    }
    core::str::from_utf8(bytes).map_err(|error| {
        let line = line_of(bytes, error.valid_up_to());
        Error { line, problem: Problem::NotUtf8 }
    })
}

/// The version, if the first line is about one.
fn version(text: &str) -> Result<u32, Problem> {
    let first = text.split('\n').next().unwrap_or_default();
    let Some(rest) = first.strip_prefix(VERSION) else { return Ok(0) };
    let number = rest.strip_prefix(' ').and_then(|number| lines::number("", number).ok());
    number.ok_or_else(|| Problem::Version(Shown::text(first)))
}

/// Whether `key` may join `keys`. One point is one key, on a token or not.
fn admit(keys: &[Key], key: &Key) -> Result<(), Problem> {
    if keys.len() == MAX_KEYS {
        return Err(Problem::TooManyKeys);
    }
    match keys.iter().find(|earlier| earlier.public.point == key.public.point) {
        Some(earlier) => Err(Problem::Duplicate(earlier.line)),
        None => Ok(()),
    }
}

/// Reads `principals options keytype base64 [comment]`; nothing for a blank
/// line or a comment.
fn key_line(number: u32, line: &str) -> Result<Option<Key>, Problem> {
    if let Some(control) = line.chars().find(|c| c.is_control() && *c != '\t') {
        return Err(Problem::Control(control));
    }
    let line = line.trim_start_matches(BLANKS);
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (signer, rest) = word(line)?;
    if signer.contains('"') {
        return Err(Problem::Quote(Shown::text(signer)));
    }
    let (options, rest) = options(rest)?;
    let public = public_key(rest)?;
    Ok(Some(Key {
        line: number,
        signer: signer.to_owned(),
        namespaces: options.namespaces.ok_or(Problem::NoNamespaces)?,
        valid_after: options.valid_after,
        valid_before: options.valid_before,
        public,
    }))
}

const BLANKS: [char; 2] = [' ', '\t'];

/// The first word, in which quotation marks protect blanks, and what follows.
fn word(text: &str) -> Result<(&str, &str), Problem> {
    let mut quoted = false;
    let end = text.find(|c| {
        quoted ^= c == '"';
        !quoted && BLANKS.contains(&c)
    });
    if quoted {
        return Err(Problem::Quote(Shown::text(text)));
    }
    let (word, rest) = text.split_at_checked(end.unwrap_or(text.len())).unwrap_or((text, ""));
    Ok((word, rest.trim_start_matches(BLANKS)))
}

#[derive(Default)]
struct Options {
    namespaces: Option<Vec<String>>,
    valid_after: Option<String>,
    valid_before: Option<String>,
}

/// Reads the options, and gives the key type and what follows it back.
fn options(text: &str) -> Result<(Options, &str), Problem> {
    let mut options = Options::default();
    let (first, rest) = word(text)?;
    if first.is_empty() {
        return Err(Problem::Missing("a key"));
    }
    if is_key_type(first) {
        return Ok((options, text));
    }
    let mut quoted = false;
    let items = first.split(|c| {
        quoted ^= c == '"';
        !quoted && c == ','
    });
    for item in items {
        options.add(item)?;
    }
    Ok((options, rest))
}

/// Whether this word is a key type; no option starts like one.
fn is_key_type(word: &str) -> bool {
    let prefixes = ["ssh-", "sk-", "ecdsa-", "rsa-"];
    prefixes.iter().any(|prefix| word.starts_with(prefix))
}

impl Options {
    /// Option names are compared without regard to case, as OpenSSH does.
    fn add(&mut self, item: &str) -> Result<(), Problem> {
        let (name, _) = item.split_once('=').unwrap_or((item, ""));
        match name.to_ascii_lowercase().as_str() {
            "namespaces" => set(&mut self.namespaces, "namespaces", namespaces(item)?),
            "valid-after" => set(&mut self.valid_after, "valid-after", time("valid-after", item)?),
            "valid-before" => {
                set(&mut self.valid_before, "valid-before", time("valid-before", item)?)
            }
            "cert-authority" => Err(Problem::CertAuthority),
            _ => Err(Problem::Option(Shown::text(item))),
        }
    }
}

fn set<T>(slot: &mut Option<T>, option: &'static str, value: T) -> Result<(), Problem> {
    match slot.replace(value) {
        Some(_) => Err(Problem::Twice(option)),
        None => Ok(()),
    }
}

/// The value of `NAME="VALUE"`, without escapes.
fn value<'a>(option: &'static str, item: &'a str) -> Result<&'a str, Problem> {
    let quoted = item.split_once('=').map_or("", |(_, quoted)| quoted);
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inner
        .filter(|inner| !inner.is_empty() && !inner.contains(['"', '\\']))
        .ok_or_else(|| Problem::Value { option, found: Shown::text(item) })
}

fn namespaces(item: &str) -> Result<Vec<String>, Problem> {
    let value = value("namespaces", item)?;
    if !value.split(',').all(is_word) {
        return Err(Problem::Value { option: "namespaces", found: Shown::text(item) });
    }
    match value.split(',').find(|name| name.contains(['*', '?', '!'])) {
        Some(pattern) => Err(Problem::Pattern(Shown::text(pattern))),
        None => Ok(value.split(',').map(str::to_owned).collect()),
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A time as OpenSSH writes it: YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, and
/// Z for UTC.
fn time(option: &'static str, item: &str) -> Result<String, Problem> {
    let value = value(option, item)?;
    let digits = value.strip_suffix('Z').unwrap_or(value);
    if matches!(digits.len(), 8 | 12 | 14) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(value.to_owned());
    }
    Err(Problem::Value { option, found: Shown::text(item) })
}

/// Reads `keytype base64 [comment]`.
fn public_key(text: &str) -> Result<PublicKey, Problem> {
    let (kind, rest) = word(text)?;
    match kind {
        "" => return Err(Problem::Missing("a key type")),
        KEY_TYPE | SK_KEY_TYPE => {}
        other => return Err(Problem::KeyType(Shown::text(other))),
    }
    // The comment may hold a quotation mark, so no `word` here.
    let base64 = rest.split(BLANKS).next().unwrap_or_default();
    if base64.is_empty() {
        return Err(Problem::Missing("a key"));
    }
    let key = PublicKey::from_base64(base64).map_err(Problem::Key)?;
    if key.kind() != kind {
        return Err(Problem::KeyTypeInside(key.kind()));
    }
    match key.weakness() {
        Some(weakness) => Err(Problem::Weak(weakness)),
        None => Ok(key),
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(len) => {
                write!(f, "the key ring is {len} bytes long, {MAX_FILE} are allowed")
            }
            Self::NotUtf8 => f.write_str("this is not UTF-8 text"),
            Self::NoKey => f.write_str("the file ends and there is no key in it"),
            Self::TooManyKeys => write!(f, "there are more than {MAX_KEYS} keys"),
            Self::Control(c) => write!(f, "there is a control character, {c:?}"),
            Self::Quote(value) => write!(f, "there is a quotation mark too many in {value}"),
            Self::Missing(what) => write!(f, "the line ends where {what} should be"),
            Self::CertAuthority => {
                f.write_str("cert-authority is not supported; list the keys themselves")
            }
            Self::Option(value) => write!(f, "the option {value} is not understood"),
            Self::Value { option, found } => {
                write!(f, "{found} is not a value in quotation marks that {option} can have")
            }
            Self::Twice(option) => write!(f, "the option {option} stands twice"),
            Self::Pattern(value) => {
                write!(f, "the namespace {value} is a pattern; name each namespace")
            }
            Self::NoNamespaces => f.write_str(
                "the key has no namespaces option and could sign anything; write for example \
                 namespaces=\"turnout-boot\" before the key type",
            ),
            Self::KeyType(kind) => {
                write!(
                    f,
                    "keys of type {kind} are not understood, only {KEY_TYPE} and {SK_KEY_TYPE} are"
                )
            }
            Self::Version(line) => {
                write!(f, "{line} is not of the form \"{VERSION} N\" with a decimal number N")
            }
            Self::KeyTypeInside(kind) => {
                write!(f, "the key itself is of type {kind}, the word before it says otherwise")
            }
            Self::Key(error) => fmt::Display::fmt(error, f),
            Self::Weak(weakness) => write!(f, "the key is weak: {weakness}"),
            Self::Duplicate(line) => write!(f, "the same key stands in line {line} already"),
        }
    }
}

#[cfg(test)]
impl KeyRing {
    /// A ring of these principals, namespaces and keys.
    pub(crate) fn of(lines: &[(&str, &str, PublicKey)]) -> Self {
        let mut text = String::new();
        for (name, namespaces, key) in lines {
            let kind = key.kind();
            let base64 = super::sshsig::make::public_base64(key);
            text += &format!("{name} namespaces=\"{namespaces}\" {kind} {base64}\n");
        }
        Self::parse(text.as_bytes()).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sshsig::make;
    use super::*;

    const RING: &[u8] = include_bytes!("../../tests/data/trust/allowed_signers");
    const FOR_BOOT: &str = "namespaces=\"turnout-boot\"";

    fn base64(seed: u8) -> String {
        make::public_base64(&make::public(seed))
    }

    fn problem(text: impl AsRef<[u8]>) -> (u32, Problem) {
        let error = KeyRing::parse(text.as_ref()).unwrap_err();
        (error.line, error.problem)
    }

    /// The problem of one line `alice OPTIONS ssh-ed25519 KEY`.
    fn with_options(options: &str) -> Problem {
        let (line, problem) = problem(format!("alice {options} ssh-ed25519 {}\n", base64(1)));
        assert_eq!(line, 1);
        problem
    }

    #[test]
    fn a_ring_that_ssh_keygen_understands_is_read() {
        let ring = KeyRing::parse(RING).unwrap();
        let signers: Vec<_> = ring.keys().iter().map(|key| key.signer.as_str()).collect();
        assert_eq!(signers, ["release@example.org", "owner@example.org,deputy@example.org"]);
        let [release, owner] = ring.keys() else { panic!("two keys") };
        assert_eq!(release.namespaces, ["turnout-boot"]);
        assert_eq!(owner.namespaces, ["turnout-policy", "turnout-unlock"]);
        assert_eq!(owner.valid_after.as_deref(), Some("20250101"));
        assert_eq!(owner.valid_before.as_deref(), Some("20350101000000Z"));
        assert!(owner.allows("turnout-unlock") && !owner.allows("turnout-boot"));
        assert_eq!(ring.find(&owner.public), Some(owner));
        assert_eq!(ring.find(&make::public(9)), None);
    }

    #[test]
    fn comments_blank_lines_tabs_and_option_case_are_as_in_openssh() {
        let line = format!("\talice\tNameSpaces=\"a,b\"\tssh-ed25519  {} it\"s me\n", base64(1));
        let ring = KeyRing::parse(format!("# ring\n\n  # more\n{line}").as_bytes()).unwrap();
        assert_eq!(ring.keys()[0].namespaces, ["a", "b"]);
        assert_eq!(ring.keys()[0].line, 4);
        assert_eq!(ring.keys()[0].public, make::public(1));
    }

    #[test]
    fn a_ring_without_a_key_is_no_ring() {
        assert_eq!(problem(""), (1, Problem::NoKey));
        assert_eq!(problem("# nobody\n\n"), (3, Problem::NoKey));
    }

    #[test]
    fn a_key_that_could_sign_anything_is_refused() {
        let line = format!("alice ssh-ed25519 {}\n", base64(1));
        assert_eq!(problem(&line), (1, Problem::NoNamespaces));
        assert_eq!(with_options("valid-after=\"20250101\""), Problem::NoNamespaces);
        let advice = KeyRing::parse(line.as_bytes()).unwrap_err().to_string();
        assert!(advice.contains("namespaces=\"turnout-boot\""), "{advice}");
    }

    fn value(option: &'static str, found: &str) -> Problem {
        Problem::Value { option, found: Shown::text(found) }
    }

    #[test]
    fn options_that_are_not_understood_refuse_the_ring() {
        let cases = [
            ("cert-authority".to_owned(), Problem::CertAuthority),
            (format!("{FOR_BOOT},no-touch"), Problem::Option(Shown::text("no-touch"))),
            (format!("{FOR_BOOT},{FOR_BOOT}"), Problem::Twice("namespaces")),
            ("namespaces=turnout-boot".to_owned(), value("namespaces", "namespaces=turnout-boot")),
            ("namespaces=\"\"".to_owned(), value("namespaces", "namespaces=\"\"")),
            ("namespaces=\"a,,b\"".to_owned(), value("namespaces", "namespaces=\"a,,b\"")),
            ("namespaces=\"a b\"".to_owned(), value("namespaces", "namespaces=\"a b\"")),
            ("namespaces".to_owned(), value("namespaces", "namespaces")),
            ("namespaces=\"turnout-*\"".to_owned(), Problem::Pattern(Shown::text("turnout-*"))),
            ("namespaces=\"a,!b\"".to_owned(), Problem::Pattern(Shown::text("!b"))),
            ("valid-after=\"soon\"".to_owned(), value("valid-after", "valid-after=\"soon\"")),
            ("valid-before=\"2025\"".to_owned(), value("valid-before", "valid-before=\"2025\"")),
        ];
        for (options, problem) in cases {
            assert_eq!(with_options(&options), problem, "{options}");
        }
        let open = with_options("namespaces=\"x");
        assert!(matches!(open, Problem::Quote(_)), "{open:?}");
    }

    #[test]
    fn lines_that_end_early_or_hold_other_keys_are_refused() {
        let wrong = base64(1).replacen("AAAAC3NzaC1lZDI1NTE5", "AAAAC3NzaC1lZDI1NTE4", 1);
        let cases = [
            ("alice".to_owned(), Problem::Missing("a key")),
            (format!("alice {FOR_BOOT}"), Problem::Missing("a key type")),
            (format!("alice {FOR_BOOT} ssh-ed25519"), Problem::Missing("a key")),
            (format!("alice {FOR_BOOT} ssh-rsa AAAA"), Problem::KeyType(Shown::text("ssh-rsa"))),
            (
                format!("alice {FOR_BOOT} sk-ssh-ed25519@openssh.com {}", base64(1)),
                Problem::KeyTypeInside("ssh-ed25519"),
            ),
            (format!("alice {FOR_BOOT} ssh-ed25519 AAAA="), Problem::Key(key::Error::Base64)),
            (format!("alice {FOR_BOOT} ssh-ed25519 AAAA"), Problem::Key(key::Error::Length)),
            (
                format!("alice {FOR_BOOT} ssh-ed25519 {}AAAA", base64(1)),
                Problem::Key(key::Error::Length),
            ),
            (
                format!("alice {FOR_BOOT} ssh-ed25519 {wrong}"),
                Problem::Key(key::Error::Type(Shown::text("ssh-ed25518"))),
            ),
            ("\"alice".to_owned(), Problem::Quote(Shown::text("\"alice"))),
            ("\"al ice\" x".to_owned(), Problem::Quote(Shown::text("\"al ice\""))),
            ("alice\r".to_owned(), Problem::Control('\r')),
        ];
        for (line, problem_of_line) in cases {
            assert_eq!(problem(format!("# 1\n{line}\n")), (2, problem_of_line), "{line}");
        }
    }

    #[test]
    fn one_weak_key_refuses_the_whole_ring() {
        let good = format!("alice {FOR_BOOT} ssh-ed25519 {}\n", base64(1));
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut not_canonical = [0xff; 32];
        not_canonical[31] = 0x7f;
        let cases = [
            ([0; 32], Weakness::Zero),
            ([0xff; 32], Weakness::Ones),
            (identity, Weakness::SmallOrder),
            (not_canonical, Weakness::NonCanonical),
        ];
        for (bytes, weakness) in cases {
            let weak = make::public_base64(&PublicKey::in_file(bytes));
            let ring = format!("{good}bob {FOR_BOOT} ssh-ed25519 {weak}\n");
            assert_eq!(problem(ring), (2, Problem::Weak(weakness)));
        }
    }

    fn line_of(name: &str) -> String {
        format!("{name} {FOR_BOOT} ssh-ed25519 {}\n", base64(1))
    }

    #[test]
    fn a_key_stands_once() {
        assert_eq!(problem(line_of("alice") + &line_of("bob")), (2, Problem::Duplicate(1)));
    }

    fn ring_after(first: &str) -> Result<KeyRing, Error> {
        KeyRing::parse(format!("{first}{}", line_of("a")).as_bytes())
    }

    #[test]
    fn the_first_line_may_give_the_ring_a_version() {
        for (first, version) in [
            ("", 0),
            ("# any comment\n", 0),
            ("# turnout-ring 0\n", 0),
            ("# turnout-ring 4294967295\n", u32::MAX),
            ("\n# turnout-ring 7\n", 0),
            (" # turnout-ring 7\n", 0),
        ] {
            assert_eq!(ring_after(first).unwrap().version(), version, "{first:?}");
        }
        for first in [
            "# turnout-ring\n",
            "# turnout-ring \n",
            "# turnout-ring 07\n",
            "# turnout-ring 7 \n",
            "# turnout-ring  7\n",
            "# turnout-ring-7\n",
            "# turnout-ring 4294967296\n",
        ] {
            let line = Shown::text(first.trim_end_matches('\n'));
            assert_eq!(
                ring_after(first).unwrap_err(),
                Error { line: 1, problem: Problem::Version(line) }
            );
        }
    }

    fn key_line(key: &PublicKey) -> String {
        format!("a {FOR_BOOT} {} {}\n", key.kind(), make::public_base64(key))
    }

    #[test]
    fn a_key_on_a_token_is_read_and_is_the_same_key_as_one_of_its_point() {
        let token = make::on_token(1);
        let ring = KeyRing::of(&[("a", "turnout-boot", token.clone())]);
        assert!(ring.find(&token).is_some());
        assert!(ring.find(&make::public(1)).is_none());
        let both = key_line(&make::public(1)) + &key_line(&token);
        assert_eq!(problem(both), (2, Problem::Duplicate(1)));
        for application in ["", "web.example", "ssh", "ssh:a b", &format!("ssh:{:252}", "x")] {
            let holder = key::Holder::Token(application.to_owned());
            let key = PublicKey { holder, ..token.clone() };
            let error = Problem::Key(key::Error::Application(Shown::text(application)));
            assert_eq!(problem(key_line(&key)), (1, error));
        }
        let weak = PublicKey { point: [0; 32], ..token };
        assert_eq!(problem(key_line(&weak)), (1, Problem::Weak(Weakness::Zero)));
    }

    #[test]
    fn length_and_count_are_bounded() {
        let long = "#".repeat(MAX_FILE + 1);
        assert_eq!(problem(long), (1, Problem::TooLong(MAX_FILE + 1)));
        let many: String =
            (0..=64).map(|seed| format!("a {FOR_BOOT} ssh-ed25519 {}\n", base64(seed))).collect();
        assert_eq!(problem(many), (65, Problem::TooManyKeys));
        assert_eq!(problem(b"\n\xff"), (2, Problem::NotUtf8));
    }
}
