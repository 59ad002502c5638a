// SPDX-License-Identifier: GPL-2.0

//! What is the same for all processes: the regions of the kernel's address space, and registers.
//!
//! `machine.c` has the tables.

pub(crate) mod own;

use crate::{
    ffi,
    text::{
        regions::{
            furthest,
            is_image_symbol,
            Region, //
        },
        registers::Value, //
    },
};
use kernel::{
    bindings,
    ffi::c_char,
    prelude::*, //
};

const MAX_REGIONS: usize = ffi::MMLENS_MAX_REGIONS as usize;
const MAX_OFFSETS: usize = ffi::MMLENS_MAX_OFFSETS as usize;
const MAX_REGISTERS: usize = ffi::MMLENS_MAX_REGISTERS as usize;

/// A constant string of `machine.c`; empty for null.
///
/// # Safety
///
/// `text` is null or a string of the module.
unsafe fn constant(text: *const c_char) -> &'static str {
    if text.is_null() {
        return "";
    }
    // SAFETY: The caller's promise; strings of the module are there as long as its code.
    let text = unsafe { CStr::from_char_ptr(text) };
    text.to_str().unwrap_or("")
}

/// The regions of the address space, in no order. The end of one may not be known, and then its
/// description says why.
pub(crate) fn regions() -> Result<KVec<Region<'static>>> {
    let mut raw = [ffi::mmlens_region::default(); MAX_REGIONS];
    // SAFETY: There is room for so many.
    let count = unsafe { ffi::mmlens_read_regions(raw.as_mut_ptr(), ffi::MMLENS_MAX_REGIONS) };
    let mut regions = KVec::with_capacity(MAX_REGIONS, GFP_KERNEL)?;
    for region in raw.iter().take(count as usize) {
        regions.push(
            Region {
                start: region.start,
                last: Some(region.last).filter(|&last| last != 0),
                // SAFETY: A string of the table.
                name: unsafe { constant(region.name) },
                // SAFETY: The same.
                what: unsafe { constant(region.what) },
            },
            GFP_KERNEL,
        )?;
    }
    Ok(regions)
}

/// A number that was chosen at boot.
pub(crate) struct Offset {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is the offset of, or nothing.
    pub(crate) what: &'static str,
    /// The number.
    pub(crate) value: u64,
    /// It is a signed distance.
    pub(crate) is_relative: bool,
}

/// What was chosen at boot.
pub(crate) fn offsets() -> impl Iterator<Item = Offset> {
    let mut raw = [ffi::mmlens_offset::default(); MAX_OFFSETS];
    // SAFETY: There is room for so many.
    let count = unsafe { ffi::mmlens_read_offsets(raw.as_mut_ptr(), ffi::MMLENS_MAX_OFFSETS) };
    raw.into_iter().take(count as usize).map(|offset| Offset {
        // SAFETY: A string of the table.
        name: unsafe { constant(offset.name) },
        // SAFETY: The same, or null.
        what: unsafe { constant(offset.what) },
        value: offset.value,
        is_relative: offset.relative,
    })
}

/// The registers of the processor that this runs on, which is the first part of the result: its
/// number.
pub(crate) fn registers() -> Result<(u32, KVec<Value<'static>>)> {
    let mut raw = [ffi::mmlens_register::default(); MAX_REGISTERS];
    let mut cpu = 0;
    // SAFETY: There is room for so many.
    let count = unsafe {
        ffi::mmlens_read_registers(raw.as_mut_ptr(), ffi::MMLENS_MAX_REGISTERS, &raw mut cpu)
    };
    let mut registers = KVec::with_capacity(MAX_REGISTERS, GFP_KERNEL)?;
    for register in raw.iter().take(count as usize) {
        // SAFETY: A string of the table.
        let name = unsafe { constant(register.name) };
        registers.push((name, register.known.then_some(register.value)), GFP_KERNEL)?;
    }
    Ok((cpu, registers))
}

/// Where the kernel image is.
pub(crate) struct Image {
    /// `_text`.
    pub(crate) start: u64,
    /// `_end`, exclusive.
    pub(crate) end: u64,
    /// How far `_text` is above the address that it was linked to.
    pub(crate) offset: u64,
    /// Physical address of `_text`.
    pub(crate) physical: u64,
}

/// Finds the kernel image, whose bounds are not exported: kallsyms has a symbol for each address
/// in it and for none beside it, so the bounds are searched by halving from an address inside.
///
/// `None` if the kernel has no symbols for all of its image.
pub(crate) fn image() -> Option<Image> {
    let mut raw = ffi::mmlens_image::default();
    // SAFETY: `raw` is ours.
    unsafe { ffi::mmlens_read_image(&raw mut raw) };
    if !raw.complete || !is_in_image(raw.inside) {
        return None;
    }
    let start = furthest(raw.inside, raw.floor, is_in_image).checked_sub(raw.head)?;
    let end = furthest(raw.inside, raw.ceiling, is_in_image).checked_add(1)?;
    Some(Image {
        start,
        end,
        offset: start.wrapping_sub(raw.linked),
        physical: start.wrapping_add(raw.physical),
    })
}

/// Whether `address` is in the kernel image, by the symbol that it has.
fn is_in_image(address: u64) -> bool {
    // More than `KSYM_SYMBOL_LEN`, which is a name, an offset, a size and two names of owners.
    let mut text = [0u8; bindings::KSYM_NAME_LEN as usize + 256];
    // SAFETY: There is room for a symbol, and any number may be asked for.
    let length =
        unsafe { bindings::sprint_symbol_no_offset(text.as_mut_ptr().cast(), address as usize) };
    is_image_symbol(text.get(..length as usize).unwrap_or_default())
}
