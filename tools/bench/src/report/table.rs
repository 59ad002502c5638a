// SPDX-License-Identifier: GPL-2.0

//! A table for each thing that was measured.

use crate::{
    data::{
        Cell,
        Data, //
    },
    stats::{
        median,
        ratio,
        spread, //
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
    for cell in &data.cells {
        one(cell, data, &mut out);
    }
    out
}

/// 1,048,576 of 1048576.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
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
        "walk" => "scan",
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
