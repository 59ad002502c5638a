// SPDX-License-Identifier: GPL-2.0

//! What tests say.

use std::{fmt::Debug, fs};

/// Why a test did not pass.
#[derive(Debug)]
pub enum Fail {
    /// It cannot be tested here.
    Skip(String),
    /// It is not as it should be.
    Wrong(String),
}

pub type Outcome<T = ()> = Result<T, Fail>;

/// A name and a test.
pub type Test = (&'static str, fn() -> Outcome);

impl From<String> for Fail {
    fn from(what: String) -> Self {
        Self::Wrong(what)
    }
}

impl From<&str> for Fail {
    fn from(what: &str) -> Self {
        Self::Wrong(what.into())
    }
}

impl From<std::io::Error> for Fail {
    fn from(error: std::io::Error) -> Self {
        Self::Wrong(error.to_string())
    }
}

pub fn skip<T>(why: &str) -> Outcome<T> {
    Err(Fail::Skip(why.into()))
}

/// Whether the kernel checks itself at every step, where a command takes a second.
fn is_slow() -> bool {
    fs::exists("/sys/kernel/debug/kmemleak").unwrap_or(false)
}

/// Skips what asks the kernel nothing on a slow one: the other cells have it.
pub fn is_of_the_command_alone() -> Outcome {
    if is_slow() {
        return skip("it asks the kernel nothing, and this one is slow");
    }
    Ok(())
}

/// All of so many that are alike, or some of them from the first to the last on a slow kernel.
pub fn some<T>(all: &[T]) -> impl Iterator<Item = &T> {
    let step = if is_slow() { all.len() / 6 + 1 } else { 1 };
    let is_wanted = move |n: usize| n % step == 0 || n + 1 == all.len();
    all.iter()
        .enumerate()
        .filter_map(move |(n, one)| is_wanted(n).then_some(one))
}

/// Fails if something is not so.
pub fn check(is_so: bool, what: impl FnOnce() -> String) -> Outcome {
    if is_so {
        return Ok(());
    }
    Err(Fail::Wrong(what()))
}

/// Fails if two things differ.
pub fn equal<T: PartialEq + Debug>(what: &str, found: T, wanted: T) -> Outcome {
    check(found == wanted, || {
        format!("{what}: {found:?}, and not {wanted:?}")
    })
}

/// Fails if `text` does not have `part` in it.
pub fn contains(what: &str, text: &str, part: &str) -> Outcome {
    check(text.contains(part), || {
        format!("{what}: no {part:?} in {text:?}")
    })
}
