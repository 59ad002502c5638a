// SPDX-License-Identifier: GPL-2.0

//! Machines, and entries of one architecture read on any.

use super::*;
use crate::{
    entries_of, page_of,
    query::translation,
    record::{Entry, Run, Vma},
};
use mmlens_core::pt::{entry::Raw, facts::Facts, page::PageKind, show::Context};

fn x86_64() -> sys::mmlens_machine {
    sys::mmlens_machine {
        arch: sys::MMLENS_ARCH_X86_64,
        shift: [12, 21, 30, 39, 39, 0, 0, 0],
        folded: 1 << 3,
        soft_pfn_bits: 40,
        attributes: 0x0407_0506_0007_0106,
        address_low: 0x000f_ffff_ffff_f000,
        soft: [1; 32],
        ..Default::default()
    }
}

fn arm64() -> sys::mmlens_machine {
    sys::mmlens_machine {
        arch: sys::MMLENS_ARCH_ARM64,
        shift: [14, 25, 36, 47, 47, 0, 0, 0],
        folded: 1 << 3,
        attributes: 0xf4_4400_0c04_00ff,
        address_low: 0x0000_ffff_ffff_c000,
        ..x86_64()
    }
}

#[test]
fn shapes() {
    let machine = Machine::try_from(&x86_64()).expect("a machine");
    assert_eq!(machine.page_size(), 4096);
    assert_eq!(machine.size(Level::Pmd), 2 << 20);
    let levels: Vec<_> = machine.levels().map(Level::name).collect();
    assert_eq!(levels, ["pgd", "pud", "pmd", "pte"]);
    for bad in [
        sys::mmlens_machine {
            arch: 9,
            ..x86_64()
        },
        sys::mmlens_machine {
            shift: [0; 8],
            ..x86_64()
        },
        sys::mmlens_machine {
            folded: 1,
            ..x86_64()
        },
    ] {
        assert!(Machine::try_from(&bad).is_err());
    }
}

#[test]
fn json_keeps_all_bits() {
    for machine in [x86_64(), arm64()] {
        let machine = Machine::try_from(&machine).expect("a machine");
        let text = serde_json::to_string(&machine).expect("JSON");
        assert!(text.contains("\"address_low\":\"0x"), "{text}");
        assert_eq!(
            serde_json::from_str::<Machine>(&text).expect("a machine"),
            machine
        );
    }
    let text =
        serde_json::to_string(&Machine::try_from(&x86_64()).expect("a machine")).expect("JSON");
    assert!(serde_json::from_str::<Machine>(&text.replace("0xf", "f")).is_err());
}

#[test]
fn entries_of_both_architectures() {
    let facts = Facts::PTE
        .with(Facts::PRESENT)
        .with(Facts::READ)
        .with(Facts::PAGE_FILE);
    for (machine, raw, wanted) in [
        (
            x86_64(),
            0x8000_0000_7d0d_3025,
            "leaf       0x7d0d3      r-- r-- WB     file    P US A NX\n",
        ),
        (
            arm64(),
            0x0060_0000_7d0d_0fc3,
            "leaf       0x1f434      r-- r-- WB     file    VALID PAGE",
        ),
    ] {
        let machine = Machine::try_from(&machine).expect("a machine");
        let geometry = machine.geometry().expect("a shape");
        let entry = Entry {
            address: 0x7f19_0ba5_4000,
            raw: Raw(raw),
            facts,
        };
        let mut line = String::new();
        let written =
            machine
                .format()
                .write_entry(&mut line, &geometry, &Context::default(), 0x1234, &entry);
        assert!(written.is_ok());
        assert!(
            line.starts_with("00007f190ba54000 pte   0000000000001234 "),
            "{line}"
        );
        assert!(line.contains(wanted), "{line}");
    }
}

#[test]
fn lines_of_runs() {
    let machine = Machine::try_from(&x86_64()).expect("a machine");
    let geometry = machine.geometry().expect("a shape");
    let hole = Run {
        start: 0x1000,
        end: 0x4000,
        raw: Raw(0),
        place: None,
        facts: Facts::PTE.with(Facts::HOLE),
    };
    let mut line = String::new();
    assert!(machine
        .format()
        .write_run(&mut line, &geometry, &Context::default(), &hole)
        .is_ok());
    let wanted = "0000000000001000-0000000000004000      12K pte   hole       3        -            --- --- -      -       empty no-access\n";
    assert_eq!(line, wanted);
    // A record of a level that is not known is no line.
    let unknown = Run {
        facts: Facts(0),
        ..hole
    };
    line.clear();
    assert!(machine
        .format()
        .write_run(&mut line, &geometry, &Context::default(), &unknown)
        .is_ok());
    assert_eq!(line, "");
}

#[test]
fn numbers_of_entries() {
    let geometry = Machine::try_from(&x86_64())
        .and_then(|machine| machine.geometry())
        .expect("a shape");
    assert_eq!(entries_of(&geometry, Level::Pte, 0x1000, 0x4000), 3);
    // Entries whose translation begins or ends outside count in full.
    assert_eq!(entries_of(&geometry, Level::Pmd, 0x1000, 0x20_1000), 2);
    assert_eq!(page_of(Facts::PAGE_ZERO.with(Facts::PTE)), PageKind::Zero);
    assert_eq!(page_of(Facts::PTE), PageKind::Unknown);
}

#[test]
fn translations() {
    let mut query = sys::mmlens_query {
        physical: u64::MAX,
        ..Default::default()
    };
    query.step[4].flags = Facts::PGD.0 | Facts::TABLE.0;
    query.step[1] = sys::mmlens_step {
        raw: 0,
        at: 0x5000,
        flags: Facts::PMD.0 | Facts::HOLE.0,
    };
    let way = translation(&query);
    assert_eq!((way.vma, way.physical), (None, None));
    let levels: Vec<_> = way
        .steps
        .iter()
        .map(|step| (step.level.name(), step.at))
        .collect();
    assert_eq!(levels, [("pgd", 0), ("pmd", 0x5000)]);
    query.physical = 0x1234;
    query.vma.start = 0x1000;
    query.vma.end = 0x2000;
    let way = translation(&query);
    assert_eq!(way.physical, Some(0x1234));
    let vma = Vma {
        start: 0x1000,
        end: 0x2000,
        ..Vma::default()
    };
    assert_eq!(way.vma, Some(vma));
}
