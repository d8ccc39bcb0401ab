//! The sentence of the design, as code: discover, menu, choose, read, verify,
//! identify, plan, load, quiesce, jump.
//!
//! It always ends somewhere: a verified system, the recovery prompt of an open
//! image, or a reset with its reason on the console. It never returns, never
//! boots what [`crate::trust::verify`] did not admit, and never reads a
//! verified file twice.

mod choose;
mod discover;
mod figures;
mod launch;
mod prepare;
mod recovery;
mod shelf;

use crate::arch::Arch;
use crate::config::{self, Config};
use crate::failure::{Failure, Stage};
use crate::sys::console::Console;
use crate::sys::signal::Signals;
use crate::sys::{clock, file, machine, module, mount, panic, reset, watchdog};
use crate::text::printable;
use crate::trust::allowed_signers::KeyRing;
use crate::trust::policy::{Floors, Policy};
use crate::trust::verify::{Context, Identity, Mode};

use prepare::Choice;
use recovery::Wish;
use shelf::Shelf;

const CONFIG: &str = "/etc/turnout/config";
const KEY_RING: &str = "/etc/turnout/allowed_signers";

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
    ring: Option<KeyRing>,
    policy: Policy,
    identity: Identity,
    arch: Arch,
}

impl Station {
    fn start() -> Result<Self, Failure> {
        let at_start = |error| Failure::new(Stage::Start, error);
        mount::kernel_file_systems().map_err(at_start)?;
        let console = Console::open().map_err(at_start)?;
        let signals = Signals::block().map_err(at_start)?;
        let config = read_config()?;
        panic::set_reset_delay(config.reset_delay);
        let ring = read_ring(config.mode)?;
        let station = Self {
            console,
            signals,
            config,
            ring,
            policy: Policy::default(),
            identity: Identity::default(),
            arch: machine::arch(),
        };
        station.greet();
        Ok(station)
    }

    fn greet(&self) {
        let release = machine::release();
        self.console.line(&format!("{}, kernel {release} {}", self.heading(), self.arch));
        if self.config.mode == Mode::Open {
            self.console.line("turnout: OPEN: anybody at this console decides what runs here");
        }
        #[cfg(feature = "test-hooks")]
        crate::sys::hooks::at_start(&self.console);
        let parameters = watchdog::module_parameters(self.config.watchdog);
        for line in module::load_all(&release, parameters) {
            self.say(&line);
        }
    }

    /// Name, version and mode: the first thing to be seen, at the start and in
    /// the menu.
    fn heading(&self) -> String {
        let mode = match self.config.mode {
            Mode::Locked => "locked",
            Mode::Open => "open",
        };
        format!("turnout {} ({mode})", env!("CARGO_PKG_VERSION"))
    }

    fn context(&self) -> Context<'_> {
        Context {
            mode: self.config.mode,
            ring: self.ring.as_ref(),
            policy: &self.policy,
            arch: self.arch,
            identity: &self.identity,
            floors: Floors::default(),
        }
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
        loop {
            self.report(&self.attempt());
            self.ask();
        }
    }

    /// Goes on by itself, counts, and resets the machine.
    fn run_locked(&self) -> ! {
        let limit = self.config.attempts;
        for attempt in 1..=limit {
            self.report(&self.attempt());
            self.say(&format!("attempt {attempt} of {limit} has booted nothing"));
        }
        reset::after(self.config.reset_delay, &format!("{limit} attempts have booted nothing"))
    }

    /// Comes back if somebody wants another try.
    fn ask(&self) {
        match recovery::ask(&self.console, &self.signals) {
            Wish::Retry => {}
            Wish::Reset => reset::after(self.config.reset_delay, "nothing has booted"),
            Wish::PowerOff => reset::power_off(),
        }
    }

    /// One walk through the sentence. It comes back only with the reason why
    /// nothing was booted.
    fn attempt(&self) -> Failure {
        match self.discover().and_then(|partitions| Shelf::first(self, &partitions)) {
            Ok(shelf) => self.serve(shelf),
            Err(failure) => failure,
        }
    }

    /// Lets somebody choose, and boots; after a failure the menu is back with
    /// the reason, until there is nothing left that could boot.
    fn serve(&self, mut shelf: Shelf) -> Failure {
        let mut status = String::new();
        let mut next = shelf.menu.default;
        while let Some((index, failure)) = self.serve_once(&shelf, &status, next) {
            self.report(&failure);
            if !failure.stage.leaves_a_choice() {
                reset::after(self.config.reset_delay, &failure.to_string());
            }
            status = failure.to_string();
            shelf.strike(index, failure);
            next = shelf.next_after(index);
        }
        Failure::new(Stage::Menu, shelf.nothing_boots())
    }

    /// The entry that was chosen and why it has not booted; none if there was
    /// nothing to choose.
    fn serve_once(
        &self,
        shelf: &Shelf,
        status: &str,
        next: Option<usize>,
    ) -> Option<(usize, Failure)> {
        let menu = self.menu(shelf, status, next);
        let (index, failure) =
            match prepare::beside_the_menu(self, shelf, menu, |ready, chosen_at| {
                launch::boot_prepared(self, ready, chosen_at)
            }) {
                Choice::Nothing => return None,
                Choice::Prepared(index, failure) => (index, failure),
                Choice::Unprepared(index) => (index, launch::boot_unprepared(self, shelf, index)),
            };
        let entry = shelf.menu.entries.get(index);
        Some(match entry {
            Some(entry) => (index, failure.of(&entry.id)),
            None => (index, failure),
        })
    }
}

fn read_config() -> Result<Config, Failure> {
    let text = file::read_text(CONFIG).map_err(|error| Failure::new(Stage::Start, error))?;
    config::read(CONFIG, &text).map_err(|error| Failure::new(Stage::Start, error))
}

/// A locked image needs its ring. An open one may have one; a ring that cannot
/// be read is never taken for none.
fn read_ring(mode: Mode) -> Result<Option<KeyRing>, Failure> {
    let bytes = match file::read_text(KEY_RING) {
        Err(error) if mode == Mode::Open && error.is_absence() => return Ok(None),
        other => other.map_err(|error| Failure::new(Stage::Start, error))?,
    };
    let ring = KeyRing::parse(bytes.as_bytes());
    ring.map(Some).map_err(|error| Failure::new(Stage::Start, format!("{KEY_RING}: {error}")))
}
