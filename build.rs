//! Builds the purgatory blob and embeds it.

fn main() {}
