// SPDX-License-Identifier: GPL-2.0

//! Words and columns.

use mmlens_core::{
    pt::level::Geometry,
    text::{vma_flags::VmaFlags, Dash, Escaped, Hex16, Line, Size},
};

#[test]
fn sizes_are_exact() {
    for (bytes, expected) in [
        (0, "0B"),
        (1, "1B"),
        (4096, "4K"),
        (5000, "5000B"),
        (132 << 10, "132K"),
        (2 << 20, "2M"),
        ((2 << 20) + 4096, "2052K"),
        (1 << 30, "1G"),
        (512 << 30, "512G"),
        (256 << 40, "256T"),
        (1 << 57, "128P"),
    ] {
        assert_eq!(Size(bytes).to_string(), expected);
    }
    assert_eq!(format!("{:>7}|", Size(4096)), "      4K|");
    assert_eq!(format!("{Dash:<4}|"), "-   |");
}

#[test]
fn addresses_have_16_digits() {
    for n in [0, 1, 0x7fff_1234_5678, u64::MAX, 0x0123_4567_89ab_cdef] {
        assert_eq!(Hex16(n).to_string(), format!("{n:016x}"));
    }
}

#[test]
fn lines_have_an_end() {
    use std::fmt::Write;
    let mut line = Line::<8>::new();
    write!(line, "{}{}", 1234, "ab").unwrap();
    assert_eq!(line.as_str(), "1234ab");
    assert!(line.write_str("xyz").is_err());
    assert_eq!(line.as_str(), "1234ab");
    assert!(line.write_str("xy").is_ok());
    assert_eq!(line.as_str(), "1234abxy");
}

#[test]
fn names_from_outside_cannot_break_lines() {
    let escaped = |bytes: &[u8]| Escaped(bytes).to_string();
    assert_eq!(escaped(b"python3"), "python3");
    assert_eq!(escaped(b"a b"), "a b");
    assert_eq!(escaped(b"a\nb\\\x1b\xff"), "a\\012b\\134\\033\\377");
}

/// The letters that proc(5) specifies for /proc/PID/maps.
#[test]
fn permissions_are_those_of_maps() {
    let perms = |flags| VmaFlags(flags).perms().to_string();
    assert_eq!(perms(0), "---p");
    assert_eq!(perms(0x1), "r--p");
    assert_eq!(perms(0x7), "rwxp");
    // MAP_SHARED of a file that was opened read-only is VM_MAYSHARE without VM_SHARED.
    assert_eq!(perms(0x81), "r--s");
    assert_eq!(perms(0x8b), "rw-s");
}

#[test]
fn all_flags_have_a_name_or_a_number() {
    assert_eq!(VmaFlags(0).to_string(), "0");
    assert_eq!(VmaFlags(0x3).to_string(), "READ|WRITE");
    assert_eq!(
        VmaFlags(1 << 18 | 1 << 26).to_string(),
        "DONTEXPAND|DONTDUMP"
    );
    assert_eq!(
        VmaFlags(1 << 42 | 1 << 63).to_string(),
        "SEALED|0x8000000000000000"
    );
}

#[test]
fn impossible_shapes_are_refused() {
    let folded = [false, false, false, true, false];
    assert!(Geometry::new([12, 21, 30, 39, 39], folded).is_some());
    assert!(Geometry::new([10, 21, 30, 39, 39], folded).is_none());
    assert!(Geometry::new([12, 30, 21, 39, 39], folded).is_none());
    assert!(Geometry::new([12, 21, 30, 39, 60], folded).is_none());
    assert!(Geometry::new([12, 21, 30, 39, 39], [true; 5]).is_none());
}
