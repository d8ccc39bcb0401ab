//! aarch64: a 4 KiB granule and 48-bit addresses, whatever the running kernel
//! uses; memory attributes by the MAIR that the purgatory sets: index 0 is
//! Normal write-back, index 1 Device-nGnRE.
//!
//! The same descriptors serve EL1 and EL2 with and without the virtualization
//! host extensions. Follows Arm DDI 0487, section D8.3 (VMSAv8-64 descriptor
//! formats).

use purgatory::Roots;

use super::tables::{Format, TABLE, Tables};
use super::{Beyond, Mapping, PageTables};

const VALID: u64 = 1;
/// A table above level 3, a page at level 3.
const NOT_A_BLOCK: u64 = 1 << 1;
const DEVICE_ATTRIBUTES: u64 = 1 << 2;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESSED: u64 = 1 << 10;
/// PXN and UXN of a regime with two privilege levels; EL2 without E2H has one
/// XN, in the place of UXN, and ignores the other.
const EXECUTE_NEVER: u64 = 3 << 53;

/// AP is zero: read and write for the privileged level, nothing for EL0. Its
/// bit 1 must not be set where there is an EL0: what EL0 may write, EL1 may not
/// execute; EL2 without E2H takes it for set in any case.
const NORMAL: u64 = VALID | ACCESSED | INNER_SHAREABLE;

const FORMAT: Format = Format {
    table: VALID | NOT_A_BLOCK,
    large: NORMAL,
    page: NORMAL | NOT_A_BLOCK,
    device: VALID | NOT_A_BLOCK | ACCESSED | DEVICE_ATTRIBUTES | EXECUTE_NEVER,
    size_bit: NOT_A_BLOCK,
    granule: TABLE,
    limit: 1 << 48,
};

pub(super) fn build(base: u64, mappings: &[Mapping]) -> Result<PageTables, Beyond> {
    let tables = Tables::map(&FORMAT, base, mappings)?;
    Ok(PageTables { roots: Roots { four_level: base, five_level: 0 }, bytes: tables.into_bytes() })
}
