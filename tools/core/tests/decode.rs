// SPDX-License-Identifier: GPL-2.0

//! Single entries: what they are, what they allow, how they are spelled.

mod common;

use common::{Arm, Encode, Node, ARM_4K, SOFT, X86, X86_ADDRESS};
use mmlens_core::pt::{
    entry::{Entry, Raw, Rights},
    format::Format,
    level::Level,
    page::PageKind,
    show::{self, Context},
    walk::Found,
    x86_64::X86_64,
};
use mmlens_core::text::vma_flags::VmaFlags;
use proptest::prelude::*;

fn line<F: Format>(format: &F, level: Level, raw: u64) -> String {
    let found = Found {
        start: 0x7000_0000_0000,
        end: 0x7000_0000_1000,
        level,
        raw: Raw(raw),
        entry: format.decode(Raw(raw), level),
        at: 0x1000,
        limits: Rights::ALL,
        page: PageKind::Unknown,
    };
    let context = Context {
        flags: VmaFlags(0b11),
        ..Context::default()
    };
    let mut out = String::new();
    show::write_entry(&mut out, format, &context, &found).unwrap();
    let mut words: Vec<&str> = out.split_whitespace().skip(1).collect();
    // The address of the entry.
    assert_eq!(words.remove(1), "0000000000001000");
    words.join(" ")
}

/// Entries that a stock kernel had in its tables, and their meaning by the manual.
#[test]
fn x86_64_entries_of_a_real_process() {
    for (level, raw, expected) in [
        (
            Level::Pgd,
            0x5b83067,
            "pgd 0000000005b83067 table 0x5b83 rwx rwx - - P RW US A D",
        ),
        (
            Level::Pte,
            0x8000000003293025,
            "pte 8000000003293025 leaf 0x3293 r-- r-- WB - P US A NX",
        ),
        (
            Level::Pte,
            0x3291025,
            "pte 0000000003291025 leaf 0x3291 r-x r-x WB - P US A",
        ),
        (
            Level::Pte,
            0x800000007ff03867,
            "pte 800000007ff03867 leaf 0x7ff03 rw- rw- WB - P RW US A D soft-dirty NX",
        ),
        (
            Level::Pmd,
            0x80000000532008e7,
            "pmd 80000000532008e7 leaf 0x53200 rw- rw- WB - P RW US A D PSE soft-dirty NX",
        ),
        // PAT moves to bit 12 of a huge leaf, and is not part of the frame.
        (
            Level::Pmd,
            0x80000000532018e7,
            "pmd 80000000532018e7 leaf 0x53200 rw- rw- WB - P RW US A D PSE PAT soft-dirty NX",
        ),
        (
            Level::Pte,
            0x0800000000001025,
            "pte 0800000000001025 leaf 0x1 r-x r-x WB - P US A pkey=1",
        ),
        // A bit that no row names.
        (
            Level::Pte,
            0x0020000000001025,
            "pte 0020000000001025 leaf 0x1 r-x r-x WB - P US A other=0x20000000000000",
        ),
        // A table with PSE set at a level without huge pages.
        (
            Level::P4d,
            0x10e7,
            "p4d 00000000000010e7 bad - --- --- - - other=0x10e7",
        ),
    ] {
        assert_eq!(line(&X86.format(), level, raw), expected);
    }
}

#[test]
fn arm64_entries_of_a_real_process() {
    for (level, raw, expected) in [
        (
            Level::Pgd,
            0x0000000043b42003,
            "pgd 0000000043b42003 table 0x43b42 rwx rwx - - VALID TABLE",
        ),
        (
            Level::Pgd,
            0x0800000043b42003,
            "pgd 0800000043b42003 table 0x43b42 rwx rwx - - VALID TABLE PXNTable",
        ),
        (
            Level::Pte,
            0x00e8000043f5ff43,
            "pte 00e8000043f5ff43 leaf 0x43f5f rw- rw- WB - VALID PAGE USER SH=3 AF nG DBM PXN UXN dirty",
        ),
        (
            Level::Pte,
            0x0020000043f5ffc3,
            "pte 0020000043f5ffc3 leaf 0x43f5f r-x r-x WB - VALID PAGE USER RDONLY SH=3 AF nG PXN",
        ),
        // Execute-only: not readable by EL0, not UXN.
        (
            Level::Pte,
            0x0020000043f5ff83,
            "pte 0020000043f5ff83 leaf 0x43f5f --x --x WB - VALID PAGE RDONLY SH=3 AF nG PXN",
        ),
        (
            Level::Pmd,
            0x00f8000080200f41,
            "pmd 00f8000080200f41 leaf 0x80200 rw- rw- WB - VALID USER SH=3 AF nG DBM CONT PXN UXN dirty",
        ),
        // Valid, but neither page nor table at the lowest level.
        (
            Level::Pte,
            0x43f5f001,
            "pte 0000000043f5f001 bad - --- --- - - other=0x43f5f001",
        ),
    ] {
        assert_eq!(line(&ARM_4K.format(), level, raw), expected);
    }
}

/// Accessed and dirty in an otherwise empty entry are an erratum, not a mapping.
#[test]
fn x86_64_none_ignores_the_erratum_bits() {
    for raw in [0, 0x20, 0x40, 0x60] {
        assert_eq!(X86.format().decode(Raw(raw), Level::Pte), Entry::None);
    }
}

/// With memory encryption, tables have a bit that is neither address nor reason to call them bad.
#[test]
fn x86_64_encryption_bit_is_not_bad() {
    let c_bit = 1 << 51;
    let address = mmlens_core::pt::entry::AddressBits {
        low: X86_ADDRESS.low & !c_bit,
        ..X86_ADDRESS
    };
    let plain = X86_64 {
        address,
        ..X86.format()
    };
    let format = X86_64 {
        encryption: c_bit,
        ..plain
    };
    let raw = Raw(c_bit | 0x5b83067);
    assert_eq!(format.decode(raw, Level::Pmd), Entry::Table { pfn: 0x5b83 });
    assert_eq!(plain.decode(raw, Level::Pmd), Entry::Bad);
    assert_eq!(
        line(&format, Level::Pte, c_bit | 0x1025),
        "pte 0008000000001025 leaf 0x1 r-x r-x WB - P US A encrypted"
    );
}

/// The top table is called pgd whatever it maps: its leaves are 1G with 4K pages and 39-bit addresses,
/// 512M with 64K pages and 42-bit addresses.
#[test]
fn arm64_leaves_of_the_top_table() {
    for (page_shift, levels, pfn) in [(12, 3, 3u64 << 18), (16, 2, 5 << 13), (14, 2, 7 << 11)] {
        let arm = Arm {
            page_shift,
            pa52: false,
            levels,
        };
        let leaf = Node::Leaf {
            pfn,
            write: true,
            exec: false,
        };
        check(arm, Level::Pgd, leaf);
    }
}

/// With LPA2, what other machines have for shareability is address.
#[test]
fn arm64_lpa2_has_no_shareability() {
    let lpa2 = Arm {
        pa52: true,
        ..ARM_4K
    };
    let raw = lpa2.node(
        Level::Pte,
        Node::Leaf {
            pfn: 3 << 38 | 0x43f5f,
            write: true,
            exec: false,
        },
    );
    let line = line(&lpa2.format(), Level::Pte, raw);
    assert!(line.contains("0xc000043f5f"), "{line}");
    assert!(!line.contains("SH="), "{line}");
}

fn check<E: Encode>(encode: E, level: Level, node: Node) {
    let raw = Raw(encode.node(level, node));
    let format = encode.format();
    let entry = format.decode(raw, level);
    match node {
        Node::Leaf { pfn, write, exec } => {
            assert_eq!(entry, Entry::Leaf { pfn });
            let expected = Rights {
                read: true,
                write,
                exec,
            };
            assert_eq!(format.rights(raw, &entry, level), expected);
        }
        Node::ProtNone { pfn } => {
            assert_eq!(entry, Entry::Leaf { pfn });
            assert_eq!(format.rights(raw, &entry, level), Rights::default());
        }
        Node::Soft { number, offset } => {
            assert_eq!(entry, Entry::NonPresent(SOFT.decode(number, offset)));
        }
    }
}

fn node(max_pfn: u64, max_offset: u64) -> impl Strategy<Value = Node> {
    prop_oneof![
        (0..max_pfn, any::<bool>(), any::<bool>()).prop_map(|(pfn, write, exec)| Node::Leaf {
            pfn,
            write,
            exec
        }),
        (0..max_pfn).prop_map(|pfn| Node::ProtNone { pfn }),
        // Slot 0 of device 0 holds the header of the swap area: never used.
        (0u8..32, 1..max_offset).prop_map(|(number, offset)| Node::Soft { number, offset }),
    ]
}

proptest! {
    #[test]
    fn x86_64_reads_what_the_kernel_writes(node in node(1 << 40, 1 << 45)) {
        check(X86, Level::Pte, node);
    }

    #[test]
    fn x86_64_huge_frames_are_aligned(pfn in 0u64..1 << 31, level in prop_oneof![Just((Level::Pmd, 9)), Just((Level::Pud, 18))]) {
        let (level, shift) = level;
        check(X86, level, Node::Leaf { pfn: pfn >> shift << shift, write: true, exec: false });
        check(X86, level, Node::ProtNone { pfn: pfn >> shift << shift });
    }

    #[test]
    fn arm64_4k_reads_what_the_kernel_writes(node in node(1 << 36, 1 << 50)) {
        check(ARM_4K, Level::Pte, node);
    }

    #[test]
    fn arm64_lpa2_reads_what_the_kernel_writes(node in node(1 << 40, 1 << 50), page_shift in prop_oneof![Just(12u8), Just(14)]) {
        let node = match node {
            Node::Leaf { pfn, write, exec } => Node::Leaf { pfn: pfn >> (page_shift - 12), write, exec },
            Node::ProtNone { pfn } => Node::ProtNone { pfn: pfn >> (page_shift - 12) },
            swap => swap,
        };
        check(Arm { page_shift, pa52: true, levels: 4 }, Level::Pte, node);
    }

    #[test]
    fn arm64_64k_reads_what_the_kernel_writes(node in node(1 << 36, 1 << 50)) {
        check(Arm { page_shift: 16, pa52: true, levels: 3 }, Level::Pte, node);
    }

    /// Whatever is in a table, it decodes and prints, and no bit of it is lost.
    #[test]
    fn every_word_prints_within_a_line(raw: u64, level in 0u8..5) {
        let level = Level::from_number(level).unwrap();
        for text in [line(&X86.format(), level, raw), line(&ARM_4K.format(), level, raw)] {
            let expected = format!("{raw:016x}");
            prop_assert!(text.contains(&expected));
            prop_assert!(text.len() < show::MAX_LINE);
        }
    }
}
