//! What `turnout boot` would start by itself, looked into: the kernel's version, and
//! what lies in its initrds.

use crate::check::facts::Target;
use crate::failure::Failure;
use crate::image::initramfs::{self, Release};
use crate::image::{self, Limits};
use crate::plan;
use crate::steps::prepare::{self, Proven};
use crate::sys::machine;
use crate::sys::survey::{Tree, installed};

/// Bytes that the initrds of an entry may unpack to: those of Debian have a tenth of it.
const MAX_UNPACKED: u64 = 1 << 30;

/// What the files of an entry say; they are proven, so that they can be looked into.
pub(super) fn of(id: &str, proven: &Proven, tree: &Tree) -> Target {
    let (release, initrd) = match look_into(proven) {
        Ok(Inside { release, initrd }) => (release, initrd),
        Err(failure) => (None, Err(failure.sentence())),
    };
    let there = release.as_deref().map(|release| installed(tree, release)).unwrap_or_default();
    Target {
        id: id.to_owned(),
        release,
        initrd,
        builtin: there.builtin,
        has_modules: there.is_there,
    }
}

/// What an entry's files say.
struct Inside {
    release: Option<String>,
    initrd: Result<Vec<Release>, String>,
}

fn look_into(proven: &Proven) -> Result<Inside, Failure> {
    let limits = Limits { output: machine::memory_for_files() };
    let unpacked = prepare::identify(proven, &limits).map_err(|error| {
        let path = &proven.get().linux.path;
        Failure::broken("IMAGE", format!("{path}: {error}"))
    })?;
    let release = image::describe(&unpacked).version;
    let initrds = plan::initrds(proven.get());
    let initrds = initrds.map_err(|error| Failure::broken("IMAGE", error.to_string()))?;
    let limit = machine::memory_for_files().min(MAX_UNPACKED);
    let initrd = initramfs::releases(&initrds, limit).map_err(|error| error.to_string());
    Ok(Inside { release, initrd })
}
