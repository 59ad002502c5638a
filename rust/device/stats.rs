// SPDX-License-Identifier: GPL-2.0

//! How often each operation ran, how it ended, and how long it took.

use crate::{
    ffi::uapi::{
        mmlens_stats,
        MMLENS_BUCKETS,
        MMLENS_OP_COUNT,
        MMLENS_OUTCOMES, //
    },
    sys::trace::{
        self,
        Counter, //
    }, //
};
use kernel::prelude::*;

/// What is counted: `enum mmlens_op`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Mmap = 0,
    Open = 1,
    Close = 2,
    MaySplit = 3,
    Mremap = 4,
    Mprotect = 5,
    Fault = 6,
    HugeFault = 7,
    MapPages = 8,
    PageMkwrite = 9,
    PfnMkwrite = 10,
    Access = 11,
    Read = 12,
    Write = 13,
}

/// How an operation ended: `enum mmlens_outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Done = 0,
    Killed = 1,
    Fallback = 2,
    Sigbus = 3,
    Oom = 4,
    Error = 5,
}

/// The counters of one operation.
struct Counters {
    endings: [Counter; MMLENS_OUTCOMES as usize],
    pages: Counter,
    ns: Counter,
    ns_log2: [Counter; MMLENS_BUCKETS as usize],
}

impl Counters {
    fn new() -> Self {
        Self {
            endings: core::array::from_fn(|_| Counter::new()),
            pages: Counter::new(),
            ns: Counter::new(),
            ns_log2: core::array::from_fn(|_| Counter::new()),
        }
    }
}

/// The counters of one buffer, by operation.
pub(crate) struct Stats(KVec<Counters>);

impl Stats {
    /// All zero. Errors: `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let count = MMLENS_OP_COUNT as usize;
        let mut all = KVec::with_capacity(count, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..count {
            all.push(Counters::new(), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self(all))
    }

    /// One more of an operation.
    pub(crate) fn count(&self, op: Op, ending: Ending, pages: u64, ns: u64) {
        let Some(counters) = self.0.get(op as usize) else {
            return;
        };
        let bucket = ns.checked_ilog2().unwrap_or(0).min(MMLENS_BUCKETS - 1);
        let endings = counters.endings.get(ending as usize);
        if let (Some(ending), Some(bucket)) = (endings, counters.ns_log2.get(bucket as usize)) {
            let sums = [(&counters.pages, pages), (&counters.ns, ns)];
            trace::count([ending, bucket], sums);
        }
    }

    /// How often an operation was done.
    pub(crate) fn done(&self, op: Op) -> u64 {
        let counters = self.0.get(op as usize);
        let counter = counters.and_then(|c| c.endings.get(Ending::Done as usize));
        counter.map_or(0, Counter::get)
    }

    /// VMAs that exist now.
    pub(crate) fn mappings(&self) -> u64 {
        // Read what shrinks the result first: one that is closed meanwhile is not counted below
        // zero.
        let closed = self.done(Op::Close);
        (self.done(Op::Mmap) + self.done(Op::Open)).saturating_sub(closed)
    }

    /// What is known of the operation with this number, in the struct of the ioctl.
    ///
    /// Errors: `EINVAL` if there is none.
    pub(crate) fn fill(&self, op: u32, size: u32) -> Result<mmlens_stats> {
        let counters = self.0.get(op as usize).ok_or(EINVAL)?;
        Ok(mmlens_stats {
            size,
            op,
            outcome: counters.endings.each_ref().map(Counter::get),
            pages: counters.pages.get(),
            ns: counters.ns.get(),
            ns_log2: counters.ns_log2.each_ref().map(Counter::get),
        })
    }
}
