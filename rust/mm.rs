// SPDX-License-Identifier: GPL-2.0

//! Another process' address space: finding it, its VMAs, its tables, its fields.
//!
//! Lock order: nothing here takes a lock but the target's mmap lock and, in `rmap`, the lock of the
//! mappings of a file; for reading, killable, one at a time, and never across a copy to user space.
//! `mmput()` may run the `close` of any driver, ours too, so references of that kind are dropped
//! with no lock held.

pub(crate) mod brief;
pub(crate) mod context;
pub(crate) mod counters;
pub(crate) mod fields;
pub(crate) mod kernel_tables;
pub(crate) mod layout;
pub(crate) mod pages;
pub(crate) mod pgd;
pub(crate) mod policy;
pub(crate) mod program;
pub(crate) mod remote;
pub(crate) mod rmap;
pub(crate) mod search;
pub(crate) mod tables;
pub(crate) mod users;
pub(crate) mod vmas;
