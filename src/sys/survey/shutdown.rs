//! What has to stop before a system is left: the files of the units that run.
//!
//! Which do is told by the links that systemd keeps for each (`/run/systemd/units`).
//! What a unit was given at run time is not seen.

use super::Tree;
use super::systemd::drop_ins;
use crate::check::facts::{Shutdown, Unit};
use crate::check::settings::{Setting, Span, settings, span};

/// Highest precedence first (systemd.unit(5)).
const FOLDERS: [&str; 8] = [
    "run/systemd/transient",
    "etc/systemd/system",
    "run/systemd/system",
    "run/systemd/generator",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "run/systemd/generator.late",
];
const RUNNING: &str = "run/systemd/units";
const INVOCATION: &str = "invocation:";
/// More than any machine has; what is beyond is left out.
const MOST: usize = 2000;

pub(super) fn read(tree: &Tree) -> Shutdown {
    let names = tree.names(RUNNING).into_iter();
    let running = names.filter_map(|name| name.strip_prefix(INVOCATION).map(str::to_owned));
    let units = running.take(MOST).map(|name| unit(tree, name)).collect();
    let target = File::read(tree, "kexec.target");
    Shutdown { units, limit: target.last("Unit", "JobTimeoutSec").as_deref().and_then(span) }
}

fn unit(tree: &Tree, name: String) -> Unit {
    let file = File::read(tree, &name);
    let kind = Kind::of(&name);
    Unit {
        rounds: file.rounds(&kind),
        timeout: file.timeout(&kind),
        started_after: file.started_after(&kind),
        started_before: file.list("Before"),
        name,
    }
}

/// What is behind a unit's last point decides which section its limits are in.
struct Kind {
    section: &'static str,
    is_service: bool,
}

impl Kind {
    fn of(name: &str) -> Self {
        let section = match name.rsplit('.').next() {
            Some("service") => "Service",
            Some("mount") => "Mount",
            Some("swap") => "Swap",
            Some("scope") => "Scope",
            _ => "",
        };
        Self { section, is_service: section == "Service" }
    }
}

/// A unit's file and its drop-ins, in the order in which they count.
struct File(Vec<String>);

impl File {
    fn read(tree: &Tree, name: &str) -> Self {
        let names = [name.to_owned(), template(name).unwrap_or_default()];
        let own = names.iter().filter(|name| !name.is_empty()).find_map(|name| {
            FOLDERS.iter().find_map(|folder| tree.text(&format!("{folder}/{name}")))
        });
        let suffix = name.rsplit('.').next().unwrap_or_default();
        let more = [suffix.to_owned(), template(name).unwrap_or_default(), name.to_owned()];
        let more = more.iter().filter(|name| !name.is_empty());
        let more = more.flat_map(|name| drop_ins(tree, &format!("{name}.d"), &FOLDERS));
        Self(own.into_iter().chain(more).collect())
    }

    fn all(&self, section: &str, name: &str) -> Vec<String> {
        let found = self.0.iter().flat_map(|text| settings(text, section));
        let mut values = Vec::new();
        for Setting { value, .. } in found.filter(|setting| setting.name == name) {
            // An empty one takes back what was said before.
            if value.is_empty() { values.clear() } else { values.push(value) }
        }
        values
    }

    fn last(&self, section: &str, name: &str) -> Option<String> {
        self.all(section, name).pop()
    }

    fn list(&self, name: &str) -> Vec<String> {
        let lines = self.all("Unit", name);
        lines.iter().flat_map(|line| line.split_ascii_whitespace()).map(str::to_owned).collect()
    }

    /// Each command that stops it may take its limit, and so may its processes.
    fn rounds(&self, kind: &Kind) -> u64 {
        if kind.section.is_empty() {
            return 0;
        }
        let commands = ["ExecStop", "ExecStopPost"];
        let commands = commands.iter().map(|name| self.all(kind.section, name).len() as u64);
        let commands = commands.fold(0, u64::saturating_add);
        let is_oneshot = self.last(kind.section, "Type").as_deref() == Some("oneshot");
        // What has run and gone has no process that could be waited for.
        commands.saturating_add(u64::from(!is_oneshot))
    }

    /// The one that is said last of the two that set it; 0 is no limit for both.
    fn timeout(&self, kind: &Kind) -> Option<Span> {
        let mut found = self.0.iter().flat_map(|text| settings(text, kind.section));
        let names = ["TimeoutStopSec", "TimeoutSec"];
        let last = found.rfind(|setting| names.contains(&setting.name.as_str()))?;
        match span(&last.value)? {
            Span::Seconds(0) => Some(Span::Infinite),
            span => Some(span),
        }
    }

    /// With what every service has by default (systemd.service(5)).
    fn started_after(&self, kind: &Kind) -> Vec<String> {
        let mut after = self.list("After");
        let by_default = self.last("Unit", "DefaultDependencies");
        let has_default = by_default.is_none_or(|value| !matches!(&*value, "no" | "false" | "0"));
        if kind.is_service && has_default {
            after.extend(["sysinit.target", "basic.target"].map(str::to_owned));
        }
        after
    }
}

/// `user@.service` of `user@1000.service`.
fn template(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_once('@')?;
    let (_, suffix) = rest.rsplit_once('.')?;
    Some(format!("{prefix}@.{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File(vec![text.to_owned()])
    }

    #[test]
    fn each_command_that_stops_a_service_may_take_its_limit() {
        let kind = Kind::of("a.service");
        let rounds = |text: &str| file(text).rounds(&kind);
        assert_eq!(rounds("[Service]\nExecStart=/a\n"), 1);
        assert_eq!(rounds("[Service]\nExecStop=/a\nExecStop=/b\nExecStopPost=/c\n"), 4);
        assert_eq!(rounds("[Service]\nExecStop=/a\nExecStop=\n"), 1);
        assert_eq!(rounds("[Service]\nType=oneshot\nExecStart=/a\n"), 0);
        assert_eq!(rounds("[Service]\nType=oneshot\nExecStop=/a\n"), 1);
        assert_eq!(file("").rounds(&Kind::of("a.target")), 0);
        assert_eq!(file("").rounds(&Kind::of("a.mount")), 1);
    }

    #[test]
    fn the_last_limit_counts() {
        let kind = Kind::of("a.service");
        let timeout = |text: &str| file(text).timeout(&kind);
        assert_eq!(timeout("[Service]\nTimeoutStopSec=5min\n"), Some(Span::Seconds(300)));
        assert_eq!(timeout("[Service]\nTimeoutStopSec=5\nTimeoutSec=6\n"), Some(Span::Seconds(6)));
        assert_eq!(timeout("[Service]\nTimeoutSec=0\n"), Some(Span::Infinite));
        assert_eq!(timeout("[Unit]\nTimeoutSec=9\n"), None);
    }

    #[test]
    fn the_template_of_an_instance_is_found() {
        assert_eq!(template("user@1000.service").as_deref(), Some("user@.service"));
        assert_eq!(template("a.b@c.d.service").as_deref(), Some("a.b@.service"));
        assert_eq!(template("ssh.service"), None);
    }
}
