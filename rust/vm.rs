// SPDX-License-Identifier: GPL-2.0

//! `vm_operations` in Rust: a driver's mappings without `unsafe`.
//!
//! A driver implements [`VmOperations`](ops::VmOperations) for the object behind its mappings. Each
//! VMA owns a counted reference to that object, and the glue here keeps what the C interface only
//! asks for:
//!
//! - the reference is installed after `mmap()` has succeeded, taken again for each copy of the VMA
//!   and given back once;
//! - a fault ends in one of the ways that the core understands ([`fault::Outcome`]);
//! - `page_mkwrite` cannot succeed without a locked page ([`fault::LockedPage`]).
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

pub(crate) mod fault;
pub(crate) mod ops;
pub(crate) mod vma;
