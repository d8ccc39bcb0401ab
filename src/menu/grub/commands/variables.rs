//! What gives variables values and takes them away.

use super::{Call, Evaluator, Flow, Options, Row, Status, number, wants};
use crate::menu::grub::rules::Trap;

pub(super) const ROWS: &[Row] = &[
    Row { name: "set", run: set },
    Row { name: "unset", run: unset },
    Row { name: "export", run: export },
    Row { name: "increment", run: |evaluator, call| change(evaluator, call, 1) },
    Row { name: "decrement", run: |evaluator, call| change(evaluator, call, -1) },
    Row { name: "hwmatch", run: hwmatch },
    Row { name: "smbios", run: smbios },
];

/// `set NAME=VALUE`; what follows is passed over. Alone it prints all variables.
fn set(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let Some(word) = call.words.first() else { return list(evaluator, call.line) };
    match word.split_once('=') {
        Some((name, value)) => match evaluator.set(call.line, name, value) {
            Some(()) => Flow::SUCCESS,
            None => Flow::Stop,
        },
        None if evaluator.holds(Trap::SetNeedsAnAssignment) => wants(evaluator, call, "NAME=VALUE"),
        None => Flow::SUCCESS,
    }
}

fn list(evaluator: &mut Evaluator<'_>, line: usize) -> Flow {
    if evaluator.step(line, evaluator.scope.size() >> 10).is_none() {
        return Flow::Stop;
    }
    let all = evaluator.scope.all();
    let text: String = all.flat_map(|(name, value)| [name, "='", value, "'\n"]).collect();
    evaluator.print(&text);
    Flow::SUCCESS
}

/// `unset NAME`; what follows is passed over.
fn unset(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let Some(name) = call.words.first() else { return wants(evaluator, call, "a name") };
    evaluator.scope.unset(name);
    Flow::SUCCESS
}

fn export(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    if call.words.is_empty() {
        return wants(evaluator, call, "a name");
    }
    for name in call.words {
        if evaluator.export(call.line, name).is_none() {
            return Flow::Stop;
        }
    }
    Flow::SUCCESS
}

/// `increment NAME`, as Fedora has it: what is no number counts as 0, and none becomes
/// less than 0.
fn change(evaluator: &mut Evaluator<'_>, call: &Call<'_>, by: i32) -> Flow {
    let [name] = call.words else { return wants(evaluator, call, "one name") };
    let Some(value) = evaluator.scope.get(name) else {
        return evaluator.fail(call, Status::BAD_ARGUMENT, "the variable has no value");
    };
    let value = number(value).unwrap_or_default().saturating_add(by).max(0).to_string();
    match evaluator.set(call.line, name, &value) {
        Some(()) => Flow::SUCCESS,
        None => Flow::Stop,
    }
}

/// Ubuntu's list of graphics that have to stay off: none is found in it.
fn hwmatch(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    match evaluator.set(call.line, "match", "0") {
        Some(()) => Flow::SUCCESS,
        None => Flow::Stop,
    }
}

/// Tables of the firmware are not read here: nothing is found, and the variable has
/// what it had.
fn smbios(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    evaluator.undecided(call.line, call.name);
    let mut options = Options::new(call.words);
    while options.next(&[]).is_some() {}
    Flow::Next(Status::FILE_NOT_FOUND)
}
