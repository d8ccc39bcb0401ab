//! What is measured of a boot: as values, the same on the device that extends
//! them and on the host that predicts them.
//!
//! PCR 8 holds what was decided, PCR 9 what was loaded, PCR 11, if the image asks
//! for it, the sections of a unified kernel image as systemd-stub measures them.
//! The digests are those that were taken while the files were read: nothing is
//! read or hashed again, except for those sections. Nothing here asks a TPM.
//! `docs/measurements.md` has every byte.

mod cap;
mod handover;
mod record;
mod uki;

use crate::base::digest::Digest;
use crate::bundle::{Blob, Bundle};
use crate::plan;
use crate::tpm::log::{Event, kind};
use crate::trust::verify::{Attested, Mode, Verified};

pub use cap::cap;
pub use handover::{LOG_PATH, STATE_PATH, archive, state_archive};
use record::Decision;

/// The PCR of decisions (UAPI.7: boot loader commands and command line).
pub const DECISION: u32 = 8;
/// The PCR of what is loaded (UAPI.7: files read by the boot loader).
pub const FILES: u32 = 9;
/// The PCR of unified kernel images (UAPI.7: kernel-boot).
pub const UKI: u32 = 11;

const PLATFORM_WAS_OPEN: &[u8] = b"turnout: the platform hierarchy was open\0";

/// What an EV_SEPARATOR says (TCG PC Client Platform Firmware Profile, 10.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// The next kernel is about to start.
    Start,
    /// What follows is recovery: no value that a regular boot has can be
    /// reached any more.
    Recovery,
    /// What follows could not be measured: an error, in the standard's words.
    Unmeasured,
}

impl Boundary {
    const fn data(self) -> [u8; 4] {
        match self {
            Self::Start => [0; 4],
            Self::Recovery => [0xff; 4],
            Self::Unmeasured => 1_u32.to_le_bytes(),
        }
    }

    /// The separator in PCR 8 and PCR 9.
    #[must_use]
    pub fn events(self) -> [Event; 2] {
        [DECISION, FILES].map(|pcr| self.event(pcr))
    }

    fn event(self, pcr: u32) -> Event {
        Event {
            pcr,
            kind: kind::SEPARATOR,
            digest: Digest::of(&self.data()),
            data: self.data().to_vec(),
        }
    }
}

/// What the log says of a TPM whose platform hierarchy was open at the start. It
/// extends nothing.
#[must_use]
pub fn platform_was_open() -> Event {
    let data = PLATFORM_WAS_OPEN.to_vec();
    Event { pcr: DECISION, kind: kind::NO_ACTION, digest: Digest([0; 32]), data }
}

/// Whether a log says so.
#[must_use]
pub fn says_platform_was_open(events: &[Event]) -> bool {
    events.contains(&platform_was_open())
}

/// What decides which sections of a unified kernel image are measured.
#[derive(Debug, Clone, Copy)]
pub struct Sections<'a> {
    /// What the machine is compatible with first of all.
    pub board: Option<&'a str>,
}

/// Everything that is measured of an entry before its kernel starts, in order.
/// Where `sections` are given, those of a unified kernel image are measured too.
///
/// # Errors
/// A unified kernel image that cannot be read.
pub fn entry<B: AsRef<[u8]>>(
    mode: Mode,
    attested: &Attested,
    bundle: &Verified<Bundle<B>>,
    sections: Option<Sections<'_>>,
) -> Result<Vec<Event>, plan::Error> {
    let cmdline = plan::cmdline(bundle)?;
    let files = files(bundle);
    let kinds: Vec<&str> = files.iter().map(|(kind, _)| *kind).collect();
    let decision = Decision { entry: &bundle.entry, cmdline: &cmdline, files: &kinds };
    let mut events = vec![record::event(mode, attested, decision)];
    events.extend(files.into_iter().map(|(kind, blob)| file_event(kind, blob)));
    if let Some(Sections { board }) = sections {
        events.extend(uki::events(bundle, board));
    }
    events.extend(Boundary::Start.events());
    Ok(events)
}

/// The files in the order in which the next kernel gets them.
fn files<B>(bundle: &Bundle<B>) -> Vec<(&'static str, &Blob<B>)> {
    let kernel = if bundle.profile.is_some() { "uki" } else { "linux" };
    let mut files = vec![(kernel, &bundle.linux)];
    files.extend(bundle.initrds.iter().map(|blob| ("initrd", blob)));
    files.extend(bundle.devicetree.iter().map(|blob| ("devicetree", blob)));
    files.extend(bundle.overlays.iter().map(|blob| ("overlay", blob)));
    files.extend(bundle.addons.iter().map(|blob| ("addon", blob)));
    files
}

fn file_event<B>(kind: &str, blob: &Blob<B>) -> Event {
    let data = format!("{kind} {}\0", blob.path).into_bytes();
    Event { pcr: FILES, kind: kind::IPL, digest: blob.digest, data }
}

#[cfg(test)]
mod tests;
