// SPDX-License-Identifier: GPL-2.0

//! Reads a snapshot from a file that anybody may have written.
//!
//! Nothing of it is believed: each line is limited in length and checked before it is used, and what
//! is kept in memory is limited too. So what is wrong is an error with the number of the line.

use super::{
    write::{End, Line, RunLine, TableLine, VmaLine},
    Head, Source, TableUse, LONGEST_LINE, MOST_NAMES, MOST_VMAS, VERSION,
};
use crate::{
    error::{self, Error, Result},
    extent::{Extent, Places, Shape, MOST_PLACES},
};
use mmlens_core::{pt::facts::Facts, text::Escaped};
use mmlens_device::{entries_of, Vma};
use std::io::{BufRead, Read};

/// A snapshot in a file.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    name: String,
    /// The number of the last line.
    line: u64,
    head: Head,
    shape: Shape,
    vmas: Vec<Vma>,
    /// The first line after the VMAs, or after the runs.
    next: Option<Line<'static>>,
    /// Where the last run ended; what the last table was.
    position: u64,
    count: End,
}

/// What is wrong with a line.
type Checked<T> = std::result::Result<T, String>;

impl<R: BufRead> Reader<R> {
    /// Reads the head and the VMAs. `name` is for errors.
    pub fn new(mut input: R, name: &str) -> Result<Self> {
        let name = Escaped(name.as_bytes()).to_string();
        let at = |line: u64, what: &str| Error::other(format_args!("{name}, line {line}: {what}"));
        let mut head = match read_line(&mut input) {
            Ok(Some(Line::Head(head))) => head.into_owned(),
            _ => return Err(at(1, "this is no snapshot of mmlens")),
        };
        // These are printed, and a terminal obeys some characters.
        for text in [&mut head.comm, &mut head.kernel] {
            text.retain(|c| !c.is_control());
        }
        if head.version != VERSION {
            let what = format!(
                "version {} of snapshots, and this mmlens reads version {VERSION}",
                head.version
            );
            return Err(at(1, &what));
        }
        let shape = Shape::of(&head.machine).map_err(|error| at(1, &error::text(&error)))?;
        let mut this = Self {
            input,
            name,
            line: 1,
            head,
            shape,
            vmas: Vec::new(),
            next: None,
            position: 0,
            count: End::default(),
        };
        let mut names = 0;
        loop {
            match this.line()? {
                Line::Vma(vma) => {
                    names += vma.name.len();
                    let vma = this.vma(vma, names);
                    let vma = this.checked(vma)?;
                    this.vmas.push(vma);
                    this.count.vmas += 1;
                }
                other => {
                    this.next = Some(other);
                    return Ok(this);
                }
            }
        }
    }

    fn wrong(&self, what: impl std::fmt::Display) -> Error {
        let Self { name, line, .. } = self;
        Error::other(format_args!("{name}, line {line}: {what}"))
    }

    fn checked<T>(&self, result: Checked<T>) -> Result<T> {
        result.map_err(|what| self.wrong(what))
    }

    /// The next line. That there is none is an error: the last one is `end`.
    fn line(&mut self) -> Result<Line<'static>> {
        if let Some(line) = self.next.take() {
            return Ok(line);
        }
        self.line += 1;
        let line = read_line(&mut self.input);
        let cut_off = || "the file is cut off here".to_string();
        let line = line.and_then(|line| line.ok_or_else(cut_off));
        self.checked(line)
    }

    fn vma(&self, line: VmaLine<'static>, names: usize) -> Checked<Vma> {
        let last = self.vmas.last().map_or(0, |vma| vma.end);
        self.range(line.start, line.end, last)?;
        if self.vmas.len() >= MOST_VMAS || names > MOST_NAMES {
            return Err("too many VMAs".into());
        }
        Ok(Vma {
            start: line.start,
            end: line.end,
            flags: line.flags,
            pgoff: line.pgoff,
            page_prot: line.page_prot,
            ino: line.ino,
            dev: line.dev,
            facts: line.facts,
            name: line.name.into_owned().into_bytes(),
        })
    }

    /// Whole pages, behind what was before.
    fn range(&self, start: u64, end: u64, last: u64) -> Checked<()> {
        let page = self.shape.geometry.page_size();
        if start >= end || (start | end) & (page - 1) != 0 {
            return Err(format!("{start:#x} to {end:#x} is no range of pages"));
        }
        if start < last {
            return Err(format!("{start:#x} comes after {last:#x}"));
        }
        Ok(())
    }

    fn extent(&self, line: RunLine<'static>) -> Checked<Extent> {
        self.range(line.start, line.end, self.position)?;
        let mut facts = Facts(0);
        for word in line.facts.split_ascii_whitespace() {
            let Some(fact) = Facts::from_word(word) else {
                let word = word.escape_debug();
                return Err(format!("{word:.40} is no word of mmlens"));
            };
            facts = facts.with(fact);
        }
        let kinds = Facts::PRESENT.0 | Facts::NONPRESENT.0 | Facts::BAD.0;
        let all_kinds = kinds | Facts::HOLE.0 | Facts::TABLE.0;
        let is_one = |bits: u64| bits.count_ones() == 1;
        let Some(level) = facts.level().filter(|_| is_one(facts.0 & Facts::LEVELS.0)) else {
            return Err("an entry is of one level".into());
        };
        if !is_one(facts.0 & all_kinds) || facts.0 & kinds == 0 || facts.has(Facts::IN_ORDER) {
            return Err("an entry is present, nonpresent or bad".into());
        }
        let count = entries_of(&self.shape.geometry, level, line.start, line.end);
        let places = match (line.from, line.each) {
            (None, None) => Places::None,
            (Some(place), None) => Places::From(place),
            (None, Some(each)) if each.len() as u64 == count && each.len() <= MOST_PLACES => {
                Places::Each(each.into_owned())
            }
            (None, Some(each)) => {
                return Err(format!("{} places for {count} entries", each.len()));
            }
            (Some(_), Some(_)) => return Err("both `from` and `each`".into()),
        };
        Ok(Extent {
            start: line.start,
            end: line.end,
            raw: line.raw,
            facts,
            places,
        })
    }

    fn table_use(&self, line: TableLine) -> Checked<TableUse> {
        let TableLine {
            start,
            at,
            level,
            entries,
            used,
        } = line;
        if level > 4 || entries > 1 << 16 || used > entries {
            return Err("no such table".into());
        }
        Ok(TableUse {
            start,
            at,
            level,
            entries,
            used,
        })
    }

    /// The last line is right, and there is nothing behind it.
    fn end(&mut self, end: End) -> Result<()> {
        if end != self.count {
            return Err(self.wrong("lines are missing: not as many as this says"));
        }
        self.line += 1;
        match self.input.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => Err(self.wrong("something behind the end")),
            Err(error) => Err(self.wrong(error::text(&error))),
        }
    }
}

/// Reads a line; `None` at the end of the file.
fn read_line(input: &mut impl BufRead) -> Checked<Option<Line<'static>>> {
    let mut text = Vec::new();
    let mut limited = input.take(LONGEST_LINE as u64 + 1);
    let read = limited.read_until(b'\n', &mut text);
    read.map_err(|error| error::text(&error))?;
    if text.is_empty() {
        return Ok(None);
    }
    if text.pop() != Some(b'\n') {
        return Err(match text.len() >= LONGEST_LINE {
            true => "a line that is too long".to_string(),
            false => "the file is cut off here".to_string(),
        });
    }
    let line: Line<'_> = serde_json::from_slice(&text).map_err(|error| {
        let text = error.to_string();
        // Its own numbers of lines would be confusing.
        let (what, _) = text.rsplit_once(" at line ").unwrap_or((&text, ""));
        let what: String = what.chars().take(120).collect();
        what.escape_debug().to_string()
    })?;
    Ok(Some(line))
}

impl<R: BufRead> Source for Reader<R> {
    fn head(&self) -> &Head {
        &self.head
    }

    fn vmas(&self) -> &[Vma] {
        &self.vmas
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn run(&mut self) -> Result<Option<Extent>> {
        match self.line()? {
            Line::Run(line) => {
                let extent = self.extent(line);
                let extent = self.checked(extent)?;
                self.position = extent.end;
                self.count.runs += 1;
                Ok(Some(extent))
            }
            other => {
                self.next = Some(other);
                Ok(None)
            }
        }
    }

    fn table(&mut self) -> Result<Option<TableUse>> {
        match self.line()? {
            Line::Table(line) => {
                let table = self.table_use(line);
                self.count.tables += 1;
                self.checked(table).map(Some)
            }
            Line::End(end) => {
                self.end(end)?;
                // For those who ask again.
                self.next = Some(Line::End(end));
                Ok(None)
            }
            _ => Err(self.wrong("out of order: VMAs, then runs, then tables, then the end")),
        }
    }
}
