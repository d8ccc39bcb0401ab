//! The manifest: a short text that names every byte the next kernel gets.
//!
//! One writer, one parser, one form: whatever [`parse`] accepts, [`Manifest::write`]
//! writes back byte for byte; everything else is refused with the line and the
//! value. Nothing in the text says what is signed: the signature is over the
//! whole file. Specification: `docs/manifest.md`.

use core::fmt::{self, Write as _};
use core::str::FromStr;

use super::{AtLine, MAX_FILE, Shown, line_of};
use crate::arch::Arch;
use crate::bundle::Digest;

/// The value of the first line's field `turnout-manifest`.
const VERSION: &str = "1";
/// Most `initrd` lines.
pub const MAX_INITRDS: usize = 32;
/// Most `board` lines.
pub const MAX_BOARDS: usize = 32;
/// Longest entry id and board name, in bytes: with `.manifest.sig` behind it
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
    /// Grows when an older entry must no longer boot.
    pub security_version: u32,
    /// Architecture of the kernel.
    pub architecture: Arch,
    /// Boards the entry is for; empty means any.
    pub boards: Vec<String>,
    /// The kernel image.
    pub linux: File,
    /// The initrds, in the order in which the kernel unpacks them.
    pub initrds: Vec<File>,
    /// A device tree of the entry's own.
    pub devicetree: Option<File>,
    /// The kernel command line, exactly.
    pub options: String,
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

/// Why a text is not a manifest.
pub type Error = AtLine<Problem>;

/// What is wrong in a line of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Longer than 64 KiB; the length in bytes.
    TooLong(usize),
    /// Not UTF-8.
    NotUtf8,
    /// The last line has no line feed.
    NoFinalLineFeed,
    /// A control character, carriage return and tab included.
    Control(char),
    /// A blank at the end of the line.
    TrailingBlank,
    /// More than one blank after the field's name.
    LeadingBlank,
    /// Another field must stand here, or none (empty).
    Expected {
        /// Name of the field that must stand here.
        field: &'static str,
        /// The line that does.
        found: Shown,
    },
    /// The text ends before this field.
    Missing(&'static str),
    /// A line after `options`.
    AfterOptions(Shown),
    /// A `uki` line.
    Uki,
    /// The field has no value.
    NoValue(&'static str),
    /// A format version other than 1.
    Version(Shown),
    /// Not an entry id, title or board name that may be signed.
    Name {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: Shown,
    },
    /// Not a decimal number of the field's range without leading zeros.
    Number {
        /// Name of the field.
        field: &'static str,
        /// Its value.
        value: Shown,
    },
    /// Not the name of an architecture.
    Architecture(Shown),
    /// Not `PATH SIZE sha256:HEX`.
    File(Shown),
    /// Not a plain absolute path.
    Path(Shown),
    /// Not `sha256:` and 64 lower-case hexadecimal digits.
    Digest(Shown),
    /// One line too many of this field.
    TooMany {
        /// Name of the field.
        field: &'static str,
        /// How many there may be.
        most: usize,
    },
}

/// Reads a manifest.
///
/// # Errors
/// Everything that [`Manifest::write`] would not have written.
pub fn parse(bytes: &[u8]) -> Result<Manifest, Error> {
    let mut lines = Lines::new(bytes)?;
    lines.require("turnout-manifest", version)?;
    let manifest = Manifest {
        entry: lines.require("entry", |value| name("entry", value))?,
        title: lines.optional("title", title)?,
        security_version: lines.require("security-version", |v| number("security-version", v))?,
        architecture: lines.require("architecture", architecture)?,
        boards: lines.repeat("board", MAX_BOARDS, |value| name("board", value))?,
        linux: lines.require("linux", file)?,
        initrds: lines.repeat("initrd", MAX_INITRDS, file)?,
        devicetree: lines.optional("devicetree", file)?,
        options: lines.options()?,
    };
    lines.end()?;
    Ok(manifest)
}

/// Refuses what is too long to be a manifest, so that it need not be hashed.
pub(super) fn check_length(bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() > MAX_FILE {
        return Err(Error { line: 1, problem: Problem::TooLong(bytes.len()) });
    }
    Ok(())
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
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "turnout-manifest {VERSION}\nentry {}", self.entry)?;
        self.title.iter().try_for_each(|title| writeln!(f, "title {title}"))?;
        writeln!(f, "security-version {}", self.security_version)?;
        writeln!(f, "architecture {}", self.architecture)?;
        self.boards.iter().try_for_each(|board| writeln!(f, "board {board}"))?;
        writeln!(f, "linux {}", self.linux)?;
        self.initrds.iter().try_for_each(|initrd| writeln!(f, "initrd {initrd}"))?;
        self.devicetree.iter().try_for_each(|tree| writeln!(f, "devicetree {tree}"))?;
        // An empty command line has no blank after the name either.
        let blank = if self.options.is_empty() { "" } else { " " };
        writeln!(f, "options{blank}{}", self.options)
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} sha256:{}", self.path, self.size, self.digest)
    }
}

/// The lines that are not read yet.
struct Lines<'a> {
    rest: &'a str,
    line: u32,
}

impl<'a> Lines<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        check_length(bytes)?;
        let rest = match core::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let line = line_of(bytes, error.valid_up_to());
                return Err(Error { line, problem: Problem::NotUtf8 });
            }
        };
        Ok(Self { rest, line: 1 })
    }

    /// The next line without its line feed, and what follows it.
    fn peek(&self) -> Result<Option<(&'a str, &'a str)>, Error> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let split = self.rest.split_once('\n');
        let (line, rest) = split.ok_or_else(|| self.error(Problem::NoFinalLineFeed))?;
        if let Some(control) = line.chars().find(|c| c.is_control()) {
            return Err(self.error(Problem::Control(control)));
        }
        if line.ends_with(char::is_whitespace) {
            return Err(self.error(Problem::TrailingBlank));
        }
        Ok(Some((line, rest)))
    }

    /// The value of the next line, if its field is `field`; the value is `None`
    /// where the line is the name alone. Does not move on.
    fn peek_field(&self, field: &str) -> Result<Option<Option<&'a str>>, Error> {
        let Some((line, _)) = self.peek()? else { return Ok(None) };
        let (name, value) = match line.split_once(' ') {
            Some((name, value)) => (name, Some(value)),
            None => (line, None),
        };
        if name != field {
            return Ok(None);
        }
        if value.is_some_and(|value| value.starts_with(char::is_whitespace)) {
            return Err(self.error(Problem::LeadingBlank));
        }
        Ok(Some(value))
    }

    fn advance(&mut self) {
        self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
        self.line = self.line.saturating_add(1);
    }

    fn optional<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.peek_field(field)? else { return Ok(None) };
        let value = value.ok_or_else(|| self.error(Problem::NoValue(field)))?;
        let value = read(value).map_err(|problem| self.error(problem))?;
        self.advance();
        Ok(Some(value))
    }

    fn require<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Result<T, Error> {
        match self.optional(field, read)? {
            Some(value) => Ok(value),
            None => Err(self.unexpected(field)?),
        }
    }

    fn repeat<T>(
        &mut self,
        field: &'static str,
        most: usize,
        read: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Error> {
        let mut values = Vec::new();
        while self.peek_field(field)?.is_some() {
            if values.len() == most {
                return Err(self.error(Problem::TooMany { field, most }));
            }
            values.extend(self.optional(field, &read)?);
        }
        Ok(values)
    }

    /// The command line, which alone may be empty.
    fn options(&mut self) -> Result<String, Error> {
        let Some(value) = self.peek_field("options")? else {
            return Err(self.unexpected("options")?);
        };
        self.advance();
        Ok(value.unwrap_or_default().to_owned())
    }

    fn end(&self) -> Result<(), Error> {
        match self.peek()? {
            None => Ok(()),
            Some((line, _)) => Err(self.error(Problem::AfterOptions(Shown::text(line)))),
        }
    }

    /// The error for a line, or the end, where `field` should be.
    fn unexpected(&self, field: &'static str) -> Result<Error, Error> {
        let problem = match self.peek()? {
            None => Problem::Missing(field),
            Some((line, _)) if line.split(' ').next() == Some("uki") => Problem::Uki,
            Some((line, _)) => Problem::Expected { field, found: Shown::text(line) },
        };
        Ok(self.error(problem))
    }

    fn error(&self, problem: Problem) -> Error {
        Error { line: self.line, problem }
    }
}

fn version(value: &str) -> Result<(), Problem> {
    if value == VERSION { Ok(()) } else { Err(Problem::Version(Shown::text(value))) }
}

/// An entry id or a board: a word of printable ASCII that can be a file name.
fn name(field: &'static str, value: &str) -> Result<String, Problem> {
    let good = value.len() <= MAX_NAME
        && !value.starts_with('.')
        && value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    if good {
        Ok(value.to_owned())
    } else {
        Err(Problem::Name { field, value: Shown::text(value) })
    }
}

fn title(value: &str) -> Result<String, Problem> {
    if value.len() <= MAX_TITLE {
        Ok(value.to_owned())
    } else {
        Err(Problem::Name { field: "title", value: Shown::text(value) })
    }
}

/// A decimal number in the one form that writing it gives.
fn number<T: FromStr + ToString>(field: &'static str, value: &str) -> Result<T, Problem> {
    match value.parse::<T>() {
        Ok(number) if number.to_string() == value => Ok(number),
        _ => Err(Problem::Number { field, value: Shown::text(value) }),
    }
}

fn architecture(value: &str) -> Result<Arch, Problem> {
    Arch::parse(value).ok_or_else(|| Problem::Architecture(Shown::text(value)))
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
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    let good = value.len() <= MAX_PATH
        && !value.contains(char::is_whitespace)
        && value.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain));
    if good { Ok(value.to_owned()) } else { Err(Problem::Path(Shown::text(value))) }
}

fn sha256(value: &str) -> Result<Digest, Problem> {
    let digest = value.strip_prefix("sha256:").and_then(hex32);
    digest.ok_or_else(|| Problem::Digest(Shown::text(value)))
}

/// 32 bytes from exactly 64 lower-case hexadecimal digits.
fn hex32(text: &str) -> Option<Digest> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut digest = [0; 32];
    if pairs.len() != digest.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        *byte = (nibble(*high)? << 4) | nibble(*low)?;
    }
    Some(Digest(digest))
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => digit.checked_sub(b'0'),
        b'a'..=b'f' => digit.checked_sub(b'a' - 10),
        _ => None,
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(len) => {
                write!(f, "the manifest is {len} bytes long, {MAX_FILE} are allowed")
            }
            Self::NotUtf8 => f.write_str("this is not UTF-8 text"),
            Self::NoFinalLineFeed => f.write_str("the last line does not end in a line feed"),
            Self::Control(c) => write!(f, "there is a control character, {c:?}"),
            Self::TrailingBlank => f.write_str("there is a blank at the end"),
            Self::LeadingBlank => f.write_str("there is more than one blank after the field name"),
            Self::Expected { field, found } => {
                write!(f, "\"{field}\" must stand here, not {found}")
            }
            Self::Missing(field) => write!(f, "the manifest ends before \"{field}\""),
            Self::AfterOptions(found) => {
                write!(f, "nothing may follow \"options\", but {found} does")
            }
            Self::Uki => {
                f.write_str("\"uki\" is not understood yet; sign linux, initrd and options")
            }
            Self::NoValue(field) => write!(f, "\"{field}\" has no value"),
            Self::Version(value) => {
                write!(f, "format version {value} is not understood, only 1 is")
            }
            Self::Name { field, value } => write!(f, "{value} cannot be signed as {field}"),
            Self::Number { field, value } => {
                write!(
                    f,
                    "the {field} {value} is not a decimal number without leading zeros in range"
                )
            }
            Self::Architecture(value) => {
                write!(f, "the architecture {value} is neither x86_64 nor aarch64")
            }
            Self::File(value) => write!(f, "{value} is not of the form PATH SIZE sha256:HEX"),
            Self::Path(value) => {
                write!(f, "the path {value} is not absolute and plain (no blanks, no \"..\")")
            }
            Self::Digest(value) => {
                write!(f, "{value} is not \"sha256:\" and 64 lower-case hexadecimal digits")
            }
            Self::TooMany { field, most } => {
                write!(f, "there are more than {most} \"{field}\" lines")
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(manifest.linux.path, "/vmlinuz-6.1");
        assert_eq!(manifest.linux.size, 8_222_656);
        assert_eq!(manifest.linux.digest, Digest::of(b""));
        let initrds: Vec<_> = manifest.initrds.iter().map(|file| &file.path).collect();
        assert_eq!(initrds, ["/a.img", "/b/c.img"]);
        assert_eq!(manifest.devicetree.unwrap().size, 5);
        assert_eq!(manifest.options, "root=LABEL=root  ro quiet");
    }

    #[test]
    fn what_is_read_is_written_back_byte_for_byte() {
        for text in [full(), short()] {
            assert_eq!(parse(text.as_bytes()).unwrap().write(), text);
        }
    }

    #[test]
    fn an_empty_command_line_is_the_word_options_alone() {
        assert_eq!(parse(short().as_bytes()).unwrap().options, "");
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
            ("quiet\n", "quiet\noptions b\n", 13, Problem::AfterOptions(Shown::text("options b"))),
            ("quiet\n", "quiet\n\n", 13, Problem::AfterOptions(Shown::text(""))),
            ("options root=LABEL=root  ro quiet\n", "", 12, Problem::Missing("options")),
            ("title Debian, für alle", "title", 3, Problem::NoValue("title")),
            ("title D", "title  D", 3, Problem::LeadingBlank),
            ("linux /vmlinuz-6.1 8222656", "uki /x.efi 1", 8, Problem::Uki),
        ];
        for (from, to, line, problem) in cases {
            assert_eq!(changed(from, to), (line, problem), "{from:?} -> {to:?}");
        }
    }

    #[test]
    fn values_in_another_spelling_are_refused() {
        let number = |field, value| Problem::Number { field, value: Shown::text(value) };
        let name = |field, value| Problem::Name { field, value: Shown::text(value) };
        let digest = |value: &str| Problem::Digest(Shown::text(value));
        let upper = format!("sha256:{}", HEX.to_uppercase());
        let cases = [
            ("manifest 1", "manifest 2", 1, Problem::Version(Shown::text("2"))),
            ("manifest 1", "manifest 01", 1, Problem::Version(Shown::text("01"))),
            ("debian-6.1", "../x", 2, name("entry", "../x")),
            ("debian-6.1", "a b", 2, name("entry", "a b")),
            ("debian-6.1", ".hidden", 2, name("entry", ".hidden")),
            ("acme,two", "acmé", 7, name("board", "acmé")),
            ("version 7", "version 07", 4, number("security-version", "07")),
            ("version 7", "version +7", 4, number("security-version", "+7")),
            ("version 7", "version -1", 4, number("security-version", "-1")),
            ("version 7", "version 4294967296", 4, number("security-version", "4294967296")),
            (" 8222656 ", " 18446744073709551616 ", 8, number("size", "18446744073709551616")),
            (" 8222656 ", " 0x10 ", 8, number("size", "0x10")),
            ("x86_64", "arm64", 5, Problem::Architecture(Shown::text("arm64"))),
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
            (&format!("8222656 sha256:{HEX}"), &format!("8222656 {upper}"), 8, digest(&upper)),
            (&format!("8222656 sha256:{HEX}"), "8222656 sha256:00", 8, digest("sha256:00")),
            (&format!("8222656 sha256:{HEX}"), "8222656 none:", 8, digest("none:")),
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
        let name = Problem::Name { field: "title", value: Shown::text(&title) };
        assert_eq!(changed("Debian, für alle", &title), (3, name));
        let path = format!("/{}", "p".repeat(MAX_PATH));
        assert_eq!(changed("/vmlinuz-6.1", &path), (8, Problem::Path(Shown::text(&path))));
        let id = "i".repeat(MAX_NAME + 1);
        let name = Problem::Name { field: "entry", value: Shown::text(&id) };
        assert_eq!(changed("debian-6.1", &id), (2, name));
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
