// SPDX-License-Identifier: GPL-2.0

//! System registers of arm64.
//!
//! Source: `arch/arm64/tools/sysreg`; Arm Architecture Reference Manual, part D, "AArch64 System
//! Register Descriptions".

use super::{
    Field,
    Register,
    Show,
    Values, //
};
use crate::pt::memory::mair_type;
use core::fmt;

const NO_YES: &[(u64, &str)] = &[(0, "no"), (1, "yes")];
const CACHES: &[(u64, &str)] = &[(0, "NC"), (1, "WBWA"), (2, "WT"), (3, "WBnWA")];
const SHARE: &[(u64, &str)] = &[(0, "none"), (2, "outer"), (3, "inner")];
const SIZES: &[(u64, &str)] = &[
    (0, "32-bit"),
    (1, "36-bit"),
    (2, "40-bit"),
    (3, "42-bit"),
    (4, "44-bit"),
    (5, "48-bit"),
    (6, "52-bit"),
    (7, "56-bit"),
];
const FAULTS: &[(u64, &str)] = &[(0, "none"), (1, "sync"), (2, "async"), (3, "asymm")];
const STAGE_2: &[(u64, &str)] = &[(0, "as-stage-1"), (1, "no"), (2, "yes"), (3, "52-bit")];
/// Of the fields that are signed.
const SIGNED_GRANULE: &[(u64, &str)] = &[(0, "yes"), (1, "52-bit"), (15, "no")];

/// The registers.
pub const REGISTERS: &[Register] = &[
    Register {
        name: "CurrentEL",
        fields: &[Field::words("EL", 2, 3, &[(1, "1"), (2, "2(VHE)")])],
    },
    Register {
        name: "SCTLR_EL1",
        fields: &[
            Field::flag("M", 0),
            Field::flag("A", 1),
            Field::flag("C", 2),
            Field::flag("SA", 3),
            Field::flag("SA0", 4),
            Field::flag("CP15BEN", 5),
            Field::flag("nAA", 6),
            Field::flag("ITD", 7),
            Field::flag("SED", 8),
            Field::flag("UMA", 9),
            Field::flag("EnRCTX", 10),
            Field::flag("EOS", 11),
            Field::flag("I", 12),
            Field::flag("EnDB", 13),
            Field::flag("DZE", 14),
            Field::flag("UCT", 15),
            Field::flag("nTWI", 16),
            Field::flag("nTWE", 18),
            Field::flag("WXN", 19),
            Field::flag("TSCXT", 20),
            Field::flag("IESB", 21),
            Field::flag("EIS", 22),
            Field::flag("SPAN", 23),
            Field::flag("E0E", 24),
            Field::flag("EE", 25),
            Field::flag("UCI", 26),
            Field::flag("EnDA", 27),
            Field::flag("nTLSMD", 28),
            Field::flag("LSMAOE", 29),
            Field::flag("EnIB", 30),
            Field::flag("EnIA", 31),
            Field::flag("CMOW", 32),
            Field::flag("MSCEn", 33),
            Field::flag("EnFPM", 34),
            Field::flag("BT0", 35),
            Field::flag("BT1", 36),
            Field::flag("ITFSB", 37),
            Field::words("TCF0", 38, 39, FAULTS),
            Field::words("TCF", 40, 41, FAULTS),
            Field::flag("ATA0", 42),
            Field::flag("ATA", 43),
            Field::flag("DSSBS", 44),
            Field::flag("TWEDEn", 45),
            Field::new("TWEDEL", 46, 49, Show::Number),
            Field::flag("EnASR", 54),
            Field::flag("EnAS0", 55),
            Field::flag("EnALS", 56),
            Field::flag("EPAN", 57),
            Field::flag("TCSO0", 58),
            Field::flag("TCSO", 59),
            Field::flag("EnTP2", 60),
            Field::flag("NMI", 61),
            Field::flag("SPINTMASK", 62),
            Field::flag("TIDCP", 63),
        ],
    },
    Register {
        name: "TCR_EL1",
        fields: &[
            Field::new("T0SZ", 0, 5, Show::With(address_bits)),
            Field::flag("EPD0", 7),
            Field::words("IRGN0", 8, 9, CACHES),
            Field::words("ORGN0", 10, 11, CACHES),
            Field::words("SH0", 12, 13, SHARE),
            Field::words("TG0", 14, 15, &[(0, "4K"), (1, "64K"), (2, "16K")]),
            Field::new("T1SZ", 16, 21, Show::With(address_bits)),
            Field::words("A1", 22, 22, &[(0, "TTBR0"), (1, "TTBR1")]),
            Field::flag("EPD1", 23),
            Field::words("IRGN1", 24, 25, CACHES),
            Field::words("ORGN1", 26, 27, CACHES),
            Field::words("SH1", 28, 29, SHARE),
            Field::words("TG1", 30, 31, &[(1, "16K"), (2, "4K"), (3, "64K")]),
            Field::words("IPS", 32, 34, SIZES),
            Field::words("AS", 36, 36, &[(0, "8-bit"), (1, "16-bit")]),
            Field::flag("TBI0", 37),
            Field::flag("TBI1", 38),
            Field::flag("HA", 39),
            Field::flag("HD", 40),
            Field::flag("HPD0", 41),
            Field::flag("HPD1", 42),
            Field::flag("HWU059", 43),
            Field::flag("HWU060", 44),
            Field::flag("HWU061", 45),
            Field::flag("HWU062", 46),
            Field::flag("HWU159", 47),
            Field::flag("HWU160", 48),
            Field::flag("HWU161", 49),
            Field::flag("HWU162", 50),
            Field::flag("TBID0", 51),
            Field::flag("TBID1", 52),
            Field::flag("NFD0", 53),
            Field::flag("NFD1", 54),
            Field::flag("E0PD0", 55),
            Field::flag("E0PD1", 56),
            Field::flag("TCMA0", 57),
            Field::flag("TCMA1", 58),
            Field::flag("DS", 59),
            Field::flag("MTX0", 60),
            Field::flag("MTX1", 61),
        ],
    },
    Register {
        name: "TTBR0_EL1",
        fields: TTBR,
    },
    Register {
        name: "TTBR1_EL1",
        fields: TTBR,
    },
    Register {
        name: "MAIR_EL1",
        fields: &[
            Field::new("0", 0, 7, Show::With(attribute)),
            Field::new("1", 8, 15, Show::With(attribute)),
            Field::new("2", 16, 23, Show::With(attribute)),
            Field::new("3", 24, 31, Show::With(attribute)),
            Field::new("4", 32, 39, Show::With(attribute)),
            Field::new("5", 40, 47, Show::With(attribute)),
            Field::new("6", 48, 55, Show::With(attribute)),
            Field::new("7", 56, 63, Show::With(attribute)),
        ],
    },
    Register {
        name: "ID_AA64MMFR0_EL1",
        fields: &[
            Field::words("PARange", 0, 3, SIZES),
            Field::words("ASIDBits", 4, 7, &[(0, "8"), (2, "16")]),
            Field::words("BigEnd", 8, 11, NO_YES),
            Field::words("SNSMem", 12, 15, NO_YES),
            Field::words("BigEndEL0", 16, 19, NO_YES),
            Field::words("TGran16", 20, 23, &[(0, "no"), (1, "yes"), (2, "52-bit")]),
            Field::words("TGran64", 24, 27, SIGNED_GRANULE),
            Field::words("TGran4", 28, 31, SIGNED_GRANULE),
            Field::words("TGran16_2", 32, 35, STAGE_2),
            Field::words("TGran64_2", 36, 39, STAGE_2),
            Field::words("TGran4_2", 40, 43, STAGE_2),
            Field::words("ExS", 44, 47, NO_YES),
            Field::words("FGT", 56, 59, &[(0, "no"), (1, "yes"), (2, "FGT2")]),
            Field::words("ECV", 60, 63, &[(0, "no"), (1, "yes"), (2, "CNTPOFF")]),
        ],
    },
    Register {
        name: "ID_AA64MMFR1_EL1",
        fields: &[
            Field::words(
                "HAFDBS",
                0,
                3,
                &[(0, "no"), (1, "AF"), (2, "DBM"), (3, "HAFT"), (4, "HDBSS")],
            ),
            Field::words("VMIDBits", 4, 7, &[(0, "8"), (2, "16")]),
            Field::words("VH", 8, 11, NO_YES),
            Field::words("HPDS", 12, 15, &[(0, "no"), (1, "yes"), (2, "HPDS2")]),
            Field::words("LO", 16, 19, NO_YES),
            Field::words(
                "PAN",
                20,
                23,
                &[(0, "no"), (1, "yes"), (2, "PAN2"), (3, "PAN3")],
            ),
            Field::words("SpecSEI", 24, 27, NO_YES),
            Field::words("XNX", 28, 31, NO_YES),
            Field::words("TWED", 32, 35, NO_YES),
            Field::words(
                "ETS",
                36,
                39,
                &[(0, "no"), (1, "yes"), (2, "ETS2"), (3, "ETS3")],
            ),
            Field::words("HCX", 40, 43, NO_YES),
            Field::words("AFP", 44, 47, NO_YES),
            Field::words("nTLBPA", 48, 51, NO_YES),
            Field::words("TIDCP1", 52, 55, NO_YES),
            Field::words("CMOW", 56, 59, NO_YES),
            Field::words("ECBHB", 60, 63, NO_YES),
        ],
    },
    Register {
        name: "ID_AA64MMFR2_EL1",
        fields: &[
            Field::words("CnP", 0, 3, NO_YES),
            Field::words("UAO", 4, 7, NO_YES),
            Field::words("LSM", 8, 11, NO_YES),
            Field::words("IESB", 12, 15, NO_YES),
            Field::words(
                "VARange",
                16,
                19,
                &[(0, "48-bit"), (1, "52-bit"), (2, "56-bit")],
            ),
            Field::words("CCIDX", 20, 23, &[(0, "32"), (1, "64")]),
            Field::words("NV", 24, 27, &[(0, "no"), (1, "yes"), (2, "NV2")]),
            Field::words("ST", 28, 31, &[(0, "39"), (1, "48/47")]),
            Field::words("AT", 32, 35, NO_YES),
            Field::words("IDS", 36, 39, &[(0, "no"), (1, "yes"), (2, "EL3")]),
            Field::words("FWB", 40, 43, NO_YES),
            Field::words("TTL", 48, 51, NO_YES),
            Field::words("BBM", 52, 55, &[(0, "0"), (1, "1"), (2, "2")]),
            Field::words("EVT", 56, 59, &[(0, "no"), (1, "yes"), (2, "TTLBxS")]),
            Field::words("E0PD", 60, 63, NO_YES),
        ],
    },
    Register {
        name: "ID_AA64MMFR3_EL1",
        fields: &[
            Field::words("TCRX", 0, 3, NO_YES),
            Field::words("SCTLRX", 4, 7, NO_YES),
            Field::words("S1PIE", 8, 11, NO_YES),
            Field::words("S2PIE", 12, 15, NO_YES),
            Field::words("S1POE", 16, 19, NO_YES),
            Field::words("S2POE", 20, 23, NO_YES),
            Field::words("AIE", 24, 27, NO_YES),
            Field::words("MEC", 28, 31, NO_YES),
            Field::words("D128", 32, 35, NO_YES),
            Field::words("D128_2", 36, 39, NO_YES),
            Field::words("SNERR", 40, 43, NO_YES),
            Field::words("ANERR", 44, 47, NO_YES),
            Field::words("SDERR", 52, 55, NO_YES),
            Field::words("ADERR", 56, 59, NO_YES),
            Field::words("Spec_FPACC", 60, 63, NO_YES),
        ],
    },
];

const TTBR: &[Field] = &[
    Field::new("root", 1, 47, Show::Derived(root)),
    Field::new("ASID", 48, 63, Show::Number),
    Field::flag("CnP", 0),
];

/// `T0SZ`, `T1SZ`: how many bits an address is shorter than 64.
fn address_bits(size: u64, out: &mut dyn fmt::Write) -> fmt::Result {
    write!(out, "{size}({}-bit)", 64 - size)
}

/// The physical address of the top table. With 52 bits of them, the upper ones are where a table is
/// never aligned that finely.
fn root(values: &Values<'_>, ttbr: u64, out: &mut dyn fmt::Write) -> fmt::Result {
    let is_52_bit = values
        .get("TCR_EL1")
        .is_some_and(|tcr| (tcr >> 32) & 7 == 6);
    let base = ttbr & 0xffff_ffff_fffe;
    let root = if is_52_bit {
        (base & !0x3f) | (base & 0x3c) << 46
    } else {
        base
    };
    write!(out, " root={root:#x}")
}

/// A byte of `MAIR_EL1`.
fn attribute(byte: u64, out: &mut dyn fmt::Write) -> fmt::Result {
    write!(out, "{}", mair_type(byte as u8))
}
