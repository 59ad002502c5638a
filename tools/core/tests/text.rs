// SPDX-License-Identifier: GPL-2.0

//! Words and columns.

use mmlens_core::{
    pt::level::Geometry,
    text::{
        policy::Policy,
        vma_flags::{self, Names, VmaFlags},
        About, Dash, Escaped, Joined, Line, Size,
    },
};
use std::fmt::Write;

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
fn long_sizes_are_rounded_down() {
    let about = |bytes| format!("{:>8}", About(bytes));
    assert_eq!(about(0), "      0B");
    assert_eq!(about(4096), "      4K");
    assert_eq!(about(64 << 40), "     64T");
    assert_eq!(about((64 << 40) - 4096), "  ~63.9T");
    assert_eq!(about(1 << 63), "      8E");
    assert_eq!(about(u64::MAX), "  ~15.9E");
    assert_eq!(about(100_001), "  ~97.6K");
    assert_eq!(format!("{}", About((1 << 50) + 1)), "~1.0P");
}

/// What `core::fmt` makes of the same.
#[test]
fn columns_are_those_of_formats() {
    let column = |add: &dyn Fn(&mut Line<64>)| {
        let mut line = Line::<64>::new();
        add(&mut line);
        line.write_str("|").unwrap();
        line.as_str().to_owned()
    };
    for n in [
        0,
        1,
        9,
        10,
        4096,
        0x7fff_1234_5678,
        u64::MAX,
        0x0123_4567_89ab_cdef,
    ] {
        assert_eq!(column(&|line| line.hex16(n).unwrap()), format!("{n:016x}|"));
        assert_eq!(
            column(&|line| line.hex(n, 12).unwrap()),
            format!("{n:<#12x}|")
        );
        assert_eq!(
            column(&|line| line.decimal(n, 8).unwrap()),
            format!("{n:<8}|")
        );
        let size = Size(n);
        assert_eq!(
            column(&|line| line.size(size, 7).unwrap()),
            format!("{size:>7}|")
        );
    }
    for text in ["", "leaf", "four", "longer"] {
        assert_eq!(
            column(&|line| line.left(text, 4).unwrap()),
            format!("{text:<4}|")
        );
    }
}

#[test]
fn lines_have_an_end() {
    use std::fmt::Write;
    let mut line = Line::<8>::new();
    write!(line, "{}{}", 1234, String::from("ab")).unwrap();
    assert_eq!(line.as_str(), "1234ab");
    assert!(line.write_str("xyz").is_err());
    assert_eq!(line.as_str(), "1234ab");
    assert!(line.left("x", 3).is_err());
    let mut line = Line::<8>::new();
    line.write_str("1234ab").unwrap();
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

fn named(flags: u64, names: &'static Names) -> String {
    VmaFlags(flags).named(names).to_string()
}

#[test]
fn all_flags_have_a_name_or_a_number() {
    for names in [&vma_flags::X86_64, &vma_flags::AARCH64] {
        assert_eq!(named(0, names), "0");
        assert_eq!(named(0x3, names), "READ|WRITE");
        assert_eq!(named(1 << 18 | 1 << 26, names), "DONTEXPAND|DONTDUMP");
        assert_eq!(named(1 << 42 | 1 << 63, names), "SEALED|0x8000000000000000");
        // Each bit is one word, and no two are the same.
        let words: std::collections::HashSet<_> = (0..64).map(|b| named(1 << b, names)).collect();
        assert_eq!(words.len(), 64);
        assert_eq!(named(u64::MAX, names).split('|').count(), 64);
    }
}

/// `include/linux/mm.h`, 7.2 and 7.3.
#[test]
fn bits_of_the_architecture_have_its_names() {
    let x86_64 = |bit| named(1u64 << bit, &vma_flags::X86_64);
    assert_eq!(x86_64(24), "ARCH_1");
    assert_eq!(x86_64(32), "PKEY_BIT0");
    assert_eq!(x86_64(35), "PKEY_BIT3");
    assert_eq!(x86_64(36), "HIGH_ARCH_4");
    assert_eq!(x86_64(37), "SHADOW_STACK");
    assert_eq!(x86_64(40), "DROPPABLE");
    let aarch64 = |bit| named(1u64 << bit, &vma_flags::AARCH64);
    assert_eq!(aarch64(24), "ARM64_BTI");
    assert_eq!(aarch64(34), "PKEY_BIT2");
    assert_eq!(aarch64(35), "HIGH_ARCH_3");
    assert_eq!(aarch64(36), "MTE");
    assert_eq!(aarch64(37), "MTE_ALLOWED");
    assert_eq!(aarch64(38), "SHADOW_STACK");
}

#[test]
fn protection_keys_have_the_bits_of_the_architecture() {
    let flags = VmaFlags(0x7f << 32 | 0x3);
    assert_eq!(flags.pkey(&vma_flags::X86_64), 15);
    assert_eq!(flags.pkey(&vma_flags::AARCH64), 7);
    assert_eq!(VmaFlags(5 << 32).pkey(&vma_flags::X86_64), 5);
}

#[test]
fn modes_of_userfaultfd_are_listed() {
    let modes = |flags| VmaFlags(flags).uffd_modes().to_string();
    assert_eq!(modes(0x3), "none");
    assert_eq!(modes(1 << 9), "missing");
    assert_eq!(modes(1 << 9 | 1 << 12 | 1 << 41), "missing,wp,minor");
    assert_eq!(modes(1 << 43), "rwp");
}

/// What `/proc/PID/numa_maps` prints, in one word.
#[test]
fn policies_are_those_of_numa_maps() {
    let policy = |mode, flags, nodes: &[u64]| Policy { mode, flags, nodes }.to_string();
    assert_eq!(policy(0, 0, &[0]), "default");
    assert_eq!(policy(1, 0, &[2]), "prefer:1");
    assert_eq!(policy(2, 0, &[3]), "bind:0-1");
    assert_eq!(policy(3, 0, &[0b1011]), "interleave:0-1,3");
    assert_eq!(policy(4, 0, &[0]), "local");
    assert_eq!(policy(5, 0, &[1]), "prefer-many:0");
    assert_eq!(policy(6, 0, &[5]), "weighted-interleave:0,2");
    assert_eq!(policy(9, 0, &[0]), "mode-9");
    assert_eq!(policy(2, 1 << 15, &[1]), "bind=static:0");
    assert_eq!(
        policy(2, 1 << 14 | 1 << 13, &[1]),
        "bind=relative|balancing:0"
    );
    // The kernel's own flags are not shown.
    assert_eq!(policy(2, 0x19, &[1]), "bind:0");
    assert_eq!(policy(2, 0, &[1 << 63, 1, 0, 1 << 63]), "bind:63-64,255");
    assert_eq!(policy(2, 0, &[u64::MAX; 16]), "bind:0-1023");
}

#[test]
fn words_can_be_joined() {
    let joined = |pieces: &[&str]| {
        let mut out = String::new();
        let mut joined = Joined::new(&mut out);
        for piece in pieces {
            joined.write_str(piece).unwrap();
        }
        out
    };
    assert_eq!(joined(&[]), "");
    assert_eq!(joined(&[" P"]), "P");
    assert_eq!(joined(&[" P US", " ", "pkey", "=", "3"]), "P|US|pkey=3");
    assert_eq!(joined(&[" ", "other=", "0x10"]), "other=0x10");
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
