//! Key rings, for people: the line of a key, everything that is wrong in a ring,
//! and who may sign what.

use anyhow::{Result, ensure};
use turnout::trust::Namespace;
use turnout::trust::allowed_signers::{Error, Key, KeyRing, Problem};
use turnout::trust::key::Holder;
use turnout::trust::policy::Policy;

/// The line of a key ring for a public key line: named after its comment, or
/// "owner" where that cannot be a principal.
#[must_use]
pub fn line(public: &str, namespaces: &[Namespace]) -> String {
    let public = public.trim_end();
    let comment = public.splitn(3, ' ').nth(2).unwrap_or_default();
    let signer = if is_principal(comment) { comment } else { "owner" };
    let namespaces: Vec<_> = namespaces.iter().map(|namespace| namespace.name()).collect();
    format!("{signer} namespaces=\"{}\" {public}\n", namespaces.join(","))
}

fn is_principal(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#'))
}

/// Everything that keeps `bytes` from being a key ring, by line; empty for a
/// ring that a device takes.
#[must_use]
pub fn problems(bytes: &[u8]) -> Vec<Error> {
    let mut bytes = bytes.to_vec();
    let mut problems: Vec<Error> = Vec::new();
    while let Err(error) = KeyRing::parse(&bytes) {
        // Without its line the rest of the ring tells what else is wrong.
        let goes_on = blank(&mut bytes, error.line);
        let only_left = matches!(error.problem, Problem::NoKey) && !problems.is_empty();
        if !only_left {
            problems.push(error);
        }
        if !goes_on {
            break;
        }
    }
    problems
}

/// Makes a line a comment; false if there is nothing in it to take away.
fn blank(bytes: &mut [u8], line: u32) -> bool {
    let Ok(index) = usize::try_from(line.saturating_sub(1)) else { return false };
    let line = bytes.split_mut(|byte| *byte == b'\n').nth(index);
    let mut changed = false;
    for byte in line.into_iter().flatten() {
        changed |= *byte != b'#';
        *byte = b'#';
    }
    changed
}

/// Who may sign what, one line a key.
#[must_use]
pub fn keys(ring: &KeyRing) -> Vec<String> {
    ring.keys().iter().map(key).collect()
}

fn key(key: &Key) -> String {
    let mut text = format!(
        "{}: {} may sign {}",
        key.signer,
        key.public.fingerprint(),
        key.namespaces.join(", ")
    );
    if let Holder::Token(application) = &key.public.holder {
        text.push_str(&format!("; on a token, for {application}"));
    }
    for (option, time) in [("after", &key.valid_after), ("before", &key.valid_before)] {
        if let Some(time) = time {
            text.push_str(&format!("; valid {option} {time} (shown, not enforced)"));
        }
    }
    text
}

/// How many keys each role has, and what a ring like this cannot do.
#[must_use]
pub fn roles(ring: &KeyRing) -> Vec<String> {
    let mut lines = Vec::new();
    for namespace in Namespace::ALL {
        let keys = keys_for(ring, namespace).count();
        let plural = if keys == 1 { "" } else { "s" };
        lines.push(format!("{namespace}: {keys} key{plural}"));
    }
    for key in ring.keys() {
        for name in key.namespaces.iter().filter(|name| Namespace::parse(name).is_none()) {
            lines.push(format!("note: line {}: {name} means nothing to Turnout", key.line));
        }
    }
    if keys_for(ring, Namespace::Policy).next().is_none() {
        lines.push(
            "note: no key may sign turnout-policy, so this ring can only be replaced with the \
             image"
                .to_owned(),
        );
    }
    lines
}

fn keys_for(ring: &KeyRing, namespace: Namespace) -> impl Iterator<Item = &Key> {
    ring.keys().iter().filter(move |key| key.allows(namespace.name()))
}

/// Refuses a policy that leaves too few keys of the ring to sign. A role for
/// which the ring has no key at all is not used.
///
/// # Errors
/// The first role for which nobody can sign any more.
pub fn check_reachable(ring: &KeyRing, policy: &Policy) -> Result<()> {
    for namespace in [Namespace::Boot, Namespace::Recovery, Namespace::Policy] {
        let keys = keys_for(ring, namespace)
            .filter(|key| !policy.revokes_key(&key.public.fingerprint()))
            .count();
        let needed = policy.threshold(namespace);
        ensure!(
            keys_for(ring, namespace).next().is_none() || keys >= usize::from(needed),
            "{needed} keys must sign for {namespace}, and the key ring has {keys} that are not \
             revoked; lower the threshold or add keys"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIClhfTVR2/pqqQmnaR2IwDFSl+JiHjupyLIpSzN7upBY";
    const ZERO: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn ring(text: &str) -> KeyRing {
        KeyRing::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_key_is_named_after_its_comment_if_that_is_one_word() {
        let cases = [
            (" release@example.org\n", "release@example.org"),
            (" two words", "owner"),
            ("", "owner"),
            (" #no", "owner"),
        ];
        for (comment, signer) in cases {
            let roles = [Namespace::Boot, Namespace::Policy];
            let ring = ring(&line(&format!("{KEY}{comment}"), &roles));
            assert_eq!(ring.keys()[0].signer, signer);
            assert_eq!(ring.keys()[0].namespaces, ["turnout-boot", "turnout-policy"]);
        }
    }

    #[test]
    fn everything_wrong_in_a_ring_is_found_at_once() {
        let good = line(&format!("{KEY} a"), &[Namespace::Boot]);
        let text = format!("{good}b {KEY}\n{good}c namespaces=\"turnout-boot\" {ZERO}\nd\n");
        let lines: Vec<_> = problems(text.as_bytes()).iter().map(|error| error.line).collect();
        assert_eq!(lines, [2, 3, 4, 5]);
        assert_eq!(problems(good.as_bytes()), []);
    }

    #[test]
    fn a_ring_of_bad_lines_alone_is_not_also_said_to_be_empty() {
        let found = problems(format!("a {KEY}\n").as_bytes());
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(matches!(problems(b"# nobody\n")[..], [Error { problem: Problem::NoKey, .. }]));
        assert!(!problems(&[0xff, b'\n']).is_empty());
        assert!(!problems(&[b'#'; 70_000]).is_empty());
    }

    #[test]
    fn a_policy_that_leaves_nobody_to_sign_is_found() {
        let ring = ring(&line(KEY, &[Namespace::Boot]));
        let mut policy = Policy::default();
        policy.thresholds.recovery = 2;
        check_reachable(&ring, &policy).unwrap();
        policy.revoked_keys = vec![ring.keys()[0].public.fingerprint()];
        let said = check_reachable(&ring, &policy).unwrap_err().to_string();
        assert!(said.contains("1 keys must sign for turnout-boot"), "{said}");
        assert!(said.contains("has 0 that are not revoked"), "{said}");
    }

    #[test]
    fn a_ring_is_told_by_key_and_by_role() {
        let roles_of = |namespaces: &[Namespace]| roles(&ring(&line(KEY, namespaces)));
        let boot = roles_of(&[Namespace::Boot]);
        assert_eq!(boot[..2], ["turnout-boot: 1 key", "turnout-recovery: 0 keys"]);
        assert!(boot[4].contains("no key may sign turnout-policy"), "{boot:?}");
        assert_eq!(roles_of(&Namespace::ALL).len(), 4);
        let odd = roles(&ring(&format!("a namespaces=\"turnout-policy,file\" {KEY}\n")));
        assert_eq!(odd[4], "note: line 1: file means nothing to Turnout");
        let dated = format!("a namespaces=\"turnout-boot\",valid-before=\"20350101\" {KEY}\n");
        assert!(keys(&ring(&dated))[0].ends_with("; valid before 20350101 (shown, not enforced)"));
    }
}
