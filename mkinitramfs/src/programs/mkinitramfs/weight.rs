//! Says what an image weighs and why, and refuses one that weighs too much.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use turnout::drivers::class::Class;

use crate::image::compress;
use crate::image::cpio::Archive;
use crate::image::parallel;
use crate::image::weight::{self, Change, Changed, Label, Part, Sizes};

use super::files::input;

/// So many are named where there may be many.
const MOST: usize = 20;
/// And in a refusal.
const FEW: usize = 5;

#[derive(Args, Debug, Default)]
pub(super) struct Weight {
    /// Say how large the modules are by class, which are the biggest, why each is packed,
    /// and what is different from the image that is replaced
    #[arg(long)]
    report: bool,
    /// Another image to compare with, and say the same
    #[arg(long, value_name = "OLD")]
    compare: Option<PathBuf>,
    /// Write nothing if the image is larger, and name what grew most: 6500000, 6.5M, 6MiB
    #[arg(long, value_name = "SIZE", value_parser = weight::parse_size)]
    limit: Option<u64>,
}

/// An image that was made, and is not yet written.
pub(super) struct Made<'m> {
    pub(super) archive: &'m Archive,
    /// Bytes of the image.
    pub(super) size: u64,
    pub(super) labels: &'m BTreeMap<String, Label>,
    /// What is at the place where it is to be written.
    pub(super) place: Option<&'m Path>,
}

/// An image to compare with.
struct Old {
    name: String,
    size: u64,
    sizes: Sizes,
}

impl Weight {
    /// What there is to say of an image.
    ///
    /// # Errors
    /// It is larger than it may be, or what it is to be compared with is no image.
    pub(super) fn judge(&self, made: &Made<'_>) -> Result<String> {
        let is_told = self.report || self.compare.is_some();
        let is_over = self.limit.is_some_and(|limit| made.size > limit);
        if !is_told && !is_over {
            return Ok(String::new());
        }
        let parts = parts(made);
        let (old, note) = self.old(made.place)?;
        if let Some(limit) = self.limit.filter(|_| is_over) {
            bail!(too_large(made.size, limit, &parts, old.as_ref()));
        }
        let mut text = by_class(&parts, made.labels);
        text.push_str(&biggest(&parts));
        text.push_str(&reasons(made.labels));
        text.push_str(&note);
        if let Some(old) = old {
            text.push_str(&difference(&old, made.size, &parts));
        }
        Ok(text)
    }

    /// The image to compare with, or why there is none.
    fn old(&self, place: Option<&Path>) -> Result<(Option<Old>, String)> {
        if let Some(path) = &self.compare {
            return Ok((Some(read(path)?), String::new()));
        }
        // A FIFO would be emptied.
        let is_file = |path: &&Path| fs::metadata(path).is_ok_and(|there| there.is_file());
        let Some(path) = place.filter(is_file) else { return Ok((None, String::new())) };
        match read(path) {
            Ok(old) => Ok((Some(old), String::new())),
            Err(error) => Ok((None, format!("not compared with what is replaced: {error:#}\n"))),
        }
    }
}

fn read(path: &Path) -> Result<Old> {
    let image = input(path)?;
    let sizes = weight::of_image(&image.bytes);
    let sizes = sizes.with_context(|| format!("{} is no image", image.name))?;
    Ok(Old { name: image.name, size: image.bytes.len() as u64, sizes })
}

/// The files, each with its share of the image: as much of it as it would take of all
/// of them if each were compressed by itself.
fn parts(made: &Made<'_>) -> Vec<Part> {
    let files: Vec<_> = made.archive.files().collect();
    let weights = parallel::map(&files, |(_, content)| compress::estimate(content));
    let all = weights.iter().sum::<u64>().max(1);
    let share = |weight: u64| {
        let share = u128::from(made.size) * u128::from(weight) / u128::from(all);
        u64::try_from(share).unwrap_or(u64::MAX)
    };
    let parts = parallel::map(&files, |(path, content)| Part::new(path, content));
    let weighed = parts.into_iter().zip(weights);
    weighed.map(|(part, weight)| Part { share: share(weight), ..part }).collect()
}

/// What a file counts under.
fn kind(part: &Part, labels: &BTreeMap<String, Label>) -> &'static str {
    match labels.get(&part.name) {
        Some(label) => label.class.name(),
        None if part.name == "/init" => "turnout-init",
        None => "settings and tables",
    }
}

fn by_class(parts: &[Part], labels: &BTreeMap<String, Label>) -> String {
    let mut text = String::from("by class: bytes, and share of the image\n");
    let others = ["turnout-init", "settings and tables"];
    for kind_name in Class::ALL.map(Class::name).into_iter().chain(others) {
        let these: Vec<_> = parts.iter().filter(|part| kind(part, labels) == kind_name).collect();
        let size: u64 = these.iter().map(|part| part.size).sum();
        let share: u64 = these.iter().map(|part| part.share).sum();
        if !these.is_empty() {
            text.push_str(&format!("{size:>10} {share:>9}  {kind_name} ({})\n", these.len()));
        }
    }
    text
}

fn biggest(parts: &[Part]) -> String {
    let mut text = String::from("biggest: bytes, and share of the image\n");
    for part in ordered(parts).into_iter().take(MOST) {
        text.push_str(&format!("{:>10} {:>9}  {}\n", part.size, part.share, part.name));
    }
    text
}

fn ordered(parts: &[Part]) -> Vec<&Part> {
    let mut parts: Vec<_> = parts.iter().collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.size));
    parts
}

fn reasons(labels: &BTreeMap<String, Label>) -> String {
    let mut text = String::from("modules, and why they are packed\n");
    for (name, label) in labels {
        text.push_str(&format!("  {name}: {}\n", label.why));
    }
    text
}

fn difference(old: &Old, size: u64, parts: &[Part]) -> String {
    let mut text = format!("{} had {} bytes, this image has {size}\n", old.name, old.size);
    let changes = weight::changes(&old.sizes, &weight::sizes(parts));
    let (moved, resized): (Vec<_>, Vec<_>) =
        changes.iter().partition(|(_, _, change)| matches!(change, Change::Came | Change::Went));
    for change in moved.iter().chain(resized.iter().take(MOST)) {
        text.push_str(&format!("  {}\n", in_words(change)));
    }
    if changes.is_empty() {
        text.push_str("  nothing has another size\n");
    }
    let more = resized.len().saturating_sub(MOST);
    if more > 0 {
        text.push_str(&format!("  and {more} others changed by less\n"));
    }
    text
}

fn in_words((name, size, change): &Changed) -> String {
    match change {
        Change::Came => format!("{name} came: {size}"),
        Change::Went => format!("{name} went: {size}"),
        Change::Grew(by) => format!("{name} grew by {by} to {size}"),
        Change::Shrank(by) => format!("{name} shrank by {by} to {size}"),
    }
}

fn too_large(size: u64, limit: u64, parts: &[Part], old: Option<&Old>) -> String {
    let over = size.saturating_sub(limit);
    let grown = old.map(|old| grown(old, parts)).unwrap_or_default();
    let why = match old {
        Some(old) if !grown.is_empty() => format!("since {}: {grown}", old.name),
        _ => {
            let biggest = ordered(parts).into_iter().take(FEW);
            let biggest: Vec<_> =
                biggest.map(|part| format!("{} {}", part.name, part.size)).collect();
            format!("the biggest, unpacked: {}", biggest.join(", "))
        }
    };
    format!(
        "the image has {size} bytes, {over} more than --limit allows; {why}; nothing is written"
    )
}

/// What makes an image larger than the old one, the most first.
fn grown(old: &Old, parts: &[Part]) -> String {
    let changes = weight::changes(&old.sizes, &weight::sizes(parts));
    let grown =
        changes.iter().filter(|(_, _, change)| matches!(change, Change::Came | Change::Grew(_)));
    grown.take(FEW).map(in_words).collect::<Vec<_>>().join(", ")
}
