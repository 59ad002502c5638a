// SPDX-License-Identifier: GPL-2.0

//! `mmlens`: address spaces on the command line.
//!
//! Documentation/command.rst says what each command prints and how it ends.

#![forbid(unsafe_code)]

mod audit;
mod cli;
mod commands;
mod context;
mod diff;
mod error;
mod extent;
mod filter;
mod matching;
mod output;
mod parse;
mod picture;
mod snapshot;
mod space;
mod target;
#[cfg(test)]
mod testing;
mod text;

use std::process::ExitCode;

fn main() -> ExitCode {
    let result = cli::parse().and_then(|cli| cli.run());
    match result {
        Ok(outcome) => outcome.into(),
        Err(error) => error.report(),
    }
}
