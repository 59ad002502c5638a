// SPDX-License-Identifier: GPL-2.0

//! Where the parts of an address space begin and end, and what VMAs are to each other.
//!
//! C headers: [`include/linux/mm_types.h`](srctree/include/linux/mm_types.h),
//! `arch/*/include/asm/processor.h`

use super::vmas::MmapReadLock;
use crate::{
    ffi,
    text::{
        layout::{
            Bases,
            FileRole,
            Mark, //
        },
        vma_flags::VmaFlags, //
    },
};
use kernel::{
    bindings,
    mm::{
        virt::{
            flags,
            VmaRef, //
        },
        MmWithUser, //
    },
    page::PAGE_SIZE, //
};

/// How many VMAs are looked at for another segment of an image, which has about five.
const NEIGHBOURS: usize = 32;

/// How far the segments of an image are from one another at most: the largest alignment of use.
const REACH: u64 = 2 << 20;

/// The places of an address space that have names.
pub(crate) struct Places {
    /// In the order of addresses. Those that are 0 were never set.
    pub(crate) marks: [Mark; 13],
    /// Where they would be if nothing was random.
    pub(crate) bases: Bases,
    /// End of user addresses.
    pub(crate) task_size: u64,
    /// Start of the arguments, in the main stack.
    pub(crate) start_stack: u64,
    /// Start of the code of the program.
    pub(crate) start_code: u64,
    /// Where `mmap` begins to look for room.
    pub(crate) mmap_base: u64,
    /// The same if it went up, if this architecture keeps it.
    pub(crate) mmap_legacy_base: Option<u64>,
    /// Whether `mmap` goes down from there.
    pub(crate) is_topdown: bool,
}

impl Places {
    /// Reads the fields of `mm`, one by one: each was true at its instant.
    pub(crate) fn read(mm: &MmWithUser) -> Self {
        let raw = mm.as_raw();
        macro_rules! field {
            ($name:ident) => {
                // SAFETY: `mm` is valid; the fields are single words that are written atomically.
                unsafe { (&raw const (*raw).__bindgen_anon_1.$name).read_volatile() } as u64
            };
        }
        // SAFETY: `mm` is valid.
        let stack_top = unsafe { ffi::mmlens_stack_top(raw) } as u64;
        // SAFETY: The same.
        let mmap_base = unsafe { ffi::mmlens_mmap_base(raw) } as u64;
        // SAFETY: The same.
        let legacy = unsafe { ffi::mmlens_mmap_legacy_base(raw) } as u64;
        // SAFETY: The same.
        let is_topdown = unsafe { ffi::mmlens_mmap_is_topdown(raw) };
        let mut marks = [
            Mark::start("start_code", field!(start_code)),
            Mark::end("end_code", field!(end_code)),
            Mark::start("start_data", field!(start_data)),
            Mark::end("end_data", field!(end_data)),
            Mark::start("start_brk", field!(start_brk)),
            Mark::end("brk", field!(brk)),
            Mark {
                name: "mmap_base",
                at: mmap_base,
                is_end: is_topdown,
            },
            Mark::start("start_stack", field!(start_stack)),
            Mark::start("arg_start", field!(arg_start)),
            Mark::end("arg_end", field!(arg_end)),
            Mark::start("env_start", field!(env_start)),
            Mark::end("env_end", field!(env_end)),
            Mark::end("stack_top", stack_top),
        ];
        // Those of the same place in this order. A stable sort would have to allocate.
        marks.sort_unstable_by_key(|mark| (mark.at, !mark.is_end, mark.name));
        Self {
            marks,
            bases: bases(stack_top),
            task_size: field!(task_size),
            start_stack: field!(start_stack),
            start_code: field!(start_code),
            mmap_base,
            mmap_legacy_base: (legacy != 0).then_some(legacy),
            is_topdown,
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn bases(stack_top: u64) -> Bases {
    Bases::x86_64(stack_top, PAGE_SIZE as u64)
}

#[cfg(target_arch = "aarch64")]
fn bases(stack_top: u64) -> Bases {
    Bases::aarch64(stack_top, PAGE_SIZE as u64)
}

/// The page at a fixed address above user space that `/proc/PID/maps` shows last, if there is one
/// in this architecture. Whether processes have it is decided by `vsyscall=` on the kernel's
/// command line, of which a module learns nothing.
#[cfg(target_arch = "x86_64")]
pub(crate) fn vsyscall() -> Option<(u64, u64)> {
    // VSYSCALL_ADDR
    const START: u64 = (-10i64 << 20) as u64;
    Some((START, START + PAGE_SIZE as u64))
}

/// The page at a fixed address above user space: there is none.
#[cfg(target_arch = "aarch64")]
pub(crate) fn vsyscall() -> Option<(u64, u64)> {
    None
}

/// What the neighbours of a VMA tell of it.
pub(crate) struct Context {
    /// What its file is.
    pub(crate) file: FileRole,
    /// The file and the flags of the VMA that ends where it begins.
    pub(crate) before: Option<(FileRole, VmaFlags)>,
}

impl Context {
    /// Looks around `vma`.
    pub(crate) fn read(lock: &MmapReadLock<'_>, vma: &VmaRef) -> Self {
        let before = neighbour_below(lock, vma);
        Self {
            file: role(lock, vma),
            before: before.map(|vma| (role(lock, vma), VmaFlags(vma.flags() as u64))),
        }
    }
}

/// The start of the image of which the program's code is a part, if it is mapped.
pub(crate) fn program_start(lock: &MmapReadLock<'_>, start_code: u64) -> Option<u64> {
    let vma = lock.find_vma(start_code)?;
    if vma.start() as u64 > start_code || role(lock, vma) != FileRole::Program {
        return None;
    }
    let first = around(lock, vma).find(|other| inode(other) == inode(vma));
    first.map(|first| first.start() as u64)
}

/// The end of the VMA that contains `address`.
pub(crate) fn end_of(lock: &MmapReadLock<'_>, address: u64) -> Option<u64> {
    let vma = lock.find_vma(address)?;
    (vma.start() as u64 <= address).then(|| vma.end() as u64)
}

/// The inode of the file that is mapped, by its address; 0 without a file.
fn inode(vma: &VmaRef) -> usize {
    // SAFETY: The VMA is locked; the field does not change.
    let file = unsafe { (*vma.as_ptr()).vm_file };
    // SAFETY: The VMA has a reference, so the file is open if there is one.
    unsafe { user_inode(file) }
}

/// The inode of a file by its address, as the user sees it: what is mapped of a file on overlayfs is
/// one below, and what was executed is not. 0 for null.
///
/// # Safety
///
/// `file` is null or open.
unsafe fn user_inode(file: *mut bindings::file) -> usize {
    if file.is_null() {
        return 0;
    }
    // SAFETY: The caller's promise.
    unsafe { ffi::mmlens_file_user_inode(file) }.addr()
}

/// The inode of the program, by its address; 0 if there is none.
fn program_inode(lock: &MmapReadLock<'_>) -> usize {
    // SAFETY: The mm is valid; the field is written under the mmap lock for writing.
    let file = unsafe { (*lock.mm().as_raw()).__bindgen_anon_1.exe_file };
    // SAFETY: The mm has a reference, so the file is open if there is one.
    unsafe { user_inode(file) }
}

fn neighbour_below<'a>(lock: &'a MmapReadLock<'_>, vma: &VmaRef) -> Option<&'a VmaRef> {
    let address = (vma.start() as u64).checked_sub(1)?;
    let below = lock.find_vma(address)?;
    (below.end() == vma.start()).then_some(below)
}

/// The VMAs that can be parts of an image of which `vma` is one, from below.
fn around<'a>(lock: &'a MmapReadLock<'_>, vma: &VmaRef) -> impl Iterator<Item = &'a VmaRef> {
    let last = (vma.end() as u64).saturating_add(REACH);
    let mut at = (vma.start() as u64).saturating_sub(REACH);
    core::iter::from_fn(move || {
        let vma = lock.find_vma(at)?;
        at = vma.end() as u64;
        Some(vma)
    })
    .take(NEIGHBOURS)
    .take_while(move |vma| vma.start() as u64 <= last)
}

/// What the file of `vma` is to the process.
fn role(lock: &MmapReadLock<'_>, vma: &VmaRef) -> FileRole {
    let file = inode(vma);
    if file == 0 {
        FileRole::None
    } else if file == program_inode(lock) {
        FileRole::Program
    } else if around(lock, vma).any(|vma| inode(vma) == file && vma.flags() & flags::EXEC != 0) {
        FileRole::Library
    } else {
        FileRole::Other
    }
}
