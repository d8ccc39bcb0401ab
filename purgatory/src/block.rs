//! The parameter block: what the loader tells the purgatory, and how it gets
//! into the blob. Little-endian, at [`BLOCK_OFFSET`], without a pointer in it.

use core::fmt;

/// Where the block lies in the blob, in bytes from its first.
pub const BLOCK_OFFSET: usize = 64;

/// Length of the block in bytes.
pub const BLOCK_SIZE: usize = size_of::<Block>();

/// First bytes of the block.
pub const MAGIC: [u8; 8] = *b"PURGATRY";

/// Version of the block. A blob takes no other.
pub const VERSION: u32 = 2;

/// Where the addresses of the [`Roots`] lie in the block, four levels first.
pub const ROOTS_OFFSET: usize = core::mem::offset_of!(Block, roots);

/// Where the [`Region`]s lie in the block.
pub const REGIONS_OFFSET: usize = core::mem::offset_of!(Block, regions);

/// Where the block says how many of the regions are in use, in 32 bits.
pub const REGION_COUNT_OFFSET: usize = core::mem::offset_of!(Block, region_count);

/// How many regions all checks of a block can have together.
pub const MAX_REGIONS: usize = 64;

/// How many checks a block can have.
pub const MAX_CHECKS: usize = 32;

/// Set in a blob that was built with the feature `test-hooks`.
const HAS_TEST_HOOKS: u32 = 1;
/// The CPU has instructions for SHA-256.
const SHA_INSTRUCTIONS: u32 = 1 << 1;
/// A test wants to see the registers that the purgatory was entered with.
const PROBE: u32 = 1 << 2;

#[cfg(test)]
pub(crate) const CHECKS_SIZE: usize = size_of::<[Check; MAX_CHECKS]>();

/// Bytes in physical memory.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Physical address of the first byte.
    pub start: u64,
    /// How many bytes.
    pub len: u64,
}

impl Region {
    const EMPTY: Self = Self { start: 0, len: 0 };

    /// Whether a program can look at these bytes: none of them at address zero
    /// or beyond the last address.
    const fn is_memory(self) -> bool {
        self.len == 0 || (self.start != 0 && self.start.checked_add(self.len).is_some())
    }
}

/// What a check is called in the line that is printed when it fails.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name([u8; 16]);

impl Name {
    /// One to 16 printable ASCII characters; `None` for anything else.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if text.is_empty() || !is_plain {
            return None;
        }
        let mut name = [0; 16];
        name.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self(name))
    }

    /// The characters, without the zeros that fill the field.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

/// One SHA-256 over a run of regions, in the order in which they make up what
/// was hashed before loading: a file that lies in two places is one check.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    name: Name,
    digest: [u8; 32],
    first_region: u32,
    region_count: u32,
}

impl Check {
    const EMPTY: Self =
        Self { name: Name([0; 16]), digest: [0; 32], first_region: 0, region_count: 0 };

    /// What it is called.
    #[must_use]
    pub const fn name(&self) -> Name {
        self.name
    }

    /// The digest that the regions must have.
    #[must_use]
    pub const fn digest(&self) -> [u8; 32] {
        self.digest
    }
}

/// Where the purgatory writes its one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uart {
    /// Nowhere.
    None,
    /// An 8250 behind I/O ports. x86_64 only; elsewhere nothing is printed.
    Port8250 {
        /// The first port.
        port: u16,
    },
    /// An 8250 in memory. On x86_64 with [`Block::set_page_tables`] only: the map
    /// that a kernel leaves behind there has no devices in it.
    Mmio8250 {
        /// Physical address of the first register.
        address: u64,
        /// Registers are `1 << shift` bytes apart, at most 8. From 2 on they
        /// are accessed as 32 bits, otherwise as bytes.
        shift: u8,
    },
    /// A PL011. aarch64 only.
    Pl011 {
        /// Physical address of the first register.
        address: u64,
    },
}

/// How the firmware is asked for a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    /// By the chipset, not the firmware: x86_64. On aarch64 the purgatory halts
    /// instead, unless it runs at EL2.
    None,
    /// PSCI by HVC: aarch64, where the device tree or ACPI says so.
    Hvc,
    /// PSCI by SMC: aarch64, and always taken at EL2, whatever is said here.
    Smc,
}

/// Physical addresses of page tables that identity-map all that the purgatory,
/// and on x86_64 the next kernel's first instructions, touch. Zero for none.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// x86_64: the PML4, taken while CR4.LA57 is clear. aarch64: the level 0
    /// table of a 4 KiB granule, for 48-bit addresses.
    pub four_level: u64,
    /// x86_64: the PML5, taken while CR4.LA57 is set.
    pub five_level: u64,
}

/// The parameter block. Made by the loader with [`Block::new`], put into a blob
/// with [`install`], and read in place by the blob.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    magic: [u8; 8],
    version: u32,
    flags: u32,
    entry: u64,
    arg: u64,
    uart_kind: u32,
    uart_shift: u32,
    uart_address: u64,
    conduit: u32,
    region_count: u32,
    check_count: u32,
    reserved: u32,
    corrupt: u64,
    roots: Roots,
    regions: [Region; MAX_REGIONS],
    checks: [Check; MAX_CHECKS],
}

impl Block {
    /// The block as it is in the blob before [`install`]: checks nothing, and
    /// so lets nothing pass.
    pub const TEMPLATE: Self = Self {
        magic: MAGIC,
        version: VERSION,
        flags: if cfg!(feature = "test-hooks") { HAS_TEST_HOOKS } else { 0 },
        entry: 0,
        arg: 0,
        uart_kind: 0,
        uart_shift: 0,
        uart_address: 0,
        conduit: 0,
        region_count: 0,
        check_count: 0,
        reserved: 0,
        corrupt: 0,
        roots: Roots { four_level: 0, five_level: 0 },
        regions: [Region::EMPTY; MAX_REGIONS],
        checks: [Check::EMPTY; MAX_CHECKS],
    };

    /// A block that jumps to the physical address `entry` with `arg`, the
    /// physical address of the boot_params (x86_64) or the device tree
    /// (aarch64).
    #[must_use]
    pub const fn new(entry: u64, arg: u64) -> Self {
        Self { entry, arg, ..Self::TEMPLATE }
    }

    /// Sets where to print.
    ///
    /// # Errors
    ///
    /// [`Error::UartShift`].
    pub fn set_uart(&mut self, uart: Uart) -> Result<(), Error> {
        let (kind, shift, address) = match uart {
            Uart::None => (0, 0, 0),
            Uart::Port8250 { port } => (1, 0, u64::from(port)),
            Uart::Mmio8250 { shift, .. } if shift > 3 => return Err(Error::UartShift(shift)),
            Uart::Mmio8250 { address, shift } => (2, shift, address),
            Uart::Pl011 { address } => (3, 0, address),
        };
        (self.uart_kind, self.uart_shift, self.uart_address) = (kind, u32::from(shift), address);
        Ok(())
    }

    /// Sets how to reset.
    pub const fn set_conduit(&mut self, conduit: Conduit) {
        self.conduit = match conduit {
            Conduit::None => 0,
            Conduit::Hvc => 1,
            Conduit::Smc => 2,
        };
    }

    /// Sets the page tables to work on. Without them the purgatory stays on those
    /// of the old kernel (x86_64), or without the MMU (aarch64).
    pub const fn set_page_tables(&mut self, roots: Roots) {
        self.roots = roots;
    }

    /// Says whether the CPU has instructions for SHA-256: the SHA extensions with
    /// SSSE3 and SSE4.1 (x86_64), FEAT_SHA256 (aarch64). The purgatory does not
    /// ask the CPU itself: under SEV-ES, CPUID is an exception.
    pub const fn set_sha_instructions(&mut self, yes: bool) {
        self.flags &= !SHA_INSTRUCTIONS;
        if yes {
            self.flags |= SHA_INSTRUCTIONS;
        }
    }

    /// Adds a check: the bytes of `regions`, one after the other, must have the
    /// SHA-256 `digest`.
    ///
    /// # Errors
    ///
    /// [`Error::Name`], [`Error::Region`], [`Error::TooManyChecks`] or
    /// [`Error::TooManyRegions`]; then the block is as it was.
    pub fn add_check(
        &mut self,
        name: &str,
        digest: [u8; 32],
        regions: &[Region],
    ) -> Result<(), Error> {
        let name = Name::new(name).ok_or(Error::Name)?;
        if let Some(bad) = regions.iter().find(|region| !region.is_memory()) {
            return Err(Error::Region(*bad));
        }
        let slot = usize::try_from(self.check_count).unwrap_or(MAX_CHECKS);
        let check = self.checks.get_mut(slot).ok_or(Error::TooManyChecks)?;
        let region_count = append(&mut self.regions, self.region_count, regions)?;
        *check = Check { name, digest, first_region: self.region_count, region_count };
        self.region_count = self.region_count.saturating_add(region_count);
        self.check_count = self.check_count.saturating_add(1);
        Ok(())
    }

    /// Asks a blob built for tests to flip one bit of the byte at this physical
    /// address before it checks anything; zero asks for nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NoTestHooks`] if this crate was built without the feature
    /// `test-hooks`; the blob of such a build ignores the field.
    pub const fn set_corrupt(&mut self, address: u64) -> Result<(), Error> {
        if self.flags & HAS_TEST_HOOKS == 0 && address != 0 {
            return Err(Error::NoTestHooks);
        }
        self.corrupt = address;
        Ok(())
    }

    /// Asks a blob built for tests to print the registers that it was entered
    /// with before it checks anything.
    ///
    /// # Errors
    ///
    /// [`Error::NoTestHooks`] as for [`Self::set_corrupt`].
    pub const fn set_probe(&mut self) -> Result<(), Error> {
        if self.flags & HAS_TEST_HOOKS == 0 {
            return Err(Error::NoTestHooks);
        }
        self.flags |= PROBE;
        Ok(())
    }

    /// Where the next kernel is entered.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        self.entry
    }

    /// What the next kernel is handed.
    #[must_use]
    pub const fn arg(&self) -> u64 {
        self.arg
    }

    /// Where to print; nowhere, if the block names no UART that this code knows.
    #[must_use]
    pub fn uart(&self) -> Uart {
        let address = self.uart_address;
        match (self.uart_kind, u8::try_from(self.uart_shift)) {
            (1, _) => u16::try_from(address).map_or(Uart::None, |port| Uart::Port8250 { port }),
            (2, Ok(shift @ 0..=3)) => Uart::Mmio8250 { address, shift },
            (3, _) => Uart::Pl011 { address },
            _ => Uart::None,
        }
    }

    /// How to reset.
    #[must_use]
    pub const fn conduit(&self) -> Conduit {
        match self.conduit {
            1 => Conduit::Hvc,
            2 => Conduit::Smc,
            _ => Conduit::None,
        }
    }

    /// The page tables to work on.
    #[must_use]
    pub const fn page_tables(&self) -> Roots {
        self.roots
    }

    /// Whether the CPU has instructions for SHA-256.
    #[must_use]
    pub const fn sha_instructions(&self) -> bool {
        self.flags & SHA_INSTRUCTIONS != 0
    }

    /// The address of the byte that a test wants flipped, zero for none.
    #[must_use]
    pub const fn corrupt(&self) -> u64 {
        self.corrupt
    }

    /// Whether a test wants to see the registers of the entry.
    #[must_use]
    pub const fn probe(&self) -> bool {
        self.flags & PROBE != 0
    }

    /// The checks; `None` if there are said to be more than fit.
    #[must_use]
    pub fn checks(&self) -> Option<&[Check]> {
        self.checks.get(..usize::try_from(self.check_count).ok()?)
    }

    /// The regions of a check of this block; `None` if it names some that the
    /// block does not have.
    #[must_use]
    pub fn regions_of(&self, check: &Check) -> Option<&[Region]> {
        let regions = self.regions.get(..usize::try_from(self.region_count).ok()?)?;
        let (_, from_first) =
            regions.split_at_checked(usize::try_from(check.first_region).ok()?)?;
        from_first.get(..usize::try_from(check.region_count).ok()?)
    }

    /// The block as it lies in memory.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BLOCK_SIZE] {
        let mut bytes = [0; BLOCK_SIZE];
        let mut out = Writer(&mut bytes);
        out.put(&self.magic);
        out.put_u32s(&[self.version, self.flags]);
        out.put_u64s(&[self.entry, self.arg]);
        out.put_u32s(&[self.uart_kind, self.uart_shift]);
        out.put_u64s(&[self.uart_address]);
        out.put_u32s(&[self.conduit, self.region_count, self.check_count, self.reserved]);
        out.put_u64s(&[self.corrupt, self.roots.four_level, self.roots.five_level]);
        for region in &self.regions {
            out.put_u64s(&[region.start, region.len]);
        }
        for check in &self.checks {
            out.put(&check.name.0);
            out.put(&check.digest);
            out.put_u32s(&[check.first_region, check.region_count]);
        }
        bytes
    }

    /// The block that lies in memory as `bytes`. Nothing is checked.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; BLOCK_SIZE]) -> Self {
        let mut from = Reader(bytes);
        Self {
            magic: from.take(),
            version: from.u32(),
            flags: from.u32(),
            entry: from.u64(),
            arg: from.u64(),
            uart_kind: from.u32(),
            uart_shift: from.u32(),
            uart_address: from.u64(),
            conduit: from.u32(),
            region_count: from.u32(),
            check_count: from.u32(),
            reserved: from.u32(),
            corrupt: from.u64(),
            roots: Roots { four_level: from.u64(), five_level: from.u64() },
            regions: core::array::from_fn(|_| Region { start: from.u64(), len: from.u64() }),
            checks: core::array::from_fn(|_| Check {
                name: Name(from.take()),
                digest: from.take(),
                first_region: from.u32(),
                region_count: from.u32(),
            }),
        }
    }
}

/// Puts `new` behind the first `used` of `table`; gives how many that were.
fn append(table: &mut [Region], used: u32, new: &[Region]) -> Result<u32, Error> {
    let free = usize::try_from(used).ok().and_then(|used| table.get_mut(used..));
    let slots = free.and_then(|free| free.get_mut(..new.len())).ok_or(Error::TooManyRegions)?;
    slots.copy_from_slice(new);
    u32::try_from(new.len()).or(Err(Error::TooManyRegions))
}

/// Puts `block` into a copy of the blob.
///
/// # Errors
///
/// Refuses a blob that does not have a block of this version at
/// [`BLOCK_OFFSET`], a block without checks, and a request of a test that the
/// blob would ignore.
pub fn install(blob: &mut [u8], block: &Block) -> Result<(), Error> {
    let len = blob.len();
    let (_, from_block) = blob.split_at_mut_checked(BLOCK_OFFSET).ok_or(Error::Short(len))?;
    let place = from_block.first_chunk_mut().ok_or(Error::Short(len))?;
    let template = Block::from_bytes(place);
    if template.magic != MAGIC {
        return Err(Error::Magic(template.magic));
    }
    if template.version != VERSION {
        return Err(Error::Version(template.version));
    }
    if block.check_count == 0 {
        return Err(Error::NoChecks);
    }
    if (block.corrupt != 0 || block.probe()) && template.flags & HAS_TEST_HOOKS == 0 {
        return Err(Error::NoTestHooks);
    }
    let flags = template.flags | block.flags & !HAS_TEST_HOOKS;
    *place = Block { flags, ..*block }.to_bytes();
    Ok(())
}

/// Writes from the front; what does not fit is dropped.
struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let rest = core::mem::take(&mut self.0);
        let Some((to, rest)) = rest.split_at_mut_checked(bytes.len()) else { return };
        to.copy_from_slice(bytes);
        self.0 = rest;
    }

    fn put_u32s(&mut self, values: &[u32]) {
        values.iter().for_each(|value| self.put(&value.to_le_bytes()));
    }

    fn put_u64s(&mut self, values: &[u64]) {
        values.iter().for_each(|value| self.put(&value.to_le_bytes()));
    }
}

/// Reads from the front; beyond the end there are zeros.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((value, rest)) = self.0.split_first_chunk() else { return [0; N] };
        self.0 = rest;
        *value
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

/// Why a block cannot be made or put into a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// More checks than [`MAX_CHECKS`].
    TooManyChecks,
    /// More regions than [`MAX_REGIONS`].
    TooManyRegions,
    /// A name that is not one to 16 printable ASCII characters.
    Name,
    /// A region that starts at zero or ends beyond the last address.
    Region(Region),
    /// Registers too far apart.
    UartShift(u8),
    /// A block that would let anything pass.
    NoChecks,
    /// A byte was to be corrupted, in a build without `test-hooks`.
    NoTestHooks,
    /// A blob of this length has no room for a block.
    Short(usize),
    /// These bytes are where the magic should be.
    Magic([u8; 8]),
    /// The blob has a block of this version.
    Version(u32),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyChecks => write!(f, "the purgatory takes at most {MAX_CHECKS} checks"),
            Self::TooManyRegions => write!(f, "the purgatory takes at most {MAX_REGIONS} regions"),
            Self::Name => write!(f, "a check's name must be 1 to 16 printable ASCII characters"),
            Self::Region(Region { start, len }) => {
                write!(f, "{len:#x} bytes at address {start:#x} cannot be checked")
            }
            Self::UartShift(shift) => write!(f, "a UART register shift of {shift} is beyond 3"),
            Self::NoChecks => write!(f, "a purgatory without checks would refuse every kernel"),
            Self::NoTestHooks => write!(f, "this build cannot corrupt memory for a test"),
            Self::Short(len) => write!(f, "a purgatory of {len} bytes has no parameter block"),
            Self::Magic(found) => {
                write!(f, "the purgatory has {found:02x?} where its magic should be")
            }
            Self::Version(found) => {
                write!(f, "the purgatory's parameter block has version {found}, not {VERSION}")
            }
        }
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::mem::offset_of;
    use std::{string::ToString, vec, vec::Vec};

    use super::*;

    fn filled() -> Block {
        let mut block = Block::new(0x0102_0304_0506_0708, 0x1112_1314_1516_1718);
        block.set_uart(Uart::Mmio8250 { address: 0x2122_2324_2526_2728, shift: 2 }).unwrap();
        block.set_conduit(Conduit::Smc);
        block.set_page_tables(Roots { four_level: 0x4142_4344_4546_4748, five_level: 0x5152 });
        block.set_sha_instructions(true);
        block.add_check("linux", [0x5a; 32], &[region(0x1000, 0x10), region(0x3000, 7)]).unwrap();
        block.add_check("initrd 0", [0xa5; 32], &[region(0x5000, 9)]).unwrap();
        block
    }

    const fn region(start: u64, len: u64) -> Region {
        Region { start, len }
    }

    fn blob() -> Vec<u8> {
        let mut blob = vec![0xcc; BLOCK_OFFSET + BLOCK_SIZE + 5];
        blob[BLOCK_OFFSET..][..BLOCK_SIZE].copy_from_slice(&Block::TEMPLATE.to_bytes());
        blob
    }

    /// The blob reads the block in place, as the struct that `repr(C)` makes.
    #[test]
    fn every_field_is_encoded_where_the_compiler_puts_it() {
        let block = filled();
        let bytes = block.to_bytes();
        let second_region = offset_of!(Block, regions) + size_of::<Region>();
        let second_check = offset_of!(Block, checks) + size_of::<Check>();
        for (offset, expected) in [
            (offset_of!(Block, magic), &MAGIC[..]),
            (offset_of!(Block, version), &2u32.to_le_bytes()),
            (offset_of!(Block, entry), &block.entry.to_le_bytes()),
            (offset_of!(Block, arg), &block.arg.to_le_bytes()),
            (offset_of!(Block, uart_kind), &2u32.to_le_bytes()),
            (offset_of!(Block, uart_shift), &2u32.to_le_bytes()),
            (offset_of!(Block, uart_address), &block.uart_address.to_le_bytes()),
            (offset_of!(Block, conduit), &2u32.to_le_bytes()),
            (offset_of!(Block, region_count), &3u32.to_le_bytes()),
            (offset_of!(Block, check_count), &2u32.to_le_bytes()),
            (offset_of!(Block, corrupt), &0u64.to_le_bytes()),
            (ROOTS_OFFSET, &block.page_tables().four_level.to_le_bytes()),
            (ROOTS_OFFSET + 8, &block.page_tables().five_level.to_le_bytes()),
            (second_region + offset_of!(Region, start), &0x3000u64.to_le_bytes()),
            (second_region + offset_of!(Region, len), &7u64.to_le_bytes()),
            (second_check + offset_of!(Check, name), b"initrd 0\0\0\0\0\0\0\0\0"),
            (second_check + offset_of!(Check, digest), &[0xa5; 32]),
            (second_check + offset_of!(Check, first_region), &2u32.to_le_bytes()),
            (second_check + offset_of!(Check, region_count), &1u32.to_le_bytes()),
        ] {
            assert_eq!(&bytes[offset..][..expected.len()], expected, "at {offset}");
        }
    }

    #[test]
    fn a_block_survives_its_bytes() {
        assert_eq!(Block::from_bytes(&filled().to_bytes()), filled());
        assert_eq!(BLOCK_SIZE % 8, 0);
    }

    #[test]
    fn every_uart_and_conduit_comes_back_as_it_was_set() {
        let mut block = Block::new(1, 2);
        for uart in [
            Uart::None,
            Uart::Port8250 { port: 0x3f8 },
            Uart::Mmio8250 { address: 1 << 40, shift: 3 },
            Uart::Pl011 { address: 0x900_0000 },
        ] {
            block.set_uart(uart).unwrap();
            assert_eq!(block.uart(), uart);
        }
        for conduit in [Conduit::None, Conduit::Hvc, Conduit::Smc] {
            block.set_conduit(conduit);
            assert_eq!(block.conduit(), conduit);
        }
        let shift = Uart::Mmio8250 { address: 1, shift: 4 };
        assert_eq!(block.set_uart(shift), Err(Error::UartShift(4)));
    }

    #[test]
    fn tables_fill_to_their_end_and_then_refuse() {
        let mut block = Block::new(1, 2);
        let one = [region(1, 1)];
        for _ in 0..MAX_CHECKS {
            block.add_check("initrd", [0; 32], &one).unwrap();
        }
        assert_eq!(block.add_check("initrd", [0; 32], &one), Err(Error::TooManyChecks));

        let mut block = Block::new(1, 2);
        block.add_check("linux", [0; 32], &one).unwrap();
        let before = block;
        let refused = block.add_check("initrd", [0; 32], &[one[0]; MAX_REGIONS]);
        assert_eq!((refused, block), (Err(Error::TooManyRegions), before));
        block.add_check("initrd", [0; 32], &[one[0]; MAX_REGIONS - 1]).unwrap();
        assert_eq!(block.add_check("params", [0; 32], &one), Err(Error::TooManyRegions));
    }

    #[test]
    fn names_and_regions_that_cannot_be_are_refused() {
        let mut block = Block::new(1, 2);
        for name in ["", "seventeen letters", "bell\x07", "caf\u{e9}"] {
            assert_eq!(block.add_check(name, [0; 32], &[]), Err(Error::Name), "{name:?}");
        }
        for bad in [region(0, 1), region(u64::MAX, 1), region(1, u64::MAX)] {
            let regions = [region(1, 1), bad];
            assert_eq!(block.add_check("linux", [0; 32], &regions), Err(Error::Region(bad)));
        }
        assert_eq!(Name::new("sixteen letters!").unwrap().as_bytes(), b"sixteen letters!");
        assert_eq!(Name::new("initrd 0").unwrap().as_bytes(), b"initrd 0");
    }

    #[test]
    fn installing_changes_the_block_and_nothing_else() {
        let mut blob = blob();
        install(&mut blob, &filled()).unwrap();
        let (before, rest) = blob.split_at(BLOCK_OFFSET);
        let (block, after) = rest.split_first_chunk().unwrap();
        assert_eq!(Block::from_bytes(block), filled());
        assert!(before.iter().chain(after).all(|byte| *byte == 0xcc));
    }

    fn refusal(blob: &[u8]) -> Error {
        let mut copy = blob.to_vec();
        let error = install(&mut copy, &filled()).unwrap_err();
        assert_eq!(copy, blob);
        error
    }

    #[test]
    fn a_blob_that_is_not_ours_is_refused_and_left_alone() {
        let good = blob();
        let mut bad = good.clone();
        bad[BLOCK_OFFSET] = b'p';
        assert_eq!(refusal(&bad), Error::Magic(*b"pURGATRY"));
        let mut bad = good.clone();
        bad[BLOCK_OFFSET + 8] = 9;
        assert_eq!(refusal(&bad), Error::Version(9));
        for len in [0, BLOCK_OFFSET, BLOCK_OFFSET + BLOCK_SIZE - 1] {
            assert_eq!(refusal(&good[..len]), Error::Short(len));
        }
    }

    #[test]
    fn a_block_without_checks_is_not_installed() {
        assert_eq!(install(&mut blob(), &Block::new(1, 2)), Err(Error::NoChecks));
    }

    #[test]
    fn what_tests_ask_for_needs_the_test_hooks_on_both_sides() {
        let mut block = filled();
        if !cfg!(feature = "test-hooks") {
            assert_eq!(block.set_corrupt(0x1000), Err(Error::NoTestHooks));
        }
        block.corrupt = 0x1000;
        let mut probing = filled();
        assert_eq!(probing.set_probe().is_ok(), cfg!(feature = "test-hooks"));
        probing.flags |= PROBE;
        let mut release = blob();
        release[BLOCK_OFFSET + offset_of!(Block, flags)] = 0;
        assert_eq!(install(&mut release, &block), Err(Error::NoTestHooks));
        assert_eq!(install(&mut release, &probing), Err(Error::NoTestHooks));
        let mut hooked = blob();
        hooked[BLOCK_OFFSET + offset_of!(Block, flags)] = 1;
        assert_eq!(install(&mut hooked, &block), Ok(()));
    }

    #[test]
    fn errors_say_the_value_that_was_refused() {
        let error = Error::Region(region(0, 0x20)).to_string();
        assert_eq!(error, "0x20 bytes at address 0x0 cannot be checked");
        let error = Error::Version(7).to_string();
        assert_eq!(error, "the purgatory's parameter block has version 7, not 2");
    }
}
