//! The TPM's NV index that holds the record: made once, written only before the
//! first measurement of a start, and told from any other by its name.
//!
//! The index is ordinary, and its policy is that PCR 8 is zero, as it is from a
//! reset of the machine until Turnout measures what it jumps to. It is read and
//! written by its own, empty, authorization: no password is needed or kept.
//! Anybody with the owner's authorization can delete an index and make another;
//! so the name, which binds attributes, policy and whether it was ever written,
//! is worked out here and compared. Followed: TPM 2.0 library, Part 1, 16 and
//! 37; Part 3, 23.7 and 31.

use super::generations::{Place, Write};
use super::store::{Fault, INDEX_FRAME, Medium};
use crate::base::digest::Digest;
use crate::tpm::command::{self, Auth};
use crate::tpm::nv::{Public, attribute};
use crate::tpm::pcr::{Pcr, Selection, policy};
use crate::tpm::{Error, response};

/// The handle: among those that the TCG leaves to the owner's software
/// (Registry of Reserved TPM 2.0 Handles and Localities, 2.2), and assigned to
/// nobody.
pub const HANDLE: u32 = 0x0180_5455;
/// The PCR that must be zero while the index is written: the one that Turnout
/// extends with its decision before every jump.
const PCR: u32 = 8;
/// Both places, in bytes.
const SIZE: u16 = 276;
const _: () = assert!(SIZE as usize == 2 * INDEX_FRAME);
/// Encrypts and authenticates nothing here: the session has no key.
const NONCE: [u8; 16] = [0; 16];

/// The index of a TPM, which carries out one command a call.
#[expect(missing_debug_implementations, reason = "a TPM is a device")]
pub struct Index<F>(pub F);

impl<F: FnMut(&[u8]) -> Result<Vec<u8>, String>> Index<F> {
    fn call<T>(
        &mut self,
        command: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, Error>,
    ) -> Result<Result<T, Error>, Fault> {
        let answer = (self.0)(command).map_err(Fault::Medium)?;
        Ok(read(&answer))
    }

    /// The same where no refusal can be gone on with.
    fn get<T>(
        &mut self,
        command: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, Error>,
    ) -> Result<T, Fault> {
        self.call(command, read)?.map_err(refused)
    }

    /// Compares the index's name with the one that it must have.
    fn check(&mut self) -> Result<(), Fault> {
        let found = self.call(&command::nv_read_public(HANDLE), response::nv_public)?;
        let name = match found {
            Ok((_, name)) => name,
            Err(error) if error.is_absence() => return Err(Fault::NoIndex),
            Err(Error::NameAlgorithm { .. }) => return Err(Fault::Foreign),
            Err(error) => return Err(refused(error)),
        };
        if name == public(attribute::WRITTEN).name() {
            Ok(())
        } else if name == public(0).name() {
            Err(Fault::Unwritten)
        } else {
            Err(Fault::Foreign)
        }
    }

    fn write_in(&mut self, session: u32, write: &Write) -> Result<(), Fault> {
        let policy = command::policy_pcr(session, selection(), &pcr_digest());
        // A TPM that is given another digest than that of its PCRs refuses the
        // value (Part 3, 23.7).
        self.call(&policy, response::done)?.map_err(|error| match error {
            Error::Refused(code) if code & 0xbf == 0x84 => Fault::Measured,
            other => refused(other),
        })?;
        let offset = match write.place {
            Place::First => 0,
            Place::Second => SIZE / 2,
        };
        let command = command::nv_write(Auth::Policy(session), HANDLE, &write.bytes, offset);
        self.get(&command, response::done)
    }
}

impl<F: FnMut(&[u8]) -> Result<Vec<u8>, String>> Medium for Index<F> {
    fn read(&mut self) -> Result<[Result<Vec<u8>, String>; 2], Fault> {
        self.check()?;
        let bytes = self.get(&command::nv_read(Auth::Index, HANDLE, SIZE, 0), response::data)?;
        match bytes.split_at_checked(INDEX_FRAME) {
            Some((first, second)) if second.len() == INDEX_FRAME => {
                Ok([Ok(first.to_vec()), Ok(second.to_vec())])
            }
            _ => Err(Fault::Foreign),
        }
    }

    fn write(&mut self, write: &Write) -> Result<(), Fault> {
        let session = self.get(&command::start_policy_session(&NONCE), response::session)?;
        let result = self.write_in(session, write);
        if result.is_err() {
            // A session that was not used up stays; nothing hangs on it.
            let _ = self.call(&command::flush_context(session), response::done);
        }
        result
    }

    /// Defines the index, unless it was defined and only never written.
    fn create(&mut self) -> Result<(), Fault> {
        match self.check() {
            Err(Fault::NoIndex) => self.get(&command::nv_define_space(&public(0)), response::done),
            Ok(()) | Err(Fault::Unwritten) => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}

/// The public area that the index has, with `WRITTEN` or without.
fn public(written: u32) -> Public {
    let attributes = attribute::POLICYWRITE
        | attribute::AUTHREAD
        | attribute::OWNERREAD
        | attribute::NO_DA
        | written;
    let policy = policy(selection(), &pcr_digest()).0.to_vec();
    Public { index: HANDLE, attributes, policy, size: SIZE }
}

fn selection() -> Selection {
    Selection::sha256(&[PCR])
}

/// Digest of the PCR's value, which is zero.
fn pcr_digest() -> Digest {
    Digest::of(&Pcr::ZERO.0.0)
}

fn refused(error: Error) -> Fault {
    Fault::Medium(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::generations::Generations;
    use super::super::store::{Which, put, read};
    use super::super::{Floors, Record, State};
    use super::*;

    const NV_DEFINE: u32 = 0x012a;
    const NV_WRITE: u32 = 0x0137;
    const NV_READ: u32 = 0x014e;
    const FLUSH: u32 = 0x0165;
    const NV_READ_PUBLIC: u32 = 0x0169;
    const START_SESSION: u32 = 0x0176;
    const POLICY_PCR: u32 = 0x017f;
    const SESSION: u32 = 0x0300_0000;

    /// As much of a TPM as the index sees.
    #[derive(Default)]
    struct Tpm {
        /// Public area and data.
        index: Option<(Public, Vec<u8>)>,
        is_measured: bool,
        sessions: usize,
        refuses: Option<(u32, u32)>,
    }

    fn answer(code: u32, is_authorized: bool, body: &[u8]) -> Vec<u8> {
        let mut bytes = if is_authorized { vec![0x80, 2] } else { vec![0x80, 1] };
        let parameters = u32::try_from(body.len()).unwrap().to_be_bytes();
        let (size, trailer): (&[u8], &[u8]) =
            if is_authorized { (&parameters, &[0, 0, 1, 0, 0]) } else { (&[], &[]) };
        let rest = [&code.to_be_bytes()[..], size, body, trailer].concat();
        bytes.extend(u32::try_from(6 + rest.len()).unwrap().to_be_bytes());
        bytes.extend(rest);
        bytes
    }

    fn sized(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    /// TPMS_NV_PUBLIC, as Part 2, 13.5, has it.
    fn area(public: &Public) -> Vec<u8> {
        let mut out = public.index.to_be_bytes().to_vec();
        out.extend([0, 0x0b]);
        out.extend(public.attributes.to_be_bytes());
        out.extend(sized(&public.policy));
        out.extend(public.size.to_be_bytes());
        out
    }

    impl Tpm {
        fn call(&mut self, command: &[u8]) -> Result<Vec<u8>, String> {
            let code = u32::from_be_bytes(command[6..10].try_into().unwrap());
            if let Some((_, refusal)) = self.refuses.filter(|(refused, _)| *refused == code) {
                return Ok(answer(refusal, false, &[]));
            }
            Ok(match (code, &mut self.index) {
                (START_SESSION, _) => {
                    self.sessions += 1;
                    answer(0, false, &[&SESSION.to_be_bytes()[..], &sized(&[0; 16])].concat())
                }
                (FLUSH, _) => {
                    self.sessions -= 1;
                    answer(0, false, &[])
                }
                (POLICY_PCR, _) if self.is_measured => answer(0x1c4, false, &[]),
                (POLICY_PCR, _) => answer(0, false, &[]),
                (NV_READ_PUBLIC | NV_READ | NV_WRITE, None) => answer(0x18b, false, &[]),
                (NV_READ_PUBLIC, Some((public, _))) => {
                    answer(0, false, &[sized(&area(public)), sized(&public.name())].concat())
                }
                (NV_READ, Some((_, data))) => answer(0, true, &sized(data)),
                (NV_WRITE, Some((public, data))) => {
                    let parameters = &command[31..];
                    let (len, rest) = parameters.split_at(2);
                    let len = usize::from(u16::from_be_bytes(len.try_into().unwrap()));
                    let at = usize::from(u16::from_be_bytes(rest[len..].try_into().unwrap()));
                    data[at..at + len].copy_from_slice(&rest[..len]);
                    public.attributes |= attribute::WRITTEN;
                    self.sessions -= 1;
                    answer(0, true, &[])
                }
                (NV_DEFINE, index) => {
                    assert_eq!(command[31..], area(&public(0)));
                    *index = Some((public(0), vec![0xff; usize::from(SIZE)]));
                    answer(0, true, &[])
                }
                (other, _) => panic!("command {other:#x}"),
            })
        }

        fn index(&mut self) -> Index<impl FnMut(&[u8]) -> Result<Vec<u8>, String>> {
            Index(|command: &[u8]| self.call(command))
        }

        /// With an index that holds a record.
        fn provisioned() -> Self {
            let mut tpm = Self::default();
            let mut index = tpm.index();
            index.create().unwrap();
            put(Which::Index, &mut Generations::fresh(), &state(7), &mut index).unwrap();
            drop(index);
            tpm
        }
    }

    fn state(boot: u32) -> State {
        let floors = Floors { boot, recovery: 0 };
        State { record: Some(Record::new(floors)), ..State::default() }
    }

    #[test]
    fn the_index_is_made_written_and_read() {
        let mut tpm = Tpm::provisioned();
        assert_eq!(read(Which::Index, &mut tpm.index()).unwrap().state(), state(7));
        assert_eq!(tpm.sessions, 0, "a session was left behind");
        assert_eq!(tpm.index().create(), Ok(()), "what is there need not be made");
    }

    #[test]
    fn the_public_area_is_the_documented_one() {
        assert_eq!(public(0).attributes, 0x0206_0008);
        // SHA-256 of: 32 zeros, TPM_CC_PolicyPCR, the selection of PCR 8 in the
        // bank of SHA-256, and SHA-256 of 32 zeros.
        let mut text = vec![0; 32];
        text.extend([0, 0, 1, 0x7f, 0, 0, 0, 1, 0, 0x0b, 3, 0, 1, 0]);
        text.extend(Digest::of(&[0; 32]).0);
        assert_eq!(public(0).policy, Digest::of(&text).0);
    }

    fn fault(tpm: &mut Tpm) -> Fault {
        read(Which::Index, &mut tpm.index()).unwrap_err()
    }

    #[test]
    fn an_index_that_is_not_there_or_was_made_anew_is_noticed() {
        assert_eq!(fault(&mut Tpm::default()), Fault::NoIndex);
        let mut tpm = Tpm::provisioned();
        tpm.index.as_mut().unwrap().0 = public(0);
        assert_eq!(fault(&mut tpm), Fault::Unwritten);
        let written = public(attribute::WRITTEN);
        for other in [
            Public { policy: Vec::new(), ..written.clone() },
            Public { attributes: written.attributes | 1 << 2, ..written.clone() },
            Public { attributes: written.attributes & !attribute::NO_DA, ..written.clone() },
            Public { size: SIZE + 1, ..written.clone() },
        ] {
            tpm.index.as_mut().unwrap().0 = other;
            assert_eq!(fault(&mut tpm), Fault::Foreign);
            assert_eq!(tpm.index().create(), Err(Fault::Foreign));
        }
    }

    #[test]
    fn after_a_measurement_the_index_can_only_be_read() {
        let mut tpm = Tpm::provisioned();
        tpm.is_measured = true;
        let mut held = read(Which::Index, &mut tpm.index()).unwrap();
        let refused = put(Which::Index, &mut held, &state(8), &mut tpm.index());
        assert_eq!(refused, Err(Fault::Measured));
        assert_eq!(read(Which::Index, &mut tpm.index()).unwrap().state(), state(7));
        assert_eq!(tpm.sessions, 0, "a session was left behind");
    }

    #[test]
    fn what_a_tpm_refuses_is_said_in_its_words() {
        for command in [NV_READ_PUBLIC, NV_READ] {
            let mut tpm = Tpm { refuses: Some((command, 0x101)), ..Tpm::provisioned() };
            let said = read(Which::Index, &mut tpm.index()).unwrap_err().to_string();
            assert!(said.starts_with("the TPM refuses (0x101): it has failed"), "{said}");
        }
        let mut tpm = Tpm { refuses: Some((NV_DEFINE, 0x9a2)), ..Tpm::default() };
        let said = tpm.index().create().unwrap_err().to_string();
        assert!(said.ends_with("wrong authorization: somebody has set a password"), "{said}");
    }

    #[test]
    fn an_answer_of_another_length_is_not_read_as_an_index() {
        let mut tpm = Tpm::provisioned();
        tpm.index.as_mut().unwrap().1.truncate(275);
        assert_eq!(tpm.index().read().unwrap_err(), Fault::Foreign);
    }

    #[test]
    fn a_tpm_that_does_not_answer_is_a_fault_of_the_store() {
        let mut index = Index(|_: &[u8]| Err("no answer in 5 s".to_owned()));
        let stalled = Fault::Medium("no answer in 5 s".to_owned());
        assert_eq!(read(Which::Index, &mut index).unwrap_err(), stalled);
    }
}
