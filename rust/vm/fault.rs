// SPDX-License-Identifier: GPL-2.0

//! A page fault in progress, and the ways to end it.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h), `struct vm_fault`

use super::{
    ops::VmOperations,
    vma::DriverVma, //
};
use crate::ffi;
use core::{
    marker::PhantomData,
    mem,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::{
        code::*,
        Error, //
    },
};

pub(super) type VmFaultT = bindings::vm_fault_t;

/// A fault that a VMA of `T` has to serve.
///
/// # Invariants
///
/// `vmf` is valid for `'a`, its VMA has `T`'s table, and the mmap lock or the VMA's own lock is
/// held for reading.
pub(crate) struct VmFault<'a, T> {
    vmf: NonNull<bindings::vm_fault>,
    _vma: PhantomData<&'a DriverVma<T>>,
}

impl<'a, T: VmOperations> VmFault<'a, T> {
    /// # Safety
    ///
    /// `vmf` is the argument of a handler in `T`'s table, and `'a` ends before that handler does.
    pub(super) unsafe fn from_raw(vmf: NonNull<bindings::vm_fault>) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            vmf,
            _vma: PhantomData,
        }
    }

    /// The VMA that the fault is in.
    pub(crate) fn vma(&self) -> &'a DriverVma<T> {
        // SAFETY: `vmf` is valid by the type invariants, and nobody writes these fields during the
        // fault.
        let vma = unsafe { (*self.vmf.as_ptr()).__bindgen_anon_1.vma };
        // SAFETY: By the type invariants the VMA has `T`'s table and is locked for `'a`.
        unsafe { DriverVma::from_raw(vma) }
    }

    /// The page of the object that is wanted, in pages from its start.
    pub(crate) fn pgoff(&self) -> usize {
        // SAFETY: As in `vma`.
        unsafe { (*self.vmf.as_ptr()).__bindgen_anon_1.pgoff }
    }

    /// Hands `page` to the core, which takes over the reference.
    pub(super) fn set_page(&self, page: PageRef) {
        // SAFETY: `vmf` is valid, and during `fault` this field is the handler's to write.
        unsafe { (*self.vmf.as_ptr()).page = page.into_raw() };
    }
}

/// A fault by which a page that is mapped read-only is about to become writable.
pub(crate) struct MkwriteFault<'a, T>(VmFault<'a, T>);

impl<'a, T: VmOperations> MkwriteFault<'a, T> {
    /// # Safety
    ///
    /// As [`VmFault::from_raw`], and the handler is `page_mkwrite`.
    pub(super) unsafe fn from_raw(vmf: NonNull<bindings::vm_fault>) -> Self {
        // SAFETY: The caller's promise.
        Self(unsafe { VmFault::from_raw(vmf) })
    }

    /// Locks the page that is about to be written.
    ///
    /// Sleeps. Returns `None` if the task is being killed: end the fault with [`Mkwrite::Retry`].
    pub(crate) fn lock_page(&self) -> Option<LockedPage<'a>> {
        // SAFETY: `vmf` is valid, and the core set the page of a `page_mkwrite` and holds a
        // reference to it.
        let page = unsafe { (*self.0.vmf.as_ptr()).page };
        // SAFETY: See above; a handler may sleep.
        if unsafe { ffi::mmlens_lock_page_killable(page) } != 0 {
            return None;
        }
        // INVARIANT: The page was just locked, and the core's reference outlives the handler, thus
        // `'a`.
        Some(LockedPage {
            page: NonNull::new(page)?,
            _fault: PhantomData,
        })
    }
}

/// How a `fault` handler ends well.
pub(crate) enum Outcome {
    /// Map this page. The core maps it, and puts the reference when it is unmapped.
    Page(PageRef),
}

/// How a `page_mkwrite` handler ends well.
///
/// There is no "done, and the page is not locked": for a page without a mapping the core would try
/// again for ever (`do_page_mkwrite()`, `mm/memory.c`).
pub(crate) enum Mkwrite<'a> {
    /// Make it writable (`VM_FAULT_LOCKED`). The core unlocks the page when the entry is written.
    Locked(LockedPage<'a>),
    /// Leave the entry as it is (`VM_FAULT_NOPAGE`): the access faults again, or the task dies.
    Retry,
}

/// How a handler fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There is nothing at this offset: the task gets `SIGBUS`.
    Sigbus,
    /// No memory: the core may kill something and try again.
    Oom,
    /// The page is broken: the task gets `SIGBUS` with `BUS_MCEERR_AR`.
    HwPoison,
}

impl Failure {
    pub(super) fn to_raw(self) -> VmFaultT {
        match self {
            Failure::Sigbus => bindings::vm_fault_reason_VM_FAULT_SIGBUS,
            Failure::Oom => bindings::vm_fault_reason_VM_FAULT_OOM,
            Failure::HwPoison => bindings::vm_fault_reason_VM_FAULT_HWPOISON,
        }
    }
}

/// As `vmf_error()` of `include/linux/mm.h`.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error == ENOMEM {
            Failure::Oom
        } else if error.to_errno() == -(bindings::EHWPOISON as i32) {
            Failure::HwPoison
        } else {
            Failure::Sigbus
        }
    }
}

/// A counted reference to a page.
///
/// # Invariants
///
/// Owns one reference to `page`.
pub(crate) struct PageRef {
    page: NonNull<bindings::page>,
}

impl PageRef {
    /// Takes a reference to `page`.
    ///
    /// # Safety
    ///
    /// `page` is the `struct page` of memory that the caller keeps allocated for the time of the
    /// call, and its pages can be counted one by one: not slab, not the tail of a larger
    /// allocation.
    pub(crate) unsafe fn get(page: NonNull<bindings::page>) -> Self {
        // SAFETY: The page is allocated by the caller's promise.
        unsafe { ffi::mmlens_get_page(page.as_ptr()) };
        // INVARIANT: The reference was just taken.
        Self { page }
    }

    fn into_raw(self) -> *mut bindings::page {
        let page = self.page.as_ptr();
        mem::forget(self);
        page
    }
}

impl Drop for PageRef {
    fn drop(&mut self) {
        // SAFETY: `self` owns a reference by the type invariants.
        unsafe { ffi::mmlens_put_page(self.page.as_ptr()) };
    }
}

/// The page of a [`MkwriteFault`], locked.
///
/// Unlocked when dropped, unless it becomes the outcome of the fault.
///
/// # Invariants
///
/// `page` is locked by this task and referenced for `'a`.
pub(crate) struct LockedPage<'a> {
    page: NonNull<bindings::page>,
    _fault: PhantomData<&'a bindings::page>,
}

impl LockedPage<'_> {
    /// Leaves the page locked, for the core to unlock.
    pub(super) fn leave_locked(self) {
        mem::forget(self);
    }
}

impl Drop for LockedPage<'_> {
    fn drop(&mut self) {
        // SAFETY: Locked by this task, by the type invariants.
        unsafe { ffi::mmlens_unlock_page(self.page.as_ptr()) };
    }
}
