//! What upkeep does to file systems, so that each step is there for good before the next
//! begins: a file's bytes are flushed before it gets its name, and the directory after.
//!
//! Who had the disk while the machine was off may have left symbolic links on it. Nothing
//! is done through one that leads out of a boot partition or to another mount
//! (openat2(2)), or through any below `turnout`, and no file is ever open for writing
//! under the name by which a machine reads it. A test can have the power go out at any
//! step.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2, renameat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

/// What a file is called until it has all its bytes, behind its name and a dot.
const UNFINISHED: &str = ".upkeep";
/// Where no link may be, below a boot partition's root.
const OURS: &str = "turnout";
/// What stays free beside copies and what a new kernel takes, in bytes.
const SLACK: u64 = 1 << 20;
/// How often a path is resolved that keeps changing (openat2(2), EAGAIN).
const RESOLUTIONS: usize = 16;

/// The file systems.
#[derive(Debug, Default)]
pub struct Disk {
    /// How many steps are left until the power goes out.
    left: Option<Cell<usize>>,
    /// Directories that nothing in them leads out of.
    homes: RefCell<Vec<PathBuf>>,
}

/// A file, and the name that it gets as well.
#[derive(Debug)]
pub struct Pair {
    /// The file, opened.
    pub file: File,
    /// What it is called, for people.
    pub from: PathBuf,
    /// The new name.
    pub to: PathBuf,
}

/// Why there is no copy of something, where that stays so until somebody changes the
/// machine: no run has to be tried again for it.
#[derive(Debug)]
pub struct Lasting(pub String);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Lasting {}

impl Disk {
    /// For a test: nothing happens any more after so many steps.
    #[must_use]
    pub fn for_steps(steps: usize) -> Self {
        Self { left: Some(Cell::new(steps)), ..Self::default() }
    }

    /// From now on no path in this directory leads out of it.
    pub fn stay_in(&self, home: &Path) {
        self.homes.borrow_mut().push(home.to_owned());
    }

    /// Takes a step, if there is power.
    fn step(&self) -> io::Result<()> {
        let Some(left) = &self.left else { return Ok(()) };
        let after = left.get().checked_sub(1).ok_or_else(|| io::Error::other("no power"))?;
        left.set(after);
        Ok(())
    }

    /// Puts a file in place, whole or not at all.
    ///
    /// # Errors
    /// What the file system reports; what was there before is then still there.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let shown = path.display();
        let folder = self.make(parent(path)).with_context(|| format!("cannot write {shown}"))?;
        let name = name(path)?;
        ensure!(!folder.has(name, SFlag::S_IFLNK), "{shown} is a symbolic link: remove it");
        let put = self.put(&folder, name, 0o644, |file| file.write_all(bytes));
        put.with_context(|| format!("cannot write {shown}"))
    }

    fn put(
        &self,
        folder: &Folder,
        name: &OsStr,
        mode: u32,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<()> {
        let unfinished = unfinished(name);
        let filled = self.fill(folder, &unfinished, mode, fill);
        let placed = filled.and_then(|()| self.step());
        let placed = placed.and_then(|()| folder.rename(&unfinished, name));
        if placed.is_err() && self.step().is_ok() {
            // The first error is the one to report.
            let _ = folder.remove(&unfinished);
        }
        placed?;
        Ok(folder.0.sync_all()?)
    }

    fn fill(
        &self,
        folder: &Folder,
        unfinished: &OsStr,
        mode: u32,
        fill: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> io::Result<()> {
        self.step()?;
        folder.remove(unfinished)?;
        let mut file = folder.create(unfinished, mode)?;
        self.step()?;
        fill(&mut file)?;
        file.sync_all()
    }

    /// Gives each file its other name as well; where the file system cannot, copies all
    /// of them, if then there still is room for as much again.
    ///
    /// # Errors
    /// Neither can be.
    pub fn keep(&self, pairs: &[Pair]) -> Result<()> {
        for (at, pair) in pairs.iter().enumerate() {
            let folder = self.make(parent(&pair.to))?;
            let name = name(&pair.to)?;
            self.step()?;
            folder.remove(name)?;
            self.step()?;
            match folder.link(&pair.file, name) {
                Ok(()) => folder.0.sync_all()?,
                Err(error) => {
                    let rest = pairs.get(at..).unwrap_or_default();
                    let copied = self.copy(&folder, pairs, rest);
                    return copied.with_context(|| {
                        format!("{} cannot be linked to ({error})", pair.from.display())
                    });
                }
            }
        }
        Ok(())
    }

    fn copy(&self, folder: &Folder, all: &[Pair], rest: &[Pair]) -> Result<()> {
        rest.iter().try_for_each(|pair| folder.may_have(pair))?;
        let (takes, next) = (size(rest)?, size(all)?);
        let free = folder.free()?;
        let has_room = takes.saturating_add(next).saturating_add(SLACK) <= free;
        has_room.then_some(()).ok_or_else(|| {
            Lasting(format!(
                "a copy takes {takes} bytes, and a new kernel as many as {next}: there are {free}"
            ))
        })?;
        for pair in rest {
            let mode = pair.file.metadata()?.permissions().mode() & 0o777;
            let mut source = &pair.file;
            self.put(folder, name(&pair.to)?, mode, |file| io::copy(&mut source, file).map(drop))?;
        }
        Ok(())
    }

    /// The directory, made with those above it where it is not there.
    fn make(&self, path: &Path) -> Result<Folder> {
        if let Some(folder) = self.folder(path)? {
            return Ok(folder);
        }
        let shown = path.display();
        let above = path.parent().with_context(|| format!("{shown} is not there"))?;
        let above = self.make(above)?;
        self.step()?;
        mkdirat(&above.0, name(path)?, Mode::from_bits_truncate(0o755))
            .with_context(|| format!("cannot create {shown}"))?;
        above.0.sync_all()?;
        self.folder(path)?.with_context(|| format!("{shown} is gone"))
    }

    /// The directory, if it is there.
    fn folder(&self, path: &Path) -> Result<Option<Folder>> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let homes = self.homes.borrow();
        let around = homes.iter().filter(|home| path.starts_with(home));
        let opened = match around.max_by_key(|home| home.components().count()) {
            Some(home) => open_beneath(home, path.strip_prefix(home)?),
            None => open(path),
        };
        match opened {
            Ok(fd) => Ok(Some(Folder(File::from(fd)))),
            Err(Errno::ENOENT) => Ok(None),
            Err(Errno::ELOOP | Errno::EXDEV) => Err(led_away(path)),
            Err(errno) => Err(errno).with_context(|| format!("cannot open {}", path.display())),
        }
    }

    /// Takes a file away, if it is there.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn remove(&self, path: &Path) -> Result<()> {
        let Some(folder) = self.folder(parent(path))? else { return Ok(()) };
        let name = name(path)?;
        if !folder.is_there(name) {
            return Ok(());
        }
        self.step()?;
        folder.remove(name).with_context(|| format!("cannot remove {}", path.display()))?;
        Ok(folder.0.sync_all()?)
    }

    /// Takes a directory away with the files in it, which has no directories; of a link in
    /// its place only the link.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn remove_directory(&self, path: &Path) -> Result<()> {
        let Some(folder) = self.folder(parent(path))? else { return Ok(()) };
        let own = name(path)?;
        if !folder.has(own, SFlag::S_IFDIR) {
            return self.remove(path);
        }
        for name in self.names(path)? {
            self.remove(&path.join(name))?;
        }
        self.step()?;
        unlinkat(&folder.0, own, UnlinkatFlags::RemoveDir)
            .with_context(|| format!("cannot remove {}", path.display()))?;
        Ok(folder.0.sync_all()?)
    }

    /// Takes away what a run that was cut off has left unfinished in a directory.
    ///
    /// # Errors
    /// What the file system reports.
    pub fn sweep(&self, directory: &Path) -> Result<()> {
        for name in self.names(directory)? {
            let text = name.to_string_lossy();
            if text.starts_with('.') && text.ends_with(UNFINISHED) {
                self.remove(&directory.join(&name))?;
            }
        }
        Ok(())
    }

    /// Names in a directory; none where it is not there.
    fn names(&self, directory: &Path) -> Result<Vec<OsString>> {
        let folder = self.folder(directory)?;
        let names = folder.map_or(Ok(Vec::new()), Folder::names);
        names.with_context(|| format!("cannot read {}", directory.display()))
    }
}

/// A directory that is held.
#[derive(Debug)]
struct Folder(File);

impl Folder {
    fn mode(&self, name: &OsStr) -> Option<SFlag> {
        let there = fstatat(&self.0, name, AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
        Some(SFlag::from_bits_truncate(there.st_mode & SFlag::S_IFMT.bits()))
    }

    fn has(&self, name: &OsStr, kind: SFlag) -> bool {
        self.mode(name) == Some(kind)
    }

    fn is_there(&self, name: &OsStr) -> bool {
        self.mode(name).is_some()
    }

    /// Takes a name away, if it is there.
    fn remove(&self, name: &OsStr) -> io::Result<()> {
        match unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::ENOENT) => Ok(()),
            removed => Ok(removed?),
        }
    }

    fn create(&self, name: &OsStr, mode: u32) -> io::Result<File> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
        Ok(File::from(openat(&self.0, name, flags, Mode::from_bits_truncate(mode))?))
    }

    fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(renameat(&self.0, from, &self.0, to)?)
    }

    /// The very file that was opened, whatever its name means by now.
    fn link(&self, file: &File, name: &OsStr) -> io::Result<()> {
        let held = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(linkat(AT_FDCWD, held.as_str(), &self.0, name, AtFlags::AT_SYMLINK_FOLLOW)?)
    }

    /// Whether a copy here shows nobody what only root may read on another disk, which may
    /// be encrypted.
    fn may_have(&self, pair: &Pair) -> Result<()> {
        let file = pair.file.metadata()?;
        let is_secret = file.mode() & 0o004 == 0;
        let may = !is_secret || file.dev() == self.0.metadata()?.dev();
        may.then_some(()).ok_or_else(|| {
            let from = pair.from.display();
            let why =
                "is on another disk and not for everybody to read: it is not copied to this one";
            anyhow!(Lasting(format!("{from} {why}")))
        })
    }

    /// How many bytes are free for everybody.
    fn free(&self) -> Result<u64> {
        let there = fstatvfs(&self.0)?;
        Ok(there.blocks_available().saturating_mul(there.fragment_size()))
    }

    fn names(self) -> Result<Vec<OsString>> {
        use std::os::unix::ffi::OsStringExt as _;
        let mut names = Vec::new();
        for entry in Dir::from_fd(OwnedFd::from(self.0))?.iter() {
            let name = entry?.file_name().to_bytes().to_vec();
            names.extend(Some(OsString::from_vec(name)).filter(|name| name != "." && name != ".."));
        }
        names.sort_unstable();
        Ok(names)
    }
}

fn open(path: &Path) -> nix::Result<OwnedFd> {
    nix::fcntl::open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// A directory in a home. `loader` is a link on some distributions, `turnout` on none.
fn open_beneath(home: &Path, below: &Path) -> nix::Result<OwnedFd> {
    let mut resolve = ResolveFlag::RESOLVE_BENEATH
        | ResolveFlag::RESOLVE_NO_MAGICLINKS
        | ResolveFlag::RESOLVE_NO_XDEV;
    resolve.set(ResolveFlag::RESOLVE_NO_SYMLINKS, below.starts_with(OURS));
    let how = OpenHow::new().flags(OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).resolve(resolve);
    let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    let home = open(home)?;
    let mut tries = (0..RESOLUTIONS).map(|_| openat2(&home, below, how));
    let settled = tries.find(|tried| !matches!(tried, Err(Errno::EAGAIN | Errno::EINTR)));
    settled.unwrap_or(Err(Errno::EAGAIN))
}

/// Which link it is.
fn led_away(path: &Path) -> anyhow::Error {
    let mut links: Vec<_> = path.ancestors().filter(|part| part.is_symlink()).collect();
    match links.pop() {
        Some(link) => anyhow!(
            "{} is a symbolic link, and may lead anywhere: look at it, and remove it",
            link.display()
        ),
        None => anyhow!("{} is on another file system", path.display()),
    }
}

fn size(pairs: &[Pair]) -> Result<u64> {
    let sizes = pairs.iter().map(|pair| Ok(pair.file.metadata()?.len()));
    sizes.sum::<io::Result<u64>>().map_err(Into::into)
}

/// Names in a directory, sorted; none where it cannot be read.
#[must_use]
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

fn unfinished(name: &OsStr) -> OsString {
    OsString::from(format!(".{}{UNFINISHED}", name.to_string_lossy()))
}

fn name(path: &Path) -> Result<&OsStr> {
    path.file_name().ok_or_else(|| anyhow!("{} is no file name", path.display()))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
