//! A part of a block device, shown as a device of its own that nothing can be written
//! to: a loop device (loop(4)), which goes when the last that uses it does.
//!
//! It reads past the page cache where the device lets it, so that nothing lies in memory
//! twice.

use core::ops::Range;
use std::fs::File;
use std::os::fd::AsRawFd as _;

use linux_raw_sys::loop_device as raw;
use nix::errno::Errno;

use super::Error;

const CONTROL: &str = "/dev/loop-control";
/// How often another one is asked for; one that somebody else has in use does not come
/// free.
const MOST_TRIES: usize = 16;

nix::ioctl_none_bad!(
    /// LOOP_CTL_GET_FREE.
    free_number,
    raw::LOOP_CTL_GET_FREE
);

nix::ioctl_write_ptr_bad!(
    /// LOOP_CONFIGURE, Linux 5.8 and later.
    configure,
    raw::LOOP_CONFIGURE,
    raw::loop_config
);

/// A part of a device, there for as long as this value, or what was mounted from it.
pub(super) struct Window {
    path: String,
    #[expect(dead_code, reason = "held, not used")]
    open: File,
}

impl Window {
    /// Shows a range of a device's bytes.
    ///
    /// # Errors
    /// The errno, with what to do where loop devices are missing.
    pub(super) fn show(device: &str, range: &Range<u64>) -> Result<Self, Error> {
        let backing = File::open(device).map_err(|error| Error::new(device, error))?;
        let control = File::open(CONTROL).map_err(|error| {
            let why =
                "its data begin behind a RAID superblock: reading there takes the module loop";
            Error::new(format!("{device}: {why}: {CONTROL}"), error)
        })?;
        let config = config(&backing, range);
        let mut taken = Self::take(&control, &config);
        // Between the two calls another thread may take the same one.
        for _ in 0..MOST_TRIES {
            if taken.as_ref().err() != Some(&Errno::EBUSY) {
                break;
            }
            taken = Self::take(&control, &config);
        }
        taken.map_err(|errno| Error::new(format!("a loop device for {device}"), errno))
    }

    fn take(control: &File, config: &raw::loop_config) -> Result<Self, Errno> {
        // SAFETY: the call takes no argument and touches no memory of this process.
        let number = unsafe { free_number(control.as_raw_fd()) }?;
        let path = format!("/dev/loop{number}");
        let open = File::open(&path)
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or_default()))?;
        // SAFETY: the kernel reads the structure that the number of the call stands for.
        unsafe { configure(open.as_raw_fd(), config) }?;
        Ok(Self { path, open })
    }

    /// Path of the device that shows it.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

fn config(backing: &File, range: &Range<u64>) -> raw::loop_config {
    let flags = [raw::LO_FLAGS_READ_ONLY, raw::LO_FLAGS_AUTOCLEAR, raw::LO_FLAGS_DIRECT_IO];
    raw::loop_config {
        fd: backing.as_raw_fd().cast_unsigned(),
        block_size: 0,
        info: raw::loop_info64 {
            lo_device: 0,
            lo_inode: 0,
            lo_rdevice: 0,
            lo_offset: range.start,
            lo_sizelimit: range.end.saturating_sub(range.start),
            lo_number: 0,
            lo_encrypt_type: 0,
            lo_encrypt_key_size: 0,
            lo_flags: flags.into_iter().fold(0, |all, flag| all | flag as u32),
            lo_file_name: [0; 64],
            lo_crypt_name: [0; 64],
            lo_encrypt_key: [0; 32],
            lo_init: [0; 2],
        },
        __reserved: [0; 8],
    }
}
