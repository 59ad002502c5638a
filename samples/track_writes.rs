// SPDX-License-Identifier: GPL-2.0

//! Which pages were written? `track_writes.c` in Rust, where it is explained.
//!
//! Of `std` alone, which is linked to the C library: what Rust has no words for is in [`sys`], and
//! the rest is safe code.
//!
//!     make -C samples && ./samples/track_writes_rs

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
};

const PAGES: usize = 64;

/// The interface of `rust/uapi/mmlens.h`, and a mapping, behind safe functions.
mod sys {
    use std::{
        ffi::{c_int, c_long, c_ulong, c_void},
        fs::File,
        io,
        mem::size_of,
        os::fd::AsRawFd,
        ptr::{null_mut, NonNull},
    };

    pub const SETUP_TRACK: u32 = 1;
    pub const DIRTY_PEEK: u32 = 1;

    const PROT_READ_WRITE: c_int = 1 | 2;
    const MAP_SHARED: c_int = 1;
    const SC_PAGESIZE: c_int = 30;

    extern "C" {
        fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
        fn mmap(
            addr: *mut c_void,
            len: usize,
            prot: c_int,
            flags: c_int,
            fd: c_int,
            offset: i64,
        ) -> *mut c_void;
        fn munmap(addr: *mut c_void, len: usize) -> c_int;
        fn sysconf(name: c_int) -> c_long;
    }

    /// `struct mmlens_setup`.
    #[repr(C)]
    #[derive(Default)]
    struct Setup {
        size: u32,
        /// `backing`, `strategy`, `page_kind`, `cache`: 0 is the default of each.
        kinds: [u32; 4],
        flags: u32,
        around: u32,
        region: u32,
        bytes: u64,
        events: u32,
        reserved: u32,
    }

    /// `struct mmlens_dirty`.
    #[repr(C)]
    #[derive(Default)]
    struct Dirty {
        size: u32,
        flags: u32,
        first: u64,
        pages: u64,
        bitmap: u64,
        dirty: u64,
        protected: u64,
    }

    /// As `_IOW()` (1) and `_IOWR()` (3) of `<linux/ioctl.h>`.
    const fn number<T>(direction: c_ulong, nr: c_ulong) -> c_ulong {
        (direction << 30) | ((size_of::<T>() as c_ulong) << 16) | (0xE6 << 8) | nr
    }

    fn done(ret: c_int) -> io::Result<()> {
        match ret {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// `MMLENS_IOC_SETUP`.
    pub fn set_up(device: &File, flags: u32) -> io::Result<()> {
        let mut setup = Setup {
            size: size_of::<Setup>() as u32,
            flags,
            ..Default::default()
        };
        // SAFETY: The number says that so many bytes are read at the pointer.
        done(unsafe { ioctl(device.as_raw_fd(), number::<Setup>(1, 2), &raw mut setup) })
    }

    /// `MMLENS_IOC_DIRTY` of the first pages: which were written.
    pub fn dirty(device: &File, pages: usize, flags: u32) -> io::Result<Vec<usize>> {
        let mut bitmap = vec![0u64; pages.div_ceil(64)];
        let mut dirty = Dirty {
            size: size_of::<Dirty>() as u32,
            flags,
            pages: pages as u64,
            bitmap: bitmap.as_mut_ptr() as u64,
            ..Default::default()
        };
        // SAFETY: The same; and what is written at `bitmap` is a bit for each page.
        done(unsafe { ioctl(device.as_raw_fd(), number::<Dirty>(3, 4), &raw mut dirty) })?;
        Ok((0..pages)
            .filter(|page| bitmap[page / 64] & (1 << (page % 64)) != 0)
            .collect())
    }

    /// A shared mapping, unmapped when dropped. Others may write to the same memory, so there are no
    /// references into it.
    pub struct Mapping {
        start: NonNull<u8>,
        len: usize,
    }

    impl Mapping {
        pub fn new(device: &File, pages: usize) -> io::Result<Self> {
            let len = pages * page_size();
            // SAFETY: At an address that the kernel chooses there is nothing yet.
            let start = unsafe {
                mmap(
                    null_mut(),
                    len,
                    PROT_READ_WRITE,
                    MAP_SHARED,
                    device.as_raw_fd(),
                    0,
                )
            };
            match NonNull::new(start.cast()) {
                Some(start) if start.as_ptr() as isize != -1 => Ok(Self { start, len }),
                _ => Err(io::Error::last_os_error()),
            }
        }

        fn at(&self, page: usize) -> *mut u8 {
            let offset = page * page_size();
            assert!(offset < self.len);
            // SAFETY: Inside of the mapping.
            unsafe { self.start.as_ptr().add(offset) }
        }

        /// The first byte of a page.
        pub fn read(&self, page: usize) -> u8 {
            // SAFETY: It is mapped, and readable.
            unsafe { self.at(page).read_volatile() }
        }

        /// Writes it.
        pub fn write(&self, page: usize, byte: u8) {
            // SAFETY: It is mapped, and writable.
            unsafe { self.at(page).write_volatile(byte) }
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: Nothing points into it: `self` is the only one who has the address.
            unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        }
    }

    pub fn page_size() -> usize {
        // SAFETY: Always fine.
        unsafe { sysconf(SC_PAGESIZE) as usize }
    }
}

fn show(device: &File, when: &str, flags: u32) -> io::Result<()> {
    let pages = sys::dirty(device, PAGES, flags)?;
    print!("{when:<36} {} dirty:", pages.len());
    pages.iter().for_each(|page| print!(" {page}"));
    println!();
    Ok(())
}

fn main() -> io::Result<()> {
    let device = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/mmlens")?;
    sys::set_up(&device, sys::SETUP_TRACK)?;
    let map = sys::Mapping::new(&device, PAGES)?;

    for page in 0..PAGES {
        map.read(page);
    }
    show(&device, "all read:", 0)?;

    map.write(3, 1);
    map.write(5, 1);
    show(&device, "3 and 5 written, only looked:", sys::DIRTY_PEEK)?;
    show(&device, "and taken:", 0)?;

    for byte in (0..=255).cycle().take(1000) {
        map.write(5, byte);
    }
    show(&device, "5 written a thousand times:", 0)?;

    // It is the buffer that is tracked, whichever way it is written.
    device.write_all_at(b"x", 7 * sys::page_size() as u64)?;
    show(&device, "7 written by pwrite():", 0)?;
    show(&device, "nothing written:", 0)
}
