//! Whole plans, on the machines of `tests/data` and on made-up ones.

mod uki;
mod vmlinux;
mod x86_64;

use std::borrow::Cow;

use purgatory::{BLOCK_OFFSET, BLOCK_SIZE, Block, Conduit, Roots, Uart};

use super::machine::testing::{q35, q35_6g, virt};
use super::*;
use crate::bundle::Blob;
use crate::image::testing::unpacked;
use crate::image::{arm64, bzimage};
use crate::trust::policy::{Floors, Policy};
use crate::trust::slots::SlotValues;
use crate::trust::verify::{Context, Evidence, Identity, Mode, check_manifest, verify};

const FACTS: Facts = Facts::plain();
const SEGMENTS: Request = Request::Only(Engine::Segments);
const FILE: Request = Request::Only(Engine::File);

/// As long as a real blob, and takes a block.
fn blob() -> Vec<u8> {
    let mut blob = vec![0x90; 16384];
    blob[BLOCK_OFFSET..BLOCK_OFFSET + BLOCK_SIZE].copy_from_slice(&Block::TEMPLATE.to_bytes());
    blob
}

pub(super) fn bundle(linux: Vec<u8>, initrds: &[&[u8]]) -> Bundle<Vec<u8>> {
    Bundle {
        entry: "debian".to_owned(),
        linux: Blob::hash("/vmlinuz", linux),
        initrds: initrds.iter().map(|bytes| Blob::hash("/initrd", bytes.to_vec())).collect(),
        devicetree: None,
        overlays: Vec::new(),
        addons: Vec::new(),
        profile: None,
        options: "root=LABEL=root ro quiet".to_owned(),
    }
}

/// As open mode takes an entry that nobody signed.
pub(super) fn verified(bundle: Bundle<Vec<u8>>) -> Verified<Bundle<Vec<u8>>> {
    let context = Context {
        mode: Mode::Open,
        ring: None,
        policy: &Policy::default(),
        arch: Arch::X86_64,
        identity: &Identity::default(),
        floors: Floors::default(),
    };
    let evidence = Evidence { manifest: None, signature: None };
    let leave = check_manifest(&context, &bundle.entry, evidence).unwrap();
    verify(&leave, bundle, &SlotValues::default()).unwrap()
}

pub(super) fn as_it_is<'a>(
    bundle: &Verified<Bundle<Vec<u8>>>,
    linux: &'a [u8],
) -> Result<Prepared<'a>, Error> {
    let limits = crate::image::Limits { output: 1 << 20 };
    let how = Unpacking {
        engine: Engine::Segments,
        decompress: Decompress::Never,
        against: None,
        limits: &limits,
    };
    Prepared::new(unpacked(linux), bundle, &how, None)
}

/// The plan outlives what a test holds: it leaks a kernel's few fields.
pub(super) fn plan<'a>(
    bundle: &'a Verified<Bundle<Vec<u8>>>,
    machine: &Machine,
) -> Result<Plan<'a>, Error> {
    let prepared = Box::leak(Box::new(as_it_is(bundle, &bundle.linux.bytes).unwrap()));
    make(SEGMENTS, &FACTS, prepared, bundle, machine, &blob())
}

pub(super) fn segment<'a, 'b>(plan: &'b Plan<'a>, name: &str) -> &'b Segment<'a> {
    plan.placement().unwrap().segments.iter().find(|segment| segment.name == name).unwrap()
}

/// The bytes of each segment of initrds.
fn initrds<'b>(plan: &'b Plan<'_>) -> Vec<&'b [u8]> {
    let segments = plan.placement().unwrap().segments.iter();
    segments.filter(|one| one.name == "initrd").map(|one| &*one.bytes).collect()
}

fn block(plan: &Plan<'_>) -> Block {
    let bytes = &segment(plan, "purgatory").bytes[BLOCK_OFFSET..];
    Block::from_bytes(bytes.first_chunk().unwrap())
}

/// The bytes of a range once the segments are in place.
fn loaded<'b>(plan: &'b Plan<'_>, range: Range) -> &'b [u8] {
    let segment = plan
        .placement()
        .unwrap()
        .segments
        .iter()
        .find(|segment| segment.range.contains(range))
        .expect("a segment");
    let start = usize::try_from(range.start() - segment.range.start()).unwrap();
    &segment.bytes[start..start + usize::try_from(range.len()).unwrap()]
}

pub(super) fn assert_every_check_holds(plan: &Plan<'_>) {
    for check in &plan.placement().unwrap().checks {
        let parts: Vec<_> = check.regions.iter().map(|region| loaded(plan, *region)).collect();
        assert_eq!(Digest::of(&parts.concat()), check.digest, "{}", check.name);
    }
}

fn without_digest(line: &str) -> String {
    match (line.strip_prefix("segment "), line.split_once(", sha256:")) {
        (Some(_), Some((segment, digest))) if digest.len() == 64 => segment.to_owned(),
        (Some(_), _) => format!("without a digest: {line}"),
        (None, _) => line.to_owned(),
    }
}

/// As it is printed, without the digests of segments: the bytes that matter have
/// a check.
fn shown(plan: &Plan<'_>) -> String {
    let text = plan.to_string();
    text.lines().map(without_digest).collect::<Vec<_>>().join("\n")
}

#[test]
fn json_holds_the_plan_that_is_printed() {
    let bundle = verified(bundle(bzimage::testing::small(), &[b"initrd"]));
    let prepared = as_it_is(&bundle, &bundle.linux.bytes).unwrap();
    for request in [SEGMENTS, FILE] {
        let plan = make(request, &FACTS, &prepared, &bundle, &q35(), &blob()).unwrap();
        let text = crate::base::json::object(|out| plan.write_json(out));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["engine"], plan.engine().name());
        let segments = json["segments"].as_array().unwrap();
        let placement = plan.placement();
        let placed = placement.map_or(&[][..], |placement| &placement.segments);
        assert_eq!(segments.len(), placed.len());
        for (json, segment) in segments.iter().zip(placed) {
            assert_eq!(json["start"], segment.range.start());
            assert_eq!(json["size"], segment.range.len());
            assert_eq!(json["loaded"], segment.bytes.len());
            assert_eq!(json["zero"], segment.zeros());
            assert_eq!(json["sha256"], Digest::of(&segment.bytes).to_string());
        }
        let checks = json["checks"].as_array().unwrap();
        let planned = placement.map_or(&[][..], |placement| &placement.checks);
        assert_eq!(checks.len(), planned.len());
        for (json, check) in checks.iter().zip(planned) {
            assert_eq!(json["name"], check.name);
            assert_eq!(json["sha256"], check.digest.to_string());
            assert_eq!(json["regions"][0]["start"], check.regions[0].start());
        }
        assert_eq!(json["entry"].as_u64(), placement.map(|placement| placement.entry));
        assert_eq!(placement.is_some(), request == SEGMENTS);
        assert_eq!(json["options"], plan.cmdline);
    }
}

#[test]
fn a_debian_kernel_on_a_pc() {
    let bundle = verified(bundle(bzimage::testing::debian(), &[&[7; 1_000_000]]));
    let plan = plan(&bundle, &q35()).unwrap();
    assert_eq!(shown(&plan), include_str!("../../tests/data/q35/plan").trim_end());
    assert_every_check_holds(&plan);
    let names: Vec<_> =
        plan.placement().unwrap().checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["linux", "initrd 1", "params", "tables"]);
    assert_eq!(plan.placement().unwrap().checks[0].digest, bundle.linux.digest);
    assert!(matches!(segment(&plan, "kernel").bytes, Cow::Borrowed(_)));
    assert!(matches!(segment(&plan, "initrd").bytes, Cow::Borrowed(_)));
}

#[test]
fn a_debian_kernel_on_an_arm64_machine() {
    let bundle = verified(bundle(arm64::testing::debian(), &[&[7; 1_000_000]]));
    let plan = plan(&bundle, &virt()).unwrap();
    assert_eq!(shown(&plan), include_str!("../../tests/data/virt/plan").trim_end());
    assert_every_check_holds(&plan);
    assert!(matches!(segment(&plan, "kernel").bytes, Cow::Borrowed(_)));
}

#[test]
fn the_purgatory_is_told_where_to_jump_print_and_reset() {
    let pc = verified(bundle(bzimage::testing::debian(), &[]));
    let pc = plan(&pc, &q35()).unwrap();
    assert_eq!(block(&pc).entry(), segment(&pc, "kernel").range.start() + 0x200);
    assert_eq!(block(&pc).arg(), segment(&pc, "params").range.start());
    assert_eq!(block(&pc).uart(), Uart::Port8250 { port: 0x3f8 });
    assert_eq!(block(&pc).conduit(), Conduit::None);
    assert_eq!(block(&pc).checks().unwrap().len(), 3);

    let board = verified(bundle(arm64::testing::small(), &[]));
    let board = plan(&board, &virt()).unwrap();
    assert_eq!(block(&board).entry(), segment(&board, "kernel").range.start());
    assert_eq!(block(&board).arg(), segment(&board, "params").range.start());
    assert_eq!(block(&board).uart(), Uart::Pl011 { address: 0x900_0000 });
    assert_eq!(block(&board).conduit(), Conduit::Hvc);
}

#[test]
fn boot_params_and_device_tree_name_the_initrd_to_the_byte() {
    let pc = verified(bundle(bzimage::testing::small(), &[&[7; 5001]]));
    let pc = plan(&pc, &q35()).unwrap();
    let params = &segment(&pc, "params").bytes;
    let start = u32::from_le_bytes(params[0x218..0x21c].try_into().unwrap());
    let size = u32::from_le_bytes(params[0x21c..0x220].try_into().unwrap());
    assert_eq!((start.into(), size), (segment(&pc, "initrd").range.start(), 5001));

    let board = verified(bundle(arm64::testing::small(), &[&[7; 5001]]));
    let board = plan(&board, &virt()).unwrap();
    let fdt = dtoolkit::fdt::Fdt::new(&segment(&board, "params").bytes).unwrap();
    let reserved: Vec<_> =
        fdt.memory_reservations().map(|entry| (entry.address(), entry.size())).collect();
    assert_eq!(reserved, [(segment(&board, "initrd").range.start(), 5001)]);
}

#[test]
fn several_initrds_are_not_copied_and_have_a_segment_and_a_check_each() {
    for (linux, machine) in [(bzimage::testing::small(), q35()), (arm64::testing::small(), virt())]
    {
        let bundle = verified(bundle(linux, &[b"first", b"", b"third"]));
        let plan = plan(&bundle, &machine).unwrap();
        let segments = &plan.placement().unwrap().segments;
        let initrds: Vec<_> = segments.iter().filter(|one| one.name == "initrd").collect();
        let [first, third] = initrds[..] else { panic!("{initrds:?}") };
        assert_eq!(first.range.end(), third.range.start());
        for (segment, initrd) in [(first, 0), (third, 2)] {
            assert!(core::ptr::eq(&*segment.bytes, bundle.initrds[initrd].bytes.as_slice()));
        }
        let names: Vec<_> =
            plan.placement().unwrap().checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names, ["linux", "initrd 1", "initrd 3", "params", "tables"]);
        assert_every_check_holds(&plan);
    }
}

#[test]
fn without_an_initrd_there_is_no_segment_for_one() {
    for (linux, machine) in [(bzimage::testing::small(), q35()), (arm64::testing::small(), virt())]
    {
        let bundle = verified(bundle(linux, &[]));
        let plan = plan(&bundle, &machine).unwrap();
        let names: Vec<_> =
            plan.placement().unwrap().segments.iter().map(|segment| segment.name).collect();
        assert_eq!(names, ["kernel", "params", "purgatory"]);
    }
}

#[test]
fn a_device_tree_of_the_entrys_own_replaces_the_machines() {
    use dtoolkit::model::{DeviceTree, DeviceTreeNode};
    let mut own = DeviceTree::new();
    own.root.add_child(DeviceTreeNode::new("soc").unwrap());
    let mut bundle = bundle(arm64::testing::small(), &[]);
    bundle.devicetree = Some(Blob::hash("/board.dtb", own.to_dtb()));
    let bundle = verified(bundle);
    let plan = plan(&bundle, &virt()).unwrap();
    let fdt = dtoolkit::fdt::Fdt::new(&segment(&plan, "params").bytes).unwrap();
    assert!(fdt.find_node("/memory@40000000").is_some() && fdt.find_node("/psci").is_none());
    assert!(fdt.find_node("/soc").is_some());
    // How to reset is a property of the machine that the purgatory runs on.
    assert_eq!(block(&plan).conduit(), Conduit::Hvc);
}

/// An overlay that adds a node to the root.
fn overlay(node: &str) -> Vec<u8> {
    use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};
    let mut content = DeviceTreeNode::new("__overlay__").unwrap();
    content.add_child(DeviceTreeNode::new(node).unwrap());
    let mut fragment = DeviceTreeNode::new("fragment@0").unwrap();
    fragment.add_property(DeviceTreeProperty::new_unchecked("target-path", b"/\0".as_slice()));
    fragment.add_child(content);
    let mut overlay = DeviceTree::new();
    overlay.root.add_child(fragment);
    overlay.to_dtb()
}

#[test]
fn overlays_go_into_the_machines_tree_or_the_entrys_own() {
    use dtoolkit::model::{DeviceTree, DeviceTreeNode};
    let mut own = DeviceTree::new();
    own.root.add_child(DeviceTreeNode::new("soc").unwrap());
    let own = own.to_dtb();
    for own in [None, Some(Blob::hash("/board.dtb", own))] {
        let mut bundle = bundle(arm64::testing::small(), &[]);
        let has_own = own.is_some();
        bundle.devicetree = own;
        bundle.overlays = ["first", "second"].map(|n| Blob::hash(n, overlay(n))).into();
        let bundle = verified(bundle);
        let plan = plan(&bundle, &virt()).unwrap();
        let fdt = dtoolkit::fdt::Fdt::new(&segment(&plan, "params").bytes).unwrap();
        assert!(fdt.find_node("/first").is_some() && fdt.find_node("/second").is_some());
        assert_eq!(fdt.find_node("/psci").is_none(), has_own);
    }
}

#[test]
fn an_overlay_that_cannot_be_merged_is_refused_by_its_path() {
    let mut bundle = bundle(arm64::testing::small(), &[]);
    bundle.overlays = vec![Blob::hash("/bad.dtbo", vec![])];
    let bundle = verified(bundle);
    let error = plan(&bundle, &virt()).unwrap_err();
    assert_eq!(error.to_string(), "/bad.dtbo: the device tree blob is cut off after 0 bytes");
}

#[test]
fn overlays_need_the_engine_that_hands_a_tree_over() {
    let mut bundle = bundle(arm64::testing::small(), &[]);
    bundle.overlays = vec![Blob::hash("/a.dtbo", overlay("a"))];
    let bundle = verified(bundle);
    let prepared = as_it_is(&bundle, &bundle.linux.bytes).unwrap();
    let result = make(FILE, &FACTS, &prepared, &bundle, &virt(), &blob());
    assert_eq!(result, Err(Error::Engine(EngineError::Devicetree)));
}

fn board_of(fdt: &[u8], cmdline: Option<&str>) -> Machine {
    let mut machine = virt();
    let Platform::Board(board) = &mut machine.platform else { unreachable!() };
    board.fdt = fdt.to_vec();
    board.fdt.resize(1 << 20, 0);
    board.cmdline = cmdline.map(str::to_owned);
    machine
}

#[test]
fn a_machine_that_may_use_lpis_is_refused_unless_its_tables_are_safe() {
    let lpi: &[u8] = include_bytes!("../../tests/data/virt-lpi/fdt");
    let refusal = "the interrupt controller uses tables in memory (GICv3 LPIs) that the next \
                   kernel would clear wherever they lie: start the running kernel with \
                   irqchip.gicv3_nolpi=1";
    let cases = [
        (board_of(lpi, None), "", false),
        (board_of(lpi, Some("quiet irqchip.gicv3_nolpi=0")), "", false),
        (board_of(lpi, Some("irqchip.gicv3_nolpi=1 irqchip.gicv3_nolpi=n")), "", false),
        (board_of(lpi, Some("irqchip.gicv3_nolpi=1\n")), "", true),
        (board_of(lpi, None), "irqchip.gicv3_nolpi=y", true),
        (board_of(include_bytes!("../../tests/data/virt-uefi/fdt"), None), "", true),
        (board_of(include_bytes!("../../tests/data/virt-acpi/fdt"), None), "", true),
    ];
    for (index, (machine, options, fits)) in cases.into_iter().enumerate() {
        let mut bundle = bundle(arm64::testing::small(), &[]);
        bundle.options = options.to_owned();
        let result =
            plan(&verified(bundle), &machine).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(result, if fits { Ok(()) } else { Err(refusal.to_owned()) }, "{index}");
    }
}

#[test]
fn a_device_tree_that_had_to_be_rebuilt_is_a_warning() {
    let mut machine = virt();
    let Platform::Board(board) = &mut machine.platform else { unreachable!() };
    board.rebuilt = true;
    assert_eq!(
        plan(&verified(bundle(arm64::testing::small(), &[])), &machine).unwrap().warnings,
        ["/sys/firmware/fdt is missing, so the device tree is made from /proc/device-tree: \
          memory that the firmware's blob reserved is not known"]
    );
}

fn crash_machines() -> [(Vec<u8>, Machine); 2] {
    let memmap = include_str!("../../tests/data/q35-crash/memmap");
    let mut fdt = include_bytes!("../../tests/data/virt-crash/fdt").to_vec();
    fdt.resize(1 << 20, 0);
    let pc = machine::testing::pc(crash::testing::Q35_IOMEM, memmap);
    let board = machine::testing::board(crash::testing::VIRT_IOMEM, fdt);
    [
        (bzimage::testing::small(), Machine { crash: Some(crash::testing::q35()), ..pc }),
        (arm64::testing::small(), Machine { crash: Some(crash::testing::virt()), ..board }),
    ]
}

#[test]
fn a_crash_kernel_lies_wholly_in_the_memory_set_aside_for_it() {
    for (linux, machine) in crash_machines() {
        let region = machine.crash.as_ref().and_then(Crash::region).unwrap();
        let bundle = verified(bundle(linux, &[&[7; 5001]]));
        let plan = plan(&bundle, &machine).unwrap();
        let names: Vec<_> =
            plan.placement().unwrap().segments.iter().map(|segment| segment.name).collect();
        assert_eq!(names, ["kernel", "initrd", "params", "elfcorehdr", "purgatory"]);
        assert!(
            plan.placement().unwrap().segments.iter().all(|segment| region.contains(segment.range))
        );
        assert!(plan.placement().unwrap().windows.iter().all(|window| region.contains(*window)));
        assert!(plan.placement().unwrap().checks.iter().any(|check| check.name == "elfcorehdr"));
        assert_every_check_holds(&plan);
    }
}

#[test]
fn a_crash_kernel_is_told_where_to_look_and_what_it_may_use() {
    let [(pc, pc_machine), (board, board_machine)] = crash_machines();
    let pc = verified(bundle(pc, &[]));
    let pc = plan(&pc, &pc_machine).unwrap();
    let header = segment(&pc, "elfcorehdr").range;
    let expected = format!("root=LABEL=root ro quiet elfcorehdr={:#x}", header.start());
    assert_eq!(pc.cmdline, expected);
    let params = &segment(&pc, "params").bytes;
    let told = format!("{expected}\0");
    assert!(params.windows(told.len()).any(|part| part == told.as_bytes()));
    let map: Vec<_> = params[0x2d0..][..20 * usize::from(params[0x1e8])].chunks(20).collect();
    let ram: Vec<_> = map
        .iter()
        .filter(|entry| entry[16] == 1)
        .map(|entry| {
            [&entry[..8], &entry[8..16]].map(|it| u64::from_le_bytes(it.try_into().unwrap()))
        })
        .collect();
    let end = 0x7f00_0000;
    assert_eq!(
        ram,
        [
            [0, 0x9_fc00],
            [0x6f00_0000, header.start() - 0x6f00_0000],
            [header.end(), end - header.end()]
        ][..if header.end() == end { 2 } else { 3 }]
    );

    let board = verified(bundle(board, &[]));
    let board = plan(&board, &board_machine).unwrap();
    assert_eq!(board.cmdline, "root=LABEL=root ro quiet");
    let fdt = dtoolkit::fdt::Fdt::new(&segment(&board, "params").bytes).unwrap();
    let chosen = fdt.find_node("/chosen").unwrap();
    let header = segment(&board, "elfcorehdr").range;
    for (name, expected) in [
        ("linux,elfcorehdr", [header.start(), header.len()]),
        ("linux,usable-memory-range", [0xa9a0_0000, 0x1000_0000]),
    ] {
        use dtoolkit::{Node as _, Property as _};
        let value = chosen.property(name).unwrap();
        assert_eq!(value.value(), expected.map(u64::to_be_bytes).concat(), "{name}");
    }
}

#[test]
fn without_memory_set_aside_there_is_no_crash_kernel() {
    for (linux, mut machine) in crash_machines() {
        machine.crash.as_mut().unwrap().reserved.clear();
        assert_eq!(
            plan(&verified(bundle(linux, &[])), &machine).unwrap_err().to_string(),
            "no memory is set aside for a crash kernel: start the running kernel with \
             crashkernel=256M or more"
        );
    }
}

#[test]
fn a_command_line_with_no_room_for_a_crash_kernels_word_is_refused() {
    let [(linux, machine), _] = crash_machines();
    let mut bundle = bundle(linux, &[]);
    for (size, fits) in [(2047 - 22, true), (2047 - 21, false)] {
        bundle.options = "x".repeat(size);
        let bundle = verified(bundle.clone());
        assert_eq!(plan(&bundle, &machine).is_ok(), fits, "{size}");
    }
}

#[test]
fn with_kexec_file_load_the_plan_has_no_segments() {
    let bundle = verified(bundle(bzimage::testing::small(), &[b"initrd"]));
    let prepared = as_it_is(&bundle, &bundle.linux.bytes).unwrap();
    let plan = make(FILE, &FACTS, &prepared, &bundle, &q35(), &blob()).unwrap();
    let text = "kexec_file_load on x86_64, because it was asked for\n\
                kernel  bzImage, because it was asked for\n\
                options \"root=LABEL=root ro quiet\"";
    assert_eq!(plan.to_string(), text);
    assert_eq!(plan.placement(), None);
    let files = Files {
        kernel: Content::File(&bundle.linux.bytes),
        initrd: Some(Content::File(&bundle.initrds[0].bytes)),
    };
    assert_eq!(plan.loading, Loading::Files(files), "as they were read, without a copy");
}

#[test]
fn kexec_file_load_gets_one_file_made_of_several_and_that_is_counted() {
    let linux = bzimage::testing::small();
    let kernel = linux.len() as u64;
    let window = 0x3f9_8000;
    let counted = |initrds: &[&[u8]], has_front: bool| {
        let bundle = verified(bundle(linux.clone(), initrds));
        let prepared = as_it_is(&bundle, &bundle.linux.bytes).unwrap();
        let front = has_front.then_some(b"front".as_slice());
        let machine = q35();
        let on = On { arch: machine.arch(), machine: &machine };
        let plan =
            make_behind::<_, WITH_CRASH>(front, FILE, &FACTS, &prepared, &bundle, on, &blob())
                .unwrap();
        let Loading::Files(files) = plan.loading else { unreachable!() };
        let made = match files.initrd {
            Some(Content::Parts(parts)) => Some(parts.concat()),
            _ => None,
        };
        (Need::of(&prepared, &bundle, Engine::File, &q35(), has_front).unwrap(), made)
    };
    let one =
        Need { files: kernel + 5, read_again: kernel + 5, segments: window + 5, ..Need::default() };
    assert_eq!(counted(&[b"first"], false), (one, None));
    let (need, made) = counted(&[b"first"], true);
    assert_eq!((need, made.unwrap()), (Need { joined: 5, ..one }, b"front\0\0\0first".to_vec()));
    let (need, made) = counted(&[b"first", b"next"], false);
    assert_eq!((need.joined, made.unwrap()), (9, b"first\0\0\0next".to_vec()));
    assert_eq!(counted(&[], true).0.joined, 0);
}

#[test]
fn a_command_line_is_never_cut() {
    let cases = [
        (bzimage::testing::small(), q35(), SEGMENTS, 2047),
        (bzimage::testing::small(), q35(), FILE, 2016),
        (arm64::testing::small(), virt(), SEGMENTS, 2047),
    ];
    for (linux, machine, request, limit) in cases {
        let mut bundle = bundle(linux, &[]);
        for (size, fits) in [(limit, true), (limit + 1, false)] {
            bundle.options = "x".repeat(size);
            let bundle = verified(bundle.clone());
            let prepared = as_it_is(&bundle, &bundle.linux.bytes).unwrap();
            let plan = make(request, &FACTS, &prepared, &bundle, &machine, &blob());
            let error = plan.map(|_| ()).map_err(|error| error.to_string());
            let engine =
                if request == SEGMENTS { Engine::Segments } else { Engine::File }.system_call();
            let expected = format!(
                "the command line has {size} bytes; by {engine} this kernel takes at most {limit}"
            );
            assert_eq!(error, if fits { Ok(()) } else { Err(expected) });
        }
    }
}

fn refusal(bundle: &Bundle<Vec<u8>>, machine: &Machine) -> String {
    plan(&verified(bundle.clone()), machine).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_booted_is_refused_with_the_cause() {
    let pc = bundle(bzimage::testing::small(), &[]);
    let board = bundle(arm64::testing::small(), &[]);
    assert_eq!(refusal(&pc, &virt()), "the kernel is for x86_64, but this machine is aarch64");
    assert_eq!(refusal(&board, &q35()), "the kernel is for aarch64, but this machine is x86_64");

    let mut own_tree = pc.clone();
    own_tree.devicetree = Some(Blob::hash("/board.dtb", vec![]));
    assert_eq!(
        refusal(&own_tree, &q35()),
        "the entry has a device tree or overlays, which x86_64 kernels do not take"
    );
    let mut overlay = pc.clone();
    overlay.overlays = vec![Blob::hash("/a.dtbo", vec![])];
    assert_eq!(
        refusal(&overlay, &q35()),
        "the entry has a device tree or overlays, which x86_64 kernels do not take"
    );
    let mut nul = pc.clone();
    nul.options = "quiet\0init=/bin/sh".to_owned();
    assert_eq!(refusal(&nul, &q35()), "the command line has a NUL character in it");

    let mut high = board.clone();
    high.linux.bytes[8..16].copy_from_slice(&0x800_u64.to_le_bytes());
    assert_eq!(
        refusal(&high, &virt()),
        "the arm64 Image wants to lie 0x800 bytes into a block, not at a page"
    );
    let mut no_tree = virt();
    let Platform::Board(platform) = &mut no_tree.platform else { unreachable!() };
    platform.fdt.clear();
    assert_eq!(refusal(&board, &no_tree), "the device tree blob is cut off after 0 bytes");
}

fn changed_pc(change: impl FnOnce(&mut Pc)) -> Machine {
    let mut machine = q35();
    let Platform::Pc(pc) = &mut machine.platform else { unreachable!() };
    change(pc);
    machine
}

#[test]
fn a_pc_without_what_its_kernel_needs_is_refused() {
    let mut bundle = bundle(bzimage::testing::small(), &[]);
    let machine = changed_pc(|pc| pc.boot_params.truncate(4095));
    assert_eq!(plan(&verified(bundle.clone()), &machine).unwrap_err(), Error::BootParams(4095));
    let machine = changed_pc(|pc| pc.five_level_paging = true);
    plan(&verified(bundle.clone()), &machine).unwrap();
    bundle.linux.bytes[0x236] &= !(1 << 5);
    assert_eq!(plan(&verified(bundle.clone()), &machine).unwrap_err(), Error::FiveLevelPaging);
    plan(&verified(bundle.clone()), &q35()).unwrap();
}

#[test]
fn with_own_page_tables_only_bytes_are_loaded_and_the_whole_window_is_mapped() {
    let bundle = verified(bundle(bzimage::testing::debian(), &[&[7; 5000]]));
    let own = plan(&bundle, &q35()).unwrap();
    let kernel = segment(&own, "kernel");
    assert_eq!(kernel.range.len(), (kernel.bytes.len() as u64).next_multiple_of(4096));
    assert_ne!(block(&own).page_tables(), Roots::default());
    assert!(block(&own).sha_instructions());

    let old = Machine { keep_page_tables: true, sha_instructions: false, ..q35() };
    let old = plan(&bundle, &old).unwrap();
    assert_eq!(segment(&old, "kernel").range.len(), 0x3f9_8000 + (2 << 20));
    assert_eq!(block(&old).page_tables(), Roots::default());
    assert_eq!(old.placement().unwrap().checks.last().unwrap().name, "params");
    assert!(!block(&old).sha_instructions());
}

/// Whether the page tables in a plan map an address of x86_64 as memory.
fn is_mapped(plan: &Plan<'_>, address: u64) -> bool {
    let mut table = block(plan).page_tables().four_level;
    for shift in [39, 30, 21] {
        let entry = Range::with_len(table + (address >> shift) % 512 * 8, 8).unwrap();
        let entry = u64::from_le_bytes(loaded(plan, entry).try_into().unwrap());
        table = entry & 0x0000_ffff_ffff_f000;
        if entry == 0 {
            return false;
        }
    }
    table == address >> 21 << 21
}

#[test]
fn the_page_tables_map_what_the_next_kernel_touches_first() {
    let bundle = verified(bundle(bzimage::testing::small(), &[&[7; 5000]]));
    for machine in [q35(), q35_6g()] {
        let plan = plan(&bundle, &machine).unwrap();
        for segment in &plan.placement().unwrap().segments {
            assert!(is_mapped(&plan, segment.range.start()), "{segment}");
            assert!(is_mapped(&plan, segment.range.end() - 1), "{segment}");
        }
        let kernel = segment(&plan, "kernel").range.start();
        for address in [0, 0xf_ffff, kernel, kernel + 0x419_7fff] {
            assert!(is_mapped(&plan, address), "{address:#x}");
        }
        for address in [0x20_0000, kernel - 1, kernel + 0x420_0000, 0xfee0_0000] {
            assert!(!is_mapped(&plan, address), "{address:#x}");
        }
    }
}

#[test]
fn a_kernel_that_cannot_move_goes_where_it_must_or_nowhere() {
    let mut bundle = bundle(bzimage::testing::small(), &[]);
    bundle.linux.bytes[0x234] = 0;
    bundle.linux.bytes[0x258..0x260].copy_from_slice(&0x3000_0000_u64.to_le_bytes());
    bundle.linux.bytes[0x260..0x264].copy_from_slice(&0x10_0000_u32.to_le_bytes());
    let start = segment(&plan(&verified(bundle.clone()), &q35()).unwrap(), "kernel").range.start();
    assert_eq!(start, 0x3000_0000);
    bundle.linux.bytes[0x258..0x260].copy_from_slice(&0x7000_0000_u64.to_le_bytes());
    let error = plan(&verified(bundle.clone()), &q35()).unwrap_err();
    assert_eq!(error, Error::NoRoom(NoRoom { name: "kernel", size: 0x10_0000, longest: 0 }));
}

#[test]
fn a_kernel_from_other_bytes_than_the_bundles_is_refused() {
    let bundle = verified(bundle(bzimage::testing::small(), &[]));
    let copy = bundle.linux.bytes.clone();
    let prepared = as_it_is(&bundle, &copy).unwrap();
    let error = make(SEGMENTS, &FACTS, &prepared, &bundle, &q35(), &blob()).unwrap_err();
    assert_eq!(error, Error::OtherKernel);
}

#[test]
fn a_kernel_for_other_pages_is_a_warning() {
    let mut bundle = bundle(arm64::testing::small(), &[]);
    bundle.linux.bytes[0x18] = 6;
    assert_eq!(
        plan(&verified(bundle), &virt()).unwrap().warnings,
        ["the kernel wants pages of 64 KiB; this machine is only known to have 4 KiB"]
    );
}

#[test]
fn a_load_beyond_half_of_the_memory_is_refused_before_the_kernel_does() {
    let bundle = verified(bundle(bzimage::testing::small(), &[]));
    let mut machine = q35();
    machine.keep_page_tables = true;
    machine.total_ram = 100 << 20;
    let error = plan(&bundle, &machine).unwrap_err();
    let size = 0x3f9_8000 + (2 << 20) + 8192 + 16384;
    assert_eq!(error, Error::Invalid(Invalid::TooBig { size, limit: 50 << 20 }));
    assert_eq!(
        error.to_string(),
        "the segments need 68804608 bytes, but the running kernel takes at most 52428800, \
         half of its memory"
    );
    machine.keep_page_tables = false;
    plan(&bundle, &machine).unwrap();
}

#[test]
fn memory_beyond_4_gib_is_used_when_there_is_no_other() {
    let bundle = verified(bundle(bzimage::testing::small(), &[&[7; 8192]]));
    let mut machine = q35_6g();
    machine.free.retain(|range| range.start() >= 1 << 32);
    let plan = plan(&bundle, &machine).unwrap();
    assert!(
        plan.placement().unwrap().segments.iter().all(|segment| segment.range.start() >= 1 << 32)
    );
    assert_every_check_holds(&plan);
}

/// What is said of the plan after this change.
fn broken(good: &Plan<'_>, change: impl FnOnce(&mut Placement<'_>)) -> String {
    let mut placement = good.placement().unwrap().clone();
    change(&mut placement);
    placement.validate(&q35()).unwrap_err().to_string()
}

fn at(start: u64, end: u64) -> Range {
    Range::new(start, end).unwrap()
}

#[test]
fn validation_names_the_broken_rule() {
    let bundle = verified(bundle(bzimage::testing::small(), &[b"initrd"]));
    let machine = q35();
    let good = plan(&bundle, &machine).unwrap();
    let kernel = "the kernel at 0x1000000..0x1000800 is not in whole pages";
    assert_eq!(broken(&good, |plan| plan.segments[0].range = at(0x100_0000, 0x100_0800)), kernel);
    let kernel = "the kernel at 0x1000800..0x1001800 is not in whole pages";
    assert_eq!(broken(&good, |plan| plan.segments[0].range = at(0x100_0800, 0x100_1800)), kernel);
    let kernel = "the kernel at 0x1000000..0x1000000 is not in whole pages";
    assert_eq!(broken(&good, |plan| plan.segments[0].range = at(0x100_0000, 0x100_0000)), kernel);
    let kernel = "the kernel at 0x3ffd0000..0x3fff0000 lies in memory that is not free";
    assert_eq!(broken(&good, |plan| plan.segments[0].range = at(0x3ffd_0000, 0x3fff_0000)), kernel);
    let kernel = "the kernel at 0x8000..0xa000 lies in memory that is not free";
    assert_eq!(broken(&good, |plan| plan.segments[0].range = at(0x8000, 0xa000)), kernel);
    let kernel = "the kernel and the initrd overlap";
    assert_eq!(broken(&good, |plan| plan.segments[1].range = at(0x100_0000, 0x100_1000)), kernel);
    let bytes = "the initrd has 8192 bytes, more than fit in 0x3ffdf000..0x3ffe0000";
    assert_eq!(broken(&good, |plan| plan.segments[1].bytes = Cow::Owned(vec![0; 8192])), bytes);
    let entry = "the entry 0x1 lies in no segment";
    assert_eq!(broken(&good, |plan| plan.entry = 1), entry);
    let region = "the linux is checked at 0x1002000..0x1002001, where nothing is loaded";
    assert_eq!(
        broken(&good, |plan| plan.checks[0].regions = vec![at(0x100_2000, 0x100_2001)]),
        region
    );
    let window = "the kernel would take 0x3ff00000..0x40000000 for itself, which is not free";
    assert_eq!(broken(&good, |plan| plan.windows = vec![at(0x3ff0_0000, 0x4000_0000)]), window);
    let window = "the purgatory lies in 0x30000000..0x3ffe0000, which the kernel takes for itself";
    assert_eq!(
        broken(&good, |plan| {
            plan.windows = vec![at(0x3000_0000, 0x3ffe_0000)];
            plan.segments.retain(|segment| ["kernel", "purgatory"].contains(&segment.name));
        }),
        window
    );
    let count = "17 segments, but kexec_load takes 1 to 16";
    assert_eq!(broken(&good, |plan| plan.segments.resize(17, plan.segments[0].clone())), count);
    assert_eq!(
        broken(&good, |plan| plan.segments.clear()),
        "0 segments, but kexec_load takes 1 to 16"
    );
}
