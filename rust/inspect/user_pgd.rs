// SPDX-License-Identifier: GPL-2.0

//! The file `user_pgd`: with page-table isolation (PTI), the top table that user space runs on,
//! beside the kernel's.

use super::target::{
    Subject,
    Target, //
};
use crate::{
    mm::{
        pgd::{
            is_isolated,
            Pgds,
            ENTRIES,
            ISOLATION, //
        },
        tables, //
    },
    pt::{
        entry::{
            Entry,
            Raw, //
        },
        format::Format,
        level::Level, //
    },
    rights::may_show_addresses,
    sys::{
        debugfs::Records,
        seq::SeqWriter, //
    }, //
};
use core::fmt::Write;
use kernel::{
    prelude::*,
    sync::ArcBorrow, //
};

/// A record for the heading and for each entry; the position is the number of the entry plus one.
pub(super) struct UserPgd {
    subject: Subject,
    /// How many entries may be shown: which of the kernel half are in use tells where the regions
    /// of the kernel are.
    entries: usize,
}

impl Records for UserPgd {
    type Data = Target;

    fn open(target: ArcBorrow<'_, Target>) -> Result<Self> {
        Ok(Self {
            subject: target.subject()?,
            entries: match may_show_addresses() {
                Ok(()) => ENTRIES,
                Err(_) => ENTRIES / 2,
            },
        })
    }

    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let Some(mm) = self.subject.memory() else {
            return Ok(None);
        };
        let pgds = Pgds::of(&mm);
        let Some(index) = pos.checked_sub(1) else {
            let isolation = if is_isolated() {
                ISOLATION
            } else {
                "off: user space runs on the kernel's tables"
            };
            writeln!(out, "# page-table isolation: {isolation}")?;
            let Some(pgds) = pgds else {
                return Ok(None);
            };
            writeln!(out, "# its address: {:#x} (physical)", pgds.user_address())?;
            writeln!(
                out,
                "# address        index kernel           user             half   note  bits of the user's"
            )?;
            return Ok(Some(1));
        };
        let number = usize::try_from(index)?;
        if number >= self.entries {
            return Ok(None);
        }
        let Some((kernel, user)) = pgds.and_then(|pgds| pgds.entry(number)) else {
            return Ok(None);
        };
        write_entry(out, number, kernel, user)?;
        Ok(Some(pos + 1))
    }
}

/// Writes the line of an entry, if one of the two is not empty.
fn write_entry(out: &mut SeqWriter<'_>, index: usize, kernel: Raw, user: Raw) -> Result {
    if (kernel.0, user.0) == (0, 0) {
        return Ok(());
    }
    let (geometry, format) = tables::native()?;
    let is_kernel_half = index >= ENTRIES / 2;
    let size = geometry.size(Level::Pgd);
    // The upper half is that of negative addresses.
    let start = (index as u64).wrapping_mul(size);
    let start = if is_kernel_half {
        start | (ENTRIES as u64).wrapping_mul(size).wrapping_neg()
    } else {
        start
    };
    let note = match (kernel.0, user.0) {
        (_, 0) => "kernel-only",
        (0, _) => "user-only",
        (a, b) if a == b => "same",
        (a, b) if a & !NX == b & !NX => "NX",
        _ => "other",
    };
    write!(
        out,
        "{start:016x} {index:<5} {:016x} {:016x} {:<6} {note}",
        kernel.0,
        user.0,
        if is_kernel_half { "kernel" } else { "user" }
    )?;
    let entry = format.decode(user, Level::Pgd);
    if entry != Entry::None {
        format.write_flags(out, user, &entry, Level::Pgd)?;
    }
    writeln!(out)?;
    Ok(())
}

/// The bit that the kernel sets in its copy, so that it runs no code of user space by mistake.
const NX: u64 = 1 << 63;
