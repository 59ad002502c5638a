// SPDX-License-Identifier: GPL-2.0

//! A character device: `struct miscdevice` and its `file_operations`, with an owner.
//!
//! `kernel::miscdevice` of Linux 7.2 does not set `file_operations.owner`: an open file or a live
//! mapping would not keep the module loaded. This layer does, it gives each open file an inode of
//! its own, and it installs what `mmap` returns where that belongs: after the last step that can
//! fail.
//!
//! C header: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h)

mod file;
mod table;

pub(crate) use file::{
    NewFile,
    OpenFile, //
};

use crate::{
    sys::seq::SeqWriter,
    vm::vma::{
        Mapped,
        NewVma, //
    }, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::{
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    ffi::c_int,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
    types::Opaque, //
};
use table::FileOperationsTable;

/// The operations of an open file, implemented by the object behind it, of which the file owns an
/// [`Arc`].
///
/// All run in process context and may sleep. Methods that are not overridden are `NULL` in C, or do
/// what is said.
#[vtable]
pub(crate) trait FileOperations: Send + Sync + Sized + 'static {
    /// A file is being opened.
    fn open(file: &NewFile<'_>) -> Result<Arc<Self>>;

    /// The file is gone, and so are all its mappings. Drops its reference.
    fn release(this: Arc<Self>) {
        drop(this);
    }

    /// A mapping of the file is being made: checks and configures the VMA, and returns its owner.
    ///
    /// On `Ok` the VMA is installed, which cannot fail. The mmap lock is held for writing.
    fn mmap<'v>(_this: ArcBorrow<'_, Self>, _vma: NewVma<'v>) -> Result<Mapped<'v>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Whether its mappings should be where huge pages fit (`thp_get_unmapped_area()`).
    fn wants_huge(&self) -> bool {
        false
    }

    /// An ioctl: the number and its argument.
    fn ioctl(_this: ArcBorrow<'_, Self>, _cmd: u32, _arg: usize) -> Result<isize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Reads from `pos` on. Returns how many bytes, 0 at the end.
    fn read(&self, _pos: u64, _to: &mut IovIterDest<'_>) -> Result<usize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes from `pos` on. Returns how many bytes.
    fn write(&self, _pos: u64, _from: &mut IovIterSource<'_>) -> Result<usize> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The size in bytes, for `lseek`; with this the file can be sought in.
    fn size(&self) -> u64 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The first place from `pos` on, below the size, that is data (or else a hole); the size if
    /// there is none. Without it all is data.
    fn next_place(&self, pos: u64, data: bool) -> u64 {
        if data {
            pos
        } else {
            u64::MAX
        }
    }

    /// What the file is ready for (`EPOLL...`). Registers what wakes a waiter by
    /// [`OpenFile::wait`].
    fn poll(&self, _file: &OpenFile<'_>) -> u32 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// `fsync()` and `msync(MS_SYNC)`.
    fn fsync(&self) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes lines to `/proc/PID/fdinfo/FD`.
    fn show_fdinfo(&self, _out: &mut SeqWriter<'_>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// A registered device node.
///
/// # Invariants
///
/// `inner` is registered with `misc_register()` and has the table of `T`.
#[pin_data(PinnedDrop)]
pub(crate) struct CharDevice<T: FileOperations> {
    #[pin]
    inner: Opaque<bindings::miscdevice>,
    _type: PhantomData<T>,
}

// SAFETY: A device may be deregistered by another thread than the one that registered it.
unsafe impl<T: FileOperations> Send for CharDevice<T> {}
// SAFETY: There are no methods that use `inner`.
unsafe impl<T: FileOperations> Sync for CharDevice<T> {}

impl<T: FileOperations> CharDevice<T> {
    /// Registers `/dev/<name>` with mode 0600.
    pub(crate) fn register(name: &'static CStr) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            inner <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let device = bindings::miscdevice {
                    minor: bindings::MISC_DYNAMIC_MINOR as c_int,
                    name: name.as_char_ptr(),
                    fops: &raw const *FileOperationsTable::<T>::TABLE,
                    mode: 0o600,
                    ..pin_init::zeroed()
                };
                // SAFETY: The initializer may write to `slot`.
                unsafe { slot.write(device) };
                // SAFETY: `slot` is initialised, pinned, and deregistered before it goes away.
                // INVARIANT: On success it is registered.
                to_result(unsafe { bindings::misc_register(slot) })
            }),
            _type: PhantomData,
        })
    }
}

#[pinned_drop]
impl<T: FileOperations> PinnedDrop for CharDevice<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Registered, by the type invariants.
        unsafe { bindings::misc_deregister(self.inner.get()) };
    }
}
