// SPDX-License-Identifier: GPL-2.0

//! A bitmap whose bits are set and cleared by many at a time, and which knows how many are set.

use crate::{
    ffi,
    sys::scratch::accounted, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed, //
    },
};

const BITS: usize = u64::BITS as usize;

/// A bit for each page of a buffer, or the like.
pub(crate) struct Bitmap {
    words: KVVec<Atomic<u64>>,
    bits: usize,
    count: Atomic<u64>,
}

impl Bitmap {
    /// `bits` bits, all clear. Errors: `ENOMEM`.
    pub(crate) fn new(bits: usize) -> Result<Self> {
        let count = bits.div_ceil(BITS);
        let mut words = accounted(count)?;
        for _ in 0..count {
            words.push(Atomic::new(0), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self {
            words,
            bits,
            count: Atomic::new(0),
        })
    }

    /// How many are set.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// Sets a bit, but none past the end. Says whether it is the first one that is set.
    ///
    /// Fully ordered.
    #[inline]
    pub(crate) fn set(&self, index: usize) -> bool {
        match self.words.get(index / BITS) {
            // SAFETY: The word and the counter are there, and only ever used by atomic operations.
            Some(word) if index < self.bits => unsafe {
                let bit = (index % BITS) as u32;
                ffi::mmlens_set_bit(bit, word.as_ptr(), self.count.as_ptr())
            },
            _ => false,
        }
    }

    /// The 64 bits from `first` on; clear past the end.
    ///
    /// Acquire: pairs with [`set`](Self::set).
    #[inline]
    pub(crate) fn word(&self, first: usize) -> u64 {
        let load = |index: usize| self.words.get(index).map_or(0, |word| word.load(Acquire));
        let (index, shift) = (first / BITS, first % BITS);
        match shift {
            0 => load(index),
            _ => load(index) >> shift | load(index + 1) << (BITS - shift),
        }
    }

    /// Clears those of the 64 bits from `first` on that are set in `bits`. Returns those that were
    /// set.
    #[inline]
    pub(crate) fn clear(&self, first: usize, bits: u64) -> u64 {
        let clear = |index: usize, bits| match self.words.get(index) {
            // SAFETY: As in `set`.
            Some(word) if bits != 0 => unsafe {
                ffi::mmlens_clear_bits(bits, word.as_ptr(), self.count.as_ptr())
            },
            _ => 0,
        };
        let (index, shift) = (first / BITS, first % BITS);
        match shift {
            0 => clear(index, bits),
            _ => {
                let low = clear(index, bits << shift) >> shift;
                low | clear(index + 1, bits >> (BITS - shift)) << (BITS - shift)
            }
        }
    }
}
