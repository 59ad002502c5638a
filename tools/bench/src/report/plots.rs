// SPDX-License-Identifier: GPL-2.0

//! The plots: bars of each contest, and lines of what grows.

use crate::{
    data::{
        Cell,
        Data,
        Entrant, //
    },
    stats::{
        least,
        median,
        quantile, //
    },
    svg::{
        rounded,
        short,
        Anchor,
        Scale,
        Svg, //
    },
    table::{
        growing,
        grown,
        points,
        size, //
    },
};
use std::{
    fs,
    path::Path, //
};

const OURS: &str = "#1f6fb4";
const PEER: &str = "#d9822b";
const FLOOR: &str = "#9aa0a6";
const GRID: &str = "#e3e3e3";
const AXIS: &str = "#555";

/// Who is ours, who is a floor.
fn colour(name: &str) -> &'static str {
    match name.split(' ').next().unwrap_or(name) {
        "entries" | "runs" | "tables" | "counts" | "vmas" | "pagetable" => OURS,
        name if name.starts_with("rust") => OURS,
        "sum" | "memcpy" | "ioctl" | "enotty" | "nobody" => FLOOR,
        _ => PEER,
    }
}

/// Writes the files; says which.
///
/// Errors: if one cannot be written.
pub fn all(data: &Data, folder: &Path, prefix: &str) -> Result<Vec<String>, String> {
    let unit = match data.remarks.get("clock").map(String::as_str) {
        Some("instructions") => "instructions",
        _ => "ns",
    };
    let machine = machine(data);
    let mut made = Vec::new();
    let mut write = |name: &str, svg: Option<Svg>| -> Result<(), String> {
        if let Some(svg) = svg {
            let path = folder.join(format!("{prefix}-{name}.svg"));
            fs::write(&path, svg.finish()).map_err(|e| format!("{}: {e}", path.display()))?;
            made.push(path.display().to_string());
        }
        Ok(())
    };
    let walks = largest(data, "walk");
    write(
        "walk",
        bars(
            &walks,
            &format!("walks of one stopped process, {unit} per entry"),
            &machine,
        ),
    )?;
    let mut faults = largest(data, "faults");
    faults.extend(largest(data, "harvest"));
    write(
        "faults",
        bars(
            &faults,
            &format!("faults, and harvests of written pages, {unit} each"),
            &machine,
        ),
    )?;
    let waits: Vec<&Cell> = data
        .of("interference")
        .filter(|c| c.case.ends_with("p99") || c.case.ends_with("p99.9"))
        .collect();
    write(
        "interference",
        bars(
            &waits,
            "how long the target waits for itself while others look, ns; the least of the rounds",
            &machine,
        ),
    )?;
    write("growth", growth(data, unit, &machine))?;
    Ok(made)
}

fn machine(data: &Data) -> String {
    let remark = |key: &str| data.remarks.get(key).map_or("?", |value| value.as_str());
    format!(
        "Linux {}, {}, {} CPUs, {}; median and quartiles; where the scale begins at 0 it is linear, else logarithmic",
        remark("kernel"),
        remark("arch"),
        remark("cpus"),
        remark("accelerator")
    )
}

/// Of each case the cell with the most memory.
fn largest<'a>(data: &'a Data, contest: &'a str) -> Vec<&'a Cell> {
    let mut found: Vec<&Cell> = Vec::new();
    for cell in data.of(contest) {
        match found.iter_mut().find(|other| other.case == cell.case) {
            Some(other) if other.bytes < cell.bytes => *other = cell,
            Some(_) => (),
            None => found.push(cell),
        }
    }
    found
}

/// A panel of bars for each cell, two side by side.
fn bars(cells: &[&Cell], title: &str, machine: &str) -> Option<Svg> {
    const WIDTH: f64 = 620.0;
    const ROW: f64 = 19.0;
    if cells.is_empty() {
        return None;
    }
    let rows = cells.iter().map(|c| shown(c).count()).max().unwrap_or(0) as f64;
    let height = rows * ROW + 78.0;
    let lines = cells.len().div_ceil(2) as f64;
    let mut svg = Svg::new(2.0 * WIDTH + 20.0, lines * height + 90.0);
    heading(&mut svg, title, machine);
    legend(&mut svg, 2.0 * WIDTH - 330.0);
    for (index, cell) in cells.iter().enumerate() {
        let x = (index % 2) as f64 * WIDTH + 10.0;
        let y = (index / 2) as f64 * height + 90.0;
        panel(&mut svg, cell, (x, y), WIDTH, ROW);
    }
    Some(svg)
}

/// Who is drawn. The second one of two that are the same is for the table, and so are calls that have
/// nothing to do with how much there is; and VMAs cost what they cost only where there are many.
fn shown(cell: &Cell) -> impl Iterator<Item = &Entrant> {
    let has_vmas = cell.case == "vmas";
    let is_walk = cell.contest == "walk";
    cell.entrants.iter().filter(move |e| match &*e.name {
        name if name.ends_with('=') => false,
        "ioctl" | "enotty" => false,
        "vmas" | "maps" | "procmap-query" => has_vmas || !is_walk,
        _ => true,
    })
}

/// The cases of harvests are parts of the pages.
fn prefix(cell: &Cell) -> &'static str {
    match &*cell.contest {
        "harvest" => "harvest, written: ",
        _ => "",
    }
}

/// What of all rounds is drawn: see Documentation/bench.rst.
fn typical(cell: &Cell, entrant: &Entrant) -> f64 {
    match &*cell.contest {
        "interference" => least(&entrant.costs()),
        _ => median(&entrant.costs()),
    }
}

fn heading(svg: &mut Svg, title: &str, machine: &str) {
    svg.bold(14.0, 30.0, 19.0, title);
    svg.text(14.0, 52.0, 12.0, Anchor::Start, machine);
}

fn legend(svg: &mut Svg, x: f64) {
    for (index, (fill, what)) in [
        (OURS, "mmlens"),
        (PEER, "the kernel, or C"),
        (FLOOR, "floor"),
    ]
    .into_iter()
    .enumerate()
    {
        let x = x + [0.0, 100.0, 260.0][index];
        svg.rect(x, 20.0, 13.0, 13.0, fill);
        svg.text(x + 19.0, 31.0, 13.0, Anchor::Start, what);
    }
}

fn panel(svg: &mut Svg, cell: &Cell, (x, y): (f64, f64), width: f64, row: f64) {
    let mut entrants: Vec<(&Entrant, f64)> = shown(cell).map(|e| (e, typical(cell, e))).collect();
    entrants.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (left, right) = (x + 125.0, x + width - 95.0);
    let scale = Scale::bars(entrants.iter().map(|e| e.1), left, right);
    let bottom = y + 24.0 + entrants.len() as f64 * row;
    svg.bold(
        x,
        y + 12.0,
        14.0,
        &format!(
            "{}{} {} (per {})",
            prefix(cell),
            cell.case,
            size(cell.bytes),
            cell.unit
        ),
    );
    for tick in scale.ticks() {
        let at = scale.at(tick);
        svg.line((at, y + 22.0), (at, bottom), GRID, 1.0);
        svg.text(at, bottom + 15.0, 11.0, Anchor::Middle, &short(tick));
    }
    for (index, (entrant, cost)) in entrants.iter().enumerate() {
        let top = y + 24.0 + index as f64 * row;
        let middle = top + row / 2.0;
        svg.text(left - 7.0, middle + 4.0, 12.0, Anchor::End, &entrant.name);
        svg.rect(
            left,
            top + 3.0,
            scale.at(*cost) - left,
            row - 6.0,
            colour(&entrant.name),
        );
        let costs = entrant.costs();
        let mut end = scale.at(*cost);
        if cell.contest != "interference" {
            let (low, high) = (
                scale.at(quantile(&costs, 0.25)),
                scale.at(quantile(&costs, 0.75)),
            );
            svg.line((low, middle), (high, middle), "#000", 1.5);
            end = end.max(high);
        }
        let note = match &*entrant.checked {
            "hidden" => " (sees nothing)",
            _ => "",
        };
        let text = format!("{}{note}", rounded(*cost));
        svg.text(end + 6.0, middle + 4.0, 12.0, Anchor::Start, &text);
    }
    svg.line((left, y + 22.0), (left, bottom), AXIS, 1.0);
    svg.line((left, bottom), (right, bottom), AXIS, 1.0);
}

/// Lines of what a pass costs, against how much there is.
fn growth(data: &Data, unit: &str, machine: &str) -> Option<Svg> {
    const WIDTH: f64 = 470.0;
    const HEIGHT: f64 = 430.0;
    data.of("growth").next()?;
    let mut svg = Svg::new(3.0 * WIDTH + 20.0, HEIGHT + 110.0);
    heading(
        &mut svg,
        &format!("{unit} of a pass, against how much there is"),
        machine,
    );
    legend(&mut svg, 3.0 * WIDTH - 330.0);
    for (index, case) in ["pages", "tables", "vmas"].into_iter().enumerate() {
        let curves: Vec<(&str, Vec<(f64, f64)>)> = growing(data, case)
            .into_iter()
            .map(|name| (name, points(data, case, name)))
            .collect();
        let (left, right) = (
            index as f64 * WIDTH + 60.0,
            (index + 1) as f64 * WIDTH - 100.0,
        );
        let (top, bottom) = (90.0, HEIGHT + 60.0);
        let xs = Scale::log(
            data.of("growth").filter(|c| c.case == case).map(grown),
            left,
            right,
        );
        let ys = Scale::log(curves.iter().flat_map(|c| &c.1).map(|p| p.1), bottom, top);
        for tick in xs.ticks() {
            svg.line((xs.at(tick), top), (xs.at(tick), bottom), GRID, 1.0);
            svg.text(
                xs.at(tick),
                bottom + 16.0,
                11.0,
                Anchor::Middle,
                &short(tick),
            );
        }
        for tick in ys.ticks() {
            svg.line((left, ys.at(tick)), (right, ys.at(tick)), GRID, 1.0);
            svg.text(
                left - 5.0,
                ys.at(tick) + 4.0,
                11.0,
                Anchor::End,
                &short(tick),
            );
        }
        svg.text(
            (left + right) / 2.0,
            bottom + 36.0,
            13.0,
            Anchor::Middle,
            case,
        );
        // Names at the ends of the lines, the highest first, none on top of another.
        let mut ends: Vec<(f64, &str)> = Vec::new();
        for (name, points) in &curves {
            let path: Vec<(f64, f64)> = points.iter().map(|p| (xs.at(p.0), ys.at(p.1))).collect();
            svg.curve(&path, colour(name), dashes(name));
            ends.extend(path.last().map(|p| (p.1, *name)));
        }
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut free = 0.0;
        for (y, name) in ends {
            let at = f64::max(y, free);
            svg.line((right + 2.0, y), (right + 9.0, at), AXIS, 0.7);
            svg.text(right + 11.0, at + 4.0, 12.0, Anchor::Start, name);
            free = at + 14.0;
        }
    }
    Some(svg)
}

/// So that lines of one colour can be told apart.
fn dashes(name: &str) -> &'static str {
    match name {
        "runs" | "scan" => "",
        "counts" | "pagemap" => "7 3",
        "entries" | "smaps" => "2 3",
        "tables" | "maps" => "10 3 2 3",
        _ => "1 4",
    }
}
