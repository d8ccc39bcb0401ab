//! A boot partition as a directory, with one entry, and a key to sign it.

use super::common::{Done, Scratch, run, text};

pub(crate) const TURNOUT_SIGN: &str = env!("CARGO_BIN_EXE_turnout-sign");

/// The beginning of an x86 kernel image, as far as `turnout-sign` looks.
fn kernel() -> Vec<u8> {
    let mut image = vec![0x90; 0x1000];
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image
}

/// `root/` with the entry "good", and `key`, `key.pub` and `ring`.
pub(crate) fn boot_tree() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("root/vmlinuz", kernel());
    scratch.write("root/initrd.img", b"first");
    scratch.write("root/extra.img", b"second");
    scratch.write(
        "root/loader/entries/good+3.conf",
        "title Good Debian\nlinux /vmlinuz\ninitrd /initrd.img\ninitrd /extra.img\n\
         options root=LABEL=root  ro\n",
    );
    let key = text(&scratch.path("key"));
    let made = run(TURNOUT_SIGN, &["keygen", "-f", &key, "-C", "release@example.org"]);
    made.expect(0, &["release@example.org namespaces=\"turnout-boot\" ssh-ed25519 AAAA"]);
    let ring = made.text.lines().find(|line| line.starts_with("release@")).unwrap();
    scratch.write("ring", format!("{ring}\n"));
    scratch
}

/// Signs the entry "good" with the tree's key and further arguments.
pub(crate) fn sign(tree: &Scratch, more: &[&str]) -> Done {
    let (key, root) = (text(&tree.path("key")), text(&tree.path("root")));
    let args = [&["sign", "--key", &key, "--root", &root, "good"], more].concat();
    run(TURNOUT_SIGN, &args)
}

/// Checks the entry "good" against the tree's ring.
pub(crate) fn verify(tree: &Scratch) -> Done {
    verify_with(tree, &[])
}

/// The same with further arguments.
pub(crate) fn verify_with(tree: &Scratch, more: &[&str]) -> Done {
    let (ring, root) = (text(&tree.path("ring")), text(&tree.path("root")));
    let args = [&["verify", "--keys", &ring, "--root", &root, "good"], more].concat();
    run(TURNOUT_SIGN, &args)
}
