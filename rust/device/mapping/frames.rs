// SPDX-License-Identifier: GPL-2.0

//! Frames that are mapped by their number: the core knows nothing of what is behind them.
//!
//! The handlers write the entries themselves, with the gate of the buffer held, so that REVOKE and
//! DIRTY come before or after.

use super::{
    pages,
    prelude::*, //
};
use crate::{
    setup::Strategy,
    sys::rwsem::ReadGuard,
    vm::{
        around::{
            Around as MapPages,
            AroundFault, //
        },
        fault::{
            Installed,
            PfnMkwrite, //
        },
        kind::Pfn, //
    }, //
};

/// A buffer that may be mapped, and its gate.
pub(super) struct Entered<'a> {
    pub(super) memory: &'a Memory,
    _gate: ReadGuard<'a>,
}

/// Takes the gate.
pub(super) fn enter(buffer: &Buffer) -> Result<Entered<'_>, Failure> {
    let memory = buffer.memory().ok_or(Failure::Sigbus)?;
    let _gate = buffer.gate.read()?;
    if buffer.is_revoked() {
        return Err(Failure::Sigbus);
    }
    Ok(Entered { memory, _gate })
}

/// Maps the frame that was touched by `insert`.
fn insert<T>(
    buffer: &Buffer,
    fault: &VmFault<'_, T>,
    insert: impl FnOnce(&Memory, Pfn<'_>) -> Result<Installed, Failure>,
) -> Result<Installed, Failure>
where
    T: VmOperations<Owner = Buffer>,
{
    let entered = enter(buffer)?;
    let memory = entered.memory;
    let pfn = memory.backing.sound_pfn(fault.pgoff())?;
    insert(memory, pfn)
}

/// Maps a frame that can be written from now on, and records that it was.
fn insert_dirty<T>(
    buffer: &Buffer,
    fault: &VmFault<'_, T>,
    memory: &Memory,
    pfn: Pfn<'_>,
) -> Result<Installed, Failure>
where
    T: VmOperations<Owner = Buffer, Kind = PfnMap>,
{
    if let Some(dirty) = &memory.dirty {
        buffer.mark_dirty(dirty, fault.pgoff());
    }
    fault.insert_pfn_writable(pfn)
}

/// Ends a fault that maps by itself.
pub(super) fn end(
    watch: Watch<'_>,
    pages: usize,
    result: Result<Installed, Failure>,
) -> Result<Installed, Failure> {
    match result {
        Ok(installed) => {
            watch.end(Ending::Done, pages);
            Ok(installed)
        }
        Err(failure) => Err(watch.fail(failure)),
    }
}

/// Maps one frame.
fn fault<T>(buffer: &Buffer, fault: &VmFault<'_, T>) -> Result<Outcome, Failure>
where
    T: VmOperations<Owner = Buffer, Kind = PfnMap>,
{
    let watch = Watch::fault(Op::Fault, fault);
    let is_written = fault.is_write() && fault.vma().is_shared();
    let result = insert(buffer, fault, |memory, pfn| {
        if is_written && memory.dirty.is_some() {
            insert_dirty(buffer, fault, memory, pfn)
        } else {
            fault.insert_pfn(pfn)
        }
    });
    end(watch, 1, result).map(Outcome::Installed)
}

/// Maps a frame and its neighbours, without sleeping.
fn map_pages<T>(buffer: &Buffer, around: &AroundFault<'_, T>) -> MapPages
where
    T: VmOperations<Owner = Buffer, Kind = PfnMap>,
{
    let watch = Watch::around(Op::MapPages, around);
    let mut wanted = None;
    let mut count = 0;
    let gate = buffer.gate.try_read();
    if let (Some(_gate), Some(memory), false) = (gate, buffer.memory(), buffer.is_revoked()) {
        let there = *around.range().start()..around.range().end() + 1;
        for pgoff in pages::block(memory, around.pgoff(), there) {
            let Ok(pfn) = memory.backing.sound_pfn(pgoff) else {
                continue;
            };
            if let Ok(installed) = around.insert_pfn(pgoff, pfn) {
                count += 1;
                if pgoff == around.pgoff() {
                    wanted = Some(installed);
                }
            }
        }
    }
    match wanted {
        Some(installed) => {
            watch.end(Ending::Done, count);
            MapPages::Installed(installed)
        }
        None => {
            watch.end(Ending::Fallback, count);
            MapPages::Fault
        }
    }
}

/// A frame becomes writable, by our own hand.
fn pfn_mkwrite<T>(buffer: &Buffer, fault: &VmFault<'_, T>) -> Result<PfnMkwrite, Failure>
where
    T: VmOperations<Owner = Buffer, Kind = PfnMap>,
{
    let watch = Watch::fault(Op::PfnMkwrite, fault);
    let result = insert(buffer, fault, |memory, pfn| {
        insert_dirty(buffer, fault, memory, pfn)
    });
    end(watch, 1, result).map(PfnMkwrite::Installed)
}

/// Maps a frame, and those around it if it is read.
fn mixed_fault(buffer: &Buffer, fault: &VmFault<'_, Mixed>) -> Result<Outcome, Failure> {
    let watch = Watch::fault(Op::Fault, fault);
    let mut count = 0;
    let result = insert(buffer, fault, |memory, pfn| {
        let installed = fault.insert_mixed(fault.pgoff(), pfn)?;
        count = 1;
        if memory.setup.strategy == Strategy::Around && !fault.is_write() {
            count += pages::block(memory, fault.pgoff(), fault.table())
                .filter(|&pgoff| pgoff != fault.pgoff())
                .filter_map(|pgoff| Some((pgoff, memory.backing.sound_pfn(pgoff).ok()?)))
                .filter(|&(pgoff, pfn)| fault.insert_mixed(pgoff, pfn).is_ok())
                .count();
        }
        Ok(installed)
    });
    end(watch, count, result).map(Outcome::Installed)
}

/// Whether a frame that is mapped may become writable.
fn may_be_written(buffer: &Buffer, pgoff: usize) -> Result<(), Failure> {
    let memory = buffer.memory().ok_or(Failure::Sigbus)?;
    if buffer.is_revoked() {
        return Err(Failure::Sigbus);
    }
    memory.backing.sound_pfn(pgoff)?;
    Ok(())
}

operations! {
    /// Frame by frame, or by `mmap`.
    frames Frames: PfnMap {
        fn fault(buffer: &Buffer, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
            self::fault(buffer, fault)
        }
    }
}

operations! {
    /// Frame by frame, or by `mmap`, and writes are recorded.
    frames FramesTracked: PfnMap {
        fn fault(buffer: &Buffer, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
            self::fault(buffer, fault)
        }

        fn pfn_mkwrite(
            buffer: &Buffer,
            fault: &VmFault<'_, Self>,
        ) -> Result<PfnMkwrite, Failure> {
            self::pfn_mkwrite(buffer, fault)
        }
    }
}

operations! {
    /// With their neighbours.
    frames Around: PfnMap {
        fn fault(buffer: &Buffer, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
            self::fault(buffer, fault)
        }

        fn map_pages(buffer: &Buffer, fault: &AroundFault<'_, Self>) -> MapPages {
            self::map_pages(buffer, fault)
        }
    }
}

operations! {
    /// With their neighbours, and writes are recorded.
    frames AroundTracked: PfnMap {
        fn fault(buffer: &Buffer, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
            self::fault(buffer, fault)
        }

        fn map_pages(buffer: &Buffer, fault: &AroundFault<'_, Self>) -> MapPages {
            self::map_pages(buffer, fault)
        }

        fn pfn_mkwrite(
            buffer: &Buffer,
            fault: &VmFault<'_, Self>,
        ) -> Result<PfnMkwrite, Failure> {
            self::pfn_mkwrite(buffer, fault)
        }
    }
}

operations! {
    /// Frames in a VMA of the kind that may have pages as well. The core makes them writable after the handler
    /// has agreed: good enough to be told of it, not to record it.
    frames Mixed: MixedFrames {
        fn fault(buffer: &Buffer, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
            mixed_fault(buffer, fault)
        }

        fn pfn_mkwrite(
            buffer: &Buffer,
            fault: &VmFault<'_, Self>,
        ) -> Result<PfnMkwrite, Failure> {
            let watch = Watch::fault(Op::PfnMkwrite, fault);
            match may_be_written(buffer, fault.pgoff()) {
                Ok(()) => {
                    watch.end(Ending::Done, 1);
                    Ok(PfnMkwrite::Writable)
                }
                Err(failure) => Err(watch.fail(failure)),
            }
        }
    }
}
