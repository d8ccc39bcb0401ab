//! What a TPM answers (Part 3): read with every size checked, refusals as
//! sentences.

use crate::base::digest::Digest;

use super::nv::Public;
use super::pcr::Selection;
use super::wire::{Error, Reader};
use super::{NO_SESSIONS, SESSIONS};

/// Most values in a list that is read.
const MAX_VALUES: usize = 8;

/// What follows the header of an answer that is no refusal: handles and
/// parameters.
fn body(response: &[u8]) -> Result<(u16, Reader<'_>), Error> {
    let mut reader = Reader(response);
    let tag = reader.u16()?;
    let stated = reader.u32()?;
    if usize::try_from(stated) != Ok(response.len()) {
        return Err(Error::Size { stated, found: response.len() });
    }
    match reader.u32()? {
        0 if tag == SESSIONS || tag == NO_SESSIONS => Ok((tag, reader)),
        0 => Err(Error::Tag(tag)),
        code => Err(Error::Refused(code)),
    }
}

/// The parameters of an answer without handles; what follows them, where there
/// are sessions, says nothing that is needed.
fn parameters(response: &[u8]) -> Result<Reader<'_>, Error> {
    let (tag, mut reader) = body(response)?;
    if tag == NO_SESSIONS {
        return Ok(reader);
    }
    let len = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    Ok(Reader(reader.bytes(len)?))
}

/// An answer that says no more than that the command was carried out.
///
/// # Errors
/// The refusal, or what is wrong with the answer.
pub fn done(response: &[u8]) -> Result<(), Error> {
    parameters(response)?.end()
}

/// The banks of [`super::command::get_capability_pcrs`], each with its PCRs. A
/// bank without any is not active.
///
/// # Errors
/// As [`done`].
pub fn banks(response: &[u8]) -> Result<Vec<Selection>, Error> {
    let mut reader = parameters(response)?;
    let _more = reader.u8()?;
    if reader.u32()? != 5 {
        return Err(Error::Other("list of PCR banks"));
    }
    let banks = Selection::read_list(&mut reader)?;
    reader.end()?;
    Ok(banks)
}

/// The values of [`super::command::pcr_read`] in the order of their numbers, of
/// the PCRs that were selected.
///
/// # Errors
/// As [`done`]; also if the TPM read others than were asked for, which it does
/// where a bank is not active.
pub fn pcr_values(response: &[u8], asked: Selection) -> Result<Vec<Digest>, Error> {
    let mut reader = parameters(response)?;
    let _updates = reader.u32()?;
    if Selection::read_list(&mut reader)? != [asked] {
        return Err(Error::Other("value of every PCR that was asked for"));
    }
    let count = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
    if count > MAX_VALUES {
        return Err(Error::Count { count, most: MAX_VALUES });
    }
    let values = (0..count).map(|_| digest(reader.sized()?)).collect::<Result<Vec<_>, _>>()?;
    reader.end()?;
    if u32::try_from(count) != Ok(asked.pcrs.count_ones()) {
        return Err(Error::Other("value of every PCR that was asked for"));
    }
    Ok(values)
}

fn digest(bytes: &[u8]) -> Result<Digest, Error> {
    let bytes = <[u8; 32]>::try_from(bytes);
    bytes.map(Digest).ok().ok_or(Error::Other("digest of SHA-256's length"))
}

/// Public area and name of [`super::command::nv_read_public`].
///
/// # Errors
/// As [`done`]; [`Error::is_absence`] tells that there is no such index.
pub fn nv_public(response: &[u8]) -> Result<(Public, Vec<u8>), Error> {
    let mut reader = parameters(response)?;
    let public = Public::read(Reader(reader.sized()?))?;
    let name = reader.sized()?.to_vec();
    reader.end()?;
    Ok((public, name))
}

/// The bytes of [`super::command::nv_read`].
///
/// # Errors
/// As [`done`].
pub fn data(response: &[u8]) -> Result<Vec<u8>, Error> {
    let mut reader = parameters(response)?;
    let data = reader.sized()?.to_vec();
    reader.end()?;
    Ok(data)
}

/// The handle of [`super::command::start_policy_session`].
///
/// # Errors
/// As [`done`].
pub fn session(response: &[u8]) -> Result<u32, Error> {
    let (_, mut reader) = body(response)?;
    let handle = reader.u32()?;
    let _nonce = reader.sized()?;
    reader.end()?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::super::alg::HashAlg;
    use super::*;

    fn answer(tag: u16, code: u32, body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(10 + body.len()).unwrap();
        let head = [&tag.to_be_bytes()[..], &size.to_be_bytes(), &code.to_be_bytes()];
        [head.concat(), body.to_vec()].concat()
    }

    fn authorized(parameters: &[u8]) -> Vec<u8> {
        let size = u32::try_from(parameters.len()).unwrap().to_be_bytes();
        answer(SESSIONS, 0, &[&size[..], parameters, &[0, 0, 1, 0, 0]].concat())
    }

    #[test]
    fn an_answer_without_parameters_is_done() {
        assert_eq!(done(&authorized(&[])), Ok(()));
        assert_eq!(done(&answer(NO_SESSIONS, 0, &[])), Ok(()));
        assert_eq!(done(&answer(NO_SESSIONS, 0, &[0])), Err(Error::Long { left: 1 }));
    }

    fn refusal(code: u32) -> String {
        done(&answer(NO_SESSIONS, code, &[])).unwrap_err().to_string()
    }

    #[test]
    fn refusals_are_sentences_whatever_they_are_about() {
        assert_eq!(
            refusal(0x99d),
            "the TPM refuses (0x99d): a policy is not met: PCRs have been extended, or it is \
             another policy"
        );
        assert_eq!(refusal(0x101), "the TPM refuses (0x101): it has failed; only a reset can help");
        assert_eq!(refusal(0x1d5), "the TPM refuses (0x1d5): a wrong size");
        assert!(refusal(0x1ff).ends_with("see TPM_RC in the TPM library's Part 2"));
        assert!(Error::Refused(0x18b).is_absence());
        assert!(!Error::Refused(0x28b).is_absence());
    }

    #[test]
    fn the_banks_of_a_tpm_are_listed_with_their_pcrs() {
        let body = [0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 4, 3, 0, 0, 0, 0, 0x0b, 3, 0xff, 0xff, 0xff];
        let banks = banks(&answer(NO_SESSIONS, 0, &body)).unwrap();
        assert_eq!(banks.len(), 2);
        assert!(banks[0].is_empty());
        assert_eq!(banks[1], Selection { alg: HashAlg::SHA256, pcrs: 0x00ff_ffff });
    }

    #[test]
    fn the_values_of_exactly_the_pcrs_that_were_asked_for_are_read() {
        let selected = [0, 0, 0, 1, 0, 0x0b, 3, 0, 1, 0];
        let body = [&[0, 0, 0, 7][..], &selected, &[0, 0, 0, 1, 0, 32], &[9; 32]].concat();
        let response = answer(NO_SESSIONS, 0, &body);
        assert_eq!(pcr_values(&response, Selection::sha256(&[8])), Ok(vec![Digest([9; 32])]));
        let other = pcr_values(&response, Selection::sha256(&[9])).unwrap_err();
        assert_eq!(
            other.to_string(),
            "the TPM's answer holds no value of every PCR that was asked for"
        );
    }

    #[test]
    fn data_of_an_index_is_what_its_parameters_hold() {
        assert_eq!(data(&authorized(&[0, 2, 7, 8])), Ok(vec![7, 8]));
        assert_eq!(data(&authorized(&[0, 3, 7, 8])), Err(Error::Short { wanted: 3, left: 2 }));
        assert_eq!(data(&authorized(&[0, 1, 7, 8])), Err(Error::Long { left: 1 }));
    }

    #[test]
    fn a_session_has_its_handle_before_its_nonce() {
        let body = [3, 0, 0, 1, 0, 2, 7, 8];
        assert_eq!(session(&answer(NO_SESSIONS, 0, &body)), Ok(0x0300_0001));
    }

    #[test]
    fn no_truncation_of_an_answer_is_taken_for_an_answer() {
        let public = Public { index: 0x0180_0001, attributes: 8, policy: vec![1; 32], size: 4 };
        let area = public.bytes();
        let size = u16::try_from(area.len()).unwrap().to_be_bytes();
        let body = [&size[..], &area, &[0, 34], &public.name()].concat();
        let whole = answer(NO_SESSIONS, 0, &body);
        assert_eq!(nv_public(&whole), Ok((public.clone(), public.name().to_vec())));
        for len in 0..whole.len() {
            assert!(nv_public(&whole[..len]).is_err(), "{len} bytes");
            let body_len = len.saturating_sub(10);
            let shorter = answer(NO_SESSIONS, 0, &body[..body_len.min(body.len())]);
            assert!(body_len == body.len() || nv_public(&shorter).is_err(), "{body_len} of body");
        }
        assert_eq!(
            done(&whole[..12]).unwrap_err().to_string(),
            format!("the TPM's answer states {} bytes and has 12", whole.len())
        );
    }

    #[test]
    fn another_tag_is_no_tpm_2() {
        assert_eq!(done(&answer(0x00c4, 0, &[])), Err(Error::Tag(0x00c4)));
    }
}
