//! What decides which statement is next.

use super::{Call, Evaluator, Flow, Row, Status, count, find, nothing, wants};
use crate::menu::grub::evaluator::Effect;
use crate::menu::grub::rules::Trap;

pub(super) const ROWS: &[Row] = &[
    Row { name: "true", run: nothing },
    Row { name: "false", run: |_, _| Flow::Next(Status::FALSE) },
    Row { name: "!", run: not },
    Row { name: "time", run: |evaluator, call| evaluator.call(call.words, call.line) },
    Row { name: "eval", run: eval },
    Row { name: "source", run: source },
    Row { name: ".", run: source },
    Row { name: "return", run: return_from },
    Row { name: "break", run: |evaluator, call| leave(evaluator, call, Flow::Break) },
    Row { name: "continue", run: |evaluator, call| leave(evaluator, call, Flow::Continue) },
    Row { name: "shift", run: shift },
    Row { name: "setparams", run: setparams },
    Row { name: "exit", run: |evaluator, _| end(evaluator, Effect::Exit) },
    Row { name: "normal_exit", run: |evaluator, _| end(evaluator, Effect::Exit) },
    Row { name: "halt", run: |evaluator, _| end(evaluator, Effect::Halt) },
    Row { name: "reboot", run: |evaluator, _| end(evaluator, Effect::Reboot) },
    Row { name: "cpuid", run: cpuid },
    Row { name: "keystatus", run: keystatus },
];

/// `! COMMAND`: an ordinary command, not syntax. Only what succeeds becomes false; what is
/// neither a command nor a function, as an assignment or a second `!`, always succeeds.
fn not(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let Some((name, words)) = call.words.split_first() else {
        return wants(evaluator, call, "a command");
    };
    let is_known = find(name).is_some() || evaluator.functions.contains_key(name.as_str());
    let flow = if name == "!" {
        evaluator.unknown(&Call { name, words, block: None, source: &[], line: call.line })
    } else {
        evaluator.call(call.words, call.line)
    };
    match flow {
        Flow::Next(_) if name == "!" || !is_known => Flow::SUCCESS,
        Flow::Next(status) if evaluator.holds(Trap::NotIsACommand) => {
            Flow::Next(Status::of(status != Status::SUCCESS))
        }
        flow => flow,
    }
}

fn eval(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    evaluator.evaluate_words(call.words, call.line)
}

fn source(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let Some(path) = call.words.first() else { return wants(evaluator, call, "a file") };
    match evaluator.place(path) {
        Ok(place) if evaluator.items.is_empty() && evaluator.leads_elsewhere(&place) => Flow::Stop,
        Ok(place) => evaluator.source(&place, call.line),
        // As for a file that is not there.
        Err(_) => Flow::Next(Status::of(evaluator.holds(Trap::MissingSourceSucceeds))),
    }
}

/// `return [NUMBER]`, the status so far without one.
fn return_from(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    if evaluator.scope.arguments.is_none() {
        return evaluator.fail(call, Status::BAD_ARGUMENT, "it is in no function");
    }
    match call.words {
        [] => Flow::Return(evaluator.status),
        [_, _, ..] => wants(evaluator, call, "one number"),
        [word] => match count(word) {
            Ok(number) if evaluator.holds(Trap::ReturnHasANumber) => Flow::Return(Status(number)),
            Ok(_) => Flow::Return(Status::SUCCESS),
            Err(status) => no_number(evaluator, call, word, status),
        },
    }
}

fn no_number(evaluator: &mut Evaluator<'_>, call: &Call<'_>, word: &str, status: Status) -> Flow {
    let why = ["\"", word, "\" is no number"].concat();
    evaluator.fail(call, status, &why)
}

/// `break [LOOPS]` and `continue [LOOPS]`: of the loops of the function, at most all.
fn leave(evaluator: &mut Evaluator<'_>, call: &Call<'_>, flow: fn(u32) -> Flow) -> Flow {
    let loops = match call.words {
        [] => 1,
        [_, _, ..] => return wants(evaluator, call, "one number"),
        [word] => match count(word) {
            Err(status) => return no_number(evaluator, call, word, status),
            Ok(0) => return wants(evaluator, call, "a number of loops"),
            Ok(loops) => u32::try_from(loops).unwrap_or(u32::MAX),
        },
    };
    if evaluator.loops == 0 { Flow::SUCCESS } else { flow(loops.min(evaluator.loops)) }
}

/// `shift [NUMBER]`: nothing happens if there are fewer arguments.
fn shift(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let Some(arguments) = &mut evaluator.scope.arguments else { return Flow::SUCCESS };
    let number = match call.words {
        [] => 1,
        [_, _, ..] => return Flow::Next(Status::BAD_ARGUMENT),
        [word] => match count(word) {
            Ok(number) => usize::try_from(number).unwrap_or(usize::MAX),
            Err(_) => return no_number(evaluator, call, word, Status::BAD_ARGUMENT),
        },
    };
    if number > arguments.len() {
        return Flow::Next(Status::BAD_ARGUMENT);
    }
    arguments.drain(..number);
    Flow::SUCCESS
}

fn setparams(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let Some(arguments) = &mut evaluator.scope.arguments else {
        return Flow::Next(Status::INVALID_COMMAND);
    };
    *arguments = call.words.to_vec();
    Flow::SUCCESS
}

/// Leaves GRUB, which here ends the file or the body.
fn end(evaluator: &mut Evaluator<'_>, effect: Effect) -> Flow {
    evaluator.loaded.effect = Some(effect);
    Flow::Stop
}

/// `cpuid -l`: whether the processor has 64 bits. There is no such command elsewhere
/// than on x86.
fn cpuid(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let is_asked = call
        .words
        .first()
        .is_some_and(|word| ["-l", "--long-mode", "-p", "--pae"].contains(&word.as_str()));
    Flow::Next(Status::of(is_asked && evaluator.world.cpu() != "arm64"))
}

/// No key is held down: nobody is there before the menu is.
fn keystatus(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    evaluator.undecided(call.line, call.name);
    Flow::Next(Status::of(call.words.is_empty()))
}
