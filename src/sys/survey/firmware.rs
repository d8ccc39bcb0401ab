//! What the firmware's variables ask of its next start. Specification: UEFI 2.10, 8.5.4
//! (OsIndications) and 8.5.5 (capsules on a disk); fwupd, plugins/uefi-capsule (variables
//! `fwupd-GUID-NUMBER`, in which the state of an update is the word at byte 48).

use super::Tree;
use crate::check::facts::Firmware;

const VARIABLES: &str = "sys/firmware/efi/efivars";
const OS_INDICATIONS: &str = "OsIndications-8be4df61-93ca-11d2-aa0d-00e098032b8c";
const FILE_CAPSULE_DELIVERY: u64 = 1 << 2;
const FWUPD: &str = "fwupd-";
const OF_FWUPD: &str = "-0abba7dc-e516-4167-bbf5-4d9d1c739416";
const STATE_AT: usize = 48;
const ATTEMPT_UPDATE: u32 = 1;
/// Bytes of attributes before a variable's value, as efivarfs has it.
const ATTRIBUTES: usize = 4;
/// Of a variable: longer ones are none of these.
const MAX_BYTES: u64 = 4096;
/// Characters of a GUID.
const GUID: usize = 36;

pub(super) fn read(tree: &Tree) -> Firmware {
    let wishes = value(tree, OS_INDICATIONS).and_then(|value| value.first_chunk().copied());
    Firmware {
        looks_for_capsules: wishes
            .is_some_and(|bytes| u64::from_le_bytes(bytes) & FILE_CAPSULE_DELIVERY != 0),
        staged: staged(tree),
    }
}

fn value(tree: &Tree, name: &str) -> Option<Vec<u8>> {
    let bytes = tree.bytes(&format!("{VARIABLES}/{name}"), MAX_BYTES)?;
    bytes.get(ATTRIBUTES..).map(<[u8]>::to_vec)
}

fn staged(tree: &Tree) -> Vec<String> {
    let names = tree.names(VARIABLES).into_iter().filter(|name| name.ends_with(OF_FWUPD));
    let waiting = names.filter(|name| value(tree, name).is_some_and(|value| waits(&value)));
    let guids = waiting.filter_map(|name| Some(name.strip_prefix(FWUPD)?.get(..GUID)?.to_owned()));
    guids.collect()
}

/// One that was tried keeps its variable until fwupd has seen what came of it.
fn waits(value: &[u8]) -> bool {
    let state = value.get(STATE_AT..).and_then(|rest| rest.first_chunk().copied());
    state.is_some_and(|bytes| u32::from_le_bytes(bytes) & ATTEMPT_UPDATE != 0)
}
