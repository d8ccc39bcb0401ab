//! Every menu of one volume: which files are looked at, and in which order.
//!
//! Menus lie below the root of a volume or below its `/boot`; of these the first
//! that has an entry counts, for each format by itself. The order is fixed and
//! documented (docs/menus.md); what was looked at is reported whether it was
//! there or not.

use super::gather::Search;
use super::grub::environment;
use super::metered::{Metered, Sieve};
use super::readers::{READERS, Reader};
use super::{Budget, Code, Diagnostic, Files, Format, Found, Identity, Menu, Target, paths, uki};
use crate::base::text::quoted;

/// Where a menu's own root may be on its volume.
const PREFIXES: [&str; 2] = ["", "/boot"];

/// Most directories at the top of a btrfs that are looked into.
const MAX_SUBVOLUMES: usize = 32;

/// Every menu of a volume that nothing else is read of, within the budget of a
/// device but without a clock. [`super::merge()`] makes of one or more of these what
/// is shown, and says which entry is the default.
#[must_use]
pub fn read_volume(files: &dyn Files, target: &Target<'_>) -> Menu {
    read_below(&Metered::menus(files, &Budget::default()), target, "")
}

/// Every menu of a volume, or of a system whose root is the directory `root` of
/// the volume, such as a subvolume of btrfs: `/@`.
#[must_use]
pub fn read_below(files: &Metered<'_>, target: &Target<'_>, root: &str) -> Menu {
    let name = files.sight().home.map_or("", Identity::name).to_owned();
    let mut menu = Menu { name, ..Menu::default() };
    let known = environment::read(files, root, &mut menu);
    menu.settings.saved = known.saved_entry();
    let search = Search { files, target, known: &known, addons: uki::Addons::default() };
    for reader in READERS.iter().take_while(|_| files.ended().is_none()) {
        menu.append_first(reader, &search, root);
    }
    menu.limit(files);
    menu.end(files.ended());
    menu
}

/// Every menu of the top of a btrfs, or else of the first directory there that has an
/// entry: it is a subvolume.
#[must_use]
pub fn read_subvolumes(files: &Metered<'_>, target: &Target<'_>) -> Menu {
    let mut menu = Menu::default();
    let found = files.names("/", Sieve { wanted: |_| true, most: MAX_SUBVOLUMES });
    let found = found.unwrap_or_default();
    if found.left_out > 0 {
        let detail = format!(
            "only the first {MAX_SUBVOLUMES} names are looked into for subvolumes; {} are not",
            found.left_out
        );
        menu.diagnostics.push(Diagnostic::new("/", None, Code::EntryCount, detail));
    }
    let below = found.names.iter().map(|name| format!("/{name}"));
    for place in core::iter::once(String::new()).chain(below) {
        if files.ended().is_some() {
            break;
        }
        let found = read_below(files, target, &place);
        let is_last = !found.entries.is_empty();
        menu = found.behind(menu);
        if is_last {
            break;
        }
    }
    menu
}

/// Only the menu file, or the directory of entries, at `path`.
///
/// # Errors
/// There is no such menu, or its format is none that is known.
pub fn read_config(
    files: &Metered<'_>,
    path: &str,
    format: Option<Format>,
    target: &Target<'_>,
) -> Result<Menu, String> {
    let path =
        paths::normalise(path).map_err(|what| format!("the path {} {what}", quoted(path)))?;
    let reader = format.map_or_else(|| Reader::by_path(&path), Reader::of);
    let reader =
        reader.ok_or_else(|| format!("{path}: no menu file by its name; name its format"))?;
    let known = environment::read(files, "", &mut Menu::default());
    let search = Search { files, target, known: &known, addons: uki::Addons::default() };
    let mut menu = reader.read(&search, &path);
    if menu.read.iter().all(|read| read.found == Found::Absent) {
        return Err(format!("{path}: there is no such file"));
    }
    menu.limit(files);
    menu.end(files.ended());
    Ok(menu)
}

impl Menu {
    /// Adds the first menu of a format that has an entry, and says what was looked
    /// at until then.
    fn append_first(&mut self, reader: &Reader, search: &Search<'_>, root: &str) {
        for prefix in PREFIXES.map(|prefix| format!("{root}{prefix}")) {
            let mut found = reader.find(search, &prefix);
            let is_last = !found.entries.is_empty();
            found.place(search, &prefix);
            self.append(found);
            if is_last {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::arch::Arch;
    use crate::menu::{Entry, Memory, Read, Visit};

    const TARGET: Target<'_> = Target::new(Arch::X86_64, &[]);

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
                let menu = read_below(&Metered::menus(&files, &Budget::default()), &TARGET, root);
                assert_eq!(linux(&menu), [kernel.as_str()]);
                assert_eq!(menu.entries[0].initrds, ["/initrd"], "what is nowhere is as it stands");
                assert_eq!(menu.entries[0].file, path);
            }
        }
    }

    #[test]
    fn the_first_subvolume_with_an_entry_counts() {
        let script = "menuentry A { linux /@/boot/vmlinuz; }";
        let files =
            files(&[("/@/boot/grub/grub.cfg", script), ("/x/loader/entries/a.conf", "linux /a")]);
        let budget = Budget::default();
        let menu = read_subvolumes(&Metered::menus(&files, &budget), &TARGET);
        assert_eq!(linux(&menu), ["/@/boot/vmlinuz"]);
        assert_eq!(menu.entries[0].file, "/@/boot/grub/grub.cfg");
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
        assert_eq!(others.len(), 2 * (10 + 4 + 2 + 2), "every place of the other formats");
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

    /// An entry with variables, beside this environment block.
    fn beside(env: &str) -> Entry {
        let entry = "linux /vmlinuz\ninitrd /initrd $tuned_initrd\n\
                     options $kernelopts $tuned_params x=${name}\n";
        let all = [("/loader/entries/a.conf", entry), ("/grub2/grubenv", env)];
        read_volume(&files(&all), &TARGET).entries.remove(0)
    }

    #[test]
    fn variables_are_replaced_from_the_environment_block() {
        let found = beside("kernelopts=root=/dev/x ro\ntuned_initrd=/tuned.img\n");
        assert_eq!(found.options, "root=/dev/x ro  x=${name}");
        assert_eq!(found.initrds, ["/initrd", "/tuned.img"]);
        assert_eq!(found.problems, []);
        let found = beside("");
        assert_eq!(found.initrds, ["/initrd"]);
        let expected = "/loader/entries/a.conf:3: VARIABLE: options contains the variable \
                        \"$kernelopts\", which has no value here";
        assert_eq!(found.problems[0].to_string(), expected);
        let found = beside("kernelopts=$other\n");
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
        let whole = read_config(
            &Metered::menus(&all, &Budget::default()),
            "/loader/loader.conf",
            None,
            &TARGET,
        )
        .unwrap();
        assert_eq!(linux(&whole), ["/b", "/a"]);
        assert_eq!(whole.settings.timeout, Some(crate::menu::Timeout::Seconds(3)));
        for (path, format, kernels) in [
            ("loader/entries/a.conf", None, vec!["/a"]),
            ("/loader/entries", None, vec!["/b", "/a"]),
            ("/other", Some(Format::BLS), vec!["/c"]),
        ] {
            assert_eq!(
                linux(
                    &read_config(&Metered::menus(&all, &Budget::default()), path, format, &TARGET)
                        .unwrap()
                ),
                kernels
            );
        }
        for (path, format, why) in [
            ("/none.conf", None, "/none.conf: there is no such file"),
            ("/../a.conf", None, "the path \"/../a.conf\" must not contain \"..\""),
            ("/other", None, "/other: no menu file by its name; name its format"),
        ] {
            assert_eq!(
                read_config(&Metered::menus(&all, &Budget::default()), path, format, &TARGET)
                    .unwrap_err(),
                why
            );
        }
    }

    #[test]
    fn what_is_said_of_a_menu_is_paid_for() {
        let all = files(&[("/extlinux/extlinux.conf", &"x\n".repeat(64))]);
        let budget = Budget::default();
        let menu = read_below(&Metered::menus(&all, &budget), &TARGET, "");
        let weight: usize = menu.diagnostics.iter().map(crate::menu::Diagnostic::weight).sum();
        assert_eq!((menu.diagnostics.len(), budget.kept()), (64, weight as u64));
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
            fn small(&self, path: &str, _: usize) -> Result<Option<Vec<u8>>, String> {
                Err(format!("{path}: I/O error"))
            }
            fn size(&self, path: &str) -> Result<u64, String> {
                Err(format!("{path}: I/O error"))
            }
            fn is_directory(&self, _: &str) -> bool {
                false
            }
            fn each_name(&self, directory: &str, _: &mut Visit<'_>) -> Result<(), String> {
                Err(format!("{directory}: I/O error"))
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
