// SPDX-License-Identifier: GPL-2.0

//! `map_pages`: to map what is around a read fault, without sleeping.
//!
//! Only VMAs of frame numbers have it here. It runs under RCU, so nothing may sleep, and mapping a
//! page sleeps if its table has to be made first. That there is a table is checked before; but in a
//! VMA of pages `MADV_DONTNEED` may free it again at once (`CONFIG_PT_RECLAIM`), and RCU keeps the
//! memory of a table, not its place in the tree. `VM_PFNMAP` forbids `MADV_DONTNEED`
//! (`madvise_dontneed_free()`, mm/madvise.c), and nobody else frees the table under a VMA that is
//! locked and no page cache.

use super::{
    fault::{
        Failure,
        FaultFlags,
        Installed,
        VmFault, //
    },
    kind::{
        Pfn,
        PfnMap, //
    },
    ops::VmOperations,
    vma::DriverVma, //
};
use crate::ffi;
use core::{
    ops::RangeInclusive,
    ptr::NonNull, //
};
use kernel::bindings;

/// A read fault, and the pages around it that may be mapped along. It is no [`VmFault`], whose inserts
/// may sleep.
///
/// # Invariants
///
/// There is a table for the addresses of `range`, all of which are in the VMA.
pub(crate) struct AroundFault<'a, T> {
    fault: VmFault<'a, T>,
    range: RangeInclusive<usize>,
}

impl<'a, T: VmOperations> AroundFault<'a, T> {
    /// `None` if there is no table yet.
    ///
    /// # Safety
    ///
    /// As [`VmFault::from_raw`], and the handler is `map_pages` with this range of offsets.
    pub(super) unsafe fn from_raw(
        vmf: NonNull<bindings::vm_fault>,
        range: RangeInclusive<usize>,
    ) -> Option<Self> {
        // SAFETY: `vmf` is valid by the caller's promise.
        if !unsafe { ffi::mmlens_vmf_has_table(vmf.as_ptr()) } {
            return None;
        }
        Some(Self {
            // SAFETY: The caller's promise.
            fault: unsafe { VmFault::from_raw(vmf) },
            // INVARIANT: The core cuts the range to the VMA and to one table.
            range,
        })
    }

    /// The VMA that the fault is in.
    pub(crate) fn vma(&self) -> &'a DriverVma<T> {
        self.fault.vma()
    }

    /// The page of the object that is wanted, in pages from its start.
    pub(crate) fn pgoff(&self) -> usize {
        self.fault.pgoff()
    }

    /// The address that was touched, rounded down to a page.
    pub(crate) fn address(&self) -> usize {
        self.fault.address()
    }

    /// What kind of access it is.
    pub(crate) fn flags(&self) -> FaultFlags {
        self.fault.flags()
    }

    /// The pages of the object that may be mapped: the one that was touched among them.
    pub(crate) fn range(&self) -> RangeInclusive<usize> {
        self.range.clone()
    }
}

impl<T: VmOperations<Kind = PfnMap>> AroundFault<'_, T> {
    /// Maps a frame as page `pgoff` of the object, if nothing is mapped there. Does not sleep.
    ///
    /// Errors: `Sigbus` if that is not in the range.
    pub(crate) fn insert_pfn(&self, pgoff: usize, pfn: Pfn<'_>) -> Result<Installed, Failure> {
        if !self.range.contains(&pgoff) {
            return Err(Failure::Sigbus);
        }
        let vma = self.fault.vma();
        let address = vma.address_of(pgoff).ok_or(Failure::Sigbus)?;
        // SAFETY: The VMA is locked, and `VM_PFNMAP` by its kind, which is never private and
        // writable; the frame is one that the VMA's owner keeps; nothing is allocated, by the type
        // invariants.
        Installed::from_raw(unsafe {
            bindings::vmf_insert_pfn(vma.as_ptr(), address, pfn.number())
        })
    }
}

/// How a `map_pages` handler ends.
pub(crate) enum Around {
    /// The page that was touched is mapped, or something else is.
    Installed(Installed),
    /// It is not: go on to `fault`.
    Fault,
}
