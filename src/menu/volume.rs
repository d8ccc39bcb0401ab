//! Every menu of one volume: which files are looked at, and in which order.
//!
//! Menus lie below the root of a volume or below its `/boot`; of these the first
//! that has an entry counts, for each format by itself. The order is fixed and
//! documented (docs/menus.md); what was looked at is reported whether it was
//! there or not.

use std::collections::BTreeSet;

use crate::base::sort::sort_by;
use crate::base::text::quoted;
use crate::menu::bls::entry;
use crate::menu::bls::file_name;
use crate::menu::bls::loader_conf;
use crate::menu::bls::sort;
use crate::menu::grub::environment::{self, Variables};
use crate::menu::petitboot::kboot;
use crate::menu::petitboot::native;
use crate::menu::settings::{Wanted, What};
use crate::menu::{
    Code, Diagnostic, Files, Format, Found, MAX_ENTRIES, MAX_FILE_SIZE, Menu, Read, Target, paths,
    syslinux, uki,
};

/// Where a menu's own root may be on its volume.
const PREFIXES: [&str; 2] = ["", "/boot"];
/// The order in which formats are read and shown.
const FORMATS: [Format; 4] = [Format::Bls, Format::Syslinux, Format::Native, Format::Kboot];
const LOADER_CONF: &str = "/loader/loader.conf";
const ENTRIES: &str = "/loader/entries";
/// What says that the files in [`ENTRIES`] are of type 1 (UAPI.1).
const KIND: &str = "/loader/entries.srel";

/// Every menu of a volume. [`super::merge`] makes of one or more of these what
/// is shown, and says which entry is the default.
#[must_use]
pub fn read_volume(files: &dyn Files, target: &Target<'_>) -> Menu {
    read_below(files, target, "")
}

/// The same, of a system whose root is the directory `root` of the volume, such
/// as a subvolume of btrfs: `/@`.
#[must_use]
pub fn read_below(files: &dyn Files, target: &Target<'_>, root: &str) -> Menu {
    let mut menu = Menu::default();
    let known = environment::read(files, root, &mut menu);
    menu.settings.saved = saved_entry(&known);
    for format in FORMATS {
        for prefix in PREFIXES.map(|prefix| format!("{root}{prefix}")) {
            let mut found = match format {
                Format::Bls => boot_loader_specification(files, target, &prefix, &known),
                other => menu_file(files, target, &prefix, other),
            };
            let is_last = !found.entries.is_empty();
            found.place(files, &prefix, target);
            menu.append(found);
            if is_last {
                break;
            }
        }
    }
    menu.limit();
    menu
}

/// Only the menu file, or the directory of entries, at `path`.
///
/// # Errors
/// There is no such menu, or its format is none that is known.
pub fn read_config(
    files: &dyn Files,
    path: &str,
    format: Option<Format>,
    target: &Target<'_>,
) -> Result<Menu, String> {
    let path =
        paths::normalise(path).map_err(|what| format!("the path {} {what}", quoted(path)))?;
    let format = format.or_else(|| guess(&path));
    let format =
        format.ok_or_else(|| format!("{path}: no menu file by its name; name its format"))?;
    let mut menu = match format {
        Format::Bls => bls_config(files, &path, target),
        Format::Uki => uki_config(files, &path, target),
        other => {
            let mut menu = Menu::default();
            menu.read_file(files, &path, target, other);
            menu
        }
    };
    if menu.read.iter().all(|read| read.found == Found::Absent) {
        return Err(format!("{path}: there is no such file"));
    }
    menu.limit();
    Ok(menu)
}

/// The format of a file with such a name.
fn guess(path: &str) -> Option<Format> {
    let (directory, name) = path.rsplit_once('/').unwrap_or_default();
    match name {
        "petitboot.conf" => Some(Format::Native),
        "kboot.conf" => Some(Format::Kboot),
        "extlinux.conf" => Some(Format::Syslinux),
        name if name.ends_with(".cfg") || directory.ends_with("pxelinux.cfg") => {
            Some(Format::Syslinux)
        }
        name => {
            let is_bls = path.contains("/loader/") || path.ends_with(ENTRIES);
            let is_bls = is_bls || file_name::is_entry(name);
            let is_uki = path.ends_with(uki::IMAGES) || uki::is_entry(name);
            is_bls.then_some(Format::Bls).or(is_uki.then_some(Format::Uki))
        }
    }
}

/// One image, or a directory of them.
fn uki_config(files: &dyn Files, path: &str, target: &Target<'_>) -> Menu {
    let mut menu = Menu::default();
    let prefix = path.find(uki::IMAGES).and_then(|at| path.get(..at)).unwrap_or_default();
    if files.has(path) {
        menu.read_image(files, path, prefix, target);
        let found = Found::Entries(menu.entries.len());
        menu.read.push(Read { path: path.to_owned(), found });
    } else {
        menu.read_directory(files, path, uki::is_entry, |menu, path| {
            menu.read_image(files, path, prefix, target);
        });
    }
    sort_by(&mut menu.entries, sort::order);
    menu
}

/// One entry file, a directory of them, or loader.conf with the entries beside it.
fn bls_config(files: &dyn Files, path: &str, target: &Target<'_>) -> Menu {
    let mut menu = Menu::default();
    let known = environment::read(files, "", &mut Menu::default());
    let prefix = path.find("/loader/").and_then(|at| path.get(..at)).unwrap_or_default();
    menu.settings.saved = saved_entry(&known);
    if path.ends_with(LOADER_CONF) {
        menu.append(boot_loader_specification(files, target, prefix, &known));
    } else if files.has(path) {
        menu.read_entry(files, path, target, &known);
        let found = Found::Entries(menu.entries.len());
        menu.read.push(Read { path: path.to_owned(), found });
    } else {
        menu.read_entries(files, path, target, &known);
        sort_by(&mut menu.entries, sort::order);
    }
    menu.place(files, prefix, target);
    menu
}

/// The entry that GRUB would take, where entries are its menu.
fn saved_entry(known: &Variables) -> Option<Wanted> {
    let saved = known.get("saved_entry").filter(|name| !name.is_empty())?;
    let (file, what) = (known.file.clone(), What::Named(saved.to_owned()));
    Some(Wanted { what, file, line: None })
}

/// The first file of a format in which a menu is one file, and has an entry.
fn menu_file(files: &dyn Files, target: &Target<'_>, prefix: &str, format: Format) -> Menu {
    let mut menu = Menu::default();
    for place in places(format) {
        menu.read_file(files, &format!("{prefix}{place}"), target, format);
        if !menu.entries.is_empty() {
            break;
        }
    }
    menu
}

const fn places(format: Format) -> &'static [&'static str] {
    match format {
        Format::Bls | Format::Uki => &[],
        Format::Syslinux => &syslinux::PLACES,
        Format::Native => &native::PLACES,
        Format::Kboot => &kboot::PLACES,
    }
}

fn boot_loader_specification(
    files: &dyn Files,
    target: &Target<'_>,
    prefix: &str,
    known: &Variables,
) -> Menu {
    let mut menu = Menu::default();
    menu.read_settings(files, &format!("{prefix}{LOADER_CONF}"));
    menu.read_entries(files, &format!("{prefix}{ENTRIES}"), target, known);
    menu.check_kind(files, &format!("{prefix}{KIND}"));
    menu.read_images(files, prefix, target);
    sort_by(&mut menu.entries, sort::order);
    menu
}

impl Menu {
    /// Reads a menu that is one file, with what it includes.
    fn read_file(&mut self, files: &dyn Files, path: &str, target: &Target<'_>, format: Format) {
        let found = if files.has(path) {
            let menu = match format {
                Format::Native => native::parse(files, path),
                Format::Kboot => kboot::parse(files, path),
                _ => syslinux::parse(files, path, target),
            };
            let mut faults = menu.diagnostics.iter().filter(|fault| fault.file == path);
            let fault = faults.find(|fault| fault.code == Code::Unreadable);
            let count = Found::Entries(menu.entries.len());
            let found = fault.map_or(count, |fault| Found::Unreadable(fault.detail.clone()));
            self.append(menu);
            found
        } else {
            Found::Absent
        };
        self.read.push(Read { path: path.to_owned(), found });
    }

    fn read_settings(&mut self, files: &dyn Files, path: &str) {
        let found = match files.read(path, MAX_FILE_SIZE) {
            Ok(Some(bytes)) => {
                self.settings = loader_conf::parse(path, &bytes, &mut self.diagnostics);
                Found::Settings
            }
            Ok(None) => Found::Absent,
            Err(why) => self.unreadable(path, why),
        };
        self.read.push(Read { path: path.to_owned(), found });
    }

    fn read_entries(
        &mut self,
        files: &dyn Files,
        directory: &str,
        target: &Target<'_>,
        known: &Variables,
    ) {
        self.read_directory(files, directory, file_name::is_entry, |menu, path| {
            menu.read_entry(files, path, target, known);
        });
    }

    fn read_images(&mut self, files: &dyn Files, prefix: &str, target: &Target<'_>) {
        let directory = format!("{prefix}{}", uki::IMAGES);
        self.read_directory(files, &directory, uki::is_entry, |menu, path| {
            menu.read_image(files, path, prefix, target);
        });
    }

    /// That the entries are said to be of another kind is told, no more: they are
    /// read as systemd-boot reads them, and each says for itself what is wrong.
    fn check_kind(&mut self, files: &dyn Files, path: &str) {
        let Ok(Some(bytes)) = files.read(path, MAX_FILE_SIZE) else { return };
        if bytes.trim_ascii() != b"type1" {
            let kind = String::from_utf8_lossy(&bytes);
            let detail = format!("the entries are said to be {}, not type1", quoted(kind.trim()));
            self.diagnostics.push(Diagnostic::new(path, None, Code::Setting, detail));
        }
    }

    fn read_image(&mut self, files: &dyn Files, path: &str, prefix: &str, target: &Target<'_>) {
        match uki::parse(files, path, prefix, target.arch) {
            Ok(entries) => self.entries.extend(entries),
            Err(diagnostic) => self.diagnostics.push(diagnostic),
        }
    }

    /// Has each file of a directory read that is meant to be an entry.
    fn read_directory(
        &mut self,
        files: &dyn Files,
        directory: &str,
        is_entry: fn(&str) -> bool,
        read: impl Fn(&mut Self, &str),
    ) {
        let before = self.entries.len();
        let found = match files.names(directory) {
            Ok(names) if names.is_empty() => Found::Absent,
            Ok(names) => {
                let names = names.iter().filter(|name| is_entry(name));
                for name in self.limited(directory, names) {
                    read(self, &format!("{directory}/{name}"));
                }
                Found::Entries(self.entries.len().saturating_sub(before))
            }
            Err(why) => self.unreadable(directory, why),
        };
        self.read.push(Read { path: directory.to_owned(), found });
    }

    fn read_entry(
        &mut self,
        files: &dyn Files,
        path: &str,
        target: &Target<'_>,
        known: &Variables,
    ) {
        let bytes = match files.read(path, MAX_FILE_SIZE) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return,
            Err(why) => {
                self.unreadable(path, why);
                return;
            }
        };
        let entry = entry::parse(path, &bytes, known);
        match entry.and_then(|entry| entry::check_architecture(entry, target.arch)) {
            Ok(entry) => self.entries.push(entry),
            Err(diagnostic) => self.diagnostics.push(diagnostic),
        }
    }

    /// As many names as are looked at; that there are more is said.
    fn limited<'a>(
        &mut self,
        directory: &str,
        mut names: impl Iterator<Item = &'a String>,
    ) -> Vec<&'a String> {
        let taken = names.by_ref().take(MAX_ENTRIES).collect();
        if let Some(name) = names.next() {
            self.too_many(&format!("{directory}/{name}"));
        }
        taken
    }

    fn too_many(&mut self, file: &str) {
        let detail =
            format!("only the first {MAX_ENTRIES} entries are read; this and later ones are not");
        self.diagnostics.push(Diagnostic::new(file, None, Code::EntryCount, detail));
    }

    pub(super) fn unreadable(&mut self, path: &str, why: String) -> Found {
        self.diagnostics.push(Diagnostic::new(path, None, Code::Unreadable, why.clone()));
        Found::Unreadable(why)
    }

    /// Looks where the files are of a menu that was found below `prefix`, and
    /// which of them are unified kernel images.
    fn place(&mut self, files: &dyn Files, prefix: &str, target: &Target<'_>) {
        for entry in &mut self.entries {
            entry.relocate(|path| paths::locate(path, prefix, |path| files.has(path)));
            if entry.format == Format::Bls {
                uki::adopt(files, entry, prefix, target.arch);
            }
        }
    }

    /// Puts another menu of the volume behind this one.
    fn append(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.diagnostics.extend(other.diagnostics);
        self.read.extend(other.read);
        let settings = core::mem::take(&mut self.settings);
        self.settings = settings.or(other.settings);
    }

    /// Keeps each id once and no more entries than there may be.
    fn limit(&mut self) {
        self.drop_duplicates();
        if let Some(entry) = self.entries.get(MAX_ENTRIES) {
            let file = entry.file.clone();
            self.too_many(&file);
            self.entries.truncate(MAX_ENTRIES);
        }
    }

    /// Keeps the first of several entries with one id, so that an id, and the
    /// manifest that is named after it, always means one entry.
    fn drop_duplicates(&mut self) {
        let mut seen = BTreeSet::new();
        let diagnostics = &mut self.diagnostics;
        self.entries.retain(|entry| {
            let first = seen.insert(entry.id.clone());
            if !first {
                let detail = format!("another file already gives the entry {}", quoted(&entry.id));
                let file = Diagnostic::new(&entry.file, entry.line, Code::DuplicateId, detail);
                diagnostics.push(file);
            }
            first
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::arch::Arch;
    use crate::menu::{Entry, Memory};

    const TARGET: Target<'_> = Target { arch: Arch::X86_64, boards: &[] };

    fn files(files: &[(&str, &str)]) -> Memory {
        files.iter().copied().collect()
    }

    fn linux(menu: &Menu) -> Vec<&str> {
        menu.entries.iter().filter_map(Entry::kernel).collect()
    }

    #[test]
    fn a_menu_is_found_below_boot_and_below_a_subvolume() {
        let entry = "linux /vmlinuz\ninitrd /initrd";
        for root in ["", "/@", "/root"] {
            for prefix in ["", "/boot"] {
                let below = format!("{root}{prefix}");
                let path = format!("{below}/loader/entries/a.conf");
                let kernel = format!("{below}/vmlinuz");
                let files = files(&[(&path, entry), (&kernel, "")]);
                let menu = read_below(&files, &TARGET, root);
                assert_eq!(linux(&menu), [kernel.as_str()]);
                assert_eq!(menu.entries[0].initrds, ["/initrd"], "what is nowhere is as it stands");
                assert_eq!(menu.entries[0].file, path);
            }
        }
    }

    #[test]
    fn the_first_place_with_an_entry_counts_and_what_was_looked_at_is_told() {
        let menu = read_volume(
            &files(&[
                ("/loader/loader.conf", "timeout 3"),
                ("/boot/loader/entries/a.conf", "linux /a"),
                ("/boot/loader/loader.conf", "timeout 4"),
            ]),
            &TARGET,
        );
        let told: Vec<_> = menu.read.iter().map(|read| (&*read.path, &read.found)).collect();
        let expected = [
            ("/loader/loader.conf", &Found::Settings),
            ("/loader/entries", &Found::Absent),
            ("/EFI/Linux", &Found::Absent),
            ("/boot/loader/loader.conf", &Found::Settings),
            ("/boot/loader/entries", &Found::Entries(1)),
            ("/boot/EFI/Linux", &Found::Absent),
        ];
        let (specified, others) = told.split_at(expected.len());
        assert_eq!(specified, expected);
        assert_eq!(others.len(), 2 * (10 + 2 + 2), "every place of the other formats");
        assert!(others.iter().all(|(_, found)| **found == Found::Absent));
        assert_eq!(menu.settings.timeout, Some(crate::menu::Timeout::Seconds(3)));
        let twice = files(&[
            ("/loader/entries/a.conf", "linux /a"),
            ("/boot/loader/entries/b.conf", "linux /b"),
        ]);
        assert_eq!(linux(&read_volume(&twice, &TARGET)), ["/a"], "/boot may be a link to /");
    }

    #[test]
    fn every_format_is_read_in_its_turn_and_each_id_once() {
        let all = [
            ("/boot/kboot.conf", "k=/k"),
            ("/etc/petitboot.conf", "name n\nimage /n\nname e\nimage /n"),
            ("/extlinux/extlinux.conf", "label none\nlocalboot 0"),
            ("/isolinux/isolinux.cfg", "timeout 70\ndefault e\nlabel e\nkernel /e\n"),
            ("/syslinux.cfg", "label later\nkernel /l\n"),
            ("/loader/entries/b.conf", "linux /b"),
        ];
        let menu = read_volume(&files(&all), &TARGET);
        assert_eq!(linux(&menu), ["/b", "/e", "/n", "/k"]);
        let formats: Vec<_> = menu.entries.iter().map(|entry| entry.format.name()).collect();
        assert_eq!(formats, ["bls", "extlinux", "native", "kboot"]);
        assert_eq!(menu.settings.timeout, Some(crate::menu::Timeout::Seconds(7)));
        let told: Vec<_> = menu.diagnostics.iter().map(|one| (&*one.file, one.code)).collect();
        assert_eq!(
            told,
            [
                ("/extlinux/extlinux.conf", Code::UnsupportedKey),
                ("/etc/petitboot.conf", Code::DuplicateId)
            ]
        );
    }

    #[test]
    fn the_name_of_a_file_tells_its_format() {
        let cases = [
            ("/boot/extlinux/extlinux.conf", Some(Format::Syslinux)),
            ("/x/any.cfg", Some(Format::Syslinux)),
            ("/pxelinux.cfg/01-02-03", Some(Format::Syslinux)),
            ("/etc/petitboot.conf", Some(Format::Native)),
            ("/kboot.conf", Some(Format::Kboot)),
            ("/loader/loader.conf", Some(Format::Bls)),
            ("/x/entry.conf", Some(Format::Bls)),
            ("/EFI/Linux/a.efi", Some(Format::Uki)),
            ("/readme", None),
        ];
        for (path, expected) in cases {
            assert_eq!(guess(path), expected, "{path}");
        }
    }

    #[test]
    fn variables_are_replaced_from_the_environment_block() {
        let entry = "linux /vmlinuz\ninitrd /initrd $tuned_initrd\n\
                     options $kernelopts $tuned_params x=${name}\n";
        let with = |env: &str| {
            let all = [("/loader/entries/a.conf", entry), ("/grub2/grubenv", env)];
            read_volume(&files(&all), &TARGET).entries.remove(0)
        };
        let found = with("kernelopts=root=/dev/x ro\ntuned_initrd=/tuned.img\n");
        assert_eq!(found.options, "root=/dev/x ro  x=${name}");
        assert_eq!(found.initrds, ["/initrd", "/tuned.img"]);
        assert_eq!(found.problems, []);
        let found = with("");
        assert_eq!(found.initrds, ["/initrd"]);
        let expected = "/loader/entries/a.conf:3: VARIABLE: options contains the variable \
                        \"$kernelopts\", which has no value here";
        assert_eq!(found.problems[0].to_string(), expected);
        let found = with("kernelopts=$other\n");
        assert!(found.problems[0].to_string().contains("\"$other\""), "{:?}", found.problems);
    }

    #[test]
    fn one_file_or_one_directory_is_read_alone() {
        let all = files(&[
            ("/loader/entries/a.conf", "linux /a"),
            ("/loader/entries/b.conf", "linux /b"),
            ("/loader/loader.conf", "timeout 3"),
            ("/other/c.conf", "linux /c"),
        ]);
        let read = |path: &str, format| read_config(&all, path, format, &TARGET);
        assert_eq!(linux(&read("loader/entries/a.conf", None).unwrap()), ["/a"]);
        assert_eq!(linux(&read("/loader/entries", None).unwrap()), ["/b", "/a"]);
        let whole = read("/loader/loader.conf", None).unwrap();
        assert_eq!(linux(&whole), ["/b", "/a"]);
        assert_eq!(whole.settings.timeout, Some(crate::menu::Timeout::Seconds(3)));
        assert_eq!(linux(&read("/other", Some(Format::Bls)).unwrap()), ["/c"]);
        for (path, format, why) in [
            ("/none.conf", None, "/none.conf: there is no such file"),
            ("/../a.conf", None, "the path \"/../a.conf\" must not contain \"..\""),
            ("/other", None, "/other: no menu file by its name; name its format"),
        ] {
            assert_eq!(read(path, format).unwrap_err(), why);
        }
    }

    #[test]
    fn entries_of_another_kind_are_told_and_read_all_the_same() {
        for (kind, told) in [("type1\n", None), ("type9\n", Some("\"type9\""))] {
            let all = [("/loader/entries/a.conf", "linux /a"), ("/loader/entries.srel", kind)];
            let menu = read_volume(&files(&all), &TARGET);
            assert_eq!(linux(&menu), ["/a"]);
            let expected = told.map(|kind| {
                let said = format!("the entries are said to be {kind}, not type1");
                format!("/loader/entries.srel: SETTING: {said}")
            });
            let messages = menu.diagnostics.iter().map(ToString::to_string);
            assert_eq!(messages.collect::<Vec<_>>(), expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_directory_that_cannot_be_read_is_told() {
        struct Broken;
        impl Files for Broken {
            fn read(&self, path: &str, _: usize) -> Result<Option<Vec<u8>>, String> {
                Err(format!("{path}: I/O error"))
            }
            fn read_at(&self, path: &str, _: u64, _: usize) -> Result<Option<Vec<u8>>, String> {
                Err(format!("{path}: I/O error"))
            }
            fn names(&self, directory: &str) -> Result<Vec<String>, String> {
                Err(format!("{directory}: I/O error"))
            }
            fn has(&self, _: &str) -> bool {
                false
            }
        }
        let menu = read_volume(&Broken, &TARGET);
        let messages: Vec<_> = menu.diagnostics.iter().map(ToString::to_string).collect();
        let expected = "/loader/entries: UNREADABLE: /loader/entries: I/O error".to_owned();
        assert!(messages.contains(&expected), "{messages:?}");
        let found = Found::Unreadable("/loader/entries: I/O error".to_owned());
        assert!(menu.read.contains(&Read { path: "/loader/entries".to_owned(), found }));
    }
}
