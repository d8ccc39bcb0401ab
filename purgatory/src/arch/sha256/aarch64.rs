//! aarch64: FEAT_SHA256 (Arm DDI 0487, C7.2, SHA256H, SHA256H2, SHA256SU0 and
//! SHA256SU1).
//!
//! SHA256H and SHA256H2 do four rounds on a state in two registers, A to D and E
//! to H, the first named in the lowest 32 bits: one gives the new A to D, the
//! other the new E to H. Both wait for those before, so that a second message in
//! between costs little.

use core::arch::aarch64::{
    uint8x16_t, uint32x4_t, vaddq_u32, vdupq_n_u32, vgetq_lane_u32, vreinterpretq_u32_u8,
    vrev32q_u8, vsetq_lane_u32, vsha256h2q_u32, vsha256hq_u32, vsha256su0q_u32, vsha256su1q_u32,
};
use core::arch::asm;

use crate::sha256::{BLOCK, K};

/// A message in the making.
#[derive(Clone, Copy)]
struct Lane {
    abcd: uint32x4_t,
    efgh: uint32x4_t,
    /// Sixteen words of the schedule, the first in the lowest bits.
    words: [uint32x4_t; 4],
}

/// Compresses blocks into the state of their place, as many as all places have.
///
/// # Safety
///
/// The CPU has FEAT_SHA256, and access to vector registers is not trapped.
#[target_feature(enable = "neon,sha2")]
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
            lane.abcd = vaddq_u32(lane.abcd, before.abcd);
            lane.efgh = vaddq_u32(lane.efgh, before.efgh);
        }
    }
    for (state, lane) in states.into_iter().zip(lanes) {
        *state = lane.state();
    }
}

impl Lane {
    #[inline]
    #[target_feature(enable = "neon,sha2")]
    fn of(state: &[u32; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = *state;
        let abcd = vector([a, b, c, d]);
        let efgh = vector([e, f, g, h]);
        Self { abcd, efgh, words: [vdupq_n_u32(0); 4] }
    }

    #[inline]
    #[target_feature(enable = "neon,sha2")]
    fn state(self) -> [u32; 8] {
        let Self { abcd, efgh, .. } = self;
        [
            vgetq_lane_u32::<0>(abcd),
            vgetq_lane_u32::<1>(abcd),
            vgetq_lane_u32::<2>(abcd),
            vgetq_lane_u32::<3>(abcd),
            vgetq_lane_u32::<0>(efgh),
            vgetq_lane_u32::<1>(efgh),
            vgetq_lane_u32::<2>(efgh),
            vgetq_lane_u32::<3>(efgh),
        ]
    }

    /// Sixteen rounds.
    #[inline]
    #[target_feature(enable = "neon,sha2")]
    fn rounds(&mut self, constants: &[u32; 16]) {
        let (constants, _) = constants.as_chunks();
        for (words, constants) in self.words.iter().zip(constants) {
            let sum = vaddq_u32(*words, vector(*constants));
            let abcd = vsha256hq_u32(self.abcd, self.efgh, sum);
            self.efgh = vsha256h2q_u32(self.efgh, self.abcd, sum);
            self.abcd = abcd;
        }
    }

    /// The next sixteen words of the message schedule, in place of the last.
    #[inline]
    #[target_feature(enable = "neon,sha2")]
    fn schedule(&mut self) {
        let [a, b, c, d] = self.words;
        let a = vsha256su1q_u32(vsha256su0q_u32(a, b), c, d);
        let b = vsha256su1q_u32(vsha256su0q_u32(b, c), d, a);
        let c = vsha256su1q_u32(vsha256su0q_u32(c, d), a, b);
        let d = vsha256su1q_u32(vsha256su0q_u32(d, a), b, c);
        self.words = [a, b, c, d];
    }
}

#[inline]
#[target_feature(enable = "neon,sha2")]
fn vector([a, b, c, d]: [u32; 4]) -> uint32x4_t {
    let vector = vsetq_lane_u32::<1>(b, vdupq_n_u32(a));
    vsetq_lane_u32::<3>(d, vsetq_lane_u32::<2>(c, vector))
}

/// The words of a block, big-endian there.
#[inline]
#[target_feature(enable = "neon,sha2")]
fn words(block: &[u8; BLOCK]) -> [uint32x4_t; 4] {
    let (quarters, _) = block.as_chunks::<16>();
    let mut words = [vdupq_n_u32(0); 4];
    for (words, quarter) in words.iter_mut().zip(quarters) {
        *words = vreinterpretq_u32_u8(vrev32q_u8(load(quarter)));
    }
    words
}

/// As bytes, whatever the alignment: the blob is compiled for memory that takes
/// no unaligned access, where a compiler would load each byte by itself.
#[inline]
#[target_feature(enable = "neon,sha2")]
fn load(bytes: &[u8; 16]) -> uint8x16_t {
    let vector;
    // SAFETY: reads the 16 bytes, and nothing else.
    unsafe {
        asm!("ld1 {{{0:v}.16b}}, [{1}]", out(vreg) vector, in(reg) bytes,
             options(pure, readonly, nostack, preserves_flags));
    }
    vector
}
