//! Makes the image that the arguments ask for, and says what is in it.

use std::path::Path;

use anyhow::{Context as _, Result};
use turnout::base::arch::Arch;

use crate::image::compress::{self, Compress};
use crate::image::cpio::Archive;
use crate::image::initramfs::{Image, Input, choose_mode};
use crate::image::modules::{Module, Selection, Tree, Wanted};
use crate::image::select::{self, Known, Picks};
use crate::image::weight;

use super::arguments::{Cli, Mode};
use super::files::input;
use super::forms::{self, Target};
use super::tree::Found;
use super::weight::Made;

/// Of an xz image that could be smaller.
const NO_BRANCHES: &str = "without the filter for arm64's branches, which Linux knows since 6.12: \
                           name the kernel with --release if it is as new";

/// What is packed unless another one is named.
const INIT: &str = "turnout-init";

/// An image, and what there is to say about it.
struct Built {
    bytes: Vec<u8>,
    /// One line each: the files, the notes, the sizes.
    lines: String,
    /// What it is for.
    arch: Arch,
    release: Option<String>,
}

/// Makes the image and writes it.
pub(super) fn run(cli: &Cli) -> Result<()> {
    cli.forms.check()?;
    let Built { bytes, mut lines, arch, release } = build(cli)?;
    let target = Target { arch, release: release.as_deref() };
    let made = cli.forms.make(bytes, cli.compress.name(), target)?;
    lines.push_str(&forms::write(&made)?);
    forms::tell(&lines, cli.forms.take_standard_output());
    Ok(())
}

fn build(cli: &Cli) -> Result<Built> {
    let root = cli.picked.root();
    let is_needed = cli.picked.needs_modules() || !cli.kernel.module.is_empty();
    let Found { tree, note } = cli.kernel.find(root, cli.picked.host, is_needed)?;
    let Picks { wanted, mut known, mut notes } = pick(cli, tree.as_ref())?;
    let Selection { modules, notes: more } = select(tree.as_ref(), &wanted)?;
    if let Some(tree) = tree.as_ref().filter(|_| known.is_empty()) {
        known = select::known(tree, &modules)?;
    }
    notes.extend(more.into_iter().chain(note));
    let release = tree.as_ref().map(Tree::release).or(cli.kernel.release.as_deref());
    let image = image(cli, Kernel { release, modules, known })?;
    let arch = image.arch(cli.allow_test_hooks)?;
    let branches = compress::branches(arch, release);
    notes.extend(image.note().map(str::to_owned));
    if cli.compress == Compress::Xz && branches.is_none() {
        notes.push(NO_BRANCHES.to_owned());
    }
    let labels = weight::labels(&image.modules);
    let archive = image.build(cli.allow_test_hooks)?;
    let raw = archive.write()?;
    let mut lines = listing(&archive, &notes);
    lines.push_str(&format!("{:>10}  archive\n", raw.len()));
    let bytes = cli.compress.apply(raw, branches)?;
    let size = bytes.len() as u64;
    let place = cli.forms.image();
    lines.push_str(&cli.weight.judge(&Made { archive: &archive, size, labels: &labels, place })?);
    Ok(Built { bytes, lines, arch, release: release.map(str::to_owned) })
}

/// What of an image belongs to a kernel.
struct Kernel<'k> {
    release: Option<&'k str>,
    modules: Vec<Module>,
    known: Vec<Known>,
}

fn image(cli: &Cli, kernel: Kernel<'_>) -> Result<Image> {
    Ok(Image {
        mode: choose_mode(cli.mode.map(Mode::into), cli.keys.is_some())?,
        binary: binary(cli.binary.as_deref())?,
        release: kernel.release.map(str::to_owned),
        modules: kernel.modules,
        known: kernel.known,
        compress_modules: cli.compress_modules,
        keys: cli.keys.as_deref().map(input).transpose()?,
        policy: cli.policy.as_deref().map(input).transpose()?,
        config: cli.config.as_deref().map(input).transpose()?,
    })
}

/// What becomes `/init`.
fn binary(asked: Option<&Path>) -> Result<Input> {
    if let Some(path) = asked {
        return input(path);
    }
    let here = std::env::current_exe().context("cannot tell where this program is")?;
    input(&here.with_file_name(INIT)).context("no --binary is given")
}

/// What the arguments name, and what they have looked for.
fn pick(cli: &Cli, tree: Option<&Tree>) -> Result<Picks> {
    let mut picks = tree.map_or_else(|| Ok(Picks::default()), |tree| cli.picked.pick(tree))?;
    picks.wanted.extend(cli.kernel.wanted());
    Ok(picks)
}

fn select(tree: Option<&Tree>, wanted: &[Wanted]) -> Result<Selection> {
    tree.map_or_else(|| Ok(Selection::default()), |tree| tree.select(wanted))
}

/// One line per file: its length in bytes and its path in the image.
fn listing(archive: &Archive, notes: &[String]) -> String {
    let mut lines = String::new();
    for (path, content) in archive.files() {
        lines.push_str(&format!("{:>10}  /{path}\n", content.len()));
    }
    for note in notes {
        lines.push_str(&format!("{:>10}  {note}\n", "-"));
    }
    lines
}
