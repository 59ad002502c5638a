// SPDX-License-Identifier: GPL-2.0

//! What an address space runs: the file, its format, and what the kernel told the program.

use super::fields::read;
use crate::{
    ffi,
    sys::seq::{
        KernelAddress,
        SeqWriter, //
    },
    text::auxv::Width, //
};
use core::{
    fmt,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    mm::MmWithUser,
    sync::rcu, //
};

/// The file that was executed: `/proc/PID/exe`.
///
/// Drop it with no lock held: it may be the last reference.
///
/// # Invariants
///
/// Owns one reference to the file.
pub(crate) struct ExeFile(NonNull<bindings::file>);

impl ExeFile {
    /// The file of `mm`; none if it is not yet set, or was taken away.
    pub(crate) fn of(mm: &MmWithUser) -> Option<Self> {
        let raw = mm.as_raw();
        let guard = rcu::read_lock();
        // SAFETY: `mm` is valid, the field is RCU-protected, and we are in a read-side section.
        let file = unsafe { bindings::get_file_rcu(&raw mut (*raw).__bindgen_anon_1.exe_file) };
        drop(guard);
        // INVARIANT: The reference was just taken.
        NonNull::new(file).map(Self)
    }

    /// Writes the path, seen from the reader's root, newlines escaped.
    pub(crate) fn write_path(&self, out: &mut SeqWriter<'_>) -> fmt::Result {
        let write = |m| {
            // SAFETY: The seq file is valid, and the file is open. This may sleep, and so may we.
            unsafe { ffi::mmlens_seq_file_path(m, self.0.as_ptr()) }
        };
        // SAFETY: The function only writes the path.
        unsafe { out.with_raw(write) }
    }
}

impl Drop for ExeFile {
    fn drop(&mut self) {
        // SAFETY: `self` owns a reference.
        unsafe { bindings::fput(self.0.as_ptr()) };
    }
}

/// The `linux_binfmt` that loaded the program; null if none did.
pub(crate) fn binfmt(mm: &MmWithUser) -> KernelAddress {
    let raw = mm.as_raw();
    // SAFETY: `mm` is valid; the pointer is not followed.
    KernelAddress::of(unsafe { (&raw const (*raw).__bindgen_anon_1.binfmt).read_volatile() })
}

/// Words of `mm->saved_auxv`.
pub(crate) const AUXV_WORDS: usize = bindings::AT_VECTOR_SIZE as usize;

/// A copy of `mm->saved_auxv`.
pub(crate) fn saved_auxv(mm: &MmWithUser) -> [u64; AUXV_WORDS] {
    let raw = mm.as_raw();
    // SAFETY: `mm` is valid; each word is written atomically.
    let words = unsafe { (&raw const (*raw).__bindgen_anon_1.saved_auxv).read_volatile() };
    words.map(|word| word as u64)
}

/// How wide the elements of `saved_auxv` are: those of a program with 32-bit addresses are two to
/// a word.
pub(crate) fn auxv_width(mm: &MmWithUser) -> Width {
    if read!(mm, task_size) > 1 << 32 {
        Width::Bits64
    } else {
        Width::Bits32
    }
}
