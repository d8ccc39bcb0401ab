//! The commands that Turnout gives a TPM, as bytes (Part 3). Every authorization
//! in them is an empty password or a policy session: Turnout holds no secret.

use crate::base::digest::Digest;

use super::alg::HashAlg;
use super::nv::Public;
use super::pcr::Selection;
use super::wire::put_sized;
use super::{NO_SESSIONS, NULL, OWNER, PASSWORD, PLATFORM, POLICY_PCR, SESSIONS};

/// Command codes (Part 2, 6.5.2).
const HIERARCHY_CONTROL: u32 = 0x0121;
const NV_UNDEFINE_SPACE: u32 = 0x0122;
const NV_DEFINE_SPACE: u32 = 0x012a;
const NV_WRITE: u32 = 0x0137;
const NV_READ: u32 = 0x014e;
const FLUSH_CONTEXT: u32 = 0x0165;
const NV_READ_PUBLIC: u32 = 0x0169;
const START_AUTH_SESSION: u32 = 0x0176;
const GET_CAPABILITY: u32 = 0x017a;
const PCR_READ: u32 = 0x017e;
const PCR_EXTEND: u32 = 0x0182;

/// TPM_CAP_PCRS (Part 2, 6.12).
const CAP_PCRS: u32 = 5;
/// TPM_SE_POLICY (Part 2, 6.11).
const POLICY_SESSION: u8 = 1;
/// TPM_ALG_NULL.
const NO_ALG: u16 = 0x0010;

/// Who is asked for leave to use an NV index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// The owner, whose password is empty.
    Owner,
    /// The index itself, whose password is empty.
    Index,
    /// The index's policy, which this session has met. The session ends with the
    /// command if that is carried out.
    Policy(u32),
}

impl Auth {
    const fn handle(self, index: u32) -> u32 {
        match self {
            Self::Owner => OWNER,
            Self::Index | Self::Policy(_) => index,
        }
    }

    const fn session(self) -> u32 {
        match self {
            Self::Owner | Self::Index => PASSWORD,
            Self::Policy(session) => session,
        }
    }
}

/// A command that is being put together.
struct Command(Vec<u8>);

impl Command {
    fn new(tag: u16, code: u32) -> Self {
        Self(Vec::with_capacity(64)).u16(tag).u32(0).u32(code)
    }

    /// One with handles and a single authorization.
    fn authorized(code: u32, handles: &[u32], session: u32) -> Self {
        let command = Self::new(SESSIONS, code);
        let command = handles.iter().fold(command, |command, handle| command.u32(*handle));
        // TPMS_AUTH_COMMAND: session, no nonce, no attributes, no password.
        command.u32(9).u32(session).u16(0).u8(0).u16(0)
    }

    fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    fn u16(self, value: u16) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_be_bytes())
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn sized(mut self, bytes: &[u8]) -> Self {
        put_sized(&mut self.0, bytes);
        self
    }

    fn selection(mut self, selection: Selection) -> Self {
        selection.put(&mut self.0);
        self
    }

    /// Enters the size, which stands behind the tag.
    fn finish(mut self) -> Vec<u8> {
        let size = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        if let Some(field) = self.0.get_mut(2..6) {
            field.copy_from_slice(&size.to_be_bytes());
        }
        self.0
    }
}

/// TPM2_GetCapability of the banks and their PCRs; answer:
/// [`super::response::banks`].
#[must_use]
pub fn get_capability_pcrs() -> Vec<u8> {
    Command::new(NO_SESSIONS, GET_CAPABILITY).u32(CAP_PCRS).u32(0).u32(1).finish()
}

/// TPM2_PCR_Read; answer: [`super::response::pcr_values`]. A TPM gives at most
/// eight values at once.
#[must_use]
pub fn pcr_read(selection: Selection) -> Vec<u8> {
    Command::new(NO_SESSIONS, PCR_READ).selection(selection).finish()
}

/// TPM2_PCR_Extend of one PCR in several banks; answer: [`super::response::done`].
#[must_use]
pub fn pcr_extend(pcr: u32, digests: &[(HashAlg, &[u8])]) -> Vec<u8> {
    let count = u32::try_from(digests.len()).unwrap_or(u32::MAX);
    let mut command = Command::authorized(PCR_EXTEND, &[pcr], PASSWORD).u32(count);
    for (alg, digest) in digests {
        command = command.u16(alg.0).bytes(digest);
    }
    command.finish()
}

/// TPM2_HierarchyControl of the platform hierarchy by itself, its password being
/// empty; answer: [`super::response::done`]. Once it is switched off, nothing but a
/// restart of the TPM switches it on again; while it is on, `true` changes nothing.
#[must_use]
pub fn hierarchy_control_platform(enable: bool) -> Vec<u8> {
    let command = Command::authorized(HIERARCHY_CONTROL, &[PLATFORM], PASSWORD);
    command.u32(PLATFORM).u8(enable.into()).finish()
}

/// TPM2_NV_ReadPublic; answer: [`super::response::nv_public`].
#[must_use]
pub fn nv_read_public(index: u32) -> Vec<u8> {
    Command::new(NO_SESSIONS, NV_READ_PUBLIC).u32(index).finish()
}

/// TPM2_NV_DefineSpace by the owner, the index's own password being empty;
/// answer: [`super::response::done`].
#[must_use]
pub fn nv_define_space(public: &Public) -> Vec<u8> {
    let command = Command::authorized(NV_DEFINE_SPACE, &[OWNER], PASSWORD);
    command.sized(&[]).sized(&public.bytes()).finish()
}

/// TPM2_NV_UndefineSpace by the owner; answer: [`super::response::done`].
#[must_use]
pub fn nv_undefine_space(index: u32) -> Vec<u8> {
    Command::authorized(NV_UNDEFINE_SPACE, &[OWNER, index], PASSWORD).finish()
}

/// TPM2_NV_Read of `size` bytes from `offset`; answer: [`super::response::data`].
/// TPMs give at least 1 KiB at once.
#[must_use]
pub fn nv_read(auth: Auth, index: u32, size: u16, offset: u16) -> Vec<u8> {
    let handles = [auth.handle(index), index];
    Command::authorized(NV_READ, &handles, auth.session()).u16(size).u16(offset).finish()
}

/// TPM2_NV_Write of `data` to `offset`; answer: [`super::response::done`]. TPMs
/// take at least 1 KiB at once.
#[must_use]
pub fn nv_write(auth: Auth, index: u32, data: &[u8], offset: u16) -> Vec<u8> {
    let handles = [auth.handle(index), index];
    Command::authorized(NV_WRITE, &handles, auth.session()).sized(data).u16(offset).finish()
}

/// TPM2_StartAuthSession of a policy with SHA-256, neither salted nor bound: it
/// protects nothing on the way to the TPM. Answer: [`super::response::session`].
#[must_use]
pub fn start_policy_session(nonce: &[u8; 16]) -> Vec<u8> {
    let command = Command::new(NO_SESSIONS, START_AUTH_SESSION).u32(NULL).u32(NULL);
    let command = command.sized(nonce).sized(&[]).u8(POLICY_SESSION);
    command.u16(NO_ALG).u16(HashAlg::SHA256.0).finish()
}

/// TPM2_PolicyPCR; answer: [`super::response::done`].
#[must_use]
pub fn policy_pcr(session: u32, selection: Selection, pcr_digest: &Digest) -> Vec<u8> {
    let command = Command::new(NO_SESSIONS, POLICY_PCR).u32(session);
    command.sized(&pcr_digest.0).selection(selection).finish()
}

/// TPM2_FlushContext of a session; answer: [`super::response::done`].
#[must_use]
pub fn flush_context(handle: u32) -> Vec<u8> {
    Command::new(NO_SESSIONS, FLUSH_CONTEXT).u32(handle).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn reading_commands_have_no_authorization() {
        assert_eq!(hex(&get_capability_pcrs()), "8001000000160000017a000000050000000000000001");
        let selection = Selection::sha256(&[8, 9]);
        assert_eq!(hex(&pcr_read(selection)), "8001000000140000017e00000001000b03000300");
        assert_eq!(hex(&nv_read_public(0x0180_0001)), "80010000000e0000016901800001");
        assert_eq!(hex(&flush_context(0x0300_0000)), "80010000000e0000016503000000");
    }

    #[test]
    fn an_extension_names_each_bank_and_gives_an_empty_password() {
        let digests: [(HashAlg, &[u8]); 2] =
            [(HashAlg::SHA256, &[0xaa; 32]), (HashAlg::SHA1, &[0xff; 20])];
        let expected = format!(
            "80020000005700000182000000080000000940000009000000000000000002000b{}0004{}",
            "aa".repeat(32),
            "ff".repeat(20)
        );
        assert_eq!(hex(&pcr_extend(8, &digests)), expected);
    }

    #[test]
    fn the_platform_hierarchy_is_switched_off_by_its_own_empty_password() {
        let rest = "00000121 4000000c 00000009 40000009 0000000000 4000000c".replace(' ', "");
        assert_eq!(hex(&hierarchy_control_platform(false)), format!("800200000020{rest}00"));
        assert_eq!(hex(&hierarchy_control_platform(true)), format!("800200000020{rest}01"));
    }

    #[test]
    fn the_owner_makes_and_removes_an_index() {
        let public = Public { index: 0x0180_0001, attributes: 8, policy: vec![7; 32], size: 64 };
        let area = format!("01800001000b00000008{}{}0040", "0020", "07".repeat(32));
        let auth = "00000009400000090000000000";
        assert_eq!(
            hex(&nv_define_space(&public)),
            format!("80020000004d0000012a40000001{auth}0000002e{area}")
        );
        assert_eq!(
            hex(&nv_undefine_space(0x0180_0001)),
            format!("80020000001f000001224000000101800001{auth}")
        );
    }

    #[test]
    fn an_index_is_read_by_its_own_password_and_written_by_its_policy() {
        let index = 0x0180_0001;
        assert_eq!(
            hex(&nv_read(Auth::Index, index, 64, 2)),
            "8002000000230000014e018000010180000100000009400000090000000000\
             00400002"
        );
        assert_eq!(
            hex(&nv_read(Auth::Owner, index, 64, 0)),
            "8002000000230000014e400000010180000100000009400000090000000000\
             00400000"
        );
        assert_eq!(
            hex(&nv_write(Auth::Policy(0x0300_0000), index, b"ab", 0)),
            "8002000000250000013701800001018000010000000903000000000000000000026162\
             0000"
        );
    }

    #[test]
    fn a_policy_session_is_started_and_bound_to_pcrs() {
        assert_eq!(
            hex(&start_policy_session(&[1; 16])),
            format!(
                "80010000002b000001764000000740000007{}{}000001{}",
                "0010",
                "01".repeat(16),
                "0010000b"
            )
        );
        assert_eq!(
            hex(&policy_pcr(0x0300_0000, Selection::sha256(&[8]), &Digest([5; 32]))),
            format!("80010000003a0000017f030000000020{}00000001000b03000100", "05".repeat(32))
        );
    }
}
