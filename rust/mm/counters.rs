// SPDX-License-Identifier: GPL-2.0

//! What the kernel itself counts of an address space.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/hugetlb.h`](srctree/include/linux/hugetlb.h)

use crate::ffi;
use kernel::{
    bindings,
    mm::MmWithUser,
    page::PAGE_SIZE, //
};

/// Counters, in pages. Each was true at its instant.
pub(crate) struct Counters {
    /// `MM_ANONPAGES`.
    pub(crate) anon: u64,
    /// `MM_FILEPAGES`.
    pub(crate) file: u64,
    /// `MM_SHMEMPAGES`.
    pub(crate) shmem: u64,
    /// `MM_SWAPENTS`.
    pub(crate) swap: u64,
    /// Tables, without those at the top and next to it (`mm_pgtables_bytes()`).
    pub(crate) tables: u64,
    /// `hugetlb_usage`, which is not part of the resident pages.
    pub(crate) hugetlb: u64,
}

impl Counters {
    /// Reads them. The counters of single processors are summed up: nothing is outstanding.
    pub(crate) fn read(mm: &MmWithUser) -> Self {
        let raw = mm.as_raw();
        let counter = |member: u32| {
            // SAFETY: `mm` is valid, and `member` one of the kernel's.
            unsafe { ffi::mmlens_get_mm_counter_sum(raw, member as i32) as u64 }
        };
        // SAFETY: `mm` is valid.
        let bytes = unsafe { ffi::mmlens_mm_pgtables_bytes(raw) };
        // SAFETY: The same.
        let hugetlb = unsafe { ffi::mmlens_mm_hugetlb_usage(raw) };
        Self {
            anon: counter(bindings::MM_ANONPAGES),
            file: counter(bindings::MM_FILEPAGES),
            shmem: counter(bindings::MM_SHMEMPAGES),
            swap: counter(bindings::MM_SWAPENTS),
            tables: (bytes / PAGE_SIZE) as u64,
            hugetlb: hugetlb as u64,
        }
    }

    /// Pages that are resident.
    pub(crate) fn resident(&self) -> u64 {
        self.anon + self.file + self.shmem
    }
}
