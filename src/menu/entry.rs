//! One bootable thing, whatever the format of the menu that names it.
//!
//! Everything in it is outside text that nobody has verified: bounded here, and
//! made printable where it is shown. Nothing is opened, expanded by a shell or
//! run. A value that cannot be used becomes a problem of the entry, which then
//! stays visible and cannot boot.

use crate::base::glob::Pattern;
use crate::menu::bls::file_name::Counter;
use crate::menu::text::line::Line;
use crate::menu::{Code, Diagnostic, Format, paths};

/// Longest title, version and other short text, in bytes.
pub(super) const MAX_TEXT: usize = 512;
/// Longest command line, in bytes: twice what x86_64 and aarch64 kernels keep.
pub(super) const MAX_OPTIONS: usize = 4096;
/// Most initrds of one entry.
pub const MAX_INITRDS: usize = 32;
/// Most overlays, and most addons, of one entry.
pub(super) const MAX_OVERLAYS: usize = 16;
/// Most problems that one entry reports.
pub(super) const MAX_PROBLEMS: usize = 8;
/// What a signed command line may leave open (docs/manifest.md).
pub(super) const SLOTS: [&str; 4] = ["${entry}", "${tries}", "${name}", "${boot}"];

/// One bootable thing, as its file describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// What it is named by: for the Boot Loader Specification the file's name
    /// without `.conf` or `.efi` and without boot counter, and `@` with the
    /// profile of a unified kernel image; else the label, made safe for a path.
    pub id: String,
    /// The format of its menu.
    pub format: Format,
    /// Absolute path of the menu's file on its volume.
    pub file: String,
    /// The line of that file at which the entry starts, where a file has several.
    pub line: Option<usize>,
    /// Titles of the submenus that it is in, the outermost first.
    pub submenu: Vec<String>,
    /// The key that chooses it.
    pub hotkey: Option<char>,
    /// Which of the volumes that were put together it is from.
    pub volume: usize,
    /// Boot counter from the file name.
    pub counter: Option<Counter>,
    /// Text to show; see [`Entry::name`].
    pub title: Option<String>,
    /// For sorting, and to tell entries with one title apart.
    pub version: Option<String>,
    /// Groups entries, see [`super::bls::sort`].
    pub sort_key: Option<String>,
    /// Machine id of the installation that wrote the entry.
    pub machine_id: Option<String>,
    /// EFI's name of the architecture, such as `x64` or `AA64`.
    pub architecture: Option<String>,
    /// Absolute path of the kernel on the boot partition.
    pub linux: Option<String>,
    /// Absolute path of a unified kernel image that is to boot whole.
    pub uki: Option<String>,
    /// Profile of the unified kernel image, from 0.
    pub profile: Option<u32>,
    /// Absolute paths of the unified kernel image's addons, in order.
    pub addons: Vec<String>,
    /// Absolute paths of the initrds, in order.
    pub initrds: Vec<String>,
    /// Absolute path of a device tree.
    pub devicetree: Option<String>,
    /// Absolute paths of device tree overlays, in the order in which they are
    /// applied.
    pub overlays: Vec<String>,
    /// Whether the next kernel is to get a seed for its address space layout
    /// (U-Boot's `kaslrseed`).
    pub kaslr_seed: bool,
    /// Name of the slot that the entry is for, as it stands in the file.
    pub slot: Option<String>,
    /// Kernel command line.
    pub options: String,
    /// Why the entry cannot boot; empty if it can, as far as its file goes.
    pub problems: Vec<Diagnostic>,
}

impl Entry {
    /// What to call the entry on a screen. Outside text: it still has to go
    /// through [`crate::base::text::printable`].
    #[must_use]
    pub fn name(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.id)
    }

    /// Path of what boots: the kernel or the unified kernel image.
    #[must_use]
    pub fn kernel(&self) -> Option<&str> {
        self.linux.as_deref().or(self.uki.as_deref())
    }

    /// Paths of all files of the entry.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let trees = self.devicetree.iter().chain(&self.overlays);
        let more = self.initrds.iter().chain(trees).chain(&self.addons).map(String::as_str);
        self.kernel().into_iter().chain(more)
    }

    /// Replaces each path by what `place` makes of it.
    pub(super) fn relocate(&mut self, place: impl Fn(&str) -> String) {
        let single = [&mut self.linux, &mut self.uki, &mut self.devicetree];
        let lists = [&mut self.initrds, &mut self.overlays, &mut self.addons];
        let paths = lists.into_iter().flatten().chain(single.into_iter().flatten());
        paths.for_each(|path| *path = place(path));
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn weight(&self) -> usize {
        let texts = [&self.title, &self.version, &self.sort_key, &self.machine_id];
        let texts = texts.into_iter().chain([&self.architecture, &self.slot]).flatten();
        let texts = texts.chain([&self.id, &self.file, &self.options]).map(String::len);
        let lists = self.submenu.iter().map(String::as_str).chain(self.files());
        let lists = lists.map(|text| text.len().saturating_add(size_of::<String>()));
        let problems = self.problems.iter().map(Diagnostic::weight);
        size_of::<Self>() + texts.chain(lists).chain(problems).sum::<usize>()
    }

    /// The first slot that its command line leaves open. Only a signed one can be
    /// filled in; in any other it is a variable without a value.
    #[must_use]
    pub fn open_slot(&self) -> Option<&'static str> {
        SLOTS.into_iter().find(|slot| self.options.contains(slot))
    }

    /// Whether nothing in its file keeps the entry from booting.
    #[must_use]
    pub const fn is_bootable(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether the boot counter has run out.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.counter.is_some_and(|counter| counter.left == 0)
    }

    /// The id as systemd's tools know it: with `.conf`, or with `.efi` before the
    /// profile.
    #[must_use]
    pub fn loader_id(&self) -> String {
        self.format.loader_id(&self.id)
    }

    /// Whether this is its id, with or without the file's suffix.
    pub(super) fn has_id(&self, id: &str) -> bool {
        self.id == id || self.loader_id() == id
    }

    /// Whether a pattern, as of loader.conf's `default`, means this entry. Case
    /// does not count; the pattern may have the file's suffix or not.
    #[must_use]
    pub fn is_named_by(&self, pattern: &str) -> bool {
        self.is_matched(&mut Pattern::new(pattern))
    }

    /// The same with a pattern that is tried on several entries.
    pub(super) fn is_matched(&self, pattern: &mut Pattern) -> bool {
        pattern.matches(&self.id) || pattern.matches(&self.loader_id())
    }

    pub(super) fn text(&mut self, line: &Line<'_>) -> Option<String> {
        if line.value.len() > MAX_TEXT {
            self.complain(line, Code::ValueSize, "is too long");
            return None;
        }
        Some(line.value.to_owned())
    }

    /// The absolute form of a path.
    pub(super) fn path(&mut self, line: &Line<'_>) -> Option<String> {
        let path = paths::normalise(line.value);
        path.map_err(|what| self.complain(line, Code::Path, what)).ok()
    }

    pub(super) fn add_initrd(&mut self, line: &Line<'_>) {
        if self.initrds.len() >= MAX_INITRDS {
            self.complain(line, Code::ValueSize, "is one initrd too many");
        } else if let Some(path) = self.path(line) {
            self.initrds.push(path);
        }
    }

    /// A list with blanks between; a second line takes the place of the first.
    pub(super) fn set_overlays(&mut self, line: &Line<'_>) {
        let paths = line.value.split_ascii_whitespace();
        let paths = paths.map(|value| self.path(&Line { value, ..*line }));
        self.overlays = paths.take(MAX_OVERLAYS.saturating_add(1)).flatten().collect();
        if self.overlays.len() > MAX_OVERLAYS {
            self.overlays.clear();
            self.complain(line, Code::ValueSize, "are too many overlays");
        }
    }

    /// Puts the value behind the command line so far, with a blank between.
    pub(super) fn add_options(&mut self, line: &Line<'_>) {
        if self.options.len().saturating_add(line.value.len()) >= MAX_OPTIONS {
            self.complain(line, Code::ValueSize, "makes the command line too long");
            return;
        }
        if !self.options.is_empty() && !line.value.is_empty() {
            self.options.push(' ');
        }
        self.options.push_str(line.value);
    }

    /// Has a problem with the value of a line.
    pub(super) fn complain(&mut self, line: &Line<'_>, code: Code, what: &str) {
        self.problem(Some(line.number), code, line.quote(what));
    }

    pub(super) fn problem(&mut self, line: Option<usize>, code: Code, detail: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Diagnostic::new(&self.file, line, code, detail));
        }
    }
}

/// A label as an id that is safe in a path: every character outside `A-Z a-z 0-9
/// + _ . -` becomes `-`.
#[must_use]
pub fn safe_id(label: &str) -> String {
    label.replace(|c: char| !c.is_ascii_alphanumeric() && !"+_.-".contains(c), "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_name_that_systemds_tools_use() {
        for (format, id, expected) in [
            (Format::BLS, "debian-6.1", "debian-6.1.conf"),
            (crate::menu::uki::FORMAT, "arch", "arch.efi"),
            (crate::menu::uki::FORMAT, "arch@rescue", "arch.efi@rescue"),
            (Format::other("extlinux"), "l0", "l0"),
        ] {
            let entry = Entry { format, id: id.to_owned(), ..Entry::default() };
            assert_eq!(entry.loader_id(), expected);
            assert!(entry.is_named_by(&expected.to_uppercase()), "{expected}");
            assert!(entry.is_named_by(&entry.id), "{expected}");
        }
    }

    #[test]
    fn a_label_becomes_an_id_that_is_safe_in_a_path() {
        assert_eq!(safe_id("Debian 12 (../etc/é)"), "Debian-12--..-etc---");
        assert_eq!(safe_id("l0+_.-"), "l0+_.-");
    }
}
