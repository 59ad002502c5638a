// SPDX-License-Identifier: GPL-2.0

//! `/dev/mmlens`: each open file is a buffer.
//!
//! Documentation/uapi.rst is the specification.

mod buffer;
mod dirty;
mod events;
mod ioctl;
pub(crate) mod list;
mod mapping;
mod revoke;
pub(crate) mod stats;
mod transfer;
mod uapi;
mod watch;

pub(crate) use buffer::Buffer;

use crate::{
    setup::Strategy,
    sys::{
        chardev::{
            FileOperations,
            NewFile,
            OpenFile, //
        },
        seq::SeqWriter, //
    },
    vm::vma::{
        Mapped,
        NewVma, //
    }, //
};
use core::fmt::Write;
use kernel::{
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    }, //
};
use stats::Op;

// `EPOLL...` of include/uapi/linux/eventpoll.h.
const READY: u32 = 0x1 | 0x4 | 0x40 | 0x100;
const POLLPRI: u32 = 0x2;
const POLLERR: u32 = 0x8;
const POLLRDBAND: u32 = 0x80;

#[vtable]
impl FileOperations for Buffer {
    fn open(file: &NewFile<'_>) -> Result<Arc<Self>> {
        let buffer = Buffer::new(file.private_inode()?)?;
        list::add(&buffer)?;
        Ok(buffer)
    }

    fn release(this: Arc<Self>) {
        list::remove(this.id);
    }

    fn mmap<'v>(this: ArcBorrow<'_, Self>, vma: NewVma<'v>) -> Result<Mapped<'v>> {
        mapping::mmap(this, vma)
    }

    fn wants_huge(&self) -> bool {
        self.setup().strategy == Strategy::Huge
    }

    fn ioctl(this: ArcBorrow<'_, Self>, cmd: u32, arg: usize) -> Result<isize> {
        ioctl::dispatch(&this, cmd, arg)
    }

    fn read(&self, pos: u64, to: &mut IovIterDest<'_>) -> Result<usize> {
        self.read_counted(pos, to)
    }

    fn write(&self, pos: u64, from: &mut IovIterSource<'_>) -> Result<usize> {
        self.write_counted(pos, from)
    }

    fn size(&self) -> u64 {
        self.bytes()
    }

    fn next_place(&self, pos: u64, data: bool) -> u64 {
        let Some(memory) = self.memory() else {
            return pos;
        };
        let page = PAGE_SIZE as u64;
        let is_wanted = |index: &usize| memory.backing.has(*index) == data;
        let first = (pos / page) as usize;
        match (first..memory.pages()).find(is_wanted) {
            Some(index) => pos.max(index as u64 * page),
            None => self.bytes(),
        }
    }

    /// Always readable and writable, as a file is; `POLLPRI`: pages are dirty; `POLLRDBAND`: there
    /// are events; `POLLERR`: revoked.
    fn poll(&self, file: &OpenFile<'_>) -> u32 {
        match self.changed() {
            Ok(changed) => file.wait(changed),
            // No memory: who cannot wait is told that something is wrong.
            Err(_) => return READY | POLLERR,
        }
        let is_dirty = self
            .memory()
            .and_then(|m| m.dirty.as_ref())
            .is_some_and(|d| d.count() != 0);
        let mut ready = READY;
        if is_dirty {
            ready |= POLLPRI;
        }
        if !self.events.is_empty() {
            ready |= POLLRDBAND;
        }
        if self.is_revoked() {
            ready |= POLLERR;
        }
        ready
    }

    fn fsync(&self) -> Result {
        Ok(())
    }

    fn show_fdinfo(&self, out: &mut SeqWriter<'_>) {
        // What does not fit is asked for again.
        let _ = self.describe(out);
    }
}

impl Buffer {
    fn describe(&self, out: &mut SeqWriter<'_>) -> Result {
        let dirty = self.memory().and_then(|m| m.dirty.as_ref());
        writeln!(out, "mmlens-id:\t{}", self.id)?;
        writeln!(out, "mmlens-bytes:\t{}", self.bytes())?;
        writeln!(out, "mmlens-mappings:\t{}", self.stats.mappings())?;
        writeln!(out, "mmlens-setup:\t{}", self.setup())?;
        writeln!(out, "mmlens-faults:\t{}", self.stats.done(Op::Fault))?;
        let mkwrites = self.stats.done(Op::PageMkwrite);
        writeln!(out, "mmlens-page-mkwrites:\t{mkwrites}")?;
        writeln!(out, "mmlens-dirty:\t{}", dirty.map_or(0, |d| d.count()))?;
        writeln!(out, "mmlens-revoked:\t{}", u8::from(self.is_revoked()))?;
        Ok(())
    }
}
