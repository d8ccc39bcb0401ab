//! From the bytes of a serial console to keys.
//!
//! A console also delivers what nobody typed: line noise, and a terminal's
//! answers to questions that an earlier program asked. Only complete known
//! sequences become keys (ECMA-48 control sequences as VT100 and xterm send
//! them); everything else is swallowed, and the state is a few bytes whatever
//! comes in.

use core::mem;
use core::time::Duration;

/// How long the rest of a sequence may take; a lone Escape is one after this.
pub const SEQUENCE_TIMEOUT: Duration = Duration::from_millis(100);

/// Longest control sequence that is still believed to be one, in bytes.
const MAX_SEQUENCE: u8 = 16;
/// Longest answer of a terminal that is swallowed, in bytes.
const MAX_STRING: u8 = 255;

const ESCAPE: u8 = 0x1b;
const BELL: u8 = 0x07;

/// A key that was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Cursor up, or `k`.
    Up,
    /// Cursor down, or `j`.
    Down,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Home.
    Home,
    /// End.
    End,
    /// Enter, however the terminal ends a line.
    Enter,
    /// The space bar.
    Space,
    /// A digit from 1 to 9.
    Digit(u8),
    /// `d`: make it the default.
    Default,
    /// Anything else: means nothing.
    Other,
}

/// Turns bytes into keys, one at a time.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Ground,
    /// After a carriage return: a line feed belongs to it.
    CarriageReturn,
    /// After `ESC`.
    Escape,
    /// After `ESC O`: one more byte.
    SingleShift,
    /// After `ESC [`: the first parameter, whether it is complete, and how
    /// many bytes there were.
    Control { parameter: u8, complete: bool, length: u8 },
    /// In a string that ends with BEL or `ESC \`.
    String { length: u8 },
}

impl Decoder {
    /// Takes one byte; gives a key if the byte completes one.
    pub fn push(&mut self, byte: u8) -> Option<Key> {
        match mem::take(&mut self.state) {
            State::CarriageReturn if byte == b'\n' => None,
            State::Ground | State::CarriageReturn => self.ground(byte),
            State::Escape => self.escape(byte),
            State::SingleShift => Some(final_byte(byte, 0)),
            State::Control { parameter, complete, length } => {
                self.control(byte, parameter, complete, length)
            }
            State::String { length } => self.string(byte, length),
        }
    }

    /// Whether a sequence has begun. If nothing more comes for
    /// [`SEQUENCE_TIMEOUT`], call [`Decoder::give_up`].
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        !matches!(self.state, State::Ground | State::CarriageReturn)
    }

    /// Forgets a sequence that was never completed.
    pub const fn give_up(&mut self) {
        self.state = State::Ground;
    }

    const fn ground(&mut self, byte: u8) -> Option<Key> {
        let key = match byte {
            ESCAPE => {
                self.state = State::Escape;
                return None;
            }
            b'\r' => {
                self.state = State::CarriageReturn;
                Key::Enter
            }
            b'\n' => Key::Enter,
            b' ' => Key::Space,
            b'k' => Key::Up,
            b'j' => Key::Down,
            b'd' => Key::Default,
            b'1'..=b'9' => Key::Digit(byte.saturating_sub(b'0')),
            _ => Key::Other,
        };
        Some(key)
    }

    const fn escape(&mut self, byte: u8) -> Option<Key> {
        self.state = match byte {
            ESCAPE => State::Escape,
            b'[' => State::Control { parameter: 0, complete: false, length: 0 },
            b'O' => State::SingleShift,
            b']' | b'P' | b'X' | b'^' | b'_' => State::String { length: 0 },
            _ => return Some(Key::Other),
        };
        None
    }

    fn control(&mut self, byte: u8, parameter: u8, complete: bool, length: u8) -> Option<Key> {
        let length = length.saturating_add(1);
        match byte {
            ESCAPE => self.state = State::Escape,
            b'0'..=b'9' if !complete && length < MAX_SEQUENCE => {
                let digit = byte.saturating_sub(b'0');
                let parameter = parameter.saturating_mul(10).saturating_add(digit);
                self.state = State::Control { parameter, complete, length };
            }
            b' '..=b'?' if length < MAX_SEQUENCE => {
                self.state = State::Control { parameter, complete: true, length };
            }
            _ => return Some(final_byte(byte, parameter)),
        }
        None
    }

    fn string(&mut self, byte: u8, length: u8) -> Option<Key> {
        match byte {
            ESCAPE => self.state = State::Escape,
            BELL => return Some(Key::Other),
            _ if length == MAX_STRING => return Some(Key::Other),
            _ => self.state = State::String { length: length.saturating_add(1) },
        }
        None
    }
}

/// What the last byte of a control or single-shift sequence means.
const fn final_byte(byte: u8, parameter: u8) -> Key {
    match (byte, parameter) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'H', _) | (b'~', 1 | 7) => Key::Home,
        (b'F', _) | (b'~', 4 | 8) => Key::End,
        (b'~', 5) => Key::PageUp,
        (b'~', 6) => Key::PageDown,
        (b'M', 0) => Key::Enter,
        _ => Key::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        bytes.iter().filter_map(|byte| decoder.push(*byte)).collect()
    }

    #[test]
    fn every_form_of_a_key_is_known() {
        let cases: [(&[u8], Key); 20] = [
            (b"\x1b[A", Key::Up),
            (b"\x1bOA", Key::Up),
            (b"\x1b[1;5A", Key::Up),
            (b"k", Key::Up),
            (b"\x1b[B", Key::Down),
            (b"\x1bOB", Key::Down),
            (b"j", Key::Down),
            (b"\x1b[H", Key::Home),
            (b"\x1b[1~", Key::Home),
            (b"\x1b[7~", Key::Home),
            (b"\x1bOF", Key::End),
            (b"\x1b[4~", Key::End),
            (b"\x1b[8~", Key::End),
            (b"\x1b[5~", Key::PageUp),
            (b"\x1b[6~", Key::PageDown),
            (b"\r", Key::Enter),
            (b"\n", Key::Enter),
            (b"\r\n", Key::Enter),
            (b" ", Key::Space),
            (b"9", Key::Digit(9)),
        ];
        for (bytes, key) in cases {
            assert_eq!(decode(bytes), [key], "{}", bytes.escape_ascii());
        }
        assert_eq!(decode(b"\r\r\n\n"), [Key::Enter; 3]);
    }

    #[test]
    fn a_sequence_may_come_in_pieces_and_a_lone_escape_ends_by_itself() {
        let mut decoder = Decoder::default();
        assert_eq!((decoder.push(0x1b), decoder.is_pending()), (None, true));
        assert_eq!((decoder.push(b'['), decoder.is_pending()), (None, true));
        assert_eq!((decoder.push(b'B'), decoder.is_pending()), (Some(Key::Down), false));
        assert_eq!(decoder.push(0x1b), None);
        decoder.give_up();
        assert_eq!((decoder.is_pending(), decoder.push(b'2')), (false, Some(Key::Digit(2))));
    }

    #[test]
    fn noise_and_a_terminals_answers_are_no_keys() {
        let cases: [&[u8]; 12] = [
            b"\x03",
            b"\x1c",
            b"\x00\xff\x80\x9b",
            b"0",
            b"x",
            b"\x1b[24;80R",
            b"\x1b[?1;2c",
            b"\x1b]11;rgb:1111/2222/3333\x1b\\",
            b"\x1b]11;rgb:1111/2222/3333\x07",
            b"\x1bP1+r436f=323536\x1b\\",
            b"\x1bj",
            b"\x1b[3~",
        ];
        for bytes in cases {
            let keys = decode(bytes);
            assert!(
                keys.iter().all(|key| *key == Key::Other),
                "{}: {keys:?}",
                bytes.escape_ascii()
            );
        }
    }

    #[test]
    fn an_escape_inside_a_sequence_starts_a_new_one() {
        assert_eq!(decode(b"\x1b[12\x1b[A"), [Key::Up]);
        assert_eq!(decode(b"\x1b\x1b[B"), [Key::Down]);
        assert_eq!(decode(b"\x1b]0;title\x1b[A"), [Key::Up]);
    }

    #[test]
    fn endless_sequences_end() {
        for start in [&b"\x1b["[..], b"\x1b]"] {
            let mut decoder = Decoder::default();
            let garbage = start.iter().copied().chain([b'0'; 300]);
            assert!(garbage.filter_map(|byte| decoder.push(byte)).all(|key| key == Key::Other));
            assert_eq!(decoder.push(b'j'), Some(Key::Down));
        }
    }
}
