//! Has the TPM witness what boots: joins what [`crate::measure`] says is to be
//! measured with the TPM, and keeps the event log.
//!
//! Every bank of the TPM that is active is extended with the first event of a
//! PCR: SHA-256's with the event, all others with a cap, so that none stays open
//! for somebody to put there what never booted. A TPM that fails once is not
//! asked again. What that means is the image's to say: with `tpm required` only
//! recovery systems boot, with `tpm optional` the next system gets no log.
//!
//! Where the TPM keeps the record of versions, PCR 8 is extended in any case, and
//! read back: no operating system starts while the record can be written.

use std::path::Path;

use super::voice::Voice;
use crate::bundle::Bundle;
use crate::config::{self, Config};
use crate::failure::{Failure, Stage};
use crate::measure::{self, Boundary, LOG_PATH, Sections};
use crate::rollback::Strength;
use crate::sys::read::Sealed;
use crate::sys::tpm::Tpm;
use crate::sys::{clock, file};
use crate::tpm::alg::HashAlg;
use crate::tpm::command;
use crate::tpm::log::{self, Event, MAX_LOG};
use crate::tpm::pcr::Selection;
use crate::tpm::platform::{self, Platform};
use crate::tpm::response;
use crate::trust::Role;
use crate::trust::verify::{Attested, Identity, Mode, Verified};

/// What other banks than SHA-256's are extended with: no hash algorithm gives it
/// for any input that somebody knows.
const CAP: [u8; 64] = [0xff; 64];

/// What the TPM has seen.
pub(super) struct Witness {
    /// Everything that was measured since the machine was reset, as far as it is
    /// known.
    events: Vec<Event>,
    banks: Vec<Selection>,
    /// Bit n: PCR n of all other banks has its cap.
    capped: u32,
    /// The separators before recovery were extended.
    in_recovery: bool,
    /// Why nothing can be measured.
    lost: Option<String>,
    /// What the image says of a boot without a TPM.
    wanted: config::Tpm,
    /// Whether the TPM keeps the record of versions, for which PCR 8 is zero.
    keeps_record: bool,
    mode: Mode,
    /// Whether the sections of a unified kernel image are measured.
    has_sections: bool,
    /// The board's own name.
    board: Option<String>,
}

impl Witness {
    /// Asks the TPM for its banks, if there is one, and closes what the image does
    /// not leave open; what has to be said of it.
    pub(super) fn find(
        config: &Config,
        identity: &Identity,
        tpm: &mut Result<Option<Tpm>, String>,
    ) -> (Self, Vec<String>) {
        let mut said = Vec::new();
        let was_open = config.platform() == config::Platform::Close
            && close_platform(tpm, &mut said) == Some(Platform::Open);
        let banks = ask_for_banks(tpm);
        let lost = banks.as_ref().map_or_else(|why| Some(why.clone()), |banks| lack(banks));
        match (&lost, config.tpm()) {
            (None, _) | (_, config::Tpm::Off) => {}
            (Some(why), _) => said.push(format!("nothing is measured: {why}")),
        }
        let mut events = if lost.is_some() { Vec::new() } else { earlier_events(&mut said) };
        events.extend(was_open.then(measure::platform_was_open));
        let witness = Self {
            events,
            banks: banks.unwrap_or_default(),
            capped: 0,
            in_recovery: false,
            lost,
            wanted: config.tpm(),
            keeps_record: config.rollback == Strength::Enforced,
            mode: config.mode,
            has_sections: config.measure_uki,
            board: identity.boards.first().cloned(),
        };
        (witness, said)
    }

    fn extend_all(&mut self, tpm: &mut Tpm, events: &[Event]) -> Result<(), String> {
        events.iter().try_for_each(|event| self.extend(tpm, event))
    }

    fn extend(&mut self, tpm: &mut Tpm, event: &Event) -> Result<(), String> {
        let mut digests: Vec<(HashAlg, &[u8])> = vec![(HashAlg::SHA256, &event.digest.0)];
        let bit = 1_u32.checked_shl(event.pcr).unwrap_or(0);
        let others = if self.capped & bit == 0 { caps(&self.banks, bit)? } else { Vec::new() };
        digests.extend(&others);
        let answer = call(tpm, &command::pcr_extend(event.pcr, &digests))?;
        response::done(&answer).map_err(|error| error.to_string())?;
        self.capped |= bit;
        self.events.push(event.clone());
        Ok(())
    }
}

fn call(tpm: &mut Tpm, command: &[u8]) -> Result<Vec<u8>, String> {
    tpm.call(command).map_err(|error| error.to_string())
}

/// The TPM, or why there is none to be asked.
fn present(tpm: &mut Result<Option<Tpm>, String>) -> Result<&mut Tpm, String> {
    match tpm {
        Ok(Some(tpm)) => Ok(tpm),
        Ok(None) => Err("there is no TPM".to_owned()),
        Err(why) => Err(why.clone()),
    }
}

/// Nothing that is started later changes banks or clears indexes. How the
/// hierarchy stood before, as far as that is known.
fn close_platform(
    tpm: &mut Result<Option<Tpm>, String>,
    said: &mut Vec<String>,
) -> Option<Platform> {
    let tpm = present(tpm).ok()?;
    match platform::close(|command| call(tpm, command)) {
        Ok(Platform::Open) => {
            said.push("the TPM's platform hierarchy was open, and is closed now".to_owned());
            Some(Platform::Open)
        }
        Ok(shut) => Some(shut),
        Err(why) => {
            said.push(format!("the TPM's platform hierarchy cannot be closed: {why}"));
            None
        }
    }
}

/// The TPM's banks.
fn ask_for_banks(tpm: &mut Result<Option<Tpm>, String>) -> Result<Vec<Selection>, String> {
    let answer = call(present(tpm)?, &command::get_capability_pcrs())?;
    response::banks(&answer).map_err(|error| error.to_string())
}

/// What the bank of SHA-256 lacks to measure anything.
fn lack(banks: &[Selection]) -> Option<String> {
    let mut bank = banks.iter().filter(|bank| bank.alg == HashAlg::SHA256);
    let pcrs = bank.next().map_or(0, |bank| bank.pcrs);
    if pcrs == 0 {
        let how = "the firmware's setup switches it on";
        return Some(format!("the TPM's bank of SHA-256 is not active; {how}"));
    }
    let needed = [measure::DECISION, measure::FILES, measure::UKI];
    let missing = needed.into_iter().find(|pcr| pcrs & 1 << pcr == 0)?;
    let how = "the firmware's setup, or tpm2_pcrallocate, puts it back";
    Some(format!("the TPM's bank of SHA-256 has no PCR {missing}; {how}"))
}

/// What the other banks that have this PCR are extended with.
fn caps(banks: &[Selection], bit: u32) -> Result<Vec<(HashAlg, &'static [u8])>, String> {
    let others = banks.iter().filter(|bank| bank.alg != HashAlg::SHA256 && bank.pcrs & bit != 0);
    others.map(|bank| Ok((bank.alg, cap(bank)?))).collect()
}

/// The same, without banks of an algorithm that is not known here.
fn known_caps(banks: &[Selection], bit: u32) -> Vec<(HashAlg, &'static [u8])> {
    let known: Vec<_> = banks.iter().copied().filter(|bank| cap(bank).is_ok()).collect();
    caps(&known, bit).unwrap_or_default()
}

fn cap(bank: &Selection) -> Result<&'static [u8], String> {
    let cap = bank.alg.digest_size().and_then(|size| CAP.get(..size));
    cap.ok_or_else(|| format!("the TPM has an open bank of {}", bank.alg))
}

/// The log of the Turnout that started this kernel, if one did.
fn earlier_events(said: &mut Vec<String>) -> Vec<Event> {
    let limit = u64::try_from(MAX_LOG).unwrap_or(u64::MAX);
    let bytes = match file::read_bytes(Path::new(LOG_PATH), limit) {
        Ok(bytes) => bytes,
        Err(error) if error.is_absence() => return Vec::new(),
        Err(error) => {
            said.push(error.to_string());
            return Vec::new();
        }
    };
    log::read(&bytes).unwrap_or_else(|error| {
        said.push(format!("{LOG_PATH}: {error}; a new log is begun"));
        Vec::new()
    })
}

impl Witness {
    /// Whether anything can be measured, as far as is known.
    pub(super) const fn measures(&self) -> bool {
        self.lost.is_none()
    }

    /// Whether the way to recovery was taken, with a TPM or without.
    pub(super) const fn is_in_recovery(&self) -> bool {
        self.in_recovery
    }

    /// Why nothing can be measured, where the image requires that.
    pub(super) fn bars(&self) -> Option<&str> {
        self.lost.as_deref().filter(|_| self.wanted == config::Tpm::Required)
    }

    /// Whether operating systems may boot, as far as the TPM goes.
    ///
    /// # Errors
    /// Why only recovery systems may.
    pub(super) fn admits_boot(&self) -> Result<(), Failure> {
        self.bars().map_or(Ok(()), |why| Err(barred(why)))
    }

    /// Measures an entry that is about to be loaded, and gives the archive with
    /// the log for it; none where nothing is measured.
    ///
    /// # Errors
    /// The image requires what did not work, and this is no recovery system.
    pub(super) fn measure(
        &mut self,
        attested: &Attested,
        bundle: &Verified<Bundle<Sealed>>,
        tpm: &mut Result<Option<Tpm>, String>,
        voice: &Voice<'_>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        if self.wanted == config::Tpm::Off {
            return Ok(None);
        }
        let sections = self.has_sections.then_some(Sections { board: self.board.as_deref() });
        let events = measure::entry(self.mode, attested, bundle, sections)
            .map_err(|error| Failure::new(Stage::Plan, error))?;
        self.witness(&events, attested.role(), tpm, voice)
    }

    fn witness(
        &mut self,
        events: &[Event],
        role: Role,
        tpm: &mut Result<Option<Tpm>, String>,
        voice: &Voice<'_>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        if role == Role::Recovery {
            self.begin_recovery(tpm, voice);
        }
        let measured = self.extend_said(events, tpm, voice);
        let closed = self.close_record(tpm, voice);
        match (measured, closed) {
            (Err(why), _) if self.wanted == config::Tpm::Required && role == Role::Boot => {
                Err(barred(&why))
            }
            (_, Err(why)) if role == Role::Boot => Err(unclosed(&why)),
            (_, Err(why)) => {
                voice.say(&format!("the recovery system can write the TPM's floors: {why}"));
                Ok(None)
            }
            (Err(_), Ok(())) => Ok(None),
            (Ok(()), Ok(())) => Ok(Some(measure::archive(&self.events))),
        }
    }

    /// Sees to it that what is started cannot write the record of versions, if the
    /// TPM has it: whatever else could not be measured.
    fn close_record(
        &mut self,
        tpm: &mut Result<Option<Tpm>, String>,
        voice: &Voice<'_>,
    ) -> Result<(), String> {
        if !self.keeps_record {
            return Ok(());
        }
        let tpm = present(tpm)?;
        tpm.renew();
        let others = known_caps(&self.banks, 1 << measure::DECISION);
        let event = measure::cap(|command| call(tpm, command), &others)
            .inspect_err(|why| self.lost = Some(why.clone()))?;
        if event.is_some() {
            voice.say("PCR 8 is extended by itself: the TPM's floors cannot be written any more");
        }
        self.events.extend(event);
        Ok(())
    }

    /// Puts a boundary between what was measured and every way to recovery.
    pub(super) fn begin_recovery(
        &mut self,
        tpm: &mut Result<Option<Tpm>, String>,
        voice: &Voice<'_>,
    ) {
        let is_new = !core::mem::replace(&mut self.in_recovery, true);
        if self.wanted != config::Tpm::Off && is_new {
            // What failed is said, and nothing waits for it: recovery needs no TPM.
            let _ = self.extend_said(&Boundary::Recovery.events(), tpm, voice);
        }
    }

    fn extend_said(
        &mut self,
        events: &[Event],
        tpm: &mut Result<Option<Tpm>, String>,
        voice: &Voice<'_>,
    ) -> Result<(), String> {
        if let Some(why) = &self.lost {
            return Err(why.clone());
        }
        let tpm = present(tpm)?;
        tpm.renew();
        let start = clock::elapsed();
        let done = self.extend_all(tpm, events);
        match &done {
            Ok(()) => {
                let time = clock::elapsed().saturating_sub(start);
                voice.say(&format!(
                    "measured {} events in {}.{:06} s",
                    events.len(),
                    time.as_secs(),
                    time.subsec_micros()
                ));
            }
            Err(why) => {
                voice.say(&format!("nothing more is measured: {why}"));
                self.lost = Some(why.clone());
            }
        }
        done
    }
}

fn barred(why: &str) -> Failure {
    Failure::barred("TPM", format!("the image boots nothing that is not measured: {why}"))
}

fn unclosed(why: &str) -> Failure {
    Failure::barred("TPM", format!("the system could write the TPM's floors: {why}"))
}

#[cfg(test)]
mod tests;
