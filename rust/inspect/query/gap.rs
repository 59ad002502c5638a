// SPDX-License-Identifier: GPL-2.0

//! `gap LEN`: room between VMAs.

use super::super::layout::guard_below;
use crate::{
    mm::{
        search::{
            Placement,
            HAS_HUGE_PAGES, //
        },
        tables,
        vmas::MmapReadLock, //
    },
    pt::level::Level,
    sys::seq::SeqWriter,
    text::{
        vma_flags::VmaFlags,
        Size, //
    }, //
};
use core::{
    fmt::Write,
    ops::Range, //
};
use kernel::{
    mm::{
        virt::VmaRef,
        MmWithUser, //
    },
    page::PAGE_SIZE,
    prelude::*, //
};

/// A stack below which the guard gap must be left free may be in the way so often.
const MAX_STACKS: usize = 64;

/// Where some bytes would fit.
pub(in crate::inspect) struct Room {
    /// So many, in whole pages.
    len: u64,
    placement: Placement,
    /// The addresses that were looked at.
    all: Range<u64>,
    /// The lowest room that is large enough, all of it.
    pub(in crate::inspect) lowest: Option<Range<u64>>,
    /// The highest.
    pub(in crate::inspect) highest: Option<Range<u64>>,
    /// Where `mmap()` would put them, as far as it can be told.
    pub(in crate::inspect) chosen: Option<u64>,
}

impl Room {
    /// Looks for room for `len` bytes.
    ///
    /// Errors: `EINTR` if this task is being killed.
    pub(in crate::inspect) fn find(mm: &MmWithUser, len: u64) -> Result<Self> {
        let page = PAGE_SIZE as u64;
        let len = len.checked_next_multiple_of(page).unwrap_or(u64::MAX);
        let huge = tables::native()?.0.size(Level::Pmd);
        let lock = MmapReadLock::lock(mm)?;
        let placement = lock.placement();
        // The first page is never given away.
        let all = page..placement.task_size;
        Ok(Self {
            len,
            placement,
            lowest: lock.lowest_room(all.clone(), len),
            highest: lock.highest_room(all.clone(), len),
            chosen: choose(&lock, &placement, len, huge),
            all,
        })
    }
}

/// Writes where `len` bytes would fit.
pub(super) fn write(mm: &MmWithUser, len: u64, out: &mut SeqWriter<'_>) -> Result {
    let Room {
        len,
        placement,
        all,
        lowest,
        highest,
        chosen,
    } = Room::find(mm, len)?;
    writeln!(
        out,
        "# room for {len:#x} bytes ({}) in {:016x}-{:016x}",
        Size(len),
        all.start,
        all.end
    )?;
    write_room(out, "lowest", lowest)?;
    write_room(out, "highest", highest)?;
    match chosen {
        Some(addr) => write!(out, "mmap    {addr:016x}")?,
        None => write!(out, "mmap    unknown")?,
    }
    writeln!(
        out,
        " {} from {:016x}",
        if placement.is_top_down { "down" } else { "up" },
        placement.mmap_base
    )?;
    Ok(())
}

fn write_room(out: &mut SeqWriter<'_>, which: &str, room: Option<Range<u64>>) -> Result {
    match room {
        Some(Range { start, end }) => writeln!(
            out,
            "{which:<7} {start:016x}-{end:016x} {}",
            Size(end.saturating_sub(start))
        )?,
        None => writeln!(out, "{which:<7} none")?,
    }
    Ok(())
}

/// The address that `mmap()` of anonymous private memory without a hint would get, as far as it can
/// be told (`__get_unmapped_area()`, mm/mmap.c).
fn choose(lock: &MmapReadLock<'_>, placement: &Placement, len: u64, huge: u64) -> Option<u64> {
    // A 32-bit program, whose base is another.
    if placement.mmap_base >= placement.task_size {
        return None;
    }
    // A power of two.
    let below_huge = huge.wrapping_sub(1);
    if HAS_HUGE_PAGES && len & below_huge == 0 {
        // Aligned for a huge page, if there is room (`__thp_get_unmapped_area()`).
        let padded = len
            .checked_add(huge)
            .and_then(|len| unmapped_area(lock, placement, len));
        if let Some(addr) = padded {
            return if addr & below_huge == 0 && placement.is_top_down {
                addr.checked_add(huge)
            } else {
                addr.checked_add(below_huge).map(|addr| addr & !below_huge)
            };
        }
    }
    unmapped_area(lock, placement, len)
}

/// As `vm_unmapped_area()` (mm/vma.c), without its second try in the other direction.
fn unmapped_area(lock: &MmapReadLock<'_>, placement: &Placement, len: u64) -> Option<u64> {
    let mut range = if placement.is_top_down {
        PAGE_SIZE as u64..placement.mmap_base
    } else {
        placement.mmap_base..placement.task_size
    };
    for _ in 0..MAX_STACKS {
        let room = if placement.is_top_down {
            lock.highest_room(range.clone(), len)?
        } else {
            lock.lowest_room(range.clone(), len)?
        };
        // The room may end at the bound of the search and not at the next VMA.
        let next = lock.find_vma(room.end);
        let below = |vma: &VmaRef| guard_below(VmaFlags(vma.flags() as u64));
        let stack = next.filter(|vma| below(vma) > 0);
        let guard = stack.map_or(u64::MAX, |vma| {
            (vma.start() as u64).saturating_sub(below(vma))
        });
        match (placement.is_top_down, stack) {
            (true, _) if guard >= room.end => return room.end.checked_sub(len),
            (true, _) => range.end = guard,
            (false, _) if room.start.saturating_add(len) <= guard => return Some(room.start),
            (false, Some(stack)) => range.start = stack.end() as u64,
            (false, None) => return None,
        }
    }
    None
}
