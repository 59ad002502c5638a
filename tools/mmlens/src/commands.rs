// SPDX-License-Identifier: GPL-2.0

//! The commands, a file each: `Args` is what clap reads, `Args::run` does it.

pub mod audit;
pub mod completions;
pub mod diff;
pub mod events;
pub mod explain;
pub mod filter;
pub mod find;
pub mod gaps;
pub mod kernel;
pub mod man;
pub mod maps;
pub mod picture;
pub mod rmap;
pub mod save;
pub mod scan;
pub mod show;
pub mod tables;
pub mod translate;
pub mod watch;
