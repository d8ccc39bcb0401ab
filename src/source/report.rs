//! What was looked at for a menu, device by device, and what came of it: what a
//! person needs who finds no menu, or not the one that they expected.

use core::fmt;

use super::Passed;
use crate::base::text::printable;
use crate::menu::{Found, Read};

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
    /// What names it in an image's configuration, as that is written there.
    pub selector: Option<String>,
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

/// One line a device, and where it was read without an entry, one more a file;
/// each begins with `\r\n`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.devices.iter().try_for_each(|looked| write!(f, "\r\n  {looked}"))
    }
}

impl fmt::Display for Looked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)?;
        match &self.outcome {
            Outcome::Passed(why) => {
                write!(f, ": {why}")?;
                match &self.selector {
                    Some(selector) if *why == Passed::Scan => {
                        let selector = printable(selector);
                        write!(
                            f,
                            "; \"scan all\" or \"device {selector}\" in the image looks at it"
                        )
                    }
                    _ => Ok(()),
                }
            }
            Outcome::NoFileSystem => f.write_str(": nothing to mount"),
            Outcome::Unmounted(why) => write!(f, ": {}", printable(why)),
            Outcome::Read { entries: 0, files } => {
                f.write_str(": no menu entry")?;
                files.iter().try_for_each(|read| write_read(read, f))
            }
            Outcome::Read { entries: 1, .. } => f.write_str(": 1 menu entry"),
            Outcome::Read { entries, .. } => write!(f, ": {entries} menu entries"),
        }
    }
}

fn write_read(read: &Read, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\r\n    {}: ", printable(&read.path))?;
    match &read.found {
        Found::Absent => f.write_str("not there"),
        Found::Settings => f.write_str("settings"),
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
        Looked { name: name.to_owned(), description: format!("{name}: 1 GiB"), selector, outcome }
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
            looked("vda1", Outcome::Read { files: files.clone(), entries: 0 }),
            looked("vda2", Outcome::Read { files: files.clone(), entries: 1 }),
            looked("vda3", Outcome::Read { files, entries: 2 }),
            looked("vdb", Outcome::NoFileSystem),
            looked("vdc", Outcome::Unmounted("mounting it: \u{1b}".to_owned())),
            looked("vdd1", Outcome::Passed(Passed::Scan)),
            Looked { selector: None, ..looked("vdd2", Outcome::Passed(Passed::Scan)) },
        ];
        let expected = "\r\n  vda: 1 GiB: not of a type that holds menus\
                        \r\n  vda1: 1 GiB: no menu entry\
                        \r\n    /loader/entries: not there\
                        \r\n    /loader/loader.conf: settings\
                        \r\n    /a: 0 entries\
                        \r\n    /b: /b: \\u{1b}\
                        \r\n  vda2: 1 GiB: 1 menu entry\
                        \r\n  vda3: 1 GiB: 2 menu entries\
                        \r\n  vdb: 1 GiB: nothing to mount\
                        \r\n  vdc: 1 GiB: mounting it: \\u{1b}\
                        \r\n  vdd1: 1 GiB: no boot partition, and no others are looked at (scan boot); \
                        \"scan all\" or \"device UUID=12-ab\" in the image looks at it\
                        \r\n  vdd2: 1 GiB: no boot partition, and no others are looked at (scan boot)";
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
