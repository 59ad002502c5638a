// SPDX-License-Identifier: GPL-2.0

//! Memory of several kinds, to be mapped again and again, and who knows which of it was written.

use crate::{
    device::{
        Device,
        Setup, //
    },
    sys::{
        ensure,
        ioctl,
        memfd,
        page_size,
        userfaultfd,
        Context,
        Mapping,
        Res, //
    },
    uapi::{
        PageRegion,
        PmScanArg,
        UffdioApi,
        UffdioRegister,
        PAGEMAP_SCAN,
        PAGE_IS_WRITTEN,
        PM_SCAN_CHECK_WPASYNC,
        PM_SCAN_WP_MATCHING,
        UFFDIO_API,
        UFFDIO_REGISTER,
        UFFDIO_REGISTER_MODE_WP,
        UFFD_API,
        UFFD_FEATURES, //
    },
};
use std::fs::File;

/// Where it is mapped: aligned to everything.
const BASE: usize = 128 << 30;

/// What is behind a mapping.
pub enum Backing {
    /// Ours, or the same in C.
    Device(Device),
    Memfd(File),
    Anonymous,
}

/// Memory that can be mapped.
pub struct Memory {
    pub backing: Backing,
    pub bytes: usize,
    is_huge: bool,
    mapping: Option<Mapping>,
}

impl Memory {
    fn new(backing: Backing, bytes: usize, is_huge: bool) -> Self {
        Self {
            backing,
            bytes,
            is_huge,
            mapping: None,
        }
    }

    pub fn device(node: &str, bytes: usize, setup: Setup) -> Res<Self> {
        let device = Device::open(node)?;
        device.set_up(Setup {
            bytes: bytes as u64,
            ..setup
        })?;
        Ok(Self::new(Backing::Device(device), bytes, false))
    }

    /// All of its pages are there.
    pub fn memfd(bytes: usize, is_huge: bool) -> Res<Self> {
        let file = memfd(0).context("memfd_create")?;
        file.set_len(bytes as u64).context("ftruncate")?;
        let mut memory = Self::new(Backing::Memfd(file), bytes, is_huge);
        memory.map()?.write(page_size());
        Ok(memory)
    }

    pub fn anonymous(bytes: usize, is_huge: bool) -> Self {
        Self::new(Backing::Anonymous, bytes, is_huge)
    }

    /// Maps it anew: nothing is in the tables. The old mapping is gone.
    pub fn map(&mut self) -> Res<&Mapping> {
        // Only one of all is mapped at a time, since all are at the same place.
        self.mapping = None;
        let mapping = match &self.backing {
            Backing::Device(device) => Mapping::shared(&device.0, BASE, self.bytes),
            Backing::Memfd(file) => Mapping::shared(file, BASE, self.bytes),
            Backing::Anonymous => Mapping::anonymous(BASE, self.bytes),
        };
        let mapping = mapping.context("mmap")?;
        if !matches!(self.backing, Backing::Device(_)) {
            mapping.advise_huge(self.is_huge).context("madvise")?;
        }
        Ok(self.mapping.insert(mapping))
    }

    pub fn unmap(&mut self) {
        self.mapping = None;
    }
}

/// Memory whose first writes are noted.
pub enum Tracker {
    Device {
        device: Device,
        mapping: Mapping,
        bitmap: Vec<u64>,
    },
    /// userfaultfd, with write protection that the kernel takes away by itself, and `PAGEMAP_SCAN`.
    Scan {
        _file: Option<File>,
        _faults: File,
        pagemap: File,
        mapping: Mapping,
        regions: Vec<PageRegion>,
    },
}

impl Tracker {
    pub fn device(node: &str, bytes: usize, setup: Setup) -> Res<Self> {
        let device = Device::open(node)?;
        device.set_up(Setup {
            bytes: bytes as u64,
            ..setup
        })?;
        let mapping = Mapping::shared(&device.0, 0, bytes).context("mmap")?;
        Ok(Self::Device {
            device,
            mapping,
            bitmap: vec![0; (bytes / page_size()).div_ceil(64)],
        })
    }

    /// Of a memfd, or of anonymous memory.
    pub fn scan(bytes: usize, is_file: bool) -> Res<Self> {
        let faults = userfaultfd().context("userfaultfd")?;
        let mut api = UffdioApi {
            api: UFFD_API,
            features: UFFD_FEATURES,
            ..UffdioApi::default()
        };
        ioctl(&faults, UFFDIO_API, &mut api).context("UFFDIO_API")?;
        let file = match is_file {
            true => Some(memfd(0).context("memfd_create")?),
            false => None,
        };
        let mapping = match &file {
            Some(file) => {
                file.set_len(bytes as u64).context("ftruncate")?;
                Mapping::shared(file, 0, bytes)
            }
            None => Mapping::anonymous(0, bytes),
        };
        let mapping = mapping.context("mmap")?;
        mapping.advise_huge(false).context("madvise")?;
        mapping.write(page_size());
        let mut register = UffdioRegister {
            start: mapping.address() as u64,
            len: bytes as u64,
            mode: UFFDIO_REGISTER_MODE_WP,
            ..UffdioRegister::default()
        };
        ioctl(&faults, UFFDIO_REGISTER, &mut register).context("UFFDIO_REGISTER")?;
        Ok(Self::Scan {
            _file: file,
            _faults: faults,
            pagemap: File::open("/proc/self/pagemap").context("pagemap")?,
            mapping,
            // Room for every other page: more ranges there cannot be.
            regions: vec![PageRegion::default(); bytes / page_size() / 2 + 1],
        })
    }

    pub fn mapping(&self) -> &Mapping {
        match self {
            Tracker::Device { mapping, .. } | Tracker::Scan { mapping, .. } => mapping,
        }
    }

    /// Which pages were written: a bitmap, or ranges. Clears that and protects them again. Returns
    /// how many they are.
    pub fn harvest(&mut self) -> Res<u64> {
        match self {
            Tracker::Device {
                device,
                mapping,
                bitmap,
            } => device.harvest(mapping.bytes() / page_size(), bitmap),
            Tracker::Scan {
                pagemap,
                mapping,
                regions,
                ..
            } => {
                let start = mapping.address() as u64;
                let end = start + mapping.bytes() as u64;
                let mut argument = PmScanArg {
                    size: size_of::<PmScanArg>() as u64,
                    flags: PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC,
                    start,
                    end,
                    vec: regions.as_mut_ptr() as u64,
                    vec_len: regions.len() as u64,
                    category_mask: PAGE_IS_WRITTEN,
                    return_mask: PAGE_IS_WRITTEN,
                    ..PmScanArg::default()
                };
                let count = ioctl(pagemap, PAGEMAP_SCAN, &mut argument).context("PAGEMAP_SCAN")?;
                // There was room left: it went to the end. What walk_end says is where it last had to
                // empty its own buffer (`do_pagemap_scan()`, fs/proc/task_mmu.c).
                ensure(count < regions.len() as u64, || {
                    "PAGEMAP_SCAN ended early".to_string()
                })?;
                let bytes: u64 = regions[..count as usize]
                    .iter()
                    .map(|r| r.end - r.start)
                    .sum();
                Ok(bytes / page_size() as u64)
            }
        }
    }
}
