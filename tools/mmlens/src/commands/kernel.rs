// SPDX-License-Identifier: GPL-2.0

//! `mmlens kernel`: the kernel's side of memory.

use crate::{
    context::Context,
    error::{errno, text as error_text, Error, Kind, Outcome, Result},
    output::{
        color::{Painted, ADDRESS, QUIET, TITLE},
        json::Hex,
        table::{Cell, Table},
    },
    text,
};
use mmlens_core::text::About;
use mmlens_device::Text;
use serde::Serialize;
use serde_json::{Map, Value};
use std::fs;

const VMALLOCINFO: &str = "/proc/vmallocinfo";

/// Shows the kernel's regions, registers, vmalloc areas, or page tables
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What of it
    #[arg(value_enum, default_value_t = What::Layout)]
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// The regions of the address space
    Layout,
    /// The registers of memory management of one processor
    Registers,
    /// The areas of vmalloc and their owners; with the tables to be seen, how they are mapped
    Vmalloc,
    /// All page tables: the module must be loaded with kernel_walk=1
    Tables,
    /// The page tables of what the module itself owns
    Own,
}

#[derive(Serialize)]
struct TextData {
    what: &'static str,
    fields: Map<String, Value>,
    text: Vec<String>,
}

#[derive(Serialize)]
struct VmallocData {
    what: &'static str,
    areas: Vec<Area>,
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let (name, what) = match self.what {
            What::Layout => ("layout", Text::KernelLayout),
            What::Registers => ("registers", Text::KernelRegisters),
            What::Tables => ("tables", Text::KernelPagetable),
            What::Own => ("own", Text::KernelOwn),
            What::Vmalloc => return vmalloc(context),
        };
        if !context.json && matches!(self.what, What::Tables | What::Own) {
            // Long, and without names.
            return match is_shown(context, what)? {
                true => text::print(context, what, 0).map(|()| Outcome::Done),
                false => Err(not_shown()),
            };
        }
        let text = tables(context, what)?.ok_or_else(not_shown)?;
        if context.json {
            let fields = text::fields(&text).map(|(name, value)| (name.to_string(), value.into()));
            let data = TextData {
                what: name,
                fields: fields.collect(),
                text: text.lines().map(String::from).collect(),
            };
            context.print_json("kernel", &data)?;
            return Ok(Outcome::Done);
        }
        for line in text.lines() {
            match text::fields(line).next().and(line.split_once(':')) {
                Some((name, value)) => context
                    .out
                    .line(format_args!("{}:{value}", Painted(TITLE, name)))?,
                None if line.starts_with('#') => context.out.line(Painted(QUIET, line))?,
                None => context.out.line(line)?,
            }
        }
        Ok(Outcome::Done)
    }
}

fn not_shown() -> Error {
    Error::other("the module does not show the tables of the kernel")
        .hint("load it with kernel_walk=1")
}

/// Whether there is such a text: of all tables only if the module was told so.
fn is_shown(context: &Context, what: Text) -> Result<bool> {
    match context.device()?.text(what, 0) {
        Err(error) if error.raw_os_error() == Some(errno::ENOENT) => Ok(false),
        other => other.map(|_| true).map_err(Error::of_ioctl),
    }
}

/// A text of the kernel, if there is such.
fn tables(context: &Context, what: Text) -> Result<Option<String>> {
    match is_shown(context, what)? {
        true => text::read(context, what, 0).map(Some),
        false => Ok(None),
    }
}

/// A line of /proc/vmallocinfo.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Area {
    /// `null`: the kernel does not tell.
    start: Option<Hex>,
    end: Option<Hex>,
    bytes: u64,
    /// Who asked for it, as a symbol.
    owner: Option<String>,
    /// `vmalloc`, `ioremap`, `vmap`, ...: all the words of the kernel that are no numbers.
    words: Vec<String>,
    pages: Option<u64>,
    /// Of device memory.
    phys: Option<Hex>,
    /// Bytes of a page on each memory node.
    nodes: Map<String, Value>,
    /// How it is mapped: rights and memory types in the tables. `null`: they cannot be seen.
    mapped: Option<Vec<String>>,
}

impl Area {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let hex = |word: &str| {
            u64::from_str_radix(word.strip_prefix("0x")?, 16)
                .ok()
                .map(Hex)
        };
        let (start, end) = words.next()?.split_once('-')?;
        let (start, end) = (hex(start)?, hex(end)?);
        let bytes = words.next()?.parse().ok()?;
        // Addresses that are hashed do not belong together.
        let is_told = end.0.checked_sub(start.0) == Some(bytes);
        let mut area = Self {
            start: is_told.then_some(start),
            end: is_told.then_some(end),
            bytes,
            owner: None,
            words: Vec::new(),
            pages: None,
            phys: None,
            nodes: Map::new(),
            mapped: None,
        };
        for word in words {
            if let Some(pages) = word.strip_prefix("pages=") {
                area.pages = pages.parse().ok();
            } else if let Some(phys) = word.strip_prefix("phys=") {
                area.phys = hex(phys);
            } else if let Some((node, pages)) =
                word.strip_prefix('N').and_then(|rest| rest.split_once('='))
            {
                area.nodes
                    .insert(node.into(), pages.parse::<u64>().ok()?.into());
            } else if area.owner.is_none() && word.contains("+0x") {
                area.owner = Some(word.into());
            } else {
                area.words.push(word.into());
            }
        }
        Some(area)
    }
}

/// A leaf run of the kernel's tables: where, rights, memory type.
#[derive(Debug, PartialEq, Eq)]
struct Leaf {
    start: u64,
    end: u64,
    how: String,
}

impl Leaf {
    /// Of a line of `pagetable`: start-end size level kind count pfn rwx eff mem page bits.
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [range, _, level, "leaf", _, _, _, rights, memory, ..] = words.as_slice() else {
            return None;
        };
        let (start, end) = range.split_once('-')?;
        Some(Self {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            how: format!("{rights} {memory} {level}"),
        })
    }
}

fn vmalloc(context: &mut Context) -> Result<Outcome> {
    // For the rights, and the exit code, to be those of the other commands.
    let dump = tables(context, Text::KernelPagetable)?;
    let list = fs::read_to_string(VMALLOCINFO).map_err(|error| {
        let kind = match error.raw_os_error() {
            Some(errno::EACCES | errno::EPERM) => Kind::Right,
            _ => Kind::Other,
        };
        Error::new(kind, format_args!("{VMALLOCINFO}: {}", error_text(&error)))
    })?;
    let mut areas: Vec<Area> = list.lines().filter_map(Area::parse).collect();
    if let Some(dump) = &dump {
        let mut leaves: Vec<Leaf> = dump.lines().filter_map(Leaf::parse).collect();
        leaves.sort_by_key(|leaf| leaf.start);
        for area in &mut areas {
            area.mapped = mapped(&leaves, area);
        }
    }
    let outcome = if areas.is_empty() {
        Outcome::Found
    } else {
        Outcome::Done
    };
    if context.json {
        let data = VmallocData {
            what: "vmalloc",
            areas,
        };
        context.print_json("kernel", &data)?;
        return Ok(outcome);
    }
    let mut table = Table::new(&["range", ">size", ">pages", "owner", "what", "mapped"]);
    for area in &areas {
        let phys = area.phys.map(|Hex(phys)| format!(" phys={phys:#x}"));
        let range = match (area.start, area.end) {
            (Some(Hex(start)), Some(Hex(end))) => format!("{start:016x}-{end:016x}"),
            _ => "?".into(),
        };
        let pages = area.pages.map_or("-".into(), |pages| pages.to_string());
        let mapped = area
            .mapped
            .as_ref()
            .map_or("?".into(), |how| how.join(", "));
        table.row([
            Cell::styled(range, ADDRESS),
            About(area.bytes).to_string().into(),
            pages.into(),
            area.owner.clone().unwrap_or_else(|| "-".into()).into(),
            format!("{}{}", area.words.join(" "), phys.unwrap_or_default()).into(),
            mapped.into(),
        ]);
    }
    table.print(&mut context.out)?;
    if areas.iter().any(|area| area.start.is_none()) {
        let line = "# the kernel hides addresses in /proc/vmallocinfo: sysctl kernel.kptr_restrict=1 shows them to root";
        context.out.line(Painted(QUIET, line))?;
    }
    if dump.is_none() {
        let line =
            "# how they are mapped is in the kernel's tables: load the module with kernel_walk=1";
        context.out.line(Painted(QUIET, line))?;
    }
    Ok(outcome)
}

/// In which ways an area is mapped, each once; `None` if it is not known where it is.
fn mapped(leaves: &[Leaf], area: &Area) -> Option<Vec<String>> {
    let (Hex(start), Hex(end)) = area.start.zip(area.end)?;
    let first = leaves.partition_point(|leaf| leaf.end <= start);
    let in_area = leaves
        .iter()
        .skip(first)
        .take_while(|leaf| leaf.start < end);
    let mut ways: Vec<String> = Vec::new();
    for leaf in in_area {
        if !ways.contains(&leaf.how) {
            ways.push(leaf.how.clone());
        }
    }
    Some(ways)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas() {
        let line = "0xffffb5ae00000000-0xffffb5ae00005000   20480 irq_init_percpu_irqstack+0x114/0x1b0 pages=4 vmalloc N0=4";
        let area = Area::parse(line);
        assert_eq!(
            area.as_ref().and_then(|a| a.owner.as_deref()),
            Some("irq_init_percpu_irqstack+0x114/0x1b0")
        );
        assert_eq!(area.as_ref().and_then(|a| a.pages), Some(4));
        assert_eq!(
            area.as_ref().map(|a| a.words.join(" ")).as_deref(),
            Some("vmalloc")
        );
        let line = "0xffffb5ae00008000-0xffffb5ae0000a000    8192 acpi_os_map_iomem+0x1ac/0x1c0 phys=0x000000007ffe3000 ioremap";
        assert_eq!(
            Area::parse(line).and_then(|a| a.phys),
            Some(Hex(0x7ffe_3000))
        );
        let line = "0xffffb5ae0000d000-0xffffb5ae00010000   12288 unpurged vm_area";
        let area = Area::parse(line);
        assert_eq!(area.map(|a| (a.owner, a.words.len())), Some((None, 2)));
        let line =
            "0x000000005c1fd3c7-0x00000000ce5cb0e4    8192 kernel_clone+0xda/0x4a0 pages=1 vmalloc";
        assert_eq!(
            Area::parse(line).map(|a| (a.start, a.bytes)),
            Some((None, 8192))
        );
        assert_eq!(Area::parse("nothing"), None);
    }

    #[test]
    fn areas_and_leaves() {
        let line = "ffffb5ae00000000-ffffb5ae00004000      16K pte   leaf       4        scattered    rw- rw- WB     -       P RW A D NX";
        let leaf = Leaf::parse(line);
        let area =
            Area::parse("0xffffb5ae00000000-0xffffb5ae00005000 20480 x+0x1/0x2 pages=4 vmalloc");
        let ways = leaf
            .zip(area)
            .and_then(|(leaf, area)| mapped(&[leaf], &area));
        assert_eq!(ways, Some(vec!["rw- WB pte".to_string()]));
    }
}
