//! `turnout status`: what is loaded, what the running kernel allows, and which
//! engine `auto` would take here.

use core::fmt::Write as _;

use crate::json::{self, Object};
use crate::plan::{Engine, EngineError, Request, Slot, choose_engine};
use crate::sys::status::Status;

/// Gives what is to be printed.
pub(super) fn run(json: bool) -> String {
    let status = Status::read();
    if json { json::object(|out| write_json(&status, out)) } else { text(&status) }
}

fn auto(status: &Status) -> Result<(Engine, &'static str), EngineError> {
    choose_engine(Request::Auto, &status.facts(Slot::Normal))
}

fn text(status: &Status) -> String {
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

fn write_json(status: &Status, out: &mut Object<'_>) {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Lockdown;
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

    #[test]
    fn text_and_json_say_the_same() {
        let text = text(&LOCKED);
        assert!(text.contains("loaded            yes\n"), "{text}");
        assert!(text.contains("lockdown          integrity\n"), "{text}");
        assert!(text.contains("loads left        3\ncrash loads left  any number\n"), "{text}");
        assert!(
            text.contains("auto takes        file: the running kernel is locked down"),
            "{text}"
        );
        let read: serde_json::Value =
            serde_json::from_str(&json::object(|out| write_json(&LOCKED, out))).unwrap();
        let expected = json!({
            "loaded": true, "crash_loaded": false, "crash_size": 0, "lockdown": "integrity",
            "secure_boot": null, "load_disabled": false, "loads_left": 3,
            "crash_loads_left": null, "xen_dom0": false, "efi": false,
            "engines": {"file": true, "segments": true},
            "auto": {"engine": "file", "reason": "the running kernel is locked down"},
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn a_machine_that_loads_nothing_says_why() {
        let disabled = Status { load_disabled: Some(true), ..LOCKED };
        assert!(
            text(&disabled).contains("auto takes        none: the running kernel takes no more")
        );
    }
}
