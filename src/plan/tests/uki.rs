//! Unified kernel images, planned for like what is in them.

use super::*;
use crate::fdt::Live;
use crate::image::testing::uki;

const SECTIONS: [(&str, &[u8]); 2] = [(".initrd", b"initrd!"), (".ucode", b"ucode")];

/// The kernel and the sections, in a bundle with one more initrd.
fn packed(linux: &[u8], sections: &[(&str, &[u8])]) -> Verified<Bundle<Vec<u8>>> {
    verified(bundle(uki(&[&[(".linux", linux)], sections].concat()), &[b"more"]))
}

#[test]
fn each_part_of_a_uki_has_a_check_of_its_own() {
    for (linux, machine) in [(bzimage::testing::small(), q35()), (arm64::testing::small(), virt())]
    {
        let bundle = packed(&linux, &SECTIONS);
        let plan = plan(&bundle, &machine).unwrap();
        assert_eq!(initrds(&plan), [b"ucode".as_slice(), b"initrd!", b"more"]);
        let names: Vec<_> =
            plan.placement().unwrap().checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names, ["linux", ".ucode", ".initrd", "initrd 1", "params", "tables"]);
        assert_eq!(plan.placement().unwrap().checks[0].digest, Digest::of(&linux));
        assert_every_check_holds(&plan);
    }
}

#[test]
fn the_command_line_is_what_was_verified_and_not_what_is_in_the_uki() {
    let bundle = packed(&bzimage::testing::small(), &[(".cmdline", b"root=other")]);
    assert_eq!(plan(&bundle, &q35()).unwrap().cmdline, "root=LABEL=root ro quiet");
}

/// A device tree with this model.
fn board(model: &str) -> Vec<u8> {
    let running = virt();
    let Platform::Board(Board { fdt, .. }) = &running.platform else { unreachable!() };
    let mut tree = crate::fdt::Fdt::parse(fdt).unwrap().to_blob();
    let old = b"linux,dummy-virt\0";
    let at = tree.windows(old.len()).position(|window| window == old).unwrap();
    let mut new = model.as_bytes().to_vec();
    new.resize(old.len(), 0);
    tree[at..at + old.len()].copy_from_slice(&new);
    tree
}

fn has_model(plan: &Plan<'_>, model: &str) -> bool {
    let params = &segment(plan, "params").bytes;
    params.windows(model.len()).any(|window| window == model.as_bytes())
}

#[test]
fn a_board_takes_the_device_tree_of_the_uki_unless_the_entry_has_one() {
    let own = board("from the uki");
    let entrys = board("from the entry");
    let mut bundle = bundle(uki(&[(".linux", &arm64::testing::small()), (".dtb", &own)]), &[]);
    let first = verified(bundle.clone());
    let plan_of_own = plan(&first, &virt()).unwrap();
    assert!(has_model(&plan_of_own, "from the uki"));

    bundle.devicetree = Some(Blob::hash("/board.dtb", entrys));
    let second = verified(bundle);
    let plan_of_entrys = plan(&second, &virt()).unwrap();
    assert!(has_model(&plan_of_entrys, "from the entry"));
    assert!(!has_model(&plan_of_entrys, "from the uki"));
}

/// A device tree of this model, for these boards.
fn tree_for(model: &str, compatible: &str) -> Vec<u8> {
    let properties = [("model", model), ("compatible", compatible)];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    Live { name: String::new(), properties: properties.to_vec(), children: vec![] }.to_blob()
}

/// The running board is "linux,dummy-virt".
#[test]
fn of_device_trees_for_several_boards_a_uki_gives_the_first_for_this_one() {
    let plain = tree_for("plain\0", "a,board\0");
    let other = tree_for("for another\0", "a,board\0linux,dummy-virt\0");
    let this = tree_for("for this one\0", "linux,dummy-virt\0a,board\0");
    let after = tree_for("too late\0", "linux,dummy-virt\0");
    let kernel = arm64::testing::small();
    let cases: [(&[&[u8]], &str); 3] = [
        (&[&other, &this, &after], "for this one"),
        (&[&other, b"no device tree"], "plain"),
        (&[], "plain"),
    ];
    for (trees, expected) in cases {
        let mut sections: Vec<(&str, &[u8])> = vec![(".linux", &kernel), (".dtb", &plain)];
        sections.extend(trees.iter().map(|tree| (".dtbauto", *tree)));
        let bundle = verified(bundle(uki(&sections), &[]));
        let plan = plan(&bundle, &virt()).unwrap();
        for model in ["for this one", "plain", "for another", "too late"] {
            assert_eq!(has_model(&plan, model), model == expected, "{model} of {expected}");
        }
    }
}

#[test]
fn the_device_tree_of_a_uki_is_never_dropped_for_kexec_file_load() {
    let bundle = packed(&arm64::testing::small(), &[(".dtb", &board("from the uki"))]);
    let prepared = as_it_is(&bundle, &bundle.get().linux.bytes).unwrap();
    let refused = make(FILE, &FACTS, &prepared, &bundle, &virt(), &blob()).unwrap_err();
    assert_eq!(refused, Error::Engine(EngineError::Devicetree));
}

#[test]
fn a_pc_does_without_the_device_tree_of_a_uki() {
    let bundle = packed(&bzimage::testing::small(), &[(".dtb", b"for a board")]);
    plan(&bundle, &q35()).unwrap();
}

/// A bundle that boots with the image's own command line.
fn whole(linux: &[u8], sections: &[(&str, &[u8])], profile: u32) -> Bundle<Vec<u8>> {
    let file = uki(&[&[(".linux", linux)], sections].concat());
    Bundle { profile: Some(profile), options: String::new(), ..bundle(file, &[]) }
}

const PROFILES: [(&str, &[u8]); 5] = [
    (".cmdline", b"quiet\n"),
    (".profile", b"ID=main"),
    (".profile", b"ID=other"),
    (".cmdline", b"other"),
    (".initrd", b"initrd"),
];

#[test]
fn a_uki_that_boots_whole_brings_the_command_line_of_its_profile_and_its_addons() {
    let linux = arm64::testing::small();
    let first = verified(whole(&linux, &PROFILES, 0));
    assert_eq!(plan(&first, &virt()).unwrap().cmdline, "quiet");
    let mut second = whole(&linux, &PROFILES, 1);
    let addon = uki(&[(".cmdline", b"more"), (".ucode", b"code"), (".initrd", b"last")]);
    second.addons = vec![Blob::hash("/a.addon.efi", addon)];
    let second = verified(second);
    let plan = plan(&second, &virt()).unwrap();
    assert_eq!(plan.cmdline, "other more");
    assert_eq!(initrds(&plan), [b"code".as_slice(), b"initrd", b"last"]);
}

fn cmdline_refusal(bundle: Bundle<Vec<u8>>) -> String {
    let bundle = verified(bundle);
    assert!(initrd::sources(&bundle, None).is_err());
    cmdline(&bundle).unwrap_err().to_string()
}

#[test]
fn a_profile_or_an_addon_that_is_not_there_is_never_left_out() {
    let linux = arm64::testing::small();
    assert_eq!(
        cmdline_refusal(whole(&linux, &PROFILES, 2)),
        "/vmlinuz: the unified kernel image has no profile 2: it has 2 profiles, counted from 0"
    );
    let mut broken = whole(&linux, &PROFILES, 0);
    broken.addons = vec![Blob::hash("/a.addon.efi", uki(&[(".osrel", b"ID=x")]))];
    assert_eq!(
        cmdline_refusal(broken),
        "/a.addon.efi: the addon adds nothing: it has no .cmdline, .dtb, .dtbauto, .ucode or .initrd"
    );
    let plain = Bundle { profile: Some(0), options: String::new(), ..bundle(linux, &[]) };
    assert_eq!(cmdline_refusal(plain), "/vmlinuz: this is no unified kernel image");
}
