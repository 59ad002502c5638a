// SPDX-License-Identifier: GPL-2.0

//! Lists of the whole module, each behind a mutex of its own.
//!
//! `kernel::sync::global_lock!` leaves it to its user to initialise a lock once and not to use it
//! before. What [`global!`] makes does that by itself: it can be initialised any number of times,
//! and before it cannot be locked.

/// Declares a module with a value behind a mutex: `init()` once, and then `lock()`.
macro_rules! global {
    ($(#[$doc:meta])* $name:ident: $type:ty = $value:expr;) => {
        $(#[$doc])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            use kernel::{
                error::code::EAGAIN,
                sync::{
                    atomic::{
                        Acquire,
                        Atomic,
                        Relaxed,
                        Release, //
                    },
                    lock::GlobalGuard, //
                }, //
            };

            kernel::sync::global_lock! {
                // SAFETY: `init()` initialises it, and `lock()` does not use it before.
                pub(super) unsafe(uninit) static LOCK: Mutex<$type> = $value;
            }

            static CLAIMED: Atomic<bool> = Atomic::new(false);
            static READY: Atomic<bool> = Atomic::new(false);

            /// What is locked.
            pub(super) type Guard = GlobalGuard<LOCK>;

            /// To be called by the `init` of the module.
            pub(super) fn init() {
                if !CLAIMED.xchg(true, Relaxed) {
                    // SAFETY: Called once, by the check.
                    unsafe { LOCK.init() };
                    READY.store(true, Release);
                }
            }

            /// Errors: `EAGAIN` before [`init`].
            pub(super) fn lock() -> kernel::error::Result<Guard> {
                if READY.load(Acquire) {
                    Ok(LOCK.lock())
                } else {
                    Err(EAGAIN)
                }
            }
        }
    };
}

pub(crate) use global;
