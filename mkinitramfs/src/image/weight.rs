//! What an image weighs: by class, by module, and against another image.
//!
//! Sizes are of unpacked modules, so that images whose modules are compressed in
//! different ways can be compared. It must never read a file.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use turnout::base::cpio as newc;
use turnout::base::patience::Patience;
use turnout::drivers::class::Class;
use turnout::drivers::table;
use turnout::image::compression::Compressor;

use super::modules::Module;
use super::suffix::{compressor, module_name};

/// What another image may unpack to.
const MAX_OLD: u64 = 1 << 30;
/// What a module of it may unpack to.
const MAX_MODULE: u64 = 256 << 20;
/// Where modules lie.
const MODULES: &str = "lib/modules/";

/// Bytes of each module by its name, and of each other file by its path.
pub type Sizes = BTreeMap<String, u64>;

/// What is known of a module that is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// What it is for.
    pub class: Class,
    /// Why it is packed.
    pub why: String,
}

/// What is known of the modules, by name.
#[must_use]
pub fn labels(modules: &[Module]) -> BTreeMap<String, Label> {
    let label = |module: &Module| Label { class: module.class, why: module.why.clone() };
    modules.iter().map(|module| (module.name.clone(), label(module))).collect()
}

/// A file of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The module's name, or the path.
    pub name: String,
    /// Its bytes, unpacked.
    pub size: u64,
    /// How many of the image's bytes are there for it, as far as that can be told.
    pub share: u64,
}

impl Part {
    /// A file of an archive, of which the share is not known yet.
    #[must_use]
    pub fn new(path: &str, content: &[u8]) -> Self {
        let is_module = path.trim_start_matches("usr/").starts_with(MODULES);
        match module_name(path).filter(|_| is_module) {
            Some(_) => {
                Self { name: table::module_of(path), size: unpacked(path, content), share: 0 }
            }
            None => Self { name: format!("/{path}"), size: content.len() as u64, share: 0 },
        }
    }
}

fn unpacked(path: &str, content: &[u8]) -> u64 {
    let unpacked = compressor(path).and_then(|with| with.decode(content, MAX_MODULE).ok());
    unpacked.as_deref().map_or(content.len(), <[u8]>::len) as u64
}

/// The sizes of these.
#[must_use]
pub fn sizes(parts: &[Part]) -> Sizes {
    parts.iter().map(|part| (part.name.clone(), part.size)).collect()
}

/// The sizes in another image: archives behind one another, compressed or not.
///
/// # Errors
/// It is none.
pub fn of_image(image: &[u8]) -> Result<Sizes> {
    let mut sizes = Sizes::new();
    let mut left = MAX_OLD;
    let mut rest = without_zeros(image);
    ensure!(!rest.is_empty(), "it is empty");
    while !rest.is_empty() {
        rest = match Compressor::recognise(rest) {
            _ if newc::begins(rest) => archive(rest, &mut sizes)?,
            Some(compressor) => {
                let first = compressor.decode_first(rest, left, Patience::ENDLESS)?;
                left = left.saturating_sub(first.output.len() as u64);
                archives(&first.output, &mut sizes)?;
                first.rest
            }
            None => bail!("neither an archive nor a compressed one begins in it"),
        };
        rest = without_zeros(rest);
    }
    Ok(sizes)
}

fn archives(bytes: &[u8], sizes: &mut Sizes) -> Result<()> {
    let mut rest = without_zeros(bytes);
    while !rest.is_empty() {
        rest = without_zeros(archive(rest, sizes)?);
    }
    Ok(())
}

fn archive<'a>(bytes: &'a [u8], sizes: &mut Sizes) -> Result<&'a [u8]> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let member = newc::take(&mut rest).context("an archive in it is damaged or cut off")?;
        if member.path == newc::TRAILER.as_bytes() {
            break;
        }
        let path = String::from_utf8_lossy(member.path);
        let path = path.trim_start_matches("./").trim_start_matches('/');
        let part = Part::new(path, member.content);
        if part.size > 0 {
            sizes.insert(part.name, part.size);
        }
    }
    Ok(rest)
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// What is different for a module or another file, and by how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Came,
    /// It is not there any more.
    Went,
    /// It is larger by so much.
    Grew(u64),
    /// It is smaller by so much.
    Shrank(u64),
}

/// A module, its size now or as it was, and what is different.
pub type Changed = (String, u64, Change);

/// What is different from an old image; what makes the most of it comes first.
#[must_use]
pub fn changes(old: &Sizes, new: &Sizes) -> Vec<Changed> {
    let mut changes = Vec::new();
    for (name, &size) in new {
        let change = match old.get(name) {
            None => Change::Came,
            Some(&then) if then < size => Change::Grew(size.saturating_sub(then)),
            Some(&then) if then > size => Change::Shrank(then.saturating_sub(size)),
            Some(_) => continue,
        };
        changes.push((name.clone(), size, change));
    }
    let went = old.iter().filter(|(name, _)| !new.contains_key(*name));
    changes.extend(went.map(|(name, size)| (name.clone(), *size, Change::Went)));
    changes.sort_by_key(|change| std::cmp::Reverse(weight(change)));
    changes
}

const fn weight((_, size, change): &Changed) -> u64 {
    match change {
        Change::Came | Change::Went => *size,
        Change::Grew(by) | Change::Shrank(by) => *by,
    }
}

/// A size as people write it: 6500000, 6.5M, 6MiB.
///
/// # Errors
/// How it is written.
pub fn parse_size(word: &str) -> Result<u64, String> {
    read_size(word).ok_or_else(|| "a size is written 6500000, 6.5M or 6MiB".to_owned())
}

fn read_size(word: &str) -> Option<u64> {
    let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    let (number, unit) = word.split_at_checked(end)?;
    let unit: u64 = match unit.trim_start() {
        "" | "B" => 1,
        "k" | "K" | "kB" | "KB" => 1000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let scale = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let part = part.parse::<u64>().ok()?.checked_mul(unit)?.checked_div(scale)?;
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(part).filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(list: &[(&str, u64)]) -> Sizes {
        list.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect()
    }

    #[test]
    fn a_size_is_taken_as_people_write_it() {
        for (word, size) in [
            ("6500000", Some(6_500_000)),
            ("6.5M", Some(6_500_000)),
            ("6.25MB", Some(6_250_000)),
            ("6MiB", Some(6 << 20)),
            ("0.5 MiB", Some(1 << 19)),
            ("650k", Some(650_000)),
            ("0", None),
            ("", None),
            (".5M", None),
            ("6.M", None),
            ("6.5.1M", None),
            ("6mb", None),
            ("-6M", None),
            ("99999999999G", None),
        ] {
            assert_eq!(read_size(word), size, "{word}");
        }
    }

    #[test]
    fn what_changed_most_comes_first() {
        let old = sizes(&[("same", 7), ("grew", 100), ("shrank", 90), ("went", 20)]);
        let new = sizes(&[("same", 7), ("grew", 150), ("shrank", 60), ("came", 40)]);
        let expected = [
            ("grew", 150, Change::Grew(50)),
            ("came", 40, Change::Came),
            ("shrank", 60, Change::Shrank(30)),
            ("went", 20, Change::Went),
        ];
        let expected = expected.map(|(name, size, change)| (name.to_owned(), size, change));
        assert_eq!(changes(&old, &new), expected);
    }

    #[test]
    fn only_files_of_module_trees_go_by_the_names_of_modules() {
        assert_eq!(Part::new("usr/lib/modules/6.1/kernel/a/x-y.ko.xz", b"no xz").name, "x_y");
        assert_eq!(Part::new("etc/x.ko", b"").name, "/etc/x.ko");
    }
}
