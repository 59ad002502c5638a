// SPDX-License-Identifier: GPL-2.0

use super::{shapes::Font, *};
use crate::{
    extent::Places,
    snapshot::TableUse,
    testing::{run, vma, Made, ANON, PAGE},
};
use mmlens_core::pt::facts::Facts;
use proptest::prelude::*;

const FILE: Facts =
    Facts(ANON.0 & !Facts::PAGE_ANON.0 & !Facts::WRITE.0 | Facts::PAGE_FILE.0 | Facts::EXEC.0);
const SWAP: Facts = Facts(Facts::PTE.0 | Facts::NONPRESENT.0 | Facts::SWAP.0);
const GUARD: Facts = Facts(Facts::PTE.0 | Facts::NONPRESENT.0 | Facts::MARKER.0 | Facts::GUARD.0);
const HUGE: Facts = Facts(ANON.0 & !Facts::PTE.0 | Facts::PMD.0);

fn table(level: u8, start: u64, used: u32) -> TableUse {
    TableUse {
        start,
        at: 0x1000,
        level,
        entries: 512,
        used,
    }
}

/// A little of everything.
fn example() -> Made {
    let mut wx = vma(0x900, 0x910, "[jit]");
    wx.flags = 7;
    let mut marker = run(0x900, 0x902, GUARD, 0);
    marker.places = Places::None;
    let mut made = Made::new(
        vec![vma(0x10, 0x20, "/bin/<a & b>"), vma(0x200, 0x600, ""), wx],
        vec![
            run(0x10, 0x20, FILE, 1),
            run(0x200, 0x400, HUGE, 0x200),
            run(0x400, 0x480, ANON, 0x900),
            run(0x480, 0x500, SWAP, 7),
            marker,
        ],
    );
    made.tables = vec![
        table(4, 0, 1),
        table(2, 0, 1),
        table(1, 0, 5),
        table(0, 0, 17),
        table(0, 2 << 20, 512),
        table(0, 4 << 20, 0),
        table(0, 8 << 20, 1),
    ];
    made
}

fn layout_of(made: &Made, width: u32) -> Layout {
    layout(&mut made.clone(), width).unwrap()
}

fn count(layout: &Layout, class: &str) -> usize {
    layout
        .areas
        .iter()
        .filter(|area| area.class == class)
        .count()
}

#[test]
fn what_is_in_the_picture() {
    let layout = layout_of(&example(), WIDTH);
    let texts: Vec<&str> = layout
        .labels
        .iter()
        .map(|label| label.text.as_str())
        .collect();
    for text in [
        "pid 42 made",
        "Address space",
        "Page tables",
        "10000",
        "rw-p",
        "/bin/<a & b>",
        "anonymous",
        "[jit]",
        "1.8M unmapped",
        "3M unmapped",
        "4M",
        "pgd",
        "pud",
        "pmd",
        "pte",
        "4 tables",
        "530 of 2048 used (25.9 %)",
    ] {
        assert!(texts.contains(&text), "{text}: {texts:?}");
    }
    // One of each in the legend; the page of a shadow has one of each.
    assert_eq!(count(&layout, "hole"), 1 + 3);
    for (class, more) in [
        ("anon", 1),
        ("file", 1),
        ("huge", 1),
        ("swap", 1),
        ("guard", 1),
        ("note", 0),
        ("special", 0),
    ] {
        // A cell that is not full is a piece of its own.
        let pieces = count(&layout, class) - 1;
        assert!((more..=2 * more).contains(&pieces), "{class}: {pieces}");
    }
    assert_eq!(count(&layout, "exec"), 1 + 1);
    assert_eq!(count(&layout, "write"), 1 + 1);
    assert_eq!(count(&layout, "table"), 7);
    // The one without entries in use is empty.
    assert_eq!(count(&layout, "used"), 6);
    assert_eq!(
        layout
            .strokes
            .iter()
            .filter(|stroke| stroke.class == "break")
            .count(),
        2
    );
    let danger: Vec<&str> = layout
        .labels
        .iter()
        .filter(|l| l.class == "danger")
        .map(|l| l.text.as_str())
        .collect();
    assert_eq!(danger, ["rwxp"]);
}

#[test]
fn the_svg_is_well_formed() {
    let svg = svg(&layout_of(&example(), WIDTH));
    assert!(svg.starts_with("<svg "), "{svg}");
    assert!(svg.contains("<title>pid 42 made</title>"));
    assert!(svg.contains("/bin/&lt;a &amp; b&gt;"), "names are escaped");
    assert!(svg.trim_end().ends_with("</svg>"));
}

#[cfg(feature = "png")]
#[test]
fn a_png_has_the_size_of_the_svg() {
    let layout = layout_of(&example(), 900);
    let svg = svg(&layout);
    let tree = resvg::usvg::Tree::from_str(&svg, &Default::default()).unwrap();
    assert_eq!(
        (tree.size().width(), tree.size().height()),
        (900.0, layout.height.round() as f32)
    );
    match png::png(&svg) {
        Ok(bytes) => {
            let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
            assert_eq!(&bytes[1..4], b"PNG");
            assert_eq!(
                (number(16), number(20)),
                (900, layout.height.round() as u32)
            );
        }
        // A machine without fonts.
        Err(error) => assert!(
            error.to_string().contains("a name that ends in .svg"),
            "{error}"
        ),
    }
}

/// The boxes that texts need, with a little air.
fn boxes(layout: &Layout) -> Vec<(f64, f64, f64, f64, &str)> {
    let of = |label: &shapes::Label| {
        let width = label.font.width(&label.text);
        let left = if label.is_right {
            label.x - width
        } else {
            label.x
        };
        let (top, bottom) = (
            label.y - label.font.size() * 0.75,
            label.y + label.font.size() * 0.2,
        );
        (left, top, left + width, bottom)
    };
    let with_text = layout
        .labels
        .iter()
        .map(|label| (of(label), label.text.as_str()));
    with_text
        .map(|((a, b, c, d), text)| (a, b, c, d, text))
        .collect()
}

fn check(layout: &Layout) -> std::result::Result<(), TestCaseError> {
    let boxes = boxes(layout);
    for (n, a) in boxes.iter().enumerate() {
        prop_assert!(
            a.0 >= 0.0 && a.2 <= layout.width && a.1 >= 0.0 && a.3 <= layout.height,
            "outside: {:?}",
            a
        );
        for b in boxes.iter().skip(n + 1) {
            let is_apart = a.2 <= b.0 || b.2 <= a.0 || a.3 <= b.1 || b.3 <= a.1;
            prop_assert!(is_apart, "{:?} and {:?} overlap", a, b);
        }
    }
    for area in &layout.areas {
        let is_in = area.x >= 0.0
            && area.x + area.width <= layout.width
            && area.y + area.height <= layout.height;
        prop_assert!(
            is_in && area.width > 0.0 && area.height > 0.0,
            "outside: {:?}",
            area
        );
    }
    for (x, y) in layout.strokes.iter().flat_map(|stroke| &stroke.points) {
        prop_assert!((0.0..=layout.width).contains(x) && (0.0..=layout.height).contains(y));
    }
    Ok(())
}

#[test]
fn texts_are_cut_in_the_middle() {
    assert_eq!(Font::Plain.fit("abc", 100.0), "abc");
    let long = format!("/a/{}/end.so", "x".repeat(200));
    let cut = Font::Plain.fit(&long, 200.0);
    assert!(
        cut.starts_with("/a/") && cut.ends_with("/end.so") && cut.contains('\u{2026}'),
        "{cut}"
    );
    assert!(Font::Plain.width(&cut) <= 200.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever there is, no label is on another one, and nothing is outside.
    #[test]
    fn nothing_overlaps(
        vmas in prop::collection::vec((0u32..40, 1u32..36, "[a-z/]{0,90}"), 0..220),
        tables in prop::collection::vec((0u8..5, 0u64..400, 0u32..=512), 0..600),
        width in 800u32..2000,
        comm in "\\PC{0,200}",
    ) {
        let mut address = 16u64;
        let mut made = Made::new(Vec::new(), Vec::new());
        made.head.comm = comm;
        for (gap, size, name) in vmas {
            let start = address + (1u64 << gap >> 12);
            let end = start + (1u64 << size >> 6).max(1);
            address = end;
            made.vmas.push(vma(start, end, &name));
            made.runs.push(run(start, start + (end - start).div_ceil(2), ANON, 5));
        }
        made.tables = tables.iter().map(|&(level, start, used)| table(level, start << 21, used)).collect();
        made.tables.sort_by_key(|table| (std::cmp::Reverse(table.level), table.start));
        let layout = layout_of(&made, width);
        check(&layout)?;
        prop_assert!(layout.areas.len() < 60_000);
    }

    /// Each cell has its part of a run, and no more.
    #[test]
    fn cells_sum_up(parts in prop::collection::vec((0u64..50, 1u64..50), 0..20), pages in 1u64..3000) {
        let vmas = [vma(0, pages, "")];
        let mut rows = rows::Rows::of(&vmas, WIDTH);
        let mut at = 0;
        let mut mapped = 0;
        for (gap, count) in parts {
            let start = at + gap;
            at = start + count;
            mapped += at.min(pages).saturating_sub(start);
            rows.add(&run(start, at, ANON, 1));
        }
        let row = &rows.all[0];
        let cells: u64 = row.cells.iter().flat_map(|cell| cell.bytes).sum();
        prop_assert_eq!(cells, mapped * PAGE);
        prop_assert_eq!(row.mapped, mapped * PAGE);
    }
}
