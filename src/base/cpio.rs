//! Members of a cpio archive in the "newc" format, the one that Linux unpacks.
//!
//! A member has no owner and no time, so that the same content gives the same
//! bytes. Specification: Linux,
//! Documentation/driver-api/early-userspace/buffer-format.rst.

/// Path of the member that ends an archive.
pub const TRAILER: &str = "TRAILER!!!";

/// A file, a directory or a node. Path and content are shorter than 4 GiB each:
/// the format has no room for more.
#[derive(Debug, Clone, Copy, Default)]
pub struct Member<'a> {
    /// Its number in the archive, from 1; 0 for the trailer.
    pub inode: u32,
    /// Type and permissions, as in `st_mode`.
    pub mode: u32,
    /// How many names it has.
    pub links: u32,
    /// Major and minor number of a node.
    pub device: (u32, u32),
    /// Without a slash in front.
    pub path: &'a str,
    /// The bytes of a file.
    pub content: &'a [u8],
}

/// Puts a member behind those that are there.
pub fn put(out: &mut Vec<u8>, member: &Member<'_>) {
    let Member { inode, mode, links, device: (major, minor), .. } = *member;
    let content_size = size(member.content.len());
    let name_size = size(member.path.len().saturating_add(1));
    // Owner, group, time, the device that it lies on, and the checksum are 0.
    let fields = [inode, mode, 0, 0, links, 0, content_size, 0, 0, major, minor, name_size, 0];
    out.extend_from_slice(b"070701");
    for field in fields {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(member.path.as_bytes());
    out.push(0);
    pad(out);
    out.extend_from_slice(member.content);
    pad(out);
}

fn size(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Names and contents each start at a multiple of four bytes.
fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}
