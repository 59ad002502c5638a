// SPDX-License-Identifier: GPL-2.0

//! The commands, a file each: `Args` is what clap reads, `Args::run` does it.

pub mod maps;
