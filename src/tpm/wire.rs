//! Reads and writes the big-endian numbers and the sized buffers (TPM2B) of
//! which TPM messages are made (Part 2, 5.2 and 10.4), and says what is wrong
//! with an answer.

use core::fmt;

use super::alg::HashAlg;

/// Why an answer is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The TPM refused: TPM_RC (Part 2, 6.6).
    Refused(u32),
    /// A field is longer than the rest of the answer.
    Short {
        /// Bytes that the field should have.
        wanted: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// There is more than the answer should hold.
    Long {
        /// Bytes that are left.
        left: usize,
    },
    /// The answer's own statement of its size is not its size.
    Size {
        /// What it states.
        stated: u32,
        /// Bytes that came.
        found: usize,
    },
    /// Neither an answer with nor one without sessions.
    Tag(u16),
    /// A list is longer than any TPM's.
    Count {
        /// Its length.
        count: usize,
        /// The longest that is read.
        most: usize,
    },
    /// Something else was asked for.
    Other(&'static str),
    /// An NV index that Turnout has not made.
    NameAlgorithm {
        /// Its handle.
        index: u32,
        /// The algorithm of its name.
        alg: HashAlg,
    },
}

impl Error {
    /// Whether the TPM says that there is no such NV index: TPM_RC_HANDLE for
    /// the first handle.
    #[must_use]
    pub const fn is_absence(self) -> bool {
        matches!(self, Self::Refused(0x018b))
    }

    /// The refusal without the handle, parameter or session that it is about.
    pub(super) const fn general(self) -> Option<u32> {
        match self {
            Self::Refused(code) => Some(general(code)),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) => {
                write!(f, "the TPM refuses ({code:#05x}): {}", meaning(*code))
            }
            Self::Short { wanted, left } => {
                write!(f, "the TPM's answer ends early: {wanted} bytes wanted, {left} left")
            }
            Self::Long { left } => write!(f, "the TPM's answer has {left} bytes too many"),
            Self::Size { stated, found } => {
                write!(f, "the TPM's answer states {stated} bytes and has {found}")
            }
            Self::Tag(tag) => write!(f, "the TPM's answer begins with {tag:#06x}: no TPM 2.0"),
            Self::Count { count, most } => {
                write!(f, "the TPM's answer lists {count} values, at most {most} are read")
            }
            Self::Other(wanted) => write!(f, "the TPM's answer holds no {wanted}"),
            Self::NameAlgorithm { index, alg } => write!(
                f,
                "NV index {index:#010x} is named by {alg}, and Turnout makes none but by sha256"
            ),
        }
    }
}

impl core::error::Error for Error {}

/// A response code; of one with bit 7 set, without what it is about.
const fn general(code: u32) -> u32 {
    if code & 0x80 == 0 { code } else { code & 0xbf }
}

/// The response codes that Turnout's commands can meet.
const fn meaning(code: u32) -> &'static str {
    match general(code) {
        0x082 => "attributes that contradict each other",
        0x083 => "it has no such hash algorithm",
        0x084 => "a value that it does not take",
        0x085 => "this hierarchy is switched off",
        0x08b => "there is no such handle",
        0x08e | 0x0a2 => "wrong authorization: somebody has set a password",
        0x095 => "a wrong size",
        0x09d => "a policy is not met: PCRs have been extended, or it is another policy",
        0x100 => "it was not started by the firmware",
        0x101 => "it has failed; only a reset can help",
        0x120 => "this command is switched off",
        0x124 | 0x12f => "this kind of authorization is not allowed here",
        0x128 => "PCRs were extended in between",
        0x143 => "it does not know the command",
        0x146 => "outside of the NV index",
        0x148 => "the NV index is locked",
        0x149 => "the NV index may not be used in this way",
        0x14a => "the NV index has never been written",
        0x14b => "its NV memory is full",
        0x14c => "there is such an NV index already",
        0x903 | 0x905 => "it has no room for another session",
        0x907 => "not from this locality",
        0x90a => "it is still testing itself",
        0x920 => "its NV memory is written too often; try again later",
        0x921 => "locked after too many wrong authorizations",
        0x922 => "try again",
        0x923 => "its NV memory is not available",
        _ => "see TPM_RC in the TPM library's Part 2",
    }
}

/// What is left of an answer; every read takes from its front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (head, rest) =
            self.0.split_at_checked(len).ok_or(Error::Short { wanted: len, left: self.0.len() })?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let left = self.0.len();
        let (head, rest) = self.0.split_first_chunk().ok_or(Error::Short { wanted: N, left })?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    /// The contents of a TPM2B.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], Error> {
        let len = self.u16()?;
        self.bytes(len.into())
    }

    pub(super) const fn end(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Long { left: self.0.len() }) }
    }
}

/// Appends a TPM2B.
pub(super) fn put_sized(out: &mut Vec<u8>, value: &[u8]) {
    // A TPM refuses a command whose sizes do not add up, as it would refuse one
    // of this length.
    let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(value);
}
