// SPDX-License-Identifier: GPL-2.0

//! Words and columns of the dumps.
//!
//! *Pure* code: `core` only.

pub mod auxv;
pub mod layout;
pub mod mm_flags;
pub mod page_flags;
pub mod policy;
pub mod regions;
pub mod registers;
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

/// 16 hexadecimal digits: an address or a raw entry. What `{:016x}` writes, in one piece.
#[derive(Clone, Copy, Debug)]
pub struct Hex16(pub u64);

impl fmt::Display for Hex16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0u8; 16];
        let mut rest = self.0;
        for digit in digits.iter_mut().rev() {
            let nibble = (rest & 0xf) as u8;
            *digit = if nibble < 10 { b'0' } else { b'a' - 10 } + nibble;
            rest >>= 4;
        }
        f.write_str(core::str::from_utf8(&digits).unwrap_or_default())
    }
}

/// The text of a line while it is made, so that it is written in one piece. What does not fit makes
/// the writing fail.
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
        let bytes = self.bytes.get(..self.len).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

impl<const N: usize> Default for Line<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Write for Line<N> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = self.len.checked_add(s.len()).ok_or(fmt::Error)?;
        let room = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        room.copy_from_slice(s.as_bytes());
        self.len = end;
        Ok(())
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

/// A number of bytes: exact as [`Size`] where that is short, else about, as `~64.0T`.
#[derive(Clone, Copy, Debug)]
pub struct About(pub u64);

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u32, char); 6] = [
            (60, 'E'),
            (50, 'P'),
            (40, 'T'),
            (30, 'G'),
            (20, 'M'),
            (10, 'K'),
        ];
        let width = f.width().unwrap_or(0).saturating_sub(1);
        let zeros = self.0.trailing_zeros();
        let exact = UNITS
            .into_iter()
            .find(|&(shift, _)| self.0 != 0 && zeros >= shift);
        match exact {
            Some((shift, unit)) if self.0 >> shift < 100_000 => {
                return write!(f, "{:>width$}{unit}", self.0 >> shift);
            }
            None if self.0 < 100_000 => return write!(f, "{:>width$}B", self.0),
            _ => {}
        }
        // Everything that is not short is at least a kilobyte.
        let Some((shift, unit)) = UNITS.into_iter().find(|&(shift, _)| self.0 >> shift != 0) else {
            return Size(self.0).fmt(f);
        };
        // Ten bits of the fraction are enough for a digit.
        let fraction = (self.0 >> (shift - 10)) & 0x3ff;
        let tenths = fraction * 10 / 1024;
        let (whole, width) = (self.0 >> shift, width.saturating_sub(3));
        match width.checked_sub(digits(whole)) {
            Some(pad) => write!(f, "{:pad$}~{whole}.{tenths}{unit}", ""),
            None => write!(f, "~{whole}.{tenths}{unit}"),
        }
    }
}

/// Decimal digits of `n`.
fn digits(n: u64) -> usize {
    n.checked_ilog10().map_or(1, |log| log as usize + 1)
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

/// Bits by name, joined by `|`: bit n is the n-th name. One whose name is empty or not there is
/// shown as a number, and `0` if there are none.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a>(pub u64, pub &'a [&'a str]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0");
        }
        let mut separator = "";
        for bit in (0..64).filter(|bit| self.0 >> bit & 1 != 0) {
            match self.1.get(bit).filter(|name| !name.is_empty()) {
                Some(name) => write!(f, "{separator}{name}")?,
                None => write!(f, "{separator}{:#x}", 1u64 << bit)?,
            }
            separator = "|";
        }
        Ok(())
    }
}

/// What a line of `name: value` begins with, up to the column of the values: a prefix and the rest
/// of the name. After a longer name there is one space.
#[derive(Clone, Copy, Debug)]
pub struct FieldName<'a>(pub &'a str, pub &'a str);

impl fmt::Display for FieldName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const COLUMN: usize = 25;
        let spaces = COLUMN
            .saturating_sub(self.0.len() + self.1.len() + 1)
            .max(1);
        write!(f, "{}{}:{:spaces$}", self.0, self.1, "")
    }
}

/// A writer that puts words together which come with a space before each: ` P US` becomes `P|US`.
pub struct Joined<'a> {
    out: &'a mut dyn fmt::Write,
    has_begun: bool,
}

impl<'a> Joined<'a> {
    /// Writes to `out`.
    pub fn new(out: &'a mut dyn fmt::Write) -> Self {
        Self {
            out,
            has_begun: false,
        }
    }
}

impl fmt::Write for Joined<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let mut words = s.split(' ');
        if let Some(first) = words.next() {
            self.out.write_str(first)?;
            self.has_begun |= !first.is_empty();
        }
        for word in words {
            if self.has_begun {
                self.out.write_char('|')?;
            }
            self.out.write_str(word)?;
            self.has_begun |= !word.is_empty();
        }
        Ok(())
    }
}
