//! What a job comes to: the same steps as `turnout load`, `unload` and `exec`, in
//! kexec-tools' order.

use super::job::{Job, Mode, OWN_INITRD};
use super::say;
use super::status::{DONE, FAILED, LOADED, MISUSED, Stopped};
use crate::cli::arguments::Load;
use crate::cli::exec::{self, Disks};
use crate::cli::loading::{load_files, need_root, unload};
use crate::failure::Failure;
use crate::host::record::By;
use crate::plan::Slot;
use crate::sys::kexec::{self, Staged};
use crate::sys::{file, shutdown};

/// What the journal has for whoever starts a kernel at once.
const EXEC: &str = "kexec";

/// Does it all; gives the exit status.
pub(super) fn act(job: &Job) -> Result<u8, Stopped> {
    if job.asks_status {
        return Ok(status_of(kexec::is_loaded(job.status_slot())));
    }
    if let Mode::Impossible(why) = &job.mode {
        return Err(Stopped::new(MISUSED, why.clone()));
    }
    let load = if job.loads() { Some(job.load()?) } else { None };
    let allowed = need_root("load, unload or start a kernel");
    allowed.map_err(|failure| Stopped::failed(&failure))?;
    if job.unloads {
        unload_from(job.slot)?;
    }
    if let Some(load) = &load {
        load_it(job, load)?;
    }
    match job.mode {
        Mode::Exec | Mode::Force => Err(start(job)),
        Mode::Restart => Err(restart()),
        _ => Ok(DONE),
    }
}

pub(super) const fn status_of(loaded: Option<bool>) -> u8 {
    match loaded {
        Some(true) => LOADED,
        Some(false) => DONE,
        None => FAILED,
    }
}

fn unload_from(slot: Slot) -> Result<(), Stopped> {
    unload(slot).map_err(|failure| Stopped::failed(&failure))
}

fn load_it(job: &Job, load: &Load) -> Result<(), Stopped> {
    job.said().iter().for_each(|said| say(said));
    check_crash_memory(load.slot)?;
    check_own_initrd(load)?;
    let done =
        load_files(load, By::Kexec).map_err(|failure| Stopped::of(&failure, load.request))?;
    done.said.iter().for_each(|said| say(said));
    // How it was loaded is the first line; the others are warnings.
    let hidden = usize::from(!job.debug);
    done.text.lines().skip(hidden).for_each(say);
    Ok(())
}

fn check_crash_memory(slot: Slot) -> Result<(), Stopped> {
    if slot == Slot::Normal || kexec::crash_size() != Some(0) {
        return Ok(());
    }
    let said = "no memory is reserved for a crash kernel: start this system with crashkernel=256M, \
                or as much as its crash kernel needs";
    Err(Stopped::new(MISUSED, said.to_owned()))
}

fn check_own_initrd(load: &Load) -> Result<(), Stopped> {
    let is_own = load.initrds.iter().any(|path| path.as_os_str() == OWN_INITRD);
    if !is_own || file::read_first(OWN_INITRD.as_ref(), 1).is_ok() {
        return Ok(());
    }
    let said = "the running kernel has not kept its initrd: start it with retain_initrd, or name \
                the file with --initrd";
    Err(Stopped::new(MISUSED, said.to_owned()))
}

/// Comes back only with the reason why nothing was started.
fn start(job: &Job) -> Stopped {
    match staged() {
        Ok(staged) if job.no_sync => refused(&exec::start(staged, Disks::AsTheyAre, EXEC)),
        Ok(staged) => refused(&exec::start(staged, Disks::WrittenBack, EXEC)),
        Err(stopped) => stopped,
    }
}

fn staged() -> Result<Staged, Stopped> {
    kexec::staged(Slot::Normal).ok_or_else(|| match kexec::is_loaded(Slot::Normal) {
        None => Stopped::new(FAILED, "the running kernel has no kexec".to_owned()),
        Some(_) => Stopped::new(
            MISUSED,
            "Nothing has been loaded: \"kexec -l KERNEL\" comes first".to_owned(),
        ),
    })
}

fn refused(failure: &Failure) -> Stopped {
    Stopped::new(FAILED, format!("kexec failed: {}", failure.sentence()))
}

fn restart() -> Stopped {
    Stopped::new(FAILED, shutdown::restart().to_string())
}
