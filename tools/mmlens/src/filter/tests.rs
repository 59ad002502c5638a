// SPDX-License-Identifier: GPL-2.0

use super::*;
use mmlens_core::pt::{entry::Raw, filter::Filter};
use proptest::prelude::*;

fn read(text: &str) -> Expr {
    parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn problem(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

fn word(fact: Facts) -> Expr {
    Expr::Word(fact)
}

fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

#[test]
fn what_it_says() {
    let (write, exec) = (word(Facts::WRITE), word(Facts::EXEC));
    assert_eq!(read(""), Expr::All);
    assert_eq!(read(" write "), write);
    assert_eq!(
        read("write & exec"),
        Expr::And(vec![write.clone(), exec.clone()])
    );
    assert_eq!(read("write&&exec"), read("write and exec"));
    assert_eq!(read("write|exec"), read("write or exec"));
    assert_eq!(read("!write"), read("not write"));
    assert_eq!(read("(write)"), write);
    assert_eq!(
        read("soft-dirty | write & !exec"),
        Expr::Or(vec![
            word(Facts::SOFT_DIRTY),
            Expr::And(vec![write, not(exec)])
        ])
    );
    assert_eq!(
        read("raw & 0xff == 0x25 & phys in 1G..0x8000_0000"),
        Expr::And(vec![
            Expr::Raw {
                mask: 0xff,
                value: 0x25,
                equal: true
            },
            Expr::Phys(1 << 30..2 << 30)
        ])
    );
    assert_eq!(read("size >= 2M"), Expr::Size(Compare::AtLeast, 2 << 20));
    assert_eq!(
        read("level!=pmd"),
        Expr::Level(Compare::NotEqual, Level::Pmd)
    );
    assert_eq!(read("vma:write"), Expr::Vma(1));
    assert_eq!(read("vma:VM_WRITE"), Expr::Vma(1));
    assert_eq!(read("vma:62"), Expr::Vma(62));
    assert_eq!(read("huge"), Expr::Handy(Handy::Huge));
    for &(fact, name) in Facts::WORDS {
        assert_eq!(read(name), word(fact));
    }
}

#[test]
fn what_is_wrong_and_where() {
    for (text, expected) in [
        (
            "prsent",
            "filter, column 1: there is no word `prsent`: did you mean `present`?",
        ),
        (
            "write & wrtie",
            "filter, column 9: there is no word `wrtie`: did you mean `write`?",
        ),
        (
            "xyzzyq",
            "filter, column 1: there is no word `xyzzyq`: see `mmlens filter --list`",
        ),
        (
            "sealed",
            "filter, column 1: there is no word `sealed`: did you mean `vma:SEALED`?",
        ),
        (
            "vma:wirte",
            "filter, column 5: there is no flag `wirte`: did you mean `WRITE`?",
        ),
        (
            "write exec",
            "filter, column 7: expected `&`, `|` or the end, not `exec`",
        ),
        ("(write", "filter, column 1: this `(` is not closed"),
        (
            "(write exec)",
            "filter, column 8: expected `&`, `|` or `)`, not `exec)`",
        ),
        ("write)", "filter, column 6: this `)` closes nothing"),
        ("write &", "filter, column 8: expected a word, not the end"),
        (
            "level == pmt",
            "filter, column 10: expected pte, pmd, pud, p4d or pgd, not `pmt`",
        ),
        (
            "size 2M",
            "filter, column 6: expected == != < <= > or >=, not `2M`",
        ),
        (
            "size > 2X",
            "filter, column 8: expected a number such as 0x1000 or 2M, not `2X`",
        ),
        (
            "size > 99999999999P",
            "filter, column 8: expected a number such as 0x1000 or 2M, not `99999999999P`",
        ),
        (
            "raw & 1 == 3",
            "filter, column 12: 0x3 has bits that are not in 0x1: it would never be equal",
        ),
        (
            "raw & 1 < 1",
            "filter, column 9: bits can be compared with == and != only",
        ),
        (
            "phys in 2..1",
            "filter, column 9: there is nothing from 0x2 to 0x1",
        ),
        (
            "phys 1..2",
            "filter, column 6: expected `in A..B`, not `1..2`",
        ),
        ("é", "filter, column 1: expected a word, not `é`"),
        ("write & é", "filter, column 9: expected a word, not `é`"),
        ("vma", "filter, column 4: expected `:`, not the end"),
    ] {
        assert_eq!(problem(text), expected, "{text}");
    }
    let deep = "(".repeat(100_000);
    assert_eq!(
        problem(&deep),
        "filter, column 65: nested more than 64 deep"
    );
    assert_eq!(
        problem(&"!".repeat(100_000)),
        "filter, column 65: nested more than 64 deep"
    );
}

/// Each word is explained.
#[test]
fn the_listing_is_complete() {
    let listing = listing();
    for (word, what) in &listing {
        assert!(!what.is_empty(), "{word} has no meaning");
    }
    for &(_, name) in Facts::WORDS {
        assert!(listing.iter().any(|(word, _)| word == name));
    }
    // What is there once is read as itself.
    for (word, _) in listing.iter().filter(|(word, _)| word.starts_with("vma:")) {
        assert_eq!(read(word).to_string().split(':').next(), Some("vma"));
    }
}

fn asked(text: &str) -> Asked {
    Asked::of(&read(text)).unwrap_or_else(|| panic!("{text}: nothing could match"))
}

/// What the kernel can say exactly is asked for exactly.
#[test]
fn the_kernel_is_asked_for_what_it_can_tell() {
    let filter = |text| asked(text).filter;
    let of = |required, any, excluded| Filter {
        required,
        any,
        excluded,
        ..Filter::ALL
    };
    let none = Facts(0);
    let write_exec = Facts::WRITE.with(Facts::EXEC);
    assert_eq!(filter("write & exec"), of(write_exec, none, none));
    assert_eq!(
        filter("pmd | pud"),
        of(none, Facts::PMD.with(Facts::PUD), none)
    );
    assert_eq!(
        filter("!(hole | table)"),
        of(none, none, Facts::HOLE.with(Facts::TABLE))
    );
    assert_eq!(
        filter("huge & write"),
        of(Facts::PRESENT.with(Facts::WRITE), none, Facts::PTE)
    );
    assert_eq!(
        filter("level >= pmd & level < pgd & dirty").required,
        Facts::DIRTY
    );
    assert_eq!(filter("swap & guard | swap & dirty").required, Facts::SWAP);
    assert_eq!(filter("in-order & write"), of(Facts::WRITE, none, none));
    assert_eq!(filter("raw & 1 != 1").raw_mask, 1);
    assert_eq!(filter("raw & 1 != 1").raw_value, 0);
    assert_eq!(filter("raw & 3 == 1 & size > 4K"), Filter::ALL);
    let vma = asked("vma:WRITE & !vma:SHARED");
    assert_eq!((vma.vma_required, vma.vma_excluded), (2, 8));
    for nothing in [
        "write & !write",
        "!all",
        "raw & 1 == 1 & raw & 1 == 0",
        "vma:READ & !vma:READ",
        "level > pgd",
    ] {
        assert_eq!(Asked::of(&read(nothing)), None, "{nothing}");
    }
    assert!(asked("write & page-anon").filter.wants_pages());
    assert!(read("!(write & page-anon)").wants_pages());
    assert!(read("dirty | raw == 1").is_of_entries());
    assert!(read("dirty & size > 4K").is_of_size());
}

fn compare() -> impl Strategy<Value = Compare> {
    prop::sample::select(Compare::ALL.map(|(compare, _)| compare).to_vec())
}

fn leaf() -> impl Strategy<Value = Expr> {
    let words: Vec<Facts> = Facts::WORDS.iter().map(|&(fact, _)| fact).collect();
    // Few bits, so that expressions have something to do with each other.
    let bits = 0u64..8;
    prop_oneof![
        1 => Just(Expr::All),
        8 => prop::sample::select(words).prop_map(Expr::Word),
        2 => prop::sample::select(Handy::ALL.to_vec()).prop_map(Expr::Handy),
        2 => (0u8..4).prop_map(Expr::Vma),
        1 => (0u8..64).prop_map(Expr::Vma),
        2 => (bits.clone(), bits, any::<bool>()).prop_map(|(mask, value, equal)| Expr::Raw {
            mask,
            value: value & mask,
            equal
        }),
        1 => any::<(u64, u64, bool)>().prop_map(|(mask, value, equal)| Expr::Raw {
            mask,
            value: value & mask,
            equal
        }),
        2 => (0u64..8, 1u64..8).prop_map(|(start, pages)| Expr::Phys(start << 12..(start + pages) << 12)),
        2 => (compare(), 0u8..5).prop_map(|(compare, n)| Expr::Level(compare, Level::from_number(n).unwrap())),
        2 => (compare(), 0u64..4).prop_map(|(compare, pages)| Expr::Size(compare, pages << 12)),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    leaf().prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(not),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expr::And),
            prop::collection::vec(inner, 2..4).prop_map(Expr::Or),
        ]
    })
}

/// An entry as there are some: one level, one kind, and some facts.
fn look() -> impl Strategy<Value = Look> {
    let words = prop::sample::subsequence(Facts::WORDS[10..].to_vec(), 0..12);
    (
        0u8..5,
        // None points to a table: such are never told.
        prop::sample::select(vec![5u8, 6, 7, 9]),
        words,
        0u64..8,
        prop::option::of(0u64..12),
        (1u64..4, 1u64..4, 0u64..16),
    )
        .prop_map(
            |(level, kind, words, raw, page, (bytes, run, vma_flags))| Look {
                facts: words
                    .into_iter()
                    .fold(Facts(1 << level | 1 << kind), |facts, (fact, _)| {
                        facts.with(fact)
                    }),
                raw,
                address: page.map(|page| page << 12),
                bytes: bytes << 12,
                run: run << 12,
                vma_flags,
            },
        )
}

/// What the kernel does with what it is asked for.
fn kernel_passes(asked: &Asked, look: &Look) -> bool {
    let facts = Facts(look.facts.0 & !Facts::IN_ORDER.0);
    asked.filter.passes(facts, Raw(look.raw))
        && asked.filter.passes_place(look.address, look.bytes)
        && look.vma_flags & asked.vma_required == asked.vma_required
        && look.vma_flags & asked.vma_excluded == 0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What is written is read as the same.
    #[test]
    fn print_and_parse(expr in expr()) {
        let text = expr.to_string();
        prop_assert_eq!(parse(&text), Ok(expr), "{}", text);
    }

    /// No text makes the parser panic, and errors are in one line.
    #[test]
    fn any_text(text in "\\PC*") {
        if let Err(problem) = parse(&text) {
            prop_assert_eq!(problem.to_string().lines().count(), 1);
            prop_assert!(problem.column <= text.chars().count() + 1);
        }
    }

    /// Nor do words and signs in any order.
    #[test]
    fn any_words(words in prop::collection::vec(prop::sample::select(vec![
        "write", "raw", "phys", "in", "level", "size", "vma", ":", "&", "|", "!", "(", ")", "==", ">=", "..",
        "0x10", "2M", "pmd", "WRITE", "and", "or", "not", " ", "1",
    ]), 0..12)) {
        let text = words.concat();
        if let Ok(expr) = parse(&text) {
            prop_assert_eq!(parse(&expr.to_string()), Ok(expr));
        }
    }

    /// What matches is never kept back by the kernel.
    #[test]
    fn the_kernel_passes_more(expr in expr(), looks in prop::collection::vec(look(), 40)) {
        match Asked::of(&expr) {
            Some(asked) => {
                prop_assert!(asked.filter.is_sound());
                for look in looks.iter().filter(|look| expr.matches(look)) {
                    prop_assert!(kernel_passes(&asked, look), "{} keeps back {:?}: {:?}", expr, look, asked);
                }
            }
            None => prop_assert!(looks.iter().all(|look| !expr.matches(look)), "{}", expr),
        }
    }
}
