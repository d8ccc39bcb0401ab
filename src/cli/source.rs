//! The volumes that a command is about, and their menu: directories that stand
//! for boot partitions, a block device, or this machine's own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::base::similar::is_close;
use crate::base::text::quoted;
use crate::failure::{Failure, Stage};
use crate::menu::{
    self, Code, Diagnostic, Entry, Files as _, Format, Group, Menu, Read, Target, Variables,
};
use crate::source::filesystem;
use crate::sys::read::Root;
use crate::sys::{file, mount};

/// Where boot partitions are mounted on a running system.
const PLACES: [&str; 3] = ["/boot", "/efi", "/boot/efi"];

/// How the name of an environment block of GRUB ends.
const ENVIRONMENT: &str = "/grubenv";

/// Names by which people know a format, besides [`Format::name`].
const ALIASES: [(&str, Format); 3] = [
    ("syslinux", Format::Syslinux),
    ("isolinux", Format::Syslinux),
    ("pxelinux", Format::Syslinux),
];

/// What is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) place: Place,
    /// The only menu file that counts, as a path on the first volume.
    pub(super) config: Option<String>,
    /// Its format, where its name does not tell.
    pub(super) format: Option<Format>,
}

/// Where the volumes are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// This machine's.
    #[default]
    Here,
    /// Directories that stand for volumes, the main one first; never empty.
    Directories(Vec<Directory>),
    /// A block device.
    Device(PathBuf),
}

/// A directory that stands for a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Directory {
    /// What paths on it are told by; empty for one that was given no name.
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) uuid: Option<String>,
    pub(super) label: Option<String>,
    pub(super) partlabel: Option<String>,
}

/// An opened volume.
pub(super) struct Volume {
    /// What its paths are told by.
    name: String,
    /// Where it is, for people.
    pub(super) place: String,
    pub(super) root: Root,
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

impl Source {
    /// Takes one option over: `root`, `device`, `config` or `format`.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub(super) fn take(&mut self, name: &str, value: &OsStr) -> Result<(), String> {
        match name {
            "root" => self.add_root(value),
            "device" if self.place == Place::Here => {
                self.place = Place::Device(value.into());
                Ok(())
            }
            "device" => Err("only one of --root and --device, and --device once".to_owned()),
            "config" => set(&mut self.config, name, text(value)?.to_owned()),
            _ => set(&mut self.format, name, format(text(value)?)?),
        }
    }

    fn add_root(&mut self, value: &OsStr) -> Result<(), String> {
        let directory = Directory::parse(value)?;
        match &mut self.place {
            Place::Here => self.place = Place::Directories(vec![directory]),
            Place::Device(_) => return Err("only one of --root and --device".to_owned()),
            Place::Directories(all) => {
                if directory.name.is_empty() {
                    let value = quoted(&value.to_string_lossy());
                    return Err(format!(
                        "a second root needs a name: --root NAME=DIR, not {value}"
                    ));
                }
                if all.iter().any(|other| other.name == directory.name) {
                    return Err(format!("two roots are called {}", quoted(&directory.name)));
                }
                all.push(directory);
            }
        }
        Ok(())
    }

    /// What only the whole command line tells.
    ///
    /// # Errors
    /// A sentence about what is missing.
    pub(super) fn check(&self) -> Result<(), String> {
        match (&self.format, &self.config) {
            (Some(format), None) => Err(format!(
                "--format {} says how to read a file, and --config names none",
                format.name()
            )),
            _ => Ok(()),
        }
    }

    /// Opens the volumes and reads their menus.
    ///
    /// # Errors
    /// A volume that cannot be opened.
    pub(super) fn read(&self, target: &Target<'_>) -> Result<Menus, Failure> {
        let volumes = self.place.open()?;
        let mut menus = self.menus(&volumes, target);
        let variables = volumes.iter().zip(&menus).map(|(volume, menu)| volume.variables(menu));
        let variables = variables.collect();
        let others = volumes.iter().zip(&mut menus).skip(1);
        others.for_each(|(volume, menu)| volume.name_files(menu));
        let read = menus.iter().map(|menu| menu.read.clone()).collect();
        let groups = volumes.iter().map(|volume| volume.group);
        Ok(Menus { read, variables, menu: menu::merge(groups.zip(menus).collect()), volumes })
    }

    fn menus(&self, volumes: &[Volume], target: &Target<'_>) -> Vec<Menu> {
        match (&self.config, volumes.first()) {
            (Some(path), Some(main)) => vec![self.configured(&main.root, path, target)],
            _ => volumes.iter().map(|volume| volume.menu(target)).collect(),
        }
    }

    /// A file that is not there gives no entries and says so.
    fn configured(&self, root: &Root, path: &str, target: &Target<'_>) -> Menu {
        menu::read_config(root, path, self.format, target).unwrap_or_else(|why| {
            let found = menu::Found::Unreadable(why.clone());
            Menu {
                diagnostics: vec![Diagnostic::new(path, None, Code::Unreadable, why)],
                read: vec![Read { path: path.to_owned(), found }],
                ..Menu::default()
            }
        })
    }
}

impl Place {
    /// Opens the volumes, the main one first. A device is mounted read-only where
    /// only this process sees it.
    ///
    /// # Errors
    /// The first that cannot be opened.
    pub(super) fn open(&self) -> Result<Vec<Volume>, Failure> {
        match self {
            Self::Here => here(),
            Self::Directories(all) => all.iter().map(Directory::open).collect(),
            Self::Device(device) => Ok(vec![open_device(device)?]),
        }
    }
}

impl Directory {
    /// `DIR`, or `NAME=DIR[,uuid=U][,label=L][,partlabel=P]`. A path with a slash
    /// before the first equals sign is no name.
    fn parse(value: &OsStr) -> Result<Self, String> {
        let named = value.to_str().and_then(|value| value.split_once('='));
        let Some((name, rest)) = named.filter(|(name, _)| is_name(name)) else {
            return Ok(Self { path: value.into(), ..Self::default() });
        };
        let mut parts = rest.split(',');
        let path = PathBuf::from(parts.next().unwrap_or_default());
        let mut directory = Self { name: name.to_owned(), path, ..Self::default() };
        parts.try_for_each(|part| directory.identify(part))?;
        Ok(directory)
    }

    fn identify(&mut self, part: &str) -> Result<(), String> {
        let what = || {
            let part = quoted(part);
            format!("--root {}=DIR takes uuid=U, label=L and partlabel=P, not {part}", self.name)
        };
        let (key, value) = part.split_once('=').ok_or_else(what)?;
        let place = match key {
            "uuid" => &mut self.uuid,
            "label" => &mut self.label,
            "partlabel" => &mut self.partlabel,
            _ => return Err(what()),
        };
        *place = Some(value.to_owned());
        Ok(())
    }

    /// The directory and how its partition is called.
    fn place(&self) -> String {
        let known = [
            Some(self.name.clone()).filter(|name| !name.is_empty()),
            self.uuid.as_ref().map(|uuid| format!("UUID={uuid}")),
            self.label.as_ref().map(|label| format!("LABEL={label}")),
            self.partlabel.as_ref().map(|label| format!("PARTLABEL={label}")),
        ];
        let known: Vec<_> = known.into_iter().flatten().collect();
        let path = self.path.display();
        if known.is_empty() { path.to_string() } else { format!("{path} ({})", known.join(", ")) }
    }

    fn open(&self) -> Result<Volume, Failure> {
        Ok(Volume {
            name: self.name.clone(),
            place: self.place(),
            root: open(&self.path)?,
            group: Group::default(),
        })
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/')
}

fn set<T>(place: &mut Option<T>, name: &str, value: T) -> Result<(), String> {
    match place.replace(value) {
        Some(_) => Err(format!("--{name} is there twice")),
        None => Ok(()),
    }
}

fn text(value: &OsStr) -> Result<&str, String> {
    let what = || format!("{} is not UTF-8", quoted(&value.to_string_lossy()));
    value.to_str().ok_or_else(what)
}

fn format(name: &str) -> Result<Format, String> {
    let alias = || ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, format)| *format);
    Format::named(name).or_else(alias).ok_or_else(|| match name {
        "grub" | "grub2" => "scripts of GRUB (grub.cfg) are not supported yet".to_owned(),
        _ => {
            let all: Vec<_> = Format::ALL.into_iter().map(Format::name).collect();
            format!("there is no format {}; there is {}", quoted(name), all.join(", "))
        }
    })
}

impl Volume {
    fn menu(&self, target: &Target<'_>) -> Menu {
        menu::read_volume(&self.root, target)
    }

    fn variables(&self, menu: &Menu) -> Vec<Variables> {
        let is_block =
            |read: &&Read| read.found == menu::Found::Settings && read.path.ends_with(ENVIRONMENT);
        let text = |read: &Read| {
            let bytes = self.root.read(&read.path, menu::MAX_FILE_SIZE).ok().flatten()?;
            Some(Variables::parse(&read.path, &bytes))
        };
        menu.read.iter().filter(is_block).filter_map(text).collect()
    }
}

impl Menus {
    /// The volume of an entry.
    pub(super) fn volume(&self, entry: &Entry) -> Option<&Volume> {
        self.volumes.get(entry.volume)
    }

    /// A path of a volume as people are told it: `(name)/path`, but `/path` on
    /// the main one.
    pub(super) fn told(&self, volume: usize, path: &str) -> String {
        match self.volumes.get(volume).filter(|_| volume > 0) {
            Some(volume) => volume.told(path),
            None => path.to_owned(),
        }
    }

    /// The main volume.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn main(&self) -> Result<&Root, Failure> {
        let none = || Failure::new(Stage::Discover, "there is no boot partition");
        self.volumes.first().map(|volume| &volume.root).ok_or_else(none)
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
        let is_meant =
            |entry: &Entry| entry.loader_id() == name || self.told(entry.volume, &entry.id) == name;
        self.menu.find(name).or_else(|| self.menu.entries.iter().position(is_meant))
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
        let places: Vec<_> = self.volumes.iter().map(|volume| volume.place.as_str()).collect();
        format!("there is no menu entry in {}", places.join(", "))
    }
}

impl Volume {
    fn told(&self, path: &str) -> String {
        format!("({}){path}", self.name)
    }

    /// Has what is said of its files say whose they are.
    fn name_files(&self, menu: &mut Menu) {
        let name = |diagnostic: &mut Diagnostic| diagnostic.file = self.told(&diagnostic.file);
        menu.diagnostics.iter_mut().for_each(name);
        menu.entries.iter_mut().flat_map(|entry| &mut entry.problems).for_each(name);
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
    let is_near = |id: &&&str| {
        let id = id.to_ascii_lowercase();
        id.contains(wanted) || wanted.contains(&id) || is_close(wanted, &id)
    };
    ids.iter().filter(is_near).take(LISTED).copied().collect()
}

/// Every place of this machine that holds a boot partition. A `/boot` that is
/// none is a directory of the root file system, which PID 1 would read.
fn here() -> Result<Vec<Volume>, Failure> {
    let mounted = mount::places();
    let device = |place: &str| {
        let last = mounted.iter().rev().find(|(mounted, _)| mounted == place);
        last.map(|(_, device)| device.as_str())
    };
    let mut found: Vec<(&str, &str)> = Vec::new();
    for place in PLACES {
        let place = match device(place) {
            Some(device) => (place, device),
            None if place == "/boot" && has_files(place) => ("/", "/"),
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
    let root = open(Path::new(place))?;
    Ok(Volume { name: place.to_owned(), place: place.to_owned(), root, group })
}

fn open(directory: &Path) -> Result<Root, Failure> {
    let Some(path) = directory.to_str() else {
        let why = format!("{}: the path is not UTF-8", directory.display());
        return Err(Failure::new(Stage::Read, why));
    };
    Root::open(path).map_err(|error| Failure::new(Stage::Read, error))
}

fn open_device(device: &Path) -> Result<Volume, Failure> {
    let at_read = |error| Failure::new(Stage::Read, error);
    let name = device.display().to_string();
    let start = file::read_first(device, filesystem::PROBE_BYTES as u64).map_err(at_read)?;
    let found = filesystem::identify(&start).ok_or_else(|| {
        Failure::new(Stage::Read, format!("{name}: no file system that Turnout knows"))
    })?;
    mount::keep_to_this_process().map_err(at_read)?;
    let mounted = mount::Volume::mount(&name, PLACES[0].to_owned(), (found.kind.name(), None));
    // What is open on it stays, and so does the file system.
    let mounted = mounted.map_err(|error| {
        let why = format!("{error}; if it is mounted already, name the place with --root");
        Failure::new(Stage::Read, why)
    })?;
    let root = open(Path::new(mounted.place()))?;
    Ok(Volume { name: name.clone(), place: name, root, group: Group::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(options: &[(&str, &str)]) -> Result<Source, String> {
        let mut source = Source::default();
        let mut take = |(name, value): &(&str, &str)| source.take(name, OsStr::new(value));
        options.iter().try_for_each(&mut take)?;
        source.check().map(|()| source)
    }

    fn roots(values: &[&str]) -> Vec<Directory> {
        let options: Vec<_> = values.iter().map(|value| ("root", *value)).collect();
        match source(&options).unwrap().place {
            Place::Directories(all) => all,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_root_is_a_directory_with_or_without_a_name() {
        let plain = |path: &str| Directory { path: path.into(), ..Directory::default() };
        assert_eq!(roots(&["/mnt"]), [plain("/mnt")]);
        assert_eq!(roots(&["./a=b"]), [plain("./a=b")]);
        assert_eq!(roots(&["=x"]), [plain("=x")]);
        let main = Directory {
            name: "main".to_owned(),
            uuid: Some("1-2".to_owned()),
            label: Some("L".to_owned()),
            ..plain("/mnt")
        };
        let other =
            Directory { name: "sdb1".to_owned(), partlabel: Some("P".to_owned()), ..plain("/x") };
        assert_eq!(roots(&["main=/mnt,uuid=1-2,label=L", "sdb1=/x,partlabel=P"]), [main, other]);
    }

    #[test]
    fn an_id_that_is_nearly_one_is_recognised() {
        let ids = ["debian-6.1.0-50-amd64", "Good", "rescue"];
        assert_eq!(near("godo", &ids), ["Good"]);
        assert_eq!(near("good.conf", &ids), ["Good"]);
        assert_eq!(near("debian-6.1", &ids), ["debian-6.1.0-50-amd64"]);
        assert_eq!(near("windows", &ids), [""; 0]);
    }

    #[test]
    fn a_format_has_its_names() {
        let of = |name| source(&[("config", "/x"), ("format", name)]).unwrap().format;
        for (name, format) in [
            ("bls", Format::Bls),
            ("uki", Format::Uki),
            ("extlinux", Format::Syslinux),
            ("syslinux", Format::Syslinux),
            ("pxelinux", Format::Syslinux),
            ("native", Format::Native),
            ("kboot", Format::Kboot),
        ] {
            assert_eq!(of(name), Some(format), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_value() {
        let cases: [(&[(&str, &str)], &str); 9] = [
            (
                &[("root", "a"), ("root", "b")],
                "a second root needs a name: --root NAME=DIR, not \"b\"",
            ),
            (&[("root", "n=a"), ("root", "n=b")], "two roots are called \"n\""),
            (
                &[("root", "n=a,size=4")],
                "--root n=DIR takes uuid=U, label=L and partlabel=P, not \"size=4\"",
            ),
            (&[("device", "a"), ("root", "b")], "only one of --root and --device"),
            (
                &[("root", "b"), ("device", "a")],
                "only one of --root and --device, and --device once",
            ),
            (&[("config", "/a"), ("config", "/b")], "--config is there twice"),
            (&[("format", "bls")], "--format bls says how to read a file, and --config names none"),
            (
                &[("config", "/a"), ("format", "lilo")],
                "there is no format \"lilo\"; there is bls, uki, extlinux, native, kboot",
            ),
            (
                &[("config", "/a"), ("format", "grub")],
                "scripts of GRUB (grub.cfg) are not supported yet",
            ),
        ];
        for (options, expected) in cases {
            assert_eq!(source(options).unwrap_err(), expected);
        }
    }
}
