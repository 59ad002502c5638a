// SPDX-License-Identifier: GPL-2.0

//! Who may see what, and touch what: each rule of Documentation/rights.rst, once.
//!
//! C headers: [`include/linux/capability.h`](srctree/include/linux/capability.h),
//! [`include/linux/security.h`](srctree/include/linux/security.h)

use crate::ffi;
use kernel::{
    bindings,
    error::to_result,
    ffi::c_int,
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Release, //
    },
};

static OPENED: Atomic<bool> = Atomic::new(false);

/// Lets anybody look, once nothing can fail any more in the `init` of the module.
///
/// A file can be opened as soon as it is there. If a later step of `init` failed, the module would
/// be freed under it all the same (`do_init_module()`, kernel/module/main.c).
pub(crate) struct Gate(());

impl Gate {
    /// The last step of `init`.
    pub(crate) fn open() -> Self {
        OPENED.store(true, Release);
        Self(())
    }
}

/// Whether this task may look at other processes' memory layout, at page frames and at physical
/// addresses: the rule for opening any file of the lens, and for the ioctls that tell the same.
///
/// Errors: `EAGAIN` while the module is being loaded; `EPERM` without `CAP_SYS_ADMIN` in the
/// initial user namespace, or if the kernel is locked down against reading its memory.
pub(crate) fn may_look() -> Result {
    if !OPENED.load(Acquire) {
        return Err(EAGAIN);
    }
    if !has_capability(bindings::CAP_SYS_ADMIN) {
        return Err(EPERM);
    }
    may_read_memory()
}

/// Whether the one who opened `file` had that right: a descriptor that was passed on gives nobody
/// more than that.
///
/// Errors: `EPERM`.
///
/// # Safety
///
/// `file` is valid.
pub(super) unsafe fn opener_may_look(file: *const bindings::file) -> Result {
    // SAFETY: `file` is valid by the caller's promise, the namespace is static.
    let capable = unsafe {
        bindings::file_ns_capable(
            file,
            &raw mut bindings::init_user_ns,
            bindings::CAP_SYS_ADMIN as c_int,
        )
    };
    if !capable {
        return Err(EPERM);
    }
    may_read_memory()
}

/// Whether this task may be shown kernel addresses as they are: what the sysctl `kptr_restrict` says
/// of it. For those who [`may_look`], which is stricter where that is 0.
///
/// Errors: `EPERM`.
pub(crate) fn may_show_addresses() -> Result {
    // SAFETY: Always fine for the current task.
    if unsafe { ffi::mmlens_may_show_pointers() } {
        Ok(())
    } else {
        Err(EPERM)
    }
}

/// Whether this task may reach the memory of devices.
///
/// Errors: `EPERM` without `CAP_SYS_RAWIO`, or if the kernel is locked down against that.
pub(crate) fn may_reach_devices() -> Result {
    if !has_capability(bindings::CAP_SYS_RAWIO) {
        return Err(EPERM);
    }
    may_offer_devices()
}

/// Whether the memory of devices may be offered to those who may reach it: who loads the module has
/// the right to.
///
/// Errors: `EPERM` if the kernel is locked down against that.
pub(crate) fn may_offer_devices() -> Result {
    // SAFETY: Always fine for the current task.
    to_result(unsafe { ffi::mmlens_security_locked_down_dev_mem() })
}

/// Errors: `EPERM` if the kernel is locked down against reading its memory.
fn may_read_memory() -> Result {
    // SAFETY: Always fine for the current task.
    to_result(unsafe { ffi::mmlens_security_locked_down_kcore() })
}

/// In the initial user namespace.
fn has_capability(capability: u32) -> bool {
    // SAFETY: Always fine for the current task, with a number that there is.
    unsafe { bindings::capable(capability as c_int) }
}
