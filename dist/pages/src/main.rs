//! `turnout-pages --output DIR`: writes the manual pages and completions of Turnout's
//! programs. `DIR/man/NAME.SECTION`, `DIR/completions/{bash,zsh,fish}/...`; the same
//! tree gives the same bytes.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;

/// Writes the manual pages and completions of Turnout's programs
#[derive(Parser)]
struct Cli {
    /// Where to write them
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    for file in turnout_pages::files()? {
        let path = cli.output.join(&file.path);
        let folder = path.parent().unwrap_or(&cli.output);
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        fs::write(&path, file.text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
