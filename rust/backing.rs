// SPDX-License-Identifier: GPL-2.0

//! The memory behind a buffer.
//!
//! All of it is zeroed, and charged to the memory cgroup of whoever makes it. Pages are counted one
//! by one, or by compound page: one that user space maps, or somebody has got hold of, outlives the
//! objects here; a frame that is mapped by its number does not, see [`Pfn`].

mod area;
mod areas;
mod blocks;
mod device;
mod sparse;
mod vmalloc;

pub(crate) use area::Area;
pub(crate) use areas::{
    init,
    Areas, //
};
pub(crate) use device::Regions;
pub(crate) use vmalloc::Vmalloc;

use crate::{
    ffi,
    rights::may_reach_devices,
    setup::{
        self,
        Cache,
        Setup,
        Strategy, //
    },
    vm::{
        kind::{
            MixedMap,
            Pfn,
            PfnRange, //
        },
        ops::VmOperations,
        page::{
            HeldPage,
            PageList, //
        },
        vma::ReadyVma, //
    },
};
use blocks::Blocks;
use device::Registers;
use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*, //
};
use sparse::Sparse;

/// The memory of a buffer. The set is closed: the variants are those of [`setup::Backing`].
pub(crate) enum Backing {
    /// `vmalloc()`.
    Vmalloc(Vmalloc),
    /// Single pages, or blocks of them, and a `vmap()` over all.
    Blocks(Blocks),
    /// Single pages that come when they are used.
    Sparse(Sparse),
    /// Device memory, and an `ioremap()` of it.
    Device(Registers),
}

impl Backing {
    /// Makes `pages` pages of memory, as `setup` says. Sleeps.
    ///
    /// Errors: `ENOMEM`; `EINVAL` for no pages, or more than the device memory has; `ENODEV` if the
    /// module was given no such device memory.
    pub(crate) fn new(setup: &Setup, pages: usize) -> Result<Self> {
        if pages == 0 {
            return Err(EINVAL);
        }
        let is_huge = setup.strategy == Strategy::Huge;
        Ok(match setup.backing {
            setup::Backing::Vmalloc => Backing::Vmalloc(Vmalloc::zeroed(pages)?),
            setup::Backing::Vmap => Backing::Blocks(Blocks::single(pages, setup.cache)?),
            setup::Backing::Contig if is_huge => {
                Backing::Blocks(Blocks::compound(pages, setup.cache)?)
            }
            setup::Backing::Contig => Backing::Blocks(Blocks::contiguous(pages, setup.cache)?),
            setup::Backing::Sparse => Backing::Sparse(Sparse::new(pages)?),
            setup::Backing::Ioremap => {
                Backing::Device(Registers::new(setup.region, pages, setup.cache)?)
            }
        })
    }

    /// How many pages device memory has that a setup names, for a buffer of which nobody says how
    /// large it is to be; else `None`.
    ///
    /// Errors: `EPERM` without the rights for device memory; `ENODEV` if the module was given none
    /// of this number.
    pub(crate) fn natural_pages(setup: &Setup) -> Result<Option<usize>> {
        match setup.backing {
            setup::Backing::Ioremap => {
                may_reach_devices()?;
                Registers::available(setup.region).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// How many pages there are.
    pub(crate) fn pages(&self) -> usize {
        match self {
            Backing::Vmalloc(memory) => memory.pages(),
            Backing::Blocks(memory) => memory.pages(),
            Backing::Sparse(memory) => memory.pages(),
            Backing::Device(memory) => memory.pages(),
        }
    }

    /// How many of them have memory.
    pub(crate) fn allocated(&self) -> usize {
        match self {
            Backing::Sparse(memory) => memory.allocated(),
            _ => self.pages(),
        }
    }

    /// The kernel's mapping, if there is one besides the linear map.
    pub(crate) fn area(&self) -> Option<Area<'_>> {
        match self {
            Backing::Vmalloc(memory) => Some(memory.area()),
            Backing::Blocks(memory) => Some(memory.area()),
            Backing::Sparse(_) => None,
            Backing::Device(memory) => Some(memory.area()),
        }
    }

    /// The physical address of device memory.
    pub(crate) fn device_address(&self) -> Option<u64> {
        match self {
            Backing::Device(memory) => Some(memory.phys()),
            _ => None,
        }
    }

    /// Page `index`; `None` if there is none: past the end, not allocated yet, or device memory.
    #[inline]
    pub(crate) fn page(&self, index: usize) -> Option<HeldPage<'_>> {
        match self {
            Backing::Vmalloc(memory) => memory.list().page(index),
            Backing::Blocks(memory) => memory.list().page(index),
            Backing::Sparse(memory) => memory.page(index),
            Backing::Device(_) => None,
        }
    }

    /// As [`page`](Self::page), and allocates it if that has not been done. Sleeps.
    ///
    /// Errors: `ENOMEM`; `EFAULT` past the end and for device memory.
    #[inline]
    pub(crate) fn page_or_allocate(&self, index: usize) -> Result<HeldPage<'_>> {
        match self {
            Backing::Sparse(memory) => memory.page_or_allocate(index),
            _ => self.page(index).ok_or(EFAULT),
        }
    }

    /// Page `index` and those behind it that are listed along with it; `None` as for
    /// [`page`](Self::page).
    #[inline]
    pub(crate) fn list(&self, index: usize) -> Option<PageList<'_>> {
        match self {
            Backing::Vmalloc(memory) => memory.list().from(index),
            Backing::Blocks(memory) => memory.list().from(index),
            Backing::Sparse(memory) => memory.list(index),
            Backing::Device(_) => None,
        }
    }

    /// The frame of page `index`, to be mapped by its number. None of a page that may be given back
    /// before the object is: those of `sparse` never are, but nobody maps them so.
    pub(crate) fn pfn(&self, index: usize) -> Option<Pfn<'_>> {
        let number = match self {
            Backing::Device(memory) => memory.pfn(index)?,
            _ => self.page(index)?.pfn(),
        };
        // SAFETY: The page is one of this object's, which keeps it as long as it is there; each VMA
        // owns a reference to the buffer that owns this. Its cache type is that of the setup, which
        // is also that of the VMAs.
        Some(unsafe { Pfn::new(number) })
    }

    /// Whether the memory of page `index` is known to be broken: who touches it may be killed by the
    /// machine, and in the kernel takes it with him.
    #[inline]
    pub(crate) fn is_broken(&self, index: usize) -> bool {
        self.page(index).is_some_and(HeldPage::is_poisoned)
    }

    /// As [`pfn`](Self::pfn), for a fault.
    ///
    /// Errors: `EFAULT` if there is none; `EHWPOISON` if it is [broken](Self::is_broken).
    #[inline]
    pub(crate) fn sound_pfn(&self, index: usize) -> Result<Pfn<'_>> {
        if self.is_broken(index) {
            return Err(Error::from_errno(-(bindings::EHWPOISON as i32)));
        }
        self.pfn(index).ok_or(EFAULT)
    }

    /// Whether page `index` is more than zeros that nobody has used yet.
    pub(crate) fn has(&self, index: usize) -> bool {
        match self {
            Backing::Sparse(memory) => memory.has(index),
            _ => index < self.pages(),
        }
    }

    /// The frames of page `index` and of those behind it, `most` at most, as long as they follow each
    /// other.
    pub(crate) fn frames(&self, index: usize, most: usize) -> Option<PfnRange<'_>> {
        let first = self.pfn(index)?;
        // SAFETY: Each of them is as `pfn` says.
        Some(unsafe { PfnRange::new(first, self.contiguous(index, most)) })
    }

    /// Those of the pages from `index` on with a bit in `wanted` whose frames are as far from that of
    /// page `index` as they are, up to the first for which that is not so; page `index` is one.
    pub(crate) fn run(&self, index: usize, wanted: u64) -> u64 {
        let number = |index| self.pfn(index).map(Pfn::number);
        let Some(first) = number(index) else {
            return 0;
        };
        (1..u64::BITS as usize)
            .filter(|&n| wanted & 1 << n != 0)
            .take_while(|&n| number(index + n) == Some(first + n))
            .fold(1, |run, n| run | 1 << n)
    }

    /// How many pages from `index` on, `most` at most, have frames that follow each other.
    fn contiguous(&self, index: usize, most: usize) -> usize {
        if let Backing::Device(memory) = self {
            return most.min(memory.pages().saturating_sub(index));
        }
        let number = |index| self.pfn(index).map(Pfn::number);
        let Some(first) = number(index) else {
            return 0;
        };
        (0..most)
            .take_while(|&n| number(index + n) == Some(first + n))
            .count()
    }

    /// Maps all of a VMA, from page `pgoff` on, by `remap_vmalloc_range()`; says whether this
    /// memory can be mapped so.
    ///
    /// That function wants an area with `VM_USERMAP`. No exported `vmalloc()` makes one whose pages
    /// are charged to a cgroup, but `vmap()` does.
    ///
    /// Errors: those of `remap_vmalloc_range()`.
    pub(crate) fn remap<T>(&self, vma: &ReadyVma<'_, T>, pgoff: usize) -> Result<bool>
    where
        T: VmOperations<Kind = MixedMap>,
    {
        match self {
            Backing::Blocks(memory) => {
                // SAFETY: The area was made with `VM_USERMAP`, and lives as long as the buffer that
                // becomes the owner of the VMA.
                unsafe { vma.remap_vmalloc(memory.address(), pgoff) }?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Copies out of page `index`, from `offset` on. What is not allocated is zeros.
    ///
    /// Errors: `EFAULT` if that is not inside of the page; `EIO` if it is [broken](Self::is_broken).
    pub(crate) fn read(&self, index: usize, offset: usize, out: &mut [u8]) -> Result {
        check_in_page(offset, out.len())?;
        self.check_sound(index)?;
        match (self.area(), self) {
            (Some(area), _) => area.read(index, offset, out),
            (None, Backing::Sparse(memory)) => memory.read(index, offset, out),
            (None, _) => Err(EFAULT),
        }
    }

    /// Copies into page `index`, from `offset` on. Allocates it if that has not been done; sleeps.
    ///
    /// Errors: `EFAULT` if that is not inside of the page; `EIO` if it is [broken](Self::is_broken);
    /// `ENOMEM`.
    pub(crate) fn write(&self, index: usize, offset: usize, data: &[u8]) -> Result {
        check_in_page(offset, data.len())?;
        self.check_sound(index)?;
        match (self.area(), self) {
            (Some(area), _) => area.write(index, offset, data),
            (None, Backing::Sparse(memory)) => memory.write(index, offset, data),
            (None, _) => Err(EFAULT),
        }
    }

    fn check_sound(&self, index: usize) -> Result {
        match self.is_broken(index) {
            true => Err(EIO),
            false => Ok(()),
        }
    }
}

fn check_in_page(offset: usize, len: usize) -> Result {
    match offset.checked_add(len) {
        Some(end) if end <= PAGE_SIZE => Ok(()),
        _ => Err(EFAULT),
    }
}

/// What this machine can do.
pub(crate) fn machine() -> setup::Machine {
    // SAFETY: Constants.
    let huge_pages = unsafe { ffi::mmlens_maps_huge_pages() };
    setup::Machine {
        // arm64 has Device memory for that, which faults where an access is not aligned.
        uncached_memory: cfg!(target_arch = "x86_64"),
        // arm64's stays write-back: what get_user_pages() finds would be read by another type.
        linear_map_follows: cfg!(target_arch = "x86_64"),
        huge_pages,
    }
}

/// The number of a cache type for C: `enum mmlens_cache`.
fn cache_number(cache: Cache) -> u32 {
    cache as u32
}
