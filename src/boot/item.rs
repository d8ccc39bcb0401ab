//! A row of the menu: what a person is told of an entry before it is chosen.

use crate::choose::Item;
use crate::failure::Failure;
use crate::menu::Entry;
use crate::preflight::{self, Reason};
use crate::trust::Role;
use crate::trust::manifest::{Manifest, System};
use crate::trust::verify::Attested;

/// The row of an entry on a device; what boots by itself is of this role.
pub(super) fn item(
    device: &str,
    entry: &Entry,
    verdict: Result<&Attested, &Failure>,
    role: Role,
    notes: &[Reason],
) -> Item {
    let place = match entry.line {
        Some(line) => format!("{device} {}:{line}", entry.file),
        None => format!("{device} {}", entry.file),
    };
    Item {
        id: entry.id.clone(),
        title: entry.name().to_owned(),
        mark: preflight::mark(verdict),
        detail: detail(verdict, notes),
        bootable: verdict.is_ok_and(|attested| attested.role() == role),
        version: entry.version.clone().unwrap_or_default(),
        submenu: entry.submenu.clone(),
        hotkey: entry.hotkey,
        facts: facts(&place, entry, verdict.ok(), notes),
        place,
        options: entry.options.clone(),
    }
}

/// What explains the word beside the entry; of one that boots, what should be
/// known besides.
fn detail(verdict: Result<&Attested, &Failure>, notes: &[Reason]) -> String {
    let mut detail = match verdict {
        Ok(Attested::Signed(signed)) => format!("signed by {}", signed.signers().join(" and ")),
        Ok(Attested::Unsigned(_)) => "not verified: the image is open".to_owned(),
        Err(failure) => return failure.sentence(),
    };
    for note in notes {
        detail.push_str("; ");
        detail.push_str(&note.detail);
    }
    detail
}

/// What the details tell: where the entry is from, its files, its command line,
/// and of a signed one what was signed.
fn facts(
    place: &str,
    entry: &Entry,
    attested: Option<&Attested>,
    notes: &[Reason],
) -> Vec<(&'static str, String)> {
    let mut facts = vec![("source", place.to_owned())];
    let mut add = |what, values: &[String]| {
        facts.extend(values.iter().map(|value| (what, value.clone())));
    };
    add("kernel", entry.kernel().map(str::to_owned).as_slice());
    add("initrd", &entry.initrds);
    add("devicetree", entry.devicetree.as_slice());
    add("overlay", &entry.overlays);
    add("addon", &entry.addons);
    let manifest = match attested {
        Some(Attested::Signed(signed)) => Some(signed.manifest()),
        _ => None,
    };
    facts.push(("command line", command_line(entry, manifest)));
    for file in manifest.into_iter().flat_map(Manifest::files) {
        facts.push(("sha256", format!("{} {}", file.digest, file.path)));
    }
    facts.extend(notes.iter().map(|note| ("note", note.detail.clone())));
    facts
}

/// The manifest's, where there is one: the menu's does not count then.
fn command_line(entry: &Entry, manifest: Option<&Manifest>) -> String {
    match manifest.map(|manifest| &manifest.system) {
        Some(System::Linux(linux)) => linux.options.clone(),
        Some(System::Uki(_)) | None => entry.options.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::arch::Arch;
    use crate::menu::{Memory, Target, read_volume};

    #[test]
    fn a_row_tells_its_place_and_every_file_in_order() {
        let text = "title A\nversion 1\nlinux /k\ninitrd /i\ninitrd /j\noptions quiet\n";
        let files: Memory = [("/loader/entries/a.conf", text)].into_iter().collect();
        let menu = read_volume(&files, &Target::new(Arch::X86_64, &[]));
        let failure = Failure::broken("GONE", "vdb1 was taken out".to_owned());
        let notes = [Reason { code: "CONSOLE", detail: "nobody will see it".to_owned() }];
        let row = item("vdb1", &menu.entries[0], Err(&failure), Role::Boot, &notes);
        assert_eq!(
            (row.mark.as_str(), row.detail.as_str()),
            ("broken(GONE)", "vdb1 was taken out")
        );
        assert_eq!((row.version.as_str(), row.options.as_str()), ("1", "quiet"));
        assert!(!row.bootable);
        let facts: Vec<_> = row.facts.iter().map(|(what, it)| (*what, it.as_str())).collect();
        let source = ("source", "vdb1 /loader/entries/a.conf");
        let files = [("kernel", "/k"), ("initrd", "/i"), ("initrd", "/j")];
        let last = [("command line", "quiet"), ("note", "nobody will see it")];
        assert_eq!(facts, [&[source], &files[..], &last].concat());
    }
}
