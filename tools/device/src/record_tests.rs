// SPDX-License-Identifier: GPL-2.0

//! Records, from buffers as the kernel fills them.

use super::*;
use proptest::prelude::*;

/// The bytes of numbers.
fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Two numbers of 32 bits as they stand in memory.
fn pair(first: u32, second: u32) -> u64 {
    let [a, b, c, d] = first.to_ne_bytes();
    let [e, f, g, h] = second.to_ne_bytes();
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

#[test]
fn entries() {
    let buffer = bytes(&[
        0x1000,
        0x8000_0000_0000_0025,
        Facts::PTE.0 | Facts::PRESENT.0,
        7,
    ]);
    let (entry, size) = Entry::parse(&buffer).expect("an entry");
    assert_eq!(
        (entry.address, entry.raw, size),
        (0x1000, Raw(0x8000_0000_0000_0025), 24)
    );
    assert!(entry.facts.has(Facts::PRESENT));
    assert_eq!(Entry::parse(&buffer[..23]), None);
}

#[test]
fn runs() {
    let facts = Facts::PTE.with(Facts::HOLE);
    let (run, size) = Run::parse(&bytes(&[1, 2, 3, u64::MAX, facts.0])).expect("a run");
    assert_eq!(size, 40);
    assert_eq!(run.place, None);
    let (run, _) = Run::parse(&bytes(&[1, 2, 3, 4, facts.0])).expect("a run");
    assert_eq!((run.start, run.end, run.place), (1, 2, Some(4)));
}

#[test]
fn tables() {
    let words = [0x4000_0000, 0x5000, pair(1, 3), 10, 20, 30, 40];
    let (table, size) = Table::parse(&bytes(&words)).expect("a table");
    assert_eq!(
        (table.start, table.at, table.level),
        (0x4000_0000, 0x5000, 1)
    );
    assert_eq!(table.entries, [10, 20, 30]);
    assert_eq!(size, 48);
    // One that is longer than the buffer.
    assert_eq!(Table::parse(&bytes(&words[..5])), None);
    assert_eq!(Table::parse(&bytes(&[0, 0, pair(0, u32::MAX)])), None);
}

fn vma(name: &[u8]) -> Vec<u8> {
    let padded = name.len().next_multiple_of(8);
    let sizes = pair(72 + padded as u32, name.len() as u32);
    let facts = pair(sys::MMLENS_VMA_FILE | sys::MMLENS_VMA_ANON_VMA, 0);
    let mut buffer = bytes(&[
        sizes,
        0x1000,
        0x3000,
        0x75,
        4,
        0x25,
        77,
        pair(0xfe, 2),
        facts,
    ]);
    buffer.extend(name);
    buffer.resize(72 + padded, 0);
    buffer
}

#[test]
fn vmas() {
    let buffer = vma(b"/bin/true");
    let (vma, size) = Vma::parse(&buffer).expect("a VMA");
    assert_eq!(size, 88);
    assert_eq!(
        (vma.start, vma.end, vma.flags, vma.pgoff),
        (0x1000, 0x3000, 0x75, 4)
    );
    assert_eq!((vma.ino, vma.dev), (77, (0xfe, 2)));
    assert_eq!(vma.name, b"/bin/true");
    assert!(vma.is_file() && vma.has_anon_vma() && !vma.is_anonymous());
}

#[test]
fn vmas_that_cannot_be() {
    let good = vma(b"name");
    // A record shorter than its own head, a name longer than the record, one past the buffer.
    for sizes in [
        pair(64, 0),
        pair(72, 4),
        pair(80, 9),
        pair(96, 4),
        pair(0, 0),
        pair(u32::MAX, 1),
    ] {
        let mut bad = good.clone();
        bad[..8].copy_from_slice(&sizes.to_ne_bytes());
        assert_eq!(Vma::parse(&bad), None, "{sizes:x}");
    }
    assert_eq!(Vma::parse(&[]), None);
}

#[test]
fn counts() {
    let mut words = vec![1, 2, 3, 4, 5, 0x6000];
    words.extend(100..164);
    let (mut counts, size) = Counts::parse(&bytes(&words)).expect("counts");
    assert_eq!(size, 560);
    assert_eq!(counts.bytes_of(Facts::PTE), 100);
    assert_eq!(counts.bytes_of(Facts::IN_ORDER), 156);
    counts.add(&counts.clone());
    assert_eq!((counts.entries, counts.bytes), ([2, 4, 6, 8, 10], 0xc000));
    assert_eq!(counts.bytes_of(Facts::PMD), 202);
}

/// Reads records until nothing is left or the rest is none; how many bytes they were.
fn read_all<R: Record>(mut bytes: &[u8]) -> usize {
    let all = bytes.len();
    while let Some((_, size)) = R::parse(bytes) {
        assert!(size > 0, "there is no end");
        bytes = bytes.get(size..).expect("no longer than what it is in");
    }
    all - bytes.len()
}

proptest! {
    /// Whatever is in a buffer, nothing is read that is not in it, and there is an end.
    #[test]
    fn any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..2000), length in 0u32..200, name in 0u32..200) {
        read_all::<Entry>(&bytes);
        read_all::<Run>(&bytes);
        read_all::<Counts>(&bytes);
        // Lengths that may fit.
        if let Some(head) = bytes.get_mut(..8) {
            head.copy_from_slice(&pair(length, name).to_ne_bytes());
        }
        let fits = length >= 72 && name <= length - 72 && length as usize <= bytes.len() && bytes.len() >= 72;
        prop_assert_eq!(Vma::parse(&bytes).map(|(vma, size)| (vma.name.len(), size)),
                        fits.then_some((name as usize, length as usize)));
        read_all::<Vma>(&bytes);
        if let Some(head) = bytes.get_mut(16..24) {
            head.copy_from_slice(&pair(3, length).to_ne_bytes());
        }
        let fits = bytes.len() >= 24 + 8 * length as usize;
        prop_assert_eq!(Table::parse(&bytes).map(|(table, size)| (table.entries.len(), size)),
                        fits.then_some((length as usize, 24 + 8 * length as usize)));
        read_all::<Table>(&bytes);
    }
}
