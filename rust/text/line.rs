// SPDX-License-Identifier: GPL-2.0

//! A line of columns.
//!
//! A dump has many lines, and making them takes longer than the walk. What `core::fmt` does for a column,
//! this does with one copy, and without a call for each space.

use super::Size;
use core::fmt::{
    self,
    Write, //
};

/// The text of a line while it is made, so that it is written in one piece. What does not fit makes
/// the writing fail.
///
/// # Invariants
///
/// All bytes from `len` on are spaces.
#[derive(Debug)]
pub struct Line<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Line<N> {
    /// An empty line.
    pub const fn new() -> Self {
        // INVARIANT: There is nothing but spaces.
        Self {
            bytes: [b' '; N],
            len: 0,
        }
    }

    /// The text so far.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Adds `n` spaces.
    fn spaces(&mut self, n: usize) -> fmt::Result {
        let end = self.len.checked_add(n).filter(|&end| end <= N);
        // INVARIANT: Spaces were there.
        self.len = end.ok_or(fmt::Error)?;
        Ok(())
    }

    /// Adds `text`, and spaces after it up to `width` bytes: `{:<width$}`.
    pub fn left(&mut self, text: &str, width: usize) -> fmt::Result {
        self.write_str(text)?;
        self.spaces(width.saturating_sub(text.len()))
    }

    /// Adds a number, and spaces after it up to `width` bytes: `{:<width$}`.
    pub fn decimal(&mut self, n: u64, width: usize) -> fmt::Result {
        self.left(Digits::decimal(n).as_str(), width)
    }

    /// The same in hexadecimal: `{:<#width$x}`.
    pub fn hex(&mut self, n: u64, width: usize) -> fmt::Result {
        self.write_str("0x")?;
        self.left(Digits::hex(n, 1).as_str(), width.saturating_sub(2))
    }

    /// Adds an address or a raw entry, 16 digits: `{:016x}`.
    pub fn hex16(&mut self, n: u64) -> fmt::Result {
        self.write_str(Digits::hex(n, 16).as_str())
    }

    /// Adds a size, its number to the right of a column of `width` bytes: `{:>width$}`.
    pub fn size(&mut self, size: Size, width: usize) -> fmt::Result {
        let (number, unit) = size.parts();
        let digits = Digits::decimal(number);
        self.spaces(width.saturating_sub(digits.as_str().len()))?;
        self.write_str(digits.as_str())?;
        self.write_str(unit)
    }
}

impl<const N: usize> Default for Line<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Write for Line<N> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len.checked_add(s.len()).ok_or(fmt::Error)?;
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(s.as_bytes());
        // INVARIANT: What follows is as it was.
        self.len = end;
        Ok(())
    }
}

/// The digits of a number.
struct Digits {
    /// As many as a number can have, in the end of it.
    bytes: [u8; 20],
    first: usize,
}

impl Digits {
    fn new(mut n: u64, base: u64, least: usize) -> Self {
        let mut bytes = [b'0'; 20];
        let mut first = bytes.len();
        for byte in bytes.iter_mut().rev() {
            let digit = (n % base) as u8;
            *byte = if digit < 10 { b'0' } else { b'a' - 10 } + digit;
            first -= 1;
            n /= base;
            if n == 0 {
                break;
            }
        }
        Self {
            first: first.min(bytes.len() - least),
            bytes,
        }
    }

    #[inline(always)]
    fn decimal(n: u64) -> Self {
        Self::new(n, 10, 1)
    }

    #[inline(always)]
    fn hex(n: u64, least: usize) -> Self {
        Self::new(n, 16, least)
    }

    fn as_str(&self) -> &str {
        let digits = self.bytes.get(self.first..).unwrap_or_default();
        core::str::from_utf8(digits).unwrap_or_default()
    }
}
