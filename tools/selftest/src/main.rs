// SPDX-License-Identifier: GPL-2.0

//! Tests of the command `mmlens`, in a guest, as root: against processes that it makes, whose memory is
//! known, and against what /proc and debugfs say of them.
//!
//! Prints KTAP, as the other selftests do. `mmlens` is beside this program.

mod changing;
mod check;
mod child;
mod command;
mod proc;
mod tests;

use check::{Fail, Test};
use std::{env, process::ExitCode};

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    match words.next().as_deref() {
        // What this program does as a child of its own.
        Some("child") => return child::main(&words.next().unwrap_or_default()),
        Some("without-debugfs") => return child::without_debugfs(words.collect()),
        _ => {}
    }
    let wanted: Vec<String> = env::args().skip(1).collect();
    let is_wanted = |test: &&Test| wanted.is_empty() || wanted.iter().any(|name| name == test.0);
    let chosen: Vec<&Test> = tests::all().filter(is_wanted).collect();
    println!("TAP version 13\n1..{}", chosen.len());
    let mut is_failed = false;
    for (number, (name, test)) in chosen.iter().enumerate() {
        let number = number + 1;
        match test() {
            Ok(()) => println!("ok {number} {name}"),
            Err(Fail::Skip(why)) => println!("ok {number} {name} # SKIP {why}"),
            Err(Fail::Wrong(what)) => {
                is_failed = true;
                for line in what.lines() {
                    println!("# {line}");
                }
                println!("not ok {number} {name}");
            }
        }
    }
    ExitCode::from(u8::from(is_failed))
}
