//! The file of GRUB's environment block, opened once: what is judged is what is changed.
//!
//! The block is overwritten in place, because GRUB itself writes to the sectors that it
//! lies on. Nothing but a regular file is waited for, read or written. A link is followed
//! only to a file that already is a block of this user's (Fedora's leads to the EFI
//! partition), and what is not there is made only where the name is free.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};

use nix::libc;

use super::Error;
use crate::host::next_start::block::{self, Fault};

const MAX_BLOCK: u64 = 64 << 10;
const MODE: u32 = 0o644;
/// A FIFO has nobody wait, and a terminal becomes nobody's.
const CAREFULLY: i32 = libc::O_NONBLOCK | libc::O_NOCTTY;

/// An opened block, with what it has.
pub(super) struct GrubBlock {
    file: File,
    path: String,
    bytes: Vec<u8>,
}

impl GrubBlock {
    /// To be read; none where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is no block.
    pub(super) fn read(path: &str) -> Result<Option<Self>, Error> {
        match open(path, false) {
            Ok(file) => Self::of(path, file).map(Some),
            Err(error) if error.is_absence() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// To be changed; made where there is none yet, as GRUB's own tools make it.
    ///
    /// # Errors
    /// It cannot be read or made, or is no block.
    pub(super) fn change(path: &str) -> Result<Self, Error> {
        let file = match open(path, true) {
            Err(error) if error.is_absence() => make(path),
            opened => opened,
        };
        Self::of(path, file?)
    }

    fn of(path: &str, mut file: File) -> Result<Self, Error> {
        let bytes = bytes_of(&mut file).map_err(|source| Error::new(path, source))?;
        block::get(&bytes, "").map_err(|fault| wrong(path, fault))?;
        Ok(Self { file, path: path.to_owned(), bytes })
    }

    /// The value of a name; none where it is empty.
    ///
    /// # Errors
    /// It is no block.
    pub(super) fn get(&self, name: &str) -> Result<Option<String>, Error> {
        block::get(&self.bytes, name).map_err(|fault| wrong(&self.path, fault))
    }

    /// Gives a name a value, or none; flushed. The block stays as long as it is.
    ///
    /// # Errors
    /// It cannot be written, or is left alone.
    pub(super) fn set(mut self, name: &str, value: Option<&str>) -> Result<(), Error> {
        let new = block::set(&self.bytes, name, value).map_err(|fault| wrong(&self.path, fault))?;
        overwrite(&mut self.file, &new).map_err(|source| Error::new(self.path, source))
    }
}

fn wrong(path: &str, fault: Fault) -> Error {
    Error::refusal(path, &fault.to_string())
}

/// # Errors
/// What lies there is no regular file, or a link that must not be followed.
fn open(path: &str, is_changed: bool) -> Result<File, Error> {
    match opened(path, is_changed, libc::O_NOFOLLOW) {
        Err(source) if source.raw_os_error() == Some(libc::ELOOP) => follow(path, is_changed),
        file => {
            let file = file.map_err(|source| Error::new(path, source))?;
            regular(path, &file).map(|_| file)
        }
    }
}

fn opened(path: &str, is_changed: bool, flags: i32) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(is_changed).custom_flags(flags | CAREFULLY).open(path)
}

/// Where the link leads there is a file already. That it is a block, [`GrubBlock::of`]
/// sees.
fn follow(path: &str, is_changed: bool) -> Result<File, Error> {
    let file = match opened(path, is_changed, 0) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            return Err(Error::refusal(path, "it is a link that leads nowhere"));
        }
        file => file.map_err(|source| Error::new(path, source))?,
    };
    match regular(path, &file)?.uid() == super::effective_user() {
        true => Ok(file),
        false => Err(Error::refusal(path, "it is a link to a file of another user")),
    }
}

fn regular(path: &str, file: &File) -> Result<Metadata, Error> {
    let metadata = file.metadata().map_err(|source| Error::new(path, source))?;
    match metadata.is_file() {
        true => Ok(metadata),
        false => Err(Error::refusal(path, "it is no regular file")),
    }
}

/// Never through a link, and never over what somebody else has just made.
fn make(path: &str) -> Result<File, Error> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true).mode(MODE).custom_flags(libc::O_NOFOLLOW);
    let made = options.open(path).and_then(|mut file| {
        overwrite(&mut file, &block::empty())?;
        Ok(file)
    });
    made.map_err(|source| Error::new(path, source))
}

fn bytes_of(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(MAX_BLOCK.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn overwrite(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("turnout-block-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(name);
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        fn path(&self, name: &str) -> String {
            self.0.join(name).display().to_string()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn set(path: &str, value: Option<&str>) -> Result<(), Error> {
        GrubBlock::change(path)?.set("next_entry", value)
    }

    fn get(path: &str) -> Result<Option<String>, Error> {
        GrubBlock::read(path)?.map_or(Ok(None), |block| block.get("next_entry"))
    }

    /// It can be neither read nor changed, for this reason.
    fn is_refused(path: &str, why: &str) {
        let expected = format!("{path}: {why}");
        assert_eq!(get(path).unwrap_err().to_string(), expected);
        assert_eq!(set(path, Some("a")).unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_block_is_changed_where_it_lies() {
        let folder = Folder::new("place");
        let path = folder.path("grubenv");
        let mut old = b"# GRUB Environment Block\nsaved_entry=a\n".to_vec();
        old.resize(2048, b'#');
        fs::write(&path, &old).unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        set(&path, Some("old")).unwrap();
        assert_eq!(get(&path).unwrap().as_deref(), Some("old"));
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        set(&path, None).unwrap();
        assert_eq!(fs::read(&path).unwrap(), old);
    }

    #[test]
    fn one_that_is_not_there_is_made_only_to_be_changed() {
        let folder = Folder::new("made");
        let path = folder.path("grubenv");
        assert_eq!(get(&path).unwrap(), None);
        assert!(!fs::exists(&path).unwrap());
        set(&path, Some("old")).unwrap();
        assert_eq!(get(&path).unwrap().as_deref(), Some("old"));
        assert_eq!(fs::metadata(&path).unwrap().len(), 1024);
    }

    #[test]
    fn a_link_is_followed_to_a_block_and_to_nothing_else() {
        let folder = Folder::new("link");
        let (link, end) = (folder.path("grubenv"), folder.path("end"));
        symlink("end", &link).unwrap();
        is_refused(&link, "it is a link that leads nowhere");
        assert!(!fs::exists(&end).unwrap(), "nothing is made there");
        fs::write(&end, "export A=b\n").unwrap();
        is_refused(&link, "it is no environment block of GRUB");
        assert_eq!(fs::read(&end).unwrap(), b"export A=b\n");
        fs::write(&end, block::empty()).unwrap();
        set(&link, Some("old")).unwrap();
        assert_eq!(get(&end).unwrap().as_deref(), Some("old"));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_link_to_a_block_of_another_user_is_not_followed() {
        let folder = Folder::new("user");
        let link = folder.path("grubenv");
        symlink(of_another_user(&folder), &link).unwrap();
        let refused = get(&link).unwrap_err().to_string();
        assert_eq!(refused, format!("{link}: it is a link to a file of another user"));
    }

    /// Only root can give a file away, and others have root's.
    fn of_another_user(folder: &Folder) -> String {
        if !super::super::is_root() {
            return "/proc/version".to_owned();
        }
        let path = folder.path("end");
        fs::write(&path, block::empty()).unwrap();
        std::os::unix::fs::chown(&path, Some(1), None).unwrap();
        path
    }

    #[test]
    fn nobody_waits_for_a_fifo_and_nothing_but_a_file_is_read() {
        let folder = Folder::new("fifo");
        let path = folder.path("grubenv");
        nix::unistd::mkfifo(path.as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        is_refused(&path, "it is no regular file");
        let link = folder.path("link");
        symlink("grubenv", &link).unwrap();
        is_refused(&link, "it is no regular file");
    }
}
