//! Commands that load what an entry boots. Nothing is loaded here: what would be is
//! noted, and whether it is there.

use super::Row;
use crate::base::text::quoted;
use crate::menu::entry::{MAX_INITRDS, MAX_OPTIONS};
use crate::menu::grub::evaluator::{Call, Evaluator, Flow, Load, Status};
use crate::menu::grub::world::Found;
use crate::menu::{Code, Diagnostic, paths, sight};

pub(super) const ROWS: &[Row] = &[
    Row { name: "linux", run: linux },
    Row { name: "linux16", run: linux },
    Row { name: "linuxefi", run: linux },
    Row { name: "initrd", run: initrd },
    Row { name: "initrd16", run: initrd },
    Row { name: "initrdefi", run: initrd },
    Row { name: "devicetree", run: devicetree },
    Row { name: "boot", run: boot },
    Row { name: "authenticate", run: authenticate },
];

/// Commands that start something else than Linux, sorted.
const FOREIGN_NAMES: &[&str] = &[
    "appleloader",
    "chainloader",
    "efifwsetup",
    "freedos",
    "fwsetup",
    "kernel",
    "kfreebsd",
    "kfreebsd_loadenv",
    "kfreebsd_module",
    "kfreebsd_module_elf",
    "knetbsd",
    "knetbsd_module",
    "knetbsd_module_elf",
    "kopenbsd",
    "kopenbsd_ramdisk",
    "legacy_initrd",
    "legacy_initrd_nounzip",
    "legacy_kernel",
    "module",
    "module2",
    "multiboot",
    "multiboot2",
    "ntldr",
    "plan9",
    "pxechainloader",
    "truecrypt",
    "xen_hypervisor",
    "xen_initrd",
    "xen_linux",
    "xen_module",
    "xnu_kernel",
    "xnu_kernel64",
    "xnu_kext",
    "xnu_mkext",
];

/// What no kernel of Linux is started by, and what it starts.
const FOREIGN: [(&str, &str); 4] = [
    ("chain", "starts another boot loader"),
    ("m", "starts a multiboot kernel such as Xen"),
    ("xen", "starts Xen"),
    ("fw", "leads to the firmware's own settings"),
];

/// `linux FILE WORDS...`, and what firmware's variants of it are called.
fn linux(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let Some((path, words)) = call.words.split_first() else {
        return Flow::Next(Status::BAD_ARGUMENT);
    };
    let load = evaluator.load(call, path);
    let status = load.status;
    // What is not there does not take the place of what is.
    if status != Status::SUCCESS && evaluator.loaded.is_ready() {
        return Flow::Next(status);
    }
    evaluator.loaded.initrds.clear();
    evaluator.loaded.linux = Some(load);
    evaluator.set_options(call, words);
    Flow::Next(status)
}

/// `initrd FILE...`: in place of those before.
fn initrd(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    if evaluator.loaded.linux.is_none() {
        return Flow::Next(Status::BAD_ARGUMENT);
    }
    evaluator.loaded.initrds.clear();
    let mut status = Status::SUCCESS;
    for path in call.words.iter().filter(|word| !word.starts_with("--")) {
        if evaluator.loaded.initrds.len() >= MAX_INITRDS {
            let detail = format!("initrd: more than {MAX_INITRDS} files");
            evaluator.problem(call.line, Code::ValueSize, detail);
            break;
        }
        let load = evaluator.load(call, path);
        if status == Status::SUCCESS {
            status = load.status;
        }
        evaluator.loaded.initrds.push(load);
    }
    Flow::Next(status)
}

/// `devicetree FILE`.
fn devicetree(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let Some(path) = call.words.first() else { return Flow::Next(Status::BAD_ARGUMENT) };
    let load = evaluator.load(call, path);
    let status = load.status;
    evaluator.loaded.devicetree = Some(load);
    Flow::Next(status)
}

/// `boot`: the entry has been put together, and nothing behind it counts.
fn boot(evaluator: &mut Evaluator<'_>, _: &Call<'_>) -> Flow {
    evaluator.loaded.has_booted = evaluator.loaded.is_ready();
    if evaluator.loaded.has_booted || !evaluator.loaded.problems.is_empty() {
        Flow::Stop
    } else {
        Flow::Next(Status::NO_KERNEL)
    }
}

/// The row of a command that starts something else than Linux.
pub(super) fn foreign_row(name: &str) -> Option<&'static Row> {
    const ROW: &Row = &Row { name: "", run: foreign };
    FOREIGN_NAMES.binary_search(&name).is_ok().then_some(ROW)
}

fn foreign(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    if call.name == "fwsetup" && call.words.iter().any(|word| word == "--is-supported") {
        return Flow::SUCCESS;
    }
    let known = FOREIGN.iter().find(|(start, _)| call.name.starts_with(start));
    let what = known.map_or("starts another system than Linux", |(_, what)| what);
    let what = [call.name, " ", what, ", which Turnout cannot do"].concat();
    evaluator.problem(call.line, Code::UnsupportedKey, what);
    Flow::SUCCESS
}

/// `authenticate`: nobody is asked for a password, and without superusers none is
/// needed.
fn authenticate(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    if evaluator.scope.get("superusers").unwrap_or_default().is_empty() {
        return Flow::SUCCESS;
    }
    let what = "authenticate asks for a password, which Turnout cannot check".to_owned();
    evaluator.problem(call.line, Code::UnsupportedKey, what);
    Flow::Next(Status::FALSE)
}

impl Evaluator<'_> {
    /// Where a file is that is to be loaded, and whether it is there.
    fn load(&self, call: &Call<'_>, path: &str) -> Load {
        if let Err(what) = paths::normalise(sight::on_device(path)) {
            let what = [call.name, ": ", &quoted(path), " ", what].concat();
            return self.no_load(call, path, Code::Path, what);
        }
        if path.starts_with("newc:") {
            let what = [call.name, ": ", &quoted(path), " is put into an archive by GRUB"].concat();
            return self.no_load(call, path, Code::UnsupportedKey, what);
        }
        let is_relative = !path.starts_with(['(', '/']);
        match self.place(&[if is_relative { "/" } else { "" }, path].concat()) {
            Ok(place) => {
                let is_there = matches!(self.world.look(&place), Found::File(_));
                let status = if is_there { Status::SUCCESS } else { Status::FILE_NOT_FOUND };
                Load { path: self.world.path(&place), status, problem: None }
            }
            Err(why) => {
                let missed = self.loaded.missed_root.as_deref().filter(|_| path.starts_with('/'));
                let joint = if missed.is_some() { "; " } else { "" };
                let what = ["root unresolved: ", &why, joint, missed.unwrap_or_default()].concat();
                self.no_load(call, path, Code::Device, what)
            }
        }
    }

    /// A file that cannot be loaded, as it stands in the script.
    fn no_load(&self, call: &Call<'_>, path: &str, code: Code, detail: String) -> Load {
        let problem = Diagnostic::new(&self.file, Some(call.line), code, detail);
        Load { path: path.to_owned(), status: Status::UNKNOWN_DEVICE, problem: Some(problem) }
    }

    fn set_options(&mut self, call: &Call<'_>, words: &[String]) {
        self.loaded.options = command_line(words);
        if self.loaded.options.len() > MAX_OPTIONS {
            self.loaded.options.clear();
            let detail = format!("linux: a command line of more than {MAX_OPTIONS} bytes");
            self.problem(call.line, Code::ValueSize, detail);
        }
    }

    /// What keeps the entry that is being put together from booting.
    pub(in crate::menu::grub) fn problem(&mut self, line: usize, code: Code, detail: String) {
        if self.loaded.problems.len() < crate::menu::entry::MAX_PROBLEMS {
            self.loaded.problems.push(Diagnostic::new(&self.file, Some(line), code, detail));
        }
    }
}

/// The words as the kernel gets them: with a blank between, quoted where one has a
/// blank; a `\` before quotes and `\`, but not before `\xHH`, which Fedora, RHEL and SUSE
/// hand on as it stands.
fn command_line(words: &[String]) -> String {
    let mut line = String::new();
    for (number, word) in words.iter().enumerate() {
        if number > 0 {
            line.push(' ');
        }
        let has_blank = word.contains(' ');
        if has_blank {
            line.push('"');
        }
        push_escaped(&mut line, word);
        if has_blank {
            line.push('"');
        }
    }
    line
}

fn push_escaped(line: &mut String, word: &str) {
    let mut rest = word;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\'' | b'\\')) {
        let behind = at.saturating_add(1);
        let is_kept = rest.get(at..).is_some_and(is_hexadecimal);
        line.push_str(rest.get(..at).unwrap_or_default());
        line.push_str(if is_kept { "" } else { "\\" });
        line.push_str(rest.get(at..behind).unwrap_or_default());
        rest = rest.get(behind..).unwrap_or_default();
    }
    line.push_str(rest);
}

/// Whether a text begins with `\xHH`.
fn is_hexadecimal(text: &str) -> bool {
    let digits = text.strip_prefix("\\x").and_then(|rest| rest.as_bytes().get(..2));
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_sorted_as_they_are_looked_up() {
        assert!(FOREIGN_NAMES.is_sorted());
    }

    #[test]
    fn words_of_a_command_line_are_quoted_as_the_loader_does() {
        for (words, expected) in [
            (&["ro", "quiet"][..], "ro quiet"),
            (&["dyndbg=file drivers/usb/* +p", "ro"], "\"dyndbg=file drivers/usb/* +p\" ro"),
            (&["a\"b", "c'd", "e\\f"], "a\\\"b c\\'d e\\\\f"),
            (&["x=\\x20y", "\\x2", "\\xzz"], "x=\\x20y \\\\x2 \\\\xzz"),
            (&["", "a", ""], " a "),
            (&[], ""),
        ] {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(command_line(&words), expected, "{words:?}");
        }
    }
}
