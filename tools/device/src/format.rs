// SPDX-License-Identifier: GPL-2.0

//! The entries of either architecture, and lines as the files of debugfs have them.

use crate::record;
use mmlens_core::pt::{
    aarch64::Aarch64,
    coalesce,
    entry::{Entry, Raw, Rights},
    facts::Facts,
    format::Format,
    level::{Geometry, Level},
    memory::MemoryType,
    page::PageKind,
    show::{write_entry, write_run, Context},
    walk::Found,
    x86_64::X86_64,
};
use std::fmt;

/// The format of a machine, which need not be this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum AnyFormat {
    X86_64(X86_64),
    Aarch64(Aarch64),
}

macro_rules! on_each {
    ($self:expr, $format:ident => $code:expr) => {
        match $self {
            AnyFormat::X86_64($format) => $code,
            AnyFormat::Aarch64($format) => $code,
        }
    };
}

impl AnyFormat {
    /// Says what `raw` is, at `level`.
    pub fn decode(&self, raw: Raw, level: Level) -> Entry {
        on_each!(self, format => format.decode(raw, level))
    }

    /// How the processor treats accesses through a leaf.
    pub fn memory_type(&self, raw: Raw, level: Level) -> MemoryType {
        on_each!(self, format => format.memory_type(raw, level))
    }

    /// What user space may do by this entry alone.
    pub fn rights(&self, raw: Raw, level: Level) -> Rights {
        on_each!(self, format => format.rights(raw, &format.decode(raw, level), level))
    }

    /// What can be said of an entry.
    pub fn facts(&self, found: &Found) -> Facts {
        on_each!(self, format => Facts::of(format, found))
    }

    /// The names of the flags that are set in an entry.
    pub fn flags(&self, raw: Raw, level: Level) -> Vec<String> {
        let mut text = String::new();
        let result = on_each!(self, format => {
            format.write_flags(&mut text, raw, &format.decode(raw, level), level)
        });
        debug_assert!(result.is_ok(), "a String has room");
        text.split_whitespace().map(String::from).collect()
    }

    /// Writes the line of a run, as the file `pagetable` has it.
    pub fn write_run(
        &self,
        out: &mut dyn fmt::Write,
        geometry: &Geometry,
        context: &Context,
        run: &record::Run,
    ) -> fmt::Result {
        let Some(level) = run.facts.level() else {
            return Ok(());
        };
        let first = self.found(run.start, run.end, run.raw, run.facts, level);
        let run = coalesce::Run {
            first,
            entries: entries_of(geometry, level, run.start, run.end),
            contiguous: run.facts.has(Facts::IN_ORDER),
        };
        on_each!(self, format => write_run(out, format, context, &run))
    }

    /// Writes the line of an entry, as the file `entries` has it. `at` is the physical address of the
    /// entry.
    pub fn write_entry(
        &self,
        out: &mut dyn fmt::Write,
        geometry: &Geometry,
        context: &Context,
        at: u64,
        entry: &record::Entry,
    ) -> fmt::Result {
        let Some(level) = entry.facts.level() else {
            return Ok(());
        };
        let end = geometry.entry_end(entry.address, level);
        let mut found = self.found(entry.address, end, entry.raw, entry.facts, level);
        found.at = at;
        on_each!(self, format => write_entry(out, format, context, &found))
    }

    fn found(&self, start: u64, end: u64, raw: Raw, facts: Facts, level: Level) -> Found {
        Found {
            start,
            end,
            level,
            raw,
            entry: self.decode(raw, level),
            at: 0,
            // What is left after all levels: the entry's own rights are in it, so that both together
            // give the same.
            limits: Rights {
                read: facts.has(Facts::READ),
                write: facts.has(Facts::WRITE),
                exec: facts.has(Facts::EXEC),
            },
            page: page_of(facts),
        }
    }
}

/// How many entries of `level` translate a range.
pub fn entries_of(geometry: &Geometry, level: Level, start: u64, end: u64) -> u64 {
    let first = geometry.entry_start(start, level);
    end.saturating_sub(first).div_ceil(geometry.size(level))
}

/// The kind of page that facts tell.
pub fn page_of(facts: Facts) -> PageKind {
    let kinds = (1..=9).map(PageKind::from_number);
    let mut known = kinds.filter(|&kind| facts.has(Facts::of_page(kind)));
    known.next().unwrap_or_default()
}
