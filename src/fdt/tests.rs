//! Trees of real machines and made-up ones, read back with another
//! implementation than ours.

use dtoolkit::memreserve::MemoryReservation;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
use dtoolkit::{Node as _, Property as _};

use super::blob::{BEGIN_NODE, END, END_NODE, PROP};
use super::testing::virt;
use super::*;

const SEEDS: Seeds = Seeds { kaslr: [0xa5; 8], rng: [0x5a; 128] };

fn hand_over(blob: &[u8]) -> Vec<u8> {
    let initrd = Range::new(0x5000_0000, 0x5000_1234);
    let chosen = Chosen { bootargs: "root=/dev/vda2 ro", initrd, seeds: Some(&SEEDS), crash: None };
    Fdt::parse(blob).unwrap().hand_over(&chosen).unwrap()
}

fn read(blob: &[u8]) -> DeviceTree {
    DeviceTree::from_fdt(&dtoolkit::fdt::Fdt::new(blob).unwrap())
}

fn node(name: &str, properties: &[(&str, &[u8])]) -> DeviceTreeNode {
    let mut node = DeviceTreeNode::new(name).unwrap();
    for (name, value) in properties {
        node.add_property(DeviceTreeProperty::new_unchecked(*name, *value));
    }
    node
}

fn tree(children: Vec<DeviceTreeNode>) -> DeviceTree {
    let mut tree = DeviceTree::new();
    children.into_iter().for_each(|child| tree.root.add_child(child));
    tree
}

fn named_value(property: &DeviceTreeProperty) -> (String, Vec<u8>) {
    ((&property).name().to_owned(), (&property).value().to_vec())
}

fn chosen_of(tree: &DeviceTree) -> Vec<(String, Vec<u8>)> {
    let chosen = tree.root.child("chosen").unwrap();
    chosen.properties().map(named_value).collect()
}

fn handed_over() -> Vec<(String, Vec<u8>)> {
    [
        ("bootargs", b"root=/dev/vda2 ro\0".to_vec()),
        ("linux,initrd-start", 0x5000_0000_u64.to_be_bytes().to_vec()),
        ("linux,initrd-end", 0x5000_1234_u64.to_be_bytes().to_vec()),
        ("kaslr-seed", vec![0xa5; 8]),
        ("rng-seed", vec![0x5a; 128]),
        ("linux,booted-from-kexec", vec![]),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

#[test]
fn a_real_tree_changes_in_chosen_only_and_loses_its_padding() {
    let before = virt();
    let after = hand_over(&before);
    assert_eq!((before.len(), after.len()), (1 << 20, 7821));
    let mut before = read(&before);
    let mut after = read(&after);
    let mut expected = handed_over();
    expected.push(("stdout-path".to_owned(), b"/pl011@9000000\0".to_vec()));
    assert_eq!(chosen_of(&after), expected);
    before.root.remove_child("chosen").unwrap();
    after.root.remove_child("chosen").unwrap();
    assert_eq!(before.root, after.root);
    assert_eq!(after.memory_reservations, [MemoryReservation::new(0x5000_0000, 0x1234)]);
}

#[test]
fn a_chain_of_kernels_does_not_grow_the_tree() {
    let first = hand_over(&virt());
    let last = (0..30).fold(first.clone(), |blob, _| hand_over(&blob));
    assert_eq!(first, last);
}

#[test]
fn a_tree_of_only_chosen_stays_one_so_that_acpi_is_used() {
    let firmware: [(&str, &[u8]); 3] = [
        ("linux,uefi-system-table", &[1; 8]),
        ("linux,initrd-start", &[0; 8]),
        ("linux,usable-memory-range", &[0; 16]),
    ];
    let stub = tree(vec![node("chosen", &firmware)]).to_dtb();
    let after = read(&hand_over(&stub));
    assert_eq!(
        after.root.children().map(|child| child.name().to_owned()).collect::<Vec<_>>(),
        ["chosen"]
    );
    assert_eq!(after.root.properties().count(), 0);
    let mut expected = handed_over();
    expected.push(("linux,uefi-system-table".to_owned(), vec![1; 8]));
    assert_eq!(chosen_of(&after), expected);
    assert_eq!(Fdt::parse(&stub).unwrap().psci_conduit(), None);
}

#[test]
fn a_tree_without_chosen_gets_one() {
    let after = read(&hand_over(&tree(vec![node("cpus", &[])]).to_dtb()));
    assert_eq!(chosen_of(&after), handed_over());
    assert!(after.root.child("cpus").is_some());
}

#[test]
fn nodes_of_the_same_names_elsewhere_are_left_alone() {
    let mut soc = node("soc", &[("bootargs", b"not ours\0")]);
    soc.add_child(node("chosen", &[("bootargs", b"nor this\0")]));
    let mut chosen = node("chosen", &[("bootargs", b"old\0")]);
    chosen.add_child(node("module", &[("kaslr-seed", b"kept")]));
    let before = tree(vec![soc, chosen]);
    let after = read(&hand_over(&before.to_dtb()));
    assert_eq!(after.root.child("soc"), before.root.child("soc"));
    assert_eq!(chosen_of(&after), handed_over());
    let module = after.root.child("chosen").unwrap().child("module").unwrap();
    assert_eq!(module.property("kaslr-seed").unwrap().value(), b"kept");
}

#[test]
fn the_old_initrds_reservation_goes_and_all_others_stay() {
    let initrd: [(&str, &[u8]); 2] = [
        ("linux,initrd-start", &0x4800_1000_u32.to_be_bytes()),
        ("linux,initrd-end", &0x4800_2345_u32.to_be_bytes()),
    ];
    let mut before = tree(vec![node("chosen", &initrd)]);
    let reservation = MemoryReservation::new;
    before.memory_reservations = vec![
        reservation(0x4800_1000, 0x1345),
        reservation(0x4800_1000, 0x2000),
        reservation(0x4800_0000, 0x1_0000),
        reservation(0x4800_1000, 0x1346),
        reservation(0x4000_0000, 0x1000),
    ];
    let after = read(&hand_over(&before.to_dtb()));
    assert_eq!(
        after.memory_reservations,
        [
            reservation(0x4800_1000, 0x1346),
            reservation(0x4000_0000, 0x1000),
            reservation(0x5000_0000, 0x1234),
        ]
    );
}

#[test]
fn names_longer_than_the_specification_allows_are_copied() {
    let name: &[u8] = b"nvidia,pad-autocal-pull-up-offset-3v3-timeout";
    let blob =
        tree(vec![node("mmc", &[(core::str::from_utf8(name).unwrap(), b"\0\0\0\x07")])]).to_dtb();
    let after = hand_over(&blob);
    let found = Fdt::parse(&after).unwrap();
    let mmc = found.root.child(b"mmc").unwrap();
    assert_eq!(mmc.property(name), Some(&b"\0\0\0\x07"[..]));
}

#[test]
fn without_initrd_and_seeds_chosen_names_neither() {
    let chosen = Chosen { bootargs: "", initrd: None, seeds: None, crash: None };
    let after = Fdt::parse(&virt()).unwrap().hand_over(&chosen).unwrap();
    let names: Vec<_> = chosen_of(&read(&after)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["bootargs", "linux,booted-from-kexec", "stdout-path"]);
    assert_eq!(read(&after).memory_reservations, []);
}

#[test]
fn the_psci_conduit_is_read_from_the_tree() {
    assert_eq!(Fdt::parse(&virt()).unwrap().psci_conduit(), Some(Conduit::Hvc));
    for (method, conduit) in [("smc\0", Some(Conduit::Smc)), ("telepathy\0", None)] {
        let blob = tree(vec![node("psci", &[("method", method.as_bytes())])]).to_dtb();
        assert_eq!(Fdt::parse(&blob).unwrap().psci_conduit(), conduit);
    }
}

fn refusal(blob: &[u8]) -> Error {
    Fdt::parse(blob).unwrap_err()
}

#[test]
fn a_blob_cut_anywhere_is_refused() {
    let blob = hand_over(&virt());
    for size in 0..blob.len() {
        assert_eq!(refusal(&blob[..size]), Error::Cut(size));
    }
}

#[test]
fn a_blob_with_any_byte_changed_is_refused_or_handed_over_whole() {
    let blob = hand_over(&tree(vec![node("psci", &[("method", b"hvc\0")])]).to_dtb());
    for at in 0..blob.len() {
        for value in [0, 1, 2, 3, 9, 0x7f, 0xff] {
            let mut changed = blob.clone();
            changed[at] = value;
            if Fdt::parse(&changed).is_ok() {
                assert!(Fdt::parse(&hand_over(&changed)).is_ok(), "{value} at {at}");
            }
        }
    }
}

/// What is said of the blob with this word there.
fn refusal_with(good: &[u8], at: usize, word: u32) -> Error {
    let mut blob = good.to_vec();
    blob[at..at + 4].copy_from_slice(&word.to_be_bytes());
    refusal(&blob)
}

#[test]
fn each_broken_part_of_a_blob_is_named() {
    let good = tree(vec![node("chosen", &[])]).to_dtb();
    let size = good.len();
    assert_eq!(refusal_with(&good, 0, 0xd00d_feee), Error::Magic(0xd00d_feee));
    assert_eq!(refusal_with(&good, 4, u32::MAX), Error::Cut(size));
    assert_eq!(refusal_with(&good, 20, 16), Error::Version(16));
    assert_eq!(refusal_with(&good, 24, 18), Error::Version(17));
    assert_eq!(refusal_with(&good, 8, 1 << 20), Error::Block { end: (1 << 20) + 32, size });
    assert_eq!(refusal_with(&good, 16, u32::MAX), Error::ReservationsEndless);
    // The structure block: begin "", begin "chosen", end, end, end of all.
    let at = 56;
    assert_eq!(refusal_with(&good, at, 7), Error::Structure(4));
    assert_eq!(refusal_with(&good, at, END_NODE), Error::Structure(4));
    assert_eq!(refusal_with(&good, at, PROP), Error::Structure(12));
    assert_eq!(refusal_with(&good, at + 24, END), Error::Structure(28));
    assert_eq!(refusal_with(&good, at + 28, BEGIN_NODE), Error::Structure(32));
}

#[test]
fn what_cannot_be_handed_over_is_refused() {
    let blob = virt();
    let fdt = Fdt::parse(&blob).unwrap();
    let chosen = Chosen { bootargs: "quiet\0init=/bin/sh", initrd: None, seeds: None, crash: None };
    assert_eq!(fdt.clone().hand_over(&chosen), Err(Error::Nul));
    let bootargs = "x".repeat(MAX_SIZE);
    let chosen = Chosen { bootargs: &bootargs, ..chosen };
    let error = fdt.hand_over(&chosen).unwrap_err().to_string();
    assert_eq!(error, "the device tree would have 2104685 bytes; arm64 kernels take 2097152");
}

#[test]
fn seeds_are_never_shown() {
    assert_eq!(format!("{SEEDS:?}"), "Seeds");
}

const EDK2_ACPI: &[u8] = include_bytes!("../../tests/data/virt-acpi/fdt");
const EDK2_DT: &[u8] = include_bytes!("../../tests/data/virt-uefi/fdt");

#[test]
fn the_stub_that_edk2_leaves_beside_acpi_changes_in_chosen_only() {
    let before = read(EDK2_ACPI);
    let after = read(&hand_over(EDK2_ACPI));
    for tree in [&before, &after] {
        let names: Vec<_> = tree.root.children().map(|child| child.name().to_owned()).collect();
        assert_eq!(names, ["chosen"]);
    }
    let cells_before: Vec<_> = before.root.properties().map(named_value).collect();
    let cells_after: Vec<_> = after.root.properties().map(named_value).collect();
    assert_eq!(cells_before, cells_after);
    let firmware =
        chosen_of(&before).into_iter().filter(|(name, _)| name.starts_with("linux,uefi-"));
    let mut expected = handed_over();
    expected.extend(firmware);
    assert_eq!(chosen_of(&after), expected);
    assert_eq!(expected.len(), 6 + 6);
}

fn its_and_uefi(blob: &[u8]) -> (bool, bool) {
    let fdt = Fdt::parse(blob).unwrap();
    (fdt.has_its(), fdt.has_uefi())
}

#[test]
fn only_machines_without_uefi_have_tables_that_nothing_reserves() {
    assert_eq!(its_and_uefi(&virt()), (true, false));
    assert_eq!(its_and_uefi(EDK2_DT), (true, true));
    assert_eq!(its_and_uefi(EDK2_ACPI), (false, true));
    for (status, has_its) in [(b"okay\0".as_slice(), true), (b"disabled\0", false)] {
        let compatible: &[u8] = b"example,its\0arm,gic-v3-its\0";
        let mut gic = node("gic", &[]);
        gic.add_child(node("its", &[("compatible", compatible), ("status", status)]));
        assert_eq!(its_and_uefi(&tree(vec![gic]).to_dtb()), (has_its, false));
    }
}

#[test]
fn a_crash_kernel_is_told_its_memory_in_the_cells_of_the_root() {
    let usable =
        [Range::new(0x4000_0000, 0x4010_0000).unwrap(), Range::new(1 << 32, 5 << 30).unwrap()];
    let elfcorehdr = Range::new(0x1_0000_0000, 0x1_0000_1000).unwrap();
    let crash = Some(CrashMemory { elfcorehdr, usable: &usable });
    let chosen = Chosen { bootargs: "", initrd: None, seeds: None, crash };
    let header = [1_u64 << 32, 0x1000].map(u64::to_be_bytes).concat();
    let memory = [0x4000_0000_u64, 0x10_0000, 1 << 32, 1 << 30].map(u64::to_be_bytes).concat();
    for blob in [&virt()[..], EDK2_ACPI, &tree(vec![node("chosen", &[])]).to_dtb()] {
        let after = read(&Fdt::parse(blob).unwrap().hand_over(&chosen).unwrap());
        let told = chosen_of(&after);
        assert!(told.contains(&("linux,elfcorehdr".to_owned(), header.clone())));
        assert!(told.contains(&("linux,usable-memory-range".to_owned(), memory.clone())));
        assert_eq!(after.root.property("#address-cells").unwrap().value(), [0, 0, 0, 2]);
        assert_eq!(after.memory_reservations, [MemoryReservation::new(1 << 32, 0x1000)]);
    }
    let narrow = tree(vec![node("cpus", &[])]).to_dtb();
    assert_eq!(Fdt::parse(&narrow).unwrap().hand_over(&chosen), Err(Error::Cells));
}

#[test]
fn reservations_of_an_old_crash_header_and_measurement_list_go_too() {
    let mut before = tree(vec![node(
        "chosen",
        &[
            ("linux,elfcorehdr", &[0x5000_0000_u64, 0x800].map(u64::to_be_bytes).concat()),
            ("linux,ima-kexec-buffer", &[0x6000_0100_u64, 0x20].map(u64::to_be_bytes).concat()),
        ],
    )]);
    for name in ["#address-cells", "#size-cells"] {
        before.root.add_property(DeviceTreeProperty::new_unchecked(name, 2_u32.to_be_bytes()));
    }
    let reservation = MemoryReservation::new;
    before.memory_reservations = vec![
        reservation(0x5000_0000, 0x1000),
        reservation(0x6000_0100, 0x20),
        reservation(0x7000_0000, 0x800),
    ];
    let after = read(&hand_over(&before.to_dtb()));
    let left = [reservation(0x7000_0000, 0x800), reservation(0x5000_0000, 0x1234)];
    assert_eq!(after.memory_reservations, left);
    assert_eq!(chosen_of(&after), handed_over());
}

const BOARD: &[u8] = include_bytes!("../../tests/data/overlay/board.dtb");
const SENSOR: &[u8] = include_bytes!("../../tests/data/overlay/sensor.dtb");
const ALARM: &[u8] = include_bytes!("../../tests/data/overlay/alarm.dtb");
const MERGED: &[u8] = include_bytes!("../../tests/data/overlay/merged.dtb");

/// The same tree in an order of its own.
fn sorted<'a>(mut node: Node<'a>) -> Node<'a> {
    node.properties.sort();
    node.children = node.children.into_iter().map(sorted).collect();
    node.children.sort_by_key(|child| child.name);
    node
}

fn assert_same_tree(left: &Node<'_>, right: &Node<'_>) {
    let [left, right] = [left, right].map(|node| {
        let tree = Fdt { boot_cpu: 0, reservations: vec![], root: sorted(node.clone()) };
        format!("{:?}", read(&tree.to_blob()))
    });
    assert_eq!(left, right);
}

#[test]
fn overlays_are_merged_as_fdtoverlay_merges_them() {
    let mut board = Fdt::parse(BOARD).unwrap();
    board.apply(Fdt::parse(SENSOR).unwrap()).unwrap();
    board.apply(Fdt::parse(ALARM).unwrap()).unwrap();
    assert_same_tree(&board.root, &Fdt::parse(MERGED).unwrap().root);
}

fn overlay_refusal(board: &[u8], overlay: &[u8]) -> String {
    let mut board = Fdt::parse(board).unwrap();
    board.apply(Fdt::parse(overlay).unwrap()).unwrap_err().to_string()
}

fn fragment(properties: &[(&str, &[u8])]) -> Vec<u8> {
    let mut fragment = node("fragment@0", properties);
    fragment.add_child(node("__overlay__", &[("status", b"okay\0")]));
    tree(vec![fragment]).to_dtb()
}

fn fixups(name: &str, value: &[u8]) -> Vec<u8> {
    tree(vec![node(name, &[("clock", value)]), node("soc", &[("clocks", &[0; 4])])]).to_dtb()
}

#[test]
fn an_overlay_that_leads_nowhere_is_refused_with_what_it_misses() {
    let missing = "an overlay needs the label \"sensor\", which the device tree lacks";
    assert_eq!(overlay_refusal(BOARD, ALARM), missing);
    let stub = "ACPI describes this machine: with an overlay the kernel would overlook that";
    assert_eq!(overlay_refusal(EDK2_ACPI, ALARM), stub);
    let nowhere = "\"fragment@0\" of an overlay leads to nothing in the device tree";
    assert_eq!(overlay_refusal(BOARD, &fragment(&[])), nowhere);
    assert_eq!(overlay_refusal(BOARD, &fragment(&[("target-path", b"/sock\0")])), nowhere);
    assert_eq!(overlay_refusal(BOARD, &fragment(&[("target", &99_u32.to_be_bytes())])), nowhere);
    for place in ["/soc:clocks:1", "/soc:clocks:x", "/sock:clocks:0", "/soc:clock:0", "/soc"] {
        let missing = format!("{place:?} of an overlay leads to nothing in the device tree");
        let value = format!("{place}\0");
        assert_eq!(overlay_refusal(BOARD, &fixups("__fixups__", value.as_bytes())), missing);
    }
    let missing = "\"clock\" of an overlay leads to nothing in the device tree";
    assert_eq!(overlay_refusal(BOARD, &fixups("__local_fixups__", &[0; 4])), missing);
}

#[test]
fn an_overlay_with_any_byte_changed_is_refused_or_merged() {
    for at in 0..SENSOR.len() {
        for value in [0, 1, 2, 9, 0x2f, 0xff] {
            let mut changed = SENSOR.to_vec();
            changed[at] = value;
            let mut board = Fdt::parse(BOARD).unwrap();
            if Fdt::parse(&changed).is_ok_and(|overlay| board.apply(overlay).is_ok()) {
                let blob = board.to_blob();
                assert!(Fdt::parse(&blob).is_ok(), "{value} at {at}");
            }
        }
    }
}

#[test]
fn a_tree_that_comes_with_an_entry_learns_of_this_machines_memory() {
    let virt = virt();
    let running = Fdt::parse(&virt).unwrap();
    let mut own = Fdt::parse(BOARD).unwrap();
    own.fill_in(&running).unwrap();
    let memory: Vec<_> =
        own.root.children.iter().filter(|node| node.name.starts_with(b"memory")).collect();
    assert_eq!(memory.len(), 1);
    assert_eq!(memory[0].name, b"memory@40000000");
    // The board's tree has a size in one cell, the machine's in two.
    let reg = [0_u32, 0x4000_0000, 0x4000_0000].map(u32::to_be_bytes).concat();
    assert_eq!(memory[0].property(b"reg"), Some(&reg[..]));
    let chosen = own.root.chosen().unwrap();
    assert_eq!(chosen.property(b"stdout-path"), Some(&b"/pl011@9000000\0"[..]));
    assert!(own.root.child(b"psci").is_none() && own.root.child(b"soc").is_some());
}

fn region(name: &str, start: u64) -> DeviceTreeNode {
    let reg = [start.to_be_bytes(), 0x1000_u64.to_be_bytes()].concat();
    node(name, &[("reg", &reg), ("phandle", &7_u32.to_be_bytes())])
}

#[test]
fn reserved_memory_of_the_machine_is_added_to_that_of_the_tree() {
    let cells: [(&str, &[u8]); 2] =
        [("#address-cells", &[0, 0, 0, 2]), ("#size-cells", &[0, 0, 0, 2])];
    let mut reserved = node("reserved-memory", &cells);
    reserved.add_child(region("secure@8000000", 0x800_0000));
    reserved.add_child(region("firmware@9000000", 0x900_0000));
    reserved.add_child(node("pool", &[("size", &[0; 8])]));
    let mut running = tree(vec![reserved]);
    running.memory_reservations = vec![MemoryReservation::new(0xa00_0000, 0x1000)];
    let running = running.to_dtb();
    let running = Fdt::parse(&running).unwrap();

    let mut own = Fdt::parse(BOARD).unwrap();
    own.fill_in(&running).unwrap();
    let found = own.root.child(b"reserved-memory").unwrap();
    let names: Vec<_> = found.children.iter().map(|child| child.name).collect();
    assert_eq!(names, [&b"firmware@4000000"[..], b"pool", b"secure@8000000", b"firmware@9000000"]);
    let reg = [0_u32, 0x800_0000, 0x1000].map(u32::to_be_bytes).concat();
    assert_eq!(found.children[2].property(b"reg"), Some(&reg[..]));
    assert_eq!(found.children[2].phandle(), None);
    assert_eq!(own.reservations, [Range::new(0xa00_0000, 0xa00_1000).unwrap()]);
    let once = own.to_blob();
    own.fill_in(&running).unwrap();
    assert_eq!(own.to_blob(), once);

    let bare = tree(vec![node("cpus", &[])]).to_dtb();
    let mut bare = Fdt::parse(&bare).unwrap();
    bare.fill_in(&running).unwrap();
    let added = bare.root.child(b"reserved-memory").unwrap();
    assert_eq!(added.property(b"ranges"), Some(&b""[..]));
    assert_eq!(added.cells(), bare.root.cells());
}

#[test]
fn with_uefi_a_tree_of_the_entrys_own_keeps_the_way_to_its_memory_map() {
    let running = Fdt::parse(EDK2_ACPI).unwrap();
    let mut own = Fdt::parse(BOARD).unwrap();
    own.fill_in(&running).unwrap();
    assert!(own.has_uefi() && own.root.child(b"memory@0").is_some());
    assert!(own.root.chosen().unwrap().property(b"linux,uefi-mmap-start").is_some());
}

#[test]
fn an_address_that_the_trees_cells_cannot_hold_is_refused() {
    let mut memory = node("memory", &[("device_type", b"memory\0")]);
    let high = [0x1_0000_0000_u64.to_be_bytes(), 0x1000_u64.to_be_bytes()].concat();
    memory.add_property(DeviceTreeProperty::new_unchecked("reg", high));
    let mut running = tree(vec![memory]);
    for name in ["#address-cells", "#size-cells"] {
        running.root.add_property(DeviceTreeProperty::new_unchecked(name, 2_u32.to_be_bytes()));
    }
    let running = running.to_dtb();
    let own = tree(vec![node("cpus", &[])]).to_dtb();
    let mut own = Fdt::parse(&own).unwrap();
    let error = own.fill_in(&Fdt::parse(&running).unwrap()).unwrap_err().to_string();
    assert_eq!(error, "an address or a size does not fit in the cells of the device tree");
}

#[test]
fn a_live_tree_makes_the_blob_that_it_came_from() {
    fn owned(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    fn live(node: &Node<'_>) -> Live {
        let made_up = ("name".to_owned(), b"made up\0".to_vec());
        let properties = node.properties.iter().map(|(name, value)| (owned(name), value.to_vec()));
        Live {
            name: owned(node.name),
            properties: properties.chain([made_up]).collect(),
            children: node.children.iter().map(live).collect(),
        }
    }
    let virt = virt();
    let before = Fdt::parse(&virt).unwrap();
    let blob = live(&before.root).to_blob();
    assert_same_tree(&Fdt::parse(&blob).unwrap().root, &before.root);
}

fn nested(depth: usize) -> Result<(), Error> {
    let start = node("leaf", &[]);
    let child = (0..depth).fold(start, |inner, _| {
        let mut outer = node("n", &[]);
        outer.add_child(inner);
        outer
    });
    Fdt::parse(&tree(vec![child]).to_dtb()).map(|_| ())
}

#[test]
fn a_tree_deeper_than_linux_takes_is_refused() {
    assert_eq!(nested(62), Ok(()));
    assert!(matches!(nested(63), Err(Error::Structure(_))));
}

#[test]
fn devices_of_enabled_nodes_have_the_names_that_linux_gives_them() {
    let blob = super::testing::virt();
    let names = super::Fdt::parse(&blob).unwrap().modaliases();
    assert!(names.iter().any(|name| name == "of:Nvirtio_mmioT(null)Cvirtio,mmio"), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("of:Npl011T(null)Carm,pl011Carm,primecell")));
}
