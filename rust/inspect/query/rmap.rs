// SPDX-License-Identifier: GPL-2.0

//! `rmap A`: who maps the page of the file that is mapped at an address.

use super::address;
use crate::{
    mm::{
        pages::Look,
        rmap::{
            FilePage,
            Mapping,
            Resume,
            BATCH,
            MAX_MAPPINGS, //
        },
        tables,
        vmas::MmapReadLock, //
    },
    sys::seq::SeqWriter,
    text::Escaped, //
};
use core::fmt::Write;
use kernel::{
    mm::MmWithUser,
    prelude::*, //
};

/// The heading of the list.
const COLUMNS: &str =
    "# pid   start            end              perm pgoff    address          comm\n";

/// A list of mappings in the making.
///
/// The record at position n is the batch number n; 0 is the heading.
pub(super) struct Rmap {
    page: FilePage,
    batch: KVec<Mapping>,
    /// The batch that was asked for last, and the one after it: either may be asked for next.
    current: (u64, Resume),
    next: Option<(u64, Resume)>,
}

/// Writes the heading, and returns the list that follows, if there can be one.
pub(super) fn start(mm: &MmWithUser, addr: u64, out: &mut SeqWriter<'_>) -> Result<Option<Rmap>> {
    let batch = KVec::with_capacity(BATCH, GFP_KERNEL)?;
    let lock = MmapReadLock::lock(mm)?;
    let vma = lock.find_vma(addr).filter(|vma| vma.start() as u64 <= addr);
    let page = vma.map(|vma| FilePage::read(&lock, vma, addr));
    drop(lock);
    let Some(page) = page else {
        writeln!(out, "none: no VMA contains {addr:016x}")?;
        return Ok(None);
    };
    let own = anonymous(mm, addr)?;
    let Some(page) = page else {
        writeln!(out, "none: no file is mapped here")?;
        match own {
            Some(1) => writeln!(
                out,
                "# an anonymous page that is mapped here and nowhere else"
            )?,
            Some(n) => writeln!(
                out,
                "# an anonymous page (mapcount {n}): the others are processes related by fork, \
                 which the kernel does not let a module list"
            )?,
            None => writeln!(out, "# no page either")?,
        }
        return Ok(None);
    };
    let ((major, minor), ino) = (page.file.dev, page.file.ino);
    write!(
        out,
        "# page {:#x} of {major:02x}:{minor:02x}:{ino} ",
        page.pgoff
    )?;
    page.file.write_path(out)?;
    writeln!(out)?;
    if let Some(n) = own {
        writeln!(
            out,
            "# here is a private copy (mapcount {n}), not the page of the file"
        )?;
    }
    if page.is_device {
        writeln!(
            out,
            "# a device: its driver decides whether the same offset is the same memory"
        )?;
    }
    out.write_str(COLUMNS)?;
    Ok(Some(Rmap {
        page,
        batch,
        current: (1, Resume::new()),
        next: None,
    }))
}

/// How many mappings the anonymous page at `addr` has, if there is one.
fn anonymous(mm: &MmWithUser, addr: u64) -> Result<Option<i64>> {
    let page = address::look(mm, addr)?.and_then(|address| address.page);
    Ok(match page {
        Some(Look::Page(facts)) if facts.flags.is_anon() => Some(facts.map_count),
        _ => None,
    })
}

impl Rmap {
    /// Writes the batch at `pos`, and returns the position of the next one.
    pub(super) fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        if let Some(next) = self.next.take_if(|next| next.0 == pos) {
            self.current = next;
        }
        let (at, resume) = &self.current;
        if pos != *at {
            return Ok(None);
        }
        tables::breathe()?;
        let next = self.page.mappings(resume, &mut self.batch)?;
        for mapping in &self.batch {
            write_mapping(out, &self.page, mapping)?;
        }
        let Some(resume) = next else {
            return Ok(None);
        };
        if resume.count() >= MAX_MAPPINGS {
            writeln!(out, "# and more: this list ends after {MAX_MAPPINGS}")?;
            return Ok(None);
        }
        self.next = Some((pos + 1, resume));
        Ok(Some(pos + 1))
    }
}

fn write_mapping(out: &mut SeqWriter<'_>, page: &FilePage, mapping: &Mapping) -> Result {
    match &mapping.owner {
        Some(owner) => write!(out, "{:<7}", owner.tgid)?,
        None => write!(out, "{:<7}", "-")?,
    }
    write!(
        out,
        " {:016x}-{:016x} {} {:<8x} {:016x} ",
        mapping.start,
        mapping.end,
        mapping.flags.perms(),
        mapping.pgoff,
        mapping.address_of(page)
    )?;
    match &mapping.owner {
        Some(owner) => writeln!(out, "{}", Escaped(owner.comm()))?,
        None => writeln!(out, "-")?,
    }
    Ok(())
}
