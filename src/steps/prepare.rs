//! Read, verify, identify: from an entry to a kernel that can be planned.
//!
//! Every file is read once, into memory that nothing changes any more, and kernel
//! images are parsed only once they are verified. What a caller wants beside that
//! (when to unpack, what is said meanwhile) is its own.

use core::sync::atomic::AtomicBool;

use crate::base::arch::Arch;
use crate::bundle::{Blob, Bundle};
use crate::failure::{Failure, Stage};
use crate::image::{self, Limits, Unpacked};
use crate::menu::Entry;
use crate::plan::{self, Decompress, Facts, Machine, Prepared, Request, Unpacking};
use crate::sys::read::{Head, Reading, Root, Sealed};
use crate::sys::{self, machine};
use crate::trust::slots::SlotValues;
use crate::trust::verify::{self, Attested, Verified};

/// The files of an entry as they were signed, or as nobody signed them.
pub(crate) type Proven = Verified<Bundle<Sealed>>;

/// Reads the files of an entry, each once, in the order in which they are used,
/// until somebody sets `stop`.
pub(crate) fn read(
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

/// Checks that the files are those that were signed, if any were.
pub(crate) fn verify<B>(
    entry: &Entry,
    attested: &Attested,
    bundle: Bundle<B>,
) -> Result<Verified<Bundle<B>>, Failure> {
    verify::verify(attested, bundle, &slot_values(entry)).map_err(Failure::refused)
}

/// What the menu says for the slots of a signed command line.
fn slot_values(entry: &Entry) -> SlotValues {
    let tries = entry.counter.map(|counter| counter.left);
    SlotValues { tries, name: entry.slot.clone() }
}

/// Says what the kernel is. Images are parsed here for the first time: verified,
/// all of them.
pub(crate) fn identify<'p>(
    proven: &'p Proven,
    limits: &Limits,
) -> Result<Unpacked<'p>, image::Error> {
    let Bundle { linux, profile, .. } = proven.get();
    image::unpack_profile(linux.bytes.as_ref(), profile.unwrap_or(0), limits)
}

/// Whether the kernel begins like one for this machine.
pub(crate) fn probe(bundle: &Verified<Bundle<Head>>, machine: Arch) -> Result<(), Failure> {
    let linux = &bundle.get().linux;
    match image::probe(&linux.bytes.0) {
        Err(error) => Err(Failure::new(Stage::Identify, format!("{}: {error}", linux.path))),
        Ok(Some(kernel)) if kernel != machine => {
            Err(Failure::new(Stage::Plan, plan::Error::Arch { kernel, machine }))
        }
        Ok(_) => Ok(()),
    }
}

/// How a kernel is made ready, and for which machine.
pub(crate) struct Readying<'a> {
    pub(crate) request: Request,
    pub(crate) decompress: Decompress,
    /// What speaks against unpacking a bzImage where that is left open.
    pub(crate) against: Option<&'static str>,
    pub(crate) limits: &'a Limits,
    pub(crate) facts: &'a Facts,
    pub(crate) machine: &'a Machine,
}

impl Readying<'_> {
    /// Unpacks the kernel, further than it has to be where that is wanted.
    pub(crate) fn apply<'p>(
        &self,
        unpacked: Unpacked<'p>,
        proven: &Proven,
    ) -> Result<Prepared<'p>, Failure> {
        let (engine, _) =
            plan::choose_engine(self.request, self.facts).map_err(|error| at_plan(error.into()))?;
        let Self { decompress, against, limits, machine, .. } = *self;
        let how = Unpacking { engine, decompress, against, limits };
        Prepared::new(unpacked, proven, &how, machine.seeds.as_ref()).map_err(at_plan)
    }
}

fn at_plan(error: plan::Error) -> Failure {
    Failure::new(Stage::Plan, error)
}
