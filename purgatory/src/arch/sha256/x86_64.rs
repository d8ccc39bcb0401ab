//! x86_64: the SHA extensions (Intel SDM, volume 2, SHA256RNDS2, SHA256MSG1 and
//! SHA256MSG2).
//!
//! SHA256RNDS2 does two rounds on a state in two registers: A, B, E, F and C, D,
//! G, H, the first named in the highest 32 bits. It gives the new A, B, E, F; the
//! new C, D, G, H are the old A, B, E, F. Each waits for the one before, so that
//! a second message in between costs little.

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_loadu_si128, _mm_set_epi32,
    _mm_set_epi64x, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
    _mm_shuffle_epi8, _mm_shuffle_epi32,
};

use crate::sha256::{BLOCK, K};

/// A message in the making.
#[derive(Clone, Copy)]
struct Lane {
    abef: __m128i,
    cdgh: __m128i,
    /// Sixteen words of the schedule, the first in the lowest bits.
    words: [__m128i; 4],
}

/// Compresses blocks into the state of their place, as many as all places have.
///
/// # Safety
///
/// The CPU has the SHA extensions, SSSE3 and SSE4.1, and SSE is turned on.
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
pub(crate) fn compress<const N: usize>(states: [&mut [u32; 8]; N], blocks: [&[[u8; BLOCK]]; N]) {
    let mut lanes = states.each_ref().map(|state| Lane::of(state));
    let count = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    for at in 0..count {
        let before = lanes;
        for (lane, blocks) in lanes.iter_mut().zip(blocks) {
            let Some(block) = blocks.get(at) else { return };
            lane.words = words(block);
        }
        let [first, rest @ ..] = &K;
        for lane in &mut lanes {
            lane.rounds(first);
        }
        for constants in rest {
            for lane in &mut lanes {
                lane.schedule();
            }
            for lane in &mut lanes {
                lane.rounds(constants);
            }
        }
        for (lane, before) in lanes.iter_mut().zip(before) {
            lane.abef = _mm_add_epi32(lane.abef, before.abef);
            lane.cdgh = _mm_add_epi32(lane.cdgh, before.cdgh);
        }
    }
    for (state, lane) in states.into_iter().zip(lanes) {
        *state = lane.state();
    }
}

impl Lane {
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn of(state: &[u32; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
        let words = [_mm_set_epi64x(0, 0); 4];
        Self { abef: _mm_set_epi32(a, b, e, f), cdgh: _mm_set_epi32(c, d, g, h), words }
    }

    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn state(self) -> [u32; 8] {
        let Self { abef, cdgh, .. } = self;
        [
            _mm_extract_epi32::<3>(abef),
            _mm_extract_epi32::<2>(abef),
            _mm_extract_epi32::<3>(cdgh),
            _mm_extract_epi32::<2>(cdgh),
            _mm_extract_epi32::<1>(abef),
            _mm_extract_epi32::<0>(abef),
            _mm_extract_epi32::<1>(cdgh),
            _mm_extract_epi32::<0>(cdgh),
        ]
        .map(i32::cast_unsigned)
    }

    /// Sixteen rounds.
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn rounds(&mut self, constants: &[u32; 16]) {
        let (constants, _) = constants.as_chunks();
        for (words, constants) in self.words.iter().zip(constants) {
            let [first, second, third, fourth] = constants.map(u32::cast_signed);
            let sum = _mm_add_epi32(*words, _mm_set_epi32(fourth, third, second, first));
            self.cdgh = _mm_sha256rnds2_epu32(self.cdgh, self.abef, sum);
            let high = _mm_shuffle_epi32::<0b1110>(sum);
            self.abef = _mm_sha256rnds2_epu32(self.abef, self.cdgh, high);
        }
    }

    /// The next sixteen words of the message schedule, in place of the last.
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    fn schedule(&mut self) {
        let [a, b, c, d] = self.words;
        let a = next(a, b, c, d);
        let b = next(b, c, d, a);
        let c = next(c, d, a, b);
        let d = next(d, a, b, c);
        self.words = [a, b, c, d];
    }
}

/// The four words behind sixteen.
#[inline]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn next(a: __m128i, b: __m128i, c: __m128i, d: __m128i) -> __m128i {
    let sum = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8::<4>(d, c));
    _mm_sha256msg2_epu32(sum, d)
}

/// The words of a block, big-endian there.
#[inline]
#[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
fn words(block: &[u8; BLOCK]) -> [__m128i; 4] {
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let mut words = [swap; 4];
    let (quarters, _) = block.as_chunks::<16>();
    for (words, quarter) in words.iter_mut().zip(quarters) {
        // SAFETY: 16 bytes, of any alignment.
        let bytes = unsafe { _mm_loadu_si128(quarter.as_ptr().cast()) };
        *words = _mm_shuffle_epi8(bytes, swap);
    }
    words
}
