//! What the words of the prompt do on the machine: boot an entry of the menu, or what
//! somebody puts together from the files of one device, on the same way to the jump as
//! everything else.
//!
//! Only an open image comes here, and what is put together boots unsigned: nobody but
//! [`crate::trust::verify::edited`] gives leave to it. Devices are mounted as for
//! menus, read-only and without journal replay, and looked into by threads that nobody
//! has to wait for.

use std::sync::Arc;

use super::discover::discover;
use super::errand::{Errand, Found, Held, Name};
use super::menu::BootMenu;
use super::prepare::Order;
use super::session::{Memory, Session};
use super::{Begun, boot_order, boot_unprepared, say_failed};
use crate::base::text::printable;
use crate::choose::prompt::complete::{Stem, split_path, words};
use crate::choose::prompt::draft::{Draft, absolute};
use crate::choose::prompt::{Command, Kind, Word, help};
use crate::choose::{Chosen, Item};
use crate::failure::Failure;
use crate::source::{self, Candidate};
use crate::sys::block::Inventory;
use crate::sys::read::Roots;
use crate::trust::Role;

/// Most entries, and most names, that are told at once.
const MAX_TOLD: usize = 100;

/// What somebody wants of whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Retry,
    Recover,
    Reset,
    PowerOff,
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
}

impl<'s> Hand<'s> {
    /// # Errors
    /// The kernel does not announce devices.
    pub(super) fn new(session: &'s Session, memory: &'s mut Memory) -> Result<Self, Failure> {
        let devices = discover(&session.config, &session.signals)?;
        Ok(Self {
            session,
            menu: BootMenu::empty(session, memory, devices, Role::Boot),
            has_looked: false,
            inventory: Inventory::default(),
            candidates: Vec::new(),
            held: None,
            draft: Draft::default(),
        })
    }

    fn tell(&self, text: &str) {
        self.session.console.line(&printable(text));
    }

    fn tell_all(&self, lines: &[String]) {
        lines.iter().take(MAX_TOLD).for_each(|line| self.tell(line));
        match lines.len().saturating_sub(MAX_TOLD) {
            0 => {}
            more => self.tell(&format!("... and {more} more")),
        }
    }

    /// Does what a line says; gives what somebody else has to do.
    pub(super) fn act(&mut self, command: Command<'_>) -> Option<Reply> {
        let argument = command.argument;
        match command.word {
            Word::Retry => return Some(Reply::Retry),
            Word::Recover => return Some(Reply::Recover),
            Word::Reset => return Some(Reply::Reset),
            Word::PowerOff => return Some(Reply::PowerOff),
            Word::Help => self.tell_all(&help()),
            Word::Show => self.tell_all(&self.draft.lines()),
            Word::List => self.list(),
            Word::Boot => self.try_to(|hand| hand.boot(argument)),
            Word::From => self.try_to(|hand| hand.take_from(argument)),
            Word::Ls => self.try_to(|hand| hand.tell_names(argument)),
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

    fn list(&mut self) {
        self.look();
        let items = self.menu.items();
        if items.is_empty() {
            self.tell("there is no entry; \"from\", \"linux\" and \"go\" boot without one");
        }
        let lines: Vec<String> = items.iter().map(row).collect();
        self.tell_all(&lines);
    }

    fn boot(&mut self, name: &str) -> Result<(), String> {
        self.look();
        let index = self.menu.find(name);
        let index =
            index.ok_or_else(|| format!("there is no entry {name}: \"list\" names them"))?;
        let chosen = Chosen { index, options: None };
        let Err(failure) = boot_unprepared(self.session, &mut self.menu, chosen);
        say_failed(self.session, &self.menu.named(index, failure));
        Ok(())
    }

    fn go(&mut self) -> Result<(), String> {
        let entry = self.draft.entry()?;
        let roots = Roots::from(Arc::clone(&self.root()?.root));
        let begun = Begun::now();
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
            let lines: Vec<String> = self.candidates.iter().map(source::describe).collect();
            self.tell_all(&lines);
            return Ok(());
        }
        let candidate = source::named(&self.candidates, name)?.clone();
        // The same device again is mounted only once it is let go.
        self.held = None;
        let Found::Held(held) = self.send(Errand::mount(&candidate)?, &candidate.name)? else {
            return Ok(());
        };
        let name = held.name.clone();
        self.held = Some(held);
        if self.draft.set_device(&name) {
            self.tell("the kernel and the initrds of the other device are forgotten");
        }
        self.tell(&format!("files are taken from {}", source::describe(&candidate)));
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

    fn tell_names(&self, path: &str) -> Result<(), String> {
        let names = self.names_in(&absolute(path))?;
        let lines: Vec<String> = names.iter().map(Name::line).collect();
        self.tell_all(&lines);
        Ok(())
    }

    /// Looks whether a file is there.
    fn check(&self, path: &str) -> Result<(), String> {
        let held = self.root()?;
        self.send(Errand::size(held, &absolute(path)), &held.name).map(|_| ())
    }

    fn set_linux(&mut self, path: &str) -> Result<(), String> {
        self.check(path)?;
        self.draft.set_linux(path);
        Ok(())
    }

    fn add_initrd(&mut self, path: &str) -> Result<(), String> {
        if !path.is_empty() {
            self.check(path)?;
        }
        self.draft.add_initrd(path)
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

/// An entry in one line: its id first, as "boot" takes it.
fn row(item: &Item) -> String {
    let why = if item.bootable { "" } else { &item.detail };
    [&item.id, "  ", &item.mark, "  ", &item.title, "  ", why].concat()
}
