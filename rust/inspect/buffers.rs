// SPDX-License-Identifier: GPL-2.0

//! `buffers`: every open buffer of the device, its kernel mapping and its mappings.
//!
//! Documentation/debugfs.rst is the specification.

use crate::{
    backing::{
        Area,
        Backing, //
    },
    device::{
        list,
        stats::Op,
        Buffer, //
    },
    mm::{
        rmap::{
            mappings_of,
            Mapping,
            Resume,
            BATCH, //
        },
        tables, //
    },
    rights::may_show_addresses,
    setup::Cache,
    sys::{
        debugfs::Records,
        seq::SeqWriter, //
    },
    text::Escaped, //
};
use core::fmt::Write;
use kernel::{
    prelude::*,
    sync::ArcBorrow, //
};

/// Bits of a position that say which batch of mappings it is; above them is the buffer's number.
const BATCH_BITS: u32 = 20;

/// The list in the making.
///
/// The record at a buffer's number and batch 0 is the buffer and its first mappings; further
/// batches follow.
pub(super) struct Buffers {
    batch: KVec<Mapping>,
    /// The batch that was asked for last, and the one after it: either may be asked for next.
    current: (u64, Resume),
    next: Option<(u64, Resume)>,
}

impl Records for Buffers {
    type Data = ();

    fn open(_data: ArcBorrow<'_, ()>) -> Result<Self> {
        Ok(Self {
            batch: KVec::with_capacity(BATCH, GFP_KERNEL)?,
            current: (0, Resume::new()),
            next: None,
        })
    }

    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        tables::breathe()?;
        let Some(buffer) = list::find(pos.div_ceil(1 << BATCH_BITS)) else {
            return self.rest(pos, out);
        };
        let start = buffer.id << BATCH_BITS;
        if pos & ((1 << BATCH_BITS) - 1) != 0 {
            return self.rest(pos, out);
        }
        write_buffer(out, &buffer)?;
        self.current = (start, Resume::new());
        self.next = None;
        self.mappings(&buffer, out).map(Some)
    }
}

impl Buffers {
    /// A further batch of a buffer that is still there.
    fn rest(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        if let Some(next) = self.next.take_if(|next| next.0 == pos) {
            self.current = next;
        }
        let id = pos >> BATCH_BITS;
        if pos & ((1 << BATCH_BITS) - 1) == 0 {
            return Ok(None);
        }
        match list::find(id).filter(|buffer| buffer.id == id && self.current.0 == pos) {
            Some(buffer) => self.mappings(&buffer, out).map(Some),
            None => Ok(Some((id + 1) << BATCH_BITS)),
        }
    }

    /// Writes the batch of mappings that is at `current`, and returns where to go on.
    fn mappings(&mut self, buffer: &Buffer, out: &mut SeqWriter<'_>) -> Result<u64> {
        let (pos, resume) = &self.current;
        let pos = *pos;
        let next = mappings_of(&buffer.inode, resume, &mut self.batch)?;
        for mapping in &self.batch {
            write_mapping(out, mapping)?;
        }
        let Some(resume) = next else {
            return Ok((buffer.id + 1) << BATCH_BITS);
        };
        self.next = Some((pos + 1, resume));
        Ok(pos + 1)
    }
}

fn write_buffer(out: &mut SeqWriter<'_>, buffer: &Buffer) -> Result {
    writeln!(out, "buffer {}: {}", buffer.id, buffer.setup())?;
    let memory = buffer.memory();
    let pages = memory.map_or(0, |m| m.pages());
    let allocated = memory.map_or(0, |m| m.backing.allocated());
    let bytes = buffer.bytes();
    writeln!(
        out,
        "  size:     {bytes} bytes ({pages} pages, {allocated} allocated)"
    )?;
    if let Some(area) = memory.and_then(|m| m.backing.area()) {
        write_area(out, &area)?;
    }
    if let Some(phys) = memory.and_then(|m| m.backing.device_address()) {
        writeln!(out, "  physical: {phys:#x}")?;
    }
    if let Some(warning) = memory.and_then(|m| cache_warning(&m.backing, m.setup.cache)) {
        writeln!(out, "  warning:  {warning}")?;
    }
    write!(out, "  done:    ")?;
    for (name, op) in OPERATIONS {
        write!(out, " {name}={}", buffer.stats.done(op))?;
    }
    writeln!(out)?;
    if let Some(dirty) = memory.and_then(|m| m.dirty.as_ref()) {
        writeln!(out, "  dirty:    {} pages", dirty.count())?;
    }
    if buffer.is_revoked() {
        writeln!(out, "  revoked")?;
    }
    Ok(())
}

/// What is shown of the counters.
const OPERATIONS: [(&str, Op); 10] = [
    ("mmap", Op::Mmap),
    ("open", Op::Open),
    ("close", Op::Close),
    ("fault", Op::Fault),
    ("huge_fault", Op::HugeFault),
    ("map_pages", Op::MapPages),
    ("page_mkwrite", Op::PageMkwrite),
    ("pfn_mkwrite", Op::PfnMkwrite),
    ("mremap", Op::Mremap),
    ("access", Op::Access),
];

/// The kernel's mapping: its entries are in `kernel/own`.
fn write_area(out: &mut SeqWriter<'_>, area: &Area<'_>) -> Result {
    let kind = match area.kind {
        "vmalloc" => "VM_ALLOC",
        "vmap" => "VM_MAP",
        _ => "VM_IOREMAP",
    };
    write!(out, "  area:     {kind} ")?;
    if may_show_addresses().is_ok() {
        write!(out, "{:016x}", area.number())?;
    } else {
        out.hashed(area.address())?;
        write!(out, " (hashed)")?;
    }
    writeln!(out, " {}", area.cache.word())?;
    Ok(())
}

/// Where the kernel's types and those of user space differ.
fn cache_warning(backing: &Backing, cache: Cache) -> Option<&'static str> {
    let is_memory = !matches!(backing, Backing::Device(_));
    let has_linear_map = is_memory && cfg!(target_arch = "aarch64");
    (has_linear_map && cache != Cache::Wb)
        .then_some("the linear map has these pages write-back: nobody must use it")
}

fn write_mapping(out: &mut SeqWriter<'_>, mapping: &Mapping) -> Result {
    write!(
        out,
        "  mapping:  {:016x}-{:016x} {} {:<8x} ",
        mapping.start,
        mapping.end,
        mapping.flags.perms(),
        mapping.pgoff,
    )?;
    match &mapping.owner {
        Some(owner) => writeln!(out, "{} {}", owner.tgid, Escaped(owner.comm()))?,
        None => writeln!(out, "- -")?,
    }
    Ok(())
}
