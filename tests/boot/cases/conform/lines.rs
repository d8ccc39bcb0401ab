//! The command lines that both programs are given, and in which state of the machine.
//!
//! Those of callers stand as host.md's sources have them, but for the files' names.
//! The others are made: each spelling of each mode, with and without what goes with it.

/// Of a guest, in /k: see [`super::blobs`].
const K: &str = "/k/vmlinuz";
const I: &str = "/k/initrd";
const PRESENT: &[&str] = &["none", "ordinary", "crash", "both"];

/// What is done in the guest, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// A command of the shell, for all that comes after it.
    Shell(&'static str),
    Try(Try),
}

/// A command line of `kexec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Try {
    /// What is loaded before, and whether it is root who calls.
    pub(super) state: &'static str,
    /// What follows the program's name.
    pub(super) words: Vec<String>,
    /// Whether somebody's script has this very line.
    pub(super) is_callers: bool,
}

impl Line {
    /// As the recorder reads it.
    pub(super) fn written(&self) -> String {
        match self {
            Self::Shell(command) => format!("!{command}"),
            Self::Try(line) => {
                let words = line.words.iter().map(String::as_str);
                [line.state].into_iter().chain(words).collect::<Vec<_>>().join("\t")
            }
        }
    }
}

/// Words that stand apart by blanks; a "~" stands for a blank within one, a
/// "%" for the kernel and a "&" for the initrd.
fn words(text: &str) -> Vec<String> {
    let word = |word: &str| word.replace('%', K).replace('&', I).replace('~', " ");
    text.split(' ').filter(|one| !one.is_empty()).map(word).collect()
}

fn made(state: &'static str, text: &str) -> Line {
    Line::Try(Try { state, words: words(text), is_callers: false })
}

fn callers(lines: &[(&'static str, &str)]) -> impl Iterator<Item = Line> {
    lines.iter().map(|(state, text)| Line::Try(Try { state, words: words(text), is_callers: true }))
}

/// systemd, kdump-config, kdumpctl, SONiC, NixOS, zfsbootmenu, petitboot, Debian's
/// scripts, the kernel's selftests, openSUSE, grub-emu, Heads, dracut, people.
const CALLERS: &[(&str, &str)] = &[
    ("none", "--load % --append root=/dev/vda~rw~quiet"),
    ("none", "--load % --append root=/dev/vda~rw~quiet --initrd &"),
    ("none", "-e"),
    ("ordinary", "-e"),
    ("none", "-p --command-line=root=/dev/vda~rw~~reset_devices~nr_cpus=1 --initrd=& %"),
    ("none", "-p --args-linux --command-line=root=/dev/vda~~irqpoll --initrd=& %"),
    ("none", "-p -s --command-line=root=/dev/vda~~irqpoll --initrd=/k/initrd-link /k/vmlinuz-link"),
    ("none", "-p -s --args-linux --command-line=root=/dev/vda --initrd=& %"),
    ("crash", "-p -u"),
    ("none", "-p -u"),
    ("crash", "-s -p -u"),
    ("none", "-s -p -u"),
    ("both", "-p -u"),
    ("none", "-s -p --command-line=root=/dev/vda~irqpoll~nr_cpus=1~hest_disable --initrd=& %"),
    ("none", "--elf64-core-headers -p --command-line=root=/dev/vda --initrd=& %"),
    ("crash", "-p --command-line=root=/dev/vda~again --initrd=& %"),
    ("none", "-l % --initrd=& --append=root=/dev/vda~ro -a"),
    ("none", "-l % --initrd=& --append=root=/dev/vda~ro -s"),
    ("ordinary", "-u -a"),
    ("none", "-u -a"),
    ("none", "--load % --kexec-syscall-auto --initrd=& --no-checks --command-line init=/nix/init~"),
    ("none", "--load % --initrd=& --no-checks --command-line init=/nix/init~"),
    ("ordinary", "-e --kexec-syscall-auto"),
    ("none", "-a -l % --initrd=& --command-line=root=zfs:pool"),
    ("ordinary", "-e -i"),
    ("none", "-e -i"),
    ("none", "-l --initrd=& --append=root=/dev/sda2~quiet %"),
    ("none", "-l --debug --initrd=& --append=root=/dev/sda2~quiet %"),
    ("none", "-s --initrd=& --append=root=/dev/sda2~quiet %"),
    ("none", "-e -f"),
    ("ordinary", "-e -f"),
    ("none", "-l % --initrd=& --append=root=UUID=0d9c~ro~single"),
    ("none", "--load %"),
    ("ordinary", "--unload"),
    ("none", "--load --kexec-file-syscall %"),
    ("ordinary", "--unload --kexec-file-syscall"),
    ("crash", "-a -p -u"),
    ("none", "-a -p --append=root=/dev/vda --initrd=& %"),
    ("none", "-la % --initrd=& --command-line=quiet"),
    ("ordinary", "-ex"),
    ("none", "-d -l % --append=quiet"),
    ("none", "% --initrd=& --append=quiet"),
    ("none", "-v"),
    ("none", "-l % --command-line=quiet~no-real-mode --initrd=& --append=more"),
    ("none", "--print-ckr-size"),
    ("ordinary", "-S"),
    ("crash", "-S"),
];

/// Modes, by what they are called.
const LOADS: &[&str] = &["-l", "--load", "--lo", "-p", "--load-panic", "", "-f", "--force"];
const CALLS: &[&str] = &[
    "",
    "-c",
    "--kexec-syscall",
    "-s",
    "--kexec-file-syscall",
    "--kexec-f",
    "-a",
    "--kexec-syscall-auto",
    "-s -c",
    "-c -s",
    "-a -s",
];
const INITRDS: &[&str] = &[
    "",
    "--initrd=&",
    "--initrd &",
    "--ramdisk=&",
    "--ramdisk &",
    "--ini=&",
    "--ram &",
    "--initrd=& --initrd=/k/initrd2",
    "--initrd=/k/initrd2 --ramdisk=&",
];
const CMDLINES: &[&str] = &[
    "",
    "--append=a~b",
    "--append a~~b",
    "--command-line=c~~d~",
    "--command-line c",
    "--app=x",
    "--com x",
    "--append=one --append=two",
    "--append=one --command-line=two",
    "--command-line=one --append=two",
    "--append=",
    "--append=~",
    "--append=a=\"b~~c\"",
    "--append=-u",
    "--append -u",
    "--append=--",
    "--reuse-cmdline",
    "--reuse-cmdline --append=more",
    "--append=more --reuse-cmdline",
    "--reuse-cmd",
    "--reuse-cmdline --append=",
    "--reuse-cmdline --command-line=more~and~more",
    "--append=äöü",
    "--append=crashkernel=1M",
];

/// Places of the kernel and the options.
const ORDERS: &[&str] = &[
    "-l % --append=x",
    "% -l --append=x",
    "-l --append=x %",
    "--append=x -l %",
    "--append=x % -l",
    "% --append=x -l",
    "-l --append=x -- %",
    "-l -- % --append=x",
    "-l % %",
    "-l % /k/other",
    "-l /k/none %",
    "-l % --",
    "-l% ",
    "-dl %",
    "-ld %",
    "-lsd %",
    "-lp %",
    "-pl %",
    "-ldx %",
    "-lu",
    "-ul %",
    "-l -u",
    "-u -l %",
    "-e -l %",
    "-l -e %",
    "-f -l %",
    "-l -f %",
    "-u -e",
    "-e -u",
    "-l -p %",
    "-p -l %",
    "-f -e",
    "-e -f %",
    "-f -u",
    "-u -f",
    "-p -f %",
    "-f -p %",
    "-p -e",
    "-e -p",
    "-u %",
    "-e %",
    "-u -p %",
    "-l -S",
    "-S -u",
    "-u -S",
    "-S -e",
    "-e -S",
];

/// What each option alone does to an ordinary load.
const OPTIONS: &[&str] = &[
    "-d",
    "--debug",
    "-i",
    "--no-checks",
    "-x",
    "--no-ifdown",
    "-y",
    "--no-sync",
    "--args-linux",
    "--reset-vga",
    "--console-vga",
    "--console-serial",
    "--serial=ttyS0",
    "--serial=0x3f8",
    "--serial-baud=9600",
    "--mem-min=0x1000000",
    "--mem-max=0x30000000",
    "--entry=0x100000",
    "--elf32-core-headers",
    "--elf64-core-headers",
    "--pass-memmap-cmdline",
    "--noefi",
    "--reuse-video-type",
    "--real-mode",
    "--entry-32bit",
    "--no-cma",
    "--hotplug",
    "--load-preserve-context",
    "--load-jump-back-helper",
    "--load-live-update",
    "--exec-live-update",
    "--dtb=/k/tree",
    "--force-dtb",
    "--module=/k/initrd",
    "--args-elf",
    "--args-none",
    "--reuseinitrd",
    "--serial",
    "--mem-min=x",
    "--entry=x",
    "--mem-max=",
    "--dt-no-old-root",
    "--print-ckr-size",
];

/// Types, of a kernel and of what is none.
const TYPES: &[&str] = &[
    "-t bzImage",
    "-tbzImage",
    "--type=bzImage",
    "--type bzImage64",
    "--type=bzImage64",
    "-t Image",
    "-t vmlinuz",
    "-t elf-x86_64",
    "-t elf-x86",
    "-t multiboot-x86",
    "-t multiboot2-x86",
    "-t beoboot-x86",
    "-t nbi-x86",
    "-t uki",
    "-t uImage",
    "-t vmlinux",
    "-t nonsense",
    "-t",
    "--type=",
];

/// What cannot be done or understood.
const WRONG: &[&str] = &[
    "",
    "-l",
    "-p",
    "-f",
    "-l --append=x",
    "-Z",
    "-l -Z %",
    "--frobnicate",
    "-l % --frobnicate",
    "-l % --re",
    "-l % --no",
    "-l % --load-",
    "-l % --kexec",
    "-l % --console",
    "-l % --elf",
    "-l % --append",
    "-l % --initrd",
    "-l --initrd",
    "-l % --load=x",
    "-l % --debug=1",
    "-l /k/none",
    "-l /k/empty",
    "-l /k/garbage",
    "-l /k",
    "-l % --initrd=/k/none",
    "-l % --initrd=/k",
    "-l % --initrd=/k/empty",
    "-l % --initrd=",
    "-l % --initrd=/k/garbage",
    "-l % --dtb=/k/none",
    "-s -l /k/none",
    "-s -l /k/empty",
    "-s -l /k/garbage",
    "-s -l /k",
    "-s -l % --initrd=/k/none",
    "-s -l % --initrd=/k/empty",
    "-c -l /k/garbage",
    "-p /k/garbage",
    "-s -p /k/garbage",
    "--",
    "---",
    "--=",
    "--=x",
    "-",
    "-l -",
    "-p /k/none",
    "-l ./none",
    "-?",
    "-l % -?",
    "--load --",
];

/// Forms of a kernel.
const FORMS: &[&str] = &[
    "-l /k/vmlinuz.gz",
    "-s -l /k/vmlinuz.gz",
    "-c -l /k/vmlinuz.gz",
    "-a -l /k/vmlinuz.gz",
    "-l /k/vmlinuz-link",
    "-s -l /k/vmlinuz-link",
    "-l /k/other",
    "-p /k/vmlinuz.gz",
    "-l /k/../k/vmlinuz",
    "-l //k//vmlinuz",
    "-l % --initrd=/k/initrd-link",
    "-l % --initrd=/k/initrd.gz",
    "-s -l % --initrd=/k/initrd.gz",
];

const UNLOADS: &[&str] = &[
    "-u",
    "--unload",
    "--unl",
    "-p -u",
    "-u -p",
    "-pu",
    "-up",
    "--load-panic --unload",
    "-s -u",
    "-c -u",
    "-a -u",
    "-s -u -p",
    "-c -p -u",
    "-u -d",
    "-u -x -y -i",
    "-u --append=x",
    "-u --initrd=/k/none",
];
const STATUSES: &[&str] = &[
    "-S",
    "--status",
    "--stat",
    "-S -l",
    "-l -S",
    "-S -p",
    "-p -S",
    "--status --load",
    "-Sl",
    "-Sd",
    "--status --load-panic",
    "-S %",
    "-S -l %",
];
const JUMPS: &[&str] = &[
    "-e",
    "--exec",
    "--exe",
    "-ex",
    "-ey",
    "-exy",
    "-e -x",
    "-e -y",
    "-e -i",
    "-e -d",
    "-e --no-sync",
    "-e --no-ifdown",
    "-e --append=x",
    "-e %",
    "-p -e",
    "-e -p",
    "-f",
    "-e -s",
];
const WORDS_ABOUT_IT: &[&str] =
    &["-v", "--version", "--ver", "-h", "--help", "-v -l %", "-l % -v", "-l % -h", "-h -v", "-hv"];

/// Where no memory waits for a crash, and where the kernel takes none any more.
const WITHOUT_CRASH_MEMORY: &[&str] = &[
    "-p %",
    "-p -s %",
    "-p -c %",
    "-p -a % --initrd=&",
    "-p -u",
    "--print-ckr-size",
    "-S",
    "-p",
    "-p /k/none",
    "-l %",
];
const DISABLED: &[&str] =
    &["-l %", "-s -l %", "-c -l %", "-a -l %", "-u", "-s -u", "-e", "-S", "-S -l", "-p -u", "-f %"];
const NOT_ROOT: &[&str] = &[
    "-l %",
    "-s -l %",
    "-u",
    "-p %",
    "-e",
    "-S",
    "-S -l",
    "-v",
    "-h",
    "-l /k/none",
    "--print-ckr-size",
];

fn each<'a>(state: &'static str, texts: &'a [&'a str]) -> impl Iterator<Item = Line> + 'a {
    texts.iter().map(move |text| made(state, text))
}

/// What the mode needs beside its parts.
fn load(mode: &str, call: &str, initrd: &str, cmdline: &str) -> Line {
    made("none", &format!("{mode} {call} % {initrd} {cmdline}"))
}

/// Each spelling with each mode, the rest as it comes round.
fn loads() -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, mode) in LOADS.iter().enumerate() {
        let call = CALLS.iter().cycle().skip(number);
        let initrd = INITRDS.iter().cycle().skip(number);
        for ((cmdline, call), initrd) in CMDLINES.iter().zip(call).zip(initrd) {
            lines.push(load(mode, call, initrd, cmdline));
        }
    }
    let spelled = CALLS.iter().flat_map(|call| INITRDS.iter().map(move |one| (call, one)));
    lines.extend(spelled.map(|(call, initrd)| load("-l", call, initrd, "--append=x")));
    lines
}

fn others() -> Vec<Line> {
    let mut lines = loads();
    lines.extend(each("none", ORDERS).chain(each("both", ORDERS)));
    lines.extend(OPTIONS.iter().map(|option| made("none", &format!("-l % {option}"))));
    lines.extend(OPTIONS.iter().map(|option| made("none", &format!("{option} -s -l %"))));
    for kernel in ["%", "/k/garbage"] {
        lines.extend(TYPES.iter().map(|kind| made("none", &format!("-l {kernel} {kind}"))));
    }
    lines.extend(each("none", WRONG).chain(each("none", FORMS)));
    for state in PRESENT {
        lines.extend(each(state, UNLOADS).chain(each(state, STATUSES)).chain(each(state, JUMPS)));
    }
    lines.extend(each("none", WORDS_ABOUT_IT));
    lines.extend(each("user:none", NOT_ROOT).chain(each("user:both", NOT_ROOT)));
    lines
}

/// What the kernel does not give back before a reset comes last.
fn at_the_end() -> impl Iterator<Item = Line> {
    // Nothing may be loaded there while the memory is given back.
    let emptied = [made("none", "-v"), Line::Shell("echo 0 >/sys/kernel/kexec_crash_size")];
    let forbidden =
        [made("ordinary", "-v"), Line::Shell("echo 1 >/proc/sys/kernel/kexec_load_disabled")];
    let without = emptied.into_iter().chain(each("none", WITHOUT_CRASH_MEMORY));
    without.chain(forbidden).chain(each("ordinary", DISABLED))
}

/// What a machine is given: all lines of callers, and of the others each `step`th.
pub(super) fn all(step: usize) -> Vec<Line> {
    callers(CALLERS).chain(others().into_iter().step_by(step)).chain(at_the_end()).collect()
}
