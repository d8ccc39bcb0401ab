//! The manifest: a short text that names every byte the next kernel gets.
//!
//! One writer, one parser, one form: whatever [`parse`] accepts, [`Manifest::write`]
//! writes back byte for byte; everything else is refused with the line and the
//! value. Nothing in the text says what is signed: the signature is over the
//! whole file. Specification: `docs/manifest.md`.

use core::fmt::{self, Write as _};

use super::lines::{self, Lines, number, sha256};
use super::slots::{self, Slot};
use super::{Role, Shown};
use crate::base::arch::Arch;
use crate::base::digest::Digest;

pub use super::lines::{Error, Problem};

/// Most `initrd` lines.
pub const MAX_INITRDS: usize = 32;
/// Most `board` lines.
pub const MAX_BOARDS: usize = 32;
/// Most `device` lines.
pub const MAX_DEVICES: usize = 64;
/// Most `overlay` lines, and most `addon` lines.
pub const MAX_ADDITIONS: usize = 16;
/// Longest entry id, board and device, in bytes: with `.manifest.sig` behind it
/// the id must still be a file name.
pub const MAX_NAME: usize = 242;
/// Longest title, in bytes.
pub const MAX_TITLE: usize = 512;
/// Longest path, in bytes (Linux's PATH_MAX).
pub const MAX_PATH: usize = 4096;

/// What was signed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Id of the menu entry, also the manifest's file name.
    pub entry: String,
    /// Title for people.
    pub title: Option<String>,
    /// What the system is for; decides the namespace of the signatures.
    pub role: Role,
    /// Grows when an older entry must no longer boot.
    pub security_version: u32,
    /// Architecture of the kernel.
    pub architecture: Arch,
    /// Boards the entry is for; empty means any.
    pub boards: Vec<String>,
    /// Devices the entry is for; empty means any.
    pub devices: Vec<String>,
    /// What is started.
    pub system: System,
}

/// What is started: a kernel with what goes with it, or a unified kernel image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum System {
    /// `linux` and what follows it.
    Linux(Linux),
    /// `uki` and what follows it.
    Uki(Uki),
}

/// A kernel and each file that it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linux {
    /// The kernel image.
    pub kernel: File,
    /// The initrds, in the order in which the kernel unpacks them.
    pub initrds: Vec<File>,
    /// A device tree of the entry's own.
    pub devicetree: Option<File>,
    /// Device tree overlays, in the order in which they are applied.
    pub overlays: Vec<File>,
    /// What the loader fills in, in the order of [`Slot::ALL`].
    pub slots: Vec<Slot>,
    /// The kernel command line, exactly, but for the slots.
    pub options: String,
}

/// A unified kernel image, whose own command line counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uki {
    /// The image.
    pub image: File,
    /// Number of the profile that is started.
    pub profile: u32,
    /// Addons, in the order in which they are applied.
    pub addons: Vec<File>,
}

/// One file that the manifest binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute path on the boot partition; for messages, the bytes decide.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// SHA-256 of the bytes.
    pub digest: Digest,
}

/// Reads a manifest.
///
/// # Errors
/// Everything that [`Manifest::write`] would not have written.
pub fn parse(bytes: &[u8]) -> Result<Manifest, Error> {
    let mut lines = Lines::new(bytes)?;
    lines.require("turnout-manifest", lines::version)?;
    let manifest = Manifest {
        entry: lines.require("entry", |value| name("entry", value))?,
        title: lines.optional("title", title)?,
        role: lines.optional("role", role)?.unwrap_or(Role::Boot),
        security_version: lines.require("security-version", |v| number("security-version", v))?,
        architecture: lines.require("architecture", architecture)?,
        boards: lines.repeat("board", MAX_BOARDS, |value| name("board", value))?,
        devices: lines.repeat("device", MAX_DEVICES, |value| name("device", value))?,
        system: if lines.is_at("uki")? {
            System::Uki(uki(&mut lines)?)
        } else {
            System::Linux(linux(&mut lines)?)
        },
    };
    lines.end()?;
    Ok(manifest)
}

fn linux(lines: &mut Lines<'_>) -> Result<Linux, Error> {
    let linux = Linux {
        kernel: lines.require("linux", file)?,
        initrds: lines.repeat("initrd", MAX_INITRDS, file)?,
        devicetree: lines.optional("devicetree", file)?,
        overlays: lines.repeat("overlay", MAX_ADDITIONS, file)?,
        slots: lines.ascending("slot", Slot::ALL.len(), slot)?,
        options: lines.text("options")?,
    };
    match slots::check(&linux.slots, &linux.options) {
        Ok(()) => Ok(linux),
        Err((slot, found)) => Err(lines.behind(Problem::Slot { slot: slot.placeholder(), found })),
    }
}

fn uki(lines: &mut Lines<'_>) -> Result<Uki, Error> {
    Ok(Uki {
        image: lines.require("uki", file)?,
        // Profile 0 is what a UKI without the line starts.
        profile: lines
            .optional("profile", |value| lines::other_than(&0, "profile", value))?
            .unwrap_or_default(),
        addons: lines.repeat("addon", MAX_ADDITIONS, file)?,
    })
}

impl Manifest {
    /// The canonical text. Values that a manifest cannot hold (a line feed in
    /// the title, a relative path) make a text that [`parse`] refuses; a signer
    /// must read back what it wrote.
    #[must_use]
    pub fn write(&self) -> String {
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = write!(out, "{self}");
        out
    }

    /// Every file that is bound, in the order of the lines.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        let (kernel, initrds, devicetree, more) = match &self.system {
            System::Linux(linux) => {
                (&linux.kernel, &*linux.initrds, linux.devicetree.as_ref(), &linux.overlays)
            }
            System::Uki(uki) => (&uki.image, &[][..], None, &uki.addons),
        };
        [kernel].into_iter().chain(initrds).chain(devicetree).chain(more)
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "turnout-manifest 1\nentry {}", self.entry)?;
        self.title.iter().try_for_each(|title| writeln!(f, "title {title}"))?;
        match self.role {
            Role::Boot => {}
            Role::Recovery => writeln!(f, "role {}", self.role)?,
        }
        writeln!(f, "security-version {}", self.security_version)?;
        writeln!(f, "architecture {}", self.architecture)?;
        each(f, "board", &self.boards)?;
        each(f, "device", &self.devices)?;
        match &self.system {
            System::Linux(linux) => fmt::Display::fmt(linux, f),
            System::Uki(uki) => fmt::Display::fmt(uki, f),
        }
    }
}

impl fmt::Display for Linux {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "linux {}", self.kernel)?;
        each(f, "initrd", &self.initrds)?;
        each(f, "devicetree", &self.devicetree)?;
        each(f, "overlay", &self.overlays)?;
        each(f, "slot", &self.slots)?;
        // An empty command line has no blank after the name either.
        let blank = if self.options.is_empty() { "" } else { " " };
        writeln!(f, "options{blank}{}", self.options)
    }
}

impl fmt::Display for Uki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "uki {}", self.image)?;
        if self.profile != 0 {
            writeln!(f, "profile {}", self.profile)?;
        }
        each(f, "addon", &self.addons)
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} sha256:{}", self.path, self.size, self.digest)
    }
}

/// One line a value.
fn each<'a, T: fmt::Display + 'a>(
    f: &mut fmt::Formatter<'_>,
    field: &str,
    values: impl IntoIterator<Item = &'a T>,
) -> fmt::Result {
    values.into_iter().try_for_each(|value| writeln!(f, "{field} {value}"))
}

/// An entry id, a board or a device: a word of printable ASCII that can be a
/// file name.
fn name(field: &'static str, value: &str) -> Result<String, Problem> {
    let good = value.len() <= MAX_NAME
        && !value.starts_with('.')
        && value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    if good {
        Ok(value.to_owned())
    } else {
        Err(Problem::Value { field, value: Shown::text(value) })
    }
}

fn title(value: &str) -> Result<String, Problem> {
    if value.len() <= MAX_TITLE {
        Ok(value.to_owned())
    } else {
        Err(Problem::Value { field: "title", value: Shown::text(value) })
    }
}

fn role(value: &str) -> Result<Role, Problem> {
    match Role::parse(value) {
        Some(Role::Recovery) => Ok(Role::Recovery),
        Some(Role::Boot) => Err(Problem::Default { field: "role", value: Shown::text(value) }),
        None => Err(Problem::Value { field: "role", value: Shown::text(value) }),
    }
}

fn architecture(value: &str) -> Result<Arch, Problem> {
    Arch::parse(value)
        .ok_or_else(|| Problem::Value { field: "architecture", value: Shown::text(value) })
}

fn slot(value: &str) -> Result<Slot, Problem> {
    Slot::parse(value).ok_or_else(|| Problem::Value { field: "slot", value: Shown::text(value) })
}

fn file(value: &str) -> Result<File, Problem> {
    let mut words = value.split(' ');
    let (Some(path), Some(size), Some(digest), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Problem::File(Shown::text(value)));
    };
    Ok(File { path: plain_path(path)?, size: number("size", size)?, digest: sha256(digest)? })
}

/// An absolute path in its shortest spelling, without blanks.
fn plain_path(value: &str) -> Result<String, Problem> {
    let good = value.len() <= MAX_PATH
        && !value.contains(char::is_whitespace)
        && value.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_plain));
    if good { Ok(value.to_owned()) } else { Err(Problem::Path(Shown::text(value))) }
}

/// Whether a part of a path is the name of something.
fn is_plain(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
}

#[cfg(test)]
mod tests {
    use super::super::MAX_FILE;
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn full() -> String {
        format!(
            "turnout-manifest 1\nentry debian-6.1\ntitle Debian, für alle\nsecurity-version 7\n\
             architecture x86_64\nboard acme,one\nboard acme,two\n\
             linux /vmlinuz-6.1 8222656 sha256:{HEX}\ninitrd /a.img 0 sha256:{HEX}\n\
             initrd /b/c.img 12 sha256:{HEX}\ndevicetree /x.dtb 5 sha256:{HEX}\n\
             options root=LABEL=root  ro quiet\n"
        )
    }

    fn short() -> String {
        format!(
            "turnout-manifest 1\nentry a\nsecurity-version 0\narchitecture aarch64\n\
             linux /k 1 sha256:{HEX}\noptions\n"
        )
    }

    #[test]
    fn every_field_is_read() {
        let manifest = parse(full().as_bytes()).unwrap();
        assert_eq!(manifest.entry, "debian-6.1");
        assert_eq!(manifest.title.as_deref(), Some("Debian, für alle"));
        assert_eq!(manifest.security_version, 7);
        assert_eq!(manifest.architecture, Arch::X86_64);
        assert_eq!(manifest.boards, ["acme,one", "acme,two"]);
        let System::Linux(linux) = manifest.system else { panic!("linux") };
        assert_eq!(linux.kernel.path, "/vmlinuz-6.1");
        assert_eq!(linux.kernel.size, 8_222_656);
        assert_eq!(linux.kernel.digest, Digest::of(b""));
        let initrds: Vec<_> = linux.initrds.iter().map(|file| &file.path).collect();
        assert_eq!(initrds, ["/a.img", "/b/c.img"]);
        assert_eq!(linux.devicetree.unwrap().size, 5);
        assert_eq!(linux.options, "root=LABEL=root  ro quiet");
    }

    #[test]
    fn what_is_read_is_written_back_byte_for_byte() {
        let linux = include_str!("../../tests/data/trust/linux.manifest").to_owned();
        let uki = include_str!("../../tests/data/trust/uki.manifest").to_owned();
        for text in [full(), short(), linux, uki] {
            assert_eq!(parse(text.as_bytes()).unwrap().write(), text);
        }
    }

    #[test]
    fn an_empty_command_line_is_the_word_options_alone() {
        let System::Linux(linux) = parse(short().as_bytes()).unwrap().system else {
            panic!("linux")
        };
        assert_eq!(linux.options, "");
        let with_blank = short().replace("options\n", "options \n");
        assert_eq!(problem(&with_blank), (6, Problem::TrailingBlank));
    }

    fn problem(text: &str) -> (u32, Problem) {
        let error = parse(text.as_bytes()).unwrap_err();
        (error.line, error.problem)
    }

    /// The problem after `from` in the full manifest is replaced by `to`.
    fn changed(from: &str, to: &str) -> (u32, Problem) {
        let text = full();
        assert_eq!(text.matches(from).count(), 1, "{from}");
        problem(&text.replace(from, to))
    }

    fn expected(field: &'static str, found: &str) -> Problem {
        Problem::Expected { field, found: Shown::text(found) }
    }

    fn unexpected(line: &str) -> Problem {
        Problem::Unexpected(Shown::text(line))
    }

    fn bad_value(field: &'static str, value: &str) -> Problem {
        Problem::Value { field, value: Shown::text(value) }
    }

    fn bad_number(field: &'static str, value: &str) -> Problem {
        Problem::Number { field, value: Shown::text(value) }
    }

    fn bad_digest(value: &str) -> Problem {
        Problem::Digest(Shown::text(value))
    }

    fn is_default(field: &'static str, value: &str) -> Problem {
        Problem::Default { field, value: Shown::text(value) }
    }

    fn bad_order(slot: &str) -> Problem {
        Problem::Order { field: "slot", value: Shown::text(slot) }
    }

    #[test]
    fn fields_out_of_order_twice_unknown_or_missing_are_refused() {
        let cases = [
            ("turnout-manifest 1\n", "", 1, expected("turnout-manifest", "entry debian-6.1")),
            ("entry d", "Entry d", 2, expected("entry", "Entry debian-6.1")),
            ("security-version 7\n", "", 4, expected("security-version", "architecture x86_64")),
            ("board acme,one", "title b", 6, expected("linux", "title b")),
            ("board acme,one", "\nboard a", 6, expected("linux", "")),
            (
                "devicetree /x",
                "dtb /x",
                11,
                expected("options", &format!("dtb /x.dtb 5 sha256:{HEX}")),
            ),
            ("quiet\n", "quiet\noptions b\n", 13, unexpected("options b")),
            ("quiet\n", "quiet\n\n", 13, unexpected("")),
            ("options root=LABEL=root  ro quiet\n", "", 12, Problem::Missing("options")),
            ("title Debian, für alle", "title", 3, Problem::NoValue("title")),
            ("title D", "title  D", 3, Problem::LeadingBlank),
            (
                "initrd /b",
                "addon /b",
                10,
                expected("options", &format!("addon /b/c.img 12 sha256:{HEX}")),
            ),
        ];
        for (from, to, line, problem) in cases {
            assert_eq!(changed(from, to), (line, problem), "{from:?} -> {to:?}");
        }
    }

    #[test]
    fn values_in_another_spelling_are_refused() {
        let upper = format!("sha256:{}", HEX.to_uppercase());
        let cases = [
            ("manifest 1", "manifest 2", 1, Problem::Version(Shown::text("2"))),
            ("manifest 1", "manifest 01", 1, Problem::Version(Shown::text("01"))),
            ("debian-6.1", "../x", 2, bad_value("entry", "../x")),
            ("debian-6.1", "a b", 2, bad_value("entry", "a b")),
            ("debian-6.1", ".hidden", 2, bad_value("entry", ".hidden")),
            ("acme,two", "acmé", 7, bad_value("board", "acmé")),
            ("version 7", "version 07", 4, bad_number("security-version", "07")),
            ("version 7", "version +7", 4, bad_number("security-version", "+7")),
            ("version 7", "version -1", 4, bad_number("security-version", "-1")),
            ("version 7", "version 4294967296", 4, bad_number("security-version", "4294967296")),
            (" 8222656 ", " 18446744073709551616 ", 8, bad_number("size", "18446744073709551616")),
            (" 8222656 ", " 0x10 ", 8, bad_number("size", "0x10")),
            ("x86_64", "arm64", 5, bad_value("architecture", "arm64")),
            ("/vmlinuz-6.1", "vmlinuz", 8, Problem::Path(Shown::text("vmlinuz"))),
            ("/vmlinuz-6.1", "/a/../b", 8, Problem::Path(Shown::text("/a/../b"))),
            ("/vmlinuz-6.1", "//a", 8, Problem::Path(Shown::text("//a"))),
            ("/vmlinuz-6.1", "/a/", 8, Problem::Path(Shown::text("/a/"))),
            ("/vmlinuz-6.1", "/", 8, Problem::Path(Shown::text("/"))),
            ("/vmlinuz-6.1", "/a\u{a0}b", 8, Problem::Path(Shown::text("/a\u{a0}b"))),
            (
                "8222656 ",
                "8222656  ",
                8,
                Problem::File(Shown::text(&format!("/vmlinuz-6.1 8222656  sha256:{HEX}"))),
            ),
            (&format!("8222656 sha256:{HEX}"), &format!("8222656 {upper}"), 8, bad_digest(&upper)),
            (&format!("8222656 sha256:{HEX}"), "8222656 sha256:00", 8, bad_digest("sha256:00")),
            (&format!("8222656 sha256:{HEX}"), "8222656 none:", 8, bad_digest("none:")),
        ];
        for (from, to, line, problem) in cases {
            assert_eq!(changed(from, to), (line, problem), "{from:?} -> {to:?}");
        }
    }

    #[test]
    fn bytes_that_no_writer_writes_are_refused() {
        let cases = [
            ("ro quiet", "ro\tquiet", 12, Problem::Control('\t')),
            ("ro quiet", "ro\u{85}quiet", 12, Problem::Control('\u{85}')),
            ("ro quiet\n", "ro quiet\r\n", 12, Problem::Control('\r')),
            ("ro quiet\n", "ro quiet \n", 12, Problem::TrailingBlank),
            ("ro quiet\n", "ro quiet", 12, Problem::NoFinalLineFeed),
            ("Debian", "\u{0}", 3, Problem::Control('\0')),
        ];
        for (from, to, line, problem) in cases {
            assert_eq!(changed(from, to), (line, problem), "{from:?} -> {to:?}");
        }
        assert_eq!(problem(""), (1, Problem::Missing("turnout-manifest")));
        let not_utf8 = Error { line: 2, problem: Problem::NotUtf8 };
        assert_eq!(parse(b"turnout-manifest 1\n\xff"), Err(not_utf8));
    }

    #[test]
    fn length_and_counts_are_bounded() {
        let long = "x".repeat(MAX_FILE + 1);
        assert_eq!(problem(&long), (1, Problem::TooLong(MAX_FILE + 1)));
        let boards = "board a\n".repeat(MAX_BOARDS + 1);
        let most = Problem::TooMany { field: "board", most: MAX_BOARDS };
        assert_eq!(changed("board acme,one\nboard acme,two\n", &boards), (38, most));
        let initrd = format!("initrd /a.img 0 sha256:{HEX}\n");
        let most = Problem::TooMany { field: "initrd", most: MAX_INITRDS };
        assert_eq!(changed(&initrd, &initrd.repeat(MAX_INITRDS)), (41, most));
        let title = "t".repeat(MAX_TITLE + 1);
        let name = Problem::Value { field: "title", value: Shown::text(&title) };
        assert_eq!(changed("Debian, für alle", &title), (3, name));
        let path = format!("/{}", "p".repeat(MAX_PATH));
        assert_eq!(changed("/vmlinuz-6.1", &path), (8, Problem::Path(Shown::text(&path))));
        let id = "i".repeat(MAX_NAME + 1);
        let name = Problem::Value { field: "entry", value: Shown::text(&id) };
        assert_eq!(changed("debian-6.1", &id), (2, name));
    }

    const LINUX: &str = include_str!("../../tests/data/trust/linux.manifest");
    const UKI: &str = include_str!("../../tests/data/trust/uki.manifest");

    #[test]
    fn what_a_system_is_for_and_what_the_loader_fills_in_is_read() {
        let manifest = parse(LINUX.as_bytes()).unwrap();
        assert_eq!(manifest.role, Role::Recovery);
        assert_eq!(manifest.devices, ["serial-7"]);
        let paths: Vec<_> = manifest.files().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["/Image", "/a.img", "/x.dtb", "/y.dtbo"]);
        let System::Linux(linux) = manifest.system else { panic!("linux") };
        assert_eq!(linux.slots, [Slot::Entry, Slot::Tries, Slot::Name]);
        assert_eq!(linux.overlays.len(), 1);
    }

    #[test]
    fn a_uki_is_read_with_its_profile_and_addons() {
        let manifest = parse(UKI.as_bytes()).unwrap();
        assert_eq!(manifest.role, Role::Boot);
        let paths: Vec<_> = manifest.files().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["/x.efi", "/y.efi"]);
        let System::Uki(uki) = manifest.system else { panic!("uki") };
        assert_eq!((uki.profile, uki.addons.len()), (1, 1));
        let plain = UKI.replace("profile 1\n", "");
        let System::Uki(uki) = parse(plain.as_bytes()).unwrap().system else { panic!("uki") };
        assert_eq!(uki.profile, 0);
    }

    /// The problem after `from` in a good manifest is replaced by `to`.
    fn replaced(text: &str, from: &str, to: &str) -> (u32, Problem) {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        problem(&text.replace(from, to))
    }

    #[test]
    fn what_holds_without_its_line_has_no_line() {
        assert_eq!(replaced(LINUX, "role recovery", "role boot"), (4, is_default("role", "boot")));
        assert_eq!(replaced(UKI, "profile 1", "profile 0"), (6, is_default("profile", "0")));
        assert_eq!(replaced(LINUX, "role recovery", "role root"), (4, bad_value("role", "root")));
        assert_eq!(replaced(LINUX, "slot tries", "slot root"), (14, bad_value("slot", "root")));
    }

    fn file_line(field: &str) -> String {
        format!("{field} /z 0 sha256:{HEX}")
    }

    #[test]
    fn kernel_and_uki_do_not_mix() {
        for field in ["initrd", "devicetree", "overlay", "uki"] {
            let line = file_line(field);
            let more = format!("profile 1\n{line}");
            assert_eq!(replaced(UKI, "profile 1", &more), (7, unexpected(&line)));
        }
        assert_eq!(problem(&format!("{UKI}options ro\n")), (8, unexpected("options ro")));
        for line in [file_line("uki"), file_line("addon"), "profile 1".to_owned()] {
            let found = replaced(LINUX, "slot entry", &format!("{line}\nslot entry"));
            assert_eq!(found, (13, expected("options", &line)));
        }
    }

    #[test]
    fn slots_stand_once_in_their_order_and_once_in_the_command_line() {
        assert_eq!(replaced(LINUX, "slot tries", "slot entry"), (14, bad_order("entry")));
        let swapped = LINUX.replace("slot tries\nslot name", "slot name\nslot tries");
        assert_eq!(problem(&swapped), (15, bad_order("tries")));
        let missing = Problem::Slot { slot: "${name}", found: 0 };
        assert_eq!(replaced(LINUX, "${name} ro", "b ro"), (16, missing));
        let twice = replaced(LINUX, "${name} ro", "${name}${name}");
        assert_eq!(twice, (16, Problem::Slot { slot: "${name}", found: 2 }));
        let plain = LINUX.replace("slot entry\nslot tries\nslot name\n", "");
        assert!(parse(plain.as_bytes()).is_ok(), "what is not declared is plain text");
    }

    #[test]
    fn there_are_limits_to_devices_overlays_and_addons() {
        for (text, field, most) in [
            (LINUX, "device ", MAX_DEVICES),
            (LINUX, "overlay ", MAX_ADDITIONS),
            (UKI, "addon ", 16),
        ] {
            let line = text.lines().find(|line| line.starts_with(field)).unwrap();
            let full = text.replace(line, &vec![line; most].join("\n"));
            assert!(parse(full.as_bytes()).is_ok(), "{field}");
            let too_many = text.replace(line, &vec![line; most + 1].join("\n"));
            let field = field.trim_end();
            let Problem::TooMany { field: named, most: limit } = problem(&too_many).1 else {
                panic!("{field}")
            };
            assert_eq!((named, limit), (field, most));
        }
    }

    #[test]
    fn every_example_of_the_document_is_a_manifest() {
        let document = include_str!("../../docs/manifest.md");
        let examples = document.split("```\n").filter(|text| text.starts_with("turnout-manifest"));
        let mut count = 0;
        for example in examples {
            let text = example.replace("<64 hex>", HEX);
            assert_eq!(parse(text.as_bytes()).unwrap().write(), text);
            count += 1;
        }
        assert_eq!(count, 3);
    }

    #[test]
    fn every_change_of_one_bit_is_refused_or_reads_as_another_manifest() {
        let text = full().into_bytes();
        let original = parse(&text).unwrap();
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Ok(manifest) = parse(&flipped) {
                assert_eq!(manifest.write().as_bytes(), flipped, "bit {bit}");
                assert_ne!(manifest, original, "bit {bit}");
            }
        }
    }
}
