//! Any bytes as what outlasts a boot: a generation of the state area, an event
//! log, a TPM's answer. What is read is written again as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::base::digest::Digest;
use turnout::base::used;
use turnout::rollback::State;
use turnout::rollback::frame::{self, Form, Frame};
use turnout::rollback::refused::{self, Noted};
use turnout::rollback::texts;
use turnout::tpm::{log, response};

fuzz_target!(|bytes: &[u8]| {
    generation(bytes);
    // The checksum would keep everything out that lies behind it.
    generation(&[bytes, &Digest::of(bytes).0].concat());
    copies(bytes);
    copies(&[bytes, &Digest::of(bytes).0].concat());
    events(bytes);
    let _ = response::banks(bytes);
    let _ = response::nv_public(bytes);
    let _ = response::data(bytes);
    let _ = response::session(bytes);
});

fn generation(bytes: &[u8]) {
    if let Ok(read) = frame::read(bytes) {
        assert_eq!(frame::write(&read, bytes.len()).as_deref(), Some(bytes));
        let list = &read.state.refused;
        assert!(read.state.used.len() <= used::MAX);
        assert!(list.len() <= refused::MAX);
        let mut noted = Noted::default();
        noted.note("FLOOR", "entry");
        let state = State { refused: noted.merged(list), ..read.state.clone() };
        let larger = Frame { form: Form::Two, state, ..read };
        // What a start adds reads as it was written.
        if let Some(bytes) = frame::write(&larger, bytes.len()) {
            assert_eq!(frame::read(&bytes), Ok(larger));
        }
    }
}

fn copies(bytes: &[u8]) {
    if let Some(read) = texts::read(bytes) {
        assert_eq!(texts::write(&read).as_deref(), Some(bytes));
        assert_eq!(texts::length(bytes), Some(bytes.len()));
    }
}

fn events(bytes: &[u8]) {
    if let Ok(read) = log::read(bytes) {
        assert_eq!(log::read(&log::write(&read)), Ok(read));
    }
}
