//! Menus of devices that come one after the other, each a directory here.

use super::*;
use crate::base::arch::Arch;
use crate::base::used::Used;
use crate::boot::discover::discover;
use crate::boot::drivers::Drivers;
use crate::boot::efi::Wishes;
use crate::boot::measure::Witness;
use crate::boot::rollback::Standing;
use crate::boot::slots::Starts;
use crate::config::Config;
use crate::menu::Target;
use crate::rollback::refused::Noted;
use crate::slots::Slots;
use crate::source::filesystem::{FileSystem, Kind};
use crate::source::{Candidate, Guid, PartitionType, Role as Place};
use crate::sys::console::Console;
use crate::sys::signal::Signals;
use crate::trust::allowed_signers::KeyRing;
use crate::trust::policy::Policy;
use crate::trust::sshsig::make;
use crate::trust::verify::{Identity, Refusal};
use std::path::PathBuf;

/// A directory that stands for the root of a mounted device.
struct Disk(PathBuf);

impl Disk {
    fn new(name: &str) -> Self {
        let name = format!("turnout-menu-{name}-{}", std::process::id());
        let disk = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&disk.0).unwrap();
        disk
    }

    fn with(self, path: &str, text: &str) -> Self {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn volume(&self, name: &str, kind: Guid) -> Volume {
        let tier = Tier { removable: false, role: Place::Boot };
        Volume::at(&candidate(name, kind), tier, self.0.to_str().unwrap())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn candidate(name: &str, kind: Guid) -> Candidate {
    Candidate {
        name: name.to_owned(),
        disk: name.trim_end_matches(char::is_numeric).to_owned(),
        kind: Some(PartitionType::Gpt(kind)),
        is_partitioned: false,
        no_auto: false,
        partuuid: Some(format!("part-{name}")),
        partlabel: None,
        filesystem: Some(FileSystem {
            kind: Kind::Ext4,
            uuid: Some(format!("uuid-{name}")),
            label: None,
        }),
        member: None,
        removable: false,
        size: 1 << 30,
        fault: None,
    }
}

/// Key 1 boots, key 2 says what the policy is.
fn session() -> Session {
    let line = |seed, namespace: &str| {
        let key = make::public_base64(&make::public(seed));
        format!("key{seed} namespaces=\"{namespace}\" ssh-ed25519 {key}\n")
    };
    let ring = [line(1, "turnout-boot"), line(2, "turnout-policy")].concat();
    let ring = KeyRing::parse(ring.as_bytes()).unwrap();
    Session {
        console: Console::silent(),
        signals: Signals::none(),
        config: Config::new(Mode::Locked),
        anchor: Anchor::new(Some(ring), Policy::default()),
        arch: Arch::X86_64,
        identity: Identity { boards: Vec::new(), devices: Vec::new() },
        drivers: Drivers::default(),
    }
}

fn memory(session: &Session) -> Memory {
    let mut tpm = Ok(None);
    let (witness, _) = Witness::find(&session.config, &session.identity, &mut tpm);
    Memory {
        standing: Standing::unread(&session.config),
        starts: Starts::new(&session.config),
        noted: Noted::default(),
        tpm,
        witness,
        wishes: Wishes::default(),
        edits: Vec::new(),
        used: Vec::new(),
    }
}

fn empty<'s>(session: &'s Session, memory: &'s mut Memory) -> BootMenu<'s> {
    let devices = discover(&session.config, &session.signals, &session.drivers).unwrap();
    BootMenu::empty(session, memory, devices, Role::Boot)
}

/// As it was mounted and read alone.
fn alone(session: &Session, mut volume: Volume) -> (Volume, Menu) {
    let mut menu = volume.read(&Target::new(session.arch, &[]), &[]);
    volume.missed = mem::take(&mut menu.missed);
    (volume, menu)
}

const STUB: &str = "search --fs-uuid --set=root uuid-vdb1\nsource ($root)/menu.cfg\n";
const MENU: &str = "set default=new\nset fallback=old\nset timeout=7\n\
                    menuentry New --id new { linux /vmlinuz }\n\
                    menuentry Old --id old { linux /vmlinuz }\n";
const POLICY: &str = "turnout-policy 1\nversion 1\nminimum-security-version boot 7\n";

/// A stub whose menu lies on a disk that comes later, with a newer policy beside it.
fn stub(name: &str) -> (Disk, Disk) {
    let signature = make::armored(2, "turnout-policy", POLICY.as_bytes());
    let stub = Disk::new(&format!("{name}-stub")).with("grub/grub.cfg", STUB);
    let stub = stub.with("turnout/policy", POLICY).with("turnout/policy.sig", &signature);
    (stub, Disk::new(&format!("{name}-root")).with("menu.cfg", MENU).with("vmlinuz", "MZ"))
}

#[test]
fn what_appears_only_when_a_menu_is_read_again_is_judged_by_the_updates_that_count() {
    let session = session();
    let mut memory = memory(&session);
    let (stub, root) = stub("anchor");
    let mut menu = empty(&session, &mut memory);
    menu.append(vec![alone(&session, stub.volume("vda1", Guid::XBOOTLDR))]);
    assert!(menu.menu.entries.is_empty() && !menu.is_settled, "there is nothing to judge");
    menu.append(vec![(root.volume("vdb1", Guid::LINUX_FILE_SYSTEM), Menu::default())]);
    assert_eq!(menu.verdicts.len(), 2, "{:?}", session.console.log());
    assert!(menu.is_settled);
    assert_eq!(menu.anchor.policy.minimum.boot, 7, "{:?}", session.console.log());
}

#[test]
fn a_menu_that_appears_only_when_it_is_read_again_says_what_boots_and_how_long_it_waits() {
    let session = session();
    let mut memory = memory(&session);
    let (stub, root) = stub("settings");
    let mut menu = empty(&session, &mut memory);
    let first = Disk::new("settings-none");
    menu.append(vec![(first.volume("vdc1", Guid::XBOOTLDR), Menu::default())]);
    menu.append(vec![alone(&session, stub.volume("vda1", Guid::XBOOTLDR))]);
    menu.append(vec![(root.volume("vdb1", Guid::LINUX_FILE_SYSTEM), Menu::default())]);
    let volumes: Vec<_> = menu.menu.entries.iter().map(|entry| entry.volume).collect();
    assert_eq!(volumes, [1, 1], "{:?}", session.console.log());
    assert_eq!((menu.menu.default, menu.menu.fallback.as_slice()), (Some(0), &[1][..]));
    assert_eq!(menu.menu.timeout, menu::Timeout::Seconds(7));
}

const ONCE: &str = "load_env\nset default=${next_entry}\nload_env -f /other/grubenv x\n\
                    menuentry A --id a { linux /vmlinuz }\nmenuentry B --id b { linux /vmlinuz }\n";

/// A device whose menu has an environment block, and another block that is silent.
fn with_block(name: &str, next: &str) -> Disk {
    let block = format!("# GRUB Environment Block\nnext_entry={next}\n####");
    let disk = Disk::new(name).with("grub/grub.cfg", ONCE).with("vmlinuz", "MZ");
    disk.with("grub/grubenv", &block).with("other/grubenv", "# GRUB Environment Block\n####")
}

fn used(device: &str, value: &str) -> Used {
    Used::new(Some(device), value).unwrap()
}

#[test]
fn a_choice_for_one_boot_is_used_up_where_its_block_lies_and_once_it_is_the_default() {
    let session = session();
    let mut memory = memory(&session);
    let (first, second) = (Disk::new("once-none"), with_block("once", "b"));
    let mut menu = empty(&session, &mut memory);
    menu.append(vec![(first.volume("vda1", Guid::XBOOTLDR), Menu::default())]);
    menu.begin();
    menu.append(vec![alone(&session, second.volume("vdb1", Guid::XBOOTLDR))]);
    assert_eq!(menu.menu.default, Some(1), "{:?}", session.console.log());
    assert_eq!(memory.used, [used("part-vdb1", "b")]);
    let log = session.console.log().join("\n");
    assert_eq!(log.matches("next_entry").count(), 1, "{log}");
}

#[test]
fn what_was_used_is_forgotten_once_the_block_that_was_loaded_is_silent() {
    let remembered = [used("part-vda1", "b")];
    let after = |next: &str, removable: bool, twin: bool| {
        let session = session();
        let mut memory = memory(&session);
        memory.used = remembered.to_vec();
        let disk = with_block(&format!("forget-{next}-{removable}-{twin}"), next);
        let mut volume = disk.volume("vda1", Guid::XBOOTLDR);
        volume.tier.removable = removable;
        let mut all = vec![alone(&session, volume)];
        if twin {
            let mut other = disk.volume("vdb1", Guid::XBOOTLDR);
            other.candidate.partuuid = Some("PART-vda1".to_owned());
            all.push((other, Menu::default()));
        }
        empty(&session, &mut memory).append(all);
        memory.used
    };
    assert_eq!(after("", false, false), []);
    for (next, removable, twin) in [("b", false, false), ("", true, false), ("", false, true)] {
        assert_eq!(after(next, removable, twin), remembered, "{next} {removable} {twin}");
    }
}

#[test]
fn a_menu_sees_its_own_disk_first_and_what_anybody_can_put_in_last() {
    let session = session();
    let mut memory = memory(&session);
    let disk = Disk::new("order");
    let mut menu = empty(&session, &mut memory);
    for name in ["sdc1", "vdb1", "vda2", "vda1"] {
        let mut volume = disk.volume(name, Guid::LINUX_FILE_SYSTEM);
        volume.tier.removable = name == "sdc1";
        menu.volumes.push(volume);
    }
    let others = menu.others(&menu.volumes[3]);
    let names: Vec<_> = others.iter().map(|other| other.identity.name()).collect();
    assert_eq!(names, ["vda,gpt2", "vdb,gpt1", "sdc,gpt1"]);
}

#[test]
fn a_file_is_looked_for_on_another_device_at_the_cost_of_the_menu_that_wants_it() {
    let disk = Disk::new("wants").with("flag", "");
    let mut menu = disk.volume("vda1", Guid::XBOOTLDR);
    let other = disk.volume("vdb1", Guid::LINUX_FILE_SYSTEM);
    for (path, expected) in [("/none", false), ("/flag", true)] {
        menu.misses(menu::By::File, path);
        assert_eq!(menu.wants(&other), expected, "{path}");
    }
    while volume_pays(&menu) {}
    assert!(!menu.wants(&other), "its budget is at its end");
}

/// Whether there is something left to look for files.
fn volume_pays(volume: &Volume) -> bool {
    crate::menu::Metered::menus(&*volume.root, &volume.budget).has("/flag")
}

#[test]
fn a_disk_that_stalls_is_that_of_the_kernel_and_not_that_of_the_menu() {
    let session = session();
    let mut memory = memory(&session);
    let (stub, root) = stub("stall");
    let mut menu = empty(&session, &mut memory);
    menu.append(vec![alone(&session, stub.volume("vda1", Guid::XBOOTLDR))]);
    menu.append(vec![(root.volume("vdb1", Guid::LINUX_FILE_SYSTEM), Menu::default())]);
    menu.give_up_disk_of(0);
    let here: Vec<_> = menu.volumes.iter().map(|volume| volume.is_here).collect();
    assert_eq!(here, [true, false]);
}

#[test]
fn fallbacks_come_before_the_others_in_their_own_order() {
    let order = |index, fallback: &[usize]| order_after(index, fallback, 4).collect::<Vec<_>>();
    assert_eq!(order(1, &[]), [1, 2, 3, 0]);
    assert_eq!(order(1, &[3, 0]), [3, 0, 1, 2, 3, 0]);
}

/// A slot's device: its own default is the one that comes last in its menu.
fn slot_disk(name: &str, ids: [&str; 2]) -> Disk {
    let [first, second] = ids;
    let entry = "linux /vmlinuz\n";
    let disk = Disk::new(name).with("vmlinuz", "MZ");
    let disk = disk.with("loader/loader.conf", &["default ", first, "\ntimeout 7\n"].concat());
    let disk = disk.with(&["loader/entries/", first, ".conf"].concat(), entry);
    disk.with(&["loader/entries/", second, ".conf"].concat(), entry)
}

fn session_with(config: &str) -> Session {
    let config = crate::config::read("config", &["mode open\n", config].concat()).unwrap();
    Session { anchor: Anchor::new(None, Policy::default()), config, ..session() }
}

/// The ids of what boots by itself, one after the other has failed.
fn falls(menu: &mut BootMenu<'_>) -> Vec<String> {
    let mut ids = Vec::new();
    menu.begin();
    while let Some(index) = menu.first_from(menu.next) {
        menu.begin_entry();
        ids.push(menu.menu.entries[index].id.clone());
        menu.fail(index, Failure::broken("FILE", "gone".to_owned()));
    }
    ids
}

/// What boots by itself of two devices, B's read first, one after the other.
fn tried(name: &str, config: &str) -> Vec<String> {
    let a = slot_disk(&[name, "-a"].concat(), ["a1", "a2"]);
    let b = slot_disk(&[name, "-b"].concat(), ["b1", "b2"]);
    let session = session_with(config);
    let mut memory = memory(&session);
    memory.starts.open(&session.config, None, false);
    memory.starts.plan(&session.config);
    let mut menu = empty(&session, &mut memory);
    menu.has_slots = true;
    for (disk, name, partuuid) in [(&b, "vdb1", "b1"), (&a, "vda1", "a1")] {
        let mut volume = disk.volume(name, Guid::XBOOTLDR);
        volume.candidate.partuuid = Some(partuuid.to_owned());
        menu.append(vec![alone(&session, volume)]);
    }
    falls(&mut menu)
}

#[test]
fn the_entries_of_a_slot_are_tried_together_its_default_first() {
    let by_slots = "slot A PARTUUID=A1\nslot B PARTUUID=b1\n";
    assert_eq!(tried("slots", by_slots), ["a1", "a2", "b1", "b2"]);
    assert_eq!(tried("no-slots", ""), ["b1", "a2", "a1", "b2"], "the menu's order, as ever");
}

/// A menu of A alone, whose entries came to this, with A and B good, or A alone.
fn lowered(name: &str, both: bool, verdicts: [Failure; 2]) -> (Slots, String) {
    let a = slot_disk(&[name, "-a"].concat(), ["a1", "a2"]);
    let session = session_with("slot A PARTUUID=a1\nslot B PARTUUID=b1\n");
    let mut memory = memory(&session);
    let mut slots = Slots::default();
    slots.declare(["A", "B"].into_iter(), 3);
    slots.mark_good("A").unwrap();
    if both {
        slots.mark_good("B").unwrap();
    }
    memory.starts.open(&session.config, Some(slots), false);
    memory.starts.plan(&session.config);
    let mut menu = empty(&session, &mut memory);
    let mut volume = a.volume("vda1", Guid::XBOOTLDR);
    volume.candidate.partuuid = Some("a1".to_owned());
    menu.append(vec![alone(&session, volume)]);
    menu.verdicts = verdicts.map(Err).to_vec();
    menu.raise_floor();
    (memory.starts.slots, session.console.log().join("\n"))
}

#[test]
fn a_slot_that_is_below_whatever_floor_is_good_no_more_and_that_is_said() {
    let floor = |role| Failure::refused(Refusal::Floor { role, signed: 1, floor: 2 });
    let broken = |code| Failure::broken(code, "vdb1".to_owned());
    let is_good = |slots: &Slots| slots.get("A").unwrap().good_once;
    let (slots, said) = lowered("floor", true, [floor(Role::Boot), broken("FILE")]);
    assert!(!is_good(&slots) && slots.is_last_good(1));
    assert!(said.contains("slot A is below the floor, and good no more\n"), "{said}");
    let (slots, said) = lowered("floor-last", false, [floor(Role::Boot), floor(Role::Recovery)]);
    assert!(!is_good(&slots));
    assert!(said.contains("good no more, and no other is good\n"), "{said}");
    let (slots, _) = lowered("floor-gone", true, [floor(Role::Boot), broken("GONE")]);
    assert!(is_good(&slots), "what is not there is not judged");
    let (slots, _) = lowered("floor-other", true, [floor(Role::Recovery), broken("FILE")]);
    assert!(is_good(&slots), "that is no system's floor");
}

#[test]
fn a_locked_menu_in_which_nothing_boots_by_itself_stays_once_and_says_why() {
    let a = slot_disk("stays", ["a1", "a2"]);
    let mut session = session_with("slot A PARTUUID=a1\n");
    let mut memory = memory(&session);
    let mut slots = Slots::default();
    slots.declare(["A"].into_iter(), 3);
    slots.list[0].left = 0;
    memory.starts.open(&session.config, Some(slots), false);
    memory.starts.plan(&session.config);
    let mut volume = a.volume("vda1", Guid::XBOOTLDR);
    volume.candidate.partuuid = Some("a1".to_owned());
    let read = alone(&session, volume);
    let mut menu = empty(&session, &mut memory);
    menu.append(vec![read]);
    assert!(!menu.stays(), "an open image has its prompt");
    let verdicts = mem::take(&mut menu.verdicts);
    drop(menu);
    session.config.mode = Mode::Locked;
    let a = slot_disk("stays-locked", ["a1", "a2"]);
    let mut volume = a.volume("vda1", Guid::XBOOTLDR);
    volume.candidate.partuuid = Some("a1".to_owned());
    let read = alone(&session, volume);
    let mut menu = empty(&session, &mut memory);
    menu.append(vec![read]);
    menu.verdicts = verdicts;
    assert_eq!(menu.first_from(None), None);
    assert!(menu.stays());
    assert!(!menu.stays(), "once");
    let expected = "Nothing boots by itself: a2: slot A exhausted, 0 of 3 tries left: only by hand; \
                    a1: slot A ";
    assert!(menu.status.starts_with(expected), "{}", menu.status);
    let step = menu.chooser().start(Duration::ZERO);
    assert_eq!(step, crate::choose::Step::Redraw(Some(Duration::from_secs(7))));
}
