// SPDX-License-Identifier: GPL-2.0

//! C header: [`arch/x86/include/asm/mmu.h`](srctree/arch/x86/include/asm/mmu.h)

use super::{
    super::fields::{
        optional,
        read,
        show_if,
        Show,
        Value, //
    },
    pkeys, //
};
use crate::sys::seq::KernelAddress;
use kernel::{
    mm::MmWithUser,
    prelude::*, //
};

/// Names of `context.flags`, by bit number.
const FLAGS: &[&str] = &[
    "MM_CONTEXT_UPROBE_IA32",
    "MM_CONTEXT_HAS_VSYSCALL",
    "MM_CONTEXT_LOCK_LAM",
    "MM_CONTEXT_FORCE_TAGGED_SVA",
    "MM_CONTEXT_NOTRACK",
];

optional! {
    CONFIG_MODIFY_LDT_SYSCALL ldt(context.ldt);
    CONFIG_ADDRESS_MASKING untag_mask(context.untag_mask);
    CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS pkey_allocation_map(context.pkey_allocation_map);
    CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS execute_only_pkey(context.execute_only_pkey);
    CONFIG_BROADCAST_TLB_FLUSH global_asid(context.global_asid);
}

/// The fields of the context.
pub(crate) fn context(mm: &MmWithUser, show: Show<'_>) -> Result {
    show("ctx_id", Value::Count(read!(mm, context.ctx_id)))?;
    show("tlb_gen", Value::Count(read!(mm, context.tlb_gen.counter)))?;
    let global_asid = global_asid(mm).map(|asid| match asid {
        0 => Value::Word("none"),
        asid => Value::Count(asid),
    });
    show_if(show, "global_asid", global_asid)?;
    let flags = read!(mm, context.flags);
    show("context_flags", Value::Named(flags, FLAGS))?;
    show_if(show, "ldt", ldt(mm).map(|ldt| Value::Present(ldt != 0)))?;
    show_if(show, "untag_mask", untag_mask(mm).map(Value::Hex))?;
    show("vdso", Value::Address(read!(mm, context.vdso)))?;
    show("vdso_image", Value::Symbol(vdso_image(mm)))?;
    let map = pkeys(pkey_allocation_map(mm));
    show_if(show, "pkey_allocation_map", map)?;
    let execute_only = execute_only_pkey(mm).filter(|_| matches!(map, Some(Value::Hex(_))));
    // CAST: Undoes the extension.
    let execute_only = execute_only.map(|key| match key as i64 {
        ..0 => Value::Word("none"),
        key => Value::Signed(key),
    });
    show_if(show, "execute_only_pkey", execute_only)
}

/// Which of the kernel's images it has for a vDSO.
fn vdso_image(mm: &MmWithUser) -> KernelAddress {
    let raw = mm.as_raw();
    // SAFETY: `mm` is valid; the pointer is not followed.
    KernelAddress::of(unsafe {
        (&raw const (*raw).__bindgen_anon_1.context.vdso_image).read_volatile()
    })
}
