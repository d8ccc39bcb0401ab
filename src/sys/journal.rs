//! The system's journal, by its native protocol (systemd, JOURNAL_NATIVE_PROTOCOL);
//! where there is none, the kernel's log.
//!
//! Best effort: nothing fails because nobody listens. A journal that has more to read than
//! it takes is waited for a moment, because whoever is not root can fill its socket; no
//! longer, because one that has stopped reads nothing.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use super::guard;
use crate::host::event::Event;

const SOCKET: &str = "/run/systemd/journal/socket";
/// Longest wait for room in the socket.
const PATIENCE: Duration = Duration::from_secs(1);
const KERNEL_LOG: &str = "/dev/kmsg";

/// `sendto(2)`, `/dev/kmsg`: tells it; nothing is told by tests.
pub fn tell(event: &Event) {
    if guard::may("the journal").is_ok() && send(SOCKET.as_ref(), &event.datagram()).is_err() {
        // Without a kernel log either there is nobody to tell.
        let log = File::options().write(true).open(KERNEL_LOG);
        let _ = log.and_then(|mut log| log.write_all(event.line().as_bytes()));
    }
}

fn send(path: &Path, datagram: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.send_to(datagram, path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::{sleep, spawn};

    #[test]
    fn a_full_socket_is_waited_for_and_one_that_nobody_reads_not_for_long() {
        let path = std::env::temp_dir().join(format!("turnout-journal-{}", std::process::id()));
        let journal = UnixDatagram::bind(&path).unwrap();
        let other = UnixDatagram::unbound().unwrap();
        other.set_nonblocking(true).unwrap();
        while other.send_to(b"noise", &path).is_ok() {}
        let refused = send(&path, b"event").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        let reader = spawn(move || {
            sleep(Duration::from_millis(50));
            let mut bytes = [0; 16];
            while journal.recv(&mut bytes).is_ok_and(|count| &bytes[..count] != b"event") {}
        });
        send(&path, b"event").unwrap();
        reader.join().unwrap();
        std::fs::remove_file(&path).unwrap();
    }
}
