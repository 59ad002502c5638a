// SPDX-License-Identifier: GPL-2.0

//! The auxiliary vector: what the kernel tells a program as it starts.
//!
//! C header: [`include/uapi/linux/auxvec.h`](srctree/include/uapi/linux/auxvec.h)

use super::FieldName;
use core::fmt;

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Decimal,
    Hex,
}
use Base::{Decimal, Hex};

/// The names, of all architectures. Addresses and sets of bits are hexadecimal.
const NAMES: [(u64, &str, Base); 29] = [
    (1, "AT_IGNORE", Hex),
    (2, "AT_EXECFD", Decimal),
    (3, "AT_PHDR", Hex),
    (4, "AT_PHENT", Decimal),
    (5, "AT_PHNUM", Decimal),
    (6, "AT_PAGESZ", Decimal),
    (7, "AT_BASE", Hex),
    (8, "AT_FLAGS", Hex),
    (9, "AT_ENTRY", Hex),
    (10, "AT_NOTELF", Decimal),
    (11, "AT_UID", Decimal),
    (12, "AT_EUID", Decimal),
    (13, "AT_GID", Decimal),
    (14, "AT_EGID", Decimal),
    (15, "AT_PLATFORM", Hex),
    (16, "AT_HWCAP", Hex),
    (17, "AT_CLKTCK", Decimal),
    (23, "AT_SECURE", Decimal),
    (24, "AT_BASE_PLATFORM", Hex),
    (25, "AT_RANDOM", Hex),
    (26, "AT_HWCAP2", Hex),
    (27, "AT_RSEQ_FEATURE_SIZE", Decimal),
    (28, "AT_RSEQ_ALIGN", Decimal),
    (29, "AT_HWCAP3", Hex),
    (30, "AT_HWCAP4", Hex),
    (31, "AT_EXECFN", Hex),
    (32, "AT_SYSINFO", Hex),
    (33, "AT_SYSINFO_EHDR", Hex),
    (51, "AT_MINSIGSTKSZ", Decimal),
];

/// How wide types and values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Of a program with 32-bit addresses: a type and its value are one word of ours.
    Bits32,
    /// Of any other: two words.
    Bits64,
}

/// A type and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `AT_*`.
    pub kind: u64,
    /// What it means depends on the type.
    pub value: u64,
}

impl Entry {
    fn known(self) -> Option<(&'static str, Base)> {
        let entry = NAMES.iter().find(|&&(kind, ..)| kind == self.kind);
        entry.map(|&(_, name, base)| (name, base))
    }
}

/// The entries of a vector that the kernel saved, to `AT_NULL` or to the end of the words.
pub fn entries(words: &[u64], width: Width) -> impl Iterator<Item = Entry> + '_ {
    let elements = words.len() * if width == Width::Bits32 { 2 } else { 1 };
    let element = move |index: usize| match width {
        Width::Bits64 => words.get(index).copied(),
        Width::Bits32 => {
            let bytes = words.get(index / 2)?.to_ne_bytes();
            let (first, second) = bytes.split_first_chunk::<4>()?;
            let half = if index % 2 == 0 {
                first
            } else {
                second.first_chunk()?
            };
            Some(u64::from(u32::from_ne_bytes(*half)))
        }
    };
    (0..elements / 2)
        .map_while(move |pair| {
            Some(Entry {
                kind: element(pair * 2)?,
                value: element(pair * 2 + 1)?,
            })
        })
        .take_while(|entry| entry.kind != 0)
}

/// A line without its end: `auxv AT_PHDR: 0x400040`; the number of a type without a name.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some((name, Decimal)) => write!(f, "{}{}", FieldName("auxv ", name), self.value),
            Some((name, Hex)) => write!(f, "{}{:#x}", FieldName("auxv ", name), self.value),
            None => write!(f, "auxv {}: {:#x}", self.kind, self.value),
        }
    }
}
