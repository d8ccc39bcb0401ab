//! The volumes that a command is about, opened, and their menu: directories that
//! stand for boot partitions, a block device, or this machine's own.

use std::path::Path;
use std::sync::Arc;

use super::source::{Location, Source};
use crate::base::similar::is_close;
use crate::failure::{Failure, Stage};
use crate::menu::{
    self, Budget, Code, Device, Diagnostic, Entry, Format, Group, Identity, Limits, Menu, Metered,
    Read, Sieve, Sight, Target, Variables,
};
use crate::source::directory::Directory;
use crate::source::filesystem;
use crate::sys::mounted::{self, Mounted};
use crate::sys::read::{Root, Roots};
use crate::sys::{block, clock, efivars, file, mount};

/// Where boot partitions are mounted on a running system.
const PLACES: [&str; 3] = ["/boot", "/efi", "/boot/efi"];

/// How the name of an environment block of GRUB ends.
const ENVIRONMENT: &str = "/grubenv";

/// Where the manifests of a volume lie, and how their names end (docs/manifest.md).
const MANIFESTS: &str = "/turnout";
const MANIFEST: &str = ".manifest";
/// Most that are looked at beside those of menu entries.
const MOST_MANIFESTS: usize = 64;

/// An opened volume.
pub(super) struct Volume {
    /// What its paths are told by.
    name: String,
    /// Where it is, for people.
    pub(super) place: String,
    root: Arc<Root>,
    /// Whether its menus may lie in its subvolumes.
    is_btrfs_top: bool,
    /// What menus may call it and know it by.
    identity: Identity,
    /// What it may cost before it is verified.
    budget: Budget,
    group: Group,
}

/// The volumes, what was looked at on each, and the menu of all together.
pub(super) struct Menus {
    pub(super) volumes: Vec<Volume>,
    /// One list a volume.
    pub(super) read: Vec<Vec<Read>>,
    /// The environment blocks among what was read, one list a volume.
    pub(super) variables: Vec<Vec<Variables>>,
    pub(super) menu: Menu,
}

impl Menus {
    /// Opens the volumes and reads their menus.
    ///
    /// # Errors
    /// A volume that cannot be opened.
    pub(super) fn read(source: &Source, target: &Target<'_>) -> Result<Self, Failure> {
        let volumes = open_all(&source.location)?;
        let is_bios = source.location == Location::Here && !efivars::has_efi();
        let mut menus = read_all(source, &volumes, target, is_bios);
        let both = volumes.iter().zip(&menus);
        let variables = both.map(|(volume, menu)| volume.variables(menu)).collect();
        let others = volumes.iter().zip(&mut menus).skip(1);
        others.for_each(|(volume, menu)| volume.name_files(menu));
        let read = menus.iter().map(|menu| menu.read.clone()).collect();
        let groups = volumes.iter().map(|volume| volume.group);
        Ok(Self { read, variables, menu: menu::merge(groups.zip(menus).collect()), volumes })
    }
}

/// The menus, each volume seeing all others.
fn read_all(source: &Source, volumes: &[Volume], target: &Target<'_>, is_bios: bool) -> Vec<Menu> {
    let wanted = if source.config.is_some() { 1 } else { volumes.len() };
    let menus = volumes.iter().take(wanted).map(|volume| {
        let others = volume.others(volumes);
        let files = volume.menus().seeing(Sight {
            is_bios,
            is_one_file: source.config.is_some(),
            ..volume.sight(&others)
        });
        match &source.config {
            Some(path) => configured(&files, path, source.format, target),
            None if volume.is_btrfs_top => menu::read_subvolumes(&files, target),
            None => menu::read_below(&files, target, ""),
        }
    });
    menus.collect()
}

/// A file that is not there gives no entries and says so.
fn configured(
    files: &Metered<'_>,
    path: &str,
    format: Option<Format>,
    target: &Target<'_>,
) -> Menu {
    menu::read_config(files, path, format, target).unwrap_or_else(|why| {
        let found = menu::Found::Unreadable(why.clone());
        Menu {
            diagnostics: vec![Diagnostic::new(path, None, Code::Unreadable, why)],
            read: vec![Read { path: path.to_owned(), found }],
            ..Menu::default()
        }
    })
}

/// Opens the volumes, the main one first. A device is mounted read-only where only
/// this process sees it.
///
/// # Errors
/// The first that cannot be opened.
fn open_all(location: &Location) -> Result<Vec<Volume>, Failure> {
    match location {
        Location::Here => here(),
        Location::Directories(all) => all.iter().map(open_directory).collect(),
        Location::Device(device) => Ok(vec![open_device(device)?]),
    }
}

fn open_directory(directory: &Directory) -> Result<Volume, Failure> {
    let Mounted { identity, subvolume, is_btrfs_top } =
        mounted::at(&directory.path).unwrap_or_default();
    let root = open(&directory.path)?.of_subvolume(subvolume);
    let name = directory.identity.name.clone();
    let identity = directory.known(identity);
    Ok(Volume { identity, is_btrfs_top, ..Volume::new(name, directory.place(), root) })
}

impl Volume {
    fn new(name: String, place: String, root: Root) -> Self {
        let budget = Budget::new(Limits::DEFAULT, clock::spent);
        let identity = Identity { name: name.clone(), ..Identity::default() };
        let root = Arc::new(root);
        let group = Group::default();
        Self { name, place, root, is_btrfs_top: false, identity, budget, group }
    }

    /// The same, once it is known which device it is.
    fn of_device(self, name: &str) -> Self {
        let found = block::named(name);
        Self { identity: found.map_or(self.identity, |found| found.identity()), ..self }
    }

    fn menus(&self) -> Metered<'_> {
        Metered::menus(&*self.root, &self.budget)
    }

    /// What its menus may look for beside it.
    fn others<'a>(&self, all: &'a [Self]) -> Vec<Device<'a>> {
        let others = all.iter().filter(|other| !core::ptr::eq(*other, self));
        others.map(|other| Device { identity: &other.identity, files: &*other.root }).collect()
    }

    const fn sight<'a>(&'a self, others: &'a [Device<'a>]) -> Sight<'a> {
        Sight { others, ..Sight::alone(&self.identity) }
    }

    /// The files, to judge entries and updates.
    pub(super) fn judging(&self) -> Metered<'_> {
        Metered::judging(&*self.root, &self.budget)
    }

    /// The ids of the manifests in their folder, as far as it can be read.
    fn manifests(&self) -> Vec<String> {
        let sieve = Sieve { wanted: |name| name.ends_with(MANIFEST), most: MOST_MANIFESTS };
        let names = self.judging().names(MANIFESTS, sieve).unwrap_or_default().names;
        names.iter().filter_map(|name| name.strip_suffix(MANIFEST)).map(str::to_owned).collect()
    }

    fn variables(&self, menu: &Menu) -> Vec<Variables> {
        let blocks = menu.read.iter().filter(|read| is_environment(read));
        blocks.filter_map(|read| self.environment(&read.path)).collect()
    }

    fn environment(&self, path: &str) -> Option<Variables> {
        let bytes = self.judging().read(path, menu::MAX_FILE_SIZE).ok().flatten()?;
        Some(Variables::parse(path, &bytes))
    }
}

fn is_gone() -> Failure {
    Failure::broken("FILE", "its volume is gone".to_owned())
}

fn is_environment(read: &Read) -> bool {
    read.found == menu::Found::Settings && read.path.ends_with(ENVIRONMENT)
}

impl Menus {
    /// Manifests of systems that no menu has, each as an entry that has nothing but its
    /// id and its volume.
    pub(super) fn without_entry(&self) -> Vec<Entry> {
        let volumes = self.volumes.iter().enumerate();
        let all = volumes.flat_map(|(index, volume)| {
            volume.manifests().into_iter().map(move |id| Entry {
                id,
                volume: index,
                ..Entry::default()
            })
        });
        let is_in_menu = |one: &Entry| {
            self.menu.entries.iter().any(|entry| entry.id == one.id && entry.volume == one.volume)
        };
        all.filter(|one| !is_in_menu(one)).collect()
    }

    /// Where was looked, for who finds nothing there.
    pub(super) fn places(&self) -> String {
        let places: Vec<_> = self.volumes.iter().map(|volume| volume.place.as_str()).collect();
        places.join(", ")
    }

    /// The volume of an entry.
    pub(super) fn volume(&self, entry: &Entry) -> Option<&Volume> {
        self.volumes.get(entry.volume)
    }

    /// Does something with the files of an entry's volume, and with those of others
    /// that are the entry's.
    ///
    /// # Errors
    /// The volume is gone.
    pub(super) fn judging<T>(
        &self,
        entry: &Entry,
        judge: impl FnOnce(&Metered<'_>) -> T,
    ) -> Result<T, Failure> {
        let volume = self.volume(entry).ok_or_else(is_gone)?;
        let others = volume.others(&self.volumes);
        Ok(judge(&volume.judging().seeing(volume.sight(&others))))
    }

    /// The devices that the files of an entry are on.
    ///
    /// # Errors
    /// The volume is gone.
    pub(super) fn roots(&self, entry: &Entry) -> Result<Roots, Failure> {
        let home = self.volume(entry).ok_or_else(is_gone)?;
        let named = entry.files().filter_map(menu::split).map(|(name, _)| name);
        let others = named.filter_map(|name| Some((name, self.named(name)?)));
        let home = Roots::from(Arc::clone(&home.root));
        Ok(others.fold(home, |roots, (name, other)| roots.with(name, Arc::clone(&other.root))))
    }

    fn named(&self, name: &str) -> Option<&Volume> {
        self.volumes.iter().find(|volume| volume.identity.name() == name)
    }

    /// A path of a volume as people are told it: `(name)/path`, but `/path` on
    /// the main one. One on another volume says so itself.
    pub(super) fn told(&self, volume: usize, path: &str) -> String {
        let named = menu::split(path).and_then(|(name, path)| Some((self.named(name)?, path)));
        let (volume, path) = match (named, self.volumes.get(volume)) {
            (Some(named), _) => named,
            (None, Some(volume)) => (volume, path),
            (None, None) => return path.to_owned(),
        };
        let is_main = self.volumes.first().is_some_and(|main| core::ptr::eq(main, volume));
        if is_main { path.to_owned() } else { volume.told(path) }
    }

    /// The main volume.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn main(&self) -> Result<&Volume, Failure> {
        self.volumes
            .first()
            .ok_or_else(|| Failure::new(Stage::Discover, "there is no boot partition"))
    }

    /// Adds what was left out because it says it is for another architecture, as
    /// the menu for that has it.
    pub(super) fn add_of_other_arch(&mut self, other: Self) {
        let more = other.menu.entries.into_iter();
        self.menu.entries.extend(more.filter(|entry| entry.architecture.is_some()));
        self.menu.diagnostics.retain(|diagnostic| diagnostic.code != Code::Architecture);
    }

    /// Index of the first entry that is called so: by its id, as systemd's tools
    /// call it, or with the name of its volume.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        let mut entries = self.menu.entries.iter();
        self.menu.find(name).or_else(|| entries.position(|entry| self.is_called(entry, name)))
    }

    fn is_called(&self, entry: &Entry, name: &str) -> bool {
        entry.loader_id() == name || self.told(entry.volume, &entry.id) == name
    }

    /// That an entry is not there, and which ones are like it.
    pub(super) fn no_such(&self, id: &str) -> String {
        let ids: Vec<_> = self.menu.entries.iter().map(|entry| entry.id.as_str()).collect();
        if ids.is_empty() {
            return self.nothing();
        }
        let near = match near(id, &ids).as_slice() {
            [] => String::new(),
            near => format!(": did you mean {}?", near.join(" or ")),
        };
        format!("there is no entry {id}; there is {}{near}", some(&ids))
    }

    /// What was looked at and came to nothing, for who finds no entry.
    pub(super) fn nothing(&self) -> String {
        format!("there is no menu entry in {}", self.places())
    }

    /// What to do where an entry's device is none of the volumes.
    pub(super) fn advice(&self) -> Option<&'static str> {
        let mut problems = self.menu.entries.iter().flat_map(|entry| &entry.problems);
        problems.any(|problem| problem.code == Code::Device).then_some(
            "DEVICE: say by what menus know the device of each directory, with \
             --root NAME=DIR,uuid=U.",
        )
    }

    /// Files that were there and gave no entry, each with the reason, where it has one.
    pub(super) fn fruitless(&self) -> Vec<String> {
        let there = self.read.iter().flatten();
        let told = there.filter_map(|read| match &read.found {
            menu::Found::Entries(0) => Some(format!("{} has none", read.path)),
            menu::Found::Unreadable(why) => Some(why.clone()),
            _ => None,
        });
        told.take(LISTED).collect()
    }
}

impl Volume {
    fn told(&self, path: &str) -> String {
        format!("({}){path}", self.name)
    }

    /// Has what is said of its files say whose they are.
    fn name_files(&self, menu: &mut Menu) {
        let problems = menu.entries.iter_mut().flat_map(|entry| &mut entry.problems);
        for diagnostic in menu.diagnostics.iter_mut().chain(problems) {
            diagnostic.file = self.told(&diagnostic.file);
        }
        menu.read.iter_mut().for_each(|read| read.path = self.told(&read.path));
    }
}

/// How many ids an error lists.
const LISTED: usize = 8;

/// The first few, and how many there are besides.
fn some(ids: &[&str]) -> String {
    let listed: Vec<_> = ids.iter().take(LISTED).copied().collect();
    match ids.len().saturating_sub(LISTED) {
        0 => listed.join(", "),
        more => format!("{} and {more} more", listed.join(", ")),
    }
}

/// Ids that somebody may have meant: case and suffix aside, one is in the other,
/// or few letters are wrong.
fn near<'a>(wanted: &str, ids: &[&'a str]) -> Vec<&'a str> {
    let wanted = wanted.to_ascii_lowercase();
    let wanted = wanted.trim_end_matches(".conf").trim_end_matches(".efi");
    ids.iter().filter(|id| is_near(wanted, id)).take(LISTED).copied().collect()
}

fn is_near(wanted: &str, id: &str) -> bool {
    let id = id.to_ascii_lowercase();
    id.contains(wanted) || wanted.contains(&id) || is_close(wanted, &id)
}

/// Every place of this machine that holds a boot partition. A `/boot` that is
/// none is a directory of the root file system, which PID 1 would read.
fn here() -> Result<Vec<Volume>, Failure> {
    let mounted = mount::places();
    let mut found: Vec<(&str, &str)> = Vec::new();
    for place in PLACES {
        let place = match device_at(&mounted, place) {
            Some(device) => (place, device),
            None if place == "/boot" && has_files(place) => {
                ("/", device_at(&mounted, "/").unwrap_or("/"))
            }
            None => continue,
        };
        if found.iter().all(|(_, device)| *device != place.1) {
            found.push(place);
        }
    }
    if found.is_empty() {
        return Err(Failure::new(Stage::Discover, nowhere()));
    }
    found.into_iter().map(|(place, _)| open_place(place)).collect()
}

/// The device that is mounted on a place: the last that was.
fn device_at<'a>(mounted: &'a [(String, String)], place: &str) -> Option<&'a str> {
    let last = mounted.iter().rev().find(|(mounted, _)| mounted == place);
    last.map(|(_, device)| device.as_str())
}

fn has_files(directory: &str) -> bool {
    file::names(directory).is_ok_and(|names| !names.is_empty())
}

fn nowhere() -> String {
    let places = PLACES.join(", ");
    format!("there is none of {places}; name the boot partition with --root DIR or --device DEV")
}

fn open_place(place: &str) -> Result<Volume, Failure> {
    // systemd-boot reads the settings of the EFI system partition.
    let group = Group { number: 0, is_esp: place.ends_with("efi") };
    let mounted = mounted::at(Path::new(place)).unwrap_or_default();
    let root = open(Path::new(place))?.of_subvolume(mounted.subvolume);
    let is_btrfs_top = mounted.is_btrfs_top;
    let volume =
        Volume { group, is_btrfs_top, ..Volume::new(place.to_owned(), place.to_owned(), root) };
    // A device that nothing is known of is called by its place.
    let is_known = !mounted.identity.name.is_empty();
    Ok(if is_known { Volume { identity: mounted.identity, ..volume } } else { volume })
}

fn open(directory: &Path) -> Result<Root, Failure> {
    let Some(path) = directory.to_str() else {
        let why = format!("{}: the path is not UTF-8", directory.display());
        return Err(Failure::new(Stage::Read, why));
    };
    Root::open(path).map_err(at_read)
}

fn open_device(device: &Path) -> Result<Volume, Failure> {
    let name = device.display().to_string();
    let start = file::read_first(device, filesystem::PROBE_BYTES as u64).map_err(at_read)?;
    let found = filesystem::identify(&start).ok_or_else(|| {
        Failure::new(Stage::Read, format!("{name}: no file system that Turnout knows"))
    })?;
    mount::keep_to_this_process().map_err(at_read)?;
    let device = mount::Device { name: &name, window: None };
    let mounted = mount::Volume::mount(&device, PLACES[0].to_owned(), found.kind.name(), None);
    // What is open on it stays, and so does the file system.
    let mounted = mounted.map_err(|error| {
        let why = format!("{error}; if it is mounted already, name the place with --root");
        Failure::new(Stage::Read, why)
    })?;
    let Mounted { subvolume, is_btrfs_top, .. } =
        mounted::at(Path::new(mounted.place())).unwrap_or_default();
    let root = open(Path::new(mounted.place()))?.of_subvolume(subvolume);
    let identity = Identity {
        uuid: found.uuid,
        label: found.label,
        file_system: Some(found.kind.name()),
        ..Identity::default()
    };
    let volume = Volume { identity, is_btrfs_top, ..Volume::new(name.clone(), name.clone(), root) };
    Ok(volume.of_device(name.strip_prefix("/dev/").unwrap_or_default()))
}

fn at_read(error: crate::sys::Error) -> Failure {
    Failure::new(Stage::Read, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_nearly_one_is_recognised() {
        let ids = ["debian-6.1.0-50-amd64", "Good", "rescue"];
        assert_eq!(near("godo", &ids), ["Good"]);
        assert_eq!(near("good.conf", &ids), ["Good"]);
        assert_eq!(near("debian-6.1", &ids), ["debian-6.1.0-50-amd64"]);
        assert_eq!(near("windows", &ids), [""; 0]);
    }
}
