//! Any memory map and any kernel header: a plan that is made keeps its rules.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use purgatory::{BLOCK_OFFSET, BLOCK_SIZE, Block, Uart};
use turnout::base::addr::Range;
use turnout::base::arch::Arch;
use turnout::bundle::{Blob, Bundle};
use turnout::fdt::Seeds;
use turnout::image::{Limits, unpack};
use turnout::memmap::E820Entry;
use turnout::plan::{
    self, Board, Decompress, Engine, Error, Facts, Invalid, Machine, Pc, Platform, Prepared,
    Request, Unpacking,
};
use turnout::trust::policy::{Floors, Policy};
use turnout::trust::slots::SlotValues;
use turnout::trust::verify::{Context, Evidence, Identity, Mode, check_manifest, verify};

const BOOT_PARAMS: &[u8] = include_bytes!("../../tests/data/q35/boot_params");
const FDT: &[u8] = include_bytes!("../../tests/data/virt/fdt");

#[derive(Arbitrary, Debug)]
struct Input {
    arm: bool,
    large_pages: bool,
    five_level_paging: bool,
    keep_page_tables: bool,
    /// Chooses the kernel's place.
    seed: Option<[u8; 8]>,
    total_ram: u64,
    memory: Vec<(u32, u32)>,
    /// Where in the kernel's header, and what.
    header: Vec<(u16, u32)>,
    kernel_size: u16,
    initrds: Vec<u16>,
}

impl Input {
    fn kernel(&self) -> Vec<u8> {
        let mut file = vec![0; 0x800 + usize::from(self.kernel_size)];
        if self.arm {
            file[0x10..0x18].copy_from_slice(&0x201_0000_u64.to_le_bytes());
            file[0x38..0x3c].copy_from_slice(b"ARM\x64");
        } else {
            file[0x1f1] = 1;
            file[0x1fe..0x206].copy_from_slice(b"\x55\xaa\xeb\x6aHdrS");
            file[0x206..0x208].copy_from_slice(&[0x0f, 2]);
            file[0x211] = 1;
            file[0x230..0x23c].copy_from_slice(b"\0\0\x20\0\x01\x15\x7f\0\xff\x07\0\0");
            file[0x258..0x264].copy_from_slice(b"\0\0\0\x01\0\0\0\0\0\x80\xf9\x03");
        }
        for (at, value) in &self.header {
            let at = usize::from(*at) % 0x26c;
            file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        file
    }

    /// Ascending and apart, as Iomem gives them.
    fn free(&self, page_size: u64) -> Vec<Range> {
        let mut at = 0_u64;
        let part = |(gap, size): &(u32, u32)| {
            let start = at.checked_add(u64::from(*gap).checked_add(1)? * page_size)?;
            let range = Range::with_len(start, u64::from(*size) * page_size)?;
            at = range.end();
            Some(range)
        };
        self.memory.iter().take(64).filter_map(part).collect()
    }

    fn machine(&self) -> Machine {
        let page_size = if self.arm && self.large_pages { 65536 } else { 4096 };
        let free = self.free(page_size);
        let entry = |range: &Range| E820Entry { range: *range, kind: 1 };
        let firmware_map = free.iter().map(entry).collect();
        Machine {
            page_size,
            total_ram: self.total_ram,
            free,
            seeds: self.seed.map(|kaslr| Seeds { kaslr, rng: [0x5a; 128] }),
            uart: Uart::None,
            sha_instructions: true,
            keep_page_tables: self.keep_page_tables,
            crash: None,
            platform: if self.arm {
                Platform::Board(Board {
                    fdt: FDT.to_vec(),
                    rebuilt: false,
                    cmdline: None,
                    acpi_conduit: None,
                })
            } else {
                Platform::Pc(Pc {
                    firmware_map,
                    boot_params: BOOT_PARAMS.to_vec(),
                    acpi_rsdp: None,
                    efi: None,
                    five_level_paging: self.five_level_paging,
                    display_untouched: false,
                })
            },
        }
    }

    fn bundle(&self) -> Bundle<Vec<u8>> {
        let sizes = self.initrds.iter().take(20);
        let initrds = sizes.map(|size| Blob::hash("/initrd", vec![7; usize::from(*size)]));
        Bundle {
            entry: "fuzz".to_owned(),
            linux: Blob::hash("/vmlinuz", self.kernel()),
            initrds: initrds.collect(),
            devicetree: None,
            overlays: Vec::new(),
            addons: Vec::new(),
            profile: None,
            options: "ro quiet".to_owned(),
        }
    }
}

fn blob() -> Vec<u8> {
    let mut blob = vec![0x90; 16384];
    blob[BLOCK_OFFSET..BLOCK_OFFSET + BLOCK_SIZE].copy_from_slice(&Block::TEMPLATE.to_bytes());
    blob
}

fuzz_target!(|input: Input| {
    let arch = if input.arm { Arch::Aarch64 } else { Arch::X86_64 };
    let (policy, identity) = (Policy::default(), Identity::default());
    let context = Context {
        mode: Mode::Open,
        ring: None,
        policy: &policy,
        arch,
        identity: &identity,
        floors: Floors::default(),
    };
    let evidence = Evidence { manifest: None, signature: None };
    let attested = check_manifest(&context, "fuzz", evidence).expect("open mode");
    let bundle = verify(&attested, input.bundle(), &SlotValues::default()).expect("open mode");
    let limits = Limits { output: 1 << 20 };
    let Ok(unpacked) = unpack(&bundle.get().linux.bytes, &limits) else {
        return;
    };
    let machine = input.machine();
    let how = Unpacking {
        engine: Engine::Segments,
        decompress: Decompress::Auto,
        against: None,
        limits: &limits,
    };
    let Ok(prepared) = Prepared::new(unpacked, &bundle, &how, machine.seeds.as_ref()) else {
        return;
    };
    let request = Request::Only(Engine::Segments);
    match plan::make(request, &Facts::plain(), &prepared, &bundle, &machine, &blob()) {
        Ok(plan) => {
            let placement = plan.placement().map(|placement| placement.validate(&machine));
            assert_eq!(placement, Some(Ok(())));
        }
        // The one rule that depends on how much memory there is.
        Err(Error::Invalid(Invalid::TooBig { .. })) => {}
        Err(Error::Invalid(broken)) => panic!("{broken}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
