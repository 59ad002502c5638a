// SPDX-License-Identifier: GPL-2.0

//! Registers of memory management, decoded by tables.

// Only one of the two is used in the kernel, and both on the host.
#[allow(dead_code)]
pub mod aarch64;
#[allow(dead_code)]
pub mod x86_64;

use core::fmt;

/// How a field of a register is shown.
#[derive(Clone, Copy)]
pub enum Show {
    /// Its name, if it is not 0. For fields of one bit.
    Flag,
    /// `name=N`, decimal.
    Number,
    /// `name=word`; values without a word as `name=0x...`.
    Words(&'static [(u64, &'static str)]),
    /// `name=` and what this writes.
    With(fn(u64, &mut dyn fmt::Write) -> fmt::Result),
    /// What this writes, spaces before words included: for what depends on other registers too. It
    /// gets the whole register.
    Derived(fn(&Values<'_>, u64, &mut dyn fmt::Write) -> fmt::Result),
}

/// A field of a register.
#[derive(Clone, Copy)]
pub struct Field {
    name: &'static str,
    low: u8,
    high: u8,
    show: Show,
}

impl Field {
    /// Bit `bit`.
    pub const fn flag(name: &'static str, bit: u8) -> Self {
        Self::new(name, bit, bit, Show::Flag)
    }

    /// Bits `low` to `high`, inclusive.
    pub const fn new(name: &'static str, low: u8, high: u8, show: Show) -> Self {
        Self {
            name,
            low,
            high,
            show,
        }
    }

    /// Bits `low` to `high`, inclusive, by words.
    pub const fn words(
        name: &'static str,
        low: u8,
        high: u8,
        words: &'static [(u64, &'static str)],
    ) -> Self {
        Self::new(name, low, high, Show::Words(words))
    }

    const fn mask(&self) -> u64 {
        (u64::MAX >> (63 - (self.high - self.low))) << self.low
    }
}

/// A register and its fields.
pub struct Register {
    name: &'static str,
    fields: &'static [Field],
}

/// A register as it was read: `None` if the processor or a hypervisor refused.
pub type Value<'a> = (&'a str, Option<u64>);

/// The registers that were read together.
#[derive(Clone, Copy)]
pub struct Values<'a>(pub &'a [Value<'a>]);

impl Values<'_> {
    /// The register `name`, if it was read.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0
            .iter()
            .find(|&&(n, _)| n == name)
            .and_then(|&(_, v)| v)
    }
}

/// Writes the line of the register number `index` of `values`: its name, its value, its fields by
/// `table`. Bits that no field covers follow as `other=0x...`.
pub fn write_register(
    out: &mut dyn fmt::Write,
    table: &[Register],
    values: &Values<'_>,
    index: usize,
) -> fmt::Result {
    let Some(&(name, value)) = values.0.get(index) else {
        return Ok(());
    };
    write!(out, "{name}: ")?;
    let Some(value) = value else {
        return out.write_str("not known: the processor, or its hypervisor, refuses to tell\n");
    };
    write!(out, "0x{value:016x}")?;
    let mut other = value;
    let fields = table.iter().find(|r| r.name == name).map(|r| r.fields);
    for field in fields.unwrap_or_default() {
        other &= !field.mask();
        let bits = (value & field.mask()) >> field.low;
        match field.show {
            Show::Flag if bits == 0 => {}
            Show::Flag => write!(out, " {}", field.name)?,
            Show::Number => write!(out, " {}={bits}", field.name)?,
            Show::Words(words) => {
                write!(out, " {}=", field.name)?;
                write_word(out, words, bits)?;
            }
            Show::With(write) => {
                write!(out, " {}=", field.name)?;
                write(bits, out)?;
            }
            Show::Derived(write) => write(values, value, out)?,
        }
    }
    if other != 0 {
        write!(out, " other={other:#x}")?;
    }
    out.write_char('\n')
}

/// Writes the word for `bits`, or the number.
fn write_word(out: &mut dyn fmt::Write, words: &[(u64, &str)], bits: u64) -> fmt::Result {
    match words.iter().find(|&&(value, _)| value == bits) {
        Some(&(_, word)) => out.write_str(word),
        None => write!(out, "{bits:#x}"),
    }
}

/// The registers of the machine this code runs on.
#[cfg(target_arch = "x86_64")]
pub const NATIVE: &[Register] = x86_64::REGISTERS;
/// The registers of the machine this code runs on.
#[cfg(target_arch = "aarch64")]
pub const NATIVE: &[Register] = aarch64::REGISTERS;
