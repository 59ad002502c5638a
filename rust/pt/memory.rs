// SPDX-License-Identifier: GPL-2.0

//! Memory types: how the processor may cache and order accesses through a leaf.
//!
//! Entries hold an index of three bits into a register with eight types of eight bits: the PAT MSR
//! of x86_64 (Intel SDM volume 3, section "Page Attribute Table"), MAIR_EL1 of arm64 (Arm ARM,
//! "MAIR_EL1").

use core::fmt;

/// A memory type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryType {
    /// Write-back.
    Wb,
    /// Write-through.
    Wt,
    /// x86_64: write-combining.
    Wc,
    /// x86_64: write-protected.
    Wp,
    /// x86_64: not cacheable.
    Uc,
    /// x86_64: not cacheable, unless an MTRR says write-combining.
    UcMinus,
    /// arm64: normal memory, not cacheable.
    Nc,
    /// arm64: write-back, with allocation tags.
    Tagged,
    /// arm64: device memory; no gathering, no reordering, no early acknowledgement.
    NGnRnE,
    /// arm64: device memory; no gathering, no reordering.
    NGnRE,
    /// arm64: device memory; no gathering.
    NGre,
    /// arm64: device memory.
    Gre,
    /// One that has no name here: the byte in the register.
    Number(u8),
}

impl MemoryType {
    /// As the register's manual spells it; `None` if it has no name.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Wb => "WB",
            Self::Wt => "WT",
            Self::Wc => "WC",
            Self::Wp => "WP",
            Self::Uc => "UC",
            Self::UcMinus => "UC-",
            Self::Nc => "NC",
            Self::Tagged => "Tagged",
            Self::NGnRnE => "nGnRnE",
            Self::NGnRE => "nGnRE",
            Self::NGre => "nGRE",
            Self::Gre => "GRE",
            Self::Number(_) => return None,
        })
    }
}

impl fmt::Display for MemoryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            MemoryType::Number(n) => {
                let digit = |n: u8| char::from_digit(u32::from(n & 0xf), 16).unwrap_or('?');
                let mut text = *b"0x00";
                let [_, _, high, low] = &mut text;
                (*high, *low) = (digit(n >> 4) as u8, digit(n) as u8);
                f.pad(core::str::from_utf8(&text).unwrap_or("?"))
            }
            named => f.pad(named.name().unwrap_or("?")),
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
    match byte {
        0 => MemoryType::Uc,
        1 => MemoryType::Wc,
        4 => MemoryType::Wt,
        5 => MemoryType::Wp,
        6 => MemoryType::Wb,
        7 => MemoryType::UcMinus,
        other => MemoryType::Number(other),
    }
}

/// What a byte of MAIR_EL1 means: the names of the Arm ARM for device memory; normal memory as WB
/// (write-back, inner and outer), WT, NC (not cacheable) or Tagged (WB with allocation tags).
pub const fn mair_type(byte: u8) -> MemoryType {
    match byte {
        0x00 => MemoryType::NGnRnE,
        0x04 => MemoryType::NGnRE,
        0x08 => MemoryType::NGre,
        0x0c => MemoryType::Gre,
        0x44 => MemoryType::Nc,
        0xbb => MemoryType::Wt,
        0xf0 => MemoryType::Tagged,
        0xff => MemoryType::Wb,
        other => MemoryType::Number(other),
    }
}
