// SPDX-License-Identifier: GPL-2.0

//! `mmlens audit`: what should not be, or what one should know of.

mod passes;

use crate::{
    audit::{clashes, Clash, ClashKind, Finding, Piece, Why, MOST_PIECES, TYPES},
    context::Context,
    error::{Error, Outcome, Result},
    filter::{self, Expr},
    matching::{is_gone, targets, Lens, Matching, Sink},
    output::{
        color::{Painted, BAD, QUIET},
        json::Hex,
    },
    target::Target,
};
use mmlens_core::text::Size;
use passes::{kernel_pieces, First, Kernel, Second, Third};
use serde::Serialize;

/// Looks for mappings that are dangerous: W+X, frames mapped in two ways, device memory and the like
///
/// Exit status 1 if there is any. Processes that end meanwhile are left out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which processes
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pid: Vec<String>,

    /// All processes
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Data {
    processes: usize,
    findings: Vec<Finding>,
    notes: Vec<String>,
}

/// What the first pass looks at.
const FIRST: &str = "bad | present & (exec | protnone | page-device | page-ram | wt | wc | uc | device | other-type)";
/// Those that may be written.
const WRITABLE: &str = "present & !protnone & write";
/// All that the processor follows.
const ALL: &str = "present & !protnone";

fn expr(text: &str) -> Result<Expr> {
    filter::parse(text).map_err(Error::other)
}

/// Looks at each process; those that are gone are left out.
fn each(
    lens: &Lens,
    targets: &[Target],
    is_all: bool,
    text: &str,
    sink: &mut dyn Sink,
) -> Result<usize> {
    let expr = expr(text)?;
    let mut matching = Matching::new(&expr);
    matching.keep_places = true;
    let mut seen = 0;
    for target in targets {
        match matching.run(lens, target, sink) {
            Err(error) if is_all && is_gone(&error) => {}
            done => {
                done?;
                seen += 1;
            }
        }
    }
    Ok(seen)
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let lens = Lens::open()?;
        let targets = targets(&self.pid, self.all)?;
        let mut notes = Vec::new();

        let mut first = First::new(lens.shape);
        let processes = each(&lens, &targets, self.all, FIRST, &mut first)?;
        first.join();
        let First {
            mut findings,
            exec,
            types,
            text,
            ..
        } = first;
        findings.extend(self.writable_code(&lens, &targets)?);

        // What the kernel has of frames with unusual types, if it may be looked at.
        let is_odd = types.iter().skip(1).any(|frames| !frames.is_empty());
        let kernel = match is_odd {
            true => kernel_pieces(&lens, &types)?,
            false => Kernel::None,
        };
        if matches!(kernel, Kernel::Closed) {
            notes.push(
                "the kernel's own mappings are not compared: that takes kernel_walk=1 when the module is loaded"
                    .to_string(),
            );
        }

        let mut second = Second::new(lens.shape, &exec, &types, &text);
        let wanted = if is_odd { ALL } else { WRITABLE };
        each(&lens, &targets, self.all, wanted, &mut second)?;
        let Second {
            mut suspects,
            findings: of_files,
            ..
        } = second;
        findings.extend(of_files);
        kernel
            .pieces()
            .iter()
            .for_each(|p| suspects.add(p.first, p.end));
        suspects.join();

        if !suspects.is_empty() {
            let mut third = Third::new(lens.shape, &suspects);
            each(&lens, &targets, self.all, ALL, &mut third)?;
            let mut pieces = third.pieces;
            if pieces.len() >= MOST_PIECES {
                notes.push(format!(
                    "more than {MOST_PIECES} mappings: not all frames are compared"
                ));
            }
            pieces.extend(kernel.pieces());
            let page = lens.machine.page_size();
            let clashes = clashes(pieces, page);
            findings.extend(
                clashes
                    .iter()
                    .map(|clash| finding_of(clash, &third.who, page)),
            );
        }
        findings.sort_by_key(|f| (f.kind, f.pid, f.start.0));
        let outcome = match findings.is_empty() {
            true => Outcome::Done,
            false => Outcome::Found,
        };
        if context.json {
            let data = Data {
                processes,
                findings,
                notes,
            };
            context.print_json("audit", &data)?;
            return Ok(outcome);
        }
        print(context, &findings, &notes)?;
        let processes = match processes {
            1 => "1 process".to_string(),
            n => format!("{n} processes"),
        };
        let found = match findings.len() {
            0 => "nothing found".to_string(),
            1 => "1 finding".to_string(),
            n => format!("{n} findings"),
        };
        context.out.line(format_args!("{processes}: {found}"))?;
        Ok(outcome)
    }

    /// VMAs that may be written and executed, whether anything is mapped there yet or not.
    fn writable_code(&self, lens: &Lens, targets: &[Target]) -> Result<Vec<Finding>> {
        const WRITE_EXEC: u64 = 6;
        let mut findings = Vec::new();
        for target in targets {
            let walk = lens.device.walk(target.pid).names();
            for vma in walk.vmas_with(WRITE_EXEC, 0).vmas() {
                let vma = match vma.map_err(|error| Error::of_process(error, target.pid)) {
                    Err(error) if self.all && is_gone(&error) => break,
                    vma => vma?,
                };
                let range = lens.device.walk(target.pid).range(vma.start, vma.end);
                let expr = expr("present")?;
                let asked = filter::Asked::of(&expr).map_or(filter::Asked::ALL, |asked| asked);
                let counts = range.filter(&asked.filter).counts();
                let mapped = counts.map_or(0, |counts| counts.bytes);
                findings.push(passes::finding(Why::Wx, target, &vma, mapped));
            }
        }
        Ok(findings)
    }
}

/// Frames that several map, as a finding.
fn finding_of(clash: &Clash, who: &[Target], page: u64) -> Finding {
    let mapping = |piece: &Piece| {
        let end = piece.address + (piece.end - piece.first) * page;
        let letter = |is: bool, letter| if is { letter } else { '-' };
        let rights: String = ['r', letter(piece.write, 'w'), letter(piece.exec, 'x')]
            .iter()
            .collect();
        let memory = TYPES.get(usize::from(piece.memory));
        let memory = memory
            .and_then(|memory| memory.words().next())
            .unwrap_or("-");
        // Of the kernel, only the type was looked at.
        let (rights, name) = match who.get(piece.who as usize) {
            Some(target) => (rights, format!("{} {}", target.pid, target.comm)),
            None => ("   ".to_string(), "kernel".to_string()),
        };
        format!(
            "{:016x}-{end:016x} {rights} {memory:<6} {name}",
            piece.address
        )
    };
    let bytes = (clash.end - clash.first) * page;
    Finding {
        kind: match clash.kind {
            ClashKind::Alias => Why::Alias,
            ClashKind::Types => Why::Types,
        },
        pid: None,
        comm: None,
        start: Hex(clash.first * page),
        end: Hex(clash.end * page),
        bytes,
        what: "physical".to_string(),
        mappings: clash.pieces.iter().map(mapping).collect(),
    }
}

/// How many mappings of a frame are listed.
const LISTED: usize = 8;

fn print(context: &mut Context, findings: &[Finding], notes: &[String]) -> Result<()> {
    let mut kind = None;
    for finding in findings {
        if kind != Some(finding.kind) {
            kind = Some(finding.kind);
            let (word, reason) = (finding.kind.word(), finding.kind.reason());
            context
                .out
                .line(format_args!("{}: {reason}", Painted(BAD, word)))?;
        }
        let size = Size(finding.bytes).to_string();
        let who = match (finding.pid, &finding.comm) {
            (Some(pid), Some(comm)) => format!("{pid} {comm}"),
            _ => String::new(),
        };
        let line = format!(
            "  {:016x}-{:016x} {size:>7} {} {who}",
            finding.start.0, finding.end.0, finding.what
        );
        context.out.line(line.trim_end())?;
        for mapping in finding.mappings.iter().take(LISTED) {
            context.out.line(format_args!("    {mapping}"))?;
        }
        let more = finding.mappings.len().saturating_sub(LISTED);
        if more > 0 {
            context.out.line(format_args!("    and {more} more"))?;
        }
    }
    for note in notes {
        context.out.line(Painted(QUIET, format!("# {note}")))?;
    }
    Ok(())
}
