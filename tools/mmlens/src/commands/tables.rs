// SPDX-License-Identifier: GPL-2.0

//! `mmlens tables`: the entries of the page tables.

use crate::{
    context::Context,
    error::{Error, Outcome, Result},
    extent::{Extent, Shape},
    filter::{Asked, Expr, Look},
    matching::{Lens, Matching, Sink},
    output::{
        color::{of_rights, Painted, BAD, QUIET, TITLE},
        json::{words, Hex},
        Output,
    },
    parse, space,
    target::Target,
    text,
};
use mmlens_core::pt::{
    facts::Facts,
    level::Level,
    show::{ENTRY_COLUMNS, RUN_COLUMNS},
};
use mmlens_device::{Entry, Machine, Text, Vma};
use serde::Serialize;

/// Lists what is in the page tables: runs of entries that are alike, or each entry
///
/// Under a line for each VMA, in the order of addresses: pages, huge pages, notes of the kernel, and
/// holes. Entries that only point to another table are shown with --full.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which process
    pid: String,
    /// Entries of these levels only: pgd, p4d, pud, pmd, pte
    #[arg(long, value_name = "L,..", value_delimiter = ',', value_parser = parse::level)]
    levels: Vec<Level>,
    /// Each entry by itself
    #[arg(long)]
    entries: bool,
    /// Entries that match only, such as 'huge & write'
    #[arg(long, value_name = "EXPR", value_parser = parse::filter)]
    filter: Option<Expr>,
    /// From A up to B, which is exclusive
    #[arg(long, value_name = "A-B", value_parser = parse::range)]
    range: Option<(u64, u64)>,
    /// Tables too, and where the entries lie: the text of the kernel as it is
    #[arg(long, conflicts_with_all = ["levels", "filter", "range", "json"])]
    full: bool,
}

#[derive(Serialize)]
struct Data {
    pid: i32,
    comm: String,
    vmas: Vec<VmaData>,
}

#[derive(Serialize)]
struct VmaData {
    #[serde(flatten)]
    vma: space::VmaJson,
    runs: Vec<RunJson>,
}

#[derive(Serialize)]
struct RunJson {
    start: Hex,
    end: Hex,
    level: &'static str,
    entries: u64,
    /// The first entry.
    raw: Hex,
    /// Page frame, or slot in a swap area, of the first entry.
    place: Option<Hex>,
    facts: Vec<&'static str>,
    bits: Vec<String>,
}

impl RunJson {
    fn new(shape: &Shape, extent: &Extent) -> Self {
        let level = extent.level();
        Self {
            start: Hex(extent.start),
            end: Hex(extent.end),
            level: level.name(),
            entries: shape.entries(extent),
            raw: Hex(extent.raw),
            place: extent.first_place().map(Hex),
            facts: words(extent.facts_of_run()),
            bits: shape.format.flags(extent.run().raw, level),
        }
    }
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let target = Target::find(&self.pid)?;
        if self.full {
            let what = if self.entries {
                Text::Entries
            } else {
                Text::Pagetable
            };
            text::print(context, what, target.pid)?;
            return Ok(Outcome::Done);
        }
        let expr = self.expr();
        let machine = context.machine()?.clone();
        let shape = Shape::of(&machine).map_err(Error::of_ioctl)?;
        let mut writer = Writer {
            machine,
            shape,
            data: Vec::new(),
            last: None,
            lines: match (context.json, self.entries) {
                (true, _) => None,
                (false, true) => Some(ENTRY_COLUMNS),
                (false, false) => Some(RUN_COLUMNS),
            },
            out: context.take_output(),
        };
        let result = if self.entries {
            self.entries(context, &target, &expr, &mut writer)
        } else {
            let mut matching = Matching::new(&expr);
            matching.with_pages = true;
            matching.range = self.range;
            matching.run(&Lens::open()?, &target, &mut writer)
        };
        let Writer {
            data, last, out, ..
        } = writer;
        context.out = out;
        result?;
        if context.json {
            let data = Data {
                pid: target.pid,
                comm: target.comm,
                vmas: data,
            };
            context.print_json("tables", &data)?;
        }
        Ok(match last {
            Some(_) => Outcome::Done,
            None => Outcome::Found,
        })
    }

    /// What is wanted, in one expression.
    fn expr(&self) -> Expr {
        let levels = self
            .levels
            .iter()
            .map(|&level| Expr::Word(Facts::of_level(level)));
        let mut levels: Vec<Expr> = levels.collect();
        let levels = match levels.len() {
            0 => None,
            1 => levels.pop(),
            _ => Some(Expr::Or(levels)),
        };
        match (self.filter.clone(), levels) {
            (Some(filter), Some(levels)) => Expr::And(vec![levels, filter]),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Expr::All,
        }
    }

    /// Entry by entry.
    fn entries(
        &self,
        context: &Context,
        target: &Target,
        expr: &Expr,
        writer: &mut Writer,
    ) -> Result<()> {
        if expr.is_of_size() {
            return Err(
                Error::usage("the filter asks for the size or the order of runs")
                    .hint("without --entries"),
            );
        }
        let Some(Asked {
            filter,
            vma_required,
            vma_excluded,
        }) = Asked::of(expr)
        else {
            return Ok(());
        };
        let explain = |error| Error::of_process(error, target.pid);
        let (vmas, space) = space::vmas(context, target.pid)?;
        let (start, end) = self.range.unwrap_or((0, 0));
        let walk = context.device()?.walk(target.pid);
        let walk = walk
            .range(start, end)
            .filter(&filter)
            .vmas_with(vma_required, vma_excluded);
        let shape = writer.shape;
        let unknown = Vma::default();
        for entry in walk.in_space(space).pages().entries() {
            let entry = entry.map_err(explain)?;
            // Empty entries are left out, as in the file `entries`, unless somebody asks for them.
            if self.filter.is_none() && entry.facts.has(Facts::HOLE) {
                continue;
            }
            let at = vmas.partition_point(|vma| vma.end <= entry.address);
            let vma = vmas
                .get(at)
                .filter(|vma| vma.start <= entry.address)
                .unwrap_or(&unknown);
            let extent = shape.extent_of(&entry);
            let look = Look {
                facts: entry.facts,
                raw: entry.raw.0,
                address: extent
                    .first_place()
                    .filter(|_| entry.facts.has(Facts::PRESENT))
                    .and_then(|place| place.checked_mul(shape.geometry.page_size())),
                bytes: shape.geometry.size(extent.level()),
                run: extent.bytes(),
                vma_flags: vma.flags,
            };
            if expr.matches(&look) {
                let end = extent
                    .end
                    .min(if vma.end == 0 { u64::MAX } else { vma.end });
                writer.put(vma, &Extent { end, ..extent }, Some(&entry))?;
            }
        }
        Ok(())
    }
}

/// Prints what matches, or keeps it for the document.
struct Writer {
    machine: Machine,
    shape: Shape,
    data: Vec<VmaData>,
    /// The start of the VMA that was told of last.
    last: Option<u64>,
    /// The heading that is still to be printed, if lines are.
    lines: Option<&'static str>,
    out: Output,
}

impl Writer {
    fn put(&mut self, vma: &Vma, extent: &Extent, entry: Option<&Entry>) -> Result<()> {
        let is_new = self.last.replace(vma.start) != Some(vma.start);
        let Some(heading) = self.lines else {
            if is_new {
                self.data.push(VmaData {
                    vma: space::VmaJson::new(&self.machine, vma),
                    runs: Vec::new(),
                });
            }
            if let Some(data) = self.data.last_mut() {
                data.runs.push(RunJson::new(&self.shape, extent));
            }
            return Ok(());
        };
        if !heading.is_empty() {
            let heading = if entry.is_some() {
                without_place(heading)
            } else {
                heading.into()
            };
            self.out.line(Painted(QUIET, heading.trim_end()))?;
            self.lines = Some("");
        }
        if is_new {
            let rights = space::rights_of(vma);
            let (range, name) = (
                format!("{:016x}-{:016x}", vma.start, vma.end),
                space::name_of(vma),
            );
            let line = format!(
                "{} {} {name}",
                Painted(TITLE, format_args!("vma {range}")),
                Painted(of_rights(&rights), &rights)
            );
            self.out.line(line.trim_end())?;
        }
        let about = space::context_of(vma);
        let mut line = String::new();
        match entry {
            Some(entry) => {
                self.shape
                    .format
                    .write_entry(&mut line, &self.shape.geometry, &about, 0, entry)
                    .map_err(Error::other)?;
                line = without_place(&line);
            }
            None => self
                .shape
                .format
                .write_run(&mut line, &self.shape.geometry, &about, &extent.run())
                .map_err(Error::other)?,
        }
        let line = line.trim_end();
        let facts = extent.facts;
        if facts.has(Facts::HOLE) {
            self.out.line(Painted(QUIET, line))
        } else if facts.has(Facts::PRESENT.with(Facts::WRITE).with(Facts::EXEC))
            || facts.has(Facts::BAD)
        {
            self.out.line(Painted(BAD, line))
        } else {
            self.out.line(line)
        }
    }
}

/// A line of an entry without the column that tells where the entry lies: WALK does not.
fn without_place(line: &str) -> String {
    const COLUMN: std::ops::Range<usize> = 23..40;
    let (before, after) = (line.get(..COLUMN.start), line.get(COLUMN.end..));
    before
        .zip(after)
        .map_or(line.into(), |(before, after)| format!("{before}{after}"))
}

impl Sink for Writer {
    fn begin(&mut self, _: &Target) -> Result<()> {
        if self.last.take().is_some() {
            if self.lines.is_some() {
                self.out
                    .line("# it ran another program; from the beginning:")?;
            }
            self.data.clear();
        }
        Ok(())
    }

    fn found(&mut self, _: &Target, vma: &Vma, extent: Extent) -> Result<()> {
        self.put(vma, &extent, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_no_place() {
        let heading = without_place(ENTRY_COLUMNS);
        assert!(
            heading.starts_with("# address        level entry            kind"),
            "{heading}"
        );
        let line = "00007f190ba52000 pte   000000000641e290 800000007d0d3025 leaf       0x7d0d3";
        assert_eq!(
            without_place(line),
            "00007f190ba52000 pte   800000007d0d3025 leaf       0x7d0d3"
        );
    }
}
