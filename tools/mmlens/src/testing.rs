// SPDX-License-Identifier: GPL-2.0

//! For tests: a machine, and entries as its kernel writes them.

use mmlens_device::{Arch, Machine};

pub const PAGE: u64 = 4096;

/// An x86_64 machine with 4 levels.
pub fn machine() -> Machine {
    let mut soft = [1; 32];
    soft[31] = 9;
    Machine {
        arch: Arch::X86_64,
        shift: [12, 21, 30, 39, 39],
        folded: [false, false, false, true, false],
        has_pti: false,
        has_shadow_stack: false,
        attributes: 0x0407_0506_0007_0106,
        address_low: 0x000f_ffff_ffff_f000,
        address_high: 0,
        address_high_shift: 0,
        encryption: 0,
        soft_pfn_bits: 40,
        soft,
    }
}

/// A user's page: P US A NX.
pub fn leaf(pfn: u64) -> u64 {
    1 << 63 | pfn << 12 | 0x25
}

/// A page in a swap area.
pub fn swap(number: u64, slot: u64) -> u64 {
    number << 59 | (!slot << 14 >> 5 & ((1 << 59) - 1) & !0x1ff)
}
