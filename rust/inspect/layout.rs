// SPDX-License-Identifier: GPL-2.0

//! The file `layout`: what is where, in words, with the gaps and the marks between.

use super::{
    target::{
        Subject,
        Target, //
    },
    vmas::write_name, //
};
use crate::{
    mm::{
        layout::{
            self,
            Context,
            Places, //
        },
        vmas::{
            MmapReadLock,
            Name,
            VmaInfo, //
        }, //
    },
    sys::{
        debugfs::Records,
        seq::SeqWriter, //
    },
    text::{
        layout::{
            Facts,
            Kind,
            Label, //
        },
        vma_flags::VmaFlags,
        About, //
    }, //
};
use core::fmt::{
    self,
    Write, //
};
use kernel::{
    mm::MmWithUser,
    page::PAGE_SIZE,
    prelude::*,
    sync::ArcBorrow, //
};

/// The heading.
const COLUMNS: &str = "# start          end              size     kind         perm name\n";

/// What `stack_guard_gap` is unless the kernel's command line has another value. It is not
/// exported.
const GUARD_GAP: u64 = 256 * PAGE_SIZE as u64;

/// The largest alignment of a program that exec would round its place down for.
const ALIGNMENT: i64 = 2 << 20;

/// Where there is no limit (`RLIM_INFINITY`).
const NO_LIMIT: u64 = u64::MAX;

/// A record for each VMA with the gap below it; the position is the address from which to look
/// on, plus one.
pub(super) struct Layout(Subject);

impl Records for Layout {
    type Data = Target;

    fn open(target: ArcBorrow<'_, Target>) -> Result<Self> {
        Ok(Self(target.subject()?))
    }

    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let Some(mm) = self.0.memory() else {
            return Ok(None);
        };
        let places = Places::read(&mm);
        let Some(address) = pos.checked_sub(1) else {
            self.write_heading(out, &mm, &places)?;
            return Ok(Some(1));
        };
        let lock = MmapReadLock::lock(&mm)?;
        let vma = lock
            .find_vma(address)
            .map(|vma| (VmaInfo::read(&lock, vma), Context::read(&lock, vma)));
        drop(lock);
        match vma {
            Some((mut vma, context)) => {
                // One that has grown or merged since its first part was shown.
                vma.start = vma.start.max(address);
                write_gap(out, &places, address, vma.start, guard_below(vma.flags))?;
                write_part(out, &vma, &context)?;
                write_marks(out, &places, vma.start, vma.end)?;
                Ok(Some(vma.end + 1))
            }
            None => {
                write_gap(out, &places, address, places.task_size, 0)?;
                self.write_vsyscall(out, &places)?;
                Ok(None)
            }
        }
    }
}

impl Layout {
    /// Writes what holds for the whole.
    fn write_heading(&self, out: &mut SeqWriter<'_>, mm: &MmWithUser, places: &Places) -> Result {
        let info = &self.0.info;
        let bases = &places.bases;
        let lock = MmapReadLock::lock(mm)?;
        let program = layout::program_start(&lock, places.start_code);
        let stack_end = layout::end_of(&lock, places.start_stack);
        drop(lock);

        line(out, "task_size", format_args!("{:#x}", places.task_size))?;
        line(
            out,
            "randomized",
            format_args!("{}", if info.is_randomized { "yes" } else { "no" }),
        )?;
        let direction = if places.is_topdown { "down" } else { "up" };
        line(
            out,
            "mmap",
            format_args!("{direction} from {:#x}", places.mmap_base),
        )?;
        match info.stack_limit {
            NO_LIMIT => line(out, "stack_limit", format_args!("none"))?,
            bytes => line(out, "stack_limit", format_args!("{bytes} bytes"))?,
        }
        // Each of these is random and nothing else.
        match program.map(|start| start.wrapping_sub(bases.program) as i64) {
            Some(offset) if offset > -ALIGNMENT => {
                let sign = if offset < 0 { "-" } else { "" };
                line(
                    out,
                    "program_offset",
                    format_args!(
                        "{sign}{:#x} from {:#x}",
                        offset.unsigned_abs(),
                        bases.program
                    ),
                )?;
            }
            _ => {}
        }
        let legacy = places.mmap_legacy_base;
        if let Some(offset) = legacy.and_then(|base| base.checked_sub(bases.unmapped)) {
            line(out, "mmap_offset", format_args!("{offset:#x}"))?;
        }
        if let Some(offset) = stack_end.and_then(|end| bases.stack_top.checked_sub(end)) {
            line(
                out,
                "stack_offset",
                format_args!("{offset:#x} below {:#x}", bases.stack_top),
            )?;
        }
        out.write_str(COLUMNS)?;
        Ok(())
    }

    /// Writes the page above user space, which is no VMA.
    fn write_vsyscall(&self, out: &mut SeqWriter<'_>, places: &Places) -> Result {
        let Some((start, end)) = layout::vsyscall() else {
            return Ok(());
        };
        if places.task_size > 1 << 32 {
            columns(out, start, end, "vsyscall")?;
            writeln!(out, "?    unless vsyscall=none is on the command line")?;
        }
        Ok(())
    }
}

fn line(out: &mut SeqWriter<'_>, name: &str, value: fmt::Arguments<'_>) -> fmt::Result {
    writeln!(
        out,
        "{name}:{:width$}{value}",
        "",
        width = 15usize.saturating_sub(name.len())
    )
}

/// Writes the columns that every range has.
fn columns(out: &mut SeqWriter<'_>, start: u64, end: u64, kind: &str) -> fmt::Result {
    write!(
        out,
        "{start:016x}-{end:016x} {:>8} {kind:<12} ",
        About(end - start)
    )
}

/// The bytes below a VMA with these flags that the kernel keeps free (`stack_guard_start_gap()`).
pub(super) fn guard_below(flags: VmaFlags) -> u64 {
    if flags.grows_down() {
        GUARD_GAP
    } else if flags.is_shadow_stack() {
        PAGE_SIZE as u64
    } else {
        0
    }
}

/// Writes what is between two VMAs, if there is anything.
fn write_gap(out: &mut SeqWriter<'_>, places: &Places, start: u64, end: u64, guard: u64) -> Result {
    if start >= end {
        return Ok(());
    }
    let guard_start = end.saturating_sub(guard).max(start);
    if start < guard_start {
        columns(out, start, guard_start, "gap")?;
        writeln!(out, "-")?;
        write_marks(out, places, start, guard_start)?;
    }
    if guard_start < end {
        columns(out, guard_start, end, "guard-gap")?;
        writeln!(out, "-")?;
        write_marks(out, places, guard_start, end)?;
    }
    Ok(())
}

/// Writes the line of a VMA.
fn write_part(out: &mut SeqWriter<'_>, vma: &VmaInfo, context: &Context) -> Result {
    let kind = Kind::of(&Facts {
        flags: vma.flags,
        is_anon: vma.has_anon_vma(),
        label: match &vma.name {
            Name::None => Label::None,
            Name::Heap => Label::Heap,
            Name::Stack => Label::Stack,
            Name::Special(label) => Label::Special(label.bytes()),
            Name::Anon(_) | Name::AnonShmem(_) => Label::Given,
        },
        file: context.file,
        before: context.before,
    });
    columns(out, vma.start, vma.end, kind.name())?;
    write!(out, "{}", vma.flags.perms())?;
    write_name(out, vma)?;
    writeln!(out)?;
    Ok(())
}

/// Writes the marks in a range that has just been shown.
fn write_marks(out: &mut SeqWriter<'_>, places: &Places, start: u64, end: u64) -> Result {
    let marks = places.marks.iter();
    for mark in marks.filter(|mark| mark.at != 0 && mark.is_in(start, end)) {
        writeln!(out, "{:016x} <- {}", mark.at, mark.name)?;
    }
    Ok(())
}
