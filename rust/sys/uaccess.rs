// SPDX-License-Identifier: GPL-2.0

//! Words for user space, stored one by one.
//!
//! `copy_to_user()` is made for what is copied as it is. Records are made as they are stored, so the
//! copy in between is saved; and where a processor is emulated, a loop of stores is several times as
//! fast as the string instruction of x86_64.
//!
//! C header: [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h)

use crate::{
    ffi,
    pt::{
        entry::Raw,
        scan::Stretch, //
    },
};
use core::ptr::with_exposed_provenance_mut;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Words of a `struct mmlens_entry`.
pub(crate) const ENTRY_WORDS: usize = size_of::<ffi::mmlens_entry>() / size_of::<u64>();

/// Memory of the caller, into which records are put one behind the other.
///
/// Small ones are collected: entering user space costs more than they do. [`flush`](Self::flush) stores
/// the last ones.
pub(crate) struct UserWords {
    at: usize,
    /// Words that are left, those that are collected not counted.
    room: usize,
    collected: [u64; COLLECTED],
    /// How many of them there are.
    count: usize,
}

const COLLECTED: usize = 64;

impl UserWords {
    /// `bytes` bytes at `at`.
    ///
    /// Errors: `EINVAL` if that is not aligned to words.
    pub(crate) fn new(at: u64, bytes: u64) -> Result<Self> {
        let at = usize::try_from(at)?;
        if at % size_of::<u64>() != 0 {
            return Err(EINVAL);
        }
        Ok(Self {
            at,
            room: usize::try_from(bytes)? / size_of::<u64>(),
            collected: [0; COLLECTED],
            count: 0,
        })
    }

    /// How many words fit.
    pub(crate) fn room(&self) -> usize {
        self.room
    }

    /// Puts `words` there, at the latest with the next [`flush`](Self::flush). Sleeps.
    ///
    /// Errors: `ENOSPC` if there is no room, `EFAULT`.
    pub(crate) fn put(&mut self, words: &[u64]) -> Result {
        if words.len() > self.room {
            return Err(ENOSPC);
        }
        if words.len() > COLLECTED - self.count {
            self.flush()?;
        }
        let free = self.count..self.count + words.len();
        let Some(free) = self.collected.get_mut(free) else {
            // SAFETY: The words are there.
            return unsafe { self.store(words.as_ptr(), words.len()) };
        };
        free.copy_from_slice(words);
        self.count += words.len();
        self.room -= words.len();
        Ok(())
    }

    /// Stores what is collected. Sleeps.
    ///
    /// Errors: `EFAULT`.
    pub(crate) fn flush(&mut self) -> Result {
        let count = core::mem::take(&mut self.count);
        self.room += count;
        // SAFETY: So many words are collected.
        unsafe { self.store(self.collected.as_ptr(), count) }
    }

    /// The same of entries.
    pub(crate) fn put_raws(&mut self, raws: &[Raw]) -> Result {
        self.flush()?;
        // SAFETY: The entries are there.
        // CAST: `Raw` is transparent.
        unsafe { self.store(raws.as_ptr().cast(), raws.len()) }
    }

    /// # Safety
    ///
    /// There are `count` words at `words`.
    unsafe fn store(&mut self, words: *const u64, count: usize) -> Result {
        if count > self.room {
            return Err(ENOSPC);
        }
        let to = with_exposed_provenance_mut(self.at);
        // SAFETY: `to` is only taken for an address of user space; the rest is the caller's promise.
        to_result(unsafe { ffi::mmlens_put_words(to, words, count) })?;
        self.advance(count);
        Ok(())
    }

    fn advance(&mut self, words: usize) {
        self.at = self.at.saturating_add(words * size_of::<u64>());
        self.room = self.room.saturating_sub(words);
    }

    /// Puts a `struct mmlens_entry` there for each of `raws` of which there is something to say, and
    /// returns how many these are. The first one translates `first`, and is told as `start` if that is
    /// more; each translates `size` bytes. Sleeps.
    ///
    /// Errors: `ENOSPC` if there is no room for all of them, `EINVAL` if the stretches are longer than
    /// `raws`, `EFAULT`.
    pub(crate) fn put_entries(
        &mut self,
        start: u64,
        first: u64,
        size: u64,
        raws: &[Raw],
        stretches: &[Stretch],
    ) -> Result<usize> {
        let count = stretches
            .iter()
            .fold(0u64, |all, s| all.saturating_add(s.count));
        if count > raws.len() as u64 {
            return Err(EINVAL);
        }
        self.flush()?;
        if raws.len().saturating_mul(ENTRY_WORDS) > self.room {
            return Err(ENOSPC);
        }
        let to = with_exposed_provenance_mut(self.at);
        // SAFETY: `to` is only taken for an address of user space; there are as many entries as the
        // stretches say.
        // CAST: `Raw` is transparent, and `Stretch` has the layout of the C struct.
        let put = unsafe {
            ffi::mmlens_put_entries(
                to,
                start,
                first,
                size,
                raws.as_ptr().cast(),
                stretches.as_ptr().cast(),
                stretches.len(),
            )
        };
        let put = usize::try_from(put).map_err(|_| EFAULT)?;
        self.advance(ENTRY_WORDS * put);
        Ok(put)
    }
}
