//! What GRUB leaves beside entries: its environment block. Its scripts are not
//! read.

pub(crate) mod environment;
