//! The decision record: one event in PCR 8 that says what boots and on whose
//! word. Every field has a number and a length, so that no two decisions give
//! the same bytes.

use crate::base::digest::Digest;
use crate::base::sort;
use crate::tpm::log::{Event, kind};
use crate::trust::Role;
use crate::trust::verify::{Attested, Mode, Signed};

use super::DECISION;

/// The taggedEventID of the record: "trn1" with its lowest byte first. The last
/// digit is the record's version.
const TAG: u32 = u32::from_le_bytes(*b"trn1");

/// Numbers of the fields, in the order in which they stand.
mod field {
    pub(super) const MODE: u16 = 1;
    pub(super) const ROLE: u16 = 2;
    pub(super) const ENTRY: u16 = 3;
    pub(super) const MANIFEST: u16 = 4;
    pub(super) const KEY: u16 = 5;
    pub(super) const SECURITY_VERSION: u16 = 6;
    pub(super) const FILES: u16 = 7;
    pub(super) const COMMAND_LINE: u16 = 8;
}

/// What is decided for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decision<'a> {
    /// Id of the entry.
    pub(super) entry: &'a str,
    /// The command line of the next kernel.
    pub(super) cmdline: &'a str,
    /// Kinds of the files, in their order.
    pub(super) files: &'a [&'a str],
}

/// The event of a decision.
pub(super) fn event(mode: Mode, attested: &Attested, decision: Decision<'_>) -> Event {
    let mut record = Record(Vec::new());
    record.put(field::MODE, mode_name(mode).as_bytes());
    record.put(field::ROLE, role_name(attested).as_bytes());
    record.put(field::ENTRY, decision.entry.as_bytes());
    if let Attested::Signed(signed) = attested {
        record.put_signed(signed);
    }
    record.put(field::FILES, decision.files.join(" ").as_bytes());
    record.put(field::COMMAND_LINE, decision.cmdline.as_bytes());
    let data = record.tagged();
    Event { pcr: DECISION, kind: kind::EVENT_TAG, digest: Digest::of(&data), data }
}

const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Locked => "locked",
        Mode::Open => "open",
    }
}

const fn role_name(attested: &Attested) -> &'static str {
    match (attested, attested.role()) {
        (Attested::Unsigned(_), _) => "unsigned",
        (_, Role::Boot) => "boot",
        (_, Role::Recovery) => "recovery",
    }
}

struct Record(Vec<u8>);

impl Record {
    /// Type, length and value; numbers with their lowest byte first, as all in
    /// the TCG's log.
    fn put(&mut self, field: u16, value: &[u8]) {
        let len = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&field.to_le_bytes());
        self.0.extend_from_slice(&len.to_le_bytes());
        self.0.extend_from_slice(value);
    }

    /// The keys in the order of their fingerprints: that of the signatures in
    /// the file decides nothing.
    fn put_signed(&mut self, signed: &Signed) {
        self.put(field::MANIFEST, &signed.digest().0);
        let mut keys: Vec<_> = signed.fingerprints().iter().map(|key| key.0).collect();
        sort::sort(&mut keys);
        for key in keys {
            self.put(field::KEY, &key);
        }
        let version = signed.manifest().security_version;
        self.put(field::SECURITY_VERSION, &version.to_le_bytes());
    }

    /// TCG_PCClientTaggedEvent (PC Client Platform Firmware Profile, 10.4.2.1).
    fn tagged(self) -> Vec<u8> {
        let mut out = TAG.to_le_bytes().to_vec();
        let len = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&self.0);
        out
    }
}
