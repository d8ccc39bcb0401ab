//! kboot's menus, which petitboot reads too: `kboot.conf`.
//!
//! A line is `NAME='IMAGE initrd=PATH dtb=PATH ARGUMENT...'`. The names `default`,
//! `initrd`, `dtb`, `root` and `video` are no entries: they are what holds for
//! entries that do not say. Follows petitboot's tests of the format. Nothing is
//! expanded, and nothing on another device is reached for.

use crate::menu::metered::Metered;
use crate::menu::petitboot::lines::Flat;
use crate::menu::text::line::Line;
use crate::menu::text::lines::{self, split_word, unquote};
use crate::menu::{Code, Entry, Format, Menu, Target};

pub(crate) const FORMAT: Format = Format::other("kboot");

/// Where the file is, below the root of a volume and below its `/boot`.
pub(crate) const PLACES: [&str; 2] = ["/kboot.conf", "/etc/kboot.conf"];

/// What holds for entries that do not say.
#[derive(Clone, Copy, Default)]
struct Globals<'a> {
    initrd: Option<&'a str>,
    dtb: Option<&'a str>,
    root: Option<&'a str>,
    video: Option<&'a str>,
}

/// Reads the menu at `path`.
pub(crate) fn parse(files: &Metered<'_>, path: &str, _: &Target<'_>) -> Menu {
    match lines::read(files, path) {
        Ok(bytes) => read(files, path, &bytes),
        Err(diagnostic) => Menu { diagnostics: vec![diagnostic], ..Menu::default() },
    }
}

/// The globals hold for the whole file, wherever they stand.
fn read(files: &Metered<'_>, path: &str, bytes: &[u8]) -> Menu {
    let mut list = Flat::new(FORMAT, path);
    let mut globals = Globals::default();
    let mut entries = Vec::new();
    for (number, line) in lines::lines(bytes) {
        match line {
            Ok(line) => list.sort_out(number, line, &mut globals, &mut entries),
            Err(what) => list.no_text(number, what),
        }
    }
    for line in &entries {
        list.begin(line, line.key);
        if let Some(entry) = list.last() {
            entry.take_kboot(line, &globals);
        }
    }
    list.finish(files)
}

impl Flat<'_> {
    fn sort_out<'a>(
        &mut self,
        number: usize,
        line: &'a str,
        globals: &mut Globals<'a>,
        entries: &mut Vec<Line<'a>>,
    ) {
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let Some((key, value)) = line.split_once('=') else {
            let line = Line { number, key: "line", value: line };
            return self.complain(&line, Code::Setting, "has no = and is ignored");
        };
        let line = Line { number, key: key.trim(), value: unquote(value.trim()) };
        match line.key {
            "default" => self.set_default(&line),
            "initrd" => globals.initrd = Some(line.value),
            "dtb" => globals.dtb = Some(line.value),
            "root" => globals.root = Some(line.value),
            "video" => globals.video = Some(line.value),
            "timeout" | "delay" | "message" => {}
            _ => entries.push(line),
        }
    }
}

impl Entry {
    fn take_kboot(&mut self, line: &Line<'_>, globals: &Globals<'_>) {
        let (image, rest) = split_word(line.value);
        self.linux = self.path_here(&Line { value: image, ..*line });
        let Globals { mut initrd, mut dtb, mut root, mut video } = *globals;
        let mut arguments = Vec::new();
        for word in rest.split_ascii_whitespace() {
            match word.split_once('=') {
                Some(("initrd", path)) => initrd = Some(path),
                Some(("dtb", path)) => dtb = Some(path),
                _ => arguments.push(word),
            }
            root = root.filter(|_| !word.starts_with("root="));
            video = video.filter(|_| !word.starts_with("video="));
        }
        self.initrds = self.kboot_path(line, initrd).into_iter().collect();
        self.devicetree = self.kboot_path(line, dtb);
        let root = root.map(|root| format!("root={root}"));
        let video = video.map(|video| format!("video={video}"));
        let globals = root.iter().chain(&video).map(String::as_str);
        let options = globals.chain(arguments).collect::<Vec<_>>().join(" ");
        self.add_options(&Line { value: &options, ..*line });
    }

    fn kboot_path(&mut self, line: &Line<'_>, path: Option<&str>) -> Option<String> {
        let path = path.filter(|path| !path.is_empty())?;
        self.path_here(&Line { value: path, ..*line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::menu::{Budget, Memory};

    fn options(menu: &Menu) -> Vec<&str> {
        menu.entries.iter().map(|entry| entry.options.as_str()).collect()
    }

    #[test]
    fn an_entry_is_one_line_and_globals_fill_in_what_it_does_not_say() {
        let text = "timeout=10\ndefault=b\na='/vmlinux initrd=/own root=/dev/sda1 quiet'\r\n\
                    b=\"vmlinux video=ps3fb:mode:1 quiet\"\nc=/vmlinux initrd= dtb=\n\
                    initrd=/initrd\nroot=/dev/sda2\nvideo=x\ndtb=/a.dtb\n";
        let menu = read(
            &Metered::menus(&Memory::default(), &Budget::default()),
            "/etc/kboot.conf",
            text.as_bytes(),
        );
        assert_eq!(
            options(&menu),
            [
                "video=x root=/dev/sda1 quiet",
                "root=/dev/sda2 video=ps3fb:mode:1 quiet",
                "root=/dev/sda2 video=x",
            ]
        );
        let initrds: Vec<_> = menu.entries.iter().map(|entry| entry.initrds.join(",")).collect();
        assert_eq!(initrds, ["/own", "/initrd", ""]);
        let trees: Vec<_> = menu.entries.iter().map(|e| e.devicetree.as_deref()).collect();
        assert_eq!(trees, [Some("/a.dtb"), Some("/a.dtb"), None]);
        assert!(menu.entries.iter().all(|e| e.linux.as_deref() == Some("/vmlinux")));
        assert_eq!(menu.entries[1].line, Some(4));
        assert_eq!(menu.diagnostics, []);
    }

    #[test]
    fn a_fault_costs_its_own_line() {
        let text: &[u8] = b"a=sda1:/vmlinux\nb\n=/x\nc='/c \xff'\nd=\ne=/e\n";
        let menu =
            read(&Metered::menus(&Memory::default(), &Budget::default()), "/kboot.conf", text);
        let found: Vec<_> = menu.entries.iter().map(|e| (e.id.as_str(), e.is_bootable())).collect();
        assert_eq!(found, [("a", false), ("d", false), ("e", true)]);
        let messages: Vec<_> = menu.diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(
            messages,
            [
                "/kboot.conf:2: SETTING: line \"b\" has no = and is ignored",
                "/kboot.conf:4: ENCODING: the line is not valid UTF-8",
                "/kboot.conf:3: VALUE_SIZE:  \"/x\" is no name of an entry",
            ]
        );
    }
}
