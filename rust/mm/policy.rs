// SPDX-License-Identifier: GPL-2.0

//! Memory policies of VMAs.
//!
//! C header: [`include/linux/mempolicy.h`](srctree/include/linux/mempolicy.h)

use super::vmas::MmapReadLock;
use crate::{
    ffi,
    text::policy::Policy, //
};
use core::fmt;
use kernel::mm::virt::VmaRef;

/// The policy of a VMA: a copy, to be used after the lock is gone.
pub(crate) enum VmaPolicy {
    /// None of its own: that of the task, or else of the system.
    Default,
    /// None of its own, but its object (a file of shmem) may have one, which `mbind()` of any
    /// process that maps it sets. A module cannot look it up.
    Object,
    /// Its own (`vm_policy`).
    Own(OwnPolicy),
}

/// A copy of a `struct mempolicy`.
pub(crate) struct OwnPolicy(ffi::mmlens_policy);

impl VmaPolicy {
    /// Copies the policy of `vma`.
    pub(crate) fn read(_lock: &MmapReadLock<'_>, vma: &VmaRef) -> Self {
        let raw = vma.as_ptr();
        let mut policy = ffi::mmlens_policy::default();
        // SAFETY: The VMA is locked, which keeps its policy; the function fills the struct.
        if unsafe { ffi::mmlens_vma_policy(raw, &raw mut policy) } {
            return Self::Own(OwnPolicy(policy));
        }
        // SAFETY: The VMA is locked; its operations belong to the kernel or to a module that the
        // VMA's file keeps loaded.
        match unsafe { (*raw).vm_ops.as_ref() } {
            Some(ops) if ops.get_policy.is_some() => Self::Object,
            _ => Self::Default,
        }
    }
}

impl fmt::Display for VmaPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Object => f.write_str("object"),
            Self::Own(OwnPolicy(policy)) => Policy {
                mode: policy.mode,
                flags: policy.flags,
                nodes: &policy.nodes,
            }
            .fmt(f),
        }
    }
}
