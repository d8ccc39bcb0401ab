//! Every option of every command: what it is called, what it takes, what it is for, and
//! what it does with what was typed.
//!
//! The parser, `--help`, manual pages and completions are made of these. So each is said in
//! a few words: they are bytes of the program.

use std::ffi::OsString;

use lexopt::prelude::ValueExt as _;

use super::super::cmdline::Cmdline;
use super::typed::{self, Taken, Typed, add, once, set};
use super::values::Leave;
use crate::plan::Slot;

/// An option, and what it does with what was typed.
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) take: Take,
    /// Whether it can be there several times.
    pub(super) repeats: bool,
    /// What it is for, in a few words.
    pub(super) about: &'static str,
}

pub(super) enum Take {
    Alone(fn(&mut Typed) -> Taken),
    /// With what its value is called: see [`crate::cli::words::Kind::of`].
    Value(&'static str, fn(&mut Typed, OsString) -> Taken),
}

/// Options that belong together.
pub(super) struct Group {
    pub(super) shown: Shown,
    pub(super) flags: &'static [Flag],
}

/// How a command's usage shows a group.
pub(super) enum Shown {
    /// Each by itself.
    Each,
    /// As a choice.
    OneOf,
    /// Not again: what the command takes besides options says where they go.
    InOperands,
    /// By this word for all of them, which is explained so.
    Family(&'static str, &'static str),
}

const fn alone(name: &'static str, about: &'static str, take: fn(&mut Typed) -> Taken) -> Flag {
    Flag { name, take: Take::Alone(take), repeats: false, about }
}

const fn value(
    name: &'static str,
    what: &'static str,
    about: &'static str,
    take: fn(&mut Typed, OsString) -> Taken,
) -> Flag {
    Flag { name, take: Take::Value(what, take), repeats: false, about }
}

const fn each(flags: &'static [Flag]) -> Group {
    Group { shown: Shown::Each, flags }
}

impl Flag {
    const fn repeated(self) -> Self {
        Self { repeats: true, ..self }
    }

    pub(super) fn typed(&self) -> String {
        format!("--{}", self.name)
    }

    /// What its value is called; none where it takes none.
    pub(super) fn value(&self) -> Option<&'static str> {
        match self.take {
            Take::Alone(_) => None,
            Take::Value(what, _) => Some(what),
        }
    }
}

pub(super) static FILES: Group = each(&[
    value("initrd", "FILE", "an initrd; several go in this order", |typed, file| {
        add(&mut typed.load.initrds, file.into())
    })
    .repeated(),
    value("dtb", "FILE", "the device tree", |typed, file| {
        once(&mut typed.load.devicetree, "dtb", file.into())
    }),
    value("dtb-overlay", "FILE", "is merged into the device tree", |typed, file| {
        add(&mut typed.load.overlays, file.into())
    })
    .repeated(),
]);

pub(super) static CMDLINE: Group = Group {
    shown: Shown::OneOf,
    flags: &[
        value("cmdline", "TEXT", "the command line", |typed, text| {
            typed.set_cmdline(Cmdline::Given(text.string()?))
        }),
        value("append", "TEXT", "the UKI's, else the running kernel's, and TEXT", |typed, text| {
            typed.set_cmdline(Cmdline::Append(text.string()?))
        }),
        alone("reuse-cmdline", "the running kernel's command line", |typed| {
            typed.set_cmdline(Cmdline::Reuse)
        }),
    ],
};

pub(super) static ENGINE: Group = each(&[
    value(
        "engine",
        "auto|file|segments",
        "file: kexec_file_load, segments: kexec_load",
        |typed, word| set(&mut typed.load.request, word.parse_with(typed::engine)?),
    ),
    value("vmlinux", "auto|always|never", "unpack a bzImage before the jump", |typed, word| {
        set(&mut typed.load.decompress, word.parse_with(typed::decompress)?)
    }),
]);

pub(super) static CRASH: Group =
    each(&[alone("crash", "for the next panic", |typed| set(&mut typed.load.slot, Slot::Crash))]);

pub(super) static DRY_RUN: Group =
    each(&[alone("dry-run", "show the plan, load nothing", |typed| {
        set(&mut typed.load.dry_run, true)
    })]);

/// How this system is left.
pub(super) static LEAVE: Group = Group {
    shown: Shown::OneOf,
    flags: &[
        alone("now", "without stopping services", |typed| typed.set_leave(Leave::Now)),
        alone("firmware", "by the firmware, this once", |typed| typed.set_leave(Leave::Firmware)),
        alone("stage", "only load it", |typed| typed.set_leave(Leave::Stage)),
        alone("defer", "load it once services have stopped", |typed| typed.set_leave(Leave::Defer)),
        alone("deferred", "for turnout-defer.service: load it now", |typed| {
            typed.set_leave(Leave::Deferred)
        }),
        alone("staged", "for turnout-stage.service: verify it again", |typed| {
            typed.set_leave(Leave::Staged)
        }),
    ],
};

pub(super) static RETRY: Group = each(&[
    alone("retry", "also where these two kernels have failed", |typed| set(&mut typed.retry, true)),
    alone("force", "the same, and whatever \"turnout check\" finds", |typed| {
        set(&mut typed.force, true)
    }),
]);

pub(super) static LAST_GOOD: Group = Group {
    shown: Shown::InOperands,
    flags: &[alone("force", "even the last good slot", |typed| set(&mut typed.force, true))],
};

pub(super) static NEXT_START: Group =
    each(&[alone("next-start", "only what the next start finds", |typed| {
        set(&mut typed.next_start, true)
    })]);

pub(super) static SETTLE: Group =
    each(&[alone("settle", "write down how this system came up", |typed| {
        set(&mut typed.settle, true)
    })]);

pub(super) static CLEAR: Group = Group {
    shown: Shown::InOperands,
    flags: &[alone("clear", "forget what was set", |typed| set(&mut typed.clear, true))],
};

pub(super) static MANIFEST: Group = Group {
    shown: Shown::InOperands,
    flags: &[value("manifest", "FILE", "this manifest, and the files that it names", {
        |typed, file| typed.set_manifest(file.into())
    })],
};

pub(super) static JSON: Group =
    each(&[alone("json", "answer in JSON", |typed| set(&mut typed.json, true))]);

/// Where the machine's state is, where no type of partition says so.
pub(super) static STATE: Group = each(&[value(
    "state-device",
    "DEV",
    "the state area (also PARTUUID=, PARTLABEL=)",
    |typed, device| once(&mut typed.state, "state-device", device.parse_with(typed::state_device)?),
)]);

pub(super) static ARCH: Group =
    each(&[value("arch", "x86_64|aarch64", "the machine's architecture", |typed, word| {
        once(&mut typed.arch, "arch", word.parse_with(typed::arch_of)?)
    })]);

/// Where the menu is.
pub(super) static SOURCE: Group = Group {
    shown: Shown::Family("SOURCE", "the boot partitions; without it this machine's"),
    flags: &[
        value("root", "DIR", "mounted here; of several NAME=DIR[,uuid=U]...", |typed, value| {
            typed.source("root", &value)
        })
        .repeated(),
        value("device", "DEV", "this one, not mounted", |typed, value| {
            typed.source("device", &value)
        }),
        value("config", "PATH", "only this menu file on it", |typed, value| {
            typed.source("config", &value)
        }),
        value(
            "format",
            "bls|uki|extlinux|grub|native|kboot",
            "what that file is",
            |typed, value| typed.source("format", &value),
        ),
    ],
};

/// Whose signatures count, and for which machine.
pub(super) static TRUST: Group = Group {
    shown: Shown::Family("TRUST", "whose signatures count, and for which machine"),
    flags: &[
        value("keys", "FILE", "the key ring", |typed, file| {
            once(&mut typed.asked.keys, "keys", file.into())
        }),
        value("policy", "FILE", "the policy", |typed, file| {
            once(&mut typed.asked.policy, "policy", file.into())
        }),
        value("board", "NAME", "the machine's board", |typed, name| {
            add(&mut typed.asked.boards, name.string()?)
        })
        .repeated(),
        value("device-id", "TEXT", "the machine's id", |typed, id| {
            add(&mut typed.asked.devices, id.string()?)
        })
        .repeated(),
    ],
};

/// A machine that is described by files.
pub(super) static MACHINE: Group = Group {
    shown: Shown::Family("MACHINE", "another machine to plan for (load: with --dry-run)"),
    flags: &[
        value("iomem", "FILE", "its /proc/iomem, as root reads it", |typed, file| {
            once(&mut typed.load.inputs.iomem, "iomem", file.into())
        }),
        value("memmap", "DIR", "its /sys/firmware/memmap", |typed, file| {
            once(&mut typed.load.inputs.memmap, "memmap", file.into())
        }),
        value("boot-params", "FILE", "its /sys/kernel/boot_params/data", |typed, file| {
            once(&mut typed.load.inputs.boot_params, "boot-params", file.into())
        }),
        value("fdt", "FILE", "its /sys/firmware/fdt", |typed, file| {
            once(&mut typed.load.inputs.fdt, "fdt", file.into())
        }),
        value("page-size", "4096|16384|65536", "of its kernel", |typed, size| {
            once(&mut typed.load.inputs.page_size, "page-size", size.parse_with(typed::page_size)?)
        }),
    ],
};
