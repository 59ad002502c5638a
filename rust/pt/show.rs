// SPDX-License-Identifier: GPL-2.0

//! The lines of the `pagetable` and `entries` dumps.
//!
//! Documentation/debugfs.rst is the specification of what is written here.

use super::{
    coalesce::Run,
    entry::{
        Entry,
        Raw,
        Rights, //
    },
    format::Format,
    level::{
        Level,
        LEVELS, //
    },
    walk::Found, //
};
use crate::text::{
    vma_flags::VmaFlags,
    Line,
    Size, //
};
use core::fmt::{
    self,
    Write, //
};

/// The longest line that this module writes, in bytes, with room to spare.
///
/// The fixed columns are under 120 bytes; all names of a leaf together are under 250.
pub const MAX_LINE: usize = 512;

/// The heading of the `pagetable` dump.
pub const RUN_COLUMNS: &str =
    "# start          end              size     level kind       count    \
                               pfn          rwx eff mem    page    bits\n";
/// The heading of the `entries` dump.
pub const ENTRY_COLUMNS: &str =
    "# address        level at               entry            kind       \
                                 pfn          rwx eff mem    page    bits\n";

/// What the lines say of the VMA that the entries serve.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// `vm_flags`.
    pub flags: VmaFlags,
    /// Whether it is anonymous memory (`vma_is_anonymous()`).
    pub is_anonymous: bool,
    /// Whether anonymous pages were ever mapped in it.
    pub has_anon_vma: bool,
}

impl Rights {
    /// The letters of those that are given: `r-x`.
    pub const fn letters(&self) -> &'static str {
        match (self.read, self.write, self.exec) {
            (false, false, false) => "---",
            (false, false, true) => "--x",
            (false, true, false) => "-w-",
            (false, true, true) => "-wx",
            (true, false, false) => "r--",
            (true, false, true) => "r-x",
            (true, true, false) => "rw-",
            (true, true, true) => "rwx",
        }
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.letters())
    }
}

/// Bytes of a line behind its addresses that are remembered.
const KNOWN: usize = 128;

/// How the line of one entry that leads to a table goes on after its addresses.
#[derive(Debug, Default)]
struct Known {
    raw: Raw,
    limits: Rights,
    text: Line<KNOWN>,
}

/// Makes lines of runs.
///
/// Small VMAs have the same tables above them, which have a line for each: how the last one of each
/// level is spelled is remembered.
#[derive(Debug, Default)]
pub struct Lines {
    line: Line<MAX_LINE>,
    known: [Known; LEVELS],
}

impl Lines {
    /// What the heading of a VMA begins with.
    pub fn vma(
        &mut self,
        start: u64,
        end: u64,
        flags: VmaFlags,
    ) -> Result<&Line<MAX_LINE>, fmt::Error> {
        let line = &mut self.line;
        line.clear();
        line.write_str("vma ")?;
        line.hex16(start)?;
        line.write_str("-")?;
        line.hex16(end)?;
        write!(line, " {}", flags.perms())?;
        Ok(line)
    }

    /// The line of a run. `format` is always the same.
    pub fn run<F: Format>(
        &mut self,
        format: &F,
        context: &Context,
        run: &Run,
    ) -> Result<&Line<MAX_LINE>, fmt::Error> {
        let Self { line, known } = self;
        let first = &run.first;
        line.clear();
        write_addresses(line, first)?;
        let is_table = matches!(first.entry, Entry::Table { .. }) && run.entries == 1;
        let known = known.get_mut(usize::from(first.level.number()));
        match known.filter(|_| is_table) {
            Some(known) if known.is_of(first) => line.append(&known.text, 0)?,
            known => {
                let addresses = line.len();
                write_rest(line, format, context, run)?;
                if let Some(known) = known {
                    known.note(first, line, addresses);
                }
            }
        }
        Ok(line)
    }
}

impl Known {
    fn is_of(&self, found: &Found) -> bool {
        !self.text.is_empty() && (self.raw, self.limits) == (found.raw, found.limits)
    }

    /// `found` goes on as `line` does from byte `from` on.
    fn note<const N: usize>(&mut self, found: &Found, line: &Line<N>, from: usize) {
        self.raw = found.raw;
        self.limits = found.limits;
        self.text.clear();
        if self.text.append(line, from).is_err() {
            self.text.clear();
        }
    }
}

/// Writes the line of a run.
pub fn write_run<F: Format>(
    out: &mut dyn fmt::Write,
    format: &F,
    context: &Context,
    run: &Run,
) -> fmt::Result {
    let mut line = Line::new();
    write_addresses(&mut line, &run.first)?;
    write_rest(&mut line, format, context, run)?;
    out.write_str(line.as_str())
}

/// Writes what a line of a run begins with.
fn write_addresses(line: &mut Line<MAX_LINE>, first: &Found) -> fmt::Result {
    line.hex16(first.start)?;
    line.write_str("-")?;
    line.hex16(first.end)?;
    line.write_str(" ")?;
    line.size(Size(first.end - first.start), 7)
}

/// Writes what comes after the addresses of a run.
fn write_rest<F: Format>(
    line: &mut Line<MAX_LINE>,
    format: &F,
    context: &Context,
    run: &Run,
) -> fmt::Result {
    let first = &run.first;
    line.write_str(" ")?;
    line.left(first.level.name(), 6)?;
    line.left(first.entry.name(), 10)?;
    line.write_str(" ")?;
    line.decimal(run.entries, 8)?;
    line.write_str(" ")?;
    write_tail(line, format, context, first, run.contiguous)
}

/// Writes the line of an entry.
pub fn write_entry<F: Format>(
    out: &mut dyn fmt::Write,
    format: &F,
    context: &Context,
    found: &Found,
) -> fmt::Result {
    let mut line = Line::<MAX_LINE>::new();
    line.hex16(found.start)?;
    line.write_str(" ")?;
    line.left(found.level.name(), 6)?;
    line.hex16(found.at)?;
    line.write_str(" ")?;
    line.hex16(found.raw.0)?;
    line.write_str(" ")?;
    line.left(found.entry.name(), 10)?;
    line.write_str(" ")?;
    write_tail(&mut line, format, context, found, true)?;
    out.write_str(line.as_str())
}

/// Writes what both kinds of lines end with. `in_order` says that what the entries point to follows
/// one another.
fn write_tail<F: Format>(
    out: &mut Line<MAX_LINE>,
    format: &F,
    context: &Context,
    found: &Found,
    in_order: bool,
) -> fmt::Result {
    let Found {
        level, raw, entry, ..
    } = found;
    match entry.pfn() {
        Some(pfn) if in_order => out.hex(pfn, 12)?,
        Some(_) => out.left("scattered", 12)?,
        None => out.left("-", 12)?,
    }
    let effective = found.effective(format);
    out.write_str(" ")?;
    out.left(format.rights(*raw, entry, *level).letters(), 4)?;
    out.left(effective.letters(), 4)?;
    match entry {
        Entry::Leaf { .. } => {
            let memory = format.memory_type(*raw, *level);
            match memory.name() {
                Some(name) => out.left(name, 6)?,
                None => write!(out, "{memory:<6}")?,
            }
            out.write_str(" ")?;
            out.left(found.page.name(), 7)?;
        }
        _ => {
            out.left("-", 7)?;
            out.left("-", 7)?;
        }
    }
    match entry {
        Entry::None => write_hole(out, context, *level)?,
        Entry::NonPresent(soft) => {
            soft.write_words(out, in_order)?;
            format.write_flags(out, *raw, entry, *level)?;
        }
        Entry::Leaf { .. } => {
            format.write_flags(out, *raw, entry, *level)?;
            // The page is there, and the VMA allows access: it is only to be noticed.
            if format.is_protnone(*raw) && context.flags.is_accessible() {
                let is_rwp = context.flags.is_uffd_rwp() && format.is_uffd(*raw);
                out.write_str(if is_rwp { " uffd-rwp" } else { " numa-hint" })?;
            }
            if effective.write && effective.exec {
                out.write_str(" W+X")?;
            }
        }
        Entry::Table { .. } | Entry::Bad => format.write_flags(out, *raw, entry, *level)?,
    }
    out.write_char('\n')
}

/// Writes why nothing is mapped, as far as it can be known.
fn write_hole(out: &mut dyn fmt::Write, context: &Context, level: Level) -> fmt::Result {
    // What was mapped and taken away again looks the same as what was never touched.
    out.write_str(if level == Level::Pte {
        " empty"
    } else {
        " no-table"
    })?;
    if !context.flags.is_accessible() {
        return out.write_str(" no-access");
    }
    if context.flags.is_uffd_missing() {
        out.write_str(" uffd-missing")?;
    }
    if context.is_anonymous && !context.has_anon_vma {
        out.write_str(" never-written")?;
    }
    Ok(())
}
