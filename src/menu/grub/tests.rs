//! Menus of GRUB as a whole: from files to entries.

use crate::base::arch::Arch;
use crate::menu::{Budget, Device, Format, Identity, Metered, Sight, read_below};
use crate::menu::{
    Entry, Found, Group, Memory, Menu, Target, Timeout, merge, read_config, read_volume,
};

const CFG: &str = "/boot/grub/grub.cfg";
const TARGET: Target<'_> = Target::new(Arch::X86_64, &[]);

fn volume(files: &[(&str, &str)]) -> Menu {
    let files: Memory = files.iter().copied().collect();
    merge(vec![(Group::default(), read_volume(&files, &TARGET))])
}

fn script(text: &str) -> Menu {
    volume(&[(CFG, text), ("/vmlinuz", ""), ("/initrd", "")])
}

fn ids(menu: &Menu) -> Vec<&str> {
    menu.entries.iter().map(|entry| entry.id.as_str()).collect()
}

fn default(menu: &Menu) -> Option<&str> {
    menu.default.map(|index| menu.entries[index].id.as_str())
}

fn messages(menu: &Menu) -> Vec<String> {
    menu.diagnostics.iter().map(ToString::to_string).collect()
}

fn problems(entry: &Entry) -> Vec<String> {
    entry.problems.iter().map(ToString::to_string).collect()
}

const DEBIAN: &str = "\
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ \"${next_entry}\" ] ; then
   set default=\"${next_entry}\"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default=\"${saved_entry}\"
fi
if [ x\"${feature_menuentry_id}\" = xy ]; then
  menuentry_id_option=\"--id\"
else
  menuentry_id_option=\"\"
fi
export menuentry_id_option
function savedefault {
  if [ -z \"${boot_once}\" ]; then
    saved_entry=\"${chosen}\"
    save_env saved_entry
  fi
}
if [ x$feature_timeout_style = xy ] ; then
  set timeout_style=menu
  set timeout=7
fi
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-U' {
\tsavedefault
\tset root='hd0,gpt2'
\tset root=$prefix
\tset root=main
\techo\t'Loading Linux ...'
\tlinux\t/boot/vmlinuz-6.12 root=UUID=U ro quiet dyndbg=\"file drivers/usb/* +p\"
\tinitrd\t/boot/initrd.img-6.12 /boot/more.img
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-U' {
\tmenuentry 'with 6.12' --class debian $menuentry_id_option 'gnulinux-6.12-advanced-U' {
\t\tlinux\t/boot/vmlinuz-6.12 root=UUID=U ro
\t\tinitrd\t/boot/initrd.img-6.12
\t}
\tmenuentry 'with 6.1' --class debian $menuentry_id_option 'gnulinux-6.1-advanced-U' {
\t\tlinux\t/boot/vmlinuz-6.1 root=UUID=U ro chosen=$chosen
\t}
}
if [ \"$grub_platform\" = \"efi\" ]; then
\tfwsetup --is-supported
\tif [ \"$?\" = 0 ]; then
\t\tmenuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
\t\t\tfwsetup
\t\t}
\tfi
fi
";

fn debian(block: &str) -> Menu {
    let block = format!("# GRUB Environment Block\n{block}####");
    volume(&[
        (CFG, DEBIAN),
        ("/boot/grub/grubenv", &block),
        ("/boot/vmlinuz-6.12", ""),
        ("/boot/vmlinuz-6.1", ""),
        ("/boot/initrd.img-6.12", ""),
        ("/boot/more.img", ""),
    ])
}

#[test]
fn a_menu_of_debian_becomes_its_entries() {
    let menu = debian("");
    let expected = [
        "gnulinux-simple-U",
        "gnulinux-6.12-advanced-U",
        "gnulinux-6.1-advanced-U",
        "uefi-firmware",
    ];
    assert_eq!(ids(&menu), expected);
    let first = &menu.entries[0];
    assert_eq!(first.title.as_deref(), Some("Debian GNU/Linux"));
    assert_eq!(first.linux.as_deref(), Some("/boot/vmlinuz-6.12"));
    assert_eq!(first.initrds, ["/boot/initrd.img-6.12", "/boot/more.img"]);
    assert_eq!(first.options, "root=UUID=U ro quiet \"dyndbg=file drivers/usb/* +p\"");
    assert_eq!((first.file.as_str(), first.line, first.problems.len()), (CFG, Some(29), 0));
    let old = &menu.entries[2];
    assert_eq!(old.submenu, ["Advanced options for Debian GNU/Linux"]);
    let chosen = "root=UUID=U ro chosen=gnulinux-advanced-U>gnulinux-6.1-advanced-U";
    assert_eq!((old.options.as_str(), old.initrds.len()), (chosen, 0));
    assert_eq!(menu.timeout, Timeout::Seconds(7));
    assert_eq!(default(&menu), Some("gnulinux-simple-U"));
    assert_eq!(messages(&menu), [""; 0]);
    let said = "UNSUPPORTED_KEY: fwsetup leads to the firmware's own settings, which Turnout \
                cannot do";
    assert!(problems(&menu.entries[3])[0].ends_with(said), "{:?}", menu.entries[3].problems);
}

#[test]
fn what_the_environment_block_says_decides_the_default() {
    for (block, expected) in [
        ("saved_entry=gnulinux-advanced-U>gnulinux-6.1-advanced-U\n", "gnulinux-6.1-advanced-U"),
        ("saved_entry=1>1\n", "gnulinux-6.1-advanced-U"),
        ("saved_entry=Advanced options for Debian GNU/Linux>with 6.1\n", "gnulinux-6.1-advanced-U"),
        ("saved_entry=1\n", "gnulinux-6.12-advanced-U"),
        ("saved_entry=2\n", "uefi-firmware"),
        ("saved_entry=0\nnext_entry=1>1\n", "gnulinux-6.1-advanced-U"),
        ("next_entry=\nsaved_entry=0\n", "gnulinux-simple-U"),
    ] {
        let menu = debian(block);
        assert_eq!((default(&menu), messages(&menu)), (Some(expected), vec![]), "{block}");
    }
    let menu = debian("saved_entry=gone\n");
    let said = "/boot/grub/grub.cfg: SETTING: default \"gone\" names no entry; the first stands \
                for it";
    assert_eq!((default(&menu), messages(&menu)), (Some("gnulinux-simple-U"), vec![said.into()]));
    let next = debian("next_entry=1>1\n").settings.next_entry.unwrap();
    assert_eq!((next.volume, next.device, next.value.as_str()), (0, None, "1>1"));
    assert_eq!(debian("next_entry=\n").settings.next_entry, None);
}

#[test]
fn equal_names_are_told_apart_and_none_changes_for_another_kernel() {
    let menu = script(
        "menuentry A/1 {\nlinux /vmlinuz\n}\nmenuentry A-1 {\nlinux /vmlinuz\n}\n\
         submenu S --id s {\nmenuentry A-1 {\nlinux /vmlinuz\n}\n}\n\
         menuentry '' {\nlinux /vmlinuz\n}\nmenuentry x --id ../../a {\nlinux /vmlinuz\n}\n",
    );
    assert_eq!(ids(&menu), ["A-1", "A-1-2", "A-1-3", "untitled", "..-..-a"]);
    assert!(menu.entries.iter().all(Entry::is_bootable));
    let long = format!("menuentry {} {{\nlinux /vmlinuz\n}}\n", "é".repeat(900));
    let menu = script(&long);
    assert_eq!((menu.entries[0].id.len(), menu.entries[0].name().len()), (200, 512));
}

#[test]
fn what_boots_no_linux_is_shown_with_the_reason() {
    let cases = [
        ("chainloader /a.efi", "UNSUPPORTED_KEY: chainloader starts another boot loader"),
        (
            "multiboot2 /xen\nmodule2 /vmlinuz",
            "UNSUPPORTED_KEY: multiboot2 starts a multiboot kernel",
        ),
        ("xen_hypervisor /xen", "UNSUPPORTED_KEY: xen_hypervisor starts Xen"),
        ("ntldr /bootmgr", "UNSUPPORTED_KEY: ntldr starts another system than Linux"),
        ("echo nothing", "NO_KERNEL: the entry loads no kernel"),
        ("reboot", "NO_KERNEL: the entry restarts the machine, and loads no kernel"),
        ("halt", "NO_KERNEL: the entry switches the machine off, and loads no kernel"),
        ("linux ../vmlinuz", "PATH: linux: \"../vmlinuz\" must not contain \"..\""),
        (
            "set root=hd0,gpt2\nlinux /vmlinuz",
            "DEVICE: root unresolved: \"hd0,gpt2\" is GRUB's name",
        ),
        (
            "set root=hd0,gpt2\nsearch --fs-uuid --set=root 1-2\nlinux /vmlinuz",
            "firmware's order of disks; no device is seen that has the UUID \"1-2\"",
        ),
        ("linux (hd1)/vmlinuz", "DEVICE: root unresolved: \"hd1\" is GRUB's name"),
        (
            "linux /vmlinuz\ninitrd newc:a:/initrd",
            "UNSUPPORTED_KEY: initrd: \"newc:a:/initrd\" is put",
        ),
    ];
    for (body, expected) in cases {
        let menu =
            script(&format!("menuentry A {{\n{body}\n}}\nmenuentry B {{\nlinux /vmlinuz\n}}"));
        assert_eq!(ids(&menu), ["A", "B"], "{body}");
        let found = problems(&menu.entries[0]).remove(0);
        assert!(found.contains(expected), "{body}: {found}");
        assert!(menu.entries[1].is_bootable());
    }
}

#[test]
fn a_password_keeps_an_entry_from_booting_and_all_from_being_edited() {
    let body = "{\nlinux /vmlinuz\n}\n";
    let menu = script(&format!(
        "set superusers=root\nexport superusers\npassword_pbkdf2 root grub.pbkdf2.sha512.1\n\
         menuentry A {body}menuentry B --unrestricted {body}\
         submenu C {{\nmenuentry D --unrestricted {body}}}\n\
         submenu E --unrestricted {{\nmenuentry F --users me {body}menuentry G --unrestricted {body}}}\n"
    ));
    let bootable: Vec<_> =
        menu.entries.iter().filter(|e| e.is_bootable()).map(Entry::name).collect();
    assert_eq!((ids(&menu).join(""), bootable), ("ABDFG".to_owned(), vec!["B", "G"]));
    let said = "/boot/grub/grub.cfg:4: UNSUPPORTED_KEY: the entry asks for a password, which \
                Turnout cannot check";
    assert_eq!(problems(&menu.entries[0]), [said]);
    assert!(!menu.settings.editor);
    assert!(script(&format!("menuentry A {body}")).settings.editor);
}

#[test]
fn a_script_that_boots_without_a_menu_is_an_entry() {
    let mender = "for slot in b a; do\nif linux /$slot/vmlinuz slot=$slot; then\n\
                  initrd /$slot/initrd\nboot\nfi\ndone\nmenuentry later {\nlinux /vmlinuz\n}\n";
    let menu = volume(&[(CFG, mender), ("/a/vmlinuz", ""), ("/a/initrd", "")]);
    assert_eq!(ids(&menu), ["grub.cfg"]);
    let entry = &menu.entries[0];
    assert_eq!((entry.linux.as_deref(), entry.options.as_str()), (Some("/a/vmlinuz"), "slot=a"));
    assert_eq!((entry.initrds.join(" "), entry.problems.len()), ("/a/initrd".to_owned(), 0));
    assert_eq!((default(&menu), menu.timeout), (Some("grub.cfg"), Timeout::Hidden));
    // As with GRUB: a body is left by `boot`, and goes on where there is nothing to boot.
    let menu = script(
        "menuentry A {\nboot\nlinux /none a\nboot\nlinux /vmlinuz b\nboot\nlinux /vmlinuz c\n}\n",
    );
    assert_eq!(menu.entries[0].options, "b");
}

#[test]
fn a_configuration_leads_to_another_one() {
    let stub = "set prefix=($root)/boot/grub\nset lost=1\nset kept=1\nexport kept\n\
                menuentry vain {\nlinux /vmlinuz\n}\nconfigfile $prefix/real.cfg\n\
                menuentry never {\nlinux /vmlinuz\n}\n";
    let real = "menuentry \"real [$lost][$kept] $config_directory\" {\nlinux /vmlinuz\n}\n";
    let files = [("/EFI/debian/grub.cfg", stub), ("/boot/grub/real.cfg", real), ("/vmlinuz", "")];
    let menu = volume(&files);
    let names: Vec<_> = menu.entries.iter().map(Entry::name).collect();
    assert_eq!(names, ["real [][1] (main)/boot/grub"]);
    assert_eq!(menu.entries[0].file, "/boot/grub/real.cfg");
    // One without a menu of its own is come back from.
    let menu = volume(&[files[0], ("/boot/grub/real.cfg", "set prefix=x\n"), files[2]]);
    let names: Vec<_> = menu.entries.iter().map(Entry::name).collect();
    assert_eq!(names, ["vain", "never"]);
    // In an entry it is a submenu.
    let multi = "menuentry Other --id o {\nconfigfile /other.cfg\n}\nset default='o>x'\n";
    let other = "menuentry a {\nlinux /vmlinuz\n}\nmenuentry b --id x {\nlinux /vmlinuz\n}\n";
    let menu = volume(&[(CFG, multi), ("/other.cfg", other), files[2]]);
    assert_eq!((ids(&menu), default(&menu)), (vec!["a", "x"], Some("x")));
    assert_eq!(menu.entries[1].submenu, ["Other"]);
}

#[test]
fn it_is_looked_for_where_installers_put_it() {
    let places = [
        "/grub/grub.cfg",
        "/grub2/grub.cfg",
        "/EFI/BOOT/grub.cfg",
        "/EFI/debian/grub.cfg",
        "/boot/grub/grub.cfg",
        "/boot/grub2/grub.cfg",
        "/boot/EFI/fedora/grub.cfg",
        "/boot/grub/loopback.cfg",
        "/boot/grub2/loopback.cfg",
    ];
    for place in places {
        let menu = volume(&[(place, "menuentry $prefix {\nlinux /vmlinuz\n}\n")]);
        let directory = place.rsplit_once('/').unwrap().0;
        assert_eq!(menu.entries[0].name(), format!("(main){directory}"));
        assert_eq!(menu.entries[0].format.name(), "grub");
        let read = menu.read.iter().find(|read| read.path == place).unwrap();
        assert_eq!(read.found, Found::Entries(1));
    }
}

/// The menu of an ESP beside a root, as the first of both sees it.
fn beside(stub: &str, root: &[(&str, &str)]) -> Menu {
    let esp: Memory = [("/EFI/debian/grub.cfg", stub)].into_iter().collect();
    let root: Memory = root.iter().copied().collect();
    let names = [("vda,gpt1", "AA-1"), ("vda,gpt2", "bb-2")].map(|(name, uuid)| Identity {
        name: name.to_owned(),
        uuid: Some(uuid.to_owned()),
        ..Identity::default()
    });
    let others = [Device { identity: &names[1], files: &root }];
    let sight = Sight { others: &others, ..Sight::alone(&names[0]) };
    let budget = Budget::default();
    let files = Metered::menus(&esp, &budget).seeing(sight);
    merge(vec![(Group::default(), read_below(&files, &TARGET, ""))])
}

#[test]
fn a_stub_leads_to_another_device_whose_own_menu_is_not_listed_twice() {
    let stub = "search.fs_uuid bb-2 root hd0,gpt2\nset prefix=($root)'/boot/grub'\n\
                configfile $prefix/grub.cfg\n";
    let entry = "menuentry \"$prefix\" {\nlinux /vmlinuz a\ninitrd ($root)/initrd\n}\n";
    let root = [("/boot/grub/grub.cfg", entry), ("/vmlinuz", ""), ("/initrd", "")];
    let menu = beside(stub, &root);
    assert_eq!(menu.entries, []);
    let read = menu.read.iter().find(|read| read.path == "/EFI/debian/grub.cfg").unwrap();
    assert_eq!(read.found, Found::Elsewhere("(vda,gpt2)/boot/grub/grub.cfg".to_owned()));
    let sourcing = stub.replace("configfile", "source");
    assert_eq!(beside(&sourcing, &root).entries, [], "a stub of openSUSE");
    // What the other device's own scan does not find is listed here.
    let stub = stub.replace("/grub.cfg", "/own.cfg");
    let root = [("/boot/grub/own.cfg", entry), root[1], root[2]];
    let menu = beside(&stub, &root);
    let entry = &menu.entries[0];
    assert_eq!(
        (entry.name(), entry.file.as_str()),
        ("(vda,gpt2)/boot/grub", "(vda,gpt2)/boot/grub/own.cfg")
    );
    assert_eq!(entry.linux.as_deref(), Some("(vda,gpt2)/vmlinuz"));
    assert_eq!((entry.initrds.join(" "), entry.problems.len()), ("(vda,gpt2)/initrd".into(), 0));
    for (path, expected) in [
        ("/grub/grub.cfg", true),
        ("/boot/grub2/grub.cfg", true),
        ("/@/boot/grub/grub.cfg", true),
        ("/@/grub/grub.cfg", true),
        ("/EFI/debian/grub.cfg", false),
        ("/a/b/boot/grub/grub.cfg", false),
        ("/grub.cfg", false),
    ] {
        assert_eq!(super::places::is_found(path, true), expected, "{path}");
        let is_plain = expected && !path.contains('@');
        assert_eq!(super::places::is_found(path, false), is_plain, "{path}");
    }
}

const FEDORA: &str = "load_env\nset default=\"${saved_entry}\"\ninsmod blscfg\n\
                      if [ -z \"${kernelopts}\" ]; then\n  set kernelopts=\"root=/none\"\nfi\n\
                      set default_kernelopts=\"x=$kernelopts\"\nblscfg\n\
                      menuentry 'Firmware' {\nfwsetup\n}\n";

#[test]
fn blscfg_and_the_reader_of_the_specification_give_an_entry_once() {
    let new = "title New\nversion 6.2\nlinux /vmlinuz-6.2\ninitrd /i-6.2 $tuned_initrd\n\
               options $kernelopts quiet $unset\ngrub_users $grub_users\ngrub_arg --unrestricted\n";
    let old = "title Old\nversion 6.1\nlinux /vmlinuz-6.1\noptions root=/own\n";
    let none = "title None\nversion 5\nlinux /vmlinuz-5\n";
    let files = [
        ("/loader/entries/m-6.1.conf", old),
        ("/loader/entries/m-6.2.conf", new),
        ("/loader/entries/m-5.conf", none),
        ("/vmlinuz-6.1", ""),
        ("/vmlinuz-6.2", ""),
        ("/vmlinuz-5", ""),
        ("/i-6.2", ""),
    ];
    let block = "# GRUB Environment Block\nsaved_entry=m-6.1\nkernelopts=root=/a ro\n";
    let menu =
        volume(&[&files[..], &[("/grub2/grub.cfg", FEDORA), ("/grub2/grubenv", block)]].concat());
    assert_eq!(ids(&menu), ["m-6.2", "m-6.1", "m-5", "Firmware"]);
    assert_eq!(default(&menu), Some("m-6.1"));
    assert_eq!(messages(&menu), [""; 0]);
    let formats: Vec<_> = menu.entries.iter().map(|entry| entry.format.name()).collect();
    assert_eq!(formats, ["bls", "bls", "bls", "grub"]);
    // What only the script knows comes from it.
    let first = &menu.entries[0];
    assert_eq!(
        (first.options.as_str(), first.initrds.join(" ")),
        ("root=/a ro quiet", "/i-6.2".into())
    );
    assert!(menu.entries.iter().take(3).all(Entry::is_bootable));
    // Without the block the script's own default stands for it.
    let menu = volume(&[&files[..], &[("/grub2/grub.cfg", FEDORA)]].concat());
    assert_eq!(menu.entries[0].options, "root=/none quiet");
    assert_eq!(menu.entries[1].options, "root=/own");
    // Alone, the rows are the script's.
    let all: Memory = files.iter().chain(&[("/grub2/grub.cfg", FEDORA)]).copied().collect();
    let budget = Budget::default();
    let files = Metered::menus(&all, &budget);
    let menu = read_config(&files, "/grub2/grub.cfg", Format::named("grub"), &TARGET).unwrap();
    assert_eq!(ids(&menu), ["m-6.2", "m-6.1", "m-5", "Firmware"]);
    assert_eq!(menu.entries[2].options, "x=root=/none", "default_kernelopts");
    assert_eq!(menu.entries[0].file, "/loader/entries/m-6.2.conf");
}

#[test]
fn blocks_are_read_and_never_written() {
    let menu = volume(&[
        (
            CFG,
            "load_env -f /other --skip-sig b c\nfile_env -f /line D\nload_env -f /none\n\
             load_env -f \"(main)512+1\"\nload_env -f /line\nsave_env b\n\
             menuentry \"[$a][$b][$D]\" {\nlinux /vmlinuz\n}\n",
        ),
        ("/other", "# GRUB Environment Block\na=1\nb=2 3\n"),
        ("/line", "first line\nsecond\n"),
    ]);
    assert_eq!(menu.entries[0].name(), "[][2 3][first line]");
    assert_eq!(
        messages(&menu),
        [
            "/boot/grub/grub.cfg:4: UNREADABLE: \"(main)512+1\" is no file but a place on the \
             device, which is not read",
            "/boot/grub/grub.cfg:5: SETTING: \"/line\" is no environment block",
            "/boot/grub/grub.cfg:6: SETTING: the script counts in b with save_env, which is never \
             written: it is not counted",
        ]
    );
}

#[test]
fn timeouts_are_grubs() {
    for (text, expected) in [
        ("set timeout=3", Some(Timeout::Seconds(3))),
        ("set timeout=0", Some(Timeout::Hidden)),
        ("set timeout=-1", Some(Timeout::Forever)),
        ("set timeout=5\nset timeout_style=hidden", Some(Timeout::Seconds(5))),
        ("if sleep --interruptible 5; then\nset timeout=0\nfi", Some(Timeout::Hidden)),
        ("set timeout=soon", None),
        ("", None),
    ] {
        let menu = script(&format!("{text}\nmenuentry A {{\nlinux /vmlinuz\n}}\n"));
        assert_eq!(menu.settings.timeout, expected, "{text}");
    }
    let menu = script(
        "set fallback='2 0'\nset default=1\nmenuentry A { linux /a; }\n\
                       menuentry B { linux /b; }\nmenuentry C { linux /c; }\n",
    );
    assert_eq!((default(&menu), &menu.fallback[..]), (Some("B"), &[2, 0][..]));
}

#[test]
fn no_more_rows_are_kept_than_there_may_be() {
    let menu = script(
        "for a in 1 2 3 4 5 6 7 8 9; do for b in 1 2 3 4 5 6 7 8 9; do \
                       for c in 1 2 3 4 5 6 7 8 9; do\nmenuentry $a$b$c { linux /vmlinuz; }\n\
                       done; done; done\n",
    );
    assert_eq!(menu.entries.len(), 512);
    let said = "SCRIPT_LIMIT: only the first 512 entries of a menu are kept";
    assert!(messages(&menu)[0].ends_with(said), "{:?}", messages(&menu));
    let deep = format!(
        "{}menuentry z {{ linux /vmlinuz; }}\n{}",
        "submenu s {\n".repeat(20),
        "}\n".repeat(20)
    );
    let menu = script(&deep);
    assert_eq!(menu.entries.len(), 0);
    assert!(messages(&menu)[0].contains("submenus are nested deeper than 8 times"));
    // One that leads to itself.
    let menu = script(
        "submenu s { configfile /boot/grub/grub.cfg; }\n\
                       menuentry a { linux /vmlinuz; }\n",
    );
    assert!(menu.entries.len() > 1);
    assert!(messages(&menu).iter().any(|said| said.contains("SCRIPT_LIMIT")));
}

#[test]
fn an_id_of_a_title_does_not_change_with_the_state_of_a_machine() {
    let of = |head: &str, rows: &str| {
        let menu = script(&format!("A_OK={head}\nnone=''\n{rows}"));
        ids(&menu).iter().map(|id| (*id).to_owned()).collect::<Vec<_>>()
    };
    let slots = "menuentry \"Slot A (OK=$A_OK TRY=$A_TRY)\" --class x$A_OK { linux /vmlinuz }
menuentry Slot-${A_OK}B { linux /vmlinuz }
menuentry 'Slot $C' { linux /vmlinuz }";
    for state in ["0", "1", "' OK=TRY=) '"] {
        assert_eq!(of(state, slots), ["Slot-A--OK--TRY--", "Slot-B", "Slot--C"], "{state}");
    }
    let titles_alone = "for k in 1 2; do menuentry \"Linux $k\" { linux /vmlinuz }; done
function add { menuentry \"One $1\" { linux /vmlinuz } }
add a; add b
menuentry \"$A_OK\" { linux /vmlinuz }
menuentry \"Linux $A_OK\" --id \"id$A_OK\" { linux /vmlinuz }";
    let expected = ["Linux-1", "Linux-2", "One-a", "One-b", "7", "id7"];
    assert_eq!(of("7", titles_alone), expected);
}

#[test]
fn a_counter_that_a_script_saves_is_said_once_not_to_count() {
    let text = "save_env -f /x recordfail next_entry
save_env B_OK B_TRY
save_env A_TRY
menuentry a { save_env saved_entry A_TRY; linux /vmlinuz }";
    let said = "/boot/grub/grub.cfg:2: SETTING: the script counts in B_OK with save_env, which is \
                never written: it is not counted";
    assert_eq!(messages(&script(text)), [said]);
    let choices = "save_env saved_entry recordfail\nmenuentry a { linux /vmlinuz }";
    assert_eq!(messages(&script(choices)), [""; 0]);
}

#[test]
fn a_password_is_asked_for_whoever_reads_the_file_of_an_entry() {
    let bls = "/boot/loader/entries/";
    let (locked, open) = (format!("{bls}locked.conf"), format!("{bls}open.conf"));
    let menu = volume(&[
        (CFG, "superusers=root\nexport superusers\nblscfg"),
        (&locked, "linux /vmlinuz\noptions ro"),
        (&open, "linux /vmlinuz\noptions ro\ngrub_arg --unrestricted"),
        ("/vmlinuz", ""),
    ]);
    let asks = "/boot/loader/entries/locked.conf:1: UNSUPPORTED_KEY: the entry asks for a \
                password, which Turnout cannot check";
    let all: Vec<_> = menu.entries.iter().map(|one| (one.id.as_str(), problems(one))).collect();
    assert_eq!(all, [("open", vec![]), ("locked", vec![asks.to_owned()])]);
    assert!(menu.entries.iter().all(|entry| entry.format.is_specified()));
}

#[test]
fn a_script_on_another_volume_than_the_files_of_blscfg_lists_them_once() {
    let grub = "set root=vda,gpt2\nkernelopts=ro\nblscfg\nmenuentry x { linux /gone }\ndefault=1";
    let esp: Memory = [("/EFI/fedora/grub.cfg", grub)].into_iter().collect();
    let names = ["/loader/entries/a.conf", "/loader/entries/b.conf"];
    let files = names.map(|path| (path, "linux /vmlinuz\noptions $kernelopts"));
    let boot: Memory = files.into_iter().chain([("/vmlinuz", "")]).collect();
    let name = |name: &str| Identity { name: name.to_owned(), ..Identity::default() };
    let identities = [name("vda,gpt1"), name("vda,gpt2")];
    let both = [&esp, &boot].map(|files| files as &dyn crate::menu::Files);
    let read = |own: usize, other: usize| {
        let others = [Device { identity: &identities[other], files: both[other] }];
        let sight = Sight { others: &others, ..Sight::alone(&identities[own]) };
        let budget = Budget::default();
        read_below(&Metered::menus(both[own], &budget).seeing(sight), &TARGET, "")
    };
    for (order, volume) in [([0, 1], 0), ([1, 0], 1)] {
        let menus = order.map(|own| (Group { number: own, is_esp: own == 0 }, read(own, 1 - own)));
        let merged = merge(menus.into());
        let rows = merged.entries.iter().map(|entry| (entry.id.as_str(), entry.options.as_str()));
        let rows: Vec<_> = rows.collect();
        let (first, last) = if volume == 0 { ("x", "a") } else { ("b", "x") };
        assert_eq!(rows.len(), 3, "{rows:?}");
        assert_eq!((rows[0].0, rows[2].0), (first, last));
        let twins = merged.entries.iter().filter(|entry| entry.id != "x");
        assert!(twins.clone().all(|entry| entry.volume == volume && entry.is_bootable()));
        assert!(twins.clone().all(|entry| entry.linux.as_deref() == Some("(vda,gpt2)/vmlinuz")));
        assert!(twins.clone().all(|entry| entry.options == "ro"));
        assert_eq!((default(&merged), messages(&merged)), (Some("a"), vec![]));
    }
}

#[test]
fn a_file_that_is_left_out_of_a_body_keeps_the_entry_from_booting() {
    let names: Vec<_> = (0..17).map(|number| format!("/more-{number}")).collect();
    let mut text = String::new();
    for name in names.iter().chain(&names[..1]) {
        text.push_str(&["menuentry a {\nsource ", name, "\nlinux /vmlinuz $a\n}\n"].concat());
    }
    let more = names.iter().map(|name| (name.as_str(), "set a=1\n"));
    let files: Vec<_> = more.chain([(CFG, text.as_str()), ("/vmlinuz", "")]).collect();
    let menu = volume(&files);
    let problems: Vec<_> = menu.entries.iter().map(problems).collect();
    assert_eq!(problems.iter().filter(|problems| problems.is_empty()).count(), 16);
    assert!(problems[16][0].contains("SCRIPT_LIMIT: more than 16 files"), "{problems:?}");
    assert_eq!((menu.entries[17].options.as_str(), &problems[17]), ("1", &Vec::new()));
}

#[test]
fn what_is_not_known_here_is_said_with_each_entry_that_hangs_on_it() {
    for what in ["smbios -t 1", "keystatus --shift", "[ /vmlinuz -nt /initrd ]"] {
        let menu = script(
            &["if ", what, "; then true; else\nmenuentry a {\nlinux /vmlinuz\n}\nfi\n"].concat(),
        );
        let said = messages(&menu).join("\n");
        assert!(
            said.contains("UNKNOWN_COMMAND: the entry \"a\" hangs on it: what"),
            "{what}: {said}"
        );
    }
}
