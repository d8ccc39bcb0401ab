//! GUIDs as GPT stores them and as people write them.

use core::fmt;

/// A GUID. The number is the text read as one big-endian hexadecimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub u128);

impl Guid {
    /// Partition type of the EFI system partition (UAPI.1).
    pub const ESP: Self = Self(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
    /// Partition type of the extended boot loader partition (UAPI.1).
    pub const XBOOTLDR: Self = Self(0xbc13c2ff_59e6_4262_a352_b275fd6f7172);
    /// Partition type of Linux data without a special role (UAPI.2).
    pub const LINUX_FILE_SYSTEM: Self = Self(0x0fc63daf_8483_4772_8e79_3d69d8477de4);
    /// Partition type of a member of an array of Linux.
    pub const LINUX_RAID: Self = Self(0xa19d880f_05fc_4d3b_a006_743f0f84911e);
    /// Partition types of a root and of a /usr file system, for x86_64 and for
    /// AArch64 (UAPI.2).
    pub const ROOTS: [Self; 4] = [
        Self(0x4f68bce3_e8cd_4db1_96e7_fbcaf984b709),
        Self(0xb921b045_1df0_41c3_af44_4c6f280d3fae),
        Self(0x8484680c_9521_48c6_9c11_b0720656f69e),
        Self(0xb0e01050_ee5f_4390_949a_9101b17104e9),
    ];
    /// Partition type of Turnout's state area, made at random for it
    /// (`docs/rollback.md`).
    pub const STATE_AREA: Self = Self(0x12805dc4_5de8_4aa9_968a_494eafb5184f);

    /// From the 16 bytes on a disk, whose first three fields are little endian
    /// (UEFI 2.10, appendix A).
    #[must_use]
    pub const fn from_disk(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
        let [i, j, k, l, m, n, o, p] = rest;
        Self(u128::from_be_bytes([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]))
    }

    /// Reads the form `8-4-4-4-12`, in either case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let groups: Vec<_> = text.split('-').collect();
        let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
        let digits = groups.concat();
        let well_formed =
            lengths == [8, 4, 4, 4, 12] && digits.bytes().all(|b| b.is_ascii_hexdigit());
        well_formed.then(|| u128::from_str_radix(&digits, 16).ok()).flatten().map(Self)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            self.0 >> 96,
            self.0 >> 80 & 0xffff,
            self.0 >> 64 & 0xffff,
            self.0 >> 48 & 0xffff,
            self.0 & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_reads_what_it_writes() {
        let text = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
        assert_eq!(Guid::parse(text), Some(Guid::ESP));
        assert_eq!(Guid::parse(&text.to_uppercase()), Some(Guid::ESP));
        assert_eq!(Guid::ESP.to_string(), text);
        assert_eq!(Guid(1).to_string(), "00000000-0000-0000-0000-000000000001");
    }

    #[test]
    fn the_first_three_fields_are_little_endian_on_disk() {
        let bytes = [
            0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e,
            0xc9, 0x3b,
        ];
        assert_eq!(Guid::from_disk(bytes), Guid::ESP);
    }

    #[test]
    fn other_forms_are_no_guid() {
        for text in [
            "",
            "c12a7328f81f11d2ba4b00a0c93ec93b",
            "c12a7328-f81f-11d2-ba4b-00a0c93ec93",
            "c12a732-8f81f-11d2-ba4b-00a0c93ec93b",
            "+12a7328-f81f-11d2-ba4b-00a0c93ec93b",
            "{12a7328-f81f-11d2-ba4b-00a0c93ec93b",
            "éa7328-f81f-11d2-ba4b-00a0c93ec93b",
        ] {
            assert_eq!(Guid::parse(text), None, "{text}");
        }
    }
}
