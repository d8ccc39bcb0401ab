//! Writes the manual pages and completions of Turnout's programs.
//!
//! What can be called is taken from the tables that the programs parse by, so nothing here
//! repeats an option.

use clap::{Arg, Command};
use turnout::cli::described;
use turnout::cli::words::{Opt, Program};

fn main() {
    let programs =
        [described::turnout(), described::kexec()].iter().map(command).collect::<Vec<_>>();
    let others = [
        mkinitramfs::programs::mkinitramfs::command(),
        mkinitramfs::programs::turnout_sign::command(),
    ];
    for mut command in programs.into_iter().chain(others) {
        print!("{}", command.render_long_help());
    }
}

/// A program of the table as clap knows programs.
fn command(program: &Program) -> Command {
    let commands = program
        .commands
        .iter()
        .map(|one| Command::new(one.name).about(one.about).args(one.options.iter().map(arg)));
    Command::new(program.name)
        .disable_help_flag(true)
        .args(program.options.iter().map(arg))
        .subcommands(commands)
}

fn arg(option: &Opt) -> Arg {
    let name = option.names.first().copied().unwrap_or_default();
    let arg = Arg::new(name).long(name).help(option.about);
    match option.short {
        Some(letter) => arg.short(letter),
        None => arg,
    }
}
