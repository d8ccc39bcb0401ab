//! What can be said of an entry before anybody chooses it: are its files there,
//! and who signed it.
//!
//! Only its manifest and signature are read. Everything is resolved beneath the
//! volume's root ([`Root`]). A file that cannot be read is a fault of the entry,
//! never an entry with one file less.

use crate::failure::Failure;
use crate::menu::Entry;
use crate::preflight::{self, Limits, Preflight};
use crate::sys::read::Root;
use crate::sys::{self, clock};
use crate::trust::verify::{Attested, Context, Evidence, check_manifest};
use crate::trust::{self, MAX_FILE};

/// What can be said of an entry without reading its big files. `admit` is what
/// the state of the machine says of an entry that trust lets boot.
pub(crate) fn examine(
    context: &Context<'_>,
    root: &Root,
    entry: &Entry,
    limits: &Limits<'_>,
    admit: impl FnOnce(Attested) -> Result<Attested, Failure>,
) -> Preflight {
    let sizes: Vec<_> =
        entry.files().map(|path| root.size(path).map_err(|error| error.to_string())).collect();
    preflight::check(entry, &sizes, attest(context, root, entry).and_then(admit), limits)
}

/// What trust says of an entry's manifest.
fn attest(context: &Context<'_>, root: &Root, entry: &Entry) -> Result<Attested, Failure> {
    let manifest = signed_text(root, &trust::manifest_path(&entry.id))?;
    let signature = signed_text(root, &trust::signature_path(&entry.id))?;
    let evidence = Evidence { manifest: manifest.as_deref(), signature: signature.as_deref() };
    clock::TRUST.spend(|| check_manifest(context, &entry.id, evidence)).map_err(Failure::refused)
}

fn signed_text(root: &Root, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    root.small(path, MAX_FILE as u64).map_err(broken)
}

fn broken(error: sys::Error) -> Failure {
    Failure::broken("FILE", error.to_string())
}
