//! Newer policies and key rings on the boot partition, and recovery entries.

use super::trust::{add_tampered_entry, flip_unused_byte};
use super::{Anchor, Boot, Case, Expect, PLAIN, WAITING_MENU, X86_64, case};
use crate::expect::{DEADLINE, see};
use crate::signing::{self, BOOT, POLICY, RECOVERY};
use crate::world::World;
use anyhow::{Result, ensure};
use turnout::trust::{POLICY_PATH, RING_PATH, Role};
use turnout_qemu::boot_tree::BootTree;
use turnout_qemu::machine::Machine;
use turnout_qemu::menu;
use turnout_qemu::serial::Console;

pub(super) const CASES: &[Case] = &[
    case(
        "newer_ring_and_newer_policy_are_taken",
        Boot { anchor: Some(version_1), loader_conf: DEFAULT_OLD, ..PLAIN },
        rotate,
        Expect::Boots {
            after: &[
                "turnout: /turnout/allowed_signers: version 1 is in force",
                "turnout: /turnout/policy: version 2 is in force",
                "turnout: refused old: FLOOR: the entry has security version 5, and below 6 ",
            ],
        },
    ),
    case(
        "ring_and_policy_that_their_keys_did_not_sign_change_nothing",
        Boot { anchor: Some(version_1), loader_conf: DEFAULT_OLD, ..PLAIN },
        rotate_without_leave,
        Expect::Boots {
            after: &[
                "turnout: refused /turnout/allowed_signers: KEY_UNKNOWN: ",
                "turnout: refused /turnout/policy: POLICY_VERSION: ",
                "turnout: refused old: KEY_UNKNOWN: ",
            ],
        },
    ),
    case(
        "recovery_entry_when_nothing_else_boots",
        Boot { anchor: Some(version_1), ..PLAIN },
        only_recovery_boots,
        Expect::Boots {
            after: &[
                "turnout: refused bad: LINUX_DIGEST: ",
                "no entry can boot:",
                "turnout: attempt 1 of 1 has booted nothing",
                "turnout: recovery: all attempts (1) have booted nothing",
                "turnout: jumping to good",
            ],
        },
    ),
    Case {
        name: "recovery_and_its_reason_on_every_console",
        archs: X86_64,
        boot: Boot { anchor: Some(version_1), first_options: "console=tty0", ..PLAIN },
        change: only_recovery_boots,
        expect: Expect::Prints(all_that_is_said),
    },
    case(
        "recovery_entry_when_somebody_chooses_it",
        Boot { anchor: Some(version_1), ..WAITING_MENU },
        add_recovery,
        Expect::Acts(choose_recovery),
    ),
];

const DEFAULT_OLD: &str = "timeout 0\ndefault old\n";

/// The image's anchor: version 1 of both, one key is enough.
pub(super) fn version_1(world: &World, _: &BootTree) -> Result<Anchor> {
    let policy = "turnout-policy 1\nversion 1\n".to_owned();
    Ok(Anchor { ring: world.signers.ring()?, policy })
}

/// Adds an entry that this key signs.
fn add(
    world: &World,
    tree: &BootTree,
    entry: &str,
    signer: (&signing::Signer, &str),
    version: u32,
) -> Result<()> {
    world.add_entry(tree, entry)?;
    sign(world, tree, entry, signer, version)
}

fn sign(
    world: &World,
    tree: &BootTree,
    entry: &str,
    signer: (&signing::Signer, &str),
    version: u32,
) -> Result<()> {
    let mut manifest = signing::manifest(tree, entry, world.arch)?;
    manifest.security_version = version;
    if signer.1 == RECOVERY {
        manifest.role = Role::Recovery;
    }
    signing::sign(tree, &signing::path(entry), &manifest.write(), &[signer])
}

/// The ring after the rotation: another owner, and another key for what boots.
fn next_ring(world: &World) -> Result<String> {
    let signers = &world.signers;
    let lines = [
        "# turnout-ring 1\n".to_owned(),
        signers.stranger.line("newcomer", BOOT)?,
        signers.heir.line("heir", POLICY)?,
    ];
    Ok(lines.concat())
}

/// The image does not know who signed "good"; the new ring does, and the new
/// policy keeps "old" out.
fn rotate(world: &World, tree: &BootTree) -> Result<()> {
    let signers = &world.signers;
    sign(world, tree, "good", (&signers.stranger, BOOT), 6)?;
    add(world, tree, "old", (&signers.stranger, BOOT), 5)?;
    let both = [(&signers.owner, POLICY), (&signers.heir, POLICY)];
    signing::sign(tree, RING_PATH, &next_ring(world)?, &both)?;
    let policy = "turnout-policy 1\nversion 2\nminimum-security-version boot 6\n";
    signing::sign(tree, POLICY_PATH, policy, &[(&signers.heir, POLICY)])
}

/// The ring is signed by its own keys alone, the policy is an old one.
fn rotate_without_leave(world: &World, tree: &BootTree) -> Result<()> {
    let signers = &world.signers;
    sign(world, tree, "good", (&signers.release, BOOT), 5)?;
    add(world, tree, "old", (&signers.stranger, BOOT), 6)?;
    signing::sign(tree, RING_PATH, &next_ring(world)?, &[(&signers.heir, POLICY)])?;
    let policy = "turnout-policy 1\nversion 1\nminimum-security-version boot 9\n";
    signing::sign(tree, POLICY_PATH, policy, &[(&signers.owner, POLICY)])
}

fn only_recovery_boots(world: &World, tree: &BootTree) -> Result<()> {
    sign(world, tree, "good", (&world.signers.rescue, RECOVERY), 0)?;
    add_tampered_entry(world, tree)?;
    sign(world, tree, "bad", (&world.signers.release, BOOT), 0)?;
    flip_unused_byte(world.arch, tree, "/vmlinuz-bad")
}

/// "good" becomes a recovery entry; "system" would boot.
fn add_recovery(world: &World, tree: &BootTree) -> Result<()> {
    sign(world, tree, "good", (&world.signers.rescue, RECOVERY), 0)?;
    add(world, tree, "system", (&world.signers.release, BOOT), 0)
}

/// The kernel's last console is a screen, which nobody reads here: the serial line
/// tells all the same what PID 1 does, and why.
fn all_that_is_said(text: &str) -> Result<()> {
    let reason = "turnout: recovery: all attempts (1) have booted nothing";
    for said in ["turnout: boot partition", "refused bad: LINUX_DIGEST: ", reason] {
        ensure!(text.contains(said), "\"{said}\" is not on the serial line");
    }
    Ok(())
}

/// It is the configured default, and still not what the menu waits with.
fn choose_recovery(console: &mut Console, _: &Machine) -> Result<()> {
    menu::choose(console, "good", DEADLINE)?;
    see(console, "turnout: reading good")?;
    see(console, "turnout: jumping to good")?;
    ensure!(!console.text().contains("loading system"), "it booted something else");
    Ok(())
}
