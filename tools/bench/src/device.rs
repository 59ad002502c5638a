// SPDX-License-Identifier: GPL-2.0

//! What of `rust/uapi/mmlens.h` is measured here.

use crate::sys::{
    ioctl,
    Context,
    Res, //
};
use mmlens_device::sys;
pub use mmlens_device::{
    sys::{
        mmlens_dirty as Dirty,
        mmlens_info as Info,
        mmlens_setup as Setup,
        mmlens_stats as Stats,
        mmlens_walk as Walk,
        MMLENS_BACKING_CONTIG as BACKING_CONTIG,
        MMLENS_BACKING_VMALLOC as BACKING_VMALLOC,
        MMLENS_BACKING_VMAP as BACKING_VMAP,
        MMLENS_FORM_COUNTS as FORM_COUNTS,
        MMLENS_FORM_ENTRIES as FORM_ENTRIES,
        MMLENS_FORM_RUNS as FORM_RUNS,
        MMLENS_FORM_TABLES as FORM_TABLES,
        MMLENS_FORM_VMAS as FORM_VMAS,
        MMLENS_OP_FAULT as OP_FAULT,
        MMLENS_OP_HUGE_FAULT as OP_HUGE_FAULT,
        MMLENS_PAGE_KIND_PFNMAP as PAGE_KIND_PFNMAP,
        MMLENS_SETUP_TRACK as SETUP_TRACK,
        MMLENS_STRATEGY_AROUND as STRATEGY_AROUND,
        MMLENS_STRATEGY_EAGER as STRATEGY_EAGER,
        MMLENS_STRATEGY_HUGE as STRATEGY_HUGE,
        MMLENS_STRATEGY_LAZY as STRATEGY_LAZY, //
    },
    PATH as NODE, //
};
use std::{
    fs::File,
    mem::offset_of, //
};

/// The same in C: `c_module`.
pub const PEER_NODE: &str = "/dev/mmlens-peer";
/// Of the one in C: without its accounting.
pub const SETUP_BARE: u32 = 1 << 31;

pub const PT_PTE: u64 = sys::MMLENS_PT_PTE as u64;
pub const PT_PMD: u64 = sys::MMLENS_PT_PMD as u64;
pub const PT_PRESENT: u64 = sys::MMLENS_PT_PRESENT as u64;
/// The place of that bit in `bytes_with`.
pub const PRESENT_BIT: usize = PT_PRESENT.trailing_zeros() as usize;

/// Records are read as words of 64 bits: their lengths, of a table that without its entries.
pub const COUNTS_BYTES_WITH: usize = offset_of!(sys::mmlens_counts, bytes_with) / 8;
pub const COUNTS_WORDS: usize = size_of::<sys::mmlens_counts>() / 8;
pub const ENTRY_WORDS: usize = size_of::<sys::mmlens_entry>() / 8;
pub const RUN_WORDS: usize = size_of::<sys::mmlens_run>() / 8;
pub const TABLE_WORDS: usize = size_of::<sys::mmlens_table>() / 8;

pub const INFO: u64 = sys::IOC_INFO as u64;
pub const STATS: u64 = sys::IOC_STATS as u64;
pub const SETUP: u64 = sys::IOC_SETUP as u64;
pub const DIRTY: u64 = sys::IOC_DIRTY as u64;
pub const WALK: u64 = sys::IOC_WALK as u64;
/// Nothing has this number.
pub const NONE: u64 = INFO | 0xff;

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
