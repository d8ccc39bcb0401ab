//! The manual pages and completions of Turnout's programs.
//!
//! What can be called is taken from the tables that the programs parse by, and what
//! documents say already from the documents: nothing here repeats an option or a format.

mod completions;
mod from_clap;
mod from_table;
mod markdown;
mod model;
mod page;
mod release;
mod roff;

use anyhow::Result;
use turnout::cli::described;
use turnout::settings;

use model::Program;
use page::Page;
use roff::{Font, Roff};

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where, below the directory of all.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// The programs.
struct Programs {
    turnout: Program,
    kexec: Program,
    turnout_sign: Program,
    mkinitramfs: Program,
}

/// Every page and every completion.
///
/// # Errors
/// A document has something that no page can show.
pub fn files() -> Result<Vec<File>> {
    let programs = Programs {
        turnout: from_table::program(&described::turnout()),
        kexec: from_table::program(&described::kexec()),
        turnout_sign: from_clap::program(
            mkinitramfs::programs::turnout_sign::command(),
            "turnout-sign",
        ),
        // Debian has another mkinitramfs, so packages call it so.
        mkinitramfs: from_clap::program(
            mkinitramfs::programs::mkinitramfs::command(),
            "turnout-mkinitramfs",
        ),
    };
    let mut files = program_pages(&programs)?;
    files.append(&mut format_pages()?);
    let Programs { turnout, kexec, turnout_sign, mkinitramfs } = &programs;
    files.extend([turnout, kexec, turnout_sign, mkinitramfs].into_iter().flat_map(completions));
    Ok(files)
}

fn program_pages(programs: &Programs) -> Result<Vec<File>> {
    let pages = [
        (
            &programs.turnout,
            Page {
                name: "turnout",
                section: 8,
                about: "verified kexec, boot menus, slots and checks of a running system",
                prose: include_str!("../../man/turnout.md"),
                see_also: &[
                    "kexec(8)",
                    "turnout-sign(1)",
                    "turnout-mkinitramfs(8)",
                    "turnout.conf(5)",
                    "turnout-manifest(5)",
                    "turnout-policy(5)",
                    "systemctl(1)",
                ],
            },
        ),
        (
            &programs.kexec,
            Page {
                name: "kexec",
                section: 8,
                about: "load a kernel and start it, by the command line of kexec-tools",
                prose: include_str!("../../man/kexec.md"),
                see_also: &["turnout(8)", "turnout.conf(5)", "systemctl(1)"],
            },
        ),
        (
            &programs.turnout_sign,
            Page {
                name: "turnout-sign",
                section: 1,
                about: "keys, signatures and checks for what Turnout boots",
                prose: include_str!("../../man/turnout-sign.md"),
                see_also: &[
                    "turnout(8)",
                    "turnout.conf(5)",
                    "turnout-manifest(5)",
                    "turnout-policy(5)",
                    "ssh-keygen(1)",
                    "ssh-agent(1)",
                ],
            },
        ),
        (
            &programs.mkinitramfs,
            Page {
                name: "turnout-mkinitramfs",
                section: 8,
                about: "pack Turnout, kernel modules and keys into an initramfs",
                prose: include_str!("../../man/turnout-mkinitramfs.md"),
                see_also: &["turnout(8)", "turnout-sign(1)", "turnout-policy(5)"],
            },
        ),
    ];
    pages.iter().map(|(program, page)| program_page(program, page)).collect()
}

fn program_page(program: &Program, page: &Page<'_>) -> Result<File> {
    let text = page.write(&[
        ("Synopsis", &|roff| page::synopsis(program, roff)),
        ("Commands", &|roff| page::commands(program, roff)),
        ("Options", &|roff| page::options(program, roff)),
    ])?;
    Ok(man(page, text))
}

fn format_pages() -> Result<Vec<File>> {
    let conf = Page {
        name: "turnout.conf",
        section: 5,
        about: "what turnout and its hooks take where no option says it",
        prose: include_str!("../../man/turnout.conf.md"),
        see_also: &["turnout(8)", "turnout-sign(1)"],
    };
    let manifest = Page {
        name: "turnout-manifest",
        section: 5,
        about: "manifest, signature and key ring of what Turnout boots",
        prose: include_str!("../../../docs/manifest.md"),
        see_also: &["turnout-sign(1)", "turnout-policy(5)", "turnout(8)", "ssh-keygen(1)"],
    };
    let policy = Page {
        name: "turnout-policy",
        section: 5,
        about: "how many keys must sign, what is too old to boot, what was revoked",
        prose: include_str!("../../../docs/policy.md"),
        see_also: &["turnout-sign(1)", "turnout-manifest(5)", "turnout-mkinitramfs(8)"],
    };
    Ok(vec![
        man(&conf, conf.write(&[("Keys", &keys)])?),
        man(&manifest, manifest.write(&[])?),
        man(&policy, policy.write(&[])?),
    ])
}

/// Every key of turnout.conf.
fn keys(roff: &mut Roff) {
    for key in settings::PROSE {
        roff.tag();
        roff.words(key.name, Font::Bold);
        roff.words(" ", Font::Roman);
        roff.words(key.value, Font::Italic);
        roff.tagged();
        roff.words(key.about, Font::Roman);
        if key.repeats {
            roff.words(" The line may be there more than once.", Font::Roman);
        }
    }
}

fn man(page: &Page<'_>, text: String) -> File {
    File { path: format!("man/{}.{}", page.name, page.section), text }
}

fn completions(program: &Program) -> [File; 3] {
    let name = &program.name;
    [
        File { path: format!("completions/bash/{name}"), text: completions::bash(program) },
        File { path: format!("completions/zsh/_{name}"), text: completions::zsh(program) },
        File { path: format!("completions/fish/{name}.fish"), text: completions::fish(program) },
    ]
}
