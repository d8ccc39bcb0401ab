//! What holds for x86_64 alone: where its kernel may lie, and what moves it.

use super::super::properties::Random;
use super::*;
use crate::memmap::E820Entry;

const MIB_2: u64 = 2 << 20;
/// What the kernel of these tests needs, and its work area behind it.
const WINDOW: u64 = 0x3f9_8000 + MIB_2;

/// The machine with EFI, all of it known, and with these random numbers.
fn with_efi(mut machine: Machine, random: u64) -> Machine {
    machine.seeds.as_mut().unwrap().kaslr = random.to_le_bytes();
    let Platform::Pc(pc) = &mut machine.platform else { unreachable!() };
    pc.efi = Some(crate::efi::runtime::testing::runtime());
    pc.boot_params[0x1c0..0x1c4].copy_from_slice(b"EL64");
    pc.boot_params[0x1c4] = 1;
    machine
}

/// The kernel's window in a plan for a kernel that knows EFI.
fn window(options: &str, machine: &Machine) -> Range {
    let mut bundle = bundle(bzimage::testing::small(), &[&[7; 5000]]);
    bundle.linux.bytes[0x236] |= 0x10;
    bundle.linux = Blob::hash("/vmlinuz", bundle.linux.bytes);
    bundle.options = options.to_owned();
    let bundle = verified(bundle);
    let plan = plan(&bundle, machine).unwrap();
    assert_every_check_holds(&plan);
    let start = segment(&plan, "kernel").range.start();
    assert_eq!(block(&plan).entry(), start + 0x200);
    assert_eq!(segment(&plan, "params").bytes[0x211], 0, "a bzImage says itself that it moved");
    let window = Range::with_len(start, WINDOW).unwrap();
    assert!(machine.available().iter().any(|free| free.contains(window)));
    for other in
        plan.placement().unwrap().segments.iter().filter(|segment| segment.name != "kernel")
    {
        assert!(!window.overlaps(other.range), "{other} in {window}");
    }
    window
}

#[test]
fn a_kernel_that_is_told_of_efi_is_moved_by_the_loader() {
    let starts: Vec<_> = (0..4).map(|n| window("ro quiet", &with_efi(q35(), n)).start()).collect();
    assert_eq!(starts, [0x100_0000, 0x120_0000, 0x140_0000, 0x160_0000]);
    let far = window("ro quiet", &with_efi(q35_6g(), u64::MAX)).start();
    assert!(far.is_multiple_of(MIB_2) && far > 16 << 20, "{far:#x}");
    let beyond_4_gib = (0..3000).step_by(97).map(|n| window("ro", &with_efi(q35_6g(), n)));
    assert!(beyond_4_gib.into_iter().any(|window| window.start() >= 1 << 32));
}

#[test]
fn a_kernel_that_can_move_itself_or_may_not_be_moved_stays_low() {
    let lowest = 16 << 20;
    let mut plain = q35();
    plain.seeds.as_mut().unwrap().kaslr = [9; 8];
    assert_eq!(window("ro quiet", &plain).start(), lowest);
    for options in ["ro nokaslr quiet", "mem=512M", "ro memmap=16M$0x10000000"] {
        assert_eq!(window(options, &with_efi(q35(), 99)).start(), lowest, "{options}");
    }
    let without_randomness = Machine { seeds: None, ..with_efi(q35(), 99) };
    assert_eq!(window("ro quiet", &without_randomness).start(), lowest);
    assert_ne!(window("xnokaslr nokaslrx", &with_efi(q35(), 99)).start(), lowest);
}

#[test]
fn wherever_the_kernel_moves_there_is_room_for_the_rest() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..200 {
        // As much memory as the kernel, the initrd and the purgatory need, and a
        // little more.
        let size = WINDOW + MIB_2 + random.below(8 << 20) / 4096 * 4096;
        let mut machine = with_efi(q35(), random.next());
        machine.free = vec![Range::with_len(0x100_0000, size).unwrap()];
        machine.total_ram = 1 << 30;
        window("ro quiet", &machine);
    }
}

#[test]
fn the_tables_of_efi_and_acpi_are_mapped_for_the_kernel() {
    let mut machine = with_efi(q35(), 0);
    let Platform::Pc(pc) = &mut machine.platform else { unreachable!() };
    let acpi = Range::new(0x7e00_0000, 0x7e40_0000).unwrap();
    pc.firmware_map.push(E820Entry { range: acpi, kind: 3 });
    let runtime = Range::new(0x7f00_0000, 0x8000_0000).unwrap();
    pc.firmware_map.push(E820Entry { range: runtime, kind: 2 });
    let config_table = pc.efi.as_ref().unwrap().config_table;
    let mut bundle = bundle(bzimage::testing::small(), &[]);
    bundle.linux.bytes[0x236] |= 0x10;
    bundle.linux = Blob::hash("/vmlinuz", bundle.linux.bytes);
    let bundle = verified(bundle);
    let plan = plan(&bundle, &machine).unwrap();
    for address in [0x7e00_0000, 0x7e3f_ffff, config_table] {
        assert!(is_mapped(&plan, address), "{address:#x}");
    }
    for address in [0x7e40_0000, 0x7f00_0000] {
        assert!(!is_mapped(&plan, address), "{address:#x}");
    }
}
