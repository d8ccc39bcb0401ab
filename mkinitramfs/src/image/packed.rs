//! Compresses each module by itself, for machines with little memory: PID 1 unpacks
//! those alone that a device asks for.

use anyhow::{Context as _, Result, ensure};
use turnout::sys::module::MAX;

use super::compress;
use super::modules::Module;
use super::parallel;

/// What PID 1 tells such a module by.
pub const SUFFIX: &str = ".zst";

/// The modules in zstd, each in a file of its own.
///
/// # Errors
/// One that PID 1 would not unpack, for its size.
pub fn each(modules: Vec<Module>) -> Result<Vec<Module>> {
    let packed: Result<Vec<_>> = parallel::map(&modules, pack).into_iter().collect();
    let changed = modules.into_iter().zip(packed?);
    Ok(changed.map(|(module, bytes)| renamed(module, bytes)).collect())
}

fn pack(module: &Module) -> Result<Vec<u8>> {
    let path = &module.path;
    let size = module.bytes.len() as u64;
    ensure!(size <= MAX, "{path} has {size} bytes, and {MAX} at most are unpacked at the start");
    compress::alone(&module.bytes).with_context(|| path.clone())
}

fn renamed(mut module: Module, bytes: Vec<u8>) -> Module {
    module.path.push_str(SUFFIX);
    module.bytes = bytes;
    module
}
