// SPDX-License-Identifier: GPL-2.0

//! mmlens: see and exercise the address spaces of this machine.
//!
//! Two halves share one core: the *lens* prints a process' `mm_struct`, VMAs and page-table entries
//! through debugfs; the *device* `/dev/mmlens` gives buffers whose mappings have `vm_operations` to
//! watch.
//!
//! Three kinds of code, with a border that can be searched for (Documentation/design.rst):
//!
//! - pure (`pt`, `query`, `setup`, `text`): `core` only, no `unsafe`, also compiled on the host;
//! - glue (`vm`, `mm`, `backing`, `sys`, and `ffi` and `compat`): the only `unsafe`;
//! - logic (`device`, `inspect`, `rights`): safe code, the policy.

// A composite module: the crate is not named after the object.
#![crate_name = "mmlens"]

mod backing;
mod compat;
mod device;
mod ffi;
mod inspect;
mod mm;
#[allow(unreachable_pub)] // Public in the host crate.
mod pt;
#[allow(unreachable_pub)] // Public in the host crate.
mod query;
mod rights;
#[allow(unreachable_pub)] // Public in the host crate.
mod setup;
mod sys;
#[allow(unreachable_pub)] // Public in the host crate.
mod text;
mod vm;

use backing::Regions;
use device::Buffer;
use inspect::Inspector;
use kernel::prelude::*;
use rights::Gate;
use sys::chardev::CharDevice;

module! {
    type: Mmlens,
    name: "mmlens",
    authors: ["The mmlens authors"],
    description: "See and exercise the address spaces of this machine",
    license: "GPL",
}

/// The module, as long as it is loaded.
#[pin_data]
struct Mmlens {
    // Order of drops: no new opens of the device, then no new readers.
    #[pin]
    _device: CharDevice<Buffer>,
    _regions: Regions,
    _inspector: Inspector,
    _gate: Gate,
}

impl kernel::InPlaceModule for Mmlens {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        backing::init();
        device::list::init();
        try_pin_init!(Self {
            _regions: Regions::claim()?,
            _inspector: Inspector::new()?,
            // The last step that can fail.
            _device <- CharDevice::register(c"mmlens"),
            _gate: Gate::open(),
        })
    }
}
