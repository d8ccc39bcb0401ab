//! Drops manifests of entries that are gone, if upkeep made them; says of others.

use std::path::{Path, PathBuf};

use anyhow::Result;
use turnout::trust::manifest;

use crate::signing::entry::{Order, Roots};
use crate::upkeep::disk::names;
use crate::upkeep::kept::is_kept;
use crate::upkeep::trust::{below, papers};
use crate::upkeep::{Keeper, kdump};

const SUFFIX: &str = ".manifest";
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
        for id in ids.filter(|id| !is_kept(id)) {
            let path = directory.join(format!("{id}{SUFFIX}"));
            match self.is_stale(roots, id, stale) {
                Ok(true) => self.drop_papers(id, &path)?,
                Ok(false) => {}
                // One that somebody has planted does not keep the others from their turn.
                Err(error) => self.report.complain(format!("{error:#}")),
            }
        }
        Ok(())
    }

    fn drop_papers(&mut self, id: &str, manifest: &Path) -> Result<()> {
        let name = manifest.display();
        let signatures = PathBuf::from(format!("{name}.sig"));
        let is_own = |path: &Path| path.symlink_metadata().is_err() || self.ledger.has(path);
        if !(is_own(manifest) && is_own(&signatures)) {
            self.report.say(format!(
                "{name} is of an entry that is gone, and was not made here: remove it"
            ));
            return Ok(());
        }
        self.disk.remove(manifest)?;
        self.disk.remove(&signatures)?;
        self.report.say(format!("dropped the manifest of {id}, which is gone"));
        Ok(())
    }

    fn is_stale(&self, roots: &Roots, id: &str, stale: Stale<'_>) -> Result<bool> {
        let text = papers(roots.home(), id)?.manifest.unwrap_or_default();
        let Ok(manifest) = manifest::parse(&text) else { return Ok(false) };
        // Crash kernels have no menu entry, and are called as the running system does.
        let is_crash = id.starts_with(kdump::ID);
        let is_gone = |path: &str| match is_crash {
            true => !below(self.system, path).exists(),
            false => !roots.has(path),
        };
        let is_meant = match stale {
            Stale::NotIn(order) => !order.has(id),
            Stale::OfRelease(release) => {
                manifest.files().any(|file| file.path.ends_with(&format!("-{release}")))
            }
        };
        let mut gone = manifest.files().map(|file| is_gone(&file.path));
        // The kernel comes first.
        let is_useless =
            if is_crash { gone.next().unwrap_or_default() } else { gone.all(|gone| gone) };
        Ok(is_meant && is_useless)
    }
}
