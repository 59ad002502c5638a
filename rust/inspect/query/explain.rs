// SPDX-License-Identifier: GPL-2.0

//! `explain A` and `translate A`.

use super::{
    super::vmas::write_vma,
    address::{
        self,
        Address, //
    }, //
};
use crate::{
    mm::{
        pages::{
            Look,
            PageFacts, //
        },
        vmas::MmapReadLock, //
    },
    pt::{
        entry::Entry,
        level::Level, //
    },
    query::huge,
    sys::seq::SeqWriter,
    text::{
        vma_flags::VmaFlags,
        Size, //
    }, //
};
use core::fmt::Write;
use kernel::{
    mm::MmWithUser,
    page::PAGE_SIZE,
    prelude::*, //
};

/// `translate`: the entry of each level, and the physical address.
pub(super) fn translate(mm: &MmWithUser, va: u64, out: &mut SeqWriter<'_>) -> Result {
    match address::look(mm, va)? {
        Some(address) => address.write_way(out),
        None => write_no_vma(mm, va, out),
    }
}

/// `explain`: everything.
pub(super) fn explain(mm: &MmWithUser, va: u64, out: &mut SeqWriter<'_>) -> Result {
    let Some(address) = address::look(mm, va)? else {
        return write_no_vma(mm, va, out);
    };
    writeln!(out, "address:   {va:016x}")?;
    write!(out, "vma:       ")?;
    write_vma(out, &address.format, &address.vma, None)?;
    address.write_way(out)?;
    write_rights(&address, out)?;
    match &address.page {
        Some(Look::Page(facts)) => write_page(facts, out)?,
        Some(Look::NotOnline) => writeln!(out, "page:      none: no memory of the kernel")?,
        Some(Look::Changing) => writeln!(out, "page:      unknown: it is changing hands")?,
        None => match address.way.end() {
            Some(end) if address.way.physical(&address.geometry, va).is_some() => {
                writeln!(out, "page:      {}, not looked at", end.page.name())?;
            }
            _ => writeln!(out, "page:      none")?,
        },
    }
    if let Some(reason) = address.reason() {
        writeln!(out, "reason:    {reason}")?;
    }
    write_huge(&address, out)
}

/// What an access to an address without a VMA would meet.
fn write_no_vma(mm: &MmWithUser, va: u64, out: &mut SeqWriter<'_>) -> Result {
    let lock = MmapReadLock::lock(mm)?;
    let task_size = lock.placement().task_size;
    let above = lock.find_vma(va);
    let is_stack = above.is_some_and(|vma| VmaFlags(vma.flags() as u64).grows_down());
    drop(lock);
    let why = if va >= task_size {
        "not a user address"
    } else if is_stack {
        "the VMA above is a stack, which an access may make grow; else it is SIGSEGV"
    } else {
        "an access is SIGSEGV"
    };
    writeln!(out, "none: no VMA contains {va:016x}; {why}")?;
    Ok(())
}

fn write_rights(address: &Address, out: &mut SeqWriter<'_>) -> Result {
    let [read, write, exec, _] = address.vma.flags.letters().map(char::from);
    write!(out, "rights:    {read}{write}{exec} by the VMA, ")?;
    match address.way.end() {
        Some(end) => writeln!(out, "{} by the tables", end.effective(&address.format))?,
        None => writeln!(out, "--- by the tables")?,
    }
    Ok(())
}

fn write_page(facts: &PageFacts, out: &mut SeqWriter<'_>) -> Result {
    let pages = 1u64.checked_shl(facts.order).unwrap_or(0);
    let page_size = PAGE_SIZE as u64;
    write!(out, "page:      {} pfn {:#x}", facts.kind.name(), facts.pfn)?;
    if pages > 1 {
        write!(
            out,
            ", page {} of a folio of {pages} ({}, order {}, pfn {:#x})",
            facts.pfn.wrapping_sub(facts.folio_pfn),
            Size(pages.saturating_mul(page_size)),
            facts.order,
            facts.folio_pfn
        )?;
    } else {
        write!(out, ", a folio of its own (order 0)")?;
    }
    writeln!(out)?;
    writeln!(out, "flags:     {}", facts.flags)?;
    writeln!(out, "refcount:  {} (of the folio)", facts.ref_count)?;
    write!(out, "mapcount:  {}", facts.map_count)?;
    if pages > 1 {
        write!(out, " (folio: {})", facts.folio_map_count)?;
    }
    if facts.flags.is_anon() && !facts.flags.is_ksm() {
        write!(
            out,
            ", {}",
            if facts.is_exclusive {
                "exclusive to this process"
            } else {
                "maybe shared"
            }
        )?;
    }
    writeln!(out)?;
    writeln!(out, "node:      {}", facts.node)?;
    match facts.memcg {
        0 => writeln!(out, "memcg:     none")?,
        ino => writeln!(out, "memcg:     inode {ino}")?,
    }
    Ok(())
}

/// Whether it is a huge page, or why not.
fn write_huge(address: &Address, out: &mut SeqWriter<'_>) -> Result {
    let geometry = &address.geometry;
    let Some(end) = address.way.end() else {
        return Ok(());
    };
    if geometry.is_folded(Level::Pmd) || address.vma.flags.is_hugetlb() {
        return Ok(());
    }
    if end.level > Level::Pte && address.way.physical(geometry, address.va).is_some() {
        let size = Size(geometry.size(end.level));
        writeln!(out, "huge:      yes: a leaf of {size}")?;
        return Ok(());
    }
    // A huge page that is on its way somewhere, or split.
    if end.level == Level::Pmd && end.entry != Entry::None {
        return Ok(());
    }
    let start = geometry.entry_start(address.va, Level::Pmd);
    let vma = &address.vma;
    let file_offset = vma.pgoff.wrapping_mul(geometry.page_size());
    let facts = huge::Facts {
        range: start..geometry.entry_end(address.va, Level::Pmd),
        vma: vma.start..vma.end,
        flags: vma.flags,
        file_offset: (!vma.vm_ops.is_null()).then_some(file_offset),
        disabled: address.advice.disabled,
        mapped: address.mapped,
        folio_pages: match &address.page {
            Some(Look::Page(facts)) => 1u64.checked_shl(facts.order),
            _ => None,
        },
    };
    writeln!(out, "huge:      no: {facts}")?;
    Ok(())
}
