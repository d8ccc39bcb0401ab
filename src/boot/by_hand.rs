//! What the words of the prompt do on the machine: boot an entry of the menu, or what
//! somebody puts together from the files of one device, on the same way to the jump as
//! everything else.
//!
//! Only an open image comes here, and what is put together boots unsigned: nobody but
//! [`crate::trust::verify::edited`] gives leave to it. Devices are mounted as for
//! menus, read-only and without journal replay, and looked into by threads that nobody
//! has to wait for. Nothing here may write to a device, or run anything but the jump.

use std::sync::Arc;

use super::discover::discover;
use super::errand::{Errand, Found, Held, Name};
use super::menu::BootMenu;
use super::prepare::Order;
use super::session::{Memory, Session};
use super::{Begun, boot_order, boot_unprepared, say_failed};
use crate::base::text::printable;
use crate::choose::Chosen;
use crate::choose::prompt::complete::{Stem, split_path, words};
use crate::choose::prompt::draft::{self, Draft, absolute};
use crate::choose::prompt::told::{entry_called, fitted, rows};
use crate::choose::prompt::{Command, Kind, Word, help};
use crate::failure::Failure;
use crate::source::{self, Candidate};
use crate::sys::block::Inventory;
use crate::sys::read::Roots;
use crate::trust::Role;

/// What somebody wants of whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Retry,
    Recover,
    Reset,
    PowerOff,
    /// Nobody is there.
    Silence,
}

/// What somebody at the prompt has before them.
pub(super) struct Hand<'s> {
    session: &'s Session,
    /// The menu of all devices, once somebody has asked for it.
    menu: BootMenu<'s>,
    has_looked: bool,
    inventory: Inventory,
    candidates: Vec<Candidate>,
    /// The device that files are taken from.
    held: Option<Held>,
    draft: Draft,
    /// Ids of the entries that were listed last, in the order of their numbers.
    listed: Vec<String>,
    /// What is to be told a screen at a time.
    told: Vec<String>,
}

impl<'s> Hand<'s> {
    /// # Errors
    /// The kernel does not announce devices.
    pub(super) fn new(session: &'s Session, memory: &'s mut Memory) -> Result<Self, Failure> {
        let devices = discover(&session.config, &session.signals, &session.drivers)?;
        Ok(Self {
            session,
            menu: BootMenu::empty(session, memory, devices, Role::Boot),
            has_looked: false,
            inventory: Inventory::default(),
            candidates: Vec::new(),
            held: None,
            draft: Draft::default(),
            listed: Vec::new(),
            told: Vec::new(),
        })
    }

    fn tell(&self, text: &str) {
        self.session.console.line(&printable(text));
    }

    /// What is still to be told, a screen at a time. From outside: to be made printable.
    pub(super) fn take_told(&mut self) -> Vec<String> {
        core::mem::take(&mut self.told)
    }

    /// Does what a line says, on a terminal of so many columns; gives what somebody else
    /// has to do.
    pub(super) fn act(&mut self, command: Command<'_>, columns: usize) -> Option<Reply> {
        let argument = command.argument;
        match command.word {
            Word::Retry => return Some(Reply::Retry),
            Word::Recover => return Some(Reply::Recover),
            Word::Reset => return Some(Reply::Reset),
            Word::PowerOff => return Some(Reply::PowerOff),
            Word::Help => self.told = help(),
            Word::Show => self.told = self.draft.lines(),
            Word::List => self.list(columns),
            Word::Boot => self.try_to(|hand| hand.boot(argument)),
            Word::From => self.try_to(|hand| hand.take_from(argument)),
            Word::Ls => self.try_to(|hand| hand.tell_names(argument, columns)),
            Word::Linux => self.try_to(|hand| hand.set_linux(argument)),
            Word::Initrd => self.try_to(|hand| hand.add_initrd(argument)),
            Word::Options => self.draft.set_options(argument),
            Word::Go => self.try_to(Self::go),
        }
        None
    }

    /// Does something, or says why not.
    fn try_to(&mut self, act: impl FnOnce(&mut Self) -> Result<(), String>) {
        if let Err(why) = act(self) {
            self.tell(&why);
        }
    }

    /// Reads the menus of all devices, each once: of those too that came since.
    fn look(&mut self) {
        self.has_looked = true;
        self.menu.look_at_all();
    }

    /// Whether asking for the entries says anything.
    pub(super) fn speaks_before(&self, kind: Kind) -> bool {
        kind == Kind::Entry && !self.has_looked
    }

    fn list(&mut self, columns: usize) {
        self.look();
        let items = self.menu.items();
        if items.is_empty() {
            self.tell("there is no entry; \"from\", \"linux\" and \"go\" boot without one");
        }
        self.told = rows(&items, columns);
        self.listed = items.into_iter().map(|item| item.id).collect();
    }

    fn boot(&mut self, name: &str) -> Result<(), String> {
        self.look();
        let index = self.menu.find(entry_called(&self.listed, name));
        let index =
            index.ok_or_else(|| format!("there is no entry {name}: \"list\" names them"))?;
        let chosen = Chosen { index, options: None };
        self.menu.chooses(&chosen);
        let Err(failure) = boot_unprepared(self.session, &mut self.menu, chosen);
        let failure = self.menu.named(index, failure);
        say_failed(self.session, &failure);
        self.menu.memory().end_attempt(self.session, &failure);
        Ok(())
    }

    fn go(&mut self) -> Result<(), String> {
        let entry = self.draft.entry()?;
        let roots = Roots::from(Arc::clone(&self.root()?.root));
        let begun = Begun::now();
        self.menu.leaves_slots();
        let order = Order::by_hand(self.session, &self.menu, roots, entry);
        let Err(failure) =
            order.and_then(|order| boot_order(self.session, &mut self.menu, order, begun));
        say_failed(self.session, &failure);
        Ok(())
    }

    fn root(&self) -> Result<&Held, String> {
        self.held.as_ref().ok_or_else(|| {
            "there is no device yet: \"from\" alone names what there is, \"from DEVICE\" takes one"
                .to_owned()
        })
    }

    /// Takes note of devices that came and went.
    fn refresh(&mut self) {
        let changes = self.inventory.refresh();
        self.candidates.retain(|candidate| !changes.gone.contains(&candidate.name));
        self.candidates.extend(changes.fresh);
        let lost = self.held.as_ref().is_some_and(|held| changes.gone.contains(&held.name));
        if lost && let Some(held) = self.held.take() {
            self.draft.lose_device();
            self.tell(&format!("{} was taken out", held.name));
        }
    }

    fn take_from(&mut self, name: &str) -> Result<(), String> {
        self.refresh();
        if name.is_empty() {
            self.told = self.candidates.iter().map(source::describe).collect();
            return Ok(());
        }
        let candidate = source::named(&self.candidates, name)?.clone();
        self.hold(&candidate)?;
        if self.draft.set_device(&candidate.name) {
            self.tell("the kernel and the initrds of the other device are forgotten");
        }
        self.tell(&format!("files are taken from {}", source::describe(&candidate)));
        Ok(())
    }

    /// Mounts a device, unless it is; only then the one before is let go.
    fn hold(&mut self, candidate: &Candidate) -> Result<(), String> {
        if self.held.as_ref().is_some_and(|held| held.name == candidate.name) {
            return Ok(());
        }
        if let Found::Held(held) =
            self.send(Errand::mount(candidate, &self.session.drivers)?, &candidate.name)?
        {
            self.held = Some(held);
        }
        Ok(())
    }

    fn send(&self, errand: Errand, name: &str) -> Result<Found, String> {
        errand.send(name, &self.session.voice())
    }

    /// What a directory of the device holds.
    fn names_in(&self, path: &str) -> Result<Vec<Name>, String> {
        let held = self.root()?;
        match self.send(Errand::names(held, path), &held.name)? {
            Found::Names(names) => Ok(names),
            _ => Ok(Vec::new()),
        }
    }

    fn tell_names(&mut self, path: &str, columns: usize) -> Result<(), String> {
        let names = self.names_in(&absolute(path))?;
        self.told = names.iter().map(|name| fitted(&name.line(), columns)).collect();
        Ok(())
    }

    /// Looks whether a file is there.
    fn check(&self, path: &str) -> Result<(), String> {
        let held = self.root()?;
        self.send(Errand::size(held, &absolute(path)), &held.name).map(|_| ())
    }

    fn set_linux(&mut self, text: &str) -> Result<(), String> {
        let (path, options) = draft::kernel(text, &|path| self.check(path))?;
        self.draft.set_linux(path);
        if !options.is_empty() {
            self.draft.set_options(options);
            self.tell(&["the command line is taken from there too: options ", options].concat());
        }
        Ok(())
    }

    fn add_initrd(&mut self, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return self.draft.add_initrd(text);
        }
        let files = draft::initrds(text, &|path| self.check(path))?;
        if files.len() > 1 {
            self.tell(&["several initrds, in this order: ", text].concat());
        }
        files.into_iter().try_for_each(|path| self.draft.add_initrd(path))
    }

    /// What could stand where a line ends.
    pub(super) fn names(&mut self, stem: Stem<'_>) -> Vec<String> {
        match stem.kind {
            Kind::Word => words(),
            Kind::Text => Vec::new(),
            Kind::Entry => {
                self.look();
                self.menu.items().into_iter().map(|item| item.id).collect()
            }
            Kind::Device => {
                self.refresh();
                self.candidates.iter().flat_map(source::names).collect()
            }
            Kind::File | Kind::Directory => self.paths(stem),
        }
    }

    fn paths(&self, stem: Stem<'_>) -> Vec<String> {
        let (directory, _) = split_path(stem.text);
        let found = self.names_in(&absolute(directory)).unwrap_or_default();
        let wanted = found.iter().filter(|name| name.is_directory() || stem.kind == Kind::File);
        wanted.map(|name| [directory, &name.as_typed()].concat()).collect()
    }
}
