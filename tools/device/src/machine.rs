// SPDX-License-Identifier: GPL-2.0

//! The machine that records are of.

use crate::{format::AnyFormat, sys};
use mmlens_core::{
    pt::{
        aarch64::Aarch64,
        entry::AddressBits,
        level::{Geometry, Level, LEVELS},
        memory::Attributes,
        softleaf::{SoftKind, SoftTypes, SOFT_TYPES},
        x86_64::X86_64,
    },
    text::vma_flags,
};
use serde::{Deserialize, Serialize};
use std::io;

/// The architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Arch {
    #[serde(rename = "x86_64")]
    X86_64,
    Arm64,
}

/// All that one needs to read records on another machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The architecture.
    pub arch: Arch,
    /// By level, 0 is pte: address bits below an entry.
    pub shift: [u8; LEVELS],
    /// By level: it has no table of its own.
    pub folded: [bool; LEVELS],
    /// x86_64: user space has a top table of its own.
    pub has_pti: bool,
    /// x86_64: user space may have shadow stacks.
    pub has_shadow_stack: bool,
    /// The PAT MSR or MAIR_EL1.
    #[serde(with = "hex")]
    pub attributes: u64,
    /// Bits of an entry that are the address.
    #[serde(with = "hex")]
    pub address_low: u64,
    /// Bits that belong further up.
    #[serde(with = "hex")]
    pub address_high: u64,
    /// How much.
    pub address_high_shift: u8,
    /// The memory encryption bit, or 0.
    #[serde(with = "hex")]
    pub encryption: u64,
    /// Low bits of the offset of a non-present entry that are a page frame.
    pub soft_pfn_bits: u8,
    /// What the types of non-present entries mean, `MMLENS_SOFT_*`.
    pub soft: [u8; SOFT_TYPES],
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a machine with {what}"))
}

impl TryFrom<&sys::mmlens_machine> for Machine {
    type Error = io::Error;

    fn try_from(from: &sys::mmlens_machine) -> io::Result<Self> {
        let arch = match from.arch {
            sys::MMLENS_ARCH_X86_64 => Arch::X86_64,
            sys::MMLENS_ARCH_ARM64 => Arch::Arm64,
            _ => return Err(invalid("an architecture that is not known")),
        };
        let [a, b, c, d, e, ..] = from.shift;
        let this = Self {
            arch,
            shift: [a, b, c, d, e],
            folded: std::array::from_fn(|level| from.folded >> level & 1 != 0),
            has_pti: from.has_pti != 0,
            has_shadow_stack: from.has_shadow_stack != 0,
            attributes: from.attributes,
            address_low: from.address_low,
            address_high: from.address_high,
            address_high_shift: from.address_high_shift,
            encryption: from.encryption,
            soft_pfn_bits: from.soft_pfn_bits,
            soft: from.soft,
        };
        this.geometry()?;
        Ok(this)
    }
}

impl Machine {
    /// The shape of its page tables. Fails if no machine is such, as one from a file may be.
    pub fn geometry(&self) -> io::Result<Geometry> {
        Geometry::new(self.shift, self.folded).ok_or_else(|| invalid("impossible page tables"))
    }

    /// The format of its entries.
    pub fn format(&self) -> AnyFormat {
        let address = AddressBits {
            low: self.address_low,
            high: self.address_high,
            high_shift: self.address_high_shift & 63,
        };
        let soft = SoftTypes {
            kinds: self.soft.map(SoftKind::from_number),
            pfn_bits: self.soft_pfn_bits,
        };
        match self.arch {
            Arch::X86_64 => AnyFormat::X86_64(X86_64 {
                address,
                encryption: self.encryption,
                pat: Attributes(self.attributes),
                soft,
                has_pti: self.has_pti,
                has_shadow_stack: self.has_shadow_stack,
            }),
            Arch::Arm64 => AnyFormat::Aarch64(Aarch64 {
                address,
                shift: self.shift,
                mair: Attributes(self.attributes),
                soft,
            }),
        }
    }

    /// What its kernel calls the flags of VMAs.
    pub fn vma_flag_names(&self) -> &'static vma_flags::Names {
        match self.arch {
            Arch::X86_64 => &vma_flags::X86_64,
            Arch::Arm64 => &vma_flags::AARCH64,
        }
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> u64 {
        let [page, ..] = self.shift;
        1 << (page & 63)
    }

    /// Bytes that an entry of a level maps.
    pub fn size(&self, level: Level) -> u64 {
        let shift = self.shift.get(usize::from(level.number())).copied();
        1 << (shift.unwrap_or(0) & 63)
    }

    /// The levels that have tables, from the top down.
    pub fn levels(&self) -> impl Iterator<Item = Level> + '_ {
        let is_folded = |level: Level| self.folded.get(usize::from(level.number())).copied();
        Level::TOP_DOWN
            .into_iter()
            .filter(move |&level| is_folded(level) == Some(false))
    }
}

/// Numbers of 64 bits as text: many readers of JSON keep 53 bits of a number.
pub mod hex {
    use serde::{de::Error, Deserialize, Deserializer, Serializer};
    use std::borrow::Cow;

    /// Writes `"0x1f"`.
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{value:#x}"))
    }

    /// Reads that.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let digits = text
            .strip_prefix("0x")
            .ok_or_else(|| D::Error::custom("not a number 0x..."))?;
        u64::from_str_radix(digits, 16).map_err(D::Error::custom)
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
