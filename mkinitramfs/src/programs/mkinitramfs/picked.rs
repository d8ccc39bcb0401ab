//! Which machines an image is for, where nobody names its modules.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use turnout::drivers::class::Class;

use crate::image::modules::Tree;
use crate::image::select::{self, Picks};

use super::files::input;

#[derive(Args, Debug, Default)]
pub(super) struct Picked {
    /// For this machine: drivers of its devices, and file systems of its boot menu
    #[arg(long, group = "kernel")]
    pub(super) host: bool,
    /// For nearly every machine: disks and what they hang on, file systems, keyboards,
    /// TPMs and watchdogs, but no network and no graphics
    #[arg(long, conflicts_with = "host")]
    universal: bool,
    /// For the board of a device tree; more than one may be named
    #[arg(long, value_name = "FILE", conflicts_with_all = ["host", "universal"])]
    dtb: Vec<PathBuf>,
    /// Classes that --universal packs whole: storage, network, display, serial...
    #[arg(long, value_name = "CLASS", num_args = 1.., requires = "universal")]
    #[arg(value_parser = class)]
    class: Vec<Class>,
    /// Where this machine's / is
    #[arg(long, value_name = "DIR", hide = true, requires = "host")]
    sysroot: Option<PathBuf>,
}

impl Picked {
    /// The system that --host looks at.
    pub(super) fn root(&self) -> &Path {
        self.sysroot.as_deref().unwrap_or(Path::new("/"))
    }

    pub(super) fn needs_modules(&self) -> bool {
        self.host || self.universal || !self.dtb.is_empty()
    }

    /// The modules for these machines.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn pick(&self, tree: &Tree) -> Result<Picks> {
        if self.universal {
            return select::universal(tree, &self.class);
        }
        if self.host {
            return select::host(tree, self.root());
        }
        let mut picks = Picks::default();
        for file in &self.dtb {
            let dtb = input(file)?;
            let board = select::board(tree, &dtb.name, &dtb.bytes)?;
            picks.wanted.extend(board.wanted);
            picks.known.extend(board.known);
            picks.notes.extend(board.notes);
        }
        // What several boards have in common is said once.
        picks.notes.sort();
        picks.notes.dedup();
        Ok(picks)
    }
}

fn class(word: &str) -> Result<Class, String> {
    let all = Class::ALL.map(Class::name).join(", ");
    Class::named(word).ok_or_else(|| format!("there is {all}"))
}
