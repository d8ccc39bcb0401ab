//! The compression function in the CPU's instructions for it, on one message or
//! on several at once.
//!
//! Never asks the CPU whether it has them: who calls must know.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::compress;

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::compress;

/// Without instructions that are known here, there is nothing to be faster with.
#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
pub(crate) unsafe fn compress<const N: usize>(
    states: [&mut [u32; 8]; N],
    blocks: [&[[u8; crate::sha256::BLOCK]]; N],
) {
    for (state, blocks) in states.into_iter().zip(blocks) {
        crate::sha256::portable::compress(state, blocks);
    }
}

/// Whether this machine has them, for tests.
#[cfg(test)]
pub(crate) fn are_present() -> bool {
    extern crate std;
    #[cfg(target_arch = "x86_64")]
    let present = std::is_x86_feature_detected!("sha")
        && std::is_x86_feature_detected!("ssse3")
        && std::is_x86_feature_detected!("sse4.1");
    #[cfg(target_arch = "aarch64")]
    let present = std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
    let present = true;
    present
}
