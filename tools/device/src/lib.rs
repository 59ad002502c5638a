// SPDX-License-Identifier: GPL-2.0

//! `/dev/mmlens` for programs, without `unsafe`.
//!
//! [`Device::open`] gives a descriptor. Of any process, [`Device::walk`] iterates over what is mapped,
//! [`Device::query`] answers one question, and [`Device::text`] opens the files of debugfs. Of the
//! descriptor itself, which is a buffer, [`Device::buffer`] tells.
//!
//! Errors are those of the system, with their number: `error.raw_os_error()`.

#![deny(unsafe_code)]
#![warn(missing_docs)]

mod buffer;
mod device;
mod format;
mod machine;
mod query;
mod raw;
mod record;
mod walk;

/// What bindgen makes of `uapi/mmlens.h`.
#[allow(
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    clippy::all,
    unused,
    unsafe_code
)]
pub mod sys {
    include!(concat!(env!("OUT_DIR"), "/sys.rs"));
}

pub use buffer::{Buffer, Event, Setup};
pub use device::{Device, Text, PATH};
pub use format::{entries_of, page_of, AnyFormat};
pub use machine::{hex, Arch, Machine};
pub use query::{Gap, Query, Step, Translation};
pub use raw::fd_of_process;
pub use record::{Counts, Entry, Record, Run, Table, Vma};
pub use walk::{Records, Walk};
