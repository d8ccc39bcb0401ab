//! What is measured, byte by byte where somebody else has to know it.

use super::*;
use crate::base::arch::Arch;
use crate::fdt::Live;
use crate::image::testing::uki;
use crate::tpm::log::read;
use crate::trust::allowed_signers::KeyRing;
use crate::trust::policy::{Floors, Policy};
use crate::trust::slots::SlotValues;
use crate::trust::sshsig::make;
use crate::trust::verify::{Context, Evidence, Identity, check_manifest, verify};

type Entry = (Attested, Verified<Bundle<Vec<u8>>>);

fn blob(path: &str, bytes: &[u8]) -> Blob<Vec<u8>> {
    Blob::hash(path, bytes.to_vec())
}

fn bundle(linux: &[u8]) -> Bundle<Vec<u8>> {
    Bundle {
        entry: "good".to_owned(),
        linux: blob("/vmlinuz", linux),
        profile: None,
        initrds: vec![blob("/a.img", b"first"), blob("/b.img", b"other")],
        devicetree: None,
        overlays: Vec::new(),
        addons: Vec::new(),
        options: "ro quiet".to_owned(),
    }
}

/// An entry that a device lets boot: without a manifest in an open image.
fn admitted(ring: Option<&KeyRing>, manifest: Option<(&str, &str)>) -> Entry {
    let context = Context {
        mode: Mode::Open,
        ring,
        policy: &Policy::default(),
        arch: Arch::X86_64,
        identity: &Identity::default(),
        floors: Floors::default(),
    };
    let evidence = Evidence {
        manifest: manifest.map(|(text, _)| text.as_bytes()),
        signature: manifest.map(|(_, signatures)| signatures.as_bytes()),
    };
    let attested = check_manifest(&context, "good", evidence).unwrap();
    let bundle = verify(&attested, bundle(b"kernel"), &SlotValues::default()).unwrap();
    (attested, bundle)
}

fn file_line(kind: &str, blob: &Blob<Vec<u8>>) -> String {
    format!("{kind} {} {} sha256:{}\n", blob.path, blob.size, blob.digest)
}

/// One that these keys have signed.
fn signed_by(seeds: &[u8]) -> Entry {
    let lines: Vec<_> =
        seeds.iter().map(|seed| ("signer", "turnout-boot", make::public(*seed))).collect();
    let files = bundle(b"kernel");
    let manifest = format!(
        "turnout-manifest 1\nentry good\nsecurity-version 7\narchitecture x86_64\n{}{}{}\
         options ro quiet\n",
        file_line("linux", &files.linux),
        file_line("initrd", &files.initrds[0]),
        file_line("initrd", &files.initrds[1]),
    );
    let signatures: String = seeds
        .iter()
        .map(|seed| make::armored(*seed, "turnout-boot", manifest.as_bytes()))
        .collect();
    admitted(Some(&KeyRing::of(&lines)), Some((&manifest, &signatures)))
}

fn events((attested, bundle): &Entry) -> Vec<Event> {
    entry(Mode::Locked, attested, bundle, None).unwrap()
}

/// The lowest byte first.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | usize::from(*byte))
}

/// Number and value of each field of a record.
fn fields(event: &Event) -> Vec<(u16, Vec<u8>)> {
    assert_eq!(event.data[..4], *b"trn1");
    assert_eq!(number(&event.data[4..8]), event.data.len() - 8);
    let mut rest = &event.data[8..];
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let field = number(&rest[..2]);
        let len = number(&rest[2..6]);
        fields.push((u16::try_from(field).unwrap(), rest[6..6 + len].to_vec()));
        rest = &rest[6 + len..];
    }
    fields
}

#[test]
fn a_signed_boot_is_a_record_its_files_in_order_and_two_separators() {
    let events = events(&signed_by(&[1]));
    let kinds: Vec<_> = events.iter().map(|event| (event.pcr, event.kind)).collect();
    assert_eq!(kinds, [(8, 6), (9, 13), (9, 13), (9, 13), (8, 4), (9, 4)]);
    let digests: Vec<_> = events[1..4].iter().map(|event| event.digest).collect();
    assert_eq!(digests, [b"kernel".as_slice(), b"first", b"other"].map(Digest::of));
    let said: Vec<_> = events[1..4].iter().map(|event| event.data.as_slice()).collect();
    assert_eq!(said, [&b"linux /vmlinuz\0"[..], b"initrd /a.img\0", b"initrd /b.img\0"]);
    assert!(events[4..].iter().all(|event| event.data == [0; 4]));
    assert!(events[4..].iter().all(|event| event.digest == Digest::of(&[0; 4])));
}

#[test]
fn the_record_says_what_was_decided_and_on_whose_word() {
    let (attested, bundle) = signed_by(&[1]);
    let record = &entry(Mode::Locked, &attested, &bundle, None).unwrap()[0];
    let Attested::Signed(signed) = &attested else { panic!("signed") };
    let expected: [(u16, &[u8]); 8] = [
        (1, b"locked"),
        (2, b"boot"),
        (3, b"good"),
        (4, &signed.digest().0),
        (5, &signed.fingerprints()[0].0),
        (6, &[7, 0, 0, 0]),
        (7, b"linux initrd initrd"),
        (8, b"ro quiet"),
    ];
    assert_eq!(fields(record), expected.map(|(field, value)| (field, value.to_vec())));
    assert_eq!(record.digest, Digest::of(&record.data));
}

#[test]
fn an_unsigned_boot_says_so_and_names_no_key() {
    let record = &events(&admitted(None, None))[0];
    let fields = fields(record);
    let numbers: Vec<_> = fields.iter().map(|(field, _)| *field).collect();
    assert_eq!(numbers, [1, 2, 3, 7, 8]);
    assert_eq!(fields[1].1, b"unsigned");
}

#[test]
fn the_mode_changes_the_record_and_nothing_else() {
    let (attested, bundle) = signed_by(&[1]);
    let open = entry(Mode::Open, &attested, &bundle, None).unwrap();
    let locked = entry(Mode::Locked, &attested, &bundle, None).unwrap();
    assert_ne!(open[0].digest, locked[0].digest);
    assert_eq!(open[1..], locked[1..]);
}

#[test]
fn sections_of_a_uki_are_measured_by_name_and_bytes_in_canonical_order() {
    let sections: [(&str, &[u8]); 4] =
        [(".initrd", b"initrd"), (".pcrsig", b"{}"), (".linux", b"kernel"), (".cmdline", b"ro")];
    let bundle = bundle(&uki(&sections));
    let measured: [&[u8]; 6] =
        [b".linux\0", b"kernel", b".cmdline\0", b"ro", b".initrd\0", b"initrd"];
    let events = super::uki::events(&bundle, None);
    let digests: Vec<_> = events.iter().map(|event| event.digest).collect();
    assert_eq!(digests, measured.map(Digest::of));
    assert!(events.iter().all(|event| (event.pcr, event.kind) == (11, 13)));
    assert_eq!(events[0].data, b".\0l\0i\0n\0u\0x\0\0\0");
    assert_eq!(super::uki::events(&super::tests::bundle(b"no uki"), None), []);
}

fn tree_for(compatible: &[u8]) -> Vec<u8> {
    let compatible = ("compatible".to_owned(), compatible.to_vec());
    Live { name: String::new(), properties: vec![compatible], children: vec![] }.to_blob()
}

#[test]
fn of_device_trees_for_several_boards_only_the_one_that_is_used_is_measured() {
    let other = tree_for(b"a,b\0");
    let this = tree_for(b"c,d\0a,b\0");
    let sections: [(&str, &[u8]); 3] =
        [(".dtbauto", &other), (".dtbauto", &this), (".linux", b"kernel")];
    let bundle = bundle(&uki(&sections));
    let kernel: [&[u8]; 2] = [b".linux\0", b"kernel"];
    let with: [&[u8]; 4] = [b".linux\0", b"kernel", b".dtbauto\0", &this];
    for (board, measured) in [(Some("c,d"), &with[..]), (Some("e,f"), &kernel), (None, &kernel)] {
        let events = super::uki::events(&bundle, board);
        let digests: Vec<_> = events.iter().map(|event| event.digest).collect();
        assert_eq!(digests, measured.iter().map(|it| Digest::of(it)).collect::<Vec<_>>());
    }
}

#[test]
fn recovery_has_a_boundary_of_its_own() {
    let [decision, files] = Boundary::Recovery.events();
    assert_eq!((decision.pcr, files.pcr), (8, 9));
    assert_eq!(decision.digest, Digest::of(&[0xff; 4]));
    assert_ne!(decision.digest, Boundary::Start.events()[0].digest);
}

#[test]
fn the_archive_holds_the_log_in_a_directory_and_can_be_read_by_others() {
    let events = events(&signed_by(&[1]));
    let bytes = archive(&events);
    assert_eq!(bytes.len() % 4, 0);
    assert!(bytes.starts_with(b"070701") && &bytes[110..118] == b"turnout\0");
    assert!(bytes[120..].starts_with(b"070701"));
    assert_eq!(&bytes[230..256], b"turnout/measurements.log\0\0");
    let size = std::str::from_utf8(&bytes[120 + 54..120 + 62]).unwrap();
    let size = usize::from_str_radix(size, 16).unwrap();
    assert_eq!(read(&bytes[256..256 + size]), Ok(events));
    assert!(bytes.windows(10).any(|window| window == b"TRAILER!!!"));
}
