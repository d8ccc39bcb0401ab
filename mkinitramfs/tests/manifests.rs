//! Ten thousand manifests that were changed at random: the device, the signer,
//! and a reader written after docs/manifest.md alone say the same of each.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{HashAlg, LineEnding, PrivateKey};
use turnout::base::arch::Arch;
use turnout::trust::Namespace;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::manifest;
use turnout::trust::policy::{Floors, Policy};
use turnout::trust::verify::{Context, Evidence, Identity, Mode, check_manifest};

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Manifests that use every field between them.
fn originals() -> Vec<String> {
    let file = |field: &str, path: &str| format!("{field} {path} 12 sha256:{HEX}\n");
    let head = "turnout-manifest 1\nentry good\n";
    let pc = "security-version 7\narchitecture x86_64\n";
    let board = "title Größe\nrole recovery\nsecurity-version 0\narchitecture aarch64\n\
                 board acme,one\nboard acme,two\ndevice serial-7\n";
    let linux = [
        file("linux", "/vmlinuz-6.1"),
        file("initrd", "/a.img"),
        file("initrd", "/b/c.img"),
        file("devicetree", "/x.dtb"),
        file("overlay", "/y.dtbo"),
    ];
    let slots = "slot entry\nslot tries\nslot name\nslot boot\n\
                 options id=${entry} tries=${tries} root=LABEL=${name}  ro b=${boot}\n";
    let uki = [file("uki", "/x.efi"), "profile 3\n".to_owned(), file("addon", "/y.efi")];
    vec![
        format!("{head}{pc}{}options ro quiet\n", linux[0]),
        format!("{head}{pc}{}{}options\n", linux[0], linux[1]),
        format!("{head}{board}{}{slots}", linux.concat()),
        format!("{head}{pc}{}", uki[0]),
        format!("{head}{board}{}", uki.concat()),
    ]
}

/// The generator "SplitMix64": the same numbers in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Bytes that mean something to a reader of lines, and some that do not.
const BYTES: &[u8] = b" \t\n\r\0/.0199azAZ:$}{sha256\x7f\xc3\xa9\xc2\x85\xa0\xff";
/// Lines that no original has.
const LINES: [&str; 12] = [
    "role boot\n",
    "profile 0\n",
    "profile 4294967296\n",
    "slot root\n",
    "options\n",
    "options \n",
    "entry other\n",
    "title\n",
    "security-version 08\n",
    "architecture arm64\n",
    "# comment\n",
    "\n",
];

fn mutate(random: &mut Random, text: &[u8], lines: &[String]) -> Vec<u8> {
    if text.is_empty() {
        return vec![*random.pick(BYTES)];
    }
    let mut bytes = text.to_vec();
    let at = random.below(bytes.len());
    match random.below(11) {
        0 => bytes[at] = *random.pick(BYTES),
        1 => bytes.insert(at, *random.pick(BYTES)),
        2 => drop(bytes.remove(at)),
        3 => bytes.truncate(at),
        4 => bytes[at] ^= 1 << random.below(8),
        9 | 10 => replace_alike(random, &mut bytes),
        kind => return mutate_lines(random, &bytes, lines, kind),
    }
    bytes
}

/// A digit by a digit or a letter by a letter: the change that most often gives
/// another manifest.
fn replace_alike(random: &mut Random, bytes: &mut [u8]) {
    let word = |byte: &&mut u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut words: Vec<_> = bytes.iter_mut().filter(word).collect();
    let count = words.len();
    if let Some(byte) = words.get_mut(random.below(count)) {
        let digit = byte.is_ascii_digit();
        **byte = *random.pick(if digit { b"0123456789" } else { b"abcdefghij" });
    }
}

fn mutate_lines(random: &mut Random, text: &[u8], pool: &[String], kind: usize) -> Vec<u8> {
    let mut lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let (one, two) = (random.below(lines.len()), random.below(lines.len()));
    match kind {
        5 => drop(lines.remove(one)),
        6 => lines.insert(one, lines[two]),
        7 => lines.swap(one, two),
        _ => lines.insert(one, random.pick(pool).as_bytes()),
    }
    lines.concat()
}

/// Whether docs/manifest.md allows it.
fn is_by_the_document(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Some(text) = text.strip_suffix('\n').filter(|_| bytes.len() <= 65536) else { return false };
    let lines: Vec<_> = text.split('\n').collect();
    let plain = |line: &&str| {
        let value = line.split_once(' ').map_or("", |(_, value)| value);
        let blank = |c: char| c.is_whitespace();
        !line.chars().any(char::is_control) && !line.ends_with(blank) && !value.starts_with(blank)
    };
    if !lines.iter().all(plain) {
        return false;
    }
    let fields: Vec<_> =
        lines.iter().map(|line| line.split_once(' ').unwrap_or((line, ""))).collect();
    let system = if fields.iter().any(|(name, _)| *name == "uki") { UKI } else { LINUX };
    let rules: Vec<_> = [HEAD, system].concat();
    fits(&fields, &rules) && slots_fit(&fields)
}

/// Name, fewest and most lines, and what a value must be.
type Rule = (&'static str, usize, usize, fn(&str) -> bool);

const HEAD: &[Rule] = &[
    ("turnout-manifest", 1, 1, |value| value == "1"),
    ("entry", 1, 1, is_name),
    ("title", 0, 1, |value| (1..=512).contains(&value.len())),
    ("role", 0, 1, |value| value == "recovery"),
    ("security-version", 1, 1, |value| is_number(value, u64::from(u32::MAX))),
    ("architecture", 1, 1, |value| value == "x86_64" || value == "aarch64"),
    ("board", 0, 32, is_name),
    ("device", 0, 64, is_name),
];
const SLOTS: [&str; 4] = ["entry", "tries", "name", "boot"];
const LINUX: &[Rule] = &[
    ("linux", 1, 1, is_file),
    ("initrd", 0, 32, is_file),
    ("devicetree", 0, 1, is_file),
    ("overlay", 0, 16, is_file),
    ("slot", 0, 4, |value| SLOTS.contains(&value)),
    ("options", 1, 1, |_| true),
];
const UKI: &[Rule] = &[
    ("uki", 1, 1, is_file),
    ("profile", 0, 1, |value| value != "0" && is_number(value, u64::from(u32::MAX))),
    ("addon", 0, 16, is_file),
];

fn fits(mut fields: &[(&str, &str)], rules: &[Rule]) -> bool {
    for (name, fewest, most, is_good) in rules {
        let count = fields.iter().take_while(|(field, _)| field == name).count();
        let good = fields[..count].iter().all(|(_, value)| is_good(value));
        if !good || count < *fewest || count > *most {
            return false;
        }
        fields = &fields[count..];
    }
    fields.is_empty()
}

fn slots_fit(fields: &[(&str, &str)]) -> bool {
    let slots: Vec<_> = fields.iter().filter(|(name, _)| *name == "slot").collect();
    let options = fields.last().map_or("", |(_, value)| value);
    let place = |slot: &str| SLOTS.iter().position(|one| *one == slot);
    slots.windows(2).all(|pair| place(pair[0].1) < place(pair[1].1))
        && slots.iter().all(|(_, slot)| options.split(&format!("${{{slot}}}")).count() == 2)
}

fn is_name(value: &str) -> bool {
    let allowed = |c: char| ('!'..='~').contains(&c) && c != '/';
    (1..=242).contains(&value.len()) && !value.starts_with('.') && value.chars().all(allowed)
}

fn is_number(value: &str, most: u64) -> bool {
    let canonical = value == "0" || !value.starts_with('0');
    let digits = !value.is_empty() && value.chars().all(|c| c.is_ascii_digit());
    canonical && digits && value.parse::<u64>().is_ok_and(|number| number <= most)
}

fn is_file(value: &str) -> bool {
    let words: Vec<_> = value.split(' ').collect();
    let [path, size, digest] = words[..] else { return false };
    let parts: Vec<_> = path.split('/').collect();
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let lower = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    path.len() <= 4096
        && !path.contains(char::is_whitespace)
        && parts.len() > 1
        && parts[0].is_empty()
        && !parts[1..].iter().any(|part| ["", ".", ".."].contains(part))
        && is_number(size, u64::MAX)
        && hex.len() == 64
        && hex.chars().all(lower)
}

/// Whether a device reads the text as a manifest, once its signature is good.
fn device_reads(text: &[u8]) -> bool {
    let namespace = Namespace::Boot.name();
    let keypair = Ed25519Keypair::from_seed(&[1; 32]);
    let key = PrivateKey::new(KeypairData::from(keypair), "").unwrap();
    let public = key.public_key().to_openssh().unwrap();
    let ring = KeyRing::parse(format!("a namespaces=\"{namespace}\" {public}\n").as_bytes());
    let (policy, identity) = (Policy::default(), Identity::default());
    let context = Context {
        mode: Mode::Locked,
        ring: Some(ring.as_ref().unwrap()),
        policy: &policy,
        arch: Arch::X86_64,
        identity: &identity,
        floors: Floors::default(),
    };
    let signature = key.sign(namespace, HashAlg::Sha256, text).unwrap();
    let armored = signature.to_pem(LineEnding::LF).unwrap();
    let evidence = Evidence { manifest: Some(text), signature: Some(armored.as_bytes()) };
    let verdict = check_manifest(&context, "good", evidence);
    verdict.err().is_none_or(|refusal| refusal.code() != "MANIFEST_SYNTAX")
}

#[test]
fn of_ten_thousand_mutated_manifests_all_readers_say_the_same() {
    let originals = originals();
    let mut lines: Vec<_> = LINES.map(str::to_owned).to_vec();
    lines.extend(originals.iter().flat_map(|text| text.split_inclusive('\n')).map(str::to_owned));
    let mut random = Random(20);
    let (mut accepted, mut refused) = (0, 0);
    for number in 0..10_000 {
        let mut text = random.pick(&originals).clone().into_bytes();
        for _ in 0..=random.below(2) {
            text = mutate(&mut random, &text, &lines);
        }
        let read = manifest::parse(&text);
        let shown = text.escape_ascii();
        assert_eq!(read.is_ok(), is_by_the_document(&text), "{number}: {read:?}\n{shown}");
        assert_eq!(read.is_ok(), device_reads(&text), "{number}: {shown}");
        match read {
            Ok(manifest) => {
                assert_eq!(manifest.write().as_bytes(), text, "{number}: {shown}");
                accepted += 1;
            }
            Err(_) => refused += 1,
        }
    }
    println!("{accepted} accepted, {refused} refused");
    assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
}
