//! GRUB's scripts as GRUB itself evaluates them: ten thousand that are made up. What it
//! printed is frozen in `tests/data/grub`, and the evaluator is compared with that
//! (`src/menu/grub`); here GRUB, where `qemu/setup` has brought it, is asked again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod emulator;
mod machine;
pub(crate) mod made_up;
mod menus;

use std::path::Path;

use emulator::Emulator;
use made_up::{COUNT, FILES, Printed, frozen};
use miniz_oxide::deflate::compress_to_vec_zlib;

/// How many GRUB runs one after the other.
const BATCH: usize = 200;

fn printed_by_grub(emulator: &Emulator) -> Vec<Printed> {
    let scripts: Vec<String> = (0..COUNT).map(made_up::script).collect();
    scripts.chunks(BATCH).flat_map(|batch| emulator.run(batch, &FILES)).collect()
}

/// What is kept of results ([`frozen::results`]).
fn pack(results: &[Printed]) -> Vec<u8> {
    let mut text = frozen::digest();
    for Printed { output, status, has_messages } in results {
        text.push(frozen::RESULT);
        text.push_str(output);
        text.push(frozen::STATUS);
        text.push_str(status);
        text.extend(has_messages.then_some(frozen::MESSAGES));
    }
    compress_to_vec_zlib(text.as_bytes(), 10)
}

#[test]
fn grub_prints_what_is_frozen() {
    let Some(emulator) = Emulator::new("grub-scripts") else { return };
    let printed = printed_by_grub(&emulator);
    if std::env::var_os("TURNOUT_FREEZE").is_some() {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/grub/scripts.z");
        std::fs::write(place, pack(&printed)).unwrap();
        return;
    }
    for (number, (now, frozen)) in printed.iter().zip(frozen::results()).enumerate() {
        assert_eq!(*now, frozen, "script {number}:\n{}", made_up::script(number));
    }
}
