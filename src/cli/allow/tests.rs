//! Files that somebody names, on a machine with a key ring: which are let into which
//! slot, and why not the others.

use std::fs;
use std::path::PathBuf;

use super::super::arguments::Asked;
use super::super::remembered::Remembered;
use super::super::source::{Location, Source};
use super::*;
use crate::base::digest::Digest;
use crate::rollback::texts::{Signed as Copy, Texts};
use crate::rollback::{Document, Record};
use crate::source::directory::Directory;
use crate::steps::anchor::Kept;
use crate::sys::arch;
use crate::trust::Role;
use crate::trust::manifest::{File, Manifest, Uki};
use crate::trust::policy::Floors;
use crate::trust::slots::Slot as Place;
use crate::trust::sshsig::make;

const RELEASE: u8 = 1;
const STRANGER: u8 = 3;
const KERNEL: &[u8] = b"kernel";
const OPTIONS: &str = "root=LABEL=root ro turnout.boot=${boot}";

/// A boot partition with the signed entry `good`, and a ring beside it.
struct Tree(PathBuf);

impl Tree {
    fn new(test: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("turnout-allow-{test}-{}", std::process::id()));
        let tree = Self(path);
        let entry = format!("linux /vmlinuz\ninitrd /a.img\ninitrd /b.img\noptions {OPTIONS}\n");
        for (name, bytes) in [
            ("root/vmlinuz", KERNEL),
            ("root/other", b"another kernel"),
            ("root/a.img", b"first"),
            ("root/b.img", b"second"),
            ("root/kdump.img", b"kdump"),
            ("root/loader/entries/good.conf", entry.as_bytes()),
        ] {
            tree.write(name, bytes);
        }
        let key = make::public_base64(&make::public(RELEASE));
        let line = format!("release namespaces=\"turnout-boot\" ssh-ed25519 {key}\n");
        tree.write("ring", line.as_bytes());
        tree.sign(RELEASE, &tree.manifest("good", &["a.img", "b.img"], OPTIONS));
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn file(&self, name: &str) -> File {
        let bytes = fs::read(self.path("root").join(name)).unwrap();
        let size = bytes.len() as u64;
        File { path: format!("/{name}"), size, digest: Digest::of(&bytes) }
    }

    fn manifest(&self, id: &str, initrds: &[&str], options: &str) -> Manifest {
        let has_slot = options.contains(Place::Boot.placeholder());
        Manifest {
            entry: id.to_owned(),
            title: None,
            role: Role::Boot,
            security_version: 1,
            architecture: arch::native(),
            boards: Vec::new(),
            devices: Vec::new(),
            system: System::Linux(Linux {
                kernel: self.file("vmlinuz"),
                initrds: initrds.iter().map(|name| self.file(name)).collect(),
                devicetree: None,
                overlays: Vec::new(),
                slots: if has_slot { vec![Place::Boot] } else { Vec::new() },
                options: options.to_owned(),
            }),
        }
    }

    fn sign(&self, seed: u8, manifest: &Manifest) {
        let text = manifest.write();
        let path = format!("root/turnout/{}.manifest", manifest.entry);
        let signature = make::armored(seed, "turnout-boot", text.as_bytes());
        self.write(&path, text.as_bytes());
        self.write(&format!("{path}.sig"), signature.as_bytes());
    }

    fn load(&self, kernel: &str, initrds: &[&str], cmdline: Cmdline) -> Load {
        let named = |name: &str| self.path("root").join(name);
        let directory = Directory { path: self.path("root"), ..Directory::default() };
        let location = Location::Directories(vec![directory]);
        let source = Source { location, ..Source::default() };
        Load {
            kernel: named(kernel),
            initrds: initrds.iter().map(|name| named(name)).collect(),
            cmdline,
            dry_run: true,
            asked: Asked { source, keys: Some(self.path("ring")), ..Asked::default() },
            ..Load::default()
        }
    }

    fn crash(&self, kernel: &str, initrd: &str, cmdline: Cmdline) -> Load {
        Load { slot: Slot::Crash, ..self.load(kernel, &[initrd], cmdline) }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

const BOTH: &[&str] = &["a.img", "b.img"];

fn given(text: &str) -> Cmdline {
    Cmdline::Given(text.to_owned())
}

/// The code and the sentence of a refusal by trust.
#[track_caller]
fn refused(load: &Load) -> (&'static str, String) {
    let Err(failure) = files(load) else { panic!("it was let through") };
    assert_eq!(failure.exit_status(), 1, "{failure}");
    (failure.code(), failure.sentence())
}

#[test]
fn what_a_manifest_binds_is_loaded_as_its_entry_with_a_token() {
    let tree = Tree::new("bound");
    for cmdline in [
        Cmdline::Own,
        given(OPTIONS),
        given("root=LABEL=root  ro turnout.boot="),
        given("root=LABEL=root ro turnout.boot=${boot}\n"),
    ] {
        let ready = files(&tree.load("vmlinuz", BOTH, cmdline)).unwrap();
        let options = &ready.proven.get().options;
        let token = ready.token.unwrap();
        assert_eq!(*options, format!("root=LABEL=root ro turnout.boot={token}"));
        assert_eq!(ready.entry.as_deref(), Some("good"));
        assert_eq!((ready.trust.as_str(), ready.said), ("signed by release", Vec::new()));
    }
}

#[test]
fn what_was_compared_is_what_is_loaded_whatever_the_file_becomes() {
    let tree = Tree::new("swapped");
    let load = tree.load("vmlinuz", BOTH, Cmdline::Own);
    let judge = Judge::locked(&load).unwrap();
    let bundle = planning::read(&load).unwrap();
    tree.write("root/vmlinuz", b"evil");
    let candidates = candidates(&judge).unwrap();
    let ready = Files { load: &load, judge: &judge }.decide(&candidates, bundle).unwrap();
    assert_eq!(ready.proven.get().linux.bytes.as_ref(), KERNEL);
}

#[test]
fn a_kernel_that_no_manifest_binds_goes_into_neither_slot() {
    let tree = Tree::new("unbound");
    for load in [
        tree.load("other", BOTH, given("root=LABEL=root ro")),
        tree.crash("other", "kdump.img", given("irqpoll")),
    ] {
        let (code, said) = refused(&load);
        let [root, path] = ["root", "root/other"].map(|name| tree.path(name).display().to_string());
        assert_eq!(
            (code, said),
            (
                "UNSIGNED",
                format!(
                    "no manifest in {root} that counts here binds {path}, and there is a key ring: \
                     sign it with turnout-sign, or \"turnout boot ENTRY\" takes a signed one \
                     (\"turnout verify\" shows them)"
                )
            )
        );
    }
}

#[test]
fn a_manifest_binds_no_other_initrds_and_no_other_command_line() {
    let tree = Tree::new("other");
    let path = tree.path("root/vmlinuz").display().to_string();
    let begins = format!("the manifest of good binds {path}, but not with what was named: ");
    let options = given("root=LABEL=root ro turnout.boot=");
    for (initrds, cmdline, code, why) in [
        (&["a.img"][..], options.clone(), "INITRD_COUNT", "1"),
        (&["b.img", "a.img"], options.clone(), "INITRD_SIZE", "b.img"),
        (&["a.img", "b.img", "kdump.img"], options, "INITRD_COUNT", "3"),
        (BOTH, given("init=/bin/sh"), "EDITED", "the signed command line is \"root=LABEL=root"),
        (BOTH, given("root=LABEL=root ro turnout.boot=x"), "EDITED", "the signed command line"),
        (BOTH, given(""), "EDITED", "the signed command line"),
        (BOTH, given(&format!("{OPTIONS} single")), "EDITED", "the signed command line"),
    ] {
        let (found, said) = refused(&tree.load("vmlinuz", initrds, cmdline));
        assert_eq!(found, code, "{said}");
        assert!(said.starts_with(&begins) && said.contains(why), "{said}");
        assert!(said.ends_with("\"turnout boot good\" takes what was signed"), "{said}");
    }
}

#[test]
fn a_device_tree_that_nobody_signed_is_refused() {
    let tree = Tree::new("tree");
    let dtb = Some(tree.path("root/kdump.img"));
    let load = Load { devicetree: dtb, ..tree.load("vmlinuz", BOTH, Cmdline::Own) };
    assert_eq!(refused(&load).0, "DEVICETREE");
}

#[test]
fn a_manifest_of_a_stranger_or_for_another_machine_binds_nothing() {
    let tree = Tree::new("stranger");
    let load = tree.load("vmlinuz", BOTH, Cmdline::Own);
    let good = tree.manifest("good", BOTH, OPTIONS);
    tree.sign(STRANGER, &good);
    assert_eq!(refused(&load).0, "UNSIGNED");
    tree.sign(RELEASE, &Manifest { boards: vec!["acme,one".to_owned()], ..good.clone() });
    assert_eq!(refused(&load).0, "UNSIGNED");
    // What was signed for another entry is not this one's.
    tree.sign(RELEASE, &good);
    fs::rename(tree.path("root/turnout/good.manifest"), tree.path("root/turnout/x.manifest"))
        .unwrap();
    fs::rename(
        tree.path("root/turnout/good.manifest.sig"),
        tree.path("root/turnout/x.manifest.sig"),
    )
    .unwrap();
    assert_eq!(refused(&load).0, "UNSIGNED");
}

#[test]
fn a_manifest_counts_without_a_menu_entry() {
    let tree = Tree::new("loose");
    tree.sign(RELEASE, &tree.manifest("kdump-6.1", &["kdump.img"], "irqpoll nr_cpus=1"));
    let ready = files(&tree.crash("vmlinuz", "kdump.img", given("irqpoll nr_cpus=1"))).unwrap();
    assert_eq!((ready.entry.as_deref(), ready.token), (Some("kdump-6.1"), None));
    assert_eq!((ready.trust.as_str(), ready.said), ("signed by release", Vec::new()));
}

/// What comes of it where `crash unsigned` is there.
fn as_crash(load: &Load) -> Result<Ready, Failure> {
    let judge = Judge::locked(load).unwrap();
    let candidates = candidates(&judge).unwrap();
    let bundle = planning::read(load).unwrap();
    let by = candidates.first().unwrap();
    let Err(miss) = (Files { load, judge: &judge }).binds(by, &bundle) else { panic!() };
    miss.crash(bundle, true)
}

#[test]
fn a_signed_crash_kernel_takes_what_nobody_signed_only_where_that_is_allowed() {
    let tree = Tree::new("crash");
    let load = tree.crash("vmlinuz", "kdump.img", given("irqpoll"));
    let path = tree.path("root/vmlinuz").display().to_string();
    let (code, said) = refused(&load);
    assert_eq!(code, "INITRD_COUNT");
    let begins = format!(
        "the manifest of good binds {path}, but nobody signed it with this initrd and command line: "
    );
    assert!(said.starts_with(&begins), "{said}");
    let ends = "; sign them, or \"crash unsigned\" in /etc/turnout/turnout.conf allows it";
    assert!(said.ends_with(ends), "{said}");

    let ready = as_crash(&load).unwrap();
    assert_eq!(ready.trust, "unsigned, but its kernel signed by release");
    assert_eq!((ready.entry, ready.token), (None, None));
    assert_eq!(ready.proven.get().options, "irqpoll");
    let [said] = ready.said.as_slice() else { panic!("{:?}", ready.said) };
    let begins = "nobody signed the initrd and the command line of this crash kernel: ";
    assert!(said.starts_with(begins), "{said}");
}

#[test]
fn a_signed_crash_kernel_may_be_named_with_words_of_the_running_systems_start() {
    let tree = Tree::new("kdump");
    tree.sign(RELEASE, &tree.manifest("kdump-6.1", &["kdump.img"], "root=LABEL=root irqpoll"));
    let line = "BOOT_IMAGE=/vmlinuz root=LABEL=root  turnout.boot=kexec-0f irqpoll";
    let ready = files(&tree.crash("vmlinuz", "kdump.img", given(line))).unwrap();
    assert_eq!(ready.entry.as_deref(), Some("kdump-6.1"));
    assert_eq!(ready.proven.get().options, "root=LABEL=root irqpoll", "what was signed");
    let (code, _) = refused(&tree.load("vmlinuz", &["kdump.img"], given(line)));
    assert_eq!(code, "EDITED", "in the ordinary slot the words count");
    let more = format!("{line} init=/bin/sh");
    assert_eq!(refused(&tree.crash("vmlinuz", "kdump.img", given(&more))).0, "EDITED");
}

#[test]
fn a_crash_kernel_takes_no_device_tree_that_nobody_signed() {
    let tree = Tree::new("crash-tree");
    let crash = tree.crash("vmlinuz", "kdump.img", given("irqpoll"));
    let with =
        |name: &str| Load { devicetree: Some(tree.path("root").join(name)), ..crash.clone() };
    let Err(failure) = as_crash(&with("other")) else { panic!("it was let through") };
    assert_eq!((failure.code(), failure.exit_status()), ("DEVICETREE", 1));
    assert!(failure.sentence().contains("\"crash unsigned\" allows no device tree"), "{failure}");
    let mut signed = tree.manifest("good", BOTH, OPTIONS);
    let System::Linux(linux) = &mut signed.system else { panic!() };
    linux.devicetree = Some(tree.file("other"));
    tree.sign(RELEASE, &signed);
    assert!(as_crash(&with("other")).is_ok(), "it is the manifest's own");
    assert_eq!(as_crash(&with("a.img")).err().unwrap().code(), "DEVICETREE");
}

#[test]
fn an_image_that_was_signed_whole_has_its_own_command_line() {
    let tree = Tree::new("uki");
    let image = tree.file("other");
    let system = System::Uki(Uki { image, profile: 0, addons: Vec::new() });
    tree.sign(RELEASE, &Manifest { system, ..tree.manifest("uki", &[], "") });
    let ready = files(&tree.load("other", &[], Cmdline::Own)).unwrap();
    assert_eq!((ready.entry.as_deref(), ready.proven.get().profile), (Some("uki"), Some(0)));
    let (code, said) = refused(&tree.load("other", &[], given("init=/bin/sh")));
    assert_eq!(code, "EDITED");
    assert!(said.contains("the signed command line is that of the image"), "{said}");
    assert_eq!(refused(&tree.load("other", &["a.img"], Cmdline::Own)).0, "INITRD_COUNT");
    let image = tree.file("other");
    let system = System::Uki(Uki { image, profile: 1, addons: Vec::new() });
    tree.sign(RELEASE, &Manifest { system, ..tree.manifest("uki", &[], "") });
    assert_eq!(refused(&tree.load("other", &[], Cmdline::Own)).0, "PROFILE");
}

#[test]
fn where_there_is_no_ring_that_is_said_and_nothing_is_refused() {
    let tree = Tree::new("open");
    let mut load = tree.load("other", &["kdump.img"], given("quiet"));
    load.asked.keys = None;
    let ready = files(&load).unwrap();
    assert_eq!((ready.trust.as_str(), ready.entry), ("unsigned", None));
    assert_eq!(ready.said, ["nothing is verified: there is no /etc/turnout/allowed_signers"]);
}

#[test]
fn a_ring_that_cannot_be_read_is_not_taken_for_none() {
    let tree = Tree::new("ring");
    let load = tree.load("vmlinuz", BOTH, Cmdline::Own);
    tree.write("ring", b"not a ring\n");
    let Err(failure) = files(&load) else { panic!("it was let through") };
    assert!(failure.sentence().contains("ring: line 1"), "{failure}");
}

/// What the machine with this tree has, where it remembers this of earlier starts.
fn remembering(tree: &Tree, remembered: Remembered) -> Result<Judge, Failure> {
    let load = tree.load("vmlinuz", BOTH, Cmdline::Own);
    Judge::with(&load.asked, |_| Ok(remembered)).map(|(judge, _)| judge)
}

#[test]
fn an_update_of_the_ring_that_was_deleted_still_counts() {
    let tree = Tree::new("rollback");
    let line = |seed, namespaces: &str| {
        let key = make::public_base64(&make::public(seed));
        format!("key{seed} namespaces=\"{namespaces}\" ssh-ed25519 {key}\n")
    };
    let policy_key = line(2, "turnout-policy");
    let old = [line(RELEASE, "turnout-boot"), policy_key.clone()].concat();
    tree.write("ring", old.as_bytes());
    let text = ["# turnout-ring 1\n", &line(STRANGER, "turnout-boot"), &policy_key].concat();
    let ring = Document { version: 1, digest: Digest::of(text.as_bytes()) };
    let record = Some(Record { ring, ..Record::new(Floors::default()) });
    let kept = |texts| Remembered { kept: Kept { record, texts }, ..Remembered::default() };
    let Err(failure) = remembering(&tree, kept(Vec::new())) else { panic!("it was set back") };
    assert_eq!((failure.code(), failure.exit_status()), ("STORE", 1));
    assert!(failure.sentence().starts_with("the key ring has version 0, and version 1 was in"));
    let signatures = make::armored(2, "turnout-policy", text.as_bytes()).into_bytes();
    let copy = Copy { text: text.into_bytes(), signatures };
    let texts = Texts { ring: Some(copy), policy: None };
    let judge = remembering(&tree, kept(vec![texts])).unwrap();
    assert_eq!(judge.anchor.ring_document(), ring);
    assert!(candidates(&judge).unwrap().is_empty(), "its key is in the ring no more");
}

#[test]
fn a_floor_that_the_machine_remembers_counts_for_every_source() {
    let tree = Tree::new("floor");
    let floors = |boot| Floors { boot, recovery: 0 };
    let remembered = |boot| Remembered { floors: floors(boot), ..Remembered::default() };
    let found = |boot| candidates(&remembering(&tree, remembered(boot)).unwrap()).unwrap().len();
    assert_eq!((found(1), found(2)), (1, 0));
}
