//! Command lines, and what becomes of them.

use std::ffi::OsString;

use super::super::cmdline::Cmdline;
use super::super::source::{Location, Source};
use super::finish::ACTS;
use super::flags::{Flag, SOURCE};
use super::table::{COMMANDS, Row};
use super::*;
use crate::base::arch::Arch;
use crate::menu::{Format, Identity};
use crate::plan::{Decompress, Engine, Request, Slot};
use crate::source::StateDevice;
use crate::source::directory::Directory;

fn read(line: &str) -> Result<Command, String> {
    parse(line.split_whitespace().map(OsString::from)).map_err(|misuse| misuse.to_string())
}

fn loaded(line: &str) -> Load {
    match read(line) {
        Ok(Command::Load(load)) => *load,
        other => panic!("{other:?}"),
    }
}

/// Its lines as one, whatever they are broken at.
fn in_one(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_is_in_the_document_as_it_is_typed() {
    let document = in_one(include_str!("../../../docs/cli.md"));
    for row in &COMMANDS {
        let usage = format!("turnout {} ", row.usage());
        assert!(document.contains(&usage), "{usage}");
    }
}

#[test]
fn a_failed_kexec_is_tried_again_without_giving_up_what_else_protects() {
    let boot = |line: &str| match read(line) {
        Ok(Command::Boot(boot)) => (boot.retry, boot.force),
        other => panic!("{other:?}"),
    };
    assert_eq!(boot("boot debian --retry"), (true, false));
    assert_eq!(boot("boot debian --force"), (false, true));
    assert!(read("slot install A --retry").is_err());
}

#[test]
fn every_option_of_load_arrives() {
    let load = loaded(
        "load --initrd a /vmlinuz --initrd=b --append quiet --dtb board.dtb --dtb-overlay o --engine segments \
         --vmlinux always --crash --dry-run --json --arch aarch64 --iomem i --memmap m --boot-params p --fdt f \
         --page-size 65536",
    );
    let asked = Asked { arch: Some(Arch::Aarch64), json: true, ..Asked::default() };
    let expected = Load {
        entry: None,
        asked,
        kernel: "/vmlinuz".into(),
        initrds: vec!["a".into(), "b".into()],
        devicetree: Some("board.dtb".into()),
        overlays: vec!["o".into()],
        cmdline: Cmdline::Append("quiet".into()),
        request: Request::Only(Engine::Segments),
        decompress: Decompress::Always,
        slot: Slot::Crash,
        kind: None,
        without_efi: false,
        shows_plan: false,
        dry_run: true,
        json: true,
        inputs: Inputs {
            arch: Some(Arch::Aarch64),
            iomem: Some("i".into()),
            memmap: Some("m".into()),
            boot_params: Some("p".into()),
            fdt: Some("f".into()),
            page_size: Some(65536),
        },
    };
    assert_eq!(load, expected);
}

#[test]
fn what_is_loaded_is_a_file_with_a_slash_and_an_entry_without() {
    let entry = loaded("load --crash debian --root /mnt --keys ring");
    assert_eq!((entry.entry.as_deref(), entry.slot), (Some("debian"), Slot::Crash));
    assert_eq!(entry.asked.keys, Some("ring".into()));
    let file = loaded("load ./debian");
    assert_eq!((file.entry, file.kernel), (None, "./debian".into()));
    for (with, what) in [
        ("--initrd a", "--initrd"),
        ("--dtb a", "--dtb"),
        ("--dtb-overlay a", "--dtb-overlay"),
        ("--append a", "a command line"),
    ] {
        let error = read(&format!("load debian {with}")).unwrap_err().to_string();
        let expected = format!(
            "{what} comes with a file, and debian is an entry; a file has a slash: ./debian"
        );
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn a_machine_that_is_not_this_one_needs_its_map() {
    let check = |inputs: Inputs| inputs.check(Arch::X86_64);
    let other = Inputs { arch: Some(Arch::Aarch64), ..Inputs::default() };
    let said = check(other.clone()).unwrap_err();
    assert_eq!(said, "to plan for a machine of its own, aarch64 needs --iomem and --fdt");
    let with_map = Inputs { iomem: Some("i".into()), ..other };
    assert!(check(with_map.clone()).unwrap_err().ends_with("aarch64 needs --fdt"));
    assert_eq!(check(Inputs { fdt: Some("f".into()), ..with_map }), Ok(()));
    let here = Inputs { arch: Some(Arch::X86_64), ..Inputs::default() };
    assert_eq!(check(here.clone()), Ok(()));
    let half = Inputs { memmap: Some("m".into()), ..here };
    assert!(check(half).unwrap_err().ends_with("x86_64 needs --iomem"));
}

#[test]
fn the_other_commands_are_read() {
    assert_eq!(read("--help"), Ok(Command::Help(None)));
    assert_eq!(read("-V"), Ok(Command::Version));
    assert_eq!(read("unload"), Ok(Command::Unload(Slot::Normal)));
    assert_eq!(read("unload --crash"), Ok(Command::Unload(Slot::Crash)));
    assert_eq!(read("exec"), Ok(Command::Exec));
    let state = None;
    assert_eq!(read("status --json"), Ok(Command::Status { settle: false, state, json: true }));
    let settled = Command::Status { settle: true, state: None, json: false };
    assert_eq!(read("status --settle"), Ok(settled));
    let entry = Some("debian".to_owned());
    assert_eq!(read("bless --json debian"), Ok(Command::Bless { entry, state: None, json: true }));
    let state = Some(StateDevice::Named("mmcblk0p3".into()));
    assert_eq!(
        read("bless --state-device /dev/mmcblk0p3"),
        Ok(Command::Bless { entry: None, state, json: false })
    );
    let refused = read("status --state-device LABEL=state").unwrap_err();
    assert!(refused.contains("it is PARTUUID=..., PARTLABEL=... or /dev/..."), "{refused}");
    let image = Command::Image { file: "k".into(), json: false };
    assert_eq!(read("image k"), Ok(image));
}

fn act(line: &str) -> Act {
    match read(line) {
        Ok(Command::Slot { act, state: None, json: false }) => act,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_verbs_of_slots_are_read() {
    let name = || "A".to_owned();
    assert_eq!(act("slot"), Act::List);
    assert_eq!(act("slot list"), Act::List);
    assert_eq!(act("slot set-primary A"), Act::SetPrimary(name()));
    assert_eq!(act("slot set-state A good"), Act::MarkGood(name()));
    assert_eq!(act("slot set-state A bad"), Act::MarkBad(name(), false));
    assert_eq!(act("slot --force set-state A bad"), Act::MarkBad(name(), true));
    assert_eq!(act("slot install A"), Act::Install(name(), false));
    assert_eq!(act("slot install A --force"), Act::Install(name(), true));
    let state = Some(StateDevice::Named("sda3".into()));
    let expected = Command::Slot { act: Act::List, state, json: true };
    assert_eq!(read("slot --json --state-device /dev/sda3"), Ok(expected));
}

#[test]
fn choices_are_read() {
    let read = |line: &[&str]| match parse(line.iter().map(OsString::from)) {
        Ok(Command::Choose { choice: Choice { when, id }, .. }) => (when, id),
        other => panic!("{line:?}: {other:?}"),
    };
    let some = |id: &str| Some(id.to_owned());
    assert_eq!(read(&["set-default", "a"]), (When::Always, some("a")));
    assert_eq!(read(&["set-default", "@saved"]), (When::Always, some("@saved")));
    assert_eq!(read(&["set-default", ""]), (When::Always, None));
    assert_eq!(read(&["set-oneshot", "a.conf"]), (When::Once, some("a.conf")));
    assert_eq!(read(&["set-oneshot", "--clear"]), (When::Once, None));
}

#[test]
fn every_option_of_verify_arrives() {
    let line = "verify good --root main=/mnt,uuid=1 --root other=/x --keys k --policy p \
                --arch aarch64 --board a,b --board c --device-id 7 --json";
    let named = |name: &str| Identity { name: name.into(), ..Identity::default() };
    let main = Identity { uuid: Some("1".into()), ..named("main") };
    let main = Directory { identity: main, path: "/mnt".into() };
    let other = Directory { identity: named("other"), path: "/x".into() };
    let location = Location::Directories(vec![main, other]);
    let asked = Asked {
        source: Source { location, ..Source::default() },
        keys: Some("k".into()),
        policy: Some("p".into()),
        arch: Some(Arch::Aarch64),
        boards: vec!["a,b".into(), "c".into()],
        devices: vec!["7".into()],
        json: true,
    };
    let expected = Verify { what: What::Entry("good".into()), asked };
    assert_eq!(read(line), Ok(Command::Verify(Box::new(expected))));
    let what = What::Manifest("m".into());
    let source = Source { location: Location::Device("d".into()), ..Source::default() };
    let expected = Verify { what, asked: Asked { source, ..Asked::default() } };
    let line = "verify --device d --manifest m";
    assert_eq!(read(line), Ok(Command::Verify(Box::new(expected))));
}

#[test]
fn every_option_of_list_and_explain_arrives() {
    let source = Source {
        location: Location::Here,
        config: Some("/extlinux/extlinux.conf".into()),
        format: Format::named("extlinux"),
    };
    let asked = Asked { source, json: true, ..Asked::default() };
    let line = "list --config /extlinux/extlinux.conf --format syslinux --json";
    assert_eq!(read(line), Ok(Command::List(Box::new(asked))));
    let line = "explain good --arch aarch64 --iomem i --fdt f --keys k";
    let expected = Explain {
        entry: Some("good".into()),
        asked: Asked { arch: Some(Arch::Aarch64), keys: Some("k".into()), ..Asked::default() },
        inputs: Inputs {
            arch: Some(Arch::Aarch64),
            iomem: Some("i".into()),
            fdt: Some("f".into()),
            ..Inputs::default()
        },
    };
    assert_eq!(read(line), Ok(Command::Explain(Box::new(expected))));
    assert!(read("explain --arch aarch64").is_ok());
}

/// Lines that begin with `turnout ` in the blocks of a document that are for a shell.
fn typed_in(document: &str) -> Vec<&str> {
    let blocks = document.split("```sh\n").skip(1).filter_map(|block| block.split("```").next());
    blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("turnout ")).collect()
}

#[test]
fn what_documents_have_turnout_do_it_takes() {
    for document in
        [include_str!("../../../docs/day-2.md"), include_str!("../../../docs/distributions.md")]
    {
        let lines = typed_in(document);
        assert!(lines.len() > 5, "{lines:?}");
        for line in lines {
            assert!(read(line).is_ok(), "{line}: {:?}", read(line));
        }
    }
}

/// A value that an option takes which calls it so.
fn value_for(flag: &Flag) -> Option<&'static str> {
    match (flag.name, flag.value()?) {
        ("state-device", _) => Some("/dev/sda3"),
        ("fdt" | "iomem", _) => Some("map"),
        (_, words) => words.split('|').next_back(),
    }
}

/// The least that the command can be called with, without this option.
fn least(row: &Row, flag: &Flag) -> Vec<&'static str> {
    let more: &[&str] = match (row.name, flag.name) {
        ("load", "iomem" | "memmap" | "boot-params" | "fdt" | "page-size" | "arch") => {
            &["./k", "--dry-run"]
        }
        ("load", _) => &["./k"],
        ("slot", "force") => &["install", "A"],
        ("set-default" | "set-oneshot", "clear") => &[],
        ("set-default" | "set-oneshot", _) => &["debian"],
        ("image", _) => &["k"],
        ("check", name) if !["json", "next-start"].contains(&name) => &["--next-start"],
        _ => &[],
    };
    let machine = ["memmap", "boot-params", "fdt", "page-size", "arch"];
    let map: &[&str] = match flag.name {
        "iomem" => &["--fdt", "f"],
        "fdt" => &["--iomem", "i"],
        name if machine.contains(&name) && row.flags().any(|flag| flag.name == "iomem") => {
            &["--iomem", "i", "--fdt", "f"]
        }
        "format" => &["--config", "c"],
        _ => &[],
    };
    [more, map].concat()
}

/// This command with this option, as somebody types it.
fn with(row: &Row, flag: &Flag) -> Vec<String> {
    let mut line = vec![row.name.to_owned(), flag.typed()];
    line.extend(value_for(flag).map(str::to_owned));
    line.extend(least(row, flag).into_iter().map(str::to_owned));
    line
}

fn parsed(line: &[String]) -> Result<Command, String> {
    parse(line.iter().map(OsString::from)).map_err(|misuse| misuse.to_string())
}

#[test]
fn every_option_of_every_command_is_read_and_changes_what_is_done() {
    for row in &COMMANDS {
        for flag in row.flags() {
            let line = with(row, flag);
            let without: Vec<_> =
                [row.name].into_iter().chain(least(row, flag)).map(str::to_owned).collect();
            let changed = parsed(&line).unwrap_or_else(|why| panic!("{line:?}: {why}"));
            assert_ne!(parsed(&without), Ok(changed), "{line:?}");
        }
    }
}

#[test]
fn an_option_that_is_shown_to_repeat_does_and_no_other_changes_its_mind() {
    for row in &COMMANDS {
        for flag in row.flags().filter(|flag| flag.value().is_some()) {
            let mut line = with(row, flag);
            line.extend([flag.typed(), value_for(flag).unwrap().to_owned()]);
            if flag.name == "root" {
                *line.last_mut().unwrap() = "b=/b".to_owned();
            }
            let last_counts = ["engine", "vmlinux"].contains(&flag.name);
            let read = parsed(&line);
            assert_eq!(read.is_ok(), flag.repeats || last_counts, "{line:?}: {read:?}");
        }
    }
}

#[test]
fn every_word_of_a_value_is_one_that_is_read() {
    for row in &COMMANDS {
        for flag in row.flags() {
            for word in
                flag.value().filter(|value| value.contains('|')).unwrap_or_default().split('|')
            {
                if word.is_empty() {
                    continue;
                }
                let mut line = with(row, flag);
                line[2] = word.to_owned();
                assert!(parsed(&line).is_ok(), "{line:?}");
            }
        }
    }
}

#[test]
fn the_words_that_a_command_takes_are_those_of_the_table() {
    let row = |name| COMMANDS.iter().find(|row| row.name == name).unwrap();
    assert_eq!(row("slot").operands.takes[0], ACTS.join("|"));
    let formats: Vec<_> = Format::all().map(Format::name).collect();
    let format = SOURCE.flags.iter().find(|flag| flag.name == "format").unwrap();
    assert_eq!(format.value(), Some(&*formats.join("|")));
}

#[test]
fn the_overview_has_a_line_for_every_command_and_fits_a_screen() {
    let overview = help(None);
    for row in &COMMANDS {
        let line = format!("\n  turnout {:<20}  {}\n", row.name, row.about);
        assert!(overview.contains(&line), "{line}: {overview}");
    }
    assert!(overview.lines().count() < 25, "{overview}");
    assert!(overview.lines().all(|line| line.len() <= 80), "{overview}");
    assert!(!overview.ends_with('\n'));
}

#[test]
fn the_page_of_a_command_shows_its_usage_and_every_option() {
    for row in &COMMANDS {
        let page = help(Some(row.name));
        assert!(
            in_one(&page).starts_with(&format!("turnout {} {}", row.usage(), row.about)),
            "{page}"
        );
        for flag in row.flags() {
            let value = flag.value().map_or(String::new(), |value| format!(" {value}"));
            let more = if flag.repeats { "..." } else { "" };
            let option = format!("  --{}{value}{more} ", flag.name);
            let line = page.lines().find(|line| line.starts_with(&option));
            let line = line.unwrap_or_else(|| panic!("{option}: {page}"));
            assert!(line.ends_with(flag.about) && !flag.about.is_empty(), "{line}");
        }
        assert!(page.lines().all(|line| line.len() <= 80), "{page}");
        assert!(page.lines().all(|line| line.trim_end() == line), "{page:?}");
    }
}

#[test]
fn help_is_asked_for_in_every_way_that_people_do() {
    let page = |name| Ok(Command::Help(Some(name)));
    assert_eq!(read("load --help"), page("load"));
    assert_eq!(read("boot -h"), page("boot"));
    assert_eq!(read("help slot"), page("slot"));
    assert_eq!(read("load k --crash --help"), page("load"));
    assert_eq!(read("help"), Ok(Command::Help(None)));
    assert_eq!(read("-h"), Ok(Command::Help(None)));
    let said = read("help lod").unwrap_err();
    assert!(said.starts_with("\"lod\" is no command; did you mean \"load\"?"), "{said}");
}

#[test]
fn the_page_that_says_more_is_named() {
    let ends = |line: &str, end: &str| {
        let said = read(line).unwrap_err();
        assert!(said.ends_with(end), "{said}");
    };
    ends("load k --frob", "(\"turnout load --help\" lists them)");
    ends("load", "(\"turnout load --help\" shows how it is used)");
    ends("frob", "(\"turnout --help\" lists them)");
}

#[test]
fn an_option_that_nobody_could_type_is_none() {
    for row in &COMMANDS {
        let mut names: Vec<_> = row.flags().map(|flag| flag.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all, "{}", row.name);
        assert!(!names.contains(&"help"), "{}", row.name);
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_word() {
    let cases = [
        ("", "no command says what to do (\"turnout --help\" lists them)"),
        ("frobnicate", "\"frobnicate\" is no command (\"turnout --help\" lists them)"),
        ("lod k", "\"lod\" is no command; did you mean \"load\"? (\"turnout --help\" lists them)"),
        (
            "load k --inird i",
            "\"--inird\" is no option of \"turnout load\"; did you mean \"--initrd\"? \
             (\"turnout load --help\" lists them)",
        ),
        ("--hepl", "\"--hepl\" is no option of \"turnout\"; did you mean \"--help\"?"),
        ("load", "\"turnout load\" needs a kernel"),
        ("load a b", "unexpected argument \"b\""),
        ("load k --frob", "\"--frob\" is no option of \"turnout load\""),
        ("load k --engine fast", "cannot parse argument \"fast\": it is auto, file or segments"),
        ("load k --vmlinux maybe", "cannot parse argument \"maybe\": it is auto, always or never"),
        (
            "load k --cmdline a --append b",
            "only one of --cmdline, --append and --reuse-cmdline, once",
        ),
        ("load k --iomem f", "a machine is described only for --dry-run"),
        (
            "load k --dry-run --page-size 5",
            "cannot parse argument \"5\": it is 4096, 16384 or 65536",
        ),
        ("load k --dry-run --fdt a --fdt b", "--fdt is there twice"),
        ("load k --initrd", "missing argument for option '--initrd'"),
        ("exec now", "unexpected argument \"now\""),
        ("image", "\"turnout image\" needs a file"),
        ("bless a b", "unexpected argument \"b\""),
        ("status --crash", "\"--crash\" is no option of \"turnout status\""),
        ("verify a b", "unexpected argument \"b\""),
        ("verify a --manifest m", "only one of ENTRY and --manifest, once"),
        ("verify --manifest m --manifest n", "only one of ENTRY and --manifest, once"),
        ("verify --root a --device b", "only one of --root and --device"),
        ("verify --crash", "\"--crash\" is no option of \"turnout verify\""),
        ("list good", "unexpected argument \"good\""),
        ("list --initrd f", "\"--initrd\" is no option of \"turnout list\""),
        ("list --format bls", "--format bls says how to read a file, and --config names none"),
        ("list --config a --format lilo", "there is no format \"lilo\"; there is bls,"),
        ("list --config a --config b", "--config is there twice"),
        ("list --root a --root b", "a second root needs a name: --root NAME=DIR, not \"b\""),
        ("explain a b", "unexpected argument \"b\""),
        ("history all", "unexpected argument \"all\""),
        ("explain --fdt f --arch aarch64", "to plan for a machine of its own, aarch64 needs"),
    ];
    for (line, expected) in cases {
        let said = read(line).unwrap_err();
        assert!(said.starts_with(expected), "{line}: {said}");
    }
}

#[test]
fn a_verb_that_cannot_be_meant_is_refused_with_the_word() {
    let cases = [
        (
            "slot set-primery A",
            "\"set-primery\" is no verb of \"turnout slot\"; did you mean \"set-primary\"?",
        ),
        (
            "slot install",
            "\"turnout slot install\" needs the name of a slot (\"turnout slot list\" shows them)",
        ),
        ("slot set-state A", "\"turnout slot set-state NAME\" needs good or bad"),
        ("slot set-state A fine", "a slot is set good or bad, not \"fine\""),
        ("slot set-primary A B", "unexpected argument \"B\""),
        ("slot set-state A bad now", "unexpected argument \"now\""),
        ("slot set-primary A --force", "--force is for \"install\" and \"set-state NAME bad\""),
        ("set-default", "it needs the id of an entry, or --clear to forget what was set"),
        ("set-default a --clear", "only one of ID and --clear"),
        ("set-oneshot @saved", "@saved is for \"turnout set-default\" only"),
    ];
    for (line, expected) in cases {
        let said = read(line).unwrap_err();
        assert!(said.starts_with(expected), "{line}: {said}");
    }
}
