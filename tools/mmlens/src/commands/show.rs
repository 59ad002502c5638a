// SPDX-License-Identifier: GPL-2.0

//! `mmlens show`: a process on one screen.

use crate::{
    context::Context,
    error::{Error, Outcome, Result},
    output::{
        color::{Painted, BAD, CARE, QUIET, TITLE},
        json::Hex,
        table::{Cell, Table},
        Output,
    },
    target::Target,
    text,
};
use mmlens_core::{
    pt::{facts::Facts, filter::Filter, level::Level},
    text::About,
};
use mmlens_device::{Counts, Machine, Text};
use serde::Serialize;
use serde_json::{Map, Value};

/// Shows a process on one screen: who it is, its layout, what its page tables hold
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which process
    pid: String,
}

/// What of the file `mm` is for the screen.
const FIELDS: [&str; 8] = [
    "exe_file",
    "levels",
    "pgd",
    "mm_users",
    "mmap_base",
    "map_count",
    "flags",
    "context_flags",
];

#[derive(Serialize)]
struct Data {
    pid: i32,
    comm: String,
    /// All lines `name: value` of the file `mm`.
    mm: Map<String, Value>,
    layout: Vec<Area>,
    totals: Totals,
}

/// Ranges of one kind.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Area {
    kind: String,
    ranges: u64,
    bytes: u64,
    /// Of the lowest one.
    start: Hex,
    /// Of the highest one.
    end: Hex,
}

/// Sums over all tables, in bytes of address space where nothing else is said.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Totals {
    mapped: u64,
    huge: u64,
    swapped: u64,
    /// Guards and other notes of the kernel.
    noted: u64,
    holes: u64,
    accessed: u64,
    dirty: u64,
    writable: u64,
    executable: u64,
    write_and_execute: u64,
    /// By level, what maps memory: bytes.
    levels: Map<String, Value>,
    /// By level: tables.
    tables: Map<String, Value>,
    /// By memory type: bytes.
    memory: Map<String, Value>,
    /// By kind of page: bytes.
    pages: Map<String, Value>,
}

const MEMORY: [Facts; 6] = [
    Facts::WB,
    Facts::WT,
    Facts::WC,
    Facts::UC,
    Facts::DEVICE,
    Facts::OTHER_TYPE,
];

const PAGES: [Facts; 9] = [
    Facts::PAGE_ANON,
    Facts::PAGE_FILE,
    Facts::PAGE_SHMEM,
    Facts::PAGE_HUGETLB,
    Facts::PAGE_KSM,
    Facts::PAGE_ZERO,
    Facts::PAGE_KERNEL,
    Facts::PAGE_RAM,
    Facts::PAGE_DEVICE,
];

/// The word of a fact.
fn word(fact: Facts) -> &'static str {
    fact.words().next().unwrap_or_default()
}

/// Those that there are, by their words.
fn some_of(counts: &Counts, facts: &[Facts]) -> Map<String, Value> {
    let each = facts
        .iter()
        .map(|&fact| (word(fact), counts.bytes_of(fact)));
    let some = each.filter(|&(_, bytes)| bytes > 0);
    let short = |word: &str| word.strip_prefix("page-").unwrap_or(word).to_string();
    some.map(|(word, bytes)| (short(word), bytes.into()))
        .collect()
}

impl Totals {
    /// Of all entries, of the leaves, of those above the lowest table, and of those that can be written
    /// to and executed.
    fn new(machine: &Machine, all: &Counts, leaves: &Counts, wx: &Counts, summary: &str) -> Self {
        let mut this = Self {
            mapped: leaves.bytes,
            swapped: all.bytes_of(Facts::SWAP),
            noted: all
                .bytes_of(Facts::NONPRESENT)
                .saturating_sub(all.bytes_of(Facts::SWAP)),
            holes: all.bytes_of(Facts::HOLE),
            accessed: leaves.bytes_of(Facts::ACCESSED),
            dirty: leaves.bytes_of(Facts::DIRTY),
            writable: leaves.bytes_of(Facts::WRITE),
            executable: leaves.bytes_of(Facts::EXEC),
            write_and_execute: wx.bytes,
            memory: some_of(leaves, &MEMORY),
            pages: some_of(leaves, &PAGES),
            ..Self::default()
        };
        for level in machine.levels() {
            let bytes = leaves.bytes_of(Facts::of_level(level));
            if bytes > 0 {
                this.levels.insert(level.name().into(), bytes.into());
            }
            if level != Level::Pte {
                this.huge += bytes;
            }
        }
        let tables = text::field(summary, "tables").unwrap_or_default();
        for (level, count) in tables.split(' ').filter_map(|word| word.split_once('=')) {
            if let Ok(count) = count.parse::<u64>() {
                this.tables.insert(level.into(), count.into());
            }
        }
        this
    }
}

/// The ranges of the file `layout`, by kind, in the order in which the kinds first come.
fn areas(layout: &str) -> Vec<Area> {
    let mut areas: Vec<Area> = Vec::new();
    for line in layout.lines() {
        let mut words = line.split_whitespace();
        let range = words.next().and_then(|range| range.split_once('-'));
        let (Some((start, end)), Some(_), Some(kind)) = (range, words.next(), words.next()) else {
            continue;
        };
        let number = |digits| u64::from_str_radix(digits, 16).ok();
        let (Some(start), Some(end)) = (number(start), number(end)) else {
            continue;
        };
        if kind.contains("gap") {
            continue;
        }
        let bytes = end.wrapping_sub(start);
        match areas.iter_mut().find(|area| area.kind == kind) {
            Some(area) => {
                area.ranges += 1;
                area.bytes += bytes;
                area.end = Hex(end);
            }
            None => areas.push(Area {
                kind: kind.into(),
                ranges: 1,
                bytes,
                start: Hex(start),
                end: Hex(end),
            }),
        }
    }
    areas
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let target = Target::find(&self.pid)?;
        let pid = target.pid;
        let mm = text::read(context, Text::Mm, pid)?;
        let explain = |error| Error::of_process(error, pid);
        let device = context.device()?;
        // Before the texts, which say nothing of a process without memory.
        let all = device.walk(pid).counts().map_err(explain)?;
        let present = Filter {
            required: Facts::PRESENT,
            ..Filter::ALL
        };
        let leaves = device
            .walk(pid)
            .filter(&present)
            .pages()
            .counts()
            .map_err(explain)?;
        let both = Filter {
            required: Facts::PRESENT.with(Facts::WRITE).with(Facts::EXEC),
            ..Filter::ALL
        };
        let wx = device.walk(pid).filter(&both).counts().map_err(explain)?;
        let layout = text::read(context, Text::Layout, pid)?;
        let summary = text::read(context, Text::Summary, pid)?;
        let machine = context.machine()?.clone();
        let data = Data {
            pid,
            comm: target.comm,
            mm: text::fields(&mm)
                .map(|(name, value)| (name.to_string(), value.into()))
                .collect(),
            layout: areas(&layout),
            totals: Totals::new(&machine, &all, &leaves, &wx, &summary),
        };
        if context.json {
            context.print_json("show", &data)?;
        } else {
            print(&mut context.out, &data, &mm)?;
        }
        Ok(Outcome::Done)
    }
}

fn print(out: &mut Output, data: &Data, mm: &str) -> Result<()> {
    let value = |name| text::field(mm, name).unwrap_or("?");
    out.line(format_args!(
        "{}, parent {}, {} thread(s)",
        Painted(TITLE, format_args!("{} ({})", data.comm, data.pid)),
        value("ppid"),
        value("threads")
    ))?;
    for name in FIELDS {
        if let Some(value) = text::field(mm, name) {
            out.line(format_args!("  {name:<14} {value}"))?;
        }
    }
    out.line("")?;
    let mut table = Table::new(&["kind", ">ranges", ">size", "from", "to"]);
    for area in &data.layout {
        table.row([
            area.kind.clone().into(),
            area.ranges.to_string().into(),
            About(area.bytes).to_string().into(),
            Cell::styled(format!("{:016x}", area.start.0), QUIET),
            Cell::styled(format!("{:016x}", area.end.0), QUIET),
        ]);
    }
    table.print(out)?;
    out.line("")?;
    totals(out, &data.totals)
}

fn totals(out: &mut Output, totals: &Totals) -> Result<()> {
    let share = |bytes: u64| match totals.mapped {
        0 => String::new(),
        all => format!(" ({}%)", u128::from(bytes) * 100 / u128::from(all)),
    };
    out.line(format_args!(
        "{} {}, huge {}{}, accessed {}, dirty {}",
        Painted(TITLE, "mapped  "),
        About(totals.mapped),
        About(totals.huge),
        share(totals.huge),
        About(totals.accessed),
        About(totals.dirty)
    ))?;
    out.line(format_args!(
        "{} swapped {}, notes {}, holes {}",
        Painted(TITLE, "absent  "),
        About(totals.swapped),
        About(totals.noted),
        About(totals.holes)
    ))?;
    let sizes = |map: &Map<String, Value>| {
        let each = map
            .iter()
            .map(|(name, bytes)| format!("{name} {}", About(bytes.as_u64().unwrap_or(0))));
        each.collect::<Vec<_>>().join(", ")
    };
    out.line(format_args!(
        "{} {}",
        Painted(TITLE, "pages   "),
        sizes(&totals.pages)
    ))?;
    out.line(format_args!(
        "{} {}",
        Painted(TITLE, "memory  "),
        sizes(&totals.memory)
    ))?;
    out.line(format_args!(
        "{} {}",
        Painted(TITLE, "leaves  "),
        sizes(&totals.levels)
    ))?;
    let tables = totals
        .tables
        .iter()
        .map(|(level, count)| format!("{level} {count}"));
    out.line(format_args!(
        "{} {}",
        Painted(TITLE, "tables  "),
        tables.collect::<Vec<_>>().join(", ")
    ))?;
    let style = if totals.write_and_execute > 0 {
        BAD
    } else {
        CARE
    };
    out.line(format_args!(
        "{} writable {}, executable {}, {}",
        Painted(TITLE, "rights  "),
        About(totals.writable),
        About(totals.executable),
        Painted(
            style,
            format_args!("both {}", About(totals.write_and_execute))
        )
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mmlens_core::pt::level::LEVELS;

    #[test]
    fn kinds_are_summed_up() {
        let layout = "task_size: 00007ffffffff000\n\
                      0000000000000000-0000000000400000 4M gap -\n\
                      0000000000400000-0000000000401000 4K text r-xp /bin/a\n  0000000000400000 <- start_code\n\
                      0000000000401000-0000000000403000 8K data rw-p /bin/a\n\
                      0000000000500000-0000000000501000 4K text r-xp /bin/a\n";
        let text = Area {
            kind: "text".into(),
            ranges: 2,
            bytes: 0x2000,
            start: Hex(0x40_0000),
            end: Hex(0x50_1000),
        };
        let found = areas(layout);
        assert_eq!(found.len(), 2);
        assert_eq!(found.first(), Some(&text));
    }

    #[test]
    fn every_level_has_a_bit() {
        assert_eq!(Facts::LEVELS.words().count(), LEVELS);
    }
}
