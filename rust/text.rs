// SPDX-License-Identifier: GPL-2.0

//! Words and columns of the dumps.
//!
//! *Pure* code: `core` only.

pub mod auxv;
pub mod layout;
mod line;
pub mod mm_flags;
pub mod page_flags;
pub mod policy;
pub mod regions;
pub mod registers;
pub mod vma_flags;

use core::fmt;
pub use line::Line;

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

impl Size {
    /// The number, and the unit.
    fn parts(self) -> (u64, &'static str) {
        const UNITS: [&str; 6] = ["B", "K", "M", "G", "T", "P"];
        let most = UNITS.len() as u32 - 1;
        let thousands = match self.0 {
            0 => 0,
            bytes => (bytes.trailing_zeros() / 10).min(most),
        };
        let name = UNITS.get(thousands as usize).copied().unwrap_or_default();
        (self.0 >> (10 * thousands), name)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, unit) = self.parts();
        fmt::Display::fmt(&number, f)?;
        f.write_str(unit)
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
