//! `turnout-sign` on menus of GRUB: what is signed, where its manifest lies, and that
//! the signature binds it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "common/boot_tree.rs"]
#[expect(dead_code, reason = "these tests sign all entries, not the one of the tree")]
mod boot_tree;
mod common;

use boot_tree::{TURNOUT_SIGN, boot_tree};
use common::{Done, Scratch, run, text};

const MENU: &str = "set default=0\n\
     menuentry 'Debian' --id gnulinux-simple-5d2f {\n\
       search --no-floppy --fs-uuid --set=root 5d2f\n\
       linux /vmlinuz root=UUID=5d2f ro quiet\n\
       initrd /initrd.img\n\
     }\n\
     submenu 'Advanced options' {\n\
       menuentry 'Debian, recovery' --id gnulinux-recovery-5d2f {\n\
         linux ($root)/vmlinuz single\n\
       }\n\
     }\n\
     menuentry 'Other' --id other { search --label --set=d DATA; linux ($d)/k/vmlinuz; }\n";

fn tree(menu: &str) -> Scratch {
    let tree = boot_tree();
    std::fs::remove_dir_all(tree.path("root/loader")).unwrap();
    tree.write("root/boot/grub/grub.cfg", menu);
    tree.write("data/k/vmlinuz", tree.read("root/vmlinuz"));
    tree
}

/// Runs a subcommand on all entries, the devices being `root` and `data`.
fn on_all(tree: &Scratch, command: &[&str]) -> Done {
    let root = format!("vda,gpt2={},uuid=5D2F", text(&tree.path("root")));
    let data = format!("vdb,gpt1={},label=DATA", text(&tree.path("data")));
    let more = ["--root", &root, "--root", &data, "--all"];
    run(TURNOUT_SIGN, &[command, &more].concat())
}

#[test]
fn all_entries_of_a_menu_are_signed_by_their_ids() {
    let tree = tree(MENU);
    let (key, ring) = (text(&tree.path("key")), text(&tree.path("ring")));
    let signed = on_all(&tree, &["sign", "--key", &key]);
    signed.expect(0, &["signed gnulinux-simple-5d2f: x86_64", "signed gnulinux-recovery-5d2f"]);
    signed.expect(0, &["signed other: x86_64"]);
    let warned =
        "warning: gnulinux-recovery-5d2f: \"single\" in its command line may give a root shell";
    signed.expect(0, &[warned]);
    assert_eq!(signed.text.matches("warning: ").count(), 1, "{}", signed.text);
    let manifest =
        |id: &str| String::from_utf8(tree.read(&format!("root/turnout/{id}.manifest"))).unwrap();
    let simple = manifest("gnulinux-simple-5d2f");
    assert!(simple.contains("\nlinux /vmlinuz 4096 sha256:"), "{simple}");
    assert!(simple.ends_with("\noptions root=UUID=5d2f ro quiet\n"), "{simple}");
    // As on its own device, so that it is the same on every machine.
    let other = manifest("other");
    assert!(other.contains("\nlinux /k/vmlinuz 4096 sha256:"), "{other}");
    on_all(&tree, &["verify", "--keys", &ring]).expect(0, &["verified other: signed by release@"]);
    tree.write("data/k/vmlinuz", [0; 4096]);
    on_all(&tree, &["verify", "--keys", &ring]).expect(1, &["refused other: LINUX_DIGEST"]);
}

#[test]
fn an_entry_can_be_left_out_of_all() {
    let tree = tree(MENU);
    let key = text(&tree.path("key"));
    let except = |id| on_all(&tree, &["sign", "--key", &key, "--except", id]);
    except("gnulinux-recovery-5d2f").expect(0, &["signed other"]);
    assert!(!tree.path("root/turnout/gnulinux-recovery-5d2f.manifest").exists());
    except("gnulinux-recovry").expect(2, &["--except gnulinux-recovry: there is no such entry"]);
}

#[test]
fn a_script_that_changes_after_signing_changes_nothing_that_boots() {
    let tree = tree(MENU);
    let (key, ring) = (text(&tree.path("key")), text(&tree.path("ring")));
    on_all(&tree, &["sign", "--key", &key]).expect(0, &[]);
    tree.write("root/boot/grub/grub.cfg", MENU.replace("ro quiet", "init=/bin/sh"));
    // The command line is the manifest's, whatever the script says.
    let checked = on_all(&tree, &["verify", "--keys", &ring]);
    checked.expect(0, &["verified gnulinux-simple-5d2f"]);
    let events = on_all(&tree, &["predict", "--keys", &ring, "--json"]);
    tree.write("root/boot/grub/grub.cfg", MENU);
    let before = on_all(&tree, &["predict", "--keys", &ring, "--json"]);
    assert_eq!(events.text, before.text, "what boots is the same");
    tree.write("root/boot/grub/grub.cfg", MENU.replace("initrd /initrd.img", ""));
    let checked = on_all(&tree, &["verify", "--keys", &ring]);
    checked.expect(1, &["refused gnulinux-simple-5d2f: INITRD_COUNT"]);
}

#[test]
fn without_the_other_device_the_entry_says_so_and_the_others_are_signed() {
    let tree = tree(MENU);
    let (key, root) = (text(&tree.path("key")), text(&tree.path("root")));
    let args = ["sign", "--key", &key, "--root", &root, "--all"];
    run(TURNOUT_SIGN, &args).expect(
        2,
        &[
            "turnout-sign: other: /boot/grub/grub.cfg: cannot read ",
            "signed gnulinux-recovery-5d2f",
            "not signed: other",
        ],
    );
    assert!(!tree.path("root/turnout/other.manifest").exists());
}

/// As grub-mkconfig writes it for a kernel in the root file system.
const DEBIAN: &str = "menuentry 'Debian' --id debian {\n\
       set root='hd0,gpt2'\n\
       search --no-floppy --fs-uuid --set=root 5d2f\n\
       linux /boot/vmlinuz root=UUID=5d2f ro\n\
     }\n";

#[test]
fn a_device_that_is_not_known_comes_with_the_way_to_name_it() {
    let tree = tree(DEBIAN);
    tree.write("root/boot/vmlinuz", tree.read("root/vmlinuz"));
    let key = text(&tree.path("key"));
    let sign = |root: &str| run(TURNOUT_SIGN, &["sign", "--key", &key, "--root", root, "debian"]);
    let root = text(&tree.path("root"));
    sign(&root).expect(2, &["DEVICE", "; say by what", &format!("--root NAME={root},uuid=U")]);
    let above = "boot: name the directory above it with --root";
    sign(&text(&tree.path("root/boot"))).expect(2, &["DEVICE", above]);
    sign(&format!("x={root},uuid=5D2F")).expect(0, &["signed debian"]);
}

#[test]
fn what_a_menu_does_besides_booting_is_not_to_be_signed() {
    let rows = "menuentry Off --id off { halt; }\n\
         menuentry Again --id again { reboot; }\n\
         menuentry Say --id say { echo no; }\n\
         menuentry Setup --id setup { fwsetup; }\n\
         menuentry More --id more { search --set=x --label DATA; configfile ($x)/m/grub.cfg; }\n";
    let tree = tree(&[MENU, rows].concat());
    tree.write("data/m/grub.cfg", "menuentry unused { true; }\n");
    let signed = on_all(&tree, &["sign", "--key", &text(&tree.path("key"))]);
    signed.expect(0, &["signed other: x86_64"]);
    // An entry that lost its kernel is not one of these.
    tree.write("root/boot/grub/grub.cfg", [MENU, "menuentry B --id b { linux /none; }\n"].concat());
    let signed = on_all(&tree, &["sign", "--key", &text(&tree.path("key"))]);
    signed.expect(2, &["not signed: b"]);
}

#[test]
fn an_entry_that_a_stub_leads_to_is_signed_beside_its_own_menu() {
    let tree = tree("menuentry unused { true; }\n");
    let stub = "search --set=root --fs-uuid 77-aa\nconfigfile ($root)/custom/menu/grub.cfg\n";
    tree.write("esp/EFI/debian/grub.cfg", stub);
    tree.write("btrfs/custom/menu/grub.cfg", "menuentry A --id a { linux /@/vmlinuz; }\n");
    tree.write("btrfs/@/vmlinuz", tree.read("root/vmlinuz"));
    let key = text(&tree.path("key"));
    let esp = text(&tree.path("esp"));
    let btrfs = format!("vda,gpt3={},uuid=77-AA", text(&tree.path("btrfs")));
    let args = ["sign", "--key", &key, "--root", &esp, "--root", &btrfs, "a"];
    run(TURNOUT_SIGN, &args).expect(0, &["signed a: x86_64"]);
    let manifest = String::from_utf8(tree.read("btrfs/turnout/a.manifest")).unwrap();
    assert!(manifest.contains("\nlinux /@/vmlinuz 4096 sha256:"), "{manifest}");
    assert!(!tree.path("esp/turnout").exists());
}
