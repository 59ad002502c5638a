// SPDX-License-Identifier: GPL-2.0

//! VMAs that a driver owns.
//!
//! C header: [`include/linux/mm_types.h`](srctree/include/linux/mm_types.h), `struct
//! vm_area_struct`

use super::ops::VmOperations;
use core::{
    marker::PhantomData,
    ops::Deref, //
};
use kernel::{
    bindings,
    mm::virt::{
        VmaNew,
        VmaRef, //
    },
    sync::{
        Arc,
        ArcBorrow, //
    },
    types::ForeignOwnable, //
};

/// A VMA whose `vm_ops` are `T`'s.
///
/// # Invariants
///
/// The mmap lock or the VMA's own lock is held for reading; `vm_ops` is `T::table()`;
/// `vm_private_data` came from [`Arc<T>::into_foreign`] and is there as long as the VMA is.
#[repr(transparent)]
pub(crate) struct DriverVma<T> {
    vma: VmaRef,
    _type: PhantomData<T>,
}

impl<T> Deref for DriverVma<T> {
    type Target = VmaRef;

    fn deref(&self) -> &VmaRef {
        &self.vma
    }
}

impl<T: VmOperations> DriverVma<T> {
    /// # Safety
    ///
    /// `vma` is valid for `'a` and meets the type invariants.
    pub(super) unsafe fn from_raw<'a>(vma: *mut bindings::vm_area_struct) -> &'a Self {
        // SAFETY: The caller's promise.
        // CAST: `DriverVma` and `VmaRef` are transparent.
        unsafe { &*vma.cast() }
    }

    fn borrow_owner(&self) -> ArcBorrow<'_, T> {
        // SAFETY: The VMA is valid by the type invariants; the field is written when the VMA is
        // made, never later.
        let owner = unsafe { (*self.vma.as_ptr()).vm_private_data };
        // SAFETY: By the type invariants this is an `Arc<T>`, which the VMA owns for the time of
        // the borrow of `self`.
        unsafe { Arc::<T>::borrow(owner) }
    }

    /// The object behind the VMA.
    pub(crate) fn owner(&self) -> &T {
        // SAFETY: By the type invariants the VMA owns an `Arc<T>` as long as `self` is borrowed.
        unsafe { &*core::ptr::from_ref::<T>(&self.borrow_owner()) }
    }

    /// Another reference to the object behind the VMA.
    pub(super) fn clone_owner(&self) -> Arc<T> {
        self.borrow_owner().into()
    }
}

/// Where a new VMA begins in its object, in pages.
pub(crate) fn pgoff(vma: &VmaNew) -> usize {
    // SAFETY: The VMA is valid and being set up by this task.
    unsafe { (*vma.as_ptr()).vm_pgoff }
}

/// Makes `vma` a VMA of `T`: the last step of `mmap()`, after everything that can fail.
///
/// If `mmap()` fails, the core drops the VMA without calling `close` (`mm/internal.h`,
/// `mmap_file()`), so a reference that was installed before would be lost.
pub(crate) fn install<T: VmOperations>(vma: &VmaNew, owner: Arc<T>) {
    let vma = vma.as_ptr();
    // SAFETY: A `VmaNew` is being set up, by this task alone.
    unsafe { (*vma).vm_ops = T::table().as_ptr() };
    // SAFETY: The same.
    unsafe { (*vma).vm_private_data = owner.into_foreign() };
}
