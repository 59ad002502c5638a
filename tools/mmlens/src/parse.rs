// SPDX-License-Identifier: GPL-2.0

//! Arguments: addresses, lengths, ranges, levels. For clap's `value_parser`.

use crate::filter::Expr;
use mmlens_core::pt::level::Level;

/// An address: hexadecimal, with or without `0x`.
pub fn address(word: &str) -> Result<u64, String> {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    u64::from_str_radix(digits, 16)
        .ok()
        .filter(|_| is_number)
        .ok_or_else(|| "not a hexadecimal number of 64 bits".into())
}

/// A number of bytes: decimal or `0x...`, and K, M, G or T.
pub fn length(word: &str) -> Result<u64, String> {
    let (number, shift) = match word.bytes().last().map(|b| b.to_ascii_uppercase()) {
        Some(b'K') => (word.get(..word.len() - 1), 10),
        Some(b'M') => (word.get(..word.len() - 1), 20),
        Some(b'G') => (word.get(..word.len() - 1), 30),
        Some(b'T') => (word.get(..word.len() - 1), 40),
        _ => (Some(word), 0),
    };
    let number = number.unwrap_or_default();
    let parsed = match number.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => number.parse().ok(),
    };
    parsed
        .filter(|_| !number.starts_with('+') && !number.starts_with("0x+"))
        .and_then(|bytes: u64| bytes.checked_mul(1 << shift))
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| "not a number of bytes such as 4096, 64K, 2M, 0x1000".into())
}

/// A range of addresses: `A-B` or `A+LENGTH`; B is exclusive.
pub fn range(word: &str) -> Result<(u64, u64), String> {
    let (start, end) = if let Some((start, end)) = word.split_once('-') {
        (address(start)?, address(end)?)
    } else if let Some((start, bytes)) = word.split_once('+') {
        let start = address(start)?;
        let end = start.checked_add(length(bytes)?);
        (start, end.ok_or("it goes past the last address")?)
    } else {
        return Err("not a range such as 400000-420000 or 400000+128K".into());
    };
    if start >= end {
        return Err("it ends before it begins".into());
    }
    Ok((start, end))
}

/// A level of the page tables.
pub fn level(word: &str) -> Result<Level, String> {
    let known = Level::TOP_DOWN
        .into_iter()
        .find(|level| level.name() == word);
    known.ok_or_else(|| "one of pgd, p4d, pud, pmd, pte".into())
}

/// An expression of the filter language.
pub fn filter(word: &str) -> Result<Expr, String> {
    crate::filter::parse(word).map_err(|problem| problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(address("7f00"), Ok(0x7f00));
        assert_eq!(address("0x7F00"), Ok(0x7f00));
        assert_eq!(address("ffffffffffffffff"), Ok(u64::MAX));
        for bad in [
            "",
            "0x",
            "10000000000000000",
            "+1",
            "-1",
            "xyz",
            "0x0x1",
            " 1",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lengths() {
        assert_eq!(length("4096"), Ok(4096));
        assert_eq!(length("0x1000"), Ok(4096));
        assert_eq!(length("2M"), Ok(2 << 20));
        assert_eq!(length("64k"), Ok(64 << 10));
        assert_eq!(length("1T"), Ok(1 << 40));
        for bad in [
            "",
            "K",
            "0",
            "-1",
            "+1",
            "0x+1",
            "1.5M",
            "99999999T",
            "ü",
            "1ü",
        ] {
            assert!(length(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(range("1000-2000"), Ok((0x1000, 0x2000)));
        assert_eq!(range("0x1000+4K"), Ok((0x1000, 0x2000)));
        for bad in [
            "",
            "1000",
            "2000-1000",
            "1000-1000",
            "1000-",
            "-",
            "ffffffffffffffff+4K",
        ] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
