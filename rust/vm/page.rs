// SPDX-License-Identifier: GPL-2.0

//! Pages that are counted, and pages that are locked.
//!
//! The lock of a page is that of its folio: of a compound page there is one for all of them.

use crate::ffi;
use core::{
    marker::PhantomData,
    mem,
    ptr::NonNull,
    slice, //
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

    /// The page, which `self` keeps.
    pub(crate) fn held(&self) -> HeldPage<'_> {
        // SAFETY: There is a reference, by the type invariants, as long as `self` is borrowed.
        unsafe { HeldPage::new(self.page) }
    }

    /// The same, as a list of one.
    pub(crate) fn list(&self) -> PageList<'_> {
        // SAFETY: As in `held`.
        unsafe { PageList::new(slice::from_ref(&self.page)) }
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
        unsafe { ffi::mmlens_get_page(self.page.as_ptr()) };
        // INVARIANT: Just taken.
        Self { page: self.page }
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
/// This task has locked the page, and `self` owns one reference to it.
pub(crate) struct LockedRef {
    page: NonNull<bindings::page>,
}

impl LockedRef {
    /// The page.
    pub(crate) fn page(&self) -> HeldPage<'_> {
        // SAFETY: There is a reference, by the type invariants, as long as `self` is borrowed.
        unsafe { HeldPage::new(self.page) }
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
        // SAFETY: Locked by this task, and the reference is ours, by the type invariants.
        unsafe { ffi::mmlens_put_locked_page(self.page.as_ptr()) };
    }
}

/// A page that the object keeps which is borrowed: nobody counts that.
///
/// # Invariants
///
/// `page` is allocated for `'a`, and its references are counted: it is not slab.
#[derive(Clone, Copy)]
pub(crate) struct HeldPage<'a> {
    page: NonNull<bindings::page>,
    _keeper: PhantomData<&'a bindings::page>,
}

impl<'a> HeldPage<'a> {
    /// # Safety
    ///
    /// The type invariants hold, for the lifetime of the result.
    #[inline]
    pub(crate) unsafe fn new(page: NonNull<bindings::page>) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            page,
            _keeper: PhantomData,
        }
    }

    /// The page.
    #[inline]
    pub(crate) fn as_ptr(self) -> *mut bindings::page {
        self.page.as_ptr()
    }

    /// Its frame number.
    #[inline]
    pub(crate) fn pfn(self) -> usize {
        // SAFETY: It is there, by the type invariants.
        unsafe { ffi::mmlens_page_to_pfn(self.page.as_ptr()) }
    }

    /// Whether its memory is broken (`PageHWPoison()`): it must not be mapped, nor touched.
    #[inline]
    pub(crate) fn is_poisoned(self) -> bool {
        // SAFETY: It is there, by the type invariants.
        unsafe { ffi::mmlens_is_hwpoison(self.page.as_ptr()) }
    }

    /// Waits for its lock. Sleeps; `None` if this task is being killed.
    pub(crate) fn lock(self) -> Option<HeldLock<'a>> {
        // SAFETY: It is there, by the type invariants.
        if unsafe { ffi::mmlens_lock_page_killable(self.page.as_ptr()) } != 0 {
            return None;
        }
        // INVARIANT: Just locked.
        Some(HeldLock { page: self })
    }

    /// Takes a reference, and waits for its lock. Sleeps; `None` if this task is being killed.
    #[inline]
    pub(crate) fn get_locked(self) -> Option<LockedRef> {
        // SAFETY: It is there, by the type invariants.
        if unsafe { ffi::mmlens_get_locked_page(self.page.as_ptr()) } != 0 {
            return None;
        }
        // INVARIANT: Just locked, and the reference was just taken.
        Some(LockedRef { page: self.page })
    }
}

/// A [`HeldPage`] that is locked. Unlocked when dropped.
///
/// # Invariants
///
/// This task has locked the page.
pub(crate) struct HeldLock<'a> {
    page: HeldPage<'a>,
}

impl Drop for HeldLock<'_> {
    fn drop(&mut self) {
        // SAFETY: Locked by this task, by the type invariants.
        unsafe { ffi::mmlens_unlock_page(self.page.as_ptr()) };
    }
}

/// Pages that the object keeps which is borrowed, in its order.
///
/// # Invariants
///
/// Those of [`HeldPage`], for each of them.
#[derive(Clone, Copy)]
pub(crate) struct PageList<'a>(&'a [NonNull<bindings::page>]);

impl<'a> PageList<'a> {
    /// # Safety
    ///
    /// The type invariants hold, for the lifetime of the result.
    pub(crate) unsafe fn new(pages: &'a [NonNull<bindings::page>]) -> Self {
        // INVARIANT: The caller's promise.
        Self(pages)
    }

    /// How many there are.
    pub(crate) fn len(self) -> usize {
        self.0.len()
    }

    /// Page `index`, or `None` past the end.
    #[inline]
    pub(crate) fn page(self, index: usize) -> Option<HeldPage<'a>> {
        let page = *self.0.get(index)?;
        // INVARIANT: By those of the list.
        Some(HeldPage {
            page,
            _keeper: PhantomData,
        })
    }

    /// Those from page `index` on, or `None` past the end.
    #[inline]
    pub(crate) fn from(self, index: usize) -> Option<Self> {
        let pages = self.0.get(index..)?;
        // INVARIANT: It is a part of the list.
        (!pages.is_empty()).then_some(Self(pages))
    }

    /// The first of them, `most` at most.
    pub(crate) fn first(self, most: usize) -> Self {
        Self(self.0.get(..most).unwrap_or(self.0))
    }

    /// For C: where they are listed.
    pub(super) fn as_ptr(self) -> *mut *mut bindings::page {
        // CAST: `NonNull` is transparent.
        self.0.as_ptr().cast_mut().cast()
    }

    /// Locks the first page, and those of the next 63 that have a bit in `wanted`, as long as their
    /// frames are as far from the first as they are, and nobody else has locked them: there is no
    /// waiting for a lock with another one held.
    ///
    /// Sleeps, for the first; `None` if this task is being killed, or there is no page.
    pub(crate) fn lock(self, wanted: u64) -> Option<LockedRun<'a>> {
        // Bits for which there is no page.
        let beyond = u64::MAX.checked_shl(self.0.len().try_into().unwrap_or(u32::MAX));
        let wanted = wanted & !beyond.unwrap_or(0);
        if self.0.is_empty() {
            return None;
        }
        // SAFETY: There is a page for each bit, by the type invariants.
        let locked = unsafe { ffi::mmlens_lock_pages(self.as_ptr(), wanted) };
        // INVARIANT: Just locked.
        (locked != 0).then_some(LockedRun {
            pages: self,
            locked,
        })
    }
}

/// Pages of a list that are locked; bit 0 stands for the first. Unlocked when dropped.
///
/// # Invariants
///
/// This task has locked the pages of the bits of `locked`, the first among them, and their frames
/// are as far from each other as their places in the list.
pub(crate) struct LockedRun<'a> {
    pages: PageList<'a>,
    locked: u64,
}

impl LockedRun<'_> {
    /// Which.
    pub(crate) fn bits(&self) -> u64 {
        self.locked
    }
}

impl Drop for LockedRun<'_> {
    fn drop(&mut self) {
        // SAFETY: Locked by this task, by the type invariants.
        unsafe { ffi::mmlens_unlock_pages(self.pages.as_ptr(), self.locked) };
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
