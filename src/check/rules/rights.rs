//! Whether whoever asks may do it, from here.
//!
//! Specification: capabilities(7), pid_namespaces(7), reboot(2).

use crate::check::{Facts, Row, Said};

pub(super) const ROWS: &[Row] = &[
    Row::one("NOT_ROOT", not_root),
    Row::one("NO_CAP_SYS_BOOT", no_capability),
    Row::one("CONTAINER", container),
];

/// Its bit (linux/capability.h).
const CAP_SYS_BOOT: u64 = 1 << 22;

/// A machine of which half was not looked at is not called ready.
fn not_root(facts: &Facts) -> Option<Said> {
    if facts.rights.is_root? {
        return None;
    }
    Said::warns(
        "not run as root: what only root may read was not looked at, such as keys, boot menus, \
         addresses of memory, and who holds a watchdog",
        "sudo turnout check",
    )
}

fn no_capability(facts: &Facts) -> Option<Said> {
    let rights = &facts.rights;
    if rights.is_root == Some(false) || rights.capabilities? & CAP_SYS_BOOT != 0 {
        return None;
    }
    Said::stops(
        "root has no CAP_SYS_BOOT here: the kernel takes neither a load nor a jump from it",
        "in a unit: CapabilityBoundingSet= with CAP_SYS_BOOT among it; in a container: not at all",
    )
}

fn container(facts: &Facts) -> Option<Said> {
    let rights = &facts.rights;
    let sentence = match (&rights.container, rights.is_in_pid_namespace) {
        (Some(manager), _) => format!("this is a container ({manager}), not the machine itself"),
        (None, Some(true)) => "this process has a process namespace of its own, as in a \
                               container: a kexec from there is refused"
            .to_owned(),
        (None, _) => return None,
    };
    Said::stops(sentence, "run it on the host")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{said, sentence};
    use crate::check::Facts;
    use crate::check::facts::Rights;

    fn with(rights: Rights) -> Facts {
        Facts { rights, ..Facts::default() }
    }

    #[test]
    fn who_is_not_root_is_told_so_once_and_nothing_of_capabilities() {
        let facts =
            with(Rights { is_root: Some(false), capabilities: Some(0), ..Rights::default() });
        assert!(sentence("NOT_ROOT", &facts).starts_with("not run as root"));
        assert_eq!(said("NO_CAP_SYS_BOOT", &facts), []);
    }

    #[test]
    fn root_without_the_capability_is_found() {
        let of =
            |capabilities| with(Rights { is_root: Some(true), capabilities, ..Rights::default() });
        assert_eq!(said("NO_CAP_SYS_BOOT", &of(Some(!(1 << 22)))).len(), 1);
        assert_eq!(said("NO_CAP_SYS_BOOT", &of(Some(1 << 22))), []);
        assert_eq!(said("NO_CAP_SYS_BOOT", &of(None)), []);
    }

    #[test]
    fn a_container_is_found_by_its_manager_or_by_its_namespace() {
        let named = Rights { container: Some("lxc".to_owned()), ..Rights::default() };
        assert!(sentence("CONTAINER", &with(named)).contains("(lxc)"));
        let inside = Rights { is_in_pid_namespace: Some(true), ..Rights::default() };
        assert!(sentence("CONTAINER", &with(inside)).contains("namespace"));
        let outside = Rights { is_in_pid_namespace: Some(false), ..Rights::default() };
        assert_eq!(said("CONTAINER", &with(outside)), []);
    }
}
