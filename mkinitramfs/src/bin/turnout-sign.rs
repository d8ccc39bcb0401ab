//! `turnout-sign`: keys, signatures and checks for the entries of a boot
//! partition. Exit codes: 0 done, 1 an entry was refused, 2 anything else.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};
use mkinitramfs::{entry, key_file, sign};
use turnout::arch::Arch;
use turnout::trust::Role;
use turnout::trust::allowed_signers::KeyRing;

/// Signs what Turnout boots
#[derive(Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 an entry was refused, 2 anything else.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes an Ed25519 key in OpenSSH's format: FILE (0600) and FILE.pub
    Keygen(Keygen),
    /// Writes DIR/turnout/ENTRY.manifest and its signature
    Sign(Sign),
    /// Checks entries as a locked device would
    Verify(Verify),
}

#[derive(Args)]
struct Keygen {
    /// Private key to create; never overwritten
    #[arg(short, long)]
    file: PathBuf,
    /// Comment in the public key, such as release@example.org
    #[arg(short = 'C', long, default_value = "turnout")]
    comment: String,
    /// Passphrase; asked for on a terminal if not given, empty for none
    #[arg(short = 'N', long)]
    passphrase: Option<String>,
}

#[derive(Args)]
struct Sign {
    /// OpenSSH private key, type ssh-ed25519
    #[arg(long)]
    key: PathBuf,
    #[command(flatten)]
    entries: Entries,
    /// Grows when older entries must no longer boot
    #[arg(long, default_value_t = 0)]
    security_version: u32,
}

#[derive(Args)]
struct Verify {
    /// Key ring of the device, in OpenSSH's allowed_signers format
    #[arg(long)]
    keys: PathBuf,
    #[command(flatten)]
    entries: Entries,
}

#[derive(Args)]
struct Entries {
    /// Root of the boot partition, as a directory
    #[arg(long)]
    root: PathBuf,
    /// What the signature is for: turnout-boot, turnout-recovery,
    /// turnout-policy or turnout-unlock
    #[arg(long, default_value = "turnout-boot", value_parser = role)]
    namespace: Role,
    /// x86_64 or aarch64, where the kernel image does not tell
    #[arg(long, value_parser = architecture)]
    architecture: Option<Arch>,
    /// Ids: the names in DIR/loader/entries without .conf and boot counter
    #[arg(required = true)]
    entry: Vec<String>,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Keygen(args) => keygen(&args).map(|()| true),
        Command::Sign(args) => sign_entries(&args).map(|()| true),
        Command::Verify(args) => verify_entries(&args),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("turnout-sign: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn role(name: &str) -> Result<Role> {
    let role = Role::ALL.into_iter().find(|role| role.namespace().name() == name);
    let names = Role::ALL.map(|role| role.namespace().name());
    role.with_context(|| format!("choose one of {}", names.join(", ")))
}

fn architecture(name: &str) -> Result<Arch> {
    Arch::parse(name).context("choose x86_64 or aarch64")
}

fn keygen(args: &Keygen) -> Result<()> {
    let passphrase = match &args.passphrase {
        Some(passphrase) => passphrase.clone(),
        None if io::stdin().is_terminal() => new_passphrase()?,
        None => String::new(),
    };
    let passphrase = Some(passphrase.as_str()).filter(|passphrase| !passphrase.is_empty());
    let public = key_file::generate(&args.file, &args.comment, passphrase)?;
    eprintln!("{} holds the private key; keep it off the boot partition.", args.file.display());
    eprintln!("For the key ring (mkinitramfs --keys):");
    print!("{}", sign::ring_line(&public, Role::Boot));
    Ok(())
}

fn new_passphrase() -> Result<String> {
    let passphrase = rpassword::prompt_password("Passphrase (empty for none): ")?;
    let again = rpassword::prompt_password("The same again: ")?;
    ensure!(passphrase == again, "the passphrases differ");
    Ok(passphrase)
}

fn ask_passphrase(key: &Path) -> Result<String> {
    if !io::stdin().is_terminal() {
        bail!("{} has a passphrase and there is no terminal to ask for it", key.display());
    }
    Ok(rpassword::prompt_password(format!("Passphrase of {}: ", key.display()))?)
}

fn sign_entries(args: &Sign) -> Result<()> {
    let key = key_file::load(&args.key, || ask_passphrase(&args.key))?;
    let fingerprint = key_file::public(&key)?.fingerprint();
    let Entries { root, namespace, architecture, entry: ids } = &args.entries;
    for id in ids {
        let boot = entry::read(root, id)?;
        let arch = boot.plain_architecture(*architecture).with_context(|| id.clone())?;
        sign::sign(root, boot, arch, args.security_version, *namespace, &key)?;
        println!("signed {id}: {arch}, {}, key {fingerprint}", namespace.namespace());
    }
    Ok(())
}

/// Whether every entry was accepted.
fn verify_entries(args: &Verify) -> Result<bool> {
    let name = args.keys.display();
    let ring = std::fs::read(&args.keys).with_context(|| format!("cannot read {name}"))?;
    let ring = KeyRing::parse(&ring).with_context(|| name.to_string())?;
    let Entries { root, namespace, architecture, entry: ids } = &args.entries;
    let mut accepted = true;
    for id in ids {
        let boot = entry::read(root, id)?;
        let arch = boot.architecture(*architecture).with_context(|| id.clone())?;
        match sign::check(root, boot, arch, *namespace, &ring)? {
            Ok(signer) => println!("verified {id}: signed by {signer}"),
            Err(refusal) => {
                println!("refused {id}: {}: {refusal}", refusal.code());
                accepted = false;
            }
        }
    }
    Ok(accepted)
}
