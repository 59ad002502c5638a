// SPDX-License-Identifier: GPL-2.0

//! The pure part of mmlens as a crate of its own, for programs and tests on the host.
//!
//! The kernel module does not use this file: it has the same modules in its own crate
//! (`mmlens_main.rs`). `tools/core` is the package.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod pt;
pub mod query;
pub mod setup;
pub mod text;
