// SPDX-License-Identifier: GPL-2.0

//! The picture of an address space.
//!
//! What is read is summed up in cells, a few pixels wide, of each VMA ([`rows`]); that and the tables
//! are laid out ([`layout`]), and drawn as SVG ([`svg`]). A PNG is made of the SVG.

mod draw;
mod layout;
#[cfg(feature = "png")]
pub mod png;
mod rows;
mod shapes;
mod tables;

pub use layout::Layout;

use crate::{error::Result, snapshot::Source};

/// Pixels from left to right, if nothing else is said.
pub const WIDTH: u32 = 1200;
/// The least and the most.
pub const WIDTHS: std::ops::RangeInclusive<u32> = 800..=8000;

/// Lays out all of a snapshot.
pub fn layout(source: &mut dyn Source, width: u32) -> Result<Layout> {
    let mut rows = rows::Rows::of(source.vmas(), width);
    while let Some(run) = source.run()? {
        rows.add(&run);
    }
    let mut tables = tables::Tables::of(source.shape().geometry);
    while let Some(table) = source.table()? {
        tables.add(&table);
    }
    Ok(Layout::new(source.head(), &rows, &tables, width))
}

/// Draws it.
pub fn svg(layout: &Layout) -> String {
    draw::draw(layout)
}

#[cfg(test)]
#[path = "picture/tests.rs"]
mod tests;
