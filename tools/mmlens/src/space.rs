// SPDX-License-Identifier: GPL-2.0

//! What several commands want of an address space.

use crate::{
    context::Context,
    error::{Error, Result},
    output::{
        color::{of_rights, ADDRESS, QUIET},
        json::Hex,
        table::Cell,
    },
};
use mmlens_core::{
    pt::{facts::Facts, filter::Filter, show},
    text::{vma_flags::VmaFlags, About, Escaped},
};
use mmlens_device::{Machine, Vma};
use serde::Serialize;

/// All VMAs of a process with their names, and the number of the address space.
pub fn vmas(context: &Context, pid: i32) -> Result<(Vec<Vma>, u64)> {
    let mut records = context.device()?.walk(pid).names().vmas();
    let mut vmas = Vec::new();
    for vma in records.by_ref() {
        vmas.push(vma.map_err(|error| Error::of_process(error, pid))?);
    }
    let space = records.space();
    Ok((vmas, space))
}

/// What lines about entries say of their VMA.
pub fn context_of(vma: &Vma) -> show::Context {
    show::Context {
        flags: VmaFlags(vma.flags),
        is_anonymous: vma.is_anonymous(),
        has_anon_vma: vma.has_anon_vma(),
    }
}

/// `rw-p`.
pub fn rights_of(vma: &Vma) -> String {
    VmaFlags(vma.flags).perms().to_string()
}

/// The name, with escapes for what cannot be printed.
pub fn name_of(vma: &Vma) -> String {
    Escaped(&vma.name).to_string()
}

/// The flags by name.
pub fn flags_of(machine: &Machine, vma: &Vma) -> Vec<String> {
    let named = VmaFlags(vma.flags)
        .named(machine.vma_flag_names())
        .to_string();
    let names = named.split('|').filter(|name| *name != "0");
    names.map(String::from).collect()
}

/// A VMA in JSON.
#[derive(Debug, Serialize)]
pub struct VmaJson {
    pub start: Hex,
    pub end: Hex,
    pub rights: String,
    pub flags: Vec<String>,
    pub page_offset: Hex,
    pub device: String,
    pub inode: u64,
    pub name: String,
    pub anonymous: bool,
}

impl VmaJson {
    pub fn new(machine: &Machine, vma: &Vma) -> Self {
        Self {
            start: Hex(vma.start),
            end: Hex(vma.end),
            rights: rights_of(vma),
            flags: flags_of(machine, vma),
            page_offset: Hex(vma.pgoff),
            device: format!("{:02x}:{:02x}", vma.dev.0, vma.dev.1),
            inode: vma.ino,
            name: name_of(vma),
            anonymous: vma.is_anonymous(),
        }
    }
}

/// All but holes and what points to tables.
pub const NO_HOLES: Filter = Filter {
    excluded: Facts::HOLE.with(Facts::TABLE),
    ..Filter::ALL
};

/// Range, size, rights, name and flags of a VMA, for tables.
pub fn cells_of(machine: &Machine, vma: &Vma) -> [Cell; 5] {
    let rights = rights_of(vma);
    let style = of_rights(&rights);
    [
        Cell::styled(format!("{:016x}-{:016x}", vma.start, vma.end), ADDRESS),
        About(vma.end.saturating_sub(vma.start)).to_string().into(),
        Cell::styled(rights, style),
        name_of(vma).into(),
        Cell::styled(flags_of(machine, vma).join(" "), QUIET),
    ]
}
