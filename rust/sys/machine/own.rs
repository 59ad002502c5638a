// SPDX-License-Identifier: GPL-2.0

//! The ranges of kernel addresses that this module owns.
//!
//! Upstream's rule is that page tables of the kernel are walked under the mmap lock of `init_mm`,
//! or for "ranges they own exclusively"; the first is not to be had.

use crate::{
    backing::Areas,
    compat, //
};
use kernel::{
    bindings,
    page::PAGE_SIZE,
    prelude::*, //
};

/// A range of this module.
pub(crate) struct OwnRange {
    /// First address.
    pub(crate) start: u64,
    /// Exclusive end.
    pub(crate) end: u64,
    /// What it is.
    pub(crate) name: &'static str,
}

/// The parts of a module that stay after it was loaded.
const PARTS: [(i32, &str); 4] = [
    (bindings::mod_mem_type_MOD_TEXT, "module-text"),
    (bindings::mod_mem_type_MOD_DATA, "module-data"),
    (bindings::mod_mem_type_MOD_RODATA, "module-rodata"),
    (
        bindings::mod_mem_type_MOD_RO_AFTER_INIT,
        "module-ro-after-init",
    ),
];

/// The ranges, locked: none of them goes away meanwhile.
pub(crate) struct Own(Areas);

impl Own {
    /// Errors: `EAGAIN` while the module is being loaded.
    pub(crate) fn lock() -> Result<Self> {
        Ok(Self(Areas::lock()?))
    }

    /// The first range that ends above `va`.
    pub(crate) fn find(&self, va: u64) -> Option<OwnRange> {
        let area = self.0.find(va).map(|area| OwnRange {
            start: area.first,
            end: area.last + 1,
            name: area.kind,
        });
        let parts = PARTS.iter().filter_map(part).filter(|r| r.end > va);
        let part = parts.min_by_key(|r| r.start);
        match (part, area) {
            (Some(part), Some(area)) if area.start < part.start => Some(area),
            (Some(part), _) => Some(part),
            (None, area) => area,
        }
    }
}

/// A part of this module, in whole pages, if it has that part.
fn part(&(kind, name): &(i32, &'static str)) -> Option<OwnRange> {
    let module = compat::this_module();
    // SAFETY: This module is there as long as its code runs.
    let parts = unsafe { &raw const (*module).mem };
    // SAFETY: The same. These parts do not change once the module is loaded, and files cannot be
    // opened before.
    let part = unsafe { (*parts).get(usize::try_from(kind).ok()?) }?;
    let start = part.base.addr() as u64;
    let size = (part.size as usize).next_multiple_of(PAGE_SIZE) as u64;
    (start != 0 && size != 0).then_some(OwnRange {
        start,
        end: start + size,
        name,
    })
}
