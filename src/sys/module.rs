//! Loads one kernel module from a file of the image, or from memory.

use std::ffi::CStr;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::{Error, file};
use crate::config::Watchdog;
use crate::drivers::table;

/// Where the modules lie, by the release of their kernel.
const FOLDER: &str = "/lib/modules/";
/// The kernel release that the modules belong to.
const RELEASE: &str = "/etc/turnout/release";
/// Largest module that is read into memory, in bytes.
pub const MAX: u64 = 64 << 20;

/// A module's name, and what it is to be loaded with.
pub type Parameters = (&'static str, &'static CStr);

/// What modules have to be loaded with, so that a watchdog goes on at the jump.
#[must_use]
pub const fn parameters(setting: Watchdog) -> &'static [Parameters] {
    match setting {
        Watchdog::Seconds(_) => &[("watchdog", c"stop_on_reboot=0 async_probe")],
        Watchdog::Off | Watchdog::Disarm => &[],
    }
}

/// `read(2)`: the image's table of drivers; none in an image that has all it needs built
/// in.
///
/// # Errors
/// Why one that is there cannot be read.
pub fn table() -> Result<Option<String>, Error> {
    table_at(Path::new(table::PATH))
}

fn table_at(place: &Path) -> Result<Option<String>, Error> {
    match file::read_bytes(place, table::MAX) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes).ok();
            let fault = "it is not UTF-8: build the image anew";
            text.map(Some).ok_or_else(|| Error::refusal(table::PATH, fault))
        }
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(error),
    }
}

/// `read(2)`: why no module of this image is for the kernel that runs.
#[must_use]
pub fn mismatch(running: &str) -> Option<String> {
    let release = file::read_line(RELEASE).ok()?;
    (release != running).then(|| {
        format!("the image's modules are for kernel {release}, but {running} runs: none was loaded")
    })
}

/// What the module of this name is to be loaded with. Unless it `probes`, its load ends
/// with its own start: else the kernel has it wait until every disk of the machine has
/// answered that is being looked at meanwhile (`async_synchronize_full` in
/// kernel/module/main.c).
#[must_use]
pub fn of(name: &str, parameters: &[Parameters], probes: bool) -> &'static CStr {
    let given = parameters.iter().find(|(module, _)| *module == name);
    given.map_or(if probes { c"" } else { c"async_probe" }, |(_, given)| *given)
}

/// The file of a module that a table has at `path`.
#[must_use]
pub fn place(release: &str, path: &str) -> String {
    [FOLDER, release, "/", path].concat()
}

/// What came of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    /// It is there.
    There,
    /// It has found no hardware of its own.
    Absent,
}

/// `finit_module(2)`: loads a module from a file.
///
/// # Errors
/// Why it cannot be loaded.
pub fn load(place: &str, parameters: &CStr) -> Result<Loaded, Error> {
    let module = File::open(place).map_err(|source| Error::new(place, source))?;
    insert(&module, parameters).map_err(|errno| refused(place, errno))
}

/// `memfd_create(2)`, `finit_module(2)`: loads a module from its unpacked bytes; `place` is
/// the file that they are of.
///
/// # Errors
/// As [`load`].
pub fn load_bytes(place: &str, bytes: Vec<u8>, parameters: &CStr) -> Result<Loaded, Error> {
    let mut memory = memfd_create("module", MFdFlags::MFD_CLOEXEC)
        .map(File::from)
        .map_err(|errno| Error::new(place, errno))?;
    memory.write_all(&bytes).map_err(|source| Error::new(place, source))?;
    // The kernel takes a copy of its own.
    drop(bytes);
    insert(&memory, parameters).map_err(|errno| refused(place, errno))
}

fn insert(module: &impl AsFd, parameters: &CStr) -> Result<Loaded, Errno> {
    match finit_module(module, parameters, ModuleInitFlags::empty()) {
        Ok(()) | Err(Errno::EEXIST) => Ok(Loaded::There),
        Err(Errno::ENODEV) => Ok(Loaded::Absent),
        Err(errno) => Err(errno),
    }
}

/// What the kernel means (kernel/module/main.c says it in its own log).
fn refused(place: &str, errno: Errno) -> Error {
    let what = ["module ", &table::module_of(place)].concat();
    let why = match errno {
        Errno::ENOENT => {
            "a symbol is missing: a module that it needs is not in the image, or is for another \
             kernel"
        }
        Errno::ENOEXEC => "it is damaged, or for another kernel",
        Errno::EKEYREJECTED | Errno::ENOKEY | Errno::EBADMSG => {
            "its signature is of no key that this kernel trusts"
        }
        _ => return Error::new(what, errno),
    };
    Error::refusal(what, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_belong_to_the_module_of_that_name_alone() {
        let parameters = [("watchdog", c"stop_on_reboot=0")];
        assert_eq!(of("watchdog", &parameters, true), c"stop_on_reboot=0");
        assert_eq!(of("i6300esb", &parameters, true), c"");
        assert_eq!(of("ext4", &parameters, false), c"async_probe");
    }

    #[test]
    fn a_table_that_is_there_and_cannot_be_read_is_no_image_without_modules() {
        let place = std::env::temp_dir().join(format!("turnout-table-{}", std::process::id()));
        let _ = std::fs::remove_file(&place);
        assert!(matches!(table_at(&place), Ok(None)));
        std::fs::write(&place, b"turnout-drivers 1\n\xff").unwrap();
        let damaged = table_at(&place).unwrap_err().to_string();
        File::create(&place).unwrap().set_len(table::MAX + 1).unwrap();
        let large = table_at(&place).unwrap_err().to_string();
        std::fs::remove_file(&place).unwrap();
        assert!(damaged.ends_with("it is not UTF-8: build the image anew"), "{damaged}");
        assert!(large.contains("File too large"), "{large}");
    }

    #[test]
    fn a_refusal_says_what_the_kernel_means_by_it() {
        let place = place("6.1.0", "kernel/drivers/scsi/hv-storvsc.ko.zst");
        for (errno, why) in [
            (
                Errno::ENOENT,
                "a symbol is missing: a module that it needs is not in the image, or is for another kernel",
            ),
            (Errno::ENOEXEC, "it is damaged, or for another kernel"),
            (Errno::EKEYREJECTED, "its signature is of no key that this kernel trusts"),
            (Errno::ENOMEM, "Cannot allocate memory (os error 12)"),
        ] {
            let said = refused(&place, errno).to_string();
            assert_eq!(said, format!("module hv_storvsc: {why}"));
        }
    }
}
