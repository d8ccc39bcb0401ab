//! One generation as bytes, of a length that its place gives.
//!
//! ```text
//! offset  bytes  what, numbers in little endian
//!      0      8  magic "TURNOUT" and a zero byte
//!      8      4  format version: 1
//!     12      4  length of the payload
//!     16      8  generation, from 1
//!     24      n  payload: the record, then the trial
//!   24+n         zeros
//! end-32     32  SHA-256 of everything before
//! ```
//! The record: 1 and then floor (boot), floor (recovery), policy (version,
//! digest), key ring (version, digest); or 0. The trial: 1 (tried) or 2
//! (confirmed) and then role (0 boot, 1 recovery), security version, digest of
//! the manifest, length of the entry's id in one byte, id; or 0. Versions and
//! floors have four bytes, digests 32.
//!
//! One state has one form: what [`read`] takes, [`write`] gives back. A frame of
//! zeros is no frame, and nothing is ever read past its damage.

use core::fmt;

use super::{Document, Floors, Record, Role, State, System, Trial};
use crate::base::digest::Digest;

const MAGIC: [u8; 8] = *b"TURNOUT\0";
const VERSION: u32 = 1;
const HEADER: usize = 24;
const CHECKSUM: usize = 32;
/// Leaves room to count on from any frame that is taken.
const MAX_GENERATION: u64 = 1 << 62;

/// Length of a frame that holds a record and no trial, in bytes.
pub const RECORD_ONLY: usize = HEADER + 82 + CHECKSUM;

/// A state and its place in the order of writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Counts every write, from 1.
    pub generation: u64,
    /// What was written.
    pub state: State,
}

/// Why bytes are no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// Nothing but zeros: nothing was ever written.
    Blank,
    /// Something else, or the beginning was destroyed.
    Magic,
    /// The checksum does not fit: torn, or changed.
    Checksum,
    /// A format that this program does not know.
    Version(u32),
    /// A generation that no honest writer reaches.
    Generation(u64),
    /// The payload is not in the one form that it can have.
    Payload,
    /// The place could not be read at all; why.
    Unreadable(String),
}

/// The bytes of a frame; `None` where `size` has no room for the state.
#[must_use]
pub fn write(frame: &Frame, size: usize) -> Option<Vec<u8>> {
    let payload = write_state(&frame.state)?;
    let mut bytes = Vec::with_capacity(size);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(payload.len()).ok()?.to_le_bytes());
    bytes.extend_from_slice(&frame.generation.to_le_bytes());
    bytes.extend_from_slice(&payload);
    let body = size.checked_sub(CHECKSUM).filter(|body| bytes.len() <= *body)?;
    bytes.resize(body, 0);
    let checksum = Digest::of(&bytes);
    bytes.extend_from_slice(&checksum.0);
    Some(bytes)
}

/// Reads the bytes of one place, all of them.
///
/// # Errors
/// Why they are not what [`write`] gives.
pub fn read(bytes: &[u8]) -> Result<Frame, Damage> {
    if bytes.iter().all(|byte| *byte == 0) {
        return Err(Damage::Blank);
    }
    if !bytes.starts_with(&MAGIC) {
        return Err(Damage::Magic);
    }
    let (body, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(Damage::Checksum)?;
    if Digest::of(body).0 != *checksum {
        return Err(Damage::Checksum);
    }
    let mut header = Reader(body.get(MAGIC.len()..).unwrap_or_default());
    match header.number() {
        Some(VERSION) => {}
        other => return Err(Damage::Version(other.unwrap_or_default())),
    }
    let frame = header.frame().ok_or(Damage::Payload)?;
    if !(1..=MAX_GENERATION).contains(&frame.generation) {
        return Err(Damage::Generation(frame.generation));
    }
    Ok(frame)
}

fn write_state(state: &State) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match &state.record {
        None => out.push(0),
        Some(record) => {
            out.push(1);
            write_record(record, &mut out);
        }
    }
    match &state.trial {
        None => out.push(0),
        Some(trial) => write_trial(trial, &mut out)?,
    }
    Some(out)
}

fn write_record(record: &Record, out: &mut Vec<u8>) {
    out.extend_from_slice(&record.floors.boot.to_le_bytes());
    out.extend_from_slice(&record.floors.recovery.to_le_bytes());
    for document in [record.policy, record.ring] {
        out.extend_from_slice(&document.version.to_le_bytes());
        out.extend_from_slice(&document.digest.0);
    }
}

fn write_trial(trial: &Trial, out: &mut Vec<u8>) -> Option<()> {
    out.push(if trial.confirmed { 2 } else { 1 });
    out.push(match trial.system.role {
        Role::Boot => 0,
        Role::Recovery => 1,
    });
    out.extend_from_slice(&trial.system.security_version.to_le_bytes());
    out.extend_from_slice(&trial.system.manifest.0);
    out.push(u8::try_from(trial.entry.len()).ok()?);
    out.extend_from_slice(trial.entry.as_bytes());
    Some(())
}

/// What is left of a frame's bytes; every read takes from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn digest(&mut self) -> Option<Digest> {
        self.array().map(Digest)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    /// Everything behind the version; what is left must be zeros.
    fn frame(&mut self) -> Option<Frame> {
        let len = usize::try_from(self.number()?).ok()?;
        let generation = u64::from_le_bytes(self.array()?);
        let mut payload = Reader(self.bytes(len)?);
        let state = payload.state()?;
        let is_all = payload.0.is_empty() && self.0.iter().all(|byte| *byte == 0);
        is_all.then_some(Frame { generation, state })
    }

    fn state(&mut self) -> Option<State> {
        let record = match self.byte()? {
            0 => None,
            1 => Some(self.record()?),
            _ => return None,
        };
        let trial = match self.byte()? {
            0 => None,
            1 => Some(self.trial(false)?),
            2 => Some(self.trial(true)?),
            _ => return None,
        };
        Some(State { record, trial })
    }

    fn record(&mut self) -> Option<Record> {
        let floors = Floors { boot: self.number()?, recovery: self.number()? };
        Some(Record { floors, policy: self.document()?, ring: self.document()? })
    }

    fn document(&mut self) -> Option<Document> {
        Some(Document { version: self.number()?, digest: self.digest()? })
    }

    fn trial(&mut self, confirmed: bool) -> Option<Trial> {
        let role = match self.byte()? {
            0 => Role::Boot,
            1 => Role::Recovery,
            _ => return None,
        };
        let security_version = self.number()?;
        let manifest = self.digest()?;
        let len = usize::from(self.byte()?);
        let entry = core::str::from_utf8(self.bytes(len)?).ok()?.to_owned();
        Some(Trial { entry, system: System { role, security_version, manifest }, confirmed })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("it is blank"),
            Self::Magic => f.write_str("it does not begin like a generation"),
            Self::Checksum => f.write_str("its checksum is wrong"),
            Self::Version(version) => write!(f, "it has format {version}, and only 1 is known"),
            Self::Generation(generation) => write!(f, "it claims to be generation {generation}"),
            Self::Payload => f.write_str("its content is not well-formed"),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(version: u32) -> Document {
        Document { version, digest: Digest::of(&version.to_le_bytes()) }
    }

    fn trial_of(system: System, confirmed: bool) -> Option<Trial> {
        Some(Trial { entry: "débian".into(), system, confirmed })
    }

    fn states() -> Vec<State> {
        let floors = Floors { boot: 7, recovery: u32::MAX };
        let record = Some(Record { floors, policy: document(3), ring: document(4) });
        let system =
            System { role: Role::Boot, security_version: 9, manifest: Digest::of(b"manifest") };
        let recovery = System { role: Role::Recovery, ..system };
        vec![
            State { record: None, trial: None },
            State { record, trial: None },
            State { record, trial: trial_of(system, false) },
            State { record: None, trial: trial_of(recovery, true) },
        ]
    }

    fn seal(bytes: &mut [u8]) {
        let body = bytes.len() - CHECKSUM;
        let checksum = Digest::of(&bytes[..body]);
        bytes[body..].copy_from_slice(&checksum.0);
    }

    fn good() -> Vec<u8> {
        let frame = Frame { generation: 5, state: states().remove(2) };
        write(&frame, 512).unwrap()
    }

    #[test]
    fn every_state_reads_as_it_was_written() {
        for state in states() {
            let frame = Frame { generation: 1, state };
            let bytes = write(&frame, 512).unwrap();
            assert_eq!((bytes.len(), read(&bytes)), (512, Ok(frame)));
        }
    }

    #[test]
    fn a_record_alone_fits_exactly_into_the_shortest_place() {
        let frame = Frame { generation: MAX_GENERATION, state: states().remove(1) };
        assert_eq!(write(&frame, RECORD_ONLY).map(|bytes| bytes.len()), Some(RECORD_ONLY));
        assert_eq!(write(&frame, RECORD_ONLY - 1), None);
    }

    #[test]
    fn an_id_that_no_entry_has_is_not_cut_short() {
        let mut state = states().remove(2);
        state.trial.as_mut().unwrap().entry = "a".repeat(256);
        assert_eq!(write(&Frame { generation: 1, state }, 4096), None);
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_damage() {
        let good = good();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                let expected = if at < MAGIC.len() { Damage::Magic } else { Damage::Checksum };
                assert_eq!(read(&bytes), Err(expected), "byte {at}");
            }
            assert!(read(&good[..at]).is_err(), "{at} bytes");
        }
        assert_eq!(read(&[0; 512]), Err(Damage::Blank));
        assert_eq!(read(&[]), Err(Damage::Blank));
    }

    #[test]
    fn a_right_checksum_over_wrong_content_is_damage_all_the_same() {
        let changes: [(usize, u8, Damage); 9] = [
            (8, 2, Damage::Version(2)),
            (12, 1, Damage::Payload),
            (13, 1, Damage::Payload),
            (16, 0, Damage::Generation(0)),
            (23, 0x80, Damage::Generation(0x8000_0000_0000_0005)),
            (24, 2, Damage::Payload),
            (24 + 81, 3, Damage::Payload),
            (24 + 82, 2, Damage::Payload),
            (300, 1, Damage::Payload),
        ];
        for (at, value, expected) in changes {
            let mut bytes = good();
            bytes[at] = value;
            seal(&mut bytes);
            assert_eq!(read(&bytes), Err(expected), "byte {at}");
        }
    }

    #[test]
    fn whatever_is_read_is_written_back_as_it_was() {
        let good = good();
        for at in 0..good.len() - CHECKSUM {
            for value in [0, 1, 2, 3, 0x7f, 0xff] {
                let mut bytes = good.clone();
                bytes[at] = value;
                seal(&mut bytes);
                if let Ok(frame) = read(&bytes) {
                    assert_eq!(write(&frame, bytes.len()), Some(bytes), "byte {at}");
                }
            }
        }
    }
}
