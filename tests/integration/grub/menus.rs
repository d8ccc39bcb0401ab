//! What GRUB boots by itself of a menu, for states of its environment block: of one that
//! is written for this, whose results are frozen in `tests/data/grub/menus.json`, and of
//! what Debian's grub-mkconfig makes.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};
use turnout::base::arch::Arch;
use turnout::menu::{self, Budget, Group, Identity, Memory, Metered, Sight, Target};

use super::machine::{Booted, Environment, Machine, block};

/// The kernel of its entries; another one is not there.
const KERNEL: &str = "/boot/vmlinuz";
const MENU: &str = include_str!("../../data/grub/menu.cfg");
const FROZEN: &str = include_str!("../../data/grub/menus.json");

/// How many machines there are at once: GRUB mostly waits.
const MACHINES: usize = 4;
/// States of the environment block of [`MENU`], as lines.
const STATES: [&str; 38] = [
    "",
    "saved_entry=first",
    "saved_entry=First",
    "saved_entry=Second",
    "saved_entry=1",
    "saved_entry=0",
    "saved_entry=5",
    "saved_entry=99",
    "saved_entry=-1",
    "saved_entry=nonsense",
    "saved_entry=more>old",
    "saved_entry=more>older",
    "saved_entry=2>1",
    "saved_entry=More>Older",
    "saved_entry=More>1",
    "saved_entry=2>older",
    "saved_entry=more>deep>two",
    "saved_entry=2>2>1",
    "saved_entry=More>Deep>Deep one",
    "saved_entry=more>nonsense",
    "saved_entry=more>99",
    "saved_entry=more",
    "saved_entry=2",
    "saved_entry=older",
    "saved_entry=arrow",
    "saved_entry=Arrow > head",
    "saved_entry=Arrow >> head",
    "saved_entry=second-first",
    "next_entry=more>deep>one",
    "next_entry=Second\nsaved_entry=older",
    "next_entry=nonsense\nsaved_entry=more>old",
    "prev_saved_entry=more>old\nsaved_entry=Second",
    "wanted=0x1",
    "wanted=1 x",
    "style=hidden\nsaved_entry=more>older",
    "saved_entry=missing\nsecond=1",
    "saved_entry=missing\nsecond=7 4",
    "saved_entry=missing\nsecond=Second",
];

/// What is to be compared of a default that GRUB boots.
fn environment(lines: &str) -> Environment {
    let settings = lines.lines().filter_map(|line| line.split_once('='));
    settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn shown(state: &str, booted: Option<&Booted>, after: &Environment) -> Value {
    let booted = booted.map(|booted| {
        let Booted { kernel, initrd, options } = booted;
        json!({ "kernel": kernel, "initrd": initrd, "options": options })
    });
    json!({ "environment": state, "boots": booted, "after": after })
}

/// What GRUB makes of each state, in their order.
fn all_shown(name: &str) -> Option<Vec<Value>> {
    let per_machine = STATES.len().div_ceil(MACHINES);
    let mut found = Vec::new();
    thread::scope(|scope| {
        let parts = STATES.chunks(per_machine).enumerate();
        let threads: Vec<_> =
            parts.map(|(n, states)| scope.spawn(move || some_shown(name, n, states))).collect();
        for thread in threads {
            found.extend(thread.join().unwrap()?);
        }
        Some(())
    })?;
    Some(found)
}

fn some_shown(name: &str, number: usize, states: &[&str]) -> Option<Vec<Value>> {
    let machine = Machine::new(&format!("{name}-{number}"))?;
    machine.write("/boot/vmlinuz", "");
    machine.write("/boot/initrd", "");
    let show = |state: &&str| {
        let (booted, after) = machine.boot(MENU, &environment(state));
        shown(state, booted.as_ref(), &after)
    };
    Some(states.iter().map(show).collect())
}

/// The long run asks again; what is frozen is compared with the reader in every run.
#[test]
#[ignore = "GRUB takes 14 s for all states: ./tests/run --long oracle"]
fn grub_boots_what_is_frozen() {
    let Some(found) = all_shown("grub-menus") else { return };
    if std::env::var_os("TURNOUT_FREEZE").is_some() {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/grub/menus.json");
        fs::write(place, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
        return;
    }
    let frozen: Vec<Value> = serde_json::from_str(FROZEN).unwrap();
    assert_eq!(frozen, found);
}

/// What Debian's grub-mkconfig is to do.
const DEFAULTS: &str = "GRUB_DEFAULT=saved\nGRUB_SAVEDEFAULT=true\nGRUB_TIMEOUT=0\n\
                        GRUB_DISTRIBUTOR=Debian\nGRUB_CMDLINE_LINUX_DEFAULT=quiet\n";
/// Kernels, the newest first.
const VERSIONS: [&str; 3] = ["6.12.48+deb13-amd64", "6.12.41+deb13-amd64", "6.1.0-50-amd64"];
/// States of its environment block, with what is to boot then: the number of the kernel,
/// and whether it is its recovery.
const DEBIAN: [(&str, usize, bool); 30] = [
    ("", 0, false),
    ("saved_entry=1>2", 1, false),
    ("saved_entry=1>3", 1, true),
    ("saved_entry=1>5", 2, true),
    ("saved_entry=nonsense", 0, false),
    ("saved_entry=gnulinux-advanced-UUID>gnulinux-6.1.0-50-amd64-advanced-UUID", 2, false),
    (
        "saved_entry=Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux \
      6.12.41+deb13-amd64",
        1,
        false,
    ),
    ("next_entry=gnulinux-advanced-UUID>2", 1, false),
    ("next_entry=1>4\nsaved_entry=1>2", 2, false),
    ("prev_saved_entry=1>2\nsaved_entry=1>4", 2, false),
    ("saved_entry=0", 0, false),
    ("saved_entry=1>0", 0, false),
    ("saved_entry=1>1", 0, true),
    ("saved_entry=1>4", 2, false),
    ("saved_entry=gnulinux-simple-UUID", 0, false),
    ("saved_entry=Debian GNU/Linux", 0, false),
    ("saved_entry=gnulinux-advanced-UUID>0", 0, false),
    ("saved_entry=gnulinux-advanced-UUID>gnulinux-6.12.48+deb13-amd64-recovery-UUID", 0, true),
    ("saved_entry=gnulinux-advanced-UUID>gnulinux-6.12.41+deb13-amd64-recovery-UUID", 1, true),
    ("saved_entry=Advanced options for Debian GNU/Linux>3", 1, true),
    ("saved_entry=1>gnulinux-6.1.0-50-amd64-recovery-UUID", 2, true),
    ("saved_entry=1>Debian GNU/Linux, with Linux 6.1.0-50-amd64", 2, false),
    ("next_entry=1>1", 0, true),
    ("next_entry=0\nsaved_entry=1>5", 0, false),
    ("next_entry=nonsense\nsaved_entry=1>2", 0, false),
    ("next_entry=\nsaved_entry=1>2", 1, false),
    ("next_entry=gnulinux-simple-UUID\nsaved_entry=1>3", 0, false),
    ("next_entry=1>5\nprev_saved_entry=1>2\nsaved_entry=0", 2, true),
    ("prev_saved_entry=0\nsaved_entry=1>3", 1, true),
    ("boot_once=true\nsaved_entry=1>2", 1, false),
];

#[test]
fn grub_boots_what_debians_menu_says() {
    let Some(machine) = Machine::new("grub-debian") else { return };
    for version in VERSIONS {
        machine.write(&format!("/boot/vmlinuz-{version}"), "");
        machine.write(&format!("/boot/initrd.img-{version}"), "");
        machine.write(&format!("/boot/config-{version}"), "");
    }
    let menu = machine.make_menu(DEFAULTS);
    for (state, kernel, is_recovery) in DEBIAN {
        let state = state.replace("UUID", super::machine::UUID);
        let (booted, _) = machine.boot(&menu, &environment(&state));
        let booted = booted.unwrap_or_else(|| panic!("nothing boots with {state}"));
        assert_eq!(booted.kernel, format!("/boot/vmlinuz-{}", VERSIONS[kernel]), "{state}");
        assert_eq!(booted.options.contains("single"), is_recovery, "{state}");
        let kernels = VERSIONS.map(|version| format!("vmlinuz-{version}"));
        let initrds = VERSIONS.map(|version| format!("initrd.img-{version}"));
        let ours = default_here(&menu, &environment(&state), &[kernels, initrds].concat());
        assert_eq!(ours.as_ref(), Some(&booted), "{state}");
    }
}

/// What Turnout lists as the default of this menu.
fn default_here(menu: &str, environment: &Environment, boot: &[String]) -> Option<Booted> {
    let thread = thread::current().name().unwrap_or_default().replace(':', "-");
    let root = std::env::temp_dir().join(format!("turnout-{thread}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(root.join("boot/grub")).unwrap();
    fs::write(root.join("boot/grub/grub.cfg"), menu).unwrap();
    let kernel = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/image/Image.gz");
    for name in boot {
        fs::copy(&kernel, root.join("boot").join(name)).unwrap();
    }
    fs::write(root.join("boot/grub/grubenv"), block(environment)).unwrap();
    let mut turnout = Command::new(env!("CARGO_BIN_EXE_turnout"));
    let root_as_grub_calls_it = format!("hd0,gpt2={}", root.display());
    let output = turnout.args(["list", "--json", "--root", &root_as_grub_calls_it]).output();
    let output = output.unwrap();
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    fs::remove_dir_all(&root).unwrap();
    let entries = list["entries"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["default"] == json!(true))?;
    Some(Booted {
        kernel: entry["linux"].as_str()?.to_owned(),
        initrd: entry["initrd"][0].as_str().map(str::to_owned),
        options: entry["options"].as_str()?.to_owned(),
    })
}

/// States in which GRUB falls back, as Turnout does when an entry has not booted, and not
/// when it is listed.
const FALLS_BACK: &str = "second=";
/// The one of them in which GRUB gives up, as it takes numbers only. Turnout takes a title
/// too: it would go on to some entry in any case.
const GIVES_UP: &str = "second=Second";

/// What Turnout would try after the default, in this order, and not find missing.
fn fallbacks_here(environment: &Environment) -> Vec<Booted> {
    let block = block(environment);
    let files = [("/boot/grub/grub.cfg", MENU), ("/boot/grub/grubenv", block.as_str())];
    let files: Memory = files.into_iter().chain([(KERNEL, ""), ("/boot/initrd", "")]).collect();
    let home = Identity { name: "hd0,gpt2".to_owned(), ..Identity::default() };
    let budget = Budget::default();
    let files = Metered::menus(&files, &budget).seeing(Sight::alone(&home));
    let menu = menu::read_below(&files, &Target::new(Arch::X86_64, &[]), "");
    let menu = menu::merge(vec![(Group::default(), menu)]);
    let entries = menu.fallback.iter().map(|index| &menu.entries[*index]);
    let there = entries.filter(|entry| entry.linux.as_deref() == Some(KERNEL));
    there
        .map(|entry| Booted {
            kernel: KERNEL.to_owned(),
            initrd: entry.initrds.first().cloned(),
            options: entry.options.clone(),
        })
        .collect()
}

#[test]
fn the_fallback_is_the_one_that_grub_booted() {
    let frozen: Vec<Value> = serde_json::from_str(FROZEN).unwrap();
    let states = frozen.iter().map(|case| (case["environment"].as_str().unwrap(), case));
    let states: Vec<_> = states.filter(|(state, _)| state.contains(FALLS_BACK)).collect();
    assert_eq!(states.len(), 3);
    for (state, case) in states {
        let ours = fallbacks_here(&environment(state));
        let shown = shown(state, ours.first(), &Environment::new());
        if state.contains(GIVES_UP) {
            assert!(case["boots"].is_null(), "{case}");
            assert_eq!(shown["boots"]["options"], "ro entry=second chosen=Second");
        } else {
            assert_eq!(shown["boots"], case["boots"], "{state}");
        }
    }
}

#[test]
fn the_default_is_the_one_that_grub_booted() {
    let frozen: Vec<Value> = serde_json::from_str(FROZEN).unwrap();
    assert_eq!(frozen.len(), STATES.len());
    for case in frozen {
        let state = case["environment"].as_str().unwrap();
        if state.contains(FALLS_BACK) {
            continue;
        }
        let boot = ["vmlinuz".to_owned(), "initrd".to_owned()];
        let ours = default_here(MENU, &environment(state), &boot);
        let shown = shown(state, ours.as_ref(), &Environment::new());
        assert_eq!(shown["boots"], case["boots"], "{state}");
    }
}
