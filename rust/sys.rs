// SPDX-License-Identifier: GPL-2.0

//! What the kernel has and its crate has not, or not as it is needed here: a safe wrapper for each.
//!
//! *Glue* code, as [`mm`](crate::mm), [`vm`](crate::vm) and [`backing`](crate::backing), which are about
//! memory; this is all the rest.

pub(crate) mod bitmap;
pub(crate) mod chardev;
pub(crate) mod debugfs;
pub(crate) mod global;
pub(crate) mod machine;
pub(crate) mod params;
pub(crate) mod rwsem;
pub(crate) mod scratch;
pub(crate) mod security;
pub(crate) mod seq;
pub(crate) mod trace;
pub(crate) mod uaccess;
