// SPDX-License-Identifier: GPL-2.0

//! Memory types: how the processor may cache and order accesses through a leaf.
//!
//! Entries hold an index of three bits into a register with eight types of eight bits: the PAT MSR
//! of x86_64 (Intel SDM volume 3, section "Page Attribute Table"), MAIR_EL1 of arm64 (Arm ARM,
//! "MAIR_EL1").

use core::fmt;

/// A memory type, as the register spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryType {
    /// One that has a name.
    Named(&'static str),
    /// One that has none here: the byte.
    Number(u8),
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            MemoryType::Named(name) => f.pad(name),
            MemoryType::Number(n) => {
                let digit = |n: u8| char::from_digit(u32::from(n & 0xf), 16).unwrap_or('?');
                let mut text = *b"0x00";
                let [_, _, high, low] = &mut text;
                (*high, *low) = (digit(n >> 4) as u8, digit(n) as u8);
                f.pad(core::str::from_utf8(&text).unwrap_or("?"))
            }
        }
    }
}

/// The register that the indexes of entries point into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes(pub u64);

impl Attributes {
    /// The byte at `index`, of which the low three bits count.
    pub const fn byte(self, index: u64) -> u8 {
        (self.0 >> (8 * (index & 7))) as u8
    }
}

/// What a byte of the PAT MSR means.
pub const fn pat_type(byte: u8) -> MemoryType {
    MemoryType::Named(match byte {
        0 => "UC",
        1 => "WC",
        4 => "WT",
        5 => "WP",
        6 => "WB",
        7 => "UC-",
        other => return MemoryType::Number(other),
    })
}

/// What a byte of MAIR_EL1 means: the names of the Arm ARM for device memory; normal memory as WB
/// (write-back, inner and outer), WT, NC (not cacheable) or Tagged (WB with allocation tags).
pub const fn mair_type(byte: u8) -> MemoryType {
    MemoryType::Named(match byte {
        0x00 => "nGnRnE",
        0x04 => "nGnRE",
        0x08 => "nGRE",
        0x0c => "GRE",
        0x44 => "NC",
        0xbb => "WT",
        0xf0 => "Tagged",
        0xff => "WB",
        other => return MemoryType::Number(other),
    })
}
