//! Drops manifests of entries that are gone, if upkeep made them; says of others.

use std::path::{Path, PathBuf};

use anyhow::Result;
use turnout::trust::manifest;

use crate::signing::entry::{Order, Roots};
use crate::signing::sign::read_if_there;
use crate::upkeep::Keeper;
use crate::upkeep::disk::names;
use crate::upkeep::kept::is_kept;
use crate::upkeep::renew::below;

const SUFFIX: &str = ".manifest";
/// Crash kernels have no menu entry: `kdump` looks after its own manifests.
const KDUMP: &str = "kdump";

/// Which manifests are stale.
#[derive(Debug, Clone, Copy)]
pub enum Stale<'a> {
    /// Those whose entry is not in this menu and whose files are gone.
    NotIn(&'a Order),
    /// Those of a kernel release whose files are gone.
    OfRelease(&'a str),
}

impl Keeper<'_> {
    /// Drops the stale ones beside a menu.
    ///
    /// # Errors
    /// One cannot be read or dropped.
    pub fn drop_stale(&mut self, roots: &Roots, stale: Stale<'_>) -> Result<()> {
        let directory = roots.home().join("turnout");
        let names = names(&directory);
        let ids = names.iter().filter_map(|name| name.strip_suffix(SUFFIX));
        for id in ids.filter(|id| !is_kept(id) && !id.starts_with(KDUMP)) {
            let path = directory.join(format!("{id}{SUFFIX}"));
            if is_stale(roots, id, &path, stale)? {
                self.drop_papers(id, &path)?;
            }
        }
        Ok(())
    }

    fn drop_papers(&mut self, id: &str, manifest: &Path) -> Result<()> {
        let name = manifest.display();
        if !self.ledger.has(manifest) {
            self.report.say(format!(
                "{name} is of an entry that is gone, and was not made here: remove it"
            ));
            return Ok(());
        }
        self.disk.remove(manifest)?;
        self.disk.remove(&PathBuf::from(format!("{name}.sig")))?;
        self.report.say(format!("dropped the manifest of {id}, which is gone"));
        Ok(())
    }
}

fn is_stale(roots: &Roots, id: &str, path: &Path, stale: Stale<'_>) -> Result<bool> {
    let is_of = match stale {
        Stale::NotIn(order) => !order.has(id),
        Stale::OfRelease(_) => true,
    };
    let text = read_if_there(path)?.unwrap_or_default();
    let Some(manifest) = manifest::parse(&text).ok().filter(|_| is_of) else { return Ok(false) };
    let is_of = match stale {
        Stale::NotIn(_) => true,
        Stale::OfRelease(release) => {
            manifest.files().any(|file| file.path.ends_with(&format!("-{release}")))
        }
    };
    Ok(is_of && manifest.files().all(|file| !below(roots.home(), &file.path).exists()))
}
