//! Builds the purgatory blob for the target and leaves it in OUT_DIR as
//! purgatory.bin, to be embedded.
//!
//! The blob is one piece of code that runs at whatever address it is loaded to.
//! It is compiled by the compiler and for the target of the binary it goes into,
//! linked as a position-independent executable, and laid out flat. A blob that
//! would need a relocation to run is refused here, not found out on a device.
//!
//! Also tells the linker what a static release binary can do without, and to write
//! a map of it.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use goblin::elf::program_header::PT_LOAD;
use goblin::elf::section_header::{SHN_UNDEF, SHT_REL, SHT_RELA};
use goblin::elf::{Elf, ProgramHeader};
use purgatory::{BLOCK_OFFSET, Block};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Nothing here comes near it: a longer blob is a mistake in the linking.
const MAX_BLOB: usize = 256 * 1024;

/// ELF gABI, section types; not in goblin.
const SHT_RELR: u32 = 19;

/// What unwinds a panic. A release build aborts instead, and never looks at it;
/// the C runtime's start files expect their own parts to be there.
const WITHOUT_UNWINDING: &str = "\
SECTIONS {
    /DISCARD/ : { *(EXCLUDE_FILE(*crtbegin*.o *crtend*.o) .eh_frame) *(.gcc_except_table*) }
} INSERT AFTER .text;
";

/// The programs of this package.
const PROGRAMS: [&str; 2] = ["turnout-init", "turnout"];

const INPUTS: [&str; 6] = [
    "build.rs",
    "Cargo.lock",
    "Cargo.toml",
    "purgatory/Cargo.toml",
    "purgatory/purgatory.ld",
    "purgatory/src",
];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error=the purgatory: {}", error.to_string().replace('\n', " | "));
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    for input in INPUTS {
        println!("cargo::rerun-if-changed={input}");
    }
    let out = PathBuf::from(variable("OUT_DIR")?);
    let archive = compile(&out.join("purgatory"))?;
    let linked = out.join("purgatory.elf");
    link(&archive, &linked)?;
    let blob = flatten(&fs::read(linked)?)?;
    check_block(&blob)?;
    fs::write(out.join("purgatory.bin"), blob)?;
    instruct_linker(&out)
}

/// Tells the linker what a static release binary can do without, and to write
/// down what it put where (OUT_DIR/PROGRAM.map).
fn instruct_linker(out: &Path) -> Result<()> {
    if variable("PROFILE")? != "release" || variable("CARGO_CFG_TARGET_ENV")? != "musl" {
        return Ok(());
    }
    shrink(&out.join("without-unwinding.ld"))?;
    for program in PROGRAMS {
        let map = out.join(format!("{program}.map"));
        println!("cargo::rustc-link-arg-bin={program}=-Map={}", map.display());
    }
    Ok(())
}

/// Leaves out unwinding tables, and packs the relocations that a
/// position-independent binary does at its start (RELR, which musl has known
/// since 1.2.4).
fn shrink(script: &Path) -> Result<()> {
    fs::write(script, WITHOUT_UNWINDING)?;
    let script = format!("-T{}", script.display());
    for argument in ["-zpack-relative-relocs", "--no-eh-frame-hdr", "--icf=all", &script] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    Ok(())
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|error| format!("{name}: {error}").into())
}

/// A cargo inside cargo: the release profile, whatever the outer one builds, with a target directory of its own: the outer one
/// holds the lock of the shared one. What it needs, the outer one has already
/// locked and downloaded.
fn compile(target_dir: &Path) -> Result<PathBuf> {
    let triple = variable("TARGET")?;
    let mut cargo = Command::new(variable("CARGO")?);
    forget_outer_cargo(&mut cargo);
    cargo
        .args(["rustc", "--frozen", "--package", "purgatory", "--example", "blob"])
        .args(["--crate-type", "staticlib", "--release", "--target", &triple])
        .arg("--target-dir")
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(&variable("CARGO_CFG_TARGET_ARCH")?));
    if env::var_os("CARGO_FEATURE_TEST_HOOKS").is_some() {
        cargo.args(["--features", "test-hooks"]);
    }
    run(&mut cargo)?;
    Ok(target_dir.join(triple).join("release/examples/libblob.a"))
}

/// Settings of the outer build (profile, flags, clippy as the compiler) must
/// not reach the blob.
fn forget_outer_cargo(cargo: &mut Command) {
    let kept = |name: &OsString| name == "CARGO_HOME" || name == "CARGO_MAKEFLAGS";
    let settings = env::vars_os().map(|(name, _)| name).filter(|name| {
        let text = name.to_string_lossy();
        let flags = ["RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"];
        text.starts_with("CARGO_") || flags.contains(&text.as_ref())
    });
    for name in settings.filter(|name| !kept(name)) {
        cargo.env_remove(name);
    }
}

/// Without vector code there is less to get wrong about the state of the CPU;
/// without CPUID (sha2's own choice of backend) there is no exception under
/// SEV-ES; with the MMU off, aarch64 takes no unaligned access.
fn rustflags(arch: &str) -> String {
    let mut flags = vec![
        "-Crelocation-model=pic",
        "-Cforce-unwind-tables=no",
        "-Cno-vectorize-loops",
        "-Cno-vectorize-slp",
        "--cfg=sha2_backend=\"soft\"",
    ];
    if arch == "aarch64" {
        flags.push("-Ctarget-feature=+strict-align");
    }
    flags.join("\x1f")
}

fn link(archive: &Path, linked: &Path) -> Result<()> {
    let mut linker = linker()?;
    linker
        .args(["-pie", "--no-dynamic-linker", "--gc-sections", "--build-id=none"])
        .args(["-z", "norelro", "-z", "max-page-size=4096", "-u", "purgatory_entry"])
        .arg(format!("--defsym=BLOCK_OFFSET={BLOCK_OFFSET}"))
        .args(["-T", "purgatory/purgatory.ld", "-o"])
        .args([linked, archive]);
    run(&mut linker)
}

/// The linker that comes with rustup's toolchain, or else, with a compiler from
/// Debian, binutils.
fn linker() -> Result<Command> {
    let mut rustc = Command::new(variable("RUSTC")?);
    let sysroot = String::from_utf8(rustc.args(["--print", "sysroot"]).output()?.stdout)?;
    let tools = Path::new(sysroot.trim()).join("lib/rustlib").join(variable("HOST")?).join("bin");
    let lld = tools.join("rust-lld");
    if !lld.exists() {
        return Ok(Command::new(format!("{}-linux-gnu-ld", variable("CARGO_CFG_TARGET_ARCH")?)));
    }
    let mut linker = Command::new(lld);
    linker.args(["-flavor", "gnu"]);
    Ok(linker)
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("cannot run {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} failed ({}): {}", output.status, said.trim()).into())
}

/// The bytes from the blob's first to the last of its stack, as they must lie
/// in memory.
fn flatten(file: &[u8]) -> Result<Vec<u8>> {
    let elf = Elf::parse(file)?;
    refuse_relocations(&elf)?;
    refuse_undefined_symbols(&elf)?;
    let mut blob = Vec::new();
    for segment in elf.program_headers.iter().filter(|header| header.p_type == PT_LOAD) {
        place(&mut blob, segment, file)?;
    }
    refuse_stack_outside(&elf, blob.len())?;
    Ok(blob)
}

fn refuse_relocations(elf: &Elf<'_>) -> Result<()> {
    for section in &elf.section_headers {
        if matches!(section.sh_type, SHT_REL | SHT_RELA | SHT_RELR) && section.sh_size != 0 {
            let name = elf.shdr_strtab.get_at(section.sh_name).unwrap_or("unnamed");
            return Err(format!("{} bytes of relocations left in {name}", section.sh_size).into());
        }
    }
    Ok(())
}

fn refuse_undefined_symbols(elf: &Elf<'_>) -> Result<()> {
    let undefined = |section: usize| u32::try_from(section) == Ok(SHN_UNDEF);
    let names = elf.syms.iter().filter(|symbol| undefined(symbol.st_shndx) && symbol.st_name != 0);
    let names: Vec<_> = names.filter_map(|symbol| elf.strtab.get_at(symbol.st_name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(format!("undefined: {}", names.join(", ")).into())
}

/// Linkers differ in what they count as part of a segment.
fn refuse_stack_outside(elf: &Elf<'_>, length: usize) -> Result<()> {
    let is_top = |name| elf.strtab.get_at(name) == Some("purgatory_stack_top");
    let top = elf.syms.iter().find(|symbol| is_top(symbol.st_name)).ok_or("no stack")?;
    if usize::try_from(top.st_value)? == length {
        return Ok(());
    }
    Err(format!("the stack ends at {:#x}, the blob at {length:#x}", top.st_value).into())
}

fn place(blob: &mut Vec<u8>, segment: &ProgramHeader, file: &[u8]) -> Result<()> {
    let start = usize::try_from(segment.p_vaddr)?;
    let end = start.saturating_add(usize::try_from(segment.p_memsz)?);
    if end > MAX_BLOB {
        return Err(format!("{end} bytes, more than {MAX_BLOB}").into());
    }
    let bytes = file.get(segment.file_range()).ok_or("the linker wrote a truncated file")?;
    blob.resize(blob.len().max(end), 0);
    let place = blob.get_mut(start..).and_then(|from| from.get_mut(..bytes.len()));
    place.ok_or("a segment has more bytes than memory")?.copy_from_slice(bytes);
    Ok(())
}

/// What the loader will do with it must work.
fn check_block(blob: &[u8]) -> Result<()> {
    let mut block = Block::new(0, 0);
    block.add_check("build", [0; 32], &[])?;
    Ok(purgatory::install(&mut blob.to_vec(), &block)?)
}
