// SPDX-License-Identifier: GPL-2.0

//! An address space at one time: of a process, or from a file.
//!
//! Whatever it is from, it is read in the order of addresses and never held in memory as a whole,
//! but for the VMAs.

mod kept;
mod live;
mod read;
mod write;

pub use kept::Kept;
pub use live::Live;
pub use read::Reader;
pub use write::write;

use crate::{
    error::{Error, Result},
    extent::{Extent, Shape},
    matching::Lens,
    target::Target,
};
use mmlens_device::{Machine, Vma};
use serde::{Deserialize, Serialize};
use std::{fs::File, io::BufReader};

/// The version of the format of files.
pub const VERSION: u32 = 1;
/// The longest line of a file.
pub const LONGEST_LINE: usize = 64 << 10;
/// How many VMAs there may be.
pub const MOST_VMAS: usize = 1 << 20;
/// How many bytes their names may have together.
pub const MOST_NAMES: usize = 64 << 20;

/// What a snapshot is of. The first line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Of the format: [`VERSION`].
    pub version: u32,
    pub pid: i32,
    pub comm: String,
    /// Release of the kernel.
    pub kernel: String,
    /// When, in seconds since 1970.
    pub time: u64,
    pub machine: Machine,
}

/// How much of a table is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableUse {
    /// First address that it translates.
    pub start: u64,
    /// Its physical address.
    pub at: u64,
    /// The number of its level, 0 is pte.
    pub level: u8,
    /// How many entries it has.
    pub entries: u32,
    /// Of these: that are not zero.
    pub used: u32,
}

/// Where a snapshot comes from. Runs have to be read before tables.
pub trait Source {
    fn head(&self) -> &Head;

    /// In the order of addresses.
    fn vmas(&self) -> &[Vma];

    fn shape(&self) -> Shape;

    /// The next run: what is mapped or remembered, without tables. `None` at the end.
    fn run(&mut self) -> Result<Option<Extent>>;

    /// The next table, after the last run.
    fn table(&mut self) -> Result<Option<TableUse>>;
}

/// The snapshot that `word` says: a file if there is one of that name, else a process.
pub fn open<'a>(lens: &'a mut Option<Lens>, word: &str) -> Result<Box<dyn Source + 'a>> {
    // A pid, or the name of a process, is without a slash; `./142` is a file.
    let is_pid = word == "self" || word.bytes().all(|b| b.is_ascii_digit());
    if !is_pid {
        match File::open(word) {
            Ok(file) => return Ok(Box::new(Reader::new(BufReader::new(file), word)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Error::other(format_args!(
                    "{word}: {}",
                    crate::error::text(&error)
                )))
            }
        }
        if word.contains('/') || word.contains('.') {
            return Err(Error::usage(format_args!("there is no file {word:?}")));
        }
    }
    let target = Target::find(word)?;
    let lens = match lens {
        Some(lens) => lens,
        none => none.insert(Lens::open()?),
    };
    Ok(Box::new(Live::begin(lens, &target)?))
}

#[cfg(test)]
#[path = "snapshot/tests.rs"]
mod tests;

#[cfg(test)]
mod hostile;
