// SPDX-License-Identifier: GPL-2.0

//! Words of the file `mm`.

use mmlens_core::text::{
    auxv::{entries, Entry, Width},
    mm_flags::{Membarrier, MmFlags},
    FieldName, Named,
};
use proptest::prelude::*;

#[test]
fn bits_have_a_name_or_a_number() {
    let names = ["ONE", "", "FOUR"];
    for (bits, expected) in [
        (0, "0"),
        (1, "ONE"),
        (5, "ONE|FOUR"),
        (7, "ONE|0x2|FOUR"),
        (1 << 63 | 4, "FOUR|0x8000000000000000"),
    ] {
        assert_eq!(Named(bits, &names).to_string(), expected);
    }
}

/// Bit numbers of `include/linux/mm_types.h` and `include/linux/sched/mm.h`.
#[test]
fn flags_have_the_names_of_the_headers() {
    for (bit, name) in [
        (2, "MMF_DUMP_ANON_PRIVATE"),
        (10, "MMF_DUMP_DAX_SHARED"),
        (16, "MMF_VM_MERGEABLE"),
        (21, "MMF_OOM_SKIP"),
        (24, "MMF_DISABLE_THP_COMPLETELY"),
        (26, "MMF_MULTIPROCESS"),
        (28, "MMF_HAS_MDWE"),
        (31, "MMF_TOPDOWN"),
        (11, "0x800"),
        (32, "0x100000000"),
    ] {
        assert_eq!(MmFlags(1 << bit).to_string(), name);
    }
    assert_eq!(
        Membarrier(3).to_string(),
        "PRIVATE_EXPEDITED_READY|PRIVATE_EXPEDITED"
    );
    assert_eq!(Membarrier(0x80).to_string(), "PRIVATE_EXPEDITED_RSEQ");
    assert_eq!(Membarrier(0x100).to_string(), "0x100");
}

#[test]
fn values_stand_in_a_column() {
    assert_eq!(FieldName("", "pid").to_string(), format!("{:<25}", "pid:"));
    assert_eq!(
        FieldName("auxv ", "AT_PHDR").to_string(),
        format!("{:<25}", "auxv AT_PHDR:")
    );
    assert_eq!(
        FieldName("", &"x".repeat(24)).to_string(),
        "x".repeat(24) + ": "
    );
}

#[test]
fn auxiliary_entries_are_lines() {
    let line = |kind, value| {
        let text = Entry { kind, value }.to_string();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line(3, 0x400040), "auxv AT_PHDR: 0x400040");
    assert_eq!(line(6, 4096), "auxv AT_PAGESZ: 4096");
    assert_eq!(line(33, 0xffff_f000), "auxv AT_SYSINFO_EHDR: 0xfffff000");
    assert_eq!(line(51, 3632), "auxv AT_MINSIGSTKSZ: 3632");
    assert_eq!(line(99, 16), "auxv 99: 0x10");
}

/// The end is AT_NULL; a vector of which the end is missing, or half an entry, ends with the words.
#[test]
fn auxiliary_vectors_end() {
    let read = |words: &[u64], width| entries(words, width).collect::<Vec<_>>();
    assert_eq!(read(&[], Width::Bits64), []);
    assert_eq!(read(&[0, 7, 3, 1], Width::Bits64), []);
    assert_eq!(
        read(&[3, 7, 6], Width::Bits64),
        [Entry { kind: 3, value: 7 }]
    );
    assert_eq!(
        read(&[3, 7, 0, 0, 6, 1], Width::Bits64),
        [Entry { kind: 3, value: 7 }]
    );
    assert_eq!(read(&[], Width::Bits32), []);
}

proptest! {
    /// As `create_elf_tables()` writes them: an array of the program's own words, then zeros.
    #[test]
    fn auxiliary_vectors_are_read_as_they_were_written(
        pairs in proptest::collection::vec((1..=u32::MAX, any::<u32>()), 0..20),
    ) {
        let expected: Vec<Entry> = pairs
            .iter()
            .map(|&(kind, value)| Entry { kind: kind.into(), value: value.into() })
            .collect();
        let wide: Vec<u64> = expected.iter().flat_map(|e| [e.kind, e.value]).chain([0, 0]).collect();
        prop_assert_eq!(entries(&wide, Width::Bits64).collect::<Vec<_>>(), expected.clone());

        let mut bytes: Vec<u8> = pairs
            .iter()
            .flat_map(|&(kind, value)| [kind.to_ne_bytes(), value.to_ne_bytes()].concat())
            .collect();
        bytes.resize(bytes.len() + 8, 0);
        let narrow: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|word| u64::from_ne_bytes(word.try_into().unwrap()))
            .collect();
        prop_assert_eq!(entries(&narrow, Width::Bits32).collect::<Vec<_>>(), expected);
    }
}
