// SPDX-License-Identifier: GPL-2.0

//! What an event says of the moment it happens in, and the tracepoints.

use crate::ffi::{
    self,
    uapi::mmlens_event, //
};
use kernel::{
    current,
    pid_namespace::PidNamespace,
    sync::aref::ARef, //
};

/// The time in nanoseconds: `CLOCK_MONOTONIC`.
pub(crate) fn now() -> u64 {
    // SAFETY: Always fine.
    unsafe { ffi::mmlens_now() }
}

/// In whose numbers tasks are named.
pub(crate) struct Numbers(ARef<PidNamespace>);

impl Numbers {
    /// Those of the current task. `None` if it is exiting.
    pub(crate) fn of_current() -> Option<Self> {
        current!().active_pid_ns().map(|ns| Self(ns.into()))
    }

    /// Puts the numbers of the current task into an event; 0 if it has none there.
    pub(crate) fn put(&self, event: &mut mmlens_event) {
        // SAFETY: There is a reference to the namespace, and the event is ours.
        unsafe { ffi::mmlens_current_numbers(self.0.as_ptr(), event) };
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
    /// Says what happened to whoever traces.
    pub(crate) fn hit(self, buffer: u64, event: &mmlens_event) {
        match self {
            // SAFETY: The event is valid.
            Tracepoint::Fault => unsafe { ffi::mmlens_trace_fault(buffer, event) },
            // SAFETY: The same.
            Tracepoint::Mkwrite => unsafe { ffi::mmlens_trace_mkwrite(buffer, event) },
            // SAFETY: The same.
            Tracepoint::Vma => unsafe { ffi::mmlens_trace_vma(buffer, event) },
        }
    }
}
