//! Whose signatures count, for which machine, and what they say of an entry: by
//! the same calls as PID 1, updates of ring and policy included. Nothing is good
//! because it could not be read.

use core::sync::atomic::AtomicBool;
use std::path::Path;

use super::arguments::{Asked, Load};
use super::remembered::Remembered;
use super::source::Location;
use super::status;
use super::volumes::Menus;
use crate::base::arch::Arch;
use crate::base::used::Used;
use crate::config;
use crate::failure::{Failure, Stage};
use crate::image::{self, Description};
use crate::menu::{Entry, Target};
use crate::plan::{self, Room};
use crate::preflight::{Limits, Preflight};
use crate::steps::anchor::Anchor;
use crate::steps::examine::examine;
use crate::steps::prepare::{self, Proven};
use crate::sys::arch;
use crate::sys::read::Roots;
use crate::sys::sources::Sources;
use crate::sys::{file, identity, machine};
use crate::trust::MAX_FILE;
use crate::trust::allowed_signers::KeyRing;
use crate::trust::policy::{self, Floors, Policy};
use crate::trust::slots::SlotValues;
use crate::trust::verify::{Attested, Context, Identity, Mode};

impl Asked {
    /// Ring and policy of a locked machine.
    ///
    /// # Errors
    /// There is no ring, or a file of the two is wrong.
    pub(super) fn locked(&self) -> Result<Anchor, Failure> {
        let Some(keys) = &self.keys else {
            let mut anchor = Anchor::of_image(Mode::Locked).map_err(|failure| {
                let why = format!("{}; name a key ring with --keys", failure.sentence());
                Failure::new(failure.stage, why)
            })?;
            if let Some(policy) = &self.policy {
                anchor.policy = read_policy(policy)?;
            }
            return Ok(anchor);
        };
        let policy = self.policy.as_deref().map(read_policy).transpose()?.unwrap_or_default();
        Ok(Anchor::new(Some(read_ring(keys)?), policy))
    }

    /// Ring and policy that there are. Only where there is no ring at all, or in
    /// an image that was made so, the mode is open.
    ///
    /// # Errors
    /// A file of the two is wrong.
    pub(super) fn present(&self) -> Result<(Anchor, Mode), Failure> {
        let configured = configured_mode();
        if self.keys.is_some() || configured == Some(Mode::Locked) || has_ring()? {
            let mode = configured.filter(|_| self.keys.is_none()).unwrap_or(Mode::Locked);
            return Ok((self.locked()?, mode));
        }
        if self.policy.is_some() {
            let why = "a policy needs a key ring, and there is none; name one with --keys";
            return Err(Failure::new(Stage::Start, why));
        }
        Ok((Anchor::new(None, Policy::default()), Mode::Open))
    }

    /// The machine that is asked about.
    pub(super) fn machine(&self) -> Machine {
        let mut identity = identity::read(&Sources::live());
        if !self.boards.is_empty() {
            identity.boards.clone_from(&self.boards);
        }
        if !self.devices.is_empty() {
            identity.devices.clone_from(&self.devices);
        }
        let arch = self.arch.unwrap_or_else(arch::native);
        // A directory may stand for a partition of any machine.
        let is_here =
            !matches!(self.source.location, Location::Directories(_)) && self.arch.is_none();
        let used = if is_here { status::used() } else { Vec::new() };
        Machine { arch, identity, is_here, used }
    }
}

impl Load {
    /// Whose signatures count for what is really loaded is the machine's own business, where
    /// it has a ring, and so is which machine it is.
    ///
    /// # Errors
    /// Something else was named, and this is no dry run.
    pub(super) fn check_trust(&self) -> Result<(), Failure> {
        let Some(option) = self.asked.other_trust().filter(|_| !self.dry_run) else {
            return Ok(());
        };
        // What cannot be told is taken for a ring.
        let has_own = configured_mode() == Some(Mode::Locked) || has_ring().unwrap_or(true);
        refuse_other(option, has_own)
    }
}

impl Asked {
    /// The first option that names another trust, or another machine, than this one's.
    pub(super) fn other_trust(&self) -> Option<&'static str> {
        let named = [
            ("--keys", self.keys.is_some()),
            ("--policy", self.policy.is_some()),
            ("--board", !self.boards.is_empty()),
            ("--device-id", !self.devices.is_empty()),
        ];
        named.into_iter().find_map(|(option, is_named)| is_named.then_some(option))
    }
}

fn refuse_other(option: &str, has_own: bool) -> Result<(), Failure> {
    if !has_own {
        return Ok(());
    }
    let why = format!(
        "{option} changes what is trusted, and this machine has a key ring of its own, which \
         counts for what is loaded: leave {option} out, or see with \"turnout load --dry-run\" \
         what it would change"
    );
    Err(Failure::new(Stage::Start, why))
}

/// Whether there is a ring on this machine.
fn has_ring() -> Result<bool, Failure> {
    Ok(Anchor::of_image(Mode::Open)?.ring.is_some())
}

/// What an image was made to do; a configuration that cannot be understood means
/// the stricter.
fn configured_mode() -> Option<Mode> {
    match file::read_text(config::PATH) {
        Err(error) if error.is_absence() => None,
        text => {
            let config = text.ok().and_then(|text| config::read(config::PATH, &text).ok());
            Some(config.map_or(Mode::Locked, |config| config.mode))
        }
    }
}

fn read_ring(path: &Path) -> Result<KeyRing, Failure> {
    let name = path.display();
    let bytes = read(path)?;
    KeyRing::parse(&bytes).map_err(|error| Failure::new(Stage::Start, format!("{name}: {error}")))
}

fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let name = path.display();
    let bytes = read(path)?;
    policy::parse(&bytes).map_err(|error| Failure::new(Stage::Start, format!("{name}: {error}")))
}

/// A small file that the administrator names.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    file::read_bytes(path, MAX_FILE as u64).map_err(|error| Failure::new(Stage::Read, error))
}

/// The machine that is asked about.
pub(super) struct Machine {
    pub(super) arch: Arch,
    pub(super) identity: Identity,
    /// Whether it is this one, with its memory and its consoles.
    pub(super) is_here: bool,
    /// Choices for one boot that it has used up, as far as they can be read.
    used: Vec<Used>,
}

impl Machine {
    pub(super) fn target(&self) -> Target<'_> {
        Target { used: &self.used, ..Target::new(self.arch, &self.identity.boards) }
    }
}

/// Judges entries for one machine.
pub(super) struct Judge {
    pub(super) mode: Mode,
    pub(super) anchor: Anchor,
    pub(super) machine: Machine,
    pub(super) menus: Menus,
    /// Below them nothing counts, whatever the policy says.
    pub(super) floors: Floors,
}

/// What was found in a kernel: the command line of a unified kernel image.
type Look = Result<Option<String>, Failure>;

/// Kernels that have been looked into: several entries often have one.
pub(super) type Seen = Vec<(Entry, Look)>;

impl Judge {
    /// With the ring and policy that there are. What has to be said of their
    /// updates comes with it.
    ///
    /// # Errors
    /// A volume, a ring or a policy that cannot be read.
    pub(super) fn new(asked: &Asked) -> Result<(Self, Vec<String>), Failure> {
        Self::with(asked, |_| Ok(Remembered::default()))
    }

    /// The same for a load: what this machine remembers counts, floors, ring and policy.
    ///
    /// # Errors
    /// As [`Self::new`]; what is remembered cannot be read; or ring and policy are older.
    pub(super) fn of_load(load: &Load) -> Result<(Self, Vec<String>), Failure> {
        load.check_trust()?;
        Self::with(&load.asked, |machine| Remembered::of_load(load, machine.is_here))
    }

    /// The same where nothing that nobody signed counts, whatever an image would let boot.
    ///
    /// # Errors
    /// As [`Self::of_load`].
    pub(super) fn locked(load: &Load) -> Result<Self, Failure> {
        let (judge, _) = Self::of_load(load)?;
        Ok(Self { mode: Mode::Locked, ..judge })
    }

    /// Without a ring nothing is verified, and nothing has to be remembered.
    pub(super) fn with(
        asked: &Asked,
        remember: impl FnOnce(&Machine) -> Result<Remembered, Failure>,
    ) -> Result<(Self, Vec<String>), Failure> {
        let machine = asked.machine();
        let menus = Menus::read(&asked.source, &machine.target())?;
        let (anchor, mode) = asked.present()?;
        let remembered = match &anchor.ring {
            Some(_) => remember(&machine)?,
            None => Remembered::default(),
        };
        let (anchor, notes) = anchor.in_force(Some(&menus.main()?.judging()), &remembered.kept);
        remembered.check(&anchor)?;
        Ok((Self { mode, anchor, machine, menus, floors: remembered.floors }, notes))
    }

    /// What an entry must satisfy on a machine of this architecture.
    pub(super) fn context(&self, arch: Arch) -> Context<'_> {
        Context {
            mode: self.mode,
            ring: self.anchor.ring.as_ref(),
            policy: &self.anchor.policy,
            arch,
            identity: &self.machine.identity,
            floors: self.floors,
        }
    }

    /// What is known of an entry without reading its big files.
    pub(super) fn examine(&self, entry: &Entry) -> Result<Preflight, Failure> {
        let consoles = if self.machine.is_here { machine::consoles() } else { Vec::new() };
        let limits = Limits {
            memory: if self.machine.is_here { machine::room() } else { Room::UNKNOWN },
            cmdline: plan::longest_cmdline(self.machine.arch),
            consoles: &consoles,
        };
        self.examine_with(entry, &limits)
    }

    /// The same of a machine with other limits.
    pub(super) fn examine_with(
        &self,
        entry: &Entry,
        limits: &Limits<'_>,
    ) -> Result<Preflight, Failure> {
        let context = self.context(self.machine.arch);
        self.menus.judging(entry, |files| examine(&context, files, entry, limits, Ok))
    }

    /// The same, and whether what it starts is a kernel for the machine; with the
    /// command line of a unified kernel image. Files that were signed are read
    /// whole, and compared; of others only the kernel, once.
    pub(super) fn inspect(
        &self,
        entry: &Entry,
        seen: &mut Seen,
    ) -> Result<(Preflight, Option<String>), Failure> {
        let mut found = self.examine(entry)?;
        let look = match found.verdict() {
            Ok(attested @ Attested::Signed(_)) => self.look_into(entry, attested),
            Ok(attested) => self.look_once(&kernel_of(entry), attested, seen),
            Err(_) => Ok(None),
        };
        let options = look.unwrap_or_else(|failure| {
            found.fail(failure);
            None
        });
        Ok((found, options))
    }

    fn look_once(&self, kernel: &Entry, attested: &Attested, seen: &mut Seen) -> Look {
        if let Some((_, look)) = seen.iter().find(|(other, _)| is_same(kernel, other)) {
            return look.clone();
        }
        let look = self.look_into(kernel, attested);
        seen.push((kernel.clone(), look.clone()));
        look
    }

    fn look_into(&self, entry: &Entry, attested: &Attested) -> Look {
        let proven = self.prove(entry, attested)?;
        let bundle = proven.get();
        Ok(bundle.profile.and_then(|_| plan::cmdline(bundle).ok()))
    }

    /// The files of an entry, proven, with a kernel for the machine among them.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn prove(&self, entry: &Entry, attested: &Attested) -> Result<Proven, Failure> {
        self.prove_with(entry, attested, &prepare::slot_values(entry))
    }

    /// The same with other values for the slots of the signed command line.
    ///
    /// # Errors
    /// As [`Self::prove`].
    pub(super) fn prove_with(
        &self,
        entry: &Entry,
        attested: &Attested,
        values: &SlotValues,
    ) -> Result<Proven, Failure> {
        let verified = prove_with(&self.menus.roots(entry)?, entry, attested, values)?;
        let arch = describe(&verified)?.arch;
        if arch == self.machine.arch {
            return Ok(verified);
        }
        let path = &verified.get().linux.path;
        let detail = format!(
            "{path} is a kernel for {arch}, and the machine is {}; --arch names another",
            self.machine.arch
        );
        Err(Failure::broken("ARCHITECTURE", detail))
    }
}

fn is_same(kernel: &Entry, other: &Entry) -> bool {
    kernel.volume == other.volume
        && kernel.kernel() == other.kernel()
        && kernel.profile == other.profile
        && kernel.addons == other.addons
}

/// Only what tells which kernel it starts.
fn kernel_of(entry: &Entry) -> Entry {
    Entry {
        id: entry.id.clone(),
        linux: entry.linux.clone(),
        uki: entry.uki.clone(),
        profile: entry.profile,
        addons: entry.addons.clone(),
        volume: entry.volume,
        ..Entry::default()
    }
}

/// Reads the files of an entry, each once, and checks that they are those that
/// were signed, if any were.
pub(super) fn prove(roots: &Roots, entry: &Entry, attested: &Attested) -> Result<Proven, Failure> {
    prove_with(roots, entry, attested, &prepare::slot_values(entry))
}

fn prove_with(
    roots: &Roots,
    entry: &Entry,
    attested: &Attested,
    values: &SlotValues,
) -> Result<Proven, Failure> {
    let limit = machine::memory_for_files();
    let bundle = prepare::read(roots, entry, limit, &AtomicBool::new(false))
        .map_err(|failure| Failure::broken("FILE", failure.sentence()))?;
    prepare::verify(attested, bundle, values)
}

/// What the verified kernel itself says.
///
/// # Errors
/// It is none that can be started.
pub(super) fn describe(proven: &Proven) -> Result<Description, Failure> {
    let limits = image::Limits { output: machine::memory_for_files() };
    let unpacked = prepare::identify(proven, &limits).map_err(|error| {
        let path = &proven.get().linux.path;
        Failure::broken("IMAGE", format!("{path}: {error}"))
    })?;
    Ok(image::describe(&unpacked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_with_a_ring_takes_no_other_trust_from_the_command_line() {
        let asked = Asked::default;
        for (asked, option) in [
            (Asked { keys: Some("k".into()), ..asked() }, "--keys"),
            (Asked { policy: Some("p".into()), ..asked() }, "--policy"),
            (Asked { boards: vec!["b".to_owned()], ..asked() }, "--board"),
            (Asked { devices: vec!["d".to_owned()], ..asked() }, "--device-id"),
        ] {
            assert_eq!(asked.other_trust(), Some(option));
            let said = refuse_other(option, true).unwrap_err().sentence();
            assert!(said.starts_with(&format!("{option} changes what is trusted")), "{said}");
            assert!(refuse_other(option, false).is_ok());
            assert!(Load { asked, dry_run: true, ..Load::default() }.check_trust().is_ok());
        }
        assert_eq!(asked().other_trust(), None);
    }

    #[test]
    fn what_this_machine_has_used_up_is_no_default_again() {
        let used = Used::new(Some("12ab-01"), "once").unwrap();
        let machine = Machine {
            arch: Arch::X86_64,
            identity: Identity::default(),
            is_here: true,
            used: vec![used.clone()],
        };
        assert_eq!(machine.target().used, [used]);
    }
}
