//! What configurations say, and what becomes of those that say it badly.

use super::*;
use crate::base::arch::Arch;
use crate::fdt::Live;
use crate::menu::{Budget, Entry, Memory, Settings, Timeout, What};

const PATH: &str = "/boot/extlinux/extlinux.conf";

fn files(texts: &[(&str, &str)]) -> Memory {
    texts.iter().copied().collect()
}

fn read_all(texts: &[(&str, &str)], boards: &[&str]) -> Menu {
    let boards: Vec<_> = boards.iter().map(|board| (*board).to_owned()).collect();
    let target = Target::new(Arch::Aarch64, &boards);
    parse(&Metered::menus(&files(texts), &Budget::default()), PATH, &target)
}

fn read(text: &str) -> Menu {
    read_all(&[(PATH, text)], &[])
}

fn ids(menu: &Menu) -> Vec<&str> {
    menu.entries.iter().map(|entry| entry.id.as_str()).collect()
}

fn options(menu: &Menu) -> Vec<&str> {
    menu.entries.iter().map(|entry| entry.options.as_str()).collect()
}

fn messages(menu: &Menu) -> Vec<String> {
    menu.diagnostics.iter().map(ToString::to_string).collect()
}

fn default(menu: &Menu) -> Option<&str> {
    match menu.settings.default.as_ref().map(|wanted| &wanted.what) {
        Some(What::Named(id)) => Some(id),
        _ => None,
    }
}

/// The one entry of a text, and its problems.
fn entry(text: &str) -> (Entry, Vec<String>) {
    let mut menu = read(text);
    assert_eq!(menu.entries.len(), 1, "{menu:?}");
    let entry = menu.entries.remove(0);
    let problems = entry.problems.iter().map(ToString::to_string).collect();
    (entry, problems)
}

/// As Debian's u-boot-menu writes it.
#[test]
fn an_entry_with_u_boots_keys_is_read() {
    let text = "## /boot/extlinux/extlinux.conf\n\ndefault l0\nmenu title U-Boot menu\nprompt 0\n\
                timeout 50\n\n\nlabel l0\n\tmenu label Debian ^GNU/Linux 6.1\n\tlinux /boot/vmlinuz\n\
                \tinitrd /boot/initrd.img\n\tfdt /boot/a.dtb\n\tfdtoverlays one.dtbo ../two.dtbo\n\
                \tkaslrseed\n\n\tappend root=/dev/sda1 ro quiet\n";
    let menu = read(text);
    assert_eq!(messages(&menu), [""; 0]);
    let entry = &menu.entries[0];
    assert_eq!((entry.id.as_str(), entry.name()), ("l0", "Debian GNU/Linux 6.1"));
    assert_eq!((entry.hotkey, entry.file.as_str(), entry.line), (Some('g'), PATH, Some(9)));
    assert_eq!(
        entry.files().collect::<Vec<_>>(),
        [
            "/boot/vmlinuz",
            "/boot/initrd.img",
            "/boot/a.dtb",
            "/boot/extlinux/one.dtbo",
            "/boot/two.dtbo"
        ]
    );
    assert_eq!((entry.options.as_str(), entry.kaslr_seed), ("root=/dev/sda1 ro quiet", true));
    assert_eq!(default(&menu), Some("l0"));
    assert_eq!(menu.settings.timeout, Some(Timeout::Seconds(5)));
}

#[test]
fn a_title_that_is_empty_is_the_label() {
    for label in ["", "^"] {
        let (entry, _) = entry(&format!("label my system\nmenu label {label}\nkernel /k\n"));
        assert_eq!((entry.id.as_str(), entry.name()), ("my-system", "my system"));
    }
}

/// As NixOS writes it: by paths that count from the file.
#[test]
fn relative_paths_count_from_the_file() {
    let text = "LABEL nixos-default\n  LINUX ../nixos/x-Image\n  INITRD ../nixos/x-initrd,extra\n";
    let (entry, problems) = entry(text);
    let found: Vec<_> = entry.files().collect();
    assert_eq!(found, ["/boot/nixos/x-Image", "/boot/nixos/x-initrd", "/boot/extlinux/extra"]);
    assert_eq!(problems, [""; 0]);
}

#[test]
fn a_labels_append_takes_the_place_of_the_one_before_all_labels() {
    let menu = read(
        "append none\nAPPEND initrd=/i quiet\nlabel own\nkernel /k\nAppend a  b\nlabel global\n\
         kernel /k\nlabel none\nkernel /k\nappend -\nmenu begin\nlabel inherited\nkernel /k\n\
         menu end\nappend late\nmenu begin\nappend sub\nlabel of-submenu\nkernel /k\n",
    );
    assert_eq!(
        options(&menu),
        ["a  b", "initrd=/i quiet", "", "initrd=/i quiet", "sub"],
        "{menu:?}"
    );
    let initrds: Vec<_> = menu.entries.iter().map(|entry| entry.initrds.join(" ")).collect();
    assert_eq!(initrds, ["", "/i", "", "/i", ""]);
}

#[test]
fn initrds_are_a_list_with_commas_and_the_keyword_counts_before_the_option() {
    let cases = [
        ("initrd /a,/b", vec!["/a", "/b"]),
        ("append initrd=/a,/b x", vec!["/a", "/b"]),
        ("append initrd=/a x initrd=/b", vec!["/b"]),
        ("initrd /a\nappend initrd=/b", vec!["/a"]),
        ("initrd /a\ninitrd /b", vec!["/b"]),
        ("append noinitrd=/a", vec![]),
    ];
    for (text, expected) in cases {
        assert_eq!(entry(&format!("label a\nkernel /k\n{text}")).0.initrds, expected, "{text}");
    }
}

#[test]
fn what_starts_no_linux_is_left_out_and_said() {
    let lines = [
        "kernel memtest.bin",
        "KERNEL chain.C32",
        "kernel /boot/x.com",
        "kernel pxelinux.0",
        "com32 hdt.c32",
        "boot x.bs",
        "bss x",
        "fdimage x.img",
        "config other.cfg",
        "localboot 0x80",
    ];
    for line in lines {
        let menu = read(&format!("label x\nmenu label X\n{line}\n"));
        assert_eq!(ids(&menu), [""; 0], "{line}");
        let (key, value) = line.split_once(' ').unwrap();
        let key = key.to_lowercase();
        let expected = format!(
            "{PATH}:3: UNSUPPORTED_KEY: {key} {value:?} starts no Linux; the entry \"x\" is left out"
        );
        assert_eq!(messages(&menu), [expected]);
    }
    let menu = read("label x\nlinux /kernel.c32\n");
    assert_eq!((ids(&menu), messages(&menu).len()), (vec!["x"], 0), "LINUX is one by any name");
    let menu = read("menu begin\nlabel back\nmenu label ^Back\nmenu exit\nmenu end\n");
    assert_eq!((ids(&menu), messages(&menu).len()), (vec![], 0));
}

#[test]
fn a_kernel_is_named_by_its_label_or_through_linux_c32() {
    let (implied, _) = entry("label vmlinuz\nappend quiet\n");
    assert_eq!(implied.linux.as_deref(), Some("/boot/extlinux/vmlinuz"));
    let (appended, _) = entry("label a\ncom32 linux.c32\nappend /k initrd=/i quiet\n");
    assert_eq!(appended.linux.as_deref(), Some("/k"));
    assert_eq!(
        (&appended.initrds[..], appended.options.as_str()),
        (&["/i".to_owned()][..], "initrd=/i quiet")
    );
    let menu = read("default vmlinuz root=/dev/sda1\nappend quiet\n");
    assert_eq!((ids(&menu), options(&menu)), (vec!["vmlinuz"], vec!["quiet root=/dev/sda1"]));
}

#[test]
fn what_keeps_an_entry_from_booting_is_a_problem_of_that_entry() {
    let cases = [
        (
            "kernel /fit.itb#conf-1",
            "2: UNSUPPORTED_KEY: kernel \"/fit.itb#conf-1\" is a configuration of a FIT image, which Turnout does not boot",
        ),
        (
            "kernel mboot.c32\nappend xen.gz --- vmlinuz",
            "2: UNSUPPORTED_KEY: kernel \"mboot.c32\" starts a multiboot kernel such as Xen, which Turnout cannot boot",
        ),
        (
            "kernel /k\nmenu passwd secret",
            "3: UNSUPPORTED_KEY: menu passwd asks for a password, which Turnout cannot check",
        ),
        (
            "kernel /k\nmenu disable",
            "3: SETTING: menu disable \"\" keeps the entry from being chosen",
        ),
        ("kernel ../../../k", "2: PATH: kernel \"/../k\" must not contain \"..\""),
        (
            "kernel http://a/k",
            "2: PATH: kernel \"http://a/k\" is on another device or machine, where nothing is looked up",
        ),
        (
            "kernel /k\ninitrd 10.0.0.1::i",
            "3: PATH: initrd \"10.0.0.1::i\" is on another device or machine, where nothing is looked up",
        ),
        (
            "kernel /k\nappend root=${uuid}",
            "3: VARIABLE: append \"root=${uuid}\" contains a variable, which has no value here",
        ),
    ];
    for (lines, expected) in cases {
        let (_, problems) = entry(&format!("label a\n{lines}\nlabel b\nlocalboot 0\n"));
        assert_eq!(problems, [format!("{PATH}:{expected}")]);
    }
    let submenu = "menu begin x\nmenu passwd secret\nlabel a\nkernel /k\nmenu end\n";
    assert_eq!(
        entry(submenu).1,
        [format!(
            "{PATH}:2: UNSUPPORTED_KEY: menu passwd asks for a password, which Turnout cannot check"
        )]
    );
}

#[test]
fn an_unknown_keyword_and_a_line_that_is_no_text_cost_nothing_else() {
    let bytes: &[u8] = b"\xef\xbb\xbfvendor x\nlabel a\nkernel /a\nfuture y\nappend quiet\n\
        label b\nkernel /b\nmenu label \xff\nlabel c\nkernel /c\nF1 help.txt\nmenu color x\nsay hello\n";
    let files: Memory = [(PATH, bytes)].into_iter().collect();
    let menu =
        parse(&Metered::menus(&files, &Budget::default()), PATH, &Target::new(Arch::X86_64, &[]));
    let found: Vec<_> = menu.entries.iter().map(|e| (e.id.as_str(), e.is_bootable())).collect();
    assert_eq!(found, [("a", true), ("b", false), ("c", true)]);
    assert_eq!(options(&menu), ["quiet", "", ""]);
    assert_eq!(
        messages(&menu),
        [
            format!("{PATH}:1: UNSUPPORTED_KEY: vendor \"x\" is not understood and is ignored"),
            format!("{PATH}:4: UNSUPPORTED_KEY: future \"y\" is not understood and is ignored"),
            format!("{PATH}:8: ENCODING: the line is not valid UTF-8"),
        ]
    );
}

#[test]
fn submenus_nest_and_have_their_own_titles() {
    let menu = read(
        "label top\nkernel /k\nmenu begin advanced\n menu label ^More ...\n menu title Advanced\n\
         label one\nkernel /k\n menu begin\n  menu title Deep\n  label two\n  kernel /k\n menu end\n\
         label three\nkernel /k\nmenu end\nmenu begin by-tag\nlabel four\nkernel /k\nmenu end\n\
         menu end\nlabel five\nkernel /k\n",
    );
    let found: Vec<_> =
        menu.entries.iter().map(|e| (e.id.as_str(), e.submenu.join(" > "))).collect();
    let expected = [
        ("top", ""),
        ("one", "More ..."),
        ("two", "More ... > Deep"),
        ("three", "More ..."),
        ("four", "by-tag"),
        ("five", ""),
    ];
    assert_eq!(found, expected.map(|(id, submenu)| (id, submenu.to_owned())));
    assert_eq!(
        messages(&menu),
        [format!("{PATH}:20: SETTING: menu end \"\" ends a submenu, and none has begun")]
    );
    let deep = format!(
        "{}label a\nkernel /k\n{}label b\nkernel /k\n",
        "menu begin x\n".repeat(12),
        "menu end\n".repeat(12)
    );
    let menu = read(&deep);
    assert_eq!(menu.entries[0].submenu.len(), 8);
    assert_eq!(menu.entries[1].submenu, [""; 0]);
    assert_eq!(menu.diagnostics.len(), 4);
}

#[test]
fn text_is_passed_over_to_its_end() {
    let menu =
        read("label a\ntext help\nlabel b\nkernel /b\nendtext\nkernel /a\nTEXT HELP\nkernel /c");
    assert_eq!(ids(&menu), ["a"]);
    assert_eq!(menu.entries[0].linux.as_deref(), Some("/a"));
    assert_eq!(
        messages(&menu),
        [format!("{PATH}: SETTING: text help has no endtext in this file")]
    );
}

#[test]
fn files_include_one_another_within_limits() {
    let menu = read_all(
        &[
            (
                PATH,
                "include one.cfg\nlabel last\nkernel /k\nmenu include /sub.cfg tools\ninclude none.cfg",
            ),
            (
                "/boot/extlinux/one.cfg",
                "label one\nkernel /k\ninclude ./extlinux.conf\nappend here",
            ),
            ("/sub.cfg", "label sub\nkernel /k\n"),
        ],
        &[],
    );
    assert_eq!(ids(&menu), ["one", "last", "sub"]);
    assert_eq!(menu.entries[2].submenu, ["tools"]);
    assert_eq!(
        (menu.entries[0].file.as_str(), menu.entries[0].line),
        ("/boot/extlinux/one.cfg", Some(1))
    );
    assert_eq!(menu.entries[0].options, "here");
    assert_eq!(
        messages(&menu),
        [
            "/boot/extlinux/one.cfg:3: SETTING: include \"./extlinux.conf\" includes a file from within itself",
            "/boot/extlinux/extlinux.conf:5: UNREADABLE: include \"none.cfg\" cannot be read: there is no such file",
        ]
    );

    let chain: Vec<_> = (0..12)
        .map(|n| {
            (format!("/boot/extlinux/{n}"), format!("label l{n}\nkernel /k\ninclude {}", n + 1))
        })
        .collect();
    let mut texts: Vec<_> =
        chain.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    texts.push((PATH, "include 0\n"));
    let menu = read_all(&texts, &[]);
    assert_eq!(ids(&menu), ["l0", "l1", "l2", "l3", "l4", "l5", "l6"]);
    assert_eq!(
        messages(&menu),
        ["/boot/extlinux/6:3: SETTING: include \"7\" is one file within another too many"]
    );

    let many = "include x\n".repeat(200);
    let menu = read_all(&[(PATH, &many), ("/boot/extlinux/x", "")], &[]);
    assert_eq!(menu.diagnostics.len(), 64);
    assert!(messages(&menu)[0].ends_with("is one included file too many"), "{menu:?}");
}

#[test]
fn the_default_is_what_boots_by_itself() {
    let labels = "label a\nkernel /k\nlabel b\nkernel /k\nlabel C d\nkernel /k\n";
    let cases = [
        ("", None, 0),
        ("default b", Some("b"), 0),
        ("default a\ndefault b", Some("b"), 0),
        ("default c D", Some("C-d"), 0),
        ("default b quiet", Some("b"), 0),
        ("default vesamenu.c32", None, 0),
        ("default b\ndefault vesamenu.c32", None, 0),
        ("ontimeout a\ndefault b", Some("a"), 0),
        ("default a\nnerfdefault b", Some("b"), 0),
        ("nerfdefault b\ndefault a", Some("b"), 0),
        ("ontimeout x\ndefault b", Some("b"), 1),
        ("default x", None, 1),
    ];
    for (lines, expected, said) in cases {
        let menu = read(&format!("{lines}\n{labels}"));
        assert_eq!((default(&menu), menu.diagnostics.len()), (expected, said), "{lines}");
    }
    let marked = read(
        "default menu.c32\nlabel a\nkernel /k\nlabel b\nmenu default\nkernel /k\n\
                       menu begin\nlabel c\nmenu default\nkernel /k\n",
    );
    assert_eq!(default(&marked), Some("b"));
    let stale = read("default gone\nlabel a\nkernel /k\n");
    assert_eq!(messages(&stale), [format!("{PATH}:1: SETTING: default \"gone\" matches no entry")]);
}

#[test]
fn a_hidden_entry_is_only_there_as_the_default() {
    let labels = "label a\nmenu hide\nkernel /k\nlabel b\nkernel /k\n";
    let menu = read(labels);
    assert_eq!(ids(&menu), ["b"]);
    assert_eq!(
        messages(&menu),
        [format!("{PATH}:1: SETTING: menu hide keeps \"a\" out of the menu")]
    );
    let menu = read(&format!("default a\n{labels}"));
    assert_eq!((ids(&menu), messages(&menu).len()), (vec!["a", "b"], 0));
}

#[test]
fn timeouts_are_tenths_of_a_second() {
    let cases = [
        ("", None),
        ("timeout 50", Some(Timeout::Seconds(5))),
        ("timeout 1", Some(Timeout::Seconds(1))),
        ("timeout 11", Some(Timeout::Seconds(2))),
        ("timeout 0", Some(Timeout::Forever)),
        ("timeout 0\ntotaltimeout 600", Some(Timeout::Seconds(60))),
        ("totaltimeout 600", Some(Timeout::Seconds(60))),
        ("timeout 30\ntotaltimeout 600", Some(Timeout::Seconds(3))),
        ("prompt 0\ntimeout 0", Some(Timeout::Hidden)),
        ("prompt 1\ntimeout 0", Some(Timeout::Forever)),
        ("prompt 0\ntimeout 0\nui menu.c32", Some(Timeout::Forever)),
        ("default vesamenu.c32\nprompt 0\ntimeout 0", Some(Timeout::Forever)),
    ];
    for (text, expected) in cases {
        let menu = read(text);
        assert_eq!((menu.settings.timeout, messages(&menu).len()), (expected, 0), "{text}");
    }
    let menu = read("timeout 5s\n");
    assert_eq!(menu.settings, Settings::default());
    assert_eq!(
        messages(&menu),
        [format!("{PATH}:1: SETTING: timeout \"5s\" is no number and is ignored")]
    );
}

#[test]
fn a_configuration_that_forbids_options_has_no_editor() {
    for text in ["allowoptions 0", "menu master passwd secret", "allowoptions 0\nallowoptions 1"] {
        assert!(!read(text).settings.editor, "{text}");
    }
    assert!(read("allowoptions 1").settings.editor);
}

#[test]
fn words_that_turnout_does_not_add_are_said() {
    let menu = read("sysappend 0\nlabel a\nkernel /k\nipappend 2\n");
    assert_eq!(
        messages(&menu),
        [format!(
            "{PATH}:4: SETTING: ipappend \"2\" asks for words on the command line that Turnout does not add"
        )]
    );
    assert!(menu.entries[0].is_bootable());
}

#[test]
fn a_directory_of_device_trees_gives_the_machines_or_none() {
    let properties = vec![("compatible".to_owned(), b"linux,dummy-virt\0".to_vec())];
    let tree = Live { name: String::new(), properties, children: vec![] }.to_blob();
    let text = "label a\nlinux /k\nfdtdir ../dtbs\nlabel b\nlinux /k\ndevicetreedir /none\n\
                label c\nlinux /k\nfdtdir ../dtbs\nfdt /own.dtb\nlabel d\nlinux /k\nfdt -\n";
    let mut files = files(&[(PATH, text), ("/boot/dtbs/a.dtb", "no tree")]);
    files.0.insert("/boot/dtbs/qemu/virt.dtb".to_owned(), tree);
    let boards = ["linux,dummy-virt".to_owned()];
    let menu = parse(
        &Metered::menus(&files, &Budget::default()),
        PATH,
        &Target::new(Arch::Aarch64, &boards),
    );
    let trees: Vec<_> = menu.entries.iter().map(|e| e.devicetree.as_deref()).collect();
    assert_eq!(trees, [Some("/boot/dtbs/qemu/virt.dtb"), None, Some("/own.dtb"), None]);
    assert_eq!(
        messages(&menu),
        [format!(
            "{PATH}:6: SETTING: fdtdir \"/none\" has no device tree for \"linux,dummy-virt\"; \
             the machine's own is kept"
        )]
    );
}

#[test]
fn entries_beyond_the_limit_are_not_kept() {
    let text: String = (0..1025).map(|n| format!("label {n}\nkernel /k\n")).collect();
    let menu = read(&text);
    assert_eq!((menu.entries.len(), menu.diagnostics.len()), (1024, 1));
    assert_eq!(
        messages(&menu),
        [format!("{PATH}:2049: ENTRY_COUNT: only the first 1024 entries are read")]
    );
    let long = format!("label {}\nkernel /k\nlabel\nlabel a\nkernel /k\n", "x".repeat(201));
    assert_eq!(ids(&read(&long)), ["a"]);
}
