//! What `turnout boot` would start: has its initrd what drives the root?
//!
//! Specification: Linux, Documentation/driver-api/early-userspace; kmod, modules.builtin.

use crate::check::facts::Target;
use crate::check::{Facts, Row, Said, shell};
use crate::image::initramfs::Release;

pub(super) const ROWS: &[Row] = &[
    Row::one("INITRD_UNREAD", unread),
    Row::one("INITRD_OTHER_KERNEL", other_kernel),
    Row::one("INITRD_LACKS_DRIVER", lacks_driver),
    Row::one("NO_MODULES", no_modules),
];

fn unread(facts: &Facts) -> Option<Said> {
    let target = facts.target.as_ref()?;
    let reason = target.initrd.as_ref().err()?;
    let sentence = format!("what lies in the initrd of entry {} is not known: {reason}", target.id);
    Said::notes(sentence, "")
}

fn other_kernel(facts: &Facts) -> Option<Said> {
    let target = facts.target.as_ref()?;
    let (release, all) = parts(target)?;
    let others: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
    if others.is_empty() || others.contains(&release) {
        return None;
    }
    let sentence = format!(
        "the initrd of entry {} has modules of {}, and none of its kernel {release}",
        target.id,
        others.join(", ")
    );
    Said::warns(sentence, rebuild(release))
}

fn lacks_driver(facts: &Facts) -> Option<Said> {
    let target = facts.target.as_ref()?;
    let (release, all) = parts(target)?;
    let own = all.iter().find(|one| one.name == release);
    // Of what is built in only a list tells, this system's or the initrd's own.
    let builtin = target.builtin.as_ref().or_else(|| own?.builtin.as_ref())?;
    let modules = own.map(|own| own.modules.as_slice()).unwrap_or_default();
    let needed = facts.storage.root.modules.iter();
    let missing: Vec<&str> = needed
        .filter(|name| !builtin.contains(name) && !modules.contains(name))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return None;
    }
    let sentence = format!(
        "the initrd of entry {} lacks {} for kernel {release}, which the running system finds its \
         root by",
        target.id,
        missing.join(", ")
    );
    Said::warns(sentence, rebuild(release))
}

fn no_modules(facts: &Facts) -> Option<Said> {
    let target = facts.target.as_ref()?;
    let release = target.release.as_deref()?;
    if target.has_modules || target.builtin.is_some() {
        return None;
    }
    let sentence = format!(
        "/lib/modules/{release} is not there: the kernel of entry {} will have no modules but those \
         of its initrd",
        target.id
    );
    Said::warns(sentence, format!("install the package with the modules of {release}"))
}

/// The kernel's version and what lies in the initrd, where both are known.
fn parts(target: &Target) -> Option<(&str, &[Release])> {
    Some((target.release.as_deref()?, target.initrd.as_deref().ok()?))
}

fn rebuild(release: &str) -> String {
    let release = shell::word(release);
    format!("update-initramfs -u -k {release}\nor: dracut --force --kver {release}")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{said, sentence};
    use super::*;
    use crate::check::facts::{Root, Storage};

    const RELEASE: &str = "6.12.90+deb13-amd64";

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn target() -> Target {
        let inside = Release {
            name: RELEASE.to_owned(),
            modules: names(&["nvme", "nvme_core"]),
            builtin: None,
        };
        Target {
            release: Some(RELEASE.to_owned()),
            initrd: Ok(vec![inside]),
            builtin: Some(names(&["ext4"])),
            has_modules: true,
            ..Target::unknown("deb")
        }
    }

    fn with(target: Target) -> Facts {
        let root = Root { modules: names(&["ext4", "nvme"]), ..Root::default() };
        let storage = Storage { root, ..Storage::default() };
        Facts { storage, target: Some(target), ..Facts::default() }
    }

    #[test]
    fn an_initrd_with_all_that_the_root_needs_is_good() {
        for row in ROWS {
            assert_eq!(row.look(&with(target())), []);
        }
    }

    #[test]
    fn a_driver_that_is_nowhere_is_named() {
        let missing = Target { builtin: Some(Vec::new()), ..target() };
        let found = said("INITRD_LACKS_DRIVER", &with(missing));
        assert!(
            found[0].sentence.starts_with("the initrd of entry deb lacks ext4 for kernel 6.12.90")
        );
        assert!(found[0].remedy.starts_with("update-initramfs -u -k 6.12.90+deb13-amd64\n"));
        let nothing = Target { initrd: Ok(Vec::new()), ..target() };
        assert!(sentence("INITRD_LACKS_DRIVER", &with(nothing)).contains("lacks nvme for"));
    }

    #[test]
    fn without_a_list_of_what_is_built_in_nothing_is_missing() {
        let unknown = Target { builtin: None, initrd: Ok(Vec::new()), ..target() };
        assert_eq!(said("INITRD_LACKS_DRIVER", &with(unknown)), []);
        let mut own = target();
        own.builtin = None;
        own.initrd.as_mut().unwrap()[0].builtin = Some(names(&["nvme"]));
        assert!(sentence("INITRD_LACKS_DRIVER", &with(own)).contains("lacks ext4 for"));
    }

    #[test]
    fn modules_of_another_kernel_are_of_no_use() {
        let mut other = target();
        other.release = Some("6.12.91".to_owned());
        let found = sentence("INITRD_OTHER_KERNEL", &with(other));
        assert!(
            found.contains("modules of 6.12.90+deb13-amd64, and none of its kernel 6.12.91"),
            "{found}"
        );
        assert_eq!(
            said("INITRD_OTHER_KERNEL", &with(Target { initrd: Ok(Vec::new()), ..target() })),
            []
        );
    }

    #[test]
    fn an_initrd_that_cannot_be_looked_through_is_said_with_the_reason() {
        let damaged = Target { initrd: Err("it is compressed with lzop".to_owned()), ..target() };
        let expected =
            "what lies in the initrd of entry deb is not known: it is compressed with lzop";
        assert_eq!(sentence("INITRD_UNREAD", &with(damaged.clone())), expected);
        assert_eq!(said("INITRD_LACKS_DRIVER", &with(damaged)), []);
    }

    #[test]
    fn a_kernel_without_modules_on_this_root_is_warned_of() {
        let gone = Target { has_modules: false, builtin: None, ..target() };
        assert!(
            sentence("NO_MODULES", &with(gone))
                .starts_with("/lib/modules/6.12.90+deb13-amd64 is not")
        );
        let unknown = Target { release: None, has_modules: false, builtin: None, ..target() };
        assert_eq!(said("NO_MODULES", &with(unknown)), []);
    }
}
