// SPDX-License-Identifier: GPL-2.0

//! Where everything is in the picture.

use super::{
    rows::{strip_width, Row, Rows, KINDS},
    shapes::{human, pieces, Area, Font, Label, Stroke},
    tables::{Bars, Tables, Tier, Tree},
};
use crate::{commands::diff::date, snapshot::Head};
use mmlens_device::Arch;

/// Around everything.
const MARGIN: f64 = 24.0;
/// From one row to the next, and the height of its strip.
const ROW: f64 = 20.0;
const STRIP: f64 = 11.0;
const GAP: f64 = 18.0;
/// A table in the tree, and from one level to the next.
const BOX: f64 = 34.0;
const TIER: f64 = 84.0;
/// Left of the tree.
const SIDE: f64 = 204.0;

/// The whole picture.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    pub width: f64,
    pub height: f64,
    pub title: String,
    pub areas: Vec<Area>,
    pub strokes: Vec<Stroke>,
    pub labels: Vec<Label>,
}

impl Layout {
    pub fn new(head: &Head, rows: &Rows, tables: &Tables, width: u32) -> Self {
        let mut this = Self {
            width: f64::from(width),
            ..Self::default()
        };
        let mut y = this.head(head, rows);
        y = this.legend(y);
        y = this.rows(rows, y + 30.0);
        y = this.tables(tables, y + 46.0);
        this.height = y + MARGIN;
        this
    }

    fn label(&mut self, x: f64, y: f64, font: Font, class: &'static str, text: impl Into<String>) {
        self.labels.push(Label {
            x,
            y,
            font,
            is_right: false,
            class,
            text: text.into(),
        });
    }

    /// A text that ends at `x`.
    fn right(&mut self, x: f64, y: f64, font: Font, class: &'static str, text: impl Into<String>) {
        self.label(x, y, font, class, text);
        if let Some(label) = self.labels.last_mut() {
            label.is_right = true;
        }
    }

    fn area(&mut self, at: (f64, f64), size: (f64, f64), class: &'static str) -> &mut Area {
        let index = self.areas.len();
        self.areas.push(Area {
            x: at.0,
            y: at.1,
            width: size.0,
            height: size.1,
            class,
            hint: None,
        });
        // It was just put there.
        &mut self.areas[index]
    }

    fn head(&mut self, head: &Head, rows: &Rows) -> f64 {
        let arch = match head.machine.arch {
            Arch::X86_64 => "x86_64",
            Arch::Arm64 => "arm64",
        };
        let room = self.width - 2.0 * MARGIN;
        self.title = format!("pid {} {}", head.pid, head.comm);
        let title = Font::Title.fit(&self.title, room);
        self.label(MARGIN, MARGIN + 18.0, Font::Title, "ink", title);
        let sum = |field: fn(&Row) -> u64| rows.all.iter().map(field).sum::<u64>();
        let vmas: usize = rows.all.iter().map(|row| row.vmas).sum();
        let about = format!(
            "{arch}, Linux {}, {}: {vmas} VMAs of {}, {} mapped, {} swapped out",
            head.kernel,
            date(head.time),
            human(sum(|row| row.end - row.start)),
            human(sum(|row| row.mapped)),
            human(sum(|row| row.swapped)),
        );
        let about = Font::Plain.fit(&about, room);
        self.label(MARGIN, MARGIN + 38.0, Font::Plain, "quiet", about);
        MARGIN + 38.0
    }

    fn legend(&mut self, y: f64) -> f64 {
        let mut items: Vec<(&'static str, &'static str)> = KINDS
            .iter()
            .map(|&(_, class, text)| (class, text))
            .collect();
        items.insert(0, ("hole", "nothing"));
        items.push(("line write", "writable now"));
        items.push(("line exec", "executable"));
        let (mut x, mut y) = (MARGIN, y + 14.0);
        for (class, text) in items {
            let width = 26.0 + Font::Plain.width(text);
            if x + width > self.width - MARGIN {
                (x, y) = (MARGIN, y + 18.0);
            }
            match class.strip_prefix("line ") {
                Some("write") => self.area((x, y + 5.0), (18.0, 2.0), "write"),
                Some(_) => self.area((x, y + 5.0), (18.0, 2.0), "exec"),
                None => self.area((x, y), (18.0, STRIP), class),
            };
            self.label(x + 24.0, y + 9.5, Font::Plain, "ink", text);
            x += width + 16.0;
        }
        y + STRIP
    }

    fn rows(&mut self, rows: &Rows, top: f64) -> f64 {
        let columns = Columns::of(self.width);
        let mut y = top;
        self.label(MARGIN, y, Font::Heading, "ink", "Address space");
        let hint = "from the lowest address on; bars are as long as the logarithm of the size, and low where little is mapped";
        let after = MARGIN + Font::Heading.width("Address space") + 12.0;
        if after + Font::Plain.width(hint) < self.width - MARGIN {
            self.label(after, y, Font::Plain, "quiet", hint);
        }
        y += 22.0;
        self.label(columns.address, y, Font::Small, "quiet", "start");
        self.right(columns.size, y, Font::Small, "quiet", "size");
        self.label(columns.rights, y, Font::Small, "quiet", "rights");
        self.label(columns.strip, y, Font::Small, "quiet", "what is mapped");
        self.right(columns.mapped, y, Font::Small, "quiet", "mapped");
        self.label(columns.name, y, Font::Small, "quiet", "name");
        y += 6.0;
        let mut last_end: Option<u64> = None;
        for row in &rows.all {
            if let Some(gap) = last_end.map(|end| row.start.saturating_sub(end)) {
                if gap > 0 {
                    self.gap(gap, y, &columns);
                    y += GAP;
                }
            }
            last_end = Some(row.end);
            self.row(row, y, &columns);
            y += ROW;
        }
        y
    }

    /// A break in the scale, with what is left out.
    fn gap(&mut self, bytes: u64, y: f64, columns: &Columns) {
        let middle = y + GAP / 2.0;
        let step = 4.0;
        let points = (0..12).map(|n| {
            let up = if n % 2 == 0 { 2.5 } else { -2.5 };
            (columns.strip + step * f64::from(n), middle + up)
        });
        self.strokes.push(Stroke {
            class: "break",
            points: points.collect(),
        });
        let text = format!("{} unmapped", human(bytes));
        self.label(
            columns.strip + 54.0,
            middle + 3.0,
            Font::Small,
            "quiet",
            text,
        );
    }

    fn row(&mut self, row: &Row, y: f64, columns: &Columns) {
        let base = y + 12.0;
        let address = format!("{:x}", row.start);
        self.label(columns.address, base, Font::Mono, "ink", address);
        let size = human(row.end - row.start);
        self.right(columns.size, base, Font::Mono, "ink", size);
        let is_both = row.rights.contains('w') && row.rights.contains('x');
        let class = if is_both { "danger" } else { "ink" };
        self.label(columns.rights, base, Font::Mono, class, row.rights.clone());
        self.strip(row, y + 2.0, columns.strip);
        let mapped = human(row.mapped);
        let class = if row.mapped == 0 { "quiet" } else { "ink" };
        self.right(columns.mapped, base, Font::Mono, class, mapped);
        let name = Font::Plain.fit(&row.name, self.width - MARGIN - columns.name);
        self.label(columns.name, base, Font::Plain, "ink", name);
    }

    fn strip(&mut self, row: &Row, y: f64, x: f64) {
        let hint = format!("{:x}-{:x} {} {}", row.start, row.end, row.rights, row.name);
        self.area((x, y), (row.width, STRIP), "hole").hint = Some(hint);
        let cell = row.width / row.cells.len().max(1) as f64;
        let look = |(n, cell): (usize, &super::rows::Cell)| {
            let (start, end) = row.bounds(n);
            cell.look(end - start)
        };
        let looks: Vec<_> = row.cells.iter().enumerate().map(look).collect();
        for (first, count, look) in pieces(&looks) {
            if let Some((kind, quarters)) = look {
                let class = KINDS.get(kind).map_or("note", |&(_, class, _)| class);
                // What is sparse is low: paler, it would look like something else.
                let height = STRIP * f64::from(quarters) / 4.0;
                let at = (x + first as f64 * cell, y + STRIP - height);
                self.area(at, (count as f64 * cell, height), class);
            }
        }
        for (class, below, is_so) in [
            (
                "write",
                1.0,
                (|c| c.write > 0) as fn(&super::rows::Cell) -> bool,
            ),
            ("exec", 3.5, |c| c.exec > 0),
        ] {
            let so: Vec<bool> = row.cells.iter().map(is_so).collect();
            for (first, count, is) in pieces(&so) {
                if is {
                    let at = (x + first as f64 * cell, y + STRIP + below);
                    self.area(at, (count as f64 * cell, 2.0), class);
                }
            }
        }
    }

    fn tables(&mut self, tables: &Tables, top: f64) -> f64 {
        let mut y = top;
        self.label(MARGIN, y, Font::Heading, "ink", "Page tables");
        let mut hint = "a box is a table, filled as far as its entries are in use".to_string();
        if tables.left_out > 0 {
            hint = format!("{hint}; {} more are left out", tables.left_out);
        }
        let after = MARGIN + Font::Heading.width("Page tables") + 12.0;
        self.label(after, y, Font::Plain, "quiet", hint);
        y += 22.0;
        let left = MARGIN + SIDE;
        let tree = Tree::of(tables, left, self.width - MARGIN - left);
        for (n, (tier, bars)) in tables.tiers.iter().zip(&tree.tiers).enumerate() {
            self.tier(tables, tier, bars, y);
            if let Some(below) = tree
                .tiers
                .get(n + 1)
                .filter(|below| bars.is_single() && below.is_single())
            {
                for (parent, &from) in bars.middles.iter().enumerate() {
                    let children: Vec<f64> = below.children(tables, n + 1, parent).collect();
                    self.edges(from, &children, y + BOX + 14.0, y + TIER);
                }
            }
            y += TIER;
        }
        y - TIER + BOX + 14.0
    }

    /// From a table to those that it leads to.
    fn edges(&mut self, from: f64, children: &[f64], top: f64, bottom: f64) {
        let middle = (top + bottom) / 2.0;
        let (Some(&first), Some(&last)) = (children.first(), children.last()) else {
            return;
        };
        let mut edge = |points: Vec<(f64, f64)>| {
            self.strokes.push(Stroke {
                class: "edge",
                points,
            });
        };
        edge(vec![(from, top), (from, middle)]);
        edge(vec![(first.min(from), middle), (last.max(from), middle)]);
        for &x in children {
            edge(vec![(x, middle), (x, bottom)]);
        }
    }

    /// The tables of a level.
    fn tier(&mut self, tables: &Tables, tier: &Tier, bars: &Bars, y: f64) {
        self.label(MARGIN, y + 12.0, Font::Heading, "ink", tier.level.name());
        let count = match tier.tables.len() {
            1 => "1 table".to_string(),
            n => format!("{n} tables"),
        };
        self.label(MARGIN + 46.0, y + 12.0, Font::Plain, "ink", count);
        let (used, entries) = (tier.used(), tier.entries());
        let share = 100.0 * used as f64 / entries.max(1) as f64;
        let text = format!("{used} of {entries} used ({share:.1} %)");
        self.label(MARGIN, y + 28.0, Font::Plain, "quiet", text);
        let each = human(tables.geometry.size(tier.level));
        let mut text = format!("an entry is {each}");
        if !bars.is_single() {
            text = format!("{text}, a bar up to {} tables", bars.most());
        }
        self.label(MARGIN, y + 42.0, Font::Small, "quiet", text);
        // All numbers or none.
        let sum = |range: &std::ops::Range<usize>| {
            let part = tier.tables.get(range.clone()).unwrap_or_default();
            part.iter().map(|t| u64::from(t.used)).sum::<u64>()
        };
        let widest = bars.parts.iter().map(sum).max().unwrap_or(0).to_string();
        let is_told = Font::Small.width(&widest) + 2.0 <= bars.slot;
        // An outline would be all that one sees of a thin one.
        let class = if bars.width < 6.0 { "thin" } else { "table" };
        for (range, &middle) in bars.parts.iter().zip(&bars.middles) {
            let part = tier.tables.get(range.clone()).unwrap_or_default();
            let Some(one) = part.first() else {
                continue;
            };
            let used = sum(range);
            let entries: u64 = part.iter().map(|t| u64::from(t.entries)).sum();
            let x = middle - bars.width / 2.0;
            let fill = match used {
                0 => 0.0,
                used => (BOX * used as f64 / entries.max(1) as f64).clamp(1.5, BOX),
            };
            let hint = format!("{:x}: {used} of {entries} entries", one.start);
            self.area((x, y), (bars.width, BOX), class).hint = Some(hint);
            if fill > 0.0 {
                self.area((x, y + BOX - fill), (bars.width, fill), "used");
            }
            let text = used.to_string();
            let room = Font::Small.width(&text);
            if is_told {
                self.right(
                    middle + room / 2.0,
                    y + BOX + 10.0,
                    Font::Small,
                    "quiet",
                    text,
                );
            }
        }
    }
}

/// Where the columns of rows are.
struct Columns {
    address: f64,
    size: f64,
    rights: f64,
    strip: f64,
    mapped: f64,
    name: f64,
}

impl Columns {
    fn of(width: f64) -> Self {
        let strip = MARGIN + 218.0;
        let mapped = strip + strip_width(width as u32) + 58.0;
        Self {
            address: MARGIN,
            // Kernels with 57 bits have addresses of 15 digits.
            size: MARGIN + 162.0,
            rights: MARGIN + 174.0,
            strip,
            mapped,
            name: mapped + 14.0,
        }
    }
}
