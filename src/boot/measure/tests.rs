//! What starts, and what is said, with each way in which a TPM can be lacking or
//! failing.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use super::*;
use crate::base::digest::Digest;
use crate::sys::console::Console;
use crate::tpm::fake::Chip;
use crate::tpm::log::kind;
use crate::tpm::pcr::Pcr;

const ENFORCED: &str = "mode locked\nrollback enforced\n";
const NOT_MEASURED: &str = "TPM: the image boots nothing that is not measured: ";
const BY_ITSELF: &str =
    "turnout: PCR 8 is extended by itself: the TPM's floors cannot be written any more";

/// A start with a TPM, up to the entry that is to be jumped to.
struct Start {
    chip: Arc<Mutex<Chip>>,
    tpm: Result<Option<Tpm>, String>,
    witness: Witness,
    console: Console,
}

impl Start {
    fn new(config: &str, chip: Chip) -> Self {
        let chip = Arc::new(Mutex::new(chip));
        let theirs = Arc::clone(&chip);
        let answer = move |command: &[u8]| theirs.lock().unwrap().call(command);
        Self::with(config, chip, Ok(Some(Tpm::fake(Duration::from_millis(200), answer))))
    }

    fn with(config: &str, chip: Arc<Mutex<Chip>>, mut tpm: Result<Option<Tpm>, String>) -> Self {
        let config = config::read("config", config).unwrap();
        let identity = Identity { boards: Vec::new(), devices: Vec::new() };
        let console = Console::silent();
        let (witness, said) = Witness::find(&config, &identity, &mut tpm);
        Voice::on(&console).say_all(&said);
        Self { chip, tpm, witness, console }
    }

    /// Whether a system of this role starts, and with a log.
    fn boots(&mut self, role: Role) -> Result<bool, String> {
        if role == Role::Boot {
            self.witness.admits_boot().map_err(|failure| failure.to_string())?;
        }
        let voice = Voice::on(&self.console);
        let log = self.witness.witness(&decision(), role, &mut self.tpm, &voice);
        log.map(|log| log.is_some()).map_err(|failure| failure.to_string())
    }

    fn is_capped(&self) -> bool {
        self.chip.lock().unwrap().value(8) != Pcr::ZERO.0
    }

    fn said(&self, line: &str) -> bool {
        self.console.log().iter().any(|said| said.starts_with(line))
    }
}

fn decision() -> [Event; 3] {
    [(8, "decision"), (9, "file"), (8, "end")].map(|(pcr, data)| {
        let data = data.as_bytes().to_vec();
        Event { pcr, kind: kind::IPL, digest: Digest::of(&data), data }
    })
}

fn without(pcr: u32) -> Chip {
    Chip { sha256: 0x00ff_ffff & !(1 << pcr), ..Chip::default() }
}

#[test]
fn a_sound_tpm_measures_and_needs_no_cap() {
    let mut start = Start::new(ENFORCED, Chip::default());
    assert_eq!(start.boots(Role::Boot), Ok(true));
    assert!(start.is_capped() && !start.said(BY_ITSELF));
}

/// Item 1 of the review: with PCR 11 out of its bank an operating system started
/// while PCR 8 was zero.
#[test]
fn rollback_enforced_does_not_fail_open_where_nothing_can_be_measured() {
    let mut start = Start::new(ENFORCED, without(11));
    let lack = "the TPM's bank of SHA-256 has no PCR 11; the firmware's setup, or \
                tpm2_pcrallocate, puts it back";
    assert!(start.said(&format!("turnout: nothing is measured: {lack}")));
    assert_eq!(start.witness.bars(), Some(lack));
    assert_eq!(start.boots(Role::Boot).unwrap_err(), format!("refused boot: {NOT_MEASURED}{lack}"));
    assert_eq!(start.boots(Role::Recovery), Ok(false));
    assert!(start.is_capped() && start.said(BY_ITSELF));
}

#[test]
fn what_the_bank_of_sha256_lacks_is_named() {
    for (chip, lack) in [
        (without(9), "the TPM's bank of SHA-256 has no PCR 9; "),
        (without(8), "the TPM's bank of SHA-256 has no PCR 8; "),
        (Chip { sha256: 0, ..Chip::default() }, "the TPM's bank of SHA-256 is not active; "),
    ] {
        let start = Start::new(ENFORCED, chip);
        assert!(start.witness.bars().unwrap().starts_with(lack), "{lack}");
    }
}

#[test]
fn a_recovery_system_starts_without_a_cap_and_it_is_said() {
    for (chip, why) in [
        (without(8), "PCR 8 cannot be read: "),
        (Chip { sha256: 0, ..Chip::default() }, "PCR 8 cannot be read: "),
        (
            Chip { refuses: Some((Chip::PCR_EXTEND, 0x101)), ..Chip::default() },
            "the TPM refuses (0x101): it has failed",
        ),
        (
            Chip { stalls_at: Some(Chip::PCR_EXTEND), ..Chip::default() },
            "/dev/tpmrm0: no answer in 0 s",
        ),
    ] {
        let mut start = Start::new(ENFORCED, chip);
        assert_eq!(start.boots(Role::Recovery), Ok(false));
        let said = format!("turnout: the recovery system can write the TPM's floors: {why}");
        assert!(start.said(&said) && !start.is_capped(), "{:?}", start.console.log());
    }
}

#[test]
fn a_tpm_that_fails_while_it_measures_starts_no_operating_system() {
    for (chip, why) in [
        (
            Chip { stalls_at: Some(Chip::PCR_EXTEND), ..Chip::default() },
            "/dev/tpmrm0: no answer in 0 s",
        ),
        (
            Chip { refuses: Some((Chip::PCR_EXTEND, 0x101)), ..Chip::default() },
            "the TPM refuses (0x101): it has failed",
        ),
        (
            Chip { refuses: Some((Chip::PCR_EXTEND, 0x922)), ..Chip::default() },
            "the TPM refuses (0x922): try again",
        ),
    ] {
        let mut start = Start::new(ENFORCED, chip);
        assert_eq!(start.witness.bars(), None, "nothing is known of it yet");
        for _ in 0..2 {
            let refusal = start.boots(Role::Boot).unwrap_err();
            assert!(
                refusal.starts_with(&format!("refused boot: {NOT_MEASURED}{why}")),
                "{refusal}"
            );
        }
    }
}

#[test]
fn a_cap_that_cannot_be_read_back_starts_no_operating_system() {
    for (chip, why) in [
        (
            Chip { loses_extensions: true, ..Chip::default() },
            "the TPM has extended PCR 8, it says, and it is zero",
        ),
        (
            Chip { stalls_at: Some(Chip::PCR_READ), ..Chip::default() },
            "/dev/tpmrm0: no answer in 0 s",
        ),
        (
            Chip { refuses: Some((Chip::PCR_READ, 0x101)), ..Chip::default() },
            "PCR 8 cannot be read: the TPM refuses (0x101): it has failed",
        ),
    ] {
        let mut start = Start::new(ENFORCED, chip);
        let refusal = start.boots(Role::Boot).unwrap_err();
        let expected = format!("refused boot: TPM: the system could write the TPM's floors: {why}");
        assert!(refusal.starts_with(&expected), "{refusal}");
        let again = start.boots(Role::Boot).unwrap_err();
        assert!(again.starts_with(&format!("refused boot: {NOT_MEASURED}{why}")), "{again}");
        assert_eq!(start.boots(Role::Recovery), Ok(false));
    }
}

#[test]
fn a_tpm_that_fails_at_the_start_bars_operating_systems() {
    for (chip, why) in [
        (
            Chip { stalls_at: Some(Chip::GET_CAPABILITY), ..Chip::default() },
            "/dev/tpmrm0: no answer in 0 s",
        ),
        (
            Chip { refuses: Some((Chip::GET_CAPABILITY, 0x101)), ..Chip::default() },
            "the TPM refuses (0x101): it has failed; only a reset can help",
        ),
    ] {
        let mut start = Start::new(ENFORCED, chip);
        assert!(start.said(&format!("turnout: nothing is measured: {why}")));
        let refusal = start.boots(Role::Boot).unwrap_err();
        assert!(refusal.starts_with(&format!("refused boot: {NOT_MEASURED}{why}")), "{refusal}");
        assert_eq!(start.boots(Role::Recovery), Ok(false));
    }
    let mut start = Start::with(ENFORCED, Arc::default(), Ok(None));
    let none = format!("refused boot: {NOT_MEASURED}there is no TPM");
    assert_eq!(start.boots(Role::Boot).unwrap_err(), none);
    assert_eq!(start.boots(Role::Recovery), Ok(false));
    assert!(start.said("turnout: the recovery system can write the TPM's floors: there is no TPM"));
}

#[test]
fn an_open_bank_of_an_unknown_algorithm_bars_operating_systems_and_not_the_cap() {
    let mut start = Start::new(ENFORCED, Chip { other: HashAlg(0x7fff), ..Chip::default() });
    let refusal = start.boots(Role::Boot).unwrap_err();
    assert!(refusal.ends_with("the TPM has an open bank of algorithm 0x7fff"), "{refusal}");
    assert!(start.is_capped());
    assert_eq!(start.boots(Role::Recovery), Ok(false));
}

#[test]
fn a_pcr_8_that_was_extended_before_turnout_is_as_good_as_a_cap() {
    let mut chip = Chip { sha256: 0x00ff_ffff & !(1 << 11), ..Chip::default() };
    chip.extend(8, &Digest::of(b"grub"));
    let mut start = Start::new(ENFORCED, chip);
    assert_eq!(start.boots(Role::Recovery), Ok(false));
    assert!(!start.said(BY_ITSELF) && start.is_capped());
}

#[test]
fn an_image_that_keeps_no_record_in_the_tpm_caps_nothing() {
    for config in ["mode locked\n", "mode locked\nrollback advisory\n"] {
        let mut start = Start::new(config, without(11));
        assert_eq!(start.boots(Role::Boot), Ok(false));
        assert!(!start.is_capped());
    }
}

#[test]
fn the_platform_hierarchy_is_closed_before_anything_else_and_said_to_have_been_open() {
    let open = Chip { platform: Platform::Open, ..Chip::default() };
    let mut start = Start::new(ENFORCED, open.clone());
    assert!(start.said("turnout: the TPM's platform hierarchy was open, and is closed now"));
    assert_eq!(start.chip.lock().unwrap().platform, Platform::Closed);
    assert_eq!(start.chip.lock().unwrap().commands[0], Chip::HIERARCHY_CONTROL);
    assert_eq!(start.boots(Role::Boot), Ok(true));
    assert!(measure::says_platform_was_open(&start.witness.events));
    for config in ["mode locked\nrollback enforced\ntpm-platform leave\n", "mode locked\n"] {
        let start = Start::new(config, open.clone());
        assert_eq!(start.chip.lock().unwrap().platform, Platform::Open, "{config}");
        assert!(!measure::says_platform_was_open(&start.witness.events));
    }
}

#[test]
fn a_platform_hierarchy_that_is_shut_is_not_spoken_of() {
    for platform in [Platform::Locked, Platform::Closed] {
        let start = Start::new(ENFORCED, Chip { platform, ..Chip::default() });
        assert_eq!(start.console.log(), [""; 0]);
    }
    let refuses = Some((Chip::HIERARCHY_CONTROL, 0x143));
    let mut start = Start::new(ENFORCED, Chip { refuses, ..Chip::default() });
    assert!(start.said(
        "turnout: the TPM's platform hierarchy cannot be closed: the TPM refuses (0x143): \
         it does not know the command"
    ));
    assert_eq!(start.boots(Role::Boot), Ok(true));
}
