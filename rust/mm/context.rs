// SPDX-License-Identifier: GPL-2.0

//! `mm_context_t`: what the architecture keeps of an address space.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::context;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::context;

use super::fields::Value;
use crate::ffi;

/// Which protection keys are taken, one bit each; nothing where the machine has none.
fn pkeys(map: Option<u64>) -> Option<Value> {
    // SAFETY: Always fine.
    let enabled = unsafe { ffi::mmlens_arch_pkeys_enabled() };
    map.map(|map| {
        if enabled {
            Value::Hex(map)
        } else {
            Value::Word("none: the machine has no protection keys")
        }
    })
}
