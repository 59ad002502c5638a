// SPDX-License-Identifier: GPL-2.0

//! The top table as a whole, and with page-table isolation on x86_64 the copy of it that user
//! space runs on.
//!
//! C header: [`arch/x86/include/asm/pgtable.h`](srctree/arch/x86/include/asm/pgtable.h)

use super::tables;
use crate::{
    ffi,
    pt::entry::Raw, //
};
use core::ptr::NonNull;
use kernel::mm::MmWithUser;

/// Entries of a top table of x86_64 (`PTRS_PER_PGD`).
pub(crate) const ENTRIES: usize = 512;

/// The two top tables of an address space: what the kernel runs on, and what user space does.
///
/// # Invariants
///
/// Both are arrays of [`ENTRIES`] entries, and there as long as `mm` is.
pub(crate) struct Pgds<'a> {
    mm: &'a MmWithUser,
    user: NonNull<u64>,
}

impl<'a> Pgds<'a> {
    /// The tables of `mm`, or `None` if there is only one.
    pub(crate) fn of(mm: &'a MmWithUser) -> Option<Self> {
        // SAFETY: `mm` is valid.
        let user = NonNull::new(unsafe { ffi::mmlens_user_pgd(mm.as_raw()) }.cast_mut())?;
        // INVARIANT: With page-table isolation the pgd is two pages, freed with the mm.
        Some(Self { mm, user })
    }

    /// The entries number `index`: the kernel's and the user's. Each is read once.
    pub(crate) fn entry(&self, index: usize) -> Option<(Raw, Raw)> {
        if index >= ENTRIES {
            return None;
        }
        // SAFETY: `mm` is valid; the field does not change.
        let kernel = unsafe { (*self.mm.as_raw()).__bindgen_anon_1.pgd };
        // SAFETY: In bounds, by the type invariants. Others may be writing to it.
        let kernel = unsafe { kernel.cast::<u64>().add(index).read_volatile() };
        // SAFETY: The same.
        let user = unsafe { self.user.as_ptr().add(index).read_volatile() };
        Some((Raw(kernel), Raw(user)))
    }

    /// Physical address of the user's.
    pub(crate) fn user_address(&self) -> u64 {
        // SAFETY: The table is in the direct map, as all page tables are.
        unsafe { ffi::mmlens_virt_to_phys(self.user.as_ptr().cast()) }
    }
}

/// Whether user space does not run on the kernel's tables.
pub(crate) fn is_isolated() -> bool {
    tables::machine().has_pti != 0
}

/// What page-table isolation is on this architecture, in words.
#[cfg(target_arch = "x86_64")]
pub(crate) const ISOLATION: &str = "on: user space runs on a copy of the pgd";
/// What page-table isolation is on this architecture, in words.
#[cfg(target_arch = "aarch64")]
pub(crate) const ISOLATION: &str =
    "on: in user space TTBR1_EL1 is a table of the entry code, the same for all processes";
