// SPDX-License-Identifier: GPL-2.0

//! Measures mmlens against everything that does the same. Runs in a guest, as root, with the module
//! loaded; prints samples as CSV, which `bench-report` reads.

mod contestants;
mod device;
mod faults;
mod interference;
mod knob;
mod memory;
mod sample;
mod sys;
mod target;
mod uapi;
mod walk;

use clap::Parser;
use std::{
    fs,
    process::ExitCode, //
};
use sys::{
    Context,
    Failure,
    Res, //
};
use target::{
    Layout,
    Target,
    PAGES_OF_VMA, //
};
use walk::Plan;

#[derive(Parser)]
#[command(about = "Measures mmlens against its peers; prints CSV")]
struct Options {
    /// Only these contests: walk, growth, faults, interference
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these contestants
    #[arg(long, value_delimiter = ',')]
    contestants: Vec<String>,
    /// Only these layouts
    #[arg(long, value_delimiter = ',')]
    layout: Vec<Layout>,
    /// Only these sizes, such as 64K or 1G
    #[arg(long, value_delimiter = ',', value_parser = parse_size)]
    size: Vec<usize>,
    #[arg(long)]
    rounds: Option<usize>,
    /// Fewer sizes and rounds
    #[arg(long)]
    quick: bool,
    /// Everything once and small: whether it works
    #[arg(long)]
    smoke: bool,
    /// The device in C, to be loaded
    #[arg(long)]
    peer: Option<std::path::PathBuf>,
    /// The clock counts instructions
    #[arg(long)]
    icount: bool,
}

impl Options {
    fn has(&self, contest: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == contest)
    }

    fn has_contestant(&self, name: &str) -> bool {
        let name = name.trim_end_matches('=');
        self.contestants.is_empty() || self.contestants.iter().any(|wanted| wanted == name)
    }

    fn rounds(&self) -> usize {
        let default = match (self.smoke, self.icount, self.quick) {
            (true, _, _) => 1,
            (_, true, _) => 3,
            (_, _, true) => 5,
            _ => 20,
        };
        self.rounds.unwrap_or(default)
    }

    /// The sizes of the targets of a layout.
    fn sizes(&self, layout: Layout) -> Vec<usize> {
        if !self.size.is_empty() {
            return self.size.clone();
        }
        let page = sys::page_size();
        if self.smoke {
            return match layout {
                Layout::Thp | Layout::Sparse => vec![4 * sys::huge_size()],
                _ => vec![1 << 20],
            };
        }
        // Where it is instructions that count, a larger size tells nothing new.
        match (layout, self.quick || self.icount) {
            (Layout::Vmas, _) if self.quick => vec![2_500 * PAGES_OF_VMA * page],
            (Layout::Vmas, _) => vec![10_000 * PAGES_OF_VMA * page],
            (Layout::Dense, false) => [64 << 10, 1 << 20, 16 << 20, 128 << 20, 1 << 30].to_vec(),
            (Layout::Dense, true) => [64 << 10, 64 << 20].to_vec(),
            (Layout::Pfnmap, false) => vec![1 << 20, 128 << 20],
            (_, false) => vec![16 << 20, 1 << 30],
            (_, true) => vec![64 << 20],
        }
    }
}

/// Bytes of a size with a unit.
fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: usize = digits.parse().map_err(|_| format!("no size: {text}"))?;
    let shift = match &text[digits.len()..] {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        unit => return Err(format!("no unit: {unit}; try: 64K, 512M, 1G")),
    };
    number
        .checked_shl(shift)
        .filter(|n| *n > 0)
        .ok_or_else(|| format!("no size: {text}"))
}

fn run(options: &Options) -> Res<()> {
    sys::pin_to(0);
    let _resting = knob::rest();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("osrelease")?;
    sample::remark("kernel", release.trim());
    sample::remark("arch", std::env::consts::ARCH);
    sample::remark("cpus", &sys::cpus().to_string());
    sample::remark("clock", if options.icount { "instructions" } else { "ns" });
    for kind in contestants::all() {
        sample::remark(&format!("returns {}", kind.name), kind.returns);
    }
    sample::line(format_args!("{}", sample::HEADER));
    if options.has("walk") {
        walk_contest(options)?;
    }
    let is_asked_for = options.only.iter().any(|name| name == "growth");
    if options.has("growth") && (is_asked_for || !options.icount) {
        growth_contest(options)?;
    }
    if options.has("faults") {
        // Nobody has it open any more when it goes.
        let _peer = match &options.peer {
            Some(peer) => Some(sys::Module::load(peer, c"mmlens_peer").context(peer.display())?),
            None => None,
        };
        faults::run(&faults::Plan {
            rounds: options.rounds(),
            is_small: options.smoke,
            is_short: options.icount || options.quick,
            is_wanted: &|name| options.has_contestant(name),
        })?;
    }
    if options.has("interference") && !options.icount {
        interference::run(&interference::Plan {
            rounds: options.rounds().min(if options.quick { 2 } else { 6 }),
            is_small: options.smoke,
            is_wanted: &|name| options.has_contestant(name),
        })?;
    }
    Ok(())
}

/// Who is looked at while the target grows.
const GROWING: [&str; 11] = [
    "entries",
    "runs",
    "tables",
    "counts",
    "vmas",
    "pagetable",
    "pagemap",
    "scan",
    "smaps",
    "maps",
    "procmap-query",
];

/// The growth contest: the same walks over three decades of pages, tables and VMAs.
fn growth_contest(options: &Options) -> Res<()> {
    let (page, huge) = (sys::page_size(), sys::huge_size());
    let steps: Vec<usize> = match (options.smoke, options.quick) {
        (true, _) => vec![4],
        (_, true) => vec![4, 64, 1024],
        _ => vec![4, 16, 64, 256, 1024, 4096],
    };
    let cases = [
        ("pages", Layout::Dense, 64 * page),
        ("tables", Layout::Sparse, huge),
        ("vmas", Layout::Vmas, 8 * page),
    ];
    for (case, layout, unit) in cases {
        for &step in &steps {
            eprintln!("bench: growth: {case}: {step}");
            let target = Target::new(layout, step * unit, 1)?;
            let plan = Plan {
                contest: "growth",
                case,
                rounds: options.rounds().min(4),
                is_counted: options.icount,
                is_wanted: &|name| GROWING.contains(&name) && options.has_contestant(name),
            };
            walk::run(&target, &plan)
                .map_err(|Failure(text)| Failure(format!("growth of {case}: {text}")))?;
        }
    }
    Ok(())
}

fn walk_contest(options: &Options) -> Res<()> {
    for layout in Layout::ALL {
        if !options.layout.is_empty() && !options.layout.contains(&layout) {
            continue;
        }
        for size in options.sizes(layout) {
            let target = match Target::new(layout, size, PAGES_OF_VMA) {
                Ok(target) => target,
                Err(failure) => {
                    eprintln!(
                        "bench: without {} of {} KiB: {failure}",
                        layout.name(),
                        size >> 10
                    );
                    continue;
                }
            };
            eprintln!("bench: walk: {} of {} KiB", layout.name(), size >> 10);
            let plan = Plan {
                contest: "walk",
                case: layout.name(),
                rounds: options.rounds(),
                is_counted: options.icount,
                is_wanted: &|name| options.has_contestant(name),
            };
            walk::run(&target, &plan)
                .map_err(|Failure(text)| Failure(format!("{}: {text}", layout.name())))?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}
