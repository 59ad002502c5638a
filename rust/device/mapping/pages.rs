// SPDX-License-Identifier: GPL-2.0

//! Normal pages: counted, in the process' RSS, found by `get_user_pages()`.
//!
//! Private mappings read them and copy on write, which is the core's affair.

use super::prelude::*;
use crate::{
    setup::Strategy,
    vm::{
        fault::MkwriteFault,
        page::{
            LockedPage,
            LockedRef,
            PageList, //
        },
    },
};

/// The page that a fault is to get, locked: who takes its lock afterwards finds it mapped.
#[inline(always)]
pub(super) fn wanted(buffer: &Buffer, pgoff: usize) -> Result<LockedRef, Failure> {
    // `mmap` has checked the bounds, and a VMA cannot grow. Still, what is asked for here decides.
    let memory = buffer.memory().ok_or(Failure::Sigbus)?;
    let page = memory.backing.page_or_allocate(pgoff)?;
    let page = page.get_locked().ok_or(Failure::Killed)?;
    if buffer.is_revoked() {
        return Err(Failure::Sigbus);
    }
    if page.page().is_poisoned() {
        return Err(Failure::HwPoison);
    }
    Ok(page)
}

/// Gives one page.
#[inline]
pub(super) fn fault<T>(buffer: &Buffer, fault: &VmFault<'_, T>) -> Result<Outcome, Failure>
where
    T: VmOperations<Owner = Buffer>,
{
    let watch = Watch::fault(Op::Fault, fault);
    match wanted(buffer, fault.pgoff()) {
        Ok(page) => {
            watch.end(Ending::Done, 1);
            Ok(Outcome::Locked(page))
        }
        Err(failure) => Err(watch.fail(failure)),
    }
}

/// The pages around one that may be mapped along with it: the aligned block that it is in, as far
/// as `there`, which the VMA maps by the same table.
pub(super) fn block(memory: &Memory, pgoff: usize, there: Range<usize>) -> Range<usize> {
    let around = memory.setup.around as usize;
    let first = pgoff & !(around - 1);
    first.max(there.start)..(first + around).min(there.end)
}

/// Maps a page that was read and its neighbours, as far as they are there.
///
/// In `fault` and not in `map_pages`: see [`crate::vm::around`].
fn fault_around<T>(buffer: &Buffer, fault: &VmFault<'_, T>) -> Result<Outcome, Failure>
where
    T: VmOperations<Owner = Buffer, Kind = MixedMap>,
{
    let Some(memory) = buffer
        .memory()
        .filter(|m| m.setup.strategy == Strategy::Around)
    else {
        return self::fault(buffer, fault);
    };
    if fault.is_write() {
        return self::fault(buffer, fault);
    }
    let watch = Watch::fault(Op::Fault, fault);
    // The page itself comes from here, locked, and the core maps it.
    let page = match wanted(buffer, fault.pgoff()) {
        Ok(page) => page,
        Err(failure) => return Err(watch.fail(failure)),
    };
    watch.end(Ending::Done, 1 + neighbours(buffer, memory, fault));
    Ok(Outcome::Locked(page))
}

/// Maps what is around a page. Returns how many pages; there may be none for many reasons.
fn neighbours<T>(buffer: &Buffer, memory: &Memory, fault: &VmFault<'_, T>) -> usize
where
    T: VmOperations<Owner = Buffer, Kind = MixedMap>,
{
    // A page is locked, and REVOKE takes page locks without the gate: no deadlock. But it holds the
    // gate before, so do not wait for it here.
    let Some(_gate) = buffer.gate.try_read() else {
        return 0;
    };
    if buffer.is_revoked() {
        return 0;
    }
    let block = block(memory, fault.pgoff(), fault.table());
    // The page itself is mapped by the core.
    let parts = [block.start..fault.pgoff(), fault.pgoff() + 1..block.end];
    let mut count = 0;
    for part in parts {
        let mut pgoff = part.start;
        while pgoff < part.end {
            // Those that are listed together are mapped together.
            let pages = memory.backing.list(pgoff);
            let pages = pages.map(|list| list.first(part.end - pgoff));
            count += pages.map_or(0, |list| fault.insert_pages(pgoff, list));
            pgoff += pages.map_or(1, PageList::len);
        }
    }
    count
}

/// A page becomes writable.
fn page_mkwrite<'a, T>(
    buffer: &Buffer,
    mkwrite: &MkwriteFault<'a, T>,
) -> Result<LockedPage<'a>, Failure>
where
    T: VmOperations<Owner = Buffer>,
{
    let fault = mkwrite.fault();
    let watch = Watch::fault(Op::PageMkwrite, fault);
    let page = match mkwrite.lock_page() {
        Ok(page) => page,
        Err(failure) => return Err(watch.fail(failure)),
    };
    let memory = buffer.memory();
    if buffer.is_revoked() {
        return Err(watch.fail(Failure::Sigbus));
    }
    if memory.is_some_and(|m| m.backing.is_broken(fault.pgoff())) {
        return Err(watch.fail(Failure::HwPoison));
    }
    // The page stays locked until its entry is writable: see `device::dirty`.
    if let Some(dirty) = memory.and_then(|m| m.dirty.as_ref()) {
        buffer.mark_dirty(dirty, fault.pgoff());
    }
    watch.end(Ending::Done, 1);
    Ok(page)
}

operations! {
    /// Page by page.
    Lazy: Pages {
        #[inline]
        fn fault(buffer: &Buffer, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
            self::fault(buffer, fault)
        }
    }
}

operations! {
    /// Page by page, and writes are recorded.
    LazyTracked: Pages {
        #[inline]
        fn fault(buffer: &Buffer, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
            self::fault(buffer, fault)
        }

        #[inline]
        fn page_mkwrite<'a>(
            buffer: &Buffer,
            fault: &MkwriteFault<'a, Self>,
        ) -> Result<LockedPage<'a>, Failure> {
            self::page_mkwrite(buffer, fault)
        }
    }
}

operations! {
    /// With their neighbours, or by `mmap`.
    Inserted: MixedMap {
        #[inline]
        fn fault(buffer: &Buffer, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
            fault_around(buffer, fault)
        }
    }
}

operations! {
    /// With their neighbours, or by `mmap`, and writes are recorded.
    InsertedTracked: MixedMap {
        #[inline]
        fn fault(buffer: &Buffer, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
            fault_around(buffer, fault)
        }

        #[inline]
        fn page_mkwrite<'a>(
            buffer: &Buffer,
            fault: &MkwriteFault<'a, Self>,
        ) -> Result<LockedPage<'a>, Failure> {
            self::page_mkwrite(buffer, fault)
        }
    }
}
