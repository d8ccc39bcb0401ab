//! What of disks and networks has to be stopped by hand before the jump, and who has to
//! be there after it.
//!
//! systemd unmounts, swaps off and takes loops, md and device mapper apart; of sessions
//! with other machines it knows nothing (systemd-shutdown(8)).

use std::borrow::Cow;

use crate::check::facts::{Locked, Mount};
use crate::check::{Facts, Row, Said, shell};

pub(super) const ROWS: &[Row] = &[
    Row::one("NETWORK_ROOT", network_root),
    Row::one("NETWORK_MOUNTS", network_mounts),
    Row::one("NETWORK_SWAP", network_swap),
    Row::one("ISCSI", iscsi),
    Row::one("NVME_FABRICS", nvme_fabrics),
    Row::one("DRBD", drbd),
    Row::one("CLUSTER_LOCKS", cluster_locks),
    Row::one("MD_DEGRADED", md_degraded),
    Row::one("PASSPHRASE", passphrase),
];

/// Most things that one sentence names, and one remedy has a line for.
const MOST_NAMED: usize = 6;

fn network_root(facts: &Facts) -> Option<Said> {
    let root = &facts.storage.root;
    if !root.over_network {
        return None;
    }
    let sentence = format!(
        "the root ({}) lies on a network: its card has to work again after the jump, before \
         anybody can log in",
        root.kind
    );
    Said::notes(sentence, "try it once with somebody at the machine")
}

fn network_mounts(facts: &Facts) -> Option<Said> {
    let mounts = &facts.storage.mounts;
    if mounts.is_empty() {
        return None;
    }
    let names: Vec<String> =
        mounts.iter().map(|mount| format!("{} ({})", mount.place, mount.kind)).collect();
    let sentence = format!(
        "file systems of a network are mounted: {}; a server that does not answer holds each up \
         for 90 s, and turnout boot --now leaves them as they are",
        some(&names)
    );
    Said::notes(sentence, lines(mounts, unmount))
}

fn unmount(mount: &Mount) -> String {
    let place = shell::word(&mount.place);
    match mount.kind.starts_with("nfs") {
        true => format!("umount {place} || umount -f -l {place}"),
        false => format!("umount {place}"),
    }
}

fn network_swap(facts: &Facts) -> Option<Said> {
    let swaps = &facts.storage.swaps;
    if swaps.is_empty() {
        return None;
    }
    let sentence = format!(
        "swap lies on a network: {}; it has to be off before the network is, or the shutdown hangs",
        some(swaps)
    );
    Said::warns(sentence, lines(swaps, |swap| format!("swapoff {}", shell::word(swap))))
}

fn iscsi(facts: &Facts) -> Option<Said> {
    let targets = &facts.storage.iscsi;
    if targets.is_empty() {
        return None;
    }
    let sentence = format!(
        "there are iSCSI sessions: {}; what is not logged out is held by the target until its own \
         timeout, and the next system may have to wait for it",
        some(targets)
    );
    match facts.storage.root.over_network {
        true => Said::notes(sentence, "the root's own session cannot be ended before"),
        false => {
            Said::warns(sentence, "umount what lies there, then:\niscsiadm -m node --logoutall=all")
        }
    }
}

fn nvme_fabrics(facts: &Facts) -> Option<Said> {
    let controllers = &facts.storage.fabrics;
    if controllers.is_empty() {
        return None;
    }
    let sentence = format!(
        "NVMe is used over a network: {}; a controller that is not disconnected keeps its queues \
         until its own timeout",
        some(controllers)
    );
    match facts.storage.root.over_network {
        true => Said::notes(sentence, "the root's own connection cannot be ended before"),
        false => Said::warns(sentence, "umount what lies there, then:\nnvme disconnect-all"),
    }
}

fn drbd(facts: &Facts) -> Option<Said> {
    let devices = &facts.storage.drbd;
    if devices.is_empty() {
        return None;
    }
    let sentence = format!(
        "DRBD is in use: {}; a side that leaves as primary may be taken for dead, and both sides \
         may go on by themselves",
        some(devices)
    );
    Said::warns(sentence, "umount what lies there, then:\ndrbdadm secondary all\ndrbdadm down all")
}

fn cluster_locks(facts: &Facts) -> Option<Said> {
    let spaces = &facts.storage.lockspaces;
    if spaces.is_empty() {
        return None;
    }
    let sentence = format!(
        "this machine holds locks of a cluster: {}; a machine that leaves without releasing them is \
         fenced by the others",
        some(spaces)
    );
    Said::warns(sentence, "take the machine out of the cluster first, such as:\npcs cluster stop")
}

fn md_degraded(facts: &Facts) -> Option<Said> {
    let arrays = &facts.storage.degraded;
    if arrays.is_empty() {
        return None;
    }
    let sentence = format!(
        "{}: the next system starts with the array as it is, and a member that hangs is not reset \
         by a kexec",
        some(arrays)
    );
    Said::warns(sentence, "wait until /proc/mdstat is clean, or replace the member")
}

fn passphrase(facts: &Facts) -> Option<Said> {
    let locked = &facts.storage.locked;
    if locked.is_empty() {
        return None;
    }
    let names: Vec<String> = locked.iter().map(name).collect();
    let names = some(&names);
    if locked.iter().all(|volume| volume.may_open_itself) {
        let sentence = format!(
            "{names}: clevis is installed and may open it; else the next system waits for a \
             passphrase. A TPM's registers go on over a kexec: only a binding to those that no \
             kernel changes (PCR 7) still opens"
        );
        return Said::notes(
            sentence,
            lines(locked, |one| format!("clevis luks list -d {}", device(one))),
        );
    }
    let sentence = format!(
        "{names}: the next system waits for a passphrase, and nobody may be there to type it"
    );
    Said::warns(sentence, lines(locked, bind))
}

fn name(volume: &Locked) -> String {
    let what = if volume.is_root { "the root's volume" } else { "volume" };
    format!("{what} {}", volume.name)
}

fn device(volume: &Locked) -> Cow<'_, str> {
    volume.device.as_deref().map_or(Cow::Borrowed("/dev/..."), shell::word)
}

/// PCR 7 alone is the same behind a kexec.
fn bind(volume: &Locked) -> String {
    format!("clevis luks bind -d {} tpm2 '{{\"pcr_ids\":\"7\"}}'", device(volume))
}

/// The first few, and how many more.
fn some(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(MOST_NAMED).map(String::as_str).collect();
    let more = names.len().saturating_sub(shown.len());
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn lines<T>(all: &[T], line: impl Fn(&T) -> String) -> String {
    all.iter().take(MOST_NAMED).map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{said, sentence};
    use super::*;
    use crate::check::Weight;
    use crate::check::facts::{Root, Storage};

    fn with(storage: Storage) -> Facts {
        Facts { storage, ..Facts::default() }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn what_is_not_there_is_not_said() {
        for row in ROWS {
            assert_eq!(row.look(&Facts::default()), []);
        }
    }

    #[test]
    fn a_dead_servers_mount_is_taken_away_by_force() {
        let mount =
            |kind: &str, place: &str| Mount { kind: kind.to_owned(), place: place.to_owned() };
        let mounts = vec![mount("nfs4", "/srv"), mount("cifs", "/mnt")];
        let found = said("NETWORK_MOUNTS", &with(Storage { mounts, ..Storage::default() }));
        assert!(found[0].sentence.contains("/srv (nfs4), /mnt (cifs);"), "{}", found[0].sentence);
        assert_eq!(found[0].remedy, "umount /srv || umount -f -l /srv\numount /mnt");
        let mounts = vec![mount("cifs", "/a;reboot")];
        let found = said("NETWORK_MOUNTS", &with(Storage { mounts, ..Storage::default() }));
        assert_eq!(found[0].remedy, "umount '/a;reboot'");
    }

    #[test]
    fn sessions_are_to_be_ended_before_unless_the_root_needs_them() {
        let of = |over_network| {
            let root = Root { over_network, ..Root::default() };
            with(Storage {
                iscsi: names(&["iqn.x:a"]),
                fabrics: names(&["nvme1 (tcp)"]),
                root,
                ..Storage::default()
            })
        };
        for code in ["ISCSI", "NVME_FABRICS"] {
            assert_eq!(said(code, &of(false))[0].weight, Weight::Warns);
            assert_eq!(said(code, &of(true))[0].weight, Weight::Notes);
        }
        assert_eq!(said("NETWORK_ROOT", &of(true)).len(), 1);
        assert_eq!(said("NETWORK_ROOT", &of(false)), []);
    }

    #[test]
    fn what_others_wait_for_is_named_with_the_command_that_ends_it() {
        let storage = Storage {
            swaps: names(&["/dev/nbd0"]),
            drbd: names(&["drbd0"]),
            lockspaces: names(&["lvm_global"]),
            degraded: names(&["md0 lacks 1 member"]),
            ..Storage::default()
        };
        let facts = with(storage);
        for (code, value, line) in [
            ("NETWORK_SWAP", "/dev/nbd0", "swapoff /dev/nbd0"),
            ("DRBD", "drbd0", "drbdadm secondary all"),
            ("CLUSTER_LOCKS", "lvm_global", "pcs cluster stop"),
            ("MD_DEGRADED", "md0 lacks 1 member", "/proc/mdstat"),
        ] {
            let found = &said(code, &facts)[0];
            assert_eq!(found.weight, Weight::Warns);
            assert!(found.sentence.contains(value), "{}", found.sentence);
            assert!(found.remedy.contains(line), "{}", found.remedy);
        }
    }

    #[test]
    fn nobody_is_there_to_type_a_passphrase() {
        let volume = |may_open_itself| Locked {
            name: "sda3_crypt".to_owned(),
            device: Some("/dev/sda3".to_owned()),
            is_root: true,
            may_open_itself,
        };
        let of = |may| with(Storage { locked: vec![volume(may)], ..Storage::default() });
        let found = said("PASSPHRASE", &of(false));
        assert_eq!(found[0].weight, Weight::Warns);
        assert!(
            found[0].sentence.starts_with("the root's volume sda3_crypt: the next system waits")
        );
        assert_eq!(found[0].remedy, "clevis luks bind -d /dev/sda3 tpm2 '{\"pcr_ids\":\"7\"}'");
        let found = said("PASSPHRASE", &of(true));
        assert_eq!(found[0].weight, Weight::Notes);
        assert_eq!(found[0].remedy, "clevis luks list -d /dev/sda3");
    }

    #[test]
    fn of_many_some_are_named() {
        let storage = Storage { drbd: vec!["drbd".to_owned(); 9], ..Storage::default() };
        assert!(sentence("DRBD", &with(storage)).contains("drbd and 3 more;"));
    }
}
