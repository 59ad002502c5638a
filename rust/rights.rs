// SPDX-License-Identifier: GPL-2.0

//! Who may see what, and touch what: each rule of Documentation/rights.rst, once.

use crate::sys::security::{
    self,
    Capability, //
};
use kernel::{
    fs::LocalFile,
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
    if !Capability::SysAdmin.is_of_current() {
        return Err(EPERM);
    }
    security::may_read_memory()
}

/// Whether the one who opened `file` had that right: a descriptor that was passed on gives nobody
/// more than that.
///
/// Errors: `EPERM`.
pub(crate) fn opener_may_look(file: &LocalFile) -> Result {
    if !Capability::SysAdmin.is_of_opener(file) {
        return Err(EPERM);
    }
    security::may_read_memory()
}

/// Whether this task may be shown kernel addresses as they are: what the sysctl `kptr_restrict` says
/// of it. For those who [`may_look`], which is stricter where that is 0.
///
/// Errors: `EPERM`.
pub(crate) fn may_show_addresses() -> Result {
    match security::may_show_pointers() {
        true => Ok(()),
        false => Err(EPERM),
    }
}

/// Whether this task may reach the memory of devices.
///
/// Errors: `EPERM` without `CAP_SYS_RAWIO`, or if the kernel is locked down against that.
pub(crate) fn may_reach_devices() -> Result {
    if !Capability::SysRawio.is_of_current() {
        return Err(EPERM);
    }
    may_offer_devices()
}

/// Whether the memory of devices may be offered to those who may reach it: who loads the module has
/// the right to.
///
/// Errors: `EPERM` if the kernel is locked down against that.
pub(crate) fn may_offer_devices() -> Result {
    security::may_map_devices()
}
