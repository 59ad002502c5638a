// SPDX-License-Identifier: GPL-2.0

//! What VMAs are for.

use mmlens_core::text::{
    layout::{Bases, Facts, FileRole, Kind, Label, Mark},
    vma_flags::VmaFlags,
};

const R: u64 = 0x1;
const W: u64 = 0x2;
const X: u64 = 0x4;
const SHARED: u64 = 0x88;
const GROWSDOWN: u64 = 0x100;
const PFNMAP: u64 = 0x400;
const HUGETLB: u64 = 1 << 22;
const NOHUGEPAGE: u64 = 1 << 30;

fn facts(flags: u64, file: FileRole) -> Facts<'static> {
    Facts {
        flags: VmaFlags(flags),
        is_anon: false,
        label: Label::None,
        file,
        before: None,
    }
}

fn kind(flags: u64, file: FileRole) -> &'static str {
    Kind::of(&facts(flags, file)).name()
}

fn above(flags: u64, before: (FileRole, u64)) -> &'static str {
    let before = Some((before.0, VmaFlags(before.1)));
    Kind::of(&Facts {
        before,
        ..facts(flags, FileRole::None)
    })
    .name()
}

fn labelled(label: Label<'_>) -> &'static str {
    Kind::of(&Facts {
        label,
        ..facts(R, FileRole::None)
    })
    .name()
}

#[test]
fn images_have_segments() {
    use FileRole::{Library, Other, Program};
    assert_eq!(kind(R, Program), "rodata");
    assert_eq!(kind(R | X, Program), "text");
    assert_eq!(kind(R | W, Program), "data");
    assert_eq!(kind(R | W | X, Program), "text");
    assert_eq!(kind(0, Program), "guard");
    assert_eq!(kind(R | SHARED, Program), "file");
    assert_eq!(kind(R, Library), "lib-rodata");
    assert_eq!(kind(R | X, Library), "lib-text");
    assert_eq!(kind(R | W, Library), "lib-data");
    assert_eq!(kind(R | W, Other), "file");
    let relro = Facts {
        is_anon: true,
        ..facts(R, Program)
    };
    assert_eq!(Kind::of(&relro).name(), "relro");
}

#[test]
fn anonymous_memory_is_told_by_what_is_below() {
    use FileRole::{Library, None, Other, Program};
    assert_eq!(kind(R | W, None), "anon");
    assert_eq!(kind(0, None), "guard");
    assert_eq!(kind(R | W | GROWSDOWN, None), "grows-down");
    assert_eq!(above(R | W, (Program, R | W)), "bss");
    assert_eq!(above(R | W, (Library, R | W)), "lib-bss");
    assert_eq!(above(R | W, (Other, R | W)), "anon");
    assert_eq!(above(R | W, (None, R | W)), "anon");
    assert_eq!(above(R | W, (Program, R)), "anon");
    assert_eq!(above(R | W | SHARED, (Program, R | W)), "anon");
    // pthread_create()
    assert_eq!(
        above(R | W | NOHUGEPAGE, (None, NOHUGEPAGE)),
        "thread-stack"
    );
    assert_eq!(above(R | W, (None, NOHUGEPAGE)), "anon");
    assert_eq!(above(R | W | NOHUGEPAGE, (None, R | W)), "anon");
}

#[test]
fn names_of_the_kernel_come_first() {
    assert_eq!(labelled(Label::Heap), "heap");
    assert_eq!(labelled(Label::Stack), "stack");
    assert_eq!(labelled(Label::Special(b"[vdso]")), "vdso");
    assert_eq!(labelled(Label::Special(b"[vvar]")), "vvar");
    assert_eq!(labelled(Label::Special(b"[vvar_vclock]")), "vvar");
    assert_eq!(labelled(Label::Special(b"[sigpage]")), "special");
    assert_eq!(labelled(Label::Given), "anon");
    assert_eq!(kind(R | HUGETLB, FileRole::Other), "hugetlb");
    assert_eq!(kind(R | PFNMAP, FileRole::Other), "device");
}

/// Between them, neighbours show each mark once.
#[test]
fn marks_belong_to_one_range() {
    for mark in [Mark::start("a", 0x2000), Mark::end("b", 0x2000)] {
        assert_ne!(mark.is_in(0x1000, 0x2000), mark.is_in(0x2000, 0x3000));
        assert_eq!(mark.is_in(0x1000, 0x2000), mark.is_end);
        assert!(mark.is_in(0x1000, 0x3000));
        assert!(!mark.is_in(0x3000, 0x4000));
    }
}

/// As processes without randomisation have them.
#[test]
fn bases_are_those_of_the_kernel() {
    assert_eq!(
        Bases::x86_64(0x7fff_ffff_f000, 4096),
        Bases {
            stack_top: 0x7fff_ffff_f000,
            program: 0x5555_5555_4000,
            unmapped: 0x2aaa_aaaa_b000,
        }
    );
    assert_eq!(Bases::x86_64(0xffff_e000, 4096).program, 0x5655_5000);
    assert_eq!(
        Bases::aarch64(1 << 48, 4096),
        Bases {
            stack_top: 1 << 48,
            program: 0xaaaa_aaaa_a000,
            unmapped: 1 << 46,
        }
    );
    assert_eq!(Bases::aarch64(0xffff_0000, 4096).program, 0x40_0000);
}
