//! A unified kernel image as systemd-stub would have measured it, had firmware
//! started the image: for each section its name, then its bytes (UAPI.5, UKI TPM
//! PCR Measurements). A policy that is bound to PCR 11 then also holds after
//! kexec.

use crate::base::digest::Digest;
use crate::bundle::Bundle;
use crate::image::{Uki, find_uki, open_uki};
use crate::tpm::log::{Event, kind};

use super::UKI;

/// The sections that Turnout knows, in UAPI.5's canonical order. `.pcrsig` is
/// not measured: it holds the values. Of several `.dtbauto` only the one that is
/// used is.
const ORDER: [&str; 12] = [
    ".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", DTBAUTO, ".uname",
    ".sbat", ".pcrpkey", ".profile",
];

const DTBAUTO: &str = ".dtbauto";

/// Nothing, if the kernel is no unified kernel image.
pub(super) fn events<B: AsRef<[u8]>>(bundle: &Bundle<B>, board: Option<&str>) -> Vec<Event> {
    let file = bundle.linux.bytes.as_ref();
    let uki = match bundle.profile {
        Some(profile) => open_uki(file, profile).ok(),
        None => find_uki(file),
    };
    let Some(uki) = uki else { return Vec::new() };
    let mut events = Vec::new();
    for name in ORDER {
        if let Some(bytes) = contents(&uki, name, board) {
            events.extend(section_events(name, bytes));
        }
    }
    events
}

fn contents<'a>(uki: &Uki<'a>, name: &str, board: Option<&str>) -> Option<&'a [u8]> {
    if name == DTBAUTO {
        return uki.dtbauto(board);
    }
    uki.sections().iter().find(|section| section.name == name).map(|section| section.bytes)
}

fn section_events(name: &str, bytes: &[u8]) -> [Event; 2] {
    let name_with_nul = [name.as_bytes(), b"\0"].concat();
    [&name_with_nul, bytes].map(|measured| Event {
        pcr: UKI,
        kind: kind::IPL,
        digest: Digest::of(measured),
        data: utf16(name),
    })
}

/// The description as systemd-stub writes it, with a terminating zero.
fn utf16(name: &str) -> Vec<u8> {
    name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}
