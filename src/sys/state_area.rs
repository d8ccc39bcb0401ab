//! The state area: a small partition of a type of its own that is read and
//! written raw.
//!
//! No file system lies between the bytes and the disk, and none is mounted for
//! them. It is opened for writing only in order to write, exclusively, so that a
//! partition which somebody has mounted is left alone; a write has reached the
//! disk when it returns. What the bytes mean is none of its business
//! ([`crate::rollback`]).

use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};

use nix::libc;

use super::{Error, block};
use crate::rollback::generations::{Place, Write};
use crate::rollback::store::{AREA_FRAME, Fault, Medium};
use crate::source::Guid;

/// Where the second place begins, in bytes: far enough from the first that no
/// disk rewrites one in order to write the other.
const SECOND: u64 = 64 << 10;

/// The partition.
#[derive(Debug)]
pub struct StateArea {
    path: String,
}

impl StateArea {
    /// Looks at the partition tables of all disks that are there now.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn find() -> Result<Self, Fault> {
        let mut names = block::partitions_of_type(Guid::STATE_AREA).into_iter();
        match (names.next(), names.next()) {
            (None, _) => Err(Fault::NoPartition),
            (Some(name), None) => Ok(Self { path: format!("/dev/{name}") }),
            (Some(one), Some(other)) => Err(Fault::Partitions(one, other)),
        }
    }

    /// The device's path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    fn read_place(&self, device: &File, place: Place) -> Result<Vec<u8>, String> {
        let mut bytes = vec![0; AREA_FRAME];
        match device.read_exact_at(&mut bytes, offset(place)) {
            Ok(()) => Ok(bytes),
            Err(source) => Err(Error::new(&self.path, source).to_string()),
        }
    }

    fn write_place(&self, write: &Write) -> Result<(), std::io::Error> {
        let device = File::options()
            .write(true)
            .custom_flags(libc::O_EXCL | libc::O_DSYNC)
            .open(&self.path)?;
        device.write_all_at(&write.bytes, offset(write.place))?;
        device.sync_all()
    }
}

impl Medium for StateArea {
    fn read(&mut self) -> Result<[Result<Vec<u8>, String>; 2], Fault> {
        let device = File::open(&self.path).map_err(|source| self.fault("", source))?;
        Ok(Place::BOTH.map(|place| self.read_place(&device, place)))
    }

    fn write(&mut self, write: &Write) -> Result<(), Fault> {
        self.write_place(write).map_err(|source| self.fault("writing ", source))
    }

    /// A partition is made by whoever partitions the disk.
    fn create(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

impl StateArea {
    fn fault(&self, what: &str, source: std::io::Error) -> Fault {
        Fault::Medium(Error::new(format!("{what}{}", self.path), source).to_string())
    }
}

const fn offset(place: Place) -> u64 {
    match place {
        Place::First => 0,
        Place::Second => SECOND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::generations::Generations;
    use crate::rollback::store::{Which, put, read};
    use crate::rollback::{Floors, Record, State};

    struct Image(StateArea);

    impl Image {
        fn new(name: &str, size: u64) -> Self {
            let path =
                std::env::temp_dir().join(format!("turnout-state-{name}-{}", std::process::id()));
            File::create(&path).unwrap().set_len(size).unwrap();
            Self(StateArea { path: path.to_str().unwrap().to_owned() })
        }
    }

    impl Drop for Image {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0.path);
        }
    }

    fn state(boot: u32) -> State {
        let floors = Floors { boot, recovery: 0 };
        State { record: Some(Record::new(floors)), ..State::default() }
    }

    #[test]
    fn both_places_are_written_where_they_are_read() {
        let mut image = Image::new("places", SECOND + 4096);
        let mut held = Generations::fresh();
        put(Which::Area, &mut held, &state(7), &mut image.0).unwrap();
        assert_eq!(read(Which::Area, &mut image.0).unwrap(), held);
        let bytes = std::fs::read(&image.0.path).unwrap();
        assert!(bytes[..8] == *b"TURNOUT\0" && bytes[0x10000..0x10008] == *b"TURNOUT\0");
        assert!(bytes[4096..0x10000].iter().all(|byte| *byte == 0), "the gap was written to");
    }

    #[test]
    fn a_partition_that_is_too_short_is_damaged_and_not_extended() {
        let mut image = Image::new("short", 4096);
        let [first, second] = image.0.read().unwrap();
        assert_eq!(first, Ok(vec![0; 4096]));
        assert!(second.unwrap_err().contains("failed to fill whole buffer"));
    }

    #[test]
    fn a_device_that_is_gone_is_named() {
        let mut gone = StateArea { path: "/dev/turnout-none".to_owned() };
        let said = gone.read().unwrap_err().to_string();
        assert_eq!(said, "/dev/turnout-none: No such file or directory (os error 2)");
    }
}
