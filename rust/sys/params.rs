// SPDX-License-Identifier: GPL-2.0

//! The module parameters, which `params.c` declares.

use crate::{
    backing, compat, ffi,
    setup::{
        Setup,
        Wrong, //
    },
};
use core::slice;
use kernel::{
    error::from_result,
    ffi::{
        c_char,
        c_int, //
    },
    prelude::*,
};

/// The largest buffer, in MiB.
pub(crate) fn max_buffer_mib() -> u32 {
    // SAFETY: An integer, which may be written to at any time.
    unsafe { (&raw const ffi::mmlens_max_buffer_mib).read_volatile() }
}

/// Whether all page tables of the kernel are shown.
pub(crate) fn kernel_walk() -> bool {
    // SAFETY: Written when the module is loaded, and never later.
    unsafe { ffi::mmlens_kernel_walk }
}

/// Hands the parameter `io` to `take`, if it was given.
pub(crate) fn with_io(take: impl FnOnce(&str) -> Result) -> Result {
    // SAFETY: Written when the module is loaded, and never later.
    with_text(unsafe { ffi::mmlens_io }, take)
}

/// Hands the parameter `pci` to `take`, if it was given.
pub(crate) fn with_pci(take: impl FnOnce(&str) -> Result) -> Result {
    // SAFETY: As above.
    with_text(unsafe { ffi::mmlens_pci }, take)
}

/// Errors: `EINVAL` if it is no UTF-8; those of `take`.
fn with_text(text: *const c_char, take: impl FnOnce(&str) -> Result) -> Result {
    if text.is_null() {
        return Ok(());
    }
    // SAFETY: A parameter is a string, and stays as long as the module.
    take(unsafe { CStr::from_char_ptr(text) }.to_str()?)
}

/// What a buffer is if nobody says: the parameter `setup`.
///
/// Errors: none in fact, for the words were checked when they were written.
pub(crate) fn setup() -> Result<Setup> {
    let mut words = [0u8; ffi::MMLENS_SETUP_WORDS as usize];
    // SAFETY: There is room for so many.
    unsafe { ffi::mmlens_read_setup(words.as_mut_ptr().cast()) };
    parse(
        CStr::from_bytes_until_nul(&words)
            .map_err(|_| EINVAL)?
            .to_str()?,
    )
}

/// Errors: `EINVAL` for a word that is not known, or two of a kind; `EOPNOTSUPP` if they do not go
/// together.
fn parse(words: &str) -> Result<Setup> {
    Setup::parse(words, backing::machine()).map_err(errno)
}

/// The errno for what is wrong with a setup.
pub(crate) fn errno(wrong: Wrong) -> Error {
    match wrong {
        Wrong::Word => EINVAL,
        Wrong::Together(_) => compat::eopnotsupp(),
    }
}

/// Whether the parameter `setup` may be set to these words: 0 or a negative errno.
///
/// # Safety
///
/// There are `len` bytes at `words`.
#[no_mangle]
unsafe extern "C" fn mmlens_check_setup(words: *const c_char, len: usize) -> c_int {
    // SAFETY: The caller's promise.
    let words = unsafe { slice::from_raw_parts(words.cast::<u8>(), len) };
    from_result(|| {
        let words = core::str::from_utf8(words).map_err(|_| EINVAL)?;
        parse(words).map(|_| 0)
    })
}
