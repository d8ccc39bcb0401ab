//! The benchmark: counted runs (see [`Accelerator::Counted`]), so figures are
//! instructions of the guest, not the mood of the host.
//!
//! The clock is the CPU's own counter, read by PID 1 (`turnout.ticks` on its
//! command line), by the incumbent's script and by the next system's script.

use crate::boot_tree::{BootTree, Entry, Image, Key, console};
use crate::build::{self, Tools};
use crate::disk;
use crate::guest::{Flavour, Kernel};
use crate::initrd::{self, BOOT_DEVICE, Incumbent, READY};
use crate::machine::{Accelerator, Bus, Machine};
use crate::place::{self, Scratch};
use crate::serial::{Console, Event};
use anyhow::{Context, Result, anyhow, bail};
use mkinitramfs::image::compress::Compress;
use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use turnout::arch::Arch;

const LINUX: &str = "/vmlinuz";
const INITRD: &str = "/initrd";
/// Of host time, for one boot: some 30 s on a host that does nothing else.
const DEADLINE: Duration = Duration::from_secs(900);

/// One way of booting, measured. Times are nanoseconds of guest time; `None`
/// where a row has no such figure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// What was measured.
    pub name: String,
    /// The load: reading, verifying (Turnout only) and the system call.
    pub load_ns: Option<u64>,
    /// From before the kernel file was opened to the jump: reading, verifying
    /// (Turnout only), loading, and leaving the disk.
    pub open_to_jump_ns: Option<u64>,
    /// From the jump to where the next kernel starts to keep time.
    pub jump_to_kernel_ns: Option<u64>,
    /// From the jump to the next system's init.
    pub jump_to_init_ns: Option<u64>,
    /// From the start of PID 1 to the jump.
    pub start_to_jump_ns: Option<u64>,
    /// Bytes given to the kernel to load.
    pub loaded_bytes: Option<u64>,
    /// Bytes that PID 1 hashed.
    pub hashed_bytes: Option<u64>,
    /// How long PID 1 hashed.
    pub hash_ns: Option<u64>,
    /// How long one call of the sha2 crate takes there for as many bytes.
    pub crate_hash_ns: Option<u64>,
    /// Everything else of verification.
    pub trust_ns: Option<u64>,
    /// How long it takes to read and to sort a menu of 1000 entries in memory.
    pub menu_ns: Option<u64>,
    /// The compressed initramfs.
    pub initramfs_bytes: Option<u64>,
    /// PID 1's peak resident set.
    pub peak_rss_bytes: Option<u64>,
    /// How much of that is the loaded payload.
    pub payload_rss_bytes: Option<u64>,
}

/// Sizes that do not depend on a run.
#[derive(Debug, Clone, Default)]
pub struct Sizes {
    /// The static binary.
    pub binary: u64,
    /// The purgatory embedded in it.
    pub purgatory: Option<u64>,
    /// The initramfs without modules, not compressed.
    pub initramfs_raw: u64,
    /// The same, compressed.
    pub initramfs: u64,
}

/// The figures of one architecture.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which architecture.
    pub arch: Arch,
    /// Sizes.
    pub sizes: Sizes,
    /// One row per way of booting, Turnout's first.
    pub rows: Vec<Row>,
}

/// Measures every row of one architecture, `runs` times each: Turnout on one
/// core of the host, the incumbent on another. Counted time does not notice.
pub fn measure(arch: Arch, runs: usize) -> Result<Report> {
    let bench = Bench::prepare(arch)?;
    let all = |run: &dyn Fn(&str) -> Result<Row>, of: &[&str]| {
        of.iter().map(|way| median(runs, || run(way))).collect()
    };
    let (turnout, incumbent): (Result<Vec<Row>>, Result<Vec<Row>>) = thread::scope(|scope| {
        let incumbent = scope.spawn(|| all(&|mode| bench.incumbent(mode), incumbent_modes(arch)));
        let turnout = all(&|way| bench.turnout(way), turnout_ways(arch));
        (turnout, incumbent.join().unwrap_or_else(|_| Err(anyhow!("a measurement panicked"))))
    });
    Ok(Report { arch, sizes: bench.sizes()?, rows: [turnout?, incumbent?].concat() })
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

/// Debian's arm64 kernels have no kexec_file_load, and no decompressor that
/// could be left out.
const fn turnout_ways(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::X86_64 => &["file", "segments", DIRECT_VMLINUX],
        Arch::Aarch64 => &["segments"],
    }
}

const DIRECT_VMLINUX: &str = "direct vmlinux";

/// The configuration of one of Turnout's ways.
fn configuration(way: &str) -> String {
    match way {
        DIRECT_VMLINUX => "engine segments\nvmlinux always\n".to_owned(),
        engine => format!("engine {engine}\nvmlinux never\n"),
    }
}

/// `-i` skips the check of the digest in the purgatory.
const fn incumbent_modes(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::X86_64 => &["-s", "-c", "-c -i"],
        Arch::Aarch64 => &["-c", "-c -i"],
    }
}

/// What every row shares: the kernel, the disk and the helper that tells time.
struct Bench {
    arch: Arch,
    scratch: Scratch,
    kernel: Kernel,
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
        let size = |path| Ok::<u64, anyhow::Error>(fs::metadata(tree.host_path(path))?.len());
        let payload = size(LINUX)? + size(INITRD)?;
        let disk = scratch.path().join("disk");
        build_disk(&scratch, &tree, &disk)?;
        Ok(Self { arch, scratch, kernel, ticks, disk, tools, key, binary, payload })
    }

    fn turnout(&self, way: &str) -> Result<Row> {
        eprintln!("bench: {} turnout, {way}", self.arch);
        let image = self.scratch.path().join("turnout.initramfs");
        self.image(&configuration(way), "zstd").write(&self.tools, &image)?;
        let text = self.run("turnout", &image, "quiet turnout.ticks")?;
        let mut row = Row { name: format!("turnout {way}"), ..self.common_figures(&image)? };
        let figure = |name| labelled(&text, "turnout: ticks ", name);
        row.load_ns = figure("load");
        row.fill_times(figure("start"), figure("open"), figure("jump"), next_clock(&text));
        row.loaded_bytes = figure("loaded");
        row.hashed_bytes = figure("hashed");
        let spent = |name| labelled(&text, "turnout: spent ", name);
        (row.hash_ns, row.trust_ns) = (spent("hash"), spent("trust"));
        row.crate_hash_ns = row.hashed_bytes.and_then(|bytes| crate_hash_ns(&text, bytes));
        row.menu_ns = numbers_after(&text, "next menu: ").first().copied();
        let peak = |name| Some(labelled(&text, "turnout: peak ", name)?.saturating_mul(1024));
        row.peak_rss_bytes = peak("rss");
        row.payload_rss_bytes = peak("payload");
        Ok(row)
    }

    fn image<'a>(&'a self, config: &'a str, compress: &'a str) -> Image<'a> {
        Image { ring: Some(&self.key.ring), config, compress, ..Image::new(&self.binary) }
    }

    fn incumbent(&self, mode: &str) -> Result<Row> {
        eprintln!("bench: {} kexec-tools {mode}", self.arch);
        let plan = Incumbent {
            mode,
            device: BOOT_DEVICE,
            linux: LINUX,
            initrd: INITRD,
            options: &options(self.arch),
        };
        let image = self.scratch.path().join("incumbent.initramfs");
        let archive = initrd::incumbent(self.arch, &self.ticks, &plan)?;
        fs::write(&image, Compress::Zstd.apply(archive)?)?;
        let text = self.run("incumbent", &image, "quiet")?;
        let mut row = Row { name: format!("kexec-tools {mode}"), ..self.common_figures(&image)? };
        let ticks = numbers_after(&text, "incumbent ticks: ");
        let &[start, begin, end] = ticks.as_slice() else {
            bail!("the incumbent's script printed no ticks:\n{text}");
        };
        let jump = numbers_after(&text, "incumbent jump: ").first().copied();
        row.load_ns = Some(end.saturating_sub(begin));
        row.fill_times(Some(start), Some(begin), jump, next_clock(&text));
        row.loaded_bytes = Some(self.payload);
        Ok(row)
    }

    fn common_figures(&self, image: &Path) -> Result<Row> {
        Ok(Row { initramfs_bytes: Some(fs::metadata(image)?.len()), ..Row::default() })
    }

    /// Boots once, to the next system's prompt, and gives all that was printed.
    fn run(&self, name: &str, image: &Path, options: &str) -> Result<String> {
        let mut machine = Machine::new(self.arch, self.kernel.image.clone(), image.to_owned());
        machine.options = options.to_owned();
        machine.accelerator = Accelerator::Counted;
        machine.disks.push((Bus::Nvme, self.disk.clone()));
        let transcript = self.scratch.path().join(format!("{name}.transcript"));
        let mut console = Console::start(&machine, &transcript)?;
        match console.wait_for(&[READY], DEADLINE)? {
            Event::Seen { .. } => Ok(console.text().to_owned()),
            other => bail!("the next system was not reached ({other:?}):\n{}", console.text()),
        }
    }

    fn sizes(&self) -> Result<Sizes> {
        let write = |compress| {
            let out = self.scratch.path().join(format!("size.{compress}"));
            self.image("", compress).write(&self.tools, &out)?;
            Ok::<u64, anyhow::Error>(fs::metadata(out)?.len())
        };
        Ok(Sizes {
            binary: fs::metadata(&self.binary)?.len(),
            purgatory: purgatory_size(self.arch, &fs::read(&self.binary)?),
            initramfs_raw: write("none")?,
            initramfs: write("zstd")?,
        })
    }
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
    let is_of_arch =
        |target: &fs::DirEntry| target.file_name().to_string_lossy().starts_with(arch.name());
    let targets = fs::read_dir(place::cargo_target()).ok()?.flatten().filter(is_of_arch);
    let packages =
        targets.filter_map(|target| fs::read_dir(target.path().join("release/build")).ok());
    packages
        .flat_map(Iterator::flatten)
        .filter_map(|package| fs::read(package.path().join("out/purgatory.bin")).ok())
        .find(|blob| !blob.is_empty() && binary.windows(blob.len()).any(|part| part == blob))
        .map(|blob| blob.len() as u64)
}

impl Row {
    /// `next` is the counter and the uptime when the next system's init ran.
    fn fill_times(
        &mut self,
        start: Option<u64>,
        open: Option<u64>,
        jump: Option<u64>,
        next: Option<(u64, u64)>,
    ) {
        let between = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?));
        let init = next.map(|(counter, _)| counter);
        let kernel = next.map(|(counter, up)| counter.saturating_sub(up));
        self.start_to_jump_ns = between(start, jump);
        self.open_to_jump_ns = between(open, jump);
        self.jump_to_kernel_ns = between(jump, kernel);
        self.jump_to_init_ns = between(jump, init);
    }
}

/// The value of `name=VALUE`, or of `name VALUE`, in the line that begins so.
fn labelled(text: &str, begins: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(begins))?;
    let mut words = line.split([' ', '=', ',']);
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

fn numbers_after(text: &str, begins: &str) -> Vec<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(begins)).unwrap_or_default();
    line.split(' ').map_while(|word| word.parse().ok()).collect()
}

/// How long `bytes` take at the speed that the next system measured.
fn crate_hash_ns(text: &str, bytes: u64) -> Option<u64> {
    let &[measured, ns] = numbers_after(text, "next sha256: ").as_slice() else { return None };
    let ns = u128::from(ns) * u128::from(bytes) / u128::from(measured.max(1));
    u64::try_from(ns).ok()
}

fn next_clock(text: &str) -> Option<(u64, u64)> {
    match numbers_after(text, "next clock: ").as_slice() {
        &[counter, up] => Some((counter, up)),
        _ => None,
    }
}

impl Report {
    /// All rows of all architectures as one JSON array.
    pub fn json(reports: &[Self]) -> String {
        let rows =
            reports.iter().flat_map(|report| report.rows.iter().map(|row| row.json(report.arch)));
        format!("[{}]", rows.collect::<Vec<_>>().join(",\n "))
    }
}

impl Row {
    /// Whether this is a row of Turnout's, not of the incumbent's.
    pub fn is_turnout(&self) -> bool {
        self.name.starts_with("turnout ")
    }

    /// Whether PID 1 unpacked the kernel: it then holds that as well, which is
    /// many times the payload.
    pub fn unpacks(&self) -> bool {
        self.name.ends_with(DIRECT_VMLINUX)
    }

    fn figures(&self) -> [(&'static str, Option<u64>); 13] {
        [
            ("load_ns", self.load_ns),
            ("open_to_jump_ns", self.open_to_jump_ns),
            ("jump_to_kernel_ns", self.jump_to_kernel_ns),
            ("jump_to_init_ns", self.jump_to_init_ns),
            ("start_to_jump_ns", self.start_to_jump_ns),
            ("loaded_bytes", self.loaded_bytes),
            ("hashed_bytes", self.hashed_bytes),
            ("hash_ns", self.hash_ns),
            ("crate_hash_ns", self.crate_hash_ns),
            ("trust_ns", self.trust_ns),
            ("menu_ns", self.menu_ns),
            ("initramfs_bytes", self.initramfs_bytes),
            ("peak_rss_bytes", self.peak_rss_bytes),
        ]
    }

    /// What verification took, in a sentence.
    fn verification(&self) -> Option<String> {
        let (hash, fastest) = (self.hash_ns?.max(1), self.crate_hash_ns?);
        let thousandths = fastest.saturating_mul(1000) / hash;
        Some(format!(
            "{}, verification: SHA-256 in {} us, {}.{:03} of the fastest of the sha2 crate; \
             everything else in {} us",
            self.name,
            hash / 1000,
            thousandths / 1000,
            thousandths % 1000,
            self.trust_ns? / 1000
        ))
    }

    fn json(&self, arch: Arch) -> String {
        let figures =
            self.figures().map(|(key, value)| format!("\"{key}\":{}", json_number(value)));
        format!("{{\"name\":\"{arch} {}\",{}}}", self.name, figures.join(","))
    }
}

fn json_number(value: Option<u64>) -> String {
    value.map_or_else(|| "null".to_owned(), |number| number.to_string())
}

/// A row of Turnout's against kexec-tools -c, which verifies nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ratio {
    /// Which row, and from where to where.
    pub name: String,
    /// Turnout's time in thousandths of the incumbent's.
    pub thousandths: u64,
    /// What it should be at most.
    pub aim: u64,
}

impl Report {
    /// Every row of Turnout's: from opening the kernel file to the jump, and
    /// from the jump to the next system's init.
    pub fn ratios(&self) -> Vec<Ratio> {
        let incumbent = self.rows.iter().find(|row| row.name == "kexec-tools -c");
        let to_jump = match self.arch {
            Arch::X86_64 => 1000 / 8,
            Arch::Aarch64 => 1000 / 6,
        };
        let of_row = |row: &Row| {
            let ratio = |what: &str, time: fn(&Row) -> Option<u64>, aim| {
                let theirs = time(incumbent?)?.max(1);
                let thousandths = time(row)?.saturating_mul(1000) / theirs;
                Some(Ratio { name: format!("{}, {what}", row.name), thousandths, aim })
            };
            [
                ratio("open to jump", |row| row.open_to_jump_ns, to_jump),
                ratio("jump to init", |row| row.jump_to_init_ns, 1000 * 2 / 3),
            ]
        };
        self.rows.iter().filter(|row| row.is_turnout()).flat_map(of_row).flatten().collect()
    }
}

impl Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.thousandths <= self.aim { "reached" } else { "missed" };
        let Self { name, thousandths, aim } = self;
        write!(
            f,
            "{name}: 0.{aim:03} of kexec-tools -c is the aim; {}.{:03}, {verdict}",
            thousandths / 1000,
            thousandths % 1000
        )
    }
}

/// Markdown, as the README carries it.
impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n### {}\n", self.arch)?;
        writeln!(
            f,
            "| | start to jump | open to jump | of which load | jump to kernel | jump to init | \
             loaded | hashed | initramfs | peak RSS |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|---|")?;
        for row in &self.rows {
            writeln!(
                f,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                row.name,
                seconds(row.start_to_jump_ns),
                seconds(row.open_to_jump_ns),
                seconds(row.load_ns),
                seconds(row.jump_to_kernel_ns),
                seconds(row.jump_to_init_ns),
                kib(row.loaded_bytes),
                kib(row.hashed_bytes),
                kib(row.initramfs_bytes),
                kib(row.peak_rss_bytes),
            )?;
        }
        self.ratios().into_iter().try_for_each(|ratio| write!(f, "\n{ratio}"))?;
        let costs = self.rows.iter().filter_map(Row::verification);
        costs.into_iter().try_for_each(|cost| write!(f, "\n{cost}"))?;
        writeln!(
            f,
            "\n\nSizes: binary {}, purgatory {}, initramfs without modules {} ({} compressed).",
            kib(Some(self.sizes.binary)),
            self.sizes.purgatory.map_or_else(|| "-".to_owned(), |bytes| format!("{bytes} bytes")),
            kib(Some(self.sizes.initramfs_raw)),
            kib(Some(self.sizes.initramfs)),
        )
    }
}

fn seconds(nanoseconds: Option<u64>) -> String {
    nanoseconds.map_or_else(
        || "-".to_owned(),
        |ns| format!("{}.{:03} s", ns / 1_000_000_000, ns % 1_000_000_000 / 1_000_000),
    )
}

fn kib(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{} KiB", bytes.div_ceil(1024)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "turnout: ticks start=100 open=200 load=50 jump=400 loaded=9 hashed=8\n\
                        turnout: peak rss 2048 KiB, payload 900 KiB\nnext clock: 1000 300\n";

    #[test]
    fn times_count_from_the_jump_and_the_kernel_starts_at_uptime_zero() {
        let figure = |name| labelled(TEXT, "turnout: ticks ", name);
        let mut row = Row::default();
        row.fill_times(figure("start"), figure("open"), figure("jump"), next_clock(TEXT));
        assert_eq!(row.start_to_jump_ns, Some(300));
        assert_eq!(row.open_to_jump_ns, Some(200));
        assert_eq!(row.jump_to_kernel_ns, Some(300));
        assert_eq!(row.jump_to_init_ns, Some(600));
        assert_eq!(labelled(TEXT, "turnout: peak ", "rss"), Some(2048));
    }

    #[test]
    fn what_verification_took_is_held_against_the_crate() {
        let text = "turnout: spent hash=2000000 trust=1500000 ticks\nnext sha256: 4096 1000\n";
        let row = Row {
            name: "turnout file".to_owned(),
            hash_ns: labelled(text, "turnout: spent ", "hash"),
            trust_ns: labelled(text, "turnout: spent ", "trust"),
            crate_hash_ns: crate_hash_ns(text, 7_987_200),
            ..Row::default()
        };
        assert_eq!(row.crate_hash_ns, Some(1_950_000));
        let shown = "turnout file, verification: SHA-256 in 2000 us, 0.975 of the fastest of the \
                     sha2 crate; everything else in 1500 us";
        assert_eq!(row.verification().as_deref(), Some(shown));
        assert_eq!(Row { trust_ns: None, ..row }.verification(), None);
    }

    #[test]
    fn a_ratio_compares_with_kexec_load_and_names_the_row() {
        let row = |name: &str, open| Row {
            name: name.to_owned(),
            open_to_jump_ns: Some(open),
            ..Row::default()
        };
        let rows =
            vec![row("turnout file", 150), row("kexec-tools -s", 1), row("kexec-tools -c", 1000)];
        let report = Report { arch: Arch::X86_64, sizes: Sizes::default(), rows };
        let lines: Vec<String> = report.ratios().iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            ["turnout file, open to jump: 0.125 of kexec-tools -c is the aim; 0.150, missed"]
        );
    }

    #[test]
    fn a_missing_figure_is_null_in_json_and_a_dash_in_the_table() {
        let row = Row { name: "x".to_owned(), load_ns: Some(1_500_000), ..Row::default() };
        assert!(
            row.json(Arch::Aarch64)
                .starts_with(r#"{"name":"aarch64 x","load_ns":1500000,"open_to_jump_ns":null"#)
        );
        assert_eq!(seconds(row.load_ns), "0.001 s");
        assert_eq!(seconds(None), "-");
    }
}
