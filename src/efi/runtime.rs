//! What UEFI firmware leaves behind, as one kernel hands it to the next.
//!
//! `SetVirtualAddressMap` may be called once in a power cycle, so a kernel that
//! is started by another one must be told that it was, and where the runtime
//! services have been mapped since. A kernel that knows only a part would call
//! them where nothing is mapped: all pieces are known, or none is handed on.
//! Formats:
//! Linux Documentation/ABI/testing/sysfs-firmware-efi{,-runtime-map}, UEFI
//! `EFI_MEMORY_DESCRIPTOR`.

/// Bytes of one encoded [`Region`].
pub const DESCRIPTOR_SIZE: u32 = 40;
/// The version of the descriptors that Linux knows.
pub const DESCRIPTOR_VERSION: u32 = 1;

/// The state of the runtime services. Addresses are physical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// /sys/firmware/efi/fw_vendor.
    pub fw_vendor: u64,
    /// /sys/firmware/efi/config_table.
    pub config_table: u64,
    /// The SMBIOS entry point of /sys/firmware/efi/systab; 0 if there is none.
    pub smbios: u64,
    /// /sys/firmware/efi/runtime-map.
    pub regions: Vec<Region>,
}

/// Memory that runtime services lie in or use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// `EFI_MEMORY_TYPE`.
    pub kind: u32,
    /// First physical address.
    pub physical: u64,
    /// Where the running kernel, or the first of its line, has mapped it.
    pub mapped_at: u64,
    /// Length in pages of 4 KiB.
    pub pages: u64,
    /// `EFI_MEMORY_...` bits.
    pub attribute: u64,
}

impl Runtime {
    /// Puts the pieces together; `None` if the firmware's vendor string or its
    /// tables are nowhere, or if there is no region.
    #[must_use]
    pub fn new(
        fw_vendor: Option<u64>,
        config_table: Option<u64>,
        smbios: Option<u64>,
        regions: Vec<Region>,
    ) -> Option<Self> {
        let fw_vendor = fw_vendor.filter(|address| *address != 0)?;
        let config_table = config_table.filter(|address| *address != 0)?;
        let smbios = smbios.unwrap_or(0);
        (!regions.is_empty()).then_some(Self { fw_vendor, config_table, smbios, regions })
    }

    /// The regions as `EFI_MEMORY_DESCRIPTOR`s of [`DESCRIPTOR_SIZE`] bytes.
    #[must_use]
    pub fn memory_map(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for region in &self.regions {
            // 32 bits of padding follow the type.
            bytes.extend_from_slice(&u64::from(region.kind).to_le_bytes());
            for value in [region.physical, region.mapped_at, region.pages, region.attribute] {
                bytes.extend_from_slice(&value.to_le_bytes());
            }
        }
        bytes
    }

    /// The content of setup_data of type SETUP_EFI: struct efi_setup_data of
    /// arch/x86/include/asm/efi.h.
    #[must_use]
    pub fn setup_data(&self) -> Vec<u8> {
        let fields = [self.fw_vendor, 0, self.config_table, self.smbios];
        let fields = fields.into_iter().chain([0; 8]);
        fields.flat_map(u64::to_le_bytes).collect()
    }
}

/// What /sys/firmware/efi/systab names. Addresses are physical.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Systab {
    /// The ACPI root pointer: `ACPI20=`, or else `ACPI=`.
    pub acpi: Option<u64>,
    /// `SMBIOS=`.
    pub smbios: Option<u64>,
}

impl Systab {
    /// Reads the lines of the file, `NAME=0xADDRESS` each.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let acpi = address(text, "ACPI20=").or_else(|| address(text, "ACPI="));
        Self { acpi, smbios: address(text, "SMBIOS=") }
    }
}

fn address(systab: &str, key: &str) -> Option<u64> {
    let text = systab.lines().find_map(|line| line.strip_prefix(key))?;
    let digits = text.trim().trim_start_matches("0x");
    u64::from_str_radix(digits, 16).ok().filter(|address| *address != 0)
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// Two regions, as OVMF has them.
    pub(crate) fn runtime() -> Runtime {
        let attribute = 0x8000_0000_0000_000f;
        let code = Region {
            kind: 5,
            physical: 0x7f74_e000,
            mapped_at: 0xffff_ffff_fef4_e000,
            pages: 0x30,
            attribute,
        };
        let data = Region {
            kind: 6,
            physical: 0x1_7f9e_d000,
            mapped_at: 0xffff_ffff_fe9e_d000,
            pages: 0x30,
            attribute,
        };
        let regions = vec![code, data];
        Runtime::new(Some(0x7ef7_1018), Some(0x7f9e_d018), Some(0x7f98_9000), regions).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::runtime;
    use super::*;

    #[test]
    fn the_newer_acpi_pointer_wins() {
        for (text, expected) in [
            ("ACPI20=0x7fe14\nACPI=0x1000\n", (Some(0x7fe14), None)),
            ("SMBIOS=0x1\nACPI=0x1000\n", (Some(0x1000), Some(1))),
            ("SMBIOS3=0x1\nACPI20=nonsense\n", (None, None)),
            ("ACPI20=0x0\n", (None, None)),
        ] {
            let Systab { acpi, smbios } = Systab::parse(text);
            assert_eq!((acpi, smbios), expected, "{text}");
        }
    }

    #[test]
    fn a_missing_piece_is_no_state_at_all() {
        let Runtime { fw_vendor, config_table, regions, .. } = runtime();
        let fw_vendor = Some(fw_vendor);
        let config_table = Some(config_table);
        assert_eq!(Runtime::new(None, config_table, None, regions.clone()), None);
        assert_eq!(Runtime::new(Some(0), config_table, None, regions.clone()), None);
        assert_eq!(Runtime::new(fw_vendor, None, None, regions.clone()), None);
        assert_eq!(Runtime::new(fw_vendor, Some(0), None, regions.clone()), None);
        assert_eq!(Runtime::new(fw_vendor, config_table, None, Vec::new()), None);
        let without_smbios = Runtime::new(fw_vendor, config_table, None, regions).unwrap();
        assert_eq!(without_smbios.smbios, 0);
    }

    fn words(bytes: &[u8]) -> Vec<u64> {
        let (words, []) = bytes.as_chunks::<8>() else { panic!("{} bytes", bytes.len()) };
        words.iter().map(|word| u64::from_le_bytes(*word)).collect()
    }

    #[test]
    fn regions_are_descriptors_of_40_bytes() {
        let bytes = runtime().memory_map();
        assert_eq!(bytes.len(), 2 * DESCRIPTOR_SIZE as usize);
        let words = words(&bytes);
        assert_eq!(words[..3], [5, 0x7f74_e000, 0xffff_ffff_fef4_e000]);
        assert_eq!(words[3..7], [0x30, 0x8000_0000_0000_000f, 6, 0x1_7f9e_d000]);
    }

    #[test]
    fn setup_data_is_twelve_words_with_the_second_unused() {
        let bytes = runtime().setup_data();
        assert_eq!(words(&bytes)[..4], [0x7ef7_1018, 0, 0x7f9e_d018, 0x7f98_9000]);
        assert!(bytes.len() == 96 && bytes[32..].iter().all(|byte| *byte == 0));
    }
}
