// SPDX-License-Identifier: GPL-2.0

//! `/dev/mmlens`: each open file is a buffer.

use crate::{
    backing::Vmalloc,
    chardev::FileOperations,
    compat,
    ioctl,
    seq::SeqWriter,
    stats::Stats,
    vm::vma, //
};
use core::fmt::Write;
use kernel::{
    mm::virt::VmaNew,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        new_mutex,
        Arc,
        ArcBorrow,
        Mutex,
        SetOnce, //
    },
};

/// The buffer behind an open file and its mappings.
#[pin_data]
pub(crate) struct Buffer {
    /// Held while the memory is installed: two processes may share the file.
    #[pin]
    setup: Mutex<()>,
    /// Made by the first `mmap()`, which decides the size; gone with the last file and mapping.
    memory: SetOnce<Vmalloc>,
    /// What happened to it.
    pub(crate) stats: Stats,
}

impl Buffer {
    /// The memory, once there is any.
    pub(crate) fn memory(&self) -> Option<&Vmalloc> {
        self.memory.as_ref()
    }

    /// The size in bytes, 0 before the first `mmap()`.
    pub(crate) fn bytes(&self) -> u64 {
        self.memory().map_or(0, |m| (m.pages() * PAGE_SIZE) as u64)
    }

    /// The largest buffer, in bytes.
    pub(crate) fn max_bytes() -> u64 {
        u64::from(compat::max_buffer_mib()) << 20
    }

    /// The memory; allocates `pages` if there is none.
    ///
    /// Errors: `ENOMEM` if there is not so much, or more is asked for than the module parameter
    /// allows.
    fn memory_or_allocate(&self, pages: usize) -> Result<&Vmalloc> {
        if let Some(memory) = self.memory() {
            return Ok(memory);
        }
        if (pages as u64).saturating_mul(PAGE_SIZE as u64) > Self::max_bytes() {
            return Err(ENOMEM);
        }
        let memory = Vmalloc::zeroed(pages)?;
        // Another process that shares the file may be doing the same: then its memory is used, and
        // this one freed.
        let _guard = self.setup.lock();
        if self.memory().is_none() {
            self.memory.populate(memory);
        }
        self.memory().ok_or(ENOMEM)
    }
}

#[vtable]
impl FileOperations for Buffer {
    fn open() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Buffer {
                setup <- new_mutex!((), "mmlens_buffer"),
                memory: SetOnce::new(),
                stats: Stats::new(),
            }),
            GFP_KERNEL,
        )
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
