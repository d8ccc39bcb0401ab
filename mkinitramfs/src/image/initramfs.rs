//! What lies where in the image that PID 1 finds itself in.

use anyhow::{Context as _, Result, ensure};
use turnout::base::arch::Arch;
use turnout::config::Watchdog;
use turnout::drivers::table;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::policy;
use turnout::trust::verify::Mode;

use crate::image::binary;
use crate::image::cpio::Archive;
use crate::image::modules::Module;
use crate::image::packed;
use crate::image::select::Known;
use crate::signing::ring;
use crate::signing::secret;

/// A file that goes into the image, with the name by which its owner knows it.
#[derive(Debug)]
pub struct Input {
    /// Path on this machine, for messages.
    pub name: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Everything that goes into an image.
#[derive(Debug)]
pub struct Image {
    /// The static `turnout-init`.
    pub binary: Input,
    /// Release of the kernel that the modules are for.
    pub release: Option<String>,
    /// Modules in load order.
    pub modules: Vec<Module>,
    /// Drivers that are not packed, to be named where one is missed.
    pub known: Vec<Known>,
    /// Whether each module is compressed by itself.
    pub compress_modules: bool,
    /// The key ring.
    pub keys: Option<Input>,
    /// The policy.
    pub policy: Option<Input>,
    /// Whether only signed entries boot.
    pub mode: Mode,
    /// The user's configuration.
    pub config: Option<Input>,
}

/// The mode of an image: locked unless it was opened by name.
///
/// # Errors
/// An image without a key ring that was not opened, or was to be locked.
pub fn choose_mode(asked: Option<Mode>, has_keys: bool) -> Result<Mode> {
    match (asked, has_keys) {
        (Some(Mode::Open), _) => Ok(Mode::Open),
        (_, true) => Ok(Mode::Locked),
        (Some(Mode::Locked), false) => {
            anyhow::bail!("a locked image needs a key ring; give --keys ALLOWED_SIGNERS")
        }
        (None, false) => anyhow::bail!(
            "give --keys ALLOWED_SIGNERS for an image that boots only signed entries, or --mode \
             open for one that boots anything"
        ),
    }
}

const NO_WATCHDOG: &str = "slots, and no watchdog over the jump: a system that hangs is never \
                           reset, and so falls back to none; \"watchdog 120\" in the \
                           configuration, and panic=10 on the signed command line, see to that";

impl Image {
    /// Checks everything and lays it out.
    ///
    /// # Errors
    /// The first file that must not be in an image, by name.
    pub fn build(mut self, allow_test_hooks: bool) -> Result<Archive> {
        self.refuse_private_keys()?;
        self.check_binary(allow_test_hooks)?;
        if self.compress_modules {
            self.modules = packed::each(self.modules)?;
        }
        let config = self.config_text()?;
        let mut archive = skeleton();
        archive.file("/etc/turnout/config", 0o644, config.into_bytes());
        if !self.modules.is_empty() {
            let text = self.driver_table();
            ensure!(
                text.len() as u64 <= table::MAX,
                "the table of {} drivers would have {} bytes, and PID 1 reads {} at most: choose fewer",
                self.modules.len(),
                text.len(),
                table::MAX
            );
            archive.file(table::PATH, 0o644, text.into_bytes());
            let release =
                self.release.iter().map(|release| format!("{release}\n")).collect::<String>();
            archive.file("/etc/turnout/release", 0o644, release.into_bytes());
        }
        self.check_trust()?;
        if let Some(keys) = self.keys {
            archive.file("/etc/turnout/allowed_signers", 0o644, keys.bytes);
        }
        if let Some(policy) = self.policy {
            archive.file("/etc/turnout/policy", 0o644, policy.bytes);
        }
        for module in self.modules {
            let path = module_path(self.release.as_deref(), &module.path)?;
            archive.file(&path, 0o644, module.bytes);
        }
        archive.file("/init", 0o755, self.binary.bytes);
        Ok(archive)
    }

    /// What is worth a line though nothing is wrong; nothing where the settings cannot be
    /// read, which [`Self::build`] says.
    #[must_use]
    pub fn note(&self) -> Option<&'static str> {
        let config = turnout::config::read("", &self.config_text().ok()?).ok()?;
        let hangs = !config.slots.is_empty() && config.watchdog == Watchdog::Off;
        hangs.then_some(NO_WATCHDOG)
    }

    fn refuse_private_keys(&self) -> Result<()> {
        let given = [self.keys.as_ref(), self.policy.as_ref(), self.config.as_ref()];
        let inputs = [Some(&self.binary)].into_iter().chain(given);
        let inputs = inputs.flatten().map(|input| (&input.name, &input.bytes));
        let modules = self.modules.iter().map(|module| (&module.path, &module.bytes));
        for (name, bytes) in inputs.chain(modules) {
            if let Some(kind) = secret::private_key(bytes) {
                anyhow::bail!("{name} contains {kind}; an image holds public keys only");
            }
        }
        Ok(())
    }

    /// What the binary is for.
    ///
    /// # Errors
    /// It cannot be `/init`.
    pub fn arch(&self, allow_test_hooks: bool) -> Result<Arch> {
        let arch = binary::check(&self.binary.bytes, allow_test_hooks);
        arch.with_context(|| self.binary.name.clone())
    }

    fn check_binary(&self, allow_test_hooks: bool) -> Result<()> {
        let arch = self.arch(allow_test_hooks)?;
        for module in &self.modules {
            ensure!(
                binary::arch(module.machine) == Some(arch),
                "{} is for another architecture than {}, which is for {arch}",
                module.path,
                self.binary.name
            );
        }
        Ok(())
    }

    /// Reads ring and policy as the device will.
    fn check_trust(&self) -> Result<()> {
        let ring = self
            .keys
            .as_ref()
            .map(|keys| KeyRing::parse(&keys.bytes).with_context(|| keys.name.clone()))
            .transpose()?;
        let Some(policy) = &self.policy else { return Ok(()) };
        let text = policy::parse(&policy.bytes).with_context(|| policy.name.clone())?;
        let ring = ring.with_context(|| {
            format!("{} says who must sign, and there are no keys; give --keys", policy.name)
        })?;
        ring::check_reachable(&ring, &text).with_context(|| policy.name.clone())
    }

    /// The user's settings, and the mode in a line of its own after them, so
    /// that line numbers in messages are those of the user's file.
    fn config_text(&self) -> Result<String> {
        let (name, bytes) = match &self.config {
            Some(config) => (config.name.as_str(), config.bytes.as_slice()),
            None => ("no --config", &[][..]),
        };
        let mut text = String::from_utf8(bytes.to_vec()).with_context(|| name.to_owned())?;
        refuse_mode(&text).with_context(|| name.to_owned())?;
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(match self.mode {
            Mode::Locked => "mode locked\n",
            Mode::Open => "mode open\n",
        });
        turnout::config::read(name, &text)?;
        Ok(text)
    }

    fn driver_table(&self) -> String {
        let packed = self.modules.iter().map(Module::driver);
        table::write(&packed.chain(self.known.iter().map(Known::driver)).collect::<Vec<_>>())
    }
}

/// Directories and nodes that PID 1 counts on.
fn skeleton() -> Archive {
    let mut archive = Archive::default();
    for directory in ["/dev", "/proc", "/sys", "/run", "/tmp", "/boot"] {
        archive.directory(directory);
    }
    archive.character_device("/dev/console", 0o600, (5, 1));
    // The standard library opens it in place of a missing standard stream,
    // before devtmpfs is there, and gives up if it cannot.
    archive.character_device("/dev/null", 0o666, (1, 3));
    archive
}

fn module_path(release: Option<&str>, path: &str) -> Result<String> {
    let release = release.context("modules need --release")?;
    let plain = !release.is_empty() && !release.contains('/') && !release.starts_with('.');
    ensure!(plain, "{release:?} is no kernel release");
    Ok(format!("/lib/modules/{release}/{path}"))
}

/// The mode is decided on the command line of this program alone.
fn refuse_mode(config: &str) -> Result<()> {
    let mut lines = (1..).zip(config.lines());
    match lines.find(|(_, line)| line.split_whitespace().next() == Some("mode")) {
        Some((number, line)) => anyhow::bail!(
            "line {number}: {line:?} does not belong here; the mode is fixed with --mode"
        ),
        None => Ok(()),
    }
}
