// SPDX-License-Identifier: GPL-2.0

//! What the kernel says of rights: capabilities, lockdown, `kptr_restrict`. `rights.rs` has the rules
//! that are made of it.
//!
//! C headers: [`include/linux/capability.h`](srctree/include/linux/capability.h),
//! [`include/linux/security.h`](srctree/include/linux/security.h)

use crate::ffi;
use kernel::{
    bindings,
    error::to_result,
    ffi::c_int,
    fs::LocalFile,
    prelude::*, //
};

/// A capability, in the initial user namespace.
#[derive(Clone, Copy)]
pub(crate) enum Capability {
    /// `CAP_SYS_ADMIN`
    SysAdmin = bindings::CAP_SYS_ADMIN as isize,
    /// `CAP_SYS_RAWIO`
    SysRawio = bindings::CAP_SYS_RAWIO as isize,
}

impl Capability {
    /// Whether this task has it (`capable()`, which notes that it was used).
    pub(crate) fn is_of_current(self) -> bool {
        // SAFETY: Always fine for the current task, with a number that there is.
        unsafe { bindings::capable(self as c_int) }
    }

    /// Whether the one who opened `file` had it then (`file_ns_capable()`).
    pub(crate) fn is_of_opener(self, file: &LocalFile) -> bool {
        let ns = &raw mut bindings::init_user_ns;
        // SAFETY: The file is valid, the namespace is static, and there is a capability of that number.
        unsafe { bindings::file_ns_capable(file.as_ptr(), ns, self as c_int) }
    }
}

/// Errors: `EPERM` if the kernel is locked down against reading its memory (`LOCKDOWN_KCORE`).
pub(crate) fn may_read_memory() -> Result {
    // SAFETY: Always fine for the current task.
    to_result(unsafe { ffi::mmlens_security_locked_down_kcore() })
}

/// Errors: `EPERM` if the kernel is locked down against reaching devices (`LOCKDOWN_DEV_MEM`).
pub(crate) fn may_map_devices() -> Result {
    // SAFETY: Always fine for the current task.
    to_result(unsafe { ffi::mmlens_security_locked_down_dev_mem() })
}

/// Whether the sysctl `kptr_restrict` lets this task see kernel addresses as they are.
pub(crate) fn may_show_pointers() -> bool {
    // SAFETY: Always fine for the current task.
    unsafe { ffi::mmlens_may_show_pointers() }
}
