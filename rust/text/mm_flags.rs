// SPDX-License-Identifier: GPL-2.0

//! Names of the bits of `mm_struct`.

use super::Named;
use core::fmt;

/// `MMF_*` of `include/linux/mm_types.h`, by bit number.
const MMF: [&str; 32] = [
    "",
    "",
    "MMF_DUMP_ANON_PRIVATE",
    "MMF_DUMP_ANON_SHARED",
    "MMF_DUMP_MAPPED_PRIVATE",
    "MMF_DUMP_MAPPED_SHARED",
    "MMF_DUMP_ELF_HEADERS",
    "MMF_DUMP_HUGETLB_PRIVATE",
    "MMF_DUMP_HUGETLB_SHARED",
    "MMF_DUMP_DAX_PRIVATE",
    "MMF_DUMP_DAX_SHARED",
    "",
    "",
    "",
    "",
    "",
    "MMF_VM_MERGEABLE",
    "MMF_VM_HUGEPAGE",
    "MMF_HUGE_ZERO_FOLIO",
    "MMF_HAS_UPROBES",
    "MMF_RECALC_UPROBES",
    "MMF_OOM_SKIP",
    "MMF_UNSTABLE",
    "MMF_DISABLE_THP_EXCEPT_ADVISED",
    "MMF_DISABLE_THP_COMPLETELY",
    "MMF_OOM_REAP_QUEUED",
    "MMF_MULTIPROCESS",
    "MMF_HAS_PINNED",
    "MMF_HAS_MDWE",
    "MMF_HAS_MDWE_NO_INHERIT",
    "MMF_VM_MERGE_ANY",
    "MMF_TOPDOWN",
];

/// `MEMBARRIER_STATE_*` of `include/linux/sched/mm.h`, by bit number.
const MEMBARRIER: [&str; 8] = [
    "PRIVATE_EXPEDITED_READY",
    "PRIVATE_EXPEDITED",
    "GLOBAL_EXPEDITED_READY",
    "GLOBAL_EXPEDITED",
    "PRIVATE_EXPEDITED_SYNC_CORE_READY",
    "PRIVATE_EXPEDITED_SYNC_CORE",
    "PRIVATE_EXPEDITED_RSEQ_READY",
    "PRIVATE_EXPEDITED_RSEQ",
];

/// `mm->flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmFlags(pub u64);

impl fmt::Display for MmFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Named(self.0, &MMF), f)
    }
}

/// `mm->membarrier_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Membarrier(pub u64);

impl fmt::Display for Membarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Named(self.0, &MEMBARRIER), f)
    }
}
