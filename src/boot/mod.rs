//! The sentence of the design, as code: discover, menu, choose, read, verify,
//! identify, plan, load, quiesce, jump. Its ten calls are below, in this order:
//! [`attempt`] finds the menu, [`serve`] lets somebody choose, [`prepare()`] makes a
//! kernel of the entry, [`launch()`] starts it.
//!
//! It always ends somewhere: a verified system, the recovery prompt of an open
//! image, or a reset with its reason on the console. It never returns, never
//! boots what [`crate::trust::verify`] did not admit, and never reads a
//! verified file twice.

mod by_hand;
mod choose;
mod discover;
mod drivers;
mod efi;
mod errand;
mod figures;
mod item;
mod launch;
mod measure;
mod menu;
mod mirrors;
mod missing;
mod once;
mod prepare;
mod recovery;
mod rehearse;
mod rest;
mod rollback;
mod session;
mod slots;
mod stall;
mod voice;
mod volume;

use core::convert::Infallible;

use crate::base::text::printable;
use crate::choose::Chosen;
use crate::failure::{Failure, Stage};
use crate::steps::load::jump;
use crate::sys::patience::{self, End};
use crate::sys::{clock, memory, panic, reset};
use crate::trust::Role;
use crate::trust::verify::Mode;

use by_hand::Reply;
use discover::discover;
use figures::Moments;
use launch::{hand_over, load, measure, plan, quiesce};
use menu::{BootMenu, menu};
use prepare::{BundleCell, Demand, Order, Ready, carry_out, identify, read, verify};
use rehearse::{Choice, Prepared, choose};
use rest::Rest;
use session::{Memory, Session};
use stall::stalled;

/// What `turnout-init` says where it is not PID 1. No other program holds this
/// sentence: by it mkinitramfs knows what it packs.
pub const NOT_PID_1: &str = "turnout-init: this is PID 1 of a boot environment, and nothing else: \
     mkinitramfs packs it into an initramfs; the commands of a running system are in turnout";

const NOTHING: &str = "nothing has booted";
const RESTS: &str =
    "no recovery system is started before a pause: nobody has confirmed the last one";

/// Boots, or resets the machine with the reason on the console.
pub fn run() -> ! {
    clock::start();
    panic::catch();
    memory::catch();
    let session = match Session::start() {
        Ok(session) => session,
        Err(failure) => reset::after(panic::reset_delay(), &failure.to_string()),
    };
    let mut memory = Memory::new(&session);
    match session.config.mode {
        Mode::Open => run_open(&session, &mut memory),
        Mode::Locked => run_locked(&session, &mut memory),
    }
}

/// One walk through the sentence with the entries of one role. It comes back only
/// with the reason why nothing was booted.
fn attempt(session: &Session, memory: &mut Memory, role: Role) -> Result<Infallible, Failure> {
    let devices = discover(&session.config, &session.signals, &session.drivers)?;
    let mut menu = menu(session, memory, devices, role)?;
    loop {
        menu.begin_entry();
        match serve(session, &mut menu) {
            Some(_) if menu.is_called() => {}
            Some((index, failure)) => give_up(session, &mut menu, index, failure),
            None if menu.widen() || menu.stays() => {}
            None => return Err(menu.nothing_boots()),
        }
    }
}

/// Lets somebody choose, and boots that. Gives the entry and why it has not
/// booted; none if there was nothing to choose.
fn serve(session: &Session, menu: &mut BootMenu<'_>) -> Option<(usize, Failure)> {
    match choose(session, menu, prepare) {
        Choice::Nothing => None,
        Choice::Unprepared(chosen) => {
            let index = chosen.index;
            menu.chooses(&chosen);
            let Err(failure) = boot_unprepared(session, menu, chosen);
            Some((index, failure))
        }
        Choice::Prepared(prepared) => {
            let index = prepared.index;
            menu.chooses(&Chosen { index, options: None });
            let Err(failure) = boot_prepared(session, menu, prepared);
            Some((index, failure))
        }
    }
}

/// What is done with an entry as soon as it is known, beside the menu or after it.
fn prepare<'p>(order: &Order, cell: &'p BundleCell, demand: &Demand) -> Result<Ready<'p>, Failure> {
    #[cfg(feature = "test-hooks")]
    crate::sys::hooks::at_preparing();
    let start = clock::counter();
    let bundle = read(order, demand)?;
    let proven = verify(order, bundle, cell)?;
    let identified = identify(order, proven, demand)?;
    Ok(identified.ready(order, proven, start))
}

/// What is done once it was chosen: the rest of the sentence.
fn launch(
    session: &Session,
    memory: &mut Memory,
    ready: &Ready<'_>,
    begun: Begun,
) -> Result<Infallible, Failure> {
    #[cfg(feature = "test-hooks")]
    crate::sys::hooks::at_loading();
    let log = measure(session, memory, ready)?;
    let plan = plan(session, ready, log.as_deref())?;
    let staged = load(session, &plan, ready)?;
    let moments = begun.loaded();
    hand_over(session, memory, ready)?;
    let quiet = quiesce(session, staged, &plan, ready, &moments)?;
    Err(jump(quiet))
}

/// When a boot was begun, by the clock's counter.
struct Begun {
    open: u64,
    /// How long the entry was prepared while the menu waited, if it was.
    prepared: Option<u64>,
}

impl Begun {
    /// Somebody waits from now on.
    fn now() -> Self {
        Self { open: clock::counter(), prepared: None }
    }

    fn loaded(self) -> Moments {
        Moments { prepared: self.prepared, open: self.open, after_load: clock::counter() }
    }
}

/// Boots an entry that was prepared before it was chosen. The machine is looked at
/// again: since then drivers may have started.
fn boot_prepared(
    session: &Session,
    menu: &mut BootMenu<'_>,
    prepared: Prepared,
) -> Result<Infallible, Failure> {
    let open = prepared.chosen_at;
    prepared.then(|ready| {
        let ready = ready.unwrap_or_else(|| Err(stalled()))?;
        let ready = ready.again(session, menu.may_have_front())?;
        let begun = Begun { open, prepared: Some(ready.ticks) };
        launch(session, menu.memory(), &ready, begun)
    })
}

/// Prepares an entry that somebody waits for, and boots it.
fn boot_unprepared(
    session: &Session,
    menu: &mut BootMenu<'_>,
    chosen: Chosen,
) -> Result<Infallible, Failure> {
    let begun = Begun::now();
    let order = Order::of(session, menu, chosen)?;
    boot_order(session, menu, order, begun)
}

/// Has it prepared, and boots it.
fn boot_order(
    session: &Session,
    menu: &mut BootMenu<'_>,
    order: Order,
    begun: Begun,
) -> Result<Infallible, Failure> {
    let voice = session.voice();
    voice.say(&format!("reading {}", printable(order.id())));
    let waiting = patience::wait_for(order.id(), End::Read);
    carry_out(order, prepare, |ready| {
        drop(waiting);
        let ready = ready.unwrap_or_else(|| Err(stalled()))?;
        menu.listen()?;
        launch(session, menu.memory(), &ready, begun)
    })
}

/// After a failure the menu is back with the reason, unless the machine is past
/// loading another kernel.
fn give_up(session: &Session, menu: &mut BootMenu<'_>, index: usize, failure: Failure) {
    let failure = menu.named(index, failure);
    say_failed(session, &failure);
    menu.fail(index, failure);
}

/// Says why something has not booted. It comes back if something else can.
fn say_failed(session: &Session, failure: &Failure) {
    session.report(failure);
    if !failure.stage.leaves_a_choice() {
        reset::after(session.config.reset_delay, &failure.to_string());
    }
}

/// Asks after every attempt that has booted nothing.
fn run_open(session: &Session, memory: &mut Memory) -> ! {
    let mut role = Role::Boot;
    loop {
        let Err(failure) = attempt(session, memory, role);
        session.report(&failure);
        memory.note(&failure);
        memory.end_attempt(session, &failure);
        role = ask(session, memory);
    }
}

/// Goes on by itself, counts, tries what recovers the machine, and resets it.
fn run_locked(session: &Session, memory: &mut Memory) -> ! {
    let limit = session.config.attempts;
    let mut found = false;
    for number in 1..=limit {
        let Err(failure) = attempt(session, memory, Role::Boot);
        found |= failure.stage != Stage::Discover;
        session.report(&failure);
        memory.note(&failure);
        memory.end_attempt(session, &failure);
        session.voice().say(&format!("attempt {number} of {limit} has booted nothing"));
    }
    let reason = format!("all attempts ({limit}) have booted nothing");
    if found && memory.starts.rests_before_recovery() {
        session.voice().say(RESTS);
    } else if found {
        recover(session, memory, &reason);
    }
    let rest = Rest::begin(session, memory);
    rest::then_reset(session, memory, rest, &reason)
}

/// Comes back if no recovery system boots either.
fn recover(session: &Session, memory: &mut Memory, reason: &str) {
    session.voice().say(&format!("recovery: {reason}"));
    memory.begin_recovery(session);
    let Err(failure) = attempt(session, memory, Role::Recovery);
    session.report(&failure);
    memory.end_attempt(session, &failure);
}

/// What somebody wants another try of. Where starts are counted, nobody waits for somebody
/// longer than the pause is.
fn ask(session: &Session, memory: &mut Memory) -> Role {
    memory.begin_recovery(session);
    let rest = Rest::begin(session, memory);
    match recovery::ask(session, memory, rest) {
        Reply::Retry => Role::Boot,
        Reply::Recover => Role::Recovery,
        Reply::Reset => rest::then_reset(session, memory, None, NOTHING),
        Reply::Silence => rest::then_reset(session, memory, rest, NOTHING),
        Reply::PowerOff => reset::power_off(),
    }
}
