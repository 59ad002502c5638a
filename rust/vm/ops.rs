// SPDX-License-Identifier: GPL-2.0

//! The operations of a VMA, and the table that C calls them by.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h), `struct vm_operations_struct`
//!
//! Reference:
//! [`Documentation/filesystems/locking.rst`](srctree/Documentation/filesystems/locking.rst)

use super::{
    around::{
        Around,
        AroundFault, //
    },
    fault::{
        Failure,
        MkwriteFault,
        Outcome,
        PfnMkwrite,
        VmFault, //
    },
    huge::{
        HugeFault,
        HugeOutcome, //
    },
    kind::Kind,
    page::LockedPage,
    vma::DriverVma, //
};
use core::ops::Range;
use kernel::{
    error::VTABLE_DEFAULT_ERROR,
    mm::virt::vm_flags_t,
    prelude::*, //
};

pub(crate) use super::table::VmOperationsTable;

/// What is read or written by [`VmOperations::access`].
pub(crate) enum Access<'a> {
    /// To be filled.
    Read(&'a mut [u8]),
    /// To be stored.
    Write(&'a [u8]),
}

/// Operations on the VMAs of a driver.
///
/// The implementor stands for the table; the object behind the VMAs is its `Owner`, an [`Arc`] of
/// which each VMA owns. So one object can have VMAs with different tables. Methods that are not
/// overridden are `NULL` in C, but for `open` and `close`, which keep the owner, and `map_pages`,
/// without which faults would need the mmap lock.
///
/// Unless a method says otherwise, it runs in process context, may sleep, and holds the mmap lock
/// *or only the VMA's own lock* for reading: never assume the former.
///
/// [`Arc`]: kernel::sync::Arc
#[vtable]
pub(crate) trait VmOperations: Sized + 'static {
    /// The object behind the VMAs.
    type Owner: Send + Sync + 'static;

    /// The kind of VMA, which says how pages may be mapped.
    type Kind: Kind;

    /// The table with these operations: a `static` of the implementor, whose address identifies its
    /// VMAs.
    fn table() -> &'static VmOperationsTable<Self>;

    /// The VMA was made as a copy of another: by fork, by a split or by mremap. Not called for what
    /// `mmap()` made.
    ///
    /// Context: the mmap lock is held for writing.
    fn open(_owner: &Self::Owner, _vma: &DriverVma<Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The VMA is going away. Called once for each VMA, whether `mmap()` or a copy made it.
    ///
    /// Context: the mmap lock is held for reading or writing; possibly in the last `mmput()` of the
    /// process.
    fn close(_owner: &Self::Owner, _vma: &DriverVma<Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The VMA is about to be split at an address: by `munmap`, `mprotect`, `mremap`, `madvise` or
    /// `mlock` of a part. An error refuses that, and is what the system call returns.
    ///
    /// Context: the mmap lock is held for writing.
    fn may_split(_owner: &Self::Owner, _vma: &DriverVma<Self>, _address: usize) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The VMA is the new place of one that `mremap` moves: its entries were moved. An error moves
    /// them back.
    ///
    /// Context: the mmap lock is held for writing.
    fn mremap(_owner: &Self::Owner, _vma: &DriverVma<Self>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `mprotect` is about to give a part of the VMA new flags. An error refuses that. The VMA must
    /// not be changed.
    ///
    /// Context: the mmap lock is held for writing.
    fn mprotect(
        _owner: &Self::Owner,
        _vma: &DriverVma<Self>,
        _range: Range<usize>,
        _flags: vm_flags_t,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A page that is not mapped was touched.
    fn fault(_owner: &Self::Owner, _fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Nothing is mapped yet in the whole range of a pmd or pud, or what is mapped there at that
    /// level is written to and read-only.
    fn huge_fault(
        _owner: &Self::Owner,
        _fault: &HugeFault<'_, Self>,
    ) -> Result<HugeOutcome, Failure> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A page that is not mapped was read: those around it may be mapped as well.
    ///
    /// Context: RCU read-side section: **must not sleep**.
    fn map_pages(_owner: &Self::Owner, _fault: &AroundFault<'_, Self>) -> Around {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A page that [`fault`](Self::fault) returned is about to become writable in a shared mapping.
    ///
    /// With this method such pages are mapped read-only until their first write.
    fn page_mkwrite<'a>(
        _owner: &Self::Owner,
        _fault: &MkwriteFault<'a, Self>,
    ) -> Result<LockedPage<'a>, Failure> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A frame that was mapped by its number is about to become writable in a shared mapping.
    ///
    /// With this method such frames are mapped read-only until their first write.
    fn pfn_mkwrite(
        _owner: &Self::Owner,
        _fault: &VmFault<'_, Self>,
    ) -> Result<PfnMkwrite, Failure> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Somebody reads or writes memory of the process that has no pages to get: a debugger, or
    /// `/proc/PID/mem`. `offset` is in the object, in bytes; what is wanted is all in the VMA.
    /// Returns how many bytes were done.
    ///
    /// The core does not look at the rights of the VMA before it calls this. The table does: nothing
    /// is written by a private mapping, nor by one that may not write (`generic_access_phys()` has
    /// the like).
    fn access(
        _owner: &Self::Owner,
        _vma: &DriverVma<Self>,
        _offset: u64,
        _access: Access<'_>,
    ) -> Result<usize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// How the VMA is called in `/proc/PID/maps`, if it has no file (`get_vma_name()`,
    /// fs/proc/task_mmu.c): those of a device do, and are shown with its path.
    ///
    /// With this method the VMA is a part of every core dump, whatever its flags
    /// (`always_dump_vma()`, fs/coredump.c), registers of devices too.
    fn name(_vma: &DriverVma<Self>) -> &'static CStr {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The size of the pages that it is mapped by, in bytes: `KernelPageSize` in `smaps`.
    fn pagesize(_owner: &Self::Owner, _vma: &DriverVma<Self>) -> usize {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}
