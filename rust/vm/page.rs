// SPDX-License-Identifier: GPL-2.0

//! Pages that are counted, and pages that are locked.
//!
//! The lock of a page is that of its folio: of a compound page there is one for all of them.

use crate::ffi;
use core::{
    marker::PhantomData,
    mem,
    ptr::NonNull, //
};
use kernel::{
    alloc::flags::__GFP_ZERO,
    bindings,
    page::Page,
    prelude::*, //
};

/// A counted reference to a page.
///
/// # Invariants
///
/// Owns one reference to `page`.
pub(crate) struct PageRef {
    page: NonNull<bindings::page>,
}

// SAFETY: References may be given back by any thread.
unsafe impl Send for PageRef {}
// SAFETY: Nothing of the page is handed out but further references and its number.
unsafe impl Sync for PageRef {}

impl PageRef {
    /// Takes a reference to `page`.
    ///
    /// # Safety
    ///
    /// `page` is the `struct page` of memory that the caller keeps allocated for the time of the
    /// call, and its references are counted: it is not slab.
    pub(crate) unsafe fn get(page: NonNull<bindings::page>) -> Self {
        // SAFETY: The page is allocated by the caller's promise.
        unsafe { ffi::mmlens_get_page(page.as_ptr()) };
        // INVARIANT: The reference was just taken.
        Self { page }
    }

    /// A new page, zeroed and charged to the memory cgroup of the caller: nobody but who maps it
    /// knows of it. Freed with the last reference. Sleeps. Errors: `ENOMEM`.
    #[allow(dead_code)] // samples/rust_vm_minimal
    pub(crate) fn zeroed() -> Result<Self> {
        let page = Page::alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO)?;
        let ptr = NonNull::new(page.as_ptr()).ok_or(ENOMEM)?;
        // Its reference is ours from now on.
        mem::forget(page);
        // SAFETY: The reference of the new page was given up above.
        Ok(unsafe { Self::from_raw(ptr) })
    }

    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// The caller owns one to `page`, and gives it up.
    pub(crate) unsafe fn from_raw(page: NonNull<bindings::page>) -> Self {
        // INVARIANT: The caller's promise.
        Self { page }
    }

    /// The page, which is there as long as `self` is.
    pub(crate) fn as_ptr(&self) -> *mut bindings::page {
        self.page.as_ptr()
    }

    /// Its frame number.
    pub(crate) fn pfn(&self) -> usize {
        // SAFETY: There is a reference, by the type invariants.
        unsafe { ffi::mmlens_page_to_pfn(self.page.as_ptr()) }
    }

    /// Whether its memory is broken: it must not be mapped.
    pub(super) fn is_poisoned(&self) -> bool {
        // SAFETY: There is a reference, by the type invariants.
        unsafe { ffi::mmlens_is_hwpoison(self.page.as_ptr()) }
    }

    /// Waits for the lock of the page. Sleeps; `None` if this task is being killed.
    pub(crate) fn lock(self) -> Option<LockedRef> {
        // SAFETY: There is a reference, by the type invariants.
        if unsafe { ffi::mmlens_lock_page_killable(self.page.as_ptr()) } != 0 {
            return None;
        }
        // INVARIANT: Just locked.
        Some(LockedRef { page: self })
    }

    pub(super) fn into_raw(self) -> *mut bindings::page {
        let page = self.page.as_ptr();
        mem::forget(self);
        page
    }
}

impl Clone for PageRef {
    fn clone(&self) -> Self {
        // SAFETY: `self` has a reference.
        unsafe { Self::get(self.page) }
    }
}

impl Drop for PageRef {
    fn drop(&mut self) {
        // SAFETY: `self` owns a reference by the type invariants.
        unsafe { ffi::mmlens_put_page(self.page.as_ptr()) };
    }
}

/// A counted reference to a page that is locked. Unlocked when dropped.
///
/// # Invariants
///
/// This task has locked the page.
pub(crate) struct LockedRef {
    page: PageRef,
}

impl LockedRef {
    /// The page.
    pub(crate) fn page(&self) -> &PageRef {
        &self.page
    }

    /// The reference and the lock, for whoever takes both over.
    pub(super) fn into_raw(self) -> *mut bindings::page {
        let page = self.page.as_ptr();
        mem::forget(self);
        page
    }
}

impl Drop for LockedRef {
    fn drop(&mut self) {
        // SAFETY: Locked by this task, by the type invariants; the reference goes after this.
        unsafe { ffi::mmlens_unlock_page(self.page.as_ptr()) };
    }
}

/// The page of a [`MkwriteFault`](super::fault::MkwriteFault), locked.
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
    /// # Safety
    ///
    /// The type invariants hold, for the lifetime of the result.
    pub(super) unsafe fn from_raw(page: NonNull<bindings::page>) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            page,
            _fault: PhantomData,
        }
    }

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
