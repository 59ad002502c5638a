// SPDX-License-Identifier: GPL-2.0

//! Which entries pass, against what rust/uapi/mmlens.h says of each condition.

use mmlens_core::pt::{entry::Raw, facts::Facts, filter::Filter};
use proptest::prelude::*;

const fn required(facts: Facts) -> Filter {
    Filter {
        required: facts,
        ..Filter::ALL
    }
}

#[test]
fn everything_passes() {
    assert!(Filter::ALL.is_sound());
    assert!(!Filter::ALL.wants_pages() && !Filter::ALL.is_of_places());
    for facts in [Facts(0), Facts(u64::MAX)] {
        assert!(Filter::ALL.passes(facts, Raw(0)) && Filter::ALL.passes(facts, Raw(u64::MAX)));
    }
    for place in [None, Some(0), Some(u64::MAX)] {
        assert!(Filter::ALL.passes_place(place, 4096));
    }
}

/// Bits without a meaning, and those that no entry has by itself.
#[test]
fn unsound_bits() {
    for bit in 0..64 {
        let fact = Facts(1 << bit);
        let is_known = Facts::ALL.has(fact) && fact != Facts::IN_ORDER;
        let any = Filter {
            any: fact,
            ..Filter::ALL
        };
        let excluded = Filter {
            excluded: fact,
            ..Filter::ALL
        };
        let is_table = fact == Facts::TABLE;
        assert_eq!(required(fact).is_sound(), is_known && !is_table, "{bit}");
        assert_eq!(any.is_sound(), is_known && !is_table, "{bit}");
        assert_eq!(excluded.is_sound(), is_known, "{bit}");
        let is_of_pages = Facts::PAGES.has(fact);
        for filter in [required(fact), any, excluded] {
            assert_eq!(filter.wants_pages(), is_of_pages, "{bit}");
        }
    }
    assert!(!required(Facts::PRESENT.with(Facts::TABLE)).is_sound());
}

#[test]
fn conditions_against_one_another() {
    let both = Filter {
        excluded: Facts::WRITE,
        ..required(Facts::PRESENT.with(Facts::WRITE))
    };
    assert!(!both.is_sound());
    let raw = |raw_mask, raw_value| Filter {
        raw_mask,
        raw_value,
        ..Filter::ALL
    };
    assert!(raw(6, 4).is_sound() && raw(u64::MAX, 0).is_sound());
    assert!(!raw(6, 5).is_sound() && !raw(0, 1).is_sound());
    let places = |phys_start, phys_end| Filter {
        phys_start,
        phys_end,
        ..Filter::ALL
    };
    assert!(places(0, 1).is_sound() && places(4096, u64::MAX).is_sound());
    assert!(places(0, 1).is_of_places());
    for (start, end) in [(1, 0), (1, 1), (2, 1), (u64::MAX, u64::MAX)] {
        assert!(!places(start, end).is_sound(), "{start} {end}");
    }
}

#[test]
fn at_the_ends_of_memory() {
    let last = Filter {
        phys_start: u64::MAX - 1,
        phys_end: u64::MAX,
        ..Filter::ALL
    };
    assert!(last.passes_place(Some(u64::MAX - 1), 4096));
    assert!(last.passes_place(Some(u64::MAX - 4095), 4096));
    assert!(!last.passes_place(Some(u64::MAX - 8191), 4096));
    assert!(!last.passes_place(None, 4096));
}

proptest! {
    #[test]
    fn flags_and_raw(
        masks in any::<[u64; 3]>(),
        facts: u64,
        raw: u64,
        raw_mask: u64,
        raw_value: u64,
        few in any::<[u64; 3]>(),
    ) {
        // Of random sets of 64 bits hardly anything would pass.
        let [required, any, excluded] = [0, 1, 2].map(|i| masks[i] & few[i] & (few[i] >> 7) & (few[i] << 9));
        let raw_value = if raw_value & 1 == 0 { raw & raw_mask } else { raw_value & raw_mask };
        let filter = Filter {
            required: Facts(required),
            any: Facts(any),
            excluded: Facts(excluded),
            raw_mask,
            raw_value,
            ..Filter::ALL
        };
        let has = |set: u64, bit: u32| set >> bit & 1 != 0;
        let mut passes = (0..64).all(|bit| !has(required, bit) || has(facts, bit));
        passes &= any == 0 || (0..64).any(|bit| has(any, bit) && has(facts, bit));
        passes &= (0..64).all(|bit| !has(excluded, bit) || !has(facts, bit));
        passes &= (0..64).all(|bit| !has(raw_mask, bit) || has(raw, bit) == has(raw_value, bit));
        prop_assert_eq!(filter.passes(Facts(facts), Raw(raw)), passes);
    }

    #[test]
    fn places(start in 0u64..64, bytes in 1u64..64, at in 0u64..64, size in 1u64..64) {
        let filter = Filter { phys_start: start, phys_end: start + bytes, ..Filter::ALL };
        let overlaps = (at..at + size).any(|byte| (start..start + bytes).contains(&byte));
        prop_assert_eq!(filter.passes_place(Some(at), size), overlaps);
        prop_assert!(!filter.passes_place(None, size));
    }
}
