// SPDX-License-Identifier: GPL-2.0

//! `/dev/mmlens`: each open file is a buffer.

mod buffer;
mod ioctl;
mod mapping;
mod stats;
mod uapi;

pub(crate) use buffer::Buffer;

use crate::{
    chardev::FileOperations,
    seq::SeqWriter,
    vm::vma, //
};
use core::fmt::Write;
use kernel::{
    mm::virt::VmaNew,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    }, //
};

#[vtable]
impl FileOperations for Buffer {
    fn open() -> Result<Arc<Self>> {
        Buffer::new()
    }

    /// Errors: `EINVAL` if the mapping is not inside of the buffer; `ENOMEM`.
    fn mmap(this: ArcBorrow<'_, Self>, vma: &VmaNew) -> Result<Arc<Self>> {
        let pages = (vma.end() - vma.start()) / PAGE_SIZE;
        let pgoff = vma::pgoff(vma);
        // The first mapping makes the buffer, so it must begin where the buffer does.
        if this.memory().is_none() && pgoff != 0 {
            return Err(EINVAL);
        }
        let total = this.memory_or_allocate(pages)?.pages();
        let is_inside = pgoff < total && pages <= total - pgoff;
        if !is_inside {
            return Err(EINVAL);
        }
        // A VMA that grew would ask for pages past the end; a core dump of the pages helps nobody.
        vma.set_dontexpand();
        vma.set_dontdump();
        this.stats.mmap.bump();
        Ok(this.into())
    }

    fn ioctl(&self, cmd: u32, arg: usize) -> Result<isize> {
        ioctl::dispatch(self, cmd, arg)
    }

    fn show_fdinfo(&self, out: &mut SeqWriter<'_>) {
        // What does not fit is asked for again.
        let _ = writeln!(out, "mmlens-bytes:\t{}", self.bytes());
        let _ = writeln!(out, "mmlens-mappings:\t{}", self.stats.mappings());
        let _ = writeln!(out, "mmlens-faults:\t{}", self.stats.fault.get());
        let _ = writeln!(
            out,
            "mmlens-page-mkwrites:\t{}",
            self.stats.page_mkwrite.get()
        );
    }
}
