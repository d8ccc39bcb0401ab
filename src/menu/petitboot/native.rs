//! petitboot's own menus: `petitboot.conf`.
//!
//! A line is a word and a value. `name` begins an entry; `image`, `initrd`,
//! `args`, `dtb` and `description` belong to the one that has begun; `default`
//! names one. Follows petitboot's tests of the format. Must never reach for what
//! a value names on another device or machine: such an entry cannot boot.

use crate::menu::metered::Metered;
use crate::menu::petitboot::lines::Flat;
use crate::menu::text::line::Line;
use crate::menu::text::lines::{self, split_word, unquote};
use crate::menu::{Code, Entry, Format, Menu, Target};

pub(crate) const FORMAT: Format = Format::other("native");

/// Where the file is, below the root of a volume and below its `/boot`.
pub(crate) const PLACES: [&str; 2] = ["/petitboot.conf", "/etc/petitboot.conf"];

/// Reads the menu at `path`.
pub(crate) fn parse(files: &Metered<'_>, path: &str, _: &Target<'_>) -> Menu {
    match lines::read(files, path) {
        Ok(bytes) => read(files, path, &bytes),
        Err(diagnostic) => Menu { diagnostics: vec![diagnostic], ..Menu::default() },
    }
}

fn read(files: &Metered<'_>, path: &str, bytes: &[u8]) -> Menu {
    let mut list = Flat::new(FORMAT, path);
    for (number, line) in lines::lines(bytes) {
        match line.map(split_word) {
            Ok((key, value)) => list.take(&Line { number, key, value: unquote(value) }),
            Err(what) => list.no_text(number, what),
        }
    }
    list.finish(files)
}

impl Flat<'_> {
    fn take(&mut self, line: &Line<'_>) {
        match (line.key, self.last()) {
            ("name", _) => self.begin(line, line.value),
            ("default", _) => self.set_default(line),
            ("", _) => {}
            (key, _) if key.starts_with('#') => {}
            ("image" | "initrd" | "args" | "dtb" | "description", Some(entry)) => {
                entry.take_native(line);
            }
            ("image" | "initrd" | "args" | "dtb" | "description", None) => {
                self.complain(line, Code::Setting, "belongs to no entry and is ignored");
            }
            _ => self.complain(line, Code::UnsupportedKey, "is not understood and is ignored"),
        }
    }
}

impl Entry {
    /// A repeated line takes the place of the one before.
    fn take_native(&mut self, line: &Line<'_>) {
        match line.key {
            "image" => self.linux = self.path_here(line),
            "initrd" => self.initrds = self.path_here(line).into_iter().collect(),
            "dtb" => self.devicetree = self.path_here(line),
            "args" => {
                self.options.clear();
                self.add_options(line);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::menu::{Budget, Memory};

    fn messages(menu: &Menu) -> Vec<String> {
        menu.diagnostics.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_key_of_an_entry_is_read() {
        let text = "# by hand\n\ndefault  My System\nname \"My System\"\r\nimage /vmlinux\n\
                    initrd initrd\nargs 'root=/dev/sda2 quiet'\ndtb /a.dtb\ndescription x\n\
                    name other\nimage /other\n";
        let menu = read(
            &Metered::menus(&Memory::default(), &Budget::default()),
            "/petitboot.conf",
            text.as_bytes(),
        );
        let [first, other] = &menu.entries[..] else { panic!("{menu:?}") };
        assert_eq!((first.id.as_str(), first.name()), ("My-System", "My System"));
        assert_eq!((first.linux.as_deref(), first.line), (Some("/vmlinux"), Some(4)));
        assert_eq!(
            (&first.initrds[..], first.devicetree.as_deref()),
            (&["/initrd".to_owned()][..], Some("/a.dtb"))
        );
        assert_eq!(first.options, "root=/dev/sda2 quiet");
        assert_eq!((other.id.as_str(), other.options.as_str()), ("other", ""));
        let default = menu.settings.default.as_ref().map(|wanted| &wanted.what);
        assert_eq!(default, Some(&crate::menu::What::Named("My-System".to_owned())));
        assert_eq!(messages(&menu), [""; 0]);
    }

    #[test]
    fn a_fault_costs_the_entry_that_it_is_in() {
        let text: &[u8] =
            b"image /early\nname a\nimage http://host/a\nname b\nimage /b\nargs \xff\n\
                            name c\nname d\nimage /d\nfuture x\nname\nimage /lost\n";
        let menu =
            read(&Metered::menus(&Memory::default(), &Budget::default()), "/petitboot.conf", text);
        let found: Vec<_> = menu.entries.iter().map(|e| (e.id.as_str(), e.is_bootable())).collect();
        assert_eq!(found, [("a", false), ("b", false), ("d", true)]);
        assert_eq!(
            menu.entries[0].problems[0].to_string(),
            "/petitboot.conf:3: PATH: image \"http://host/a\" is on another device or machine, \
             where nothing is looked up"
        );
        assert_eq!(
            messages(&menu),
            [
                "/petitboot.conf:1: SETTING: image \"/early\" belongs to no entry and is ignored",
                "/petitboot.conf:6: ENCODING: the line is not valid UTF-8",
                "/petitboot.conf:10: UNSUPPORTED_KEY: future \"x\" is not understood and is ignored",
                "/petitboot.conf:11: VALUE_SIZE: name \"\" is no name of an entry",
                "/petitboot.conf:12: SETTING: image \"/lost\" belongs to no entry and is ignored",
                "/petitboot.conf:7: NO_KERNEL: \"c\" names nothing to boot and is left out",
            ]
        );
    }
}
