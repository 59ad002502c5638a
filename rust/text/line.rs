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
/// All its bytes are zero when there was never any text.
#[derive(Debug)]
pub struct Line<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Line<N> {
    /// An empty line.
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
        }
    }

    /// The text so far.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The bytes of the text so far.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Forgets the text.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Bytes of text so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds what `other` has from byte `from` on.
    pub fn append<const M: usize>(&mut self, other: &Line<M>, from: usize) -> fmt::Result {
        self.push(other.bytes.get(from..other.len).unwrap_or_default())
    }

    /// Adds bytes, which are text.
    #[inline(always)]
    fn push(&mut self, text: &[u8]) -> fmt::Result {
        let end = self.len.checked_add(text.len()).ok_or(fmt::Error)?;
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text);
        self.len = end;
        Ok(())
    }

    /// Adds `n` spaces.
    fn spaces(&mut self, n: usize) -> fmt::Result {
        const MANY: usize = 16;
        let end = self.len.checked_add(n).filter(|&end| end <= N);
        let end = end.ok_or(fmt::Error)?;
        let rest = self.bytes.get_mut(self.len..).unwrap_or_default();
        // A few more take less time than to count them.
        match rest.first_chunk_mut::<MANY>() {
            Some(many) if n <= MANY => *many = [b' '; MANY],
            _ => rest.iter_mut().take(n).for_each(|byte| *byte = b' '),
        }
        self.len = end;
        Ok(())
    }

    /// Adds `text`, and spaces after it up to `width` bytes: `{:<width$}`.
    pub fn left(&mut self, text: &str, width: usize) -> fmt::Result {
        self.write_str(text)?;
        self.spaces(width.saturating_sub(text.len()))
    }

    /// The same of what are digits.
    fn left_digits(&mut self, digits: &[u8], width: usize) -> fmt::Result {
        self.push(digits)?;
        self.spaces(width.saturating_sub(digits.len()))
    }

    /// Adds a number, and spaces after it up to `width` bytes: `{:<width$}`.
    pub fn decimal(&mut self, n: u64, width: usize) -> fmt::Result {
        self.left_digits(Decimal::new(n).digits(), width)
    }

    /// The same in hexadecimal: `{:<#width$x}`.
    pub fn hex(&mut self, n: u64, width: usize) -> fmt::Result {
        self.push(b"0x")?;
        // The digits from the first one on that is not 0.
        let zeros = (n | 1).leading_zeros() / 4;
        let digits = hex(n << (4 * zeros));
        let digits = digits.get(..16 - zeros as usize).unwrap_or_default();
        self.left_digits(digits, width.saturating_sub(2))
    }

    /// Adds an address or a raw entry, 16 digits: `{:016x}`.
    pub fn hex16(&mut self, n: u64) -> fmt::Result {
        self.push(&hex(n))
    }

    /// Adds a size, its number to the right of a column of `width` bytes: `{:>width$}`.
    pub fn size(&mut self, size: Size, width: usize) -> fmt::Result {
        let (number, unit) = size.parts();
        let number = Decimal::new(number);
        self.spaces(width.saturating_sub(number.digits().len()))?;
        self.push(number.digits())?;
        self.push(unit.as_bytes())
    }
}

impl<const N: usize> Default for Line<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Write for Line<N> {
    #[inline]
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.push(s.as_bytes())
    }
}

/// The 16 hexadecimal digits of a number.
fn hex(n: u64) -> [u8; 16] {
    let mut digits = [0; 16];
    let (high, low) = digits.split_at_mut(8);
    high.copy_from_slice(&hex8(n >> 32).to_be_bytes());
    low.copy_from_slice(&hex8(n & 0xffff_ffff).to_be_bytes());
    digits
}

/// The 8 digits of a number below 2^32, the first one in the highest byte: all of them at once.
const fn hex8(n: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // A digit for each byte.
    let n = (n << 16 | n) & 0x0000_ffff_0000_ffff;
    let n = (n << 8 | n) & 0x00ff_00ff_00ff_00ff;
    let n = (n << 4 | n) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 where it is a letter.
    let letters = (n + 6 * ONES) >> 4 & ONES;
    n + b'0' as u64 * ONES + letters * (b'a' - b'0' - 10) as u64
}

/// The digits of a number.
struct Decimal {
    /// As many as a number can have, in the end of it.
    bytes: [u8; 20],
    first: usize,
}

impl Decimal {
    #[inline]
    fn new(mut n: u64) -> Self {
        let mut bytes = [0; 20];
        let mut first = bytes.len();
        for byte in bytes.iter_mut().rev() {
            *byte = b'0' + (n % 10) as u8;
            first -= 1;
            n /= 10;
            if n == 0 {
                break;
            }
        }
        Self { bytes, first }
    }

    #[inline]
    fn digits(&self) -> &[u8] {
        self.bytes.get(self.first..).unwrap_or_default()
    }
}
