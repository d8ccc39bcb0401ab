//! The kernel's own announcement of devices (NETLINK_KOBJECT_UEVENT).

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

use super::Error;
use crate::drivers::event::Event;

/// Group of the kernel's events (udev's own come on group 2).
const KERNEL_GROUP: u32 = 1;

/// A socket on which events of all devices arrive.
#[derive(Debug)]
pub struct Uevents(OwnedFd);

impl Uevents {
    /// `socket(2)`, `bind(2)`: opens the socket. Open it before looking at /sys: what
    /// appears in between is then announced, not missed.
    ///
    /// # Errors
    /// The errno of the call that failed.
    pub fn open() -> Result<Self, Error> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkKObjectUEvent;
        let fd = socket(AddressFamily::Netlink, SockType::Datagram, flags, protocol)
            .map_err(|errno| Error::new("uevent socket", errno))?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_GROUP))
            .map_err(|errno| Error::new("uevent socket", errno))?;
        Ok(Self(fd))
    }

    /// `recv(2)`: takes all that arrived; true if a block device was among it, or if the
    /// socket overflowed and something may have been.
    #[must_use]
    pub fn block_changed(&self) -> bool {
        let mut changed = false;
        let is_whole = self.each(|event| changed |= event.subsystem == "block");
        changed || !is_whole
    }

    /// `recv(2)`: takes all that arrived, one after the other; false if the socket
    /// overflowed, and so something is missing.
    pub fn each(&self, mut then: impl FnMut(Event<'_>)) -> bool {
        let mut buffer = [0; 8192];
        let mut is_whole = true;
        loop {
            match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(len) => then(Event::parse(buffer.get(..len).unwrap_or_default())),
                Err(Errno::ENOBUFS) => is_whole = false,
                Err(Errno::EINTR) => {}
                Err(_) => return is_whole,
            }
        }
    }
}

impl AsFd for Uevents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
