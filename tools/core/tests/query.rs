// SPDX-License-Identifier: GPL-2.0

//! Questions as they are written.

use mmlens_core::query::{
    Question,
    HELP, //
};
use proptest::prelude::*;

#[test]
fn every_question() {
    let a = 0x7f00_dead_b000;
    for (text, question) in [
        ("help", Question::Help),
        ("find_vma 7f00deadb000", Question::FindVma(a)),
        ("find_vma 0x7f00deadb000", Question::FindVma(a)),
        ("find_vma 0x7F00DEADB000", Question::FindVma(a)),
        ("find_vma 0", Question::FindVma(0)),
        ("find_vma ffffffffffffffff", Question::FindVma(u64::MAX)),
        ("find_vma 00000000000000000001", Question::FindVma(1)),
        ("find_vma_prev 7f00deadb000", Question::FindVmaPrev(a)),
        (
            "find_vma_intersection 1000 0x2000",
            Question::FindVmaIntersection {
                start: 0x1000,
                end: 0x2000,
            },
        ),
        ("gap 10", Question::Gap(16)),
        ("translate 7f00deadb000", Question::Translate(a)),
        ("explain 7f00deadb000", Question::Explain(a)),
        ("rmap 7f00deadb000", Question::Rmap(a)),
    ] {
        assert_eq!(Question::parse(text), Some(question), "{text}");
    }
}

#[test]
fn anything_else_is_none() {
    for text in [
        "",
        " ",
        "find_vma",
        "find_vma ",
        "find_vma  1",
        " find_vma 1",
        "find_vma 1 ",
        "find_vma\t1",
        "find_vma 1 2",
        "find_vma 0x",
        "find_vma 0X1",
        "find_vma 0x0x1",
        "find_vma +1",
        "find_vma -1",
        "find_vma 1g",
        "find_vma 1_000",
        "find_vma 10000000000000000",
        "find_vma 1\n",
        "find_vma 1\nfind_vma 2",
        "FIND_VMA 1",
        "find_vma_next 1",
        "find_vma_intersection 1",
        "find_vma_intersection 1 1",
        "find_vma_intersection 2 1",
        "find_vma_intersection 1 2 3",
        "gap 0",
        "gap",
        "gap 2M",
        "help me",
        "explain 0x1\0",
    ] {
        assert_eq!(Question::parse(text), None, "{text:?}");
    }
}

#[test]
fn help_names_every_question() {
    for word in [
        "find_vma ",
        "find_vma_prev ",
        "find_vma_intersection ",
        "gap ",
        "translate ",
        "explain ",
        "rmap ",
        "help ",
    ] {
        assert!(HELP.lines().any(|line| line.starts_with(word)), "{word}");
    }
}

proptest! {
    #[test]
    fn any_number(n: u64) {
        for text in [format!("rmap {n:x}"), format!("rmap {n:#x}"), format!("rmap {n:016X}")] {
            prop_assert_eq!(Question::parse(&text), Some(Question::Rmap(n)));
        }
    }

    #[test]
    fn any_text(text: String) {
        if let Some(question) = Question::parse(&text) {
            let word = text.split(' ').next().unwrap();
            prop_assert!(!word.is_empty());
            prop_assert!(!matches!(question, Question::Gap(0)));
        }
    }
}
