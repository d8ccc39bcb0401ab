//! The ground that everything stands on: small things without a subject of their
//! own. Nothing here imports anything of ours, touches the machine or knows
//! what a boot is.

pub mod addr;
pub mod arch;
pub mod bytes;
pub mod cpio;
pub mod digest;
pub mod glob;
pub mod json;
pub mod patience;
pub mod progress;
pub mod reader;
pub mod similar;
pub mod sort;
pub mod switches;
pub mod text;
pub mod used;
