// SPDX-License-Identifier: GPL-2.0

//! Words and columns of the dumps.
//!
//! *Pure* code: `core` only.

pub mod vma_flags;

use core::fmt;

/// A column that has nothing to say.
#[derive(Clone, Copy, Debug)]
pub struct Dash;

impl fmt::Display for Dash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("-")
    }
}

/// A number of bytes, shown exactly and in the largest unit that divides it: `132K`, `2M`, `1G`.
/// The width of the format is that of the number.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u32, char); 5] = [(50, 'P'), (40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')];
        let unit = UNITS
            .into_iter()
            .find(|&(shift, _)| self.0 != 0 && self.0.trailing_zeros() >= shift);
        let (shift, letter) = unit.unwrap_or((0, 'B'));
        fmt::Display::fmt(&(self.0 >> shift), f)?;
        write!(f, "{letter}")
    }
}

/// Bytes that come from outside and may be anything: shown as text, with `\\` and what is not
/// printable ASCII as octal escapes, as `/proc/PID/maps` does.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for &byte in self.0 {
            match byte {
                b'\\' | 0..=0x1f | 0x7f.. => write!(f, "\\{byte:03o}")?,
                _ => f.write_char(char::from(byte))?,
            }
        }
        Ok(())
    }
}
