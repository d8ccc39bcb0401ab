//! What the image was built to do: `/etc/turnout/config`, written by
//! mkinitramfs and never read from a disk.
//!
//! Lines of `key value`; `#` starts a comment line; every key but `slot` at most once.
//! A missing `mode` is an error: nothing here may turn into open by itself.

use core::fmt;
use core::time::Duration;

use crate::drivers::gate::Classes;
use crate::menu::Limits;
use crate::plan::{Decompress, Request};
use crate::rollback::Strength;
use crate::slots::rules::{Count, Rules};
use crate::slots::{self, MAX_TRIES};
use crate::source::{Scan, Selector, StateDevice};
use crate::trust::verify::Mode;

/// Where an image has it.
pub const PATH: &str = "/etc/turnout/config";

/// The settings of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whether anything unsigned may boot.
    pub mode: Mode,
    /// Which device holds the menu.
    pub device: Selector,
    /// Which devices are looked at where none is named; none where the mode
    /// decides.
    pub scan: Option<Scan>,
    /// How long to wait for a menu.
    pub wait: Duration,
    /// How long the reason stays on the console before a reset.
    pub reset_delay: Duration,
    /// How often discovery and every entry are tried before the reset.
    pub attempts: u32,
    /// Which system call loads the next kernel.
    pub engine: Request,
    /// What becomes of the watchdogs at the jump.
    pub watchdog: Watchdog,
    /// Which watchdogs are served from the start on.
    pub watchdog_start: WatchdogStart,
    /// How long a start may take that nobody attends; none where the other times
    /// decide.
    pub start_limit: Option<StartLimit>,
    /// Names of drivers that are taken off their devices before the jump.
    pub unbind: Vec<String>,
    /// Names of modules whose drivers stay on their devices, whatever the rules for
    /// leaving say; `all` for every one.
    pub keep_bound: Vec<String>,
    /// Classes whose drivers load for what is plugged in; none where the mode decides
    /// ([`Config::hotplug`]).
    pub hotplug: Option<Classes>,
    /// Whether a bzImage is unpacked before it is started.
    pub vmlinux: Decompress,
    /// Lowest security version that a boot entry may have, whatever any store
    /// says.
    pub floor: u32,
    /// The same for recovery entries.
    pub recovery_floor: u32,
    /// What keeps older systems out.
    pub rollback: Strength,
    /// Where the machine's state is.
    pub state_device: StateDevice,
    /// Whether a store that is absent may be made: an image for the factory.
    pub provision: bool,
    /// What becomes of a boot without a TPM; none where `rollback` decides
    /// ([`Config::tpm`]).
    pub tpm: Option<Tpm>,
    /// What becomes of the TPM's platform hierarchy; none where [`Config::tpm`]
    /// decides.
    pub platform: Option<Platform>,
    /// How long the TPM may take, all its answers together.
    pub tpm_timeout: Duration,
    /// Whether the sections of a unified kernel image are measured into PCR 11.
    pub measure_uki: bool,
    /// The slots that the image declares, the first one first.
    pub slots: Vec<Declared>,
    /// Which starts are counted; none where that depends on `slots`.
    pub count: Option<Count>,
    /// How often a slot is tried that nobody has confirmed.
    pub tries: u8,
    /// After how many confirmed starts of a default the countdown is left out; never
    /// where there is none.
    pub instant: Option<u8>,
    /// Whether the menu is drawn with colour where it helps.
    pub colour: bool,
    /// Whether the EFI variables of boot loaders are read and written.
    pub efi_variables: bool,
    /// What a device may cost before anything of it is verified.
    pub unverified: Limits,
}

/// A slot that the image declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// What it is called.
    pub name: String,
    /// The device that holds its menu; none where the entries that are of it say so
    /// (`turnout-slot`).
    pub device: Option<Selector>,
}

/// Whether a boot needs a TPM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tpm {
    /// It is not looked for.
    Off,
    /// Without one nothing is measured.
    Optional,
    /// Without one no boot entry boots.
    Required,
}

/// What becomes of the platform hierarchy of the TPM, with which its banks can be
/// changed and its indexes cleared, until the machine is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Nothing that is started can use it.
    Close,
    /// It stays as the firmware has left it.
    Leave,
}

/// What becomes of the machine's watchdogs at the jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watchdog {
    /// They are left as they are.
    Off,
    /// They are armed with a timeout of so many seconds.
    Seconds(u32),
    /// They are stopped.
    Disarm,
}

/// Which of the machine's watchdogs are served from PID 1's start on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchdogStart {
    /// None.
    Off,
    /// Those that run already.
    Auto,
    /// All, with a timeout of so many seconds.
    Seconds(u32),
}

/// How long a start may take that nobody attends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartLimit {
    /// As long as it will.
    Off,
    /// So long.
    After(Duration),
}

/// What is wrong with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The file's name, as the caller knows it.
    pub file: String,
    /// Line, counted from 1; 0 where the fault is an absence.
    pub line: usize,
    /// What is wrong there.
    pub kind: ErrorKind,
}

/// The kinds of [`Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// No such key.
    UnknownKey(String),
    /// The key stands on an earlier line too.
    DuplicateKey(String),
    /// The key's value cannot be read: key, value, what would be right.
    Value(&'static str, String, &'static str),
    /// The key has to be there.
    MissingKey(&'static str),
    /// `rollback enforced` with `tpm off`.
    NoTpmToEnforce,
    /// `rollback enforced` with `tpm optional`.
    OptionalTpmToEnforce,
    /// `tpm-platform close` with `tpm off`.
    NoTpmToClose,
    /// More slots than are kept.
    TooManySlots,
    /// Two slots of one name, or on one device.
    SameSlot(String),
    /// `instant` where good starts are not counted.
    NoCountForInstant,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.kind),
            line => write!(f, "{}:{line}: {}", self.file, self.kind),
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey(key) => write!(f, "unknown key \"{key}\""),
            Self::DuplicateKey(key) => write!(f, "\"{key}\" was set on an earlier line"),
            Self::Value(key, value, want) => {
                write!(f, "\"{value}\" is no value for \"{key}\": {want}")
            }
            Self::MissingKey(key) => write!(f, "\"{key}\" is not set"),
            Self::NoTpmToEnforce => f.write_str(
                "\"rollback enforced\" keeps its record in the TPM, and \"tpm off\" shuts it out",
            ),
            Self::OptionalTpmToEnforce => f.write_str(
                "\"rollback enforced\" needs \"tpm required\", and is that without a \"tpm\" line: \
                 take \"tpm optional\" out",
            ),
            Self::NoTpmToClose => {
                f.write_str("\"tpm-platform close\" asks for a TPM, and \"tpm off\" shuts it out")
            }
            Self::TooManySlots => write!(f, "there is room for {} slots, and here is one more", slots::MAX),
            Self::SameSlot(slot) => write!(f, "\"slot {slot}\" has the name or the device of an earlier one"),
            Self::NoCountForInstant => f.write_str(
                "\"instant\" goes by confirmed starts of good systems, which only \"count all\" counts",
            ),
        }
    }
}

impl core::error::Error for Error {}

/// Seconds: an hour at most, so that no sum of them overflows.
const MAX_SECONDS: u64 = 3600;
/// What a start may take beside the waits that are set.
const START_TIME: Duration = Duration::from_secs(900);
/// How long a disk may give nothing of what is read to be started: the drivers of
/// disks give up before, and say so.
pub const STALL: Duration = Duration::from_secs(120);
const MAX_ATTEMPTS: u32 = 100;
const MAX_DRIVERS: usize = 32;

const MODE: &str = "locked or open";
const DEVICE: &str = "auto, PARTUUID=..., UUID=..., LABEL=... or PARTLABEL=...";
const SCAN: &str = "boot or all";
const SECONDS: &str = "a number of seconds, 0 to 3600";
const ATTEMPTS: &str = "a number from 1 to 100";
const ENGINE: &str = "auto, file or segments";
const WATCHDOG: &str = "off, disarm or a number of seconds, 1 to 3600";
const WATCHDOG_START: &str = "auto, off or a number of seconds, 10 to 3600";
const START_LIMIT: &str = "off or a number of seconds, 10 to 86400";
const DRIVERS: &str = "1 to 32 names of drivers, with blanks between";
const KEPT: &str = "1 to 32 names of modules, with blanks between, or all";
const HOTPLUG: &str = "all, none or words of storage, usb, mmc, hypervisor, filesystem, keyboard, tpm, watchdog, \
                       network, display, serial, platform and other, with blanks between";
const VMLINUX: &str = "auto, always or never";
const FLOOR: &str = "a security version, 0 to 4294967295";
const ROLLBACK: &str = "off, advisory or enforced";
const STATE_DEVICE: &str = "auto, PARTUUID=..., PARTLABEL=... or /dev/...";
const TPM: &str = "off, optional or required";
const PLATFORM: &str = "close or leave";
const TPM_SECONDS: &str = "a number of seconds, 1 to 60";
const MEBIBYTES: &str = "a number of MiB, 1 to 1024";
const TIME: &str = "a number of seconds, 1 to 3600";
const SLOT: &str = "a name of 1 to 32 letters, digits and ._- that begins with one of the first two, and PARTUUID=..., UUID=..., LABEL=... or \
                    PARTLABEL=... of the device that holds its menu";
const COUNT: &str = "all, unconfirmed or off";
const TRIES: &str = "a number from 1 to 99";
const INSTANT: &str = "off or a number from 1 to 255";
const YES_OR_NO: &str = "yes or no";

impl Config {
    /// What an image does when only the mode is given.
    #[must_use]
    pub const fn new(mode: Mode) -> Self {
        Self {
            mode,
            device: Selector::Auto,
            scan: None,
            wait: Duration::from_secs(30),
            reset_delay: Duration::from_secs(10),
            attempts: 3,
            engine: Request::Auto,
            watchdog: Watchdog::Off,
            watchdog_start: WatchdogStart::Auto,
            start_limit: None,
            unbind: Vec::new(),
            keep_bound: Vec::new(),
            hotplug: None,
            vmlinux: Decompress::Auto,
            floor: 0,
            recovery_floor: 0,
            rollback: Strength::Off,
            state_device: StateDevice::ByType,
            provision: false,
            tpm: None,
            platform: None,
            tpm_timeout: Duration::from_secs(5),
            measure_uki: false,
            slots: Vec::new(),
            count: None,
            tries: slots::TRIES,
            instant: None,
            colour: true,
            efi_variables: true,
            unverified: Limits::DEFAULT,
        }
    }

    /// Which devices are looked at where none is named. A stranger's file system
    /// is a way to attack the kernel that mounts it: a locked image mounts none
    /// that is not there to boot from unless it is told to.
    #[must_use]
    pub fn scan(&self) -> Scan {
        let by_mode = match self.mode {
            Mode::Locked => Scan::Boot,
            Mode::Open => Scan::All,
        };
        self.scan.unwrap_or(by_mode)
    }

    /// Classes whose drivers load for what is plugged in. Whoever reaches a port of a
    /// locked image's machine is not to choose among all that was packed.
    #[must_use]
    pub fn hotplug(&self) -> Classes {
        let by_mode = match self.mode {
            Mode::Locked => Classes::LOCKED,
            Mode::Open => Classes::ALL,
        };
        self.hotplug.unwrap_or(by_mode)
    }

    /// Whether a boot needs a TPM. Where the TPM holds the record, it does: what
    /// boots unmeasured could write the record.
    #[must_use]
    pub fn tpm(&self) -> Tpm {
        let by_record = match self.rollback {
            Strength::Off | Strength::Advisory => Tpm::Optional,
            Strength::Enforced => Tpm::Required,
        };
        self.tpm.unwrap_or(by_record)
    }

    /// What becomes of the platform hierarchy. An image that boots nothing without
    /// its TPM has that to itself.
    #[must_use]
    pub fn platform(&self) -> Platform {
        let by_need = match self.tpm() {
            Tpm::Off | Tpm::Optional => Platform::Leave,
            Tpm::Required => Platform::Close,
        };
        self.platform.unwrap_or(by_need)
    }

    /// How long a start may take that nobody attends: by itself, what its waits
    /// take, a disk of each attempt that stops to answer among them, and a quarter
    /// of an hour for slow disks.
    #[must_use]
    pub fn start_limit(&self) -> Option<Duration> {
        match self.start_limit {
            Some(StartLimit::Off) => None,
            Some(StartLimit::After(limit)) => Some(limit),
            None => {
                let attempt = self.wait.saturating_add(STALL);
                Some(START_TIME.saturating_add(attempt.saturating_mul(self.attempts)))
            }
        }
    }

    /// How starts are counted. Where slots are declared somebody sees to it that they
    /// confirm themselves; elsewhere only what says by its file's name that it is to be
    /// tried so often is.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let is_declared = !self.slots.is_empty();
        let by_slots = if is_declared { Count::All } else { Count::Unconfirmed };
        Rules { count: self.count.unwrap_or(by_slots), tries: self.tries, is_declared }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), ErrorKind> {
        match key {
            "mode" => self.mode = parse("mode", value, mode, MODE)?,
            "device" => self.device = parse("device", value, device, DEVICE)?,
            "scan" => self.scan = Some(parse("scan", value, Scan::parse, SCAN)?),
            "wait" => self.wait = parse("wait", value, seconds, SECONDS)?,
            "reset-delay" => self.reset_delay = parse("reset-delay", value, seconds, SECONDS)?,
            "attempts" => self.attempts = parse("attempts", value, attempts, ATTEMPTS)?,
            "engine" => self.engine = parse("engine", value, Request::parse, ENGINE)?,
            "watchdog" => self.watchdog = parse("watchdog", value, watchdog, WATCHDOG)?,
            "watchdog-start" => {
                self.watchdog_start =
                    parse("watchdog-start", value, watchdog_start, WATCHDOG_START)?;
            }
            "start-limit" => {
                self.start_limit = Some(parse("start-limit", value, start_limit, START_LIMIT)?);
            }
            "unbind" => self.unbind = parse("unbind", value, drivers, DRIVERS)?,
            "keep-bound" => self.keep_bound = parse("keep-bound", value, kept, KEPT)?,
            "hotplug" => {
                self.hotplug = Some(parse("hotplug", value, Classes::parse, HOTPLUG)?);
            }
            "efi-variables" => {
                self.efi_variables = parse("efi-variables", value, yes_or_no, YES_OR_NO)?;
            }
            "vmlinux" => self.vmlinux = parse("vmlinux", value, Decompress::parse, VMLINUX)?,
            "slot" => self.declare(value)?,
            "count" => self.count = Some(parse("count", value, count, COUNT)?),
            "tries" => self.tries = parse("tries", value, tries, TRIES)?,
            "instant" => self.instant = parse("instant", value, instant, INSTANT)?,
            _ => return self.set_trust(key, value),
        }
        Ok(())
    }

    fn declare(&mut self, value: &str) -> Result<(), ErrorKind> {
        let new = parse("slot", value, declared, SLOT)?;
        let is_known = |old: &Declared| {
            old.name == new.name || (new.device.is_some() && old.device == new.device)
        };
        if self.slots.iter().any(is_known) {
            return Err(ErrorKind::SameSlot(value.to_owned()));
        }
        if self.slots.len() == slots::MAX {
            return Err(ErrorKind::TooManySlots);
        }
        self.slots.push(new);
        Ok(())
    }

    fn set_trust(&mut self, key: &str, value: &str) -> Result<(), ErrorKind> {
        match key {
            "floor" => self.floor = parse("floor", value, number, FLOOR)?,
            "recovery-floor" => {
                self.recovery_floor = parse("recovery-floor", value, number, FLOOR)?;
            }
            "rollback" => self.rollback = parse("rollback", value, Strength::parse, ROLLBACK)?,
            "state-device" => {
                self.state_device = parse("state-device", value, StateDevice::parse, STATE_DEVICE)?;
            }
            "provision" => self.provision = parse("provision", value, yes_or_no, YES_OR_NO)?,
            "tpm" => self.tpm = Some(parse("tpm", value, tpm, TPM)?),
            "tpm-platform" => {
                self.platform = Some(parse("tpm-platform", value, platform, PLATFORM)?);
            }
            "tpm-timeout" => {
                self.tpm_timeout = parse("tpm-timeout", value, tpm_seconds, TPM_SECONDS)?;
            }
            "unverified-memory" => {
                let memory = parse("unverified-memory", value, mebibytes, MEBIBYTES)?;
                self.unverified = Limits::new(memory, self.unverified.time);
            }
            "unverified-time" => {
                self.unverified.time = parse("unverified-time", value, budget_time, TIME)?;
            }
            "colour" => self.colour = parse("colour", value, yes_or_no, YES_OR_NO)?,
            "measure-uki" => self.measure_uki = parse("measure-uki", value, yes_or_no, YES_OR_NO)?,
            _ => return Err(ErrorKind::UnknownKey(key.to_owned())),
        }
        Ok(())
    }

    /// Settings that contradict each other: one of them would not hold.
    fn agrees(&self) -> Result<(), ErrorKind> {
        if self.instant.is_some() && self.rules().count != Count::All {
            return Err(ErrorKind::NoCountForInstant);
        }
        let enforces = self.rollback == Strength::Enforced;
        match self.tpm {
            Some(Tpm::Off) if enforces => Err(ErrorKind::NoTpmToEnforce),
            Some(Tpm::Optional) if enforces => Err(ErrorKind::OptionalTpmToEnforce),
            Some(Tpm::Off) if self.platform == Some(Platform::Close) => {
                Err(ErrorKind::NoTpmToClose)
            }
            _ => Ok(()),
        }
    }
}

/// Reads the configuration of an image. `file` names it in errors.
///
/// # Errors
/// The first line that cannot be read, the absence of `mode`, or two settings
/// that contradict each other.
pub fn read(file: &str, text: &str) -> Result<Config, Error> {
    // The value of `mode` here is never seen: without a `mode` line this fails.
    let mut config = Config::new(Mode::Locked);
    let mut seen: Vec<&str> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some((key, value)) = split(line) else { continue };
        let number = index.saturating_add(1);
        // Each declares another one.
        if seen.contains(&key) && key != "slot" {
            return Err(ErrorKind::DuplicateKey(key.to_owned()).at(file, number));
        }
        config.set(key, value).map_err(|kind| kind.at(file, number))?;
        seen.push(key);
    }
    if !seen.contains(&"mode") {
        return Err(ErrorKind::MissingKey("mode").at(file, 0));
    }
    config.agrees().map_err(|kind| kind.at(file, 0))?;
    Ok(config)
}

impl ErrorKind {
    fn at(self, file: &str, line: usize) -> Error {
        Error { file: file.to_owned(), line, kind: self }
    }
}

/// Key and value of a line; `None` for blank lines and comments.
fn split(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (key, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    Some((key, value.trim_start()))
}

fn parse<T>(
    key: &'static str,
    value: &str,
    read: impl FnOnce(&str) -> Option<T>,
    want: &'static str,
) -> Result<T, ErrorKind> {
    read(value).ok_or_else(|| ErrorKind::Value(key, value.to_owned(), want))
}

fn mode(value: &str) -> Option<Mode> {
    match value {
        "locked" => Some(Mode::Locked),
        "open" => Some(Mode::Open),
        _ => None,
    }
}

fn device(value: &str) -> Option<Selector> {
    Selector::parse(value).ok()
}

fn seconds(value: &str) -> Option<Duration> {
    value.parse().ok().filter(|seconds| *seconds <= MAX_SECONDS).map(Duration::from_secs)
}

fn attempts(value: &str) -> Option<u32> {
    value.parse().ok().filter(|attempts| (1..=MAX_ATTEMPTS).contains(attempts))
}

fn watchdog(value: &str) -> Option<Watchdog> {
    match value {
        "off" => Some(Watchdog::Off),
        "disarm" => Some(Watchdog::Disarm),
        _ => {
            let seconds = value.parse().ok();
            seconds.filter(|seconds| (1..=3600).contains(seconds)).map(Watchdog::Seconds)
        }
    }
}

fn watchdog_start(value: &str) -> Option<WatchdogStart> {
    match value {
        "off" => Some(WatchdogStart::Off),
        "auto" => Some(WatchdogStart::Auto),
        _ => {
            let seconds = value.parse().ok();
            seconds.filter(|seconds| (10..=3600).contains(seconds)).map(WatchdogStart::Seconds)
        }
    }
}

fn start_limit(value: &str) -> Option<StartLimit> {
    if value == "off" {
        return Some(StartLimit::Off);
    }
    let seconds = value.parse().ok().filter(|seconds| (10..=86_400).contains(seconds))?;
    Some(StartLimit::After(Duration::from_secs(seconds)))
}

fn number(value: &str) -> Option<u32> {
    value.parse().ok()
}

fn tpm(value: &str) -> Option<Tpm> {
    match value {
        "off" => Some(Tpm::Off),
        "optional" => Some(Tpm::Optional),
        "required" => Some(Tpm::Required),
        _ => None,
    }
}

fn platform(value: &str) -> Option<Platform> {
    match value {
        "close" => Some(Platform::Close),
        "leave" => Some(Platform::Leave),
        _ => None,
    }
}

fn tpm_seconds(value: &str) -> Option<Duration> {
    seconds(value).filter(|time| (1..=60).contains(&time.as_secs()))
}

/// In bytes.
fn mebibytes(value: &str) -> Option<u64> {
    let number: u64 = value.parse().ok()?;
    (1..=1024).contains(&number).then_some(number << 20)
}

fn budget_time(value: &str) -> Option<Duration> {
    seconds(value).filter(|time| !time.is_zero())
}

fn declared(value: &str) -> Option<Declared> {
    let (name, device) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    let device = match device.trim_start() {
        "" => None,
        device => Some(Selector::parse(device).ok().filter(|it| *it != Selector::Auto)?),
    };
    slots::is_name(name).then(|| Declared { name: name.to_owned(), device })
}

fn count(value: &str) -> Option<Count> {
    match value {
        "all" => Some(Count::All),
        "unconfirmed" => Some(Count::Unconfirmed),
        "off" => Some(Count::Off),
        _ => None,
    }
}

fn tries(value: &str) -> Option<u8> {
    value.parse().ok().filter(|tries| (1..=MAX_TRIES).contains(tries))
}

fn instant(value: &str) -> Option<Option<u8>> {
    match value {
        "off" => Some(None),
        _ => value.parse().ok().filter(|after| *after > 0).map(Some),
    }
}

fn yes_or_no(value: &str) -> Option<bool> {
    match value {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// Each becomes a part of a path.
fn drivers(value: &str) -> Option<Vec<String>> {
    let names: Vec<String> = value.split_ascii_whitespace().map(str::to_owned).collect();
    let good =
        (1..=MAX_DRIVERS).contains(&names.len()) && names.iter().all(|name| is_file_name(name));
    good.then_some(names)
}

/// Names of modules are written with `_` in the table.
fn kept(value: &str) -> Option<Vec<String>> {
    let names = drivers(value)?;
    Some(names.iter().map(|name| name.replace('-', "_")).collect())
}

fn is_file_name(name: &str) -> bool {
    !name.contains('/') && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Engine;

    fn error(text: &str) -> String {
        read("config", text).unwrap_err().to_string()
    }

    #[test]
    fn a_mode_alone_gives_the_defaults() {
        assert_eq!(read("config", "mode open\n").unwrap(), Config::new(Mode::Open));
    }

    #[test]
    fn every_key_is_read() {
        let text = "# made by mkinitramfs\n\nmode locked\ndevice LABEL=boot\nscan all\nwait 5\n\
                    reset-delay\t0\nattempts 2\nengine segments\nvmlinux never\n\
                    watchdog 180\nwatchdog-start 60\nstart-limit 600\nunbind xhci_hcd  mlx5_core\n\
                    floor 7\nrecovery-floor 4294967295\nrollback enforced\nprovision yes\n\
                    state-device PARTUUID=12345678-03\n\
                    tpm required\ntpm-platform leave\ntpm-timeout 60\nmeasure-uki yes\ncolour no\n\
                    efi-variables no\nunverified-time 9\nunverified-memory 128\n\
                    keep-bound sdhci-pci ena\nhotplug storage usb\n";
        let expected = Config {
            device: Selector::parse("LABEL=boot").unwrap(),
            scan: Some(Scan::All),
            wait: Duration::from_secs(5),
            reset_delay: Duration::ZERO,
            attempts: 2,
            engine: Request::Only(Engine::Segments),
            watchdog: Watchdog::Seconds(180),
            watchdog_start: WatchdogStart::Seconds(60),
            start_limit: Some(StartLimit::After(Duration::from_secs(600))),
            unbind: vec!["xhci_hcd".to_owned(), "mlx5_core".to_owned()],
            keep_bound: vec!["sdhci_pci".to_owned(), "ena".to_owned()],
            hotplug: Classes::parse("usb storage"),
            vmlinux: Decompress::Never,
            floor: 7,
            recovery_floor: u32::MAX,
            rollback: Strength::Enforced,
            state_device: StateDevice::parse("PARTUUID=12345678-03").unwrap(),
            provision: true,
            tpm: Some(Tpm::Required),
            platform: Some(Platform::Leave),
            tpm_timeout: Duration::from_secs(60),
            measure_uki: true,
            colour: false,
            efi_variables: false,
            unverified: Limits::new(128 << 20, Duration::from_secs(9)),
            ..Config::new(Mode::Locked)
        };
        assert_eq!(read("config", text).unwrap(), expected);
    }

    #[test]
    fn only_an_open_image_loads_every_driver_for_what_is_plugged_in_by_itself() {
        for (text, classes) in [
            ("mode locked\n", Classes::LOCKED),
            ("hotplug all\nmode locked\n", Classes::ALL),
            ("mode open\n", Classes::ALL),
            ("hotplug keyboard\nmode open\n", Classes::parse("keyboard").unwrap()),
        ] {
            assert_eq!(read("config", text).unwrap().hotplug(), classes, "{text}");
        }
    }

    #[test]
    fn only_an_open_image_looks_further_than_boot_partitions_by_itself() {
        for (text, scan) in [
            ("mode locked\n", Scan::Boot),
            ("scan all\nmode locked\n", Scan::All),
            ("mode open\n", Scan::All),
            ("scan boot\nmode open\n", Scan::Boot),
        ] {
            assert_eq!(read("config", text).unwrap().scan(), scan, "{text}");
        }
    }

    #[test]
    fn a_start_without_a_person_has_a_limit_that_covers_the_waits_unless_it_is_off() {
        for (text, limit) in [
            ("mode locked\n", Some(1350)),
            ("mode locked\nwait 3600\nattempts 100\n", Some(372_900)),
            ("mode locked\nstart-limit 60\n", Some(60)),
            ("mode locked\nstart-limit off\n", None),
        ] {
            let config = read("config", text).unwrap();
            assert_eq!(config.start_limit(), limit.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn an_absent_mode_is_an_error_and_never_open() {
        assert_eq!(error(""), "config: \"mode\" is not set");
        assert_eq!(error("wait 5\n"), "config: \"mode\" is not set");
    }

    #[test]
    fn settings_that_contradict_each_other_are_an_error() {
        let both = "mode locked\nrollback enforced\ntpm off\n";
        assert_eq!(
            error(both),
            "config: \"rollback enforced\" keeps its record in the TPM, \
             and \"tpm off\" shuts it out"
        );
        assert_eq!(
            error(&both.replace("off", "optional")),
            "config: \"rollback enforced\" needs \"tpm required\", and is that without a \"tpm\" \
             line: take \"tpm optional\" out"
        );
        assert_eq!(
            error("mode locked\ntpm off\ntpm-platform close\n"),
            "config: \"tpm-platform close\" asks for a TPM, and \"tpm off\" shuts it out"
        );
    }

    #[test]
    fn rollback_enforced_requires_the_tpm_and_closes_its_platform_hierarchy() {
        for (lines, tpm, platform) in [
            ("", Tpm::Optional, Platform::Leave),
            ("rollback advisory\n", Tpm::Optional, Platform::Leave),
            ("rollback enforced\n", Tpm::Required, Platform::Close),
            ("rollback enforced\ntpm-platform leave\n", Tpm::Required, Platform::Leave),
            ("tpm required\n", Tpm::Required, Platform::Close),
            ("tpm optional\ntpm-platform close\n", Tpm::Optional, Platform::Close),
            ("tpm off\n", Tpm::Off, Platform::Leave),
        ] {
            let config = read("config", &format!("mode locked\n{lines}")).unwrap();
            assert_eq!((config.tpm(), config.platform()), (tpm, platform), "{lines}");
        }
    }

    #[test]
    fn errors_name_file_line_and_value() {
        let cases = [
            ("mode ajar\n", "config:1: \"ajar\" is no value for \"mode\": locked or open"),
            (
                "mode open\nwait soon\n",
                "config:2: \"soon\" is no value for \"wait\": a number of seconds, 0 to 3600",
            ),
            (
                "mode open\nwait 3601\n",
                "config:2: \"3601\" is no value for \"wait\": a number of seconds, 0 to 3600",
            ),
            (
                "mode open\nattempts 0\n",
                "config:2: \"0\" is no value for \"attempts\": a number from 1 to 100",
            ),
            (
                "mode open\nwatchdog 0\n",
                "config:2: \"0\" is no value for \"watchdog\": \
                 off, disarm or a number of seconds, 1 to 3600",
            ),
            (
                "mode open\nwatchdog-start 9\n",
                "config:2: \"9\" is no value for \"watchdog-start\": \
                 auto, off or a number of seconds, 10 to 3600",
            ),
            (
                "mode open\nstart-limit 0\n",
                "config:2: \"0\" is no value for \"start-limit\": \
                 off or a number of seconds, 10 to 86400",
            ),
            (
                "mode open\nfloor -1\n",
                "config:2: \"-1\" is no value for \"floor\": a security version, 0 to 4294967295",
            ),
            (
                "mode open\nrollback maybe\n",
                "config:2: \"maybe\" is no value for \"rollback\": off, advisory or enforced",
            ),
            ("mode open\nscan some\n", "config:2: \"some\" is no value for \"scan\": boot or all"),
            ("mode open\nprovision\n", "config:2: \"\" is no value for \"provision\": yes or no"),
            (
                "mode open\ntpm yes\n",
                "config:2: \"yes\" is no value for \"tpm\": off, optional or required",
            ),
            (
                "mode open\ntpm-platform open\n",
                "config:2: \"open\" is no value for \"tpm-platform\": close or leave",
            ),
            (
                "mode open\ntpm-timeout 61\n",
                "config:2: \"61\" is no value for \"tpm-timeout\": a number of seconds, 1 to 60",
            ),
            (
                "mode open\nstate-device LABEL=state\n",
                "config:2: \"LABEL=state\" is no value for \"state-device\": \
                 auto, PARTUUID=..., PARTLABEL=... or /dev/...",
            ),
            ("mode open\nmode locked\n", "config:2: \"mode\" was set on an earlier line"),
            ("mode open\nmodes\n", "config:2: unknown key \"modes\""),
        ];
        for (text, expected) in cases {
            assert_eq!(error(text), expected);
        }
    }

    #[test]
    fn errors_say_which_words_a_list_takes() {
        let cases = [
            (
                "mode open\nhotplug disks\n",
                "config:2: \"disks\" is no value for \"hotplug\": all, none or words of storage, usb, \
                 mmc, hypervisor, filesystem, keyboard, tpm, watchdog, network, display, serial, \
                 platform and other, with blanks between",
            ),
            (
                "mode open\nunbind a ../b\n",
                "config:2: \"a ../b\" is no value for \"unbind\": \
                 1 to 32 names of drivers, with blanks between",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(error(text), expected);
        }
    }
}
