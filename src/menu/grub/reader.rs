//! Reads a menu of GRUB: evaluates its script, and tells what it says of itself in
//! Turnout's words.

use super::commands;
use super::default::{self, Row};
use super::devices::Devices;
use super::evaluator::{Evaluator, Item};
use super::listing::{Above, Listing};
use super::places::PLACES;
use super::script::{Block, Script};
use super::world::{Place, World};
use crate::base::switches;
use crate::base::text::quoted;
use crate::menu::gather::{Parser, Search};
use crate::menu::metered::{Metered, Sieve};
use crate::menu::settings::NextEntry;
use crate::menu::{Code, Diagnostic, Found, Menu, Read, Target, Timeout, Wanted, What};
use std::rc::Rc;

/// What each directory in here may hold too.
const EFI: &str = "/EFI";
/// Where live systems have what others are to evaluate.
const LOOPBACK: [&str; 2] = ["/grub/loopback.cfg", "/grub2/loopback.cfg"];
/// Most directories of [`EFI`].
const MAX_VENDORS: usize = 64;

const PARSER: Parser = Parser::switched(&switches::GRUB, parse);

/// Whether a path is that of a configuration.
pub(in crate::menu) fn is_path(path: &str) -> bool {
    path.ends_with("/grub.cfg") || path.ends_with("/loopback.cfg")
}

/// The first configuration below `prefix` that has an entry.
pub(in crate::menu) fn find(search: &Search<'_>, prefix: &str) -> Menu {
    let mut menu = Menu::default();
    for path in places(search.files, prefix, &mut menu) {
        menu.read_file(search, &path, &PARSER);
        if !menu.entries.is_empty() || search.files.ended().is_some() {
            break;
        }
    }
    menu
}

/// Only the configuration at `path`.
pub(in crate::menu) fn read(search: &Search<'_>, path: &str) -> Menu {
    let mut menu = Menu::default();
    menu.read_file(search, path, &PARSER);
    menu
}

fn places(files: &Metered<'_>, prefix: &str, menu: &mut Menu) -> Vec<String> {
    let directory = [prefix, EFI].concat();
    let sieve = Sieve { wanted: |_| true, most: MAX_VENDORS };
    let vendors = files.names(&directory, sieve).unwrap_or_default();
    menu.say_left_out(&directory, vendors.left_out);
    let vendors = vendors.names.iter().map(|name| [EFI, "/", name, "/grub.cfg"].concat());
    let places = PLACES.map(str::to_owned).into_iter().chain(vendors);
    let places = places.chain(LOOPBACK.map(str::to_owned));
    places.map(|place| [prefix, &place].concat()).collect()
}

/// Evaluates the configuration at `path`, with all that it leads to.
fn parse(files: &Metered<'_>, path: &str, target: &Target<'_>) -> Menu {
    let world = Devices::new(files, target);
    let place = Place { device: 0, path: path.to_owned() };
    let mut evaluator = Evaluator::new(&world, &place, commands::find);
    let mut listing = Listing::default();
    evaluator.configure(&place, 1);
    let direct = direct(&evaluator, path);
    let loaded = core::mem::take(&mut evaluator.loaded);
    let mut rows = listing.rows(&mut evaluator, &Above::default());
    evaluator.loaded = loaded;
    let is_direct = evaluator.loaded.has_booted || rows.is_empty();
    if is_direct && evaluator.loaded.linux.is_some() {
        rows.insert(0, listing.direct(&mut evaluator, &direct));
        // It is the last that was made, and the first that is shown.
        listing.entries.rotate_right(1);
    }
    let mut menu = Menu { entries: listing.entries, ..Menu::default() };
    menu.settle_grub(&evaluator, &rows, path, is_direct);
    menu.diagnostics.append(&mut evaluator.diagnostics);
    menu.diagnostics.extend(listing.notes);
    menu.missed = world.missed();
    menu.cleared = evaluator.cleared();
    let elsewhere = evaluator.loaded.leads_to.take().filter(|_| menu.entries.is_empty());
    menu.read.extend(
        elsewhere.map(|menu| Read { path: path.to_owned(), found: Found::Elsewhere(menu) }),
    );
    menu
}

/// What stands for a script that boots without a menu.
fn direct(evaluator: &Evaluator<'_>, path: &str) -> Item {
    Item {
        title: path.rsplit('/').next().unwrap_or_default().to_owned(),
        id: None,
        stem: None,
        is_submenu: false,
        hotkey: None,
        is_restricted: false,
        arguments: Vec::new(),
        body: Rc::new(Block::of(Script::default())),
        file: path.to_owned(),
        line: 1,
        doubts: evaluator.doubts.clone(),
    }
}

impl Menu {
    /// What the script says of its menu.
    fn settle_grub(&mut self, evaluator: &Evaluator<'_>, rows: &[Row], path: &str, boots: bool) {
        if rows.is_empty() {
            return;
        }
        let value = |name: &str| evaluator.scope.get(name).unwrap_or_default();
        let wanted = if boots { "0" } else { value("default") };
        self.settings.timeout =
            if boots { Some(Timeout::Hidden) } else { timeout(value("timeout")) };
        self.settings.editor = value("superusers").is_empty();
        let chosen = default::chosen(rows, wanted);
        if !chosen.is_exact {
            let detail = ["default ", &quoted(wanted), " names no entry; the first stands for it"];
            self.diagnostics.push(Diagnostic::new(path, None, Code::Setting, detail.concat()));
        }
        let named = chosen.entry.filter(|_| !wanted.is_empty());
        self.settings.default = named.map(|entry| Wanted {
            what: What::Named(entry.to_owned()),
            file: path.to_owned(),
            line: None,
        });
        let fallback = default::fallback(rows, value("fallback"));
        self.settings.fallback = fallback.into_iter().map(str::to_owned).collect();
        self.settings.next_entry =
            evaluator.once.as_ref().filter(|once| once.value == wanted).map(|once| NextEntry {
                volume: 0,
                device: (once.device != 0).then(|| evaluator.world.name(once.device).to_owned()),
                value: once.value.clone(),
            });
    }
}

/// How long the menu waits. A hidden one is shown while it does: nobody knows of the
/// keys that would show it.
fn timeout(text: &str) -> Option<Timeout> {
    let text = text.trim();
    if text.starts_with('-') {
        return text.get(1..)?.parse::<u32>().ok().map(|_| Timeout::Forever);
    }
    match text.parse().ok()? {
        0 => Some(Timeout::Hidden),
        seconds => Some(Timeout::Seconds(seconds)),
    }
}
