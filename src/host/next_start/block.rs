//! The environment block of GRUB, changed in place (GRUB manual, "Environment block").
//!
//! GRUB overwrites the block's own sectors, so its length stays as it is. Lines of others
//! stay as they are, byte for byte.

use core::fmt;

const SIGNATURE: &[u8] = b"# GRUB Environment Block\n";
const FILL: u8 = b'#';
/// As GRUB's own tools make it.
const SIZE: usize = 1024;
const MAX_SIZE: usize = 64 << 10;
/// Says that GRUB keeps its variables elsewhere, in sectors that no file shows.
const ELSEWHERE: &str = "env_block";

/// Why a block is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does not begin as one.
    NoBlock,
    /// GRUB keeps its variables elsewhere.
    Elsewhere,
    /// It has no room for the value.
    Full,
    /// The value cannot stand in it.
    Value,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBlock => "it is no environment block of GRUB",
            Self::Elsewhere => "its env_block says that GRUB keeps its variables elsewhere",
            Self::Full => "it has no room for next_entry",
            Self::Value => "the name of the entry has a line end",
        })
    }
}

/// One without a value.
#[must_use]
pub fn empty() -> Vec<u8> {
    let mut block = SIGNATURE.to_vec();
    block.resize(SIZE, FILL);
    block
}

/// The value of a name; none where it is empty.
///
/// # Errors
/// It is no block.
pub fn get(block: &[u8], name: &str) -> Result<Option<String>, Fault> {
    let lines = lines(block)?;
    let line = lines.iter().rev().find_map(|line| value_of(line, name));
    Ok(line.map(unescaped).filter(|value| !value.is_empty()))
}

/// The same block, in which a name has a value, or none.
///
/// # Errors
/// Why it is left alone.
pub fn set(block: &[u8], name: &str, value: Option<&str>) -> Result<Vec<u8>, Fault> {
    let lines = lines(block)?;
    if lines.iter().any(|line| value_of(line, ELSEWHERE).is_some()) {
        return Err(Fault::Elsewhere);
    }
    let mut changed = SIGNATURE.to_vec();
    let others = lines.iter().filter(|line| value_of(line, name).is_none());
    others.for_each(|line| changed.extend_from_slice(line));
    if let Some(value) = value {
        changed.extend_from_slice(&line_of(name, value)?);
    }
    if changed.len() > block.len() {
        return Err(Fault::Full);
    }
    changed.resize(block.len(), FILL);
    Ok(changed)
}

/// The lines behind the first, each with its end; without what fills the block up.
fn lines(block: &[u8]) -> Result<Vec<&[u8]>, Fault> {
    let rest = block.strip_prefix(SIGNATURE).filter(|_| block.len() <= MAX_SIZE);
    let mut rest = rest.ok_or(Fault::NoBlock)?;
    let mut lines = Vec::new();
    while let Some((line, behind)) = first_line(rest) {
        lines.push(line);
        rest = behind;
    }
    Ok(lines)
}

/// A line ends where nothing makes its end plain.
fn first_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut is_plain = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\n' if !is_plain => return text.split_at_checked(at.saturating_add(1)),
            b'\\' => is_plain = !is_plain,
            _ => is_plain = false,
        }
    }
    None
}

/// What stands behind `name=`, with what makes it plain.
fn value_of<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
    rest.strip_suffix(b"\n")
}

fn unescaped(value: &[u8]) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.iter();
    while let Some(byte) = rest.next() {
        let byte = if *byte == b'\\' { rest.next().unwrap_or(byte) } else { byte };
        bytes.push(*byte);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn line_of(name: &str, value: &str) -> Result<Vec<u8>, Fault> {
    if value.contains(['\n', '\r', '\0']) {
        return Err(Fault::Value);
    }
    Ok(format!("{name}={}\n", value.replace('\\', "\\\\")).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(lines: &str) -> Vec<u8> {
        let mut block = [SIGNATURE, lines.as_bytes()].concat();
        block.resize(1024, FILL);
        block
    }

    #[test]
    fn a_value_is_set_replaced_and_taken_out_and_everything_else_stays() {
        let old = block("# a note\nsaved_entry=a\\\nb\nnext_entry=x\nkernelopts=ro quiet\n");
        assert_eq!(get(&old, "next_entry").unwrap().as_deref(), Some("x"));
        let new = set(&old, "next_entry", Some("adv>old \\ 1")).unwrap();
        let rest = "# a note\nsaved_entry=a\\\nb\nkernelopts=ro quiet\n";
        assert_eq!(new, block(&format!("{rest}next_entry=adv>old \\\\ 1\n")));
        assert_eq!(get(&new, "next_entry").unwrap().as_deref(), Some("adv>old \\ 1"));
        assert_eq!(set(&new, "next_entry", None).unwrap(), block(rest));
        assert_eq!(get(&block("next_entry=\n"), "next_entry").unwrap(), None);
    }

    #[test]
    fn a_line_end_that_is_plain_ends_no_line() {
        let old = block("a=\\\nnext_entry=no\nb=\\\\\nnext_entry=yes\n");
        assert_eq!(get(&old, "next_entry").unwrap().as_deref(), Some("yes"));
    }

    #[test]
    fn a_block_that_cannot_be_changed_is_left_alone() {
        assert_eq!(set(b"saved_entry=0\n", "n", None), Err(Fault::NoBlock));
        assert_eq!(set(b"", "n", None), Err(Fault::NoBlock));
        assert_eq!(set(&block("env_block=512+1\n"), "n", None), Err(Fault::Elsewhere));
        assert_eq!(set(&block(""), "n", Some(&"x".repeat(1024))), Err(Fault::Full));
        assert_eq!(set(&block(""), "n", Some("a\nsaved_entry=b")), Err(Fault::Value));
    }

    #[test]
    fn the_length_stays_to_the_last_byte() {
        let most = 1024 - SIGNATURE.len() - "n=\n".len();
        let full = set(&block(""), "n", Some(&"x".repeat(most))).unwrap();
        assert_eq!((full.len(), full.last()), (1024, Some(&b'\n')));
        assert_eq!(set(&block(""), "n", Some(&"x".repeat(most + 1))), Err(Fault::Full));
    }
}
