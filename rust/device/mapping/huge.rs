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
///
/// Whether its memory is broken is asked of the first page only, as of frames, and not of all 512 in
/// each fault: the machine tells the process of the others.
fn folio(buffer: &Buffer, fault: &HugeFault<'_, Folios>) -> Result<HugeOutcome, Failure> {
    let Some(range) = fault.range() else {
        return Ok(HugeOutcome::Fallback);
    };
    let cannot = |m: &Memory| range.end > m.pages() || m.backing.is_broken(range.start);
    if buffer.memory().is_none_or(cannot) {
        return Ok(HugeOutcome::Fallback);
    }
    fault.insert_folio(&pages::wanted(buffer, range.start)?)
}

/// Maps frames that follow each other, with the gate held.
fn run(buffer: &Buffer, fault: &HugeFault<'_, Frames>) -> Result<HugeOutcome, Failure> {
    let Some(range) = fault.range() else {
        return Ok(HugeOutcome::Fallback);
    };
    let entered = frames::enter(buffer)?;
    let backing = &entered.memory.backing;
    match backing.frames(range.start, range.len()) {
        Some(frames) if !backing.is_broken(range.start) => fault.insert_pfn(frames),
        _ => Ok(HugeOutcome::Fallback),
    }
}

/// Maps one frame, where a huge entry does not fit or is not wanted. Adds to `count` how many.
///
/// Alone, since the functions that insert a small entry do not expect a huge one (`walk_to_pmd()`,
/// mm/memory.c), and another fault may be about to insert that: it wanted it before the process
/// switched huge pages off, say.
fn alone(
    buffer: &Buffer,
    fault: &VmFault<'_, Frames>,
    count: &mut usize,
) -> Result<Installed, Failure> {
    let memory = buffer.memory().ok_or(Failure::Sigbus)?;
    let _gate = buffer.gate.write()?;
    if buffer.is_revoked() {
        return Err(Failure::Sigbus);
    }
    if let Some(installed) = fault.installed_huge() {
        return Ok(installed);
    }
    let pfn = memory.backing.sound_pfn(fault.pgoff())?;
    let installed = fault.insert_pfn(pfn)?;
    *count += 1;
    Ok(installed)
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
            let mut count = 0;
            let result = alone(buffer, fault, &mut count);
            frames::end(watch, count, result).map(Outcome::Installed)
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
