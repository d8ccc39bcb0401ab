//! The event log of measurements in the TCG's crypto-agile format, with digests
//! of SHA-256 (TCG PC Client Platform Firmware Profile 1.05, section 10).
//!
//! A log proves nothing by itself: only if extending its digests in their order
//! gives what the TPM says ([`replay`]) has it not been changed. Reading one
//! therefore checks nothing but its sizes, all of them.

use core::fmt;

use crate::base::digest::Digest;

use super::alg::HashAlg;
use super::pcr::Pcr;

/// Longest log that is read, in bytes.
pub const MAX_LOG: usize = 1 << 20;
/// Most events that are read.
pub const MAX_EVENTS: usize = 4096;
const MAX_ALGS: u32 = 16;

const SIGNATURE: &[u8; 16] = b"Spec ID Event03\0";

/// Event types (same document, 10.4.1).
pub mod kind {
    /// Extends nothing: information about the log.
    pub const NO_ACTION: u32 = 0x03;
    /// Ends a part of the boot.
    pub const SEPARATOR: u32 = 0x04;
    /// A record with a number that says what is in it; extended as a whole.
    pub const EVENT_TAG: u32 = 0x06;
    /// What a boot loader loads; its data are a description.
    pub const IPL: u32 = 0x0d;
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The PCR that was extended.
    pub pcr: u32,
    /// Of [`kind`].
    pub kind: u32,
    /// What it was extended with; zeros where it was not.
    pub digest: Digest,
    /// What people and verifiers can make of it.
    pub data: Vec<u8>,
}

impl Event {
    /// Whether a PCR was extended.
    #[must_use]
    pub const fn extends(&self) -> bool {
        self.kind != kind::NO_ACTION
    }
}

/// What is wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// It does not begin with the header of a crypto-agile log.
    Header,
    /// It is longer than [`MAX_LOG`]: its length.
    TooLong(usize),
    /// It has more events than [`MAX_EVENTS`].
    TooMany,
    /// It ends inside of the event with this number, counted from 1.
    Cut(usize),
    /// The event with this number has a digest that the header does not tell of.
    Algorithm(usize, HashAlg),
    /// The event with this number has no digest of SHA-256.
    NoSha256(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("this is no crypto-agile event log of the TCG"),
            Self::TooLong(len) => {
                write!(f, "the event log has {len} bytes, at most {MAX_LOG} are read")
            }
            Self::TooMany => write!(f, "the event log has more than {MAX_EVENTS} events"),
            Self::Cut(number) => write!(f, "the event log ends inside of event {number}"),
            Self::Algorithm(number, alg) => {
                write!(f, "event {number} has a digest of {alg}, which the header does not name")
            }
            Self::NoSha256(number) => write!(f, "event {number} has no digest of sha256"),
        }
    }
}

impl core::error::Error for Error {}

/// The log's bytes.
#[must_use]
pub fn write(events: &[Event]) -> Vec<u8> {
    let mut out = header();
    for event in events {
        put_u32(&mut out, event.pcr);
        put_u32(&mut out, event.kind);
        put_u32(&mut out, 1);
        out.extend_from_slice(&HashAlg::SHA256.0.to_le_bytes());
        out.extend_from_slice(&event.digest.0);
        put_sized(&mut out, &event.data);
    }
    out
}

/// TCG_PCR_EVENT with TCG_EfiSpecIdEvent in it (10.2.1, 10.4.5.1).
fn header() -> Vec<u8> {
    let mut id = SIGNATURE.to_vec();
    // Class: a PC client. Version 2.0, errata 105, and numbers of 8 bytes.
    put_u32(&mut id, 0);
    id.extend_from_slice(&[0, 2, 105, 2]);
    put_u32(&mut id, 1);
    id.extend_from_slice(&HashAlg::SHA256.0.to_le_bytes());
    id.extend_from_slice(&32_u16.to_le_bytes());
    id.push(0);
    let mut out = Vec::new();
    put_u32(&mut out, 0);
    put_u32(&mut out, kind::NO_ACTION);
    out.extend_from_slice(&[0; 20]);
    put_sized(&mut out, &id);
    out
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u32(out, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(bytes);
}

/// The events of a log.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read(log: &[u8]) -> Result<Vec<Event>, Error> {
    if log.len() > MAX_LOG {
        return Err(Error::TooLong(log.len()));
    }
    let mut rest = Fields(log);
    let sizes = read_header(&mut rest).ok_or(Error::Header)?;
    let mut events = Vec::new();
    while !rest.0.is_empty() {
        if events.len() == MAX_EVENTS {
            return Err(Error::TooMany);
        }
        let number = events.len().saturating_add(1);
        events.push(read_event(&mut rest, &sizes, number)?);
    }
    Ok(events)
}

/// What is left of a log; every read takes from its front. Numbers in it have
/// their lowest byte first.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?))
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.u32()?).ok()?;
        self.bytes(len)
    }
}

/// Algorithms and the lengths of their digests, in bytes.
type DigestSizes = Vec<(HashAlg, usize)>;

fn read_header(rest: &mut Fields<'_>) -> Option<DigestSizes> {
    let _pcr = rest.u32()?;
    let kind = rest.u32()?;
    let _digest = rest.bytes(20)?;
    let mut id = Fields(rest.sized()?);
    if kind != kind::NO_ACTION || id.bytes(SIGNATURE.len())? != SIGNATURE {
        return None;
    }
    let _class_and_version = id.bytes(8)?;
    let count = id.u32().filter(|count| *count <= MAX_ALGS)?;
    (0..count).map(|_| Some((HashAlg(id.u16()?), usize::from(id.u16()?)))).collect()
}

fn read_event(rest: &mut Fields<'_>, sizes: &DigestSizes, number: usize) -> Result<Event, Error> {
    let cut = Error::Cut(number);
    let pcr = rest.u32().ok_or(cut)?;
    let kind = rest.u32().ok_or(cut)?;
    let count = rest.u32().ok_or(cut)?;
    let mut sha256 = None;
    for _ in 0..count {
        let alg = HashAlg(rest.u16().ok_or(cut)?);
        let size = sizes.iter().find(|(known, _)| *known == alg);
        let (_, size) = size.ok_or(Error::Algorithm(number, alg))?;
        let digest = rest.bytes(*size).ok_or(cut)?;
        if alg == HashAlg::SHA256 {
            sha256 = digest.try_into().ok().map(Digest);
        }
    }
    let data = rest.sized().ok_or(cut)?.to_vec();
    let digest = sha256.ok_or(Error::NoSha256(number))?;
    Ok(Event { pcr, kind, digest, data })
}

/// What a PCR of the SHA-256 bank holds after these events, if it held zero
/// before.
#[must_use]
pub fn replay(events: &[Event], pcr: u32) -> Pcr {
    let of_pcr = events.iter().filter(|event| event.pcr == pcr && event.extends());
    of_pcr.fold(Pcr::ZERO, |value, event| value.extended(&event.digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(pcr: u32, kind: u32, data: &[u8]) -> Event {
        let digest = if kind == kind::NO_ACTION { Digest([0; 32]) } else { Digest::of(data) };
        Event { pcr, kind, digest, data: data.to_vec() }
    }

    fn events() -> Vec<Event> {
        vec![
            event(8, kind::EVENT_TAG, b"record"),
            event(8, kind::NO_ACTION, b"note"),
            event(9, kind::IPL, b""),
            event(8, kind::SEPARATOR, &[0; 4]),
        ]
    }

    #[test]
    fn a_log_that_was_written_is_read_again() {
        assert_eq!(read(&write(&events())), Ok(events()));
        assert_eq!(read(&write(&[])), Ok(Vec::new()));
    }

    #[test]
    fn the_header_is_the_one_of_the_standard() {
        let header = write(&[]);
        let expected = [
            &[0, 0, 0, 0, 3, 0, 0, 0][..],
            &[0; 20],
            &[33, 0, 0, 0],
            b"Spec ID Event03\0",
            &[0, 0, 0, 0, 0, 2, 105, 2],
            &[1, 0, 0, 0, 0x0b, 0, 32, 0, 0],
        ];
        assert_eq!(header, expected.concat());
    }

    #[test]
    fn replaying_extends_in_order_and_skips_what_extended_nothing() {
        let separator = Digest::of(&[0; 4]);
        let expected = Pcr::ZERO.extended(&Digest::of(b"record")).extended(&separator);
        assert_eq!(replay(&events(), 8), expected);
        assert_eq!(replay(&events(), 10), Pcr::ZERO);
    }

    #[test]
    fn a_cut_log_is_refused_unless_it_is_cut_between_events() {
        let log = write(&events());
        let whole = (0..log.len()).filter(|len| read(&log[..*len]).is_ok()).count();
        // After the header and after each event but the last.
        assert_eq!(whole, 1 + events().len() - 1);
        assert_eq!(read(&log[..log.len() - 1]), Err(Error::Cut(4)));
        assert_eq!(read(&log[..60]), Err(Error::Header));
    }

    #[test]
    fn a_log_of_firmware_is_read_for_its_sha256() {
        let mut log = write(&[]);
        // The header names two algorithms: two more for SHA-1.
        log[28] = 37;
        log[56] = 2;
        log.splice(60..60, [0x04, 0, 20, 0]);
        log.extend_from_slice(&[9, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 0x04, 0]);
        log.extend_from_slice(&[1; 20]);
        log.extend_from_slice(&[0x0b, 0]);
        log.extend_from_slice(&[2; 32]);
        log.extend_from_slice(&[0, 0, 0, 0]);
        let event = Event { pcr: 9, kind: 4, digest: Digest([2; 32]), data: Vec::new() };
        assert_eq!(read(&log), Ok(vec![event]));
    }

    #[test]
    fn unknown_digests_and_absent_ones_are_named() {
        let mut log = write(&events());
        let first = write(&[]).len();
        log[first + 12] = 0x0c;
        assert_eq!(
            read(&log).unwrap_err().to_string(),
            "event 1 has a digest of sha384, which the header does not name"
        );
        let mut log = write(&[]);
        log.extend_from_slice(&[8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(read(&log).unwrap_err().to_string(), "event 1 has no digest of sha256");
    }

    #[test]
    fn logs_without_end_are_not_read() {
        let long = vec![0; MAX_LOG + 1];
        assert_eq!(read(&long), Err(Error::TooLong(MAX_LOG + 1)));
        let event = &events()[3];
        let many: Vec<Event> = (0..=MAX_EVENTS).map(|_| event.clone()).collect();
        assert_eq!(read(&write(&many)), Err(Error::TooMany));
    }
}
