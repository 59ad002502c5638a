// SPDX-License-Identifier: GPL-2.0

//! `huge_fault`: to map a whole pmd or pud by one entry.

use super::{
    fault::{
        Failure,
        Installed,
        VmFault,
        VmFaultT, //
    },
    kind::{
        Pages,
        PfnMap,
        PfnRange, //
    },
    ops::VmOperations,
    page::LockedRef, //
};
use crate::ffi;
use core::{
    ops::Range,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    page::PAGE_SIZE, //
};

/// A fault where nothing is mapped at a level above that of pages; or a write where a huge page is
/// mapped read-only.
///
/// # Invariants
///
/// `order` is that of a pmd or of a pud.
pub(crate) struct HugeFault<'a, T> {
    fault: VmFault<'a, T>,
    order: u32,
    /// See [`HugeFault::range`].
    range: Option<Range<usize>>,
}

/// How a `huge_fault` handler ends well.
pub(crate) enum HugeOutcome {
    /// It is mapped.
    Installed(Installed),
    /// Nothing was done: try the next smaller size, at last that of a page.
    Fallback,
}

/// The order of a pmd, which is a table of entries of 8 bytes: `vm/helpers.c` looks whether it is.
pub(crate) const PMD_ORDER: u32 = PAGE_SIZE.ilog2() - 3;

/// See [`HugeFault::range`].
fn range<T: VmOperations>(fault: &VmFault<'_, T>, order: u32) -> Option<Range<usize>> {
    let vma = fault.vma();
    let pages = 1 << order;
    let address = fault.address() & !(pages * PAGE_SIZE - 1);
    let end = address.checked_add(pages * PAGE_SIZE)?;
    let is_inside = vma.start() <= address && end <= vma.end();
    let is_copied = fault.is_write() && !vma.is_shared();
    if !is_inside || is_copied {
        return None;
    }
    // The address is not before the start of the VMA, so this is not below its first offset.
    let first = fault.pgoff() - (fault.address() - address) / PAGE_SIZE;
    Some(first..first.checked_add(pages)?)
}

impl<'a, T: VmOperations> HugeFault<'a, T> {
    /// `None` if the size is neither that of a pmd nor that of a pud.
    ///
    /// # Safety
    ///
    /// As [`VmFault::from_raw`], and the handler is `huge_fault` with this order.
    pub(super) unsafe fn from_raw(vmf: NonNull<bindings::vm_fault>, order: u32) -> Option<Self> {
        // SAFETY: A constant.
        if order != PMD_ORDER && order != unsafe { ffi::mmlens_pud_order() } {
            return None;
        }
        // SAFETY: The caller's promise.
        let fault = unsafe { VmFault::from_raw(vmf) };
        // INVARIANT: By the check.
        Some(Self {
            range: range(&fault, order),
            fault,
            order,
        })
    }

    /// The fault as any other. Its page is the one that was touched.
    pub(crate) fn fault(&self) -> &VmFault<'a, T> {
        &self.fault
    }

    /// Whether a pud is wanted, and not a pmd.
    pub(crate) fn is_pud(&self) -> bool {
        self.order != PMD_ORDER
    }

    /// How many pages the entry maps.
    pub(crate) fn pages(&self) -> usize {
        1 << self.order
    }

    /// The pages of the object that the entry would map; `None` if some of them are not in the VMA,
    /// or if the object is at another place of the entry than the address is.
    ///
    /// A private mapping has to copy what is written, page by page: `None` for a write there.
    pub(crate) fn range(&self) -> Option<Range<usize>> {
        self.range.clone()
    }

    /// What an insert function returned.
    fn outcome(ret: VmFaultT) -> Result<HugeOutcome, Failure> {
        if ret & bindings::vm_fault_reason_VM_FAULT_FALLBACK != 0 {
            return Ok(HugeOutcome::Fallback);
        }
        Installed::from_raw(ret).map(HugeOutcome::Installed)
    }
}

impl<T: VmOperations<Kind = PfnMap>> HugeFault<'_, T> {
    /// Maps frames; writable if the fault is a write. Falls back if they are fewer than an entry
    /// maps, or not aligned, or if [`range`](Self::range) is none.
    ///
    /// May sleep.
    pub(crate) fn insert_pfn(&self, frames: PfnRange<'_>) -> Result<HugeOutcome, Failure> {
        let is_aligned = frames.first() & (self.pages() - 1) == 0;
        let is_enough = frames.count() >= self.pages();
        if !is_aligned || !is_enough || self.range.is_none() {
            return Ok(HugeOutcome::Fallback);
        }
        let vmf = self.fault.as_ptr();
        let write = self.fault.is_write();
        let ret = if self.is_pud() {
            // SAFETY: The VMA is locked and `VM_PFNMAP` by its kind; the whole entry is inside of
            // it, and the frames are aligned.
            unsafe { ffi::mmlens_vmf_insert_pfn_pud(vmf, frames.first(), write) }
        } else {
            // SAFETY: As above.
            unsafe { ffi::mmlens_vmf_insert_pfn_pmd(vmf, frames.first(), write) }
        };
        Self::outcome(ret)
    }
}

impl<T: VmOperations<Kind = Pages>> HugeFault<'_, T> {
    /// Maps a compound page of the size of a pmd, of which `page` is the first; writable if the
    /// fault is a write. Falls back if it is another size or place, or [`range`](Self::range) is
    /// none.
    ///
    /// Not in a `VM_MIXEDMAP` VMA: when the core splits a huge entry there, it takes it for one of
    /// frames, and neither puts the page nor uncounts it (`__split_huge_pmd_locked()`,
    /// mm/huge_memory.c).
    ///
    /// May sleep.
    pub(crate) fn insert_folio(&self, page: &LockedRef) -> Result<HugeOutcome, Failure> {
        let page = page.page();
        // SAFETY: There is a reference to the page.
        let is_pmd = unsafe { ffi::mmlens_is_pmd_folio(page.as_ptr()) };
        let is_first = page.pfn() & (self.pages() - 1) == 0;
        if self.is_pud() || !is_pmd || !is_first || self.range.is_none() {
            return Ok(HugeOutcome::Fallback);
        }
        let write = self.fault.is_write();
        // SAFETY: The VMA is locked; the whole pmd is inside of it, and the page is a folio of that
        // size, to which there is a reference.
        Self::outcome(unsafe {
            ffi::mmlens_vmf_insert_folio_pmd(self.fault.as_ptr(), page.as_ptr(), write)
        })
    }
}
