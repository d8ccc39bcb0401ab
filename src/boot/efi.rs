//! What is to boot if nobody chooses, as far as it is not the menu that remembers it: the
//! variables of the Boot Loader Interface, and the state area.
//!
//! They only ever choose among what boots anyway. A wish for one boot is deleted
//! before anything is loaded, so that a boot that fails does not repeat it; one
//! that cannot be deleted is not honoured. Whatever goes wrong here is said, and
//! keeps nothing from booting.

use super::voice::Voice;
use crate::base::text::{printable, quoted};
use crate::choose::prompt::draft;
use crate::config::Config;
use crate::efi::variables::{self as interface, Variable};
use crate::menu::bls::loader_conf;
use crate::menu::{Entry, From as Wisher, Menu, Timeout, What, Wish, resolve_default};
use crate::slots::Slots;
use crate::sys;
use crate::sys::efivars::{self, Variables};
use crate::sys::mount::Access;

/// What stands for the entry that was booted last.
const LAST: &str = "@saved";

/// What the variables say, as text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Whether the image has anything to do with them.
    is_heard: bool,
    /// For this boot only.
    once: Option<String>,
    /// For this boot only.
    timeout_once: Option<String>,
    default: Option<String>,
    last_booted: Option<String>,
    timeout: Option<String>,
    /// What the state area remembers.
    area: Area,
    /// Whether what is for this boot has had its turn.
    is_used: bool,
    /// Whether the entry that boots is to boot the next time too.
    keeps_last: bool,
    /// The menu's ids, as systems read them.
    ids: Vec<u8>,
}

/// What the state area remembers, where the firmware does not or says nothing.
#[derive(Debug, Default, PartialEq, Eq)]
struct Area {
    /// For this boot only.
    once: Option<String>,
    default: Option<String>,
    /// What was started last without being asked for once.
    last: Option<String>,
}

impl Wishes {
    /// Takes in what the state area wishes for, before any start of this boot uses it up.
    /// Where slots are declared, one of them is no entry, and none is what was started last.
    pub(super) fn hear_area(&mut self, config: &Config, once: Option<String>, slots: &Slots) {
        let is_entry = |id: &String| config.slots.iter().all(|slot| slot.name != *id);
        self.area = Area {
            once: once.filter(is_entry),
            default: slots.default.clone(),
            last: slots.last_started().filter(|_| config.slots.is_empty()).map(str::to_owned),
        };
    }

    /// Asks the firmware once, and deletes what is for this boot.
    pub(super) fn find(config: &Config, voice: &Voice<'_>) -> Self {
        if !config.efi_variables || !efivars::has_efi() {
            return Self { is_heard: config.efi_variables, ..Self::default() };
        }
        let mut said = Vec::new();
        let wishes = Self::ask(&mut said).unwrap_or_else(|error| {
            said.push(unusable(&error));
            Self::default()
        });
        voice.say_all(&said);
        Self { is_heard: true, ..wishes }
    }

    fn ask(said: &mut Vec<String>) -> Result<Self, sys::Error> {
        let mut wishes = Self::read(&Variables::open(Access::Read)?, said);
        wishes.consume(|variable| Variables::open(Access::Write)?.delete(variable), said);
        if let Err(error) = forget_count_path() {
            said.push(error.to_string());
        }
        Ok(wishes)
    }

    /// Reads the variables. One that cannot be read is as good as absent.
    fn read(variables: &Variables, said: &mut Vec<String>) -> Self {
        let mut text = |variable: Variable| match variables.text(variable) {
            Ok(text) => text,
            Err(error) => {
                said.push(error.to_string());
                None
            }
        };
        Self {
            once: text(Variable::EntryOneShot),
            timeout_once: text(Variable::ConfigTimeoutOneShot),
            default: text(Variable::EntryDefault),
            last_booted: text(Variable::EntryLastBooted),
            timeout: text(Variable::ConfigTimeout),
            ..Self::default()
        }
    }

    /// Has the variables for one boot deleted, and forgets those that stay.
    fn consume(
        &mut self,
        mut delete: impl FnMut(Variable) -> Result<(), sys::Error>,
        said: &mut Vec<String>,
    ) {
        let both = [
            (Variable::EntryOneShot, &mut self.once),
            (Variable::ConfigTimeoutOneShot, &mut self.timeout_once),
        ];
        for (variable, wish) in both {
            let Some(value) = wish.as_deref() else { continue };
            let name = variable.name();
            let is_of_kexec = value == interface::OF_KEXEC;
            let value = quoted(value);
            match delete(variable) {
                // The kernel's own: nobody has chosen that.
                _ if is_of_kexec => *wish = None,
                Ok(()) => said.push(format!("{name} {value} is for this boot, and is deleted")),
                Err(error) => {
                    said.push(format!(
                        "{name} {value} is not honoured, it cannot be deleted: {error}"
                    ));
                    *wish = None;
                }
            }
        }
    }

    /// In the order in which they count. A menu may leave it to what was booted
    /// last as well.
    fn in_order(&self, menu_keeps_last: bool) -> Vec<Wish> {
        let default = or_last(&self.default, &self.last_booted);
        let area = or_last(&self.area.default, &self.area.last);
        let last = if menu_keeps_last { &self.last_booted } else { &None };
        let once = [&self.once, &self.area.once].into_iter().filter(|_| !self.is_used).flatten();
        let saved = [default, area, last].into_iter().flatten();
        let saved = saved.map(|pattern| (Wisher::Saved, pattern));
        let all = once.map(|pattern| (Wisher::OneShot, pattern)).chain(saved);
        let mut all: Vec<Wish> =
            all.map(|(from, pattern)| Wish { from, pattern: pattern.clone() }).collect();
        all.dedup();
        all
    }

    /// How long the menu is to wait.
    fn timeout(&self) -> Result<Option<Timeout>, String> {
        let once = self.timeout_once.as_ref().filter(|_| !self.is_used);
        let once = once.map(|text| (Variable::ConfigTimeoutOneShot, text));
        let always = self.timeout.as_ref().map(|text| (Variable::ConfigTimeout, text));
        let Some((variable, text)) = once.or(always) else { return Ok(None) };
        match loader_conf::timeout(text) {
            Ok(timeout) => Ok(Some(timeout)),
            Err(why) => Err(format!("{} {} {why}", variable.name(), quoted(text))),
        }
    }
}

impl Wishes {
    /// Has a menu wait with what the variables name, as long as they say.
    pub(super) fn settle_default(&mut self, menu: &mut Menu, voice: &Voice<'_>) {
        let configured = menu.settings.default.as_ref().map(|wanted| &wanted.what);
        let menu_keeps_last = configured == Some(&What::Saved);
        let (default, said) = resolve_default(menu, &self.in_order(menu_keeps_last));
        said.iter().for_each(|line| voice.say(line));
        if default != menu.default {
            // What the menu chose for this boot has had no say, and is not used up.
            menu.settings.next_entry = None;
        }
        menu.default = default;
        match self.timeout() {
            Ok(timeout) => menu.timeout = timeout.unwrap_or(menu.timeout),
            Err(why) => voice.say(&why),
        }
        self.keeps_last =
            match self.default.as_ref().or(self.area.default.as_ref()).map(String::as_str) {
                Some(default) => default == LAST,
                None => menu_keeps_last,
            };
    }

    /// Whether the default of a menu that was settled is for this boot only.
    pub(super) fn is_for_once(&self, menu: &Menu) -> bool {
        let named = self.once_in(menu);
        (named.is_some() && named == menu.default) || menu.settings.next_entry.is_some()
    }

    /// The entry of a menu that the firmware has named for this boot.
    pub(super) fn once_in(&self, menu: &Menu) -> Option<usize> {
        self.once.as_deref().filter(|_| self.wants_once()).and_then(|once| menu.named_by(once))
    }

    /// Whether the firmware names an entry for this boot, which any device may have.
    pub(super) const fn wants_once(&self) -> bool {
        self.once.is_some() && !self.is_used
    }

    /// Whether somebody has asked for the menu of this boot.
    pub(super) const fn want_menu(&self) -> bool {
        self.timeout_once.is_some()
    }

    /// Keeps the ids of a menu, as many as a variable has room for, for the next
    /// system.
    pub(super) fn keep_ids(&mut self, menu: &Menu) {
        let (ids, _) = interface::from_ids(menu.entries.iter().map(Entry::loader_id));
        self.ids = ids;
    }

    /// What was for one boot counts for no other menu.
    pub(super) const fn use_up(&mut self) {
        self.is_used = true;
    }

    /// Tells the next system what it was booted by, from what, and which file's name
    /// counts its boots, if one does.
    pub(super) fn tell_next_system(
        &self,
        loader_id: &str,
        counted: Option<&str>,
        voice: &Voice<'_>,
    ) {
        if !self.is_with_firmware() {
            return;
        }
        let told = self.try_to_tell(loader_id).and_then(|()| counted.map_or(Ok(()), tell_counted));
        if let Err(error) = told {
            voice.say(&format!("the next system is not told what booted it: {error}"));
        }
    }

    /// Whether the firmware remembers anything for the image.
    pub(super) fn is_with_firmware(&self) -> bool {
        self.is_heard && efivars::has_efi()
    }

    fn try_to_tell(&self, loader_id: &str) -> Result<(), sys::Error> {
        let id = interface::from_text(loader_id);
        let name = interface::from_text(concat!("turnout ", env!("CARGO_PKG_VERSION")));
        let variables = Variables::open(Access::Write)?;
        variables.write(Variable::Info, &name)?;
        variables.write(Variable::Features, &interface::FEATURES.to_le_bytes())?;
        variables.write(Variable::Entries, &self.ids)?;
        variables.write(Variable::EntrySelected, &id)?;
        let once = self.once.as_deref().or(self.area.once.as_deref());
        let can_again = loader_id != draft::ID && once != Some(loader_id);
        if self.keeps_last && can_again {
            variables.write(Variable::EntryLastBooted, &id)?;
        }
        Ok(())
    }
}

/// Makes an entry the default of the boots to come, in the firmware's memory; gives the
/// sentence that says so, or why not.
pub(super) fn save_default(id: &str) -> String {
    kept(id, write_default(id).map_err(|error| unusable(&error)))
}

/// What is said of a default that was to be kept.
pub(super) fn kept(id: &str, result: Result<(), String>) -> String {
    match result {
        Ok(()) => [&printable(id), " is the default from now on."].concat(),
        Err(why) => ["The default is not kept: ", &why, "."].concat(),
    }
}

/// What was booted last, where a default stands for that.
fn or_last<'w>(default: &'w Option<String>, last: &'w Option<String>) -> &'w Option<String> {
    if default.as_deref() == Some(LAST) { last } else { default }
}

/// Nothing of an earlier boot's counts for the next system. What a boot loader before
/// this one has set for this boot is not ours: it counts the boots of Turnout itself.
fn forget_count_path() -> Result<(), sys::Error> {
    if Variables::open(Access::Read)?.kept(Variable::BootCountPath)? == Some(true) {
        Variables::open(Access::Write)?.delete(Variable::BootCountPath)?;
    }
    Ok(())
}

fn tell_counted(path: &str) -> Result<(), sys::Error> {
    let variables = Variables::open(Access::Write)?;
    match variables.kept(Variable::BootCountPath)? {
        Some(false) => Ok(()),
        _ => variables.write(
            Variable::BootCountPath,
            &interface::from_text(&interface::boot_count_path(path)),
        ),
    }
}

fn write_default(id: &str) -> Result<(), sys::Error> {
    Variables::open(Access::Write)?.write(Variable::EntryDefault, &interface::from_text(id))
}

/// Why variables that the machine has are none here.
fn unusable(error: &sys::Error) -> String {
    match error.source.raw_os_error() {
        Some(19) => format!("{error}; is efivarfs in the image?"),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::menu::NextEntry;
    use crate::sys::console::Console;
    use crate::trust::verify::Mode;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn patterns(wishes: &Wishes, menu_keeps_last: bool) -> Vec<String> {
        wishes.in_order(menu_keeps_last).into_iter().map(|wish| wish.pattern).collect()
    }

    #[test]
    fn a_wish_for_one_boot_comes_before_the_saved_one() {
        let wishes = Wishes { once: some("once.conf"), default: some("deb*"), ..Wishes::default() };
        assert_eq!(patterns(&wishes, false), ["once.conf", "deb*"]);
        assert_eq!(patterns(&Wishes::default(), true), [""; 0]);
    }

    #[test]
    fn the_firmware_s_wishes_come_before_the_state_area_s_of_their_kind() {
        let area = |once: Option<String>, default: Option<String>| Area {
            once,
            default,
            last: some("last"),
        };
        let firmware = || Wishes { default: some("c"), ..Wishes::default() };
        let both = Wishes { once: some("a"), area: area(some("b"), some("d")), ..firmware() };
        assert_eq!(patterns(&both, false), ["a", "b", "c", "d"]);
        let used = Wishes { is_used: true, ..both };
        assert_eq!(patterns(&used, false), ["c", "d"]);
        let last = Wishes { area: area(None, some(LAST)), ..Wishes::default() };
        assert_eq!(patterns(&last, false), ["last"]);
        let none = Wishes { area: area(None, None), ..firmware() };
        assert_eq!(patterns(&none, false), ["c"]);
    }

    #[test]
    fn a_slot_that_is_declared_is_no_entry() {
        let slots = Slots { once: some("a"), default: some("b"), ..Slots::default() };
        let declared = config::Declared { name: "a".to_owned(), device: None };
        for (slots_of_image, expected) in [(vec![], &["a", "b"][..]), (vec![declared], &["b"])] {
            let config = Config { slots: slots_of_image, ..Config::new(Mode::Locked) };
            let mut wishes = Wishes::default();
            wishes.hear_area(&config, slots.once.clone(), &slots);
            assert_eq!(patterns(&wishes, false), expected);
        }
    }

    #[test]
    fn what_the_kernel_leaves_at_every_kexec_is_no_choice_and_no_word_is_lost_on_it() {
        for is_deleted in [true, false] {
            let mut wishes = Wishes { once: some("kexec reboot"), ..Wishes::default() };
            let mut said = Vec::new();
            let mut deleted = Vec::new();
            wishes.consume(
                |variable| {
                    deleted.push(variable);
                    let refusal = || sys::Error::refusal(variable.name(), "no");
                    if is_deleted { Ok(()) } else { Err(refusal()) }
                },
                &mut said,
            );
            assert_eq!(deleted, [Variable::EntryOneShot]);
            assert_eq!((wishes.once, said), (None, Vec::<String>::new()));
        }
    }

    #[test]
    fn what_was_booted_last_counts_only_where_somebody_says_so() {
        let last = Wishes { last_booted: some("a.conf"), ..Wishes::default() };
        assert_eq!(patterns(&last, false), [""; 0]);
        assert_eq!(patterns(&last, true), ["a.conf"]);
        let both = Wishes { default: some(LAST), ..last };
        assert_eq!(patterns(&both, false), ["a.conf"]);
        assert_eq!(patterns(&both, true), ["a.conf"], "it is not said twice if it is stale");
        let used = Wishes { once: some("once.conf"), is_used: true, ..Wishes::default() };
        assert_eq!(patterns(&used, true), [""; 0]);
        let other = Wishes { default: some("b.conf"), ..both };
        assert_eq!(patterns(&other, true), ["b.conf", "a.conf"]);
    }

    #[test]
    fn a_choice_for_this_boot_is_found_in_whatever_menu_has_it_until_it_is_used_up() {
        let files: crate::menu::Memory =
            [("/loader/entries/b.conf", "linux /a")].into_iter().collect();
        let target = crate::menu::Target::new(crate::base::arch::Arch::X86_64, &[]);
        let menu = crate::menu::read_volume(&files, &target);
        let mut wishes = Wishes { once: some("b.conf"), ..Wishes::default() };
        assert_eq!((wishes.wants_once(), wishes.once_in(&menu)), (true, Some(0)));
        assert_eq!(wishes.once_in(&Menu::default()), None);
        wishes.is_used = true;
        assert_eq!((wishes.wants_once(), wishes.once_in(&menu)), (false, None));
    }

    #[test]
    fn what_a_menu_chose_for_one_boot_is_not_used_up_where_the_firmware_decides() {
        let files =
            [("/loader/entries/a.conf", "linux /a"), ("/loader/entries/b.conf", "linux /a")];
        let files: crate::menu::Memory = files.into_iter().collect();
        let target = crate::menu::Target::new(crate::base::arch::Arch::X86_64, &[]);
        for (wish, is_left) in [("b.conf", false), ("a.conf", true), ("none", true)] {
            let mut menu = crate::menu::read_volume(&files, &target);
            let next = NextEntry { volume: 0, device: None, value: "a".to_owned() };
            (menu.default, menu.settings.next_entry) = (menu.find("a"), Some(next));
            let console = Console::silent();
            let mut wishes = Wishes { once: some(wish), ..Wishes::default() };
            wishes.settle_default(&mut menu, &Voice::on(&console));
            assert_eq!(menu.settings.next_entry.is_some(), is_left, "{wish}");
        }
    }

    #[test]
    fn what_cannot_be_deleted_is_not_honoured() {
        let mut wishes =
            Wishes { once: some("a.conf"), timeout_once: some("7"), ..Wishes::default() };
        let mut said = Vec::new();
        wishes.consume(
            |variable| match variable {
                Variable::EntryOneShot => Err(sys::Error::refusal(variable.name(), "no")),
                _ => Ok(()),
            },
            &mut said,
        );
        assert_eq!((wishes.once, wishes.timeout_once), (None, some("7")));
        assert_eq!(
            said,
            [
                "LoaderEntryOneShot \"a.conf\" is not honoured, it cannot be deleted: \
                 LoaderEntryOneShot: no",
                "LoaderConfigTimeoutOneShot \"7\" is for this boot, and is deleted",
            ]
        );
    }

    #[test]
    fn the_timeout_for_one_boot_comes_before_the_other() {
        let timeout = |once: Option<&str>, always: Option<&str>| {
            let [timeout_once, timeout] = [once, always].map(|it| it.map(str::to_owned));
            Wishes { timeout_once, timeout, ..Wishes::default() }.timeout()
        };
        assert_eq!(timeout(None, None), Ok(None));
        assert_eq!(timeout(None, Some("menu-hidden")), Ok(Some(Timeout::Hidden)));
        assert_eq!(timeout(Some("7"), Some("menu-force")), Ok(Some(Timeout::Seconds(7))));
        let why = "LoaderConfigTimeout \"soon\" is no number of seconds".to_owned();
        assert_eq!(timeout(None, Some("soon")), Err(why));
    }
}
