// SPDX-License-Identifier: GPL-2.0

//! Device memory that an administrator named when the module was loaded.
//!
//! It is claimed as a driver claims it, so that no driver has it at the same time, and never RAM.
//!
//! C headers: [`include/linux/ioport.h`](srctree/include/linux/ioport.h),
//! [`include/linux/pci.h`](srctree/include/linux/pci.h),
//! [`include/linux/io.h`](srctree/include/linux/io.h)

use super::{
    areas::Listed,
    cache_number,
    Area, //
};
use crate::{
    compat,
    ffi,
    rights::may_offer_devices,
    setup::{
        parse_range,
        Cache,
        PciBar, //
    },
    sys::{
        global::global,
        params, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    ffi::{
        c_int,
        c_void, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

/// The name of our claims in `/proc/iomem`.
const NAME: &CStr = c"mmlens";

/// How a region was claimed, to be given back.
enum Claim {
    /// By its addresses.
    Memory,
    /// As a BAR of a function, to which there is a reference, and which is enabled.
    Pci(Function, c_int),
}

/// A PCI function.
///
/// # Invariants
///
/// Owns a reference, and one count of it being enabled.
struct Function(NonNull<bindings::pci_dev>);

impl Drop for Function {
    fn drop(&mut self) {
        // SAFETY: Enabled by the type invariants.
        unsafe { bindings::pci_disable_device(self.0.as_ptr()) };
        // SAFETY: The reference is ours.
        unsafe { bindings::pci_dev_put(self.0.as_ptr()) };
    }
}

/// A region of device memory that this module has claimed. Whole pages.
///
/// # Invariants
///
/// Claimed as `claim` says.
pub(super) struct Region {
    phys: u64,
    bytes: u64,
    claim: Claim,
}

// SAFETY: A claim may be given back by any thread.
unsafe impl Send for Region {}
// SAFETY: Nothing is changed but by `drop`.
unsafe impl Sync for Region {}

impl Region {
    /// Errors: `EINVAL` if it is not whole pages; `EBUSY` if somebody has claimed it; those of
    /// [`check_range`].
    fn claim_memory(phys: u64, bytes: u64) -> Result<Self> {
        let page = PAGE_SIZE as u64;
        let end = phys.checked_add(bytes).ok_or(EINVAL)?;
        if bytes == 0 || phys % page != 0 || bytes % page != 0 {
            return Err(EINVAL);
        }
        check_range(phys, end)?;
        // SAFETY: The root of all memory is static; the name is too.
        let claim = unsafe {
            bindings::__request_region(
                &raw mut bindings::iomem_resource,
                phys,
                bytes,
                NAME.as_char_ptr(),
                0,
            )
        };
        if claim.is_null() {
            return Err(EBUSY);
        }
        // INVARIANT: Just claimed.
        Ok(Self {
            phys,
            bytes,
            claim: Claim::Memory,
        })
    }

    /// Errors: `ENODEV` if there is no such function; `EINVAL` if that is no memory BAR; `EBUSY` if
    /// the function has a driver, or somebody has claimed the BAR; those of [`check_range`].
    fn claim_bar(bar: PciBar) -> Result<Self> {
        let number = c_int::from(bar.bar);
        // SAFETY: Any number may be asked for.
        let function = unsafe {
            bindings::pci_get_domain_bus_and_slot(
                bar.domain.into(),
                bar.bus.into(),
                bar.devfn.into(), //
            )
        };
        let raw = NonNull::new(function).ok_or(ENODEV)?;
        // SAFETY: There is a reference.
        if let Err(error) = to_result(unsafe { bindings::pci_enable_device_mem(raw.as_ptr()) }) {
            // SAFETY: The reference is ours.
            unsafe { bindings::pci_dev_put(raw.as_ptr()) };
            return Err(error);
        }
        // INVARIANT: Both were just taken.
        let function = Function(raw);
        // SAFETY: There is a reference.
        if !unsafe { (&raw const (*raw.as_ptr()).driver).read_volatile() }.is_null() {
            return Err(EBUSY);
        }
        let mut raw_region = ffi::mmlens_bar::default();
        // SAFETY: There is a reference; a function has BARs of these numbers.
        unsafe { ffi::mmlens_read_bar(raw.as_ptr(), number, &raw mut raw_region) };
        let bytes = raw_region.bytes / PAGE_SIZE as u64 * PAGE_SIZE as u64;
        if !raw_region.is_memory || bytes == 0 || raw_region.phys % PAGE_SIZE as u64 != 0 {
            return Err(EINVAL);
        }
        check_range(raw_region.phys, raw_region.phys + bytes)?;
        // SAFETY: There is a reference; the name is static.
        to_result(unsafe {
            bindings::pci_request_region(raw.as_ptr(), number, NAME.as_char_ptr())
        })?;
        // INVARIANT: Just claimed.
        Ok(Self {
            phys: raw_region.phys,
            bytes,
            claim: Claim::Pci(function, number),
        })
    }
}

/// Errors: `EPERM` if some of it is RAM, or if the kernel is locked down; `EOPNOTSUPP` if this machine
/// encrypts memory (SME, SEV, TDX, a Realm): what is mapped into a process would be encrypted, and what
/// a device has is not. On arm64 the core forgets a protection that says so (`vma_set_page_prot()`).
fn check_range(start: u64, end: u64) -> Result {
    // SAFETY: May be asked any time.
    if unsafe { ffi::mmlens_encrypts_memory() } {
        return Err(compat::eopnotsupp());
    }
    // SAFETY: Any range may be asked for.
    if unsafe { ffi::mmlens_has_ram(start, end - start) } {
        return Err(EPERM);
    }
    may_offer_devices()
}

impl Drop for Region {
    fn drop(&mut self) {
        match &self.claim {
            Claim::Memory => {
                // SAFETY: Claimed by the type invariants.
                unsafe {
                    bindings::__release_region(
                        &raw mut bindings::iomem_resource,
                        self.phys,
                        self.bytes, //
                    );
                }
            }
            Claim::Pci(function, bar) => {
                // SAFETY: Claimed by the type invariants; there still is the reference.
                unsafe { bindings::pci_release_region(function.0.as_ptr(), *bar) };
            }
        }
    }
}

/// How many regions there can be: one for each of the parameters `io` and `pci`.
const REGIONS: usize = 2;

global! {
    /// The regions that the module has.
    list: [Option<Arc<Region>>; REGIONS] = [None, None];
}

/// A region. Errors: `ENODEV` if there is none of this number.
fn region(number: u32) -> Result<Arc<Region>> {
    let regions = list::lock()?;
    let region = regions.get(number as usize).and_then(Option::as_ref);
    Ok(region.ok_or(ENODEV)?.clone())
}

/// The regions that the module parameters name, claimed as long as the module is loaded.
pub(crate) struct Regions(());

impl Regions {
    /// Claims them. To be called once, by `init`, before there is a device.
    ///
    /// Errors: `EINVAL` if a parameter cannot be read; those of the claims.
    pub(crate) fn claim() -> Result<Self> {
        list::init();
        let regions = Self(());
        let mut found = [None, None];
        let [memory, bar] = &mut found;
        params::with_io(|text| {
            let (phys, bytes) = parse_range(text).ok_or(EINVAL)?;
            *memory = Some(Arc::new(Region::claim_memory(phys, bytes)?, GFP_KERNEL)?);
            Ok(())
        })
        .inspect_err(|error| pr_err!("io: cannot have that memory ({error:?})\n"))?;
        params::with_pci(|text| {
            let place = PciBar::parse(text).ok_or(EINVAL)?;
            *bar = Some(Arc::new(Region::claim_bar(place)?, GFP_KERNEL)?);
            Ok(())
        })
        .inspect_err(|error| pr_err!("pci: cannot have that BAR ({error:?})\n"))?;
        *list::lock()? = found;
        Ok(regions)
    }
}

impl Drop for Regions {
    fn drop(&mut self) {
        // A static is never dropped, so what is in it has to be: once nothing is locked.
        let list = list::lock();
        let regions = list.map(|mut regions| core::mem::take(&mut *regions));
        drop(regions);
    }
}

/// An `ioremap()`.
///
/// # Invariants
///
/// `address` is one that this object unmaps.
struct Mapped {
    address: NonNull<c_void>,
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: Mapped by the type invariants.
        unsafe { bindings::iounmap(self.address.as_ptr()) };
    }
}

/// Pages of a region, and an `ioremap()` of them.
pub(crate) struct Registers {
    // Goes first: nobody looks at the tables of the range afterwards.
    _listed: Listed,
    mapped: Mapped,
    pages: usize,
    cache: Cache,
    region: Arc<Region>,
}

// SAFETY: The memory may be unmapped by any thread.
unsafe impl Send for Registers {}
// SAFETY: Nothing but frame numbers and copies is handed out.
unsafe impl Sync for Registers {}

impl Registers {
    /// How many pages a region has. Errors: `ENODEV` if there is no such region.
    pub(super) fn available(number: u32) -> Result<usize> {
        Ok(usize::try_from(region(number)?.bytes / PAGE_SIZE as u64)?)
    }

    /// The first `pages` pages of a region. Sleeps.
    ///
    /// Errors: `ENODEV` if there is no such region; `EINVAL` if it is smaller; `ENOMEM`, also if
    /// somebody has mapped it with another cache type.
    pub(super) fn new(number: u32, pages: usize, cache: Cache) -> Result<Self> {
        let region = region(number)?;
        let bytes = (pages as u64).checked_mul(PAGE_SIZE as u64).ok_or(EINVAL)?;
        if bytes > region.bytes {
            return Err(EINVAL);
        }
        // SAFETY: The range is in a region that is ours.
        let address = unsafe { ffi::mmlens_ioremap(region.phys, bytes, cache_number(cache)) };
        // INVARIANT: Just mapped.
        let mapped = Mapped {
            address: NonNull::new(address).ok_or(ENOMEM)?,
        };
        let first = mapped.address.addr().get() as u64;
        Ok(Self {
            _listed: Listed::new(first, first + (bytes - 1), "ioremap")?,
            mapped,
            pages,
            cache,
            region,
        })
    }

    /// How many pages there are.
    pub(super) fn pages(&self) -> usize {
        self.pages
    }

    /// The physical address of the first.
    pub(super) fn phys(&self) -> u64 {
        self.region.phys
    }

    /// The frame of page `index`.
    pub(super) fn pfn(&self, index: usize) -> Option<usize> {
        if index >= self.pages {
            return None;
        }
        usize::try_from(self.region.phys / PAGE_SIZE as u64 + index as u64).ok()
    }

    /// The kernel's mapping.
    pub(super) fn area(&self) -> Area<'_> {
        // INVARIANT: The area has so many pages, and is there as long as `self`.
        Area::new("ioremap", self.mapped.address, self.pages, self.cache)
    }
}
