//! What holds of every plan: on the real machines of `tests/data`, with kernels
//! and initrds of any size, and on made-up memory maps.
//!
//! A plan is judged by the text of its memory map, read line by line here, not
//! by what `memmap` makes of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::machine::testing::{board, pc, q35, virt};
use super::tests::{as_it_is, assert_every_check_holds, bundle, plan, segment, verified};
use super::*;
use crate::image::{arm64, bzimage};
use crate::memmap::Iomem;

/// xorshift64.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Of all magnitudes up to `1 << bits`.
    fn size(&mut self, bits: u64) -> u64 {
        let shift = self.below(bits);
        self.below(1 << bits >> shift) + 1
    }
}

/// Tries `cases` beginnings of random numbers, and names the one that fails.
fn for_each_seed(cases: u64, mut test: impl FnMut(&mut Random)) {
    for case in 1..=cases {
        let seed = case.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let result = catch_unwind(AssertUnwindSafe(|| test(&mut Random(seed))));
        assert!(result.is_ok(), "with random numbers that begin with {seed:#x}");
    }
}

/// A memory map as text: RAM with ragged ends, and things within it.
fn random_iomem(random: &mut Random) -> String {
    let names = ["Kernel code", "Kernel data", "Crash kernel", "reserved", "never heard of"];
    let mut text = String::new();
    let mut at = random.below(1 << 33);
    for _ in 0..=random.below(12) {
        at += random.size(26);
        let end = at + random.size(29);
        text += &format!("{at:08x}-{:08x} : System RAM\n", end - 1);
        while random.below(3) > 0 {
            at += random.size(26);
            let child = at + random.size(24);
            if child > end {
                break;
            }
            let name = names[usize::try_from(random.below(5)).unwrap()];
            text += &format!("  {at:08x}-{:08x} : {name}\n", child - 1);
            at = child;
        }
        at = end;
        if random.below(3) == 0 {
            text += &format!("{at:08x}-{:08x} : Reserved\n", at + 0xfff);
            at += 0x1000;
        }
    }
    text
}

/// Lines of a memory map: how far they are indented, where they are, what.
fn lines(text: &str) -> impl Iterator<Item = (usize, u64, u64, &str)> {
    text.lines().map(|line| {
        let (span, name) = line.trim_start().split_once(" : ").unwrap();
        let (first, last) = span.split_once('-').unwrap();
        let [first, last] = [first, last].map(|digits| u64::from_str_radix(digits, 16).unwrap());
        (line.len() - line.trim_start().len(), first, last, name)
    })
}

/// Whether the map lets this memory be overwritten.
fn is_free(text: &str, range: Range) -> bool {
    let first = range.start();
    let last = range.end() - 1;
    let in_ram = lines(text).any(|(indent, start, end, name)| {
        indent == 0 && name == "System RAM" && start <= first && last <= end
    });
    let mut in_the_way = lines(text).filter(|&(indent, start, end, name)| {
        indent > 0 && !name.starts_with("Kernel ") && start <= last && first <= end
    });
    in_ram && in_the_way.next().is_none()
}

fn assert_sound(plan: &Plan<'_>, text: &str, page: u64) {
    assert!((1..=16).contains(&plan.placement().unwrap().segments.len()));
    for (index, segment) in plan.placement().unwrap().segments.iter().enumerate() {
        let range = segment.range;
        assert!(range.start() % page == 0 && range.len() % page == 0 && !range.is_empty());
        assert!(is_free(text, range), "{segment}");
        assert!(segment.bytes.len() as u64 <= range.len());
        for other in &plan.placement().unwrap().segments[..index] {
            let apart = range.end() <= other.range.start() || other.range.end() <= range.start();
            assert!(apart, "{segment} over {other}");
        }
        for window in &plan.placement().unwrap().windows {
            let apart = range.end() <= window.start() || window.end() <= range.start();
            assert!(apart || segment.name == "kernel", "{segment} in {window}");
        }
    }
    assert!(
        plan.placement().unwrap().windows.iter().all(|window| is_free(text, *window)),
        "{:?}",
        plan.placement().unwrap().windows
    );
    assert_every_check_holds(plan);
}

/// A kernel that needs `size` bytes of memory.
fn linux(machine: &Machine, size: u64) -> Vec<u8> {
    match machine.arch() {
        Arch::X86_64 => {
            let mut file = bzimage::testing::small();
            let size = u32::try_from(size).unwrap();
            file[0x260..0x264].copy_from_slice(&size.to_le_bytes());
            file
        }
        Arch::Aarch64 => {
            let mut file = arm64::testing::small();
            file[8..16].copy_from_slice(&(size / 3 / 65536 * 65536).to_le_bytes());
            file[16..24].copy_from_slice(&(size + 8192).to_le_bytes());
            file
        }
    }
}

/// The memory of all initrds, which lie side by side in their order.
fn initrd(plan: &Plan<'_>) -> Range {
    let segments = plan.placement().unwrap().segments.iter();
    let ranges: Vec<_> = segments.filter(|one| one.name == "initrd").map(|one| one.range).collect();
    assert!(ranges.array_windows().all(|[low, high]| low.end() == high.start()), "{ranges:?}");
    Range::new(ranges[0].start(), ranges[ranges.len() - 1].end()).unwrap()
}

/// As many are copied as have to be: none, or those that share a segment.
fn assert_few_copies(plan: &Plan<'_>, initrds: usize) {
    let segments = &plan.placement().unwrap().segments;
    let own = segments.iter().filter(|one| one.name == "initrd");
    let copies = own.clone().filter(|one| matches!(one.bytes, std::borrow::Cow::Owned(_))).count();
    assert_eq!(copies == 0, own.count() == initrds);
    assert!(copies == 0 || segments.len() == MAX_SEGMENTS);
}

/// What was counted beforehand is what is loaded, but for the little of Turnout's
/// own, and what is copied.
fn assert_counted(plan: &Plan<'_>, bundle: &Verified<Bundle<Vec<u8>>>, machine: &Machine) {
    let prepared = as_it_is(bundle, &bundle.linux.bytes).unwrap();
    let need = Need::of(&prepared, bundle, Engine::Segments, machine, false).unwrap();
    let segments = plan.placement().unwrap().segments.iter();
    let (own, others): (Vec<_>, Vec<_>) =
        segments.partition(|one| ["params", "purgatory"].contains(&one.name));
    let size = |all: &[&Segment<'_>]| all.iter().map(|one| one.range.len()).sum::<u64>();
    assert!(size(&others) <= need.segments && size(&own) < 1 << 20);
    let copies = others.iter().filter(|one| matches!(one.bytes, std::borrow::Cow::Owned(_)));
    let zeros = 3 * bundle.initrds.len() as u64;
    let copied = copies.map(|one| one.bytes.len() as u64).sum::<u64>();
    assert!((need.joined..=need.joined + zeros).contains(&copied));
    assert_eq!(need.files, bundle.sizes().sum::<u64>());
}

/// What each architecture's boot protocol asks for.
fn assert_protocol(plan: &Plan<'_>, linux: &[u8]) {
    let window = plan.placement().unwrap().windows[0];
    match plan.arch {
        Arch::X86_64 => {
            let kernel = segment(plan, "kernel").range.start();
            assert!(kernel.is_multiple_of(2 << 20) && kernel >= 16 << 20);
            assert!(initrd(plan).start() >= 16 << 20);
        }
        Arch::Aarch64 => {
            let offset = u64::from_le_bytes(linux[8..16].try_into().unwrap());
            assert_eq!(window.start() % (2 << 20), offset % (2 << 20));
            let gib = window.start() >> 30 << 30;
            let initrd = initrd(plan);
            assert!(gib <= initrd.start() && initrd.end().max(window.end()) <= gib + (32 << 30));
            let params = segment(plan, "params").range;
            assert_eq!(params.start() >> 21, (params.end() - 1) >> 21);
        }
    }
}

/// Whether there was room for one more plan, which must then be sound.
fn plan_one(machine: &Machine, text: &str, random: &mut Random) -> bool {
    let size = random.size(27).max(16384);
    let linux = linux(machine, size);
    let initrds: Vec<_> = (0..=random.below(20))
        .map(|_| vec![7; usize::try_from(random.size(18)).unwrap()])
        .collect();
    let slices: Vec<_> = initrds.iter().map(Vec::as_slice).collect();
    let bundle = verified(bundle(linux.clone(), &slices));
    let plan = match plan(&bundle, machine) {
        Ok(plan) => plan,
        Err(Error::NoRoom(NoRoom { name: "kernel", longest, .. })) => {
            assert!(longest < 2 * size + (4 << 20), "{size} bytes in\n{text}");
            return false;
        }
        Err(Error::NoRoom(NoRoom { longest, .. })) => {
            assert!(longest < 4 << 20, "in\n{text}");
            return false;
        }
        Err(error) => panic!("{error}"),
    };
    assert_sound(&plan, text, machine.page_size);
    assert_protocol(&plan, &linux);
    assert_few_copies(&plan, initrds.len());
    assert_counted(&plan, &bundle, machine);
    true
}

fn assert_most_made_up_memories_do(machine: &Machine, page_size: u64) {
    let mut plans = 0;
    for_each_seed(400, |random| {
        let text = random_iomem(random);
        let iomem = Iomem::parse(&text).unwrap();
        let mut machine = Machine { page_size, total_ram: u64::MAX, ..machine.clone() };
        machine.free = iomem.free(page_size);
        if let Platform::Pc(pc) = &mut machine.platform {
            pc.firmware_map = iomem.firmware_map();
        }
        plans += u32::from(plan_one(&machine, &text, random));
    });
    assert!((120..400).contains(&plans), "{plans} of 400 memories had room");
}

#[test]
fn on_any_pc_plans_are_sound() {
    assert_most_made_up_memories_do(&q35(), 4096);
}

#[test]
fn on_any_board_plans_are_sound() {
    assert_most_made_up_memories_do(&virt(), 4096);
}

#[test]
fn on_any_board_with_large_pages_plans_are_sound() {
    assert_most_made_up_memories_do(&virt(), 65536);
}

macro_rules! real {
    ($make:ident, $name:literal, $more:literal $(, $as:ident)?) => {{
        let iomem = include_str!(concat!("../../tests/data/", $name, "/iomem"));
        let more = include_bytes!(concat!("../../tests/data/", $name, "/", $more));
        ($name, iomem, $make(iomem, real!(@ more $($as)?)))
    }};
    (@ $more:ident text) => { core::str::from_utf8($more).unwrap() };
    (@ $more:ident) => {{
        let mut fdt = $more.to_vec();
        fdt.resize(1 << 20, 0);
        fdt
    }};
}

#[test]
fn on_every_real_machine_plans_are_sound() {
    let machines = [
        real!(pc, "q35", "memmap", text),
        real!(pc, "q35-6g", "memmap", text),
        real!(pc, "q35-ovmf", "memmap", text),
        real!(pc, "q35-numa", "memmap", text),
        real!(board, "virt", "fdt"),
        real!(board, "virt-acpi", "fdt"),
        real!(board, "virt-uefi", "fdt"),
    ];
    for (name, text, machine) in machines {
        for_each_seed(60, |random| assert!(plan_one(&machine, text, random), "{name}"));
    }
}
