// SPDX-License-Identifier: GPL-2.0

//! What we want to be true, and whether it is.

use crate::{
    data::{
        Cell,
        Data, //
    },
    stats::{
        median,
        ratio,
        Ratio, //
    },
    table::size,
};
use std::fmt::Write;

/// What is wanted of a ratio.
#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Bound::AtLeast(bound) => value >= bound,
            Bound::AtMost(bound) => value <= bound,
        }
    }

    fn text(self) -> String {
        match self {
            Bound::AtLeast(bound) => format!(">= {bound}"),
            Bound::AtMost(bound) => format!("<= {bound}"),
        }
    }
}

/// The cost of one divided by that of the cheapest of some others.
struct Target {
    contest: &'static str,
    case: &'static str,
    above: &'static [&'static str],
    below: &'static [&'static str],
    bound: Bound,
}

const fn target(
    contest: &'static str,
    case: &'static str,
    above: &'static [&'static str],
    below: &'static [&'static str],
    bound: Bound,
) -> Target {
    Target {
        contest,
        case,
        above,
        below,
        bound,
    }
}

/// Those that tell of pages.
const PAGES: &[&str] = &["pagemap", "scan", "scan-count", "smaps", "smaps_rollup"];
const AREAS: &[&str] = &["maps", "procmap-query"];

const TARGETS: &[Target] = &[
    target("walk", "dense", &["scan"], &["runs"], Bound::AtLeast(12.0)),
    target(
        "walk",
        "dense",
        &["pagemap"],
        &["runs"],
        Bound::AtLeast(25.0),
    ),
    target(
        "walk",
        "dense",
        &["scan-count"],
        &["counts"],
        Bound::AtLeast(12.0),
    ),
    target("walk", "dense", &["tables"], &["sum"], Bound::AtMost(3.0)),
    target("walk", "dense", &["entries"], &["sum"], Bound::AtMost(5.0)),
    target(
        "walk",
        "dense",
        &["smaps"],
        &["pagetable"],
        Bound::AtLeast(20.0),
    ),
    target("walk", "sparse", PAGES, &["runs"], Bound::AtLeast(1.0)),
    target("walk", "sparse", PAGES, &["counts"], Bound::AtLeast(1.0)),
    target("walk", "thp", PAGES, &["runs"], Bound::AtLeast(1.0)),
    target("walk", "thp", PAGES, &["counts"], Bound::AtLeast(1.0)),
    target("walk", "vmas", PAGES, &["runs"], Bound::AtLeast(1.0)),
    target("walk", "vmas", PAGES, &["counts"], Bound::AtLeast(1.0)),
    target("walk", "vmas", AREAS, &["vmas"], Bound::AtLeast(1.0)),
];

/// Pairs that are the same: how far they are from 1 is the error.
const CONTROLS: &[(&str, &str)] = &[("runs=", "runs"), ("scan=", "scan")];

pub fn all(data: &Data) -> String {
    let mut out = String::new();
    let mut lines = String::new();
    for target in TARGETS {
        // The largest: that is where a walk is all there is.
        let cells = data.of(target.contest).filter(|c| c.case == target.case);
        if let Some(cell) = cells.max_by_key(|c| c.bytes) {
            one(target, cell, &mut lines);
        }
    }
    if !lines.is_empty() {
        let _ = write!(
            out,
            "\ntargets (ratio of costs, with 95 % confidence)\n{lines}"
        );
    }
    let mut lines = String::new();
    for cell in &data.cells {
        for (again, first) in CONTROLS {
            if let (Some(again), Some(first)) = (cell.entrant(again), cell.entrant(first)) {
                let r = ratio(again, first);
                let is_sound = r.low <= 1.0 && 1.0 <= r.high;
                let _ = writeln!(
                    lines,
                    "  {:<9} {:<34} {}",
                    if is_sound { "1.00" } else { "NOT 1.00" },
                    format!(
                        "{} {} {}: {}/{}",
                        cell.contest,
                        cell.case,
                        size(cell.bytes),
                        again.name,
                        first.name
                    ),
                    text(r),
                );
            }
        }
    }
    if !lines.is_empty() {
        let _ = write!(
            out,
            "\ncontrols (the same twice: what a ratio is worth)\n{lines}"
        );
    }
    out
}

fn text(r: Ratio) -> String {
    format!("{:8.3}  [{:.3} {:.3}]", r.value, r.low, r.high)
}

/// The cheapest of those who took part.
fn cheapest<'a>(cell: &'a Cell, names: &[&str]) -> Option<&'a crate::data::Entrant> {
    names
        .iter()
        .filter_map(|name| cell.entrant(name))
        .filter(|e| e.checked != "hidden")
        .min_by(|a, b| median(&a.costs()).total_cmp(&median(&b.costs())))
}

fn one(target: &Target, cell: &Cell, out: &mut String) {
    let (Some(above), Some(below)) = (cheapest(cell, target.above), cheapest(cell, target.below))
    else {
        return;
    };
    let r = ratio(above, below);
    let verdict = match target.bound.holds(r.value) {
        true => "met",
        false => "MISSED",
    };
    let what = format!(
        "{} {} {}: {}/{}",
        cell.contest,
        cell.case,
        size(cell.bytes),
        above.name,
        below.name
    );
    let _ = writeln!(
        out,
        "  {verdict:<9} {what:<45} {}  wanted {}",
        text(r),
        target.bound.text()
    );
}
