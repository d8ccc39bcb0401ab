//! `fw_printenv` and `fw_setenv`: the five variables by which Mender talks to a boot
//! loader, over two slots that are named by the numbers of their partitions.
//!
//! Nothing is stored under these names: each is read out of the slots, and all that one
//! call sets is one change of them. Any other variable is refused, for nobody would read
//! it. Form: U-Boot's tools `fw_printenv` and `fw_setenv`; meaning: Mender's
//! documentation on the integration of boot loaders.
//!
//! | variable | is |
//! |---|---|
//! | `mender_boot_part` | the slot that boots, or will |
//! | `mender_boot_part_hex` | the same in base 16 |
//! | `upgrade_available` | 1 until what was installed there has been confirmed |
//! | `bootcount` | how often it was tried so far; 0 once it is confirmed |
//! | `mender_saveenv_canary` | always 1: what is set is kept |

use std::io::{Read as _, Write as _};

use super::answer::Answer;
use super::rauc::can_boot;
use super::slot::refused_for_good;
use super::{Misused, settings, store};
use crate::base::text::quoted;
use crate::failure::{Failure, Stage};
use crate::slots::running::ThisBoot;
use crate::slots::verbs::Refusal;
use crate::slots::{Slot, Slots};
use crate::sys::file;

const PART: &str = "mender_boot_part";
const PART_HEX: &str = "mender_boot_part_hex";
const UPGRADE: &str = "upgrade_available";
const BOOTCOUNT: &str = "bootcount";
const CANARY: &str = "mender_saveenv_canary";

/// All there are, in the order in which they are printed.
const NAMES: [&str; 5] = [BOOTCOUNT, PART, PART_HEX, CANARY, UPGRADE];

/// Longest script, in bytes.
const MAX_SCRIPT: u64 = 4096;

/// `fw_printenv`: status 1 where one of the names is no variable, as its namesake.
pub(super) fn run_print(words: &[String]) -> Result<Answer, Misused> {
    let asked = parse_print(words).map_err(Misused::Words)?;
    let held = store::read(&settings::state_device(None)?)?;
    let Printed { text, unknown } = print(&asked, &held.state.slots, &store::this_boot());
    for name in &unknown {
        let _ = writeln!(std::io::stderr(), "## Error: {} not defined", quoted(name));
    }
    Ok(Answer { text, status: u8::from(!unknown.is_empty()) })
}

/// `fw_setenv`: all of a script is one write, or none.
pub(super) fn run_set(words: &[String]) -> Result<Answer, Misused> {
    let assignments = match parse_set(words).map_err(Misused::Words)? {
        Given::Here(assignment) => vec![assignment],
        Given::Script(file) => parse_script(&script(&file)?),
    };
    let device = settings::state_device(None)?;
    let this = store::this_boot();
    store::change_slots(&device, &this, |slots| {
        set(&assignments, slots, &this).map_err(|what| Failure::new(Stage::Discover, what))
    })?;
    Ok(Answer::from(String::new()))
}

/// The text of a script; `-` is standard input.
fn script(file: &str) -> Result<String, Failure> {
    if file != "-" {
        return file::read_text(file).map_err(|error| Failure::new(Stage::Read, error));
    }
    let mut text = String::new();
    let read = std::io::stdin().take(MAX_SCRIPT.saturating_add(1)).read_to_string(&mut text);
    let fault = match read {
        Err(error) => error.to_string(),
        Ok(length) if u64::try_from(length).is_ok_and(|it| it <= MAX_SCRIPT) => return Ok(text),
        Ok(_) => format!("a script has at most {MAX_SCRIPT} bytes"),
    };
    Err(Failure::new(Stage::Read, format!("standard input: {fault}")))
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    /// Empty for all.
    names: Vec<String>,
    /// Whether only the values are wanted.
    is_bare: bool,
}

/// What is to be printed, and the names that are no variables.
#[derive(Debug, PartialEq, Eq)]
struct Printed {
    text: String,
    unknown: Vec<String>,
}

/// A variable and its new value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Assignment {
    name: String,
    value: String,
}

/// Where `fw_setenv` has its values from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    /// They are on the command line.
    Here(Assignment),
    /// A script has them; `-` is standard input.
    Script(String),
}

/// All that one call changes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    part: Option<String>,
    is_upgrade: Option<bool>,
}

/// Reads the words behind `fw_printenv`.
///
/// # Errors
/// An option that is none.
fn parse_print(words: &[String]) -> Result<Asked, String> {
    let mut asked = Asked { names: Vec::new(), is_bare: false };
    for word in words {
        match word.as_str() {
            "-n" | "--noheader" => asked.is_bare = true,
            option if option.starts_with('-') => {
                return Err(format!(
                    "{} is no option here: fw_printenv [-n] [NAME]...",
                    quoted(option)
                ));
            }
            name => asked.names.push(name.to_owned()),
        }
    }
    if asked.is_bare && asked.names.is_empty() {
        return Err("-n needs the name of a variable".to_owned());
    }
    Ok(asked)
}

/// Reads the words behind `fw_setenv`.
///
/// # Errors
/// An option that is none, or a name without a value.
fn parse_set(words: &[String]) -> Result<Given, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["-s" | "--script", file] => Ok(Given::Script((*file).to_owned())),
        [option, ..] if option.starts_with('-') => Err(format!(
            "{} is no option here: fw_setenv NAME VALUE | fw_setenv -s FILE",
            quoted(option)
        )),
        [] => Err("nothing is to be set: fw_setenv NAME VALUE | fw_setenv -s FILE".to_owned()),
        [name, values @ ..] => {
            Ok(Given::Here(Assignment { name: (*name).to_owned(), value: values.join(" ") }))
        }
    }
}

/// Reads a script: `NAME VALUE` or `NAME=VALUE` a line; `#` begins a comment.
fn parse_script(text: &str) -> Vec<Assignment> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.filter(|line| !line.starts_with('#')).map(assignment).collect()
}

fn assignment(line: &str) -> Assignment {
    let ends = |letter: char| letter == '=' || letter.is_ascii_whitespace();
    let (name, value) = line.split_once(ends).unwrap_or((line, ""));
    Assignment { name: name.to_owned(), value: value.trim().to_owned() }
}

/// What `fw_printenv` prints.
fn print(asked: &Asked, slots: &Slots, this: &ThisBoot) -> Printed {
    let mut printed = Printed { text: String::new(), unknown: Vec::new() };
    let all = NAMES.map(str::to_owned);
    let names = if asked.names.is_empty() { &all[..] } else { &asked.names };
    for name in names {
        match value(name, slots, this) {
            Some(value) if asked.is_bare => printed.text += &(value + "\n"),
            Some(value) => printed.text += &format!("{name}={value}\n"),
            None if asked.names.is_empty() => {}
            None => printed.unknown.push(name.clone()),
        }
    }
    printed
}

fn value(name: &str, slots: &Slots, this: &ThisBoot) -> Option<String> {
    if name == CANARY {
        return Some("1".to_owned());
    }
    let slot = booting(slots, this)?;
    let tried = if is_upgrade(slot) { slot.most.saturating_sub(slot.left) } else { 0 };
    match name {
        PART => Some(slot.name.clone()),
        PART_HEX => slot.name.parse::<u32>().ok().map(|number| format!("{number:x}")),
        UPGRADE => Some(u8::from(is_upgrade(slot)).to_string()),
        BOOTCOUNT => Some(tried.to_string()),
        _ => None,
    }
}

/// The slot that boots next, or is running in its last try.
fn booting<'a>(slots: &'a Slots, this: &ThisBoot) -> Option<&'a Slot> {
    let running = slots.running(this);
    let tried = slots.list.iter().rev().filter(|slot| {
        let runs = running.is_some_and(|running| running.name == slot.name);
        can_boot(slot) || (runs && slot.is_usable() && !slot.bad)
    });
    // The first of those with the highest priority.
    tried.max_by_key(|slot| slot.priority)
}

/// Whether what is in it has never been confirmed.
const fn is_upgrade(slot: &Slot) -> bool {
    !slot.good_once
}

/// Sets all of the variables at once. The slots are to be written if they have changed.
///
/// # Errors
/// A variable that is not one of the five, a value that it cannot have, or what a slot
/// refuses; nothing is to be written then.
fn set(assignments: &[Assignment], slots: &mut Slots, this: &ThisBoot) -> Result<(), String> {
    let mut change = Change::default();
    for assignment in assignments {
        change.take(assignment)?;
    }
    let before = booting(slots, this).map(|slot| slot.name.clone());
    let part = change.part.or_else(|| before.clone());
    let part = part.ok_or("no slot is there that can boot: see turnout slot list")?;
    let moves = before.as_deref() != Some(part.as_str());
    match change.is_upgrade {
        Some(true) => install(slots, &part),
        Some(false) if moves => go_back(slots, before.as_deref(), &part),
        Some(false) => commit(slots, &part),
        None if moves => slots.set_primary(&part),
        None => Ok(()),
    }
    .map_err(|refusal| refused_for_good(&refusal))
}

impl Change {
    fn take(&mut self, assignment: &Assignment) -> Result<(), String> {
        let Assignment { name, value } = assignment;
        let wrong = |what: &str| format!("{name} cannot be {}: {what}", quoted(value));
        match (name.as_str(), value.as_str()) {
            (PART, _) => self.go_to(number(value, 10).ok_or_else(|| wrong("a number"))?),
            (PART_HEX, _) => {
                self.go_to(number(value, 16).ok_or_else(|| wrong("a number in base 16"))?)
            }
            (UPGRADE, "0" | "1") => {
                self.is_upgrade = Some(value == "1");
                Ok(())
            }
            (BOOTCOUNT, "0") | (CANARY, "1") => Ok(()),
            (UPGRADE, _) => Err(wrong("0 or 1")),
            (BOOTCOUNT, _) => Err(wrong("Turnout counts by itself, and only 0 can be written")),
            (CANARY, _) => Err(wrong("it is always 1")),
            _ => Err(format!("{} is not kept: there are only {}", quoted(name), NAMES.join(", "))),
        }
    }

    fn go_to(&mut self, part: u32) -> Result<(), String> {
        let part = part.to_string();
        match &self.part {
            Some(other) if *other != part => {
                Err(format!("{PART} and {PART_HEX} differ: {other} and {part}"))
            }
            _ => {
                self.part = Some(part);
                Ok(())
            }
        }
    }
}

fn number(text: &str, base: u32) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    u32::from_str_radix(text, base).ok().filter(|_| is_plain)
}

/// Something new is in this slot, and is to be tried.
fn install(slots: &mut Slots, part: &str) -> Result<(), Refusal> {
    slots.install(part, false)?;
    slots.set_primary(part)
}

/// The update works.
fn commit(slots: &mut Slots, part: &str) -> Result<(), Refusal> {
    if slots.get(part).is_some_and(|slot| slot.confirmed) {
        return Ok(());
    }
    slots.bless().map(drop)
}

/// The update does not: another slot is to boot.
fn go_back(slots: &mut Slots, from: Option<&str>, part: &str) -> Result<(), Refusal> {
    slots.set_primary(part)?;
    let from = from.filter(|name| slots.get(name).is_some_and(is_upgrade));
    from.map_or(Ok(()), |name| slots.mark_bad(name, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::rules::{Count, Rules, Target};
    use crate::slots::{Cause, Stage};

    const RULES: Rules = Rules { count: Count::Unconfirmed, tries: 1, is_declared: true };
    const INSTALLED: &str = "mender_boot_part=3\nmender_boot_part_hex=3\nupgrade_available=1\n\
                             bootcount=0\n";

    /// 2 is running and good; 3 was never started.
    fn machine() -> Slots {
        let mut slots = Slots::default();
        slots.declare(["2", "3"].into_iter(), 1);
        slots.mark_good("2").unwrap();
        slots
    }

    fn start(slots: &mut Slots) -> String {
        slots.settle(false);
        let name = slots.order(&RULES).first().map(|name| (*name).to_owned()).unwrap();
        let target = Target {
            slot: Some(name.as_str()),
            entry: "os",
            named_tries: None,
            cause: Cause::Order,
            stage: Stage::Mounting,
        };
        slots.begin(&target, &RULES);
        slots.jump(&target, None, &RULES);
        name
    }

    fn printed(slots: &Slots) -> String {
        let all =
            print(&Asked { names: Vec::new(), is_bare: false }, slots, &ThisBoot::default()).text;
        all.replace('\n', " ").replace("mender_", "").trim_end().to_owned()
    }

    fn script(slots: &mut Slots, text: &str) -> String {
        set(&parse_script(text), slots, &ThisBoot::default()).err().unwrap_or_default()
    }

    #[test]
    fn an_update_is_tried_and_committed() {
        let mut slots = machine();
        let before = "bootcount=0 boot_part=2 boot_part_hex=2 saveenv_canary=1 upgrade_available=0";
        assert_eq!(printed(&slots), before);
        assert_eq!(script(&mut slots, INSTALLED), "");
        let waiting =
            "bootcount=0 boot_part=3 boot_part_hex=3 saveenv_canary=1 upgrade_available=1";
        assert_eq!(printed(&slots), waiting);
        assert_eq!(start(&mut slots), "3");
        assert_eq!(printed(&slots), waiting.replace("bootcount=0", "bootcount=1"));
        assert_eq!(script(&mut slots, "upgrade_available=0\n"), "");
        assert_eq!(
            printed(&slots),
            "bootcount=0 boot_part=3 boot_part_hex=3 saveenv_canary=1 upgrade_available=0"
        );
        assert!(slots.get("3").unwrap().confirmed);
        assert_eq!(script(&mut slots, "upgrade_available=0\n"), "", "twice is once");
        assert_eq!(start(&mut slots), "3");
    }

    #[test]
    fn an_update_that_nobody_commits_is_gone_at_the_next_start() {
        let mut slots = machine();
        script(&mut slots, INSTALLED);
        assert_eq!(start(&mut slots), "3");
        assert_eq!(start(&mut slots), "2");
        assert_eq!(
            printed(&slots),
            "bootcount=0 boot_part=2 boot_part_hex=2 saveenv_canary=1 upgrade_available=0"
        );
    }

    #[test]
    fn an_update_that_is_rolled_back_is_not_tried_again() {
        let mut slots = machine();
        script(&mut slots, INSTALLED);
        start(&mut slots);
        let back = "mender_boot_part=2\nmender_boot_part_hex=2\nupgrade_available=0\n";
        assert_eq!(script(&mut slots, back), "");
        assert!(slots.get("3").unwrap().bad);
        assert_eq!(start(&mut slots), "2");
    }

    #[test]
    fn the_last_good_system_is_not_given_up_for_an_update() {
        let mut slots = machine();
        script(&mut slots, INSTALLED);
        start(&mut slots);
        let before = slots.clone();
        let said = script(&mut slots, "mender_boot_part 2\nupgrade_available 1\n");
        assert!(said.starts_with("\"2\" is the only slot that was ever good"), "{said}");
        assert!(
            said.ends_with(" (turnout slot install and set-state do it with --force)"),
            "{said}"
        );
        assert_eq!(slots, before);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_reason() {
        let mut slots = machine();
        let before = slots.clone();
        for (text, reason) in [
            (
                "bootdelay=3",
                "\"bootdelay\" is not kept: there are only bootcount, mender_boot_part",
            ),
            ("bootcount=2", "bootcount cannot be \"2\": Turnout counts by itself"),
            ("upgrade_available=yes", "upgrade_available cannot be \"yes\": 0 or 1"),
            ("mender_boot_part=+2", "mender_boot_part cannot be \"+2\": a number"),
            ("mender_boot_part=", "mender_boot_part cannot be \"\": a number"),
            ("mender_boot_part_hex=z", "mender_boot_part_hex cannot be \"z\": a number in base 16"),
            ("mender_saveenv_canary=0", "mender_saveenv_canary cannot be \"0\": it is always 1"),
            (
                "mender_boot_part=2\nmender_boot_part_hex=3",
                "mender_boot_part and mender_boot_part_hex differ: 2 and 3",
            ),
            ("mender_boot_part=9", "there is no slot \"9\": there are 2, 3"),
        ] {
            let said = script(&mut slots, text);
            assert!(said.starts_with(reason), "{text}: {said}");
        }
        assert_eq!(slots, before);
        let said = script(&mut Slots::default(), "upgrade_available=0");
        assert_eq!(said, "no slot is there that can boot: see turnout slot list");
        let mut slots = Slots::default();
        slots.declare(["2"].into_iter(), 1);
        assert_eq!(
            script(&mut slots, "upgrade_available=0"),
            "there is no start that waits for a confirmation: \"turnout history\" shows what \
             became of the last ones"
        );
    }

    #[test]
    fn a_number_in_base_16_is_that_of_the_partition() {
        let mut slots = Slots::default();
        slots.declare(["10", "11"].into_iter(), 1);
        assert_eq!(script(&mut slots, "mender_boot_part_hex=b\n"), "");
        let asked = parse_print(&["-n", PART, PART_HEX].map(str::to_owned)).unwrap();
        assert_eq!(print(&asked, &slots, &ThisBoot::default()).text, "11\nb\n");
    }

    #[test]
    fn names_are_printed_as_the_tool_of_the_boot_loader_does() {
        let slots = machine();
        let asked = parse_print(&[UPGRADE, "nobody", PART].map(str::to_owned)).unwrap();
        let expected = Printed {
            text: "upgrade_available=0\nmender_boot_part=2\n".to_owned(),
            unknown: vec!["nobody".to_owned()],
        };
        assert_eq!(print(&asked, &slots, &ThisBoot::default()), expected);
        let bare = parse_print(&["-n", UPGRADE].map(str::to_owned)).unwrap();
        assert_eq!(print(&bare, &slots, &ThisBoot::default()).text, "0\n");
    }

    #[test]
    fn options_that_are_none_are_refused() {
        let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
        assert!(parse_print(&words("-c file x")).unwrap_err().starts_with("\"-c\" is no option"));
        assert_eq!(parse_print(&words("-n")).unwrap_err(), "-n needs the name of a variable");
        assert!(parse_set(&words("-c file")).unwrap_err().starts_with("\"-c\" is no option here"));
        assert!(parse_set(&[]).unwrap_err().starts_with("nothing is to be set"));
        assert_eq!(parse_set(&words("-s -")).unwrap(), Given::Script("-".to_owned()));
        let one = Assignment { name: UPGRADE.to_owned(), value: "0".to_owned() };
        assert_eq!(parse_set(&words("upgrade_available 0")).unwrap(), Given::Here(one.clone()));
        let text = "# of Mender\n\nupgrade_available=0\n  upgrade_available 0 \n";
        assert_eq!(parse_script(text), [one.clone(), one]);
    }
}
