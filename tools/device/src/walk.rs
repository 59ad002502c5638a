// SPDX-License-Identifier: GPL-2.0

//! What a part of an address space is, record by record.

use crate::{
    device::Device,
    raw::{self, ioctl},
    record::{Counts, Entry, Record, Run, Table, Vma},
    sys,
};
use mmlens_core::pt::filter::Filter;
use std::{io, marker::PhantomData, os::fd::AsFd};

/// Room for the records of one call, in words: a megabyte.
const ROOM: usize = (1 << 20) / 8;

/// What is wanted of an address space.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    device: &'a Device,
    argument: sys::mmlens_walk,
    room: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(device: &'a Device, pid: i32) -> Self {
        let argument = sys::mmlens_walk {
            pid,
            ..Default::default()
        };
        Self {
            device,
            argument,
            room: ROOM,
        }
    }

    /// Only from `start` to `end`, which is exclusive; 0 is all the rest.
    pub fn range(mut self, start: u64, end: u64) -> Self {
        (self.argument.start, self.argument.end) = (start, end);
        self
    }

    /// Only entries that pass.
    pub fn filter(mut self, filter: &Filter) -> Self {
        self.argument.required = filter.required.0;
        self.argument.any = filter.any.0;
        self.argument.excluded = filter.excluded.0;
        self.argument.raw_mask = filter.raw_mask;
        self.argument.raw_value = filter.raw_value;
        self.argument.phys_start = filter.phys_start;
        self.argument.phys_end = filter.phys_end;
        self.pages_if(filter.wants_pages())
    }

    /// Only in VMAs that have all of `required` in `vm_flags`, and nothing of `excluded`.
    pub fn vmas_with(mut self, required: u64, excluded: u64) -> Self {
        (self.argument.vma_required, self.argument.vma_excluded) = (required, excluded);
        self
    }

    /// Looks at the pages too.
    pub fn pages(self) -> Self {
        self.pages_if(true)
    }

    fn pages_if(mut self, condition: bool) -> Self {
        if condition {
            self.argument.flags |= sys::MMLENS_WALK_PAGES;
        }
        self
    }

    /// Names of VMAs too.
    pub fn names(mut self) -> Self {
        self.argument.flags |= sys::MMLENS_WALK_NAMES;
        self
    }

    /// Fails with `ESTALE` if the process has another address space than [`Records::space`] was of.
    pub fn in_space(mut self, space: u64) -> Self {
        self.argument.space = space;
        self
    }

    /// How many bytes of records to fetch at once.
    pub fn room(mut self, bytes: usize) -> Self {
        self.room = (bytes / 8).max(1);
        self
    }

    /// Entry by entry.
    pub fn entries(self) -> Records<'a, Entry> {
        Records::new(self)
    }

    /// Run by run.
    pub fn runs(self) -> Records<'a, Run> {
        Records::new(self)
    }

    /// The tables, of the level that the filter requires.
    pub fn tables(self) -> Records<'a, Table> {
        Records::new(self)
    }

    /// The VMAs.
    pub fn vmas(self) -> Records<'a, Vma> {
        Records::new(self)
    }

    /// The sum of all.
    pub fn counts(self) -> io::Result<Counts> {
        let mut sum = Counts::default();
        for part in Records::new(self) {
            sum.add(&part?);
        }
        Ok(sum)
    }
}

/// Calls WALK again and again, and gives one record after the other. Ends after an error.
#[derive(Debug)]
pub struct Records<'a, T> {
    walk: Walk<'a>,
    buffer: Vec<u64>,
    /// What of the buffer is not read yet, in bytes.
    unread: std::ops::Range<usize>,
    is_done: bool,
    _records: PhantomData<fn() -> T>,
}

impl<'a, T: Record> Records<'a, T> {
    fn new(mut walk: Walk<'a>) -> Self {
        walk.argument.form = T::FORM;
        Self {
            buffer: vec![0; walk.room],
            walk,
            unread: 0..0,
            is_done: false,
            _records: PhantomData,
        }
    }

    /// Where the next call will go on. What was before it has been fetched.
    pub fn position(&self) -> u64 {
        self.walk.argument.start
    }

    /// The end of the range; 0 before the first record if it is not known.
    pub fn end(&self) -> u64 {
        self.walk.argument.end
    }

    /// The address space, for [`Walk::in_space`]; 0 before the first record.
    pub fn space(&self) -> u64 {
        self.walk.argument.space
    }

    /// Fetches more.
    fn fetch(&mut self) -> io::Result<()> {
        let argument = &mut self.walk.argument;
        argument.buffer = self.buffer.as_mut_ptr() as u64;
        argument.bytes = (self.buffer.len() * 8) as u64;
        let before = argument.start;
        ioctl(self.walk.device.as_fd(), sys::IOC_WALK, argument)?;
        let bytes = usize::try_from(argument.bytes).unwrap_or(usize::MAX);
        self.unread = 0..bytes.min(self.buffer.len() * 8);
        self.is_done = argument.start >= argument.end;
        if !self.is_done && bytes == 0 && argument.start == before {
            // Nothing came and nothing moved: the next record does not fit.
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        Ok(())
    }

    fn take(&mut self) -> io::Result<Option<T>> {
        while self.unread.is_empty() {
            if self.is_done {
                return Ok(None);
            }
            self.fetch()?;
        }
        let bytes = raw::bytes_of(&self.buffer).get(self.unread.clone());
        match T::parse(bytes.unwrap_or_default()) {
            Some((record, size)) if size > 0 => {
                self.unread.start += size.min(self.unread.len());
                Ok(Some(record))
            }
            _ => Err(io::Error::from(io::ErrorKind::InvalidData)),
        }
    }
}

impl<T: Record> Iterator for Records<'_, T> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = self.take();
        if record.is_err() {
            self.is_done = true;
            self.unread = 0..0;
        }
        record.transpose()
    }
}
