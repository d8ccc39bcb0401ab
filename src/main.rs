//! PID 1, and the command line of a running system.

fn main() {}
