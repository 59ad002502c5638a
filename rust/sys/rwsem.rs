// SPDX-License-Identifier: GPL-2.0

//! A lock that many hold for reading or one for writing, and that may sleep.
//!
//! The kernel crate has none. Waits are killable, but for one that takes something back.
//!
//! C header: [`include/linux/rwsem.h`](srctree/include/linux/rwsem.h)

use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::LockClassKey,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};

/// `struct rw_semaphore`. What it protects is its owner's to say.
///
/// # Invariants
///
/// `sem` is initialised.
#[pin_data]
pub(crate) struct RwSemaphore {
    #[pin]
    sem: Opaque<bindings::rw_semaphore>,
}

// SAFETY: A semaphore may be used by any thread.
unsafe impl Send for RwSemaphore {}
// SAFETY: The same.
unsafe impl Sync for RwSemaphore {}

impl RwSemaphore {
    /// A semaphore that nobody holds.
    pub(crate) fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            // INVARIANT: Initialised here.
            sem <- Opaque::ffi_init(|slot| {
                // SAFETY: `slot` is pinned and ours to write; the name and the key are static.
                unsafe { bindings::__init_rwsem(slot, name.as_char_ptr(), key.as_ptr()) }
            }),
        })
    }

    /// Takes it for reading. Errors: `EINTR` if this task is being killed.
    pub(crate) fn read(&self) -> Result<ReadGuard<'_>> {
        // SAFETY: Initialised, by the type invariants; we may sleep.
        to_result(unsafe { bindings::down_read_killable(self.sem.get()) })?;
        // INVARIANT: Just taken.
        Ok(ReadGuard {
            sem: self,
            _nts: NotThreadSafe,
        })
    }

    /// Takes it for reading if that can be done without sleeping.
    pub(crate) fn try_read(&self) -> Option<ReadGuard<'_>> {
        // SAFETY: Initialised, by the type invariants.
        if unsafe { bindings::down_read_trylock(self.sem.get()) } == 0 {
            return None;
        }
        // INVARIANT: Just taken.
        Some(ReadGuard {
            sem: self,
            _nts: NotThreadSafe,
        })
    }

    /// Takes it for writing. Errors: `EINTR` if this task is being killed.
    pub(crate) fn write(&self) -> Result<WriteGuard<'_>> {
        // SAFETY: Initialised, by the type invariants; we may sleep.
        to_result(unsafe { bindings::down_write_killable(self.sem.get()) })?;
        // INVARIANT: Just taken.
        Ok(WriteGuard {
            sem: self,
            _nts: NotThreadSafe,
        })
    }

    /// Takes it for writing, whatever happens to this task: to take back what was done.
    pub(crate) fn write_unkillable(&self) -> WriteGuard<'_> {
        // SAFETY: Initialised, by the type invariants; we may sleep.
        unsafe { bindings::down_write(self.sem.get()) };
        // INVARIANT: Just taken.
        WriteGuard {
            sem: self,
            _nts: NotThreadSafe,
        }
    }
}

/// The semaphore, held for reading.
///
/// # Invariants
///
/// This task holds it.
#[must_use = "it is released at once"]
pub(crate) struct ReadGuard<'a> {
    sem: &'a RwSemaphore,
    _nts: NotThreadSafe,
}

impl Drop for ReadGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: Held, by the type invariants.
        unsafe { bindings::up_read(self.sem.sem.get()) };
    }
}

/// The semaphore, held for writing.
///
/// # Invariants
///
/// This task holds it.
#[must_use = "it is released at once"]
pub(crate) struct WriteGuard<'a> {
    sem: &'a RwSemaphore,
    _nts: NotThreadSafe,
}

impl Drop for WriteGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: Held, by the type invariants.
        unsafe { bindings::up_write(self.sem.sem.get()) };
    }
}
