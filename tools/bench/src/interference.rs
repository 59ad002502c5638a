// SPDX-License-Identifier: GPL-2.0

//! The interference contest: how long a process waits for its own `mmap()`, page fault and `munmap()`
//! while others look at it.

use crate::{
    contestants::{
        self,
        Kind, //
    },
    sample::Sample,
    sys::{
        cpus,
        now,
        page_size,
        pin_to,
        Context,
        Failure,
        Mapping,
        Process,
        Res,
        Shared, //
    },
    target::{
        Layout,
        Target, //
    },
};
use std::sync::atomic::{
    AtomicU64,
    Ordering::Relaxed, //
};

/// What there is to look at.
const BYTES: usize = 64 << 20;
/// What the target does to itself.
const OPERATIONS: [&str; 3] = ["mmap", "fault", "munmap"];
const PAGES: usize = 16;
/// Who looks.
const WALKERS: [&str; 8] = [
    "runs",
    "entries",
    "tables",
    "pagetable",
    "scan",
    "pagemap",
    "smaps",
    "maps",
];
const MOST: usize = 2;
/// For each of these a sample.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

pub struct Plan<'a> {
    pub rounds: usize,
    pub is_small: bool,
    pub is_wanted: &'a dyn Fn(&str) -> bool,
}

/// The target's own work: so many times each of the operations, and how long each took.
fn work(times: &[AtomicU64], count: usize) -> Res<()> {
    for index in 0..count {
        let start = now();
        let mapping = Mapping::anonymous(0, PAGES * page_size()).context("mmap")?;
        let mapped = now();
        mapping.write(PAGES * page_size());
        let touched = now();
        drop(mapping);
        let unmapped = now();
        let took = [mapped - start, touched - mapped, unmapped - touched];
        for (operation, took) in took.into_iter().enumerate() {
            times[operation * count + index].store(took, Relaxed);
        }
    }
    Ok(())
}

/// Looks for ever; counts how often.
fn look(kind: &Kind, target: &Target, passes: &AtomicU64) -> Res<()> {
    pin_to(1);
    let mut contestant = (kind.make)(target)?;
    loop {
        contestant.pass(false)?;
        passes.fetch_add(1, Relaxed);
    }
}

pub fn run(plan: &Plan<'_>) -> Res<()> {
    if cpus() < 2 {
        eprintln!("bench: without interference: there is one processor");
        return Ok(());
    }
    let count = if plan.is_small { 200 } else { 3000 };
    let bytes = if plan.is_small { 1 << 20 } else { BYTES };
    // How often each walker has walked, and the times of the target.
    let shared = Shared::new(MOST + OPERATIONS.len() * count)?;
    let (passes, times) = shared.words().split_at(MOST);
    let target = Target::with_work(Layout::Dense, bytes, 1, || work(times, count))?;
    // What it does for the first time is not what it does later.
    target.work()?;
    let mut conditions: Vec<(Option<Kind>, usize)> = vec![(None, 0)];
    for many in 1..=MOST {
        let kinds = contestants::all().into_iter();
        let wanted = kinds.filter(|k| WALKERS.contains(&k.name) && (plan.is_wanted)(k.name));
        conditions.extend(wanted.map(|kind| (Some(kind), many)));
    }
    for round in 0..plan.rounds {
        eprintln!("bench: interference: round {}", round + 1);
        let mut order: Vec<_> = conditions.iter().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (kind, many) in order {
            let walkers = (0..*many)
                .filter_map(|index| Some((index, kind.as_ref()?)))
                .map(|(index, kind)| {
                    passes[index].store(0, Relaxed);
                    Process::fork(|| look(kind, &target, &passes[index]))
                })
                .collect::<Result<Vec<_>, _>>()
                .context("fork")?;
            until(|| passes[..*many].iter().all(|p| p.load(Relaxed) > 0))?;
            target.work()?;
            let walked: u64 = passes[..*many].iter().map(|p| p.load(Relaxed)).sum();
            drop(walkers);
            let name = match kind {
                Some(kind) => format!("{} x{many}", kind.name),
                None => "nobody".to_string(),
            };
            report(&name, round, times, count, walked, &target);
        }
    }
    Ok(())
}

/// Waits for others to get going.
fn until(is_done: impl Fn() -> bool) -> Res<()> {
    for _ in 0..20_000 {
        if is_done() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(Failure("a walker does not get going".to_string()))
}

fn report(
    name: &str,
    round: usize,
    times: &[AtomicU64],
    count: usize,
    walked: u64,
    target: &Target,
) {
    for (operation, times) in OPERATIONS.iter().zip(times.chunks(count)) {
        let mut sorted: Vec<u64> = times.iter().map(|t| t.load(Relaxed)).collect();
        sorted.sort_unstable();
        for (quantile, part) in QUANTILES {
            let at = (part * (count - 1) as f64).round() as usize;
            Sample {
                contest: "interference",
                case: &format!("{operation} {quantile}"),
                bytes: target.end - target.start,
                units: 1,
                unit: "operation",
                contestant: name,
                round,
                reps: 1,
                ns: sorted.get(at).copied().unwrap_or(0),
                calls: count as u64,
                records: walked,
                out_bytes: 0,
                checked: &format!("{walked} walks"),
            }
            .print();
        }
    }
}
