//! `turnout status`: what is loaded, what the running kernel allows, which engine
//! `auto` would take here, what the state area holds, by which names a manifest can
//! mean this machine, and how it came up.

use core::fmt::Write as _;

use crate::base::json::{self, Object};
use crate::base::text::printable;
use crate::base::used::Used;
use crate::config;
use crate::failure::Failure;
use crate::plan::{Engine, EngineError, Request, Slot, choose_engine};
use crate::rollback::store::Fault;
use crate::rollback::{Floors, State};
use crate::slots::{Attempt, Slots};
use crate::source::StateDevice;
use crate::sys::sources::Sources;
use crate::sys::state_area::StateArea;
use crate::sys::status::{Status, facts_of_system};
use crate::sys::{self, file, identity};
use crate::trust::verify::{Identity, Mode};

use super::answer::complain;
use super::came_up::Looked;
use super::images::{Image, Line};
use super::tpm::Hierarchy;
use super::{came_up, settings, store};

/// Gives what is to be printed. With `settle` how this system came up is written down
/// too, and without JSON nothing else is told.
///
/// # Errors
/// It cannot be written down.
pub(super) fn run(settle: bool, device: &StateDevice, json: bool) -> Result<String, Failure> {
    if settle {
        came_up::only_root()?;
    }
    let came_up = came_up::look_as_root();
    if let (true, Some(came_up)) = (settle, &came_up) {
        came_up.settle()?;
    }
    Ok(match (settle, json) {
        (true, false) => written(&came_up_lines(came_up.as_ref())),
        _ => whole(came_up.as_ref(), device, json),
    })
}

fn whole(came_up: Option<&Looked>, device: &StateDevice, json: bool) -> String {
    let status = Status::read();
    let area = Area::read(device);
    let hierarchy = Hierarchy::read();
    let here = Here::read();
    let images = Images::read();
    if json {
        return json::object(|out| {
            write_json(&status, &area, out);
            area.write_survival(out);
            out.object("tpm", |out| hierarchy.write_json(out));
            here.write_json(out);
            images.write_json(out);
            write_came_up(came_up, out);
        });
    }
    let more = [images.lines(), came_up_lines(came_up)].concat();
    text(&status, &area) + &hierarchy.line() + &here.text() + &written(&more)
}

/// What is in the two places for kernels.
struct Images {
    next: Image,
    crash: Image,
}

impl Images {
    fn read() -> Self {
        Self { next: Image::read(Slot::Normal), crash: Image::read(Slot::Crash) }
    }

    fn lines(&self) -> Vec<Line> {
        [self.next.lines(Slot::Normal), self.crash.lines(Slot::Crash)].concat()
    }

    fn write_json(&self, out: &mut Object<'_>) {
        self.next.write_json("loaded_image", out);
        self.crash.write_json("loaded_crash_image", out);
    }
}

/// How this system came up, and which jump is still ahead; none for all but root.
fn came_up_lines(came_up: Option<&Looked>) -> Vec<Line> {
    let line = |name: &'static str, value: String| Line { name, value };
    let Some(came_up) = came_up else {
        return vec![line("came up", "unknown: only root can read it".to_owned())];
    };
    let ahead = came_up.ahead().map(|ahead| line("asked for", ahead));
    [line("came up", came_up.sentence())].into_iter().chain(ahead).collect()
}

fn write_came_up(came_up: Option<&Looked>, out: &mut Object<'_>) {
    match came_up {
        Some(came_up) => out.object("came_up", |out| came_up.write_json(out)),
        None => out.null("came_up"),
    }
}

fn written(lines: &[Line]) -> String {
    lines.iter().map(|Line { name, value }| format!("{name:<17} {value}\n")).collect()
}

/// The choices for one boot that this machine has used up; none where they cannot be
/// read.
pub(super) fn used() -> Vec<Used> {
    match settings::state_device(None) {
        Ok(device) => Area::read(&device).used().to_vec(),
        Err(failure) => {
            complain(&failure.sentence());
            Vec::new()
        }
    }
}

/// What this system is to trust.
struct Here {
    /// Of the image that this runs in; a system that was started from one is not
    /// told.
    mode: Option<Mode>,
    identity: Identity,
}

impl Here {
    fn read() -> Self {
        let config = file::read_text(config::PATH).ok();
        let config = config.and_then(|text| config::read(config::PATH, &text).ok());
        let identity = identity::read(&Sources::live());
        Self { mode: config.map(|config| config.mode), identity }
    }

    fn text(&self) -> String {
        let mode = self.mode.map_or("none: this is no image of Turnout", Mode::name);
        let Identity { boards, devices } = &self.identity;
        format!("mode              {mode}\nboard             {}\n", names(boards))
            + &format!("device            {}\n", names(devices))
    }

    fn write_json(&self, out: &mut Object<'_>) {
        out.maybe_text("mode", self.mode.map(Mode::name));
        let Identity { boards, devices } = &self.identity;
        out.array("boards", |list| boards.iter().for_each(|name| list.text(name)));
        out.array("devices", |list| devices.iter().for_each(|name| list.text(name)));
    }
}

fn names(names: &[String]) -> String {
    if names.is_empty() { "unknown".to_owned() } else { names.join(" ") }
}

/// What is known of the state area.
enum Area {
    /// It can be read by root only, and this is not root.
    Unknown,
    /// There is none.
    None,
    /// It is there and cannot be used.
    Fault(Fault),
    /// The device, and what it holds.
    Holds(String, Box<State>),
}

impl Area {
    fn read(device: &StateDevice) -> Self {
        if !sys::is_root() {
            return Self::Unknown;
        }
        let read = StateArea::find(device).and_then(|mut area| {
            let state = store::look(&mut area)?;
            Ok(Self::Holds(area.path().to_owned(), Box::new(state)))
        });
        match read {
            Ok(area) => area,
            Err(Fault::NoPartition) => Self::None,
            Err(fault) => Self::Fault(fault),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Unknown => "unknown: only root can read it".to_owned(),
            Self::None => "none".to_owned(),
            Self::Fault(fault) => fault.to_string(),
            Self::Holds(device, state) => format!("{device}: {}", describe(state)),
        }
    }

    fn write_json(&self, out: &mut Object<'_>) {
        let (word, fault) = match self {
            Self::Unknown => ("unknown", None),
            Self::None => ("none", None),
            Self::Fault(fault) => ("damaged", Some(fault.to_string())),
            Self::Holds(..) => ("sound", None),
        };
        out.text("standing", word);
        out.maybe_text("fault", fault.as_deref());
        let Self::Holds(device, state) = self else { return };
        out.text("device", device);
        out.maybe_number("floor", state.record.map(|record| record.floors.boot.into()));
        out.maybe_number(
            "recovery_floor",
            state.record.map(|record| record.floors.recovery.into()),
        );
        let trial = state.trial.as_ref();
        out.maybe_text("trial", trial.map(|trial| trial.entry.as_str()));
        out.maybe_flag("confirmed", trial.map(|trial| trial.confirmed));
        out.number("seen_floor", state.seen.boot.into());
        out.number("seen_recovery_floor", state.seen.recovery.into());
        out.array("refused", |list| {
            state.refused.iter().for_each(|one| list.object(|out| one.write_json(out)));
        });
        out.array("used", |list| {
            state.used.iter().for_each(|one| list.object(|out| write_used(one, out)));
        });
    }

    /// The slots and the last starts; null where no area tells of them.
    fn write_survival(&self, out: &mut Object<'_>) {
        match self {
            Self::Holds(_, state) => out.object("survival", |out| state.slots.write_json(out)),
            _ => out.null("survival"),
        }
    }

    fn slots(&self) -> Option<&Slots> {
        match self {
            Self::Holds(_, state) => Some(&state.slots),
            _ => None,
        }
    }

    /// What was to boot once, and has.
    fn used(&self) -> &[Used] {
        match self {
            Self::Holds(_, state) => &state.used,
            _ => &[],
        }
    }

    /// One line for each that an earlier start has refused.
    fn refused(&self) -> Vec<String> {
        match self {
            Self::Holds(_, state) => state.refused.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }
}

/// A `next_entry` that was used up.
fn write_used(used: &Used, out: &mut Object<'_>) {
    out.text("device", &used.device);
    out.text("sha256", &used.value.to_string());
}

fn describe(state: &State) -> String {
    if state.record.is_none() && state.trial.is_none() && state.seen == Floors::default() {
        // One that slots alone made, or a TPM's that nothing was started with yet.
        return "no floors are kept in it".to_owned();
    }
    let floors = state.record.map(|record| record.floors);
    let floors = floors.map_or_else(
        || of_the_tpm(state.seen),
        |floors| format!("floor {}, recovery floor {}", floors.boot, floors.recovery),
    );
    let Some(trial) = &state.trial else { return floors };
    let how = if trial.confirmed { "confirmed" } else { "not confirmed" };
    let version = trial.system.security_version;
    format!("{floors}; {} with security version {version} is {how}", printable(&trial.entry))
}

/// What is known of floors that somebody else holds.
fn of_the_tpm(seen: Floors) -> String {
    let Floors { boot, recovery } = seen;
    if seen == Floors::default() {
        return "the TPM holds the floors".to_owned();
    }
    format!("the TPM holds the floors: at least {boot}, recovery at least {recovery}")
}

/// A line about what outlasts a start.
struct Fact {
    name: &'static str,
    value: String,
}

fn facts(slots: &Slots) -> Vec<Fact> {
    let primary = slots.primary().map(usize::from);
    let each = slots.list.iter().enumerate().map(|(number, slot)| {
        let first = if Some(number) == primary { " (tried first)" } else { "" };
        Fact { name: "slot", value: format!("{slot}{first}") }
    });
    let resets = Some(slots.counters.resets).filter(|resets| *resets > 0);
    each.chain(chosen("one-shot", slots.once.as_ref()))
        .chain(chosen("default", slots.default.as_ref()))
        .chain(slots.attempt.as_ref().map(|attempt| open(slots, attempt)))
        .chain(resets.map(|resets| Fact { name: "not confirmed", value: in_a_row(resets) }))
        .collect()
}

fn chosen(name: &'static str, id: Option<&String>) -> Option<Fact> {
    id.map(|value| Fact { name, value: value.clone() })
}

fn open(slots: &Slots, attempt: &Attempt) -> Fact {
    let slot = slots.slot_of(attempt).map(|slot| slot.name.as_str());
    let names = [slot, Some(attempt.entry.as_str()).filter(|entry| !entry.is_empty())];
    let mut names: Vec<_> = names.into_iter().flatten().collect();
    names.dedup();
    let stage = attempt.stage.name();
    let value = format!("{} ({stage}) waits for \"turnout bless\"", names.join(", "));
    Fact { name: "this start", value }
}

fn in_a_row(resets: u16) -> String {
    if resets == 1 { "the start before".to_owned() } else { format!("{resets} starts in a row") }
}

fn auto(status: &Status) -> Result<(Engine, &'static str), EngineError> {
    choose_engine(Request::Auto, &facts_of_system(status, Slot::Normal))
}

fn text(status: &Status, area: &Area) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        // A string takes whatever is written to it.
        let _ = writeln!(out, "{name:<17} {value}");
    };
    line("loaded", known(status.loaded));
    line("crash loaded", known(status.crash_loaded));
    line(
        "crash memory",
        &status.crash_size.map_or("unknown".into(), |size| format!("{size} bytes")),
    );
    line("lockdown", status.lockdown.map_or("none", |mode| mode.name()));
    line("secure boot", known(status.secure_boot));
    line("loading disabled", known(status.load_disabled));
    line("loads left", &left(status.loads_left));
    line("crash loads left", &left(status.crash_loads_left));
    line("kexec_file_load", known(status.kexec_file_load));
    line("kexec_load", known(status.kexec_load));
    let auto = match auto(status) {
        Ok((engine, reason)) => format!("{}: {reason}", engine.name()),
        Err(error) => format!("none: {error}"),
    };
    line("auto takes", &auto);
    line("state area", &area.text());
    for Fact { name, value } in area.slots().map(facts).unwrap_or_default() {
        line(name, &printable(&value));
    }
    for refused in area.refused() {
        line("refused", &refused);
    }
    for used in area.used() {
        line("used once", &format!("next_entry of {}", printable(&used.device)));
    }
    out
}

const fn known(value: Option<bool>) -> &'static str {
    match value {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    }
}

fn left(loads: Option<u64>) -> String {
    loads.map_or_else(|| "any number".to_owned(), |loads| loads.to_string())
}

fn write_json(status: &Status, area: &Area, out: &mut Object<'_>) {
    out.maybe_flag("loaded", status.loaded);
    out.maybe_flag("crash_loaded", status.crash_loaded);
    out.maybe_number("crash_size", status.crash_size);
    out.text("lockdown", status.lockdown.map_or("none", |mode| mode.name()));
    out.maybe_flag("secure_boot", status.secure_boot);
    out.maybe_flag("load_disabled", status.load_disabled);
    out.maybe_number("loads_left", status.loads_left);
    out.maybe_number("crash_loads_left", status.crash_loads_left);
    out.flag("xen_dom0", status.xen_dom0);
    out.flag("efi", status.efi);
    out.object("engines", |out| {
        out.maybe_flag("file", status.kexec_file_load);
        out.maybe_flag("segments", status.kexec_load);
    });
    out.object("auto", |out| {
        let choice = auto(status);
        out.maybe_text("engine", choice.ok().map(|(engine, _)| engine.name()));
        let reason = choice.map_or_else(|error| error.to_string(), |(_, why)| why.to_owned());
        out.text("reason", &reason);
    });
    out.object("state_area", |out| area.write_json(out));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;
    use crate::plan::Lockdown;
    use crate::rollback::refused::Refused;
    use crate::rollback::{Record, Role, System, Trial};
    use crate::slots::rules::{Count, Rules, Target};
    use crate::slots::{Cause, Stage};
    use serde_json::json;

    const LOCKED: Status = Status {
        loaded: Some(true),
        crash_loaded: Some(false),
        crash_size: Some(0),
        lockdown: Some(Lockdown::Integrity),
        secure_boot: None,
        load_disabled: Some(false),
        loads_left: Some(3),
        crash_loads_left: None,
        kexec_file_load: Some(true),
        kexec_load: Some(true),
        xen_dom0: false,
        efi: false,
    };

    fn holds(state: State) -> Area {
        Area::Holds("/dev/sda3".to_owned(), Box::new(state))
    }

    #[test]
    fn text_and_json_say_the_same() {
        let text = text(&LOCKED, &Area::None);
        assert!(text.contains("loaded            yes\n"), "{text}");
        assert!(text.contains("lockdown          integrity\n"), "{text}");
        assert!(text.contains("loads left        3\ncrash loads left  any number\n"), "{text}");
        assert!(
            text.contains("auto takes        file: the running kernel is locked down"),
            "{text}"
        );
        let read: serde_json::Value =
            serde_json::from_str(&json::object(|out| write_json(&LOCKED, &Area::None, out)))
                .unwrap();
        let expected = json!({
            "loaded": true, "crash_loaded": false, "crash_size": 0, "lockdown": "integrity",
            "secure_boot": null, "load_disabled": false, "loads_left": 3,
            "crash_loads_left": null, "xen_dom0": false, "efi": false,
            "engines": {"file": true, "segments": true},
            "auto": {"engine": "file", "reason": "the running kernel is locked down"},
            "state_area": {"standing": "none", "fault": null},
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn the_names_of_the_machine_are_those_that_a_manifest_takes() {
        let identity =
            Identity { boards: vec!["acme,rtu-5".into(), "acme,rtu".into()], devices: vec![] };
        let here = Here { mode: Some(Mode::Locked), identity };
        let expected = "mode              locked\nboard             acme,rtu-5 acme,rtu\n\
                        device            unknown\n";
        assert_eq!(here.text(), expected);
        let read: serde_json::Value =
            serde_json::from_str(&json::object(|out| here.write_json(out))).unwrap();
        let expected =
            json!({"mode": "locked", "boards": ["acme,rtu-5", "acme,rtu"], "devices": []});
        assert_eq!(read, expected);
    }

    #[test]
    fn a_machine_that_loads_nothing_says_why() {
        let disabled = Status { load_disabled: Some(true), ..LOCKED };
        assert!(
            text(&disabled, &Area::None)
                .contains("auto takes        none: the running kernel takes no more")
        );
    }

    #[test]
    fn what_earlier_starts_refused_is_told_one_by_one() {
        let refused = vec![
            Refused { code: "FLOOR".to_owned(), entry: "o\u{202e}ld".to_owned(), count: 3 },
            Refused { code: "discover".to_owned(), entry: String::new(), count: 1 },
        ];
        let area = holds(State { refused, ..State::default() });
        let text = text(&LOCKED, &area);
        let lines = "refused           o\\u{202e}ld: FLOOR (3 times)\n\
                     refused           boot: discover\n";
        assert!(text.ends_with(lines), "{text}");
        let read: serde_json::Value =
            serde_json::from_str(&json::object(|out| area.write_json(out))).unwrap();
        assert_eq!(
            read["refused"],
            json!([{"entry": "o\u{202e}ld", "code": "FLOOR", "count": 3},
                   {"entry": "", "code": "discover", "count": 1}])
        );
    }

    #[test]
    fn slots_and_starts_are_told_in_lines_and_whole() {
        let mut slots = Slots::default();
        slots.declare(["A", "B"].into_iter(), 3);
        slots.mark_good("A").unwrap();
        slots.set_once(Some("B")).unwrap();
        let rules = Rules { count: Count::All, tries: 3, is_declared: true };
        let target = Target {
            slot: Some("B"),
            entry: "debian",
            named_tries: None,
            cause: Cause::Once,
            stage: Stage::Mounting,
        };
        slots.begin(&target, &rules);
        slots.set_default(Some("deb\u{1b}ian")).unwrap();
        slots.counters.resets = 2;
        let area = holds(State { slots, ..State::default() });
        let text = text(&LOCKED, &area);
        let lines = "\
slot              A good (tried first)
slot              B unconfirmed, 2 of 3 tries left
default           deb\\u{1b}ian
this start        B, debian (mounting) waits for \"turnout bless\"
not confirmed     2 starts in a row
";
        assert!(text.ends_with(lines), "{text}");
        let read = |area: &Area| -> serde_json::Value {
            serde_json::from_str(&json::object(|out| area.write_survival(out))).unwrap()
        };
        let whole = read(&area);
        assert_eq!(whole["survival"]["slots"][1]["tries_left"], 2);
        assert_eq!(whole["survival"]["attempt"]["entry"], "debian");
        assert_eq!(read(&Area::None), json!({ "survival": null }));
    }

    #[test]
    fn the_state_area_is_told_in_a_line_and_field_by_field() {
        let floors = Floors { boot: 7, recovery: 2 };
        let system = System { role: Role::Boot, security_version: 9, manifest: Digest([0; 32]) };
        let trial = Some(Trial { entry: "debian".to_owned(), system, confirmed: false });
        let used = Used::new(Some("12AB-01"), "2").into_iter().collect();
        let record = Some(Record::new(floors));
        let state = State { record, trial, used, ..State::default() };
        let area = holds(state);
        assert_eq!(
            area.text(),
            "/dev/sda3: floor 7, recovery floor 2; debian with security version 9 is not confirmed"
        );
        let read: serde_json::Value =
            serde_json::from_str(&json::object(|out| area.write_json(out))).unwrap();
        let expected = json!({
            "standing": "sound", "fault": null, "device": "/dev/sda3", "floor": 7,
            "recovery_floor": 2, "trial": "debian", "confirmed": false,
            "seen_floor": 0, "seen_recovery_floor": 0, "refused": [],
            "used": [{ "device": "12ab-01", "sha256": Digest::of(b"2").to_string() }],
        });
        assert_eq!(read, expected);
        let of_a_tpm = holds(State::default());
        assert_eq!(of_a_tpm.text(), "/dev/sda3: no floors are kept in it");
        let seen = State { seen: floors, ..State::default() };
        assert_eq!(
            holds(seen).text(),
            "/dev/sda3: the TPM holds the floors: at least 7, recovery at least 2"
        );
        assert_eq!(Area::Unknown.text(), "unknown: only root can read it");
        assert!(Area::Fault(Fault::NoRecord).text().starts_with("the state area keeps no floors"));
    }
}
