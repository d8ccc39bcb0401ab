//! PCR 8 by itself: something has to be in it before anything is started where
//! the TPM keeps the record of versions, whether or not the rest can be measured.
//!
//! The policy of the record's index is that PCR 8 is zero
//! ([`crate::rollback::index`]). A TPM carries out an extension of a PCR that it
//! has no bank for, and extends nothing: so it is the value that counts, and no
//! answer but that of a reading.

use super::{Boundary, DECISION};
use crate::tpm::alg::HashAlg;
use crate::tpm::command;
use crate::tpm::log::Event;
use crate::tpm::pcr::{Pcr, Selection};
use crate::tpm::response;

/// Makes sure that PCR 8 of the SHA-256 bank is not zero, and extends it if it is:
/// in other banks with `others`. Gives the event if there was need of one.
///
/// # Errors
/// Why PCR 8 is zero, or may be.
pub fn cap(
    mut call: impl FnMut(&[u8]) -> Result<Vec<u8>, String>,
    others: &[(HashAlg, &[u8])],
) -> Result<Option<Event>, String> {
    // One that cannot be read may still be extended.
    if is_extended(&mut call) == Ok(true) {
        return Ok(None);
    }
    let event = Boundary::Unmeasured.event(DECISION);
    let mut digests: Vec<(HashAlg, &[u8])> = vec![(HashAlg::SHA256, &event.digest.0)];
    digests.extend(others);
    let answer = call(&command::pcr_extend(DECISION, &digests))?;
    response::done(&answer).map_err(|error| error.to_string())?;
    if is_extended(&mut call)? {
        Ok(Some(event))
    } else {
        Err("the TPM has extended PCR 8, it says, and it is zero".to_owned())
    }
}

fn is_extended(call: &mut impl FnMut(&[u8]) -> Result<Vec<u8>, String>) -> Result<bool, String> {
    let selection = Selection::sha256(&[DECISION]);
    let answer = call(&command::pcr_read(selection))?;
    match response::pcr_values(&answer, selection) {
        Ok(values) => Ok(values.iter().any(|value| *value != Pcr::ZERO.0)),
        Err(error) => Err(format!("PCR 8 cannot be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;
    use crate::tpm::fake::Chip;

    const PCR_8: u32 = 1 << 8;
    const NO_CAP: Digest = Pcr::ZERO.0;

    fn capped(chip: &mut Chip) -> Result<Option<Event>, String> {
        cap(
            |command| chip.call(command).ok_or_else(|| "no answer".to_owned()),
            &[(HashAlg::SHA1, &[0xff; 20])],
        )
    }

    #[test]
    fn pcr_8_is_capped_by_itself_with_an_error_separator() {
        let mut chip = Chip { sha256: PCR_8, ..Chip::default() };
        let event = capped(&mut chip).unwrap().unwrap();
        assert_eq!((event.pcr, event.kind, &*event.data), (8, 4, &[1, 0, 0, 0][..]));
        assert_eq!(chip.value(8), Pcr::ZERO.extended(&Digest::of(&[1, 0, 0, 0])).0);
        assert_eq!(chip.value(9), NO_CAP, "nothing else is extended");
    }

    #[test]
    fn a_pcr_8_that_holds_something_stays_as_it_is() {
        let mut chip = Chip::default();
        chip.extend(8, &Digest::of(b"decision"));
        let before = chip.value(8);
        assert_eq!(capped(&mut chip), Ok(None));
        assert_eq!(chip.value(8), before);
    }

    #[test]
    fn a_cap_that_the_tpm_only_claims_to_have_is_none() {
        let mut chip = Chip { loses_extensions: true, ..Chip::default() };
        let why = "the TPM has extended PCR 8, it says, and it is zero";
        assert_eq!(capped(&mut chip).unwrap_err(), why);
        for mut chip in
            [Chip { sha256: !PCR_8, ..Chip::default() }, Chip { sha256: 0, ..Chip::default() }]
        {
            let why = capped(&mut chip).unwrap_err();
            assert!(why.starts_with("PCR 8 cannot be read: the TPM's answer holds no"), "{why}");
        }
    }

    #[test]
    fn a_tpm_that_stalls_or_has_failed_caps_nothing() {
        for code in [Chip::PCR_READ, Chip::PCR_EXTEND] {
            let mut chip = Chip { stalls_at: Some(code), ..Chip::default() };
            assert_eq!(capped(&mut chip).unwrap_err(), "no answer");
        }
        let mut chip = Chip { refuses: Some((Chip::PCR_EXTEND, 0x101)), ..Chip::default() };
        let why = capped(&mut chip).unwrap_err();
        assert!(why.starts_with("the TPM refuses (0x101): it has failed"), "{why}");
    }

    #[test]
    fn a_pcr_8_that_can_be_extended_and_not_read_is_extended_all_the_same() {
        let mut chip = Chip { refuses: Some((Chip::PCR_READ, 0x922)), ..Chip::default() };
        assert!(capped(&mut chip).unwrap_err().ends_with("(0x922): try again"));
        assert_ne!(chip.value(8), NO_CAP);
    }
}
