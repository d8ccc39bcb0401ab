//! What GRUB printed of the scripts, kept for machines without it
//! (`tests/data/README.md`).

use std::fmt::Write as _;

use miniz_oxide::inflate::decompress_to_vec_zlib;
use sha2::{Digest as _, Sha256};

use super::{COUNT, Printed};

/// Begins a result, begins its status, and stands behind one with messages.
pub(crate) const RESULT: char = '\u{1e}';
pub(crate) const STATUS: char = '\u{1f}';
pub(crate) const MESSAGES: char = '!';

const FROZEN: &[u8] = include_bytes!("../../../data/grub/scripts.z");

/// All results, by the number of the script.
///
/// # Panics
/// They are of other scripts than those that are made up today.
pub(crate) fn results() -> Vec<Printed> {
    let text = String::from_utf8(decompress_to_vec_zlib(FROZEN).unwrap()).unwrap();
    let mut parts = text.split(RESULT);
    assert_eq!(
        parts.next(),
        Some(digest().as_str()),
        "tests/data/grub/scripts.z is of other scripts: freeze it anew (tests/data/README.md)"
    );
    parts.map(one).collect()
}

fn one(text: &str) -> Printed {
    let (output, status) = text.split_once(STATUS).unwrap();
    let output = output.to_owned();
    let has_messages = status.ends_with(MESSAGES);
    Printed { output, status: status.trim_end_matches(MESSAGES).to_owned(), has_messages }
}

/// Of all scripts.
pub(crate) fn digest() -> String {
    let mut hash = Sha256::new();
    for number in 0..COUNT {
        hash.update(super::script(number));
    }
    let mut hex = String::new();
    for byte in hash.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
