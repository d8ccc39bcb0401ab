//! The x86 "zero page" and what hangs off it: command line and setup_data.
//!
//! Starts from zeros and copies from the running kernel's boot_params only the
//! fields that stay true, because the rest describes a bootloader that is long
//! gone. Follows Linux Documentation/arch/x86/{boot,zero-page}.rst and
//! arch/x86/include/uapi/asm/bootparam.h.

use crate::base::addr::Range;
use crate::base::bytes::field;
use crate::efi::runtime::{self, Runtime};
use crate::memmap::E820Entry;

use super::machine::{Machine, Pc};

/// Length of boot_params in bytes.
pub(super) const SIZE: usize = 4096;

/// Loader 0xd, "kexec-tools", version 0: what every kexec calls itself.
const TYPE_OF_LOADER: u8 = 0xd0;
const SETUP_E820_EXT: u32 = 1;
const SETUP_EFI: u32 = 4;
const SETUP_RNG_SEED: u32 = 9;
/// What the table in boot_params has room for; the rest goes to setup_data.
const E820_MAX: usize = 128;
const RNG_SEED_SIZE: usize = 32;
const MIB: u64 = 1 << 20;
/// Loadflag: the loader has moved the kernel to a random place.
const KASLR_FLAG: u8 = 1 << 1;
/// Xloadflag: the kernel can go on with EFI where the one before it stopped.
const XLF_EFI_KEXEC: u16 = 1 << 4;
/// 64-bit firmware.
const EFI_LOADER_SIGNATURE: [u8; 4] = *b"EL64";

/// Fields of boot_params, by offset.
mod at {
    pub(super) const SCREEN_INFO: usize = 0x000;
    pub(super) const EXT_MEM_K: usize = 0x002;
    pub(super) const ACPI_RSDP_ADDR: usize = 0x070;
    pub(super) const EXT_RAMDISK_IMAGE: usize = 0x0c0;
    pub(super) const EXT_RAMDISK_SIZE: usize = 0x0c4;
    pub(super) const EXT_CMD_LINE_PTR: usize = 0x0c8;
    pub(super) const CC_BLOB_ADDRESS: usize = 0x13c;
    pub(super) const EDID_INFO: usize = 0x140;
    pub(super) const EFI_LOADER_SIGNATURE: usize = 0x1c0;
    pub(super) const EFI_SYSTAB: usize = 0x1c4;
    pub(super) const EFI_MEMDESC_SIZE: usize = 0x1c8;
    pub(super) const EFI_MEMDESC_VERSION: usize = 0x1cc;
    pub(super) const EFI_MEMMAP: usize = 0x1d0;
    pub(super) const EFI_MEMMAP_SIZE: usize = 0x1d4;
    pub(super) const EFI_SYSTAB_HI: usize = 0x1d8;
    pub(super) const EFI_MEMMAP_HI: usize = 0x1dc;
    pub(super) const ALT_MEM_K: usize = 0x1e0;
    pub(super) const E820_ENTRIES: usize = 0x1e8;
    pub(super) const EDDBUF_ENTRIES: usize = 0x1e9;
    pub(super) const SECURE_BOOT: usize = 0x1ec;
    pub(super) const TYPE_OF_LOADER: usize = 0x210;
    pub(super) const LOADFLAGS: usize = 0x211;
    pub(super) const RAMDISK_IMAGE: usize = 0x218;
    pub(super) const RAMDISK_SIZE: usize = 0x21c;
    pub(super) const CMD_LINE_PTR: usize = 0x228;
    pub(super) const XLOADFLAGS: usize = 0x236;
    pub(super) const HARDWARE_SUBARCH: usize = 0x23c;
    pub(super) const SETUP_DATA: usize = 0x250;
    pub(super) const EDD_MBR_SIG_BUFFER: usize = 0x290;
    pub(super) const E820_TABLE: usize = 0x2d0;
    pub(super) const EDDBUF: usize = 0xd00;
}

/// What goes into the block for one boot.
pub(super) struct Contents<'a> {
    pub(super) header: SetupHeader<'a>,
    pub(super) machine: &'a Machine,
    pub(super) pc: &'a Pc,
    pub(super) cmdline: &'a str,
    pub(super) initrd: Option<Range>,
    /// Whether the kernel enters itself where the loader's randomness put it.
    pub(super) randomised: bool,
}

/// The setup header: from offset 0x1f1, in the file as in boot_params.
#[derive(Debug, Clone, Copy)]
pub(super) struct SetupHeader<'a>(pub(super) &'a [u8]);

impl SetupHeader<'_> {
    pub(super) const START: usize = 0x1f1;

    /// Physical address of the EFI system table, if the kernel can be handed all
    /// that it has to know of EFI.
    pub(super) fn efi_systab(self, pc: &Pc) -> Option<u64> {
        let xloadflags = field(self.0, at::XLOADFLAGS.checked_sub(Self::START)?)?;
        let takes_it = u16::from_le_bytes(xloadflags) & XLF_EFI_KEXEC != 0;
        let systab = efi_systab(&pc.boot_params)?;
        (takes_it && pc.efi.is_some()).then_some(systab)
    }
}

/// The ACPI root pointer; 0 if nobody knows it.
pub(super) fn acpi_rsdp(pc: &Pc) -> u64 {
    let rsdp = field(&pc.boot_params, at::ACPI_RSDP_ADDR).map_or(0, u64::from_le_bytes);
    if rsdp == 0 { pc.acpi_rsdp.unwrap_or(0) } else { rsdp }
}

/// The EFI system table of the running kernel, if its firmware is of 64 bits.
fn efi_systab(running: &[u8]) -> Option<u64> {
    let high = u32::from_le_bytes(field(running, at::EFI_SYSTAB_HI)?);
    let low = u32::from_le_bytes(field(running, at::EFI_SYSTAB)?);
    let systab = u64::from(high) << 32 | u64::from(low);
    let is_64_bit = field(running, at::EFI_LOADER_SIGNATURE) == Some(EFI_LOADER_SIGNATURE);
    (is_64_bit && systab != 0).then_some(systab)
}

impl Contents<'_> {
    /// boot_params, command line and setup_data as they lie in memory from
    /// physical address `base` on. The length does not depend on `base`.
    pub(super) fn lay_out(&self, base: u64) -> Vec<u8> {
        let mut block = Block { base, bytes: vec![0; SIZE] };
        self.copy_header(&mut block);
        self.copy_from_running(&mut block);
        self.describe_memory(&mut block);
        self.describe_initrd(&mut block);
        let cmdline = block.append(self.cmdline.as_bytes());
        block.bytes.push(0);
        block.put_split(at::CMD_LINE_PTR, at::EXT_CMD_LINE_PTR, cmdline);
        let efi = self.hand_over_efi(&mut block);
        self.append_setup_data(&mut block, efi);
        block.bytes
    }

    fn copy_header(&self, block: &mut Block) {
        block.put(SetupHeader::START, self.header.0);
        block.put(at::TYPE_OF_LOADER, &[TYPE_OF_LOADER]);
        // The rest says where the bootloader put its heap and code; there is
        // neither.
        block.put(at::LOADFLAGS, &[if self.randomised { KASLR_FLAG } else { 0 }]);
    }

    fn copy_from_running(&self, block: &mut Block) {
        let running = &self.pc.boot_params;
        block.copy(running, at::CC_BLOB_ADDRESS, 4);
        block.copy(running, at::SECURE_BOOT, 1);
        block.copy(running, at::HARDWARE_SUBARCH, 4);
        block.copy(running, at::EDDBUF_ENTRIES, 2);
        block.copy(running, at::EDD_MBR_SIG_BUFFER, 16 * 4);
        block.copy(running, at::EDDBUF, 6 * 82);
        if self.pc.display_untouched {
            block.copy(running, at::SCREEN_INFO, 64);
            block.copy(running, at::EDID_INFO, 128);
        }
        block.put(at::ACPI_RSDP_ADDR, &acpi_rsdp(self.pc).to_le_bytes());
    }

    fn describe_memory(&self, block: &mut Block) {
        let above_1_mib =
            self.pc.ram().into_iter().find(|ram| ram.start() <= MIB && MIB < ram.end());
        let kib = above_1_mib.map_or(0, |ram| ram.end().saturating_sub(MIB) >> 10);
        let alt_mem_k = u32::try_from(kib).unwrap_or(u32::MAX);
        let ext_mem_k = u16::try_from(kib.min(0xfc00)).unwrap_or(0xfc00);
        block.put(at::ALT_MEM_K, &alt_mem_k.to_le_bytes());
        block.put(at::EXT_MEM_K, &ext_mem_k.to_le_bytes());
        let (table, _) = self.e820();
        block.put(at::E820_ENTRIES, &[u8::try_from(table.len()).unwrap_or(u8::MAX)]);
        block.put(at::E820_TABLE, &encode(table));
    }

    /// The entries for boot_params, and those that it has no room for.
    fn e820(&self) -> (&[E820Entry], &[E820Entry]) {
        let map = &self.pc.firmware_map;
        map.split_at_checked(E820_MAX).unwrap_or((map, &[]))
    }

    fn describe_initrd(&self, block: &mut Block) {
        if let Some(initrd) = self.initrd {
            block.put_split(at::RAMDISK_IMAGE, at::EXT_RAMDISK_IMAGE, initrd.start());
            block.put_split(at::RAMDISK_SIZE, at::EXT_RAMDISK_SIZE, initrd.len());
        }
    }

    /// efi_info and the memory map that it points to; gives what belongs into
    /// setup_data, or `None` if nothing may be said about EFI.
    fn hand_over_efi(&self, block: &mut Block) -> Option<&Runtime> {
        let systab = self.header.efi_systab(self.pc)?;
        let efi = self.pc.efi.as_ref()?;
        let map = efi.memory_map();
        let size = u32::try_from(map.len()).ok()?;
        let address = block.append(&map);
        block.put(at::EFI_LOADER_SIGNATURE, &EFI_LOADER_SIGNATURE);
        block.put_split(at::EFI_SYSTAB, at::EFI_SYSTAB_HI, systab);
        block.put(at::EFI_MEMDESC_SIZE, &runtime::DESCRIPTOR_SIZE.to_le_bytes());
        block.put(at::EFI_MEMDESC_VERSION, &runtime::DESCRIPTOR_VERSION.to_le_bytes());
        block.put_split(at::EFI_MEMMAP, at::EFI_MEMMAP_HI, address);
        block.put(at::EFI_MEMMAP_SIZE, &size.to_le_bytes());
        Some(efi)
    }

    fn append_setup_data(&self, block: &mut Block, efi: Option<&Runtime>) {
        let (_, rest) = self.e820();
        let mut nodes = Vec::new();
        nodes.extend(efi.map(|efi| (SETUP_EFI, efi.setup_data())));
        if !rest.is_empty() {
            nodes.push((SETUP_E820_EXT, encode(rest)));
        }
        if let Some((seed, _)) =
            self.machine.seeds.as_ref().and_then(|seeds| seeds.rng.split_at_checked(RNG_SEED_SIZE))
        {
            nodes.push((SETUP_RNG_SEED, seed.to_vec()));
        }
        // Last first: each node names the one before it.
        let first = nodes.iter().fold(0, |next, (kind, data)| block.append_node(next, *kind, data));
        block.put(at::SETUP_DATA, &first.to_le_bytes());
    }
}

/// Bytes that will lie at `base`.
struct Block {
    base: u64,
    bytes: Vec<u8>,
}

impl Block {
    /// Overwrites the bytes at `at`, which is in boot_params.
    fn put(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at.saturating_add(value.len())) {
            place.copy_from_slice(value);
        }
    }

    /// What the running kernel's boot_params have there, if they are that long.
    fn copy(&mut self, running: &[u8], at: usize, size: usize) {
        let bytes = running.get(at..at.saturating_add(size));
        self.put(at, bytes.unwrap_or_default());
    }

    /// Writes the low half of `value` at one place, the high half at another.
    fn put_split(&mut self, low: usize, high: usize, value: u64) {
        let [a, b, c, d, high_half @ ..] = value.to_le_bytes();
        self.put(low, &[a, b, c, d]);
        self.put(high, &high_half);
    }

    /// Appends at the next multiple of eight; gives the physical address.
    fn append(&mut self, bytes: &[u8]) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let address = self.base.saturating_add(self.bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        address
    }

    fn append_node(&mut self, next: u64, kind: u32, data: &[u8]) -> u64 {
        let size = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let address = self.append(&next.to_le_bytes());
        self.bytes.extend_from_slice(&kind.to_le_bytes());
        self.bytes.extend_from_slice(&size.to_le_bytes());
        self.bytes.extend_from_slice(data);
        address
    }
}

/// Packed {address, size, type}, as the kernel's table has them.
fn encode(entries: &[E820Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend_from_slice(&entry.range.start().to_le_bytes());
        bytes.extend_from_slice(&entry.range.len().to_le_bytes());
        bytes.extend_from_slice(&entry.kind.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::machine::{Platform, testing::q35, testing::q35_6g};
    use super::*;
    use crate::image::Bzimage;
    use crate::image::bzimage::testing::debian;

    const BASE: u64 = 0x1_7000_0000;

    fn lay_out(machine: &Machine) -> Vec<u8> {
        let file = debian();
        let image = Bzimage::parse(&file).unwrap();
        let Platform::Pc(pc) = &machine.platform else { unreachable!() };
        let initrd = Range::with_len(0x1_2345_6000, 0x1_0000_0789);
        let (_, header) = image.header();
        let contents = Contents {
            header: SetupHeader(header),
            machine,
            pc,
            cmdline: "ro quiet",
            initrd,
            randomised: false,
        };
        assert_eq!(contents.lay_out(0).len(), contents.lay_out(BASE).len());
        contents.lay_out(BASE)
    }

    fn pc(machine: &mut Machine) -> &mut Pc {
        let Platform::Pc(pc) = &mut machine.platform else { unreachable!() };
        pc
    }

    fn u32_at(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(field(bytes, at).unwrap())
    }

    fn u64_at(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(field(bytes, at).unwrap())
    }

    /// Follows setup_data: (type, data) of each node.
    fn setup_data(bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut nodes = Vec::new();
        let mut next = u64_at(bytes, 0x250);
        while next != 0 {
            assert_eq!(next % 8, 0);
            let at = usize::try_from(next - BASE).unwrap();
            let size = u32_at(bytes, at + 12) as usize;
            nodes.push((u32_at(bytes, at + 8), bytes[at + 16..at + 16 + size].to_vec()));
            next = u64_at(bytes, at);
        }
        nodes
    }

    #[test]
    fn the_header_comes_from_the_file_and_the_loader_is_named() {
        let bytes = lay_out(&q35());
        let file = debian();
        assert_eq!(bytes[0x1f1..0x210], file[0x1f1..0x210]);
        assert_eq!(bytes[0x210..0x212], [0xd0, 0]);
        assert_eq!(bytes[0x258..0x26c], file[0x258..0x26c]);
        assert_eq!(bytes[0x1ef], 0, "the sentinel");
    }

    #[test]
    fn addresses_beyond_4_gib_are_split_in_halves() {
        let bytes = lay_out(&q35());
        assert_eq!((u32_at(&bytes, 0x218), u32_at(&bytes, 0xc0)), (0x2345_6000, 1));
        assert_eq!((u32_at(&bytes, 0x21c), u32_at(&bytes, 0xc4)), (0x789, 1));
        assert_eq!((u32_at(&bytes, 0x228), u32_at(&bytes, 0xc8)), (0x7000_1000, 1));
        assert_eq!(bytes[SIZE..SIZE + 9], *b"ro quiet\0");
    }

    #[test]
    fn only_what_stays_true_is_copied_from_the_running_kernel() {
        let mut machine = q35();
        pc(&mut machine).boot_params = vec![0xee; SIZE];
        pc(&mut machine).firmware_map.clear();
        machine.seeds = None;
        let bytes = lay_out(&machine);
        let copied: Vec<_> = (0..SIZE).filter(|&at| bytes[at] == 0xee).collect();
        let acpi = 0x70..0x78;
        let cc_blob = 0x13c..0x140;
        let edd_count = 0x1e9..0x1eb;
        let secure_boot = 0x1ec..0x1ed;
        let subarch = 0x23c..0x240;
        let edd_signatures = 0x290..0x2d0;
        let edd = 0xd00..0xeec;
        let expected = [acpi, cc_blob, edd_count, secure_boot, subarch, edd_signatures, edd];
        assert_eq!(copied, expected.into_iter().flatten().collect::<Vec<_>>());
        assert_eq!(setup_data(&bytes), []);
    }

    #[test]
    fn a_display_that_nobody_took_over_is_passed_on() {
        let mut machine = q35();
        pc(&mut machine).boot_params = vec![0xee; SIZE];
        pc(&mut machine).display_untouched = true;
        let bytes = lay_out(&machine);
        assert!(bytes[0x04..0x40].iter().chain(&bytes[0x140..0x1c0]).all(|&byte| byte == 0xee));
        assert_eq!(bytes[..4], [0xee, 0xee, 0x00, 0xfc]);
    }

    #[test]
    fn acpi_is_found_by_boot_params_else_by_efi() {
        let mut machine = q35();
        assert_eq!(u64_at(&lay_out(&machine), 0x70), 0xf_59e0);
        pc(&mut machine).acpi_rsdp = Some(0x7d7e_0014);
        assert_eq!(u64_at(&lay_out(&machine), 0x70), 0xf_59e0);
        pc(&mut machine).boot_params = vec![0; SIZE];
        assert_eq!(u64_at(&lay_out(&machine), 0x70), 0x7d7e_0014);
    }

    #[test]
    fn the_memory_of_a_real_machine_is_described_as_its_bios_did() {
        let machine = q35();
        let Platform::Pc(Pc { boot_params: running, .. }) = &machine.platform else {
            unreachable!()
        };
        let bytes = lay_out(&machine);
        assert_eq!(bytes[0x1e8], 9);
        assert_eq!(bytes[0x2d0..0x2d0 + 9 * 20], running[0x2d0..0x2d0 + 9 * 20]);
        assert_eq!(u32_at(&bytes, 0x1e0), (0x3ffe_0000 - 0x10_0000) >> 10);
        assert_eq!(bytes[2..4], [0x00, 0xfc]);
    }

    /// A machine whose firmware is EFI, of which everything is known.
    fn efi_machine() -> Machine {
        let mut machine = q35();
        let pc = pc(&mut machine);
        pc.efi = Some(crate::efi::runtime::testing::runtime());
        pc.boot_params[0x1c0..0x1c4].copy_from_slice(b"EL64");
        pc.boot_params[0x1c4..0x1c8].copy_from_slice(&0x7f9e_c018_u32.to_le_bytes());
        pc.boot_params[0x1d8] = 1;
        machine
    }

    #[test]
    fn efi_is_handed_over_with_its_memory_map_and_tables() {
        let machine = efi_machine();
        let Platform::Pc(Pc { efi: Some(efi), .. }) = &machine.platform else { unreachable!() };
        let bytes = lay_out(&machine);
        assert_eq!(bytes[0x1c0..0x1c4], *b"EL64");
        assert_eq!((u32_at(&bytes, 0x1c4), u32_at(&bytes, 0x1d8)), (0x7f9e_c018, 1));
        assert_eq!((u32_at(&bytes, 0x1c8), u32_at(&bytes, 0x1cc)), (40, 1));
        let map = u64::from(u32_at(&bytes, 0x1dc)) << 32 | u64::from(u32_at(&bytes, 0x1d0));
        let at = usize::try_from(map - BASE).unwrap();
        assert_eq!(u32_at(&bytes, 0x1d4), 80);
        assert_eq!(bytes[at..at + 80], efi.memory_map());
        let nodes = setup_data(&bytes);
        assert_eq!(nodes[1], (4, efi.setup_data()));
    }

    #[test]
    fn a_part_of_efi_is_not_handed_over_but_acpi_is() {
        let breaks: [fn(&mut Pc); 4] = [
            |pc| pc.efi = None,
            |pc| pc.boot_params[0x1c3] = b'2',
            |pc| pc.boot_params[0x1c4..0x1c8].fill(0),
            |pc| pc.boot_params.truncate(0x1d8),
        ];
        for (index, break_it) in breaks.into_iter().enumerate() {
            let mut machine = efi_machine();
            pc(&mut machine).boot_params[0x1d8] = 0;
            pc(&mut machine).acpi_rsdp = Some(0x7d7e_0014);
            break_it(pc(&mut machine));
            let bytes = lay_out(&machine);
            assert!(bytes[0x1c0..0x1e0].iter().all(|byte| *byte == 0), "case {index}");
            assert!(setup_data(&bytes).iter().all(|(kind, _)| *kind != 4), "case {index}");
            assert_ne!(u64_at(&bytes, 0x70), 0);
        }
        let mut header = *debian().first_chunk::<0x300>().unwrap();
        header[0x236] &= !0x10;
        let mut machine = efi_machine();
        assert_eq!(SetupHeader(&header[0x1f1..0x26c]).efi_systab(pc(&mut machine)), None);
        header[0x236] |= 0x10;
        let systab = SetupHeader(&header[0x1f1..0x26c]).efi_systab(pc(&mut machine));
        assert_eq!(systab, Some(0x1_7f9e_c018));
    }

    #[test]
    fn half_the_kernels_seed_is_one_node_of_setup_data() {
        assert_eq!(setup_data(&lay_out(&q35_6g())), [(9, vec![0x5a; 32])]);
    }

    fn entry(n: u64) -> E820Entry {
        E820Entry { range: Range::with_len(n << 20, 4096).unwrap(), kind: 1 }
    }

    #[test]
    fn a_map_of_more_than_128_entries_goes_on_in_setup_data() {
        let mut machine = q35();
        pc(&mut machine).firmware_map = (0..130).map(entry).collect();
        let bytes = lay_out(&machine);
        assert_eq!(bytes[0x1e8], 128);
        assert_eq!(u64_at(&bytes, 0x2d0 + 127 * 20), 127 << 20);
        assert!(bytes[0x2d0 + 128 * 20..SIZE].iter().all(|&byte| byte == 0));
        let nodes = setup_data(&bytes);
        assert_eq!(nodes.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [9, 1]);
        assert_eq!(nodes[1].1, encode(&[entry(128), entry(129)]));
    }
}
