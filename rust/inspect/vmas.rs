// SPDX-License-Identifier: GPL-2.0

//! The file `vmas`: a line for each VMA.

use super::target::{
    Subject,
    Target, //
};
use crate::{
    debugfs::Records,
    mm::vmas::{
        MmapReadLock,
        Name,
        VmaInfo, //
    },
    seq::SeqWriter,
    text::Escaped, //
};
use core::fmt::Write;
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::ArcBorrow, //
};

/// The heading.
const COLUMNS: &str =
    "# start          end              perm pages    pgoff    dev:inode            \
                       anon prot             vm_ops flags name\n";

/// A record for each VMA; the position is the address from which to look on, plus one.
pub(super) struct Vmas(Subject);

impl Records for Vmas {
    type Data = Target;

    fn open(target: ArcBorrow<'_, Target>) -> Result<Self> {
        Ok(Self(target.subject()?))
    }

    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let Some(address) = pos.checked_sub(1) else {
            out.write_str(COLUMNS)?;
            return Ok(Some(1));
        };
        let Some(mm) = self.0.memory() else {
            return Ok(None);
        };
        let lock = MmapReadLock::lock(&mm)?;
        let vma = lock.find_vma(address).map(|vma| VmaInfo::read(&lock, vma));
        drop(lock);
        let Some(vma) = vma else {
            return Ok(None);
        };
        write_vma(out, &vma)?;
        Ok(Some(vma.end + 1))
    }
}

/// Writes the columns of a VMA: those of `/proc/PID/maps` and what it leaves out.
fn write_vma(out: &mut SeqWriter<'_>, vma: &VmaInfo) -> Result {
    let pages = (vma.end - vma.start) / PAGE_SIZE as u64;
    let ((major, minor), ino) = vma.file.as_ref().map_or(((0, 0), 0), |f| (f.dev, f.ino));
    write!(
        out,
        "{:016x}-{:016x} {} {pages:<8} {:<8x} {major:02x}:{minor:02x}:{ino:<14} {:<4} {:016x} ",
        vma.start,
        vma.end,
        vma.flags.perms(),
        vma.pgoff,
        if vma.has_anon_vma { "anon" } else { "-" },
        vma.page_prot,
    )?;
    if vma.vm_ops.is_null() {
        write!(out, "-")?;
    } else {
        out.symbol(vma.vm_ops)?;
    }
    write!(out, " {}", vma.flags)?;
    write_name(out, vma)?;
    writeln!(out)?;
    Ok(())
}

/// Writes a space and the name of a VMA, as `/proc/PID/maps` spells it, if it has one.
pub(super) fn write_name(out: &mut SeqWriter<'_>, vma: &VmaInfo) -> Result {
    match &vma.name {
        Name::None => {
            if let Some(file) = &vma.file {
                write!(out, " ")?;
                file.write_path(out)?;
            }
        }
        Name::AnonShmem(label) => write!(out, " [anon_shmem:{}]", Escaped(label.bytes()))?,
        Name::Heap => write!(out, " [heap]")?,
        Name::Stack => write!(out, " [stack]")?,
        Name::Special(label) => write!(out, " {}", Escaped(label.bytes()))?,
        Name::Anon(label) => write!(out, " [anon:{}]", Escaped(label.bytes()))?,
    }
    Ok(())
}
