// SPDX-License-Identifier: GPL-2.0

//! What differs between the supported kernels, and nothing else.
//!
//! `rust/Kbuild` sets `kernel_7_3` for 7.3 and later.

use kernel::bindings;

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

/// The module parameter `max_buffer_mib`.
#[cfg(not(kernel_7_3))]
pub(crate) fn max_buffer_mib() -> u32 {
    *crate::module_parameters::max_buffer_mib.value()
}

/// The module parameter `max_buffer_mib`.
#[cfg(kernel_7_3)]
pub(crate) fn max_buffer_mib() -> u32 {
    crate::module_parameters::max_buffer_mib.value()
}

/// The module parameter `kernel_walk`. It would be a `bool` if 7.2 had those.
#[cfg(not(kernel_7_3))]
pub(crate) fn kernel_walk() -> bool {
    *crate::module_parameters::kernel_walk.value() != 0
}

/// The module parameter `kernel_walk`. It would be a `bool` if 7.2 had those.
#[cfg(kernel_7_3)]
pub(crate) fn kernel_walk() -> bool {
    crate::module_parameters::kernel_walk.value() != 0
}
