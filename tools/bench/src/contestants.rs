// SPDX-License-Identifier: GPL-2.0

//! Everybody who can tell what a process has mapped.

use crate::{
    sys::Res,
    target::Target, //
};

mod floors;
mod ours;
mod peers;

/// What one pass over the target gave.
#[derive(Clone, Copy, Default)]
pub struct Pass {
    /// System calls.
    pub calls: u64,
    pub records: u64,
    /// Bytes that the kernel wrote.
    pub bytes: u64,
    /// Pages that are mapped, if that was asked for and can be told.
    pub present: Option<u64>,
    /// The same of VMAs.
    pub vmas: Option<u64>,
}

/// Somebody who takes part.
pub trait Contestant {
    /// Goes over the target once. With `check` looks at what came out of it too: that is not part of
    /// what is measured.
    fn pass(&mut self, check: bool) -> Res<Pass>;
}

/// How to make one.
pub struct Kind {
    pub name: &'static str,
    /// What it gives, for the table.
    pub returns: &'static str,
    pub make: fn(&Target) -> Res<Box<dyn Contestant>>,
    /// Whether it sees what drivers map by number.
    pub sees_frames: bool,
}

/// The buffer that all of them get.
pub const BUFFER: usize = 2 << 20;

/// Who takes part, ours first. A name with `=` at its end is a second one of the same: what differs
/// between those two is the error of the measurement.
pub fn all() -> Vec<Kind> {
    let mut kinds = ours::kinds();
    kinds.extend(peers::kinds());
    kinds.extend(floors::kinds());
    kinds
}

/// A buffer of 64-bit words, so that all records are aligned in it.
pub fn buffer() -> Vec<u64> {
    vec![0; BUFFER / 8]
}
