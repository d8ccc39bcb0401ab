//! What was changed while this system was down: nobody here has made it, so upkeep does
//! not sign it.
//!
//! At a start everything is written down that neither a signed manifest nor an earlier run
//! knows, before anything here can change: digests of files of the boot partition, of
//! command lines and of what goes together in an entry. The list is in `/run`, and of one
//! start only; what runs have seen is in `/var/lib/turnout/seen`, on the root file system.
//! Specification: `docs/upkeep.md`, "What was changed while the system was down".

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use turnout::base::digest::Digest;
use turnout::trust::manifest::{Manifest, System};

use crate::signing::entry::{self, BootEntry, Roots};
use crate::signing::sign::read_if_there;
use crate::upkeep::disk::{Disk, names};
use crate::upkeep::trust::papers;
use crate::upkeep::{Keeper, Request, homes, read_settings};

/// Another one at each start.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// What no machine reads whole is no kernel and no initrd, in bytes.
const MOST: u64 = 1 << 30;
/// How deep files of a menu lie: `EFI/Linux`, `MACHINE/RELEASE`.
const DEPTH: usize = 4;

/// What entries are made of, as digests in hexadecimal.
pub type Parts = BTreeSet<String>;

/// What is known of the time before this run.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    /// What earlier runs have seen; none where there was none.
    seen: Option<Parts>,
    /// What this run has seen.
    now: Parts,
    /// What was changed; none where nobody has looked since the start.
    changed: Option<Parts>,
    /// What signed manifests name.
    pub known: Parts,
}

impl Memory {
    /// `state` is the directory of the list of what was seen, `note` the list of what was
    /// changed.
    ///
    /// # Errors
    /// One is there and cannot be read.
    pub fn open(state: &Path, note: &Path) -> Result<Self> {
        let path = state.join("seen");
        let seen = read_if_there(&path)?.map(|text| parts(&String::from_utf8_lossy(&text)));
        let noted = read_if_there(note)?.unwrap_or_default();
        let noted = String::from_utf8_lossy(&noted);
        let changed = noted.strip_prefix(&heading()).map(parts);
        Ok(Self { path, seen, now: Parts::new(), changed, known: Parts::new() })
    }

    /// Whether there was a start since the last run, and nobody has looked what it found.
    #[must_use]
    pub const fn is_blind(&self) -> bool {
        self.seen.is_some() && self.changed.is_none()
    }

    /// Whether something of it was changed while the system was down, and nobody has
    /// signed it since.
    #[must_use]
    pub fn has_changed(&self, parts: &Parts) -> bool {
        let changed = self.changed.as_ref();
        changed.is_some_and(|changed| !(&(changed & parts) - &self.known).is_empty())
    }

    /// Remembers it, if it came about while the system was up.
    pub fn see(&mut self, parts: &Parts) {
        if !self.has_changed(parts) {
            self.now.extend(parts.iter().cloned());
        }
    }

    /// Keeps it for the next start, before anything waits for a signer.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep(&mut self, disk: &Disk) -> Result<()> {
        let all: Parts = self.seen.iter().flatten().chain(&self.now).cloned().collect();
        self.write(disk, all)
    }

    /// Forgets what a whole run has not seen any more.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn end(&mut self, disk: &Disk) -> Result<()> {
        self.write(disk, self.now.clone())
    }

    fn write(&mut self, disk: &Disk, parts: Parts) -> Result<()> {
        if self.seen.as_ref() != Some(&parts) {
            disk.write(&self.path, lines(&parts).as_bytes())?;
            self.seen = Some(parts);
        }
        Ok(())
    }

    fn is_new(&self, part: &String) -> bool {
        !self.known.contains(part) && self.seen.as_ref().is_some_and(|seen| !seen.contains(part))
    }
}

/// Writes down what was changed while the system was down, once at a start.
///
/// # Errors
/// The settings or what is known cannot be read, or the list not be written.
pub fn note(request: &Request, disk: &Disk) -> Result<()> {
    let settings = read_settings(request)?;
    let signing = &settings.signing;
    let Some(by) = signing.by.as_ref() else { return Ok(()) };
    let mut keeper = Keeper::new(request, disk, signing, by)?;
    if keeper.memory.changed.is_some() {
        return Ok(());
    }
    let mut found = Parts::new();
    for specs in homes(request, signing) {
        let roots = Roots::parse(&specs)?;
        keeper.know(&roots)?;
        found.extend(files_below(roots.home()));
        found.extend(keeper.parts_of_menu(&roots));
    }
    found.retain(|part| keeper.memory.is_new(part));
    disk.write(&request.note, format!("{}{}", heading(), lines(&found)).as_bytes())
}

impl Keeper<'_> {
    /// Learns what signed manifests beside a menu name.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn know(&mut self, roots: &Roots) -> Result<()> {
        let names = names(&roots.home().join("turnout"));
        for id in names.iter().filter_map(|name| name.strip_suffix(".manifest")) {
            let Ok(papers) = papers(roots.home(), id) else { continue };
            if let Some(signed) = self.trust.vouched(&papers) {
                self.memory.known.extend(parts_of_manifest(&signed));
            }
        }
        Ok(())
    }

    /// What entries are made of that are not as they were signed. One that cannot be read
    /// now has to be made anew before it can be signed.
    fn parts_of_menu(&self, roots: &Roots) -> Parts {
        let Ok(order) = entry::in_order(roots, self.arch) else { return Parts::new() };
        let mut found = Parts::new();
        for entry in &order.entries {
            found.insert(options_part(&entry.options));
            if self.is_left_out(&entry.id) || self.is_shell(&entry.options) {
                continue;
            }
            if let Ok(boot) = entry::read(roots, &entry.id, &[])
                && !self.is_as_signed(boot.clone())
            {
                found.extend(parts_of(&boot));
            }
        }
        found
    }
}

/// The parts of an entry: its files, its command line, and all of it together.
#[must_use]
pub fn parts_of(boot: &BootEntry) -> Parts {
    let files = digests(boot).chain(boot.bundle.addons.iter().map(|addon| addon.digest));
    parts_together(files.map(|digest| digest.to_string()).collect(), &boot.bundle.options)
}

/// A command line as a part.
#[must_use]
pub fn options_part(options: &str) -> String {
    Digest::of(format!("options {options}").as_bytes()).to_string()
}

fn parts_of_manifest(manifest: &Manifest) -> Parts {
    let options = match &manifest.system {
        System::Linux(linux) => &linux.options,
        System::Uki(_) => "",
    };
    parts_together(manifest.files().map(|file| file.digest.to_string()).collect(), options)
}

fn parts_together(files: Vec<String>, options: &str) -> Parts {
    let whole = Digest::of(format!("entry {} {options}", files.join(" ")).as_bytes());
    files.into_iter().chain([whole.to_string(), options_part(options)]).collect()
}

/// Every file there is, also of entries that are not in the menu now.
fn files_below(home: &Path) -> Parts {
    let boot = home.join("boot");
    let is_here = boot.is_dir() && !boot.is_symlink();
    let mut found = Parts::new();
    add_files(if is_here { &boot } else { home }, DEPTH, &mut found);
    found
}

fn add_files(directory: &Path, depth: usize, found: &mut Parts) {
    for path in names(directory).iter().map(|name| directory.join(name)) {
        let Ok(there) = path.symlink_metadata() else { continue };
        if there.is_dir() && depth > 0 {
            add_files(&path, depth.saturating_sub(1), found);
        } else if there.is_file() && there.len() <= MOST {
            let bytes = fs::read(&path).unwrap_or_default();
            found.insert(Digest::of(&bytes).to_string());
        }
    }
}

/// The first line of a list, which is of this start only.
fn heading() -> String {
    let id = fs::read_to_string(BOOT_ID).unwrap_or_default();
    format!("boot {}\n", id.trim())
}

fn parts(text: &str) -> Parts {
    text.lines().map(str::to_owned).collect()
}

fn lines(parts: &Parts) -> String {
    parts.iter().map(|part| format!("{part}\n")).collect()
}

/// The digests of all files that a spare has.
pub fn digests(boot: &BootEntry) -> impl Iterator<Item = Digest> {
    let bundle = &boot.bundle;
    let blobs = [&bundle.linux].into_iter().chain(&bundle.initrds).chain(&bundle.devicetree);
    blobs.chain(&bundle.overlays).map(|blob| blob.digest)
}
