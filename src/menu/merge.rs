//! One menu of those of several volumes, and its default.

use super::settings::{Settings, Wanted, What};
use super::{Code, Diagnostic, Entry, Format, Menu, sort};
use crate::order;
use crate::text::quoted;

/// Which volumes belong together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Group {
    /// The same for the EFI system partition and the extended boot partition of
    /// one disk, whose entries are sorted together (UAPI.1).
    pub number: usize,
    /// Whether it is the former, whose settings come first: systemd-boot reads
    /// no others.
    pub is_esp: bool,
}

/// Puts the menus of volumes together, each [`Entry::volume`] being the place in
/// `menus`: group by group, in the order in which groups come first; in a group
/// what follows the Boot Loader Specification sorted together, then what does
/// not, as it stands. Says which entry is the default and how long the menu
/// waits.
#[must_use]
pub fn merge(menus: Vec<(Group, Menu)>) -> Menu {
    let mut merged = Menu::default();
    let mut settings = Vec::new();
    for (volumes, menus) in groups(menus) {
        let (mut sorted, mut others) = (Vec::new(), Vec::new());
        for (volume, mut menu) in volumes.into_iter().zip(menus) {
            menu.entries.iter_mut().for_each(|entry| entry.volume = volume);
            let (bls, other): (Vec<_>, Vec<_>) = menu.entries.into_iter().partition(is_specified);
            sorted.extend(bls);
            others.extend(other);
            merged.diagnostics.extend(menu.diagnostics);
            merged.read.extend(menu.read);
            settings.push((volume, menu.settings));
        }
        order::sort_by(&mut sorted, sort::order);
        merged.entries.extend(sorted);
        merged.entries.extend(others);
    }
    merged.settle(settings);
    merged
}

/// Numbers of volumes, and their menus.
type Volumes = (Vec<usize>, Vec<Menu>);

/// The groups; in each the EFI system partition first.
fn groups(menus: Vec<(Group, Menu)>) -> Vec<Volumes> {
    let mut groups: Vec<(usize, Volumes)> = Vec::new();
    for (volume, (group, menu)) in menus.into_iter().enumerate() {
        if !groups.iter().any(|(number, _)| *number == group.number) {
            groups.push((group.number, Volumes::default()));
        }
        let found = groups.iter_mut().find(|(number, _)| *number == group.number);
        let Some((_, (volumes, menus))) = found else { continue };
        let at = if group.is_esp { 0 } else { volumes.len() };
        volumes.insert(at, volume);
        menus.insert(at, menu);
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

const fn is_specified(entry: &Entry) -> bool {
    matches!(entry.format, Format::Bls | Format::Uki)
}

impl Menu {
    /// Takes over the settings of its volumes, the first that says something
    /// first.
    fn settle(&mut self, settings: Vec<(usize, Settings)>) {
        let saved = settings
            .iter()
            .find_map(|(volume, settings)| Some((*volume, settings.saved.as_ref()?)));
        let wishes = settings.iter().filter_map(|(volume, settings)| {
            let wanted = settings.default.as_ref()?;
            if wanted.what == What::Saved { saved } else { Some((*volume, wanted)) }
        });
        let (mut default, mut stale) = (None, Vec::new());
        for (volume, wanted) in wishes.chain(saved) {
            default = self.find_wanted(volume, wanted);
            if default.is_some() {
                break;
            }
            stale.push(stale_default(wanted));
        }
        stale.dedup();
        self.diagnostics.extend(stale);
        self.default = default.or_else(|| self.entries.iter().position(Entry::is_bootable));
        let all = settings.into_iter().map(|(_, settings)| settings);
        self.settings = all.fold(Settings::default(), Settings::or);
        self.timeout = self.settings.timeout.unwrap_or_default();
    }

    fn find_wanted(&self, volume: usize, wanted: &Wanted) -> Option<usize> {
        let name = match &wanted.what {
            What::Pattern(pattern) => return self.named_by(pattern),
            What::Named(name) => name,
            What::Saved => return None,
        };
        let of_volume = || {
            let all = self.entries.iter().enumerate();
            all.filter(move |(_, entry)| entry.volume == volume)
        };
        let is_named = |entry: &Entry| entry.id == *name || entry.loader_id() == *name;
        let by_id = of_volume().find(|(_, entry)| is_named(entry));
        let by_title = || of_volume().find(|(_, entry)| entry.title.as_ref() == Some(name));
        let by_number = || of_volume().nth(name.parse().ok()?);
        by_id.or_else(by_title).or_else(by_number).map(|(index, _)| index)
    }

    /// Index of the first entry that a pattern means.
    pub(super) fn named_by(&self, pattern: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.is_named_by(pattern))
    }
}

fn stale_default(wanted: &Wanted) -> Diagnostic {
    let detail = match &wanted.what {
        What::Pattern(name) => format!("default {} matches no entry", quoted(name)),
        What::Named(name) => format!("the default {} is no entry", quoted(name)),
        What::Saved => "no entry was saved".to_owned(),
    };
    Diagnostic::new(&wanted.file, wanted.line, Code::Setting, detail)
}
