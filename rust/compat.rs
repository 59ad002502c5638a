// SPDX-License-Identifier: GPL-2.0

//! What differs between the supported kernels, and nothing else.
//!
//! `rust/Kbuild` sets `kernel_7_3` for 7.3 and later.

use kernel::{
    bindings,
    error::Error,
    ffi::c_ulong, //
};

/// `THIS_MODULE`, for the `owner` of operation tables.
#[cfg(not(kernel_7_3))]
pub(crate) const fn this_module() -> *mut bindings::module {
    crate::THIS_MODULE.as_ptr()
}

/// `THIS_MODULE`, for the `owner` of operation tables.
#[cfg(kernel_7_3)]
pub(crate) const fn this_module() -> *mut bindings::module {
    kernel::module::this_module::<crate::LocalModule>().as_ptr()
}

/// `smp_mb()`: what was written before is seen before what is read afterwards.
#[cfg(not(kernel_7_3))]
pub(crate) fn smp_mb() {
    kernel::sync::barrier::smp_mb();
}

/// `smp_mb()`: what was written before is seen before what is read afterwards.
#[cfg(kernel_7_3)]
pub(crate) fn smp_mb() {
    kernel::sync::barrier::smp_mb(kernel::sync::atomic::Full);
}

/// `EOPNOTSUPP`, which the codes of 7.2 leave out.
pub(crate) fn eopnotsupp() -> Error {
    Error::from_errno(-(bindings::EOPNOTSUPP as i32))
}

/// `ENODATA`: the same.
pub(crate) fn enodata() -> Error {
    Error::from_errno(-(bindings::ENODATA as i32))
}

/// `ESTALE`: the same.
pub(crate) fn estale() -> Error {
    Error::from_errno(-(bindings::ESTALE as i32))
}

/// Where a mapping of a file goes: `mm_get_unmapped_area()`, or `thp_get_unmapped_area()` if it
/// should be where huge pages fit.
///
/// # Safety
///
/// `file` is valid; the rest are the arguments of `file_operations.get_unmapped_area`.
pub(crate) unsafe fn unmapped_area(
    huge: bool,
    file: *mut bindings::file,
    addr: c_ulong,
    len: c_ulong,
    pgoff: c_ulong,
    flags: c_ulong,
) -> c_ulong {
    #[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
    if huge {
        // SAFETY: The caller's promise.
        return unsafe { bindings::thp_get_unmapped_area(file, addr, len, pgoff, flags) };
    }
    let _ = huge;
    // SAFETY: The caller's promise.
    unsafe { bindings::mm_get_unmapped_area(file, addr, len, pgoff, flags) }
}
