// SPDX-License-Identifier: GPL-2.0

//! The VMAs of a buffer: which operations they have, and what `mmap` does.
//!
//! What a buffer is decides which table its VMAs get:
//!
//! | page kind | strategy               | tracked | table            |
//! |-----------|------------------------|---------|------------------|
//! | normal    | lazy                   | no, yes | [`pages::Lazy`], [`pages::LazyTracked`] |
//! | normal    | around, eager, remap   | no, yes | [`pages::Inserted`], [`pages::InsertedTracked`] |
//! | normal    | huge                   | no      | [`huge::Folios`] |
//! | pfnmap    | lazy, eager, remap     | no, yes | [`frames::Frames`], [`frames::FramesTracked`] |
//! | pfnmap    | around                 | no, yes | [`frames::Around`], [`frames::AroundTracked`] |
//! | pfnmap    | huge                   | no      | [`huge::Frames`] |
//! | mixed     | all but remap and huge | no      | [`frames::Mixed`] |

use super::{
    buffer::{
        Buffer,
        Memory, //
    },
    stats::{
        Ending,
        Op, //
    },
    watch::Watch,
};
use crate::{
    setup::{
        Backing,
        Cache,
        PageKind,
        Strategy, //
    },
    vm::{
        kind::{
            MixedMap,
            PfnMap, //
        },
        ops::{
            Access,
            VmOperations, //
        },
        vma::{
            CacheType,
            DriverVma,
            Mapped,
            NewVma,
            ReadyVma, //
        },
    },
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
};

/// Maps a VMA as its buffer wants it; the buffer gets its memory now if it has none.
///
/// Errors: `EINVAL` if the mapping is not inside of the buffer, or private where that cannot be;
/// `EIO` if the buffer is revoked; `EPERM` without the rights for device memory; `ENOMEM`, `EINTR`.
pub(super) fn mmap<'v>(this: ArcBorrow<'_, Buffer>, vma: NewVma<'v>) -> Result<Mapped<'v>> {
    let watch = Watch::area(&this, Op::Mmap, vma.start(), vma.pgoff());
    let pages = vma.pages();
    let result = map(this, vma);
    let is_eager = this.memory().is_some_and(|m| m.is_eager());
    watch.end_with(result, if is_eager { pages } else { 0 })
}

fn map<'v>(this: ArcBorrow<'_, Buffer>, vma: NewVma<'v>) -> Result<Mapped<'v>> {
    let (pages, pgoff) = (vma.pages(), vma.pgoff());
    // The first mapping makes the buffer, so it must begin where the buffer does.
    if this.memory().is_none() && pgoff != 0 {
        return Err(EINVAL);
    }
    let memory = this.memory_or_allocate(pages)?;
    let total = memory.pages();
    if pgoff >= total || pages > total - pgoff {
        return Err(EINVAL);
    }
    memory.may_reach()?;
    let mapper = Mapper {
        buffer: this,
        memory,
        pages,
        pgoff,
    };
    let _gate = this.gate.read()?;
    if this.is_revoked() {
        return Err(EIO);
    }
    mapper.map(vma)
}

/// A VMA that is being mapped.
struct Mapper<'a> {
    buffer: ArcBorrow<'a, Buffer>,
    memory: &'a Memory,
    pages: usize,
    pgoff: usize,
}

impl Mapper<'_> {
    /// Chooses the table.
    fn map<'v>(self, vma: NewVma<'v>) -> Result<Mapped<'v>> {
        let setup = self.memory.setup;
        match (setup.kind, setup.strategy, setup.track) {
            (PageKind::Normal, Strategy::Lazy, false) => self.lazy::<pages::Lazy>(vma),
            (PageKind::Normal, Strategy::Lazy, true) => self.lazy::<pages::LazyTracked>(vma),
            (PageKind::Normal, Strategy::Huge, _) => self.lazy::<huge::Folios>(vma),
            (PageKind::Normal, _, false) => self.pages::<pages::Inserted>(vma),
            (PageKind::Normal, _, true) => self.pages::<pages::InsertedTracked>(vma),
            (PageKind::PfnMap, Strategy::Around, false) => self.lazy::<frames::Around>(vma),
            (PageKind::PfnMap, Strategy::Around, true) => self.lazy::<frames::AroundTracked>(vma),
            (PageKind::PfnMap, Strategy::Huge, _) => self.lazy::<huge::Frames>(vma),
            (PageKind::PfnMap, _, false) => self.frames::<frames::Frames>(vma),
            (PageKind::PfnMap, _, true) => self.frames::<frames::FramesTracked>(vma),
            (PageKind::Mixed, _, _) => self.mixed(vma),
        }
    }

    /// Gives the VMA its flags and its cache type.
    fn prepare<'v, T>(&self, vma: NewVma<'v>) -> Result<ReadyVma<'v, T>>
    where
        T: VmOperations<Owner = Buffer>,
    {
        let vma = vma.prepare::<T>()?;
        match (self.memory.setup.cache, self.memory.setup.backing) {
            (Cache::Wb, _) => (),
            (Cache::Wc, _) => vma.set_cache_type(CacheType::WriteCombine)?,
            (Cache::Uc, Backing::Ioremap) => vma.set_cache_type(CacheType::Device)?,
            (Cache::Uc, _) => vma.set_cache_type(CacheType::NonCached)?,
        }
        Ok(vma)
    }

    fn done<'v, T>(&self, vma: ReadyVma<'v, T>) -> Mapped<'v>
    where
        T: VmOperations<Owner = Buffer>,
    {
        vma.done(Arc::from(self.buffer))
    }

    /// Whether `mmap` maps all pages. If so, REVOKE has to wait for it, also if it fails half-way:
    /// what it has mapped by then goes after it has returned.
    fn is_eager<T>(&self, vma: &ReadyVma<'_, T>) -> Result<bool>
    where
        T: VmOperations<Owner = Buffer>,
    {
        let is_eager = self.memory.is_eager();
        if is_eager {
            self.buffer.note_mapper(vma.address_space())?;
        }
        Ok(is_eager)
    }

    /// Whether page `index` of the VMA can be mapped before it is touched. What is broken is left to
    /// faults: they tell.
    fn is_sound(&self, index: usize) -> bool {
        !self.memory.backing.is_broken(self.pgoff + index)
    }

    /// Faults will map it.
    fn lazy<'v, T>(self, vma: NewVma<'v>) -> Result<Mapped<'v>>
    where
        T: VmOperations<Owner = Buffer>,
    {
        let vma = self.prepare::<T>(vma)?;
        Ok(self.done(vma))
    }

    /// Normal pages, all at once if that is the strategy.
    fn pages<'v, T>(self, vma: NewVma<'v>) -> Result<Mapped<'v>>
    where
        T: VmOperations<Owner = Buffer, Kind = MixedMap>,
    {
        let vma = self.prepare::<T>(vma)?;
        let is_eager = self.is_eager(&vma)?;
        let is_remap = self.memory.setup.strategy == Strategy::Remap;
        let is_sound = || (0..self.pages).all(|index| self.is_sound(index));
        if is_remap && is_sound() && self.memory.backing.remap(&vma, self.pgoff)? {
            return Ok(self.done(vma));
        }
        for index in (0..self.pages).filter(|_| is_eager) {
            let page = self.memory.backing.page(self.pgoff + index).ok_or(EFAULT)?;
            vma.insert_page(index, page)?;
        }
        Ok(self.done(vma))
    }

    /// Frames, all at once if that is the strategy.
    fn frames<'v, T>(self, vma: NewVma<'v>) -> Result<Mapped<'v>>
    where
        T: VmOperations<Owner = Buffer, Kind = PfnMap>,
    {
        let vma = self.prepare::<T>(vma)?;
        let is_eager = self.is_eager(&vma)?;
        let is_remap = self.memory.setup.strategy == Strategy::Remap;
        let mut index = 0;
        while is_eager && index < self.pages {
            let at = self.pgoff + index;
            if is_remap {
                // As much at a time as is one range of frames.
                let frames = self.memory.backing.frames(at, self.pages - index);
                let frames = frames.ok_or(EFAULT)?;
                vma.remap_pfn(index, frames)?;
                index += frames.count();
            } else {
                if self.is_sound(index) {
                    vma.insert_pfn(index, self.memory.backing.pfn(at).ok_or(EFAULT)?)?;
                }
                index += 1;
            }
        }
        Ok(self.done(vma))
    }

    /// Frames in a VMA that may have pages as well.
    fn mixed<'v>(self, vma: NewVma<'v>) -> Result<Mapped<'v>> {
        let vma = self.prepare::<frames::Mixed>(vma)?;
        let is_eager = self.is_eager(&vma)?;
        for index in (0..self.pages).filter(|&index| is_eager && self.is_sound(index)) {
            let pfn = self.memory.backing.pfn(self.pgoff + index).ok_or(EFAULT)?;
            vma.insert_mixed(index, pfn)?;
        }
        Ok(self.done(vma))
    }
}

// What is the same in all tables.

fn open<T: VmOperations<Owner = Buffer>>(vma: &DriverVma<T>) {
    Watch::vma(Op::Open, vma).end(Ending::Done, 0);
}

fn close<T: VmOperations<Owner = Buffer>>(vma: &DriverVma<T>) {
    vma.owner().forget_mapper(vma.mm());
    Watch::vma(Op::Close, vma).end(Ending::Done, 0);
}

/// Errors: `EINVAL` if the buffer wants its VMAs whole.
fn may_split<T: VmOperations<Owner = Buffer>>(vma: &DriverVma<T>) -> Result {
    let is_whole = vma.owner().memory().is_some_and(|m| m.setup.nosplit);
    let result = if is_whole { Err(EINVAL) } else { Ok(()) };
    Watch::vma(Op::MaySplit, vma).end_with(result, 0)
}

fn mremap<T: VmOperations<Owner = Buffer>>(vma: &DriverVma<T>) -> Result {
    Watch::vma(Op::Mremap, vma).end_with(Ok(()), 0)
}

fn mprotect<T: VmOperations<Owner = Buffer>>(vma: &DriverVma<T>) -> Result {
    Watch::vma(Op::Mprotect, vma).end_with(Ok(()), 0)
}

fn access<T>(vma: &DriverVma<T>, offset: u64, access: Access<'_>) -> Result<usize>
where
    T: VmOperations<Owner = Buffer>,
{
    let watch = Watch::vma(Op::Access, vma);
    let result = match access {
        Access::Read(out) => vma.owner().peek(offset, out),
        Access::Write(data) => vma.owner().poke(offset, data),
    };
    watch.end_with(result, 0)
}

/// The size of a huge page, if the VMA is mapped by such as far as its ends go.
fn pagesize<T: VmOperations<Owner = Buffer>>(vma: &DriverVma<T>) -> usize {
    let is_huge = vma
        .owner()
        .memory()
        .is_some_and(|m| m.setup.strategy == Strategy::Huge);
    match vma.huge_size() {
        Some(size) if is_huge => size,
        _ => PAGE_SIZE,
    }
}

/// Declares a table: a type, and its operations on top of those that are the same in all.
///
/// There is no `name`: a VMA with a file is shown with its path, and one with a name would be part
/// of a core dump.
macro_rules! operations {
    // Of frames: nobody can get at them as at pages, so debuggers need a method.
    ($(#[$doc:meta])* frames $name:ident: $kind:ty { $($methods:tt)* }) => {
        operations! {
            $(#[$doc])*
            $name: $kind {
                fn access(
                    _buffer: &Buffer,
                    vma: &DriverVma<Self>,
                    offset: u64,
                    access: Access<'_>,
                ) -> Result<usize> {
                    super::access(vma, offset, access)
                }

                $($methods)*
            }
        }
    };
    ($(#[$doc:meta])* $name:ident: $kind:ty { $($methods:tt)* }) => {
        $(#[$doc])*
        pub(super) enum $name {}

        #[vtable]
        impl VmOperations for $name {
            type Owner = Buffer;
            type Kind = $kind;

            fn table() -> &'static VmOperationsTable<Self> {
                static TABLE: VmOperationsTable<$name> = VmOperationsTable::new();
                &TABLE
            }

            fn open(_buffer: &Buffer, vma: &DriverVma<Self>) {
                super::open(vma);
            }

            fn close(_buffer: &Buffer, vma: &DriverVma<Self>) {
                super::close(vma);
            }

            fn may_split(_buffer: &Buffer, vma: &DriverVma<Self>, _address: usize) -> Result {
                super::may_split(vma)
            }

            fn mremap(_buffer: &Buffer, vma: &DriverVma<Self>) -> Result {
                super::mremap(vma)
            }

            fn mprotect(
                _buffer: &Buffer,
                vma: &DriverVma<Self>,
                _range: Range<usize>,
                _flags: vm_flags_t,
            ) -> Result {
                super::mprotect(vma)
            }

            fn pagesize(_buffer: &Buffer, vma: &DriverVma<Self>) -> usize {
                super::pagesize(vma)
            }

            $($methods)*
        }
    };
}
use operations;

mod frames;
mod huge;
mod pages;

/// What the invocations of [`operations!`] need.
mod prelude {
    pub(super) use super::{
        super::{
            buffer::{
                Buffer,
                Memory, //
            },
            stats::{
                Ending,
                Op, //
            },
            watch::Watch, //
        },
        operations, //
    };
    pub(super) use crate::vm::{
        fault::{
            Failure,
            Outcome,
            VmFault, //
        },
        kind::{
            MixedFrames,
            MixedMap,
            Pages,
            PfnMap, //
        },
        ops::{
            Access,
            VmOperations,
            VmOperationsTable, //
        },
        vma::DriverVma, //
    };
    pub(super) use core::ops::Range;
    pub(super) use kernel::{
        mm::virt::vm_flags_t,
        prelude::*, //
    };
}
