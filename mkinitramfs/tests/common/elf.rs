//! The smallest ELF files that can be mistaken for programs and modules.

pub(crate) const ET_REL: u16 = 1;
pub(crate) const ET_EXEC: u16 = 2;
pub(crate) const X86_64: u16 = 62;
pub(crate) const AARCH64: u16 = 183;

const HEADER: usize = 64;
const PROGRAM: usize = 56;

/// What passes for a static `turnout-init`.
pub(crate) fn init(machine: u16) -> Vec<u8> {
    elf(ET_EXEC, machine, (".text", turnout::boot::NOT_PID_1.as_bytes()), None)
}

/// An ELF file with one section, and a program header for `interpreter`.
pub(crate) fn elf(
    kind: u16,
    machine: u16,
    section: (&str, &[u8]),
    interpreter: Option<&str>,
) -> Vec<u8> {
    let (name, content) = section;
    let interpreter = interpreter.map(|path| format!("{path}\0")).unwrap_or_default();
    let names = format!("\0{name}\0.shstrtab\0");
    let interpreter_at = HEADER + PROGRAM;
    let content_at = interpreter_at + interpreter.len();
    let names_at = content_at + content.len();
    let sections_at = names_at + names.len();
    let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |out: &mut Vec<u8>, value: u16| out.extend(value.to_le_bytes());
    let word = |out: &mut Vec<u8>, value: u32| out.extend(value.to_le_bytes());
    let long = |out: &mut Vec<u8>, value: usize| out.extend((value as u64).to_le_bytes());
    half(&mut out, kind);
    half(&mut out, machine);
    word(&mut out, 1);
    [0, HEADER, sections_at].into_iter().for_each(|value| long(&mut out, value));
    word(&mut out, 0);
    [64, 56, u16::from(!interpreter.is_empty()), 64, 3, 2]
        .into_iter()
        .for_each(|value| half(&mut out, value));
    let (pt_interp, readable) = (3, 4);
    [pt_interp, readable].into_iter().for_each(|value| word(&mut out, value));
    let len = interpreter.len();
    [interpreter_at, 0, 0, len, len, 1].into_iter().for_each(|value| long(&mut out, value));
    [interpreter.as_bytes(), content, names.as_bytes()]
        .into_iter()
        .for_each(|part| out.extend(part));
    let names_name = u32::try_from(name.len() + 2).unwrap();
    let (progbits, strtab) = (1, 3);
    for (name, kind, at, len) in [
        (0, 0, 0, 0),
        (1, progbits, content_at, content.len()),
        (names_name, strtab, names_at, names.len()),
    ] {
        word(&mut out, name);
        word(&mut out, kind);
        [0, 0, at, len, 0, 1, 0].into_iter().for_each(|value| long(&mut out, value));
    }
    out
}
