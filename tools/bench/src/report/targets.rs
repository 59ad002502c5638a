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
        ratio_of_least,
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
    /// The case of those below, if it is another one.
    other: Option<&'static str>,
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
        other: None,
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
    target("faults", "read", RUST, &["c"], Bound::AtMost(1.02)),
    target("faults", "read", RUST, &["memfd"], Bound::AtMost(1.0)),
    target("faults", "write", RUST, &["c"], Bound::AtMost(1.02)),
    target("faults", "write", RUST, &["memfd"], Bound::AtMost(1.0)),
    target("faults", "around", RUST, &["c"], Bound::AtMost(1.02)),
    Target {
        other: Some("read"),
        ..target("faults", "around", RUST, RUST, Bound::AtMost(2.0))
    },
    Target {
        other: Some("read"),
        ..target(
            "faults",
            "around",
            &["rust-frames"],
            RUST,
            Bound::AtMost(2.0),
        )
    },
    target("faults", "huge", RUST, &["c"], Bound::AtMost(1.02)),
    target("faults", "huge", RUST, &["memfd"], Bound::AtMost(1.0)),
    target("faults", "mkwrite", RUST, &["c"], Bound::AtMost(1.02)),
    target("harvest", "all", RUST, UFFD, Bound::AtMost(0.5)),
    target("harvest", "10%", RUST, UFFD, Bound::AtMost(0.5)),
    target("harvest", "1%", RUST, UFFD, Bound::AtMost(0.5)),
    target("harvest", "0.1%", RUST, UFFD, Bound::AtMost(0.5)),
];

const RUST: &[&str] = &["rust"];
const UFFD: &[&str] = &["uffd-memfd", "uffd-anon"];
/// Of the interference contest: the target must not wait longer for the first than for the second.
const PATIENCE: [(&str, &str); 4] = [
    ("runs x1", "scan x1"),
    ("runs x2", "scan x2"),
    ("entries x1", "scan x1"),
    ("entries x2", "scan x2"),
];

/// What nobody asks about.
const TOLERANCE: f64 = 0.01;

/// Pairs that are the same: how far they are from 1 is the error.
const CONTROLS: &[(&str, &str)] = &[("runs=", "runs"), ("scan=", "scan"), ("rust=", "rust")];

pub fn all(data: &Data) -> String {
    let mut out = String::new();
    let mut lines = String::new();
    for target in TARGETS {
        let below = target.other.unwrap_or(target.case);
        if let (Some(above), Some(below)) = (
            largest(data, target.contest, target.case),
            largest(data, target.contest, below),
        ) {
            one(target, above, below, &mut lines);
        }
    }
    for cell in data.of("interference").filter(|c| !c.case.ends_with("p50")) {
        for (ours, theirs) in PATIENCE {
            if let (Some(ours), Some(theirs)) = (cell.entrant(ours), cell.entrant(theirs)) {
                let what = format!(
                    "{} {}: {}/{}",
                    cell.contest, cell.case, ours.name, theirs.name
                );
                verdict(
                    &what,
                    ratio_of_least(ours, theirs),
                    Bound::AtMost(1.0),
                    &mut lines,
                );
            }
        }
    }
    if !lines.is_empty() {
        let _ = write!(
            out,
            "\ntargets (ratio of costs, with 95 % confidence; with ? the bound is within that)\n{lines}"
        );
    }
    let mut lines = String::new();
    for cell in &data.cells {
        for (again, first) in CONTROLS {
            if let (Some(again), Some(first)) = (cell.entrant(again), cell.entrant(first)) {
                let r = ratio(again, first);
                let is_sound = r.low <= 1.0 + TOLERANCE && 1.0 - TOLERANCE <= r.high;
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

/// The largest: that is where the work is all there is.
fn largest<'a>(data: &'a Data, contest: &'a str, case: &'a str) -> Option<&'a Cell> {
    data.of(contest)
        .filter(|c| c.case == case)
        .max_by_key(|c| c.bytes)
}

fn one(target: &Target, above: &Cell, below: &Cell, out: &mut String) {
    let (Some(first), Some(second)) =
        (cheapest(above, target.above), cheapest(below, target.below))
    else {
        return;
    };
    let place = match target.other {
        Some(other) => format!(" of {other}"),
        None => String::new(),
    };
    let what = format!(
        "{} {} {}: {}/{}{place}",
        above.contest,
        above.case,
        size(above.bytes),
        first.name,
        second.name
    );
    verdict(&what, ratio(first, second), target.bound, out);
}

fn verdict(what: &str, r: Ratio, bound: Bound, out: &mut String) {
    let is_sure = bound.holds(r.low) == bound.holds(r.high);
    let verdict = match (bound.holds(r.value), is_sure) {
        (true, true) => "met",
        (true, false) => "met?",
        (false, true) => "MISSED",
        (false, false) => "missed?",
    };
    let _ = writeln!(
        out,
        "  {verdict:<9} {what:<48} {}  wanted {}",
        text(r),
        bound.text()
    );
}
