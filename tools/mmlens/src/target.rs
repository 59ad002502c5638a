// SPDX-License-Identifier: GPL-2.0

//! Which process.

use crate::{
    error::{Error, Kind, Result},
    parse,
};
use std::fs;

// Not a doc comment, which clap would take for what the command is about: an address, as people name it.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Which process
    pid: String,
    /// Which address
    #[arg(value_name = "ADDR", value_parser = parse::address)]
    pub address: u64,
}

impl Place {
    /// Finds the process.
    pub fn target(&self) -> Result<Target> {
        Target::find(&self.pid)
    }
}

/// A process, as this pid namespace numbers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub pid: i32,
    /// Its name, if it can be told; anything may be in it.
    pub comm: String,
}

impl Target {
    /// Finds the process that `word` says.
    pub fn find(word: &str) -> Result<Self> {
        if word == "self" {
            return Ok(Self::of(std::process::id() as i32));
        }
        if word.bytes().all(|b| b.is_ascii_digit()) {
            let pid = word.parse::<i32>().ok().filter(|&pid| pid > 0);
            return pid.map(Self::of).ok_or_else(|| {
                Error::usage(format_args!("{word:?} is no pid"))
                    .hint("a number from 1 on, or a name")
            });
        }
        let mut found = processes().filter(|target| target.comm == word);
        let Some(first) = found.next() else {
            return Err(
                Error::new(Kind::Process, format_args!("no process is called {word:?}"))
                    .hint("ps -e"),
            );
        };
        let more: Vec<String> = found.map(|target| target.pid.to_string()).collect();
        if more.is_empty() {
            return Ok(first);
        }
        let what = format!(
            "several processes are called {word:?}: {} {}",
            first.pid,
            more.join(" ")
        );
        Err(Error::usage(what).hint("one of the numbers"))
    }

    fn of(pid: i32) -> Self {
        Self {
            pid,
            comm: comm(pid).unwrap_or_default(),
        }
    }
}

/// The name of a process, with escapes for what cannot be printed.
fn comm(pid: i32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Some(mmlens_core::text::Escaped(bytes).to_string())
}

/// All processes but this one.
pub fn processes() -> impl Iterator<Item = Target> {
    let own = std::process::id() as i32;
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(move |&pid| pid != own)
        .filter_map(|pid| comm(pid).map(|comm| Target { pid, comm }))
}

/// Whether it is a thread of the kernel (`PF_KTHREAD`).
pub fn is_kernel_thread(pid: i32) -> bool {
    let flags = || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may have spaces and parentheses in it.
        let (_, rest) = stat.rsplit_once(") ")?;
        rest.split(' ').nth(6)?.parse::<u64>().ok()
    };
    flags().is_some_and(|flags| flags & 0x0020_0000 != 0)
}
