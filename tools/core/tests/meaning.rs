// SPDX-License-Identifier: GPL-2.0

//! What entries mean: rights over all levels, memory types, what is not present, contiguous ranges.

mod common;

use common::{Encode, Node, ARM_4K, SOFT, X86};
use mmlens_core::pt::{
    aarch64::Aarch64,
    coalesce::Run,
    entry::{Entry, Raw, Rights},
    format::Format,
    level::Level,
    page::PageKind,
    show::{self, Context},
    softleaf::SoftKind,
    walk::Found,
    x86_64::X86_64,
};
use mmlens_core::text::vma_flags::VmaFlags;
use proptest::prelude::*;

const READ_WRITE: Context = Context {
    flags: VmaFlags(0b11),
    is_anonymous: true,
    has_anon_vma: true,
};

fn found<F: Format>(format: &F, level: Level, raw: u64) -> Found {
    Found {
        start: 0x7000_0000_0000,
        end: 0x7000_0000_1000,
        level,
        raw: Raw(raw),
        entry: format.decode(Raw(raw), level),
        at: 0,
        limits: Rights::ALL,
        page: PageKind::Anon,
    }
}

/// The line from the kind on.
fn words<F: Format>(format: &F, context: &Context, found: &Found) -> String {
    let mut out = String::new();
    show::write_entry(&mut out, format, context, found).unwrap();
    out.split_whitespace().skip(4).collect::<Vec<_>>().join(" ")
}

/// Each kind of non-present entry, as a kernel with all options numbers them.
#[test]
fn kinds_of_what_is_not_present() {
    const PFN_MASK: u64 = (1 << 40) - 1;
    let young_dirty = |pfn: u64, bits: u64| pfn | bits << 40;
    for (number, offset, kind, expected) in [
        (
            0,
            0x55,
            SoftKind::Swap,
            "swap - --- --- - - type=0 offset=0x55",
        ),
        (
            3,
            0x1,
            SoftKind::Swap,
            "swap - --- --- - - type=3 offset=0x1",
        ),
        (24, 0x77, SoftKind::HwPoison, "hwpoison 0x77 --- --- - -"),
        (
            25,
            0x99,
            SoftKind::MigrationRead,
            "migration 0x99 --- --- - - read",
        ),
        (
            26,
            young_dirty(0x99, 1),
            SoftKind::MigrationReadExclusive,
            "migration 0x99 --- --- - - read-exclusive young",
        ),
        (
            27,
            young_dirty(0x99, 3),
            SoftKind::MigrationWrite,
            "migration 0x99 --- --- - - write young dirty",
        ),
        (
            28,
            0x12,
            SoftKind::DevicePrivateWrite,
            "device 0x12 --- --- - - private-write",
        ),
        (
            29,
            0x12,
            SoftKind::DevicePrivateRead,
            "device 0x12 --- --- - - private-read",
        ),
        (
            30,
            0x12,
            SoftKind::DeviceExclusive,
            "device 0x12 --- --- - - exclusive",
        ),
        (31, 0x1, SoftKind::Marker, "marker - --- --- - - uffd-wp"),
        (31, 0x2, SoftKind::Marker, "marker - --- --- - - poisoned"),
        (31, 0x4, SoftKind::Marker, "marker - --- --- - - guard"),
        // A bit that later kernels may give a meaning.
        (
            31,
            0xc,
            SoftKind::Marker,
            "marker - --- --- - - guard flags=0x8",
        ),
    ] {
        let soft = SOFT.decode(number, offset);
        assert_eq!(soft.kind, kind);
        if soft.pfn().is_some() {
            assert_eq!(soft.pfn(), Some(offset & PFN_MASK));
        }
        let node = Node::Soft { number, offset };
        let x86 = found(&X86.format(), Level::Pte, X86.node(Level::Pte, node));
        assert_eq!(words(&X86.format(), &READ_WRITE, &x86), expected);
        let arm = found(&ARM_4K.format(), Level::Pte, ARM_4K.node(Level::Pte, node));
        assert_eq!(words(&ARM_4K.format(), &READ_WRITE, &arm), expected);
    }
}

/// A run of swapped pages says its first slot if the slots follow one another.
#[test]
fn runs_of_swapped_pages() {
    let raw = X86.node(
        Level::Pte,
        Node::Soft {
            number: 1,
            offset: 0x20,
        },
    );
    let mut run = Run {
        first: found(&X86.format(), Level::Pte, raw),
        entries: 2,
        contiguous: true,
    };
    for (contiguous, expected) in [
        (true, "type=1 offset=0x20"),
        (false, "type=1 offset=scattered"),
    ] {
        run.contiguous = contiguous;
        let mut out = String::new();
        show::write_run(&mut out, &X86.format(), &READ_WRITE, &run).unwrap();
        assert!(out.trim_end().ends_with(expected), "{out}");
    }
}

/// A type that the kernel has no meaning for is shown with its numbers.
#[test]
fn unknown_types_are_numbers() {
    let mut soft = SOFT;
    soft.kinds[5] = SoftKind::Unknown;
    let format = X86_64 {
        soft,
        ..X86.format()
    };
    let raw = X86.node(
        Level::Pte,
        Node::Soft {
            number: 5,
            offset: 9,
        },
    );
    assert_eq!(
        words(&format, &READ_WRITE, &found(&format, Level::Pte, raw)),
        "nonpresent - --- --- - - type=5 offset=0x9"
    );
}

/// Intel SDM volume 3, table 11-11, with the kernel's PAT: index PAT PCD PWT.
#[test]
fn x86_64_memory_types() {
    for (bits, expected) in [
        (0, "WB"),
        (0b01 << 3, "WC"),
        (0b10 << 3, "UC-"),
        (0b11 << 3, "UC"),
        (1 << 7, "WB"),
        (1 << 7 | 0b01 << 3, "WP"),
        (1 << 7 | 0b10 << 3, "UC-"),
        (1 << 7 | 0b11 << 3, "WT"),
    ] {
        let pte = X86.format().memory_type(Raw(0x1025 | bits), Level::Pte);
        assert_eq!(pte.to_string(), expected);
        // Huge leaves have PAT in bit 12, and PSE in bit 7.
        let pat = if bits & 1 << 7 != 0 { 1 << 12 } else { 0 };
        let raw = 0x4000_00a5 | (bits & 0b11 << 3) | pat;
        let pmd = X86.format().memory_type(Raw(raw), Level::Pmd);
        assert_eq!(pmd.to_string(), expected);
    }
}

#[test]
fn arm64_memory_types() {
    for (index, expected) in [
        (0u64, "WB"),
        (1, "Tagged"),
        (2, "NC"),
        (3, "nGnRnE"),
        (4, "nGnRE"),
    ] {
        let raw = Raw(0x43f5_ff43 & !(7 << 2) | index << 2);
        let kind = ARM_4K.format().memory_type(raw, Level::Pte);
        assert_eq!(kind.to_string(), expected);
    }
    let odd = Aarch64 {
        mair: mmlens_core::pt::memory::Attributes(0x5a),
        ..ARM_4K.format()
    };
    assert_eq!(
        odd.memory_type(Raw(0x43f5_ff43), Level::Pte).to_string(),
        "0x5a"
    );
}

/// What a table takes away, whatever the leaf below says.
#[test]
fn tables_limit_rights() {
    let rights = |read, write, exec| Rights { read, write, exec };
    // P RW US A D; without RW, without US, with NX.
    for (raw, expected) in [
        (0x1067, rights(true, true, true)),
        (0x1065, rights(true, false, true)),
        (0x1063, rights(false, false, false)),
        (0x8000_0000_0000_1067, rights(true, true, false)),
    ] {
        let format = X86.format();
        let entry = Entry::Table { pfn: 1 };
        assert_eq!(format.rights(Raw(raw), &entry, Level::Pmd), expected);
        // With page-table isolation, NX of the kernel's top table is not for user space.
        let pti = X86_64 {
            has_pti: true,
            ..format
        };
        let top = Rights {
            exec: true,
            ..expected
        };
        let top = if expected.read { top } else { expected };
        assert_eq!(pti.rights(Raw(raw), &entry, Level::Pgd), top);
        assert_eq!(pti.rights(Raw(raw), &entry, Level::Pud), expected);
    }
    // Arm ARM, "Hierarchical control of access permissions": UXNTable 60, APTable 62:61.
    for (raw, expected) in [
        (0x1003, rights(true, true, true)),
        (1 << 60 | 0x1003, rights(true, true, false)),
        (1 << 61 | 0x1003, rights(false, false, true)),
        (1 << 62 | 0x1003, rights(true, false, true)),
        (7 << 60 | 0x1003, rights(false, false, false)),
    ] {
        let entry = Entry::Table { pfn: 1 };
        assert_eq!(
            ARM_4K.format().rights(Raw(raw), &entry, Level::Pmd),
            expected
        );
    }
}

/// Effective rights are beside the leaf's own.
#[test]
fn effective_rights_are_shown() {
    let format = X86.format();
    let mut leaf = found(&format, Level::Pte, 0x1067);
    assert_eq!(
        words(&format, &READ_WRITE, &leaf),
        "leaf 0x1 rwx rwx WB anon P RW US A D W+X"
    );
    leaf.limits.exec = false;
    assert_eq!(
        words(&format, &READ_WRITE, &leaf),
        "leaf 0x1 rwx rw- WB anon P RW US A D"
    );
}

#[test]
fn words_for_what_no_bit_says() {
    let format = X86.format();
    // Dirty and not writable: a shadow stack.
    assert_eq!(
        words(
            &format,
            &READ_WRITE,
            &found(&format, Level::Pte, 0x8000_0000_0000_1065)
        ),
        "leaf 0x1 r-- r-- WB anon P US A D NX shadow-stack"
    );
    let without = X86_64 {
        has_shadow_stack: false,
        ..format
    };
    assert_eq!(
        words(
            &without,
            &READ_WRITE,
            &found(&format, Level::Pte, 0x8000_0000_0000_1065)
        ),
        "leaf 0x1 r-- r-- WB anon P US A D NX"
    );
    // PROT_NONE where the VMA allows access is a NUMA hint.
    let raw = X86.node(Level::Pte, Node::ProtNone { pfn: 5 });
    let none = Context::default();
    let leaf = found(&format, Level::Pte, raw);
    assert_eq!(
        words(&format, &READ_WRITE, &leaf),
        "leaf 0x5 --- --- WB anon A PROTNONE numa-hint"
    );
    assert_eq!(
        words(&format, &none, &leaf),
        "leaf 0x5 --- --- WB anon A PROTNONE"
    );
    let raw = ARM_4K.node(Level::Pte, Node::ProtNone { pfn: 5 });
    assert!(words(
        &ARM_4K.format(),
        &READ_WRITE,
        &found(&ARM_4K.format(), Level::Pte, raw)
    )
    .ends_with("PRESENT_INVALID numa-hint"));
}

/// hugetlb inverts down to bit 12, transparent huge pages the frame only: neither has PAT.
#[test]
fn huge_pages_without_access() {
    let format = X86.format();
    for raw in [0x000f_ffff_803f_f1a0, 0x000f_ffff_8020_01a0] {
        let leaf = found(&format, Level::Pmd, raw);
        assert_eq!(
            words(&format, &Context::default(), &leaf),
            "leaf 0x7fc00 --- --- WB anon A PSE PROTNONE"
        );
    }
}

/// Since 7.3 a userfaultfd may protect from reading too, in the same way.
#[test]
fn protection_by_userfaultfd_is_no_hint() {
    let rwp = Context {
        flags: VmaFlags(0b11 | 1 << 43),
        ..READ_WRITE
    };
    let x86 = X86.node(Level::Pte, Node::ProtNone { pfn: 5 });
    let arm = ARM_4K.node(Level::Pte, Node::ProtNone { pfn: 5 });
    for (bit, word) in [(0, "numa-hint"), (1, "uffd-rwp")] {
        let leaf = found(&X86.format(), Level::Pte, x86 | bit << 10);
        assert!(words(&X86.format(), &rwp, &leaf).ends_with(word));
        let leaf = found(&ARM_4K.format(), Level::Pte, arm | bit << 58);
        assert!(words(&ARM_4K.format(), &rwp, &leaf).ends_with(word));
    }
}

#[test]
fn holes_have_reasons() {
    let format = X86.format();
    let hole = |level| found(&format, level, 0);
    let words = |context: &Context, level| words(&format, context, &hole(level));
    assert_eq!(words(&READ_WRITE, Level::Pte), "hole - --- --- - - empty");
    assert_eq!(
        words(&READ_WRITE, Level::Pmd),
        "hole - --- --- - - no-table"
    );
    assert_eq!(
        words(&Context::default(), Level::Pte),
        "hole - --- --- - - empty no-access"
    );
    let untouched = Context {
        has_anon_vma: false,
        ..READ_WRITE
    };
    assert_eq!(
        words(&untouched, Level::Pud),
        "hole - --- --- - - no-table never-written"
    );
    let asked_for = Context {
        flags: VmaFlags(0b11 | 1 << 9),
        ..READ_WRITE
    };
    assert_eq!(
        words(&asked_for, Level::Pte),
        "hole - --- --- - - empty uffd-missing"
    );
}

proptest! {
    /// What is effective is in both.
    #[test]
    fn rights_only_get_fewer(raw: u64, above: u64) {
        let format = X86.format();
        let table = format.decode(Raw(above), Level::Pmd);
        let mut leaf = found(&format, Level::Pte, raw);
        leaf.limits = format.rights(Raw(above), &table, Level::Pmd);
        let own = format.rights(leaf.raw, &leaf.entry, leaf.level);
        let effective = leaf.effective(&format);
        prop_assert_eq!(effective.and(own), effective);
        prop_assert_eq!(effective.and(leaf.limits), effective);
    }
}
