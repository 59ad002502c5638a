// SPDX-License-Identifier: GPL-2.0

//! How often each operation ran.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// A counter that many processors bump and nobody orders anything by.
pub(crate) struct Counter(Atomic<u64>);

impl Counter {
    /// Zero.
    pub(crate) fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// One more.
    pub(crate) fn bump(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// The number so far.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counters of one buffer.
pub(crate) struct Stats {
    /// Mappings made by `mmap()`.
    pub(crate) mmap: Counter,
    /// VMAs copied by fork, split or mremap.
    pub(crate) open: Counter,
    /// VMAs gone.
    pub(crate) close: Counter,
    /// Pages given to the fault handler.
    pub(crate) fault: Counter,
    /// Faults past the end of the buffer.
    pub(crate) fault_refused: Counter,
    /// Pages made writable.
    pub(crate) page_mkwrite: Counter,
}

impl Stats {
    /// All zero.
    pub(crate) fn new() -> Self {
        Self {
            mmap: Counter::new(),
            open: Counter::new(),
            close: Counter::new(),
            fault: Counter::new(),
            fault_refused: Counter::new(),
            page_mkwrite: Counter::new(),
        }
    }

    /// VMAs that exist now.
    pub(crate) fn mappings(&self) -> u64 {
        // Read what shrinks the result first: one that is closed meanwhile is not counted below
        // zero.
        let closed = self.close.get();
        (self.mmap.get() + self.open.get()).saturating_sub(closed)
    }
}
