// SPDX-License-Identifier: GPL-2.0

//! Why things are as they are.

mod common;

use common::{Encode, ARM_4K, X86};
use mmlens_core::pt::{
    entry::{Entry, Rights},
    format::Format,
    page::PageKind,
    softleaf::{SoftKind, SoftLeaf},
};
use mmlens_core::query::{
    huge::{self, Disabled, Mapped, WhyNot},
    reason::{Facts, Reason, Vma},
};
use mmlens_core::text::{page_flags::PageFlags, vma_flags::VmaFlags};

const READ: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const SHARED: u64 = 1 << 3;

fn rights(write: bool) -> Rights {
    Rights {
        read: true,
        write,
        exec: false,
    }
}

/// A read-only leaf of a private anonymous VMA that may be written to.
fn leaf() -> Facts {
    Facts {
        entry: Entry::Leaf { pfn: 1 },
        rights: rights(false),
        is_protnone: false,
        is_uffd: false,
        is_soft_dirty: false,
        is_special: false,
        page: PageKind::Anon,
        is_exclusive: Some(true),
        map_count: Some(1),
        vma: Vma {
            flags: VmaFlags(READ | WRITE),
            is_anonymous: true,
            has_anon_vma: true,
            ..Vma::default()
        },
    }
}

fn with_flags(facts: Facts, flags: u64) -> Facts {
    let vma = Vma {
        flags: VmaFlags(flags),
        ..facts.vma
    };
    Facts { vma, ..facts }
}

#[test]
fn reasons_of_leaves() {
    let file = Facts {
        page: PageKind::File,
        is_exclusive: None,
        ..leaf()
    };
    let shared = with_flags(file, READ | WRITE | SHARED);
    let mkwrite = Facts {
        vma: Vma {
            wants_mkwrite: true,
            ..shared.vma
        },
        ..shared
    };
    let tracked = |facts: Facts, flags: u64| Facts {
        vma: Vma {
            has_soft_dirty: true,
            flags: VmaFlags(flags),
            ..facts.vma
        },
        ..facts
    };
    let protnone = Facts {
        is_protnone: true,
        rights: Rights::default(),
        ..leaf()
    };
    for (facts, expected) in [
        (
            Facts {
                rights: rights(true),
                ..leaf()
            },
            Reason::Writable,
        ),
        (leaf(), Reason::WriteFault),
        (
            Facts {
                is_exclusive: Some(false),
                map_count: Some(3),
                ..leaf()
            },
            Reason::CowPending(Some(3)),
        ),
        (
            Facts {
                is_exclusive: None,
                map_count: None,
                ..leaf()
            },
            Reason::CowPending(None),
        ),
        (
            Facts {
                page: PageKind::Zero,
                is_special: true,
                is_exclusive: None,
                ..leaf()
            },
            Reason::Zero,
        ),
        (
            Facts {
                page: PageKind::Ksm,
                ..leaf()
            },
            Reason::Ksm,
        ),
        (file, Reason::CowFile),
        (shared, Reason::DirtyTracking),
        (mkwrite, Reason::PageMkwrite),
        (tracked(shared, READ | WRITE | SHARED), Reason::SoftDirty),
        (
            tracked(shared, READ | WRITE | SHARED | 1 << 27),
            Reason::DirtyTracking,
        ),
        (tracked(leaf(), READ | WRITE), Reason::SoftDirty),
        (
            Facts {
                is_soft_dirty: true,
                ..tracked(leaf(), READ | WRITE)
            },
            Reason::WriteFault,
        ),
        (
            Facts {
                is_uffd: true,
                ..with_flags(leaf(), READ | WRITE | 1 << 12)
            },
            Reason::UffdWp,
        ),
        (protnone, Reason::NumaHint),
        (with_flags(protnone, 0), Reason::ProtNone),
        (
            Facts {
                is_uffd: true,
                ..with_flags(protnone, READ | 1 << 43)
            },
            Reason::UffdRwp,
        ),
        (with_flags(protnone, READ | 1 << 43), Reason::NumaHint),
        (with_flags(leaf(), READ), Reason::ReadOnly(PageKind::Anon)),
        (with_flags(file, READ), Reason::ReadOnly(PageKind::File)),
        (
            Facts {
                is_special: true,
                page: PageKind::Device,
                ..with_flags(file, READ | WRITE | 1 << 10)
            },
            Reason::PfnMap,
        ),
    ] {
        assert_eq!(Reason::find(&facts), expected, "{facts:?}");
    }
}

#[test]
fn reasons_of_what_is_not_mapped() {
    let soft = |kind, flags| {
        Entry::NonPresent(SoftLeaf {
            kind,
            number: 2,
            place: Some(0x55),
            flags,
        })
    };
    let vma = Vma {
        flags: VmaFlags(READ | WRITE),
        is_anonymous: true,
        ..Vma::default()
    };
    let file = Vma {
        is_anonymous: false,
        ..vma
    };
    let flagged = |flags| Vma {
        flags: VmaFlags(flags),
        ..vma
    };
    for (entry, vma, word) in [
        (Entry::None, vma, "untouched"),
        (
            Entry::None,
            Vma {
                has_anon_vma: true,
                ..vma
            },
            "absent",
        ),
        (Entry::None, file, "not-mapped"),
        (
            Entry::None,
            Vma {
                is_past_end: true,
                ..file
            },
            "past-end",
        ),
        (Entry::None, flagged(0), "no-access"),
        (Entry::None, flagged(READ | 1 << 9), "uffd-missing"),
        (Entry::None, flagged(READ | 1 << 10), "no-pfn"),
        (Entry::Bad, vma, "bad"),
        (Entry::Table { pfn: 1 }, vma, "changing"),
        (soft(SoftKind::Swap, 0), vma, "swapped"),
        (soft(SoftKind::MigrationRead, 0), vma, "migration"),
        (soft(SoftKind::MigrationWrite, 0), vma, "migration"),
        (soft(SoftKind::HwPoison, 0), vma, "hwpoison"),
        (soft(SoftKind::DevicePrivateRead, 0), vma, "device"),
        (soft(SoftKind::Marker, 1), vma, "uffd-wp-marker"),
        (soft(SoftKind::Marker, 2), vma, "poisoned"),
        (soft(SoftKind::Marker, 4), vma, "guard"),
        (soft(SoftKind::Unknown, 0), vma, "nonpresent"),
    ] {
        let facts = Facts {
            entry,
            vma,
            rights: Rights::default(),
            is_exclusive: None,
            map_count: None,
            ..leaf()
        };
        let text = Reason::find(&facts).to_string();
        assert!(text.starts_with(&format!("{word}: ")), "{text}");
    }
    let swapped = Reason::Soft(SoftLeaf {
        kind: SoftKind::Swap,
        number: 2,
        place: Some(0x55),
        flags: 0,
    });
    assert!(swapped.to_string().contains("swap area 2 at page 0x55 "));
}

const MIB: u64 = 1 << 20;

fn huge_facts() -> huge::Facts {
    huge::Facts {
        range: 4 * MIB..6 * MIB,
        vma: 2 * MIB..9 * MIB,
        flags: VmaFlags(READ | WRITE),
        file_offset: None,
        disabled: None,
        mapped: Some(Mapped {
            entries: 512,
            present: 7,
            is_contiguous: false,
        }),
        folio_pages: Some(4),
    }
}

#[test]
fn why_it_is_not_huge() {
    let base = huge_facts;
    let whole = Mapped {
        entries: 512,
        present: 512,
        is_contiguous: true,
    };
    let flags = |bits: u64| VmaFlags(READ | WRITE | bits);
    for (facts, expected) in [
        (
            huge::Facts {
                vma: 4 * MIB..5 * MIB,
                ..base()
            },
            WhyNot::Small,
        ),
        (
            huge::Facts {
                vma: 5 * MIB..9 * MIB,
                ..base()
            },
            WhyNot::Unaligned,
        ),
        (
            huge::Facts {
                vma: 2 * MIB..6 * MIB - 4096,
                ..base()
            },
            WhyNot::Unaligned,
        ),
        (
            huge::Facts {
                vma: 4 * MIB..6 * MIB,
                mapped: None,
                ..base()
            },
            WhyNot::Empty,
        ),
        (
            huge::Facts {
                flags: flags(1 << 18),
                ..base()
            },
            WhyNot::Driver,
        ),
        (
            huge::Facts {
                flags: flags(1 << 30),
                ..base()
            },
            WhyNot::Advice,
        ),
        (
            huge::Facts {
                disabled: Some(Disabled::Kernel),
                flags: flags(1 << 30),
                ..base()
            },
            WhyNot::Process(Disabled::Kernel),
        ),
        (
            huge::Facts {
                disabled: Some(Disabled::Completely),
                flags: flags(1 << 29),
                ..base()
            },
            WhyNot::Process(Disabled::Completely),
        ),
        (
            huge::Facts {
                disabled: Some(Disabled::ExceptAdvised),
                ..base()
            },
            WhyNot::Process(Disabled::ExceptAdvised),
        ),
        (
            huge::Facts {
                disabled: Some(Disabled::ExceptAdvised),
                flags: flags(1 << 29),
                mapped: None,
                ..base()
            },
            WhyNot::Empty,
        ),
        (
            huge::Facts {
                file_offset: Some(4096),
                ..base()
            },
            WhyNot::FileOffset,
        ),
        (
            huge::Facts {
                file_offset: Some(8 * MIB),
                mapped: None,
                ..base()
            },
            WhyNot::Empty,
        ),
        (
            huge::Facts {
                mapped: Some(whole),
                folio_pages: Some(512),
                ..base()
            },
            WhyNot::Split,
        ),
        (
            huge::Facts {
                mapped: Some(whole),
                folio_pages: Some(256),
                ..base()
            },
            WhyNot::Folios(whole, Some(256)),
        ),
    ] {
        assert_eq!(facts.why_not(), expected, "{facts:?}");
    }
    assert!(base()
        .to_string()
        .starts_with("folios: 7 of 512 pages are mapped, this one in a folio of 4;"));
    assert!(huge::Facts {
        vma: 4 * MIB..5 * MIB,
        ..base()
    }
    .to_string()
    .starts_with("small: the VMA is smaller than 2M"));
}

#[test]
fn names_of_page_flags() {
    assert_eq!(PageFlags(0).to_string(), "0");
    assert_eq!(
        PageFlags(1 | 1 << 5 | 1 << 12).to_string(),
        "LOCKED|LRU|ANON"
    );
    assert_eq!(PageFlags(1 << 26 | 1 << 32).to_string(), "PGTABLE|RESERVED");
    assert_eq!(
        PageFlags(1 << 27 | 1 << 63).to_string(),
        "0x8000000|0x8000000000000000"
    );
    assert!(PageFlags(1 << 12).is_anon() && !PageFlags(1 << 11).is_anon());
    assert!(PageFlags(1 << 21).is_ksm());
}

#[test]
fn every_format_says_whether_it_tracks_soft_dirty() {
    fn tracks<F: Format>(_: &F) -> bool {
        F::BITS.iter().any(|bit| bit.name == "soft-dirty")
    }
    assert!(tracks(&X86.format()));
    assert!(!tracks(&ARM_4K.format()));
}
