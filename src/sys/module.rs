//! Loads the kernel modules that mkinitramfs packed, in its order.

use std::ffi::CStr;
use std::fs::File;
use std::path::Path;

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};

use super::patience::{self, End};
use super::{Error, file};
use crate::config::Watchdog;

/// List of module paths in load order, dependencies first.
const LIST: &str = "/etc/turnout/modules";
/// The kernel release that the modules belong to.
const RELEASE: &str = "/etc/turnout/release";

/// A module's name, and what it is to be loaded with.
pub type Parameters = (&'static str, &'static CStr);

/// What modules have to be loaded with, so that a watchdog goes on at the jump.
#[must_use]
pub const fn parameters(setting: Watchdog) -> &'static [Parameters] {
    match setting {
        Watchdog::Seconds(_) => &[("watchdog", c"stop_on_reboot=0")],
        Watchdog::Off | Watchdog::Disarm => &[],
    }
}

/// Loads every listed module, with its parameters if there are any; an image
/// without a list has all it needs built in. What could not be loaded comes back
/// as lines for the console.
#[must_use]
pub fn load_all(running: &str, parameters: &[Parameters]) -> Vec<String> {
    let Ok(list) = file::read_text(LIST) else { return Vec::new() };
    if let Some(mismatch) = mismatch(running) {
        return vec![mismatch];
    }
    let loaded = list.lines().map(|path| load(path, of(path, parameters)));
    loaded.filter_map(Result::err).map(|error| error.to_string()).collect()
}

fn mismatch(running: &str) -> Option<String> {
    let release = file::read_line(RELEASE).ok()?;
    (release != running).then(|| {
        format!("the image's modules are for kernel {release}, but {running} runs: none was loaded")
    })
}

/// The parameters of the module in this file.
fn of(path: &str, parameters: &[Parameters]) -> &'static CStr {
    let file = path.rsplit('/').next().unwrap_or_default();
    let name = file.split('.').next().unwrap_or_default();
    parameters.iter().find(|(module, _)| *module == name).map_or(c"", |(_, given)| *given)
}

/// Loads one module.
///
/// # Errors
/// The errno, except where the module is there already or its device is not
/// (a driver for hardware that this machine lacks).
fn load(path: &str, parameters: &CStr) -> Result<(), Error> {
    let module = File::open(Path::new(path)).map_err(|source| Error::new(path, source))?;
    let loaded = patience::during(&format!("module {path}"), End::Unknown, || {
        finit_module(&module, parameters, ModuleInitFlags::empty())
    });
    match loaded {
        Ok(()) | Err(Errno::EEXIST | Errno::ENODEV) => Ok(()),
        Err(errno) => Err(Error::new(format!("module {path}"), errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_belong_to_the_module_of_that_name_alone() {
        let parameters = [("watchdog", c"stop_on_reboot=0")];
        for (path, expected) in [
            ("/lib/modules/6.1.0/watchdog.ko", c"stop_on_reboot=0"),
            ("/lib/modules/6.1.0/watchdog.ko.xz", c"stop_on_reboot=0"),
            ("/lib/modules/watchdog/i6300esb.ko", c""),
        ] {
            assert_eq!(of(path, &parameters), expected, "{path}");
        }
    }
}
