//! From the bytes of a console to keys.
//!
//! A console also delivers what nobody typed: line noise, and a terminal's
//! answers to questions that an earlier program asked. Only complete known
//! sequences become keys (ECMA-48 control sequences as VT100, xterm and the
//! Linux console send them); everything else is swallowed, and the state is a
//! few bytes whatever comes in. A read with a byte in it that no key sends is
//! noise, all of it and what follows at once: among random bytes are letters too.

use core::mem;
use core::time::Duration;

/// How long the rest of a sequence may take; a lone Escape is one after this.
pub const SEQUENCE_TIMEOUT: Duration = Duration::from_millis(100);

/// How long after noise the line has to be silent before a key is believed.
const SILENCE: Duration = Duration::from_millis(200);
/// So many bytes of noise without a key in between: nobody types there.
const MAX_NOISE: u32 = 4096;

/// Longest control sequence that is still believed to be one, in bytes.
const MAX_SEQUENCE: u8 = 16;
/// Longest answer of a terminal that is swallowed, in bytes.
const MAX_STRING: u8 = 255;

const ESCAPE: u8 = 0x1b;
const BELL: u8 = 0x07;
/// Ctrl-C.
const INTERRUPT: u8 = 0x03;

/// A key that was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Cursor up.
    Up,
    /// Cursor down.
    Down,
    /// Cursor left.
    Left,
    /// Cursor right.
    Right,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Home.
    Home,
    /// End.
    End,
    /// Delete: the character under the cursor.
    Delete,
    /// Enter, however the terminal ends a line.
    Enter,
    /// Escape, and nothing after it.
    Escape,
    /// Backspace, whichever of its two codes the terminal sends.
    Backspace,
    /// Tab, at the prompt.
    Tab,
    /// F1.
    Help,
    /// A printable ASCII character.
    Char(char),
    /// A letter with Control, as the capital letter.
    Control(char),
    /// Anything else: means nothing.
    Other,
}

/// What one console sends, as keys.
#[derive(Debug, Default)]
pub struct Input {
    decoder: Decoder,
    /// Until then nothing is believed.
    silent_until: Duration,
    /// Bytes of noise since the last key.
    noise: u32,
    /// Whether Tab and Ctrl-C are keys.
    is_prompt: bool,
}

impl Input {
    /// What a console sends to the prompt, where Tab and Ctrl-C are keys too.
    #[must_use]
    pub fn of_prompt() -> Self {
        Self { is_prompt: true, ..Self::default() }
    }

    /// The keys of one read at the time `now`.
    pub fn keys(&mut self, bytes: &[u8], now: Duration) -> Vec<Key> {
        let mut unknown = bytes.iter().filter(|byte| is_sent_by_no_key(**byte));
        let is_noise = unknown.any(|byte| !(self.is_prompt && *byte == INTERRUPT));
        if is_noise || now < self.silent_until {
            self.noise = self.noise.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            self.silent_until = now.saturating_add(SILENCE);
            self.decoder = Decoder::default();
            return Vec::new();
        }
        let mut keys: Vec<_> = bytes.iter().filter_map(|byte| self.decoder.push(*byte)).collect();
        if !self.is_prompt {
            keys.iter_mut().filter(|key| **key == Key::Tab).for_each(|key| *key = Key::Other);
        }
        if keys.iter().any(|key| *key != Key::Other) {
            self.noise = 0;
        }
        keys
    }

    /// Whether a sequence has begun. If nothing more comes for
    /// [`SEQUENCE_TIMEOUT`], call [`Input::give_up`].
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.decoder.is_pending()
    }

    /// Ends a sequence that was never completed: an Escape alone is a key.
    pub fn give_up(&mut self) -> Option<Key> {
        self.decoder.give_up()
    }

    /// Whether so much noise has come that nobody needs to listen any more.
    #[must_use]
    pub const fn is_noisy(&self) -> bool {
        self.noise > MAX_NOISE
    }
}

/// 8-bit bytes, and the control characters that the menu has no use for.
const fn is_sent_by_no_key(byte: u8) -> bool {
    match byte {
        BELL | 0x08 | b'\t' | b'\n' | b'\r' | ESCAPE | 0x7f => false,
        _ => byte >= 0x80 || (byte < b' ' && control(byte).is_none()),
    }
}

/// What the editor of the command line knows.
const fn control(byte: u8) -> Option<Key> {
    match byte {
        0x01 => Some(Key::Control('A')),
        0x05 => Some(Key::Control('E')),
        0x0b => Some(Key::Control('K')),
        0x15 => Some(Key::Control('U')),
        0x17 => Some(Key::Control('W')),
        _ => None,
    }
}

/// Turns bytes into keys, one at a time.
#[derive(Debug, Default)]
struct Decoder {
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
    /// After `ESC [ [`, the Linux console's F1 to F5: one more byte.
    Function,
    /// After `ESC [`: the first parameter, whether it is complete, and how
    /// many bytes there were.
    Control { parameter: u8, complete: bool, length: u8 },
    /// In a string that ends with BEL or `ESC \`.
    String { length: u8 },
}

impl Decoder {
    /// Takes one byte; gives a key if the byte completes one.
    fn push(&mut self, byte: u8) -> Option<Key> {
        match mem::take(&mut self.state) {
            State::CarriageReturn if byte == b'\n' => None,
            State::Ground | State::CarriageReturn => self.ground(byte),
            State::Escape => self.escape(byte),
            State::SingleShift => Some(final_byte(byte, 0)),
            State::Function => Some(if byte == b'A' { Key::Help } else { Key::Other }),
            State::Control { parameter, complete, length } => {
                self.control(byte, parameter, complete, length)
            }
            State::String { length } => self.string(byte, length),
        }
    }

    const fn is_pending(&self) -> bool {
        !matches!(self.state, State::Ground | State::CarriageReturn)
    }

    fn give_up(&mut self) -> Option<Key> {
        (mem::take(&mut self.state) == State::Escape).then_some(Key::Escape)
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
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
            0x08 | 0x7f => Key::Backspace,
            b'\t' => Key::Tab,
            INTERRUPT => Key::Control('C'),
            b' '..=b'~' => Key::Char(char::from(byte)),
            _ => control(byte).unwrap_or(Key::Other),
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
            b'[' if length == 1 => self.state = State::Function,
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
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', 1 | 7) => Key::Home,
        (b'F', _) | (b'~', 4 | 8) => Key::End,
        (b'~', 3) => Key::Delete,
        (b'~', 5) => Key::PageUp,
        (b'~', 6) => Key::PageDown,
        (b'P', 0) | (b'~', 11) => Key::Help,
        (b'M', 0) => Key::Enter,
        _ => Key::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Vec<Key> {
        Input::default().keys(bytes, Duration::ZERO)
    }

    #[test]
    fn every_form_of_a_key_is_known() {
        let cases: [(&[u8], Key); 32] = [
            (b"\x1b[A", Key::Up),
            (b"\x1bOA", Key::Up),
            (b"\x1b[1;5A", Key::Up),
            (b"\x1b[B", Key::Down),
            (b"\x1bOB", Key::Down),
            (b"\x1b[C", Key::Right),
            (b"\x1bOD", Key::Left),
            (b"\x1b[H", Key::Home),
            (b"\x1b[1~", Key::Home),
            (b"\x1b[7~", Key::Home),
            (b"\x1bOF", Key::End),
            (b"\x1b[4~", Key::End),
            (b"\x1b[8~", Key::End),
            (b"\x1b[3~", Key::Delete),
            (b"\x1b[5~", Key::PageUp),
            (b"\x1b[6~", Key::PageDown),
            (b"\x1bOP", Key::Help),
            (b"\x1b[11~", Key::Help),
            (b"\x1b[[A", Key::Help),
            (b"\r", Key::Enter),
            (b"\n", Key::Enter),
            (b"\r\n", Key::Enter),
            (b"\x08", Key::Backspace),
            (b"\x7f", Key::Backspace),
            (b"\x01", Key::Control('A')),
            (b"\x05", Key::Control('E')),
            (b"\x0b", Key::Control('K')),
            (b"\x15", Key::Control('U')),
            (b"\x17", Key::Control('W')),
            (b" ", Key::Char(' ')),
            (b"9", Key::Char('9')),
            (b"k", Key::Char('k')),
        ];
        for (bytes, key) in cases {
            assert_eq!(decode(bytes), [key], "{}", bytes.escape_ascii());
        }
        assert_eq!(decode(b"\r\r\n\n"), [Key::Enter; 3]);
    }

    #[test]
    fn a_sequence_may_come_in_pieces_and_a_lone_escape_ends_by_itself() {
        let mut input = Input::default();
        for (bytes, keys, is_pending) in [
            (b"\x1b", &[][..], true),
            (b"[", &[], true),
            (b"B", &[Key::Down], false),
            (b"\x1b", &[], true),
        ] {
            assert_eq!(input.keys(bytes, Duration::ZERO), keys);
            assert_eq!(input.is_pending(), is_pending);
        }
        assert_eq!(input.give_up(), Some(Key::Escape));
        assert!(!input.is_pending());
        assert_eq!(input.keys(b"\x1b[1", Duration::ZERO), []);
        assert_eq!(input.give_up(), None, "half a sequence is no key");
        assert_eq!(input.keys(b"2", Duration::ZERO), [Key::Char('2')]);
    }

    #[test]
    fn a_terminals_answers_and_unknown_sequences_are_no_keys() {
        let cases: [&[u8]; 9] = [
            b"\t",
            b"\x1b[24;80R",
            b"\x1b[?1;2c",
            b"\x1b]11;rgb:1111/2222/3333\x1b\\",
            b"\x1b]11;rgb:1111/2222/3333\x07",
            b"\x1bP1+r436f=323536\x1b\\",
            b"\x1bj",
            b"\x1b[[E",
            b"\x1b[15~",
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
    fn a_read_with_a_byte_that_no_key_sends_is_noise_and_so_is_what_follows_at_once() {
        let at = Duration::from_millis;
        for noise in [&b"j\xff"[..], b"\x00\r", b"\x03", b"\x1b[\x9bA", b"\x1c1\r"] {
            let mut input = Input::default();
            assert_eq!(input.keys(noise, at(1000)), [], "{}", noise.escape_ascii());
            assert_eq!(input.keys(b"\r", at(1199)), [], "too soon to be believed");
            assert_eq!(input.keys(b"\r", at(1400)), [Key::Enter], "the line was silent");
        }
    }

    #[test]
    fn tab_and_ctrl_c_are_keys_of_the_prompt_only() {
        let keys = Input::of_prompt().keys(b"\t\x03\r", Duration::ZERO);
        assert_eq!(keys, [Key::Tab, Key::Control('C'), Key::Enter]);
        assert_eq!(Input::of_prompt().keys(b"\x02", Duration::ZERO), [], "this is noise there too");
        assert_eq!(decode(b"\t"), [Key::Other]);
    }

    #[test]
    fn a_line_with_nothing_but_noise_is_told_from_one_that_somebody_uses() {
        let mut input = Input::default();
        for n in 0..64 {
            assert!(!input.is_noisy());
            input.keys(&[0xff; 64], Duration::from_secs(n));
        }
        assert!(!input.is_noisy(), "not yet");
        input.keys(b"j", Duration::from_secs(100));
        input.keys(&[0xff; 64], Duration::from_secs(101));
        assert!(!input.is_noisy(), "a key was pressed");
        (0..64).for_each(|n| drop(input.keys(&[0xff; 64], Duration::from_secs(102 + n))));
        assert!(input.is_noisy());
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
            let mut input = Input::default();
            let garbage: Vec<u8> = start.iter().copied().chain([b';'; 300]).collect();
            let keys = input.keys(&garbage, Duration::ZERO);
            assert!(keys.iter().all(|key| matches!(key, Key::Other | Key::Char(';'))));
            assert_eq!(input.keys(b"j", Duration::ZERO), [Key::Char('j')]);
        }
    }
}
