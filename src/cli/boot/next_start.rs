//! The firmware's next start: which entry, told to whom, and taken back.

use crate::base::text::quoted;
use crate::cli::choice;
use crate::cli::explain;
use crate::cli::settings::state_device;
use crate::cli::slot::refused;
use crate::cli::store;
use crate::cli::volumes::Menus;
use crate::efi::variables::Variable;
use crate::failure::{Failure, Stage};
use crate::host::next_start::running::{Known, NotFound, Running, entry_of, is_same_start};
use crate::host::next_start::{GRUB, Here, Keeper, Startable, Told};
use crate::host::record::Asked;
use crate::host::token;
use crate::menu::Entry;
use crate::sys::{self, next_start, records};

const NOBODY: &str = "nothing on this machine can be told what to start next: no GRUB that \
                      follows next_entry, no loader with the Boot Loader Interface, no state area";

/// What the firmware will start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// What is wanted, by itself: nothing was told.
    AnyWay(String),
    /// It was told.
    Told(Told),
    /// Nobody can be told; why.
    Unknown(String),
}

impl Next {
    /// As the record has it.
    pub(super) fn to_line(&self) -> Option<String> {
        match self {
            Self::AnyWay(id) => Some(format!("{} is the default", quoted(id))),
            Self::Told(told) => Some(told.to_line()),
            Self::Unknown(_) => None,
        }
    }

    /// What was told, to be taken back.
    pub(super) const fn told(&self) -> Option<&Told> {
        match self {
            Self::Told(told) => Some(told),
            Self::AnyWay(_) | Self::Unknown(_) => None,
        }
    }
}

/// Has the firmware start the kernel that runs now, as it was started, if it comes to that:
/// the entry of this id is about to be started.
pub(super) fn keep_running(target: Option<&str>) -> Next {
    let menus = match here() {
        Ok(menus) => menus,
        Err(failure) => return Next::Unknown(failure.sentence()),
    };
    let here = machine();
    let startable = here.keeper().map_or(Startable::All, startable);
    let mut entries: Vec<_> = menus.menu.entries.iter().collect();
    entries.retain(|entry| startable.has(entry.format));
    let target = target.and_then(|id| menus.menu.entries.get(menus.find(id)?));
    match running(&entries, target) {
        Ok(entry) => prefer(&menus, entry, here),
        Err(why) => Next::Unknown(why),
    }
}

/// # Errors
/// Why it is not known.
fn running<'a>(entries: &[&'a Entry], target: Option<&Entry>) -> Result<&'a Entry, String> {
    let cmdline = sys::running_cmdline().unwrap_or_default();
    let release = records::release();
    let started = records::asked().ok().flatten().and_then(|asked| started_by(asked, &cmdline));
    let known = Known { started: started.as_deref(), target };
    let running = Running { cmdline: &cmdline, release: &release };
    entry_of(entries, running, known).map_err(|why| not_found(&why, &release))
}

/// The entry of a jump whose token is here.
fn started_by(asked: Asked, cmdline: &str) -> Option<String> {
    let is_proven = asked.token.is_some_and(|token| token::is_in(&token, cmdline));
    asked.entry.filter(|_| is_proven)
}

fn not_found(why: &NotFound, release: &str) -> String {
    match why {
        NotFound::Nothing => {
            format!("no entry of the menus starts {release} as it runs, of those that can be told")
        }
        NotFound::Several(ids) => {
            let ids: Vec<_> = ids.iter().map(|id| quoted(id)).collect();
            format!("it is not known which entry has started {release}: {}", ids.join(", "))
        }
    }
}

/// What the one who is told reads.
fn startable(keeper: Keeper) -> Startable {
    match keeper {
        Keeper::Area(_) => Startable::All,
        Keeper::OneShot | Keeper::Default if is_ours() => Startable::All,
        Keeper::OneShot | Keeper::Default => Startable::Specified,
        Keeper::Grub(block) => {
            Startable::by_script(&next_start::script_beside(&block).unwrap_or_default())
        }
    }
}

/// Whether the loader is a Turnout itself.
fn is_ours() -> bool {
    let info = next_start::variable(Variable::Info).ok().flatten();
    info.is_some_and(|info| info.starts_with(choice::OURS))
}

/// Has the firmware start the entry of this id.
pub(super) fn start(id: &str) -> Next {
    let menus = match here() {
        Ok(menus) => menus,
        Err(failure) => return Next::Unknown(failure.sentence()),
    };
    let entry = menus.find(id).and_then(|at| menus.menu.entries.get(at));
    entry.map_or_else(|| Next::Unknown(menus.no_such(id)), |entry| prefer(&menus, entry, machine()))
}

/// This machine's menus, wherever the entry that is booted is from.
fn here() -> Result<Menus, Failure> {
    choice::menus_of_this_machine()
}

fn prefer(menus: &Menus, entry: &Entry, here: Here) -> Next {
    // The state area's slots have their own order, which no menu shows.
    if here.area.is_none() && is_default(menus, entry, here.loader) {
        return Next::AnyWay(entry.id.clone());
    }
    match here.keeper() {
        Some(keeper) => {
            tell(keeper, entry).unwrap_or_else(|failure| Next::Unknown(failure.sentence()))
        }
        None => Next::Unknown(NOBODY.to_owned()),
    }
}

/// What there is here that can be told.
fn machine() -> Here {
    let area = state_device(None).and_then(|device| store::read(&device));
    Here { area: area.ok().map(|held| held.device), ..next_start::here("/".as_ref()) }
}

/// What the firmware's variables say counts only for a loader that reads them.
fn is_default(menus: &Menus, entry: &Entry, has_loader: bool) -> bool {
    let default = match has_loader {
        true => explain::default_by_firmware(menus),
        false => menus.menu.default.and_then(|at| menus.menu.entries.get(at)),
    };
    default.is_some_and(|default| is_same_start(default, entry))
}

/// Tells it, and looks whether that is heard.
fn tell(keeper: Keeper, entry: &Entry) -> Result<Next, Failure> {
    let id = id_for(&keeper, entry);
    let before = get(&keeper)?;
    let told = Told { keeper, id, before };
    set(&told.keeper, Some(&told.id))?;
    if matches!(told.keeper, Keeper::Grub(_)) && !is_heard(entry) {
        set(&told.keeper, told.before.as_deref())?;
        let why = format!("GRUB's script does not follow next_entry to {}", quoted(&told.id));
        return Ok(Next::Unknown(why));
    }
    Ok(Next::Told(told))
}

/// The menus are read again, as GRUB would.
fn is_heard(entry: &Entry) -> bool {
    here().is_ok_and(|menus| is_default(&menus, entry, false))
}

fn id_for(keeper: &Keeper, entry: &Entry) -> String {
    match keeper {
        Keeper::Grub(block) => {
            let script = next_start::script_beside(block).unwrap_or_default();
            name_for_grub(entry, &script)
        }
        Keeper::OneShot | Keeper::Default => entry.loader_id(),
        Keeper::Area(_) => entry.id.clone(),
    }
}

/// The way to an entry through GRUB's submenus: the entry's id where the script has it as
/// it is, and else its title (GRUB manual, "default").
fn name_for_grub(entry: &Entry, script: &str) -> String {
    if entry.format.name() != GRUB {
        return entry.id.clone();
    }
    let is_id =
        ['\'', '"'].iter().any(|quote| script.contains(&format!("{quote}{}{quote}", entry.id)));
    let title = entry.title.as_deref().unwrap_or(&entry.id);
    let name = if is_id { entry.id.as_str() } else { title };
    let above = entry.submenu.iter().map(String::as_str);
    let parts: Vec<_> = above.chain([name]).map(|part| part.replace('>', ">>")).collect();
    parts.join(">")
}

const fn variable(keeper: &Keeper) -> Variable {
    match keeper {
        Keeper::Default => Variable::EntryDefault,
        _ => Variable::EntryOneShot,
    }
}

fn get(keeper: &Keeper) -> Result<Option<String>, Failure> {
    match keeper {
        Keeper::Grub(path) => next_start::next_entry(path).map_err(at_read),
        Keeper::Area(_) => Ok(store::read(&state_device(None)?)?.state.slots.once),
        firmware => next_start::variable(variable(firmware)).map_err(at_read),
    }
}

fn set(keeper: &Keeper, id: Option<&str>) -> Result<(), Failure> {
    match keeper {
        Keeper::Grub(path) => next_start::set_next_entry(path, id).map_err(at_read),
        Keeper::Area(_) => {
            store::change(&state_device(None)?, |state| state.slots.set_once(id).map_err(refused))
                .map(drop)
        }
        firmware => next_start::set_variable(variable(firmware), id).map_err(at_read),
    }
}

/// Takes back what was told, unless somebody has told something else since, or it was used
/// up; whether there was something to take back.
///
/// # Errors
/// It is still there.
pub(super) fn take_back(told: &Told) -> Result<bool, Failure> {
    let now = get(&told.keeper)?;
    match told.to_restore(now.as_deref()) {
        None => Ok(false),
        Some(before) => set(&told.keeper, before).map(|()| true),
    }
}

/// For a system that is well: takes back what the one before it told the firmware for the
/// case that it would not be. What was taken back, in words.
///
/// # Errors
/// It is still there.
pub(in crate::cli) fn clear() -> Result<Option<String>, Failure> {
    let asked = records::asked().map_err(at_read)?;
    let is_before = |asked: &Asked| asked.boot_id != records::boot_id();
    asked.filter(is_before).map_or(Ok(None), clear_of)
}

/// For a system that is about to be left: what an earlier jump told the firmware, also one of
/// this very system, is neither what somebody else wants nor what the menu begins with. What
/// was taken back, in words.
///
/// # Errors
/// It is still there.
pub(super) fn clear_earlier() -> Result<Option<String>, Failure> {
    records::asked().map_err(at_read)?.map_or(Ok(None), clear_of)
}

/// Once: the same value may be somebody else's later on.
fn clear_of(asked: Asked) -> Result<Option<String>, Failure> {
    let Some((told, rest)) = parted(asked) else { return Ok(None) };
    let is_taken_back = take_back(&told)?;
    records::ask(&rest).map_err(at_read)?;
    Ok(is_taken_back.then(|| told.to_string()))
}

/// What was told, and the record without it.
fn parted(asked: Asked) -> Option<(Told, Asked)> {
    let told = Told::parse(asked.fallback.as_deref()?)?;
    Some((told, Asked { fallback: None, ..asked }))
}

fn at_read(error: sys::Error) -> Failure {
    Failure::new(Stage::Read, error)
}

#[cfg(test)]
mod tests {
    use super::super::departure::Target;
    use super::*;
    use crate::host::record::Way;
    use crate::menu::Format;

    fn entry(id: &str, title: &str, submenu: &[&str]) -> Entry {
        Entry {
            id: id.to_owned(),
            format: Format::named(GRUB).unwrap(),
            title: Some(title.to_owned()),
            submenu: submenu.iter().map(|title| (*title).to_owned()).collect(),
            ..Entry::default()
        }
    }

    #[test]
    fn grub_is_told_the_way_through_its_submenus() {
        let script = "menuentry 'Debian, with 6.1' --class x $menuentry_id_option 'gnulinux-6.1'";
        let advanced = ["Advanced > more"];
        let by_id = entry("gnulinux-6.1", "Debian, with 6.1", &advanced);
        assert_eq!(name_for_grub(&by_id, script), "Advanced >> more>gnulinux-6.1");
        let by_title = entry("Debian--with-5.10", "Debian, with 5.10", &advanced);
        assert_eq!(name_for_grub(&by_title, script), "Advanced >> more>Debian, with 5.10");
        let bls = Entry { format: Format::BLS, ..entry("6c0-4.15", "Fedora", &[]) };
        assert_eq!(name_for_grub(&bls, script), "6c0-4.15");
    }

    #[test]
    fn what_is_written_down_can_be_taken_back_only_where_it_was_told() {
        let told = Told { keeper: Keeper::OneShot, id: "old".to_owned(), before: None };
        let line = Next::Told(told.clone()).to_line().unwrap();
        assert_eq!(Told::parse(&line), Some(told));
        let line = Next::AnyWay("old".to_owned()).to_line().unwrap();
        assert_eq!(Told::parse(&line), None);
        assert_eq!(Next::Unknown("why".to_owned()).to_line(), None);
    }

    /// As the second of two jumps finds it: the administrator had told GRUB of memtest.
    #[test]
    fn what_an_earlier_jump_told_is_taken_back_once_and_what_was_before_comes_again() {
        let line = "/boot/grub/grubenv next_entry=old before=memtest";
        let asked = |fallback: Option<&str>| Asked {
            fallback: fallback.map(str::to_owned),
            ..Target::unknown().asked(Way::Kexec, None, false)
        };
        let (told, rest) = parted(asked(Some(line))).unwrap();
        assert_eq!(told.to_restore(Some("old")), Some(Some("memtest")));
        assert_eq!(rest, Asked { when: rest.when, ..asked(None) });
        assert_eq!(parted(rest), None);
        assert_eq!(parted(asked(Some("\"old\" is the default"))), None, "nobody was told");
    }

    #[test]
    fn only_a_token_proves_which_entry_has_started_this_system() {
        let asked = |token: Option<&str>| Asked {
            entry: Some("a".to_owned()),
            token: token.map(str::to_owned),
            ..Target::unknown().asked(Way::Kexec, None, false)
        };
        let cmdline = "ro turnout.boot=kexec-0a";
        assert_eq!(started_by(asked(Some("kexec-0a")), cmdline).as_deref(), Some("a"));
        assert_eq!(started_by(asked(Some("kexec-0b")), cmdline), None);
        assert_eq!(started_by(asked(None), cmdline), None);
    }

    #[test]
    fn which_entries_it_may_be_is_said() {
        let several = NotFound::Several(vec!["a".to_owned(), "b".to_owned()]);
        let said = not_found(&several, "6.1");
        assert_eq!(said, "it is not known which entry has started 6.1: \"a\", \"b\"");
    }

    #[test]
    fn what_cannot_be_told_in_a_test_is_said() {
        let failure = set(&Keeper::Grub("/boot/grub/grubenv".to_owned()), None).unwrap_err();
        assert!(failure.sentence().ends_with("this is a test"), "{failure}");
    }
}
