// SPDX-License-Identifier: GPL-2.0

//! Which pages of a buffer were written, and the harvest of that.
//!
//! A page is recorded before its entry becomes writable, and write-protected after its record was
//! cleared; what lies between has to exclude the other, or a write is lost: the record cleared, the
//! entry still read-only and so left alone, and then made writable by a fault that had been
//! recorded before. For pages that `fault` returns the page lock does it, which the core keeps until
//! the entry is written. For frames there is no such lock, so the handlers write the entry
//! themselves, with the gate of the buffer held.

use super::buffer::{
    Buffer,
    Memory, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
};

/// A record for each page of a buffer.
pub(crate) struct Dirty {
    pages: KVVec<Atomic<bool>>,
    count: Atomic<u64>,
}

impl Dirty {
    /// All clean. Errors: `ENOMEM`.
    pub(super) fn new(count: usize) -> Result<Self> {
        let mut pages = KVVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..count {
            pages.push(Atomic::new(false), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self {
            pages,
            count: Atomic::new(0),
        })
    }

    /// How many are dirty.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// Says whether it is the first one.
    pub(super) fn mark(&self, index: usize) -> bool {
        let was_clean = self
            .pages
            .get(index)
            .is_some_and(|p| !p.xchg(true, Release));
        was_clean && self.count.fetch_add(1, Relaxed) == 0
    }

    fn is_marked(&self, index: usize) -> bool {
        self.pages.get(index).is_some_and(|p| p.load(Acquire))
    }

    /// Says whether it was marked.
    fn clear(&self, index: usize) -> bool {
        let was_dirty = self
            .pages
            .get(index)
            .is_some_and(|p| p.xchg(false, Relaxed));
        if was_dirty {
            self.count.fetch_sub(1, Relaxed);
        }
        was_dirty
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

impl Buffer {
    /// Which of the pages from `first` on were written, 64 at most; without `peek` they are clean
    /// and write-protected afterwards, each at once.
    ///
    /// Sleeps. Errors: `EINTR` if this task is being killed; what was cleared before is marked
    /// again.
    pub(super) fn harvest(
        &self,
        memory: &Memory,
        dirty: &Dirty,
        first: usize,
        pages: usize,
        peek: bool,
    ) -> Result<Word> {
        let mut word = Word::default();
        let marked = |bit: &usize| dirty.is_marked(first + bit);
        let range = 0..pages.min(64);
        // Most pages are clean, and need no lock to be so.
        if !range.clone().any(|bit| marked(&bit)) {
            return Ok(word);
        }
        let _gate = match memory.setup.is_normal() || peek {
            true => None,
            false => Some(self.gate.write()?),
        };
        for bit in range.filter(marked) {
            if peek {
                word.bits |= 1 << bit;
                continue;
            }
            match self.harvest_page(memory, dirty, first + bit) {
                Ok(None) => (),
                Ok(Some(protected)) => {
                    word.bits |= 1 << bit;
                    word.protected += protected;
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

    /// Clears the record of a page and write-protects it. Returns how many entries that took;
    /// `None` if it was clean. For frames, the gate is held for writing.
    fn harvest_page(&self, memory: &Memory, dirty: &Dirty, index: usize) -> Result<Option<u64>> {
        let _page = match memory.setup.is_normal() {
            true => {
                let page = memory.backing.page(index).ok_or(EFAULT)?;
                Some(page.lock().ok_or(EINTR)?)
            }
            false => None,
        };
        if !dirty.clear(index) {
            return Ok(None);
        }
        let pfn = memory.backing.pfn(index).ok_or(EFAULT)?;
        Ok(Some(self.inode.write_protect(index, pfn)))
    }
}
