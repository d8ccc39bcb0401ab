//! Reads and writes the `byte[n]`, `uint32` and `string` fields of RFC 4251,
//! section 5, of which OpenSSH's keys and signatures are made.

/// What is left of a message; every read takes from its front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire<'a>(pub(super) &'a [u8]);

impl<'a> Wire<'a> {
    /// The next `len` bytes, or `None` if there are fewer.
    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    /// The next four bytes as a big-endian number.
    pub(super) fn u32(&mut self) -> Option<u32> {
        let bytes = self.bytes(4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    /// The next length-prefixed field.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.u32()?).ok()?;
        self.bytes(len)
    }
}

/// Appends `value` as a length-prefixed field.
pub(super) fn put_string(out: &mut Vec<u8>, value: &[u8]) {
    // Saturating cannot make two messages equal: a field of 4 GiB would have
    // to fit in memory first, and its bytes still follow.
    let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_longer_than_the_rest_is_none_and_takes_nothing_back() {
        let mut wire = Wire(&[0, 0, 0, 2, b'a']);
        assert_eq!(wire.string(), None);
        assert_eq!(Wire(&[0xff, 0xff, 0xff, 0xff]).string(), None);
        assert_eq!(Wire(&[0, 0, 0]).u32(), None);
    }

    #[test]
    fn what_is_put_is_what_is_read() {
        let mut out = Vec::new();
        put_string(&mut out, b"ssh-ed25519");
        put_string(&mut out, b"");
        let mut wire = Wire(&out);
        assert_eq!(wire.string(), Some(&b"ssh-ed25519"[..]));
        assert_eq!(wire.string(), Some(&b""[..]));
        assert!(wire.0.is_empty());
    }
}
