//! Boot Loader Specification (UAPI.1) type 1 entries:
//! `/loader/entries/ID.conf`.
//!
//! Unknown keys are ignored, as the specification demands. Known keys that ask
//! for something Turnout cannot do yet are not: the entry stays visible, and
//! says why it cannot boot. A key that stands for one value and is repeated
//! means its last line, as with systemd-boot. `turnout-slot` is Turnout's own:
//! the name of the slot that a signed command line may leave open.

use super::file_name::{self, Counter};
use super::line::{self, Line};
use super::{Code, Diagnostic, glob};
use crate::arch::Arch;
use crate::text::quoted;

/// Longest title, version and other short text, in bytes.
const MAX_TEXT: usize = 512;
/// Longest path, in bytes (Linux's PATH_MAX).
const MAX_PATH: usize = 4096;
/// Longest command line, in bytes: twice what x86_64 and aarch64 kernels keep.
const MAX_OPTIONS: usize = 4096;
/// Most initrds of one entry.
const MAX_INITRDS: usize = 32;
/// Most overlays, and most addons, of one entry.
const MAX_OVERLAYS: usize = 16;
/// What a signed command line may leave open (docs/manifest.md).
const SLOTS: [&str; 3] = ["${entry}", "${tries}", "${name}"];
/// Most problems that one entry reports.
const MAX_PROBLEMS: usize = 8;

/// One bootable thing, as its file describes it. No path has been looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// File name without `.conf` and without boot counter; `A-Z a-z 0-9 + - _ .`
    pub id: String,
    /// File name as it is on the disk.
    pub file: String,
    /// Boot counter from the file name.
    pub counter: Option<Counter>,
    /// Text to show; see [`Entry::name`].
    pub title: Option<String>,
    /// For sorting, and to tell entries with one title apart.
    pub version: Option<String>,
    /// Groups entries, see [`super::sort`].
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
    /// Name of the slot that the entry is for, as it stands in the file.
    pub slot: Option<String>,
    /// Kernel command line: all `options` lines, joined by one space.
    pub options: String,
    /// Why the entry cannot boot; empty if it can, as far as its file goes.
    pub problems: Vec<Diagnostic>,
}

impl Entry {
    /// What to call the entry on a screen. Outside text: it still has to go
    /// through [`crate::text::printable`].
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

    /// Whether a `default` pattern of loader.conf means this entry. Case does
    /// not count; the pattern may end in `.conf` or not.
    #[must_use]
    pub fn is_named_by(&self, pattern: &str) -> bool {
        let (pattern, id) = (pattern.to_lowercase(), self.id.to_lowercase());
        glob::matches(&pattern, &id) || glob::matches(&pattern, &format!("{id}.conf"))
    }

    /// Takes one line over. An unusable value becomes a problem.
    fn take(&mut self, line: &Line<'_>) {
        match line.key {
            "title" => self.title = self.text(line),
            "version" => self.version = self.text(line),
            "sort-key" => self.sort_key = self.text(line),
            "machine-id" => self.machine_id = self.text(line),
            "architecture" => self.architecture = self.text(line),
            "linux" => self.linux = self.path(line),
            "efi" | "uki" => self.uki = self.path(line),
            "profile" => self.take_profile(line),
            "extra" => self.take_extra(line),
            "initrd" => self.take_initrd(line),
            "devicetree" => self.devicetree = self.path(line),
            "devicetree-overlay" => self.take_overlays(line),
            "options" => self.take_options(line),
            "turnout-slot" => self.slot = self.text(line),
            "uki-url" => self.unsupported(line),
            _ => {}
        }
    }

    fn unsupported(&mut self, line: &Line<'_>) {
        let problem = line.complain(&self.file, Code::UnsupportedKey, "is not supported yet");
        self.problem(problem);
    }

    fn text(&mut self, line: &Line<'_>) -> Option<String> {
        if line.value.len() > MAX_TEXT {
            self.problem(line.complain(&self.file, Code::ValueSize, "is too long"));
            return None;
        }
        Some(line.value.to_owned())
    }

    fn take_profile(&mut self, line: &Line<'_>) {
        self.profile = line.value.parse().ok();
        if self.profile.is_none() {
            self.problem(line.complain(&self.file, Code::ValueSize, "is no number of a profile"));
        }
    }

    /// Of all that may come with a unified kernel image, addons (UAPI.5).
    fn take_extra(&mut self, line: &Line<'_>) {
        if !line.value.ends_with(".addon.efi") {
            self.unsupported(line);
        } else if self.addons.len() >= MAX_OVERLAYS {
            self.problem(line.complain(&self.file, Code::ValueSize, "is one addon too many"));
        } else if let Some(path) = self.path(line) {
            self.addons.push(path);
        }
    }

    /// A list with blanks between; a second line takes the place of the first.
    fn take_overlays(&mut self, line: &Line<'_>) {
        let paths = line.value.split_ascii_whitespace();
        let paths = paths.map(|value| self.path(&Line { value, ..*line }));
        self.overlays = paths.take(MAX_OVERLAYS.saturating_add(1)).flatten().collect();
        if self.overlays.len() > MAX_OVERLAYS {
            self.overlays.clear();
            self.problem(line.complain(&self.file, Code::ValueSize, "are too many overlays"));
        }
    }

    fn path(&mut self, line: &Line<'_>) -> Option<String> {
        self.check_variables(line);
        match normalise(line.value) {
            Ok(path) => Some(path),
            Err(what) => {
                self.problem(line.complain(&self.file, Code::Path, what));
                None
            }
        }
    }

    fn take_initrd(&mut self, line: &Line<'_>) {
        if self.initrds.len() >= MAX_INITRDS {
            self.problem(line.complain(&self.file, Code::ValueSize, "is one initrd too many"));
        } else if let Some(path) = self.path(line) {
            self.initrds.push(path);
        }
    }

    fn take_options(&mut self, line: &Line<'_>) {
        self.check_variables(line);
        if self.options.len().saturating_add(line.value.len()) >= MAX_OPTIONS {
            self.problem(line.complain(
                &self.file,
                Code::ValueSize,
                "makes the command line too long",
            ));
            return;
        }
        if !self.options.is_empty() {
            self.options.push(' ');
        }
        self.options.push_str(line.value);
    }

    fn check_variables(&mut self, line: &Line<'_>) {
        let filled = |name: &&str| line.key == "options" && SLOTS.contains(name);
        if let Some(name) = variables(line.value).find(|name| !filled(name)) {
            let detail = format!(
                "{} contains the variable {}, which has no value here",
                line.key,
                quoted(name)
            );
            self.problem(Diagnostic::new(&self.file, Some(line.number), Code::Variable, detail));
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
        let problem = Diagnostic::new(&self.file, None, Code::Combination, detail);
        self.problem(problem);
    }

    fn problem(&mut self, problem: Diagnostic) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Reads one entry file. `file` is its name without directory.
///
/// # Errors
/// The file is no entry at all: bad name, too long, not text, or it names no
/// kernel. Lesser faults are in [`Entry::problems`].
pub fn parse(file: &str, bytes: &[u8]) -> Result<Entry, Diagnostic> {
    let mut entry = named(file)?;
    for line in line::pairs(line::text(file, bytes)?, line::BLANKS) {
        entry.take(&line);
    }
    if entry.kernel().is_none() && entry.problems.is_empty() {
        let detail = "the entry has no linux line, so there is nothing to boot".to_owned();
        return Err(Diagnostic::new(file, None, Code::NoKernel, detail));
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
fn named(file: &str) -> Result<Entry, Diagnostic> {
    let name = file_name::parse(file).ok_or_else(|| {
        let detail = "the file name is too long or has characters other than A-Z a-z 0-9 + - _ .";
        Diagnostic::new(file, None, Code::FileName, detail.to_owned())
    })?;
    Ok(Entry {
        id: name.id.to_owned(),
        file: file.to_owned(),
        counter: name.counter,
        ..Entry::default()
    })
}

/// The absolute form of a path on the boot partition: one `/` before every
/// part. A leading `/` is optional in the file.
fn normalise(path: &str) -> Result<String, &'static str> {
    if path.len() > MAX_PATH {
        return Err("is too long for a path");
    }
    if path.chars().any(char::is_control) {
        return Err("contains a control character");
    }
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    if parts.clone().any(|part| part == "..") {
        return Err("must not contain \"..\"");
    }
    let absolute: String = parts.flat_map(|part| ["/", part]).collect();
    if absolute.is_empty() { Err("is no path of a file") } else { Ok(absolute) }
}

/// Every `$name` and `${name}` in a value: GRUB's blscfg replaces them, and an
/// installation made for it relies on that. `memmap=64M$0x1000000` holds none,
/// because a name does not start with a digit.
fn variables(value: &str) -> impl Iterator<Item = &str> {
    value.match_indices('$').filter_map(|(start, _)| {
        let rest = value.get(start..)?;
        let mut chars = rest.chars().skip(1);
        let first = chars.next().filter(|c| *c == '{' || *c == '_' || c.is_ascii_alphabetic())?;
        let end = if first == '{' {
            rest.find('}').map_or(rest.len(), |brace| brace.saturating_add(1))
        } else {
            rest.match_indices(|c: char| !is_name(c))
                .map(|(at, _)| at)
                .find(|at| *at > 0)
                .unwrap_or(rest.len())
        };
        rest.get(..end)
    })
}

const fn is_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn problems(text: &str) -> Vec<String> {
        let entry = parse("x.conf", text.as_bytes()).unwrap();
        entry.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_key_of_an_entry_is_read() {
        let text = |text: &str| Some(text.to_owned());
        let expected = Entry {
            id: "debian-6.12.73+deb13-amd64".to_owned(),
            file: "debian-6.12.73+deb13-amd64+3.conf".to_owned(),
            counter: Some(Counter { left: 3, done: 0 }),
            title: text("Debian GNU/Linux 12 (bookworm)"),
            version: text("6.1.0-50-amd64"),
            sort_key: text("debian"),
            machine_id: text("0123456789abcdef0123456789abcdef"),
            architecture: text("x64"),
            linux: text("/vmlinuz-6.1.0-50-amd64"),
            initrds: vec!["/ucode.img".to_owned(), "/0123/initrd.img".to_owned()],
            devicetree: text("/dtb/board.dtb"),
            overlays: vec!["/dtb/first.dtbo".to_owned(), "/second.dtbo".to_owned()],
            slot: text("b"),
            uki: None,
            profile: None,
            addons: vec![],
            options: "root=LABEL=root ro console=ttyS0 quiet".to_owned(),
            problems: vec![],
        };
        let file = "debian-6.12.73+deb13-amd64+3.conf";
        assert_eq!(parse(file, DEBIAN.as_bytes()), Ok(expected));
    }

    #[test]
    fn a_unified_kernel_image_comes_with_its_profile_and_its_addons() {
        for key in ["uki", "efi"] {
            let text = format!("{key} /a.efi\nprofile 1\nextra b.addon.efi\nextra /c.addon.efi");
            let entry = parse("x.conf", text.as_bytes()).unwrap();
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
        let entry = parse("x.conf", b"linux /a\nlinux /b\ntitle A\ntitle B").unwrap();
        assert_eq!((entry.linux.as_deref(), entry.name()), (Some("/b"), "B"));
    }

    #[test]
    fn an_entry_without_title_is_called_by_its_id() {
        assert_eq!(parse("x+1.conf", b"linux /a").unwrap().name(), "x");
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
            ("options a ${tuned_params} b", "${tuned_params}"),
            ("options memmap=64M$0x1000000 x=$_y-z", "$_y"),
            ("options ${open", "${open"),
            ("initrd /initramfs.img $tuned_initrd", "$tuned_initrd"),
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
        let slots = "linux /a\noptions slot=${name} e=${entry} t=${tries}";
        assert_eq!(problems(slots), [""; 0]);
        assert_eq!(parse("x.conf", slots.as_bytes()).unwrap().open_slot(), Some("${entry}"));
        assert_eq!(problems("linux /a\noptions memmap=64M$0x1000000 a=$ b=$$ price$"), [""; 0]);
    }

    #[test]
    fn values_beyond_their_limits_are_problems_and_are_not_kept() {
        let long = "x".repeat(MAX_OPTIONS);
        let cases = [
            (format!("linux /a\ntitle {}", "x".repeat(MAX_TEXT + 1)), "is too long"),
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
            assert_eq!(parse(file, bytes).unwrap_err().to_string(), expected);
        }
    }
}
