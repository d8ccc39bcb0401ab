//! How much memory a start takes, counted before it is taken.
//!
//! Where memory ends, the kernel ends processes, and panics once PID 1 is the last:
//! so what there is no memory for is refused here, with the numbers. At the peak
//! these lie in it together: the entry's files as they were read; what was unpacked
//! of them or put together; and the running kernel's own copy, which has a page for
//! every page of a segment until the jump (Linux `kernel/kexec_core.c`) and by
//! kexec_file_load holds what it has read beside that (`kernel/kexec_file.c`).
//! Takes sizes; never looks at a machine, and never guesses in the entry's favour.

use core::fmt;

use super::initrd::{self, Grid, Source, length};
use super::x86_64::WORK_AREA;
use super::{Engine, Error, Machine, Prepared, files};
use crate::base::addr::align_up;
use crate::bundle::Bundle;
use crate::image::Kernel;

const MIB: u64 = 1 << 20;
/// The archives before the initrds, the parameters, the purgatory with its tables, and what PID 1 takes for
/// itself while it loads.
const OWN: u64 = 2 * MIB;
/// One byte of lists and page tables for so many bytes: an entry of 8 bytes for
/// each page of 4 KiB, in the kernel's list and where the page is mapped.
const LISTED: u64 = 256;
/// The same of all memory: an arm64 kernel copies the page tables of all of it for
/// the jump.
const MAPPED: u64 = 512;

/// Bytes that a start takes, by what takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Need {
    /// The entry's files, as they were read.
    pub files: u64,
    /// The kernel, where it is not started as its file has it.
    pub unpacked: u64,
    /// What had to be put together for the running kernel.
    pub joined: u64,
    /// What the running kernel reads before it places it.
    pub read_again: u64,
    /// The memory of all segments.
    pub segments: u64,
}

/// Bytes of memory that a machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// What can be had without harm (`MemAvailable`).
    pub available: u64,
    /// How much of that the kernel can have for itself. Memory that is set aside for
    /// devices (CMA) takes files and what a process has, and no copy of the kernel's.
    pub for_kernel: u64,
    /// All (`MemTotal`).
    pub total: u64,
}

impl Room {
    /// Of a machine that is only described.
    pub const UNKNOWN: Self = Self { available: u64::MAX, for_kernel: u64::MAX, total: u64::MAX };

    /// Most bytes that a kernel may unpack to, where the files have been read and so
    /// many bytes of them are loaded beside it: it lies in Turnout's hands then, and in
    /// the kernel's copy.
    #[must_use]
    pub fn for_unpacking(self, beside: u64) -> u64 {
        let others = Need::own(self.available, self).saturating_add(beside);
        let both = self.available.saturating_sub(others) / 2;
        both.min(self.for_kernel.saturating_sub(others))
    }
}

impl Need {
    /// At least so much, where nothing but the sizes of the files is known.
    #[must_use]
    pub fn of_files(sizes: impl Iterator<Item = u64>) -> Self {
        let files = sizes.fold(0, u64::saturating_add);
        Self { files, segments: files, ..Self::default() }
    }

    /// All of it, for a kernel that is ready to be placed. `may_have_front` is
    /// whether an archive of Turnout's own may come before the initrds.
    ///
    /// # Errors
    /// A unified kernel image or an addon that cannot be read.
    pub fn of<B: AsRef<[u8]>>(
        prepared: &Prepared<'_>,
        bundle: &Bundle<B>,
        engine: Engine,
        machine: &Machine,
        may_have_front: bool,
    ) -> Result<Self, Error> {
        let initrds = initrd::sources(bundle, None)?;
        let read = Self {
            files: bundle.sizes().fold(0, u64::saturating_add),
            unpacked: prepared.unpacked_size(),
            ..Self::default()
        };
        let need = match engine {
            Engine::Segments => read.by_segments(prepared, &initrds, machine, may_have_front),
            Engine::File => {
                let is_read = !may_have_front && files::one_file(bundle, &initrds).is_some();
                read.by_files(prepared, &initrds, is_read)
            }
        };
        // Those of a crash kernel lie in what was set aside for them.
        let segments = if machine.crash.is_some() { 0 } else { need.segments };
        Ok(Self { segments, ..need })
    }

    fn by_segments(
        self,
        prepared: &Prepared<'_>,
        initrds: &[Source<'_>],
        machine: &Machine,
        may_have_front: bool,
    ) -> Self {
        let page_size = machine.page_size;
        let fronts = usize::from(may_have_front);
        let most = Grid::new(prepared, machine).most.saturating_sub(fronts);
        let in_pages = initrds.iter().map(|one| in_pages(one.bytes.len() as u64, page_size));
        let segments = in_pages.fold(loaded(prepared, machine), u64::saturating_add);
        Self { joined: initrd::copied(initrds, most), segments, ..self }
    }

    /// The kernel has its whole window declared, and what is read lies in buffers of
    /// the running kernel's until everything has been placed. `is_read` is whether
    /// there is one initrd and it is a file of the entry's.
    fn by_files(self, prepared: &Prepared<'_>, initrds: &[Source<'_>], is_read: bool) -> Self {
        let kernel = prepared.kernel();
        let file = kernel.file().len() as u64;
        let initrd = length(initrds) as u64;
        let made_kernel = if prepared.is_whole() { 0 } else { file };
        let made_initrd = if is_read { 0 } else { initrd };
        Self {
            joined: made_kernel.saturating_add(made_initrd),
            read_again: file.saturating_add(initrd),
            segments: window(&kernel).saturating_add(initrd),
            ..self
        }
    }

    /// What the running kernel takes for itself.
    fn kernel_copy(&self, room: Room) -> u64 {
        let bytes = self.read_again.saturating_add(self.segments);
        bytes.saturating_add(Self::own(bytes, room))
    }

    const fn own(bytes: u64, room: Room) -> u64 {
        let tables = (bytes / LISTED).saturating_add(room.total / MAPPED);
        OWN.saturating_add(tables)
    }

    /// Whether there is as much.
    ///
    /// # Errors
    /// How much is missing.
    pub fn check(self, room: Room) -> Result<(), Shortage> {
        // What is put together may lie in either memory.
        let copies = self.joined.saturating_add(self.kernel_copy(room));
        let total = self.files.saturating_add(self.unpacked).saturating_add(copies);
        // What the kernel checks itself, and says no word about.
        let limit = room.total / 2;
        if total > room.available {
            Err(Shortage::Available { need: self, room })
        } else if copies > room.for_kernel {
            Err(Shortage::Kernel { need: self, room })
        } else if self.segments > limit {
            Err(Shortage::Half { size: self.segments, limit })
        } else {
            Ok(())
        }
    }

    /// What is needed, and what there is, for people.
    #[must_use]
    pub fn in_words(self, room: Room) -> String {
        Counted { need: self, room }.to_string()
    }

    /// The same once the files have been read and the kernel has been unpacked, and
    /// `room` no longer has what they take.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_rest(self, room: Room) -> Result<(), Shortage> {
        let taken = self.files.saturating_add(self.unpacked);
        self.check(Room { available: room.available.saturating_add(taken), ..room })
    }
}

/// Bytes of memory that kexec_load is given for the kernel.
fn loaded(prepared: &Prepared<'_>, machine: &Machine) -> u64 {
    let kernel = prepared.kernel();
    if machine.keep_page_tables {
        return window(&kernel).saturating_add(WORK_AREA);
    }
    match prepared.direct() {
        None => in_pages(kernel.file().len() as u64, machine.page_size),
        Some(direct) => {
            let pieces = direct.image().pieces;
            let sizes = pieces.iter().map(|piece| in_pages(piece.size, machine.page_size));
            sizes.fold(0, u64::saturating_add)
        }
    }
}

/// Bytes of memory that the kernel takes from its first byte on.
fn window(kernel: &Kernel<'_>) -> u64 {
    match kernel {
        Kernel::Bzimage(image) => image.memory_size(),
        Kernel::Arm64Image(image) => image.memory_size(),
        Kernel::Vmlinux(image) => image.memory_size(),
    }
}

fn in_pages(bytes: u64, page_size: u64) -> u64 {
    align_up(bytes, page_size).unwrap_or(u64::MAX)
}

/// There is too little memory; in words for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortage {
    /// Less than is needed.
    Available {
        /// What is needed.
        need: Need,
        /// What there is.
        room: Room,
    },
    /// As much as is needed, and too much of it is not for the kernel.
    Kernel {
        /// What is needed.
        need: Need,
        /// What there is.
        room: Room,
    },
    /// The segments are more than the running kernel takes.
    Half {
        /// Bytes of all segments.
        size: u64,
        /// Half of all memory.
        limit: u64,
    },
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Available { need, room } => Counted { need, room }.fmt(f)?,
            Self::Kernel { need, room } => {
                Counted { need, room }.fmt(f)?;
                write!(f, ", but only {} MiB of them to the kernel", room.for_kernel / MIB)?;
                return f.write_str(" itself: cma=0 on its command line gives it the rest");
            }
            Self::Half { size, limit } => {
                write!(f, "it needs {} MiB once it is loaded, and the ", size.div_ceil(MIB))?;
                write!(f, "running kernel takes at most {} MiB, half of its memory", limit / MIB)?;
            }
        }
        f.write_str(": a smaller initrd helps, or more memory")
    }
}

struct Counted {
    need: Need,
    room: Room,
}

impl Counted {
    /// What is needed, by what for.
    fn parts(&self) -> [(u64, &'static str); 4] {
        let Need { files, unpacked, joined, .. } = self.need;
        [
            (files, "of files"),
            (unpacked, "of unpacked kernel"),
            (joined, "put together"),
            (self.need.kernel_copy(self.room), "in the kernel's own copy"),
        ]
    }
}

/// The sum is that of the rounded numbers.
impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts();
        let total = parts.iter().map(|(bytes, _)| bytes.div_ceil(MIB)).fold(0, u64::saturating_add);
        write!(f, "it needs {total} MiB")?;
        let mut before = ": ";
        for (bytes, what) in parts.iter().filter(|(bytes, _)| *bytes > 0) {
            write!(f, "{before}{} MiB {what}", bytes.div_ceil(MIB))?;
            before = ", ";
        }
        write!(f, "; {} MiB are available", self.room.available / MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a guest of 256 MiB has left when PID 1 runs there.
    const GUEST: Room = Room { available: 190 * MIB, for_kernel: 190 * MIB, total: 220 * MIB };

    fn files(mib: u64) -> Need {
        Need::of_files([8 * MIB, mib * MIB].into_iter())
    }

    #[test]
    fn initrds_of_70_mib_and_a_log_fit_into_256_mib() {
        assert_eq!(files(70).check(GUEST), Ok(()));
        let third_copy = Need { joined: 70 * MIB, ..files(70) };
        assert!(matches!(third_copy.check(GUEST), Err(Shortage::Available { .. })));
    }

    #[test]
    fn what_is_missing_is_said_with_what_it_is_for() {
        let said = files(86).check(GUEST).unwrap_err().to_string();
        let sentence = "it needs 191 MiB: 94 MiB of files, 97 MiB in the kernel's own copy; \
                        190 MiB are available: a smaller initrd helps, or more memory";
        assert_eq!(said, sentence);
        let all = Need { unpacked: 1, joined: MIB + 1, read_again: MIB, ..files(86) };
        let sentence = "it needs 195 MiB: 94 MiB of files, 1 MiB of unpacked kernel, 2 MiB put \
                        together, 98 MiB in the kernel's own copy; 190 MiB are available: a \
                        smaller initrd helps, or more memory";
        assert_eq!(all.check(GUEST).unwrap_err().to_string(), sentence);
    }

    #[test]
    fn memory_for_devices_holds_files_and_no_copy_of_the_kernels() {
        let board = Room { for_kernel: 80 * MIB, ..GUEST };
        assert_eq!(files(69).check(board), Ok(()));
        let said = files(70).check(board).unwrap_err().to_string();
        let sentence = "it needs 159 MiB: 78 MiB of files, 81 MiB in the kernel's own copy; 190 \
                        MiB are available, but only 80 MiB of them to the kernel itself: cma=0 \
                        on its command line gives it the rest";
        assert_eq!(said, sentence);
        assert_eq!(files(69).check_rest(Room { available: 113 * MIB, ..board }), Ok(()));
        assert!(board.for_unpacking(MIB) < 77 * MIB);
    }

    #[test]
    fn more_than_half_of_all_memory_is_never_loaded() {
        let room = Room { available: 2048 * MIB, for_kernel: 2048 * MIB, ..GUEST };
        assert_eq!(files(102).check(room), Ok(()));
        let said = files(103).check(room).unwrap_err().to_string();
        let sentence = "it needs 111 MiB once it is loaded, and the running kernel takes at most \
                        110 MiB, half of its memory: a smaller initrd helps, or more memory";
        assert_eq!(said, sentence);
    }

    #[test]
    fn what_has_been_read_and_unpacked_is_not_counted_twice() {
        let need = Need { unpacked: 10 * MIB, ..files(60) };
        assert_eq!(need.check(GUEST), Ok(()));
        let left = GUEST.available - 78 * MIB;
        let left = Room { available: left, for_kernel: left, ..GUEST };
        assert_eq!(need.check_rest(left), Ok(()));
        let less = Room { available: 70 * MIB, ..left };
        assert!(matches!(need.check_rest(less), Err(Shortage::Available { .. })));
    }

    #[test]
    fn what_may_be_unpacked_fits_afterwards() {
        for available in [0, 1, MIB, 50 * MIB, 190 * MIB] {
            let room = Room { available, for_kernel: available, ..GUEST };
            let unpacked = room.for_unpacking(30 * MIB);
            let segments = unpacked + 30 * MIB;
            let need = Need { unpacked, segments, ..Need::default() };
            assert_eq!(need.check(room).is_ok(), available > 40 * MIB, "{available}");
        }
    }

    #[test]
    fn no_size_is_too_large_to_be_counted() {
        let need = Need {
            files: u64::MAX,
            unpacked: u64::MAX,
            joined: u64::MAX,
            read_again: u64::MAX,
            segments: u64::MAX,
        };
        assert!(need.check(GUEST).is_err());
        assert!(need.check(Room { total: u64::MAX, ..GUEST }).is_err());
        assert!(!need.check_rest(GUEST).unwrap_err().to_string().is_empty());
        assert_eq!(Need::of_files([1 << 40].into_iter()).check(Room::UNKNOWN), Ok(()));
    }
}
