//! Commands that read GRUB's environment block. It is never written: what a script
//! saves is forgotten.

use super::{Row, nothing};
use crate::base::text::quoted;
use crate::menu::grub::environment::Variables;
use crate::menu::grub::evaluator::{Call, Evaluator, Flow, Loudness, Once, Status};
use crate::menu::grub::world::Device;
use crate::menu::{Code, MAX_FILE_SIZE};

pub(super) const ROWS: &[Row] = &[
    Row { name: "load_env", run: load_env },
    Row { name: "save_env", run: save_env },
    Row { name: "list_env", run: nothing },
    Row { name: "file_env", run: file_env },
    Row { name: "password", run: nothing },
    Row { name: "password_pbkdf2", run: nothing },
];

/// The variable that chooses for one boot only.
const NEXT_ENTRY: &str = "next_entry";
/// How a block begins.
const HEADER: &[u8] = b"# GRUB Environment Block\n";

/// `load_env [-f FILE] [-s] [NAMES...]`.
fn load_env(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let (file, names) = options(call.words);
    let prefix = evaluator.scope.get("prefix").unwrap_or_default();
    let path = file.map_or_else(|| [prefix, "/grubenv"].concat(), str::to_owned);
    if is_block_list(&path) {
        let what = "is no file but a place on the device, which is not read";
        evaluator.complain(call.line, Code::Unreadable, [&quoted(&path), " ", what].concat());
        return Flow::Next(Status::READ_ERROR);
    }
    let place = match evaluator.place(&path) {
        Ok(place) => place,
        Err(_) => return Flow::Next(Status::UNKNOWN_DEVICE),
    };
    let bytes = match evaluator.world.read(&place, MAX_FILE_SIZE) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Flow::Next(Status::FILE_NOT_FOUND),
        Err(why) => {
            evaluator.complain(call.line, Code::Unreadable, why);
            return Flow::Next(Status::READ_ERROR);
        }
    };
    if !bytes.starts_with(HEADER) {
        let what = [&quoted(&path), " is no environment block"].concat();
        evaluator.complain(call.line, Code::Setting, what);
        return Flow::Next(Status::BAD_FILE_TYPE);
    }
    let variables = Variables::parse(&path, &bytes);
    if names.is_empty() || names.contains(&NEXT_ENTRY) {
        evaluator.hear(place.device, &variables);
    }
    for (name, value) in variables.all() {
        if names.is_empty() || names.contains(&name.as_str()) {
            evaluator.take(call, place.device, name, value);
        }
    }
    Flow::SUCCESS
}

impl Evaluator<'_> {
    fn hear(&mut self, device: Device, variables: &Variables) {
        let is_silent = variables.get(NEXT_ENTRY).is_none_or(str::is_empty);
        let block = Loudness { device, is_silent };
        if !self.blocks.contains(&block) {
            self.blocks.push(block);
        }
    }

    /// Names of the devices with blocks that are all silent.
    pub(in crate::menu::grub) fn cleared(&self) -> Vec<String> {
        let silent = self.blocks.iter().filter(|block| {
            let loud = Loudness { is_silent: false, ..**block };
            block.is_silent && !self.blocks.contains(&loud)
        });
        silent.map(|block| self.world.name(block.device).to_owned()).collect()
    }

    /// Takes over a variable of a block. A choice for one boot that was used is empty,
    /// as GRUB would have left it.
    fn take(&mut self, call: &Call<'_>, device: usize, name: &str, value: &str) {
        let mut value = value;
        if name == NEXT_ENTRY && !value.is_empty() {
            if self.world.is_used(device, value) {
                let what = "next_entry was used by an earlier start, and is passed over: ";
                self.complain(call.line, Code::Setting, [what, &quoted(value)].concat());
                value = "";
            } else {
                self.once = Some(Once { device, value: value.to_owned() });
            }
        }
        let _ = self.set(call.line, name, value);
    }
}

/// What scripts save that counts nothing: choices, and whether a menu is to be shown.
const CHOICES: [&str; 10] = [
    "saved_entry",
    "prev_saved_entry",
    "next_entry",
    "prev_entry",
    "boot_once",
    "recordfail",
    "boot_success",
    "boot_indeterminate",
    "menu_show_once",
    "initrdfail",
];
/// Why a counter does not count.
const IS_LOST: &str = " with save_env, which is never written: it is not counted";

/// `save_env [-f FILE] NAMES...`: saves nothing, and says so once of what may be a
/// counter.
fn save_env(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let (_, names) = options(call.words);
    let counter = names.into_iter().find(|name| !CHOICES.contains(name));
    let mut said = evaluator.diagnostics.iter();
    if let Some(name) = counter.filter(|_| !said.any(|said| said.detail.ends_with(IS_LOST))) {
        let what = ["the script counts in ", name, IS_LOST].concat();
        evaluator.complain(call.line, Code::Setting, what);
    }
    Flow::SUCCESS
}

/// `file_env -f FILE NAME` of Home Assistant OS: the first line of a file.
fn file_env(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let (Some(path), names) = options(call.words) else { return Flow::Next(Status::BAD_ARGUMENT) };
    let Some(name) = names.first() else { return Flow::Next(Status::BAD_ARGUMENT) };
    let Ok(place) = evaluator.place(path) else { return Flow::Next(Status::UNKNOWN_DEVICE) };
    match evaluator.world.read(&place, MAX_FILE_SIZE) {
        Ok(Some(bytes)) => {
            let text = String::from_utf8_lossy(&bytes);
            let _ = evaluator.set(call.line, name, text.lines().next().unwrap_or_default());
            Flow::SUCCESS
        }
        Ok(None) => Flow::Next(Status::FILE_NOT_FOUND),
        Err(why) => {
            evaluator.complain(call.line, Code::Unreadable, why);
            Flow::Next(Status::READ_ERROR)
        }
    }
}

/// The file behind `-f`, and the words that are no options.
fn options(words: &[String]) -> (Option<&str>, Vec<&str>) {
    let mut file = None;
    let mut names = Vec::new();
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        match word {
            "-f" | "--file" => file = rest.next(),
            "-s" | "--skip-sig" => {}
            _ => match word.strip_prefix("--file=").or_else(|| word.strip_prefix("-f")) {
                Some(path) => file = Some(path),
                None => names.push(word),
            },
        }
    }
    (file, names)
}

/// Whether a path is a list of sectors, such as `(hd0)512+1`.
fn is_block_list(path: &str) -> bool {
    let list = path.rsplit_once(')').map_or(path, |(_, list)| list);
    list.contains('+') && list.bytes().all(|byte| byte.is_ascii_digit() || b"+,".contains(&byte))
}
