//! Makes the image that the arguments ask for, and says what is in it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::image::compress::{self, Compress};
use crate::image::cpio::Archive;
use crate::image::initramfs::{Image, Input, choose_mode};
use crate::image::modules::{Module, Selection, Tree};
use crate::output;

use super::arguments::{Cli, Mode};
use super::tree::Found;

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
}

/// Makes the image and writes it.
pub(super) fn run(cli: &Cli) -> Result<()> {
    let Built { bytes, mut lines } = build(cli)?;
    output::write(&cli.output, &bytes)?;
    let name = cli.output.display();
    lines.push_str(&format!("{:>10}  {name}, {}\n", bytes.len(), cli.compress.name()));
    tell(&lines, &cli.output);
    Ok(())
}

fn build(cli: &Cli) -> Result<Built> {
    let Found { tree, note } =
        cli.kernel.find(Path::new("/"), false, !cli.kernel.module.is_empty())?;
    let Selection { modules, mut notes } = select(cli, tree.as_ref())?;
    notes.extend(note);
    let release = tree.as_ref().map(Tree::release).or(cli.kernel.release.as_deref());
    let image = image(cli, release, modules)?;
    let arch = image.arch(cli.allow_test_hooks)?;
    let branches = compress::branches(arch, release);
    notes.extend(image.note().map(str::to_owned));
    if cli.compress == Compress::Xz && branches.is_none() {
        notes.push(NO_BRANCHES.to_owned());
    }
    let archive = image.build(cli.allow_test_hooks)?;
    let raw = archive.write()?;
    let mut lines = listing(&archive, &notes);
    lines.push_str(&format!("{:>10}  archive\n", raw.len()));
    let bytes = cli.compress.apply(raw, branches)?;
    Ok(Built { bytes, lines })
}

fn image(cli: &Cli, release: Option<&str>, modules: Vec<Module>) -> Result<Image> {
    Ok(Image {
        mode: choose_mode(cli.mode.map(Mode::into), cli.keys.is_some())?,
        binary: binary(cli.binary.as_deref())?,
        release: release.map(str::to_owned),
        modules,
        keys: cli.keys.as_deref().map(input).transpose()?,
        policy: cli.policy.as_deref().map(input).transpose()?,
        config: cli.config.as_deref().map(input).transpose()?,
    })
}

/// Where it is in nobody's way: the standard output may be the image.
fn tell(lines: &str, output: &Path) {
    if output::is_standard_output(output) {
        eprint!("{lines}");
    } else {
        print!("{lines}");
    }
}

/// What becomes `/init`.
fn binary(asked: Option<&Path>) -> Result<Input> {
    if let Some(path) = asked {
        return input(path);
    }
    let here = std::env::current_exe().context("cannot tell where this program is")?;
    input(&here.with_file_name(INIT)).context("no --binary is given")
}

fn select(cli: &Cli, tree: Option<&Tree>) -> Result<Selection> {
    tree.map_or_else(|| Ok(Selection::default()), |tree| tree.select(&cli.kernel.wanted()))
}

/// A file that goes into the image, or is checked.
pub(super) fn input(path: &Path) -> Result<Input> {
    let name = path.display().to_string();
    let bytes = fs::read(path).with_context(|| format!("cannot read {name}"))?;
    Ok(Input { name, bytes })
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
