//! `turnout-sign show`.

use std::path::PathBuf;

use crate::signing::{sign, words};
use anyhow::{Context as _, Result};
use clap::Args;
use turnout::base::text::printable;

use super::Verdict;
use super::files::{self, signatures_of};

#[derive(Args)]
pub(super) struct Show {
    /// Manifests, policies, key rings, signature files and public keys
    #[arg(required = true)]
    file: Vec<PathBuf>,
    /// Key ring that gives keys their names
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
}

impl Show {
    pub(super) fn run(&self) -> Result<Verdict> {
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
