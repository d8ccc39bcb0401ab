//! Numbers that look like chance and are the same at every run.

/// xorshift (Marsaglia 2003).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// One of many sequences, told apart by a number.
    pub(crate) fn of(number: u64) -> Self {
        let mut dice = Self(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            dice.below(2);
        }
        dice
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    pub(crate) fn one_of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list.get(self.below(list.len())).unwrap()
    }

    /// Whether one chance of so many came true.
    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}
