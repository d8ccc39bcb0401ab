//! What was typed behind a command, option by option, before the command makes sense of it.
//!
//! Nothing is read or looked up here; an option that contradicts another is refused.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lexopt::prelude::ValueExt as _;

use super::super::cmdline::Cmdline;
use super::misuse::Misuse;
use super::values::{Asked, Leave, Load};
use crate::base::arch::Arch;
use crate::plan::{Decompress, Request};
use crate::source::StateDevice;

/// Why `verify` does nothing.
pub(super) const ONE_OF_ENTRY_AND_MANIFEST: &str = "only one of ENTRY and --manifest, once";

pub(super) type Taken = Result<(), lexopt::Error>;

/// Everything that can be typed, whatever the command.
#[derive(Default)]
pub(super) struct Typed {
    /// The words besides the options.
    pub(super) words: VecDeque<OsString>,
    pub(super) load: Load,
    pub(super) asked: Asked,
    pub(super) manifest: Option<PathBuf>,
    pub(super) arch: Option<Arch>,
    pub(super) state: Option<StateDevice>,
    pub(super) leave: Leave,
    pub(super) retry: bool,
    pub(super) force: bool,
    pub(super) clear: bool,
    pub(super) settle: bool,
    pub(super) next_start: bool,
    pub(super) json: bool,
}

impl Typed {
    pub(super) fn source(&mut self, name: &str, value: &OsStr) -> Taken {
        Ok(self.asked.source.take(name, value)?)
    }

    pub(super) fn set_leave(&mut self, leave: Leave) -> Taken {
        if self.leave != Leave::Orderly {
            return Err("only one of --now, --firmware, --stage and --defer, once".into());
        }
        self.leave = leave;
        Ok(())
    }

    pub(super) fn set_cmdline(&mut self, cmdline: Cmdline) -> Taken {
        if self.load.cmdline != Cmdline::Own {
            return Err("only one of --cmdline, --append and --reuse-cmdline, once".into());
        }
        self.load.cmdline = cmdline;
        Ok(())
    }

    pub(super) fn set_manifest(&mut self, path: PathBuf) -> Taken {
        match self.manifest.replace(path) {
            Some(_) => Err(ONE_OF_ENTRY_AND_MANIFEST.into()),
            None => Ok(()),
        }
    }

    /// The next word as text.
    pub(super) fn word(&mut self) -> Result<Option<String>, lexopt::Error> {
        self.words.pop_front().map(OsString::string).transpose()
    }

    /// The next word as a path; empty where there is none.
    pub(super) fn path(&mut self) -> PathBuf {
        self.words.pop_front().unwrap_or_default().into()
    }

    pub(super) fn asked(self) -> Result<Asked, Misuse> {
        self.asked.source.check()?;
        Ok(Asked { arch: self.arch, json: self.json, ..self.asked })
    }
}

/// An option of which the last counts.
pub(super) fn set<T>(place: &mut T, value: T) -> Taken {
    *place = value;
    Ok(())
}

/// An option that can be there several times.
pub(super) fn add<T>(list: &mut Vec<T>, value: T) -> Taken {
    list.push(value);
    Ok(())
}

pub(super) fn once<T>(place: &mut Option<T>, name: &str, value: T) -> Taken {
    if place.replace(value).is_some() {
        return Err(format!("--{name} is there twice").into());
    }
    Ok(())
}

pub(super) fn engine(word: &str) -> Result<Request, &'static str> {
    Request::parse(word).ok_or("it is auto, file or segments")
}

pub(super) fn decompress(word: &str) -> Result<Decompress, &'static str> {
    Decompress::parse(word).ok_or("it is auto, always or never")
}

pub(super) fn arch_of(word: &str) -> Result<Arch, &'static str> {
    Arch::parse(word).ok_or("it is x86_64 or aarch64")
}

pub(super) fn state_device(word: &str) -> Result<StateDevice, &'static str> {
    StateDevice::parse(word).ok_or("it is PARTUUID=..., PARTLABEL=... or /dev/...")
}

pub(super) fn page_size(word: &str) -> Result<u64, &'static str> {
    let size = word.parse().ok();
    size.filter(|size| [4096, 16384, 65536].contains(size)).ok_or("it is 4096, 16384 or 65536")
}
