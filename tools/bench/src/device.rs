// SPDX-License-Identifier: GPL-2.0

//! What of `rust/uapi/mmlens.h` is measured here.

use crate::sys::{
    ioctl,
    iow,
    iowr,
    Context,
    Res, //
};
use std::fs::File;

pub const NODE: &str = "/dev/mmlens";
/// The same in C: `c_module`.
pub const PEER_NODE: &str = "/dev/mmlens-peer";
const MAGIC: u8 = 0xe6;

/// `struct mmlens_info`, as far as its first version goes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Info {
    pub size: u32,
    pub backing: u32,
    pub bytes: u64,
    pub mappings: u64,
    pub max_bytes: u64,
    pub page_size: u32,
    pub reserved: u32,
}

/// `struct mmlens_setup`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Setup {
    pub size: u32,
    pub backing: u32,
    pub strategy: u32,
    pub page_kind: u32,
    pub cache: u32,
    pub flags: u32,
    pub around: u32,
    pub region: u32,
    pub bytes: u64,
    pub events: u32,
    pub reserved: u32,
}

pub const BACKING_VMALLOC: u32 = 1;
pub const BACKING_VMAP: u32 = 2;
pub const BACKING_CONTIG: u32 = 3;
pub const STRATEGY_LAZY: u32 = 0;
pub const STRATEGY_AROUND: u32 = 1;
pub const STRATEGY_EAGER: u32 = 2;
pub const STRATEGY_HUGE: u32 = 4;
pub const PAGE_KIND_PFNMAP: u32 = 1;
pub const SETUP_TRACK: u32 = 1;
/// Of the one in C: without its accounting.
pub const SETUP_BARE: u32 = 1 << 31;

/// `struct mmlens_stats`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Stats {
    pub size: u32,
    pub op: u32,
    pub outcome: [u64; 8],
    pub pages: u64,
    pub ns: u64,
    pub ns_log2: [u64; 32],
}

pub const OP_FAULT: u32 = 6;
pub const OP_HUGE_FAULT: u32 = 7;

/// `struct mmlens_dirty`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Dirty {
    pub size: u32,
    pub flags: u32,
    pub first: u64,
    pub pages: u64,
    pub bitmap: u64,
    pub dirty: u64,
    pub protected: u64,
}

/// `struct mmlens_walk`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Walk {
    pub size: u32,
    pub form: u32,
    pub flags: u32,
    pub pid: i32,
    pub start: u64,
    pub end: u64,
    pub buffer: u64,
    pub bytes: u64,
    pub records: u64,
    pub required: u64,
    pub any: u64,
    pub excluded: u64,
    pub raw_mask: u64,
    pub raw_value: u64,
    pub phys_start: u64,
    pub phys_end: u64,
    pub vma_required: u64,
    pub vma_excluded: u64,
    pub space: u64,
}

pub const FORM_ENTRIES: u32 = 0;
pub const FORM_RUNS: u32 = 1;
pub const FORM_TABLES: u32 = 2;
pub const FORM_VMAS: u32 = 3;
pub const FORM_COUNTS: u32 = 4;

pub const PT_PTE: u64 = 1 << 0;
pub const PT_PMD: u64 = 1 << 1;
pub const PT_PRESENT: u64 = 1 << 6;
/// The place of that bit in `bytes_with`.
pub const PRESENT_BIT: usize = 6;

/// `struct mmlens_counts`, in words of 64 bits.
pub const COUNTS_BYTES_WITH: usize = 6;
pub const COUNTS_WORDS: usize = COUNTS_BYTES_WITH + 64;
/// The words of `struct mmlens_entry`, `mmlens_run`, and of `mmlens_table` without its entries.
pub const ENTRY_WORDS: usize = 3;
pub const RUN_WORDS: usize = 5;
pub const TABLE_WORDS: usize = 3;

pub const INFO: u64 = iowr::<Info>(MAGIC, 0);
pub const STATS: u64 = iowr::<Stats>(MAGIC, 1);
pub const SETUP: u64 = iow::<Setup>(MAGIC, 2);
pub const DIRTY: u64 = iowr::<Dirty>(MAGIC, 4);
pub const WALK: u64 = iowr::<Walk>(MAGIC, 7);
/// Nothing has this number.
pub const NONE: u64 = iowr::<Info>(MAGIC, 0xff);

/// An open device, or what speaks as it does.
pub struct Device(pub File);

impl Device {
    pub fn open(node: &str) -> Res<Self> {
        let mut options = File::options();
        let file = options.read(true).write(true).open(node).context(node)?;
        Ok(Self(file))
    }

    /// Makes it a buffer.
    pub fn set_up(&self, mut setup: Setup) -> Res<()> {
        setup.size = size_of::<Setup>() as u32;
        ioctl(&self.0, SETUP, &mut setup).context("SETUP")?;
        Ok(())
    }

    /// How often an operation was done.
    pub fn done(&self, op: u32) -> Res<u64> {
        let mut stats = Stats {
            size: size_of::<Stats>() as u32,
            op,
            ..Stats::default()
        };
        ioctl(&self.0, STATS, &mut stats).context("STATS")?;
        Ok(stats.outcome[0])
    }

    /// Harvests all pages into a bitmap. Returns how many were dirty.
    pub fn harvest(&self, pages: usize, bitmap: &mut [u64]) -> Res<u64> {
        assert!(bitmap.len() * 64 >= pages);
        let mut dirty = Dirty {
            size: size_of::<Dirty>() as u32,
            pages: pages as u64,
            bitmap: bitmap.as_mut_ptr() as u64,
            ..Dirty::default()
        };
        ioctl(&self.0, DIRTY, &mut dirty).context("DIRTY")?;
        Ok(dirty.dirty)
    }
}
