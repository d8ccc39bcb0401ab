//! All formats of menus, each a row: its name, by which files it is found, and what
//! reads it. A new format is a room of its own and a row here.

use crate::base::switches;

use super::bls::reader;
use super::gather::{Parser, Search};
use super::grub;
use super::petitboot::{kboot, native};
use super::{Format, Menu, syslinux, uki};

/// A format and its reader.
pub(super) struct Reader {
    pub(super) format: Format,
    /// Other names by which people know it.
    aliases: &'static [&'static str],
    /// Whether a file or a directory of such a path is one.
    is_path: fn(&str) -> bool,
    source: Source,
}

/// What its menus are made of.
enum Source {
    /// One file, the first of these below a prefix that has an entry.
    File { places: &'static [&'static str], parser: Parser },
    /// One file of many places, or that leads to others. `find` has all of a prefix and
    /// `read` that of one path.
    Script { find: Find, read: Find },
    /// Many files. `find` has all of a prefix; none where another format's has
    /// them, too. `read` has those of one path.
    Files { find: Option<Find>, read: Find },
}

type Find = fn(&Search<'_>, &str) -> Menu;

/// In the order in which they are read and shown.
pub(super) const READERS: [Reader; 6] = [
    Reader {
        format: Format::BLS,
        aliases: &[],
        is_path: reader::is_path,
        source: Source::Files { find: Some(reader::find), read: reader::read },
    },
    Reader {
        format: uki::FORMAT,
        aliases: &[],
        is_path: reader::is_image_path,
        source: Source::Files { find: None, read: reader::read_images },
    },
    Reader {
        format: syslinux::FORMAT,
        aliases: &["syslinux", "isolinux", "pxelinux"],
        is_path: syslinux::is_path,
        source: Source::File {
            places: &syslinux::PLACES,
            parser: Parser::switched(&switches::SYSLINUX, syslinux::parse),
        },
    },
    Reader {
        format: grub::FORMAT,
        aliases: &["grub2"],
        is_path: grub::is_path,
        source: Source::Script { find: grub::find, read: grub::read },
    },
    Reader {
        format: native::FORMAT,
        aliases: &[],
        is_path: |path| path.ends_with("/petitboot.conf"),
        source: Source::File {
            places: &native::PLACES,
            parser: Parser::switched(&switches::PETITBOOT, native::parse),
        },
    },
    Reader {
        format: kboot::FORMAT,
        aliases: &[],
        is_path: |path| path.ends_with("/kboot.conf"),
        source: Source::File {
            places: &kboot::PLACES,
            parser: Parser::switched(&switches::KBOOT, kboot::parse),
        },
    },
];

/// The names of all formats.
pub fn formats() -> impl Iterator<Item = &'static str> {
    READERS.iter().map(|reader| reader.format.name())
}

impl Reader {
    /// The format of a file with such a name. Names that one format has for itself
    /// count before those that the specification leaves open.
    pub(super) fn by_path(path: &str) -> Option<&'static Self> {
        let named = READERS.iter().rev().filter(|row| !matches!(row.source, Source::Files { .. }));
        named.chain(&READERS).find(|row| (row.is_path)(path))
    }

    pub(super) fn of(format: Format) -> Option<&'static Self> {
        READERS.iter().find(|row| row.format == format)
    }

    /// Every menu below a prefix.
    pub(super) fn find(&self, search: &Search<'_>, prefix: &str) -> Menu {
        match &self.source {
            Source::Files { find, .. } => {
                find.map_or_else(Menu::default, |find| find(search, prefix))
            }
            Source::Script { find, .. } => find(search, prefix),
            Source::File { places, parser } => {
                let mut menu = Menu::default();
                for place in *places {
                    menu.read_file(search, &format!("{prefix}{place}"), parser);
                    if !menu.entries.is_empty() {
                        break;
                    }
                }
                menu
            }
        }
    }

    /// Only what is at `path`.
    pub(super) fn read(&self, search: &Search<'_>, path: &str) -> Menu {
        match &self.source {
            Source::Files { read, .. } | Source::Script { read, .. } => read(search, path),
            Source::File { parser, .. } => {
                let mut menu = Menu::default();
                menu.read_file(search, path, parser);
                menu
            }
        }
    }
}

impl Format {
    /// All of them, in the order in which they are read and shown.
    pub fn all() -> impl Iterator<Item = Self> {
        READERS.iter().map(|row| row.format)
    }

    /// The format of this name, or of one by which people know it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let row =
            READERS.iter().find(|row| row.format.name() == name || row.aliases.contains(&name));
        row.map(|row| row.format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::arch::Arch;
    use crate::menu::files::Memory;
    use crate::menu::{Target, read_volume};

    #[test]
    fn every_format_is_found_by_its_names() {
        for format in Format::all() {
            assert_eq!(Format::named(format.name()), Some(format));
        }
        assert_eq!(Format::named("pxelinux"), Format::named("extlinux"));
        assert_eq!(Format::named("grub2"), Format::named("grub"));
        assert_eq!(Format::named("lilo"), None);
    }

    /// tests/features runs it where they are left out.
    #[test]
    fn a_format_is_read_or_the_switch_that_left_it_out_is_named() {
        let target = Target::new(Arch::X86_64, &[]);
        for (switch, path, text) in [
            (switches::SYSLINUX, "/extlinux/extlinux.conf", "label a\nkernel /a\n"),
            (switches::GRUB, "/grub/grub.cfg", "menuentry a {\nlinux /a\n}\n"),
            (switches::PETITBOOT, "/etc/petitboot.conf", "name a\nimage /a\n"),
            (switches::KBOOT, "/kboot.conf", "a=/a\n"),
        ] {
            let files = Memory([(path.to_owned(), text.into())].into());
            let menu = read_volume(&files, &target);
            let faults: Vec<_> = menu.diagnostics.iter().map(ToString::to_string).collect();
            if switch.on {
                assert_eq!((menu.entries.len(), faults.len()), (1, 0), "{path}: {faults:?}");
            } else {
                let left_out = format!("this program was built without {}", switch.name);
                assert_eq!(faults, [format!("{path}: UNREADABLE: {left_out}")]);
                assert!(menu.entries.is_empty(), "{path}");
            }
        }
    }

    #[test]
    fn the_name_of_a_file_tells_its_format() {
        let cases = [
            ("/boot/extlinux/extlinux.conf", Some("extlinux")),
            ("/boot/grub/grub.cfg", Some("grub")),
            ("/boot/grub/loopback.cfg", Some("grub")),
            ("/x/any.cfg", Some("extlinux")),
            ("/pxelinux.cfg/01-02-03", Some("extlinux")),
            ("/pxelinux.cfg/kboot.conf", Some("kboot")),
            ("/etc/petitboot.conf", Some("native")),
            ("/kboot.conf", Some("kboot")),
            ("/loader/loader.conf", Some("bls")),
            ("/loader/entries/a.efi", Some("bls")),
            ("/x/entry.conf", Some("bls")),
            ("/EFI/Linux/a.efi", Some("uki")),
            ("/readme", None),
        ];
        for (path, expected) in cases {
            let found = Reader::by_path(path).map(|row| row.format.name());
            assert_eq!(found, expected, "{path}");
        }
    }
}
