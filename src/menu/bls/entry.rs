//! Boot Loader Specification (UAPI.1) type 1 entries:
//! `/loader/entries/ID.conf`.
//!
//! Unknown keys are ignored, as the specification demands. Known keys that ask
//! for something Turnout cannot do yet are not: the entry stays visible, and
//! says why it cannot boot. A key that stands for one value and is repeated
//! means its last line, as with systemd-boot. `turnout-slot` is Turnout's own:
//! the name of the slot that a signed command line may leave open.
//!
//! As with the `blscfg` of Fedora and RHEL, variables are replaced
//! ([`crate::menu::grub::environment`]) and an `initrd` line may have several
//! paths, with blanks between.

use std::borrow::Cow;

use crate::base::arch::Arch;
use crate::base::text::quoted;
use crate::menu::bls::file_name;
use crate::menu::budget::Exceeded;
use crate::menu::entry::{MAX_OPTIONS, MAX_OVERLAYS, SLOTS};
use crate::menu::grub::environment::{Unexpanded, Variables, variables};
use crate::menu::metered::Metered;
use crate::menu::text::line::{self, Line};
use crate::menu::{Code, Diagnostic, Entry, MAX_FILE_SIZE, paths};

/// What variables in entries stand for, and what replacing them may cost.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Their values.
    pub variables: &'a Variables,
    /// Whose budget is drawn on.
    pub budget: &'a Metered<'a>,
}

impl Entry {
    /// Takes one line over. An unusable value becomes a problem.
    fn take(&mut self, line: &Line<'_>, known: &Known<'_>) {
        match line.key {
            "title" => self.title = self.text(line),
            "version" => self.version = self.text(line),
            "sort-key" => self.sort_key = self.text(line),
            "machine-id" => self.machine_id = self.text(line),
            "architecture" => self.architecture = self.text(line),
            "linux" => self.linux = self.file(line, known),
            "efi" | "uki" => self.uki = self.file(line, known),
            "profile" => self.take_profile(line),
            "extra" => self.take_extra(line, known),
            "initrd" => self.take_initrds(line, known),
            "devicetree" => self.devicetree = self.file(line, known),
            "devicetree-overlay" => self.take_overlays(line, known),
            "options" => self.take_options(line, known),
            "turnout-slot" => self.slot = self.text(line),
            "uki-url" => self.unsupported(line),
            _ => {}
        }
    }

    fn unsupported(&mut self, line: &Line<'_>) {
        self.complain(line, Code::UnsupportedKey, "is not supported yet");
    }

    fn take_profile(&mut self, line: &Line<'_>) {
        self.profile = line.value.parse().ok();
        if self.profile.is_none() {
            self.complain(line, Code::ValueSize, "is no number of a profile");
        }
    }

    /// Of all that may come with a unified kernel image, addons (UAPI.5).
    fn take_extra(&mut self, line: &Line<'_>, known: &Known<'_>) {
        if !line.value.ends_with(".addon.efi") {
            self.unsupported(line);
        } else if self.addons.len() >= MAX_OVERLAYS {
            self.complain(line, Code::ValueSize, "is one addon too many");
        } else if let Some(path) = self.file(line, known) {
            self.addons.push(path);
        }
    }

    /// A path with its variables replaced.
    fn file(&mut self, line: &Line<'_>, known: &Known<'_>) -> Option<String> {
        let value = &self.expand(line, known, paths::MAX_PATH)?;
        self.path(&Line { value, ..*line })
    }

    fn take_initrds(&mut self, line: &Line<'_>, known: &Known<'_>) {
        let value = self.expand(line, known, MAX_FILE_SIZE).unwrap_or_default();
        for value in value.split_ascii_whitespace() {
            self.add_initrd(&Line { value, ..*line });
        }
    }

    fn take_overlays(&mut self, line: &Line<'_>, known: &Known<'_>) {
        if let Some(value) = &self.expand(line, known, MAX_FILE_SIZE) {
            self.set_overlays(&Line { value, ..*line });
        }
    }

    fn take_options(&mut self, line: &Line<'_>, known: &Known<'_>) {
        if let Some(value) = &self.expand(line, known, MAX_OPTIONS) {
            self.add_options(&Line { value, ..*line });
        }
    }

    /// A value with its variables replaced; a variable that is left, or one that
    /// cannot be replaced, is a problem.
    fn expand<'a>(
        &mut self,
        line: &Line<'a>,
        known: &Known<'_>,
        limit: usize,
    ) -> Option<Cow<'a, str>> {
        match known.variables.expand(line.value, limit, known.budget) {
            Ok(value) => {
                self.check_variables(&Line { value: &value, ..*line });
                Some(value)
            }
            Err(Unexpanded::TooLong(limit)) => {
                let what = format!("is longer than {limit} bytes with its variables replaced");
                self.complain(line, Code::ValueSize, &what);
                None
            }
            Err(Unexpanded::Ended) => {
                self.problems.extend(known.budget.ended().map(Exceeded::diagnostic));
                None
            }
        }
    }

    fn check_variables(&mut self, line: &Line<'_>) {
        let slots: &[&str] = if line.key == "options" { &SLOTS } else { &[] };
        if let Some((_, name)) = variables(line.value).find(|(_, name)| !slots.contains(name)) {
            let detail = format!(
                "{} contains the variable {}, which has no value here",
                line.key,
                quoted(name)
            );
            self.problem(Some(line.number), Code::Variable, detail);
        }
    }

    /// What each line alone does not tell.
    fn check_combination(&mut self) {
        let of_uki = self.profile.is_some() || !self.addons.is_empty();
        let detail = match (&self.linux, &self.uki) {
            (Some(linux), Some(uki)) => {
                format!("{} and {} cannot both boot; keep one", quoted(linux), quoted(uki))
            }
            (_, None) if of_uki => {
                "profile and extra belong to a unified kernel image; name it by uki".to_owned()
            }
            _ => return,
        };
        self.problem(None, Code::Combination, detail);
    }
}

/// Reads one entry file at `path`.
///
/// # Errors
/// The file is no entry at all: bad name, too long, not text, or it names no
/// kernel. Lesser faults are in [`Entry::problems`].
pub fn parse(path: &str, bytes: &[u8], known: &Known<'_>) -> Result<Entry, Diagnostic> {
    let mut entry = named(path)?;
    for line in line::pairs(line::text(path, bytes)?, line::BLANKS) {
        entry.take(&line, known);
    }
    if entry.kernel().is_none() && entry.problems.is_empty() {
        let detail = "the entry has no linux line, so there is nothing to boot".to_owned();
        return Err(Diagnostic::new(path, None, Code::NoKernel, detail));
    }
    entry.check_combination();
    Ok(entry)
}

/// Passes an entry on if it is for `arch` or does not say.
///
/// # Errors
/// It is for another architecture.
pub fn check_architecture(entry: Entry, arch: Arch) -> Result<Entry, Diagnostic> {
    match &entry.architecture {
        Some(name) if !name.eq_ignore_ascii_case(efi_name(arch)) => {
            let detail = format!("the entry is for {} and this machine is {arch}", quoted(name));
            Err(Diagnostic::new(&entry.file, None, Code::Architecture, detail))
        }
        _ => Ok(entry),
    }
}

const fn efi_name(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "x64",
        Arch::Aarch64 => "aa64",
    }
}

/// An entry of which only the file name is known yet.
fn named(path: &str) -> Result<Entry, Diagnostic> {
    let file = path.rsplit('/').next().unwrap_or_default();
    let name = file_name::parse(file).ok_or_else(|| file_name::complain(path))?;
    Ok(Entry {
        id: name.id.to_owned(),
        file: path.to_owned(),
        counter: name.counter,
        ..Entry::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::menu::bls::file_name::Counter;
    use crate::menu::entry::{MAX_INITRDS, MAX_OPTIONS, MAX_PROBLEMS};
    use crate::menu::{Budget, Memory};

    const DEBIAN: &str = "\
# written by hand
title\tDebian GNU/Linux 12 (bookworm)\r
version 6.1.0-50-amd64\r
machine-id 0123456789abcdef0123456789abcdef
sort-key debian
architecture x64
linux /vmlinuz-6.1.0-50-amd64
initrd ucode.img
initrd \"//0123/./initrd.img\"
options root=LABEL=root ro
options   console=ttyS0 quiet  
devicetree /dtb/board.dtb
devicetree-overlay  /dtb/first.dtbo second.dtbo
turnout-slot b
grub_users $grub_users
future-key whatever
";

    fn read(path: &str, text: &[u8]) -> Result<Entry, Diagnostic> {
        let files = Memory::default();
        let budget = Budget::default();
        let budget = &Metered::menus(&files, &budget);
        let known = Known { variables: &Variables::default(), budget };
        parse(path, text, &known)
    }

    fn entry(text: &str) -> Entry {
        read("x.conf", text.as_bytes()).unwrap()
    }

    fn problems(text: &str) -> Vec<String> {
        entry(text).problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_key_of_an_entry_is_read() {
        let expected = Entry {
            id: "debian-6.12.73+deb13-amd64".to_owned(),
            file: "/loader/entries/debian-6.12.73+deb13-amd64+3.conf".to_owned(),
            counter: Some(Counter { left: 3, done: 0 }),
            title: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
            version: Some("6.1.0-50-amd64".to_owned()),
            sort_key: Some("debian".to_owned()),
            machine_id: Some("0123456789abcdef0123456789abcdef".to_owned()),
            architecture: Some("x64".to_owned()),
            linux: Some("/vmlinuz-6.1.0-50-amd64".to_owned()),
            initrds: vec!["/ucode.img".to_owned(), "/0123/initrd.img".to_owned()],
            devicetree: Some("/dtb/board.dtb".to_owned()),
            overlays: vec!["/dtb/first.dtbo".to_owned(), "/second.dtbo".to_owned()],
            slot: Some("b".to_owned()),
            options: "root=LABEL=root ro console=ttyS0 quiet".to_owned(),
            ..Entry::default()
        };
        let file = "/loader/entries/debian-6.12.73+deb13-amd64+3.conf";
        assert_eq!(read(file, DEBIAN.as_bytes()), Ok(expected));
    }

    #[test]
    fn a_unified_kernel_image_comes_with_its_profile_and_its_addons() {
        for key in ["uki", "efi"] {
            let text = format!("{key} /a.efi\nprofile 1\nextra b.addon.efi\nextra /c.addon.efi");
            let entry = entry(&text);
            assert_eq!((entry.kernel(), entry.profile), (Some("/a.efi"), Some(1)));
            assert_eq!(
                entry.files().collect::<Vec<_>>(),
                ["/a.efi", "/b.addon.efi", "/c.addon.efi"]
            );
            assert_eq!(entry.problems, []);
        }
    }

    #[test]
    fn keys_that_contradict_each_other_keep_the_entry_from_booting() {
        let cases = [
            (
                "linux /a\nuki /b.efi",
                "COMBINATION: \"/a\" and \"/b.efi\" cannot both boot; keep one",
            ),
            (
                "linux /a\nprofile 1",
                "COMBINATION: profile and extra belong to a unified kernel image; name it by uki",
            ),
            ("uki /a\nprofile -1", "VALUE_SIZE: profile \"-1\" is no number of a profile"),
        ];
        for (text, expected) in cases {
            let problems = problems(text);
            assert!(problems[0].ends_with(expected), "{problems:?}");
        }
    }

    #[test]
    fn of_a_repeated_single_value_the_last_line_counts() {
        let entry = entry("linux /a\nlinux /b\ntitle A\ntitle B");
        assert_eq!((entry.linux.as_deref(), entry.name()), (Some("/b"), "B"));
    }

    #[test]
    fn an_entry_without_title_is_called_by_its_id() {
        assert_eq!(read("x+1.conf", b"linux /a").unwrap().name(), "x");
    }

    #[test]
    fn a_key_that_is_not_supported_keeps_the_entry_from_booting_and_says_so() {
        for (key, value) in [("uki-url", "http://a/b.efi"), ("extra", "/x.cred")] {
            assert_eq!(
                problems(&format!("linux /a\n{key} {value}")),
                [format!("x.conf:2: UNSUPPORTED_KEY: {key} \"{value}\" is not supported yet")]
            );
        }
        assert_eq!(
            problems("uki-url http://a/b.efi").len(),
            1,
            "an entry without linux is shown with its reason"
        );
    }

    #[test]
    fn a_path_that_leaves_the_partition_is_refused() {
        let cases = [
            ("linux /a/../../etc/shadow", "must not contain \"..\""),
            ("linux ..", "must not contain \"..\""),
            ("linux //./", "is no path of a file"),
            ("linux \"\"", "is no path of a file"),
            ("linux /a\u{1b}[2J", "contains a control character"),
            ("linux ../a\ndevicetree-overlay /b", "must not contain \"..\""),
        ];
        for (text, reason) in cases {
            let problems = problems(text);
            assert!(problems[0].starts_with("x.conf:1: PATH: linux "), "{problems:?}");
            assert!(problems[0].ends_with(reason), "{problems:?}");
            assert!(!problems[0].contains('\u{1b}'));
        }
        assert_eq!(problems("linux /a..b/...c"), [""; 0]);
    }

    #[test]
    fn a_variable_that_nothing_replaces_is_a_problem() {
        let cases = [
            ("options $kernelopts quiet", "$kernelopts"),
            ("options a ${kernelopts} b", "${kernelopts}"),
            ("options memmap=64M$0x1000000 x=$_y-z", "$_y"),
            ("options ${open", "${open"),
            ("initrd /initramfs.img $more", "$more"),
            ("options slot=${name} x=${names}", "${names}"),
            ("initrd /initrd-${name}", "${name}"),
        ];
        for (text, name) in cases {
            let key = text.split(' ').next().unwrap();
            assert_eq!(
                problems(&format!("linux /a\n{text}")),
                [format!(
                    "x.conf:2: VARIABLE: {key} contains the variable \"{name}\", which has no value here"
                )]
            );
        }
        let slots = "linux /a\noptions slot=${name} e=${entry} t=${tries} b=${boot}";
        assert_eq!(problems(slots), [""; 0]);
        assert_eq!(entry(slots).open_slot(), Some("${entry}"));
        assert_eq!(problems("linux /a\noptions memmap=64M$0x1000000 a=$ b=$$ price$"), [""; 0]);
    }

    #[test]
    fn values_beyond_their_limits_are_problems_and_are_not_kept() {
        let long = "x".repeat(MAX_OPTIONS);
        let cases = [
            (format!("linux /a\ntitle {}", "x".repeat(513)), "is too long"),
            (format!("linux /a\ninitrd /{long}"), "is too long for a path"),
            (format!("linux /a\noptions a\noptions {long}"), "makes the command line too long"),
            (
                format!("linux /a\n{}", "initrd /i\n".repeat(MAX_INITRDS + 1)),
                "is one initrd too many",
            ),
            (
                format!("linux /a\ndevicetree-overlay {}", "/o ".repeat(MAX_OVERLAYS + 1)),
                "are too many overlays",
            ),
            (
                format!("uki /a\n{}", "extra /x.addon.efi\n".repeat(MAX_OVERLAYS + 1)),
                "is one addon too many",
            ),
        ];
        for (text, reason) in cases {
            let problems = problems(&text);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].ends_with(reason), "{problems:?}");
        }
        assert_eq!(problems(&"linux ..\n".repeat(1000)).len(), MAX_PROBLEMS);
    }

    #[test]
    fn a_file_that_is_no_entry_is_refused_with_its_reason() {
        let cases: [(&str, &[u8], &str); 4] = [
            (
                "a b.conf",
                b"linux /a",
                "a b.conf: FILE_NAME: the file name is too long or has characters other than A-Z a-z 0-9 + - _ .",
            ),
            ("a.conf", b"title \xff", "a.conf:1: ENCODING: the line is not valid UTF-8"),
            (
                "a.conf",
                b"",
                "a.conf: NO_KERNEL: the entry has no linux line, so there is nothing to boot",
            ),
            (
                "a.conf",
                b"linux\n",
                "a.conf: NO_KERNEL: the entry has no linux line, so there is nothing to boot",
            ),
        ];
        for (file, bytes, expected) in cases {
            assert_eq!(read(file, bytes).unwrap_err().to_string(), expected);
        }
    }
}
