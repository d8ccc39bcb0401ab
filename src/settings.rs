//! `/etc/turnout/turnout.conf`: what the programs of a running system take where no
//! option says it. Lines of a key and a value; `#` begins a comment.
//!
//! [`KEYS`] is the one table of them: what is read. [`PROSE`] tells people of the same
//! keys, and the file that a package installs and turnout.conf(5) are made of it; no
//! program reaches it. PID 1 never reads the file: an image has its own configuration
//! (`docs/config.md`). Pure: a text in, values out.
//! Specification: `docs/cli.md`, "turnout.conf".

use core::mem;

use crate::base::text::quoted;
use crate::check;
use crate::host::leaving::Wish;
use crate::source::StateDevice;
use crate::trust::slots::Slot;

/// Where it is.
pub const PATH: &str = "/etc/turnout/turnout.conf";

/// What it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where the state area is.
    pub state_device: Option<StateDevice>,
    /// Whether a crash kernel may have an initrd and a command line that nobody signed.
    pub crash_unsigned: bool,
    /// What becomes of the watchdog over a jump.
    pub watchdog: Option<Wish>,
    /// Findings of a check that are taken as they are.
    pub accepted: Vec<String>,
    /// What is signed when the boot menu changes, and by whom.
    pub signing: Signing,
    /// Whether hooks load the next system anew when the boot menu changes.
    pub restages: bool,
}

/// What `turnout-sign upkeep` signs, and by whom.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Signing {
    /// Who signs; without it nothing is signed.
    pub by: Option<Signer>,
    /// Boot partitions, each as `--root` takes it; empty for those that are found.
    pub roots: Vec<String>,
    /// Ids of entries that are left out; `*` stands for anything.
    pub except: Vec<String>,
    /// Whether entries are signed whose command line may give a root shell.
    pub shell: bool,
    /// Security version of what is signed; without it the highest that is there.
    pub security_version: Option<u32>,
    /// What the loader may fill into command lines.
    pub slots: Vec<Slot>,
}

/// Who signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// A private key without a passphrase, in this file.
    Key(String),
    /// An agent.
    Agent {
        /// Where it listens.
        socket: String,
        /// The key, where it holds several: a fingerprint, or a file.
        key: Option<String>,
    },
    /// A program and its arguments, which signs what it is given.
    Command(Vec<String>),
}

/// A key.
#[derive(Debug)]
pub struct Key {
    /// How a line begins.
    pub name: &'static str,
    /// What is noted of its value; true where it was there already and may not be twice.
    take: fn(&mut Settings, &str) -> Result<bool, String>,
}

/// Every key.
pub const KEYS: &[Key] = &[
    Key {
        name: "state-device",
        take: |settings, value| Ok(settings.state_device.replace(device(value)?).is_some()),
    },
    Key {
        name: "crash",
        take: |settings, value| Ok(mem::replace(&mut settings.crash_unsigned, is_unsigned(value)?)),
    },
    Key {
        name: "watchdog",
        take: |settings, value| Ok(settings.watchdog.replace(wish(value)?).is_some()),
    },
    Key {
        name: "accept",
        take: |settings, value| {
            settings.accepted.push(code(value)?);
            Ok(false)
        },
    },
    Key {
        name: "sign-key",
        take: |settings, value| signed_by(settings, Signer::Key(path("sign-key", value)?)),
    },
    Key { name: "sign-agent", take: |settings, value| signed_by(settings, agent(value)?) },
    Key { name: "sign-command", take: |settings, value| signed_by(settings, command(value)?) },
    Key {
        name: "sign-root",
        take: |settings, value| add(&mut settings.signing.roots, "sign-root", value),
    },
    Key {
        name: "sign-except",
        take: |settings, value| add(&mut settings.signing.except, "sign-except", value),
    },
    Key {
        name: "sign-shell",
        take: |settings, value| {
            Ok(mem::replace(&mut settings.signing.shell, yes("sign-shell", value)?))
        },
    },
    Key {
        name: "sign-security-version",
        take: |settings, value| {
            Ok(settings.signing.security_version.replace(number(value)?).is_some())
        },
    },
    Key {
        name: "sign-slot",
        take: |settings, value| {
            settings.signing.slots.push(slot(value)?);
            Ok(false)
        },
    },
    Key {
        name: "stage",
        take: |settings, value| Ok(mem::replace(&mut settings.restages, yes("stage", value)?)),
    },
];

/// What people are told of a key.
#[derive(Debug)]
pub struct Prose {
    /// The key.
    pub name: &'static str,
    /// What follows it, as a manual writes it.
    pub value: &'static str,
    /// A line of a file, without its key.
    pub example: &'static str,
    /// Whether it may stand there more than once.
    pub repeats: bool,
    /// What it does, and what holds without it, in sentences.
    pub about: &'static str,
}

/// Every key of [`KEYS`], in its order, for people.
pub const PROSE: &[Prose] = &[
    Prose {
        name: "state-device",
        value: "auto | PARTUUID=UUID | PARTLABEL=NAME | /dev/NAME",
        example: "PARTLABEL=state",
        repeats: false,
        about: "Where the state area is that counts tries and remembers floors. Without the line \
                it is the one partition of the type of state areas.",
    },
    Prose {
        name: "crash",
        value: "unsigned",
        example: "unsigned",
        repeats: false,
        about: "A crash kernel that some manifest binds may have an initrd and a command line that \
                nobody signed. Without the line they must be signed.",
    },
    Prose {
        name: "watchdog",
        value: "auto | off | SECONDS",
        example: "180",
        repeats: false,
        about: "What becomes of the watchdog over a jump into the next kernel. auto, as without \
                the line, keeps one armed that was armed; off disarms it; 1 to 3600 seconds arm it \
                for that long.",
    },
    Prose {
        name: "accept",
        value: "CODE",
        example: "NO_WATCHDOG",
        repeats: true,
        about: "A code that turnout check prints, whose warning is taken as it is.",
    },
    Prose {
        name: "sign-key",
        value: "FILE",
        example: "/etc/turnout/sign.key",
        repeats: false,
        about: "A private key of type ssh-ed25519, without a passphrase and readable by root alone \
                (mode 0600). turnout-sign upkeep signs with it what the boot menu has whenever a \
                kernel or an initramfs was installed. Whoever is root on this machine can then sign \
                too. Of sign-key, sign-agent and sign-command there may be one; without any of them \
                nothing is signed.",
    },
    Prose {
        name: "sign-agent",
        value: "SOCKET [KEY]",
        example: "/run/turnout-agent.sock SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        repeats: false,
        about: "Signs by the ssh-agent that listens at SOCKET. If it holds several keys, KEY names \
                one: its fingerprint, or the file of its public key.",
    },
    Prose {
        name: "sign-command",
        value: "PROGRAM [ARGUMENT]...",
        example: "/usr/bin/ssh -i /etc/turnout/signer-login signer@signer.example.org",
        repeats: false,
        about: "Signs by a program, which may ask another machine. It gets the manifest on its \
                standard input and writes an armored signature to its standard output, as \
                ssh-keygen -Y sign -n turnout-boot -f KEY does, and ends with 0. Words are divided \
                at blanks; there is no shell. In its environment are TURNOUT_ENTRY, the entry's \
                name, and TURNOUT_NAMESPACE. It has 60 seconds.",
    },
    Prose {
        name: "sign-root",
        value: "DIR | NAME=DIR[,uuid=UUID][,label=LABEL][,partlabel=LABEL]",
        example: "/boot",
        repeats: true,
        about: "The root of the boot partition, and after it one line for each other device that \
                its menu names, as turnout-sign --root takes them. Without a line it is found: the \
                file system that holds /boot, and what is mounted on /efi and /boot/efi.",
    },
    Prose {
        name: "sign-except",
        value: "ID",
        example: "*-recovery-*",
        repeats: true,
        about: "An entry of the boot menu that is not signed; * stands for any characters. \
                turnout-kept means the spare entry: none is then kept.",
    },
    Prose {
        name: "sign-shell",
        value: "yes",
        example: "yes",
        repeats: false,
        about: "Signs also entries whose command line may give a root shell to whoever is at the \
                console (single, recovery, init=...). Without the line they are left out.",
    },
    Prose {
        name: "sign-security-version",
        value: "N",
        example: "1",
        repeats: false,
        about: "The security version of what is signed, 0 to 4294967295. Without the line it is the \
                highest that a manifest of the same boot partition has.",
    },
    Prose {
        name: "sign-slot",
        value: "entry | tries | name | boot",
        example: "boot",
        repeats: true,
        about: "What the loader may fill into a signed command line where ${entry}, ${tries}, \
                ${name} or ${boot} stands in it.",
    },
    Prose {
        name: "stage",
        value: "yes",
        example: "yes",
        repeats: false,
        about: "When a kernel or an initramfs was installed, the next system is loaded anew, so \
                that a restart by kexec starts what was just installed. Without the line only where \
                one is loaded already by turnout-stage.service.",
    },
];

/// Reads the file's text.
///
/// # Errors
/// The number of the line and what is wrong with it.
pub fn parse(text: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    for (line, number) in text.lines().zip(1_usize..) {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            settings.take(line).map_err(|what| format!("{number}: {what}"))?;
        }
    }
    Ok(settings)
}

impl Settings {
    fn take(&mut self, line: &str) -> Result<(), String> {
        let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            return Err(format!("{} is no key: there is {}", quoted(name), names()));
        };
        if (key.take)(self, value.trim())? {
            return Err(format!("{name} is there twice"));
        }
        Ok(())
    }
}

/// All keys, for a sentence.
fn names() -> String {
    let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
    match names.split_last() {
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}

fn device(value: &str) -> Result<StateDevice, String> {
    StateDevice::parse(value).ok_or_else(|| {
        format!(
            "state-device cannot be {}: it is auto, PARTUUID=..., PARTLABEL=... or /dev/...",
            quoted(value)
        )
    })
}

/// Without the line what nobody signed is refused: there is no word for that.
fn is_unsigned(value: &str) -> Result<bool, String> {
    if value == "unsigned" {
        return Ok(true);
    }
    Err(format!("crash cannot be {}: it is unsigned, or the line is left out", quoted(value)))
}

fn code(value: &str) -> Result<String, String> {
    if check::codes().any(|code| code == value) {
        return Ok(value.to_owned());
    }
    Err(format!("accept cannot be {}: it is a code that turnout check prints", quoted(value)))
}

/// The kernel's own limit of a watchdog's timeout is far above it.
const LONGEST: u64 = 3600;

fn wish(value: &str) -> Result<Wish, String> {
    let seconds = value.parse().ok().filter(|seconds| (1..=LONGEST).contains(seconds));
    match (value, seconds) {
        ("auto", _) => Ok(Wish::Auto),
        ("off", _) => Ok(Wish::Off),
        (_, Some(seconds)) => Ok(Wish::Seconds(seconds)),
        _ => Err(format!(
            "watchdog cannot be {}: it is auto, off, or 1 to {LONGEST} seconds",
            quoted(value)
        )),
    }
}

/// Only one may sign: who is asked first would else decide who signs.
fn signed_by(settings: &mut Settings, signer: Signer) -> Result<bool, String> {
    if settings.signing.by.replace(signer).is_some() {
        return Err("of sign-key, sign-agent and sign-command there may be one".to_owned());
    }
    Ok(false)
}

fn agent(value: &str) -> Result<Signer, String> {
    let (socket, key) = value.split_once(char::is_whitespace).unwrap_or((value, ""));
    let key = Some(key.trim()).filter(|key| !key.is_empty()).map(str::to_owned);
    Ok(Signer::Agent { socket: path("sign-agent", socket)?, key })
}

fn command(value: &str) -> Result<Signer, String> {
    let words: Vec<_> = value.split_whitespace().map(str::to_owned).collect();
    path("sign-command", words.first().map_or("", String::as_str))?;
    Ok(Signer::Command(words))
}

/// Hooks run in any directory.
fn path(key: &str, value: &str) -> Result<String, String> {
    if value.starts_with('/') {
        return Ok(value.to_owned());
    }
    Err(format!("{key} cannot be {}: its path begins with /", quoted(value)))
}

fn add(values: &mut Vec<String>, key: &str, value: &str) -> Result<bool, String> {
    if value.is_empty() {
        return Err(format!("{key} has no value"));
    }
    values.push(value.to_owned());
    Ok(false)
}

/// Without the line it is no: there is no word for that.
fn yes(key: &str, value: &str) -> Result<bool, String> {
    if value == "yes" {
        return Ok(true);
    }
    Err(format!("{key} cannot be {}: it is yes, or the line is left out", quoted(value)))
}

fn number(value: &str) -> Result<u32, String> {
    let number = value.parse().ok();
    number.ok_or_else(|| format!("sign-security-version cannot be {}", quoted(value)))
}

fn slot(value: &str) -> Result<Slot, String> {
    Slot::parse(value).ok_or_else(|| {
        format!("sign-slot cannot be {}: it is entry, tries, name or boot", quoted(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_told_of_every_key_and_each_example_is_taken() {
        let names: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        let told: Vec<_> = PROSE.iter().map(|prose| prose.name).collect();
        assert_eq!(told, names);
        for Prose { name, example, repeats, about, .. } in PROSE {
            let line = format!("{name} {example}\n");
            parse(&line).unwrap_or_else(|what| panic!("{line}: {what}"));
            assert_eq!(parse(&line.repeat(2)).is_ok(), *repeats, "{name} twice");
            assert!(about.ends_with('.') && about.is_ascii(), "{name}");
        }
    }

    #[test]
    fn what_is_signed_and_by_whom_is_read() {
        let by = |text| parse(text).unwrap().signing.by.unwrap();
        assert_eq!(by("sign-key /k"), Signer::Key("/k".to_owned()));
        let agent = |key: Option<&str>| Signer::Agent {
            socket: "/s".to_owned(),
            key: key.map(str::to_owned),
        };
        assert_eq!(by("sign-agent /s"), agent(None));
        assert_eq!(by("sign-agent /s \t/k.pub"), agent(Some("/k.pub")));
        let words = ["/bin/x", "-a", "b"].map(str::to_owned).to_vec();
        assert_eq!(by("sign-command /bin/x  -a b"), Signer::Command(words));
        let text = "sign-root /boot\nsign-except a*\nsign-except b\nsign-shell yes\n\
                    sign-security-version 7\nsign-slot boot\nstage yes\n";
        let read = parse(text).unwrap();
        let signing = Signing {
            by: None,
            roots: vec!["/boot".to_owned()],
            except: vec!["a*".to_owned(), "b".to_owned()],
            shell: true,
            security_version: Some(7),
            slots: vec![Slot::Boot],
        };
        assert_eq!(read, Settings { signing, restages: true, ..Settings::default() });
    }

    #[test]
    fn the_state_device_is_read() {
        assert_eq!(parse("").unwrap(), Settings::default());
        let text = "# where its type cannot be set\n\n  state-device \t/dev/mmcblk0p3 \n";
        let state_device = Some(StateDevice::Named("mmcblk0p3".to_owned()));
        assert_eq!(parse(text).unwrap(), Settings { state_device, ..Settings::default() });
        assert_eq!(parse("watchdog 90").unwrap().watchdog, Some(Wish::Seconds(90)));
        assert_eq!(parse("watchdog off").unwrap().watchdog, Some(Wish::Off));
        assert!(parse("crash  unsigned\n").unwrap().crash_unsigned);
        let accepted = parse("accept KNOWN_TROUBLE\naccept NO_ENTRY\n").unwrap().accepted;
        assert_eq!(accepted, ["KNOWN_TROUBLE", "NO_ENTRY"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_line() {
        for (text, said) in [
            (
                "\nstate-devise auto",
                "2: \"state-devise\" is no key: there is state-device, crash, watchdog, accept, ",
            ),
            (
                "sign-key /k\nsign-agent /s",
                "2: of sign-key, sign-agent and sign-command there may be one",
            ),
            ("sign-key key", "1: sign-key cannot be \"key\": its path begins with /"),
            ("sign-agent  ", "1: sign-agent cannot be \"\": its path begins with /"),
            ("sign-command ssh h", "1: sign-command cannot be \"ssh\": its path begins with /"),
            ("sign-root", "1: sign-root has no value"),
            ("sign-except", "1: sign-except has no value"),
            ("sign-shell no", "1: sign-shell cannot be \"no\": it is yes, or the line is left out"),
            ("sign-shell yes\nsign-shell yes", "2: sign-shell is there twice"),
            ("sign-security-version -1", "1: sign-security-version cannot be \"-1\""),
            ("sign-slot x", "1: sign-slot cannot be \"x\": it is entry, tries, name or boot"),
            ("stage", "1: stage cannot be \"\": it is yes, or the line is left out"),
            ("watchdog 0", "1: watchdog cannot be \"0\": it is auto, off, or 1 to 3600 seconds"),
            ("watchdog off\nwatchdog auto", "2: watchdog is there twice"),
            ("accept NO_WACHDOG", "1: accept cannot be \"NO_WACHDOG\": it is a code that turnout "),
            ("accept", "1: accept cannot be \"\": it is a code"),
            ("crash", "1: crash cannot be \"\": it is unsigned, or the line is left out"),
            ("crash signed", "1: crash cannot be \"signed\": it is unsigned, "),
            ("crash unsigned\ncrash unsigned", "2: crash is there twice"),
            ("state-device", "1: state-device cannot be \"\": it is auto, PARTUUID=..."),
            ("state-device LABEL=a", "1: state-device cannot be \"LABEL=a\": it is auto, "),
            ("state-device auto\nstate-device auto", "2: state-device is there twice"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
