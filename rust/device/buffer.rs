// SPDX-License-Identifier: GPL-2.0

//! A buffer: what an open `/dev/mmlens` and its mappings share.

use super::stats::Stats;
use crate::{
    backing::Vmalloc,
    compat, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        new_mutex,
        Arc,
        Mutex,
        SetOnce, //
    }, //
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
    /// A buffer without memory.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Buffer {
                setup <- new_mutex!((), "mmlens_buffer"),
                memory: SetOnce::new(),
                stats: Stats::new(),
            }),
            GFP_KERNEL,
        )
    }

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
    pub(crate) fn memory_or_allocate(&self, pages: usize) -> Result<&Vmalloc> {
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
