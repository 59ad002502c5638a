// SPDX-License-Identifier: GPL-2.0

//! The fields of `mm_struct`.
//!
//! C header: [`include/linux/mm_types.h`](srctree/include/linux/mm_types.h)

use crate::ffi;
use kernel::{
    bindings,
    mm::MmWithUser,
    prelude::*, //
};

/// A value with the unit it is shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A number of things.
    Count(u64),
    /// A user address.
    Address(u64),
    /// A physical address.
    Physical(u64),
    /// A number of pages.
    Pages(u64),
    /// A number of bytes.
    Bytes(u64),
}

/// Calls `show` with the name and the value of each field, in the order of the dump.
///
/// The values are read one by one without a lock, as `/proc/PID/status` does: each was true at its
/// instant.
pub(crate) fn for_each(
    mm: &MmWithUser,
    mut show: impl FnMut(&'static str, Value) -> Result,
) -> Result {
    let raw = mm.as_raw();
    // SAFETY (of the macro's reads): `mm` is valid; the fields are single words that are written
    // atomically.
    macro_rules! field {
        ($name:ident) => {
            // SAFETY: See above.
            unsafe { (&raw const (*raw).__bindgen_anon_1.$name).read_volatile() } as u64
        };
    }
    macro_rules! atomic {
        ($($path:tt)+) => {
            // SAFETY: See above.
            unsafe { (&raw const (*raw).$($path)+.counter).read_volatile() } as u64
        };
    }
    let counter = |member: u32| {
        // SAFETY: `mm` is valid, and `member` one of the kernel's.
        Value::Pages(unsafe { ffi::mmlens_get_mm_counter_sum(raw, member as i32) } as u64)
    };
    // SAFETY: `mm` is valid, and the table is there as long as it is.
    let pgd = unsafe { ffi::mmlens_virt_to_phys((*raw).__bindgen_anon_1.pgd.cast()) };
    // SAFETY: `mm` is valid.
    let pgtables = unsafe { ffi::mmlens_mm_pgtables_bytes(raw) } as u64;

    show("pgd", Value::Physical(pgd))?;
    show("mm_users", Value::Count(atomic!(__bindgen_anon_1.mm_users)))?;
    show(
        "mm_count",
        Value::Count(atomic!(__bindgen_anon_1.__bindgen_anon_1.mm_count)),
    )?;
    show("map_count", Value::Count(field!(map_count)))?;
    show("pgtables_bytes", Value::Bytes(pgtables))?;
    show("task_size", Value::Address(field!(task_size)))?;
    show("mmap_base", Value::Address(field!(mmap_base)))?;
    show("total_vm", Value::Pages(field!(total_vm)))?;
    show("locked_vm", Value::Pages(field!(locked_vm)))?;
    show(
        "pinned_vm",
        Value::Pages(atomic!(__bindgen_anon_1.pinned_vm)),
    )?;
    show("data_vm", Value::Pages(field!(data_vm)))?;
    show("exec_vm", Value::Pages(field!(exec_vm)))?;
    show("stack_vm", Value::Pages(field!(stack_vm)))?;
    show("hiwater_vm", Value::Pages(field!(hiwater_vm)))?;
    show("hiwater_rss", Value::Pages(field!(hiwater_rss)))?;
    show("rss_anon", counter(bindings::MM_ANONPAGES))?;
    show("rss_file", counter(bindings::MM_FILEPAGES))?;
    show("rss_shmem", counter(bindings::MM_SHMEMPAGES))?;
    show("swap_entries", counter(bindings::MM_SWAPENTS))?;
    show("start_code", Value::Address(field!(start_code)))?;
    show("end_code", Value::Address(field!(end_code)))?;
    show("start_data", Value::Address(field!(start_data)))?;
    show("end_data", Value::Address(field!(end_data)))?;
    show("start_brk", Value::Address(field!(start_brk)))?;
    show("brk", Value::Address(field!(brk)))?;
    show("start_stack", Value::Address(field!(start_stack)))?;
    show("arg_start", Value::Address(field!(arg_start)))?;
    show("arg_end", Value::Address(field!(arg_end)))?;
    show("env_start", Value::Address(field!(env_start)))?;
    show("env_end", Value::Address(field!(env_end)))
}
