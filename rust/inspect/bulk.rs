// SPDX-License-Identifier: GPL-2.0

//! Bulk records of an address space: `MMLENS_IOC_WALK`.
//!
//! A call goes on as far as the buffer of the caller and its own time allow. In turns it looks, under
//! the mmap lock, at as many tables as it may, and then, with nothing locked, makes records of what
//! it saw and stores them.

mod each;
mod sink;
mod summary;
mod tables;
mod vmas;

use super::target::Subject;
use crate::{
    ffi::uapi::{
        mmlens_counts,
        mmlens_entry,
        mmlens_run,
        mmlens_vma,
        mmlens_walk,
        MMLENS_FORM_COUNTS,
        MMLENS_FORM_ENTRIES,
        MMLENS_FORM_RUNS,
        MMLENS_FORM_TABLES,
        MMLENS_FORM_VMAS,
        MMLENS_WALK_NAMES,
        MMLENS_WALK_PAGES, //
    },
    mm::{
        tables::{
            breathe,
            native,
            VmaTables,
            WINDOW, //
        },
        vmas::{
            MmapReadLock,
            Vmas, //
        }, //
    },
    pt::{
        facts::Facts,
        filter::Filter,
        format::Format,
        level::Geometry,
        scan::{
            Masks,
            Reader, //
        },
        Native, //
    },
    sys::uaccess::UserWords, //
};
use kernel::{
    mm::MmWithUser,
    prelude::*, //
};

/// Looks at tables, or at VMAs, in one call. At 512 loads each that is a fraction of a second.
const LOOKS_PER_CALL: usize = 1 << 15;
/// The same under one hold of the mmap lock, if nobody waits for it.
const LOOKS_PER_LOCK: usize = 32;

/// The least room for which it pays to look at a table.
const LEAST_ROOM: usize = 32;

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Entries,
    Runs,
    Tables,
    Vmas,
    Counts,
}

impl Form {
    fn from_number(n: u32) -> Option<Self> {
        Some(match n {
            MMLENS_FORM_ENTRIES => Self::Entries,
            MMLENS_FORM_RUNS => Self::Runs,
            MMLENS_FORM_TABLES => Self::Tables,
            MMLENS_FORM_VMAS => Self::Vmas,
            MMLENS_FORM_COUNTS => Self::Counts,
            _ => return None,
        })
    }

    /// The room without which no record fits, in bytes.
    fn least_room(self) -> usize {
        match self {
            Self::Entries => size_of::<mmlens_entry>(),
            Self::Runs => size_of::<mmlens_run>(),
            Self::Tables => tables::RECORD,
            Self::Vmas => size_of::<mmlens_vma>(),
            Self::Counts => size_of::<mmlens_counts>(),
        }
    }
}

/// What goes on in one call.
struct Walk<'a> {
    mm: &'a MmWithUser,
    geometry: Geometry,
    format: Native,
    filter: Filter,
    /// `vm_flags` that a VMA must have, and those that it must not have.
    vma_required: u64,
    vma_excluded: u64,
    /// Look at the pages.
    pages: bool,
    /// The names of VMAs.
    names: bool,
    /// Where to go on.
    at: u64,
    /// Where to end.
    end: u64,
    /// Looks that are left.
    looks: usize,
    out: UserWords,
    /// What is there of them.
    records: u64,
}

/// What became of a look at a VMA.
enum Looked {
    /// Done up to here, which may be where it began: somebody was changing it.
    UpTo(u64),
    /// There is no room for what would be seen.
    Full,
}

impl Walk<'_> {
    /// Whether there is anything left to look at in this call.
    fn goes_on(&self) -> bool {
        self.at < self.end && self.looks > 0
    }

    /// Lets `look` see the VMAs from `at` on, under one hold of the mmap lock: their tables, the address
    /// to begin at and the exclusive end.
    ///
    /// Errors: `EINTR` if this task is being killed; those of `look`.
    fn visit(
        &mut self,
        mut look: impl FnMut(&mut VmaTables<'_>, u64, u64) -> Result<Looked>,
    ) -> Result {
        breathe()?;
        let lock = MmapReadLock::lock(self.mm)?;
        let mut left = LOOKS_PER_LOCK.min(self.looks);
        let mut vmas = Vmas::from(&lock, self.at);
        while left > 0 && self.at < self.end {
            let Some(vma) = vmas.next() else {
                self.at = self.end;
                break;
            };
            let mut tables = VmaTables::of(&lock, vma, &self.geometry);
            let end = tables.end().min(self.end);
            self.at = self.at.max(tables.start()).min(self.end);
            let flags = tables.flags().0;
            if flags & self.vma_required != self.vma_required || flags & self.vma_excluded != 0 {
                self.at = end.max(self.at);
            }
            if self.at >= end {
                left -= 1;
                self.looks -= 1;
            }
            while self.at < end {
                if left == 0 {
                    return Ok(());
                }
                match look(&mut tables, self.at, end)? {
                    Looked::UpTo(next) => self.at = next,
                    Looked::Full => return Ok(()),
                }
                left -= 1;
                self.looks -= 1;
                if lock.is_contended() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Room for what is seen under one hold of the lock, in entries: for those of a table, and less if
    /// there are less. Memory comes zeroed from the allocator of most kernels, and to clear it takes as
    /// long as to look at as many entries.
    fn room(&self) -> usize {
        let pages = self.end.saturating_sub(self.at) / self.geometry.page_size();
        usize::try_from(pages).map_or(WINDOW, |pages| pages.clamp(LEAST_ROOM, WINDOW))
    }

    /// Bits in which leaves that are alike agree.
    fn masks(&self) -> Masks {
        Masks::new(&self.format, self.filter.raw_mask)
    }

    /// Says what entries mean.
    fn reader(&self) -> Reader<Native> {
        Reader::new(self.format, self.geometry, self.masks())
    }
}

/// Carries out a `MMLENS_IOC_WALK`, and returns the answer.
///
/// Process context, may sleep; the rights of the caller were checked.
///
/// Errors: `EINVAL` for a form, flag, filter, range or buffer that cannot be; those of
/// [`Subject::with_memory`]; `ESRCH` if the process exits; `ENOSPC` if there is no room for the name of
/// a VMA; `EFAULT`, `EINTR`, `ENOMEM`. After an error one may begin again where this call was to begin.
pub(crate) fn walk(request: &mmlens_walk) -> Result<mmlens_walk> {
    let form = Form::from_number(request.form).ok_or(EINVAL)?;
    let filter = Filter {
        required: Facts(request.required),
        any: Facts(request.any),
        excluded: Facts(request.excluded),
        raw_mask: request.raw_mask,
        raw_value: request.raw_value,
        phys_start: request.phys_start,
        phys_end: request.phys_end,
    };
    let is_of_entries = matches!(form, Form::Entries | Form::Runs | Form::Counts);
    let flags = match form {
        Form::Vmas => MMLENS_WALK_NAMES,
        Form::Tables => 0,
        _ => MMLENS_WALK_PAGES,
    };
    if request.flags & !flags != 0
        || request.bytes < form.least_room() as u64
        || request.end != 0 && request.start > request.end
        || is_of_entries && !filter.is_sound()
    {
        return Err(EINVAL);
    }
    let out = UserWords::new(request.buffer, request.bytes)?;
    let subject = Subject::with_memory(request.pid, request.space)?;
    let mm = subject.memory().ok_or(ESRCH)?;
    let (geometry, format) = native()?;
    let top = MmapReadLock::lock(&mm)?.placement().task_size;
    let mut walk = Walk {
        mm: &mm,
        geometry,
        format,
        filter,
        vma_required: request.vma_required,
        vma_excluded: request.vma_excluded,
        pages: request.flags & MMLENS_WALK_PAGES != 0 || filter.wants_pages(),
        names: request.flags & MMLENS_WALK_NAMES != 0,
        at: request.start,
        end: match request.end {
            0 => top.max(request.start),
            end => end,
        },
        looks: LOOKS_PER_CALL,
        out,
        records: 0,
    };
    let room = walk.out.room();
    // Where frames follow one another, a look at all of them compares nothing else.
    let compares_places = filter.raw_mask & format.address_bits().mask() != 0;
    let by_itself = walk.pages || filter.is_of_places() || compares_places || form == Form::Entries;
    match form {
        Form::Tables => walk.tables(top),
        Form::Vmas => walk.vmas(),
        _ if by_itself => walk.each(form),
        _ => walk.summary(form),
    }?;
    walk.out.flush()?;
    Ok(mmlens_walk {
        start: walk.at,
        end: walk.end,
        bytes: ((room - walk.out.room()) * size_of::<u64>()) as u64,
        records: walk.records,
        space: subject.space(),
        ..*request
    })
}
