// SPDX-License-Identifier: GPL-2.0

//! What is said of entries, against entries written by hand from the manuals, and against the header.

mod common;

use common::{Arm, Encode, Node, SOFT, X86, X86_ADDRESS};
use mmlens_core::pt::{
    aarch64::Aarch64,
    entry::{AddressBits, Raw, Rights},
    facts::Facts,
    format::Format,
    level::Level,
    memory::Attributes,
    page::PageKind,
    softleaf::{SoftKind, SoftTypes},
    walk::Found,
    x86_64::X86_64,
};
use std::collections::{BTreeMap, BTreeSet};

const HEADER: &str = include_str!("../../../rust/uapi/mmlens.h");

/// The bits of `MMLENS_PT_*` in the header, by their names without that.
fn header() -> BTreeMap<String, u64> {
    let define = |line: &str| {
        let (name, rest) = line
            .strip_prefix("#define MMLENS_PT_")?
            .split_once("\t(1ULL << ")
            .or_else(|| line["#define MMLENS_PT_".len()..].split_once("(1ULL << "))?;
        let bit: u32 = rest.split_once(')')?.0.parse().ok()?;
        Some((name.trim().to_string(), 1 << bit))
    };
    HEADER.lines().filter_map(define).collect()
}

#[test]
fn numbers_are_those_of_the_header() {
    let facts: BTreeMap<String, u64> = Facts::WORDS
        .iter()
        .map(|(fact, word)| (word.to_uppercase().replace('-', "_"), fact.0))
        .collect();
    assert!(facts.len() > 40);
    assert_eq!(facts, header());
    let levels = HEADER
        .lines()
        .find_map(|line| line.strip_prefix("#define MMLENS_LEVELS\t\t"));
    assert!(levels.is_some_and(|levels| levels.starts_with("5\t")));
}

#[test]
fn words_are_unique_and_found() {
    let words: BTreeSet<&str> = Facts::WORDS.iter().map(|&(_, word)| word).collect();
    assert_eq!(words.len(), Facts::WORDS.len());
    let mut all = 0;
    for &(fact, word) in Facts::WORDS {
        assert_eq!(fact.0.count_ones(), 1, "{word}");
        assert!(fact.0 > all, "{word}: in the order of the bits");
        all |= fact.0;
        assert_eq!(Facts::from_word(word), Some(fact));
        assert_eq!(fact.words().collect::<Vec<_>>(), [word]);
    }
    assert_eq!(Facts::ALL.0, all);
    for word in ["", "Pte", "pte ", "unknown"] {
        assert_eq!(Facts::from_word(word), None, "{word:?}");
    }
    assert_eq!(Facts::ALL.words().count(), Facts::WORDS.len());
}

#[test]
fn sets() {
    let levels = Level::TOP_DOWN.map(Facts::of_level);
    assert_eq!(levels.iter().fold(0, |all, f| all | f.0), Facts::LEVELS.0);
    for level in Level::TOP_DOWN {
        assert_eq!(
            Facts::of_level(level).with(Facts::HOLE).level(),
            Some(level)
        );
    }
    assert_eq!(Facts::PRESENT.level(), None);
    let pages = (1..=9).map(|n| Facts::of_page(PageKind::from_number(n)).0);
    assert_eq!(pages.fold(0, |all, f| all | f), Facts::PAGES.0);
    assert_eq!(Facts::of_page(PageKind::Unknown), Facts(0));
    assert!(Facts::PRESENT.has(Facts(0)) && !Facts(0).has(Facts::PRESENT));
}

fn found<F: Format>(format: &F, level: Level, raw: u64, limits: Rights, page: PageKind) -> Facts {
    let found = Found {
        start: 0x1000,
        end: 0x2000,
        level,
        raw: Raw(raw),
        entry: format.decode(Raw(raw), level),
        at: 0,
        limits,
        page,
    };
    Facts::of(format, &found)
}

/// What is said of an entry, as words; of nothing above, and of a page that nobody looked at.
fn words<F: Format>(format: &F, level: Level, raw: u64) -> String {
    let facts = found(format, level, raw, Rights::ALL, PageKind::Unknown);
    facts.words().collect::<Vec<_>>().join(" ")
}

/// P, US, A: a clean page that may be read and executed.
const X86_LEAF: u64 = 0x1234_5000 | 0x25;
const NX: u64 = 1 << 63;

#[test]
fn leaves_of_x86_64() {
    let format = X86.format();
    for (raw, expected) in [
        (X86_LEAF, "read exec accessed wb"),
        (X86_LEAF & !0x20, "read exec wb"),
        (X86_LEAF | NX, "read accessed wb"),
        (X86_LEAF | NX | 0x2, "read write accessed wb"),
        (X86_LEAF | NX | 0x42, "read write accessed dirty wb"),
        // Dirty and not writable: of a shadow stack. Saved dirty is not.
        (X86_LEAF | NX | 0x40, "read accessed dirty shadow-stack wb"),
        (X86_LEAF | NX | 1 << 58, "read accessed dirty wb"),
        (X86_LEAF | NX | 1 << 9, "read accessed special wb"),
        (X86_LEAF | NX | 1 << 10, "read accessed uffd wb"),
        (X86_LEAF | NX | 1 << 11, "read accessed soft-dirty wb"),
        // G of a present entry is nothing.
        (X86_LEAF | NX | 1 << 8, "read accessed wb"),
        // A protection key.
        (X86_LEAF | NX | 5 << 59, "read accessed wb"),
        // Not for user space.
        (0x1234_5021, "accessed wb"),
        // The PAT of Linux: WB WC UC- UC WB WP UC- WT.
        (X86_LEAF | 0x08, "read exec accessed wc"),
        (X86_LEAF | 0x10, "read exec accessed uc"),
        (X86_LEAF | 0x18, "read exec accessed uc"),
        (X86_LEAF | 0x80, "read exec accessed wb"),
        (X86_LEAF | 0x88, "read exec accessed other-type"),
        (X86_LEAF | 0x98, "read exec accessed wt"),
    ] {
        let expected = format!("pte present {expected}");
        assert_eq!(words(&format, Level::Pte, raw), expected, "{raw:#x}");
    }
    let none = X86.node(Level::Pte, Node::ProtNone { pfn: 0x12345 });
    let expected = "pte present accessed protnone wb";
    assert_eq!(words(&format, Level::Pte, none), expected);
    // Huge: PSE, and PAT is another bit.
    for (level, name) in [(Level::Pmd, "pmd"), (Level::Pud, "pud")] {
        let raw = 0x4000_0000 | 0x25 | 0x80;
        let expected = format!("{name} present read exec accessed");
        assert_eq!(words(&format, level, raw), format!("{expected} wb"));
        let raw = raw | 1 << 12 | 0x18;
        assert_eq!(words(&format, level, raw), format!("{expected} wt"));
    }
}

#[test]
fn machines_of_x86_64() {
    let format = X86_64 {
        encryption: 1 << 51,
        address: AddressBits {
            low: X86_ADDRESS.low & !(1 << 51),
            ..X86_ADDRESS
        },
        has_shadow_stack: false,
        ..X86.format()
    };
    let raw = X86_LEAF | NX | 1 << 51 | 0x40;
    let expected = "pte present read accessed dirty encrypted wb";
    assert_eq!(words(&format, Level::Pte, raw), expected);
    // With page-table isolation, NX of the kernel's copy of a user entry means nothing.
    let table = X86.table(0x777) | NX;
    let pti = X86_64 {
        has_pti: true,
        ..X86.format()
    };
    assert_eq!(words(&pti, Level::Pgd, table), "pgd table read write exec");
    assert_eq!(
        words(&X86.format(), Level::Pgd, table),
        "pgd table read write"
    );
}

#[test]
fn what_is_no_leaf_on_x86_64() {
    let format = X86.format();
    // A and D of what is not there: an erratum.
    for raw in [0, 0x20, 0x40, 0x60] {
        assert_eq!(words(&format, Level::Pte, raw), "pte hole");
    }
    assert_eq!(words(&format, Level::Pud, 0), "pud hole");
    let table = X86.table(0x777);
    assert_eq!(
        words(&format, Level::Pmd, table),
        "pmd table read write exec"
    );
    assert_eq!(
        words(&format, Level::P4d, table & !2),
        "p4d table read exec"
    );
    // Neither a leaf nor with the bits of a table.
    assert_eq!(words(&format, Level::Pmd, 0x777025), "pmd bad");
}

/// Types and offsets, and what they are, with the numbers of `common::SOFT`.
const SOFTS: &[(u8, u64, &str)] = &[
    (0, 0x77, "swap"),
    (23, 0x77, "swap"),
    (24, 0x77, "hwpoison"),
    (25, 0x77, "migration"),
    (26, 0x77, "migration"),
    (27, 0x77, "migration"),
    (28, 0x77, "device-page"),
    (29, 0x77, "device-page"),
    (30, 0x77, "device-page"),
    (31, 0, "marker"),
    (31, 2, "marker poisoned"),
    (31, 4, "marker guard"),
    (31, 6, "marker guard poisoned"),
];

#[test]
fn notes() {
    let arm = Arm {
        page_shift: 12,
        pa52: false,
        levels: 4,
    };
    for &(number, offset, expected) in SOFTS {
        let node = Node::Soft { number, offset };
        let raw = X86.node(Level::Pte, node);
        let format = X86.format();
        let expected = format!("pte nonpresent {expected}");
        assert_eq!(words(&format, Level::Pte, raw), expected);
        assert_eq!(
            words(&arm.format(), Level::Pte, arm.node(Level::Pte, node)),
            expected
        );
        let is_marker = number == 31;
        let more = found(&format, Level::Pte, raw | 6, Rights::ALL, PageKind::Unknown);
        assert!(more.has(Facts::SOFT_DIRTY));
        // A marker says it in its offset.
        assert_eq!(more.has(Facts::UFFD), !is_marker);
        let raw = arm.node(Level::Pte, node) | 8;
        let more = found(
            &arm.format(),
            Level::Pte,
            raw,
            Rights::ALL,
            PageKind::Unknown,
        );
        assert_eq!(more.has(Facts::UFFD), !is_marker);
    }
    let marker = Node::Soft {
        number: 31,
        offset: 1,
    };
    let raw = X86.node(Level::Pte, marker);
    assert_eq!(
        words(&X86.format(), Level::Pte, raw),
        "pte nonpresent uffd marker"
    );
    // A type that the kernel has no meaning for.
    let format = X86_64 {
        soft: SoftTypes {
            kinds: [SoftKind::Unknown; 32],
            ..SOFT
        },
        ..X86.format()
    };
    assert_eq!(words(&format, Level::Pte, raw), "pte nonpresent");
}

/// A valid page with AF, nG, user, PXN and UXN, read-only, of memory type 0.
const ARM_LEAF: u64 = 0x1234_5000 | 3 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 11 | 3 << 53;

#[test]
fn leaves_of_arm64() {
    let arm = Arm {
        page_shift: 12,
        pa52: false,
        levels: 4,
    };
    // WB, Tagged, NC, nGnRE, GRE, WT, one without a name, nGRE.
    let format = Aarch64 {
        mair: Attributes(0x0812_bb0c_0444_f0ff),
        ..arm.format()
    };
    for (raw, expected) in [
        (ARM_LEAF, "read accessed wb"),
        (ARM_LEAF & !(1 << 10), "read wb"),
        (ARM_LEAF & !(1 << 54), "read exec accessed wb"),
        // Execute-only, and not at all.
        (ARM_LEAF & !(1 << 54 | 1 << 6), "exec accessed wb"),
        (ARM_LEAF & !(1 << 6), "accessed wb"),
        // DBM: writable; clean, and then written to by the hardware.
        (ARM_LEAF | 1 << 51, "read write accessed wb"),
        (
            ARM_LEAF & !(1 << 7) | 1 << 51,
            "read write accessed dirty wb",
        ),
        (ARM_LEAF | 1 << 55, "read accessed dirty wb"),
        (ARM_LEAF | 1 << 52, "read accessed cont wb"),
        (ARM_LEAF | 1 << 56, "read accessed special wb"),
        (ARM_LEAF | 1 << 58, "read accessed uffd wb"),
        (ARM_LEAF | 1 << 2, "read accessed wb"),
        (ARM_LEAF | 2 << 2, "read accessed wc"),
        (ARM_LEAF | 3 << 2, "read accessed device"),
        (ARM_LEAF | 4 << 2, "read accessed device"),
        (ARM_LEAF | 5 << 2, "read accessed wt"),
        (ARM_LEAF | 6 << 2, "read accessed other-type"),
        (ARM_LEAF | 7 << 2, "read accessed device"),
    ] {
        let expected = format!("pte present {expected}");
        assert_eq!(words(&format, Level::Pte, raw), expected, "{raw:#x}");
    }
    // nGnRnE, with the registers of Linux.
    let expected = "pte present read accessed device";
    assert_eq!(
        words(&arm.format(), Level::Pte, ARM_LEAF | 3 << 2),
        expected
    );
    let none = arm.node(Level::Pte, Node::ProtNone { pfn: 0x12345 });
    assert_eq!(words(&format, Level::Pte, none), "pte present protnone wb");
    // A block above.
    let block = ARM_LEAF & !0x20_0000 & !0x1f_f002;
    let expected = "pmd present read accessed wb";
    assert_eq!(words(&format, Level::Pmd, block), expected);
}

#[test]
fn what_is_no_leaf_on_arm64() {
    let arm = Arm {
        page_shift: 16,
        pa52: true,
        levels: 3,
    };
    let format = arm.format();
    assert_eq!(words(&format, Level::Pte, 0), "pte hole");
    let table = arm.table(0x777);
    assert_eq!(
        words(&format, Level::Pmd, table),
        "pmd table read write exec"
    );
    let limited = |bits: u64| words(&format, Level::Pgd, table | bits);
    assert_eq!(limited(1 << 60), "pgd table read write");
    assert_eq!(limited(1 << 62), "pgd table read exec");
    assert_eq!(limited(1 << 61), "pgd table exec");
    // A block where there can be none.
    assert_eq!(words(&format, Level::Pte, 0x77_0000 | 1), "pte bad");
}

#[test]
fn tables_above_and_pages_behind() {
    let format = X86.format();
    let raw = X86_LEAF | 2;
    for (read, write, exec) in [
        (true, false, true),
        (false, false, false),
        (true, true, false),
    ] {
        let limits = Rights { read, write, exec };
        let facts = found(&format, Level::Pte, raw, limits, PageKind::Unknown);
        assert_eq!(facts.has(Facts::READ), read);
        assert_eq!(facts.has(Facts::WRITE), write);
        assert_eq!(facts.has(Facts::EXEC), exec);
    }
    for n in 0..=9 {
        let page = PageKind::from_number(n);
        let facts = found(&format, Level::Pte, raw, Rights::ALL, page);
        assert_eq!(facts.0 & Facts::PAGES.0, Facts::of_page(page).0);
        // What is no leaf has no page.
        let facts = found(&format, Level::Pte, 0, Rights::ALL, page);
        assert_eq!(facts, Facts::PTE.with(Facts::HOLE));
    }
}
