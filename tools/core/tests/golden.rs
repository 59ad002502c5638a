// SPDX-License-Identifier: GPL-2.0

//! Every bit by itself, in every kind of entry, against the lists in `golden/`.
//!
//! The lists are to be read beside the manuals and the kernel's headers: a change of theirs is a
//! change of what a bit is called.

mod common;

use common::{Arm, Encode, X86};
use mmlens_core::pt::{
    entry::{Entry, Raw},
    format::Format,
    level::Level,
};
use std::fmt::Write;

/// What setting one more bit in an entry makes it say.
fn name<F: Format>(format: &F, base: u64, bit: u32, level: Level) -> String {
    let raw = base ^ 1 << bit;
    let (before, after) = (
        format.decode(Raw(base), level),
        format.decode(Raw(raw), level),
    );
    if before.name() != after.name() {
        return format!("({})", after.name());
    }
    let flags = |raw: u64, entry: &Entry| {
        let mut text = String::new();
        format
            .write_flags(&mut text, Raw(raw), entry, level)
            .unwrap();
        text
    };
    let (old, new) = (flags(base, &before), flags(raw, &after));
    if old == new {
        // Part of the address, or of the numbers of what is not present.
        return if before == after { "-" } else { "value" }.to_string();
    }
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_string)
            .collect::<Vec<_>>()
    };
    let (old, new) = (words(&old), words(&new));
    let came = new
        .iter()
        .filter(|w| !old.contains(w))
        .map(|w| format!("+{w}"));
    let went = old
        .iter()
        .filter(|w| !new.contains(w))
        .map(|w| format!("-{w}"));
    came.chain(went).collect::<Vec<_>>().join(" ")
}

/// A table of all bits: a row a bit, a column a kind of entry.
fn table<F: Format>(format: &F, kinds: &[(&str, u64, Level)]) -> String {
    let mut text = String::from("# SPDX-License-Identifier: GPL-2.0\nbit");
    for (kind, _, _) in kinds {
        write!(text, " | {kind}").unwrap();
    }
    text.push('\n');
    for bit in 0..64 {
        write!(text, "{bit}").unwrap();
        for &(_, base, level) in kinds {
            write!(text, " | {}", name(format, base, bit, level)).unwrap();
        }
        text.push('\n');
    }
    text
}

fn check(name: &str, text: &str) {
    let path = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("MMLENS_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (line, (have, want)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(have, want, "line {} of {path}", line + 1);
    }
    assert_eq!(text.lines().count(), expected.lines().count());
}

#[test]
fn x86_64_bits() {
    // P US A and an address; tables with RW and D, as the kernel makes them; a swap entry.
    let kinds = [
        ("pte leaf", 0x0000_0012_3456_7025, Level::Pte),
        ("pte PROT_NONE", 0x000f_fffe_dcba_9120, Level::Pte),
        ("pmd leaf", 0x0000_0012_3440_00a5, Level::Pmd),
        ("pud leaf", 0x0000_0012_4000_00a5, Level::Pud),
        ("pmd table", 0x0000_0012_3456_7067, Level::Pmd),
        ("pud table", 0x0000_0012_3456_7067, Level::Pud),
        ("pgd table", 0x0000_0012_3456_7067, Level::Pgd),
        ("pte swap", 0x07ff_ffff_fff5_5600, Level::Pte),
    ];
    check("x86_64", &table(&X86.format(), &kinds));
}

#[test]
fn arm64_bits() {
    // VALID, AF, USER, nG and an address; a table; a swap entry.
    for (name, page_shift, pa52, levels) in [
        ("arm64-4k", 12, false, 4),
        ("arm64-4k-lpa2", 12, true, 5),
        ("arm64-16k", 14, false, 4),
        ("arm64-64k-pa52", 16, true, 3),
    ] {
        let arm = Arm {
            page_shift,
            pa52,
            levels,
        };
        let leaf = 0x0000_0010_0000_0c40;
        let kinds = [
            ("pte leaf", leaf | 3, Level::Pte),
            ("pte PROT_NONE", leaf & !0x440 | 2, Level::Pte),
            ("pmd leaf", leaf | 1, Level::Pmd),
            ("pmd table", 0x0000_0010_0000_0003, Level::Pmd),
            ("pgd table", 0x0000_0010_0000_0003, Level::Pgd),
            ("pte swap", 0x5000, Level::Pte),
        ];
        check(name, &table(&arm.format(), &kinds));
    }
}
