// SPDX-License-Identifier: GPL-2.0

//! A character device: `struct miscdevice` and its `file_operations`, with an owner.
//!
//! `kernel::miscdevice` of Linux 7.2 does not set `file_operations.owner`: an open file or a live
//! mapping would not keep the module loaded. This layer does, and it installs [`VmOperations`]
//! where they belong: after the last step that can fail.
//!
//! C header: [`include/linux/miscdevice.h`](srctree/include/linux/miscdevice.h)

use crate::{
    compat,
    seq::SeqWriter,
    vm::{
        ops::VmOperations,
        vma, //
    },
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::{
        to_result,
        VTABLE_DEFAULT_ERROR, //
    },
    ffi::{
        c_int,
        c_long,
        c_uint,
        c_ulong, //
    },
    mm::virt::VmaNew,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
    types::{
        ForeignOwnable,
        Opaque, //
    },
};

/// The operations of an open file, implemented by the object behind it.
///
/// The file owns an [`Arc`] of it, and so does each of its mappings.
#[vtable]
pub(crate) trait FileOperations: VmOperations {
    /// A file is being opened. Process context, may sleep.
    fn open() -> Result<Arc<Self>>;

    /// A mapping of the file is being made: checks and configures the VMA, and returns its owner.
    ///
    /// On `Ok` the VMA is installed, which cannot fail. Process context, may sleep; the mmap lock
    /// is held for writing.
    fn mmap(this: ArcBorrow<'_, Self>, vma: &VmaNew) -> Result<Arc<Self>>;

    /// An ioctl: the number and its argument. Process context, may sleep.
    fn ioctl(&self, cmd: u32, arg: usize) -> Result<isize>;

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

/// The table of a [`FileOperations`] type.
struct FileOperationsTable<T>(PhantomData<T>);

impl<T: FileOperations> FileOperationsTable<T> {
    const TABLE: &'static bindings::file_operations = &bindings::file_operations {
        owner: compat::this_module(),
        open: Some(Self::open),
        release: Some(Self::release),
        mmap: Some(Self::mmap),
        unlocked_ioctl: Some(Self::ioctl),
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: bindings::compat_ptr_ioctl,
        show_fdinfo: if T::HAS_SHOW_FDINFO {
            Some(Self::show_fdinfo)
        } else {
            None
        },
        ..pin_init::zeroed()
    };

    /// The object behind an open file.
    ///
    /// # Safety
    ///
    /// `file` was opened by [`Self::open`] and is not released during `'a`.
    unsafe fn object<'a>(file: *mut bindings::file) -> ArcBorrow<'a, T> {
        // SAFETY: `file` is valid, and the field is not written after `open`.
        let object = unsafe { (*file).private_data };
        // SAFETY: `open` put an `Arc<T>` there, and only `release` takes it.
        unsafe { Arc::<T>::borrow(object) }
    }

    /// # Safety
    ///
    /// `file` is being opened.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: Both are valid while the file is being opened.
        let ret = unsafe { bindings::generic_file_open(inode, file) };
        if ret != 0 {
            return ret;
        }
        match <T as FileOperations>::open() {
            Ok(object) => {
                // SAFETY: The file is not shared yet; `misc_open()` left its own pointer there,
                // which nobody needs.
                unsafe { (*file).private_data = object.into_foreign() };
                0
            }
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`]; this is called once.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `file` is valid, and nobody else has it any more.
        let object = unsafe { (*file).private_data };
        // SAFETY: The file owns this reference.
        drop(unsafe { Arc::<T>::from_foreign(object) });
        0
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`], `vma` is being set up for a mapping of it.
    unsafe extern "C" fn mmap(
        file: *mut bindings::file,
        vma: *mut bindings::vm_area_struct,
    ) -> c_int {
        // SAFETY: The file is not released during its `mmap`.
        let object = unsafe { Self::object(file) };
        // SAFETY: The VMA is being set up by this task.
        let vma = unsafe { VmaNew::from_raw(vma) };
        match T::mmap(object, vma) {
            Ok(owner) => {
                vma::install(vma, owner);
                0
            }
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`].
    unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: The file is not released during its `ioctl`.
        let object = unsafe { Self::object(file) };
        match object.ioctl(cmd, arg) {
            Ok(ret) => ret as c_long,
            Err(error) => error.to_errno() as c_long,
        }
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`]; `m` is a seq file that this task may write to.
    unsafe extern "C" fn show_fdinfo(m: *mut bindings::seq_file, file: *mut bindings::file) {
        // SAFETY: The file is not released while its descriptor is shown.
        let object = unsafe { Self::object(file) };
        // SAFETY: The caller's promise.
        let mut out = unsafe { SeqWriter::from_raw(m) };
        object.show_fdinfo(&mut out);
    }
}
