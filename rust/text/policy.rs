// SPDX-License-Identifier: GPL-2.0

//! Memory policies, spelled as `/proc/PID/numa_maps` does (`mpol_to_str()`, `mm/mempolicy.c`),
//! but as one word each.

use core::fmt;

/// `MPOL_F_STATIC_NODES`.
const STATIC_NODES: u16 = 1 << 15;
/// `MPOL_F_RELATIVE_NODES`.
const RELATIVE_NODES: u16 = 1 << 14;
/// `MPOL_F_NUMA_BALANCING`.
const NUMA_BALANCING: u16 = 1 << 13;

/// `enum mempolicy_mode` (`include/uapi/linux/mempolicy.h`).
const MODES: [&str; 7] = [
    "default",
    "prefer",
    "bind",
    "interleave",
    "local",
    "prefer-many",
    "weighted-interleave",
];

/// A memory policy; `nodes` is its node mask, the lowest word first.
///
/// Shown as `bind:0-1`, `interleave=static:0,2-3`, `local`; a mode without a name as its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy<'a> {
    /// `MPOL_BIND` and so on.
    pub mode: u16,
    /// `MPOL_F_*`; those that are the kernel's own are not shown.
    pub flags: u16,
    /// The node mask.
    pub nodes: &'a [u64],
}

impl fmt::Display for Policy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match MODES.get(usize::from(self.mode)) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "mode-{}", self.mode)?,
        }
        let mut separator = "=";
        for (flag, name) in [
            (STATIC_NODES, "static"),
            (RELATIVE_NODES, "relative"),
            (NUMA_BALANCING, "balancing"),
        ] {
            if self.flags & flag != 0 {
                write!(f, "{separator}{name}")?;
                separator = "|";
            }
        }
        self.write_nodes(f)
    }
}

impl Policy<'_> {
    fn has(&self, node: usize) -> bool {
        let word = self.nodes.get(node / 64).copied().unwrap_or(0);
        word >> (node % 64) & 1 != 0
    }

    /// The nodes as the format `%*pbl` lists them, with a colon before: `:0-1,3`. Nothing if there
    /// are none.
    fn write_nodes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.nodes.len() * 64;
        let mut separator = ":";
        let mut node = 0;
        while let Some(first) = (node..end).find(|&n| self.has(n)) {
            node = (first..end).find(|&n| !self.has(n)).unwrap_or(end);
            match node - 1 {
                last if last == first => write!(f, "{separator}{first}")?,
                last => write!(f, "{separator}{first}-{last}")?,
            }
            separator = ",";
        }
        Ok(())
    }
}
