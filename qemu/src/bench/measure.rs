//! The benchmark: counted runs (see [`Accelerator::Counted`]), so figures are
//! instructions of the guest, not the mood of the host.
//!
//! The clock is the CPU's own counter, read by PID 1 (`turnout.ticks` on its
//! command line), by the incumbent's script and by the next system's script.

use super::model::{Processor, Report, Row, Sizes, Turns};
use super::transcript::{crate_hash_ns, labelled, next_clock, numbers_after, peaks};
use super::ways::{Drivers, Loader, NVME_MODULES, Way, configuration, in_order, ways};
use crate::boot_tree::{BootTree, Entry, Image, Key, console};
use crate::build::{self, Tools};
use crate::disk;
use crate::guest::{Flavour, Kernel};
use crate::initrd::{self, BOOT_DEVICE, Incumbent, READY};
use crate::machine::{Accelerator, Bus, COUNTED_WITHOUT_SHA_NI, Machine};
use crate::place::{self, Scratch};
use crate::serial::{Console, Event};
use anyhow::{Context, Result, anyhow, bail, ensure};
use mkinitramfs::image::compress::Compress;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use turnout::base::arch::Arch;

const LINUX: &str = "/vmlinuz";
const INITRD: &str = "/initrd";
/// Of host time, for one boot: some 30 s on a host that does nothing else.
const DEADLINE: Duration = Duration::from_secs(900);
/// As many as use the host's cores well; counted time does not notice.
const WORKERS: usize = 2;

/// Measures rows of one architecture, `runs` times each: those with `only` in their name,
/// or else all; but in a single run not those of generic kernels, whose universal images
/// take half a minute each to pack.
pub fn measure(arch: Arch, runs: usize, only: Option<&str>) -> Result<Report> {
    let mut ways = ways(arch);
    match only {
        Some(text) => ways.retain(|way| way.row().label().contains(text)),
        None if runs == 1 => ways.retain(|way| !way.flavour().is_generic()),
        None => {}
    }
    ensure!(!ways.is_empty(), "no row of {arch} has {:?} in its name", only.unwrap_or_default());
    let bench = Bench::prepare(arch)?;
    let queue = Mutex::new(ways.iter().copied());
    let rows: Vec<Row> = thread::scope(|scope| {
        let workers: Vec<_> =
            (0..WORKERS).map(|_| scope.spawn(|| bench.work_off(&queue, runs))).collect();
        let found = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err(anyhow!("a measurement panicked"))));
        Ok::<_, anyhow::Error>(found.collect::<Result<Vec<_>>>()?.concat())
    })?;
    Ok(Report { arch, sizes: bench.sizes()?, rows: in_order(rows, &ways) })
}

/// The run in the middle. Almost always all agree; but now and then one
/// kexec_load takes several times as long, most likely because the kernel is
/// handed pages that are themselves destinations (kimage_alloc_page).
fn median(runs: usize, run: impl Fn() -> Result<Row>) -> Result<Row> {
    let mut rows = (0..runs.max(1)).map(|_| run()).collect::<Result<Vec<Row>>>()?;
    rows.sort_by_key(|row| row.start_to_jump_ns);
    let middle = rows.len() / 2;
    rows.into_iter().nth(middle).context("no run")
}

/// What every row shares: the disk and the helper that tells time.
struct Bench {
    arch: Arch,
    scratch: Scratch,
    ticks: PathBuf,
    disk: PathBuf,
    tools: Tools,
    key: Key,
    binary: PathBuf,
    payload: u64,
}

impl Bench {
    fn prepare(arch: Arch) -> Result<Self> {
        let scratch = Scratch::new(&format!("bench-{arch}"))?;
        let kernel = Kernel::find(arch, Flavour::Cloud)?;
        let ticks = build::guest_program(arch, "ticks", "ticks", &[])?;
        let binary = build::init(arch, &[], scratch.path())?;
        let tools = Tools::build()?;
        let key = Key::generate(&tools, scratch.path(), "bench")?;
        let tree = boot_tree(arch, &scratch, &kernel, &ticks)?;
        key.sign(&tools, &tree, "next", &[])?;
        let payload = size(&tree.host_path(LINUX))? + size(&tree.host_path(INITRD))?;
        let disk = scratch.path().join("disk");
        build_disk(&scratch, &tree, &disk)?;
        Ok(Self { arch, scratch, ticks, disk, tools, key, binary, payload })
    }

    /// Measures what is in the queue until it is empty.
    fn work_off(&self, queue: &Mutex<impl Iterator<Item = Way>>, runs: usize) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        while let Some(way) = queue.lock().ok().and_then(|mut queue| queue.next()) {
            rows.push(median(runs, || self.measure(way))?);
        }
        Ok(rows)
    }

    fn measure(&self, way: Way) -> Result<Row> {
        eprintln!("bench: {} {}", self.arch, way.row().label());
        match way.loader {
            Loader::Turnout(engine) => self.turnout(way, engine),
            Loader::KexecTools(mode) => self.incumbent(way, mode),
            Loader::Drivers(drivers, flavour) => self.with_drivers(way, drivers, flavour),
        }
    }

    fn turnout(&self, way: Way, engine: &str) -> Result<Row> {
        let image = self.scratch.path().join(way.file("initramfs"));
        self.image(&configuration(engine), "zstd").write(&self.tools, &image)?;
        let text = self.boot(way, &image, "quiet turnout.ticks")?;
        let [start, open, jump, load, loaded, hashed] =
            ["start", "open", "jump", "load", "loaded", "hashed"]
                .map(|name| labelled(&text, "turnout: ticks ", name));
        let [hash, trust] = ["hash", "trust"].map(|name| labelled(&text, "turnout: spent ", name));
        let [rss, payload] = peaks(&text);
        let menus = numbers_after(&text, "next menu: ");
        let mut row = Row {
            load_ns: load,
            loaded_bytes: loaded,
            hashed_bytes: hashed,
            hash_ns: hash,
            crate_hash_ns: hashed.and_then(|bytes| crate_hash_ns(&text, bytes)),
            trust_ns: trust,
            menu_ns: menus.first().copied(),
            script_ns: menus.get(1).copied(),
            initramfs_bytes: Some(size(&image)?),
            peak_rss_bytes: rss,
            payload_rss_bytes: payload,
            ..way.row()
        };
        row.fill_times(&Turns { start, open, jump, next: next_clock(&text) });
        Ok(row)
    }

    fn with_drivers(&self, way: Way, drivers: Drivers, flavour: Flavour) -> Result<Row> {
        let image = self.scratch.path().join(way.file("initramfs"));
        let kernel = Kernel::find(self.arch, flavour)?;
        let modules: &[&str] = match drivers {
            Drivers::HandPicked => NVME_MODULES,
            Drivers::Universal => &[],
        };
        let made = Image {
            modules: Some((&kernel, modules)),
            universal: drivers == Drivers::Universal,
            ..self.image("", "zstd")
        };
        // As it is delivered, which takes some time to compress.
        if !image.exists() {
            made.write(&self.tools, &image)?;
        }
        let text = self.boot(way, &image, "quiet turnout.ticks")?;
        let [start, open, jump] =
            ["start", "open", "jump"].map(|name| labelled(&text, "turnout: ticks ", name));
        let [rss, payload] = peaks(&text);
        let mut row = Row {
            power_to_jump_ns: jump,
            initramfs_bytes: Some(size(&image)?),
            peak_rss_bytes: rss,
            payload_rss_bytes: payload,
            ..way.row()
        };
        row.fill_times(&Turns { start, open, jump, next: next_clock(&text) });
        Ok(row)
    }

    fn image<'a>(&'a self, config: &'a str, compress: &'a str) -> Image<'a> {
        Image { ring: Some(&self.key.ring), config, compress, ..Image::new(&self.binary) }
    }

    fn incumbent(&self, way: Way, mode: &str) -> Result<Row> {
        let plan = Incumbent {
            mode,
            device: BOOT_DEVICE,
            linux: LINUX,
            initrd: INITRD,
            options: &options(self.arch),
        };
        let image = self.scratch.path().join(way.file("initramfs"));
        let archive = initrd::incumbent(self.arch, &self.ticks, &plan)?;
        fs::write(&image, Compress::Zstd.apply(archive, None)?)?;
        let text = self.boot(way, &image, "quiet")?;
        let ticks = numbers_after(&text, "incumbent ticks: ");
        let &[start, begin, end] = ticks.as_slice() else {
            bail!("the incumbent's script printed no ticks:\n{text}");
        };
        let mut row = Row {
            load_ns: Some(end.saturating_sub(begin)),
            loaded_bytes: Some(self.payload),
            initramfs_bytes: Some(size(&image)?),
            ..way.row()
        };
        row.fill_times(&Turns {
            start: Some(start),
            open: Some(begin),
            jump: numbers_after(&text, "incumbent jump: ").first().copied(),
            next: next_clock(&text),
        });
        Ok(row)
    }

    /// Boots once, until the next system is ready, and gives all that was printed.
    fn boot(&self, way: Way, image: &Path, options: &str) -> Result<String> {
        let kernel = Kernel::find(self.arch, way.flavour())?;
        let mut machine = Machine::new(self.arch, kernel.image, image.to_owned());
        machine.options = options.to_owned();
        machine.accelerator = Accelerator::Counted;
        machine.disks.push((Bus::Nvme, self.disk.clone()));
        machine.shape.cpu = match way.processor {
            Processor::Usual => None,
            Processor::WithoutShaNi => Some(COUNTED_WITHOUT_SHA_NI),
        };
        let transcript = self.scratch.path().join(way.file("transcript"));
        let mut console = Console::start(&machine, &transcript)?;
        match console.wait_for(&[READY], DEADLINE)? {
            Event::Seen { .. } => Ok(console.text().to_owned()),
            other => bail!("the next system was not reached ({other:?}):\n{}", console.text()),
        }
    }

    fn sizes(&self) -> Result<Sizes> {
        Ok(Sizes {
            binary: size(&self.binary)?,
            purgatory: purgatory_size(self.arch, &fs::read(&self.binary)?),
            initramfs_raw: self.image_size("none")?,
            initramfs: self.image_size("xz")?,
        })
    }

    fn image_size(&self, compress: &str) -> Result<u64> {
        let out = self.scratch.path().join(format!("size.{compress}"));
        self.image("", compress).write(&self.tools, &out)?;
        size(&out)
    }
}

fn size(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file).with_context(|| file.display().to_string())?.len())
}

fn options(arch: Arch) -> String {
    format!("{} quiet demo.name=bench demo.sha256 demo.menu", console(arch))
}

fn boot_tree(arch: Arch, scratch: &Scratch, kernel: &Kernel, ticks: &Path) -> Result<BootTree> {
    let tree = BootTree::new(scratch.subdirectory("boot")?)?;
    tree.add_file(LINUX, &kernel.image)?;
    fs::write(tree.host_path(INITRD), initrd::next_system(arch, Some(ticks))?)?;
    tree.set_loader_conf("timeout 0\ndefault next\n")?;
    tree.add_entry(&Entry {
        id: "next",
        title: "The next system",
        linux: LINUX,
        initrds: &[INITRD],
        options: &options(arch),
    })?;
    Ok(tree)
}

fn build_disk(scratch: &Scratch, tree: &BootTree, disk: &Path) -> Result<()> {
    let esp = scratch.subdirectory("esp")?;
    disk::build(&disk::boot_partitions(esp, tree.root()), scratch.path(), disk)
}

/// Length of the purgatory.bin that is in `binary`: builds with other features
/// leave theirs beside it.
fn purgatory_size(arch: Arch, binary: &[u8]) -> Option<u64> {
    let targets = fs::read_dir(place::cargo_target()).ok()?.flatten();
    targets
        .filter(|target| target.file_name().to_string_lossy().starts_with(arch.name()))
        .filter_map(|target| fs::read_dir(target.path().join("release/build")).ok())
        .flat_map(Iterator::flatten)
        .filter_map(|package| fs::read(package.path().join("out/purgatory.bin")).ok())
        .find(|blob| !blob.is_empty() && binary.windows(blob.len()).any(|part| part == blob))
        .map(|blob| blob.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_row_has_is_told_before_anything_is_built() {
        let error = measure(Arch::Aarch64, 1, Some("-s")).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "no row of aarch64 has \"-s\" in its name");
    }
}
