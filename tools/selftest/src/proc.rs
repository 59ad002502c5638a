// SPDX-License-Identifier: GPL-2.0

//! What /proc says of a process.

use crate::check::{Fail, Outcome};
use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
};

/// A line of /proc/PID/maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    pub start: u64,
    pub end: u64,
    pub rights: String,
    /// In bytes.
    pub offset: u64,
    pub device: String,
    pub inode: u64,
    pub name: String,
}

impl Map {
    fn parse(line: &str) -> Option<Self> {
        let mut rest = line;
        let mut word = || {
            let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
            rest = after;
            word
        };
        let (start, end) = word().split_once('-')?;
        let hex = |digits| u64::from_str_radix(digits, 16).ok();
        let rights = word().to_string();
        let offset = hex(word())?;
        let device = word().to_string();
        let inode = word().parse().ok()?;
        Some(Self {
            start: hex(start)?,
            end: hex(end)?,
            rights,
            offset,
            device,
            inode,
            name: rest.trim_start().to_string(),
        })
    }
}

/// All but the vsyscall page, which is no VMA.
pub fn maps(pid: u32) -> Outcome<Vec<Map>> {
    let text = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let maps = text
        .lines()
        .map(|line| Map::parse(line).ok_or_else(|| Fail::Wrong(line.into())));
    let maps: Outcome<Vec<Map>> = maps.collect();
    Ok(maps?
        .into_iter()
        .filter(|map| map.name != "[vsyscall]")
        .collect())
}

pub fn page_size() -> u64 {
    // SAFETY: it only asks.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;

/// The frame of each page of a range, `None` where nothing is present. Not of VM_PFNMAP.
pub fn frames(pid: u32, start: u64, end: u64) -> Outcome<Vec<Option<u64>>> {
    let file = File::open(format!("/proc/{pid}/pagemap"))?;
    let page = page_size();
    let mut bytes = vec![0; usize::try_from((end - start) / page * 8).unwrap_or(0)];
    file.read_exact_at(&mut bytes, start / page * 8)?;
    let words = bytes
        .chunks_exact(8)
        .filter_map(|word| word.try_into().ok())
        .map(u64::from_ne_bytes);
    Ok(words
        .map(|word| (word & PRESENT != 0 && word & SWAPPED == 0).then_some(word & ((1 << 55) - 1)))
        .collect())
}

/// The sum of a field of /proc/PID/smaps, in bytes.
pub fn smaps_sum(pid: u32, field: &str) -> Outcome<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps"))?;
    let values = text
        .lines()
        .filter_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kilobytes =
        values.filter_map(|value| value.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Ok(kilobytes.sum::<u64>() * 1024)
}
