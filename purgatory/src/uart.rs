//! One line on a UART, by polling, and never for long: a UART that does not
//! take a byte in time is given up for the rest of the line.
//!
//! References: TI PC16550D (line status register), Arm DDI 0183 (PL011 flag
//! register).

use purgatory::Uart;

/// A byte takes 1.04 ms at 9600 baud; a read of a register takes about 1
/// microsecond behind I/O ports, and not less than 20 ns elsewhere.
const PATIENCE: u32 = 100_000;

/// Access to the registers of a UART, by their offset.
pub(crate) trait Registers {
    fn read(&self, offset: u64) -> u32;
    fn write(&self, offset: u64, value: u32);
}

/// Which bits of the status register must have which value.
struct State {
    mask: u32,
    value: u32,
}

/// Where a UART has what is needed to send.
struct Model {
    data: u64,
    status: u64,
    /// Takes another byte.
    ready: State,
    /// Has sent the last one.
    idle: State,
}

const MODEL_8250: Model = Model {
    data: 0,
    status: 5,
    ready: State { mask: 0x20, value: 0x20 },
    idle: State { mask: 0x40, value: 0x40 },
};

const MODEL_PL011: Model = Model {
    data: 0,
    status: 0x18,
    ready: State { mask: 0x20, value: 0 },
    idle: State { mask: 0x08, value: 0 },
};

/// A line that is being printed.
pub(crate) struct Line<R> {
    /// `None` if there is no UART, or no longer one that answers.
    registers: Option<R>,
    model: Model,
}

impl<R: Registers> Line<R> {
    /// Starts a line of its own, whatever the old kernel left on the screen.
    pub(crate) fn begin(uart: Uart, registers: Option<R>) -> Self {
        let model = if matches!(uart, Uart::Pl011 { .. }) { MODEL_PL011 } else { MODEL_8250 };
        let mut line = Self { registers, model };
        line.put(b"\r\npurgatory:");
        line
    }

    pub(crate) fn put(&mut self, text: &[u8]) {
        text.iter().for_each(|byte| self.put_byte(*byte));
    }

    /// ` NAME=0x1234`.
    #[allow(dead_code, reason = "not every architecture has a value to print")]
    pub(crate) fn put_value(&mut self, name: &[u8], value: u64) {
        self.put(b" ");
        self.put(name);
        self.put(b"=0x");
        let digits = value.checked_ilog2().unwrap_or(0) / 4;
        for at in (0..=digits).rev() {
            let digit = u32::try_from(value >> (at * 4) & 0xf).unwrap_or(0);
            let digit = char::from_digit(digit, 16).map(u8::try_from);
            self.put_byte(digit.and_then(Result::ok).unwrap_or(b'?'));
        }
    }

    /// The end of every line, sent to its last bit: what is still in a FIFO at
    /// a reset or a jump may be lost.
    pub(crate) fn end(&mut self, text: &[u8]) {
        self.put(text);
        self.put(b"\r\n");
        self.wait(|model| &model.idle);
    }

    fn put_byte(&mut self, byte: u8) {
        self.wait(|model| &model.ready);
        if let Some(registers) = &self.registers {
            registers.write(self.model.data, u32::from(byte));
        }
    }

    fn wait(&mut self, state: impl Fn(&Model) -> &State) {
        let State { mask, value } = state(&self.model);
        self.registers = self.registers.take().filter(|registers| {
            (0..PATIENCE).any(|_| registers.read(self.model.status) & mask == *value)
        });
    }
}
