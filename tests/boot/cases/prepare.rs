//! The entry that the menu waits with is made ready meanwhile; and kernels that
//! are started without their own decompressor.

use super::trust::add_tampered_entry;
use super::{Boot, COUNTED, Case, Expect, HOOKED, PLAIN, X86_64, case, nothing};
use crate::expect::{DEADLINE, see};
use crate::world::World;
use anyhow::{Result, ensure};
use std::fs;
use turnout_qemu::boot_tree::{BootTree, Entry};
use turnout_qemu::facts::Facts;
use turnout_qemu::guest::Flavour;
use turnout_qemu::machine::Machine;
use turnout_qemu::menu;
use turnout_qemu::serial::Console;

const WAITS: &str = "timeout 3\ndefault good\n";
const ALWAYS: Boot =
    Boot { config: "engine segments\nvmlinux always\nreset-delay 1\nattempts 1\n", ..PLAIN };

pub(super) const CASES: &[Case] = &[
    Case {
        name: "default_unpacked_while_the_menu_waits",
        archs: X86_64,
        boot: Boot { flavour: Flavour::Generic, loader_conf: WAITS, ..COUNTED },
        change: nothing,
        expect: Expect::Boots {
            after: &[
                "turnout: loading good by kexec_load: ",
                "turnout: starting good as a vmlinux: there was time to unpack it",
                "turnout: prepared in ",
            ],
        },
    },
    case(
        "default_prepared_while_the_menu_waits",
        Boot { loader_conf: WAITS, ..PLAIN },
        nothing,
        Expect::Boots { after: &["turnout: loading good by ", "turnout: prepared in "] },
    ),
    case(
        "another_entry_chosen_than_the_one_that_is_prepared",
        Boot {
            flavour: Flavour::Generic,
            loader_conf: "timeout menu-force\ndefault other\n",
            ..PLAIN
        },
        add_another_entry,
        Expect::Acts(choose_good_at_once),
    ),
    case(
        "default_that_turns_out_bad_gives_way_and_others_are_marked_while_the_menu_waits",
        Boot { loader_conf: "timeout menu-force\ndefault bad\n", ..PLAIN },
        add_bad_entries,
        Expect::Acts(wait_for_marks),
    ),
    case(
        "panic_while_an_entry_is_prepared",
        Boot {
            first_options: "turnout.test=panic-while-preparing",
            loader_conf: "timeout menu-force\ndefault good\n",
            ..HOOKED
        },
        nothing,
        Expect::Ends(&[
            "turnout: reset in 1 s: panic at ",
            "asked for by turnout.test=panic-while-preparing",
        ]),
    ),
    Case {
        name: "vmlinux_at_once",
        archs: X86_64,
        boot: ALWAYS,
        change: nothing,
        expect: Expect::Boots { after: &["turnout: starting good as a vmlinux: it was asked for"] },
    },
    Case {
        name: "vmlinux_without_a_random_address",
        archs: X86_64,
        boot: Boot { next_options: "nokaslr", ..ALWAYS },
        change: nothing,
        expect: Expect::Finds {
            after: &["turnout: starting good as a vmlinux: it was asked for"],
            facts: is_where_it_was_linked,
        },
    },
];

fn add_another_entry(world: &World, tree: &BootTree) -> Result<()> {
    world.add_entry(tree, "other")?;
    world.key.sign(&world.tools, tree, "other", &[])
}

/// One with other bytes than the signed ones, and one that is no kernel.
fn add_bad_entries(world: &World, tree: &BootTree) -> Result<()> {
    add_tampered_entry(world, tree)?;
    fs::write(tree.host_path("/text"), "no kernel")?;
    tree.add_entry(&Entry { id: "a", title: "a", linux: "/text", initrds: &[], options: "" })?;
    world.key.sign(&world.tools, tree, "a", &["--architecture", world.arch.name()])
}

/// Nobody has chosen any of them.
fn wait_for_marks(console: &mut Console, _: &Machine) -> Result<()> {
    menu::wait_until_drawn(console, DEADLINE)?;
    see(console, "refused bad: LINUX_DIGEST: ")?;
    see(console, "failed(identify)")?;
    console.send(b"\r")?;
    see(console, "turnout: refused bad: LINUX_DIGEST: ")?;
    see(console, "turnout: loading good by ")?;
    see(console, "turnout: prepared in ")
}

fn choose_good_at_once(console: &mut Console, _: &Machine) -> Result<()> {
    menu::choose(console, "good", DEADLINE)?;
    see(console, "turnout: reading good")?;
    see(console, "turnout: jumping to good")?;
    for unwanted in ["turnout: other ", "failed other", "refused other", "turnout: prepared in"] {
        ensure!(!console.text().contains(unwanted), "it said {unwanted:?}");
    }
    Ok(())
}

/// `_text` of an x86_64 kernel that nothing has moved (Linux
/// `Documentation/arch/x86/x86_64/mm.rst`).
fn is_where_it_was_linked(facts: &Facts) -> Result<()> {
    let text = facts.get("text");
    ensure!(text == Some("ffffffff81000000"), "_text is at {text:?}");
    Ok(())
}
