//! The policy: how many keys must sign, what is too old, what was revoked.
//!
//! Like the manifest it has one form: [`Policy::write`] gives back what
//! [`parse`] took. A line that says what holds without it is refused, so that
//! the text and its meaning cannot differ. Specification: `docs/policy.md`.

use core::fmt::{self, Write as _};

use super::key::Fingerprint;
use super::lines::{self, Lines, number, other_than, sha256};
use super::{MAX_SIGNATURES, Namespace, Role, Shown};
use crate::base::digest::Digest;

pub use super::lines::{Error, Problem};

/// Most `revoked-key` lines.
pub const MAX_REVOKED_KEYS: usize = 64;
/// Most `revoked-digest` lines.
pub const MAX_REVOKED_DIGESTS: usize = 256;
/// How far a floor rises at once where the policy does not say.
const STEP: u32 = 16;
/// Keys that must sign where the policy does not say.
const THRESHOLD: u8 = 1;
/// Signatures that are tried where the policy does not say; the most there may
/// be.
const SIGNATURES: u8 = 8;
// No policy allows more than a file may hold.
const _: () = assert!(SIGNATURES as usize == MAX_SIGNATURES);

/// What the device demands of signatures and versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Grows with every policy; 0 where the image has none.
    pub version: u32,
    /// How many different keys must sign.
    pub thresholds: Thresholds,
    /// Most signatures a file may hold.
    pub signatures: u8,
    /// Security versions below which nothing boots.
    pub minimum: Floors,
    /// How far a floor may rise at once.
    pub step: u32,
    /// Keys whose signatures do not count.
    pub revoked_keys: Vec<Fingerprint>,
    /// Manifests, and files bound by them, that do not boot.
    pub revoked_digests: Vec<Digest>,
}

/// How many different keys must sign what; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// For `turnout-boot`.
    pub boot: u8,
    /// For `turnout-recovery`.
    pub recovery: u8,
    /// For `turnout-policy`.
    pub policy: u8,
}

/// The lowest security version that boots, for each role.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Floors {
    /// Of operating systems.
    pub boot: u32,
    /// Of recovery systems.
    pub recovery: u32,
}

impl Default for Policy {
    /// What holds where there is no policy.
    fn default() -> Self {
        Self {
            version: 0,
            thresholds: Thresholds { boot: THRESHOLD, recovery: THRESHOLD, policy: THRESHOLD },
            signatures: SIGNATURES,
            minimum: Floors::default(),
            step: STEP,
            revoked_keys: Vec::new(),
            revoked_digests: Vec::new(),
        }
    }
}

/// Reads a policy.
///
/// # Errors
/// Everything that [`Policy::write`] would not have written, and a threshold
/// that no file can reach.
pub fn parse(bytes: &[u8]) -> Result<Policy, Error> {
    let mut lines = Lines::new(bytes)?;
    lines.require("turnout-policy", lines::version)?;
    let policy = Policy {
        version: lines.require("version", |value| number("version", value))?,
        thresholds: Thresholds {
            boot: threshold(&mut lines, "threshold turnout-boot")?,
            recovery: threshold(&mut lines, "threshold turnout-recovery")?,
            policy: threshold(&mut lines, "threshold turnout-policy")?,
        },
        signatures: small(&mut lines, "signatures", SIGNATURES)?,
        minimum: Floors {
            boot: minimum(&mut lines, "minimum-security-version boot")?,
            recovery: minimum(&mut lines, "minimum-security-version recovery")?,
        },
        step: step(&mut lines)?,
        revoked_keys: lines.repeat("revoked-key", MAX_REVOKED_KEYS, fingerprint)?,
        revoked_digests: lines.repeat("revoked-digest", MAX_REVOKED_DIGESTS, sha256)?,
    };
    lines.end()?;
    match policy.unreachable() {
        None => Ok(policy),
        Some(problem) => Err(lines.behind(problem)),
    }
}

fn threshold(lines: &mut Lines<'_>, field: &'static str) -> Result<u8, Error> {
    small(lines, field, THRESHOLD)
}

/// A number from 1 to the most signatures that a file can hold.
fn small(lines: &mut Lines<'_>, field: &'static str, default: u8) -> Result<u8, Error> {
    let value = lines.optional(field, |value| match other_than(&default, field, value)? {
        small if (1..=SIGNATURES).contains(&small) => Ok(small),
        _ => Err(Problem::Number { field, value: Shown::text(value) }),
    })?;
    Ok(value.unwrap_or(default))
}

fn minimum(lines: &mut Lines<'_>, field: &'static str) -> Result<u32, Error> {
    let value = lines.optional(field, |value| other_than(&0, field, value))?;
    Ok(value.unwrap_or_default())
}

/// A step of 0 would hold the floors where they are for ever.
fn step(lines: &mut Lines<'_>) -> Result<u32, Error> {
    let step = lines.optional("step", |value| match other_than(&STEP, "step", value)? {
        0 => Err(Problem::Number { field: "step", value: Shown::text(value) }),
        step => Ok(step),
    })?;
    Ok(step.unwrap_or(STEP))
}

fn fingerprint(value: &str) -> Result<Fingerprint, Problem> {
    let fingerprint = Fingerprint::parse(value);
    fingerprint.ok_or_else(|| Problem::Fingerprint(Shown::text(value)))
}

impl Policy {
    /// The canonical text.
    #[must_use]
    pub fn write(&self) -> String {
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = write!(out, "{self}");
        out
    }

    /// How many different keys must sign; nothing on a device is signed for
    /// `turnout-unlock`, so no number of keys is enough for it.
    #[must_use]
    pub const fn threshold(&self, namespace: Namespace) -> u8 {
        match namespace {
            Namespace::Boot => self.thresholds.boot,
            Namespace::Recovery => self.thresholds.recovery,
            Namespace::Policy => self.thresholds.policy,
            Namespace::Unlock => u8::MAX,
        }
    }

    /// Whether signatures of this key do not count.
    #[must_use]
    pub fn revokes_key(&self, key: &Fingerprint) -> bool {
        self.revoked_keys.contains(key)
    }

    /// Whether this manifest, or what binds this file, does not boot.
    #[must_use]
    pub fn revokes(&self, digest: &Digest) -> bool {
        self.revoked_digests.contains(digest)
    }

    fn unreachable(&self) -> Option<Problem> {
        let Thresholds { boot, recovery, policy } = self.thresholds;
        let threshold = boot.max(recovery).max(policy);
        let signatures = self.signatures;
        (threshold > signatures).then_some(Problem::Unreachable { threshold, signatures })
    }
}

impl Floors {
    /// The floor of this role.
    #[must_use]
    pub const fn of(self, role: Role) -> u32 {
        match role {
            Role::Boot => self.boot,
            Role::Recovery => self.recovery,
        }
    }

    /// Whichever is higher, for each role.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { boot: self.boot.max(other.boot), recovery: self.recovery.max(other.recovery) }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "turnout-policy 1\nversion {}", self.version)?;
        let Thresholds { boot, recovery, policy } = self.thresholds;
        let numbers = [
            ("threshold turnout-boot", boot.into(), THRESHOLD.into()),
            ("threshold turnout-recovery", recovery.into(), THRESHOLD.into()),
            ("threshold turnout-policy", policy.into(), THRESHOLD.into()),
            ("signatures", self.signatures.into(), SIGNATURES.into()),
            ("minimum-security-version boot", self.minimum.boot, 0),
            ("minimum-security-version recovery", self.minimum.recovery, 0),
            ("step", self.step, STEP),
        ];
        for (field, value, default) in numbers {
            if value != default {
                writeln!(f, "{field} {value}")?;
            }
        }
        self.revoked_keys.iter().try_for_each(|key| writeln!(f, "revoked-key {key}"))?;
        self.revoked_digests
            .iter()
            .try_for_each(|digest| writeln!(f, "revoked-digest sha256:{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn full() -> String {
        include_str!("../../tests/data/trust/full.policy").to_owned()
    }

    fn problem(text: &str) -> (u32, Problem) {
        let error = parse(text.as_bytes()).unwrap_err();
        (error.line, error.problem)
    }

    fn changed(from: &str, to: &str) -> (u32, Problem) {
        let text = full();
        assert_eq!(text.matches(from).count(), 1, "{from}");
        problem(&text.replace(from, to))
    }

    #[test]
    fn every_field_is_read_and_written_back_byte_for_byte() {
        let policy = parse(full().as_bytes()).unwrap();
        assert_eq!(policy.version, 7);
        assert_eq!(policy.thresholds, Thresholds { boot: 2, recovery: 3, policy: 4 });
        assert_eq!((policy.signatures, policy.step), (5, 1));
        assert_eq!(policy.minimum, Floors { boot: 8, recovery: 9 });
        assert_eq!(policy.revoked_keys, [Fingerprint(Digest::of(b"").0)]);
        assert!(policy.revokes(&Digest::of(b"")) && !policy.revokes(&Digest::of(b"x")));
        assert_eq!(policy.write(), full());
    }

    #[test]
    fn a_policy_that_says_nothing_is_the_default_with_a_version() {
        let text = "turnout-policy 1\nversion 0\n";
        assert_eq!(parse(text.as_bytes()), Ok(Policy::default()));
        assert_eq!(Policy::default().write(), text);
        for namespace in [Namespace::Boot, Namespace::Recovery, Namespace::Policy] {
            assert_eq!(Policy::default().threshold(namespace), 1);
        }
    }

    fn is_default(field: &'static str, value: &str) -> Problem {
        Problem::Default { field, value: Shown::text(value) }
    }

    #[test]
    fn a_line_that_changes_nothing_is_refused() {
        let boot = "threshold turnout-boot";
        assert_eq!(changed("boot 2", "boot 1"), (3, is_default(boot, "1")));
        assert_eq!(changed("signatures 5", "signatures 8"), (6, is_default("signatures", "8")));
        let minimum = "minimum-security-version boot";
        assert_eq!(changed("boot 8", "boot 0"), (7, is_default(minimum, "0")));
        assert_eq!(changed("step 1", "step 16"), (9, is_default("step", "16")));
    }

    fn bad_number(field: &'static str, value: &str) -> Problem {
        Problem::Number { field, value: Shown::text(value) }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let boot = "threshold turnout-boot";
        assert_eq!(changed("boot 2", "boot 0"), (3, bad_number(boot, "0")));
        assert_eq!(changed("boot 2", "boot 9"), (3, bad_number(boot, "9")));
        assert_eq!(changed("boot 2", "boot 02"), (3, bad_number(boot, "02")));
        assert_eq!(changed("signatures 5", "signatures 0"), (6, bad_number("signatures", "0")));
        assert_eq!(changed("step 1", "step 0"), (9, bad_number("step", "0")));
        assert_eq!(changed("version 7", "version 4294967296"), {
            (2, bad_number("version", "4294967296"))
        });
    }

    #[test]
    fn a_threshold_that_no_file_can_reach_is_refused() {
        let unreachable = Problem::Unreachable { threshold: 4, signatures: 3 };
        assert_eq!(changed("signatures 5", "signatures 3"), (11, unreachable));
    }

    fn unexpected(line: &str) -> Problem {
        Problem::Unexpected(Shown::text(line))
    }

    #[test]
    fn lines_twice_out_of_order_or_unknown_are_refused() {
        assert_eq!(changed("step 1\n", "step 1\nstep 2\n"), (10, unexpected("step 2")));
        let swapped =
            full().replace("signatures 5\n", "").replace("step 1", "step 1\nsignatures 5");
        assert_eq!(problem(&swapped), (9, unexpected("signatures 5")));
        let unlock = "threshold turnout-unlock 1";
        assert_eq!(changed("signatures 5", unlock), (6, unexpected(unlock)));
        assert_eq!(
            changed("version 7\n", ""),
            (
                2,
                Problem::Expected {
                    field: "version",
                    found: Shown::text("threshold turnout-boot 2"),
                }
            )
        );
    }

    #[test]
    fn every_example_of_the_document_is_a_policy() {
        let document = include_str!("../../docs/policy.md");
        let examples = document.split("```\n").filter(|text| text.starts_with("turnout-policy"));
        let texts: Vec<_> = examples.map(|text| text.replace("<64 hex>", HEX)).collect();
        assert_eq!(texts.len(), 2);
        for text in &texts {
            assert_eq!(parse(text.as_bytes()).unwrap().write(), *text);
        }
        assert_eq!(texts[1], Policy::default().write());
    }

    #[test]
    fn revocations_have_one_spelling_and_a_limit() {
        for bad in ["SHA256:", "MD5:00", &KEY.replace("SHA", "sha"), &format!("{KEY}=")] {
            assert_eq!(changed(KEY, bad), (10, Problem::Fingerprint(Shown::text(bad))));
        }
        // The last digit of 43 has two spare bits: "U" is the one spelling.
        let spare = KEY.replace("SuFU", "SuFV");
        assert_eq!(changed(KEY, &spare), (10, Problem::Fingerprint(Shown::text(&spare))));
        let upper = format!("sha256:{}", HEX.to_uppercase());
        let digest = Problem::Digest(Shown::text(&upper));
        assert_eq!(changed(&format!("sha256:{HEX}"), &upper), (11, digest));
        for (line, field, most) in [
            (format!("revoked-key {KEY}\n"), "revoked-key", MAX_REVOKED_KEYS),
            (format!("revoked-digest sha256:{HEX}\n"), "revoked-digest", MAX_REVOKED_DIGESTS),
        ] {
            let all = full().replace(&line, &line.repeat(most));
            assert!(parse(all.as_bytes()).is_ok());
            let too_many = full().replace(&line, &line.repeat(most + 1));
            assert_eq!(problem(&too_many).1, Problem::TooMany { field, most });
        }
    }
}
