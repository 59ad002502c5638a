// SPDX-License-Identifier: GPL-2.0

//! C header: [`arch/arm64/include/asm/mmu.h`](srctree/arch/arm64/include/asm/mmu.h)

use super::{
    super::fields::{
        read,
        show_if,
        Show,
        Value, //
    },
    pkeys, //
};
use kernel::{
    mm::MmWithUser,
    prelude::*, //
};

/// Names of `context.flags`, by bit number.
const FLAGS: &[&str] = &["MMCF_AARCH32"];

/// The part of `context.id` that is the ASID: `ASID()`. Above it is the generation.
const ASID_MASK: u64 = 0xffff;

/// The fields of the context.
pub(crate) fn context(mm: &MmWithUser, show: Show<'_>) -> Result {
    // 0 until it first runs, and again given out after the numbers have run out.
    let id = read!(mm, context.id.counter);
    show("context_id", Value::Hex(id))?;
    show("asid", Value::Count(id & ASID_MASK))?;
    let pinned = read!(mm, context.pinned.refs.counter);
    show("asid_pinned", Value::Count(pinned))?;
    let flags = read!(mm, context.flags);
    show("context_flags", Value::Named(flags, FLAGS))?;
    show("vdso", Value::Address(read!(mm, context.vdso)))?;
    let map = pkeys(Some(read!(mm, context.pkey_allocation_map)));
    show_if(show, "pkey_allocation_map", map)
}
