//! Read, verify, identify: from an entry to a kernel that can be planned.
//!
//! Every file is read once, into memory that nothing changes any more, and kernel
//! images are parsed only once they are verified. What a caller wants beside that
//! (when to unpack, what is said meanwhile) is its own.

use core::sync::atomic::AtomicBool;

use crate::base::arch::Arch;
use crate::bundle::{Blob, Bundle};
use crate::failure::{Failure, Stage};
use crate::image::{self, Kernel, Limits, Unpacked};
use crate::menu::Entry;
use crate::plan::{self, Decompress, Facts, Machine, Need, Prepared, Request, Shortage, Unpacking};
use crate::preflight::MEMORY;
use crate::sys::read::{Head, Reading, Roots, Sealed};
use crate::sys::{self, machine, memory};
use crate::trust::slots::SlotValues;
use crate::trust::verify::{self, Attested, Verified};

/// The files of an entry as they were signed, or as nobody signed them.
pub(crate) type Proven = Verified<Bundle<Sealed>>;

/// Reads the files of an entry, which may have `limit` bytes together, each once,
/// in the order in which they are used, until somebody sets `stop`.
pub(crate) fn read(
    roots: &Roots,
    entry: &Entry,
    limit: u64,
    stop: &AtomicBool,
) -> Result<Bundle<Sealed>, Failure> {
    let mut reading = Reading::new(roots, limit, stop);
    bundle(entry, |path| reading.blob(path))
}

/// The same of one that is to be started, if there is memory for that now: no more
/// bytes than were counted.
pub(crate) fn read_to_start(
    roots: &Roots,
    entry: &Entry,
    stop: &AtomicBool,
) -> Result<Bundle<Sealed>, Failure> {
    // What is wrong with a file is said when it is read.
    let counted = check_sizes(entry.files().filter_map(|path| roots.size(path).ok()))?;
    read(roots, entry, counted, stop)
}

/// Checks that files of these sizes can be read and loaded; the sum of them.
pub(crate) fn check_sizes(sizes: impl Iterator<Item = u64>) -> Result<u64, Failure> {
    let need = Need::of_files(sizes);
    let enough = need.check(machine::room());
    enough.map_err(|shortage| too_little(Stage::Read, &shortage))?;
    Ok(need.files)
}

/// Reads the same files, which may have `limit` bytes together, and keeps of each
/// the digest and the start.
pub(crate) fn read_heads(
    roots: &Roots,
    entry: &Entry,
    limit: u64,
    stop: &AtomicBool,
) -> Result<Bundle<Head>, Failure> {
    let mut reading = Reading::new(roots, limit, stop);
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

/// Checks that the files are those that were signed, if any were. `values` are filled
/// into the signed command line.
pub(crate) fn verify<B>(
    attested: &Attested,
    bundle: Bundle<B>,
    values: &SlotValues,
) -> Result<Verified<Bundle<B>>, Failure> {
    verify::verify(attested, bundle, values).map_err(Failure::refused)
}

/// What the menu says for the slots of a signed command line.
pub(crate) fn slot_values(entry: &Entry) -> SlotValues {
    let tries = entry.counter.map(|counter| counter.left);
    SlotValues { tries, name: entry.slot.clone(), token: None }
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

/// Where it was for lack of memory, the failure has the code of that.
pub(crate) fn not_identified(error: &image::Error, said: String) -> Failure {
    memory::dealt_with();
    if error.is_of_memory() {
        return Failure { stage: Stage::Identify, ..Failure::broken(MEMORY, said) };
    }
    Failure::new(Stage::Identify, said)
}

fn too_little(stage: Stage, shortage: &Shortage) -> Failure {
    Failure { stage, ..Failure::broken(MEMORY, shortage.to_string()) }
}

/// How much the kernel of a bundle may unpack to, so that it can be loaded
/// afterwards with everything else.
pub(crate) fn limits(proven: &Proven) -> Limits {
    let Bundle { linux, .. } = proven.get();
    let others = proven.get().sizes().fold(0, u64::saturating_add).saturating_sub(linux.size);
    Limits { output: machine::room().for_unpacking(others) }
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
    /// Whether it is this machine, whose memory has to do.
    pub(crate) is_here: bool,
    /// Whether an archive of Turnout's own may come before the initrds.
    pub(crate) may_have_front: bool,
}

impl Readying<'_> {
    /// Unpacks the kernel, further than it has to be where that is wanted, if there
    /// is memory for that and for the load.
    pub(crate) fn apply<'p>(
        &self,
        unpacked: Unpacked<'p>,
        proven: &Proven,
    ) -> Result<Prepared<'p>, Failure> {
        let (engine, _) =
            plan::choose_engine(self.request, self.facts).map_err(|error| at_plan(error.into()))?;
        let Self { decompress, against, limits, machine, .. } = *self;
        let how = Unpacking { engine, decompress, against, limits };
        self.check_copy(&unpacked)?;
        let seeds = machine.seeds.as_ref();
        let kernel = Prepared::new(unpacked, proven, &how, seeds).map_err(not_prepared)?;
        if self.is_here {
            let Self { request, facts, may_have_front, .. } = *self;
            let kernel = &kernel;
            check_memory(&Loadable { request, facts, kernel, proven, machine, may_have_front })?;
        }
        Ok(kernel)
    }

    /// A `vmlinux` that is a file by itself is copied, to be moved to its address.
    fn check_copy(&self, unpacked: &Unpacked<'_>) -> Result<(), Failure> {
        let is_copied = matches!(unpacked.kernel(), Kernel::Vmlinux(_)) && unpacked.is_whole();
        if !(self.is_here && is_copied) {
            return Ok(());
        }
        let need = Need { unpacked: unpacked.file().len() as u64, ..Need::default() };
        need.check(machine::room()).map_err(|shortage| too_little(Stage::Identify, &shortage))
    }
}

/// A kernel that is ready to be loaded, and how.
pub(crate) struct Loadable<'a> {
    pub(crate) request: Request,
    pub(crate) facts: &'a Facts,
    pub(crate) kernel: &'a Prepared<'a>,
    pub(crate) proven: &'a Proven,
    pub(crate) machine: &'a Machine,
    /// As in [`Readying`].
    pub(crate) may_have_front: bool,
}

/// Checks that there is memory for what loading takes, now that the files have been
/// read and the kernel is unpacked.
pub(crate) fn check_memory(loadable: &Loadable<'_>) -> Result<(), Failure> {
    let Loadable { request, facts, kernel, proven, machine, may_have_front } = *loadable;
    let (engine, _) = plan::choose_engine(request, facts).map_err(|error| at_plan(error.into()))?;
    let need = Need::of(kernel, proven.get(), engine, machine, may_have_front).map_err(at_plan)?;
    need.check_rest(machine::room()).map_err(|shortage| too_little(Stage::Plan, &shortage))
}

/// As [`not_identified`], of what a bzImage unpacks to.
fn not_prepared(error: plan::Error) -> Failure {
    memory::dealt_with();
    match &error {
        plan::Error::Payload(cause) if cause.is_of_memory() => {
            Failure { stage: Stage::Plan, ..Failure::broken(MEMORY, error.to_string()) }
        }
        _ => at_plan(error),
    }
}

fn at_plan(error: plan::Error) -> Failure {
    Failure::new(Stage::Plan, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::gzip;

    #[test]
    fn a_kernel_that_unpacks_to_more_than_there_is_memory_for_says_so() {
        let error = image::unpack(&gzip(&[7; 1001]), &Limits { output: 1000 }).unwrap_err();
        let failure = not_identified(&error, format!("/vmlinuz: {error}")).of("good");
        let said = "failed good: identify: MEMORY: /vmlinuz: it unpacks (gzip) to more than the \
                    1000 bytes that there is room for";
        assert_eq!(failure.to_string(), said);
        let error = image::unpack(b"#!/bin/sh", &Limits { output: 1000 }).unwrap_err();
        assert_eq!(not_identified(&error, error.to_string()).mark(), "failed(identify)");
    }

    #[test]
    fn what_this_machine_has_no_memory_for_is_not_read() {
        let failure = check_sizes([8 << 20, u64::MAX / 4].into_iter()).unwrap_err();
        assert_eq!((failure.stage, failure.code()), (Stage::Read, "MEMORY"));
        assert!(failure.sentence().contains(" MiB of files, "), "{failure}");
        assert_eq!(check_sizes([1, 2].into_iter()).unwrap(), 3);
    }
}
