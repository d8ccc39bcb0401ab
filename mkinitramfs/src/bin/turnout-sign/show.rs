//! `turnout-sign show`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use mkinitramfs::signing::{sign, words};
use turnout::base::text::printable;

use crate::Verdict;
use crate::files::{self, signatures_of};

#[derive(Args)]
pub(crate) struct Show {
    /// Manifests, policies, key rings, signature files and public keys
    #[arg(required = true)]
    file: Vec<PathBuf>,
    /// Key ring that gives keys their names
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
}

impl Show {
    pub(crate) fn run(&self) -> Result<Verdict> {
        let ring = self.keys.as_deref().map(files::ring).transpose()?;
        for path in &self.file {
            let bytes = files::read(path)?;
            let signatures = sign::read_if_there(&signatures_of(path))?;
            let lines = words::file(&bytes, signatures.as_deref(), ring.as_ref());
            let lines = lines.with_context(|| path.display().to_string())?;
            println!("{}:", path.display());
            lines.iter().for_each(|line| println!("  {}", printable(line)));
        }
        Ok(Verdict::Good)
    }
}
