//! PID 1 of a boot environment. On a running system the program only says what
//! it is: it changes nothing there.

use std::process::ExitCode;

use turnout::{boot, sys};

const USAGE: &str = "\
turnout boots machines: as PID 1 of an initramfs made by mkinitramfs it finds a
boot menu on a partition, proves what it boots, and kexecs into it.

usage: turnout --help | --version";

/// Exit status of a command line that cannot be understood.
const USAGE_STATUS: u8 = 2;

fn main() -> ExitCode {
    if sys::is_pid_1() {
        boot::run();
    }
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--version"] => println!("turnout {}", env!("CARGO_PKG_VERSION")),
        ["--help"] => println!("{USAGE}"),
        [] => return complain("this is not PID 1, and no argument says what to do"),
        [first, ..] => return complain(&format!("{first:?} is not understood")),
    }
    ExitCode::SUCCESS
}

fn complain(what: &str) -> ExitCode {
    eprintln!("turnout: {what}\n\n{USAGE}");
    ExitCode::from(USAGE_STATUS)
}
