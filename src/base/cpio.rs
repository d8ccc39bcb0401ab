//! Members of a cpio archive in the "newc" format, the one that Linux unpacks.
//!
//! What is written has no owner and no time, so that the same content gives the same
//! bytes. What is read came from outside: every length is checked, and nothing is
//! looked at behind the end. Specification: Linux,
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

/// What a header begins with: without checksums, and with them.
const MAGICS: [&[u8]; 2] = [b"070701", b"070702"];
/// Bytes of a header: the magic, and thirteen numbers of eight digits.
const HEADER: usize = 110;
/// Numbers before that of the content's size, and before that of the name's.
const SIZE_FIELD: usize = 6;
const NAME_FIELD: usize = 11;
/// A longer path is none that Linux takes.
const MAX_NAME: usize = 4096;

/// Whether an archive begins here.
#[must_use]
pub fn begins(bytes: &[u8]) -> bool {
    MAGICS.iter().any(|magic| bytes.starts_with(magic))
}

/// A member that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// As it is written there.
    pub path: &'a [u8],
    /// The bytes of a file, or what a link leads to.
    pub content: &'a [u8],
}

/// Takes the first member from the front of an archive; the trailer is one.
/// None for what is no member, or is cut off.
#[must_use]
pub fn take<'a>(bytes: &mut &'a [u8]) -> Option<Found<'a>> {
    let header = bytes.get(..HEADER).filter(|header| begins(header))?;
    let name_size = field(header, NAME_FIELD).filter(|size| (1..=MAX_NAME).contains(size))?;
    let content_size = field(header, SIZE_FIELD)?;
    let name_end = HEADER.checked_add(name_size)?;
    let content_start = name_end.checked_next_multiple_of(4)?;
    let content_end = content_start.checked_add(content_size)?;
    let path = bytes.get(HEADER..name_end)?.strip_suffix(&[0])?;
    let content = bytes.get(content_start..content_end)?;
    // Some writers leave out what would only fill up the last member.
    *bytes = bytes.get(content_end.checked_next_multiple_of(4)?..).unwrap_or_default();
    Some(Found { path, content })
}

/// A number of a header.
fn field(header: &[u8], index: usize) -> Option<usize> {
    let start = index.checked_mul(8)?.checked_add(6)?;
    let digits = header.get(start..start.checked_add(8)?)?;
    let digits = core::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?;
    usize::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive() -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, &Member { inode: 1, path: "a/b", content: b"hello", ..Member::default() });
        put(&mut out, &Member { path: TRAILER, ..Member::default() });
        out
    }

    #[test]
    fn what_was_put_is_taken_again() {
        let bytes = archive();
        let mut rest = bytes.as_slice();
        assert!(begins(rest));
        assert_eq!(take(&mut rest), Some(Found { path: b"a/b", content: b"hello" }));
        assert_eq!(take(&mut rest).unwrap().path, TRAILER.as_bytes());
        assert_eq!(take(&mut rest), None);
        assert_eq!(rest, b"");
    }

    #[test]
    fn an_archive_that_is_cut_anywhere_gives_no_member_of_its_own_making() {
        let bytes = archive();
        for end in 0..HEADER + 4 + 5 {
            assert_eq!(take(&mut &bytes[..end]), None, "{end}");
        }
    }

    #[test]
    fn a_length_that_no_archive_has_is_none() {
        for (index, digits) in [
            (SIZE_FIELD, "ffffffff"),
            (SIZE_FIELD, "+0000005"),
            (NAME_FIELD, "00000000"),
            (NAME_FIELD, "00010000"),
            (NAME_FIELD, "0000000x"),
        ] {
            let mut bytes = archive();
            let start = 6 + 8 * index;
            bytes[start..start + 8].copy_from_slice(digits.as_bytes());
            assert_eq!(take(&mut bytes.as_slice()), None, "{digits}");
        }
    }
}
