// SPDX-License-Identifier: GPL-2.0

//! Columns, and lines that fit into the terminal.

use super::{
    color::{Painted, TITLE},
    Output,
};
use crate::error::Result;
use anstyle::Style;
use std::borrow::Cow;

/// A field of a table.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            style: Style::new(),
        }
    }
}

impl Cell {
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self {
            text: text.into(),
            style,
        }
    }
}

/// Rows of fields. The last column takes what is left of the line.
#[derive(Debug)]
pub struct Table {
    heads: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A head that begins with `>` is that of a column of numbers, with all digits at its right.
    pub fn new(heads: &'static [&'static str]) -> Self {
        Self {
            heads,
            rows: Vec::new(),
        }
    }

    pub fn row<const N: usize>(&mut self, row: [Cell; N]) {
        self.rows.push(row.into());
    }

    pub fn print(self, out: &mut Output) -> Result<()> {
        let columns: Vec<(&str, bool)> = self
            .heads
            .iter()
            .map(|head| {
                head.strip_prefix('>')
                    .map_or((*head, false), |head| (head, true))
            })
            .collect();
        let widths: Vec<usize> = columns
            .iter()
            .enumerate()
            .map(|(column, (head, _))| {
                let fields = self.rows.iter().filter_map(|row| row.get(column));
                let widest = fields.map(|cell| cell.text.chars().count()).max();
                widest.unwrap_or(0).max(head.chars().count())
            })
            .collect();
        let head: Vec<Cell> = columns
            .iter()
            .map(|&(head, _)| Cell::styled(head, TITLE))
            .collect();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, &width), &(_, is_number)) in row.iter().zip(&widths).zip(&columns) {
                let pad = " ".repeat(width.saturating_sub(cell.text.chars().count()));
                let (before, after) = if is_number {
                    (pad, String::new())
                } else {
                    (String::new(), pad)
                };
                line += &format!("{before}{}{after}  ", Painted(cell.style, &cell.text));
            }
            out.line(line.trim_end())?;
        }
        Ok(())
    }
}

/// The line, cut to `width` columns; sequences for colors take none.
pub fn cut(line: &str, width: usize) -> Cow<'_, str> {
    let mut columns = 0;
    let mut in_sequence = false;
    for (at, c) in line.char_indices() {
        match (in_sequence, c) {
            (true, 'a'..='z' | 'A'..='Z') => in_sequence = false,
            (true, _) => {}
            (false, '\x1b') => in_sequence = true,
            (false, _) if columns == width => {
                let (shown, _) = line.split_at(at);
                let reset = if shown.contains('\x1b') {
                    "\x1b[0m"
                } else {
                    ""
                };
                return Cow::Owned(format!("{shown}{reset}"));
            }
            (false, _) => columns += 1,
        }
    }
    Cow::Borrowed(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_by_what_is_seen() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 3), "abc");
        assert_eq!(cut("\x1b[1mabc\x1b[0m", 3), "\x1b[1mabc\x1b[0m");
        assert_eq!(cut("\x1b[1mabcd\x1b[0m", 3), "\x1b[1mabc\x1b[0m");
        assert_eq!(cut("äöü", 2), "äö");
    }
}
