// SPDX-License-Identifier: GPL-2.0

//! The operations of a VMA, and the table that C calls them by.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h), `struct vm_operations_struct`
//!
//! Reference:
//! [`Documentation/filesystems/locking.rst`](srctree/Documentation/filesystems/locking.rst)

use super::{
    fault::{
        Failure,
        Mkwrite,
        MkwriteFault,
        Outcome,
        VmFault,
        VmFaultT, //
    },
    vma::DriverVma, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::VTABLE_DEFAULT_ERROR,
    prelude::*,
    sync::Arc,
    types::ForeignOwnable, //
};

/// Operations on the VMAs of a driver, implemented by the object behind them.
///
/// Each VMA owns an [`Arc`] of it. Methods that are not overridden are `NULL` in C.
///
/// Unless a method says otherwise, it runs in process context, may sleep, and holds the mmap lock
/// *or only the VMA's own lock* for reading: never assume the former.
#[vtable]
pub(crate) trait VmOperations: Send + Sync + Sized + 'static {
    /// The table with these operations: a `static` of the implementor, whose address identifies its
    /// VMAs.
    fn table() -> &'static VmOperationsTable<Self>;

    /// The VMA was made as a copy of another: by fork, by a split or by mremap. Not called for what
    /// `mmap()` made.
    ///
    /// Context: the mmap lock is held for writing.
    fn open(&self, _vma: &DriverVma<Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The VMA is going away. Called once for each VMA, whether `mmap()` or a copy made it.
    ///
    /// Context: the mmap lock is held for reading or writing; possibly in the last `mmput()` of the
    /// process.
    fn close(&self, _vma: &DriverVma<Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A page that is not mapped was touched.
    fn fault(&self, _fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// A page that [`fault`](Self::fault) returned is about to become writable in a shared mapping.
    ///
    /// With this method such pages are mapped read-only until their first write.
    fn page_mkwrite<'a>(&self, _fault: &MkwriteFault<'a, Self>) -> Result<Mkwrite<'a>, Failure> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The table of a [`VmOperations`] type.
///
/// # Invariants
///
/// The functions in `ops` are `T`'s.
#[repr(transparent)]
pub(crate) struct VmOperationsTable<T> {
    ops: bindings::vm_operations_struct,
    _type: PhantomData<fn(&T)>,
}

// SAFETY: The table is never written.
unsafe impl<T> Sync for VmOperationsTable<T> {}

impl<T: VmOperations> VmOperationsTable<T> {
    /// The table; make it a `static`.
    pub(crate) const fn new() -> Self {
        // INVARIANT: All functions are of this `impl`.
        Self {
            ops: bindings::vm_operations_struct {
                // Always there: they keep the count of the owner.
                open: Some(Self::open),
                close: Some(Self::close),
                fault: if T::HAS_FAULT {
                    Some(Self::fault)
                } else {
                    None
                },
                page_mkwrite: if T::HAS_PAGE_MKWRITE {
                    Some(Self::page_mkwrite)
                } else {
                    None
                },
                ..pin_init::zeroed()
            },
            _type: PhantomData,
        }
    }

    pub(super) fn as_ptr(&self) -> *const bindings::vm_operations_struct {
        &raw const self.ops
    }

    /// # Safety
    ///
    /// `vma` has this table, is a copy of another VMA with it, and is locked for writing.
    unsafe extern "C" fn open(vma: *mut bindings::vm_area_struct) {
        // SAFETY: The caller's promise; the copy has the owner of the original, which has a
        // reference to it.
        let vma = unsafe { DriverVma::<T>::from_raw(vma) };
        // The copy's own reference.
        let _ = vma.clone_owner().into_foreign();
        if T::HAS_OPEN {
            vma.owner().open(vma);
        }
    }

    /// # Safety
    ///
    /// `vma` has this table and is going away; this is called once.
    unsafe extern "C" fn close(vma: *mut bindings::vm_area_struct) {
        // SAFETY: The caller's promise.
        let area = unsafe { DriverVma::<T>::from_raw(vma) };
        if T::HAS_CLOSE {
            area.owner().close(area);
        }
        // SAFETY: `vma` is valid, and nobody else uses the field of a VMA that goes away.
        let owner = unsafe { (*vma).vm_private_data };
        // SAFETY: The VMA owns this reference, and is closed once.
        drop(unsafe { Arc::<T>::from_foreign(owner) });
    }

    /// # Safety
    ///
    /// `vmf` is a fault in a VMA with this table.
    unsafe extern "C" fn fault(vmf: *mut bindings::vm_fault) -> VmFaultT {
        let Some(vmf) = NonNull::new(vmf) else {
            return Failure::Sigbus.to_raw();
        };
        // SAFETY: The caller's promise, and `fault` does not outlive this function.
        let fault = unsafe { VmFault::<T>::from_raw(vmf) };
        match fault.vma().owner().fault(&fault) {
            Ok(Outcome::Page(page)) => {
                fault.set_page(page);
                0
            }
            Err(failure) => failure.to_raw(),
        }
    }

    /// # Safety
    ///
    /// `vmf` is a write fault on a mapped page in a VMA with this table.
    unsafe extern "C" fn page_mkwrite(vmf: *mut bindings::vm_fault) -> VmFaultT {
        let Some(vmf) = NonNull::new(vmf) else {
            return Failure::Sigbus.to_raw();
        };
        // SAFETY: The caller's promise, and `fault` does not outlive this function.
        let fault = unsafe { VmFault::<T>::from_raw(vmf) };
        // SAFETY: The same, and this is `page_mkwrite`.
        let mkwrite = unsafe { MkwriteFault::<T>::from_raw(vmf) };
        match fault.vma().owner().page_mkwrite(&mkwrite) {
            Ok(Mkwrite::Locked(page)) => {
                page.leave_locked();
                bindings::vm_fault_reason_VM_FAULT_LOCKED
            }
            Ok(Mkwrite::Retry) => bindings::vm_fault_reason_VM_FAULT_NOPAGE,
            Err(failure) => failure.to_raw(),
        }
    }
}
