// SPDX-License-Identifier: GPL-2.0

//! `mmlens scan`: the entries that match a filter, of one process or of all.

use crate::{
    context::Context,
    error::{Error, Outcome, Result},
    extent::{Extent, Shape},
    filter::{self, Expr},
    matching::{is_gone, targets, Lens, Matching, Sink},
    output::{
        color::{Painted, TITLE},
        json::{words, Hex},
        table::{Cell, Table},
    },
    space,
    target::Target,
};
use mmlens_core::{
    pt::{facts::Facts, show::RUN_COLUMNS},
    text::Size,
};
use mmlens_device::Vma;
use serde::Serialize;

/// Lists what matches a filter, as runs of equal entries, and sums it up for each process
///
/// Exit status 1 if nothing matches. Processes that end meanwhile are left out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which processes
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pid: Vec<String>,

    /// All processes
    #[arg(long)]
    all: bool,

    /// What is wanted, such as `wx`, `huge & dirty`, `swap | guard`: see mmlens filter --list
    #[arg(long, short, value_name = "EXPR")]
    filter: Option<String>,

    /// Only the sums
    #[arg(long, short)]
    totals: bool,
}

/// What matches in one process.
#[derive(Clone, Debug, Serialize)]
struct Total {
    pid: i32,
    comm: String,
    runs: u64,
    entries: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct RunJson {
    pid: i32,
    start: Hex,
    end: Hex,
    raw: Hex,
    place: Option<Hex>,
    facts: Vec<&'static str>,
    vma: String,
}

#[derive(Serialize)]
struct Data {
    filter: String,
    runs: Vec<RunJson>,
    totals: Vec<Total>,
}

/// An expression of the command line.
pub fn read_filter(text: Option<&str>) -> Result<Expr> {
    match text {
        None => Ok(Expr::usual()),
        Some(text) => filter::parse(text)
            .map_err(|problem| Error::usage(problem).hint("mmlens filter --list")),
    }
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let expr = read_filter(self.filter.as_deref())?;
        let targets = targets(&self.pid, self.all)?;
        let mut matching = Matching::new(&expr);
        // It costs a look at each page, and nobody reads it in sums.
        matching.with_pages = !self.totals;
        let lens = Lens::open()?;
        let mut totals = Vec::new();
        let mut runs = Vec::new();
        let mut has_columns = false;
        for target in &targets {
            let mut printer = Printer {
                shape: lens.shape,
                out: &mut context.out,
                lines: !self.totals && !context.json,
                runs: (context.json && !self.totals).then_some(&mut runs),
                vma: None,
                total: Total::of(target),
                has_columns: &mut has_columns,
                is_titled: false,
            };
            let done = matching.run(&lens, target, &mut printer);
            let total = printer.total;
            match done {
                Err(error) if self.all && is_gone(&error) => continue,
                done => done?,
            }
            if total.entries > 0 {
                totals.push(total);
            }
        }
        totals.sort_by(|a, b| (b.bytes, a.pid).cmp(&(a.bytes, b.pid)));
        let outcome = match totals.is_empty() {
            true => Outcome::Found,
            false => Outcome::Done,
        };
        if context.json {
            let data = Data {
                filter: expr.to_string(),
                runs,
                totals,
            };
            context.print_json("scan", &data)?;
            return Ok(outcome);
        }
        self.print_totals(context, &totals)?;
        Ok(outcome)
    }

    fn print_totals(&self, context: &mut Context, totals: &[Total]) -> Result<()> {
        if totals.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(&[">pid", ">runs", ">entries", ">size", "name"]);
        for total in totals {
            table.row([
                total.pid.to_string().into(),
                total.runs.to_string().into(),
                total.entries.to_string().into(),
                Size(total.bytes).to_string().into(),
                Cell::from(total.comm.clone()),
            ]);
        }
        if totals.len() > 1 {
            let sum = |field: fn(&Total) -> u64| totals.iter().map(field).sum::<u64>();
            table.row([
                "all".into(),
                sum(|t| t.runs).to_string().into(),
                sum(|t| t.entries).to_string().into(),
                Size(sum(|t| t.bytes)).to_string().into(),
                Cell::from(format!("{} processes", totals.len())),
            ]);
        }
        table.print(&mut context.out)
    }
}

impl Total {
    fn of(target: &Target) -> Self {
        Self {
            pid: target.pid,
            comm: target.comm.clone(),
            runs: 0,
            entries: 0,
            bytes: 0,
        }
    }
}

/// Prints what is found, and counts it.
struct Printer<'a> {
    shape: Shape,
    out: &'a mut crate::output::Output,
    lines: bool,
    runs: Option<&'a mut Vec<RunJson>>,
    /// Start of the VMA whose heading was printed.
    vma: Option<u64>,
    total: Total,
    /// Whether the heads of the columns were printed.
    has_columns: &'a mut bool,
    is_titled: bool,
}

impl Sink for Printer<'_> {
    fn begin(&mut self, target: &Target) -> Result<()> {
        if self.is_titled {
            self.out
                .line(format_args!("# {} ran another program: again", target.pid))?;
        }
        if let Some(runs) = &mut self.runs {
            runs.retain(|run| run.pid != target.pid);
        }
        (self.total, self.vma, self.is_titled) = (Total::of(target), None, false);
        Ok(())
    }

    fn found(&mut self, target: &Target, vma: &Vma, extent: Extent) -> Result<()> {
        self.total.runs += 1;
        self.total.entries += self.shape.entries(&extent);
        // A table translates what is below it, which is told of there.
        if !extent.facts.has(Facts::TABLE) {
            self.total.bytes += extent.bytes();
        }
        if let Some(runs) = &mut self.runs {
            runs.push(RunJson {
                pid: target.pid,
                start: Hex(extent.start),
                end: Hex(extent.end),
                raw: Hex(extent.raw),
                place: extent.first_place().map(Hex),
                facts: words(extent.facts_of_run()),
                vma: space::name_of(vma),
            });
        }
        if !self.lines {
            return Ok(());
        }
        if !*self.has_columns {
            *self.has_columns = true;
            self.out.line(RUN_COLUMNS.trim_end())?;
        }
        if !self.is_titled {
            self.is_titled = true;
            let title = format!("pid {} {}", target.pid, target.comm);
            self.out.line(Painted(TITLE, title))?;
        }
        if self.vma != Some(vma.start) {
            self.vma = Some(vma.start);
            let heading = format!(
                "vma {:016x}-{:016x} {} {}",
                vma.start,
                vma.end,
                space::rights_of(vma),
                space::name_of(vma)
            );
            self.out.line(heading.trim_end())?;
        }
        let mut line = String::new();
        let Shape { geometry, format } = &self.shape;
        let context = space::context_of(vma);
        format
            .write_run(&mut line, geometry, &context, &extent.run())
            .map_err(Error::other)?;
        self.out.line(line.trim_end())
    }
}
