//! Where Turnout, called `kexec`, means to differ from kexec-tools: each with its
//! reason, which stands in docs/kexec.md too. A row that no line needs is a mistake.

use super::judge::Differing;

/// A row of the table.
pub(super) struct Difference {
    /// Whether it is about this line.
    is_about: fn(&Differing<'_>) -> bool,
    /// The only fields that may differ with it.
    fields: &'static [&'static str],
    /// The reason, as docs/kexec.md has it.
    pub(super) reason: &'static str,
}

/// All that a load leaves behind.
const LOADED: &[&str] = &[
    "status", "after", "load", "slot", "kernel", "initrd", "cmdline", "unload", "program", "jump",
];

pub(super) const TABLE: &[Difference] = &[
    Difference {
        is_about: |it| {
            it.theirs("cmdline").contains(" acpi_rsdp=") && !it.ours("cmdline").is_empty()
        },
        fields: &["cmdline"],
        reason: "the crash kernel finds the ACPI tables by its boot parameters",
    },
    Difference {
        is_about: |it| it.begins(&["--mem-min", "--mem-max", "--entry="]),
        fields: LOADED,
        reason: "where things lie in memory is Turnout's to decide",
    },
    Difference {
        is_about: |it| {
            it.begins(&["--args-elf", "--args-none", "--module", "--real-mode", "--entry-32bit"])
        },
        fields: LOADED,
        reason: "Linux alone is loaded, and entered in 64-bit mode",
    },
    Difference {
        is_about: |it| it.begins(&["--dtb"]),
        fields: LOADED,
        reason: "an x86_64 kernel takes no device tree",
    },
    Difference {
        is_about: |it| it.begins(&["-t", "--type"]),
        fields: LOADED,
        reason: "a type is checked, whichever call loads it",
    },
    Difference {
        is_about: |it| it.unloads() && it.said_ours("No kernel specified"),
        fields: &["unload", "after"],
        reason: "what cannot be done whole is not begun",
    },
    Difference {
        is_about: |it| {
            it.unloads()
                && it.ours("after") != it.theirs("after")
                && it.line.words.iter().any(|word| word.starts_with("/k/"))
        },
        fields: &["after"],
        reason: "0 means that K is loaded",
    },
    Difference {
        is_about: |it| it.unloads() && it.has(&["-e", "-f"]),
        fields: &["status"],
        reason: "the last mode counts",
    },
    Difference {
        is_about: |it| it.has(&["-p"]) && it.has(&["-f"]),
        fields: LOADED,
        reason: "it starts what nobody named",
    },
    Difference {
        is_about: |it| it.has(&["--noefi"]),
        fields: &["load"],
        reason: "that call alone can leave EFI out",
    },
    Difference {
        is_about: |it| it.has(&["--no-cma"]),
        fields: LOADED,
        reason: "newer kexec-tools have it",
    },
    Difference {
        is_about: |it| it.has(&["--serial"]),
        fields: LOADED,
        reason: "nothing runs between two kernels that would print there",
    },
    Difference {
        is_about: |it| it.begins(&["--initrd"]) && it.said_ours("read: "),
        fields: &["status"],
        reason: "a file that cannot be read is 1, whichever it is",
    },
    Difference {
        is_about: |it| it.line.words.iter().any(|word| word.ends_with(".gz")),
        fields: LOADED,
        reason: "compression around a kernel does not matter",
    },
    Difference {
        is_about: |it| it.has(&["-c"]) && it.unloads(),
        fields: &["unload"],
        reason: "either call unloads the same, and a locked down kernel knows only that one",
    },
    Difference {
        is_about: |it| (it.unloads() || it.has(&["-e"])) && it.begins(&["--append", "--initrd"]),
        fields: &["status", "after", "unload", "jump"],
        reason: "options about a kernel do not matter where none is loaded",
    },
    Difference {
        is_about: |it| it.line.state.starts_with("user:") && it.said_ours("only root"),
        fields: &["status", "jump"],
        reason: "root is asked for first",
    },
    Difference {
        is_about: |it| it.has(&["--print-ckr-size"]),
        fields: &["output"],
        reason: "everybody may read it",
    },
    Difference {
        is_about: |it| it.line.words == ["-p"],
        fields: &["status"],
        reason: "the command line is looked at before the machine",
    },
];

impl Differing<'_> {
    fn value(&self, name: &str) -> Option<&(&'static str, String, String)> {
        self.fields.iter().find(|(one, ..)| *one == name)
    }

    fn theirs(&self, name: &str) -> &str {
        self.value(name).map_or("", |(_, theirs, _)| theirs)
    }

    fn ours(&self, name: &str) -> &str {
        self.value(name).map_or("", |(.., ours)| ours)
    }

    fn said_ours(&self, text: &str) -> bool {
        let [_, ours] = &self.said;
        ours.contains(text)
    }

    fn unloads(&self) -> bool {
        let short = |word: &String| !word.starts_with("--") && word.starts_with('-');
        self.begins(&["--unl"])
            || self.line.words.iter().any(|word| short(word) && word.contains('u'))
    }

    fn has(&self, words: &[&str]) -> bool {
        self.line.words.iter().any(|word| words.contains(&word.as_str()))
    }

    fn begins(&self, words: &[&str]) -> bool {
        self.line.words.iter().any(|word| words.iter().any(|one| word.starts_with(one)))
    }
}

/// Which row a line needs; none if nothing excuses it.
pub(super) fn row(differing: &Differing<'_>) -> Option<usize> {
    TABLE.iter().position(|row| {
        let is_allowed = |name: &str| row.fields.contains(&name);
        (row.is_about)(differing) && differing.fields.iter().all(|(name, ..)| is_allowed(name))
    })
}
