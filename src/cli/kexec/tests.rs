//! Command lines of kexec-tools' callers and people, and what each comes to here.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use super::job::{Job, Mode, OWN_INITRD};
use super::options::{Answers, Does, OPTIONS, On};
use super::parse::{Asked, parse};
use super::status::{FAILED, MISUSED, Stopped};
use super::{help, run, text};
use crate::base::arch::Arch;
use crate::cli::arguments::Load;
use crate::cli::cmdline::Cmdline;
use crate::cli::kernel_kind::Kind;
use crate::failure::{Failure, Stage};
use crate::plan::{self, Engine, EngineError, Request, Slot};
use crate::steps::load::Refused;

const FILE: Request = Request::Only(Engine::File);
const SEGMENTS: Request = Request::Only(Engine::Segments);

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn asked_on(arch: Arch, line: &[&str]) -> Result<Asked, String> {
    parse(words(line), arch)
}

fn job_of(line: &[&str]) -> Job {
    job_on(Arch::X86_64, line)
}

fn job_on(arch: Arch, line: &[&str]) -> Job {
    match asked_on(arch, line) {
        Ok(Asked::Job(job)) => *job,
        other => panic!("{line:?}: {other:?}"),
    }
}

fn job(line: &str) -> Job {
    job_of(&line.split(' ').collect::<Vec<_>>())
}

fn loaded(line: &str) -> Load {
    job(line).load().unwrap()
}

fn misuse(line: &str) -> String {
    asked_on(Arch::X86_64, &line.split(' ').collect::<Vec<_>>()).unwrap_err()
}

/// As every option is without a word about it.
fn of(kernel: &str) -> Load {
    Load { kernel: kernel.into(), request: Request::FileFirst, ..Load::default() }
}

fn with(initrd: &str, cmdline: &str) -> Load {
    let initrds = vec![initrd.into()];
    Load { initrds, cmdline: Cmdline::Given(cmdline.into()), ..of("K") }
}

#[test]
fn the_lines_of_real_callers_come_to_what_they_mean() {
    let normal = with("I", "A");
    let crash = Load { slot: Slot::Crash, ..normal.clone() };
    let by_file = |load: &Load| Load { request: FILE, ..load.clone() };
    let cases = [
        // systemd up to 259.
        ("--load K --append A --initrd I", &normal),
        // Debian's kexec-tools, petitboot, SONiC, zfsbootmenu.
        ("-l K --initrd=I --append=A", &normal),
        ("-l --debug --initrd=I --append=A K", &Load { shows_plan: true, ..normal.clone() }),
        ("-l K --initrd=I --append=A -a", &normal),
        ("-a -l K --initrd=I --command-line=A", &normal),
        ("-la K --initrd=I --command-line=A", &normal),
        ("-l K --initrd=I --append=A -s", &by_file(&normal)),
        // nixos-images.
        ("--load K --kexec-syscall-auto --initrd=I --no-checks --command-line A", &normal),
        ("--load K --initrd I --command-line A --", &normal),
        // kdump-config, kdumpctl.
        ("-p --args-linux --command-line=A --initrd=I K", &crash),
        ("-p -s --args-linux --command-line=A --initrd=I K", &by_file(&crash)),
        ("-s -p --command-line=A --initrd=I K", &by_file(&crash)),
        ("--elf32-core-headers -p --command-line=A --initrd=I K", &crash),
        // The kernel's selftests.
        ("--load K", &of("K")),
        ("--load --kexec-file-syscall K", &by_file(&of("K"))),
    ];
    for (line, expected) in cases {
        assert_eq!(&loaded(line), expected, "{line}");
        assert_eq!(job(line).mode, Mode::Load, "{line}");
    }
}

#[test]
fn the_other_calls_of_real_callers_are_understood() {
    for (line, slot) in [
        ("-u", Slot::Normal),
        ("--unload", Slot::Normal),
        ("-u -a", Slot::Normal),
        ("--unload --kexec-file-syscall", Slot::Normal),
        ("-p -u", Slot::Crash),
        ("-s -p -u", Slot::Crash),
        ("-a -p -u", Slot::Crash),
    ] {
        let job = job(line);
        assert_eq!((&job.mode, job.unloads, job.slot), (&Mode::Unload, true, slot), "{line}");
        assert!(!job.loads(), "{line}");
    }
    for line in ["-e", "-e -i", "-ex", "-e --initrd=I --append A K", "-e --mem-min=1"] {
        assert_eq!(job(line).mode, Mode::Exec, "{line}");
    }
    assert!(job("-e -y").no_sync);
    let job = job("K --initrd= --append=");
    assert_eq!(job.mode, Mode::Restart);
    assert_eq!(job.load().unwrap().cmdline, Cmdline::Given(String::new()));
}

#[test]
fn the_last_mode_counts_but_unloading_is_not_taken_back() {
    for (line, mode) in [
        ("-l -e", Mode::Exec),
        ("-e -f", Mode::Force),
        ("-e -l", Mode::Load),
        ("-f -l", Mode::Load),
        ("-l -f", Mode::Force),
        ("-e -p", Mode::Load),
        ("-l -u", Mode::Unload),
    ] {
        assert_eq!(job(line).mode, mode, "{line}");
    }
    let both = job("-u -l K");
    assert_eq!((both.mode.clone(), both.unloads, both.loads()), (Mode::Load, true, true));
    assert_eq!(job("-p -l K").slot, Slot::Crash);
}

#[test]
fn status_is_about_the_crash_kernel_unless_another_is_meant() {
    for (line, slot) in [
        ("-S", Slot::Crash),
        ("-S -l", Slot::Normal),
        ("-l --status", Slot::Normal),
        ("-S -p", Slot::Crash),
        ("-S -p -l", Slot::Crash),
        ("-S -u", Slot::Crash),
    ] {
        let job = job(line);
        assert!(job.asks_status, "{line}");
        assert_eq!(job.status_slot(), slot, "{line}");
    }
    let statuses = [Some(true), Some(false), None].map(super::act::status_of);
    assert_eq!(statuses, [1, 0, 255]);
}

#[test]
fn of_what_is_there_twice_the_last_counts_and_it_is_said() {
    let twice = job("-l K --append=a --command-line=b --initrd=1 --ramdisk=2 -s -c");
    let load = twice.load().unwrap();
    assert_eq!(load, Load { request: SEGMENTS, ..with("2", "b") });
    let said = twice.said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0], "--append is there more than once: the last one counts");
    assert!(said[1].starts_with("--initrd is there more than once"), "{said:?}");
}

#[test]
fn every_spelling_of_a_value_is_the_same() {
    let expected = Load { kind: Some(Kind::Bzimage), ..with("I", "a b") };
    for line in [
        &["-l", "K", "--initrd", "I", "--append", "a b", "-t", "bzImage"][..],
        &["-l", "K", "--initrd=I", "--append=a b", "-tbzImage"],
        &["-ltbzImage", "--init=I", "--app=a b", "K"],
        &["--ty", "bzImage64", "--ram", "I", "--command", "a b", "--load", "--", "K"],
    ] {
        assert_eq!(job_of(line).load().unwrap(), expected, "{line:?}");
    }
    // A value is what comes next, whatever it looks like.
    assert_eq!(job_of(&["-l", "K", "--append", "--"]).cmdline, Some("--".into()));
    assert_eq!(job_of(&["-l", "K", "--append", "-e"]).mode, Mode::Load);
    assert_eq!(job_of(&["-l", "--", "-e"]).operands, ["-e"]);
    assert_eq!(job_of(&["-l", "-"]).operands, ["-"]);
}

#[test]
fn the_command_line_is_kept_byte_for_byte() {
    let text = "root=/dev/vda rw  a=\"b  c\"  \treset_devices ";
    let load = job_of(&["-p", &format!("--command-line={text}"), "K"]).load().unwrap();
    assert_eq!(load.cmdline, Cmdline::Given(text.to_owned()));
    let line =
        [OsString::from("-l"), "K".into(), "--append".into(), OsString::from_vec(vec![0xff])];
    let Ok(Asked::Job(job)) = parse(line, Arch::X86_64) else { panic!() };
    let refused = job.load().unwrap_err();
    assert_eq!(refused.status, MISUSED);
    assert!(refused.said.contains("is no UTF-8"), "{}", refused.said);
}

#[test]
fn command_lines_are_given_reused_or_both() {
    assert_eq!(loaded("-l K").cmdline, Cmdline::Own);
    assert_eq!(loaded("-l K --reuse-cmdline").cmdline, Cmdline::Reuse);
    let both = Cmdline::ReuseAnd("single".into());
    assert_eq!(loaded("-l K --append=single --reuse-cmdline").cmdline, both);
}

#[test]
fn the_running_kernels_initrd_can_be_used_again() {
    assert_eq!(loaded("-l K --reuseinitrd").initrds, [std::path::PathBuf::from(OWN_INITRD)]);
    let tree = loaded("-l K --dtb=board.dtb").devicetree;
    assert_eq!(tree, Some("board.dtb".into()));
}

#[test]
fn without_efi_the_engine_is_the_one_that_can_do_it() {
    let load = loaded("-l K --noefi");
    assert_eq!((load.without_efi, load.request), (true, SEGMENTS));
    let job = job("-l K --noefi -s");
    assert_eq!(job.load().unwrap().request, FILE);
    assert!(job.said()[0].starts_with("--noefi changes nothing with -s"), "{:?}", job.said());
}

#[test]
fn what_is_given_up_or_not_used_is_said() {
    let said = job("-l K -i root=/dev/vda").said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("\"root=/dev/vda\" is not used: one kernel"), "{said:?}");
    assert!(said[1].starts_with("--no-checks gives up nothing"), "{said:?}");
    assert!(job("-l K -x --hotplug --console-vga").said().is_empty());
    let said = job("-l K -x -d").said();
    assert!(said[0].starts_with("--no-ifdown changes nothing: network"), "{said:?}");
    assert!(loaded("-l K -d").shows_plan);
}

#[test]
fn words_that_cannot_be_meant_are_named() {
    for (line, expected) in [
        ("-l --bogus K", "\"--bogus\" is no option of kexec"),
        ("-l --inird=I K", "\"--inird\" is no option of kexec; did you mean --initrd?"),
        ("-z", "\"-z\" is no option of kexec (\"kexec --help\" lists them)"),
        ("-?", "\"-?\" is no option of kexec"),
        ("-lzs", "\"-z\" is no option of kexec"),
        ("--re K", "\"--re\" can mean --reuse-cmdline, --reuseinitrd, --real-mode, --reuse-video"),
        ("--no", "\"--no\" can mean --no-checks, --no-ifdown, --no-sync, --noefi, --no-cma:"),
        ("-l K --initrd", "--initrd needs its FILE"),
        ("-l K -t", "--type needs its TYPE"),
        ("--load=K", "unexpected argument for option '--load': \"K\""),
        ("--force-dtb", "\"--force-dtb\" is no option on x86_64"),
        ("--dt-no-old-root", "\"--dt-no-old-root\" is no option of kexec"),
    ] {
        let said = misuse(line);
        assert!(said.starts_with(expected), "{line}: {said}");
    }
    let said = asked_on(Arch::Aarch64, &["--args-linux"]).unwrap_err();
    assert_eq!(said, "\"--args-linux\" is no option on aarch64");
}

#[test]
fn an_exact_name_is_no_abbreviation_of_a_longer_one() {
    assert_eq!(job("--load").slot, Slot::Normal);
    assert_eq!(job("--kexec-syscall").request, SEGMENTS);
    assert_eq!(job("--kexec-syscall-a").request, Request::FileFirst);
    assert_eq!(job("--kexec-f").request, FILE);
    assert_eq!(job("--load-pa").slot, Slot::Crash);
}

#[test]
fn every_option_is_done_accepted_or_refused_by_name() {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        for row in OPTIONS.iter().filter(|row| row.on.has(arch)) {
            for name in row.names {
                let value = row.value.map_or("", |_| "=uki");
                let option = format!("--{name}{value}");
                let asked = asked_on(arch, &["K", &option]);
                match (row.does, asked) {
                    (Does::Answers(answer), asked) => assert_eq!(asked, Ok(Asked::Answer(answer))),
                    (Does::Refused(why), Ok(Asked::Job(job))) => {
                        let stopped = job.load().unwrap_err();
                        let said = format!("{} is not done: {why}", row.name());
                        assert_eq!(stopped, Stopped::new(MISUSED, said));
                    }
                    (Does::NoMode(why), Ok(Asked::Job(job))) => {
                        let said = format!("{} is not done: {why}", row.name());
                        assert_eq!(job.mode, Mode::Impossible(said));
                    }
                    (Does::Accepted(_), Ok(Asked::Job(job))) => {
                        assert_eq!(job.load().unwrap(), of("K"), "{option}");
                    }
                    (Does::Sets(_) | Does::Takes(_), Ok(Asked::Job(job))) => {
                        // An engine is chosen already in one of these.
                        let changes = ["-s", "-c"].map(|engine| {
                            job_on(arch, &["K", engine, &option]) != job_of(&["K", engine])
                        });
                        assert!(changes.contains(&true), "{option} does nothing: {job:?}");
                    }
                    (_, other) => panic!("{option}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn the_rows_are_told_apart() {
    let mut names: Vec<_> = OPTIONS.iter().flat_map(|row| row.names).collect();
    let mut letters: Vec<_> = OPTIONS.iter().filter_map(|row| row.short).collect();
    let counts = (names.len(), letters.len());
    names.sort_unstable();
    names.dedup();
    letters.sort_unstable();
    letters.dedup();
    assert_eq!((names.len(), letters.len()), counts);
    assert_eq!(letters.iter().collect::<String>(), "Sacdefhilpstuvxy");
    for row in OPTIONS {
        let takes = matches!(row.does, Does::Takes(_));
        assert!(!takes || row.value.is_some(), "{}", row.name());
        let sets = matches!(row.does, Does::Sets(_) | Does::Answers(_) | Does::NoMode(_));
        assert!(!sets || row.value.is_none(), "{}", row.name());
    }
    assert!(OPTIONS.iter().any(|row| row.on == On::Aarch64));
}

#[test]
fn answers_come_at_once() {
    for (line, answer) in [
        (&["-h"][..], Answers::Help),
        (&["--help", "--bogus"], Answers::Help),
        (&["-l", "-v"], Answers::Version),
        (&["--version"], Answers::Version),
        (&["--print-ckr-size"], Answers::CrashSize),
    ] {
        assert_eq!(asked_on(Arch::X86_64, line), Ok(Asked::Answer(answer)), "{line:?}");
    }
    let version = text(Answers::Version);
    assert!(version.starts_with("kexec-tools 2.0.32 (turnout "), "{version}");
    assert!(text(Answers::CrashSize).bytes().all(|byte| byte.is_ascii_digit()));
}

#[test]
fn help_shows_every_option_of_the_machine_in_a_line_of_its_own() {
    let help = help();
    for row in OPTIONS.iter().filter(|row| row.on.has(crate::sys::arch::native())) {
        for name in row.names {
            let shown = help.lines().filter(|line| line.contains(&format!("--{name}"))).count();
            assert!(shown >= 1, "--{name}");
        }
    }
    assert!(help.contains("\n  -l, --load "), "{help}");
}

#[test]
fn kernels_have_to_be_of_a_type_that_is_loaded_here() {
    assert_eq!(loaded("-l K -t uki").kind, Some(Kind::Uki));
    for (name, expected) in [
        ("multiboot-x86", "kernels of type \"multiboot-x86\" are not loaded here"),
        ("zImage", "there is no type \"zImage\"; there are bzImage64, bzImage, elf-x86_64, uki,"),
    ] {
        let stopped = job_of(&["-l", "K", "-t", name]).load().unwrap_err();
        assert_eq!(stopped.status, FAILED);
        assert!(stopped.said.starts_with(expected), "{}", stopped.said);
    }
}

#[test]
fn what_cannot_be_loaded_at_all_ends_as_with_kexec_tools() {
    for (line, status, expected) in [
        ("-l", FAILED, "No kernel specified"),
        ("-p", FAILED, "No kernel specified"),
        ("-e -f", FAILED, "No kernel specified"),
        ("-f -p K -f", MISUSED, "-f starts what it loads, and only a panic starts a crash kernel"),
        ("-l K --module=m", MISUSED, "--module is not done: Turnout loads Linux, and nothing by"),
        ("-l K --mem-min 0x1000", MISUSED, "--mem-min is not done: where things lie in memory"),
    ] {
        let stopped = job(line).load().unwrap_err();
        assert_eq!(stopped.status, status, "{line}: {}", stopped.said);
        assert!(stopped.said.starts_with(expected), "{line}: {}", stopped.said);
    }
}

#[test]
fn a_whole_run_ends_with_the_status_of_kexec_tools() {
    for (line, status) in [
        (&["--bogus"][..], 1),
        (&["--exec-live-update"], 1),
        (&["-e", "--load-preserve-context"], 1),
        (&["--load-preserve-context", "-l", "K"], 1),
        (&["--exec-live-update", "-s", "-l", "K"], 1),
        (&[], 255),
        (&["-l"], 255),
        (&["-p"], 255),
        (&["-v"], 0),
        (&["--help"], 0),
        (&["--print-ckr-size"], 0),
    ] {
        assert_eq!(run(words(line)), status, "{line:?}");
    }
}

fn status_of(failure: &Failure, request: Request) -> u8 {
    Stopped::of(failure, request).status
}

#[test]
fn each_class_of_failure_has_its_status() {
    const ENOSYS: i32 = 38;
    const EINVAL: i32 = 22;
    const ENOKEY: i32 = 126;
    let refused =
        |errno| Failure::from(Refused { errno: Some(errno), said: "kexec_file_load".into() });
    let missing = || {
        let error = plan::Error::Engine(EngineError::Missing(Engine::File));
        Failure::new(Stage::Plan, error)
    };
    assert_eq!(status_of(&Failure::new(Stage::Read, "K: gone"), FILE), 1);
    let no_room = Failure { stage: Stage::Read, ..Failure::broken("MEMORY", String::new()) };
    assert_eq!(status_of(&no_room, FILE), 255);
    let unsigned = Failure::barred("UNSIGNED", String::new());
    assert_eq!(status_of(&unsigned, FILE), 255);
    assert_eq!(status_of(&Failure::new(Stage::Identify, "no kernel"), FILE), 255);
    assert_eq!(status_of(&missing(), FILE), 253);
    assert_eq!(status_of(&missing(), Request::FileFirst), 255);
    assert_eq!(status_of(&refused(ENOSYS), FILE), 253);
    assert_eq!(status_of(&refused(EINVAL), FILE), 253);
    assert_eq!(status_of(&refused(EINVAL), SEGMENTS), 255);
    let root = Stopped::failed(&Failure::new(Stage::Load, "only root can load a kernel"));
    assert_eq!(root, Stopped::new(255, "only root can load a kernel".to_owned()));
    let named = Stopped::of(&Failure::new(Stage::Read, "I: gone").of("K"), FILE);
    assert_eq!(named.said, "failed K: read: I: gone");
    // A signature is final.
    assert_eq!(status_of(&refused(ENOKEY), FILE), 255);
}

/// xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }

    /// A word of a command line: an option, a piece of one, or any bytes.
    fn word(&mut self) -> OsString {
        let row = &OPTIONS[self.below(OPTIONS.len())];
        let mut word = row.name().into_bytes();
        match self.below(4) {
            0 => {}
            1 => word.truncate(self.below(word.len())),
            2 => {
                word = (0..self.below(6)).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
            }
            _ => {
                let letters = b"-abcdefhilpstuvxySz=";
                word = (0..self.below(8)).map(|_| letters[self.below(letters.len())]).collect();
                word.insert(0, b'-');
            }
        }
        if self.below(4) == 0 {
            word.extend(b"=\xff a");
        }
        OsString::from_vec(word)
    }
}

#[test]
fn no_command_line_makes_it_fall_over() {
    let mut random = Random(0x0074_7572_6e6f_7574);
    let mut understood = 0;
    for _ in 0..20_000 {
        let line: Vec<_> = (0..random.below(8)).map(|_| random.word()).collect();
        let arch = [Arch::X86_64, Arch::Aarch64][random.below(2)];
        match parse(line, arch) {
            Ok(Asked::Job(job)) => {
                understood += 1;
                let _ = (job.load(), job.said(), job.status_slot());
            }
            Ok(Asked::Answer(_)) => {}
            Err(said) => assert!(!said.is_empty()),
        }
    }
    assert!(understood > 1000, "{understood}");
}

/// The document, in which every option stands as it is typed, and with its reason what is
/// not done.
const DOCUMENT: &str = include_str!("../../../docs/kexec.md");

#[test]
fn every_option_is_in_the_document_with_why_it_is_not_done() {
    for row in OPTIONS {
        let value = if row.value.is_some() { "=" } else { "`" };
        for name in row.names {
            let typed = format!("`--{name}{value}");
            let mut lines = DOCUMENT.lines().filter(|line| line.contains(&typed));
            let is_there = match row.does {
                Does::Refused(why) | Does::NoMode(why) => lines.any(|line| line.contains(why)),
                _ => lines.next().is_some(),
            };
            assert!(is_there, "{typed} has no line in docs/kexec.md with its reason");
        }
    }
}
