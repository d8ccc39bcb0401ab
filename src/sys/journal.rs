//! The system's journal, by its native protocol (systemd, JOURNAL_NATIVE_PROTOCOL);
//! where there is none, the kernel's log.
//!
//! Best effort: nothing fails because nobody listens, and nothing waits for a journal
//! that does not read.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;

use super::guard;
use crate::host::event::Event;

const SOCKET: &str = "/run/systemd/journal/socket";
const KERNEL_LOG: &str = "/dev/kmsg";

/// Tells it; nothing is told by tests.
pub fn tell(event: &Event) {
    if guard::may("the journal").is_ok() && send(&event.datagram()).is_err() {
        // Without a kernel log either there is nobody to tell.
        let log = File::options().write(true).open(KERNEL_LOG);
        let _ = log.and_then(|mut log| log.write_all(event.line().as_bytes()));
    }
}

fn send(datagram: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to(datagram, SOCKET).map(drop)
}
