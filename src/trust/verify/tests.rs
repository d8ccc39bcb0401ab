//! The verdict on whole entries: which are let through, and why not the others.

use std::sync::LazyLock;

use super::super::policy;
use super::super::slots::Slot;
use super::super::sshsig::{HashAlgorithm, make};
use super::*;

const MESSAGE: &[u8] = include_bytes!("../../../tests/data/trust/message");
const RING: &[u8] = include_bytes!("../../../tests/data/trust/allowed_signers");
const BY_SSH_KEYGEN: &[u8] = include_bytes!("../../../tests/data/trust/message.sha512.sig");
const FOR_FILE: &[u8] = include_bytes!("../../../tests/data/trust/message.file.sig");

const RELEASE: u8 = 1;
const POLICY_ONLY: u8 = 2;
const STRANGER: u8 = 3;
const SECOND: u8 = 4;
const TOKEN: u8 = 5;

fn ring() -> KeyRing {
    KeyRing::of(&[
        ("release", "turnout-boot", make::public(RELEASE)),
        ("owner", "turnout-policy,turnout-unlock", make::public(POLICY_ONLY)),
        ("token", "turnout-boot", make::on_token(TOKEN)),
    ])
}

fn blob(path: &str, bytes: &[u8]) -> Blob<Vec<u8>> {
    Blob::hash(path, bytes.to_vec())
}

fn bundle() -> Bundle<Vec<u8>> {
    Bundle {
        entry: "good".to_owned(),
        linux: blob("/vmlinuz", b"kernel"),
        initrds: vec![blob("/a.img", b"first"), blob("/b.img", b"other")],
        devicetree: Some(blob("/x.dtb", b"tree")),
        overlays: Vec::new(),
        addons: Vec::new(),
        profile: None,
        options: "what the menu says".to_owned(),
    }
}

fn file(blob: &Blob<Vec<u8>>) -> File {
    File { path: blob.path.clone(), size: blob.size, digest: blob.digest }
}

fn manifest() -> Manifest {
    let bundle = bundle();
    Manifest {
        entry: "good".to_owned(),
        title: None,
        role: Role::Boot,
        security_version: 1,
        architecture: Arch::X86_64,
        boards: Vec::new(),
        devices: Vec::new(),
        system: System::Linux(Linux {
            kernel: file(&bundle.linux),
            initrds: bundle.initrds.iter().map(file).collect(),
            devicetree: bundle.devicetree.as_ref().map(file),
            overlays: Vec::new(),
            slots: Vec::new(),
            options: "ro quiet".to_owned(),
        }),
    }
}

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::default);
static NOBODY: LazyLock<Identity> = LazyLock::new(Identity::default);

const NOTHING: SlotValues = SlotValues { tries: None, name: None, token: None };

fn context(ring: &KeyRing) -> Context<'_> {
    Context {
        mode: Mode::Locked,
        ring: Some(ring),
        policy: &POLICY,
        arch: Arch::X86_64,
        identity: &NOBODY,
        floors: Floors::default(),
    }
}

/// The verdict on `manifest` with these signatures over it, for entry "good".
fn verdict(manifest: &str, signatures: &str) -> Result<Attested, Refusal> {
    verdict_of(&ring(), manifest.as_bytes(), signatures.as_bytes())
}

fn signed_by(seed: u8, manifest: &str) -> String {
    make::armored(seed, "turnout-boot", manifest.as_bytes())
}

fn signed_verdict(manifest: &Manifest) -> Result<Attested, Refusal> {
    let text = manifest.write();
    verdict(&text, &signed_by(RELEASE, &text))
}

/// The code, after checking that the sentence holds `words`.
fn code(refusal: Refusal, words: &[&str]) -> &'static str {
    let sentence = refusal.to_string();
    for word in words {
        assert!(sentence.contains(word), "{word:?} is not in: {sentence}");
    }
    assert!(Refusal::CODES.contains(&refusal.code()), "{}", refusal.code());
    refusal.code()
}

#[test]
fn a_signed_entry_boots_with_the_signed_command_line() {
    let attested = signed_verdict(&manifest()).unwrap();
    let Attested::Signed(signed) = &attested else { panic!("signed") };
    assert_eq!(signed.signers(), ["release"]);
    assert_eq!(signed.manifest(), &manifest());
    let verified = verify(&attested, bundle(), &NOTHING).unwrap();
    assert_eq!(verified.options, "ro quiet");
    assert_eq!(verified.get().linux.bytes, b"kernel");
    assert_eq!(verified.into_inner().initrds.len(), 2);
}

#[test]
fn without_a_manifest_only_open_mode_boots_and_only_that_entry() {
    let ring = ring();
    let nothing = Evidence { manifest: None, signature: None };
    let refusal = check_manifest(&context(&ring), "good", nothing).unwrap_err();
    assert_eq!(code(refusal, &["/turnout/good.manifest"]), "UNSIGNED");

    let open = Context { mode: Mode::Open, ..context(&ring) };
    let attested = check_manifest(&open, "good", nothing).unwrap();
    assert!(matches!(attested, Attested::Unsigned(_)));
    assert_eq!(verify(&attested, bundle(), &NOTHING).unwrap().options, "what the menu says");

    let other = Bundle { entry: "other".to_owned(), ..bundle() };
    let refusal = verify(&attested, other, &NOTHING).unwrap_err();
    assert_eq!(code(refusal, &["/turnout/other.manifest"]), "UNSIGNED");
}

#[test]
fn an_edited_command_line_boots_in_open_mode_only_and_as_nobodys() {
    let refusal = edited(Mode::Locked, "good").unwrap_err();
    assert_eq!(code(refusal, &["the command line of good was edited"]), "EDITED");
    let attested = edited(Mode::Open, "good").unwrap();
    assert!(matches!(attested, Attested::Unsigned(_)));
    let edited = Bundle { options: "single".to_owned(), ..bundle() };
    assert_eq!(verify(&attested, edited, &NOTHING).unwrap().options, "single");
}

#[test]
fn a_bad_manifest_is_refused_in_open_mode_too() {
    let ring = ring();
    let text = manifest().write();
    let stranger = signed_by(STRANGER, &text);
    let open = Context { mode: Mode::Open, ..context(&ring) };
    let cases = [(None, "SIGNATURE_MISSING"), (Some(stranger.as_bytes()), "KEY_UNKNOWN")];
    for (signature, expected) in cases {
        let evidence = Evidence { manifest: Some(text.as_bytes()), signature };
        let refusal = check_manifest(&open, "good", evidence).unwrap_err();
        assert_eq!(refusal.code(), expected);
    }
}

#[test]
fn without_a_ring_a_manifest_is_worth_nothing() {
    let ring = ring();
    let text = manifest().write();
    let signature = signed_by(RELEASE, &text);
    let evidence = Evidence::of(text.as_bytes(), signature.as_bytes());

    let locked = Context { ring: None, ..context(&ring) };
    let refusal = check_manifest(&locked, "good", evidence).unwrap_err();
    assert_eq!(code(refusal, &["no key ring"]), "KEY_UNKNOWN");

    let open = Context { mode: Mode::Open, ..locked };
    let attested = check_manifest(&open, "good", evidence).unwrap();
    assert_eq!(verify(&attested, bundle(), &NOTHING).unwrap().options, "what the menu says");
}

#[test]
fn a_signature_file_that_is_missing_or_broken_is_told_apart() {
    let ring = ring();
    let text = manifest().write();
    let evidence = Evidence { manifest: Some(text.as_bytes()), signature: None };
    let refusal = check_manifest(&context(&ring), "good", evidence).unwrap_err();
    assert_eq!(code(refusal, &["/turnout/good.manifest.sig"]), "SIGNATURE_MISSING");
    let refusal = verdict(&text, "").unwrap_err();
    assert_eq!(code(refusal, &["manifest.sig", "line 1"]), "SIGNATURE_SYNTAX");
}

#[test]
fn a_signature_over_other_bytes_is_invalid_and_names_whose_it_claims_to_be() {
    let text = manifest().write();
    let refusal = verdict(&text, &signed_by(RELEASE, "something else")).unwrap_err();
    assert_eq!(code(refusal, &["\"release\"", "good.manifest"]), "SIGNATURE_INVALID");
    let refusal = verdict(&text, &signed_by(STRANGER, "something else")).unwrap_err();
    assert_eq!(code(refusal, &["\"SHA256:"]), "SIGNATURE_INVALID");
}

#[test]
fn a_key_that_is_not_in_the_ring_is_named_by_its_fingerprint() {
    let text = manifest().write();
    let fingerprint = make::public(STRANGER).fingerprint().to_string();
    let refusal = verdict(&text, &signed_by(STRANGER, &text)).unwrap_err();
    assert_eq!(code(refusal, &[&fingerprint]), "KEY_UNKNOWN");
}

#[test]
fn a_signature_for_another_namespace_or_by_a_key_for_another_is_refused() {
    let text = manifest().write();
    let elsewhere = make::armored(RELEASE, "turnout-recovery", text.as_bytes());
    let refusal = verdict(&text, &elsewhere).unwrap_err();
    assert_eq!(code(refusal, &["may sign for \"turnout-boot\"", "turnout-recovery"]), "NAMESPACE");
    let refusal = verdict(&text, &signed_by(POLICY_ONLY, &text)).unwrap_err();
    let words =
        ["may sign for \"turnout-policy, turnout-unlock\"", "\"owner\"", "not for turnout-boot"];
    assert_eq!(code(refusal, &words), "NAMESPACE");
}

#[test]
fn a_manifest_of_one_role_is_not_signed_for_the_other() {
    let ring = KeyRing::of(&[("both", "turnout-boot,turnout-recovery", make::public(RELEASE))]);
    for (role, other) in [(Role::Boot, Role::Recovery), (Role::Recovery, Role::Boot)] {
        let text = Manifest { role, ..manifest() }.write();
        let Ok(Attested::Signed(signed)) = signed_for(&ring, role, &text) else { panic!("{role}") };
        assert_eq!(signed.role(), role);
        let words = [other.namespace().name(), role.namespace().name()];
        assert_eq!(code(signed_for(&ring, other, &text).unwrap_err(), &words), "ROLE");
    }
}

fn signed_for(ring: &KeyRing, role: Role, text: &str) -> Verdict {
    let signature = make::armored(RELEASE, role.namespace().name(), text.as_bytes());
    verdict_of(ring, text.as_bytes(), signature.as_bytes())
}

fn verdict_of(ring: &KeyRing, manifest: &[u8], signature: &[u8]) -> Verdict {
    check_manifest(&context(ring), "good", Evidence::of(manifest, signature))
}

impl<'a> Evidence<'a> {
    fn of(manifest: &'a [u8], signature: &'a [u8]) -> Self {
        Self { manifest: Some(manifest), signature: Some(signature) }
    }
}

#[test]
fn one_good_signature_among_several_is_enough() {
    let text = manifest().write();
    let signatures =
        [signed_by(STRANGER, &text), signed_by(RELEASE, "x"), signed_by(RELEASE, &text)];
    assert!(verdict(&text, &signatures.concat()).is_ok());
}

#[test]
fn of_several_bad_signatures_the_one_that_came_furthest_is_shown() {
    let text = manifest().write();
    let invalid_stranger = signed_by(STRANGER, "x");
    let stranger = signed_by(STRANGER, &text);
    let invalid = signed_by(RELEASE, "x");
    let namespace = signed_by(POLICY_ONLY, &text);
    let by_progress = [invalid_stranger, stranger, invalid, namespace];
    let codes = ["SIGNATURE_INVALID", "KEY_UNKNOWN", "SIGNATURE_INVALID", "NAMESPACE"];
    for count in 1..=by_progress.len() {
        let there = &by_progress[..count];
        let mut back = there.to_vec();
        back.reverse();
        for signatures in [there.concat(), back.concat()] {
            assert_eq!(verdict(&text, &signatures).unwrap_err().code(), codes[count - 1]);
        }
    }
}

#[test]
fn a_signed_text_that_is_no_manifest_is_refused_with_its_line() {
    let text = manifest().write().replace("ro quiet", "ro quiet ");
    let refusal = verdict(&text, &signed_by(RELEASE, &text)).unwrap_err();
    assert_eq!(code(refusal, &["/turnout/good.manifest, line 9"]), "MANIFEST_SYNTAX");
    let long = "x".repeat(70_000);
    let refusal = verdict(&long, &signed_by(RELEASE, &long)).unwrap_err();
    assert_eq!(code(refusal, &["70000"]), "MANIFEST_SYNTAX");
}

#[test]
fn a_manifest_for_another_entry_machine_or_board_is_refused() {
    let other = Manifest { entry: "other".to_owned(), ..manifest() };
    let refusal = signed_verdict(&other).unwrap_err();
    assert_eq!(code(refusal, &["good.manifest", "\"other\""]), "MANIFEST_ENTRY");
    let arm = Manifest { architecture: Arch::Aarch64, ..manifest() };
    let refusal = signed_verdict(&arm).unwrap_err();
    assert_eq!(code(refusal, &["for aarch64", "is x86_64"]), "ARCHITECTURE");
    let board = Manifest { boards: vec!["acme,one".to_owned()], ..manifest() };
    let refusal = signed_verdict(&board).unwrap_err();
    assert_eq!(code(refusal, &["acme,one", "does not say"]), "BOARD");
}

/// Verifies the good manifest against a bundle after `change`.
fn refused(change: impl FnOnce(&mut Bundle<Vec<u8>>)) -> Refusal {
    let attested = signed_verdict(&manifest()).unwrap();
    let mut bundle = bundle();
    change(&mut bundle);
    verify(&attested, bundle, &NOTHING).unwrap_err()
}

#[test]
fn a_changed_kernel_is_refused() {
    let refusal = refused(|bundle| bundle.linux = Blob::hash("/vmlinuz", b"kern".to_vec()));
    assert_eq!(code(refusal, &["/vmlinuz", "has 4 bytes", "has 6"]), "LINUX_SIZE");
    let refusal = refused(|bundle| bundle.linux = Blob::hash("/vmlinuz", b"kernal".to_vec()));
    let digest = Digest::of(b"kernal").to_string();
    assert_eq!(code(refusal, &["/vmlinuz", &digest]), "LINUX_DIGEST");
}

#[test]
fn initrds_changed_swapped_added_or_left_out_are_refused() {
    let refusal = refused(|bundle| bundle.initrds[1] = Blob::hash("/b", b"longer".to_vec()));
    assert_eq!(code(refusal, &["\"/b\"", "6 bytes"]), "INITRD_SIZE");
    let refusal = refused(|bundle| bundle.initrds[0] = Blob::hash("/a", b"First".to_vec()));
    assert_eq!(code(refusal, &["\"/a\""]), "INITRD_DIGEST");
    let refusal = refused(|bundle| bundle.initrds.reverse());
    assert_eq!(code(refusal, &["/b.img"]), "INITRD_DIGEST");
    let refusal = refused(|bundle| drop(bundle.initrds.pop()));
    assert_eq!(code(refusal, &["1 initrd files, 2"]), "INITRD_COUNT");
    let refusal = refused(|bundle| bundle.initrds.push(Blob::hash("/c", Vec::new())));
    assert_eq!(code(refusal, &["3 initrd files, 2"]), "INITRD_COUNT");
}

#[test]
fn a_device_tree_must_be_there_exactly_when_it_was_signed() {
    let refusal = refused(|bundle| bundle.devicetree = None);
    assert_eq!(code(refusal, &["lacks", "/x.dtb"]), "DEVICETREE");
    let tree = Blob::hash("/x.dtb", b"TREE".to_vec());
    let refusal = refused(|bundle| bundle.devicetree = Some(tree));
    assert_eq!(code(refusal, &["/x.dtb"]), "DEVICETREE_DIGEST");

    let mut none = manifest();
    if let System::Linux(linux) = &mut none.system {
        linux.devicetree = None;
    }
    let refusal = verify(&signed_verdict(&none).unwrap(), bundle(), &NOTHING).unwrap_err();
    assert_eq!(code(refusal, &["no device tree was signed", "/x.dtb"]), "DEVICETREE");
}

#[test]
fn a_bundle_of_another_entry_is_refused() {
    let refusal = refused(|bundle| bundle.entry = "bad".to_owned());
    assert_eq!(code(refusal, &["bad.manifest", "\"good\""]), "MANIFEST_ENTRY");
}

#[test]
fn every_change_of_one_bit_in_the_manifest_or_its_signature_is_refused() {
    let text = manifest().write();
    let signature = signed_by(RELEASE, &text);
    let ring = ring();
    assert!(verdict_of(&ring, text.as_bytes(), signature.as_bytes()).is_ok());
    for bit in 0..text.len() * 8 {
        let changed = flip(text.as_bytes(), bit);
        let verdict = verdict_of(&ring, &changed, signature.as_bytes());
        assert!(verdict.is_err(), "manifest bit {bit}");
    }
    let token = make::by_token(TOKEN, "turnout-boot", 1, text.as_bytes());
    for signature in [signature, token] {
        assert!(verdict_of(&ring, text.as_bytes(), signature.as_bytes()).is_ok());
        for bit in 0..signature.len() * 8 {
            let changed = flip(signature.as_bytes(), bit);
            let verdict = verdict_of(&ring, text.as_bytes(), &changed);
            assert!(verdict.is_err(), "signature bit {bit}");
        }
    }
}

fn flip(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[test]
fn what_ssh_keygen_signed_passes_the_signature_check_and_only_for_its_namespace() {
    let ring = KeyRing::parse(RING).unwrap();
    // The message is no manifest: MANIFEST_SYNTAX is what comes after the signature.
    let refusal = verdict_of(&ring, MESSAGE, BY_SSH_KEYGEN).unwrap_err();
    assert_eq!(refusal.code(), "MANIFEST_SYNTAX");
    assert_eq!(verdict_of(&ring, MESSAGE, FOR_FILE).unwrap_err().code(), "NAMESPACE");
}

/// A machine that knows its name, with two keys in its ring and this policy.
fn judged(policy: &str, manifest: &Manifest, sign: impl Fn(&[u8]) -> String) -> Verdict {
    let ring = KeyRing::of(&[
        ("release", "turnout-boot", make::public(RELEASE)),
        ("second", "turnout-boot,turnout-recovery", make::public(SECOND)),
        ("token", "turnout-boot", make::on_token(TOKEN)),
    ]);
    let policy = policy::parse(format!("turnout-policy 1\nversion 1\n{policy}").as_bytes());
    let identity = Identity {
        boards: vec!["acme,two".to_owned(), "acme".to_owned()],
        devices: vec!["serial-7".to_owned()],
    };
    let floors = Floors { boot: 0, recovery: 3 };
    let policy = &policy.unwrap();
    let context = Context { policy, identity: &identity, floors, ..context(&ring) };
    let text = manifest.write();
    let signatures = sign(text.as_bytes());
    let evidence = Evidence::of(text.as_bytes(), signatures.as_bytes());
    check_manifest(&context, "good", evidence)
}

type Verdict = Result<Attested, Refusal>;

fn by(seeds: &[u8]) -> impl Fn(&[u8]) -> String {
    move |text| seeds.iter().map(|seed| make::armored(*seed, "turnout-boot", text)).collect()
}

fn by_token(seed: u8, flags: u8) -> impl Fn(&[u8]) -> String {
    move |text| make::by_token(seed, "turnout-boot", flags, text)
}

fn for_recovery(text: &[u8]) -> String {
    make::armored(SECOND, "turnout-recovery", text)
}

fn signers(verdict: Verdict) -> Vec<String> {
    match verdict.unwrap() {
        Attested::Signed(signed) => {
            assert_eq!(signed.signers().len(), signed.fingerprints().len());
            signed.signers().to_vec()
        }
        Attested::Unsigned(_) => panic!("unsigned"),
    }
}

const TWO: &str = "threshold turnout-boot 2\n";

#[test]
fn a_threshold_is_reached_by_different_keys_only() {
    let verdict = judged(TWO, &manifest(), by(&[RELEASE, SECOND]));
    assert_eq!(signers(verdict), ["release", "second"]);
    let refusal = judged(TWO, &manifest(), by(&[RELEASE])).unwrap_err();
    assert_eq!(code(refusal, &["1 of 2 different keys that must: \"release\""]), "THRESHOLD");
    let refusal = judged(TWO, &manifest(), by(&[RELEASE, RELEASE, RELEASE])).unwrap_err();
    assert_eq!(code(refusal, &["1 of 2 different keys that must: \"release\""]), "THRESHOLD");
    let refusal = judged(TWO, &manifest(), by(&[RELEASE, STRANGER])).unwrap_err();
    assert_eq!(code(refusal, &["1 of 2", "does not count: KEY_UNKNOWN: "]), "THRESHOLD");
}

fn by_both_hashes(text: &[u8]) -> String {
    let hashes = [HashAlgorithm::Sha256, HashAlgorithm::Sha512];
    hashes.map(|hash| make::armor(&make::blob(RELEASE, "turnout-boot", hash, text))).concat()
}

#[test]
fn both_hashes_of_one_key_are_one_signature() {
    let refusal = judged(TWO, &manifest(), by_both_hashes).unwrap_err();
    assert_eq!(refusal.code(), "THRESHOLD");
    assert_eq!(signers(judged("", &manifest(), by_both_hashes)), ["release"]);
}

#[test]
fn signatures_for_the_other_role_do_not_reach_the_threshold() {
    let verdict = judged(TWO, &manifest(), |text| by(&[RELEASE])(text) + &for_recovery(text));
    assert_eq!(verdict.unwrap_err().code(), "THRESHOLD");
}

#[test]
fn a_token_counts_if_somebody_touched_it() {
    assert_eq!(signers(judged("", &manifest(), by_token(TOKEN, 5))), ["token"]);
    let refusal = judged("", &manifest(), by_token(TOKEN, 4)).unwrap_err();
    assert_eq!(code(refusal, &["\"token\"", "nobody touched"]), "USER_PRESENCE");
    // The same point as a key in a file is another line of the ring.
    assert_eq!(judged("", &manifest(), by(&[TOKEN])).unwrap_err().code(), "KEY_UNKNOWN");
    let refusal = judged("", &manifest(), by_token(RELEASE, 5)).unwrap_err();
    assert_eq!(refusal.code(), "KEY_UNKNOWN");
}

#[test]
fn a_revoked_key_does_not_count_and_is_named() {
    let fingerprint = make::public(RELEASE).fingerprint();
    let revoked = format!("revoked-key {fingerprint}\n");
    let refusal = judged(&revoked, &manifest(), by(&[RELEASE])).unwrap_err();
    assert_eq!(code(refusal, &["\"release\"", &fingerprint.to_string()]), "KEY_REVOKED");
    assert_eq!(signers(judged(&revoked, &manifest(), by(&[RELEASE, SECOND]))), ["second"]);
    let refusal = judged(&format!("{TWO}{revoked}"), &manifest(), by(&[RELEASE, SECOND]));
    assert_eq!(code(refusal.unwrap_err(), &["KEY_REVOKED"]), "THRESHOLD");
}

#[test]
fn more_signatures_than_policy_tries_are_refused() {
    let refusal = judged("signatures 1\n", &manifest(), by(&[RELEASE, SECOND])).unwrap_err();
    assert_eq!(code(refusal, &["more than 1 signatures"]), "SIGNATURE_SYNTAX");
    assert!(judged("signatures 2\n", &manifest(), by(&[RELEASE, SECOND])).is_ok());
}

#[test]
fn a_revoked_digest_refuses_the_manifest_and_every_file_that_it_binds() {
    let manifest = manifest();
    let own = [("/turnout/good.manifest", Digest::of(manifest.write().as_bytes()))];
    let files = manifest.files().map(|file| (file.path.as_str(), file.digest));
    for (path, digest) in own.into_iter().chain(files) {
        let revoked = format!("revoked-digest sha256:{digest}\n");
        let refusal = judged(&revoked, &manifest, by(&[RELEASE])).unwrap_err();
        assert_eq!(code(refusal, &[path, &digest.to_string()]), "DIGEST_REVOKED");
    }
    let other = format!("revoked-digest sha256:{}\n", Digest::of(b"bound by nothing"));
    assert!(judged(&other, &manifest, by(&[RELEASE])).is_ok());
}

fn boot_of_version(security_version: u32) -> Manifest {
    Manifest { security_version, ..manifest() }
}

fn recovery_of_version(security_version: u32) -> Manifest {
    Manifest { role: Role::Recovery, ..boot_of_version(security_version) }
}

#[test]
fn nothing_below_the_floor_of_its_role_boots() {
    assert!(judged("", &boot_of_version(0), by(&[RELEASE])).is_ok());
    assert!(judged("", &recovery_of_version(3), for_recovery).is_ok());
    let refusal = judged("", &recovery_of_version(2), for_recovery).unwrap_err();
    assert_eq!(code(refusal, &["security version 2", "below 3 no recovery"]), "FLOOR");
    // The higher of policy and floor counts.
    let minimum = "minimum-security-version boot 5\nminimum-security-version recovery 1\n";
    let refusal = judged(minimum, &boot_of_version(4), by(&[RELEASE])).unwrap_err();
    assert_eq!(code(refusal, &["security version 4", "below 5 no boot"]), "FLOOR");
    assert!(judged(minimum, &boot_of_version(5), by(&[RELEASE])).is_ok());
    let refusal = judged(minimum, &recovery_of_version(2), for_recovery).unwrap_err();
    assert_eq!(refusal.code(), "FLOOR");
}

#[test]
fn a_floor_that_rises_refuses_what_is_below_it_without_another_look() {
    let attested = judged("", &boot_of_version(4), by(&[RELEASE])).unwrap();
    let ring = ring();
    let risen = |boot| Context { floors: Floors { boot, recovery: 9 }, ..context(&ring) };
    assert_eq!(risen(4).check_floor(&attested), Ok(()));
    let refusal = risen(5).check_floor(&attested).unwrap_err();
    assert_eq!(code(refusal, &["security version 4", "below 5 no boot"]), "FLOOR");
    let unsigned = edited(Mode::Open, "good").unwrap();
    assert_eq!(risen(5).check_floor(&unsigned), Ok(()));
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn judged_for(boards: &[&str], devices: &[&str]) -> Verdict {
    let manifest = Manifest { boards: owned(boards), devices: owned(devices), ..manifest() };
    judged("", &manifest, by(&[RELEASE]))
}

#[test]
fn one_of_the_signed_boards_and_devices_must_be_this_machine() {
    assert!(judged_for(&["acme,one", "acme,two"], &["serial-6", "serial-7"]).is_ok());
    let refusal = judged_for(&["acme,one"], &[]).unwrap_err();
    let words = ["board \"acme,one\" only", "this machine is \"acme,two or acme\""];
    assert_eq!(code(refusal, &words), "BOARD");
    assert_eq!(judged_for(&["Acme"], &[]).unwrap_err().code(), "BOARD");
    let refusal = judged_for(&["acme"], &["serial-8"]).unwrap_err();
    assert_eq!(code(refusal, &["device \"serial-8\" only", "\"serial-7\""]), "DEVICE");
}

/// A manifest of a UKI and what it binds.
fn uki() -> (Manifest, Bundle<Vec<u8>>) {
    let bundle = Bundle {
        linux: blob("/x.efi", b"image"),
        profile: Some(2),
        initrds: Vec::new(),
        devicetree: None,
        addons: vec![blob("/a.addon.efi", b"add"), blob("/b.addon.efi", b"on")],
        ..bundle()
    };
    let system = System::Uki(Uki {
        image: file(&bundle.linux),
        profile: 2,
        addons: bundle.addons.iter().map(file).collect(),
    });
    (Manifest { system, ..manifest() }, bundle)
}

#[test]
fn a_uki_boots_with_its_own_command_line() {
    let (manifest, bundle) = uki();
    let verified = verify(&signed_verdict(&manifest).unwrap(), bundle, &NOTHING).unwrap();
    assert_eq!((verified.options.as_str(), verified.profile), ("", Some(2)));
}

/// What is said of the signed UKI after this change.
fn refused_uki(change: impl Fn(&mut Bundle<Vec<u8>>)) -> Refusal {
    let (manifest, mut bundle) = uki();
    change(&mut bundle);
    verify(&signed_verdict(&manifest).unwrap(), bundle, &NOTHING).unwrap_err()
}

#[test]
fn a_uki_that_is_not_exactly_the_signed_one_is_refused() {
    let refusal = refused_uki(|bundle| bundle.linux = blob("/c", b"imagine"));
    assert_eq!(code(refusal, &["\"/c\" has 7 bytes"]), "UKI_SIZE");
    let refusal = refused_uki(|bundle| bundle.linux = blob("/c", b"imago"));
    assert_eq!(code(refusal, &["\"/c\" is not the signed file"]), "UKI_DIGEST");
    let refusal = refused_uki(|bundle| bundle.addons.push(blob("/c", b"x")));
    assert_eq!(code(refusal, &["3 addon files, 2 were signed"]), "ADDON_COUNT");
    let refusal = refused_uki(|bundle| bundle.addons.reverse());
    assert_eq!(code(refusal, &["b.addon.efi"]), "ADDON_DIGEST");
    let refusal = refused_uki(|bundle| bundle.profile = Some(0));
    assert_eq!(code(refusal, &["starts profile 0", "profile 2 of a"]), "PROFILE");
    let refusal = refused_uki(|bundle| bundle.profile = None);
    assert_eq!(code(refusal, &["starts a plain kernel", "profile 2 of a"]), "PROFILE");
    let refusal = refused_uki(|bundle| bundle.initrds.push(blob("/c", b"x")));
    assert_eq!(code(refusal, &["1 initrd files, 0 were signed"]), "INITRD_COUNT");
    let refusal = refused_uki(|bundle| bundle.devicetree = Some(blob("/c", b"x")));
    assert_eq!(code(refusal, &["no device tree was signed"]), "DEVICETREE");
    let refusal = refused_uki(|bundle| bundle.overlays.push(blob("/c", b"x")));
    assert_eq!(code(refusal, &["1 overlay files, 0 were signed"]), "OVERLAY_COUNT");
}

#[test]
fn a_plain_kernel_takes_neither_profile_nor_addon_and_its_overlays_in_order() {
    let refusal = refused(|bundle| bundle.profile = Some(0));
    assert_eq!(code(refusal, &["starts profile 0", "a plain kernel was signed"]), "PROFILE");
    let refusal = refused(|bundle| bundle.addons.push(blob("/o", b"x")));
    assert_eq!(code(refusal, &["1 addon files, 0 were signed"]), "ADDON_COUNT");

    let overlays = vec![blob("/o", b"one"), blob("/o", b"two")];
    let mut manifest = manifest();
    if let System::Linux(linux) = &mut manifest.system {
        linux.overlays = overlays.iter().map(file).collect();
    }
    let attested = signed_verdict(&manifest).unwrap();
    let refusal = verify(&attested, bundle(), &NOTHING).unwrap_err();
    assert_eq!(refusal.code(), "OVERLAY_COUNT");
    let swapped = overlays.iter().rev().cloned().collect();
    let refusal = verify(&attested, Bundle { overlays: swapped, ..bundle() }, &NOTHING);
    assert_eq!(code(refusal.unwrap_err(), &["\"/o\""]), "OVERLAY_DIGEST");
    assert!(verify(&attested, Bundle { overlays, ..bundle() }, &NOTHING).is_ok());
}

#[test]
fn slots_of_the_signed_command_line_are_filled_with_what_the_menu_says() {
    let mut manifest = manifest();
    if let System::Linux(linux) = &mut manifest.system {
        linux.slots = Slot::ALL.to_vec();
        linux.options = "root=LABEL=root-${name} turnout=${entry},${tries},${boot}".to_owned();
    }
    let attested = signed_verdict(&manifest).unwrap();
    let verified = verify(&attested, bundle(), &slot_values(Some(2), "b")).unwrap();
    assert_eq!(verified.options, "root=LABEL=root-b turnout=good,2,menu");
    let refusal = verify(&attested, bundle(), &slot_values(Some(2), "b init=/bin/sh"));
    let words = ["\"b init=/bin/sh\"", "${name}"];
    assert_eq!(code(refusal.unwrap_err(), &words), "SLOT_VALUE");
    let refusal = verify(&attested, bundle(), &slot_values(None, "b"));
    assert_eq!(code(refusal.unwrap_err(), &["boot counter"]), "SLOT_VALUE");
}

fn slot_values(tries: Option<u32>, name: &str) -> SlotValues {
    SlotValues { tries, name: Some(name.to_owned()), token: None }
}

#[test]
fn every_truncation_of_a_manifest_or_of_its_signatures_is_refused() {
    let ring = ring();
    let text = manifest().write();
    let signature = signed_by(RELEASE, &text);
    let whole = text.as_bytes();
    let by_release = signature.as_bytes();
    assert!(verdict_of(&ring, whole, by_release).is_ok());
    for len in 0..whole.len() {
        let refusal = verdict_of(&ring, &whole[..len], by_release).unwrap_err();
        assert_eq!(refusal.code(), "SIGNATURE_INVALID", "{len} bytes");
        let signed = signed_by(RELEASE, text.get(..len).unwrap());
        let refusal = verdict_of(&ring, &whole[..len], signed.as_bytes()).unwrap_err();
        assert_eq!(refusal.code(), "MANIFEST_SYNTAX", "{len} bytes, signed");
    }
    for len in 0..by_release.len() {
        let refusal = verdict_of(&ring, whole, &by_release[..len]).unwrap_err();
        assert_eq!(refusal.code(), "SIGNATURE_SYNTAX", "{len} bytes of the signature");
    }
}

#[test]
fn every_code_is_listed_in_the_document_and_no_other() {
    let document = include_str!("../../../docs/reason-codes.md");
    let (_, trust) = document.split_once("## Trust").unwrap();
    let section = trust.split("\n## ").next().unwrap();
    let listed: Vec<_> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(code, _)| code)
        .collect();
    assert_eq!(listed, Refusal::CODES);
}
