// SPDX-License-Identifier: GPL-2.0

//! The moment from which user space may call the module.
//!
//! A file can be opened as soon as it is registered, while `init` may still fail at a later step;
//! the module would then be freed under the open file, whose reference does not stop that
//! (`do_init_module()`, kernel/module/main.c). So nothing opens before the last step is done.

use kernel::{
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Release, //
    }, //
};

static READY: Atomic<bool> = Atomic::new(false);

/// Proof that the module is up; the last field to be initialised.
pub(crate) struct Ready(());

impl Ready {
    /// Lets files be opened. Nothing may fail after this.
    pub(crate) fn announce() -> Self {
        READY.store(true, Release);
        Self(())
    }
}

/// Whether files may be opened.
///
/// Errors: `EAGAIN` while the module is being loaded.
pub(crate) fn check() -> Result {
    if READY.load(Acquire) {
        Ok(())
    } else {
        Err(EAGAIN)
    }
}
