//! What can be said of an entry before anybody chooses it: are its files there,
//! and who signed it.
//!
//! Only its manifest and signature are read, within the budget of its device
//! ([`Metered`]); an entry for which that is not enough cannot boot. A file that
//! cannot be read is a fault of the entry, never an entry with one file less.

use crate::failure::Failure;
use crate::menu::{self, Entry, Metered};
use crate::preflight::{self, Limits, Preflight};
use crate::sys::clock;
use crate::trust::verify::{Attested, Context, Evidence, check_manifest};
use crate::trust::{self, MAX_FILE};

/// What can be said of an entry without reading its big files. `admit` is what
/// the state of the machine says of an entry that trust lets boot.
pub(crate) fn examine(
    context: &Context<'_>,
    files: &Metered<'_>,
    entry: &Entry,
    limits: &Limits<'_>,
    admit: impl FnOnce(Attested) -> Result<Attested, Failure>,
) -> Preflight {
    let sizes: Vec<_> = entry.files().map(|path| files.size(path)).collect();
    let found =
        preflight::check(entry, &sizes, attest(context, files, entry).and_then(admit), limits);
    match files.ended() {
        Some(exceeded) => Preflight::left_out(exceeded.into()),
        None => found,
    }
}

/// What trust says of an entry's manifest, whatever becomes of its files.
pub(crate) fn attest(
    context: &Context<'_>,
    files: &Metered<'_>,
    entry: &Entry,
) -> Result<Attested, Failure> {
    // They lie on the device of the file that gives the entry.
    let manifest = menu::beside(&entry.file, &trust::manifest_path(&entry.id));
    let signature = menu::beside(&entry.file, &trust::signature_path(&entry.id));
    let manifest = signed_text(files, &manifest)?;
    let signature = signed_text(files, &signature)?;
    let evidence = Evidence { manifest: manifest.as_deref(), signature: signature.as_deref() };
    let attested = clock::TRUST.spend(|| check_manifest(context, &entry.id, evidence));
    let attested = attested.map_err(Failure::refused)?;
    // What it says is kept; whether that was too much, the caller asks.
    let _ = files.keep(manifest.map_or(0, |manifest| manifest.len()));
    Ok(attested)
}

fn signed_text(files: &Metered<'_>, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    files.small(path, MAX_FILE).map_err(|why| Failure::broken("FILE", why))
}
