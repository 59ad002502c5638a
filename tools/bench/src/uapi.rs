// SPDX-License-Identifier: GPL-2.0

//! Structs of the kernel's ABI: `include/uapi/linux/fs.h` and `userfaultfd.h`.

use crate::sys::iowr;

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct PmScanArg {
    pub size: u64,
    pub flags: u64,
    pub start: u64,
    pub end: u64,
    pub walk_end: u64,
    pub vec: u64,
    pub vec_len: u64,
    pub max_pages: u64,
    pub category_inverted: u64,
    pub category_mask: u64,
    pub category_anyof_mask: u64,
    pub return_mask: u64,
}

/// `struct page_region`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct PageRegion {
    pub start: u64,
    pub end: u64,
    pub categories: u64,
}

pub const PAGEMAP_SCAN: u64 = iowr::<PmScanArg>(b'f', 16);
pub const PAGE_IS_WRITTEN: u64 = 1 << 1;
pub const PAGE_IS_PRESENT: u64 = 1 << 3;
/// Of those that kernel 7.2 knows.
pub const PAGE_IS_ALL: u64 = 0xff;
pub const PM_SCAN_WP_MATCHING: u64 = 1 << 0;
pub const PM_SCAN_CHECK_WPASYNC: u64 = 1 << 1;

/// `struct procmap_query`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct ProcmapQuery {
    pub size: u64,
    pub query_flags: u64,
    pub query_addr: u64,
    pub vma_start: u64,
    pub vma_end: u64,
    pub vma_flags: u64,
    pub vma_page_size: u64,
    pub vma_offset: u64,
    pub inode: u64,
    pub dev_major: u32,
    pub dev_minor: u32,
    pub vma_name_size: u32,
    pub build_id_size: u32,
    pub vma_name_addr: u64,
    pub build_id_addr: u64,
}

pub const PROCMAP_QUERY: u64 = iowr::<ProcmapQuery>(b'f', 17);
pub const PROCMAP_QUERY_COVERING_OR_NEXT_VMA: u64 = 0x10;

/// Of an entry of `/proc/PID/pagemap`.
pub const PM_PRESENT: u64 = 1 << 63;

/// `struct uffdio_api`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct UffdioApi {
    pub api: u64,
    pub features: u64,
    pub ioctls: u64,
}

/// `struct uffdio_register`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct UffdioRegister {
    pub start: u64,
    pub len: u64,
    pub mode: u64,
    pub ioctls: u64,
}

pub const UFFDIO_API: u64 = iowr::<UffdioApi>(0xaa, 0x3f);
pub const UFFDIO_REGISTER: u64 = iowr::<UffdioRegister>(0xaa, 0);
pub const UFFD_API: u64 = 0xaa;
/// Write protection, also of shmem and of what is not there, and faults are resolved by the kernel.
pub const UFFD_FEATURES: u64 = (1 << 0) | (1 << 12) | (1 << 13) | (1 << 15);
pub const UFFDIO_REGISTER_MODE_WP: u64 = 1 << 1;
