// SPDX-License-Identifier: GPL-2.0

//! Who maps a page of a file, or all of it: the reverse map of files, `address_space->i_mmap`.
//!
//! Lock order: `i_mmap_rwsem` is inside of the mmap lock and of much else (`mm/rmap.c`, at its
//! head). It is taken here with no other lock held, killable; inside of it are RCU and nothing
//! more.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/linux/interval_tree_generic.h`](srctree/include/linux/interval_tree_generic.h)

use super::{
    remote::TaskInfo,
    users,
    vmas::{
        MmapReadLock,
        VmaFile, //
    },
};
use crate::{
    ffi,
    text::vma_flags::VmaFlags,
    vm::inode::PrivateInode, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::to_result,
    mm::{
        virt::VmaRef,
        Mm, //
    },
    page::PAGE_SIZE,
    prelude::*,
    types::NotThreadSafe, //
};

/// Mappings copied at one time.
pub(crate) const BATCH: usize = 64;

/// Mappings of one page that are gone through with the lock held: a batch begins where the last
/// one ended, which has to be found.
pub(crate) const MAX_MAPPINGS: u64 = 1 << 14;

/// A page of a file that some process maps, whether it is in memory or not.
pub(crate) struct FilePage {
    /// The file, as that process has it open.
    pub(crate) file: VmaFile,
    /// Offset in the file, in pages.
    pub(crate) pgoff: u64,
    /// Whether the file is a character device, whose driver decides what its offsets mean.
    pub(crate) is_device: bool,
}

/// A mapping of a page: a copy.
pub(crate) struct Mapping {
    /// First address of the VMA.
    pub(crate) start: u64,
    /// Exclusive end of the VMA.
    pub(crate) end: u64,
    /// `vm_flags`.
    pub(crate) flags: VmaFlags,
    /// Offset of the start in the file, in pages.
    pub(crate) pgoff: u64,
    /// Who has it; `None` if it is not known, for it is about to exit.
    pub(crate) owner: Option<TaskInfo>,
}

impl Mapping {
    /// Where the page is in that process.
    pub(crate) fn address_of(&self, page: &FilePage) -> u64 {
        let pages = page.pgoff.wrapping_sub(self.pgoff);
        self.start
            .wrapping_add(pages.wrapping_mul(PAGE_SIZE as u64))
    }
}

/// Which mapping it was. The pointers are compared and nothing else.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    vma: *const bindings::vm_area_struct,
    mm: *const bindings::mm_struct,
    start: u64,
    pgoff: u64,
}

// SAFETY: The pointers are only compared.
unsafe impl Send for Place {}

/// Where a list of mappings has got to.
///
/// The tree may change between two batches, but what stays in it stays in its order. So a list goes
/// on behind the last one of the batch before that is still there, or else behind the one that that
/// batch went on behind. Then what stays is listed once. Only if none of them is there any more, it
/// goes on behind as many as have been listed, and then one may be left out, or come twice, for each
/// that went or came meanwhile.
pub(crate) struct Resume {
    count: u64,
    anchors: KVec<Place>,
}

impl Resume {
    /// The beginning of the list.
    pub(crate) fn new() -> Self {
        Self {
            count: 0,
            anchors: KVec::new(),
        }
    }

    /// How many mappings come before.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// How many mappings of the page to skip, and the one that ends them.
    fn find(&self, lock: &IMmapReadLock<'_>, pages: Pages) -> (u64, Option<Place>) {
        if self.anchors.is_empty() {
            return (self.count, None);
        }
        (1..)
            .zip(lock.vmas(pages).map(|vma| Place::of(&vma)))
            .filter(|(_, place)| self.anchors.contains(place))
            .last()
            .map_or((self.count, None), |(n, place)| (n, Some(place)))
    }
}

impl FilePage {
    /// The page of the file that is mapped at `addr`, in `vma`; `None` if it maps no file.
    pub(crate) fn read(_lock: &MmapReadLock<'_>, vma: &VmaRef, addr: u64) -> Option<Self> {
        let file = VmaFile::read(vma)?;
        // SAFETY: The VMA is locked.
        let pgoff = unsafe { (*vma.as_ptr()).vm_pgoff } as u64;
        // SAFETY: The file is open; these do not change.
        let mode = unsafe { (*(*file.as_ptr()).f_inode).i_mode };
        Some(Self {
            file,
            pgoff: pgoff + addr.saturating_sub(vma.start() as u64) / PAGE_SIZE as u64,
            is_device: u32::from(mode) & bindings::S_IFMT == bindings::S_IFCHR,
        })
    }

    /// Puts the mappings of the page that follow `resume` into `batch`, at most as many as it has
    /// room for and [`BATCH`]. Returns where the next batch begins, `None` if this was the last.
    ///
    /// In the order of the tree: by offset of the VMA in the file, then as they were made.
    ///
    /// Process context, sleeps. Errors: `EINTR` if this task is being killed; `ENOMEM`.
    pub(crate) fn mappings(
        &self,
        resume: &Resume,
        batch: &mut KVec<Mapping>,
    ) -> Result<Option<Resume>> {
        let pages = Pages {
            first: self.pgoff,
            last: self.pgoff,
        };
        next_batch(|| IMmapReadLock::of_file(&self.file), pages, resume, batch)
    }
}

/// As [`FilePage::mappings`], of all mappings of an inode.
pub(crate) fn mappings_of(
    inode: &PrivateInode,
    resume: &Resume,
    batch: &mut KVec<Mapping>,
) -> Result<Option<Resume>> {
    let pages = Pages {
        first: 0,
        last: u64::MAX,
    };
    next_batch(|| IMmapReadLock::of_inode(inode), pages, resume, batch)
}

/// Pages of a file, by their offset.
#[derive(Clone, Copy)]
struct Pages {
    first: u64,
    last: u64,
}

/// The mappings of `pages` that follow `resume`, in a tree that `lock` locks.
fn next_batch<'a>(
    lock: impl FnOnce() -> Result<IMmapReadLock<'a>>,
    pages: Pages,
    resume: &Resume,
    batch: &mut KVec<Mapping>,
) -> Result<Option<Resume>> {
    batch.clear();
    // Nothing is allocated with the lock held: it is taken to free memory as well.
    let mut anchors = KVec::with_capacity(BATCH + 1, GFP_KERNEL)?;
    let lock = lock()?;
    let (mut count, place) = resume.find(&lock, pages);
    let mut anchor = |place| anchors.push_within_capacity(place).is_ok();
    if let Some(place) = place {
        anchor(place);
    }
    let mut vmas = lock.vmas(pages).skip(count as usize);
    while batch.len() < BATCH {
        let Some(vma) = vmas.next() else {
            return Ok(None);
        };
        let has_room = anchor(Place::of(&vma));
        if !has_room || batch.push_within_capacity(Mapping::read(&vma)).is_err() {
            break;
        }
        count += 1;
    }
    Ok(Some(Resume { count, anchors }))
}

/// The lock of the mappings of a file, held for reading.
///
/// # Invariants
///
/// `mapping` is that of a file or an inode that is there for `'a`, and this task holds its
/// `i_mmap_rwsem`.
struct IMmapReadLock<'a> {
    mapping: *mut bindings::address_space,
    _lifetime: PhantomData<&'a ()>,
    _nts: NotThreadSafe,
}

impl<'a> IMmapReadLock<'a> {
    fn of_file(file: &'a VmaFile) -> Result<Self> {
        // SAFETY: The file is open, and keeps the mapping.
        let mapping = unsafe { (*file.as_ptr()).f_mapping };
        // SAFETY: The file is there for `'a`.
        unsafe { Self::lock(mapping) }
    }

    fn of_inode(inode: &'a PrivateInode) -> Result<Self> {
        // SAFETY: The inode is there for `'a`.
        unsafe { Self::lock(inode.mapping()) }
    }

    /// # Safety
    ///
    /// `mapping` is valid for `'a`.
    unsafe fn lock(mapping: *mut bindings::address_space) -> Result<Self> {
        // SAFETY: The lock is initialised, and we may sleep.
        to_result(unsafe { bindings::down_read_killable(&raw mut (*mapping).i_mmap_rwsem) })?;
        // INVARIANT: Just taken.
        Ok(Self {
            mapping,
            _lifetime: PhantomData,
            _nts: NotThreadSafe,
        })
    }

    /// The VMAs that map some of `pages`, [`MAX_MAPPINGS`] at most.
    fn vmas(&self, pages: Pages) -> impl Iterator<Item = LinkedVma<'_>> {
        let wrap = |vma: *mut bindings::vm_area_struct| {
            // INVARIANT: It is in the tree, which is locked as long as `self` is borrowed.
            (!vma.is_null()).then_some(LinkedVma { vma, _lock: self })
        };
        let (start, end) = (pages.first as usize, pages.last as usize);
        // SAFETY: The tree is locked.
        let first = unsafe { ffi::mmlens_i_mmap_first(self.mapping, start, end) };
        core::iter::successors(wrap(first), move |vma| {
            // SAFETY: The tree is locked, and the VMA is in it.
            wrap(unsafe { ffi::mmlens_i_mmap_next(vma.vma, start, end) })
        })
        .take(MAX_MAPPINGS as usize)
    }
}

impl Drop for IMmapReadLock<'_> {
    fn drop(&mut self) {
        // SAFETY: Held, by the type invariants.
        unsafe { bindings::up_read(&raw mut (*self.mapping).i_mmap_rwsem) };
    }
}

/// A VMA of some process, in the tree of a file.
///
/// Neither the VMA nor its mm goes before the VMA is taken out of the tree; nor do its bounds and
/// its offset change (`vma_prepare()`, mm/vma.c). The flags may.
///
/// # Invariants
///
/// `vma` is in the tree that `_lock` locks.
struct LinkedVma<'a> {
    vma: *mut bindings::vm_area_struct,
    _lock: &'a IMmapReadLock<'a>,
}

impl Place {
    fn of(linked: &LinkedVma<'_>) -> Self {
        let vma = linked.vma;
        // SAFETY: Valid and stable by the type invariants of `LinkedVma`.
        let mm = unsafe { (*vma).vm_mm };
        // SAFETY: The same.
        let start = unsafe { (*vma).__bindgen_anon_1.__bindgen_anon_1.vm_start };
        // SAFETY: The same.
        let pgoff = unsafe { (*vma).vm_pgoff };
        Self {
            vma,
            mm,
            start: start as u64,
            pgoff: pgoff as u64,
        }
    }
}

impl Mapping {
    fn read(linked: &LinkedVma<'_>) -> Self {
        let vma = linked.vma;
        // SAFETY: Valid and stable by the type invariants of `LinkedVma`.
        let end = unsafe { (*vma).__bindgen_anon_1.__bindgen_anon_1.vm_end };
        // SAFETY: Valid by the type invariants; the flags are one word.
        let flags = unsafe { ffi::mmlens_vma_flags(vma) };
        let place = Place::of(linked);
        Self {
            start: place.start,
            end: end as u64,
            flags: VmaFlags(flags as u64),
            pgoff: place.pgoff,
            // SAFETY: The mm is there as long as the VMA is in the tree.
            owner: users::owner(unsafe { Mm::from_raw(place.mm) }),
        }
    }
}
