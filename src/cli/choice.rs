//! `turnout set-default` and `turnout set-oneshot`: what boots if nobody chooses.
//!
//! Kept where a start looks first: by the firmware, as bootctl would, if it has
//! variables and Turnout has said that it reads them, and otherwise in the state area.
//! What the other one still has of the kind is forgotten, so that the last word counts
//! (`docs/boot.md`). An id that no menu has is taken all the same: its menu may be on a
//! device that cannot be read here.

use super::arguments::{Choice, When};
use super::slot::refused;
use super::source::Source;
use super::store;
use super::volumes::Menus;
use crate::base::json;
use crate::base::text::{printable, quoted};
use crate::config;
use crate::efi::variables::{self as interface, Variable};
use crate::failure::{Failure, Stage};
use crate::menu::Target;
use crate::slots::Slots;
use crate::source::StateDevice;
use crate::sys::efivars::{self, Variables};
use crate::sys::sources::Sources;
use crate::sys::{arch, file, identity};

/// What begins `LoaderInfo` where Turnout has written it.
pub(super) const OURS: &str = "turnout ";

/// Gives what is to be printed.
pub(super) fn run(choice: &Choice, device: &StateDevice, json: bool) -> Result<String, Failure> {
    store::only_root()?;
    let known = choice.id.as_deref().map_or(Known::Nothing, look_up);
    let area = Area::open(device);
    let mut firmware = Firmware::open();
    let done = match (choice.id.as_deref(), area) {
        (Some(id), area) => set(choice.when, id, &known, firmware.as_mut(), area)?,
        (None, area) => clear(choice.when, firmware.as_mut(), area)?,
    };
    Ok(if json { in_json(choice.when, &done) } else { text(choice.when, &done) })
}

/// What the menus of this machine say of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// None was asked for, or none that names an entry.
    Nothing,
    /// An entry has it; both of its names.
    Entry { id: String, loader_id: String },
    /// It is a pattern of one.
    Pattern,
    /// No entry has it; what else there is.
    Missing(String),
    /// No menu could be read; why.
    Unread(String),
}

fn look_up(id: &str) -> Known {
    if id == "@saved" {
        return Known::Nothing;
    }
    match menus_of_this_machine() {
        Ok(menus) => known_in(&menus, id),
        Err(failure) => Known::Unread(failure.sentence()),
    }
}

/// The menus of the machine that this runs on.
///
/// # Errors
/// None can be read.
pub(super) fn menus_of_this_machine() -> Result<Menus, Failure> {
    let identity = identity::read(&Sources::live());
    Menus::read(&Source::default(), &Target::new(arch::native(), &identity.boards))
}

fn known_in(menus: &Menus, id: &str) -> Known {
    let entry = menus.find(id).and_then(|index| menus.menu.entries.get(index));
    match entry {
        Some(entry) => Known::Entry { id: entry.id.clone(), loader_id: entry.loader_id() },
        None if menus.menu.named_by(id).is_some() => Known::Pattern,
        None => Known::Missing(menus.no_such(id)),
    }
}

/// Something that remembers a choice until the next start, or for good.
trait Keeper {
    fn get(&self, when: When) -> Option<String>;

    /// # Errors
    /// It does not take it.
    fn set(&mut self, when: When, id: Option<&str>) -> Result<(), Failure>;

    /// By what it is kept, for people.
    fn place(&self, when: When) -> Place;
}

/// By what a choice is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// The variable's name.
    Firmware(&'static str),
    /// The device.
    Area(String),
}

/// The firmware's variables, if this machine's Turnout may read them.
trait Hears: Keeper {
    /// Whether it has said that it does.
    fn is_heard(&self) -> bool;
}

/// The state area.
trait Slotted: Keeper {
    fn slots(&self) -> &Slots;
}

/// What was done.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    /// As it is kept; none where it was forgotten.
    id: Option<String>,
    /// None where it was forgotten.
    place: Option<Place>,
    warnings: Vec<String>,
}

/// Has it kept in one place, and forgotten in the other.
fn set<F: Hears, A: Slotted>(
    when: When,
    typed: &str,
    known: &Known,
    firmware: Option<&mut F>,
    area: Result<A, Failure>,
) -> Result<Done, Failure> {
    let mut warnings: Vec<_> = known.warning(typed, area.as_ref().ok()).into_iter().collect();
    let (for_firmware, for_area) = known.names(typed);
    match (firmware, area) {
        (Some(firmware), Ok(area)) if !belongs_to(&*firmware, &area, typed, known) => {
            let mut area = area;
            area.set(when, Some(for_area))?;
            warnings.extend(left_to_firmware(when, firmware));
            Ok(Done::kept(when, for_area, &area, warnings))
        }
        (Some(firmware), area) => match (firmware.set(when, Some(for_firmware)), area) {
            (Ok(()), area) => {
                warnings.extend(unheard(&*firmware, area.as_ref().err()));
                warnings.extend(area.ok().and_then(|mut area| forgotten(when, &mut area)));
                Ok(Done::kept(when, for_firmware, firmware, warnings))
            }
            (Err(failure), Ok(mut area)) => {
                area.set(when, Some(for_area))?;
                warnings.push(failure.sentence());
                warnings.extend(forgotten(when, firmware));
                Ok(Done::kept(when, for_area, &area, warnings))
            }
            (Err(failure), Err(_)) => Err(failure),
        },
        (None, area) => {
            let mut area = area?;
            area.set(when, Some(for_area))?;
            Ok(Done::kept(when, for_area, &area, warnings))
        }
    }
}

/// Has it forgotten wherever it is.
fn clear<F: Hears, A: Slotted>(
    when: When,
    firmware: Option<&mut F>,
    area: Result<A, Failure>,
) -> Result<Done, Failure> {
    let mut warnings = Vec::new();
    match (firmware, area) {
        (Some(firmware), Err(_)) => firmware.set(when, None)?,
        (firmware, area) => {
            area?.set(when, None)?;
            warnings.extend(firmware.and_then(|firmware| left_to_firmware(when, firmware)));
        }
    }
    Ok(Done { id: None, place: None, warnings })
}

/// Whether the firmware is the one to keep it: the state area is where Turnout has not
/// said that it hears the firmware, for that may be another loader's; and it alone knows
/// slots.
fn belongs_to(firmware: &impl Hears, area: &impl Slotted, typed: &str, known: &Known) -> bool {
    firmware.is_heard() && !known.is_slot(typed, Some(area))
}

fn unheard(firmware: &impl Hears, area: Option<&Failure>) -> Option<String> {
    let why = area.filter(|_| !firmware.is_heard())?.sentence();
    Some(format!(
        "nothing says that Turnout reads the firmware's variables here (\"efi-variables\" of the \
         image); the state area could not keep it: {why}"
    ))
}

/// Has the firmware forget it, where nobody but Turnout has it from there: why something
/// stays.
fn left_to_firmware(when: When, firmware: &mut impl Hears) -> Option<String> {
    if firmware.is_heard() {
        return forgotten(when, firmware);
    }
    let [old, place] = [quoted(&firmware.get(when)?), firmware.place(when).to_string()];
    Some(format!(
        "{place} has {old}, which comes first where Turnout reads it; it is left alone, for \
         Turnout has not said that it does, and another boot loader may"
    ))
}

/// Forgets what would have its say too; why that could not be done.
fn forgotten(when: When, other: &mut impl Keeper) -> Option<String> {
    let old = other.get(when)?;
    let failure = other.set(when, None).err()?;
    let [old, place] = [quoted(&old), other.place(when).to_string()];
    Some(format!("{place} still has {old}, which may come first: {}", failure.sentence()))
}

impl Known {
    /// The names by which the firmware and the state area keep it.
    fn names<'n>(&'n self, typed: &'n str) -> (&'n str, &'n str) {
        match self {
            Self::Entry { id, loader_id } => (loader_id, id),
            _ => (typed, typed),
        }
    }

    /// Whether it is a slot and no entry.
    fn is_slot(&self, typed: &str, area: Option<&impl Slotted>) -> bool {
        let is_entry = matches!(self, Self::Entry { .. } | Self::Pattern | Self::Nothing);
        !is_entry && area.is_some_and(|area| area.slots().find(typed).is_some())
    }

    fn warning(&self, typed: &str, area: Option<&impl Slotted>) -> Option<String> {
        match self {
            _ if self.is_slot(typed, area) => None,
            Self::Nothing | Self::Entry { .. } | Self::Pattern => None,
            Self::Missing(why) => Some(format!("{why}; it is kept all the same")),
            Self::Unread(why) => {
                Some(format!("whether there is such an entry is not known: {why}"))
            }
        }
    }
}

impl Done {
    fn kept(when: When, id: &str, by: &impl Keeper, warnings: Vec<String>) -> Self {
        Self { id: Some(id.to_owned()), place: Some(by.place(when)), warnings }
    }
}

impl core::fmt::Display for Place {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Firmware(name) => write!(f, "the firmware's {name}"),
            Self::Area(device) => write!(f, "the state area {device}"),
        }
    }
}

fn text(when: When, done: &Done) -> String {
    let mut out = match (when, &done.id) {
        (When::Always, None) => "the default is forgotten".to_owned(),
        (When::Once, None) => "the choice for the next start is forgotten".to_owned(),
        (When::Always, Some(id)) if id == "@saved" => {
            "what was started last is the default from now on".to_owned()
        }
        (When::Always, Some(id)) => format!("{} is the default from now on", printable(id)),
        (When::Once, Some(id)) => {
            format!("{} is tried first at the next start, once", printable(id))
        }
    };
    if let Some(place) = &done.place {
        out.push_str(&format!(" ({place} keeps that)"));
    }
    for warning in &done.warnings {
        out.push_str(&format!("\nwarning: {}", printable(warning)));
    }
    out
}

fn in_json(when: When, done: &Done) -> String {
    let (kept_by, variable, device) = match &done.place {
        Some(Place::Firmware(name)) => (Some("firmware"), Some(*name), None),
        Some(Place::Area(device)) => (Some("state-area"), None, Some(device.as_str())),
        None => (None, None, None),
    };
    json::object(|out| {
        out.text("what", if when == When::Once { "one-shot" } else { "default" });
        out.maybe_text("id", done.id.as_deref());
        out.maybe_text("kept_by", kept_by);
        out.maybe_text("variable", variable);
        out.maybe_text("device", device);
        out.array("warnings", |list| done.warnings.iter().for_each(|one| list.text(one)));
    })
}

/// The variables of this system.
struct Firmware {
    variables: Variables,
    is_heard: bool,
}

impl Firmware {
    /// None where the machine has none that can be written, or this is an image that
    /// leaves them alone.
    fn open() -> Option<Self> {
        if !efivars::has_efi() || !is_for_this_image() {
            return None;
        }
        let variables = Variables::of_system().ok()?;
        let info = variables.text(Variable::Info).ok().flatten();
        Some(Self { is_heard: info.is_some_and(|info| info.starts_with(OURS)), variables })
    }
}

/// Only an image has a configuration; another system is not told.
fn is_for_this_image() -> bool {
    let text = file::read_text(config::PATH).ok();
    let config = text.and_then(|text| config::read(config::PATH, &text).ok());
    config.is_none_or(|config| config.efi_variables)
}

const fn variable(when: When) -> Variable {
    match when {
        When::Always => Variable::EntryDefault,
        When::Once => Variable::EntryOneShot,
    }
}

impl Keeper for Firmware {
    fn get(&self, when: When) -> Option<String> {
        self.variables.text(variable(when)).ok().flatten()
    }

    fn set(&mut self, when: When, id: Option<&str>) -> Result<(), Failure> {
        let variable = variable(when);
        match id {
            Some(id) => self.variables.write(variable, &interface::from_text(id)),
            None => self.variables.delete(variable),
        }
        .map_err(|error| Failure::new(Stage::Read, error))
    }

    fn place(&self, when: When) -> Place {
        Place::Firmware(variable(when).name())
    }
}

impl Hears for Firmware {
    fn is_heard(&self) -> bool {
        self.is_heard
    }
}

/// The state area, as it was when this began.
struct Area<'d> {
    wanted: &'d StateDevice,
    device: String,
    slots: Slots,
}

impl<'d> Area<'d> {
    fn open(wanted: &'d StateDevice) -> Result<Self, Failure> {
        let held = store::read(wanted)?;
        Ok(Self { wanted, device: held.device, slots: held.state.slots })
    }
}

impl Keeper for Area<'_> {
    fn get(&self, when: When) -> Option<String> {
        match when {
            When::Always => self.slots.default.clone(),
            When::Once => self.slots.once.clone(),
        }
    }

    fn set(&mut self, when: When, id: Option<&str>) -> Result<(), Failure> {
        store::change(self.wanted, |state| {
            match when {
                When::Always => state.slots.set_default(id),
                When::Once => state.slots.set_once(id),
            }
            .map_err(refused)
        })
        .map(|_| ())
    }

    fn place(&self, _: When) -> Place {
        Place::Area(self.device.clone())
    }
}

impl Slotted for Area<'_> {
    fn slots(&self) -> &Slots {
        &self.slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Firmware or state area that may refuse.
    #[derive(Default)]
    struct Fake {
        slots: Slots,
        is_heard: bool,
        is_full: bool,
        is_area: bool,
    }

    impl Keeper for &mut Fake {
        fn get(&self, when: When) -> Option<String> {
            let Slots { default, once, .. } = &self.slots;
            if when == When::Once { once.clone() } else { default.clone() }
        }

        fn set(&mut self, when: When, id: Option<&str>) -> Result<(), Failure> {
            if self.is_full {
                return Err(Failure::new(Stage::Read, "LoaderEntryOneShot: No space left"));
            }
            let set = match when {
                When::Always => self.slots.set_default(id),
                When::Once => self.slots.set_once(id),
            };
            set.map_err(refused)
        }

        fn place(&self, when: When) -> Place {
            match self.is_area {
                true => Place::Area("/dev/sda3".to_owned()),
                false => Place::Firmware(variable(when).name()),
            }
        }
    }

    impl Hears for &mut Fake {
        fn is_heard(&self) -> bool {
            self.is_heard
        }
    }

    impl Slotted for &mut Fake {
        fn slots(&self) -> &Slots {
            &self.slots
        }
    }

    fn heard() -> Fake {
        Fake { is_heard: true, ..Fake::default() }
    }

    fn area() -> Fake {
        let mut slots = Slots::default();
        slots.declare(["A", "B"].into_iter(), 3);
        Fake { slots, is_area: true, ..Fake::default() }
    }

    fn debian() -> Known {
        Known::Entry { id: "debian".to_owned(), loader_id: "debian.conf".to_owned() }
    }

    fn none() -> Failure {
        Failure::new(Stage::Discover, "there is no state area")
    }

    fn once(
        id: &str,
        known: &Known,
        firmware: Option<&mut Fake>,
        area: Result<&mut Fake, Failure>,
    ) -> Result<Done, Failure> {
        let mut firmware = firmware;
        set(When::Once, id, known, firmware.as_mut(), area)
    }

    #[test]
    fn the_firmware_keeps_it_as_bootctl_does_and_the_area_forgets_its_own() {
        let [mut firmware, mut area] = [heard(), area()];
        area.slots.set_once(Some("old")).unwrap();
        let done = once("debian", &debian(), Some(&mut firmware), Ok(&mut area)).unwrap();
        assert_eq!(
            text(When::Once, &done),
            "debian.conf is tried first at the next start, once (the firmware's \
             LoaderEntryOneShot keeps that)"
        );
        assert_eq!(firmware.slots.once.as_deref(), Some("debian.conf"));
        assert_eq!(area.slots.once, None);
    }

    #[test]
    fn the_area_keeps_it_where_nobody_else_can() {
        let mut area = area();
        let done = once("debian.conf", &debian(), None, Ok(&mut area)).unwrap();
        assert_eq!(
            text(When::Once, &done),
            "debian is tried first at the next start, once (the state area /dev/sda3 keeps that)"
        );
        assert_eq!(area.slots.once.as_deref(), Some("debian"));
        let failure = once("debian", &debian(), None, Err(none())).unwrap_err();
        assert_eq!(
            (failure.sentence().as_str(), failure.exit_status()),
            ("there is no state area", 3)
        );
    }

    #[test]
    fn a_firmware_that_another_loader_speaks_to_is_not_written_but_where_nothing_else_is() {
        let [mut firmware, mut area] = [Fake::default(), area()];
        firmware.slots.set_once(Some("old")).unwrap();
        let done = once("debian", &debian(), Some(&mut firmware), Ok(&mut area)).unwrap();
        assert_eq!(
            (firmware.slots.once.as_deref(), area.slots.once.as_deref()),
            (Some("old"), Some("debian"))
        );
        assert!(done.warnings[0].starts_with(
            "the firmware's LoaderEntryOneShot has \"old\", which comes first where Turnout"
        ));
        let done = once("debian", &debian(), Some(&mut firmware), Err(none())).unwrap();
        assert_eq!(firmware.slots.once.as_deref(), Some("debian.conf"));
        assert_eq!(
            done.warnings,
            [
                "nothing says that Turnout reads the firmware's variables here (\"efi-variables\" of \
              the image); the state area could not keep it: there is no state area"
            ]
        );
    }

    #[test]
    fn a_slot_is_for_the_area_alone() {
        let [mut firmware, mut area] = [heard(), area()];
        let missing = Known::Missing("there is no entry B".to_owned());
        let done = once("B", &missing, Some(&mut firmware), Ok(&mut area)).unwrap();
        assert_eq!(done.warnings, [""; 0]);
        assert_eq!((firmware.slots.once, area.slots.once.as_deref()), (None, Some("B")));
    }

    #[test]
    fn what_the_firmware_does_not_take_goes_to_the_area_and_that_is_said() {
        let [mut firmware, mut area] = [Fake { is_full: true, ..heard() }, area()];
        let done = once("debian", &debian(), Some(&mut firmware), Ok(&mut area)).unwrap();
        assert_eq!(area.slots.once.as_deref(), Some("debian"));
        assert!(text(When::Once, &done).ends_with("\nwarning: LoaderEntryOneShot: No space left"));
        let failure = once("debian", &debian(), Some(&mut firmware), Err(none())).unwrap_err();
        assert_eq!(failure.sentence(), "LoaderEntryOneShot: No space left");
    }

    #[test]
    fn an_old_choice_that_stays_is_said() {
        let [mut firmware, mut area] = [heard(), area()];
        firmware.slots.set_once(Some("old")).unwrap();
        firmware.is_full = true;
        let done = once("debian", &debian(), Some(&mut firmware), Ok(&mut area)).unwrap();
        assert_eq!(
            done.warnings[1..],
            ["the firmware's LoaderEntryOneShot still has \"old\", which may come first: \
              LoaderEntryOneShot: No space left"]
        );
    }

    #[test]
    fn an_id_that_no_menu_has_is_kept_with_a_warning() {
        let mut area = area();
        let missing = Known::Missing("there is no entry debain; there is debian".to_owned());
        let done = once("debain", &missing, None, Ok(&mut area)).unwrap();
        assert_eq!(
            done.warnings,
            ["there is no entry debain; there is debian; it is kept all the same"]
        );
        let unread = Known::Unread("there is none of /boot".to_owned());
        let done = once("x", &unread, None, Ok(&mut area)).unwrap();
        assert_eq!(
            done.warnings,
            ["whether there is such an entry is not known: there is none of /boot"]
        );
        let long = "x".repeat(129);
        let failure = once(&long, &unread, None, Ok(&mut area)).unwrap_err();
        assert!(failure.sentence().ends_with("is no id that can be kept: 1 to 128 bytes"));
    }

    #[test]
    fn a_choice_is_forgotten_everywhere() {
        let [mut firmware, mut area] = [heard(), area()];
        firmware.slots.set_default(Some("a")).unwrap();
        area.slots.set_default(Some("b")).unwrap();
        let done = clear(When::Always, Some(&mut &mut firmware), Ok(&mut area)).unwrap();
        assert_eq!(text(When::Always, &done), "the default is forgotten");
        assert_eq!((&firmware.slots.default, &area.slots.default), (&None, &None));
        let nowhere = clear(When::Always, None::<&mut &mut Fake>, Err::<&mut Fake, _>(none()));
        assert_eq!(nowhere.unwrap_err().sentence(), "there is no state area");
    }

    #[test]
    fn where_it_is_kept_is_told_as_json() {
        let mut area = area();
        let done =
            set(When::Always, "@saved", &Known::Nothing, None::<&mut &mut Fake>, Ok(&mut area))
                .unwrap();
        let said = "what was started last is the default from now on (the state area /dev/sda3 \
                    keeps that)";
        assert_eq!(text(When::Always, &done), said);
        let read: serde_json::Value = serde_json::from_str(&in_json(When::Always, &done)).unwrap();
        let expected = serde_json::json!({
            "what": "default", "id": "@saved", "kept_by": "state-area", "variable": null,
            "device": "/dev/sda3", "warnings": [],
        });
        assert_eq!(read, expected);
    }
}
