//! Every option of kexec-tools' command line, in one table: what it is called, what it
//! takes, and what becomes of it here.
//!
//! Help, manual pages and completions are made from the same rows; [`super::parse`]
//! knows no other names. Nothing is looked up or read.

use std::ffi::OsString;

use super::job::{Job, Mode};
use crate::base::arch::Arch;
use crate::cli::words;
use crate::plan::{Engine, Request};

/// A row.
pub(super) struct Row {
    /// Long names without the dashes, the one to show first.
    pub(super) names: &'static [&'static str],
    /// The letter.
    pub(super) short: Option<char>,
    /// What its value is; none where it takes none.
    pub(super) value: Option<&'static str>,
    /// Where kexec-tools has it.
    pub(super) on: On,
    /// What it is for, in a few words.
    pub(super) help: &'static str,
    pub(super) does: Does,
}

/// The architectures that an option is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Both,
    X86_64,
    Aarch64,
}

impl On {
    pub(super) fn has(self, arch: Arch) -> bool {
        match self {
            Self::Both => true,
            Self::X86_64 => arch == Arch::X86_64,
            Self::Aarch64 => arch == Arch::Aarch64,
        }
    }
}

/// What becomes of an option.
#[derive(Clone, Copy)]
pub(super) enum Does {
    /// It is answered, and nothing else is done.
    Answers(Answers),
    /// It is noted for the job.
    Sets(fn(&mut Job)),
    /// The same with its value.
    Takes(fn(&mut Job, OsString)),
    /// It changes nothing, and here is why.
    Accepted(&'static str),
    /// Nothing is loaded with it, and here is why.
    Refused(&'static str),
    /// A mode that there is not, and here is why.
    NoMode(&'static str),
}

/// What is answered at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    Help,
    Version,
    /// How much memory is reserved for a crash kernel.
    CrashSize,
}

/// An option without a value.
const fn plain(names: &'static [&'static str], help: &'static str, does: Does) -> Row {
    Row { names, short: None, value: None, on: On::Both, help, does }
}

impl Row {
    const fn letter(self, letter: char) -> Self {
        Self { short: Some(letter), ..self }
    }

    const fn value(self, what: &'static str) -> Self {
        Self { value: Some(what), ..self }
    }

    const fn on(self, on: On) -> Self {
        Self { on, ..self }
    }

    pub(super) fn described(&self) -> words::Opt {
        words::Opt {
            names: self.names.to_vec(),
            short: self.short,
            value: self.value,
            kind: self.value.map_or(words::Kind::Free, words::Kind::of),
            repeats: false,
            group: None,
            about: self.help,
        }
    }

    /// The name to show, with its dashes.
    pub(super) fn name(&self) -> String {
        format!("--{}", self.names.first().copied().unwrap_or_default())
    }

    /// Whether this is how one of its names begins.
    pub(super) fn begins_with(&self, start: &str) -> bool {
        self.names.iter().any(|name| name.starts_with(start))
    }

    /// A line of the help: every spelling, and what it is for.
    pub(super) fn line(&self) -> String {
        let letter = self.short.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
        let value = self.value.map_or(String::new(), |value| format!("={value}"));
        let names: Vec<_> = self.names.iter().map(|name| format!("--{name}{value}")).collect();
        let spelled = format!("  {letter}{}", names.join(", "));
        match self.does {
            Does::Refused(_) | Does::NoMode(_) => format!("{spelled:<42} (not done here)"),
            _ => format!("{spelled:<42} {}", self.help),
        }
    }
}

const NO_XEN: &str = "Turnout loads nothing for a Xen hypervisor";
const NO_WAY_BACK: &str = "Turnout only goes on to the next kernel, and never back to this one";
const PLACED: &str = "where things lie in memory is Turnout's to decide";
const MUTE: &str = "what runs between two kernels prints nothing through this";
const NOT_MULTIBOOT: &str = "Turnout loads Linux, and nothing by the multiboot protocol";
const LINUX_ONLY: &str = "Turnout hands over what Linux takes, and nothing else";
const ENTRY_64: &str = "Turnout enters kernels in 64-bit mode alone";
const ELF64: &str = "the headers of a dump are ELF64, which every tool for dumps reads";

/// Every option, in the order of the help.
pub(super) const OPTIONS: &[Row] = &[
    plain(&["help"], "this text", Does::Answers(Answers::Help)).letter('h'),
    plain(&["version"], "the version", Does::Answers(Answers::Version)).letter('v'),
    plain(&["debug"], "say what is loaded where", Does::Sets(|job| job.debug = true)).letter('d'),
    plain(&["load"], "load a kernel", Does::Sets(|job| job.mode = Mode::Load)).letter('l'),
    plain(&["load-panic"], "load a kernel for the next panic", Does::Sets(Job::set_panic))
        .letter('p'),
    plain(&["unload"], "take the loaded kernel out again, with -p the crash kernel", {
        Does::Sets(Job::set_unload)
    })
    .letter('u'),
    plain(&["exec"], "start the loaded kernel at once", {
        Does::Sets(|job| job.mode = Mode::Exec)
    })
    .letter('e'),
    plain(&["force"], "load a kernel and start it at once", {
        Does::Sets(|job| job.mode = Mode::Force)
    })
    .letter('f'),
    plain(&["status"], "exit with 1 if a crash kernel (with -l: a kernel) is loaded, else 0", {
        Does::Sets(|job| job.asks_status = true)
    })
    .letter('S'),
    plain(&["kexec-file-syscall"], "load by kexec_file_load", {
        Does::Sets(|job| job.request = Request::Only(Engine::File))
    })
    .letter('s'),
    plain(&["kexec-syscall"], "load by kexec_load", {
        Does::Sets(|job| job.request = Request::Only(Engine::Segments))
    })
    .letter('c'),
    plain(&["kexec-syscall-auto"], "load by kexec_file_load, else by kexec_load (the default)", {
        Does::Sets(|job| job.request = super::job::FILE_FIRST)
    })
    .letter('a'),
    plain(&["append", "command-line"], "the next kernel's command line", {
        Does::Takes(Job::set_cmdline)
    })
    .value("TEXT"),
    plain(&["reuse-cmdline"], "the running kernel's command line, and --append behind it", {
        Does::Sets(|job| job.reuse_cmdline = true)
    }),
    plain(&["initrd", "ramdisk"], "the next kernel's initrd", Does::Takes(Job::set_initrd))
        .value("FILE"),
    plain(&["reuseinitrd"], "the initrd that the running kernel was started with", {
        Does::Sets(|job| job.reuse_initrd = true)
    }),
    plain(&["dtb"], "the next kernel's device tree", Does::Takes(Job::set_devicetree))
        .value("FILE"),
    plain(&["type"], "what the kernel has to be", Does::Takes(Job::set_type))
        .letter('t')
        .value("TYPE"),
    plain(
        &["no-checks"],
        "check what was loaded at the jump all the same",
        Does::Sets(|job| job.no_checks = true),
    )
    .letter('i'),
    plain(&["no-ifdown"], "leave network interfaces as they are", {
        Does::Accepted(
            "network interfaces are never taken down one by one: the running kernel stops their \
             devices at the jump",
        )
    })
    .letter('x'),
    plain(&["no-sync"], "write nothing back before the jump", {
        Does::Sets(|job| job.no_sync = true)
    })
    .letter('y'),
    plain(&["print-ckr-size"], "print how many bytes are reserved for a crash kernel", {
        Does::Answers(Answers::CrashSize)
    }),
    plain(&["args-linux"], "hand the command line to an ELF kernel as Linux takes it", {
        Does::Accepted("Linux is all that is loaded, and always told so")
    })
    .on(On::X86_64),
    plain(&["args-elf"], "ELF boot notes", Does::Refused(LINUX_ONLY)).on(On::X86_64),
    plain(&["args-none"], "no arguments", Does::Refused(LINUX_ONLY)).on(On::X86_64),
    plain(&["module"], "a multiboot module", Does::Refused(NOT_MULTIBOOT))
        .value("FILE")
        .on(On::X86_64),
    plain(&["real-mode"], "the 16-bit entry", Does::Refused(ENTRY_64)).on(On::X86_64),
    plain(&["entry-32bit"], "the 32-bit entry", Does::Refused(ENTRY_64)).on(On::X86_64),
    plain(&["noefi"], "hand over nothing of EFI, by kexec_load", {
        Does::Sets(|job| job.no_efi = true)
    })
    .on(On::X86_64),
    plain(&["reuse-video-type"], "the running kernel's display", {
        Does::Accepted("the display is handed over as it is, wherever nothing has changed it")
    })
    .on(On::X86_64),
    plain(&["reset-vga"], "reset a VGA display", Does::Accepted(MUTE)).on(On::X86_64),
    plain(&["console-vga"], "print on a VGA display", Does::Accepted(MUTE)).on(On::X86_64),
    plain(&["console-serial"], "print on a serial port", Does::Accepted(MUTE)).on(On::X86_64),
    plain(&["serial"], "the serial port to print on", Does::Accepted(MUTE)).value("PORT"),
    plain(&["serial-baud"], "its speed", Does::Accepted(MUTE)).value("BAUD").on(On::X86_64),
    plain(&["elf32-core-headers"], "headers of a dump as ELF32", Does::Accepted(ELF64))
        .on(On::X86_64),
    plain(&["elf64-core-headers"], "headers of a dump as ELF64", Does::Accepted(ELF64))
        .on(On::X86_64),
    plain(&["pass-memmap-cmdline"], "the crash kernel's memory in its command line", {
        Does::Accepted("a crash kernel is told of its memory in its memory map")
    })
    .on(On::X86_64),
    plain(&["force-dtb"], "the device tree also where there is ACPI", {
        Does::Accepted("the device tree that is named is what the next kernel gets")
    })
    .on(On::Aarch64),
    plain(&["hotplug"], "let the running kernel keep the crash kernel's list of memory", {
        Does::Accepted(
            "by kexec_file_load the running kernel does so by itself; by kexec_load it does not, \
             and says so to udev, which loads again",
        )
    }),
    plain(&["no-cma"], "take no memory that is set aside for devices", {
        Does::Accepted("kexec_load takes none of it, and kexec_file_load decides by itself")
    }),
    plain(&["mem-min"], "the lowest address", Does::Refused(PLACED)).value("ADDRESS"),
    plain(&["mem-max"], "the highest address", Does::Refused(PLACED)).value("ADDRESS"),
    plain(&["entry"], "where to jump back to", Does::Refused(NO_WAY_BACK)).value("ADDRESS"),
    plain(&["load-preserve-context"], "keep this kernel", Does::NoMode(NO_WAY_BACK)),
    plain(&["load-jump-back-helper"], "go back to a kept kernel", Does::NoMode(NO_WAY_BACK)),
    plain(&["load-live-update"], "load for a live update of Xen", Does::NoMode(NO_XEN)),
    plain(&["exec-live-update"], "start a live update of Xen", Does::NoMode(NO_XEN)),
];
