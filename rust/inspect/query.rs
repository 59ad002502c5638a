// SPDX-License-Identifier: GPL-2.0

//! The file `query`: one writes a question, and reads the answer.
//!
//! [`Answer`] knows nothing of the file: whoever else has a question, a target and somewhere to
//! write gets the same text.

pub(super) mod address;
mod explain;
pub(super) mod gap;
mod rmap;

use super::{
    target::{
        Subject,
        Target, //
    },
    vmas::write_vma, //
};
use crate::{
    mm::{
        tables,
        vmas::{
            MmapReadLock,
            VmaInfo, //
        }, //
    },
    query::{
        Question,
        HELP, //
    },
    sys::{
        debugfs::{
            Records,
            Transaction, //
        },
        seq::SeqWriter, //
    }, //
};
use core::fmt::Write;
use kernel::{
    mm::{
        virt::VmaRef,
        MmWithUser, //
    },
    prelude::*,
    sync::ArcBorrow, //
};
use rmap::Rmap;

/// An open file `query`.
pub(super) struct Query {
    subject: Subject,
    answer: Answer,
}

impl Records for Query {
    type Data = Target;

    fn open(target: ArcBorrow<'_, Target>) -> Result<Self> {
        Ok(Self {
            subject: target.subject()?,
            answer: Answer::new(Question::Help),
        })
    }

    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        self.answer.emit(&self.subject, pos, out)
    }
}

impl Transaction for Query {
    /// Errors: `EINVAL` if it is no question.
    fn request(&mut self, command: &str) -> Result {
        self.answer = Answer::new(Question::parse(command).ok_or(EINVAL)?);
        Ok(())
    }
}

/// The answer to a question, as a series of records ([`Records::emit`]).
pub(super) struct Answer {
    question: Question,
    /// A list that takes more than one record.
    rmap: Option<Rmap>,
}

impl Answer {
    /// Nothing is asked of the target yet.
    pub(super) fn new(question: Question) -> Self {
        Self {
            question,
            rmap: None,
        }
    }

    /// Writes the record at `pos`, and returns the position of the next one.
    ///
    /// Process context, may sleep. Errors: `EINTR` if this task is being killed.
    pub(super) fn emit(
        &mut self,
        subject: &Subject,
        pos: u64,
        out: &mut SeqWriter<'_>,
    ) -> Result<Option<u64>> {
        if self.question == Question::Help {
            out.write_str(HELP)?;
            return Ok(None);
        }
        let Some(mm) = subject.memory() else {
            let why = if subject.is_kernel_thread() {
                "none: a kernel thread has no user memory"
            } else {
                "gone: the process has exited"
            };
            writeln!(out, "{why}")?;
            return Ok(None);
        };
        match self.question {
            Question::Help => {}
            Question::FindVma(addr) => {
                let vma = look(&mm, |lock| lock.find_vma(addr))?;
                write_found(out, vma)?;
            }
            Question::FindVmaPrev(addr) => {
                let lock = MmapReadLock::lock(&mm)?;
                let vma = lock.find_vma(addr).map(|vma| VmaInfo::read(&lock, vma));
                let prev = lock.vma_before(addr).map(|vma| VmaInfo::read(&lock, vma));
                drop(lock);
                write_found(out, vma)?;
                write_found(out, prev)?;
            }
            Question::FindVmaIntersection { start, end } => {
                let vma = look(&mm, |lock| lock.find_vma_intersection(start..end))?;
                write_found(out, vma)?;
            }
            Question::Gap(len) => gap::write(&mm, len, out)?,
            Question::Rmap(addr) => {
                return match &mut self.rmap {
                    Some(rmap) if pos > 0 => rmap.emit(pos, out),
                    _ => {
                        self.rmap = rmap::start(&mm, addr, out)?;
                        Ok(self.rmap.as_ref().map(|_| 1))
                    }
                };
            }
            Question::Translate(addr) => explain::translate(&mm, addr, out)?,
            Question::Explain(addr) => explain::explain(&mm, addr, out)?,
        }
        Ok(None)
    }
}

/// Copies the VMA that `find` finds.
fn look(
    mm: &MmWithUser,
    find: impl for<'a> FnOnce(&'a MmapReadLock<'_>) -> Option<&'a VmaRef>,
) -> Result<Option<VmaInfo>> {
    let lock = MmapReadLock::lock(mm)?;
    Ok(find(&lock).map(|vma| VmaInfo::read(&lock, vma)))
}

/// Writes the line of a VMA, or that there is none.
fn write_found(out: &mut SeqWriter<'_>, vma: Option<VmaInfo>) -> Result {
    match vma {
        Some(vma) => write_vma(out, &tables::native()?.1, &vma, None),
        None => Ok(writeln!(out, "none")?),
    }
}
