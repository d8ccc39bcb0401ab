//! Loads the kernel modules that mkinitramfs packed, in its order.

use std::fs::File;
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

use super::{Error, file};

/// List of module paths in load order, dependencies first.
const LIST: &str = "/etc/turnout/modules";
/// The kernel release that the modules belong to.
const RELEASE: &str = "/etc/turnout/release";

/// Loads every listed module; an image without a list has all it needs built
/// in. What could not be loaded comes back as lines for the console.
#[must_use]
pub fn load_all(running: &str) -> Vec<String> {
    let Ok(list) = file::read_text(LIST) else { return Vec::new() };
    if let Some(mismatch) = mismatch(running) {
        return vec![mismatch];
    }
    list.lines().filter_map(|path| load(path).err()).map(|error| error.to_string()).collect()
}

fn mismatch(running: &str) -> Option<String> {
    let release = file::read_line(RELEASE).ok()?;
    (release != running).then(|| {
        format!("the image's modules are for kernel {release}, but {running} runs: none was loaded")
    })
}

/// Loads one module.
///
/// # Errors
/// The errno, except where the module is there already or its device is not
/// (a driver for hardware that this machine lacks).
fn load(path: &str) -> Result<(), Error> {
    let module = File::open(Path::new(path)).map_err(|source| Error::new(path, source))?;
    match finit_module(&module, c"", ModuleInitFlags::empty()) {
        Ok(()) | Err(Errno::EEXIST | Errno::ENODEV) => Ok(()),
        Err(errno) => Err(Error::new(format!("module {path}"), errno)),
    }
}
