//! What loads and unloads kernels on a running system, for `load`, `kexec` and `boot`
//! alike: verify or refuse, plan, load, write down what is loaded, tell the journal.
//!
//! Two steps, because there may be something to think about in between: [`Ready`] is
//! what may be loaded, and [`Ready::load`] loads it. Whether a kernel may be loaded
//! is decided in [`super::allow`] alone. Specification: docs/cli.md, "load".

use core::fmt::Write as _;

use super::allow::Ready;
use super::arguments::Load;
use super::judge::Judge;
use super::planning::{self, Planned, READ_AGAIN};
use super::{allow, came_up, explain};
use crate::base::json::{self, Object};
use crate::bundle::Blob;
use crate::failure::{Failure, Stage};
use crate::host::event::{Event, Field, What};
use crate::host::record::{By, File, Loaded};
use crate::host::token;
use crate::plan::{self, Plan, Slot};
use crate::steps;
use crate::steps::prepare;
use crate::sys::read::{self, Sealed};
use crate::sys::{clock, journal, kexec, machine, records, status, user};
use crate::trust::slots::SlotValues;

/// Says that root is needed, before anything is read. `what` is a verb: `load a kernel`.
///
/// # Errors
/// This process may not load kernels, nor start them.
pub(super) fn need_root(what: &str) -> Result<(), Failure> {
    if user::may_boot() != Some(false) {
        return Ok(());
    }
    let why = match crate::sys::is_root() {
        false => format!("only root can {what}: run it as root, by sudo for example"),
        true => format!(
            "this process cannot {what}: it is root without CAP_SYS_BOOT, as in a container"
        ),
    };
    Err(Failure::new(Stage::Load, why))
}

/// What was done.
pub(super) struct Done {
    /// The plan of a dry run, or what was loaded and how, for people.
    pub(super) text: String,
    /// The same for programs, if they asked; docs/cli.md describes it.
    pub(super) json: String,
    /// What has to be said once, on standard error.
    pub(super) said: Vec<String>,
    /// As it was written down; none for a dry run.
    pub(super) loaded: Option<Loaded>,
}

/// Loads files that were named, or only plans; refuses what the key ring does not let
/// into that slot.
///
/// # Errors
/// The refusal, which the journal has been told, or what went wrong.
pub(super) fn load_files(load: &Load, by: By) -> Result<Done, Failure> {
    Ready::of_files(load)?.load(load, by)
}

/// Loads an entry, or only plans: that of this id, or else the menu's default.
///
/// # Errors
/// As [`load_files`].
pub(super) fn load_entry(
    judge: &Judge,
    id: Option<&str>,
    load: &Load,
    by: By,
) -> Result<Done, Failure> {
    Ready::of_entry(judge, id, load)?.load(load, by)
}

impl Ready {
    /// Reads files that were named, each once, and decides.
    ///
    /// # Errors
    /// As [`load_files`].
    pub(super) fn of_files(load: &Load) -> Result<Self, Failure> {
        let name = load.kernel.display().to_string();
        told(load, allowed(load, || allow::files(load)).map_err(|failure| failure.of(&name)))
    }

    /// Verifies an entry as PID 1 would, and fills in a token.
    ///
    /// # Errors
    /// As [`load_files`]; or there is no such entry.
    pub(super) fn of_entry(judge: &Judge, id: Option<&str>, load: &Load) -> Result<Self, Failure> {
        told(load, allowed(load, || entry(judge, id)))
    }

    /// Loads it, or only plans; writes down what was loaded.
    ///
    /// # Errors
    /// As [`load_files`].
    pub(super) fn load(&self, load: &Load, by: By) -> Result<Done, Failure> {
        let name = &self.proven.get().entry;
        told(load, self.try_load(load, by).map_err(|failure| failure.of(name)))
    }

    fn try_load(&self, load: &Load, by: By) -> Result<Done, Failure> {
        let mut done = None;
        planning::with_plan(load, &self.proven, &mut |planned, mut plan| {
            if !load.dry_run {
                // Whatever becomes of it, what was written down is true no more.
                let _ = records::forget_loaded(load.slot);
                planned.load(&mut plan)?;
            }
            done = Some(self.done(planned, &plan, by));
            Ok(())
        })?;
        done.ok_or_else(|| Failure::new(Stage::Plan, "there is no plan"))
    }

    /// Has the running kernel take the same once more, in place of whatever it has now: what
    /// was written down and told of it stays true.
    ///
    /// # Errors
    /// As [`load_files`].
    pub(super) fn load_again(&self, load: &Load) -> Result<(), Failure> {
        let outcome = planning::with_plan(load, &self.proven, &mut |planned, mut plan| {
            // For two at once there may be no memory.
            steps::load::unload(load.slot)?;
            planned.load(&mut plan)
        });
        told(load, outcome.map_err(|failure| failure.of(&self.proven.get().entry)))
    }

    fn done(&self, planned: &Planned<'_>, plan: &Plan<'_, Sealed>, by: By) -> Done {
        let load = planned.load;
        let loaded = (!load.dry_run).then(|| self.record(planned, plan, by));
        let mut said = self.said.clone();
        if let Some(loaded) = &loaded {
            journal::tell(&event_of_load(loaded));
            said.extend(write_down(loaded));
        }
        let text = planned.text(plan);
        // All that is loaded would be hashed for it.
        let json = load.json.then(|| {
            json::object(|out| {
                planned.write_json(plan, out);
                self.write_json(&said, out);
            })
        });
        let json = json.unwrap_or_default();
        Done { text, json, said, loaded }
    }

    fn write_json(&self, said: &[String], out: &mut Object<'_>) {
        out.maybe_text("entry", self.entry.as_deref());
        out.text("trust", &self.trust);
        out.maybe_text("token", self.token.as_deref());
        out.array("warnings", |list| said.iter().for_each(|one| list.text(one)));
    }

    fn record(&self, planned: &Planned<'_>, plan: &Plan<'_, Sealed>, by: By) -> Loaded {
        let bundle = self.proven.get();
        Loaded {
            slot: planned.load.slot,
            by,
            user: user::name(),
            when: clock::since_1970(),
            boot_id: records::boot_id(),
            entry: self.entry.clone(),
            release: planned.release.clone(),
            trust: self.trust.clone(),
            remark: planned.is_read_again(plan).then(|| READ_AGAIN.to_owned()),
            engine: plan.engine(),
            kernel: file(&bundle.linux),
            initrds: bundle.initrds.iter().map(file).collect(),
            devicetree: bundle.devicetree.as_ref().map(file),
            cmdline: plan.cmdline.clone(),
            token: self.token.clone(),
        }
    }
}

/// What is loaded stays loaded where that cannot be written down; only less is known of it
/// later, and nothing wrong.
fn write_down(loaded: &Loaded) -> Option<String> {
    let error = records::keep_loaded(loaded).err()?;
    let said = format!("not written down: {error}");
    Some(match records::forget_loaded(loaded.slot) {
        Ok(()) => said,
        Err(error) => format!("{said}; what was written down before may be there: {error}"),
    })
}

fn file(blob: &Blob<Sealed>) -> File {
    File { path: blob.path.clone(), size: blob.size, digest: blob.digest }
}

/// Root is asked for before anything is read; a plan needs no rights.
fn allowed<T>(load: &Load, decide: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    if !load.dry_run {
        need_root("load a kernel")?;
        if load.slot == Slot::Normal {
            came_up::settle_first();
        }
        // Before anything is read: what a rule is about is the file that was opened.
        if status::file_rule().is_some() {
            read::keep_files();
        }
    }
    decide()
}

fn entry(judge: &Judge, id: Option<&str>) -> Result<Ready, Failure> {
    let entry = explain::chosen(judge, id)?;
    let attested = judge.examine(entry)?.into_verdict().map_err(|failure| failure.of(&entry.id))?;
    allow::entry(judge, &attested, &entry.id)?;
    let token = machine::unguessable().map(token::of);
    let values = SlotValues { token: token.clone(), ..prepare::slot_values(entry) };
    let proven = judge.prove_with(entry, &attested, &values);
    let proven = proven.map_err(|failure| failure.of(&entry.id))?;
    let cmdline = plan::cmdline(proven.get()).unwrap_or_default();
    Ok(Ready {
        entry: Some(entry.id.clone()),
        trust: allow::in_words(&attested),
        token: token.filter(|token| token::is_in(token, &cmdline)),
        said: allow::nothing_verified(judge),
        proven,
    })
}

/// Tells the journal that something was refused.
fn told<T>(load: &Load, outcome: Result<T, Failure>) -> Result<T, Failure> {
    if let (Err(failure), false) = (&outcome, load.dry_run) {
        tell_refusal(failure, load.slot);
    }
    outcome
}

/// Tells the journal why nothing was loaded, unloaded or started.
pub(super) fn tell_refusal(failure: &Failure, slot: Slot) {
    journal::tell(&event_of_refusal(failure, slot));
}

fn event_of_load(loaded: &Loaded) -> Event {
    let what = loaded.release.as_deref().unwrap_or(&loaded.kernel.path);
    let mut sentence = format!("loaded {what} by {}", loaded.engine);
    if let Some(entry) = &loaded.entry {
        let _ = write!(sentence, " as {entry}");
    }
    let _ = write!(sentence, " ({}), for {}", loaded.trust_in_words(), loaded.user);
    let mut fields = vec![
        Field { name: "SLOT", value: word(loaded.slot).to_owned() },
        Field { name: "ENGINE", value: loaded.engine.name().to_owned() },
        Field { name: "KERNEL", value: loaded.kernel.path.clone() },
        Field { name: "KERNEL_SHA256", value: loaded.kernel.digest.to_string() },
        Field { name: "CMDLINE", value: token::hidden(&loaded.cmdline) },
        Field { name: "TRUST", value: loaded.trust_in_words() },
        Field { name: "USER", value: loaded.user.clone() },
    ];
    let entry = loaded.entry.clone().map(|value| Field { name: "ENTRY", value });
    let release = loaded.release.clone().map(|value| Field { name: "RELEASE", value });
    fields.extend(entry.into_iter().chain(release));
    Event { what: What::Load, sentence, fields }
}

fn event_of_refusal(failure: &Failure, slot: Slot) -> Event {
    let mut fields = vec![
        Field { name: "SLOT", value: word(slot).to_owned() },
        Field { name: "CODE", value: failure.short_code() },
        Field { name: "STAGE", value: failure.stage.to_string() },
        Field { name: "USER", value: user::name() },
    ];
    fields.extend(failure.entry.clone().map(|value| Field { name: "ENTRY", value }));
    Event { what: What::Refusal, sentence: failure.to_string(), fields }
}

const fn word(slot: Slot) -> &'static str {
    match slot {
        Slot::Normal => "normal",
        Slot::Crash => "crash",
    }
}

/// Takes the loaded kernel out again; its record goes with it.
///
/// # Errors
/// The running kernel refuses, which the journal has been told, or still has one.
pub(super) fn unload(slot: Slot) -> Result<(), Failure> {
    let outcome = need_root("unload a kernel").and_then(|()| try_unload(slot));
    journal::tell(&match &outcome {
        Ok(()) => event_of_unload(slot),
        Err(failure) => event_of_refusal(failure, slot),
    });
    outcome
}

fn try_unload(slot: Slot) -> Result<(), Failure> {
    steps::load::unload(slot)?;
    if kexec::is_loaded(slot) == Some(true) {
        return Err(Failure::new(Stage::Load, "the kernel is still loaded"));
    }
    // A record of what is not loaded any more is known to be stale.
    let _ = records::forget_loaded(slot);
    Ok(())
}

fn event_of_unload(slot: Slot) -> Event {
    let what = match slot {
        Slot::Normal => "the kernel for the next kexec",
        Slot::Crash => "the kernel for the next panic",
    };
    let fields = vec![
        Field { name: "SLOT", value: word(slot).to_owned() },
        Field { name: "USER", value: user::name() },
    ];
    Event { what: What::Unload, sentence: format!("unloaded {what}, for {}", user::name()), fields }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;
    use crate::plan::Engine;

    fn loaded() -> Loaded {
        Loaded {
            slot: Slot::Normal,
            by: By::Load,
            user: "root".to_owned(),
            when: 0,
            boot_id: String::new(),
            entry: None,
            release: None,
            trust: "unsigned".to_owned(),
            remark: None,
            engine: Engine::File,
            kernel: File { path: "/k".to_owned(), size: 1, digest: Digest([0; 32]) },
            initrds: Vec::new(),
            devicetree: None,
            cmdline: format!("ro turnout.boot={}", token::of([1; 16])),
            token: Some(token::of([1; 16])),
        }
    }

    #[test]
    fn the_journal_learns_no_token_before_the_jump() {
        let event = event_of_load(&loaded());
        let cmdline = event.fields.iter().find(|field| field.name == "CMDLINE").unwrap();
        assert_eq!(cmdline.value, "ro turnout.boot=kexec-...");
        assert!(!String::from_utf8_lossy(&event.datagram()).contains(&token::of([1; 16])));
    }

    /// A test writes and removes no record.
    #[test]
    fn a_record_that_cannot_be_written_leaves_no_older_one_unsaid() {
        let said = write_down(&loaded()).unwrap();
        assert!(said.starts_with("not written down: "), "{said}");
        assert!(said.contains("; what was written down before may be there: "), "{said}");
    }
}
