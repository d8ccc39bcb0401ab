//! The compression function in plain integers (FIPS 180-4, section 6.2.2).

use super::{BLOCK, K};

/// Compresses the blocks into the state, one after the other.
pub(super) fn compress(state: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
    for block in blocks {
        let mut words = words(block);
        let mut working = *state;
        let [first, second, third, fourth] = &K;
        rounds::<false>(&mut working, &mut words, first);
        for constants in [second, third, fourth] {
            rounds::<true>(&mut working, &mut words, constants);
        }
        for (sum, word) in state.iter_mut().zip(working) {
            *sum = sum.wrapping_add(word);
        }
    }
}

fn words(block: &[u8; BLOCK]) -> [u32; 16] {
    let mut words = [0; 16];
    let (bytes, _) = block.as_chunks();
    for (word, bytes) in words.iter_mut().zip(bytes) {
        *word = u32::from_be_bytes(*bytes);
    }
    words
}

/// Sixteen rounds, on the next sixteen words of the message schedule, if `NEXT`,
/// in place of the last. The names of the working variables move by one place a
/// round instead of the values; their rotations are nested, which takes fewer
/// copies; and a round's `a ^ b` is the `b ^ c` of the next.
#[inline(always)]
fn rounds<const NEXT: bool>(working: &mut [u32; 8], w: &mut [u32; 16], constants: &[u32; 16]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *working;
    macro_rules! round {
        ($t:expr, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
            if NEXT {
                w[$t] = scheduled(w[$t], w[($t + 1) % 16], w[($t + 9) % 16], w[($t + 14) % 16]);
            }
            let sum = (($e.rotate_right(14) ^ $e).rotate_right(5) ^ $e).rotate_right(6);
            let choice = ($e & ($f ^ $g)) ^ $g;
            let word = constants[$t].wrapping_add(w[$t]);
            $h = $h.wrapping_add(word).wrapping_add(choice).wrapping_add(sum);
            $d = $d.wrapping_add($h);
            let sum = (($a.rotate_right(9) ^ $a).rotate_right(11) ^ $a).rotate_right(2);
            let majority = $b ^ (($a ^ $b) & ($b ^ $c));
            $h = $h.wrapping_add(majority).wrapping_add(sum);
        };
    }
    macro_rules! eight_rounds {
        ($t:expr) => {
            round!($t, a b c d e f g h);
            round!($t + 1, h a b c d e f g);
            round!($t + 2, g h a b c d e f);
            round!($t + 3, f g h a b c d e);
            round!($t + 4, e f g h a b c d);
            round!($t + 5, d e f g h a b c);
            round!($t + 6, c d e f g h a b);
            round!($t + 7, b c d e f g h a);
        };
    }
    eight_rounds!(0);
    eight_rounds!(8);
    *working = [a, b, c, d, e, f, g, h];
}

/// A word from those 16, 15, 7 and 2 places before it.
#[inline(always)]
fn scheduled(w16: u32, w15: u32, w7: u32, w2: u32) -> u32 {
    let near = w15.rotate_right(7) ^ w15.rotate_right(18) ^ (w15 >> 3);
    let far = w2.rotate_right(17) ^ w2.rotate_right(19) ^ (w2 >> 10);
    w16.wrapping_add(near).wrapping_add(w7).wrapping_add(far)
}
