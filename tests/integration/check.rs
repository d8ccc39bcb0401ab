//! `turnout check` on machines that are directories: tests/data/machines/NAME has a
//! tree `root`, and a file `codes` that says which findings the tree is for: `+CODE`
//! is found there, `-CODE` is not although its rule has what it looks at.
//!
//! Every code of the table has a tree that raises it and one that does not, and a row
//! in docs/check.md.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use turnout::check::{codes, findings};
use turnout::sys::survey::{Tree, survey};

/// What only the command knows (keys, menu, records): rows that no tree can raise. Their
/// own tests do.
const BY_COMMAND: &[&str] = &[
    "RING_BROKEN",
    "NO_RING",
    "NO_ENTRY",
    "ENTRY_REFUSED",
    "ENTRY_MEMORY",
    "ENTRY_NO_CRASHKERNEL",
    "ENTRY_NO_TOKEN",
    "PAIR_FAILED",
    "INITRD_UNREAD",
    "INITRD_OTHER_KERNEL",
    "INITRD_LACKS_DRIVER",
    "NO_MODULES",
    "NOTHING_SIGNED",
    "NOTHING_BOOTS",
    "KEPT_ONLY",
    "NEWEST_UNSIGNED",
    "NEWEST_NO_ENTRY",
    "OLDER_DEFAULT",
];

struct Machine {
    name: String,
    root: PathBuf,
    found: BTreeSet<String>,
    not_found: BTreeSet<String>,
}

impl Machine {
    fn read(folder: &Path) -> Self {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(folder.join("codes")).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let mut machine = Self {
            name,
            root: folder.join("root"),
            found: BTreeSet::new(),
            not_found: BTreeSet::new(),
        };
        for line in lines {
            let (sign, code) = line.split_at(1);
            assert!(codes().any(|known| known == code), "{}: {line}", machine.name);
            let set = if sign == "+" { &mut machine.found } else { &mut machine.not_found };
            assert!(["+", "-"].contains(&sign) && set.insert(code.to_owned()), "{line}");
        }
        machine
    }

    fn looked_at(&self) -> BTreeSet<String> {
        let found = findings(&survey(&Tree::at(&self.root)));
        found.iter().map(|one| one.code.to_owned()).collect()
    }
}

fn machines() -> Vec<Machine> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/machines");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders.iter().map(|folder| Machine::read(folder)).collect()
}

#[test]
fn a_machine_has_the_findings_that_it_is_for() {
    for machine in machines() {
        let seen = machine.looked_at();
        let missing: Vec<_> = machine.found.difference(&seen).collect();
        let wrong: Vec<_> = machine.not_found.intersection(&seen).collect();
        assert!(missing.is_empty(), "{} lacks {missing:?}", machine.name);
        assert!(wrong.is_empty(), "{} has {wrong:?}", machine.name);
    }
}

#[test]
fn every_code_has_a_machine_that_raises_it_and_one_that_does_not() {
    let machines = machines();
    for code in codes().filter(|code| !BY_COMMAND.contains(code)) {
        let raised = machines.iter().any(|machine| machine.found.contains(code));
        let not_raised = machines.iter().any(|machine| machine.not_found.contains(code));
        assert!(raised, "no machine raises {code}");
        assert!(not_raised, "no machine has what {code} looks at and does not raise it");
    }
}

#[test]
fn every_code_is_in_the_document_and_no_other_is() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/check.md");
    let text = fs::read_to_string(document).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let written: BTreeSet<&str> = rows.map(|(code, _)| code).collect();
    assert_eq!(written, codes().collect::<BTreeSet<_>>());
}

#[test]
fn a_directory_with_nothing_in_it_is_a_machine_of_which_nothing_is_said() {
    let empty = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/machines/nothing-here");
    let found = findings(&survey(&Tree::at(&empty)));
    assert_eq!(found, []);
}

#[test]
fn what_drives_the_root_is_followed_down_to_the_bus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/machines");
    for (name, modules) in [
        // A file system on LVM, on LUKS, on a mirror, on a disk.
        ("loaded-server", &["ext4", "dm_mod", "dm_crypt", "raid1", "sd_mod", "ahci"] as &[&str]),
        ("quiet-server", &["ext4", "nvme"]),
        ("network-root", &["xfs", "nvme_tcp"]),
    ] {
        let root = survey(&Tree::at(&folder.join(name).join("root"))).storage.root;
        assert_eq!(root.modules, modules, "{name}");
    }
}
