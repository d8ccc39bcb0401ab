//! What is read of an entry from its volume, by PID 1 and by `turnout verify`
//! alike: what was signed for it, and its files, each once.
//!
//! Everything is resolved beneath the volume's root ([`Root`]). A file that
//! cannot be read is a fault of the entry, never an entry with one file less.

use core::sync::atomic::AtomicBool;

use crate::bundle::{Blob, Bundle};
use crate::failure::{Failure, Stage};
use crate::menu::Entry;
use crate::preflight::{self, Limits, Preflight};
use crate::sys::read::{Head, Reading, Root, Sealed};
use crate::sys::{self, clock, machine};
use crate::trust::slots::SlotValues;
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
    let size = |path: &str| root.size(path).map_err(|error| error.to_string());
    let sizes: Vec<_> = entry.files().map(size).collect();
    preflight::check(entry, &sizes, attest(context, root, entry).and_then(admit), limits)
}

/// What trust says of an entry's manifest.
fn attest(context: &Context<'_>, root: &Root, entry: &Entry) -> Result<Attested, Failure> {
    let manifest = signed_text(root, &trust::manifest_path(&entry.id))?;
    let signature = signed_text(root, &trust::signature_path(&entry.id))?;
    let evidence = Evidence { manifest: manifest.as_deref(), signature: signature.as_deref() };
    let check = || check_manifest(context, &entry.id, evidence);
    clock::TRUST.spend(check).map_err(Failure::refused)
}

fn signed_text(root: &Root, path: &str) -> Result<Option<Vec<u8>>, Failure> {
    root.small(path, MAX_FILE as u64).map_err(broken)
}

fn broken(error: sys::Error) -> Failure {
    Failure::broken("FILE", error.to_string())
}

/// Reads the files of an entry, each once, in the order in which they are used,
/// until somebody sets `stop`.
pub(crate) fn read_bundle(
    root: &Root,
    entry: &Entry,
    stop: &AtomicBool,
) -> Result<Bundle<Sealed>, Failure> {
    let mut reading = Reading::new(root, machine::memory_for_files(), stop);
    bundle(entry, |path| reading.blob(path))
}

/// Reads the same files, which may have `limit` bytes together, and keeps of each
/// the digest and the start.
pub(crate) fn read_heads(
    root: &Root,
    entry: &Entry,
    limit: u64,
    stop: &AtomicBool,
) -> Result<Bundle<Head>, Failure> {
    let mut reading = Reading::new(root, limit, stop);
    bundle(entry, |path| reading.head(path))
}

fn bundle<B>(
    entry: &Entry,
    mut read: impl FnMut(&str) -> Result<Blob<B>, sys::Error>,
) -> Result<Bundle<B>, Failure> {
    let mut blob = |path: &str| read(path).map_err(|error| Failure::new(Stage::Read, error));
    Ok(Bundle {
        entry: entry.id.clone(),
        linux: blob(entry.kernel().unwrap_or_default())?,
        profile: entry.uki.as_ref().map(|_| entry.profile.unwrap_or(0)),
        initrds: all(&entry.initrds, &mut blob)?,
        devicetree: entry.devicetree.as_deref().map(&mut blob).transpose()?,
        overlays: all(&entry.overlays, &mut blob)?,
        addons: all(&entry.addons, &mut blob)?,
        options: entry.options.clone(),
    })
}

/// Several files, in their order.
fn all<B>(
    paths: &[String],
    blob: impl FnMut(&str) -> Result<Blob<B>, Failure>,
) -> Result<Vec<Blob<B>>, Failure> {
    paths.iter().map(String::as_str).map(blob).collect()
}

/// What the menu says for the slots of a signed command line.
pub(crate) fn slot_values(entry: &Entry) -> SlotValues {
    let tries = entry.counter.map(|counter| counter.left);
    SlotValues { tries, name: entry.slot.clone() }
}
