//! Loads drivers beside everything else: those that the image names, those that a
//! device asks for, and those of file systems that were seen.
//!
//! One thread watches: it looks at all devices once, then hears of new ones, and of
//! loads that take their time. A few others load, so that a driver whose hardware does
//! not answer holds up itself and what needs it, and nothing else. None of them speaks
//! on a console or decides what boots: what is to be said waits until the main thread
//! asks for it ([`Drivers::hear`]).

use core::time::Duration;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::voice::Voice;
use crate::config::{Config, WatchdogStart};
use crate::drivers::class::Class;
use crate::drivers::device::Device;
use crate::drivers::gate::{self, BuiltIn, Classes};
use crate::drivers::matching::drivers_for;
use crate::drivers::queue::{LIMIT, Late, Queue, Rank, SLOW, State};
use crate::drivers::table::{self, Driver};
use crate::image::compression::Compressor;
use crate::source::Candidate;
use crate::sys::devices;
use crate::sys::module::{self, Loaded, Parameters};
use crate::sys::patience::End;
use crate::sys::thread::{Job, Shelf, Work};
use crate::sys::uevent::Uevents;
use crate::sys::vigil::{self, TURN};
use crate::sys::wait::wait;
use crate::sys::wake::Wake;
use crate::sys::{self, AsFd as _, BorrowedFd, clock, file, hung_tasks, machine, watchdog};

/// What has ended no load for so long is not waited for before the first menu.
const STANDSTILL: Duration = Duration::from_secs(2);
/// The same before the jump: a driver that is still at its start then may hold it up.
const FAREWELL: Duration = Duration::from_secs(10);

/// How long what is still at its start is waited for before the jump. The kernel waits for
/// it too, and a watchdog that is armed before counts meanwhile.
const fn farewell(is_armed: bool) -> Duration {
    if is_armed { LIMIT } else { FAREWELL }
}

/// So long after the last load, or the start, devices may take to be heard of.
const HEARING: Duration = Duration::from_secs(15);

/// The loader; none where the image has no modules for this kernel. A copy is the same
/// one.
#[derive(Clone, Default)]
pub(super) struct Drivers(Option<Arc<Shared>>);

/// What the main thread is to know.
#[derive(Default)]
struct News {
    said: Vec<String>,
    /// Whether the driver of a watchdog came.
    has_watchdog: bool,
}

impl Drivers {
    /// Begins with what the image has loaded at once, and with the devices that are
    /// there.
    ///
    /// # Errors
    /// Why nothing is loaded, in words.
    pub(super) fn start(release: &str, config: &Config) -> Result<Self, String> {
        let text = module::table().map_err(|error| error.to_string())?;
        let Some(text) = text else { return Ok(Self::default()) };
        if let Some(mismatch) = module::mismatch(release) {
            return Err(mismatch);
        }
        // Both are of use as long as the program runs.
        let drivers = table::parse(text.leak()).map_err(|error| error.to_string())?.leak();
        let shared = Shared::new(drivers, release, config);
        let shared = Arc::new(shared.map_err(|error| error.to_string())?);
        shared.begin();
        Ok(Self(Some(shared)))
    }

    /// Every driver that was packed, or is known of.
    pub(super) fn all(&self) -> &'static [Driver<'static>] {
        self.0.as_ref().map_or(&[], |shared| shared.lock().queue.drivers())
    }

    /// What has become of a driver, by its place in [`Self::all`].
    pub(super) fn state(&self, place: usize) -> State {
        let Some(shared) = &self.0 else { return State::Idle };
        shared.lock().queue.state(place).clone()
    }

    /// The driver that was loaded last, and when that ended.
    pub(super) fn last_load(&self) -> Option<(&'static str, Duration)> {
        self.0.as_ref()?.lock().queue.last_load()
    }

    /// What is loading or is going to be, for a sentence; none if nothing is.
    pub(super) fn busy_with(&self) -> Option<String> {
        let shared = self.0.as_ref()?;
        let state = shared.lock();
        if !state.is_busy(Rank::Other) {
            return None;
        }
        Some(["drivers: ", &names(state.queue.loading())].concat())
    }

    /// A deadline, or as long after the last load as `time`, whichever is later.
    pub(super) fn extend(&self, deadline: Duration, time: Duration) -> Duration {
        let Some(shared) = &self.0 else { return deadline };
        let state = shared.lock();
        let end = match state.is_busy(Rank::Other) {
            true => clock::elapsed(),
            false => state.queue.last_end(),
        };
        deadline.max(end.saturating_add(time))
    }

    /// Can be read once there may be news.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(|shared| shared.to_main.as_fd())
    }

    /// Says what has happened since this was called, and serves watchdogs that came. For
    /// the main thread.
    pub(super) fn hear(&self, voice: &Voice<'_>) {
        let Some(shared) = &self.0 else { return };
        shared.to_main.clear();
        let mut inner = shared.lock();
        shared.tell_late(&mut inner);
        let News { said, has_watchdog } = core::mem::take(&mut inner.news);
        drop(inner);
        voice.say_all(&said);
        if has_watchdog {
            voice.say_all(&watchdog::start(shared.watchdog));
        }
    }

    /// Waits for drivers that may bring a disk, as long as any is got done.
    pub(super) fn settle(&self, voice: &Voice<'_>) {
        self.wait("drivers", voice, STANDSTILL, &|state| state.is_busy(Rank::Disk));
    }

    /// Waits for drivers of a class that are on their way, as long as any is got done.
    pub(super) fn wait_for(&self, class: Class, voice: &Voice<'_>) {
        let what = ["drivers: ", class.name()].concat();
        self.wait(&what, voice, SLOW, &|state| {
            state.is_unheard(clock::elapsed())
                || state.queue.busy(Rank::Other).any(|driver| driver.class == class)
        });
    }

    /// Begins no other load, and waits for those that were begun: what its driver still
    /// has in hand cannot be brought to rest. The kernel waits for it at the jump; where
    /// that never ends, the machine is reset. `is_armed`: whether a watchdog is going to be.
    pub(super) fn end(&self, voice: &Voice<'_>, is_armed: bool) {
        let Some(shared) = &self.0 else { return };
        shared.lock().is_over = true;
        if let Some(what) = self.busy_with() {
            self.wait(&what, voice, farewell(is_armed), &|state| {
                state.queue.loading().next().is_some()
            });
        }
        if let Some(said) = self.held() {
            hung_tasks::mind_all();
            voice.say(&said);
        }
    }

    /// What may hold up the jump.
    fn held(&self) -> Option<String> {
        let shared = self.0.as_ref()?;
        let names = names(shared.lock().queue.hanging());
        (!names.is_empty()).then(|| {
            [&*names, ": still starting: the jump waits, and a reset follows if that never ends"]
                .concat()
        })
    }

    fn wait(
        &self,
        what: &str,
        voice: &Voice<'_>,
        patience: Duration,
        is_waited_for: &dyn Fn(&Inner) -> bool,
    ) {
        let Some(shared) = &self.0 else { return };
        voice.during(what, End::Unknown, || shared.wait(patience, is_waited_for));
    }

    /// Has what it takes to mount a device loaded, and waits for it; on whatever thread.
    ///
    /// # Errors
    /// Why nothing is loaded for it, where it was plugged in.
    pub(super) fn load_for(&self, candidate: &Candidate) -> Result<(), String> {
        let system = candidate.filesystem.as_ref();
        let system = system.map(|found| ["fs-", found.kind.name()].concat());
        let window = candidate.window().map(|_| "devname:loop-control".to_owned());
        system.into_iter().chain(window).try_for_each(|alias| {
            let refusal = self.refusal(&alias).filter(|_| candidate.removable);
            refusal.map_or(Ok(()), Err)?;
            self.load(&alias);
            Ok(())
        })
    }

    /// Why what is plugged in does not have a driver loaded that is not there yet.
    fn refusal(&self, alias: &str) -> Option<String> {
        let shared = self.0.as_ref()?;
        let inner = shared.lock();
        let mut idle = drivers_for(shared.drivers, alias)
            .filter(|place| *inner.queue.state(*place) == State::Idle);
        idle.find_map(|place| gate::refusal(shared.hotplug, alias, shared.drivers.get(place)?))
    }

    /// Has the driver of a file system loaded, on the main thread: what does not come soon
    /// is done without.
    pub(super) fn file_system_soon(&self, kind: &str, voice: &Voice<'_>) {
        let Some(shared) = &self.0 else { return };
        let places = shared.want(&["fs-", kind].concat());
        let is_open = |state: &Inner| places.iter().any(|place| state.queue.is_open(*place));
        self.wait(kind, voice, SLOW, &is_open);
        if is_open(&shared.lock()) {
            voice.say(&[kind, " does not come, and is done without"].concat());
        }
    }

    /// Has what answers to an alias loaded, and waits for it.
    fn load(&self, alias: &str) {
        if let Some(shared) = &self.0 {
            shared.load_now(alias);
        }
    }
}

/// What all threads have.
struct Shared {
    drivers: &'static [Driver<'static>],
    release: String,
    parameters: &'static [Parameters],
    watchdog: WatchdogStart,
    /// Classes of which a device that somebody puts in may have drivers loaded.
    hotplug: Classes,
    /// Where devices are announced; none where no device chooses a driver.
    uevents: Option<Uevents>,
    to_main: Wake,
    to_watcher: Wake,
    inner: Mutex<Inner>,
    /// Something is to be loaded, or has been.
    change: Condvar,
}

struct Inner {
    queue: Queue<'static>,
    news: News,
    /// Loads that have ended, each of which may have brought devices; looking at all that
    /// were there is one.
    ended: usize,
    /// How many of them had before the last device was heard of.
    heard: usize,
    /// Whether anybody hears of devices.
    is_watched: bool,
    /// Threads that load, but for those that hang.
    workers: usize,
    is_over: bool,
    /// Drivers that a device would have had, had it been let.
    refused: Vec<usize>,
}

impl Inner {
    /// Says, once for each driver, why a device does not have it loaded.
    fn refuse(&mut self, place: usize, said: String) {
        if *self.queue.state(place) == State::Idle && !self.refused.contains(&place) {
            self.refused.push(place);
            self.news.said.push(said);
        }
    }

    fn is_busy(&self, rank: Rank) -> bool {
        self.is_unheard(clock::elapsed()) || self.queue.busy(rank).next().is_some()
    }

    /// Whether devices may be there that nobody has heard of yet; not for ever, as whoever
    /// hears may himself be held up.
    fn is_unheard(&self, now: Duration) -> bool {
        let end = self.queue.last_end().saturating_add(HEARING);
        self.is_watched && self.heard != self.ended && now < end
    }
}

impl Shared {
    fn new(
        drivers: &'static [Driver<'static>],
        release: &str,
        config: &Config,
    ) -> Result<Self, sys::Error> {
        let uevents = drivers.iter().any(is_chosen).then(Uevents::open).transpose()?;
        let inner = Inner {
            queue: Queue::new(drivers),
            news: News::default(),
            ended: uevents.iter().count(),
            heard: 0,
            is_watched: true,
            workers: 0,
            is_over: false,
            refused: Vec::new(),
        };
        Ok(Self {
            drivers,
            release: release.to_owned(),
            parameters: module::parameters(config.watchdog),
            watchdog: config.watchdog_start,
            hotplug: config.hotplug(),
            uevents,
            to_main: Wake::new()?,
            to_watcher: Wake::new()?,
            inner: Mutex::new(inner),
            change: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>) {
        let always = (0..).zip(self.drivers).filter(|(_, driver)| driver.always);
        let mut inner = self.lock();
        always.for_each(|(place, _)| inner.queue.want(place, Rank::First));
        drop(inner);
        self.staff();
        if !self.hire(true) {
            let mut inner = self.lock();
            inner.is_watched = false;
            inner.news.said.push("no thread hears of devices: they get no driver".to_owned());
        }
    }

    /// Sees to it that there is somebody to load what waits.
    fn staff(self: &Arc<Self>) {
        let mut inner = self.lock();
        let most = machine::processors().clamp(2, 4);
        // Who waits for a disk leaves the place to others.
        let most = most.saturating_add(inner.queue.stuck(clock::elapsed(), TURN));
        while inner.workers < most && inner.queue.busy(Rank::Other).nth(inner.workers).is_some() {
            if !self.hire(false) {
                break;
            }
            inner.workers = inner.workers.saturating_add(1);
        }
        drop(inner);
        self.change.notify_all();
    }

    /// Whether there is a thread for it.
    fn hire(self: &Arc<Self>, is_watching: bool) -> bool {
        Job::start(Part { shared: Arc::clone(self), is_watching }).is_some()
    }

    fn wait(&self, patience: Duration, is_waited_for: &dyn Fn(&Inner) -> bool) {
        let begin = clock::elapsed();
        loop {
            self.to_main.clear();
            let mut inner = self.lock();
            self.tell_late(&mut inner);
            let last = inner.queue.last_end().max(begin);
            let end = last.saturating_add(patience);
            let left = end.saturating_sub(clock::elapsed());
            if left.is_zero() || !is_waited_for(&inner) {
                break;
            }
            drop(inner);
            vigil::wait(end);
            let _ = wait([&self.to_main], Some(left.min(TURN)));
        }
        // There may be news.
        self.to_main.up();
    }

    /// Has what an alias stands for loaded before all others; its places.
    fn want(self: &Arc<Self>, alias: &str) -> Vec<usize> {
        let places: Vec<usize> = drivers_for(self.drivers, alias).collect();
        let mut inner = self.lock();
        places.iter().for_each(|place| inner.queue.want(*place, Rank::First));
        drop(inner);
        self.staff();
        places
    }

    /// Loads what an alias stands for, before all others, and waits for it.
    fn load_now(self: &Arc<Self>, alias: &str) {
        let places = self.want(alias);
        let mut inner = self.lock();
        while places.iter().any(|place| inner.queue.is_open(*place)) && !inner.is_over {
            self.tell_late(&mut inner);
            let woken = self.change.wait_timeout(inner, TURN);
            inner = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A thread's work: looks at what is there, then hears of what comes.
    fn watch(self: &Arc<Self>) {
        let mut has_all = false;
        let mut built_in = BuiltIn::default();
        loop {
            self.to_watcher.clear();
            let ended = self.lock().ended;
            if !has_all {
                self.look(&mut built_in);
            }
            has_all = self.hear(&mut built_in);
            self.tell_late(&mut self.lock());
            self.staff();
            let mut inner = self.lock();
            if has_all {
                inner.heard = ended;
            }
            let time = inner.queue.loading().next().map(|_| TURN);
            drop(inner);
            self.to_main.up();
            if has_all {
                self.sleep(time);
            }
        }
    }

    fn sleep(&self, time: Option<Duration>) {
        match &self.uevents {
            Some(uevents) => {
                let _ = wait([uevents, &self.to_watcher], time);
            }
            None => {
                let _ = wait([&self.to_watcher], time);
            }
        }
    }

    /// Looks at all devices that have no driver.
    fn look(&self, built_in: &mut BuiltIn) {
        if self.uevents.is_none() {
            return;
        }
        let all = devices::all();
        built_in.note(&all);
        for Device { path, subsystem, modalias, driver } in all {
            if driver.is_none() && !modalias.is_empty() {
                self.consider(&modalias, built_in.lacks(&path, &subsystem));
            }
        }
    }

    /// Takes what was announced; whether that is all that was.
    fn hear(&self, built_in: &mut BuiltIn) -> bool {
        let Some(uevents) = &self.uevents else { return true };
        uevents.each(|event| {
            if event.action == "remove" {
                built_in.forget(event.path);
            }
            if event.action == "add" && event.driver.is_empty() && !event.modalias.is_empty() {
                self.consider(event.modalias, built_in.lacks(event.path, event.subsystem));
            }
        })
    }

    /// Has the drivers loaded that are for a device; where anybody may have put it in, those
    /// of the classes that may come so.
    fn consider(&self, modalias: &str, is_guarded: bool) {
        for place in drivers_for(self.drivers, modalias) {
            let Some(driver) = self.drivers.get(place) else { continue };
            let refusal = gate::refusal(self.hotplug, modalias, driver).filter(|_| is_guarded);
            let mut inner = self.lock();
            match refusal {
                Some(said) => inner.refuse(place, said),
                None => inner.queue.want(place, rank(driver.class, modalias)),
            }
        }
    }

    fn tell_late(&self, inner: &mut Inner) {
        for late in inner.queue.late(clock::elapsed()) {
            let (Late::Slow(place) | Late::GivenUp(place)) = late;
            let name = self.drivers.get(place).map_or("", |driver| driver.name.as_str());
            let said = match late {
                Late::Slow(_) => {
                    hung_tasks::bear();
                    inner.workers = inner.workers.saturating_sub(1);
                    format!("module {name} has been starting for {} s", SLOW.as_secs())
                }
                Late::GivenUp(_) => format!(
                    "module {name} has not started in {} s, and is not waited for any more",
                    LIMIT.as_secs()
                ),
            };
            inner.news.said.push(said);
        }
    }

    /// A thread's work: loads what waits, as long as none of it hangs.
    fn load_all(&self) {
        while let Some((place, driver)) = self.take() {
            if !self.ended(place, driver, self.load(driver)) {
                return;
            }
        }
    }

    fn take(&self) -> Option<(usize, &'static Driver<'static>)> {
        let mut inner = self.lock();
        loop {
            if inner.is_over {
                return None;
            }
            let place = inner.queue.next(clock::elapsed());
            if let Some(found) = place.and_then(|place| Some((place, self.drivers.get(place)?))) {
                return Some(found);
            }
            inner = self.change.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn load(&self, driver: &Driver<'_>) -> State {
        #[cfg(feature = "test-hooks")]
        crate::sys::hooks::at_module(&driver.name);
        let path = driver.path.unwrap_or_default();
        let place = module::place(&self.release, path);
        let parameters = module::of(&driver.name, self.parameters, probes(driver));
        let loaded = match path.ends_with(".zst") {
            true => {
                unpacked(&place).and_then(|bytes| module::load_bytes(&place, bytes, parameters))
            }
            false => module::load(&place, parameters),
        };
        match loaded {
            Ok(Loaded::There) => State::Loaded,
            Ok(Loaded::Absent) => State::Absent,
            Err(error) => State::Failed(error.to_string()),
        }
    }

    /// Takes note of the end of a load; whether whoever did it is still needed.
    fn ended(&self, place: usize, driver: &Driver<'_>, state: State) -> bool {
        let mut inner = self.lock();
        inner.news.has_watchdog |= driver.class == Class::Watchdog && state == State::Loaded;
        if let State::Failed(why) = &state {
            inner.news.said.push(why.clone());
        }
        let is_needed = inner.queue.ended(place, state, clock::elapsed());
        if !is_needed {
            hung_tasks::mind();
            inner.news.said.push(["module ", &driver.name, " has ended its start"].concat());
        }
        if self.uevents.is_some() {
            inner.ended = inner.ended.wrapping_add(1);
        }
        drop(inner);
        vigil::work();
        self.to_watcher.up();
        self.to_main.up();
        self.change.notify_all();
        is_needed
    }
}

fn names(drivers: impl Iterator<Item = &'static Driver<'static>>) -> String {
    let names: Vec<&str> = drivers.map(|driver| driver.name.as_str()).collect();
    names.join(", ")
}

/// Whether a device chooses it.
const fn is_chosen(driver: &Driver<'_>) -> bool {
    !driver.always && driver.path.is_some() && !driver.aliases.is_empty()
}

/// Whether its devices are to be there, with all that they bring, once it is loaded.
/// Those of USB come later anyway; file systems, ciphers and what others are made of
/// have none, and must not be held up by a disk that does not answer.
fn probes(driver: &Driver<'_>) -> bool {
    !matches!(driver.class, Class::FileSystem | Class::Usb | Class::Keyboard)
        && driver.aliases.iter().any(|alias| {
            alias.contains(':') && !alias.starts_with("cpu:") && !alias.starts_with("devname:")
        })
}

/// How soon drivers of a class are loaded for a device. Those for the processor's own
/// instructions come first: the signature of every other one is checked the faster.
fn rank(class: Class, modalias: &str) -> Rank {
    match class {
        _ if modalias.starts_with("cpu:") => Rank::First,
        // It is opened once, before all that it is to witness.
        Class::Tpm => Rank::First,
        Class::Storage
        | Class::Mmc
        | Class::Hypervisor
        | Class::FileSystem
        | Class::Platform
        | Class::Other => Rank::Disk,
        Class::Usb
        | Class::Keyboard
        | Class::Watchdog
        | Class::Network
        | Class::Display
        | Class::Serial => Rank::Other,
    }
}

/// A module that was compressed by itself.
fn unpacked(place: &str) -> Result<Vec<u8>, sys::Error> {
    let packed = file::read_bytes(Path::new(place), module::MAX)?;
    let unpacked = Compressor::Zstd.decode(&packed, module::MAX);
    unpacked.map_err(|error| sys::Error::refusal(place, &error.to_string()))
}

/// A thread's part: one hears of devices for as long as the program runs, the others
/// load what is to be loaded.
struct Part {
    shared: Arc<Shared>,
    is_watching: bool,
}

impl Work for Part {
    type Place = ();
    type Product<'p> = ();

    fn run(self, _: &(), _: &Shelf<()>) {
        match self.is_watching {
            true => self.shared.watch(),
            false => self.shared.load_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::console::Console;
    use crate::trust::verify::Mode;

    /// Nothing of it is on this machine, so that nothing is ever loaded.
    fn started(table: &str) -> Drivers {
        let text = format!("turnout-drivers 1\n{table}");
        let drivers = table::parse(text.leak()).unwrap().leak();
        let config = Config::new(Mode::Locked);
        let shared = Arc::new(Shared::new(drivers, "no-such-release", &config).unwrap());
        shared.begin();
        Drivers(Some(shared))
    }

    fn said(drivers: &Drivers) -> Vec<String> {
        core::mem::take(&mut drivers.0.as_ref().unwrap().lock().news.said)
    }

    #[test]
    fn only_what_brings_devices_waits_for_them() {
        let text = "turnout-drivers 1\ndriver ahci.ko\nclass storage\nalias pci:v*\n\
                    driver libata.ko\nclass storage\ndriver ext4.ko\nclass filesystem\nalias fs-ext4\n\
                    driver crc.ko\nalias cpu:type:x\nalias crypto-crc32c\n\
                    driver loop.ko\nclass storage\nalias devname:loop-control\n\
                    driver xhci.ko\nclass usb\nalias pci:v*\ndriver tpm.ko\nclass tpm\nalias acpi*:X:*\n";
        let drivers = table::parse(text).unwrap();
        let probing: Vec<_> = drivers.iter().filter(|driver| probes(driver)).collect();
        let names: Vec<_> = probing.iter().map(|driver| driver.name.as_str()).collect();
        assert_eq!(names, ["ahci", "tpm"]);
    }

    const MISSING: &str = "/lib/modules/no-such-release/bus.ko: No such file or directory (os \
                           error 2)";

    #[test]
    fn what_is_always_loaded_is_waited_for_and_only_the_first_failure_is_said() {
        clock::start();
        let drivers = started(
            "driver disk.ko\nneeds bus\nalways\ndriver bus.ko\nalways\n\
             driver idle.ko\nalias turnout-test:nothing\n",
        );
        drivers.settle(&Voice::on(&Console::silent()));
        assert_eq!(said(&drivers), [MISSING]);
        assert!(matches!(drivers.state(1), State::Failed(_)));
        assert_eq!((drivers.state(0), drivers.state(2)), (State::Without, State::Idle));
        assert_eq!(drivers.busy_with(), None);
        assert_eq!(drivers.last_load().map(|(name, _)| name), Some("bus"));
    }

    #[test]
    fn a_file_system_is_loaded_when_it_was_seen_and_each_once() {
        clock::start();
        let drivers = started("driver ext9.ko\nneeds bus\nalias fs-ext9\ndriver bus.ko\n");
        drivers.settle(&Voice::on(&Console::silent()));
        assert_eq!(drivers.state(1), State::Idle);
        drivers.load("fs-ext9");
        drivers.load("fs-ext9");
        drivers.load("fs-vfat");
        assert_eq!(said(&drivers), [MISSING]);
        assert_eq!(drivers.state(0), State::Without);
    }

    /// A loader of which no thread does anything.
    fn idle(table: &str) -> Drivers {
        let text = format!("turnout-drivers 1\n{table}");
        let drivers = table::parse(text.leak()).unwrap().leak();
        let shared = Shared::new(drivers, "no-such-release", &Config::new(Mode::Locked)).unwrap();
        shared.lock().is_over = true;
        Drivers(Some(Arc::new(shared)))
    }

    #[test]
    fn devices_that_nobody_hears_of_are_not_waited_for_for_ever() {
        let drivers = idle("driver ahci.ko\nalias pci:*\n");
        let mut inner = drivers.0.as_ref().unwrap().lock();
        assert!(inner.is_unheard(SLOW) && !inner.is_unheard(HEARING));
        inner.is_watched = false;
        assert!(!inner.is_unheard(Duration::ZERO));
    }

    /// A RAID controller has been seen to take 42 s, which leaves a watchdog of 30 s nothing.
    #[test]
    fn a_slow_driver_is_waited_for_before_a_watchdog_counts() {
        assert_eq!(farewell(true), LIMIT);
        assert!(farewell(false) < farewell(true));
    }

    #[test]
    fn what_holds_up_the_jump_is_named() {
        let drivers = idle("driver ahci.ko\nalias pci:*\n");
        assert_eq!(drivers.held(), None);
        let shared = drivers.0.as_ref().unwrap();
        shared.lock().queue.want(0, Rank::Disk);
        assert_eq!(shared.lock().queue.next(Duration::ZERO), Some(0));
        let said = "ahci: still starting: the jump waits, and a reset follows if that never ends";
        assert_eq!(drivers.held().as_deref(), Some(said));
    }

    #[test]
    fn a_file_system_that_does_not_come_is_done_without() {
        clock::start();
        let drivers = idle("driver efivarfs.ko\nalias fs-efivarfs\n");
        drivers.file_system_soon("efivarfs", &Voice::on(&Console::silent()));
        assert_eq!(drivers.state(0), State::Waiting);
    }

    #[test]
    fn a_file_system_on_what_was_plugged_in_has_no_other_class_loaded() {
        use crate::source::{FileSystem, filesystem::Kind};
        clock::start();
        let drivers = started("driver btrfs.ko\nclass network\nalias fs-btrfs\n");
        let mut candidate = Candidate {
            name: "sda1".to_owned(),
            disk: "sda".to_owned(),
            kind: None,
            is_partitioned: false,
            no_auto: false,
            partuuid: None,
            partlabel: None,
            filesystem: Some(FileSystem { kind: Kind::Btrfs, uuid: None, label: None }),
            member: None,
            removable: true,
            size: 1 << 30,
            fault: None,
        };
        let refusal = drivers.load_for(&candidate).unwrap_err();
        assert!(refusal.contains("fs-btrfs: its driver btrfs is of class network"), "{refusal}");
        assert_eq!(drivers.state(0), State::Idle);
        candidate.removable = false;
        assert_eq!(drivers.load_for(&candidate), Ok(()));
        assert_ne!(drivers.state(0), State::Idle);
        // It is there, or cannot be: nothing would be loaded.
        candidate.removable = true;
        assert_eq!(drivers.load_for(&candidate), Ok(()));
    }

    #[test]
    fn a_device_that_somebody_puts_in_has_no_other_class_loaded() {
        clock::start();
        let drivers = started(
            "driver net.ko\nclass network\nalias usb:v1*\ndriver hid.ko\nclass keyboard\nalias usb:v2*\n",
        );
        let shared = drivers.0.as_ref().unwrap();
        drivers.settle(&Voice::on(&Console::silent()));
        shared.consider("usb:v1p2", true);
        shared.consider("usb:v1p3", true);
        shared.consider("usb:v2p2", true);
        assert_eq!(drivers.state(0), State::Idle);
        assert_ne!(drivers.state(1), State::Idle);
        let said = said(&drivers);
        assert!(said.len() == 1 && said[0].contains("net is of class network"), "{said:?}");
        drivers.end(&Voice::on(&Console::silent()), false);
    }
}
