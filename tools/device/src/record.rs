// SPDX-License-Identifier: GPL-2.0

//! The records of WALK, and how they are read.

use crate::{raw, sys};
use mmlens_core::pt::{entry::Raw, facts::Facts};
use std::mem::size_of;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The first address that it translates, in the range.
    pub address: u64,
    /// As it stands in the table.
    pub raw: Raw,
    /// What can be said of it.
    pub facts: Facts,
}

/// Neighbours of one level, alike but for their places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First address.
    pub start: u64,
    /// Exclusive.
    pub end: u64,
    /// The first entry.
    pub raw: Raw,
    /// Page frame of the first entry, or its slot in a swap area.
    pub place: Option<u64>,
    /// What can be said of each.
    pub facts: Facts,
}

/// A table as it stands in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// First address that it translates.
    pub start: u64,
    /// Its physical address.
    pub at: u64,
    /// The number of its level, 0 is pte.
    pub level: u8,
    /// Its entries.
    pub entries: Vec<u64>,
}

/// A VMA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vma {
    /// First address.
    pub start: u64,
    /// Exclusive.
    pub end: u64,
    /// `vm_flags`, the kernel's numbers.
    pub flags: u64,
    /// Of the start in the file, in pages.
    pub pgoff: u64,
    /// `vm_page_prot`.
    pub page_prot: u64,
    /// Of the file, 0 without.
    pub ino: u64,
    /// Major and minor number of its device.
    pub dev: (u32, u32),
    /// `MMLENS_VMA_*`.
    pub facts: u32,
    /// As `/proc/PID/maps` has it, if asked for.
    pub name: Vec<u8>,
}

impl Vma {
    pub(crate) fn from_sys(vma: &sys::mmlens_vma, name: &[u8]) -> Self {
        Self {
            start: vma.start,
            end: vma.end,
            flags: vma.vm_flags,
            pgoff: vma.pgoff,
            page_prot: vma.page_prot,
            ino: vma.ino,
            dev: (vma.dev_major, vma.dev_minor),
            facts: vma.facts,
            name: name.to_vec(),
        }
    }

    /// Whether it is anonymous memory (`vma_is_anonymous()`).
    pub fn is_anonymous(&self) -> bool {
        self.has(sys::MMLENS_VMA_ANON)
    }

    /// Whether it is marked as the heap.
    pub fn is_heap(&self) -> bool {
        self.has(sys::MMLENS_VMA_HEAP)
    }

    /// Whether it is marked as the stack.
    pub fn is_stack(&self) -> bool {
        self.has(sys::MMLENS_VMA_STACK)
    }

    /// Whether it maps a file.
    pub fn is_file(&self) -> bool {
        self.has(sys::MMLENS_VMA_FILE)
    }

    /// Whether anonymous pages were ever mapped in it.
    pub fn has_anon_vma(&self) -> bool {
        self.has(sys::MMLENS_VMA_ANON_VMA)
    }

    fn has(&self, fact: u32) -> bool {
        self.facts & fact != 0
    }
}

/// Sums of what passes the filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Entries by level, 0 is pte.
    pub entries: [u64; sys::MMLENS_LEVELS as usize],
    /// Bytes that they translate.
    pub bytes: u64,
    /// By number of the bit: bytes of those with this fact.
    pub bytes_with: [u64; 64],
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            entries: Default::default(),
            bytes: 0,
            bytes_with: [0; 64],
        }
    }
}

impl Counts {
    /// Bytes of entries with a fact, which is one bit.
    pub fn bytes_of(&self, fact: Facts) -> u64 {
        let index = fact.0.trailing_zeros() as usize;
        self.bytes_with.get(index).copied().unwrap_or(0)
    }

    /// Adds what another part of the range has.
    pub fn add(&mut self, other: &Counts) {
        let add = |to: &mut [u64], from: &[u64]| {
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        };
        add(&mut self.entries, &other.entries);
        add(&mut self.bytes_with, &other.bytes_with);
        self.bytes += other.bytes;
    }
}

/// A record, and how it is read from a buffer.
pub trait Record: Sized {
    /// The form of WALK.
    #[doc(hidden)]
    const FORM: u32;

    /// Reads the first one of `bytes`, and says how long it is.
    #[doc(hidden)]
    fn parse(bytes: &[u8]) -> Option<(Self, usize)>;
}

impl Record for Entry {
    const FORM: u32 = sys::MMLENS_FORM_ENTRIES;

    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let entry: sys::mmlens_entry = raw::read(bytes)?;
        let this = Self {
            address: entry.address,
            raw: Raw(entry.raw),
            facts: Facts(entry.flags),
        };
        Some((this, size_of::<sys::mmlens_entry>()))
    }
}

impl Record for Run {
    const FORM: u32 = sys::MMLENS_FORM_RUNS;

    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let run: sys::mmlens_run = raw::read(bytes)?;
        let this = Self {
            start: run.start,
            end: run.end,
            raw: Raw(run.raw),
            place: Some(run.place).filter(|&place| place != u64::MAX),
            facts: Facts(run.flags),
        };
        Some((this, size_of::<sys::mmlens_run>()))
    }
}

impl Record for Table {
    const FORM: u32 = sys::MMLENS_FORM_TABLES;

    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let table: sys::mmlens_table = raw::read(bytes)?;
        let rest = bytes.get(size_of::<sys::mmlens_table>()..)?;
        let rest = rest.get(..usize::try_from(table.entries).ok()?.checked_mul(8)?)?;
        let words = rest.chunks_exact(8).filter_map(|word| word.try_into().ok());
        let this = Self {
            start: table.start,
            at: table.at,
            level: u8::try_from(table.level).ok()?,
            entries: words.map(u64::from_ne_bytes).collect(),
        };
        Some((this, size_of::<sys::mmlens_table>() + rest.len()))
    }
}

impl Record for Vma {
    const FORM: u32 = sys::MMLENS_FORM_VMAS;

    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let vma: sys::mmlens_vma = raw::read(bytes)?;
        let size = usize::try_from(vma.record_size).ok()?;
        // A later version may have a longer head, with the name at the end all the same; this one
        // has the name right behind it.
        let name = bytes.get(size_of::<sys::mmlens_vma>()..size)?;
        let name = name.get(..usize::try_from(vma.name_bytes).ok()?)?;
        Some((Self::from_sys(&vma, name), size))
    }
}

impl Record for Counts {
    const FORM: u32 = sys::MMLENS_FORM_COUNTS;

    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let counts: sys::mmlens_counts = raw::read(bytes)?;
        let this = Self {
            entries: counts.entries,
            bytes: counts.bytes,
            bytes_with: counts.bytes_with,
        };
        Some((this, size_of::<sys::mmlens_counts>()))
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
