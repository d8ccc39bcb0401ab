//! Unified kernel images as menu entries: Boot Loader Specification (UAPI.1) type
//! 2, `/EFI/Linux/*.efi`, and what lies beside them.
//!
//! Nobody has verified these files. Of each only the headers and a few small
//! sections are read, bounded, and what they say is text to show and to sort by;
//! what boots is decided by the whole file later. Each profile (UAPI.5) is an
//! entry; addons come from where systemd-stub(7) looks for them.

use core::cell::RefCell;
use std::rc::Rc;

use crate::base::arch::Arch;
use crate::base::text::quoted;
use crate::image::{SectionPlace, outline};
use crate::menu::bls::file_name;
use crate::menu::budget::Exceeded;
use crate::menu::entry::{self, MAX_OVERLAYS};
use crate::menu::metered::{Metered, Sieve};
use crate::menu::text::line;
use crate::menu::{Code, Diagnostic, Entry, Format, Target};

/// How its entries are known: by the file, and the profile behind it.
pub(super) const FORMAT: Format = Format::specified("uki", loader_id);

fn loader_id(id: &str) -> String {
    match id.split_once('@') {
        Some((file, profile)) => format!("{file}{SUFFIX}@{profile}"),
        None => format!("{id}{SUFFIX}"),
    }
}

/// Where the images are, below a menu's root.
pub(super) const IMAGES: &str = "/EFI/Linux";
/// Where addons of all images are.
const ADDONS: &str = "/loader/addons";
const SUFFIX: &str = ".efi";
const ADDON_SUFFIX: &str = ".addon.efi";
/// What is read of a file for its headers, in bytes: those of 96 sections take
/// less than half.
const HEAD: usize = 8 << 10;
/// Longest text section that is read, in bytes.
const MAX_TEXT: u32 = 16 << 10;
/// Most profiles of one image that are listed.
const MAX_PROFILES: usize = 64;
/// Most addons of a directory that are looked into.
const MAX_ADDONS: usize = 256;
/// Most directories of addons that are remembered.
const MAX_DIRECTORIES: usize = 64;

/// os-release(5) of an image and of one of its profiles.
#[derive(Clone, Default)]
struct Release {
    pairs: Vec<(String, String)>,
}

/// An image's headers.
struct Image<'a> {
    files: &'a Metered<'a>,
    path: &'a str,
    arch: Arch,
    sections: Vec<SectionPlace>,
}

/// What was found in directories of addons: each is read once, however many images
/// look into it.
#[derive(Default)]
pub(super) struct Addons(RefCell<Vec<(String, Rc<Directory>)>>);

/// A directory of addons.
#[derive(Default)]
struct Directory {
    /// In the order of their names.
    addons: Vec<Addon>,
    /// Why it may have more.
    fault: Option<(Code, String)>,
}

struct Addon {
    path: String,
    /// What it is for: architecture and kernel; or why it cannot be read.
    meant: Result<(Arch, Option<Vec<u8>>), String>,
}

/// What reading images and their addons takes of a search.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) files: &'a Metered<'a>,
    pub(super) addons: &'a Addons,
    pub(super) target: &'a Target<'a>,
    /// Below which directory the menu lies.
    pub(super) prefix: &'a str,
}

/// Whether a file in [`IMAGES`] is meant to be an entry.
pub(super) fn is_entry(file: &str) -> bool {
    !file.starts_with('.') && file_name::stem(file, SUFFIX).is_some()
}

/// The entries of the image at `path`, one a profile.
///
/// # Errors
/// The file is no such image, or one for another architecture.
pub(super) fn parse(place: Place<'_>, path: &str) -> Result<Vec<Entry>, Diagnostic> {
    let mut entry = named(path)?;
    let image = Image::open(place.files, path, place.target.arch)?;
    entry.add_addons(&image, place);
    let profiles = image.profiles();
    let base = profiles.first().map_or(image.sections.len(), |(start, _)| *start);
    let base = image.sections.get(..base).unwrap_or_default();
    if profiles.is_empty() {
        entry.describe(&image.release(base, ".osrel")?, &Release::default(), 0);
        return Ok(vec![entry]);
    }
    let numbered = (0..).zip(profiles).take(MAX_PROFILES);
    let entries = numbered.map(|(number, (start, end))| {
        let own = image.sections.get(start..end).unwrap_or_default();
        let has_release = own.iter().any(|section| section.name == ".osrel");
        let release = image.release(if has_release { own } else { base }, ".osrel")?;
        let mut entry = entry.clone();
        entry.profile = Some(number);
        entry.describe(&release, &image.release(own, ".profile")?, number);
        Ok(entry)
    });
    entries.collect()
}

/// Makes an entry whose file names an image one that boots whole, with its
/// addons: by `efi` or `uki`, or by `linux` if the entry has nothing else.
pub(super) fn adopt(place: Place<'_>, entry: &mut Entry) {
    let alone = entry.options.is_empty() && entry.initrds.is_empty();
    let alone = alone && entry.devicetree.is_none() && entry.overlays.is_empty();
    let linux = entry.linux.as_ref().filter(|_| alone && entry.uki.is_none());
    let Some(path) = entry.uki.as_ref().or(linux).cloned() else { return };
    let Ok(image) = Image::open(place.files, &path, place.target.arch) else {
        // What is no image is told when it has been verified; what was not looked at
        // may be one.
        entry.problems.extend(place.files.ended().map(Exceeded::diagnostic));
        return;
    };
    if entry.uki.is_none() {
        entry.uki = entry.linux.take();
    }
    let named = core::mem::take(&mut entry.addons);
    entry.add_addons(&image, place);
    entry.addons.extend(named);
    entry.limit_addons();
}

/// An entry of which only the file name is known yet.
fn named(path: &str) -> Result<Entry, Diagnostic> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let name = file_name::parse_with(name, SUFFIX).ok_or_else(|| file_name::complain(path))?;
    Ok(Entry {
        id: name.id.to_owned(),
        format: FORMAT,
        file: path.to_owned(),
        counter: name.counter,
        uki: Some(path.to_owned()),
        ..Entry::default()
    })
}

impl<'a> Image<'a> {
    /// The headers of an image with a kernel in it.
    fn open(files: &'a Metered<'a>, path: &'a str, arch: Arch) -> Result<Self, Diagnostic> {
        let image = Self::headers(files, path)?;
        if !image.sections.iter().any(|section| section.name == ".linux") {
            let detail = "the EFI program has no kernel in it (no section .linux)".to_owned();
            return Err(Diagnostic::new(path, None, Code::NoKernel, detail));
        }
        if image.arch != arch {
            let found = image.arch;
            let detail = format!("the image is for {found} and this machine is {arch}");
            return Err(Diagnostic::new(path, None, Code::Architecture, detail));
        }
        Ok(image)
    }

    /// Those of any EFI program.
    fn headers(files: &'a Metered<'a>, path: &'a str) -> Result<Self, Diagnostic> {
        let head =
            files.read_at(path, 0, HEAD).map_err(|why| files.fault(path, why))?.unwrap_or_default();
        let (arch, sections) = outline(&head)
            .map_err(|error| Diagnostic::new(path, None, Code::NoKernel, error.to_string()))?;
        Ok(Self { files, path, arch, sections })
    }

    /// The directory of the image's own addons: by its name without boot counter.
    fn own_addons(&self) -> String {
        let (directory, name) = self.path.rsplit_once('/').unwrap_or_default();
        match file_name::parse_with(name, SUFFIX) {
            Some(name) => format!("{directory}/{}{SUFFIX}.extra.d", name.id),
            None => format!("{directory}/{name}.extra.d"),
        }
    }

    /// From and to which section each profile goes.
    fn profiles(&self) -> Vec<(usize, usize)> {
        let numbered = self.sections.iter().enumerate();
        let starts = numbered.filter(|(_, section)| section.name == ".profile");
        let starts: Vec<usize> = starts.map(|(index, _)| index).collect();
        let ends = starts.iter().skip(1).copied().chain([self.sections.len()]);
        starts.iter().copied().zip(ends).collect()
    }

    /// The pairs of the first section of this name; none if there is no such
    /// section.
    fn release(&self, sections: &[SectionPlace], name: &str) -> Result<Release, Diagnostic> {
        let Some(section) = sections.iter().find(|section| section.name == name) else {
            return Ok(Release::default());
        };
        let bytes = self.bytes(section)?;
        let text = line::text(self.path, &bytes)?;
        let pairs =
            line::pairs(text, &['=']).map(|pair| (pair.key.to_owned(), unquote(pair.value)));
        Ok(Release { pairs: pairs.collect() })
    }

    /// A text section, without the NULs at its end.
    fn bytes(&self, section: &SectionPlace) -> Result<Vec<u8>, Diagnostic> {
        let SectionPlace { name, size, .. } = *section;
        if size > MAX_TEXT {
            let detail = format!("the section {name} has {size} bytes; {MAX_TEXT} are read");
            return Err(Diagnostic::new(self.path, None, Code::ValueSize, detail));
        }
        let length = usize::try_from(size).unwrap_or_default();
        let bytes = self.files.read_at(self.path, section.at, length);
        let bytes = bytes.map_err(|why| self.files.fault(self.path, why))?.unwrap_or_default();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at.saturating_add(1));
        Ok(bytes.get(..end).unwrap_or_default().to_vec())
    }

    /// What `uname -r` is said to print.
    fn uname(&self) -> Option<Vec<u8>> {
        let section = self.sections.iter().find(|section| section.name == ".uname")?;
        self.bytes(section).ok().filter(|bytes| !bytes.is_empty())
    }
}

impl Addons {
    /// What is in a directory. Only so many are remembered.
    fn directory(&self, files: &Metered<'_>, path: &str) -> Rc<Directory> {
        let mut known = self.0.borrow_mut();
        if let Some((_, directory)) = known.iter().find(|(name, _)| name == path) {
            return Rc::clone(directory);
        }
        let directory = Rc::new(Directory::read(files, path));
        if known.len() < MAX_DIRECTORIES {
            known.push((path.to_owned(), Rc::clone(&directory)));
        }
        directory
    }
}

impl Directory {
    fn read(files: &Metered<'_>, path: &str) -> Self {
        let sieve = Sieve { wanted: is_addon, most: MAX_ADDONS };
        let listing = match files.names(path, sieve) {
            Ok(listing) => listing,
            Err(why) => {
                let fault = files.fault(path, why);
                return Self { fault: Some((fault.code, fault.detail)), ..Self::default() };
            }
        };
        let paths = listing.names.iter().map(|name| format!("{path}/{name}"));
        let addons = paths.map(|path| Addon::read(files, path)).collect();
        let detail = format!(
            "of the addons in {path} the first {MAX_ADDONS} are looked into; {} are not",
            listing.left_out
        );
        let fault = (listing.left_out > 0).then_some((Code::ValueSize, detail));
        Self { addons, fault }
    }
}

impl Addon {
    fn read(files: &Metered<'_>, path: String) -> Self {
        let meant = match Image::headers(files, &path) {
            Ok(addon) => Ok((addon.arch, addon.uname())),
            Err(diagnostic) => Err(diagnostic.to_string()),
        };
        let uname = meant.as_ref().map_or(0, |(_, uname)| uname.as_ref().map_or(0, Vec::len));
        // Whether that was too much is heard at the next file.
        let _ = files.keep(size_of::<Self>().saturating_add(path.len()).saturating_add(uname));
        Self { path, meant }
    }

    /// Whether it is for an image of this architecture with this kernel in it.
    fn is_meant(&self, arch: Arch, kernel: Option<&Vec<u8>>) -> bool {
        self.meant.as_ref().is_ok_and(|(found, uname)| {
            *found == arch && uname.as_ref().zip(kernel).is_none_or(|(one, other)| one == other)
        })
    }
}

fn is_addon(name: &str) -> bool {
    file_name::stem(name, ADDON_SUFFIX).is_some()
}

impl Entry {
    /// What the image says of itself: the names as systemd-boot takes them.
    fn describe(&mut self, release: &Release, profile: &Release, number: u32) {
        let title = release.first(&["PRETTY_NAME", "IMAGE_ID", "NAME", "ID"]);
        self.title = self.value("PRETTY_NAME", title);
        let version = release.first(&["IMAGE_VERSION", "VERSION", "VERSION_ID", "BUILD_ID"]);
        self.version = self.value("VERSION", version);
        self.sort_key = self.value("IMAGE_ID", release.first(&["IMAGE_ID", "ID"]));
        let id = profile.first(&["ID"]).map(super::safe_id);
        if number > 0 {
            let name = id.clone().unwrap_or_else(|| number.to_string());
            self.id = format!("{}@{name}", self.id);
        }
        let number = (number > 0).then(|| format!("profile {number}"));
        let shown = profile.first(&["TITLE"]).map(str::to_owned).or(id).or(number);
        if let Some(shown) = shown {
            let whole = format!("{} ({shown})", self.name());
            self.title = self.value("TITLE", Some(&whole));
        }
    }

    fn value(&mut self, name: &str, value: Option<&str>) -> Option<String> {
        let value = value?;
        if value.len() > entry::MAX_TEXT {
            let detail = format!("{name} {} is too long", quoted(value));
            self.problem(None, Code::ValueSize, detail);
            return None;
        }
        Some(value.to_owned())
    }

    /// Those for all images, then the image's own, each in the order of their
    /// names, as systemd-stub(7) takes them. One for another architecture or
    /// another kernel is not meant; one that cannot be read is not left out in
    /// silence.
    fn add_addons(&mut self, image: &Image<'_>, place: Place<'_>) {
        let kernel = image.uname();
        for path in [format!("{}{ADDONS}", place.prefix), image.own_addons()] {
            let directory = place.addons.directory(image.files, &path);
            if let Some((code, detail)) = &directory.fault {
                self.problem(None, *code, detail.clone());
            }
            for addon in &directory.addons {
                self.add_addon(addon, image.arch, kernel.as_ref());
            }
        }
        self.limit_addons();
    }

    /// One more than there may be is kept, to be named.
    fn add_addon(&mut self, addon: &Addon, arch: Arch, kernel: Option<&Vec<u8>>) {
        if let Err(why) = &addon.meant {
            self.problem(None, Code::Unreadable, why.clone());
        } else if addon.is_meant(arch, kernel) && self.addons.len() <= MAX_OVERLAYS {
            self.addons.push(addon.path.clone());
        }
    }

    fn limit_addons(&mut self) {
        if let Some(path) = self.addons.get(MAX_OVERLAYS) {
            let detail = format!("the addon {} is one too many", quoted(path));
            self.problem(None, Code::ValueSize, detail);
            self.addons.truncate(MAX_OVERLAYS);
        }
    }
}

impl Release {
    /// The value of the first of these names that has one.
    fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.last(name))
    }

    fn last(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter().rev();
        let (_, value) = pairs.find(|(key, value)| key == name && !value.is_empty())?;
        Some(value)
    }
}

/// os-release(5) has single quotes too; double ones are gone already.
fn unquote(value: &str) -> String {
    let inner = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
    inner.unwrap_or(value).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing;
    use crate::menu::{
        Budget, Files, Limits, Memory, Menu, Target, Visit, read_below, read_config, read_volume,
    };
    use core::time::Duration;
    use std::collections::BTreeMap;

    const RELEASE: &[u8] = b"ID=debian\nVERSION_ID=\"13\"\nPRETTY_NAME='Debian 13'\nNAME=D\n\0\0";
    const KERNEL: (&str, &[u8]) = (".linux", b"kernel");
    const TARGET: Target<'_> = Target::new(Arch::Aarch64, &[]);

    fn image(sections: &[(&str, &[u8])]) -> Vec<u8> {
        testing::uki(&[&[KERNEL], sections].concat())
    }

    fn read<const N: usize>(files: [(&str, Vec<u8>); N]) -> Menu {
        read_volume(&files.into_iter().collect::<Memory>(), &TARGET)
    }

    fn messages(menu: &Menu) -> Vec<String> {
        menu.diagnostics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_image_is_an_entry_that_its_os_release_describes() {
        let file = image(&[(".osrel", RELEASE)]);
        let menu = read([("/EFI/Linux/debian-6.1+3-1.EFI", file)]);
        let [entry] = menu.entries.as_slice() else { panic!("{menu:?}") };
        let path = "/EFI/Linux/debian-6.1+3-1.EFI".to_owned();
        let expected = Entry {
            id: "debian-6.1".to_owned(),
            format: FORMAT,
            file: path.clone(),
            counter: entry.counter,
            title: Some("Debian 13".to_owned()),
            version: Some("13".to_owned()),
            sort_key: Some("debian".to_owned()),
            uki: Some(path),
            ..Entry::default()
        };
        assert_eq!(*entry, expected);
        assert_eq!(entry.counter.map(|counter| (counter.left, counter.done)), Some((3, 1)));
    }

    #[test]
    fn names_come_from_the_first_field_that_there_is() {
        let all = b"PRETTY_NAME=p\nIMAGE_ID=i\nNAME=n\nID=d\nIMAGE_VERSION=1\nVERSION=2\n\
                    VERSION_ID=3\nBUILD_ID=4\n";
        let cases: [(&[u8], [Option<&str>; 3]); 5] = [
            (all, [Some("p"), Some("1"), Some("i")]),
            (b"PRETTY_NAME=\nNAME=n\nID=d\nVERSION=2", [Some("n"), Some("2"), Some("d")]),
            (b"IMAGE_ID=i\nNAME=n\nVERSION_ID=3", [Some("i"), Some("3"), Some("i")]),
            (b"ID=a\nID=d\nBUILD_ID=4", [Some("d"), Some("4"), Some("d")]),
            (b"", [None, None, None]),
        ];
        for (release, expected) in cases {
            let menu = read([("/EFI/Linux/a.efi", image(&[(".osrel", release)]))]);
            let entry = &menu.entries[0];
            let found = [&entry.title, &entry.version, &entry.sort_key].map(|one| one.as_deref());
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn every_profile_is_an_entry_and_the_first_has_the_files_name() {
        let file = image(&[
            (".osrel", b"NAME=Base\nID=base"),
            (".profile", b"ID=main\nTITLE=As usual"),
            (".profile", b"ID=rescue me"),
            (".osrel", b"NAME=Other\nID=other"),
            (".profile", b""),
        ]);
        let menu = read([("/EFI/Linux/a.efi", file)]);
        let mut found: Vec<_> =
            menu.entries.iter().map(|entry| (entry.profile, &*entry.id, entry.name())).collect();
        found.sort_unstable();
        let expected = [
            (Some(0), "a", "Base (As usual)"),
            (Some(1), "a@rescue-me", "Other (rescue-me)"),
            (Some(2), "a@2", "Base (profile 2)"),
        ];
        assert_eq!(found, expected);
        assert_eq!(menu.entries[1].loader_id(), "a.efi@2");
    }

    fn addon() -> Vec<u8> {
        testing::uki(&[(".cmdline", b"quiet")])
    }

    fn for_kernel(name: &[u8]) -> Vec<u8> {
        testing::uki(&[(".uname", name), (".cmdline", b"quiet")])
    }

    #[test]
    fn addons_for_all_images_come_before_the_images_own_each_by_name() {
        let mut foreign = addon();
        let machine = foreign.windows(4).position(|word| word == b"PE\0\0").unwrap() + 4;
        foreign[machine..machine + 2].copy_from_slice(&0x8664_u16.to_le_bytes());
        let menu = read([
            ("/EFI/Linux/a+2.efi", image(&[(".uname", b"6.1")])),
            ("/EFI/Linux/a.efi.extra.d/b.addon.efi", addon()),
            ("/EFI/Linux/a.efi.extra.d/a.addon.efi", for_kernel(b"6.1")),
            ("/EFI/Linux/a.efi.extra.d/c.addon.efi", for_kernel(b"6.2")),
            ("/EFI/Linux/a.efi.extra.d/d.cred", vec![]),
            ("/loader/addons/z.addon.efi", addon()),
            ("/loader/addons/x.addon.efi", foreign),
        ]);
        let expected = [
            "/loader/addons/z.addon.efi",
            "/EFI/Linux/a.efi.extra.d/a.addon.efi",
            "/EFI/Linux/a.efi.extra.d/b.addon.efi",
        ];
        assert_eq!(menu.entries[0].addons, expected);
        assert_eq!(menu.entries[0].problems, []);
    }

    #[test]
    fn an_addon_that_is_none_or_one_too_many_keeps_the_image_from_booting() {
        let broken = read([
            ("/EFI/Linux/a.efi", image(&[])),
            ("/loader/addons/b.addon.efi", b"text".to_vec()),
        ]);
        let expected = "/EFI/Linux/a.efi: UNREADABLE: /loader/addons/b.addon.efi: NO_KERNEL: the \
                        file begins like an EFI program, but is none";
        assert_eq!(broken.entries[0].problems[0].to_string(), expected);

        let mut files: Memory = [("/EFI/Linux/a.efi", image(&[]))].into_iter().collect();
        for number in 0..=MAX_OVERLAYS {
            let path = format!("/loader/addons/{number:02}.addon.efi");
            files.0.insert(path, testing::uki(&[(".cmdline", b"quiet")]));
        }
        let entry = &read_volume(&files, &TARGET).entries[0];
        assert_eq!(entry.addons.len(), MAX_OVERLAYS);
        let expected = "/EFI/Linux/a.efi: VALUE_SIZE: the addon \"/loader/addons/16.addon.efi\" \
                        is one too many";
        assert_eq!(entry.problems[0].to_string(), expected);
    }

    /// Counts how often something of a path is read.
    struct Counting(Memory, RefCell<BTreeMap<String, u32>>);

    impl Counting {
        fn count(&self, path: &str) -> &Memory {
            *self.1.borrow_mut().entry(path.to_owned()).or_default() += 1;
            &self.0
        }
    }

    impl Files for Counting {
        fn read(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
            self.count(path).read(path, limit)
        }
        fn read_at(&self, path: &str, at: u64, length: usize) -> Result<Option<Vec<u8>>, String> {
            self.count(path).read_at(path, at, length)
        }
        fn small(&self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, String> {
            self.count(path).small(path, limit)
        }
        fn size(&self, path: &str) -> Result<u64, String> {
            self.0.size(path)
        }
        fn is_directory(&self, path: &str) -> bool {
            self.0.is_directory(path)
        }
        fn each_name(&self, directory: &str, visit: &mut Visit<'_>) -> Result<(), String> {
            self.count(directory).each_name(directory, visit)
        }
    }

    #[test]
    fn addons_are_read_once_a_volume() {
        let mut files: Memory = (0..50)
            .map(|number| (format!("/EFI/Linux/{number}.efi"), image(&[(".uname", b"6.1")])))
            .collect();
        for number in 0..10 {
            let path = format!("/loader/addons/{number}.addon.efi");
            files.0.insert(path, for_kernel(if number == 3 { b"6.2" } else { b"6.1" }));
        }
        let files = Counting(files, RefCell::default());
        let menu = read_volume(&files, &TARGET);
        assert_eq!(menu.entries.len(), 50);
        assert!(menu.entries.iter().all(|entry| entry.addons.len() == 9), "{menu:?}");
        let counts = files.1.borrow();
        assert_eq!(counts["/loader/addons"], 1);
        // The headers, and what kernel it is for.
        assert_eq!(counts["/loader/addons/0.addon.efi"], 2);
        assert_eq!(counts["/EFI/Linux/7.efi"], 2);
    }

    #[test]
    fn an_entry_whose_addons_the_budget_does_not_pay_for_cannot_boot() {
        let files: Memory = [
            ("/loader/entries/e.conf", b"linux /a.efi".to_vec()),
            ("/a.efi", image(&[])),
            ("/a.efi.extra.d/b.addon.efi", testing::uki(&[(".cmdline", b"quiet")])),
        ]
        .into_iter()
        .collect();
        let mut given_up = 0;
        for kept in 0..2048 {
            let budget = Budget::new(Limits { kept, ..Limits::DEFAULT }, || Duration::ZERO);
            let menu = read_below(&Metered::menus(&files, &budget), &TARGET, "");
            let Some(entry) = menu.entries.first() else { continue };
            assert_eq!(entry.addons.len(), usize::from(entry.is_bootable()), "{kept}");
            if let [problem] = &entry.problems[..] {
                assert_eq!(problem.code, Code::Budget);
                given_up += 1;
            }
        }
        assert!((1..2048).contains(&given_up), "{given_up}");
    }

    #[test]
    fn of_too_many_addons_so_many_are_read_and_the_image_cannot_boot() {
        let mut files: Memory = [("/EFI/Linux/a.efi", image(&[]))].into_iter().collect();
        for number in 0..300 {
            files.0.insert(format!("/loader/addons/{number:03}.addon.efi"), addon());
        }
        let entry = &read_volume(&files, &TARGET).entries[0];
        let problems: Vec<_> = entry.problems.iter().map(ToString::to_string).collect();
        let expected = [
            "/EFI/Linux/a.efi: VALUE_SIZE: of the addons in /loader/addons the first 256 are \
             looked into; 44 are not",
            "/EFI/Linux/a.efi: VALUE_SIZE: the addon \"/loader/addons/016.addon.efi\" is one too \
             many",
        ];
        assert_eq!(
            (problems.as_slice(), entry.addons.len()),
            (&expected.map(str::to_owned)[..], 16)
        );
    }

    #[test]
    fn what_is_no_image_for_this_machine_is_left_out_with_its_reason() {
        let menu = read([
            ("/EFI/Linux/a b.efi", image(&[])),
            ("/EFI/Linux/addon.efi", testing::uki(&[(".cmdline", b"")])),
            ("/EFI/Linux/big.efi", image(&[(".osrel", &[b'a'; 20_000])])),
            ("/EFI/Linux/text.efi", b"MZ".to_vec()),
            ("/EFI/Linux/README", vec![]),
        ]);
        let name = "the file name is too long or has characters other than A-Z a-z 0-9 + - _ .";
        let expected = [
            format!("/EFI/Linux/a b.efi: FILE_NAME: {name}"),
            "/EFI/Linux/addon.efi: NO_KERNEL: the EFI program has no kernel in it (no section \
             .linux)"
                .to_owned(),
            "/EFI/Linux/big.efi: VALUE_SIZE: the section .osrel has 20000 bytes; 16384 are read"
                .to_owned(),
            "/EFI/Linux/text.efi: NO_KERNEL: the EFI program is cut off: its 2 bytes end inside \
             its headers"
                .to_owned(),
        ];
        assert_eq!((messages(&menu), menu.entries.len()), (expected.to_vec(), 0));

        let files: Memory = [("/EFI/Linux/a.efi", image(&[]))].into_iter().collect();
        let menu = read_volume(&files, &Target::new(Arch::X86_64, &[]));
        let expected = "/EFI/Linux/a.efi: ARCHITECTURE: the image is for aarch64 and this machine \
                        is x86_64";
        assert_eq!(messages(&menu), [expected]);
    }

    #[test]
    fn keys_of_an_entry_file_that_name_an_image_boot_it_whole() {
        for key in ["linux", "efi", "uki"] {
            let text = format!("{key} /a.efi\ntitle T");
            let menu = read([
                ("/loader/entries/e.conf", text.into_bytes()),
                ("/a.efi", image(&[])),
                ("/a.efi.extra.d/b.addon.efi", testing::uki(&[(".cmdline", b"quiet")])),
            ]);
            let entry = &menu.entries[0];
            assert_eq!((&entry.linux, entry.uki.as_deref()), (&None, Some("/a.efi")), "{key}");
            assert_eq!(entry.addons, ["/a.efi.extra.d/b.addon.efi"], "{key}");
        }
        for more in ["options quiet", "initrd /i"] {
            let text = format!("linux /a.efi\n{more}");
            let menu =
                read([("/loader/entries/e.conf", text.into_bytes()), ("/a.efi", image(&[]))]);
            assert_eq!(menu.entries[0].linux.as_deref(), Some("/a.efi"), "{more}");
        }
    }

    #[test]
    fn one_image_is_read_alone() {
        let files: Memory =
            [("/EFI/Linux/a.efi", image(&[])), ("/b.efi", image(&[]))].into_iter().collect();
        let menu = {
            let budget = Budget::default();
            read_config(&Metered::menus(&files, &budget), "/b.efi", None, &TARGET).unwrap()
        };
        assert_eq!(menu.entries.iter().map(|entry| &*entry.id).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn damaged_headers_are_refused_and_never_read_beyond() {
        let whole = image(&[(".osrel", RELEASE), (".profile", b"ID=a"), (".profile", b"ID=b")]);
        for length in 0..whole.len() {
            let menu = read([("/EFI/Linux/a.efi", whole[..length].to_vec())]);
            assert!(menu.entries.len() <= 2);
        }
        for at in 0..whole.len().min(1024) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            assert!(read([("/EFI/Linux/a.efi", damaged)]).entries.len() <= 3);
        }
    }
}
