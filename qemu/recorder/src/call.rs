//! The system calls that matter, as they are entered: kexec_load(2),
//! kexec_file_load(2), reboot(2).

use crate::memory;
use anyhow::{Context, Result};
use linux_raw_sys::general::{__NR_kexec_file_load, __NR_kexec_load, __NR_reboot};
use nix::unistd::Pid;
use std::fs;

const LOAD: u32 = __NR_kexec_load;
const FILE_LOAD: u32 = __NR_kexec_file_load;
const REBOOT: u32 = __NR_reboot;
/// Where a program is stopped.
pub(crate) const NUMBERS: [u32; 3] = [LOAD, FILE_LOAD, REBOOT];
/// `KEXEC_ARCH_MASK` cut away, what is left of the flags of kexec_load.
const FLAGS: u64 = 0xffff;
/// Nobody knows these: whoever passes them only asks whether the call is there.
const PROBE: u64 = 0xff00;
const FILE_UNLOAD: u64 = 1;
/// As many as the kernel takes.
const MOST_SEGMENTS: u64 = 16;
const SEGMENT_SIZE: usize = 32;
/// Where the x86 boot parameters have their magic, and the address of the command
/// line: its lower and its upper half (Documentation/arch/x86/boot.rst).
const MAGIC: (usize, &[u8]) = (0x202, b"HdrS");
const CMDLINE: (usize, usize) = (0x228, 0xc8);
const FDT_MAGIC: [u8; 4] = [0xd0, 0x0d, 0xfe, 0xed];
const LONGEST_CMDLINE: usize = 4096;

/// One call, with what it was handed.
#[derive(Debug)]
pub(crate) enum Call {
    Segments {
        flags: u64,
        parts: Vec<String>,
        cmdline: Option<Vec<u8>>,
    },
    Files {
        flags: u64,
        kernel: Option<String>,
        initrd: Option<String>,
        cmdline: Vec<u8>,
    },
    /// Magic numbers and command of reboot(2).
    Jump(u64),
    /// A program that took the place of the first, or that it started.
    Exec(Vec<u8>),
}

/// A piece of memory of the next system.
struct Segment {
    bytes: Vec<u8>,
    address: u64,
}

impl Call {
    /// The call that a program is about to make, if it is one of these.
    pub(crate) fn entered(pid: Pid) -> Result<Option<Self>> {
        let text = fs::read_to_string(format!("/proc/{pid}/syscall"))?;
        let mut words = text.split_ascii_whitespace();
        let Some(Ok(number)) = words.next().map(str::parse::<u32>) else { return Ok(None) };
        let arguments: Vec<u64> = words.filter_map(hexadecimal).collect();
        let [a, b, c, d, e, ..] = arguments.as_slice() else { return Ok(None) };
        Ok(match number {
            LOAD => segments(pid, *b, *c, *d)?,
            FILE_LOAD => files(pid, [*a, *b], *d, *c, *e)?,
            REBOOT => Some(Self::Jump(*c & 0xffff_ffff)),
            _ => None,
        })
    }

    /// `CALL=FLAGS KERNEL INITRD CMDLINE`, or with all digests where nobody says which
    /// is which.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Segments { flags, parts, cmdline } => {
                let cmdline = cmdline.as_deref().map_or("-".into(), escaped);
                format!("kexec_load={flags:x} {} {cmdline}", parts.join(","))
            }
            Self::Files { flags, kernel, initrd, cmdline } => {
                let [kernel, initrd] = [kernel, initrd].map(|one| one.as_deref().unwrap_or("-"));
                format!("kexec_file_load={flags:x} {kernel},{initrd} {}", escaped(cmdline))
            }
            Self::Jump(command) => format!("reboot={command:x}"),
            Self::Exec(words) => format!("exec={}", words.escape_ascii()),
        }
    }
}

/// In quotes, so that an empty one is seen.
fn escaped(cmdline: &[u8]) -> String {
    format!("'{}'", cmdline.escape_ascii())
}

fn hexadecimal(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

fn segments(pid: Pid, count: u64, table: u64, flags: u64) -> Result<Option<Call>> {
    let flags = flags & FLAGS;
    if count == 0 && flags & PROBE != 0 {
        return Ok(None);
    }
    let count = usize::try_from(count.min(MOST_SEGMENTS))?;
    let mut segments = Vec::new();
    if count > 0 {
        let rows = memory::read(pid, table, u64::try_from(count * SEGMENT_SIZE)?)?;
        for row in rows.chunks_exact(SEGMENT_SIZE) {
            segments.push(segment(pid, row)?);
        }
    }
    let parts = segments.iter().map(|segment| memory::digest(&segment.bytes)).collect();
    Ok(Some(Call::Segments { flags, parts, cmdline: cmdline(&segments) }))
}

fn segment(pid: Pid, row: &[u8]) -> Result<Segment> {
    let [buffer, size, address] = [0, 8, 16].map(|at| number(row, at));
    let [buffer, size] = [buffer.context("no buffer")?, size.context("no size")?];
    Ok(Segment { bytes: memory::read(pid, buffer, size)?, address: address.context("no place")? })
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?)))
}

/// That of the boot parameters, else that of the device tree.
fn cmdline(segments: &[Segment]) -> Option<Vec<u8>> {
    segments.iter().find_map(|segment| of_boot_parameters(segment, segments)).or_else(|| {
        let tree = segments.iter().find(|segment| segment.bytes.starts_with(&FDT_MAGIC))?;
        bootargs(&tree.bytes)
    })
}

fn of_boot_parameters(segment: &Segment, all: &[Segment]) -> Option<Vec<u8>> {
    let (at, magic) = MAGIC;
    if segment.bytes.get(at..at + magic.len())? != magic {
        return None;
    }
    let (lower, upper) = CMDLINE;
    let address = half(&segment.bytes, upper)? << 32 | half(&segment.bytes, lower)?;
    all.iter().find_map(|segment| {
        let offset = usize::try_from(address.checked_sub(segment.address)?).ok()?;
        Some(until_nul(segment.bytes.get(offset..)?))
    })
}

fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().take(LONGEST_CMDLINE).take_while(|byte| **byte != 0).copied().collect()
}

/// Value of the property "bootargs" in a flattened device tree, found by the place of
/// its name: a token, a length and an offset stand before it, all big-endian.
fn bootargs(tree: &[u8]) -> Option<Vec<u8>> {
    const PROPERTY: u32 = 3;
    let structure = usize::try_from(big(tree, 8)?).ok()?;
    let strings = usize::try_from(big(tree, 12)?).ok()?;
    let mut at = structure;
    while at.checked_add(12)? <= tree.len() {
        let [token, length, name] = [0, 4, 8].map(|offset| big(tree, at + offset));
        let name = strings.checked_add(usize::try_from(name?).ok()?)?;
        let is_name = tree.get(name..).is_some_and(|rest| rest.starts_with(b"bootargs\0"));
        if token? == PROPERTY && is_name {
            let length = usize::try_from(length?).ok()?;
            return Some(until_nul(tree.get(at + 12..at.checked_add(12)?.checked_add(length)?)?));
        }
        at = at.checked_add(4)?;
    }
    None
}

fn big(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Whoever neither names a kernel nor unloads only asks whether the call is there.
fn files(
    pid: Pid,
    [kernel, initrd]: [u64; 2],
    line: u64,
    length: u64,
    flags: u64,
) -> Result<Option<Call>> {
    let cmdline = if length == 0 { Vec::new() } else { memory::read(pid, line, length)? };
    let [kernel, initrd] =
        [kernel, initrd].map(|one| Some(memory::digest(&memory::descriptor(pid, one)?)));
    if kernel.is_none() && flags & FILE_UNLOAD == 0 {
        return Ok(None);
    }
    Ok(Some(Call::Files { flags, kernel, initrd, cmdline: until_nul(&cmdline) }))
}
