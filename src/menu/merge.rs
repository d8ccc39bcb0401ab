//! One menu of those of several volumes, and its default.

use crate::base::glob::Pattern;
use crate::base::sort::sort_by;
use crate::base::text::quoted;
use crate::menu::bls::sort;
use crate::menu::settings::{Settings, Wanted, What};
use crate::menu::{Code, Diagnostic, Entry, Menu};

/// Most settings of a default that are tried, of all volumes.
const MAX_DEFAULTS: usize = 16;

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
    let names: Vec<_> = menus.iter().map(|(_, menu)| menu.name.clone()).collect();
    for (volumes, menus) in groups(menus) {
        let mut sorted = Vec::new();
        let mut others = Vec::new();
        for (volume, mut menu) in volumes.into_iter().zip(menus) {
            menu.entries.iter_mut().for_each(|entry| entry.volume = volume);
            let (bls, other): (Vec<_>, Vec<_>) =
                menu.entries.into_iter().partition(|entry| entry.format.is_specified());
            sorted.extend(bls);
            others.extend(other);
            merged.diagnostics.extend(menu.diagnostics);
            merged.read.extend(menu.read);
            merged.cleared.extend(menu.cleared);
            settings.push((volume, menu.settings));
        }
        sort_by(&mut sorted, sort::order);
        merged.entries.extend(sorted);
        merged.entries.extend(others);
    }
    merged.unite_volumes(&names);
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
        let mut default = None;
        let mut stale = Vec::new();
        for (volume, wanted) in wishes.take(MAX_DEFAULTS).chain(saved) {
            default = self.find_wanted(volume, wanted);
            if default.is_some() {
                break;
            }
            stale.push(stale_default(wanted));
        }
        stale.dedup();
        self.diagnostics.extend(stale);
        let fallback = settings.iter().find(|(_, settings)| !settings.fallback.is_empty());
        self.fallback = fallback.map_or_else(Vec::new, |(volume, settings)| {
            settings.fallback.iter().filter_map(|id| self.find_on(*volume, id)).collect()
        });
        let chosen = default.and_then(|index| self.entries.get(index)).map(|entry| entry.volume);
        self.default = default.or_else(|| self.entries.iter().position(Entry::is_bootable));
        let all = settings.into_iter().map(|(volume, settings)| settings.of(volume, chosen));
        self.settings = all.fold(Settings::default(), Settings::or);
        self.timeout = self.settings.timeout.unwrap_or_default();
    }

    /// The entry that it says that it begins with, before it is put together with others.
    #[must_use]
    pub fn wanted(&self) -> Option<&Entry> {
        let Settings { default, saved, .. } = &self.settings;
        let default = default.as_ref().filter(|wanted| wanted.what != What::Saved);
        let index = self.find_wanted(0, default.or(saved.as_ref())?)?;
        self.entries.get(index)
    }

    /// Index of the entry with this id on a volume.
    fn find_on(&self, volume: usize, id: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.volume == volume && entry.id == id)
    }

    fn find_wanted(&self, volume: usize, wanted: &Wanted) -> Option<usize> {
        let name = match &wanted.what {
            What::Pattern(pattern) => return self.named_by(pattern),
            What::Named(name) => name,
            What::Saved => return None,
        };
        let entries = self.entries.iter().enumerate();
        let mut of_volume = entries.filter(|(_, entry)| entry.volume == volume);
        let by_id = of_volume.clone().find(|(_, entry)| entry.has_id(name));
        by_id
            .or_else(|| of_volume.clone().find(|(_, entry)| entry.title.as_ref() == Some(name)))
            .or_else(|| of_volume.nth(name.parse().ok()?))
            .map(|(index, _)| index)
    }

    /// Index of the first entry that a pattern means. However many entries there are,
    /// a pattern that takes too long for all of them means none.
    #[must_use]
    pub fn named_by(&self, pattern: &str) -> Option<usize> {
        let mut pattern = Pattern::new(pattern);
        self.entries.iter().position(|entry| entry.is_matched(&mut pattern))
    }
}

impl Settings {
    /// Those of a volume, of which a choice for one boot counts only if the default is
    /// of that volume.
    fn of(mut self, volume: usize, chosen: Option<usize>) -> Self {
        self.next_entry = self.next_entry.filter(|_| chosen == Some(volume));
        if let Some(next) = &mut self.next_entry {
            next.volume = volume;
        }
        self
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::arch::Arch;
    use crate::menu::{
        From, Memory, NextEntry, Target, Timeout, Wish, read_volume, resolve_default,
    };

    const ESP: Group = Group { number: 0, is_esp: true };
    const XBOOTLDR: Group = Group { number: 0, is_esp: false };
    const OTHER: Group = Group { number: 1, is_esp: false };

    fn menu(files: &[(&str, &str)]) -> Menu {
        let files: Memory = files.iter().copied().collect();
        read_volume(&files, &Target::new(Arch::X86_64, &[]))
    }

    fn entry(name: &str) -> (String, &'static str) {
        (format!("/loader/entries/{name}.conf"), "linux /a\ntitle Linux\n")
    }

    fn volume(names: &[&str], more: &[(&str, &str)]) -> Menu {
        let entries: Vec<_> = names.iter().map(|name| entry(name)).collect();
        let entries = entries.iter().map(|(path, text)| (path.as_str(), *text));
        menu(&entries.chain(more.iter().copied()).collect::<Vec<_>>())
    }

    fn ids(menu: &Menu) -> Vec<(usize, &str)> {
        menu.entries.iter().map(|entry| (entry.volume, entry.id.as_str())).collect()
    }

    fn default(menu: &Menu) -> Option<&str> {
        menu.default.map(|index| menu.entries[index].id.as_str())
    }

    fn messages(menu: &Menu) -> Vec<String> {
        menu.diagnostics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_disks_boot_partitions_are_sorted_together_and_other_disks_follow() {
        let menus = vec![
            (XBOOTLDR, volume(&["b", "d"], &[])),
            (OTHER, volume(&["e"], &[])),
            (ESP, volume(&["a", "c"], &[])),
        ];
        assert_eq!(ids(&merge(menus)), [(0, "d"), (2, "c"), (0, "b"), (2, "a"), (1, "e")]);
    }

    #[test]
    fn one_id_on_two_volumes_stays_twice_and_means_the_first() {
        let merged = merge(vec![(OTHER, volume(&["a"], &[])), (ESP, volume(&["a"], &[]))]);
        assert_eq!(ids(&merged), [(0, "a"), (1, "a")]);
        assert_eq!(merged.find("a"), Some(0));
        assert_eq!(messages(&merged), [""; 0]);
    }

    #[test]
    fn the_efi_system_partitions_settings_come_first() {
        const LOADER_CONF: &str = "/loader/loader.conf";
        let merged = merge(vec![
            (XBOOTLDR, volume(&["a", "b"], &[(LOADER_CONF, "timeout 9\ndefault b\neditor no")])),
            (ESP, volume(&["c"], &[(LOADER_CONF, "timeout 7\ndefault a")])),
        ]);
        assert_eq!((default(&merged), merged.timeout), (Some("a"), Timeout::Seconds(7)));
        assert!(!merged.settings.editor, "what one forbids is forbidden");
        let merged = merge(vec![
            (XBOOTLDR, volume(&["a", "b"], &[(LOADER_CONF, "timeout 9")])),
            (ESP, volume(&["c"], &[(LOADER_CONF, "default none*")])),
        ]);
        assert_eq!((default(&merged), merged.timeout), (Some("c"), Timeout::Seconds(9)));
        let expected = "/loader/loader.conf:1: SETTING: default \"none*\" matches no entry";
        assert_eq!(messages(&merged), [expected]);
    }

    #[test]
    fn what_was_saved_is_an_id_a_title_or_a_number_of_the_same_volume() {
        for (saved, expected) in [
            ("a-1", "a-1"),
            ("a-1.conf", "a-1"),
            ("Other", "b"),
            ("1", "a-1"),
            ("0", "b"),
            ("gone", "b"),
        ] {
            let block = format!("# GRUB Environment Block\nsaved_entry={saved}\n####");
            let entry = ("/loader/entries/b.conf", "linux /b\ntitle Other\n");
            let found = volume(&["a-1"], &[("/grub2/grubenv", &block), entry]);
            let merged = merge(vec![(OTHER, volume(&["a-1"], &[])), (ESP, found)]);
            let default = merged.default.map(|index| &merged.entries[index]).unwrap();
            if saved == "gone" {
                let expected = "/grub2/grubenv: SETTING: the default \"gone\" is no entry";
                assert_eq!((messages(&merged), default.volume), (vec![expected.to_owned()], 0));
            } else {
                assert_eq!((default.volume, default.id.as_str()), (1, expected), "{saved}");
            }
        }
    }

    #[test]
    fn settings_come_before_what_was_saved_unless_they_ask_for_it() {
        let env = ("/grub2/grubenv", "saved_entry=a\n");
        for (conf, expected) in [("default c", "c"), ("default @saved", "a"), ("timeout 3", "a")] {
            let found = volume(&["a", "b", "c"], &[env, ("/loader/loader.conf", conf)]);
            assert_eq!(default(&merge(vec![(ESP, found)])), Some(expected), "{conf}");
        }
        let found = volume(&["a", "b"], &[("/loader/loader.conf", "default @saved")]);
        assert_eq!(default(&merge(vec![(ESP, found)])), Some("b"), "nothing was saved");
    }

    #[test]
    fn what_follows_the_default_and_what_is_for_one_boot_are_of_the_defaults_volume() {
        let menu = |default: &str, fallback: &str| {
            let mut menu = volume(&["a", "b"], &[]);
            let file = "/grub/grub.cfg".to_owned();
            menu.settings.default =
                Some(Wanted { what: What::Named(default.to_owned()), file, line: None });
            menu.settings.fallback = vec!["gone".to_owned(), fallback.to_owned()];
            menu.settings.next_entry =
                Some(NextEntry { volume: 0, device: None, value: default.to_owned() });
            menu
        };
        let merged = merge(vec![(OTHER, menu("gone", "b")), (ESP, menu("b", "a"))]);
        let next = merged.settings.next_entry.as_ref();
        assert_eq!(next.map(|next| (next.volume, next.value.as_str())), Some((1, "b")));
        let ids: Vec<_> = merged.fallback.iter().map(|index| &merged.entries[*index]).collect();
        assert_eq!(ids.iter().map(|e| (e.volume, e.id.as_str())).collect::<Vec<_>>(), [(0, "b")]);
    }

    fn wish(from: From, pattern: &str) -> Wish {
        Wish { from, pattern: pattern.to_owned() }
    }

    #[test]
    fn wishes_of_firmware_come_first_and_a_stale_one_is_said() {
        let found = volume(&["a", "b", "c"], &[("/loader/loader.conf", "default a")]);
        let merged = merge(vec![(ESP, found)]);
        let both = [wish(From::OneShot, "b.conf"), wish(From::Saved, "c.conf")];
        assert_eq!(resolve_default(&merged, &both), (merged.find("b"), vec![]));
        let stale = [wish(From::OneShot, "x\u{1b}"), wish(From::Saved, "C.conf")];
        let said = "the entry for this one boot, \"x\\u{1b}\", is not in the menu and is passed \
                    over"
            .to_owned();
        assert_eq!(resolve_default(&merged, &stale), (merged.find("c"), vec![said]));
        let (found, said) = resolve_default(&merged, &[wish(From::Configured, "x")]);
        assert_eq!((found, said.len()), (merged.find("a"), 1));
    }
}
