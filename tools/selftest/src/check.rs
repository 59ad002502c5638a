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

/// Skips what asks the kernel nothing on one that checks itself at every step, where a command takes a
/// second: the other cells have it.
pub fn is_of_the_command_alone() -> Outcome {
    match fs::exists("/sys/kernel/debug/kmemleak") {
        Ok(true) => skip("it asks the kernel nothing, and this one is slow"),
        _ => Ok(()),
    }
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
