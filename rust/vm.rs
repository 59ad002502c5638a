// SPDX-License-Identifier: GPL-2.0

//! `vm_operations` in Rust: a driver's mappings without `unsafe`.
//!
//! A driver implements [`VmOperations`](ops::VmOperations) for a type that stands for a table, and
//! names the object behind its mappings and the kind of VMA that it wants. Each VMA owns a counted
//! reference to that object, and the glue here keeps what the C interface only asks for:
//!
//! - a VMA gets its flags from the kind, and only the inserts of that kind
//!   ([`vma::NewVma::prepare`]);
//! - the reference is installed after `mmap()` has succeeded, taken again for each copy of the VMA
//!   and given back once ([`vma::Mapped`]);
//! - a fault ends in one of the ways that the core understands ([`fault::Outcome`]);
//! - `page_mkwrite` cannot succeed without a locked page ([`page::LockedPage`]);
//! - what `map_pages` can do does not sleep ([`around::AroundFault`]);
//! - a huge page is mapped only where it fits ([`huge::HugeFault`]).
//!
//! Documentation/vm-operations.rst teaches it. `helpers.c` beside these files is the C that they
//! need; of the rest of mmlens only [`crate::ffi`] and [`crate::compat`] are used.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

pub(crate) mod around;
pub(crate) mod fault;
pub(crate) mod huge;
pub(crate) mod inode;
pub(crate) mod kind;
pub(crate) mod ops;
pub(crate) mod page;
mod table;
pub(crate) mod vma;

pub(crate) use table::if_has;
