// SPDX-License-Identifier: GPL-2.0

//! Room for many numbers.
//!
//! For a walk it comes zeroed from the allocator: `KVec::from_elem()` writes element by element, and
//! that takes longer than what a short walk has to do with them. For a buffer it is charged to the
//! memory cgroup of who makes it, and who asks for more than the group may have is told.

use crate::{
    ffi,
    pt::{
        entry::Raw,
        page::PageKind,
        scan::Same,
        show::Lines, //
    }, //
};
use core::ptr::NonNull;
use kernel::prelude::*;

/// What is a value if all its bytes are zero. (`Zeroable` is none of `core`, which is all that pure
/// code knows.)
///
/// # Safety
///
/// It is.
pub(crate) unsafe trait Zero {}

// SAFETY: A number.
unsafe impl Zero for Raw {}
// SAFETY: Numbers.
unsafe impl Zero for Same {}
// SAFETY: Lines without text, numbers, and rights that are `false`.
unsafe impl Zero for Lines {}
// SAFETY: 0 is `PageKind::Unknown`.
unsafe impl Zero for PageKind {}

/// A vector of `len` elements that are all zero.
///
/// Process context, may sleep. Errors: `ENOMEM`.
pub(crate) fn zeroed<T: Zero>(len: usize) -> Result<KVec<T>> {
    let mut all = KVec::with_capacity(len, GFP_KERNEL | __GFP_ZERO)?;
    // SAFETY: There is room for `len` elements, all bytes of which are zero, and that is a `T`.
    unsafe { all.inc_len(len) };
    Ok(all)
}

/// A value that is all zero, made where it is to stay.
///
/// Process context, may sleep. Errors: `ENOMEM`.
pub(crate) fn zeroed_box<T: Zero>() -> Result<KBox<T>> {
    let room = KBox::<T>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
    // SAFETY: All its bytes are zero, and that is a `T`.
    Ok(unsafe { room.assume_init() })
}

/// An empty vector with room for `len` elements, charged to the memory cgroup of the caller.
///
/// `KVVec::with_capacity()` cannot be told to fail rather than to have the OOM killer take somebody.
///
/// Process context, may sleep. Errors: `ENOMEM`.
pub(crate) fn accounted<T>(len: usize) -> Result<KVVec<T>> {
    const { assert!(align_of::<T>() <= align_of::<u64>()) };
    if len == 0 || size_of::<T>() == 0 {
        return Ok(KVVec::new());
    }
    // SAFETY: Always fine where one may sleep.
    let room = unsafe { ffi::mmlens_kvmalloc_account(len, size_of::<T>()) };
    let room = NonNull::new(room.cast::<T>()).ok_or(ENOMEM)?;
    // SAFETY: Allocated by `kvmalloc()`, aligned as any memory of it, and with room for `len` elements
    // of which none is there yet.
    Ok(unsafe { KVVec::from_raw_parts(room.as_ptr(), 0, len) })
}
