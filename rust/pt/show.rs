// SPDX-License-Identifier: GPL-2.0

//! The lines of the `pagetable` and `entries` dumps.
//!
//! Documentation/debugfs.rst is the specification of what is written here.

use super::{
    bits::write_names,
    coalesce::Run,
    entry::{
        Entry,
        Rights, //
    },
    format::Format,
    walk::Found, //
};
use crate::text::{
    Dash,
    Size, //
};
use core::fmt;

/// The longest line that this module writes, in bytes, with room to spare.
///
/// The fixed columns are under 100 bytes; all names of a leaf together are under 200.
pub const MAX_LINE: usize = 400;

/// The heading of the `pagetable` dump.
pub const RUN_COLUMNS: &str =
    "# start          end              size     level kind       count    pfn          rwx bits\n";
/// The heading of the `entries` dump.
pub const ENTRY_COLUMNS: &str =
    "# address        level entry            kind       pfn          rwx bits\n";

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |set: bool, c: char| if set { c } else { '-' };
        let Rights { read, write, exec } = *self;
        write!(
            f,
            "{}{}{}",
            letter(read, 'r'),
            letter(write, 'w'),
            letter(exec, 'x')
        )
    }
}

/// Writes the line of a run.
pub fn write_run<F: Format>(out: &mut dyn fmt::Write, format: &F, run: &Run) -> fmt::Result {
    let first = &run.first;
    write!(
        out,
        "{:016x}-{:016x} {:>7} {:<5} {:<10} {:<8} ",
        first.start,
        first.end,
        Size(first.end - first.start),
        first.level.name(),
        first.entry.name(),
        run.entries
    )?;
    match first.entry.pfn() {
        Some(pfn) if run.contiguous => write!(out, "{pfn:<#12x}")?,
        Some(_) => write!(out, "{:<12}", "scattered")?,
        None => write!(out, "{Dash:<12}")?,
    }
    write_tail(out, format, first, run.entries == 1)
}

/// Writes the line of an entry.
pub fn write_entry<F: Format>(out: &mut dyn fmt::Write, format: &F, found: &Found) -> fmt::Result {
    write!(
        out,
        "{:016x} {:<5} {:016x} {:<10} ",
        found.start,
        found.level.name(),
        found.raw.0,
        found.entry.name()
    )?;
    match found.entry.pfn() {
        Some(pfn) => write!(out, "{pfn:<#12x}")?,
        None => write!(out, "{Dash:<12}")?,
    }
    write_tail(out, format, found, true)
}

/// Writes what both kinds of lines end with: rights, the numbers of a non-present entry, names of
/// bits.
fn write_tail<F: Format>(
    out: &mut dyn fmt::Write,
    format: &F,
    found: &Found,
    with_offset: bool,
) -> fmt::Result {
    match found.entry {
        Entry::Leaf { .. } => write!(out, " {}", format.rights(found.raw))?,
        Entry::NonPresent(soft) => {
            write!(out, " --- type={}", soft.kind)?;
            if with_offset {
                write!(out, " offset={:#x}", soft.offset)?;
            }
        }
        Entry::None | Entry::Table { .. } | Entry::Bad => write!(out, " {Dash:<3}")?,
    }
    let shown = format.flag_bits(&found.entry, found.level);
    write_names(out, F::BITS, found.raw, &found.entry, found.level, shown)?;
    out.write_char('\n')
}
