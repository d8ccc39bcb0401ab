//! What the prompt wants of a disk, done by a thread of its own: a disk that does not
//! answer keeps it and not the person waiting.

use core::ops::ControlFlow;
use core::time::Duration;
use std::sync::Arc;

use super::drivers::Drivers;
use super::voice::Voice;
use super::volume::BTRFS_TOP;
use crate::base::sort;
use crate::menu::Files as _;
use crate::source::filesystem::Kind;
use crate::source::{self, Candidate};
use crate::sys::patience::End;
use crate::sys::read::Root;
use crate::sys::thread::{Job, Shelf, Work};
use crate::sys::{clock, hung_tasks, mount};

/// How long somebody at the prompt waits for a disk.
const PATIENCE: Duration = Duration::from_secs(20);
/// Most names of a directory that are read.
const MAX_NAMES: usize = 1024;

/// A device that files are taken from, mounted as long as this value is held.
pub(super) struct Held {
    /// Kernel name of the device.
    pub(super) name: String,
    pub(super) root: Arc<Root>,
    #[expect(dead_code, reason = "held, not used")]
    mounted: mount::Volume,
}

/// A name in a directory.
pub(super) struct Name {
    name: String,
    what: What,
}

enum What {
    Directory,
    /// A regular file of so many bytes.
    File(u64),
    Other,
}

/// A device and its file system.
pub(super) struct Mounting {
    candidate: Candidate,
    kind: &'static str,
    drivers: Drivers,
}

/// What is wanted.
pub(super) enum Errand {
    Mount(Box<Mounting>),
    Names(Arc<Root>, String),
    Size(Arc<Root>, String),
}

/// What came of it.
pub(super) enum Found {
    Held(Held),
    Names(Vec<Name>),
    Size,
}

impl Name {
    pub(super) const fn is_directory(&self) -> bool {
        matches!(self.what, What::Directory)
    }

    /// As somebody goes on typing behind it.
    pub(super) fn as_typed(&self) -> String {
        let end = if self.is_directory() { "/" } else { "" };
        [&self.name, end].concat()
    }

    /// With its size.
    pub(super) fn line(&self) -> String {
        match self.what {
            What::Directory => format!("{:>12}  {}/", "", self.name),
            What::File(size) => format!("{:>8} KiB  {}", size.div_ceil(1024), self.name),
            What::Other => format!("{:>12}  {}", "no file", self.name),
        }
    }
}

impl Errand {
    /// Mounts a device.
    ///
    /// # Errors
    /// There is nothing on it that can be mounted: what there is instead.
    pub(super) fn mount(candidate: &Candidate, drivers: &Drivers) -> Result<Self, String> {
        let found = candidate.filesystem.as_ref().filter(|found| found.kind.is_mountable());
        let nothing = || format!("{}: nothing to mount", source::describe(candidate));
        let kind = found.ok_or_else(nothing)?.kind.name();
        let candidate = candidate.clone();
        Ok(Self::Mount(Box::new(Mounting { candidate, kind, drivers: drivers.clone() })))
    }

    /// The names in a directory.
    pub(super) fn names(held: &Held, path: &str) -> Self {
        Self::Names(Arc::clone(&held.root), path.to_owned())
    }

    /// Whether a file is there.
    pub(super) fn size(held: &Held, path: &str) -> Self {
        Self::Size(Arc::clone(&held.root), path.to_owned())
    }

    /// Has it done, for the device of this name.
    ///
    /// # Errors
    /// A sentence that names the file or the device.
    pub(super) fn send(self, name: &str, voice: &Voice<'_>) -> Result<Found, String> {
        let job = Job::start(self).ok_or_else(|| "there is no memory for a thread".to_owned())?;
        let end = clock::elapsed().saturating_add(PATIENCE);
        if voice.during(name, End::At(end), || job.wait_until(end)) {
            return job
                .finish(|found| found.unwrap_or_else(|| Err(format!("{name} was not read"))));
        }
        hung_tasks::bear();
        Err(format!("{name} does not answer: check the disk and its cable"))
    }

    fn run_here(self) -> Result<Found, String> {
        match self {
            Self::Mount(mounting) => hold(*mounting).map(Found::Held),
            Self::Names(root, path) => names(&root, &path).map(Found::Names),
            Self::Size(root, path) => match root.size(&path) {
                Ok(_) => Ok(Found::Size),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

impl Work for Errand {
    type Place = ();
    type Product<'p> = Result<Found, String>;

    fn run(self, _: &(), shelf: &Shelf<Result<Found, String>>) {
        shelf.put(self.run_here());
    }
}

/// Mounts a device beside where menus have it; of a btrfs the top, which has all
/// subvolumes.
fn hold(mounting: Mounting) -> Result<Held, String> {
    let Mounting { candidate, kind, drivers } = mounting;
    drivers.load_for(&candidate)?;
    let window = candidate.window();
    let name = candidate.name;
    let place = format!("{}/by-hand-{name}", mount::VOLUMES);
    let subvolume = (kind == Kind::Btrfs.name()).then_some(BTRFS_TOP);
    let device = mount::Device { name: &format!("/dev/{name}"), window };
    let mounted =
        mount::Volume::mount(&device, place, kind, subvolume).map_err(|error| error.to_string())?;
    let root = Root::open(mounted.place()).map_err(|error| error.to_string())?;
    Ok(Held { name, root: Arc::new(root), mounted })
}

fn names(root: &Root, path: &str) -> Result<Vec<Name>, String> {
    if !root.is_directory(path) {
        return Err(format!("{path}: there is no such directory"));
    }
    let mut found: Vec<String> = Vec::new();
    let visited = root.each_name(path, &mut |name| {
        found.extend(name.map(str::to_owned));
        if found.len() < MAX_NAMES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    visited.map_err(|error| error.to_string())?;
    sort::sort_by(&mut found, Ord::cmp);
    let directory = path.trim_end_matches('/');
    Ok(found.into_iter().map(|name| look(root, directory, name)).collect())
}

fn look(root: &Root, directory: &str, name: String) -> Name {
    let path = [directory, "/", &name].concat();
    let what = match root.size(&path) {
        Ok(size) => What::File(size),
        Err(_) if root.is_directory(&path) => What::Directory,
        Err(_) => What::Other,
    };
    Name { name, what }
}
