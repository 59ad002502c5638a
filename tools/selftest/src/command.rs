// SPDX-License-Identifier: GPL-2.0

//! Runs `mmlens`.

use crate::check::{equal, Fail, Outcome};
use serde_json::Value;
use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

/// What a run of it gave.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn path() -> PathBuf {
    let own = env::current_exe().unwrap_or_default();
    own.with_file_name("mmlens")
}

/// Runs any command.
pub fn run_as_is(command: &mut Command) -> Outcome<Run> {
    let done = command.stdin(Stdio::null()).output()?;
    Ok(Run {
        // A signal is no exit code.
        code: done.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
    })
}

/// Runs `mmlens` with these words, in which `~` is a space.
pub fn run(words: &str) -> Outcome<Run> {
    let words = words.split_whitespace().map(|word| word.replace('~', " "));
    run_as_is(Command::new(path()).args(words))
}

/// The same, which has to end with `code`; nothing on stderr if that is 0 or 1.
pub fn run_to(code: i32, words: &str) -> Outcome<String> {
    let run = run(words)?;
    equal(
        &format!("exit code of mmlens {words} ({})", run.err.trim()),
        run.code,
        code,
    )?;
    if code <= 1 {
        equal(&format!("errors of mmlens {words}"), run.err.as_str(), "")?;
    }
    Ok(run.out)
}

/// Fails unless `mmlens` ends with `code` and this one line.
pub fn fails(code: i32, words: &str, line: &str) -> Outcome {
    let run = run(words)?;
    equal(
        &format!("errors of mmlens {words}"),
        run.err.as_str(),
        &format!("mmlens: {line}\n"),
    )?;
    equal(&format!("exit code of mmlens {words}"), run.code, code)?;
    equal(&format!("output of mmlens {words}"), run.out.as_str(), "")
}

/// The document of `mmlens --json`, which has to end with `code`: its member `data`.
pub fn json_to(code: i32, words: &str) -> Outcome<Value> {
    let out = run_to(code, &format!("--json {words}"))?;
    let mut document: Value = serde_json::from_str(&out)
        .map_err(|error| Fail::Wrong(format!("JSON of mmlens {words}: {error}: {out}")))?;
    equal("schema", document["schema"].as_u64(), Some(1))?;
    equal(
        "command",
        document["command"].as_str(),
        words.split_whitespace().next(),
    )?;
    Ok(document["data"].take())
}

pub fn json(words: &str) -> Outcome<Value> {
    json_to(0, words)
}

/// A number that JSON has as `"0x..."`.
pub fn hex(value: &Value) -> Outcome<u64> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.ok_or_else(|| Fail::Wrong(format!("{value} is no 0x...")))
}

/// The members of an array.
pub fn array(value: &Value) -> Outcome<&Vec<Value>> {
    value
        .as_array()
        .ok_or_else(|| Fail::Wrong(format!("{value} is no array")))
}

/// Whether an array of words has this one.
pub fn has_word(value: &Value, word: &str) -> bool {
    value
        .as_array()
        .is_some_and(|words| words.iter().any(|w| w == word))
}
