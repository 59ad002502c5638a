// SPDX-License-Identifier: GPL-2.0

//! Huge pages: one entry of a pmd or a pud for all of them, where that fits.

use super::{
    frames,
    pages,
    prelude::*, //
};
use crate::{
    ffi::uapi::MMLENS_EVENT_PUD,
    vm::huge::{
        HugeFault,
        HugeOutcome, //
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

operations! {
    /// Compound pages.
    Folios: Pages {
        fn fault(buffer: &Buffer, fault: &VmFault<'_, Self>) -> Result<Outcome, Failure> {
            pages::fault(buffer, fault)
        }

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
            frames::fault(buffer, fault)
        }

        fn huge_fault(
            buffer: &Buffer,
            fault: &HugeFault<'_, Self>,
        ) -> Result<HugeOutcome, Failure> {
            end(start(fault), fault.pages(), run(buffer, fault))
        }
    }
}
