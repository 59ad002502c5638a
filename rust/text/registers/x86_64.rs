// SPDX-License-Identifier: GPL-2.0

//! Control registers of x86_64.
//!
//! Source: `arch/x86/include/uapi/asm/processor-flags.h`, `asm/msr-index.h`; Intel SDM volume 3,
//! sections "Control Registers", "Programming the PAT", "IA32_MTRR_DEF_TYPE MSR"; AMD APM volume 2.

use super::{
    Field,
    Register,
    Show,
    Values, //
};
use crate::pt::memory::pat_type;
use core::fmt;

const PCIDE: u64 = 1 << 17;

/// The registers.
pub const REGISTERS: &[Register] = &[
    Register {
        name: "CR0",
        fields: &[
            Field::flag("PE", 0),
            Field::flag("MP", 1),
            Field::flag("EM", 2),
            Field::flag("TS", 3),
            Field::flag("ET", 4),
            Field::flag("NE", 5),
            Field::flag("WP", 16),
            Field::flag("AM", 18),
            Field::flag("NW", 29),
            Field::flag("CD", 30),
            Field::flag("PG", 31),
        ],
    },
    Register {
        name: "CR3",
        fields: &[
            // What is above the widest physical address is shown by name, or as a number.
            Field::new("root", 12, 51, Show::With(root)),
            Field::new("PCID", 0, 11, Show::Derived(pcid)),
            Field::flag("LAM_U57", 61),
            Field::flag("LAM_U48", 62),
        ],
    },
    Register {
        name: "CR4",
        fields: &[
            Field::flag("VME", 0),
            Field::flag("PVI", 1),
            Field::flag("TSD", 2),
            Field::flag("DE", 3),
            Field::flag("PSE", 4),
            Field::flag("PAE", 5),
            Field::flag("MCE", 6),
            Field::flag("PGE", 7),
            Field::flag("PCE", 8),
            Field::flag("OSFXSR", 9),
            Field::flag("OSXMMEXCPT", 10),
            Field::flag("UMIP", 11),
            Field::flag("LA57", 12),
            Field::flag("VMXE", 13),
            Field::flag("SMXE", 14),
            Field::flag("FSGSBASE", 16),
            Field::flag("PCIDE", 17),
            Field::flag("OSXSAVE", 18),
            Field::flag("SMEP", 20),
            Field::flag("SMAP", 21),
            Field::flag("PKE", 22),
            Field::flag("CET", 23),
            Field::flag("PKS", 24),
            Field::flag("UINTR", 25),
            Field::flag("LASS", 27),
            Field::flag("LAM_SUP", 28),
            Field::flag("FRED", 32),
        ],
    },
    Register {
        name: "EFER",
        fields: &[
            Field::flag("SCE", 0),
            Field::flag("LME", 8),
            Field::flag("LMA", 10),
            Field::flag("NX", 11),
            Field::flag("SVME", 12),
            Field::flag("LMSLE", 13),
            Field::flag("FFXSR", 14),
            Field::flag("TCE", 15),
            Field::flag("AUTOIBRS", 21),
        ],
    },
    Register {
        name: "PAT",
        fields: &[
            Field::new("0", 0, 7, Show::With(memory_type)),
            Field::new("1", 8, 15, Show::With(memory_type)),
            Field::new("2", 16, 23, Show::With(memory_type)),
            Field::new("3", 24, 31, Show::With(memory_type)),
            Field::new("4", 32, 39, Show::With(memory_type)),
            Field::new("5", 40, 47, Show::With(memory_type)),
            Field::new("6", 48, 55, Show::With(memory_type)),
            Field::new("7", 56, 63, Show::With(memory_type)),
        ],
    },
    Register {
        name: "MTRRdefType",
        fields: &[
            Field::new("type", 0, 7, Show::With(memory_type)),
            Field::flag("FE", 10),
            Field::flag("E", 11),
        ],
    },
];

/// A byte of the PAT, which the MTRRs share the encoding with.
fn memory_type(byte: u64, out: &mut dyn fmt::Write) -> fmt::Result {
    write!(out, "{}", pat_type(byte as u8))
}

/// The physical address of the top table.
fn root(pfn: u64, out: &mut dyn fmt::Write) -> fmt::Result {
    write!(out, "{:#x}", pfn << 12)
}

/// The low bits of CR3: a number with `CR4.PCIDE`, two flags without.
fn pcid(values: &Values<'_>, cr3: u64, out: &mut dyn fmt::Write) -> fmt::Result {
    if values.get("CR4").is_some_and(|cr4| cr4 & PCIDE != 0) {
        return write!(out, " PCID={}", cr3 & 0xfff);
    }
    if cr3 & 1 << 3 != 0 {
        out.write_str(" PWT")?;
    }
    if cr3 & 1 << 4 != 0 {
        out.write_str(" PCD")?;
    }
    match cr3 & 0xfe7 {
        0 => Ok(()),
        other => write!(out, " other={other:#x}"),
    }
}
