// SPDX-License-Identifier: GPL-2.0

//! Writes a snapshot: lines of JSON.

use super::{Head, Source, TableUse};
use crate::{
    error::{Error, Result},
    extent::{Extent, Places},
};
use mmlens_core::pt::facts::Facts;
use mmlens_device::{hex, Vma};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, io::Write};

/// A line of a file. Documentation/command.rst has it in words.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Line<'a> {
    #[serde(rename = "mmlens-snapshot")]
    Head(Cow<'a, Head>),
    Vma(VmaLine<'a>),
    Run(RunLine<'a>),
    Table(TableLine),
    End(End),
}

#[derive(Debug, Serialize, Deserialize)]
pub struct VmaLine<'a> {
    #[serde(with = "hex")]
    pub start: u64,
    #[serde(with = "hex")]
    pub end: u64,
    #[serde(with = "hex")]
    pub flags: u64,
    #[serde(with = "hex")]
    pub pgoff: u64,
    #[serde(with = "hex")]
    pub page_prot: u64,
    pub ino: u64,
    pub dev: (u32, u32),
    /// `MMLENS_VMA_*`.
    pub facts: u32,
    pub name: Cow<'a, str>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct RunLine<'a> {
    #[serde(with = "hex")]
    pub start: u64,
    #[serde(with = "hex")]
    pub end: u64,
    #[serde(with = "hex")]
    pub raw: u64,
    /// Words with spaces between them.
    pub facts: Cow<'a, str>,
    /// The place of the first entry, from which the others go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Or that of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<Cow<'a, [u64]>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct TableLine {
    #[serde(with = "hex")]
    pub start: u64,
    #[serde(with = "hex")]
    pub at: u64,
    pub level: u8,
    pub entries: u32,
    pub used: u32,
}

/// What has been before: without this line a file is not complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub vmas: u64,
    pub runs: u64,
    pub tables: u64,
}

impl<'a> From<&'a Vma> for VmaLine<'a> {
    fn from(vma: &'a Vma) -> Self {
        Self {
            start: vma.start,
            end: vma.end,
            flags: vma.flags,
            pgoff: vma.pgoff,
            page_prot: vma.page_prot,
            ino: vma.ino,
            dev: vma.dev,
            facts: vma.facts,
            name: String::from_utf8_lossy(&vma.name),
        }
    }
}

impl<'a> From<&'a Extent> for RunLine<'a> {
    fn from(extent: &'a Extent) -> Self {
        let (from, each) = match &extent.places {
            Places::None => (None, None),
            Places::From(place) | Places::Scattered(place) => (Some(*place), None),
            Places::Each(each) => (None, Some(Cow::Borrowed(each.as_slice()))),
        };
        let words: Vec<&str> = Facts::words(extent.facts).collect();
        Self {
            start: extent.start,
            end: extent.end,
            raw: extent.raw,
            facts: words.join(" ").into(),
            from,
            each,
        }
    }
}

impl From<TableUse> for TableLine {
    fn from(table: TableUse) -> Self {
        let TableUse {
            start,
            at,
            level,
            entries,
            used,
        } = table;
        Self {
            start,
            at,
            level,
            entries,
            used,
        }
    }
}

/// Writes all of `source`; returns how much that was.
pub fn write(source: &mut dyn Source, out: &mut dyn Write) -> Result<End> {
    let mut end = End::default();
    put(out, &Line::Head(Cow::Borrowed(source.head())))?;
    for vma in source.vmas() {
        put(out, &Line::Vma(vma.into()))?;
        end.vmas += 1;
    }
    while let Some(run) = source.run()? {
        put(out, &Line::Run((&run).into()))?;
        end.runs += 1;
    }
    while let Some(table) = source.table()? {
        put(out, &Line::Table(table.into()))?;
        end.tables += 1;
    }
    put(out, &Line::End(end))?;
    out.flush().map_err(Error::of_output)?;
    Ok(end)
}

fn put(out: &mut dyn Write, line: &Line<'_>) -> Result<()> {
    let mut text = serde_json::to_vec(line).map_err(|error| Error::of_output(error.into()))?;
    text.push(b'\n');
    out.write_all(&text).map_err(Error::of_output)
}
