// SPDX-License-Identifier: GPL-2.0

//! What a buffer can be, against what Documentation/uapi.rst says of it.

use mmlens_core::setup::{
    is_around, parse_range, Backing, Cache, Machine, PageKind, PciBar, Setup, Strategy, Wrong,
    DEFAULT_AROUND,
};
use proptest::prelude::*;

const X86: Machine = Machine {
    linear_map_follows: true,
    uncached_memory: true,
    huge_pages: true,
};
const ARM: Machine = Machine {
    linear_map_follows: false,
    uncached_memory: false,
    huge_pages: true,
};
const REAL_TIME: Machine = Machine {
    linear_map_follows: true,
    uncached_memory: true,
    huge_pages: false,
};

fn parse(words: &str) -> Result<Setup, Wrong> {
    Setup::parse(words, X86)
}

#[test]
fn what_is_not_said() {
    let default = parse("vmalloc").unwrap();
    assert_eq!(default, Setup::default());
    assert_eq!(default.to_string(), "vmalloc,normal,lazy,wb");
    // The words of the module parameter, if nobody has changed it.
    let tracked = parse("vmalloc,normal,lazy,wb,track").unwrap();
    assert_eq!(
        tracked,
        Setup {
            track: true,
            ..default
        }
    );
}

#[test]
fn words_in_any_order() {
    let setup = parse("nosplit,wc,around=8,pfnmap,contig\n").unwrap();
    assert_eq!(setup.backing, Backing::Contig);
    assert_eq!(setup.strategy, Strategy::Around);
    assert_eq!(setup.around, 8);
    assert_eq!(setup.kind, PageKind::PfnMap);
    assert_eq!(setup.cache, Cache::Wc);
    assert!(setup.nosplit && !setup.track);
    assert_eq!(setup.to_string(), "contig,pfnmap,around=8,wc,nosplit");
    assert_eq!(parse("around").unwrap().around, DEFAULT_AROUND);
}

#[test]
fn words_that_are_none() {
    for words in [
        "",
        ",",
        "vmalloc,",
        "Vmalloc",
        "vmalloc normal",
        "vmalloc,vmalloc",
        "vmalloc,vmap",
        "lazy,around=4",
        "around=4,around=4",
        "around,around=4",
        "track,track",
        "wb,wc",
        "around=",
        "around=0",
        "around=3",
        "around=-4",
        "around=+4",
        "around= 4",
        "around=16384",
        "around=99999999999",
        "around=0x10",
        "huge=2",
    ] {
        assert_eq!(parse(words), Err(Wrong::Word), "{words:?}");
    }
}

/// The numbers of `uapi/mmlens.h`.
#[test]
fn numbers() {
    assert_eq!(Backing::from_number(0), None);
    assert_eq!(Backing::from_number(1), Some(Backing::Vmalloc));
    assert_eq!(Backing::from_number(5), Some(Backing::Ioremap));
    assert_eq!(Backing::from_number(6), None);
    assert_eq!(Strategy::from_number(0), Some(Strategy::Lazy));
    assert_eq!(Strategy::from_number(4), Some(Strategy::Huge));
    assert_eq!(Strategy::from_number(5), None);
    assert_eq!(PageKind::from_number(2), Some(PageKind::Mixed));
    assert_eq!(PageKind::from_number(3), None);
    assert_eq!(Cache::from_number(2), Some(Cache::Uc));
    assert_eq!(Cache::from_number(u32::MAX), None);
}

fn every_setup() -> Vec<Setup> {
    let mut all = Vec::new();
    for &backing in Backing::ALL {
        for &strategy in Strategy::ALL {
            for &kind in PageKind::ALL {
                for &cache in Cache::ALL {
                    for track in [false, true] {
                        all.push(Setup {
                            backing,
                            strategy,
                            kind,
                            cache,
                            track,
                            ..Setup::default()
                        });
                    }
                }
            }
        }
    }
    all
}

/// The list of Documentation/uapi.rst, item by item.
fn goes_together(s: &Setup, machine: Machine) -> bool {
    use Backing::{Ioremap, Sparse, Vmalloc, Vmap};
    use Strategy::{Around, Huge, Lazy, Remap};
    let sparse = s.backing == Sparse
        && !(s.kind == PageKind::Normal
            && s.cache == Cache::Wb
            && [Lazy, Around].contains(&s.strategy));
    let vmalloc = s.backing == Vmalloc && s.cache != Cache::Wb;
    let device = s.backing == Ioremap && s.kind == PageKind::Normal;
    let huge = s.strategy == Huge
        && ([Vmalloc, Vmap].contains(&s.backing)
            || s.kind == PageKind::Mixed
            || s.track
            || !machine.huge_pages);
    let mixed = s.kind == PageKind::Mixed && (s.track || s.strategy == Remap);
    let linear = s.kind == PageKind::Normal && s.cache != Cache::Wb && !machine.linear_map_follows;
    let uncached = s.cache == Cache::Uc && s.backing != Ioremap && !machine.uncached_memory;
    !(sparse || vmalloc || device || huge || mixed || linear || uncached)
}

#[test]
fn all_that_goes_together_and_no_more() {
    for machine in [X86, ARM, REAL_TIME] {
        let mut valid = 0;
        for setup in every_setup() {
            let result = setup.check(machine);
            assert_eq!(
                result.is_ok(),
                goes_together(&setup, machine),
                "{setup} on {machine:?}"
            );
            assert!(!matches!(result, Err(Wrong::Word)));
            valid += usize::from(result.is_ok());
        }
        // Most of the 450 do not, but many do.
        assert!((100..300).contains(&valid), "{valid}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    for setup in every_setup() {
        match setup.check(X86) {
            Ok(()) => assert_eq!(parse(&setup.to_string()), Ok(setup)),
            Err(wrong) => assert_eq!(parse(&setup.to_string()), Err(wrong)),
        }
        // What the parameter has room for (MMLENS_SETUP_WORDS).
        let longest = Setup {
            nosplit: true,
            around: 8192,
            ..setup
        };
        assert!(longest.to_string().len() < 96);
    }
}

#[test]
fn pages_around() {
    let good: Vec<u32> = (0..20_000).filter(|&n| is_around(n)).collect();
    assert_eq!(
        good,
        [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192]
    );
}

#[test]
fn places_of_devices() {
    let bar = PciBar::parse("0000:00:04.0/2\n").unwrap();
    assert_eq!((bar.domain, bar.bus, bar.devfn, bar.bar), (0, 0, 4 << 3, 2));
    let bar = PciBar::parse("abcd:ff:1f.7/5").unwrap();
    assert_eq!(
        (bar.domain, bar.bus, bar.devfn, bar.bar),
        (0xabcd, 0xff, 0xff, 5)
    );
    for text in [
        "",
        "/",
        "00:04.0/2",
        "0000:00:04.0",
        "0000:00:04.0/6",
        "0000:00:04.8/2",
        "0000:00:20.0/2",
        "0000:100:04.0/2",
        "10000:00:04.0/2",
        "0000:00:04.0/-1",
        "0000:00:04.0/+1",
        "0000:00:04/2",
        "0000:00:04.0/2/3",
        "0x0:0:4.0/2",
        "0000:00: 4.0/2",
    ] {
        assert_eq!(PciBar::parse(text), None, "{text:?}");
    }
}

#[test]
fn ranges_of_memory() {
    assert_eq!(
        parse_range("0xfe000000,0x1000"),
        Some((0xfe00_0000, 0x1000))
    );
    assert_eq!(parse_range("4096,8192\n"), Some((4096, 8192)));
    assert_eq!(parse_range("0xffffffffffffffff,1"), Some((u64::MAX, 1)));
    for text in [
        "",
        ",",
        "1",
        "1,",
        ",1",
        "0x,1",
        "1,0x",
        "1,2,3",
        "-1,2",
        "+1,2",
        "1 ,2",
        "ff,1",
        "0x1g,1",
        "0x10000000000000000,1",
        "18446744073709551616,1",
    ] {
        assert_eq!(parse_range(text), None, "{text:?}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(text in "\\PC{0,64}") {
        let _ = parse(&text);
        let _ = PciBar::parse(&text);
        let _ = parse_range(&text);
    }

    #[test]
    fn every_place_is_read(domain: u16, bus: u8, device in 0u8..32, function in 0u8..8, bar in 0u8..6) {
        let text = format!("{domain:04x}:{bus:02x}:{device:02x}.{function}/{bar}");
        let devfn = device << 3 | function;
        prop_assert_eq!(PciBar::parse(&text), Some(PciBar { domain, bus, devfn, bar }));
    }
}
