//! What a script prints, for tests that compare it with what GRUB prints.
//!
//! Not for any program: a script is evaluated over files in memory, on one device that
//! is called `host` as GRUB's emulator calls it.

use super::commands;
use super::evaluator::{Evaluator, Flow};
use super::world::{By, Device, Found, Missed, Place, World};
use crate::menu::{Diagnostic, Files, Memory};

/// What came of a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed {
    /// All that its commands printed.
    pub output: String,
    /// `$?` at its end.
    pub status: i32,
    /// What is wrong with it: where GRUB prints an error there is one.
    pub diagnostics: Vec<Diagnostic>,
}

/// Evaluates the script at `path` among these files as GRUB's emulator does.
#[must_use]
pub fn script_output(files: &Memory, path: &str) -> Printed {
    printed(files, path, |_| {})
}

fn printed(files: &Memory, path: &str, prepare: impl FnOnce(&mut Evaluator<'_>)) -> Printed {
    let host = Host { files };
    let place = Place { device: 0, path: path.to_owned() };
    let mut evaluator = Evaluator::new(&host, &place, commands::find);
    prepare(&mut evaluator);
    let flow = evaluator.source(&place, 1);
    let status = match flow {
        Flow::Next(status) | Flow::Return(status) => status,
        _ => evaluator.status,
    };
    Printed { output: evaluator.output, status: status.0, diagnostics: evaluator.diagnostics }
}

/// The same without one of the rules, so that tests can see that it is missed.
#[cfg(test)]
pub(crate) fn printed_without(files: &Memory, path: &str, rule: super::rules::Trap) -> Printed {
    printed(files, path, |evaluator| evaluator.without = Some(rule))
}

/// One device with files in memory.
struct Host<'a> {
    files: &'a Memory,
}

impl World for Host<'_> {
    fn cpu(&self) -> &str {
        "x86_64"
    }

    fn platform(&self) -> &str {
        "emu"
    }

    fn name(&self, _: Device) -> &str {
        "host"
    }

    fn count(&self) -> usize {
        1
    }

    fn device(&self, name: &str) -> Result<Device, String> {
        if name == "host" { Ok(0) } else { Err([name, " is no device"].concat()) }
    }

    fn search(&self, by: By, value: &str, _: &[&str]) -> Option<Device> {
        let place = Place { device: 0, path: value.to_owned() };
        (by == By::File && self.look(&place) != Found::Nothing).then_some(0)
    }

    fn property(&self, _: Device, _: By) -> Option<&str> {
        None
    }

    fn file_system(&self, _: Device) -> Option<&str> {
        None
    }

    fn read(&self, place: &Place, limit: usize) -> Result<Option<Vec<u8>>, String> {
        self.files.read(&place.path, limit)
    }

    fn look(&self, place: &Place) -> Found {
        if let Ok(size) = self.files.size(&place.path) {
            return Found::File(size);
        }
        let is_root = place.path == "/";
        let below = [&place.path, "/"].concat();
        let has_more = is_root || self.files.0.keys().any(|path| path.starts_with(&below));
        if has_more { Found::Directory } else { Found::Nothing }
    }

    fn names(&self, directory: &Place, most: usize) -> Vec<String> {
        let mut names = Vec::new();
        let _ = self.files.each_name(&directory.path, &mut |name| {
            names.extend(name.map(str::to_owned));
            core::ops::ControlFlow::Continue(())
        });
        names.truncate(most);
        names
    }

    fn missed(&self) -> Vec<Missed> {
        Vec::new()
    }

    fn keep(&self, _: Device, _: usize) -> bool {
        true
    }

    fn is_used(&self, _: Device, _: &str) -> bool {
        false
    }
}
