// SPDX-License-Identifier: GPL-2.0

//! Questions with answers in numbers: `MMLENS_IOC_QUERY`.
//!
//! What the file `query` answers in words: both ask the same functions.

use super::{
    query::{
        address::way,
        gap::Room, //
    },
    target::Subject, //
};
use crate::{
    ffi::uapi::{
        mmlens_query,
        mmlens_step,
        mmlens_vma,
        MMLENS_QUERY_FIND_VMA,
        MMLENS_QUERY_FIND_VMA_PREV,
        MMLENS_QUERY_GAP,
        MMLENS_QUERY_INTERSECTION,
        MMLENS_QUERY_TRANSLATE,
        MMLENS_VMA_ANON, //
    },
    mm::{
        brief::brief,
        tables::{
            self,
            VmaTables, //
        },
        vmas::MmapReadLock, //
    },
    pt::facts::Facts,
    query::Question,
    rights::may_look,
    text::vma_flags::VmaFlags, //
};
use kernel::{
    mm::{
        virt::VmaRef,
        MmWithUser, //
    },
    prelude::*, //
};

/// What is not known, or not there.
const NONE: u64 = u64::MAX;

/// Answers a question.
///
/// Errors: `EINVAL` if it is none, or has something that does not belong to it; `ENOENT` if there is
/// nothing such; `EAGAIN` if the tables changed all the time; those of [`may_look`] and of
/// [`Subject::with_memory`].
pub(crate) fn ask(asked: &mmlens_query) -> Result<mmlens_query> {
    may_look()?;
    let question = question(asked)?;
    let subject = Subject::with_memory(asked.pid, asked.space)?;
    let mm = subject.memory().ok_or(ESRCH)?;
    let mut answer = mmlens_query {
        size: asked.size,
        what: asked.what,
        pid: asked.pid,
        address: asked.address,
        length: asked.length,
        space: subject.space(),
        ..mmlens_query::default()
    };
    match question {
        Question::FindVma(addr) => {
            answer.vma = look(&mm, |lock| lock.find_vma(addr))?;
        }
        Question::FindVmaPrev(addr) => {
            let lock = MmapReadLock::lock(&mm)?;
            let (vma, prev) = (lock.find_vma(addr), lock.vma_before(addr));
            if vma.is_none() && prev.is_none() {
                return Err(ENOENT);
            }
            answer.vma = vma.map(brief).unwrap_or_default();
            answer.prev = prev.map(brief).unwrap_or_default();
        }
        Question::FindVmaIntersection { start, end } => {
            answer.vma = look(&mm, |lock| lock.find_vma_intersection(start..end))?;
        }
        Question::Gap(len) => gap(&mm, len, &mut answer)?,
        Question::Translate(addr) => translate(&mm, addr, &mut answer)?,
        _ => return Err(EINVAL),
    }
    Ok(answer)
}

/// The question in words.
fn question(asked: &mmlens_query) -> Result<Question> {
    let &mmlens_query {
        what,
        reserved,
        address,
        length,
        ..
    } = asked;
    let question = match what {
        MMLENS_QUERY_FIND_VMA => Question::FindVma(address),
        MMLENS_QUERY_FIND_VMA_PREV => Question::FindVmaPrev(address),
        MMLENS_QUERY_INTERSECTION => Question::FindVmaIntersection {
            start: address,
            end: address.checked_add(length).ok_or(EINVAL)?,
        },
        MMLENS_QUERY_GAP => Question::Gap(length),
        MMLENS_QUERY_TRANSLATE => Question::Translate(address),
        _ => return Err(EINVAL),
    };
    let wants_length = matches!(what, MMLENS_QUERY_INTERSECTION | MMLENS_QUERY_GAP);
    let has_more = what == MMLENS_QUERY_GAP && address != 0;
    if reserved != 0 || has_more || wants_length != (length != 0) {
        return Err(EINVAL);
    }
    Ok(question)
}

/// The VMA that `find` finds.
fn look(
    mm: &MmWithUser,
    find: impl for<'a> FnOnce(&'a MmapReadLock<'_>) -> Option<&'a VmaRef>,
) -> Result<mmlens_vma> {
    let lock = MmapReadLock::lock(mm)?;
    find(&lock).map(brief).ok_or(ENOENT)
}

fn gap(mm: &MmWithUser, len: u64, answer: &mut mmlens_query) -> Result {
    let room = Room::find(mm, len)?;
    let lowest = room.lowest.ok_or(ENOENT)?;
    let highest = room.highest.ok_or(ENOENT)?;
    answer.lowest = lowest.start;
    answer.lowest_end = lowest.end;
    answer.highest = highest.start;
    answer.highest_end = highest.end;
    answer.chosen = room.chosen.unwrap_or(NONE);
    Ok(())
}

fn translate(mm: &MmWithUser, va: u64, answer: &mut mmlens_query) -> Result {
    let (geometry, format) = tables::native()?;
    let lock = MmapReadLock::lock(mm)?;
    let vma = lock.find_vma(va).filter(|vma| vma.start() as u64 <= va);
    answer.vma = vma.map(brief).ok_or(ENOENT)?;
    let mut tables = VmaTables::find(&lock, va, &geometry).ok_or(ENOENT)?;
    let flags = VmaFlags(answer.vma.vm_flags);
    let is_anonymous = answer.vma.facts & MMLENS_VMA_ANON != 0;
    let (way, _) = way(&geometry, &format, &mut tables, va, flags, is_anonymous)?;
    if !way.is_steady {
        return Err(EAGAIN);
    }
    answer.physical = way.physical(&geometry, va).unwrap_or(NONE);
    for found in way.iter() {
        if let Some(step) = answer.step.get_mut(usize::from(found.level.number())) {
            *step = mmlens_step {
                raw: found.raw.0,
                at: found.at,
                flags: Facts::of(&format, found).0,
            };
        }
    }
    Ok(())
}
