// SPDX-License-Identifier: GPL-2.0

//! Huge pages: one entry of a pmd or a pud for all of them, where that fits.

use super::{
    frames,
    pages,
    prelude::*, //
};
use crate::{
    ffi::uapi::MMLENS_EVENT_PUD,
    vm::{
        fault::Installed,
        huge::{
            HugeFault,
            HugeOutcome, //
        },
    },
};

/// Ends a fault: watched, and with the number of pages if it was done.
fn end(
    watch: Watch<'_>,
    pages: usize,
    result: Result<HugeOutcome, Failure>,
) -> Result<HugeOutcome, Failure> {
    match result {
        Ok(outcome) => {
            match outcome {
                HugeOutcome::Installed(_) => watch.end(Ending::Done, pages),
                HugeOutcome::Fallback => watch.end(Ending::Fallback, 0),
                HugeOutcome::Retry => watch.end(Ending::Retry, 0),
            }
            Ok(outcome)
        }
        Err(failure) => Err(watch.fail(failure)),
    }
}

fn start<'a, T>(fault: &HugeFault<'a, T>) -> Watch<'a>
where
    T: VmOperations<Owner = Buffer>,
{
    let watch = Watch::fault(Op::HugeFault, fault.fault());
    if fault.is_pud() {
        watch.flag(MMLENS_EVENT_PUD)
    } else {
        watch
    }
}

/// Maps a compound page. Its lock is held until it is mapped, as that of a small one.
fn folio(buffer: &Buffer, fault: &HugeFault<'_, Folios>) -> Result<HugeOutcome, Failure> {
    let Some(range) = fault.range() else {
        return Ok(HugeOutcome::Fallback);
    };
    if buffer.memory().is_none_or(|m| range.end > m.pages()) {
        return Ok(HugeOutcome::Fallback);
    }
    match pages::wanted(buffer, range.start)? {
        Some(page) => fault.insert_folio(&page),
        None => Ok(HugeOutcome::Retry),
    }
}

/// Maps frames that follow each other, with the gate held.
fn run(buffer: &Buffer, fault: &HugeFault<'_, Frames>) -> Result<HugeOutcome, Failure> {
    let Some(range) = fault.range() else {
        return Ok(HugeOutcome::Fallback);
    };
    let Some(entered) = frames::enter(buffer)? else {
        return Ok(HugeOutcome::Retry);
    };
    match entered.memory.backing.frames(range.start, range.len()) {
        Some(frames) => fault.insert_pfn(frames),
        None => Ok(HugeOutcome::Fallback),
    }
}

/// Maps one frame, where a huge entry does not fit or is not wanted.
///
/// Alone, since the functions that insert a small entry do not expect a huge one (`walk_to_pmd()`,
/// mm/memory.c), and another fault may be about to insert that: it wanted it before the process
/// switched huge pages off, say.
fn alone(buffer: &Buffer, fault: &VmFault<'_, Frames>) -> Result<Option<Installed>, Failure> {
    let memory = buffer.memory().ok_or(Failure::Sigbus)?;
    let Ok(_gate) = buffer.gate.write() else {
        return Ok(None);
    };
    if buffer.is_revoked() {
        return Err(Failure::Sigbus);
    }
    if fault.is_huge() {
        return Ok(None);
    }
    let pfn = memory.backing.pfn(fault.pgoff()).ok_or(Failure::Sigbus)?;
    fault.insert_pfn(pfn).map(Some)
}

operations! {
    /// Compound pages.
    Folios: Pages {
        fn fault(buffer: &Buffer, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
            pages::fault(buffer, fault)
        }

        #[inline]
        fn huge_fault(
            buffer: &Buffer,
            fault: &HugeFault<'_, Self>,
        ) -> Result<HugeOutcome, Failure> {
            end(start(fault), fault.pages(), folio(buffer, fault))
        }
    }
}

operations! {
    /// Frames.
    frames Frames: PfnMap {
        fn fault(buffer: &Buffer, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
            let watch = Watch::fault(Op::Fault, fault);
            frames::end(watch, 1, alone(buffer, fault)).map(frames::outcome)
        }

        #[inline]
        fn huge_fault(
            buffer: &Buffer,
            fault: &HugeFault<'_, Self>,
        ) -> Result<HugeOutcome, Failure> {
            end(start(fault), fault.pages(), run(buffer, fault))
        }
    }
}
