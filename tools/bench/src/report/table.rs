// SPDX-License-Identifier: GPL-2.0

//! A table for each thing that was measured.

use crate::{
    data::{
        Cell,
        Data, //
    },
    stats::{
        fit,
        least,
        median,
        ratio,
        spread,
        Line, //
    },
};
use std::fmt::Write;

/// The floor, which has a column of its own.
const FLOOR: &str = "sum";

pub fn all(data: &Data) -> String {
    let mut out = String::new();
    let remark = |key: &str| data.remarks.get(key).map_or("?", |value| value.as_str());
    let _ = writeln!(
        out,
        "kernel {} ({}), {} CPUs, unit: {}",
        remark("kernel"),
        remark("arch"),
        remark("cpus"),
        remark("clock")
    );
    for cell in data
        .cells
        .iter()
        .filter(|c| !matches!(&*c.contest, "growth" | "interference"))
    {
        one(cell, data, &mut out);
    }
    growth(data, &mut out);
    interference(data, &mut out);
    out
}

/// 1,048,576 of 1048576.
fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut out = String::new();
    if number < 0.0 {
        out.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub fn size(bytes: u64) -> String {
    match bytes {
        0 => String::new(),
        b if b >= 1 << 30 && b % (1 << 30) == 0 => format!("{} GiB", b >> 30),
        b if b >= 1 << 20 => format!("{} MiB", b >> 20),
        b => format!("{} KiB", b >> 10),
    }
}

/// What the others are compared with: the first one who is not ours.
fn peer(contest: &str) -> &'static str {
    match contest {
        "walk" | "growth" => "scan",
        "faults" => "c",
        "harvest" => "uffd-memfd",
        _ => "",
    }
}

fn one(cell: &Cell, data: &Data, out: &mut String) {
    let unit = match data.remarks.get("clock").map(String::as_str) {
        Some("instructions") => "insns",
        _ => "ns",
    };
    let _ = writeln!(
        out,
        "\n{}: {} {}",
        cell.contest,
        cell.case,
        size(cell.bytes)
    );
    let peer = cell.entrant(peer(&cell.contest)).or(cell.entrants.first());
    let floor = cell.entrant(FLOOR);
    let _ = writeln!(
        out,
        "  {:<15} {:>13} {:>11} {:>7} {:>17} {:>8} {:>6} {:>8} {:>10}  result",
        "",
        format!("{unit}/pass"),
        format!("{unit}/{}", cell.unit),
        "spread",
        peer.map_or(String::new(), |p| format!("/{}", p.name)),
        floor.map_or("", |_| "/floor"),
        "calls",
        "records",
        "bytes",
    );
    for entrant in &cell.entrants {
        let costs = entrant.costs();
        let against = peer.map_or(String::new(), |peer| {
            let r = ratio(entrant, peer);
            format!("{:.3} [{:.2} {:.2}]", r.value, r.low, r.high)
        });
        let above = floor.map_or(String::new(), |floor| {
            format!("{:.2}", ratio(entrant, floor).value)
        });
        let _ = writeln!(
            out,
            "  {:<15} {:>13} {:>11.2} {:>6.1}% {:>17} {:>8} {:>6} {:>8} {:>10}  {}",
            entrant.name,
            grouped(median(&costs) * entrant.units),
            median(&costs),
            100.0 * spread(&costs),
            against,
            above,
            entrant.calls,
            entrant.records,
            entrant.out_bytes,
            entrant.checked,
        );
    }
}

/// What grows, and how many of them a cell of the growth contest has.
pub fn grown(cell: &Cell) -> f64 {
    let pages = cell.entrants.first().map_or(0.0, |e| e.units);
    match &*cell.case {
        // A table has as many entries as fit into a page.
        "tables" => pages / 512.0,
        _ => pages,
    }
}

/// The names of those who took part in a case of the growth contest.
pub fn growing<'a>(data: &'a Data, case: &'a str) -> Vec<&'a str> {
    let cells = data.of("growth").filter(|c| c.case == case);
    let mut names = Vec::new();
    for entrant in cells.flat_map(|c| &c.entrants) {
        if !names.contains(&&*entrant.name) {
            names.push(&*entrant.name);
        }
    }
    names
}

/// How many there were, and what that cost.
pub fn points(data: &Data, case: &str, name: &str) -> Vec<(f64, f64)> {
    let cells = data.of("growth").filter(|c| c.case == case);
    let costs = cells.filter_map(|cell| {
        let entrant = cell.entrant(name)?;
        Some((grown(cell), median(&entrant.costs()) * entrant.units))
    });
    costs.collect()
}

fn growth(data: &Data, out: &mut String) {
    for case in ["pages", "tables", "vmas"] {
        let names = growing(data, case);
        if names.is_empty() {
            continue;
        }
        let _ = writeln!(
            out,
            "\ngrowth: {case}\n  {:<15} {:>12} {:>12} {:>9} {:>12} {:>12}",
            "", "each", "base", "R^2", "least", "most"
        );
        for name in names {
            let points = points(data, case, name);
            let Line { slope, base, r2 } = fit(&points);
            let first = points.first().map_or(0.0, |p| p.1);
            let last = points.last().map_or(0.0, |p| p.1);
            let _ = writeln!(
                out,
                "  {name:<15} {slope:>12.2} {:>12} {r2:>9.5} {:>12} {:>12}",
                grouped(base),
                grouped(first),
                grouped(last)
            );
        }
    }
}

/// A line for each condition, because all of it is about the same process.
fn interference(data: &Data, out: &mut String) {
    let cells: Vec<_> = data.of("interference").collect();
    let Some(first) = cells.first() else {
        return;
    };
    let _ = write!(
        out,
        "\ninterference: us that the target waits, the least of the rounds\n  {:<14}",
        ""
    );
    for cell in &cells {
        let _ = write!(out, " {:>12}", cell.case);
    }
    let _ = writeln!(out, "  walks");
    for entrant in &first.entrants {
        let _ = write!(out, "  {:<14}", entrant.name);
        for cell in &cells {
            let cost = cell
                .entrant(&entrant.name)
                .map_or(f64::NAN, |e| least(&e.costs()));
            let _ = write!(out, " {:>12.1}", cost / 1000.0);
        }
        let _ = writeln!(out, "  {}", entrant.records);
    }
}
