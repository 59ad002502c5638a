// SPDX-License-Identifier: GPL-2.0

//! The file `vmas`: a line for each VMA.

use super::{
    tally::Tally,
    target::{
        Subject,
        Target, //
    },
};
use crate::{
    mm::vmas::{
        AnonVma,
        MmapReadLock,
        Name,
        VmaInfo, //
    },
    pt::{
        count::Count,
        entry::{
            Entry,
            Raw, //
        },
        format::Format,
        level::Level,
        Native, //
    },
    sys::{
        debugfs::Records,
        seq::SeqWriter, //
    },
    text::{
        vma_flags::NATIVE,
        Escaped,
        Joined, //
    }, //
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
                       anon prot             vm_ops flags words... name\n";

/// Bytes that most lines need: a line is not begun, and nothing counted, where less is left.
const LINE: usize = 512;

/// A record for each VMA; the position is the address from which to look on, plus one.
pub(super) struct Vmas {
    subject: Subject,
    tally: Tally,
}

impl Records for Vmas {
    type Data = Target;

    fn open(target: ArcBorrow<'_, Target>) -> Result<Self> {
        Ok(Self {
            subject: target.subject()?,
            tally: Tally::new()?,
        })
    }

    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let Some(address) = pos.checked_sub(1) else {
            out.write_str(COLUMNS)?;
            return Ok(Some(1));
        };
        if !out.begin(LINE) {
            return Ok(Some(pos));
        }
        let Some(mm) = self.subject.memory() else {
            return Ok(None);
        };
        let lock = MmapReadLock::lock(&mm)?;
        let vma = lock.find_vma(address).map(|vma| VmaInfo::read(&lock, vma));
        drop(lock);
        drop(mm);
        let Some(vma) = vma else {
            return Ok(None);
        };
        let count = self.tally.count(&self.subject, vma.start, vma.end, None)?;
        write_vma(out, &self.tally.format, &vma, Some(&count))?;
        Ok(Some(vma.end + 1))
    }
}

/// Writes the columns of a VMA: those of `/proc/PID/maps` and what it leaves out; and what its tables
/// hold, if somebody has counted.
pub(super) fn write_vma(
    out: &mut SeqWriter<'_>,
    format: &Native,
    vma: &VmaInfo,
    count: Option<&Count>,
) -> Result {
    let pages = (vma.end - vma.start) / PAGE_SIZE as u64;
    let ((major, minor), ino) = vma.file.as_ref().map_or(((0, 0), 0), |f| (f.dev, f.ino));
    write!(
        out,
        "{:016x}-{:016x} {} {pages:<8} {:<8x} {major:02x}:{minor:02x}:{ino:<14} {:<4} {:016x} ",
        vma.start,
        vma.end,
        vma.flags.perms(),
        vma.pgoff,
        if vma.has_anon_vma() { "anon" } else { "-" },
        vma.page_prot,
    )?;
    if vma.vm_ops.is_null() {
        write!(out, "-")?;
    } else {
        out.symbol(vma.vm_ops)?;
    }
    write!(out, " {}", vma.flags.named(&NATIVE))?;
    write_words(out, format, vma)?;
    if let Some(count) = count {
        count.write_words(out)?;
    }
    write_name(out, vma)?;
    writeln!(out)?;
    Ok(())
}

/// Writes what has no column: words `key=value`, most of them only if there is something to say.
fn write_words(out: &mut SeqWriter<'_>, format: &Native, vma: &VmaInfo) -> Result {
    write_prot(out, format, vma.page_prot)?;
    match vma.flags.pkey(&NATIVE) {
        0 => {}
        pkey => write!(out, " pkey={pkey}")?,
    }
    match vma.anon_vma {
        AnonVma::None => {}
        AnonVma::Root => write!(out, " anon_vma=root")?,
        AnonVma::Child => write!(out, " anon_vma=child")?,
    }
    write!(out, " policy={}", vma.policy)?;
    if vma.has_userfaultfd {
        write!(out, " uffd={}", vma.flags.uffd_modes())?;
    }
    if vma.has_private_data {
        write!(out, " private=yes")?;
    }
    if let Some(lock) = vma.lock {
        match lock.vma_seq {
            Some(seq) => write!(out, " lock_seq={seq}/{}", lock.mm_seq)?,
            None => write!(out, " lock_seq=never/{}", lock.mm_seq)?,
        }
        if lock.readers != 0 {
            write!(out, " lock_readers={}", lock.readers)?;
        }
    }
    Ok(())
}

/// Writes `vm_page_prot` as what it makes of a leaf: its bits, joined by `|`, and its memory type.
fn write_prot(out: &mut SeqWriter<'_>, format: &Native, prot: u64) -> Result {
    let leaf = Entry::Leaf { pfn: 0 };
    let level = Level::Pte;
    let raw = Raw(prot);
    write!(out, " prot=")?;
    if prot & format.flag_bits(raw, &leaf, level) == 0 {
        write!(out, "0")?;
    }
    format.write_flags(&mut Joined::new(out), raw, &leaf, level)?;
    write!(out, " memory={}", format.memory_type(raw, level))?;
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
