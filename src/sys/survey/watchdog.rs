//! Watchdogs, and who holds them.

use super::Tree;
use crate::check::facts::{Holder, Watchdog, Watchdogs};

const CLASS: &str = "sys/class/watchdog";
const PARAMETERS: &str = "sys/module/watchdog/parameters";

pub(super) fn read(tree: &Tree) -> Watchdogs {
    let names = tree.names(CLASS);
    // /dev/watchdog is the first of them by its old name.
    let holders = if names.is_empty() { Vec::new() } else { holders(tree) };
    Watchdogs {
        are_shown: tree.has("sys/class"),
        devices: names.iter().map(|name| device(tree, name, &holders)).collect(),
        stop_on_reboot: tree.signed(&format!("{PARAMETERS}/stop_on_reboot")),
        open_timeout: tree.number(&format!("{PARAMETERS}/open_timeout")),
    }
}

fn device(tree: &Tree, name: &str, holders: &[Open]) -> Watchdog {
    let driver = tree.link(&format!("{CLASS}/{name}/device/driver"));
    let own = holders
        .iter()
        .filter(|open| open.device == name || (open.device == "watchdog" && name == "watchdog0"));
    Watchdog {
        identity: tree.line(&format!("{CLASS}/{name}/identity")).unwrap_or_default(),
        driver: driver.and_then(|path| path.rsplit('/').next().map(str::to_owned)),
        timeout: tree.number(&format!("{CLASS}/{name}/timeout")),
        nowayout: tree.number(&format!("{CLASS}/{name}/nowayout")) == Some(1),
        holders: own.map(|open| open.by.clone()).collect(),
        name: name.to_owned(),
    }
}

/// A watchdog's device that is open.
struct Open {
    device: String,
    by: Holder,
}

fn holders(tree: &Tree) -> Vec<Open> {
    let pids = tree.names("proc").into_iter().filter_map(|name| name.parse().ok());
    pids.flat_map(|pid| opened_by(tree, pid)).collect()
}

fn opened_by(tree: &Tree, pid: u32) -> Vec<Open> {
    let folder = format!("proc/{pid}/fd");
    let links = tree.names(&folder).into_iter();
    let paths = links.filter_map(|name| tree.link(&format!("{folder}/{name}")));
    let devices = paths.filter_map(|path| path.strip_prefix("/dev/").map(str::to_owned));
    devices
        .filter(|device| device.starts_with("watchdog"))
        .map(|device| {
            let name = tree.line(&format!("proc/{pid}/comm")).unwrap_or_default();
            Open { device, by: Holder { pid, name } }
        })
        .collect()
}
