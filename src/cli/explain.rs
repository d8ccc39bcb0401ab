//! `turnout explain`: what was looked at, what boots by itself and why, and
//! everything about one entry, up to the plan.
//!
//! Reads and judges by the same calls as `list`, `verify` and `load --dry-run`.
//! Loads nothing.

use core::fmt::{self, Write as _};

use super::answer::Answer;
use super::arguments::{Explain, Load};
use super::judge::{Judge, describe};
use super::list::{self, Row, write_diagnostics, write_entries, write_wrapped};
use super::planning::{with_plan, write_blob};
use super::volumes::{Menus, Volume};
use super::{settings, store};
use crate::base::arch::Arch;
use crate::base::json::{self, Object};
use crate::base::text::printable;
use crate::bundle::{Blob, Bundle};
use crate::efi::variables::{self as interface, VENDOR, Variable};
use crate::failure::{Failure, Stage};
use crate::menu::{self, Entry, Menu, Read, Timeout, Variables, What};
use crate::plan::{self, Need, Plan};
use crate::preflight::{mark, named_consoles};
use crate::slots::Slots;
use crate::steps::prepare::Proven;
use crate::sys::arch;
use crate::sys::read::Sealed;
use crate::sys::{file, machine};
use crate::trust::manifest::Manifest;
use crate::trust::verify::{Attested, Signed};

/// Gives what is to be printed.
pub(super) fn run(explain: &Explain) -> Result<Answer, Failure> {
    let (judge, notes) = Judge::new(&explain.asked)?;
    let view = match &explain.entry {
        Some(id) => View::of_one(&judge, id, explain)?,
        None => View { rows: list::rows(&judge)?, one: None },
    };
    Ok(Answer::from(match explain.asked.json {
        true => json::object(|out| view.write_json(&judge, &notes, out)),
        false => view.text(&judge, &notes),
    }))
}

/// The entry that is called so, or else that which boots by itself.
///
/// # Errors
/// There is none.
pub(super) fn chosen<'a>(judge: &'a Judge, id: Option<&str>) -> Result<&'a Entry, Failure> {
    let menus = &judge.menus;
    let Some(id) = id else {
        let nothing = || Failure::new(Stage::Menu, menus.nothing());
        return DefaultEntry::new(judge).entry.ok_or_else(nothing);
    };
    let found = menus.find(id).and_then(|index| menus.menu.entries.get(index));
    found.ok_or_else(|| Failure::new(Stage::Menu, menus.no_such(id)))
}

/// The entry that boots by itself, as PID 1 would have it.
pub(super) fn default_of(judge: &Judge) -> Option<&Entry> {
    DefaultEntry::new(judge).entry
}

/// The same for a boot loader that knows of no state area.
pub(super) fn default_by_firmware(menus: &Menus) -> Option<&Entry> {
    let mut wishes = wishes(&Slots::default());
    wishes.retain(|wish| wish.by.is_firmware());
    DefaultEntry::of(&menus.menu, wishes).entry
}

/// What is shown.
struct View<'a> {
    /// Every entry, unless one was asked for.
    rows: Vec<Row<'a>>,
    one: Option<One<'a>>,
}

/// One entry, its files and its plan.
struct One<'a> {
    row: Row<'a>,
    proven: Option<Proven>,
    load: Load,
}

impl<'a> View<'a> {
    fn of_one(judge: &'a Judge, id: &str, explain: &Explain) -> Result<Self, Failure> {
        let menu = &judge.menus.menu;
        let found = judge.menus.find(id);
        let found = found.and_then(|index| Some((index, menu.entries.get(index)?)));
        let Some((index, entry)) = found else {
            return Err(Failure::new(Stage::Menu, judge.menus.no_such(id)));
        };
        let mut found = judge.examine(entry)?;
        let proven = found.verdict().ok().map(|attested| judge.prove(entry, attested));
        let proven = proven.and_then(|proven| proven.map_err(|failure| found.fail(failure)).ok());
        let own = proven.as_ref().and_then(|proven| plan::cmdline(proven.get()).ok());
        let options = list::options(entry, own);
        let row = Row { entry, found, options, is_default: menu.default == Some(index) };
        let load = Load { dry_run: true, inputs: explain.inputs.clone(), ..Load::default() };
        Ok(Self { rows: Vec::new(), one: Some(One { row, proven, load }) })
    }

    fn text(&self, judge: &Judge, notes: &[String]) -> String {
        let mut out = String::new();
        let menu = &judge.menus.menu;
        line("trust", list::trust_in_words(judge), &mut out);
        notes.iter().for_each(|note| line("", note, &mut out));
        line("machine", &machine_in_words(judge), &mut out);
        for ((volume, read), variables) in sources(judge) {
            line("source", &volume.place, &mut out);
            read.iter().for_each(|one| line("", &looked_at(one), &mut out));
            for (name, value) in variables.iter().flat_map(Variables::all) {
                write_line("", format_args!("{name}={value}"), &mut out);
            }
        }
        for diagnostic in &menu.diagnostics {
            line("note", &diagnostic.to_string(), &mut out);
        }
        let default = DefaultEntry::new(judge);
        for Wish { by, pattern } in &default.wishes {
            let whose = if by.is_firmware() { "firmware" } else { "state area" };
            write_line(whose, format_args!("{}={pattern}", by.name()), &mut out);
        }
        let id = default.entry.map_or("none", |entry| &entry.id);
        write_line("default", format_args!("{id}: {}", default.why), &mut out);
        line("timeout", &timeout_in_words(menu.timeout), &mut out);
        for row in &self.rows {
            let reason = row.found.reasons.first().map(|one| format!(": {}", one.detail));
            let state = mark(row.found.verdict());
            let reason = reason.unwrap_or_default();
            write_line("entry", format_args!("{} {state}{reason}", row.entry.id), &mut out);
        }
        if let Some(one) = &self.one {
            one.write(judge, &mut out);
        }
        out
    }

    fn write_json(&self, judge: &Judge, notes: &[String], out: &mut Object<'_>) {
        let menu = &judge.menus.menu;
        out.text("mode", judge.mode.name());
        out.maybe_number("ring", judge.anchor.ring.as_ref().map(|ring| ring.version().into()));
        out.text("arch", judge.machine.arch.name());
        out.array("boards", |list| {
            judge.machine.identity.boards.iter().for_each(|name| list.text(name));
        });
        out.array("notes", |list| notes.iter().for_each(|note| list.text(note)));
        out.array("sources", |list| {
            for ((volume, read), variables) in sources(judge) {
                list.object(|out| {
                    out.text("place", &volume.place);
                    out.array("read", |list| {
                        read.iter().for_each(|one| list.object(|out| write_read(one, out)));
                    });
                    out.object("variables", |out| {
                        let all = variables.iter().flat_map(Variables::all);
                        all.for_each(|(name, value)| out.text(name, value));
                    });
                });
            }
        });
        let default = DefaultEntry::new(judge);
        out.maybe_text("default", default.entry.map(|entry| entry.id.as_str()));
        out.text("default_reason", &default.why);
        out.object("firmware", |out| {
            let firmware = default.wishes.iter().filter(|wish| wish.by.is_firmware());
            firmware.for_each(|wish| out.text(wish.by.name(), &wish.pattern));
        });
        out.text("timeout", &timeout_in_words(menu.timeout));
        let rows = self.one.as_ref().map(|one| core::slice::from_ref(&one.row));
        write_entries(judge, rows.unwrap_or(&self.rows), out);
        write_diagnostics(&menu.diagnostics, out);
        match &self.one {
            Some(one) => out.object("entry", |out| one.write_json(judge, out)),
            None => out.null("entry"),
        }
    }
}

/// Every volume, what was looked at there, and the variables that were found.
fn sources(judge: &Judge) -> impl Iterator<Item = ((&Volume, &Vec<Read>), &Vec<Variables>)> {
    let Menus { volumes, read, variables, .. } = &judge.menus;
    volumes.iter().zip(read).zip(variables)
}

/// Name and value, each in its column.
fn line(name: &str, value: &str, out: &mut String) {
    const INDENT: &str = "            ";
    let mut text = String::new();
    write_wrapped(INDENT, value, &mut text);
    text.replace_range(..name.len().min(text.len()), name);
    out.push_str(&text);
}

/// The same of a value that is put together. Not at each call, which takes fewer
/// bytes.
#[inline(never)]
fn write_line(name: &str, value: fmt::Arguments<'_>, out: &mut String) {
    line(name, &value.to_string(), out);
}

fn machine_in_words(judge: &Judge) -> String {
    let boards = judge.machine.identity.boards.join(" ");
    let boards = if boards.is_empty() { "no name of its board known" } else { &boards };
    format!("{}, {boards}", judge.machine.arch)
}

fn looked_at(read: &Read) -> String {
    let found = match &read.found {
        menu::Found::Absent => "not there".to_owned(),
        menu::Found::Settings => "read".to_owned(),
        menu::Found::Entries(1) => "1 entry".to_owned(),
        menu::Found::Entries(count) => format!("{count} entries"),
        menu::Found::Elsewhere(menu) => format!("leads to {menu}, which is read there"),
        menu::Found::Unreadable(why) => format!("cannot be read: {why}"),
    };
    format!("{}: {found}", read.path)
}

fn write_read(read: &Read, out: &mut Object<'_>) {
    out.text("path", &read.path);
    out.text(
        "found",
        match &read.found {
            menu::Found::Absent => "absent",
            menu::Found::Settings => "settings",
            menu::Found::Entries(_) => "entries",
            menu::Found::Elsewhere(_) => "elsewhere",
            menu::Found::Unreadable(_) => "unreadable",
        },
    );
    let count = match &read.found {
        menu::Found::Entries(count) => Some(*count as u64),
        _ => None,
    };
    out.maybe_number("entries", count);
    let why = match &read.found {
        menu::Found::Unreadable(why) => Some(why.as_str()),
        menu::Found::Elsewhere(menu) => Some(menu.as_str()),
        _ => None,
    };
    out.maybe_text("detail", why);
}

/// Which entry boots by itself, and who says so.
struct DefaultEntry<'a> {
    entry: Option<&'a Entry>,
    why: String,
    /// What firmware and state area say.
    wishes: Vec<Wish>,
}

/// A wish for a default.
struct Wish {
    by: WishedBy,
    pattern: String,
}

/// In the order in which they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WishedBy {
    Firmware(Variable),
    AreaOnce,
    AreaAlways,
}

impl WishedBy {
    const fn is_firmware(self) -> bool {
        matches!(self, Self::Firmware(_))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Firmware(variable) => variable.name(),
            Self::AreaOnce => "choice for one start",
            Self::AreaAlways => "default",
        }
    }

    fn in_words(self) -> String {
        let whose = if self.is_firmware() { "firmware's variable" } else { "state area's" };
        format!("the {whose} {} says so", self.name())
    }
}

impl<'a> DefaultEntry<'a> {
    /// A wish that means no entry is passed over, as by PID 1.
    fn new(judge: &'a Judge) -> Self {
        let wishes = if judge.machine.is_here { wishes(&slots()) } else { Vec::new() };
        Self::of(&judge.menus.menu, wishes)
    }

    fn of(menu: &'a Menu, wishes: Vec<Wish>) -> Self {
        let named = wishes.iter().find_map(|wish| {
            let entry = menu.entries.get(menu.named_by(&wish.pattern)?)?;
            Some((entry, wish.by.in_words()))
        });
        if let Some((entry, why)) = named {
            return Self { entry: Some(entry), why, wishes };
        }
        let entry = menu.default.and_then(|index| menu.entries.get(index));
        let why = entry.map_or_else(|| NO_DEFAULT.to_owned(), |entry| why(menu, entry));
        Self { entry, why, wishes }
    }
}

const NO_DEFAULT: &str = "no entry can boot by itself";

/// What stands for the system that was started last.
const LAST: &str = "@saved";

/// Where a running system has the variables of the firmware.
const EFI_VARIABLES: &str = "/sys/firmware/efi/efivars";

/// What the state area remembers, for whoever may read it.
fn slots() -> Slots {
    let area = settings::state_device(None).and_then(|device| store::read_if_there(&device));
    area.ok().flatten().map(|held| held.state.slots).unwrap_or_default()
}

/// The wishes that firmware and state area keep. One that cannot be read is none.
fn wishes(area: &Slots) -> Vec<Wish> {
    let firmware = |variable| (WishedBy::Firmware(variable), value_of(variable));
    let all = [
        firmware(Variable::EntryOneShot),
        (WishedBy::AreaOnce, area.once.clone()),
        firmware(Variable::EntryDefault),
        (WishedBy::AreaAlways, area.default.clone()),
    ];
    let all = all.into_iter().filter_map(|(by, pattern)| Some(Wish { by, pattern: pattern? }));
    all.filter_map(|wish| wish.resolved(area)).collect()
}

impl Wish {
    fn resolved(self, area: &Slots) -> Option<Self> {
        let pattern = match self.by {
            _ if self.pattern != LAST => self.pattern,
            WishedBy::Firmware(_) => value_of(Variable::EntryLastBooted)?,
            WishedBy::AreaOnce | WishedBy::AreaAlways => area.last_started()?.to_owned(),
        };
        Some(Self { pattern, ..self })
    }
}

fn value_of(variable: Variable) -> Option<String> {
    let path = format!("{EFI_VARIABLES}/{}-{VENDOR}", variable.name());
    let file = file::read_bytes(path.as_ref(), file::MAX_TEXT).ok()?;
    interface::text(interface::value(&file).ok()?).ok()
}

/// Why it is the menu's default.
fn why(menu: &Menu, entry: &Entry) -> String {
    let settings = &menu.settings;
    let wanted = match &settings.default {
        Some(wanted) if wanted.what == What::Saved => settings.saved.as_ref(),
        Some(wanted) => Some(wanted),
        None => settings.saved.as_ref(),
    };
    match wanted {
        Some(wanted) if is_meant(entry, &wanted.what) => {
            let line = wanted.line.map(|line| format!(":{line}")).unwrap_or_default();
            format!("{}{line} says so", wanted.file)
        }
        Some(wanted) => {
            format!("the first that can boot, for what {} names is no entry", wanted.file)
        }
        None => "the first that can boot, for nothing else says".to_owned(),
    }
}

/// Whether it is an entry that a setting means.
fn is_meant(entry: &Entry, what: &What) -> bool {
    match what {
        What::Pattern(pattern) => entry.is_named_by(pattern),
        What::Named(name) => {
            [&entry.id, &entry.loader_id()].contains(&name) || entry.title.as_ref() == Some(name)
        }
        What::Saved => false,
    }
}

fn timeout_in_words(timeout: Timeout) -> String {
    match timeout {
        Timeout::Seconds(seconds) => format!("{seconds} s"),
        Timeout::Forever => "none: the menu waits for a person".to_owned(),
        Timeout::Hidden => "0 s: the default boots at once".to_owned(),
        Timeout::Disabled => "0 s: the default boots at once, whatever key is pressed".to_owned(),
    }
}

fn consoles_in_words(judge: &Judge, options: &str) -> String {
    let named: Vec<_> = named_consoles(options).collect();
    let named = if named.is_empty() { "none is named".to_owned() } else { named.join(" and ") };
    match judge.machine.is_here {
        true => format!("{named}; here are {}", machine::consoles().join(" and ")),
        false => named,
    }
}

fn memory_in_words(judge: &Judge, proven: &Proven) -> String {
    let sizes = files(proven.get()).map(|(_, blob)| blob.size);
    let sum = sizes.fold(0_u64, u64::saturating_add);
    match judge.machine.is_here {
        true => Need::of_files([sum].into_iter()).in_words(machine::room_without_files()),
        false => format!("{sum} bytes of files"),
    }
}

impl One<'_> {
    fn write(&self, judge: &Judge, out: &mut String) {
        let entry = self.row.entry;
        let menus = &judge.menus;
        out.push('\n');
        line("entry", &entry.id, out);
        line("state", &mark(self.row.found.verdict()), out);
        for reason in &self.row.found.reasons {
            write_line("", format_args!("{}: {}", reason.code, reason.detail), out);
        }
        for note in &self.row.found.notes {
            write_line("note", format_args!("{}: {}", note.code, note.detail), out);
        }
        line("title", entry.name(), out);
        let at = entry.line.map(|line| format!(":{line}")).unwrap_or_default();
        let file = menus.told(entry.volume, &entry.file);
        write_line("source", format_args!("{file}{at} ({})", entry.format.name()), out);
        match &self.proven {
            Some(proven) => self.write_proven(judge, proven, out),
            None => {
                entry.files().for_each(|path| line("file", &menus.told(entry.volume, path), out))
            }
        }
        self.write_trust(out);
        self.write_plan(judge, out);
    }

    fn write_proven(&self, judge: &Judge, proven: &Proven, out: &mut String) {
        for (name, blob) in files(proven.get()) {
            let Blob { path, size, digest, .. } = blob;
            write_line(name, format_args!("{path} {size} bytes sha256:{digest}"), out);
        }
        if let Ok(found) = describe(proven) {
            let version = found.version.as_deref().unwrap_or("of an unknown version");
            write_line("image", format_args!("{}, {}, {version}", found.format, found.arch), out);
        }
        if let Ok(options) = plan::cmdline(proven.get()) {
            write_line("options", format_args!("{} bytes", options.len()), out);
            // A string takes whatever is written to it.
            let _ = writeln!(out, "            {}", printable(&options));
            line("console", &consoles_in_words(judge, &options), out);
        }
        line("memory", &memory_in_words(judge, proven), out);
    }

    fn write_trust(&self, out: &mut String) {
        let Some(signed) = self.signed() else { return };
        let manifest = signed.manifest();
        line("signers", &signed.signers().join(" and "), out);
        let Manifest { role, security_version, .. } = manifest;
        write_line("manifest", format_args!("sha256:{}", signed.digest()), out);
        write_line("", format_args!("{role}, security version {security_version}"), out);
    }

    fn signed(&self) -> Option<&Signed> {
        match &self.row.found.trust {
            Ok(Attested::Signed(signed)) => Some(signed),
            _ => None,
        }
    }

    /// The plan as `load --dry-run` shows it, or why there is none.
    fn write_plan(&self, judge: &Judge, out: &mut String) {
        let planned = self.plan(judge, &mut |plan| {
            // A string takes whatever is written to it.
            let _ = writeln!(out, "\nplan\n{plan}");
        });
        if let Err(failure) = planned {
            write_line("plan", format_args!("none: {}", failure.sentence()), out);
        }
    }

    fn plan(&self, judge: &Judge, show: &mut dyn FnMut(&Plan<'_, Sealed>)) -> Result<(), Failure> {
        let Some(proven) = &self.proven else {
            return Err(Failure::new(Stage::Plan, "it does not boot"));
        };
        let arch = judge.machine.arch;
        if arch != arch::native() && !self.load.inputs.is_machine() {
            let files = if arch == Arch::Aarch64 { "--iomem and --fdt" } else { "--iomem" };
            let why = format!("nothing is known of the {arch} machine; {files} describe it");
            return Err(Failure::new(Stage::Plan, why));
        }
        with_plan(&self.load, proven, &mut |_, plan| {
            show(&plan);
            Ok(())
        })
    }

    fn write_json(&self, judge: &Judge, out: &mut Object<'_>) {
        let proven = self.proven.as_ref();
        out.text("id", &self.row.entry.id);
        out.array("files", |list| {
            for (name, blob) in proven.into_iter().flat_map(|proven| files(proven.get())) {
                list.object(|out| {
                    out.text("name", name);
                    write_blob(blob, out);
                });
            }
        });
        let found = proven.and_then(|proven| describe(proven).ok());
        out.maybe_text("image", found.as_ref().map(|found| found.format));
        out.maybe_text("arch", found.as_ref().map(|found| found.arch.name()));
        out.maybe_text("kernel_version", found.as_ref().and_then(|found| found.version.as_deref()));
        let options = proven.and_then(|proven| plan::cmdline(proven.get()).ok());
        out.maybe_text("options", options.as_deref());
        let signed = self.signed();
        out.array("signers", |list| {
            signed.into_iter().flat_map(Signed::signers).for_each(|name| list.text(name));
        });
        let digest = signed.map(|signed| signed.digest().to_string());
        out.maybe_text("manifest_sha256", digest.as_deref());
        self.write_json_plan(judge, out);
    }

    fn write_json_plan(&self, judge: &Judge, out: &mut Object<'_>) {
        let planned = self.plan(judge, &mut |plan| out.object("plan", |out| plan.write_json(out)));
        if planned.is_err() {
            out.null("plan");
        }
        out.maybe_text("plan_fault", planned.err().map(|failure| failure.sentence()).as_deref());
    }
}

/// The files of an entry with the keys that name them, in the order in which they
/// are used.
fn files(bundle: &Bundle<Sealed>) -> impl Iterator<Item = (&'static str, &Blob<Sealed>)> {
    let kernel = if bundle.profile.is_some() { "uki" } else { "linux" };
    let initrds = bundle.initrds.iter().map(|blob| ("initrd", blob));
    let trees = bundle.devicetree.iter().map(|blob| ("devicetree", blob));
    let overlays = bundle.overlays.iter().map(|blob| ("overlay", blob));
    let addons = bundle.addons.iter().map(|blob| ("addon", blob));
    core::iter::once((kernel, &bundle.linux))
        .chain(initrds)
        .chain(trees)
        .chain(overlays)
        .chain(addons)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::menu::{Group, Memory, Target, merge, read_volume};

    const ENTRIES: [(&str, &str); 3] = [
        ("/loader/entries/c.conf", "title C\nlinux /c\n"),
        ("/loader/entries/b.conf", "title B\nlinux /b\n"),
        ("/loader/entries/a.conf", "title A\nlinux /a\n"),
    ];

    type Pairs<'a> = &'a [(&'static str, &'static str)];

    fn menu(more: Pairs<'_>) -> Menu {
        let files: Memory = ENTRIES.iter().chain(more).copied().collect();
        let target = Target::new(Arch::X86_64, &[]);
        merge(vec![(Group::default(), read_volume(&files, &target))])
    }

    type Wishes<'a> = &'a [(WishedBy, &'static str)];

    fn said(more: Pairs<'_>, wishes: Wishes<'_>) -> String {
        let wishes =
            wishes.iter().map(|(by, pattern)| Wish { by: *by, pattern: (*pattern).into() });
        let menu = menu(more);
        let default = DefaultEntry::of(&menu, wishes.collect());
        format!("{}: {}", default.entry.unwrap().id, default.why)
    }

    #[test]
    fn the_default_says_who_named_it() {
        let once = (WishedBy::Firmware(Variable::EntryOneShot), "a.conf");
        let always = (WishedBy::Firmware(Variable::EntryDefault), "b*");
        let stale = (WishedBy::Firmware(Variable::EntryOneShot), "gone.conf");
        let area = (WishedBy::AreaAlways, "b");
        let conf = ("/loader/loader.conf", "timeout 3\ndefault b\n");
        let grubenv = ("/grub2/grubenv", "saved_entry=a\n");
        let first = "c: the first that can boot, for nothing else says";
        let cases: [(Pairs<'_>, Wishes<'_>, &str); 9] = [
            (&[], &[], first),
            (&[conf], &[], "b: /loader/loader.conf:2 says so"),
            (&[grubenv], &[], "a: /grub2/grubenv says so"),
            (&[conf], &[once], "a: the firmware's variable LoaderEntryOneShot says so"),
            (&[], &[once, always], "a: the firmware's variable LoaderEntryOneShot says so"),
            (&[], &[area], "b: the state area's default says so"),
            (
                &[],
                &[(WishedBy::AreaOnce, "a"), area],
                "a: the state area's choice for one start says so",
            ),
            (&[], &[stale, always], "b: the firmware's variable LoaderEntryDefault says so"),
            (
                &[("/loader/loader.conf", "default gone")],
                &[stale],
                "c: the first that can boot, for what /loader/loader.conf names is no entry",
            ),
        ];
        for (files, wishes, expected) in cases {
            assert_eq!(said(files, wishes), expected);
        }
    }

    #[test]
    fn what_was_started_last_is_looked_up_where_it_is_meant() {
        let saved = |by| Wish { by, pattern: LAST.to_owned() }.resolved(&Slots::default());
        assert!(saved(WishedBy::AreaAlways).is_none(), "nothing was started");
        let other = Wish { by: WishedBy::AreaOnce, pattern: "a".to_owned() };
        assert_eq!(other.resolved(&Slots::default()).unwrap().pattern, "a");
    }

    #[test]
    fn a_menu_without_entries_has_no_default() {
        let default = DefaultEntry::of(&Menu::default(), Vec::new()).why;
        assert_eq!(default, "no entry can boot by itself");
    }
}
