// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::{
    extent::Places,
    testing::{run, vma, Made, ANON, PAGE},
};
use mmlens_core::pt::facts::Facts;
use proptest::prelude::*;

/// All of a snapshot, in memory.
type All = (Head, Vec<Vma>, Vec<Extent>, Vec<TableUse>);

pub(super) fn read(bytes: &[u8]) -> std::result::Result<All, String> {
    let mut reader = Reader::new(bytes, "file").map_err(|e| e.to_string())?;
    let (head, vmas) = (reader.head().clone(), reader.vmas().to_vec());
    let (mut runs, mut tables) = (Vec::new(), Vec::new());
    while let Some(run) = reader.run().map_err(|e| e.to_string())? {
        runs.push(run);
    }
    while let Some(table) = reader.table().map_err(|e| e.to_string())? {
        tables.push(table);
    }
    Ok((head, vmas, runs, tables))
}

pub(super) fn written(made: &Made) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut made.clone(), &mut bytes).unwrap();
    bytes
}

pub(super) fn example() -> Made {
    let mut each = run(3, 6, ANON, 0);
    each.places = Places::Each(vec![9, 7, 8]);
    let guard = Facts::PTE.with(Facts::NONPRESENT).with(Facts::MARKER);
    let mut marker = run(8, 9, guard.with(Facts::GUARD), 0);
    marker.places = Places::None;
    Made::new(
        vec![vma(1, 7, "[heap]"), vma(7, 9, "/a \"b\"\n\u{e9}")],
        vec![run(1, 3, ANON, 0x1234_5678_9abc), each, marker],
    )
}

#[test]
fn what_is_written_is_read() {
    let made = example();
    let bytes = written(&made);
    let lines = String::from_utf8(bytes.clone()).unwrap();
    assert!(
        lines.starts_with("{\"mmlens-snapshot\":{\"version\":1,"),
        "{lines}"
    );
    let (head, vmas, runs, tables) = read(&bytes).unwrap();
    assert_eq!(head, made.head);
    assert_eq!(vmas, made.vmas);
    assert_eq!(runs, made.runs);
    assert_eq!(tables, made.tables);
}

/// One thing changed in a good file, and what is said of it.
#[test]
fn what_is_wrong_is_said_in_a_line() {
    let good = String::from_utf8(written(&example())).unwrap();
    for (old, new, expected) in [
        ("\"version\":1", "\"version\":7", "file, line 1: version 7 of snapshots, and this mmlens reads version 1"),
        ("\"shift\":[12", "\"shift\":[60", "file, line 1: a machine with impossible page tables"),
        ("{\"mmlens-snapshot\"", "{\"vma\"", "file, line 1: this is no snapshot of mmlens"),
        ("\"end\":\"0x7000\"", "\"end\":\"0x500\"", "file, line 2: 0x1000 to 0x500 is no range of pages"),
        ("\"start\":\"0x7000\"", "\"start\":\"0x3000\"", "file, line 3: 0x3000 comes after 0x7000"),
        ("pte present", "pte prsent", "file, line 4: prsent is no word of mmlens"),
        ("pte present", "pte pmd present", "file, line 4: an entry is of one level"),
        ("pte present", "pte hole present", "file, line 4: an entry is present, nonpresent or bad"),
        ("[9,7,8]", "[9,7]", "file, line 5: 2 places for 3 entries"),
        ("\"used\":2", "\"used\":2000", "file, line 7: no such table"),
        ("{\"end\":{\"vmas\":2", "{\"end\":{\"vmas\":3", "file, line 8: lines are missing: not as many as this says"),
        ("\"tables\":1}}\n", "\"tables\":1}}\n\n", "file, line 9: something behind the end"),
        ("\"raw\":\"0x8", "\"raw\":\"8", "file, line 4: not a number 0x..."),
        ("{\"table\"", "{\"tabel\"", "file, line 7: unknown variant `tabel`, expected one of `mmlens-snapshot`, `vma`, `run`, `table`, `end`"),
    ] {
        let bad = good.replacen(old, new, 1);
        assert_ne!(bad, good, "{old}");
        assert_eq!(read(bad.as_bytes()).unwrap_err(), expected, "{new}");
    }
    let cut: String = good.split_inclusive('\n').take(5).collect();
    assert_eq!(
        read(cut.as_bytes()).unwrap_err(),
        "file, line 6: the file is cut off here"
    );
    assert_eq!(
        read(b"").unwrap_err(),
        "file, line 1: this is no snapshot of mmlens"
    );
    assert_eq!(
        read(b"\x7fELF").unwrap_err(),
        "file, line 1: this is no snapshot of mmlens"
    );
    let long = good.replacen("[heap]", &"x".repeat(LONGEST_LINE), 1);
    assert_eq!(
        read(long.as_bytes()).unwrap_err(),
        "file, line 2: a line that is too long"
    );
}

/// A terminal would obey them.
#[test]
fn control_characters_are_not_kept() {
    let mut made = example();
    made.head.comm = "a\x1b[2Jb".into();
    let (head, ..) = read(&written(&made)).unwrap();
    assert_eq!(head.comm, "a[2Jb");
}

/// An endless line is not read to its end.
#[test]
fn a_line_without_end() {
    #[derive(Debug)]
    struct Endless(u64);
    impl std::io::Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0 += buffer.len() as u64;
            assert!(self.0 < 1 << 20, "it goes on reading");
            buffer.fill(b'x');
            Ok(buffer.len())
        }
    }
    let error = Reader::new(BufReader::new(Endless(0)), "file").unwrap_err();
    assert_eq!(
        error.to_string(),
        "file, line 1: this is no snapshot of mmlens"
    );
}

fn runs() -> impl Strategy<Value = Vec<Extent>> {
    let places = prop_oneof![
        Just(Places::None),
        any::<u64>().prop_map(Places::From),
        Just(Places::Each(Vec::new())),
    ];
    let run = (0u64..4, 1u64..20, 10usize..30, places, any::<u64>());
    prop::collection::vec(run, 0..20).prop_map(|runs| {
        let mut page = 0;
        let mut made = Vec::new();
        for (gap, pages, word, places, seed) in runs {
            let start = page + gap;
            page = start + pages;
            let facts = Facts::PTE.with(Facts::PRESENT).with(Facts::WORDS[word].0);
            made.push(Extent {
                start: start * PAGE,
                end: page * PAGE,
                raw: seed,
                facts,
                places: match places {
                    Places::Each(_) => Places::Each((0..pages).map(|n| seed ^ n << 7).collect()),
                    other => other,
                },
            });
        }
        made
    })
}

proptest! {
    /// Whatever is written is read as it was.
    #[test]
    fn round_trip(runs in runs(), names in prop::collection::vec("\\PC{0,20}", 0..5)) {
        let vmas = names.iter().zip(1u64..).map(|(name, n)| vma(10 * n, 10 * n + 5, name)).collect();
        let made = Made::new(vmas, runs);
        let (_, vmas, runs, _) = read(&written(&made)).unwrap();
        prop_assert_eq!(vmas, made.vmas);
        prop_assert_eq!(runs, made.runs);
    }

    /// Bytes changed, cut, doubled or made up: an error in one line, or what can be used.
    #[test]
    fn a_hostile_file(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6),
        lines in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let good = written(&example());
        let mut bad = good.clone();
        for (at, byte, how) in edits {
            let at = at.index(bad.len().max(1));
            match how {
                _ if at >= bad.len() => {}
                0 => bad[at] = byte,
                1 => bad.truncate(at),
                2 => bad.insert(at, byte),
                _ => bad[at] = b'0' + byte % 10,
            }
        }
        let all: Vec<&[u8]> = good.split_inclusive(|&byte| byte == b'\n').collect();
        for line in lines {
            bad.extend(all[line.index(all.len())]);
        }
        use_up(&bad)?;
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(read(&bytes).is_err());
    }
}

/// Reads, and compares with itself and with the good one: nothing of it may panic.
fn use_up(bytes: &[u8]) -> std::result::Result<(), TestCaseError> {
    match read(bytes) {
        Err(error) => {
            prop_assert_eq!(error.lines().count(), 1, "{}", error);
            prop_assert!(error.len() < 300, "{}", error);
        }
        Ok((head, vmas, runs, tables)) => {
            let mut made = Made::new(vmas, runs);
            (made.head, made.tables) = (head, tables);
            let mut other = example();
            let changes = crate::diff::vmas(&made.vmas, &other.vmas);
            prop_assert!(changes.len() <= 2 * (made.vmas.len() + other.vmas.len()));
            let totals = crate::diff::entries(&mut made, &mut other, &mut |_| Ok(()));
            prop_assert!(totals.is_ok() || made.shape().geometry != other.shape().geometry);
        }
    }
    Ok(())
}
