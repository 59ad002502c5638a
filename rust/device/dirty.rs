// SPDX-License-Identifier: GPL-2.0

//! Which pages of a buffer were written, and the harvest of that.
//!
//! A page is recorded before its entry becomes writable, and write-protected after its record was
//! cleared; what lies between has to exclude the other, or a write is lost: the record cleared, the
//! entry still read-only and so left alone, and then made writable by a fault that had been
//! recorded before. For pages that `fault` returns the page lock does it, which the core keeps until
//! the entry is written. For frames there is no such lock, so the handlers write the entry
//! themselves, with the gate of the buffer held.
//!
//! Pages that lie near each other are cleared and write-protected together: their locks are held at
//! the same time, of which only the first one is waited for. Clean pages that lie between them may be
//! write-protected as well. That loses nothing: their record is not cleared, and who writes to one of
//! them is noted again.

use super::buffer::{
    Buffer,
    Memory, //
};
use crate::sys::bitmap::Bitmap;
use kernel::prelude::*;

/// Clean pages that are passed over to write-protect more at a time: a look at an entry is cheap, the
/// way to the tables is not.
const GAP: u32 = 5;

/// A record for each page of a buffer.
pub(crate) struct Dirty(Bitmap);

impl Dirty {
    /// All clean. Errors: `ENOMEM`.
    pub(super) fn new(count: usize) -> Result<Self> {
        Ok(Self(Bitmap::new(count)?))
    }

    /// How many are dirty.
    pub(crate) fn count(&self) -> u64 {
        self.0.count()
    }

    /// Says whether it is the first one.
    pub(super) fn mark(&self, index: usize) -> bool {
        self.0.set(index)
    }
}

/// What one word of a bitmap says.
#[derive(Clone, Copy, Default)]
pub(super) struct Word {
    /// A bit for each page that was written.
    pub(super) bits: u64,
    /// Entries of page tables that were write-protected.
    pub(super) protected: u64,
}

/// Those of the bits of a word that are harvested together with the lowest one.
fn near(bits: u64) -> u64 {
    let mut end = bits.trailing_zeros();
    loop {
        // What is left from there on, without what comes before.
        let left = bits.checked_shr(end).unwrap_or(0);
        match left.trailing_zeros() {
            gap if left != 0 && gap <= GAP => end += gap + 1,
            _ => break,
        }
    }
    bits & !u64::MAX.checked_shl(end).unwrap_or(0)
}

impl Buffer {
    /// Which of the pages from `first` on were written, 64 at most; without `peek` they are clean
    /// and write-protected afterwards, each at once.
    ///
    /// Sleeps. Errors: `EINTR` if this task is being killed; what was cleared before is marked
    /// again.
    #[inline]
    pub(super) fn harvest(
        &self,
        memory: &Memory,
        dirty: &Dirty,
        first: usize,
        pages: usize,
        peek: bool,
    ) -> Result<Word> {
        let wanted = !u64::MAX.checked_shl(pages.min(64) as u32).unwrap_or(0);
        let bits = dirty.0.word(first) & wanted;
        // Most pages are clean, and need no lock to be so.
        if bits == 0 || peek {
            return Ok(Word { bits, protected: 0 });
        }
        self.harvest_word(memory, dirty, first, bits)
    }

    /// The same, of those that have a bit.
    fn harvest_word(
        &self,
        memory: &Memory,
        dirty: &Dirty,
        first: usize,
        bits: u64,
    ) -> Result<Word> {
        let mut left = bits;
        let mut word = Word::default();
        // Of pages, the locks are enough.
        let _gate = match memory.setup.is_normal() {
            true => None,
            false => Some(self.gate.write()?),
        };
        while left != 0 {
            let at = left.trailing_zeros();
            match self.harvest_run(memory, dirty, first + at as usize, near(left) >> at) {
                Ok((done, found)) => {
                    left &= !(done << at);
                    word.bits |= found.bits << at;
                    word.protected += found.protected;
                }
                Err(error) => {
                    self.unharvest(dirty, first, word.bits);
                    return Err(error);
                }
            }
        }
        Ok(word)
    }

    /// Marks pages again whose harvest came to nothing: their next write is not noticed, but they
    /// are dirty already.
    pub(super) fn unharvest(&self, dirty: &Dirty, first: usize, bits: u64) {
        for bit in (0..64).filter(|bit| bits & 1 << bit != 0) {
            self.mark_dirty(dirty, first + bit);
        }
    }

    /// Clears the record of page `first` and, as far as that can be done along with it, of those
    /// behind it that have a bit in `wanted`, and write-protects them. Returns the bits of those that
    /// it has looked at, and which of them were dirty. For frames, the gate is held for writing.
    fn harvest_run(
        &self,
        memory: &Memory,
        dirty: &Dirty,
        first: usize,
        wanted: u64,
    ) -> Result<(u64, Word)> {
        let pfn = memory.backing.pfn(first).ok_or(EFAULT)?;
        let (run, _locked) = match memory.setup.is_normal() {
            true => {
                let pages = memory.backing.list(first).ok_or(EFAULT)?;
                let locked = pages.lock(wanted).ok_or(EINTR)?;
                (locked.bits(), Some(locked))
            }
            false => (memory.backing.run(first, wanted), None),
        };
        let mut found = Word {
            bits: dirty.0.clear(first, run),
            protected: 0,
        };
        if found.bits != 0 {
            let pages = u64::BITS - run.leading_zeros();
            found.protected = self.inode.write_protect(first, pfn, pages as usize);
        }
        Ok((run, found))
    }
}
