//! The one table of commands.
//!
//! The parser, `--help`, manual pages and completions are made of it.

use super::finish;
use super::flags::{
    ARCH, CLEAR, CMDLINE, CRASH, DRY_RUN, ENGINE, FILES, Flag, Group, JSON, LAST_GOOD, LEAVE,
    MACHINE, MANIFEST, NEXT_START, RETRY, SETTLE, SOURCE, STATE, TRUST,
};
use super::misuse::Misuse;
use super::typed::Typed;
use super::values::Command;

/// A command, what it takes, and what it makes of it.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) operands: Operands,
    /// What it does, in a line.
    pub(super) about: &'static str,
    pub(super) options: &'static [&'static Group],
    pub(super) finish: fn(Typed) -> Result<Command, Misuse>,
}

/// The words that a command takes besides options.
pub(super) struct Operands {
    /// As its usage has them.
    pub(super) shown: &'static str,
    /// What the first, second, ... is: see [`crate::cli::words::Kind::of`].
    pub(super) takes: &'static [&'static str],
    /// What it cannot do without.
    pub(super) needs: Option<&'static str>,
}

const NONE: Operands = Operands { shown: "", takes: &[], needs: None };

const ENTRY: Operands = Operands { shown: "[ENTRY]", takes: &["ENTRY"], needs: None };

impl Row {
    pub(super) fn flags(&self) -> impl Iterator<Item = &'static Flag> {
        self.options.iter().flat_map(|group| group.flags)
    }
}

/// Every command, in the order of the help.
pub(super) static COMMANDS: [Row; 15] = [
    Row {
        name: "load",
        operands: Operands {
            shown: "./KERNEL | ENTRY",
            takes: &["ENTRY|FILE"],
            needs: Some("a kernel"),
        },
        about: "load a kernel, or an entry of the menu",
        options: &[
            &FILES, &CMDLINE, &ENGINE, &CRASH, &DRY_RUN, &SOURCE, &TRUST, &ARCH, &MACHINE, &JSON,
        ],
        finish: finish::load,
    },
    Row {
        name: "unload",
        operands: NONE,
        about: "take out again what is loaded",
        options: &[&CRASH],
        finish: finish::unload,
    },
    Row {
        name: "exec",
        operands: NONE,
        about: "start what is loaded, at once",
        options: &[],
        finish: finish::exec,
    },
    Row {
        name: "boot",
        operands: ENTRY,
        about: "leave this system for an entry of the menu",
        options: &[&LEAVE, &RETRY, &SOURCE, &TRUST, &JSON],
        finish: finish::boot,
    },
    Row {
        name: "check",
        operands: NONE,
        about: "whether this machine can leave by kexec",
        options: &[&NEXT_START, &SOURCE, &TRUST, &ARCH, &JSON],
        finish: finish::check,
    },
    Row {
        name: "bless",
        operands: ENTRY,
        about: "confirm the start that led here",
        options: &[&STATE, &JSON],
        finish: finish::bless,
    },
    Row {
        name: "slot",
        operands: Operands {
            shown: "[list | set-primary NAME | set-state NAME good | \
                    set-state NAME bad [--force] | install NAME [--force]]",
            takes: &["list|set-primary|set-state|install", "SLOT", "good|bad"],
            needs: None,
        },
        about: "show or change the slots",
        options: &[&LAST_GOOD, &STATE, &JSON],
        finish: finish::slot,
    },
    Row {
        name: "set-default",
        operands: Operands { shown: "ID | @saved | --clear", takes: &["ID"], needs: None },
        about: "what boots if nobody chooses",
        options: &[&CLEAR, &STATE, &JSON],
        finish: finish::set_default,
    },
    Row {
        name: "set-oneshot",
        operands: Operands { shown: "ID | --clear", takes: &["ID"], needs: None },
        about: "what boots next, once",
        options: &[&CLEAR, &STATE, &JSON],
        finish: finish::set_oneshot,
    },
    Row {
        name: "history",
        operands: NONE,
        about: "the last starts, and how they ended",
        options: &[&STATE, &JSON],
        finish: finish::history,
    },
    Row {
        name: "list",
        operands: NONE,
        about: "the entries of the menu",
        options: &[&SOURCE, &TRUST, &ARCH, &JSON],
        finish: finish::list,
    },
    Row {
        name: "explain",
        operands: ENTRY,
        about: "what would boot, and why",
        options: &[&SOURCE, &TRUST, &ARCH, &MACHINE, &JSON],
        finish: finish::explain,
    },
    Row {
        name: "verify",
        operands: Operands { shown: "[ENTRY | --manifest FILE]", takes: &["ENTRY"], needs: None },
        about: "whether the menu, or one entry, is signed",
        options: &[&MANIFEST, &SOURCE, &TRUST, &ARCH, &JSON],
        finish: finish::verify,
    },
    Row {
        name: "status",
        operands: NONE,
        about: "what is loaded, and how this system came up",
        options: &[&SETTLE, &STATE, &JSON],
        finish: finish::status,
    },
    Row {
        name: "image",
        operands: Operands { shown: "FILE", takes: &["FILE"], needs: Some("a file") },
        about: "what a kernel's file is",
        options: &[&JSON],
        finish: finish::image,
    },
];
