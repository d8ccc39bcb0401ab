//! The orderly restart of a running system by its own shutdown(8), which starts the
//! loaded kernel where the system is set up so.

use std::io;
use std::path::Path;

use super::{Error, guard, program};

/// Where shutdown(8) is looked for, the first that is there.
const PLACES: [&str; 3] = ["/sbin/shutdown", "/etc/shutdown", "/bin/shutdown"];

/// Becomes `shutdown -r now`; comes back only with the reason why not.
#[must_use]
pub fn restart() -> Error {
    if let Err(error) = guard::may("shutdown -r now") {
        return error;
    }
    let Some(place) = PLACES.into_iter().find(|place| Path::new(place).exists()) else {
        let why = format!("there is none of {}", PLACES.join(", "));
        return Error::new("shutdown -r now", io::Error::new(io::ErrorKind::NotFound, why));
    };
    Error::new(format!("{place} -r now"), program::replace_this(place, &["-r", "now"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_restarts_nothing() {
        let said = restart().to_string();
        assert_eq!(said, "shutdown -r now: not asked of the kernel: this is a test");
    }
}
