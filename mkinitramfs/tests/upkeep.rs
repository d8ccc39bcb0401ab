//! `turnout-sign upkeep` on a machine's boot menu, as hooks of packages run it: what is
//! signed, what boots then, and what at each moment in between. `turnout` says what PID 1
//! would do.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "upkeep/machine.rs"]
mod machine;
#[path = "common/programs.rs"]
mod programs;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::time::{Duration, Instant};

use common::{run, text};
use machine::{Machine, NEW, OLD, SIMPLE, Snapshot, TURNOUT_SIGN, advanced, menu};
use mkinitramfs::upkeep::disk::Disk;

/// A machine with one kernel, signed.
fn signed() -> Machine {
    let machine = Machine::new(&[NEW]);
    machine
        .upkeep(&[])
        .expect(0, &[&format!("signed {SIMPLE}: x86_64, turnout-boot, key SHA256:")]);
    machine
}

#[test]
fn where_nobody_signs_nothing_is_done_or_said() {
    let machine = Machine::new(&[NEW]);
    for conf in ["", "# sign-key /x\nwatchdog off\n"] {
        machine.write("conf", conf);
        let done = machine.upkeep(&[]);
        assert_eq!((done.code, done.text.as_str()), (0, ""));
    }
    fs::remove_file(machine.files.path("conf")).unwrap();
    assert_eq!(machine.upkeep(&[]).text, "");
    assert!(!machine.has("root/turnout") && !machine.has("state"), "nothing is made");
}

#[test]
fn what_boots_is_signed_once_and_what_asks_for_no_password_is_left_out() {
    let machine = Machine::new(&[NEW, OLD]);
    let done = machine.upkeep(&[]);
    done.expect(0, &[&format!("signed {}", advanced(NEW)), &format!("signed {}", advanced(OLD))]);
    done.expect(0, &["give a root shell (sign-shell): gnulinux-6.1.0-50-amd64-recovery-5d2f, "]);
    assert!(!machine.has("root/turnout/gnulinux-6.1.0-50-amd64-recovery-5d2f.manifest"));
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
    let done = machine.upkeep(&[]);
    assert_eq!((done.code, done.text.as_str()), (0, ""), "nothing is to be done");
    machine.write("conf", format!("sign-key {}\nsign-shell yes\n", machine.path("key")));
    machine.upkeep(&[]).expect(0, &["signed gnulinux-6.1.0-50-amd64-recovery-5d2f"]);
}

#[test]
fn the_spare_boots_when_an_initrd_was_replaced_and_not_signed() {
    let machine = signed();
    let [spare] = &machine.spares()[..] else { panic!("{:?}", machine.spares()) };
    let id = spare.strip_suffix("+0.conf").unwrap();
    let mark = id.strip_prefix("turnout-kept-").unwrap();
    let kept = machine.files.path(&format!("root/turnout/kept/{mark}"));
    let inode = |path| fs::metadata(path).unwrap().ino();
    let original = machine.files.path(&format!("root/boot/initrd.img-{NEW}"));
    let link = kept.join(format!("1-initrd.img-{NEW}"));
    assert_eq!(inode(original.clone()), inode(link.clone()), "it takes no room");
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE), "it is not the default");
    machine.rebuild(NEW, "second");
    assert_ne!(inode(original), inode(link.clone()));
    assert_eq!(fs::read_to_string(link).unwrap(), format!("initrd of {NEW}, first"));
    assert_eq!(machine.boots().as_deref(), Some(id));
    machine.turnout(&["verify", SIMPLE]).expect(1, &["INITRD"]);
    machine.upkeep(&[]).expect(0, &[&format!("signed {SIMPLE}"), "signed turnout-kept-"]);
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
    let [next] = &machine.spares()[..] else { panic!("{:?}", machine.spares()) };
    assert_ne!(next, spare, "it is of the new system");
    assert!(!kept.exists());
    machine.turnout(&["verify", next.strip_suffix("+0.conf").unwrap()]).expect(0, &[]);
}

#[test]
fn an_upgrade_boots_the_new_kernel_and_a_removal_drops_what_is_stale() {
    let machine = Machine::new(&[OLD]);
    machine.upkeep(&[]).expect(0, &[]);
    machine.install(NEW);
    machine.write("root/boot/grub/grub.cfg", menu(&[NEW, OLD]));
    assert_eq!(machine.boots(), Some(advanced(OLD)), "the old one until it is signed");
    machine.upkeep(&[]).expect(0, &[&format!("signed {}", advanced(NEW))]);
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
    let manifest = |id: &str| machine.has(&format!("root/turnout/{id}.manifest"));
    machine.remove(OLD);
    machine.upkeep(&["--removed", OLD]).expect(0, &["dropped the manifest of "]);
    assert!(!manifest(&advanced(OLD)) && manifest(&advanced(NEW)) && manifest(SIMPLE));
    assert!(!machine.has(&format!("root/turnout/{}.manifest.sig", advanced(OLD))));
    let ledger = fs::read_to_string(machine.files.path("state/signed")).unwrap();
    assert!(!ledger.contains(OLD), "{ledger}");
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
}

#[test]
fn a_stale_manifest_of_somebody_else_is_said_and_left() {
    let machine = Machine::new(&[NEW, OLD]);
    let (key, root) = (machine.path("key"), machine.root());
    let args = ["sign", "--key", &key, "--root", &root, &advanced(OLD)];
    run(TURNOUT_SIGN, &args).expect(0, &[]);
    machine.remove(OLD);
    machine.write("root/boot/grub/grub.cfg", menu(&[NEW]));
    let stale = format!("root/turnout/{}.manifest", advanced(OLD));
    let path = machine.path(&stale);
    let said = format!("{path} is of an entry that is gone, and was not made here: remove it");
    machine.upkeep(&[]).expect(0, &[&said]);
    assert!(machine.has(&stale));
}

#[test]
fn what_somebody_has_signed_since_is_theirs() {
    let machine = Machine::new(&[NEW, OLD]);
    machine.upkeep(&[]).expect(0, &[]);
    machine.key("second", "boot");
    let id = advanced(OLD);
    sign(&machine, "second", &["--add", &id]);
    machine.upkeep(&[]).expect(0, &[]);
    let manifest = machine.path(&format!("root/turnout/{id}.manifest"));
    let ledger = String::from_utf8(machine.files.read("state/signed")).unwrap();
    assert!(ledger.contains(&format!(" {manifest}\n")), "{ledger}");
    assert!(!ledger.contains(&format!("{manifest}.sig")), "{ledger}");
    machine.remove(OLD);
    machine.write("root/boot/grub/grub.cfg", menu(&[NEW]));
    let said = format!("{manifest} is of an entry that is gone, and was not made here: remove it");
    machine.upkeep(&[]).expect(0, &[&said]);
    assert!(machine.has(&format!("root/turnout/{id}.manifest.sig")));
}

#[test]
fn a_list_without_digests_is_read_and_gets_them() {
    let machine = Machine::new(&[NEW, OLD]);
    machine.upkeep(&[]).expect(0, &[]);
    let ledger = String::from_utf8(machine.files.read("state/signed")).unwrap();
    let of_before = ledger.lines().map(|line| format!("/{}\n", line.split_once('/').unwrap().1));
    machine.write("state/signed", of_before.collect::<String>());
    machine.rebuild(NEW, "second");
    machine.upkeep(&[]).expect(0, &[]);
    let after = String::from_utf8(machine.files.read("state/signed")).unwrap();
    let line = |id: &str| format!("{}\n", machine.path(&format!("root/turnout/{id}.manifest")));
    assert!(after.contains(&format!(" {}", line(SIMPLE))), "{after}");
    assert!(!after.contains(&format!("\n{}", line(SIMPLE))), "{after}");
    assert!(after.contains(&format!("\n{}", line(&advanced(OLD)))), "{after}");
    machine.remove(OLD);
    machine.write("root/boot/grub/grub.cfg", menu(&[NEW]));
    machine.upkeep(&[]).expect(0, &["dropped the manifest of "]);
}

#[test]
fn nothing_is_touched_through_a_link_that_somebody_left() {
    let machine = signed();
    machine.write("etc/policy", "precious");
    let etc = machine.files.path("etc");
    let link = machine.files.path("root/turnout/kept/0123abcd");
    symlink(&etc, &link).unwrap();
    machine.upkeep(&[]).expect(0, &[]);
    assert!(!link.is_symlink(), "the link goes, and not what it leads to");
    assert!(machine.has("etc/policy"));
    for below in ["root/turnout/kept", "root/turnout", "root/boot/loader/entries"] {
        let path = machine.files.path(below);
        let away = machine.files.path("away");
        fs::rename(&path, &away).unwrap();
        symlink(&etc, &path).unwrap();
        machine.rebuild(NEW, below);
        let said = format!("{} is a symbolic link", text(&path));
        machine.upkeep(&[]).expect(1, &[&said]);
        assert_eq!(fs::read_dir(&etc).unwrap().count(), 1, "{below}");
        fs::remove_file(&path).unwrap();
        fs::rename(&away, &path).unwrap();
    }
    machine.upkeep(&[]).expect(0, &[&format!("signed {SIMPLE}")]);
}

#[test]
fn what_is_planted_beside_the_manifests_stops_nobody_and_drives_no_terminal() {
    let machine = signed();
    let planted = |name: &str| machine.files.path(&format!("root/turnout/{name}.manifest"));
    fs::create_dir(planted("a\x1b[2Jb")).unwrap();
    run("mkfifo", &[text(&planted("pipe"))]).expect(0, &[]);
    machine.rebuild(NEW, "second");
    let done = machine.upkeep(&[]);
    let signed = format!("signed {SIMPLE}");
    done.expect(1, &[&signed, "a\\u{1b}[2Jb.manifest: not a regular", "pipe.manifest: not a"]);
    assert!(!done.text.contains('\x1b'), "{}", done.text);
}

#[test]
fn a_file_that_is_linked_from_elsewhere_is_not_signed_and_not_copied() {
    let machine = signed();
    let secret = machine.write("etc/sign.key", "secret");
    let initrd = machine.files.path(&format!("root/boot/initrd.img-{NEW}"));
    fs::remove_file(&initrd).unwrap();
    symlink(&secret, &initrd).unwrap();
    let said = format!("cannot read {}: this path leads out of the boot partition", text(&initrd));
    machine.upkeep(&[]).expect(1, &[&said]);
    let found = run("grep", &["-rl".into(), "secret".into(), machine.path("root/turnout")]);
    assert_eq!(found.text, "");
}

/// Cuts the power after each step of a run, and wants something to boot then; and that the
/// next run ends as if nothing had been.
fn survives_cuts(machine: &Machine, last: &str) {
    let before = Snapshot::of(machine);
    let mut steps = 0;
    loop {
        let report = machine.upkeep_on(&Disk::for_steps(steps));
        if report.is_some_and(|report| report.problems.is_empty()) {
            break;
        }
        assert!(machine.boots().is_some(), "nothing boots after {steps} steps");
        let repaired = machine.upkeep_on(&Disk::default()).unwrap();
        assert_eq!(repaired.problems, [""; 0], "after {steps} steps");
        assert_eq!(machine.boots().as_deref(), Some(last), "after {steps} steps and a new run");
        assert_eq!(machine.spares().len(), 1, "after {steps} steps: {:?}", machine.spares());
        let rest = machine.upkeep_on(&Disk::default()).unwrap();
        assert_eq!((rest.done.len(), rest.problems.len()), (0, 0), "after {steps} steps");
        let left = run("find", &[machine.path("root"), "-name".into(), "*.upkeep".into()]);
        assert_eq!(left.text, "", "after {steps} steps");
        before.restore();
        steps += 1;
    }
    assert!(steps > 10, "the cuts were {steps} and cannot have been all");
}

#[test]
fn the_power_may_go_out_at_any_step_of_a_rebuilt_initrd() {
    let machine = signed();
    machine.rebuild(NEW, "second");
    survives_cuts(&machine, SIMPLE);
}

#[test]
fn the_power_may_go_out_at_any_step_of_an_upgrade() {
    let machine = Machine::new(&[OLD]);
    machine.upkeep(&[]).expect(0, &[]);
    machine.install(NEW);
    machine.remove(OLD);
    machine.write("root/boot/grub/grub.cfg", menu(&[NEW]));
    survives_cuts(&machine, SIMPLE);
}

#[test]
fn a_manifest_that_still_fits_is_replaced_with_the_old_signature_beside_the_new() {
    let machine = signed();
    // Another command line: files as before, so that until the manifest is there the old
    // one must go on to boot.
    let text = menu(&[NEW]).replace("ro quiet", "ro quiet splash");
    machine.write("root/boot/grub/grub.cfg", text);
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
    let before = Snapshot::of(&machine);
    for steps in 0.. {
        let report = machine.upkeep_on(&Disk::for_steps(steps));
        if report.is_some_and(|report| report.problems.is_empty()) {
            assert!(steps > 10, "{steps}");
            break;
        }
        machine.turnout(&["verify", SIMPLE]).expect(0, &[]);
        before.restore();
    }
    let sig =
        fs::read_to_string(machine.files.path(&format!("root/turnout/{SIMPLE}.manifest.sig")));
    assert_eq!(sig.unwrap().matches("BEGIN SSH").count(), 1, "the old one is gone");
}

#[test]
fn openssh_signs_as_a_command() {
    let machine = Machine::new(&[NEW]);
    let program = machine.write(
        "signer",
        "#!/bin/sh\nexec ssh-keygen -q -Y sign -n \"$TURNOUT_NAMESPACE\" -f \"$1\"\n",
    );
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    machine.write("conf", format!("sign-command {} {}\n", text(&program), machine.path("key")));
    machine.upkeep(&[]).expect(0, &[&format!("signed {SIMPLE}")]);
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
    let (ring, signature) =
        (machine.path("ring"), machine.path(&format!("root/turnout/{SIMPLE}.manifest.sig")));
    let script = format!(
        "ssh-keygen -Y verify -f {ring} -I key -n turnout-boot -s {signature} < {}",
        signature.strip_suffix(".sig").unwrap()
    );
    run("sh", &["-c", &script]).expect(0, &["Good \"turnout-boot\" signature for key"]);
}

#[test]
fn each_failure_is_a_line_with_what_to_do_and_what_booted_still_boots() {
    let machine = signed();
    machine.rebuild(NEW, "second");
    let spare = machine.boots().unwrap();
    assert!(spare.starts_with("turnout-kept-"), "{spare}");
    let refuses = |conf: &str, said: &[&str]| {
        machine.write("conf", conf);
        machine.upkeep(&[]).expect(1, said);
        assert_eq!(machine.boots().as_ref(), Some(&spare), "{conf}");
    };
    let not_signed = format!("turnout-sign: {SIMPLE} is not signed: ");
    let absent =
        format!("{not_signed}there is no ssh-agent at /nowhere/agent: start it, or correct");
    refuses("sign-agent /nowhere/agent\n", &[&absent]);
    let cannot = "cannot read /nowhere/key";
    refuses("sign-key /nowhere/key\n", &[&not_signed, "sign-key /nowhere/key", cannot]);
    refuses("sign-command /bin/false\n", &[&not_signed, "/bin/false refuses (exit status: 1)"]);
    refuses("sign-command /bin/echo x\n", &["/bin/echo: its signature cannot be read: line 1"]);
    refuses("sign-root\n", &["conf:1: sign-root has no value"]);
    let open = machine.write("open", machine.files.read("key"));
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    refuses(&format!("sign-key {}\n", text(&open)), &["run: chmod 600 "]);
}

#[test]
fn a_key_that_is_in_no_ring_is_said_with_the_remedy() {
    let machine = signed();
    let ring = machine.files.read("ring");
    machine.key("stranger", "boot");
    machine.write("ring", ring);
    machine.write("conf", format!("sign-key {}\n", machine.path("stranger")));
    machine.rebuild(NEW, "second");
    let spare = machine.boots().unwrap();
    machine.upkeep(&[]).expect(
        1,
        &[
            &format!("{SIMPLE} would be refused: KEY_UNKNOWN: "),
            "add its line to the ring (turnout-sign ring line ",
            "and build the image anew",
        ],
    );
    assert_eq!(machine.boots(), Some(spare), "the spare is not given away for it");
}

#[test]
fn a_menu_that_cannot_be_read_costs_nothing_that_is_there() {
    let machine = signed();
    let good = machine.files.read("root/boot/grub/grub.cfg");
    machine.write("root/boot/grub/grub.cfg", "");
    machine.rebuild(NEW, "second");
    let done = machine.upkeep(&[]);
    assert!(machine.has(&format!("root/turnout/{SIMPLE}.manifest")), "{}", done.text);
    assert!(machine.boots().is_some_and(|id| id.starts_with("turnout-kept-")));
    machine.write("root/boot/grub/grub.cfg", good);
    machine.upkeep(&[]).expect(0, &[]);
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
}

#[test]
fn entries_can_be_left_out_and_the_spare_too() {
    let machine = signed();
    let key = machine.path("key");
    machine.rebuild(NEW, "second");
    machine.write(
        "conf",
        format!("sign-key {key}\nsign-except *-advanced-*\nsign-except turnout-kept\n"),
    );
    let done = machine.upkeep(&[]);
    done.expect(0, &[&format!("signed {SIMPLE}")]);
    assert!(!done.text.contains("-advanced-"), "{}", done.text);
    assert_eq!(machine.spares(), [""; 0]);
    assert!(
        !machine.has("root/turnout/kept/")
            || fs::read_dir(machine.files.path("root/turnout/kept")).unwrap().count() == 0
    );
    let ledger = fs::read_to_string(machine.files.path("state/signed")).unwrap();
    assert!(!ledger.contains(".conf"), "{ledger}");
}

#[test]
fn a_claim_of_the_manifest_stays_and_the_version_never_falls() {
    let machine = Machine::new(&[NEW]);
    let (key, root) = (machine.path("key"), machine.root());
    let args = ["sign", "--key", &key, "--root", &root, "--security-version", "7"];
    run(TURNOUT_SIGN, &[&args[..], &["--device", "serial-1", SIMPLE]].concat()).expect(0, &[]);
    machine.rebuild(NEW, "second");
    machine.upkeep(&[]).expect(0, &[&format!("signed {SIMPLE}")]);
    for id in [SIMPLE, &advanced(NEW)] {
        let manifest = machine.files.read(&format!("root/turnout/{id}.manifest"));
        let manifest = String::from_utf8(manifest).unwrap();
        assert!(manifest.contains("\nsecurity-version 7\n"), "{manifest}");
        assert_eq!(manifest.contains("\ndevice serial-1\n"), id == SIMPLE, "{manifest}");
    }
}

#[test]
fn what_nobody_signed_says_nothing() {
    let machine = signed();
    let path = format!("root/turnout/{SIMPLE}.manifest");
    let text = String::from_utf8(machine.files.read(&path)).unwrap();
    let planted = text.replace("security-version 0", "security-version 4294967295");
    machine.write(&path, &planted);
    machine.write("root/turnout/planted.manifest", planted.replace(SIMPLE, "planted"));
    machine.upkeep(&[]).expect(0, &[&format!("signed {SIMPLE}")]);
    assert_eq!(String::from_utf8(machine.files.read(&path)).unwrap(), text);
}

#[test]
fn what_a_policy_has_shut_out_is_not_signed_in_again() {
    let machine = signed();
    machine.write("policy", "turnout-policy 1\nversion 1\nminimum-security-version boot 1\n");
    let said = format!("{SIMPLE} is shut out and the default: FLOOR");
    machine.upkeep(&[]).expect(1, &[&said]);
    machine.rebuild(NEW, "second");
    machine.upkeep(&[]).expect(1, &[&said]);
}

/// A machine with two kernels whose floor was raised, and with it what is signed anew.
fn raised() -> Machine {
    let machine = Machine::new(&[NEW, OLD]);
    machine.upkeep(&[]).expect(0, &[]);
    machine.write("policy", "turnout-policy 1\nversion 1\nminimum-security-version boot 1\n");
    machine.write("conf", format!("sign-key {}\nsign-security-version 1\n", machine.path("key")));
    machine
}

#[test]
fn the_default_passes_a_floor_with_its_version_and_an_older_kernel_is_a_note() {
    let machine = raised();
    let shut_out = format!("{} is shut out: FLOOR", advanced(OLD));
    let signed = format!("signed {SIMPLE}");
    machine.upkeep(&[]).expect(0, &[&shut_out, &signed, "signed turnout-kept-"]);
    let manifest = String::from_utf8(papers(&machine).0).unwrap();
    assert!(manifest.contains("\nsecurity-version 1\n"), "{manifest}");
    assert_eq!(machine.spares().len(), 1);
    let again = machine.upkeep(&[]);
    again.expect(0, &[&shut_out]);
    assert!(!again.text.contains("signed"), "{}", again.text);
    // Nor does it pass as the default, now that something newer was signed.
    let good = machine.files.read("root/boot/grub/grub.cfg");
    let text = String::from_utf8(good).unwrap();
    let older = format!("set default=\"gnulinux-advanced-5d2f>{}\"", advanced(OLD));
    machine.write("root/boot/grub/grub.cfg", text.replace("set default=\"0\"", &older));
    let said = format!("{} is shut out and the default: FLOOR", advanced(OLD));
    machine.upkeep(&[]).expect(1, &[&said]);
    machine.write("root/boot/grub/grub.cfg", menu(&[OLD]));
    machine.upkeep(&[]).expect(0, &[&shut_out]);
}

#[test]
fn a_floor_that_nothing_reaches_is_a_problem() {
    let machine = raised();
    machine.write("policy", "turnout-policy 1\nversion 1\nminimum-security-version boot 2\n");
    machine.upkeep(&[]).expect(1, &[&format!("{SIMPLE} is shut out and the default: FLOOR")]);
}

/// In a mount namespace of its own, as root there.
#[test]
fn where_no_spare_can_be_made_that_is_a_note() {
    let machine = Machine::new(&[NEW]);
    let text = menu(&[NEW]).replace("--set=root 5d2f", "--set=root 77aa");
    machine.write("root/boot/grub/grub.cfg", text);
    let script = "set -eu\n\
         mount -t tmpfs other \"$0\"\n\
         mkdir \"$0/boot\"\n\
         cp \"$1\"/boot/*-amd64 \"$0/boot\"\n\
         chmod 600 \"$0\"/boot/initrd*\n\
         shift; exec \"$@\"\n";
    fs::create_dir_all(machine.files.path("other")).unwrap();
    let (place, other) =
        (machine.path("other"), format!("vdb1={},uuid=77AA", machine.path("other")));
    let (home, root, conf) = (machine.path("root"), machine.root(), machine.path("conf"));
    let (ring, state) = (machine.path("ring"), machine.path("state"));
    let args = ["-Urm", "sh", "-c", script, &place, &home, TURNOUT_SIGN, "upkeep", "--conf", &conf];
    let more = ["--root", &root, "--root", &other, "--keys", &ring, "--state", &state];
    let said = format!("there is no spare of {SIMPLE}: ");
    let why = "is on another disk and not for everybody to read";
    run("unshare", &[&args[..], &more].concat())
        .expect(0, &[&format!("signed {SIMPLE}"), &said, why]);
}

/// Has somebody sign an entry by hand.
fn sign(machine: &Machine, key: &str, more: &[&str]) {
    let (key, root) = (machine.path(key), machine.root());
    let args = ["sign", "--key", &key, "--root", &root];
    run(TURNOUT_SIGN, &[&args[..], more].concat()).expect(0, &[]);
}

/// A signer for one entry alone.
fn only_simple(machine: &Machine, key: &str) {
    let key = machine.path(key);
    machine.write("conf", format!("sign-key {key}\nsign-except *-advanced-*\n"));
}

fn papers(machine: &Machine) -> (Vec<u8>, Vec<u8>) {
    let manifest = format!("root/turnout/{SIMPLE}.manifest");
    (machine.files.read(&manifest), machine.files.read(&format!("{manifest}.sig")))
}

#[test]
fn what_two_have_signed_is_not_replaced_by_what_one_has() {
    let machine = Machine::new(&[NEW]);
    machine.key("second", "boot");
    only_simple(&machine, "key");
    machine.write("policy", "turnout-policy 1\nversion 1\nthreshold turnout-boot 2\n");
    sign(&machine, "second", &["--device", "serial-1", SIMPLE]);
    sign(&machine, "key", &["--add", SIMPLE]);
    let done = machine.upkeep(&[]);
    assert_eq!((done.code, done.text.as_str()), (0, ""), "it boots");
    let before = papers(&machine);
    let changed = menu(&[NEW]).replace("ro quiet", "ro quiet splash");
    machine.write("root/boot/grub/grub.cfg", changed);
    let refused = format!("{SIMPLE} would be refused: THRESHOLD: ");
    machine.upkeep(&[]).expect(1, &[&refused, "what was signed before still fits and stays"]);
    assert_eq!(papers(&machine), before);
    machine.rebuild(NEW, "second");
    machine.upkeep(&[]).expect(1, &[&format!("signed {SIMPLE}"), &refused]);
    let half = papers(&machine);
    assert!(String::from_utf8_lossy(&half.0).contains("\ndevice serial-1\n"), "claims stay");
    let again = machine.upkeep(&[]);
    again.expect(1, &[&refused, "this machine's signer has signed"]);
    assert!(!again.text.contains("signed gnulinux"), "{}", again.text);
    assert_eq!(papers(&machine), half, "nobody is asked twice");
    sign(&machine, "second", &["--add", SIMPLE]);
    let whole = papers(&machine);
    let done = machine.upkeep(&[]);
    assert_eq!((done.code, done.text.as_str()), (0, ""));
    assert_eq!(papers(&machine), whole);
    assert_eq!(machine.spares(), [""; 0], "one signer makes no spare that boots");
}

#[test]
fn a_wrong_key_does_not_replace_what_still_boots() {
    let machine = signed();
    let ring = machine.files.read("ring");
    machine.key("stranger", "boot");
    machine.write("ring", ring);
    only_simple(&machine, "stranger");
    let changed = menu(&[NEW]).replace("ro quiet", "ro quiet splash");
    machine.write("root/boot/grub/grub.cfg", changed);
    let before = papers(&machine);
    machine.upkeep(&[]).expect(1, &["KEY_UNKNOWN: ", "what was signed before still fits"]);
    assert_eq!(papers(&machine), before);
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
}

/// As `turnout` judges with another ring.
fn boots_with(machine: &Machine, ring: &str) -> Option<String> {
    let here = machine.files.read("ring");
    machine.write("ring", machine.files.read(ring));
    let boots = machine.boots();
    machine.write("ring", here);
    boots
}

#[test]
fn a_key_may_change_before_the_image_knows_the_next() {
    let machine = signed();
    machine.write("image", machine.files.read("ring"));
    fs::remove_file(machine.files.path("ring")).unwrap();
    machine.key("next", "boot");
    only_simple(&machine, "next");
    let before = Snapshot::of(&machine);
    machine.upkeep(&[]).expect(0, &[&format!("signed {SIMPLE}")]);
    for _ in 0..2 {
        assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
        assert_eq!(boots_with(&machine, "image").as_deref(), Some(SIMPLE));
        machine.upkeep(&[]).expect(0, &[]);
    }
    before.restore();
    machine.rebuild(NEW, "second");
    let spare = boots_with(&machine, "image").unwrap();
    machine.upkeep(&[]).expect(0, &[&format!("signed {SIMPLE}"), "the spare stays as it was"]);
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
    assert_eq!(boots_with(&machine, "image"), Some(spare));
}

#[test]
fn a_policy_of_the_boot_partition_counts() {
    let machine = Machine::new(&[NEW]);
    machine.key("owner", "policy");
    machine.upkeep(&[]).expect(0, &[]);
    machine.key("next", "boot");
    let stolen = run("ssh-keygen", &["-lf", &machine.path("key.pub")]).text;
    let stolen = stolen.split_whitespace().nth(1).unwrap();
    let text = format!("turnout-policy 1\nversion 2\nrevoked-key {stolen}\n");
    let policy = common::text(&machine.write("root/turnout/policy", text));
    let args = ["-q", "-Y", "sign", "-n", "turnout-policy", "-f", &machine.path("owner"), &policy];
    run("ssh-keygen", &args).expect(0, &[]);
    only_simple(&machine, "next");
    assert_eq!(machine.boots(), None, "everything is shut out");
    machine.upkeep(&[]).expect(0, &[&format!("signed {SIMPLE}")]);
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
    let signatures = String::from_utf8(papers(&machine).1).unwrap();
    assert_eq!(signatures.matches("BEGIN SSH").count(), 1, "the revoked one is gone");
}

#[test]
fn without_a_ring_only_the_own_signer_counts() {
    let machine = signed();
    let ring = machine.files.read("ring");
    fs::remove_file(machine.files.path("ring")).unwrap();
    let done = machine.upkeep(&[]);
    assert_eq!((done.code, done.text.as_str()), (0, ""), "the own one is known");
    machine.key("stranger", "boot");
    fs::remove_file(machine.files.path("ring")).unwrap();
    sign(&machine, "stranger", &[SIMPLE]);
    machine.write("conf", "sign-command /bin/false\n");
    machine.upkeep(&[]).expect(1, &[&format!("{SIMPLE} is not signed: /bin/false refuses")]);
    let kept = machine.spares();
    only_simple(&machine, "key");
    machine.upkeep(&[]).expect(0, &[&format!("signed {SIMPLE}")]);
    assert_eq!(machine.spares(), kept);
    machine.write("ring", ring);
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
}

#[test]
fn an_unsigned_manifest_makes_no_recovery_system() {
    let machine = signed();
    let path = format!("root/turnout/{SIMPLE}.manifest");
    let text = String::from_utf8(machine.files.read(&path)).unwrap();
    let recovery = text.replace("\nsecurity-version", "\nrole recovery\nsecurity-version");
    assert_ne!(text, recovery);
    machine.write(&path, recovery);
    let said = ["says that it is a recovery system, and no key that counts has signed that"];
    machine.upkeep(&[]).expect(1, &said);
    fs::remove_file(machine.files.path(&path)).unwrap();
    machine.upkeep(&[]).expect(0, &[&format!("signed {SIMPLE}")]);
}

#[test]
fn what_was_changed_while_the_system_was_down_is_not_signed_until_it_is_made_anew() {
    let machine = signed();
    machine.rebuild(NEW, "evil");
    machine.upkeep(&["--start"]).expect(0, &[]);
    let said = format!("{SIMPLE} is not signed: it was changed while this system was down");
    machine.upkeep(&[]).expect(1, &[&said, "make it anew (update-initramfs -u), or look at it"]);
    assert!(machine.boots().is_some_and(|id| id.starts_with("turnout-kept-")));
    // A second look is no look at the start.
    machine.rebuild(NEW, "second");
    machine.upkeep(&["--start"]).expect(0, &[]);
    machine.upkeep(&[]).expect(0, &[&format!("signed {SIMPLE}")]);
    machine.rebuild(NEW, "evil");
    machine.upkeep(&[]).expect(1, &[&said]);
    machine.upkeep(&["--accept", SIMPLE]).expect(0, &[&format!("signed {SIMPLE}")]);
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
}

#[test]
fn a_file_that_the_menu_hides_at_the_start_and_a_command_line_are_seen_too() {
    let machine = signed();
    let good = machine.files.read("root/boot/grub/grub.cfg");
    machine.install(OLD);
    machine.upkeep(&["--start"]).expect(0, &[]);
    machine.write("root/boot/grub/grub.cfg", menu(&[NEW, OLD]));
    let said = format!("{} is not signed: it was changed while", advanced(OLD));
    machine.upkeep(&[]).expect(1, &[&said]);
    fs::remove_file(machine.files.path("note")).unwrap();
    let text = String::from_utf8(good).unwrap().replace("ro quiet", "ro break=top");
    machine.write("root/boot/grub/grub.cfg", &text);
    machine.upkeep(&["--start"]).expect(0, &[]);
    let said = format!("{SIMPLE} is not signed: it was changed while");
    machine.write("conf", format!("sign-key {}\nsign-shell yes\n", machine.path("key")));
    machine.upkeep(&[]).expect(1, &[&said]);
    machine.write("root/boot/grub/grub.cfg", text.replace("break=top", "quiet splash"));
    machine.upkeep(&[]).expect(0, &[&format!("signed {SIMPLE}")]);
}

#[test]
fn what_was_seen_before_the_power_went_out_is_signed_after_the_start() {
    let machine = signed();
    machine.rebuild(NEW, "second");
    machine.write("conf", "sign-command /bin/false\n");
    machine.upkeep(&[]).expect(1, &["refuses"]);
    machine.write("conf", format!("sign-key {}\n", machine.path("key")));
    let done = machine.upkeep(&["--start"]);
    assert_eq!((done.code, done.text.as_str()), (0, ""));
    assert!(machine.has("note"));
    machine.upkeep(&[]).expect(0, &[&format!("signed {SIMPLE}")]);
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
    fs::remove_file(machine.files.path("note")).unwrap();
    machine.rebuild(NEW, "third");
    machine.upkeep(&[]).expect(0, &["systemctl enable turnout-next-start.service", SIMPLE]);
}

#[test]
fn a_default_that_may_give_a_shell_is_a_problem() {
    let machine = Machine::new(&[NEW]);
    machine
        .write("root/boot/grub/grub.cfg", menu(&[NEW]).replace("ro quiet", "ro \"init=/bin/sh\""));
    machine.upkeep(&[]).expect(1, &[&format!("{SIMPLE} is not signed"), "sign-shell yes"]);
}

#[test]
fn two_runs_do_not_meet() {
    let machine = Machine::new(&[NEW]);
    fs::create_dir_all(machine.files.path("state")).unwrap();
    let lock = fs::File::create(machine.files.path("state/lock")).unwrap();
    lock.lock().unwrap();
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| machine.upkeep(&[]));
        std::thread::sleep(Duration::from_secs(3));
        assert!(!machine.has("root/turnout"), "it waits");
        lock.unlock().unwrap();
        waiting.join().unwrap().expect(0, &["waiting for another turnout-sign upkeep"]);
    });
    assert!(begin.elapsed() >= Duration::from_secs(3));
    assert_eq!(machine.boots().as_deref(), Some(SIMPLE));
}

/// In a mount namespace of its own, as root there.
#[test]
fn a_full_boot_partition_is_said_and_loses_nothing() {
    let machine = signed();
    machine.rebuild(NEW, "second");
    let script = "set -eu\n\
         mount -t tmpfs -o size=256k full \"$1/full\"\n\
         cp -a \"$1/root/.\" \"$1/full\"\n\
         mount --bind \"$1/full\" \"$1/root\"\n\
         dd if=/dev/zero of=\"$1/root/fill\" bs=4k status=none 2>/dev/null || true\n\
         shift; code=0; \"$@\" || code=$?\n\
         rm \"$0/root/fill\"\n\
         echo \"code $code\"; \"$@\"\n";
    fs::create_dir_all(machine.files.path("full")).unwrap();
    let (base, root) = (machine.path(""), machine.root());
    let base = base.trim_end_matches('/');
    let (conf, ring, state) = (machine.path("conf"), machine.path("ring"), machine.path("state"));
    let args = ["-Urm", "sh", "-c", script, base, base, TURNOUT_SIGN, "upkeep", "--conf", &conf];
    let args = [&args[..], &["--root", &root, "--keys", &ring, "--state", &state]].concat();
    let done = run("unshare", &args);
    done.expect(
        0,
        &["code 1", "cannot write ", "No space left on device", "signed gnulinux-simple"],
    );
}
