//! What the journal is told: one structured line for every load, unload, refusal and
//! jump, and how a system came up.
//!
//! The bytes are those of the journal's native protocol: `NAME=value` lines, and for a
//! value with line ends its name, a line end, its length as 64 bits little-endian, the
//! value, and a line end (systemd, JOURNAL_NATIVE_PROTOCOL). No value can make a field
//! of its own.

use crate::base::text::{printable, shown};

/// Longest value that is told, in bytes. The kernel's log takes 976 bytes of a line, and a
/// column has up to three.
const MAX_VALUE: usize = 8 << 10;
const MAX_LINE: usize = 300;
/// What comes before the names of our own fields.
const OURS: &str = "TURNOUT_";
/// A user's program, as the kernel's log has it (syslog(3), LOG_USER).
const FACILITY: u8 = 1 << 3;
/// Priorities of syslog(3).
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
const INFO: u8 = 6;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A kernel was loaded.
    Load,
    /// It was taken out again.
    Unload,
    /// Something was refused.
    Refusal,
    /// This system is left now.
    Jump,
    /// This system came up as it was asked for.
    CameUp,
    /// It came up another way than was asked for.
    CameUpOtherwise,
}

/// What stands for a kind of event everywhere.
struct Kind {
    name: &'static str,
    /// `MESSAGE_ID`: never changes.
    id: &'static str,
    priority: u8,
}

impl What {
    const fn kind(self) -> Kind {
        match self {
            Self::Load => {
                Kind { name: "load", id: "39eaafd06078486680198f734edfeb7b", priority: INFO }
            }
            Self::Unload => {
                Kind { name: "unload", id: "c4a8546c27034074b5272d7326098c6b", priority: INFO }
            }
            Self::Refusal => {
                Kind { name: "refusal", id: "826e5da7a03e45858c5a54795e848196", priority: WARNING }
            }
            Self::Jump => {
                Kind { name: "jump", id: "73a5aa10364d41d599f5d2a333dc8787", priority: NOTICE }
            }
            Self::CameUp => {
                Kind { name: "came-up", id: "c521c01fd31c4e78be81ef42acc5264e", priority: NOTICE }
            }
            Self::CameUpOtherwise => Kind {
                name: "came-up-otherwise",
                id: "0b4b5bb5a5f84829b3263057380149ac",
                priority: WARNING,
            },
        }
    }
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub what: What,
    /// For people.
    pub sentence: String,
    /// For programs, besides `TURNOUT_EVENT`.
    pub fields: Vec<Field>,
}

/// A field of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Upper case; it gets `TURNOUT_` before it.
    pub name: &'static str,
    /// May have line ends.
    pub value: String,
}

impl Event {
    /// One with no fields of its own.
    #[must_use]
    pub fn new(what: What, sentence: impl Into<String>) -> Self {
        Self { what, sentence: sentence.into(), fields: Vec::new() }
    }

    /// The same with one field more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push(Field { name, value: value.into() });
        self
    }

    /// As the journal takes it, in one datagram.
    #[must_use]
    pub fn datagram(&self) -> Vec<u8> {
        let Kind { name, id, priority } = self.what.kind();
        let mut out = Vec::new();
        write(&mut out, "MESSAGE", &printable(&self.sentence));
        write(&mut out, "PRIORITY", &priority.to_string());
        write(&mut out, "SYSLOG_IDENTIFIER", "turnout");
        write(&mut out, "MESSAGE_ID", id);
        write(&mut out, "TURNOUT_EVENT", name);
        self.fields.iter().for_each(|field| {
            write(&mut out, &[OURS, field.name].concat(), &field.value);
        });
        out
    }

    /// As the kernel's log takes it, in one line.
    #[must_use]
    pub fn line(&self) -> String {
        let Kind { name, priority, .. } = self.what.kind();
        let priority = FACILITY | priority;
        let sentence = shown(&self.sentence, MAX_LINE);
        format!("<{priority}>turnout: {sentence} ({OURS}EVENT={name})\n")
    }
}

fn write(out: &mut Vec<u8>, name: &str, value: &str) {
    let value = start(value).as_bytes();
    out.extend(name.as_bytes());
    if value.contains(&b'\n') {
        out.push(b'\n');
        out.extend(u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend(value);
    out.push(b'\n');
}

/// What of a value is told.
fn start(value: &str) -> &str {
    let end = value.floor_char_boundary(MAX_VALUE);
    value.split_at_checked(end).map_or(value, |(start, _)| start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Reads a datagram as the journal does.
    fn fields(mut bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut fields = BTreeMap::new();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
            let line = &bytes[..end];
            bytes = &bytes[end + 1..];
            let (name, value) = match line.iter().position(|byte| *byte == b'=') {
                Some(at) => (&line[..at], &line[at + 1..]),
                None => {
                    let (length, rest) = bytes.split_first_chunk::<8>().unwrap();
                    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap();
                    assert_eq!(rest[length], b'\n');
                    bytes = &rest[length + 1..];
                    (line, &rest[..length])
                }
            };
            let name = String::from_utf8(name.to_vec()).unwrap();
            assert_eq!(fields.insert(name, value.to_vec()), None);
        }
        fields
    }

    #[test]
    fn every_field_arrives_and_no_value_makes_one_of_its_own() {
        let event = Event::new(What::Refusal, "no:\nPRIORITY=0")
            .with("ENTRY", "a\nMESSAGE_ID=b\n")
            .with("CMDLINE", "root=/dev/vda MESSAGE=c")
            .with("LONG", "ü".repeat(MAX_VALUE));
        let told = fields(&event.datagram());
        let text = |name: &str| core::str::from_utf8(&told[name]).unwrap();
        assert_eq!(text("MESSAGE"), "no:\\nPRIORITY=0");
        assert_eq!((text("PRIORITY"), text("TURNOUT_EVENT")), ("4", "refusal"));
        assert_eq!(text("SYSLOG_IDENTIFIER"), "turnout");
        assert_eq!(text("MESSAGE_ID"), What::Refusal.kind().id);
        assert_eq!(text("TURNOUT_ENTRY"), "a\nMESSAGE_ID=b\n");
        assert_eq!(text("TURNOUT_CMDLINE"), "root=/dev/vda MESSAGE=c");
        assert_eq!(text("TURNOUT_LONG").len(), MAX_VALUE);
        assert_eq!(told.len(), 8);
    }

    #[test]
    fn every_kind_has_an_id_of_its_own() {
        let all = [
            What::Load,
            What::Unload,
            What::Refusal,
            What::Jump,
            What::CameUp,
            What::CameUpOtherwise,
        ];
        let kinds: BTreeMap<_, _> = all.map(|what| (what.kind().id, what.kind().name)).into();
        assert_eq!(kinds.len(), all.len());
        assert!(kinds.keys().all(|id| id.len() == 32 && id.chars().all(|c| c.is_ascii_hexdigit())));
    }

    #[test]
    fn the_kernels_log_gets_one_bounded_line() {
        let event = Event::new(What::Jump, "leaving\n<0>panic ".to_owned() + &"x".repeat(2000));
        let line = event.line();
        assert!(line.starts_with("<13>turnout: leaving\\n<0>panic xx"), "{line}");
        assert!(line.ends_with("... (TURNOUT_EVENT=jump)\n"), "{line}");
        assert!(line.len() <= MAX_LINE + 40, "{}", line.len());
        assert_eq!(line.lines().count(), 1);
    }
}
