// SPDX-License-Identifier: GPL-2.0

//! Room for many numbers, which comes zeroed from the allocator.
//!
//! `KVec::from_elem()` writes element by element, and that takes longer than what a short walk has to
//! do with them.

use crate::pt::{
    entry::Raw,
    page::PageKind,
    scan::Same, //
};
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
