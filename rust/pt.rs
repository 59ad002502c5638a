// SPDX-License-Identifier: GPL-2.0

//! Page-table formats and the walk over them.
//!
//! *Pure* code: `core` only, no pointers, no kernel paths. Both architectures are always compiled,
//! so the host tests cover them on any machine, and a dump of one can be decoded on the other. What
//! touches real tables is behind [`walk::Tables`].

// Only one of the two is used in the kernel, and both on the host.
#[allow(dead_code)]
pub mod aarch64;
pub mod bits;
pub mod coalesce;
pub mod count;
pub mod entry;
pub mod facts;
pub mod filter;
pub mod format;
// The format of the other architecture, again.
#[allow(dead_code)]
pub mod kernel;
pub mod level;
pub mod memory;
pub mod page;
pub mod position;
pub mod scan;
pub mod seam;
pub mod show;
pub mod softleaf;
pub mod walk;
pub mod way;
#[allow(dead_code)]
pub mod x86_64;

/// The format of the machine this code runs on.
#[cfg(target_arch = "x86_64")]
pub type Native = x86_64::X86_64;
/// The format of the machine this code runs on.
#[cfg(target_arch = "aarch64")]
pub type Native = aarch64::Aarch64;
