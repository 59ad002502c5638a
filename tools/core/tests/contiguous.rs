// SPDX-License-Identifier: GPL-2.0

//! Contiguous ranges of arm64: what the hardware notes in one entry is so for all.

mod common;

use common::{Encode, ARM_4K};
use mmlens_core::pt::{entry::Raw, format::Format, level::Level};
use proptest::prelude::*;

const AF: u64 = 1 << 10;
const RDONLY: u64 = 1 << 7;
const CONT: u64 = 1 << 52;
const DIRTY: u64 = 1 << 55;

/// In a contiguous range the hardware may note an access in any entry; all of them have it then.
#[test]
fn contiguous_ranges_share_accessed_and_dirty() {
    let clean = 0x0078_0000_0000_0bc3 & !AF | RDONLY | CONT;
    let leaf = |pfn: u64, bits: u64| Raw((clean | pfn << 12) & !(bits & RDONLY) | bits & !RDONLY);
    // A window that begins with the last two of a range, then a range, then pages without CONT.
    let mut entries: Vec<Raw> = (0..18).map(|pfn| leaf(pfn, 0)).collect();
    entries.extend((18..20).map(|pfn| Raw(leaf(pfn, 0).0 & !CONT)));
    entries[0] = leaf(0, AF);
    entries[5] = leaf(5, AF);
    // Written to by the hardware: RDONLY is gone.
    entries[9] = leaf(9, AF | RDONLY);
    entries[18].0 |= AF;
    let before = entries.clone();
    ARM_4K
        .format()
        .gather_contiguous(&mut entries, 14, Level::Pte);
    for (i, (entry, before)) in entries.iter().zip(&before).enumerate() {
        let expected = match i {
            0 | 1 => before.0 | AF,
            2..=17 => (before.0 | AF | DIRTY) & !RDONLY,
            _ => before.0,
        };
        assert_eq!(entry.0, expected, "entry {i}");
    }
}

proptest! {
    /// Gathering changes no more than accessed and dirty, and again changes nothing.
    #[test]
    fn gathering_is_gentle(raws in proptest::collection::vec(any::<u64>(), 0..64), index in 0usize..512, level in 0u8..5) {
        let level = Level::from_number(level).unwrap();
        let mut once: Vec<Raw> = raws.iter().copied().map(Raw).collect();
        ARM_4K.format().gather_contiguous(&mut once, index, level);
        for (new, old) in once.iter().zip(&raws) {
            prop_assert_eq!((new.0 ^ old) & !(AF | RDONLY | DIRTY), 0);
            prop_assert_eq!(old & !new.0 & (AF | DIRTY), 0);
        }
        let mut twice = once.clone();
        ARM_4K.format().gather_contiguous(&mut twice, index, level);
        prop_assert_eq!(once, twice);
    }
}
