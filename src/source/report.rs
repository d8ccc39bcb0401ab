//! What was looked at for a menu, device by device, and what came of it: what a
//! person needs who finds no menu, or not the one that they expected.

use core::fmt;

use super::Passed;
use crate::base::text::printable;
use crate::menu::{self, Found, Read};

/// Everything that was looked at, in the order in which it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The devices.
    pub devices: Vec<Looked>,
}

/// One device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Kernel name, such as `vda2`.
    pub name: String,
    /// What it is, as [`super::describe`] says it.
    pub description: String,
    /// What names it in an image's configuration, as that is written there; none where
    /// there is nothing to mount.
    pub selector: Option<String>,
    /// Why what lies in it is not found, where it is a container.
    pub shut: Option<&'static str>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was not looked at.
    Passed(Passed),
    /// It holds nothing that could be mounted.
    NoFileSystem,
    /// It could not be mounted or opened: the sentence.
    Unmounted(String),
    /// It was mounted.
    Read {
        /// Menu files and directories, with what came of each.
        files: Vec<Read>,
        /// What is wrong with them, each in a line.
        faults: Vec<String>,
        /// How many entries that gave.
        entries: usize,
    },
}

impl Report {
    /// Says what came of a device, in place of what was said of it before.
    pub fn note(&mut self, looked: Looked) {
        match self.devices.iter_mut().find(|before| before.name == looked.name) {
            Some(before) => *before = looked,
            None => self.devices.push(looked),
        }
    }

    /// Forgets a device that is gone.
    pub fn forget(&mut self, name: &str) {
        self.devices.retain(|looked| looked.name != name);
    }
}

/// One line a device, and where it was read without an entry, one more for each file that
/// was there, and for what is wrong with them; each begins with `\r\n`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.devices.iter().try_for_each(|looked| write!(f, "\r\n  {looked}"))
    }
}

impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)?;
        match &self.outcome {
            Outcome::Passed(_) | Outcome::NoFileSystem if let Some(shut) = self.shut => {
                write!(f, ": {shut}")
            }
            Outcome::Passed(why) => {
                write!(f, ": {why}")?;
                match &self.selector {
                    Some(selector) => write_way(*why, selector, f),
                    None => Ok(()),
                }
            }
            Outcome::NoFileSystem => f.write_str(": nothing to mount"),
            Outcome::Unmounted(why) => write!(f, ": {}", printable(why)),
            Outcome::Read { entries: 0, files, faults } => write_without(files, faults, f),
            Outcome::Read { entries: 1, .. } => f.write_str(": 1 menu entry"),
            Outcome::Read { entries, .. } => write!(f, ": {entries} menu entries"),
        }
    }
}

/// What has a device looked at that was passed by.
fn write_way(why: Passed, selector: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let scan = match why {
        Passed::Scan => "\"scan all\" or ",
        Passed::Type | Passed::NoAuto => "",
        Passed::Unnamed | Passed::Duplicate | Passed::Mirror | Passed::Count | Passed::Killed => {
            return Ok(());
        }
    };
    write!(f, "; {scan}\"device {}\" in the image looks at it", printable(selector))
}

/// Most faults that are told of a device.
const MAX_FAULTS: usize = 4;

/// What a device without an entry has: the places where nothing was are all told by the
/// names of the formats.
fn write_without(files: &[Read], faults: &[String], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(": no menu entry")?;
    let mut there = files.iter().filter(|read| read.found != Found::Absent).peekable();
    if there.peek().is_none() {
        f.write_str("; looked for menus of ")?;
        for (at, name) in menu::formats().enumerate() {
            write!(f, "{}{name}", if at == 0 { "" } else { ", " })?;
        }
    }
    there.try_for_each(|read| write_read(read, f))?;
    let told = faults.iter().take(MAX_FAULTS);
    told.into_iter().try_for_each(|fault| write!(f, "\r\n    {}", printable(fault)))?;
    match faults.len().saturating_sub(MAX_FAULTS) {
        0 => Ok(()),
        more => write!(f, "\r\n    and {more} more faults"),
    }
}

fn write_read(read: &Read, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\r\n    {}: ", printable(&read.path))?;
    match &read.found {
        Found::Absent => f.write_str("not there"),
        Found::Settings => f.write_str("settings"),
        Found::Entries(0) => f.write_str("there, and without an entry"),
        Found::Entries(count) => write!(f, "{count} entries"),
        Found::Elsewhere(menu) => write!(f, "leads to {}", printable(menu)),
        Found::Unreadable(why) => f.write_str(&printable(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(name: &str, outcome: Outcome) -> Looked {
        let selector = Some("UUID=12-ab".to_owned());
        let description = format!("{name}: 1 GiB");
        Looked { name: name.to_owned(), description, selector, shut: None, outcome }
    }

    fn without(files: &[Read], faults: usize) -> Outcome {
        let faults = (0..faults).map(|line| format!("/a:{line}: SYNTAX: no")).collect();
        Outcome::Read { files: files.to_vec(), faults, entries: 0 }
    }

    fn shut(name: &str, outcome: Outcome) -> Looked {
        Looked { shut: super::super::filesystem::Kind::Luks.shut(), ..looked(name, outcome) }
    }

    fn read(path: &str, found: Found) -> Read {
        Read { path: path.to_owned(), found }
    }

    #[test]
    fn a_report_tells_what_came_of_each_device() {
        let files = vec![
            read("/loader/entries", Found::Absent),
            read("/loader/loader.conf", Found::Settings),
            read("/a", Found::Entries(0)),
            read("/b", Found::Unreadable("/b: \u{1b}".to_owned())),
        ];
        let devices = vec![
            looked("vda", Outcome::Passed(Passed::Type)),
            looked("vda0", Outcome::Passed(Passed::NoAuto)),
            looked("vda00", Outcome::Passed(Passed::Unnamed)),
            looked("vda1", without(&files, 0)),
            looked("vda2", Outcome::Read { files: files.clone(), faults: vec![], entries: 1 }),
            looked("vda3", Outcome::Read { files, faults: vec![], entries: 2 }),
            looked("vda4", without(&[read("/loader/entries", Found::Absent)], 0)),
            looked("vda5", without(&[read("/a", Found::Entries(0))], 6)),
            shut("vda6", Outcome::NoFileSystem),
            shut("vda7", Outcome::Passed(Passed::Type)),
            shut("vda8", Outcome::Unmounted("no".to_owned())),
            looked("vdb", Outcome::NoFileSystem),
            looked("vdc", Outcome::Unmounted("mounting it: \u{1b}".to_owned())),
            looked("vdd1", Outcome::Passed(Passed::Scan)),
            Looked { selector: None, ..looked("vdd2", Outcome::Passed(Passed::Scan)) },
        ];
        let expected = "\r\n  vda: 1 GiB: not of a type that holds menus; \"device UUID=12-ab\" in the image \
                        looks at it\
                        \r\n  vda0: 1 GiB: marked no-auto: only used when it is configured; \
                        \"device UUID=12-ab\" in the image looks at it\
                        \r\n  vda00: 1 GiB: not the device that is configured\
                        \r\n  vda1: 1 GiB: no menu entry\
                        \r\n    /loader/loader.conf: settings\
                        \r\n    /a: there, and without an entry\
                        \r\n    /b: /b: \\u{1b}\
                        \r\n  vda2: 1 GiB: 1 menu entry\
                        \r\n  vda3: 1 GiB: 2 menu entries\
                        \r\n  vda4: 1 GiB: no menu entry; looked for menus of FORMATS\
                        \r\n  vda5: 1 GiB: no menu entry\
                        \r\n    /a: there, and without an entry\
                        \r\n    /a:0: SYNTAX: no\
                        \r\n    /a:1: SYNTAX: no\
                        \r\n    /a:2: SYNTAX: no\
                        \r\n    /a:3: SYNTAX: no\
                        \r\n    and 2 more faults\
                        \r\n  vda6: 1 GiB: it is encrypted, and nothing here opens it\
                        \r\n  vda7: 1 GiB: it is encrypted, and nothing here opens it\
                        \r\n  vda8: 1 GiB: no\
                        \r\n  vdb: 1 GiB: nothing to mount\
                        \r\n  vdc: 1 GiB: mounting it: \\u{1b}\
                        \r\n  vdd1: 1 GiB: no boot partition, and no others are looked at (scan boot); \
                        \"scan all\" or \"device UUID=12-ab\" in the image looks at it\
                        \r\n  vdd2: 1 GiB: no boot partition, and no others are looked at (scan boot)";
        let formats: Vec<_> = menu::formats().collect();
        assert!(formats.contains(&"bls"));
        let expected = expected.replace("FORMATS", &formats.join(", "));
        assert_eq!(Report { devices }.to_string(), expected);
    }

    #[test]
    fn what_is_said_last_of_a_device_counts() {
        let mut report = Report::default();
        report.note(looked("vda", Outcome::NoFileSystem));
        report.note(looked("vdb", Outcome::NoFileSystem));
        let last = looked("vda", Outcome::Passed(Passed::NoAuto));
        report.note(last.clone());
        assert_eq!(report.devices, [last, looked("vdb", Outcome::NoFileSystem)]);
        report.forget("vda");
        assert_eq!(report.devices, [looked("vdb", Outcome::NoFileSystem)]);
    }
}
