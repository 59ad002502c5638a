// SPDX-License-Identifier: GPL-2.0

//! An operation in progress: counted, timed, noted in the ring and traced when it ends.

use super::{
    buffer::Buffer,
    stats::{
        Ending,
        Op, //
    },
};
use crate::{
    ffi::uapi::{
        mmlens_event,
        MMLENS_EVENT_INSN,
        MMLENS_EVENT_REMOTE,
        MMLENS_EVENT_USER,
        MMLENS_EVENT_VMA_LOCK,
        MMLENS_EVENT_WRITE, //
    },
    sys::trace::{
        self,
        Tracepoint, //
    },
    vm::{
        around::AroundFault,
        fault::{
            Failure,
            FaultFlags,
            VmFault, //
        },
        ops::VmOperations,
        vma::DriverVma, //
    }, //
};
use kernel::prelude::*;

/// An operation that has begun.
pub(super) struct Watch<'a> {
    buffer: &'a Buffer,
    op: Op,
    event: mmlens_event,
}

/// The flags of an event for those of a fault.
fn event_flags(flags: FaultFlags) -> u32 {
    [
        (flags.is_write(), MMLENS_EVENT_WRITE),
        (flags.is_remote(), MMLENS_EVENT_REMOTE),
        (flags.is_user(), MMLENS_EVENT_USER),
        (flags.is_under_vma_lock(), MMLENS_EVENT_VMA_LOCK),
        (flags.is_instruction(), MMLENS_EVENT_INSN),
    ]
    .into_iter()
    .filter_map(|(is_set, flag)| is_set.then_some(flag))
    .fold(0, |all, flag| all | flag)
}

impl<'a> Watch<'a> {
    /// One that is not of a VMA.
    pub(super) fn start(buffer: &'a Buffer, op: Op) -> Self {
        Self {
            buffer,
            op,
            event: mmlens_event {
                time: trace::now(),
                op: op as u16,
                ..mmlens_event::default()
            },
        }
    }

    /// One of a VMA that begins at page `pgoff` of the buffer.
    pub(super) fn area(buffer: &'a Buffer, op: Op, address: usize, pgoff: usize) -> Self {
        let mut watch = Self::start(buffer, op);
        watch.event.address = address as u64;
        watch.event.pgoff = pgoff as u64;
        watch
    }

    /// One of a VMA.
    pub(super) fn vma<T>(op: Op, vma: &'a DriverVma<T>) -> Self
    where
        T: VmOperations<Owner = Buffer>,
    {
        Self::area(vma.owner(), op, vma.start(), vma.pgoff())
    }

    /// A fault.
    pub(super) fn fault<T>(op: Op, fault: &VmFault<'a, T>) -> Self
    where
        T: VmOperations<Owner = Buffer>,
    {
        let mut watch = Self::area(fault.vma().owner(), op, fault.address(), fault.pgoff());
        watch.event.flags = event_flags(fault.flags());
        watch
    }

    /// A fault whose neighbours may be mapped.
    pub(super) fn around<T>(op: Op, fault: &AroundFault<'a, T>) -> Self
    where
        T: VmOperations<Owner = Buffer>,
    {
        let mut watch = Self::area(fault.vma().owner(), op, fault.address(), fault.pgoff());
        watch.event.flags = event_flags(fault.flags());
        watch
    }

    /// Adds flags to what its event says.
    pub(super) fn flag(mut self, flags: u32) -> Self {
        self.event.flags |= flags;
        self
    }

    /// It ended so, and put so many pages into the page table.
    pub(super) fn end(mut self, ending: Ending, pages: usize) {
        let ns = trace::now().saturating_sub(self.event.time);
        self.buffer.stats.count(self.op, ending, pages as u64, ns);
        let Some(tracepoint) = tracepoint(self.op) else {
            return;
        };
        self.event.outcome = ending as u16;
        self.event.ns = u32::try_from(ns).unwrap_or(u32::MAX);
        self.event.pages = u32::try_from(pages).unwrap_or(u32::MAX);
        let numbers = self.buffer.numbers.as_ref();
        tracepoint.hit(self.buffer.id, numbers, &mut self.event);
        if self.buffer.events.add(&self.event) {
            self.buffer.notify();
        }
    }

    /// It was refused.
    pub(super) fn fail(self, failure: Failure) -> Failure {
        let ending = match failure {
            Failure::Sigbus => Ending::Sigbus,
            Failure::Oom => Ending::Oom,
            Failure::Killed => Ending::Killed,
            Failure::HwPoison => Ending::Error,
        };
        self.end(ending, 0);
        failure
    }

    /// It was done, and put so many pages into the page table, or it was refused with an error.
    pub(super) fn end_with<T>(self, result: Result<T>, pages: usize) -> Result<T> {
        match &result {
            Ok(_) => self.end(Ending::Done, pages),
            Err(error) if *error == ENOMEM => self.end(Ending::Oom, 0),
            Err(error) if *error == EINTR => self.end(Ending::Killed, 0),
            Err(_) => self.end(Ending::Error, 0),
        }
        result
    }
}

/// Which tracepoint an operation belongs to; none if it has no event either.
fn tracepoint(op: Op) -> Option<Tracepoint> {
    Some(match op {
        Op::Fault | Op::HugeFault | Op::MapPages => Tracepoint::Fault,
        Op::PageMkwrite | Op::PfnMkwrite => Tracepoint::Mkwrite,
        Op::Mmap | Op::Open | Op::Close | Op::MaySplit => Tracepoint::Vma,
        Op::Mremap | Op::Mprotect | Op::Access => Tracepoint::Vma,
        Op::Read | Op::Write => return None,
    })
}
