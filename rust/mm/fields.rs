// SPDX-License-Identifier: GPL-2.0

//! The fields of `mm_struct`, by subject.
//!
//! They are read one by one without a lock, as `/proc/PID/status` does: each was true at its
//! instant.
//!
//! C header: [`include/linux/mm_types.h`](srctree/include/linux/mm_types.h)

use super::vmas::MmapReadLock;
use crate::{
    ffi,
    sys::seq::KernelAddress,
    text::{
        mm_flags::{
            Membarrier,
            MmFlags, //
        },
        vma_flags::VmaFlags, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    mm::{
        virt::VmaRef,
        MmWithUser, //
    },
    prelude::*, //
};

/// A value with the unit it is shown in.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    /// A number of things.
    Count(u64),
    /// A number that may be negative.
    Signed(i64),
    /// A number of which the bits count.
    Hex(u64),
    /// A user address.
    Address(u64),
    /// A physical address.
    Physical(u64),
    /// A number of pages.
    Pages(u64),
    /// A number of bytes.
    Bytes(u64),
    /// What new VMAs get.
    VmaFlags(VmaFlags),
    /// The flags of the address space.
    MmFlags(MmFlags),
    /// What it is registered for with `membarrier()`.
    Membarrier(Membarrier),
    /// Bits and their names.
    Named(u64, &'static [&'static str]),
    /// Something that the kernel has a name for; null if there is nothing.
    Symbol(KernelAddress),
    /// Whether there is something.
    Present(bool),
    /// A state.
    Word(&'static str),
}

/// Takes the name and the value of a field.
pub(crate) type Show<'a> = &'a mut dyn FnMut(&'static str, Value) -> Result;

/// What fits into a register, as a number.
pub(super) trait Word {
    fn word(self) -> u64;
}

macro_rules! impl_word {
    ($(|$value:ident| $word:expr => $($type:ty)+;)+) => {
        $($(impl Word for $type {
            fn word(self) -> u64 {
                let $value = self;
                $word
            }
        })+)+
    };
}
impl_word! {
    |value| u64::from(value) => u8 u16 u32;
    // CAST: A word of the kernel is 64 bits. `Value::Signed` undoes the extension.
    |value| value as u64 => i16 i32 i64 isize u64 usize;
}

impl<T> Word for *mut T {
    fn word(self) -> u64 {
        self.addr() as u64
    }
}

/// Reads a field of the `mm_struct` once, as a `u64`.
macro_rules! read {
    ($mm:expr, $($path:tt)+) => {{
        let raw = $mm.as_raw();
        // SAFETY: `mm` is valid; the field is a word that is written atomically.
        let value = unsafe { (&raw const (*raw).__bindgen_anon_1.$($path)+).read_volatile() };
        $crate::mm::fields::Word::word(value)
    }};
}
pub(super) use read;

/// Functions that read a field which only some configurations have.
macro_rules! optional {
    ($($config:ident $name:ident($($path:tt)+);)+) => {
        $(
            #[cfg($config)]
            fn $name(mm: &MmWithUser) -> Option<u64> {
                Some(read!(mm, $($path)+))
            }

            #[cfg(not($config))]
            fn $name(_mm: &MmWithUser) -> Option<u64> {
                None
            }
        )+
    };
}
pub(super) use optional;

optional! {
    CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES mmap_compat_base(mmap_compat_base);
    CONFIG_HAVE_ARCH_COMPAT_MMAP_BASES mmap_compat_legacy_base(mmap_compat_legacy_base);
    CONFIG_MEMBARRIER membarrier_state(membarrier_state.counter);
    CONFIG_PER_VMA_LOCK mm_lock_seq(mm_lock_seq.sequence);
    CONFIG_MMU_NOTIFIER notifier_subscriptions(notifier_subscriptions);
    CONFIG_NUMA_BALANCING numa_next_scan(numa_next_scan);
    CONFIG_NUMA_BALANCING numa_scan_offset(numa_scan_offset);
    CONFIG_NUMA_BALANCING numa_scan_seq(numa_scan_seq);
    CONFIG_UPROBES xol_area(uprobes_state.xol_area);
    CONFIG_HUGETLB_PAGE hugetlb_usage(hugetlb_usage.counter);
    CONFIG_KSM ksm_merging_pages(ksm_merging_pages);
    CONFIG_KSM ksm_rmap_items(ksm_rmap_items);
    CONFIG_KSM ksm_zero_pages(ksm_zero_pages.counter);
}

/// Shows a field if this kernel has it.
pub(super) fn show_if(show: Show<'_>, name: &'static str, value: Option<Value>) -> Result {
    value.map_or(Ok(()), |value| show(name, value))
}

/// The name by which an address space can be told from others.
pub(crate) fn identity(mm: &MmWithUser) -> KernelAddress {
    KernelAddress::of(mm.as_raw())
}

/// The page tables.
pub(crate) fn tables(mm: &MmWithUser, show: Show<'_>) -> Result {
    let raw = mm.as_raw();
    // SAFETY: `mm` is valid, and the table is there as long as it is.
    let pgd = unsafe { ffi::mmlens_virt_to_phys((*raw).__bindgen_anon_1.pgd.cast()) };
    // SAFETY: `mm` is valid.
    let pgtables = unsafe { ffi::mmlens_mm_pgtables_bytes(raw) } as u64;

    show("pgd", Value::Physical(pgd))?;
    show("pgtables_bytes", Value::Bytes(pgtables))
}

/// Who has references to it, and who watches it.
pub(crate) fn references(mm: &MmWithUser, show: Show<'_>) -> Result {
    show("mm_users", Value::Count(read!(mm, mm_users.counter)))?;
    show(
        "mm_count",
        Value::Count(read!(mm, __bindgen_anon_1.mm_count.counter)),
    )?;
    show("mmap_lock", Value::Word(mmap_lock(mm)))?;
    show_if(show, "mm_lock_seq", mm_lock_seq(mm).map(Value::Count))?;
    let notifiers = notifier_subscriptions(mm).map(|p| Value::Present(p != 0));
    show_if(show, "notifier_subscriptions", notifiers)?;
    let xol = xol_area(mm).map(|p| Value::Present(p != 0));
    show_if(show, "uprobes_xol_area", xol)
}

/// What the mmap lock is doing, at a glance that may be wrong already.
fn mmap_lock(mm: &MmWithUser) -> &'static str {
    let raw = mm.as_raw();
    // SAFETY: `mm` is valid.
    let is_locked = unsafe { ffi::mmlens_mmap_lock_is_locked(raw) };
    // The number is odd from just after the lock is taken for writing until it is not any more.
    let for_writing = mm_lock_seq(mm).map(|seq| seq & 1 != 0);
    // SAFETY: `mm` is valid.
    let is_contended = unsafe { ffi::mmlens_mmap_lock_is_contended(raw) };
    match (is_locked, for_writing, is_contended) {
        (false, _, _) => "free",
        (true, Some(false), false) => "held for reading",
        (true, Some(false), true) => "held for reading, others wait",
        (true, Some(true), false) => "held for writing",
        (true, Some(true), true) => "held for writing, others wait",
        (true, None, false) => "held",
        (true, None, true) => "held, others wait",
    }
}

/// Where things are. Takes the mmap lock for the highest VMA.
///
/// Errors: `EINTR` if this task is being killed.
pub(crate) fn layout(mm: &MmWithUser, show: Show<'_>) -> Result {
    let lock = MmapReadLock::lock(mm)?;
    let (map_count, highest) = (read!(mm, map_count), highest_vm_end(&lock));
    drop(lock);

    show("map_count", Value::Count(map_count))?;
    show("task_size", Value::Address(read!(mm, task_size)))?;
    show("highest_vm_end", Value::Address(highest))?;
    show("mmap_base", Value::Address(read!(mm, mmap_base)))?;
    show(
        "mmap_legacy_base",
        Value::Address(read!(mm, mmap_legacy_base)),
    )?;
    let compat = mmap_compat_base(mm).map(Value::Address);
    show_if(show, "mmap_compat_base", compat)?;
    let compat = mmap_compat_legacy_base(mm).map(Value::Address);
    show_if(show, "mmap_compat_legacy_base", compat)?;
    show("start_code", Value::Address(read!(mm, start_code)))?;
    show("end_code", Value::Address(read!(mm, end_code)))?;
    show("start_data", Value::Address(read!(mm, start_data)))?;
    show("end_data", Value::Address(read!(mm, end_data)))?;
    show("start_brk", Value::Address(read!(mm, start_brk)))?;
    show("brk", Value::Address(read!(mm, brk)))?;
    show("start_stack", Value::Address(read!(mm, start_stack)))?;
    show("arg_start", Value::Address(read!(mm, arg_start)))?;
    show("arg_end", Value::Address(read!(mm, arg_end)))?;
    show("env_start", Value::Address(read!(mm, env_start)))?;
    show("env_end", Value::Address(read!(mm, env_end)))
}

/// Exclusive end of the last VMA, 0 if there is none: what `mm->highest_vm_end` was.
fn highest_vm_end(lock: &MmapReadLock<'_>) -> u64 {
    let raw = lock.mm().as_raw();
    // SAFETY: `mm` is valid, and the lock is held that guards the tree.
    let last = unsafe { bindings::mt_prev(&raw mut (*raw).__bindgen_anon_1.mm_mt, usize::MAX, 0) };
    NonNull::new(last.cast()).map_or(0, |vma| {
        // SAFETY: The entries of the tree are VMAs, and stay as they are while the lock is held.
        let vma = unsafe { VmaRef::from_raw(vma.as_ptr()) };
        vma.end() as u64
    })
}

/// How much there is.
pub(crate) fn sizes(mm: &MmWithUser, show: Show<'_>) -> Result {
    let counter = |member: u32| {
        // SAFETY: `mm` is valid, and `member` one of the kernel's.
        let sum = unsafe { ffi::mmlens_get_mm_counter_sum(mm.as_raw(), member as i32) };
        Value::Pages(sum as u64)
    };
    show("total_vm", Value::Pages(read!(mm, total_vm)))?;
    show("locked_vm", Value::Pages(read!(mm, locked_vm)))?;
    show("pinned_vm", Value::Pages(read!(mm, pinned_vm.counter)))?;
    show("data_vm", Value::Pages(read!(mm, data_vm)))?;
    show("exec_vm", Value::Pages(read!(mm, exec_vm)))?;
    show("stack_vm", Value::Pages(read!(mm, stack_vm)))?;
    show("hiwater_vm", Value::Pages(read!(mm, hiwater_vm)))?;
    show("hiwater_rss", Value::Pages(read!(mm, hiwater_rss)))?;
    show("rss_anon", counter(bindings::MM_ANONPAGES))?;
    show("rss_file", counter(bindings::MM_FILEPAGES))?;
    show("rss_shmem", counter(bindings::MM_SHMEMPAGES))?;
    show("swap_entries", counter(bindings::MM_SWAPENTS))?;
    show_if(show, "hugetlb_usage", hugetlb_usage(mm).map(Value::Pages))?;
    let merging = ksm_merging_pages(mm).map(Value::Pages);
    show_if(show, "ksm_merging_pages", merging)?;
    show_if(show, "ksm_rmap_items", ksm_rmap_items(mm).map(Value::Count))?;
    show_if(show, "ksm_zero_pages", ksm_zero_pages(mm).map(Value::Pages))
}

/// What it is set to.
pub(crate) fn state(mm: &MmWithUser, show: Show<'_>) -> Result {
    // SAFETY: `mm` is valid.
    let flags = unsafe { ffi::mmlens_mm_flags(mm.as_raw()) };
    let def_flags = VmaFlags(read!(mm, __bindgen_anon_2.def_flags));

    show("def_flags", Value::VmaFlags(def_flags))?;
    show("flags", Value::MmFlags(MmFlags(flags)))?;
    let membarrier = membarrier_state(mm).map(|state| Value::Membarrier(Membarrier(state)));
    show_if(show, "membarrier_state", membarrier)?;
    // CAST: Undoes the extension.
    let seq = numa_scan_seq(mm).map(|seq| Value::Signed(seq as i64));
    show_if(show, "numa_scan_seq", seq)?;
    let next = numa_next_scan(mm).map(Value::Count);
    show_if(show, "numa_next_scan", next)?;
    let offset = numa_scan_offset(mm).map(Value::Address);
    show_if(show, "numa_scan_offset", offset)
}
