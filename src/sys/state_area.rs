//! The state area: a small partition of a type of its own that is read and
//! written raw.
//!
//! No file system lies between the bytes and the disk, and none is mounted for
//! them. It is opened for writing only in order to write, exclusively, so that a
//! partition which somebody has mounted is left alone; a write has reached the
//! disk when it returns. What the bytes mean is none of its business
//! ([`crate::rollback`]).

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::thread::sleep;
use std::time::Duration;

use nix::libc;

use super::{Error, block};
use crate::rollback::frame::MAGIC;
use crate::rollback::generations::{Place, Write};
use crate::rollback::store::{AREA_FRAME, Fault, Medium};
use crate::rollback::texts;
use crate::source::StateDevice;

/// Where the second place begins, in bytes: far enough from the first that no
/// disk rewrites one in order to write the other.
const SECOND: u64 = 64 << 10;
/// Where the two places for texts begin, in bytes, and how long each is.
const TEXTS: [u64; 2] = [128 << 10, 512 << 10];
const TEXTS_LENGTH: u64 = 384 << 10;
const _: () = assert!(texts::MAX as u64 <= TEXTS_LENGTH);
/// Length of an area that has both, in bytes.
pub const WITH_TEXTS: u64 = TEXTS[1] + TEXTS_LENGTH;

/// How long one that changes the area waits for another, and how often it looks.
pub const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_STEP: Duration = Duration::from_millis(20);
/// After so long it is said what is waited for.
const LOCK_SILENCE: Duration = Duration::from_secs(1);

/// Nobody else changes the area until this is dropped, if all ask for it (flock(2)).
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held, not used")] File);

/// The partition.
#[derive(Debug)]
pub struct StateArea {
    path: String,
    /// Whether a table says what the partition is for.
    is_typed: bool,
}

impl StateArea {
    /// `open(2)`, `read(2)`: looks at all disks that are there now, and at their partition
    /// tables.
    ///
    /// # Errors
    /// There is none, or more than one, or what was named holds something else: no
    /// type of partition says that it may be written to.
    pub fn find(wanted: &StateDevice) -> Result<Self, Fault> {
        let mut names = block::state_devices(wanted).into_iter();
        match (names.next(), names.next()) {
            (None, _) if *wanted == StateDevice::ByType => Err(Fault::NoPartition),
            (None, _) => Err(Fault::NoDevice(wanted.to_string())),
            (Some(name), None) => Self::at(name, *wanted == StateDevice::ByType),
            (Some(one), Some(other)) => Err(Fault::Partitions(one, other)),
        }
    }

    fn at(name: String, is_typed: bool) -> Result<Self, Fault> {
        let area = Self { path: format!("/dev/{name}"), is_typed };
        if is_typed || area.is_ours() {
            return Ok(area);
        }
        match block::content(&name) {
            Some(content) => Err(Fault::Occupied(name, content)),
            None => Ok(area),
        }
    }

    /// What begins like a generation is no file system, whatever the id of an entry
    /// inside looks like. A second one behind something else is none of ours: it may
    /// be left from before somebody put that there.
    fn is_ours(&self) -> bool {
        let Ok([Ok(first), second]) = self.places() else { return false };
        let is_blank = first.iter().all(|byte| *byte == 0);
        first.starts_with(&MAGIC) || (is_blank && second.is_ok_and(|it| it.starts_with(&MAGIC)))
    }

    fn places(&self) -> Result<[Result<Vec<u8>, String>; 2], Fault> {
        let device = File::open(&self.path).map_err(|source| self.fault("", source))?;
        Ok(Place::BOTH.map(|place| self.read_place(&device, place)))
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
        self.write_at(&write.bytes, offset(write.place))
    }

    fn read_texts_at(&self, start: u64) -> Result<Option<Vec<u8>>, std::io::Error> {
        let device = File::open(&self.path)?;
        let mut bytes = vec![0; texts::HEADER];
        device.read_exact_at(&mut bytes, start)?;
        let Some(length) = texts::length(&bytes) else { return Ok(None) };
        bytes.resize(length, 0);
        device.read_exact_at(&mut bytes, start)?;
        Ok(Some(bytes))
    }

    fn write_at(&self, bytes: &[u8], start: u64) -> Result<(), std::io::Error> {
        #[cfg(feature = "test-hooks")]
        if super::hooks::forgets_to_flush() {
            return File::options().write(true).open(&self.path)?.write_all_at(bytes, start);
        }
        let device = File::options()
            .write(true)
            .custom_flags(libc::O_EXCL | libc::O_DSYNC)
            .open(&self.path)?;
        device.write_all_at(bytes, start)?;
        device.sync_all()
    }
}

impl Medium for StateArea {
    fn read(&mut self) -> Result<[Result<Vec<u8>, String>; 2], Fault> {
        self.places()
    }

    fn write(&mut self, write: &Write) -> Result<(), Fault> {
        self.write_place(write).map_err(|source| self.fault("writing ", source))
    }

    /// A partition is made by whoever partitions the disk. What no table calls a state
    /// area is taken for one only if it is blank.
    fn create(&mut self) -> Result<(), Fault> {
        match self.is_typed || self.is_free()? {
            true => Ok(()),
            false => {
                Err(Fault::Occupied(self.path.clone(), "something that Turnout did not write"))
            }
        }
    }

    fn has_room_for_texts(&mut self) -> bool {
        self.length().is_ok_and(|length| length >= WITH_TEXTS)
    }

    /// What cannot be read is as good as not there: the record says what is missing.
    fn read_texts(&mut self, place: Place) -> Option<Vec<u8>> {
        if !self.has_room_for_texts() {
            return None;
        }
        self.read_texts_at(texts_offset(place)).unwrap_or_default()
    }

    fn write_texts(&mut self, place: Place, bytes: &[u8]) -> Result<(), Fault> {
        self.write_at(bytes, texts_offset(place)).map_err(|source| self.fault("writing ", source))
    }
}

impl StateArea {
    /// `flock(2)`: waits until no other command changes the area; what it waits for is told
    /// to `say`, once.
    ///
    /// # Errors
    /// Another one has held it for all of [`LOCK_WAIT`], or the errno.
    pub fn lock(&self, say: impl FnOnce(&str)) -> Result<Lock, Fault> {
        self.lock_within(LOCK_WAIT, say)
    }

    fn lock_within(&self, limit: Duration, say: impl FnOnce(&str)) -> Result<Lock, Fault> {
        let device = File::open(&self.path).map_err(|source| self.fault("", source))?;
        let mut say = Some(say);
        let mut waited = Duration::ZERO;
        loop {
            match device.try_lock() {
                Ok(()) => return Ok(Lock(device)),
                Err(TryLockError::Error(source)) => return Err(self.fault("locking ", source)),
                Err(TryLockError::WouldBlock) if waited >= limit => return Err(self.is_held(limit)),
                Err(TryLockError::WouldBlock) => {}
            }
            if waited >= LOCK_SILENCE
                && let Some(say) = say.take()
            {
                say(&format!("waiting for another command that changes {}", self.path));
            }
            sleep(LOCK_STEP);
            waited = waited.saturating_add(LOCK_STEP);
        }
    }

    fn is_held(&self, limit: Duration) -> Fault {
        Fault::Medium(format!(
            "{}: another command has been changing it for {} s; \"fuser {}\" tells which, and \
             once it has ended this one can be run again",
            self.path,
            limit.as_secs(),
            self.path
        ))
    }

    /// `lseek(2)`: in bytes.
    ///
    /// # Errors
    /// The errno.
    pub fn length(&self) -> Result<u64, std::io::Error> {
        File::open(&self.path)?.seek(SeekFrom::End(0))
    }

    /// Whether every place that may be written is blank or Turnout's.
    fn is_free(&self) -> Result<bool, Fault> {
        for place in self.places()? {
            if !is_free(&place.map_err(Fault::Medium)?, &MAGIC) {
                return Ok(false);
            }
        }
        let has_texts = self.length().is_ok_and(|length| length >= WITH_TEXTS);
        for start in TEXTS.into_iter().filter(|_| has_texts) {
            let place = self.texts_place(start).map_err(|source| self.fault("", source))?;
            if !is_free(&place, &texts::MAGIC) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// All bytes of a place for texts.
    fn texts_place(&self, start: u64) -> Result<Vec<u8>, std::io::Error> {
        let mut bytes = Vec::new();
        let mut device = File::open(&self.path)?;
        device.seek(SeekFrom::Start(start))?;
        device.take(TEXTS_LENGTH).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

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

/// Whether nothing was ever written there, or by Turnout.
fn is_free(place: &[u8], magic: &[u8]) -> bool {
    place.starts_with(magic) || place.iter().all(|byte| *byte == 0)
}

const fn texts_offset(place: Place) -> u64 {
    let [first, second] = TEXTS;
    match place {
        Place::First => first,
        Place::Second => second,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollback::generations::Generations;
    use crate::rollback::store::{Which, put, read};
    use crate::rollback::texts::Texts;
    use crate::rollback::{Floors, Record, State};

    struct Image(StateArea);

    impl Image {
        fn new(name: &str, size: u64) -> Self {
            let path =
                std::env::temp_dir().join(format!("turnout-state-{name}-{}", std::process::id()));
            File::create(&path).unwrap().set_len(size).unwrap();
            Self(StateArea { path: path.to_str().unwrap().to_owned(), is_typed: false })
        }
    }

    impl Drop for Image {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0.path);
        }
    }

    #[test]
    fn one_that_changes_the_area_waits_for_another() {
        let image = Image::new("lock", SECOND + 4096);
        let other = StateArea { path: image.0.path.clone(), is_typed: false };
        let held = image.0.lock(|_| ()).unwrap();
        let waits = std::thread::spawn(move || {
            let lock = other.lock(|_| ()).map(|_| ());
            (lock, other)
        });
        sleep(LOCK_STEP * 4);
        assert!(!waits.is_finished(), "two hold it");
        drop(held);
        let (lock, other) = waits.join().unwrap();
        assert_eq!(lock, Ok(()));
        let _held = image.0.lock(|_| ()).unwrap();
        let mut said = String::new();
        let limit = LOCK_SILENCE + LOCK_STEP;
        let refused = other.lock_within(limit, |what| said = what.to_owned()).unwrap_err();
        let refused = refused.to_string();
        assert_eq!(said, format!("waiting for another command that changes {}", other.path));
        assert!(refused.contains("another command has been changing it for 1 s"), "{refused}");
    }

    #[test]
    fn of_many_changes_at_once_none_is_lost() {
        let mut image = Image::new("many", SECOND + 4096);
        put(Which::Area, &mut Generations::fresh(), &state(0), &mut image.0).unwrap();
        let raise = |path: &String| {
            let mut area = StateArea { path: path.clone(), is_typed: false };
            let _lock = area.lock_within(LOCK_WAIT * 12, |_| ()).unwrap();
            let mut held = read(Which::Area, &mut area).unwrap();
            let next = state(held.state().record.unwrap().floors.boot + 1);
            put(Which::Area, &mut held, &next, &mut area).unwrap();
        };
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| raise(&image.0.path));
            }
        });
        let held = read(Which::Area, &mut image.0).unwrap();
        assert_eq!(held.state(), state(20));
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
    fn texts_lie_behind_both_places_and_only_where_there_is_room() {
        let mut image = Image::new("texts", WITH_TEXTS);
        let signed = |text: &str| texts::Signed { text: text.into(), signatures: text.into() };
        let one = Texts { policy: Some(signed("policy")), ring: None };
        let other = Texts { policy: None, ring: Some(signed("ring")) };
        for (place, texts) in [(Place::First, &one), (Place::Second, &other)] {
            assert_eq!(image.0.read_texts(place), None, "nothing was ever written");
            image.0.write_texts(place, &texts::write(texts).unwrap()).unwrap();
        }
        let found = Place::BOTH.map(|place| texts::read(&image.0.read_texts(place).unwrap()));
        assert_eq!(found, [Some(one), Some(other)]);
        let bytes = std::fs::read(&image.0.path).unwrap();
        assert!(bytes[..0x20000].iter().all(|byte| *byte == 0), "a generation was written to");
        assert!(bytes[0x20000..].starts_with(b"TURNTXTS"));
        assert!(bytes[0x80000..].starts_with(b"TURNTXTS"));
        let mut short = Image::new("no-texts", WITH_TEXTS - 1);
        std::fs::write(&short.0.path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(!short.0.has_room_for_texts());
        assert_eq!(short.0.read_texts(Place::First), None);
    }

    fn is_ours(image: &Image, first: &[u8], second: &[u8]) -> bool {
        let device = File::options().write(true).open(&image.0.path).unwrap();
        device.write_all_at(first, 0).unwrap();
        device.write_all_at(second, SECOND).unwrap();
        image.0.is_ours()
    }

    #[test]
    fn what_begins_like_a_generation_is_ours_whatever_is_inside() {
        let image = Image::new("ours", SECOND + 4096);
        // The second place with btrfs's magic, where the id of an entry can have it.
        let forged = [&MAGIC[..], &[0; 56], b"_BHRfS_M"].concat();
        assert!(is_ours(&image, &MAGIC, &forged));
        assert!(is_ours(&image, &[0; 8], &forged));
        assert!(!is_ours(&image, b"settings", &forged), "left under something newer");
        assert!(!is_ours(&image, &[0; 8], &[0; 8]));
    }

    #[test]
    fn what_no_table_calls_a_state_area_is_made_one_only_if_it_is_blank() {
        let mut image = Image::new("create", SECOND + 4096);
        assert_eq!(image.0.create(), Ok(()));
        let cut_off = [MAGIC.as_slice(), &vec![0xa5; 504], &vec![0; 0x11000]].concat();
        std::fs::write(&image.0.path, cut_off).unwrap();
        assert_eq!(image.0.create(), Ok(()), "a factory image that was cut off");
        // The end of a page behind zeros; each place for texts.
        for at in [8, 4095, 0x10008, 0x20000, 0x7ffff, 0x80008, 0xdffff] {
            let image = &mut Image::new("foreign", WITH_TEXTS);
            assert_eq!(image.0.create(), Ok(()));
            let device = File::options().write(true).open(&image.0.path).unwrap();
            device.write_all_at(&[1], at).unwrap();
            let said = image.0.create().unwrap_err().to_string();
            assert!(
                said.ends_with("it holds something that Turnout did not write"),
                "{at}: {said}"
            );
        }
        let said = Image::new("half", SECOND).0.create().unwrap_err().to_string();
        assert!(said.ends_with("failed to fill whole buffer"), "{said}");
        std::fs::write(&image.0.path, [b"settings".as_slice(), &vec![0; 0x11000]].concat())
            .unwrap();
        let said = image.0.create().unwrap_err().to_string();
        assert!(said.ends_with("it holds something that Turnout did not write"), "{said}");
        image.0.is_typed = true;
        assert_eq!(image.0.create(), Ok(()));
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
        let mut gone = StateArea { path: "/dev/turnout-none".to_owned(), is_typed: true };
        let said = gone.read().unwrap_err().to_string();
        assert_eq!(said, "/dev/turnout-none: No such file or directory (os error 2)");
    }
}
