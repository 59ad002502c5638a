// SPDX-License-Identifier: GPL-2.0

//! The kernel's regions and registers.

use mmlens_core::text::{
    regions::{furthest, is_image_symbol, picture, Conflict, Line, Region, Signed},
    registers::{aarch64, write_register, x86_64, Register, Values},
};
use proptest::prelude::*;
use std::convert::Infallible;

fn region(start: u64, last: u64, name: &str) -> Region<'_> {
    Region {
        start,
        last: Some(last),
        name,
        what: "words",
    }
}

fn lines<'a>(regions: &[Region<'a>]) -> (Vec<Line<'a>>, Vec<Conflict<'a>>) {
    let (mut lines, mut conflicts) = (Vec::new(), Vec::new());
    let Ok(()) = picture(
        regions,
        |line| {
            lines.push(line);
            Ok::<(), Infallible>(())
        },
        |conflict| {
            conflicts.push(conflict);
            Ok(())
        },
    );
    (lines, conflicts)
}

fn text(regions: &[Region<'_>]) -> String {
    let (lines, conflicts) = lines(regions);
    assert_eq!(conflicts, []);
    let texts: Vec<String> = lines.iter().map(ToString::to_string).collect();
    texts.join("\n") + "\n"
}

#[test]
fn a_picture_has_gaps_and_parts() {
    let regions = [
        region(0xffff_ffff_8000_0000, 0xffff_ffff_bfff_ffff, "kernel-map"),
        region(0, 0x7fff_ffff_efff, "user"),
        region(0xffff_ffff_8100_0000, 0xffff_ffff_82ff_ffff, "image"),
        region(0xffff_ffff_c000_0000, 0xffff_ffff_feff_ffff, "modules"),
    ];
    assert_eq!(
        text(&regions),
        "0000000000000000-00007ffffffff000  ~127.9T user            words\n\
         00007ffffffff000-ffffffff80000000   ~15.9E gap\n\
         ffffffff80000000-ffffffffc0000000       1G kernel-map      words\n\
         ffffffff81000000-ffffffff83000000      32M   image           words\n\
         ffffffffc0000000-ffffffffff000000    1008M modules         words\n\
         ffffffffff000000-0000000000000000      16M gap\n"
    );
}

#[test]
fn regions_that_overlap_are_told() {
    let regions = [region(0x1000, 0x2fff, "a"), region(0x2000, 0x3fff, "b")];
    assert_eq!(lines(&regions).1, [Conflict("a", "b")]);
    assert_eq!(lines(&regions).1[0].to_string(), "a and b overlap");
    let backwards = [region(0x2000, 0x1fff, "a")];
    assert_eq!(lines(&backwards).1, [Conflict("a", "a")]);
    assert_eq!(lines(&backwards).0, [Line::Gap(0, u64::MAX)]);
}

#[test]
fn an_end_that_is_not_known_is_said_and_makes_no_gap() {
    let regions = [
        Region {
            last: None,
            ..region(0x1000, 0, "a")
        },
        region(0x3000, u64::MAX, "b"),
    ];
    assert_eq!(
        text(&regions),
        "0000000000000000-0000000000001000       4K gap\n\
         0000000000001000-?                       - a               words\n\
         0000000000003000-0000000000000000   ~15.9E b               words\n"
    );
}

#[test]
fn offsets_have_a_sign() {
    assert_eq!(Signed(0).to_string(), "+0x0");
    assert_eq!(Signed(0u64.wrapping_sub(0x2000)).to_string(), "-0x2000");
}

#[test]
fn symbols_of_the_image() {
    // What the kernel wrote for an address in vmlinux, in a module, in a BPF program, in none.
    assert!(is_image_symbol(b"_stext"));
    assert!(!is_image_symbol(b"init_module [mmlens]"));
    assert!(!is_image_symbol(b"bpf_prog_6deef7357e7b4530 [bpf]"));
    assert!(!is_image_symbol(b"0xffffffff80000000"));
    assert!(!is_image_symbol(b""));
}

proptest! {
    /// Whatever the range, its ends are found from anywhere in it.
    #[test]
    fn ends_are_found_by_halving(mut edges in proptest::array::uniform4(any::<u64>()), inside: u64) {
        edges.sort_unstable();
        let [below, first, last, above] = edges;
        prop_assume!(below < first && last < above);
        let inside = first + inside % (last - first + 1).max(1);
        let asked = std::cell::Cell::new(0);
        let is_in = |address: u64| {
            asked.set(asked.get() + 1);
            (first..=last).contains(&address)
        };
        prop_assert_eq!(furthest(inside, below, is_in), first);
        prop_assert_eq!(furthest(inside, above, is_in), last);
        prop_assert!(asked.get() <= 128);
    }

    /// Whatever the regions, the lines that are not parts have every address once.
    #[test]
    fn pictures_are_complete(mut edges in proptest::collection::btree_set(1u64.., 0..20)) {
        edges.insert(u64::MAX);
        let mut start = 0;
        let mut regions = Vec::new();
        for (i, &edge) in edges.iter().enumerate() {
            if i % 3 != 1 {
                regions.push(region(start, edge, "region"));
                regions.push(region(start + (edge - start) / 2, edge, "part"));
            }
            let Some(behind) = edge.checked_add(1) else { break };
            start = behind;
        }
        regions.reverse();
        let (lines, conflicts) = lines(&regions);
        prop_assert_eq!(conflicts, []);
        let mut next = Some(0);
        for line in lines {
            match line {
                Line::Gap(start, last) => {
                    prop_assert_eq!(next, Some(start));
                    next = last.checked_add(1);
                }
                Line::Region(r) => {
                    prop_assert_eq!(next, Some(r.start));
                    next = r.last.and_then(|l| l.checked_add(1));
                }
                Line::Part(_) => {}
            }
        }
        prop_assert_eq!(next, None);
    }
}

fn show(table: &[Register], values: &[(&str, u64)]) -> String {
    let values: Vec<_> = values.iter().map(|&(n, v)| (n, Some(v))).collect();
    let mut out = String::new();
    write_register(&mut out, table, &Values(&values), 0).unwrap();
    out
}

/// By hand, after the manuals.
#[test]
fn x86_64_registers() {
    let show = |values: &[_]| show(x86_64::REGISTERS, values);
    assert_eq!(
        show(&[("CR0", 0x8005_0033)]),
        "CR0: 0x0000000080050033 PE MP ET NE WP AM PG\n"
    );
    assert_eq!(
        show(&[("CR3", 0x60_0000_1234_5801), ("CR4", 1 << 17)]),
        "CR3: 0x0060000012345801 root=0x12345000 PCID=2049 other=0x60000000000000\n"
    );
    assert_eq!(
        show(&[("CR3", 0x2000_0000_1234_5018), ("CR4", 0)]),
        "CR3: 0x2000000012345018 root=0x12345000 PWT PCD LAM_U57\n"
    );
    assert_eq!(
        show(&[("CR4", 1 << 12 | 1 << 20 | 1 << 40)]),
        "CR4: 0x0000010000101000 LA57 SMEP other=0x10000000000\n"
    );
    assert_eq!(
        show(&[("PAT", 0x0407_0506_0007_0106)]),
        "PAT: 0x0407050600070106 0=WB 1=WC 2=UC- 3=UC 4=WB 5=WP 6=UC- 7=WT\n"
    );
    assert_eq!(
        show(&[("MTRRdefType", 0xc06)]),
        "MTRRdefType: 0x0000000000000c06 type=WB FE E\n"
    );
}

/// By hand, after the manual.
#[test]
fn aarch64_registers() {
    let show = |values: &[_]| show(aarch64::REGISTERS, values);
    assert_eq!(
        show(&[("CurrentEL", 8)]),
        "CurrentEL: 0x0000000000000008 EL=2(VHE)\n"
    );
    let t0sz16_t1sz16_4k = 16 | 16 << 16 | 0b10 << 30 | 1 << 22;
    assert_eq!(
        show(&[("TCR_EL1", t0sz16_t1sz16_4k | 5 << 32 | 1 << 36 | 1 << 40)]),
        "TCR_EL1: 0x0000011580500010".to_string()
            + " T0SZ=16(48-bit) IRGN0=NC ORGN0=NC SH0=none TG0=4K T1SZ=16(48-bit) A1=TTBR1 \
               IRGN1=NC ORGN1=NC SH1=none TG1=4K IPS=48-bit AS=16-bit HD\n"
    );
    // 48-bit physical addresses: the low bits are address; 52-bit ones: the high bits.
    let ttbr = 0x0076_0000_428f_9045;
    assert_eq!(
        show(&[("TTBR1_EL1", ttbr), ("TCR_EL1", 5 << 32)]),
        "TTBR1_EL1: 0x00760000428f9045 root=0x428f9044 ASID=118 CnP\n"
    );
    assert_eq!(
        show(&[("TTBR1_EL1", ttbr), ("TCR_EL1", 6 << 32)]),
        "TTBR1_EL1: 0x00760000428f9045 root=0x10000428f9040 ASID=118 CnP\n"
    );
    assert_eq!(
        show(&[("MAIR_EL1", 0x4_0044_ffff)]),
        "MAIR_EL1: 0x000000040044ffff 0=WB 1=WB 2=NC 3=nGnRnE \
         4=nGnRE 5=nGnRnE 6=nGnRnE 7=nGnRnE\n"
    );
    let mmfr0 = show(&[("ID_AA64MMFR0_EL1", 0xf120_0126)]);
    assert!(mmfr0.contains(" PARange=52-bit ASIDBits=16 BigEnd=yes "));
    assert!(mmfr0.contains(" TGran16=52-bit TGran64=52-bit TGran4=no "));
}

#[test]
fn what_cannot_be_read_is_said() {
    let mut out = String::new();
    write_register(&mut out, x86_64::REGISTERS, &Values(&[("EFER", None)]), 0).unwrap();
    assert_eq!(
        out,
        "EFER: not known: the processor, or its hypervisor, refuses to tell\n"
    );
}

/// Every bit of every register changes something behind the raw value.
#[test]
fn no_bit_is_dropped() {
    const X86_64: [&str; 6] = ["CR0", "CR3", "CR4", "EFER", "PAT", "MTRRdefType"];
    const AARCH64: [&str; 10] = [
        "CurrentEL",
        "SCTLR_EL1",
        "TCR_EL1",
        "TTBR0_EL1",
        "TTBR1_EL1",
        "MAIR_EL1",
        "ID_AA64MMFR0_EL1",
        "ID_AA64MMFR1_EL1",
        "ID_AA64MMFR2_EL1",
        "ID_AA64MMFR3_EL1",
    ];
    let decoded = |table, name: &'static str, value| {
        let line = show(table, &[(name, value)]);
        let behind = line.split_once("0x").unwrap().1[16..].to_string();
        behind
    };
    for (table, names) in [
        (x86_64::REGISTERS, &X86_64[..]),
        (aarch64::REGISTERS, &AARCH64[..]),
    ] {
        for name in names {
            for bit in 0..64 {
                let (none, one) = (decoded(table, name, 0), decoded(table, name, 1 << bit));
                assert_ne!(none, one, "{name} bit {bit}");
            }
        }
    }
}

/// Entries of the kernel, encoded by hand after the manuals.
mod entries {
    use mmlens_core::pt::{
        aarch64::Aarch64,
        entry::{AddressBits, Entry, Raw, Rights},
        format::Format,
        kernel::Kernel,
        level::Level,
        memory::Attributes,
        softleaf::{SoftKind, SoftTypes},
        x86_64::X86_64,
    };

    const SOFT: SoftTypes = SoftTypes {
        kinds: [SoftKind::Swap; 32],
        pfn_bits: 40,
    };

    fn x86() -> Kernel<X86_64> {
        Kernel(X86_64 {
            address: AddressBits {
                low: 0x000f_ffff_ffff_f000,
                high: 0,
                high_shift: 0,
            },
            encryption: 0,
            pat: Attributes(0x0407_0506_0007_0106),
            soft: SOFT,
            has_pti: true,
            has_shadow_stack: true,
        })
    }

    fn arm() -> Kernel<Aarch64> {
        Kernel(Aarch64 {
            address: AddressBits {
                low: 0x0000_ffff_ffff_f000,
                high: 0,
                high_shift: 0,
            },
            shift: [12, 21, 30, 39, 39],
            mair: Attributes(0x4_0044_ffff),
            soft: SOFT,
        })
    }

    fn rights(text: &str) -> Rights {
        Rights {
            read: text.contains('r'),
            write: text.contains('w'),
            exec: text.contains('x'),
        }
    }

    fn check<F: Format>(format: &F, raw: u64, level: Level, entry: Entry, expected: &str) {
        let decoded = format.decode(Raw(raw), level);
        assert_eq!(decoded, entry, "{raw:#x}");
        assert_eq!(
            format.rights(Raw(raw), &decoded, level),
            rights(expected),
            "{raw:#x}"
        );
    }

    #[test]
    fn x86_64_entries() {
        let check = |raw, level, entry, expected| check(&x86(), raw, level, entry, expected);
        let leaf = |pfn| Entry::Leaf { pfn };
        check(0, Level::Pte, Entry::None, "");
        // PAGE_KERNEL, PAGE_KERNEL_ROX, a huge text page.
        check(0x8000_0000_1234_5163, Level::Pte, leaf(0x12345), "rw");
        check(0x0000_0000_1234_5121, Level::Pte, leaf(0x12345), "rx");
        check(0x0000_0000_1220_01a1, Level::Pmd, leaf(0x12200), "rx");
        // The vsyscall page: the rights are the kernel's.
        check(0x8000_0000_1234_5025, Level::Pte, leaf(0x12345), "r");
        // set_memory_np(): not present, with the frame inverted.
        check(0x800f_ffff_edcb_a062, Level::Pte, leaf(0x12345), "");
        // The same of a huge page, which loses PSE then.
        check(0x800f_ffff_eddf_f062, Level::Pmd, leaf(0x12200), "");
        // A table entry that no user table would have: NX.
        check(
            0x8000_0000_1234_5063,
            Level::Pmd,
            Entry::Table { pfn: 0x12345 },
            "rw",
        );
        check(
            0x0000_0000_1234_5021,
            Level::Pmd,
            Entry::Table { pfn: 0x12345 },
            "rx",
        );
        check(
            0x0000_0000_1234_5063,
            Level::Pgd,
            Entry::Table { pfn: 0x12345 },
            "rwx",
        );
        // Nothing to follow.
        check(0x0000_0000_1234_5062, Level::Pgd, Entry::Bad, "");
    }

    #[test]
    fn aarch64_entries() {
        let check = |raw, level, entry, expected| check(&arm(), raw, level, entry, expected);
        let leaf = |pfn| Entry::Leaf { pfn };
        check(0, Level::Pte, Entry::None, "");
        // PAGE_KERNEL, PAGE_KERNEL_ROX, a block of the linear map.
        check(0x00f8_0000_1234_5703, Level::Pte, leaf(0x12345), "rw");
        check(0x00d0_0000_1234_5783, Level::Pte, leaf(0x12345), "rx");
        check(0x0078_0000_1220_0701, Level::Pmd, leaf(0x12200), "rw");
        // set_memory_valid(0): there, and not valid.
        check(0x0078_0000_1234_5f02, Level::Pte, leaf(0x12345), "");
        check(
            0x0000_0000_1234_5003,
            Level::Pmd,
            Entry::Table { pfn: 0x12345 },
            "rwx",
        );
        // PXNTable, APTable[1].
        check(
            0x0800_0000_1234_5003,
            Level::Pmd,
            Entry::Table { pfn: 0x12345 },
            "rw",
        );
        check(
            0x4000_0000_1234_5003,
            Level::Pmd,
            Entry::Table { pfn: 0x12345 },
            "rx",
        );
        check(0x0000_0000_1234_5000, Level::Pte, Entry::Bad, "");
    }
}
