// SPDX-License-Identifier: GPL-2.0

//! Text output through `seq_file`.
//!
//! C header: [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)

use core::{
    ffi::CStr,
    fmt,
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    prelude::*,
    types::NotThreadSafe, //
};

/// A kernel address that is kept to be shown by name or hashed: nobody can read it or follow it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct KernelAddress(usize);

impl KernelAddress {
    /// The address of `ptr`.
    pub(crate) fn of<T>(ptr: *const T) -> Self {
        Self(ptr.addr())
    }

    /// Whether it is the null pointer.
    pub(crate) fn is_null(self) -> bool {
        self.0 == 0
    }
}

/// The buffer of a seq file, as a [`fmt::Write`].
///
/// What does not fit is dropped and the write fails; `seq_file` then starts the record again with a
/// larger buffer.
///
/// # Invariants
///
/// `m` is valid for `'a`, and only this task uses it.
pub(crate) struct SeqWriter<'a> {
    m: NonNull<bindings::seq_file>,
    _lifetime: PhantomData<&'a mut bindings::seq_file>,
    _nts: NotThreadSafe,
}

impl SeqWriter<'_> {
    /// # Safety
    ///
    /// `m` is not null, valid for the lifetime of the result, and used by this task alone.
    pub(crate) unsafe fn from_raw(m: *mut bindings::seq_file) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            // SAFETY: The caller's promise.
            m: unsafe { NonNull::new_unchecked(m) },
            _lifetime: PhantomData,
            _nts: NotThreadSafe,
        }
    }

    fn count(&self) -> usize {
        // SAFETY: Valid and ours, by the type invariants.
        unsafe { (*self.m.as_ptr()).count }
    }

    /// Bytes that still fit into the buffer.
    pub(crate) fn room(&self) -> usize {
        // SAFETY: Valid and ours, by the type invariants.
        let size = unsafe { (*self.m.as_ptr()).size };
        size.saturating_sub(self.count())
    }

    /// Whether to go on with a record of about so many bytes that takes an effort to make. If not,
    /// the buffer is taken for full: what was written before is passed on, and the record is asked
    /// for again.
    pub(crate) fn begin(&mut self, bytes: usize) -> bool {
        if self.count() == 0 || self.room() >= bytes {
            return true;
        }
        // SAFETY: Valid and ours, by the type invariants (`seq_set_overflow()`).
        unsafe { (*self.m.as_ptr()).count = (*self.m.as_ptr()).size };
        false
    }

    /// Writes bytes, which are text.
    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        // SAFETY: `m` is valid; the bytes are.
        unsafe { bindings::seq_write(self.m.as_ptr(), bytes.as_ptr().cast(), bytes.len()) };
        self.check()
    }

    /// Whether something did not fit.
    pub(crate) fn has_overflowed(&self) -> bool {
        self.room() == 0
    }

    /// Writes the name of the kernel symbol at `address`, as one word: `shmem_vm_ops`,
    /// `ext4_file_vm_ops[ext4]`; the address hashed if it has none.
    pub(crate) fn symbol(&mut self, address: KernelAddress) -> fmt::Result {
        let before = self.count();
        self.printf(c"%ps", address)?;
        let written = self.count().saturating_sub(before);
        // SAFETY: `seq_printf` has just written these bytes of the buffer, which is ours.
        let text = unsafe {
            let start = (*self.m.as_ptr()).buf.add(before);
            core::slice::from_raw_parts_mut(start, written)
        };
        if text.starts_with(b"0x") {
            // `%ps` shows an address that is in no symbol as it is.
            self.truncate(before);
            return self.hashed(address);
        }
        // It puts a space before the name of the module.
        if let Some(space) = text.iter().position(|&c| c == b' ') {
            text.copy_within(space + 1.., space);
            self.truncate(before + written - 1);
        }
        Ok(())
    }

    /// Takes back what was written after the first `count` bytes.
    fn truncate(&mut self, count: usize) {
        let count = count.min(self.count());
        // SAFETY: `m` is valid, and so many bytes have been written.
        unsafe { (*self.m.as_ptr()).count = count };
    }

    /// Writes a kernel address, hashed: the same address is the same number until the next boot,
    /// and tells no more.
    pub(crate) fn hashed(&mut self, address: KernelAddress) -> fmt::Result {
        self.printf(c"%p", address)
    }

    /// `format` has one conversion, and that is of a pointer which is not read from.
    fn printf(&mut self, format: &'static CStr, address: KernelAddress) -> fmt::Result {
        // SAFETY: `m` is valid, and the argument is what the private callers' formats want.
        unsafe { bindings::seq_printf(self.m.as_ptr(), format.as_char_ptr(), address.0) };
        self.check()
    }

    /// Lets C write to the buffer: `write` gets the seq file.
    ///
    /// # Safety
    ///
    /// `write` does nothing but add to the buffer.
    pub(crate) unsafe fn with_raw(
        &mut self,
        write: impl FnOnce(*mut bindings::seq_file),
    ) -> fmt::Result {
        write(self.m.as_ptr());
        self.check()
    }

    fn check(&self) -> fmt::Result {
        if self.has_overflowed() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

/// A seq file that is only a buffer, to write to and to look at.
pub(crate) struct SeqBuffer {
    m: KBox<bindings::seq_file>,
    // Where `m` writes to.
    bytes: KVVec<u8>,
}

impl SeqBuffer {
    /// Room for less than `size` bytes.
    pub(crate) fn new(size: usize) -> Result<Self> {
        let mut bytes = KVVec::from_elem(0u8, size, GFP_KERNEL)?;
        let m = KBox::new(
            bindings::seq_file {
                buf: bytes.as_mut_ptr().cast(),
                size,
                ..pin_init::zeroed()
            },
            GFP_KERNEL,
        )?;
        Ok(Self { m, bytes })
    }

    /// Forgets what was written.
    pub(crate) fn clear(&mut self) {
        self.m.count = 0;
    }

    /// To write behind what was written.
    pub(crate) fn writer(&mut self) -> SeqWriter<'_> {
        // SAFETY: `m` is ours, as long as the result is there.
        unsafe { SeqWriter::from_raw(&raw mut *self.m) }
    }

    /// What was written.
    pub(crate) fn written(&self) -> &[u8] {
        self.bytes.get(..self.m.count).unwrap_or_default()
    }
}

impl fmt::Write for SeqWriter<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.write_bytes(s.as_bytes())
    }
}
