//! What differs from the signed bytes is refused, each time for its reason: a
//! locked image tries a whole menu by itself and says of every entry why not.

use super::{AT_ONCE, Anchor, Boot, Case, Expect, PLAIN, case};
use crate::signing::{self, BOOT, POLICY, RECOVERY, Signer};
use crate::world::{INITRD, LINUX, SECOND, World};
use anyhow::{Context, Result};
use std::fs;
use turnout::base::arch::Arch;
use turnout::base::digest::Digest;
use turnout::trust::Role;
use turnout::trust::manifest::Manifest;
use turnout::trust::slots::Slot;
use turnout_qemu::boot_tree::{BootTree, flip, position};
use turnout_qemu::initrd::{self, SPARE_LINE};
use turnout_qemu::machine::Shape;
use turnout_qemu::uki;

pub(super) const CASES: &[Case] = &[
    case("options_edited_in_the_menu", PLAIN, edit_options, AT_ONCE),
    case(
        "tampered_default_gives_way_to_the_next_entry",
        Boot { loader_conf: "timeout 0\ndefault bad\n", ..PLAIN },
        add_tampered_entry,
        Expect::Boots { after: &["turnout: refused bad: LINUX_DIGEST: "] },
    ),
    case(
        "nothing_that_was_not_signed_so_by_enough_keys_for_this_machine_and_purpose",
        Boot {
            anchor: Some(two_keys_and_what_is_revoked),
            config: "wait 10\nreset-delay 1\nattempts 1\nfloor 5\n",
            ..PLAIN
        },
        forge_everything,
        Expect::Ends(REFUSALS),
    ),
    case(
        "signed_by_two_keys_for_this_board_with_its_slots_filled",
        Boot {
            anchor: Some(two_keys),
            config: "wait 10\nreset-delay 1\nattempts 1\nfloor 5\n",
            shape: Shape { devices: &["-uuid", UUID], ..Shape::USUAL },
            ..PLAIN
        },
        sign_good_for_this_board,
        AT_ONCE,
    ),
];

/// In the order of the menu, which is that of the ids.
const REFUSALS: &[&str] = &[
    "no entry can boot:",
    "refused addon-added: ADDON_COUNT: ",
    "refused addon-flipped: ADDON_DIGEST: \"/flipped.addon.efi\" ",
    "refused architecture: ARCHITECTURE: the entry was signed for ",
    "refused board: BOARD: ",
    "refused device: DEVICE: ",
    "refused digest-of-initrd-revoked: DIGEST_REVOKED: \"/spare.img\" is revoked: ",
    "refused digest-of-manifest-revoked: DIGEST_REVOKED: ",
    "refused edited: SIGNATURE_INVALID: ",
    "refused floor: FLOOR: the entry has security version 4, and below 5 no boot system boots",
    "refused good: KEY_UNKNOWN: ",
    "refused initrd-added: INITRD_COUNT: ",
    "refused initrd-flipped: INITRD_DIGEST: \"/flipped.img\" ",
    "refused initrd-of-another-manifest: INITRD_DIGEST: \"/other.img\" ",
    "refused initrds-swapped: INITRD_DIGEST: \"/other.img\" ",
    "refused key-revoked: KEY_REVOKED: ",
    "refused linux-flipped: LINUX_DIGEST: \"/vmlinuz-flipped\" ",
    "refused linux-of-another-manifest: LINUX_DIGEST: \"/vmlinuz-flipped\" ",
    "refused linux-truncated: LINUX_SIZE: \"/vmlinuz-short\" ",
    "refused manifest-of-another-entry: MANIFEST_ENTRY: ",
    "refused namespace: NAMESPACE: ",
    "refused overlay-added: OVERLAY_COUNT: ",
    "refused recovery-signed-by-boot-keys: ROLE: ",
    "refused signature-removed: SIGNATURE_MISSING: ",
    "refused signed-by-recovery-key: ROLE: ",
    "refused slot-empty: SLOT_VALUE: ",
    "refused slot-out-of-grammar: SLOT_VALUE: \"b init=/bin/sh\" cannot be filled in for ${name}",
    "refused syntax: MANIFEST_SYNTAX: ",
    "refused threshold-one-key-twice: THRESHOLD: ",
    "refused threshold-with-a-revoked-key: THRESHOLD: ",
    "refused threshold-with-a-stranger: THRESHOLD: ",
    "refused uki: PROFILE: ",
    "refused uki-flipped: UKI_DIGEST: \"/flipped.efi\" ",
    "refused uki-of-another-profile: PROFILE: ",
    "refused unsigned: UNSIGNED: ",
];

/// By which QEMU's PC, that has DMI, can be told from others.
const UUID: &str = "6f1f7c3e-0000-4000-8000-0123456789ab";
const OTHER: &str = "/other.img";
const SPARE: &str = "/spare.img";
const FLIPPED_LINUX: &str = "/vmlinuz-flipped";

/// The image's anchor: two keys for what boots.
pub(super) fn two_keys(world: &World, _: &BootTree) -> Result<Anchor> {
    let policy = "turnout-policy 1\nversion 1\nthreshold turnout-boot 2\n".to_owned();
    Ok(Anchor { ring: world.signers.ring()?, policy })
}

fn two_keys_and_what_is_revoked(world: &World, tree: &BootTree) -> Result<Anchor> {
    let anchor = two_keys(world, tree)?;
    let thief = world.signers.thief.fingerprint();
    let manifest = Digest::of(&tree.read(&signing::path("digest-of-manifest-revoked"))?);
    let revoked = format!(
        "revoked-key {thief}\nrevoked-digest sha256:{manifest}\nrevoked-digest sha256:{}\n",
        Digest::of(&tree.read(SPARE)?)
    );
    Ok(Anchor { policy: anchor.policy + &revoked, ..anchor })
}

/// A menu in the making.
struct Forger<'a> {
    world: &'a World,
    tree: &'a BootTree,
}

impl<'a> Forger<'a> {
    fn keys(&self) -> [(&'a Signer, &'static str); 2] {
        [(&self.world.signers.release, BOOT), (&self.world.signers.deputy, BOOT)]
    }

    /// An entry with a manifest that is right but for `change`, signed by these.
    fn signed_by(
        &self,
        id: &str,
        signers: &[(&Signer, &str)],
        change: impl FnOnce(&mut Manifest),
    ) -> Result<()> {
        self.world.add_entry(self.tree, id)?;
        self.resign(id, signers, change)
    }

    fn resign(
        &self,
        id: &str,
        signers: &[(&Signer, &str)],
        change: impl FnOnce(&mut Manifest),
    ) -> Result<()> {
        let mut manifest = signing::manifest(self.tree, id, self.world.arch)?;
        change(&mut manifest);
        signing::sign(self.tree, &signing::path(id), &manifest.write(), signers)
    }

    /// The same, signed by both keys.
    fn signed(&self, id: &str, change: impl FnOnce(&mut Manifest)) -> Result<()> {
        self.signed_by(id, &self.keys(), change)
    }

    /// An entry that is changed before it is signed, as it is, by both keys.
    fn signed_as(&self, id: &str, from: &str, to: &str) -> Result<()> {
        self.world.add_entry(self.tree, id)?;
        self.edit_entry(id, from, to)?;
        self.resign(id, &self.keys(), |_| ())
    }

    fn edit_entry(&self, id: &str, from: &str, to: &str) -> Result<()> {
        replace(self.tree, &format!("loader/entries/{id}.conf"), from, to)
    }

    /// An entry that is changed after it was signed.
    fn edited(&self, id: &str, from: &str, to: &str) -> Result<()> {
        self.signed(id, |_| ())?;
        self.edit_entry(id, from, to)
    }
}

fn forge_everything(world: &World, tree: &BootTree) -> Result<()> {
    let forger = Forger { world, tree };
    fs::write(tree.host_path(OTHER), initrd::second("not signd")?)?;
    fs::write(tree.host_path(SPARE), initrd::second("a spare one")?)?;
    tree.add_file(FLIPPED_LINUX, &tree.host_path(LINUX))?;
    flip_unused_byte(world.arch, tree, FLIPPED_LINUX)?;
    forge_signatures(&forger)?;
    forge_purposes(&forger)?;
    forge_files(&forger)?;
    forge_ukis(&forger)?;
    forge_slots(&forger)
}

fn forge_signatures(forger: &Forger<'_>) -> Result<()> {
    let tree = forger.tree;
    let signers = &forger.world.signers;
    let release = (&signers.release, BOOT);
    forger.signed_by("good", &[(&signers.stranger, BOOT)], |_| ())?;
    forger.signed_by("key-revoked", &[(&signers.thief, BOOT)], |_| ())?;
    forger.signed_by("namespace", &[(&signers.owner, POLICY)], |_| ())?;
    forger.signed_by("signed-by-recovery-key", &[(&signers.rescue, RECOVERY)], |_| ())?;
    forger.signed_by("threshold-one-key-twice", &[release, release], |_| ())?;
    forger.signed_by("threshold-with-a-revoked-key", &[release, (&signers.thief, BOOT)], |_| ())?;
    forger.signed_by("threshold-with-a-stranger", &[release, (&signers.stranger, BOOT)], |_| ())?;
    forger.signed_by("signature-removed", &forger.keys(), |_| ())?;
    fs::remove_file(tree.host_path("turnout/signature-removed.manifest.sig"))?;
    forger.signed_by("edited", &forger.keys(), |_| ())?;
    replace(tree, "turnout/edited.manifest", "quiet", "qu1et")?;
    forger.world.add_entry(tree, "unsigned")
}

fn forge_purposes(forger: &Forger<'_>) -> Result<()> {
    let other = match forger.world.arch {
        Arch::X86_64 => Arch::Aarch64,
        Arch::Aarch64 => Arch::X86_64,
    };
    forger.signed("architecture", |manifest| manifest.architecture = other)?;
    forger.signed("board", |manifest| manifest.boards = vec!["acme,rtu".to_owned()])?;
    forger.signed("device", |manifest| manifest.devices = vec!["4711".to_owned()])?;
    forger.signed("digest-of-manifest-revoked", |_| ())?;
    forger.signed("floor", |manifest| manifest.security_version = 4)?;
    forger.signed("recovery-signed-by-boot-keys", |manifest| manifest.role = Role::Recovery)?;
    forger
        .signed("manifest-of-another-entry", |manifest| "other".clone_into(&mut manifest.entry))?;
    forger.world.add_entry(forger.tree, "syntax")?;
    let text = "turnout-manifest 2\nentry syntax\n";
    signing::sign(forger.tree, &signing::path("syntax"), text, &forger.keys())
}

/// Each of the files that stand in for others is signed itself, in a manifest of
/// another entry or in another place.
fn forge_files(forger: &Forger<'_>) -> Result<()> {
    let tree = forger.tree;
    let with_other = format!("initrd {OTHER}\noptions ");
    forger.signed_as("digest-of-initrd-revoked", "options ", &with_other.replace(OTHER, SPARE))?;
    forger.edited("initrd-added", "options ", &with_other)?;
    forger.edited("initrd-of-another-manifest", SECOND, OTHER)?;
    forger.signed_as("initrds-swapped", "options ", &with_other)?;
    let in_order = format!("initrd {SECOND}\ninitrd {OTHER}");
    let swapped = format!("initrd {OTHER}\ninitrd {SECOND}");
    forger.edit_entry("initrds-swapped", &in_order, &swapped)?;
    let linux = format!("linux {LINUX}\n");
    forger.edited("linux-of-another-manifest", &linux, &format!("linux {FLIPPED_LINUX}\n"))?;
    forger.edited("overlay-added", "options ", &format!("devicetree-overlay {OTHER}\noptions "))?;
    forger.edited("uki", &linux, &format!("uki {LINUX}\n"))?;
    forge_bytes(forger, &linux)?;
    tree.edit("/flipped.img", |bytes| {
        let at = position(bytes, SPARE_LINE)?;
        flip(bytes, at + SPARE_LINE.len() - 1)
    })?;
    tree.edit("/vmlinuz-short", |bytes| {
        bytes.truncate(bytes.len() - 1);
        Ok(())
    })
}

/// Unified kernel images without a kernel: what is refused is not looked into.
fn forge_ukis(forger: &Forger<'_>) -> Result<()> {
    let tree = forger.tree;
    let sections = [(".linux", b"none".as_slice()), (".profile", b""), (".profile", b"")];
    let image = uki::build(forger.world.arch, &sections)?;
    let addon = uki::build(forger.world.arch, &[(".cmdline", b"ro")])?;
    for name in ["a", "flipped"] {
        fs::write(tree.host_path(&format!("/{name}.efi")), &image)?;
        fs::write(tree.host_path(&format!("/{name}.addon.efi")), &addon)?;
    }
    let right = "uki /a.efi\nprofile 1\nextra /a.addon.efi\n";
    let flipped_addon = right.replace("/a.addon", "/flipped.addon");
    let flipped_uki = right.replace("/a.efi", "/flipped.efi");
    for (id, signed, then) in [
        ("addon-added", right, &format!("{right}extra /flipped.addon.efi\n")),
        ("addon-flipped", &flipped_addon, &flipped_addon),
        ("uki-flipped", &flipped_uki, &flipped_uki),
        ("uki-of-another-profile", right, &right.replace("profile 1", "profile 0")),
    ] {
        let entry = tree.host_path(&format!("loader/entries/{id}.conf"));
        fs::write(&entry, format!("title {id}\nsort-key {id}\n{signed}"))?;
        forger.resign(id, &forger.keys(), |_| ())?;
        fs::write(&entry, format!("title {id}\nsort-key {id}\n{then}"))?;
    }
    tree.edit("/flipped.efi", |bytes| flip(bytes, 0x10))?;
    tree.edit("/flipped.addon.efi", |bytes| flip(bytes, 0x10))
}

/// Entries whose files are changed once they are signed.
fn forge_bytes(forger: &Forger<'_>, linux: &str) -> Result<()> {
    let tree = forger.tree;
    tree.add_file("/flipped.img", &tree.host_path(INITRD))?;
    tree.add_file("/vmlinuz-short", &tree.host_path(LINUX))?;
    forger.signed_as("initrd-flipped", &format!("initrd {INITRD}\n"), "initrd /flipped.img\n")?;
    forger.signed_as("linux-truncated", linux, "linux /vmlinuz-short\n")?;
    forger.edited("linux-flipped", linux, &format!("linux {FLIPPED_LINUX}\n"))
}

fn forge_slots(forger: &Forger<'_>) -> Result<()> {
    forger.signed("slot-empty", add_name_slot)?;
    forger.signed("slot-out-of-grammar", add_name_slot)?;
    let name = "turnout-slot b init=/bin/sh\noptions ";
    forger.edit_entry("slot-out-of-grammar", "options ", name)
}

fn add_name_slot(manifest: &mut Manifest) {
    let linux = signing::linux(manifest);
    linux.slots = vec![Slot::Name];
    linux.options.push_str(" slot=${name}");
}

/// Everything that a manifest may demand, met by this machine.
fn sign_good_for_this_board(world: &World, tree: &BootTree) -> Result<()> {
    let forger = Forger { world, tree };
    forger.edit_entry("good", "options ", "turnout-slot b\noptions ")?;
    let conf = |name: &str| tree.host_path(&format!("loader/entries/{name}"));
    let (board, device) = match world.arch {
        Arch::X86_64 => ("QEMU,Standard-PC-(Q35-+-ICH9,-2009)", Some(UUID)),
        Arch::Aarch64 => ("linux,dummy-virt", None),
    };
    forger.resign("good", &forger.keys(), |manifest| {
        manifest.boards = vec!["acme,rtu".to_owned(), board.to_owned()];
        manifest.devices = device.into_iter().map(str::to_owned).collect();
        let linux = signing::linux(manifest);
        linux.slots = Slot::ALL.into();
        linux
            .options
            .push_str(" entry=${entry} tries=${tries} slot=${name} boot=${boot} not=${this}");
    })?;
    Ok(fs::rename(conf("good.conf"), conf("good+3-1.conf"))?)
}

/// A byte that no boot would miss: the kernel must be refused for its digest,
/// not die of the damage.
pub(super) fn flip_unused_byte(arch: Arch, tree: &BootTree, linux: &str) -> Result<()> {
    let unused = match arch {
        Arch::X86_64 => 8,
        Arch::Aarch64 => 48,
    };
    tree.edit(linux, |bytes| flip(bytes, unused))
}

fn edit_options(_: &World, tree: &BootTree) -> Result<()> {
    replace(tree, "loader/entries/good.conf", "quiet", "quiet init=/bin/busybox")
}

pub(super) fn replace(tree: &BootTree, path: &str, from: &str, to: &str) -> Result<()> {
    tree.edit(path, |bytes| {
        let text = String::from_utf8(bytes.clone())?;
        let (before, after) = text.split_once(from).with_context(|| format!("no {from}"))?;
        *bytes = format!("{before}{to}{after}").into_bytes();
        Ok(())
    })
}

pub(super) fn remove_both(_: &World, tree: &BootTree) -> Result<()> {
    fs::remove_file(tree.host_path("turnout/good.manifest.sig"))?;
    Ok(fs::remove_file(tree.host_path("turnout/good.manifest"))?)
}

/// A second entry whose manifest was made for another kernel.
pub(super) fn add_tampered_entry(world: &World, tree: &BootTree) -> Result<()> {
    world.add_entry(tree, "bad")?;
    let entry = "loader/entries/bad.conf";
    replace(tree, entry, &format!("linux {LINUX}"), "linux /vmlinuz-bad")?;
    tree.add_file("/vmlinuz-bad", &tree.host_path(LINUX))?;
    world.key.sign(&world.tools, tree, "bad", &[])?;
    flip_unused_byte(world.arch, tree, "/vmlinuz-bad")
}
