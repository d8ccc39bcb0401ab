//! What PID 1 holds from its start to the jump: what never changes
//! ([`Session`]), and what it remembers from one attempt to the next
//! ([`Memory`]).

use super::discover::find_state_area;
use super::drivers::Drivers;
use super::efi::Wishes;
use super::figures;
use super::measure::Witness;
use super::rollback::Standing;
use super::slots::{Starts, Taking};
use super::voice::{Voice, heading};
use crate::base::arch::Arch;
use crate::base::json::Object;
use crate::base::text::printable;
use crate::base::used::Used;
use crate::config::{self, Config};
use crate::drivers::class::Class;
use crate::failure::{Failure, Stage};
use crate::menu::Target;
use crate::rollback::Strength;
use crate::rollback::refused::Noted;
use crate::rollback::store::Fault;
use crate::slots::rules::Count;
use crate::source::Candidate;
use crate::steps::anchor::Anchor;
use crate::sys::console::Console;
use crate::sys::signal::Signals;
use crate::sys::sources::Sources;
use crate::sys::state_area::StateArea;
use crate::sys::tpm::Tpm;
use crate::sys::{
    arch, efivars, file, identity, kernel_settings, machine, memory, mount, panic, patience,
    start_limit, sysrq, watchdog,
};
use crate::trust::verify::{Identity, Mode};

/// What stays as it was at the start.
pub(super) struct Session {
    pub(super) console: Console,
    pub(super) signals: Signals,
    pub(super) config: Config,
    /// What is built into the image.
    pub(super) anchor: Anchor,
    pub(super) arch: Arch,
    pub(super) identity: Identity,
    pub(super) drivers: Drivers,
}

/// What changes as the boot goes on.
pub(super) struct Memory {
    pub(super) standing: Standing,
    /// What becomes of the slots.
    pub(super) starts: Starts,
    /// What was not booted since the start.
    pub(super) noted: Noted,
    /// None if there is none or it is not to be looked for; or why it cannot be
    /// used.
    pub(super) tpm: Result<Option<Tpm>, String>,
    pub(super) witness: Witness,
    /// What the firmware's variables wish for.
    pub(super) wishes: Wishes,
    /// Command lines as somebody edited them, for the next menu.
    pub(super) edits: Vec<String>,
    /// Choices for one boot that were used up, in this start or before.
    pub(super) used: Vec<Used>,
}

impl Session {
    /// Opens the consoles, reads what the image says, and loads the modules.
    ///
    /// # Errors
    /// What PID 1 cannot do without.
    pub(super) fn start() -> Result<Self, Failure> {
        mount::kernel_file_systems().map_err(at_start)?;
        let mut said = kernel_settings::make();
        let console = Console::open().map_err(at_start)?;
        let signals = Signals::block().map_err(at_start)?;
        patience::begin(&signals);
        said.extend(memory::limit().err().map(|error| error.to_string()));
        let config = read_config()?;
        panic::set_reset_delay(config.reset_delay);
        said.extend(kernel_settings::keep_panic_for(config.reset_delay));
        start_limit::begin(config.start_limit());
        said.extend(watchdog::start(config.watchdog_start));
        let anchor = Anchor::of_image(config.mode)?;
        let identity = identity::read(&Sources::live());
        let drivers = greet(&console, &config);
        Voice::on(&console).say_all(&said);
        Ok(Self { console, signals, config, anchor, arch: arch::native(), identity, drivers })
    }

    /// Speaks on the consoles.
    pub(super) const fn voice(&self) -> Voice<'_> {
        Voice::on(&self.console)
    }

    /// Says why something did not boot.
    pub(super) fn report(&self, failure: &Failure) {
        let voice = self.voice();
        voice.say(&failure.to_string());
        figures::print_elapsed(&voice);
    }

    /// The machine that menus are for, and what it remembers.
    pub(super) fn target<'a>(&'a self, used: &'a [Used]) -> Target<'a> {
        Target { used, ..Target::new(self.arch, &self.identity.boards) }
    }
}

impl Memory {
    /// Asks the TPM and the firmware.
    pub(super) fn new(session: &Session) -> Self {
        let Session { config, identity, .. } = session;
        let voice = session.voice();
        if efivars::has_efi() {
            session.drivers.file_system_soon("efivarfs", &voice);
        }
        let mut tpm = open_tpm(session);
        let (witness, said) = Witness::find(config, identity, &mut tpm);
        voice.say_all(&said);
        Self {
            standing: Standing::unread(config),
            starts: Starts::new(config),
            noted: Noted::default(),
            tpm,
            witness,
            wishes: Wishes::find(config, &voice),
            edits: Vec::new(),
            used: Vec::new(),
        }
    }

    /// Reads what outlasts the power; `is_seen`: whether a state area is among the devices
    /// that were seen.
    pub(super) fn open_store(&mut self, session: &Session, is_seen: bool) {
        let Session { config, signals, drivers, .. } = session;
        let voice = session.voice();
        self.look_again_for_tpm(session);
        let counts = config.rules().is_declared && config.rules().count != Count::Off;
        let area = match config.rollback {
            _ if counts => find_state_area(config, signals, drivers, &voice),
            // Only for what was used up: worth neither a wait nor a second look at disks.
            Strength::Off if is_seen => StateArea::find(&config.state_device),
            Strength::Off => Err(Fault::NoPartition),
            _ => find_state_area(config, signals, drivers, &voice),
        };
        let Self { standing, starts, tpm, witness, .. } = self;
        let fault = area.as_ref().err().filter(|_| counts).cloned();
        standing.open(config, area, witness, tpm, &voice);
        if let Some(fault) = fault.filter(|fault| starts.is_news(fault)) {
            voice.say(&["starts are not counted: ", &fault.to_string()].concat());
        }
        if let Some(fault) = standing.slots_fault().filter(|fault| counts && starts.is_news(fault))
        {
            let is_new = fault.is_blank_area() && config.rollback != Strength::Enforced;
            let why = if is_new { "the state area is new".to_owned() } else { fault.to_string() };
            let said = ["nothing is known of the slots, and each has all its tries: ", &why];
            voice.say(&said.concat());
        }
        let by_watchdog = watchdog::that_reset().is_some();
        voice.say_all(&starts.open(config, standing.slots(), by_watchdog));
        self.use_up_once(session);
        let Self { standing, starts, wishes, .. } = self;
        wishes.hear_area(config, starts.once.clone(), &starts.slots);
        for used in standing.used() {
            if !self.used.contains(&used) {
                self.used.push(used);
            }
        }
    }

    /// A TPM whose driver came late is there now, and nothing was to be witnessed yet.
    fn look_again_for_tpm(&mut self, session: &Session) {
        if !matches!(self.tpm, Ok(None)) || self.witness.is_in_recovery() {
            return;
        }
        self.tpm = open_tpm(session);
        if !matches!(self.tpm, Ok(None)) {
            let (witness, said) = Witness::find(&session.config, &session.identity, &mut self.tpm);
            self.witness = witness;
            session.voice().say("the TPM came late");
            session.voice().say_all(&said);
        }
    }

    /// Has the store forget what is to be tried first, once, before anything goes by it:
    /// where it does not, that would be at every start.
    fn use_up_once(&mut self, session: &Session) {
        let Some(once) = self.starts.once.clone() else { return };
        if !self.keep_slots(session) {
            let said = [
                &*printable(&once),
                " was to be tried first, once, and is not: that \
                        cannot be used up",
            ];
            session.voice().say(&said.concat());
        }
    }

    /// Has the store take what has become of the slots, before anything else is done;
    /// whether it has. One that does not is said, once: no start waits for it.
    pub(super) fn keep_slots(&mut self, session: &Session) -> bool {
        let Self { standing, starts, tpm, .. } = self;
        let Some(slots) = starts.kept() else { return false };
        let kept = standing.keep_slots(slots, tpm);
        if let Err(fault) = &kept
            && starts.are_untaken()
        {
            let said = ["what becomes of this start is not counted: ", &fault.to_string()];
            session.voice().say(&said.concat());
        }
        kept.is_ok()
    }

    /// Remembers what is to boot if nobody chooses.
    ///
    /// # Errors
    /// Why that cannot be remembered, in words.
    pub(super) fn keep_default(&mut self, id: &str) -> Result<(), String> {
        let Self { standing, starts, tpm, .. } = self;
        starts.slots.set_default(Some(id)).map_err(|refusal| refusal.to_string())?;
        standing.keep_slots(&starts.slots, tpm).map_err(|fault| fault.to_string())
    }

    /// A device is about to be mounted: whether it may be, and what had to be written down
    /// before is.
    pub(super) fn before_mount(&mut self, session: &Session, candidate: &Candidate) -> bool {
        // That is for one start, and so only for a store that takes what this one leaves.
        let is_killer =
            self.starts.is_killer(&session.config, candidate) && self.keep_slots(session);
        if !is_killer {
            self.starts.mounts(candidate);
            self.keep_slots(session);
        }
        self.starts.sees(candidate);
        !is_killer
    }

    /// An entry is about to be read, to be started.
    pub(super) fn before_read(&mut self, session: &Session, taking: &Taking<'_>) {
        self.starts.takes(taking);
        self.keep_slots(session);
    }

    /// Nothing was booted, for this reason.
    pub(super) fn end_attempt(&mut self, session: &Session, failure: &Failure) {
        self.starts.ends(failure);
        self.keep_slots(session);
    }

    /// What the next system is told, as JSON; nothing where nothing is kept. So many tries
    /// are left of its slot.
    pub(super) fn told(&self, tries: Option<u32>) -> Option<String> {
        let Self { standing, starts, noted, .. } = self;
        let tell = |out: &mut Object<'_>| starts.tell(tries, out);
        standing.told(noted, starts.tells().then_some(&tell))
    }

    /// Whether there may be an archive for the next system.
    pub(super) fn may_have_front(&self) -> bool {
        self.starts.tells() || may_have_front(&self.witness, &self.standing)
    }

    /// Takes note of what was not booted.
    pub(super) fn note(&mut self, failure: &Failure) {
        match &failure.entry {
            Some(entry) => self.noted.note(&failure.short_code(), entry),
            // Without an entry it is news only where no entry has failed before.
            None if self.noted.is_empty() => self.noted.note(&failure.short_code(), ""),
            None => {}
        }
    }

    /// Writes down what was not booted, before the machine is reset.
    pub(super) fn keep_refused(&mut self, session: &Session) {
        if self.standing.is_unread() {
            self.open_store(session, true);
        }
        let Self { standing, noted, tpm, .. } = self;
        standing.keep_refused(noted, tpm, &session.voice());
    }

    /// Puts a boundary between what was measured and every way to recovery.
    pub(super) fn begin_recovery(&mut self, session: &Session) {
        self.witness.begin_recovery(&mut self.tpm, &session.voice());
    }
}

const fn may_have_front(witness: &Witness, standing: &Standing) -> bool {
    witness.measures() || standing.tells()
}

fn at_start(error: crate::sys::Error) -> Failure {
    Failure::new(Stage::Start, error)
}

/// Says what runs here, shuts what a locked image keeps shut, and has drivers loaded.
fn greet(console: &Console, config: &Config) -> Drivers {
    let voice = Voice::on(console);
    let release = machine::release();
    console.line(&format!("{}, kernel {release} {}", heading(config.mode), arch::native()));
    match config.mode {
        Mode::Open => voice.say("OPEN: anybody at this console decides what runs here"),
        Mode::Locked => {
            if let Err(error) = sysrq::switch_off() {
                voice.say(&error.to_string());
            }
        }
    }
    #[cfg(feature = "test-hooks")]
    crate::sys::hooks::at_start(console);
    let drivers = Drivers::start(&release, config).unwrap_or_else(|why| {
        voice.say(&why);
        Drivers::default()
    });
    drivers.settle(&voice);
    drivers.hear(&voice);
    voice.say_all(&watchdog::start(config.watchdog_start));
    if let Some(name) = watchdog::that_reset() {
        voice.say(&["a watchdog has reset the machine: ", &*printable(&name)].concat());
    }
    drivers
}

fn open_tpm(session: &Session) -> Result<Option<Tpm>, String> {
    let Session { config, drivers, .. } = session;
    if config.tpm() == config::Tpm::Off {
        return Ok(None);
    }
    drivers.wait_for(Class::Tpm, &session.voice());
    Tpm::open(config.tpm_timeout).map_err(|error| error.to_string())
}

fn read_config() -> Result<Config, Failure> {
    let text = file::read_text(config::PATH).map_err(at_start)?;
    config::read(config::PATH, &text).map_err(|error| Failure::new(Stage::Start, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_of_the_state_alone_is_counted_as_one_before_the_initrds() {
        for rollback in [Strength::Off, Strength::Advisory, Strength::Enforced] {
            let config = Config { rollback, ..Config::new(Mode::Locked) };
            let identity = Identity { boards: Vec::new(), devices: Vec::new() };
            let (witness, _) = Witness::find(&config, &identity, &mut Ok(None));
            let standing = Standing::unread(&config);
            let front = standing.told(&Noted::default(), None);
            assert!(!witness.measures(), "there is no TPM");
            assert_eq!(front.is_some(), rollback != Strength::Off);
            assert_eq!(may_have_front(&witness, &standing), front.is_some());
        }
    }
}
