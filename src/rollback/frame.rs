//! One generation as bytes, of a length that its form gives.
//!
//! ```text
//! offset  bytes  what, numbers in little endian
//!      0      8  magic "TURNOUT" and a zero byte
//!      8      4  format version: 1 or 2
//!     12      4  length of the payload
//!     16      8  generation, from 1
//!     24      n  payload
//!   24+n         zeros
//! end-32     32  SHA-256 of everything before
//! ```
//! The payload of format 2 is a list of records: tag (two bytes), length (two
//! bytes), content; in the order of their tags, each tag once. A record whose tag
//! nobody here knows is kept as it is ([`Unknown`]). Format 1 has a record and a
//! trial and nothing else: the TPM's index still has it, because its places are
//! two bytes too short for format 2. `docs/rollback.md` has both.
//!
//! One state has one form: what [`read`] takes, [`write()`] gives back. A frame of
//! zeros is no frame, and nothing is ever read past its damage.

use core::fmt;

use super::refused;
use super::{Document, Floors, Record, Role, State, System, Trial, Unknown};
use crate::base::digest::Digest;
use crate::base::reader::{Reader, text};
use crate::base::used::{self, Used};
use crate::slots;

/// What a frame begins with.
pub const MAGIC: [u8; 8] = *b"TURNOUT\0";
const HEADER: usize = 24;
const CHECKSUM: usize = 32;
/// The last generation that is taken, and so the last that may be written.
pub(super) const MAX_GENERATION: u64 = 1 << 62;
/// Length of a frame of format 1 that holds a record and no trial, in bytes.
const RECORD_ONLY: usize = HEADER + 82 + CHECKSUM;
/// Length of a frame of format 2, in bytes: a page, so that the kernel never has
/// to read a part of it back in order to write.
const PAGE: usize = 4096;
/// Longest id of an entry, in bytes.
const MAX_ID: usize = 255;

/// The tags of format 2.
mod tag {
    pub(super) const RECORD: u16 = 1;
    pub(super) const TRIAL: u16 = 2;
    pub(super) const REFUSED: u16 = 3;
    pub(super) const SEEN: u16 = 4;
    pub(super) const USED: u16 = 5;
}

/// A version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Record and trial.
    One,
    /// Records with tags.
    Two,
}

impl Form {
    const ALL: [Self; 2] = [Self::One, Self::Two];

    const fn version(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// Length of the places that are written in this form, in bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::One => RECORD_ONLY,
            Self::Two => PAGE,
        }
    }
}

/// A state and its place in the order of writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// How it is written.
    pub form: Form,
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

impl Damage {
    /// Whether nothing is lost by writing over it: what cannot be read today may be read
    /// tomorrow, and a later format is somebody's.
    #[must_use]
    pub const fn is_for_good(&self) -> bool {
        !matches!(self, Self::Unreadable(_) | Self::Version(_))
    }
}

/// The bytes of a frame; `None` where `size`, or its form, has no room for the
/// state.
#[must_use]
pub fn write(frame: &Frame, size: usize) -> Option<Vec<u8>> {
    let payload = match frame.form {
        Form::One => write_one(&frame.state)?,
        Form::Two => write_two(&frame.state)?,
    };
    let mut bytes = Vec::with_capacity(size);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&frame.form.version().to_le_bytes());
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
/// Why they are not what [`write()`] gives.
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
    let version = header.number().unwrap_or_default();
    let form = Form::ALL.into_iter().find(|form| form.version() == version);
    let form = form.ok_or(Damage::Version(version))?;
    let frame = take_frame(&mut header, form).ok_or(Damage::Payload)?;
    if !(1..=MAX_GENERATION).contains(&frame.generation) {
        return Err(Damage::Generation(frame.generation));
    }
    Ok(frame)
}

/// Only what format 1 knows.
fn write_one(state: &State) -> Option<Vec<u8>> {
    let State { record, trial, .. } = state;
    if *state != (State { record: *record, trial: trial.clone(), ..State::default() }) {
        return None;
    }
    let mut out = Vec::new();
    match record {
        None => out.push(0),
        Some(record) => {
            out.push(1);
            out.extend(record_bytes(record));
        }
    }
    match trial {
        None => out.push(0),
        Some(trial) => {
            let id = u8::try_from(trial.entry.len()).ok()?;
            out.extend(system_bytes(trial));
            out.push(id);
            out.extend_from_slice(trial.entry.as_bytes());
        }
    }
    Some(out)
}

/// Known and unknown records in the order of their tags.
fn write_two(state: &State) -> Option<Vec<u8>> {
    let mut records: Vec<(u16, Vec<u8>)> = Vec::new();
    records.extend(state.record.as_ref().map(|record| (tag::RECORD, record_bytes(record))));
    if let Some(trial) = &state.trial {
        let id = Some(trial.entry.as_bytes()).filter(|id| id.len() <= MAX_ID)?;
        records.push((tag::TRIAL, [&system_bytes(trial), id].concat()));
    }
    if !state.refused.is_empty() {
        records.push((tag::REFUSED, refused::write(&state.refused)?));
    }
    if state.seen != Floors::default() {
        records.push((tag::SEEN, floors_bytes(state.seen)));
    }
    if !state.used.is_empty() {
        records.push((tag::USED, used_bytes(&state.used)?));
    }
    records.extend(slots::record::write(&state.slots)?);
    // What nobody here knows has higher tags than all of these.
    let known = records.iter().map(|(tag, bytes)| (*tag, bytes.as_slice()));
    let unknown = state.unknown.iter().map(|record| (record.tag, record.bytes.as_slice()));
    let mut out = Vec::new();
    for (tag, bytes) in known.chain(unknown) {
        out.extend_from_slice(&tag.to_le_bytes());
        out.extend_from_slice(&u16::try_from(bytes.len()).ok()?.to_le_bytes());
        out.extend_from_slice(bytes);
    }
    Some(out)
}

fn record_bytes(record: &Record) -> Vec<u8> {
    let mut out = floors_bytes(record.floors);
    for document in [record.policy, record.ring] {
        out.extend_from_slice(&document.version.to_le_bytes());
        out.extend_from_slice(&document.digest.0);
    }
    out
}

fn floors_bytes(floors: Floors) -> Vec<u8> {
    [floors.boot.to_le_bytes(), floors.recovery.to_le_bytes()].concat()
}

/// Length of the device's identifier (one byte), the identifier, digest; `None` where the
/// list is not one that is read back.
fn used_bytes(list: &[Used]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for one in list {
        out.push(u8::try_from(one.device.len()).ok()?);
        out.extend_from_slice(one.device.as_bytes());
        out.extend_from_slice(&one.value.0);
    }
    take_used(&mut Reader(&out)).is_some().then_some(out)
}

/// A trial up to its id.
fn system_bytes(trial: &Trial) -> Vec<u8> {
    let confirmed = if trial.confirmed { 2 } else { 1 };
    let role = match trial.system.role {
        Role::Boot => 0,
        Role::Recovery => 1,
    };
    let mut out = vec![confirmed, role];
    out.extend_from_slice(&trial.system.security_version.to_le_bytes());
    out.extend_from_slice(&trial.system.manifest.0);
    out
}

/// Everything behind the version; what is left must be zeros.
fn take_frame(bytes: &mut Reader<'_>, form: Form) -> Option<Frame> {
    let len = usize::try_from(bytes.number()?).ok()?;
    let generation = u64::from_le_bytes(bytes.array()?);
    let mut payload = Reader(bytes.bytes(len)?);
    let state = match form {
        Form::One => take_state_one(&mut payload)?,
        Form::Two => take_state_two(&mut payload)?,
    };
    let is_all = payload.0.is_empty() && bytes.0.iter().all(|byte| *byte == 0);
    is_all.then_some(Frame { form, generation, state })
}

fn take_state_one(bytes: &mut Reader<'_>) -> Option<State> {
    let record = match bytes.byte()? {
        0 => None,
        1 => Some(take_record(bytes)?),
        _ => return None,
    };
    let trial = match bytes.byte()? {
        0 => None,
        confirmed => {
            let (confirmed, system) = take_system(bytes, confirmed)?;
            let len = usize::from(bytes.byte()?);
            let entry = bytes.bytes(len)?;
            Some(Trial { entry: text(entry)?, system, confirmed })
        }
    };
    Some(State { record, trial, ..State::default() })
}

fn take_state_two(bytes: &mut Reader<'_>) -> Option<State> {
    let mut state = State::default();
    let mut last = 0;
    while !bytes.0.is_empty() {
        let tag = bytes.short().filter(|tag| *tag > last)?;
        let len = usize::from(bytes.short()?);
        take_tagged(&mut Reader(bytes.bytes(len)?), tag, &mut state)?;
        last = tag;
    }
    state.slots.is_sound().then_some(state)
}

/// One record, all of which is left.
fn take_tagged(bytes: &mut Reader<'_>, tag: u16, state: &mut State) -> Option<()> {
    match tag {
        tag::RECORD => state.record = Some(take_record(bytes)?),
        tag::TRIAL => {
            let confirmed = bytes.byte()?;
            let (confirmed, system) = take_system(bytes, confirmed)?;
            let entry = bytes.bytes(bytes.0.len()).filter(|id| id.len() <= MAX_ID)?;
            state.trial = Some(Trial { entry: text(entry)?, system, confirmed });
        }
        tag::REFUSED => state.refused = refused::read(bytes.bytes(bytes.0.len())?)?,
        tag::SEEN => {
            state.seen = take_floors(bytes).filter(|floors| *floors != Floors::default())?;
        }
        tag::USED => state.used = take_used(bytes)?,
        tag if slots::record::TAGS.contains(&tag) => {
            slots::record::read(tag, bytes, &mut state.slots)?;
        }
        tag => {
            let bytes = bytes.bytes(bytes.0.len())?.to_vec();
            state.unknown.push(Unknown { tag, bytes });
        }
    }
    bytes.0.is_empty().then_some(())
}

fn take_floors(bytes: &mut Reader<'_>) -> Option<Floors> {
    Some(Floors { boot: bytes.number()?, recovery: bytes.number()? })
}

fn take_record(bytes: &mut Reader<'_>) -> Option<Record> {
    let floors = take_floors(bytes)?;
    Some(Record { floors, policy: take_document(bytes)?, ring: take_document(bytes)? })
}

/// At least one, and of each device one.
fn take_used(bytes: &mut Reader<'_>) -> Option<Vec<Used>> {
    let mut list: Vec<Used> = Vec::new();
    loop {
        let length = usize::from(bytes.byte()?);
        let device = text(bytes.bytes(length)?)?;
        let is_one = (1..=used::MAX_DEVICE).contains(&length)
            && !device.bytes().any(|byte| byte.is_ascii_uppercase());
        if !is_one || list.len() == used::MAX || list.iter().any(|old| old.device == device) {
            return None;
        }
        list.push(Used { device, value: bytes.digest()? });
        if bytes.0.is_empty() {
            return Some(list);
        }
    }
}

fn take_document(bytes: &mut Reader<'_>) -> Option<Document> {
    Some(Document { version: bytes.number()?, digest: bytes.digest()? })
}

/// A trial's system and whether it has confirmed itself, which the byte before
/// it says.
fn take_system(bytes: &mut Reader<'_>, confirmed: u8) -> Option<(bool, System)> {
    let confirmed = match confirmed {
        1 => false,
        2 => true,
        _ => return None,
    };
    let role = match bytes.byte()? {
        0 => Role::Boot,
        1 => Role::Recovery,
        _ => return None,
    };
    let security_version = bytes.number()?;
    Some((confirmed, System { role, security_version, manifest: bytes.digest()? }))
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("it is blank"),
            Self::Magic => f.write_str("it does not begin like a generation"),
            Self::Checksum => f.write_str("its checksum is wrong"),
            Self::Version(version) => {
                write!(f, "it has format {version}, and only 1 and 2 are known")
            }
            Self::Generation(generation) => write!(f, "it claims to be generation {generation}"),
            Self::Payload => f.write_str("its content is not well-formed"),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::refused::Refused;
    use super::*;

    fn document(version: u32) -> Document {
        Document { version, digest: Digest::of(&version.to_le_bytes()) }
    }

    fn trial_of(system: System, confirmed: bool) -> Option<Trial> {
        Some(Trial { entry: "débian".into(), system, confirmed })
    }

    /// What format 1 knows.
    fn old_states() -> Vec<State> {
        let floors = Floors { boot: 7, recovery: u32::MAX };
        let record = Some(Record { floors, policy: document(3), ring: document(4) });
        let system =
            System { role: Role::Boot, security_version: 9, manifest: Digest::of(b"manifest") };
        let recovery = System { role: Role::Recovery, ..system };
        vec![
            State::default(),
            State { record, ..State::default() },
            State { record, trial: trial_of(system, false), ..State::default() },
            State { trial: trial_of(recovery, true), ..State::default() },
        ]
    }

    fn slots_of_a_start() -> slots::Slots {
        let mut slots = slots::Slots { once: Some("B".into()), ..slots::Slots::default() };
        slots.declare(["A", "B"].into_iter(), 3);
        slots
    }

    fn states() -> Vec<State> {
        let refused = vec![
            Refused { code: "FLOOR".into(), entry: "débian".into(), count: 3 },
            Refused { code: "discover".into(), entry: String::new(), count: 255 },
        ];
        let unknown = vec![
            Unknown { tag: 12, bytes: b"of a later version".to_vec() },
            Unknown { tag: u16::MAX, bytes: Vec::new() },
        ];
        let used = ["12ab-01", "0fc63daf-8483-4772-8e79-3d69d8477de4"];
        let used = used.map(|device| Used { device: device.into(), value: Digest::of(b"2") });
        let full = State {
            refused,
            used: used.to_vec(),
            unknown,
            seen: Floors { boot: 0, recovery: 4 },
            ..old_states().remove(2)
        };
        let mut all = old_states();
        all.push(State { seen: Floors { boot: 7, recovery: 0 }, ..State::default() });
        all.push(State { used: full.used.clone(), ..State::default() });
        all.push(State { slots: slots_of_a_start(), ..State::default() });
        all.push(State { trial: None, ..full.clone() });
        all.push(full);
        all
    }

    fn seal(bytes: &mut [u8]) {
        let body = bytes.len() - CHECKSUM;
        let checksum = Digest::of(&bytes[..body]);
        bytes[body..].copy_from_slice(&checksum.0);
    }

    fn good(form: Form) -> Vec<u8> {
        let state = match form {
            Form::One => old_states().remove(2),
            Form::Two => states().pop().unwrap(),
        };
        write(&Frame { form, generation: 5, state }, 512).unwrap()
    }

    #[test]
    fn every_state_reads_as_it_was_written() {
        let one = old_states().into_iter().map(|state| (Form::One, state));
        for (form, state) in one.chain(states().into_iter().map(|state| (Form::Two, state))) {
            let frame = Frame { form, generation: 1, state };
            let bytes = write(&frame, 512).unwrap();
            assert_eq!((bytes.len(), read(&bytes)), (512, Ok(frame)));
        }
    }

    #[test]
    fn a_record_alone_fits_exactly_into_the_shortest_place() {
        let state = old_states().remove(1);
        let frame = Frame { form: Form::One, generation: MAX_GENERATION, state };
        assert_eq!(Form::One.size(), 138);
        assert_eq!(write(&frame, RECORD_ONLY).map(|bytes| bytes.len()), Some(RECORD_ONLY));
        assert_eq!(write(&frame, RECORD_ONLY - 1), None);
        // Two bytes too many: why the TPM's index keeps format 1.
        let frame = Frame { form: Form::Two, ..frame };
        assert_eq!(write(&frame, RECORD_ONLY + 1), None);
        assert!(write(&frame, RECORD_ONLY + 2).is_some());
    }

    #[test]
    fn format_1_takes_nothing_that_it_would_lose() {
        for state in states().into_iter().skip(old_states().len()) {
            assert_eq!(write(&Frame { form: Form::One, generation: 1, state }, 4096), None);
        }
    }

    #[test]
    fn an_id_that_no_entry_has_is_not_cut_short() {
        for form in Form::ALL {
            let mut state = old_states().remove(2);
            state.trial.as_mut().unwrap().entry = "a".repeat(255);
            let frame = Frame { form, generation: 1, state };
            assert_eq!(read(&write(&frame, 4096).unwrap()), Ok(frame.clone()));
            let mut state = frame.state;
            state.trial.as_mut().unwrap().entry.push('a');
            assert_eq!(write(&Frame { form, generation: 1, state }, 4096), None);
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_damage() {
        for good in Form::ALL.map(good) {
            for at in 0..good.len() {
                for bit in 0..8 {
                    let mut bytes = good.clone();
                    bytes[at] ^= 1 << bit;
                    let expected = if at < MAGIC.len() { Damage::Magic } else { Damage::Checksum };
                    assert_eq!(read(&bytes), Err(expected), "byte {at}");
                }
                assert!(read(&good[..at]).is_err(), "{at} bytes");
            }
        }
        assert_eq!(read(&[0; 512]), Err(Damage::Blank));
        assert_eq!(read(&[]), Err(Damage::Blank));
    }

    fn changed(form: Form, at: usize, value: u8) -> Result<Frame, Damage> {
        let mut bytes = good(form);
        bytes[at] = value;
        seal(&mut bytes);
        read(&bytes)
    }

    #[test]
    fn a_right_checksum_over_wrong_content_is_damage_all_the_same() {
        let changes: [(usize, u8, Damage); 8] = [
            (8, 3, Damage::Version(3)),
            (12, 1, Damage::Payload),
            (13, 1, Damage::Payload),
            (16, 0, Damage::Generation(0)),
            (23, 0x80, Damage::Generation(0x8000_0000_0000_0005)),
            (24, 2, Damage::Payload),
            (24 + 81, 3, Damage::Payload),
            (400, 1, Damage::Payload),
        ];
        for (at, value, expected) in changes {
            assert_eq!(changed(Form::One, at, value), Err(expected), "byte {at}");
        }
        for (at, value) in [
            // Tag and length of the record; tag, length, word, role of the trial.
            (24, 0),
            (24, 2),
            (26, 79),
            (26, 81),
            (27, 1),
            (108, 1),
            (108, 3),
            (110, 1),
            (112, 3),
            (113, 2),
            (150, 0xff),
            (400, 1),
        ] {
            assert_eq!(changed(Form::Two, at, value), Err(Damage::Payload), "byte {at}");
        }
    }

    fn two(payload: &[u8]) -> Result<State, Damage> {
        let mut bytes = good(Form::Two);
        bytes.truncate(HEADER);
        bytes[12..16].copy_from_slice(&u32::try_from(payload.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(payload);
        bytes.resize(512, 0);
        seal(&mut bytes);
        read(&bytes).map(|frame| frame.state)
    }

    #[test]
    fn records_stand_in_the_order_of_their_tags_and_each_once() {
        let unknown = |tag| Unknown { tag, bytes: vec![1] };
        let state = two(&[12, 0, 1, 0, 1, 13, 0, 1, 0, 1]).unwrap();
        assert_eq!(state.unknown, [unknown(12), unknown(13)]);
        for payload in [
            &[13, 0, 1, 0, 1, 12, 0, 1, 0, 1][..],
            &[12, 0, 1, 0, 1, 12, 0, 1, 0, 1],
            &[0, 0, 0, 0],
            &[12, 0, 2, 0, 1],
            &[12, 0, 1],
            // A slot without a name, an attempt at a slot that there is not, no default.
            &[6, 0, 6, 0, 0, 1, 0, 3, 3, 0],
            &[9, 0, 5, 0, 0, 1, 0, 0, 0],
            &[8, 0, 0, 0],
            // No floor was seen, nothing was refused: then there is no record of it.
            &[4, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[4, 0, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            &[3, 0, 0, 0],
            &[5, 0, 0, 0],
            // No device, and a digest that is cut short.
            &[[5, 0, 33, 0, 0].as_slice(), &[0; 32]].concat(),
            &[5, 0, 2, 0, 1, b'a'],
            &[[5, 0, 34, 0, 1, b'A'].as_slice(), &[0; 32]].concat(),
        ] {
            assert_eq!(two(payload), Err(Damage::Payload), "{payload:?}");
        }
    }

    #[test]
    fn whatever_is_read_is_written_back_as_it_was() {
        for good in Form::ALL.map(good) {
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
}
