// SPDX-License-Identifier: GPL-2.0

//! The words of the filter language, what they mean, and which one was meant.

use super::Handy;
use mmlens_core::{
    pt::facts::Facts,
    text::vma_flags::{Names, VmaFlags},
};
use std::sync::LazyLock;

/// Names of `vm_flags` and their bits, those of this machine first: `READ`, `WRITE`, ...
pub static VMA_FLAGS: LazyLock<Vec<(u8, String)>> = LazyLock::new(|| {
    use mmlens_core::text::vma_flags::{AARCH64, NATIVE, X86_64};
    let mut all: Vec<(u8, String)> = Vec::new();
    let tables: [&'static Names; 3] = [&NATIVE, &X86_64, &AARCH64];
    for names in tables {
        for bit in 0..64u8 {
            let name = VmaFlags(1 << bit).named(names).to_string();
            if !name.starts_with("0x") && !all.iter().any(|(_, known)| *known == name) {
                all.push((bit, name));
            }
        }
    }
    all
});

/// What each word of [`Facts::WORDS`] means, in a phrase.
fn meaning(word: &str) -> &'static str {
    match word {
        "pte" => "in the lowest table",
        "pmd" => "in a page middle directory",
        "pud" => "in a page upper directory",
        "p4d" => "in a 4th-level directory",
        "pgd" => "in the top table",
        "hole" => "nothing is mapped, nothing is remembered",
        "present" => "maps a page or a huge page",
        "nonpresent" => "the kernel keeps a note in it",
        "table" => "points to a table: never told here, see tables --full",
        "bad" => "nothing that the kernel would follow",
        "read" => "user space may read",
        "write" => "user space may write",
        "exec" => "user space may execute",
        "accessed" => "used since the kernel last looked",
        "dirty" => "written through",
        "soft-dirty" => "written since soft-dirty bits were cleared (x86_64)",
        "uffd" => "under the protection of a userfaultfd",
        "special" => "mapped by number, without a struct page",
        "protnone" => "for the kernel alone: PROT_NONE, or a NUMA hint",
        "cont" => "part of a contiguous range (arm64)",
        "shadow-stack" => "a page of a shadow stack (x86_64)",
        "encrypted" => "encrypted memory (x86_64)",
        "wb" => "write-back memory",
        "wt" => "write-through memory",
        "wc" => "write-combining memory; on arm64 normal, not cacheable",
        "uc" => "uncached memory (x86_64)",
        "device" => "device memory (arm64)",
        "other-type" => "memory of another type",
        "swap" => "a page in a swap area",
        "migration" => "a page on its way to another frame",
        "device-page" => "a page that a device has",
        "hwpoison" => "a page lost to a memory error",
        "marker" => "no page, but a note",
        "guard" => "a note: any access is SIGSEGV",
        "poisoned" => "a note: any access is SIGBUS",
        "page-device" => "maps no memory that the kernel manages",
        "page-zero" => "maps the page of zeros",
        "page-anon" => "maps anonymous memory",
        "page-ksm" => "maps anonymous memory that KSM has merged",
        "page-file" => "maps the page cache of a file",
        "page-shmem" => "maps shmem: tmpfs, shared anonymous memory",
        "page-hugetlb" => "maps hugetlbfs",
        "page-kernel" => "maps memory of the kernel or of a driver",
        "page-ram" => "maps memory by number",
        "in-order" => "of a run whose places follow one another",
        _ => "",
    }
}

const fn handy_meaning(handy: Handy) -> &'static str {
    match handy {
        Handy::Huge => "a leaf above the lowest table: present & !pte",
        Handy::Wx => "present & write & exec",
        Handy::Mapped => "a leaf that the processor follows: present & !protnone",
        Handy::ReadOnly => "present & read & !write & !exec",
        Handy::Trap => "an access is a signal: guard | poisoned | hwpoison",
    }
}

/// What is written with more than a word, and what it means.
const FORMS: [(&str, &str); 8] = [
    ("!X", "not X; also: not X"),
    ("X & Y", "both; also: X and Y"),
    (
        "X | Y",
        "one of them at least, & binds closer; also: X or Y",
    ),
    ("( X )", "to say what belongs together"),
    (
        "raw & 0xM == 0xV",
        "bits M of the entry are V; also !=, and raw == 0xV",
    ),
    (
        "phys in 0xA..0xB",
        "memory from A up to B, B excluded; 1G is a number too",
    ),
    ("level == pmd", "the level of the table; also != < <= > >="),
    (
        "size >= 2M",
        "bytes of the run that the entry is in; also == != < <= >",
    ),
];

/// Each word, form and flag of a VMA, and what it means.
pub fn listing() -> Vec<(String, String)> {
    let own = |a: &str, b: &str| (a.to_string(), b.to_string());
    let words = Facts::WORDS.iter().map(|&(_, w)| own(w, meaning(w)));
    let handy = Handy::ALL.iter().map(|&h| own(h.word(), handy_meaning(h)));
    let forms = FORMS.iter().map(|&(form, what)| own(form, what));
    let flags = VMA_FLAGS.iter().map(|(bit, name)| {
        (
            format!("vma:{name}"),
            format!("VM_{name} of the VMA, bit {bit}"),
        )
    });
    words.chain(handy).chain(forms).chain(flags).collect()
}

/// The words that are a filter by themselves.
pub fn plain() -> Vec<String> {
    let is_plain = |word: &str| {
        word.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_:".contains(&b))
    };
    let words = listing().into_iter().map(|(word, _)| word);
    words.filter(|word| is_plain(word)).collect()
}

/// The word of `known` that is nearest to `word`, if one is near enough to have been meant.
pub fn suggest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let scored = known.map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate));
    let (distance, best) = scored.min_by_key(|&(distance, _)| distance)?;
    (distance <= 1 + word.chars().count() / 4).then_some(best)
}

/// How many letters have to be added, removed, changed or swapped with the next one (optimal string
/// alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}
