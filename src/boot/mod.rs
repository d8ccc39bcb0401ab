//! The sentence of the design, as code: discover, menu, choose, read, verify,
//! identify, plan, load, quiesce, jump.
//!
//! It always ends somewhere: a verified system, the recovery prompt of an open
//! image, or a reset with its reason on the console. It never returns, never
//! boots what [`crate::trust::verify`] did not admit, and never reads a
//! verified file twice.

pub(crate) mod anchor;
mod choose;
mod discover;
mod efi;
mod figures;
mod item;
mod launch;
mod measure;
mod menu;
pub(crate) mod partition;
mod prepare;
mod recovery;
mod rehearse;
mod rollback;
mod volume;

use core::cell::RefCell;

use crate::base::arch::Arch;
use crate::base::text::printable;
use crate::config::{self, Config};
use crate::failure::{Failure, Stage};
use crate::sys::arch;
use crate::sys::console::Console;
use crate::sys::signal::Signals;
use crate::sys::sources::Sources;
use crate::sys::tpm::Tpm;
use crate::sys::{clock, file, identity, machine, module, mount, panic, reset, sysrq, watchdog};
use crate::trust::Role;
use crate::trust::verify::{Identity, Mode};

use anchor::Anchor;
use efi::Wishes;
use measure::Witness;
use menu::Shelf;
use recovery::Wish;
use rehearse::Choice;
use rollback::Standing;

/// What `turnout-init` says where it is not PID 1. No other program holds this
/// sentence: by it mkinitramfs knows what it packs.
pub const NOT_PID_1: &str = "turnout-init: this is PID 1 of a boot environment, and nothing else: \
     mkinitramfs packs it into an initramfs; the commands of a running system are in turnout";

/// Boots, or resets the machine with the reason on the console.
pub fn run() -> ! {
    clock::start();
    panic::catch();
    match Station::start() {
        Ok(station) => station.run(),
        Err(failure) => reset::after(panic::reset_delay(), &failure.to_string()),
    }
}

/// What PID 1 holds from its start to the jump.
struct Station {
    console: Console,
    signals: Signals,
    config: Config,
    /// What is built into the image.
    anchor: Anchor,
    arch: Arch,
    identity: Identity,
    standing: RefCell<Standing>,
    /// None if there is none or it is not to be looked for; or why it cannot be
    /// used.
    tpm: RefCell<Result<Option<Tpm>, String>>,
    witness: RefCell<Witness>,
    /// Command lines as somebody edited them, for the next menu.
    edits: RefCell<Vec<String>>,
    /// What the firmware's variables wish for.
    wishes: RefCell<Wishes>,
}

impl Station {
    fn start() -> Result<Self, Failure> {
        let at_start = |error| Failure::new(Stage::Start, error);
        mount::kernel_file_systems().map_err(at_start)?;
        let console = Console::open().map_err(at_start)?;
        let signals = Signals::block().map_err(at_start)?;
        let config = read_config()?;
        panic::set_reset_delay(config.reset_delay);
        let anchor = Anchor::of_image(config.mode)?;
        let (arch, identity) = (arch::native(), identity::read(&Sources::live()));
        greet(&console, &config);
        let standing = RefCell::new(Standing::unread(&config));
        let mut tpm = open_tpm(&config);
        let (witness, said) = Witness::find(&config, &mut tpm);
        let (tpm, witness) = (RefCell::new(tpm), RefCell::new(witness));
        let station = Self {
            console,
            signals,
            config,
            anchor,
            arch,
            identity,
            standing,
            tpm,
            witness,
            edits: RefCell::default(),
            wishes: RefCell::default(),
        };
        said.iter().for_each(|line| station.say(line));
        station.read_wishes();
        Ok(station)
    }

    /// One line or several. Names in it may come from a disk: none of them
    /// drives the terminal.
    fn say(&self, text: &str) {
        let lines: Vec<_> = text.split("\r\n").map(printable).collect();
        self.console.line(&format!("turnout: {}", lines.join("\r\n")));
    }

    fn report(&self, failure: &Failure) {
        self.say(&failure.to_string());
        figures::print_elapsed(self);
    }

    fn run(&self) -> ! {
        match self.config.mode {
            Mode::Open => self.run_open(),
            Mode::Locked => self.run_locked(),
        }
    }

    /// Asks after every attempt that has booted nothing.
    fn run_open(&self) -> ! {
        let mut role = Role::Boot;
        loop {
            self.report(&self.attempt(role));
            role = self.ask();
        }
    }

    /// Goes on by itself, counts, tries what recovers the machine, and resets it.
    fn run_locked(&self) -> ! {
        let limit = self.config.attempts;
        let mut found = false;
        for attempt in 1..=limit {
            let failure = self.attempt(Role::Boot);
            found |= failure.stage != Stage::Discover;
            self.report(&failure);
            self.say(&format!("attempt {attempt} of {limit} has booted nothing"));
        }
        let reason = format!("all attempts ({limit}) have booted nothing");
        if found {
            self.recover(&reason);
        }
        reset::after(self.config.reset_delay, &reason)
    }

    /// Comes back if no recovery system boots either.
    fn recover(&self, reason: &str) {
        self.say(&format!("recovery: {reason}"));
        self.measure_recovery();
        self.report(&self.attempt(Role::Recovery));
    }

    /// What somebody wants another try of.
    fn ask(&self) -> Role {
        self.measure_recovery();
        match recovery::ask(&self.console, &self.signals) {
            Wish::Retry => Role::Boot,
            Wish::Recover => Role::Recovery,
            Wish::Reset => reset::after(self.config.reset_delay, "nothing has booted"),
            Wish::PowerOff => reset::power_off(),
        }
    }

    /// One walk through the sentence with the entries of one role. It comes back
    /// only with the reason why nothing was booted.
    fn attempt(&self, role: Role) -> Failure {
        match Shelf::find(self, role) {
            Ok(shelf) => self.serve(shelf),
            Err(failure) => failure,
        }
    }

    /// Lets somebody choose, and boots; after a failure the menu is back with
    /// the reason, until there is nothing left that could boot.
    fn serve(&self, mut shelf: Shelf<'_>) -> Failure {
        // A menu that is hidden does not show it.
        if let Some(failure) = shelf.default_fails() {
            self.say(&failure.to_string());
        }
        let mut status = shelf.status();
        let mut next = shelf.default();
        self.use_up_wishes();
        loop {
            let Some((index, failure)) = self.serve_once(&mut shelf, &status, next) else {
                if shelf.widen() {
                    next = shelf.default();
                    continue;
                }
                return Failure::new(Stage::Menu, shelf.nothing_boots());
            };
            self.report(&failure);
            if !failure.stage.leaves_a_choice() {
                reset::after(self.config.reset_delay, &failure.to_string());
            }
            status = failure.to_string();
            shelf.strike(index, failure);
            next = shelf.next_after(index);
        }
    }

    /// The entry that was chosen and why it has not booted; none if there was
    /// nothing to choose.
    fn serve_once(
        &self,
        shelf: &mut Shelf<'_>,
        status: &str,
        next: Option<usize>,
    ) -> Option<(usize, Failure)> {
        let menu = self.menu(shelf, status, next);
        let (index, failure) =
            match rehearse::beside_the_menu(self, shelf, menu, |ready, chosen_at| {
                launch::boot_prepared(self, ready, chosen_at)
            }) {
                Choice::Nothing => return None,
                Choice::Prepared(index, failure) => (index, failure),
                Choice::Unprepared(chosen) => {
                    (chosen.index, launch::boot_unprepared(self, shelf, chosen))
                }
            };
        let entry = shelf.menu.entries.get(index);
        Some(match entry {
            Some(entry) => (index, failure.of(&entry.id)),
            None => (index, failure),
        })
    }
}

/// Says what runs here, shuts what a locked image keeps shut, and loads the
/// modules.
fn greet(console: &Console, config: &Config) {
    let release = machine::release();
    let say = |text: &str| console.line(&format!("turnout: {}", printable(text)));
    console.line(&format!("{}, kernel {release} {}", heading(config.mode), arch::native()));
    match config.mode {
        Mode::Open => say("OPEN: anybody at this console decides what runs here"),
        Mode::Locked => {
            if let Err(error) = sysrq::switch_off() {
                say(&error.to_string());
            }
        }
    }
    #[cfg(feature = "test-hooks")]
    crate::sys::hooks::at_start(console);
    for line in module::load_all(&release, watchdog::module_parameters(config.watchdog)) {
        say(&line);
    }
}

/// Name, version and mode: the first thing to be seen, at the start and in the
/// menu.
fn heading(mode: Mode) -> String {
    format!("turnout {} ({})", env!("CARGO_PKG_VERSION"), mode.name())
}

fn open_tpm(config: &Config) -> Result<Option<Tpm>, String> {
    match config.tpm {
        config::Tpm::Off => Ok(None),
        _ => Tpm::open(config.tpm_timeout).map_err(|error| error.to_string()),
    }
}

fn read_config() -> Result<Config, Failure> {
    let text = file::read_text(config::PATH).map_err(|error| Failure::new(Stage::Start, error))?;
    config::read(config::PATH, &text).map_err(|error| Failure::new(Stage::Start, error))
}
