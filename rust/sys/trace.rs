// SPDX-License-Identifier: GPL-2.0

//! What is noted of each operation: counters, the moment it happens in, and the tracepoints.

use crate::ffi::{
    self,
    uapi::mmlens_event, //
};
use kernel::{
    bindings, current,
    pid_namespace::PidNamespace,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
    },
};

/// The time in nanoseconds: `CLOCK_MONOTONIC`.
pub(crate) fn now() -> u64 {
    // CAST: It begins at 0, when the machine does.
    // SAFETY: Always fine.
    unsafe { bindings::ktime_get() as u64 }
}

/// A counter that many processors bump and nobody orders anything by.
pub(crate) struct Counter(Atomic<u64>);

impl Counter {
    /// Zero.
    pub(crate) fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// What it says now.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One more in each of two counters, and so many more in each of two sums.
#[inline]
pub(crate) fn count(ones: [&Counter; 2], sums: [(&Counter, u64); 2]) {
    let [one, another] = ones;
    let [(sum, more), (other_sum, other_more)] = sums;
    // SAFETY: The counters are valid, and only ever used by atomic operations.
    unsafe {
        ffi::mmlens_count(
            one.0.as_ptr(),
            another.0.as_ptr(),
            sum.0.as_ptr(),
            more,
            other_sum.0.as_ptr(),
            other_more,
        )
    };
}

/// In whose numbers tasks are named.
pub(crate) struct Numbers(ARef<PidNamespace>);

impl Numbers {
    /// Those of the current task. `None` if it is exiting.
    pub(crate) fn of_current() -> Option<Self> {
        current!().active_pid_ns().map(|ns| Self(ns.into()))
    }
}

/// Which tracepoint an operation belongs to.
#[derive(Clone, Copy)]
pub(crate) enum Tracepoint {
    /// `mmlens:fault`
    Fault,
    /// `mmlens:mkwrite`
    Mkwrite,
    /// `mmlens:vma`
    Vma,
}

impl Tracepoint {
    /// Puts the numbers of the current task into an event, 0 if it has none there, and says what
    /// happened to whoever traces.
    #[inline]
    pub(crate) fn hit(self, buffer: u64, numbers: Option<&Numbers>, event: &mut mmlens_event) {
        let ns = numbers.map_or(core::ptr::null_mut(), |n| n.0.as_ptr());
        match self {
            // SAFETY: There is a reference to the namespace, if there is one, and the event is ours.
            Tracepoint::Fault => unsafe { ffi::mmlens_trace_fault(buffer, ns, event) },
            // SAFETY: The same.
            Tracepoint::Mkwrite => unsafe { ffi::mmlens_trace_mkwrite(buffer, ns, event) },
            // SAFETY: The same.
            Tracepoint::Vma => unsafe { ffi::mmlens_trace_vma(buffer, ns, event) },
        }
    }
}
