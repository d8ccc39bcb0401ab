//! Finds private keys in what is about to be packed into an image.

/// The form of private key that `bytes` hold, if they hold one anywhere.
#[must_use]
pub fn private_key(bytes: &[u8]) -> Option<&'static str> {
    if bytes.windows(15).any(|window| window == b"openssh-key-v1\0") {
        return Some("a binary OpenSSH private key");
    }
    if find(bytes, b"PuTTY-User-Key-File-").is_some() {
        return Some("a PuTTY private key");
    }
    has_pem_key(bytes).then_some("a private key")
}

/// Whether there is a line `-----BEGIN ... PRIVATE KEY`, whatever the kind.
fn has_pem_key(mut bytes: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN ";
    while let Some(at) = find(bytes, BEGIN) {
        bytes = bytes.get(at.saturating_add(BEGIN.len())..).unwrap_or_default();
        let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        let label = line.get(..64).unwrap_or(line);
        if find(label, b"PRIVATE KEY").is_some() {
            return true;
        }
    }
    false
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_form_of_private_key_is_found_anywhere_in_a_file() {
        for kind in ["OPENSSH ", "", "ENCRYPTED ", "RSA ", "EC "] {
            let pem = format!("text\r\n-----BEGIN {kind}PRIVATE KEY-----\nAAAA\n");
            assert_eq!(private_key(pem.as_bytes()), Some("a private key"), "{kind}");
        }
        assert!(private_key(b"\x00\x01openssh-key-v1\x00rest").is_some());
        assert!(private_key(b"PuTTY-User-Key-File-3: ssh-ed25519").is_some());
    }

    #[test]
    fn public_keys_and_certificates_are_not_private() {
        let public = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----BEGIN CERTIFICATE-----\n";
        assert_eq!(private_key(public), None);
        assert_eq!(private_key(b"a ssh-ed25519 AAAA my PRIVATE KEY comment"), None);
        assert_eq!(private_key(b"-----BEGIN "), None);
    }
}
