//! As much of a TPM as measuring needs, with the ways in which one can fail: for
//! tests. What a real one answers, swtpm says in `tests/integration/tpm.rs`.

use super::alg::HashAlg;
use super::pcr::{COUNT, Pcr, Selection};
use super::platform::Platform;
use super::{NO_SESSIONS, SESSIONS};
use crate::base::digest::Digest;

/// A TPM with a bank of SHA-256, and another one that is not looked at.
#[derive(Debug, Clone)]
pub(crate) struct Chip {
    /// The PCRs that the bank of SHA-256 has: bit n stands for PCR n.
    pub(crate) sha256: u32,
    /// The algorithm of the other bank.
    pub(crate) other: HashAlg,
    pub(crate) platform: Platform,
    /// The command that it never answers.
    pub(crate) stalls_at: Option<u32>,
    /// The command that it refuses, with this code.
    pub(crate) refuses: Option<(u32, u32)>,
    /// It says that it has extended, and has not.
    pub(crate) loses_extensions: bool,
    /// The commands that it was given.
    pub(crate) commands: Vec<u32>,
    pub(crate) pcrs: [Pcr; COUNT as usize],
}

impl Default for Chip {
    fn default() -> Self {
        Self {
            sha256: 0x00ff_ffff,
            other: HashAlg::SHA1,
            platform: Platform::Locked,
            stalls_at: None,
            refuses: None,
            loses_extensions: false,
            commands: Vec::new(),
            pcrs: [Pcr::ZERO; COUNT as usize],
        }
    }
}

impl Chip {
    pub(crate) const HIERARCHY_CONTROL: u32 = 0x0121;
    pub(crate) const GET_CAPABILITY: u32 = 0x017a;
    pub(crate) const PCR_READ: u32 = 0x017e;
    pub(crate) const PCR_EXTEND: u32 = 0x0182;

    /// What it answers; none if it stalls.
    pub(crate) fn call(&mut self, command: &[u8]) -> Option<Vec<u8>> {
        let code = number(&command[6..10]);
        self.commands.push(code);
        if self.stalls_at == Some(code) {
            return None;
        }
        if let Some((_, refusal)) = self.refuses.filter(|(refused, _)| *refused == code) {
            return Some(answer(NO_SESSIONS, refusal, &[]));
        }
        Some(match code {
            Self::GET_CAPABILITY => self.banks(),
            Self::PCR_READ => self.read(selected(&command[17..20])),
            Self::PCR_EXTEND => {
                self.extend_by(command);
                authorized()
            }
            Self::HIERARCHY_CONTROL => self.control(command[31] == 1),
            other => panic!("command {other:#x}"),
        })
    }

    pub(crate) fn value(&self, pcr: u32) -> Digest {
        self.pcrs[pcr as usize].0
    }

    pub(crate) fn extend(&mut self, pcr: u32, digest: &Digest) {
        let slot = &mut self.pcrs[pcr as usize];
        *slot = slot.extended(digest);
    }

    fn extend_by(&mut self, command: &[u8]) {
        let pcr = number(&command[10..14]);
        if self.loses_extensions || self.sha256 & 1 << pcr == 0 {
            return;
        }
        // The first digest is that of SHA-256.
        assert_eq!(command[31..33], HashAlg::SHA256.0.to_be_bytes());
        self.extend(pcr, &Digest(command[33..65].try_into().unwrap()));
    }

    fn banks(&self) -> Vec<u8> {
        let [first, second, third, _] = self.sha256.to_le_bytes();
        let sha256 = [0, 0x0b, 3, first, second, third];
        let [high, low] = self.other.0.to_be_bytes();
        let other = [high, low, 3, 0xff, 0xff, 0xff];
        answer(NO_SESSIONS, 0, &[&[0, 0, 0, 0, 5, 0, 0, 0, 2][..], &other, &sha256].concat())
    }

    /// Of the PCRs that were asked for, those that the bank has.
    fn read(&self, asked: u32) -> Vec<u8> {
        let found = Selection { alg: HashAlg::SHA256, pcrs: asked & self.sha256 };
        let mut body = vec![0; 4];
        found.put(&mut body);
        body.extend(found.pcrs.count_ones().to_be_bytes());
        for pcr in (0..COUNT).filter(|pcr| found.pcrs & 1 << pcr != 0) {
            body.extend([0, 32]);
            body.extend(self.value(pcr).0);
        }
        answer(NO_SESSIONS, 0, &body)
    }

    fn control(&mut self, enables: bool) -> Vec<u8> {
        match self.platform {
            Platform::Closed => return answer(NO_SESSIONS, 0x185, &[]),
            Platform::Locked => return answer(NO_SESSIONS, 0x9a2, &[]),
            Platform::Open if enables => {}
            Platform::Open => self.platform = Platform::Closed,
        }
        authorized()
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

fn selected(map: &[u8]) -> u32 {
    u32::from_le_bytes([map[0], map[1], map[2], 0])
}

fn authorized() -> Vec<u8> {
    answer(SESSIONS, 0, &[0, 0, 0, 0, 0, 0, 1, 0, 0])
}

fn answer(tag: u16, code: u32, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(10 + body.len()).unwrap();
    [&tag.to_be_bytes()[..], &size.to_be_bytes(), &code.to_be_bytes(), body].concat()
}
