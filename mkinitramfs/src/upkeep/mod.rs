//! Keeps a machine's boot menu signed while kernels and initrds come and go.
//!
//! Specification: `docs/upkeep.md`.

pub mod kdump;
pub mod program;
pub mod sealer;
pub mod waiting;
