// SPDX-License-Identifier: GPL-2.0

//! The kinds of VMAs: what the core takes their pages for.
//!
//! A kind is the proof that a VMA has the flags which an insert function asks for by `BUG_ON()`
//! (`vmf_insert_pfn_prot()`, `vm_insert_page()`, mm/memory.c). The flags are set when the VMA is
//! made and not after.

use kernel::{
    bindings,
    mm::virt::vm_flags_t, //
};

/// A kind of VMA. Sealed: the inserts rely on the flags.
pub(crate) trait Kind: private::Sealed {
    /// The flags of such a VMA, besides [`COMMON`].
    const FLAGS: vm_flags_t;
    /// Whether it can be private and writable: then the core has to tell copies from pages of the
    /// driver, and to copy these. A frame that is special it copies from the address in the *current*
    /// process (`__wp_page_copy_user()`, mm/memory.c), which is another one if a debugger writes: that
    /// gives the copy what is mapped there, or zeros and a warning.
    const CAN_COPY_ON_WRITE: bool;
}

/// What every VMA of this layer has: it cannot grow, or `fault` would be asked for what `mmap` never
/// saw, and is no part of a core dump.
pub(super) const COMMON: vm_flags_t =
    (bindings::VM_DONTEXPAND | bindings::VM_DONTDUMP) as vm_flags_t;

/// Pages that `fault` returns, and the core maps: counted, in the RSS, found by `get_user_pages()`.
pub(crate) enum Pages {}

/// `VM_MIXEDMAP`: pages as in [`Pages`] that the driver may also map by itself.
pub(crate) enum MixedMap {}

/// `VM_MIXEDMAP`: frame numbers.
pub(crate) enum MixedFrames {}

/// `VM_PFNMAP`: frame numbers only. The core knows nothing of what is behind them.
pub(crate) enum PfnMap {}

impl Kind for Pages {
    const FLAGS: vm_flags_t = 0;
    const CAN_COPY_ON_WRITE: bool = true;
}

impl Kind for MixedMap {
    const FLAGS: vm_flags_t = bindings::VM_MIXEDMAP as vm_flags_t;
    const CAN_COPY_ON_WRITE: bool = true;
}

impl Kind for MixedFrames {
    const FLAGS: vm_flags_t = bindings::VM_MIXEDMAP as vm_flags_t;
    const CAN_COPY_ON_WRITE: bool = false;
}

impl Kind for PfnMap {
    const FLAGS: vm_flags_t = (bindings::VM_PFNMAP | bindings::VM_IO) as vm_flags_t;
    const CAN_COPY_ON_WRITE: bool = false;
}

mod private {
    pub(crate) trait Sealed {}
    impl Sealed for super::Pages {}
    impl Sealed for super::MixedMap {}
    impl Sealed for super::MixedFrames {}
    impl Sealed for super::PfnMap {}
}

/// A frame that may be mapped into a VMA by its number.
///
/// # Invariants
///
/// The frame belongs to the object behind the VMA, and does as long as that object is there; it may
/// be mapped with the cache type that the VMA has.
#[derive(Clone, Copy)]
pub(crate) struct Pfn<'a> {
    number: usize,
    _object: core::marker::PhantomData<&'a ()>,
}

/// Frames that follow each other, each of which may be mapped.
///
/// # Invariants
///
/// Those of [`Pfn`], for `count` frames from `first` on.
#[derive(Clone, Copy)]
pub(crate) struct PfnRange<'a> {
    first: Pfn<'a>,
    count: usize,
}

impl<'a> PfnRange<'a> {
    /// # Safety
    ///
    /// As [`Pfn::new`], for `count` frames from `first` on.
    pub(crate) unsafe fn new(first: Pfn<'a>, count: usize) -> Self {
        // INVARIANT: The caller's promise.
        Self { first, count }
    }

    /// The number of the first.
    pub(crate) fn first(self) -> usize {
        self.first.number()
    }

    /// How many there are.
    pub(crate) fn count(self) -> usize {
        self.count
    }
}

impl Pfn<'_> {
    /// # Safety
    ///
    /// The type invariants hold, for the object that is borrowed for the lifetime of the result, and
    /// whoever gets the result inserts it into VMAs that own a reference to that object, and into no
    /// others.
    pub(crate) unsafe fn new(number: usize) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            number,
            _object: core::marker::PhantomData,
        }
    }

    /// The number.
    pub(crate) fn number(self) -> usize {
        self.number
    }
}
